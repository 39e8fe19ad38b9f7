"""Problems of files and folders: all are found, nothing is written unasked, repairs hold."""

from __future__ import annotations

import json
import os
import shutil
from typing import TYPE_CHECKING, Any

import pytest

from napari_bloodflow import AcqImage
from napari_bloodflow.acquisition.check import CheckedFile, check_paths
from napari_bloodflow.errors import SaveError, UnsupportedFileError
from napari_bloodflow.storage.atomic import staged_name
from napari_bloodflow.storage.journal import journal_path
from napari_bloodflow.storage.lock import lock_path

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path


def contents(folder: Path) -> dict[str, tuple[bytes, int]]:
    return {
        str(path.relative_to(folder)): (path.read_bytes(), path.stat().st_mtime_ns)
        for path in folder.rglob("*")
        if path.is_file()
    }


def sidecar(image: Path) -> Path:
    return image.with_name(f"{image.name}.json")


def only(*paths: Path, **options: bool) -> CheckedFile:
    (found,) = check_paths(paths, **options)
    return found


def edit(image: Path, change: Callable[[dict[str, Any]], object]) -> None:
    document = json.loads(sidecar(image).read_text("utf-8"))
    change(document)
    sidecar(image).write_text(json.dumps(document), "utf-8")


def backups(image: Path) -> list[Path]:
    return sorted(image.parent.glob("*.backup-*"))


def put_roi_outside(document: dict[str, Any]) -> None:
    document["rois"][0]["data"]["col_stop"] = 999


DAMAGE: dict[str, tuple[Callable[[dict[str, Any]], object], str]] = {
    "missing": (lambda d: d.pop("experiment_metadata"), "experiment_metadata: is missing"),
    "kind": (lambda d: d.update(accepted="no"), "accepted: is not true or false"),
    "shape": (lambda d: d.update(image_contrast=[1]), "image_contrast: is not an object"),
    "outside": (put_roi_outside, "ROI 1 reaches outside the image"),
    "nan": (lambda d: d.update(note=float("nan")), "holds NaN"),
}


def test_clean_files_are_not_touched_even_by_a_repair(two_rois: Path) -> None:
    before = contents(two_rois.parent)
    assert only(two_rois.parent, repair=True, repair_velocity=True) == CheckedFile(two_rois)
    assert contents(two_rois.parent) == before


@pytest.mark.parametrize("kind", DAMAGE)
def test_a_rewrite_puts_right_what_it_can_and_keeps_a_copy(two_rois: Path, kind: str) -> None:
    change, words = DAMAGE[kind]
    edit(two_rois, change)
    damaged, before = sidecar(two_rois).read_bytes(), contents(two_rois.parent)

    found = only(two_rois.parent)
    assert words in str(found.problems[0])
    assert found.done == ()
    assert contents(two_rois.parent) == before

    repaired = only(two_rois.parent, repair=True)
    assert repaired.problems == ()
    (copy,) = backups(two_rois)
    assert copy.read_bytes() == damaged
    assert copy.name in repaired.done[0]
    after = contents(two_rois.parent)
    unchanged = before.keys() - {sidecar(two_rois).name}
    assert {name: after[name] for name in unchanged} == {name: before[name] for name in unchanged}
    assert only(two_rois.parent, repair=True) == CheckedFile(two_rois)
    assert contents(two_rois.parent) == after


def test_keys_that_are_there_twice_are_repaired(two_rois: Path) -> None:
    text = sidecar(two_rois).read_text("utf-8")
    sidecar(two_rois).write_text('{"accepted": false,' + text.lstrip()[1:], "utf-8")
    assert "accepted: is there twice" in str(only(two_rois).problems[0])
    assert only(two_rois, repair=True).problems == ()
    assert AcqImage(two_rois).accepted


