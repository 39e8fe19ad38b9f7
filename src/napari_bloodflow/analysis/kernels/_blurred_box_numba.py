"""A blurred box beside the profile of a vessel, compiled.

Imported only when a measurement starts: importing numba takes half a second. All loops release the
GIL.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import numpy as np

from napari_bloodflow.analysis.kernels._compile import compiled_exactly
from napari_bloodflow.analysis.kernels._edge_shadows_numba import EDGE_REACH, rise, steepness

if TYPE_CHECKING:
    from numpy.typing import NDArray

__all__ = ["compare_box", "fit_box"]

_SQRT2 = math.sqrt(2.0)
_SQRT_2PI = math.sqrt(2.0 * math.pi)
_RESIDUAL_PX = 6.0
_MAX_STEPS = 12
_MAX_STEP_PX = 3.0


@compiled_exactly
def compare_box(
    values: NDArray[np.float64],
    left: float,
    right: float,
    low: float,
    high: float,
    sigma: float,
    rest_in_shadow: NDArray[np.float64],
    found: NDArray[np.float64],
) -> None:
    """Compare a profile with a blurred box within some pixels of its edges.

    Written to `found`: the root mean square departure, and the noise that remains when each edge is
    given an offset, a height and a place of its own, which leaves a sloping background out. Where
    `rest_in_shadow` has a mean square departure for an edge, that counts instead.
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
        if not math.isnan(rest_in_shadow[side]):
            squares += rest_in_shadow[side] * count
            num += count
            continue
        sum_r = sum_p = sum_q = sum_rp = sum_rq = sum_pp = sum_pq = sum_qq = sum_rr = 0.0
        for x in range(start, stop + 1):
            part = rise((x - left) / sigma) - rise((x - right) / sigma)
            slope = steepness((x - edge) / sigma)
            r = values[x] - low - (high - low) * part
            sum_r += r
            sum_p += part
            sum_q += slope
            sum_rp += r * part
            sum_rq += r * slope
            sum_pp += part * part
            sum_pq += part * slope
            sum_qq += slope * slope
            sum_rr += r * r
        squares += sum_rr
        num += count
        if count > 5:
            pp = sum_pp - sum_p * sum_p / count
            pq = sum_pq - sum_p * sum_q / count
            qq = sum_qq - sum_q * sum_q / count
            rp = sum_rp - sum_r * sum_p / count
            rq = sum_rq - sum_r * sum_q / count
            rest = sum_rr - sum_r * sum_r / count
            det = pp * qq - pq * pq
            if det > 1e-6 * pp * qq:
                rest -= (qq * rp * rp - 2.0 * pq * rp * rq + pp * rq * rq) / det
                noise += max(rest, 0.0)
                freedom += count - 3
    found[0] = math.sqrt(squares / num) if num else np.nan
    found[1] = np.nan
    if freedom > 2:
        found[1] = math.sqrt(noise / freedom)
    elif not math.isnan(rest_in_shadow[0] + rest_in_shadow[1]):
        found[1] = 0.0


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
def fit_box(
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
    start = max(0, math.ceil(fitted[0] - EDGE_REACH * sigma))
    stop = min(values.size - 1, math.floor(fitted[1] + EDGE_REACH * sigma))
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
            if abs(u) < EDGE_REACH:
                part += 0.5 * math.erf(u / _SQRT2)
                d_left = -new_size * scale * math.exp(-0.5 * u * u)
            else:
                part += 0.5 if u > 0 else -0.5
            if abs(v) < EDGE_REACH:
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
