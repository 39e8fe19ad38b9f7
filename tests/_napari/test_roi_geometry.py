from __future__ import annotations

import numpy as np
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from napari_bloodflow._napari.roi_geometry import (
    Unusable,
    drag_corner,
    geometry_from_shape,
    line_from_vertices,
    line_vertices,
    match_shapes,
    parse_roi_id,
    reaches_outside,
    rectangle_from_vertices,
    rectangle_vertices,
    shape_from_geometry,
    shape_key,
)
from napari_bloodflow.acquisition.roi import ImageBounds, LineEndpoints, RectRoiBounds

IMAGE = ImageBounds(2000, 100)
RECT = RectRoiBounds(10, 30, 5, 9)

sizes = st.integers(2, 100_000)


@st.composite
def images(draw: st.DrawFn) -> ImageBounds:
    return ImageBounds(draw(sizes), draw(sizes))


@st.composite
def rectangles(draw: st.DrawFn, image: ImageBounds = IMAGE) -> RectRoiBounds:
    row_start = draw(st.integers(0, image.num_rows - 2))
    col_start = draw(st.integers(0, image.num_columns - 2))
    return RectRoiBounds(
        row_start,
        draw(st.integers(row_start + 2, image.num_rows)),
        col_start,
        draw(st.integers(col_start + 2, image.num_columns)),
    )


@st.composite
def rectangles_in_images(draw: st.DrawFn) -> tuple[RectRoiBounds, ImageBounds]:
    image = draw(images())
    return draw(rectangles(image)), image


@st.composite
def lines(draw: st.DrawFn) -> LineEndpoints:
    rows, columns = st.integers(0, IMAGE.num_rows - 1), st.integers(0, IMAGE.num_columns - 1)
    line = LineEndpoints(draw(rows), draw(columns), draw(rows), draw(columns))
    if (line.row0, line.col0) == (line.row1, line.col1):
        line = LineEndpoints(line.row0, line.col0, (line.row0 + 1) % IMAGE.num_rows, line.col1)
    return line


# ---- round trips


def test_a_rectangle_is_drawn_around_its_pixels() -> None:
    assert rectangle_vertices(RECT).tolist() == [[9.5, 4.5], [9.5, 8.5], [29.5, 8.5], [29.5, 4.5]]


def test_a_line_is_drawn_between_pixel_centres() -> None:
    assert line_vertices(LineEndpoints(1, 2, 3, 4)).tolist() == [[1, 2], [3, 4]]


@given(rectangles_in_images())
def test_rectangles_survive_the_layer(case: tuple[RectRoiBounds, ImageBounds]) -> None:
    bounds, image = case
    shape_type, vertices = shape_from_geometry(bounds)
    stored = vertices.astype(np.float32)  # as napari keeps them
    assert rectangle_from_vertices(stored) == bounds
    assert geometry_from_shape(shape_type, stored, image) == bounds
    assert not reaches_outside(shape_type, stored, image)


@given(lines())
def test_lines_survive_the_layer(line: LineEndpoints) -> None:
    shape_type, vertices = shape_from_geometry(line)
    stored = vertices.astype(np.float32)
    assert line_from_vertices(stored) == line
    assert geometry_from_shape(shape_type, stored, IMAGE) == line
    assert not reaches_outside(shape_type, stored, IMAGE)


@given(rectangles(), st.integers(0, 3), st.booleans())
def test_the_order_of_corners_does_not_matter(
    bounds: RectRoiBounds, shift: int, mirrored: bool
) -> None:
    corners = np.roll(rectangle_vertices(bounds), shift, axis=0)
    corners = corners[::-1] if mirrored else corners
    assert geometry_from_shape("rectangle", corners, IMAGE) == bounds
    assert geometry_from_shape("polygon", corners, IMAGE) == bounds


@given(rectangles(), st.floats(-0.49, 0.49), st.floats(-0.49, 0.49))
def test_less_than_half_a_pixel_off_is_the_same_rectangle(
    bounds: RectRoiBounds, row_shift: float, col_shift: float
) -> None:
    vertices = rectangle_vertices(bounds) + np.array([row_shift, col_shift])
    assert geometry_from_shape("rectangle", vertices, IMAGE) == bounds


