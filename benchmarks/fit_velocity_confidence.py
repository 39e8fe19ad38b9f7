"""Fit the constants of the velocity's confidence and error bars; print them.

The training set holds records of every suite and of random mixtures of all difficulties, drawn from
seeds of their own. It takes some minutes. Paste what is printed into
``analysis/kernels/_lag_confidence_constants.py``.

    python benchmarks/fit_velocity_confidence.py
"""

from __future__ import annotations

import dataclasses
import math
import textwrap
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
from scipy.optimize import minimize
from velocity_suites import G1, G2, G3, NOISE, SUITES, Record, Suite, make_record

from napari_bloodflow.analysis.kernels.lag_confidence import (
    ACCEPTED,
    SLOW_PX,
    features,
    slow_features,
    tolerance_px,
)
from napari_bloodflow.analysis.kernels.lag_correlation import LagOptions, LagWindows, lag_velocity

if TYPE_CHECKING:
    from collections.abc import Callable

    from numpy.typing import NDArray

_FIRST_SEED = 10_000
_MIXTURE_SEED = 20_000
_SUITE_SEEDS = 40
# Records of small windows hold little, and their errors have long tails.
_SMALL_WINDOW, _SMALL_SEEDS = 16, 120
_FURTHER_SEEDS = 4
_MIXTURES = 400
_SPECIAL_MIXTURES = 300

# Cases beyond the suites that are scored: standing cells, very fast flow, cells that differ.
_FURTHER = (
    *(
        dataclasses.replace(base, name=f"{base.name[:2]} still {snr:g}", stalled=1.0, snr=snr)
        for base in (G1, G2)
        for snr in (4.0, 1.0, 0.5, 0.25, 0.12)
    ),
    *(
        dataclasses.replace(G1, name=f"G1 stall {snr:g}", stalled=0.4, snr=snr)
        for snr in (1.0, 0.5, 0.25)
    ),
    *(
        dataclasses.replace(G1, name=f"G1 fast {snr:g}", slowest=36.0, fastest=90.0, snr=snr)
        for snr in (4.0, 1.0, 0.25)
    ),
    *(
        dataclasses.replace(base, name=f"{base.name[:2]} spread {spread:g}", spread=spread, snr=1.0)
        for base, spread in ((G1, 0.02), (G1, 0.1), (G2, 0.05), (G3, 0.05))
    ),
)

# The suites by name count more than their number.
_MIXTURE = "mixture"
_SUITE_WEIGHT = 5.0
# Of the squares of the coefficients, each times the variance of its feature.
_PENALTY = 1e-5

# Part of the accepted windows of every suite whose interval should hold the truth, in four ranges
# of speed (bounds in ROI widths per line). The level of the quantile is moved group by group
# until it does, as far as the features can tell groups apart. Without noise, errors come from the
# few cells in view, and those of other records are a little beyond what was fitted.
_COVERED, _COVERED_CLEAN = 0.96, 0.975
_CLEAN = ("G1 clean", "G1 SNR 4", "G2 clean")
_LEVELS = (0.6, 0.9995)
_LEVEL_ROUNDS = 22
_LEVEL_GAIN = 0.8
_FEWEST_WINDOWS = 60
_SPEEDS = (0.003, 0.01, 0.08)


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
        name=_MIXTURE,
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


def special_mixture(rng: np.random.Generator, number: int) -> Suite:
    """Draw a mixture of cells that differ in speed, of very fast flow, or with standing cells."""
    drawn = mixture(rng)
    kind = 3 * number // _SPECIAL_MIXTURES
    if kind == 0:
        return dataclasses.replace(drawn, spread=float(rng.uniform(0.01, 0.12)))
    if kind == 1:
        across = drawn.num_columns
        return dataclasses.replace(drawn, slowest=0.2 * across, fastest=0.75 * across)
    return dataclasses.replace(drawn, stalled=1.0 if number % 2 else 0.3)


class Training(NamedTuple):
    """Windows to learn from: features, error over the unit of speed, over what is tolerated."""

    x: NDArray[np.float64]
    error: NDArray[np.float64]
    tolerated: NDArray[np.float64]
    suite: NDArray[np.str_]
    speed: NDArray[np.int64]


def training_sets() -> tuple[Training, Training]:
    """Give windows that move, in units of their speed, and that hardly do, in pixels per window."""
    rng = np.random.default_rng(_FIRST_SEED)
    mixtures = [mixture(rng) for _ in range(_MIXTURES)]
    rng = np.random.default_rng(_MIXTURE_SEED)
    mixtures += [special_mixture(rng, i) for i in range(_SPECIAL_MIXTURES)]
    jobs = [
        (suite, _FIRST_SEED + i)
        for suite in SUITES + NOISE
        for i in range(_SMALL_SEEDS if suite.window == _SMALL_WINDOW else _SUITE_SEEDS)
    ]
    jobs += [(suite, _FIRST_SEED + i) for i, suite in enumerate(mixtures)]
    jobs += [(suite, _FIRST_SEED + i) for i in range(_FURTHER_SEEDS) for suite in _FURTHER]
    measured = []
    for suite, seed in jobs:
        record = make_record(suite, seed)
        measured.append((suite, record.truth, measure(suite, record)))
    return joined(measured)


