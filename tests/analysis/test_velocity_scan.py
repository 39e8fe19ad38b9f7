"""Lines that take time, in one direction or both: the speed is that of the cells."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from napari_bloodflow import Calibration, RunContext
from napari_bloodflow.analysis.base import AnalysisInputs, AnalysisResult, AnalysisState
from napari_bloodflow.analysis.radon_velocity import RadonVelocity
from napari_bloodflow.analysis.velocity_scan import WindowVelocities, combined
from napari_bloodflow.errors import AnalysisError, ParameterError
from napari_bloodflow.synthetic import SyntheticKymograph, moving_streaks, pulsatile_flow

DWELL_US = 2.0
CALIBRATION = Calibration(0.001, 0.25, "user", is_known=True)


def record(velocity: float, direction: Any, rows: int = 2048, **changes: Any) -> SyntheticKymograph:
    return moving_streaks(
        rows,
        128,
        dt_s=CALIBRATION.dt_s,
        dx_um=CALIBRATION.dx_um,
        velocity_um_per_s=velocity,
        pixel_dwell_s=DWELL_US * 1e-6,
        scan_direction=direction,
        snr=2.0,
        seed=6,
        **changes,
    )


def measure(
    image: np.ndarray,
    calibration: Calibration = CALIBRATION,
    row_start: int = 0,
    **params: Any,
) -> AnalysisResult:
    rows, columns = image.shape
    state = AnalysisState(calibration, (row_start, row_start + rows, 0, columns), image.shape)
    checked = RadonVelocity.check_params(params)
    return RunContext().drain(RadonVelocity.measure(AnalysisInputs(image, state), checked))


@pytest.mark.parametrize("direction", ["positive", "negative", "bidirectional"])
@pytest.mark.parametrize("velocity", [-5000.0, -500.0, 500.0, 5000.0])
def test_the_corrected_speed_is_the_true_one(velocity: float, direction: str) -> None:
    image = record(velocity, direction).image
    found = measure(image, pixel_dwell_us=DWELL_US, scan_direction=direction)
    table = found.table
    assert table is not None
    assert found.summary["velocity_median"] == pytest.approx(velocity, rel=0.003)
    assert found.summary["accepted_fraction"] > 0.95
    inside = table["velocity_ci_low"].le(velocity) & table["velocity_ci_high"].ge(velocity)
    assert inside.mean() > 0.8
    slope = np.tan(np.deg2rad(table["theta_deg"])) * CALIBRATION.dx_um / CALIBRATION.dt_s
    np.testing.assert_allclose(slope, table["velocity"])


@pytest.mark.parametrize(("direction", "percent"), [("positive", 4.17), ("negative", -3.85)])
def test_without_a_correction_the_scan_is_seen(direction: str, percent: float) -> None:
    found = measure(record(5000.0, direction).image)
    assert 100 * (found.summary["velocity_median"] / 5000 - 1) == pytest.approx(percent, abs=0.4)


def test_both_directions_have_the_rows_of_one() -> None:
    for rows in (300, 301, 319, 320):
        image = record(500.0, "bidirectional", rows).image
        both = measure(image, scan_direction="bidirectional", pixel_dwell_us=DWELL_US).table
        one = measure(image).table
        assert both is not None
        assert one is not None
        np.testing.assert_array_equal(both["time_s"], one["time_s"])
    steps = {"window_width": 32, "step_fraction": 0.5}
    both = measure(image, scan_direction="bidirectional", **steps).table
    one = measure(image, **steps).table
    assert both is not None
    assert one is not None
    np.testing.assert_array_equal(both["time_s"], one["time_s"])


def test_the_first_line_of_the_image_is_positive_also_where_the_roi_begins_later() -> None:
    image = record(5000.0, "bidirectional").image[1:]
    params = {"scan_direction": "bidirectional", "pixel_dwell_us": DWELL_US}
    found = measure(image, row_start=1, **params)
    assert found.summary["velocity_median"] == pytest.approx(5000.0, rel=0.003)
    table = found.table
    assert table is not None
    assert (table["velocity_ci_high"] - table["velocity_ci_low"]).median() < 100


def test_limits_are_those_of_the_true_speed() -> None:
    image = record(5000.0, "positive").image
    scan = {"pixel_dwell_us": DWELL_US}
    assert measure(image, speed_max=5100.0, **scan).summary["accepted_fraction"] > 0.95
    beyond = measure(image, speed_max=4900.0, **scan).table
    assert beyond is not None
    assert set(beyond["status"]) <= {"out_of_limits", "low_confidence", "aliased"}


def test_lines_of_one_direction_tell_half_the_fastest_speed() -> None:
    image = record(500.0, "positive", 512).image
    one, both = (measure(image, scan_direction=d).summary for d in ("positive", "bidirectional"))
    assert both["v_max"] == one["v_max"] / 2
    assert both["v_min"] == one["v_min"]


def test_both_directions_work_without_calibration() -> None:
    image = record(500.0, "bidirectional", 1024).image
    found = measure(image, Calibration(), scan_direction="bidirectional")
    assert found.summary["velocity_median"] == pytest.approx(2.0, rel=0.01)
    with pytest.raises(AnalysisError, match="pixel_dwell_us needs a calibrated image"):
        measure(image, Calibration(), pixel_dwell_us=1.0)


def test_a_dwell_time_longer_than_the_line_is_refused() -> None:
    with pytest.raises(AnalysisError, match=r"128 pixels of 10 us are 1\.28 ms"):
        measure(record(500.0, "positive", 512).image, pixel_dwell_us=10.0)


@pytest.mark.parametrize(
    "params",
    [
        {"pixel_dwell_us": -1.0},
        {"scan_direction": "up"},
        {"method": "classic", "pixel_dwell_us": 1.0},
        {"method": "classic", "scan_direction": "bidirectional"},
        {"window_width": 12, "scan_direction": "bidirectional"},
        {"window_width": 36, "scan_direction": "bidirectional"},
    ],
)
def test_parameters_that_do_not_fit_are_named(params: dict[str, Any]) -> None:
    with pytest.raises(ParameterError, match=r"scan_direction|pixel_dwell_us"):
        RadonVelocity.check_params(params)


def test_pulses_are_followed_in_both_directions() -> None:
    pulse = pulsatile_flow(4000, 96, seed=2)
    calibration = Calibration(pulse.dt_s, pulse.dx_um, "user", is_known=True)
    found = measure(pulse.image, calibration, scan_direction="bidirectional", window_width=16)
    truth = pulse.velocity_um_per_s
    table = found.table
    assert table is not None
    assert truth is not None
    ok = table["status"] == "ok"
    assert ok.mean() > 0.8
    at = table.loc[ok, "time_index"].astype(int).to_numpy()
    error = np.abs(table.loc[ok, "velocity"].to_numpy() / truth[at] - 1)
    assert np.median(error) < 0.03


def windows(
    velocity: float,
    half: float,
    confidence: float,
    reason: str,
    cells: tuple[float, float, float] = (100.0, 5.0, 1.0),
) -> WindowVelocities:
    values = (velocity, velocity - half, velocity + half, confidence, 0.9, 2.0, 30.0, *cells)
    return WindowVelocities(*(np.array([value]) for value in values), np.array([reason]))


def test_what_agrees_is_averaged_by_its_intervals() -> None:
    found = combined(windows(100.0, 3.0, 0.9, "ok"), windows(101.0, 6.0, 0.95, "ok"))
    assert found.velocity[0] == pytest.approx(100.2)
    # Wider than if their errors had nothing in common, narrower than that of the better one.
    assert 6 / 5**0.5 < found.ci_high[0] - found.velocity[0] < 3.0
    assert found.confidence[0] == 0.95


def test_a_difference_beyond_the_intervals_widens_the_interval() -> None:
    found = combined(windows(100.0, 1.0, 0.9, "ok"), windows(104.0, 1.0, 0.95, "ok"))
    assert found.velocity[0] == pytest.approx(102.0)
    assert (found.ci_low[0], found.ci_high[0]) == pytest.approx((99.8, 104.2), abs=0.1)


def test_a_contradiction_leaves_little_confidence() -> None:
    found = combined(windows(100.0, 1.0, 0.9, "ok"), windows(-300.0, 2.0, 0.95, "ok"))
    assert (found.velocity[0], found.ci_low[0]) == (-300.0, -302.0)
    assert found.confidence[0] == pytest.approx(0.95 * 0.1)


@pytest.mark.parametrize("lost_is_first", [True, False])
def test_a_window_that_only_one_direction_has_is_its(lost_is_first: bool) -> None:
    good, lost = windows(100.0, 1.0, 0.9, "ok"), windows(np.nan, np.nan, 0.0, "nan_pixels")
    found = combined(*((lost, good) if lost_is_first else (good, lost)))
    assert (found.velocity[0], found.confidence[0], found.reason[0]) == (100.0, 0.9, "ok")
    assert combined(lost, lost).reason[0] == "nan_pixels"


def test_cells_are_averaged_where_both_directions_count_them() -> None:
    first = windows(100.0, 1.0, 0.9, "ok", (100.0, 5.0, 1.0))
    other = windows(100.0, 1.0, 0.9, "ok", (120.0, 6.0, 1.2))
    found = combined(first, other)
    assert (found.cells_per_mm[0], found.cell_count[0]) == (110.0, 5.5)
    assert found.cell_count_sd[0] == pytest.approx(1.1)
    lost = windows(100.0, 1.0, 0.9, "ok", (np.nan, np.nan, np.nan))
    assert combined(first, lost).cells_per_mm[0] == 100.0
    assert combined(lost, other).cell_count[0] == 6.0
