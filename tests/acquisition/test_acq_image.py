"""AcqImage: what is read, shown, edited and kept."""

from __future__ import annotations

import hashlib
import json
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
import pytest
import tifffile

from napari_bloodflow import AcqImage, AcqImageList, ImageContrast, LineEndpoints, RectRoiBounds
from napari_bloodflow.errors import ImageReadError, SaveError, UnsupportedFileError
from napari_bloodflow.synthetic import pulsatile_flow, write_tiff

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

KEY = ("radon_velocity", 0, 1)


@pytest.fixture
def may(copy_fixture: Callable[[str], Path]) -> Path:
    return copy_fixture("cloudscope/may2026")


@pytest.fixture
def aug(copy_fixture: Callable[[str], Path]) -> Path:
    return copy_fixture("cloudscope/aug2026")


@pytest.fixture
def fresh(tmp_path: Path) -> Path:
    path = tmp_path / "vessel.tif"
    write_tiff(pulsatile_flow(num_rows=1024), path)
    return path


def document_of(path: Path) -> dict[str, Any]:
    text = path.with_name(path.name + ".json").read_text()

    def refuse(token: str) -> None:
        raise AssertionError(f"{token} is not JSON")

    document: dict[str, Any] = json.loads(text, parse_constant=refuse)
    return document


def tables_of(path: Path) -> dict[str, list[dict[str, Any]]]:
    return {
        table.name: sorted(
            pd.read_csv(table).to_dict("records"), key=lambda row: (row["channel"], row["roi_id"])
        )
        for table in path.parent.glob(f"{path.name}.*.csv")
    }


def edit_sidecar(path: Path, edit: Callable[[dict[str, Any]], None]) -> Path:
    sidecar = path.with_name(path.name + ".json")
    document = json.loads(sidecar.read_text())
    edit(document)
    sidecar.write_text(json.dumps(document))
    return sidecar


# ---- opening


def test_a_file_without_sidecar_is_clean_and_calibrated_by_its_header(fresh: Path) -> None:
    acq = AcqImage(fresh)
    assert (acq.path, acq.file_id, acq.name) == (str(fresh), str(fresh), "vessel.tif")
    assert not acq.is_dirty
    assert acq.problems == ()
    assert acq.accepted
    assert (acq.calibration.dt_s, acq.calibration.dx_um) == pytest.approx((0.001, 0.5))
    assert acq.calibration.source == "ImageJ"
    assert acq.get_image_physical_units() == pytest.approx((0.001, 0.5))
    assert acq.get_default_channel() == 0
    assert acq.get_default_roi() is None
    assert acq.get_sidecar_json_path() == f"{fresh}.json"


def test_cloudscope_files_come_back_whole(may: Path) -> None:
    acq = AcqImage(may / "k05_pulsatile.tif")
    assert acq.rois.get_roi_ids() == [1]
    assert acq.rois[1].geometry == RectRoiBounds(0, 2400, 0, 20)
    assert (acq.calibration.dt_s, acq.calibration.dx_um) == (0.0015, 0.3)
    assert acq.calibration.source == "sidecar"
    table = acq.analysis_set[KEY].result.table
    assert table is not None
    assert len(table) == 597
    assert acq.analysis_set[KEY].detection_params == {"window_width": 16}
    assert not acq.is_dirty


def test_reciprocal_velocities_are_shown_right_and_reported(may: Path) -> None:
    acq = AcqImage(may / "k05_pulsatile.tif")
    result = acq.analysis_set[KEY].result
    assert result.table is not None
    expected = 0.3 / 0.0015 * np.tan(np.deg2rad(result.table["theta_deg"]))
    np.testing.assert_allclose(result.table["velocity"], expected, rtol=1e-9)
    assert result.summary["velocity_mean"] == pytest.approx(expected.mean())
    assert [p.file for p in acq.problems] == ["k05_pulsatile.tif.radon_velocity.csv"]
    assert "reciprocal" in acq.problems[0].what


