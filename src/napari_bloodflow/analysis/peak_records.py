"""Peaks of a sum intensity as they stand in a sidecar, and what was decided about them."""

from __future__ import annotations

import json
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any, Literal, get_args

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

__all__ = [
    "Peak",
    "PeakDecision",
    "PeakOrigin",
    "merged_peaks",
    "read_decided",
    "read_peaks",
    "shifted",
]

_LEAST = -(2**53)

PeakDecision = Literal["open", "accepted", "rejected"]
PeakOrigin = Literal["detected", "manual", "edited"]


@dataclass(frozen=True, slots=True)
class Peak:
    """A transient by its onset and its peak, and what was decided about it.

    Parameters
    ----------
    onset, peak : int
        Lines from the first line of the ROI; `peak` is -1 if none was found.
    origin : {"detected", "manual", "edited"}
        Found by a run, added by hand, or found and then moved by hand.
    decision : {"open", "accepted", "rejected"}
        Of the user. What is added or moved counts as accepted.
    found : tuple of int, optional
        Onset and peak as they were detected, of one that was moved.
    strength : float, optional
        Rise over its standard error, if it was detected in units of noise.
    peak_id : int
        Number within the analysis, from 1; 0 before it has one.
    record : mapping
        Its record in the summary, with its features; empty of a rejected one.
    """

    onset: int
    peak: int
    origin: PeakOrigin = "detected"
    decision: PeakDecision = "open"
    found: tuple[int, int] | None = None
    strength: float | None = None
    peak_id: int = 0
    record: Mapping[str, Any] = field(default_factory=dict, compare=False)

    @property
    def onset_s(self) -> float:
        """Time of the onset, from the first line of the ROI."""
        return float(self.record["onset"]["time_sec"])

    @property
    def peak_s(self) -> float | None:
        """Time of the peak, None if there is none."""
        return self._of_peak("time_sec")

    @property
    def amplitude(self) -> float | None:
        """Height over the value at the onset, None if it cannot be trusted."""
        return self._of_peak("amplitude")

    @property
    def status(self) -> str:
        """``"ok"``, or what is wrong."""
        return str(self.record.get("status", ""))

    def feature(self, name: str) -> float | None:
        """Return a feature such as ``"rise_10_90_sec"``, None if it could not be measured.

        Raises
        ------
        KeyError
            If there is no feature of this name.
        """
        value: float | None = self.record["features"][name]["value"]
        return value

    def _of_peak(self, name: str) -> float | None:
        value = self.record["peak"][name]
        return None if value is None else float(value)

    def is_at(self, other: Peak, tolerance: int) -> bool:
        """Tell whether this is where another one is, or was detected.

        It is if the peaks are not more than `tolerance` lines apart, or the two rises share more
        than half of the shorter one.
        """
        places = [(other.onset, other.peak)] + ([other.found] if other.found else [])
        return any(self._is_near(onset, peak, tolerance) for onset, peak in places)

    def _is_near(self, onset: int, peak: int, tolerance: int) -> bool:
        if abs(self.peak - peak) <= tolerance:
            return True
        shared = min(self.peak, peak) - max(self.onset, onset)
        return shared > 0.5 * min(self.peak - self.onset, peak - onset)

    def to_decided_record(self) -> dict[str, Any]:
        """Return the record of the decision."""
        return {
            "decision": self.decision,
            "origin": self.origin,
            "onset_index": self.onset,
            "peak_index": self.peak,
            "found": list(self.found) if self.found else None,
            "strength": self.strength,
        }


def read_peaks(records: Any) -> tuple[tuple[Peak, ...], tuple[tuple[int, Any, str], ...]]:
    """Read the peaks of a summary, each for itself.

    Parameters
    ----------
    records : object
        What the sidecar has under ``peak_events``.

    Returns
    -------
    peaks : tuple of Peak
        Those that can be used, by their onsets.
    aside : tuple of (int, object, str)
        Place, record and fault of the others.
    """
    if records is None:
        return (), ()
    if not isinstance(records, list):
        return (), ((0, records, "peak_events is not a list"),)
    peaks: dict[int, Peak] = {}
    aside = []
    for place, record in enumerate(records):
        try:
            peak = _peak_from_record(record)
            if peak.peak_id in peaks:
                raise ValueError(f"the peak_id {peak.peak_id} is already taken")
        except ValueError as error:
            aside.append((place, record, str(error)))
            continue
        peaks[peak.peak_id] = peak
    return tuple(sorted(peaks.values(), key=lambda p: (p.onset, p.peak))), tuple(aside)


