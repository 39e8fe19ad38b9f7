"""Transients in a noisy trace, found by how many standard errors they rise.

At every line the mean of some lines after it is compared with the mean of as many lines before it,
for several lengths from 20 to 320 ms, and the difference is divided by its standard error. That
error is measured in the trace itself, in its quiet parts, so that a threshold means the same for
every line period, brightness and colour of noise. Two rises without a dip between them are one.
"""

from __future__ import annotations

from bisect import bisect
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
from scipy.ndimage import gaussian_filter1d, percentile_filter
from scipy.signal import find_peaks

if TYPE_CHECKING:
    from numpy.typing import NDArray

__all__ = [
    "Transients",
    "find_transients",
    "line_noise",
    "noise_left",
    "rolling_baseline",
    "smoothed",
]

_SCALES_S = (0.02, 0.04, 0.08, 0.16, 0.32)
# What separates two transients: a dip of so many standard deviations of the smoothed noise, and
# after a peak also of such a part of its height.
_MIN_DIP, _DROP = 2.5, 0.15
# Smoothing moves the foot of a rise ahead by about so many of its standard deviations.
_LATE_SIGMAS = 0.8
_NEAREST_PEAK_S = 0.06
_GAUSSIAN_MAD = 1.4826
_BASELINE_SMOOTHING_S, _BASELINE_STEP_S = 0.1, 0.02
# A quiet part is the quietest quarter of stretches of this many scales. The quartile of such
# estimates lies somewhat below their middle.
_STRETCH_SCALES, _MIN_STRETCH = 8, 64
_QUIET_PERCENT, _QUIET_BIAS = 25.0, 1.15


class Transients(NamedTuple):
    """What was found, in order of time.

    Parameters
    ----------
    onset, peak : ndarray of intp, shape (n,)
        First line of the rise, and line of the highest value.
    strength : ndarray of float64, shape (n,)
        Size of the rise in standard errors.
    """

    onset: NDArray[np.intp]
    peak: NDArray[np.intp]
    strength: NDArray[np.float64]


def smoothed(trace: NDArray[np.float64], sigma_points: float) -> NDArray[np.float64]:
    """Convolve with a Gaussian of `sigma_points` lines; the ends continue with the last value."""
    if sigma_points <= 0:
        return trace.copy()
    values: NDArray[np.float64] = gaussian_filter1d(trace, sigma_points, mode="nearest")
    return values


