"""What is measured of a transient once its onset and its peak are known, by CloudScope's rules."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

__all__ = ["NO_PEAK", "Crossing", "Feature", "PeakTraces", "level_crossings", "peak_features"]

NO_PEAK = -1
"""Place of a peak that was not found."""

_NAN = float("nan")
_OK = "ok"


class PeakTraces(NamedTuple):
    """What transients are measured in.

    Parameters
    ----------
    source : ndarray of float64, shape (n_lines,)
        The trace.
    derivative : ndarray of float64, shape (n_lines,)
        Its derivative, per s.
    time_s : ndarray of float64, shape (n_lines,)
        Times of the lines.
    negative : bool
        Whether transients go down.
    """

    source: NDArray[np.float64]
    derivative: NDArray[np.float64]
    time_s: NDArray[np.float64]
    negative: bool


class Crossing(NamedTuple):
    """Where a trace goes through a part of its amplitude.

    Parameters
    ----------
    fraction : float
        Part of the amplitude, 0 to 1.
    value : float
        The level; NaN without a peak.
    left, right : float
        Lines before and after the peak, between lines; NaN if there is none.
    status : str
        ``"ok"``, or what was not found.
    """

    fraction: float
    value: float
    left: float
    right: float
    status: str


class Feature(NamedTuple):
    """A number, or why there is none.

    Parameters
    ----------
    value : float
        NaN if it failed.
    reason : str
        Empty if it did not.
    """

    value: float
    reason: str = ""

    @classmethod
    def of(cls, value: float, reason: str) -> Feature:
        """Return the value, or the reason if it is not finite."""
        return cls(float(value)) if math.isfinite(value) else cls(_NAN, reason)


def level_crossings(
    traces: PeakTraces,
    onset: int,
    peak: int,
    fractions: Sequence[float],
    *,
    last: int,
) -> tuple[Crossing, ...]:
    """Find where a transient goes through parts of its amplitude, up and down.

    Parameters
    ----------
    traces : PeakTraces
    onset, peak : int
        Its lines; the peak may be `NO_PEAK`.
    fractions : sequence of float
        Parts of the amplitude, each between 0 and 1.
    last : int
        Last line that is looked at after the peak.

    Returns
    -------
    tuple of Crossing
        One a fraction. On the way up the first one after the onset, on the way down the first one
        after the peak; between lines by linear interpolation. Missing values end the search.
    """
    sign = -1.0 if traces.negative else 1.0
    if peak == NO_PEAK:
        return tuple(Crossing(part, _NAN, _NAN, _NAN, "peak_not_found") for part in fractions)
    base, top = float(traces.source[onset]), float(traces.source[peak])
    up = sign * traces.source[onset : peak + 1]
    down = sign * traces.source[peak : max(last, peak) + 1]
    missing = np.flatnonzero(~np.isfinite(down))
    if missing.size:
        down = down[: missing[0]]
    found = []
    for part in fractions:
        level = base + part * (top - base)
        left = onset + _first_crossing(up, sign * level)
        right = peak + _first_crossing(-down, -sign * level)
        found.append(Crossing(part, level, left, right, _crossing_status(left, right)))
    return tuple(found)


def _first_crossing(rising: NDArray[np.float64], level: float) -> float:
    """Return where values go through a level from below for the first time, NaN if they do not."""
    steps = np.flatnonzero((rising[:-1] < level) & (rising[1:] >= level))
    if not steps.size:
        return _NAN
    index = int(steps[0])
    before, after = float(rising[index]), float(rising[index + 1])
    return index + (level - before) / (after - before)


def _crossing_status(left: float, right: float) -> str:
    if math.isnan(left) and math.isnan(right):
        return "both_not_found"
    if math.isnan(left):
        return "left_not_found"
    return "right_not_found_within_width_search_window" if math.isnan(right) else _OK


def peak_features(
    traces: PeakTraces,
    onset: int,
    peak: int,
    crossings: Sequence[Crossing],
    baseline_points: int,
) -> dict[str, Feature]:
    """Measure a transient.

    Parameters
    ----------
    traces : PeakTraces
    onset, peak : int
        Its lines; the peak may be `NO_PEAK`.
    crossings : sequence of Crossing
        Of :func:`level_crossings`; rise, decay and area need 0.1 and 0.9 among them.
    baseline_points : int
        Lines before the onset that are its baseline.

    Returns
    -------
    dict of str to Feature
        ``baseline_mean``, ``baseline_std`` (ddof 1), ``rise_10_90_sec``, ``decay_90_10_sec``,
        ``decay_time_sec`` (the same), ``max_rise_slope``, ``max_decay_slope``, ``auc`` (above the
        value at the onset, between the crossings at 10 %) and ``prominence`` (peak less baseline).
    """
    by_part = {crossing.fraction: crossing for crossing in crossings if crossing.status == _OK}
    low, high = by_part.get(0.1), by_part.get(0.9)
    rise, decay = (
        Feature(_NAN, "left_10_or_left_90_unavailable"),
        Feature(_NAN, "right_90_or_right_10_unavailable"),
    )
    if low is not None and high is not None:
        rise = Feature(_time_at(traces, high.left) - _time_at(traces, low.left))
        decay = Feature(_time_at(traces, low.right) - _time_at(traces, high.right))
    mean, std = _baseline(traces.source[max(0, onset - baseline_points) : onset])
    return {
        "baseline_mean": mean,
        "baseline_std": std,
        "rise_10_90_sec": rise,
        "decay_90_10_sec": decay,
        "decay_time_sec": decay,
        "max_rise_slope": _rise_slope(traces, onset, peak),
        "max_decay_slope": _decay_slope(traces, peak, low),
        "auc": _area(traces, float(traces.source[onset]), low),
        "prominence": _prominence(traces, peak, mean),
    }


def _baseline(before: NDArray[np.float64]) -> tuple[Feature, Feature]:
    finite = before[np.isfinite(before)]
    reason = "insufficient_baseline_samples"
    mean = float(np.mean(finite)) if finite.size else _NAN
    std = float(np.std(finite, ddof=1)) if finite.size > 1 else _NAN
    return Feature.of(mean, reason), Feature.of(std, reason)


def _prominence(traces: PeakTraces, peak: int, mean: Feature) -> Feature:
    if mean.reason:
        return Feature(_NAN, "baseline_mean_unavailable")
    if peak == NO_PEAK:
        return Feature(_NAN, "peak_value_unavailable")
    height = float(traces.source[peak]) - mean.value
    return Feature.of(-height if traces.negative else height, "peak_value_unavailable")


def _rise_slope(traces: PeakTraces, onset: int, peak: int) -> Feature:
    if peak <= onset:
        return Feature(_NAN, "peak_index_unavailable")
    return _extreme(traces.derivative[onset : peak + 1], is_least=traces.negative)


def _decay_slope(traces: PeakTraces, peak: int, low: Crossing | None) -> Feature:
    if peak == NO_PEAK:
        return Feature(_NAN, "peak_index_unavailable")
    if low is None:
        return Feature(_NAN, "right_10_crossing_unavailable")
    slopes = traces.derivative[peak : math.ceil(low.right) + 1]
    if slopes.size < 2:
        return Feature(_NAN, "empty_peak_to_right_10_window")
    return _extreme(slopes, is_least=not traces.negative)


def _extreme(slopes: NDArray[np.float64], *, is_least: bool) -> Feature:
    finite = slopes[np.isfinite(slopes)]
    if not finite.size:
        return Feature(_NAN, "no_finite_derivative_samples")
    return Feature(float(finite.min() if is_least else finite.max()))


def _area(traces: PeakTraces, base: float, low: Crossing | None) -> Feature:
    if low is None:
        return Feature(_NAN, "left_10_or_right_10_unavailable")
    if not low.right > low.left:
        return Feature(_NAN, "invalid_10_percent_window")
    inside = np.arange(math.floor(low.left) + 1, math.ceil(low.right))
    index = np.concatenate(([low.left], inside, [low.right]))
    nearby = slice(math.floor(low.left), math.ceil(low.right) + 1)
    lines = np.arange(nearby.start, nearby.start + traces.source[nearby].size)
    values = np.interp(index, lines, traces.source[nearby])
    times = np.interp(index, lines, traces.time_s[nearby])
    above = np.maximum(base - values if traces.negative else values - base, 0.0)
    return Feature.of(float(np.trapezoid(above, times)), "insufficient_auc_samples")


def _time_at(traces: PeakTraces, index: float) -> float:
    before = math.floor(index)
    after = min(before + 1, traces.time_s.size - 1)
    step = float(traces.time_s[after] - traces.time_s[before])
    return float(traces.time_s[before]) + (index - before) * step
