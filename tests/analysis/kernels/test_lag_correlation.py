"""The lag correlation: speeds, signs, reasons, and that sharing the work changes nothing."""

from __future__ import annotations

import math
import subprocess
import sys
import threading
from dataclasses import fields, replace
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from napari_bloodflow.analysis.kernels.lag_correlation import (
    LagOptions,
    LagWindows,
    iter_lag_windows,
    lag_center_index,
    lag_velocity,
    num_lag_windows,
)
from napari_bloodflow.analysis.kernels.windows import window_center_index
from napari_bloodflow.synthetic import moving_streaks, noise_only, stationary_pattern

if TYPE_CHECKING:
    from numpy.typing import NDArray

ENGINES = ("numba", "numpy")


def streaks(
    num_rows: int, num_columns: int, px_per_line: Any, seed: int, **options: Any
) -> NDArray[np.uint16]:
    options = {"snr": 2.0, "cell_spacing_um": 5.0, "cell_width_um": 2.0, **options}
    return moving_streaks(
        num_rows,
        num_columns,
        dt_s=0.001,
        dx_um=0.25,
        velocity_um_per_s=np.asarray(px_per_line) * 250.0,
        seed=seed,
        **options,
    ).image


def assert_same(found: LagWindows, expected: LagWindows) -> None:
    for field in fields(LagWindows):
        np.testing.assert_array_equal(getattr(found, field.name), getattr(expected, field.name))


@pytest.mark.parametrize("engine", ENGINES)
@pytest.mark.parametrize("px_per_line", [0.1, 0.4, 1.0, 5.0, 20.0, 60.0, -0.1, -1.0, -20.0])
def test_displacement_has_the_size_and_sign_of_the_motion(px_per_line: float, engine: Any) -> None:
    found = lag_velocity(streaks(1600, 128, px_per_line, 1), LagOptions(64), engine=engine)
    assert np.median(found.displacement_px) == pytest.approx(px_per_line, rel=0.02)
    assert np.mean(found.reason == "ok") > 0.9


@pytest.mark.parametrize("engine", ENGINES)
@pytest.mark.parametrize("snr", [1.0, 3.0, math.inf])
def test_cells_that_stand_still_have_speed_zero(snr: float, engine: Any) -> None:
    image = stationary_pattern(1000, 64, snr=snr, seed=2).image
    found = lag_velocity(image, LagOptions(64), engine=engine)
    assert np.abs(found.displacement_px).max() * 64 < 1.5
    assert set(found.reason) == {"ok"}


@pytest.mark.parametrize("background", ["record", "running", "none"])
def test_a_stall_in_a_flowing_record_has_speed_zero(background: Any) -> None:
    speed = np.full(6000, 2.0)
    speed[2000:2500] = 0.0
    found = lag_velocity(streaks(6000, 96, speed, 3), LagOptions(32, background=background))
    top = lag_center_index(found.reason.size, LagOptions(32)) - 16
    stalled = (top >= 2000) & (top + 32 < 2500)
    flowing = (top + 32 <= 2000) | (top >= 2500)
    assert np.median(np.abs(found.displacement_px[stalled])) < 0.02
    assert np.median(found.displacement_px[flowing]) == pytest.approx(2.0, rel=0.01)


def test_a_reversal_keeps_its_sign() -> None:
    speed = np.repeat([3.0, -3.0, 3.0, -3.0], 500)
    found = lag_velocity(streaks(2000, 64, speed, 4), LagOptions(32))
    center = lag_center_index(found.reason.size, LagOptions(32))
    inside = np.abs((center % 500) - 250) < 230
    truth = speed[center.astype(int)]
    np.testing.assert_allclose(found.displacement_px[inside], truth[inside], rtol=0.1)


@pytest.mark.parametrize("background", ["record", "running"])
def test_a_standing_pattern_is_no_flow(background: Any) -> None:
    image = streaks(6000, 96, 1.5, 5, static_bands=2.0)
    found = lag_velocity(image, LagOptions(64, background=background))
    np.testing.assert_allclose(found.displacement_px, 1.5, rtol=0.05)


