"""sum_intensity in units of noise: accuracy, bad input, reasons; decisions about peaks."""

from __future__ import annotations

import copy
import json
import math
from typing import Any

import numpy as np
import pandas as pd
import pytest

from napari_bloodflow import Calibration, RunContext
from napari_bloodflow.analysis.analysis_set import AnalysisSet
from napari_bloodflow.analysis.base import (
    AnalysisInputs,
    AnalysisKey,
    AnalysisResult,
    AnalysisState,
    Progress,
)
from napari_bloodflow.analysis.peak_records import Peak, read_peaks
from napari_bloodflow.analysis.sum_intensity import SumIntensity
from napari_bloodflow.analysis.sum_intensity_params import PRESETS, preset
from napari_bloodflow.errors import AnalysisCancelled, AnalysisError, ParameterError
from napari_bloodflow.synthetic import SyntheticKymograph, intensity_transients

KNOWN = Calibration(0.002, 0.5, "user", is_known=True)
FITTING = "fitting the bleaching curve"
KEY = AnalysisKey("sum_intensity", 0, 1)


class OneRoi:
    """A file with one channel and one ROI."""

    def __init__(self, image: np.ndarray[Any, Any], calibration: Calibration = KNOWN) -> None:
        self.image, self.calibration, self.first_line = image, calibration, 0

    def get_analysis_inputs(self, channel: int, roi_id: int) -> AnalysisInputs:
        state = self.get_analysis_state(channel, roi_id)
        return AnalysisInputs(self.image[self.first_line :], state)

    def get_analysis_state(
        self, channel: int, roi_id: int, *, with_pixels: bool = True
    ) -> AnalysisState:
        rows, columns = self.image.shape
        bounds = (self.first_line, rows, 0, columns)
        return AnalysisState(self.calibration, bounds, (rows, columns))


def run(image: np.ndarray[Any, Any], calibration: Calibration = KNOWN, **params: Any) -> Any:
    """Return the analysis after a run."""
    analyses = AnalysisSet(OneRoi(image, calibration))
    return analyses.run_analysis(KEY, params)


def table_of(analysis: SumIntensity) -> pd.DataFrame:
    assert analysis.result.table is not None
    return analysis.result.table


@pytest.fixture(scope="module")
def truth() -> SyntheticKymograph:
    return intensity_transients(seed=3)


@pytest.fixture
def measured(truth: SyntheticKymograph) -> SumIntensity:
    return run(truth.image)


# ---- measuring


def test_transients_are_found_with_times_and_heights(
    measured: SumIntensity, truth: SyntheticKymograph
) -> None:
    peaks = measured.peaks
    assert truth.onset_s is not None
    assert truth.peak_s is not None
    assert len(peaks) == truth.onset_s.size > 4
    np.testing.assert_allclose([p.onset_s for p in peaks], truth.onset_s, atol=0.015)
    np.testing.assert_allclose([p.peak_s for p in peaks], truth.peak_s, atol=0.04)
    assert np.median([p.amplitude for p in peaks]) == pytest.approx(0.5, rel=0.1)
    rises = [p.feature("rise_10_90_sec") for p in peaks]
    assert np.median([r for r in rises if r is not None]) == pytest.approx(0.029, rel=0.35)
    assert all(p.status == "ok" and p.strength is not None and p.strength > 10 for p in peaks)


def test_dimming_is_found_too() -> None:
    turned = intensity_transients(amplitude=(-0.5, -0.5), seed=3)
    measured = run(turned.image, polarity="negative")
    assert turned.onset_s is not None
    assert len(measured.peaks) == turned.onset_s.size
    assert all(p.amplitude is not None and p.amplitude > 0.3 for p in measured.peaks)


