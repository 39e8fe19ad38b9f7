"""A form made from the fields of a metadata section: one editor per field, checked in place."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from qtpy.QtCore import QStringListModel, Qt, Signal
from qtpy.QtWidgets import (
    QComboBox,
    QCompleter,
    QFormLayout,
    QHBoxLayout,
    QLabel,
    QLineEdit,
    QPlainTextEdit,
    QVBoxLayout,
    QWidget,
)

from napari_bloodflow._napari.widgets.parts import Notice, Section, text_label
from napari_bloodflow.calibration import pretty_unit

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from qtpy.QtGui import QFocusEvent, QWheelEvent

    from napari_bloodflow.acquisition.metadata import MetadataSection
    from napari_bloodflow.schema import FieldSchema

__all__ = ["MIXED", "FieldEditor", "MetadataForm"]

MIXED = object()
"""Stands for the value of a field that several files have differently."""

_MIXED_TEXT = "(several values)"
_NOTE_LINES = 3


class _PickList(QComboBox):
    """A line to type in, with values to pick; the wheel scrolls the dock and changes nothing."""

    def __init__(self, parent: QWidget) -> None:
        super().__init__(parent)
        self.setEditable(True)
        self.setInsertPolicy(QComboBox.InsertPolicy.NoInsert)
        self.setMinimumContentsLength(8)
        self.setSizeAdjustPolicy(QComboBox.SizeAdjustPolicy.AdjustToMinimumContentsLengthWithIcon)
        self._words = QStringListModel(self)
        completer = QCompleter(self._words, self)
        # The completer of Qt would turn "wt" into a "WT" that is listed.
        completer.setCaseSensitivity(Qt.CaseSensitivity.CaseSensitive)
        completer.setFilterMode(Qt.MatchFlag.MatchContains)
        self.setCompleter(completer)

    def set_choices(self, choices: Sequence[str]) -> None:
        """Offer these values; the text stays."""
        if choices != [self.itemText(index) for index in range(self.count())]:
            text = self.currentText()
            self.clear()
            self.addItems(choices)
            self.setCurrentIndex(-1)
            self.setEditText(text)
            self._words.setStringList(choices)

    def wheelEvent(self, event: QWheelEvent | None) -> None:
        if event is not None:
            event.ignore()


class _NoteBox(QPlainTextEdit):
    """Some lines of text, taken when the focus leaves."""

    editing_finished = Signal()

    def __init__(self, parent: QWidget) -> None:
        super().__init__(parent)
        self.setTabChangesFocus(True)
        self.setFixedHeight(self.fontMetrics().lineSpacing() * _NOTE_LINES + 14)

    def focusOutEvent(self, event: QFocusEvent | None) -> None:
        super().focusOutEvent(event)
        self.editing_finished.emit()


class FieldEditor(QWidget):
    """One field: a line to type in, its unit, and a message below while the text does not fit.

    Parameters
    ----------
    section : type of MetadataSection
        Whose field it is.
    field : FieldSchema
        The field.
    parent : QWidget
        Its parent.

    Attributes
    ----------
    edited : Signal
        Emitted with the name of the field and the text, when the user is done and it fits.
    """

    edited = Signal(str, str)

    def __init__(self, section: type[MetadataSection], field: FieldSchema, parent: QWidget) -> None:
        super().__init__(parent)
        self._section = section
        self._field = field
        self._shown = ""
        self._pick_list: _PickList | None = None
        self._note: _NoteBox | None = None
        self._line: QLineEdit | None = None
        editor = self._make_editor()
        editor.setObjectName(f"metadata_{field.name}")
        editor.setToolTip(field.description)
        editor.setAccessibleName(field.display_name)
        self._error = Notice(f"metadata_{field.name}_error", "error", self)
        row = QHBoxLayout()
        row.setSpacing(4)
        row.addWidget(editor, 1)
        if field.unit:
            unit = text_label(f"metadata_{field.name}_unit", self)
            unit.setText(pretty_unit(field.unit))
            row.addWidget(unit)
        column = QVBoxLayout(self)
        column.setContentsMargins(0, 0, 0, 0)
        column.setSpacing(2)
        column.addLayout(row)
        column.addWidget(self._error)

    def _make_editor(self) -> QWidget:
        if self._field.group == "Notes":
            self._note = _NoteBox(self)
            self._note.textChanged.connect(self._check)
            self._note.editing_finished.connect(self._on_finished)
            return self._note
        if self._field.value_type == "str":
            self._pick_list = _PickList(self)
            line = self._pick_list.lineEdit()
            assert line is not None
            self._pick_list.textActivated.connect(self._on_finished)
        else:
            line = QLineEdit(self)
        line.textEdited.connect(self._check)
        line.editingFinished.connect(self._on_finished)
        self._line = line
        # An empty QComboBox is false.
        return line if self._pick_list is None else self._pick_list

    @property
    def text(self) -> str:
        """What is typed."""
        if self._note is not None:
            return self._note.toPlainText()
        assert self._line is not None
        return self._line.text()

    @property
    def is_being_edited(self) -> bool:
        """True while something is typed that was not taken yet."""
        return self.text != self._shown

    def show_value(self, value: Any) -> None:
        """Show a value, or `MIXED`, in place of whatever is typed."""
        is_mixed = value is MIXED
        text = "" if is_mixed or value is None else str(value)
        hint = _MIXED_TEXT if is_mixed else ""
        self._shown = text
        if self._note is not None:
            self._note.setPlaceholderText(hint)
            if self._note.toPlainText() != text:
                self._note.setPlainText(text)
        elif self._line is not None:
            self._line.setPlaceholderText(hint)
            if self._line.text() != text:
                self._line.setText(text)
                self._line.setCursorPosition(0)
        self._error.say("")

    def set_choices(self, choices: Sequence[str]) -> None:
        """Offer values to pick, in a field of text."""
        if self._pick_list is not None:
            self._pick_list.set_choices(choices)

    def _check(self) -> None:
        problem = self._section.check_value(self._field.name, self.text)
        self._error.say(f"{problem[:1].upper()}{problem[1:]}." if problem else "")

    def _on_finished(self) -> None:
        if not self.is_being_edited:
            return
        self._check()
        if not self._error.text:
            self._shown = self.text
            self.edited.emit(self._field.name, self.text)


class MetadataForm(QWidget):
    """The editable fields of a section under the headings of their groups.

    Parameters
    ----------
    section : type of MetadataSection
        The section.
    parent : QWidget, optional
        Its parent.

    Attributes
    ----------
    edited : Signal
        Emitted with the name of a field and the new text.
    """

    edited = Signal(str, str)

    def __init__(self, section: type[MetadataSection], parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.setObjectName("metadata_form")
        self._editors: dict[str, FieldEditor] = {}
        column = QVBoxLayout(self)
        column.setContentsMargins(0, 0, 0, 0)
        form = QFormLayout()
        form.setFieldGrowthPolicy(QFormLayout.FieldGrowthPolicy.AllNonFixedFieldsGrow)
        form.setVerticalSpacing(4)
        column.addLayout(form)
        headings: set[str] = set()
        for field in section.get_schema().fields:
            if not (field.visible and field.editable):
                continue
            if field.group not in headings:
                headings.add(field.group)
                heading = Section(field.group, f"metadata_group_{field.group.lower()}", self)
                heading.body.setContentsMargins(0, 6, 0, 0)
                form.addRow(heading)
            editor = self._editors[field.name] = FieldEditor(section, field, self)
            editor.edited.connect(self.edited)
            label = QLabel(field.display_name, self)
            label.setToolTip(field.description)
            form.addRow(label, editor)

    @property
    def field_names(self) -> list[str]:
        """Names of the fields."""
        return list(self._editors)

    def show_values(self, values: Mapping[str, Any], *, is_other: bool) -> None:
        """Show values; what is being typed stays, unless they are those of another file."""
        for name, editor in self._editors.items():
            if is_other or not editor.is_being_edited:
                editor.show_value(values[name])

    def offer(self, choices: Mapping[str, Sequence[str]]) -> None:
        """Offer values to pick, by field."""
        for name, editor in self._editors.items():
            editor.set_choices(choices.get(name, ()))
