"""Asks once how an image layer of another reader is to be measured."""

from __future__ import annotations

from typing import TYPE_CHECKING

from napari.utils.notifications import show_error
from qtpy.QtCore import Qt
from qtpy.QtWidgets import (
    QComboBox,
    QDialog,
    QDialogButtonBox,
    QFormLayout,
    QSpinBox,
    QVBoxLayout,
    QWidget,
)

from napari_bloodflow._napari.use_layer import use_layer
from napari_bloodflow._napari.widgets.calibration_panel import StepBox
from napari_bloodflow._napari.widgets.parts import Notice, push_button, text_label

if TYPE_CHECKING:
    from napari_bloodflow._napari.session import ViewerSession
    from napari_bloodflow._napari.use_layer import LayerQuestion

__all__ = ["LayerDialog"]


class LayerDialog(QDialog):
    """Which axes are time and position, which plane, line period and pixel size.

    Parameters
    ----------
    question : LayerQuestion
        What is known of the layer.
    session : ViewerSession
        Of its viewer.
    parent : QWidget, optional
        The window.
    """

    def __init__(
        self, question: LayerQuestion, session: ViewerSession, parent: QWidget | None = None
    ) -> None:
        super().__init__(parent)
        self.setObjectName("layer_dialog")
        self.setWindowTitle("Use this layer as a kymograph")
        self.setAttribute(Qt.WidgetAttribute.WA_DeleteOnClose)
        self._question = question
        self._session = session
        self._time = self._axis_choice("layer_time_axis", question.plane.time_axis)
        self._position = self._axis_choice("layer_position_axis", question.plane.position_axis)
        self._places = self._place_boxes()
        self._dt_ms = StepBox("layer_dt_ms", "ms/line", 1e6, self)
        self._dt_ms.setToolTip("Time from one line to the next; 0 if it is not known")
        self._dx_um = StepBox("layer_dx_um", "µm/px", 1e4, self)
        self._dx_um.setToolTip("Distance from one pixel of the line to the next; 0 if not known")
        self._size = text_label("layer_size", self, wraps=True)
        self._hint = Notice("layer_hint", "alert", self)
        self._form = QFormLayout()
        self._arrange()
        self._time.currentIndexChanged.connect(self._on_axes)
        self._position.currentIndexChanged.connect(self._on_axes)
        for box in (self._dt_ms, self._dx_um):
            box.valueChanged.connect(self._check)
        self._on_axes()

    def _axis_choice(self, name: str, chosen: int) -> QComboBox:
        box = QComboBox(self)
        box.setObjectName(name)
        for axis, size in enumerate(self._question.axes.shape):
            box.addItem(f"{self._name_of(axis)}: {size} pixels", axis)
        box.setCurrentIndex(chosen)
        return box

    def _name_of(self, axis: int) -> str:
        label = self._question.axes.labels[axis]
        has_name = label and not label.removeprefix("axis ").lstrip("-").isdigit()
        return f"Axis {axis} ({label})" if has_name else f"Axis {axis}"

    def _place_boxes(self) -> dict[int, QSpinBox]:
        plane = self._question.plane
        others = [
            a
            for a in range(len(self._question.axes.shape))
            if a not in (plane.time_axis, plane.position_axis)
        ]
        chosen = dict(zip(others, plane.index, strict=True))
        boxes = {}
        for axis, size in enumerate(self._question.axes.shape):
            box = boxes[axis] = QSpinBox(self)
            box.setObjectName(f"layer_place_{axis}")
            box.setRange(0, size - 1)
            box.setSuffix(f" of 0 to {size - 1}")
            box.setValue(chosen.get(axis, 0))
        return boxes

    def _arrange(self) -> None:
        question, label = self._question, self._session.blinding
        name = text_label("layer_name", self, wraps=True)
        name.setText("" if label.is_on else question.layer.name)
        font = name.font()
        font.setBold(True)
        name.setFont(font)
        form = self._form
        form.setFieldGrowthPolicy(QFormLayout.FieldGrowthPolicy.AllNonFixedFieldsGrow)
        form.addRow("Time runs along", self._time)
        form.addRow("Position runs along", self._position)
        for axis, box in self._places.items():
            form.addRow(f"{self._name_of(axis)}: plane", box)
        form.addRow("Line period", self._dt_ms)
        form.addRow("Pixel size", self._dx_um)
        where = text_label("layer_files", self, wraps=True)
        where.setText(self._describe_files())
        layout = QVBoxLayout(self)
        layout.setSpacing(10)
        layout.addWidget(name)
        if question.can_be_opened:
            layout.addWidget(self._offer_file())
        layout.addLayout(form)
        layout.addWidget(self._size)
        layout.addWidget(self._hint)
        layout.addWidget(where)
        buttons = QDialogButtonBox(QDialogButtonBox.StandardButton.Cancel, self)
        self._use = push_button("Use this layer", "use_layer_accept", "", self._on_use, self)
        self._use.setDefault(True)
        buttons.addButton(self._use, QDialogButtonBox.ButtonRole.ActionRole)
        buttons.rejected.connect(self.reject)
        layout.addWidget(buttons)
        self.setMinimumWidth(440)

    def _offer_file(self) -> Notice:
        notice = Notice("layer_offer", "done", self)
        notice.say("Blood flow reads this file itself, with all channels and its calibration.")
        tip = "Open the file in place of using this layer"
        notice.add_button(push_button("Open the file", "layer_open", tip, self._on_open, self))
        return notice

    def _describe_files(self) -> str:
        if self._question.path is None:
            return (
                "This layer comes from no file on this computer: ROIs and results stay in memory"
                " until you save the image."
            )
        if self._session.blinding.is_on:
            return "ROIs and results are saved beside the file of the layer."
        path = self._question.path
        return f"ROIs and results are saved as {path.name}.json and so on, in {path.parent}."

    # ---- what is chosen

    @property
    def _axes(self) -> tuple[int, int]:
        return self._time.currentIndex(), self._position.currentIndex()

    def _on_axes(self) -> None:
        time, position = self._axes
        axes = self._question.axes
        for axis, box in self._places.items():
            self._form.setRowVisible(box, axis not in (time, position))
        dt_s = axes.dt_s(time)
        self._dt_ms.set_exact(None if dt_s is None else dt_s * 1e3)
        self._dx_um.set_exact(axes.dx_um(position))
        self._check()
        self.adjustSize()

    def _check(self) -> None:
        time, position = self._axes
        shape = self._question.axes.shape
        self._size.setText(f"The kymograph has {shape[time]} lines of {shape[position]} pixels.")
        is_usable = time != position and shape[time] > 1
        missing = [
            name
            for name, box in (("line period", self._dt_ms), ("pixel size", self._dx_um))
            if not box.value() > 0
        ]
        if time == position:
            self._hint.say("Time and position run along different axes.", "error")
        elif not is_usable:
            self._hint.say("A kymograph has at least two lines.", "error")
        elif missing:
            self._hint.say(
                f"Without {' and '.join(missing)} results are in pixels and lines. You can set both"
                " later.",
                "alert",
            )
        else:
            self._hint.say("")
        self._use.setEnabled(is_usable)

    def _on_use(self) -> None:
        time, position = self._axes
        places = [b.value() for a, b in self._places.items() if a not in (time, position)]
        dt_ms, dx_um = self._dt_ms.exact(), self._dx_um.exact()
        stated_s = self._question.axes.dt_s(time)
        # Milliseconds there and back may change the last digit.
        is_stated = stated_s is not None and dt_ms == stated_s * 1e3
        try:
            use_layer(
                self._question.layer,
                self._session.viewer,
                time_axis=time,
                position_axis=position,
                index=places,
                dt_s=None if is_stated or dt_ms is None else dt_ms / 1e3,
                dx_um=dx_um,
            )
        except (OSError, ValueError, TypeError) as error:
            show_error(str(error))
            return
        self.accept()

    def _on_open(self) -> None:
        file = self._question.file
        try:
            if file is not None:
                self._session.open(file)
                self._question.layer.visible = False
        except (OSError, ValueError) as error:
            show_error(str(error))
            return
        self.accept()