def test_the_table_has_the_standard_columns_first_and_then_ours(measured: SumIntensity) -> None:
    table = table_of(measured)
    assert tuple(table.columns) == SumIntensity.standard_columns + SumIntensity.own_columns
    assert table["time_sec"].tolist() == [i * 0.002 for i in range(5000)]
    marked = table[table["is_onset"] | table["is_peak"]]
    assert marked["peak_id"].tolist() == [p.peak_id for p in measured.peaks for _ in range(2)]
    assert marked["onset_index"].tolist() == [p.onset for p in measured.peaks for _ in range(2)]
    assert table.loc[~(table["is_onset"] | table["is_peak"]), "peak_id"].isna().all()


def test_noise_has_no_peaks_and_the_summary_says_how_noisy_it_is() -> None:
    quiet = intensity_transients(20_000, interval_s=1e6, line_noise=0.1, bleaching=0.0)
    measured = run(quiet.image)
    assert len(measured.peaks) <= 1
    summary = measured.result.summary
    assert summary["num_peaks"] == len(measured.peaks)
    table = table_of(measured)
    assert summary["quality"]["df_f_smooth_sd"] == pytest.approx(
        float(np.std(table["df_f_smooth"])), rel=0.15
    )


def test_a_summary_is_strict_json_and_says_what_it_was_made_from(measured: SumIntensity) -> None:
    text = json.dumps(measured.result.summary, allow_nan=False)
    made = json.loads(text)["provenance"]
    assert made["algorithm"] == "noise_scaled"
    assert made["roi_bounds"] == [0, 5000, 0, 32]
    assert made["dt_s"] == 0.002
    assert measured.stale_reasons == ()


def test_progress_is_told_and_cancelling_keeps_the_earlier_result(
    truth: SyntheticKymograph,
) -> None:
    analyses = AnalysisSet(OneRoi(truth.image))
    seen: list[Progress] = []
    analysis = analyses.run_analysis(KEY, context=RunContext(progress=seen.append))
    assert [p.fraction for p in seen] == sorted(p.fraction for p in seen)
    assert seen[-1].fraction == 1.0
    before = analysis.result
    with pytest.raises(AnalysisCancelled):
        analyses.run_analysis(KEY, context=RunContext(is_cancelled=lambda: len(seen) > 0))
    assert analysis.result is before


def test_a_fit_that_takes_long_can_be_cancelled() -> None:
    trend = np.linspace(100, 150, 200_000)
    noise = np.random.default_rng(1).normal(size=trend.size)
    texts: list[str] = []
    context = RunContext(
        progress=lambda p: texts.append(p.text), is_cancelled=lambda: texts.count(FITTING) > 1
    )
    analyses = AnalysisSet(OneRoi((trend + noise)[:, np.newaxis]))
    with pytest.raises(AnalysisCancelled):
        analyses.run_analysis(KEY, context=context)
    assert texts[-2:] == [FITTING] * 2


def test_methods_agree_on_the_standard_traces(truth: SyntheticKymograph) -> None:
    ours, exact = run(truth.image), run(truth.image, **PRESETS["cloudscope"])
    traces = list(SumIntensity.standard_columns[:9])
    pd.testing.assert_frame_equal(table_of(ours)[traces], table_of(exact)[traces])
    assert tuple(table_of(exact).columns) == SumIntensity.standard_columns


def test_presets_are_complete(truth: SyntheticKymograph) -> None:
    for name in PRESETS:
        assert set(preset(name)) == set(SumIntensity.params_model.model_fields)
        assert run(truth.image, **preset(name)).has_results
    with pytest.raises(ParameterError, match="there is no preset 'quick'; there is noise"):
        preset("quick")


# ---- bad input


@pytest.mark.parametrize("method", ["noise_scaled", "derivative_threshold", "absolute_threshold"])
@pytest.mark.parametrize(
    ("image", "fault"),
    [
        (np.ones((1, 20)), "one line"),
        (np.ones((0, 20)), "lines and columns"),
        (np.ones((20, 0)), "lines and columns"),
        (np.full((20, 5), np.nan), "missing pixels"),
        (np.full((20, 5), np.inf), "missing pixels"),
        (np.ones((20, 5), complex), "must be numbers"),
    ],
)
def test_what_cannot_be_measured_is_refused(
    method: str, image: np.ndarray[Any, Any], fault: str
) -> None:
    with pytest.raises(AnalysisError, match=fault):
        run(image, detection_method=method)


