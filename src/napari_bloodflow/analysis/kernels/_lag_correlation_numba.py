"""Lag correlation of windows, compiled.

Imported only when a measurement starts, because numba takes half a second to import. All loops
release the GIL and none starts threads of its own. Each loop does the same operations in the same
order for a window whatever its neighbours are, so results do not depend, to the last bit, on how
the windows are shared out.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

import numpy as np
from scipy.fft import irfft, rfft

from napari_bloodflow.analysis.kernels._compile import compiled
from napari_bloodflow.analysis.kernels._lag_lines_numba import (
    block_sums,
    prepare_lines,
    record_sums,
)
from napari_bloodflow.analysis.kernels._lag_parts_numba import compare_parts
from napari_bloodflow.analysis.kernels._lag_peaks_numba import LANES, refine_peaks, search_peaks
from napari_bloodflow.analysis.kernels._lag_plan import FLOOR, HALO, LagPlan, RawPeaks

if TYPE_CHECKING:
    from numpy.typing import NDArray

__all__ = ["block_sums", "measure_batch", "record_sums"]

_TILE = 8192
_VECTOR = 32


@compiled
def _add_products(
    real: NDArray[np.float32],
    imag: NDArray[np.float32],
    first: int,
    last: int,
    lag: int,
    sum_real: NDArray[np.float32],
    sum_imag: NDArray[np.float32],
) -> None:
    """Add the cross spectra of lines ``first .. last - 1`` with those `lag` later."""
    num_k = real.shape[1]
    t = first
    while t + 1 < last:
        # Two pairs at a time, and the parts apart: the compiler checks at each loop whether its
        # arrays overlap, and leaves a loop with more than eight such checks without vectors.
        u = t + lag
        for k in range(num_k):
            sum_real[k] += (
                real[t, k] * real[u, k]
                + imag[t, k] * imag[u, k]
                + real[t + 1, k] * real[u + 1, k]
                + imag[t + 1, k] * imag[u + 1, k]
            )
        for k in range(num_k):
            sum_imag[k] += (
                real[t, k] * imag[u, k]
                - imag[t, k] * real[u, k]
                + real[t + 1, k] * imag[u + 1, k]
                - imag[t + 1, k] * real[u + 1, k]
            )
        t += 2
    if t < last:
        u = t + lag
        for k in range(num_k):
            sum_real[k] += real[t, k] * real[u, k] + imag[t, k] * imag[u, k]
        for k in range(num_k):
            sum_imag[k] += real[t, k] * imag[u, k] - imag[t, k] * real[u, k]


@compiled
def _add_block(
    real: NDArray[np.float32],
    imag: NDArray[np.float32],
    block: int,
    num_blocks: int,
    step: int,
    parts_real: NDArray[np.float32],
    parts_imag: NDArray[np.float32],
) -> None:
    """Write the parts of one block for all lags; see `correlation_spectra`."""
    for lag in range(1, 4 * step):
        apart = lag // step
        if block + apart >= num_blocks:
            break
        start, stop = block * step, (block + 1) * step
        first = stop - (lag - apart * step)
        sum_real = parts_real[lag - 1]
        sum_imag = parts_imag[lag - 1]
        sum_real[0] = 0.0
        sum_imag[0] = 0.0
        _add_products(real, imag, start, first, lag, sum_real[0], sum_imag[0])
        if apart < 3 and block + apart + 1 < num_blocks:
            sum_real[1] = sum_real[0]
            sum_imag[1] = sum_imag[0]
            _add_products(real, imag, first, stop, lag, sum_real[1], sum_imag[1])


@compiled
def _add_window(
    parts: NDArray[np.float32], apart: int, lag: int, window: int, total: NDArray[np.float32]
) -> None:
    """Add up what the blocks of a window contribute to one lag; see `correlation_spectra`."""
    for k in range(total.size):
        total[k] = parts[(window + 3 - apart) % 4, lag - 1, 0, k]
    for i in range(3 - apart):
        for k in range(total.size):
            total[k] += parts[(window + i) % 4, lag - 1, 1, k]


@compiled
def correlation_spectra(
    real: NDArray[np.float32],
    imag: NDArray[np.float32],
    step: int,
    transfer_real: NDArray[np.float32],
    transfer_imag: NDArray[np.float32],
    spectra: NDArray[np.float32],
) -> None:
    """Add up, per window and lag, the cross spectra of all pairs of its lines.

    Windows are four blocks of ``step`` lines, one block apart. Every pair of lines is multiplied
    once, however many windows hold it.

    Parameters
    ----------
    real, imag : ndarray of float32, shape (lines, frequencies)
        Transforms of the lines; a whole number of blocks.
    step : int
        Lines per block.
    transfer_real, transfer_imag : ndarray of float32, shape (frequencies,)
        Factor of each frequency.
    spectra : ndarray of float32, shape (windows, 4 * step - 1, 2 * frequencies)
        Written: real and imaginary parts, interleaved.
    """
    num_windows = spectra.shape[0]
    num_lags = 4 * step - 1
    # Frequencies are independent. So many at a time that two blocks stay in the fastest memory, and
    # a multiple of what the processor does at once.
    tile = min(_TILE // step, real.shape[1])
    tile = max(_VECTOR, math.ceil(tile / _VECTOR) * _VECTOR)
    # Of the last four blocks: the pairs that begin in the block and end `apart` blocks on, and
    # those together with the ones that end in the block after that.
    parts = np.empty((2, 4, num_lags, 2, tile), np.float32)
    total = np.empty((2, tile), np.float32)
    # Copies, because the compiler makes no vectors of slices.
    lines = np.zeros((2, real.shape[0], tile), np.float32)
    for low in range(0, real.shape[1], tile):
        high = min(low + tile, real.shape[1])
        lines[0, :, : high - low] = real[:, low:high]
        lines[1, :, : high - low] = imag[:, low:high]
        for block in range(num_windows + 3):
            _add_block(
                lines[0],
                lines[1],
                block,
                num_windows + 3,
                step,
                parts[0, block % 4],
                parts[1, block % 4],
            )
            window = block - 3
            if window < 0:
                continue
            for lag in range(1, num_lags + 1):
                _add_window(parts[0], lag // step, lag, window, total[0])
                _add_window(parts[1], lag // step, lag, window, total[1])
                for k in range(high - low):
                    spectra[window, lag - 1, 2 * (low + k)] = (
                        total[0, k] * transfer_real[low + k] - total[1, k] * transfer_imag[low + k]
                    )
                    spectra[window, lag - 1, 2 * (low + k) + 1] = (
                        total[0, k] * transfer_imag[low + k] + total[1, k] * transfer_real[low + k]
                    )


@compiled
def energy_tables(
    heads: NDArray[np.float32],
    tails: NDArray[np.float32],
    heads_sq: NDArray[np.float32],
    tails_sq: NDArray[np.float32],
    step: int,
    num_columns: int,
    correlation: NDArray[np.float32],
    energy: NDArray[np.float32],
) -> None:
    """Take the means of the overlaps out of the correlations, and give the overlaps' energies.

    Parameters
    ----------
    heads, tails, heads_sq, tails_sq : ndarray of float32, shape (lines, reach + HALO + 1)
        From `prepare_lines`.
    step : int
        Lines per block.
    num_columns : int
        Pixels per line.
    correlation : ndarray of float32, shape (windows, lags, >= displacements)
        Spline coefficients of the sums of products; changed in place.
    energy : ndarray of float32, shape (windows, lags, displacements)
        Written: mean of the energies of the two overlapping parts about their means.
    """
    width = 4 * step
    size = heads.shape[1]
    center = size - 1
    early_head = np.empty(size, np.float32)
    early_tail = np.empty(size, np.float32)
    late_head = np.empty(size, np.float32)
    late_tail = np.empty(size, np.float32)
    square_right = np.empty(size, np.float32)
    square_left = np.empty(size, np.float32)
    pixels = np.empty(size, np.float32)
    for window in range(energy.shape[0]):
        top = window * step
        early_head[:] = 0.0
        early_tail[:] = 0.0
        late_head[:] = 0.0
        late_tail[:] = 0.0
        square_right[:] = 0.0
        square_left[:] = 0.0
        for lag in range(width - 1, 0, -1):
            early = top + width - 1 - lag
            late = top + lag
            for d in range(size):
                early_head[d] += heads[early, d]
            for d in range(size):
                early_tail[d] += tails[early, d]
            for d in range(size):
                late_head[d] += heads[late, d]
            for d in range(size):
                late_tail[d] += tails[late, d]
            for d in range(size):
                square_right[d] += heads_sq[early, d] + tails_sq[late, d]
            for d in range(size):
                square_left[d] += tails_sq[early, d] + heads_sq[late, d]
            for d in range(size):
                pixels[d] = np.float32((width - lag) * (num_columns - d))
            _take_means(
                early_head,
                late_tail,
                square_right,
                pixels,
                correlation[window, lag - 1, center : center + size],
                energy[window, lag - 1, center:],
            )
            _take_means(
                early_tail[1:],
                late_head[1:],
                square_left[1:],
                pixels[1:],
                correlation[window, lag - 1, center - 1 :: -1],
                energy[window, lag - 1, center - 1 :: -1],
            )


@compiled
def _take_means(
    first: NDArray[np.float32],
    other: NDArray[np.float32],
    square: NDArray[np.float32],
    pixels: NDArray[np.float32],
    correlation: NDArray[np.float32],
    energy: NDArray[np.float32],
) -> None:
    half = np.float32(0.5)
    floor = np.float32(FLOOR)
    zero = np.float32(0.0)
    for d in range(first.size):
        variance = half * (square[d] - (first[d] * first[d] + other[d] * other[d]) / pixels[d])
        energy[d] = max(variance, zero) + floor * pixels[d]
    for d in range(first.size):
        correlation[d] -= first[d] * other[d] / pixels[d]


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
    """Measure consecutive windows, one block apart; see `prepare_lines` for the arguments.

    Parameters
    ----------
    lines : ndarray of float32, shape ((num_windows + 3) * step, columns)
        The lines of the windows.
    num_windows : int
        Number of windows.
    plan : LagPlan
        Geometry.
    background, scale, level_lines, kernel, excess : ndarray, float, bool, ndarray, ndarray
        See `prepare_lines`.
    allowed : ndarray of bool, shape (nodes,)
        Nodes of the speed grid among which to search.
    part_px : int
        See `compare_parts`.

    Returns
    -------
    RawPeaks
        One row per window.
    """
    # Whole groups of windows, and of lines, so that all of them are transformed by the same
    # instructions.
    lanes = -(-num_windows // LANES) * LANES
    num_lines = -(-(lanes + 3) * plan.step // LANES) * LANES
    padded = np.zeros((num_lines, plan.fft_size), np.float32)
    heads, tails, heads_sq, tails_sq = np.zeros((4, num_lines, plan.reach + HALO + 1), np.float32)
    state = np.empty(lines.shape[0], np.int8)
    prepare_lines(
        lines,
        plan.step,
        background,
        scale,
        level_lines,
        kernel,
        excess,
        padded,
        heads,
        tails,
        heads_sq,
        tails_sq,
        state,
    )
    transform = rfft(padded, axis=1)
    spectra = np.empty((lanes, plan.num_lags, 2 * transform.shape[1]), np.float32)
    correlation_spectra(
        np.ascontiguousarray(transform.real),
        np.ascontiguousarray(transform.imag),
        plan.step,
        np.ascontiguousarray(plan.transfer.real),
        np.ascontiguousarray(plan.transfer.imag),
        spectra,
    )
    correlation: Any = irfft(spectra.view(np.complex64), n=plan.fft_size, axis=2, overwrite_x=True)
    energy = np.empty((lanes, plan.num_lags, plan.num_displacements), np.float32)
    energy_tables(
        heads, tails, heads_sq, tails_sq, plan.step, plan.num_columns, correlation, energy
    )
    best = np.empty(lanes, np.int64)
    second = np.empty(lanes)
    snr = np.empty(lanes)
    search_peaks(
        correlation,
        energy,
        plan.node_start,
        plan.node_stop,
        plan.node_index,
        plan.node_weight,
        allowed,
        plan.node_apart,
        best,
        second,
        snr,
    )
    peak = np.empty((num_windows, 5))
    refine_peaks(
        correlation,
        energy,
        plan.reach,
        plan.taper_px,
        plan.min_overlap,
        plan.speed,
        best[:num_windows],
        peak,
    )
    v, r, curvature, mean_energy, decay = peak.T
    parts = np.empty((num_windows, 3))
    compare_parts(padded, state, plan.step, plan.num_columns, part_px, peak[:, 0].copy(), parts)
    return RawPeaks(
        v,
        r,
        curvature,
        mean_energy,
        decay,
        second[:num_windows],
        snr[:num_windows],
        parts[:, 0],
        parts[:, 1],
        parts[:, 2],
        state,
    )