def joined(
    measured: list[tuple[Suite, NDArray[np.float64], LagWindows]],
) -> tuple[Training, Training]:
    """Join records, apart for windows that move and that hardly do."""
    moving, slow = [], []
    for suite, truth, found in measured:
        fast_part, slow_part = split(suite, truth, found)
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
    name = np.full(error.size, suite.name, "U24")
    speed = np.digitize(size / suite.num_columns, _SPEEDS)
    usable = np.isfinite(size) & (found.curvature < 0)
    is_slow = size * suite.window < SLOW_PX
    fast = Training(
        features(found, suite.window, suite.num_columns),
        error / np.maximum(size, 1e-9),
        tolerated,
        name,
        speed,
    )
    slow = Training(
        slow_features(found, suite.window), error * suite.window, tolerated, name, 0 * speed
    )
    return (
        Training(*(column[usable & ~is_slow] for column in fast)),
        Training(*(column[usable & is_slow] for column in slow)),
    )


def minimized(
    loss: Callable[[NDArray[np.float64]], tuple[float, NDArray[np.float64]]],
    x: NDArray[np.float64],
    start: NDArray[np.float64],
    steps: int,
) -> NDArray[np.float64]:
    """Minimize a loss of coefficients, scaled and decorrelated, or the search would take long."""
    triangle = np.linalg.qr(x, mode="r") / math.sqrt(x.shape[0])
    back = np.linalg.inv(triangle)

    def scaled(gamma: NDArray[np.float64]) -> tuple[float, NDArray[np.float64]]:
        value, slope = loss(back @ gamma)
        return value, back.T @ slope

    options = {"maxiter": steps}
    found = minimize(scaled, triangle @ start, jac=True, method="L-BFGS-B", options=options)
    return np.asarray(back @ found.x)


def fit_logistic(
    x: NDArray[np.float64], good: NDArray[np.bool_], weight: NDArray[np.float64]
) -> NDArray[np.float64]:
    """Coefficients of the log odds."""
    sign = np.where(good, 1.0, -1.0)
    weight = weight / weight.mean()
    penalty = _PENALTY * x.var(axis=0)

    def loss(beta: NDArray[np.float64]) -> tuple[float, NDArray[np.float64]]:
        margin = sign * (x @ beta)
        value = float(np.mean(weight * np.logaddexp(0, -margin)) + beta @ (penalty * beta))
        slope = -sign * weight / (1 + np.exp(np.clip(margin, -50, 50)))
        return value, x.T @ slope / sign.size + 2 * penalty * beta

    return minimized(loss, x, np.zeros(x.shape[1]), 400)


def fit_quantile(
    x: NDArray[np.float64],
    log_error: NDArray[np.float64],
    level: NDArray[np.float64],
    weight: NDArray[np.float64],
    start: NDArray[np.float64] | None = None,
) -> NDArray[np.float64]:
    """Coefficients of a quantile of the logarithm of the error."""
    soft = 0.02
    weight = weight / weight.mean()
    penalty = _PENALTY * x.var(axis=0)

    def loss(beta: NDArray[np.float64]) -> tuple[float, NDArray[np.float64]]:
        r = log_error - x @ beta
        value = float(np.mean(weight * (level * r + soft * np.logaddexp(0, -r / soft))))
        value += float(beta @ (penalty * beta))
        slope = weight * (level - 1 / (1 + np.exp(np.clip(r / soft, -50, 50))))
        return value, -(x.T @ slope) / r.size + 2 * penalty * beta

    if start is not None:
        return minimized(loss, x, start, 60)
    return minimized(loss, x, np.linalg.lstsq(x, log_error, rcond=None)[0], 300)


def fit_width(
    x: NDArray[np.float64],
    log_error: NDArray[np.float64],
    suite: NDArray[np.str_],
    speed: NDArray[np.int64],
) -> NDArray[np.float64]:
    """Coefficients of the half width that covers alike in all suites and speeds."""
    weight = np.where(suite == _MIXTURE, 1.0, _SUITE_WEIGHT)
    groups = np.char.add(suite, speed.astype(str))
    names, label, count = np.unique(groups, return_inverse=True, return_counts=True)
    is_clean = np.isin(names, [f"{name}{speed}" for name in _CLEAN for speed in range(4)])
    aim = np.where(is_clean, _COVERED_CLEAN, _COVERED)
    level = aim.copy()
    found = fit_quantile(x, log_error, level[label], weight)
    for _ in range(_LEVEL_ROUNDS):
        covered = np.bincount(label, weights=log_error < x @ found) / count
        missing = np.where(count >= _FEWEST_WINDOWS, aim - covered, 0.0)
        level = np.clip(level + _LEVEL_GAIN * missing, *_LEVELS)
        found = fit_quantile(x, log_error, level[label], weight, found)
    return found


def fit(data: Training, *, is_slow: bool) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Fit the log odds of a right window, and the log of the interval's half width."""
    right = data.tolerated < 1
    weight = np.where((data.suite == _MIXTURE) | is_slow, 1.0, _SUITE_WEIGHT)
    odds = fit_logistic(data.x, right, weight)
    accepted = (1 / (1 + np.exp(-(data.x @ odds))) > ACCEPTED) & np.isfinite(data.error)
    log_error = np.log(np.maximum(data.error[accepted], 1e-6))
    return odds, fit_width(data.x[accepted], log_error, data.suite[accepted], data.speed[accepted])


def report(moving: Training, slow: Training) -> None:
    """Fit both sets and print the constants."""
    for prefix, data in (("", moving), ("SLOW_", slow)):
        odds, width = fit(data, is_slow=bool(prefix))
        for name, values in ((f"{prefix}LOG_ODDS", odds), (f"{prefix}LOG_WIDTH", width)):
            text = textwrap.fill(
                ", ".join(f"{v:.6g}" for v in values) + ",",
                96,
                initial_indent="    ",
                subsequent_indent="    ",
                break_on_hyphens=False,
            )
            print(f"{name} = np.array([\n{text}\n])")


def main() -> None:
    """Draw the training set, fit and print."""
    report(*training_sets())


if __name__ == "__main__":
    main()
