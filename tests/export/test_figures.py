"""Figures: what they plot, with which units; no display needed."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pytest
import tifffile

from napari_bloodflow import AcqImage, accuracy_atlas
from napari_bloodflow.export.figures import (
    line_at,
    plot_accuracy,
    plot_kymograph,
    plot_velocity,
    save_figure,
)
from napari_bloodflow.synthetic import pulsatile_flow, write_tiff

if TYPE_CHECKING:
    from pathlib import Path

KEY = ("radon_velocity", 0, 1)


@pytest.fixture
def acq(tmp_path: Path) -> AcqImage:
    write_tiff(pulsatile_flow(num_rows=1024), tmp_path / "vessel.tif")
    acq = AcqImage(tmp_path / "vessel.tif")
    acq.rois.create()
    return acq


def test_a_velocity_figure_has_the_trace_with_units(acq: AcqImage) -> None:
    analysis = acq.analysis_set.run_analysis(KEY, {"window_width": 32})
    ax = plot_velocity(analysis)
    (line,) = ax.lines
    np.testing.assert_array_equal(line.get_ydata(), analysis.result.table["velocity"])
    assert (ax.get_xlabel(), ax.get_ylabel()) == ("Time (s)", "Velocity (µm/s)")


def test_a_velocity_figure_has_the_intervals_as_a_band(acq: AcqImage) -> None:
    analysis = acq.analysis_set.run_analysis(KEY, {"window_width": 32})
    (band,) = plot_velocity(analysis).collections
    table = analysis.result.table[analysis.result.table["status"] == "ok"]
    box = band.get_paths()[0].get_extents()
    assert (box.ymin, box.ymax) == pytest.approx(
        (table["velocity_ci_low"].min(), table["velocity_ci_high"].max())
    )


def test_a_classic_result_has_no_band_and_no_rejected_windows(acq: AcqImage) -> None:
    ax = plot_velocity(
        acq.analysis_set.run_analysis(KEY, {"method": "classic"}), show_rejected=True
    )
    assert len(ax.lines) == 1
    assert not ax.collections


def test_rejected_windows_are_marked_and_leave_the_axis_to_the_accepted(acq: AcqImage) -> None:
    confidence = acq.analysis_set.run_analysis(KEY).result.table["confidence"]
    analysis = acq.analysis_set.run_analysis(KEY, {"min_confidence": float(confidence.median())})
    table = analysis.result.table
    rejected = table[table["status"] != "ok"]
    assert 0 < len(rejected) < len(table)
    _, marks = (ax := plot_velocity(analysis, show_rejected=True)).lines
    np.testing.assert_array_equal(marks.get_ydata(), rejected["velocity_raw"])
    assert ax.get_ylim() == plot_velocity(analysis).get_ylim()


def test_without_calibration_the_axes_are_in_lines_and_pixels(tmp_path: Path) -> None:
    tifffile.imwrite(tmp_path / "a.tif", pulsatile_flow(num_rows=512).image)
    acq = AcqImage(tmp_path / "a.tif")
    acq.rois.create()
    ax = plot_velocity(acq.analysis_set.run_analysis(KEY))
    assert (ax.get_xlabel(), ax.get_ylabel()) == ("Time (lines)", "Velocity (px/line)")
    ax = plot_kymograph(acq)
    assert (ax.get_xlabel(), ax.get_ylabel()) == ("Time (lines)", "Position (px)")


def test_there_is_nothing_to_plot_before_a_run(acq: AcqImage) -> None:
    with pytest.raises(ValueError, match="no result to plot"):
        plot_velocity(acq.analysis_set.create(KEY))


def test_a_kymograph_is_shown_to_scale_with_its_rois(acq: AcqImage) -> None:
    ax = plot_kymograph(acq)
    (image,) = ax.images
    assert image.get_extent() == pytest.approx((0, 1.024, 32, 0))
    (outline,) = ax.patches
    assert outline.get_bbox().bounds == pytest.approx((0, 0, 1.024, 32))


@pytest.mark.parametrize("extension", ["png", "svg", "pdf"])
def test_figures_are_written_in_the_usual_formats(
    acq: AcqImage, tmp_path: Path, extension: str
) -> None:
    ax = plot_velocity(acq.analysis_set.run_analysis(KEY, {"window_width": 32}))
    line_at(ax, [0, 1], [800, 800], "truth")
    path = tmp_path / f"velocity.{extension}"
    save_figure(ax, path)
    assert path.stat().st_size > 1000


def test_an_accuracy_figure_has_errors_over_speed_and_the_range_that_holds(tmp_path: Path) -> None:
    atlas = accuracy_atlas(0.25, 0.001, 64, 32, 3.0, speeds_mm_per_s=[0.001, 0.5, 1.0, 2.0, 15.9])
    ax = plot_accuracy(atlas)
    median, most, _ = ax.lines
    np.testing.assert_array_equal(median.get_xdata(), atlas.table["speed_mm_per_s"])
    np.testing.assert_array_equal(median.get_ydata(), 100 * atlas.table["median_error"])
    np.testing.assert_array_equal(most.get_ydata(), 100 * atlas.table["error_95"])
    (band,) = ax.patches
    assert (band.get_x(), band.get_x() + band.get_width()) == pytest.approx((0.5, 2.0))
    assert (ax.get_xlabel(), ax.get_ylabel()) == ("Speed (mm/s)", "Error (%)")
    save_figure(ax, tmp_path / "accuracy.png")
    assert (tmp_path / "accuracy.png").stat().st_size > 5000


def test_an_accuracy_figure_without_a_range_has_no_band() -> None:
    atlas = accuracy_atlas(0.25, 0.001, 64, 32, 3.0, speeds_mm_per_s=[0.5, 1.0])
    assert not plot_accuracy(atlas, tolerance=1e-6).patches
