"""Parameters of the sum intensity, and sets of them for fast, medium and slow events."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import AfterValidator, ValidationInfo, field_validator

from napari_bloodflow.analysis.base import DetectionParams
from napari_bloodflow.errors import ParameterError
from napari_bloodflow.schema import field

__all__ = ["NOISE_SCALED", "PRESETS", "SumIntensityParams", "level_fractions", "preset"]

NOISE_SCALED = "noise_scaled"
"""The detection in units of noise."""

DetectionMethod = Literal["noise_scaled", "derivative_threshold", "absolute_threshold"]
Source = Literal[
    "sum_intensity",
    "norm_sum_intensity",
    "filtered_norm_sum_intensity",
    "detrended_norm_sum_intensity",
    "df_f_signal",
]
_TRACES, _PEAKS, _OWN = "Preprocessing", "Peak Detection", "Detection in units of noise"
_THRESHOLDS = "Detection by a threshold"
_BY_THRESHOLD = ("derivative_threshold", "absolute_threshold")
_MAX_LEVELS = 50
_LONGEST_MS = 3.6e6


def level_fractions(text: str) -> tuple[float, ...]:
    """Read a list of parts of the amplitude, such as ``"0.1,0.5,0.9"``.

    Raises
    ------
    ValueError
        If one is no number between 0 and 1, or there are none, or more than 50.
    """
    try:
        values = tuple(float(part) for part in text.split(",") if part.strip())
    except ValueError:
        raise ValueError("must be numbers with commas between them") from None
    if not values or len(values) > _MAX_LEVELS:
        raise ValueError(f"must be 1 to {_MAX_LEVELS} numbers")
    if not all(0 < value < 1 for value in values):
        raise ValueError("must be between 0 and 1, both excluded")
    return values


def _checked_fractions(text: str) -> str:
    level_fractions(text)
    return text


def _number(default: float, display_name: str, **more: Any) -> Any:
    return field(default, display_name, allow_inf_nan=False, **more)


def _duration(default: float, display_name: str, description: str, **more: Any) -> Any:
    return _number(
        default, display_name, unit="ms", description=description, le=_LONGEST_MS, **more
    )


class SumIntensityParams(DetectionParams):
    """Parameters of `sum_intensity`; the first eighteen are those of CloudScope."""

    window_radius_points: int = field(
        6,
        "Average radius",
        unit="points",
        group=_TRACES,
        description="Lines on either side that are averaged.",
        ge=0,
        le=100_000,
    )
    filter_method: Literal["none", "median"] = field("median", "Filter", group=_TRACES)
    median_filter_kernel_points: int = field(
        3, "Median filter", unit="points", group=_TRACES, description="Odd.", ge=0, le=1001
    )
    detrend_method: Literal["none", "single_exponential"] = field(
        "single_exponential", "Bleaching", group=_TRACES, description="Curve that is subtracted."
    )
    baseline_method: Literal["percentile", "manual"] = field(
        "percentile", "F0", group=_TRACES, description="How F0 is chosen."
    )
    baseline_percentile: float = _number(
        20.0, "F0 percentile", unit="percentile", group=_TRACES, ge=0, le=100
    )
    manual_f0_baseline: float = _number(
        1.0,
        "F0 by hand",
        group=_TRACES,
        description="Used if F0 is chosen by hand; not 0 then.",
        validate_default=True,
    )
    baseline_window_ms: float = _duration(
        100.0, "Baseline window", "Time before an onset that is its baseline.", group=_TRACES, ge=0
    )
    baseline_min_value: float = _number(
        1e-12,
        "Smallest F0",
        group=_TRACES,
        description="An F0 nearer to 0 is replaced by this.",
        gt=0,
        visible=False,
    )
    detection_method: DetectionMethod = field(
        NOISE_SCALED,
        "Method",
        group=_PEAKS,
        choice_labels={
            NOISE_SCALED: "In units of noise",
            "derivative_threshold": "Derivative (classic)",
            "absolute_threshold": "Threshold (classic)",
        },
        description="A threshold in standard errors, or one of CloudScope's in the trace's unit.",
    )
    polarity: Literal["positive", "negative"] = field(
        "positive", "Polarity", group=_PEAKS, description="Whether events go up or down."
    )
    detection_source: Source = field(
        "df_f_signal",
        "Trace",
        group=_THRESHOLDS,
        only_for=_BY_THRESHOLD,
        description="Where thresholds are applied and peaks measured.",
    )
    absolute_threshold: float = _number(
        0.0, "Absolute threshold", group=_THRESHOLDS, only_for=_BY_THRESHOLD
    )
    derivative_threshold_per_sec: float = _number(
        3.0, "Derivative threshold", unit="1/s", group=_THRESHOLDS, only_for=_BY_THRESHOLD
    )
    refractory_period_ms: float = _duration(
        10.0,
        "Refractory period",
        "No onset comes sooner after another.",
        group=_THRESHOLDS,
        only_for=_BY_THRESHOLD,
        ge=0,
    )
    peak_search_window_ms: float = _duration(
        50.0,
        "Peak window",
        "Time after an onset in which its peak is.",
        group=_THRESHOLDS,
        only_for=_BY_THRESHOLD,
        gt=0,
    )
    width_search_window_ms: float = _duration(
        750.0, "Width window", "Time after a peak in which it ends.", group=_PEAKS, gt=0
    )
    level_fractions: Annotated[str, AfterValidator(_checked_fractions)] = field(
        "0.1,0.2,0.5,0.8,0.9",
        "Levels",
        group=_PEAKS,
        description="Parts of the amplitude at which widths are measured.",
        visible=False,
    )
    min_strength: float = _number(
        4.5,
        "Least strength",
        unit="standard errors",
        group=_OWN,
        only_for=(NOISE_SCALED,),
        description="Least rise over its standard error.",
        ge=2,
        le=1000,
    )
    smoothing_ms: float = _number(
        10.0,
        "Smoothing",
        unit="ms",
        group=_OWN,
        only_for=(NOISE_SCALED,),
        description="Standard deviation of the Gaussian that smooths the trace that is measured.",
        ge=0,
        le=1000,
    )
    min_distance_ms: float = _duration(
        50.0,
        "Least distance",
        "Least time between two onsets.",
        group=_OWN,
        only_for=(NOISE_SCALED,),
        ge=0,
    )
    rolling_baseline_s: float = _number(
        4.0,
        "Rolling F0",
        unit="s",
        group=_OWN,
        only_for=(NOISE_SCALED,),
        description="Time around every line whose percentile is its F0.",
        gt=0,
        le=3600,
    )

    @field_validator("manual_f0_baseline")
    @classmethod
    def _not_zero_if_used(cls, value: float, info: ValidationInfo) -> float:
        if value == 0 and info.data.get("baseline_method") == "manual":
            raise ValueError("must not be 0: df/f is not defined then")
        return value


def _events(refractory_ms: float, peak_ms: float, width_ms: float) -> dict[str, Any]:
    return {
        "detection_method": "derivative_threshold",
        "window_radius_points": 0,
        "derivative_threshold_per_sec": 1.0,
        "refractory_period_ms": refractory_ms,
        "peak_search_window_ms": peak_ms,
        "width_search_window_ms": width_ms,
    }


PRESETS: dict[str, dict[str, Any]] = {
    "noise": {},
    "cloudscope": {"detection_method": "derivative_threshold"},
    "fast": _events(10.0, 50.0, 150.0),
    "medium": _events(250.0, 150.0, 500.0),
    "slow": _events(500.0, 250.0, 750.0),
}
"""Departures from the defaults: ours, CloudScope's defaults, and its three presets."""


def preset(name: str) -> dict[str, Any]:
    """Return a complete set of parameters.

    Parameters
    ----------
    name : {"noise", "cloudscope", "fast", "medium", "slow"}
        ``"noise"`` is the default. The others are CloudScope's: its defaults, and its sets for
        fast, medium and slow events.

    Raises
    ------
    ParameterError
        If there is no such set.
    """
    if name not in PRESETS:
        raise ParameterError(f"there is no preset {name!r}; there is {', '.join(PRESETS)}")
    return SumIntensityParams(**PRESETS[name]).model_dump()
