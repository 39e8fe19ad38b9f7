"""Edges between pixels: beside shadows and neighbours, with clipped, missing and no noise."""

from __future__ import annotations

import tracemalloc
from typing import Any

import numpy as np
import pytest

from napari_bloodflow.analysis.kernels.edges_guided import (
    GuidedRows,
    GuidedSettings,
    edge_sigma_px,
    iter_guided_edges,
)
from napari_bloodflow.analysis.kernels.vessel_optics import vessel_profile

Array = np.ndarray[Any, Any]
PLACE = np.arange(128.0)
LEFT, RIGHT = 43.3, 83.6


def measure(image: Array, **settings: Any) -> GuidedRows:
    chunks = list(iter_guided_edges(image, GuidedSettings(**settings)))
    return GuidedRows(
        *(
            np.concatenate([getattr(chunk, name) for chunk in chunks])
            for name in chunks[0].__slots__
        )
    )


def lumen(left: float = LEFT, right: float = RIGHT) -> Array:
    middle, width = (left + right) / 2, right - left
    return vessel_profile(PLACE - middle, width, edge_sigma_px(1.6))


def noisy(light: Array, snr: float = 8.0, seed: int = 0) -> Array:
    noise = np.random.default_rng(seed).normal(0, 1000 / snr, light.shape)
    return np.rint(300 + 1000 * light + noise).clip(0).astype(np.uint16)


def shadowed_rows(depth: float, place: float) -> tuple[Array, slice]:
    """Draw 400 rows of which 20 are darkened around a place."""
    light = np.tile(lumen(), (400, 1))
    rows = slice(200, 220)
    light[rows] *= 1 - depth * np.exp(-(((PLACE - place) / 10) ** 4))
    return noisy(light, snr=16.0), rows


def rms(error: Array) -> float:
    return float(np.sqrt(np.mean(error**2)))


@pytest.mark.parametrize("side", ["left", "right"])
@pytest.mark.parametrize("depth", [0.4, 0.8])
def test_an_edge_in_the_shadow_of_a_cell_stays_where_it_is(side: str, depth: float) -> None:
    image, rows = shadowed_rows(depth, LEFT + 4 if side == "left" else RIGHT - 4)
    found = measure(image)
    inner = slice(rows.start + 2, rows.stop - 2)
    error = getattr(found, side) - (LEFT if side == "left" else RIGHT)
    assert np.isfinite(error).all()
    assert rms(error[inner]) < 0.6
    assert found.is_shadowed[inner].all()
    assert found.is_shadowed[: rows.start - 4].mean() < 0.02
    assert found.sd[inner].mean() > found.sd[: rows.start].mean()


def test_a_cell_in_the_middle_does_not_lower_half_way() -> None:
    image, rows = shadowed_rows(0.6, (LEFT + RIGHT) / 2)
    found = measure(image)
    inner = slice(rows.start + 2, rows.stop - 2)
    assert rms(found.left[inner] - LEFT) < 0.3
    assert rms(found.right[inner] - RIGHT) < 0.3


def test_dimmer_rows_are_no_shadows() -> None:
    light = np.tile(lumen(), (400, 1))
    light[200:220] *= 0.7
    found = measure(noisy(light))
    assert found.is_shadowed.mean() < 0.02
    np.testing.assert_allclose(found.high[205:215], 1000, atol=60)
    assert rms(found.left[202:218] - LEFT) < 0.4


def test_a_vessel_that_jumps_is_not_taken_for_a_shadowed_one() -> None:
    light = np.tile(lumen(), (400, 1))
    light[200:230] = lumen(LEFT + 9, RIGHT + 9)
    found = measure(noisy(light))
    inner = slice(203, 227)
    near_guide = np.abs(found.left[inner] - LEFT) < 3
    assert not near_guide.any()
    assert not found.is_shadowed[inner].any()


def test_the_error_is_as_large_as_stated_also_on_a_slope() -> None:
    light = np.tile(lumen() + 0.6 * PLACE / PLACE.size, (2000, 1))
    for per_side in (False, True):
        found = measure(noisy(light), per_side=per_side, window_rows=1)
        width = found.right - found.left
        assert 0.92 < np.mean(np.abs(width - width.mean()) < 1.96 * found.sd) < 0.98


