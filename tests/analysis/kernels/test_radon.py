from __future__ import annotations

import csv
import json
import subprocess
import sys
import threading
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
import tifffile
from skimage.transform import radon

from napari_bloodflow.analysis.kernels.radon import (
    iter_radon_windows,
    num_windows,
    radon_angles,
    reciprocal_velocity_from_theta,
    velocity_from_theta,
)
from napari_bloodflow.analysis.kernels.windows import (
    window_center_index,
    window_rows,
    window_step,
)
from napari_bloodflow.synthetic import moving_streaks, noise_only, stationary_pattern

if TYPE_CHECKING:
    from numpy.typing import NDArray

CLOUDSCOPE = Path(__file__).parents[2] / "data" / "cloudscope"


def projection_variance(window: NDArray[Any], theta_deg: NDArray[Any]) -> NDArray[Any]:
    sinogram: NDArray[Any] = radon(window, theta_deg, circle=False)  # type: ignore[no-untyped-call]
    return np.asarray(sinogram.var(axis=0))


def reference_theta(image: NDArray[Any], window_width: int) -> NDArray[np.float64]:
    """Angles by scikit-image, window by window."""
    step = window_width // 4
    theta = []
    for top in range(0, image.shape[0] - window_width + 1, step):
        window = image[top : top + window_width].astype(np.float32)
        window -= float(window.mean())
        coarse = np.arange(180, dtype=np.float32)
        theta0 = coarse[projection_variance(window, coarse).argmax()]
        fine = theta0 + np.arange(-2, 2.01, 0.25, dtype=np.float32)
        theta.append(fine[projection_variance(window, fine).argmax()])
    return np.array(theta, np.float64)


def streaks(num_rows: int, num_columns: int, px_per_line: float, seed: int) -> NDArray[np.uint16]:
    return moving_streaks(
        num_rows,
        num_columns,
        dt_s=0.001,
        dx_um=0.5,
        velocity_um_per_s=px_per_line * 500,
        cell_spacing_um=5.0,
        cell_width_um=2.0,
        snr=2.0,
        seed=seed,
    ).image


@pytest.mark.parametrize(
    ("window_width", "num_columns", "windows"),
    [(16, 20, 24), (16, 50, 12), (64, 48, 6), (12, 7, 24)],
)
def test_angles_are_those_of_scikit_image(
    window_width: int, num_columns: int, windows: int
) -> None:
    num_rows = (windows + 3) * window_width // 4
    images = [
        streaks(num_rows, num_columns, px_per_line, seed)
        for seed, px_per_line in enumerate([0.0, 0.4, -1.0, 1.7, -1.7, 5.0])
    ]
    images.append(noise_only(num_rows, num_columns, seed=9).image)
    expected = np.concatenate([reference_theta(image, window_width) for image in images])
    measured = np.concatenate([radon_angles(image, window_width).theta_deg for image in images])
    assert measured.size == len(images) * windows
    assert np.mean(measured == expected) >= 0.999


@pytest.mark.parametrize("version", ["may2026", "aug2026"])
@pytest.mark.parametrize("name", ["k01_velocity", "k05_pulsatile", "k07_stationary"])
def test_tables_written_by_cloudscope_are_reproduced(version: str, name: str) -> None:
    image_path = CLOUDSCOPE / version / f"{name}.tif"
    image = tifffile.imread(image_path)
    sidecar = json.loads(image_path.with_name(f"{name}.tif.json").read_text(encoding="utf-8"))
    header = sidecar["image_header_metadata"]
    dt_s, dx_um = header["physical_unit_y"], header["physical_unit_x"]
    bounds = {roi["roi_id"]: roi["data"] for roi in sidecar["rois"]}
    with image_path.with_name(f"{name}.tif.radon_velocity.csv").open(encoding="utf-8") as file:
        table = list(csv.DictReader(file))
    records = [r for r in sidecar["analysis"] if r["analysis_name"] == "radon_velocity"]
    assert records
    for record in records:
        rows = [row for row in table if int(row["roi_id"]) == record["roi_id"]]
        column = {
            key: np.array([float(row[key] or "nan") for row in rows])
            for key in ("time_s", "time_index", "theta_deg", "velocity")
        }
        roi = bounds[record["roi_id"]]
        crop = image[roi["row_start"] : roi["row_stop"], roi["col_start"] : roi["col_stop"]]
        found = radon_angles(crop, record["detection_params"]["window_width"])
        np.testing.assert_array_equal(found.theta_deg, column["theta_deg"])
        np.testing.assert_array_equal(found.time_index, column["time_index"])
        np.testing.assert_allclose(found.time_index * dt_s, column["time_s"], rtol=1e-12)
        np.testing.assert_allclose(
            reciprocal_velocity_from_theta(found.theta_deg, dt_s, dx_um),
            column["velocity"],
            rtol=1e-12,
        )


