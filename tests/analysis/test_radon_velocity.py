"""radon_velocity: columns, units, signs and reasons, against synthetic truth."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
import pytest

from napari_bloodflow import Calibration, RunContext, suggest_window
from napari_bloodflow.analysis.base import AnalysisInputs, AnalysisResult, AnalysisState
from napari_bloodflow.analysis.radon_velocity import RadonVelocity, summarize_velocity
from napari_bloodflow.errors import AnalysisError, ParameterError
from napari_bloodflow.synthetic import moving_streaks, noise_only, pulsatile_flow

DT_S, DX_UM = 0.002, 0.25


def measure(
    image: np.ndarray[Any, Any],
    window: int = 64,
    calibration: Calibration | None = None,
    **params: Any,
) -> AnalysisResult:
    calibration = calibration or Calibration(DT_S, DX_UM, "user", is_known=True)
    rows, columns = image.shape
    state = AnalysisState(calibration, (0, rows, 0, columns), (rows, columns))
    checked = RadonVelocity.check_params({"window_width": window, **params})
    steps = RadonVelocity.measure(AnalysisInputs(image, state), checked)
    return RunContext().drain(steps)


def streaks(pixels_per_line: float) -> np.ndarray[Any, Any]:
    speed = pixels_per_line * DX_UM / DT_S
    return moving_streaks(
        768,
        64,
        dt_s=DT_S,
        dx_um=DX_UM,
        velocity_um_per_s=speed,
        cell_spacing_um=3.0,
        cell_width_um=1.0,
        seed=3,
    ).image


def table_of(result: AnalysisResult) -> pd.DataFrame:
    assert result.table is not None
    return result.table


# Windows of this size bias the classic estimator by some per cent.
@pytest.mark.parametrize(("method", "tolerance"), [("normalized", 0.005), ("classic", 0.05)])
@pytest.mark.parametrize("pixels_per_line", [-4.0, -2.0, -0.5, 0.0, 0.5, 1.0, 2.0, 4.0])
def test_velocity_is_the_true_speed_with_its_sign(
    pixels_per_line: float, method: str, tolerance: float
) -> None:
    result = measure(streaks(pixels_per_line), method=method)
    truth = pixels_per_line * DX_UM / DT_S
    assert result.summary["velocity_median"] == pytest.approx(truth, rel=tolerance, abs=1.0)
    assert result.summary["velocity_unit"] == "um/s"


@pytest.mark.parametrize("pixels_per_line", [0.0, 0.1, 0.5, 1.0, 2.0, 5.0, -2.0])
def test_velocity_does_not_turn_into_its_reciprocal(pixels_per_line: float) -> None:
    calibration = Calibration(0.001, 0.25, "user", is_known=True)
    image = moving_streaks(
        2000, 128, dt_s=0.001, dx_um=0.25, velocity_um_per_s=pixels_per_line * 250, seed=5
    ).image
    found = measure(image, calibration=calibration).summary
    assert found["velocity_median"] == pytest.approx(pixels_per_line * 250, rel=0.01, abs=0.5)
    assert found["accepted_fraction"] > 0.9


def test_normalized_windows_have_error_bars_that_hold_the_truth() -> None:
    table = table_of(measure(streaks(2.0)))
    truth = 2.0 * DX_UM / DT_S
    accepted = table[table["status"] == "ok"]
    assert len(accepted) > 0.9 * len(table)
    inside = accepted["velocity_ci_low"].le(truth) & accepted["velocity_ci_high"].ge(truth)
    assert inside.mean() > 0.85
    assert accepted["confidence"].between(0.8, 1).all()
    assert accepted["correlation"].between(0.5, 1).all()
    assert (accepted["snr"] > 1).all()
    pd.testing.assert_series_equal(
        accepted["velocity"], accepted["velocity_raw"], check_names=False
    )


def test_noise_has_estimates_but_no_velocity() -> None:
    result = measure(noise_only(4000, 64, seed=1).image, window=32)
    table = table_of(result)
    assert table["velocity"].notna().mean() < 0.02
    assert table["velocity_raw"].notna().mean() > 0.5
    assert (table["confidence"] < 0.8).mean() > 0.98
    assert "low_confidence" in set(table["status"])
    assert result.summary["accepted_fraction"] < 0.02


def test_the_summary_tells_direction_pulsatility_and_limits() -> None:
    pulse = pulsatile_flow(4000, 96, seed=2)
    calibration = Calibration(pulse.dt_s, pulse.dx_um, "user", is_known=True)
    summary = measure(pulse.image, window=16, calibration=calibration).summary
    assert summary["direction"] == "positive"
    assert summary["pulsatility"] == pytest.approx(0.55, abs=0.15)
    assert summary["v_min"] == pytest.approx(3 / 16 * 500)
    assert summary["v_max"] == pytest.approx(0.8 * 96 * 500)
    assert summary["warnings"] == []
    assert summary["provenance"]["algorithm"] == "lag correlation, normalized"


def test_a_pulse_keeps_97_percent_of_its_amplitude_in_the_proposed_window() -> None:
    dt_s, rate_hz, rows = 0.0005, 10.0, 8000
    phase = 2 * np.pi * rate_hz * (np.arange(rows) + 0.5) * dt_s
    speed = 2000 * (1 + 0.5 * np.sin(phase))
    image = moving_streaks(rows, 96, dt_s=dt_s, dx_um=DX_UM, velocity_um_per_s=speed, snr=1.0).image
    width = suggest_window(image, dt_s, DX_UM, pulse_hz=rate_hz).window_width
    calibration = Calibration(dt_s, DX_UM, "user", is_known=True)
    table = table_of(measure(image, width, calibration)).dropna(subset="velocity")
    at = 2 * np.pi * rate_hz * table["time_s"].to_numpy()
    waves = np.column_stack([np.ones_like(at), np.sin(at), np.cos(at)])
    mean, sine, cosine = np.linalg.lstsq(waves, table["velocity"].to_numpy(), rcond=None)[0]
    assert mean == pytest.approx(2000, rel=0.01)
    assert np.hypot(sine, cosine) == pytest.approx(1000, rel=0.03)


def test_what_limits_a_measurement_is_said_in_words() -> None:
    narrow = measure(streaks(1.0)[:, :8])
    assert narrow.summary["num_valid_windows"] == 0
    assert set(table_of(narrow)["status"]) <= {"too_narrow", "aliased"}
    assert any("8 columns" in text for text in narrow.summary["warnings"])
    fast = measure(
        moving_streaks(
            800, 64, dt_s=DT_S, dx_um=DX_UM, velocity_um_per_s=35 * DX_UM / DT_S, seed=1
        ).image
    )
    assert any("from one line to the next" in text for text in fast.summary["warnings"])


def test_limits_of_speed_are_in_physical_units() -> None:
    unit = DX_UM / DT_S
    inside = measure(streaks(2.0), speed_min=1.0 * unit, speed_max=3.0 * unit)
    assert inside.summary["velocity_median"] == pytest.approx(2.0 * unit, rel=0.01)
    outside = measure(streaks(2.0), speed_min=4.0 * unit, direction="positive")
    assert outside.summary["accepted_fraction"] < 0.05


@pytest.mark.parametrize(
    "params",
    [
        {"method": "fast"},
        {"step_fraction": 0.3},
        {"background": "median"},
        {"smoothing_um": -1},
        {"speed_min": 5.0, "speed_max": 2.0},
        {"direction": "left"},
        {"min_confidence": 2},
    ],
)
def test_parameters_that_do_not_fit_are_named(params: dict[str, Any]) -> None:
    with pytest.raises(ParameterError, match=next(iter(params))):
        RadonVelocity.check_params(params)


def test_a_record_of_an_older_version_gets_the_defaults() -> None:
    params = RadonVelocity.check_params({"window_width": 16})
    assert params["method"] == "normalized"
    assert params["window_width"] == 16


def test_a_step_that_is_a_whole_window_gives_a_quarter_of_the_rows() -> None:
    every = table_of(measure(streaks(1.0), window=32))
    some = table_of(measure(streaks(1.0), window=32, step_fraction=1.0))
    expected = every.iloc[::4].reset_index(drop=True)
    # The correction of counts for cells that touch is that of all windows measured.
    cells = [name for name in some.columns if name.startswith("rbc_")]
    pd.testing.assert_frame_equal(some.drop(columns=cells), expected.drop(columns=cells))
    pd.testing.assert_frame_equal(some[cells], expected[cells], rtol=0.03)


@pytest.mark.parametrize("method", ["normalized", "classic"])
def test_velocity_is_the_product_with_the_tangent(method: str) -> None:
    table = table_of(measure(streaks(2.0), method=method))
    np.testing.assert_allclose(
        table["velocity"], DX_UM / DT_S * np.tan(np.deg2rad(table["theta_deg"])), rtol=1e-12
    )


def test_standard_columns_come_first_and_windows_overlap_by_three_quarters() -> None:
    table = table_of(measure(streaks(1.0), window=32))
    assert tuple(table.columns[:4]) == RadonVelocity.standard_columns
    assert len(table) == 768 // 8 - 3
    np.testing.assert_array_equal(table["time_index"], 8 * np.arange(len(table)) + 16)
    np.testing.assert_allclose(table["time_s"], table["time_index"] * DT_S)


def test_without_calibration_the_result_is_in_pixels_per_line() -> None:
    result = measure(streaks(2.0), calibration=Calibration())
    assert result.summary["velocity_unit"] == "px/line"
    assert result.summary["velocity_median"] == pytest.approx(2.0, rel=0.05)


@pytest.mark.parametrize("method", ["normalized", "classic"])
def test_flat_windows_have_no_velocity_and_say_so(method: str) -> None:
    image = streaks(1.0)
    image[100:300] = image[100, 0]
    table = table_of(measure(image, method=method))
    flat = table["status"] == "flat"
    assert flat.any()
    assert table.loc[flat, ["theta_deg", "velocity"]].isna().all(axis=None)
    assert not flat.all()


@pytest.mark.parametrize("method", ["normalized", "classic"])
def test_windows_with_missing_pixels_say_so_and_spoil_no_other(method: str) -> None:
    image = streaks(1.0).astype(float)
    clean = table_of(measure(image, method=method))
    image[300, 7] = np.nan
    table = table_of(measure(image, method=method))
    touched = (table["time_index"] - 32 <= 300) & (table["time_index"] + 32 > 300)
    assert set(table.loc[touched, "status"]) == {"nan_pixels"}
    assert table.loc[touched, "velocity"].isna().all()
    # The background is a mean over the whole record, so all windows notice a missing line.
    rtol = 0.0 if method == "classic" else 2e-2
    pd.testing.assert_series_equal(
        table.loc[~touched, "velocity"], clean.loc[~touched, "velocity"], rtol=rtol
    )


def test_a_roi_with_fewer_lines_than_a_window_is_refused_in_words() -> None:
    with pytest.raises(AnalysisError, match=r"64.*20|20.*64"):
        measure(streaks(1.0)[:20], window=64)


def test_the_summary_has_no_value_that_strict_json_cannot_hold() -> None:
    summary = measure(np.full((128, 20), 7, dtype=np.uint16)).summary
    assert summary["num_valid_windows"] == 0
    assert summary["velocity_mean"] is None
    assert summary["velocity_cv"] is None


def test_variation_is_relative_to_the_size_of_the_mean() -> None:
    assert summarize_velocity(np.array([-2.0, -4.0, np.nan]))["velocity_cv"] == pytest.approx(1 / 3)
    assert summarize_velocity(np.array([-1.0, 1.0]))["velocity_cv"] is None
