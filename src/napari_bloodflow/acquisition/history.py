"""Undo and redo of what was edited in one acquisition."""

from __future__ import annotations

from collections import Counter, deque
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

from psygnal import Signal

from napari_bloodflow.acquisition.metadata import ExperimentMetadata
from napari_bloodflow.acquisition.roi import LineEndpoints
from napari_bloodflow.analysis.registry import analysis_class

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from napari_bloodflow.acquisition.free_shape import FreeShape
    from napari_bloodflow.acquisition.roi import Roi, RoiGeometry
    from napari_bloodflow.analysis.base import AnalysisKey, AnalysisResult

__all__ = ["MAX_STEPS", "EditHistory", "EditState", "name_rois"]

MAX_STEPS = 200
"""Edits that can be undone; older ones are forgotten."""

_MAX_LISTED = 5


@dataclass(frozen=True, slots=True)
class EditState:
    """What edits of an acquisition change, as values that later edits do not touch.

    Results are not part of it: they come from runs, and go and come back with their ROI. Those
    that hold decisions of the user, such as events, are.

    Parameters
    ----------
    rois : tuple of RectROI or LineROI
        All ROIs in order.
    experiment, header : mapping
        Values of the metadata sections by field name.
    calibration_source : str
        Who filled in the calibration of the header.
    accepted : bool
        The curator's mark.
    axes_swapped : bool
        Whether time runs along the columns of the file.
    decisions : mapping of AnalysisKey to AnalysisResult
        Results that the user edits.
    free_shapes : tuple of FreeShape
        Shapes that were drawn but are no ROI.
    """

    rois: tuple[Roi, ...]
    experiment: Mapping[str, Any]
    header: Mapping[str, Any]
    calibration_source: str
    accepted: bool
    axes_swapped: bool
    decisions: Mapping[AnalysisKey, AnalysisResult] = field(default_factory=dict)
    free_shapes: tuple[FreeShape, ...] = ()

    def edited_decisions(self, before: EditState) -> list[AnalysisKey]:
        """Return the analyses that both states have, with other decisions."""
        return [
            key
            for key, result in self.decisions.items()
            if (earlier := before.decisions.get(key)) is not None
            and analysis_class(key.analysis_name).is_edit(earlier, result)
        ]

    def is_same(self, other: EditState) -> bool:
        """Tell whether nothing was edited between two states; new analyses are no edit."""
        return replace(self, decisions={}) == replace(
            other, decisions={}
        ) and not self.edited_decisions(other)


@dataclass(frozen=True, slots=True)
class _Step:
    text: str
    before: EditState
    after: EditState


class EditHistory:
    """The edits of one acquisition, to be taken back and made again.

    A step is what lies between two announcements of the models: one edit, one
    :meth:`RoiSet.batch <napari_bloodflow.acquisition.roi_set.RoiSet.batch>` or one patch of
    metadata. Steps are found by comparing states, so that it does not matter who made an edit.

    Parameters
    ----------
    capture : callable
        Returns the present :class:`EditState`.
    restore : callable
        Makes the acquisition as an :class:`EditState` says.

    Attributes
    ----------
    changed : psygnal.Signal
        Emitted after the steps that can be undone or redone changed.
    """

    changed = Signal()

    def __init__(
        self, capture: Callable[[], EditState], restore: Callable[[EditState], None]
    ) -> None:
        self._capture = capture
        self._restore = restore
        self._state = capture()
        self._done: deque[_Step] = deque(maxlen=MAX_STEPS)
        self._undone: list[_Step] = []
        self._is_restoring = False

    def __repr__(self) -> str:
        return f"EditHistory({len(self._done)} to undo, {len(self._undone)} to redo)"

    @property
    def can_undo(self) -> bool:
        """True if there is an edit to take back."""
        return bool(self._done)

    @property
    def can_redo(self) -> bool:
        """True if there is an edit that was taken back, with no other edit since."""
        return bool(self._undone)

    @property
    def last_step(self) -> object:
        """Something that is the same as long as :meth:`undo` would take back the same edit."""
        return self._done[-1] if self._done else None

    @property
    def undo_text(self) -> str:
        """What :meth:`undo` would take back, such as ``"move ROI 2"``; empty if nothing."""
        return self._done[-1].text if self._done else ""

    @property
    def redo_text(self) -> str:
        """What :meth:`redo` would do again; empty if nothing."""
        return self._undone[-1].text if self._undone else ""

    def undo(self) -> str:
        """Take back the last edit.

        Returns
        -------
        str
            What was taken back; empty if there was nothing.
        """
        if self._is_restoring or not self._done:
            return ""
        step = self._done.pop()
        self._undone.append(step)
        self._go_to(step.before)
        return step.text

    def redo(self) -> str:
        """Make the edit again that was taken back last.

        Returns
        -------
        str
            What was done again; empty if there was nothing.
        """
        if self._is_restoring or not self._undone:
            return ""
        step = self._undone.pop()
        self._done.append(step)
        self._go_to(step.after)
        return step.text

    def join_last(self) -> None:
        """Make one step of the last two, to be undone at once; none if one took the other back."""
        later, first = self._done.pop(), self._done.pop()
        if not later.after.is_same(first.before):
            self._done.append(_Step(later.text, first.before, later.after))
        self.changed.emit()

    def clear(self) -> None:
        """Forget all steps; the present state is the first."""
        self._done.clear()
        self._undone.clear()
        self._state = self._capture()
        self.changed.emit()

    def record(self) -> None:
        """Take what changed since the last call for one step; called after every change."""
        if self._is_restoring:
            return
        before, self._state = self._state, self._capture()
        if not self._state.is_same(before):
            self._done.append(_Step(_describe(before, self._state), before, self._state))
            self._undone.clear()
            self.changed.emit()

    def _go_to(self, state: EditState) -> None:
        self._is_restoring = True
        try:
            self._restore(state)
        finally:
            self._is_restoring = False
            self._state = state
            self.changed.emit()
            # What listeners edited meanwhile is a step of its own.
            self.record()


