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
_LEAST_WIDTH = 2e-5

# Fitted: one constant for each column of `features`, and of `slow_features`.
_LOG_ODDS = np.array(
    [
        -2.51563,
        -0.00167538,
        -2.61946,
        -3.24712,
        1.5164,
        0.293604,
        -2.60787,
        1.15211,
        1.71081,
        -0.294743,
        -0.631194,
        -0.211701,
        -1.65779,
        -0.0754739,
        0.181683,
        -0.0130331,
        -0.665757,
        0.173964,
        -0.531362,
        -3.12765,
        -0.580933,
        0.563869,
        -1.82239,
        2.43367,
        0.445833,
        -0.228615,
        -2.61685,
        0.23313,
        0.184494,
        -0.13231,
        -0.204068,
        0.0582308,
        -0.196291,
        -0.603843,
        -0.0399499,
        1.34347,
        -0.0854634,
        0.349484,
        0.119769,
        -0.0759005,
        3.11157,
        0.698237,
        0.516372,
        -0.0502119,
        -0.266783,
        0.0414741,
        0.129476,
        -0.0947543,
        0.745128,
        -0.308949,
        -0.957503,
        0.397169,
        0.0356726,
        0.678324,
    ]
)
_LOG_WIDTH = np.array(
    [
        -9.59792,
        -1.32334,
        -2.1237,
        0.838285,
        1.59285,
        0.264316,
        0.793659,
        -1.89666,
        -0.540866,
        0.529454,
        0.177757,
        0.273708,
        2.22618,
        0.0922828,
        0.141798,
        -0.151964,
        -0.236477,
        -0.944995,
        -0.600818,
        0.92904,
        0.607203,
        -0.0296415,
        -1.3698,
        -0.810931,
        -0.757765,
        0.205811,
        -0.707949,
        0.372863,
        -0.151377,
        -0.12151,
        0.0116104,
        -0.100541,
        -0.450351,
        0.843062,
        0.867806,
        0.478003,
        0.0839672,
        -0.376829,
        0.547832,
        -0.0749201,
        2.27037,
        0.983179,
        0.136036,
        0.156584,
        0.149518,
        -0.154368,
        -0.113289,
        -0.0405152,
        2.90325,
        -0.124813,
        1.56809,
        -1.08095,
        1.46814,
        -1.73106,
    ]
)
_SLOW_LOG_ODDS = np.array(
    [
        -1.95543,
        -2.65052,
        -0.534987,
        -2.5406,
        -0.0465019,
        -0.574239,
        -0.0694967,
        2.85752,
        0.20551,
        -0.245843,
    ]
)
_SLOW_LOG_WIDTH = np.array(
    [3.06669, 1.74496, 0.642011, -2.43369, 0.129597, 0.583644, 0.111743, 6.54948, -0.143933, 2.0827]
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
        Probability that the error is within `tolerance_px`; 0 in windows without a speed. In
        windows that hardly move it is kept low, as if errors were five times as frequent.
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
