"""Velocity events and candidates as they stand in a sidecar."""

from __future__ import annotations

import json
import math
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any, Literal, get_args

from napari_bloodflow.analysis.base import finite_or_none

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from napari_bloodflow.analysis.kernels.velocity_events import DetectedEvent, WindowStats

__all__ = [
    "EVENT_TYPES",
    "STATS_KEYS",
    "Candidate",
    "Decision",
    "EventType",
    "VelocityEvent",
    "merged_candidates",
    "read_candidates",
    "read_events",
    "stats_record",
]

EventType = Literal["user", "rise", "fall", "transient"]
Decision = Literal["open", "accepted", "rejected"]
EVENT_TYPES: tuple[EventType, ...] = get_args(EventType)
STATS_KEYS = ("event_stats", "pre_win_stats", "post_win_stats")
"""Blocks of statistics of an event: of itself, and of the windows before and after it."""
_ORIGIN_KEY = "origin"


@dataclass(frozen=True, slots=True)
class VelocityEvent:
    """An interval of a velocity trace that somebody marked, or accepted.

    Parameters
    ----------
    event_id : int
        Number within the analysis, from 1.
    x0, x1 : float
        Ends as they were drawn, in any order; seconds from the first line of the ROI.
    event_type : {"user", "rise", "fall", "transient"}
        What it is.
    origin : str
        ``"manual"``, ``"detected"`` (an accepted candidate), ``"edited"`` (one that was changed
        since), or empty if another program does not say.
    stats : mapping
        Blocks of statistics by name, see `STATS_KEYS`; empty before they are computed.
    record : mapping
        The record it was read from, with keys of others.
    """

    event_id: int
    x0: float
    x1: float
    event_type: EventType
    origin: str = ""
    stats: Mapping[str, dict[str, Any]] = field(default_factory=dict)
    record: Mapping[str, Any] = field(default_factory=dict)

    @property
    def start_s(self) -> float:
        """The earlier end."""
        return min(self.x0, self.x1)

    @property
    def stop_s(self) -> float:
        """The later end."""
        return max(self.x0, self.x1)

    @property
    def duration_s(self) -> float:
        """Length in s."""
        return abs(self.x1 - self.x0)

    def check(self) -> None:
        """Refuse what CloudScope cannot read.

        Raises
        ------
        ValueError
            If an end is not finite, the ends are equal, or the type is unknown.
        """
        if not (math.isfinite(self.x0) and math.isfinite(self.x1)):
            raise ValueError(f"its ends, {self.x0} and {self.x1}, are not finite")
        if self.x0 == self.x1:
            raise ValueError(f"it starts and ends at {self.x0:g} s")
        if self.event_type not in EVENT_TYPES:
            raise ValueError(
                f"event_type is {self.event_type!r}, not one of {', '.join(EVENT_TYPES)}"
            )

    def to_record(self) -> dict[str, Any]:
        """Return the record, with the keys of others that it was read with."""
        record = {
            **self.record,
            "id": self.event_id,
            "x0": self.x0,
            "x1": self.x1,
            "event_type": self.event_type,
            "duration": self.duration_s,
            **{name: dict(block) for name, block in self.stats.items()},
        }
        return {**record, _ORIGIN_KEY: self.origin} if self.origin else record


@dataclass(frozen=True, slots=True)
class Candidate:
    """A detected event, and what was decided about it.

    Parameters
    ----------
    onset_s, offset_s : float
        Ends, from the first line of the ROI.
    kind : str
        ``"drop"``, ``"rise"``, ``"stall"``, ``"reversal"`` or ``"gap"``.
    level, strength : float or None
        Velocity over its baseline, and departure from it in standard errors; None of a gap.
    decision : {"open", "accepted", "rejected"}
        Of the user.
    event_id : int or None
        The event it became.
    """

    onset_s: float
    offset_s: float
    kind: str
    level: float | None = None
    strength: float | None = None
    decision: Decision = "open"
    event_id: int | None = None

    @classmethod
    def of(cls, found: DetectedEvent, start_s: float) -> Candidate:
        """Make an open candidate; the trace starts at `start_s`."""
        return cls(
            round(start_s + found.onset_s, 6),
            round(start_s + found.offset_s, 6),
            found.kind,
            finite_or_none(found.level),
            finite_or_none(found.strength),
        )

    @property
    def event_type(self) -> EventType:
        """The type of event it becomes when it is accepted."""
        if self.kind == "gap":
            return "user"
        return "rise" if self.kind == "rise" else "fall"

    def to_record(self) -> dict[str, Any]:
        """Return the record."""
        return {name: getattr(self, name) for name in self.__slots__}


