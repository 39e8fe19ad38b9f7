"""Channels of one scan that were stored as one file each, read as channels of one image."""

from __future__ import annotations

import os
import re
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any, NamedTuple

from napari_bloodflow.errors import ImageReadError
from napari_bloodflow.storage.tiff import TiffPixels, read_tiff_header

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from numpy.typing import NDArray

    from napari_bloodflow.storage.image_header import ImageHeader

__all__ = ["ChannelPixels", "ChannelSet", "ChannelSets", "stacked_header"]

_BESIDE = r"(?P<beside>\..*(?:json|csv|bloodflow-journal))?"
_NAMES = tuple(
    re.compile(rf"\.?(?P<scan>{scan})(?P<number>\d+)(?P<end>{end}){_BESIDE}", re.IGNORECASE)
    for scan, end in (
        (r".+_C(?=\d{3}\.)", r"\.tiff?"),  # Olympus: scan_C001.tif
        (r".+_Ch(?=\d)", r"_\d+(?:\.ome)?\.tiff?"),  # Prairie: scan_Cycle00001_Ch1_000001.ome.tif
    )
)


@dataclass(frozen=True, slots=True)
class ChannelSet:
    """The files of one image.

    Parameters
    ----------
    paths : tuple of pathlib.Path
        One file per channel, in order. The files beside the first one are those of the image. A
        file that is no channel of a scan is alone.
    notes : tuple of str
        Sentences about files of the same scan that are not part of the image.
    """

    paths: tuple[Path, ...]
    notes: tuple[str, ...] = ()


@dataclass(slots=True)
class _Scan:
    """Files of a folder that have the name of one scan, and those beside each, by name."""

    channels: dict[str, int] = field(default_factory=dict)
    beside: dict[str, list[str]] = field(default_factory=dict)


class ChannelSets:
    """Finds the files of the channels of scans; reads each folder and each header once."""

    def __init__(self) -> None:
        self._folders: dict[Path, dict[tuple[str, str], _Scan]] = {}
        self._headers: dict[Path, ImageHeader | None] = {}

    def of(self, path: Path) -> ChannelSet:
        """Return the set that a file belongs to.

        Parameters
        ----------
        path : pathlib.Path
            ``<name>_C001.tif`` or ``<name>_Ch1_000001.ome.tif``, or any other file.

        Returns
        -------
        ChannelSet
            Files of the same shape and type, if no file but the first has sidecar files; else the
            file alone.
        """
        place = _place(path.name)
        scan = _Scan() if place is None else self._scans(path.parent).get(place.scan, _Scan())
        if path.name not in scan.channels or len(scan.channels) < 2:
            return ChannelSet((path,))
        own = self._header(path)
        if own is None or not _is_like(own, own):
            return ChannelSet((path,))
        names: list[str] = []
        notes: tuple[str, ...] = ()
        for name in sorted(scan.channels, key=lambda name: (scan.channels[name], name)):
            if _is_like(self._header(path.with_name(name)), own):
                names.append(name)
            else:
                text = f"{name} beside it is not of the same size and type; it is opened by itself"
                notes += (text,)
        if len(names) < 2:
            return ChannelSet((path,), notes)
        kept = sorted(file for name in names[1:] for file in scan.beside.get(name, ()))
        if kept:
            text = (
                f"{', '.join(names)} are channels of one scan; each is opened by itself, because"
                f" {', '.join(kept)} belongs to another than the first"
            )
            return ChannelSet((path,), (*notes, text))
        text = f"its channels are the files {', '.join(names)}"
        return ChannelSet(tuple(path.with_name(name) for name in names), (text, *notes))

    def headers(self, path: Path) -> tuple[tuple[ImageHeader, ...], tuple[str, ...]]:
        """Read the headers of the set of a file.

        Returns
        -------
        headers : tuple of ImageHeader
            In order of channels; at least one.
        notes : tuple of str
            Those of the set.

        Raises
        ------
        FileNotFoundError, ImageReadError
            If the file cannot be read.
        """
        found = self.of(path)
        headers = (self._headers.get(one) or read_tiff_header(one) for one in found.paths)
        return tuple(headers), found.notes

    def _header(self, path: Path) -> ImageHeader | None:
        if path not in self._headers:
            try:
                self._headers[path] = read_tiff_header(path)
            except (ImageReadError, OSError):
                self._headers[path] = None
        return self._headers[path]

    def _scans(self, folder: Path) -> dict[tuple[str, str], _Scan]:
        if folder not in self._folders:
            scans: dict[tuple[str, str], _Scan] = {}
            try:
                with os.scandir(folder) as entries:
                    # a link has its sidecar files where it leads
                    names = [entry.name for entry in entries if not entry.is_symlink()]
            except OSError:
                names = []
            for name in names:
                if (place := _place(name)) is None:
                    continue
                scan = scans.setdefault(place.scan, _Scan())
                if place.is_beside:
                    scan.beside.setdefault(place.image, []).append(name)
                elif name == place.image:
                    scan.channels[name] = place.number
            self._folders[folder] = scans
        return self._folders[folder]


