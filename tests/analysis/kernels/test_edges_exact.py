"""The exact edge methods: every number as the row-by-row reference has it."""

from __future__ import annotations

import tracemalloc
from typing import Any, Literal

import numpy as np
import pytest
from benchmarks.reference_diameter import DEFAULTS, reference_diameter, running_median

from napari_bloodflow.analysis.kernels import edges_exact
from napari_bloodflow.analysis.kernels.edges_exact import (
    EdgeRows,
    EdgeSettings,
    gate_edges,
    iter_exact_edges,
)

Backend = Literal["numba", "numpy"]
BACKENDS: tuple[Backend, ...] = ("numba", "numpy")
FIELDS = tuple(EdgeRows.__slots__)


def measure(image: np.ndarray[Any, Any], settings: EdgeSettings, backend: Backend) -> EdgeRows:
    chunks = list(iter_exact_edges(image, settings, backend=backend))
    return EdgeRows(
        *(np.concatenate([getattr(chunk, name) for chunk in chunks]) for name in FIELDS)
    )


def settings_of(params: dict[str, Any]) -> EdgeSettings:
    return EdgeSettings(
        params["diameter_method"],
        params["window_rows_odd"],
        params["stride"],
        params["binning_method"] == "median",
        params["polarity"] == "dark_on_bright",
        params["threshold_value"] if params["threshold_mode"] == "absolute" else None,
        params["gradient_sigma"],
        params["gradient_min_edge_strength"],
    )


def random_image(rng: np.random.Generator) -> np.ndarray[Any, Any]:
    rows, columns = int(rng.integers(1, 40)), int(rng.integers(2, 140))
    if rng.random() < 0.15:
        columns = int(rng.integers(140, 700))
    x = np.arange(columns) / columns
    image = rng.normal(100, 10, (rows, columns)) + 400 * ((x > 0.3) & (x < 0.7))
    image += rng.choice([0, 600]) * (x > 0.9)
    kind = rng.choice(["uint16", "uint8", "float32", "float64", "int64", "coarse", "flat", "clip"])
    if kind == "coarse":
        return np.round(image / 100).astype(np.int16)
    if kind == "flat":
        return np.full((rows, columns), rng.choice([0.0, 7.5]))
    if kind == "clip":
        return np.clip(image, 0, 300).astype(np.uint16)
    image = np.clip(image, 0, None) / (8 if kind == "uint8" else 1)
    image = image.astype(kind)
    if image.dtype.kind == "f":
        missing = rng.choice(["none", "some", "row", "column", "all"])
        if missing == "some":
            image[rng.random(image.shape) < 0.1] = np.nan
        elif missing == "row":
            image[rng.integers(rows)] = np.nan
        elif missing == "column":
            image[:, rng.integers(columns)] = np.nan
        elif missing == "all":
            image[:] = np.nan
    return image


def random_params(rng: np.random.Generator, columns: int) -> dict[str, Any]:
    choices: dict[str, list[Any]] = {
        "window_rows_odd": [1, 3, 5, 11, 41],
        "stride": [1, 1, 2, 7],
        "binning_method": ["mean", "median"],
        "polarity": ["bright_on_dark", "dark_on_bright"],
        "diameter_method": ["threshold_width", "gradient_edges"],
        "post_filter_kernel_size": [3, 5, 21, 101],
        "threshold_mode": ["half_max", "absolute"],
        "threshold_value": [0.0, 150.0, 300.0],
        "gradient_sigma": [0.0, 0.1, 0.7, 1.5, min(5.0, columns)],
        "gradient_min_edge_strength": [0.0, 0.02, 50.0],
        "enable_motion_gating": [True, True, False],
        "max_edge_shift_um": [0.0, 1.0, 2.0, 8.0],
        "max_diameter_change_um": [0.0, 1.0, 2.0],
        "max_center_shift_um": [0.0, 0.5, 2.0],
    }
    drawn = {name: values[rng.integers(len(values))] for name, values in choices.items()}
    return {**DEFAULTS, **drawn}


def check_configurations(num: int, seed: int) -> None:
    rng = np.random.default_rng(seed)
    dx_um = 0.31
    limits = ("max_edge_shift_um", "max_diameter_change_um", "max_center_shift_um")
    for case in range(num):
        image = random_image(rng)
        params = random_params(rng, image.shape[1])
        expected = reference_diameter(image, params, dx_um=dx_um)
        for backend in BACKENDS:
            rows = measure(image, settings_of(params), backend)
            gated = [np.zeros(rows.left.size, bool)] * 3
            if params["diameter_method"] == "gradient_edges" and params["enable_motion_gating"]:
                limits_px = [params[name] / dx_um for name in limits]
                gated = list(
                    gate_edges((rows.left, rows.right), (limits_px[0], limits_px[1], limits_px[2]))
                )
            diameter = rows.right - rows.left
            found = {
                "left_edge_px": rows.left,
                "right_edge_px": rows.right,
                "diameter_px": diameter,
                "diameter_px_filt": edges_exact.running_median(
                    diameter, params["post_filter_kernel_size"]
                ),
                "peak": rows.peak,
                "baseline": rows.baseline,
                "sum_intensity": rows.total,
                "edge_strength_left": rows.strength_left,
                "edge_strength_right": rows.strength_right,
                "qc_score": rows.score,
                "qc_edge_violation": rows.edge_violation | gated[0],
                "qc_diameter_violation": gated[1],
                "qc_center_violation": gated[2],
            }
            for name, values in found.items():
                text = f"{name}, case {case} of seed {seed}, {backend}, {image.dtype}, {params}"
                np.testing.assert_array_equal(values, expected[name], err_msg=text)


