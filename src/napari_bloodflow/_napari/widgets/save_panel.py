"""Saving, and word of what was saved."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from napari.utils.notifications import show_error
from qtpy.QtCore import QTimer
from qtpy.QtWidgets import QHBoxLayout, QVBoxLayout, QWidget

from napari_bloodflow._napari.widgets.parts import Notice, push_button
from napari_bloodflow.errors import SaveError

if TYPE_CHECKING:
    from napari_bloodflow._napari.session import ViewerSession
    from napari_bloodflow.acquisition.acq_image import AcqImage

__all__ = ["SavePanel"]

_CONFIRMATION_MS = 8000


class SavePanel(QWidget):
    """Save button of the active acquisition, and a line for what was just done.

    Parameters
    ----------
    session : ViewerSession
        What the viewer shows.
    parent : QWidget, optional
        Its parent.
    """

    def __init__(self, session: ViewerSession, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.setObjectName("save_panel")
        self._session = session
        self._acq: AcqImage | None = None
        self._message = Notice("dock_message", "done", self)
        self._save = push_button("Save", "save", "", self._on_save, self)
        self._fading = QTimer(self)
        self._fading.setSingleShot(True)
        self._fading.setInterval(_CONFIRMATION_MS)
        self._fading.timeout.connect(self._on_faded)
        row = QHBoxLayout()
        row.addWidget(self._save, 1)
        layout = QVBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.addWidget(self._message)
        layout.addLayout(row)

    def refresh(self) -> None:
        """Show whether there is something to save, and where it goes."""
        acq = self._session.acq
        if acq is not self._acq:
            self._acq = acq
            self._message.say("")
        is_dirty = acq is not None and acq.is_dirty
        self._save.setEnabled(is_dirty)
        if acq is None:
            return
        self._save.setText("Save" if is_dirty else "All saved")
        files = "\n".join(_file_names(acq))
        self._save.setToolTip(
            f"Write ROIs, metadata and results to\n{files}\n"
            f"in {Path(acq.path).parent}\nThe image itself is never written."
        )

    def say(self, text: str) -> None:
        """Tell for a while what was done, in the dock and in the status line."""
        self._message.say(text, "done")
        self._fading.start()
        self._session.viewer.status = text

    def _on_faded(self) -> None:
        self._message.say("")

    def _on_save(self) -> None:
        acq = self._session.acq
        if acq is None:
            return
        try:
            acq.save()
        except SaveError as error:
            self._fading.stop()
            self._message.say(f"Not saved. {error}", "error")
            show_error(f"{acq.name} was not saved. {error}")
            return
        names = [path.name for path in acq.get_sidecar_paths()]
        self.say(f"Saved {', '.join(names)}")


def _file_names(acq: AcqImage) -> list[str]:
    """Return the names of the files that hold, or will hold, what belongs to an acquisition."""
    tables = {
        f"{acq.name}.{analysis.key.analysis_name}.csv": None
        for analysis in acq.analysis_set
        if analysis.result.table is not None
    }
    present = {path.name: None for path in acq.get_sidecar_paths()}
    return list({Path(acq.get_sidecar_json_path()).name: None} | tables | present)
