"""Heart rate from a velocity trace: one number with its uncertainty, and its course over time.

A beat has a fundamental and, as a rule, a weaker second harmonic. Of every frequency of the band
the likelihood is taken that both are there, with the harmonic's share of the power unknown. A peak
counts only if no other comes near it. Frequencies are in Hz, times in s.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
from scipy import ndimage, signal, special

from napari_bloodflow.analysis.kernels.spectrum import lomb_power_even

if TYPE_CHECKING:
    from numpy.typing import NDArray

__all__ = [
    "HeartRate",
    "HeartRateTrack",
    "estimate_heart_rate",
    "pulse_of",
    "track_heart_rate",
    "window_attenuation",
]

_BASELINE_S = 1.5
_MIN_SAMPLES = 64
_NYQUIST_PART = 0.98
_NEIGHBOURHOOD_HZ = 0.3
_FLOOR_REACH_HZ = 2.5
_MIN_PEAK_RATIO = 1.5
_MIN_PROBABILITY = 0.98
_MAX_FALSE_ALARM = 0.002
_HARMONIC_RATIOS = np.array([0.0, 0.06, 0.16, 0.4, 1.0, 2.0])
"""Power of the second harmonic relative to the fundamental, and how often each is expected."""
_HARMONIC_PRIORS = np.array([0.35, 0.2, 0.2, 0.15, 0.07, 0.03])

_TRACK_WINDOW_S = 4.0
_TRACK_HOP_S = 0.5
_TRACK_GRID_HZ = 0.02
_TRACK_MAX_STEP_HZ = 0.35
_TRACK_STEP_SD_HZ = 0.1
_TRACK_MIN_COVERAGE = 0.3
_TRACK_FALSE_ALARM = 0.003
_TRACK_MIN_AMPLITUDE = 0.4
_TRACK_SMOOTHED = 11
_TRACK_SD_FACTOR = 1.3
"""Standard error in a Hann window over that without one, by simulation."""
_MAX_STEADY_DEFICIT = 1.0


class HeartRate(NamedTuple):
    """The frequency of a pulse.

    Parameters
    ----------
    frequency_hz : float
        Of the best peak, whether it is to be trusted or not; NaN if there is none.
    sd_hz : float
        Standard error for a steady rate.
    peak_ratio : float
        Score of the peak over the best score elsewhere in the band.
    probability : float
        Of the peak among all frequencies of the band, if there is a steady pulse in noise.
    false_alarm_probability : float
        Of a peak as high in noise alone.
    status : str
        ``"ok"``, or why the frequency is not to be trusted: ``"too_few_samples"``,
        ``"no_variation"``, ``"band_above_sampling"``, ``"no_pulse"``, ``"ambiguous"``,
        ``"at_band_edge"``.
    """

    frequency_hz: float
    sd_hz: float
    peak_ratio: float
    probability: float
    false_alarm_probability: float
    status: str


class HeartRateTrack(NamedTuple):
    """The frequency of a pulse over time, in overlapping windows of 4 s.

    Parameters
    ----------
    time_s : ndarray, shape (windows,)
        Centres.
    frequency_hz : ndarray, shape (windows,)
        NaN where it is not to be trusted.
    sd_hz : ndarray, shape (windows,)
        Standard error of a window by itself; smoothing over its neighbours makes it smaller.
    status : ndarray of str, shape (windows,)
        ``"ok"``, ``"gap"`` (too few samples) or ``"no_pulse"`` (such as in a stall).
    is_drifting : bool
        True if the trace is much more likely with the track than with any steady rate. The
        spectrum of the whole trace then has no single peak, and the mean of the track is what to
        report.
    """

    time_s: NDArray[np.float64]
    frequency_hz: NDArray[np.float64]
    sd_hz: NDArray[np.float64]
    status: NDArray[np.str_]
    is_drifting: bool


def pulse_of(
    values: NDArray[np.float64], step_s: float, outlier_mads: float = 4.0
) -> NDArray[np.float64]:
    """Return a trace without its slow changes and without outliers.

    Parameters
    ----------
    values : ndarray, shape (samples,)
        Evenly spaced; NaN where there is none.
    step_s : float
        Time between samples.
    outlier_mads : float
        What is farther from the running median of 1.5 s than this many robust standard deviations
        is moved there.

    Returns
    -------
    ndarray, shape (samples,)
        Of mean zero; NaN where there is no value.
    """
    valid = np.isfinite(values)
    if not valid.any():
        return np.full(values.size, np.nan)
    filled = np.interp(np.arange(values.size), np.flatnonzero(valid), values[valid])
    size = 2 * round(_BASELINE_S / step_s / 2) + 1
    fast = filled - ndimage.median_filter(filled, size=size, mode="nearest")
    middle = float(np.median(fast[valid]))
    limit = outlier_mads * 1.4826 * float(np.median(np.abs(fast[valid] - middle)))
    # Traces of a few discrete values can have a deviation of zero, which would clip everything.
    if limit > 0:
        fast = np.clip(fast, middle - limit, middle + limit)
    fast = fast - float(np.mean(fast[valid]))
    return np.where(valid, fast, np.nan)


def estimate_heart_rate(
    pulse: NDArray[np.float64], step_s: float, low_hz: float, high_hz: float
) -> HeartRate:
    """Estimate the frequency of a steady pulse.

    Parameters
    ----------
    pulse : ndarray, shape (samples,)
        As :func:`pulse_of` returns it.
    step_s : float
        Time between samples.
    low_hz, high_hz : float
        Band in which it is sought; what cannot be sampled is left out.
    """
    valid = np.isfinite(pulse)
    count, duration = int(np.count_nonzero(valid)), pulse.size * step_s
    high_hz = min(high_hz, _NYQUIST_PART / (2 * step_s))
    if high_hz <= low_hz:
        return _no_rate("band_above_sampling")
    if count < _MIN_SAMPLES or duration * low_hz < 4:
        return _no_rate("too_few_samples")
    if not np.any(pulse[valid]):
        return _no_rate("no_variation")
    num = int(np.ceil((high_hz - low_hz) * 8 * duration)) + 1
    frequency = np.linspace(low_hz, high_hz, num)
    weights = valid[None].astype(float)
    filled = np.where(valid, pulse, 0.0)[None]
    powers = _two_powers(filled, weights, step_s, low_hz, high_hz, num)
    first, second = powers[0][0], powers[1][0]
    scale = 1 / _noise_floor(frequency, first[None], 2 / count)
    harmonic_scale = 1 / _noise_floor(frequency, second[None], 2 / count)
    score = _score(scale * first, harmonic_scale * second)
    best = int(np.argmax(score))
    near = np.abs(frequency - frequency[best]) <= max(_NEIGHBOURHOOD_HZ, 1 / duration)
    elsewhere = float(np.max(score[~near], initial=0.0))
    odds = np.exp(score - score[best])
    harmonic = second if harmonic_scale[best] * second[best] > 3 else np.zeros(num)
    both = first + harmonic
    around = np.flatnonzero(np.abs(frequency - frequency[best]) <= 1 / duration)
    peak = int(around[np.argmax(both[around])])
    trials = 1.3 * duration * (high_hz - low_hz)
    alone = np.exp((scale[peak] - 1.5) * np.log1p(-min(first[peak], 1 - 1e-12)))
    false_alarm = -np.expm1(trials * np.log1p(-min(alone, 1 - 1e-12)))
    ratio = float(score[best]) / elsewhere if elsewhere > 0 else float("inf")
    probability = float(odds[near].sum() / odds.sum())
    status = "ok"
    if false_alarm > _MAX_FALSE_ALARM:
        status = "no_pulse"
    elif ratio < _MIN_PEAK_RATIO or probability < _MIN_PROBABILITY:
        status = "ambiguous"
    elif peak in (0, num - 1):
        status = "at_band_edge"
    return HeartRate(
        _interpolated(frequency, both, peak),
        float(_standard_error(first[peak], harmonic[peak], 2 * scale[peak], duration)),
        ratio,
        probability,
        float(false_alarm),
        status,
    )


def track_heart_rate(
    pulse: NDArray[np.float64], step_s: float, low_hz: float, high_hz: float
) -> HeartRateTrack:
    """Follow the frequency of a pulse that is not steady.

    In Hann windows of 4 s, every 0.5 s, the same score is taken as for a steady pulse; the track is
    the most likely one of those that change by at most 0.35 Hz from window to window. Where 11
    windows in a row have a pulse it is smoothed by parabolas over 11 windows.

    Parameters
    ----------
    pulse : ndarray, shape (samples,)
        As :func:`pulse_of` returns it.
    step_s : float
        Time between samples.
    low_hz, high_hz : float
        Band in which it is sought.

    Returns
    -------
    HeartRateTrack
        Empty if the trace is shorter than a window.
    """
    size, hop = round(_TRACK_WINDOW_S / step_s), max(1, round(_TRACK_HOP_S / step_s))
    high_hz = min(high_hz, _NYQUIST_PART / (2 * step_s))
    if pulse.size < size or high_hz <= low_hz or size * step_s * low_hz < 4:
        empty = np.empty(0)
        return HeartRateTrack(empty, empty.copy(), empty.copy(), np.empty(0, dtype=np.str_), False)
    windows = np.lib.stride_tricks.sliding_window_view(pulse, size)[::hop]
    valid = np.isfinite(windows)
    hann = np.hanning(size + 2)[1:-1]
    weights = valid * hann
    coverage = weights.sum(axis=1) / hann.sum()
    total = np.maximum(weights.sum(axis=1, keepdims=True), 1e-12)
    filled = np.where(valid, windows, 0.0)
    filled = filled - (weights * filled).sum(axis=1, keepdims=True) / total
    num = int(np.ceil((high_hz - low_hz) / _TRACK_GRID_HZ)) + 1
    frequency = np.linspace(low_hz, high_hz, num)
    first, second = _two_powers(filled, weights, step_s, low_hz, high_hz, num)
    independent = total[:, 0] ** 2 / np.maximum((weights**2).sum(axis=1), 1e-12)
    is_covered = coverage >= _TRACK_MIN_COVERAGE
    # A window that does not vary at all has no power; it is not a gap.
    is_dark = ~is_covered | ~np.isfinite(first).all(axis=1)
    first[is_dark] = second[is_dark] = 0.0
    scale = _scales(frequency, first, independent, is_covered)
    score = _score(scale * first, _scales(frequency, second, independent, is_covered) * second)
    ridge = _ridge(score * (hop / size * 2), frequency[1] - frequency[0])
    rows = np.arange(len(ridge))
    both = first + second
    rate = np.array([_interpolated(frequency, both[k], _climb(both[k], ridge[k])) for k in rows])
    height = (scale * first)[rows, ridge]
    power = first[rows, ridge] * (weights * filled**2).sum(axis=1) / total[:, 0]
    trials = 1.3 * _TRACK_WINDOW_S * (high_hz - low_hz)
    is_pulse = np.exp(-height) * trials < _TRACK_FALSE_ALARM
    if np.any(is_pulse & is_covered):
        usual = float(np.median(power[is_pulse & is_covered]))
        is_pulse &= power > _TRACK_MIN_AMPLITUDE**2 * usual
    status = np.where(is_covered, np.where(is_pulse, "ok", "no_pulse"), "gap")
    error = _TRACK_SD_FACTOR * _standard_error(
        first[rows, ridge], second[rows, ridge], 2 * scale[rows, ridge], _TRACK_WINDOW_S
    )
    time_s = np.asarray((rows * hop + (size - 1) / 2) * step_s, dtype=np.float64)
    rate = _smoothed(np.where(status == "ok", rate, np.nan))
    error = np.where(status == "ok", error, np.nan)
    # What the best steady rate lacks, per window; noise alone gives a track less than 1.
    deficit = score[rows, ridge].sum() - score.sum(axis=0).max()
    num_covered = int(np.count_nonzero(is_covered))
    is_drifting = bool(deficit > _MAX_STEADY_DEFICIT * num_covered > 0)
    return HeartRateTrack(time_s, rate, error, status, is_drifting)


def window_attenuation(frequency_hz: float, window_s: float) -> float:
    """Return by which factor an average over a window shrinks an oscillation, 1 if not at all.

    Parameters
    ----------
    frequency_hz : float
        Of the oscillation.
    window_s : float
        Length of the window, s.
    """
    return float(abs(np.sinc(frequency_hz * window_s)))


def _no_rate(status: str) -> HeartRate:
    nan = float("nan")
    return HeartRate(nan, nan, nan, nan, nan, status)


def _two_powers(
    values: NDArray[np.float64],
    weights: NDArray[np.float64],
    step_s: float,
    low_hz: float,
    high_hz: float,
    num: int,
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Return the powers at the frequencies and at twice these, 0 where that cannot be sampled."""
    first = lomb_power_even(values, weights, step_s, low_hz, high_hz, num)
    second = lomb_power_even(values, weights, step_s, 2 * low_hz, 2 * high_hz, num)
    twice = np.linspace(2 * low_hz, 2 * high_hz, num)
    return first, np.where(twice < _NYQUIST_PART / (2 * step_s), second, 0.0)


