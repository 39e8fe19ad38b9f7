"""Traces of the sum intensity: missing lines stay where they are, inputs are checked."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from napari_bloodflow.analysis.kernels import intensity


def sums(image: np.ndarray[Any, Any]) -> np.ndarray[Any, Any]:
    return np.concatenate(list(intensity.iter_line_sums(image)))


@pytest.mark.parametrize("shape", [(0, 4), (4, 0), (4,), (2, 3, 4)])
def test_an_image_without_lines_or_columns_is_refused(shape: tuple[int, ...]) -> None:
    with pytest.raises(ValueError, match="lines and columns"):
        intensity.iter_line_sums(np.zeros(shape))


@pytest.mark.parametrize("kind", [complex, "datetime64[s]", object])
def test_pixels_must_be_numbers(kind: Any) -> None:
    with pytest.raises(ValueError, match="must be numbers"):
        intensity.iter_line_sums(np.zeros((3, 3), dtype=kind))


def test_integers_do_not_overflow() -> None:
    image = np.full((3, 1000), 65535, np.uint16)
    assert sums(image).tolist() == [65_535_000.0] * 3


def test_chunks_make_no_difference() -> None:
    image = np.random.default_rng(1).integers(0, 9, (9000, 1000), dtype=np.uint8)
    assert len(list(intensity.iter_line_sums(image))) > 1
    np.testing.assert_array_equal(sums(image), image.sum(axis=1))


@pytest.mark.parametrize("bad", [np.nan, np.inf, -np.inf, 1e300])
def test_a_bad_pixel_costs_its_line_only(bad: float) -> None:
    image = np.ones((50, 4))
    image[20, 2] = bad
    found = sums(image)
    assert np.flatnonzero(np.isnan(found)).tolist() == [20]
    averaged = intensity.mean_of_neighbours(found, 3)
    assert np.flatnonzero(np.isnan(averaged)).tolist() == list(range(17, 24))
    filtered = intensity.running_median(averaged, 5)
    assert np.flatnonzero(np.isnan(filtered)).tolist() == list(range(15, 26))
    assert (filtered[26:] == 4.0).all()


@given(
    size=st.integers(1, 60),
    radius=st.integers(0, 80),
    seed=st.integers(0, 1000),
)
def test_the_average_is_that_of_each_window(size: int, radius: int, seed: int) -> None:
    trace = np.random.default_rng(seed).normal(size=size)
    expected = [trace[max(0, i - radius) : i + radius + 1].mean() for i in range(size)]
    np.testing.assert_allclose(
        intensity.mean_of_neighbours(trace, radius), expected, rtol=1e-12, atol=1e-12
    )


def test_a_huge_line_does_not_spoil_those_far_away() -> None:
    trace = np.ones(100)
    trace[10] = 1e29
    assert (intensity.mean_of_neighbours(trace, 3)[30:] == 1.0).all()


def test_a_negative_radius_is_refused() -> None:
    with pytest.raises(ValueError, match="radius"):
        intensity.mean_of_neighbours(np.ones(5), -1)


@pytest.mark.parametrize("trace", [np.ones(9), np.arange(3.0), np.array([1, 2, np.nan, 4, 5, 6])])
def test_what_cannot_be_detrended_is_left_and_says_why(trace: np.ndarray[Any, Any]) -> None:
    detrended, problem, is_failure = intensity.detrend_exponential(trace, np.arange(trace.size))
    np.testing.assert_array_equal(detrended, trace)
    assert "missing values" in problem
    assert not is_failure


def test_bleaching_is_taken_out() -> None:
    time_s = np.arange(500) * 0.01
    detrended, problem, _ = intensity.detrend_exponential(80 * np.exp(-time_s) + 20, time_s)
    assert problem == ""
    np.testing.assert_allclose(detrended, 100, rtol=1e-6)


@pytest.mark.parametrize("f0", [0.0, np.nan, np.inf])
def test_df_f_needs_a_baseline(f0: float) -> None:
    with pytest.raises(ValueError, match="not defined"):
        intensity.relative_change(np.ones(3), f0)


def test_without_finite_values_there_is_no_f0() -> None:
    assert np.isnan(intensity.baseline_f0(np.full(4, np.nan), 20.0))


def test_saturated_lines_are_those_at_the_limit_of_a_converter() -> None:
    image = np.full((10, 40), 100, np.uint16)
    image[3, :2] = 4095
    image[5, 0] = 4095
    lines, limit = intensity.saturated_lines(image)
    assert (np.flatnonzero(lines).tolist(), limit) == ([3], 4095)
    image[image == 4095] = 4000
    assert intensity.saturated_lines(image)[1] is None
    assert intensity.saturated_lines(image.astype(float))[1] is None
