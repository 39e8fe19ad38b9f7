"""Scale, offset and unit of the axes of a SciTiff image, from its coordinates."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

import numpy as np

from napari_bloodflow.storage.scitiff_model import DIMS, Note
from napari_bloodflow.storage.units import PIXEL, AxisUnit, axis_unit

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from napari_bloodflow.storage.scitiff_model import SciTiffDocument, Variable

__all__ = ["SciTiffAxis", "kept_axes", "time_axis"]

_UNIFORM_TOLERANCE = 1e-5
_UNIFORM_TOLERANCE_FLOAT32 = 1e-3


@dataclass(frozen=True, slots=True)
class SciTiffAxis:
    """An axis of the image that is shown.

    Parameters
    ----------
    dim : str
        ``"t"``, ``"z"``, ``"y"`` or ``"x"``.
    size : int
        Pixels along it.
    scale : float
        Step from pixel to pixel in `unit`, not zero; below zero where positions fall. The mean
        step where they are not uniform.
    translate : float
        Position of the centre of the first pixel, in `unit`.
    unit : AxisUnit
        Its unit; pixels where nothing usable is known.
    centers : ndarray, shape (size,), or None
        Positions of the centres of all pixels in `unit`; None where nothing usable is known.
    is_uniform : bool
        False if the steps differ, so that only `centers` is exact.
    """

    dim: str
    size: int
    scale: float = 1.0
    translate: float = 0.0
    unit: AxisUnit = PIXEL
    centers: NDArray[np.float64] | None = None
    is_uniform: bool = True

    def stated_step(self, kind: Literal["time", "length"]) -> float | None:
        """Return the size of the step in seconds or micrometres, if the coordinate states one.

        Parameters
        ----------
        kind : {"time", "length"}
            What the axis has to measure.
        """
        if self.unit.kind != kind or self.centers is None or self.centers.size < 2:
            return None
        step = abs(self.unit.to_base(self.scale))
        return step if 0 < step < math.inf else None

    @property
    def uneven_places(self) -> NDArray[np.float64] | None:
        """Distances of all pixels from the first, in seconds or micrometres, rising.

        None where `scale` says it all, or where the positions go back and forth.
        """
        if self.is_uniform or self.centers is None or self.unit.kind not in ("time", "length"):
            return None
        places = np.abs(self.unit.to_base(1.0)) * (self.centers - self.centers[0])
        places = np.sign(self.scale) * places
        return places if (np.diff(places) > 0).all() else None


def kept_axes(document: SciTiffDocument) -> tuple[tuple[SciTiffAxis, ...], list[Note]]:
    """Return the axes that are shown, in the order t, z, y, x, with notes.

    All longer than one pixel are kept, and x and y as far as there would be fewer than two.

    Parameters
    ----------
    document : SciTiffDocument
        The metadata.

    Returns
    -------
    axes : tuple of SciTiffAxis
        Two to four.
    notes : list of Note
        What could not be used of their coordinates.
    """
    notes: list[Note] = []
    sizes = document.sizes
    kept = {dim for dim in DIMS if dim != "c" and sizes[dim] > 1}
    for dim in ("x", "y"):
        if len(kept) < 2:
            kept.add(dim)
    axes = []
    for dim in DIMS:
        if dim in kept:
            coord = document.coords.get(dim)
            if dim == "t" and not _can_calibrate(coord, dim):
                coord = _time_like(document, notes) or coord
            axes.append(_axis(dim, sizes[dim], coord, notes))
    return tuple(axes), notes


def time_axis(axes: tuple[SciTiffAxis, ...]) -> SciTiffAxis | None:
    """Return the axis of the lines of a kymograph, or None if the image is no kymograph.

    A kymograph has two axes, and its time may be on any of them: units decide. Where they say
    nothing, the first of t and y is the time, as in any other TIFF.

    Parameters
    ----------
    axes : tuple of SciTiffAxis
        As :func:`kept_axes` returns.
    """
    if len(axes) != 2:
        return None
    timed = [axis for axis in axes if axis.unit.kind == "time"]
    unknown = [axis for axis in axes[:1] if axis.dim in "ty" and axis.unit.kind == "none"]
    found = timed or unknown
    return found[0] if len(found) == 1 and found[0].size > 1 else None


def _can_calibrate(coord: Variable | None, dim: str) -> bool:
    return coord is not None and coord.dims == (dim,) and coord.is_numeric


def _time_like(document: SciTiffDocument, notes: list[Note]) -> Variable | None:
    """Find a coordinate such as a time of flight that can stand in for a missing t."""
    for name, coord in document.coords.items():
        unit = axis_unit(coord.unit)
        if name != "t" and _can_calibrate(coord, "t") and unit and unit.kind == "time":
            notes.append(
                Note("time-like", f"coords.{name}", "there is no coordinate t", "it is used for t")
            )
            return coord
    return None


def _axis(dim: str, size: int, coord: Variable | None, notes: list[Note]) -> SciTiffAxis:
    if coord is None or not _can_calibrate(coord, dim):
        return SciTiffAxis(dim, size)
    where = f"coords.{dim}"
    values = coord.values.astype(np.float64)
    span = _finite_span(values)
    if span is None:
        what = "it has values that are not finite numbers"
        notes.append(Note("nonfinite", where, what, "pixels are shown along this axis"))
        return SciTiffAxis(dim, size)
    unit = axis_unit(coord.unit)
    if unit is None:
        what = f"its unit {coord.unit!s:.40} is not known"
        notes.append(Note("unknown-unit", where, what, "its steps are kept, without a unit"))
        unit = PIXEL
    if values.size == 1:
        return SciTiffAxis(dim, size, 1.0, float(values[0]), unit, values)
    scale = span / (values.size - 1)
    if scale == 0:
        what = "its first and last value are the same"
        notes.append(Note("zero-step", where, what, "pixels are shown along this axis"))
        return SciTiffAxis(dim, size)
    has_edges = dim in coord.edges
    is_uniform = _is_uniform(values, scale, is_float32=coord.dtype == "float32")
    centers = (values[:-1] + np.diff(values) / 2) if has_edges else values
    translate = float(values[0]) + (scale / 2 if has_edges else 0.0)
    axis = SciTiffAxis(dim, size, scale, translate, unit, centers, is_uniform)
    if not is_uniform:
        what = "its steps are not all the same"
        action = "the mean step is used; the values themselves are kept"
        if axis.uneven_places is not None:
            action = "velocity and diameter use the true values, all else the mean step"
        notes.append(Note("nonuniform", where, what, action))
    return axis


def _finite_span(values: NDArray[Any]) -> float | None:
    if not np.isfinite(values).all():
        return None
    with np.errstate(over="ignore"):
        span = float(values[-1] - values[0])
    return span if np.isfinite(span) else None


def _is_uniform(values: NDArray[np.float64], step: float, *, is_float32: bool) -> bool:
    largest = float(np.abs(values).max())
    relative, epsilon = _UNIFORM_TOLERANCE, 4 * float(np.finfo(np.float64).eps)
    if is_float32:
        # a large offset leaves few digits for the steps
        relative, epsilon = _UNIFORM_TOLERANCE_FLOAT32, 4 * float(np.finfo(np.float32).eps)
    with np.errstate(over="ignore"):
        deviation = np.abs(np.diff(values) - step)
    return bool((deviation <= relative * abs(step) + epsilon * largest).all())
