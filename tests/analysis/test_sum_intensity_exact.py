"""sum_intensity by a threshold: CloudScope's files, and a plain transcription of its rules."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
import pytest
import tifffile
from benchmarks.reference_intensity import reference_intensity

from napari_bloodflow import Calibration, RunContext
from napari_bloodflow.analysis.base import AnalysisInputs, AnalysisResult, AnalysisState
from napari_bloodflow.analysis.sum_intensity import SumIntensity
from napari_bloodflow.analysis.sum_intensity_params import preset

if TYPE_CHECKING:
    from pathlib import Path


def measure(image: np.ndarray[Any, Any], dt_s: float, **params: Any) -> AnalysisResult:
    rows, columns = image.shape
    calibration = Calibration(dt_s, 0.5, "user", is_known=True)
    state = AnalysisState(calibration, (0, rows, 0, columns), (rows, columns))
    steps = SumIntensity.measure(AnalysisInputs(image, state), SumIntensity.check_params(params))
    return RunContext().drain(steps)


def assert_holds(found: Any, expected: Any, where: str = "") -> None:
    """Check that everything expected is there; numbers to 1e-9."""
    if isinstance(expected, dict):
        for name, value in expected.items():
            assert_holds(found[name], value, f"{where}.{name}")
    elif isinstance(expected, list):
        assert len(found) == len(expected), where
        for place, value in enumerate(expected):
            assert_holds(found[place], value, f"{where}[{place}]")
    elif isinstance(expected, float):
        assert found == pytest.approx(expected, rel=1e-9, abs=1e-9, nan_ok=True), where
    else:
        assert found == expected, where


@pytest.mark.parametrize(
    ("name", "num_records"), [("k01_velocity.tif", 1), ("k04_sum_intensity.tif", 4)]
)
def test_every_stored_value_of_cloudscope_is_found_again(
    cloudscope_data: Path, name: str, num_records: int
) -> None:
    path = cloudscope_data / "aug2026" / name
    image, stored = tifffile.imread(path), pd.read_csv(f"{path}.sum_intensity.csv")
    sidecar = json.loads((path.parent / f"{name}.json").read_text())
    rois = {roi["roi_id"]: roi["data"] for roi in sidecar["rois"]}
    records = [r for r in sidecar["analysis"] if r["analysis_name"] == "sum_intensity"]
    assert len(records) == num_records
    for record in records:
        roi, summary = rois[record["roi_id"]], record["summary"]
        pixels = image[roi["row_start"] : roi["row_stop"], roi["col_start"] : roi["col_stop"]]
        result = measure(pixels, summary["seconds_per_line"], **record["detection_params"])
        expected = stored[stored["roi_id"] == record["roi_id"]].drop(columns=["channel", "roi_id"])
        assert result.table is not None
        assert tuple(result.table.columns) == SumIntensity.standard_columns
        pd.testing.assert_frame_equal(
            result.table, expected.reset_index(drop=True), rtol=1e-12, atol=1e-12
        )
        for key in ("analysis_date", "analysis_time"):
            del summary[key]
        assert_holds(result.summary, summary)


def random_image(rng: np.random.Generator, dt_s: float) -> np.ndarray[Any, Any]:
    num_lines, num_columns = int(rng.integers(2, 500)), int(rng.integers(1, 12))
    time_s = np.arange(num_lines) * dt_s
    trace = np.full(num_lines, float(rng.uniform(20, 300)))
    trace *= 1 + rng.uniform(0, 0.5) * np.exp(-time_s / max(1e-3, time_s[-1] * rng.uniform(0.2, 2)))
    for onset in rng.uniform(0, time_s[-1], int(rng.integers(0, 6))):
        since = np.clip(time_s - onset, 0, None)
        shape = (1 - np.exp(-since / 0.015)) * np.exp(-since / rng.uniform(0.05, 0.4))
        trace *= 1 + rng.choice([-0.5, 0.5, 1.0]) * shape
    noise = rng.choice([0.0, 0.02, 0.1]) * trace[:, np.newaxis]
    image = trace[:, np.newaxis] + noise * rng.normal(size=(num_lines, num_columns))
    kind = rng.choice(["uint8", "uint16", "int16", "float32", "constant"])
    if kind == "constant":
        return np.full((num_lines, num_columns), int(rng.integers(0, 3)), np.uint8)
    return image.clip(0, 255).astype(kind) if kind == "uint8" else image.clip(0).astype(kind)


def random_params(rng: np.random.Generator) -> dict[str, Any]:
    detection = {
        "detection_method": str(rng.choice(["derivative_threshold", "absolute_threshold"])),
        "polarity": str(rng.choice(["positive", "negative"])),
        "detection_source": str(
            rng.choice(
                [
                    "sum_intensity",
                    "norm_sum_intensity",
                    "filtered_norm_sum_intensity",
                    "detrended_norm_sum_intensity",
                    "df_f_signal",
                ]
            )
        ),
        "absolute_threshold": float(rng.choice([0.0, 0.1, 0.3, 150.0])),
        "derivative_threshold_per_sec": float(rng.choice([0.1, 1.0, 3.0, 200.0])),
        "refractory_period_ms": float(rng.choice([0, 10, 15, 250])),
        "peak_search_window_ms": float(rng.choice([0.5, 50, 150])),
        "width_search_window_ms": float(rng.choice([5, 150, 750])),
        "level_fractions": str(rng.choice(["0.1,0.2,0.5,0.8,0.9", "0.5", "0.9,0.1", "0.3,0.1"])),
    }
    return {
        "window_radius_points": int(rng.choice([0, 1, 6, 40, 600])),
        "filter_method": str(rng.choice(["none", "median"])),
        "median_filter_kernel_points": int(rng.choice([0, 1, 2, 3, 4, 9])),
        "detrend_method": str(rng.choice(["none", "single_exponential"])),
        "baseline_method": str(rng.choice(["percentile", "manual"])),
        "baseline_percentile": float(rng.choice([0, 20, 50.5, 100])),
        "manual_f0_baseline": float(rng.choice([-3.0, 1e-15, 100.0])),
        "baseline_window_ms": float(rng.choice([0, 4, 100])),
        **detection,
    }


def compare(seed: int) -> int:
    """Compare one random image and configuration; return the number of peaks."""
    rng = np.random.default_rng([4, seed])
    dt_s = float(rng.choice([0.001, 0.002, 0.004, 0.01]))
    image, params = random_image(rng, dt_s), random_params(rng)
    expected, events = reference_intensity(image, params, dt_s)
    result = measure(image, dt_s, **params)
    assert result.table is not None
    assert list(result.table.columns) == list(expected)
    for name, values in expected.items():
        found = result.table[name].to_numpy()
        assert found.dtype.kind == values.dtype.kind, name
        np.testing.assert_allclose(found, values, rtol=1e-12, atol=1e-12, err_msg=name)
    assert_holds(result.summary["peak_events"], events)
    return len(events)


def test_random_settings_give_what_the_transcription_gives() -> None:
    assert sum(compare(seed) for seed in range(60)) > 100


@pytest.mark.slow
def test_a_thousand_random_settings_give_what_the_transcription_gives() -> None:
    assert sum(compare(seed) for seed in range(60, 1060)) > 1000


@pytest.mark.parametrize(
    ("name", "refractory_ms", "peak_ms", "width_ms"),
    [("fast", 10, 50, 150), ("medium", 250, 150, 500), ("slow", 500, 250, 750)],
)
def test_presets_are_those_of_cloudscope(
    name: str, refractory_ms: float, peak_ms: float, width_ms: float
) -> None:
    params = preset(name)
    assert params["window_radius_points"] == 0
    assert params["derivative_threshold_per_sec"] == 1.0
    assert params["detection_method"] == "derivative_threshold"
    windows = [params[f"{key}_ms"] for key in _WINDOWS]
    assert windows == [refractory_ms, peak_ms, width_ms]
    assert SumIntensity.check_params(params) == params


_WINDOWS = ("refractory_period", "peak_search_window", "width_search_window")
