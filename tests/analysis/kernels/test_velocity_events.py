"""Velocity events: statistics of windows, and detection on traces with known events."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from napari_bloodflow.analysis.kernels.velocity_events import detect_events, event_windows

STEP_S = 1 / 220


def flow(seconds: float = 30.0, noise: float = 0.1, seed: int = 0) -> np.ndarray:
    time_s = np.arange(round(seconds / STEP_S)) * STEP_S
    pulse = 0.2 * np.sin(2 * np.pi * 7.7 * time_s)
    return 1 + pulse + noise * np.random.default_rng(seed).normal(size=time_s.size)


def within(start_s: float, stop_s: float) -> slice:
    return slice(round(start_s / STEP_S), round(stop_s / STEP_S))


@pytest.mark.parametrize("direction", [1, -1])
@pytest.mark.parametrize("noise", [0.0, 0.1, 0.4])
@pytest.mark.parametrize(
    ("factor", "kind"),
    [(0.35, "drop"), (0.0, "stall"), (-0.6, "reversal"), (np.nan, "gap"), (2.0, "rise")],
)
def test_an_event_is_found_where_it_is(
    direction: int, noise: float, factor: float, kind: str
) -> None:
    velocity = flow(noise=0.0)
    velocity[within(12, 12.8)] *= factor
    velocity = direction * (velocity + noise * np.random.default_rng(5).normal(size=velocity.size))
    (found,) = detect_events(velocity, STEP_S).events
    assert found.kind == kind
    assert found.onset_s == pytest.approx(12, abs=0.1)
    assert found.offset_s == pytest.approx(12.8, abs=0.1)
    if kind == "gap":
        assert np.isnan(found.level)
    else:
        assert found.level == pytest.approx(factor, abs=0.15)
        assert found.strength > 6


def test_events_come_in_order_of_time() -> None:
    velocity = flow()
    for start_s, factor in ((20, 0.3), (5, np.nan), (12, 2.0)):
        velocity[within(start_s, start_s + 1)] *= factor
    assert [e.kind for e in detect_events(velocity, STEP_S).events] == ["gap", "rise", "drop"]


@given(
    seed=st.integers(0, 10_000),
    noise=st.floats(0, 0.5),
    missing=st.floats(0, 0.15),
    outliers=st.floats(0, 0.05),
)
def test_nothing_is_invented(seed: int, noise: float, missing: float, outliers: float) -> None:
    rng = np.random.default_rng(seed)
    velocity = flow(20, noise, seed)
    is_outlier = rng.random(velocity.size) < outliers
    velocity[is_outlier] = rng.uniform(-5, 5, is_outlier.sum())
    velocity[rng.random(velocity.size) < missing] = np.nan
    assert detect_events(velocity, STEP_S).events == ()


def test_a_long_stall_does_not_become_the_usual_flow() -> None:
    velocity = flow(60)
    velocity[within(20, 40)] = 0.02 * np.random.default_rng(1).normal(size=4400)
    (found,) = detect_events(velocity, STEP_S).events
    assert found.kind == "stall"
    assert found.offset_s - found.onset_s == pytest.approx(20, abs=0.2)


@pytest.mark.parametrize(
    ("velocity", "status"),
    [
        (np.array([]), "too_short"),
        (flow(0.5), "too_short"),
        (np.full(5000, np.nan), "too_short"),
        (np.zeros(5000), "no_steady_flow"),
        (np.random.default_rng(1).normal(size=5000), "no_steady_flow"),
    ],
)
def test_without_steady_flow_there_are_no_events(velocity: np.ndarray, status: str) -> None:
    found = detect_events(velocity, STEP_S)
    assert found.events == ()
    assert found.status == status


def test_infinite_velocities_count_as_missing() -> None:
    velocity = flow()
    velocity[::50] = np.inf
    velocity[within(12, 13)] *= 0.3
    assert [e.kind for e in detect_events(velocity, STEP_S).events] == ["drop"]


# ---- statistics

TIME_S = np.arange(100) * 0.1


@pytest.mark.parametrize(("x0", "x1"), [(3.0, 4.0), (4.0, 3.0)])
def test_before_is_before_whichever_way_it_was_drawn(x0: float, x1: float) -> None:
    inside, before, after = event_windows(np.arange(100.0), np.arange(100.0), 10 * x0, 10 * x1, 5)
    assert (inside.min, inside.max, inside.n) == (30, 40, 11)
    assert (before.min, before.max, before.n) == (25, 29, 5)
    assert (after.min, after.max, after.n) == (41, 45, 5)


def test_the_statistics_are_those_of_the_sample() -> None:
    velocity = np.sin(TIME_S)
    velocity[30] = np.nan
    inside, _, after = event_windows(TIME_S, velocity, 2.0, 4.0, 0.0)
    values = np.delete(np.sin(TIME_S[20:41]), 10)
    assert inside.n == 20
    assert inside.mean == pytest.approx(values.mean())
    assert inside.std == pytest.approx(values.std(ddof=1))
    assert inside.se == pytest.approx(values.std(ddof=1) / np.sqrt(20))
    assert inside.cv == pytest.approx(values.std(ddof=1) / abs(values.mean()))
    assert after.n == 0


def test_one_sample_has_no_spread_and_none_has_nothing() -> None:
    one, before, _ = event_windows(TIME_S, np.ones(100), 0.0, 0.05, 1.0)
    assert one[:6] == (1, 1, 1, 1, 0, 0)
    assert before.n == 0
    assert np.isnan(before[1:]).all()


def test_a_mean_of_zero_has_no_variation() -> None:
    velocity = np.where(np.arange(100) % 2, 1.0, -1.0)
    assert np.isnan(event_windows(TIME_S, velocity, 0.0, 0.1, 1.0)[0].cv)
