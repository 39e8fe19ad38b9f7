"""The summed intensity of each line, and what is made of it, as CloudScope's ``sum_intensity``.

Every step gives the numbers of CloudScope's table, so an old study can be continued.
"""

from __future__ import annotations

import warnings
from typing import TYPE_CHECKING

import numpy as np
from scipy.ndimage import median_filter
from scipy.optimize import OptimizeWarning, curve_fit

if TYPE_CHECKING:
    from numpy.typing import NDArray

__all__ = ["baseline_f0", "detrend_exponential", "line_sums", "relative_change", "running_median"]

_MIN_FIT_POINTS = 4
_MAX_FIT_EVALUATIONS = 10_000


def line_sums(image: NDArray[np.generic], radius: int) -> NDArray[np.float64]:
    """Sum every line, then average over the neighbouring lines.

    Parameters
    ----------
    image : ndarray, shape (n_lines, n_columns)
        Rows are time, columns are position.
    radius : int
        Lines on either side to average over; the window is clipped at the ends.

    Returns
    -------
    ndarray of float64, shape (n_lines,)

    Raises
    ------
    ValueError
        If the image is not two-dimensional or is empty, or if `radius` is negative.
    """
    if image.ndim != 2 or image.size == 0:
        raise ValueError(f"the image must have lines and columns, but its shape is {image.shape}")
    if radius < 0:
        raise ValueError(f"radius must be 0 or more, but is {radius}")
    sums = np.sum(image, axis=1, dtype=np.float64)
    total = np.concatenate(([0.0], np.cumsum(sums)))
    index = np.arange(sums.size)
    start = np.maximum(index - radius, 0)
    stop = np.minimum(index + radius + 1, sums.size)
    averaged: NDArray[np.float64] = (total[stop] - total[start]) / (stop - start)
    return averaged


def running_median(trace: NDArray[np.float64], size: int) -> NDArray[np.float64]:
    """Take the running median; the ends are continued with the nearest value.

    `size` is in points: an even one is made odd by adding one; 1 or less gives a copy.
    """
    if size <= 1:
        return trace.copy()
    filtered: NDArray[np.float64] = median_filter(trace, size=size | 1, mode="nearest")
    return filtered


def detrend_exponential(
    trace: NDArray[np.float64], time_s: NDArray[np.float64]
) -> tuple[NDArray[np.float64], str | None]:
    """Subtract a fitted ``a exp(-b t) + c`` and add the fit's first value back.

    Returns
    -------
    detrended : ndarray of float64, shape (n_lines,)
        A copy of `trace` where nothing could be fitted.
    problem : str or None
        Why nothing was fitted.
    """
    if trace.size < _MIN_FIT_POINTS or not np.isfinite(trace).all() or np.ptp(trace) == 0:
        return trace.copy(), "too few, constant or missing values to fit a bleaching curve"

    def bleaching(t: NDArray[np.float64], a: float, b: float, c: float) -> NDArray[np.float64]:
        return a * np.exp(-b * t) + c

    first, last = float(trace[0]), float(trace[-1])
    start = (first - last, 1.0 / float(time_s[-1] - time_s[0]), last)
    try:
        # A poorly determined covariance is no failure: only the curve is used.
        with warnings.catch_warnings(), np.errstate(over="ignore", invalid="ignore"):
            warnings.simplefilter("ignore", OptimizeWarning)
            found, _ = curve_fit(bleaching, time_s, trace, p0=start, maxfev=_MAX_FIT_EVALUATIONS)
    except (RuntimeError, ValueError) as error:
        return trace.copy(), f"the bleaching curve could not be fitted: {error}"
    fit = bleaching(time_s, *found)
    return trace - fit + fit[0], None


def baseline_f0(trace: NDArray[np.float64], percentile: float) -> float:
    """Return the percentile (0..100) of the finite values, NaN if there are none."""
    finite = trace[np.isfinite(trace)]
    return float(np.percentile(finite, percentile)) if finite.size else float("nan")


def relative_change(trace: NDArray[np.float64], f0: float) -> NDArray[np.float64]:
    """Return ``(trace - f0) / f0``.

    Raises
    ------
    ValueError
        If `f0` is zero.
    """
    if f0 == 0:
        raise ValueError("f0 must not be zero: df/f is not defined then")
    return (trace - f0) / f0
