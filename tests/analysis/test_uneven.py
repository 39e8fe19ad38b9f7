"""Measurements where lines or pixels are not evenly spaced: with their true places."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from napari_bloodflow import AcqImage, RectRoiBounds
from napari_bloodflow.analysis.uneven import UnevenSteps, place_at
from napari_bloodflow.synthetic import moving_streaks, vessel_with_diameter_changes
from tests.scitiff_files import document, variable, write

if TYPE_CHECKING:
    from pathlib import Path

DT_S, DX_UM = 0.002, 0.5
METHODS = ["normalized", "classic"]


def opened(path: Path, image: np.ndarray[Any, Any], t: Any, x: Any) -> AcqImage:
    rows, columns = image.shape
    coords = {"t": variable("t", list(t), "s"), "x": variable("x", list(x), "µm")}
    pixels = image.astype(np.float32).reshape(rows, 1, 1, 1, columns)
    return AcqImage(write(path, document(pixels.shape, coords=coords), pixels))


def velocities(acq: AcqImage, method: str) -> Any:
    roi = acq.get_default_roi() or acq.rois.create().roi_id
    key = ("radon_velocity", 0, roi)
    analysis = acq.analysis_set.run_analysis(key, {"window_width": 32, "method": method})
    return analysis.result.table


@pytest.fixture
def streaks() -> np.ndarray[Any, Any]:
    image: np.ndarray[Any, Any] = moving_streaks(
        num_rows=512, num_columns=48, dt_s=DT_S, dx_um=DX_UM, velocity_um_per_s=300.0
    ).image
    return image


@pytest.mark.parametrize("method", METHODS)
def test_lines_twice_as_slow_in_the_second_half(
    tmp_path: Path, streaks: np.ndarray[Any, Any], method: str
) -> None:
    even = np.arange(512) * DT_S
    slow = np.concatenate([even[:256], even[255] + DT_S * 2 * np.arange(1, 257)])
    columns = np.arange(48) * DX_UM
    expected = velocities(opened(tmp_path / "even.tiff", streaks, even, columns), method)
    acq = opened(tmp_path / "slow.tiff", streaks, slow, columns)
    assert [problem.where for problem in acq.problems] == ["coords.t"]
    found = velocities(acq, method)
    rows = expected["time_index"].to_numpy()
    first, second = rows < 256 - 32, rows > 256 + 32
    for column in ("velocity", "velocity_raw"):
        np.testing.assert_allclose(found[column][first], expected[column][first])
        np.testing.assert_allclose(found[column][second], expected[column][second] / 2)
    np.testing.assert_allclose(found["time_s"], np.interp(rows, np.arange(512), slow))


@pytest.mark.parametrize("method", METHODS)
def test_pixels_of_a_roi_that_are_larger(
    tmp_path: Path, streaks: np.ndarray[Any, Any], method: str
) -> None:
    even = np.arange(48) * DX_UM
    wide = np.concatenate([even[:24], even[23] + 3 * DX_UM * np.arange(1, 25)])
    lines = np.arange(512) * DT_S
    tables = []
    for name, columns in (("even", even), ("wide", wide)):
        acq = opened(tmp_path / f"{name}.tiff", streaks, lines, columns)
        acq.rois.create(RectRoiBounds(0, 512, 24, 48))
        tables.append(velocities(acq, method))
    np.testing.assert_allclose(tables[1]["velocity"], 3 * tables[0]["velocity"])
    np.testing.assert_allclose(tables[1]["time_s"], tables[0]["time_s"])


def test_a_diameter_across_uneven_pixels(tmp_path: Path) -> None:
    vessel = vessel_with_diameter_changes(num_rows=64)
    rows, columns = vessel.image.shape
    uneven = np.cumsum(1 + np.arange(columns) / columns)
    acq = opened(tmp_path / "a.tiff", vessel.image, np.arange(rows) * DT_S, uneven)
    roi = acq.rois.create().roi_id
    table = acq.analysis_set.run_analysis(("diameter", 0, roi), {}).result.table
    assert table is not None
    places = uneven - uneven[0]
    for side in ("left", "right"):
        expected = np.interp(table[f"{side}_edge_px"], np.arange(columns), places)
        np.testing.assert_allclose(table[f"{side}_edge_um"], expected)
    np.testing.assert_allclose(
        table["diameter_um"], table["right_edge_um"] - table["left_edge_um"], rtol=1e-9
    )


def test_a_calibration_entered_by_hand_is_taken_as_it_is(
    tmp_path: Path, streaks: np.ndarray[Any, Any]
) -> None:
    uneven = np.cumsum(DT_S * (1 + np.arange(512) / 512))
    acq = opened(tmp_path / "a.tiff", streaks, uneven, np.arange(48) * DX_UM)
    acq.set_calibration(0.01, DX_UM)
    table = velocities(acq, "classic")
    np.testing.assert_allclose(table["time_s"], table["time_index"] * 0.01)


def test_times_that_go_back_and_forth_are_not_used(
    tmp_path: Path, streaks: np.ndarray[Any, Any]
) -> None:
    times = np.arange(512) * DT_S
    times[[100, 101]] = times[[101, 100]]
    acq = opened(tmp_path / "a.tiff", streaks, times, np.arange(48) * DX_UM)
    table = velocities(acq, "classic")
    np.testing.assert_allclose(table["time_s"], table["time_index"] * acq.calibration.dt_s)


@given(st.lists(st.floats(0.1, 10), min_size=2, max_size=20), st.data())
def test_places_between_and_beyond_pixels(steps: list[float], data: st.DataObject) -> None:
    places = np.cumsum(steps) - steps[0]
    index = data.draw(st.floats(0, len(steps) - 1))
    found = place_at(places, 1.0, np.array([index, np.nan, -1.0]))
    assert found[0] == pytest.approx(np.interp(index, np.arange(len(steps)), places), abs=1e-9)
    assert np.isnan(found[1])
    assert found[2] == pytest.approx(-steps[1])
    part = UnevenSteps(places, None).cut(slice(1, None), slice(None))
    assert part.times_s is not None
    assert (part.times_s[0], part.positions_um) == (0.0, None)
