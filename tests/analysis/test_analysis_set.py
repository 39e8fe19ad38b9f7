"""AnalysisSet: keys, parameters, runs that change nothing unless they finish, staleness."""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest

from napari_bloodflow import AnalysisKey, Calibration, RunContext
from napari_bloodflow.analysis.analysis_set import AnalysisSet
from napari_bloodflow.analysis.base import AnalysisInputs, AnalysisState, Progress
from napari_bloodflow.analysis.diameter import Diameter
from napari_bloodflow.analysis.stored import StoredAnalysis
from napari_bloodflow.errors import AnalysisCancelled, AnalysisError
from napari_bloodflow.synthetic import moving_streaks

if TYPE_CHECKING:
    from numpy.typing import NDArray

KEY = AnalysisKey("radon_velocity", 0, 1)


class OneRoi:
    """A file with one ROI that covers its image."""

    def __init__(self, image: NDArray[Any]) -> None:
        self.image = image
        self.calibration = Calibration(0.001, 0.5, "user", is_known=True)
        self.columns = (0, image.shape[1])
        self.exists = True

    def get_analysis_inputs(self, channel: int, roi_id: int) -> AnalysisInputs:
        state = self.get_analysis_state(channel, roi_id)
        if state is None:
            raise ValueError(f"there is no ROI {roi_id}")
        return AnalysisInputs(self.image[:, slice(*self.columns)], state)

    def get_analysis_state(self, channel: int, roi_id: int) -> AnalysisState | None:
        if roi_id != 1 or not self.exists:
            return None
        rows, columns = self.image.shape
        return AnalysisState(self.calibration, (0, rows, *self.columns), (rows, columns))


@pytest.fixture
def source() -> OneRoi:
    streaks = moving_streaks(
        512,
        40,
        dt_s=0.001,
        dx_um=0.5,
        velocity_um_per_s=750.0,
        cell_spacing_um=5.0,
        cell_width_um=2.0,
        seed=1,
    )
    return OneRoi(streaks.image)


DEFAULTS = {
    "window_width": 64,
    "method": "normalized",
    "step_fraction": 0.25,
    "background": "record",
    "smoothing_um": 0.5,
    "min_overlap_px": 0,
    "speed_min": 0.0,
    "speed_max": 0.0,
    "direction": "any",
    "min_confidence": 0.8,
    "pixel_dwell_us": 0.0,
    "scan_direction": "positive",
}


@pytest.fixture
def analyses(source: OneRoi) -> AnalysisSet:
    return AnalysisSet(source)


def test_a_run_creates_measures_and_announces(analyses: AnalysisSet) -> None:
    seen: list[tuple[str, AnalysisKey]] = []
    analyses.added.connect(lambda key: seen.append(("added", key)))
    analyses.updated.connect(lambda key: seen.append(("updated", key)))
    analysis = analyses.run_analysis(KEY, {"window_width": 32})
    assert seen == [("added", KEY), ("updated", KEY)]
    assert analyses.as_list() == [analysis]
    assert analyses.get(KEY) is analysis
    assert analysis.detection_params == {**DEFAULTS, "window_width": 32}
    assert analysis.result.summary["velocity_mean"] == pytest.approx(750, rel=0.1)
    assert analyses.is_dirty


def test_progress_goes_from_none_to_all(analyses: AnalysisSet) -> None:
    seen: list[Progress] = []
    analyses.run_analysis(KEY, {"window_width": 16}, RunContext(progress=seen.append))
    assert seen[0].done == 0
    assert seen[-1].fraction == 1
    assert [p.done for p in seen] == sorted(p.done for p in seen)


def test_a_cancelled_run_leaves_the_earlier_result(analyses: AnalysisSet) -> None:
    earlier = analyses.run_analysis(KEY, {"window_width": 32}).result
    cancel = threading.Event()
    context = RunContext(progress=lambda _: cancel.set(), is_cancelled=cancel.is_set)
    with pytest.raises(AnalysisCancelled, match="earlier result is kept"):
        analyses.run_analysis(KEY, {"window_width": 16}, context)
    analysis = analyses[KEY]
    assert analysis.result is earlier
    assert analysis.detection_params == {**DEFAULTS, "window_width": 32}


