"""What to show of a SciTiff file, as plain data: one entry per layer, with its calibration."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

import numpy as np

from napari_bloodflow.problems import Problem

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from napari_bloodflow.acquisition.images import AcqImages
    from napari_bloodflow.storage.scitiff_read import SciTiff

__all__ = [
    "SciTiffLayer",
    "mask_of",
    "scitiff_layers",
    "scitiff_metadata",
    "scitiff_problems",
    "scitiff_rows",
]

_DRAW_ORDER = {"intensities": 0, "channel": 0, "stdevs": 1, "mask": 2}
_MAX_CHARACTERS = 300


@dataclass(frozen=True, slots=True)
class SciTiffLayer:
    """A layer to show.

    Parameters
    ----------
    kind : {"image", "labels"}
        Type of layer.
    role : {"intensities", "stdevs", "mask", "channel"}
        What it holds.
    channel : int
        Its channel in the file.
    name : str
        Name of the channel, or empty.
    data : ndarray
        Pixels with the axes `axis_labels`, read-only; uint8 for labels.
    axis_labels : tuple of str
        Of ``t, z, y, x``, in this order; at least two.
    scale, translate : tuple of float
        Step, and position of the first pixel, along every axis.
    units : tuple of str
        Unit of every axis, ``"pixel"`` where nothing is known.
    """

    kind: Literal["image", "labels"]
    role: str
    channel: int
    name: str
    data: NDArray[Any]
    axis_labels: tuple[str, ...]
    scale: tuple[float, ...]
    translate: tuple[float, ...]
    units: tuple[str, ...]

    @property
    def is_visible(self) -> bool:
        """False for standard deviations, which would hide the image."""
        return self.role != "stdevs"


def scitiff_layers(images: AcqImages) -> list[SciTiffLayer]:
    """Return the layers of a SciTiff file, in drawing order.

    Parameters
    ----------
    images : AcqImages
        The image.

    Returns
    -------
    list of SciTiffLayer
        One per channel; empty for any other file.

    Raises
    ------
    ImageReadError
        If the pixels cannot be decoded.
    """
    scitiff = images.scitiff
    if scitiff is None:
        return []
    layers = []
    for channel in sorted(scitiff.channels, key=lambda c: _DRAW_ORDER[c.role]):
        is_mask = channel.role == "mask"
        data = images.get_volume(channel.index)
        layers.append(
            SciTiffLayer(
                "labels" if is_mask else "image",
                channel.role,
                channel.index,
                channel.name,
                mask_of(data) if is_mask else data,
                tuple(axis.dim for axis in scitiff.axes),
                tuple(axis.scale for axis in scitiff.axes),
                tuple(axis.translate for axis in scitiff.axes),
                tuple(axis.unit.name for axis in scitiff.axes),
            )
        )
    return layers


def mask_of(data: NDArray[Any]) -> NDArray[np.uint8]:
    """Return 1 where a mask channel is not zero; a pixel that is not a number is masked."""
    return np.array(data != 0, dtype=np.uint8)


def scitiff_problems(images: AcqImages) -> list[Problem]:
    """Return what was not used of the metadata of a SciTiff file, and why."""
    if images.scitiff_fault:
        what = f"the SciTiff metadata {images.scitiff_fault}"
        action = "they are ignored, the file is read as any other TIFF"
        return [Problem(images.name, "scitiffmeta", what, action)]
    notes = () if images.scitiff is None else images.scitiff.notes
    return [Problem(images.name, note.where, note.what, note.action) for note in notes]


def scitiff_rows(scitiff: SciTiff) -> list[tuple[str, str]]:
    """Return the metadata as names and texts to show to a person.

    Parameters
    ----------
    scitiff : SciTiff
        The metadata.

    Returns
    -------
    list of tuple of str
        Name and text, each text at most 300 characters. What the file does not have is left out.
    """
    document = scitiff.document
    rows: list[tuple[str, str]] = [
        ("name", document.name),
        ("schema version", _plain(document.schema_version)),
        ("unit of pixels", document.unit or ""),
        ("channels", ", ".join(channel.name for channel in scitiff.channels)),
        *((f"coordinate {name}", str(coord)) for name, coord in document.coords.items()),
        *((f"mask {name}", str(mask)) for name, mask in document.masks.items()),
    ]
    for part, value in (
        ("daq", document.daq),
        ("process", document.process),
        ("extra", document.extra),
    ):
        entries = value.items() if isinstance(value, dict) else [("", value)]
        rows += [(f"{part} {key}".strip(), _plain(entry)) for key, entry in entries]
    return [(_cut(label), _cut(text)) for label, text in rows if text]


def scitiff_metadata(images: AcqImages, layer: SciTiffLayer) -> dict[str, Any]:
    """Return what a layer keeps of the metadata, as plain data.

    Parameters
    ----------
    images : AcqImages
        The image, a SciTiff file.
    layer : SciTiffLayer
        One of its layers.

    Returns
    -------
    dict
        ``file, schema_version, unit, coords, masks, daq, process, extra, notes, channel, role``
        and the whole metadata as the text ``raw``.
    """
    assert images.scitiff is not None
    document = images.scitiff.document
    return {
        "file": images.name,
        "schema_version": document.schema_version,
        "unit": document.unit,
        "coords": {name: dict(coord.raw) for name, coord in document.coords.items()},
        "masks": {name: dict(mask.raw) for name, mask in document.masks.items()},
        "daq": document.daq,
        "process": document.process,
        "extra": document.extra,
        "notes": [f"{note.where}: {note.what} ({note.action})" for note in images.scitiff.notes],
        "channel": layer.name,
        "role": layer.role,
        "raw": json.dumps(document.raw),
    }


def _plain(value: Any) -> str:
    """Write a value of the document; an empty one as nothing, a scalar variable with its unit."""
    if isinstance(value, dict) and "values" in value and not value.get("dims"):
        unit = value.get("unit")
        return f"{value['values']} {unit}" if isinstance(unit, str) else f"{value['values']}"
    if isinstance(value, str):
        return value
    return "" if value in (None, [], {}) else json.dumps(value, ensure_ascii=False)


def _cut(text: str) -> str:
    flat = " ".join(text.split())
    return flat if len(flat) <= _MAX_CHARACTERS else f"{flat[: _MAX_CHARACTERS - 3]}..."
