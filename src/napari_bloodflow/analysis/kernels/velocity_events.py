"""Events in a velocity trace: statistics of given intervals, and detection.

The trace is taken in the direction of its usual flow and divided by a slow baseline, so that 1 is
usual, 0 is standing still and below 0 is flow the other way. Times are in s.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

__all__ = [
    "DetectedEvent",
    "Detection",
    "WindowStats",
    "detect_events",
    "event_windows",
    "window_stats",
]

_DEFAULT_PERIOD_S = 0.13
_BASELINE_S = 8.0
_BASELINE_STEP_S = 0.25
_BASELINE_PART = 0.6
_BASELINE_FLOOR = 0.3
_LOW_ENTER, _LOW_EXIT = 0.6, 0.75
_HIGH_ENTER, _HIGH_EXIT = 1.5, 1.25
_MERGE_S = 0.12
_MIN_DURATION_S = 0.12
_MIN_GAP_S = 0.2
_MIN_COVERAGE = 0.3
_MIN_STRENGTH = 6.5
_LEAST_NOISE = 0.01
_TOLERATED_NOISE = 0.2
_MAX_NOISE = 0.35
_MAX_SMOOTHING_S = 0.3
_STALL_LEVEL = 0.2
_REVERSED_LEVEL = -0.15
_REVERSED_S, _REVERSED_PART = 0.08, 0.3
_CHUNK_VALUES = 2_000_000


class WindowStats(NamedTuple):
    """Statistics of the samples in a window; NaN where there are none.

    Parameters
    ----------
    n : int
        Number of samples.
    mean, min, max : float
        In the unit of the trace.
    std : float
        Standard deviation (ddof 1), 0 of one sample.
    se : float
        Standard error of the mean, as of independent samples.
    cv : float
        Standard deviation over the magnitude of the mean; NaN if the mean is 0.
    """

    n: int
    mean: float
    min: float
    max: float
    std: float
    se: float
    cv: float


class DetectedEvent(NamedTuple):
    """A stretch in which the flow is not the usual.

    Parameters
    ----------
    onset_s, offset_s : float
        Where the trace crosses halfway between its baseline and the level of the event.
    kind : str
        ``"drop"``, ``"rise"``, ``"stall"``, ``"reversal"`` or ``"gap"`` (no velocity measured).
    level : float
        Median velocity over the baseline; NaN of a gap.
    strength : float
        Departure of the level from the baseline, in standard errors of a mean of as many
        samples; NaN of a gap.
    """

    onset_s: float
    offset_s: float
    kind: str
    level: float
    strength: float


class Detection(NamedTuple):
    """What was detected.

    Parameters
    ----------
    events : tuple of DetectedEvent
        In order of time.
    status : str
        ``"ok"``, or why nothing could be detected: ``"too_short"``, ``"no_steady_flow"``.
    """

    events: tuple[DetectedEvent, ...]
    status: str


def window_stats(
    time_s: NDArray[np.float64],
    velocity: NDArray[np.float64],
    start_s: float,
    stop_s: float,
    *,
    closed: str = "both",
) -> WindowStats:
    """Describe the samples in a window.

    Parameters
    ----------
    time_s, velocity : ndarray, shape (samples,)
        Rising times; only finite samples.
    start_s, stop_s : float
        Ends of the window.
    closed : {"both", "left", "right"}
        Which ends belong to it.
    """
    first = np.searchsorted(time_s, start_s, "left" if closed != "right" else "right")
    last = np.searchsorted(time_s, stop_s, "right" if closed != "left" else "left")
    values = velocity[first : max(first, last)]
    size = int(values.size)
    if not size:
        return WindowStats(0, *[float("nan")] * 6)
    mean = float(np.mean(values))
    std = float(np.std(values, ddof=1)) if size > 1 else 0.0
    return WindowStats(
        size,
        mean,
        float(values.min()),
        float(values.max()),
        std,
        std / np.sqrt(size),
        std / abs(mean) if mean else float("nan"),
    )


def event_windows(
    time_s: NDArray[np.float64],
    velocity: NDArray[np.float64],
    x0: float,
    x1: float,
    margin_s: float,
) -> tuple[WindowStats, WindowStats, WindowStats]:
    """Describe an interval and what is around it.

    Parameters
    ----------
    time_s, velocity : ndarray, shape (samples,)
        Rising times; samples that are not finite are left out.
    x0, x1 : float
        Ends of the interval in any order; both belong to it.
    margin_s : float
        Length of the windows before and after it.

    Returns
    -------
    event, before, after : WindowStats
        Before is earlier than after, whichever way the interval was drawn.
    """
    valid = np.isfinite(time_s) & np.isfinite(velocity)
    times, values = time_s[valid], velocity[valid]
    start, stop = min(x0, x1), max(x0, x1)
    return (
        window_stats(times, values, start, stop),
        window_stats(times, values, start - margin_s, start, closed="left"),
        window_stats(times, values, stop, stop + margin_s, closed="right"),
    )


def detect_events(
    velocity: NDArray[np.float64], step_s: float, *, period_s: float = _DEFAULT_PERIOD_S
) -> Detection:
    """Detect drops, rises, stalls, reversals and gaps.

    Parameters
    ----------
    velocity : ndarray, shape (samples,)
        Evenly spaced; NaN where none was measured.
    step_s : float
        Time between samples.
    period_s : float
        Of the heart beat, which is averaged away.

    Returns
    -------
    Detection
        Times are from the first sample. Changes that last longer than about 5 s become the
        baseline, from which the next are counted.
    """
    if velocity.size * step_s < 1.0 or np.count_nonzero(np.isfinite(velocity)) < 16:
        return Detection((), "too_short")
    forward = np.where(np.isfinite(velocity), velocity, np.nan)
    forward = forward if np.nanmedian(forward) >= 0 else -forward
    size = _odd(period_s / step_s)
    relative, baseline = _relative(forward, size, step_s)
    noise = _noise(relative, size)
    if noise > _TOLERATED_NOISE:
        size = _odd(min(size * (noise / _TOLERATED_NOISE) ** 2, _MAX_SMOOTHING_S / step_s))
        relative, baseline = _relative(forward, size, step_s)
        noise = _noise(relative, size)
    if not noise < _MAX_NOISE:
        return Detection((), "no_steady_flow")
    found: list[DetectedEvent] = []
    raw = forward / baseline
    errors = _MeanNoise(noise, size)
    missing = ~np.isfinite(relative)
    low = _hysteresis((relative < _LOW_ENTER) | missing, (relative < _LOW_EXIT) | missing)
    high = _hysteresis(relative > _HIGH_ENTER, relative > _HIGH_EXIT)
    for state in (low, high):
        for start, stop in _merged(state, round(_MERGE_S / step_s)):
            event = _event(raw, relative, (start, stop), step_s, errors)
            if event is not None:
                found.append(event)
    return Detection(tuple(sorted(found)), "ok")


class _MeanNoise(NamedTuple):
    """Noise of the trace smoothed by a median over `size` samples, for that of other means."""

    noise: float
    size: int

    def of(self, num: int) -> float:
        """Return the standard error of the mean of so many neighbouring samples."""
        # A median is about 1.25 times as noisy as a mean.
        return max(self.noise, _LEAST_NOISE) / 1.25 * float(np.sqrt(self.size / num))


def _event(
    raw: NDArray[np.float64],
    relative: NDArray[np.float64],
    span: tuple[int, int],
    step_s: float,
    noise: _MeanNoise,
) -> DetectedEvent | None:
    """Measure a stretch; None if it is too short, or may be noise."""
    start, stop = span
    inside = relative[start:stop]
    values = raw[start:stop]
    values = values[np.isfinite(values)]
    if (stop - start) * step_s < _MIN_DURATION_S:
        return None
    if values.size < _MIN_COVERAGE * (stop - start):
        if (stop - start) * step_s < _MIN_GAP_S:
            return None
        nan = float("nan")
        return DetectedEvent(start * step_s, (stop - 1) * step_s, "gap", nan, nan)
    level = float(np.median(values))
    strength = abs(1 - level) / noise.of(values.size)
    if strength < _MIN_STRENGTH:
        return None
    half = (1 + level) / 2
    is_event = ~(relative < half) if level > 1 else ~(relative > half)
    if not is_event[start:stop].any():
        return None
    onset = _crossing(relative, is_event, start, -1, half)
    offset = _crossing(relative, is_event, stop - 1, 1, half)
    if level > 1:
        kind = "rise"
    else:
        kind = _kind_of_low(inside, level, step_s)
    return DetectedEvent(onset * step_s, offset * step_s, kind, level, strength)


def _kind_of_low(inside: NDArray[np.float64], level: float, step_s: float) -> str:
    backwards = int(np.count_nonzero(inside < _REVERSED_LEVEL))
    if backwards * step_s > max(_REVERSED_S, _REVERSED_PART * inside.size * step_s):
        return "reversal"
    still = np.count_nonzero(np.abs(inside) < _STALL_LEVEL)
    return "stall" if still > 0.5 * inside.size or abs(level) < _STALL_LEVEL else "drop"


def _crossing(
    values: NDArray[np.float64], is_event: NDArray[np.bool_], index: int, outward: int, level: float
) -> float:
    """Return where a trace passes a level at one end of an event, between samples."""
    while not is_event[index]:
        index -= outward
    while 0 <= index + outward < values.size and is_event[index + outward]:
        index += outward
    if not 0 <= index + outward < values.size:
        return float(index)
    inside, outside = values[index], values[index + outward]
    if not np.isfinite(inside):
        return float(index)
    return index + outward * float((level - inside) / (outside - inside))


def _relative(
    forward: NDArray[np.float64], size: int, step_s: float
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Return the smoothed trace over its baseline, and the baseline; NaN if there is no flow."""
    smooth = _rolling_quantile(forward, size, 0.5, min_part=_MIN_COVERAGE)
    overall = float(np.nanquantile(smooth, _BASELINE_PART)) if np.isfinite(smooth).any() else 0.0
    if not overall > 0:
        return np.full(smooth.size, np.nan), np.full(smooth.size, np.nan)
    long, step = _odd(_BASELINE_S / step_s), max(1, round(_BASELINE_STEP_S / step_s))
    coarse = _rolling_quantile(smooth, min(long, _odd(smooth.size)), _BASELINE_PART, step=step)
    # A long stall must not become the usual flow.
    coarse = np.fmax(coarse, _BASELINE_FLOOR * overall)
    baseline = np.interp(np.arange(smooth.size), step * np.arange(coarse.size), coarse)
    return smooth / baseline, baseline