def test_a_neighbour_is_left_alone_and_a_dim_part_belongs_to_the_vessel() -> None:
    profile = lumen() + 1.2 * vessel_profile(PLACE - 115, 8.0, edge_sigma_px(1.6))
    found = measure(noisy(np.tile(profile, (100, 1))))
    assert rms(found.right - RIGHT) < 0.2
    dim = lumen() * (1 - 0.7 * np.exp(-(((PLACE - 63) / 8) ** 4)))
    found = measure(noisy(np.tile(dim, (100, 1))))
    assert rms(found.left - LEFT) < 0.5
    assert rms(found.right - RIGHT) < 0.5


def test_the_end_of_the_line_is_no_edge() -> None:
    image = noisy(np.tile(lumen(), (100, 1)))[:, 60:]
    found = measure(image)
    assert np.isnan(found.left).all()
    assert np.isnan(found.sd).all()
    assert rms(found.right + 60 - RIGHT) < 0.2


@pytest.mark.parametrize("dtype", [np.uint8, np.uint16, np.float32])
def test_an_image_without_noise_is_not_clipped(dtype: Any) -> None:
    still = np.tile(100 + 100 * lumen(), (200, 1))
    swing = np.sin(np.arange(200) / 20)
    moving = np.stack([100 + 100 * lumen(LEFT - w, RIGHT + w) for w in swing])
    for image in (still, moving, still[:1], still[:5]):
        found = measure(image.astype(dtype))
        assert not found.is_clipped.any()
        assert np.isfinite(found.left).all()


def test_one_line_with_noise_is_not_clipped() -> None:
    assert not measure(noisy(np.tile(lumen(), (1, 1)))).is_clipped.any()


@pytest.mark.parametrize("dark", [False, True])
def test_what_a_detector_cuts_off_is_clipped(dark: bool) -> None:
    light = np.tile(lumen(), (200, 1))
    image = noisy(1 - light if dark else light).astype(np.int64)
    cut = np.maximum(image, 500) if dark else np.minimum(image, 1100)
    assert measure(cut, dark=dark).is_clipped.all()
    # dark as zero, bright as 255: hardly a pixel has noise, but these are the ends of the scale
    both = (2 * (image - 700)).clip(0, 255).astype(np.uint8)
    assert measure(both, dark=dark).is_clipped.all()


def test_a_missing_pixel_makes_its_rows_missing_and_no_others() -> None:
    image = noisy(np.tile(lumen(), (100, 1))).astype(np.float64)
    image[50, 60] = np.nan
    found = measure(image, window_rows=1)
    assert np.flatnonzero(found.is_missing).tolist() == [50]
    assert np.isnan(found.left[50])
    assert np.isfinite(found.left[[49, 51]]).all()


def test_the_order_of_chunks_and_strides_does_not_matter() -> None:
    image = noisy(np.tile(lumen(), (5000, 1)))
    every, tenth = measure(image), measure(image, stride=10)
    np.testing.assert_allclose(tenth.left, every.left[::10], atol=1e-9)
    np.testing.assert_array_equal(tenth.is_shadowed, every.is_shadowed[::10])


def test_memory_does_not_grow_with_the_number_of_lines() -> None:
    peaks = []
    for num_rows in (4000, 16_000):
        image = np.zeros((num_rows, 256), np.uint16)
        image[:, 80:160] = np.arange(num_rows)[:, np.newaxis] % 7 + 500
        for _ in iter_guided_edges(image[:600], GuidedSettings()):
            pass
        tracemalloc.start()
        for _ in iter_guided_edges(image, GuidedSettings()):
            pass
        peaks.append(tracemalloc.get_traced_memory()[1])
        tracemalloc.stop()
    assert peaks[1] < 1.2 * peaks[0] < 32e6


@pytest.mark.parametrize("blur_px", [-1.0, 51.0, float("nan")])
def test_an_absurd_blur_is_refused(blur_px: float) -> None:
    with pytest.raises(ValueError, match="blur"):
        iter_guided_edges(np.zeros((5, 5)), GuidedSettings(blur_px=blur_px))
