"""The journal of a save: which files change together, from what, to what.

It exists from the moment a save is decided until all its files are in place. It holds names
only, never paths: what it names lies in the folder of the image, or where a link there leads.
"""

from __future__ import annotations

import json
import os
import re
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any, Literal

from napari_bloodflow.storage.atomic import (
    fitted,
    image_tag,
    read_if_there,
    real_path,
    sha256_of,
)

if TYPE_CHECKING:
    from pathlib import Path

__all__ = ["Entry", "Journal", "JournalError", "Outcome", "is_leftover", "journal_path"]

Outcome = Literal["saved", "undone"]

_FORMAT = "napari-bloodflow save journal"
_VERSION = 1
_MAX_BYTES = 2**20
_SHA256 = re.compile(r"[0-9a-f]{64}")


class JournalError(ValueError):
    """A journal is not as we write it."""


@dataclass(frozen=True, slots=True)
class Entry:
    """One file of a save.

    Parameters
    ----------
    name : str
        Name of the file in the folder of the image.
    staged : str or None
        Name of the complete new content, where the file really is; None to remove the file.
    old, new : str or None
        SHA-256 of the content before and after; None where there is no file.
    """

    name: str
    staged: str | None
    old: str | None
    new: str | None

    def target(self, image_path: Path) -> Path:
        """Return the file itself, where links lead."""
        return real_path(image_path.with_name(self.name))

    def staged_path(self, image_path: Path) -> Path | None:
        """Return the file with the new content, None if the file is to be removed."""
        return None if self.staged is None else self.target(image_path).with_name(self.staged)

    def state(self, image_path: Path) -> Literal["done", "ready", "lost", "foreign"]:
        """Compare with the disk.

        Returns
        -------
        str
            ``"done"``: the file is new. ``"ready"``: it is old, the new content is there.
            ``"lost"``: it is old, the new content is gone or damaged. ``"foreign"``: neither.
        """
        found = sha256_of(read_if_there(self.target(image_path)))
        if found == self.new:
            return "done"
        if found != self.old:
            return "foreign"
        staged = self.staged_path(image_path)
        is_there = staged is None or sha256_of(read_if_there(staged)) == self.new
        return "ready" if is_there else "lost"


@dataclass(frozen=True, slots=True)
class Journal:
    """A save that is decided.

    Parameters
    ----------
    outcome : {"saved", "undone"}
        What it amounts to for the user.
    entries : tuple of Entry
        The files that change, in order of replacement.
    """

    outcome: Outcome
    entries: tuple[Entry, ...]

    def encode(self) -> bytes:
        """Return strict JSON."""
        document = {
            "format": _FORMAT,
            "version": _VERSION,
            "outcome": self.outcome,
            "files": [asdict(entry) for entry in self.entries],
        }
        return json.dumps(document, indent=1, sort_keys=True).encode("ascii")

    @classmethod
    def decode(cls, image_path: Path, data: bytes) -> Journal:
        """Read a journal.

        Raises
        ------
        JournalError
            If it is not as :meth:`encode` writes it, or names what is not a file of this image.
        """
        if len(data) > _MAX_BYTES:
            raise JournalError("is too large")
        try:
            document = json.loads(data.decode("ascii"))
        except (ValueError, RecursionError):
            raise JournalError("is not JSON") from None
        if not isinstance(document, dict) or document.get("format") != _FORMAT:
            raise JournalError("is not a journal")
        if document.get("version") != _VERSION:
            raise JournalError(f"has version {document.get('version')!r}, not {_VERSION}")
        outcome, files = document.get("outcome"), document.get("files")
        if outcome not in ("saved", "undone") or not isinstance(files, list):
            raise JournalError("is incomplete")
        return cls(outcome, tuple(_entry(image_path, item) for item in files))


def journal_path(image_path: Path) -> Path:
    """Return the journal of an image, whether it exists or not."""
    return image_path.with_name(fitted(f".{image_path.name}", ".bloodflow-journal"))


def is_leftover(image_path: Path, name: str) -> bool:
    """Tell whether a name is one of those that a save of this image writes under."""
    ending = rf"\.{image_tag(image_path)}-[0-9a-f]{{8}}\.tmp"
    return name.startswith(".") and re.search(rf"{ending}\Z", name) is not None


def _entry(image_path: Path, item: Any) -> Entry:
    if not isinstance(item, dict) or item.keys() != {"name", "staged", "old", "new"}:
        raise JournalError("has an entry that is not one")
    name, staged = item["name"], item["staged"]
    start = f"{image_path.name}."
    if not (isinstance(name, str) and name.startswith(start) and _is_name(name)):
        raise JournalError(f"names {name!r}, which is not a file of {image_path.name}")
    if staged is not None and not (
        isinstance(staged, str) and is_leftover(image_path, staged) and _is_name(staged)
    ):
        raise JournalError(f"names {staged!r}, which is not a new file of {image_path.name}")
    for key in ("old", "new"):
        value = item[key]
        if value is not None and not (isinstance(value, str) and _SHA256.fullmatch(value)):
            raise JournalError(f"has {value!r} for a hash")
    if (staged is None) != (item["new"] is None):
        raise JournalError(f"does not say what becomes of {name!r}")
    return Entry(**item)


def _is_name(text: str) -> bool:
    return "\0" not in text and "/" not in text and os.path.basename(text) == text