def name_rois(roi_ids: Sequence[int]) -> str:
    """Return ``"ROI 2"``, ``"ROIs 2, 3"``, or ``"12 ROIs"`` for many."""
    if len(roi_ids) > _MAX_LISTED:
        return f"{len(roi_ids)} ROIs"
    return f"ROI{'s' if len(roi_ids) > 1 else ''} {', '.join(map(str, roi_ids))}"


def _describe(before: EditState, after: EditState) -> str:
    """Say what was done between two states, as an order: ``"move ROI 2"``."""
    if before.axes_swapped != after.axes_swapped:
        return "swap the axes"
    words = _describe_rois(before.rois, after.rois)
    words += _describe_shapes(before.free_shapes, after.free_shapes, is_side_effect=bool(words))
    fields = [name for name, value in after.experiment.items() if value != before.experiment[name]]
    if fields:
        schema = ExperimentMetadata.get_schema()
        words.append(f"edit {', '.join(schema[name].display_name for name in fields)}")
    if (before.header, before.calibration_source) != (after.header, after.calibration_source):
        words.append("set the calibration")
    if before.accepted != after.accepted:
        words.append("accept the file" if after.accepted else "reject the file")
    words += [
        f"edit the {analysis_class(key.analysis_name).decisions_name} of ROI {key.roi_id}"
        for key in after.edited_decisions(before)
    ]
    return ", ".join(words)


def _describe_rois(before: Sequence[Roi], after: Sequence[Roi]) -> list[str]:
    old, new = ({roi.roi_id: roi for roi in rois} for rois in (before, after))
    edits: dict[str, list[int]] = {}
    for roi_id, roi in new.items():
        if roi_id not in old:
            edits.setdefault("add", []).append(roi_id)
        elif roi is not old[roi_id] and roi != old[roi_id]:
            edits.setdefault(_describe_edit(old[roi_id], roi), []).append(roi_id)
    removed = [roi_id for roi_id in old if roi_id not in new]
    if removed:
        edits["delete"] = removed
    if not edits and list(old) != list(new):
        return ["change the order of ROIs"]
    return [f"{what} {name_rois(roi_ids)}" for what, roi_ids in edits.items()]


def _describe_shapes(
    before: Sequence[FreeShape], after: Sequence[FreeShape], *, is_side_effect: bool
) -> list[str]:
    gone, new = Counter(before) - Counter(after), Counter(after) - Counter(before)
    if is_side_effect and not new:  # they became ROIs, or went with theirs
        return []
    # An edited shape is one that went and one that came.
    shapes = list((new or gone).elements())
    if not shapes:
        return []
    ids = sorted({shape.roi_id for shape in shapes if shape.roi_id is not None})
    if len(ids) == len(shapes):
        return [f"edit the outline of {name_rois(ids)}"]
    what = "edit" if gone and new else "draw" if new else "delete"
    return [f"{what} {shapes[0].reason if len(shapes) == 1 else f'{len(shapes)} grey shapes'}"]


def _describe_edit(old: Roi, new: Roi) -> str:
    words = []
    if new.geometry != old.geometry:
        words.append("move" if _extent(new.geometry) == _extent(old.geometry) else "resize")
    if new.name != old.name:
        words.append("rename")
    if new.note != old.note:
        words.append("edit the note of")
    return words[0] if len(words) == 1 else "edit"


def _extent(geometry: RoiGeometry) -> tuple[int, int]:
    if isinstance(geometry, LineEndpoints):
        return geometry.row1 - geometry.row0, geometry.col1 - geometry.col0
    return geometry.num_rows, geometry.num_columns
