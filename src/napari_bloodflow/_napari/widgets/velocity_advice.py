"""Advice for the velocity: which window, and how accurate it will be."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Any

from napari.qt.threading import create_worker
from qtpy.QtCore import Signal
from qtpy.QtWidgets import QHBoxLayout, QVBoxLayout, QWidget

from napari_bloodflow._napari.widgets.parts import push_button, text_label

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from napari_bloodflow.calibration import Calibration

__all__ = ["VelocityAdvice"]

_SNR = 1.0


class VelocityAdvice(QWidget):
    """Two questions and their answers, worked out in a thread.

    Parameters
    ----------
    parent : QWidget, optional
        Its parent.

    Attributes
    ----------
    width_proposed : Signal
        Emitted with a window width in lines that suits the record.
    asked : Signal
        Emitted with ``"window"`` or ``"accuracy"`` when the user asks; the answer is given by
        :meth:`suggest` or :meth:`simulate`.
    """

    width_proposed = Signal(int)
    asked = Signal(str)

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.setObjectName("velocity_advice")
        self._worker: Any = None
        self._suggest = push_button(
            "Suggest window",
            "velocity_suggest",
            "Look at the ROI and choose a window that follows the pulse and sees the flow",
            self._on_suggest,
            self,
        )
        self._simulate = push_button(
            "How accurate?",
            "velocity_accuracy",
            "Simulate flow at this calibration, ROI width and window, and measure it",
            self._on_simulate,
            self,
        )
        self._answer = text_label("velocity_advice_text", self, wraps=True)
        self._answer.hide()
        buttons = QHBoxLayout()
        buttons.addWidget(self._suggest)
        buttons.addWidget(self._simulate)
        layout = QVBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.setSpacing(2)
        layout.addLayout(buttons)
        layout.addWidget(self._answer)

    def set_usable(self, is_usable: bool) -> None:
        """Let the user ask, or not."""
        for button in (self._suggest, self._simulate):
            button.setEnabled(is_usable and self._worker is None)

    def clear(self) -> None:
        """Take the last answer away: it was about something else."""
        self._worker = None
        self._say("")

    def suggest(self, image: NDArray[Any], calibration: Calibration) -> None:
        """Propose a window for the pixels of a ROI.

        Parameters
        ----------
        image : ndarray, shape (time, position)
            Pixels.
        calibration : Calibration
            Steps of a line and a pixel.
        """
        self._start(_suggested, image, calibration.dt_s, calibration.dx_um)

    def simulate(self, num_columns: int, window_width: int, calibration: Calibration) -> None:
        """Say how accurate a window of a ROI is.

        Parameters
        ----------
        num_columns, window_width : int
            Pixels per line, lines per window.
        calibration : Calibration
            Steps of a line and a pixel.
        """
        self._start(_simulated, calibration, num_columns, window_width)

    def _on_suggest(self) -> None:
        self.asked.emit("window")

    def _on_simulate(self) -> None:
        self.asked.emit("accuracy")

    def _start(self, function: Any, *arguments: Any) -> None:
        self._worker = create_worker(function, *arguments, _start_thread=False)
        self._worker.returned.connect(partial(self._on_returned, self._worker))
        self.set_usable(False)
        self._say("Looking…")
        self._worker.start()

    def _on_returned(self, worker: Any, answer: tuple[int | None, str]) -> None:
        if worker is not self._worker:
            return
        self._worker = None
        self.set_usable(True)
        width, text = answer
        self._say(text[:1].upper() + text[1:])
        if width is not None:
            self.width_proposed.emit(width)

    def _say(self, text: str) -> None:
        self._answer.setText(text)
        self._answer.setVisible(bool(text))


def _suggested(image: NDArray[Any], dt_s: float, dx_um: float) -> tuple[int | None, str]:
    from napari_bloodflow.analysis.velocity_window import suggest_window

    try:
        found = suggest_window(image, dt_s, dx_um)
    except ValueError as error:
        return None, str(error)
    return found.window_width, f"{found.window_width} lines: {found.reason}"


def _simulated(
    calibration: Calibration, num_columns: int, window_width: int
) -> tuple[int | None, str]:
    from napari_bloodflow.analysis.accuracy_atlas import accuracy_atlas

    try:
        atlas = accuracy_atlas(calibration.dx_um, calibration.dt_s, num_columns, window_width, _SNR)
    except ValueError as error:
        return None, str(error)
    return None, f"{atlas.sentence()}, where cells stand out as much as the noise."
