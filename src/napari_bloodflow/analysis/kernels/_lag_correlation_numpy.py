"""Lag correlation of windows by array operations, for machines that cannot compile.

The same functions as the compiled engine, with the same arguments and, to rounding, the same
results.
"""

from __future__ import annotations

from functools import lru_cache
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
from scipy.fft import fft, irfft, next_fast_len, rfft
from scipy.sparse import csr_array

from napari_bloodflow.analysis.kernels._lag_parts_numpy import compare_parts
from napari_bloodflow.analysis.kernels._lag_plan import (
    DETECTION_KAPPA,
    FLOOR,
    HALO,
    LEAST_ERROR,
    NEWTON_STEPS,
    SAMPLES,
    TOO_LARGE,
    LagPlan,
    RawPeaks,
)

if TYPE_CHECKING:
    from numpy.typing import NDArray

__all__ = ["block_sums", "measure_batch", "record_sums"]


def _line_states(lines: NDArray[np.float32]) -> NDArray[np.int8]:
    with np.errstate(invalid="ignore"):
        finite = (np.abs(lines) < TOO_LARGE).all(axis=1)
        varies = (lines != lines[:, :1]).any(axis=1)
    return np.where(finite, np.where(varies, 0, 1), 2).astype(np.int8)


def record_sums(
    lines: NDArray[np.float32],
    width: int,
    column: NDArray[np.float64],
    deviation: NDArray[np.float64],
    squares: NDArray[np.float64],
    total: NDArray[np.float64],
) -> None:
    """Add up the good lines; see the compiled function."""
    for array in (column, deviation, squares, total):
        array[:] = 0.0
    good = np.flatnonzero(_line_states(lines) == 0)
    if not good.size:
        return
    pixels = lines[good].astype(np.float64)
    means = pixels.mean(axis=1, keepdims=True)
    away = pixels - means
    deviation[:] = away.sum(axis=0)
    squares[:] = np.square(away).sum(axis=0)
    third = max(1, lines.shape[1] // 3)
    change = np.diff(good) == 1
    left = np.diff(pixels[:, :third].mean(axis=1))[change]
    right = np.diff(pixels[:, -third:].mean(axis=1))[change]
    total[0] = good.size
    total[1] = np.sum(away[:, 1:] * away[:, :-1])
    total[2] = np.sum(away[:, 2:] * away[:, :-2])
    total[4] = means.sum()
    total[5] = change.sum()
    total[6] = np.sum(left * right)
    variance = float(np.sum(squares / good.size - np.square(deviation / good.size)))
    for part in np.unique(good // width):
        chosen = good // width == part
        error = np.sum(np.square(away[chosen].mean(axis=0) - deviation / good.size))
        weight = variance / (error + LEAST_ERROR * variance) if variance > 0 else 1.0
        column += weight * pixels[chosen].sum(axis=0)
        total[3] += weight * chosen.sum()


def block_sums(
    lines: NDArray[np.float32],
    step: int,
    column: NDArray[np.float64],
    count: NDArray[np.float64],
) -> None:
    """Add up the good lines of each block; see the compiled function."""
    used = lines[: count.size * step]
    good = _line_states(used) == 0
    kept = np.where(good[:, np.newaxis], used, 0.0).astype(np.float64)
    column[:] = kept.reshape(count.size, step, -1).sum(axis=1)
    count[:] = good.reshape(count.size, step).sum(axis=1)


def measure_batch(
    lines: NDArray[np.float32],
    num_windows: int,
    plan: LagPlan,
    background: NDArray[np.float32],
    scale: float,
    level_lines: bool,
    kernel: NDArray[np.float32],
    excess: NDArray[np.float32],
    allowed: NDArray[np.bool_],
    part_px: int,
) -> RawPeaks:
    """Measure consecutive windows, one block apart; see the compiled function."""
    state = _line_states(lines)
    smooth = _smooth_lines(lines, state, plan, background, scale, level_lines, kernel)
    correlation = _correlations(smooth, num_windows, plan)
    squares = np.where(state[:, np.newaxis] == 0, np.square(smooth) - excess, np.float32(0.0))
    energy = _take_means(correlation, smooth, squares, plan)
    best, second, snr = _search(correlation, energy, plan, allowed)
    peak = _refine(correlation, energy, plan, best)
    v, r, curvature, mean_energy = peak
    decay = _decay(correlation, energy, plan, np.nan_to_num(v))
    parts = np.empty((num_windows, 3))
    compare_parts(smooth, state, plan.step, plan.num_columns, part_px, v, parts)
    faster, deviation, number = parts.T
    return RawPeaks(
        v, r, curvature, mean_energy, decay, second, snr, faster, deviation, number, state
    )


def _smooth_lines(
    lines: NDArray[np.float32],
    state: NDArray[np.int8],
    plan: LagPlan,
    background: NDArray[np.float32],
    scale: float,
    level_lines: bool,
    kernel: NDArray[np.float32],
) -> NDArray[np.float32]:
    row = np.minimum(np.arange(lines.shape[0]) // plan.step, background.shape[0] - 1)
    good = state[:, np.newaxis] == 0
    flat = (np.where(good, lines, 0.0) - np.where(good, background[row], 0.0)) / scale
    if level_lines:
        flat = flat - flat.mean(axis=1, keepdims=True)
    radius = kernel.shape[0] // 2
    wide = np.pad(flat.astype(np.float32), ((0, 0), (radius, radius)))
    smooth = np.zeros(lines.shape, np.float32)
    for i, weight in enumerate(kernel):
        smooth += weight * wide[:, i : i + plan.num_columns]
    return smooth


def _windows(array: NDArray[Any], plan: LagPlan) -> NDArray[Any]:
    """View of all windows, shape (windows, lines, ...)."""
    view = np.lib.stride_tricks.sliding_window_view(array, plan.width, axis=0)
    return np.moveaxis(view[:: plan.step], -1, 1)


def _correlations(
    smooth: NDArray[np.float32], num_windows: int, plan: LagPlan
) -> NDArray[np.float32]:
    transform = rfft(smooth, n=plan.fft_size, axis=1)
    longer = next_fast_len(2 * plan.width)
    series = np.moveaxis(_windows(transform, plan)[:num_windows], 1, 2)
    spectrum = fft(series, n=longer, axis=2)
    power = np.square(spectrum.real) + np.square(spectrum.imag)
    # The power is real, so its inverse transform is the conjugate of its transform.
    lagged = rfft(power, axis=2)[:, :, 1 : plan.width]
    np.conjugate(lagged, out=lagged)
    lagged *= plan.transfer[:, np.newaxis] / np.float32(longer)
    result = irfft(np.moveaxis(lagged, 1, 2), n=plan.fft_size, axis=2)
    return np.ascontiguousarray(result[:, :, : plan.num_displacements], dtype=np.float32)


def _overlaps(
    values: NDArray[np.float32], num_windows: int, plan: LagPlan
) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """Add up what overlaps, of the lines that have a later partner and of these partners."""
    running = np.pad(np.cumsum(values, axis=1, dtype=np.float32), ((0, 0), (1, 0)))
    d = np.arange(plan.reach + HALO + 1)
    heads, tails = running[:, plan.num_columns - d], running[:, -1:] - running[:, d]
    early = np.concatenate([tails[:, :0:-1], heads], axis=1)
    late = np.concatenate([heads[:, :0:-1], tails], axis=1)
    first, other = np.zeros((2, num_windows, plan.num_lags, plan.num_displacements), np.float32)
    # The longest lag first, because each shorter one has one pair more; `cumsum` is slower.
    for lag in range(plan.num_lags, 0, -1):
        longer = min(lag, plan.num_lags - 1)
        start = plan.width - 1 - lag
        np.add(first[:, longer], early[start :: plan.step][:num_windows], out=first[:, lag - 1])
        np.add(other[:, longer], late[lag :: plan.step][:num_windows], out=other[:, lag - 1])
    return first, other


def _take_means(
    correlation: NDArray[np.float32],
    smooth: NDArray[np.float32],
    squares: NDArray[np.float32],
    plan: LagPlan,
) -> NDArray[np.float32]:
    num_windows = correlation.shape[0]
    first, other = _overlaps(smooth, num_windows, plan)
    energy, late_sq = _overlaps(squares, num_windows, plan)
    displacement = np.arange(plan.num_displacements) - plan.reach - HALO
    lag = np.arange(1, plan.width)[:, np.newaxis]
    pixels = ((plan.width - lag) * (plan.num_columns - np.abs(displacement))).astype(np.float32)
    share = 1 / pixels
    # In place: these are the largest arrays here, and making new ones takes most of the time.
    energy += late_sq
    scratch = np.multiply(first, first, out=late_sq)
    scratch += other * other
    scratch *= share
    energy -= scratch
    energy *= np.float32(0.5)
    np.maximum(energy, np.float32(0.0), out=energy)
    energy += np.float32(FLOOR) * pixels
    np.multiply(first, other, out=scratch)
    scratch *= share
    correlation -= scratch
    return energy


@lru_cache(maxsize=4)
def _paths(plan: LagPlan) -> Any:
    """Write the sums along all paths of the speed grid as a matrix, nodes x table."""
    lag, node = np.nonzero(plan.node_weight.any(axis=2))
    at = lag * plan.num_displacements + plan.node_index[lag, node]
    weight = plan.node_weight[lag, node]
    entries: Any = (weight.ravel(), (np.repeat(node, 2), (at[:, np.newaxis] + [0, 1]).ravel()))
    shape: Any = (plan.speed.size, plan.num_lags * plan.num_displacements)
    return csr_array(entries, shape=shape)


def _search(
    correlation: NDArray[np.float32],
    energy: NDArray[np.float32],
    plan: LagPlan,
    allowed: NDArray[np.bool_],
) -> tuple[NDArray[np.int64], NDArray[np.float64], NDArray[np.float64]]:
    num_windows = correlation.shape[0]
    paths = _paths(plan)
    products = paths @ correlation.reshape(num_windows, -1).T
    energies = paths @ energy.reshape(num_windows, -1).T
    ratio = (products / (energies + DETECTION_KAPPA * energies[plan.speed.size // 2])).T
    ratio = ratio.astype(np.float64)
    best = np.where(allowed, ratio, -np.inf).argmax(axis=1)
    apart = np.abs(np.arange(plan.speed.size) - best[:, np.newaxis]) > plan.node_apart
    second = np.where(apart, ratio, -1.0).max(axis=1)
    spread = np.sqrt(np.maximum(0.0, 1.0 + plan.num_lags * ratio))
    snr = np.take_along_axis(spread, best[:, np.newaxis], 1)[:, 0] / spread.mean(axis=1)
    if not allowed.any():
        best[:] = -1
    return best, second, snr


class _Path(NamedTuple):
    """Where the tables are read for a speed per window; arrays of shape (windows, lags).

    `weight` falls to 0 by the argument `q` of the taper where it `bends`; `f` is how far the
    displacement is past element `place` of the table, and `shares` weigh the four around it.
    """

    displacement: NDArray[np.float64]
    weight: NDArray[np.float64]
    bends: NDArray[np.bool_]
    q: NDArray[np.float64]
    f: NDArray[np.float64]
    place: NDArray[np.int64]
    shares: tuple[NDArray[np.float64], ...]


def _path(plan: LagPlan, speed: NDArray[np.float64]) -> _Path:
    d = speed[:, np.newaxis] * np.arange(1, plan.width)
    q = (plan.reach - np.abs(d)) / plan.taper_px
    bends = (q > 0) & (q < 1)
    q = np.clip(q, 0.0, 1.0)
    weight = q * q * (3 - 2 * q)
    below = np.floor(d)
    f = d - below
    g = 1 - f
    place = np.where(weight > 0, below + plan.reach + HALO, 1).astype(np.int64)
    shares = (
        g * g * g / 6,
        2 / 3 - f * f * (1 - 0.5 * f),
        2 / 3 - g * g * (1 - 0.5 * g),
        f * f * f / 6,
    )
    return _Path(d, weight, bends, q, f, place, shares)


def _value(
    correlation: NDArray[np.float32],
    energy: NDArray[np.float32],
    plan: LagPlan,
    speed: NDArray[np.float64],
) -> NDArray[np.float64]:
    """Mean product less mean energy at a speed per window; see `_difference`."""
    window = np.arange(speed.size)[:, np.newaxis]
    lag = np.arange(1, plan.width)
    path = _path(plan, speed)
    c, count = np.zeros((2, *path.f.shape))
    for i, share in enumerate(path.shares):
        at = path.place - 1 + i
        c += share * (correlation[window, lag - 1, at] - energy[window, lag - 1, at])
        count += share * (plan.num_columns - np.abs(at - plan.reach - HALO))
    total = np.maximum(np.sum(path.weight * (plan.width - lag) * count, axis=1), 1e-12)
    return np.asarray(np.sum(path.weight * c, axis=1) / total)


def _difference(
    correlation: NDArray[np.float32],
    energy: NDArray[np.float32],
    plan: LagPlan,
    speed: NDArray[np.float64],
) -> tuple[
    NDArray[np.float64],
    NDArray[np.float64],
    NDArray[np.float64],
    NDArray[np.float64],
    NDArray[np.float64],
]:
    """Mean product less mean energy at a speed per window, two derivatives, and both means."""
    window = np.arange(speed.size)[:, np.newaxis]
    lag = np.arange(1, plan.width)
    d, w0, bends, q, f, place, shares = _path(plan, speed)
    g = 1 - f
    sign = np.where(d > 0, 1.0, -1.0)
    w1 = np.where(bends, -sign * 6 * q * (1 - q) / plan.taper_px, 0.0)
    w2 = np.where(bends, (6 - 12 * q) / plan.taper_px**2, 0.0)
    slopes = (
        (-0.5 * g**2, g),
        (0.5 * (3 * f**2 - 4 * f), 3 * f - 2),
        (0.5 * (4 * g - 3 * g**2), 3 * g - 2),
        (0.5 * f**2, f),
    )
    c, dc, ddc, count, dcount, ddcount, product = np.zeros((7, *d.shape))
    for i, (s0, (s1, s2)) in enumerate(zip(shares, slopes, strict=True)):
        at = place - 1 + i
        value = correlation[window, lag - 1, at].astype(np.float64)
        product += s0 * value
        value -= energy[window, lag - 1, at]
        overlap = plan.num_columns - np.abs(at - plan.reach - HALO)
        c += s0 * value
        dc += s1 * value
        ddc += s2 * value
        count += s0 * overlap
        dcount += s1 * overlap
        ddcount += s2 * overlap
    lines = plan.width - lag
    count, dcount, ddcount = lines * count, lines * dcount, lines * ddcount
    product = np.sum(w0 * product, axis=1)
    a0 = np.sum(w0 * c, axis=1)
    a1 = np.sum(lag * (w1 * c + w0 * dc), axis=1)
    a2 = np.sum(lag**2 * (w2 * c + 2 * w1 * dc + w0 * ddc), axis=1)
    b0 = np.maximum(np.sum(w0 * count, axis=1), 1e-12)
    b1 = np.sum(lag * (w1 * count + w0 * dcount), axis=1)
    b2 = np.sum(lag**2 * (w2 * count + 2 * w1 * dcount + w0 * ddcount), axis=1)
    r0 = a0 / b0
    r1 = (a1 - r0 * b1) / b0
    r2 = (a2 - 2 * r1 * b1 - r0 * b2) / b0
    return r0, r1, r2, product / b0, (product - a0) / b0


def _refine(
    correlation: NDArray[np.float32],
    energy: NDArray[np.float32],
    plan: LagPlan,
    best: NDArray[np.int64],
) -> tuple[NDArray[np.float64], NDArray[np.float64], NDArray[np.float64], NDArray[np.float64]]:
    last = plan.speed.size - 1
    start = plan.speed[best]
    h = np.maximum(
        plan.speed[np.minimum(best + 1, last)] - start, start - plan.speed[np.maximum(best - 1, 0)]
    )
    h /= SAMPLES
    tables = correlation, energy, plan
    samples = np.stack([_value(*tables, start + i * h) for i in range(-SAMPLES, SAMPLES + 1)])
    chosen = samples.argmax(axis=0)
    top = samples.max(axis=0)
    top_v = start + (chosen - SAMPLES) * h
    for direction in (-1.0, 1.0):
        climbing = np.ones(best.size, bool)
        for _ in range(2 * SAMPLES):
            r = _value(*tables, top_v + direction * h)
            climbing &= r > top
            if not climbing.any():
                break
            top_v = np.where(climbing, top_v + direction * h, top_v)
            top = np.where(climbing, r, top)
    v = top_v
    _, r1, r2, product, mean_energy = _difference(*tables, v)
    active = np.ones(best.size, bool)
    for _ in range(NEWTON_STEPS):
        active &= r2 < 0
        if not active.any():
            break
        newton = v - np.where(active, r1 / np.where(active, r2, 1.0), 0.0)
        following = np.where(active, np.clip(newton, top_v - h, top_v + h), v)
        settled = np.abs(following - v) < 1e-5 * h
        v = following
        _, r1, r2, product, mean_energy = _difference(*tables, v)
        active &= ~settled
    exists = (best >= 0) & (np.abs(v) <= plan.speed[-1])
    with np.errstate(divide="ignore", invalid="ignore"):
        r = np.where(exists, product / mean_energy, 0.0)
        curvature = np.where(exists, r2 / mean_energy, 0.0)
    return np.where(exists, v, np.nan), r, curvature, np.where(exists, mean_energy, 0.0)


def _decay(
    correlation: NDArray[np.float32],
    energy: NDArray[np.float32],
    plan: LagPlan,
    speed: NDArray[np.float64],
) -> NDArray[np.float64]:
    """Coefficient at the short third of the usable lags, less that at the long third."""
    size = np.maximum(np.abs(speed), 1e-9)
    usable = np.where(
        size * plan.num_lags >= plan.reach, np.floor(plan.reach / size), plan.num_lags
    ).astype(np.int64)[:, np.newaxis]
    third = usable // 3
    lag = np.arange(1, plan.width)
    window = np.arange(speed.size)[:, np.newaxis]
    d = np.rint(speed[:, np.newaxis] * lag).astype(np.int64) + plan.reach + HALO
    d = np.clip(d, 1, plan.num_displacements - 2)
    c = correlation[window, lag - 1, d].astype(np.float64)
    e = energy[window, lag - 1, d].astype(np.float64)
    short = lag <= third
    long = (lag > usable - third) & (lag <= usable)

    def ratio(chosen: NDArray[np.bool_]) -> NDArray[np.float64]:
        return np.asarray(
            np.sum(c * chosen, axis=1) / np.maximum(np.sum(e * chosen, axis=1), 1e-12)
        )

    return np.where(third[:, 0] < 1, 0.0, ratio(short) - ratio(long))