class _Place(NamedTuple):
    """What a name says."""

    scan: tuple[str, str]
    number: int
    image: str
    is_beside: bool


def _place(name: str) -> _Place | None:
    for pattern in _NAMES:
        if match := pattern.fullmatch(name):
            image = match["scan"] + match["number"] + match["end"]
            scan = match["scan"], match["end"]
            return _Place(scan, int(match["number"]), image, bool(match["beside"]))
    return None


def _is_like(header: ImageHeader | None, other: ImageHeader) -> bool:
    return header is not None and (
        (header.axes, header.shape, header.dtype) == (other.axes, other.shape, other.dtype)
        and "C" not in header.axes
        and header.scitiff is None
    )


def stacked_header(headers: Sequence[ImageHeader], notes: tuple[str, ...]) -> ImageHeader:
    """Return the header of an image whose channels are files.

    Parameters
    ----------
    headers : sequence of ImageHeader
        One per channel, alike; at least one.
    notes : tuple of str
        What to add to the notes of the first.

    Returns
    -------
    ImageHeader
        With path, calibration and date of the first file; C is the first axis if there are more.
    """
    first = headers[0]
    steps = [[(r.dt_s, r.dx_um) for r in header.readings] for header in headers]
    if any(one != steps[0] for one in steps):
        notes += ("its channels do not state the same calibration; that of the first is used",)
    if len(headers) == 1:
        return replace(first, notes=(*first.notes, *notes))
    return replace(
        first,
        axes=f"C{first.axes}",
        shape=(len(headers), *first.shape),
        notes=(*first.notes, *notes),
    )


class ChannelPixels:
    """Pixels of an image whose channels are files, read when needed and read-only.

    Parameters
    ----------
    header : ImageHeader
        As :func:`stacked_header` returns.
    channels : sequence of ImageHeader
        Those it was made of.
    """

    def __init__(self, header: ImageHeader, channels: Sequence[ImageHeader]) -> None:
        self._header = header
        self._files = tuple(TiffPixels(channel) for channel in channels)

    def plane(self, channel: int = 0, z: int = 0, t: int = 0) -> NDArray[Any]:
        """Return one plane.

        Parameters
        ----------
        channel, z, t : int
            Which plane, from 0.

        Returns
        -------
        ndarray, shape (time, position)
            Read-only; a memory map where the file is stored in one uncompressed piece.

        Raises
        ------
        UnknownPlaneError
            (a ValueError) if there is no such channel, z or t.
        ImageReadError
            If the pixels cannot be decoded.
        """
        self._header.check_plane(channel, z, t)
        return self._files[channel].plane(0, z, t)

    def volume(self, channel: int = 0) -> NDArray[Any]:
        """Return all planes of a channel, with the axes of the header without C.

        Raises
        ------
        UnknownPlaneError, ImageReadError
            As :meth:`plane`.
        """
        self._header.check_plane(channel, 0, 0)
        return self._files[channel].volume()

    def close(self) -> None:
        """Let go of the files; the next access opens them again."""
        for file in self._files:
            file.close()
