"""Lines made ready for the lag correlation, compiled: sums for the background, smoothed lines."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numba
import numpy as np

from napari_bloodflow.analysis.kernels._compile import compiled
from napari_bloodflow.analysis.kernels._lag_plan import LEAST_ERROR, TOO_LARGE

if TYPE_CHECKING:
    from numpy.typing import NDArray

__all__ = ["block_sums", "prepare_lines", "record_sums"]

_GOOD, _CONSTANT, _NOT_FINITE = 0, 1, 2


@compiled
def _line_state(line: NDArray[np.float32]) -> int:
    varies = False
    finite = True
    for x in range(line.size):
        varies |= line[x] != line[0]
        finite &= abs(line[x]) < np.float32(TOO_LARGE)
    if not finite:
        return _NOT_FINITE
    return _GOOD if varies else _CONSTANT


@numba.njit(nogil=True, cache=True, fastmath={"contract", "reassoc"})
def _sum(line: NDArray[np.float32]) -> float:
    total = 0.0
    for x in range(line.size):
        total += line[x]
    return total


@compiled
def record_sums(
    lines: NDArray[np.float32],
    width: int,
    column: NDArray[np.float64],
    deviation: NDArray[np.float64],
    squares: NDArray[np.float64],
    total: NDArray[np.float64],
) -> None:
    """Add up the good lines, for the background and what remains without it.

    Parameters
    ----------
    lines : ndarray of float32, shape (lines, columns)
        Some lines of the record.
    width : int
        Lines per stretch.
    column : ndarray of float64, shape (columns,)
        Written: weighted sums of the pixels. The weight of a stretch is the inverse of the squared
        deviation of its mean from that of all these lines: where cells rest or creep, the mean is
        their picture and not the background.
    deviation : ndarray of float64, shape (columns,)
        Written: sums of the pixels minus their line's mean.
    squares : ndarray of float64, shape (columns,)
        Written: sums of the squares of these deviations.
    total : ndarray of float64, shape (7,)
        Written: number of good lines; sums of products of deviations
        one and two pixels apart; sum of the weights of the lines; sum of the means of the lines;
        number of pairs of consecutive good lines; sum over these of the change of the first third's
        mean times that of the last third's.
    """
    num_lines, num_columns = lines.shape
    stretches = (num_lines + width - 1) // width
    column[:] = 0.0
    deviation[:] = 0.0
    squares[:] = 0.0
    total[:] = 0.0
    away = np.zeros(num_columns + 2)
    products = np.zeros((2, num_columns))
    part_count = np.zeros(stretches)
    part_column = np.zeros((stretches, num_columns))
    part_deviation = np.zeros((stretches, num_columns))
    third = max(1, num_columns // 3)
    previous = -1
    left = right = 0.0
    for t in range(num_lines):
        if _line_state(lines[t]) != _GOOD:
            continue
        part = t // width
        part_count[part] += 1.0
        mean = _sum(lines[t]) / num_columns
        total[4] += mean
        left_now = _sum(lines[t, :third]) / third
        right_now = _sum(lines[t, num_columns - third :]) / third
        if previous == t - 1 and t > 0:
            total[5] += 1.0
            total[6] += (left_now - left) * (right_now - right)
        previous = t
        left, right = left_now, right_now
        for x in range(num_columns):
            away[x] = lines[t, x] - mean
        for x in range(num_columns):
            part_column[part, x] += lines[t, x]
        for x in range(num_columns):
            part_deviation[part, x] += away[x]
        for x in range(num_columns):
            squares[x] += away[x] * away[x]
        for x in range(num_columns):
            products[0, x] += away[x] * away[x + 1]
        for x in range(num_columns):
            products[1, x] += away[x] * away[x + 2]
    total[0] = part_count.sum()
    total[1] = products[0].sum()
    total[2] = products[1].sum()
    if total[0] == 0.0:
        return
    for part in range(stretches):
        for x in range(num_columns):
            deviation[x] += part_deviation[part, x]
    variance = 0.0
    for x in range(num_columns):
        variance += squares[x] / total[0] - (deviation[x] / total[0]) ** 2
    for part in range(stretches):
        if part_count[part] == 0.0:
            continue
        error = 0.0
        for x in range(num_columns):
            error += (part_deviation[part, x] / part_count[part] - deviation[x] / total[0]) ** 2
        weight = 1.0
        if variance > 0.0:
            weight = variance / (error + LEAST_ERROR * variance)
        for x in range(num_columns):
            column[x] += weight * part_column[part, x]
        total[3] += weight * part_count[part]


@compiled
def block_sums(
    lines: NDArray[np.float32],
    step: int,
    column: NDArray[np.float64],
    count: NDArray[np.float64],
) -> None:
    """Add up the good lines of each block.

    Parameters
    ----------
    lines : ndarray of float32, shape (blocks * step, columns)
        Lines.
    step : int
        Lines per block.
    column : ndarray of float64, shape (blocks, columns)
        Written: sums of the pixels.
    count : ndarray of float64, shape (blocks,)
        Written: number of good lines.
    """
    column[:] = 0.0
    count[:] = 0.0
    for block in range(count.size):
        for t in range(block * step, (block + 1) * step):
            if _line_state(lines[t]) != _GOOD:
                continue
            count[block] += 1.0
            for x in range(lines.shape[1]):
                column[block, x] += lines[t, x]


@compiled
def prepare_lines(
    lines: NDArray[np.float32],
    step: int,
    background: NDArray[np.float32],
    scale: float,
    level_lines: bool,
    kernel: NDArray[np.float32],
    excess: NDArray[np.float32],
    padded: NDArray[np.float32],
    early: NDArray[np.float32],
    late: NDArray[np.float32],
    early_sq: NDArray[np.float32],
    late_sq: NDArray[np.float32],
    state: NDArray[np.int8],
) -> None:
    """Take the background away, divide by the scale, smooth along the line, add up.

    Lines that are constant or not finite become 0, the background.

    Parameters
    ----------
    lines : ndarray of float32, shape (lines, columns)
        Lines of the chunk, as recorded.
    step : int
        Lines per row of the background.
    background : ndarray of float32, shape (1 or blocks, columns)
        What to subtract; one row for all, or one per block.
    scale : float
        Brightness that becomes 1.
    level_lines : bool
        Whether to take away the mean of each line as well.
    kernel : ndarray of float32, shape (odd, columns)
        Smoothing weights of the pixels around each pixel, see `smoothing_weights`.
    excess : ndarray of float32, shape (columns,)
        Energy to leave out of the sums of squares, see `excess_noise`.
    padded : ndarray of float32, shape (>= lines, >= columns)
        Written in the first columns of the good lines; the rest must be 0, here and in the sums.
    early, late, early_sq, late_sq : ndarray of float32, shape (>= lines, displacements)
        Written: sums of the result, and of its squares, over the pixels of the line that overlap
        with a line displaced from it, later or earlier. Displacement 0 is in the middle.
    state : ndarray of int8, shape (lines,)
        Written: 0 good, 1 constant, 2 not finite or beyond 1e30.
    """
    num_columns = lines.shape[1]
    radius = kernel.shape[0] // 2
    wide = np.zeros(num_columns + 2 * radius, np.float32)
    smooth = np.empty(num_columns, np.float32)
    running = np.empty(num_columns + 1, np.float32)
    running_sq = np.empty(num_columns + 1, np.float32)
    factor = np.float32(1.0 / scale)
    for t in range(lines.shape[0]):
        state[t] = _line_state(lines[t])
        if state[t] != _GOOD:
            continue
        row = min(t // step, background.shape[0] - 1)
        for x in range(num_columns):
            wide[radius + x] = (lines[t, x] - background[row, x]) * factor
        if level_lines:
            mean = np.float32(_sum(wide) / num_columns)
            for x in range(num_columns):
                wide[radius + x] -= mean
        smooth[:] = 0.0
        for i in range(kernel.shape[0]):
            shifted = wide[i : i + num_columns]
            for x in range(num_columns):
                smooth[x] += kernel[i, x] * shifted[x]
        running[0] = 0.0
        running_sq[0] = 0.0
        for x in range(num_columns):
            padded[t, x] = smooth[x]
            running[x + 1] = running[x] + smooth[x]
            running_sq[x + 1] = running_sq[x] + (smooth[x] * smooth[x] - excess[x])
        _sum_overlaps(running, early[t], late[t])
        _sum_overlaps(running_sq, early_sq[t], late_sq[t])


@compiled
def _sum_overlaps(
    running: NDArray[np.float32], early: NDArray[np.float32], late: NDArray[np.float32]
) -> None:
    """Write the sums over what overlaps, from the running sum; see `prepare_lines`."""
    last = running.size - 1
    middle = early.size // 2
    for d in range(middle + 1):
        late[middle + d] = running[last] - running[d]
    cut = running[last - middle :]
    for d in range(middle):
        late[d] = cut[d]
    for d in range(early.size):
        early[d] = late[early.size - 1 - d]
