"""Volume flow from the velocity in a vessel and its diameter, measured on two ROIs of one file."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
import pandas as pd

from napari_bloodflow.analysis.diameter import ACCEPTED_COLUMN
from napari_bloodflow.errors import AnalysisError, ParameterError

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from napari_bloodflow.analysis.base import Analysis, AnalysisState

__all__ = ["PROFILES", "volume_flow"]

PROFILES = {"parabolic": 0.5, "blunted": 1 / 1.6, "plug": 1.0}
"""Mean velocity of the cross-section over that measured along the axis.

``"parabolic"`` is laminar flow in a round tube (Poiseuille). ``"blunted"`` is the ratio 1.6 of
Baker and Wayland (Microvasc. Res. 7, 131-143, 1974) for red cells in small vessels. ``"plug"`` is
the same velocity everywhere, as of single cells in a capillary.
"""

_NL_PER_MIN = 60e-6  # of a cubic micrometre per second
_SDS_IN_INTERVAL = 2 * 1.96
_LINE_TOLERANCE = 1e-6


class _Series(NamedTuple):
    """Values with standard deviations, NaN where there is none."""

    time_s: NDArray[np.float64]
    value: NDArray[np.float64]
    sd: NDArray[np.float64]


def volume_flow(
    velocity: Analysis, diameter: Analysis, *, profile: str | float = "parabolic"
) -> pd.DataFrame:
    """Return the volume flow ``ratio * v * pi d^2 / 4`` at the times of the velocities.

    The vessel is taken to be round and the velocity to be measured along its axis. The diameter is
    interpolated between rows; where one of the two next to a time was not accepted, there is no
    flow. Velocities and diameters count as independent, and neighbouring diameters as not.

    Parameters
    ----------
    velocity, diameter : Analysis
        A `radon_velocity` and a `diameter` of the same file, on any two ROIs.
    profile : {"parabolic", "blunted", "plug"} or float
        The assumption about the velocity profile: its name, see `PROFILES`, or the mean velocity
        over the measured one, above 0 and up to 1.

    Returns
    -------
    DataFrame
        One row per velocity: ``time_s`` (as of the velocity, from the first line of its ROI),
        ``flow_nl_per_min`` (with the sign of the velocity), ``flow_sd_nl_per_min``,
        ``mean_velocity_um_per_s``, ``diameter_um``, ``velocity_ratio`` and ``status`` (``ok``,
        ``no_velocity``, ``no_diameter``). The standard deviation is NaN if a method gives none;
        that of the profile is not in it.

    Raises
    ------
    ParameterError
        If there is no such profile.
    AnalysisError
        If an analysis is of another kind, was not run or is out of date, the two are of different
        files, or the image is not calibrated.
    """
    ratio = _ratio(profile)
    states = [
        _state(analysis, name)
        for analysis, name in ((velocity, "radon_velocity"), (diameter, "diameter"))
    ]
    if velocity._source is not diameter._source:
        raise AnalysisError("flow: the velocity and the diameter are of different files")
    speed, width = _speed(velocity), _width(diameter)
    later_s = (states[0].roi_bounds[0] - states[1].roi_bounds[0]) * states[0].calibration.dt_s
    value, sd = _interpolated(width, speed.time_s + later_s)
    mean = ratio * speed.value
    area = 0.25 * math.pi * value**2
    spread = np.hypot(area * ratio * speed.sd, 0.5 * math.pi * value * sd * mean)
    status = np.full(mean.size, "ok", dtype=object)
    status[np.isnan(value)] = "no_diameter"
    status[np.isnan(mean)] = "no_velocity"
    return pd.DataFrame(
        {
            "time_s": speed.time_s,
            "flow_nl_per_min": mean * area * _NL_PER_MIN,
            "flow_sd_nl_per_min": spread * _NL_PER_MIN,
            "mean_velocity_um_per_s": mean,
            "diameter_um": value,
            "velocity_ratio": ratio,
            "status": status.astype(str),
        }
    )


def _ratio(profile: str | float) -> float:
    if isinstance(profile, str):
        if profile not in PROFILES:
            raise ParameterError(f"profile is {profile!r}, not one of {', '.join(PROFILES)}")
        return PROFILES[profile]
    if isinstance(profile, bool) or not 0 < profile <= 1:
        raise ParameterError(f"profile is {profile!r}, not a ratio above 0 and up to 1")
    return float(profile)


def _state(analysis: Analysis, name: str) -> AnalysisState:
    key = analysis.key
    if key.analysis_name != name:
        raise AnalysisError(f"flow needs a {name} and got {key}")
    if analysis.result.table is None or not len(analysis.result.table):
        raise AnalysisError(f"flow: {key} has no table; run it first")
    if reasons := analysis.stale_reasons:
        raise AnalysisError(f"flow: {key} is out of date ({'; '.join(reasons)}): run it again")
    source = analysis._source
    state = None if source is None else source.get_analysis_state(key.channel, key.roi_id)
    if state is None:
        raise AnalysisError(f"flow: the ROI of {key} is gone")
    if not state.calibration.is_known:
        raise AnalysisError("flow: the image is not calibrated; set line period and pixel size")
    return state


def _speed(analysis: Analysis) -> _Series:
    value = _column(analysis, "velocity")
    low, high = (_column(analysis, f"velocity_ci_{end}", value) for end in ("low", "high"))
    table = analysis.result.table
    assert table is not None
    has_interval = "velocity_ci_low" in table.columns
    sd = (high - low) / _SDS_IN_INTERVAL if has_interval else np.full(value.size, np.nan)
    return _Series(_column(analysis, "time_s"), value, sd)


def _width(analysis: Analysis) -> _Series:
    table = analysis.result.table
    assert table is not None
    if ACCEPTED_COLUMN in table.columns:
        is_accepted = table[ACCEPTED_COLUMN].to_numpy(bool)
        value = np.where(is_accepted, _column(analysis, "diameter_um"), np.nan)
    else:
        value = _column(analysis, "diameter_um_filt")
    sd = _column(analysis, "diameter_um_sd", np.full(value.size, np.nan))
    return _Series(_column(analysis, "time_s"), value, sd)


def _column(
    analysis: Analysis, name: str, default: NDArray[np.float64] | None = None
) -> NDArray[np.float64]:
    table = analysis.result.table
    assert table is not None
    if name not in table.columns and default is not None:
        return default
    try:
        return table[name].to_numpy(np.float64)
    except (KeyError, ValueError):
        raise AnalysisError(
            f"flow: the table of {analysis.key} has no column {name} of numbers: run it again"
        ) from None


def _interpolated(
    series: _Series, time_s: NDArray[np.float64]
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Return values and standard deviations between rows; NaN next to a gap and outside."""
    place = np.interp(
        time_s, series.time_s, np.arange(series.time_s.size), left=np.nan, right=np.nan
    )
    is_inside = np.isfinite(place)
    place = np.where(is_inside, place, 0.0)
    before = np.floor(place + _LINE_TOLERANCE).astype(np.int64)
    after = np.minimum(np.ceil(place - _LINE_TOLERANCE).astype(np.int64), series.time_s.size - 1)
    weight = np.clip(place - before, 0.0, 1.0)

    def between(values: NDArray[np.float64]) -> NDArray[np.float64]:
        found = np.where(
            after > before,
            (1 - weight) * values[before] + weight * values[after],
            values[before],
        )
        return np.where(is_inside, found, np.nan)

    return between(series.value), between(series.sd)
