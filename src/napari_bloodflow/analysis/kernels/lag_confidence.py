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

# Where the weight of disagreeing parts may change: logarithm of their deviation over `sigma_rel`.
_KNOTS = (-0.5, 0.0, 0.5, 1.0, 1.5)

# Fitted: one constant for each column of `features`, and of `slow_features`.
_LOG_ODDS = np.array(
    [
        -1.48277,
        0.462526,
        -2.73245,
        -2.09145,
        0.824168,
        0.441298,
        -1.8973,
        0.257527,
        1.52317,
        0.589157,
        -0.565165,
        -0.208784,
        -1.00202,
        -0.0195903,
        0.00621138,
        0.0329051,
        -0.436131,
        1.21335,
        -0.801998,
        -1.47832,
        -0.22331,
        -0.542204,
        -1.1802,
        0.997596,
        0.421485,
        -0.0459575,
        -1.34854,
        0.247044,
        0.127971,
        -0.152911,
        -0.168013,
        -0.000174232,
        -0.0739405,
        0.0848666,
        -0.0142973,
        0.953481,
        -0.275013,
        0.536529,
        -0.375438,
        -0.115773,
        2.92056,
        -0.025536,
        -0.0220264,
        0.803542,
        0.0846318,
        -0.018272,
        0.131605,
        -0.0998016,
        0.524237,
        -0.181539,
        -0.726989,
        0.202324,
        0.0330532,
        0.720872,
        0.540493,
        -0.0560348,
        -0.247232,
        0.232469,
        -0.390057,
        -0.0113435,
        -0.0284975,
        -0.153222,
        -0.107789,
        -0.842305,
        -0.769409,
        0.178378,
        0.604545,
        -1.1021,
        -0.836253,
        0.153475,
        0.0939421,
        -0.280428,
        -0.302179,
        -0.116545,
        -0.0669171,
        0.164593,
        0.0546825,
        -0.571277,
        -0.316512,
        0.0361285,
        -0.163472,
        -0.0314054,
        0.562289,
        -0.39904,
        -0.168037,
        -0.136853,
        0.128569,
        -0.0966826,
        -0.375395,
        -0.489968,
        0.213199,
        -0.100161,
        0.392261,
        -0.257825,
        0.285874,
        0.1567,
        1.03594,
        -0.525127,
        0.25716,
        -0.497468,
        0.766417,
        1.35709,
        1.34329,
        -0.774851,
        0.546926,
        -0.129563,
        -0.898942,
        0.604455,
        0.408442,
        -0.811845,
        0.587166,
        -0.215069,
        -1.32415,
        -0.268082,
        -0.514287,
    ]
)
_LOG_WIDTH = np.array(
    [
        -7.21958,
        0.317639,
        -1.12543,
        1.02571,
        1.07194,
        -0.179166,
        1.68687,
        -1.09261,
        -0.451554,
        1.90983,
        -0.142115,
        0.238079,
        0.582669,
        0.00179821,
        0.0664178,
        -0.113519,
        -0.0539932,
        -1.35259,
        -0.0259119,
        0.363002,
        1.60665,
        1.12999,
        0.411369,
        0.0222919,
        -0.73051,
        0.27498,
        -0.76018,
        0.296667,
        -0.0623687,
        -0.123423,
        0.0153227,
        -0.0687837,
        -0.451129,
        0.924533,
        0.790277,
        0.145058,
        -0.0531789,
        -0.197379,
        0.662872,
        -0.0918141,
        -0.19827,
        -0.544461,
        -0.299699,
        0.411869,
        0.0800873,
        -0.0969685,
        -0.0542143,
        -0.0100237,
        1.31222,
        0.666862,
        0.752193,
        -0.364276,
        0.60636,
        -0.830068,
        1.35638,
        0.0638064,
        -0.441044,
        0.00288244,
        -0.131778,
        0.0808209,
        0.0710918,
        -0.38617,
        -0.445574,
        -1.53804,
        -1.05547,
        -0.884295,
        -1.37999,
        0.545396,
        1.26886,
        0.153552,
        0.037801,
        2.57021,
        -2.47224,
        0.178095,
        0.0306284,
        -0.0536817,
        -0.00569085,
        2.40648,
        -0.502357,
        -0.616637,
        1.44197,
        0.00261696,
        -0.110761,
        -0.116316,
        0.265764,
        -0.488326,
        0.223862,
        -0.0622655,
        0.217785,
        -0.0795605,
        0.407648,
        1.97496,
        -0.0964767,
        0.477783,
        0.637056,
        -0.600383,
        0.176392,
        2.90901,
        1.32922,
        -0.395012,
        -0.0675565,
        -1.98618,
        1.63785,
        1.21094,
        -1.54503,
        1.20984,
        1.05038,
        1.61695,
        -1.10559,
        -0.103483,
        -0.851467,
        0.765971,
        0.68831,
        1.09053,
        -1.17275,
    ]
)
_SLOW_LOG_ODDS = np.array(
    [
        -2.47911,
        -2.09862,
        0.0770815,
        0.855527,
        -0.000867881,
        0.268373,
        -0.0522813,
        2.20969,
        -0.115255,
        3.06438,
        -0.0383237,
        -0.0866371,
        0.63674,
        0.38967,
        -0.456135,
        -0.0551975,
    ]
)
_SLOW_LOG_WIDTH = np.array(
    [
        1.2523,
        -0.0101732,
        0.667009,
        -1.74841,
        0.119985,
        0.0219845,
        0.0509685,
        1.74745,
        0.0132819,
        0.245601,
        -0.33641,
        -0.0385229,
        -0.266467,
        0.0851726,
        0.11989,
        0.00406508,
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
