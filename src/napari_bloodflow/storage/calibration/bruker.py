"""Calibration in the XML file that Prairie View (Bruker) writes beside its TIFF files."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING
from xml.etree import ElementTree

from napari_bloodflow.storage.calibration.readings import (
    CalibrationFindings,
    SourceReader,
    read_text,
)

if TYPE_CHECKING:
    from pathlib import Path

__all__ = ["read_bruker_xml"]

_CYCLE = re.compile(r"_Cycle\d+", re.IGNORECASE)
_DECLARATION = re.compile(r"^\s*<\?xml.*?\?>", re.DOTALL)


def read_bruker_xml(image_path: Path, num_columns: int) -> CalibrationFindings:
    """Take dx from ``micronsPerPixel``, dt from ``scanLinePeriod``, of this image's frame.

    Parameters
    ----------
    image_path : pathlib.Path
        The image. The XML has its name, up to ``_Cycle``, or that of its folder.
    num_columns : int
        Pixels of a line.

    Returns
    -------
    CalibrationFindings
        Empty if there is no such file beside the image.
    """
    path = _xml_path(image_path)
    if path is None:
        return CalibrationFindings()
    try:
        text = read_text(path)
    except OSError as error:
        return CalibrationFindings(notes=(f"{path.name} cannot be read: {error.strerror}",))
    if "<PVScan" not in text[:4096]:
        return CalibrationFindings()
    if "<!DOCTYPE" in text or "<!ENTITY" in text:
        return CalibrationFindings(notes=(f"{path.name} has entities and is not read",))
    try:
        root = ElementTree.fromstring(_DECLARATION.sub("", text))
    except ElementTree.ParseError as error:
        return CalibrationFindings(notes=(f"{path.name} cannot be read: {error}",))
    reader = SourceReader("Bruker xml", prefix=f"{path.name}: ")
    state = _state(root, image_path.name)
    for name in ("micronsPerPixel", "micronsPerPixel_XAxis"):
        reader.take_dx(state.get(name), "um", name)
    for name in ("scanLinePeriod", "scanlinePeriod"):
        reader.take_dt(state.get(name), "s", name)
    stated = state.get("pixelsPerLine", "")
    if stated.isdecimal() and int(stated) != num_columns:
        reader.notes.append(
            f"{path.name} describes lines of {stated} pixels, the image has {num_columns}; its"
            " steps hold only if the image was cropped, not resized"
        )
    return reader.findings()


def _xml_path(image_path: Path) -> Path | None:
    stem = image_path.name.split(".")[0]
    cycle = _CYCLE.search(stem)
    names = [stem, *([stem[: cycle.start()]] if cycle else []), image_path.parent.name]
    candidates = (image_path.with_name(f"{name}.xml") for name in names if name)
    return next((path for path in candidates if path.is_file()), None)


def _state(root: ElementTree.Element, image_name: str) -> dict[str, str]:
    """Return the settings of the frame of an image: its own before those of the whole scan."""
    frames = list(root.iterfind("Sequence/Frame"))
    own = [f for f in frames if any(n.get("filename") == image_name for n in f.iterfind("File"))]
    values: dict[str, str] = {}
    for part in (root, *(own or frames)[:1]):
        for shard in part.iterfind("PVStateShard"):
            for entry in (*shard.iterfind("PVStateValue"), *shard.iterfind("Key")):
                value = entry.get("value")
                if value is None:
                    axis = entry.find("IndexedValue[@index='XAxis']")
                    value = None if axis is None else axis.get("value")
                if value is not None:
                    values[entry.get("key", "")] = value
    return values
