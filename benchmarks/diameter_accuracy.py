"""Accuracy of the guided diameter on synthetic vessels: error, coverage, quality columns.

    python benchmarks/diameter_accuracy.py [--seed N]

Fixed seeds, and one more that is chosen at run time unless it is given.
"""

from __future__ import annotations

import argparse
import secrets
from typing import Any

import numpy as np
from scipy.special import ndtr
from scipy.stats import rankdata

from napari_bloodflow.analysis.base import AnalysisInputs, AnalysisState, RunContext
from napari_bloodflow.analysis.diameter import Diameter
from napari_bloodflow.calibration import Calibration


def vessel(
    T=4000,
    X=128,
    D0=40.0,
    snr=8.0,
    psf=1.6,
    scenario="plain",
    seed=0,
    a_v=0.05,
    a_p=0.01,
    dt=0.001,
    dark=False,
    amp=2000.0,
    bg=300.0,
):
    rng = np.random.default_rng(seed)
    t = np.arange(T) * dt
    s = np.sqrt(psf**2 + 1 / 12)
    x = np.arange(X)
    sc = set(scenario.split("+"))
    f = 7.0
    D = D0 * (
        1
        + a_v * np.sin(2 * np.pi * 0.1 * t * 5 + rng.uniform(0, 6))
        + a_p * (np.sin(2 * np.pi * f * t) + 0.4 * np.sin(4 * np.pi * f * t + 0.6))
    )
    xm = (X - 1) / 2 + rng.uniform(-3, 3)
    c = xm + 1.5 * np.sin(2 * np.pi * 0.3 * t + 1)
    if "jumps" in sc or "mixed" in sc:
        n = int(T * (0.05 if "jumps" in sc else 0.02) / 7)
        for k in rng.integers(0, T, n):
            c[k : k + rng.integers(2, 13)] += rng.choice([-1, 1]) * rng.uniform(4, 14)
    if "jitter" in sc:
        c = c + rng.normal(0, 1, T)
    if "leave" in sc:
        out = np.zeros(T)
        n = int(0.3 * T)
        k = int(rng.integers(0, T - n))
        out[k : k + n] = 1
        out = np.convolve(out, np.ones(60) / 60, "same")
        c = c + out * (X - xm)
    L = c - D / 2
    R = c + D / 2
    p = ndtr((x - L[:, None]) / s) - ndtr((x - R[:, None]) / s)
    light = bg + amp * p
    if "gradient" in sc:
        light = light + 0.6 * amp * (x - xm) / X
    if "neighbour" in sc or "mixed" in sc:
        on = np.zeros(T)
        n = int((0.3 if "neighbour" in sc else 0.1) * T)
        k = int(rng.integers(0, T - n))
        on[k : k + n] = 1
        light = light + on[:, None] * amp * 1.2 * (
            ndtr((x - 0.86 * X) / s) - ndtr((x - 0.93 * X) / s)
        )
    if "rbc" in sc or "mixed" in sc:
        tot = 0
        target = (0.25 if "rbc" in sc else 0.08) * T
        while tot < target:
            n = int(rng.integers(3, 26))
            k = int(rng.integers(0, T))
            depth = rng.uniform(0.4, 0.9)
            pos = rng.uniform(L[k], R[k])
            w = rng.uniform(6, 14)
            rows = np.arange(k, min(T, k + n))
            tot += rows.size
            sh = depth * np.exp(-(((x - pos) / w) ** 4))
            light[rows] -= amp * p[rows] * sh
    sd_l = amp / snr
    full = bg + amp
    gain = 0.7 * sd_l**2 / full
    vr = 0.3 * sd_l**2
    if np.isfinite(snr):
        light = light + rng.normal(size=light.shape) * np.sqrt(vr + gain * np.maximum(light, 0))
    if "drop" in sc:
        light[rng.random(T) < 0.03] = bg
    if "clip" in sc:
        light = np.minimum(light, bg + 0.6 * amp)
    if dark:
        light = 2 * bg + amp - light
    light = light + 500
    return np.clip(np.rint(light), 0, 65535).astype(np.uint16), L, R