def _scales(
    frequency: NDArray[np.float64],
    power: NDArray[np.float64],
    count: NDArray[np.float64],
    is_used: NDArray[np.bool_],
) -> NDArray[np.float64]:
    """Return by what to multiply the powers of windows to have them in units of the noise."""
    if not is_used.any():
        return np.ones(power.shape)
    white = 2 / count
    floor = _noise_floor(frequency, power[is_used] / white[is_used, None], 1.0)
    return np.asarray(1 / (white[:, None] * floor))


def _noise_floor(
    frequency: NDArray[np.float64], power: NDArray[np.float64], white: float
) -> NDArray[np.float64]:
    """Return the mean power of the noise at each frequency, at least that of white noise.

    Overlapping velocity windows share their noise, which is then stronger at low frequencies.
    It is the median within 2.5 Hz, which a peak does not change much; powers of noise are
    exponentially distributed.
    """
    centers = np.linspace(frequency[0], frequency[-1], 25)
    medians = [
        np.median(power[:, np.abs(frequency - center) <= _FLOOR_REACH_HZ]) for center in centers
    ]
    floor = np.interp(frequency, centers, np.array(medians) / np.log(2))
    return np.asarray(np.maximum(floor, white))


def _standard_error(first: Any, second: Any, count: Any, duration_s: float) -> NDArray[np.float64]:
    """Return that of the frequency of a sine in noise, with its harmonic if there is one.

    By the Cramer-Rao bound, ``sqrt(24) / (2 pi (A / sigma) sqrt(n) T)``. The harmonic counts four
    times: it turns twice as fast.
    """
    noise = np.maximum(1 - first - second, 1e-12)
    by_chance = 2 / count
    first, second = (np.maximum(power - by_chance, 0.0) for power in (first, second))
    information = 2 * (first + 4 * second) / noise
    error: NDArray[np.float64] = np.sqrt(24 / np.maximum(information * count, 1e-12)) / (
        2 * np.pi * duration_s
    )
    return error