def _peak_from_record(record: Any) -> Peak:
    if not isinstance(record, dict):
        raise ValueError("is not an object")
    onset, peak = (record.get(name) for name in ("onset", "peak"))
    if not isinstance(onset, dict) or not isinstance(peak, dict):
        raise ValueError("has no onset or no peak")
    for part, names in ((onset, ("time_sec",)), (peak, ("time_sec", "amplitude"))):
        for name in names:
            value = part.get(name)
            if isinstance(value, bool) or not isinstance(value, (int, float, type(None))):
                raise ValueError(f"{name} is {json.dumps(value)}, not a number")
    if onset.get("time_sec") is None or not isinstance(record.get("features"), dict):
        raise ValueError("has no time or no features")
    peak_index = -1 if peak.get("index") is None else _whole(peak, "index", -1)
    return Peak(
        _whole(onset, "index", 0),
        peak_index,
        **_decided(record),
        peak_id=_whole(record, "peak_id", 1),
        record={**record, "peak": {"time_sec": None, "amplitude": None, **peak}},
    )


def _whole(record: Mapping[str, Any], name: str, least: int) -> int:
    value = record.get(name)
    is_whole = isinstance(value, int) and not isinstance(value, bool)
    if isinstance(value, float) and value.is_integer():
        is_whole = True
    if not is_whole or value < least:  # type: ignore[operator]  # it is a number
        raise ValueError(f"{name} is {json.dumps(value)}, not a whole number from {least}")
    return int(value)  # type: ignore[arg-type]  # as above


def _decided(record: Mapping[str, Any]) -> dict[str, Any]:
    """Return what we write of a peak beside CloudScope's keys; CloudScope's are open."""
    origin, decision = record.get("origin", "detected"), record.get("decision", "open")
    if origin not in get_args(PeakOrigin) or decision not in get_args(PeakDecision):
        raise ValueError(f"origin is {json.dumps(origin)} and decision {json.dumps(decision)}")
    found, strength = record.get("found"), record.get("strength")
    is_pair = isinstance(found, list) and [type(v) for v in found] == [int, int]
    is_number = isinstance(strength, (int, float)) and not isinstance(strength, bool)
    return {
        "origin": origin,
        "decision": decision,
        "found": (found[0], found[1]) if is_pair and found is not None else None,
        "strength": strength if is_number else None,
    }


def read_decided(records: Any) -> tuple[Peak, ...]:
    """Read the decisions of a summary, leaving out what cannot be used.

    Parameters
    ----------
    records : object
        What the sidecar has under ``peak_decisions``.
    """
    peaks = []
    for record in records if isinstance(records, list) else ():
        try:
            if not isinstance(record, dict):
                continue
            onset, peak = (_whole(record, f"{name}_index", _LEAST) for name in ("onset", "peak"))
            decided = Peak(onset, peak, **_decided(record))
        except ValueError:
            continue
        if decided.decision != "open":
            peaks.append(decided)
    return tuple(peaks)


def shifted(decided: Iterable[Peak], lines: int) -> tuple[Peak, ...]:
    """Return decisions as they stand in a ROI that starts so many lines earlier."""
    return tuple(
        replace(
            peak,
            onset=peak.onset + lines,
            peak=peak.peak + lines,
            found=(peak.found[0] + lines, peak.found[1] + lines) if peak.found else None,
        )
        for peak in decided
    )


def merged_peaks(
    detected: Iterable[Peak], decided: Iterable[Peak], num_lines: int, tolerance: int
) -> tuple[Peak, ...]:
    """Add what was detected to what was decided before.

    Parameters
    ----------
    detected : iterable of Peak
        Of the present trace.
    decided : iterable of Peak
        Decisions of the user; they stand, and what is detected where one is counts as the same.
    num_lines : int
        Lines of the trace; decisions outside are not among the result.
    tolerance : int
        See :meth:`Peak.is_at`.

    Returns
    -------
    tuple of Peak
        By onset, numbered from 1; without those rejected.
    """
    decided = tuple(decided)
    peaks = [p for p in detected if not any(p.is_at(other, tolerance) for other in decided)]
    peaks += [p for p in decided if p.decision == "accepted" and 0 <= p.onset < p.peak < num_lines]
    peaks.sort(key=lambda p: (p.onset, p.peak))
    return tuple(replace(peak, peak_id=number) for number, peak in enumerate(peaks, 1))