def read_events(
    records: Any,
) -> tuple[tuple[VelocityEvent, ...], tuple[tuple[int, Any, str], ...]]:
    """Read the events of a summary, each for itself.

    Parameters
    ----------
    records : object
        What the sidecar has under ``events``.

    Returns
    -------
    events : tuple of VelocityEvent
        Those that can be used, by their ids.
    aside : tuple of (int, object, str)
        Place, record and fault of the others.
    """
    if records is None:
        return (), ()
    if not isinstance(records, list):
        return (), ((0, records, "events is not a list"),)
    events: dict[int, VelocityEvent] = {}
    aside = []
    for place, record in enumerate(records):
        try:
            event = _event_from_record(record)
            if event.event_id in events:
                raise ValueError(f"the id {event.event_id} is already taken")
        except ValueError as error:
            aside.append((place, record, str(error)))
            continue
        events[event.event_id] = event
    return tuple(events[key] for key in sorted(events)), tuple(aside)


def _event_from_record(record: Any) -> VelocityEvent:
    if not isinstance(record, dict):
        raise ValueError("is not an object")
    event_id = _number(record, "id")
    if event_id < 1 or event_id != int(event_id):
        raise ValueError(f"id is {json.dumps(record['id'])}, not a whole number from 1")
    origin = record.get(_ORIGIN_KEY, "")
    event = VelocityEvent(
        int(event_id),
        _number(record, "x0"),
        _number(record, "x1"),
        record.get("event_type"),  # type: ignore[arg-type]  # check() looks at it
        origin if isinstance(origin, str) else "",
        {name: record[name] for name in STATS_KEYS if isinstance(record.get(name), dict)},
        record,
    )
    event.check()
    return event


def _number(record: Mapping[str, Any], name: str) -> float:
    value = record.get(name)
    if isinstance(value, bool) or not isinstance(value, (int, float)) or not math.isfinite(value):
        raise ValueError(f"{name} is {json.dumps(value)}, not a finite number")
    return value


def read_candidates(records: Any) -> tuple[Candidate, ...]:
    """Read the candidates of a summary, leaving out what cannot be used."""
    found = []
    for record in records if isinstance(records, list) else ():
        try:
            candidate = Candidate(
                _number(record, "onset_s"),
                _number(record, "offset_s"),
                str(record.get("kind")),
                record.get("level"),
                record.get("strength"),
                record["decision"],
                record.get("event_id"),
            )
        except (AttributeError, KeyError, ValueError):
            continue
        if candidate.decision in get_args(Decision):
            found.append(candidate)
    return tuple(found)


def merged_candidates(
    detected: Iterable[Candidate], earlier: Iterable[Candidate], events: Sequence[VelocityEvent]
) -> tuple[Candidate, ...]:
    """Add what was detected to what was decided before.

    Parameters
    ----------
    detected : iterable of Candidate
        Of the present trace.
    earlier : iterable of Candidate
        Of the last run; those that are decided stay as they are.
    events : sequence of VelocityEvent
        The events there are; what overlaps one is no new candidate.

    Returns
    -------
    tuple of Candidate
        By onset.
    """
    ids = {event.event_id for event in events}
    decided = [
        replace(c, decision="rejected", event_id=None)
        if c.decision == "accepted" and c.event_id not in ids
        else c
        for c in earlier
        if c.decision != "open"
    ]
    known = [(c.onset_s, c.offset_s) for c in decided] + [(e.start_s, e.stop_s) for e in events]
    fresh = [c for c in detected if not any(_is_same(c, *span) for span in known)]
    return tuple(sorted(decided + fresh, key=lambda c: c.onset_s))


def _is_same(candidate: Candidate, start_s: float, stop_s: float) -> bool:
    """Tell whether two intervals share more than half of the shorter one."""
    shared = min(candidate.offset_s, stop_s) - max(candidate.onset_s, start_s)
    return shared > 0.5 * min(candidate.offset_s - candidate.onset_s, stop_s - start_s)


def stats_record(stats: WindowStats) -> dict[str, Any]:
    """Return statistics as the sidecar has them: null where there are none."""
    values = {name: finite_or_none(value) for name, value in stats._asdict().items()}
    return {**values, "n": stats.n}
