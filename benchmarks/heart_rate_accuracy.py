"""Accuracy of the heart rate on traces with known pulse.

A trace is a steady velocity with a pulse (a sine, with a second harmonic of 0.4 of its amplitude
where nothing else is said) in white noise: 35 s at 53 velocities per second, 270 to 570 bpm.
Decibels are the power of the sine over that of the noise. The first table has, beside the
estimate, the periodogram and Welch's spectrum as CloudScope takes them. "wrong" is more than 5 bpm
off, "trusted" is status "ok", the bound is the median error of the best possible (Cramer-Rao).
For weak pulses "best" is the part within 5 bpm of the estimate that is right most often, which has
to be told the amplitudes and the noise.

    python benchmarks/heart_rate_accuracy.py [--traces N] [--seed S] [--check]

Without a seed one is chosen at run time, beside the fixed one; with --check the exit code tells
whether the targets are met.
"""

from __future__ import annotations

import argparse
import secrets
import statistics
import sys
import time
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
from scipy import signal, special

from napari_bloodflow.analysis.heart_rate import HeartRateAnalysis, HeartRateParams
from napari_bloodflow.analysis.kernels.heart_rate import (
    estimate_heart_rate,
    pulse_of,
    track_heart_rate,
)
from napari_bloodflow.analysis.kernels.heart_rate_classic import classic_heart_rate
from napari_bloodflow.analysis.kernels.spectrum import lomb_power

if TYPE_CHECKING:
    from numpy.typing import NDArray

STEP_S = 1 / 53
SECONDS = 35.0
LOW_HZ, HIGH_HZ = 4.0, 10.0
PARAMS = HeartRateAnalysis.check_params({})


class Case(NamedTuple):
    name: str
    decibels: float
    harmonic: float = 0.4
    drift: float = 0.0
    gaps: float = 0.0
    stall: float = 0.0
    shared_noise: int = 1
    times: int = 1


STEADY = (
    Case("+10 dB", 10),
    Case("0 dB", 0),
    Case("-10 dB", -10),
    Case("-15 dB", -15),
    Case("-15 dB, plain sine", -15, harmonic=0.0),
    Case("-18 dB", -18, times=4),
    Case("-18 dB, plain sine", -18, harmonic=0.0),
    Case("-20 dB", -20),
    Case("noise only", -300),
    Case("0 dB, 50 % gaps", 0, gaps=0.5),
    Case("0 dB, 30 % stall", 0, stall=0.3),
    Case("0 dB, harmonic 1.0", 0, harmonic=1.0),
    Case("0 dB, harmonic 1.4", 0, harmonic=1.4),
    Case("-10 dB, noise of 4 shared", -10, shared_noise=4),
)
CHANGING = (
    Case("0 dB, steady", 0),
    Case("0 dB, drift 2 %", 0, drift=0.02),
    Case("0 dB, drift 5 %", 0, drift=0.05),
    Case("0 dB, drift 5 %, plain sine", 0, harmonic=0.0, drift=0.05),
    Case("-8 dB, drift 5 %", -8, drift=0.05),
    Case("0 dB, 30 % stall", 0, stall=0.3),
)


def trace(
    case: Case, rng: np.random.Generator
) -> tuple[NDArray[np.float64], NDArray[np.float64], NDArray[np.float64]]:
    """Return times, velocities, and the true rate in bpm."""
    time_s = np.arange(round(SECONDS / STEP_S)) * STEP_S
    swing = np.sin(2 * np.pi * time_s / SECONDS + rng.uniform(0, 2 * np.pi))
    rate_hz = rng.uniform(270, 570) / 60 * (1 + case.drift * swing)
    phase = 2 * np.pi * STEP_S * np.cumsum(rate_hz) + rng.uniform(0, 2 * np.pi)
    pulse = np.sin(phase) + case.harmonic * np.sin(2 * phase + rng.uniform(0, 2 * np.pi))
    kernel = np.ones(case.shared_noise) / np.sqrt(case.shared_noise)
    noise = np.convolve(rng.normal(size=time_s.size + case.shared_noise - 1), kernel, "valid")
    velocity = 8 + (pulse if case.decibels > -100 else 0)
    if case.stall:
        size = int(case.stall * time_s.size)
        start = rng.integers(time_s.size - size)
        velocity[start : start + size] = 0
    velocity = velocity + noise * np.sqrt(0.5 / 10 ** (max(case.decibels, -100) / 10))
    velocity[rng.random(time_s.size) < case.gaps] = np.nan
    return time_s, velocity, 60 * rate_hz


