"""Apparent and true velocities of lines that take time."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from napari_bloodflow.analysis.kernels.scan_skew import apparent_velocity, true_velocity

# 2 us and 0.25 um per pixel: the scan goes at 125 mm/s
SCAN = 2e-6 / 0.25


@pytest.mark.parametrize(
    ("velocity", "percent"), [(1000, 0.81), (5000, 4.17), (10_000, 8.70), (-5000, -3.85)]
)
def test_cells_that_move_along_with_the_scan_seem_faster(velocity: float, percent: float) -> None:
    seen = apparent_velocity(velocity, SCAN)
    assert 100 * (seen / velocity - 1) == pytest.approx(percent, abs=0.01)
    assert apparent_velocity(-velocity, -SCAN) == -seen


@given(
    velocity=st.floats(-1e5, 1e5),
    scan=st.floats(-9e-6, 9e-6),
)
def test_true_and_apparent_velocities_are_inverse(velocity: float, scan: float) -> None:
    there = apparent_velocity(velocity, scan)
    assert true_velocity(there, scan) == pytest.approx(velocity, rel=1e-9, abs=1e-9)


def test_without_a_dwell_time_nothing_changes() -> None:
    velocity = np.array([-3.0, 0.0, 5.0, np.nan])
    np.testing.assert_array_equal(true_velocity(velocity, 0.0), velocity)
    np.testing.assert_array_equal(apparent_velocity(velocity, 0.0), velocity)


def test_cells_that_outrun_the_scan_have_no_velocity() -> None:
    assert np.isinf(apparent_velocity([125_000.0, 200_000.0], SCAN)).all()
    assert np.isnan(true_velocity([-125_000.0, -200_000.0], SCAN)).all()
