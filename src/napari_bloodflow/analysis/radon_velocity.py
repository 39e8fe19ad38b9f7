"""Velocity of red cells from the slope of their streaks."""

from __future__ import annotations

from datetime import datetime
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np
import pandas as pd

from napari_bloodflow.analysis.base import (
    Analysis,
    AnalysisInputs,
    AnalysisResult,
    DetectionParams,
    Progress,
    finite_or_none,
)
from napari_bloodflow.analysis.kernels import radon
from napari_bloodflow.analysis.kernels.theta import velocity_from_theta
from napari_bloodflow.analysis.kernels.windows import num_windows, window_center_index
from napari_bloodflow.analysis.provenance import PROVENANCE_KEY, make_provenance
from napari_bloodflow.analysis.radon_velocity_params import RadonVelocityParams
from napari_bloodflow.analysis.velocity_normalized import measure_normalized
from napari_bloodflow.errors import AnalysisError

if TYPE_CHECKING:
    from collections.abc import Generator, Mapping

    from numpy.typing import NDArray

__all__ = [
    "AS_FOUND_COLUMN",
    "FORMULA_KEY",
    "PHYSICAL_FORMULA",
    "RadonVelocity",
    "RadonVelocityParams",
    "summarize_velocity",
]

FORMULA_KEY = "velocity_formula"
"""Summary key that says how `velocity` follows from `theta_deg`; CloudScope's tables lack it."""
AS_FOUND_COLUMN = "velocity_as_found"
"""Column of a repaired table that keeps what `velocity` was."""
PHYSICAL_FORMULA = "(dx/dt)*tan(theta_deg)"


class RadonVelocity(Analysis):
    """Velocity over time in overlapping windows of lines.

    The method ``normalized`` correlates the lines of a window at all lags; see
    :mod:`~napari_bloodflow.analysis.kernels.lag_correlation`. It gives every window an error bar
    and a confidence, and only windows that reach ``min_confidence`` have a velocity. The method
    ``classic`` seeks the angle along which the Radon projection of the mean-free pixels varies most
    (Drew et al., J. Comput. Neurosci. 29, 5-11, 2010): whole degrees 0 to 179, then quarter degrees
    within 2 degrees. ``theta_deg`` is measured from the time axis: 0 is a stationary pattern,
    positive is motion towards larger columns.

    ``velocity = (dx/dt) * tan(theta_deg)`` in um/s, or px/line where the image has no
    calibration. A window that cannot be measured has NaN and says why in ``status``.
    """

    analysis_name: ClassVar[str] = "radon_velocity"
    display_name: ClassVar[str] = "Radon velocity"
    params_model: ClassVar[type[DetectionParams]] = RadonVelocityParams
    standard_columns: ClassVar[tuple[str, ...]] = (
        "time_s",
        "time_index",
        "theta_deg",
        "velocity",
    )
    own_columns: ClassVar[tuple[str, ...]] = (
        "velocity_ci_low",
        "velocity_ci_high",
        "confidence",
        "correlation",
        "snr",
        "status",
        "velocity_raw",
        "rbc_flux_per_s",
        "rbc_density_per_mm",
        "rbc_spacing_um",
        "rbc_count",
        "rbc_count_sd",
        AS_FOUND_COLUMN,
    )
    exclusive_group = "primary_kymograph"

    @classmethod
    def measure(
        cls, inputs: AnalysisInputs, params: Mapping[str, Any]
    ) -> Generator[Progress, None, AnalysisResult]:
        """Measure; see :meth:`Analysis.measure`.

        Returns
        -------
        AnalysisResult
            Table with ``time_s, time_index, theta_deg, velocity, velocity_ci_low,
            velocity_ci_high, confidence, correlation, snr, status, velocity_raw, rbc_flux_per_s,
            rbc_density_per_mm, rbc_spacing_um, rbc_count, rbc_count_sd``, one row per window; time
            0 is the first line of the ROI. The method ``classic`` has no error bars, confidence,
            correlation, snr and cells. Cells are counted where there is a velocity, and their flux,
            density and spacing need a calibration.

        Raises
        ------
        AnalysisError
            If the ROI has fewer lines than one window, or fewer than two columns.
        """
        checked = RadonVelocityParams.model_validate(dict(params))
        if checked.method == "classic":
            table, extra = yield from _measure_classic(inputs, checked)
            algorithm = "radon, classic"
        else:
            table, extra = yield from measure_normalized(inputs, checked)
            algorithm = "lag correlation, normalized"
        now = datetime.now()
        summary = {
            "analysis_date": now.strftime("%y%m%d"),
            "analysis_time": now.strftime("%H:%M:%S.") + f"{now.microsecond // 1000:03d}",
            "analysis_version": cls.analysis_version,
            **summarize_velocity(table["velocity"].to_numpy()),
            **extra,
            "velocity_unit": inputs.calibration.velocity_unit,
            FORMULA_KEY: PHYSICAL_FORMULA,
            PROVENANCE_KEY: make_provenance(inputs.state, params, algorithm, 1),
        }
        return AnalysisResult(summary, table)


