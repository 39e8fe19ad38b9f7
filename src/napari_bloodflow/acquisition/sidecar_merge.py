"""Merging what two programs changed in the same sidecar files since both read them.

A ROI with the analyses measured on it is one group, any other entry stands for itself. An item
that one side changed is taken from that side. Where both changed it, there is a conflict, and
nothing is decided unless the caller says what to keep.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any, Literal, TypeAlias

import numpy as np
import pandas as pd

from napari_bloodflow.acquisition.analysis_records import record_key
from napari_bloodflow.acquisition.roi import roi_from_dict
from napari_bloodflow.analysis.registry import exclusive_group, parent_name
from napari_bloodflow.problems import Conflict

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from napari_bloodflow.analysis.base import AnalysisKey

__all__ = ["Keep", "Merged", "SidecarContent", "merge_sidecars"]

Keep: TypeAlias = Literal["mine", "both"]

_SECTIONS = ("experiment_metadata", "image_header_metadata")
# A step means nothing without its unit: the two change together.
_PAIRS = (
    ("physical_unit_y", "physical_label_y"),
    ("physical_unit_x", "physical_label_x"),
)


class _Missing:
    """Stands for an entry that is not there."""

    def __repr__(self) -> str:
        return "nothing"


_MISSING = _Missing()


@dataclass(slots=True)
class SidecarContent:
    """What the sidecar files of one image hold.

    Parameters
    ----------
    document : dict
        The JSON document.
    blocks : dict of AnalysisKey to DataFrame
        Rows of the tables by what they belong to, without ``channel`` and ``roi_id``.
    loose_rows : dict of str to DataFrame
        By analysis name, rows that belong to nothing.
    private : dict
        Our own file.
    """

    document: dict[str, Any]
    blocks: dict[AnalysisKey, pd.DataFrame] = field(default_factory=dict)
    loose_rows: dict[str, pd.DataFrame] = field(default_factory=dict)
    private: dict[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Merged:
    """A merged content.

    Parameters
    ----------
    content : SidecarContent
        Both sides' changes. Where there is a conflict, what `keep` said; without it, theirs.
    conflicts : tuple of Conflict
        What both sides changed.
    taken : tuple of str
        What the other side changed, in words.
    renumbered : dict of int to int
        New ids of ROIs of mine whose id the other side gave to a ROI of its own.
    """

    content: SidecarContent
    conflicts: tuple[Conflict, ...]
    taken: tuple[str, ...]
    renumbered: dict[int, int]


def merge_sidecars(
    base: SidecarContent,
    mine: SidecarContent,
    theirs: SidecarContent,
    keep: Keep | None = None,
    past: Sequence[SidecarContent] = (),
) -> Merged:
    """Merge two descendants of one content.

    Parameters
    ----------
    base : SidecarContent
        What both sides started from.
    mine, theirs : SidecarContent
        What became of it in memory, and on disk.
    keep : {"mine", "both"}, optional
        What to do with conflicts: take mine, or keep theirs in its place and add a ROI of mine
        with its results as a new ROI (other values of mine are then only in the conflicts).
    past : sequence of SidecarContent
        What was saved or read here before `base`. A program that does not look at the files before
        it writes them brings back what it read long ago: an item on disk that is as it was in the
        past, and not as it was saved last, is a conflict too.

    Returns
    -------
    Merged
        None of the arguments is changed, parts of them are shared.
    """
    return _Merge(base, mine, theirs, keep, past).run()


@dataclass(slots=True)
class _Group:
    """A ROI and what was measured on it; a record that is missing is `_MISSING`."""

    record: Any = _MISSING
    analyses: dict[AnalysisKey, _Measured] = field(default_factory=dict)

    def __bool__(self) -> bool:
        return self.record is not _MISSING or bool(self.analyses)


@dataclass(frozen=True, slots=True, eq=False)
class _Measured:
    record: Any
    block: pd.DataFrame | None

    def is_same(self, other: _Measured | None) -> bool:
        return (
            other is not None
            and _same(self.record, other.record)
            and _same_block(self.block, other.block)
        )


@dataclass(slots=True)
class _Side:
    """A content taken apart."""

    groups: dict[int, _Group] = field(default_factory=dict)
    loose_rois: list[Any] = field(default_factory=list)
    loose_records: list[Any] = field(default_factory=list)

    @classmethod
    def of(cls, content: SidecarContent) -> _Side:
        side = cls()
        for record in _list(content.document.get("rois")):
            try:
                roi_id = roi_from_dict(record).roi_id
            except ValueError:
                roi_id = None
            if roi_id is None or roi_id in side.groups:
                side.loose_rois.append(record)
            else:
                side.groups[roi_id] = _Group(record)
        records: dict[AnalysisKey, Any] = {}
        for record in _list(content.document.get("analysis")):
            try:
                key = record_key(record)
            except ValueError:
                key = None
            if key is None or key in records:
                side.loose_records.append(record)
            else:
                records[key] = record
        for key in {**records, **content.blocks}:
            measured = _Measured(records.get(key, _MISSING), content.blocks.get(key))
            side.groups.setdefault(key.roi_id, _Group()).analyses[key] = measured
        return side


class _Merge:
    def __init__(
        self,
        base: SidecarContent,
        mine: SidecarContent,
        theirs: SidecarContent,
        keep: Keep | None,
        past: Sequence[SidecarContent],
    ) -> None:
        self._contents = (base, mine, theirs)
        self._past_documents = [_paired_document(content.document) for content in past]
        self._past_private = [content.private for content in past]
        self._past_sides = [_Side.of(content) for content in past]
        self._keep = keep
        self._base, self._mine, self._theirs = map(_Side.of, self._contents)
        self._conflicts: list[Conflict] = []
        self._taken: list[str] = []
        self._renumbered: dict[int, int] = {}
        sides = (self._base, self._mine, self._theirs)
        self._next_id = max((roi_id for side in sides for roi_id in side.groups), default=0) + 1

    def run(self) -> Merged:
        base, mine, theirs = self._contents
        document = self._merge_document(base.document, mine.document, theirs.document)
        private = self._merge_dict(
            (), base.private, mine.private, theirs.private, self._past_private
        )
        groups: dict[int, _Group] = {}
        extra: list[_Group] = []
        for roi_id in {**self._theirs.groups, **self._mine.groups, **self._base.groups}:
            merged, added = self._merge_group(roi_id)
            groups[roi_id] = merged
            extra += added
        for group in extra:
            groups[self._take_id(group)] = group
        analyses = {key: value for g in groups.values() for key, value in g.analyses.items()}
        document["rois"] = [
            *(g.record for g in groups.values() if g.record is not _MISSING),
            *self._theirs.loose_rois,
            *_added(self._base.loose_rois, self._mine.loose_rois),
        ]
        document["analysis"] = [
            *(m.record for m in analyses.values() if m.record is not _MISSING),
            *self._theirs.loose_records,
            *_added(self._base.loose_records, self._mine.loose_records),
        ]
        blocks = {key: m.block for key, m in analyses.items() if m.block is not None}
        content = SidecarContent(document, blocks, theirs.loose_rows, private)
        return Merged(content, tuple(self._conflicts), tuple(self._taken), self._renumbered)

    # ---- ROIs with their analyses

    def _merge_group(self, roi_id: int) -> tuple[_Group, list[_Group]]:
        """Return the group to stand under this id, and groups that need a new one."""
        base, mine, theirs = (
            side.groups.get(roi_id, _Group()) for side in (self._base, self._mine, self._theirs)
        )
        in_mine, in_theirs = _changes(base, mine), _changes(base, theirs)
        is_reverted = self._is_reverted(roi_id, base, theirs)
        if in_theirs and not is_reverted and not _same_group(mine, theirs):
            self._taken.append(f"ROI {roi_id} {', '.join(in_theirs)}")
        if _same_group(mine, theirs) or not (in_mine or is_reverted):
            return theirs, []
        if not in_theirs:
            return mine, []
        is_new = base.record is _MISSING and not base.analyses
        if is_new and mine.record is not _MISSING and theirs.record is not _MISSING:
            return theirs, [mine]
        merged = None if is_reverted else self._merge_members(base, mine, theirs)
        if merged is not None:
            return merged, []
        here = "; ".join(in_mine) or "as it was saved"
        there = "; ".join(in_theirs) + (", as it was before that" if is_reverted else "")
        self._conflicts.append(Conflict(f"ROI {roi_id}", here, there))
        if self._keep == "mine" or (self._keep == "both" and theirs.record is _MISSING):
            return mine, []
        if self._keep == "both" and mine.record is not _MISSING:
            return theirs, [mine]
        return theirs, []

    def _is_reverted(self, roi_id: int, base: _Group, theirs: _Group) -> bool:
        """Tell whether a part of a group is again what it was before it was saved last."""
        return any(
            _is_back(base, theirs, side.groups.get(roi_id, _Group())) for side in self._past_sides
        )

    def _merge_members(self, base: _Group, mine: _Group, theirs: _Group) -> _Group | None:
        """Return both sides' changes of one group, or None if they exclude each other."""
        for one, other in ((mine, theirs), (theirs, mine)):
            # A result belongs to the pixels it was measured on.
            if _is_moved(base, one) and _is_measured(base, other):
                return None
        record = _merge_roi(base.record, mine.record, theirs.record)
        if record is None:
            return None
        merged = _Group(record)
        for key in {**theirs.analyses, **mine.analyses}:
            was, here, there = (g.analyses.get(key) for g in (base, mine, theirs))
            chosen = here
            if _is_same(here, was):
                chosen = there
            elif not (_is_same(there, was) or _is_same(here, there)):
                return None
            if chosen is not None:
                merged.analyses[key] = chosen
        return merged if _fits_together(merged.analyses) else None

    def _take_id(self, group: _Group) -> int:
        """Give a group of mine an id that nobody uses."""
        roi_id, self._next_id = self._next_id, self._next_id + 1
        self._renumbered[group.record["roi_id"]] = roi_id
        group.record = {**group.record, "roi_id": roi_id}
        group.analyses = {
            key._replace(roi_id=roi_id): replace(
                measured,
                record=measured.record
                if measured.record is _MISSING
                else {**measured.record, "roi_id": roi_id},
            )
            for key, measured in group.analyses.items()
        }
        return roi_id

    # ---- everything else

    def _merge_document(
        self, base: dict[str, Any], mine: dict[str, Any], theirs: dict[str, Any]
    ) -> dict[str, Any]:
        was, here, there = map(_paired_document, (base, mine, theirs))
        merged = self._merge_dict((), was, here, there, self._past_documents)
        return {key: _unpaired(key, value) for key, value in merged.items()}

    def _merge_dict(
        self,
        path: tuple[str, ...],
        base: Mapping[str, Any],
        mine: Mapping[str, Any],
        theirs: Mapping[str, Any],
        past: Sequence[Mapping[str, Any]],
    ) -> dict[str, Any]:
        merged = {}
        for key in {**theirs, **mine}:
            was, here, there = (side.get(key, _MISSING) for side in (base, mine, theirs))
            before = [side.get(key, _MISSING) for side in past]
            value = self._merge_value((*path, str(key)), was, here, there, before)
            if value is not _MISSING:
                merged[key] = value
        return merged

    def _merge_value(
        self, path: tuple[str, ...], base: Any, mine: Any, theirs: Any, past: Sequence[Any]
    ) -> Any:
        if _same(mine, theirs):
            return theirs
        if _same(theirs, base):
            return mine
        # The limits of a channel's contrast belong together.
        is_whole = path[0] == "image_contrast" and len(path) > 1
        if not is_whole and isinstance(mine, dict) and isinstance(theirs, dict):
            objects = [value if isinstance(value, dict) else {} for value in (base, *past)]
            return self._merge_dict(path, objects[0], mine, theirs, objects[1:])
        where = ".".join(path)
        if _same(mine, base) and not any(_same(theirs, value) for value in past):
            self._taken.append(where)
            return theirs
        self._conflicts.append(Conflict(where, _shown(mine), _shown(theirs), is_value=True))
        return mine if self._keep == "mine" else theirs


