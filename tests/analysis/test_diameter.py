"""diameter: columns, methods, reasons and summaries, against files and synthetic truth."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
import pytest
import tifffile

from napari_bloodflow import AcqImage, Calibration, RectRoiBounds, RunContext
from napari_bloodflow.analysis.base import AnalysisInputs, AnalysisResult, AnalysisState
from napari_bloodflow.analysis.diameter import Diameter
from napari_bloodflow.errors import AnalysisError, ParameterError
from napari_bloodflow.synthetic import (
    SyntheticKymograph,
    vessel_with_diameter_changes,
    write_tiff,
)

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

KNOWN = Calibration(0.002, 0.25, "user", is_known=True)


def measure(
    image: np.ndarray[Any, Any], calibration: Calibration = KNOWN, **params: Any
) -> AnalysisResult:
    rows, columns = image.shape
    state = AnalysisState(calibration, (0, rows, 0, columns), (rows, columns))
    steps = Diameter.measure(AnalysisInputs(image, state), Diameter.check_params(params))
    return RunContext().drain(steps)


def table_of(result: AnalysisResult) -> pd.DataFrame:
    assert result.table is not None
    return result.table


def vessel(**options: Any) -> SyntheticKymograph:
    return vessel_with_diameter_changes(
        **{"num_rows": 1500, "dx_um": 0.25, "diameter_um": 10.0, "edge_blur_um": 0.4, **options}
    )


@pytest.mark.parametrize("era", ["may2026", "aug2026"])
def test_every_stored_number_of_cloudscope_is_found_again(cloudscope_data: Path, era: str) -> None:
    path = cloudscope_data / era / "k02_diameter_bright.tif"
    image = tifffile.imread(path)
    stored = pd.read_csv(f"{path}.diameter.csv")
    sidecar = json.loads((path.parent / f"{path.name}.json").read_text())
    records, rois = sidecar["analysis"], {roi["roi_id"]: roi["data"] for roi in sidecar["rois"]}
    assert len(records) == 5
    for record in records:
        expected = stored[stored["roi_id"] == record["roi_id"]].drop(columns=["channel", "roi_id"])
        roi = rois[record["roi_id"]]
        pixels = image[roi["row_start"] : roi["row_stop"], roi["col_start"] : roi["col_stop"]]
        result = measure(pixels, Calibration(0.005, 0.5, "x", True), **record["detection_params"])
        assert tuple(table_of(result).columns) == Diameter.standard_columns
        pd.testing.assert_frame_equal(
            table_of(result), expected.reset_index(drop=True), check_exact=True
        )
        for name, value in record["summary"].items():
            if not name.startswith("analysis_"):
                found = np.nan if result.summary[name] is None else result.summary[name]
                assert found == pytest.approx(value, rel=1e-12, nan_ok=True), name


def test_a_stored_record_keeps_its_method_when_it_is_run_again(
    copy_fixture: Callable[[str], Path],
) -> None:
    acq = AcqImage(copy_fixture("cloudscope/aug2026") / "k02_diameter_bright.tif")
    before = acq.analysis_set[("diameter", 0, 3)]
    assert before.detection_params["diameter_method"] == "gradient_edges"
    expected = before.result.table
    after = acq.analysis_set.run_analysis(("diameter", 0, 3))
    assert after.detection_params["diameter_method"] == "gradient_edges"
    assert expected is not None
    pd.testing.assert_frame_equal(table_of(after.result), expected, check_dtype=False)


def test_new_work_is_measured_between_pixels() -> None:
    truth = vessel()
    result = measure(truth.image)
    table = table_of(result)
    assert tuple(table.columns) == Diameter.standard_columns + Diameter.own_columns
    assert truth.diameter_um is not None
    error_px = (table["diameter_um"] - truth.diameter_um) / truth.dx_um
    assert abs(error_px.mean()) < 0.03
    assert np.sqrt((error_px**2).mean()) < 0.19
    assert table["accepted"].mean() > 0.99
    inside = (error_px.abs() * truth.dx_um < 1.96 * table["diameter_um_sd"]).mean()
    assert 0.92 < inside < 0.97


def test_edges_and_diameters_agree_in_every_row() -> None:
    image = vessel().image
    image[300:310, :48] = image[0, 0]
    for optical_model in ("flat", "cylinder"):
        table = table_of(measure(image, optical_model=optical_model))
        for end in ("", "_filt"):
            width = table[f"right_edge_um{end}"] - table[f"left_edge_um{end}"]
            np.testing.assert_allclose(table[f"diameter_um{end}"], width, atol=1e-9)


def test_the_summary_is_of_accepted_rows_only_and_says_how_many() -> None:
    image = vessel().image
    image[400:404] = np.roll(image[400:404], 3, axis=1)
    image[600:700] = image[0, 0]
    result = measure(image)
    table, summary = table_of(result), result.summary
    accepted = table.loc[table["accepted"], "diameter_um"]
    assert 0 < summary["num_accepted_rows"] == len(accepted) < len(table) == summary["num_rows"]
    assert summary["diameter_um_median"] == pytest.approx(accepted.median())
    low, high = accepted.quantile([0.25, 0.75])
    assert summary["pulsatility_iqr"] == pytest.approx((high - low) / accepted.median())
    assert sum(summary["num_rows_by_status"].values()) == len(table)
    assert summary["num_rows_by_status"]["ok"] == len(accepted)


def test_a_dark_vessel_measures_as_a_bright_one() -> None:
    image = vessel().image.astype(np.int32)
    bright = table_of(measure(image))
    dark = table_of(measure(5000 - image, polarity="dark_on_bright"))
    np.testing.assert_allclose(dark["diameter_um"], bright["diameter_um"], atol=1e-6)
    np.testing.assert_allclose(dark["peak"], 5000 - bright["peak"])


def test_the_fit_is_better_for_a_narrow_vessel() -> None:
    truth = vessel(diameter_um=2.5, vasomotion=0.02, dilation=0.0, snr=32.0)
    assert truth.diameter_um is not None
    table = table_of(measure(truth.image, refinement="erf"))
    error_px = (table["diameter_um"] - truth.diameter_um) / truth.dx_um
    assert np.sqrt((error_px**2).mean()) < 0.06


def test_a_projected_vessel_has_its_true_size() -> None:
    from napari_bloodflow.analysis.kernels.vessel_optics import vessel_profile

    x = np.arange(128) - 63.3
    for diameter_px in (16.0, 40.0):
        profile = vessel_profile(x, diameter_px, 1.6258, "cylinder")
        image = np.tile(1000 * profile + 100, (40, 1))
        image += np.random.default_rng(0).normal(0, 1, image.shape)
        as_seen = measure(image).summary["diameter_um_median"] / KNOWN.dx_um
        assert as_seen < 0.9 * diameter_px
        result = measure(image, optical_model="cylinder")
        found = result.summary["diameter_um_median"] / KNOWN.dx_um
        assert found == pytest.approx(diameter_px, rel=0.01)


def test_walls_are_found_by_their_tops() -> None:
    x = np.arange(100.0)
    rng = np.random.default_rng(2)
    left, right = 25.3 + rng.normal(0, 0.3, 300), 70.8 + rng.normal(0, 0.3, 300)
    image = sum(np.exp(-0.5 * ((x - e[:, np.newaxis]) / 1.6) ** 2) for e in (left, right))
    image = 1000 * image + rng.normal(100, 20, image.shape)
    table = table_of(measure(image, label="wall", window_rows_odd=1))
    error = table["diameter_px"] - (right - left)
    assert np.sqrt((error**2).mean()) < 0.15
    assert table["diameter_um_sd"].isna().all()


def test_an_edge_that_leaves_the_line_is_missing_and_says_which() -> None:
    image = vessel().image
    image[:500] = np.roll(image[:500], -20, axis=1)
    table = table_of(measure(image[:, :62]))
    gone = table.loc[540:]
    assert gone["diameter_um"].isna().all()
    assert set(gone["status"]) == {"right_edge_missing"}
    assert table.loc[:460, "accepted"].mean() > 0.98


def test_clipped_pixels_are_flagged_and_not_accepted() -> None:
    image = np.minimum(vessel().image, 1200).astype(np.uint16)
    result = measure(image)
    assert (table_of(result)["status"] == "clipped").mean() > 0.95
    assert result.summary["num_accepted_rows"] < 75


@pytest.mark.parametrize("value", [0, 7, 65535, np.nan, np.inf])
def test_an_image_without_a_vessel_has_no_diameter(value: float) -> None:
    image = np.full((40, 30), value, np.float64)
    result = measure(image)
    assert table_of(result)["diameter_um"].isna().all()
    assert set(table_of(result)["status"]) == {"no_vessel"}
    assert result.summary["diameter_um_mean"] is None
    assert result.summary["num_accepted_rows"] == 0
    for method in ("threshold_width", "gradient_edges"):
        table = table_of(measure(image, diameter_method=method))
        assert table["diameter_um"].isna().all()
        assert table["qc_edge_violation"].all()


def test_noise_alone_has_hardly_an_accepted_row() -> None:
    image = np.random.default_rng(4).normal(1000, 50, (2000, 100))
    assert table_of(measure(image))["accepted"].mean() < 0.01


@pytest.mark.parametrize("method", ["guided_half_max", "threshold_width", "gradient_edges"])
def test_a_single_line_can_be_measured(method: str) -> None:
    x = np.arange(60)
    line = np.where((x > 19) & (x < 40), 900.0, 100.0)[np.newaxis]
    table = table_of(measure(line, diameter_method=method))
    assert len(table) == 1
    assert table["diameter_px"][0] == pytest.approx(20, abs=1.01)


@pytest.mark.parametrize("method", ["guided_half_max", "threshold_width", "gradient_edges"])
@pytest.mark.parametrize("shape", [(0, 10), (10, 0), (10, 1)])
def test_a_roi_too_small_is_refused_in_words(shape: tuple[int, int], method: str) -> None:
    with pytest.raises(AnalysisError, match="at least 1 line and 2 pixels"):
        measure(np.zeros(shape), diameter_method=method)


@pytest.mark.parametrize(
    "params",
    [
        {"window_rows_odd": 4},
        {"window_rows_odd": -1},
        {"stride": 0},
        {"post_filter_kernel_size": 1},
        {"hampel_rows_odd": 50},
        {"gradient_sigma": -1.0},
        {"gradient_sigma": float("nan")},
        {"edge_blur_px": 1e9},
        {"section_depth_um": 0.0},
        {"max_edge_shift_um": -2.0},
        {"diameter_method": "magic"},
        {"unknown": 1},
    ],
)
def test_absurd_parameters_are_refused_by_name(params: dict[str, Any]) -> None:
    with pytest.raises(ParameterError, match=next(iter(params))):
        Diameter.check_params(params)


def test_a_threshold_that_is_no_number_is_refused() -> None:
    with pytest.raises(AnalysisError, match="threshold"):
        measure(
            vessel().image,
            diameter_method="threshold_width",
            threshold_mode="absolute",
            threshold_value=float("nan"),
        )


def test_without_calibration_the_result_is_in_pixels() -> None:
    result = measure(vessel().image, Calibration())
    assert result.summary["diameter_unit"] == "px"
    table = table_of(result)
    np.testing.assert_array_equal(table["diameter_um"], table["diameter_px"])


def test_progress_comes_while_it_measures_and_ends_whole() -> None:
    image = vessel(num_rows=20_000).image
    for method in ("guided_half_max", "threshold_width"):
        seen: list[float] = []
        state = AnalysisState(KNOWN, (0, 20_000, 0, 96), image.shape)
        params = Diameter.check_params({"diameter_method": method})
        context = RunContext(progress=lambda step, seen=seen: seen.append(step.fraction))
        context.drain(Diameter.measure(AnalysisInputs(image, state), params))
        assert len(seen) > 5
        assert seen == sorted(seen)
        assert seen[-1] == 1.0


def test_data_without_noise_are_accepted() -> None:
    truth = vessel(num_rows=300, snr=np.inf)
    result = measure(truth.image)
    assert set(table_of(result)["status"]) == {"ok"}


def test_rows_in_the_shadow_of_a_cell_are_told_and_measured() -> None:
    truth = vessel(num_rows=600, vasomotion=0.0, dilation=0.0, snr=12.0)
    image = truth.image.astype(np.float64)
    assert truth.left_edge_px is not None
    left = float(truth.left_edge_px[0])
    dark = 1 - 0.6 * np.exp(-(((np.arange(image.shape[1]) - left - 3) / 8) ** 4))
    outside = float(np.median(image[:, : int(left) - 6]))
    image[300:315] = outside + (image[300:315] - outside) * dark
    result = measure(image)
    table = table_of(result)
    assert table["qc_shadow"].to_numpy()[302:313].all()
    assert result.summary["num_shadowed_rows"] == np.count_nonzero(table["qc_shadow"]) < 30
    assert truth.diameter_um is not None
    error_px = (table["diameter_um"].to_numpy() - truth.diameter_um) / truth.dx_um
    assert np.abs(error_px[302:313]).max() < 1.5
    assert table["diameter_um_sd"][302:313].mean() > table["diameter_um_sd"][:290].mean()


def test_guided_and_classic_rows_share_a_table(tmp_path: Path) -> None:
    truth = vessel(num_rows=200)
    path = tmp_path / "vessel.tif"
    write_tiff(truth, path)
    acq = AcqImage(path)
    methods = ("guided_half_max", "threshold_width", "gradient_edges", "guided_half_max")
    expected = {}
    for method in methods:
        rows = RectRoiBounds(0, 150 + len(expected), 0, truth.image.shape[1])
        key = ("diameter", 0, acq.rois.create(rows).roi_id)
        analysis = acq.analysis_set.run_analysis(key, {"diameter_method": method})
        expected[key] = table_of(analysis.result)
    acq.save()
    again = AcqImage(path)
    assert again.problems == ()
    for (key, table), method in zip(expected.items(), methods, strict=True):
        analysis = again.analysis_set[key]
        assert analysis.detection_params["diameter_method"] == method
        found = table_of(analysis.result)
        assert list(found.columns) == list(table.columns)
        pd.testing.assert_frame_equal(found, table, check_dtype=False, rtol=1e-12)
    # saved once more by a program that only looked
    again.rois.create()
    again.save()
    third = AcqImage(path)
    for key, table in expected.items():
        found = table_of(third.analysis_set[key].result)
        pd.testing.assert_frame_equal(found, table, check_dtype=False, rtol=1e-12)