def bound_bpm(case: Case) -> float:
    """Return the least median error for a steady rate."""
    size = SECONDS / STEP_S * (1 - case.gaps)
    information = 2 * 10 ** (case.decibels / 10) * (1 + 4 * case.harmonic**2)
    return 0.6745 * 60 * np.sqrt(24 / (information * size)) / (2 * np.pi * SECONDS)


def most_often_right(velocity: NDArray[np.float64], case: Case) -> float:
    """Return the rate, in bpm, with the most probability within 5 bpm, knowing all but phases."""
    variance = 0.5 / 10 ** (case.decibels / 10)
    size = 2**15
    amplitude = np.abs(np.fft.rfft(velocity - velocity.mean(), size)) / variance
    step_hz = 1 / (size * STEP_S)
    index = np.arange(round(LOW_HZ / step_hz), round(HIGH_HZ / step_hz) + 1)
    evidence = np.zeros(index.size)
    for order, height in ((1, 1.0), (2, case.harmonic)):
        argument = height * amplitude[order * index]
        evidence += np.log(special.i0e(argument)) + argument
    near = np.ones(2 * int(5 / 60 / step_hz) + 1)
    probability = np.convolve(np.exp(evidence - evidence.max()), near, "same")
    return float(60 * step_hz * index[np.argmax(probability)])


def steady(cases: tuple[Case, ...], num: int, seed: int) -> dict[str, Any]:
    """Print the table of steady rates; return what is checked, by case."""
    print(f"{'':<27} {'median / p95 error in bpm and part within 5 bpm':^66}")
    print(
        f"{'case':<27} {'Lomb':>21} {'Welch':>21} {'estimate':>21} {'bound':>6} {'best':>5} "
        f"{'trusted':>8} {'wrong and trusted':>18}"
    )
    found: dict[str, Any] = {}
    for index, case in enumerate(cases):
        rng = np.random.default_rng([seed, index])
        errors: dict[str, list[float]] = {"lomb": [], "welch": [], "estimate": []}
        is_trusted = []
        best = []
        is_weak = -100 < case.decibels <= -15
        for repeat in range(num * case.times):
            time_s, velocity, truth = trace(case, rng)
            mean = float(truth.mean())
            if repeat < num:
                classic = classic_heart_rate(time_s, velocity, PARAMS)
                for name in ("lomb", "welch"):
                    errors[name].append(abs((classic[name]["bpm"] or np.inf) - mean))
            rate = estimate_heart_rate(pulse_of(velocity, STEP_S), STEP_S, LOW_HZ, HIGH_HZ)
            errors["estimate"].append(abs(60 * rate.frequency_hz - mean))
            is_trusted.append(rate.status == "ok")
            if is_weak:
                best.append(abs(most_often_right(velocity, case) - mean) < 5)
        off = np.array(errors["estimate"])
        wrong = float(np.mean((off > 5) & is_trusted))
        found[case.name] = (
            float(np.median(off)),
            float(np.percentile(off, 95)),
            float(np.mean(off < 5)),
            wrong,
            float(np.mean(is_trusted)),
        )
        cells = [
            f"{np.median(e):6.3f}/{np.percentile(e, 95):6.2f}/{np.mean(np.array(e) < 5):6.1%}"
            for e in errors.values()
        ]
        bound = f"{bound_bpm(case):6.3f}" if case.decibels > -100 else "     -"
        print(
            f"{case.name:<27} {cells[0]:>21} {cells[1]:>21} {cells[2]:>21} {bound} "
            f"{f'{np.mean(best):.1%}' if is_weak else '-':>5} "
            f"{np.mean(is_trusted):>8.0%} {wrong:>18.1%}"
        )
    return found