def _is_back(base: _Group, theirs: _Group, past: _Group) -> bool:
    for key in {**base.analyses, **theirs.analyses}:
        was, now, before = (g.analyses.get(key) for g in (base, theirs, past))
        if not _is_same(was, now) and _is_same(now, before):
            return True
    records = (base.record, theirs.record, past.record)
    was_there, is_there, had_been_there = (record is not _MISSING for record in records)
    if was_there != is_there:
        return is_there == had_been_there
    if not (is_there and had_been_there):
        return False
    return any(
        not _same(now, was) and _same(now, before)
        for key in {**base.record, **theirs.record}
        for was, now, before in [[record.get(key, _MISSING) for record in records]]
    )


def _merge_roi(base: Any, mine: Any, theirs: Any) -> Any:
    """Merge ROI records by their entries; None if both changed the same one."""
    if _same(mine, base) or _same(mine, theirs):
        return theirs
    if _same(theirs, base):
        return mine
    if _MISSING in (base, mine, theirs):
        return None
    merged = {}
    for key in {**theirs, **mine}:
        was, here, there = (record.get(key, _MISSING) for record in (base, mine, theirs))
        if not (_same(here, was) or _same(there, was) or _same(here, there)):
            return None
        value = there if _same(here, was) else here
        if value is not _MISSING:
            merged[key] = value
    return merged


