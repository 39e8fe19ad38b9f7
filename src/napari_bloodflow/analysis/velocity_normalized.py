"""The method ``normalized`` of the velocity analysis: from correlations to a table."""

from __future__ import annotations

import math
import os
from dataclasses import fields, replace
from typing import TYPE_CHECKING, Any, Literal, NamedTuple

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
from napari_bloodflow.analysis.kernels.red_cells import iter_red_cells
from napari_bloodflow.analysis.kernels.scan_skew import apparent_velocity
from napari_bloodflow.analysis.velocity_scan import (
    WindowVelocities,
    combined,
    window_velocities,
)
from napari_bloodflow.errors import AnalysisError

if TYPE_CHECKING:
    from collections.abc import Generator

    from numpy.typing import NDArray

    from napari_bloodflow.analysis.base import AnalysisInputs
    from napari_bloodflow.analysis.kernels.red_cells import RedCells
    from napari_bloodflow.analysis.radon_velocity_params import RadonVelocityParams
    from napari_bloodflow.calibration import Calibration

__all__ = ["lag_options", "measure_normalized", "num_threads", "scan_s_per_um"]

# More threads than this gain little and need memory each.
_MOST_THREADS = 4

# A window that moves by less cannot tell a tenth of its speed; lines that share less than this part
# of the ROI are few.
_SLOWEST_PX = 3.0
_FASTEST = 0.8

_UNCALIBRATED_SMOOTHING_PX = 2.0


class _Part(NamedTuple):
    """One of several measurements of the same number of windows."""

    number: int = 0
    of: int = 1

    def progress(self, done: int, total: int, text: str = "") -> Progress:
        """How far all of them are, when this one has done some windows."""
        text = text or (f"window {done} of {total}" if done else "measuring velocity")
        return Progress(self.number * total + done, self.of * total, text)


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
    # With a scan that takes time, opposite speeds have streaks of different slopes.
    scan = scan_s_per_um(params, calibration)
    slowest = np.abs(apparent_velocity([params.speed_min, -params.speed_min], scan)).min()
    fastest = math.inf
    if params.speed_max:
        fastest = np.abs(apparent_velocity([params.speed_max, -params.speed_max], scan)).max()
    signs: dict[str, Literal[1, -1] | None] = {"any": None, "positive": 1, "negative": -1}
    return LagOptions(
        params.window_width,
        step_fraction=params.step_fraction,
        background=params.background,
        smoothing_px=min(smoothing, 50.0) if params.smoothing_um > 0 else 0.0,
        min_overlap_px=params.min_overlap_px or None,
        speed_limits_px=(float(slowest) / per_px, float(fastest) / per_px),
        direction=signs[params.direction],
    )


def scan_s_per_um(params: RadonVelocityParams, calibration: Calibration) -> float:
    """Time that the scan takes per micrometre; negative if it goes towards smaller column."""
    sign = -1.0 if params.scan_direction == "negative" else 1.0
    return sign * params.pixel_dwell_us * 1e-6 / calibration.dx_um


def measure_normalized(
    inputs: AnalysisInputs, params: RadonVelocityParams
) -> Generator[Progress, None, tuple[pd.DataFrame, dict[str, Any]]]:
    """Measure, yielding progress and returning the table and further values for the summary.

    Raises
    ------
    AnalysisError
        If the ROI has fewer lines than one window, or fewer than two columns, or the pixel dwell
        time does not fit the lines.
    """
    calibration = inputs.calibration
    _check_dwell(inputs, params)
    if params.scan_direction == "bidirectional":
        found = yield from _measure_both_directions(inputs, params)
    else:
        found = yield from _measure_lines(inputs.image, params, calibration, _Part())
    time_index = lag_center_index(found.velocity.size, lag_options(params, calibration))
    slope = found.velocity * (calibration.dt_s / calibration.dx_um)
    factor = inputs.speed_factor(time_index, params.window_width)
    found = replace(
        found,
        velocity=found.velocity * factor,
        ci_low=found.ci_low * factor,
        ci_high=found.ci_high * factor,
    )
    status = _status(found, params)
    accepted = status == "ok"
    velocity = np.where(accepted, found.velocity, np.nan)
    theta = np.mod(np.rad2deg(np.arctan(slope)), 180.0)
    per_mm, count, count_sd = (
        np.where(accepted, values, np.nan)
        for values in (found.cells_per_mm, found.cell_count, found.cell_count_sd)
    )
    table = pd.DataFrame(
        {
            "time_s": inputs.time_at(time_index),
            "time_index": time_index,
            "theta_deg": np.where(accepted, theta, np.nan),
            "velocity": velocity,
            "velocity_ci_low": found.ci_low,
            "velocity_ci_high": found.ci_high,
            "confidence": found.confidence,
            "correlation": found.correlation,
            "snr": found.snr,
            "status": status.astype(str),
            "velocity_raw": found.velocity,
            "rbc_flux_per_s": per_mm * np.abs(velocity) / 1000.0,
            "rbc_density_per_mm": per_mm,
            "rbc_spacing_um": 1000.0 / np.where(per_mm > 0, per_mm, np.nan),
            "rbc_count": count,
            "rbc_count_sd": count_sd,
        }
    )
    return table, _summary(velocity, params, inputs.image.shape[1], calibration)