def test_without_a_line_period_nothing_is_measured(truth: SyntheticKymograph) -> None:
    with pytest.raises(AnalysisError, match="line period is not known"):
        run(truth.image, Calibration())


@pytest.mark.parametrize(
    "params",
    [
        {"window_radius_points": -1},
        {"median_filter_kernel_points": 10**9},
        {"baseline_percentile": 101.0},
        {"baseline_method": "manual", "manual_f0_baseline": 0.0},
        {"manual_f0_baseline": math.nan},
        {"baseline_min_value": 0.0},
        {"peak_search_window_ms": 0.0},
        {"refractory_period_ms": -1.0},
        {"width_search_window_ms": math.inf},
        {"level_fractions": "0.1,x"},
        {"level_fractions": ""},
        {"level_fractions": "0,0.5"},
        {"level_fractions": ",".join(["0.5"] * 51)},
        {"min_strength": 0.0},
        {"smoothing_ms": -1.0},
        {"rolling_baseline_s": 0.0},
        {"detection_source": "status"},
        {"colour": "red"},
    ],
)
def test_absurd_parameters_are_refused_by_name(params: dict[str, Any]) -> None:
    name = list(params)[-1]
    with pytest.raises(ParameterError, match=name):
        SumIntensity.check_params(params)


def test_a_smoothing_of_too_many_lines_is_refused(truth: SyntheticKymograph) -> None:
    with pytest.raises(AnalysisError, match="smoothing_ms"):
        run(truth.image, Calibration(1e-5, 0.5, "x", True), smoothing_ms=1000.0)


@pytest.mark.parametrize("method", ["noise_scaled", "derivative_threshold"])
@pytest.mark.parametrize("value", [0, 7, 255])
def test_a_constant_image_has_no_peaks_and_says_so(method: str, value: int) -> None:
    measured = run(np.full((200, 6), value, np.uint8), detection_method=method)
    summary = measured.result.summary
    assert measured.peaks == ()
    assert summary["quality"]["is_constant"]
    assert summary["status"] == "ok_with_warnings"
    assert summary["peak_amplitude_mean"] is None
    table = table_of(measured)
    if method == "noise_scaled":
        status = {0: "no_baseline", 7: "ok", 255: "saturated"}[value]
        assert set(table["status"]) == {status}
        assert table["df_f_smooth"].isna().all() == (status != "ok")


@pytest.mark.parametrize("size", [(2, 1), (2, 5), (3, 3), (500, 1)])
def test_tiny_and_narrow_rois_are_measured_without_a_guess(size: tuple[int, int]) -> None:
    image = np.random.default_rng(1).integers(90, 110, size, dtype=np.uint8)
    measured = run(image)
    assert measured.result.summary["num_timepoints"] == size[0]
    assert len(measured.peaks) <= 1


def test_missing_lines_are_gaps_and_a_peak_with_one_has_no_numbers(
    truth: SyntheticKymograph,
) -> None:
    clean = run(truth.image)
    image = truth.image.astype(np.float32)
    first, second = clean.peaks[:2]
    image[first.peak - 2, 5] = np.nan
    measured = run(image)
    table = table_of(measured)
    assert table.loc[table["status"] == "missing", "time_index"].tolist() == [first.peak - 2]
    assert table.loc[table["status"] != "ok", "df_f_smooth"].isna().all()
    assert table.loc[first.peak - 20 : first.peak + 20, "sum_intensity"].isna().sum() == 13
    assert measured.result.summary["quality"]["num_missing_lines"] == 1
    broken, whole = measured.peaks[:2]
    assert (broken.amplitude, broken.status) == (None, "missing_or_saturated_lines")
    assert broken.feature("auc") is None
    assert broken.record["level_crossings"][0]["status"] == "peak_not_found"
    assert whole.amplitude == pytest.approx(second.amplitude, rel=1e-3)
    assert measured.result.summary["status"] == "ok_with_warnings"


