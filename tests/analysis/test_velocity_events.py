"""event: editing, candidates, decisions, and records that cannot be used."""

from __future__ import annotations

import copy
import dataclasses
import json
from typing import Any

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from napari_bloodflow import AnalysisKey, Calibration, RunContext
from napari_bloodflow.analysis.analysis_set import AnalysisSet
from napari_bloodflow.analysis.base import AnalysisInputs, AnalysisResult, AnalysisState
from napari_bloodflow.analysis.event_records import EVENT_TYPES, read_events
from napari_bloodflow.analysis.radon_velocity import RadonVelocity
from napari_bloodflow.analysis.velocity_events import VelocityEvents
from napari_bloodflow.errors import AnalysisError, ParameterError

KEY = AnalysisKey("event", 0, 1)
STEP_S = 0.005
STATS = {"n": 0, "mean": None, "min": None, "max": None, "std": None, "se": None, "cv": None}


class OneRoi:
    """A file with one ROI."""

    def __init__(self) -> None:
        self.calibration = Calibration(0.001, 0.5, "user", is_known=True)

    def get_analysis_inputs(self, channel: int, roi_id: int) -> AnalysisInputs:
        return AnalysisInputs(np.zeros((9, 9)), self.get_analysis_state(channel, roi_id))

    def get_analysis_state(
        self, channel: int, roi_id: int, *, with_pixels: bool = True
    ) -> AnalysisState:
        return AnalysisState(self.calibration, (0, 9, 0, 9), (9, 9))


def velocity_table(*, stall: bool = True) -> pd.DataFrame:
    time_s = 0.1 + STEP_S * np.arange(6000)
    velocity = -500 + 20 * np.random.default_rng(0).normal(size=time_s.size)
    velocity[(time_s > 8) & (time_s < 9)] *= 0.3
    if stall:
        velocity[(time_s > 20) & (time_s < 21)] *= 0.0
    return pd.DataFrame({"time_s": time_s, "velocity": velocity})


def give_velocity(analyses: AnalysisSet, table: pd.DataFrame) -> None:
    key = KEY._replace(analysis_name="radon_velocity")
    if (parent := analyses.get(key)) is None:
        parent = RadonVelocity(key)
        analyses.adopt(parent)
    parent.set_result(AnalysisResult({"num_windows": len(table)}, table))


@pytest.fixture
def analyses() -> AnalysisSet:
    analyses = AnalysisSet(OneRoi())
    give_velocity(analyses, velocity_table())
    return analyses


@pytest.fixture
def events(analyses: AnalysisSet) -> VelocityEvents:
    analysis = analyses.create(KEY)
    assert isinstance(analysis, VelocityEvents)
    return analysis


def record(**changes: Any) -> dict[str, Any]:
    blocks = {name: dict(STATS) for name in ("event_stats", "pre_win_stats", "post_win_stats")}
    made = {"id": 1, "x0": 2.0, "x1": 3.0, "event_type": "user", "duration": 1.0, **blocks}
    return {**made, **changes}


def load(analyses: AnalysisSet, *records: Any, **summary: Any) -> VelocityEvents:
    analysis = VelocityEvents(KEY, None, OneRoi())
    found = {"version": 2, "parent_analysis_name": "radon_velocity", "events": list(records)}
    analysis.set_result(AnalysisResult({**found, **summary}))
    analyses.adopt(analysis)
    return analysis


def test_an_event_added_by_hand_is_described(analyses: AnalysisSet, events: VelocityEvents) -> None:
    seen: list[AnalysisKey] = []
    analyses.updated.connect(seen.append)
    analyses.set_clean()
    event = events.add(9.0, 8.0, "fall")
    assert seen == [KEY]
    assert analyses.is_dirty
    assert (event.event_id, event.x0, event.x1, event.origin) == (1, 9.0, 8.0, "manual")
    assert event.stats["event_stats"]["mean"] == pytest.approx(-150, abs=10)
    assert event.stats["pre_win_stats"]["mean"] == pytest.approx(-500, abs=10)
    assert event.stats["post_win_stats"]["n"] == 200
    assert not events.is_stale


