"""Write the files of another name in a thread: a copy, or an image that had no file."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from napari.qt.threading import create_worker
from qtpy.QtCore import QObject, Signal

from napari_bloodflow.acquisition.acq_image import AcqImage

if TYPE_CHECKING:
    from pathlib import Path

    from napari_bloodflow.acquisition.pending_save import PendingCopy

__all__ = ["Copy", "CopySaver"]


class Copy:
    """Files that are written, and what became of them.

    Parameters
    ----------
    acq : AcqImage
        What is saved.
    pending : PendingCopy
        As it was when that began.
    is_image : bool
        Whether the image is written too, and opened.

    Attributes
    ----------
    written : list of pathlib.Path
        The sidecar files.
    saved : AcqImage or None
        The image that was written.
    error : Exception or None
        Why nothing was.
    """

    def __init__(self, acq: AcqImage, pending: PendingCopy, *, is_image: bool) -> None:
        self.acq = acq
        self.pending = pending
        self.is_image = is_image
        self.written: list[Path] = []
        self.saved: AcqImage | None = None
        self.error: Exception | None = None


# A function and not a method: napari remembers a worker and its function.
def copy_in_thread(copy: Copy) -> Copy:
    """Write; touches nothing that others see."""
    try:
        copy.written = copy.pending.write()
        if copy.is_image:
            copy.saved = AcqImage(copy.pending.target)
    except Exception as error:  # noqa: BLE001 - told, or raised again, in the window's thread
        copy.error = error.with_traceback(None)
    return copy


class CopySaver(QObject):
    """Writes the files of another name, one set at a time.

    Parameters
    ----------
    parent : QObject
        Its parent.

    Attributes
    ----------
    ended : Signal
        Emitted with a :class:`Copy`.
    """

    ended = Signal(object)

    def __init__(self, parent: QObject) -> None:
        super().__init__(parent)
        self._copy: Copy | None = None
        self._worker: Any = None

    @property
    def is_running(self) -> bool:
        """True until `ended`."""
        return self._copy is not None

    def start(self, copy: Copy) -> None:
        """Begin to write; not while files are being written."""
        if self._copy is not None:
            return
        self._copy = copy
        self._worker = create_worker(copy_in_thread, copy, _start_thread=False)
        self._worker.returned.connect(self._on_returned)
        self._worker.start()

    def _on_returned(self, copy: Copy) -> None:
        self._copy = self._worker = None
        self.ended.emit(copy)