def test_saturated_peaks_have_no_numbers() -> None:
    bright = intensity_transients(line_noise=0.005, seed=3).image
    limit = 4095
    image = np.clip(bright.astype(float) * 1.25, 0, limit).astype(np.uint16)
    measured = run(image)
    quality = measured.result.summary["quality"]
    assert quality["saturation_level"] == limit
    saturated = table_of(measured)["status"] == "saturated"
    assert 0 < saturated.sum() == quality["num_saturated_lines"] < 1000
    states = {p.status for p in measured.peaks}
    assert states == {"ok", "missing_or_saturated_lines"}
    assert all((p.amplitude is None) == (p.status != "ok") for p in measured.peaks)


def test_a_black_background_has_no_df_f() -> None:
    image = np.zeros((2000, 8), np.int16)
    image[500:600] = 20
    image += np.random.default_rng(1).integers(-3, 3, image.shape, dtype=np.int16)
    measured = run(image)
    assert set(table_of(measured)["status"]) == {"no_baseline"}
    assert all(p.amplitude is None for p in measured.peaks)


def test_a_rise_that_smoothing_made_has_no_duration() -> None:
    image = np.full((3000, 4), 1000.0)
    image[1000:1300] *= 1.5
    image += np.random.default_rng(1).normal(0, 10, image.shape)
    (peak,) = run(image).peaks
    assert peak.feature("rise_10_90_sec") is None
    assert peak.record["features"]["rise_10_90_sec"]["reason"] == "not_resolved_after_smoothing"
    assert peak.amplitude == pytest.approx(0.5, abs=0.03)


# ---- decisions


def places(measured: SumIntensity) -> list[tuple[int, int]]:
    return [(p.onset, p.peak) for p in measured.peaks]


def run_again(measured: SumIntensity, **params: Any) -> None:
    assert measured._set is not None
    measured._set.run_analysis(KEY, params)


def test_a_rejected_peak_stays_away_until_it_is_restored(measured: SumIntensity) -> None:
    before = places(measured)
    measured.reject(2)
    for _ in range(2):
        assert places(measured) == before[:1] + before[2:]
        assert [(p.onset, p.peak) for p in measured.rejected_peaks] == before[1:2]
        assert measured.result.summary["num_peaks"] == len(before) - 1
        run_again(measured, window_radius_points=2)
    restored = measured.restore(measured.rejected_peaks[0])
    assert restored.decision == "accepted"
    assert places(measured) == before
    assert measured.rejected_peaks == ()
    with pytest.raises(AnalysisError, match="none of its rejected peaks"):
        measured.restore(restored)


def test_accepted_peaks_stay_when_a_run_does_not_find_them(measured: SumIntensity) -> None:
    first = measured.accept(1)
    assert (first.decision, first.origin) == ("accepted", "detected")
    run_again(measured, min_strength=500.0)
    assert places(measured) == [(first.onset, first.peak)]
    assert measured.peaks[0].amplitude == pytest.approx(first.amplitude)


def test_peaks_added_by_hand_are_measured_and_kept(measured: SumIntensity) -> None:
    count = len(measured.peaks)
    last = measured.peaks[-1]
    added = measured.add(last.onset_s - 0.31, last.onset_s - 0.25)
    assert (added.origin, added.decision, added.peak_id) == ("manual", "accepted", count + 1)
    assert added.peak - added.onset == 30
    assert set(added.record["features"]) == set(last.record["features"])
    assert bool(table_of(measured).loc[added.onset, "is_onset"])
    run_again(measured)
    assert len(measured.peaks) == count + 1
    assert [p.origin for p in measured.peaks][-2:] == ["manual", "detected"]
    assert [p.peak_id for p in measured.peaks] == list(range(1, count + 2))
    measured.reject(count)
    assert measured.rejected_peaks == ()
    run_again(measured)
    assert len(measured.peaks) == count


