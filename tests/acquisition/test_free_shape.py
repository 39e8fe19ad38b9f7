"""Shapes that are no ROI: kept while they hold, undone with the rest, in no file."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from napari_bloodflow import AcqImage, LineEndpoints, RectRoiBounds
from napari_bloodflow.acquisition.free_shape import FreeShape
from napari_bloodflow.acquisition.roi import ImageBounds
from napari_bloodflow.acquisition.roi_set import RoiSet, RoiSetChange
from napari_bloodflow.synthetic import pulsatile_flow, write_tiff

if TYPE_CHECKING:
    from pathlib import Path

A = RectRoiBounds(10, 60, 2, 12)
B = RectRoiBounds(100, 180, 4, 20)
ELLIPSE = FreeShape("ellipse", ((10.0, 2.0), (10.0, 9.0), (60.0, 9.0), (60.0, 2.0)), "an ellipse")
PATH = FreeShape("path", ((1.5, 2.0), (3.0, 4.0), (9.0, 5.0)), "a path")


def outline_of(roi_id: int, kept: RectRoiBounds | LineEndpoints = A) -> FreeShape:
    vertices = ((10.0, 2.0), (60.0, 2.0), (60.0, 9.0))
    return FreeShape("polygon", vertices, "a polygon", roi_id, kept)


@pytest.fixture
def rois() -> RoiSet:
    rois = RoiSet(ImageBounds(200, 30))
    rois.create(A)
    return rois


def test_they_are_announced_once_in_an_order_of_their_own(rois: RoiSet) -> None:
    changes: list[RoiSetChange] = []
    rois.changed.connect(changes.append)
    rois.set_free_shapes([PATH, ELLIPSE])
    rois.set_free_shapes([ELLIPSE, PATH])
    assert changes == [RoiSetChange(has_other_shapes=True)]
    assert set(rois.free_shapes) == {ELLIPSE, PATH}


def test_the_shape_of_a_roi_goes_when_the_roi_does_or_moves(rois: RoiSet) -> None:
    rois.set_free_shapes([ELLIPSE, outline_of(1)])
    rois.rename(1, "vessel")
    assert outline_of(1) in rois.free_shapes
    rois.edit(1, B)
    assert rois.free_shapes == (ELLIPSE,)
    rois.set_free_shapes([ELLIPSE, outline_of(1, B)])
    rois.delete(1)
    assert rois.free_shapes == (ELLIPSE,)


def test_a_roi_has_one_shape_and_one_that_is_gone_has_none(rois: RoiSet) -> None:
    later = FreeShape("ellipse", ELLIPSE.vertices, "an ellipse", 1, A)
    rois.set_free_shapes([outline_of(1), later, outline_of(7)])
    assert rois.free_shapes == (later,)


def test_they_are_restored_or_stay(rois: RoiSet) -> None:
    before = rois.snapshot()
    rois.set_free_shapes([ELLIPSE])
    rois.restore(before)
    assert rois.free_shapes == (ELLIPSE,)
    rois.restore(before, [PATH])
    assert rois.free_shapes == (PATH,)


def test_turned_twice_they_are_as_before(rois: RoiSet) -> None:
    rois.set_free_shapes([ELLIPSE, outline_of(1)])
    before = rois.free_shapes
    rois.transpose()
    assert rois.free_shapes[0].vertices[0] == (2.0, 10.0)
    assert len(rois.free_shapes) == 2
    rois.transpose()
    assert rois.free_shapes == before


def test_they_are_undone_and_are_in_no_file(tmp_path: Path) -> None:
    path = tmp_path / "vessel.tif"
    write_tiff(pulsatile_flow(num_rows=256), path)
    acq = AcqImage(path)
    acq.rois.create(A)
    acq.save()
    files = {file.name: file.read_bytes() for file in tmp_path.iterdir()}
    acq.rois.set_free_shapes([ELLIPSE, outline_of(1)])
    assert not acq.is_dirty
    acq.rois.set_free_shapes([PATH, outline_of(1)])
    acq.axes_swapped = True
    acq.axes_swapped = False
    acq.rois.set_free_shapes([])
    acq.save()
    assert {file.name: file.read_bytes() for file in tmp_path.iterdir()} == files
    texts = [acq.history.undo() for _ in range(4)]
    assert texts == ["delete 2 grey shapes", "swap the axes", "swap the axes", "edit a path"]
    assert set(acq.rois.free_shapes) == {ELLIPSE, outline_of(1)}
    acq.history.undo()
    assert acq.rois.free_shapes == ()
    while acq.history.redo():
        pass
    assert acq.rois.free_shapes == ()