def test_records_that_come_before_their_parent_are_put_in_order(two_rois: Path) -> None:
    def add_child_first(document: dict[str, Any]) -> None:
        child = {"analysis_name": "event", "channel": 0, "roi_id": 1}
        document["analysis"].insert(0, child | {"detection_params": {}, "summary": {}})

    edit(two_rois, add_child_first)
    (problem,) = only(two_rois).problems
    assert problem.where == "analysis[0]"
    assert "comes before the radon_velocity" in problem.what
    assert only(two_rois, repair=True).problems == ()
    names = [r["analysis_name"] for r in json.loads(sidecar(two_rois).read_text())["analysis"]]
    assert names == ["radon_velocity", "event"]


def test_what_cannot_be_used_is_kept_and_stays_a_problem(two_rois: Path) -> None:
    edit(two_rois, lambda d: (d["rois"].append({"roi_id": "x"}), d.pop("accepted")))
    repaired = only(two_rois, repair=True)
    assert [problem.where for problem in repaired.problems] == ["rois[2]"]
    assert len(repaired.done) == 1
    assert json.loads(sidecar(two_rois).read_text())["rois"][2] == {"roi_id": "x"}


@pytest.mark.parametrize("text", ["{ not json", "", "[]"])
def test_a_sidecar_that_cannot_be_read_at_all_is_left_to_the_user(
    two_rois: Path, text: str
) -> None:
    sidecar(two_rois).write_text(text)
    before = contents(two_rois.parent)
    found = only(two_rois, repair=True, repair_velocity=True)
    assert found.problems[0].file == sidecar(two_rois).name
    assert found.done == ()
    assert contents(two_rois.parent) == before


def test_files_of_a_newer_program_are_left_alone(two_rois: Path) -> None:
    edit(two_rois, lambda d: d.update(version=99, accepted="no"))
    before = contents(two_rois.parent)
    found = only(two_rois, repair=True, repair_velocity=True)
    assert len(found.problems) == 2
    assert contents(two_rois.parent) == before
    with pytest.raises(SaveError, match="newer program"):
        AcqImage(two_rois).rewrite()


def test_reciprocal_velocities_are_repaired_only_when_asked_for(
    copy_fixture: Callable[[str], Path],
) -> None:
    image = copy_fixture("cloudscope/may2026") / "k05_pulsatile.tif"
    before = contents(image.parent)
    assert "the reciprocal of the speed" in str(only(image, repair=True).problems[0])
    assert contents(image.parent) == before
    repaired = only(image, repair_velocity=True)
    assert repaired.problems == ()
    assert len(repaired.done) == 3
    assert [copy.read_bytes() for copy in backups(image)] == [
        before[name][0] for name in (f"{image.name}.json", f"{image.name}.radon_velocity.csv")
    ]
    acq = AcqImage(image)
    assert acq.reciprocal_velocities == ()
    table = acq.analysis_set[("radon_velocity", 0, 1)].result.table
    assert table is not None
    assert "velocity_as_found" in table


# ---- interrupted saves


def leave_lock(image: Path) -> Path:
    lock_path(image).touch()
    return lock_path(image)


def leave_journal(image: Path) -> Path:
    journal_path(image).write_text("{ half")
    return journal_path(image)


def leave_temporary_file(image: Path) -> Path:
    path = image.with_name(staged_name(image, sidecar(image).name))
    path.write_text("half")
    return path


@pytest.mark.parametrize("leave", [leave_lock, leave_journal, leave_temporary_file])
def test_an_interrupted_save_is_reported_and_settled_only_by_a_repair(
    two_rois: Path, leave: Callable[[Path], Path]
) -> None:
    sign = leave(two_rois)
    before = contents(two_rois.parent)
    (problem,) = only(two_rois.parent).problems
    assert sign.name in problem.what
    assert "--repair" in problem.action
    assert contents(two_rois.parent) == before
    assert only(sign) == only(two_rois)

    repaired = only(two_rois.parent, repair=True)
    assert repaired.problems == ()
    assert len(repaired.done) == 1
    assert not sign.exists()
    assert only(two_rois.parent) == CheckedFile(two_rois)


