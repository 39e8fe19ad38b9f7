"""Red cells in windows of a line-scan kymograph whose velocities are known.

The lines of a window are averaged along the slope of its streaks. What is left is the train of
cells as it passes: a profile in which each cell is a dip (or a peak, where cells are brighter than
the plasma), longer than the line if the train moves. Falls and rises that are larger than a
threshold are counted; a cell has one of each, whichever is darker. The threshold is a fifth of the
standard deviation of the moving pattern, or 5.5 times the noise of the profile if that is more.

Notes
-----
Cells that follow one another too closely for a gap to be seen count as one. As in particle
counters, the count is corrected for such coincidences: if the gaps that are seen, those longer than
``s``, have the mean ``g + s`` and the standard deviation ``d``, ``1 - exp(-(s / g)**k)`` of the
cells are missed, with ``k = max(1, (g / d)**2)``, which is 1 if gaps are random. The gaps are what
is bright or what is dark, whichever varies more in length. Where cells cover more than half of the
line, counts remain too low, by a fifth or more.
"""

from __future__ import annotations

import math
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from napari_bloodflow.analysis.kernels._lag_background import record_statistics
from napari_bloodflow.analysis.kernels.windows import window_step

if TYPE_CHECKING:
    from collections.abc import Generator

    from numpy.typing import NDArray

    from napari_bloodflow.analysis.kernels._lag_background import RecordStatistics, Sums

__all__ = ["RedCells", "count_red_cells", "iter_red_cells"]

# Least threshold and the one from which cells would be missed, in standard deviations of the moving
# pattern; the threshold in units of the noise.
_LEAST, _MOST = 0.2, 1.0
_NOISE_FACTOR = 5.5

# Fitted to synthetic records: standard uncertainty by cells at the ends; part of the coincidences
# of random gaps that is uncertain; shortest gap that is seen, in units of the smoothing.
_ENDS = 0.4
_DOUBT = 0.7
_SEEN, _SEEN_BY_THRESHOLD = 0.5, 2.2

_PART_LINES = 2048
_WINDOWS_PER_JOB = 64


@dataclass(frozen=True, slots=True, eq=False)
class RedCells:
    """Cells of consecutive windows; all arrays have the shape ``(windows,)``.

    Attributes
    ----------
    count : ndarray of float64
        Cells on the stretch of the train that the window shows, corrected for coincidences. NaN
        where cells cannot be told from noise, or there is no velocity.
    count_sd : ndarray of float64
        Its standard uncertainty.
    length_px : ndarray of float64
        Length of the stretch.
    """

    count: NDArray[np.float64]
    count_sd: NDArray[np.float64]
    length_px: NDArray[np.float64]


def count_red_cells(
    image: NDArray[Any],
    displacement_px: NDArray[np.float64],
    window_width: int,
    *,
    stride: int = 1,
    smoothing_px: float = 2.0,
    take_background: bool = True,
    num_threads: int = 1,
) -> RedCells:
    """Count the cells of all windows of an image; see `iter_red_cells`."""
    steps = iter_red_cells(
        image,
        displacement_px,
        window_width,
        stride=stride,
        smoothing_px=smoothing_px,
        take_background=take_background,
        num_threads=num_threads,
    )
    while True:
        try:
            next(steps)
        except StopIteration as done:
            cells: RedCells = done.value
            return cells