def test_a_moved_peak_replaces_the_detected_one(measured: SumIntensity) -> None:
    second = measured.peaks[1]
    moved = measured.move(2, onset_s=second.onset_s - 0.1)
    assert (moved.origin, moved.decision) == ("edited", "accepted")
    assert (moved.onset, moved.peak) == (second.onset - 50, second.peak)
    assert moved.found == (second.onset, second.peak)
    measured.move(2, peak_s=second.onset_s - 0.05)
    before = places(measured)
    run_again(measured)
    assert places(measured) == before
    measured.reject(2)
    assert [(p.onset, p.peak) for p in measured.rejected_peaks] == [(second.onset, second.peak)]


def test_intervals_and_statistics_follow_edits(measured: SumIntensity) -> None:
    first, second, third = measured.peaks[:3]
    measured.reject(2)
    intervals = measured.peaks[1].record["intervals"]
    expected = third.onset_s - first.onset_s
    assert intervals["onset_to_onset_interval_sec"] == pytest.approx(expected)
    heights = [p.amplitude for p in measured.peaks]
    assert measured.result.summary["peak_amplitude_mean"] == pytest.approx(np.mean(heights))
    flags = table_of(measured)
    assert not flags.loc[second.onset, "is_onset"]
    assert flags["is_peak"].sum() == len(measured.peaks)
    assert measured.stale_reasons == ()


def test_decisions_stand_on_their_lines_when_the_roi_begins_elsewhere(
    truth: SyntheticKymograph,
) -> None:
    source = OneRoi(truth.image)
    analyses = AnalysisSet(source)
    measured = analyses.run_analysis(KEY)
    assert isinstance(measured, SumIntensity)
    added, gone = measured.add(3.0, 3.05), measured.peaks[-1]
    measured.reject(gone.peak_id)
    for first_line in (100, 2000, 0):
        source.first_line = first_line
        analyses.run_analysis(KEY)
        found = [p.onset + first_line for p in measured.peaks if p.origin == "manual"]
        assert found == ([] if first_line == 2000 else [added.onset])
        assert [p.onset + first_line for p in measured.rejected_peaks] == [gone.onset]
        assert not any(abs(p.peak + first_line - gone.peak) < 5 for p in measured.peaks)


@pytest.mark.parametrize(
    ("onset_s", "peak_s", "fault"),
    [
        (2.0, 2.0, "must be before the peak"),
        (2.0, 1.0, "must be before the peak"),
        (-1.0, 1.0, "outside the ROI"),
        (1.0, 11.0, "outside the ROI"),
        (math.nan, 1.0, "outside the ROI"),
    ],
)
def test_peaks_that_cannot_be_are_refused(
    measured: SumIntensity, onset_s: float, peak_s: float, fault: str
) -> None:
    before = measured.result
    with pytest.raises(AnalysisError, match=fault):
        measured.add(onset_s, peak_s)
    assert measured.result is before


def test_two_peaks_cannot_have_one_onset(measured: SumIntensity) -> None:
    first, second = measured.peaks[:2]
    assert first.peak_s is not None
    with pytest.raises(AnalysisError, match="peak 1 has this onset already"):
        measured.add(first.onset_s, first.peak_s + 0.1)
    with pytest.raises(AnalysisError, match="peak 1 has this onset already"):
        measured.move(2, onset_s=first.onset_s)
    assert measured.move(2, onset_s=second.onset_s).onset == second.onset


def test_there_must_be_such_a_peak(measured: SumIntensity) -> None:
    for act in (measured.accept, measured.reject, measured.move):
        with pytest.raises(AnalysisError, match="there is no peak 77; there is 1, 2"):
            act(77)


