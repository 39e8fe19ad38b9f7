"""Proposal of a window width for the velocity analysis, from the record itself."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from napari_bloodflow.analysis.kernels.lag_confidence import ACCEPTED, certainty
from napari_bloodflow.analysis.kernels.lag_correlation import NARROWEST_PX, lag_velocity
from napari_bloodflow.analysis.kernels.windows import window_step
from napari_bloodflow.analysis.radon_velocity_params import RadonVelocityParams
from napari_bloodflow.analysis.velocity_normalized import lag_options, num_threads
from napari_bloodflow.calibration import Calibration

if TYPE_CHECKING:
    from numpy.typing import NDArray

__all__ = ["WindowSuggestion", "suggest_window"]

# Windows of this part of a pulse keep 97 % of its amplitude (benchmarks/velocity_pulse.py).
_PART_OF_PULSE = 0.17

# The pattern should move by so much over a window, or by half of a short line; windows in which it
# moves by less than the second number stand still.
_NEEDED_PX = 10.0
_STILL_PX = 1.5

# Fraction of windows that should be accepted, and the gain that a longer window is worth.
_ENOUGH = 0.8
_GAIN = 0.05

# So few accepted windows say nothing.
_BY_CHANCE = 0.1

_NARROWEST, _WIDEST, _USUAL = 8, 512, 64

# Long records are looked at in some stretches, evenly spaced.
_STRETCHES, _STRETCH_LINES = 4, 2048


@dataclass(frozen=True, slots=True)
class WindowSuggestion:
    """A window width and why.

    Attributes
    ----------
    window_width : int
        Lines per window, a multiple of 4.
    window_ms : float
        Its duration, milliseconds.
    shift_px : float
        Median displacement of what moves from one line to the next, px without sign; NaN if no
        speed could be measured.
    accepted_fraction : float
        Part of the windows of this width whose speed was accepted, 0 to 1.
    reason : str
        Why, in words.
    """

    window_width: int
    window_ms: float
    shift_px: float
    accepted_fraction: float
    reason: str


@dataclass(frozen=True, slots=True)
class _Trial:
    width: int
    shift_px: float
    accepted: float

    @property
    def moved_px(self) -> float:
        """Displacement over a window; NaN if no speed could be measured."""
        return self.shift_px * self.width


def suggest_window(
    image: NDArray[Any], dt_s: float, dx_um: float, *, pulse_hz: float = 10.0
) -> WindowSuggestion:
    """Propose the window width for `radon_velocity`, method ``normalized``.

    The longest window that follows the heartbeat is best, because long windows are precise. Where
    the pattern moves by less than ten pixels in it (half of the line if that is less), or too few
    windows are accepted, a longer one is proposed. It is tried on the record, of which at most
    8192 lines are looked at.

    Parameters
    ----------
    image : ndarray, shape (time, position)
        Kymograph, or the ROI of one.
    dt_s : float
        Time from one line to the next, seconds.
    dx_um : float
        Distance from one pixel to the next, micrometres.
    pulse_hz : float, optional
        Fastest heartbeat to follow, in Hz. 10 suits mice; of rats 7, of humans 2.

    Returns
    -------
    WindowSuggestion
        Width in lines, duration, and the reason in words.

    Raises
    ------
    ValueError
        If a step or the rate is not positive, or the image is not 2-D, not numeric, shorter than 8
        lines or narrower than 2 pixels.
    """
    if not 0 < pulse_hz < math.inf:
        raise ValueError(f"pulse_hz must be a positive number; it is {pulse_hz!r}")
    calibration = Calibration(dt_s, dx_um, "user", is_known=True)
    limit = max(_NARROWEST, _multiple_of_4(min(_WIDEST, image.shape[0] / 2)))
    fitting = _multiple_of_4(_PART_OF_PULSE / (pulse_hz * dt_s))
    fitting = min(max(fitting, _NARROWEST), limit)
    trials = [_try(image, fitting, calibration)]
    while trials[-1].width < limit and not _is_enough(trials[-1], image.shape[1]):
        width = min(_next_width(trials[-1], image.shape[1]), limit)
        trials.append(_try(image, width, calibration))
    best = _best(trials, image.shape[1]) or _Trial(min(_USUAL, limit), math.nan, 0.0)
    return WindowSuggestion(
        best.width,
        best.width * dt_s * 1e3,
        best.shift_px,
        best.accepted,
        _reason(best, fitting, image.shape[1], dt_s, pulse_hz),
    )


def _multiple_of_4(lines: float) -> int:
    return 4 * math.floor(lines / 4 + 1e-9)


def _needed_px(num_columns: int) -> float:
    return min(_NEEDED_PX, num_columns / 2)


def _is_enough(trial: _Trial, num_columns: int) -> bool:
    return trial.accepted >= _ENOUGH and trial.moved_px >= _needed_px(num_columns)


def _next_width(trial: _Trial, num_columns: int) -> int:
    """Width to try after one that is not enough."""
    if trial.moved_px > 0 and trial.moved_px < _needed_px(num_columns):
        lines = 4 * math.ceil(_needed_px(num_columns) / trial.shift_px / 4 - 1e-9)
        return max(lines, trial.width + 4)
    return 2 * trial.width


def _best(trials: list[_Trial], num_columns: int) -> _Trial | None:
    """Choose among widths, the shortest first; None if nothing could be measured."""
    known = [trial for trial in trials if not math.isnan(trial.shift_px)]
    if not known or all(trial.moved_px == 0 for trial in known):
        return known[0] if known else None
    moving = [trial for trial in known if trial.moved_px > 0]
    long = [trial for trial in moving if trial.moved_px >= _needed_px(num_columns)] or moving[-1:]
    most = max(trial.accepted for trial in long)
    return next(trial for trial in long if trial.accepted >= min(_ENOUGH, most - _GAIN))


def _try(image: NDArray[Any], width: int, calibration: Calibration) -> _Trial:
    """Measure with one width."""
    stretch = max(_STRETCH_LINES, 4 * width)
    lines = image
    if image.shape[0] > _STRETCHES * stretch:
        tops = np.linspace(0, image.shape[0] - stretch, _STRETCHES).astype(int)
        lines = np.concatenate([image[top : top + stretch] for top in tops])
    options = lag_options(RadonVelocityParams(window_width=width), calibration)
    found = lag_velocity(lines, options, num_threads=num_threads())
    sure = certainty(found, width, image.shape[1])
    top = np.arange(found.displacement_px.size) * window_step(width)
    whole = (top % stretch + width <= stretch) | (lines is image)
    size = np.abs(found.displacement_px)
    accepted = whole & (found.reason == "ok") & (sure.confidence >= ACCEPTED)
    moving = accepted & (size * width >= _STILL_PX)
    part = float(accepted.sum() / max(whole.sum(), 1))
    shift = math.nan
    if part >= _BY_CHANCE:
        # Most of it stands still, or moves by too little to tell.
        stands = 2 * moving.sum() < accepted.sum()
        shift = 0.0 if stands else float(np.median(size[moving]))
    return _Trial(width, shift, part)


def _reason(trial: _Trial, fitting: int, num_columns: int, dt_s: float, pulse_hz: float) -> str:
    width, shift = trial.width, trial.shift_px
    ms = width * dt_s * 1e3
    followed = (
        f"a pulse of up to {_PART_OF_PULSE / (width * dt_s):.2g} Hz keeps 97 % of its amplitude"
    )
    if math.isnan(shift):
        if num_columns < NARROWEST_PX:
            return f"no speed can be told from {num_columns} columns; this is the usual width"
        return "no speed could be measured with any width; this is the usual one"
    if trial.moved_px == 0:
        return f"the pattern stands still, so any width will do; in {ms:.3g} ms {followed}"
    moved = f"the pattern moves {shift:.2g} px per line, {shift * width:.3g} px in {ms:.3g} ms"
    if width <= fitting and width * dt_s * pulse_hz <= _PART_OF_PULSE:
        return f"{moved}, in which {followed}"
    short = "lines are too far apart in time to follow"
    if fitting * dt_s * pulse_hz <= _PART_OF_PULSE:
        short = f"only {fitting} lines would follow"
    why = "too few shorter windows can be measured"
    if shift * fitting < _needed_px(num_columns):
        why = f"a reliable speed needs {_needed_px(num_columns):g} px per window"
    elif width == fitting:
        why = "this is the shortest window"
    return f"{moved}, in which {followed}; {short} a pulse of {pulse_hz:g} Hz, but {why}"