@pytest.mark.parametrize(
    ("dialect", "name", "rois", "analyses"),
    [
        ("may2026", "k01_velocity", 2, {"radon_velocity": 2, "event": 1}),
        ("may2026", "k02_diameter_bright", 5, {"diameter": 5}),
        ("may2026", "k07_stationary", 1, {"radon_velocity": 1}),
        ("aug2026", "k01_velocity", 2, {"radon_velocity": 2, "event": 1, "sum_intensity": 1}),
        ("aug2026", "k04_sum_intensity", 1, {"sum_intensity": 4}),
        ("aug2026", "k05_pulsatile", 1, {"radon_velocity": 1, "heart_rate": 1}),
    ],
)
def test_all_analyses_of_every_dialect_are_loaded(
    copy_fixture: Callable[[str], Path],
    dialect: str,
    name: str,
    rois: int,
    analyses: dict[str, int],
) -> None:
    acq = AcqImage(copy_fixture(f"cloudscope/{dialect}") / f"{name}.tif")
    names = [analysis.key.analysis_name for analysis in acq.analysis_set]
    assert {n: names.count(n) for n in analyses} == analyses
    assert acq.rois.num_rois >= rois
    for analysis in acq.analysis_set:
        has_table = analysis.key.analysis_name not in ("event", "heart_rate")
        assert (analysis.result.table is not None) == has_table
        assert analysis.result.summary


@pytest.mark.parametrize(
    ("name", "what"),
    [("a.oir", "Olympus OIR"), ("a.OIB", "Olympus OIB"), ("a.lif", "Leica LIF")],
)
def test_formats_of_microscopes_are_named_with_what_to_do(
    tmp_path: Path, name: str, what: str
) -> None:
    (tmp_path / name).write_bytes(b"x")
    with pytest.raises(UnsupportedFileError, match=rf"{what}.*export it as OME-TIFF.*plugin"):
        AcqImage(tmp_path / name)
    (warning,) = AcqImageList.load_safe(tmp_path / name).warnings
    assert what in warning.message


@pytest.mark.parametrize("name", ["a.png", "b.jpg", "c"])
def test_other_extensions_are_value_errors(tmp_path: Path, name: str) -> None:
    (tmp_path / name).write_bytes(b"x")
    with pytest.raises(ValueError, match=r"is not supported; supported are \.tif, \.tiff"):
        AcqImage(tmp_path / name)


def test_bad_images_are_named_with_the_cause(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError, match=r"gone\.tif"):
        AcqImage(tmp_path / "gone.tif")
    (tmp_path / "empty.tif").touch()
    with pytest.raises(ImageReadError, match=r"empty\.tif: is empty"):
        AcqImage(tmp_path / "empty.tif")
    tifffile.imwrite(tmp_path / "rgb.tif", np.zeros((9, 9, 3), "uint8"), photometric="rgb")
    with pytest.raises(UnsupportedFileError, match=r"rgb\.tif: is a colour"):
        AcqImage(tmp_path / "rgb.tif")


# ---- pixels


def test_roi_pixels_are_a_read_only_cut_at_full_resolution(fresh: Path) -> None:
    acq = AcqImage(fresh)
    roi = acq.rois.create(RectRoiBounds(10, 500, 4, 60))
    pixels = acq.get_roi_image(0, roi.roi_id)
    np.testing.assert_array_equal(pixels, tifffile.imread(fresh)[10:500, 4:60])
    assert not pixels.flags.writeable


def test_what_cannot_be_cut_out_says_why(fresh: Path) -> None:
    acq = AcqImage(fresh)
    acq.rois.create(LineEndpoints(0, 0, 9, 9))
    with pytest.raises(ValueError, match=r"vessel\.tif: there is no ROI 7; it has ROI 1"):
        acq.get_roi_image(0, 7)
    with pytest.raises(TypeError, match="ROI 1 is a line"):
        acq.get_roi_image(0, 1)
    acq.rois.create()
    with pytest.raises(ValueError, match="there is no channel 4"):
        acq.get_roi_image(4, 2)


