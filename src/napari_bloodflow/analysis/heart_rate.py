"""Heart rate from the velocity of the same ROI."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, ClassVar, NamedTuple

import numpy as np
from pydantic import ValidationInfo, field_validator

from napari_bloodflow.analysis.base import (
    Analysis,
    AnalysisInputs,
    AnalysisResult,
    DetectionParams,
    ParentInputs,
    Progress,
    finite_or_none,
)
from napari_bloodflow.analysis.kernels.heart_rate import (
    HeartRate,
    HeartRateTrack,
    estimate_heart_rate,
    pulse_of,
    track_heart_rate,
    window_attenuation,
)
from napari_bloodflow.analysis.kernels.heart_rate_classic import classic_heart_rate
from napari_bloodflow.analysis.kernels.spectrum import lomb_power_even, on_even_grid
from napari_bloodflow.analysis.provenance import PROVENANCE_KEY, make_provenance, run_stamp
from napari_bloodflow.errors import AnalysisError, BloodflowError
from napari_bloodflow.schema import field

if TYPE_CHECKING:
    from collections.abc import Generator, Mapping

    from numpy.typing import NDArray

__all__ = [
    "HeartRateAnalysis",
    "HeartRateParams",
    "VelocitySpectrum",
    "velocity_spectrum",
    "velocity_trace",
]

_BAND, _CLASSIC, _SEGMENTS = "Heart rate", "Lomb-Scargle and Welch", "Segments"
_MIN_TRACKED_PART = 0.2
_MAX_WINDOW_PERIODS = 0.5
_NUM_FREQUENCIES = 1024


def _number(default: float, display_name: str, **more: Any) -> Any:
    return field(default, display_name, allow_inf_nan=False, **more)


class HeartRateParams(DetectionParams):
    """Parameters of `heart_rate`, those of CloudScope; it cannot read a record with others."""

    bpm_min: float = _number(240.0, "Lowest rate", unit="bpm", group=_BAND, gt=0)
    bpm_max: float = _number(
        600.0, "Highest rate", unit="bpm", group=_BAND, gt=0, validate_default=True
    )
    outlier_k_mad: float = _number(
        4.0,
        "Outlier limit",
        group=_BAND,
        description="Velocities are limited to so many robust standard deviations.",
        gt=0,
    )
    use_abs: bool = field(
        True,
        "Use speed",
        group=_CLASSIC,
        description="Take the magnitude of the velocity; the estimate uses its sign.",
    )
    lomb_n_freq: int = field(512, "Frequencies", group=_CLASSIC, ge=2, le=100_000)
    interp_max_gap_sec: float = _number(0.05, "Longest gap filled", unit="s", group=_CLASSIC, ge=0)
    bandpass_order: int = field(3, "Band-pass order", group=_CLASSIC, ge=1, le=10)
    nperseg_sec: float = _number(2.0, "Welch segment", unit="s", group=_CLASSIC, gt=0)
    edge_margin_hz: float = _number(
        -1.0,
        "Edge margin",
        unit="Hz",
        group=_CLASSIC,
        description="Peaks this near to the ends of the band are flagged; negative is automatic.",
    )
    peak_half_width_hz: float = _number(
        0.5, "Half width of a peak", unit="Hz", group=_CLASSIC, gt=0
    )
    agree_tol_bpm: float = _number(30.0, "Agreement", unit="bpm", group=_CLASSIC, ge=0)
    do_segments: bool = field(False, "Segments", group=_SEGMENTS)
    seg_win_sec: float = _number(6.0, "Segment", unit="s", group=_SEGMENTS, gt=0)
    seg_step_sec: float = _number(1.0, "Step", unit="s", group=_SEGMENTS, ge=0.01)
    seg_min_valid_frac: float = _number(0.5, "Least valid part", group=_SEGMENTS, ge=0, le=1)

    @field_validator("bpm_max")
    @classmethod
    def _above_lowest(cls, value: float, info: ValidationInfo) -> float:
        lowest = info.data.get("bpm_min")
        if lowest is not None and value <= lowest:
            raise ValueError(f"must be above bpm_min, {lowest:g}")
        return value


class HeartRateAnalysis(Analysis):
    """Heart rate of a velocity trace: one number, and its course over time.

    The summary has what CloudScope computes, with equal numbers (``lomb``, ``welch``,
    ``agreement``), and a better ``estimate``, which is null with a reason where it is not to be
    trusted. ``over_time`` is the rate in windows of 4 s.
    """

    analysis_name: ClassVar[str] = "heart_rate"
    display_name: ClassVar[str] = "Heart rate"
    params_model: ClassVar[type[DetectionParams]] = HeartRateParams
    parent_name: ClassVar[str | None] = "radon_velocity"

    @classmethod
    def measure(
        cls, inputs: AnalysisInputs, params: Mapping[str, Any]
    ) -> Generator[Progress, None, AnalysisResult]:
        """Measure; see :meth:`Analysis.measure`.

        Raises
        ------
        AnalysisError
            If the line period is not known, or the velocity was not sampled often enough.
        """
        assert inputs.parent is not None
        if not inputs.calibration.is_known:
            raise AnalysisError("heart rate: the line period is not known, set the calibration")
        time_s, velocity = velocity_trace(inputs.parent)
        try:
            step_s, even = on_even_grid(time_s, velocity)
        except ValueError as error:
            raise AnalysisError(f"heart rate: {error} in the velocity table") from None
        low_hz, high_hz = params["bpm_min"] / 60, params["bpm_max"] / 60
        if low_hz >= 0.5 / step_s:
            raise AnalysisError(
                f"heart rate: {1 / step_s:.3g} velocities per second cannot show"
                f" {params['bpm_min']:g} bpm; measure the velocity with a smaller window width"
            )
        yield Progress(0, 3, "heart rate: Lomb-Scargle and Welch")
        classic = classic_heart_rate(time_s, velocity, params)
        yield Progress(1, 3, "heart rate: spectrum")
        pulse = pulse_of(even, step_s, params["outlier_k_mad"])
        steady = estimate_heart_rate(pulse, step_s, low_hz, high_hz)
        yield Progress(2, 3, "heart rate: over time")
        track = track_heart_rate(pulse, step_s, low_hz, high_hz)
        window_s = _window_s(inputs, step_s)
        summary = {
            **run_stamp(cls.analysis_version),
            **classic,
            "estimate": _estimate(steady, track, window_s),
            "over_time": _over_time(track, float(time_s[0])),
            "warnings": _warnings(window_s, params["bpm_max"]),
            PROVENANCE_KEY: make_provenance(
                inputs.state, params, "pulse and harmonic", 1, inputs.parent
            ),
        }
        return AnalysisResult(summary)


def velocity_trace(
    parent: ParentInputs,
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Return time and velocity of a velocity analysis.

    Raises
    ------
    AnalysisError
        If its table lacks one of the two, or has no rows.
    """
    table = parent.result.table
    assert table is not None
    columns = []
    for name in ("time_s", "velocity"):
        try:
            columns.append(np.asarray(table[name], dtype=np.float64))
        except (KeyError, ValueError):
            raise AnalysisError(
                f"the table of {parent.analysis_name} has no column {name} of numbers:"
                " measure the velocity again"
            ) from None
    if not len(table):
        raise AnalysisError(f"the table of {parent.analysis_name} is empty")
    return columns[0], columns[1]


