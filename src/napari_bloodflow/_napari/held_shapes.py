"""What a ROI layer holds, what it should hold by its RoiSet, and drawing the difference."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from napari_bloodflow._napari.roi_geometry import shape_from_geometry, shape_key
from napari_bloodflow._napari.roi_style import edge_rgba, face_rgba, shape_edge_width
from napari_bloodflow.acquisition.free_shape import FreeShape

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from napari.layers import Shapes
    from numpy.typing import NDArray

    from napari_bloodflow._napari.roi_geometry import ShapeKey
    from napari_bloodflow.acquisition.roi import Roi
    from napari_bloodflow.acquisition.roi_set import RoiSet

__all__ = [
    "Drawing",
    "HeldShape",
    "Redraw",
    "draw",
    "free_shape",
    "plan_redraw",
    "updated_free_shapes",
]


@dataclass(frozen=True, slots=True)
class HeldShape:
    """What the layer held at one index when it was last looked at.

    Parameters
    ----------
    roi_id : int or None
        The ROI that it shows.
    key : ShapeKey
        Type and vertices in the layer.
    free : FreeShape or None
        What it is if it cannot be a ROI.
    is_noise : bool
        Whether it came from a click and is to go.
    """

    roi_id: int | None
    key: ShapeKey
    free: FreeShape | None = None
    is_noise: bool = False

    @property
    def reason(self) -> str:
        """Why the shape is no ROI; empty if it is one."""
        return "" if self.free is None else self.free.reason


@dataclass(frozen=True, slots=True)
class Drawing:
    """A shape as the layer is to show it.

    Parameters
    ----------
    roi_id : int or None
        The ROI that it shows.
    shape_type : str
        As napari names it.
    vertices : array, shape (n, 2) or (n, more)
        In data coordinates.
    free : FreeShape or None
        What it is if it cannot be a ROI.
    """

    roi_id: int | None
    shape_type: str
    vertices: NDArray[np.float64]
    free: FreeShape | None = None

    def vertices_in(self, start: NDArray[np.float64]) -> NDArray[np.float64]:
        """Return the vertices for a layer that has these coordinates before row and column."""
        if self.vertices.shape[1] == len(start) + 2:
            return self.vertices
        return np.hstack([np.tile(start, (len(self.vertices), 1)), self.vertices[:, -2:]])


class Redraw(NamedTuple):
    """What is to be done so that a layer shows its RoiSet.

    Parameters
    ----------
    gone : list of int
        Indices of shapes to take out.
    redrawn : dict of int to Drawing
        Indices of shapes to put other ones in place of.
    missing : list of Drawing
        Shapes to add.
    """

    gone: list[int]
    redrawn: dict[int, Drawing]
    missing: list[Drawing]


def free_shape(
    shape_type: str, vertices: NDArray[np.float32], reason: str, roi: Roi | None = None
) -> FreeShape:
    """Return a shape of the layer as a value, with the ROI that it was."""
    points = tuple(tuple(map(float, point)) for point in vertices)
    if roi is None:
        return FreeShape(shape_type, points, reason)
    return FreeShape(shape_type, points, reason, roi.roi_id, roi.geometry)


def updated_free_shapes(
    model: Iterable[FreeShape], before: Iterable[HeldShape], after: Iterable[HeldShape]
) -> list[FreeShape]:
    """Return the free shapes of a RoiSet after its layer was edited.

    Parameters
    ----------
    model : iterable of FreeShape
        Those of the RoiSet, of which some may not be in the layer yet.
    before, after : iterable of HeldShape
        What the layer held, and what it holds.
    """
    present = Counter(model)
    held, holds = (
        Counter(shape.free for shape in shapes if shape.free is not None)
        for shapes in (before, after)
    )
    new = (holds - held) - (present - held)
    # The last one counts where a ROI has two.
    return [*(present - (held - holds)).elements(), *new.elements()]


def plan_redraw(held: Sequence[HeldShape], rois: RoiSet) -> Redraw:
    """Compare what a layer holds with what its RoiSet has."""
    of_roi = {free.roi_id: free for free in rois.free_shapes if free.roi_id is not None}
    loose = Counter(free for free in rois.free_shapes if free.roi_id is None)
    plan = Redraw([], {}, [])
    for index, shape in enumerate(held):
        if shape.roi_id is None:
            if shape.free is not None and loose[shape.free]:
                loose[shape.free] -= 1
            else:
                plan.gone.append(index)
            continue
        roi = rois.get(shape.roi_id)
        if roi is None:
            plan.gone.append(index)
        elif not _shows(shape, roi, of_roi.get(roi.roi_id)):
            plan.redrawn[index] = _drawing(roi, of_roi.get(roi.roi_id))
    shown = {shape.roi_id for shape in held}
    missing = [_drawing(roi, of_roi.get(roi.roi_id)) for roi in rois if roi.roi_id not in shown]
    plan.missing.extend([*missing, *(_drawing(None, free) for free in loose.elements())])
    return plan


def draw(
    layer: Shapes,
    drawings: Sequence[Drawing],
    starts: Sequence[NDArray[np.float64]],
    z_index: list[int],
) -> list[HeldShape]:
    """Add shapes to a layer and return what it holds of them now.

    Parameters
    ----------
    layer : napari.layers.Shapes
        The layer.
    drawings : sequence of Drawing
        At least one.
    starts : sequence of array
        For each its coordinates before row and column, in a layer that has more dimensions.
    z_index : list of int
        For each its height.
    """
    zoom = 1.0 / layer.scale_factor
    colors = [None if item.free is not None else item.roi_id for item in drawings]
    layer.add(
        [item.vertices_in(start) for item, start in zip(drawings, starts, strict=True)],
        shape_type=[item.shape_type for item in drawings],
        edge_width=[
            shape_edge_width(item.shape_type, item.vertices, layer.scale, zoom) for item in drawings
        ],
        edge_color=np.array([edge_rgba(roi_id) for roi_id in colors]),
        face_color=np.array([face_rgba(roi_id) for roi_id in colors]),
        z_index=z_index,
    )
    return [
        HeldShape(item.roi_id, shape_key(item.shape_type, points), item.free)
        for item, points in zip(drawings, layer.data[-len(drawings) :], strict=True)
    ]


def _drawing(roi: Roi | None, free: FreeShape | None) -> Drawing:
    roi_id = None if roi is None else roi.roi_id
    if free is not None:
        return Drawing(roi_id, free.kind, np.array(free.vertices), free)
    assert roi is not None
    return Drawing(roi_id, *shape_from_geometry(roi.geometry))


def _shows(held: HeldShape, roi: Roi, free: FreeShape | None) -> bool:
    """Say whether a shape is as the model wants it."""
    if free is not None or held.free is not None:
        return held.free == free
    shape_type, vertices = shape_from_geometry(roi.geometry)
    if held.key[0] != shape_type:
        return False
    # Coordinates before the last two are the layer's affair.
    points = np.frombuffer(held.key[1], np.float32).reshape(len(vertices), -1)
    return np.array_equal(points[:, -2:], vertices.astype(np.float32))
