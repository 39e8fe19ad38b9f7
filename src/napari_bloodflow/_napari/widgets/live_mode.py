"""Live mode of a dock: when to measure anew, and what to show meanwhile."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from qtpy.QtCore import QObject, QTimer, Signal
from qtpy.QtWidgets import QCheckBox

from napari_bloodflow._napari.widgets.live_preview import LivePreview

if TYPE_CHECKING:
    from collections.abc import Mapping

    from qtpy.QtWidgets import QWidget

    from napari_bloodflow._napari.widgets.analysis_runner import AnalysisRunner
    from napari_bloodflow.acquisition.acq_image import AcqImage
    from napari_bloodflow.acquisition.roi import RectRoiBounds
    from napari_bloodflow.analysis.base import AnalysisKey

__all__ = ["PATIENCE_MS", "LiveMode"]

PATIENCE_MS = 300
"""A run of live mode that takes no longer is not shown, only its result."""

_DELAY_MS = 60


class LiveMode(QObject):
    """Lets results follow the ROI and the settings.

    Parameters
    ----------
    name : str
        Object name of the switch begins with it.
    runner : AnalysisRunner
        What measures after an edit.
    parent : QWidget
        Its parent.

    Attributes
    ----------
    run_wanted : Signal
        Emitted when it is time to measure with what is chosen now.
    previewed : Signal
        Emitted with an analysis of where a ROI is dragged; it belongs to no file.
    patience_ended : Signal
        Emitted when a run takes so long that what is shown is to be marked as out of date.
    """

    run_wanted = Signal()
    previewed = Signal(object)
    patience_ended = Signal()

    def __init__(self, name: str, runner: AnalysisRunner, parent: QWidget) -> None:
        super().__init__(parent)
        self._runner = runner
        self.switch = QCheckBox("Live", parent)
        self.switch.setObjectName(f"{name}_live")
        self.switch.setToolTip(
            "Measure again whenever the ROI or a setting changes, and while the ROI is dragged"
        )
        self.switch.toggled.connect(self._on_toggled)
        self._preview = LivePreview(self)
        self._preview.measured.connect(self.previewed)
        self._preview.given_ended.connect(runner.take)
        self._delay = QTimer(self)
        self._delay.setSingleShot(True)
        self._delay.setInterval(_DELAY_MS)
        self._delay.timeout.connect(self._want_run)
        self._patience = QTimer(self)
        self._patience.setSingleShot(True)
        self._patience.setInterval(PATIENCE_MS)
        self._patience.timeout.connect(self.patience_ended)
        runner.ended.connect(self._patience.stop)

    @property
    def is_on(self) -> bool:
        """Whether results follow."""
        return self.switch.isChecked()

    def note_edit(self) -> None:
        """Say that the ROI or a setting is another one."""
        if not self.is_on:
            return
        if self._runner.is_running or self._delay.isActive():
            # Not one more run, that is dropped again, for each step of a spin box.
            self._delay.start()
        else:
            # At once, so that it goes on while the canvas is painted.
            self._want_run()

    def follow(
        self, acq: AcqImage, key: AnalysisKey, params: Mapping[str, Any], bounds: RectRoiBounds
    ) -> None:
        """Measure where a ROI is dragged, if results follow; see :meth:`LivePreview.request`."""
        if self.is_on:
            self._preview.request(acq, key, params, bounds)

    def take_preview(self, acq: AcqImage, key: AnalysisKey, params: Mapping[str, Any]) -> bool:
        """Keep what was measured while the ROI was dragged, if it was released there.

        If that is still being measured, the measurement becomes the run.

        Returns
        -------
        bool
            False if it has to be measured.

        Raises
        ------
        ValueError, TypeError, AnalysisError
            If this cannot be measured.
        """
        run = acq.analysis_set.prepare(key, params)
        result = self._preview.result_for(acq, run)
        if result is not None:
            acq.analysis_set.commit(run, result)
            return True
        under_way = self._preview.give(acq, run)
        if under_way is not None:
            self._runner.adopt(*under_way)
        return under_way is not None

    def awaits(self, acq: AcqImage | None, key: AnalysisKey | None) -> bool:
        """Tell whether what is shown of this will be replaced in a moment.

        To mark it as out of date until then would flicker, and delay what comes.
        """
        runner = self._runner
        if not self.is_on or runner.acq is not acq or runner.key != key or not runner.is_running:
            return False
        left = PATIENCE_MS - round(1e3 * runner.elapsed_s)
        if left > 0:
            self._patience.start(left)
        return left > 0

    def stop(self) -> None:
        """Measure nothing more until the next edit."""
        self._delay.stop()
        self._patience.stop()
        self._preview.stop()

    def _on_toggled(self) -> None:
        self._preview.stop()
        self.note_edit()

    def _want_run(self) -> None:
        self.run_wanted.emit()
        self._preview.stop()
