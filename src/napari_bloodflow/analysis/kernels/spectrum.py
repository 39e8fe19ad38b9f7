"""Power spectra of samples with gaps, on any grid of frequencies.

The Lomb-Scargle periodogram is the power of the sine that fits the samples best in the sense of
least squares, so that missing samples need no filling in (Lomb, Astrophys. Space Sci. 39, 447,
1976). On an even time base its sums are chirp-Z transforms, which give the same numbers in a
fraction of the time.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import numpy as np
from scipy import signal

if TYPE_CHECKING:
    from numpy.typing import NDArray

__all__ = [
    "WelchSpectrum",
    "is_even",
    "lomb_power",
    "lomb_power_even",
    "on_even_grid",
    "welch_power",
]

_EVEN_WITHIN = 1e-6
"""Part of a step by which an even time base may be off."""
_MAX_EMPTY_ROWS = 100
_CHUNK_VALUES = 1_000_000


class WelchSpectrum(NamedTuple):
    """A Welch spectrum.

    Parameters
    ----------
    frequency_hz, power : ndarray, shape (frequencies,)
        Power spectral density, in squared units of the samples per Hz.
    """

    frequency_hz: NDArray[np.float64]
    power: NDArray[np.float64]


def is_even(time_s: NDArray[np.float64]) -> bool:
    """Tell whether samples are equally spaced in time, to a millionth of a step.

    Parameters
    ----------
    time_s : ndarray, shape (samples,)
        Times in s.
    """
    if time_s.size < 2:
        return False
    step = (time_s[-1] - time_s[0]) / (time_s.size - 1)
    even = time_s[0] + step * np.arange(time_s.size)
    return bool(step > 0 and np.all(np.abs(time_s - even) <= _EVEN_WITHIN * step))


def on_even_grid(
    time_s: NDArray[np.float64], values: NDArray[np.float64]
) -> tuple[float, NDArray[np.float64]]:
    """Put samples on an even time base, NaN where rows are missing.

    Parameters
    ----------
    time_s, values : ndarray, shape (samples,)
        Rising times; NaN where there is no value.

    Returns
    -------
    step_s : float
        Time between samples.
    values : ndarray, shape (steps,)
        The first is at ``time_s[0]``.

    Raises
    ------
    ValueError
        If the times do not rise, or are not multiples of a step.
    """
    steps = np.diff(time_s)
    if time_s.size < 2 or not np.all(np.isfinite(time_s)) or not np.all(steps > 0):
        raise ValueError("the times do not rise from row to row")
    step = float(np.median(steps))
    since_first = time_s - time_s[0]
    index = np.round(since_first / step)
    step = float(since_first[-1] / index[-1])
    is_off = np.abs(since_first - index * step) > 0.1 * step
    if index[-1] > _MAX_EMPTY_ROWS * time_s.size or is_off.any():
        raise ValueError("the times are not evenly spaced")
    even = np.full(int(index[-1]) + 1, np.nan)
    even[index.astype(int)] = values
    return step, even


def lomb_power(
    time_s: NDArray[np.float64],
    values: NDArray[np.float64],
    low_hz: float,
    high_hz: float,
    num: int,
) -> NDArray[np.float64]:
    """Return the normalised Lomb-Scargle periodogram on equally spaced frequencies.

    The same as ``scipy.signal.lombscargle(..., normalize=True)`` of the finite samples, within
    1e-8.

    Parameters
    ----------
    time_s, values : ndarray, shape (samples,)
        Times in s, and samples of mean zero; NaN where there is none.
    low_hz, high_hz : float
        First and last frequency, in Hz.
    num : int
        Number of frequencies, at least 2.

    Returns
    -------
    ndarray, shape (num,)
        Part of the sum of squares that the best sine explains, 0 to 1. NaN if all values are 0
        or there are fewer than 3.
    """
    valid = np.isfinite(values)
    if np.count_nonzero(valid) < 3 or not np.any(values[valid]):
        return np.full(num, np.nan)
    if is_even(time_s):
        step = float(time_s[-1] - time_s[0]) / (time_s.size - 1)
        filled = np.where(valid, values, 0.0)
        even = lomb_power_even(filled[None], valid[None] * 1.0, step, low_hz, high_hz, num)
        return np.asarray(even[0])
    angular = 2 * np.pi * np.linspace(low_hz, high_hz, num)
    power = signal.lombscargle(time_s[valid], values[valid], angular, normalize=True)
    return np.asarray(power, dtype=np.float64)


def lomb_power_even(
    values: NDArray[np.float64],
    weights: NDArray[np.float64],
    step_s: float,
    low_hz: float,
    high_hz: float,
    num: int,
) -> NDArray[np.float64]:
    """Return normalised, weighted Lomb-Scargle periodograms of evenly spaced samples.

    Parameters
    ----------
    values : ndarray, shape (traces, samples)
        Samples of weighted mean zero; any finite number where the weight is 0.
    weights : ndarray, shape (traces, samples)
        Weights of the squared residuals; 0 where there is no sample.
    step_s : float
        Time between samples, s.
    low_hz, high_hz : float
        First and last frequency, in Hz.
    num : int
        Number of frequencies, at least 2.

    Returns
    -------
    ndarray, shape (traces, num)
        Part of the weighted sum of squares that the best sine explains. NaN for a trace that is
        zero.
    """
    traces, size = values.shape
    rate = 1.0 / step_s
    once = signal.ZoomFFT(size, [low_hz, high_hz], num, fs=rate, endpoint=True)
    twice = signal.ZoomFFT(size, [2 * low_hz, 2 * high_hz], num, fs=rate, endpoint=True)
    power = np.full((traces, num), np.nan)
    rows = max(1, _CHUNK_VALUES // (size + num))
    for start in range(0, traces, rows):
        chunk = slice(start, start + rows)
        power[chunk] = _lomb_chunk(values[chunk], weights[chunk], once, twice)
    return power


def _lomb_chunk(
    values: NDArray[np.float64],
    weights: NDArray[np.float64],
    once: signal.ZoomFFT,
    twice: signal.ZoomFFT,
) -> NDArray[np.float64]:
    weighted = weights * values
    data = np.asarray(once(weighted), dtype=np.complex128)
    window = np.asarray(twice(weights), dtype=np.complex128)
    total = weights.sum(axis=1, keepdims=True)
    squares = (weighted * values).sum(axis=1, keepdims=True)
    # The phase that makes sine and cosine orthogonal on these samples.
    phase = np.arctan2(-window.imag, window.real) / 2
    cos, sin = np.cos(phase), np.sin(phase)
    cos_squares = (total + np.abs(window)) / 2
    sin_squares = total - cos_squares
    along_cos = data.real * cos - data.imag * sin
    along_sin = -data.imag * cos - data.real * sin
    with np.errstate(divide="ignore", invalid="ignore"):
        fit = along_cos**2 / cos_squares
        # At 0 Hz and at half the sampling rate there is no sine.
        fit += np.where(sin_squares > 1e-9 * total, along_sin**2 / sin_squares, 0.0)
        power: NDArray[np.float64] = np.where(squares > 0, fit / squares, np.nan)
    return power


def welch_power(values: NDArray[np.float64], rate_hz: float, segment_size: int) -> WelchSpectrum:
    """Return Welch's estimate of the power spectral density: Hann segments that overlap by half.

    Parameters
    ----------
    values : ndarray, shape (samples,)
        Finite, evenly spaced samples of mean zero.
    rate_hz : float
        Samples per second.
    segment_size : int
        Samples in a segment, at most all.
    """
    frequency, power = signal.welch(values, fs=rate_hz, nperseg=segment_size, detrend=False)
    return WelchSpectrum(frequency, power)
