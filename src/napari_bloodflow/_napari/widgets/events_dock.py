"""The Events dock: draw events, review detected ones."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any, ClassVar

from napari_bloodflow._napari.overlays import event_lines
from napari_bloodflow._napari.plots.event_plot import Band
from napari_bloodflow._napari.plots.plot_model import PlotModel
from napari_bloodflow._napari.plots.result_traces import first_line_s, velocity_plot_model
from napari_bloodflow._napari.widgets.dock_spec import DockSpec
from napari_bloodflow._napari.widgets.review_dock import ReviewDock, id_of
from napari_bloodflow._napari.widgets.review_table import ReviewRow
from napari_bloodflow._napari.widgets.summary_columns import EVENT_COLUMNS, event_details
from napari_bloodflow.analysis.event_records import EVENT_TYPES
from napari_bloodflow.analysis.velocity_events import VelocityEvents

if TYPE_CHECKING:
    from collections.abc import Callable

    from napari_bloodflow.acquisition.acq_image import AcqImage
    from napari_bloodflow.analysis.base import Analysis
    from napari_bloodflow.analysis.event_records import Candidate, VelocityEvent

__all__ = ["EventsDock"]

_FROM, _LENGTH = 1, 2

_HEADERS = (
    ("Type", "What the event is; detected ones are named after what was found"),
    ("From", "Start in s, from the first line of the file"),
    ("Length", "Length in s"),
    ("Change", "Mean velocity in the event against the mean before it"),
    ("State", "By whom it was made, or what was decided about it"),
)


class EventsDock(ReviewDock):
    """Events in a velocity: made by hand, or detected and then accepted or rejected.

    See :class:`AnalysisDock`. Decisions can be undone with the other edits of the file.
    """

    headers = _HEADERS
    types = EVENT_TYPES
    editable = (_FROM, _LENGTH)
    item = "event"
    spec: ClassVar[DockSpec] = DockSpec(
        analysis_type=VelocityEvents,
        name="event",
        noun="events",
        basic=("pre_post_win_sec",),
        columns=EVENT_COLUMNS,
        details=event_details,
        plot_model=velocity_plot_model,
        uncalibrated="Not calibrated: events are not detected, but can be drawn.",
        overlay_lines=event_lines,
    )

    # ---- what is shown

    @property
    def _parent_analysis(self) -> Analysis | None:
        acq, key = self._session.acq, self._choice.key
        if acq is None or key is None:
            return None
        parent = acq.analysis_set.get(key._replace(analysis_name="radon_velocity"))
        return parent if parent is not None and parent.has_results else None

    @property
    def _events(self) -> VelocityEvents | None:
        acq, key = self._session.acq, self._choice.key
        analysis = acq.analysis_set.get(key) if acq is not None and key is not None else None
        return analysis if isinstance(analysis, VelocityEvents) else None

    @property
    def _offset_s(self) -> float:
        """Time of the first line of the ROI: events count from there, the plot from the file's."""
        acq, parent = self._session.acq, self._parent_analysis
        return first_line_s(acq, parent) if acq is not None and parent is not None else 0.0

    def _show_plots(self, acq: AcqImage | None, shown: list[Analysis]) -> None:
        parent = self._parent_analysis
        if acq is None or parent is None:
            self._event_plot.set_model(PlotModel(), "" if acq is not None else "No file is open")
        else:
            self._event_plot.set_model(velocity_plot_model(acq, [parent]))
        events, offset_s = self._events, self._offset_s
        rows, bands = [], []
        if events is not None and not self._event_plot.is_empty:
            for event in events.events:
                rows.append((event.start_s, _event_row(event, offset_s)))
                bands.append(_band(event, offset_s))
            for candidate in events.candidates:
                if candidate.decision != "accepted":
                    rows.append((candidate.onset_s, _candidate_row(candidate, offset_s)))
                if candidate.decision == "open":
                    bands.append(_candidate_band(candidate, offset_s))
        in_time = [row for _, row in sorted(rows, key=lambda pair: pair[0])]
        self._show_review(in_time, bands, is_usable=not self._event_plot.is_empty)

    # ---- what the user did

    def _on_drawn(self, start: float, stop: float) -> None:
        self._table.stop_drawing()
        acq, key, offset_s = self._session.acq, self._choice.key, self._offset_s
        if acq is None or key is None:
            return

        def add() -> None:
            analysis = acq.analysis_set.get_or_create(key)
            assert isinstance(analysis, VelocityEvents)
            event_type: Any = self._table.next_type
            added = analysis.add(start - offset_s, stop - offset_s, event_type)
            self._refresh()
            self._on_band_chosen(_event_name(added))

        self._edit(add)

    def _on_new(self) -> None:
        (low, high), (first, last) = self._event_plot.x_range, self._measured_s
        low, high = max(low, first), min(high, last)
        if low >= high:
            self._tell("", "the plot shows no velocity to make an event in")
            return
        third = (high - low) / 3
        self._on_drawn(low + third, high - third)
        self._controls_area.ensureWidgetVisible(self._table)
        self._table.go_to_numbers()

    @property
    def _measured_s(self) -> tuple[float, float]:
        """First and last time of the velocity, in the time of the plot; equal if it has none."""
        traces = [trace.x for trace in self._event_plot.model.traces if trace.x.size]
        ends = [time for x in traces for time in (x[0], x[-1])]
        return (float(min(ends)), float(max(ends))) if ends else (0.0, 0.0)

    def _on_entered(self, name: str, column: int, text: str) -> None:
        events, event_id = self._events, id_of(name, self.item)
        if events is not None and event_id is not None:
            self._edit(lambda: self._set_number(events, event_id, column, text))

    def _set_number(self, events: VelocityEvents, event_id: int, column: int, text: str) -> None:
        """Move an event, or change its length and leave its start.

        Raises
        ------
        ValueError
            If the text is no number, or there would be no velocity in the event.
        """
        event, offset_s, title = events.get_event(event_id), self._offset_s, _HEADERS[column][0]
        try:
            value = float(text)
        except ValueError:
            value = math.nan
        if not math.isfinite(value):
            raise ValueError(f"{title} is a number of seconds, such as 1.25, not {text!r}")
        start, length = event.start_s, event.duration_s
        if column == _FROM:
            start = value - offset_s
        elif value > 0:
            length = value
        else:
            raise ValueError(f"{title} is above 0 s, not {text}")
        first, last = self._measured_s
        if start + offset_s >= last or start + length + offset_s <= first:
            span = f"from {first:.3f} to {last:.3f} s"
            raise ValueError(f"the event would lie outside the velocity, which is {span}")
        events.update(event_id, x0=start, x1=start + length)

    def _on_moved(self, name: str, start: float, stop: float) -> None:
        events, event_id, offset_s = self._events, id_of(name, self.item), self._offset_s
        if events is not None and event_id is not None:
            self._edit(lambda: events.update(event_id, x0=start - offset_s, x1=stop - offset_s))

    def _on_retyped(self, name: str, event_type: str) -> None:
        new_type: Any = event_type
        events, event_id = self._events, id_of(name, self.item)
        if events is not None and event_id is not None:
            self._edit(lambda: events.update(event_id, event_type=new_type))

    def _on_deleted(self, name: str) -> None:
        events, event_id = self._events, id_of(name, self.item)
        if events is not None and event_id is not None:
            self._edit(lambda: events.delete(event_id))

    def _on_accepted(self, name: str) -> None:
        self._decide(name, lambda events, candidate: events.accept(candidate))

    def _on_rejected(self, name: str) -> None:
        event_id = id_of(name, self.item)
        if event_id is not None:
            self._on_deleted(name)
        else:
            self._decide(name, lambda events, candidate: events.reject(candidate))

    def _decide(self, name: str, decide: Callable[[VelocityEvents, Candidate], object]) -> None:
        events = self._events
        found = [c for c in events.candidates if _candidate_name(c) == name] if events else []
        if events is not None and found:
            self._edit(lambda: decide(events, found[0]))


