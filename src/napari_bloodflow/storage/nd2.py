"""Kymographs in Nikon ND2 files, through the package ``nd2``, which is an optional extra."""

from __future__ import annotations

import math
import os
import re
import struct
from datetime import datetime
from itertools import product
from typing import TYPE_CHECKING, Any

import numpy as np

from napari_bloodflow.errors import ImageReadError
from napari_bloodflow.storage.calibration.readings import (
    SWAP_ADVICE,
    CalibrationFindings,
    SourceReader,
    between_frames,
    day_and_time,
)
from napari_bloodflow.storage.decoded_pixels import (
    DecodedPixels,
    axes_of_lines,
    brief,
    read_start,
    told_as_unreadable,
)
from napari_bloodflow.storage.image_header import ImageHeader
from napari_bloodflow.storage.tiff_guard import check_decoded_size

if TYPE_CHECKING:
    from pathlib import Path

    from numpy.typing import NDArray

__all__ = ["ND2_EXTENSIONS", "Nd2Pixels", "read_nd2_header"]

ND2_EXTENSIONS = (".nd2",)

_SIGNATURE = b"\xda\xce\xbe\x0a"
_SIGNATURE_JPEG_2000 = b"\x00\x00\x00\x0c"
_MAP_LOCATION = struct.Struct("<32sQ")
_FRAME_IN_MAP = re.compile(rb"ImageDataSeq\|(\d{1,10})!(.{8}).{8}", re.DOTALL)
_PIXELS_AT = 4096
"""Where the pixels of an uncompressed frame begin, from its offset in the map."""
_DAYS = ("%m/%d/%Y", "%d/%m/%Y", "%d.%m.%Y", "%Y-%m-%d", "%Y/%m/%d")
_TIMES = ("%I:%M:%S %p", "%H:%M:%S")
# What the package fails with on metadata that it does not expect.
_METADATA_ERRORS = (AttributeError, LookupError, NameError, TypeError, ValueError)


def read_nd2_header(path: Path) -> ImageHeader:
    """Read shape, type, axes and calibration of an ND2 file.

    Parameters
    ----------
    path : pathlib.Path
        The file.

    Returns
    -------
    ImageHeader
        Where every time point is one line (its height is 1), the lines are along Y.

    Raises
    ------
    FileNotFoundError
        If there is no such file.
    ImageReadError
        If it holds no kymograph, or the extra ``nd2`` is not installed.
    """
    signature, file_size = read_start(path, len(_SIGNATURE))
    if signature == _SIGNATURE_JPEG_2000:
        raise ImageReadError(
            path,
            "is an old ND2 file of JPEG 2000 pictures, which is not read here; export it as"
            " OME-TIFF in NIS-Elements",
        )
    if signature != _SIGNATURE:
        raise ImageReadError(path, "is not an ND2 file")
    open_nd2 = _opener(path)
    with told_as_unreadable(path, "is a damaged ND2 file"), open_nd2(path) as nd2:
        return _header(nd2, path, file_size)


def _opener(path: Path) -> Any:
    try:
        from nd2 import ND2File
    except ImportError as error:
        raise ImageReadError(
            path,
            "is an ND2 file, which needs the extra 'nd2' (pip install \"napari-bloodflow[nd2]\");"
            " or export it as OME-TIFF in NIS-Elements",
        ) from error
    return ND2File


def _header(nd2: Any, path: Path, file_size: int) -> ImageHeader:
    dtype = np.dtype(nd2.dtype)
    if nd2.attributes.compressionType == "lossy":
        raise ImageReadError(path, "is compressed with losses, which is not decoded here")
    if nd2.is_rgb:
        raise ImageReadError(path, "is a colour picture; a kymograph has one value per pixel")
    sizes = dict.fromkeys("TCZYX", 1) | {axis: int(size) for axis, size in nd2.sizes.items()}
    line_bytes = sizes["X"] * sizes["C"] * dtype.itemsize
    if min(sizes.values()) < 1 or nd2.attributes.widthBytes < line_bytes:
        raise ImageReadError(path, "is damaged: its width or height cannot be")
    if sizes.get("P", 1) > 1:
        raise ImageReadError(path, "holds several positions; export each as a file of its own")
    num_frames = math.prod(loop.count for loop in nd2.experiment)
    if set(sizes) - set("TCZYXP") or num_frames != sizes["T"] * sizes["Z"]:
        loops = ", ".join(loop.type for loop in nd2.experiment)
        raise ImageReadError(path, f"has loops that a kymograph has not ({loops})")
    # The package gives zeros for a frame that is not there.
    frames = _stored_frames(nd2, path, file_size)
    num_stored = sum(index < num_frames for index in frames)
    if num_stored < num_frames:
        raise ImageReadError(
            path, f"is damaged: it claims {num_frames} frames, but has {num_stored} of them"
        )
    stored_axes = "".join(axis for axis in nd2.sizes if sizes[axis] > 1)
    stored = tuple(sizes[axis] for axis in stored_axes), stored_axes
    axes, rows_are_frames = axes_of_lines(path, sizes)
    check_decoded_size(path, sizes["Y"] * sizes["X"] * dtype.itemsize, file_size)
    left_out: tuple[str, ...] = ()
    if len(frames) > num_frames:
        left_out = (
            f"ND2 has {len(frames)} frames, but loops for {num_frames}; others are left out",
        )
    found = _calibration(nd2, rows_are_frames=rows_are_frames)
    return ImageHeader(
        path,
        axes,
        tuple(sizes[axis] for axis in axes),
        dtype,
        found.date,
        found.time,
        found.readings,
        found.notes + left_out,
        stored=stored,
        columns_in_time=found.columns_in_time,
    )


