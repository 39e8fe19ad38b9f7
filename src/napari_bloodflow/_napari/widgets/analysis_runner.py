"""Run one analysis at a time in a thread, with progress and cancellation."""

from __future__ import annotations

import threading
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from napari.qt.threading import create_worker
from qtpy.QtCore import QObject, Signal

from napari_bloodflow.errors import BloodflowError

if TYPE_CHECKING:
    from collections.abc import Generator, Mapping

    from napari_bloodflow.acquisition.acq_image import AcqImage
    from napari_bloodflow.analysis.analysis_set import PreparedRun
    from napari_bloodflow.analysis.base import AnalysisKey, AnalysisResult, Progress

__all__ = ["EXPECTED_ERRORS", "AnalysisRunner", "Job", "Outcome", "measure_in_thread"]

EXPECTED_ERRORS = (BloodflowError, ValueError, TypeError, OSError)
"""Errors whose text is for the user; all others are bugs."""

_STEP_S = 0.05
"""Progress is told no more often: each word of it takes the window's thread away from painting."""


@dataclass(frozen=True, slots=True, eq=False)
class Outcome:
    """How a job ended.

    Parameters
    ----------
    job : Job
        Which one.
    result : AnalysisResult or None
        What was measured.
    error : Exception or None
        Why nothing was.
    """

    job: Job
    result: AnalysisResult | None = None
    error: Exception | None = None


class Job:
    """One run; its identity tells late messages of a dropped run from those of the present one."""

    def __init__(self, acq: AcqImage, run: PreparedRun) -> None:
        self.acq = acq
        self.run = run
        self._started = time.monotonic()
        self._is_cancelled = threading.Event()

    @property
    def is_cancelled(self) -> bool:
        """True once the result is not wanted."""
        return self._is_cancelled.is_set()

    @property
    def elapsed_s(self) -> float:
        """Seconds since it was made."""
        return time.monotonic() - self._started

    def cancel(self) -> None:
        """End the measurement at its next step."""
        self._is_cancelled.set()


# napari remembers a worker and its function as long as the window lives. Hence a function and not
# a method of the job, which would keep the pixels. Likewise, a worker that is told to quit never
# resumes its generator; this one ends by itself.
def measure_in_thread(job: Job) -> Generator[tuple[Job, Progress], None, Outcome]:
    """Measure; touches nothing but the inputs of the run."""
    steps = job.run.steps()
    told = time.monotonic()
    try:
        while not job.is_cancelled:
            progress = next(steps)
            if time.monotonic() - told >= _STEP_S:
                yield job, progress
                told = time.monotonic()
    except StopIteration as stop:
        return Outcome(job, result=stop.value)
    except Exception as error:  # noqa: BLE001 - raised again in the GUI's thread
        return Outcome(job, error=error)
    steps.close()
    return Outcome(job)


class AnalysisRunner(QObject):
    """Measures in a thread and takes the result into the acquisition that the run began with.

    Parameters
    ----------
    parent : QObject
        Its parent; when that is deleted, the run ends.

    Attributes
    ----------
    started : Signal
        Emitted when a run has begun.
    progressed : Signal
        Emitted with a :class:`~napari_bloodflow.analysis.base.Progress`.
    ended : Signal
        Emitted with the error in words, empty if there is none, when a run is over. The result,
        if there is one, is then in the acquisition.
    """

    started = Signal()
    progressed = Signal(object)
    ended = Signal(str)

    def __init__(self, parent: QObject) -> None:
        super().__init__(parent)
        self._job: Job | None = None
        self._worker: Any = None
        self._elapsed_s = 0.0

    @property
    def is_running(self) -> bool:
        """True from the start of a run until `ended`."""
        return self._job is not None

    @property
    def acq(self) -> AcqImage | None:
        """The acquisition that is being measured."""
        return self._job.acq if self._job is not None else None

    @property
    def key(self) -> AnalysisKey | None:
        """What is being measured."""
        return self._job.run.key if self._job is not None else None

    @property
    def elapsed_s(self) -> float:
        """Seconds since the present run began, or that the last one took."""
        return self._job.elapsed_s if self._job is not None else self._elapsed_s

    def start(
        self,
        acq: AcqImage,
        key: AnalysisKey | tuple[str, int, int],
        params: Mapping[str, Any],
    ) -> None:
        """Begin a run.

        Parameters
        ----------
        acq : AcqImage
            The file.
        key : AnalysisKey or tuple
            ``(analysis_name, channel, roi_id)``.
        params : mapping
            Detection parameters.

        Raises
        ------
        ValueError, TypeError, AnalysisError
            If this cannot be run; nothing has begun then.
        RuntimeError
            If a run is under way.
        """
        if self._job is not None:
            raise RuntimeError("a run is under way")
        job = Job(acq, acq.analysis_set.prepare(key, params))
        worker = create_worker(measure_in_thread, job, _start_thread=False)
        worker.returned.connect(self.take)
        self._begin(job, worker)
        worker.start()

    def adopt(self, job: Job, worker: Any) -> None:
        """Go on with a run that was begun elsewhere.

        Parameters
        ----------
        job : Job
            What is measured.
        worker : napari worker
            In which thread. Whoever began it hands its outcome to :meth:`take`.

        Raises
        ------
        RuntimeError
            If a run is under way.
        """
        if self._job is not None:
            raise RuntimeError("a run is under way")
        self._begin(job, worker)

    def _begin(self, job: Job, worker: Any) -> None:
        worker.yielded.connect(self._on_yielded)
        worker.finished.connect(self._on_finished)
        self.destroyed.connect(job.cancel)
        self._job, self._worker = job, worker
        self.started.emit()

    def cancel(self) -> None:
        """End the run at once; the earlier result stays."""
        if self._job is not None:
            self._job.cancel()
            self._let_go()
            self.ended.emit("")

    def _let_go(self) -> None:
        assert self._job is not None
        self._elapsed_s = self.elapsed_s
        self.destroyed.disconnect(self._job.cancel)
        self._job = self._worker = None

    def _on_yielded(self, step: tuple[Job, Progress]) -> None:
        job, progress = step
        if job is self._job:
            self.progressed.emit(progress)

    def take(self, outcome: Outcome) -> None:
        """Take the result of the present run into its acquisition; that of any other is dropped."""
        if outcome.job is not self._job:
            return
        self._let_go()
        error = outcome.error
        if outcome.result is not None:
            try:
                outcome.job.acq.analysis_set.commit(outcome.job.run, outcome.result)
            except EXPECTED_ERRORS as refusal:
                error = refusal
        if error is None or isinstance(error, EXPECTED_ERRORS):
            self.ended.emit(str(error) if error is not None else "")
            return
        self.ended.emit(f"the measurement broke off: {type(error).__name__}: {error}")
        raise error

    def _on_finished(self) -> None:
        # Whoever closes a window may tell all workers to quit.
        if self._worker is not None and self._worker.abort_requested:
            self.cancel()
