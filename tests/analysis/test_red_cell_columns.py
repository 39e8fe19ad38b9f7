"""Flux, density and spacing of red cells in the velocity table."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import pytest

from napari_bloodflow import Calibration, RunContext
from napari_bloodflow.analysis.base import AnalysisInputs, AnalysisState
from napari_bloodflow.analysis.radon_velocity import RadonVelocity
from napari_bloodflow.synthetic import SyntheticKymograph, moving_streaks, noise_only

if TYPE_CHECKING:
    import pandas as pd

CALIBRATION = Calibration(0.001, 0.25, "user", is_known=True)
CELL_COLUMNS = ["rbc_flux_per_s", "rbc_density_per_mm", "rbc_spacing_um", "rbc_count"]


def train(velocity: float, **changes: Any) -> SyntheticKymograph:
    return moving_streaks(
        6000,
        128,
        dt_s=CALIBRATION.dt_s,
        dx_um=CALIBRATION.dx_um,
        velocity_um_per_s=velocity,
        cell_spacing_um=15.0,
        seed=3,
        **changes,
    )


def true_density(record: SyntheticKymograph) -> float:
    assert record.cell_px is not None
    assert record.train_px is not None
    return record.cell_px.size / (record.train_px * CALIBRATION.dx_um / 1000)


def measure(
    image: np.ndarray, calibration: Calibration = CALIBRATION, **params: Any
) -> pd.DataFrame:
    state = AnalysisState(calibration, (0, image.shape[0], 0, image.shape[1]), image.shape)
    checked = RadonVelocity.check_params(params)
    table = RunContext().drain(RadonVelocity.measure(AnalysisInputs(image, state), checked)).table
    assert table is not None
    return table


@pytest.mark.parametrize("velocity", [-1000.0, 1000.0])
@pytest.mark.parametrize("method_params", [{}, {"scan_direction": "bidirectional"}])
def test_flux_is_density_times_speed(velocity: float, method_params: dict[str, Any]) -> None:
    record = train(velocity)
    table = measure(record.image, **method_params).dropna(subset="velocity")
    density = true_density(record)
    assert table["rbc_density_per_mm"].mean() == pytest.approx(density, rel=0.1)
    assert table["rbc_flux_per_s"].mean() == pytest.approx(density * 1.0, rel=0.1)
    counted = table[table["rbc_count"] > 0]
    np.testing.assert_allclose(counted["rbc_spacing_um"], 1000 / counted["rbc_density_per_mm"])
    speed_mm = table["velocity"].abs() / 1000
    np.testing.assert_allclose(table["rbc_flux_per_s"], table["rbc_density_per_mm"] * speed_mm)
    assert table["rbc_count_sd"].between(0.3, 3).all()


def test_a_train_stretched_by_the_scan_has_its_true_density() -> None:
    record = train(12_000.0, pixel_dwell_s=4e-6)
    plain = measure(record.image)["rbc_density_per_mm"].mean()
    corrected = measure(record.image, pixel_dwell_us=4.0)["rbc_density_per_mm"].mean()
    assert corrected / plain == pytest.approx(1 / (1 - 12_000 * 4e-6 / 0.25), rel=0.01)
    assert corrected == pytest.approx(true_density(record), rel=0.12)


def test_windows_that_are_not_accepted_have_no_cells() -> None:
    table = measure(train(1000.0, snr=0.4).image, window_width=16)
    rejected = table["velocity"].isna()
    assert 0 < rejected.sum() < len(table)
    assert table.loc[rejected, [*CELL_COLUMNS, "rbc_count_sd"]].isna().all(axis=None)
    assert measure(noise_only(2000, 64).image)[CELL_COLUMNS].isna().mean(axis=None) > 0.95


def test_cells_of_a_train_that_stands_still_do_not_flow() -> None:
    record = train(0.0)
    table = measure(record.image).dropna(subset="velocity")
    assert table["rbc_flux_per_s"].max() < 5
    # the pattern in view, not that of the whole train
    assert table["rbc_density_per_mm"].std() < 0.1 * table["rbc_density_per_mm"].mean()
    assert (table["rbc_count"] > 0).all()


def test_without_calibration_there_are_counts_only() -> None:
    table = measure(train(1000.0).image, Calibration())
    assert table["rbc_count"].notna().all()
    assert table[["rbc_flux_per_s", "rbc_density_per_mm", "rbc_spacing_um"]].isna().all(axis=None)


def test_the_method_classic_counts_no_cells() -> None:
    table = measure(train(1000.0).image[:512], method="classic")
    assert table[[*CELL_COLUMNS, "rbc_count_sd"]].isna().all(axis=None)
    assert tuple(table.columns) == tuple(measure(train(1000.0).image[:512]).columns)
