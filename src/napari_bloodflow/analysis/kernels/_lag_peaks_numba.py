"""Peaks of the lag correlation, compiled: search on the grid of speeds, refinement.

Windows go through the search `LANES` at a time. The number is known to the compiler, so every
window goes through the same vector instructions, whatever its neighbours are.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import numpy as np

from napari_bloodflow.analysis.kernels._compile import compiled
from napari_bloodflow.analysis.kernels._lag_plan import (
    DETECTION_KAPPA,
    HALO,
    NEWTON_STEPS,
    SAMPLES,
)

if TYPE_CHECKING:
    from numpy.typing import NDArray

__all__ = ["LANES", "refine_peaks", "search_peaks"]

# Compilers leave divisions as they are, and they are slow.
_SIXTH = 1.0 / 6.0

LANES = 16
"""Windows that go through the search together."""


@compiled
def search_peaks(
    correlation: NDArray[np.float32],
    energy: NDArray[np.float32],
    node_start: NDArray[np.int64],
    node_stop: NDArray[np.int64],
    node_index: NDArray[np.int32],
    node_weight: NDArray[np.float32],
    allowed: NDArray[np.bool_],
    apart: int,
    best: NDArray[np.int64],
    second: NDArray[np.float64],
    snr: NDArray[np.float64],
) -> None:
    """Find the node of the speed grid where the correlation coefficient is largest.

    Parameters
    ----------
    correlation, energy : ndarray of float32, shape (windows, lags, displacements)
        From `energy_tables`; the number of windows is a multiple of `LANES`.
    node_start, node_stop, node_index, node_weight : ndarray
        See `LagPlan`.
    allowed : ndarray of bool, shape (nodes,)
        Nodes among which to search.
    apart : int
        Nodes between the peak and the second one.
    best : ndarray of int64, shape (windows,)
        Written: node of the peak, -1 if there is none.
    second : ndarray of float64, shape (windows,)
        Written: largest coefficient farther away, over all nodes.
    snr : ndarray of float64, shape (windows,)
        Written: standard deviation of the projection along the peak over its mean over all nodes.
    """
    num_windows, num_lags = correlation.shape[0], energy.shape[1]
    num_d = energy.shape[2]
    num_nodes = allowed.size
    both = 2 * LANES
    middle = num_d // 2
    row = np.zeros((middle + 2, both), np.float32)
    total = np.empty((num_nodes, both), np.float32)
    value = np.empty(num_nodes)
    for group in range(0, num_windows, LANES):
        total[:] = 0.0
        for lag in range(num_lags):
            # One direction after the other: a row of both would not fit the fastest memory.
            for side in range(2):
                low = middle if side else 1
                high = num_d - 1 if side else middle + 2
                for lane in range(LANES):
                    window = group + lane
                    for d in range(low, high):
                        row[d - low, lane] = correlation[window, lag, d]
                    for d in range(low, high):
                        row[d - low, LANES + lane] = energy[window, lag, d]
                start = num_nodes // 2 if side else node_start[lag]
                stop = node_stop[lag] if side else num_nodes // 2
                for node in range(start, stop):
                    d = node_index[lag, node] - low
                    w0 = node_weight[lag, node, 0]
                    w1 = node_weight[lag, node, 1]
                    for lane in range(both):
                        total[node, lane] += w0 * row[d, lane] + w1 * row[d + 1, lane]
        for lane in range(LANES):
            window = group + lane
            still = total[num_nodes // 2, LANES + lane]
            highest = -math.inf
            best[window] = -1
            spread = 0.0
            for node in range(num_nodes):
                value[node] = total[node, lane] / (
                    total[node, LANES + lane] + np.float32(DETECTION_KAPPA) * still
                )
                spread += math.sqrt(max(0.0, 1.0 + num_lags * value[node]))
                if allowed[node] and value[node] > highest:
                    highest = value[node]
                    best[window] = node
            other = -1.0
            for node in range(num_nodes):
                if abs(node - best[window]) > apart and value[node] > other:
                    other = value[node]
            second[window] = other
            peak = math.sqrt(max(0.0, 1.0 + num_lags * highest))
            snr[window] = peak * num_nodes / max(spread, 1e-12)


@compiled
def _spline_weight(tap: int, f: float, g: float) -> float:
    """Weight of one of the four elements around a place, `f` past the second, `g` = 1 - `f`."""
    if tap == 0:
        return g * g * g * _SIXTH
    if tap == 1:
        return (4.0 - 6.0 * f * f + 3.0 * f * f * f) * _SIXTH
    if tap == 2:
        return (4.0 - 6.0 * g * g + 3.0 * g * g * g) * _SIXTH
    return f * f * f * _SIXTH


@compiled
def _value(
    correlation: NDArray[np.float32],
    energy: NDArray[np.float32],
    reach: int,
    taper_px: float,
    min_overlap: int,
    speed: float,
) -> float:
    """Mean product less mean energy of one window at a speed; see `_difference`."""
    num_lags = energy.shape[0]
    total = pixels = 0.0
    for i in range(num_lags):
        d = speed * (i + 1.0)
        q = (reach - abs(d)) / taper_px
        if q <= 0.0:
            break
        weight = q * q * (3.0 - 2.0 * q) if q < 1.0 else 1.0
        below = math.floor(d)
        f = d - below
        g = 1.0 - f
        j = int(below) + reach + HALO - 1
        c = count = 0.0
        for tap in range(4):
            share = _spline_weight(tap, f, g)
            c += share * (np.float64(correlation[i, j + tap]) - np.float64(energy[i, j + tap]))
            count += share * (reach + min_overlap - abs(j + tap - reach - HALO))
        total += weight * c
        pixels += weight * count * (num_lags - i)
    return total / pixels if pixels > 0.0 else 0.0


@compiled
def _difference(
    correlation: NDArray[np.float32],
    energy: NDArray[np.float32],
    reach: int,
    taper_px: float,
    min_overlap: int,
    speed: float,
) -> tuple[float, float, float, float, float]:
    """Mean product less mean energy of one window at a speed, and two derivatives.

    This is minus half the mean squared difference of lines that are displaced by the speed. Also
    given are the mean product and the mean energy.
    """
    num_lags = energy.shape[0]
    a0 = a1 = a2 = b0 = b1 = b2 = c0 = 0.0
    for i in range(num_lags):
        lag = i + 1.0
        d = speed * lag
        q = (reach - abs(d)) / taper_px
        if q <= 0.0:
            break
        w0, w1, w2 = 1.0, 0.0, 0.0
        if q < 1.0:
            slope = -1.0 if d > 0.0 else 1.0
            w0 = q * q * (3.0 - 2.0 * q)
            w1 = slope * 6.0 * q * (1.0 - q) / taper_px
            w2 = (6.0 - 12.0 * q) / (taper_px * taper_px)
        below = math.floor(d)
        f = d - below
        g = 1.0 - f
        j = int(below) + reach + HALO - 1
        c = dc = ddc = count = dcount = ddcount = product = 0.0
        for tap in range(4):
            s0 = _spline_weight(tap, f, g)
            if tap == 0:
                s1, s2 = -0.5 * g * g, g
            elif tap == 1:
                s1, s2 = 0.5 * (3.0 * f * f - 4.0 * f), 3.0 * f - 2.0
            elif tap == 2:
                s1, s2 = 0.5 * (4.0 * g - 3.0 * g * g), 3.0 * g - 2.0
            else:
                s1, s2 = 0.5 * f * f, f
            value = np.float64(correlation[i, j + tap])
            product += s0 * value
            value -= np.float64(energy[i, j + tap])
            c += s0 * value
            dc += s1 * value
            ddc += s2 * value
            overlap = reach + min_overlap - abs(j + tap - reach - HALO)
            count += s0 * overlap
            dcount += s1 * overlap
            ddcount += s2 * overlap
        lines = num_lags + 1.0 - lag
        count *= lines
        dcount *= lines
        ddcount *= lines
        c0 += w0 * product
        a0 += w0 * c
        a1 += lag * (w1 * c + w0 * dc)
        a2 += lag * lag * (w2 * c + 2.0 * w1 * dc + w0 * ddc)
        b0 += w0 * count
        b1 += lag * (w1 * count + w0 * dcount)
        b2 += lag * lag * (w2 * count + 2.0 * w1 * dcount + w0 * ddcount)
    if b0 <= 0.0:
        return 0.0, 0.0, 0.0, 0.0, 0.0
    r0 = a0 / b0
    r1 = (a1 - r0 * b1) / b0
    r2 = (a2 - 2.0 * r1 * b1 - r0 * b2) / b0
    return r0, r1, r2, c0 / b0, (c0 - a0) / b0


@compiled
def _decay(
    correlation: NDArray[np.float32], energy: NDArray[np.float32], reach: int, speed: float
) -> float:
    """Coefficient at the short third of the usable lags, less that at the long third.

    Noise lowers all lags alike; cells of different speed, and speed that changes, the long ones.
    """
    num_lags = energy.shape[0]
    usable = num_lags
    if abs(speed) * num_lags >= reach:
        usable = int(reach / abs(speed))
    third = usable // 3
    if third < 1:
        return 0.0
    c_short = e_short = c_long = e_long = 0.0
    for i in range(third):
        for far in range(2):
            lag = usable - i if far else i + 1
            d = round(speed * lag) + reach + HALO
            c = correlation[lag - 1, d]
            if far:
                c_long += c
                e_long += energy[lag - 1, d]
            else:
                c_short += c
                e_short += energy[lag - 1, d]
    return c_short / max(e_short, 1e-12) - c_long / max(e_long, 1e-12)


@compiled
def refine_peaks(
    correlation: NDArray[np.float32],
    energy: NDArray[np.float32],
    reach: int,
    taper_px: float,
    min_overlap: int,
    speed: NDArray[np.float64],
    best: NDArray[np.int64],
    peak: NDArray[np.float64],
) -> None:
    """Find the maximum of the correlation coefficient near a node, between the nodes.

    Parameters
    ----------
    correlation, energy : ndarray of float32, shape (windows, lags, displacements)
        From `energy_tables`.
    reach, taper_px, min_overlap : int, float, int
        See `LagPlan`.
    speed : ndarray of float64, shape (nodes,)
        Grid of speeds.
    best : ndarray of int64, shape (n,)
        Nodes of the first ``n`` windows.
    peak : ndarray of float64, shape (n, 5)
        Written: speed, coefficient, second derivative, energy of the overlaps there, decay (see
        `_decay`). The speed is NaN if there is no maximum between the ends of the grid.
    """
    for window in range(best.size):
        peak[window, 0] = math.nan
        peak[window, 1:] = 0.0
        node = best[window]
        if node < 0:
            continue
        c, e = correlation[window], energy[window]
        right = speed[min(node + 1, speed.size - 1)] - speed[node]
        left = speed[node] - speed[max(node - 1, 0)]
        h = max(left, right) / SAMPLES
        v = speed[node] - SAMPLES * h
        top, top_v = -math.inf, v
        for i in range(2 * SAMPLES + 1):
            r = _value(c, e, reach, taper_px, min_overlap, v + i * h)
            if r > top:
                top, top_v = r, v + i * h
        for direction in (-1.0, 1.0):
            # At most two nodes further than the samples above.
            for _ in range(2 * SAMPLES):
                r = _value(c, e, reach, taper_px, min_overlap, top_v + direction * h)
                if r <= top:
                    break
                top, top_v = r, top_v + direction * h
        v = top_v
        _, r1, r2, c0, b0 = _difference(c, e, reach, taper_px, min_overlap, v)
        for _ in range(NEWTON_STEPS):
            if r2 >= 0.0:
                break
            following = min(max(v - r1 / r2, top_v - h), top_v + h)
            moved = abs(following - v)
            v = following
            _, r1, r2, c0, b0 = _difference(c, e, reach, taper_px, min_overlap, v)
            if moved < 1e-5 * h:
                break
        if abs(v) > speed[-1]:
            continue
        peak[window, 0] = v
        peak[window, 1] = c0 / b0
        peak[window, 2] = r2 / b0
        peak[window, 3] = b0
        peak[window, 4] = _decay(c, e, reach, v)
