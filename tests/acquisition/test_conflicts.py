"""Two programs on the same sidecar files: nothing is lost silently."""

from __future__ import annotations

import json
import pathlib
from typing import TYPE_CHECKING

import numpy as np
import pytest

from napari_bloodflow import AcqImage, ImageContrast, RectRoiBounds
from napari_bloodflow.errors import SaveError, SidecarConflict
from tests.acquisition.interleaving import VELOCITY, files_of, measure, snapshot

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path


@pytest.fixture
def image(two_rois: Path) -> Path:
    return two_rois


def species(acq: AcqImage) -> str:
    value: str = acq.experiment_metadata.get_values()["species"]
    return value


# ---- changes that do not touch each other


def test_changes_of_different_things_are_saved_together(image: Path) -> None:
    mine, theirs = AcqImage(image), AcqImage(image)
    theirs.rois.rename(2, "arteriole")
    theirs.accepted = False
    theirs.apply_metadata_patch("experiment_metadata", {"note": "theirs"})
    theirs.save()
    mine.apply_metadata_patch("experiment_metadata", {"species": "rat"})
    measure(mine, 2)
    mine.save()
    for acq in (mine, AcqImage(image)):
        assert acq.rois[2].name == "arteriole"
        assert not acq.accepted
        assert acq.experiment_metadata.get_values()["note"] == "theirs"
        assert species(acq) == "rat"
        assert acq.analysis_set[VELOCITY, 0, 2].result.table is not None
        assert not acq.is_dirty
    assert any("ROI 2 renamed or annotated" in problem.what for problem in mine.problems)
    assert not list(image.parent.glob("*.backup-*"))


def test_two_halves_of_the_calibration_are_both_kept(image: Path) -> None:
    mine, theirs = AcqImage(image), AcqImage(image)
    mine.set_calibration(0.002, 0.25)
    mine.save()
    theirs.rois.rename(1, "vein")
    theirs.save()
    assert AcqImage(image).calibration.dt_s == 0.002
    assert AcqImage(image).calibration.source == "user"
    assert AcqImage(image).rois[1].name == "vein"


def test_name_and_geometry_of_one_roi_do_not_conflict(image: Path) -> None:
    mine, theirs = AcqImage(image), AcqImage(image)
    theirs.rois.rename(2, "vein")
    theirs.save()
    mine.rois.edit(2, RectRoiBounds(4, 60, 13, 20))
    mine.save()
    assert AcqImage(image).rois[2].name == "vein"
    assert AcqImage(image).rois[2].geometry == RectRoiBounds(4, 60, 13, 20)


def test_new_rois_of_the_same_number_are_both_kept(image: Path) -> None:
    mine, theirs = AcqImage(image), AcqImage(image)
    theirs.rois.create(RectRoiBounds(0, 50, 0, 5))
    theirs.save()
    mine.rois.create(RectRoiBounds(0, 60, 0, 6))
    measure(mine, 3)
    table = mine.analysis_set[VELOCITY, 0, 3].result.table
    mine.save()
    again = AcqImage(image)
    assert again.rois[3].geometry == RectRoiBounds(0, 50, 0, 5)
    assert again.rois[4].geometry == RectRoiBounds(0, 60, 0, 6)
    found = again.analysis_set[VELOCITY, 0, 4].result.table
    assert table is not None
    assert found is not None
    np.testing.assert_array_equal(found["theta_deg"], table["theta_deg"])
    assert any("yours is now ROI 4" in problem.action for problem in mine.problems)


def test_both_did_the_same(image: Path) -> None:
    mine, theirs = AcqImage(image), AcqImage(image)
    for acq in (theirs, mine):
        acq.rois.rename(1, "vein")
        acq.apply_metadata_patch("experiment_metadata", {"species": "rat"})
        acq.rois.delete(2)
        acq.save()
    assert AcqImage(image).rois.get_roi_ids() == [1]
    assert species(AcqImage(image)) == "rat"


def test_unknown_entries_that_came_meanwhile_are_kept(image: Path) -> None:
    mine = AcqImage(image)
    sidecar = image.with_name(image.name + ".json")
    document = json.loads(sidecar.read_text())
    document["lab"] = {"rig": 2}
    document["rois"][0]["colour"] = "red"
    document["rois"].append({"roi_id": "odd"})
    document["analysis"].append({"analysis_name": None})
    sidecar.write_text(json.dumps(document))
    mine.rois.rename(2, "vein")
    mine.save()
    saved = json.loads(sidecar.read_text())
    assert saved["lab"] == {"rig": 2}
    assert saved["rois"][0]["colour"] == "red"
    assert {"roi_id": "odd"} in saved["rois"]
    assert {"analysis_name": None} in saved["analysis"]
    assert saved["rois"][1]["name"] == "vein"


# ---- changes of the same thing

