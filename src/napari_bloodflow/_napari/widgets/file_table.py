"""The table of files as seen: its sorting and filtering, its keys and its menus."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from qtpy.QtCore import (
    QItemSelectionModel,
    QModelIndex,
    QSize,
    QSortFilterProxyModel,
    Qt,
    Signal,
)
from qtpy.QtGui import QGuiApplication, QKeySequence, QPainter, QPalette
from qtpy.QtWidgets import (
    QAbstractItemView,
    QHeaderView,
    QMenu,
    QStyledItemDelegate,
    QStyleOptionViewItem,
    QTreeView,
    QWidget,
)

from napari_bloodflow._napari.widgets.file_manager import show_in_file_manager
from napari_bloodflow._napari.widgets.file_rows import COLUMNS
from napari_bloodflow._napari.widgets.file_tree import ALERT_ROLE, SORT_ROLE, FileTreeModel
from napari_bloodflow._napari.widgets.parts import alert_text_color

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from qtpy.QtCore import QPoint
    from qtpy.QtGui import QKeyEvent, QPaintEvent

    from napari_bloodflow._napari.widgets.file_rows import Branch
    from napari_bloodflow.acquisition.listed_file import ListedFile

__all__ = ["FILTERS", "FileTableView", "FilteredFiles"]

_NAMES = [column.name for column in COLUMNS]
_STATE, _ORDER, _NAME = (_NAMES.index(name) for name in ("state", "order", "name"))
_EMPTY = "Drop a folder, kymographs or a\nCSV table of paths here."
_Role = Qt.ItemDataRole
_ROOT = QModelIndex()

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


class FilteredFiles(QSortFilterProxyModel):
    """Sorts and filters the rows of a :class:`FileTreeModel`.

    Parameters
    ----------
    source : FileTreeModel
        The rows.
    parent : QWidget, optional
        Its parent.
    """

    def __init__(self, source: FileTreeModel, parent: QWidget | None = None) -> None:
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

    def sort(self, column: int, order: Qt.SortOrder = Qt.SortOrder.AscendingOrder) -> None:
        """Sort the files by a column; what is below them stays as it is."""
        self._source.is_descending = order == Qt.SortOrder.DescendingOrder
        super().sort(column, order)

    def filterAcceptsRow(self, source_row: int, source_parent: QModelIndex) -> bool:
        """Tell whether a row is shown."""
        if source_parent.isValid():
            return True
        row = self._source.rows[source_row]
        if not FILTERS[self._kind](row):
            return False
        text = row.search_text.casefold() if self._words else ""
        return all(word in text for word in self._words)


class _RowDelegate(QStyledItemDelegate):
    """Draws what needs attention in a colour that stands out on the background of the theme."""

    def __init__(self, view: QTreeView) -> None:
        super().__init__(view)
        self._view = view

    def initStyleOption(self, option: QStyleOptionViewItem | None, index: QModelIndex) -> None:
        super().initStyleOption(option, index)
        if option is not None and index.data(ALERT_ROLE):
            text = option.palette.color(QPalette.ColorRole.Text)
            option.palette.setColor(QPalette.ColorRole.Text, alert_text_color(text))

    def sizeHint(self, option: QStyleOptionViewItem, index: QModelIndex) -> QSize:
        """Return a height that is easy to hit."""
        return QSize(super().sizeHint(option, index).width(), option.fontMetrics.height() + 8)

    def paint(
        self, painter: QPainter | None, option: QStyleOptionViewItem, index: QModelIndex
    ) -> None:
        """Let names of ROIs and analyses reach over the empty cells beside them."""
        if index.parent().isValid() and index.column() >= _NAME:
            if index.column() == _NAME:
                option = QStyleOptionViewItem(option)
                option.rect.setWidth(option.rect.width() + self._room_beside(index))
            elif self._is_covered(index):
                return
        super().paint(painter, option, index)

    def _room_beside(self, index: QModelIndex) -> int:
        """Return the width of the empty cells to the right, in pixels."""
        width = 0
        for column in range(index.column() + 1, len(COLUMNS)):
            if self._view.isColumnHidden(column):
                continue
            if index.siblingAtColumn(column).data():
                break
            width += self._view.columnWidth(column)
        return width

    def _is_covered(self, index: QModelIndex) -> bool:
        """Tell whether all cells from the name to this one are empty."""
        columns = range(_NAME + 1, index.column() + 1)
        return not any(
            index.siblingAtColumn(n).data() for n in columns if not self._view.isColumnHidden(n)
        )


class FileTableView(QTreeView):
    """The table as seen: arrow keys go from file to file, the space bar accepts and rejects.

    Parameters
    ----------
    model : FileTreeModel
        Its rows.
    parent : QWidget, optional
        Its parent.

    Attributes
    ----------
    current_changed : Signal
        Emitted with the file that the user went to, and the :class:`Branch` below it or None.
    picked : Signal
        Emitted when the user selected other rows.
    resorted : Signal
        Emitted after the rows were sorted by another column.
    """

    current_changed = Signal(object, object)
    picked = Signal()
    resorted = Signal()

    def __init__(self, model: FileTreeModel, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.setObjectName("file_table")
        self.setAccessibleName("Files")
        self.setAccessibleDescription(
            "Up and down show files, right and left show and hide their ROIs and results,"
            " Space accepts or rejects"
        )
        self._rows = model
        self._is_following = False
        self.filtered = FilteredFiles(model, self)
        self.setModel(self.filtered)
        self._selection = QItemSelectionModel(self.filtered, self)
        self.setSelectionModel(self._selection)
        self.setSelectionBehavior(QAbstractItemView.SelectionBehavior.SelectRows)
        self.setSelectionMode(QAbstractItemView.SelectionMode.ExtendedSelection)
        self.setTextElideMode(Qt.TextElideMode.ElideMiddle)
        self.setUniformRowHeights(True)
        self.setIndentation(12)
        self.setItemDelegate(_RowDelegate(self))
        self.setMinimumHeight(120)
        self.setContextMenuPolicy(Qt.ContextMenuPolicy.CustomContextMenu)
        self.customContextMenuRequested.connect(self._on_row_menu)
        self._set_up_header()
        self._selection.currentRowChanged.connect(self._on_current_changed)
        self._selection.selectionChanged.connect(self._on_selection_changed)
        self.expanded.connect(self._on_expanded)

    def _set_up_header(self) -> None:
        header = QHeaderView(Qt.Orientation.Horizontal, self)
        self.setHeader(header)
        header.setSectionsClickable(True)
        header.setHighlightSections(False)
        header.setStretchLastSection(False)
        header.setMinimumSectionSize(20)
        header.setDefaultAlignment(Qt.AlignmentFlag.AlignLeft | Qt.AlignmentFlag.AlignVCenter)
        header.setContextMenuPolicy(Qt.ContextMenuPolicy.CustomContextMenu)
        header.customContextMenuRequested.connect(self._on_header_menu)
        self._header = header
        self.setTreePosition(_NAME)
        narrow = {"state": 22, "order": 44, "accept": 52, "num_rois": 42, "num_stale": 42}
        narrow["num_problems"] = 64
        for number, column in enumerate(COLUMNS):
            self.setColumnWidth(number, narrow.get(column.name, 90))
            self.setColumnHidden(number, not column.is_shown)
        header.setSectionResizeMode(_NAME, QHeaderView.ResizeMode.Stretch)
        # The order of the list until the user clicks on a heading.
        header.setSortIndicator(-1, Qt.SortOrder.AscendingOrder)
        self.setSortingEnabled(True)
        header.sortIndicatorChanged.connect(self._on_sorted)

    # ---- order

    def _on_sorted(self) -> None:
        self.resorted.emit()

    def sort_by_name(self) -> None:
        """Sort the files by what they are called."""
        self.sortByColumn(_NAME, Qt.SortOrder.AscendingOrder)

    def sort_as_listed(self) -> None:
        """Show the files in the order of their list."""
        self.sortByColumn(-1, Qt.SortOrder.AscendingOrder)

    def shuffle(self, files: Sequence[ListedFile]) -> None:
        """Show the files in another order, with their places in it; without files, as before."""
        self._rows.set_order(files)
        self.setColumnHidden(_ORDER, not files)
        if files:
            self.sortByColumn(_ORDER, Qt.SortOrder.AscendingOrder)

    @property
    def is_shuffled(self) -> bool:
        """Whether the files are sorted by their places in a shuffled order."""
        return self._header.sortIndicatorSection() == _ORDER

    # ---- menus

    def make_column_menu(self) -> QMenu:
        """Return a menu that shows and hides columns."""
        menu = QMenu(self)
        menu.setObjectName("column_menu")
        for number, column in enumerate(COLUMNS):
            if number in (_STATE, _ORDER, _NAME):
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

    def make_row_menu(self) -> QMenu:
        """Return a menu of what can be done with the table and the current file."""
        menu = QMenu(self)
        menu.setObjectName("row_menu")
        has_file = self.currentIndex().isValid()
        # Either would tell the name of the file.
        can_tell = has_file and not self._rows.is_blinded
        for text, call, is_enabled in (
            ("Expand all", self.expandAll, True),
            ("Collapse all", self.collapseAll, True),
            ("", None, True),
            ("Copy selected rows", self._copy_selected, has_file),
            ("Copy table", self._copy_all, bool(self.filtered.rowCount())),
            ("Copy path", self._copy_path, can_tell),
            ("", None, True),
            ("Show in file manager", self._on_reveal, can_tell),
        ):
            if call is None:
                menu.addSeparator()
                continue
            action = menu.addAction(text)
            assert action is not None
            action.triggered.connect(call)
            action.setEnabled(is_enabled)
        return menu

    def _on_row_menu(self, place: QPoint) -> None:
        viewport = self.viewport()
        if viewport is not None:
            self.make_row_menu().popup(viewport.mapToGlobal(place))

    def _on_reveal(self) -> None:
        show_in_file_manager(self._file_at(self.currentIndex()).path)

    def _copy_path(self) -> None:
        _to_clipboard(str(self._file_at(self.currentIndex()).path))

    def _copy_selected(self) -> None:
        self._copy(sorted({self._top(index).row() for index in self._selection.selectedRows()}))

    def _copy_all(self) -> None:
        self._copy(range(self.filtered.rowCount()))

    def _copy(self, rows: Iterable[int]) -> None:
        """Copy rows of files as they are shown, with headings, for a spreadsheet."""
        columns = [n for n in range(len(COLUMNS)) if not self.isColumnHidden(n) and n != _STATE]
        lines = ["\t".join(COLUMNS[n].title for n in columns)]
        for row in rows:
            cells = (self.filtered.index(row, n) for n in columns)
            lines.append("\t".join(map(_copied, cells)))
        _to_clipboard("\n".join(lines) + "\n")

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
    def files(self) -> tuple[ListedFile, ...]:
        """Files that are shown, from top to bottom."""
        count = self.filtered.rowCount()
        return tuple(self._file_at(self.filtered.index(row, 0)) for row in range(count))

    @property
    def selected_files(self) -> tuple[ListedFile, ...]:
        """Files of the selected rows, from top to bottom."""
        rows = sorted({self._top(index).row() for index in self._selection.selectedRows()})
        return tuple(self._file_at(self.filtered.index(row, 0)) for row in rows)

    def _top(self, index: QModelIndex) -> QModelIndex:
        """Return the index of the file that an index is of, or is below."""
        while index.parent().isValid():
            index = index.parent()
        return index

    def _file_at(self, index: QModelIndex) -> ListedFile:
        return self._rows.file_at(self.filtered.mapToSource(index))

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

    def rowsAboutToBeRemoved(self, parent: QModelIndex, first: int, last: int) -> None:
        """Stay with a file when what is below it goes; Qt would go on to the next file."""
        index = self.currentIndex()
        while index.isValid() and index.parent().isValid():
            if index.parent() == parent.siblingAtColumn(index.parent().column()):
                self._is_following = True
                try:
                    self.setCurrentIndex(parent.siblingAtColumn(_NAME))
                finally:
                    self._is_following = False
                break
            index = index.parent()
        super().rowsAboutToBeRemoved(parent, first, last)

    def _on_current_changed(self, current: QModelIndex) -> None:
        if not self._is_following and current.isValid():
            branch: Branch | None = self._rows.branch_at(self.filtered.mapToSource(current))
            self.current_changed.emit(self._file_at(current), branch)

    def _on_selection_changed(self) -> None:
        if not self._is_following:
            self.picked.emit()

    def _on_expanded(self, index: QModelIndex) -> None:
        """Show the analyses of all ROIs at once."""
        if not index.parent().isValid():
            self.expandRecursively(index, 1)

    def keyPressEvent(self, event: QKeyEvent | None) -> None:
        """Take the space bar: accept all selected files, or reject them if they are accepted."""
        if event is not None and event.matches(QKeySequence.StandardKey.Copy):
            self._copy_selected()
            return
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


def _copied(cell: QModelIndex) -> str:
    mark = cell.data(_Role.CheckStateRole)
    if mark is not None:
        return "yes" if Qt.CheckState(mark) == Qt.CheckState.Checked else "no"
    return str(cell.data() or "").replace("\t", " ")


def _to_clipboard(text: str) -> None:
    if (clipboard := QGuiApplication.clipboard()) is not None:
        clipboard.setText(text)