@example([(0.0, 0.0), (5e-324, 10.0)], "line")
@example([(0.0, -5.0), (1e-310, 10.0)], "line")
@given(
    st.lists(st.tuples(st.floats(-3e3, 5e3), st.floats(-300, 400)), min_size=2, max_size=2),
    st.sampled_from(["rectangle", "line"]),
)
def test_what_comes_out_can_be_drawn_and_read_again(
    ends: list[tuple[float, float]], shape_type: str
) -> None:
    (top, left), (bottom, right) = ends
    vertices = [[top, left], [top, right], [bottom, right], [bottom, left]]
    geometry = geometry_from_shape(shape_type, ends if shape_type == "line" else vertices, IMAGE)
    if isinstance(geometry, Unusable):
        assert geometry.reason
        return
    assert geometry == geometry.clamped(IMAGE)
    again = geometry_from_shape(*shape_from_geometry(geometry), IMAGE)
    assert again == geometry


# ---- what is cut, what is refused


def test_a_rectangle_is_cut_to_the_image() -> None:
    vertices = rectangle_vertices(RectRoiBounds(-50, 40, 90, 130))
    assert geometry_from_shape("rectangle", vertices, IMAGE) == RectRoiBounds(0, 40, 90, 100)
    assert reaches_outside("rectangle", vertices, IMAGE)


def test_a_line_is_cut_where_it_leaves_the_image_and_keeps_its_slope() -> None:
    geometry = geometry_from_shape("line", [[-100, 0], [100, 50]], IMAGE)
    assert geometry == LineEndpoints(0, 25, 100, 50)
    assert reaches_outside("line", [[-100, 0], [100, 50]], IMAGE)


@pytest.mark.parametrize(
    ("shape_type", "vertices", "words", "is_noise"),
    [
        ("ellipse", rectangle_vertices(RECT), "an ellipse", False),
        ("polygon", [[0, 0], [50, 0], [50, 50]], "a polygon", False),
        ("polygon", [[0, 0], [50, 3], [50, 50], [0, 50]], "a polygon", False),
        ("polygon", [[0, 0], [50, 50], [0, 50], [50, 0]], "a polygon", False),
        ("path", [[0, 0], [50, 0], [50, 50]], "a path", False),
        ("rectangle", [[20, 0], [40, 20], [20, 40], [0, 20]], "a rotated rectangle", False),
        ("rectangle", rectangle_vertices(RectRoiBounds(5, 6, 5, 50)), "2 pixels", True),
        ("rectangle", rectangle_vertices(RectRoiBounds(5, 50, 5, 6)), "2 pixels", True),
        ("rectangle", np.full((4, 2), 7.0), "2 pixels", True),
        ("rectangle", rectangle_vertices(RectRoiBounds(5, 50, 120, 150)), "outside", False),
        ("rectangle", rectangle_vertices(RectRoiBounds(5, 50, 99, 150)), "inside", False),
        ("line", [[5, 5], [5.2, 5.3]], "2 pixels", True),
        ("line", [[-5, 5], [-9, 50]], "outside", False),
        ("line", [[-15, 90], [10, 110]], "outside", False),
        ("line", [[5, 98], [5, 103]], "", None),
        ("line", [[5, 99], [5, 103]], "inside", False),
        ("rectangle", [[np.nan, 0], [0, 9], [9, 9], [9, 0]], "missing", True),
        ("line", [[np.inf, 0], [0, 9]], "missing", True),
        ("polygon", np.empty((0, 2)), "missing", True),
    ],
)
def test_unusable_shapes_say_why(
    shape_type: str, vertices: np.ndarray, words: str, is_noise: bool | None
) -> None:
    found = geometry_from_shape(shape_type, vertices, IMAGE)
    if is_noise is None:
        assert not isinstance(found, Unusable)
    else:
        assert isinstance(found, Unusable)
        assert words in found.reason
        assert found.is_noise is is_noise


def test_an_image_of_one_column_can_have_rois() -> None:
    column = ImageBounds(500, 1)
    vertices = rectangle_vertices(RectRoiBounds(10, 40, 0, 1))
    assert geometry_from_shape("rectangle", vertices, column) == RectRoiBounds(10, 40, 0, 1)


def test_a_path_of_two_vertices_is_a_line() -> None:
    assert geometry_from_shape("path", [[1, 2], [30, 4]], IMAGE) == LineEndpoints(1, 2, 30, 4)


