"""Form of the parameters of an analysis, made from its schema."""

from __future__ import annotations

import math
from functools import partial
from typing import TYPE_CHECKING, Any, Protocol

from magicgui.widgets import CheckBox, ComboBox, FloatSpinBox, LineEdit, SpinBox
from qtpy.QtCore import Qt, Signal
from qtpy.QtWidgets import QFormLayout, QLabel, QVBoxLayout, QWidget

from napari_bloodflow._napari.widgets.parts import Fold, Notice
from napari_bloodflow.calibration import pretty_unit

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping

    from napari_bloodflow.schema import FieldSchema, Schema

__all__ = ["FieldEditor", "ParamsForm"]

_LARGEST = 2**30
_FOLD_TITLE = "More settings"


class FieldEditor(Protocol):
    """What edits one value of a form, beside the widgets that are made from the schema."""

    edited: Any
    """Signal, emitted after the user changed the value."""

    @property
    def value(self) -> Any:
        """What is shown."""
        ...

    def set_value(self, value: Any) -> None:
        """Show a value; this is no edit."""
        ...


class _SchemaEditor:
    """A magicgui widget that fits a field."""

    def __init__(self, entry: FieldSchema, name: str) -> None:
        self._widget = _magicgui_widget(entry)
        self.widget: QWidget = self._widget.native
        self.widget.setObjectName(name)
        self.edited = self._widget.changed

    @property
    def value(self) -> Any:
        return self._widget.value

    def set_value(self, value: Any) -> None:
        with self._widget.changed.blocked():
            self._widget.value = value


class ParamsForm(QWidget):
    """Edits parameters; those that do not matter to the chosen method are hidden.

    A value that was set from outside is kept as it is, with all its digits, until the user
    changes it.

    Parameters
    ----------
    schema : Schema
        What to edit.
    name : str
        Object name; that of an editor is ``<name>_<field>``.
    basic : collection of str
        Fields that are always in view; the others are below *More settings*.
    method_field : str
        The field that decides which others matter; empty if there is none.
    editors : mapping of str to QWidget, optional
        Widgets for fields that need one of their own; each a :class:`FieldEditor`.
    parent : QWidget, optional
        Its parent.

    Attributes
    ----------
    edited : Signal
        Emitted with the name of a field after the user changed it.
    """

    edited = Signal(str)

    def __init__(
        self,
        schema: Schema,
        name: str,
        *,
        basic: Collection[str] = (),
        method_field: str = "",
        editors: Mapping[str, Any] | None = None,
        parent: QWidget | None = None,
    ) -> None:
        super().__init__(parent)
        self.setObjectName(name)
        self._schema = schema
        self._method_field = method_field
        self._values: dict[str, Any] = {e.name: e.default_value for e in schema.fields}
        self._editors: dict[str, Any] = {}
        self._rows: dict[str, tuple[QFormLayout, QWidget]] = {}
        self._headings: dict[str, tuple[QLabel, list[str]]] = {}
        self.form = _form_layout()
        self._fold = Fold(f"{name}_more", self)
        self._fold.set_title(_FOLD_TITLE)
        self._fold.toggle.setToolTip("Settings that rarely need a change")
        more = _form_layout()
        self._fold.body.addLayout(more)
        self._problem = Notice(f"{name}_problem", "error", self)
        layout = QVBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.setSpacing(4)
        layout.addLayout(self.form)
        layout.addWidget(self._fold)
        layout.addWidget(self._problem)
        for entry in schema.fields:
            if entry.visible and entry.editable:
                is_basic = entry.name in basic
                if not is_basic and entry.group:
                    self._add_heading(more, entry)
                own = (editors or {}).get(entry.name)
                self._add(self.form if is_basic else more, entry, own)
        self._show_relevant()

    def _add_heading(self, form: QFormLayout, entry: FieldSchema) -> None:
        if entry.group not in self._headings:
            text = entry.group.replace("_", " ")
            label = QLabel(f"<i>{text[:1].upper()}{text[1:]}</i>", self)
            form.addRow(label)
            self._headings[entry.group] = (label, [])
        self._headings[entry.group][1].append(entry.name)

    def _add(self, form: QFormLayout, entry: FieldSchema, own: Any | None) -> None:
        if own is None:
            editor: Any = _SchemaEditor(entry, f"{self.objectName()}_{entry.name}")
            widget = editor.widget
            editor.set_value(entry.default_value)
            widget.setToolTip(_tip(entry))
        else:
            editor, widget = own, own
        unit = f" ({pretty_unit(entry.unit)})" if entry.unit else ""
        label = QLabel(f"{entry.display_name}{unit}", self)
        label.setToolTip(_tip(entry))
        label.setBuddy(widget)
        form.addRow(label, widget)
        self._editors[entry.name] = editor
        self._rows[entry.name] = (form, widget)
        editor.edited.connect(partial(self._on_edited, entry.name))

    # ---- values

    @property
    def values(self) -> dict[str, Any]:
        """All parameters by name."""
        return dict(self._values)

    def set_values(self, values: Mapping[str, Any]) -> None:
        """Show parameters; this is no edit, and those not given stay.

        Values that a widget cannot show, such as those of a damaged file, are left out.
        """
        for name, editor in self._editors.items():
            if name not in values:
                continue
            try:
                editor.set_value(values[name])
            except (TypeError, ValueError, OverflowError):
                continue
            self._values[name] = values[name]
        self._show_relevant()

    def show_problem(self, text: str) -> None:
        """Say below the form what is wrong with the values; nothing if the text is empty."""
        self._problem.say(text)

    def set_enabled(self, is_enabled: bool) -> None:
        """Let the values be edited, or not; the fold can always be opened."""
        for _, widget in self._rows.values():
            widget.setEnabled(is_enabled)

    def _on_edited(self, name: str, *_: Any) -> None:
        self._values[name] = self._editors[name].value
        if name == self._method_field:
            self._show_relevant()
        self.edited.emit(name)

    def _show_relevant(self) -> None:
        method = self._values.get(self._method_field)
        shown = set()
        for entry in self._schema.fields:
            row = self._rows.get(entry.name)
            if row is None:
                continue
            is_relevant = not entry.only_for or method in entry.only_for
            form, widget = row
            form.setRowVisible(widget, is_relevant)
            if is_relevant and form is not self.form:
                shown.add(entry.name)
        for label, names in self._headings.values():
            label.setVisible(not shown.isdisjoint(names))
        self._fold.setVisible(bool(shown))


