from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
import tifffile

from napari_bloodflow.analysis.kernels.radon import (
    RadonWindows,
    radon_angles,
    velocity_from_theta,
)
from napari_bloodflow.synthetic import (
    SyntheticKymograph,
    moving_streaks,
    noise_only,
    pulsatile_flow,
    stationary_pattern,
    vessel_with_diameter_changes,
    write_tiff,
)

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from numpy.typing import NDArray


def measured_and_true(
    kymograph: SyntheticKymograph, window_width: int
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    found: RadonWindows = radon_angles(kymograph.image, window_width)
    velocity = velocity_from_theta(found.theta_deg, kymograph.dt_s, kymograph.dx_um)
    truth = kymograph.velocity_um_per_s
    assert truth is not None
    first = (found.time_index - window_width // 2).astype(int)
    return velocity, np.array([truth[k : k + window_width].mean() for k in first])


@pytest.mark.parametrize(
    "make",
    [
        lambda seed: moving_streaks(300, 40, static_bands=0.5, seed=seed),
        lambda seed: pulsatile_flow(300, 40, seed=seed),
        lambda seed: stationary_pattern(300, 40, seed=seed),
        lambda seed: noise_only(300, 40, seed=seed),
        lambda seed: vessel_with_diameter_changes(300, 96, seed=seed),
    ],
)
def test_an_image_follows_from_its_seed(make: Callable[[int], SyntheticKymograph]) -> None:
    kymograph = make(1)
    assert kymograph.image.dtype == np.uint16
    assert kymograph.image.shape[0] == 300
    assert kymograph.name and kymograph.description.endswith(".")
    np.testing.assert_array_equal(kymograph.image, make(1).image)
    assert (kymograph.image != make(2).image).any()


@pytest.mark.parametrize("snr", [1.0, 3.0, np.inf])
@pytest.mark.parametrize("velocity", [125.0, 500.0, 1350.0, -125.0, -500.0, -1350.0])
def test_streaks_move_at_the_velocity_asked_for(velocity: float, snr: float) -> None:
    kymograph = moving_streaks(2000, 64, velocity_um_per_s=velocity, snr=snr, seed=3)
    measured, truth = measured_and_true(kymograph, 64)
    assert (truth == velocity).all()
    assert np.median(measured) == pytest.approx(velocity, rel=0.04)


def test_pixels_repeat_when_the_pattern_has_moved_by_whole_pixels() -> None:
    kymograph = moving_streaks(400, 50, velocity_um_per_s=125.0, snr=np.inf)
    image = kymograph.image
    # a quarter of a pixel per line
    np.testing.assert_array_equal(image[4:, 1:], image[:-4, :-1])
    between = image[2:-2, 1:-1].astype(float)
    assert (between != image[:-4, 1:-1]).mean() > 0.5


@pytest.mark.parametrize("shift_px", [0.0, 2.5, -2.5])
def test_cells_are_where_they_are_said_to_be(shift_px: float) -> None:
    train = moving_streaks(
        40, 400, dx_um=0.25, velocity_um_per_s=shift_px * 250, cell_spacing_um=25.0, snr=np.inf
    )
    assert train.cell_px is not None
    assert train.train_px is not None
    column = (train.cell_px + shift_px * 39) % train.train_px
    column = column[(column > 2) & (column < 397)].round().astype(int)
    assert column.size > 1
    assert (train.image[39][column] < 0.75 * 2000).all()
    assert (train.image[39] > 0.95 * 2000).mean() > 0.4


def test_a_line_that_takes_time_sees_its_last_pixels_later() -> None:
    def draw(**scan: Any) -> NDArray[np.uint16]:
        return moving_streaks(
            8, 101, dx_um=0.5, dt_s=1.0, velocity_um_per_s=50.0, snr=np.inf, **scan
        ).image

    # The cells move by 1 px in 10 ms, which is the time of a pixel here.
    at_once = draw()
    with_scan = draw(pixel_dwell_s=0.01)
    against = draw(pixel_dwell_s=0.01, scan_direction="negative")
    both = draw(pixel_dwell_s=0.01, scan_direction="bidirectional")
    np.testing.assert_array_equal(with_scan[:, 0], at_once[:, 0])
    # The scan keeps up with the cells, so it sees one place of the train all the time.
    assert np.ptp(with_scan.astype(int), axis=1).max() <= 1
    np.testing.assert_array_equal(against[:, -1], at_once[:, -1])
    np.testing.assert_array_equal(both[::2], with_scan[::2])
    np.testing.assert_array_equal(both[1::2], against[1::2])


def test_a_change_of_velocity_begins_in_the_row_it_is_given_for() -> None:
    velocity = np.repeat([0.0, 500.0, -1000.0], 20)
    image = moving_streaks(60, 50, velocity_um_per_s=velocity, snr=np.inf).image
    for row, px_per_line in [(0, 0), (19, 0), (20, 1), (39, 1), (40, -2), (58, -2)]:
        here, following = image[row], image[row + 1]
        np.testing.assert_array_equal(following[3:-3], np.roll(here, px_per_line)[3:-3])


def test_a_long_fast_recording_has_cells_to_its_end() -> None:
    kymograph = moving_streaks(3000, 32, velocity_um_per_s=20_000.0, snr=np.inf)
    assert kymograph.image[-500:].std() == pytest.approx(kymograph.image[:500].std(), rel=0.2)


@pytest.mark.parametrize("snr", [0.5, 2.0, 8.0])
def test_noise_is_as_strong_as_asked_for_and_grows_with_brightness(snr: float) -> None:
    image = stationary_pattern(3000, 256, snr=snr).image.astype(float)
    pattern, noise = image.mean(axis=0), image.std(axis=0)
    assert pattern.std() / np.sqrt((noise**2).mean()) == pytest.approx(snr, rel=0.15)
    photons = pattern**2 / noise**2
    np.testing.assert_allclose(photons / pattern, np.median(photons / pattern), rtol=0.3)


def test_bands_stand_still_with_the_strength_asked_for() -> None:
    plain = moving_streaks(4000, 64, snr=np.inf).image
    banded = moving_streaks(4000, 64, snr=np.inf, static_bands=1.0).image
    assert banded.mean(axis=0).std() == pytest.approx(plain.std(), rel=0.2)
    assert plain.mean(axis=0).std() < 0.2 * plain.std()


@pytest.mark.parametrize(("window_width", "least"), [(16, 0.95), (32, 0.98), (64, 0.9)])
def test_the_heartbeat_can_be_measured(window_width: int, least: float) -> None:
    kymograph = pulsatile_flow()
    measured, truth = measured_and_true(kymograph, window_width)
    good = np.isfinite(measured)
    assert good.mean() > 0.99
    assert np.corrcoef(measured[good], truth[good])[0, 1] > least


def test_the_heartbeat_has_the_rate_and_size_asked_for() -> None:
    velocity = pulsatile_flow(4000, 16, heart_rate_hz=5.0, pulsatility=0.4).velocity_um_per_s
    assert velocity is not None
    assert velocity.mean() == pytest.approx(800, rel=1e-6)
    assert velocity.max() == pytest.approx(1120, rel=1e-4)
    assert velocity.min() == pytest.approx(480, rel=1e-4)
    power = np.abs(np.fft.rfft(velocity - velocity.mean()))
    assert np.fft.rfftfreq(4000, 0.001)[power.argmax()] == pytest.approx(5.0)


def test_standing_cells_have_velocity_zero_and_noise_has_none() -> None:
    measured, truth = measured_and_true(stationary_pattern(), 64)
    assert (truth == 0).all()
    assert (measured == 0).all()
    nothing = noise_only().velocity_um_per_s
    assert nothing is not None and np.isnan(nothing).all()


def test_the_vessel_is_half_bright_at_its_edges() -> None:
    kymograph = vessel_with_diameter_changes(600, dt_s=0.1, snr=np.inf)
    left, right = kymograph.left_edge_px, kymograph.right_edge_px
    assert left is not None and right is not None and kymograph.diameter_um is not None
    np.testing.assert_allclose(kymograph.diameter_um, (right - left) * kymograph.dx_um)
    columns = np.arange(kymograph.image.shape[1])
    for row, line in enumerate(kymograph.image.astype(float)):
        half = (line.min() + line.max()) / 2
        assert np.interp(left[row], columns, line) == pytest.approx(half, rel=0.03)
        assert np.interp(right[row], columns, line) == pytest.approx(half, rel=0.03)


def test_the_vessel_dilates_in_the_middle_third() -> None:
    diameter = vessel_with_diameter_changes(vasomotion=0.0).diameter_um
    assert diameter is not None
    assert diameter[:1500].mean() == pytest.approx(20.0, rel=1e-3)
    assert diameter[2500:3500].mean() == pytest.approx(24.0, rel=1e-3)
    assert diameter[-1500:].mean() == pytest.approx(20.0, rel=1e-3)


def test_a_vessel_without_blur_has_sharp_edges() -> None:
    kymograph = vessel_with_diameter_changes(20, edge_blur_um=0.0, snr=np.inf)
    assert set(np.unique(kymograph.image)) == {200, 2000}


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: moving_streaks(0, 10), "num_rows"),
        (lambda: moving_streaks(10, 10, dt_s=0.0), "dt_s"),
        (lambda: moving_streaks(10, 10, dx_um=-1.0), "dx_um"),
        (lambda: moving_streaks(10, 10, snr=float("nan")), "snr"),
        (lambda: moving_streaks(10, 10, cell_width_um=11.0), "cannot be"),
        (lambda: moving_streaks(10, 10, velocity_um_per_s=np.zeros(9)), "10, one per row"),
        (lambda: moving_streaks(10, 10, velocity_um_per_s=np.nan), "finite"),
        (lambda: pulsatile_flow(10, 10, heart_rate_hz=0.0), "heart_rate_hz"),
        (lambda: noise_only(10, 10, photons=0.0), "photons"),
        (lambda: vessel_with_diameter_changes(10, 40), "does not fit"),
    ],
)
def test_what_cannot_be_drawn_is_refused(make: Callable[[], Any], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        make()


def test_a_tiff_carries_the_calibration(tmp_path: Path) -> None:
    kymograph = moving_streaks(50, 20, dt_s=0.0013, dx_um=0.3)
    path = tmp_path / "streaks.tif"
    write_tiff(kymograph, path)
    with tifffile.TiffFile(path) as file:
        np.testing.assert_array_equal(file.asarray(), kymograph.image)
        assert file.series[0].axes == "YX"
        metadata = file.imagej_metadata
        assert metadata is not None
        assert metadata["unit"] == "um"
        assert metadata["finterval"] == pytest.approx(0.0013)
        pixels, um = file.pages.first.tags["XResolution"].value
        assert um / pixels == pytest.approx(0.3, rel=1e-6)


def test_a_tiff_never_replaces_a_file(tmp_path: Path) -> None:
    path = tmp_path / "precious.tif"
    path.write_bytes(b"precious")
    with pytest.raises(FileExistsError):
        write_tiff(moving_streaks(50, 20), path)
    assert path.read_bytes() == b"precious"
