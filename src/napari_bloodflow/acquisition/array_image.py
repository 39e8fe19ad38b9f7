"""Images that other programs read: which plane is the kymograph, and what is remembered of it."""

from __future__ import annotations

import itertools
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from napari_bloodflow.acquisition.images import plane_fingerprint
from napari_bloodflow.errors import AxesError
from napari_bloodflow.storage.array_pixels import ArrayPlane
from napari_bloodflow.storage.calibration import length_to_um, time_to_s
from napari_bloodflow.storage.sidecar import read_json_object, sidecar_path

if TYPE_CHECKING:
    from collections.abc import Collection, Sequence
    from pathlib import Path

__all__ = ["ArrayAxes", "ArrayPlane", "Remembered", "array_record", "place_beside"]

_TIME_NAMES = frozenset({"t", "time", "frame", "line"})
_POSITION_NAMES = frozenset({"x", "position"})
_MAX_BESIDE = 1000


@dataclass(frozen=True, slots=True)
class ArrayAxes:
    """What is known of the axes of an array.

    Parameters
    ----------
    shape : tuple of int
        Its shape.
    scale : tuple of float
        Step along each axis.
    units : tuple of str
        Unit of each step, such as ``"second"``, ``"um"`` or ``"pixel"``.
    labels : tuple of str
        Name of each axis.
    """

    shape: tuple[int, ...]
    scale: tuple[float, ...]
    units: tuple[str, ...]
    labels: tuple[str, ...]

    def dt_s(self, axis: int) -> float | None:
        """Return the step of an axis in seconds; None if it is no time."""
        return _positive(time_to_s(abs(self.scale[axis]), self.units[axis]))

    def dx_um(self, axis: int) -> float | None:
        """Return the step of an axis in micrometres; None if it is no length."""
        return _positive(length_to_um(abs(self.scale[axis]), self.units[axis]))

    def guess_plane(self, places: Sequence[int] = ()) -> ArrayPlane:
        """Guess which axes are time and position.

        Parameters
        ----------
        places : sequence of int
            What is looked at now: a place along every axis; the first of each by default.

        Returns
        -------
        ArrayPlane
            An axis with a unit of time is time, else one that is called so, else the last but one
            of those that are longer than one. Position is likewise the last of the others.

        Raises
        ------
        AxesError
            (a ValueError) if the array has no two axes that are longer than one.
        """
        axes = [axis for axis, size in enumerate(self.shape) if size > 1]
        if len(axes) < 2:
            raise AxesError(f"an array of shape {self.shape} has no two axes of several pixels")
        time = next(
            itertools.chain(
                (a for a in axes if self.dt_s(a) is not None),
                (a for a in axes if self.labels[a].lower() in _TIME_NAMES),
                axes[-2:],
            )
        )
        others = [axis for axis in axes if axis != time][::-1]
        position = next(
            itertools.chain(
                (a for a in others if self.labels[a].lower() in _POSITION_NAMES),
                (a for a in others if self.dx_um(a) is not None),
                others,
            )
        )
        places = list(places) or [0] * len(self.shape)
        index = [
            min(max(int(place), 0), size - 1)
            for axis, (place, size) in enumerate(zip(places, self.shape, strict=True))
            if axis not in (time, position)
        ]
        return ArrayPlane.checked(self.shape, time, position, index)


@dataclass(frozen=True, slots=True)
class Remembered:
    """Where the sidecar files of an array go, and what they say about it.

    Parameters
    ----------
    path : pathlib.Path
        What the image is called for its sidecar files; there is no such file.
    plane : ArrayPlane or None
        Which plane was measured before; None if the array is new.
    """

    path: Path
    plane: ArrayPlane | None = None


def array_record(shape: Sequence[int], plane: ArrayPlane, fingerprint: str) -> dict[str, Any]:
    """Return what our own sidecar file keeps of an array, to know it again."""
    return {
        "shape": list(shape),
        "time_axis": plane.time_axis,
        "position_axis": plane.position_axis,
        "index": list(plane.index),
        "fingerprint": fingerprint,
    }


def place_beside(
    file: Path, data: Any, taken: Collection[Path] = (), wanted: ArrayPlane | None = None
) -> Remembered:
    """Find the sidecar files of an array that was read from a file, or a place for them.

    They are ``<file>.layer1.json`` and so on, never ``<file>.json``: what a reader makes of a file
    may be turned, cut or one channel, and that name is for the file as we read it.

    Parameters
    ----------
    file : pathlib.Path
        Where the array comes from.
    data : array-like
        The array. A plane of it is read only where one of the same shape was measured.
    taken : collection of pathlib.Path
        Names that are in use, though there may be no files of them yet.
    wanted : ArrayPlane, optional
        Look for this plane only; by default for any that was measured.

    Returns
    -------
    Remembered
        That of the same pixels, or the first that is free.
    """
    free = None
    for number in range(1, _MAX_BESIDE):
        path = file.with_name(f"{file.name}.layer{number}")
        record = read_json_object(path.with_name(f"{path.name}.bloodflow.json")).document
        if record is None and not sidecar_path(path).exists():
            free = free or (path if path not in taken else None)
            if free is not None:
                break
            continue
        plane = _plane_of((record or {}).get("array"), data)
        if plane is not None and wanted in (None, plane):
            return Remembered(path, plane)
    return Remembered(free or file.with_name(f"{file.name}.layer{_MAX_BESIDE}"))


def _plane_of(record: Any, data: Any) -> ArrayPlane | None:
    """Return the plane of a record if the array has the pixels that it had."""
    if not isinstance(record, dict) or record.get("shape") != list(data.shape):
        return None
    try:
        plane = ArrayPlane.checked(
            data.shape, record["time_axis"], record["position_axis"], record["index"]
        )
        is_same = plane_fingerprint(plane.cut(data)) == record.get("fingerprint")
    except (KeyError, TypeError, ValueError):
        return None
    return plane if is_same else None


def _positive(step: float | None) -> float | None:
    return step if step is not None and 0 < step < float("inf") else None