def test_results_do_not_depend_on_chunks_or_threads() -> None:
    image = np.concatenate([streaks(900, 30, 1.3, 1), noise_only(900, 30).image])
    image[1000:1050] = 7
    expected = radon_angles(image, 16)
    for options in ({"windows_per_chunk": 1}, {"windows_per_chunk": 37}, {"num_threads": 3}):
        chunks = list(iter_radon_windows(image, 16, **options))
        np.testing.assert_array_equal(
            np.concatenate([chunk.theta_deg for chunk in chunks]), expected.theta_deg
        )
        np.testing.assert_array_equal(
            np.concatenate([chunk.reason for chunk in chunks]), expected.reason
        )


@pytest.mark.parametrize("num_threads", [1, 2])
def test_chunks_are_consecutive_and_complete(num_threads: int) -> None:
    image = streaks(1000, 24, -0.8, 2)
    following = 0
    for chunk in iter_radon_windows(image, 16, num_threads=num_threads, windows_per_chunk=50):
        assert chunk.start == following
        assert chunk.stop - chunk.start == chunk.theta_deg.size == chunk.reason.size <= 50
        following = chunk.stop
    assert following == num_windows(1000, 16) == 247


def test_large_windows_give_the_caller_a_turn_before_their_result() -> None:
    chunks = list(iter_radon_windows(streaks(128, 700, 1.0, 3), 128))
    assert len(chunks) > 2
    assert all(chunk.start == chunk.stop == 0 for chunk in chunks[:-1])
    assert chunks[-1].stop == 1


@pytest.mark.parametrize("num_threads", [1, 2])
def test_closing_the_generator_ends_the_measurement(num_threads: int) -> None:
    image = streaks(2000, 100, 1.0, 3)
    chunks = iter_radon_windows(image, 64, num_threads=num_threads, windows_per_chunk=1)
    next(chunks)
    chunks.close()
    assert not [t for t in threading.enumerate() if t.name.startswith("radon")]
    assert list(chunks) == []


def test_a_failure_while_reading_reaches_the_caller() -> None:
    class Broken(np.ndarray):
        def __getitem__(self, key: Any) -> Any:
            raise TimeoutError("the disk went to sleep")

    image = streaks(400, 24, 1.0, 3).view(Broken)
    for num_threads in (1, 2):
        with pytest.raises(TimeoutError, match="sleep"):
            radon_angles(image, 16, num_threads=num_threads)


@pytest.mark.parametrize("px_per_line", [0.4, 1.0, 2.5, -0.4, -1.0, -2.5])
def test_velocity_has_the_sign_and_size_of_the_motion(px_per_line: float) -> None:
    dt_s, dx_um = 0.002, 0.25
    truth = px_per_line * dx_um / dt_s
    found = radon_angles(streaks(2000, 64, px_per_line, 4), 64)
    velocity = velocity_from_theta(found.theta_deg, dt_s, dx_um)
    assert np.median(velocity) == pytest.approx(truth, rel=0.02)


def test_a_standing_pattern_has_velocity_zero() -> None:
    found = radon_angles(stationary_pattern(400, 40).image, 64)
    assert (velocity_from_theta(found.theta_deg, 0.001, 0.5) == 0).all()


def test_windows_that_cannot_be_measured_are_missing_with_a_reason() -> None:
    image = streaks(320, 30, 1.2, 5).astype(np.float32)
    expected = radon_angles(image, 16)
    damaged = image.copy()
    damaged[100, 3] = np.nan
    damaged[200, 0] = -np.inf
    damaged[240:280] = 5.0
    found = radon_angles(damaged, 16)
    top = np.arange(found.theta_deg.size) * 4
    has_nan = ((top <= 100) & (top + 16 > 100)) | ((top <= 200) & (top + 16 > 200))
    is_flat = (top >= 240) & (top + 16 <= 280)
    np.testing.assert_array_equal(found.reason == "nan_pixels", has_nan)
    np.testing.assert_array_equal(found.reason == "flat", is_flat)
    np.testing.assert_array_equal(np.isnan(found.theta_deg), has_nan | is_flat)
    assert set(found.reason) == {"", "flat", "nan_pixels"}
    untouched = ~has_nan & ~((top + 16 > 240) & (top < 280))
    np.testing.assert_array_equal(found.theta_deg[untouched], expected.theta_deg[untouched])


@pytest.mark.parametrize("pixels", [3.0, np.nan])
def test_an_image_without_any_measurable_window_is_all_missing(pixels: float) -> None:
    found = radon_angles(np.full((64, 8), pixels), 16)
    assert found.theta_deg.size == 13
    assert np.isnan(found.theta_deg).all()
    assert (found.reason != "").all()


