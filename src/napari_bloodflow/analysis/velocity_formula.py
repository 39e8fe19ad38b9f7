"""Which formula made a velocity column: the physical one, or CloudScope's reciprocal."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Literal

import numpy as np

from napari_bloodflow.analysis.base import AnalysisResult
from napari_bloodflow.analysis.kernels.theta import velocity_from_theta
from napari_bloodflow.analysis.radon_velocity import (
    FORMULA_KEY,
    PHYSICAL_FORMULA,
    summarize_velocity,
)

if TYPE_CHECKING:
    import pandas as pd
    from numpy.typing import NDArray

    from napari_bloodflow.calibration import Calibration

__all__ = ["VelocityFormula", "corrected_result", "velocity_formula"]

VelocityFormula = Literal["physical", "reciprocal", "unknown"]


def velocity_formula(
    theta_deg: NDArray[np.float64], velocity: NDArray[np.float64]
) -> VelocityFormula:
    """Tell from the numbers how a velocity column follows from the angles.

    CloudScope writes ``(dx/dt) / tan(theta)``, which is the physical speed only at 45 degrees.
    Whatever dx and dt were, ``velocity / tan(theta)`` is the same in all windows of a physical
    column, ``velocity * tan(theta)`` in all windows of a reciprocal one.

    Parameters
    ----------
    theta_deg, velocity : ndarray, shape (windows,)
        Columns of a table.

    Returns
    -------
    {"physical", "reciprocal", "unknown"}
        ``"unknown"`` if neither fits, or both do because all angles have the same magnitude.
    """
    slope = np.tan(np.deg2rad(theta_deg))
    stationary = np.isclose(slope, 0.0, atol=1e-9)
    if np.any(stationary & (velocity == 0)):
        return "physical"
    usable = np.isfinite(velocity) & np.isfinite(slope) & ~stationary & (velocity != 0)
    if not usable.any():
        return "reciprocal" if np.any(stationary & np.isnan(velocity)) else "unknown"
    physical = _is_constant(velocity[usable] / slope[usable])
    reciprocal = _is_constant(velocity[usable] * slope[usable])
    if physical != reciprocal:
        return "physical" if physical else "reciprocal"
    return "unknown"


def _is_constant(values: NDArray[np.float64]) -> bool:
    return bool(np.allclose(values, np.median(values), rtol=1e-4, atol=0))


def corrected_result(
    summary: dict[str, Any], table: pd.DataFrame, calibration: Calibration
) -> AnalysisResult:
    """Recompute the velocity of a table from its angles.

    Parameters
    ----------
    summary : dict
        Summary as stored.
    table : DataFrame
        Table as stored, with ``theta_deg`` and ``velocity``.
    calibration : Calibration
        Present calibration.

    Returns
    -------
    AnalysisResult
        With physical velocities and the summary values that follow from them.
    """
    velocity = velocity_from_theta(
        table["theta_deg"].to_numpy(dtype=float), calibration.dt_s, calibration.dx_um
    )
    fixed = table.copy()
    fixed["velocity"] = velocity
    return AnalysisResult(
        {
            **summary,
            **summarize_velocity(velocity),
            "velocity_unit": calibration.velocity_unit,
            FORMULA_KEY: PHYSICAL_FORMULA,
        },
        fixed,
    )