def noise_left(sigma_points: float) -> float:
    """Return what :func:`smoothed` leaves of the standard deviation of white noise."""
    impulse = np.zeros(2 * int(5 * sigma_points + 1) + 1)
    impulse[impulse.size // 2] = 1.0
    return float(np.sqrt(np.sum(smoothed(impulse, sigma_points) ** 2)))


def line_noise(trace: NDArray[np.float64]) -> float:
    """Estimate the standard deviation of the noise that differs from line to line.

    From the deviations of lines from the middle of their neighbours, by their median, so that
    transients do not count. If most lines do not deviate at all, by the mean of their squares. NaN
    of fewer than three lines.
    """
    if trace.size < 3:
        return float("nan")
    deviation = trace[1:-1] - 0.5 * (trace[:-2] + trace[2:])
    spread = _GAUSSIAN_MAD * np.median(np.abs(deviation - np.median(deviation)))
    return float((spread or np.sqrt(np.mean(deviation**2))) / np.sqrt(1.5))


def rolling_baseline(
    trace: NDArray[np.float64], dt_s: float, window_s: float, percentile: float
) -> NDArray[np.float64]:
    """Take a percentile of the lines around every line.

    Parameters
    ----------
    trace : ndarray of float64, shape (n_lines,)
        Finite values. They are smoothed by 0.1 s first, so that noise does not move the result.
    dt_s : float
        Line period.
    window_s : float
        Length of the window; at the ends of the trace it is mirrored.
    percentile : float
        0 to 100.

    Returns
    -------
    ndarray of float64, shape (n_lines,)
    """
    step = max(1, min(int(_BASELINE_STEP_S / dt_s), trace.size))
    first = np.arange(0, trace.size, step)
    count = np.diff(np.append(first, trace.size))
    coarse = smoothed(np.add.reduceat(trace, first) / count, _BASELINE_SMOOTHING_S / (step * dt_s))
    size = max(1, min(round(window_s / (step * dt_s)), first.size))
    level = percentile_filter(coarse, percentile, size=size, mode="reflect")
    baseline: NDArray[np.float64] = np.interp(
        np.arange(trace.size), first + 0.5 * (count - 1), level
    )
    return baseline


def find_transients(
    trace: NDArray[np.float64],
    dt_s: float,
    *,
    sigma_points: float,
    min_strength: float,
    min_distance_s: float,
) -> Transients:
    """Find upward transients.

    Parameters
    ----------
    trace : ndarray of float64, shape (n_lines,)
        Finite values, not smoothed; turned upside down for downward transients.
    dt_s : float
        Line period.
    sigma_points : float
        Gaussian smoothing before peaks and onsets are placed, lines.
    min_strength : float
        Least rise, in standard errors.
    min_distance_s : float
        Least time between two onsets.

    Returns
    -------
    Transients
        Empty if the trace is constant, or too short to tell what is noise.
    """
    noise = line_noise(trace)
    if not noise > 0:
        return _transients([], [], [])
    found = _rises(trace, dt_s, noise, min_strength, max(1, round(min_distance_s / dt_s)))
    smooth = smoothed(trace, sigma_points)
    dip = _MIN_DIP * noise * noise_left(sigma_points)
    onsets: list[int] = []
    peaks: list[int] = []
    strengths: list[float] = []
    for number, (middle, scale, strength) in enumerate(found):
        is_last = number + 1 == len(found)
        stop = trace.size if is_last else max(found[number + 1][0], middle + 2)
        reach = max(scale + scale // 2, round(_NEAREST_PEAK_S / dt_s)) + 1
        stop = _first_drop(smooth, middle, stop, scale, dip)
        peak = _climb(smooth, middle, reach, stop)
        if peaks and smooth[peaks[-1] : peak + 1].min(initial=np.inf) > (
            min(smooth[peaks[-1]], smooth[peak]) - dip
        ):
            # No dip between them: the same rise, seen twice.
            strengths[-1] = max(strengths[-1], strength)
            if smooth[peak] > smooth[peaks[-1]]:
                peaks[-1] = peak
            continue
        first = max(0, middle - 2 * scale, peaks[-1] if peaks else 0)
        onset = _onset(smooth, first, peak, scale, _LATE_SIGMAS * sigma_points)
        if onset < peak:
            onsets.append(onset)
            peaks.append(peak)
            strengths.append(strength)
    return _transients(onsets, peaks, strengths)


def _transients(onsets: list[int], peaks: list[int], strengths: list[float]) -> Transients:
    return Transients(
        np.array(onsets, dtype=np.intp), np.array(peaks, dtype=np.intp), np.array(strengths, float)
    )


def _rises(
    trace: NDArray[np.float64], dt_s: float, noise: float, min_strength: float, distance: int
) -> list[tuple[int, int, float]]:
    """Return line, length of the compared stretches and strength of every rise, by time."""
    total = np.concatenate(([0.0], np.cumsum(trace - np.median(trace))))
    candidates: list[tuple[float, int, int]] = []
    for scale in sorted({max(1, round(scale_s / dt_s)) for scale_s in _SCALES_S}):
        if trace.size < 2 * scale + 1:
            break
        means = (total[scale:] - total[:-scale]) / scale
        step = np.zeros(trace.size)
        step[scale : trace.size - scale + 1] = means[scale:] - means[:-scale]
        error = max(noise * np.sqrt(2.0 / scale), _quiet_spread(step, scale))
        strength = step / error
        lines, _ = find_peaks(strength, height=min_strength, distance=scale)
        candidates += [(float(strength[line]), int(line), scale) for line in lines]
    kept: list[tuple[int, int, float]] = []
    for height, line, scale in sorted(candidates, reverse=True):
        place = bisect(kept, (line,))
        nearest = kept[max(0, place - 1) : place + 1]
        if all(abs(line - other) >= max(distance, scale) for other, _, _ in nearest):
            kept.insert(place, (line, scale, height))
    return kept


def _quiet_spread(step: NDArray[np.float64], scale: int) -> float:
    """Return the usual spread in the quiet parts, which noise of any colour has."""
    length = min(max(_STRETCH_SCALES * scale, _MIN_STRETCH), step.size)
    parts = step[: step.size // length * length].reshape(-1, length)
    middle = np.median(parts, axis=1, keepdims=True)
    spread = _GAUSSIAN_MAD * np.median(np.abs(parts - middle), axis=1)
    return float(np.percentile(spread, _QUIET_PERCENT)) * _QUIET_BIAS


def _first_drop(smooth: NDArray[np.float64], start: int, stop: int, scale: int, dip: float) -> int:
    """Return where the trace has fallen by a part of the rise, and by more than noise would."""
    after = smooth[start:stop]
    highest = np.maximum.accumulate(after)
    base = smooth[max(0, start - scale) : start + 1].min()
    has_dropped = highest - after > np.maximum(dip, _DROP * (highest - base))
    return start + int(np.argmax(has_dropped)) if has_dropped.any() else stop


def _climb(smooth: NDArray[np.float64], start: int, reach: int, stop: int) -> int:
    """Return the highest line from `start` on, going on while the trace still rises."""
    peak = start
    while True:
        end = min(peak + reach, stop)
        highest = peak + int(np.argmax(smooth[peak:end]))
        if highest == peak or highest < end - 1 or end == stop:
            return highest
        peak = highest


def _onset(smooth: NDArray[np.float64], first: int, peak: int, scale: int, late: float) -> int:
    """Return where the line through 20 and 80 % of a rise meets the level before it.

    `late` is by how many lines smoothing moves that point ahead.
    """
    rise = smooth[first : peak + 1]
    level = float(rise.min())
    for _ in range(2):
        low = _last_crossing(rise, level + 0.2 * (rise[-1] - level))
        before = rise[max(0, int(low) - scale) : int(low) + 1]
        level = min(float(np.median(before)), float(rise[int(low)]))
    low, high = (_last_crossing(rise, level + part * (rise[-1] - level)) for part in (0.2, 0.8))
    onset = first + low - (high - low) / 3 + late
    return int(np.clip(round(onset), first, max(first, peak - 1)))


def _last_crossing(rise: NDArray[np.float64], level: float) -> float:
    """Return where a trace goes through a level for the last time, 0 if it starts above it."""
    below = np.flatnonzero(rise < level)
    if not below.size or below[-1] + 1 == rise.size:
        return 0.0
    last = int(below[-1])
    return last + float((level - rise[last]) / (rise[last + 1] - rise[last]))