class VelocitySpectrum(NamedTuple):
    """The spectrum in which a heart rate is sought.

    Parameters
    ----------
    bpm : ndarray, shape (1024,)
        Rates, from half the lowest of the band to one and a half times its highest.
    power : ndarray, shape (1024,)
        Part of the variance that a sine of this rate explains, 0 to 1.
    """

    bpm: NDArray[np.float64]
    power: NDArray[np.float64]


def velocity_spectrum(analysis: Analysis) -> VelocitySpectrum | None:
    """Compute the spectrum of the velocity that a heart rate is derived from.

    Parameters
    ----------
    analysis : Analysis
        A heart rate; its velocity is looked up in the same file.

    Returns
    -------
    VelocitySpectrum or None
        None if the velocity is gone, or its table or the band cannot be used.
    """
    parent, params = analysis.parent, analysis.detection_params
    if parent is None or parent.result.table is None:
        return None
    try:
        inputs = ParentInputs(parent.key.analysis_name, parent.detection_params, parent.result)
        step_s, even = on_even_grid(*velocity_trace(inputs))
        low_hz, high_hz = float(params["bpm_min"]) / 60, float(params["bpm_max"]) / 60
    except (BloodflowError, KeyError, TypeError, ValueError):
        return None
    # Room on both sides shows whether a peak is at the edge of the band.
    low_hz, high_hz = low_hz / 2, min(1.5 * high_hz, 0.5 / step_s)
    pulse = pulse_of(even, step_s)
    is_valid = np.isfinite(pulse)
    if not low_hz < high_hz or not np.any(pulse[is_valid]):
        return None
    filled = np.where(is_valid, pulse, 0.0)[None]
    power = lomb_power_even(filled, 1.0 * is_valid[None], step_s, low_hz, high_hz, _NUM_FREQUENCIES)
    return VelocitySpectrum(60 * np.linspace(low_hz, high_hz, _NUM_FREQUENCIES), power[0])


