"""Telling physical velocity columns from CloudScope's reciprocal ones."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from napari_bloodflow import Calibration
from napari_bloodflow.analysis.velocity_formula import corrected_result, velocity_formula

if TYPE_CHECKING:
    from pathlib import Path


@given(
    st.lists(st.integers(4, 340), min_size=2, max_size=30, unique=True),
    st.floats(1e-3, 1e4),
)
def test_the_formula_is_found_whatever_the_calibration(quarters: list[int], scale: float) -> None:
    theta = np.array(quarters) / 4.0
    slope = np.tan(np.deg2rad(theta))
    if np.allclose(slope, slope[0]) or np.allclose(slope * slope[0], 1):
        return
    assert velocity_formula(theta, scale * slope) == "physical"
    assert velocity_formula(theta, scale / slope) == "reciprocal"


def test_at_45_degrees_nobody_can_tell() -> None:
    theta = np.full(5, 45.0)
    assert velocity_formula(theta, np.full(5, 100.0)) == "unknown"


@pytest.mark.parametrize("peer", ["may2026", "aug2026"])
@pytest.mark.parametrize("name", ["k01_velocity", "k05_pulsatile", "k07_stationary"])
def test_cloudscope_tables_are_recognised(cloudscope_data: Path, peer: str, name: str) -> None:
    table = pd.read_csv(cloudscope_data / peer / f"{name}.tif.radon_velocity.csv")
    theta, velocity = (table[c].to_numpy(dtype=float) for c in ("theta_deg", "velocity"))
    assert velocity_formula(theta, velocity) == "reciprocal"


def test_correction_gives_the_true_speed(cloudscope_data: Path) -> None:
    table = pd.read_csv(cloudscope_data / "may2026" / "k05_pulsatile.tif.radon_velocity.csv")
    calibration = Calibration(0.0015, 0.3, "user", is_known=True)
    fixed = corrected_result({"velocity_mean": 127.7}, table, calibration)
    # 1.6 px/line on average
    assert fixed.summary["velocity_mean"] == pytest.approx(1.6 * 0.3 / 0.0015, rel=0.05)
    assert table["velocity"].mean() == pytest.approx(127.7, rel=0.01)