def test_a_failed_first_run_leaves_nothing_behind(analyses: AnalysisSet) -> None:
    with pytest.raises(AnalysisError, match="2048"):
        analyses.run_analysis(KEY, {"window_width": 2048})
    assert len(analyses) == 0
    assert not analyses.is_dirty


@pytest.mark.parametrize(
    "params", [{"window_width": 13}, {"window_width": "wide"}, {"width": 16}, {"window_width": 4}]
)
def test_bad_parameters_are_named(analyses: AnalysisSet, params: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match=next(iter(params))):
        analyses.create(KEY, params)
    assert len(analyses) == 0


def test_a_fresh_record_lists_every_parameter(analyses: AnalysisSet) -> None:
    assert analyses.create(KEY).detection_params == DEFAULTS


def test_parameters_are_changed_by_name_only_through_the_method(analyses: AnalysisSet) -> None:
    analysis = analyses.create(KEY)
    with pytest.raises(TypeError):
        analysis.detection_params["window_width"] = 16  # type: ignore[index]
    analysis.update_detection_params({"window_width": 16})
    assert analysis.detection_params["window_width"] == 16
    assert analyses.get_or_create(KEY, {"window_width": 128}) is analysis
    assert analysis.detection_params["window_width"] == 128


def test_the_same_analysis_cannot_be_created_twice(analyses: AnalysisSet) -> None:
    analyses.create(KEY)
    with pytest.raises(AnalysisError, match="already an analysis radon_velocity"):
        analyses.create(KEY)


def test_unknown_kinds_are_refused_and_say_what_there_is(analyses: AnalysisSet) -> None:
    with pytest.raises(AnalysisError, match=r"'magic' is not an analysis .* radon_velocity"):
        analyses.run_analysis(("magic", 0, 1))


def test_one_primary_analysis_per_roi_so_that_cloudscope_can_read_the_file(
    analyses: AnalysisSet,
) -> None:
    analyses.adopt(Diameter(AnalysisKey("diameter", 0, 1)))
    with pytest.raises(AnalysisError, match="already has diameter"):
        analyses.create(KEY)


def test_stored_kinds_are_kept_and_not_run(analyses: AnalysisSet) -> None:
    key = AnalysisKey("pressure", 0, 1)
    analyses.adopt(StoredAnalysis(key, {"pre_post_win_sec": 1.0, "odd": None}))
    assert analyses[key].detection_params == {"pre_post_win_sec": 1.0, "odd": None}
    with pytest.raises(AnalysisError, match="cannot be run"):
        analyses.run_analysis(key)


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        ("roi", "the ROI was moved or resized"),
        ("calibration", "the calibration changed"),
        ("params", "the parameters changed"),
        ("gone", "its ROI is gone"),
    ],
)
def test_a_result_says_why_it_no_longer_fits(
    analyses: AnalysisSet, source: OneRoi, change: str, reason: str
) -> None:
    analysis = analyses.run_analysis(KEY, {"window_width": 32})
    assert not analysis.is_stale
    if change == "roi":
        source.columns = (5, 35)
    elif change == "calibration":
        source.calibration = Calibration(0.001, 0.4, "user", is_known=True)
    elif change == "params":
        analysis.update_detection_params({"window_width": 16})
    else:
        source.exists = False
    assert analysis.stale_reasons == (reason,)
    assert analysis.is_stale


def test_a_result_is_dropped_if_its_roi_went_while_it_was_measured(
    analyses: AnalysisSet, source: OneRoi
) -> None:
    run = analyses.prepare(KEY, {"window_width": 32})
    result = RunContext().drain(run.steps())
    source.exists = False
    with pytest.raises(AnalysisError, match="deleted while it was being measured"):
        analyses.commit(run, result)
    assert len(analyses) == 0


def test_analyses_of_a_deleted_roi_come_back_when_the_deletion_is_undone(
    analyses: AnalysisSet,
) -> None:
    analysis = analyses.run_analysis(KEY, {"window_width": 32})
    analyses.set_clean()
    analyses.set_aside(1)
    assert len(analyses) == 0
    assert analyses.is_dirty
    analyses.bring_back(1)
    assert analyses.as_list() == [analysis]
    assert not analyses.is_dirty


