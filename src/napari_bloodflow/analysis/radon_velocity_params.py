"""Parameters of the velocity analysis."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import BeforeValidator, model_validator

from napari_bloodflow.analysis.base import DetectionParams
from napari_bloodflow.analysis.kernels.lag_confidence import ACCEPTED
from napari_bloodflow.schema import field

__all__ = ["RadonVelocityParams"]

_PEAK = "Method normalized"
_SCAN = "Scan"
_NORMALIZED = ("normalized",)
_STEPS = (0.25, 0.5, 1.0)


def _window_width(value: Any) -> int:
    if isinstance(value, bool) or int(value) != float(value):
        raise ValueError("must be a whole number of lines")
    if int(value) < 8 or int(value) % 4:
        raise ValueError("must be a multiple of 4 and at least 8 lines")
    return int(value)


def _step_fraction(value: Any) -> float:
    if float(value) not in _STEPS:
        raise ValueError("must be 0.25, 0.5 or 1")
    return float(value)


class RadonVelocityParams(DetectionParams):
    """Parameters of `radon_velocity`; all but the first two are of the method ``normalized``."""

    window_width: Annotated[int, BeforeValidator(_window_width)] = field(
        64,
        "Window",
        unit="lines",
        ge=8,
        step=4,
        description="Lines per window; a multiple of 4. Windows overlap by three quarters.",
    )
    method: Literal["normalized", "classic"] = field(
        "normalized",
        "Method",
        choice_labels={
            "normalized": "Normalized, with error bars",
            "classic": "Classic Radon",
        },
        description="normalized: correlation of lines at all lags, with error bars. classic: "
        "variance of the Radon projection in steps of a quarter degree, to continue old studies.",
    )
    step_fraction: Annotated[float, BeforeValidator(_step_fraction)] = field(
        0.25,
        "Step",
        unit="windows",
        choices=_STEPS,
        description="From one window to the next: 0.25, 0.5 or 1 window.",
        group=_PEAK,
        only_for=_NORMALIZED,
    )
    background: Literal["record", "running", "none"] = field(
        "record",
        "Background",
        description="What stands still and is taken away: the mean of each column over the record, "
        "over the 16 windows around, or nothing.",
        group=_PEAK,
        only_for=_NORMALIZED,
    )
    smoothing_um: float = field(
        0.5,
        "Smoothing",
        unit="um",
        description="Standard deviation of the smoothing along the line, at least 1 pixel unless "
        "it is 0; 2 pixels without calibration. Noisy records are smoothed up to half more.",
        group=_PEAK,
        only_for=_NORMALIZED,
        ge=0,
        le=20,
    )
    min_overlap_px: int = field(
        0,
        "Minimum overlap",
        unit="px",
        description="Pixels that two lines must share to be compared; 0 for an eighth of the line.",
        group=_PEAK,
        only_for=_NORMALIZED,
        ge=0,
    )
    speed_min: float = field(
        0.0,
        "Smallest speed",
        unit="um/s",
        description="Speeds below are not looked for; without sign.",
        group=_PEAK,
        only_for=_NORMALIZED,
        ge=0,
    )
    speed_max: float = field(
        0.0,
        "Largest speed",
        unit="um/s",
        description="Speeds above are not looked for; without sign. 0 for no limit.",
        group=_PEAK,
        only_for=_NORMALIZED,
        ge=0,
    )
    direction: Literal["any", "positive", "negative"] = field(
        "any",
        "Direction",
        description="Direction of flow if it is known; positive is towards larger column.",
        group=_PEAK,
        only_for=_NORMALIZED,
    )
    min_confidence: float = field(
        ACCEPTED,
        "Confidence",
        description="Windows whose error is below a tenth with less than this probability have no "
        "velocity; their estimate is kept in velocity_raw.",
        group=_PEAK,
        only_for=_NORMALIZED,
        ge=0,
        le=1,
    )

    pixel_dwell_us: float = field(
        0.0,
        "Pixel dwell time",
        unit="us",
        description="Time from one pixel of a line to the next, for which speeds are corrected; "
        "0 if it is not known. Method normalized only.",
        group=_SCAN,
        ge=0,
        allow_inf_nan=False,
    )
    scan_direction: Literal["positive", "negative", "bidirectional"] = field(
        "positive",
        "Scan direction",
        description="Direction in which lines are scanned; positive is towards larger column. "
        "bidirectional: line 0 of the image and every other line positive, those between negative; "
        "both are measured apart. Method normalized only.",
        group=_SCAN,
    )

    @model_validator(mode="after")
    def _limits_are_a_range(self) -> RadonVelocityParams:
        if self.speed_max and self.speed_min >= self.speed_max:
            raise ValueError("speed_min must be below speed_max")
        return self

    @model_validator(mode="after")
    def _scan_fits(self) -> RadonVelocityParams:
        bidirectional = self.scan_direction == "bidirectional"
        if self.method == "classic" and (bidirectional or self.pixel_dwell_us):
            raise ValueError(
                "method classic takes no account of the scan: set pixel_dwell_us to 0 and "
                "scan_direction to positive or negative, or choose method normalized"
            )
        if bidirectional and (self.window_width < 16 or self.window_width % 8):
            raise ValueError(
                "window_width must be a multiple of 8 and at least 16 lines, half of them in each "
                "direction, where scan_direction is bidirectional"
            )
        return self