def _stored_frames(nd2: Any, path: Path, file_size: int) -> set[int]:
    """Return which frames the map at the end of the file places inside it."""
    attributes = nd2.attributes
    num_bytes = 1
    if attributes.compressionType != "lossless":
        num_bytes = _PIXELS_AT + attributes.heightPx * attributes.widthBytes
    with path.open("rb") as stream:
        stream.seek(-_MAP_LOCATION.size, os.SEEK_END)
        _, map_at = _MAP_LOCATION.unpack(stream.read(_MAP_LOCATION.size))
        stream.seek(map_at)
        frames = _FRAME_IN_MAP.findall(stream.read())
    return {
        int(index)
        for index, offset in frames
        if int.from_bytes(offset, "little") + num_bytes <= file_size
    }


def _calibration(nd2: Any, *, rows_are_frames: bool) -> CalibrationFindings:
    """Take dx from the calibration, dt from the time loop where its frames are lines."""
    reader = SourceReader("ND2")
    for take in (_take_pixel_size, _take_period):
        try:
            take(nd2, reader, rows_are_frames=rows_are_frames)
        except _METADATA_ERRORS as error:
            reader.notes.append(f"the ND2 metadata cannot be read: {brief(error)}")
    date = " ".join(str(nd2.text_info.get("date", "")).split())
    if not date:
        return reader.findings()
    moments = _moments(date)
    if len(moments) == 1:
        return reader.findings(*day_and_time(moments.pop()))
    why = "may be of two days" if moments else "is not a date"
    reader.notes.append(f"the ND2 date {date!r} {why}; ignored")
    return reader.findings()


def _take_pixel_size(nd2: Any, reader: SourceReader, *, rows_are_frames: bool) -> None:
    volume = nd2.metadata.channels[0].volume
    x_axis, y_axis = volume.axesInterpretation[:2]
    size_um = nd2.voxel_size().x
    if x_axis == "time":
        reader.columns_in_time = True
        reader.notes.append(
            "ND2 says that time runs along the columns of this image, where rows are lines;"
            f" {SWAP_ADVICE}, or set the calibration by hand"
        )
    elif not volume.axesCalibrated[0] or size_um == 1:
        # A missing size reads as 1, so that one that is 1 cannot be told from it.
        reader.notes.append("ND2 has no calibrated pixel size, or just 1 µm; set it by hand")
    else:
        reader.take_dx(size_um, "um", "calibration")
    if y_axis == "time" and not rows_are_frames:
        reader.notes.append("ND2 says that rows are time, but not how long a line takes")


def _take_period(nd2: Any, reader: SourceReader, *, rows_are_frames: bool) -> None:
    """Take the period that was measured; the one that was asked for may be 0 or too short."""
    periods = []
    for loop in nd2.experiment:
        if loop.type == "TimeLoop" and loop.count > 1:
            periods.append(loop.parameters)
        elif loop.type == "NETimeLoop":
            periods += loop.parameters.periods
    if not periods:
        return
    if not rows_are_frames:
        reader.notes.append(between_frames("period of the time loop"))
    elif len(periods) > 1:
        reader.notes.append("ND2 has several phases of time, with a period each; ignored")
    elif periods[0].periodDiff.avg:
        reader.take_dt(periods[0].periodDiff.avg, "ms", "measured period of the time loop")
    else:
        reader.take_dt(periods[0].periodMs, "ms", "period of the time loop")


def _moments(date: str) -> set[datetime]:
    """Return all that a date can mean: the order of day and month is that of the computer."""
    moments = set()
    for day, time in product(_DAYS, _TIMES):
        try:
            moments.add(datetime.strptime(date, f"{day} {time}"))
        except ValueError:
            continue
    return moments


class Nd2Pixels(DecodedPixels):
    """Pixels of an ND2 file, decoded when needed and read-only.

    Parameters
    ----------
    header : ImageHeader
        As :func:`read_nd2_header` returns.
    """

    def _decoded(self, channel: int, z: int, t: int) -> NDArray[Any]:
        header = self._header
        path, sizes = header.path, header.sizes
        plane = np.empty((sizes["Y"], sizes["X"]), header.dtype)
        num_lines = 1 if header.rows_are_frames else sizes["Y"]
        open_nd2 = _opener(path)
        with (
            told_as_unreadable(path, "has pixels that cannot be decoded"),
            open_nd2(path) as nd2,
        ):
            per_channel = nd2.components_per_channel
            shape = (-1, num_lines, sizes["X"], per_channel)
            which, component = divmod(channel, per_channel)
            for row in range(0, sizes["Y"], num_lines):
                index = self._frame_index(z, row if header.rows_are_frames else t)
                # No name for the frame: the file cannot be closed while one is held.
                plane[row : row + num_lines] = np.reshape(nd2.read_frame(index), shape)[
                    which, ..., component
                ]
        return plane

    def _frame_index(self, z: int, t: int) -> int:
        """Return the place of a frame in the file, whose outermost loop is first in `stored`."""
        index = 0
        for size, axis in zip(*self._header.stored, strict=True):
            if axis in "TZ":
                index = index * size + (t if axis == "T" else z)
        return index