def test_channels_are_split(tmp_path: Path) -> None:
    path = tmp_path / "two.tif"
    pixels = np.random.default_rng(0).integers(0, 99, (2, 40, 16)).astype("uint16")
    tifffile.imwrite(path, pixels, imagej=True, metadata={"axes": "CYX"})
    acq = AcqImage(path)
    assert acq.images.num_channels == 2
    assert acq.header.num_channels == 2
    acq.rois.create()
    np.testing.assert_array_equal(acq.get_roi_image(1, 1), pixels[1])


# ---- saving


def test_save_writes_sidecar_and_table_and_never_the_image(fresh: Path) -> None:
    before = hashlib.sha256(fresh.read_bytes()).hexdigest()
    acq = AcqImage(fresh)
    roi = acq.rois.create(name="vessel")
    acq.analysis_set.run_analysis((*KEY[:2], roi.roi_id), {"window_width": 32})
    acq.experiment_metadata.species = "mouse"
    assert acq.is_dirty
    acq.save()
    assert not acq.is_dirty
    assert hashlib.sha256(fresh.read_bytes()).hexdigest() == before
    assert sorted(path.name for path in fresh.parent.iterdir()) == [
        "vessel.tif",
        "vessel.tif.json",
        "vessel.tif.radon_velocity.csv",
    ]
    again = AcqImage(fresh)
    assert again.problems == ()
    assert again.rois.snapshot() == acq.rois.snapshot()
    assert again.experiment_metadata.species == "mouse"
    expected, found = (a.analysis_set[KEY].result for a in (acq, again))
    assert found.summary == expected.summary
    pd.testing.assert_frame_equal(found.table, expected.table, check_exact=True)
    assert not again.analysis_set[KEY].is_stale


def test_what_is_written_follows_the_format(fresh: Path) -> None:
    acq = AcqImage(fresh)
    acq.rois.create()
    acq.analysis_set.run_analysis(KEY, {"window_width": 32})
    acq.ensure_image_contrast(0)
    acq.save()
    document = document_of(fresh)
    assert document["version"] == 2
    assert document["accepted"] is True
    assert document["rois"] == [
        {
            "roi_id": 1,
            "roi_type": "rectroi",
            "version": "1.0",
            "name": "",
            "note": "",
            "data": {"row_start": 0, "row_stop": 1024, "col_start": 0, "col_stop": 64},
        }
    ]
    (record,) = document["analysis"]
    assert record.keys() == {
        "analysis_name",
        "channel",
        "roi_id",
        "detection_params",
        "summary",
    }
    assert record["detection_params"]["window_width"] == 32
    assert record["detection_params"]["method"] == "normalized"
    assert record["summary"]["velocity_formula"] == "(dx/dt)*tan(theta_deg)"
    assert len(document["experiment_metadata"]) == 15
    header = document["image_header_metadata"]
    assert (header["physical_unit_y"], header["physical_label_y"]) == (0.001, "seconds")
    assert (header["physical_unit_x"], header["physical_label_x"]) == (0.5, "um")
    assert header["sizes"] == "{'Y': 1024, 'X': 64}"
    assert document["image_contrast"]["0"].keys() == {
        "color_lut",
        "value_min",
        "value_max",
        "img_min",
        "img_max",
    }
    lines = fresh.with_name("vessel.tif.radon_velocity.csv").read_text().splitlines()
    assert lines[0].startswith("channel,roi_id,time_s,time_index,theta_deg,velocity")


