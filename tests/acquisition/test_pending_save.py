"""A file is written in a thread while the user edits on, and no edit is taken for saved."""

from __future__ import annotations

from threading import Thread
from typing import TYPE_CHECKING

import pytest

from napari_bloodflow import AcqImage, ImageContrast, RectRoiBounds
from napari_bloodflow.errors import SaveError, SidecarConflict
from napari_bloodflow.storage.lock import image_lock
from tests.acquisition.interleaving import VELOCITY, measure, snapshot

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from napari_bloodflow.acquisition.pending_save import PendingSave

EDITS: dict[str, Callable[[AcqImage], object]] = {
    "a ROI": lambda acq: acq.rois.create(RectRoiBounds(2, 30, 3, 12)),
    "an outline": lambda acq: acq.rois.edit(1, RectRoiBounds(2, 30, 3, 12)),
    "a name": lambda acq: acq.rois.rename(2, "vein"),
    "a note": lambda acq: acq.apply_metadata_patch("experiment_metadata", {"note": "later"}),
    "the calibration": lambda acq: acq.set_calibration(0.002, 0.25),
    "the contrast": lambda acq: acq.set_image_contrast(0, ImageContrast("Viridis", 1, 9, 0, 255)),
    "the mark": lambda acq: setattr(acq, "accepted", True),
    "strict tables": lambda acq: setattr(acq, "strict_tables", True),
    "a result": lambda acq: measure(acq, 2),
    "a result again": lambda acq: measure(acq, 1),
    "no result": lambda acq: acq.analysis_set.remove((VELOCITY, 0, 1)),
    "undo": lambda acq: acq.history.undo(),
}


def begun(acq: AcqImage) -> PendingSave:
    pending = acq.begin_save()
    assert pending is not None
    return pending


def in_a_thread(function: Callable[[], object]) -> None:
    thread = Thread(target=function)
    thread.start()
    thread.join()


@pytest.mark.parametrize("what", EDITS)
def test_an_edit_during_the_save_stays_unsaved_until_the_next(two_rois: Path, what: str) -> None:
    acq = AcqImage(two_rois)
    measure(acq, 1)
    acq.rois.rename(1, "first")
    acq.accepted = False
    pending = begun(acq)
    assert acq.is_dirty
    EDITS[what](acq)
    in_a_thread(pending.write)
    acq.finish_save()
    assert acq.is_dirty
    found = AcqImage(two_rois)
    assert found.rois[1].name == "first"
    assert not found.accepted
    assert (VELOCITY, 0, 1) in found.analysis_set
    acq.save()
    assert not acq.is_dirty
    assert snapshot(AcqImage(two_rois)) == snapshot(acq)
    assert not acq.problems


def test_without_edits_everything_is_saved(two_rois: Path) -> None:
    acq = AcqImage(two_rois)
    measure(acq, 2)
    pending = begun(acq)
    in_a_thread(pending.write)
    acq.finish_save()
    assert not acq.is_dirty
    assert acq.begin_save() is None
    assert snapshot(AcqImage(two_rois)) == snapshot(acq)


@pytest.mark.parametrize("end", [AcqImage.save, AcqImage.save_sidecar_json, AcqImage.begin_save])
def test_another_save_waits_for_the_one_in_the_thread(
    two_rois: Path, end: Callable[[AcqImage], object]
) -> None:
    acq = AcqImage(two_rois)
    acq.rois.rename(1, "first")
    pending = begun(acq)
    with image_lock(two_rois):
        thread = Thread(target=pending.write)
        thread.start()
    end(acq)
    thread.join()
    acq.finish_save()
    assert not acq.is_dirty
    assert AcqImage(two_rois).rois[1].name == "first"


def test_loading_again_drops_what_was_not_begun_to_be_saved(two_rois: Path) -> None:
    acq = AcqImage(two_rois)
    acq.rois.rename(1, "first")
    begun(acq)
    acq.rois.rename(1, "second")
    acq.load_sidecar_json()
    assert acq.rois[1].name == "first"
    assert not acq.is_dirty


def test_changes_of_another_program_are_merged_or_asked_about(two_rois: Path) -> None:
    acq, other = AcqImage(two_rois), AcqImage(two_rois)
    acq.rois.rename(1, "mine")
    pending = begun(acq)
    other.rois.rename(2, "theirs")
    other.save()
    in_a_thread(pending.write)
    acq.rois.create()
    acq.finish_save()
    assert [roi.name for roi in AcqImage(two_rois).rois][:2] == ["mine", "theirs"]
    assert not acq.is_dirty
    acq.rois.rename(1, "mine again")
    pending = begun(acq)
    other = AcqImage(two_rois)
    other.rois.rename(1, "theirs again")
    other.save()
    in_a_thread(pending.write)
    with pytest.raises(SidecarConflict):
        acq.finish_save()
    assert acq.is_dirty


def test_what_cannot_be_written_is_told_when_it_is_finished(two_rois: Path) -> None:
    acq = AcqImage(two_rois)
    acq.rois.rename(1, "mine")
    pending = begun(acq)
    sidecar = two_rois.with_name(f"{two_rois.name}.json")
    sidecar.unlink()
    sidecar.mkdir()
    in_a_thread(pending.write)
    with pytest.raises(SaveError, match=sidecar.name):
        acq.finish_save()
    assert acq.is_dirty
    acq.finish_save()  # nothing was begun
    sidecar.rmdir()
    acq.save(keep="mine")
    assert AcqImage(two_rois).rois[1].name == "mine"
