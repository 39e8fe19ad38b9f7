"""How sure a velocity of the lag correlation is: error bars and the probability that it is right.

Both follow from the shape of the correlation peak by formulas whose constants were fitted to
synthetic records of known velocity (``benchmarks/fit_velocity_confidence.py``). They are checked on
other seeds, and on real noise levels, window sizes and defects, by
``benchmarks/velocity_accuracy.py``.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from napari_bloodflow.analysis.kernels._lag_confidence_constants import (
    LOG_ODDS,
    LOG_WIDTH,
    SLOW_LOG_ODDS,
    SLOW_LOG_WIDTH,
)

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from napari_bloodflow.analysis.kernels.lag_correlation import LagWindows

__all__ = [
    "ACCEPTED",
    "SLOW_PX",
    "Certainty",
    "certainty",
    "features",
    "slow_features",
    "tolerance_px",
]

ACCEPTED = 0.8
"""Confidence from which a window is accepted."""

SLOW_PX = 3.0
"""A window whose pattern moves by less from its first line to its last hardly moves."""

_SLOW_TOLERANCE_PX = 1.0
_TOLERANCE = 0.1

# Relative half width that no interval goes below: what rounding and interpolation leave.
_LEAST_WIDTH = 2e-5

# Where the weight of disagreeing parts may change: logarithm of their deviation over `sigma_rel`.
_KNOTS = (-0.5, 0.0, 0.5, 1.0, 1.5)


def tolerance_px(displacement_px: NDArray[np.float64], window_width: int) -> NDArray[np.float64]:
    """Give the error that still counts as right.

    Parameters
    ----------
    displacement_px : ndarray of float64, shape (windows,)
        Speed in px/line.
    window_width : int
        Lines per window.

    Returns
    -------
    ndarray of float64, shape (windows,)
        A tenth of the speed; for one that moves the pattern by less than three pixels over the
        window, such as 0, a pixel over the window. In px/line.
    """
    size = np.abs(displacement_px)
    slow = size * window_width < SLOW_PX
    return np.asarray(np.where(slow, _SLOW_TOLERANCE_PX / window_width, _TOLERANCE * size))


def features(windows: LagWindows, window_width: int, num_columns: int) -> NDArray[np.float64]:
    """Describe the peaks by the numbers that the formulas weigh.

    Parameters
    ----------
    windows : LagWindows
        What was measured.
    window_width, num_columns : int
        Lines per window, pixels per line.

    Returns
    -------
    ndarray of float64, shape (windows, features)
        The first is 1; NaN in windows without a speed.
    """
    r = np.clip(windows.correlation, 1e-3, 1.0)
    size = np.abs(windows.displacement_px)
    moved = np.maximum(size, 1.0 / window_width)
    with np.errstate(invalid="ignore"):
        sigma = np.log(np.clip(windows.sigma_rel * size / moved, 1e-5, 10.0))
        z = np.log(np.clip(windows.z, 1e-2, 1.0))
        noise = np.log(np.clip(1.0 - r, 1e-5, 1.0))
        lead = np.clip(windows.correlation - windows.second_correlation, -0.5, 1.0)
        decay = np.log(np.clip(windows.decay, 0.0, 1.0) + 1e-3)
        drop = np.clip(windows.decay, -0.5, 1.0)
        slow = np.log(moved * window_width)
        fast = np.log(moved / num_columns)
        snr = np.log(np.clip(windows.snr, 0.5, 20.0))
        deviation = _log_part(windows.deviation_px, moved)
        shift = _log_part(np.abs(windows.faster_px), moved)
        either = 0.5 * np.logaddexp(2 * deviation, 2 * sigma + 1.0)
        parts = np.log(np.clip(np.nan_to_num(windows.parts, nan=1.0), 1.0, 100.0))
        # Logarithms of the lags that can be used, and of what lines in succession share.
        usable = np.log(np.clip(num_columns / moved, 1.0, window_width))
        shared = np.log(np.clip(1.0 - moved / num_columns, 0.1, 1.0))
        # Not beyond the sizes that the formulas were fitted to.
        lines = np.full(moved.size, np.log(np.clip(window_width, 16, 128) / 64))
    columns = [sigma, z, noise, lead, decay, slow, fast, snr]
    columns += [sigma**2, z**2, noise**2, lead**2, decay**2, slow**2, fast**2, snr**2]
    columns += [sigma * noise, sigma * z, sigma * lead, sigma * slow, sigma * fast, z * lead]
    columns += [noise * lead, noise * slow, noise * fast, lead * slow, lead * fast]
    columns += [decay * noise, decay * sigma, decay * slow, decay * fast, decay * lead]
    columns += [lines, lines**2]
    columns += [usable, usable**2, usable * noise, usable * sigma, usable * decay]
    columns += [shared, shared**2, shared * noise, shared * sigma]
    columns += [snr * noise, snr * sigma, snr * fast, snr * decay]
    columns += [drop, drop**2, drop * noise, drop * slow, drop * fast, drop * sigma]
    columns += [deviation, deviation**2, deviation * sigma, deviation * noise, deviation * slow]
    columns += [deviation * fast, deviation * decay, deviation * usable, deviation * lead]
    columns += [either, either**2, either * slow, either * fast, either * noise]
    columns += [parts, parts**2, parts * deviation, parts * sigma, parts * either]
    columns += [shift, shift**2, shift * sigma, shift * deviation]
    leveled = np.nan_to_num(windows.leveled)
    columns += [leveled, leveled * sigma, leveled * deviation, leveled * either]
    columns += [leveled * decay, leveled * noise, leveled * slow, leveled * fast]
    # How much more the parts of the pattern disagree than noise makes them: piecewise linear.
    for knot in _KNOTS:
        excess = np.maximum(deviation - sigma - knot, 0.0)
        columns += [excess, excess * slow, excess * fast]
        columns += [excess * parts, excess * leveled, excess * sigma]
    return np.column_stack([np.ones_like(sigma), *columns])


def _log_part(px: NDArray[np.float64], moved: NDArray[np.float64]) -> NDArray[np.float64]:
    """Logarithm of a part of the speed; large where it is not known."""
    return np.asarray(np.log(np.clip(np.nan_to_num(px / moved, nan=10.0), 1e-5, 10.0)))


def slow_features(windows: LagWindows, window_width: int) -> NDArray[np.float64]:
    """Describe the peaks of windows that hardly move, or stand still.

    Parameters
    ----------
    windows : LagWindows
        What was measured.
    window_width : int
        Lines per window.

    Returns
    -------
    ndarray of float64, shape (windows, features)
        The first is 1; NaN in windows without a speed.
    """
    r = np.clip(windows.correlation, 1e-3, 1.0)
    with np.errstate(invalid="ignore", divide="ignore"):
        sigma_px = windows.sigma_rel * np.abs(windows.displacement_px) * window_width
        sigma = np.log(np.clip(sigma_px, 1e-4, 10.0))
        noise = np.log(np.clip(1.0 - r, 1e-5, 1.0))
        lead = np.clip(windows.correlation - windows.second_correlation, -0.5, 1.0)
        snr = np.log(np.clip(windows.snr, 0.5, 20.0))
        deviation = _log_part(windows.deviation_px, np.full(sigma.size, 1.0 / window_width))
        shift = _log_part(np.abs(windows.faster_px), np.full(sigma.size, 1.0 / window_width))
    columns = [sigma, noise, lead, snr, sigma**2, noise**2, lead**2, sigma * noise, sigma * lead]
    columns += [deviation, deviation**2, deviation * sigma, deviation * noise, shift, shift**2]
    return np.column_stack([np.ones_like(sigma), *columns])


class Certainty(NamedTuple):
    """How sure speeds are; both arrays have the shape ``(windows,)``.

    Attributes
    ----------
    half_width_px : ndarray of float64
        Half the width of the 95 % interval around the speed, in px/line.
    confidence : ndarray of float64
        Probability that the error is within `tolerance_px`; 0 in windows without a speed.
    """

    half_width_px: NDArray[np.float64]
    confidence: NDArray[np.float64]


def certainty(windows: LagWindows, window_width: int, num_columns: int) -> Certainty:
    """Work out error bars and confidence.

    Parameters
    ----------
    windows : LagWindows
        What was measured.
    window_width, num_columns : int
        Lines per window, pixels per line.

    Returns
    -------
    Certainty
        Of each window.
    """
    size = np.abs(windows.displacement_px)
    is_slow = size * window_width < SLOW_PX
    fast = features(windows, window_width, num_columns)
    slow = slow_features(windows, window_width)
    measured = np.isfinite(np.where(is_slow, slow.sum(axis=1), fast.sum(axis=1)))
    fast, slow = np.nan_to_num(fast), np.nan_to_num(slow)
    odds = np.where(is_slow, slow @ SLOW_LOG_ODDS, fast @ LOG_ODDS)
    log_width = np.where(is_slow, slow @ SLOW_LOG_WIDTH, fast @ LOG_WIDTH)
    unit = np.where(is_slow, 1.0 / window_width, size)
    width = unit * np.clip(np.exp(np.clip(log_width, -50.0, 5.0)), _LEAST_WIDTH, None)
    probability = 1 / (1 + np.exp(-np.clip(odds, -50.0, 50.0)))
    return Certainty(np.where(measured, width, np.nan), np.where(measured, probability, 0.0))
