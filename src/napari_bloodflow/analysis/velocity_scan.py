"""Velocities of windows in physical units: of one scan direction, and of two combined."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np

from napari_bloodflow.analysis.kernels.scan_skew import true_velocity

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from napari_bloodflow.analysis.kernels.lag_confidence import Certainty
    from napari_bloodflow.analysis.kernels.lag_correlation import LagWindows
    from napari_bloodflow.analysis.kernels.red_cells import RedCells
    from napari_bloodflow.calibration import Calibration

__all__ = ["WindowVelocities", "combined", "window_velocities"]

_TOLERANCE = 0.1

# Correlation of the errors of the two sets of lines: noise is their own, the cells are the same.
_SHARED = 0.25


@dataclass(frozen=True, slots=True, eq=False)
class WindowVelocities:
    """Velocities of consecutive windows; all arrays have the shape ``(windows,)``.

    Attributes
    ----------
    velocity, ci_low, ci_high : ndarray of float64
        Velocity and its 95 % interval in the unit of the calibration; NaN where there is none.
    confidence : ndarray of float64
        Probability that the error is below a tenth.
    correlation, snr : ndarray of float64
        See `LagWindows`.
    moved_px : ndarray of float64
        Displacement of the pattern over the window, px without sign.
    cells_per_mm : ndarray of float64
        Density of red cells along the line; NaN where they cannot be counted.
    cell_count, cell_count_sd : ndarray of float64
        Cells that it follows from, and the standard uncertainty of their number.
    reason : ndarray of str
        See `LagWindows`.
    """

    velocity: NDArray[np.float64]
    ci_low: NDArray[np.float64]
    ci_high: NDArray[np.float64]
    confidence: NDArray[np.float64]
    correlation: NDArray[np.float64]
    snr: NDArray[np.float64]
    moved_px: NDArray[np.float64]
    cells_per_mm: NDArray[np.float64]
    cell_count: NDArray[np.float64]
    cell_count_sd: NDArray[np.float64]
    reason: NDArray[np.str_]


def window_velocities(
    found: LagWindows,
    sure: Certainty,
    cells: RedCells,
    window_width: int,
    calibration: Calibration,
    scan_s_per_um: float,
) -> WindowVelocities:
    """Turn displacements into velocities, and counts into densities.

    Parameters
    ----------
    found : LagWindows
        What was measured.
    sure : Certainty
        How sure that is.
    cells : RedCells
        Cells of the same windows.
    window_width : int
        Lines per window.
    calibration : Calibration
        Step of a line and of a pixel.
    scan_s_per_um : float
        Time that the scan takes per micrometre, with its sign; see `scan_skew`.
    """
    per_px = calibration.dx_um / calibration.dt_s
    apparent = found.displacement_px * per_px
    half_width = sure.half_width_px * per_px
    velocity = true_velocity(apparent, scan_s_per_um)
    outran = np.isfinite(apparent) & np.isnan(velocity)
    # A train that seems faster by the scan seems longer by the same factor.
    stretched = 1.0 + apparent * scan_s_per_um
    length_mm = cells.length_px * calibration.dx_um / 1000.0 / stretched
    if not calibration.is_known:
        length_mm = np.full(length_mm.size, np.nan)
    return WindowVelocities(
        velocity=velocity,
        ci_low=true_velocity(apparent - half_width, scan_s_per_um),
        ci_high=true_velocity(apparent + half_width, scan_s_per_um),
        confidence=np.where(outran, 0.0, sure.confidence),
        correlation=found.correlation,
        snr=found.snr,
        moved_px=np.abs(found.displacement_px) * window_width,
        cells_per_mm=cells.count / length_mm,
        cell_count=cells.count,
        cell_count_sd=cells.count_sd,
        reason=np.where(outran, "aliased", found.reason),
    )


def combined(first: WindowVelocities, other: WindowVelocities) -> WindowVelocities:
    """Combine what two sets of lines say of the same windows.

    Where they differ by less than a tenth, or their intervals overlap, it is their mean, weighted
    by the inverse squares of the intervals: each sees the cells, which are the same, with noise of
    its own. The interval of the mean is wider by the ratio of their difference to what the
    intervals let expect, if that is above 1. Where they contradict each other it is the one with
    more confidence, which is then less sure by the confidence of the other. Counts of cells are
    averaged.

    Parameters
    ----------
    first, other : WindowVelocities
        Of the same number of windows.
    """
    swap = ~(first.confidence >= other.confidence)
    better, worse = _chosen(swap, other, first), _chosen(swap, first, other)
    half, other_half = ((v.ci_high - v.ci_low) / 2 for v in (better, worse))
    apart = np.abs(better.velocity - worse.velocity)
    both = np.isfinite(apart) & np.isfinite(half) & np.isfinite(other_half)
    near = np.maximum(half + other_half, _TOLERANCE * np.abs(better.velocity))
    agree = both & (apart <= near)
    with np.errstate(divide="ignore", invalid="ignore"):
        share = np.where(agree, 1.0 / (1.0 + (half / other_half) ** 2), 1.0)
        excess = np.maximum(1.0, apart / np.hypot(half, other_half))
    velocity = np.where(
        agree, share * better.velocity + (1 - share) * worse.velocity, better.velocity
    )
    own = (share * half) ** 2 + ((1 - share) * other_half) ** 2
    common = 2 * _SHARED * share * (1 - share) * half * other_half
    half = np.where(agree, np.sqrt(own + np.where(agree, common, 0.0)) * excess, half)
    doubt = np.where(both & ~agree, 1.0 - worse.confidence, 1.0)
    return replace(
        better,
        velocity=velocity,
        ci_low=velocity - half,
        ci_high=velocity + half,
        confidence=better.confidence * doubt,
        correlation=np.where(both, (first.correlation + other.correlation) / 2, better.correlation),
        snr=np.where(both, (first.snr + other.snr) / 2, better.snr),
        cells_per_mm=_mean_of_known(first.cells_per_mm, other.cells_per_mm),
        cell_count=_mean_of_known(first.cell_count, other.cell_count),
        cell_count_sd=_mean_of_known(first.cell_count_sd, other.cell_count_sd),
    )


def _mean_of_known(first: NDArray[np.float64], other: NDArray[np.float64]) -> NDArray[np.float64]:
    mean = (first + other) / 2
    return np.where(np.isfinite(mean), mean, np.where(np.isfinite(first), first, other))


def _chosen(
    condition: NDArray[np.bool_], where: WindowVelocities, otherwise: WindowVelocities
) -> WindowVelocities:
    return WindowVelocities(
        *(
            np.where(condition, getattr(where, name), getattr(otherwise, name))
            for name in WindowVelocities.__dataclass_fields__
        )
    )
