"""Which folder or files are listed, and how to choose others."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from qtpy.QtCore import QSettings, Qt, Signal
from qtpy.QtWidgets import (
    QFileDialog,
    QHBoxLayout,
    QMenu,
    QSpinBox,
    QVBoxLayout,
    QWidget,
)
from superqt import QElidingLabel

from napari_bloodflow._napari.widgets.parts import push_button
from napari_bloodflow.acquisition.file_search import DEFAULT_DEPTH

if TYPE_CHECKING:
    from collections.abc import Sequence

    from qtpy.QtGui import QAction


__all__ = ["SourceBar", "remember_source"]

_MAX_RECENT = 15
_RECENT_KEY = "recent_sources"
_FILTER = "Kymographs and lists (*.tif *.tiff *.TIF *.TIFF *.czi *.nd2 *.xml *.csv)"


def _settings() -> QSettings:
    return QSettings("napari-bloodflow", "napari-bloodflow")


def recent_sources() -> list[str]:
    """Return the folders and manifests that were listed last, the latest first."""
    stored = _settings().value(_RECENT_KEY)
    found = [stored] if isinstance(stored, str) else list(stored or [])
    return [str(path) for path in found if path]


def remember_source(path: Path) -> None:
    """Put a folder or a manifest at the head of the recent ones."""
    paths = [str(path), *(other for other in recent_sources() if other != str(path))]
    _settings().setValue(_RECENT_KEY, paths[:_MAX_RECENT])


class SourceBar(QWidget):
    """Buttons that choose a folder or files, recent ones, and the name of what is listed.

    Parameters
    ----------
    parent : QWidget, optional
        Its parent.

    Attributes
    ----------
    chosen : Signal
        Emitted with a list of paths to list.
    reload_asked : Signal
        Emitted when what is listed is to be looked into again.
    """

    chosen = Signal(list)
    reload_asked = Signal()

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.setObjectName("source_bar")
        self._recent_menu = QMenu(self)
        self._recent_menu.setObjectName("recent_menu")
        self._recent_menu.aboutToShow.connect(self._fill_recent)
        self._recent_menu.triggered.connect(self._on_recent)
        recent_tip = "Folders and lists that were open before"
        self._recent = push_button("Recent", "recent_sources", recent_tip, self._on_show, self)
        self._depth = QSpinBox(self)
        self._depth.setObjectName("folder_depth")
        self._depth.setAccessibleName("Levels of folders")
        self._depth.setRange(1, 20)
        self._depth.setValue(DEFAULT_DEPTH)
        self._depth.setPrefix("Levels ")
        self._depth.setToolTip("Levels of folders to search; 1 is the folder itself")
        self._reload = push_button(
            "Reload",
            "reload_list",
            "Search again, and look into all files again",
            self.reload_asked.emit,
            self,
        )
        self._reload.setEnabled(False)
        self._label = QElidingLabel(self)
        self._label.setObjectName("source_label")
        self._label.setElideMode(Qt.TextElideMode.ElideMiddle)
        buttons = QHBoxLayout()
        buttons.setSpacing(4)
        folder_tip = "List the kymographs of a folder and of the folders in it"
        files_tip = "List some kymographs, or what a CSV table with a column _rel_path names"
        buttons.addWidget(
            push_button("Folder…", "choose_folder", folder_tip, self._on_folder, self)
        )
        buttons.addWidget(push_button("Files…", "choose_files", files_tip, self._on_files, self))
        buttons.addWidget(self._recent)
        buttons.addStretch(1)
        buttons.addWidget(self._depth)
        buttons.addWidget(self._reload)
        layout = QVBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.setSpacing(4)
        layout.addLayout(buttons)
        layout.addWidget(self._label)

    @property
    def folder_depth(self) -> int:
        """Levels of folders to search."""
        return self._depth.value()

    def show_sources(self, sources: Sequence[Path], *, is_blinded: bool) -> None:
        """Show what is listed; nothing of it, and no recent ones, while names are hidden."""
        self._reload.setEnabled(bool(sources))
        self._recent.setEnabled(not is_blinded)
        if not sources:
            text = tip = ""
        elif is_blinded:
            text, tip = "Names are hidden", ""
        else:
            tip = "\n".join(map(str, sources))
            text = str(sources[0]) if len(sources) == 1 else f"{len(sources)} chosen paths"
        self._label.setText(text)
        self._label.setToolTip(tip)
        self._label.setVisible(bool(text))

    def _on_folder(self) -> None:
        folder = QFileDialog.getExistingDirectory(self, "Folder of kymographs", _last_folder())
        if folder:
            self.chosen.emit([Path(folder)])

    def _on_files(self) -> None:
        paths, _ = QFileDialog.getOpenFileNames(self, "Kymographs", _last_folder(), _FILTER)
        if paths:
            self.chosen.emit([Path(path) for path in paths])

    def _on_show(self) -> None:
        self._recent_menu.popup(self._recent.mapToGlobal(self._recent.rect().bottomLeft()))

    def _fill_recent(self) -> None:
        self._recent_menu.clear()
        for path in recent_sources():
            self._recent_menu.addAction(path)
        if self._recent_menu.isEmpty():
            none = self._recent_menu.addAction("None yet")
            if none is not None:
                none.setEnabled(False)
            return
        self._recent_menu.addSeparator()
        clear = self._recent_menu.addAction("Clear this list")
        if clear is not None:
            clear.setData("clear")

    def _on_recent(self, action: QAction) -> None:
        if action.data() == "clear":
            _settings().remove(_RECENT_KEY)
        else:
            self.chosen.emit([Path(action.text())])


def _last_folder() -> str:
    recent = recent_sources()
    return recent[0] if recent else ""
