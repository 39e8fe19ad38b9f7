"""How sure a velocity of the lag correlation is: error bars and the probability that it is right.

Both follow from the shape of the correlation peak by formulas whose constants were fitted to
synthetic records of known velocity (``benchmarks/fit_velocity_confidence.py``). They are checked on
other seeds, and on real noise levels, window sizes and defects, by
``benchmarks/velocity_accuracy.py``.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import numpy as np

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
_LEAST_WIDTH = 1e-4

# Fitted: one constant for each column of `features`, and of `slow_features`.
_LOG_ODDS = np.array(
    [
        -2.28017,
        0.019176,
        -3.07536,
        -2.90929,
        1.03614,
        0.448054,
        -2.01679,
        0.171826,
        2.08858,
        -0.0210036,
        -0.54005,
        -0.168599,
        0.534409,
        -0.0817835,
        0.121888,
        -0.120855,
        -0.695441,
        -0.0652216,
        -0.681478,
        -1.12765,
        -0.351813,
        0.447258,
        1.61705,
        1.0646,
        0.339843,
        -0.360552,
        -0.649205,
        0.203408,
        0.155634,
        -0.0869464,
        -0.20076,
        0.153984,
        -0.311569,
    ]
)
_LOG_WIDTH = np.array(
    [
        0.377282,
        0.493169,
        -1.2983,
        -0.422476,
        -0.633007,
        0.0541593,
        -0.638628,
        0.0142647,
        -0.320717,
        -0.0733896,
        0.0821607,
        0.0611938,
        1.10346,
        0.0547433,
        0.0966407,
        -0.00652597,
        0.0890618,
        -0.17376,
        -0.320213,
        -0.105031,
        -0.0354554,
        0.0932026,
        1.04555,
        -0.0297403,
        -0.198278,
        0.0505136,
        -0.0292068,
        0.326112,
        -0.118859,
        -0.0229752,
        0.046093,
        -0.0267711,
        -0.0990875,
    ]
)
_SLOW_LOG_ODDS = np.array(
    [
        -2.22551,
        0.394324,
        -3.78895,
        -9.1851,
        0.760219,
        -0.291487,
        -1.65558,
        2.73539,
        2.33371,
        -5.82299,
    ]
)
_SLOW_LOG_WIDTH = np.array(
    [
        -0.0302494,
        1.9666,
        -1.04521,
        -0.955122,
        0.58549,
        0.336746,
        -0.303472,
        2.10182,
        0.356295,
        1.95984,
    ]
)


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
        slow = np.log(moved * window_width)
        fast = np.log(moved / num_columns)
        snr = np.log(np.clip(windows.snr, 0.5, 20.0))
    columns = [sigma, z, noise, lead, decay, slow, fast, snr]
    columns += [sigma**2, z**2, noise**2, lead**2, decay**2, slow**2, fast**2, snr**2]
    columns += [sigma * noise, sigma * z, sigma * lead, sigma * slow, sigma * fast, z * lead]
    columns += [noise * lead, noise * slow, noise * fast, lead * slow, lead * fast]
    columns += [decay * noise, decay * sigma, decay * slow, decay * fast, decay * lead]
    return np.column_stack([np.ones_like(sigma), *columns])


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
    columns = [sigma, noise, lead, snr, sigma**2, noise**2, lead**2, sigma * noise, sigma * lead]
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
    odds = np.where(is_slow, slow @ _SLOW_LOG_ODDS, fast @ _LOG_ODDS)
    log_width = np.where(is_slow, slow @ _SLOW_LOG_WIDTH, fast @ _LOG_WIDTH)
    unit = np.where(is_slow, 1.0 / window_width, size)
    width = unit * np.clip(np.exp(np.clip(log_width, -50.0, 5.0)), _LEAST_WIDTH, None)
    probability = 1 / (1 + np.exp(-np.clip(odds, -50.0, 50.0)))
    return Certainty(np.where(measured, width, np.nan), np.where(measured, probability, 0.0))