def test_the_summary_is_what_cloudscope_reads(events: VelocityEvents) -> None:
    events.add(5.0, 6.0)
    summary = json.loads(json.dumps(events.result.summary, allow_nan=False))
    assert summary["version"] == 2
    assert summary["parent_analysis_name"] == "radon_velocity"
    (stored,) = summary["events"]
    assert stored["duration"] == pytest.approx(1.0)
    assert {"id", "x0", "x1", "event_type"} <= stored.keys()
    for name in ("event_stats", "pre_win_stats", "post_win_stats"):
        assert stored[name].keys() == STATS.keys()
    assert events.detection_params == {"pre_post_win_sec": 1.0}


def test_windows_without_samples_have_null_statistics(events: VelocityEvents) -> None:
    event = events.add(100.0, 101.0)
    assert event.stats["event_stats"] == STATS


@pytest.mark.parametrize(
    ("x0", "x1", "kind", "reason"),
    [
        (1.0, 1.0, "user", "starts and ends at 1 s"),
        (1.0, float("nan"), "user", "not finite"),
        (1.0, float("inf"), "user", "not finite"),
        (1.0, 2.0, "spike", "'spike', not one of user, rise, fall, transient"),
    ],
)
def test_what_cloudscope_could_not_read_is_refused(
    events: VelocityEvents, x0: float, x1: float, kind: Any, reason: str
) -> None:
    with pytest.raises(AnalysisError, match=reason):
        events.add(x0, x1, kind)
    assert events.events == ()


@pytest.mark.parametrize("margin_s", [-1, float("nan"), float("inf"), "wide"])
def test_absurd_windows_are_refused(analyses: AnalysisSet, margin_s: Any) -> None:
    with pytest.raises(ParameterError, match="pre_post_win_sec"):
        analyses.create(KEY, {"pre_post_win_sec": margin_s})


def test_events_are_changed_and_deleted_by_id(events: VelocityEvents) -> None:
    events.add(2.0, 3.0)
    events.add(4.0, 5.0, "rise")
    changed = events.update(1, x1=3.5, event_type="transient")
    assert (changed.x0, changed.x1, changed.event_type) == (2.0, 3.5, "transient")
    assert changed.stats["event_stats"]["n"] == 301
    events.delete(1)
    assert [event.event_id for event in events.events] == [2]
    assert events.add(1.0, 2.0).event_id == 3
    for act in (events.update, events.delete):
        with pytest.raises(AnalysisError, match="there is no event 1; there is 2, 3"):
            act(1)


def test_a_bad_change_changes_nothing(events: VelocityEvents) -> None:
    before = events.add(2.0, 3.0)
    with pytest.raises(AnalysisError, match="starts and ends"):
        events.update(1, x0=3.0)
    assert events.events == (before,)


# ---- detection and decisions


def test_a_run_offers_candidates_and_makes_no_events(analyses: AnalysisSet) -> None:
    events = analyses.run_analysis(KEY)
    assert isinstance(events, VelocityEvents)
    assert events.events == ()
    assert [c.kind for c in events.candidates] == ["drop", "stall"]
    assert [c.decision for c in events.candidates] == ["open", "open"]
    assert events.candidates[0].onset_s == pytest.approx(8, abs=0.05)
    assert events.result.summary["detection"]["status"] == "ok"
    assert events.result.summary["analysis_version"] == 2


