"""The calibration of one file or of several, who says so, and what changing it does."""

from __future__ import annotations

from typing import TYPE_CHECKING

from qtpy.QtCore import QTimer, Signal
from qtpy.QtWidgets import QFormLayout, QHBoxLayout, QWidget

from napari_bloodflow._napari.widgets.calibration_panel import (
    CalibrationChoice,
    StepBox,
    describe_calibration,
)
from napari_bloodflow._napari.widgets.parts import Notice, Section, push_button, text_label
from napari_bloodflow.acquisition.calibration_effect import results_made_stale

if TYPE_CHECKING:
    from collections.abc import Sequence

    from napari_bloodflow.acquisition.acq_image import AcqImage
    from napari_bloodflow.acquisition.listed_file import ListedFile

__all__ = ["CalibrationForm"]

_PAUSE_MS = 150


class CalibrationForm(Section):
    """Line period and pixel size, with source and effect.

    Parameters
    ----------
    parent : QWidget, optional
        Its parent.

    Attributes
    ----------
    applied : Signal
        Emitted with seconds per line and micrometres per pixel when the user wants them.
    """

    applied = Signal(float, float)

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__("Calibration", "calibration_form_section", parent)
        self._acq: AcqImage | None = None
        self._targets: tuple[ListedFile, ...] = ()
        self._text = text_label("metadata_calibration", self, wraps=True)
        self._choice = CalibrationChoice(self)
        self._choice.chosen.connect(self._on_chosen)
        self._dt_ms = StepBox("metadata_dt_ms", "ms/line", 1e6, self)
        self._dt_ms.setToolTip("Time from one line to the next, in milliseconds")
        self._dx_um = StepBox("metadata_dx_um", "µm/px", 1e4, self)
        self._dx_um.setToolTip("Distance from one pixel of the line to the next, in micrometres")
        self._effect = Notice("calibration_effect", "alert", self)
        self._apply = push_button(
            "Apply", "metadata_apply_calibration", "Use these steps", self._on_apply, self
        )
        self._revert = push_button(
            "Revert", "metadata_revert_calibration", "Keep the calibration", self._show, self
        )
        self._pause = QTimer(self)
        self._pause.setSingleShot(True)
        self._pause.setInterval(_PAUSE_MS)
        self._pause.timeout.connect(self._show_effect)
        form = QFormLayout()
        form.setFieldGrowthPolicy(QFormLayout.FieldGrowthPolicy.AllNonFixedFieldsGrow)
        form.addRow("Line period", self._dt_ms)
        form.addRow("Pixel size", self._dx_um)
        self._buttons = QWidget(self)
        row = QHBoxLayout(self._buttons)
        row.setContentsMargins(0, 0, 0, 0)
        row.addStretch(1)
        row.addWidget(self._revert)
        row.addWidget(self._apply)
        for part in (self._text, self._choice):
            self.body.addWidget(part)
        self.body.addLayout(form)
        self.body.addWidget(self._effect)
        self.body.addWidget(self._buttons)
        for box in (self._dt_ms, self._dx_um):
            box.valueChanged.connect(self._on_typed)

    def show_files(self, acq: AcqImage, targets: Sequence[ListedFile], *, is_other: bool) -> None:
        """Show the calibration of some files; numbers being typed stay unless they are others.

        Parameters
        ----------
        acq : AcqImage
            The active one.
        targets : sequence of ListedFile
            All that an edit concerns, empty if it is the active one alone.
        is_other : bool
            Whether they are others than before.
        """
        self._acq, self._targets = acq, tuple(targets)
        found = {acq.calibration} | {c for file in targets if (c := file.calibration) is not None}
        several = "The selected files have several calibrations."
        self._text.setText(describe_calibration(found.pop()) if len(found) == 1 else several)
        self._choice.offer(acq.calibration_choices if not targets else ())
        if is_other or not self._is_edited:
            self._show()

    @property
    def _is_edited(self) -> bool:
        return self._buttons.isVisibleTo(self)

    def _show(self) -> None:
        """Show the steps of the active acquisition."""
        if self._acq is None:
            return
        calibration = self._acq.calibration
        for box, step in ((self._dt_ms, calibration.dt_s * 1e3), (self._dx_um, calibration.dx_um)):
            box.blockSignals(True)
            box.set_exact(step if calibration.is_known else None)
            box.blockSignals(False)
        self._pause.stop()
        self._effect.say("")
        self._buttons.hide()

    def _on_typed(self) -> None:
        self._buttons.show()
        missing = [
            name
            for name, box in (("line period", self._dt_ms), ("pixel size", self._dx_um))
            if not box.value() > 0
        ]
        self._apply.setEnabled(not missing)
        if missing:
            self._pause.stop()
            self._effect.say(f"The {' and the '.join(missing)} must be above zero.", "error")
        else:
            self._pause.start()

    def _show_effect(self) -> None:
        dt_ms, dx_um = self._dt_ms.exact(), self._dx_um.exact()
        if self._acq is None or dt_ms is None or dx_um is None:
            return
        acqs = [file.acq for file in self._targets if file.acq is not None] or [self._acq]
        unread = len(self._targets) - len(acqs) if self._targets else 0
        count = sum(len(results_made_stale(acq, dt_ms / 1e3, dx_um)) for acq in acqs)
        results = "1 result becomes" if count == 1 else f"{count or 'no'} results become"
        text = f"{results[:1].upper()}{results[1:]} stale"
        if unread:
            text += f", and those of {unread} more files"
        self._effect.say(f"{text}.", "alert")

    def _on_chosen(self, number: int) -> None:
        if self._acq is not None and number < len(self._acq.calibration_choices):
            choice = self._acq.calibration_choices[number]
            self.applied.emit(choice.dt_s, choice.dx_um)

    def _on_apply(self) -> None:
        dt_ms, dx_um = self._dt_ms.exact(), self._dx_um.exact()
        if dt_ms is not None and dx_um is not None:
            self._buttons.hide()
            self._effect.say("")
            self.applied.emit(dt_ms / 1e3, dx_um)
