"""Table of what was found or drawn in a trace, with what can be decided about it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from qtpy.QtCore import QSignalBlocker, Qt, Signal
from qtpy.QtGui import QColor, QIcon, QKeySequence, QPixmap, QShortcut
from qtpy.QtWidgets import (
    QAbstractItemView,
    QCheckBox,
    QComboBox,
    QHBoxLayout,
    QHeaderView,
    QPushButton,
    QTableWidget,
    QTableWidgetItem,
    QVBoxLayout,
    QWidget,
)

from napari_bloodflow._napari.plots.event_plot import EVENT_COLORS
from napari_bloodflow._napari.widgets.parts import push_button

if TYPE_CHECKING:
    from collections.abc import Sequence

__all__ = ["ReviewRow", "ReviewTable"]

_HEIGHT_ROWS = 4
_NEW_TIP = "In the middle third of what the plot shows; its numbers can then be edited (N)"


@dataclass(frozen=True, slots=True)
class ReviewRow:
    """One thing to decide about.

    Parameters
    ----------
    name : str
        Tells it from the others.
    event_type : str
        Decides the colour.
    cells : tuple of str
        What is shown.
    is_decided : bool
        Whether it was accepted, or made by hand.
    is_rejected : bool
        Whether it was rejected.
    """

    name: str
    event_type: str
    cells: tuple[str, ...]
    is_decided: bool
    is_rejected: bool = False


class ReviewTable(QWidget):
    """Shows what was found or drawn, and tells what the user wants done.

    Parameters
    ----------
    name : str
        Object names of the parts begin with it.
    noun : str
        What a row is.
    headers : sequence of tuple
        Heading and tip of each column.
    types : sequence of str
        Types that a row can have; empty if they have none.
    editable : sequence of int
        Columns with numbers that can be edited where a row is decided. With them comes a button
        for a new row.
    parent : QWidget, optional
        Its parent; the keys work all over it.

    Attributes
    ----------
    chosen : Signal
        Emitted with the name of the row that the user chose.
    accepted, rejected, deleted : Signal
        Emitted with the name of the row that the user decided about.
    retyped : Signal
        Emitted with the name of a decided row and its new type.
    entered : Signal
        Emitted with the name of a decided row, the column and the text that was entered there.
        The cell shows it once the row has it.
    new_asked : Signal
        Emitted when the user wants a new row, to be edited by its numbers.
    drawing_toggled : Signal
        Emitted when drawing is switched on or off.
    """

    chosen = Signal(str)
    accepted = Signal(str)
    rejected = Signal(str)
    deleted = Signal(str)
    retyped = Signal(str, str)
    entered = Signal(str, int, str)
    new_asked = Signal()
    drawing_toggled = Signal(bool)

    def __init__(
        self,
        name: str,
        noun: str,
        headers: Sequence[tuple[str, str]],
        types: Sequence[str] = (),
        editable: Sequence[int] = (),
        parent: QWidget | None = None,
    ) -> None:
        super().__init__(parent)
        self.setObjectName(f"{name}_table")
        self._prefix = name
        self._rows: tuple[ReviewRow, ...] = ()
        self._shown: list[ReviewRow] = []
        self._editable = tuple(editable)
        self._is_entering = False
        self._own_type = types[0] if types else ""
        self._table = _make_table(f"{name}_rows", headers, self)
        self._table.setAccessibleName(f"{noun.capitalize()}s")
        self._draw = QPushButton(f"Draw {noun}", self)
        self._draw.setObjectName(f"{name}_draw")
        self._draw.setToolTip("Then drag over the plot, in either direction (D)")
        self._draw.setCheckable(True)
        self._type = QComboBox(self)
        self._type.setObjectName(f"{name}_type")
        self._type.setAccessibleName(f"Type of {noun}")
        self._type.setToolTip(f"Type of the chosen {noun}, and of the next one")
        self._type.setVisible(bool(types))
        for event_type in types:
            self._type.addItem(_icon(event_type), event_type, event_type)
        self._accept = self._button("Accept", "A", "Keep it, also in later runs", self._on_accept)
        self._reject = self._button("Reject", "R", "Do not offer it again", self._on_reject)
        self._delete = self._button("Delete", "Del", f"Delete the {noun}", self._on_delete)
        self._show_rejected = QCheckBox("Rejected", self)
        self._show_rejected.setObjectName(f"{name}_show_rejected")
        self._show_rejected.setToolTip("Show what was rejected as well")
        self._new = push_button("New", f"{name}_new", _NEW_TIP, self._on_new, self)
        self._new.setAccessibleName(f"New {noun}")
        self._new.setVisible(bool(editable))
        self._arrange()
        self._shortcut("D", self._draw.toggle)
        if editable:
            self._make_editable(noun)
        self._draw.toggled.connect(self._on_draw_toggled)
        self._type.activated.connect(self._on_type)
        self._show_rejected.toggled.connect(self._fill)
        self._table.itemSelectionChanged.connect(self._on_selection)

    def _arrange(self) -> None:
        first, second = QHBoxLayout(), QHBoxLayout()
        first.addWidget(self._draw)
        first.addWidget(self._new)
        first.addWidget(self._type, 1)
        for part in (self._accept, self._reject, self._delete, self._show_rejected):
            second.addWidget(part)
        layout = QVBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.setSpacing(4)
        layout.addLayout(first)
        layout.addWidget(self._table)
        layout.addLayout(second)

    def _make_editable(self, noun: str) -> None:
        triggers = QAbstractItemView.EditTrigger
        self._table.setEditTriggers(triggers.DoubleClicked | triggers.EditKeyPressed)
        titles = " and ".join(self._title(column) for column in self._editable)
        self._table.setToolTip(
            f"In order of time. Double-click {titles} of an {noun} to edit them (Return)"
        )
        self._table.itemChanged.connect(self._on_item_changed)
        self._shortcut("N", self._on_new)
        # Of the table alone: Return in the editor of a cell is not meant.
        shortcut = QShortcut(QKeySequence("Return"), self._table)
        shortcut.setContext(Qt.ShortcutContext.WidgetShortcut)
        shortcut.activated.connect(self._on_edit_asked)

    def _title(self, column: int) -> str:
        item = self._table.horizontalHeaderItem(column)
        return "" if item is None else item.text()

    def _button(self, text: str, key: str, tip: str, slot: Any) -> QPushButton:
        button = push_button(text, f"{self._prefix}_{text.lower()}", f"{tip} ({key})", slot, self)
        self._shortcut(key, slot)
        return button

    def _shortcut(self, key: str, slot: Any) -> None:
        # The whole dock, so that it works while the plot has the focus.
        shortcut = QShortcut(QKeySequence(key), self.parentWidget() or self)
        shortcut.setContext(Qt.ShortcutContext.WidgetWithChildrenShortcut)
        shortcut.activated.connect(slot)

    # ---- what is shown

    @property
    def name(self) -> str:
        """The row that is chosen; empty if there is none."""
        row = self._table.currentRow()
        is_chosen = bool(self._table.selectedItems()) and 0 <= row < len(self._shown)
        return self._shown[row].name if is_chosen else ""

    @property
    def next_type(self) -> str:
        """Type of the next one that is drawn."""
        return self._own_type

    def show_rows(self, rows: Sequence[ReviewRow]) -> None:
        """Show rows; what was chosen stays so, or else the next one is."""
        if tuple(rows) != self._rows:
            self._rows = tuple(rows)
            self._fill()

    def choose(self, name: str) -> None:
        """Choose a row by its name; this is no act of the user."""
        places = [place for place, row in enumerate(self._shown) if row.name == name]
        column = self._table.currentColumn()
        with QSignalBlocker(self._table):
            if places:
                self._table.selectRow(places[0])
                if column > 0:
                    self._go_to(places[0], column)
            else:
                self._table.clearSelection()
        self._enable()

    def go_to_numbers(self) -> None:
        """Give the keys to the first number of the row that is chosen."""
        self._table.setFocus()
        if self.name and self._editable:
            self._go_to(self._table.currentRow(), self._editable[0])

    def _go_to(self, row: int, column: int) -> None:
        model = self._table.selectionModel()
        assert model is not None
        self._table.setCurrentCell(row, column, model.SelectionFlag.NoUpdate)

    def stop_drawing(self) -> None:
        """Switch drawing off."""
        self._draw.setChecked(False)

    def _fill(self) -> None:
        place, before = self._table.currentRow(), self.name
        self._shown = [
            r for r in self._rows if self._show_rejected.isChecked() or not r.is_rejected
        ]
        names = [row.name for row in self._shown]
        with QSignalBlocker(self._table):
            is_typing = self._table.state() == QAbstractItemView.State.EditingState
            if is_typing and not self._is_entering:
                # What is being typed would go to the row that takes the place.
                self._table.setRowCount(0)
            self._table.setRowCount(len(self._shown))
            for number, row in enumerate(self._shown):
                for column, text in enumerate(row.cells):
                    item = QTableWidgetItem(text)
                    if column == 0:
                        item.setIcon(_icon(row.event_type))
                    if column not in self._editable or not row.is_decided:
                        item.setFlags(item.flags() & ~Qt.ItemFlag.ItemIsEditable)
                    self._table.setItem(number, column, item)
        if before and before not in names and names:
            # The next one after a decision.
            before = names[min(place, len(names) - 1)]
        self.choose(before)
        if self.name:
            self.chosen.emit(self.name)

    def _enable(self) -> None:
        row = self._chosen_row()
        self._accept.setEnabled(row is not None and not row.is_decided)
        self._reject.setEnabled(row is not None and not row.is_rejected)
        self._delete.setEnabled(row is not None and row.is_decided)
        shown = row.event_type if row is not None and row.is_decided else self._own_type
        self._type.setCurrentIndex(self._type.findData(shown))

    def _chosen_row(self) -> ReviewRow | None:
        return next((row for row in self._shown if row.name == self.name), None)

    # ---- what the user did

    def _on_selection(self) -> None:
        self._enable()
        self.chosen.emit(self.name)

    def _on_draw_toggled(self, is_drawing: bool) -> None:
        if is_drawing:
            # The type beside the button is now that of what will be drawn.
            self.choose("")
            self.chosen.emit("")
        self.drawing_toggled.emit(is_drawing)

    def _on_new(self) -> None:
        if self._new.isEnabled():
            self.new_asked.emit()

    def _on_edit_asked(self) -> None:
        row = self._chosen_row()
        if row is not None and row.is_decided:
            place, column = self._table.currentRow(), self._table.currentColumn()
            column = column if column in self._editable else self._editable[0]
            self._go_to(place, column)
            self._table.editItem(self._table.item(place, column))

    def _on_item_changed(self, item: QTableWidgetItem) -> None:
        row, column, text = self._shown[item.row()], item.column(), item.text().strip()
        with QSignalBlocker(self._table):
            item.setText(row.cells[column])
        if text != row.cells[column]:
            self._is_entering = True
            try:
                self.entered.emit(row.name, column, text)
            finally:
                self._is_entering = False

    def _on_type(self) -> None:
        row = self._chosen_row()
        if row is not None and row.is_decided:
            self.retyped.emit(row.name, self._type.currentData())
        else:
            self._own_type = self._type.currentData()

    def _on_accept(self) -> None:
        if self._accept.isEnabled():
            self.accepted.emit(self.name)

    def _on_reject(self) -> None:
        if self._reject.isEnabled():
            self.rejected.emit(self.name)

    def _on_delete(self) -> None:
        if self._delete.isEnabled():
            self.deleted.emit(self.name)


def _make_table(name: str, headers: Sequence[tuple[str, str]], parent: QWidget) -> QTableWidget:
    table = QTableWidget(0, len(headers), parent)
    table.setObjectName(name)
    table.setToolTip("In order of time")
    table.setEditTriggers(QAbstractItemView.EditTrigger.NoEditTriggers)
    table.setSelectionBehavior(QAbstractItemView.SelectionBehavior.SelectRows)
    table.setSelectionMode(QAbstractItemView.SelectionMode.SingleSelection)
    table.setTabKeyNavigation(False)
    table.setShowGrid(False)
    rows, header = table.verticalHeader(), table.horizontalHeader()
    assert rows is not None
    assert header is not None
    rows.hide()
    rows.setSectionResizeMode(QHeaderView.ResizeMode.ResizeToContents)
    header.setSectionResizeMode(QHeaderView.ResizeMode.ResizeToContents)
    header.setSectionResizeMode(0, QHeaderView.ResizeMode.Stretch)
    header.setHighlightSections(False)
    for column, (title, tip) in enumerate(headers):
        item = QTableWidgetItem(title)
        item.setToolTip(tip)
        item.setTextAlignment(Qt.AlignmentFlag.AlignLeft | Qt.AlignmentFlag.AlignVCenter)
        table.setHorizontalHeaderItem(column, item)
    line = table.fontMetrics().lineSpacing() + 8
    table.setMinimumHeight((_HEIGHT_ROWS + 1) * line)
    return table


def _icon(event_type: str) -> QIcon:
    pixmap = QPixmap(12, 12)
    pixmap.fill(QColor(EVENT_COLORS.get(event_type, EVENT_COLORS["user"])))
    return QIcon(pixmap)
