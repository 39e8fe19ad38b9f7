"""RoiSet: ids, order, clamping, announcements, records."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from napari_bloodflow import (
    ImageBounds,
    LineEndpoints,
    LineROI,
    RectROI,
    RectRoiBounds,
    RoiSet,
)
from napari_bloodflow.acquisition.roi import roi_from_dict
from napari_bloodflow.acquisition.roi_set import RoiSetChange
from napari_bloodflow.errors import UnknownRoiError

PLANE = ImageBounds(num_rows=100, num_columns=40)

coordinates = st.integers(-50, 150)
rectangles = st.builds(RectRoiBounds, coordinates, coordinates, coordinates, coordinates)
lines = st.builds(LineEndpoints, coordinates, coordinates, coordinates, coordinates)


@pytest.fixture
def rois() -> RoiSet:
    return RoiSet(PLANE)


@pytest.fixture
def announced(rois: RoiSet) -> list[RoiSetChange]:
    changes: list[RoiSetChange] = []
    rois.changed.connect(changes.append)
    return changes


def test_a_new_roi_is_the_whole_image_by_default(rois: RoiSet) -> None:
    roi = rois.create()
    assert roi == RectROI(1, RectRoiBounds(0, 100, 0, 40))
    assert rois.get_roi_ids() == [1]
    assert rois.num_rois == len(rois) == 1


def test_ids_are_not_used_again_after_a_deletion(rois: RoiSet) -> None:
    first, second = rois.create(), rois.create()
    rois.delete(second.roi_id)
    assert rois.create().roi_id == 3
    rois.clear()
    assert rois.create().roi_id == 4
    assert first.roi_id == 1


@pytest.mark.parametrize(
    ("asked", "kept"),
    [
        (RectRoiBounds(-5, 200, -1, 99), RectRoiBounds(0, 100, 0, 40)),
        (RectRoiBounds(30, 10, 20, 5), RectRoiBounds(10, 30, 5, 20)),
    ],
)
def test_rectangles_are_ordered_and_cut_to_the_image(
    rois: RoiSet, asked: RectRoiBounds, kept: RectRoiBounds
) -> None:
    assert rois.create(asked).geometry == kept


@pytest.mark.parametrize("outside", [RectRoiBounds(100, 120, 0, 40), RectRoiBounds(5, 5, 0, 40)])
def test_a_rectangle_without_pixels_is_refused_and_nothing_changes(
    rois: RoiSet, outside: RectRoiBounds, announced: list[RoiSetChange]
) -> None:
    with pytest.raises(ValueError, match="no pixel of the 100 x 40 image"):
        rois.create(outside)
    assert len(rois) == 0
    assert announced == []


def test_line_ends_move_onto_the_image(rois: RoiSet) -> None:
    roi = rois.create(LineEndpoints(-3, 5, 300, 80))
    assert roi == LineROI(1, LineEndpoints(0, 5, 99, 39))


def test_a_roi_keeps_its_kind(rois: RoiSet) -> None:
    rois.create()
    with pytest.raises(TypeError, match="ROI 1 is a rectangle"):
        rois.edit(1, LineEndpoints(0, 0, 5, 5))


def test_every_edit_is_announced_once_and_only_if_it_changes_something(
    rois: RoiSet, announced: list[RoiSetChange]
) -> None:
    rois.create(name="a")
    rois.edit(1, RectRoiBounds(0, 50, 0, 40))
    rois.edit(1, RectRoiBounds(0, 50, 0, 99))  # the same after the cut
    rois.rename(1, "a")
    rois.rename(1, "b")
    rois.delete(1)
    assert announced == [
        RoiSetChange(added=(1,)),
        RoiSetChange(updated=(1,)),
        RoiSetChange(updated=(1,)),
        RoiSetChange(removed=(1,)),
    ]


def test_a_batch_is_announced_as_one_change(rois: RoiSet, announced: list[RoiSetChange]) -> None:
    rois.create()
    announced.clear()
    with rois.batch():
        rois.rename(1, "renamed")
        rois.create()
        rois.create()
        rois.delete(3)
    assert announced == [RoiSetChange(added=(2,), updated=(1,))]


def test_restoring_a_snapshot_undoes_a_deletion_with_the_same_id(rois: RoiSet) -> None:
    rois.create(name="vessel")
    before = rois.snapshot()
    rois.delete(1)
    rois.restore(before)
    assert rois.snapshot() == before


def test_unknown_ids_say_which_exist(rois: RoiSet) -> None:
    rois.create()
    assert rois.get(7) is None
    with pytest.raises(UnknownRoiError, match="there is no ROI 7; it has ROI 1"):
        rois[7]
    with pytest.raises(ValueError, match="there is no ROI 7"):
        rois.delete(7)


def test_dirty_means_different_from_the_last_save(rois: RoiSet) -> None:
    assert not rois.is_dirty
    rois.create(name="a")
    assert rois.is_dirty
    rois.set_clean()
    rois.rename(1, "b")
    assert rois.is_dirty
    rois.rename(1, "a")
    assert not rois.is_dirty


@given(st.lists(st.tuples(st.one_of(rectangles, lines), st.text(), st.text()), max_size=8))
def test_records_round_trip(
    drawn: list[tuple[RectRoiBounds | LineEndpoints, str, str]],
) -> None:
    rois = RoiSet(PLANE)
    for geometry, name, note in drawn:
        try:
            rois.create(geometry, name=name, note=note)
        except ValueError:
            assert isinstance(geometry, RectRoiBounds)
    again = RoiSet.from_list(rois.to_list(), PLANE)
    assert again.snapshot() == rois.snapshot()
    assert not again.is_dirty


@given(rectangles)
def test_a_cut_rectangle_is_inside_and_not_empty(drawn: RectRoiBounds) -> None:
    try:
        cut = drawn.clamped(PLANE)
    except ValueError:
        return
    assert 0 <= cut.row_start < cut.row_stop <= PLANE.num_rows
    assert 0 <= cut.col_start < cut.col_stop <= PLANE.num_columns
    assert cut.clamped(PLANE) == cut


@pytest.mark.parametrize(
    ("record", "reason"),
    [
        ("text", "is not an object"),
        ({"roi_id": 1, "version": "9", "data": {}}, "version '9' is not known"),
        ({"roi_type": "rectroi", "data": {}}, "roi_id is missing"),
        ({"roi_id": 1, "roi_type": "rectroi"}, "data is missing"),
        ({"roi_id": 1, "roi_type": "circle", "data": {}}, "roi_type 'circle'"),
        (
            {"roi_id": 1, "roi_type": "rectroi", "data": {"row_start": None}},
            "row_start is missing",
        ),
    ],
)
def test_bad_records_name_the_field(record: object, reason: str) -> None:
    with pytest.raises(ValueError, match=reason):
        roi_from_dict(record)  # type: ignore[arg-type]


def test_peers_spellings_are_read() -> None:
    record = {
        "roi_id": "7",
        "roi_type": "RectROI",
        "version": 1.0,
        "name": None,
        "note": "",
        "data": {"row_start": 1.7, "row_stop": 20, "col_start": 0, "col_stop": "30"},
    }
    assert roi_from_dict(record) == RectROI(7, RectRoiBounds(1, 20, 0, 30))
