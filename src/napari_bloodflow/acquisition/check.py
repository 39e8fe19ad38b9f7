"""What is wrong with the files beside images, in files and whole folders."""

from __future__ import annotations

import json
import os
import re
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from napari_bloodflow.acquisition.acq_image import AcqImage
from napari_bloodflow.acquisition.analysis_records import record_key
from napari_bloodflow.acquisition.file_search import natural_key
from napari_bloodflow.acquisition.paths import SUPPORTED_EXTENSIONS, described_images, is_supported
from napari_bloodflow.analysis.registry import parent_name
from napari_bloodflow.errors import SaveError, UnsupportedFileError
from napari_bloodflow.problems import Problem
from napari_bloodflow.storage.atomic import words_of
from napari_bloodflow.storage.journal import is_leftover, journal_path
from napari_bloodflow.storage.lock import image_lock, lock_path
from napari_bloodflow.storage.recovery import clean_up, recover
from napari_bloodflow.storage.sidecar import read_sidecar, sidecar_path

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Sequence

    from napari_bloodflow.analysis.base import AnalysisKey

__all__ = ["CheckedFile", "check_paths"]

_ENDINGS = "|".join(re.escape(ending) for ending in SUPPORTED_EXTENSIONS)
_OF_IMAGE = re.compile(rf"(.+(?:{_ENDINGS}))(?:\.bloodflow)?(?:\.json|\.[^.]+\.csv)", re.IGNORECASE)
_SIGN = re.compile(r"\..+(?:\.bloodflow-(?:lock|journal)|\.[0-9a-f]{12}-[0-9a-f]{8}\.tmp)")


@dataclass(frozen=True, slots=True)
class CheckedFile:
    """One image with the files beside it, or a file whose image is gone.

    Parameters
    ----------
    path : pathlib.Path
        The image, or the file.
    problems : tuple of Problem
        What is wrong with it now; empty if nothing is.
    done : tuple of str
        What was repaired, in words.
    """

    path: Path
    problems: tuple[Problem, ...] = ()
    done: tuple[str, ...] = ()


def check_paths(
    paths: Iterable[str | Path], *, repair: bool = False, repair_velocity: bool = False
) -> Iterator[CheckedFile]:
    """Look for problems of images and of the files beside them. No image is ever written.

    Parameters
    ----------
    paths : iterable of path-like
        Images, files that lie beside them or describe them, and folders. Folders are searched with
        the folders in them, in natural order; what is hidden and links to folders are left out.
    repair : bool
        Settle saves that were interrupted, and write files again that are put right by that. A
        file is copied before it is replaced. By default nothing is written at all, and an image
        whose save was interrupted is not opened.
    repair_velocity : bool
        Write the speed in place of its reciprocal, see :meth:`AcqImage.repair_velocity`.

    Returns
    -------
    iterator of CheckedFile
        Every image once, and the files whose image is gone. Files are looked at as it advances.

    Raises
    ------
    FileNotFoundError
        If a path does not exist.
    UnsupportedFileError
        (a ValueError) if a path is neither a folder nor an image nor a file beside one.
    """
    roots = [image for path in paths for image in described_images(Path(path).expanduser())]
    for root in roots:
        root.lstat()  # raises where there is nothing
        if not (root.is_dir() or is_supported(root) or _is_beside(root.name)):
            reason = "is neither an image nor a file that belongs to one"
            raise UnsupportedFileError(root, reason)
    return _checked(roots, repair, repair_velocity)


def _checked(roots: Sequence[Path], repair: bool, repair_velocity: bool) -> Iterator[CheckedFile]:
    seen: set[Path] = set()
    for root in roots:
        for found in _files_of(root):
            path = found if isinstance(found, Path) else found.path
            if (real := path.resolve()) in seen:
                continue
            seen.add(real)
            if isinstance(found, Path):
                yield _check_image(found, repair, repair_velocity)
            else:
                yield found


# ---- what there is


def _files_of(root: Path) -> Iterator[Path | CheckedFile]:
    """Return images, and reports of what needs no look into it."""
    if root.is_dir():
        yield from _files_in(root)
    elif is_supported(root):
        yield root
    elif image := _image_beside(root):
        yield image
    else:
        yield _orphan(root)


def _files_in(folder: Path) -> Iterator[Path | CheckedFile]:
    try:
        with os.scandir(folder) as entries:
            found = sorted(entries, key=lambda entry: natural_key(entry.name))
    except OSError as error:
        what, action = f"cannot be read: {words_of(error)}", "what is in it was not checked"
        yield CheckedFile(folder, (Problem(folder.name, "", what, action),))
        return
    names = [entry.name for entry in found if not entry.is_dir()]
    images = {name: folder / name for name in names if is_supported(name) and name[0] != "."}
    signs = {path.name for image in images.values() for path in _lock_and_journal(image)}
    for name in names:
        if name in images:
            yield images[name]
        elif match := _OF_IMAGE.fullmatch(name):
            if name[0] != "." and not (folder / match[1]).exists():
                yield _orphan(folder / name)
        elif _SIGN.fullmatch(name):
            has_image = name in signs or any(is_leftover(i, name) for i in images.values())
            if not has_image:
                yield _orphan(folder / name)
    for entry in found:
        if entry.is_dir(follow_symlinks=False) and not entry.name.startswith("."):
            yield from _files_in(folder / entry.name)


