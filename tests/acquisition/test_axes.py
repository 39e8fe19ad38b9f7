"""Images whose columns are time: the user swaps the axes, and nothing changes its meaning."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
import tifffile
from hypothesis import given
from hypothesis import strategies as st

from napari_bloodflow import AcqImage, ImageBounds, LineEndpoints, RectRoiBounds
from napari_bloodflow.acquisition.roi_set import RoiSet
from napari_bloodflow.errors import AxesError
from napari_bloodflow.synthetic import pulsatile_flow

if TYPE_CHECKING:
    from pathlib import Path

SAMPLE = pulsatile_flow(num_rows=512)
VELOCITY = ("radon_velocity", 0, 1)


def write(path: Path, pixels: np.ndarray, **options: Any) -> Path:
    tifffile.imwrite(path, pixels, **options)
    return path


@pytest.fixture
def turned(tmp_path: Path) -> Path:
    """A kymograph whose columns are time, and which says nothing about it."""
    return write(tmp_path / "turned.tif", np.ascontiguousarray(SAMPLE.image.T))


def private_of(path: Path) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(path.with_name(f"{path.name}.bloodflow.json").read_text())
    return found


def sidecar_of(path: Path) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(path.with_name(f"{path.name}.json").read_text())
    return found


def test_the_turned_image_is_measured_like_the_kymograph(turned: Path, tmp_path: Path) -> None:
    plain = AcqImage(write(tmp_path / "plain.tif", SAMPLE.image))
    acq = AcqImage(turned)
    acq.axes_swapped = True
    assert acq.images.bounds == plain.images.bounds
    assert np.array_equal(acq.images.get_slice(), SAMPLE.image)
    assert (acq.images.dims, acq.images.shape) == ("XY", SAMPLE.image.T.shape)
    velocities = []
    for each in (plain, acq):
        each.set_calibration(SAMPLE.dt_s, SAMPLE.dx_um)
        each.rois.create()
        result = each.analysis_set.run_analysis(VELOCITY, {"window_width": 64}).result
        assert result.table is not None
        velocities.append(result.table["velocity"].to_numpy())
    np.testing.assert_array_equal(*velocities)


def test_rois_keep_their_pixels_and_results_become_stale(turned: Path) -> None:
    acq = AcqImage(turned)
    acq.rois.create(RectRoiBounds(0, 10, 100, 300), name="a")
    acq.rois.create(LineEndpoints(1, 2, 3, 4))
    before = acq.get_roi_image(0, 1)
    analysis = acq.analysis_set.run_analysis(VELOCITY, {"window_width": 8})
    acq.axes_swapped = True
    assert acq.rois[1].geometry == RectRoiBounds(100, 300, 0, 10)
    assert acq.rois[2].geometry == LineEndpoints(2, 1, 4, 3)
    assert np.array_equal(acq.get_roi_image(0, 1), before.T)
    assert analysis.stale_reasons == ("the axes were swapped",)
    acq.axes_swapped = False
    assert not analysis.is_stale


def test_a_square_image_does_not_pass_for_the_same(tmp_path: Path) -> None:
    pixels = np.random.default_rng(1).integers(0, 255, (64, 64), dtype=np.uint8)
    acq = AcqImage(write(tmp_path / "square.tif", pixels + pixels.T))
    acq.rois.create()
    analysis = acq.analysis_set.run_analysis(VELOCITY, {"window_width": 16})
    acq.axes_swapped = True
    assert analysis.is_stale


def test_it_is_kept_with_the_file_and_other_programs_see_its_own_axes(turned: Path) -> None:
    acq = AcqImage(turned)
    acq.axes_swapped = True
    acq.set_calibration(0.001, 0.25)
    acq.rois.create(RectRoiBounds(100, 300, 0, 10))
    acq.analysis_set.run_analysis(VELOCITY, {"window_width": 64})
    assert acq.is_dirty
    acq.save()
    assert not acq.is_dirty
    assert private_of(turned)["axes_swapped"] is True
    sidecar = sidecar_of(turned)
    data = sidecar["rois"][0]["data"]
    assert data == {"row_start": 0, "row_stop": 10, "col_start": 100, "col_stop": 300}
    header = sidecar["image_header_metadata"]
    assert (header["physical_unit_y"], header["physical_label_y"]) == (0.25, "um")
    assert (header["physical_unit_x"], header["physical_label_x"]) == (0.001, "seconds")

    again = AcqImage(turned)
    assert again.axes_swapped
    assert not again.is_dirty
    assert again.problems == ()
    assert again.rois[1].geometry == RectRoiBounds(100, 300, 0, 10)
    assert (again.calibration.dt_s, again.calibration.dx_um) == (0.001, 0.25)
    assert again.calibration.source == "user"
    assert not again.analysis_set[VELOCITY].is_stale


def test_without_our_own_file_nothing_passes_for_calibrated_or_fresh(turned: Path) -> None:
    acq = AcqImage(turned)
    acq.axes_swapped = True
    acq.set_calibration(0.001, 0.25)
    acq.rois.create(RectRoiBounds(100, 300, 0, 10))
    acq.analysis_set.run_analysis(VELOCITY, {"window_width": 64})
    acq.save()
    turned.with_name("turned.tif.bloodflow.json").unlink()
    lost = AcqImage(turned)
    assert not lost.axes_swapped
    assert not lost.calibration.is_known
    assert lost.rois[1].geometry == RectRoiBounds(0, 10, 100, 300)
    assert lost.analysis_set[VELOCITY].is_stale


def test_a_result_of_another_program_is_stale_in_a_turned_image(turned: Path) -> None:
    acq = AcqImage(turned)
    acq.rois.create()
    acq.analysis_set.run_analysis(VELOCITY, {"window_width": 8})
    acq.axes_swapped = True
    acq.save()
    path = turned.with_name("turned.tif.json")
    sidecar = sidecar_of(turned)
    del sidecar["analysis"][0]["summary"]["provenance"]
    path.write_text(json.dumps(sidecar))
    (reason,) = AcqImage(turned).analysis_set[VELOCITY].stale_reasons
    assert reason == "the axes were swapped"


def test_undo_and_redo(turned: Path) -> None:
    acq = AcqImage(turned)
    acq.rois.create(RectRoiBounds(0, 10, 100, 300))
    acq.set_calibration(0.001, 0.25)
    told: list[bool] = []
    acq.axes_changed.connect(lambda: told.append(acq.axes_swapped))
    acq.axes_swapped = True
    acq.rois.edit(1, RectRoiBounds(0, 50, 0, 5))
    assert acq.history.undo() == "resize ROI 1"
    assert acq.history.undo_text == "swap the axes"
    acq.history.undo()
    assert not acq.axes_swapped
    assert acq.rois[1].geometry == RectRoiBounds(0, 10, 100, 300)
    assert acq.calibration.dt_s == 0.001
    acq.history.redo()
    assert acq.axes_swapped
    assert acq.rois[1].geometry == RectRoiBounds(100, 300, 0, 10)
    assert acq.calibration.dt_s == 0.001
    assert told == [True, False, True]


def test_steps_that_the_file_gives_for_swapped_axes_are_used(tmp_path: Path) -> None:
    path = write(
        tmp_path / "ms_columns.tif",
        np.zeros((20, 50), np.uint16),
        imagej=True,
        metadata={"unit": "ms", "yunit": "um"},
        resolution=(2, 4),
    )
    acq = AcqImage(path)
    assert not acq.calibration.is_known
    acq.axes_swapped = True
    assert (acq.calibration.dt_s, acq.calibration.dx_um) == pytest.approx((0.0005, 0.25))
    assert acq.calibration.source == "ImageJ"
    assert not any("swap its axes" in line for line in acq.calibration_report)


def test_a_time_of_rows_is_no_time_of_columns(tmp_path: Path) -> None:
    path = write(
        tmp_path / "known.tif",
        np.zeros((20, 50), np.uint16),
        imagej=True,
        metadata={"unit": "um", "finterval": 0.002},
        resolution=(4, 4),
    )
    acq = AcqImage(path)
    assert acq.calibration.is_known
    acq.axes_swapped = True
    assert not acq.calibration.is_known
    assert any("of the axes as the file has them" in line for line in acq.calibration_report)
    acq.save()
    acq = AcqImage(path)
    assert not acq.calibration.is_known
    acq.axes_swapped = False
    assert acq.calibration.dt_s == 0.002


@pytest.mark.parametrize("options", [{}, {"imagej": True, "metadata": {"unit": "um"}}])
def test_what_the_sidecar_says_of_the_rows_comes_back_with_them(
    turned: Path, options: dict[str, Any]
) -> None:
    tifffile.imwrite(turned, np.zeros((64, 512), np.uint16), resolution=(4, 4), **options)
    first = AcqImage(turned)
    first.set_calibration(0.003, 0.5)
    first.save()
    turned.with_name("turned.tif.bloodflow.json").unlink()
    acq = AcqImage(turned)
    assert acq.calibration.source == "sidecar"
    acq.axes_swapped = True
    assert not acq.calibration.is_known
    acq.save()
    acq = AcqImage(turned)
    assert not acq.calibration.is_known
    acq.axes_swapped = False
    assert (acq.calibration.dt_s, acq.calibration.dx_um) == (0.003, 0.5)


def test_swapping_back_is_saved_too(turned: Path) -> None:
    acq = AcqImage(turned)
    acq.axes_swapped = True
    acq.save()
    acq.axes_swapped = False
    assert acq.is_dirty
    acq.save()
    assert "axes_swapped" not in private_of(turned)
    assert not AcqImage(turned).axes_swapped


def test_a_swap_is_merged_with_what_another_program_changed(turned: Path) -> None:
    acq = AcqImage(turned)
    acq.rois.create(RectRoiBounds(0, 10, 100, 300))
    acq.save()
    other = AcqImage(turned)
    acq.axes_swapped = True
    other.rois.create(RectRoiBounds(0, 20, 0, 30))
    other.save()
    acq.save()
    assert acq.axes_swapped
    assert acq.rois[2].geometry == RectRoiBounds(0, 30, 0, 20)
    assert AcqImage(turned).rois[1].geometry == RectRoiBounds(100, 300, 0, 10)


def test_reading_again_takes_the_axes_of_the_disk(turned: Path) -> None:
    acq = AcqImage(turned)
    acq.rois.create(RectRoiBounds(0, 10, 100, 300))
    acq.save()
    acq.axes_swapped = True
    acq.load_sidecar_json()
    assert not acq.axes_swapped
    assert acq.rois[1].geometry == RectRoiBounds(0, 10, 100, 300)


def test_an_entry_that_is_no_truth_value_is_a_problem(turned: Path) -> None:
    turned.with_name("turned.tif.bloodflow.json").write_text('{"axes_swapped": "yes"}')
    acq = AcqImage(turned)
    assert not acq.axes_swapped
    (problem,) = acq.problems
    assert problem.where == "axes_swapped"


def test_a_scitiff_file_keeps_its_axes(turned: Path, tmp_path: Path) -> None:
    acq = AcqImage(turned)
    acq.set_calibration(0.001, 0.25)
    acq.axes_swapped = True
    acq.export_scitiff(tmp_path / "export.tiff")
    export = AcqImage(tmp_path / "export.tiff")
    assert np.array_equal(export.images.get_slice(), SAMPLE.image)
    with pytest.raises(AxesError, match="coordinates"):
        export.axes_swapped = True
    assert not export.axes_swapped


@given(st.lists(st.tuples(*[st.integers(0, 30)] * 4), max_size=5))
def test_transposing_twice_is_nothing(boxes: list[tuple[int, int, int, int]]) -> None:
    rois = RoiSet(ImageBounds(40, 90))
    for row, col, rows, cols in boxes:
        rois.create(RectRoiBounds(row, row + rows + 1, col, col + cols + 1))
        rois.create(LineEndpoints(row, col, rows, cols))
    before = rois.snapshot()
    rois.transpose()
    assert [roi.geometry for roi in rois] == [roi.geometry.transposed for roi in before]
    rois.transpose()
    assert rois.snapshot() == before
