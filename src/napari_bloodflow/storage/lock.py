"""One writer at a time for the files of an image.

The system frees the lock of a process that dies, however it dies. So whoever holds the lock knows
that everything unfinished in the folder was left by a writer that is gone. The lock file exists
while a save is under way and is removed at its end: one that is found free belonged to a writer
that was interrupted, which makes looking for leftovers cheap.
"""

from __future__ import annotations

import contextlib
import errno
import os
import sys
import time
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING

from napari_bloodflow.storage.atomic import fitted, remove

if sys.platform == "win32":
    import msvcrt
else:
    import fcntl

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

__all__ = ["ImageLock", "LockBusyError", "image_lock", "lock_path"]

_WAIT_S = 3.0
_BUSY = {errno.EACCES, errno.EAGAIN, errno.EDEADLK, errno.EWOULDBLOCK}


class LockBusyError(OSError):
    """Another writer holds the lock, and went on holding it for 3 s."""


@dataclass(slots=True)
class ImageLock:
    """A lock that is held.

    Parameters
    ----------
    is_exclusive : bool
        False on drives that cannot lock: there may be another writer.
    was_left : bool
        True if the lock file was there, so a writer was interrupted or could not clean up.
    is_kept : bool
        Set to True to leave the lock file, as a sign that there is something to clean up.
    """

    is_exclusive: bool
    was_left: bool
    is_kept: bool = False


def lock_path(image_path: Path) -> Path:
    """Return the lock file of an image."""
    return image_path.with_name(fitted(f".{image_path.name}", ".bloodflow-lock"))


@contextmanager
def image_lock(image_path: Path, wait_s: float = _WAIT_S) -> Iterator[ImageLock]:
    """Hold the lock of an image's sidecar files, against processes and threads.

    Parameters
    ----------
    image_path : pathlib.Path
        The image.
    wait_s : float
        How long to wait for another writer.

    Raises
    ------
    LockBusyError
        If another writer does not finish in time.
    OSError
        If the folder cannot be written.
    """
    path = lock_path(image_path)
    handle, lock = _acquire(path, wait_s)
    try:
        yield lock
    finally:
        # Where a file in use can be removed, it is removed first: whoever waits for it then sees
        # that it is not the file of this name any more. Windows refuses if somebody waits.
        if not lock.is_kept and sys.platform != "win32":
            remove(path)
        _unlock(handle)
        if not lock.is_kept and sys.platform == "win32":
            remove(path)


def _acquire(path: Path, wait_s: float) -> tuple[int, ImageLock]:
    end = time.monotonic() + wait_s
    delay_s = 0.002
    while True:
        handle, is_new = _open(path)
        try:
            is_exclusive = _try_to_lock(handle)
            if is_exclusive is None or _is_still(path, handle):
                return handle, ImageLock(bool(is_exclusive), not is_new)
        except LockBusyError:
            os.close(handle)
            if time.monotonic() >= end:
                raise
            time.sleep(delay_s)
            delay_s = min(2 * delay_s, 0.1)
        except BaseException:
            if is_new:
                remove(path)
            os.close(handle)
            raise
        else:
            os.close(handle)


def _open(path: Path) -> tuple[int, bool]:
    while True:
        try:
            return os.open(path, os.O_RDWR | os.O_CREAT | os.O_EXCL, 0o666), True
        except FileExistsError:
            pass
        with contextlib.suppress(FileNotFoundError):
            try:
                return os.open(path, os.O_RDWR), False
            except PermissionError:
                # Left by another user of a shared folder. Only NFS needs it open for writing.
                return os.open(path, os.O_RDONLY), False


def _try_to_lock(handle: int) -> bool | None:
    """Return True if locked, None if the drive cannot lock."""
    try:
        if sys.platform == "win32":
            msvcrt.locking(handle, msvcrt.LK_NBLCK, 1)
        else:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError as error:
        if error.errno in _BUSY:
            raise LockBusyError("another program is saving it") from error
        return None
    return True


def _is_still(path: Path, handle: int) -> bool:
    try:
        return os.path.samestat(os.stat(path), os.fstat(handle))
    except FileNotFoundError:
        return False


def _unlock(handle: int) -> None:
    with contextlib.suppress(OSError):
        if sys.platform == "win32":
            msvcrt.locking(handle, msvcrt.LK_UNLCK, 1)
        else:
            fcntl.flock(handle, fcntl.LOCK_UN)
    with contextlib.suppress(OSError):
        os.close(handle)
