"""Kymographs in Zeiss CZI files, through the package ``czifile``, which is an optional extra."""

from __future__ import annotations

import math
from datetime import datetime
from typing import TYPE_CHECKING, Any
from xml.etree import ElementTree

import numpy as np

from napari_bloodflow.errors import ImageReadError
from napari_bloodflow.storage.calibration.readings import (
    CalibrationFindings,
    SourceReader,
    between_frames,
    day_and_time,
)
from napari_bloodflow.storage.decoded_pixels import (
    DecodedPixels,
    axes_of_lines,
    read_start,
    told_as_unreadable,
)
from napari_bloodflow.storage.image_header import ImageHeader
from napari_bloodflow.storage.tiff_guard import check_decoded_size

if TYPE_CHECKING:
    from pathlib import Path

    from numpy.typing import NDArray

__all__ = ["CZI_EXTENSIONS", "CziPixels", "read_czi_header"]

CZI_EXTENSIONS = (".czi",)

_SIGNATURE = b"ZISRAWFILE"
_SAMPLES = "0"


def read_czi_header(path: Path) -> ImageHeader:
    """Read shape, type, axes and calibration of a CZI file.

    Parameters
    ----------
    path : pathlib.Path
        The file.

    Returns
    -------
    ImageHeader
        Where every time point is one line (``SizeY`` is 1), the lines are along Y.

    Raises
    ------
    FileNotFoundError
        If there is no such file.
    ImageReadError
        If it holds no kymograph, or the extra ``czi`` is not installed.
    """
    signature, file_size = read_start(path, len(_SIGNATURE))
    if signature != _SIGNATURE:
        raise ImageReadError(path, "is not a CZI file")
    open_czi = _opener(path)
    with told_as_unreadable(path, "is a damaged CZI file"), open_czi(path) as czi:
        return _header(czi, path, file_size)


def _opener(path: Path) -> Any:
    try:
        from czifile import CziFile
    except ImportError as error:
        raise ImageReadError(
            path,
            "is a CZI file, which needs the extra 'czi' (pip install \"napari-bloodflow[czi]\");"
            " or export it as OME-TIFF in ZEN",
        ) from error
    return CziFile


def _header(czi: Any, path: Path, file_size: int) -> ImageHeader:
    sizes = dict.fromkeys("TCZYX", 1) | _by_axis(czi.axes, czi.shape)
    if sizes.get(_SAMPLES, 1) > 1 or czi.dtype.kind not in "uf":
        raise ImageReadError(path, "is a colour picture; a kymograph has one value per pixel")
    if sizes.get("S", 1) > 1:
        raise ImageReadError(path, "holds several scenes; export each as a file of its own")
    other = [axis for axis, size in sizes.items() if axis not in "TCZYXM" and size > 1]
    if other:
        raise ImageReadError(path, f"has the axes {', '.join(other)}, which a kymograph has not")
    num_planes = math.prod(sizes[axis] for axis in "TCZ")
    if num_planes > len(czi.filtered_subblock_directory):
        raise ImageReadError(path, f"is damaged: it claims {num_planes} planes, but has fewer")
    stored_axes = "".join(axis for axis in "TCZYX" if axis in "YX" or sizes[axis] > 1)
    stored = tuple(sizes[axis] for axis in stored_axes), stored_axes
    axes, rows_are_frames = axes_of_lines(path, sizes)
    dtype = np.dtype(czi.dtype)
    check_decoded_size(path, sizes["Y"] * sizes["X"] * dtype.itemsize, file_size)
    found = _calibration(czi.metadata() or "", sizes.get("T", 1), rows_are_frames=rows_are_frames)
    return ImageHeader(
        path,
        axes,
        tuple(sizes[axis] for axis in axes),
        dtype,
        found.date,
        found.time,
        found.readings,
        found.notes,
        stored=stored,
    )


def _by_axis(axes: str, numbers: tuple[int, ...]) -> dict[str, int]:
    return {axis: int(number) for axis, number in zip(axes, numbers, strict=True)}


def _calibration(xml: str, num_frames: int, *, rows_are_frames: bool) -> CalibrationFindings:
    """Take dx from the scaling of X, dt from the interval between time points that are lines."""
    if "<!DOCTYPE" in xml or "<!ENTITY" in xml:
        return CalibrationFindings(notes=("CZI metadata with entities are not read",))
    try:
        root = ElementTree.fromstring(xml)
    except ElementTree.ParseError as error:
        return CalibrationFindings(notes=(f"the CZI metadata cannot be read: {error}",))
    reader = SourceReader("CZI")
    scale = root.findtext("Metadata/Scaling/Items/Distance[@Id='X']/Value")
    reader.take_dx(scale, "m", "Scaling X")
    image = "Metadata/Information/Image"
    increment = root.findtext(f"{image}/Dimensions/T/Positions/Interval/Increment")
    if rows_are_frames:
        reader.take_dt(increment, "s", "interval of T")
    elif increment is not None and num_frames > 1:
        reader.notes.append(between_frames("interval of T"))
    acquired = root.findtext(f"{image}/AcquisitionDateAndTime", "").strip()
    if not acquired:
        return reader.findings()
    try:
        return reader.findings(*day_and_time(datetime.fromisoformat(acquired)))
    except ValueError:
        reader.notes.append(f"the CZI date {acquired!r} is not a date")
        return reader.findings()


class CziPixels(DecodedPixels):
    """Pixels of a CZI file, decoded when needed and read-only.

    Parameters
    ----------
    header : ImageHeader
        As :func:`read_czi_header` returns.
    """

    def _decoded(self, channel: int, z: int, t: int) -> NDArray[Any]:
        header = self._header
        path, sizes = header.path, header.sizes
        plane = np.zeros((sizes["Y"], sizes["X"]), header.dtype)
        open_czi = _opener(path)
        wanted = {"C": channel, "Z": z} | ({} if header.rows_are_frames else {"T": t})
        row_axis = "T" if header.rows_are_frames else "Y"
        with (
            told_as_unreadable(path, "has pixels that cannot be decoded"),
            open_czi(path) as czi,
        ):
            first = _by_axis(czi.axes, czi.start)
            for entry in czi.filtered_subblock_directory:
                start, shape = (_by_axis(entry.axes, n) for n in (entry.start, entry.shape))
                at = {axis: number - first[axis] for axis, number in start.items()}
                if any(at.get(axis, 0) != number for axis, number in wanted.items()):
                    continue
                tile = entry.data_segment().data().reshape(shape["Y"], shape["X"])
                row, column = at.get(row_axis, 0), at["X"]
                plane[row : row + shape["Y"], column : column + shape["X"]] = tile
        return plane