def iter_red_cells(
    image: NDArray[Any],
    displacement_px: NDArray[np.float64],
    window_width: int,
    *,
    stride: int = 1,
    smoothing_px: float = 2.0,
    take_background: bool = True,
    num_threads: int = 1,
) -> Generator[int, None, RedCells]:
    """Count cells, yielding the number of windows done several times a second.

    Parameters
    ----------
    image : ndarray, shape (time, position)
        Kymograph of any integer, boolean or floating type.
    displacement_px : ndarray of float64, shape (windows,)
        Slope of the streaks in px/line; NaN in windows that are not to be counted.
    window_width : int
        Lines per window, a multiple of 4 and at least 8.
    stride : int, optional
        Quarters of a window from one window to the next.
    smoothing_px : float, optional
        Standard deviation of the smoothing of the profile, pixels; at least 1. Noisy records are
        smoothed up to half more.
    take_background : bool, optional
        Whether to take away the mean of each column, unless nothing moves.
    num_threads : int, optional
        Threads to share the work; the result does not depend on it.

    Returns
    -------
    RedCells
        One row per window.
    """
    # Imported here because numba takes half a second to import.
    from napari_bloodflow.analysis.kernels._red_cells_numba import count_cells

    step = window_step(window_width) * stride
    total = displacement_px.size
    result = np.full((total, 10), np.nan)
    if not np.isfinite(displacement_px).any():
        return _red_cells(result, 1.0, 1.0)
    pool = ThreadPoolExecutor(num_threads, thread_name_prefix="red-cells")
    try:
        record = yield from _statistics(image, window_width, pool)
        noise = float(np.mean(record.noise))
        pattern_sd = record.scale * math.sqrt(max(1.0 - noise, 1e-12))
        smoothing = max(1.0, smoothing_px) * record.smoothing_factor
        half = round((math.sqrt(6.0 * smoothing**2 + 1.0) - 1.0) / 2.0)
        background = np.zeros(image.shape[1], np.float32)
        if take_background and not record.is_still:
            background = record.background.astype(np.float32)

        def count(start: int) -> None:
            stop = min(start + _WINDOWS_PER_JOB, total)
            count_cells(
                _lines(image, start * step, (stop - 1) * step + window_width),
                np.arange(stop - start) * step,
                window_width,
                displacement_px[start:stop],
                background,
                record.has_flicker,
                math.sqrt(noise) * record.scale,
                half,
                _LEAST * pattern_sd,
                _NOISE_FACTOR,
                _MOST * pattern_sd,
                result[start:stop],
            )

        starts = range(0, total, _WINDOWS_PER_JOB)
        for start, _ in zip(starts, pool.map(count, starts), strict=True):
            yield min(start + _WINDOWS_PER_JOB, total)
    finally:
        pool.shutdown(wait=True, cancel_futures=True)
    return _red_cells(result, pattern_sd, smoothing)


def _lines(image: NDArray[Any], start: int, stop: int) -> NDArray[np.float32]:
    """Copy lines; pixels too large become infinite, and their windows have no velocity."""
    with np.errstate(over="ignore"):
        return np.array(image[start:stop], np.float32, order="C")


def _statistics(
    image: NDArray[Any], window_width: int, pool: ThreadPoolExecutor
) -> Generator[int, None, RecordStatistics]:
    from napari_bloodflow.analysis.kernels._lag_lines_numba import record_sums

    def add_up(top: int) -> Sums:
        lines = _lines(image, top, top + _PART_LINES)
        sums = (*np.empty((3, image.shape[1])), np.empty(7))
        record_sums(lines, window_width, *sums)
        return sums

    parts = []
    for part in pool.map(add_up, range(0, image.shape[0], _PART_LINES)):
        parts.append(part)
        yield 0
    return record_statistics(parts)


def _red_cells(result: NDArray[np.float64], pattern_sd: float, smoothing_px: float) -> RedCells:
    """Correct counts for cells that cannot be told apart, and work out their uncertainty."""
    count, change, length, threshold = result[:, :4].T
    mean, spread = _gaps(np.nansum(result[:, 4:], axis=0).reshape(2, 3))
    seen = smoothing_px * (_SEEN + _SEEN_BY_THRESHOLD * threshold / pattern_sd)
    excess = np.maximum(mean - seen, seen)
    # Random gaps exceed what is seen by as much as they spread, even ones by more.
    evenness = np.maximum(1.0, (excess / spread) ** 2) if spread > 0 else 1.0
    corrected = count * np.exp((seen / excess) ** evenness)
    doubt = _DOUBT * corrected * (1.0 - np.exp(-seen / excess))
    return RedCells(corrected, np.sqrt(_ENDS**2 + change**2 + doubt**2), length)


def _gaps(phases: NDArray[np.float64]) -> tuple[float, float]:
    """Mean and standard deviation of the gaps: of the phases, dark or bright, that vary more."""
    best = (math.inf, 0.0)
    for number, total, squares in phases:
        if number >= 2:
            mean = total / number
            spread = math.sqrt(max(squares / number - mean**2, 0.0))
            best = max(best, (mean, spread), key=lambda pair: pair[1])
    return best
