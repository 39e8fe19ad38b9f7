"""Velocity events: intervals marked by hand, and detected ones to be accepted or rejected."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np

from napari_bloodflow.analysis.base import (
    Analysis,
    AnalysisInputs,
    AnalysisResult,
    AnalysisState,
    DetectionParams,
    ParentInputs,
    Progress,
)
from napari_bloodflow.analysis.event_records import (
    STATS_KEYS,
    Candidate,
    Decision,
    EventType,
    VelocityEvent,
    merged_candidates,
    read_candidates,
    read_events,
    stats_record,
)
from napari_bloodflow.analysis.heart_rate import velocity_trace
from napari_bloodflow.analysis.kernels.heart_rate import estimate_heart_rate, pulse_of
from napari_bloodflow.analysis.kernels.spectrum import on_even_grid
from napari_bloodflow.analysis.kernels.velocity_events import detect_events, event_windows
from napari_bloodflow.analysis.provenance import (
    PROVENANCE_KEY,
    changes_of_parent,
    make_provenance,
    run_stamp,
)
from napari_bloodflow.errors import AnalysisError
from napari_bloodflow.schema import field

if TYPE_CHECKING:
    from collections.abc import Generator, Iterable, Mapping

    from numpy.typing import NDArray

__all__ = ["VelocityEvents", "VelocityEventsParams"]

_SUMMARY_VERSION = 2
_CANDIDATES_KEY, _DETECTION_KEY = "candidates", "detection"
_HEART_BAND_HZ = (4.0, 10.0)
_PERIOD_LIMITS_S = (0.1, 0.25)


class VelocityEventsParams(DetectionParams):
    """Parameters of `event`, those of CloudScope; it cannot read a record with others."""

    pre_post_win_sec: float = field(
        1.0,
        "Windows before and after",
        unit="s",
        description="Length of the windows before and after an event that are described with it.",
        ge=0,
        allow_inf_nan=False,
    )


class VelocityEvents(Analysis):
    """Events in the velocity of a ROI, with statistics of each and of what is around it.

    A run describes all events anew and detects candidates. Candidates become events when they are
    accepted; decisions, and events made by hand, are kept over runs. All times are in s from the
    first line of the ROI.
    """

    analysis_name: ClassVar[str] = "event"
    analysis_version: ClassVar[int] = 2
    display_name: ClassVar[str] = "Velocity events"
    params_model: ClassVar[type[DetectionParams]] = VelocityEventsParams
    parent_name: ClassVar[str | None] = "radon_velocity"
    keeps_decisions: ClassVar[bool] = True
    decisions_name: ClassVar[str] = "events"

    # ---- reading

    @property
    def events(self) -> tuple[VelocityEvent, ...]:
        """The events by their ids."""
        return read_events(self.result.summary.get("events"))[0]

    @property
    def candidates(self) -> tuple[Candidate, ...]:
        """What was detected, with what was decided about it, in order of time."""
        return read_candidates(self.result.summary.get(_CANDIDATES_KEY))

    def get_event(self, event_id: int) -> VelocityEvent:
        """Return an event.

        Raises
        ------
        AnalysisError
            If there is none with this id.
        """
        for event in self.events:
            if event.event_id == event_id:
                return event
        have = ", ".join(str(event.event_id) for event in self.events) or "none"
        raise AnalysisError(f"{self.key}: there is no event {event_id}; there is {have}")

    @property
    def stored_problems(self) -> tuple[tuple[str, str, str], ...]:
        """What is wrong in a stored result; see :attr:`Analysis.stored_problems`."""
        summary = self.result.summary
        events, aside = read_events(summary.get("events"))
        problems = [
            (f"summary.events[{place}]", fault, "this event is not shown, its record is kept")
            for place, _, fault in aside
        ]
        problems += [
            (
                "summary.events",
                f"event {event.event_id} lacks statistics",
                "they are computed with the next run",
            )
            for event in events
            if set(event.stats) != set(STATS_KEYS)
        ]
        if summary and (fault := _version_fault(summary)):
            problems.append(("summary.version", fault, "its events are shown"))
        return tuple(problems)

    # ---- editing

    def add(self, x0: float, x1: float, event_type: EventType = "user") -> VelocityEvent:
        """Add an event by hand.

        Parameters
        ----------
        x0, x1 : float
            Its ends in any order, s.
        event_type : {"user", "rise", "fall", "transient"}
            What it is.

        Raises
        ------
        AnalysisError
            If an end is not finite, the ends are equal, the type is unknown, or there is no
            velocity to describe.
        """
        event = VelocityEvent(self._next_id(), float(x0), float(x1), event_type, "manual")
        self._edit((*self.events, self._checked(event)), self.candidates)
        return self.get_event(event.event_id)

    def update(
        self,
        event_id: int,
        *,
        x0: float | None = None,
        x1: float | None = None,
        event_type: EventType | None = None,
    ) -> VelocityEvent:
        """Change ends or type of an event; what is not given stays.

        Raises
        ------
        AnalysisError
            If there is no such event, or as :meth:`add`.
        """
        found = self.get_event(event_id)
        changed = replace(
            found,
            x0=found.x0 if x0 is None else float(x0),
            x1=found.x1 if x1 is None else float(x1),
            event_type=found.event_type if event_type is None else event_type,
            origin="edited" if found.origin == "detected" else "manual",
        )
        self._checked(changed)
        events = (changed if e.event_id == event_id else e for e in self.events)
        self._edit(events, self.candidates)
        return self.get_event(event_id)

    def delete(self, event_id: int) -> None:
        """Remove an event; the candidate it came from counts as rejected.

        Raises
        ------
        AnalysisError
            If there is no such event.
        """
        self.get_event(event_id)
        candidates = (
            replace(c, decision="rejected", event_id=None) if c.event_id == event_id else c
            for c in self.candidates
        )
        self._edit((e for e in self.events if e.event_id != event_id), candidates)

    def accept(self, candidate: Candidate, event_type: EventType | None = None) -> VelocityEvent:
        """Make a candidate an event.

        Parameters
        ----------
        candidate : Candidate
            One of `candidates`, not accepted yet.
        event_type : {"user", "rise", "fall", "transient"}, optional
            Its type. By default ``"rise"`` of a rise, ``"user"`` of a gap, else ``"fall"``.

        Raises
        ------
        AnalysisError
            If it is none of the candidates, or was accepted already.
        """
        if candidate.decision == "accepted":
            raise AnalysisError(f"{self.key}: this candidate is event {candidate.event_id} already")
        event = VelocityEvent(
            self._next_id(),
            candidate.onset_s,
            candidate.offset_s,
            event_type or candidate.event_type,
            "detected",
        )
        candidates = self._decided(candidate, "accepted", event.event_id)
        self._edit((*self.events, self._checked(event)), candidates)
        return self.get_event(event.event_id)

    def reject(self, candidate: Candidate) -> None:
        """Reject a candidate; if it was accepted, its event goes.

        Raises
        ------
        AnalysisError
            If it is none of the candidates.
        """
        candidates = self._decided(candidate, "rejected", None)
        events = (e for e in self.events if e.event_id != candidate.event_id)
        self._edit(events, candidates)

    def _decided(
        self, candidate: Candidate, decision: Decision, event_id: int | None
    ) -> tuple[Candidate, ...]:
        candidates = list(self.candidates)
        if candidate not in candidates:
            raise AnalysisError(f"{self.key}: {candidate} is none of its candidates")
        place = candidates.index(candidate)
        candidates[place] = replace(candidate, decision=decision, event_id=event_id)
        return tuple(candidates)

    def _next_id(self) -> int:
        _, aside = read_events(self.result.summary.get("events"))
        taken = [event.event_id for event in self.events]
        taken += [
            record["id"]
            for _, record, _ in aside
            if isinstance(record, dict) and isinstance(record.get("id"), int)
        ]
        return max(0, *taken, 0) + 1

    def _checked(self, event: VelocityEvent) -> VelocityEvent:
        try:
            event.check()
        except ValueError as error:
            raise AnalysisError(f"{self.key}: event {event.event_id}: {error}") from None
        return event

    def _edit(self, events: Iterable[VelocityEvent], candidates: Iterable[Candidate]) -> None:
        """Make these the events and candidates, described from the present velocity."""
        known = self.params_model.model_fields
        given = {name: value for name, value in self.detection_params.items() if name in known}
        params = self.check_params(given)
        parent = self._present_parent()
        state = None
        if self._source is not None:
            state = self._source.get_analysis_state(self.key.channel, self.key.roi_id)
        earlier = self.result
        events, candidates = tuple(events), tuple(candidates)
        detection = earlier.summary.get(_DETECTION_KEY)
        is_new = bool(changes_of_parent(earlier, parent.analysis_name, parent.result))
        if detection is not None and is_new:
            is_calibrated = state is not None and state.calibration.is_known
            found, detection = _detected(parent, is_calibrated)
            candidates = merged_candidates(found, candidates, events)
        summary = _summary(earlier.summary, events, candidates, parent, params)
        if detection is not None:
            summary[_DETECTION_KEY] = detection
        if state is not None:
            summary[PROVENANCE_KEY] = _provenance(state, params, parent)
        self.set_result(AnalysisResult(summary, earlier.table))
        if self._set is not None:
            self._set.updated.emit(self.key)

    def _present_parent(self) -> ParentInputs:
        parent = self.parent
        if parent is None or parent.result.table is None:
            raise AnalysisError(
                f"{self.key}: measure the velocity of ROI {self.key.roi_id}"
                f" on channel {self.key.channel} first"
            )
        return ParentInputs(parent.key.analysis_name, parent.detection_params, parent.result)

    # ---- running

    @classmethod
    def measure(
        cls, inputs: AnalysisInputs, params: Mapping[str, Any]
    ) -> Generator[Progress, None, AnalysisResult]:
        """Measure; see :meth:`Analysis.measure`.

        Raises
        ------
        AnalysisError
            If the velocity table cannot be used, or the events were written by a newer program.
        """
        assert inputs.parent is not None
        yield Progress(0, 2, "detecting velocity events")
        earlier = inputs.earlier or AnalysisResult({})
        events, _ = read_events(earlier.summary.get("events"))
        found, detection = _detected(inputs.parent, inputs.calibration.is_known)
        decided = read_candidates(earlier.summary.get(_CANDIDATES_KEY))
        candidates = merged_candidates(found, decided, events)
        yield Progress(1, 2, "describing velocity events")
        summary = {
            **_summary(earlier.summary, events, candidates, inputs.parent, params),
            **run_stamp(cls.analysis_version),
            _DETECTION_KEY: detection,
            PROVENANCE_KEY: _provenance(inputs.state, params, inputs.parent),
        }
        return AnalysisResult(summary, earlier.table)


def _summary(
    earlier: Mapping[str, Any],
    events: Iterable[VelocityEvent],
    candidates: Iterable[Candidate],
    parent: ParentInputs,
    params: Mapping[str, Any],
) -> dict[str, Any]:
    """Return a summary with statistics of all events, and with the keys of others."""
    if fault := _version_fault(earlier):
        raise AnalysisError(f"velocity events cannot be changed: {fault}")
    time_s, velocity = velocity_trace(parent)
    margin_s = params["pre_post_win_sec"]
    _, aside = read_events(earlier.get("events"))
    described = [_described(event, time_s, velocity, margin_s) for event in events]
    described.sort(key=lambda event: event.event_id)
    return {
        **earlier,
        "version": _SUMMARY_VERSION,
        "parent_analysis_name": parent.analysis_name,
        "events": [e.to_record() for e in described] + [record for _, record, _ in aside],
        _CANDIDATES_KEY: [candidate.to_record() for candidate in candidates],
    }


def _described(
    event: VelocityEvent,
    time_s: NDArray[np.float64],
    velocity: NDArray[np.float64],
    margin_s: float,
) -> VelocityEvent:
    blocks = event_windows(time_s, velocity, event.x0, event.x1, margin_s)
    return replace(event, stats=dict(zip(STATS_KEYS, map(stats_record, blocks), strict=True)))


def _detected(parent: ParentInputs, is_calibrated: bool) -> tuple[list[Candidate], dict[str, Any]]:
    """Detect candidates; return them and how it went."""
    if not is_calibrated:
        return [], {"status": "not_calibrated", "period_s": None}
    time_s, velocity = velocity_trace(parent)
    try:
        step_s, even = on_even_grid(time_s, velocity)
    except ValueError as error:
        return [], {"status": f"not_detected: {error}", "period_s": None}
    period = {}
    rate = estimate_heart_rate(pulse_of(even, step_s), step_s, *_HEART_BAND_HZ)
    if rate.status == "ok":
        period = {"period_s": float(np.clip(1 / rate.frequency_hz, *_PERIOD_LIMITS_S))}
    found = detect_events(even, step_s, **period)
    candidates = [Candidate.of(event, float(time_s[0])) for event in found.events]
    return candidates, {"status": found.status, "period_s": period.get("period_s")}


def _provenance(
    state: AnalysisState, params: Mapping[str, Any], parent: ParentInputs
) -> dict[str, Any]:
    return make_provenance(state, params, "velocity events", 1, parent)


def _version_fault(summary: Mapping[str, Any]) -> str:
    version = summary.get("version", _SUMMARY_VERSION)
    if version == _SUMMARY_VERSION and not isinstance(version, bool):
        return ""
    return f"their version is {version!r}, this program knows {_SUMMARY_VERSION}"
