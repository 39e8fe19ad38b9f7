"""Which images a folder, a list of paths or a CSV manifest names, without opening them."""

from __future__ import annotations

import csv
import os
import re
from dataclasses import dataclass
from pathlib import Path, PurePosixPath, PureWindowsPath
from typing import TYPE_CHECKING, Literal

from napari_bloodflow.acquisition.paths import (
    can_be_opened,
    described_images,
    image_path_of,
    is_supported,
    unsupported_reason,
)
from napari_bloodflow.errors import UnsupportedFileError
from napari_bloodflow.storage.split_channels import ChannelSets

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

__all__ = ["DEFAULT_DEPTH", "FoundFile", "ListWarning", "WarningKind", "find_files", "natural_key"]

DEFAULT_DEPTH = 4
"""Levels of folders that are searched; 1 is the folder itself."""

REL_PATH_COLUMN = "_rel_path"
MANIFEST_EXTENSION = ".csv"

WarningKind = Literal["missing_file", "unsupported_file_type", "loader_error", "csv_error"]
"""What is wrong with an entry of a list."""


@dataclass(frozen=True, slots=True)
class ListWarning:
    """Why an entry of a list cannot be used.

    Parameters
    ----------
    message : str
        What is wrong, as a clause.
    path : str
        The file, folder or manifest it is about.
    error_type : {"missing_file", "unsupported_file_type", "loader_error", "csv_error"}
        Its kind.
    row_index : int or None
        Line of the manifest, the heading being 1; None without a manifest.
    rel_path : str
        The entry as the manifest has it.
    resolved_path : str
        Where it leads.
    """

    message: str
    path: str
    error_type: WarningKind
    row_index: int | None = None
    rel_path: str = ""
    resolved_path: str = ""

    def __str__(self) -> str:
        where = f", line {self.row_index}" if self.row_index is not None else ""
        return f"{self.path}{where}: {self.message}"


@dataclass(frozen=True, slots=True)
class FoundFile:
    """One image, or an entry that leads to none.

    Parameters
    ----------
    path : pathlib.Path
        Resolved absolute path.
    warning : ListWarning or None
        Why it cannot be used.
    named : pathlib.Path or None
        The file that led to it, if that is an XML or another channel of the same scan.
    """

    path: Path
    warning: ListWarning | None = None
    named: Path | None = None


def natural_key(name: str) -> tuple[list[tuple[int, str]], str]:
    """Return a key that puts ``a2`` before ``a10``."""
    parts = re.split(r"(\d+)", name.casefold())
    return [(int(part), "") if i % 2 else (0, part) for i, part in enumerate(parts)], name


def find_files(
    source: str | Path | Iterable[str | Path],
    folder_depth: int = DEFAULT_DEPTH,
    is_cancelled: Callable[[], bool] | None = None,
) -> tuple[list[FoundFile], list[ListWarning]]:
    """Find the images that a source names. Every image is named once, by its first file.

    Parameters
    ----------
    source : path-like or iterable of path-like
        A folder, which is searched; a ``.csv`` file, see Notes; an image or a file beside one; the
        XML of Prairie View; or several of these.
    folder_depth : int
        Levels of folders to search; 1 is the folder itself.
    is_cancelled : callable, optional
        Asked before each folder; returning True ends the search with what was found.

    Returns
    -------
    files : list of FoundFile
        Images in natural order per folder, and in their own order otherwise.
    warnings : list of ListWarning
        Entries that lead to no file, and folders that cannot be read.

    Raises
    ------
    FileNotFoundError
        If a single source does not exist; of several, that is a warning.
    ValueError
        If `folder_depth` is below 1.

    Notes
    -----
    In a folder, hidden files and folders and links to folders are left out. A manifest is UTF-8
    with a column ``_rel_path``: paths relative to its folder, which they may not leave; other
    columns are ignored. Of files whose names say that they are channels of one scan the headers are
    read.
    """
    if folder_depth < 1:
        raise ValueError(f"folder_depth is at least 1 (the folder itself), not {folder_depth}")
    is_single = isinstance(source, (str, os.PathLike))
    paths = [source] if isinstance(source, (str, os.PathLike)) else list(source)
    files: dict[Path, FoundFile] = {}
    warnings: list[ListWarning] = []
    sets = ChannelSets()
    for path in (Path(given).expanduser() for given in paths):
        if is_single and not os.path.lexists(path):
            raise FileNotFoundError(2, "no such file or folder", str(path))
        if os.path.isdir(path):
            found, more = _in_folder(path, folder_depth, is_cancelled, sets)
        elif path.suffix.lower() == MANIFEST_EXTENSION and path.exists():
            found, more = _in_manifest(path, sets)
        else:
            found, more = _files(path, sets), []
        warnings += more
        for file in found:
            files.setdefault(file.path, file)
    return list(files.values()), warnings


