"""Saving several files so that all of them change or none does, whatever happens in between.

1. The image is locked against our other writers (`lock`); a save that was interrupted is finished.
2. What changes is written to ``.<file>.<tag>-<id>.tmp`` beside each file, down to the disk.
3. The files are compared with what the caller expects to be there.
4. A journal with names and hashes is put in place at once: from here on the save is decided.
5. The files are replaced, and the journal is removed.

A crash before 4 leaves the old files and after 4 the means to complete the save; `recovery` does
either. An error after 4 is taken back by a second journal that replaces the first, with the old
contents as the new ones. A single file needs no journal: it is replaced at once.
"""

from __future__ import annotations

import os
from contextlib import ExitStack, contextmanager
from typing import TYPE_CHECKING

from napari_bloodflow.errors import FilesChangedError, SaveError
from napari_bloodflow.storage.atomic import (
    Patience,
    back_up,
    may_exist,
    naming,
    read_if_there,
    real_path,
    remove,
    sha256_of,
    staged_name,
    sync_folder,
    write_new,
)
from napari_bloodflow.storage.journal import Entry, Journal, Outcome, journal_path
from napari_bloodflow.storage.lock import ImageLock, image_lock
from napari_bloodflow.storage.recovery import carry_out, finish_interrupted

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
    from pathlib import Path

    from napari_bloodflow.problems import Problem

__all__ = ["write_transaction"]


def write_transaction(
    image_path: Path,
    contents: Mapping[Path, bytes],
    *,
    expected: Mapping[Path, str | None] | None = None,
    backups: Collection[Path] = (),
    report: Callable[[Problem], object] | None = None,
) -> list[Path]:
    """Write sidecar files of an image, all or none; those that hold the content are not touched.

    Parameters
    ----------
    image_path : pathlib.Path
        The image.
    contents : mapping of pathlib.Path to bytes
        New content by path, in order of replacement. The files lie beside the image and start
        with its full name; links are followed and kept.
    expected : mapping of pathlib.Path to str or None, optional
        SHA-256 that the files had when they were read; None for one that was not there. Files
        that are not written may be among them; those left out are not compared.
    backups : collection of pathlib.Path
        Files to copy to ``<file>.backup-<UTC time>`` before they are replaced.
    report : callable, optional
        Called with each thing found and done if an earlier save was interrupted.

    Returns
    -------
    list of pathlib.Path
        The files that were replaced.

    Raises
    ------
    FilesChangedError
        If a file is not as expected and does not hold the new content either. Nothing is written.
    SaveError
        If a file cannot be written; the text names it and the cause. The files are as before
        unless the text says that this is put right later.
    """
    expected = expected or {}
    for path in contents:
        if path.parent != image_path.parent or not path.name.startswith(f"{image_path.name}."):
            raise ValueError(f"{path} is not a file of {image_path}")
    if _is_saved(image_path, contents, expected):
        return []
    with _locked(image_path, next(iter(contents))) as lock:
        with naming(next(iter(contents))):
            for problem in finish_interrupted(image_path, lock):
                if report is not None:
                    report(problem)
        wanted = _differing(contents, expected)
        for path, old in wanted.items():
            if old is not None and path in backups:
                back_up(image_path, path)
        attempt = _Attempt(image_path)
        try:
            for path in wanted:
                attempt.stage(path, contents[path])
            # Once more, as another program may have written while the new files were made.
            attempt.commit(wanted | _differing(contents, expected))
        finally:
            lock.is_kept |= not attempt.clean_up()
    return list(wanted)


