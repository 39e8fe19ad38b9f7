"""Move and resize the selected ROIs with the arrow keys, on the screen and in the table."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, NamedTuple

from app_model.types import KeyCode, KeyMod
from qtpy.QtWidgets import QApplication, QDockWidget, QWidget

from napari_bloodflow._napari.roi_geometry import MIN_EXTENT
from napari_bloodflow.acquisition.history import name_rois
from napari_bloodflow.acquisition.roi import LineEndpoints, RectRoiBounds

if TYPE_CHECKING:
    from collections.abc import Sequence

    from napari.components import Dims
    from napari.layers import Layer

    from napari_bloodflow._napari.session import ShownAcquisition
    from napari_bloodflow._napari.undo import KeySlot
    from napari_bloodflow.acquisition.roi import ImageBounds, Roi, RoiGeometry

__all__ = ["LastNudge", "Nudge", "bind_nudge_keys", "nudge_selected", "unbind_nudge_keys"]

_ARROWS = {
    KeyCode.UpArrow: (-1, 0),
    KeyCode.DownArrow: (1, 0),
    KeyCode.LeftArrow: (0, -1),
    KeyCode.RightArrow: (0, 1),
}
_FAR = 10


class Nudge(NamedTuple):
    """A small step on the screen.

    Parameters
    ----------
    down, right : int
        Lines or pixels, whichever run that way.
    is_resize : bool
        Whether only the lower and right edges move.
    """

    down: int
    right: int
    is_resize: bool = False


class LastNudge(NamedTuple):
    """What was nudged last, so that steps of one kind in a row are undone at once.

    Parameters
    ----------
    step : object
        ``acq.history.last_step`` after it.
    roi_ids : tuple of int
        The ROIs.
    is_resize : bool
        As of :class:`Nudge`.
    """

    step: object
    roi_ids: tuple[int, ...]
    is_resize: bool


# Alt with Up or Down moves between sliders in napari, which a kymograph has none of. All other
# keys are free there; Ctrl+Alt and the arrows belong to desktops.
_KEYS = {
    **{KeyMod.Alt | key: Nudge(*way) for key, way in _ARROWS.items()},
    **{
        KeyMod.Shift | key: Nudge(_FAR * down, _FAR * right)
        for key, (down, right) in _ARROWS.items()
    },
    **{
        KeyMod.CtrlCmd | KeyMod.Shift | key: Nudge(*way, is_resize=True)
        for key, way in _ARROWS.items()
    },
}


def bind_nudge_keys(layer: Layer, slot: KeySlot, dims: Dims) -> None:
    """Give the arrow keys with Alt, Shift or Ctrl+Shift a meaning while a ROI layer is active.

    Parameters
    ----------
    layer : Layer
        The layer.
    slot : callable
        Called with what is to be done with the acquisition of the layer, and the layer.
    dims : Dims
        Of the viewer.
    """
    for key, nudge in _KEYS.items():
        step = partial(nudge_selected, nudge, dims)

        def press(layer: Layer, step: partial[str] = step) -> None:
            # Keys that a dock has no use for, such as those at the end of a list, come here too.
            if not _is_in_dock(QApplication.focusWidget()):
                slot(step, layer)

        layer.bind_key(key, press, overwrite=True)


def unbind_nudge_keys(layer: Layer) -> None:
    """Give the keys of a layer back to napari."""
    for key in _KEYS:
        layer.bind_key(key, None)


def _is_in_dock(widget: QWidget | None) -> bool:
    while widget is not None and not isinstance(widget, QDockWidget):
        widget = widget.parentWidget()
    return widget is not None


def nudge_selected(nudge: Nudge, dims: Dims, shown: ShownAcquisition) -> str:
    """Move or resize the selected ROIs, as one step of undo with those just before it.

    ROIs keep their size when they are moved and stay inside the image.

    Parameters
    ----------
    nudge : Nudge
        Where to.
    dims : Dims
        Of the viewer, for whether time runs down or to the right.
    shown : ShownAcquisition
        Whose ROIs.

    Returns
    -------
    str
        Where they are now, for the user.
    """
    sync, rois = shown.sync, shown.acq.rois
    if sync is None or not sync.selected_roi_ids:
        return "Select a ROI first; then the keys move it."
    if sync.is_drawing:
        return "Nothing was moved: finish the shape first."
    selected = [rois[roi_id] for roi_id in sync.selected_roi_ids if roi_id in rois]
    vertical, horizontal = dims.order[-2:]
    rows, columns = nudge.down, nudge.right
    if vertical > horizontal:
        rows, columns = columns, rows
    change = _resized if nudge.is_resize else _moved
    before = shown.acq.history.last_step
    with rois.batch():
        for roi in selected:
            rois.edit(roi.roi_id, change(roi.geometry, rows, columns, rois.image_bounds))
    ids = tuple(roi.roi_id for roi in selected)
    history, last = shown.acq.history, shown.last_nudge
    if history.last_step is not before:
        if last == LastNudge(before, ids, nudge.is_resize):
            history.join_last()
        shown.last_nudge = LastNudge(history.last_step, ids, nudge.is_resize)
    return _place([rois[roi_id] for roi_id in ids])


def _moved(geometry: RoiGeometry, rows: int, columns: int, image: ImageBounds) -> RoiGeometry:
    if isinstance(geometry, LineEndpoints):
        row_span, col_span = (geometry.row0, geometry.row1), (geometry.col0, geometry.col1)
        rows = _inside(rows, min(row_span), max(row_span), image.num_rows - 1)
        columns = _inside(columns, min(col_span), max(col_span), image.num_columns - 1)
        return LineEndpoints(
            geometry.row0 + rows,
            geometry.col0 + columns,
            geometry.row1 + rows,
            geometry.col1 + columns,
        )
    rows = _inside(rows, geometry.row_start, geometry.row_stop, image.num_rows)
    columns = _inside(columns, geometry.col_start, geometry.col_stop, image.num_columns)
    return RectRoiBounds(
        geometry.row_start + rows,
        geometry.row_stop + rows,
        geometry.col_start + columns,
        geometry.col_stop + columns,
    )


def _resized(geometry: RoiGeometry, rows: int, columns: int, image: ImageBounds) -> RoiGeometry:
    if isinstance(geometry, LineEndpoints):
        row = geometry.row1 + _inside(rows, geometry.row1, geometry.row1, image.num_rows - 1)
        col = geometry.col1 + _inside(columns, geometry.col1, geometry.col1, image.num_columns - 1)
        if (row, col) == (geometry.row0, geometry.col0):
            return geometry
        return LineEndpoints(geometry.row0, geometry.col0, row, col)
    return RectRoiBounds(
        geometry.row_start,
        _stop(geometry.row_start, geometry.row_stop, rows, image.num_rows),
        geometry.col_start,
        _stop(geometry.col_start, geometry.col_stop, columns, image.num_columns),
    )


def _inside(step: int, first: int, last: int, size: int) -> int:
    """Return as much of a step as leaves the first and the last end between 0 and `size`."""
    return min(max(step, -first), size - last)


def _stop(start: int, stop: int, step: int, size: int) -> int:
    fewest = min(start + MIN_EXTENT, stop)  # one that is narrower already gets no wider by it
    return min(max(stop + step, fewest), size)


def _place(rois: Sequence[Roi]) -> str:
    """Say where one ROI is, or which ones there are."""
    names = name_rois([roi.roi_id for roi in rois])
    if len(rois) != 1:
        return f"Selected: {names}."
    where = rois[0].geometry
    if isinstance(where, LineEndpoints):
        return (
            f"{names}: line {where.row0}, pixel {where.col0}"
            f" to line {where.row1}, pixel {where.col1}."
        )
    return (
        f"{names}: lines {where.row_start} to {where.row_stop - 1},"
        f" pixels {where.col_start} to {where.col_stop - 1}."
    )
