"""Run button that becomes Cancel, with progress and elapsed time."""

from __future__ import annotations

from typing import TYPE_CHECKING

from qtpy.QtCore import Qt, QTimer, Signal
from qtpy.QtGui import QKeySequence, QShortcut
from qtpy.QtWidgets import QGridLayout, QProgressBar, QWidget

from napari_bloodflow._napari.widgets.parts import push_button, text_label

if TYPE_CHECKING:
    from napari_bloodflow._napari.widgets.analysis_runner import AnalysisRunner
    from napari_bloodflow.analysis.base import Progress

__all__ = ["RunBar"]

_CANCEL_TIP = "Stop measuring and keep the earlier result (Ctrl+Return)"
_RUN_KEYS = ("Ctrl+Return", "Ctrl+Enter")  # the second is that of the number block


class RunBar(QWidget):
    """Starts and cancels a run, and says how far it is.

    Parameters
    ----------
    runner : AnalysisRunner
        Tells the elapsed time.
    name : str
        Object names of the parts begin with it.
    noun : str
        What is measured.
    parent : QWidget, optional
        Its parent.

    Attributes
    ----------
    run_pressed, cancel_pressed : Signal
        Emitted when the button is pressed while idle, and while running.
    """

    run_pressed = Signal()
    cancel_pressed = Signal()

    def __init__(
        self, runner: AnalysisRunner, name: str, noun: str, parent: QWidget | None = None
    ) -> None:
        super().__init__(parent)
        self._run_tip = (
            f"Measure {noun} in the chosen ROI (Ctrl+Return)\nEarlier results of it are replaced"
        )
        self._runner = runner
        self._is_running = False
        self._step = ""
        self._prefix = ""
        self.button = push_button("Run", f"{name}_run", self._run_tip, self._on_clicked, self)
        for keys in _RUN_KEYS:
            shortcut = QShortcut(QKeySequence(keys), parent or self)
            shortcut.setContext(Qt.ShortcutContext.WidgetWithChildrenShortcut)
            shortcut.activated.connect(self.button.click)
        self.button.setMinimumWidth(90)
        self.button.setEnabled(False)
        self._progress = QProgressBar(self)
        self._progress.setObjectName(f"{name}_progress")
        self._progress.setToolTip("Part that is measured")
        self._progress.setTextVisible(False)
        policy = self._progress.sizePolicy()
        policy.setRetainSizeWhenHidden(True)
        self._progress.setSizePolicy(policy)
        self._progress.hide()
        self._status = text_label(f"{name}_status", self, wraps=True)
        self._status.setToolTip("What is being done, or was done last")
        self._status.hide()
        self._clock = QTimer(self)
        self._clock.setInterval(200)
        self._clock.timeout.connect(self._show_step)
        self._patience = QTimer(self)
        self._patience.setSingleShot(True)
        self._patience.timeout.connect(self._show_run)
        layout = QGridLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.setVerticalSpacing(2)
        layout.setColumnStretch(1, 1)
        layout.addWidget(self.button, 0, 0)
        layout.addWidget(self._progress, 0, 1, Qt.AlignmentFlag.AlignVCenter)
        layout.addWidget(self._status, 1, 0, 1, 2)

    def start(self, after_ms: int = 0) -> None:
        """Show that a run has begun, at once or if it is not over after a while."""
        self._step = "preparing"
        if after_ms:
            self._patience.start(after_ms)
        else:
            self._show_run()

    def _show_run(self) -> None:
        self._is_running = True
        self.button.setText("Cancel")
        self.button.setToolTip(_CANCEL_TIP)
        # Without a range the bar moves to and fro, until the first progress comes.
        self._progress.setRange(0, 0)
        self._progress.show()
        self._clock.start()
        self._show_step()

    def show_progress(self, progress: Progress) -> None:
        """Show how far the run is."""
        self._step = progress.text or f"{progress.done} of {progress.total}"
        if not self._is_running:
            return
        if progress.total > 0 and progress.done > 0:
            self._progress.setRange(0, progress.total)
            self._progress.setValue(progress.done)
        self._show_step()

    def finish(self) -> None:
        """Show that no run is under way; what became of the last one is to be said."""
        self._patience.stop()
        if self._is_running:
            self._is_running = False
            self._clock.stop()
            self._progress.hide()
            self.button.setText("Run")
            self.button.setToolTip(self._run_tip)

    def say(self, text: str) -> None:
        """Show a line below the button, none if it is empty."""
        self._status.setText(text)
        self._status.setVisible(bool(text))

    def set_prefix(self, prefix: str) -> None:
        """Put what is being measured before the steps, where it is not obvious."""
        self._prefix = f"{prefix}: " if prefix else ""

    def set_can_run(self, can_run: bool) -> None:
        """Enable the button for a run; one that is under way can always be cancelled."""
        self.button.setEnabled(can_run or self._is_running)

    def _on_clicked(self) -> None:
        if self._is_running:
            self.cancel_pressed.emit()
        else:
            self.run_pressed.emit()

    def _show_step(self) -> None:
        # A file's name keeps its spelling.
        step = self._step if self._prefix else self._step[:1].upper() + self._step[1:]
        self.say(f"{self._prefix}{step}, {self._runner.elapsed_s:.1f} s")
