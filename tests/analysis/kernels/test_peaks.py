"""Onsets and peaks by CloudScope's rules: what the files do not show."""

from __future__ import annotations

import numpy as np
import pytest

from napari_bloodflow.analysis.kernels.peaks import find_onsets, find_peaks_after, points_in


def test_durations_are_rounded_half_to_even() -> None:
    assert [points_in(ms, 0.002) for ms in (0, 1, 3, 5, 50)] == [0, 0, 2, 2, 25]
    assert points_in(-5, 0.002) == 0


@pytest.mark.parametrize(
    ("duration_ms", "dt_s"), [(10, 0), (10, -1), (10, np.nan), (np.inf, 1), (np.nan, 1)]
)
def test_durations_that_cannot_be_counted_are_refused(duration_ms: float, dt_s: float) -> None:
    with pytest.raises(ValueError, match="cannot be counted"):
        points_in(duration_ms, dt_s)


def test_a_refractory_period_below_zero_is_refused() -> None:
    with pytest.raises(ValueError, match="refractory"):
        find_onsets(np.ones(3), 1.0, negative=False, refractory_points=-1)


def test_missing_samples_neither_begin_nor_are_peaks() -> None:
    signal = np.array([0, np.nan, 5, 5, np.nan, 5, 0.0])
    onsets = find_onsets(signal, 5.0, negative=False, refractory_points=0)
    assert onsets.tolist() == [2, 5]
    found = find_peaks_after(
        np.array([0, 1, np.nan, np.nan, 9, np.nan]),
        np.array([1, 2, 3]),
        negative=False,
        search_points=1,
    )
    assert found.tolist() == [1, -1, 4]


def test_downward_events_lie_below_minus_the_threshold() -> None:
    signal = np.array([0, -2.0, -2.0, 0, 3.0, 0])
    for threshold in (2.0, -2.0):
        onsets = find_onsets(signal, threshold, negative=True, refractory_points=0)
        assert onsets.tolist() == [1]