def _orphan(path: Path) -> CheckedFile:
    if match := _OF_IMAGE.fullmatch(path.name):
        what = f"belongs to {match[1]}, which is not here"
        action = "it is kept; put the image back beside it, or move it away"
    else:
        what = "was left by an interrupted save of an image that is not here"
        action = "it is kept; put the image back beside it, or remove it"
    return CheckedFile(path, (Problem(path.name, "", what, action),))


def _is_beside(name: str) -> bool:
    return bool(_OF_IMAGE.fullmatch(name) or _SIGN.fullmatch(name))


def _image_beside(path: Path) -> Path | None:
    match = _OF_IMAGE.fullmatch(path.name)
    if match:
        image = path.with_name(match[1])
        return image if image.exists() else None
    for name in os.listdir(path.parent):
        image = path.with_name(name)
        if is_supported(name) and (
            path in _lock_and_journal(image) or is_leftover(image, path.name)
        ):
            return image
    return None


# ---- one image


def _check_image(path: Path, repair: bool, repair_velocity: bool) -> CheckedFile:
    # Files lie beside the image itself, where links lead.
    image = path.resolve()
    done: list[str] = []
    problems: list[Problem] = []
    try:
        if repair and _signs(image):
            done += _settle(image)
        if signs := _signs(image):
            names = ", ".join(sign.name for sign in signs)
            what = f"a save was interrupted, or is under way: there is {names}"
            action = "it is not opened; opening the image or --repair settles it"
            return CheckedFile(path, (Problem(image.name, "", what, action),), tuple(done))
        acq = AcqImage(image)
        if acq.image_path != image:  # another channel of it, without files of its own
            return CheckedFile(path, (), tuple(done))
        findings = _findings(image)
        done += _attempt(problems, lambda: _put_right(acq, findings, repair, repair_velocity))
        if done:
            acq.load_sidecar_json()
            findings = _findings(image)
        problems += [*acq.problems, *findings]
    except UnsupportedFileError as error:
        problems.append(Problem(path.name, "", error.reason, "it cannot be opened"))
    except OSError as error:
        problems.append(Problem(path.name, "", words_of(error), "it could not be checked"))
    return CheckedFile(path, tuple(problems), tuple(done))


def _attempt(problems: list[Problem], action: Callable[[], list[str]]) -> list[str]:
    try:
        return action()
    except SaveError as error:
        name = Path(error.path).name
        problems.append(Problem(name, "", error.reason, "it was not repaired"))
        return []


def _put_right(
    acq: AcqImage, findings: Sequence[Problem], repair: bool, repair_velocity: bool
) -> list[str]:
    if acq.read_only_reason:
        return []
    keys: tuple[AnalysisKey, ...] = acq.repair_velocity() if repair_velocity else ()
    if not keys and not (repair and (findings or acq.needs_rewrite)):
        return []
    done = [f"the speed was put in place of its reciprocal: {key}" for key in keys]
    return done + [
        f"{file.name} was written again; what it held is in {copy.name}"
        for file, copy in acq.rewrite().items()
    ]


def _lock_and_journal(image: Path) -> tuple[Path, Path]:
    return lock_path(image), journal_path(image)


def _signs(image: Path) -> list[Path]:
    """Return what a save that was interrupted left."""
    found = [path for path in _lock_and_journal(image) if os.path.lexists(path)]
    with os.scandir(image.parent) as entries:
        names = sorted(entry.name for entry in entries if entry.name.endswith(".tmp"))
    return found + [image.with_name(name) for name in names if is_leftover(image, name)]


def _settle(image: Path) -> list[str]:
    done = [f"{problem.what}: {problem.action}" for problem in recover(image)]
    if _signs(image):
        # Without lock and journal nothing was decided.
        with image_lock(image) as lock:
            clean_up(image, lock)
    if not done and not _signs(image):
        done.append("what an interrupted save left was removed")
    return done


# ---- what loading takes without a word


def _findings(image: Path) -> list[Problem]:
    """Return what other programs stumble over, and a rewrite puts right."""
    path = sidecar_path(image)
    document = read_sidecar(path).document
    if document is None:
        return []
    found = []
    literals: list[str] = []
    with suppress(ValueError):  # another program has begun to write it
        json.loads(path.read_bytes().decode("utf-8-sig"), parse_constant=literals.append)
    if literals:
        what = f"holds {' and '.join(sorted(set(literals)))}, which strict JSON does not know"
        found.append(Problem(path.name, "", what, "it is read; other programs may refuse the file"))
    return found + _late_parents(path.name, document.get("analysis"))


def _late_parents(file: str, records: Any) -> list[Problem]:
    places: dict[AnalysisKey, int] = {}
    for index, record in enumerate(records if isinstance(records, list) else []):
        try:
            places.setdefault(record_key(record), index)
        except ValueError:
            continue
    found = []
    for key, index in places.items():
        parent = parent_name(key.analysis_name)
        if parent and places.get(key._replace(analysis_name=parent), index) > index:
            what = f"{key} comes before the {parent} that it was made from"
            action = "it is read; CloudScope reads neither what follows it nor any table"
            found.append(Problem(file, f"analysis[{index}]", what, action))
    return found
