"""Velocity events and heart rate in sidecars: read, run, saved, and left alone."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest

from napari_bloodflow import AcqImage
from napari_bloodflow.analysis.velocity_events import VelocityEvents

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

EVENT, HEART_RATE = ("event", 0, 1), ("heart_rate", 0, 1)


def records_of(image: Path) -> list[dict[str, Any]]:
    document = json.loads(image.with_name(f"{image.name}.json").read_text())
    return document["analysis"]


def events_of(acq: AcqImage) -> VelocityEvents:
    analysis = acq.analysis_set[EVENT]
    assert isinstance(analysis, VelocityEvents)
    return analysis


@pytest.fixture
def image(copy_fixture: Callable[[str], Path]) -> Path:
    return copy_fixture("cloudscope/aug2026") / "k01_velocity.tif"


def test_cloudscopes_events_are_read_and_stay_as_they_are(image: Path) -> None:
    before = records_of(image)
    acq = AcqImage(image)
    assert [(e.event_id, e.event_type) for e in events_of(acq).events] == [
        (1, "user"),
        (2, "fall"),
        (3, "transient"),
    ]
    acq.accepted = False
    acq.save()
    kept = [r for r in records_of(image) if r["analysis_name"] == "event"]
    assert kept == [r for r in before if r["analysis_name"] == "event"]


def test_statistics_of_reciprocal_velocities_are_out_of_date_until_the_next_run(
    image: Path,
) -> None:
    acq = AcqImage(image)
    assert events_of(acq).stale_reasons == ("its radon_velocity has other values now",)
    acq.analysis_set.run_analysis(EVENT)
    assert not events_of(acq).is_stale
    # CloudScope looks for what is before an event drawn to the left on its other side.
    event = events_of(acq).get_event(3)
    assert (event.x0, event.x1) == (0.7, 0.62)
    table = acq.analysis_set[("radon_velocity", 0, 1)].result.table
    assert table is not None
    inside = table["velocity"][(table["time_s"] >= 0.57) & (table["time_s"] < 0.62)]
    assert event.stats["pre_win_stats"]["n"] == len(inside)
    assert event.stats["pre_win_stats"]["mean"] == pytest.approx(inside.mean())


def test_events_are_saved_and_read_back(image: Path) -> None:
    acq = AcqImage(image)
    acq.analysis_set.run_analysis(EVENT)
    added = events_of(acq).add(0.5, 0.3, "rise")
    acq.save()
    again = AcqImage(image)
    assert events_of(again).events == events_of(acq).events
    assert events_of(again).get_event(added.event_id).origin == "manual"
    assert not events_of(again).is_stale
    assert not again.is_dirty
    record = next(r for r in records_of(image) if r["analysis_name"] == "event")
    assert record["detection_params"] == {"pre_post_win_sec": 0.05}
    assert not image.with_name(f"{image.name}.event.csv").exists()


def test_parents_are_written_before_what_is_derived_from_them(image: Path) -> None:
    acq = AcqImage(image)
    for name in ("event", "radon_velocity"):
        acq.analysis_set.run_analysis((name, 0, 1))
    acq.save()
    names = [r["analysis_name"] for r in records_of(image)]
    assert names.index("event") > max(i for i, n in enumerate(names) if n == "radon_velocity")
    assert events_of(AcqImage(image)).stale_reasons[0].startswith("its radon_velocity")


def test_a_bad_event_is_reported_and_goes_back_unchanged(image: Path) -> None:
    sidecar = image.with_name(f"{image.name}.json")
    document = json.loads(sidecar.read_text())
    place = next(i for i, r in enumerate(document["analysis"]) if r["analysis_name"] == "event")
    bad = document["analysis"][place]["summary"]["events"][1]
    bad |= {"event_type": "wave", "colour": "red"}
    sidecar.write_text(json.dumps(document))
    acq = AcqImage(image)
    assert [e.event_id for e in events_of(acq).events] == [1, 3]
    (problem,) = [p for p in acq.problems if "wave" in p.what]
    assert problem.where == f"analysis[{place}].summary.events[1]"
    assert len(acq.analysis_set) == 4
    events_of(acq).add(0.1, 0.3)
    acq.save()
    record = next(r for r in records_of(image) if r["analysis_name"] == "event")
    assert bad in record["summary"]["events"]
    assert [e.event_id for e in events_of(AcqImage(image)).events] == [1, 3, 4]


def test_heart_rate_is_measured_and_saved_without_a_table(
    copy_fixture: Callable[[str], Path],
) -> None:
    image = copy_fixture("cloudscope/aug2026") / "k05_pulsatile.tif"
    before = next(r for r in records_of(image) if r["analysis_name"] == "heart_rate")
    acq = AcqImage(image)
    summary = acq.analysis_set.run_analysis(HEART_RATE).result.summary
    assert summary["estimate"]["bpm"] == pytest.approx(360, abs=0.5)
    assert summary["lomb"]["bpm"] == pytest.approx(before["summary"]["lomb"]["bpm"], abs=1)
    acq.save()
    after = next(r for r in records_of(image) if r["analysis_name"] == "heart_rate")
    assert after["detection_params"] == before["detection_params"]
    assert before["summary"].keys() <= after["summary"].keys()
    assert not image.with_name(f"{image.name}.heart_rate.csv").exists()
    assert not AcqImage(image).analysis_set[HEART_RATE].is_stale


def test_edits_of_events_are_undone_and_made_again(image: Path) -> None:
    acq = AcqImage(image)
    events = events_of(acq)
    loaded = [event.to_record() for event in events.events]
    acq.rois.rename(events.key.roi_id, "vein")
    added = events.add(0.05, 0.12)
    assert acq.history.undo_text == f"edit the events of ROI {events.key.roi_id}"
    with_added = [event.to_record() for event in events.events]
    events.delete(added.event_id)
    with_deleted = [event.to_record() for event in events.events]
    acq.history.undo()
    assert [event.to_record() for event in events.events] == with_added
    acq.history.undo()
    acq.history.undo()
    assert [event.to_record() for event in events.events] == loaded
    assert not acq.is_dirty
    for _ in range(3):
        acq.history.redo()
    assert [event.to_record() for event in events.events] == with_deleted
    assert acq.rois[events.key.roi_id].name == "vein"
    acq.history.undo()
    assert [event.to_record() for event in events.events] == with_added
    acq.save()
    assert [e.to_record() for e in events_of(AcqImage(image)).events] == with_added
