"""Between ROIs in whole pixels and the shapes that a Shapes layer draws; pure functions.

Vertices are (row, column) in napari data coordinates, where pixel ``i`` covers ``i - 0.5`` to
``i + 0.5``. A rectangle is drawn around its pixels, a line from pixel centre to pixel centre.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal, TypeAlias

import numpy as np

from napari_bloodflow.acquisition.roi import LineEndpoints, RectRoiBounds

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping, Sequence

    from numpy.typing import ArrayLike, NDArray

    from napari_bloodflow.acquisition.roi import ImageBounds, RoiGeometry

__all__ = [
    "MIN_EXTENT",
    "RoiShapeType",
    "ShapeKey",
    "Unusable",
    "bounding_box",
    "drag_corner",
    "geometry_from_shape",
    "line_from_vertices",
    "line_vertices",
    "match_shapes",
    "parse_roi_id",
    "reaches_outside",
    "rectangle_from_vertices",
    "rectangle_vertices",
    "shape_from_geometry",
    "shape_key",
]

MIN_EXTENT = 2
"""Fewest pixels of a rectangle in either direction that are taken for a ROI."""

RoiShapeType: TypeAlias = Literal["rectangle", "line"]

ShapeKey: TypeAlias = tuple[str, bytes]
"""Type and vertices of a shape; equal if napari holds the same shape."""

_ALIGNED_WITHIN = 0.5  # pixels; corners closer than this to a rectangle's round onto it
_PARALLEL_WITHIN = 1e-6  # pixels; to divide by a slope that is all but zero overflows


@dataclass(frozen=True, slots=True)
class Unusable:
    """Why a shape is no ROI.

    Parameters
    ----------
    reason : str
        For the user, to follow "the shape is": ``"a rotated rectangle"``.
    is_noise : bool
        True if it is so small that it came from a click rather than from drawing.
    """

    reason: str
    is_noise: bool = False


def rectangle_vertices(bounds: RectRoiBounds) -> NDArray[np.float64]:
    """Return the 4 corners around the pixels of a rectangle, shape (4, 2)."""
    top, bottom = bounds.row_start - 0.5, bounds.row_stop - 0.5
    left, right = bounds.col_start - 0.5, bounds.col_stop - 0.5
    return np.array([[top, left], [top, right], [bottom, right], [bottom, left]])


def rectangle_from_vertices(vertices: ArrayLike) -> RectRoiBounds:
    """Return the box around the vertices, each side on the nearest pixel edge; not cut."""
    points = _plane(vertices)
    start = _round(points.min(axis=0) + 0.5)
    stop = _round(points.max(axis=0) + 0.5)
    return RectRoiBounds(start[0], stop[0], start[1], stop[1])


def line_vertices(endpoints: LineEndpoints) -> NDArray[np.float64]:
    """Return the centres of the end pixels, shape (2, 2)."""
    return np.array(
        [[endpoints.row0, endpoints.col0], [endpoints.row1, endpoints.col1]], dtype=np.float64
    )


def line_from_vertices(vertices: ArrayLike) -> LineEndpoints:
    """Return the pixels that hold the first and the last vertex; not cut."""
    points = _plane(vertices)
    return LineEndpoints(*_round(points[0]), *_round(points[-1]))


def shape_from_geometry(geometry: RoiGeometry) -> tuple[RoiShapeType, NDArray[np.float64]]:
    """Return the shape type and vertices that draw a ROI."""
    if isinstance(geometry, LineEndpoints):
        return "line", line_vertices(geometry)
    return "rectangle", rectangle_vertices(geometry)


def geometry_from_shape(
    shape_type: str, vertices: ArrayLike, image_bounds: ImageBounds
) -> RoiGeometry | Unusable:
    """Read a drawn shape as a ROI, in whole pixels and cut to the image.

    Parameters
    ----------
    shape_type : str
        As napari names it: rectangle, polygon, ellipse, line or path.
    vertices : array-like, shape (n, 2) or (n, more)
        In data coordinates; of more than two coordinates the last two count.
    image_bounds : ImageBounds
        Size of the image.

    Returns
    -------
    RectRoiBounds, LineEndpoints or Unusable
        Rectangles, and polygons that are rectangles, give bounds; lines, and paths of two
        vertices, give end points; all else is unusable.
    """
    points = _plane(vertices)
    if not len(points) or not np.isfinite(points).all():
        return Unusable("a shape with missing coordinates", is_noise=True)
    if shape_type == "line" or (shape_type == "path" and len(points) == 2):
        return _line(points, image_bounds)
    if shape_type == "rectangle":
        if not _is_upright(points):
            return Unusable("a rotated rectangle")
        return _rectangle(points, image_bounds)
    if shape_type == "polygon":
        if len(points) == 5 and np.array_equal(points[0], points[-1]):
            points = points[:4]
        if not _is_upright(points):
            return Unusable("a polygon")
        return _rectangle(points, image_bounds)
    article = "an" if shape_type[:1] in tuple("aeiou") else "a"
    return Unusable(f"{article} {shape_type}")


def bounding_box(vertices: ArrayLike, image_bounds: ImageBounds) -> RectRoiBounds | Unusable:
    """Return the smallest rectangle around a shape, in whole pixels and cut to the image.

    Parameters
    ----------
    vertices : array-like, shape (n, 2) or (n, more)
        In data coordinates; of more than two coordinates the last two count.
    image_bounds : ImageBounds
        Size of the image.
    """
    points = _plane(vertices)
    if not len(points) or not np.isfinite(points).all():
        return Unusable("a shape with missing coordinates", is_noise=True)
    return _rectangle(np.array([points.min(axis=0), points.max(axis=0)]), image_bounds)


def reaches_outside(shape_type: str, vertices: ArrayLike, image_bounds: ImageBounds) -> bool:
    """Say whether a shape, in whole pixels, is partly or wholly outside of the image."""
    points = _plane(vertices)
    if shape_type in ("line", "path"):
        rounded = np.floor(points + 0.5)
        low, high = rounded.min(axis=0), rounded.max(axis=0) + 1
    else:
        low, high = np.floor(points.min(axis=0) + 1), np.floor(points.max(axis=0) + 1)
    return bool((low < 0).any() or (high > _sizes(image_bounds)).any())


def drag_corner(bounds: RectRoiBounds, vertices: ArrayLike) -> NDArray[np.float64] | None:
    """Return the rectangle that was meant when one corner of `bounds` was dragged alone.

    napari's direct mode moves the one vertex and makes a polygon of the rectangle.

    Parameters
    ----------
    bounds : RectRoiBounds
        The rectangle before, drawn as :func:`rectangle_vertices` draws it.
    vertices : array-like, shape (4, 2) or (4, more)
        The polygon after.

    Returns
    -------
    array or None
        Corners of the rectangle between the dragged vertex and the opposite one; None if not
        exactly one vertex moved.
    """
    points = _plane(vertices)
    before = rectangle_vertices(bounds)
    if points.shape != before.shape:
        return None
    moved = np.flatnonzero((np.float32(points) != np.float32(before)).any(axis=1))
    if len(moved) != 1 or not np.isfinite(points).all():
        return None
    corner = points[moved[0]]
    opposite = points[(moved[0] + 2) % 4]
    (top, left), (bottom, right) = np.minimum(corner, opposite), np.maximum(corner, opposite)
    return np.array([[top, left], [top, right], [bottom, right], [bottom, left]])


def shape_key(shape_type: str, vertices: ArrayLike) -> ShapeKey:
    """Return what tells a shape from others; napari keeps vertices in single precision."""
    return str(shape_type), np.asarray(vertices, dtype=np.float32).tobytes()


def parse_roi_id(value: object) -> int | None:
    """Read an id from the features of a layer; None if it is empty or no id."""
    try:
        number = float(str(value).strip() or "nan")
    except ValueError:
        return None
    return int(number) if number >= 1 and number.is_integer() else None


def match_shapes(
    keys: Sequence[ShapeKey],
    row_ids: Sequence[int | None],
    known: Mapping[int, ShapeKey],
    alive: Collection[int],
    retired: Collection[int],
) -> list[int | None]:
    """Find out which shape is which ROI, from the most certain sign to the least.

    A shape is the ROI (1) that its features name and whose shape it has, (2) whose shape it has,
    because napari shifted or lost the features, (3) that its features name, because it was edited
    or comes from elsewhere.

    Parameters
    ----------
    keys : sequence of ShapeKey
        The shapes, in the order of the layer.
    row_ids : sequence of int or None
        Ids that the features give them.
    known : mapping of int to ShapeKey
        What each ROI looked like before.
    alive, retired : collection of int
        Ids in use, and ids that must not come back because their ROI was deleted.

    Returns
    -------
    list of int or None
        An id for each shape, none twice; None for a new shape.
    """
    ids: list[int | None] = [None] * len(keys)
    taken: set[int] = set()
    for index, (key, roi_id) in enumerate(zip(keys, row_ids, strict=True)):
        if roi_id is not None and roi_id not in taken and known.get(roi_id) == key:
            ids[index] = roi_id
            taken.add(roi_id)
    by_key: dict[ShapeKey, list[int]] = {}
    for roi_id, key in known.items():
        if roi_id not in taken:
            by_key.setdefault(key, []).append(roi_id)
    for index, key in enumerate(keys):
        if ids[index] is None and by_key.get(key):
            ids[index] = by_key[key].pop(0)
    taken.update(roi_id for roi_id in ids if roi_id is not None)
    for index, row_id in enumerate(row_ids):
        if ids[index] is not None or row_id is None or row_id in taken:
            continue
        if row_id in known or row_id in alive or row_id not in retired:
            ids[index] = row_id
            taken.add(row_id)
    return ids


def _rectangle(points: NDArray[np.float64], image_bounds: ImageBounds) -> RectRoiBounds | Unusable:
    bounds = rectangle_from_vertices(points)
    # An image of a single column can only have ROIs of a single column.
    fewest = np.minimum(MIN_EXTENT, _sizes(image_bounds))
    if ((bounds.num_rows, bounds.num_columns) < fewest).any():
        return Unusable(f"smaller than {MIN_EXTENT} pixels", is_noise=True)
    try:
        cut = bounds.clamped(image_bounds)
    except ValueError:
        return Unusable("outside of the image")
    if ((cut.num_rows, cut.num_columns) < fewest).any():
        return Unusable(f"inside the image by less than {MIN_EXTENT} pixels")
    return cut


def _line(points: NDArray[np.float64], image_bounds: ImageBounds) -> LineEndpoints | Unusable:
    if len(points) != 2:
        return Unusable("a line without two ends", is_noise=True)
    whole = line_from_vertices(points)
    if (whole.row0, whole.col0) == (whole.row1, whole.col1):
        return Unusable("shorter than 2 pixels", is_noise=True)
    inside = _clip_segment(points, image_bounds)
    if inside is None:
        return Unusable("outside of the image")
    cut = line_from_vertices(inside).clamped(image_bounds)
    if (cut.row0, cut.col0) == (cut.row1, cut.col1):
        return Unusable("inside the image by less than 2 pixels")
    return cut


def _clip_segment(
    points: NDArray[np.float64], image_bounds: ImageBounds
) -> NDArray[np.float64] | None:
    """Cut a segment where it leaves the image, which keeps its slope (Liang and Barsky)."""
    start, step = points[0], points[1] - points[0]
    enter, leave = 0.0, 1.0
    for origin, delta, size in zip(start, step, _sizes(image_bounds), strict=True):
        low, high = -0.5 - origin, size - 0.5 - origin
        if abs(delta) < _PARALLEL_WITHIN:
            if low > 0 or high < 0:
                return None
            continue
        first, last = sorted((low / delta, high / delta))
        enter, leave = max(enter, first), min(leave, last)
    if enter > leave:
        return None
    # The untouched end is taken as it is, so that a line inside the image stays exact.
    return np.array(
        [
            start if enter == 0 else start + enter * step,
            points[1] if leave == 1 else start + leave * step,
        ]
    )


def _is_upright(points: NDArray[np.float64]) -> bool:
    if len(points) != 4:
        return False
    low, high = points.min(axis=0), points.max(axis=0)
    near_low = np.abs(points - low) < _ALIGNED_WITHIN
    near_high = np.abs(points - high) < _ALIGNED_WITHIN
    if not (near_low | near_high).all():
        return False
    is_high = np.abs(points - high) < np.abs(points - low)
    # Neighbours share one coordinate, and all four corners occur.
    changes = is_high != np.roll(is_high, -1, axis=0)
    small = (high - low) < 2 * _ALIGNED_WITHIN
    return bool(small.any() or ((changes.sum(axis=1) == 1).all() and _all_corners(is_high)))


def _all_corners(is_high: NDArray[np.bool_]) -> bool:
    return len({(bool(row), bool(column)) for row, column in is_high}) == 4


def _plane(vertices: ArrayLike) -> NDArray[np.float64]:
    points = np.asarray(vertices, dtype=np.float64)
    return points.reshape(-1, points.shape[-1])[:, -2:] if points.size else points.reshape(0, 2)


def _sizes(image_bounds: ImageBounds) -> NDArray[np.int64]:
    return np.array([image_bounds.num_rows, image_bounds.num_columns])


def _round(values: NDArray[np.float64]) -> tuple[int, int]:
    # Always upwards at a half, so that a shape keeps its size wherever it is.
    row, column = np.floor(values + 0.5)
    return int(row), int(column)
