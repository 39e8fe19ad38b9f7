"""How ROIs look in the viewer: the layer made of them, its colours, widths, labels, features."""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from napari_bloodflow._napari.roi_geometry import parse_roi_id, shape_from_geometry

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from napari.layers import Image, Shapes
    from numpy.typing import ArrayLike, NDArray

    from napari_bloodflow.acquisition.roi_set import RoiSet

__all__ = [
    "FEATURE_COLUMNS",
    "MAX_LABELS",
    "UNUSABLE_COLOR",
    "aligned_features",
    "edge_rgba",
    "face_rgba",
    "feature_table",
    "hidden_labels",
    "line_edge_width",
    "make_roi_layer",
    "paint_shapes",
    "place_labels",
    "prepare_drawing",
    "roi_color",
    "roi_layer_data",
    "shape_edge_width",
    "text_style",
    "write_features",
]

# The colours of Okabe and Ito (2008), told apart with any kind of colour vision, without black,
# which is lost on an image.
_CYCLE = ("#E69F00", "#56B4E9", "#009E73", "#F0E442", "#D55E00", "#CC79A7", "#0072B2")

UNUSABLE_COLOR = "#9A9A9A"
"""Colour of shapes that are no ROI."""

MAX_LABELS = 300
"""With more shapes than this, napari takes so long to draw labels that they are switched off."""

FEATURE_COLUMNS = ("roi_id", "name", "reason")
"""Columns of the layer's features that are ours; others are left alone."""

_FACE_ALPHA = 0.15
_LINE_PIXELS = 2.5
_OUTLINE_PIXELS = 2.0
_OVERSHOOT_PIXELS = 8.0
_LABEL_PIXELS = 20.0
_DRAFT_COLOR = "#FFFFFF"
_LINE_TYPES = frozenset({"line", "path"})


def roi_color(roi_id: int | None) -> str:
    """Return the colour of a ROI, the same in the viewer, tables and plots.

    Parameters
    ----------
    roi_id : int or None
        Identity of the ROI; None for a shape that is no ROI.

    Returns
    -------
    str
        As ``#RRGGBB``.
    """
    return UNUSABLE_COLOR if roi_id is None else _CYCLE[(roi_id - 1) % len(_CYCLE)]


def edge_rgba(roi_id: int | None) -> NDArray[np.float32]:
    """Return the opaque colour of a ROI as 4 numbers from 0 to 1."""
    return _rgba(roi_color(roi_id), 1.0)


def face_rgba(roi_id: int | None) -> NDArray[np.float32]:
    """Return the translucent colour of a ROI as 4 numbers from 0 to 1."""
    return _rgba(roi_color(roi_id), _FACE_ALPHA)


def line_edge_width(vertices: ArrayLike, scale: Sequence[float], pixels_per_world: float) -> float:
    """Return the edge width that makes a line about 2.5 screen pixels thick.

    napari makes the outline in data units and then stretches it with the layer. In a layer
    stretched along one axis the same width is therefore thick or thin depending on the direction
    of the line.

    Parameters
    ----------
    vertices : array-like, shape (n, 2) or (n, more)
        In data coordinates; the direction is that from first to last.
    scale : sequence of float
        Scale of the layer; the last two numbers count.
    pixels_per_world : float
        Zoom of the camera.

    Returns
    -------
    float
        In data units. Thinner if the slanted ends that the stretch gives a line would reach far
        beyond its end points.
    """
    points = np.asarray(vertices, dtype=np.float64)[:, -2:]
    row_scale, col_scale = (abs(float(value)) for value in scale[-2:])
    row_step, col_step = points[-1] - points[0]
    length = np.hypot(row_step, col_step)
    if not np.isfinite(length) or length == 0:
        row_step, col_step, length = 1.0, 1.0, np.sqrt(2.0)
    shown = np.hypot(row_scale * row_step, col_scale * col_step)
    # Screen pixels across and along the line, for an edge width of 1.
    across = pixels_per_world * row_scale * col_scale * length / shown
    slant = abs((col_scale**2 - row_scale**2) * row_step * col_step)
    along = pixels_per_world * slant / (2 * length * shown)
    room = max(_OVERSHOOT_PIXELS, 0.05 * shown * pixels_per_world)
    width = _LINE_PIXELS / across
    return float(min(width, room / along) if along > 0 else width)