def test_decisions_survive_the_next_run(analyses: AnalysisSet) -> None:
    events = analyses.run_analysis(KEY)
    assert isinstance(events, VelocityEvents)
    drop, stall = events.candidates
    accepted = events.accept(drop)
    events.reject(stall)
    by_hand = events.add(12.0, 13.0)
    assert (accepted.event_type, accepted.origin) == ("fall", "detected")
    analyses.run_analysis(KEY, {"pre_post_win_sec": 0.5})
    assert [e.event_id for e in events.events] == [accepted.event_id, by_hand.event_id]
    assert [e.origin for e in events.events] == ["detected", "manual"]
    assert [c.decision for c in events.candidates] == ["accepted", "rejected"]
    assert events.events[0].stats["pre_win_stats"]["n"] == pytest.approx(100, abs=1)


def test_an_accepted_event_that_was_moved_stays_where_it_was_put(analyses: AnalysisSet) -> None:
    events = analyses.run_analysis(KEY)
    assert isinstance(events, VelocityEvents)
    event = events.accept(events.candidates[0], "transient")
    moved = events.update(event.event_id, x0=7.5)
    assert moved.origin == "edited"
    analyses.run_analysis(KEY)
    assert events.get_event(event.event_id).x0 == 7.5
    assert [c.decision for c in events.candidates] == ["accepted", "open"]


def test_deleting_an_accepted_event_rejects_its_candidate(analyses: AnalysisSet) -> None:
    events = analyses.run_analysis(KEY)
    assert isinstance(events, VelocityEvents)
    event = events.accept(events.candidates[0])
    with pytest.raises(AnalysisError, match="is event 1 already"):
        events.accept(events.candidates[0])
    events.delete(event.event_id)
    assert events.candidates[0].decision == "rejected"
    events.accept(events.candidates[0])
    events.reject(events.candidates[0])
    assert events.events == ()


def test_what_is_an_event_already_is_no_candidate(
    analyses: AnalysisSet, events: VelocityEvents
) -> None:
    events.add(7.9, 9.2)
    analyses.run_analysis(KEY)
    assert [c.kind for c in events.candidates] == ["stall"]


def test_open_candidates_follow_the_velocity(analyses: AnalysisSet) -> None:
    events = analyses.run_analysis(KEY)
    assert isinstance(events, VelocityEvents)
    give_velocity(analyses, velocity_table(stall=False))
    assert events.stale_reasons == ("its radon_velocity has other values now",)
    events.add(12.0, 13.0)
    assert [c.kind for c in events.candidates] == ["drop"]
    assert not events.is_stale


def test_a_foreign_candidate_is_refused(analyses: AnalysisSet) -> None:
    other = analyses.run_analysis(KEY)
    assert isinstance(other, VelocityEvents)
    stranger = dataclasses.replace(other.candidates[0], onset_s=1.0)
    with pytest.raises(AnalysisError, match="none of its candidates"):
        other.accept(stranger)


def test_edits_made_while_it_runs_are_not_lost(
    analyses: AnalysisSet, events: VelocityEvents
) -> None:
    run = analyses.prepare(KEY)
    result = RunContext().drain(run.steps())
    events.add(2.0, 3.0)
    with pytest.raises(AnalysisError, match="edited while it was being measured"):
        analyses.commit(run, result)
    assert len(events.events) == 1


def test_without_calibration_nothing_is_detected() -> None:
    source = OneRoi()
    source.calibration = Calibration()
    analyses = AnalysisSet(source)
    give_velocity(analyses, velocity_table())
    events = analyses.run_analysis(KEY)
    assert events.result.summary["detection"]["status"] == "not_calibrated"
    assert events.result.summary["candidates"] == []


# ---- reading


BAD = [
    ("text", "is not an object"),
    (record(id=0), "id is 0"),
    (record(id=1.5), "id is 1.5"),
    (record(id=True), "id is true"),
    (record(x0=None), "x0 is null"),
    (record(x1="3"), 'x1 is "3"'),
    (record(x1=float("nan")), "x1 is NaN"),
    (record(x1=2.0), "starts and ends at 2 s"),
    (record(event_type="wave"), "'wave', not one of"),
    (record(event_type=None), "None, not one of"),
    (record(id=7), "the id 7 is already taken"),
]


