"""heart_rate: parameters, summary, and what is refused."""

from __future__ import annotations

import json
from typing import Any

import numpy as np
import pandas as pd
import pytest

from napari_bloodflow import Calibration, RunContext
from napari_bloodflow.analysis.base import (
    AnalysisInputs,
    AnalysisResult,
    AnalysisState,
    ParentInputs,
)
from napari_bloodflow.analysis.heart_rate import HeartRateAnalysis
from napari_bloodflow.errors import AnalysisError, ParameterError

DT_S = 0.001
CLOUDSCOPE_PARAMS = {
    "agree_tol_bpm": 30.0,
    "bandpass_order": 3,
    "bpm_max": 600.0,
    "bpm_min": 240.0,
    "do_segments": False,
    "edge_margin_hz": -1.0,
    "interp_max_gap_sec": 0.05,
    "lomb_n_freq": 512,
    "nperseg_sec": 2.0,
    "outlier_k_mad": 4.0,
    "peak_half_width_hz": 0.5,
    "seg_min_valid_frac": 0.5,
    "seg_step_sec": 1.0,
    "seg_win_sec": 6.0,
    "use_abs": True,
}


def velocity_table(rate_hz: Any = 7.0, *, width: int = 64, seconds: float = 35.0) -> pd.DataFrame:
    time_s = np.arange(width / 2, seconds / DT_S, width / 4) * DT_S
    phase = 2 * np.pi * np.cumsum(np.broadcast_to(rate_hz, time_s.size)) * width / 4 * DT_S
    noise = np.random.default_rng(2).normal(size=time_s.size)
    return pd.DataFrame({"time_s": time_s, "velocity": -800 + 200 * np.sin(phase) + 100 * noise})


def measure(
    table: pd.DataFrame, *, width: int = 64, calibrated: bool = True, **params: Any
) -> dict[str, Any]:
    calibration = Calibration(DT_S, 0.5, "user", is_known=calibrated)
    parent = ParentInputs("radon_velocity", {"window_width": width}, AnalysisResult({}, table))
    state = AnalysisState(calibration, (0, 9, 0, 9), (9, 9))
    inputs = AnalysisInputs(np.zeros((9, 9)), state, parent)
    complete = HeartRateAnalysis.check_params(params)
    result = RunContext().drain(HeartRateAnalysis.measure(inputs, complete))
    assert result.table is None
    json.dumps(result.summary, allow_nan=False)
    return result.summary


def test_the_parameters_are_those_that_cloudscope_knows() -> None:
    params = HeartRateAnalysis.check_params({})
    assert params == CLOUDSCOPE_PARAMS
    assert {k: type(v) for k, v in params.items()} == {
        k: type(v) for k, v in CLOUDSCOPE_PARAMS.items()
    }


@pytest.mark.parametrize(
    ("params", "name"),
    [
        ({"bpm_min": 700}, "bpm_max"),
        ({"bpm_min": -1}, "bpm_min"),
        ({"bpm_max": float("nan")}, "bpm_max"),
        ({"lomb_n_freq": 1}, "lomb_n_freq"),
        ({"seg_step_sec": 0}, "seg_step_sec"),
        ({"bandpass_order": 99}, "bandpass_order"),
        ({"method": "better"}, "method"),
    ],
)
def test_absurd_parameters_are_named(params: dict[str, Any], name: str) -> None:
    with pytest.raises(ParameterError, match=name):
        HeartRateAnalysis.check_params(params)


def test_the_estimate_is_the_true_rate_with_its_error() -> None:
    summary = measure(velocity_table(), do_segments=True)
    estimate = summary["estimate"]
    assert estimate["status"] == "ok"
    assert estimate["method"] == "spectrum"
    assert abs(estimate["bpm"] - 420) < 4 * estimate["bpm_sd"] < 0.5
    assert estimate["rejected_bpm"] is None
    assert estimate["window_attenuation"] == pytest.approx(np.sinc(7 * 0.064), abs=1e-3)
    assert summary["lomb"]["bpm"] == pytest.approx(420, abs=1)
    assert summary["segments_summary"]["n_windows"] > 20
    over_time = summary["over_time"]
    assert over_time["num_valid_windows"] == over_time["num_windows"] == len(over_time["bpm"])
    assert over_time["median_bpm"] == pytest.approx(420, abs=1)
    assert over_time["time_s"][0] == pytest.approx(2.0, abs=0.1)


def test_the_rate_of_a_drifting_pulse_is_the_mean_over_time() -> None:
    table = velocity_table()
    rate_hz = 7 + 0.35 * np.sin(2 * np.pi * table["time_s"].to_numpy() / 35)
    estimate = measure(velocity_table(rate_hz))["estimate"]
    assert estimate["method"] == "track"
    assert estimate["bpm"] == pytest.approx(420, abs=2.5)


def test_noise_has_no_rate_but_a_reason() -> None:
    table = velocity_table()
    table["velocity"] = np.random.default_rng(1).normal(size=len(table))
    estimate = measure(table)["estimate"]
    assert estimate["bpm"] is None
    assert estimate["bpm_sd"] is None
    assert estimate["status"] in ("no_pulse", "ambiguous")
    assert 240 <= estimate["rejected_bpm"] <= 600


def test_long_velocity_windows_are_warned_about() -> None:
    assert measure(velocity_table(width=32), width=32)["warnings"] == []
    (warning,) = measure(velocity_table())["warnings"]
    assert "64 ms" in warning
    assert "600 bpm" in warning


def test_velocities_too_far_apart_are_refused() -> None:
    with pytest.raises(AnalysisError, match="smaller window width"):
        measure(velocity_table(width=512), width=512)


def test_without_a_line_period_there_is_no_rate() -> None:
    with pytest.raises(AnalysisError, match="line period"):
        measure(velocity_table(), calibrated=False)


@pytest.mark.parametrize(
    ("damage", "reason"),
    [
        (lambda t: t.drop(columns="velocity"), "no column velocity"),
        (lambda t: t.assign(velocity="fast"), "no column velocity of numbers"),
        (lambda t: t.iloc[:0], "is empty"),
        (lambda t: t.iloc[::-1], "do not rise"),
        (lambda t: t.assign(time_s=t["time_s"] ** 2), "not evenly spaced"),
    ],
)
def test_a_table_that_cannot_be_used_is_refused(damage: Any, reason: str) -> None:
    with pytest.raises(AnalysisError, match=reason):
        measure(damage(velocity_table()))


def test_a_stalled_or_empty_trace_has_no_rate() -> None:
    for value in (0.0, np.nan):
        table = velocity_table().assign(velocity=value)
        summary = measure(table)
        assert summary["estimate"]["bpm"] is None
        assert summary["estimate"]["status"] in ("no_variation", "too_few_samples")
        assert summary["lomb"]["bpm"] is None
