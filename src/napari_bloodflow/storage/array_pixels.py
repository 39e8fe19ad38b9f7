"""One plane of an array that was read elsewhere: by another reader, or made in a program."""

from __future__ import annotations

import io
import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import tifffile

from napari_bloodflow.errors import AxesError, ImageReadError
from napari_bloodflow.storage.atomic import naming, write_new
from napari_bloodflow.storage.image_header import ImageHeader

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from numpy.typing import NDArray

    from napari_bloodflow.storage.calibration import CalibrationReading

__all__ = ["ArrayPixels", "ArrayPlane", "write_plane"]

_IMAGEJ_TYPES = ("uint8", "uint16", "float32")
_CLASSIC_LIMIT = 2**32 - 2**25  # bytes of pixels; room for the tags


@dataclass(frozen=True, slots=True)
class ArrayPlane:
    """Which plane of an array is the kymograph, and which of its axes is time.

    Parameters
    ----------
    time_axis, position_axis : int
        Axes of the array, from 0.
    index : tuple of int
        Place along each of the other axes, in their order.
    """

    time_axis: int
    position_axis: int
    index: tuple[int, ...] = ()

    @classmethod
    def checked(
        cls, shape: Sequence[int], time_axis: int, position_axis: int, index: Sequence[int] = ()
    ) -> ArrayPlane:
        """Return a plane of an array of this shape.

        Parameters
        ----------
        shape : sequence of int
            Shape of the array.
        time_axis, position_axis : int
            Axes; negative ones are counted from the end.
        index : sequence of int
            Place along each of the other axes; the first of each by default.

        Raises
        ------
        AxesError
            (a ValueError) if there is no such plane, or it has fewer than two lines.
        """
        ndim = len(shape)
        if ndim < 2:
            raise AxesError(f"an array of shape {tuple(shape)} has no two axes")
        for axis in (time_axis, position_axis):
            if not -ndim <= axis < ndim:
                raise AxesError(f"there is no axis {axis} in an array of shape {tuple(shape)}")
        time, position = time_axis % ndim, position_axis % ndim
        if time == position:
            raise AxesError(f"axis {time} cannot be time and position at once")
        others = [axis for axis in range(ndim) if axis not in (time, position)]
        places = tuple(map(int, index)) or (0,) * len(others)
        if len(places) != len(others):
            raise AxesError(f"{len(others)} other axes need {len(others)} places, not {index}")
        for axis, place in zip(others, places, strict=True):
            if not 0 <= place < shape[axis]:
                raise AxesError(f"axis {axis} has {shape[axis]} places; there is no {place}")
        if shape[time] < 2 or shape[position] < 1:
            raise AxesError(
                f"the plane would have {shape[time]} x {shape[position]} pixels; a kymograph has at"
                " least two lines of pixels"
            )
        return cls(time, position, places)

    def cut(self, data: Any) -> NDArray[Any]:
        """Return a copy of the plane of an array, lazy or not; nothing else of it is read.

        Returns
        -------
        ndarray, shape (time, position)
            Read-only.
        """
        places = iter(self.index)
        axes = (self.time_axis, self.position_axis)
        cut = tuple(slice(None) if a in axes else next(places) for a in range(data.ndim))
        plane = np.asarray(data[cut])
        if self.time_axis > self.position_axis:
            plane = plane.T
        copy = np.array(plane, order="C")
        copy.flags.writeable = False
        return copy


class ArrayPixels:
    """The pixels of one plane of an array: read when asked for, then kept as a copy.

    Parameters
    ----------
    path : pathlib.Path
        What the image is called; need not exist.
    data : array-like
        With ``shape``, ``ndim`` and ``dtype``, and cut by slices: of NumPy, Dask, Zarr...
    plane : ArrayPlane
        Which plane.
    readings : tuple of CalibrationReading
        What is known of its calibration.

    Raises
    ------
    ImageReadError
        If its pixels are not plain numbers.
    """

    def __init__(
        self,
        path: Path,
        data: Any,
        plane: ArrayPlane,
        readings: tuple[CalibrationReading, ...] = (),
    ) -> None:
        dtype = np.dtype(data.dtype)
        if dtype.kind not in "uifb":
            raise ImageReadError(path, f"has pixels of type {dtype}, which are not plain numbers")
        shape = data.shape[plane.time_axis], data.shape[plane.position_axis]
        self.header = ImageHeader(path, "YX", shape, dtype, readings=readings)
        self.array_shape = tuple(map(int, data.shape))
        self.array_plane = plane
        self._data: Any = data
        self._pixels: NDArray[Any] | None = None

    def plane(self, channel: int = 0, z: int = 0, t: int = 0) -> NDArray[Any]:
        """Return the plane.

        Parameters
        ----------
        channel, z, t : int
            0.

        Returns
        -------
        ndarray, shape (time, position)
            Read-only; what becomes of the array later does not change it.

        Raises
        ------
        UnknownPlaneError
            (a ValueError) for any other plane.
        ImageReadError
            If the array cannot be read.
        """
        self.header.check_plane(channel, z, t)
        if self._pixels is None:
            try:
                self._pixels = self.array_plane.cut(self._data)
            except Exception as error:
                # a lazy array may fail with whatever its reader raises
                reason = f"has pixels that cannot be read ({error})"
                raise ImageReadError(self.header.path, reason) from error
            self._data = None
        return self._pixels

    def volume(self, channel: int = 0) -> NDArray[Any]:
        """Return the plane, which is all there is of a channel."""
        return self.plane(channel)

    def close(self) -> None:
        """Do nothing: there is no file to let go of."""


def write_plane(
    path: Path, plane: NDArray[Any], dt_s: float | None = None, dx_um: float | None = None
) -> None:
    """Write a plane as a TIFF file of the same type, with its calibration where ImageJ reads it.

    Parameters
    ----------
    path : pathlib.Path
        New file.
    plane : ndarray, shape (time, position)
        Pixels.
    dt_s, dx_um : float, optional
        Seconds per line and micrometres per pixel.

    Raises
    ------
    SaveError
        If there is a file of that name, or it cannot be written; nothing is left then.
    """
    file = io.BytesIO()
    options: dict[str, Any] = {}
    if plane.dtype.name in _IMAGEJ_TYPES and plane.nbytes < _CLASSIC_LIMIT:
        metadata: dict[str, Any] = {"axes": "YX"}
        if dx_um is not None and math.isfinite(1 / dx_um):
            metadata["unit"] = "um"
            options["resolution"] = (1 / dx_um, 1 / dx_um)
        if dt_s is not None:
            metadata["finterval"] = dt_s
        options |= {"imagej": True, "metadata": metadata}
    tifffile.imwrite(file, plane, photometric="minisblack", **options)
    with naming(path):
        write_new(path, file.getvalue())
