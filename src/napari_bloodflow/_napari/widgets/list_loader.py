"""Find files, look into them and save them, in a thread."""

from __future__ import annotations

import threading
from contextlib import suppress
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from napari.qt.threading import create_worker
from qtpy.QtCore import QObject, QTimer, Signal

from napari_bloodflow.acquisition.acq_image_list import AcqImageList, SaveReport
from napari_bloodflow.acquisition.listed_file import read_facts
from napari_bloodflow.analysis.base import Progress
from napari_bloodflow.errors import SaveError

if TYPE_CHECKING:
    from collections.abc import Generator, Sequence
    from pathlib import Path

    from napari_bloodflow.acquisition.acq_image import AcqImage
    from napari_bloodflow.acquisition.pending_save import PendingSave
    from napari_bloodflow.acquisition.sidecar_merge import Keep

__all__ = ["FileSaver", "ListLoader"]

_PATIENCE_MS = 150
"""How long a cancelled save waits for the file that is being written."""


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


class _Write:
    """One file that is being written."""

    def __init__(self, acq: AcqImage, pending: PendingSave, keep: Keep | None) -> None:
        self.acq = acq
        self.pending = pending
        self.keep = keep


def write_in_thread(write: _Write) -> _Write:
    """Write a file; the only step of a save that takes time, and the only one not to do here."""
    # What is no SaveError is raised again where the save is finished, and told there.
    with suppress(Exception):
        write.pending.write()
    return write


class FileSaver(QObject):
    """Saves acquisitions one after the other; what takes time is done in a thread.

    What is edited while its file is written stays unsaved.

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
        self._keep: Keep | None = None
        self._report = SaveReport()
        self._total = 0
        self._is_running = False
        self._write: _Write | None = None
        self._worker: Any = None
        self._patience = QTimer(self)
        self._patience.setSingleShot(True)
        self._patience.setInterval(_PATIENCE_MS)
        self._patience.timeout.connect(self._on_patience_ended)

    @property
    def is_running(self) -> bool:
        """True until `ended`."""
        return self._is_running

    def start(self, acqs: Sequence[AcqImage], keep: Keep | None = None) -> None:
        """Begin to save those that have unsaved changes; not while files are being saved.

        Parameters
        ----------
        acqs : sequence of AcqImage
            What to save.
        keep : {"mine", "both"}, optional
            What to do with conflicts, see :meth:`AcqImage.save`; by default they are errors.
        """
        if self._is_running:
            return
        self._left, self._keep = [acq for acq in acqs if acq.is_dirty], keep
        self._total, self._report, self._is_running = len(self._left), SaveReport(), True
        self._go_on()

    def cancel(self) -> None:
        """Leave the rest unsaved, and wait a little for the file that is being written."""
        if self._is_running:
            self._leave(self._left)
            self._left = []
            if self._write is None:
                self._finish()
            else:
                self._patience.start()

    def _on_patience_ended(self) -> None:
        # A slow drive. It is written all the same, and then taken as saved.
        if self._write is not None:
            self._leave([self._write.acq])
            self._finish()

    def _leave(self, acqs: Sequence[AcqImage]) -> None:
        rest = tuple(acq.image_path for acq in acqs)
        self._report = replace(self._report, not_reached=self._report.not_reached + rest)

    def _go_on(self) -> None:
        """Begin with the next file that there is something to write of."""
        while self._left:
            acq = self._left.pop(0)
            pending = acq.begin_save()
            if pending is None:
                continue
            self.progressed.emit(Progress(self._total - len(self._left) - 1, self._total, acq.name))
            self._write = _Write(acq, pending, self._keep)
            self._worker = create_worker(write_in_thread, self._write, _start_thread=False)
            self._worker.returned.connect(self._on_written)
            self._worker.start()
            return
        self._finish()

    def _on_written(self, write: _Write) -> None:
        acq, is_present = write.acq, write is self._write
        error: SaveError | None = SaveError(acq.image_path, "something unexpected went wrong")
        try:
            is_ended_here = acq.finish_save(keep=write.keep)
            # Another save that came between tells nobody what this one could not write.
            error = write.pending.error if acq.is_dirty and not is_ended_here else None
        except SaveError as found:
            error = found.with_traceback(None)
        finally:
            if is_present:
                self._note(acq, error)

    def _note(self, acq: AcqImage, error: SaveError | None) -> None:
        self._write = self._worker = None
        if error is None:
            self._report = replace(self._report, saved=(*self._report.saved, acq.image_path))
        else:
            failed = (*self._report.failed, (acq.image_path, error))
            self._report = replace(self._report, failed=failed)
        self._go_on()

    def _finish(self) -> None:
        self._patience.stop()
        self._is_running, self._write, self._worker = False, None, None
        self._left = []
        self.ended.emit(self._report)