@pytest.mark.parametrize("engine", ENGINES)
def test_cells_that_differ_in_speed_are_seen(engine: Any) -> None:
    alike = streaks(3000, 128, 2.0, 4).astype(float)
    other = streaks(3000, 128, 2.2, 5).astype(float)
    options = LagOptions(64)
    one = lag_velocity(alike, options, engine=engine)
    both = lag_velocity(alike + other, options, engine=engine)
    assert np.median(both.deviation_px) > 5 * np.median(one.deviation_px)
    assert np.median(both.displacement_px) == pytest.approx(2.1, rel=0.02)


def test_flicker_of_whole_lines_and_lost_lines_do_little() -> None:
    clean = streaks(4000, 96, 4.0, 6)
    rng = np.random.default_rng(6)
    flickering = clean + (rng.normal(size=(4000, 1)) * clean.std()).astype(int) + 2000
    lost = clean.copy()
    lost[rng.random(4000) < 0.05] = 0
    saturated = clean.copy()
    saturated[rng.random(4000) < 0.05] = 2**16 - 1
    for image in (flickering, lost, saturated):
        found = lag_velocity(image, LagOptions(64))
        np.testing.assert_allclose(found.displacement_px, 4.0, rtol=0.03)


@pytest.mark.parametrize(
    ("shape", "window"), [((700, 50), 16), ((900, 128), 64), ((600, 37), 32), ((400, 13), 8)]
)
def test_both_engines_give_the_same_numbers(shape: tuple[int, int], window: int) -> None:
    image = streaks(*shape, np.linspace(-3, 3, shape[0]), 7)
    image[100:103] = 0
    options = LagOptions(window)
    compiled = lag_velocity(image, options)
    plain = lag_velocity(image, options, engine="numpy")
    np.testing.assert_array_equal(plain.reason, compiled.reason)
    clear = compiled.correlation - compiled.second_correlation > 0.01
    assert clear.mean() > 0.5
    np.testing.assert_allclose(
        plain.displacement_px[clear], compiled.displacement_px[clear], rtol=1e-4, atol=1e-5
    )
    for name in ("correlation", "second_correlation", "snr", "curvature", "deviation_px", "parts"):
        np.testing.assert_allclose(
            getattr(plain, name)[clear], getattr(compiled, name)[clear], rtol=2e-3, atol=1e-4
        )


@pytest.mark.parametrize("engine", ENGINES)
@pytest.mark.parametrize("background", ["record", "running"])
def test_results_do_not_depend_on_chunks_or_threads(background: Any, engine: Any) -> None:
    image = np.concatenate([streaks(700, 30, 1.3, 1), noise_only(500, 30).image])
    image[800:850] = 7
    options = LagOptions(16, background=background)
    expected = lag_velocity(image, options, engine=engine)
    for sharing in ({"windows_per_chunk": 1}, {"windows_per_chunk": 37}, {"num_threads": 3}):
        chunks = list(iter_lag_windows(image, options, engine=engine, **sharing))
        for field in fields(LagWindows):
            found = np.concatenate([getattr(chunk.windows, field.name) for chunk in chunks])
            wanted = getattr(expected, field.name)
            if engine == "numpy" and "windows_per_chunk" in sharing and wanted.dtype.kind == "f":
                # The order in which numpy adds depends on the shape of its arrays.
                np.testing.assert_allclose(found, wanted, rtol=1e-9)
            else:
                np.testing.assert_array_equal(found, wanted, field.name)


def test_chunks_are_consecutive_and_complete() -> None:
    image = streaks(1000, 24, -0.8, 2)
    following = 0
    for chunk in iter_lag_windows(image, LagOptions(16), num_threads=2, windows_per_chunk=50):
        assert chunk.start == following
        assert chunk.stop - chunk.start <= 50
        following = chunk.stop
    assert following == num_lag_windows(1000, LagOptions(16)) == 247