def test_analyses_come_back_in_the_order_of_creation(analyses: AnalysisSet) -> None:
    created = [analyses.create((KEY[0], 0, roi_id)) for roi_id in (2, 1, 3)]
    for roi_id in (1, 2):
        analyses.set_aside(roi_id)
    created.append(analyses.create((KEY[0], 0, 4)))
    for roi_id in (1, 2):
        analyses.bring_back(roi_id)
    assert analyses.as_list() == created


def test_a_run_does_not_see_edits_made_after_it_was_prepared(
    analyses: AnalysisSet, source: OneRoi
) -> None:
    expected = analyses.run_analysis(KEY, {"window_width": 32}).result.table
    run = analyses.prepare(KEY)
    source.calibration = Calibration(1.0, 1.0, "user", is_known=True)
    table = RunContext().drain(run.steps()).table
    assert expected is not None
    assert table is not None
    np.testing.assert_array_equal(table["velocity"], expected["velocity"])


# ---- analyses that are derived from another one

CHILD = AnalysisKey("event", 0, 1)


@pytest.mark.parametrize("name", ["event", "heart_rate"])
def test_what_is_derived_needs_its_parent_first(analyses: AnalysisSet, name: str) -> None:
    for act in (analyses.create, analyses.run_analysis):
        with pytest.raises(AnalysisError, match=r"measure the radon velocity of ROI 1 .* first"):
            act((name, 0, 1))
    assert len(analyses) == 0


def test_a_parent_that_was_never_run_is_not_enough(analyses: AnalysisSet) -> None:
    analyses.create(KEY)
    with pytest.raises(AnalysisError, match="measure the radon velocity"):
        analyses.run_analysis(CHILD)


def test_what_is_derived_fits_until_its_parent_changes(
    analyses: AnalysisSet, source: OneRoi
) -> None:
    analyses.run_analysis(KEY, {"window_width": 32})
    child = analyses.run_analysis(CHILD)
    assert child.parent is analyses[KEY]
    assert not child.is_stale
    analyses.run_analysis(KEY, {"window_width": 16})
    assert len(child.stale_reasons) == 1
    assert child.stale_reasons[0].startswith("its radon_velocity")
    analyses.run_analysis(CHILD)
    assert not child.is_stale


def test_what_is_derived_from_a_stale_result_is_stale(
    analyses: AnalysisSet, source: OneRoi
) -> None:
    analyses.run_analysis(KEY, {"window_width": 32})
    child = analyses.run_analysis(CHILD)
    source.columns = (5, 35)
    assert child.stale_reasons == ("the ROI was moved or resized",)
    analyses.run_analysis(CHILD)
    assert child.stale_reasons == ("the ROI was moved or resized",)


def test_a_parent_cannot_be_removed_from_under_its_child(analyses: AnalysisSet) -> None:
    analyses.run_analysis(KEY, {"window_width": 32})
    analyses.run_analysis(CHILD)
    with pytest.raises(AnalysisError, match="event of ROI 1, channel 0, is derived from"):
        analyses.remove(KEY)
    assert len(analyses) == 2
    analyses.remove(CHILD)
    analyses.remove(KEY)
    assert len(analyses) == 0


def test_parent_and_child_leave_and_come_back_with_their_roi(analyses: AnalysisSet) -> None:
    analyses.run_analysis(KEY, {"window_width": 32})
    analyses.run_analysis(CHILD)
    analyses.set_aside(1)
    assert len(analyses) == 0
    analyses.bring_back(1)
    assert {a.key for a in analyses} == {KEY, CHILD}
    assert not analyses[CHILD].is_stale


def test_a_result_is_dropped_if_its_parent_went_while_it_was_measured(
    analyses: AnalysisSet,
) -> None:
    analyses.run_analysis(KEY, {"window_width": 32})
    run = analyses.prepare(CHILD)
    result = RunContext().drain(run.steps())
    analyses.remove(KEY)
    with pytest.raises(AnalysisError, match="measure the radon velocity"):
        analyses.commit(run, result)
    assert len(analyses) == 0
