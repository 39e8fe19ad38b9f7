"""Replacing files so that a reader sees the old or the new content, never half of it."""

from __future__ import annotations

import contextlib
import os
import tempfile
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING

from napari_bloodflow.errors import SaveError

if TYPE_CHECKING:
    from collections.abc import Mapping

__all__ = ["back_up", "replace_files"]


def replace_files(contents: Mapping[Path, bytes]) -> list[Path]:
    """Write files, each at once; files that hold the content already are not touched.

    All contents are on disk under temporary names before the first file is replaced.

    Parameters
    ----------
    contents : mapping of pathlib.Path to bytes
        New content by path, in order of replacement.

    Returns
    -------
    list of pathlib.Path
        The files that were replaced.

    Raises
    ------
    SaveError
        If a file cannot be written; the text names it and the cause.
    """
    waiting: list[tuple[Path, Path, Path]] = []
    written: list[Path] = []
    path = Path()
    try:
        for path, data in contents.items():
            target = _target(path)
            if _holds(target, data):
                continue
            waiting.append((path, target, _write_temporary(target, data)))
        for path, target, temporary in list(waiting):
            os.replace(temporary, target)
            waiting.remove((path, target, temporary))
            written.append(path)
    except OSError as error:
        raise SaveError(path, f"cannot be written: {error.strerror or error}") from error
    finally:
        for _, _, temporary in waiting:
            with contextlib.suppress(OSError):
                temporary.unlink()
    for folder in {_target(path).parent for path in written}:
        _sync_folder(folder)
    return written


def back_up(path: Path) -> Path:
    """Copy a file to ``<file>.backup-<UTC time>`` beside it.

    Parameters
    ----------
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
        data = path.read_bytes()
        for earlier in path.parent.glob(f"{_escaped(path.name)}.backup-*"):
            if _holds(earlier, data):
                return earlier
        stamp = datetime.now(UTC).strftime("%Y%m%dT%H%M%S.%fZ")
        copy = path.with_name(f"{path.name}.backup-{stamp}")
        os.replace(_write_temporary(copy, data), copy)
    except OSError as error:
        reason = f"cannot be copied before it is replaced: {error.strerror or error}"
        raise SaveError(path, reason) from error
    return copy


def _target(path: Path) -> Path:
    # Path.resolve raises RuntimeError for a loop of links; here opening it then fails as OSError.
    return Path(os.path.realpath(path))


def _holds(path: Path, data: bytes) -> bool:
    try:
        return path.stat().st_size == len(data) and path.read_bytes() == data
    except FileNotFoundError:
        return False


def _write_temporary(target: Path, data: bytes) -> Path:
    # The name ends in .tmp and not in .csv or .json, so no reader takes it for data. It does not
    # repeat the name of the target, which may be as long as the file system allows.
    handle, name = tempfile.mkstemp(prefix=".napari-bloodflow-", suffix=".tmp", dir=target.parent)
    temporary = Path(name)
    try:
        with os.fdopen(handle, "wb") as file:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
        temporary.chmod(_mode_of(target))
    except OSError:
        with contextlib.suppress(OSError):
            temporary.unlink()
        raise
    return temporary


def _mode_of(target: Path) -> int:
    try:
        return target.stat().st_mode & 0o777
    except FileNotFoundError:
        mask = os.umask(0)
        os.umask(mask)
        return 0o666 & ~mask


def _sync_folder(folder: Path) -> None:
    # Windows and some network drives cannot open or sync a folder; the files are safe without.
    with contextlib.suppress(OSError):
        handle = os.open(folder, os.O_RDONLY)
        try:
            os.fsync(handle)
        finally:
            os.close(handle)


def _escaped(name: str) -> str:
    return "".join(f"[{c}]" if c in "*?[" else c for c in name)
