"""The Acquisitions dock: many files in a table, shown one after the other, and saved together."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

from qtpy.QtCore import QEvent, QSize, QTimer
from qtpy.QtWidgets import (
    QCheckBox,
    QComboBox,
    QHBoxLayout,
    QLineEdit,
    QProgressBar,
    QSizePolicy,
    QVBoxLayout,
)
from superqt import QElidingLabel

from napari_bloodflow._napari.close_guard import settle_unsaved
from napari_bloodflow._napari.widgets.file_opener import FileOpener
from napari_bloodflow._napari.widgets.file_table import FILTERS, FileTableView
from napari_bloodflow._napari.widgets.file_tree import FileTreeModel
from napari_bloodflow._napari.widgets.list_loader import FileSaver, ListLoader
from napari_bloodflow._napari.widgets.parts import Notice, push_button
from napari_bloodflow._napari.widgets.session_dock import SessionDock
from napari_bloodflow._napari.widgets.shuffle_switch import ShuffleSwitch
from napari_bloodflow._napari.widgets.source_bar import SourceBar, remember_source
from napari_bloodflow._napari.workbench import show_dock_of

if TYPE_CHECKING:
    from collections.abc import Sequence

    from napari.components import ViewerModel
    from qtpy.QtGui import QDragEnterEvent, QDropEvent

    from napari_bloodflow._napari.widgets.file_rows import Branch
    from napari_bloodflow._napari.widgets.session_dock import Slots
    from napari_bloodflow.acquisition.acq_image import AcqImage
    from napari_bloodflow.acquisition.acq_image_list import AcqImageList, SaveReport
    from napari_bloodflow.acquisition.file_search import ListWarning
    from napari_bloodflow.acquisition.listed_file import FileFacts, ListedFile
    from napari_bloodflow.analysis.base import Progress

__all__ = ["AcquisitionsDock"]

_CONFIRMATION_MS = 8000
_COUNTING_MS = 300


class _Watch:
    """Collects which files have changed; signals of acquisitions do not tell."""

    def __init__(self, number: int, changed: set[int]) -> None:
        self._number = number
        self._changed = changed

    def note(self) -> None:
        """Say that it has changed."""
        self._changed.add(self._number)


class AcquisitionsDock(SessionDock):
    """Lists the kymographs of a folder, and shows the one that the user goes to.

    Parameters
    ----------
    napari_viewer : napari.Viewer
        The viewer, or the proxy of it that napari hands out.
    """

    def __init__(self, napari_viewer: ViewerModel) -> None:
        super().__init__(napari_viewer)
        self.setObjectName("acquisitions_dock")
        self.setAcceptDrops(True)
        self.setSizePolicy(QSizePolicy.Policy.Preferred, QSizePolicy.Policy.Preferred)
        self._workspace = self._session.workspace
        self._sources: list[Path] = []
        self._wanted: ListedFile | None = None
        self._wanted_branch: tuple[ListedFile, Branch] | None = None
        self._is_about_file = False
        self._changed: set[int] = set()
        self._watches: dict[tuple[int, AcqImage], _Watch] = {}
        self._usual_title = self._own_title = self._session.viewer.title
        self._loader = ListLoader(self)
        self._loader.listed.connect(self._on_listed)
        self._loader.looked.connect(self._on_looked)
        self._loader.ended.connect(self._on_search_ended)
        self._saver = FileSaver(self)
        self._saver.progressed.connect(self._on_save_progress)
        self._saver.ended.connect(self._on_saved)
        self._opener = FileOpener(self._workspace, self)
        self._opener.ready.connect(self._show)
        self._showing = QTimer(self)
        self._showing.setSingleShot(True)
        self._showing.setInterval(0)
        self._showing.timeout.connect(self._show_wanted)
        # With thousands of files, to count them anew for each one that was read takes long.
        self._counting = QTimer(self)
        self._counting.setSingleShot(True)
        self._counting.setInterval(_COUNTING_MS)
        self._counting.timeout.connect(self._refresh)
        self._fading = QTimer(self)
        self._fading.setSingleShot(True)
        self._fading.setInterval(_CONFIRMATION_MS)
        self._fading.timeout.connect(self._on_faded)
        self._make_parts()
        self._arrange()

    def _make_parts(self) -> None:
        self._source_bar = SourceBar(self)
        self._source_bar.chosen.connect(self.open_sources)
        self._source_bar.reload_asked.connect(self._on_reload)
        self._search = QLineEdit(self)
        self._search.setObjectName("file_filter")
        self._search.setPlaceholderText("Filter")
        self._search.setAccessibleName("Filter")
        self._search.setToolTip("Show files in which all these words occur")
        self._search.setClearButtonEnabled(True)
        self._search.textChanged.connect(self._on_filter)
        self._kind = QComboBox(self)
        self._kind.setObjectName("file_kind")
        self._kind.setAccessibleName("Which files")
        self._kind.setToolTip("Show only files of this kind")
        self._kind.addItems(list(FILTERS))
        self._kind.currentTextChanged.connect(self._on_filter)
        self._model = FileTreeModel(self._session.blinding, self)
        self._model.accept_asked.connect(self._on_accept_asked)
        self._table = FileTableView(self._model, self)
        self._table.current_changed.connect(self._on_current_changed)
        self._table.picked.connect(self._on_picked)
        self._columns = push_button(
            "Columns", "choose_columns", "Show and hide columns", self._on_columns, self
        )
        self._count = QElidingLabel(self)
        self._count.setObjectName("file_count")
        self._message = Notice("list_message", "done", self)
        self._progress = QProgressBar(self)
        self._progress.setObjectName("list_progress")
        self._progress.setTextVisible(False)
        self._progress.setMaximumHeight(8)
        self._progress.hide()
        self._cancel = push_button(
            "Cancel", "cancel_list_work", "Stop after the present file", self._on_cancel, self
        )
        self._cancel.hide()
        self._blind = QCheckBox("Blind", self)
        self._blind.setObjectName("blind")
        self._blind.setToolTip(
            "Hide file names, folders and metadata: files are called File 1, File 2...\n"
            "The same files have the same numbers tomorrow, in an order unlike that of their names."
        )
        self._blind.clicked.connect(self._on_blind)
        self._shuffle = ShuffleSwitch(self)
        self._shuffle.changed.connect(self._on_shuffle)
        self._table.resorted.connect(self._on_resorted)
        self._save_selected = push_button(
            "Save selected",
            "save_selected",
            "Save the selected files that have unsaved changes",
            self._on_save_selected,
            self,
        )
        self._save_all = push_button(
            "Save all",
            "save_all",
            "Save every file that has unsaved changes",
            self._on_save_all,
            self,
        )

    def _arrange(self) -> None:
        filters = QHBoxLayout()
        filters.setSpacing(4)
        filters.addWidget(self._search, 1)
        filters.addWidget(self._kind)
        filters.addWidget(self._columns)
        status = QHBoxLayout()
        status.addWidget(self._count, 1)
        status.addWidget(self._progress, 1)
        status.addWidget(self._cancel)
        status.addWidget(self._shuffle)
        actions = QHBoxLayout()
        actions.addWidget(self._blind)
        actions.addStretch(1)
        actions.addWidget(self._save_selected)
        actions.addWidget(self._save_all)
        layout = QVBoxLayout(self)
        layout.setContentsMargins(6, 6, 6, 6)
        layout.setSpacing(6)
        layout.addWidget(self._source_bar)
        layout.addLayout(filters)
        layout.addWidget(self._table, 1)
        layout.addWidget(self._message)
        layout.addLayout(status)
        layout.addLayout(actions)

    def sizeHint(self) -> QSize:
        """Return a size that leaves room for the canvas in a window of 1400 x 900."""
        return QSize(380, 380)

    def minimumSizeHint(self) -> QSize:
        """Return a size in which some rows are seen, the rest by scrolling."""
        return QSize(360, 200)

    # ---- following

    def event(self, event: QEvent | None) -> bool:
        """End the search when napari takes the widget out of its closed dock."""
        if event is not None and event.type() == QEvent.Type.ParentChange and not self.parent():
            self._loader.cancel()
            self._opener.cancel()
        return super().event(event)

    def _session_slots(self) -> Slots:
        workspace = self._workspace
        return (
            *super()._session_slots(),
            (self._session.active_changed, self._follow_active),
            (workspace.opened, self._on_layers_changed),
            (workspace.files_changed, self._on_files_changed),
            (self._session.blinding.changed, self._on_files_changed),
        )

    def _wanted_slots(self) -> Slots:
        watches = {}
        for number, file in enumerate(self._workspace.files):
            if file.acq is not None:
                key = number, file.acq
                watches[key] = self._watches.get(key) or _Watch(number, self._changed)
        self._watches = watches
        slots: list[tuple[Any, Any]] = [(acq.changed, w.note) for (_, acq), w in watches.items()]
        active = self._session.acq
        acqs = dict.fromkeys([*(acq for _, acq in watches), *([] if active is None else [active])])
        return tuple(slots + [(acq.changed, self._schedule) for acq in acqs])

    def _on_shown(self) -> None:
        self._on_files_changed()
        super()._on_shown()
        self._follow_active()

    def _on_hidden(self) -> None:
        super()._on_hidden()
        self._opener.cancel()
        for timer in (self._counting, self._showing):
            timer.stop()

    def _on_files_changed(self) -> None:
        self._model.set_files(self._workspace.files)
        if self._shuffle.is_on:
            self._on_shuffle()
        self._follow_active()
        self._on_layers_changed()

    def _follow_active(self) -> None:
        acq = self._session.acq
        self._table.follow(None if acq is None else self._workspace.find(acq))

    def _refresh(self) -> None:
        changed = [number for number in self._changed if number < len(self._model.files)]
        self._changed.clear()
        self._model.refresh_rows(changed)
        self._model.refresh_loaded()
        blinding = self._session.blinding
        self._source_bar.show_sources(self._sources, is_blinded=blinding.is_on)
        self._blind.setChecked(blinding.is_on)
        unsaved = self._workspace.unsaved
        is_busy = self._saver.is_running
        selected = [file for file in self._workspace.selected if file.is_dirty]
        self._save_selected.setEnabled(bool(selected) and not is_busy)
        self._save_all.setEnabled(bool(unsaved) and not is_busy)
        count = len(unsaved)
        self._save_all.setText(f"Save all ({count})" if count else "Save all")
        self._count.setText(self._describe_count(count))
        self._show_title()

    def _describe_count(self, num_unsaved: int) -> str:
        files = self._workspace.files
        if not files:
            return ""
        parts = [f"{len(files)} file{'s' * (len(files) != 1)}"]
        num_shown = self._table.filtered.rowCount()
        if num_shown != len(files):
            parts.insert(0, f"{num_shown} of")
        text = " ".join(parts)
        num_bad = sum(file.warning is not None for file in files)
        text += f", {num_unsaved} unsaved" if num_unsaved else ""
        return text + (f", {num_bad} cannot be opened" if num_bad else "")

    def _show_title(self) -> None:
        """Name the file in the title of the window while a file of the list is shown."""
        viewer, acq = self._session.viewer, self._session.acq
        if viewer.title != self._own_title:
            self._usual_title = viewer.title
        if acq is None or self._workspace.find(acq) is None:
            self._own_title = self._usual_title
        else:
            mark = "● " if acq.is_dirty else ""
            label = self._session.blinding.label_of(acq)
            self._own_title = f"{mark}{label} - {self._usual_title}"
        if viewer.title != self._own_title:
            viewer.title = self._own_title

    # ---- files in

    def dragEnterEvent(self, event: QDragEnterEvent | None) -> None:
        """Take files and folders."""
        mime = None if event is None else event.mimeData()
        if event is not None and mime is not None and any(u.isLocalFile() for u in mime.urls()):
            event.acceptProposedAction()

    def dropEvent(self, event: QDropEvent | None) -> None:
        """List what was dropped."""
        mime = None if event is None else event.mimeData()
        if event is None or mime is None:
            return
        paths = [Path(url.toLocalFile()) for url in mime.urls() if url.isLocalFile()]
        event.acceptProposedAction()
        self.open_sources(paths)

    def open_sources(self, paths: Sequence[Path]) -> None:
        """List the kymographs of folders, files and manifests, in place of the present list."""
        if not paths or not self._may_replace():
            return
        self._sources = list(paths)
        self._say("")
        self._progress.setRange(0, 0)
        self._progress.show()
        self._cancel.show()
        self._loader.start(self._sources, self._source_bar.folder_depth)

    def _may_replace(self) -> bool:
        unsaved = [file.acq for file in self._workspace.files if file.acq and file.is_dirty]
        return settle_unsaved(self._session, self, unsaved, "listing others")

    def _on_reload(self) -> None:
        self.open_sources(self._sources)

    def _on_listed(self, acqs: AcqImageList) -> None:
        # Something may have been edited while the search was on.
        if not self._may_replace():
            self._loader.cancel()
            return
        self._workspace.take(acqs)
        source = self._sources[0]
        if len(self._sources) == 1 and (source.is_dir() or source.suffix.lower() == ".csv"):
            remember_source(source)
        self._progress.setRange(0, max(1, len(acqs.files)))
        first = next((file for file in self._table.files if file.warning is None), None)
        if self._session.active is None and first is not None:
            self._table.follow(first)
            self._wanted = first
            self._showing.start()
        if not acqs.files and not acqs.warnings:
            self._say("There is no kymograph (.tif, .tiff, .czi, .nd2) here.", "alert")
        elif others := [warning for warning in acqs.warnings if warning not in _of_files(acqs)]:
            more = f"; and {len(others) - 1} more" if len(others) > 1 else ""
            is_blinded = self._session.blinding.is_on
            text = "Some rows or folders were left out" if is_blinded else f"{others[0]}{more}"
            self._say(text, "alert")

    def _on_looked(self, number: int, found: FileFacts | ListWarning) -> None:
        files = self._model.files
        if number < len(files):
            files[number].note(found)
            self._model.refresh_rows([number])
            self._progress.setValue(number + 1)
            if not self._counting.isActive():
                self._counting.start()

    def _on_search_ended(self, error: str) -> None:
        self._end_work()
        if error:
            self._say(error, "error")

    # ---- browsing

    def _on_current_changed(self, file: ListedFile, branch: Branch | None) -> None:
        self._wanted = file
        self._wanted_branch = None if branch is None else (file, branch)
        self._showing.start()

    def _show_wanted(self) -> None:
        file, self._wanted = self._wanted, None
        if file is not None:
            self._opener.open(file)

    def _show(self, file: ListedFile) -> None:
        blinding = self._session.blinding
        try:
            self._workspace.show(file)
        except (OSError, ValueError) as error:
            reason = "it cannot be opened" if blinding.is_on else str(error)
            self._say(f"{blinding.label(file.path)}: {reason}", "error")
            self._is_about_file = True
            self._model.refresh_rows([self._model.files.index(file)])
            return
        if self._is_about_file:
            self._say("")
        if self._wanted_branch is not None and self._wanted_branch[0] is file:
            self._go_to(self._wanted_branch[1])

    def _go_to(self, branch: Branch) -> None:
        """Select a ROI of the file that is shown, and bring the dock of an analysis forward."""
        self._wanted_branch = None
        active = self._session.active
        if active is None or branch.roi_id not in active.acq.rois:
            return
        if active.sync is not None:
            active.sync.select([branch.roi_id])
        if branch.key is not None:
            self._workspace.want_result(branch.key)
            show_dock_of(self._session.viewer, branch.key.analysis_name)

    def _on_picked(self) -> None:
        self._workspace.select(self._table.selected_files)
        self._schedule()

    def _on_accept_asked(self, file: ListedFile, is_accepted: bool) -> None:
        self._workspace.open(file).accepted = is_accepted
        self._workspace.tidy()

    def _on_filter(self) -> None:
        self._table.filtered.set_filter(self._search.text(), self._kind.currentText())
        self._schedule()

    def _on_columns(self) -> None:
        menu = self._table.make_column_menu()
        menu.popup(self._columns.mapToGlobal(self._columns.rect().bottomLeft()))

    def _on_blind(self, is_on: bool) -> None:
        self._session.blinding.is_on = is_on
        if is_on and not self._shuffle.is_on:
            # In the order of their names, the files would tell which is which.
            self._table.sort_by_name()

    def _on_shuffle(self) -> None:
        acqs = self._workspace.acqs
        if self._shuffle.is_on and acqs is not None:
            self._table.shuffle(acqs.shuffled(self._shuffle.seed))
            return
        self._table.shuffle(())
        if self._session.blinding.is_on:
            self._table.sort_by_name()
        else:
            self._table.sort_as_listed()

    def _on_resorted(self) -> None:
        """Let go of the shuffled order when the user sorts by something else."""
        if self._shuffle.is_on and not self._table.is_shuffled:
            self._shuffle.switch_off()
            self._table.shuffle(())

    # ---- saving

    def _on_save_selected(self) -> None:
        self._save([file.acq for file in self._workspace.selected if file.acq is not None])

    def _on_save_all(self) -> None:
        self._save(self._workspace.unsaved)

    def _save(self, acqs: Sequence[AcqImage]) -> None:
        self._say("")
        self._saver.start(acqs)
        self._progress.show()
        self._cancel.show()
        self._schedule()

    def _on_save_progress(self, progress: Progress) -> None:
        self._progress.setRange(0, progress.total)
        self._progress.setValue(progress.done)

    def _on_saved(self, report: SaveReport) -> None:
        self._end_work()
        self._workspace.tidy()
        self._schedule()
        blinding = self._session.blinding
        text = f"Saved {len(report.saved)} file{'s' * (len(report.saved) != 1)}."
        if report.not_reached:
            text += f" {len(report.not_reached)} left unsaved."
        if not report.failed:
            self._say(text, "done")
            return
        path, error = report.failed[0]
        why = "see it in the Acquisition dock" if blinding.is_on else str(error)
        more = f" {len(report.failed) - 1} others were not saved either."
        text += f" {blinding.label(path)} was not saved: {why}."
        self._say(text + (more if len(report.failed) > 1 else ""), "error")

    # ---- telling

    def _on_cancel(self) -> None:
        self._loader.cancel()
        self._saver.cancel()

    def _end_work(self) -> None:
        if not (self._loader.is_running or self._saver.is_running):
            self._progress.hide()
            self._cancel.hide()

    def _say(self, text: str, kind: str = "done") -> None:
        self._fading.stop()
        self._is_about_file = False
        self._message.say(text, kind)  # type: ignore[arg-type]
        if text and kind == "done":
            self._fading.start()

    def _on_faded(self) -> None:
        self._message.say("")


def _of_files(acqs: AcqImageList) -> list[ListWarning]:
    return [file.warning for file in acqs.files if file.warning is not None]
