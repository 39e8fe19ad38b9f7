"""Inner loops of the guided edge kernel, compiled.

Imported only when a measurement starts: importing numba takes half a second. All loops release the
GIL.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import numpy as np
from scipy.special import ndtr

from napari_bloodflow.analysis.kernels._compile import compiled_exactly

if TYPE_CHECKING:
    from numpy.typing import NDArray

__all__ = [
    "find_edges",
    "find_guide",
    "find_walls",
    "median_blocks",
    "running_median",
    "smooth_rows",
]

_SQRT2 = math.sqrt(2.0)
_SQRT_2PI = math.sqrt(2.0 * math.pi)
_GAP_PX = 6  # a dip this narrow, as of a cell, does not part a vessel
_OUTSIDE_PX = 20.0
_RESIDUAL_PX = 6.0
_REACH = 6.0  # beyond so many sigmas an edge is flat
_PER_SIGMA = 64
_RISE = ndtr(np.arange(-_REACH, _REACH + 0.5 / _PER_SIGMA, 1.0 / _PER_SIGMA))
_MAX_STEPS = 12
_MAX_STEP_PX = 3.0


@compiled_exactly
def _median(values: NDArray[np.float64], num: int) -> float:
    """Median of the first `num` values, which are reordered (Hoare's selection)."""
    low, high = 0, num - 1
    k = num // 2
    while low < high:
        pivot = values[(low + high) // 2]
        i, j = low, high
        while i <= j:
            while values[i] < pivot:
                i += 1
            while values[j] > pivot:
                j -= 1
            if i <= j:
                values[i], values[j] = values[j], values[i]
                i += 1
                j -= 1
        if k <= j:
            high = j
        elif k >= i:
            low = i
        else:
            break
    middle = float(values[k])
    if num % 2:
        return middle
    below = values[0]
    for i in range(1, k):
        below = max(below, values[i])
    return float(0.5 * (below + middle))


@compiled_exactly
def _zone(
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
def median_blocks(
    blocks: NDArray[np.float64], first: int, half: int, medians: NDArray[np.float64]
) -> None:
    """Take the median over neighbouring blocks, pixel by pixel; NaN where all are missing.

    Parameters
    ----------
    blocks : ndarray of float64, shape (blocks, position)
        Block means.
    first : int
        Block that the first median is centred on.
    half : int
        Neighbours on each side.
    medians : ndarray of float64, shape (n, position)
        Written.
    """
    kept = np.empty(2 * half + 1)
    for i in range(medians.shape[0]):
        start, stop = max(0, first + i - half), min(blocks.shape[0], first + i + half + 1)
        for x in range(blocks.shape[1]):
            num = 0
            for k in range(start, stop):
                value = blocks[k, x]
                if math.isnan(value):
                    continue
                j = num
                while j > 0 and kept[j - 1] > value:
                    kept[j] = kept[j - 1]
                    j -= 1
                kept[j] = value
                num += 1
            medians[i, x] = 0.5 * (kept[(num - 1) // 2] + kept[num // 2]) if num else np.nan


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
    guide : ndarray of float64, shape (blocks, 4)
        Written: left and right edge in pixels (NaN where the vessel touches the border), intensity
        outside and inside; all NaN where there is nothing brighter than its surroundings.
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
            for x in range(num_columns):
                if values[x] < level:
                    continue
                if start < 0 or x - stop > _GAP_PX + 1:
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
                num = _zone(values, left - 2 * sigma_px - 25, left - 2 * sigma_px, buffer, num)
            if best_stop < num_columns - 1:
                after = values[best_stop + 1]
                right = best_stop + (values[best_stop] - level) / (values[best_stop] - after)
                inner_right = right - 1.5 * sigma_px
                num = _zone(values, right + 2 * sigma_px, right + 2 * sigma_px + 25, buffer, num)
            guide[i, 0], guide[i, 1] = left, right
            if num >= 4:
                low = _median(buffer, num)
            num = _zone(values, inner_left, inner_right, buffer, 0)
            if num >= 5:
                high = _median(buffer, num)
            guide[i, 2], guide[i, 3] = low, high


@compiled_exactly
def _rise(u: float) -> float:
    """Interpolate the normal distribution function in a table: exact to 1e-5, and fast."""
    place = (u + _REACH) * _PER_SIGMA
    if place <= 0.0:
        return 0.0
    if place >= _RISE.size - 1:
        return 1.0
    i = int(place)
    return float(_RISE[i] + (place - i) * (_RISE[i + 1] - _RISE[i]))


@compiled_exactly
def _departures(
    values: NDArray[np.float64],
    left: float,
    right: float,
    low: float,
    high: float,
    sigma: float,
    found: NDArray[np.float64],
) -> None:
    """Compare a profile with a blurred box within some pixels of its edges.

    Written to `found`: the root mean square departure, and the noise that remains when each edge is
    given an offset and a height of its own, which leaves a sloping background out.
    """
    middle = 0.5 * (left + right)
    squares = noise = 0.0
    num = freedom = 0
    for side in range(2):
        edge = right if side else left
        start = max(0, math.ceil(edge - _RESIDUAL_PX))
        stop = min(values.size - 1, math.floor(edge + _RESIDUAL_PX))
        if side:
            start = max(start, math.floor(middle) + 1)
        else:
            stop = min(stop, math.floor(middle))
        count = stop - start + 1
        if count < 1:
            continue
        sum_r = sum_p = sum_rp = sum_pp = sum_rr = 0.0
        for x in range(start, stop + 1):
            part = _rise((x - left) / sigma) - _rise((x - right) / sigma)
            r = values[x] - low - (high - low) * part
            sum_r += r
            sum_p += part
            sum_rp += r * part
            sum_pp += part * part
            sum_rr += r * r
        squares += sum_rr
        num += count
        if count > 3:
            spread_p = sum_pp - sum_p * sum_p / count
            together = sum_rp - sum_r * sum_p / count
            rest = sum_rr - sum_r * sum_r / count
            if spread_p > 1e-9:
                rest -= together * together / spread_p
            noise += max(rest, 0.0)
            freedom += count - 2
    found[0] = math.sqrt(squares / num) if num else np.nan
    found[1] = math.sqrt(noise / freedom) if freedom > 2 else np.nan


@compiled_exactly
def _solve(matrix: NDArray[np.float64], rhs: NDArray[np.float64]) -> bool:
    """Solve a positive definite system in place by Cholesky; False if it is not definite."""
    size = rhs.size
    for j in range(size):
        for k in range(j):
            matrix[j, j] -= matrix[j, k] * matrix[j, k]
        if not matrix[j, j] > 0:
            return False
        matrix[j, j] = math.sqrt(matrix[j, j])
        for i in range(j + 1, size):
            for k in range(j):
                matrix[i, j] -= matrix[i, k] * matrix[j, k]
            matrix[i, j] /= matrix[j, j]
    for i in range(size):
        for k in range(i):
            rhs[i] -= matrix[i, k] * rhs[k]
        rhs[i] /= matrix[i, i]
    for i in range(size - 1, -1, -1):
        for k in range(i + 1, size):
            rhs[i] -= matrix[k, i] * rhs[k]
        rhs[i] /= matrix[i, i]
    return True


@compiled_exactly
def _fit(
    values: NDArray[np.float64],
    sigma: float,
    fitted: NDArray[np.float64],
    normal: NDArray[np.float64],
    damped: NDArray[np.float64],
    slope: NDArray[np.float64],
    step: NDArray[np.float64],
) -> bool:
    """Refine left, right, outside and inside intensity by least squares; True if it converged.

    Levenberg-Marquardt on ``b + A (Phi((x - L) / s) - Phi((x - R) / s))`` from 6 s before the left
    to 6 s behind the right edge, with s fixed.
    """
    start = max(0, math.ceil(fitted[0] - _REACH * sigma))
    stop = min(values.size - 1, math.floor(fitted[1] + _REACH * sigma))
    if stop - start < 5:
        return False
    scale = 1.0 / (_SQRT_2PI * sigma)
    left, right, low = fitted[0], fitted[1], fitted[2]
    size = fitted[3] - low
    damping = 1e-3
    old_cost = np.inf
    new_left, new_right, new_low, new_size = left, right, low, size
    for _ in range(_MAX_STEPS):
        normal[:] = 0.0
        slope[:] = 0.0
        cost = 0.0
        for x in range(start, stop + 1):
            u = (x - new_left) / sigma
            v = (x - new_right) / sigma
            part = 0.0
            d_left = d_right = 0.0
            if abs(u) < _REACH:
                part += 0.5 * math.erf(u / _SQRT2)
                d_left = -new_size * scale * math.exp(-0.5 * u * u)
            else:
                part += 0.5 if u > 0 else -0.5
            if abs(v) < _REACH:
                part -= 0.5 * math.erf(v / _SQRT2)
                d_right = new_size * scale * math.exp(-0.5 * v * v)
            else:
                part -= 0.5 if v > 0 else -0.5
            r = values[x] - new_low - new_size * part
            cost += r * r
            normal[0, 0] += d_left * d_left
            normal[1, 0] += d_right * d_left
            normal[1, 1] += d_right * d_right
            normal[2, 0] += d_left
            normal[2, 1] += d_right
            normal[3, 0] += part * d_left
            normal[3, 1] += part * d_right
            normal[3, 2] += part
            normal[3, 3] += part * part
            slope[0] += r * d_left
            slope[1] += r * d_right
            slope[2] += r
            slope[3] += r * part
        normal[2, 2] = stop - start + 1
        if cost <= old_cost:
            left, right, low, size = new_left, new_right, new_low, new_size
            damped[:] = normal
            step[:] = slope
            old_cost = cost
            damping *= 0.2
        else:
            damping *= 40.0  # divided by five again when the old place is looked at once more
            new_left, new_right, new_low, new_size = left, right, low, size
            continue
        for k in range(4):
            damped[k, k] *= 1.0 + damping
        if not _solve(damped, step):
            return False
        d_l = min(max(step[0], -_MAX_STEP_PX), _MAX_STEP_PX)
        d_r = min(max(step[1], -_MAX_STEP_PX), _MAX_STEP_PX)
        new_left, new_right = left + d_l, right + d_r
        new_low, new_size = low + step[2], size + step[3]
        if abs(d_l) + abs(d_r) < 1e-3:
            if not (new_right > new_left and new_size > 0):
                return False
            fitted[0], fitted[1] = new_left, new_right
            fitted[2], fitted[3] = new_low, new_low + new_size
            return True
    return False


@compiled_exactly
def _smoothed(values: NDArray[np.float64], weights: NDArray[np.float64], x: int) -> float:
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
def find_edges(
    profile: NDArray[np.float64],
    guide: NDArray[np.float64],
    weights: NDArray[np.float64],
    sigma_px: float,
    per_side: bool,
    refine: bool,
    edges: NDArray[np.float64],
    is_dim: NDArray[np.bool_],
) -> None:
    """Find the edges of each profile near those of the guide, between pixels.

    Parameters
    ----------
    profile : ndarray of float64, shape (n, position)
        Profiles, vessel bright; NaN where pixels are missing.
    guide : ndarray of float64, shape (n, 4)
        As of `find_guide`, for each profile.
    weights : ndarray of float64, shape (radius + 1,)
        Smoothing kernel from its centre outwards.
    sigma_px : float
        Blur of an edge.
    per_side : bool
        Half way is taken for each edge from its own surroundings.
    refine : bool
        Fit a blurred box.
    edges : ndarray of float64, shape (n, 8)
        Written: left, right, intensity outside and inside, gradient at the left and the right edge,
        departure from a blurred box and noise near the edges, both over the contrast. NaN where
        there is none.
    is_dim : ndarray of bool, shape (n,)
        Written: the contrast is less than half of the guide's, which was used instead.
    """
    num_columns = profile.shape[1]
    reach = max(5.0, 3.0 * sigma_px)
    buffer = np.empty(2 * num_columns + 4)
    normal, damped = np.empty((4, 4)), np.empty((4, 4))
    slope, step, fitted = np.empty(4), np.empty(4), np.empty(4)
    found = np.empty(2)
    for i in range(profile.shape[0]):
        values = profile[i]
        edges[i] = np.nan
        is_dim[i] = False
        guess_left, guess_right = guide[i, 0], guide[i, 1]
        guess_size = guide[i, 3] - guide[i, 2]
        if not guess_size > 0:
            continue
        has_left, has_right = not math.isnan(guess_left), not math.isnan(guess_right)
        inner_left = guess_left + 1.5 * sigma_px if has_left else 0.0
        inner_right = guess_right - 1.5 * sigma_px if has_right else num_columns - 1.0
        gap = 2.0 * sigma_px
        middle = 0.5 * (inner_left + inner_right)

        low_left = low_right = guide[i, 2]
        high_left = high_right = guide[i, 3]
        if per_side:
            num = 0
            if has_left:
                num = _zone(values, guess_left - gap - _OUTSIDE_PX, guess_left - gap, buffer, 0)
            if num >= 4:
                low_left = _median(buffer, num)
            num = 0
            if has_right:
                num = _zone(values, guess_right + gap, guess_right + gap + _OUTSIDE_PX, buffer, 0)
            if num >= 4:
                low_right = _median(buffer, num)
            num = _zone(values, inner_left, middle, buffer, 0)
            if num >= 3:
                high_left = _median(buffer, num)
            num = _zone(values, middle, inner_right, buffer, 0)
            if num >= 3:
                high_right = _median(buffer, num)
        else:
            num = 0
            if has_left:
                num = _zone(values, guess_left - gap - _OUTSIDE_PX, guess_left - gap, buffer, num)
            if has_right:
                num = _zone(values, guess_right + gap, guess_right + gap + _OUTSIDE_PX, buffer, num)
            if num >= 4:
                low_left = low_right = _median(buffer, num)
            num = _zone(values, inner_left, inner_right, buffer, 0)
            if num >= 5:
                high_left = high_right = _median(buffer, num)
        if high_left - low_left < 0.5 * guess_size:
            high_left = low_left + guess_size
            is_dim[i] = True
        if high_right - low_right < 0.5 * guess_size:
            high_right = low_right + guess_size
            is_dim[i] = True

        for side in range(2):
            guess = guess_right if side else guess_left
            if math.isnan(guess):
                continue
            outward = 1 if side else -1
            low = low_right if side else low_left
            high = high_right if side else high_left
            level = low + 0.5 * (high - low)
            begin = max(0, math.ceil(guess - reach) - 1)
            end = min(num_columns - 1, math.floor(guess + reach) + 1)
            x = end if side else begin
            stop = begin if side else end
            outer = _smoothed(values, weights, x)
            while x != stop:
                inner = _smoothed(values, weights, x - outward)
                if inner >= level > outer:
                    edges[i, side] = x - outward * (level - outer) / (inner - outer)
                    edges[i, 4 + side] = inner - outer
                    break
                outer = inner
                x -= outward
        low, high = 0.5 * (low_left + low_right), 0.5 * (high_left + high_right)
        edges[i, 2], edges[i, 3] = low, high
        left, right = edges[i, 0], edges[i, 1]
        if math.isnan(left) or math.isnan(right):
            continue
        if right <= left:
            edges[i, 0] = edges[i, 1] = np.nan
            continue
        if refine and not is_dim[i]:
            fitted[0], fitted[1], fitted[2], fitted[3] = left, right, low, high
            is_fit = _fit(values, sigma_px, fitted, normal, damped, slope, step)
            if is_fit and abs(fitted[0] - left) < 2.0 and abs(fitted[1] - right) < 2.0:
                left, right, low, high = fitted[0], fitted[1], fitted[2], fitted[3]
                edges[i, 0], edges[i, 1], edges[i, 2], edges[i, 3] = left, right, low, high
        _departures(values, left, right, low, high, sigma_px, found)
        edges[i, 6], edges[i, 7] = found[0] / (high - low), found[1] / (high - low)


@compiled_exactly
def find_walls(smooth: NDArray[np.float64], center_px: float, edges: NDArray[np.float64]) -> None:
    """Find the brightest pixel on each side of a place, and the top of the parabola through it.

    Parameters
    ----------
    smooth : ndarray of float64, shape (n, position)
        Smoothed profiles.
    center_px : float
        A place inside the vessel.
    edges : ndarray of float64, shape (n, 8)
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
