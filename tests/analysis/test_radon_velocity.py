"""radon_velocity: columns, units, signs and reasons, against synthetic truth."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
import pytest

from napari_bloodflow import Calibration, RunContext
from napari_bloodflow.analysis.base import AnalysisInputs, AnalysisResult, AnalysisState
from napari_bloodflow.analysis.radon_velocity import RadonVelocity, summarize_velocity
from napari_bloodflow.errors import AnalysisError
from napari_bloodflow.synthetic import moving_streaks

DT_S, DX_UM = 0.002, 0.25


def measure(
    image: np.ndarray[Any, Any], window: int = 64, calibration: Calibration | None = None
) -> AnalysisResult:
    calibration = calibration or Calibration(DT_S, DX_UM, "user", is_known=True)
    rows, columns = image.shape
    state = AnalysisState(calibration, (0, rows, 0, columns), (rows, columns))
    steps = RadonVelocity.measure(AnalysisInputs(image, state), {"window_width": window})
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


@pytest.mark.parametrize("pixels_per_line", [-4.0, -2.0, -0.5, 0.0, 0.5, 1.0, 2.0, 4.0])
def test_velocity_is_the_true_speed_with_its_sign(pixels_per_line: float) -> None:
    # Windows of this size bias the classic estimator by some per cent.
    result = measure(streaks(pixels_per_line))
    truth = pixels_per_line * DX_UM / DT_S
    assert result.summary["velocity_median"] == pytest.approx(truth, rel=0.05, abs=1.0)
    assert result.summary["velocity_unit"] == "um/s"


def test_velocity_is_the_product_with_the_tangent() -> None:
    table = table_of(measure(streaks(2.0)))
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


def test_flat_windows_have_no_velocity_and_say_so() -> None:
    image = streaks(1.0)
    image[100:300] = image[100, 0]
    table = table_of(measure(image))
    flat = table["status"] == "flat"
    assert flat.any()
    assert table.loc[flat, ["theta_deg", "velocity"]].isna().all(axis=None)
    assert not flat.all()


def test_windows_with_missing_pixels_say_so_and_spoil_no_other() -> None:
    image = streaks(1.0).astype(float)
    clean = table_of(measure(image))
    image[300, 7] = np.nan
    table = table_of(measure(image))
    touched = (table["time_index"] - 32 <= 300) & (table["time_index"] + 32 > 300)
    assert set(table.loc[touched, "status"]) == {"nan_pixels"}
    assert table.loc[touched, "velocity"].isna().all()
    pd.testing.assert_frame_equal(table[~touched], clean[~touched])


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
