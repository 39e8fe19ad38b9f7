"""Seconds per line and micrometres per pixel, who says so, and how to correct them."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from qtpy.QtCore import QLocale, Qt, Signal
from qtpy.QtWidgets import QDoubleSpinBox, QFormLayout, QHBoxLayout, QVBoxLayout, QWidget

from napari_bloodflow._napari.widgets.parts import (
    Fold,
    Notice,
    Section,
    push_button,
    text_label,
)
from napari_bloodflow.acquisition.calibration_choice import combine_readings

if TYPE_CHECKING:
    from collections.abc import Sequence

    from napari_bloodflow._napari.session import ViewerSession
    from napari_bloodflow.acquisition.acq_image import AcqImage
    from napari_bloodflow.calibration import Calibration

__all__ = ["CalibrationChoice", "CalibrationPanel", "StepBox", "describe_calibration"]

_DECIMALS = 9
_NOT_KNOWN = "Not calibrated: results are in pixels and lines."
_SHORTEST = -128  # QLocale.FloatingPointShortest, which PyQt and PySide spell differently
_SOURCES = {
    "user": "set by hand",
    "sidecar": "from the sidecar file",
    "none": "",
}


def describe_calibration(calibration: Calibration) -> str:
    """Return steps and source in words, ``"1.5 ms/line,  0.3 µm/px  (from ImageJ)"``."""
    if not calibration.is_known:
        return _NOT_KNOWN
    source = _SOURCES.get(calibration.source, f"from {calibration.source}")
    return f"{calibration.dt_s * 1e3:.6g} ms/line,  {calibration.dx_um:.6g} µm/px  ({source})"


class StepBox(QDoubleSpinBox):
    """A number above zero, or nothing while it is not known.

    Parameters
    ----------
    name : str
        Object name.
    unit : str
        Shown behind the number.
    maximum : float
        Largest number that can be typed.
    parent : QWidget, optional
        Its parent.
    """

    def __init__(self, name: str, unit: str, maximum: float, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.setObjectName(name)
        self.setDecimals(_DECIMALS)
        self.setRange(0.0, maximum)
        self.setSuffix(f" {unit}")
        self.setSpecialValueText(f"? {unit}")
        self.setStepType(QDoubleSpinBox.StepType.AdaptiveDecimalStepType)
        self.setKeyboardTracking(True)
        self.setAlignment(Qt.AlignmentFlag.AlignLeft)
        self._exact: float | None = None

    def set_exact(self, value: float | None) -> None:
        """Show a number, or nothing; :meth:`exact` returns it unrounded until it is edited."""
        self._exact = value
        self.setValue(value or 0.0)

    def exact(self) -> float | None:
        """Return the number, None while there is none."""
        if self._exact is not None and math.isclose(
            self.value(), self._exact, rel_tol=0, abs_tol=10**-_DECIMALS
        ):
            return self._exact
        return self.value() or None

    def textFromValue(self, value: float) -> str:
        """Return the shortest text for a number, ``"1.5"`` and not ``"1.500000000"``."""
        locale = self.locale()
        locale.setNumberOptions(QLocale.NumberOption.OmitGroupSeparator)
        return str(locale.toString(float(value), "f", _SHORTEST))


class CalibrationChoice(QWidget):
    """Lets the user decide between the calibrations of the image and of its sidecar.

    Parameters
    ----------
    parent : QWidget, optional
        Its parent.

    Attributes
    ----------
    chosen : Signal
        Emitted with the number of the calibration that was chosen.
    """

    chosen = Signal(int)

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.setObjectName("calibration_choice")
        self._notice = Notice("calibration_choice_message", "alert", self)
        tip = "Use this calibration, and remember it"
        self._buttons = (
            push_button("", "use_calibration_of_image", tip, self._on_first, self),
            push_button("", "use_calibration_of_sidecar", tip, self._on_second, self),
        )
        column = QVBoxLayout(self)
        column.setContentsMargins(0, 0, 0, 0)
        column.setSpacing(4)
        column.addWidget(self._notice)
        for button in self._buttons:
            column.addWidget(button)
        self.hide()

    def offer(self, choices: Sequence[Calibration]) -> None:
        """Show the calibrations to choose from; hide if there are none."""
        self._notice.say(
            "The image and the sidecar disagree. That of the image is used until you decide."
            if choices
            else ""
        )
        for button, choice in zip(self._buttons, choices, strict=False):
            source = _SOURCES.get(choice.source, f"from {choice.source}")
            button.setText(f"{choice.dt_s * 1e3:.6g} ms/line, {choice.dx_um:.6g} µm/px ({source})")
        self.setVisible(bool(choices))

    def _on_first(self) -> None:
        self.chosen.emit(0)

    def _on_second(self) -> None:
        self.chosen.emit(1)


class CalibrationPanel(Section):
    """The calibration of the active acquisition.

    Parameters
    ----------
    session : ViewerSession
        What the viewer shows.
    parent : QWidget, optional
        Its parent.
    """

    def __init__(self, session: ViewerSession, parent: QWidget | None = None) -> None:
        super().__init__("Calibration", "calibration_panel", parent)
        self._session = session
        self._edited: AcqImage | None = None
        self._edit = push_button(
            "Edit…", "edit_calibration", "Set the calibration by hand", self._on_edit, self
        )
        self.heading_row.addWidget(self._edit)
        self._choice = CalibrationChoice(self)
        self._choice.chosen.connect(self._on_chosen)
        self._text = text_label("calibration_text", self, wraps=True)
        self._warning = Notice("calibration_warning", "alert", self)
        self._axes = text_label("calibration_axes", self, wraps=True)
        self._swap = push_button("Swap axes", "swap_axes", "", self._on_swap, self)
        self._sources = Fold("calibration_sources", self)
        self._sources.set_title("Where it comes from")
        self._report = text_label("calibration_report", self._sources.content, wraps=True)
        self._sources.body.addWidget(self._report)
        self._form = QWidget(self)
        self._form.setObjectName("calibration_form")
        self._dt_ms = StepBox("dt_ms", "ms/line", 1e6, self._form)
        self._dt_ms.setToolTip("Time from one line to the next, in milliseconds")
        self._dx_um = StepBox("dx_um", "µm/px", 1e4, self._form)
        self._dx_um.setToolTip("Distance from one pixel of the line to the next, in micrometres")
        self._hint = text_label("calibration_hint", self._form, wraps=True)
        self._apply = push_button(
            "Apply",
            "apply_calibration",
            "Use these steps; results that were measured with others become stale",
            self._on_apply,
            self._form,
        )
        cancel = push_button(
            "Cancel", "cancel_calibration", "Keep the calibration", self._close_form, self._form
        )
        buttons = QHBoxLayout()
        buttons.addStretch(1)
        buttons.addWidget(cancel)
        buttons.addWidget(self._apply)
        form = QFormLayout(self._form)
        form.setContentsMargins(0, 0, 0, 0)
        form.setFieldGrowthPolicy(QFormLayout.FieldGrowthPolicy.AllNonFixedFieldsGrow)
        form.addRow("Line period", self._dt_ms)
        form.addRow("Pixel size", self._dx_um)
        form.addRow(self._hint)
        form.addRow(buttons)
        for box in (self._dt_ms, self._dx_um):
            box.valueChanged.connect(self._check)
        self.body.addWidget(self._warning)
        self.body.addWidget(self._text)
        axes = QHBoxLayout()
        axes.addWidget(self._axes, 1)
        axes.addWidget(self._swap, 0, Qt.AlignmentFlag.AlignTop)
        self.body.addLayout(axes)
        self.body.addWidget(self._sources)
        self.body.addWidget(self._choice)
        self.body.addWidget(self._form)
        self._form.hide()

    def refresh(self) -> None:
        """Show the present calibration; numbers being typed stay."""
        acq = self._session.acq
        if acq is not self._edited:
            self._close_form()
        if acq is None:
            return
        calibration = acq.calibration
        self._warning.say(_warning(acq))
        self._choice.offer(acq.calibration_choices)
        self._text.setVisible(calibration.is_known)
        if calibration.is_known:
            self._text.setText(describe_calibration(calibration))
        words = acq.images.axes_in_words
        self._axes.setText(f"{words[0].upper()}{words[1:]}")
        self._show_swap(acq)
        self._report.setText("\n".join(f"• {line}" for line in acq.calibration_report))
        # Notes name the files that lie beside the image.
        self._sources.setVisible(not self._session.blinding.is_on)

    def _show_swap(self, acq: AcqImage) -> None:
        can_swap = acq.images.scitiff is None
        self._swap.setVisible(can_swap)
        self._swap.setText("Swap back" if acq.axes_swapped else "Swap axes")
        axis = "rows" if acq.axes_swapped else "columns"
        self._swap.setToolTip(
            f"Time runs along the {axis} of the file: turn the image.\n"
            "ROIs keep their pixels, results become stale. Can be undone."
        )

    def _on_swap(self) -> None:
        acq = self._session.acq
        if acq is None:
            return
        acq.axes_swapped = not acq.axes_swapped
        axis = "columns" if acq.axes_swapped else "rows"
        stale = sum(a.is_stale for a in acq.analysis_set if a.has_results)
        words = f" {stale} result{'s are' if stale > 1 else ' is'} stale." if stale else ""
        self._session.viewer.status = f"Time runs along the {axis} of the file.{words}"

    def _on_chosen(self, number: int) -> None:
        acq = self._session.acq
        if acq is not None and number < len(acq.calibration_choices):
            choice = acq.calibration_choices[number]
            acq.set_calibration(choice.dt_s, choice.dx_um)

    def _on_edit(self) -> None:
        acq = self._session.acq
        if acq is None:
            return
        if self._edited is not None:
            self._close_form()
            return
        dt_s, dx_um = _known_steps(acq)
        self._edited = acq
        self._dt_ms.set_exact(None if dt_s is None else dt_s * 1e3)
        self._dx_um.set_exact(dx_um)
        self._check()
        self._form.show()
        self._dt_ms.setFocus()
        self._dt_ms.selectAll()

    def _check(self) -> None:
        missing = [
            name
            for name, box in (("line period", self._dt_ms), ("pixel size", self._dx_um))
            if not box.value() > 0
        ]
        self._hint.setText(f"The {' and the '.join(missing)} must be above zero.")
        self._hint.setVisible(bool(missing))
        self._apply.setEnabled(not missing)

    def _on_apply(self) -> None:
        acq, dt_ms, dx_um = self._edited, self._dt_ms.exact(), self._dx_um.exact()
        if acq is None or dt_ms is None or dx_um is None:
            return
        acq.set_calibration(dt_ms / 1e3, dx_um)
        self._close_form()

    def _close_form(self) -> None:
        self._edited = None
        self._form.hide()


def _warning(acq: AcqImage) -> str:
    if not acq.calibration.is_known:
        return _describe_unknown(acq)
    doubts = "; ".join(acq.calibration_doubts)
    return f"Hard to believe: {doubts}. Please check." if doubts else ""


def _known_steps(acq: AcqImage) -> tuple[float | None, float | None]:
    if acq.calibration.is_known:
        return acq.calibration.dt_s, acq.calibration.dx_um
    dt_s, dx_um, _ = combine_readings(acq.images.calibration_readings)
    return dt_s, dx_um


def _describe_unknown(acq: AcqImage) -> str:
    dt_s, dx_um = _known_steps(acq)
    if dt_s is not None:
        return f"{_NOT_KNOWN} The file gives {dt_s * 1e3:.6g} ms/line, but no pixel size."
    if dx_um is not None:
        return f"{_NOT_KNOWN} The file gives {dx_um:.6g} µm/px, but no line period."
    if acq.axes_swapped and acq.images.readings_in_file:
        return f"{_NOT_KNOWN} What the file says is of its axes before they were swapped."
    return f"{_NOT_KNOWN} The file does not say how long a line takes and how large a pixel is."