EDITS: dict[str, tuple[Callable[[AcqImage], object], Callable[[AcqImage], object], str]] = {
    "a value": (
        lambda acq: acq.apply_metadata_patch("experiment_metadata", {"species": "rat"}),
        lambda acq: acq.apply_metadata_patch("experiment_metadata", {"species": "fish"}),
        r"species: here 'rat', on disk 'fish'",
    ),
    "a step": (
        lambda acq: acq.set_calibration(0.001, 0.5),
        lambda acq: acq.set_calibration(0.002, 0.5),
        "physical_unit_y and physical_label_y: here 0.001 seconds, on disk 0.002 seconds",
    ),
    "contrast": (
        lambda acq: acq.set_image_contrast(0, ImageContrast("Gray", 0, 10, 0, 255)),
        lambda acq: acq.set_image_contrast(0, ImageContrast("Gray", 5, 20, 0, 255)),
        "image_contrast.0",
    ),
    "geometry": (
        lambda acq: acq.rois.edit(2, RectRoiBounds(0, 60, 12, 24)),
        lambda acq: acq.rois.edit(2, RectRoiBounds(0, 50, 12, 24)),
        "ROI 2: here moved or resized, on disk moved or resized",
    ),
    "deleted and moved": (
        lambda acq: acq.rois.delete(2),
        lambda acq: acq.rois.edit(2, RectRoiBounds(0, 50, 12, 24)),
        "ROI 2: here deleted, on disk moved or resized",
    ),
    "moved and measured": (
        lambda acq: acq.rois.edit(1, RectRoiBounds(0, 60, 0, 12)),
        lambda acq: measure(acq, 1, 32),
        f"ROI 1: here moved or resized, on disk {VELOCITY} of channel 0 measured",
    ),
    "measured and deleted": (
        lambda acq: measure(acq, 2, 32),
        lambda acq: acq.rois.delete(2),
        f"ROI 2: here {VELOCITY} of channel 0 measured, on disk deleted",
    ),
    "measured twice": (
        lambda acq: measure(acq, 1, 32),
        lambda acq: measure(acq, 1, 24),
        "ROI 1: here .* measured, on disk .* measured",
    ),
}


@pytest.mark.parametrize("case", EDITS)
def test_a_conflict_writes_nothing_and_names_both_sides(image: Path, case: str) -> None:
    edit, edit_of_other, message = EDITS[case]
    mine, theirs = AcqImage(image), AcqImage(image)
    edit_of_other(theirs)
    theirs.save()
    before = files_of(image)
    edit(mine)
    with pytest.raises(SidecarConflict, match=message) as caught:
        mine.save()
    assert len(caught.value.conflicts) == 1
    assert files_of(image) == before
    assert mine.is_dirty


@pytest.mark.parametrize("case", EDITS)
def test_keep_mine_saves_mine_and_backs_theirs_up(image: Path, case: str) -> None:
    edit, edit_of_other, _ = EDITS[case]
    mine, theirs = AcqImage(image), AcqImage(image)
    edit_of_other(theirs)
    theirs.apply_metadata_patch("experiment_metadata", {"note": "theirs"})
    theirs.save()
    before = set(files_of(image).values())
    edit(mine)
    wanted = snapshot(mine)
    mine.save(keep="mine")
    found = snapshot(AcqImage(image))
    assert found.pop("experiment_metadata.note") == "theirs"
    wanted.pop("experiment_metadata.note")
    assert found == wanted
    assert before <= set(files_of(image).values())
    assert not mine.is_dirty


@pytest.mark.parametrize("case", EDITS)
def test_keep_both_leaves_theirs_and_adds_mine(image: Path, case: str) -> None:
    edit, edit_of_other, _ = EDITS[case]
    mine, theirs = AcqImage(image), AcqImage(image)
    edit_of_other(theirs)
    theirs.save()
    wanted = snapshot(theirs)
    edit(mine)
    of_mine = snapshot(mine)
    mine.save(keep="both")
    found = snapshot(AcqImage(image))
    if case == "measured and deleted":
        assert found == of_mine
        return
    assert {key: found[key] for key in wanted} == wanted
    extra = {key: value for key, value in found.items() if key not in wanted}
    copies = list(image.parent.glob("*.json.mine-*"))
    if case in ("a value", "a step", "contrast"):
        assert extra == {}
        assert len(copies) == 1
        assert json.loads(copies[0].read_text())
    elif case == "deleted and moved":
        assert extra == {}
    else:
        roi_id = {"geometry": 2}.get(case, 1)
        assert copies == []
        assert extra
        for key, value in extra.items():
            assert value == of_mine[key.replace("ROI 3", f"ROI {roi_id}")]


def test_a_program_that_brings_back_what_was_saved_over_is_a_conflict(image: Path) -> None:
    sidecar = image.with_name(image.name + ".json")
    stale = sidecar.read_bytes()
    mine = AcqImage(image)
    mine.apply_metadata_patch("experiment_metadata", {"species": "rat"})
    mine.rois.rename(2, "vein")
    mine.save()
    sidecar.write_bytes(stale)
    mine.accepted = False
    with pytest.raises(SidecarConflict, match=r"species: here 'rat', on disk 'mouse'") as caught:
        mine.save()
    there = "on disk renamed or annotated, as it was before that"
    assert str(caught.value.conflicts[1]) == f"ROI 2: here as it was saved, {there}"
    mine.save(keep="mine")
    again = AcqImage(image)
    assert (species(again), again.rois[2].name, again.accepted) == ("rat", "vein", False)


