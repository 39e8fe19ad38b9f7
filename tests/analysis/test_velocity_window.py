"""suggest_window: the width fits the pulse, the flow and the record."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from napari_bloodflow import suggest_window
from napari_bloodflow.synthetic import moving_streaks, noise_only, stationary_pattern

DX_UM = 0.25


def record(shift_px: float, dt_s: float = 0.001, rows: int = 8192, snr: float = 3.0) -> np.ndarray:
    speed = shift_px * DX_UM / dt_s
    return moving_streaks(
        rows, 96, dt_s=dt_s, dx_um=DX_UM, velocity_um_per_s=speed, snr=snr, seed=4
    ).image


@pytest.mark.parametrize(("dt_s", "width"), [(0.0005, 32), (0.001, 16), (0.0002, 84)])
def test_a_window_follows_the_heartbeat_where_the_flow_allows_it(dt_s: float, width: int) -> None:
    found = suggest_window(record(2.0, dt_s), dt_s, DX_UM)
    assert found.window_width == width
    assert found.window_ms == pytest.approx(width * dt_s * 1e3)
    assert found.shift_px == pytest.approx(2.0, rel=0.02)
    assert found.accepted_fraction > 0.9
    assert "moves 2 px per line" in found.reason
    assert "keeps 97 %" in found.reason


def test_a_slower_heart_allows_longer_windows() -> None:
    assert suggest_window(record(2.0), 0.001, DX_UM, pulse_hz=2.0).window_width == 84


@pytest.mark.parametrize("shift_px", [0.05, 0.1, 0.3])
def test_slow_flow_needs_a_window_in_which_it_moves(shift_px: float) -> None:
    found = suggest_window(record(shift_px), 0.001, DX_UM)
    assert 10 <= found.window_width * shift_px < 22
    assert found.shift_px == pytest.approx(shift_px, rel=0.1)
    assert found.accepted_fraction > 0.8
    assert "needs 10 px per window" in found.reason


def test_noise_needs_longer_windows() -> None:
    found = suggest_window(record(1.0, snr=0.25), 0.001, DX_UM)
    assert found.window_width > 16
    assert found.accepted_fraction > 0.75
    assert "too few shorter windows" in found.reason


def test_lines_too_far_apart_for_the_pulse_are_told() -> None:
    found = suggest_window(record(4.0, 0.01), 0.01, DX_UM)
    assert found.window_width == 8
    assert "too far apart in time to follow a pulse of 10 Hz" in found.reason


def test_long_records_are_looked_at_in_stretches() -> None:
    found = suggest_window(record(0.3, rows=40_000), 0.001, DX_UM)
    assert 10 <= found.window_width * 0.3 < 20
    assert found.accepted_fraction > 0.9


def test_what_stands_still_needs_no_long_window() -> None:
    found = suggest_window(stationary_pattern(dx_um=DX_UM).image, 0.001, DX_UM)
    assert found.window_width <= 32
    assert found.shift_px == 0.0
    assert "stands still" in found.reason


@pytest.mark.parametrize(
    ("image", "width", "reason"),
    [
        (noise_only(4000, 64).image, 64, "no speed could be measured"),
        (moving_streaks(500, 8).image, 64, "8 columns"),
        (noise_only(20, 64).image, 8, "no speed could be measured"),
    ],
)
def test_without_a_speed_the_usual_width_is_proposed(
    image: np.ndarray, width: int, reason: str
) -> None:
    found = suggest_window(image, 0.001, 0.5)
    assert found.window_width == width
    assert np.isnan(found.shift_px)
    assert reason in found.reason


@settings(max_examples=15, deadline=None)
@given(
    dt_s=st.floats(1e-5, 0.1),
    rows=st.integers(8, 300),
    pulse_hz=st.floats(0.1, 20),
    shift_px=st.floats(-5, 5),
)
def test_the_width_is_always_one_that_can_be_measured(
    dt_s: float, rows: int, pulse_hz: float, shift_px: float
) -> None:
    image = moving_streaks(
        rows, 24, dt_s=dt_s, dx_um=0.5, velocity_um_per_s=shift_px * 0.5 / dt_s
    ).image
    width = suggest_window(image, dt_s, 0.5, pulse_hz=pulse_hz).window_width
    assert width % 4 == 0
    assert 8 <= width <= max(8, rows // 2)


@pytest.mark.parametrize(
    ("change", "text"),
    [({"dt_s": 0.0}, "dt_s"), ({"dx_um": -1.0}, "dx_um"), ({"pulse_hz": 0.0}, "pulse_hz")],
)
def test_steps_that_cannot_be_are_named(change: dict[str, float], text: str) -> None:
    with pytest.raises(ValueError, match=text):
        suggest_window(record(1.0, rows=64), **{"dt_s": 0.001, "dx_um": 0.25, **change})


def test_a_record_shorter_than_any_window_is_refused() -> None:
    with pytest.raises(ValueError, match="too few lines"):
        suggest_window(np.zeros((7, 30)), 0.001, 0.5)