def _fits_together(analyses: Iterable[AnalysisKey]) -> bool:
    """Tell whether the format can hold these analyses of one ROI side by side."""
    keys = set(analyses)
    taken = set()
    for key in keys:
        parent = parent_name(key.analysis_name)
        if parent is not None and key._replace(analysis_name=parent) not in keys:
            return False
        group = exclusive_group(key.analysis_name)
        if group is not None and (group, key.channel) in taken:
            return False
        taken.add((group, key.channel))
    return True


def _changes(base: _Group, side: _Group) -> list[str]:
    """Say in words what one side did to a group."""
    words = []
    if side.record is _MISSING:
        if base.record is not _MISSING:
            words.append("deleted")
    elif base.record is _MISSING:
        words.append("added")
    else:
        if _is_moved(base, side):
            words.append("moved or resized")
        if not all(
            _same(base.record.get(k, _MISSING), side.record.get(k, _MISSING))
            for k in {**base.record, **side.record}.keys() - {"data", "roi_type"}
        ):
            words.append("renamed or annotated")
    for key in {**base.analyses, **side.analyses}:
        now, was = side.analyses.get(key), base.analyses.get(key)
        if not _is_same(now, was):
            done = "removed" if now is None else "measured"
            words.append(f"{key.analysis_name} of channel {key.channel} {done}")
    return words


