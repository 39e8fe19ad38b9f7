"""Which rows are trusted, and why not."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from napari_bloodflow.analysis.kernels._vessel_guide_numba import median_of, running_median
from napari_bloodflow.analysis.kernels.edge_quality import REASONS, EdgeQuality, judge_edges

Array = np.ndarray[Any, Any]


def judge(left: Array, right: Array, **changes: Any) -> EdgeQuality:
    size = left.size
    given = {
        "residual": np.full(size, 0.05),
        "is_missing": np.zeros(size, bool),
        "is_clipped": np.zeros(size, bool),
    }
    return judge_edges(left, right, **(given | changes))


def edges(size: int = 400) -> tuple[Array, Array]:
    rng = np.random.default_rng(0)
    return 20 + rng.normal(0, 0.1, size), 60 + rng.normal(0, 0.1, size)


def reasons(quality: EdgeQuality) -> Array:
    return np.array(REASONS)[quality.reason]


def test_ordinary_rows_are_accepted_and_not_touched() -> None:
    left, right = edges()
    quality = judge(left, right)
    assert (reasons(quality) == "ok").mean() > 0.99
    ok = ~quality.is_replaced
    np.testing.assert_array_equal(quality.left[ok], left[ok])
    np.testing.assert_array_equal(quality.right[ok], right[ok])
    np.testing.assert_allclose(quality.score, 1 / (1 + quality.temporal**2 + quality.shape**2))


def test_a_jump_gets_the_edges_of_the_rows_around() -> None:
    left, right = edges()
    left[200:203] += 5
    quality = judge(left, right)
    assert (reasons(quality)[200:203] == "jump").all()
    assert quality.is_replaced[200:203].all()
    np.testing.assert_allclose(quality.left[200:203], np.median(left[180:220]), atol=0.1)
    assert (quality.score[200:203] < 0.2).all()


def test_a_slow_change_is_no_jump() -> None:
    left, right = edges(2000)
    right += 10 * np.sin(np.arange(2000) / 300)
    assert (reasons(judge(left, right)) == "ok").mean() > 0.99


def test_an_edge_that_fits_badly_scores_low_and_one_that_fits_not_at_all_is_refused() -> None:
    left, right = edges()
    residual = np.full(400, 0.05)
    residual[100], residual[101] = 0.2, 0.8
    quality = judge(left, right, residual=residual)
    assert quality.shape[100] == pytest.approx(3.0)
    assert quality.score[100] < 0.12
    assert reasons(quality)[101] == "noise"


def test_every_reason_is_told_and_the_gravest_wins() -> None:
    left, right = edges()
    left[10], right[11] = np.nan, np.nan
    left[12] = right[12] = left[13] = right[13] = np.nan
    is_missing, is_clipped = np.zeros(400, bool), np.zeros(400, bool)
    is_missing[13] = is_clipped[14] = is_clipped[10] = True
    quality = judge(left, right, is_missing=is_missing, is_clipped=is_clipped)
    assert reasons(quality)[10:15].tolist() == [
        "left_edge_missing",
        "right_edge_missing",
        "edges_missing",
        "no_vessel",
        "clipped",
    ]
    assert (quality.score[10:14] == 0).all()
    assert np.isnan(quality.left[11])


@pytest.mark.parametrize("size", [0, 1, 3])
def test_a_short_trace_can_be_judged(size: int) -> None:
    quality = judge(*edges(size))
    assert quality.score.size == size
    assert (reasons(quality) == "ok").all()


def test_a_trace_without_noise_may_move_a_little() -> None:
    left, right = np.full(200, 20.0), np.full(200, 60.0)
    right[100] += 0.3
    assert (reasons(judge(left, right)) == "ok").all()


@given(st.lists(st.sampled_from([-2.0, 0.0, 0.0, 1.0, 7.5]) | st.floats(-1e9, 1e9), min_size=1))
def test_the_median_is_that_of_numpy(values: list[float]) -> None:
    array = np.array(values)
    assert median_of(array.copy(), array.size) == np.median(array)


def test_the_running_median_is_that_of_numpy() -> None:
    values = np.random.default_rng(1).normal(size=80)
    values[[3, 4, 5, 40]] = np.nan
    found = np.empty(80)
    running_median(values, 1, found)
    for i in range(80):
        around = values[max(0, i - 1) : i + 2]
        known = around[np.isfinite(around)]
        expected = np.median(known) if known.size else np.nan
        np.testing.assert_equal(found[i], expected)