def _file(path: Path, sets: ChannelSets) -> FoundFile:
    """Return the image of a path; of an XML that describes several the first."""
    return _files(path, sets)[0]


def _files(path: Path, sets: ChannelSets) -> list[FoundFile]:
    image = image_path_of(path)
    try:
        resolved = image.resolve()
        is_there = resolved.exists()
    except (OSError, ValueError) as error:
        # A path can be impossible: with a null byte, or too long.
        return [FoundFile(image.absolute(), ListWarning(str(error), str(image), "missing_file"))]
    kind: WarningKind
    if not can_be_opened(resolved):
        text, kind = unsupported_reason(resolved), "unsupported_file_type"
    elif not is_there:
        text = "there is no such image" if image != path else "there is no such file"
        kind = "missing_file"
    else:
        try:
            images = described_images(resolved)
        except UnsupportedFileError as error:
            text, kind = error.reason, "unsupported_file_type"
        except OSError as error:
            text, kind = f"leads to no image: {error}", "missing_file"
        else:
            firsts = [sets.of(found).paths[0] for found in images]
            return [FoundFile(f, named=resolved if f != resolved else None) for f in firsts]
    return [FoundFile(resolved, ListWarning(text, str(image), kind))]


# ---- folders


def _in_folder(
    root: Path, depth: int, is_cancelled: Callable[[], bool] | None, sets: ChannelSets
) -> tuple[list[FoundFile], list[ListWarning]]:
    images: list[Path] = []
    warnings: list[ListWarning] = []
    folders = [root]
    for level in range(depth):
        below: list[Path] = []
        for folder in folders:
            if is_cancelled is not None and is_cancelled():
                break
            try:
                with os.scandir(folder) as entries:
                    shown = [entry for entry in entries if not entry.name.startswith(".")]
            except OSError as error:
                text = f"cannot be read: {error.strerror or error}; what is in it is left out"
                warnings.append(ListWarning(text, str(folder), "loader_error"))
                continue
            for entry in shown:
                if entry.is_dir(follow_symlinks=False):
                    if level + 1 < depth:
                        below.append(folder / entry.name)
                elif is_supported(entry.name) and not entry.is_dir():
                    images.append(folder / entry.name)
        folders = below
    images.sort(key=lambda image: [natural_key(part) for part in image.parts])
    return [_file(image, sets) for image in images], warnings


# ---- manifests


def _in_manifest(path: Path, sets: ChannelSets) -> tuple[list[FoundFile], list[ListWarning]]:
    root = path.resolve().parent
    try:
        with path.open(encoding="utf-8-sig", newline="") as text:
            reader = csv.DictReader(text)
            if REL_PATH_COLUMN not in (reader.fieldnames or ()):
                reason = f"has no column {REL_PATH_COLUMN}, which names the images"
                return [], [ListWarning(reason, str(path), "csv_error", 1)]
            rows = [(row[REL_PATH_COLUMN] or "").strip() for row in reader]
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        return [], [ListWarning(f"cannot be read as a CSV table: {error}", str(path), "csv_error")]
    files: dict[Path, FoundFile] = {}
    warnings: list[ListWarning] = []
    named: set[Path] = set()
    for row_index, rel_path in enumerate(rows, start=2):
        file = _of_row(root, rel_path, sets)
        if isinstance(file, FoundFile):
            own = file.named or file.path
            file = "is the same image as an earlier row" if own in named else file
            named.add(own)
        if isinstance(file, str):
            warnings.append(ListWarning(file, str(path), "csv_error", row_index, rel_path))
            continue
        if (warning := file.warning) is not None:
            told = ListWarning(
                warning.message,
                str(path),
                warning.error_type,
                row_index,
                rel_path,
                str(file.path),
            )
            file = FoundFile(file.path, told)
        files.setdefault(file.path, file)  # another channel of an earlier row is the same image
    return list(files.values()), warnings


def _of_row(root: Path, rel_path: str, sets: ChannelSets) -> FoundFile | str:
    """Return the file that a row names, or what is wrong with the row."""
    if not rel_path:
        return f"{REL_PATH_COLUMN} is empty"
    if Path(rel_path).is_absolute() or PureWindowsPath(rel_path).drive or rel_path[0] in "/\\":
        return f"{rel_path!r} is absolute; paths are relative to the folder of the manifest"
    parts = PurePosixPath(rel_path.replace("\\", "/")).parts
    if ".." in parts:
        return f"{rel_path!r} leads out of the folder of the manifest"
    return _file(root.joinpath(*parts), sets)
