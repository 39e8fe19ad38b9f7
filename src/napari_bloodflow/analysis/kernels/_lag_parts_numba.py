"""Speeds of the parts of a moving pattern, compiled: how far cells of one window agree."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import numpy as np

from napari_bloodflow.analysis.kernels._compile import compiled

if TYPE_CHECKING:
    from numpy.typing import NDArray

__all__ = ["compare_parts"]


@compiled
def _add_line(
    line: NDArray[np.float32],
    left: np.float32,
    right: np.float32,
    time: np.float32,
    level: NDArray[np.float32],
    moment: NDArray[np.float32],
) -> None:
    """Add a line, interpolated, and its product with the time."""
    for x in range(level.size):
        value = left * line[x] + right * line[x + 1]
        level[x] += value
        moment[x] += time * value


@compiled
def compare_parts(
    lines: NDArray[np.float32],
    state: NDArray[np.int8],
    step: int,
    num_columns: int,
    part_px: int,
    speed: NDArray[np.float64],
    found: NDArray[np.float64],
) -> None:
    """Compare the speeds of the parts of each window's pattern.

    Lines are moved back by the speed, so that the pattern stands still at its own positions ``u``.
    Where its brightness there falls or rises with time, it moves faster or slower than the speed:
    by least squares, per part of ``part_px`` positions.

    Parameters
    ----------
    lines : ndarray of float32, shape (>= lines, >= columns)
        Lines without background, smoothed.
    state : ndarray of int8, shape (lines,)
        Lines that are not 0 are left out.
    step : int
        Lines per block; a window has four.
    num_columns : int
        Pixels per line.
    part_px : int
        Size of a part.
    speed : ndarray of float64, shape (windows,)
        Displacement in px/line, NaN for none.
    found : ndarray of float64, shape (windows, 3)
        Written: by how much the pattern as a whole is faster, px/line; the standard deviation of
        that, from how far the parts disagree; the effective number of parts. NaN without a speed,
        or where nothing varies.
    """
    width = 4 * step
    middle = 0.5 * (width - 1)
    fastest = 0.0
    for window in range(speed.size):
        if abs(speed[window]) > fastest:
            fastest = abs(speed[window])
    longest = num_columns + 2 * math.ceil(fastest * middle) + 4
    level = np.empty(longest, np.float32)
    moment = np.empty(longest, np.float32)
    mean = np.empty(longest)
    count = np.empty(longest)
    first = np.empty(longest)
    square = np.empty(longest)
    change = np.empty(longest)
    excess = np.empty(longest // part_px + 1)
    weight = np.empty(longest // part_px + 1)
    for window in range(speed.size):
        found[window] = math.nan
        v = speed[window]
        if math.isnan(v):
            continue
        reach = math.ceil(abs(v) * middle) + 1
        size = num_columns + 2 * reach
        level[:size] = 0.0
        moment[:size] = 0.0
        count[:size] = 0.0
        first[:size] = 0.0
        square[:size] = 0.0
        for i in range(width):
            t = window * step + i
            if state[t] != 0:
                continue
            time = i - middle
            moved = v * time
            whole = math.ceil(-moved)
            low = whole + reach
            right = np.float32(whole + moved)
            left = np.float32(1.0) - right
            high = low + num_columns - 1
            _add_line(lines[t], left, right, np.float32(time), level[low:high], moment[low:high])
            # Differences along the pattern; they are added up below.
            count[low] += 1.0
            count[low + num_columns - 1] -= 1.0
            first[low] += time
            first[low + num_columns - 1] -= time
            square[low] += time * time
            square[low + num_columns - 1] -= time * time
        for u in range(1, size):
            count[u] += count[u - 1]
            first[u] += first[u - 1]
            square[u] += square[u - 1]
        for u in range(size):
            share = 1.0 / max(count[u], 1.0)
            mean[u] = level[u] * share
            late = first[u] * share
            # What changes with time, and the sum of squares of the times.
            change[u] = moment[u] - late * level[u]
            square[u] -= late * first[u]
        num_parts = size // part_px + 1
        for i in range(num_parts):
            sum_excess = sum_weight = 0.0
            for u in range(max(i * part_px, 1), min((i + 1) * part_px, size - 1)):
                if count[u - 1] > 0.5 and count[u] > 0.5 and count[u + 1] > 0.5:
                    slope = 0.5 * (mean[u + 1] - mean[u - 1])
                    sum_excess -= slope * change[u]
                    sum_weight += slope * slope * square[u]
            excess[i] = sum_excess
            weight[i] = sum_weight
        total = weights = weights_sq = spread = 0.0
        for i in range(num_parts):
            total += excess[i]
            weights += weight[i]
            weights_sq += weight[i] * weight[i]
        if not weights > 0.0:
            continue
        for i in range(num_parts):
            away = excess[i] - weight[i] * total / weights
            spread += away * away
        found[window, 0] = total / weights
        found[window, 1] = math.sqrt(spread) / weights
        found[window, 2] = weights * weights / weights_sq
