"""Kymographs in TIFF files: header without pixels, pixels when asked for, never written."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

import numpy as np
import tifffile

from napari_bloodflow.errors import ImageReadError, UnknownPlaneError
from napari_bloodflow.storage.calibration import read_calibration
from napari_bloodflow.storage.image_header import ImageHeader
from napari_bloodflow.storage.scitiff_model import InvalidSciTiff
from napari_bloodflow.storage.scitiff_read import find_scitiff
from napari_bloodflow.storage.tiff_chain import PageChain, read_chain
from napari_bloodflow.storage.tiff_guard import (
    check_decoded_size,
    checked_segments,
)
from napari_bloodflow.storage.tiff_stack import PageStack, find_stack, read_page

if TYPE_CHECKING:
    from pathlib import Path

    from numpy.typing import NDArray

__all__ = ["TIFF_EXTENSIONS", "TiffPixels", "read_tiff_header"]

TIFF_EXTENSIONS = (".tif", ".tiff")

_Series = tifffile.TiffPageSeries | PageStack

_AXES_BY_RANK = {2: "YX", 3: "ZYX", 4: "CZYX", 5: "TCZYX"}
_KNOWN_AXES = set("TCZYX")
_MAX_PLANES = 8
"""Decoded planes that are kept, enough for all channels of one z and t."""


def read_tiff_header(path: Path) -> ImageHeader:
    """Read shape, type, axes and calibration of a TIFF file.

    Parameters
    ----------
    path : pathlib.Path
        The file.

    Returns
    -------
    ImageHeader
        Of the first series of the file.

    Raises
    ------
    FileNotFoundError
        If there is no such file.
    ImageReadError
        If it is not a TIFF, is truncated, or holds no two-dimensional grayscale image.
    """
    try:
        size = path.stat().st_size
    except FileNotFoundError:
        raise FileNotFoundError(2, "no such file", str(path)) from None
    except OSError as error:
        raise ImageReadError(path, f"cannot be read: {error.strerror or error}") from error
    if path.is_dir():
        raise ImageReadError(path, "is a folder, not an image file")
    if size == 0:
        raise ImageReadError(path, "is empty (0 bytes)")
    try:
        chain = read_chain(path, size)
        with _opened(path, chain) as tif:
            return _header(tif, chain, path, size)
    except ImageReadError:
        raise
    except OSError as error:
        raise ImageReadError(path, f"cannot be read: {error.strerror or error}") from error
    except tifffile.TiffFileError as error:
        raise ImageReadError(path, f"is not a readable TIFF file ({error})") from error
    except Exception as error:
        # A damaged tag can fail anywhere inside the parser.
        raise ImageReadError(path, f"is a damaged TIFF file ({error})") from error


def _header(tif: tifffile.TiffFile, chain: PageChain, path: Path, file_size: int) -> ImageHeader:
    series = _series(tif, chain, path)
    page = series.keyframe
    try:
        scitiff, fault = find_scitiff(tif, series), ""
    except InvalidSciTiff as error:
        scitiff, fault = None, error.reason
    if scitiff is not None:
        shape, axes = scitiff.plane_shape, scitiff.plane_axes
    else:
        shape, axes = _plain_layout(series, path)
    dtype = np.dtype(series.dtype)
    if dtype.kind not in "uifb":
        raise ImageReadError(path, f"has pixels of type {dtype}, which are not plain numbers")
    needed = math.prod(shape) * dtype.itemsize
    available = file_size - (series.dataoffset or 0)
    if page.compression == tifffile.COMPRESSION.NONE and available < needed:
        raise ImageReadError(
            path, f"is truncated: {needed} bytes of pixels in a file of {file_size} bytes"
        )
    _check_last_page(tif, chain, path, file_size)
    _check_decoding(series, axes, shape, path, file_size)
    sizes = dict(zip(axes, shape, strict=True))
    found = read_calibration(
        tif,
        path,
        num_rows=sizes["Y"],
        num_columns=sizes["X"],
        num_frames=sizes.get("T", 1),
        rows_are_frames="T" in series.axes and "T" not in axes,
    )
    notes, readings = found.notes, found.readings
    if scitiff is not None and scitiff.reading is not None:
        readings = (scitiff.reading, *readings)
    if tif.is_ome and series.kind != "ome":
        notes += (
            "its OME-XML names other files, or is damaged; what it says of files is not used",
        )
    return ImageHeader(
        path,
        axes,
        shape,
        dtype,
        found.date,
        found.time,
        readings,
        notes,
        scitiff,
        fault,
        _stored(series),
        found.columns_in_time,
        found.swapped_readings,
    )


def _stored(series: _Series) -> tuple[tuple[int, ...], str]:
    return tuple(int(n) for n in series.shape), series.axes


def _plain_layout(series: _Series, path: Path) -> tuple[tuple[int, ...], str]:
    """Return shape and axes of an image that is described by the TIFF alone."""
    page = series.keyframe
    if page.photometric in (tifffile.PHOTOMETRIC.RGB, tifffile.PHOTOMETRIC.YCBCR) or (
        "S" in series.axes and page.samplesperpixel > 1
    ):
        raise ImageReadError(
            path,
            "is a colour (RGB) picture; a kymograph has one value per pixel:"
            " export each channel as grayscale",
        )
    shape, axes = _axes(series, path)
    if len(shape) < 2 or shape[axes.index("Y")] < 2:
        raise ImageReadError(
            path, f"has the shape {shape}; a kymograph has at least two lines of pixels"
        )
    return shape, axes


def _opened(path: Path, chain: PageChain) -> tifffile.TiffFile:
    # OME-XML and the indices of Micro-Manager may name any other file, also outside the folder;
    # tifffile would open it. In files of ScanImage up to 2015 it takes the distance of the first
    # pages for that of all, and leaves out the last page.
    is_scanimage = None if chain.is_big else False
    return tifffile.TiffFile(
        path, _multifile=False, is_mmstack=False, is_ndtiff=False, is_scanimage=is_scanimage
    )


def _series(tif: tifffile.TiffFile, chain: PageChain, path: Path) -> _Series:
    stack = find_stack(tif, chain)
    if stack is not None:
        return stack
    if not tif.series:
        raise ImageReadError(path, "holds no image")
    return tif.series[0]


def _axes(series: _Series, path: Path) -> tuple[tuple[int, ...], str]:
    shape, axes = tuple(int(n) for n in series.shape), series.axes
    y = axes.find("Y")
    if axes.count("T") == 1 and (y < 0 or shape[y] == 1):  # a line scan: each frame is one line
        if y >= 0:
            shape, axes = shape[:y] + shape[y + 1 :], axes.replace("Y", "")
        axes = axes.replace("T", "Y")
    is_named = _KNOWN_AXES.issuperset(axes) and len(set(axes)) == len(axes)
    if not (is_named and {"Y", "X"} <= set(axes)) and len(shape) >= 2:
        if len(shape) not in _AXES_BY_RANK:
            raise ImageReadError(path, f"has {len(shape)} axes ({axes}); at most 5 can be read")
        axes = _AXES_BY_RANK[len(shape)]
    return shape, axes


def _check_last_page(tif: tifffile.TiffFile, chain: PageChain, path: Path, file_size: int) -> None:
    """Raise if the file ends before the pixels of its last page do."""
    page = read_page(tif, chain, -1)
    ends = [o + n for o, n in zip(page.dataoffsets, page.databytecounts, strict=False)]
    if max(ends, default=0) > file_size:
        raise ImageReadError(
            path, f"is truncated: it goes on to byte {max(ends)}, but has {file_size} bytes"
        )


def _check_decoding(
    series: _Series, axes: str, shape: tuple[int, ...], path: Path, file_size: int
) -> None:
    """Raise if a codec is missing, or if the pixels are not there or grow too much."""
    page = series.keyframe
    if page.databytecounts and min(page.databytecounts) == 0:
        raise ImageReadError(path, "is damaged: a strip of pixels has no bytes")
    if page.dataoffsets and min(page.dataoffsets) == 0:
        raise ImageReadError(path, "is damaged: a strip of pixels is said to be at byte 0")
    num_strips = math.prod(page.chunked)
    if len(page.dataoffsets) < num_strips and not page.is_contiguous:
        raise ImageReadError(
            path, f"is damaged: it has {len(page.dataoffsets)} of {num_strips} strips of pixels"
        )
    if page.compression == tifffile.COMPRESSION.NONE:
        return
    try:
        tifffile.TIFF.DECOMPRESSORS[page.compression]
        if page.predictor != 1:
            tifffile.TIFF.UNPREDICTORS[page.predictor]
    except KeyError as error:
        name = getattr(page.compression, "name", page.compression)
        if "imagecodecs" not in str(error):
            raise ImageReadError(path, f"is compressed in an unknown way ({name})") from error
        raise ImageReadError(
            path,
            f"is compressed with {name}, which needs the extra 'codecs'"
            " (pip install napari-bloodflow[codecs]), or save it uncompressed",
        ) from error
    planes = shape[-2:] if _is_by_page(series, axes, shape) else shape
    check_decoded_size(path, math.prod(planes) * np.dtype(series.dtype).itemsize, file_size)


def _is_by_page(series: _Series, axes: str, shape: tuple[int, ...]) -> bool:
    """Tell whether each page of the file is one plane."""
    return (
        set(axes[-2:]) == {"Y", "X"}
        and series.transform is None
        and series.keyframe.shape == shape[-2:]
        and len(series) == math.prod(shape[:-2])
    )


class TiffPixels:
    """Pixels of a TIFF file, opened when first needed and read-only.

    Parameters
    ----------
    header : ImageHeader
        As :func:`read_tiff_header` returns.
    """

    def __init__(self, header: ImageHeader) -> None:
        self._header = header
        self._array: NDArray[Any] | None = None
        self._planes: dict[tuple[tuple[str, int], ...], NDArray[Any]] = {}

    @property
    def plane_shape(self) -> tuple[int, int]:
        """Rows and columns of a plane."""
        return self._header.sizes["Y"], self._header.sizes["X"]

    @property
    def num_channels(self) -> int:
        """Number of channels."""
        return self._header.sizes.get("C", 1)

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
            (a ValueError) if the file has no such channel, z or t.
        ImageReadError
            If the pixels cannot be decoded.
        """
        self._header.check_plane(channel, z, t)
        wanted = {"C": channel, "Z": z, "T": t}
        axes = self._header.axes
        index = {axis: wanted[axis] for axis in axes if axis in wanted}
        plane = self._read(index)
        return plane if axes.index("Y") < axes.index("X") else plane.T

    def volume(self, channel: int = 0) -> NDArray[Any]:
        """Return all planes of a channel.

        Parameters
        ----------
        channel : int
            Which channel, from 0.

        Returns
        -------
        ndarray
            Read-only, with the axes of the file in its order, without C.

        Raises
        ------
        UnknownPlaneError
            (a ValueError) if the file has no such channel.
        ImageReadError
            If the pixels cannot be decoded.
        """
        if not 0 <= channel < self.num_channels:
            raise UnknownPlaneError(f"{self._header.path.name}: there is no channel {channel}")
        return self._read({"C": channel} if "C" in self._header.axes else {})

    def close(self) -> None:
        """Let go of the file; the next access opens it again."""
        self._array = None
        self._planes.clear()

    def _read(self, index: dict[str, int]) -> NDArray[Any]:
        path = self._header.path
        wanted = tuple(index.items())
        if wanted in self._planes:
            return self._planes[wanted]
        if self._array is not None:
            return self._cut(self._array, self._header.axes, index)
        try:
            chain = read_chain(path, path.stat().st_size)
            with _opened(path, chain) as tif:
                series = _series(tif, chain, path)
                self._check_unchanged(series)
                offset = series.dataoffset
                # an address that is no multiple of the pixel size stops compiled kernels
                if offset is not None and offset % series.dtype.itemsize == 0:
                    dtype = np.dtype(f"{tif.byteorder}{series.dtype.char}")
                    self._array = np.memmap(path, dtype, "r", offset, self._header.shape)
                    return self._cut(self._array, self._header.axes, index)
                plane = self._decoded(series, index)
        except (FileNotFoundError, ImageReadError) as error:
            if isinstance(error, ImageReadError):
                raise
            raise FileNotFoundError(2, "no such file", str(path)) from None
        except Exception as error:
            raise ImageReadError(path, f"has pixels that cannot be decoded ({error})") from error
        plane.flags.writeable = False
        while len(self._planes) >= _MAX_PLANES:
            self._planes.pop(next(iter(self._planes)), None)
        self._planes[wanted] = plane
        return plane

    def _check_unchanged(self, series: _Series) -> None:
        header = self._header
        if (_stored(series), np.dtype(series.dtype)) != (header.stored, header.dtype):
            raise ImageReadError(header.path, "has changed since it was opened; open it again")

    def _decoded(self, series: _Series, index: dict[str, int]) -> NDArray[Any]:
        """Decode the page of a plane; the whole series only where pages are laid out otherwise."""
        header = self._header
        axes, shape, path = header.axes, header.shape, header.path
        leading = axes[:-2]
        if index.keys() == set(leading) and _is_by_page(series, axes, shape):
            number = np.ravel_multi_index([index[a] for a in leading], shape[:-2]) if leading else 0
            found = series[int(number)]
            if found is None:
                raise ImageReadError(path, "does not hold this plane")
            checked_segments(series.keyframe.parent, [found], path)
            return np.array(found.asarray())
        checked_segments(series.keyframe.parent, series, path)
        # a copy, or the plane would keep all the others in memory
        return np.array(self._cut(np.reshape(series.asarray(), shape), axes, index))

    @staticmethod
    def _cut(array: NDArray[Any], axes: str, index: dict[str, int]) -> NDArray[Any]:
        plane: NDArray[Any] = array[tuple(index.get(axis, slice(None)) for axis in axes)]
        return plane
