"""The summed intensity of each line, and what is made of it, as CloudScope's ``sum_intensity``.

Every step gives the numbers of CloudScope's table, so an old study can be continued. Missing
pixels are the exception: CloudScope's running sums carry a NaN to the end of the trace, here it
stays in the lines that it belongs to.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

import numpy as np
from scipy.ndimage import maximum_filter1d, median_filter
from scipy.optimize import leastsq

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from numpy.typing import NDArray

__all__ = [
    "baseline_f0",
    "detrend_exponential",
    "iter_line_sums",
    "mean_of_neighbours",
    "relative_change",
    "running_median",
    "saturated_lines",
]

_MIN_FIT_POINTS = 4
_MAX_FIT_EVALUATIONS = 10_000
_CONVERGED = (1, 2, 3, 4)
_CHUNK_PIXELS = 4_000_000
# Numbers that no detector gives, and whose sums lose all others.
_ABSURD = 1e30
# A converter of so many bits gives its largest number for everything above it.
_CONVERTER_BITS = (8, 10, 12, 14, 15, 16)
_MIN_SATURATED_PART = 0.05


def iter_line_sums(image: NDArray[Any]) -> Iterator[NDArray[np.float64]]:
    """Sum every line over its columns, in chunks of some milliseconds.

    Parameters
    ----------
    image : ndarray, shape (n_lines, n_columns)
        Rows are time, columns are position. Read piece by piece, so a memory map is fine.

    Yields
    ------
    ndarray of float64
        Sums of the next lines; NaN where a pixel is NaN, infinite or beyond 1e30.

    Raises
    ------
    ValueError
        At the call, if the image is not two-dimensional and numeric, or is empty.
    """
    if image.ndim != 2 or image.size == 0:
        raise ValueError(f"the image must have lines and columns, but its shape is {image.shape}")
    if image.dtype.kind not in "buif":
        raise ValueError(f"the pixels must be numbers, but are {image.dtype}")
    rows = max(1, _CHUNK_PIXELS // image.shape[1])
    return (_sums(image[top : top + rows]) for top in range(0, image.shape[0], rows))


def _sums(part: NDArray[Any]) -> NDArray[np.float64]:
    sums = np.full(part.shape[0], np.nan)
    # NaN is not below anything.
    is_good = (np.abs(part) < _ABSURD).all(axis=1) if part.dtype.kind == "f" else slice(None)
    sums[is_good] = np.sum(part[is_good], axis=1, dtype=np.float64)
    return sums


def saturated_lines(image: NDArray[Any]) -> tuple[NDArray[np.bool_], int | None]:
    """Find lines of which a twentieth or more is at the detector's limit.

    Parameters
    ----------
    image : ndarray, shape (n_lines, n_columns)

    Returns
    -------
    lines : ndarray of bool, shape (n_lines,)
        All False unless the brightest pixel is the largest number of an 8, 10, 12, 14, 15 or 16
        bit converter, and no number of another type.
    limit : int or None
        That number.
    """
    none = np.zeros(image.shape[0], dtype=bool)
    if image.dtype.kind not in "ui":
        return none, None
    limit = int(image.max())
    if limit not in {2**bits - 1 for bits in _CONVERTER_BITS}:
        return none, None
    rows = max(1, _CHUNK_PIXELS // image.shape[1])
    counts = np.concatenate(
        [
            np.count_nonzero(image[top : top + rows] == limit, axis=1)
            for top in range(0, image.shape[0], rows)
        ]
    )
    lines = counts >= max(1.0, _MIN_SATURATED_PART * image.shape[1])
    return lines, limit if lines.any() else None


def mean_of_neighbours(trace: NDArray[np.float64], radius: int) -> NDArray[np.float64]:
    """Average every line with its neighbours.

    Parameters
    ----------
    trace : ndarray of float64, shape (n_lines,)
    radius : int
        Lines on either side to average over; the window is clipped at the ends.

    Returns
    -------
    ndarray of float64, shape (n_lines,)
        NaN where a line of the window is.

    Raises
    ------
    ValueError
        If `radius` is negative.
    """
    if radius < 0:
        raise ValueError(f"the radius must be 0 or more, but is {radius}")
    radius = min(radius, trace.size - 1)
    if radius == 0:
        return trace.copy()
    is_missing = ~np.isfinite(trace)
    total = _window_sums(np.where(is_missing, 0.0, trace), radius)
    index = np.arange(trace.size)
    count = np.minimum(index + radius + 1, trace.size) - np.maximum(index - radius, 0)
    averaged: NDArray[np.float64] = total / count
    averaged[_reached(is_missing, radius)] = np.nan
    return averaged


def _window_sums(values: NDArray[np.float64], radius: int) -> NDArray[np.float64]:
    """Sum over windows; sums run within blocks of one window, so that errors stay local."""
    width = 2 * radius + 1
    num_blocks = -(-(values.size + 2 * radius) // width)
    padded = np.zeros(num_blocks * width)
    padded[radius : radius + values.size] = values
    blocks = padded.reshape(num_blocks, width)
    ahead = np.cumsum(blocks, axis=1).ravel()
    behind = np.cumsum(blocks[:, ::-1], axis=1)[:, ::-1].ravel()
    start = np.arange(values.size)
    # A window is the end of one block and the beginning of the next, or a whole block.
    sums: NDArray[np.float64] = behind[start]
    is_split = start % width != 0
    sums[is_split] += ahead[start[is_split] + width - 1]
    return sums


def _reached(is_missing: NDArray[np.bool_], radius: int) -> NDArray[np.bool_]:
    """Return the lines whose window of `radius` lines on either side holds a missing one."""
    if not is_missing.any():
        return is_missing
    found = maximum_filter1d(is_missing.view(np.uint8), 2 * radius + 1, mode="nearest")
    return np.asarray(found, dtype=bool)


def running_median(trace: NDArray[np.float64], size: int) -> NDArray[np.float64]:
    """Take the running median; the ends are continued with the nearest value.

    `size` is in points: an even one is made odd by adding one; 1 or less gives a copy. The result
    is NaN where a line of the window is.
    """
    if size <= 1:
        return trace.copy()
    is_missing = ~np.isfinite(trace)
    filtered: NDArray[np.float64] = median_filter(
        np.where(is_missing, 0.0, trace), size=size | 1, mode="nearest"
    )
    filtered[_reached(is_missing, size // 2)] = np.nan
    return filtered


def detrend_exponential(
    trace: NDArray[np.float64],
    time_s: NDArray[np.float64],
    is_cancelled: Callable[[], bool] = lambda: False,
) -> tuple[NDArray[np.float64], str, bool]:
    """Subtract a fitted ``a exp(-b t) + c`` and add the fit's first value back.

    The fit is that of :func:`scipy.optimize.curve_fit`. A trend that is nearly straight takes
    thousands of steps, seconds for long traces.

    Parameters
    ----------
    trace, time_s : ndarray of float64, shape (n_lines,)
    is_cancelled : callable, optional
        Asked at every step.

    Returns
    -------
    detrended : ndarray of float64, shape (n_lines,)
        A copy of `trace` where nothing could be fitted.
    problem : str
        Why nothing was fitted; empty if it was.
    is_failure : bool
        True if there was something to fit.

    Raises
    ------
    InterruptedError
        If it was cancelled.
    """
    if trace.size < _MIN_FIT_POINTS or not np.isfinite(trace).all() or np.ptp(trace) == 0:
        return trace.copy(), "too few, constant or missing values to fit a bleaching curve", False

    def bleaching(params: NDArray[np.float64]) -> NDArray[np.float64]:
        if is_cancelled():
            raise InterruptedError("the fit was cancelled")
        curve: NDArray[np.float64] = params[0] * np.exp(-params[1] * time_s) + params[2]
        return curve

    def residual(params: NDArray[np.float64]) -> NDArray[np.float64]:
        return bleaching(params) - trace

    first, last = float(trace[0]), float(trace[-1])
    start = [first - last, 1.0 / float(time_s[-1] - time_s[0]), last]
    with np.errstate(all="ignore"):
        found, _, _, message, reason = leastsq(
            residual, start, full_output=True, maxfev=_MAX_FIT_EVALUATIONS
        )
        fit = bleaching(found)
    if reason not in _CONVERGED:
        text = " ".join(message.split())
        return trace.copy(), f"the bleaching curve could not be fitted: {text}", True
    if not np.isfinite(fit).all():
        return trace.copy(), "the fitted bleaching curve is not finite", True
    return trace - fit + fit[0], "", False


def baseline_f0(trace: NDArray[np.float64], percentile: float) -> float:
    """Return the percentile (0..100) of the finite values, NaN if there are none."""
    finite = trace[np.isfinite(trace)]
    return float(np.percentile(finite, percentile)) if finite.size else float("nan")


def relative_change(trace: NDArray[np.float64], f0: float) -> NDArray[np.float64]:
    """Return ``(trace - f0) / f0``.

    Raises
    ------
    ValueError
        If `f0` is zero or not finite.
    """
    if f0 == 0 or not math.isfinite(f0):
        raise ValueError(f"f0 is {f0:g}: df/f is not defined then")
    return (trace - f0) / f0