def test_both_backends_equal_the_reference() -> None:
    check_configurations(100, seed=1)


@pytest.mark.slow
@pytest.mark.parametrize("seed", range(2, 12))
def test_both_backends_equal_the_reference_in_many_configurations(seed: int) -> None:
    check_configurations(120, seed)


@pytest.mark.parametrize("backend", BACKENDS)
@pytest.mark.parametrize("method", ["threshold_width", "gradient_edges"])
def test_rows_at_the_seams_of_chunks_are_as_all_others(backend: Backend, method: Any) -> None:
    rng = np.random.default_rng(5)
    x = np.arange(600)
    image = (rng.normal(100, 10, (1400, 600)) + 300 * ((x > 150) & (x < 400))).astype(np.uint16)
    settings = EdgeSettings(method, window_rows=9, stride=3)
    whole = measure(image, settings, backend)
    assert len(list(iter_exact_edges(image, settings, backend=backend))) > 2
    around = slice(360, 540)
    part = measure(image[around], settings, backend)
    inside = slice(2, -2)  # beyond the half windows at the ends of the part
    for name in FIELDS:
        np.testing.assert_array_equal(
            getattr(part, name)[inside], getattr(whole, name)[120:180][inside], err_msg=name
        )


@pytest.mark.parametrize("backend", BACKENDS)
def test_memory_does_not_grow_with_the_number_of_lines(backend: Backend) -> None:
    image = np.random.default_rng(0).integers(0, 4000, (12_000, 512)).astype(np.uint16)
    settings = EdgeSettings("gradient_edges")
    measure(image[:20], settings, backend)

    def extra_bytes(rows: int) -> int:
        tracemalloc.start()
        for _ in iter_exact_edges(image[:rows], settings, backend=backend):
            pass
        peak = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
        return peak

    few, many = extra_bytes(3_000), extra_bytes(12_000)
    assert many < 1.1 * few
    assert many < 32 * 2**20


def test_infinite_and_absurd_pixels_count_as_missing() -> None:
    image = np.tile(np.where((np.arange(40) > 9) & (np.arange(40) < 30), 50.0, 5.0), (5, 1))
    image[:, 20] = np.nan
    expected = measure(image, EdgeSettings(), "numpy")
    for value in (np.inf, -np.inf, 1e300):
        image[:, 20] = value
        found = measure(image, EdgeSettings(), "numba")
        for name in FIELDS:
            np.testing.assert_array_equal(getattr(found, name), getattr(expected, name))


def test_a_profile_without_pixels_has_no_edges() -> None:
    rows = measure(np.full((3, 20), np.nan), EdgeSettings("gradient_edges"), "numba")
    assert np.isnan(rows.left).all()
    assert np.isnan(rows.right).all()
    assert rows.edge_violation.all()
    np.testing.assert_allclose(rows.score, 0.35)


@pytest.mark.parametrize(
    ("shape", "settings", "words"),
    [
        ((0, 10), EdgeSettings(), "at least 1 line"),
        ((10, 1), EdgeSettings(), "2 pixels"),
        ((10,), EdgeSettings(), "2-D"),
        ((10, 10), EdgeSettings(window_rows=4), "odd"),
        ((10, 10), EdgeSettings(stride=0), "stride"),
        ((10, 10), EdgeSettings("gradient_edges", sigma_px=1e6), "smoothing"),
        ((10, 10), EdgeSettings(level=np.nan), "threshold"),
    ],
)
def test_what_cannot_be_measured_is_refused_in_words(
    shape: tuple[int, ...], settings: EdgeSettings, words: str
) -> None:
    with pytest.raises(ValueError, match=words):
        iter_exact_edges(np.zeros(shape), settings)


@pytest.mark.parametrize("size", [3, 5, 101])
def test_the_running_median_skips_what_is_missing(size: int) -> None:
    values = np.random.default_rng(size).normal(size=60)
    values[[0, 7, 8, 9, 30, 59]] = np.nan
    np.testing.assert_array_equal(
        edges_exact.running_median(values, size), running_median(values, size)
    )
