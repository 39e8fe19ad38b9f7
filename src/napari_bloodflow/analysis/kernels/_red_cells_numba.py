"""Counting of red cells in windows, compiled; see `red_cells`."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import numpy as np

from napari_bloodflow.analysis.kernels._compile import compiled

if TYPE_CHECKING:
    from numpy.typing import NDArray

__all__ = ["count_cells"]

# Profiles longer than this are of cells that show on less than one line each.
_LONGEST = 2**16


@compiled
def _take_background(
    lines: NDArray[np.float32],
    background: NDArray[np.float32],
    level_lines: bool,
    is_good: NDArray[np.bool_],
) -> None:
    """Take the background away in place, and tell which lines are not constant."""
    num_columns = lines.shape[1]
    for t in range(lines.shape[0]):
        line = lines[t]
        first = line[0]
        varies = False
        for x in range(num_columns):
            varies |= line[x] != first
        is_good[t] = varies
        mean = np.float32(0.0)
        for x in range(num_columns):
            line[x] -= background[x]
        if level_lines:
            for x in range(num_columns):
                mean += line[x]
            mean /= num_columns
            for x in range(num_columns):
                line[x] -= mean


@compiled
def _shear_back(
    lines: NDArray[np.float32],
    is_good: NDArray[np.bool_],
    top: int,
    width: int,
    displacement: float,
    total: NDArray[np.float32],
    number: NDArray[np.float32],
) -> int:
    """Add up the lines of a window along its slope; return the length written.

    `total` gets the sums, `number` the numbers of pixels in them.
    """
    num_columns = lines.shape[1]
    span = math.ceil(abs(displacement) * (width - 1))
    size: int = num_columns + span + 1
    total[:size] = 0.0
    number[: size + 1] = 0.0
    start = span if displacement > 0 else 0
    for t in range(width):
        if not is_good[top + t]:
            continue
        at = start + int(np.rint(-displacement * t))
        line = lines[top + t]
        part = total[at : at + num_columns]
        for x in range(num_columns):
            part[x] += line[x]
        number[at] += 1.0
        number[at + num_columns] -= 1.0
    for i in range(1, size):
        number[i] += number[i - 1]
    return size


@compiled
def _smooth(
    values: NDArray[np.float32], first: int, last: int, half: int, spare: NDArray[np.float32]
) -> None:
    """Replace each value by the mean of those up to `half` away."""
    running = 0.0
    number = 0
    for i in range(first, min(first + half, last)):
        running += values[i]
        number += 1
    for i in range(first, last):
        if i + half < last:
            running += values[i + half]
            number += 1
        if i - half > first:
            running -= values[i - half - 1]
            number -= 1
        spare[i] = running / number
    values[first:last] = spare[first:last]


@compiled
def _count_swings(
    profile: NDArray[np.float32],
    threshold: NDArray[np.float32],
    factor: float,
    first: int,
    last: int,
    phases: NDArray[np.float64],
) -> int:
    """Count the falls and rises larger than a threshold times a factor.

    `phases` gets, for what follows falls and for what follows rises and ends with a swing: their
    number, the sum of their lengths and of its square.
    """
    phases[:] = 0.0
    swings = 0
    state = 0
    since = first
    lowest = highest = profile[first]
    for i in range(first, last):
        value = profile[i]
        least = factor * threshold[i]
        falls = rises = False
        if state >= 0:
            highest = max(highest, value)
            falls = value < highest - least
        if state <= 0:
            lowest = min(lowest, value)
            rises = value > lowest + least
        if falls or rises:
            if state != 0:
                phase = phases[0] if state < 0 else phases[1]
                phase[0] += 1.0
                phase[1] += i - since
                phase[2] += (i - since) ** 2
            state = -1 if falls else 1
            swings += 1
            since = i
            lowest = highest = value
    return swings


@compiled
def count_cells(
    lines: NDArray[np.float32],
    top: NDArray[np.int64],
    width: int,
    displacement_px: NDArray[np.float64],
    background: NDArray[np.float32],
    level_lines: bool,
    noise_sd: float,
    half: int,
    least: float,
    noise_factor: float,
    most: float,
    count: NDArray[np.float64],
) -> None:
    """Count the cells of windows.

    Parameters
    ----------
    lines : ndarray of float32, shape (lines, columns)
        Lines as recorded; changed in place.
    top : ndarray of int64, shape (windows,)
        First line of each window.
    width : int
        Lines per window.
    displacement_px : ndarray of float64, shape (windows,)
        Slope in px/line; NaN in windows not to count.
    background : ndarray of float32, shape (columns,)
        What stands still.
    level_lines : bool
        Whether to take away the mean of each line as well.
    noise_sd : float
        Standard deviation of the noise of one pixel.
    half : int
        Half of the width of the box that smooths twice.
    least, noise_factor : float
        A swing is at least so large, and so many times the noise.
    most : float
        Largest threshold at which cells are counted.
    count : ndarray of float64, shape (windows, 10)
        Written where cells can be counted: their number; half the difference of their numbers at
        thresholds 0.7 and 1.4 times as large; the length in px that they are counted on; the mean
        threshold; then of the dark and of the bright phases their number, the sum of their lengths
        and that of its squares.
    """
    num_columns = lines.shape[1]
    box = 2 * half + 1
    # What is left of the noise's variance when independent values are smoothed twice.
    left = (2.0 * box * box + 1.0) / (3.0 * box**3)
    # The longest profile whose noise allows it, if the lines are spread evenly over it.
    longest = width * num_columns
    if noise_sd > 0.0:
        ratio = most / (noise_factor * noise_sd)
        longest = int(min(float(longest), ratio * ratio * longest / left))
    longest = min(longest, _LONGEST)
    total, number, threshold, spare = np.empty((4, longest + 2), np.float32)
    phases = np.empty((2, 3))
    is_good = np.empty(lines.shape[0], np.bool_)
    _take_background(lines, background, level_lines, is_good)
    for k in range(top.size):
        if not np.isfinite(displacement_px[k]):
            continue
        span = math.ceil(abs(displacement_px[k]) * (width - 1))
        if num_columns + span > longest:
            continue
        per_pixel = width * num_columns / (num_columns + span)
        size = _shear_back(lines, is_good, top[k], width, displacement_px[k], total, number)
        fewest = max(0.5 * per_pixel, 1.0)
        first, last = 0, size
        while first < size and number[first] < fewest:
            first += 1
        while last > first and number[last - 1] < fewest:
            last -= 1
        if last - first < num_columns // 2:
            continue
        mean = 0.0
        noise = noise_factor * noise_sd * math.sqrt(left)
        for i in range(first, last):
            if number[i] < 0.5:  # lost lines; the first and the last have pixels
                total[i] = total[i - 1]
                threshold[i] = threshold[i - 1]
            else:
                total[i] /= number[i]
                threshold[i] = max(least, noise / math.sqrt(number[i]))
            mean += threshold[i] / (last - first)
        if mean > most:
            continue
        _smooth(total, first, last, half, spare)
        _smooth(total, first, last, half, spare)
        low = _count_swings(total, threshold, 0.7, first, last, phases)
        high = _count_swings(total, threshold, 1.4, first, last, phases)
        swings = _count_swings(total, threshold, 1.0, first, last, phases)
        count[k, 0] = 0.5 * swings
        count[k, 1] = 0.25 * (low - high)
        count[k, 2] = last - first
        count[k, 3] = mean
        for i in range(3):
            count[k, 4 + i] = phases[0, i]
            count[k, 7 + i] = phases[1, i]