def _window_s(inputs: AnalysisInputs, step_s: float) -> float:
    """Return how long the windows were in which the velocity was measured."""
    assert inputs.parent is not None
    made = inputs.parent.result.summary.get(PROVENANCE_KEY)
    used = made.get("detection_params") if isinstance(made, dict) else None
    params = used if isinstance(used, dict) else inputs.parent.detection_params
    width = params.get("window_width")
    if isinstance(width, (int, float)) and width > 0:
        return float(width) * inputs.calibration.dt_s
    return 4 * step_s


def _estimate(steady: HeartRate, track: HeartRateTrack, window_s: float) -> dict[str, Any]:
    """Choose between the peak of the spectrum and the mean of the track."""
    rate_hz, sd_hz, status, method = steady.frequency_hz, steady.sd_hz, steady.status, "spectrum"
    is_tracked = track.status == "ok"
    if track.is_drifting and is_tracked.mean() >= _MIN_TRACKED_PART:
        rate_hz, status, method = float(np.mean(track.frequency_hz[is_tracked])), "ok", "track"
        # Windows overlap by seven eighths.
        sd_hz = float(np.median(track.sd_hz[is_tracked]) / np.sqrt(max(1, is_tracked.sum() / 8)))
    elif track.is_drifting and status == "ok":
        status = "drifting"
    is_good = status == "ok"
    return {
        "bpm": finite_or_none(60 * rate_hz) if is_good else None,
        "bpm_sd": finite_or_none(60 * sd_hz) if is_good else None,
        "rejected_bpm": None if is_good else finite_or_none(60 * rate_hz),
        "method": method,
        "status": status,
        "peak_ratio": finite_or_none(steady.peak_ratio),
        "probability": finite_or_none(steady.probability),
        "false_alarm_probability": finite_or_none(steady.false_alarm_probability),
        "window_attenuation": finite_or_none(window_attenuation(rate_hz, window_s)),
    }


def _over_time(track: HeartRateTrack, start_s: float) -> dict[str, Any]:
    bpm = 60 * track.frequency_hz
    good = bpm[track.status == "ok"]
    quartiles = np.percentile(good, (25, 75)) if good.size else np.full(2, np.nan)
    return {
        "time_s": [round(float(t), 4) for t in start_s + track.time_s],
        "bpm": [_rounded(value) for value in bpm],
        "bpm_sd": [_rounded(60 * value) for value in track.sd_hz],
        "status": track.status.tolist(),
        "num_windows": int(bpm.size),
        "num_valid_windows": int(good.size),
        "median_bpm": finite_or_none(np.median(good)) if good.size else None,
        "iqr_bpm": finite_or_none(quartiles[1] - quartiles[0]),
        "is_drifting": track.is_drifting,
    }


def _rounded(value: float) -> float | None:
    return round(float(value), 3) if np.isfinite(value) else None


def _warnings(window_s: float, bpm_max: float) -> list[str]:
    periods = window_s * bpm_max / 60
    if periods <= _MAX_WINDOW_PERIODS:
        return []
    left = window_attenuation(bpm_max / 60, window_s)
    return [
        f"velocity windows of {1e3 * window_s:.3g} ms leave {left:.0%} of a pulse of"
        f" {bpm_max:g} bpm: measure the velocity with a smaller window width"
    ]
