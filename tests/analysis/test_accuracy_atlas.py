"""accuracy_atlas: what is simulated is what radon_velocity measures."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from napari_bloodflow import accuracy_atlas
from napari_bloodflow.analysis.accuracy_atlas import AccuracyAtlas

SPEEDS = np.array([0.002, 0.25, 1.0, 5.0, 31.9])


def test_speeds_between_too_slow_and_too_fast_are_measured_well() -> None:
    table = accuracy_atlas(0.25, 0.001, 128, 32, snr=3.0, speeds_mm_per_s=SPEEDS).table
    assert list(table.columns) == [
        "speed_mm_per_s",
        "shift_px",
        "median_error",
        "error_95",
        "accepted_fraction",
        "num_windows",
    ]
    np.testing.assert_allclose(table["speed_mm_per_s"], SPEEDS)
    np.testing.assert_allclose(table["shift_px"], SPEEDS * 4)
    middle = table.iloc[1:4]
    assert (middle["median_error"] < 0.02).all()
    assert (middle["error_95"] > middle["median_error"]).all()
    assert (middle["accepted_fraction"] > 0.9).all()
    # 0.256 px in a window, and lines that share no cell
    assert table["median_error"].iloc[0] > 0.1
    assert table["accepted_fraction"].iloc[4] < 0.1
    assert (table["num_windows"] == 60).all()


def test_noise_makes_errors_larger() -> None:
    clean, noisy = (
        accuracy_atlas(0.25, 0.001, 64, 32, snr, speeds_mm_per_s=SPEEDS[1:4]).table
        for snr in (3.0, 0.3)
    )
    assert (noisy["median_error"] > 2 * clean["median_error"]).all()


def test_the_same_seed_gives_the_same_table() -> None:
    first, again, other = (
        accuracy_atlas(0.5, 0.002, 48, 16, speeds_mm_per_s=[0.5, 1.0], seed=seed).table
        for seed in (1, 1, 2)
    )
    pd.testing.assert_frame_equal(first, again)
    assert not first.equals(other)


def test_other_parameters_and_steps_are_those_of_the_analysis() -> None:
    params = {"step_fraction": 0.5, "direction": "any", "min_confidence": 1.0}
    table = accuracy_atlas(0.25, 0.001, 64, 32, speeds_mm_per_s=[1.0], params=params).table
    assert table["accepted_fraction"].iloc[0] == 0
    params["min_confidence"] = 0.0
    table = accuracy_atlas(0.25, 0.001, 64, 32, speeds_mm_per_s=[1.0], params=params).table
    assert table["accepted_fraction"].iloc[0] == 1
    assert table["median_error"].iloc[0] < 0.02


def atlas(median: list[float], accepted: list[float]) -> AccuracyAtlas:
    speed = [0.1, 0.5, 1.0, 2.0, 4.0]
    return AccuracyAtlas(
        0.25,
        0.001,
        128,
        64,
        1.0,
        pd.DataFrame(
            {
                "speed_mm_per_s": speed,
                "median_error": median,
                "error_95": [2 * m for m in median],
                "accepted_fraction": accepted,
            }
        ),
    )


def test_the_sentence_names_the_widest_range_that_holds_throughout() -> None:
    found = atlas([0.01, 0.1, 0.01, 0.012, np.nan], [1.0, 1.0, 1.0, 0.9, 0.0])
    assert found.speed_range() == (1.0, 2.0)
    assert found.sentence() == (
        "at your settings 1-2 mm/s within 2 % (median error; 95 % of the accepted windows within "
        "2.4 % throughout; 95 % accepted)"
    )
    assert found.speed_range(0.5) == (0.1, 2.0)


def test_speeds_of_which_few_windows_are_accepted_do_not_hold() -> None:
    found = atlas([0.01] * 5, [0.2, 0.4, 0.4, 0.1, 0.0])
    assert found.speed_range() is None
    assert found.sentence() == "at your settings no speed within 2 %"


@pytest.mark.parametrize(
    ("change", "text"),
    [
        ({"window": 30}, "multiple of 4"),
        ({"dt_s": 0}, "dt_s"),
        ({"snr": -1.0}, "snr"),
        ({"n_px": 1}, "at least 2 pixels"),
        ({"speeds_mm_per_s": [1.0, -1.0]}, "speeds_mm_per_s"),
        ({"params": {"method": "classic"}}, "method normalized"),
        ({"params": {"scan_direction": "bidirectional"}}, "twice the dt_s"),
    ],
)
def test_settings_that_do_not_fit_are_named(change: dict[str, object], text: str) -> None:
    settings = {"dx_um": 0.5, "dt_s": 0.001, "n_px": 32, "window": 16, **change}
    with pytest.raises(ValueError, match=text):
        accuracy_atlas(**settings)  # type: ignore[arg-type]
