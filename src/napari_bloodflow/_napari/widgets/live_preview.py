"""Results that follow a ROI while it is dragged."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from napari.qt.threading import create_worker
from qtpy.QtCore import QObject, Signal

from napari_bloodflow._napari.widgets.analysis_runner import EXPECTED_ERRORS, Job, measure_in_thread

if TYPE_CHECKING:
    from collections.abc import Mapping

    from napari_bloodflow._napari.widgets.analysis_runner import Outcome
    from napari_bloodflow.acquisition.acq_image import AcqImage
    from napari_bloodflow.acquisition.roi import RectRoiBounds
    from napari_bloodflow.analysis.analysis_set import PreparedRun
    from napari_bloodflow.analysis.base import Analysis, AnalysisKey, AnalysisResult

__all__ = ["LivePreview"]

# A measurement that takes longer is dropped for a newer one, instead of being shown late.
_PATIENCE_S = 0.5


@dataclass(frozen=True, slots=True, eq=False)
class _Request:
    acq: AcqImage
    key: AnalysisKey
    params: Mapping[str, Any]
    bounds: RectRoiBounds


class LivePreview(QObject):
    """Measures in a thread where a ROI is at the moment, without keeping the result.

    One measurement runs at a time; of the requests that come meanwhile the newest is served.

    Parameters
    ----------
    parent : QObject
        Its parent; when that is deleted, measuring ends.

    Attributes
    ----------
    measured : Signal
        Emitted with an analysis that holds the result, and belongs to no file.
    given_ended : Signal
        Emitted with the :class:`Outcome` of a measurement that was given away.
    """

    measured = Signal(object)
    given_ended = Signal(object)

    def __init__(self, parent: QObject) -> None:
        super().__init__(parent)
        self._job: Job | None = None
        self._worker: Any = None
        self._next: _Request | None = None
        self._last: Outcome | None = None
        self._given: Job | None = None

    @property
    def is_busy(self) -> bool:
        """True while something is measured."""
        return self._job is not None

    def request(
        self, acq: AcqImage, key: AnalysisKey, params: Mapping[str, Any], bounds: RectRoiBounds
    ) -> None:
        """Ask for a measurement.

        Parameters
        ----------
        acq : AcqImage
            The file.
        key : AnalysisKey
            What to measure.
        params : mapping
            Detection parameters.
        bounds : RectRoiBounds
            Where.
        """
        self._next = _Request(acq, key, params, bounds)
        if self._job is not None and self._job.elapsed_s > _PATIENCE_S:
            self._drop()
        if self._job is None:
            self._serve()

    def result_for(self, acq: AcqImage, run: PreparedRun) -> AnalysisResult | None:
        """Return what was measured last if it is what a run would measure, else None.

        Parameters
        ----------
        acq : AcqImage
            The file.
        run : PreparedRun
            Prepared for the present ROI.
        """
        last = self._last
        return last.result if last is not None and _measures(last.job, acq, run) else None

    def give(self, acq: AcqImage, run: PreparedRun) -> tuple[Job, Any] | None:
        """Give away the measurement under way if it is what a run would measure, else None.

        Parameters
        ----------
        acq : AcqImage
            The file.
        run : PreparedRun
            Prepared for the present ROI; the measurement counts as this one from now on.

        Returns
        -------
        tuple of Job and napari worker, or None
            `given_ended` tells of its end.
        """
        job, worker = self._job, self._worker
        if job is None or not _measures(job, acq, run):
            return None
        self.destroyed.disconnect(job.cancel)
        self._job = self._worker = None
        self._given, job.run = job, run
        return job, worker

    def stop(self) -> None:
        """Measure nothing more, and forget what was measured; what is under way is dropped."""
        self._next = self._last = None
        self._drop()

    def _drop(self) -> None:
        if self._job is not None:
            self._job.cancel()
            self.destroyed.disconnect(self._job.cancel)
            self._job = self._worker = None

    def _serve(self) -> None:
        request, self._next = self._next, None
        if request is None:
            return
        try:
            run = _prepared(request)
        except EXPECTED_ERRORS:
            return  # what cannot be measured has no preview; the run at the end says why
        self._job = Job(request.acq, run)
        self.destroyed.connect(self._job.cancel)
        self._worker = create_worker(measure_in_thread, self._job, _start_thread=False)
        self._worker.returned.connect(self._on_returned)
        self._worker.start()

    def _on_returned(self, outcome: Outcome) -> None:
        if outcome.job is self._given:
            self._given = None
            self.given_ended.emit(outcome)
            return
        if outcome.job is not self._job:
            return
        self._drop()
        self._last = outcome
        if outcome.result is not None:
            run = outcome.job.run
            analysis: Analysis = run.analysis_type(run.key, run.params)
            analysis.set_result(outcome.result)
            self.measured.emit(analysis)
        self._serve()


def _measures(job: Job, acq: AcqImage, run: PreparedRun) -> bool:
    """Tell whether a job measures what a run would."""
    its = job.run
    is_same = (its.key, its.params) == (run.key, run.params)
    return job.acq is acq and is_same and its.inputs.state == run.inputs.state


def _prepared(request: _Request) -> PreparedRun:
    run = request.acq.analysis_set.prepare(request.key, request.params)
    box = request.bounds
    plane = request.acq.images.get_slice(request.key.channel)
    inputs = replace(
        run.inputs,
        image=plane[box.row_start : box.row_stop, box.col_start : box.col_stop],
        state=replace(
            run.inputs.state,
            roi_bounds=(box.row_start, box.row_stop, box.col_start, box.col_stop),
        ),
    )
    return replace(run, inputs=inputs)
