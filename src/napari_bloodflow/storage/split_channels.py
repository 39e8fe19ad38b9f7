"""Channels of one scan that Olympus software exported as one file each."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from napari_bloodflow.errors import ImageReadError
from napari_bloodflow.storage.tiff import read_tiff_header

if TYPE_CHECKING:
    from pathlib import Path

    from napari_bloodflow.storage.image_header import ImageHeader

__all__ = ["other_channel_files"]

_CHANNEL = re.compile(r"(?P<scan>.+_C)\d{3}(?P<end>\.tiff?)", re.IGNORECASE)


def other_channel_files(header: ImageHeader) -> tuple[Path, ...]:
    """Return the files of the other channels of a scan, from the names and headers beside it.

    Parameters
    ----------
    header : ImageHeader
        Of ``<name>_C001.tif``.

    Returns
    -------
    tuple of pathlib.Path
        ``<name>_C002.tif`` and so on, those of the same shape and type, by name. Empty for a file
        of another name.
    """
    named = _CHANNEL.fullmatch(header.path.name)
    if named is None:
        return ()
    same_scan = re.compile(rf"{re.escape(named['scan'])}\d{{3}}{re.escape(named['end'])}")
    try:
        beside = sorted(p for p in header.path.parent.iterdir() if same_scan.fullmatch(p.name))
    except OSError:
        return ()
    return tuple(path for path in beside if path != header.path and _fits(path, header))


def _fits(path: Path, header: ImageHeader) -> bool:
    try:
        other = read_tiff_header(path)
    except (ImageReadError, OSError):
        return False
    return (other.axes, other.shape, other.dtype) == (header.axes, header.shape, header.dtype)