@pytest.mark.parametrize("dialect", ["may2026", "aug2026"])
def test_saving_an_untouched_cloudscope_file_keeps_every_number(
    copy_fixture: Callable[[str], Path], dialect: str
) -> None:
    folder = copy_fixture(f"cloudscope/{dialect}")
    for path in sorted(folder.glob("*.tif")):
        tables = {p: p.read_bytes() for p in folder.glob(f"{path.name}.*.csv")}
        before = json.loads(path.with_name(path.name + ".json").read_text())
        acq = AcqImage(path)
        acq.accepted = not acq.accepted
        acq.save()
        after = document_of(path)
        assert after["analysis"] == json.loads(
            json.dumps(before["analysis"]).replace("NaN", "null")
        )
        assert after["rois"] == before["rois"]
        for key, value in before["experiment_metadata"].items():
            assert after["experiment_metadata"][key] == value
        assert after["image_header_metadata"] == before["image_header_metadata"]
        assert {p: p.read_bytes() for p in tables} == tables


def test_running_one_roi_again_leaves_the_rows_of_the_others(may: Path) -> None:
    path = may / "k01_velocity.tif"
    table = path.with_name(path.name + ".radon_velocity.csv")
    before = table.read_text().splitlines()
    acq = AcqImage(path)
    acq.analysis_set.run_analysis(("radon_velocity", 0, 2))
    acq.save()
    after = table.read_text().splitlines()
    kept = [line for line in before if line.startswith("0,1,")]
    assert [line.rstrip(",") for line in after if line.startswith("0,1,")] == kept
    again = AcqImage(path)
    velocities = again.analysis_set[("radon_velocity", 0, 2)].result.table["velocity"]
    assert velocities.median() == pytest.approx(187.5, rel=0.05)
    assert {a.key for a in again.analysis_set} == {a.key for a in acq.analysis_set}


def test_records_are_written_parents_first(aug: Path) -> None:
    path = aug / "k01_velocity.tif"
    acq = AcqImage(path)
    removed = [acq.analysis_set.remove(key) for key in (("event", 0, 1), KEY)]
    for analysis in removed:
        acq.analysis_set.adopt(analysis)
    acq.save()
    names = [record["analysis_name"] for record in document_of(path)["analysis"]]
    order = ["radon_velocity", "diameter", "event", "sum_intensity", "heart_rate"]
    assert names == sorted(names, key=order.index)


def test_a_deleted_roi_takes_its_results_along_and_brings_them_back(may: Path) -> None:
    path = may / "k01_velocity.tif"
    acq = AcqImage(path)
    before = acq.rois.snapshot()
    keys = {analysis.key for analysis in acq.analysis_set}
    acq.rois.delete(1)
    assert {a.key.roi_id for a in acq.analysis_set} == {2}
    acq.rois.restore(before)
    assert {analysis.key for analysis in acq.analysis_set} == keys
    acq.rois.delete(1)
    acq.save()
    assert {a.key for a in AcqImage(path).analysis_set} == {("radon_velocity", 0, 2)}


def test_an_edited_roi_keeps_its_result_marked_stale(fresh: Path) -> None:
    acq = AcqImage(fresh)
    acq.rois.create()
    analysis = acq.analysis_set.run_analysis(KEY, {"window_width": 32})
    acq.rois.edit(1, RectRoiBounds(0, 512, 0, 64))
    assert analysis.stale_reasons == ("the ROI was moved or resized",)
    acq.save()
    assert AcqImage(fresh).analysis_set[KEY].is_stale


def test_a_copy_has_everything_and_replaces_nothing(may: Path, tmp_path: Path) -> None:
    acq = AcqImage(may / "k01_velocity.tif")
    acq.rois.rename(1, "renamed")
    target = tmp_path / "copy.tif.json"
    written = acq.save_copy(target)
    assert {path.name for path in written} == {"copy.tif.json", "copy.tif.radon_velocity.csv"}
    assert acq.is_dirty
    with pytest.raises(SaveError, match="exists already"):
        acq.save_copy(target)


# ---- calibration


def test_a_calibration_set_by_hand_is_kept_over_that_of_the_image(fresh: Path) -> None:
    acq = AcqImage(fresh)
    seen: list[Any] = []
    acq.calibration_changed.connect(seen.append)
    acq.set_calibration(0.002, 0.25)
    assert seen[-1] == acq.calibration
    assert acq.calibration.source == "user"
    acq.save()
    again = AcqImage(fresh)
    assert (again.calibration.dt_s, again.calibration.dx_um) == (0.002, 0.25)
    assert again.calibration.source == "user"
    assert again.problems == ()


