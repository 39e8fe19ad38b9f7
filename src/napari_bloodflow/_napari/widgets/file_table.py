"""The table of files: a Qt model, its sorting and filtering, and its view."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from qtpy.QtCore import (
    QAbstractTableModel,
    QItemSelectionModel,
    QModelIndex,
    QSortFilterProxyModel,
    Qt,
    Signal,
)
from qtpy.QtGui import QPainter, QPalette
from qtpy.QtWidgets import (
    QAbstractItemView,
    QHeaderView,
    QMenu,
    QStyledItemDelegate,
    QStyleOptionViewItem,
    QTableView,
    QWidget,
)

from napari_bloodflow._napari.widgets.file_rows import COLUMNS, FileRow, file_row, sort_key
from napari_bloodflow._napari.widgets.parts import alert_text_color

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from qtpy.QtCore import QPoint
    from qtpy.QtGui import QKeyEvent, QPaintEvent

    from napari_bloodflow._napari.blinding import Blinding
    from napari_bloodflow.acquisition.listed_file import ListedFile

__all__ = ["FILTERS", "FileTableModel", "FileTableView", "FilteredFiles"]

_NAMES = [column.name for column in COLUMNS]
_STATE, _NAME, _ACCEPT = (_NAMES.index(name) for name in ("state", "name", "accept"))
_GLYPHS = {"unread": "…", "bad": "✕", "unsaved": "●", "stale": "◐", "problem": "⚠", "fine": ""}
_STATES = list(_GLYPHS)
_NUMBERS = frozenset({"num_rois", "num_stale", "num_problems", "num_channels"})
_EMPTY = "Drop a folder, kymographs or a\nCSV table of paths here."
_Role = Qt.ItemDataRole
_ROOT = QModelIndex()

SORT_ROLE = int(_Role.UserRole) + 1
ALERT_ROLE = int(_Role.UserRole) + 2

FILTERS = {
    "All files": lambda row: True,
    "Unsaved": lambda row: row.state == "unsaved",
    "With results": lambda row: bool(row.values["results"]),
    "Without results": lambda row: (
        row.values["results"] == "" and row.state not in ("unread", "bad")
    ),
    "With stale results": lambda row: bool(row.values["num_stale"]),
    "With problems": lambda row: row.state == "bad" or bool(row.values["num_problems"]),
    "Accepted": lambda row: row.values["accept"] is True,
    "Rejected": lambda row: row.values["accept"] is False,
}
"""Which rows are shown, by the name of the choice."""


class FileTableModel(QAbstractTableModel):
    """Rows of files in the order of their list.

    Parameters
    ----------
    blinding : Blinding
        What files are called.
    parent : QWidget, optional
        Its parent.

    Attributes
    ----------
    accept_asked : Signal
        Emitted with a file and the mark that the user gave it.
    """

    accept_asked = Signal(object, bool)

    def __init__(self, blinding: Blinding, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._blinding = blinding
        self._files: tuple[ListedFile, ...] = ()
        self._rows: list[FileRow] = []

    @property
    def files(self) -> tuple[ListedFile, ...]:
        """The files, row by row."""
        return self._files

    @property
    def rows(self) -> Sequence[FileRow]:
        """What is shown of them."""
        return self._rows

    def set_files(self, files: Sequence[ListedFile]) -> None:
        """Show another list."""
        self.beginResetModel()
        self._files = tuple(files)
        self._rows = [file_row(file, self._blinding) for file in self._files]
        self.endResetModel()

    def refresh_rows(self, numbers: Iterable[int]) -> None:
        """Show the present state of some files; only what differs is announced."""
        for number in numbers:
            row = file_row(self._files[number], self._blinding)
            if row != self._rows[number]:
                self._rows[number] = row
                last = len(COLUMNS) - 1
                self.dataChanged.emit(self.index(number, 0), self.index(number, last))

    def refresh_loaded(self) -> None:
        """Show which files were opened or let go of."""
        self.refresh_rows(
            number
            for number, (file, row) in enumerate(zip(self._files, self._rows, strict=True))
            if (file.acq is not None) != bool(row.values["loaded"])
        )

    def rowCount(self, parent: QModelIndex = _ROOT) -> int:
        """Return the number of files."""
        return 0 if parent.isValid() else len(self._rows)

    def columnCount(self, parent: QModelIndex = _ROOT) -> int:
        """Return the number of columns."""
        return 0 if parent.isValid() else len(COLUMNS)

    def data(self, index: QModelIndex, role: int = _Role.DisplayRole) -> Any:
        """Return what a cell shows."""
        if not index.isValid():
            return None
        row, name = self._rows[index.row()], _NAMES[index.column()]
        if role == _Role.ToolTipRole:
            return row.tip
        if name == "state":
            if role == SORT_ROLE:
                return _STATES.index(row.state)
            if role == ALERT_ROLE:
                return row.state not in ("fine", "unread")
            if role == _Role.AccessibleTextRole:
                return row.state
            return _GLYPHS[row.state] if role == _Role.DisplayRole else None
        value = row.values[name]
        if role == SORT_ROLE:
            return sort_key(value)
        if name == "accept":
            if role == _Role.CheckStateRole and value is not None:
                return Qt.CheckState.Checked if value else Qt.CheckState.Unchecked
            return None
        if role == ALERT_ROLE:
            return row.state == "bad" or (name in ("num_stale", "num_problems") and bool(value))
        if role == _Role.TextAlignmentRole and name in _NUMBERS:
            return Qt.AlignmentFlag.AlignRight | Qt.AlignmentFlag.AlignVCenter
        if role == _Role.DisplayRole:
            return _shown(value)
        return None

    def headerData(
        self, section: int, orientation: Qt.Orientation, role: int = _Role.DisplayRole
    ) -> Any:
        """Return a heading."""
        if orientation != Qt.Orientation.Horizontal:
            return None
        if role == _Role.DisplayRole:
            return COLUMNS[section].title
        if role == _Role.TextAlignmentRole and _NAMES[section] in _NUMBERS:
            return Qt.AlignmentFlag.AlignRight | Qt.AlignmentFlag.AlignVCenter
        return COLUMNS[section].tip or None if role == _Role.ToolTipRole else None

    def flags(self, index: QModelIndex) -> Qt.ItemFlag:
        """Let the mark be changed."""
        flags = super().flags(index)
        is_mark = index.column() == _ACCEPT and index.isValid()
        if is_mark and self._rows[index.row()].values["accept"] is not None:
            return flags | Qt.ItemFlag.ItemIsUserCheckable
        return flags

    def setData(self, index: QModelIndex, value: Any, role: int = _Role.EditRole) -> bool:
        """Ask for another mark; the cell shows it once the file has it."""
        if role != _Role.CheckStateRole or index.column() != _ACCEPT:
            return False
        is_accepted = Qt.CheckState(value) == Qt.CheckState.Checked
        self.accept_asked.emit(self._files[index.row()], is_accepted)
        return True


def _shown(value: Any) -> str:
    if isinstance(value, bool):
        return "yes" if value else "no"
    return "" if value is None or value == 0 else str(value)


class FilteredFiles(QSortFilterProxyModel):
    """Sorts and filters the rows of a :class:`FileTableModel`.

    Parameters
    ----------
    source : FileTableModel
        The rows.
    parent : QWidget, optional
        Its parent.
    """

    def __init__(self, source: FileTableModel, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._source = source
        self._words: tuple[str, ...] = ()
        self._kind = next(iter(FILTERS))
        self.setSortRole(SORT_ROLE)
        self.setSourceModel(source)

    def set_filter(self, text: str, kind: str) -> None:
        """Show the rows in which every word of a text occurs, and that are of a kind."""
        words = tuple(text.casefold().split())
        if not hasattr(self, "endFilterChange"):  # Qt before 6.10
            self._words, self._kind = words, kind
            self.invalidateFilter()
            return
        self.beginFilterChange()
        self._words, self._kind = words, kind
        self.endFilterChange(QSortFilterProxyModel.Direction.Rows)

    def filterAcceptsRow(self, source_row: int, source_parent: QModelIndex) -> bool:
        """Tell whether a row is shown."""
        row = self._source.rows[source_row]
        if not FILTERS[self._kind](row):
            return False
        text = row.search_text.casefold() if self._words else ""
        return all(word in text for word in self._words)


class _AlertDelegate(QStyledItemDelegate):
    """Draws what needs attention in a colour that stands out on the background of the theme."""

    def initStyleOption(self, option: QStyleOptionViewItem | None, index: QModelIndex) -> None:
        super().initStyleOption(option, index)
        if option is not None and index.data(ALERT_ROLE):
            text = option.palette.color(QPalette.ColorRole.Text)
            option.palette.setColor(QPalette.ColorRole.Text, alert_text_color(text))


class FileTableView(QTableView):
    """The table as seen: arrow keys go from file to file, the space bar accepts and rejects.

    Parameters
    ----------
    model : FileTableModel
        Its rows.
    parent : QWidget, optional
        Its parent.

    Attributes
    ----------
    current_changed : Signal
        Emitted with the file that the user went to.
    picked : Signal
        Emitted when the user selected other rows.
    """

    current_changed = Signal(object)
    picked = Signal()

    def __init__(self, model: FileTableModel, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.setObjectName("file_table")
        self.setAccessibleName("Files")
        self.setAccessibleDescription("Arrow keys show files, Space accepts or rejects")
        self._rows = model
        self._is_following = False
        self.filtered = FilteredFiles(model, self)
        self.setModel(self.filtered)
        self._selection = QItemSelectionModel(self.filtered, self)
        self.setSelectionModel(self._selection)
        self.setSelectionBehavior(QAbstractItemView.SelectionBehavior.SelectRows)
        self.setSelectionMode(QAbstractItemView.SelectionMode.ExtendedSelection)
        self.setTextElideMode(Qt.TextElideMode.ElideMiddle)
        self.setWordWrap(False)
        self.setShowGrid(False)
        self.setTabKeyNavigation(False)
        self.setItemDelegate(_AlertDelegate(self))
        self.setMinimumHeight(120)
        self._set_up_headers()
        self._selection.currentRowChanged.connect(self._on_current_changed)
        self._selection.selectionChanged.connect(self._on_selection_changed)

    def _set_up_headers(self) -> None:
        vertical = QHeaderView(Qt.Orientation.Vertical, self)
        self.setVerticalHeader(vertical)
        vertical.hide()
        vertical.setDefaultSectionSize(self.fontMetrics().height() + 8)
        header = QHeaderView(Qt.Orientation.Horizontal, self)
        self.setHorizontalHeader(header)
        header.setSectionsClickable(True)
        header.setHighlightSections(False)
        header.setMinimumSectionSize(20)
        header.setDefaultAlignment(Qt.AlignmentFlag.AlignLeft | Qt.AlignmentFlag.AlignVCenter)
        header.setContextMenuPolicy(Qt.ContextMenuPolicy.CustomContextMenu)
        header.customContextMenuRequested.connect(self._on_header_menu)
        self._header = header
        narrow = {"state": 22, "accept": 52, "num_rois": 42, "num_stale": 42, "num_problems": 64}
        for number, column in enumerate(COLUMNS):
            self.setColumnWidth(number, narrow.get(column.name, 90))
            self.setColumnHidden(number, not column.is_shown)
        header.setSectionResizeMode(_NAME, QHeaderView.ResizeMode.Stretch)
        # The order of the list until the user clicks on a heading.
        header.setSortIndicator(-1, Qt.SortOrder.AscendingOrder)
        self.setSortingEnabled(True)

    def make_column_menu(self) -> QMenu:
        """Return a menu that shows and hides columns."""
        menu = QMenu(self)
        menu.setObjectName("column_menu")
        for number, column in enumerate(COLUMNS):
            if number in (_STATE, _NAME):
                continue
            action = menu.addAction(column.title)
            assert action is not None
            action.setCheckable(True)
            action.setChecked(not self.isColumnHidden(number))
            action.setData(number)
            action.setToolTip(column.tip)
        menu.triggered.connect(self._on_column_toggled)
        return menu

    def _on_column_toggled(self, action: Any) -> None:
        self.setColumnHidden(int(action.data()), not action.isChecked())

    def _on_header_menu(self, place: QPoint) -> None:
        self.make_column_menu().popup(self._header.mapToGlobal(place))

    @property
    def shown_columns(self) -> list[str]:
        """Names of the columns that are shown."""
        return [name for number, name in enumerate(_NAMES) if not self.isColumnHidden(number)]

    def show_columns(self, names: Iterable[str]) -> None:
        """Show these columns, with state and name, and hide the others."""
        wanted = {"state", "name", *names}
        for number, name in enumerate(_NAMES):
            self.setColumnHidden(number, name not in wanted)

    # ---- which files

    @property
    def selected_files(self) -> tuple[ListedFile, ...]:
        """Files of the selected rows, from top to bottom."""
        indices = sorted(self._selection.selectedRows(), key=lambda index: index.row())
        return tuple(self._file_at(index) for index in indices)

    def _file_at(self, index: QModelIndex) -> ListedFile:
        return self._rows.files[self.filtered.mapToSource(index).row()]

    def follow(self, file: ListedFile | None) -> None:
        """Select the row of a file, without signals, unless it is selected."""
        if file is None or file in self.selected_files or file not in self._rows.files:
            return
        row = self._rows.index(self._rows.files.index(file), _NAME)
        index = self.filtered.mapFromSource(row)
        if not index.isValid():
            return
        self._is_following = True
        try:
            self.setCurrentIndex(index)
        finally:
            self._is_following = False
        self.scrollTo(index)
        self.picked.emit()

    def _on_current_changed(self, current: QModelIndex) -> None:
        if not self._is_following and current.isValid():
            self.current_changed.emit(self._file_at(current))

    def _on_selection_changed(self) -> None:
        if not self._is_following:
            self.picked.emit()

    def keyPressEvent(self, event: QKeyEvent | None) -> None:
        """Take the space bar: accept all selected files, or reject them if they are accepted."""
        if event is None or event.key() != Qt.Key.Key_Space:
            super().keyPressEvent(event)
            return
        marks = [file.get_schema_row()["accept"] for file in self.selected_files]
        for file, mark in zip(self.selected_files, marks, strict=True):
            if mark is not None:
                self._rows.accept_asked.emit(file, not all(m is not False for m in marks))

    def paintEvent(self, event: QPaintEvent | None) -> None:
        """Paint the rows, or how to get some."""
        super().paintEvent(event)
        if not self.filtered.rowCount():
            has_files = bool(self._rows.rowCount())
            painter = QPainter(self.viewport())
            painter.setPen(self.palette().color(self.foregroundRole()))
            text = "No file is like that." if has_files else _EMPTY
            painter.drawText(self.rect(), Qt.AlignmentFlag.AlignCenter, text)
            painter.end()
