"""What the table of files shows of each file, as values."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

from napari_bloodflow._napari.blinding import HIDDEN
from napari_bloodflow._napari.widgets.roi_rows import short_name
from napari_bloodflow.acquisition.list_rows import FILE_LIST_SCHEMA

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from napari_bloodflow._napari.blinding import Blinding
    from napari_bloodflow.acquisition.listed_file import ListedFile

__all__ = ["COLUMNS", "FileColumn", "FileRow", "FileState", "file_row", "sort_key"]

FileState = Literal["unread", "bad", "unsaved", "stale", "problem", "fine"]
"""What is to be said first of a file; ``unread`` until it was looked into."""

_REVEALING = frozenset({"path", "parent", "grandparent", "condition", "genotype"})


@dataclass(frozen=True, slots=True)
class FileColumn:
    """A column of the table.

    Parameters
    ----------
    name : str
        Key of its values.
    title : str
        Heading.
    tip : str
        What it says, in a sentence.
    is_shown : bool
        Whether it is shown at first.
    """

    name: str
    title: str
    tip: str = ""
    is_shown: bool = False


def _of_schema(name: str, tip: str = "", *, is_shown: bool = False) -> FileColumn:
    return FileColumn(name, FILE_LIST_SCHEMA[name].display_name, tip, is_shown)


COLUMNS = (
    FileColumn("state", "", "● unsaved, ◐ stale results, ⚠ problems, ✕ cannot be opened", True),
    _of_schema("name", is_shown=True),
    _of_schema(
        "accept",
        "Whether the file is to be used: click, or press Space",
        is_shown=True,
    ),
    _of_schema("num_rois", "Number of ROIs", is_shown=True),
    FileColumn("results", "Results", "What was measured, and in which ROIs"),
    FileColumn("num_stale", "Stale", "Results that no longer fit their ROI or calibration", True),
    FileColumn("num_problems", "Problems", "Problems of the files beside the image"),
    _of_schema("parent", "Folder of the file", is_shown=True),
    _of_schema("grandparent", "Folder above that"),
    _of_schema("condition"),
    _of_schema("genotype"),
    _of_schema("num_channels", "Number of channels"),
    _of_schema("dims", "Lines (Y), pixels of a line (X), and channels (C)"),
    _of_schema("file_size", "Size of the image file"),
    _of_schema("saved", "Whether everything is saved"),
    _of_schema("loaded", "Whether the file is open"),
    _of_schema("reference_image", "Whether there is an overview image"),
    _of_schema("path"),
)
"""State, then the columns of the file list, the most useful ones first."""


@dataclass(frozen=True, slots=True)
class FileRow:
    """What the table shows of one file.

    Parameters
    ----------
    state : str
        See `FileState`.
    values : mapping
        By the names of `COLUMNS`; None where nothing is known.
    tip : str
        All there is to say, for the tool tip.
    is_blinded : bool
        Whether names are hidden.
    """

    state: FileState
    values: Mapping[str, Any]
    tip: str
    is_blinded: bool

    @property
    def search_text(self) -> str:
        """What the filter looks into."""
        return "\n".join(str(value) for value in self.values.values() if value is not None)


def file_row(file: ListedFile, blinding: Blinding) -> FileRow:
    """Return what is known of a file, without opening it."""
    facts = file.facts
    values = dict(facts.row) if facts is not None else file.get_schema_row()
    measured = _measured(facts.tree) if facts is not None else {}
    values["results"] = "; ".join(f"{name} {', '.join(rois)}" for name, rois in measured.items())
    values["num_stale"] = len(facts.stale) if facts is not None else None
    values["num_problems"] = len(facts.problems) if facts is not None else None
    values["name"] = blinding.label(file.path)
    if blinding.is_on:
        values.update(dict.fromkeys(_REVEALING, HIDDEN))
    lines = [values["name"] if blinding.is_on else str(file.path)]
    state: FileState = "fine"
    if file.warning is not None:
        state = "bad"
        reason = "the reason may tell its name" if blinding.is_on else file.warning.message
        lines.append(f"Cannot be opened: {reason}")
    elif facts is None:
        state = "unread"
        lines.append("Not looked into yet")
    else:
        state = _state_of(facts.is_dirty, bool(facts.stale), bool(facts.problems))
        lines += [f"{name} of ROI {', '.join(rois)}" for name, rois in measured.items()]
        lines += ["● Unsaved changes"] if facts.is_dirty else []
        lines += [f"◐ Stale: {text}" for text in facts.stale[:5]]
        if facts.problems and blinding.is_on:
            lines.append("⚠ Problems, which may tell its name")
        else:
            lines += [f"⚠ {text}" for text in facts.problems[:5]]
    return FileRow(state, values, "\n".join(lines), blinding.is_on)


def _measured(tree: Sequence[Mapping[str, Any]]) -> dict[str, list[str]]:
    """Return the ROIs by the names of their analyses, with the channel if there are several."""
    channels = tree[0]["num_channels"]
    measured: dict[str, list[str]] = {}
    for row in tree[1:]:
        channel = f" (channel {row['channel']})" if channels != 1 else ""
        rois = measured.setdefault(short_name(row["analysis_name"]), [])
        rois.append(f"{row['roi_id']}{channel}")
    return measured


def _state_of(is_dirty: bool, is_stale: bool, has_problems: bool) -> FileState:
    if is_dirty:
        return "unsaved"
    return "stale" if is_stale else "problem" if has_problems else "fine"


def sort_key(value: Any) -> Any:
    """Return what Qt sorts a value by: numbers as they are, texts with ``a2`` before ``a10``."""
    if isinstance(value, bool):
        return int(value)
    if isinstance(value, (int, float)):
        return value
    text = "" if value is None else str(value)
    return re.sub(r"\d+", lambda digits: digits[0].zfill(12), text.casefold())
