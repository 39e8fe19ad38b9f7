"""Inner loops of the guided edge kernel, compiled.

Imported only when a measurement starts: importing numba takes half a second. All loops release the
GIL.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import numpy as np

from napari_bloodflow.analysis.kernels._blurred_box_numba import compare_box, fit_box
from napari_bloodflow.analysis.kernels._compile import compiled_exactly
from napari_bloodflow.analysis.kernels._edge_shadows_numba import measure_in_shadow
from napari_bloodflow.analysis.kernels._vessel_guide_numba import (
    append_zone,
    brightness_inside,
    median_of,
)

if TYPE_CHECKING:
    from numpy.typing import NDArray

__all__ = ["find_edges", "find_walls"]

_OUTSIDE_PX = 20.0

# A cell is suspected where this part of the contrast, and so many standard deviations, are missing.
_SHADOW_DEPTH = 0.08
_SHADOW_SDS = 3.5
_NEIGHBOURHOOD_PX = 6.0
_FORGOTTEN = 0.01  # of what is known of the spread about the guide, with every row
_LEAST_SPREAD = 0.16  # px squared


@compiled_exactly
def smoothed_at(values: NDArray[np.float64], weights: NDArray[np.float64], x: int) -> float:
    total = values[x] * weights[0]
    last = values.size - 1
    radius = weights.size - 1
    if radius <= x <= last - radius:
        for k in range(1, radius + 1):
            total += (values[x - k] + values[x + k]) * weights[k]
    else:
        for k in range(1, radius + 1):
            total += (values[max(0, x - k)] + values[min(last, x + k)]) * weights[k]
    return float(total)


@compiled_exactly
def _noise_outside(values: NDArray[np.float64], start: float, stop: float) -> float:
    """Half the mean square difference of neighbouring pixels: the noise, on a slope as well."""
    first, last = max(0, math.ceil(start)), min(values.size - 1, math.floor(stop))
    if last - first < 3:
        return np.nan
    total = 0.0
    for x in range(first, last):
        total += (values[x + 1] - values[x]) ** 2
    return 0.5 * total / (last - first)


@compiled_exactly
def _median_between(
    values: NDArray[np.float64],
    start: float,
    stop: float,
    fewest: int,
    otherwise: float,
    buffer: NDArray[np.float64],
) -> float:
    num = append_zone(values, start, stop, buffer, 0)
    return median_of(buffer, num) if num >= fewest else otherwise


@compiled_exactly
def _brightness(
    values: NDArray[np.float64],
    guide: NDArray[np.float64],
    sigma_px: float,
    low: float,
    high: float,
    variance: float,
    num_inside: int,
) -> float:
    """Return the brightness inside, which a cell in the middle may have darkened.

    Where the median inside is lower than usual, that beside either edge may still be as usual. A
    row that is darker as a whole, as in dim light, is so there too.
    """
    size = guide[3] - guide[2]
    if not high < low + size - 3.0 * 1.25 * math.sqrt(variance / num_inside):
        return high
    middle = 0.5 * (guide[0] + guide[1])
    part = (high - low) / size
    for side in range(2):
        inward = -1 if side else 1
        here = brightness_inside(values, guide[side], inward, middle, sigma_px)
        part = max(part, (here - low) / (guide[4 + side] - guide[2]))
    return float(low + min(part, 1.0) * size)


@compiled_exactly
def _crossing(
    values: NDArray[np.float64],
    weights: NDArray[np.float64],
    level: float,
    begin: int,
    end: int,
    found: NDArray[np.float64],
) -> bool:
    """Go from pixel `begin` to `end` until the smoothed profile rises through a level.

    Written to `found`: the place, and the rise from one pixel to the next.
    """
    step = 1 if end > begin else -1
    outer = smoothed_at(values, weights, begin)
    for x in range(begin, end, step):
        inner = smoothed_at(values, weights, x + step)
        if inner >= level > outer:
            found[0] = x + step * (level - outer) / (inner - outer)
            found[1] = inner - outer
            return True
        outer = inner
    return False


@compiled_exactly
def _is_shadowed(
    values: NDArray[np.float64],
    guide: NDArray[np.float64],
    side: int,
    sigma_px: float,
    middle: float,
    low: float,
    size: float,
    variance: float,
) -> bool:
    """Tell whether the lumen beside an edge is darker than usual though the vessel has not moved.

    A vessel that has moved away from here is bright beyond where its other edge was.
    """
    inward = -1 if side else 1
    usual = (guide[4 + side] - guide[2]) * size / (guide[3] - guide[2])
    here = brightness_inside(values, guide[side], inward, middle, sigma_px) - low
    sd = math.sqrt(variance / _NEIGHBOURHOOD_PX)
    if not here < usual - max(_SHADOW_DEPTH * size, _SHADOW_SDS * sd):
        return False
    other = guide[1 - side]
    if math.isnan(other):
        return True
    near = other + inward * 2.0 * sigma_px
    far = near + inward * _NEIGHBOURHOOD_PX
    start, stop = max(0, math.ceil(min(near, far))), math.floor(max(near, far))
    beyond = values[start : stop + 1]
    if beyond.size == 0:
        return True
    sd = math.sqrt(variance / beyond.size)
    return bool(beyond.mean() < low + max(0.1 * size, 4.0 * sd))


@compiled_exactly
def find_edges(
    profile: NDArray[np.float64],
    guide: NDArray[np.float64],
    weights: NDArray[np.float64],
    sigma_px: float,
    per_side: bool,
    refine: bool,
    spread: NDArray[np.float64],
    edges: NDArray[np.float64],
    is_dim: NDArray[np.bool_],
) -> None:
    """Find the edges of each profile near those of the guide, between pixels.

    Parameters
    ----------
    profile : ndarray of float64, shape (n, position)
        Profiles, vessel bright; NaN where pixels are missing.
    guide : ndarray of float64, shape (n, 6)
        As of `find_guide`, for each profile.
    weights : ndarray of float64, shape (radius + 1,)
        Smoothing kernel from its centre outwards.
    sigma_px : float
        Blur of an edge.
    per_side : bool
        Half way is taken for each edge from its own surroundings.
    refine : bool
        Fit a blurred box.
    spread : ndarray of float64, shape (2,)
        Mean square distance of the left and the right edge from the guide; brought up to date.
    edges : ndarray of float64, shape (n, 10)
        Written: left, right, intensity outside and inside, gradient at the left and the right edge,
        departure from a blurred box and noise near the edges, both over the contrast; variance of
        the edges found in shadows, and how many there are. NaN where there is none.
    is_dim : ndarray of bool, shape (n,)
        Written: the contrast is less than half of the guide's, which was used instead.
    """
    num_columns = profile.shape[1]
    reach = max(5.0, 3.0 * sigma_px)
    gap = 2.0 * sigma_px
    buffer = np.empty(2 * num_columns + 4)
    normal, damped = np.empty((4, 4)), np.empty((4, 4))
    slope, step, fitted = np.empty(4), np.empty(4), np.empty(4)
    found, shadow = np.empty(2), np.empty(3)
    low, high, rest_in_shadow = np.empty(2), np.empty(2), np.empty(2)
    for i in range(profile.shape[0]):
        values, here = profile[i], guide[i]
        edges[i] = np.nan
        is_dim[i] = False
        left, right = here[0], here[1]
        usual_size = here[3] - here[2]
        if not usual_size > 0:
            continue
        inner_left = 0.0 if math.isnan(left) else left + 1.5 * sigma_px
        inner_right = num_columns - 1.0 if math.isnan(right) else right - 1.5 * sigma_px
        middle = 0.5 * (inner_left + inner_right)
        far_left, near_left = left - gap - _OUTSIDE_PX, left - gap
        near_right, far_right = right + gap, right + gap + _OUTSIDE_PX
        variance = math.nan
        if not math.isnan(left):
            variance = _noise_outside(values, far_left, near_left)
        if math.isnan(variance) and not math.isnan(right):
            variance = _noise_outside(values, near_right, far_right)
        if math.isnan(variance):
            variance = 0.0

        low[:] = here[2]
        high[:] = here[3]
        if per_side:
            if not math.isnan(left):
                low[0] = _median_between(values, far_left, near_left, 4, here[2], buffer)
            if not math.isnan(right):
                low[1] = _median_between(values, near_right, far_right, 4, here[2], buffer)
            high[0] = _median_between(values, inner_left, middle, 3, here[3], buffer)
            high[1] = _median_between(values, middle, inner_right, 3, here[3], buffer)
        else:
            num = 0
            if not math.isnan(left):
                num = append_zone(values, far_left, near_left, buffer, num)
            if not math.isnan(right):
                num = append_zone(values, near_right, far_right, buffer, num)
            if num >= 4:
                low[:] = median_of(buffer, num)
            num = append_zone(values, inner_left, inner_right, buffer, 0)
            if num >= 5:
                bright = median_of(buffer, num)
                high[:] = _brightness(values, here, sigma_px, low[0], bright, variance, num)
        for side in range(2):
            if high[side] - low[side] < 0.5 * usual_size:
                high[side] = low[side] + usual_size
                is_dim[i] = True
        mean_low, mean_high = 0.5 * (low[0] + low[1]), 0.5 * (high[0] + high[1])
        size = mean_high - mean_low

        num_shadowed = 0
        rest_in_shadow[:] = np.nan
        edges[i, 8] = 0.0
        for side in range(2):
            guess = here[side]
            if math.isnan(guess):
                continue
            inward = -1 if side else 1
            level = 0.5 * (low[side] + high[side])
            begin = max(0, math.ceil(guess - reach) - 1)
            end = min(num_columns - 1, math.floor(guess + reach) + 1)
            if side:
                begin, end = end, begin
            if _crossing(values, weights, level, begin, end, found):
                edges[i, side], edges[i, 4 + side] = found[0], found[1]
            if not _is_shadowed(values, here, side, sigma_px, middle, mean_low, size, variance):
                if not math.isnan(edges[i, side]):
                    square = min((edges[i, side] - guess) ** 2, 9.0 * spread[side])
                    spread[side] += _FORGOTTEN * (square - spread[side])
                    spread[side] = max(spread[side], _LEAST_SPREAD)
                continue
            crossing = edges[i, side]
            if math.isnan(crossing) and (middle - end) * inward > 0:
                is_farther = _crossing(values, weights, level, end, int(middle), found)
                crossing = found[0] if is_farther else math.nan
            if measure_in_shadow(
                values,
                guess,
                spread[side],
                crossing,
                inward,
                middle,
                low[side],
                size,
                sigma_px,
                variance,
                shadow,
            ):
                edges[i, side] = shadow[0]
                edges[i, 8] += shadow[1]
                rest_in_shadow[side] = shadow[2]
                num_shadowed += 1
        edges[i, 9] = num_shadowed
        edges[i, 2], edges[i, 3] = mean_low, mean_high
        left, right = edges[i, 0], edges[i, 1]
        if math.isnan(left) or math.isnan(right):
            continue
        if right <= left:
            edges[i, 0] = edges[i, 1] = np.nan
            continue
        if refine and not is_dim[i] and num_shadowed == 0:
            fitted[0], fitted[1], fitted[2], fitted[3] = left, right, mean_low, mean_high
            is_fit = fit_box(values, sigma_px, fitted, normal, damped, slope, step)
            if is_fit and abs(fitted[0] - left) < 2.0 and abs(fitted[1] - right) < 2.0:
                left, right, mean_low, mean_high = fitted[0], fitted[1], fitted[2], fitted[3]
                edges[i, :4] = fitted
                size = mean_high - mean_low
        compare_box(values, left, right, mean_low, mean_high, sigma_px, rest_in_shadow, found)
        edges[i, 6], edges[i, 7] = found[0] / size, found[1] / size


@compiled_exactly
def find_walls(smooth: NDArray[np.float64], center_px: float, edges: NDArray[np.float64]) -> None:
    """Find the brightest pixel on each side of a place, and the top of the parabola through it.

    Parameters
    ----------
    smooth : ndarray of float64, shape (n, position)
        Smoothed profiles.
    center_px : float
        A place inside the vessel.
    edges : ndarray of float64, shape (n, 10)
        Written as by `find_edges`; the gradient is the height of the wall over the middle.
    """
    num_columns = smooth.shape[1]
    center = min(max(int(center_px + 0.5), 0), num_columns - 1)
    for i in range(smooth.shape[0]):
        values = smooth[i]
        edges[i] = np.nan
        lowest = values.min()
        for side in range(2):
            begin, end = (center, num_columns) if side else (0, center + 1)
            top = begin
            for x in range(begin, end):
                if values[x] > values[top]:
                    top = x
            if top <= begin or top >= end - 1:
                continue
            before, peak, after = values[top - 1], values[top], values[top + 1]
            bend = before - 2.0 * peak + after
            if bend < 0:
                edges[i, side] = top + 0.5 * (before - after) / bend
                edges[i, 4 + side] = peak - values[center]
        edges[i, 2] = lowest
        edges[i, 3] = values.max()
