"""Accuracy, error bars and confidence of `radon_velocity` against synthetic truth.

Every suite is drawn twice: from fixed seeds, and from seeds that are drawn when this is run (and
printed, so that a run can be repeated). Both must reach the targets.

Beside each median stands the least that windows with an unknown pattern allow; small windows are
also measured by the exact likelihood, which is too slow for anything else.

    python benchmarks/velocity_accuracy.py [--records 12] [--seed N]
"""

from __future__ import annotations

import argparse
import secrets
from dataclasses import fields
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
from scipy.stats import rankdata
from velocity_bounds import least_median, most_probable
from velocity_suites import NOISE, SUITES, Record, Suite, make_record

from napari_bloodflow.analysis.kernels.lag_confidence import ACCEPTED, certainty, tolerance_px
from napari_bloodflow.analysis.kernels.lag_correlation import LagOptions, LagWindows, lag_velocity

if TYPE_CHECKING:
    from numpy.typing import NDArray

FIXED_SEED = 100
WINDOWS_PER_SEGMENT = 5
SMALL_WINDOW = 16


class Target(NamedTuple):
    """Largest median error and part of accepted windows off by > 10 %, least part accepted; %."""

    median: float
    wrong: float
    accepted: float


TARGETS = {
    "G1 clean": Target(0.1, 1, 95),
    "G1 SNR 1": Target(0.35, 2, 90),
    "G1 SNR 0.25": Target(1.75, 5, 60),
    "G1 bands": Target(0.4, 2, 90),
    "G1 flicker": Target(0.6, 3, 85),
    "G1 lost lines": Target(0.55, 3, 85),
    "G2 SNR 1": Target(4.0, 8, 0),
}
COVERAGE = (92.0, 97.0)
LEAST_AUC = 0.92
MOST_NOISE = 2.0


class Score(NamedTuple):
    """What the windows of one suite came to."""

    error: NDArray[np.float64]
    correct: NDArray[np.bool_]
    signed: NDArray[np.bool_]
    accepted: NDArray[np.bool_]
    covered: NDArray[np.bool_]
    confidence: NDArray[np.float64]


def score(suite: Suite, records: list[Record]) -> Score:
    """Measure records as `radon_velocity` does by default, and compare with the truth."""
    parts = []
    for record in records:
        options = LagOptions(suite.window, smoothing_px=max(1.0, 0.5 / suite.dx_um))
        every = lag_velocity(record.image, options, num_threads=2)
        found = LagWindows(*(getattr(every, f.name)[record.window] for f in fields(LagWindows)))
        sure = certainty(found, suite.window, suite.num_columns)
        away = np.abs(found.displacement_px - record.truth)
        with np.errstate(invalid="ignore"):
            parts.append(
                Score(
                    np.nan_to_num(away / np.abs(record.truth), nan=np.inf),
                    away <= tolerance_px(found.displacement_px, suite.window),
                    np.sign(found.displacement_px) == np.sign(record.truth),
                    (sure.confidence >= ACCEPTED) & (found.reason == "ok"),
                    away <= sure.half_width_px,
                    sure.confidence,
                )
            )
    return Score(*(np.concatenate(columns) for columns in zip(*parts, strict=True)))


def auc(confidence: NDArray[np.float64], correct: NDArray[np.bool_]) -> float:
    """Probability that a right window has more confidence than a wrong one."""
    good, bad = int(correct.sum()), int((~correct).sum())
    if not good or not bad:
        return float("nan")
    ranks = rankdata(confidence)
    return float((ranks[correct].sum() - good * (good + 1) / 2) / (good * bad))


def line(suite: Suite, found: Score) -> str:
    """One line of the table."""
    kept = found.accepted
    median = 100 * float(np.median(found.error))
    wrong = 100 * float(np.mean(found.error[kept] > 0.1)) if kept.any() else float("nan")
    part = 100 * float(kept.mean())
    covered = 100 * float(found.covered[kept].mean()) if kept.any() else float("nan")
    sign = 100 * float(found.signed[kept].mean()) if kept.any() else float("nan")
    off = 100 * float(np.mean(found.error > 0.1))
    least = f"{least_median(suite):.3f}" if np.isfinite(suite.snr) else ""
    target = TARGETS.get(suite.name)
    misses = []
    if target is not None:
        misses += ["median"] if median > target.median else []
        misses += ["wrong"] if wrong > target.wrong else []
        misses += ["accepted"] if part < target.accepted else []
    if kept.mean() > 0.05 and not COVERAGE[0] <= covered <= COVERAGE[1]:
        misses.append("coverage")
    return (
        f"{suite.name:<14} {found.error.size:>6} {median:>8.3f} {standard_error(found):>6.3f} "
        f"{least:>6} {off:>6.1f}"
        f" {part:>8.1f} {wrong:>8.2f} {sign:>7.2f} {covered:>8.1f} "
        f"{coverage_error(found):>5.1f} {auc(found.confidence, found.correct):>6.3f}  "
        f"{', '.join(misses)}"
    )


