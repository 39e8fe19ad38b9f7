"""What is done at the next load or save about a save that was interrupted."""

from __future__ import annotations

import os
import time
from pathlib import Path
from typing import TYPE_CHECKING

from napari_bloodflow.problems import Problem
from napari_bloodflow.storage.atomic import (
    Patience,
    fitted,
    may_exist,
    naming,
    read_if_there,
    real_path,
    remove,
    sync_folder,
    time_stamp,
    words_of,
)
from napari_bloodflow.storage.journal import (
    Entry,
    Journal,
    JournalError,
    is_leftover,
    journal_path,
)
from napari_bloodflow.storage.lock import ImageLock, LockBusyError, image_lock, lock_path

if TYPE_CHECKING:
    from collections.abc import Iterable

__all__ = ["carry_out", "clean_up", "finish_interrupted", "is_being_saved", "recover"]

# Where a drive cannot lock, a writer may be at work; one that is this slow is not.
_ABANDONED_S = 24 * 3600.0
_COMPLETED = "the save that was interrupted was completed"
_UNDONE = "the save that was interrupted was undone"


def recover(image_path: str | Path) -> list[Problem]:
    """Complete or undo a save that was interrupted; to be called before reading.

    A save that was decided is completed: files that are old get their new content. One that was
    not decided is undone: its temporary files are removed. A file that another program wrote in
    between is left as it is, and what was to be written is kept as ``<file>.recovered-<UTC>``.

    Parameters
    ----------
    image_path : path-like
        The image whose sidecar files are about to be read.

    Returns
    -------
    list of Problem
        What was found and done; empty if the last save ended well. Never raises for what is in
        the folder, or for a folder that cannot be written.
    """
    image = Path(image_path)
    if not (may_exist(lock_path(image)) or may_exist(journal_path(image))):
        return []
    try:
        with image_lock(image) as lock:
            return finish_interrupted(image, lock)
    except LockBusyError:
        what, action = "another program is saving it at this moment", "load it again to be sure"
        return [_problem(image, what, action)]
    except OSError as error:
        return _not_finished(image, error)


def is_being_saved(image_path: Path) -> bool:
    """Tell whether a save has been decided and is not finished."""
    return may_exist(journal_path(image_path))


def finish_interrupted(image_path: Path, lock: ImageLock) -> list[Problem]:
    """Do the work of :func:`recover` under a lock that is held.

    Parameters
    ----------
    image_path : pathlib.Path
        The image.
    lock : ImageLock
        Its lock.

    Raises
    ------
    OSError
        If a file cannot be read or written.
    """
    path = journal_path(image_path)
    data = read_if_there(path)
    if data is None:
        if not lock.was_left:
            return []
        found = clean_up(image_path, lock)
        return [_problem(image_path, "a save was interrupted", _UNDONE)] if found else []
    try:
        journal = Journal.decode(image_path, data)
    except JournalError as error:
        return _give_up(image_path, str(error))
    problems = _finish(image_path, journal)
    if not remove(path):
        lock.is_kept = True
        return problems
    clean_up(image_path, lock)
    return problems


def carry_out(image_path: Path, entries: Iterable[Entry], patience: Patience) -> None:
    """Put the new contents in the places of the files, and bring that to the disk.

    Raises
    ------
    SaveError
        If a file cannot be replaced; those before it are.
    """
    folders = {}
    for entry in entries:
        with naming(image_path.with_name(entry.name)):
            target, staged = entry.target(image_path), entry.staged_path(image_path)
            folders[target.parent] = target
            try:
                if staged is None:
                    patience(os.unlink, target)
                else:
                    patience(os.replace, staged, target)
            except FileNotFoundError:
                # Where a drive cannot lock, somebody else may have completed the same save.
                if entry.state(image_path) != "done":
                    raise
    for folder, target in folders.items():
        with naming(target):
            sync_folder(folder)