def changing(cases: tuple[Case, ...], num: int, seed: int) -> dict[str, Any]:
    """Print the table of rates over time; return the errors by case."""
    print(f"\n{'case':<27} {'RMSE':>6} {'windows':>8} {'mean off':>9} {'drift seen':>11}")
    found = {}
    for index, case in enumerate(cases):
        rng = np.random.default_rng([seed, 100 + index])
        squares, covered, means, drifts = [], [], [], []
        for _ in range(num):
            time_s, velocity, truth = trace(case, rng)
            track = track_heart_rate(pulse_of(velocity, STEP_S), STEP_S, LOW_HZ, HIGH_HZ)
            is_ok = track.status == "ok"
            error = 60 * track.frequency_hz - np.interp(track.time_s, time_s, truth)
            covered.append(is_ok.mean())
            drifts.append(track.is_drifting)
            if is_ok.any():
                squares.append(np.mean(error[is_ok] ** 2))
                means.append(abs(np.mean(error[is_ok])))
        found[case.name] = rmse = float(np.sqrt(np.mean(squares)))
        print(
            f"{case.name:<27} {rmse:>6.2f} {np.mean(covered):>8.0%} {np.median(means):>9.3f} "
            f"{np.mean(drifts):>11.0%}"
        )
    return found


def speed(sizes: tuple[int, ...]) -> float:
    """Compare the periodogram with scipy's, in one run; return the largest difference."""
    print(f"\n{'samples':>8} {'scipy':>10} {'here':>9} {'ratio':>6} {'largest difference':>19}")
    worst = 0.0
    for size in sizes:
        rng = np.random.default_rng(size)
        time_s = 0.4 + STEP_S * np.arange(size)
        values = np.sin(2 * np.pi * 7 * time_s) + rng.normal(size=size)
        values[rng.random(size) < 0.1] = np.nan
        values -= np.nanmean(values)
        valid = np.isfinite(values)
        angular = 2 * np.pi * np.linspace(LOW_HZ, HIGH_HZ, 512)
        seconds: tuple[list[float], list[float]] = ([], [])
        for _ in range(3):
            start = time.perf_counter()
            theirs = signal.lombscargle(time_s[valid], values[valid], angular, normalize=True)
            middle = time.perf_counter()
            mine = lomb_power(time_s, values, LOW_HZ, HIGH_HZ, 512)
            seconds[0].append(middle - start)
            seconds[1].append(time.perf_counter() - middle)
        difference = float(np.abs(mine - theirs).max())
        worst = max(worst, difference)
        slow, fast = map(statistics.median, seconds)
        print(
            f"{size:>8} {1e3 * slow:>7.1f} ms {1e3 * fast:>6.1f} ms {slow / fast:>5.0f}x "
            f"{difference:>19.1e}"
        )
    return worst


def main() -> None:
    """Run everything for the fixed seed and for another one."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--traces", type=int, default=150, help="traces per case")
    parser.add_argument("--seed", type=int, default=None, help="default: one chosen at run time")
    parser.add_argument("--check", action="store_true", help="fail if a target is missed")
    arguments = parser.parse_args()
    assert HeartRateParams().bpm_min == 60 * LOW_HZ
    assert HeartRateParams().bpm_max == 60 * HIGH_HZ
    missed = []
    for seed in (1, secrets.randbelow(10**6) if arguments.seed is None else arguments.seed):
        print(f"seed {seed}, {arguments.traces} traces per case")
        rates = steady(STEADY, arguments.traces, seed)
        tracks = changing(CHANGING, arguments.traces, seed)
        for name in ("+10 dB", "0 dB", "-10 dB", "-15 dB"):
            median, p95 = rates[name][:2]
            missed += [f"seed {seed}, {name}: median {median:.3f}"] if median > 0.08 else []
            missed += [f"seed {seed}, {name}: p95 {p95:.2f}"] if p95 > 0.3 else []
        # The best possible is about 0.97; a miss is what two standard errors do not explain.
        allowed = 2 * np.sqrt(0.97 * 0.03 / (4 * arguments.traces))
        if rates["-18 dB"][2] < 0.97 - allowed:
            missed.append(f"seed {seed}, -18 dB: {rates['-18 dB'][2]:.1%} within 5 bpm")
        missed += [
            f"seed {seed}, {n}: {r[3]:.1%} wrong and trusted"
            for n, r in rates.items()
            if r[3] > 0.01
        ]
        for name in ("0 dB, drift 5 %", "0 dB, drift 5 %, plain sine"):
            missed += [f"seed {seed}, {name}: {tracks[name]:.2f}"] if tracks[name] > 0.7 else []
        print()
    if speed((1_868, 7_479, 29_890)) > 1e-8:
        missed.append("the periodogram is not scipy's")
    print("\n" + ("\n".join(["MISSED", *missed]) if missed else "all targets met"))
    sys.exit(bool(missed) and arguments.check)


if __name__ == "__main__":
    main()
