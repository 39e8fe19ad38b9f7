"""Counts of red cells, against trains whose cells are known."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from napari_bloodflow.analysis.kernels.red_cells import (
    RedCells,
    count_red_cells,
    iter_red_cells,
)
from napari_bloodflow.synthetic import SyntheticKymograph, moving_streaks, noise_only

WIDTH, NUM_COLUMNS, DX_UM = 64, 128, 0.25


def train(shift_px: float, **changes: Any) -> SyntheticKymograph:
    given = {"cell_spacing_um": 12.0, "snr": 3.0, "seed": 1, **changes}
    return moving_streaks(
        6144,
        NUM_COLUMNS,
        dt_s=0.001,
        dx_um=DX_UM,
        velocity_um_per_s=shift_px * DX_UM / 0.001,
        **given,
    )


def count(image: np.ndarray, shift_px: float, **options: Any) -> RedCells:
    slope = np.full(image.shape[0] // WIDTH, shift_px)
    return count_red_cells(image, slope, WIDTH, stride=4, **options)


def truth(record: SyntheticKymograph, shift_px: float, found: RedCells) -> np.ndarray:
    """Cells on the stretches that were counted, which are in the middle of the windows."""
    assert record.cell_px is not None
    assert record.train_px is not None
    line = np.arange(found.count.size) * WIDTH + (WIDTH - 1) / 2
    start = (NUM_COLUMNS - 1) / 2 - line * shift_px - found.length_px / 2
    at = (record.cell_px - start[:, np.newaxis]) % record.train_px
    return np.asarray((at < found.length_px[:, np.newaxis]).sum(axis=1))


@pytest.mark.parametrize("spacing_um", [10.0, 15.0, 27.0])
@pytest.mark.parametrize("shift_px", [-3.0, 0.5, 8.0])
@pytest.mark.parametrize("snr", [20.0, 1.0])
def test_cells_are_counted(spacing_um: float, shift_px: float, snr: float) -> None:
    record = train(shift_px, cell_spacing_um=spacing_um, snr=snr)
    found = count(record.image, shift_px)
    true = truth(record, shift_px, found)
    assert np.isfinite(found.count).all()
    assert found.count.sum() == pytest.approx(true.sum(), rel=0.12)
    pull = (found.count - true) / found.count_sd
    assert 0.4 < np.sqrt(np.mean(pull**2)) < 2.0
    assert np.corrcoef(found.count, true)[0, 1] > 0.6


def test_cells_that_touch_are_too_few_but_never_too_many() -> None:
    record = train(4.0, cell_spacing_um=6.0)
    found = count(record.image, 4.0)
    assert 0.65 < found.count.sum() / truth(record, 4.0, found).sum() < 1.0


def test_cells_may_be_brighter_than_the_plasma() -> None:
    dark = train(2.0).image
    bright = np.uint16(5000) - dark
    np.testing.assert_allclose(count(bright, 2.0).count, count(dark, 2.0).count, rtol=1e-3)


@pytest.mark.parametrize(
    "options", [{"num_threads": 3}, {"smoothing_px": 2.0}, {"take_background": True}]
)
def test_threads_and_defaults_do_not_matter(options: dict[str, Any]) -> None:
    record = train(2.0)
    usual, other = count(record.image, 2.0), count(record.image, 2.0, **options)
    np.testing.assert_array_equal(usual.count, other.count)
    np.testing.assert_array_equal(usual.count_sd, other.count_sd)


def test_what_stands_still_is_not_counted() -> None:
    plain, dirty = (train(4.0, static_bands=bands) for bands in (0.0, 2.0))
    true = truth(plain, 4.0, count(plain.image, 4.0)).sum()
    assert count(dirty.image, 4.0).count.sum() == pytest.approx(true, rel=0.12)


def test_lost_and_flickering_lines_are_no_cells() -> None:
    record = train(0.5)
    true = truth(record, 0.5, count(record.image, 0.5)).sum()
    lost = record.image.copy()
    lost[::20] = 0
    assert count(lost, 0.5).count.sum() == pytest.approx(true, rel=0.12)
    fast = train(40.0)
    true_fast = truth(fast, 40.0, count(fast.image, 40.0)).sum()
    fast.image[5::9] = 0
    assert count(fast.image, 40.0).count.sum() == pytest.approx(true_fast, rel=0.12)
    level = np.random.default_rng(0).integers(0, 1500, (record.image.shape[0], 1))
    assert count(record.image + level, 0.5).count.sum() == pytest.approx(true, rel=0.15)


def test_cells_that_cannot_be_told_from_noise_are_not_counted() -> None:
    found = count(train(8.0, snr=0.25).image, 8.0)
    assert np.isnan(found.count).all()
    assert np.isnan(found.count_sd).all()
    found = count(noise_only(2048, NUM_COLUMNS).image, 4.0)
    assert np.nanmax(np.nan_to_num(found.count)) < 1


def test_windows_without_a_velocity_have_no_count() -> None:
    image = train(2.0).image
    slope = np.full(image.shape[0] // (WIDTH // 4) - 3, 2.0)
    slope[10:20] = np.nan
    found = count_red_cells(image, slope, WIDTH)
    assert np.isnan(found.count[10:20]).all()
    assert np.isfinite(np.delete(found.count, np.arange(10, 20))).all()
    nothing = count_red_cells(image, np.full(slope.size, np.nan), WIDTH)
    assert np.isnan(nothing.count).all()
    assert nothing.count.size == slope.size


def test_the_stretch_is_as_long_as_the_train_that_passes() -> None:
    image = train(8.0).image
    still, fast = count(image, 0.0), count(image, 8.0)
    np.testing.assert_array_equal(still.length_px, NUM_COLUMNS)
    # the thin ends, where cells show on few lines, are left out
    assert ((fast.length_px > 63 * 8) & (fast.length_px < NUM_COLUMNS + 63 * 8)).all()


def test_counting_can_be_stopped() -> None:
    image = train(2.0).image
    steps = iter_red_cells(image, np.full(image.shape[0] // WIDTH, 2.0), WIDTH, stride=4)
    assert next(steps) == 0
    steps.close()
    with pytest.raises(StopIteration):
        next(steps)


@pytest.mark.parametrize("dtype", [np.uint8, np.float64, ">u2"])
def test_pixels_may_be_of_any_type(dtype: Any) -> None:
    image = train(2.0).image // 16
    expected = count(image, 2.0)
    found = count(image.astype(dtype), 2.0)
    np.testing.assert_allclose(found.count, expected.count)