@pytest.mark.parametrize("bad", [(0, 1), (1, -1), (float("nan"), 1), (1, float("inf"))])
def test_an_impossible_calibration_is_refused(fresh: Path, bad: tuple[float, float]) -> None:
    acq = AcqImage(fresh)
    with pytest.raises(ValueError, match="must be a finite number above zero"):
        acq.set_calibration(*bad)
    assert acq.calibration.source == "ImageJ"


def test_a_sidecar_that_disagrees_with_the_image_is_reported(fresh: Path) -> None:
    acq = AcqImage(fresh)
    acq.rois.create()
    acq.save()

    def other_pixel_size(document: dict[str, Any]) -> None:
        document["image_header_metadata"]["physical_unit_x"] = 0.4

    edit_sidecar(fresh, other_pixel_size)
    again = AcqImage(fresh)
    assert again.calibration.dx_um == 0.5
    (problem,) = again.problems
    assert "pixel size 0.5 µm (ImageJ) or 0.4 µm (sidecar)" in problem.what


# ---- contrast


def test_seeding_a_contrast_is_not_an_edit_but_changing_it_is(fresh: Path) -> None:
    acq = AcqImage(fresh)
    assert acq.get_image_contrast(0) is None
    seeded = acq.ensure_image_contrast(0)
    plane = acq.images.get_slice(0)
    assert seeded.img_min == plane.min()
    assert seeded.value_min >= seeded.img_min
    assert not acq.is_dirty
    acq.set_image_contrast(0, ImageContrast("Red", 1, 2, 0, 9))
    assert acq.is_dirty
    acq.save()
    assert AcqImage(fresh).get_image_contrast(0) == ImageContrast("Red", 1, 2, 0, 9)


def test_the_stored_contrast_is_a_copy(fresh: Path) -> None:
    acq = AcqImage(fresh)
    contrast = ImageContrast("Red", 1, 2, 0, 9)
    acq.set_image_contrast(0, contrast)
    contrast.value_max = 99
    assert acq.get_image_contrast(0) == ImageContrast("Red", 1, 2, 0, 9)


def test_float_images_keep_fractions(tmp_path: Path) -> None:
    path = tmp_path / "float.tif"
    tifffile.imwrite(path, np.random.default_rng(0).random((50, 20), dtype=np.float32))
    contrast = AcqImage(path).ensure_image_contrast(0)
    assert 0 < contrast.value_min < contrast.value_max < 1


def test_an_empty_plane_has_no_contrast(fresh: Path) -> None:
    with pytest.raises(ValueError, match="no pixel"):
        AcqImage(fresh).ensure_image_contrast_from_plane(0, np.empty((0, 5)))


# ---- damaged sidecars: one bad thing never costs the others


def damage_roi(document: dict[str, Any]) -> None:
    document["rois"].insert(0, {"roi_id": 9, "roi_type": "blob"})


def damage_field(document: dict[str, Any]) -> None:
    document["experiment_metadata"]["depth"] = "deep"


def damage_record(document: dict[str, Any]) -> None:
    document["analysis"].insert(0, {"analysis_name": "radon_velocity", "channel": "x"})


def damage_unit(document: dict[str, Any]) -> None:
    document["image_header_metadata"]["physical_unit_y"] = -1


def damage_contrast(document: dict[str, Any]) -> None:
    document["image_contrast"] = {"0": {"value_min": "dark"}, "7": {}}


def damage_accepted(document: dict[str, Any]) -> None:
    document["accepted"] = "false"