def _smoothed(rate: NDArray[np.float64]) -> NDArray[np.float64]:
    """Fit parabolas to stretches of neighbouring windows; no stretch reaches over a gap."""
    smooth = rate.copy()
    edges = np.flatnonzero(np.diff(np.isfinite(rate), prepend=False, append=False))
    for start, stop in edges.reshape(-1, 2):
        if stop - start >= _TRACK_SMOOTHED:
            smooth[start:stop] = signal.savgol_filter(rate[start:stop], _TRACK_SMOOTHED, 2)
    return smooth


def _score(first: NDArray[Any], second: NDArray[Any]) -> NDArray[np.float64]:
    """Return the log likelihood of a beat, from the powers in units of the noise."""
    shape = (-1, *([1] * first.ndim))
    ratio, prior = _HARMONIC_RATIOS.reshape(shape), _HARMONIC_PRIORS.reshape(shape)
    mixed = 2 * np.sqrt(ratio * first * second)
    parts = np.log(prior) - ratio * first + np.log(special.ive(0, mixed)) + mixed
    score: NDArray[np.float64] = first + special.logsumexp(parts, axis=0)
    return score


def _ridge(score: NDArray[np.float64], grid_hz: float) -> NDArray[np.intp]:
    """Return the best path through the rows, by dynamic programming."""
    reach = int(_TRACK_MAX_STEP_HZ / grid_hz)
    shifts = np.arange(-reach, reach + 1)
    penalty = (shifts * grid_hz / _TRACK_STEP_SD_HZ) ** 2 / 2
    rows, columns = score.shape
    came_from = np.zeros((rows, columns), dtype=np.intp)
    best = score[0]
    for row in range(1, rows):
        padded = np.pad(best, reach, constant_values=-np.inf)
        options = np.lib.stride_tricks.sliding_window_view(padded, shifts.size) - penalty
        chosen = options.argmax(axis=1)
        came_from[row] = np.arange(columns) + shifts[chosen]
        best = score[row] + options[np.arange(columns), chosen]
    path = np.zeros(rows, dtype=np.intp)
    path[-1] = int(np.argmax(best))
    for row in range(rows - 1, 0, -1):
        path[row - 1] = came_from[row, path[row]]
    return path


def _climb(power: NDArray[np.float64], start: int) -> int:
    """Return the nearest maximum uphill."""
    at = int(start)
    while at + 1 < power.size and power[at + 1] > power[at]:
        at += 1
    while at > 0 and power[at - 1] > power[at]:
        at -= 1
    return at


def _interpolated(frequency: NDArray[np.float64], power: NDArray[np.float64], peak: int) -> float:
    """Return the top of the parabola through a maximum and its neighbours."""
    if 0 < peak < power.size - 1:
        before, top, after = power[peak - 1 : peak + 2]
        bend = before - 2 * top + after
        if bend < 0:
            step = frequency[1] - frequency[0]
            return float(frequency[peak] + (before - after) / bend / 2 * step)
    return float(frequency[peak])
