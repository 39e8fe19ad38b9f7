"""The method ``normalized`` of the velocity analysis: from correlations to a table."""

from __future__ import annotations

import math
import os
from dataclasses import fields
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
import pandas as pd

from napari_bloodflow.analysis.base import Progress, finite_or_none
from napari_bloodflow.analysis.kernels.lag_confidence import certainty
from napari_bloodflow.analysis.kernels.lag_correlation import (
    NARROWEST_PX,
    LagOptions,
    LagWindows,
    iter_lag_windows,
    lag_center_index,
    num_lag_windows,
)
from napari_bloodflow.analysis.kernels.theta import velocity_from_theta
from napari_bloodflow.errors import AnalysisError

if TYPE_CHECKING:
    from collections.abc import Generator

    from numpy.typing import NDArray

    from napari_bloodflow.analysis.base import AnalysisInputs
    from napari_bloodflow.analysis.radon_velocity_params import RadonVelocityParams
    from napari_bloodflow.calibration import Calibration

__all__ = ["lag_options", "measure_normalized", "num_threads"]

# More threads than this gain little and need memory each.
_MOST_THREADS = 4

# A window that moves by less cannot tell a tenth of its speed; lines that share less than this part
# of the ROI are few.
_SLOWEST_PX = 3.0
_FASTEST = 0.8

_UNCALIBRATED_SMOOTHING_PX = 2.0


def lag_options(params: RadonVelocityParams, calibration: Calibration) -> LagOptions:
    """Translate parameters in physical units into pixels and lines.

    Parameters
    ----------
    params : RadonVelocityParams
        Parameters of the analysis.
    calibration : Calibration
        Step of a row and of a column.

    Returns
    -------
    LagOptions
        For the kernel.

    Raises
    ------
    ValueError
        If a value does not fit the kernel; the text names it.
    """
    smoothing = _UNCALIBRATED_SMOOTHING_PX
    if calibration.is_known:
        smoothing = max(1.0, params.smoothing_um / calibration.dx_um)
    per_px = calibration.dx_um / calibration.dt_s
    signs: dict[str, Literal[1, -1] | None] = {"any": None, "positive": 1, "negative": -1}
    return LagOptions(
        params.window_width,
        step_fraction=params.step_fraction,
        background=params.background,
        smoothing_px=min(smoothing, 50.0) if params.smoothing_um > 0 else 0.0,
        min_overlap_px=params.min_overlap_px or None,
        speed_limits_px=(params.speed_min / per_px, (params.speed_max or math.inf) / per_px),
        direction=signs[params.direction],
    )


def measure_normalized(
    inputs: AnalysisInputs, params: RadonVelocityParams
) -> Generator[Progress, None, tuple[pd.DataFrame, dict[str, Any]]]:
    """Measure, yielding progress and returning the table and further values for the summary.

    Raises
    ------
    AnalysisError
        If the ROI has fewer lines than one window, or fewer than two columns.
    """
    calibration = inputs.calibration
    num_rows, num_columns = inputs.image.shape
    try:
        options = lag_options(params, calibration)
        chunks = iter_lag_windows(inputs.image, options, num_threads=num_threads())
    except ValueError as error:
        raise AnalysisError(str(error)) from None
    total = num_lag_windows(num_rows, options)
    parts: list[LagWindows] = []
    yield Progress(0, total, "measuring velocity")
    for chunk in chunks:
        parts.append(chunk.windows)
        yield Progress(chunk.stop, total, f"window {chunk.stop} of {total}")
    columns: dict[str, Any] = {
        f.name: np.concatenate([getattr(part, f.name) for part in parts])
        for f in fields(LagWindows)
    }
    found = LagWindows(**columns)
    sure = certainty(found, params.window_width, num_columns)
    status = _status(found, sure.confidence, params)
    accepted = status == "ok"
    theta = np.mod(np.rad2deg(np.arctan(found.displacement_px)), 180.0)
    raw = velocity_from_theta(theta, calibration.dt_s, calibration.dx_um)
    half_width = sure.half_width_px * (calibration.dx_um / calibration.dt_s)
    velocity = np.where(accepted, raw, np.nan)
    time_index = lag_center_index(total, options)
    table = pd.DataFrame(
        {
            "time_s": time_index * calibration.dt_s,
            "time_index": time_index,
            "theta_deg": np.where(accepted, theta, np.nan),
            "velocity": velocity,
            "velocity_ci_low": raw - half_width,
            "velocity_ci_high": raw + half_width,
            "confidence": sure.confidence,
            "correlation": found.correlation,
            "snr": found.snr,
            "status": status.astype(str),
            "velocity_raw": raw,
        }
    )
    return table, _summary(velocity, params, num_columns, calibration)


def num_threads() -> int:
    """How many threads a measurement uses on this machine."""
    return max(1, min(_MOST_THREADS, os.cpu_count() or 1))


def _status(
    found: LagWindows, confidence: NDArray[np.float64], params: RadonVelocityParams
) -> NDArray[np.str_]:
    unsure = (found.reason == "ok") & (confidence < params.min_confidence)
    slow = np.abs(found.displacement_px) * params.window_width < _SLOWEST_PX
    status = np.where(unsure, np.where(slow, "too_slow_for_window", "low_confidence"), found.reason)
    return np.asarray(status, np.str_)


def _summary(
    velocity: NDArray[np.float64],
    params: RadonVelocityParams,
    num_columns: int,
    calibration: Calibration,
) -> dict[str, Any]:
    """Describe the accepted windows, and the limits of what these windows can measure."""
    valid = velocity[np.isfinite(velocity)]
    per_px = calibration.dx_um / calibration.dt_s
    slowest = _SLOWEST_PX / params.window_width * per_px
    fastest = _FASTEST * num_columns * per_px
    forward = float(np.mean(valid > 0)) if valid.size else math.nan
    direction = "both" if 0.05 < forward < 0.95 else "positive" if forward > 0.5 else "negative"
    pulsatility = math.nan
    if valid.size and np.median(valid):
        low, high = np.percentile(valid, [5, 95])
        pulsatility = float((high - low) / abs(np.median(valid)))
    return {
        "accepted_fraction": finite_or_none(valid.size / velocity.size),
        "direction": direction if valid.size else None,
        "pulsatility": finite_or_none(pulsatility),
        "v_min": finite_or_none(slowest),
        "v_max": finite_or_none(fastest),
        "warnings": _warnings(velocity, params, num_columns, fastest),
    }


def _warnings(
    velocity: NDArray[np.float64], params: RadonVelocityParams, num_columns: int, fastest: float
) -> list[str]:
    warnings = []
    if num_columns < NARROWEST_PX:
        warnings.append(
            f"the ROI has {num_columns} columns; fewer than {NARROWEST_PX} give no reliable speed"
        )
    valid = np.abs(velocity[np.isfinite(velocity)])
    if valid.size and np.percentile(valid, 95) > fastest / 2:
        warnings.append(
            "cells cross much of the ROI from one line to the next, so a faster or slower flow may "
            "look the same; use a longer line or scan faster"
        )
    apart = round(1 / params.step_fraction)
    if velocity.size > apart:
        change = np.abs(velocity[apart:] - velocity[:-apart])
        change = change[np.isfinite(change)]
        if change.size and np.median(change) > 0.2 * np.median(valid) > 0:
            warnings.append(
                "the speed changes by more than a fifth from one window to the next; shorter "
                "windows would follow it"
            )
    return warnings
