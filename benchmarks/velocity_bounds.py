"""What no measurement of velocity can do better, to print beside what is measured.

The bounds are of windows whose pattern is not known. The brightness of the pattern is taken for a
Gaussian process with the spectrum of the suite's cells, and noise for white; both are told to the
estimate that is bounded, along with their sizes.
"""

from __future__ import annotations

from dataclasses import replace
from functools import lru_cache
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
from scipy.interpolate import CubicSpline
from scipy.linalg import solve_triangular
from scipy.optimize import brentq
from scipy.special import erf

from napari_bloodflow.synthetic import moving_streaks

if TYPE_CHECKING:
    from numpy.typing import NDArray
    from velocity_suites import Record, Suite

# Cells are blurred, so that nothing of the pattern is at higher frequencies (cycles/px).
_HIGHEST = 0.14

# Length of the patterns, in px, and their number, that the spectrum is the mean of.
_LONG_PX, _PATTERNS = 4096, 40

_SPEEDS = 16
# Steps of the grid of speeds for the likelihood, as displacement over the usable lines.
_NODE_PX = 0.5

# Rms of the speeds of the populations of `velocity_suites`, in units of the spread.
_POPULATIONS_RMS = 0.934


class Spectrum(NamedTuple):
    """Power of a pattern of variance 1: frequency in cycles/px, density of both signs."""

    frequency: NDArray[np.float64]
    density: NDArray[np.float64]


