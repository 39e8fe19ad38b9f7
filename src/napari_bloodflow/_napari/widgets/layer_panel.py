"""Offers to measure the active layer where it is none of ours."""

from __future__ import annotations

from typing import TYPE_CHECKING

from napari.layers import Image
from qtpy.QtWidgets import QVBoxLayout, QWidget

from napari_bloodflow._napari.layers import mark_of
from napari_bloodflow._napari.use_layer import ask_about_active_layer, find_used, refusal
from napari_bloodflow._napari.widgets.parts import Notice, push_button

if TYPE_CHECKING:
    from napari_bloodflow._napari.session import ViewerSession

__all__ = ["LayerPanel"]

_MAX_NAME = 40


class LayerPanel(QWidget):
    """A sentence and a button about the active layer, hidden where it is ours or no image.

    Parameters
    ----------
    session : ViewerSession
        What the viewer shows.
    parent : QWidget, optional
        Its parent.
    """

    def __init__(self, session: ViewerSession, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.setObjectName("layer_panel")
        self._session = session
        self._notice = Notice("layer_notice", "alert", self)
        self._use = push_button("Use this layer…", "use_layer", "", self._on_use, self)
        self._notice.add_button(self._use)
        layout = QVBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.addWidget(self._notice)
        self.hide()

    def refresh(self) -> None:
        """Show what can be done with the active layer."""
        layer = self._session.viewer.layers.selection.active
        is_foreign = isinstance(layer, Image) and mark_of(layer) is None
        self.setVisible(is_foreign)
        if layer is None or not is_foreign:
            return
        name = "The selected layer"
        if not self._session.blinding.is_on:
            name = layer.name if len(layer.name) <= _MAX_NAME else f"{layer.name[:_MAX_NAME]}…"
        reason = "" if self._session.blinding.is_on else refusal(layer)
        is_used = find_used(layer, self._session) is not None
        if is_used:
            self._notice.say(f"{name} is measured already.")
            self._use.setText("Show it")
            tip = "Bring its kymograph and ROIs forward"
        else:
            self._notice.say(reason or f"{name} was not opened by Blood flow.")
            self._use.setText("Use this layer…")
            tip = "Draw ROIs on this layer and measure in it; the layer itself is not changed"
        self._use.setVisible(is_used or not reason)
        self._use.setToolTip(tip)

    def _on_use(self) -> None:
        ask_about_active_layer(self._session, self.window())
