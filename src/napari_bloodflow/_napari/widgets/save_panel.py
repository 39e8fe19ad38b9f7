"""Saving, and word of what was saved."""

from __future__ import annotations

from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING

from napari.utils.notifications import show_error
from qtpy.QtCore import QTimer
from qtpy.QtWidgets import QCheckBox, QFileDialog, QHBoxLayout, QVBoxLayout, QWidget

from napari_bloodflow._napari.image_file import ask_for_image_file
from napari_bloodflow._napari.use_layer import keep_using
from napari_bloodflow._napari.widgets.conflict_panel import ConflictPanel
from napari_bloodflow._napari.widgets.copy_saver import Copy, CopySaver
from napari_bloodflow._napari.widgets.list_loader import FileSaver
from napari_bloodflow._napari.widgets.parts import Notice, push_button
from napari_bloodflow.errors import SidecarConflict

if TYPE_CHECKING:
    from collections.abc import Callable

    from napari_bloodflow._napari.session import ViewerSession
    from napari_bloodflow.acquisition.acq_image import AcqImage
    from napari_bloodflow.acquisition.acq_image_list import SaveReport
    from napari_bloodflow.acquisition.pending_save import PendingCopy
    from napari_bloodflow.acquisition.sidecar_merge import Keep
    from napari_bloodflow.problems import Problem

__all__ = ["SavePanel"]

_CONFIRMATION_MS = 8000
_STRICT_TABLES_TIP = (
    "For folders shared with CloudScope: tables have CloudScope's columns only.\n"
    "It cannot save once it has run one of several ROIs again if there are others.\n"
    "Ours (status: why a window has no velocity) are left out of the files, and\n"
    "shown until the file is loaded again. Kept with the file when you save."
)


