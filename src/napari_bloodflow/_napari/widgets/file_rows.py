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
    from napari_bloodflow.acquisition.listed_file import ListedFile, ResultFacts, RoiFacts
    from napari_bloodflow.analysis.base import AnalysisKey

__all__ = [
    "COLUMNS",
    "Branch",
    "BranchState",
    "FileColumn",
    "FileRow",
    "FileState",
    "file_row",
    "sort_key",
]

FileState = Literal["unread", "bad", "unsaved", "stale", "problem", "fine"]
"""What is to be said first of a file; ``unread`` until it was looked into."""

BranchState = Literal["current", "stale", "problem", "none"]
"""What is to be said first of a result, or of the results of a ROI."""

_STATE_TIPS = {
    "current": "fits its ROI and calibration",
    "none": "not measured yet",
}

_BADNESS: tuple[BranchState, ...] = ("none", "current", "stale", "problem")

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
    FileColumn("order", "Order", "Place in the shuffled order"),
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
class Branch:
    """What the table shows below a file: of a ROI, or below that of an analysis.

    Parameters
    ----------
    state : {"current", "stale", "problem", "none"}
        Of the analysis, or the worst of the ROI.
    name : str
        What it is called.
    results : str
        Of a ROI, what was measured; of an analysis, its state in a word.
    num_stale : int
        Results that no longer fit.
    tip : str
        All there is to say.
    roi_id : int
        Which ROI.
    key : AnalysisKey or None
        Which analysis; None for a ROI.
    leaves : tuple of Branch
        The analyses of a ROI.
    """

    state: BranchState
    name: str
    results: str
    num_stale: int
    tip: str
    roi_id: int
    key: AnalysisKey | None = None
    leaves: tuple[Branch, ...] = ()


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
    branches : tuple of Branch
        Its ROIs.
    """

    state: FileState
    values: Mapping[str, Any]
    tip: str
    is_blinded: bool
    branches: tuple[Branch, ...] = ()

    @property
    def search_text(self) -> str:
        """What the filter looks into."""
        texts = (str(value) for value in self.values.values() if value is not None)
        return "\n".join((*texts, *(branch.name for branch in self.branches)))


def file_row(file: ListedFile, blinding: Blinding, order: int | None = None) -> FileRow:
    """Return what is known of a file, without opening it, with its place in a shuffled order."""
    facts = file.facts
    values = dict(facts.row) if facts is not None else file.get_schema_row()
    measured = _measured(facts.tree) if facts is not None else {}
    values["results"] = "; ".join(f"{name} {', '.join(rois)}" for name, rois in measured.items())
    values["num_stale"] = len(facts.stale) if facts is not None else None
    values["num_problems"] = len(facts.problems) if facts is not None else None
    values["name"] = blinding.label(file.path)
    values["order"] = order
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
    branches: tuple[Branch, ...] = ()
    if facts is not None:
        has_channels = facts.row["num_channels"] != 1
        branches = tuple(_roi_branch(roi, has_channels) for roi in facts.rois)
    return FileRow(state, values, "\n".join(lines), blinding.is_on, branches)


def _roi_branch(roi: RoiFacts, has_channels: bool) -> Branch:
    leaves = tuple(_result_branch(result, has_channels) for result in roi.results)
    states: list[BranchState] = [leaf.state for leaf in leaves]
    worst: BranchState = max(("none", *states), key=_BADNESS.index)
    return Branch(
        worst,
        f"ROI {roi.label}",
        ", ".join(leaf.name for leaf in leaves),
        states.count("stale"),
        "\n".join((f"ROI {roi.label}", *(leaf.tip for leaf in leaves))),
        roi.roi_id,
        leaves=leaves,
    )


def _result_branch(result: ResultFacts, has_channels: bool) -> Branch:
    name = short_name(result.key.analysis_name)
    name += f" (channel {result.key.channel})" if has_channels else ""
    word = "not measured" if result.state == "none" else result.state
    return Branch(
        result.state,
        name,
        word,
        int(result.state == "stale"),
        f"{name}: {word}, {_STATE_TIPS.get(result.state, result.reason)}",
        result.key.roi_id,
        result.key,
    )


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
