"""Exports to SciTiff: they read back with calibration, ROIs and all that a SciTiff image had."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
import tifffile

from napari_bloodflow import AcqImage, RectRoiBounds
from napari_bloodflow.errors import SaveError
from napari_bloodflow.synthetic import pulsatile_flow, write_tiff
from tests.scitiff_files import FOLDER, document, named, variable, write

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from napari_bloodflow.storage.scitiff_read import SciTiff


@pytest.fixture
def vessel(tmp_path: Path) -> Path:
    path = tmp_path / "vessel.tif"
    write_tiff(pulsatile_flow(num_rows=256), path)
    return path


@pytest.fixture
def target(tmp_path: Path) -> Path:
    (tmp_path / "out").mkdir()
    return tmp_path / "out" / "export.tiff"


def exported(acq: AcqImage, target: Path) -> tuple[AcqImage, SciTiff]:
    assert acq.export_scitiff(target) == ()
    again = AcqImage(target)
    assert again.images.scitiff is not None
    assert again.problems == ()
    return again, again.images.scitiff


# ---- a kymograph of any other format


def test_a_kymograph_is_written_with_its_lines_along_t(vessel: Path, target: Path) -> None:
    acq = AcqImage(vessel)
    again, scitiff = exported(acq, target)
    plane = acq.images.get_slice()
    assert scitiff.document.shape == (plane.shape[0], 1, 1, 1, plane.shape[1])
    assert again.images.dtype == "float32"
    np.testing.assert_array_equal(again.images.get_slice(), plane)
    ours, theirs = acq.calibration, again.calibration
    assert (theirs.dt_s, theirs.dx_um) == pytest.approx((ours.dt_s, ours.dx_um), rel=1e-12)
    assert theirs.source == "SciTiff"
    assert list(target.parent.iterdir()) == [target]


def test_imagej_and_fiji_find_the_calibration_too(vessel: Path, target: Path) -> None:
    acq = AcqImage(vessel)
    acq.set_calibration(0.002, 0.25)
    acq.export_scitiff(target)
    with tifffile.TiffFile(target) as tif:
        metadata = tif.imagej_metadata
        assert tif.is_bigtiff is False
        assert tif.pages.first.tags["XResolution"].value == (4, 1)
    assert metadata is not None
    assert (metadata["unit"], metadata["finterval"]) == ("um", 0.002)
    json.loads(metadata["scitiffmeta"])


def test_rois_and_results_are_texts_in_extra(measured: Path, target: Path) -> None:
    acq = AcqImage(measured)
    _, scitiff = exported(acq, target)
    extra = scitiff.document.extra
    assert all(isinstance(value, str | int | float | bool) for value in extra.values())
    assert json.loads(extra["napari_bloodflow_rois"]) == [roi.to_dict() for roi in acq.rois]
    results = json.loads(extra["napari_bloodflow_results"])
    assert [(r["analysis_name"], r["roi_id"]) for r in results] == [
        ("radon_velocity", 1),
        ("radon_velocity", 2),
    ]
    assert results[0]["summary"]["velocity_mean"] == pytest.approx(
        acq.analysis_set.get(("radon_velocity", 0, 1)).result.summary["velocity_mean"]  # type: ignore[union-attr]
    )


def test_an_unknown_calibration_is_not_written(tmp_path: Path, target: Path) -> None:
    path = tmp_path / "plain.tif"
    tifffile.imwrite(path, np.arange(60, dtype=np.uint16).reshape(12, 5))
    again, scitiff = exported(AcqImage(path), target)
    assert scitiff.document.coords == {}
    assert not again.calibration.is_known
    assert "pixel" not in json.dumps(scitiff.document.raw)


def test_frames_keep_t_and_the_lines_go_along_y(tmp_path: Path, target: Path) -> None:
    path = tmp_path / "frames.tif"
    pixels = np.arange(3 * 2 * 12 * 5, dtype=np.uint8).reshape(3, 2, 12, 5)
    tifffile.imwrite(path, pixels, imagej=True, metadata={"axes": "TCYX"})
    acq = AcqImage(path)
    acq.set_calibration(0.002, 0.25)
    assert acq.export_scitiff(target) == ()
    images = AcqImage(target).images
    assert images.scitiff is not None
    assert images.scitiff.document.shape == (3, 1, 2, 12, 5)
    assert images.scitiff.document.coords["y"].unit == "s"
    np.testing.assert_array_equal(images.get_slice(channel=1, t=2), pixels[2, 1])


@pytest.mark.parametrize(
    ("values", "losses"),
    [
        (np.arange(60, dtype=np.int32), 0),
        (np.arange(60, dtype=np.int32) + 2**25, 1),
        (np.arange(60) * 0.5, 0),
        (np.arange(60) * 0.1, 1),
        (np.full(60, 1e300), 1),
    ],
)
def test_rounded_pixels_are_told(
    tmp_path: Path, target: Path, values: np.ndarray[Any, Any], losses: int
) -> None:
    path = tmp_path / "plain.tif"
    tifffile.imwrite(path, values.reshape(12, 5))
    told = AcqImage(path).export_scitiff(target)
    assert len(told) == losses
    assert all("rounded" in text for text in told)


# ---- a SciTiff image


@pytest.mark.parametrize("name", named("scitiff"))
def test_the_examples_survive_an_export(name: str, target: Path) -> None:
    acq = AcqImage(FOLDER / name)
    losses = acq.export_scitiff(target)
    again = AcqImage(target)
    before, after = acq.images.scitiff, again.images.scitiff
    assert before is not None
    assert after is not None
    assert after.is_kymograph == before.is_kymograph
    lost = {text.split(":")[0] for text in losses}
    for kind in ("coords", "masks"):
        kept, found = getattr(before.document, kind), getattr(after.document, kind)
        if before.time is not None and before.time.dim == "y":
            kept = {{"y": "t"}.get(key, key): value for key, value in kept.items()}
        expected = {key for key in kept if f"{kind}.{key}" not in lost}
        assert expected <= found.keys() <= kept.keys()
        for key in expected - {"c"}:
            np.testing.assert_array_equal(found[key].values, kept[key].values)
            assert found[key].unit == kept[key].unit
    assert [c.role for c in after.channels] == [c.role for c in before.channels]
    for channel in range(acq.images.num_channels):
        np.testing.assert_array_equal(
            again.images.get_slice(channel), acq.images.get_slice(channel).astype(np.float32)
        )
    assert (again.calibration.dt_s, again.calibration.dx_um) == pytest.approx(
        (acq.calibration.dt_s, acq.calibration.dx_um)
    )


@pytest.mark.parametrize("name", named("scitiff"))
def test_nothing_is_written_that_any_release_stops_at(name: str, target: Path) -> None:
    AcqImage(FOLDER / name).export_scitiff(target)
    with tifffile.TiffFile(target) as tif:
        text = tif.imagej_metadata["scitiffmeta"]  # type: ignore[index]
    assert text.isascii()
    assert "NaN" not in text
    raw = json.loads(text)
    had = AcqImage(FOLDER / name).images.scitiff
    assert had is not None
    for part in ("daq", "process"):
        was_there = getattr(had.document, part) or {}
        for key, value in raw.get(part, {}).items():
            assert value == was_there[key]
            assert value not in (None, [], {})
    kinds = {entry["dtype"] for entry in raw["image"]["coords"].values()}
    assert kinds <= {"float64", "int64", "string", "datetime64"}


def test_a_calibration_set_by_hand_replaces_that_of_the_file(target: Path) -> None:
    acq = AcqImage(FOLDER / "s02_kymo_yx_time_on_y.tiff")
    acq.set_calibration(0.004, 0.3)
    _, scitiff = exported(acq, target)
    coords = scitiff.document.coords
    assert (coords["t"].unit, coords["t"].values[1]) == ("s", 0.004)
    original = acq.images.scitiff
    assert original is not None
    np.testing.assert_array_equal(coords["x"].values, original.document.coords["x"].values)


def test_uneven_times_are_written_as_they_are(tmp_path: Path, target: Path) -> None:
    times = [0.0, 0.1, 0.2, 0.5, 0.6, 0.7]
    coords = {"t": variable("t", times, "s"), "x": variable("x", [0, 1, 2, 3], "µm")}
    path = write(
        tmp_path / "a.tiff",
        document((6, 1, 1, 1, 4), coords=coords),
        np.zeros((6, 1, 1, 1, 4), np.float32),
    )
    AcqImage(path).export_scitiff(target)
    scitiff = AcqImage(target).images.scitiff
    assert scitiff is not None
    assert scitiff.document.coords["t"].values.tolist() == times


def test_one_line_has_no_step_that_imagej_could_find(tmp_path: Path, target: Path) -> None:
    coords = {"y": variable("y", [0.0], "s"), "x": variable("x", [0.0, 1.0, 2.0], "µm")}
    pixels = np.zeros((1, 1, 1, 1, 3), np.float32)
    path = write(tmp_path / "a.tiff", document(pixels.shape, coords=coords), pixels)
    AcqImage(path).export_scitiff(target)
    assert not AcqImage(target).calibration.is_known
    with tifffile.TiffFile(target) as tif:
        assert "yunit" not in (tif.imagej_metadata or {})


@pytest.mark.parametrize("unit", ["ns", "µs", "ms", "s", "min", "h", "D", "M", "Y"])
def test_dates_have_all_digits_of_their_unit(tmp_path: Path, target: Path, unit: str) -> None:
    code = {"µs": "us", "min": "m"}.get(unit, unit)
    moments = np.array(["2026-01-29T14:56:52.1", "2027-11-30"], dtype=f"datetime64[{code}]")
    texts = [str(moment).replace("T", " ") for moment in moments]
    coords = {"clock": variable("t", texts, unit, "datetime64")}
    path = write(
        tmp_path / "a.tiff",
        document((2, 1, 1, 3, 4), coords=coords),
        np.zeros((2, 1, 1, 3, 4), np.float32),
    )
    _, scitiff = exported(AcqImage(path), target)
    clock = scitiff.document.coords["clock"]
    assert clock.raw["values"] == [str(moment) for moment in moments]
    np.testing.assert_array_equal(clock.values, moments)


def test_structures_in_extra_become_text(tmp_path: Path, target: Path) -> None:
    scalar = {"dims": [], "shape": [], "unit": "m", "dtype": "float64", "values": 3.0}
    text = {
        **document((2, 1, 1, 3, 4)),
        "extra": {"nested": {"a": [1]}, "number": 2, "none": None, "dose": scalar, "huge": 10**400},
    }
    path = write(tmp_path / "a.tiff", text, np.zeros((2, 1, 1, 3, 4), np.float32))
    _, scitiff = exported(AcqImage(path), target)
    extra = scitiff.document.extra
    assert (extra["nested"], extra["number"], extra["dose"]) == ('{"a": [1]}', 2, scalar)
    assert (extra["none"], extra["huge"]) == ("null", str(10**400))


def test_a_table_of_texts_is_told_to_be_lost(tmp_path: Path, target: Path) -> None:
    coords = {"names": variable("yx", [["a", "b"], ["c", "d"]], dtype="string")}
    path = write(
        tmp_path / "a.tiff",
        document((2, 1, 1, 2, 2), coords=coords),
        np.zeros((2, 1, 1, 2, 2), np.float32),
    )
    assert AcqImage(path).export_scitiff(target) == (
        "coords.names: a table of texts cannot be written",
    )


def test_the_export_of_an_export_is_the_same(target: Path) -> None:
    acq = AcqImage(FOLDER / "s07_group_daq_process_extra_datetime.tiff")
    acq.rois.create(name="here")
    _, first = exported(acq, target)
    again = AcqImage(target)
    again.rois.create(name="here")
    _, second = exported(again, target.with_name("again.tiff"))
    assert second.document.raw == first.document.raw
    original = acq.images.scitiff
    assert original is not None
    kept = original.document
    assert first.document.process == kept.process
    assert first.document.extra.items() >= kept.extra.items()
    assert first.document.daq["facility"] == kept.daq["facility"]


# ---- what is never replaced


def test_the_image_itself_is_never_written(vessel: Path, tmp_path: Path) -> None:
    before = vessel.read_bytes()
    link = tmp_path / "link.tif"
    link.symlink_to(vessel)
    for path in (vessel, link):
        with pytest.raises(SaveError, match="the image itself"):
            AcqImage(vessel).export_scitiff(path, overwrite=True)
    assert vessel.read_bytes() == before


def test_only_an_export_is_replaced(vessel: Path, target: Path, tmp_path: Path) -> None:
    acq = AcqImage(vessel)
    acq.export_scitiff(target)
    with pytest.raises(SaveError, match="exists already"):
        acq.export_scitiff(target)
    acq.rois.create(RectRoiBounds(0, 100, 0, 10))
    acq.export_scitiff(target, overwrite=True)
    scitiff = AcqImage(target).images.scitiff
    assert scitiff is not None
    assert len(json.loads(scitiff.document.extra["napari_bloodflow_rois"])) == 1

    AcqImage(target).save()  # now an image with files of its own
    other = tmp_path / "other.tif"
    write_tiff(pulsatile_flow(num_rows=256), other)
    text = tmp_path / "text.tif"
    text.write_text("no image")
    for path in (target, other, text):
        before = path.read_bytes()
        with pytest.raises(SaveError, match="an image of its own"):
            acq.export_scitiff(path, overwrite=True)
        assert path.read_bytes() == before


@pytest.mark.parametrize("name", ["export.png", "export", "export.json"])
def test_the_name_must_be_that_of_a_tiff(vessel: Path, tmp_path: Path, name: str) -> None:
    with pytest.raises(SaveError, match="not a name of a TIFF"):
        AcqImage(vessel).export_scitiff(tmp_path / name)


def test_a_folder_that_does_not_exist(vessel: Path, tmp_path: Path) -> None:
    with pytest.raises(SaveError, match="cannot be written"):
        AcqImage(vessel).export_scitiff(tmp_path / "none" / "a.tiff")


def test_nothing_is_left_when_the_pixels_cannot_be_read(
    copy_fixture: Callable[[str], Path], target: Path
) -> None:
    path = copy_fixture("scitiff/v01_zlib.tiff")
    acq = AcqImage(path)
    path.write_bytes(b"gone")
    with pytest.raises(ValueError, match="v01_zlib"):
        acq.export_scitiff(target)
    assert list(target.parent.iterdir()) == []
