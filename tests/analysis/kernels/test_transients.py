"""Transients in units of noise."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from scipy.signal import lfilter

from napari_bloodflow.analysis.kernels.transients import (
    find_transients,
    line_noise,
    noise_left,
    rolling_baseline,
    smoothed,
)

DT_S = 0.002
Trace = np.ndarray[Any, Any]


def find(trace: Trace, dt_s: float = DT_S, **options: Any) -> Any:
    settings = {"sigma_points": 0.01 / dt_s, "min_strength": 4.5, "min_distance_s": 0.05}
    return find_transients(trace, dt_s, **{**settings, **options})


def shape(time_s: Trace, onset_s: float, rise_s: float = 0.015, decay_s: float = 0.2) -> Trace:
    since = np.clip(time_s - onset_s, 0, None)
    return (1 - np.exp(-since / rise_s)) * np.exp(-since / decay_s)


@pytest.mark.parametrize("dt_s", [0.0005, 0.002, 0.01])
@pytest.mark.parametrize("scale", [1e-3, 1.0, 1e6])
def test_what_is_found_depends_on_neither_unit_nor_line_period(dt_s: float, scale: float) -> None:
    time_s = np.arange(round(6 / dt_s)) * dt_s
    noise = 0.03 * np.random.default_rng(3).normal(size=time_s.size)
    trace = scale * (7 + shape(time_s, 1.0) + 0.7 * shape(time_s, 3.5) + noise)
    found = find(trace, dt_s)
    np.testing.assert_allclose(found.onset * dt_s, [1.0, 3.5], atol=0.02)
    assert ((found.peak > found.onset) & (found.strength > 4.5)).all()


def test_two_near_one_another_are_two_and_a_slow_one_is_one() -> None:
    time_s = np.arange(4000) * DT_S
    noise = 0.01 * np.random.default_rng(3).normal(size=time_s.size)
    near = shape(time_s, 2.0) + shape(time_s, 2.15)
    assert find(near + noise).onset.size == 2
    slow = shape(time_s, 2.0, 0.4, 1.5)
    (onset,), (peak,), _ = find(slow + noise)
    assert onset * DT_S == pytest.approx(2.0, abs=0.03)
    assert slow[peak] > 0.98 * slow.max()


@pytest.mark.parametrize("size", [0, 1, 2, 3, 20, 200])
def test_short_and_constant_traces_have_none(size: int) -> None:
    assert find(np.full(size, 3.0)).onset.size == 0
    assert find(np.arange(size, dtype=float)).onset.size == 0


def test_a_trace_without_noise_has_its_transients() -> None:
    trace = np.zeros(2000)
    trace[500:600] = 1.0
    assert find(trace).onset.tolist() == pytest.approx([500], abs=5)


@pytest.mark.parametrize("memory_s", [0.0, 0.005, 0.05])
def test_noise_of_any_colour_has_next_to_none(memory_s: float) -> None:
    count = 0
    for seed in range(10):
        white = np.random.default_rng(seed).normal(size=20_000)
        rho = np.exp(-DT_S / memory_s) if memory_s else 0.0
        count += find(lfilter([1.0], [1.0, -rho], white)).onset.size
    assert count <= 20  # in 400 s


def test_the_noise_of_a_line_is_its_standard_deviation() -> None:
    noise = np.random.default_rng(1).normal(size=50_000)
    trace = 20 * shape(np.arange(noise.size) * DT_S, 40.0) + noise
    assert line_noise(trace) == pytest.approx(1.0, rel=0.03)
    assert line_noise(smoothed(trace, 4.0)) < 0.2
    assert np.std(smoothed(noise, 4.0)) == pytest.approx(noise_left(4.0), rel=0.05)
    assert np.isnan(line_noise(trace[:2]))


def test_the_rolling_baseline_follows_bleaching_and_not_transients() -> None:
    time_s = np.arange(10_000) * DT_S
    rest = 100 * (1 + 0.5 * np.exp(-time_s / 8))
    events = sum(shape(time_s, onset) for onset in np.arange(0.5, 19.0, 1.5))
    baseline = rolling_baseline(rest * (1 + events), DT_S, 4.0, 20.0)
    np.testing.assert_allclose(baseline, rest, rtol=0.08)
    assert rolling_baseline(np.ones(3), 10.0, 4.0, 20.0).tolist() == [1.0] * 3