def test_a_result_out_of_date_is_not_edited(truth: SyntheticKymograph) -> None:
    source = OneRoi(truth.image)
    measured = AnalysisSet(source).run_analysis(KEY)
    assert isinstance(measured, SumIntensity)
    source.calibration = Calibration(0.004, 0.5, "user", is_known=True)
    with pytest.raises(AnalysisError, match=r"the calibration changed.*run it again first"):
        measured.reject(1)


def test_edits_made_while_it_runs_are_not_lost(measured: SumIntensity) -> None:
    analyses = measured._set
    assert analyses is not None
    prepared = analyses.prepare(KEY)
    result = RunContext().drain(prepared.steps())
    measured.reject(1)
    with pytest.raises(AnalysisError, match="edited while it was being measured"):
        analyses.commit(prepared, result)
    assert len(measured.rejected_peaks) == 1


# ---- reading


def test_peaks_are_read_back_from_json(measured: SumIntensity) -> None:
    measured.move(1, onset_s=measured.peaks[0].onset_s - 0.01)
    measured.reject(2)
    summary = json.loads(json.dumps(measured.result.summary, allow_nan=False))
    assert read_peaks(summary["peak_events"]) == (measured.peaks, ())
    again = SumIntensity(KEY, measured.detection_params)
    again.set_result(AnalysisResult(summary, measured.result.table))
    assert again.peaks == measured.peaks
    assert again.rejected_peaks == measured.rejected_peaks


def _set(*path: str, to: Any) -> Any:
    def edit(record: Any) -> Any:
        part = record = copy.deepcopy(record)
        for name in path[:-1]:
            part = part[name]
        part[path[-1]] = to
        return record

    return edit


@pytest.mark.parametrize(
    ("edit", "fault"),
    [
        (lambda _: "text", "is not an object"),
        (_set("onset", to=None), "has no onset"),
        (_set("onset", "index", to=1.5), "index is 1.5"),
        (_set("onset", "index", to=-3), "index is -3"),
        (_set("onset", "time_sec", to="x"), 'time_sec is "x"'),
        (_set("onset", "time_sec", to=None), "no time"),
        (_set("peak", "amplitude", to=True), "amplitude is true"),
        (_set("peak_id", to=0), "peak_id is 0"),
        (_set("peak_id", to=1), "peak_id 1 is already taken"),
        (_set("features", to=[]), "no features"),
        (_set("decision", to="maybe"), 'decision "maybe"'),
    ],
)
def test_a_bad_peak_costs_no_other_and_survives_edits(
    measured: SumIntensity, edit: Any, fault: str
) -> None:
    summary = copy.deepcopy(measured.result.summary)
    bad = summary["peak_events"][2] = edit(summary["peak_events"][2])
    measured.set_result(AnalysisResult(summary, measured.result.table))
    assert len(measured.peaks) == summary["num_peaks"] - 1
    ((where, what, _),) = measured.stored_problems
    assert where == "summary.peak_events[2]"
    assert fault in what
    measured.accept(1)
    assert repr(bad) in map(repr, measured.result.summary["peak_events"])
    run_again(measured)
    assert measured.stored_problems == ()


@pytest.mark.parametrize("found", ["many", {"decision": "rejected"}, [5], [{"onset_index": 1}]])
def test_decisions_that_cannot_be_read_are_left_out(measured: SumIntensity, found: Any) -> None:
    summary = {**measured.result.summary, "peak_decisions": found}
    measured.set_result(AnalysisResult(summary, measured.result.table))
    assert measured.rejected_peaks == ()
    before = places(measured)
    run_again(measured)
    assert places(measured) == before


def test_the_same_peak_is_recognised_after_small_changes() -> None:
    here = Peak(100, 120)
    assert here.is_at(Peak(90, 123), 5)
    assert here.is_at(Peak(105, 130), 5)
    assert not here.is_at(Peak(119, 140), 5)
    assert here.is_at(Peak(500, 520, found=(101, 121)), 5)
