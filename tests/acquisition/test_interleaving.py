"""Many random turns of two writers of the same files."""

from __future__ import annotations

import random
from typing import TYPE_CHECKING, Any

import pytest

from napari_bloodflow import AcqImage
from napari_bloodflow.errors import SidecarConflict
from tests.acquisition.interleaving import (
    changed,
    files_of,
    is_roi,
    random_edit,
    rois_of,
    snapshot,
)
from tests.storage.cloudscope_like import CloudScopeLike

if TYPE_CHECKING:
    from pathlib import Path

pytestmark = pytest.mark.slow


def start_again(image: Path, original: dict[str, bytes]) -> None:
    for path in image.parent.iterdir():
        path.unlink()
    for name, data in original.items():
        image.with_name(name).write_bytes(data)


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


@pytest.mark.parametrize("part", range(4))
def test_random_interleavings_of_two_writers_lose_nothing(two_rois: Path, part: int) -> None:
    image = two_rois
    original = {path.name: path.read_bytes() for path in image.parent.iterdir()}
    for seed in range(part * 250, (part + 1) * 250):
        rng = random.Random(seed)
        start_again(image, original)
        writers = [AcqImage(image), AcqImage(image)]
        loaded = [snapshot(writer) for writer in writers]
        for step in range(rng.randrange(4, 12)):
            who = rng.randrange(2)
            for edit in range(rng.randrange(1, 3)):
                random_edit(writers[who], rng, f"{seed}-{step}-{edit}")
            if rng.random() < 0.6:
                check_save(writers[who], loaded[who], rng, image)
                loaded[who] = snapshot(writers[who])


def random_edit_of_peer(peer: CloudScopeLike, rng: random.Random, token: str) -> None:
    ids = [roi.roi_id for roi in peer.rois]
    choice = rng.choice(["meta", "meta", "name", "create", "delete", "measure"])
    if choice == "create" or len(ids) < 2:
        peer.add_roi()
    elif choice == "meta":
        peer.edit_experiment(**{rng.choice(["species", "sex", "genotype", "region"]): token})
    elif choice == "name":
        peer.rename_roi(rng.choice(ids), token)
    elif choice == "delete":
        peer.delete_roi(rng.choice(ids))
    else:
        angles = [rng.randrange(10, 80) + 0.25 for _ in range(3)]
        peer.run_velocity(0, rng.choice(ids), angles, rng.choice([16, 32]))


def check_save_beside_peer(
    acq: AcqImage, seen: list[dict[str, Any]], rng: random.Random, image: Path
) -> None:
    """Save; whatever this acquisition ever saved must be there, or be asked about."""
    *past, loaded = seen
    mine, disk = snapshot(acq), snapshot(AcqImage(image))
    edits, others = changed(loaded, mine), changed(loaded, disk)
    if not acq.is_dirty:
        return
    try:
        acq.save()
    except SidecarConflict:
        assert snapshot(AcqImage(image)) == disk
        keep = rng.choice([None, "mine", "both"])
        if keep is None:
            acq.load_sidecar_json()
            seen[:] = [snapshot(acq)]
            return
        acq.save(keep=keep)  # type: ignore[arg-type]
        saved = snapshot(AcqImage(image))
        assert keep == "both" or not {k for k in edits - others if not is_roi(k)} & changed(
            mine, saved
        )
    else:
        saved = snapshot(AcqImage(image))
        kept = list(rois_of(saved).values())
        for key in {*mine, *disk, *saved, *loaded}:
            if key in edits:
                assert saved.get(key) == mine.get(key) or (
                    is_roi(key) and rois_of(mine)[key.split(" ", 2)[1]] in kept
                )
            elif key in others:
                assert saved.get(key) == disk.get(key)
                assert all(disk.get(key) != before.get(key) for before in past)
            elif key in disk or key in mine:
                assert saved.get(key) == loaded.get(key)
            else:  # a ROI of ours that got another number
                assert rois_of(saved)[key.split(" ", 2)[1]] in rois_of(mine).values()
    assert snapshot(acq) == saved
    seen.append(saved)


@pytest.mark.parametrize("part", range(4))
def test_random_interleavings_with_cloudscope_lose_nothing_silently(
    two_rois: Path, part: int
) -> None:
    image = two_rois
    acq = AcqImage(image)
    acq.save(strict_tables=True)
    original = {path.name: path.read_bytes() for path in image.parent.iterdir()}
    for seed in range(part * 250, (part + 1) * 250):
        rng = random.Random(seed)
        start_again(image, original)
        acq, peer = AcqImage(image), CloudScopeLike(image)
        seen = [snapshot(acq)]
        for step in range(rng.randrange(4, 10)):
            token = f"{seed}-{step}"
            if rng.random() < 0.5:
                random_edit(acq, rng, token)
                if rng.random() < 0.7:
                    check_save_beside_peer(acq, seen, rng, image)
            else:
                if rng.random() < 0.3:
                    peer = CloudScopeLike(image)
                random_edit_of_peer(peer, rng, token)
                if rng.random() < 0.6:
                    peer.save()