@pytest.mark.parametrize(
    ("damage", "where"),
    [
        (damage_roi, "rois[0]"),
        (damage_field, "experiment_metadata.depth"),
        (damage_record, "analysis[0]"),
        (damage_unit, "image_header_metadata.physical_unit_y"),
        (damage_contrast, "image_contrast.0"),
        (damage_accepted, "accepted"),
    ],
)
def test_one_bad_item_is_reported_and_costs_nothing_else(
    aug: Path, damage: Callable[[dict[str, Any]], None], where: str
) -> None:
    path = aug / "k01_velocity.tif"
    whole = AcqImage(path)
    sidecar = edit_sidecar(path, damage)
    damaged = json.loads(sidecar.read_text())
    acq = AcqImage(path)
    assert where in [problem.where for problem in acq.problems]
    assert acq.rois.snapshot() == whole.rois.snapshot()
    assert [a.key for a in acq.analysis_set] == [a.key for a in whole.analysis_set]
    acq.experiment_metadata.note = "edited"
    acq.save()
    saved = document_of(path)
    for key in ("rois", "image_contrast"):
        assert saved[key] == damaged[key]
    assert sorted(map(json.dumps, saved["analysis"])) == sorted(
        map(json.dumps, damaged["analysis"])
    )
    assert saved["experiment_metadata"] == {**damaged["experiment_metadata"], "note": "edited"}


def test_unknown_keys_survive_a_save(aug: Path) -> None:
    path = aug / "k01_velocity.tif"

    def add_keys(document: dict[str, Any]) -> None:
        document["plugin"] = {"x": [1]}
        document["experiment_metadata"]["rig"] = "B"
        document["image_header_metadata"]["laser"] = 920
        document["analysis"][0]["extra"] = 1

    edit_sidecar(path, add_keys)
    acq = AcqImage(path)
    acq.rois.rename(1, "renamed")
    acq.save()
    saved = document_of(path)
    assert saved["plugin"] == {"x": [1]}
    assert saved["experiment_metadata"]["rig"] == "B"
    assert saved["image_header_metadata"]["laser"] == 920
    assert saved["analysis"][0]["extra"] == 1
    assert saved["rois"][0]["name"] == "renamed"


@pytest.mark.parametrize("name", ["k01_velocity", "k05_pulsatile"])
def test_what_others_keep_survives_a_deletion_that_is_saved_and_undone(
    may: Path, name: str
) -> None:
    path = may / f"{name}.tif"

    def add_keys(document: dict[str, Any]) -> None:
        for record in (*document["rois"], *document["analysis"]):
            record["extra"] = {"by": "another program"}
        document["rois"][0]["data"]["depth"] = 3

    edit_sidecar(path, add_keys)
    acq = AcqImage(path)
    acq.rois.rename(1, "vessel")
    acq.save()
    before, tables = document_of(path), tables_of(path)
    rois = acq.rois.snapshot()
    acq.rois.delete(1)
    acq.save()
    assert [record["roi_id"] for record in document_of(path)["rois"]] == [
        roi.roi_id for roi in rois[1:]
    ]
    acq.history.undo()
    assert acq.is_dirty
    acq.save()
    assert not acq.is_dirty
    assert document_of(path) == before
    assert tables_of(path) == tables


def test_what_others_keep_goes_with_what_was_edited_after_the_undo(may: Path) -> None:
    path = may / "k01_velocity.tif"
    edit_sidecar(path, lambda document: document["rois"][0].update(extra=1))
    acq = AcqImage(path)
    acq.rois.delete(1)
    acq.save()
    acq.history.undo()
    acq.rois.rename(1, "renamed")
    acq.save()
    record = document_of(path)["rois"][0]
    assert (record["extra"], record["name"]) == (1, "renamed")


def test_an_undo_during_a_save_is_not_taken_for_saved(may: Path) -> None:
    path = may / "k01_velocity.tif"
    acq = AcqImage(path)
    before = document_of(path)
    acq.rois.delete(1)
    pending = acq.begin_save()
    assert pending is not None
    pending.write()
    acq.history.undo()
    acq.finish_save()
    assert acq.is_dirty
    acq.save()
    assert document_of(path)["rois"] == before["rois"]


