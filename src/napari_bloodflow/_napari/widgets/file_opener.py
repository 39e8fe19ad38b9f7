"""Open the file that the user goes to in a thread."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from napari.qt.threading import create_worker
from qtpy.QtCore import QObject, QThreadPool, Signal

from napari_bloodflow.acquisition.acq_image import AcqImage

if TYPE_CHECKING:
    from pathlib import Path

    from napari_bloodflow._napari.workspace import Workspace
    from napari_bloodflow.acquisition.listed_file import ListedFile

__all__ = ["FileOpener"]


# A function and not a method: napari remembers a worker and its function.
def open_in_thread(path: Path) -> AcqImage | None:
    """Open a file and look for its contrast; None if it cannot be opened."""
    try:
        acq = AcqImage(path)
        for channel in range(acq.images.num_channels):
            acq.ensure_image_contrast(channel)
    except (OSError, ValueError):
        return None
    return acq


def _take_thread() -> None:
    """Let workers use one thread more until :func:`_give_thread_back`.

    On a machine with few cores a search through many files and a measurement have them all.
    """
    if (pool := QThreadPool.globalInstance()) is not None:
        pool.releaseThread()


def _give_thread_back() -> None:
    if (pool := QThreadPool.globalInstance()) is not None:
        pool.reserveThread()


class FileOpener(QObject):
    """Opens listed files, one at a time; of those asked for meanwhile, the last.

    Parameters
    ----------
    workspace : Workspace
        The list.
    parent : QObject
        Its parent.

    Attributes
    ----------
    ready : Signal
        Emitted with the :class:`ListedFile`, which is open now, or cannot be opened: to open it
        says why.
    """

    ready = Signal(object)

    def __init__(self, workspace: Workspace, parent: QObject) -> None:
        super().__init__(parent)
        self._workspace = workspace
        self._wanted: ListedFile | None = None
        self._opening: ListedFile | None = None
        self._worker: Any = None

    def open(self, file: ListedFile) -> None:
        """Open a file; the one that was asked for before is not wanted any more."""
        self._wanted = file
        if self._opening is None or self._worker.abort_requested:
            self._go_on()

    def cancel(self) -> None:
        """Want no file any more."""
        self._wanted = None

    def _go_on(self) -> None:
        file = self._wanted
        if file is None:
            return
        if self._workspace.is_open(file):
            self._wanted = None
            self.ready.emit(file)
            return
        self._opening = file
        self._worker = create_worker(open_in_thread, file.path, _start_thread=False)
        self._worker.returned.connect(self._on_returned)
        self._worker.errored.connect(self._on_errored)
        self._worker.finished.connect(_give_thread_back)
        _take_thread()
        self._worker.start()

    def _on_errored(self, _error: Exception) -> None:
        self._on_returned(None)

    def _on_returned(self, acq: AcqImage | None) -> None:
        file, self._opening, self._worker = self._opening, None, None
        if file is None or file is not self._wanted:
            self._go_on()
            return
        self._wanted = None
        if acq is not None:
            self._workspace.take_opened(file, acq)
        self.ready.emit(file)
