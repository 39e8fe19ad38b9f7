"""What is shown of SciTiff files: layers, metadata and problems, as plain data."""

from __future__ import annotations

import json

import numpy as np
import pytest

from napari_bloodflow import AcqImage
from napari_bloodflow.acquisition.scitiff_layers import (
    scitiff_layers,
    scitiff_metadata,
    scitiff_rows,
)
from tests.scitiff_files import EXPECTED, FOLDER, named, sha256


@pytest.mark.parametrize("name", named("scitiff"))
def test_the_examples_give_the_expected_layers(name: str) -> None:
    images = AcqImage(FOLDER / name).images
    found = [
        {
            "type": layer.kind,
            "role": layer.role,
            "name": layer.name,
            "shape": list(layer.data.shape),
            "dtype": layer.data.dtype.name,
            "axis_labels": list(layer.axis_labels),
            "scale": list(layer.scale),
            "translate": list(layer.translate),
            "units": list(layer.units),
            "sha256": sha256(layer.data),
        }
        for layer in scitiff_layers(images)
    ]
    assert found == EXPECTED[name]["layers"]


@pytest.mark.parametrize("name", [*named("plain"), *named("invalid-metadata")])
def test_other_files_have_no_such_layers(name: str) -> None:
    acq = AcqImage(FOLDER / name)
    assert scitiff_layers(acq.images) == []
    problems = [problem for problem in acq.problems if problem.where == "scitiffmeta"]
    assert len(problems) == (EXPECTED[name]["status"] == "invalid-metadata")


def test_only_standard_deviations_are_hidden() -> None:
    layers = scitiff_layers(AcqImage(FOLDER / "s04_intensities_stdevs_mask.tiff").images)
    assert [(layer.kind, layer.role, layer.is_visible) for layer in layers] == [
        ("image", "intensities", True),
        ("image", "stdevs", False),
        ("labels", "mask", True),
    ]


def test_time_is_found_on_t_and_on_y() -> None:
    on_t = AcqImage(FOLDER / "s01_kymo_tx.tiff")
    on_y = AcqImage(FOLDER / "s02_kymo_yx_time_on_y.tiff")
    for acq in (on_t, on_y):
        assert acq.images.is_kymograph
        assert acq.calibration.source == "SciTiff"
        assert (acq.calibration.dt_s, acq.calibration.dx_um) == pytest.approx((0.002, 0.3))
        assert acq.problems == ()
    np.testing.assert_array_equal(on_t.images.get_slice(), on_y.images.get_slice())


def test_everything_in_the_file_can_be_read_by_a_person() -> None:
    scitiff = AcqImage(FOLDER / "s07_group_daq_process_extra_datetime.tiff").images.scitiff
    assert scitiff is not None
    rows = dict(scitiff_rows(scitiff))
    assert rows["coordinate t"] == "0, 0.5, 1 h (t 3, float64)"
    assert rows["coordinate start"] == "2026-01-29T14:56:52.123456"
    assert rows["coordinate sample"] == "Röhrchen Å"
    assert rows["daq facility"] == '["ess", "psi"]'
    assert rows["process result_type"] == "NORMALIZED"
    assert rows["extra dose"] == "3.0 m"


def test_masks_and_two_dimensional_coordinates_are_kept() -> None:
    images = AcqImage(FOLDER / "s06_2d_coords_1d_2d_masks.tiff").images
    assert images.scitiff is not None
    rows = dict(scitiff_rows(images.scitiff))
    assert rows["coordinate Ltotal"] == "1, 1.1, 1.2, 1.3, ..., 2.4 m (y 3 x x 5, float64)"
    assert rows["mask columns"] == "True, False, False, False, True (x 5, bool)"
    (layer,) = scitiff_layers(images)
    metadata = scitiff_metadata(images, layer)
    assert metadata["masks"]["dead"]["dims"] == ["y", "x"]
    assert json.loads(metadata["raw"]) == images.scitiff.document.raw


def test_what_was_not_used_is_a_problem_with_its_place() -> None:
    (problem,) = AcqImage(FOLDER / "m12_unit_bomb.tiff").problems
    assert (problem.file, problem.where) == ("m12_unit_bomb.tiff", "coords.x")
    assert "9**9**9**9 is not known" in problem.what
