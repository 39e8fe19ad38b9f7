"""Copies of ROIs in another acquisition, without a window."""

from __future__ import annotations

from napari_bloodflow import ImageBounds, LineEndpoints, RectRoiBounds, RoiSet
from napari_bloodflow._napari.roi_copy import CopiedRois, copy_rois


def test_copies_keep_place_name_and_note_and_get_ids_of_their_own() -> None:
    rois, target = RoiSet(ImageBounds(100, 30)), RoiSet(ImageBounds(200, 30))
    rois.create(RectRoiBounds(10, 90, 5, 25), name="artery", note="deep")
    rois.create(LineEndpoints(0, 0, 50, 20))
    target.create()
    changes = []
    target.changed.connect(changes.append)
    assert copy_rois(rois, target) == CopiedRois((1, 2), (), ())
    assert [(roi.roi_id, roi.geometry) for roi in target][1:] == [
        (2, rois[1].geometry),
        (3, rois[2].geometry),
    ]
    assert (target[2].name, target[2].note) == ("artery", "deep")
    assert [change.added for change in changes] == [(2, 3)]


def test_what_is_outside_is_cut_or_left_out() -> None:
    rois, target = RoiSet(ImageBounds(200, 60)), RoiSet(ImageBounds(100, 30))
    rois.create(RectRoiBounds(50, 150, 0, 60))
    rois.create(RectRoiBounds(100, 200, 0, 60))
    rois.create(RectRoiBounds(99, 200, 0, 60))  # a single line of it would be left
    rois.create(LineEndpoints(0, 0, 180, 10))
    rois.create(LineEndpoints(0, 40, 90, 50))
    assert copy_rois(rois, target) == CopiedRois((1, 4), (1, 4), (2, 3, 5))
    box, line = (roi.geometry for roi in target)
    assert box == RectRoiBounds(50, 100, 0, 30)
    assert isinstance(line, LineEndpoints)
    assert line.row1 == 99
    assert line.col1 in (5, 6)  # it keeps its slope
