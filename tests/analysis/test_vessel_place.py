"""find_vessel: columns of a vessel in the mean over time, on kymographs with known edges."""

from __future__ import annotations

import math

import numpy as np
import pytest

from napari_bloodflow import find_vessel
from napari_bloodflow.errors import NoVesselError
from napari_bloodflow.synthetic import (
    intensity_transients,
    moving_streaks,
    noise_only,
    pulsatile_flow,
    vessel_with_diameter_changes,
)


@pytest.mark.parametrize("snr", [0.3, 1.0, 3.0, math.inf])
@pytest.mark.parametrize("diameter_um", [10.0, 20.0, 32.0])
def test_the_edges_of_a_bright_vessel_are_found(snr: float, diameter_um: float) -> None:
    truth = vessel_with_diameter_changes(1500, 96, diameter_um=diameter_um, snr=snr, dilation=0.0)
    assert truth.left_edge_px is not None
    assert truth.right_edge_px is not None
    vessel = find_vessel(truth.image)
    assert vessel.left_px == pytest.approx(truth.left_edge_px.mean(), abs=0.6)
    assert vessel.right_px == pytest.approx(truth.right_edge_px.mean(), abs=0.6)
    assert vessel.start == math.ceil(vessel.left_px)
    assert vessel.stop == math.floor(vessel.right_px) + 1
    assert not vessel.is_dark


def test_a_dark_vessel_is_found_at_the_same_place() -> None:
    image = vessel_with_diameter_changes(1500, 96).image.astype(np.float32)
    bright, dark = find_vessel(image), find_vessel(image.max() - image)
    assert dark.is_dark
    assert (dark.start, dark.stop) == (bright.start, bright.stop)


@pytest.mark.parametrize("first", [0, 30, 60])
def test_a_part_of_the_line_with_streaks_is_found_also_at_the_border(first: int) -> None:
    image = np.random.default_rng(1).poisson(8, (1000, 100)).astype(np.uint16)
    image[:, first : first + 40] = moving_streaks(1000, 40).image
    vessel = find_vessel(image)
    assert (vessel.start, vessel.stop) == (first, first + 40)
    assert math.isnan(vessel.left_px) == (first == 0)
    assert math.isnan(vessel.right_px) == (first == 60)


def test_the_brighter_of_two_vessels_is_found() -> None:
    image = np.random.default_rng(2).poisson(8, (500, 120)).astype(np.uint16)
    image[:, 10:30] += 60
    image[:, 60:100] += 100
    vessel = find_vessel(image)
    assert (vessel.start, vessel.stop) == (60, 100)


@pytest.mark.parametrize("seed", range(3))
def test_where_nothing_stands_out_there_is_none(seed: int) -> None:
    images = [
        noise_only(600, 64, seed=seed).image,
        moving_streaks(1000, 64, seed=seed).image,
        moving_streaks(1000, 64, static_bands=1.0, seed=seed).image,
        pulsatile_flow(num_rows=1024, seed=seed).image,
        intensity_transients(seed=seed).image,
        np.ones((50, 40)),
        np.tile(np.arange(100.0), (50, 1)),
    ]
    for image in images:
        with pytest.raises(NoVesselError, match="whole line"):
            find_vessel(image)


def test_missing_pixels_are_left_out_and_a_missing_column_is_told() -> None:
    image = vessel_with_diameter_changes(600, 96).image.astype(np.float64)
    whole = find_vessel(image)
    image[np.random.default_rng(0).random(image.shape) < 0.2] = np.nan
    holed = find_vessel(image)
    assert abs(holed.start - whole.start) <= 1
    assert abs(holed.stop - whole.stop) <= 1
    image[:, 5] = np.inf
    with pytest.raises(NoVesselError, match="no pixel that is a number"):
        find_vessel(image)


def test_long_records_are_sampled() -> None:
    image = np.repeat(vessel_with_diameter_changes(2000, 96).image, 10, axis=0)
    vessel, short = find_vessel(image), find_vessel(image[::10])
    assert (vessel.start, vessel.stop) == (short.start, short.stop)


@pytest.mark.parametrize("shape", [(10,), (10, 1), (0, 10)])
def test_what_is_no_kymograph_is_refused(shape: tuple[int, ...]) -> None:
    with pytest.raises(ValueError, match=r"kymograph|pixels"):
        find_vessel(np.zeros(shape))


def test_edges_are_added_and_cut_to_the_image() -> None:
    vessel = find_vessel(np.tile((np.arange(50) >= 4) & (np.arange(50) < 44), (20, 1)))
    assert (vessel.start, vessel.stop) == (4, 44)
    assert vessel.with_edges(50) == (0, 50)
    assert vessel.with_edges(1000) == (0, 54)
