"""Tables without our own columns, for folders shared with CloudScope.

CloudScope itself is played by `tests.storage.cloudscope_like`.
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pandas as pd
import pytest

from napari_bloodflow import AcqImage
from tests.storage.cloudscope_like import VELOCITY_COLUMNS, CloudScopeLike, Generation

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

VELOCITY = "radon_velocity"
FIRST, SECOND = (VELOCITY, 0, 1), (VELOCITY, 0, 2)
each_generation = pytest.mark.parametrize("generation", ("may2026", "aug2026"))


def table_of(image: Path) -> Path:
    return image.with_name(f"{image.name}.{VELOCITY}.csv")


@each_generation
def test_with_our_columns_cloudscope_cannot_save_one_roi_run_again(
    measured: Path, generation: Generation
) -> None:
    peer = CloudScopeLike(measured, generation)
    peer.run_velocity(0, 1, [60.0, 62.0])
    with pytest.raises(ValueError, match="differ in their columns"):
        peer.save()


@each_generation
def test_with_strict_tables_it_can(measured: Path, generation: Generation) -> None:
    acq = AcqImage(measured)
    acq.save(strict_tables=True)
    header = table_of(measured).read_text("utf-8").splitlines()[0]
    assert header == ",".join(["channel", "roi_id", *VELOCITY_COLUMNS])
    peer = CloudScopeLike(measured, generation)
    peer.run_velocity(0, 1, [60.0, 62.0])
    peer.save()
    again = CloudScopeLike(measured, generation)
    assert again[FIRST].table is not None
    assert again[FIRST].table["theta_deg"].tolist() == [60.0, 62.0]
    assert again[SECOND].summary == acq.analysis_set[SECOND].result.summary


def test_strict_tables_are_remembered_with_the_file(measured: Path) -> None:
    acq = AcqImage(measured)
    assert not acq.strict_tables
    acq.strict_tables = True
    assert acq.is_dirty
    assert acq.columns_left_out == ("status",)
    acq.save()
    assert not acq.is_dirty
    again = AcqImage(measured)
    assert again.strict_tables
    assert again.columns_left_out == ()
    again.analysis_set.run_analysis(FIRST)
    again.save()
    assert "status" not in table_of(measured).read_text("utf-8")
    assert again.columns_left_out == ("status",)
    assert again.problems == ()


def test_what_strict_tables_leave_out_is_in_memory_until_the_file_is_loaded_again(
    measured: Path,
) -> None:
    files = table_of(measured), measured.with_name(f"{measured.name}.json")
    before = [path.read_bytes() for path in files]
    acq = AcqImage(measured)
    acq.save(strict_tables=True)
    table = acq.analysis_set[FIRST].result.table
    assert table is not None
    assert "status" in table.columns
    acq.save(strict_tables=False)
    assert [path.read_bytes() for path in files] == before
    assert not AcqImage(measured).strict_tables
    acq.save(strict_tables=True)
    again = AcqImage(measured)
    again.save(strict_tables=False)
    table = again.analysis_set[FIRST].result.table
    assert table is not None
    assert list(table.columns) == VELOCITY_COLUMNS


def test_strict_tables_leave_out_nothing_that_is_not_ours(measured: Path) -> None:
    path = table_of(measured)
    frame = pd.read_csv(path)
    frame["by_hand"] = 1.5
    orphan = frame.head(1).assign(roi_id=77, status="theirs")
    pd.concat([frame, orphan]).to_csv(path, index=False)
    acq = AcqImage(measured)
    assert not any("by_hand" in p.what for p in acq.problems)
    acq.strict_tables = True
    problem = next(p for p in acq.problems if "neither CloudScope's nor ours" in p.what)
    assert problem.file == path.name
    assert "by_hand" in problem.what
    assert "CloudScope cannot save" in problem.action
    acq.save()
    after = pd.read_csv(path)
    assert (after["by_hand"] == 1.5).all()
    assert after.loc[after["roi_id"] == 77, "status"].tolist() == ["theirs"]
    assert after.loc[after["roi_id"] != 77, "status"].isna().all()


def test_rows_of_nobody_do_not_keep_our_empty_column(measured: Path) -> None:
    frame = pd.read_csv(table_of(measured))
    orphans = frame.head(2).assign(roi_id=[77, "x"], status=None)
    pd.concat([frame, orphans]).to_csv(table_of(measured), index=False)
    AcqImage(measured).save(strict_tables=True)
    after = pd.read_csv(table_of(measured))
    assert list(after.columns) == ["channel", "roi_id", *VELOCITY_COLUMNS]
    assert after["roi_id"].tolist()[-2:] == ["77", "x"]


def test_the_preference_can_be_taken_back(measured: Path) -> None:
    measured.with_name(f"{measured.name}.bloodflow.json").unlink()
    acq = AcqImage(measured)
    for is_strict in (True, False, True):
        acq.save(strict_tables=is_strict)
        assert AcqImage(measured).strict_tables == is_strict


def test_repaired_velocities_are_strict_too(copy_fixture: Callable[[str], Path]) -> None:
    image = copy_fixture("cloudscope/may2026") / "k01_velocity.tif"
    acq = AcqImage(image)
    acq.repair_velocity()
    acq.save(strict_tables=True)
    assert acq.columns_left_out == ("velocity_as_found",)
    again = CloudScopeLike(image)
    assert again[SECOND].table is not None
    assert list(again[SECOND].table.columns) == VELOCITY_COLUMNS
    assert list(image.parent.glob(f"{table_of(image).name}.backup-*"))
    again.run_velocity(0, 1, [60.0, 62.0])
    again.save()


def test_a_merge_with_changes_of_cloudscope_is_strict(measured: Path) -> None:
    acq = AcqImage(measured)
    acq.save(strict_tables=True)
    peer = CloudScopeLike(measured)
    peer.run_velocity(0, 1, [60.0, 62.0])
    peer.save()
    acq.analysis_set.run_analysis(SECOND)
    acq.save()
    assert any("another program changed it" in problem.what for problem in acq.problems)
    peer = CloudScopeLike(measured)
    tables = [peer[key].table for key in (FIRST, SECOND)]
    assert [list(table.columns) for table in tables if table is not None] == [VELOCITY_COLUMNS] * 2
    assert peer[FIRST].summary["num_windows"] == 2
    peer.run_velocity(0, 1, [60.0, 63.0])
    peer.save()


def test_a_merge_with_a_record_that_cannot_be_read_is_strict(measured: Path) -> None:
    acq = AcqImage(measured)
    acq.strict_tables = True
    sidecar = measured.with_name(f"{measured.name}.json")
    document = json.loads(sidecar.read_text("utf-8"))
    document["analysis"][0]["summary"] = 5
    sidecar.write_text(json.dumps(document))
    acq.save()
    assert acq.strict_tables
    assert json.loads(sidecar.read_text("utf-8"))["analysis"][0]["summary"] == 5


def test_a_merge_keeps_the_preference_of_either_side(measured: Path) -> None:
    acq, other = AcqImage(measured), AcqImage(measured)
    other.save(strict_tables=True)
    acq.rois.rename(1, "edited")
    acq.save()
    assert acq.strict_tables
    assert "status" not in table_of(measured).read_text("utf-8")
    acq.save(strict_tables=False)
    other.load_sidecar_json()
    assert not other.strict_tables


def test_columns_of_others_are_no_problem_with_one_roi(measured: Path) -> None:
    acq = AcqImage(measured)
    acq.rois.delete(2)
    acq.save()
    pd.read_csv(table_of(measured)).assign(by_hand=1.5).to_csv(table_of(measured), index=False)
    strict = AcqImage(measured)
    strict.strict_tables = True
    assert strict.problems == ()
    peer = CloudScopeLike(measured)
    peer.run_velocity(0, 1, [60.0, 62.0])
    peer.save()
    assert CloudScopeLike(measured).warnings == []


def test_a_status_column_of_somebody_else_is_kept_and_reported(
    copy_fixture: Callable[[str], Path],
) -> None:
    image = copy_fixture("cloudscope/may2026") / "k01_velocity.tif"
    pd.read_csv(table_of(image)).assign(status="seen").to_csv(table_of(image), index=False)
    acq = AcqImage(image)
    acq.strict_tables = True
    assert any("status" in problem.what for problem in acq.problems)
    assert acq.columns_left_out == ()
    acq.analysis_set.run_analysis(SECOND)
    acq.save(strict_tables=True)
    after = pd.read_csv(table_of(image))
    assert (after.loc[after["roi_id"] == 1, "status"] == "seen").all()
    assert after.loc[after["roi_id"] == 2, "status"].isna().all()


def test_a_strange_preference_is_reported_and_not_followed(measured: Path) -> None:
    private = measured.with_name(f"{measured.name}.bloodflow.json")
    content = {**json.loads(private.read_text("utf-8")), "strict_tables": "no"}
    private.write_text(json.dumps(content))
    acq = AcqImage(measured)
    assert not acq.strict_tables
    assert [(p.file, p.where) for p in acq.problems] == [(private.name, "strict_tables")]
    acq.save(strict_tables=True)
    (backup,) = measured.parent.glob(f"{private.name}.backup-*")
    assert json.loads(backup.read_text("utf-8")) == content
    assert AcqImage(measured).problems == ()


def test_the_json_alone_leaves_the_tables_to_be_saved(measured: Path) -> None:
    acq = AcqImage(measured)
    acq.strict_tables = True
    acq.save_sidecar_json()
    assert "status" in table_of(measured).read_text("utf-8")
    assert acq.is_dirty
    acq.save()
    assert "status" not in table_of(measured).read_text("utf-8")


def test_a_copy_has_strict_tables_too(measured: Path) -> None:
    acq = AcqImage(measured)
    acq.strict_tables = True
    acq.save_copy(measured.with_name("copy.tif.json"))
    copied = table_of(measured.with_name("copy.tif"))
    assert list(pd.read_csv(copied).columns) == ["channel", "roi_id", *VELOCITY_COLUMNS]