def _check_dwell(inputs: AnalysisInputs, params: RadonVelocityParams) -> None:
    dwell_us, num_columns = params.pixel_dwell_us, inputs.state.image_shape[1]
    if dwell_us and not inputs.calibration.is_known:
        raise AnalysisError(
            "pixel_dwell_us needs a calibrated image: set its line time and pixel size, or "
            "pixel_dwell_us to 0"
        )
    scan_s = dwell_us * 1e-6 * num_columns
    if dwell_us and scan_s > inputs.calibration.dt_s:
        raise AnalysisError(
            f"pixel_dwell_us is too long: {num_columns} pixels of {dwell_us:g} us are "
            f"{scan_s * 1e3:.4g} ms, and a line takes {inputs.calibration.dt_s * 1e3:.4g} ms"
        )


def _measure_both_directions(
    inputs: AnalysisInputs, params: RadonVelocityParams
) -> Generator[Progress, None, WindowVelocities]:
    """Measure even and odd lines as records of their own, of half the lines each."""
    calibration = inputs.calibration
    half_rate = replace(calibration, dt_s=2 * calibration.dt_s)
    lines = inputs.image[: inputs.image.shape[0] // 2 * 2]
    halves = []
    for number in (0, 1):
        is_positive = (inputs.state.roi_bounds[0] + number) % 2 == 0
        half = params.model_copy(
            update={
                "window_width": params.window_width // 2,
                "scan_direction": "positive" if is_positive else "negative",
            }
        )
        part = _Part(number, 2)
        halves.append((yield from _measure_lines(lines[number::2], half, half_rate, part)))
    return combined(*halves)


def _measure_lines(
    image: NDArray[Any], params: RadonVelocityParams, calibration: Calibration, part: _Part
) -> Generator[Progress, None, WindowVelocities]:
    """Measure lines that are all scanned in one direction."""
    try:
        options = lag_options(params, calibration)
        chunks = iter_lag_windows(image, options, num_threads=num_threads())
    except ValueError as error:
        raise AnalysisError(str(error)) from None
    total = num_lag_windows(image.shape[0], options)
    parts: list[LagWindows] = []
    yield part.progress(0, total)
    for chunk in chunks:
        parts.append(chunk.windows)
        yield part.progress(chunk.stop, total)
    columns: dict[str, Any] = {
        f.name: np.concatenate([getattr(part, f.name) for part in parts])
        for f in fields(LagWindows)
    }
    found = LagWindows(**columns)
    sure = certainty(found, params.window_width, image.shape[1])
    accepted = (found.reason == "ok") & (sure.confidence >= params.min_confidence)
    counting = iter_red_cells(
        image,
        np.where(accepted, found.displacement_px, np.nan),
        params.window_width,
        stride=options.stride,
        smoothing_px=options.smoothing_px,
        take_background=options.background != "none",
        num_threads=num_threads(),
    )
    while True:
        try:
            done = next(counting)
        except StopIteration as stop:
            cells: RedCells = stop.value
            break
        yield part.progress(total, total, f"cells of window {done} of {total}")
    return window_velocities(
        found,
        sure,
        cells,
        params.window_width,
        calibration,
        scan_s_per_um(params, calibration),
    )


def num_threads() -> int:
    """How many threads a measurement uses on this machine."""
    return max(1, min(_MOST_THREADS, os.cpu_count() or 1))


def _status(found: WindowVelocities, params: RadonVelocityParams) -> NDArray[np.str_]:
    unsure = (found.reason == "ok") & (found.confidence < params.min_confidence)
    slow = found.moved_px < _SLOWEST_PX
    status = np.where(unsure, np.where(slow, "too_slow_for_window", "low_confidence"), found.reason)
    size = np.abs(found.velocity)
    outside = (size < params.speed_min) | (size > (params.speed_max or math.inf))
    return np.asarray(np.where((status == "ok") & outside, "out_of_limits", status), np.str_)


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
    if params.scan_direction == "bidirectional":
        fastest /= 2  # lines of one direction are two lines apart
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