def _event_name(event: VelocityEvent) -> str:
    return f"event {event.event_id}"


def _candidate_name(candidate: Candidate) -> str:
    return f"candidate {candidate.kind} {candidate.onset_s:.6f}"


def _event_row(event: VelocityEvent, offset_s: float) -> ReviewRow:
    inside, before = (
        event.stats.get(name, {}).get("mean") for name in ("event_stats", "pre_win_stats")
    )
    change = "–"
    if isinstance(inside, (int, float)) and isinstance(before, (int, float)) and before:
        change = _percent(inside / before)
    cells = (
        event.event_type,
        f"{event.start_s + offset_s:.3f}",
        f"{event.duration_s:.3f}",
        change,
        event.origin or "stored",
    )
    return ReviewRow(_event_name(event), event.event_type, cells, is_decided=True)


def _candidate_row(candidate: Candidate, offset_s: float) -> ReviewRow:
    level = candidate.level
    cells = (
        candidate.kind,
        f"{candidate.onset_s + offset_s:.3f}",
        f"{candidate.offset_s - candidate.onset_s:.3f}",
        _percent(level) if isinstance(level, (int, float)) else "–",
        "rejected" if candidate.decision == "rejected" else "to decide",
    )
    return ReviewRow(
        _candidate_name(candidate),
        candidate.event_type,
        cells,
        is_decided=False,
        is_rejected=candidate.decision == "rejected",
    )


def _percent(ratio: float) -> str:
    """Return the change to a part of what was before; no change has no sign."""
    return f"{round(100 * (ratio - 1)) or 0:+d} %".replace("+0 %", "0 %")


def _band(event: VelocityEvent, offset_s: float) -> Band:
    start, stop = event.start_s + offset_s, event.stop_s + offset_s
    return Band(_event_name(event), start, stop, event.event_type)


def _candidate_band(candidate: Candidate, offset_s: float) -> Band:
    start, stop = candidate.onset_s + offset_s, candidate.offset_s + offset_s
    return Band(_candidate_name(candidate), start, stop, candidate.event_type, is_candidate=True)