@pytest.mark.parametrize(
    "dtype", ["u1", "i1", "u2", "i2", "u4", "i4", "u8", "i8", "f2", "f4", "f8", ">u2"]
)
def test_the_pixel_type_does_not_matter(dtype: str) -> None:
    image = (streaks(200, 20, 1.5, 6) // 32).clip(0, 127)
    expected = radon_angles(image, 16)
    found = radon_angles(image.astype(dtype), 16)
    np.testing.assert_array_equal(found.theta_deg, expected.theta_deg)


def test_brightness_and_contrast_do_not_matter() -> None:
    image = streaks(200, 20, 1.5, 6).astype(np.float64)
    expected = radon_angles(image, 16)
    found = radon_angles(image * 2.0**-40, 16)
    np.testing.assert_array_equal(found.theta_deg, expected.theta_deg)


def test_a_crop_and_a_strided_view_are_measured_like_a_copy() -> None:
    image = streaks(400, 60, 1.5, 7)
    view = image[40:360:2, 3:50:2]
    np.testing.assert_array_equal(
        radon_angles(view, 16).theta_deg, radon_angles(view.copy(), 16).theta_deg
    )


@pytest.mark.parametrize(
    ("shape", "dtype", "message"),
    [
        ((64,), "u2", "2-D"),
        ((2, 64, 20), "u2", "2-D"),
        ((15, 20), "u2", r"needs 16, and there are 15"),
        ((64, 1), "u2", r"too narrow.*there is 1"),
        ((64, 0), "u2", r"too narrow"),
        ((64, 20), "c8", "complex64"),
    ],
)
def test_images_that_are_no_kymograph_are_refused(
    shape: tuple[int, ...], dtype: str, message: str
) -> None:
    with pytest.raises(ValueError, match=message):
        iter_radon_windows(np.zeros(shape, dtype), 16)


@pytest.mark.parametrize("window_width", [0, 4, 18, -16, 16.0, "16", True])
def test_window_widths_that_have_no_quarter_step_are_refused(window_width: Any) -> None:
    with pytest.raises(ValueError, match="multiple of 4"):
        radon_angles(np.zeros((64, 20)), window_width)
    with pytest.raises(ValueError, match="multiple of 4"):
        num_windows(64, window_width)


@pytest.mark.parametrize("options", [{"num_threads": 0}, {"windows_per_chunk": 0}])
def test_options_below_one_are_refused(options: dict[str, int]) -> None:
    with pytest.raises(ValueError, match="at least 1"):
        iter_radon_windows(np.zeros((64, 20)), 16, **options)


@pytest.mark.parametrize("num_rows", [16, 17, 19, 20, 63, 64])
def test_windows_lie_a_quarter_apart_and_inside_the_image(num_rows: int) -> None:
    total = num_windows(num_rows, 16)
    assert window_rows(0, total, 16).stop <= num_rows < window_rows(0, total + 1, 16).stop
    assert window_rows(2, 3, 16) == slice(8, 24)
    assert window_step(16) == 4
    np.testing.assert_array_equal(window_center_index(3, 16), [8.0, 12.0, 16.0])
    assert num_windows(15, 16) == 0


def test_the_rows_of_some_windows_hold_exactly_those_windows() -> None:
    image = streaks(400, 20, 1.1, 8)
    whole = radon_angles(image, 16).theta_deg
    part = radon_angles(image[window_rows(11, 30, 16)], 16).theta_deg
    np.testing.assert_array_equal(part, whole[11:30])
    with pytest.raises(ValueError, match="no windows"):
        window_rows(3, 3, 16)


def test_velocity_is_the_tangent_and_has_no_value_at_90_degrees() -> None:
    theta = [0.0, 45.0, 90.0, 135.0, 180.0, -1.0, 179.0, np.nan]
    velocity = velocity_from_theta(theta, dt_s=0.001, dx_um=0.25)
    slow = 250 * np.tan(np.deg2rad(1.0))
    np.testing.assert_allclose(
        velocity, [0, 250, np.nan, -250, 0, -slow, -slow, np.nan], rtol=1e-12
    )
    assert velocity[0] == velocity[4] == 0.0


def test_the_reciprocal_agrees_with_the_velocity_only_at_one_pixel_per_line() -> None:
    theta = np.rad2deg(np.arctan([1.0, 2.0, 0.5, -2.0]))
    np.testing.assert_allclose(
        reciprocal_velocity_from_theta(theta, 0.001, 0.25), [250, 125, 500, -125]
    )
    assert np.isnan(reciprocal_velocity_from_theta([0.0, np.nan], 0.001, 0.25)).all()


@pytest.mark.parametrize(("dt_s", "dx_um"), [(0.0, 1.0), (1.0, -1.0), (np.nan, 1.0), (1.0, np.inf)])
def test_a_calibration_that_is_no_positive_number_is_refused(dt_s: float, dx_um: float) -> None:
    for convert in (velocity_from_theta, reciprocal_velocity_from_theta):
        with pytest.raises(ValueError, match="must be a positive number"):
            convert([45.0], dt_s, dx_um)


def test_importing_the_kernel_does_not_import_numba() -> None:
    program = (
        "import sys, napari_bloodflow.analysis.kernels.radon, napari_bloodflow.synthetic\n"
        "assert not {'numba', 'scipy', 'tifffile'} & set(sys.modules)"
    )
    subprocess.run([sys.executable, "-c", program], check=True)