@pytest.mark.parametrize(
    "content", [b"", b"{", b"[]", b"\xff\xfe{}", b'{"version": 1}', b"[" * 5000]
)
def test_an_unreadable_sidecar_is_copied_before_it_is_replaced(fresh: Path, content: bytes) -> None:
    sidecar = fresh.with_name("vessel.tif.json")
    sidecar.write_bytes(content)
    acq = AcqImage(fresh)
    assert acq.problems
    assert acq.rois.num_rois == 0
    assert sidecar.read_bytes() == content
    acq.rois.create()
    acq.save()
    (backup,) = fresh.parent.glob("vessel.tif.json.backup-*")
    assert backup.read_bytes() == content
    assert AcqImage(fresh).rois.num_rois == 1


@pytest.mark.parametrize(
    "key", ["rois", "analysis", "experiment_metadata", "image_header_metadata", "image_contrast"]
)
def test_an_entry_of_the_wrong_kind_is_copied_before_it_is_replaced(aug: Path, key: str) -> None:
    path = aug / "k01_velocity.tif"
    sidecar = edit_sidecar(path, lambda document: document.update({key: "text"}))
    before = sidecar.read_bytes()
    acq = AcqImage(path)
    assert key in [problem.where for problem in acq.problems]
    acq.accepted = False
    acq.save()
    (backup,) = aug.glob(f"{sidecar.name}.backup-*")
    assert backup.read_bytes() == before
    assert isinstance(document_of(path)[key], (dict, list))


def test_deleting_the_only_roi_leaves_a_table_that_can_be_read(may: Path) -> None:
    path = may / "k05_pulsatile.tif"
    acq = AcqImage(path)
    acq.rois.delete(1)
    acq.save()
    again = AcqImage(path)
    assert (again.problems, len(again.rois), len(again.analysis_set)) == ((), 0, 0)


def test_a_bad_table_costs_only_itself(may: Path) -> None:
    path = may / "k01_velocity.tif"
    table = path.with_name(path.name + ".radon_velocity.csv")
    table.write_text("not,a\ntable")
    acq = AcqImage(path)
    assert any(problem.file == table.name for problem in acq.problems)
    assert acq.analysis_set[KEY].result.table is None
    assert acq.analysis_set[KEY].result.summary["num_windows"] == 21
    acq.analysis_set.run_analysis(KEY)
    acq.save()
    (backup,) = may.glob(f"{table.name}.backup-*")
    assert backup.read_text() == "not,a\ntable"


def test_rows_and_columns_of_others_survive(may: Path) -> None:
    path = may / "k01_velocity.tif"
    table = path.with_name(path.name + ".radon_velocity.csv")
    frame = pd.read_csv(table)
    frame["mine"] = 1.5
    frame = pd.concat([frame, frame.head(2).assign(roi_id=77)])
    frame.to_csv(table, index=False)
    acq = AcqImage(path)
    acq.analysis_set.run_analysis(("radon_velocity", 0, 2))
    acq.save()
    saved = pd.read_csv(table)
    assert (saved["roi_id"] == 77).sum() == 2
    assert (saved.loc[saved["roi_id"] == 1, "mine"] == 1.5).all()


def test_files_of_others_are_not_touched(fresh: Path) -> None:
    notes = fresh.with_name("vessel.tif.notes.csv")
    notes.write_text("mine")
    acq = AcqImage(fresh)
    acq.rois.create()
    acq.save()
    assert notes.read_text() == "mine"