def _noise(smooth: NDArray[np.float64], size: int) -> float:
    """Return the robust standard deviation of a trace smoothed over `size` samples.

    Smoothed samples one window apart share nothing, so their difference has twice the variance.
    """
    if smooth.size <= size:
        return float("nan")
    difference = smooth[size:] - smooth[:-size]
    difference = difference[np.isfinite(difference)]
    if not difference.size:
        return float("nan")
    return float(1.4826 * np.median(np.abs(difference)) / np.sqrt(2))


def _rolling_quantile(
    values: NDArray[np.float64],
    size: int,
    part: float,
    *,
    step: int = 1,
    min_part: float = 0.0,
) -> NDArray[np.float64]:
    """Return a quantile of the finite values around every `step`-th sample.

    NaN where fewer than `min_part` of the window are finite, or none is. Windows are cut at the
    ends of the trace.
    """
    half = size // 2
    padded = np.pad(values, half, constant_values=np.nan)
    windows = np.lib.stride_tricks.sliding_window_view(padded, size)[::step]
    result = np.full(len(windows), np.nan)
    rows = max(1, _CHUNK_VALUES // size)
    for first in range(0, len(windows), rows):
        chunk = np.sort(windows[first : first + rows], axis=1)  # NaN goes last
        count = np.isfinite(chunk).sum(axis=1)
        place = part * np.maximum(count - 1, 0)
        below = place.astype(int)
        above = np.minimum(below + 1, np.maximum(count - 1, 0))
        row = np.arange(len(chunk))
        mixed = chunk[row, below] + (place - below) * (chunk[row, above] - chunk[row, below])
        enough = (count > 0) & (count >= min_part * size)
        result[first : first + rows] = np.where(enough, mixed, np.nan)
    return result


def _hysteresis(enter: NDArray[np.bool_], stay: NDArray[np.bool_]) -> NDArray[np.bool_]:
    """Return the stretches of `stay` in which `enter` is met."""
    result = np.zeros(stay.size, dtype=bool)
    for start, stop in _runs(stay):
        result[start:stop] = enter[start:stop].any()
    return result


def _merged(state: NDArray[np.bool_], max_gap: int) -> list[tuple[int, int]]:
    """Return the runs of a state, neighbours joined that are at most so far apart."""
    merged: list[tuple[int, int]] = []
    for start, stop in _runs(state):
        if merged and start - merged[-1][1] <= max_gap:
            merged[-1] = (merged[-1][0], stop)
        else:
            merged.append((start, stop))
    return merged


def _runs(state: NDArray[np.bool_]) -> list[tuple[int, int]]:
    edges = np.flatnonzero(np.diff(state, prepend=False, append=False))
    return [(int(start), int(stop)) for start, stop in edges.reshape(-1, 2)]


def _odd(size: float) -> int:
    return 2 * max(0, round((size - 1) / 2)) + 1
