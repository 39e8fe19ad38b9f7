"""Speeds of the parts of a moving pattern, by array operations; see the compiled function."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

__all__ = ["compare_parts"]


def compare_parts(
    lines: NDArray[np.float32],
    state: NDArray[np.int8],
    step: int,
    num_columns: int,
    part_px: int,
    speed: NDArray[np.float64],
    found: NDArray[np.float64],
) -> None:
    """Compare the speeds of the parts of each window's pattern."""
    for window, v in enumerate(speed):
        top = window * step
        found[window] = math.nan
        if not math.isnan(v):
            kept = np.flatnonzero(state[top : top + 4 * step] == 0)
            time = kept.astype(np.float64) - 0.5 * (4 * step - 1)
            found[window] = _compare(lines[top + kept], time, num_columns, part_px, v, 2 * step)


def _compare(
    lines: NDArray[np.float32],
    time: NDArray[np.float64],
    num_columns: int,
    part_px: int,
    v: float,
    half: int,
) -> tuple[float, float, float]:
    missing = (math.nan, math.nan, math.nan)
    reach = math.ceil(abs(v) * (half - 0.5)) + 1
    size = num_columns + 2 * reach
    whole = np.ceil(-v * time)
    part = (whole + v * time)[:, np.newaxis]
    low = (whole + reach).astype(np.int64)
    value = (1 - part) * lines[:, : num_columns - 1] + part * lines[:, 1:num_columns]
    at = (low[:, np.newaxis] + np.arange(num_columns - 1)).ravel()
    level = np.bincount(at, value.ravel(), size)
    moment = np.bincount(at, (time[:, np.newaxis] * value).ravel(), size)
    count, first, square = (
        np.cumsum(
            np.bincount(low, power, size + num_columns)[:size]
            - np.bincount(low + num_columns - 1, power, size + num_columns)[:size]
        )
        for power in (np.ones(time.size), time, time**2)
    )
    filled = count > 0.5
    inner = np.flatnonzero(filled[:-2] & filled[1:-1] & filled[2:]) + 1
    if not inner.size:
        return missing
    count = np.maximum(count, 1.0)
    mean = level / count
    slope = 0.5 * (mean[inner + 1] - mean[inner - 1])
    late = (first / count)[inner]
    excess = -slope * (moment[inner] - late * level[inner])
    weight = slope**2 * (square[inner] - late * first[inner])
    label = inner // part_px
    totals, weights = np.bincount(label, excess), np.bincount(label, weight)
    all_weights = float(weights.sum())
    if not all_weights > 0:
        return missing
    faster = float(totals.sum()) / all_weights
    spread = math.sqrt(float(np.sum((totals - weights * faster) ** 2))) / all_weights
    return faster, spread, all_weights**2 / float(np.sum(weights**2))