def test_a_failed_save_says_so_and_stays_unsaved(
    fresh: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    acq = AcqImage(fresh)
    acq.rois.create()

    def no_space(*_: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("os.replace", no_space)
    with pytest.raises(SaveError, match=r"vessel\.tif\.json: .*No space left"):
        acq.save()
    assert acq.is_dirty
    assert [path.name for path in fresh.parent.iterdir()] == ["vessel.tif"]


def test_reloading_drops_what_was_not_saved(may: Path) -> None:
    acq = AcqImage(may / "k01_velocity.tif")
    before = acq.rois.snapshot(), acq.experiment_metadata.get_values()
    acq.rois.clear()
    acq.experiment_metadata.note = "x"
    acq.load_sidecar_json()
    assert (acq.rois.snapshot(), acq.experiment_metadata.get_values()) == before
    assert not acq.is_dirty


# ---- lists and sections


def test_the_file_row_has_the_columns_of_the_list(aug: Path, cloudscope_data: Path) -> None:
    acq = AcqImage(aug / "k01_velocity.tif")
    row = acq.get_schema_row()
    assert tuple(row) == acq.get_schema().names
    assert row["dims"] == "Y:384 X:48"
    assert row["file_size"] == "37 KB"
    assert row["parent"] == "aug2026"
    assert row["num_rois"] == 2
    assert row["saved"] is True


def test_tree_rows_are_the_file_then_its_analyses(aug: Path) -> None:
    acq = AcqImage(aug / "k01_velocity.tif")
    file_row, first, *_ = acq.get_tree_rows()
    assert file_row["tree_row_id"] == acq.path
    assert file_row["tree_row_type"] == "file"
    assert first["tree_row_id"] == f"{acq.path}::analysis::radon_velocity::ch_0::roi_1"
    assert first["hierarchy_path"] == [acq.path, first["tree_row_id"]]
    assert (first["name"], first["num_channels"], first["num_rois"]) == ("radon_velocity", 0, 1)
    assert first["path"] is None


def test_sections_are_found_by_id_and_patched(fresh: Path) -> None:
    acq = AcqImage(fresh)
    assert [s.metadata_section_id for s in acq.get_metadata_sections()] == [
        "experiment_metadata",
        "acq_image_header",
    ]
    acq.apply_metadata_patch("experiment_metadata", {"depth": "120"})
    assert acq.get_metadata_section("experiment_metadata").get_values()["depth"] == 120.0
    with pytest.raises(ValueError, match="there is no metadata section 'nope'"):
        acq.get_metadata_section("nope")


def test_every_kind_of_edit_is_announced(fresh: Path) -> None:
    acq = AcqImage(fresh)
    count = 0

    def on_changed() -> None:
        nonlocal count
        count += 1

    acq.changed.connect(on_changed)
    seen = []
    for edit in (
        lambda: acq.rois.create(),
        lambda: acq.analysis_set.create(KEY),
        lambda: acq.experiment_metadata.update_values({"note": "x"}),
        lambda: acq.set_calibration(0.5, 0.5),
        lambda: acq.set_image_contrast(0, ImageContrast("Red", 0, 1, 0, 1)),
        lambda: setattr(acq, "accepted", False),
        acq.save,
    ):
        before = count
        edit()
        seen.append(count > before)
    assert all(seen)


def test_a_new_roi_never_inherits_what_is_kept_of_another(may: Path) -> None:
    path = may / "k05_pulsatile.tif"

    def edit(document: dict[str, Any]) -> None:
        document["rois"].append({"roi_id": 4, "roi_type": "ellipse"})
        document["analysis"].append({**document["analysis"][0], "roi_id": 7})

    edit_sidecar(path, edit)
    acq = AcqImage(path)
    assert acq.rois.get_roi_ids() == [1]
    roi = acq.rois.create()
    assert roi.roi_id == 8
    assert acq.analysis_set.for_roi(8) == []


def test_a_record_with_an_unknown_parameter_can_be_run_again(may: Path) -> None:
    path = may / "k05_pulsatile.tif"

    def edit(document: dict[str, Any]) -> None:
        document["analysis"][0]["detection_params"]["of another program"] = 3

    edit_sidecar(path, edit)
    acq = AcqImage(path)
    assert acq.analysis_set[KEY].detection_params["of another program"] == 3
    analysis = acq.analysis_set.run_analysis(KEY, {"window_width": 32})
    assert analysis.detection_params["window_width"] == 32
    assert "of another program" not in analysis.detection_params
    assert not analysis.is_stale
