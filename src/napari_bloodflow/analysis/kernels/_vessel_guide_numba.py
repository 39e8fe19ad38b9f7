"""Inner loops of the guide of the guided edge kernel, compiled.

Imported only when a measurement starts: importing numba takes half a second. All loops release the
GIL.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import numpy as np

from napari_bloodflow.analysis.kernels._compile import compiled_exactly

if TYPE_CHECKING:
    from numpy.typing import NDArray

__all__ = [
    "append_zone",
    "brightness_inside",
    "combine_blocks",
    "find_guide",
    "median_of",
    "running_median",
    "smooth_rows",
]

_GAP_PX = 6  # a dip this narrow, as of a cell, does not part a vessel
_SHADOW_LIGHT = 0.2  # of the contrast is left under a cell; between two vessels there is none
_SHADOW_DEPTH = 0.1  # of the contrast: more than noise makes of an average of some rows
_INSIDE_PX = 6.0


@compiled_exactly
def median_of(values: NDArray[np.float64], num: int) -> float:
    """Return the median of the first `num` values, which are reordered.

    Selection that moves every value, so that nothing is to be foretold about noise.
    """
    low, high = 0, num
    k = num // 2
    while high - low > 1:
        middle = (low + high) // 2
        first, pivot, last = values[low], values[middle], values[high - 1]
        pivot = max(min(first, pivot), min(max(first, pivot), last))
        part = low
        for i in range(low, high):
            value = values[i]
            values[i] = values[part]
            values[part] = value
            part += value < pivot
        if k < part:
            high = part
            continue
        if part == low:  # the pivot is the least: take all of its kind away
            for i in range(low, high):
                value = values[i]
                values[i] = values[part]
                values[part] = value
                part += value <= pivot
            if k < part:
                break
        low = part
    middle_value = float(values[k])
    if num % 2:
        return middle_value
    below = values[0]
    for i in range(1, k):
        below = max(below, values[i])
    return float(0.5 * (below + middle_value))


@compiled_exactly
def append_zone(
    values: NDArray[np.float64], start: float, stop: float, buffer: NDArray[np.float64], num: int
) -> int:
    """Append the pixels from `start` to `stop` to a buffer; return how many it then holds."""
    for x in range(max(0, math.ceil(start)), min(values.size - 1, math.floor(stop)) + 1):
        buffer[num] = values[x]
        num += 1
    return num


@compiled_exactly
def smooth_rows(
    rows: NDArray[np.float64], weights: NDArray[np.float64], smooth: NDArray[np.float64]
) -> None:
    """Smooth each row by a symmetric kernel; the outermost pixels are continued outwards.

    Parameters
    ----------
    rows, smooth : ndarray of float64, shape (n, position)
        Read and written.
    weights : ndarray of float64, shape (radius + 1,)
        Kernel from its centre outwards.
    """
    num_columns = rows.shape[1]
    radius = weights.size - 1
    padded = np.empty(num_columns + 2 * radius)
    for i in range(rows.shape[0]):
        padded[:radius] = rows[i, 0]
        padded[radius : radius + num_columns] = rows[i]
        padded[radius + num_columns :] = rows[i, num_columns - 1]
        out = smooth[i]
        out[:] = rows[i] * weights[0]
        for k in range(1, radius + 1):
            before = padded[radius - k : radius - k + num_columns]
            after = padded[radius + k : radius + k + num_columns]
            weight = weights[k]
            for j in range(num_columns):
                out[j] += (before[j] + after[j]) * weight


@compiled_exactly
def combine_blocks(
    blocks: NDArray[np.float64], first: int, half: int, combined: NDArray[np.float64]
) -> None:
    """Take the third brightest of neighbouring blocks, pixel by pixel; NaN where all are missing.

    Of five that is the median. It is the second brightest where that is clearly brighter: cells
    darken a vessel, at times in most of five blocks.

    Parameters
    ----------
    blocks : ndarray of float64, shape (blocks, position)
        Block means.
    first : int
        Block that the first result is centred on.
    half : int
        Neighbours on each side.
    combined : ndarray of float64, shape (n, position)
        Written.
    """
    brightest, third = np.empty(blocks.shape[1]), np.empty(blocks.shape[1])
    for i in range(combined.shape[0]):
        second = combined[i]
        brightest[:] = -np.inf
        second[:] = -np.inf
        third[:] = -np.inf
        start, stop = max(0, first + i - half), min(blocks.shape[0], first + i + half + 1)
        for k in range(start, stop):
            values = blocks[k]
            for x in range(values.size):
                value = -np.inf if math.isnan(values[x]) else values[x]
                third[x] = max(third[x], min(second[x], value))
                second[x] = max(second[x], min(brightest[x], value))
                brightest[x] = max(brightest[x], value)
        for x in range(second.size):
            if second[x] == -np.inf:
                second[x] = brightest[x] if brightest[x] > -np.inf else np.nan
        if stop - start > 3:
            clearly = _SHADOW_DEPTH * (np.nanmax(second) - np.nanmin(second))
            for x in range(second.size):
                if third[x] > -np.inf and second[x] - third[x] < clearly:
                    second[x] = third[x]


@compiled_exactly
def brightness_inside(
    values: NDArray[np.float64], edge: float, inward: int, middle: float, sigma_px: float
) -> float:
    """Average the pixels just inside an edge, up to the middle; NaN where there are too few."""
    if math.isnan(edge):
        return np.nan
    near = edge + inward * sigma_px
    far = near + inward * _INSIDE_PX
    if inward > 0:
        start, stop = math.ceil(near), math.floor(min(far, middle))
    else:
        start, stop = math.ceil(max(far, middle)), math.floor(near)
    start, stop = max(0, start), min(values.size - 1, stop)
    if stop - start < 2:
        return np.nan
    total = 0.0
    for x in range(start, stop + 1):
        total += values[x]
    return total / (stop - start + 1)


@compiled_exactly
def find_guide(
    blocks: NDArray[np.float64],
    darkest: NDArray[np.float64],
    sigma_px: float,
    guide: NDArray[np.float64],
) -> None:
    """Find the vessel in smooth profiles: the largest part above half way.

    Parameters
    ----------
    blocks : ndarray of float64, shape (blocks, position)
        Profiles averaged over many rows and smoothed; NaN in those that lack pixels.
    darkest : ndarray of float64, shape (blocks,)
        Mean of the darkest quarter of each.
    sigma_px : float
        Blur of an edge.
    guide : ndarray of float64, shape (blocks, 6)
        Written: left and right edge in pixels (NaN where the vessel touches the border), intensity
        outside and inside, and just inside the left and the right edge; all NaN where there is
        nothing brighter than its surroundings.
    """
    num_columns = blocks.shape[1]
    buffer = np.empty(2 * num_columns)
    for i in range(blocks.shape[0]):
        values = blocks[i]
        guide[i] = np.nan
        low, high = darkest[i], values[0]
        for x in range(1, num_columns):
            high = max(high, values[x])
        for _ in range(3):
            if not high > low:
                break
            level = low + 0.5 * (high - low)
            best_area = 0.0
            best_start = best_stop = -1
            start = stop = -1
            area = 0.0
            dim = low + _SHADOW_LIGHT * (high - low)
            was_dark = False
            for x in range(num_columns):
                if values[x] < level:
                    was_dark |= values[x] < dim
                    continue
                is_parted = x - stop > _GAP_PX + 1 and was_dark
                was_dark = False
                if start < 0 or is_parted:
                    start = x
                    area = 0.0
                stop = x
                area += values[x] - level
                if area > best_area:
                    best_area, best_start, best_stop = area, start, stop
            if best_start < 0:
                break
            left = right = np.nan
            inner_left, inner_right = 0.0, num_columns - 1.0
            num = 0
            if best_start > 0:
                before = values[best_start - 1]
                left = best_start - 1 + (level - before) / (values[best_start] - before)
                inner_left = left + 1.5 * sigma_px
                num = append_zone(
                    values, left - 2 * sigma_px - 25, left - 2 * sigma_px, buffer, num
                )
            if best_stop < num_columns - 1:
                after = values[best_stop + 1]
                right = best_stop + (values[best_stop] - level) / (values[best_stop] - after)
                inner_right = right - 1.5 * sigma_px
                num = append_zone(
                    values, right + 2 * sigma_px, right + 2 * sigma_px + 25, buffer, num
                )
            guide[i, 0], guide[i, 1] = left, right
            if num >= 4:
                low = median_of(buffer, num)
            num = append_zone(values, inner_left, inner_right, buffer, 0)
            if num >= 5:
                high = median_of(buffer, num)
            guide[i, 2], guide[i, 3] = low, high
        left, right = guide[i, 0], guide[i, 1]
        first = 0.0 if math.isnan(left) else left
        last = num_columns - 1.0 if math.isnan(right) else right
        middle = 0.5 * (first + last)
        guide[i, 4] = brightness_inside(values, left, 1, middle, sigma_px)
        guide[i, 5] = brightness_inside(values, right, -1, middle, sigma_px)


@compiled_exactly
def running_median(values: NDArray[np.float64], half: int, medians: NDArray[np.float64]) -> None:
    """Median of the finite values up to `half` places away; NaN where there is none."""
    size = values.size
    kept = np.empty(2 * half + 2)
    num = 0
    for i in range(-half, size):
        entering, leaving = i + half, i - half - 1
        if leaving >= 0 and not math.isnan(values[leaving]):
            k = np.searchsorted(kept[:num], values[leaving])
            for j in range(k, num - 1):
                kept[j] = kept[j + 1]
            num -= 1
        if entering < size and not math.isnan(values[entering]):
            k = np.searchsorted(kept[:num], values[entering])
            for j in range(num, k, -1):
                kept[j] = kept[j - 1]
            kept[k] = values[entering]
            num += 1
        if i >= 0:
            medians[i] = 0.5 * (kept[(num - 1) // 2] + kept[num // 2]) if num else np.nan
