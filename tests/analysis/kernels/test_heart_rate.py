"""Heart rate of traces with known pulse: accuracy, uncertainty, and what is not trusted."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
import pytest

from napari_bloodflow.analysis.heart_rate import HeartRateParams
from napari_bloodflow.analysis.kernels.heart_rate import (
    HeartRate,
    HeartRateTrack,
    estimate_heart_rate,
    pulse_of,
    track_heart_rate,
    window_attenuation,
)
from napari_bloodflow.analysis.kernels.heart_rate_classic import classic_heart_rate

if TYPE_CHECKING:
    from pathlib import Path

STEP_S = 1 / 53
LOW_HZ, HIGH_HZ = 4.0, 10.0


def trace(
    rate_hz: float | np.ndarray = 7.0,
    *,
    seconds: float = 35.0,
    noise: float = 1.0,
    harmonic: float = 0.4,
    seed: int = 0,
) -> np.ndarray:
    """Return a velocity of 8 with a pulse of amplitude 1."""
    size = round(seconds / STEP_S)
    phase = 2 * np.pi * STEP_S * np.cumsum(np.broadcast_to(rate_hz, size))
    pulse = np.sin(phase) + harmonic * np.sin(2 * phase + 0.6)
    return 8 + pulse + noise * np.random.default_rng(seed).normal(size=size)


def rate_of(velocity: np.ndarray) -> HeartRate:
    return estimate_heart_rate(pulse_of(velocity, STEP_S), STEP_S, LOW_HZ, HIGH_HZ)


def track_of(velocity: np.ndarray) -> HeartRateTrack:
    return track_heart_rate(pulse_of(velocity, STEP_S), STEP_S, LOW_HZ, HIGH_HZ)


@pytest.mark.parametrize("rate_hz", [4.3, 5.017, 7.0, 8.33, 9.6])
@pytest.mark.parametrize("harmonic", [0.0, 0.4, 1.0, 1.4])
def test_the_rate_is_found_even_if_the_second_harmonic_is_stronger(
    rate_hz: float, harmonic: float
) -> None:
    found = rate_of(trace(rate_hz, harmonic=harmonic))
    assert found.status == "ok" or harmonic > 1
    assert found.frequency_hz == pytest.approx(rate_hz, abs=0.1 / 60)


def test_the_standard_error_is_that_of_repeats() -> None:
    found = [rate_of(trace(7.0, noise=3.0, seed=seed)) for seed in range(60)]
    errors = [(f.frequency_hz - 7.0) / f.sd_hz for f in found]
    assert 0.75 < np.std(errors) < 1.3


def test_slow_changes_and_outliers_do_not_matter() -> None:
    velocity = trace(6.5)
    velocity += 3 * np.sin(np.arange(velocity.size) * STEP_S * 0.4)
    velocity[::10] += np.random.default_rng(1).standard_cauchy(velocity[::10].size) * 20
    assert rate_of(velocity).frequency_hz == pytest.approx(6.5, abs=0.3 / 60)


def test_half_of_the_samples_may_be_missing() -> None:
    velocity = trace(6.5)
    velocity[np.random.default_rng(1).random(velocity.size) < 0.5] = np.nan
    assert rate_of(velocity).frequency_hz == pytest.approx(6.5, abs=0.2 / 60)


def test_noise_has_no_heart_rate() -> None:
    found = [rate_of(trace(noise=100.0, seed=seed)) for seed in range(40)]
    assert {f.status for f in found} <= {"no_pulse", "ambiguous"}


def test_noise_that_neighbours_share_has_no_heart_rate() -> None:
    kernel = np.ones(4) / 4
    for seed in range(40):
        noise = np.random.default_rng(seed).normal(size=1900)
        assert rate_of(np.convolve(noise, kernel, "valid")).status != "ok"


@pytest.mark.parametrize(
    ("velocity", "status"),
    [
        (np.full(500, 3.0), "no_variation"),
        (np.full(500, np.nan), "too_few_samples"),
        (trace(seconds=0.5), "too_few_samples"),
        (np.r_[trace(), [np.nan]][:1], "too_few_samples"),
    ],
)
def test_what_cannot_be_measured_says_so(velocity: np.ndarray, status: str) -> None:
    found = rate_of(velocity)
    assert found.status == status
    assert np.isnan(found.frequency_hz)
    assert np.isnan(track_of(velocity).frequency_hz).all()


def test_a_band_that_was_not_sampled_says_so() -> None:
    found = estimate_heart_rate(pulse_of(trace(), 0.2), 0.2, LOW_HZ, HIGH_HZ)
    assert found.status == "band_above_sampling"
    assert not track_heart_rate(trace(), 0.2, LOW_HZ, HIGH_HZ).time_s.size


def test_a_drifting_rate_is_followed() -> None:
    time_s = np.arange(round(35 / STEP_S)) * STEP_S
    rate_hz = 7 * (1 + 0.05 * np.sin(2 * np.pi * time_s / 35))
    track = track_of(trace(rate_hz, noise=0.7))
    assert track.is_drifting
    assert (track.status == "ok").all()
    error = track.frequency_hz - np.interp(track.time_s, time_s, rate_hz)
    assert np.sqrt(np.mean(error**2)) < 0.7 / 60


def test_a_steady_rate_does_not_drift() -> None:
    assert not any(track_of(trace(noise=n, seed=3)).is_drifting for n in (0.0, 0.3, 1.0, 3.0))


@pytest.mark.parametrize("noise", [0.0, 0.1])
def test_a_stall_is_masked_and_not_bridged(noise: float) -> None:
    velocity = trace(noise=0.5)
    stalled = slice(round(12 / STEP_S), round(22 / STEP_S))
    velocity[stalled] = noise * np.random.default_rng(1).normal(size=velocity[stalled].size)
    track = track_of(velocity)
    inside = (track.time_s > 14) & (track.time_s < 20)
    outside = (track.time_s < 9) | (track.time_s > 25)
    assert set(track.status[inside]) == {"no_pulse"}
    assert np.isnan(track.frequency_hz[inside]).all()
    assert set(track.status[outside]) == {"ok"}


def test_windows_without_samples_are_gaps() -> None:
    velocity = trace(noise=0.5)
    velocity[round(12 / STEP_S) : round(22 / STEP_S)] = np.nan
    track = track_of(velocity)
    assert set(track.status[(track.time_s > 14) & (track.time_s < 20)]) == {"gap"}


def test_a_velocity_window_shrinks_the_pulse() -> None:
    assert window_attenuation(7.0, 0.075) == pytest.approx(0.60, abs=0.01)
    assert window_attenuation(10.0, 0.1) == pytest.approx(0.0, abs=1e-12)
    assert window_attenuation(7.0, 0.0) == 1.0


# ---- as CloudScope computes it


def assert_same(mine: Any, theirs: Any, where: str = "") -> None:
    if isinstance(theirs, dict):
        assert set(mine) == set(theirs), where
        for key in theirs:
            assert_same(mine[key], theirs[key], f"{where}.{key}")
    elif isinstance(theirs, float):
        assert mine == pytest.approx(theirs, rel=1e-9), where
    else:
        assert mine == theirs, where


def test_cloudscopes_numbers_come_out(cloudscope_data: Path) -> None:
    path = cloudscope_data / "aug2026" / "k05_pulsatile.tif"
    records = json.loads((path.parent / f"{path.name}.json").read_text())["analysis"]
    record = next(r for r in records if r["analysis_name"] == "heart_rate")
    table = pd.read_csv(f"{path}.radon_velocity.csv")
    mine = classic_heart_rate(
        table["time_s"].to_numpy(), table["velocity"].to_numpy(), record["detection_params"]
    )
    theirs = {k: v for k, v in record["summary"].items() if not k.startswith("analysis_")}
    assert_same(mine, theirs)


@pytest.mark.parametrize(
    ("velocity", "status", "reason"),
    [
        (trace(seconds=4.0), "insufficient_valid", "256"),
        (np.full(1000, 2.0), "no_peak_lomb", "no power"),
    ],
)
def test_the_classic_methods_say_why_they_fail(
    velocity: np.ndarray, status: str, reason: str
) -> None:
    time_s = STEP_S * np.arange(velocity.size)
    found = classic_heart_rate(time_s, velocity, HeartRateParams().model_dump())
    assert found["status"] == status
    assert reason in f"{found['lomb']['reason']} {found['welch']['reason']}"
    assert found["agreement"] is None
    json.dumps(found, allow_nan=False)


def test_a_band_above_the_sampling_is_an_error_of_welch() -> None:
    velocity = trace()
    time_s = 0.06 * np.arange(velocity.size)
    found = classic_heart_rate(time_s, velocity, HeartRateParams().model_dump())
    assert found["welch"]["status"] == "other_error"
    assert found["welch"]["reason"].startswith("welch_failed")
