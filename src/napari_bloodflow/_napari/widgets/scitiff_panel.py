"""The metadata of a SciTiff file, to read."""

from __future__ import annotations

from typing import TYPE_CHECKING

from napari_bloodflow._napari.widgets.parts import Fold, text_label
from napari_bloodflow.acquisition.scitiff_layers import scitiff_rows

if TYPE_CHECKING:
    from qtpy.QtWidgets import QWidget

    from napari_bloodflow._napari.session import ViewerSession

__all__ = ["SciTiffPanel"]


class SciTiffPanel(Fold):
    """What a SciTiff file says of itself, closed at first, hidden for any other file.

    Parameters
    ----------
    session : ViewerSession
        What the viewer shows.
    parent : QWidget, optional
        Its parent.
    """

    def __init__(self, session: ViewerSession, parent: QWidget | None = None) -> None:
        super().__init__("scitiff_panel", parent)
        self._session = session
        self.set_title("SciTiff metadata")
        self._text = text_label("scitiff_text", self.content, wraps=True)
        self.body.addWidget(self._text)
        self.hide()

    def refresh(self) -> None:
        """Show the metadata of the active acquisition."""
        acq = self._session.acq
        scitiff = acq.images.scitiff if acq is not None else None
        rows = scitiff_rows(scitiff) if scitiff is not None else []
        text = "\n".join(f"{label}: {value}" for label, value in rows)
        if text != self._text.text():
            self._text.setText(text)
        self.setVisible(bool(rows))