class SavePanel(QWidget):
    """Save button of the active acquisition, and a line for what was just done.

    Files are written in a thread; what is edited meanwhile stays unsaved.

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
        self._conflict = ConflictPanel(self)
        self._conflict.decided.connect(self._on_decided)
        self._save = push_button("Save", "save", "", self._on_save, self)
        self._saver = FileSaver(self)
        self._saver.ended.connect(self._on_saved)
        self._copier = CopySaver(self)
        self._copier.ended.connect(self._on_copied)
        self._saving: AcqImage | None = None
        self._problems_before: set[Problem] = set()
        self._fading = QTimer(self)
        self._fading.setSingleShot(True)
        self._fading.setInterval(_CONFIRMATION_MS)
        self._fading.timeout.connect(self._on_faded)
        self._strict_tables = QCheckBox("Strict tables", self)
        self._strict_tables.setObjectName("strict_tables")
        self._strict_tables.setToolTip(_STRICT_TABLES_TIP)
        self._strict_tables.clicked.connect(self._on_strict_tables)
        row = QHBoxLayout()
        row.addWidget(self._strict_tables)
        row.addWidget(self._save, 1)
        layout = QVBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.addWidget(self._message)
        layout.addWidget(self._conflict)
        layout.addLayout(row)

    def refresh(self) -> None:
        """Show whether there is something to save, and where it goes."""
        acq = self._session.acq
        if acq is not self._acq:
            self._acq = acq
            self._message.say("")
            self._conflict.clear()
        self._conflict.setEnabled(not self._is_saving)
        if acq is None:
            self._save.setEnabled(False)
            return
        self._strict_tables.setChecked(acq.strict_tables)
        is_dirty = acq.is_dirty
        if not is_dirty:
            self._conflict.clear()
        folder = Path(acq.path).parent
        if self._is_saving:
            self._save.setText("Saving…")
            tip = "What you edit meanwhile is saved the next time"
        elif acq.is_in_memory:
            self._save.setText("Save image…")
            tip = "Write the image as a TIFF file, with ROIs, metadata and results beside it"
        elif acq.read_only_reason:
            self._save.setText("Save a copy...")
            tip = f"{acq.get_sidecar_json_path()} {acq.read_only_reason}."
        else:
            self._save.setText("Save" if is_dirty else "All saved")
            files = "\n".join(_file_names(acq))
            tip = (
                f"Write ROIs, metadata and results to\n{files}\nin {folder}\n"
                "The image itself is never written."
            )
        self._save.setToolTip(self._session.blinding.clean(tip, acq))
        can_save = is_dirty or bool(acq.read_only_reason)
        self._save.setEnabled(can_save and not self._is_saving)

    @property
    def _is_saving(self) -> bool:
        return self._saver.is_running or self._copier.is_running

    def say(self, text: str) -> None:
        """Tell for a while what was done, in the dock and in the status line."""
        self._tell_done(self._acq, text)

    def _tell_done(self, acq: AcqImage | None, text: str) -> None:
        if acq is not None:
            text = self._session.blinding.clean(text, acq)
        if acq is self._acq:
            self._message.say(text, "done")
            self._fading.start()
        with suppress(RuntimeError):  # the viewer was closed while the file was written
            self._session.viewer.status = text

    def _tell_failure(self, acq: AcqImage, error: Exception) -> None:
        clean = self._session.blinding.clean
        if acq is self._acq:
            self._fading.stop()
            self._message.say(clean(f"Not saved. {error}", acq), "error")
        show_error(clean(f"{acq.name} was not saved. {error}", acq))

    def _on_faded(self) -> None:
        self._message.say("")

    def _on_strict_tables(self, is_checked: bool) -> None:
        if self._session.acq is not None:
            self._session.acq.strict_tables = is_checked

    def _on_save(self) -> None:
        acq = self._session.acq
        if acq is None:
            return
        if acq.is_in_memory:
            self._save_image(acq)
        elif acq.read_only_reason:
            self._save_copy(acq)
        else:
            self._save_keeping(acq, None)

    def _on_decided(self, choice: str) -> None:
        acq = self._session.acq
        if acq is None:
            return
        if choice == "reload":
            self._conflict.clear()
            acq.load_sidecar_json()
            self.say(f"{self._session.blinding.label_of(acq)}: loaded again from disk")
        else:
            self._save_keeping(acq, "both" if choice == "both" else "mine")

    def _save_image(self, acq: AcqImage) -> None:
        target = ask_for_image_file(self, acq)
        if target is not None:
            self._write_copy(acq, lambda: acq.begin_save_as(target), is_image=True)

    def _save_copy(self, acq: AcqImage) -> None:
        folder = Path(acq.path).parent
        proposed = folder / f"{Path(acq.path).stem}-copy{Path(acq.path).suffix}.json"
        chosen, _ = QFileDialog.getSaveFileName(
            self, "Save a copy of the sidecar files", str(proposed), "Sidecar (*.json)"
        )
        if chosen:
            self._write_copy(acq, lambda: acq.begin_copy(chosen), is_image=False)

    def _write_copy(
        self, acq: AcqImage, begin: Callable[[], PendingCopy], *, is_image: bool
    ) -> None:
        try:
            pending = begin()
        except (OSError, ValueError) as error:
            self._tell_failure(acq, error)
            return
        self._copier.start(Copy(acq, pending, is_image=is_image))
        self.refresh()

    def _on_copied(self, copy: Copy) -> None:
        acq, saved = copy.acq, copy.saved
        if copy.error is not None:
            self.refresh()
            self._tell_failure(acq, copy.error)
            if not isinstance(copy.error, (OSError, ValueError)):
                raise copy.error
            return
        paths, more = copy.written, ""
        if saved is not None:
            paths = [saved.image_path, *saved.get_sidecar_paths()]
            if copy.pending.is_present():
                with suppress(RuntimeError):  # the viewer was closed while the file was written
                    keep_using(self._session, acq, saved)
                acq = saved
            else:
                more = ". What was edited meanwhile is not in it, and still unsaved"
        # The dock turns to the saved file first, which clears what it says.
        self.refresh()
        self._tell_done(acq, f"Saved {', '.join(path.name for path in paths)}{more}")

    def _save_keeping(self, acq: AcqImage, keep: Keep | None) -> None:
        self._saving, self._problems_before = acq, set(acq.problems)
        self._saver.start([acq], keep)
        self.refresh()

    def _on_saved(self, report: SaveReport) -> None:
        acq, self._saving = self._saving, None
        self.refresh()
        if acq is None:
            return
        for _, error in report.failed:
            if isinstance(error, SidecarConflict) and acq is self._acq:
                self._message.say("")
                self._conflict.show_conflict(error)
            else:
                self._tell_failure(acq, error)
        if report.saved:
            self._tell_saved(acq)

    def _tell_saved(self, acq: AcqImage) -> None:
        if acq is self._acq:
            self._conflict.clear()
        names = [path.name for path in acq.get_sidecar_paths()]
        is_merged = bool(set(acq.problems) - self._problems_before)
        more = ", together with the changes of another program" if is_merged else ""
        if acq.columns_left_out:
            count = len(acq.columns_left_out)
            more = f", without {count} columns of ours{more}"
        self._tell_done(acq, f"Saved {', '.join(names)}{more}")


def _file_names(acq: AcqImage) -> list[str]:
    """Return the names of the files that hold, or will hold, what belongs to an acquisition."""
    tables = {
        f"{acq.name}.{analysis.key.analysis_name}.csv": None
        for analysis in acq.analysis_set
        if analysis.result.table is not None
    }
    present = {path.name: None for path in acq.get_sidecar_paths()}
    return list({Path(acq.get_sidecar_json_path()).name: None} | tables | present)