def test_a_closed_polygon_may_repeat_its_first_vertex() -> None:
    corners = rectangle_vertices(RECT)
    assert geometry_from_shape("polygon", [*corners, corners[0]], IMAGE) == RECT


def test_only_the_last_two_coordinates_count() -> None:
    flat = rectangle_vertices(RECT)
    assert geometry_from_shape("rectangle", np.insert(flat, 0, 7.0, axis=1), IMAGE) == RECT


# ---- one corner dragged


@given(rectangles(), st.integers(0, 3), st.integers(0, 1999), st.integers(0, 99))
def test_a_dragged_corner_makes_a_rectangle(
    bounds: RectRoiBounds, corner: int, row: int, column: int
) -> None:
    vertices = rectangle_vertices(bounds)
    before = vertices.copy()
    vertices[corner] = row, column
    corners = drag_corner(bounds, vertices)
    if np.array_equal(before, vertices):
        assert corners is None
        return
    assert corners is not None
    opposite = before[(corner + 2) % 4]
    assert (corners.min(axis=0) == np.minimum(vertices[corner], opposite)).all()
    assert (corners.max(axis=0) == np.maximum(vertices[corner], opposite)).all()
    assert {tuple(point) for point in corners} >= {tuple(vertices[corner]), tuple(opposite)}


def test_other_changes_are_not_a_dragged_corner() -> None:
    vertices = rectangle_vertices(RECT)
    assert drag_corner(RECT, vertices) is None
    assert drag_corner(RECT, vertices + 1) is None
    assert drag_corner(RECT, vertices[:3]) is None
    vertices[0] = np.nan
    assert drag_corner(RECT, vertices) is None


# ---- which shape is which

A, B, C, D = (shape_key("line", [[0, 0], [0, column]]) for column in (1, 2, 3, 4))


@pytest.mark.parametrize(
    ("keys", "row_ids", "expected"),
    [
        ([A, B], [1, 2], [1, 2]),  # nothing happened
        ([B, A], [2, 1], [2, 1]),  # reordered with their features
        ([B, A], [1, 2], [2, 1]),  # reordered without their features
        ([B], [1], [2]),  # the first is gone and the features were cut at the end
        ([A, B], [None, None], [1, 2]),  # features lost
        ([A, B], [2, 2], [1, 2]),  # an id edited by hand
        ([C, B], [1, 2], [1, 2]),  # the first was moved
        ([A, B, A], [1, 2, 1], [1, 2, None]),  # pasted
        ([A, B, C], [1, 2, None], [1, 2, None]),  # drawn
        ([A, B, C], [1, 2, 2], [1, 2, None]),  # drawn, with features of another
        ([A, B, C], [1, 2, 7], [1, 2, 7]),  # from elsewhere, with an id that is free
        ([A, B, C], [1, 2, 5], [1, 2, 5]),  # its ROI exists but was not shown yet
        ([A, B, C], [1, 2, 9], [1, 2, None]),  # with the id of a deleted ROI
        ([D, C], [1, 2], [1, 2]),  # both were moved
    ],
)
def test_shapes_are_known_by_id_and_geometry(
    keys: list[tuple[str, bytes]], row_ids: list[int | None], expected: list[int | None]
) -> None:
    assert match_shapes(keys, row_ids, {1: A, 2: B}, [1, 2, 5], [9]) == expected


@given(
    st.lists(st.tuples(st.sampled_from([A, B, C, D]), st.none() | st.integers(1, 6)), max_size=8)
)
def test_no_id_is_given_twice(rows: list[tuple[tuple[str, bytes], int | None]]) -> None:
    ids = match_shapes(
        [key for key, _ in rows], [row_id for _, row_id in rows], {1: A, 2: B, 3: A}, [1, 2], [6]
    )
    given_ids = [roi_id for roi_id in ids if roi_id is not None]
    assert len(set(given_ids)) == len(given_ids)
    assert 6 not in given_ids


@pytest.mark.parametrize(
    ("value", "roi_id"),
    [
        ("3", 3),
        (" 12 ", 12),
        (3, 3),
        (np.int64(4), 4),
        (3.0, 3),
        *((value, None) for value in ("", None, float("nan"), "x", "0", "-2", "1.5", "inf")),
    ],
)
def test_ids_are_read_from_whatever_a_table_holds(value: object, roi_id: int | None) -> None:
    assert parse_roi_id(value) == roi_id
