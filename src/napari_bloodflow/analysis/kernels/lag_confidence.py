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

__all__ = ["ACCEPTED", "Certainty", "certainty", "features", "tolerance_px"]

ACCEPTED = 0.8
"""Confidence from which a window is accepted."""

_SLOW_PX = 3.0
_SLOW_TOLERANCE_PX = 1.0
_TOLERANCE = 0.1

# Relative half width that no interval goes below: what rounding and interpolation leave.
_LEAST_WIDTH = 1e-4

# Fitted; one constant for each column of `features`.
_LOG_ODDS = np.array(
    [
        -3.19563,
        2.14505,
        -1.03489,
        -1.71828,
        -0.108229,
        -0.052506,
        -0.017878,
        -0.0732066,
        1.98494,
        0.194582,
        -0.102802,
        0.0917592,
        -1.78582,
        -0.0816629,
        -0.0458598,
        -0.108161,
        -0.634954,
        -0.374535,
        -0.619664,
        1.53614,
        -0.357621,
        0.503735,
        3.19096,
        -0.463403,
        0.0190354,
        -0.285067,
        2.05163,
        -0.525806,
        0.0786939,
        -0.0145342,
        -0.109076,
        0.0881696,
        -0.136335,
    ]
)
_LOG_WIDTH = np.array(
    [
        0.327855,
        0.251744,
        0.319083,
        -0.373844,
        -7.27073,
        0.391683,
        0.21294,
        -0.249069,
        0.137298,
        0.167105,
        -0.103396,
        0.0688791,
        1.77734,
        0.0605572,
        0.141912,
        -0.0146194,
        -0.0444319,
        -0.147267,
        0.125212,
        0.64596,
        0.379113,
        -0.0518707,
        1.74759,
        -0.293593,
        -0.0974801,
        0.00726042,
        1.42067,
        -0.486027,
        -0.075979,
        -0.0366308,
        0.0109895,
        0.00144906,
        -0.0572384,
    ]
)


def tolerance_px(displacement_px: NDArray[np.float64], window_width: int) -> NDArray[np.float64]:
    """Error that counts as right: a tenth of the speed, or a pixel over a window that moves less
    than three.
    """
    size = np.abs(displacement_px)
    slow = size * window_width < _SLOW_PX
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
    # Below a pixel per window the speed itself says nothing about the peak.
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
    x = features(windows, window_width, num_columns)
    measured = np.isfinite(x).all(axis=1)
    x = np.where(measured[:, np.newaxis], x, 0.0)
    size = np.maximum(np.abs(windows.displacement_px), 1.0 / window_width)
    width = size * np.clip(np.exp(np.minimum(x @ _LOG_WIDTH, 5.0)), _LEAST_WIDTH, None)
    odds = np.clip(x @ _LOG_ODDS, -50.0, 50.0)
    return Certainty(
        np.where(measured, width, np.nan), np.where(measured, 1 / (1 + np.exp(-odds)), 0.0)
    )