def _is_moved(base: _Group, side: _Group) -> bool:
    if _MISSING in (base.record, side.record):
        return base.record is not side.record
    return not all(_same(base.record.get(k), side.record.get(k)) for k in ("data", "roi_type"))


def _is_measured(base: _Group, side: _Group) -> bool:
    return any(not _is_same(found, base.analyses.get(k)) for k, found in side.analyses.items())


def _is_same(a: _Measured | None, b: _Measured | None) -> bool:
    return a is b if a is None else a.is_same(b)


def _same_group(a: _Group, b: _Group) -> bool:
    return (
        _same(a.record, b.record)
        and a.analyses.keys() == b.analyses.keys()
        and all(_is_same(found, b.analyses[key]) for key, found in a.analyses.items())
    )


def _same(a: Any, b: Any) -> bool:
    """Compare plain values; NaN equals itself and null, as strict JSON has only null."""
    if a is b:
        return True
    if isinstance(a, dict) and isinstance(b, dict):
        return a.keys() == b.keys() and all(_same(value, b[key]) for key, value in a.items())
    if isinstance(a, (list, tuple)) and isinstance(b, (list, tuple)):
        return len(a) == len(b) and all(map(_same, a, b))
    if _is_nothing(a) or _is_nothing(b):
        return _is_nothing(a) and _is_nothing(b)
    if isinstance(a, (dict, list, tuple, _Missing)) or isinstance(b, (dict, list, tuple, _Missing)):
        return False
    return isinstance(a, bool) == isinstance(b, bool) and bool(a == b)


def _is_nothing(value: Any) -> bool:
    if isinstance(value, float):
        return not abs(value) < float("inf")
    return value is None


def _same_block(a: pd.DataFrame | None, b: pd.DataFrame | None) -> bool:
    if a is None or b is None:
        return a is b
    if len(a) != len(b):
        return False
    a, b = (frame.dropna(axis="columns", how="all") for frame in (a, b))
    return set(a.columns) == set(b.columns) and all(
        _same_column(a[name], b[name]) for name in a.columns
    )


def _same_column(a: pd.Series[Any], b: pd.Series[Any]) -> bool:
    numbers = [pd.api.types.is_numeric_dtype(c) for c in (a, b)]
    if all(numbers):
        return np.array_equal(a.to_numpy(float), b.to_numpy(float), equal_nan=True)
    missing = a.isna().to_numpy(), b.isna().to_numpy()
    texts = a.astype(str).to_numpy(), b.astype(str).to_numpy()
    return bool(np.array_equal(*missing) and ((texts[0] == texts[1]) | missing[0]).all())


def _added(base: list[Any], mine: list[Any]) -> list[Any]:
    return [record for record in mine if not any(_same(record, known) for known in base)]


def _list(value: Any) -> list[Any]:
    return value if isinstance(value, list) else []


def _paired_document(document: dict[str, Any]) -> dict[str, Any]:
    """Return a document without ROIs and analyses, with steps and units in pairs."""
    return {
        key: _paired(key, value)
        for key, value in document.items()
        if key not in ("rois", "analysis")
    }


def _paired(section: str, values: Any) -> Any:
    if section not in _SECTIONS or not isinstance(values, dict):
        return values
    paired = dict(values)
    for pair in _PAIRS:
        if all(name in paired for name in pair):
            paired[" and ".join(pair)] = tuple(paired.pop(name) for name in pair)
    return paired


def _unpaired(section: str, values: Any) -> Any:
    if section not in _SECTIONS or not isinstance(values, dict):
        return values
    plain = dict(values)
    for pair in _PAIRS:
        if (found := plain.pop(" and ".join(pair), None)) is not None:
            plain |= dict(zip(pair, found, strict=True))
    return plain


def _shown(value: Any) -> str:
    if isinstance(value, tuple):
        return " ".join(map(str, value))
    return repr(value) if isinstance(value, str) else str(value)
