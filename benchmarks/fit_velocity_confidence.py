"""Fit the constants of the velocity's confidence and error bars; print them.

The training set holds records of every suite and of random mixtures of all difficulties, drawn from
seeds of their own. Paste what is printed into ``analysis/kernels/lag_confidence.py``.

    python benchmarks/fit_velocity_confidence.py
"""

from __future__ import annotations

import dataclasses
import math
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
from scipy.optimize import minimize
from velocity_suites import NOISE, SUITES, Record, Suite, make_record

from napari_bloodflow.analysis.kernels.lag_confidence import (
    ACCEPTED,
    SLOW_PX,
    features,
    slow_features,
    tolerance_px,
)
from napari_bloodflow.analysis.kernels.lag_correlation import LagOptions, LagWindows, lag_velocity

if TYPE_CHECKING:
    from numpy.typing import NDArray

_FIRST_SEED = 10_000
_SUITE_SEEDS = 6
_MIXTURES = 400

# The suites by name count more than their number, and the level is a little below 95 % because
# intervals tend to be wide for the suites.
_SUITE_WEIGHT = 5.0
_LEVEL = 0.938


def measure(suite: Suite, record: Record) -> LagWindows:
    """Measure a record as `radon_velocity` does by default."""
    options = LagOptions(suite.window, smoothing_px=max(1.0, 0.5 / suite.dx_um))
    found = lag_velocity(record.image, options, num_threads=2)
    return LagWindows(
        *(getattr(found, f.name)[record.window] for f in dataclasses.fields(LagWindows))
    )


def mixture(rng: np.random.Generator) -> Suite:
    """Draw a suite with any window, line, calibration and difficulty."""
    window = int(rng.choice([16, 32, 64, 128]))
    num_columns = int(np.exp(rng.uniform(math.log(14), math.log(280))))
    dx_um = float(rng.uniform(0.15, 0.5))
    cell_um = float(rng.uniform(1.5, 6.0))
    return Suite(
        name="mixture",
        window=window,
        num_columns=num_columns,
        dx_um=dx_um,
        slowest=3.0 / window,
        fastest=0.3 * num_columns,
        snr=float(np.exp(rng.uniform(math.log(0.1), math.log(8)))),
        noise="gauss" if rng.random() < 0.7 else "poisson",
        bands=float(rng.choice([0.0, rng.uniform(0, 2)])),
        gradient=float(rng.choice([0.0, rng.uniform(0, 2)])),
        flicker=float(rng.choice([0.0, 0.0, rng.uniform(0, 1.5)])),
        lost=float(rng.choice([0.0, 0.0, rng.uniform(0, 0.06)])),
        spread=float(rng.choice([0.0, 0.0, 0.0, rng.uniform(0, 0.08)])),
        spacing_um=cell_um * float(rng.uniform(1.5, 6.0)),
        cell_um=cell_um,
        stalled=float(rng.choice([0.0, 0.15, 1.0], p=[0.7, 0.25, 0.05])),
        moving=bool(rng.random() > 0.08),
    )


class Training(NamedTuple):
    """Windows to learn from: features, error over the unit of speed, over what is tolerated."""

    x: NDArray[np.float64]
    error: NDArray[np.float64]
    tolerated: NDArray[np.float64]
    weight: NDArray[np.float64]


def training_sets() -> tuple[Training, Training]:
    """Give windows that move, in units of their speed, and that hardly do, in pixels per window."""
    rng = np.random.default_rng(_FIRST_SEED)
    jobs = [(suite, _FIRST_SEED + i) for suite in SUITES + NOISE for i in range(_SUITE_SEEDS)]
    jobs += [(mixture(rng), _FIRST_SEED + i) for i in range(_MIXTURES)]
    moving, slow = [], []
    for suite, seed in jobs:
        record = make_record(suite, seed)
        fast_part, slow_part = split(suite, record.truth, measure(suite, record))
        moving.append(fast_part)
        # A standing pattern that is left of a background is no different from cells at rest.
        if not (suite.bands or suite.gradient or suite.flicker):
            slow.append(slow_part)
    join = [Training(*map(np.concatenate, zip(*parts, strict=True))) for parts in (moving, slow)]
    return join[0], join[1]


