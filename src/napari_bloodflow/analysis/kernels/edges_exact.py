"""Vessel edges in whole pixels: CloudScope's two diameter methods, bit for bit.

``threshold_width`` takes the outermost pixels at or above a level of the profile,
``gradient_edges`` the steepest rise and the steepest fall of the smoothed profile. A profile is the
mean or the median of some rows. Every number is that of the row-by-row procedure as published, down
to the order of additions, so that old studies can be continued; many rows are computed at a time.

Known limits of these methods: edges in whole pixels; a width one less than the number of pixels
above the level; a bright speck anywhere widens the vessel; levels from the 10th and 90th percentile
fail where the vessel covers less than a tenth or more than nine tenths of the line; the score is
not a measure of trust. :mod:`.edges_guided` is the better method.
"""

from __future__ import annotations

import functools
import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal, NamedTuple

import numpy as np

from napari_bloodflow.analysis.kernels.profiles import (
    CHUNK_PIXELS,
    check_profiles,
    iter_centers,
    window_sums,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from numpy.typing import NDArray

__all__ = ["EdgeRows", "EdgeSettings", "gate_edges", "iter_exact_edges", "running_median"]

Backend = Literal["numba", "numpy"]


@dataclass(frozen=True, slots=True)
class EdgeSettings:
    """How edges are sought.

    Attributes
    ----------
    method : {"threshold_width", "gradient_edges"}
        Which of the two.
    window_rows : int
        Rows averaged for a profile, odd; fewer at the ends of the image.
    stride : int
        Rows from one profile to the next.
    use_median : bool
        Median over the rows instead of the mean.
    dark : bool
        The vessel is darker than its surroundings: profiles are turned upside down first.
    level : float or None
        Intensity of the edge; None for half way between the 10th and the 90th percentile.
    sigma_px : float
        Smoothing before the gradient, pixels; 0 for none.
    min_strength : float
        Gradient below which an edge counts as weak, intensity per pixel.
    """

    method: Literal["threshold_width", "gradient_edges"] = "threshold_width"
    window_rows: int = 5
    stride: int = 1
    use_median: bool = False
    dark: bool = False
    level: float | None = None
    sigma_px: float = 1.5
    min_strength: float = 0.02


@dataclass(frozen=True, slots=True, eq=False)
class EdgeRows:
    """Edges in consecutive profiles.

    Attributes
    ----------
    left, right : ndarray of float64, shape (n,)
        Edges in pixels, whole numbers; NaN where there is none.
    peak, baseline, total : ndarray of float64, shape (n,)
        90th and 10th percentile and sum of the profile.
    strength_left, strength_right : ndarray of float64, shape (n,)
        Gradient at the edges, intensity per pixel; NaN without gradients.
    score : ndarray of float64, shape (n,)
        CloudScope's quality score, 0 to 1.
    edge_violation : ndarray of bool, shape (n,)
        An edge is missing, weak, or on the wrong side of the other.
    """

    left: NDArray[np.float64]
    right: NDArray[np.float64]
    peak: NDArray[np.float64]
    baseline: NDArray[np.float64]
    total: NDArray[np.float64]
    strength_left: NDArray[np.float64]
    strength_right: NDArray[np.float64]
    score: NDArray[np.float64]
    edge_violation: NDArray[np.bool_]


class Levels(NamedTuple):
    """Order statistics of profiles, each of shape (n,)."""

    lowest: NDArray[np.float64]
    p01: NDArray[np.float64]
    p10: NDArray[np.float64]
    p90: NDArray[np.float64]
    p99: NDArray[np.float64]
    highest: NDArray[np.float64]


class Extent(NamedTuple):
    """First and last index of something in each profile (-1: nowhere) and its strengths."""

    first: NDArray[np.int64]
    last: NDArray[np.int64]
    strength_first: NDArray[np.float64]
    strength_last: NDArray[np.float64]


class Scans(NamedTuple):
    """The inner loops: compiled, or of numpy's own."""

    totals: Callable[[NDArray[np.float64]], NDArray[np.float64]]
    above: Callable[[NDArray[np.float64], NDArray[np.float64]], Extent]
    steepest: Callable[[NDArray[np.float64], NDArray[np.float64]], Extent]
    has_peaks: Callable[[NDArray[np.float64], NDArray[np.float64]], NDArray[np.bool_]]


def iter_exact_edges(
    image: NDArray[Any], settings: EdgeSettings, *, backend: Backend | None = None
) -> Iterator[EdgeRows]:
    """Find the edges profile by profile, in chunks of some milliseconds.

    Parameters
    ----------
    image : ndarray, shape (time, position)
        Kymograph of any integer, boolean or floating type. Read piece by piece, so a memory map is
        fine. NaN, infinite and absurd (beyond 1e30) pixels count as missing.
    settings : EdgeSettings
        How.
    backend : {"numba", "numpy"}, optional
        Compiled inner loops or numpy's; the numbers are the same. By default those of numba, or
        numpy's where numba cannot be imported.

    Yields
    ------
    EdgeRows
        Consecutive profiles, ``ceil(rows / stride)`` in all, those of rows
        ``0, stride, 2 * stride...``.

    Raises
    ------
    ValueError
        At the call, if the image is not 2-D and numeric, has no rows or fewer than two columns, or
        a setting is out of range.
    """
    _check(image, settings)
    return _iterate(image, settings, _scans(backend))


def _scans(backend: Backend | None) -> Scans:
    if backend == "numpy":
        return _NUMPY_SCANS
    try:
        # Imported here because numba takes half a second to import.
        from napari_bloodflow.analysis.kernels._edges_exact_numba import SCANS
    except ImportError:
        if backend == "numba":
            raise
        return _NUMPY_SCANS
    return SCANS


def _check(image: NDArray[Any], settings: EdgeSettings) -> None:
    check_profiles(image, settings.window_rows, settings.stride)
    if not 0 <= settings.sigma_px <= image.shape[1]:
        raise ValueError(
            "the smoothing must be between 0 and the width of the ROI,"
            f" {image.shape[1]} pixels; it is {settings.sigma_px}"
        )
    if settings.level is not None and not math.isfinite(settings.level):
        raise ValueError(f"the threshold must be a finite number; it is {settings.level}")


def _iterate(image: NDArray[Any], settings: EdgeSettings, scans: Scans) -> Iterator[EdgeRows]:
    for centers in iter_centers(
        image.shape, settings.window_rows, settings.stride, settings.use_median
    ):
        yield _measure(image, centers, settings, scans)


def _measure(
    image: NDArray[Any], centers: NDArray[np.int64], settings: EdgeSettings, scans: Scans
) -> EdgeRows:
    sums, count = window_sums(image, centers, settings.window_rows, settings.use_median)
    profile = sums / count[:, np.newaxis]
    levels, is_partial, is_empty = _levels(sums, count, settings.dark)
    if settings.dark:
        profile = np.fmax.reduce(profile, axis=1)[:, np.newaxis] - profile
    contrast = levels.p90 - levels.p10
    num = centers.size
    missing_left = missing_right = wrong_order = is_weak = np.zeros(num, bool)
    if settings.method == "threshold_width":
        level = levels.p10 + 0.5 * contrast
        if settings.level is not None:
            level = np.full(num, settings.level)
        found = scans.above(profile, level)
        missing_left = found.first <= 0
        missing_right = (found.last < 0) | (found.last == profile.shape[1] - 1)
    else:
        found = scans.steepest(_smooth_input(profile, is_partial), _gaussian(settings.sigma_px))
        wrong_order = found.first >= found.last
        missing_left = missing_right = wrong_order
        weakest = np.minimum(found.strength_first, found.strength_last)
        is_weak = (weakest < settings.min_strength) | (weakest / (contrast + 1e-12) < 0.2)
    lost_left, lost_right = missing_left | is_empty, missing_right | is_empty
    if settings.method == "gradient_edges":
        missing_left = missing_right = np.zeros(num, bool)

    score = np.ones(num)
    with np.errstate(invalid="ignore", divide="ignore"):
        spread = levels.highest - levels.lowest
        has_heavy_ends = (
            (spread == 0)
            | ((levels.p01 - levels.lowest) / spread < 0.01)
            | ((levels.highest - levels.p99) / spread < 0.01)
        )
    has_peaks = scans.has_peaks(profile, levels.p10 + 0.8 * contrast) & (contrast > 0)
    for flag, loss in (
        (~(contrast > 0), 0.55),
        (missing_left & ~is_empty, 0.25),
        (missing_right & ~is_empty, 0.25),
        (wrong_order & ~is_empty, 0.35),
        (is_weak & ~is_empty, 0.2),
        (has_heavy_ends | is_empty, 0.1),
        (has_peaks, 0.15),
    ):
        score[flag] -= loss
    return EdgeRows(
        left=np.where(lost_left, np.nan, found.first),
        right=np.where(lost_right, np.nan, found.last),
        peak=levels.p90,
        baseline=levels.p10,
        total=scans.totals(profile),
        strength_left=np.where(is_empty, np.nan, found.strength_first),
        strength_right=np.where(is_empty, np.nan, found.strength_last),
        score=np.clip(score, 0.0, 1.0),
        edge_violation=lost_left | lost_right | is_weak,
    )


def _levels(
    sums: NDArray[Any], count: NDArray[Any], is_dark: bool
) -> tuple[Levels, NDArray[np.bool_], NDArray[np.bool_]]:
    """Order statistics of profiles, and which profiles lack some and all of their pixels."""
    ordered = np.sort(sums, axis=1)  # missing pixels come last
    num_rows, num_columns = ordered.shape
    num = np.full(num_rows, num_columns)
    is_partial = np.zeros(num_rows, bool)
    if ordered.dtype.kind == "f":
        is_partial = np.isnan(ordered[:, -1])
        if is_partial.any():
            num[is_partial] = np.count_nonzero(np.isfinite(ordered[is_partial]), axis=1)
    row = np.arange(num_rows)
    most = np.maximum(num - 1, 0)

    def ranked(rank: NDArray[np.int64]) -> NDArray[np.float64]:
        if is_dark:
            largest: NDArray[np.float64] = ordered[row, most] / count
            return np.asarray(largest - ordered[row, most - rank] / count)
        return np.asarray(ordered[row, rank] / count)

    def quantile(part: float) -> NDArray[np.float64]:
        place = most * part
        below = np.floor(place).astype(np.int64)
        low, high = ranked(below), ranked(np.minimum(below + 1, most))
        weight = place - below
        step = high - low
        # numpy's interpolation: from the nearer of the two
        nearer = np.where(weight >= 0.5, high - step * (1 - weight), low + step * weight)
        return np.asarray(nearer, np.float64)

    levels = Levels(
        ranked(np.zeros_like(most)),
        quantile(0.01),
        quantile(0.1),
        quantile(0.9),
        quantile(0.99),
        ranked(most),
    )
    return levels, is_partial, num == 0


def _smooth_input(
    profile: NDArray[np.float64], is_partial: NDArray[np.bool_]
) -> NDArray[np.float64]:
    """Fill missing pixels by linear interpolation; profiles without any pixel with zeros."""
    if not is_partial.any():
        return profile
    filled = profile.copy()
    place = np.arange(profile.shape[1])
    for i in np.flatnonzero(is_partial):
        known = np.flatnonzero(np.isfinite(profile[i]))
        filled[i] = np.interp(place, known, profile[i, known]) if known.size else 0.0
    return filled


@functools.lru_cache(maxsize=8)
def _gaussian(sigma_px: float) -> NDArray[np.float64]:
    """Half of a Gaussian kernel, from the centre outwards, as scipy makes it."""
    radius = int(4.0 * sigma_px + 0.5)
    if radius == 0:
        return np.ones(1)
    x = np.arange(-radius, radius + 1)
    weight = np.exp(-0.5 / (sigma_px * sigma_px) * x**2)
    return np.asarray((weight / weight.sum())[radius:])


def gate_edges(
    edges: tuple[NDArray[np.float64], NDArray[np.float64]],
    limits_px: tuple[float, float, float],
) -> tuple[NDArray[np.bool_], NDArray[np.bool_], NDArray[np.bool_]]:
    """Remove edges that moved too far since the profile before; changes `edges` in place.

    Parameters
    ----------
    edges : tuple of ndarray of float64, shape (n,)
        Left and right edges, pixels.
    limits_px : tuple of float
        Largest change from one profile to the next of an edge, of the diameter and of the centre.

    Returns
    -------
    edge_violation, diameter_violation, center_violation : ndarray of bool, shape (n,)
        What was removed and why. A profile is compared with the one before as gated; if that has
        no edge, there is no comparison.
    """
    left, right = edges
    edge_limit, diameter_limit, center_limit = limits_px
    violations = tuple(np.zeros(left.size, bool) for _ in range(3))
    # Gating takes comparisons away and never adds one: only what violates a limit in the ungated
    # edges can do so in the gated ones.
    with np.errstate(invalid="ignore"):
        suspect = (np.abs(np.diff(left)) > edge_limit) | (np.abs(np.diff(right)) > edge_limit)
        suspect |= np.abs(np.diff(right - left)) > diameter_limit
        suspect |= np.abs(np.diff((left + right) / 2)) > center_limit
    for i in (np.flatnonzero(suspect) + 1).tolist():
        for edge in edges:
            if abs(edge[i] - edge[i - 1]) > edge_limit:
                edge[i] = np.nan
                violations[0][i] = True
        change = (right[i] - left[i]) - (right[i - 1] - left[i - 1])
        if abs(change) > diameter_limit:
            left[i] = right[i] = np.nan
            violations[1][i] = True
        shift = (left[i] + right[i]) / 2 - (left[i - 1] + right[i - 1]) / 2
        if abs(shift) > center_limit:
            left[i] = right[i] = np.nan
            violations[2][i] = True
    return violations[0], violations[1], violations[2]


def running_median(values: NDArray[np.float64], size: int) -> NDArray[np.float64]:
    """Median of the finite values around each value; NaN stays NaN.

    Parameters
    ----------
    values : ndarray of float64, shape (n,)
        Values in order.
    size : int
        Width of the window, odd; fewer values at the ends.

    Returns
    -------
    ndarray of float64, shape (n,)
        The medians; of an even number the mean of the middle two.
    """
    half = min(size // 2, values.size)
    width = 2 * half + 1
    padded = np.full(values.size + 2 * half, np.nan)
    padded[half : half + values.size] = values
    windows = np.lib.stride_tricks.sliding_window_view(padded, width)
    medians = np.empty(values.size)
    step = max(1, CHUNK_PIXELS // width)
    for start in range(0, values.size, step):
        ordered = np.sort(windows[start : start + step], axis=1)
        num = np.count_nonzero(np.isfinite(ordered), axis=1)
        row = np.arange(num.size)
        lower = ordered[row, np.maximum(num - 1, 0) // 2]
        upper = ordered[row, np.minimum(num // 2, width - 1)]
        medians[start : start + step] = (lower + upper) / 2
    medians[~np.isfinite(values)] = np.nan
    return medians


def _totals(profile: NDArray[np.float64]) -> NDArray[np.float64]:
    return np.asarray(profile.sum(axis=1))


def _above(profile: NDArray[np.float64], level: NDArray[np.float64]) -> Extent:
    is_above = profile >= level[:, np.newaxis]
    first = is_above.argmax(axis=1)
    last = profile.shape[1] - 1 - is_above[:, ::-1].argmax(axis=1)
    is_nowhere = ~is_above[np.arange(first.size), first]
    first[is_nowhere] = last[is_nowhere] = -1
    nothing = np.full(first.size, np.nan)
    return Extent(first, last, nothing, nothing)


def _steepest(profile: NDArray[np.float64], weights: NDArray[np.float64]) -> Extent:
    from scipy.ndimage import correlate1d

    if weights.size > 1:
        kernel = np.concatenate([weights[:0:-1], weights])
        profile = correlate1d(profile, kernel, axis=1, mode="nearest")
    slope = np.empty_like(profile)
    slope[:, 1:-1] = (profile[:, 2:] - profile[:, :-2]) / 2.0
    slope[:, 0] = profile[:, 1] - profile[:, 0]
    slope[:, -1] = profile[:, -1] - profile[:, -2]
    first, last = slope.argmax(axis=1), slope.argmin(axis=1)
    row = np.arange(first.size)
    return Extent(
        first, last, np.maximum(0.0, slope[row, first]), np.maximum(0.0, -slope[row, last])
    )


def _has_peaks(profile: NDArray[np.float64], level: NDArray[np.float64]) -> NDArray[np.bool_]:
    inner = profile[:, 1:-1]
    is_peak = inner > profile[:, :-2]
    is_peak &= inner >= profile[:, 2:]
    is_peak &= inner >= level[:, np.newaxis]
    return np.asarray(np.count_nonzero(is_peak, axis=1) >= 2)


_NUMPY_SCANS = Scans(_totals, _above, _steepest, _has_peaks)