@pytest.mark.parametrize(("fraction", "stride"), [(0.5, 2), (1.0, 4)])
def test_longer_steps_give_every_second_or_fourth_window(fraction: float, stride: int) -> None:
    image = streaks(700, 40, 1.1, 8)
    every = lag_velocity(image, LagOptions(16))
    some = lag_velocity(image, LagOptions(16, step_fraction=fraction))
    np.testing.assert_array_equal(some.displacement_px, every.displacement_px[::stride])
    assert some.reason.size == num_lag_windows(700, LagOptions(16, step_fraction=fraction))
    np.testing.assert_array_equal(
        lag_center_index(some.reason.size, LagOptions(16, step_fraction=fraction)),
        window_center_index(every.reason.size, 16)[::stride],
    )


@pytest.mark.parametrize("num_threads", [1, 2])
def test_closing_the_generator_ends_the_measurement(num_threads: int) -> None:
    image = streaks(4000, 100, 1.0, 3)
    chunks = iter_lag_windows(image, LagOptions(64), num_threads=num_threads, windows_per_chunk=1)
    next(chunks)
    chunks.close()
    assert not [t for t in threading.enumerate() if t.name.startswith("lag-correlation")]
    assert list(chunks) == []


def test_a_failure_while_reading_reaches_the_caller() -> None:
    class Broken(np.ndarray):
        def __getitem__(self, key: Any) -> Any:
            raise TimeoutError("the disk went to sleep")

    with pytest.raises(TimeoutError, match="sleep"):
        lag_velocity(streaks(400, 24, 1.0, 3).view(Broken), LagOptions(16))


@pytest.mark.parametrize("engine", ENGINES)
def test_windows_that_cannot_be_measured_are_missing_with_a_reason(engine: Any) -> None:
    image = streaks(400, 30, 1.2, 5).astype(np.float32)
    expected = lag_velocity(image, LagOptions(16), engine=engine)
    damaged = image.copy()
    damaged[100, 3] = np.nan
    damaged[200, 0] = -np.inf
    damaged[240:280] = 5.0
    found = lag_velocity(damaged, LagOptions(16), engine=engine)
    top = np.arange(found.reason.size) * 4
    broken = ((top <= 100) & (top + 16 > 100)) | ((top <= 200) & (top + 16 > 200))
    lost = np.clip(np.minimum(top + 16, 280) - np.maximum(top, 240), 0, 16)
    np.testing.assert_array_equal(found.reason == "nan_pixels", broken)
    np.testing.assert_array_equal(found.reason == "flat", lost == 16)
    np.testing.assert_array_equal(found.reason == "too_few_lines", (lost > 8) & (lost < 16))
    missing = broken | (lost > 8)
    assert np.isnan(found.displacement_px[missing]).all()
    assert np.isfinite(found.displacement_px[~missing]).all()
    untouched = ~broken & (lost == 0) & (expected.correlation > 0.5)
    np.testing.assert_allclose(
        found.displacement_px[untouched], expected.displacement_px[untouched], rtol=0.02, atol=0.01
    )


@pytest.mark.parametrize("engine", ENGINES)
@pytest.mark.parametrize("pixels", [3.0, np.nan, np.inf, 1e35])
def test_an_image_without_any_measurable_window_is_all_missing(pixels: float, engine: Any) -> None:
    found = lag_velocity(np.full((64, 16), pixels), LagOptions(16), engine=engine)
    assert found.reason.size == 13
    assert np.isnan(found.displacement_px).all()
    assert set(found.reason) == {"flat" if pixels == 3.0 else "nan_pixels"}


@pytest.mark.parametrize("num_columns", [2, 5, 6, 11])
def test_narrow_rois_are_marked(num_columns: int) -> None:
    found = lag_velocity(streaks(300, num_columns, 0.5, 9), LagOptions(16))
    assert set(found.reason) <= {"too_narrow", "aliased", "flat"}
    assert (found.reason == "too_narrow").any()


def test_slow_motion_is_marked_and_standing_still_is_not() -> None:
    slow = lag_velocity(streaks(3000, 64, 0.03, 1, snr=math.inf), LagOptions(64))
    assert np.mean(slow.reason == "too_slow_for_window") > 0.9


