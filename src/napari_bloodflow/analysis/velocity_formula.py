"""Which formula made a velocity column: the physical one, or CloudScope's reciprocal."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Literal

import numpy as np

from napari_bloodflow.analysis.base import AnalysisResult
from napari_bloodflow.analysis.kernels.theta import velocity_from_theta
from napari_bloodflow.analysis.radon_velocity import (
    AS_FOUND_COLUMN,
    FORMULA_KEY,
    PHYSICAL_FORMULA,
    summarize_velocity,
)

if TYPE_CHECKING:
    import pandas as pd
    from numpy.typing import NDArray

    from napari_bloodflow.calibration import Calibration

__all__ = [
    "AS_FOUND_KEY",
    "VelocityFormula",
    "corrected_result",
    "repaired_result",
    "velocity_formula",
]

VelocityFormula = Literal["physical", "reciprocal", "neither", "unknown"]

AS_FOUND_KEY = "as_found"
"""Summary key of a repaired result that keeps what other values were."""


def velocity_formula(
    theta_deg: NDArray[np.float64],
    velocity: NDArray[np.float64],
    calibration: Calibration | None = None,
) -> VelocityFormula:
    """Tell from the numbers how a velocity column follows from the angles.

    CloudScope writes ``(dx/dt) / tan(theta)``, which is the physical speed only at 45 degrees.
    Whatever dx and dt were, ``velocity / tan(theta)`` is the same in all windows of a physical
    column, ``velocity * tan(theta)`` in all windows of a reciprocal one.

    Parameters
    ----------
    theta_deg, velocity : ndarray, shape (windows,)
        Columns of a table.
    calibration : Calibration, optional
        Decides where all angles have the same magnitude, if it is that of the table.

    Returns
    -------
    {"physical", "reciprocal", "neither", "unknown"}
        ``"neither"`` if the column does not follow from the angles; ``"unknown"`` if there are
        too few values to tell.
    """
    slope = np.tan(np.deg2rad(np.where(np.isfinite(theta_deg), theta_deg, np.nan)))
    stationary = np.isclose(slope, 0.0, atol=1e-9)
    if np.any(stationary & (velocity == 0)):
        return "physical"
    usable = np.isfinite(velocity) & np.isfinite(slope) & ~stationary & (velocity != 0)
    if not usable.any():
        return "reciprocal" if np.any(stationary & np.isnan(velocity)) else "unknown"
    scales = {"physical": velocity[usable] / slope[usable]}
    scales["reciprocal"] = velocity[usable] * slope[usable]
    fits = {name: _is_constant(values) for name, values in scales.items()}
    if fits["physical"] != fits["reciprocal"]:
        return "physical" if fits["physical"] else "reciprocal"
    if not fits["physical"]:
        return "neither"
    if calibration is not None:
        scale = calibration.dx_um / calibration.dt_s
        by_scale = [n for n, v in scales.items() if np.isclose(np.median(v), scale, rtol=1e-4)]
        if by_scale == ["physical"]:
            return "physical"
        if by_scale == ["reciprocal"]:
            return "reciprocal"
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


def repaired_result(found: AnalysisResult, corrected: AnalysisResult) -> AnalysisResult:
    """Return a corrected result that keeps the values it replaces.

    Parameters
    ----------
    found : AnalysisResult
        As stored.
    corrected : AnalysisResult
        As :func:`corrected_result` returns; both with a table.

    Returns
    -------
    AnalysisResult
        The old velocities are in the column ``velocity_as_found``, the old summary values under
        ``as_found``.
    """
    assert found.table is not None
    assert corrected.table is not None
    replaced = {k: v for k, v in found.summary.items() if corrected.summary.get(k) != v}
    table = corrected.table.assign(**{AS_FOUND_COLUMN: found.table["velocity"].to_numpy()})
    return AnalysisResult({**corrected.summary, AS_FOUND_KEY: replaced}, table)
