"""Lag correlation of windows, compiled.

Imported only when a measurement starts, because numba takes half a second to import. All loops
release the GIL and none starts threads of its own. Each loop does the same operations in the same
order for a window whatever its neighbours are, so results do not depend, to the last bit, on how
the windows are shared out.
"""

from __future__ import annotations

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
from napari_bloodflow.analysis.kernels._lag_plan import FLOOR, LagPlan, RawPeaks
from napari_bloodflow.analysis.kernels._lag_spectra_numba import correlation_spectra

if TYPE_CHECKING:
    from numpy.typing import NDArray

__all__ = ["block_sums", "measure_batch", "record_sums"]


@compiled
def energy_tables(
    early: NDArray[np.float32],
    late: NDArray[np.float32],
    early_sq: NDArray[np.float32],
    late_sq: NDArray[np.float32],
    step: int,
    num_columns: int,
    correlation: NDArray[np.float32],
    energy: NDArray[np.float32],
) -> None:
    """Take the means of the overlaps out of the correlations, and give the overlaps' energies.

    Parameters
    ----------
    early, late, early_sq, late_sq : ndarray of float32, shape (lines, displacements)
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
    size = early.shape[1]
    first = np.empty(size, np.float32)
    other = np.empty(size, np.float32)
    square = np.empty(size, np.float32)
    share = np.empty(size, np.float32)
    floor = np.empty(size, np.float32)
    for d in range(size):
        pixels = num_columns - abs(d - size // 2)
        share[d] = 1.0 / pixels
        floor[d] = FLOOR * pixels
    for window in range(energy.shape[0]):
        top = window * step
        first[:] = 0.0
        other[:] = 0.0
        square[:] = 0.0
        for lag in range(width - 1, 0, -1):
            _add(first, early[top + width - 1 - lag])
            _add(other, late[top + lag])
            _add(square, early_sq[top + width - 1 - lag])
            _add(square, late_sq[top + lag])
            _take_means(
                first,
                other,
                square,
                share,
                floor,
                width - lag,
                correlation[window, lag - 1, :size],
                energy[window, lag - 1],
            )


@compiled
def _add(total: NDArray[np.float32], line: NDArray[np.float32]) -> None:
    for d in range(total.size):
        total[d] += line[d]


@compiled
def _take_means(
    first: NDArray[np.float32],
    other: NDArray[np.float32],
    square: NDArray[np.float32],
    share: NDArray[np.float32],
    floor: NDArray[np.float32],
    num_lines: int,
    correlation: NDArray[np.float32],
    energy: NDArray[np.float32],
) -> None:
    half = np.float32(0.5)
    zero = np.float32(0.0)
    lines = np.float32(num_lines)
    part = np.float32(1.0) / lines
    for d in range(energy.size):
        squares = (first[d] * first[d] + other[d] * other[d]) * (part * share[d])
        energy[d] = max(half * (square[d] - squares), zero) + lines * floor[d]
    for d in range(energy.size):
        correlation[d] -= first[d] * other[d] * (part * share[d])


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
    sums = np.zeros((4, num_lines, plan.num_displacements), np.float32)
    early, late, early_sq, late_sq = sums
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
        early,
        late,
        early_sq,
        late_sq,
        state,
    )
    transform: Any = rfft(padded, axis=1)
    spectra = np.empty((lanes, plan.num_lags, 2 * transform.shape[1]), np.float32)
    correlation_spectra(transform, transform * plan.transfer, plan.step, spectra)
    correlation: Any = irfft(spectra.view(np.complex64), n=plan.fft_size, axis=2, overwrite_x=True)
    energy = np.empty((lanes, plan.num_lags, plan.num_displacements), np.float32)
    energy_tables(early, late, early_sq, late_sq, plan.step, plan.num_columns, correlation, energy)
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
