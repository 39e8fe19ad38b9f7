"""Kymographs in TIFF files: header without pixels, pixels when asked for, never written."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import tifffile

from napari_bloodflow.errors import ImageReadError, UnknownPlaneError
from napari_bloodflow.storage.calibration import CalibrationReading, read_calibration

if TYPE_CHECKING:
    from pathlib import Path

    from numpy.typing import NDArray

__all__ = ["TIFF_EXTENSIONS", "TiffHeader", "TiffPixels", "read_tiff_header"]

TIFF_EXTENSIONS = (".tif", ".tiff")

_AXES_BY_RANK = {2: "YX", 3: "ZYX", 4: "CZYX", 5: "TCZYX"}
_KNOWN_AXES = set("TCZYX")


@dataclass(frozen=True, slots=True)
class TiffHeader:
    """What is known of an image without reading its pixels.

    Parameters
    ----------
    path : pathlib.Path
        The file.
    axes : str
        Axes of the array in the file, of ``TCZYX``, each at most once, ending in ``YX``.
    shape : tuple of int
        Length of each axis.
    dtype : numpy.dtype
        Type of a pixel.
    date, time : str
        ``YYYYMMDD`` and ``HH:MM:SS`` of the acquisition, or empty.
    readings : tuple of CalibrationReading
        What the file says about its calibration, best source first.
    notes : tuple of str
        Sentences about values that were ignored.
    """

    path: Path
    axes: str
    shape: tuple[int, ...]
    dtype: np.dtype[Any]
    date: str = ""
    time: str = ""
    readings: tuple[CalibrationReading, ...] = ()
    notes: tuple[str, ...] = ()

    @property
    def sizes(self) -> dict[str, int]:
        """Length by axis."""
        return dict(zip(self.axes, self.shape, strict=True))


def read_tiff_header(path: Path) -> TiffHeader:
    """Read shape, type, axes and calibration of a TIFF file.

    Parameters
    ----------
    path : pathlib.Path
        The file.

    Returns
    -------
    TiffHeader
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
        with tifffile.TiffFile(path) as tif:
            return _header(tif, path, size)
    except ImageReadError:
        raise
    except OSError as error:
        raise ImageReadError(path, f"cannot be read: {error.strerror or error}") from error
    except tifffile.TiffFileError as error:
        raise ImageReadError(path, f"is not a readable TIFF file ({error})") from error
    except Exception as error:
        # A damaged tag can fail anywhere inside the parser.
        raise ImageReadError(path, f"is a damaged TIFF file ({error})") from error


def _header(tif: tifffile.TiffFile, path: Path, file_size: int) -> TiffHeader:
    if not tif.series:
        raise ImageReadError(path, "holds no image")
    series = tif.series[0]
    page = series.keyframe
    if page.photometric in (tifffile.PHOTOMETRIC.RGB, tifffile.PHOTOMETRIC.YCBCR) or (
        "S" in series.axes and page.samplesperpixel > 1
    ):
        raise ImageReadError(
            path,
            "is a colour (RGB) picture; a kymograph has one value per pixel:"
            " export each channel as grayscale",
        )
    shape, axes = tuple(int(n) for n in series.shape), series.axes
    if len(shape) < 2 or shape[-2] < 2:
        raise ImageReadError(
            path, f"has the shape {shape}; a kymograph has at least two lines of pixels"
        )
    if axes[-2:] != "YX" or not _KNOWN_AXES.issuperset(axes) or len(set(axes)) != len(axes):
        if len(shape) not in _AXES_BY_RANK:
            raise ImageReadError(path, f"has {len(shape)} axes ({axes}); at most 5 can be read")
        axes = _AXES_BY_RANK[len(shape)]
    dtype = np.dtype(series.dtype)
    if dtype.kind not in "uifb":
        raise ImageReadError(path, f"has pixels of type {dtype}, which are not plain numbers")
    needed = math.prod(shape) * dtype.itemsize
    available = file_size - (series.dataoffset or 0)
    if page.compression == tifffile.COMPRESSION.NONE and available < needed:
        raise ImageReadError(
            path, f"is truncated: {needed} bytes of pixels in a file of {file_size} bytes"
        )
    sizes = dict(zip(axes, shape, strict=True))
    found = read_calibration(
        tif,
        path,
        num_rows=sizes["Y"],
        num_columns=sizes["X"],
        num_frames=sizes.get("T", 1),
    )
    return TiffHeader(path, axes, shape, dtype, found.date, found.time, found.readings, found.notes)


class TiffPixels:
    """Pixels of a TIFF file, opened when first needed and read-only.

    Parameters
    ----------
    header : TiffHeader
        As :func:`read_tiff_header` returns.
    """

    def __init__(self, header: TiffHeader) -> None:
        self._header = header
        self._array: NDArray[Any] | None = None

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
        index: list[Any] = []
        wanted = {"C": ("channel", channel), "Z": ("z", z), "T": ("t", t)}
        for axis, (word, position) in wanted.items():
            count = self._header.sizes.get(axis, 1)
            if not 0 <= position < count:
                have = "0 only" if count == 1 else f"0 to {count - 1}"
                raise UnknownPlaneError(
                    f"{self._header.path.name}: there is no {word} {position}; it has {word} {have}"
                )
        for axis in self._header.axes[:-2]:
            index.append(wanted[axis][1])
        plane: NDArray[Any] = self._open()[tuple(index)]
        return plane

    def close(self) -> None:
        """Let go of the file; the next access opens it again."""
        self._array = None

    def _open(self) -> NDArray[Any]:
        if self._array is None:
            self._array = self._read()
            self._array.flags.writeable = False
        return self._array

    def _read(self) -> NDArray[Any]:
        path = self._header.path
        try:
            with tifffile.TiffFile(path) as tif:
                series = tif.series[0]
                if series.dataoffset is not None:
                    dtype = np.dtype(f"{tif.byteorder}{series.dtype.char}")
                    return np.memmap(
                        path, dtype, mode="r", offset=series.dataoffset, shape=self._header.shape
                    )
                return np.asarray(series.asarray())
        except FileNotFoundError:
            raise FileNotFoundError(2, "no such file", str(path)) from None
        except Exception as error:
            raise ImageReadError(path, f"has pixels that cannot be decoded ({error})") from error
