"""The sum intensity traces and peaks are the numbers CloudScope wrote."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import tifffile

from napari_bloodflow.analysis.kernels import intensity, peaks

_FOLDER = Path(__file__).parents[2] / "data" / "cloudscope" / "aug2026"


@pytest.mark.parametrize("name", ["k01_velocity.tif", "k04_sum_intensity.tif"])
def test_every_column_is_that_of_the_fixture(name: str) -> None:
    sidecar = json.loads((_FOLDER / f"{name}.json").read_text(encoding="utf-8"))
    table = pd.read_csv(_FOLDER / f"{name}.sum_intensity.csv")
    image = tifffile.imread(_FOLDER / name)
    rois = {roi["roi_id"]: roi["data"] for roi in sidecar["rois"]}
    records = [r for r in sidecar["analysis"] if r["analysis_name"] == "sum_intensity"]
    assert records
    for record in records:
        params, roi = record["detection_params"], rois[record["roi_id"]]
        rows = table[table["roi_id"] == record["roi_id"]]
        time_s, dt_s = rows["time_sec"].to_numpy(), record["summary"]["seconds_per_line"]
        part = image[roi["row_start"] : roi["row_stop"], roi["col_start"] : roi["col_stop"]]
        traces = {"sum_intensity": intensity.line_sums(part, params["window_radius_points"])}
        mean = traces["norm_sum_intensity"] = traces["sum_intensity"] / part.shape[1]
        size = params["median_filter_kernel_points"] if params["filter_method"] == "median" else 1
        trace = traces["filtered_norm_sum_intensity"] = intensity.running_median(mean, size)
        if params["detrend_method"] == "single_exponential":
            trace, problem = intensity.detrend_exponential(trace, time_s)
            assert problem is None
        traces["detrended_norm_sum_intensity"] = trace
        f0 = params["manual_f0_baseline"]
        if params["baseline_method"] == "percentile":
            f0 = intensity.baseline_f0(trace, params["baseline_percentile"])
        traces["df_f_signal"] = intensity.relative_change(trace, f0)
        traces["d_df_f_signal"] = np.gradient(traces["df_f_signal"], time_s)
        for column, values in traces.items():
            np.testing.assert_allclose(values, rows[column], rtol=1e-12, atol=1e-12)

        source = traces[params["detection_source"]]
        derivative = params["detection_method"] == "derivative_threshold"
        negative = params["polarity"] == "negative"
        onsets = peaks.find_onsets(
            np.gradient(source, time_s) if derivative else source,
            params["derivative_threshold_per_sec" if derivative else "absolute_threshold"],
            negative=negative,
            refractory_points=peaks.points_in(params["refractory_period_ms"], dt_s),
        )
        found = peaks.find_peaks_after(
            source,
            onsets,
            negative=negative,
            search_points=peaks.points_in(params["peak_search_window_ms"], dt_s),
        )
        events = record["summary"]["peak_events"]
        assert onsets.tolist() == [event["onset"]["index"] for event in events]
        assert found.tolist() == [event["peak"]["index"] for event in events]


def test_an_image_without_lines_is_refused() -> None:
    with pytest.raises(ValueError, match="lines and columns"):
        intensity.line_sums(np.zeros((0, 4)), 6)


def test_a_constant_trace_is_not_detrended_and_says_why() -> None:
    detrended, problem = intensity.detrend_exponential(np.ones(9), np.arange(9.0))
    np.testing.assert_array_equal(detrended, np.ones(9))
    assert problem is not None
