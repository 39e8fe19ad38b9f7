"""Make ROIs of shapes that are none, by the boxes around them."""

from __future__ import annotations

from typing import TYPE_CHECKING

from napari_bloodflow._napari.roi_geometry import Unusable, bounding_box
from napari_bloodflow.acquisition.roi import LineROI

if TYPE_CHECKING:
    from napari_bloodflow.acquisition.roi_set import RoiSet

__all__ = ["use_bounding_boxes"]


def use_bounding_boxes(rois: RoiSet) -> tuple[int, ...]:
    """Turn the free shapes into rectangles around them, as one edit.

    A shape that was a rectangular ROI gives that one its new outline; others become new ROIs.
    Lines, and shapes of which too little is inside the image, stay as they are.

    Parameters
    ----------
    rois : RoiSet
        With the shapes.

    Returns
    -------
    tuple of int
        Ids of the ROIs that were changed or made.
    """
    boxed: list[int] = []
    with rois.batch():
        left = list(rois.free_shapes)
        for shape in rois.free_shapes:
            roi = None if shape.roi_id is None else rois[shape.roi_id]
            box = bounding_box(shape.vertices, rois.image_bounds)
            if isinstance(roi, LineROI) or isinstance(box, Unusable):
                continue
            roi = rois.create(box) if roi is None else rois.edit(roi.roi_id, box)
            boxed.append(roi.roi_id)
            left.remove(shape)
        rois.set_free_shapes(left)
    return tuple(boxed)