def split(suite: Suite, truth: NDArray[np.float64], found: LagWindows) -> tuple[Training, Training]:
    """Compare with the truth, apart for windows that move and that hardly do."""
    error = np.abs(found.displacement_px - truth)
    # Noise has no speed: every estimate is wrong.
    error[np.isnan(truth)] = np.inf
    size = np.abs(found.displacement_px)
    tolerated = error / tolerance_px(found.displacement_px, suite.window)
    weight = np.full(error.size, 1.0 if suite.name == "mixture" else _SUITE_WEIGHT)
    usable = np.isfinite(size) & (found.curvature < 0)
    is_slow = size * suite.window < SLOW_PX
    fast = Training(
        features(found, suite.window, suite.num_columns),
        error / np.maximum(size, 1e-9),
        tolerated,
        weight,
    )
    slow = Training(slow_features(found, suite.window), error * suite.window, tolerated, weight)
    return (
        Training(*(column[usable & ~is_slow] for column in fast)),
        Training(*(column[usable & is_slow] for column in slow)),
    )


def fit_logistic(x: NDArray[np.float64], good: NDArray[np.bool_]) -> NDArray[np.float64]:
    """Coefficients of the log odds, least squares penalty on all of them."""
    sign = np.where(good, 1.0, -1.0)

    def loss(beta: NDArray[np.float64]) -> tuple[float, NDArray[np.float64]]:
        margin = sign * (x @ beta)
        value = float(np.mean(np.logaddexp(0, -margin))) + 1e-5 * float(beta @ beta)
        slope = -sign / (1 + np.exp(np.clip(margin, -50, 50)))
        return value, x.T @ slope / sign.size + 2e-5 * beta

    start = np.zeros(x.shape[1])
    return np.asarray(minimize(loss, start, jac=True, method="L-BFGS-B").x)


def fit_quantile(
    x: NDArray[np.float64],
    log_error: NDArray[np.float64],
    level: float,
    weight: NDArray[np.float64],
) -> NDArray[np.float64]:
    """Coefficients of a quantile of the logarithm of the error."""
    soft = 0.02

    def loss(beta: NDArray[np.float64]) -> tuple[float, NDArray[np.float64]]:
        r = log_error - x @ beta
        value = float(np.mean(weight * (level * r + soft * np.logaddexp(0, -r / soft))))
        slope = weight * (level - 1 / (1 + np.exp(np.clip(r / soft, -50, 50))))
        return value + 1e-6 * float(beta @ beta), -(x.T @ slope) / r.size + 2e-6 * beta

    start = np.linalg.lstsq(x, log_error, rcond=None)[0]
    # Scaled and decorrelated, or the search would take long.
    triangle = np.linalg.qr(x, mode="r") / math.sqrt(x.shape[0])

    def scaled(gamma: NDArray[np.float64]) -> tuple[float, NDArray[np.float64]]:
        value, slope = loss(np.linalg.solve(triangle, gamma))
        return value, np.linalg.solve(triangle.T, slope)

    options = {"maxiter": 3000, "maxfun": 6000}
    found = minimize(scaled, triangle @ start, jac=True, method="L-BFGS-B", options=options)
    return np.asarray(np.linalg.solve(triangle, found.x))


def fit(data: Training) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Fit the log odds of a right window, and the log of the interval's half width."""
    odds = fit_logistic(data.x, data.tolerated < 1)
    accepted = (1 / (1 + np.exp(-(data.x @ odds))) > ACCEPTED) & np.isfinite(data.error)
    log_error = np.log(np.maximum(data.error[accepted], 1e-6))
    return odds, fit_quantile(data.x[accepted], log_error, _LEVEL, data.weight[accepted])


def report(moving: Training, slow: Training) -> None:
    """Fit both sets and print the constants."""
    for prefix, data in (("", moving), ("_SLOW", slow)):
        odds, width = fit(data)
        for name, values in ((f"{prefix}_LOG_ODDS", odds), (f"{prefix}_LOG_WIDTH", width)):
            print(f"{name} = np.array([{', '.join(f'{v:.6g}' for v in values)}])")


def main() -> None:
    """Draw the training set, fit and print."""
    report(*training_sets())


if __name__ == "__main__":
    main()