@pytest.mark.parametrize(("bad", "fault"), BAD)
def test_a_bad_event_costs_no_other_and_goes_back_unchanged(
    analyses: AnalysisSet, bad: Any, fault: str
) -> None:
    events = load(analyses, record(id=7), copy.deepcopy(bad), record(id=8, x0=5.0))
    assert [e.event_id for e in events.events] == [7, 8]
    ((place, what, action),) = events.stored_problems
    assert place == "summary.events[1]"
    assert fault in what
    assert "kept" in action
    events.add(10.0, 11.0)
    analyses.run_analysis(KEY)
    stored = events.result.summary["events"]
    assert repr(bad) in map(repr, stored)
    assert [e.event_id for e in events.events] == [7, 8, 9]


def test_a_new_event_does_not_take_the_id_of_one_kept_aside(analyses: AnalysisSet) -> None:
    events = load(analyses, record(id=3, event_type="wave"))
    assert events.add(1.0, 2.0).event_id == 4


@pytest.mark.parametrize("found", ["many", {"id": 1}, 5])
def test_events_that_are_no_list_are_kept(analyses: AnalysisSet, found: Any) -> None:
    events = load(analyses, events=found)
    assert events.events == ()
    assert "not a list" in events.stored_problems[0][1]
    events.add(1.0, 2.0)
    assert found in events.result.summary["events"]


def test_keys_of_others_survive(analyses: AnalysisSet) -> None:
    events = load(analyses, record(colour="red"), written_by="somebody")
    events.update(1, x1=4.0)
    analyses.run_analysis(KEY)
    assert events.result.summary["written_by"] == "somebody"
    assert events.result.summary["events"][0]["colour"] == "red"


def test_missing_statistics_are_a_problem_until_the_next_run(analyses: AnalysisSet) -> None:
    events = load(analyses, {k: v for k, v in record().items() if k != "event_stats"})
    assert "lacks statistics" in events.stored_problems[0][1]
    analyses.run_analysis(KEY)
    assert events.stored_problems == ()


def test_events_of_a_newer_version_are_shown_and_not_changed(analyses: AnalysisSet) -> None:
    events = load(analyses, record(), version=3)
    assert len(events.events) == 1
    assert "version is 3" in events.stored_problems[0][1]
    for act in (lambda: events.add(1.0, 2.0), lambda: analyses.run_analysis(KEY)):
        with pytest.raises(AnalysisError, match="version is 3"):
            act()


def test_without_velocity_events_are_shown_and_not_changed() -> None:
    events = load(AnalysisSet(OneRoi()), record())
    assert len(events.events) == 1
    assert events.stale_reasons == ("its radon_velocity is gone",)
    with pytest.raises(AnalysisError, match="measure the velocity of ROI 1"):
        events.delete(1)


finite = st.floats(-1e6, 1e6)


@given(
    spans=st.lists(st.tuples(finite, finite).filter(lambda s: s[0] != s[1]), max_size=8),
    kinds=st.lists(st.sampled_from(EVENT_TYPES), min_size=8, max_size=8),
)
def test_what_is_added_is_read_back(spans: list[tuple[float, float]], kinds: list[Any]) -> None:
    analyses = AnalysisSet(OneRoi())
    give_velocity(analyses, velocity_table())
    events = analyses.create(KEY)
    assert isinstance(events, VelocityEvents)
    for (x0, x1), kind in zip(spans, kinds, strict=False):
        events.add(x0, x1, kind)
    stored = json.loads(json.dumps(events.result.summary, allow_nan=False)).get("events", [])
    found, aside = read_events(stored)
    assert aside == ()
    assert [(e.x0, e.x1, e.event_type) for e in found] == [
        (*span, kind) for span, kind in zip(spans, kinds, strict=False)
    ]
