"""Single steps of a safe save: write a new file, replace one at once, sync, copy aside."""

from __future__ import annotations

import contextlib
import errno
import hashlib
import os
import secrets
import stat
import time
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, ParamSpec, TypeVar

from napari_bloodflow.errors import SaveError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

__all__ = [
    "Patience",
    "back_up",
    "file_signature",
    "fitted",
    "image_tag",
    "may_exist",
    "naming",
    "read_if_there",
    "real_path",
    "remove",
    "sha256_of",
    "staged_name",
    "sync_folder",
    "time_stamp",
    "words_of",
    "write_new",
]

_P = ParamSpec("_P")
_T = TypeVar("_T")

_NAME_MAX = 255  # bytes, on all file systems in use; the longer UTF-16 limit of Windows is unused
_BINARY = getattr(os, "O_BINARY", 0)
# Access denied, sharing violation, lock violation: on Windows a virus scanner, an indexer or a
# spreadsheet has the file open, most often for a moment.
_SHARING_VIOLATIONS = {5, 32, 33}
_DELAYS_S = tuple(0.01 * 2**n for n in range(7))  # 1.27 s in total
# What systems answer that cannot sync a folder, or not for this user; Windows cannot open one.
_NO_FOLDER_SYNC = {
    errno.EACCES,
    errno.EBADF,
    errno.EINVAL,
    errno.ENOSYS,
    errno.ENOTSUP,
    errno.EOPNOTSUPP,
    errno.EPERM,
}


class Patience:
    """Calls that are repeated while Windows says that another program has the file open.

    All calls of one instance together wait no longer than 1.3 s.
    """

    def __init__(self) -> None:
        self._delays = iter(_DELAYS_S)

    def __call__(self, action: Callable[_P, _T], *args: _P.args, **kwargs: _P.kwargs) -> _T:
        """Return what `action` returns.

        Raises
        ------
        OSError
            As `action` raises, once the time is used up.
        """
        while True:
            try:
                return action(*args, **kwargs)
            except PermissionError as error:
                if getattr(error, "winerror", None) not in _SHARING_VIOLATIONS:
                    raise
                delay = next(self._delays, None)
                if delay is None:
                    raise
                time.sleep(delay)


def sha256_of(data: bytes | None) -> str | None:
    """Return the hash of the content of a file; None for a file that does not exist."""
    return None if data is None else hashlib.sha256(data).hexdigest()


def file_signature(path: Path) -> tuple[int, ...] | None:
    """Return what changes when a file is replaced or written; None if it cannot be looked at."""
    try:
        status = path.stat()
    except OSError:
        return None
    return (status.st_dev, status.st_ino, status.st_size, status.st_mtime_ns)


def real_path(path: Path) -> Path:
    """Return where symbolic links lead, whether there is a file or not."""
    try:
        # Strict, as otherwise a link that cannot be read passes for a file.
        return Path(os.path.realpath(path, strict=True))
    except FileNotFoundError:
        return Path(os.path.realpath(path))


def read_if_there(path: Path) -> bytes | None:
    """Return the content of a file, or None if it does not exist."""
    try:
        # Opening a pipe would otherwise wait for a writer for ever.
        handle = os.open(path, os.O_RDONLY | _BINARY | getattr(os, "O_NONBLOCK", 0))
    except FileNotFoundError:
        return None
    try:
        if not stat.S_ISREG(os.fstat(handle).st_mode):
            raise OSError(errno.EINVAL, "it is not a file")
        parts = []
        while part := os.read(handle, 2**24):
            parts.append(part)
        return b"".join(parts)
    finally:
        os.close(handle)


def write_new(path: Path, data: bytes, like: Path | None = None) -> None:
    """Write a file that does not exist yet, down to the disk; nothing is left if that fails.

    Parameters
    ----------
    path : pathlib.Path
        The file.
    data : bytes
        Its content.
    like : pathlib.Path, optional
        A file whose permissions it gets; if there is none, those of any new file.
    """
    try:
        mode = None if like is None else os.stat(like).st_mode & 0o777
    except FileNotFoundError:
        mode = None
    flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | _BINARY
    # Made with the wanted bits, so that a private file is never readable for others in between.
    handle = os.open(path, flags, 0o666 if mode is None else mode)
    try:
        try:
            rest = memoryview(data)
            while rest:
                rest = rest[os.write(handle, rest) :]
            os.fsync(handle)
        finally:
            os.close(handle)
        if mode is not None:
            with contextlib.suppress(PermissionError):  # some network drives have no permissions
                os.chmod(path, mode)
    except BaseException:
        remove(path)
        raise


