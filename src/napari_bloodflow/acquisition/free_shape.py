"""Shapes that were drawn but are no ROI, such as ellipses, as values for undo and redo."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, TypeAlias

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from napari_bloodflow.acquisition.roi import Roi, RoiGeometry

__all__ = ["FreeShape", "live_shapes"]

_SortKey: TypeAlias = tuple[int, str, tuple[tuple[float, ...], ...]]


@dataclass(frozen=True, slots=True)
class FreeShape:
    """A shape that analyses cannot use. It is part of a session and of no file.

    Parameters
    ----------
    kind : str
        ``"ellipse"``, ``"polygon"``, ``"path"``, ``"rectangle"`` or ``"line"``.
    vertices : tuple of tuple of float
        In pixels; the last two numbers of each are row and column.
    reason : str
        What keeps it from being a ROI, with an article: ``"a rotated rectangle"``.
    roi_id : int or None
        The ROI that was drawn into this shape; None if it was never one.
    kept : RectRoiBounds, LineEndpoints or None
        What that ROI is measured on meanwhile.
    """

    kind: str
    vertices: tuple[tuple[float, ...], ...]
    reason: str
    roi_id: int | None = None
    kept: RoiGeometry | None = None

    @property
    def transposed(self) -> FreeShape:
        """The same pixels in the image with rows for columns."""
        vertices = tuple((*point[:-2], point[-1], point[-2]) for point in self.vertices)
        kept = None if self.kept is None else self.kept.transposed
        return replace(self, vertices=vertices, kept=kept)


def live_shapes(shapes: Iterable[FreeShape], rois: Mapping[int, Roi]) -> tuple[FreeShape, ...]:
    """Return the shapes that still hold, in an order that does not depend on the given one.

    The shape of a ROI holds as long as the ROI is there and where it was. Of several shapes of one
    ROI the last one counts.

    Parameters
    ----------
    shapes : iterable of FreeShape
        In any order.
    rois : mapping of int to RectROI or LineROI
        The present ROIs by id.
    """
    loose: list[FreeShape] = []
    by_roi: dict[int, FreeShape] = {}
    for shape in shapes:
        if shape.roi_id is None:
            loose.append(shape)
        elif (roi := rois.get(shape.roi_id)) is not None and roi.geometry == shape.kept:
            by_roi[shape.roi_id] = shape
    return tuple(sorted([*loose, *by_roi.values()], key=_sort_key))


def _sort_key(shape: FreeShape) -> _SortKey:
    return shape.roi_id or 0, shape.kind, shape.vertices
