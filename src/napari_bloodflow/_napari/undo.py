"""Undo and redo in the viewer: keys of our layers, and sentences about what was done."""

from __future__ import annotations

from typing import TYPE_CHECKING

from app_model.types import KeyCode, KeyMod

if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import TypeAlias

    from napari.layers import Layer

    from napari_bloodflow._napari.session import ShownAcquisition

    KeySlot: TypeAlias = Callable[[Callable[[ShownAcquisition], str], Layer], None]

__all__ = [
    "bind_undo_keys",
    "redo_edit",
    "unbind_undo_keys",
    "undo_edit",
    "undo_last",
    "undo_text",
]

_UNDO_KEYS = (KeyMod.CtrlCmd | KeyCode.KeyZ,)
# Ctrl+Y is napari's switch between 2D and 3D, which a kymograph has no use for.
_REDO_KEYS = (KeyMod.CtrlCmd | KeyMod.Shift | KeyCode.KeyZ, KeyMod.CtrlCmd | KeyCode.KeyY)
_LAYER_DELETED = "delete the ROI layer"


def bind_undo_keys(layer: Layer, slot: KeySlot) -> None:
    """Give Ctrl+Z, Ctrl+Shift+Z and Ctrl+Y a meaning while a layer is active.

    The keys of other layers stay as they are.

    Parameters
    ----------
    layer : Layer
        The layer.
    slot : callable
        Called with what is to be done with the acquisition of the layer, and the layer.
    """
    for keys, step in ((_UNDO_KEYS, undo_last), (_REDO_KEYS, redo_edit)):
        for key in keys:
            layer.bind_key(key, lambda layer, step=step: slot(step, layer), overwrite=True)


def unbind_undo_keys(layer: Layer) -> None:
    """Give the keys of a layer back to napari."""
    for key in (*_UNDO_KEYS, *_REDO_KEYS):
        layer.bind_key(key, None)


def undo_text(shown: ShownAcquisition) -> str:
    """Say what :func:`undo_last` would take back; empty if there is nothing."""
    return _LAYER_DELETED if _is_layer_next(shown) else shown.acq.history.undo_text


def undo_last(shown: ShownAcquisition) -> str:
    """Take back the last edit of an acquisition, or bring back its ROI layer if that went last."""
    if shown.lost_rois is None or not _is_layer_next(shown):
        return undo_edit(shown)
    shown.lost_rois.bring_back()
    return f"Undone: {_LAYER_DELETED}."


def undo_edit(shown: ShownAcquisition) -> str:
    """Take back the last edit of an acquisition and say what it was."""
    if _is_drawing(shown):
        return "Nothing was undone: finish the shape first."
    num_results = _count_results(shown)
    text = shown.acq.history.undo()
    if not text:
        return "There is nothing to undo."
    if _count_results(shown) < num_results:
        return f"Undone: {text}, with what was measured there. Redo brings it back."
    return f"Undone: {text}."


def redo_edit(shown: ShownAcquisition) -> str:
    """Make the edit again that was taken back last and say what it was."""
    if _is_drawing(shown):
        return "Nothing was redone: finish the shape first."
    text = shown.acq.history.redo()
    return f"Redone: {text}." if text else "There is nothing to redo."


def _is_layer_next(shown: ShownAcquisition) -> bool:
    lost = shown.lost_rois
    return lost is not None and lost.last_step is shown.acq.history.last_step


def _is_drawing(shown: ShownAcquisition) -> bool:
    return shown.sync is not None and shown.sync.is_drawing


def _count_results(shown: ShownAcquisition) -> int:
    return sum(analysis.has_results for analysis in shown.acq.analysis_set)