def remove(*paths: Path) -> bool:
    """Remove those of some files that exist; return False if one is still there."""
    is_done = True
    for path in paths:
        try:
            os.unlink(path)
        except FileNotFoundError:
            continue
        except OSError:
            is_done = False
    return is_done


def may_exist(path: Path) -> bool:
    """Tell whether there is a file or link; True if that cannot be told."""
    try:
        os.lstat(path)
    except FileNotFoundError:
        return False
    except OSError:
        return True
    return True


def sync_folder(folder: Path) -> None:
    """Bring the names in a folder to the disk, where the file system can.

    Raises
    ------
    OSError
        If the disk fails; not if the system has no such call.
    """
    try:
        handle = os.open(folder, os.O_RDONLY)
        try:
            os.fsync(handle)
        finally:
            os.close(handle)
    except OSError as error:
        if error.errno not in _NO_FOLDER_SYNC:
            raise


def back_up(image_path: Path, path: Path) -> Path:
    """Copy a sidecar file to ``<file>.backup-<UTC time>`` beside it.

    Parameters
    ----------
    image_path : pathlib.Path
        The image it belongs to.
    path : pathlib.Path
        An existing file.

    Returns
    -------
    pathlib.Path
        The copy, or an earlier one with the same content.

    Raises
    ------
    SaveError
        If it cannot be copied.
    """
    try:
        data = read_if_there(path)
        if data is None:
            raise FileNotFoundError(errno.ENOENT, "it does not exist")
        start = fitted(path.name, ".backup-")[: -len(".backup-")]
        with os.scandir(path.parent) as entries:
            names = [entry.name for entry in entries]
        for name in names:
            if name.startswith(f"{start}.backup-") and read_if_there(path.with_name(name)) == data:
                return path.with_name(name)
        copy = path.with_name(fitted(path.name, f".backup-{time_stamp()}"))
        staged = path.with_name(staged_name(image_path, copy.name))
        write_new(staged, data, like=path)
        try:
            os.replace(staged, copy)
        except OSError:
            remove(staged)
            raise
    except OSError as error:
        reason = f"cannot be copied before it is replaced: {words_of(error)}"
        raise SaveError(path, reason) from error
    return copy


def staged_name(image_path: Path, name: str) -> str:
    """Return a new name to write ``name`` under until it is complete.

    It ends in .tmp and not in .csv or .json, so no reader takes it for data. It carries
    :func:`image_tag`, as ``a.tif.json`` alone may belong to ``a.tif`` or to ``a.tif.json.tif``.
    """
    return fitted(f".{name}", f".{image_tag(image_path)}-{secrets.token_hex(4)}.tmp")


def image_tag(image_path: Path) -> str:
    """Return a short text that stands for the name of an image."""
    return hashlib.sha256(os.fsencode(image_path.name)).hexdigest()[:12]


def fitted(name: str, ending: str) -> str:
    """Join a name and an ending; a name too long for a file system is cut and given a hash."""
    raw = os.fsencode(name)
    room = _NAME_MAX - len(os.fsencode(ending))
    if len(raw) <= room:
        return name + ending
    mark = f"~{hashlib.sha256(raw).hexdigest()[:16]}"
    return raw[: room - len(mark)].decode("utf-8", "ignore") + mark + ending


def time_stamp() -> str:
    """Return the present UTC time as it stands in names of files."""
    return datetime.now(UTC).strftime("%Y%m%dT%H%M%S.%fZ")


@contextmanager
def naming(path: Path) -> Iterator[None]:
    """Turn what the system refuses inside into a SaveError that names a file."""
    try:
        yield
    except SaveError:
        raise
    except OSError as error:
        raise SaveError(path, f"cannot be written: {words_of(error)}") from error


def words_of(error: OSError) -> str:
    """Say in words what the system refused."""
    if error.errno == errno.EROFS:
        return "the drive is read-only"
    if error.errno in (errno.EACCES, errno.EPERM):
        return "no permission to write the file or its folder, or another program has it open"
    return error.strerror or str(error)