def _form_layout() -> QFormLayout:
    form = QFormLayout()
    form.setContentsMargins(0, 0, 0, 0)
    form.setVerticalSpacing(4)
    form.setFieldGrowthPolicy(QFormLayout.FieldGrowthPolicy.AllNonFixedFieldsGrow)
    form.setLabelAlignment(Qt.AlignmentFlag.AlignLeft)
    return form


def _tip(entry: FieldSchema) -> str:
    parts = [entry.description.replace(". ", ".\n"), f"In files and scripts: {entry.name}"]
    return "\n".join(part for part in parts if part)


def _magicgui_widget(entry: FieldSchema) -> Any:
    if entry.value_type == "enum":
        return ComboBox(choices=list(zip(entry.choice_labels, entry.choices, strict=True)))
    if entry.value_type == "bool":
        return CheckBox(text="")
    if entry.value_type == "str":
        return LineEdit()
    low = -_LARGEST if entry.minimum is None else entry.minimum
    high = _LARGEST if entry.maximum is None else entry.maximum
    if entry.value_type == "int":
        widget: Any = SpinBox(min=int(low), max=int(high), step=int(entry.step or 1))
    else:
        step = _float_step(entry)
        widget = FloatSpinBox(min=low, max=high, step=step)
        widget.native.setDecimals(max(0, 1 - math.floor(math.log10(step))))
    # A number is taken when it is complete, not with each of its digits.
    widget.native.setKeyboardTracking(False)
    return widget


def _float_step(entry: FieldSchema) -> float:
    """Return a step of about a tenth of the default value."""
    if entry.step is not None:
        return entry.step
    if entry.maximum is not None and entry.maximum <= 1:
        return 0.01
    size = abs(float(entry.default_value or 1.0))
    return float(10.0 ** (math.floor(math.log10(size)) - (size < 100)))
