"""Two programs on the same sidecar files: nothing is lost silently."""

from __future__ import annotations

import hashlib
import json
import pathlib
import random
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
import tifffile

from napari_bloodflow import AcqImage, ImageContrast, RectRoiBounds
from napari_bloodflow.errors import SaveError, SidecarConflict

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

VELOCITY = "radon_velocity"
NUM_ROWS, NUM_COLUMNS = 96, 24


@pytest.fixture
def image(tmp_path: Path) -> Path:
    path = tmp_path / "vessel.tif"
    rng = np.random.default_rng(5)
    tifffile.imwrite(path, rng.integers(0, 255, (NUM_ROWS, NUM_COLUMNS), dtype=np.uint8))
    acq = AcqImage(path)
    acq.rois.create(RectRoiBounds(0, 64, 0, 12))
    acq.rois.create(RectRoiBounds(0, 64, 12, 24))
    acq.apply_metadata_patch("experiment_metadata", {"species": "mouse"})
    measure(acq, 1)
    acq.save()
    return path


def measure(acq: AcqImage, roi_id: int, window: int = 16) -> None:
    acq.analysis_set.run_analysis((VELOCITY, 0, roi_id), {"window_width": window})


def species(acq: AcqImage) -> str:
    value: str = acq.experiment_metadata.get_values()["species"]
    return value


def files_of(image: Path) -> dict[str, str]:
    return {
        path.name: hashlib.sha256(path.read_bytes()).hexdigest()
        for path in sorted(image.parent.iterdir())
    }


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


# ---- many interleavings


def snapshot(acq: AcqImage) -> dict[str, Any]:
    """Return every item that a user can see, as plain values."""
    items: dict[str, Any] = {"accepted": acq.accepted}
    for section in acq.get_metadata_sections():
        for name, value in section.get_values().items():
            items[f"{section.metadata_section_id}.{name}"] = value
    contrast = acq.get_image_contrast(0)
    if contrast is not None:
        items["contrast"] = contrast.to_dict()
    for roi in acq.rois:
        for part in ("data", "name", "note"):
            items[f"ROI {roi.roi_id} {part}"] = roi.to_dict()[part]
    for analysis in acq.analysis_set:
        name, channel, roi_id = analysis.key
        table = analysis.result.table
        assert table is not None
        items[f"ROI {roi_id} {name} {channel}"] = (
            dict(analysis.detection_params),
            analysis.result.summary,
            table.to_csv(index=False),
        )
    return items


def random_edit(acq: AcqImage, rng: random.Random, token: str) -> None:
    ids = acq.rois.get_roi_ids()
    top, left = rng.randrange(20), rng.randrange(8)
    bounds = RectRoiBounds(top, top + rng.randrange(40, 60), left, left + rng.randrange(4, 12))
    choice = rng.choice(["meta", "meta", "name", "move", "create", "delete", "measure", "accept"])
    if choice == "meta":
        field = rng.choice(["species", "sex", "genotype", "region"])
        acq.apply_metadata_patch("experiment_metadata", {field: token})
    elif choice == "create" or len(ids) < 2:
        acq.rois.create(bounds, name=token)
    elif choice == "name":
        acq.rois.rename(rng.choice(ids), token)
    elif choice == "move":
        acq.rois.edit(rng.choice(ids), bounds)
    elif choice == "delete":
        acq.rois.delete(rng.choice(ids))
    elif choice == "measure":
        measure(acq, rng.choice(ids), rng.choice([16, 20, 24, 32]))
    else:
        acq.accepted = not acq.accepted


def changed(before: dict[str, Any], after: dict[str, Any]) -> set[str]:
    missing = object()
    keys = before.keys() | after.keys()
    return {key for key in keys if before.get(key, missing) != after.get(key, missing)}


def is_roi(key: str) -> bool:
    return key.startswith("ROI ")


def rois_of(items: dict[str, Any]) -> dict[str, dict[str, Any]]:
    rois: dict[str, dict[str, Any]] = {}
    for key, value in items.items():
        if is_roi(key):
            _, roi_id, part = key.split(" ", 2)
            rois.setdefault(roi_id, {})[part] = value
    return rois


def check_save(acq: AcqImage, loaded: dict[str, Any], rng: random.Random, image: Path) -> None:
    """Save, and compare every item with what its last author wanted."""
    mine = snapshot(acq)
    disk = snapshot(AcqImage(image))
    files = files_of(image)
    edits = changed(loaded, mine)
    keep = None
    try:
        acq.save()
    except SidecarConflict as conflict:
        assert conflict.conflicts
        assert files_of(image) == files
        assert snapshot(acq) == mine
        keep = rng.choice([None, "mine", "both"])
        if keep is None:
            acq.load_sidecar_json()
            assert snapshot(acq) == disk
            return
        acq.save(keep=keep)  # type: ignore[arg-type]
        assert keep == "both" or set(files.values()) <= set(files_of(image).values())
    saved = snapshot(AcqImage(image))
    assert snapshot(acq) == saved
    assert not acq.is_dirty
    others = changed(loaded, disk)
    for key in {*mine, *disk, *saved}:
        if is_roi(key):
            continue
        if key in edits and (key not in others or keep == "mine"):
            assert saved.get(key) == mine.get(key)
        else:
            assert saved.get(key) == disk.get(key)
    rois = {"mine": rois_of(mine), "disk": rois_of(disk), "saved": rois_of(saved)}
    is_touched = {
        side: {roi_id for key in keys if is_roi(key) for roi_id in [key.split(" ", 2)[1]]}
        for side, keys in (("mine", edits), ("disk", others))
    }
    for roi_id in {*rois["mine"], *rois["disk"]}:
        here, there, now = (rois[side].get(roi_id) for side in ("mine", "disk", "saved"))
        if roi_id not in is_touched["disk"]:
            assert now == here
        elif roi_id not in is_touched["mine"]:
            assert now == there
        elif keep == "mine":
            assert here is None or here in rois["saved"].values() or merges(here, there, now)
        else:
            assert there is None or there in rois["saved"].values() or merges(here, there, now)
            assert here is None or here in rois["saved"].values() or merges(here, there, now)


def merges(
    here: dict[str, Any] | None, there: dict[str, Any] | None, now: dict[str, Any] | None
) -> bool:
    """Tell whether each part of a ROI is that of one of two versions."""
    if here is None or there is None or now is None:
        return False
    parts = {*here, *there, *now}
    return all(now.get(part) in (here.get(part), there.get(part)) for part in parts)


@pytest.mark.slow
@pytest.mark.parametrize("part", range(4))
def test_random_interleavings_of_two_writers_lose_nothing(image: Path, part: int) -> None:
    original = {path.name: path.read_bytes() for path in image.parent.iterdir()}
    for seed in range(part * 250, (part + 1) * 250):
        rng = random.Random(seed)
        for path in image.parent.iterdir():
            path.unlink()
        for name, data in original.items():
            image.with_name(name).write_bytes(data)
        writers = [AcqImage(image), AcqImage(image)]
        loaded = [snapshot(writer) for writer in writers]
        for step in range(rng.randrange(4, 12)):
            who = rng.randrange(2)
            for edit in range(rng.randrange(1, 3)):
                random_edit(writers[who], rng, f"{seed}-{step}-{edit}")
            if rng.random() < 0.6:
                check_save(writers[who], loaded[who], rng, image)
                loaded[who] = snapshot(writers[who])


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
