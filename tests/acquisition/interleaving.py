"""Random edits, and what a person sees of an acquisition, for tests with several writers."""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING, Any

from napari_bloodflow import AcqImage, RectRoiBounds

if TYPE_CHECKING:
    import random
    from pathlib import Path

VELOCITY = "radon_velocity"


def measure(acq: AcqImage, roi_id: int, window: int = 16) -> None:
    acq.analysis_set.run_analysis((VELOCITY, 0, roi_id), {"window_width": window})


def files_of(image: Path) -> dict[str, str]:
    return {
        path.name: hashlib.sha256(path.read_bytes()).hexdigest()
        for path in sorted(image.parent.iterdir())
    }


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
            table.drop(columns="status", errors="ignore").to_csv(index=False),
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
