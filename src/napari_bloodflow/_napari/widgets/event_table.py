"""Table of velocity events and candidates, with what can be done to them."""

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
from napari_bloodflow.analysis.event_records import EVENT_TYPES

if TYPE_CHECKING:
    from collections.abc import Sequence

    from napari_bloodflow.analysis.event_records import EventType

__all__ = ["EventRow", "EventTable"]

_HEADERS = (
    ("Type", "What the event is; detected ones are named after what was found"),
    ("From", "Start in s, from the first line of the file"),
    ("Length", "Length in s"),
    ("Change", "Mean velocity in the event against the mean before it"),
    ("State", "By whom it was made, or what was decided about it"),
)
_HEIGHT_ROWS = 4


@dataclass(frozen=True, slots=True)
class EventRow:
    """One event or candidate.

    Parameters
    ----------
    name : str
        Tells it from the others.
    event_type : str
        Decides the colour.
    cells : tuple of str
        What is shown.
    is_event : bool
        An event, not a candidate.
    is_rejected : bool
        A candidate that was rejected.
    """

    name: str
    event_type: str
    cells: tuple[str, ...]
    is_event: bool
    is_rejected: bool = False


class EventTable(QWidget):
    """Shows events and candidates, and asks for what the user wants done.

    Parameters
    ----------
    parent : QWidget, optional
        Its parent.

    Attributes
    ----------
    chosen : Signal
        Emitted with the name of the row that the user chose.
    accepted, rejected, deleted : Signal
        Emitted with the name of the row that the user decided about.
    retyped : Signal
        Emitted with the name of an event and its new type.
    drawing_toggled : Signal
        Emitted when drawing is switched on or off.
    """

    chosen = Signal(str)
    accepted = Signal(str)
    rejected = Signal(str)
    deleted = Signal(str)
    retyped = Signal(str, str)
    drawing_toggled = Signal(bool)

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.setObjectName("event_table")
        self._rows: tuple[EventRow, ...] = ()
        self._shown: list[EventRow] = []
        self._own_type: EventType = EVENT_TYPES[0]
        self._table = _make_table(self)
        self._draw = QPushButton("Draw event", self)
        self._draw.setObjectName("event_draw")
        self._draw.setToolTip("Then drag over the plot, in either direction (D)")
        self._draw.setCheckable(True)
        self._type = QComboBox(self)
        self._type.setObjectName("event_type")
        self._type.setToolTip("Type of the chosen event, and of the next one that is drawn")
        for event_type in EVENT_TYPES:
            self._type.addItem(_icon(event_type), event_type, event_type)
        self._accept = self._button("Accept", "A", "Make the candidate an event", self._on_accept)
        self._reject = self._button("Reject", "R", "Do not offer it again", self._on_reject)
        self._delete = self._button("Delete", "Del", "Delete the event", self._on_delete)
        self._show_rejected = QCheckBox("Rejected", self)
        self._show_rejected.setObjectName("event_show_rejected")
        self._show_rejected.setToolTip("Show candidates that were rejected as well")
        self._arrange()
        self._shortcut("D", self._draw.toggle)
        self._draw.toggled.connect(self._on_draw_toggled)
        self._type.activated.connect(self._on_type)
        self._show_rejected.toggled.connect(self._fill)
        self._table.itemSelectionChanged.connect(self._on_selection)

    def _arrange(self) -> None:
        first, second = QHBoxLayout(), QHBoxLayout()
        first.addWidget(self._draw)
        first.addWidget(self._type, 1)
        for part in (self._accept, self._reject, self._delete, self._show_rejected):
            second.addWidget(part)
        layout = QVBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.setSpacing(4)
        layout.addLayout(first)
        layout.addWidget(self._table)
        layout.addLayout(second)

    def _button(self, text: str, key: str, tip: str, slot: Any) -> QPushButton:
        button = push_button(text, f"event_{text.lower()}", f"{tip} ({key})", slot, self)
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
    def event_type(self) -> EventType:
        """Type of the next event that is drawn."""
        return self._own_type

    def show_rows(self, rows: Sequence[EventRow]) -> None:
        """Show events and candidates; what was chosen stays so, or else the next one is."""
        if tuple(rows) != self._rows:
            self._rows = tuple(rows)
            self._fill()

    def choose(self, name: str) -> None:
        """Choose a row by its name; this is no act of the user."""
        places = [place for place, row in enumerate(self._shown) if row.name == name]
        with QSignalBlocker(self._table):
            if places:
                self._table.selectRow(places[0])
            else:
                self._table.clearSelection()
        self._enable()

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
            self._table.setRowCount(len(self._shown))
            for number, row in enumerate(self._shown):
                for column, text in enumerate(row.cells):
                    item = QTableWidgetItem(text)
                    if column == 0:
                        item.setIcon(_icon(row.event_type))
                    self._table.setItem(number, column, item)
        if before and before not in names and names:
            # The next one after a decision.
            before = names[min(place, len(names) - 1)]
        self.choose(before)
        if self.name:
            self.chosen.emit(self.name)

    def _enable(self) -> None:
        row = self._chosen_row()
        self._accept.setEnabled(row is not None and not row.is_event)
        self._reject.setEnabled(row is not None and not row.is_rejected)
        self._delete.setEnabled(row is not None and row.is_event)
        shown = row.event_type if row is not None and row.is_event else self._own_type
        self._type.setCurrentIndex(self._type.findData(shown))

    def _chosen_row(self) -> EventRow | None:
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

    def _on_type(self) -> None:
        row = self._chosen_row()
        if row is not None and row.is_event:
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


def _make_table(parent: QWidget) -> QTableWidget:
    table = QTableWidget(0, len(_HEADERS), parent)
    table.setObjectName("event_rows")
    table.setToolTip("Events and candidates in order of time")
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
    for column, (title, tip) in enumerate(_HEADERS):
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