def _measure_classic(
    inputs: AnalysisInputs, params: RadonVelocityParams
) -> Generator[Progress, None, tuple[pd.DataFrame, dict[str, Any]]]:
    width = params.window_width
    try:
        chunks = radon.iter_radon_windows(inputs.image, width)
    except ValueError as error:
        raise AnalysisError(str(error)) from None
    total = num_windows(inputs.image.shape[0], width)
    theta_deg = np.full(total, np.nan)
    status = np.full(total, "ok", dtype=object)
    yield Progress(0, total, "measuring velocity")
    for chunk in chunks:
        theta_deg[chunk.start : chunk.stop] = chunk.theta_deg
        status[chunk.start : chunk.stop] = np.where(chunk.reason == "", "ok", chunk.reason)
        yield Progress(chunk.stop, total, f"window {chunk.stop} of {total}")

    calibration = inputs.calibration
    time_index = window_center_index(total, width)
    velocity = velocity_from_theta(theta_deg, calibration.dt_s, calibration.dx_um)
    velocity *= inputs.speed_factor(time_index, width)
    status[np.isnan(velocity) & (status == "ok")] = "infinite_speed"
    missing = np.full(total, np.nan)
    table = pd.DataFrame(
        {
            "time_s": inputs.time_at(time_index),
            "time_index": time_index,
            "theta_deg": theta_deg,
            "velocity": velocity,
            "velocity_ci_low": missing,
            "velocity_ci_high": missing,
            "confidence": missing,
            "correlation": missing,
            "snr": missing,
            "status": status.astype(str),
            "velocity_raw": velocity,
            "rbc_flux_per_s": missing,
            "rbc_density_per_mm": missing,
            "rbc_spacing_um": missing,
            "rbc_count": missing,
            "rbc_count_sd": missing,
        }
    )
    return table, {}


def summarize_velocity(velocity: NDArray[np.float64]) -> dict[str, Any]:
    """Summarise a velocity trace.

    Parameters
    ----------
    velocity : ndarray, shape (windows,)
        NaN where a window was not measured.

    Returns
    -------
    dict
        ``num_windows, num_valid_windows, velocity_mean, velocity_median, velocity_cv``.
        The coefficient of variation is the standard deviation (ddof 0) over the *magnitude* of
        the mean. Values that do not exist are None.
    """
    valid = velocity[np.isfinite(velocity)]
    mean = float(np.mean(valid)) if valid.size else float("nan")
    cv = float(np.std(valid)) / abs(mean) if valid.size and mean != 0 else float("nan")
    return {
        "num_windows": int(velocity.size),
        "num_valid_windows": int(valid.size),
        "velocity_mean": finite_or_none(mean),
        "velocity_median": finite_or_none(np.median(valid)) if valid.size else None,
        "velocity_cv": finite_or_none(cv),
    }