class _Attempt:
    """One save, from the first temporary file to the last."""

    def __init__(self, image_path: Path) -> None:
        self._image = image_path
        self._journal = journal_path(image_path)
        self._is_decided = False
        self._temporary: list[Path] = []
        self._staged: dict[Path, tuple[str, str]] = {}

    def stage(self, path: Path, data: bytes) -> None:
        """Write the new content of a file beside it."""
        with naming(path):
            self._staged[path] = self._write(path, data), sha256_of(data) or ""

    def commit(self, old: Mapping[Path, bytes | None]) -> None:
        """Put all that is staged in place; on an error put everything back."""
        entries = [
            Entry(path.name, staged, sha256_of(old[path]), new)
            for path, (staged, new) in self._staged.items()
        ]
        try:
            self._carry_out("saved", entries)
        except BaseException as error:
            try:
                self._take_back(entries, [old[path] for path in self._staged])
            except OSError as second:
                reason = (
                    f"{error}; some files may have changed: this is put right when the image is "
                    "next opened or saved"
                )
                raise SaveError(self._image, reason) from second
            raise

    def clean_up(self) -> bool:
        """Remove what is left, unless it is needed to finish; return whether nothing is left."""
        return not self._is_decided and remove(*self._temporary)

    def _write(self, path: Path, data: bytes) -> str:
        target = real_path(path)
        name = staged_name(self._image, path.name)
        self._temporary.append(target.with_name(name))
        write_new(self._temporary[-1], data, like=target)
        return name

    def _carry_out(self, outcome: Outcome, entries: Sequence[Entry]) -> None:
        if len(entries) == 1:
            carry_out(self._image, entries, Patience())
            return
        self._decide(Journal(outcome, tuple(entries)))
        carry_out(self._image, entries, Patience())
        # One that cannot be removed says that everything is done, which is true.
        self._is_decided = not remove(self._journal)

    def _decide(self, journal: Journal) -> None:
        with naming(self._journal):
            for folder in {entry.target(self._image).parent for entry in journal.entries}:
                if folder != self._image.parent:
                    sync_folder(folder)
            name = staged_name(self._image, self._journal.name.removeprefix("."))
            self._temporary.append(self._journal.with_name(name))
            write_new(self._temporary[-1], journal.encode())
            self._is_decided = True
            Patience()(os.replace, self._temporary[-1], self._journal)
            sync_folder(self._journal.parent)

    def _take_back(self, entries: Sequence[Entry], old: Sequence[bytes | None]) -> None:
        replaced = [
            (entry, data)
            for entry, data in zip(entries, old, strict=True)
            if entry.state(self._image) == "done"
        ]
        back = []
        for entry, data in replaced:
            path = self._image.with_name(entry.name)
            staged = None if data is None else self._write(path, data)
            back.append(Entry(entry.name, staged, entry.new, entry.old))
        if back and self._is_decided:
            self._decide(Journal("undone", tuple(back)))
        carry_out(self._image, back, Patience())
        self._is_decided = not remove(self._journal)
        if self._is_decided:
            raise OSError(f"{self._journal.name} cannot be removed")


def _is_saved(
    image_path: Path, contents: Mapping[Path, bytes], expected: Mapping[Path, str | None]
) -> bool:
    """Tell whether there is nothing to do, for which no lock is needed."""
    try:
        return not (may_exist(journal_path(image_path)) or _differing(contents, expected))
    except FilesChangedError:
        # To be looked at again when a save that was interrupted is settled.
        return False


def _differing(
    contents: Mapping[Path, bytes], expected: Mapping[Path, str | None]
) -> dict[Path, bytes | None]:
    """Return what the files to be changed hold; raise if one is neither as expected nor new."""
    found = {}
    for path in {**contents, **expected}:
        with naming(path):
            found[path] = Patience()(read_if_there, path)
    changed = [
        path
        for path, sha256 in expected.items()
        if sha256_of(found[path]) != sha256
        and (path not in contents or found[path] != contents[path])
    ]
    if changed:
        raise FilesChangedError(changed)
    return {path: found[path] for path, data in contents.items() if found[path] != data}


@contextmanager
def _locked(image_path: Path, first: Path) -> Iterator[ImageLock]:
    with ExitStack() as stack:
        with naming(first):
            lock = stack.enter_context(image_lock(image_path))
        yield lock