def clean_up(image_path: Path, lock: ImageLock) -> bool:
    """Remove the temporary files of an image; return True if there were any.

    What cannot be removed is left for the next time.
    """
    found = _leftovers(image_path)
    if not lock.is_exclusive:
        found = [path for path in found if _is_abandoned(path)]
    if not remove(*found):
        lock.is_kept = True
    return bool(found)


def _finish(image: Path, journal: Journal) -> list[Problem]:
    states = {entry: entry.state(image) for entry in journal.entries}
    ready = [entry for entry in journal.entries if states[entry] == "ready"]
    stuck = [entry for entry in journal.entries if states[entry] in ("lost", "foreign")]
    problems = []
    done_so_far = "done" in states.values()
    if stuck and not done_so_far:
        # Nothing was replaced yet, so the files fit together only if it stays so.
        stuck, ready = list(journal.entries), []
    for entry in stuck:
        kept = _set_aside(image, entry)
        action = "it is left as it is" + (f"; what was to be saved is in {kept}" if kept else "")
        what = {
            "foreign": "was changed by another program after a save was interrupted",
            "lost": "is of before a save that was interrupted; what was to be saved is damaged",
        }.get(states[entry], "is of before a save that was interrupted")
        problems.append(Problem(entry.name, "", what, action))
    carry_out(image, ready, Patience())
    if not stuck or done_so_far:
        outcome = _COMPLETED if journal.outcome == "saved" else _UNDONE
        action = f"{outcome}, but for {len(stuck)} files" if stuck else outcome
        problems.insert(0, _problem(image, "a save was interrupted", action))
    return problems


def _give_up(image: Path, what: str) -> list[Problem]:
    """Set everything aside that an unreadable journal may have been about."""
    path = journal_path(image)
    aside = path.with_name(fitted(path.name, f".recovered-{time_stamp()}"))
    kept = []
    for leftover in _leftovers(image):
        name = leftover.name.removeprefix(".").removesuffix(".tmp")
        new = leftover.with_name(fitted(name, f".recovered-{time_stamp()}"))
        os.replace(leftover, new)
        kept.append(new.name)
    os.replace(path, aside)
    action = "the files are left as they are and may not fit together; what was to be saved is in "
    return [Problem(path.name, "", what, action + ", ".join([*kept, aside.name]))]


def _set_aside(image: Path, entry: Entry) -> str | None:
    staged = entry.staged_path(image)
    if staged is None or not may_exist(staged):
        return None
    kept = staged.with_name(fitted(entry.name, f".recovered-{time_stamp()}"))
    os.replace(staged, kept)
    return kept.name


def _not_finished(image: Path, error: OSError) -> list[Problem]:
    """Say what state the files are in, where nothing can be done about it."""
    try:
        data = read_if_there(journal_path(image))
        if data is None:
            return []
        journal = Journal.decode(image, data)
        states = {entry.state(image) for entry in journal.entries}
    except (OSError, JournalError):
        states = {"foreign"}
    if states <= {"done"}:
        return []
    what = f"a save was interrupted and cannot be completed: {words_of(error)}"
    if states <= {"ready", "lost"}:
        return [_problem(image, what, "the files are read as they were before that save")]
    return [_problem(image, what, "some files may be of before that save and some of after it")]


def _leftovers(image: Path) -> list[Path]:
    """Return temporary files of an image, in its folder and where links there lead."""
    found, others = [], set()
    with os.scandir(image.parent) as entries:
        for entry in entries:
            if is_leftover(image, entry.name):
                found.append(Path(entry.path))
            elif entry.name.startswith(f"{image.name}.") and entry.is_symlink():
                others.add(real_path(Path(entry.path)).parent)
    for folder in others - {image.parent}:
        try:
            with os.scandir(folder) as entries:
                found += [Path(e.path) for e in entries if is_leftover(image, e.name)]
        except FileNotFoundError:
            continue
    return sorted(found)


def _is_abandoned(path: Path) -> bool:
    try:
        return time.time() - os.stat(path).st_mtime > _ABANDONED_S
    except OSError:
        return False


def _problem(image: Path, what: str, action: str) -> Problem:
    return Problem(f"{image.name}.json", "", what, action)