# ---- what there is


def test_files_without_their_image_are_found_and_kept(two_rois: Path) -> None:
    sidecar(two_rois).with_name("vessel.tif.bloodflow.json").write_text("{}")
    signs = {leave(two_rois).name for leave in (leave_lock, leave_journal, leave_temporary_file)}
    two_rois.unlink()
    before = contents(two_rois.parent)
    found = list(check_paths([two_rois.parent], repair=True))
    assert {item.path.name for item in found} == signs | {
        "vessel.tif.json",
        "vessel.tif.bloodflow.json",
        "vessel.tif.radon_velocity.csv",
    }
    assert all("not here" in item.problems[0].what for item in found)
    assert contents(two_rois.parent) == before


def test_folders_are_searched_in_natural_order_without_what_is_hidden(two_rois: Path) -> None:
    folder = two_rois.parent / "search"
    for name in ("a10.tif", "a9.TIFF", "b/a1.tif", ".hidden/a.tif", ".a.tif", "x.tif/a2.tif"):
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(two_rois, folder / name)
    for name in ("notes.txt", "other.json", "table.csv"):
        (folder / name).write_text("")
    found = [str(item.path.relative_to(folder)) for item in check_paths([folder, folder / "b"])]
    assert found == ["a9.TIFF", "a10.tif", os.path.join("b", "a1.tif"), "x.tif" + os.sep + "a2.tif"]


def test_a_file_beside_an_image_stands_for_it(two_rois: Path) -> None:
    table = two_rois.with_name(f"{two_rois.name}.radon_velocity.csv")
    assert list(check_paths([table, sidecar(two_rois), two_rois])) == [CheckedFile(two_rois)]


@pytest.mark.skipif(os.name == "nt", reason="links need rights on Windows")
def test_a_link_to_an_image_is_checked_where_its_files_are(two_rois: Path) -> None:
    link = two_rois.parent / "links" / "other.tif"
    link.parent.mkdir()
    link.symlink_to(two_rois)
    (link.parent / "circle").symlink_to(two_rois.parent, target_is_directory=True)
    edit(two_rois, lambda d: d.pop("accepted"))
    assert only(link.parent).problems == only(two_rois).problems != ()


def test_an_image_that_cannot_be_opened_is_a_problem_and_the_others_are_checked(
    two_rois: Path,
) -> None:
    (two_rois.parent / "bad.tif").write_text("not a picture")
    bad, good = check_paths([two_rois.parent], repair=True)
    assert bad.problems[0].action == "it cannot be opened"
    assert good == CheckedFile(two_rois)


def test_a_repair_that_cannot_be_written_is_a_problem(
    two_rois: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def no_space(*_: object) -> None:
        raise OSError(28, "No space left on device")

    edit(two_rois, lambda d: d.pop("accepted"))
    before = contents(two_rois.parent)
    monkeypatch.setattr("os.replace", no_space)
    found = only(two_rois, repair=True)
    assert "No space left on device" in found.problems[0].what
    assert found.done == ()
    assert contents(two_rois.parent) == before


def test_paths_that_make_no_sense_are_refused_at_once(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError):
        check_paths([tmp_path / "missing.tif"])
    (tmp_path / "notes.txt").write_text("")
    with pytest.raises(UnsupportedFileError, match=r"notes\.txt: is neither"):
        check_paths([tmp_path / "notes.txt"])


def test_a_rewrite_saves_edits_too_and_leaves_nothing_unsaved(two_rois: Path) -> None:
    acq = AcqImage(two_rois)
    acq.accepted = False
    assert list(acq.rewrite()) == [sidecar(two_rois)]
    assert not acq.is_dirty
    assert not AcqImage(two_rois).accepted
    assert acq.rewrite() == {}
