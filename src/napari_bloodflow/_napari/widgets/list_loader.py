"""Find files and look into them in a thread, and save them one after the other."""

from __future__ import annotations

import threading
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from napari.qt.threading import create_worker
from qtpy.QtCore import QObject, QTimer, Signal

from napari_bloodflow.acquisition.acq_image_list import (
    AcqImageList,
    SaveReport,
    save_acquisitions,
)
from napari_bloodflow.acquisition.listed_file import read_facts
from napari_bloodflow.analysis.base import Progress

if TYPE_CHECKING:
    from collections.abc import Generator, Sequence
    from pathlib import Path

    from napari_bloodflow.acquisition.acq_image import AcqImage

__all__ = ["FileSaver", "ListLoader"]


class _Job:
    """One search; its identity tells late messages of a dropped one from those of the present."""

    def __init__(self, sources: Sequence[Path], depth: int) -> None:
        self.sources = sources
        self.depth = depth
        self._is_cancelled = threading.Event()

    @property
    def is_cancelled(self) -> bool:
        """True once the rest is not wanted."""
        return self._is_cancelled.is_set()

    def cancel(self) -> None:
        """End the search at its next step."""
        self._is_cancelled.set()


# A function and not a method: napari remembers a worker and its function.
def load_in_thread(job: _Job) -> Generator[tuple[_Job, Any], None, tuple[_Job, Exception | None]]:
    """Find files, then look into each; touches nothing that others see."""
    try:
        acqs = AcqImageList.load_safe(
            job.sources if len(job.sources) > 1 else job.sources[0],
            folder_depth=job.depth,
            open_files=False,
            is_cancelled=lambda: job.is_cancelled,
        )
    except (OSError, ValueError) as error:
        return job, error
    yield job, acqs
    for index, file in enumerate(acqs.files):
        if job.is_cancelled:
            break
        if file.warning is None:
            yield job, (index, read_facts(file.path))
    return job, None


class ListLoader(QObject):
    """Makes lists of files in a thread.

    Parameters
    ----------
    parent : QObject
        Its parent; when that is deleted, the search ends.

    Attributes
    ----------
    listed : Signal
        Emitted with an :class:`AcqImageList` as soon as the names are known.
    looked : Signal
        Emitted with the number of a file and what was found in it.
    ended : Signal
        Emitted with the error in words, empty if there is none.
    """

    listed = Signal(object)
    looked = Signal(int, object)
    ended = Signal(str)

    def __init__(self, parent: QObject) -> None:
        super().__init__(parent)
        self._job: _Job | None = None
        self._worker: Any = None

    @property
    def is_running(self) -> bool:
        """True until `ended`."""
        return self._job is not None

    def start(self, sources: Sequence[Path], depth: int) -> None:
        """Begin a search; an earlier one ends."""
        self._let_go()
        job = self._job = _Job(sources, depth)
        self._worker = create_worker(load_in_thread, job, _start_thread=False)
        self._worker.yielded.connect(self._on_yielded)
        self._worker.returned.connect(self._on_returned)
        self.destroyed.connect(job.cancel)
        self._worker.start()

    def cancel(self) -> None:
        """End the search; what was found stays."""
        if self._job is not None:
            self._let_go()
            self.ended.emit("")

    def _let_go(self) -> None:
        if self._job is not None:
            self._job.cancel()
            self.destroyed.disconnect(self._job.cancel)
        self._job = self._worker = None

    def _on_yielded(self, step: tuple[_Job, Any]) -> None:
        job, found = step
        if job is not self._job:
            return
        if isinstance(found, AcqImageList):
            self.listed.emit(found)
        else:
            self.looked.emit(*found)

    def _on_returned(self, outcome: tuple[_Job, Exception | None]) -> None:
        job, error = outcome
        if job is self._job:
            self._let_go()
            self.ended.emit("" if error is None else str(error))


class FileSaver(QObject):
    """Saves acquisitions one after the other, while the window stays usable.

    Not in a thread: what is edited while its file is written would be taken for saved.

    Parameters
    ----------
    parent : QObject
        Its parent.

    Attributes
    ----------
    progressed : Signal
        Emitted with a :class:`~napari_bloodflow.analysis.base.Progress` before each file.
    ended : Signal
        Emitted with a :class:`SaveReport`.
    """

    progressed = Signal(object)
    ended = Signal(object)

    def __init__(self, parent: QObject) -> None:
        super().__init__(parent)
        self._left: list[AcqImage] = []
        self._report = SaveReport()
        self._total = 0
        self._timer = QTimer(self)
        self._timer.setInterval(0)
        self._timer.timeout.connect(self._save_next)

    @property
    def is_running(self) -> bool:
        """True until `ended`."""
        return self._timer.isActive()

    def start(self, acqs: Sequence[AcqImage]) -> None:
        """Begin to save those that have unsaved changes; not while files are being saved."""
        if self.is_running:
            return
        self._left = [acq for acq in acqs if acq.is_dirty]
        self._total, self._report = len(self._left), SaveReport()
        self._timer.start()

    def cancel(self) -> None:
        """Leave the rest unsaved."""
        if self.is_running:
            rest = tuple(acq.image_path for acq in self._left)
            self._report = replace(self._report, not_reached=rest)
            self._finish()

    def _save_next(self) -> None:
        if not self._left:
            self._finish()
            return
        acq = self._left.pop(0)
        self.progressed.emit(Progress(self._total - len(self._left) - 1, self._total, acq.name))
        done = save_acquisitions([acq])
        self._report = replace(
            self._report,
            saved=self._report.saved + done.saved,
            failed=self._report.failed + done.failed,
        )

    def _finish(self) -> None:
        self._timer.stop()
        self._left = []
        self.ended.emit(self._report)