def test_reload_drops_mine(image: Path) -> None:
    mine, theirs = AcqImage(image), AcqImage(image)
    theirs.rois.rename(1, "theirs")
    theirs.save()
    mine.rois.rename(1, "mine")
    with pytest.raises(SidecarConflict):
        mine.save()
    mine.load_sidecar_json()
    assert mine.rois[1].name == "theirs"
    assert not mine.is_dirty


@pytest.mark.parametrize("name", ["vessel.tif.json", f"vessel.tif.{VELOCITY}.csv"])
@pytest.mark.parametrize("damage", ["gone", "broken"])
def test_a_file_that_is_spoilt_meanwhile_is_never_replaced_silently(
    image: Path, name: str, damage: str
) -> None:
    mine = AcqImage(image)
    path = image.with_name(name)
    if damage == "gone":
        path.unlink()
    else:
        path.write_bytes(b"\xff broken")
    mine.rois.rename(1, "mine")
    measure(mine, 2)
    with pytest.raises(SidecarConflict, match=r"is gone|no longer be read"):
        mine.save()
    wanted = snapshot(mine)
    mine.save(keep="mine")
    assert snapshot(AcqImage(image)) == wanted
    if damage == "broken":
        backups = list(image.parent.glob(f"{name}.backup-*"))
        assert [backup.read_bytes() for backup in backups] == [b"\xff broken"]


@pytest.mark.parametrize("is_edited", [False, True])
def test_a_table_that_is_gone_is_written_again_from_memory(image: Path, is_edited: bool) -> None:
    mine = AcqImage(image)
    table = image.with_name(f"vessel.tif.{VELOCITY}.csv")
    content = table.read_bytes()
    table.unlink()
    if is_edited:
        mine.rois.rename(1, "mine")
    wanted = snapshot(mine)
    with pytest.raises(SidecarConflict, match="is gone"):
        mine.save()
    mine.save(keep="mine")
    assert snapshot(mine) == snapshot(AcqImage(image)) == wanted
    assert table.read_bytes() == content


def test_a_save_without_an_edit_loads_what_another_program_saved(image: Path) -> None:
    mine, theirs = AcqImage(image), AcqImage(image)
    theirs.rois.rename(1, "theirs")
    theirs.save()
    before = {path: path.stat().st_mtime_ns for path in image.parent.iterdir()}
    mine.save()
    assert {path: path.stat().st_mtime_ns for path in image.parent.iterdir()} == before
    assert mine.rois[1].name == "theirs"
    assert "its changes were loaded" in [problem.action for problem in mine.problems]


# ---- files of newer programs


def test_a_sidecar_of_a_newer_version_is_read_only(image: Path) -> None:
    sidecar = image.with_name(image.name + ".json")
    document = json.loads(sidecar.read_text())
    sidecar.write_text(json.dumps({**document, "version": 3, "future": [1]}))
    before = files_of(image)
    acq = AcqImage(image)
    assert acq.rois.get_roi_ids() == [1, 2]
    assert "newer program (version 3" in acq.read_only_reason
    acq.rois.rename(1, "vein")
    for save in (acq.save, acq.save_sidecar_json, lambda: acq.save(keep="mine")):
        with pytest.raises(SaveError, match="newer program"):
            save()
    assert files_of(image) == before
    copy = image.with_name("copy.tif.json")
    acq.save_copy(copy)
    saved = json.loads(copy.read_text())
    assert (saved["rois"][0]["name"], saved["future"]) == ("vein", [1])


def test_a_newer_version_that_came_meanwhile_is_not_overwritten(image: Path) -> None:
    acq = AcqImage(image)
    sidecar = image.with_name(image.name + ".json")
    sidecar.write_text(json.dumps({**json.loads(sidecar.read_text()), "version": 3}))
    before = files_of(image)
    acq.rois.rename(1, "vein")
    with pytest.raises(SaveError, match="newer program"):
        acq.save(keep="mine")
    assert files_of(image) == before


def test_what_is_read_while_another_saves_is_of_one_save(
    image: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    other = AcqImage(image)
    measure(other, 1, 32)
    waiting = [other]
    read_bytes = pathlib.Path.read_bytes

    def read_after_the_other_has_saved(path: Path) -> bytes:
        if path.suffix == ".csv" and waiting:
            waiting.pop().save()
        return read_bytes(path)

    monkeypatch.setattr(pathlib.Path, "read_bytes", read_after_the_other_has_saved)
    analysis = AcqImage(image).analysis_set[VELOCITY, 0, 1]
    assert not waiting
    assert analysis.detection_params["window_width"] == 32
    assert analysis.result.table is not None
    assert len(analysis.result.table) == analysis.result.summary["num_windows"] == 5