def measure(image: np.ndarray[Any, Any], **params: Any) -> Any:
    state = AnalysisState(Calibration(1.0, 1.0, "x", True), (0, 0, 0, 0), (0, 0))
    inputs = AnalysisInputs(image, state)
    return RunContext().drain(Diameter.measure(inputs, Diameter.check_params(params))).table


def rms(values: Any) -> float:
    return float(np.sqrt(np.nanmean(np.square(values))))


def area_under_curve(score: Any, is_wrong: Any) -> float:
    rank = rankdata(score)
    num = np.count_nonzero(is_wrong)
    if num in (0, is_wrong.size):
        return float("nan")
    return (rank[is_wrong].sum() - num * (num + 1) / 2) / (num * (is_wrong.size - num))


CASES = (
    ("D 40, SNR 8", {}, {}),
    ("D 40, SNR 32", {"snr": 32.0}, {}),
    ("D 10, SNR 8", {"D0": 10.0}, {}),
    ("D 10, SNR 8, erf", {"D0": 10.0}, {"refinement": "erf"}),
    ("dark", {"dark": True}, {"polarity": "dark_on_bright"}),
    ("neighbour", {"scenario": "neighbour"}, {}),
    ("gradient", {"scenario": "gradient"}, {}),
    ("gradient, per side", {"scenario": "gradient"}, {"threshold_sides": "per_side"}),
    ("edge leaves", {"scenario": "leave"}, {}),
    ("shadows", {"scenario": "rbc"}, {}),
    ("shadows, fast pulse", {"scenario": "rbc", "a_p": 0.04}, {}),
    ("shadows, SNR 32", {"scenario": "rbc", "snr": 32.0}, {}),
    ("mixed", {"scenario": "mixed"}, {}),
    ("SNR 2.5", {"snr": 2.5}, {}),
    ("mixed, SNR 4", {"scenario": "mixed", "snr": 4.0}, {}),
)
POOLED = ("neighbour", "shadows", "mixed", "SNR 2.5", "mixed, SNR 4")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--seed", type=int, default=secrets.randbelow(2**31))
    seeds = (3, 4, parser.parse_args().seed)
    print("seeds", *seeds, "- errors in px")
    print(f"{'case':<20} {'bias':>7} {'rmse':>6} {'filt':>6} {'>3 ok':>6} {'nan':>6} {'cover':>6}")
    pooled: list[tuple[Any, Any]] = []
    for name, options, params in CASES:
        tables, errors, filtered = [], [], []
        for seed in seeds:
            image, left, right = vessel(seed=seed, **options)
            table = measure(image, **params)
            tables.append(table)
            errors.append(table["diameter_px"].to_numpy() - (right - left))
            filtered.append(table["diameter_px_filt"].to_numpy() - (right - left))
        error = np.concatenate(errors)
        known = np.isfinite(error)
        accepted = np.concatenate([table["accepted"] for table in tables])
        sd = np.concatenate([table["diameter_um_sd"] for table in tables])
        inside = np.mean(np.abs(error[known]) < 1.96 * sd[known])
        wrong = np.count_nonzero(np.abs(error[accepted]) > 3) / error.size
        print(
            f"{name:<20} {np.nanmean(error):>+7.3f} {rms(error):>6.3f} "
            f"{rms(np.concatenate(filtered)):>6.3f} {wrong:>6.2%} {1 - known.mean():>6.1%} "
            f"{inside:>6.1%}"
        )
        if name in POOLED:
            suspicion = 1 - np.concatenate([table["qc_score"] for table in tables])
            pooled.append((suspicion[known], np.abs(error[known]) > 1.5))
    score, is_wrong = (np.concatenate(part) for part in zip(*pooled, strict=True))
    area = area_under_curve(score, is_wrong)
    print(f"AUC of qc_score for errors above 1.5 px: {area:.3f}")


if __name__ == "__main__":
    main()