def test_limits_and_direction_restrict_the_search() -> None:
    image = streaks(1000, 64, -2.0, 1)
    free = lag_velocity(image, LagOptions(32))
    assert np.mean(free.displacement_px < 0) > 0.99
    wrong = lag_velocity(image, LagOptions(32, direction=1))
    assert not (wrong.displacement_px[wrong.reason == "ok"] < -0.02).any()
    assert np.nanmedian(wrong.correlation - wrong.second_correlation) < 0
    right = lag_velocity(image, LagOptions(32, direction=-1, speed_limits_px=(1.0, 5.0)))
    np.testing.assert_array_equal(right.displacement_px, free.displacement_px)
    beyond = lag_velocity(image, LagOptions(32, speed_limits_px=(3.0, 9.0)))
    measured = beyond.reason == "ok"
    assert (np.abs(beyond.displacement_px[measured]) >= 3.0).all()
    assert (beyond.reason == "out_of_limits").any()


def test_noise_has_no_favourite_speed() -> None:
    found = lag_velocity(noise_only(20_000, 64, seed=3).image, LagOptions(32))
    assert np.nanmedian(found.correlation) < 0.3
    counts = np.unique(np.round(found.displacement_px, 2), return_counts=True)[1]
    assert counts.max() < 0.05 * found.reason.size


@pytest.mark.parametrize(
    "dtype", ["u1", "i1", "u2", "i2", "u4", "i4", "u8", "f2", "f4", "f8", ">u2"]
)
def test_the_pixel_type_does_not_matter(dtype: str) -> None:
    image = (streaks(200, 20, 1.5, 6) // 32).clip(0, 127)
    assert_same(
        lag_velocity(image.astype(dtype), LagOptions(16)), lag_velocity(image, LagOptions(16))
    )


@given(st.integers(-60, 60))
@settings(max_examples=10, deadline=None)
def test_brightness_and_contrast_do_not_matter(exponent: int) -> None:
    image = streaks(200, 20, 1.5, 6).astype(np.float64)
    expected = lag_velocity(image, LagOptions(16))
    found = lag_velocity(image * 2.0**exponent, LagOptions(16))
    np.testing.assert_allclose(found.displacement_px, expected.displacement_px, rtol=1e-4)


def test_mirroring_the_line_changes_the_sign() -> None:
    image = streaks(400, 40, 1.5, 7)
    there = lag_velocity(image, LagOptions(32))
    back = lag_velocity(image[:, ::-1], LagOptions(32))
    np.testing.assert_allclose(back.displacement_px, -there.displacement_px, rtol=1e-4)


@pytest.mark.parametrize(
    ("shape", "dtype", "message"),
    [
        ((64,), "u2", "2-D"),
        ((2, 64, 20), "u2", "2-D"),
        ((15, 20), "u2", r"needs 16, and there are 15"),
        ((64, 1), "u2", r"too narrow.*there is 1"),
        ((64, 20), "c8", "complex64"),
    ],
)
def test_images_that_are_no_kymograph_are_refused(
    shape: tuple[int, ...], dtype: str, message: str
) -> None:
    with pytest.raises(ValueError, match=message):
        iter_lag_windows(np.zeros(shape, dtype), LagOptions(16))


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"window_width": 18}, "multiple of 4"),
        ({"step_fraction": 0.3}, "step fraction"),
        ({"background": "median"}, "background"),
        ({"smoothing_px": -1.0}, "smoothing"),
        ({"smoothing_px": math.nan}, "smoothing"),
        ({"speed_limits_px": (2.0, 1.0)}, "limits"),
        ({"direction": 2}, "direction"),
    ],
)
def test_options_out_of_range_are_refused(change: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        replace(LagOptions(16), **change)


@pytest.mark.parametrize("overlap", [2, 11])
def test_overlaps_out_of_range_are_refused(overlap: int) -> None:
    with pytest.raises(ValueError, match="overlap"):
        lag_velocity(np.zeros((64, 20)), LagOptions(16, min_overlap_px=overlap))


def test_importing_the_kernel_does_not_import_numba() -> None:
    program = (
        "import sys, napari_bloodflow.analysis.kernels.lag_correlation\n"
        "assert not {'numba', 'scipy', 'tifffile'} & set(sys.modules)"
    )
    subprocess.run([sys.executable, "-c", program], check=True)
