"""Copy ROIs from one acquisition to another, cut to its image."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from napari_bloodflow._napari.roi_geometry import (
    Unusable,
    geometry_from_shape,
    shape_from_geometry,
)

if TYPE_CHECKING:
    from collections.abc import Iterable

    from napari_bloodflow.acquisition.roi import Roi
    from napari_bloodflow.acquisition.roi_set import RoiSet

__all__ = ["CopiedRois", "copy_rois"]


class CopiedRois(NamedTuple):
    """What became of copied ROIs, by their ids where they were copied from.

    Parameters
    ----------
    copied : tuple of int
        Those that are in the other acquisition now, under ids of its own.
    cut : tuple of int
        Those of them that were cut to its image.
    left_out : tuple of int
        Those that lie outside of its image.
    """

    copied: tuple[int, ...]
    cut: tuple[int, ...]
    left_out: tuple[int, ...]


def copy_rois(rois: Iterable[Roi], target: RoiSet) -> CopiedRois:
    """Copy ROIs with name and note to the same lines and pixels of another image.

    Parameters
    ----------
    rois : iterable of RectROI or LineROI
        What to copy.
    target : RoiSet
        ROIs of the other acquisition; they change once, so that one undo takes all copies back.
    """
    copied: list[int] = []
    cut: list[int] = []
    left_out: list[int] = []
    with target.batch():
        for roi in rois:
            fitting = geometry_from_shape(*shape_from_geometry(roi.geometry), target.image_bounds)
            if isinstance(fitting, Unusable):
                left_out.append(roi.roi_id)
                continue
            target.create(fitting, name=roi.name, note=roi.note)
            copied.append(roi.roi_id)
            if fitting != roi.geometry:
                cut.append(roi.roi_id)
    return CopiedRois(tuple(copied), tuple(cut), tuple(left_out))
