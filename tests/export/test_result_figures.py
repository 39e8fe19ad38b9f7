"""Figures of diameters, heart rates, events and intensities: what they plot, with which units."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
import tifffile

from napari_bloodflow import AcqImage
from napari_bloodflow.analysis.sum_intensity import SumIntensity
from napari_bloodflow.analysis.velocity_events import VelocityEvents
from napari_bloodflow.export.figures import (
    plot_diameter,
    plot_events,
    plot_heart_rate,
    plot_heart_rate_spectrum,
    plot_intensity,
    plot_result,
    plot_velocity,
)
from napari_bloodflow.synthetic import (
    intensity_transients,
    moving_streaks,
    pulsatile_flow,
    vessel_with_diameter_changes,
    write_tiff,
)

if TYPE_CHECKING:
    from pathlib import Path

    from matplotlib.axes import Axes

    from napari_bloodflow.analysis.base import Analysis
    from napari_bloodflow.synthetic import SyntheticKymograph


def opened(folder: Path, kymograph: SyntheticKymograph) -> AcqImage:
    write_tiff(kymograph, folder / "vessel.tif")
    acq = AcqImage(folder / "vessel.tif")
    acq.rois.create()
    return acq


def line(ax: Axes, label: str) -> np.ndarray[Any, Any]:
    """Return the points of the line with a label, in rows of x and y."""
    (found,) = [line for line in ax.lines if line.get_label() == label]
    return np.asarray(found.get_xydata())


def units(ax: Axes) -> tuple[str, str]:
    return ax.get_xlabel(), ax.get_ylabel()


# ---- diameter


@pytest.fixture
def diameter(tmp_path: Path) -> Analysis:
    kymograph = vessel_with_diameter_changes(num_rows=400)
    kymograph.image[100:110] = 0  # nothing to be seen for ten lines
    acq = opened(tmp_path, kymograph)
    return acq.analysis_set.run_analysis(("diameter", 0, 1))


def test_a_diameter_figure_has_accepted_and_filtered_rows_and_a_band(diameter: Analysis) -> None:
    table = diameter.result.table
    ax = plot_diameter(diameter)
    accepted = np.where(table["accepted"], table["diameter_um"], np.nan)
    assert np.isnan(accepted).any()
    np.testing.assert_array_equal(line(ax, "accepted")[:, 1], accepted)
    np.testing.assert_array_equal(line(ax, "filtered")[:, 1], table["diameter_um_filt"])
    (band,) = ax.collections
    used = table[table["accepted"] & table["diameter_um_sd"].notna()]
    box = band.get_paths()[0].get_extents()
    for path in band.get_paths():
        box = box.union([box, path.get_extents()])
    assert box.ymax == pytest.approx((used["diameter_um"] + 1.96 * used["diameter_um_sd"]).max())
    assert units(ax) == ("Time (s)", "Diameter (µm)")


def test_rejected_rows_are_marked_and_leave_the_axis_to_the_accepted(diameter: Analysis) -> None:
    table = diameter.result.table
    rejected = table[~table["accepted"] & table["diameter_um"].notna()]
    assert len(rejected) > 0
    ax = plot_diameter(diameter, show_rejected=True, show_filtered=False)
    np.testing.assert_array_equal(line(ax, "rejected"), rejected[["time_s", "diameter_um"]])
    assert ax.get_ylim() == plot_diameter(diameter, show_filtered=False).get_ylim()


def test_a_classic_diameter_has_no_band(tmp_path: Path) -> None:
    acq = opened(tmp_path, vessel_with_diameter_changes(num_rows=200))
    classic = {"diameter_method": "threshold_width"}
    ax = plot_diameter(acq.analysis_set.run_analysis(("diameter", 0, 1), classic))
    assert not ax.collections
    assert np.isfinite(line(ax, "accepted")[:, 1]).all()


def test_a_diameter_without_calibration_is_in_pixels_over_lines(tmp_path: Path) -> None:
    tifffile.imwrite(tmp_path / "a.tif", vessel_with_diameter_changes(num_rows=100).image)
    acq = AcqImage(tmp_path / "a.tif")
    acq.rois.create()
    ax = plot_diameter(acq.analysis_set.run_analysis(("diameter", 0, 1)))
    assert units(ax) == ("Time (lines)", "Diameter (px)")


# ---- heart rate


@pytest.fixture(scope="module")
def heart_rate(tmp_path_factory: pytest.TempPathFactory) -> Analysis:
    acq = opened(tmp_path_factory.mktemp("pulse"), pulsatile_flow(num_rows=6000))
    acq.analysis_set.run_analysis(("radon_velocity", 0, 1), {"window_width": 32})
    return acq.analysis_set.run_analysis(("heart_rate", 0, 1))


def test_a_heart_rate_figure_has_its_course_and_the_rate_of_the_record(
    heart_rate: Analysis,
) -> None:
    summary = heart_rate.result.summary
    ax = plot_heart_rate(heart_rate)
    course = np.asarray(ax.lines[0].get_xydata())
    np.testing.assert_array_equal(course[:, 0], summary["over_time"]["time_s"])
    np.testing.assert_array_equal(course[:, 1], summary["over_time"]["bpm"])
    bpm = summary["estimate"]["bpm"]
    assert bpm == pytest.approx(480, rel=0.01)
    assert set(line(ax, f"{bpm:.1f} bpm")[:, 1]) == {bpm}
    assert len(ax.collections) == 1
    assert units(ax) == ("Time (s)", "Heart rate (bpm)")


def test_a_spectrum_has_its_highest_point_at_the_rate_and_shows_the_band(
    heart_rate: Analysis,
) -> None:
    ax = plot_heart_rate_spectrum(heart_rate)
    rate, power = np.asarray(ax.lines[0].get_xydata()).T
    assert rate[np.argmax(power)] == pytest.approx(480, rel=0.02)
    (band,) = ax.patches
    assert (band.get_x(), band.get_x() + band.get_width()) == (240, 600)
    assert units(ax) == ("Rate (bpm)", "Explained variance (ratio)")


def test_a_record_too_short_for_a_course_says_so(tmp_path: Path) -> None:
    acq = opened(tmp_path, pulsatile_flow(num_rows=2000))
    acq.analysis_set.run_analysis(("radon_velocity", 0, 1), {"window_width": 32})
    analysis = acq.analysis_set.run_analysis(("heart_rate", 0, 1))
    with pytest.raises(ValueError, match="too short"):
        plot_heart_rate(analysis)
    assert plot_heart_rate_spectrum(analysis).lines


# ---- events


@pytest.fixture
def events(tmp_path: Path) -> VelocityEvents:
    acq = opened(tmp_path, pulsatile_flow(num_rows=2000))
    acq.analysis_set.run_analysis(("radon_velocity", 0, 1), {"window_width": 64})
    analysis = acq.analysis_set.run_analysis(("event", 0, 1))
    assert isinstance(analysis, VelocityEvents)
    return analysis


def test_events_are_bands_on_the_velocity_in_a_colour_of_their_type(
    events: VelocityEvents,
) -> None:
    events.add(0.8, 0.5, "fall")
    events.add(1.0, 1.2, "fall")
    events.add(1.5, 1.7)
    ax = plot_events(events)
    assert events.parent is not None
    np.testing.assert_array_equal(
        ax.lines[0].get_xydata(), plot_velocity(events.parent).lines[0].get_xydata()
    )
    spans = [(band.get_x(), band.get_x() + band.get_width()) for band in ax.patches]
    assert spans == [pytest.approx(span) for span in ((0.5, 0.8), (1.0, 1.2), (1.5, 1.7))]
    first, second, other = (band.get_facecolor() for band in ax.patches)
    assert first == second != other
    legend = ax.get_legend()
    assert legend is not None
    assert [text.get_text() for text in legend.get_texts()] == ["fall", "user"]
    assert units(ax) == ("Time (s)", "Velocity (µm/s)")


def test_open_candidates_are_shown_on_request(tmp_path: Path) -> None:
    speed = np.full(8000, 800.0)
    speed[3000:4500] = 300.0
    acq = opened(tmp_path, moving_streaks(8000, 64, velocity_um_per_s=speed))
    acq.analysis_set.run_analysis(("radon_velocity", 0, 1), {"window_width": 64})
    events = acq.analysis_set.run_analysis(("event", 0, 1))
    assert isinstance(events, VelocityEvents)
    drop = next(c for c in events.candidates if c.kind == "drop")
    assert not plot_events(events).patches
    bands = plot_events(events, show_candidates=True).patches
    assert len(bands) == len(events.candidates)
    assert drop.onset_s in [band.get_x() for band in bands]


def test_events_without_their_velocity_cannot_be_plotted(events: VelocityEvents) -> None:
    with pytest.raises(ValueError, match="no events"):
        plot_events(VelocityEvents(events.key))


# ---- intensity


def test_an_intensity_figure_has_onsets_and_peaks_on_the_trace(tmp_path: Path) -> None:
    acq = opened(tmp_path, intensity_transients(num_rows=3000))
    analysis = acq.analysis_set.run_analysis(("sum_intensity", 0, 1))
    assert isinstance(analysis, SumIntensity)
    assert len(analysis.peaks) > 1
    analysis.reject(analysis.peaks[0].peak_id)
    table = analysis.result.table
    ax = plot_intensity(analysis)
    np.testing.assert_array_equal(ax.lines[0].get_xdata(), table["time_sec"])
    np.testing.assert_array_equal(ax.lines[0].get_ydata(), table["df_f_smooth"])
    for label, rows in (
        ("onset", [peak.onset for peak in analysis.peaks]),
        ("peak", [peak.peak for peak in analysis.peaks]),
    ):
        expected = table[["time_sec", "df_f_smooth"]].iloc[rows]
        np.testing.assert_allclose(line(ax, label), expected)
    assert units(ax) == ("Time (s)", "dF/F (ratio)")
    assert len(plot_intensity(analysis, show_peaks=False).lines) == 1


# ---- of any kind


def test_a_result_is_plotted_in_the_way_of_its_kind(diameter: Analysis) -> None:
    ax = plot_result(diameter, show_filtered=False)
    assert ax.get_ylabel() == "Diameter (µm)"
    assert len(ax.lines) == 1


def test_what_has_no_result_or_no_figure_is_refused(tmp_path: Path) -> None:
    acq = opened(tmp_path, pulsatile_flow(num_rows=256))
    for kind in ("diameter", "sum_intensity"):
        with pytest.raises(ValueError, match="no result to plot"):
            plot_result(AcqImage(acq.path).analysis_set.create((kind, 0, 1)))
    velocity = acq.analysis_set.create(("radon_velocity", 0, 1))
    velocity.key = velocity.key._replace(analysis_name="colour")
    with pytest.raises(ValueError, match="there is no figure for 'colour'"):
        plot_result(velocity)
