"""Calibration in the XML file that Prairie View (Bruker) writes beside its TIFF files."""

from __future__ import annotations

import re
from pathlib import PurePosixPath, PureWindowsPath
from typing import TYPE_CHECKING
from xml.etree import ElementTree

from napari_bloodflow.errors import ImageReadError
from napari_bloodflow.storage.calibration.readings import (
    MAX_TEXT_BYTES,
    CalibrationFindings,
    SourceReader,
    read_text,
)

if TYPE_CHECKING:
    from pathlib import Path

__all__ = ["PRAIRIE_EXTENSION", "prairie_images", "prairie_xml_of", "read_bruker_xml"]

PRAIRIE_EXTENSION = ".xml"

_CYCLE = re.compile(r"_Cycle\d+", re.IGNORECASE)
_TIFF = re.compile(r"\.tiff?\Z", re.IGNORECASE)
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
    path = prairie_xml_of(image_path)
    if path is None:
        return CalibrationFindings()
    root = _parsed(path)
    if root is None:
        return CalibrationFindings()
    if isinstance(root, str):
        return CalibrationFindings(notes=(f"{path.name} {root}",))
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
    other_frames = [names for names in _frames(root) if image_path.name not in names]
    if other_frames:
        names = {name for frame in other_frames for name in frame}
        reader.notes.append(
            f"{path.name} names {len(names)} more image files ({min(names)}, ...), which are not"
            " channels of this one; open each by its own name"
        )
    return reader.findings()


def prairie_images(xml_path: Path) -> tuple[Path, ...]:
    """Return the images that an XML of Prairie View describes.

    Parameters
    ----------
    xml_path : pathlib.Path
        The XML.

    Returns
    -------
    tuple of pathlib.Path
        The first file of each frame, beside the XML; at least one. Which other files are channels
        of it, their names say.

    Raises
    ------
    FileNotFoundError
        If there is no such XML, or it names only files that are not there.
    ImageReadError
        If it is no XML of Prairie View, or names a file that is not beside it.
    """
    try:
        root = _parsed(xml_path)
    except FileNotFoundError:
        raise FileNotFoundError(2, "no such file", str(xml_path)) from None
    if root is None:
        raise ImageReadError(
            xml_path,
            "is not an XML file of Prairie View (Bruker), which begins with <PVScan>; open the"
            " image itself",
        )
    if isinstance(root, str):
        raise ImageReadError(xml_path, root)
    images: dict[str, None] = {}
    missing = []
    for names in _frames(root):
        for name in names:
            if not _is_base_name(name):
                raise ImageReadError(xml_path, f"names {name!r}, which is not a file beside it")
        there = [name for name in names if xml_path.with_name(name).is_file()]
        images.update(dict.fromkeys(there[:1]))
        missing += [name for name in names if name not in there]
    if not images and not missing:
        raise ImageReadError(xml_path, "names no TIFF image")
    if not images:
        raise ImageReadError(
            xml_path, f"names {missing[0]}, which is not there; put both into one folder"
        )
    for name in images:
        if prairie_xml_of(xml_path.with_name(name)) != xml_path:
            start = _CYCLE.split(name.split(".")[0])[0]
            raise ImageReadError(
                xml_path,
                f"describes {name}, but has not its name: call it {start}.xml, or the image would"
                " be without calibration whenever it is opened by its own name",
            )
    return tuple(xml_path.with_name(name) for name in images)


def prairie_xml_of(image_path: Path) -> Path | None:
    """Return the XML that belongs to an image by its name, if it is there."""
    stem = image_path.name.split(".")[0]
    cycle = _CYCLE.search(stem)
    names = [stem, *([stem[: cycle.start()]] if cycle else []), image_path.parent.name]
    candidates = (image_path.with_name(f"{name}.xml") for name in names if name)
    return next((path for path in candidates if path.is_file()), None)


def _parsed(path: Path) -> ElementTree.Element | str | None:
    """Return the root of an XML; why it cannot be read, as a clause; or None for another XML."""
    try:
        if path.stat().st_size > MAX_TEXT_BYTES:
            return f"is larger than {MAX_TEXT_BYTES >> 20} MB and is not read"
        text = read_text(path)
    except FileNotFoundError:
        raise
    except OSError as error:
        return f"cannot be read: {error.strerror or error}"
    if "<PVScan" not in text[:4096]:
        return None
    if "<!DOCTYPE" in text or "<!ENTITY" in text:
        return "has entities and is not read"
    try:
        return ElementTree.fromstring(_DECLARATION.sub("", text))
    except ElementTree.ParseError as error:
        return f"cannot be read: {error}"


def _frames(root: ElementTree.Element) -> list[list[str]]:
    """Return the names of the TIFF files of each frame."""
    frames = (
        [file.get("filename", "") for file in frame.iterfind("File")]
        for frame in root.iterfind("Sequence/Frame")
    )
    named = ([name for name in frame if _TIFF.search(name)] for frame in frames)
    return [frame for frame in named if frame]


def _is_base_name(name: str) -> bool:
    return "\0" not in name and PurePosixPath(name).name == PureWindowsPath(name).name == name


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
