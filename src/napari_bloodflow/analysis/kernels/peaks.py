"""Onsets and peaks of transients in a trace, by CloudScope's rules.

An onset is the first sample of every run beyond a threshold; its peak is the extreme sample in a
window after it.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

__all__ = ["find_onsets", "find_peaks_after", "points_in"]


def points_in(duration_ms: float, dt_s: float) -> int:
    """Return how many lines of `dt_s` seconds a duration holds, half rounded to even.

    Raises
    ------
    ValueError
        If the line period is not above zero, or one of the two is not finite.
    """
    if not (0 < dt_s < math.inf and math.isfinite(duration_ms)):
        raise ValueError(f"{duration_ms} ms cannot be counted in lines of {dt_s} s")
    return max(0, round(duration_ms / 1000.0 / dt_s))


def find_onsets(
    signal: NDArray[np.float64], threshold: float, *, negative: bool, refractory_points: int
) -> NDArray[np.intp]:
    """Find the first sample of every run beyond a threshold.

    Parameters
    ----------
    signal : ndarray of float64, shape (n_lines,)
        The derivative, or the trace itself for an absolute threshold.
    threshold : float
        In the signal's unit. For negative transients minus its size is used.
    negative : bool
        Whether transients go down.
    refractory_points : int
        An onset is dropped unless it comes more than this many lines after the last kept one.

    Returns
    -------
    ndarray of intp, shape (n_onsets,)
        Missing samples are not beyond the threshold.

    Raises
    ------
    ValueError
        If the refractory period is negative.
    """
    if refractory_points < 0:
        raise ValueError(f"the refractory period must be 0 or more lines, not {refractory_points}")
    active = signal <= -abs(threshold) if negative else signal >= threshold
    starts = np.flatnonzero(active & ~np.concatenate(([False], active[:-1])))
    kept: list[int] = []
    for start in starts.tolist():
        if not kept or start > kept[-1] + refractory_points:
            kept.append(start)
    return np.array(kept, dtype=np.intp)


def find_peaks_after(
    trace: NDArray[np.float64],
    onsets: NDArray[np.intp],
    *,
    negative: bool,
    search_points: int,
) -> NDArray[np.intp]:
    """Find the extreme sample in the window after every onset.

    Parameters
    ----------
    trace : ndarray of float64, shape (n_lines,)
    onsets : ndarray of intp, shape (n_onsets,)
    negative : bool
        Whether transients go down.
    search_points : int
        Length of the window in lines; at least one is used.

    Returns
    -------
    ndarray of intp, shape (n_onsets,)
        -1 where the window holds no finite sample.
    """
    height = -trace if negative else trace
    peaks = np.full(onsets.size, -1, dtype=np.intp)
    for number, onset in enumerate(onsets.tolist()):
        window = height[onset : onset + max(1, search_points) + 1]
        if np.isfinite(window).any():
            peaks[number] = onset + int(np.nanargmax(window))
    return peaks
