"""Spectra: the fast Lomb-Scargle sums against scipy, and the even grid."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import signal

from napari_bloodflow.analysis.kernels.spectrum import is_even, lomb_power, on_even_grid


def noisy_sine(size: int, step_s: float, gaps: float, seed: int) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(seed)
    time_s = 0.4 + step_s * np.arange(size)
    values = np.sin(2 * np.pi * 7.1 * time_s) + rng.normal(size=size)
    values[rng.random(size) < gaps] = np.nan
    return time_s, values - np.nanmean(values)


def by_scipy(time_s: np.ndarray, values: np.ndarray, num: int) -> np.ndarray:
    valid = np.isfinite(values)
    angular = 2 * np.pi * np.linspace(4, 10, num)
    return signal.lombscargle(time_s[valid], values[valid], angular, normalize=True)


@given(
    size=st.integers(40, 700),
    step_s=st.floats(0.001, 0.05),
    gaps=st.floats(0, 0.6),
    num=st.integers(2, 600),
    seed=st.integers(0, 1000),
)
def test_it_is_scipys_periodogram(
    size: int, step_s: float, gaps: float, num: int, seed: int
) -> None:
    time_s, values = noisy_sine(size, step_s, gaps, seed)
    # Where a frequency is half the sampling rate or a multiple, the best sine is not unique.
    folded = np.abs(np.mod(2 * np.linspace(4, 10, num) * step_s + 0.5, 1) - 0.5)
    usable = folded > 1e-3
    np.testing.assert_allclose(
        lomb_power(time_s, values, 4, 10, num)[usable],
        by_scipy(time_s, values, num)[usable],
        atol=1e-8,
    )


def test_long_traces_lose_no_accuracy() -> None:
    time_s, values = noisy_sine(60_000, 0.00117, 0.1, 3)
    np.testing.assert_allclose(
        lomb_power(time_s, values, 4, 10, 32), by_scipy(time_s, values, 32), atol=1e-8
    )


def test_an_uneven_time_base_gives_the_same_kind_of_numbers() -> None:
    time_s, values = noisy_sine(400, 0.02, 0.0, 1)
    keep = np.random.default_rng(2).random(400) < 0.7
    uneven = lomb_power(time_s[keep], values[keep], 4, 10, 100)
    assert not is_even(time_s[keep])
    values[~keep] = np.nan
    np.testing.assert_allclose(uneven, lomb_power(time_s, values, 4, 10, 100), atol=1e-8)


@pytest.mark.parametrize("values", [np.zeros(50), np.full(50, np.nan), np.r_[1.0, [np.nan] * 49]])
def test_nothing_has_no_power(values: np.ndarray) -> None:
    assert np.isnan(lomb_power(np.arange(50) * 0.02, values, 4, 10, 20)).all()


@given(
    start_s=st.floats(-10, 10),
    step_s=st.floats(1e-4, 1),
    kept=st.lists(st.booleans(), min_size=3, max_size=60),
)
def test_missing_rows_come_back_as_missing_values(
    start_s: float, step_s: float, kept: list[bool]
) -> None:
    rows = np.flatnonzero([True, True, *kept, True, True])
    rows = rows[: 1 + np.flatnonzero(np.diff(rows) == 1)[-1] + 1]
    values = np.arange(rows.size) + 1.0
    if np.median(np.diff(rows)) != 1:
        return
    step, even = on_even_grid(start_s + step_s * rows, values)
    assert step == pytest.approx(step_s, rel=1e-6)
    expected = np.full(rows[-1] + 1, np.nan)
    expected[rows] = values
    np.testing.assert_array_equal(even, expected)


@pytest.mark.parametrize(
    ("time_s", "reason"),
    [
        ([0, 1, 1, 2], "do not rise"),
        ([0, 2, 1], "do not rise"),
        ([0, np.nan, 2], "do not rise"),
        ([1.0], "do not rise"),
        ([0, 1, 2.4, 3], "not evenly spaced"),
        ([0, 1, 2, 1e9], "not evenly spaced"),
    ],
)
def test_times_that_are_no_grid_are_refused(time_s: list[float], reason: str) -> None:
    with pytest.raises(ValueError, match=reason):
        on_even_grid(np.array(time_s, dtype=float), np.ones(len(time_s)))
