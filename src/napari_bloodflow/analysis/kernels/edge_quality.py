"""Which edges to trust: departures from the trace around, and from the shape of an edge."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

__all__ = ["REASONS", "EdgeQuality", "judge_edges"]

REASONS = (
    "ok",
    "no_vessel",
    "left_edge_missing",
    "right_edge_missing",
    "edges_missing",
    "noise",
    "clipped",
    "jump",
)
"""Why a row is not accepted. The last three have a diameter, which is not to be relied on."""

_OK, _NO_VESSEL, _NO_LEFT, _NO_RIGHT, _NO_EDGES, _NOISE, _CLIPPED, _JUMP = range(len(REASONS))

# A change within so many robust standard deviations is ordinary. The floor keeps a trace without
# noise, whose deviations are mostly zero, from rejecting every change.
_ORDINARY = 4.0
_LEAST_SPREAD_PX = 0.1
_MAD_TO_SD = 1.4826
_MAX_RESIDUAL = 0.7


@dataclass(frozen=True, slots=True, eq=False)
class EdgeQuality:
    """What is to be thought of each row.

    Attributes
    ----------
    temporal, shape : ndarray of float64, shape (n,)
        Departure from the running median over the largest ordinary one, and excess of the residual
        near the edges over the usual one; above 1 is suspicious.
    score : ndarray of float64, shape (n,)
        ``1 / (1 + temporal**2 + shape**2)``; 0 without a diameter.
    reason : ndarray of int, shape (n,)
        Index into `REASONS`.
    left, right : ndarray of float64, shape (n,)
        Edges, in rows that jump those of the running median; NaN where a row has no diameter.
    is_replaced : ndarray of bool, shape (n,)
        The edges are those of the running median.
    """

    temporal: NDArray[np.float64]
    shape: NDArray[np.float64]
    score: NDArray[np.float64]
    reason: NDArray[np.int64]
    left: NDArray[np.float64]
    right: NDArray[np.float64]
    is_replaced: NDArray[np.bool_]


def judge_edges(
    left: NDArray[np.float64],
    right: NDArray[np.float64],
    residual: NDArray[np.float64],
    is_missing: NDArray[np.bool_],
    is_clipped: NDArray[np.bool_],
    window_rows: int = 51,
) -> EdgeQuality:
    """Judge each row by its neighbours in time and by the shape of its edges.

    Parameters
    ----------
    left, right : ndarray of float64, shape (n,)
        Edges in pixels, NaN where there is none.
    residual : ndarray of float64, shape (n,)
        Departure from a blurred box near the edges over contrast; NaN where it is not known.
    is_missing, is_clipped : ndarray of bool, shape (n,)
        Rows without a vessel, and rows with clipped pixels.
    window_rows : int, optional
        Rows of the running median, odd.

    Returns
    -------
    EdgeQuality
        The judgement.

    Notes
    -----
    ``temporal = |D - m| / (4 max(1.4826 median|D - m|, 0.1 px))`` with the running median ``m`` of
    the diameter ``D``; ``shape = max(e / median(e) - 1, 0)`` with the residual ``e``. A jump is
    ``temporal > 1``: a Hampel filter whose scale is that of the whole trace.
    """
    # Imported here because numba takes half a second to import.
    from napari_bloodflow.analysis.kernels._vessel_guide_numba import running_median

    diameter = right - left
    has_diameter = np.isfinite(diameter)
    half = min(window_rows // 2, diameter.size)

    usual = np.empty(diameter.size)
    running_median(np.where(has_diameter, diameter, np.nan), half, usual)
    change = np.abs(diameter - usual)
    temporal = change / (_ORDINARY * max(_MAD_TO_SD * _median(change), _LEAST_SPREAD_PX))
    shape = np.zeros(diameter.size)
    if (typical := _median(residual)) > 0:
        shape = np.fmax(residual / typical - 1.0, 0.0)
    shape[~has_diameter] = np.nan
    score = np.where(has_diameter, 1.0 / (1.0 + temporal**2 + shape**2), 0.0)

    is_jump = temporal > 1
    reason = np.full(diameter.size, _OK)
    for chosen, why in (
        (is_jump, _JUMP),
        (is_clipped & has_diameter, _CLIPPED),
        (residual > _MAX_RESIDUAL, _NOISE),
        (np.isnan(left), _NO_LEFT),
        (np.isnan(right), _NO_RIGHT),
        (np.isnan(left) & np.isnan(right), _NO_EDGES),
        (is_missing, _NO_VESSEL),
    ):
        reason[chosen] = why
    smooth_left, smooth_right = (np.where(has_diameter, edge, np.nan) for edge in (left, right))
    jumps = np.flatnonzero(is_jump)
    smooth_left[jumps], smooth_right[jumps] = (
        _medians_around(edge, jumps, half) for edge in (smooth_left, smooth_right)
    )
    return EdgeQuality(temporal, shape, score, reason, smooth_left, smooth_right, is_jump)


def _medians_around(
    values: NDArray[np.float64], rows: NDArray[np.int64], half: int
) -> NDArray[np.float64]:
    around = (values[max(0, row - half) : row + half + 1] for row in rows.tolist())
    return np.array([_median(window) for window in around])


def _median(values: NDArray[np.float64]) -> float:
    known = values[np.isfinite(values)]
    return float(np.median(known)) if known.size else 0.0