def shape_edge_width(
    shape_type: str, vertices: ArrayLike, scale: Sequence[float], pixels_per_world: float
) -> float:
    """Return the edge width of any shape, so that it shows some screen pixels thick.

    The outline of a rectangle is drawn many times thicker along the stretched axis. The width is
    chosen for that axis; the sides across it are too thin to be seen, where the face ends.
    """
    if shape_type in _LINE_TYPES:
        return line_edge_width(vertices, scale, pixels_per_world)
    return _OUTLINE_PIXELS / (max(abs(float(value)) for value in scale[-2:]) * pixels_per_world)


def text_style(num_shapes: int) -> dict[str, Any]:
    """Return the ``text`` argument of a Shapes layer: id and name at the upper left.

    White, as it is to be read over the image; see :func:`place_labels`.
    """
    return {
        "string": "{roi_id} {name}",
        "anchor": "upper_left",
        "size": 10,
        "color": "white",
        "visible": num_shapes <= MAX_LABELS,
    }


def feature_table(
    roi_ids: Sequence[int | None], names: Sequence[str], reasons: Sequence[str]
) -> pd.DataFrame:
    """Return our columns of the features; of dtype object, so that all rows can be text."""
    texts = ["" if roi_id is None else str(roi_id) for roi_id in roi_ids]
    columns = zip(FEATURE_COLUMNS, (texts, names, reasons), strict=True)
    return pd.DataFrame({name: pd.Series(list(values), dtype=object) for name, values in columns})


def aligned_features(layer: Shapes, roi_ids: Sequence[int | None]) -> pd.DataFrame:
    """Return the features with one row per shape, whatever rows napari shifted or left behind.

    Parameters
    ----------
    layer : napari.layers.Shapes
        The layer.
    roi_ids : sequence of int or None
        For each shape its ROI.

    Returns
    -------
    pandas.DataFrame
        For each shape the row of its ROI if there is one, otherwise the row at its index.
    """
    features = layer.features.reset_index(drop=True)
    own = [parse_roi_id(text) for text in features.get("roi_id", [""] * len(features))]
    row_of: dict[int | None, int] = {}
    for row, roi_id in enumerate(own):
        if roi_id is not None:
            row_of.setdefault(roi_id, row)
    order = []
    for index, roi_id in enumerate(roi_ids):
        has_own = index < len(own) and (own[index] == roi_id or roi_id not in row_of)
        order.append(index if has_own else row_of.get(roi_id, -1))
    return features.reindex(order).reset_index(drop=True)


def write_features(layer: Shapes, ours: pd.DataFrame, rows: pd.DataFrame) -> None:
    """Put our columns into the features if they differ, and keep those of others.

    Parameters
    ----------
    layer : napari.layers.Shapes
        The layer.
    ours : pandas.DataFrame
        As :func:`feature_table` makes it, one row per shape.
    rows : pandas.DataFrame
        The other columns, one row per shape; our columns in it are not used.
    """
    present, defaults = layer.features, layer.feature_defaults
    is_same = set(ours) <= set(present) and present[list(ours)].equals(ours)
    if not is_same:
        others = [column for column in rows if column not in ours]
        layer.features = pd.concat([ours, rows[others]], axis=1)
    if not is_same or (defaults[list(ours)] != "").any(axis=None):
        # napari takes those of the last row, so that the next shape would inherit its id.
        layer.feature_defaults = {
            column: "" if column in ours else defaults[column].iloc[0] for column in layer.features
        }


def paint_shapes(layer: Shapes, roi_ids: Sequence[int | None]) -> None:
    """Give every shape the colour of its ROI and the line width that suits the zoom.

    Parameters
    ----------
    layer : napari.layers.Shapes
        The layer.
    roi_ids : sequence of int or None
        For each shape the ROI that it shows; None makes it grey.
    """
    if not roi_ids:
        return
    faces = np.array([face_rgba(roi_id) for roi_id in roi_ids])
    edges = np.array([edge_rgba(roi_id) for roi_id in roi_ids])
    if not _same_colors(layer.face_color, faces):
        layer.face_color = faces
    if not _same_colors(layer.edge_color, edges):
        layer.edge_color = edges
    shapes = zip(layer.shape_type, layer.data, strict=True)
    zoom = 1.0 / layer.scale_factor
    widths = [shape_edge_width(kind, points, layer.scale, zoom) for kind, points in shapes]
    if not np.allclose(layer.edge_width, widths, rtol=0.05, atol=0):
        layer.edge_width = widths
        layer.refresh(thumbnail=False, highlight=False, extent=False)


def place_labels(layer: Shapes) -> None:
    """Put the labels into the upper left corner of their ROIs at the present zoom.

    napari puts them above, which may be outside of the image, where a light theme is as white as
    they are.
    """
    shift = _LABEL_PIXELS * layer.scale_factor / np.abs(layer.scale)
    if not np.allclose(layer.text.translation, shift, rtol=0.05, atol=0):
        layer.text.translation = shift
        layer.refresh(thumbnail=False, highlight=False, extent=False)