def standard_error(found: Score) -> float:
    """Give the standard error of the median error, by drawing segments again; %."""
    segments = found.error.reshape(-1, WINDOWS_PER_SEGMENT)
    rng = np.random.default_rng(0)
    medians = [
        np.median(segments[rng.integers(len(segments), size=len(segments))]) for _ in range(200)
    ]
    return 100 * float(np.std(medians))


def coverage_error(found: Score) -> float:
    """Give the standard error of the part covered, over segments; %."""
    kept = found.accepted.reshape(-1, WINDOWS_PER_SEGMENT)
    number = kept.sum(axis=1)
    if not number.any():
        return float("nan")
    covered = (found.covered & found.accepted).reshape(kept.shape).sum(axis=1)
    away = covered - number * covered.sum() / number.sum()
    return 100 * float(np.sqrt(np.sum(away**2)) / number.sum())


def print_ideal(suite: Suite, records: list[Record]) -> None:
    """Print what the exact likelihood, which knows more than a measurement can, makes of windows.

    Its probability is the best confidence there is.
    """
    ours, ideal = score(suite, records), most_probable(suite, records)
    print(f"{suite.name}, {ours.error.size} windows by exact likelihood (by ours):", end=" ")
    print(
        f"median {100 * np.median(ideal.error):.3f} ({100 * np.median(ours.error):.3f}), "
        f">10% {100 * np.mean(ideal.error > 0.1):.1f} ({100 * np.mean(ours.error > 0.1):.1f}), "
        f"AUC {auc(ideal.confidence, ideal.error < 0.1):.3f} "
        f"({auc(ours.confidence, ours.correct):.3f})",
        flush=True,
    )


def run(first_seed: int, num_records: int) -> None:
    """Print the table of one set of seeds."""
    print(
        f"\nseeds from {first_seed}; errors in % of the true speed, all and accepted windows;\n"
        "s.e. is of the median and of the part covered;\n"
        "least: Cramer-Rao bound of the median, pattern unknown\n"
        f"{'suite':<14} {'n':>6} {'median':>8} {'s.e.':>6} {'least':>6} {'>10%':>6} "
        f"{'accepted':>8} {'>10% acc':>8} "
        f"{'sign ok':>7} {'covered':>8} {'s.e.':>5} {'AUC':>6}  misses"
    )
    scores = []
    for suite in SUITES:
        found = score(suite, [make_record(suite, first_seed + i) for i in range(num_records)])
        scores.append(found)
        print(line(suite, found), flush=True)
    for suite in SUITES:
        # Once: it takes long.
        if first_seed == FIXED_SEED and suite.window == SMALL_WINDOW and np.isfinite(suite.snr):
            print_ideal(suite, [make_record(suite, first_seed + i) for i in range(num_records)])
    confidence = np.concatenate([found.confidence for found in scores])
    correct = np.concatenate([found.correct for found in scores])
    print(f"AUC over all suites {auc(confidence, correct):.3f} (at least {LEAST_AUC})")
    for suite in NOISE:
        found = score(suite, [make_record(suite, first_seed + i) for i in range(num_records)])
        part = 100 * float(found.accepted.mean())
        print(f"{suite.name}: {part:.2f} % accepted (at most {MOST_NOISE} %)")


def main() -> None:
    """Run both sets."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--records", type=int, default=12, help="records of 160 windows per suite")
    parser.add_argument("--seed", type=int, help="first seed of the second set")
    arguments = parser.parse_args()
    drawn = secrets.randbelow(2**31) + 10**6 if arguments.seed is None else arguments.seed
    for seed in (FIXED_SEED, drawn):
        run(seed, arguments.records)


if __name__ == "__main__":
    main()
