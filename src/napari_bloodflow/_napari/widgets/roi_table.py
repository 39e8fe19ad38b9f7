"""A table of the ROIs of an acquisition: a Qt model that changes row by row, and its view."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from qtpy.QtCore import QAbstractTableModel, QItemSelectionModel, QModelIndex, Qt, Signal
from qtpy.QtGui import QColor, QIcon, QPainter, QPalette, QPixmap
from qtpy.QtWidgets import (
    QAbstractItemDelegate,
    QAbstractItemView,
    QHeaderView,
    QSizePolicy,
    QStyledItemDelegate,
    QStyleOptionViewItem,
    QTableView,
    QWidget,
)

from napari_bloodflow._napari.roi_nudge import Nudge
from napari_bloodflow._napari.roi_style import roi_color
from napari_bloodflow._napari.widgets.parts import alert_text_color

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from qtpy.QtGui import QKeyEvent, QPaintEvent

    from napari_bloodflow._napari.widgets.roi_rows import RoiRow

__all__ = ["STALE_ROLE", "RoiTableModel", "RoiTableView"]

_TITLES = ("ID", "Name", "", "Time", "Pos.", "Results")
_FIELDS = ("roi_id", "name", "kind", "time", "position", "results")
_SWATCH_ROOM = 30  # pixels beside a number of three digits
_ID, _NAME, _KIND, _TIME, _POSITION, _RESULTS = range(6)
_GLYPHS = {"rectangle": "▭", "line": "╱"}
_TIPS = (
    "Identity of the ROI; colour as in the viewer",
    "Double-click to rename",
    "Kind: ▭ rectangles can be measured, ╱ lines are annotations",
    "From its first line to the end of its last one",
    "From its first pixel to the end of its last one",
    "Analyses that have a result; stale if the ROI, the calibration or the parameters changed",
)
_UNIT_TITLES = {"lines": "Lines", "px": "Pixels"}
_SWATCH_SIZE = 14
_EMPTY = "No ROI yet.\nDraw a rectangle, or press New."
_Role = Qt.ItemDataRole
_ROOT = QModelIndex()
_ARROWS: dict[int, tuple[int, int]] = {
    Qt.Key.Key_Up: (-1, 0),
    Qt.Key.Key_Down: (1, 0),
    Qt.Key.Key_Left: (0, -1),
    Qt.Key.Key_Right: (0, 1),
}
_Modifier = Qt.KeyboardModifier
_MOVE, _RESIZE = _Modifier.AltModifier, _Modifier.ControlModifier | _Modifier.ShiftModifier
_MODIFIERS = _MOVE | _RESIZE  # without that of the number pad, which arrows may have
_NUDGES = (_MOVE, _RESIZE)
_NUDGE_TIP = "Alt and the arrow keys move it, Ctrl+Shift and the arrow keys resize it"

STALE_ROLE = int(_Role.UserRole) + 1
"""Data role that says of a cell whether it names a stale result."""


class RoiTableModel(QAbstractTableModel):
    """Rows of ROIs; only what differs is announced, so selection and scroll position stay.

    Parameters
    ----------
    parent : QWidget, optional
        Its parent.

    Attributes
    ----------
    renamed : Signal
        Emitted with ROI id and new name when the user edited a name.
    """

    renamed = Signal(int, str)

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._rows: list[RoiRow] = []
        self._units = ("s", "µm")
        self._swatches: dict[str, QIcon] = {}

    @property
    def roi_ids(self) -> list[int]:
        """Ids of the ROIs, row by row."""
        return [row.roi_id for row in self._rows]

    def set_units(self, time_unit: str, position_unit: str) -> None:
        """Change the units that the headings show."""
        if (time_unit, position_unit) != self._units:
            self._units = (time_unit, position_unit)
            self.headerDataChanged.emit(Qt.Orientation.Horizontal, _TIME, _POSITION)

    def reset_rows(self, rows: Sequence[RoiRow]) -> None:
        """Show the ROIs of another acquisition."""
        self.beginResetModel()
        self._rows = list(rows)
        self.endResetModel()

    def set_rows(self, rows: Sequence[RoiRow]) -> None:
        """Show a later state of the same ROIs."""
        wanted = {row.roi_id for row in rows}
        for place in range(len(self._rows) - 1, -1, -1):
            if self._rows[place].roi_id not in wanted:
                self.beginRemoveRows(_ROOT, place, place)
                del self._rows[place]
                self.endRemoveRows()
        present = set(self.roi_ids)
        for place, row in enumerate(rows):
            if row.roi_id not in present:
                self.beginInsertRows(_ROOT, place, place)
                self._rows.insert(place, row)
                self.endInsertRows()
        if self.roi_ids != [row.roi_id for row in rows]:
            self.reset_rows(rows)
            return
        for place, (old, new) in enumerate(zip(self._rows, rows, strict=True)):
            if old != new:
                self._rows[place] = new
                last = len(_TITLES) - 1
                self.dataChanged.emit(self.index(place, 0), self.index(place, last))

    def rowCount(self, parent: QModelIndex = _ROOT) -> int:
        """Return the number of ROIs."""
        return 0 if parent.isValid() else len(self._rows)

    def columnCount(self, parent: QModelIndex = _ROOT) -> int:
        """Return the number of columns."""
        return 0 if parent.isValid() else len(_TITLES)

    def data(self, index: QModelIndex, role: int = _Role.DisplayRole) -> Any:
        """Return what a cell shows."""
        if not index.isValid():
            return None
        row, column = self._rows[index.row()], index.column()
        if role == _Role.DisplayRole and column == _KIND:
            return _GLYPHS[row.kind]
        if role in (_Role.DisplayRole, _Role.EditRole, _Role.AccessibleTextRole):
            return str(getattr(row, _FIELDS[column]))
        if role == _Role.DecorationRole and column == 0:
            return self._swatch(roi_color(row.roi_id))
        if role == STALE_ROLE:
            return column == _RESULTS and row.is_stale
        if role == _Role.ToolTipRole:
            if column == _RESULTS:
                return row.results_tip or "Not measured yet"
            if column == _NAME:
                return f"{row.name}\n{_TIPS[_NAME]}".lstrip()
            return f"A {row.kind}. {row.place}\n{_NUDGE_TIP}"
        return None

    def headerData(
        self, section: int, orientation: Qt.Orientation, role: int = _Role.DisplayRole
    ) -> Any:
        """Return a heading, with its unit."""
        if orientation != Qt.Orientation.Horizontal:
            return None
        if role == _Role.ToolTipRole:
            return _TIPS[section]
        if role != _Role.DisplayRole:
            return None
        unit = dict(zip((_TIME, _POSITION), self._units, strict=True)).get(section)
        if unit is None:
            return _TITLES[section]
        return _UNIT_TITLES.get(unit, f"{_TITLES[section]} ({unit})")

    def flags(self, index: QModelIndex) -> Qt.ItemFlag:
        """Let names be edited."""
        flags = super().flags(index)
        return flags | Qt.ItemFlag.ItemIsEditable if index.column() == _NAME else flags

    def _swatch(self, color: str) -> QIcon:
        if color not in self._swatches:
            square = QPixmap(_SWATCH_SIZE, _SWATCH_SIZE)
            square.fill(QColor(color))
            icon = QIcon(square)
            icon.addPixmap(square, QIcon.Mode.Selected)  # or Qt mixes in the highlight
            self._swatches[color] = icon
        return self._swatches[color]

    def setData(self, index: QModelIndex, value: Any, role: int = _Role.EditRole) -> bool:
        """Ask for a new name; the cell shows it once the ROI has it."""
        if role != _Role.EditRole or not index.isValid() or index.column() != _NAME:
            return False
        row = self._rows[index.row()]
        name = str(value).strip()
        if name != row.name:
            self.renamed.emit(row.roi_id, name)
        return True


class _ResultsDelegate(QStyledItemDelegate):
    """Draws stale results in a colour that stands out on the background of the theme."""

    def initStyleOption(self, option: QStyleOptionViewItem | None, index: QModelIndex) -> None:
        super().initStyleOption(option, index)
        if option is not None and index.data(STALE_ROLE):
            text = option.palette.color(QPalette.ColorRole.Text)
            option.palette.setColor(QPalette.ColorRole.Text, alert_text_color(text))


class RoiTableView(QTableView):
    """The table as seen: whole rows are selected, Delete asks to delete them.

    Parameters
    ----------
    model : RoiTableModel
        Its rows.
    parent : QWidget, optional
        Its parent.

    Attributes
    ----------
    picked : Signal
        Emitted when the user selected other rows.
    delete_asked : Signal
        Emitted when the user pressed Delete or Backspace.
    edit_ended : Signal
        Emitted when a cell editor was closed.
    nudged : Signal
        Emitted with a :class:`Nudge` when the user pressed an arrow key that moves ROIs.
    """

    picked = Signal()
    delete_asked = Signal()
    edit_ended = Signal()
    nudged = Signal(object)

    def __init__(self, model: RoiTableModel, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.setObjectName("roi_table")
        self.setAccessibleName("ROIs")
        self.setAccessibleDescription("Return renames, Del deletes")
        self._rows = model
        self._is_following = False
        self.setModel(model)
        self._selection = QItemSelectionModel(model, self)
        self.setSelectionModel(self._selection)
        self.setSelectionBehavior(QAbstractItemView.SelectionBehavior.SelectRows)
        self.setSelectionMode(QAbstractItemView.SelectionMode.ExtendedSelection)
        self.setEditTriggers(
            QAbstractItemView.EditTrigger.DoubleClicked
            | QAbstractItemView.EditTrigger.EditKeyPressed
        )
        self.setTextElideMode(Qt.TextElideMode.ElideRight)
        self.setWordWrap(False)
        self.setShowGrid(False)
        self.setTabKeyNavigation(False)
        self.setMinimumHeight(112)
        # Its own hint is higher than a dock in a small window has room for.
        self.setSizePolicy(QSizePolicy.Policy.Expanding, QSizePolicy.Policy.Ignored)
        vertical = QHeaderView(Qt.Orientation.Vertical, self)
        self.setVerticalHeader(vertical)
        vertical.hide()
        vertical.setDefaultSectionSize(self.fontMetrics().height() + 8)
        header = QHeaderView(Qt.Orientation.Horizontal, self)
        self.setHorizontalHeader(header)
        header.setHighlightSections(False)
        header.setSectionResizeMode(QHeaderView.ResizeMode.ResizeToContents)
        header.setSectionResizeMode(_NAME, QHeaderView.ResizeMode.Interactive)
        header.setSectionResizeMode(_RESULTS, QHeaderView.ResizeMode.Stretch)
        header.setMinimumSectionSize(22)
        header.setDefaultAlignment(Qt.AlignmentFlag.AlignLeft | Qt.AlignmentFlag.AlignVCenter)
        self.setColumnWidth(_NAME, 70)
        # Qt leaves columns as wide as they were when rows are added.
        header.setSectionResizeMode(_ID, QHeaderView.ResizeMode.Fixed)
        self.setColumnWidth(_ID, self.fontMetrics().horizontalAdvance("000") + _SWATCH_ROOM)
        self.setItemDelegateForColumn(_RESULTS, _ResultsDelegate(self))
        self._selection.selectionChanged.connect(self._on_selection_changed)

    @property
    def is_editing(self) -> bool:
        """True while a cell is being edited."""
        return self.state() == QAbstractItemView.State.EditingState

    @property
    def selected_roi_ids(self) -> tuple[int, ...]:
        """Ids of the ROIs of the selected rows, ascending."""
        rows = {index.row() for index in self._selection.selectedRows()}
        ids = self._rows.roi_ids
        return tuple(sorted(ids[row] for row in rows if row < len(ids)))

    def follow(self, roi_ids: Iterable[int]) -> None:
        """Select these ROIs, without the signal, and bring the first one into sight."""
        wanted = set(roi_ids)
        if wanted == set(self.selected_roi_ids):
            return
        selection = self._selection
        ids = self._rows.roi_ids
        rows = [row for row, roi_id in enumerate(ids) if roi_id in wanted]
        flags = selection.SelectionFlag
        self._is_following = True
        try:
            selection.clearSelection()
            for row in rows:
                index = self._rows.index(row, 0)
                selection.select(index, flags.Select | flags.Rows)
        finally:
            self._is_following = False
        if rows:
            selection.setCurrentIndex(self._rows.index(rows[0], _NAME), flags.NoUpdate)
            self.scrollTo(self._rows.index(rows[0], 0))

    def show_rows(self, rows: Sequence[RoiRow], *, is_other: bool) -> None:
        """Show rows, those of another acquisition if `is_other`, without selection signals."""
        self._is_following = True
        try:
            if is_other:
                self._rows.reset_rows(rows)
            else:
                self._rows.set_rows(rows)
        finally:
            self._is_following = False

    def _on_selection_changed(self) -> None:
        if not self._is_following:
            self.picked.emit()

    def paintEvent(self, event: QPaintEvent | None) -> None:
        """Paint the rows, or how to make the first one."""
        super().paintEvent(event)
        if not self._rows.rowCount():
            painter = QPainter(self.viewport())
            painter.setPen(self.palette().color(self.foregroundRole()))
            painter.drawText(self.rect(), Qt.AlignmentFlag.AlignCenter, _EMPTY)
            painter.end()

    def closeEditor(self, editor: QWidget | None, hint: QAbstractItemDelegate.EndEditHint) -> None:
        """Close the editor of a cell."""
        super().closeEditor(editor, hint)
        self.edit_ended.emit()

    def keyPressEvent(self, event: QKeyEvent | None) -> None:
        """Take Delete and Backspace, Return as the way to rename, and arrows that move ROIs."""
        key = None if event is None or self.is_editing else event.key()
        if event is not None and key in _ARROWS and event.modifiers() & _MODIFIERS in _NUDGES:
            is_resize = event.modifiers() & _MODIFIERS == _RESIZE
            self.nudged.emit(Nudge(*_ARROWS[key], is_resize=is_resize))
        elif key in (Qt.Key.Key_Delete, Qt.Key.Key_Backspace):
            self.delete_asked.emit()
        elif key in (Qt.Key.Key_Return, Qt.Key.Key_Enter):
            self.edit(self._rows.index(self.currentIndex().row(), _NAME))
        else:
            super().keyPressEvent(event)