@contextmanager
def hidden_labels(layer: Shapes) -> Iterator[None]:
    """Hide the labels meanwhile; napari places all of them anew at every step otherwise."""
    is_visible = layer.text.visible
    layer.text.visible = False
    try:
        yield
    finally:
        layer.text.visible = is_visible


def prepare_drawing(layer: Shapes) -> None:
    """Give the next shape that is drawn a colour of no ROI, and lines a width to be seen by."""
    if not layer.mode.startswith("add_"):
        return
    kind = "rectangle" if layer.mode in ("add_rectangle", "add_ellipse") else "line"
    diagonal = np.array([[0.0, 0.0], 1 / layer.scale[-2:]])
    width = shape_edge_width(kind, diagonal, layer.scale, 1.0 / layer.scale_factor)
    # Otherwise the selected shapes would be given these too.
    with layer.block_update_properties():
        layer.current_face_color = _rgba(_DRAFT_COLOR, _FACE_ALPHA)
        layer.current_edge_color = _DRAFT_COLOR
        layer.current_edge_width = width


def roi_layer_data(
    rois: RoiSet,
    *,
    scale: Sequence[float] = (1.0, 1.0),
    translate: Sequence[float] = (0.0, 0.0),
    units: Sequence[str] = ("pixel", "pixel"),
    axis_labels: Sequence[str] = ("time", "position"),
    name: str = "ROIs",
) -> tuple[list[NDArray[np.float64]], dict[str, Any], str]:
    """Return the layer tuple of a Shapes layer that already holds the ROIs.

    Parameters
    ----------
    rois : RoiSet
        What to show.
    scale, translate, units, axis_labels : sequence
        Those of the image layer, for (row, column).
    name : str
        Name of the layer.

    Returns
    -------
    tuple
        ``(data, keyword arguments, "shapes")``, as npe2 readers return.
    """
    shown = rois.snapshot()
    shapes = [shape_from_geometry(roi.geometry) for roi in shown]
    ids = [roi.roi_id for roi in shown]
    arguments: dict[str, Any] = {
        "name": name,
        "ndim": 2,
        "scale": tuple(scale),
        "translate": tuple(translate),
        "units": tuple(units),
        "axis_labels": tuple(axis_labels),
        "features": feature_table(ids, [roi.name for roi in shown], [""] * len(shown)),
        "feature_defaults": dict.fromkeys(FEATURE_COLUMNS, ""),
        "text": text_style(len(shown)),
        "edge_width": 0.0,
        "opacity": 1.0,
    }
    if shown:
        arguments["shape_type"] = [kind for kind, _ in shapes]
        arguments["edge_width"] = [shape_edge_width(*shape, scale, 1.0) for shape in shapes]
        arguments["edge_color"] = np.array([edge_rgba(roi_id) for roi_id in ids])
        arguments["face_color"] = np.array([face_rgba(roi_id) for roi_id in ids])
    return [vertices for _, vertices in shapes], arguments, "shapes"


def make_roi_layer(rois: RoiSet, image: Image | dict[str, Any]) -> Shapes:
    """Return a new Shapes layer that holds the ROIs and lies exactly on the image.

    Parameters
    ----------
    rois : RoiSet
        What to show.
    image : napari.layers.Image or dict
        The image layer, or keyword arguments for :func:`roi_layer_data`.

    Returns
    -------
    napari.layers.Shapes
        Not yet in a viewer and not yet bound.
    """
    from napari.layers import Shapes

    if isinstance(image, dict):
        data, arguments, _ = roi_layer_data(rois, **image)
        return Shapes(data, **arguments)
    data, arguments, _ = roi_layer_data(
        rois,
        scale=image.scale[-2:],
        translate=image.translate[-2:],
        units=[str(unit) for unit in image.units[-2:]],
        axis_labels=image.axis_labels[-2:],
        name=f"ROIs of {image.name}",
    )
    if image.ndim == 2:
        arguments.update(rotate=image.rotate, shear=image.shear, affine=image.affine)
    return Shapes(data, **arguments)


def _rgba(color: str, alpha: float) -> NDArray[np.float32]:
    return np.array([*(int(color[i : i + 2], 16) / 255 for i in (1, 3, 5)), alpha], np.float32)


def _same_colors(present: NDArray[Any], wanted: NDArray[Any]) -> bool:
    return present.shape == wanted.shape and np.allclose(present, wanted, atol=1e-3)