def spectrum(suite: Suite) -> Spectrum:
    """Spectrum of the suite's cells, from long patterns."""
    taper = np.hanning(_LONG_PX)
    power = np.zeros(_LONG_PX // 2 + 1)
    for seed in range(_PATTERNS):
        bright = (
            moving_streaks(
                2,
                _LONG_PX,
                dt_s=suite.dt_s,
                dx_um=suite.dx_um,
                velocity_um_per_s=0.0,
                cell_spacing_um=suite.spacing_um,
                cell_width_um=suite.cell_um,
                snr=np.inf,
                seed=seed,
            )
            .image[0]
            .astype(float)
        )
        power += np.abs(np.fft.rfft((bright - bright.mean()) * taper)) ** 2
    power[0] = power[1]
    frequency = np.fft.rfftfreq(_LONG_PX)
    return Spectrum(frequency, power / (2 * np.trapezoid(power, frequency)))


def slope_information(suite: Suite, px_per_line: float, pattern: Spectrum) -> float:
    """Fisher information of the speed in one window, (lines/px)**2.

    This is ``tr(C^-1 C' C^-1 C') / 2`` of the covariance ``C = B B^H + s^2`` of all pixels, where
    the columns of ``B`` are waves that move with the pattern. Sums over pixels of products of waves
    are geometric series, so that only matrices of the size of the number of waves occur.
    """
    width, num_columns = suite.window, suite.num_columns
    blur_px = suite.cell_um / 4 / suite.dx_um
    period = num_columns + abs(px_per_line) * width + 15 * blur_px
    waves = int(_HIGHEST * period)
    k = np.arange(-waves, waves + 1) / period
    size = np.sqrt(np.interp(np.abs(k), *pattern) / period)
    noise = 1.0 / suite.snr**2
    time = np.arange(width) - (width - 1) / 2
    x = np.arange(num_columns) - (num_columns - 1) / 2
    apart = np.arange(-2 * waves, 2 * waves + 1) / period
    along = np.exp(2j * np.pi * np.outer(apart, x)).sum(axis=1)
    moved = np.exp(-2j * np.pi * px_per_line * np.outer(apart, time))
    index = np.subtract.outer(np.arange(k.size), np.arange(k.size)).T + 2 * waves
    b_b, b_db, db_db = (
        size[:, np.newaxis] * (along * (moved * time**power).sum(axis=1))[index] * size
        for power in range(3)
    )
    slope = -2j * np.pi * k
    b_db = b_db * slope
    db_db = slope.conj()[:, np.newaxis] * db_db * slope
    inverse = np.linalg.inv(noise * np.eye(k.size) + b_b)
    across = inverse @ b_db
    same = (db_db - b_db.conj().T @ across) / noise
    information = np.sum(across * across.T) + np.sum(same * (inverse @ b_b).T)
    return float(information.real)


def least_median(suite: Suite) -> float:
    """Cramer-Rao bound of the median error over the speeds of a suite, %, for normal errors.

    Bands, a gradient, flicker and lost lines are taken for perfectly removed. Where cells differ
    in speed, the mean of the few that a window sees differs from the mean of all.
    """
    plain = replace(suite, name="", noise="gauss", bands=0.0, gradient=0.0, flicker=0.0, lost=0.0)
    return _least_median(plain)


@lru_cache
def _least_median(suite: Suite) -> float:
    pattern = spectrum(suite)
    part = (np.arange(_SPEEDS) + 0.5) / _SPEEDS
    speeds = suite.slowest * (suite.fastest / suite.slowest) ** part
    variance = np.array([1 / slope_information(suite, v, pattern) / v**2 for v in speeds])
    seen_um = (suite.num_columns + speeds * suite.window) * suite.dx_um
    variance += (suite.spread * _POPULATIONS_RMS) ** 2 * suite.spacing_um / seen_um
    sigma = np.sqrt(2 * variance)
    return 100 * float(brentq(lambda error: erf(error / sigma).mean() - 0.5, 1e-9, 1e3))


class Ideal(NamedTuple):
    """The most probable speed of each window, relative error, and the probability of < 10 %."""

    error: NDArray[np.float64]
    confidence: NDArray[np.float64]


def most_probable(suite: Suite, records: list[Record]) -> Ideal:
    """Measure by the exact likelihood, told the spectrum, the noise and the range of speeds.

    For small windows only: it needs the covariance of all pixels for each speed.
    """
    rows, columns = np.divmod(np.arange(suite.window * suite.num_columns), suite.num_columns)
    frequency, density = spectrum(suite)
    distance = np.arange(2 * suite.num_columns + int(suite.fastest * suite.window) + 1.0)
    covariance = CubicSpline(
        distance,
        2
        * np.trapezoid(
            density * np.cos(2 * np.pi * np.outer(distance, frequency)), frequency, axis=1
        ),
    )
    pixels, truths = [], []
    for record in records:
        image = record.image - record.image.mean(axis=0)
        image /= np.sqrt(image.var() / (1 + suite.snr**-2))
        top = record.window * suite.window // 4
        pixels.append(image[top[:, np.newaxis] + np.arange(suite.window)])
        truths.append(record.truth)
    forward = np.concatenate(pixels)
    truth = np.concatenate(truths)
    sides = [side.reshape(truth.size, -1).T for side in (forward, forward[:, :, ::-1])]
    speeds = [suite.slowest]
    while speeds[-1] < suite.fastest:
        usable = min(suite.window - 1, suite.num_columns / speeds[-1])
        speeds.append(speeds[-1] + _NODE_PX / usable)
    likelihood = np.empty((2, len(speeds), truth.size))
    for i, v in enumerate(speeds):
        apart = np.abs(np.subtract.outer(columns, columns) - v * np.subtract.outer(rows, rows))
        triangle = np.linalg.cholesky(covariance(apart) + np.eye(rows.size) / suite.snr**2)
        log_size = np.log(np.diag(triangle)).sum()
        for side in (0, 1):
            white = solve_triangular(triangle, sides[side], lower=True)
            likelihood[side, i] = -0.5 * np.sum(white**2, axis=0) - log_size
    # Speeds are drawn evenly over their logarithm.
    log_speed = np.log(speeds)
    fine = np.linspace(log_speed[0], log_speed[-1], 4000)
    curve = CubicSpline(log_speed, likelihood, axis=1)(fine)
    curve = np.exp(curve - curve.max(axis=(0, 1)))
    side, best = np.unravel_index(curve.reshape(-1, truth.size).argmax(axis=0), curve.shape[:2])
    near = np.abs(np.exp(fine[:, np.newaxis] - fine[best]) - 1) < 0.1
    chosen = np.where(side == 0, curve[0], curve[1])
    estimate = np.where(side == 0, 1, -1) * np.exp(fine[best])
    confidence = np.sum(chosen * near, axis=0) / curve.sum(axis=(0, 1))
    return Ideal(np.abs(estimate / truth - 1), confidence)
