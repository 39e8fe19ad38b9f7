"""Beside CloudScope: what it wrote comes back whole, and what we write it can read.

CloudScope itself is played by `tests.storage.cloudscope_like`.
"""

from __future__ import annotations

import json
import math
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from napari_bloodflow import AcqImage, RectRoiBounds
from napari_bloodflow.analysis.radon_velocity import AS_FOUND_COLUMN, RadonVelocity
from tests.storage.cloudscope_like import CloudScopeLike, Generation

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from napari_bloodflow.analysis.base import Analysis

Documents = dict[str, Any]
GENERATIONS: tuple[Generation, ...] = ("may2026", "aug2026")
NAMES = ("k01_velocity", "k02_diameter_bright", "k04_sum_intensity", "k05_pulsatile")
NAMES += ("k07_stationary",)
FIXTURES = [
    (generation, name)
    for generation in GENERATIONS
    for name in NAMES
    if (generation, name) != ("may2026", "k04_sum_intensity")
]
ORDER = ("radon_velocity", "diameter", "event", "sum_intensity", "heart_rate")
VELOCITY = "radon_velocity"
FIRST, SECOND = (VELOCITY, 0, 1), (VELOCITY, 0, 2)
each_fixture = pytest.mark.parametrize(("generation", "name"), FIXTURES)
OWN_COLUMNS = [name for name in RadonVelocity.own_columns if name != AS_FOUND_COLUMN]
each_generation = pytest.mark.parametrize("generation", GENERATIONS)


@pytest.fixture
def name() -> str:
    """The fixture of a test that is not about all of them."""
    return "k01_velocity"


@pytest.fixture
def image(copy_fixture: Callable[[str], Path], generation: Generation, name: str) -> Path:
    """A copy of a file that CloudScope wrote."""
    return copy_fixture(f"cloudscope/{generation}") / f"{name}.tif"


@pytest.fixture
def truth(cloudscope_data: Path, generation: Generation, name: str) -> Documents:
    """What the image of a fixture was made with; empty where that is not stated."""
    text = (cloudscope_data / generation / "TRUTH.json").read_text("utf-8")
    files: Documents = json.loads(text)["files"]
    return dict(files.get(f"{name}.tif", {}))


def document_of(image: Path) -> Documents:
    text = image.with_name(f"{image.name}.json").read_text("utf-8")
    document: Documents = json.loads(text)
    return document


def table_of(image: Path, name: str = VELOCITY) -> Path:
    return image.with_name(f"{image.name}.{name}.csv")


def files_of(image: Path) -> dict[str, tuple[int, int, bytes]]:
    """Everything in the folder, with the signs of having been written again."""
    return {
        path.name: (path.stat().st_ino, path.stat().st_mtime_ns, path.read_bytes())
        for path in image.parent.iterdir()
    }


def as_we_may_write(document: Documents) -> Documents:
    """Return a document with the only changes that a save of ours may make to it.

    Missing numbers become null, a missing `age` and contrast are there, and parents come first.
    """
    text = json.dumps(document).replace("NaN", "null")
    allowed: Documents = json.loads(text)
    allowed.setdefault("image_contrast", {})
    allowed["experiment_metadata"].setdefault("age", "")
    allowed["analysis"].sort(key=lambda record: ORDER.index(record["analysis_name"]))
    return allowed


def assert_same_numbers(analysis: Analysis, table: pd.DataFrame | None) -> None:
    """Compare a result of ours with the rows of the peer, our own columns aside."""
    ours = analysis.result.table
    if ours is None or table is None:
        assert ours is table
        return
    common = [column for column in ours.columns if column in table.columns]
    assert set(ours.columns) - set(common) <= {"status"}
    pd.testing.assert_frame_equal(ours[common], table[common], rtol=1e-12, check_dtype=False)


def assert_peer_reads(image: Path, generation: Generation = "aug2026") -> CloudScopeLike:
    """Have the peer read what is there, all of it and with our numbers."""
    acq, peer = AcqImage(image), CloudScopeLike(image, generation)
    unknown = [] if generation == "aug2026" else ["unknown keys ['image_contrast'] are ignored"]
    assert peer.warnings == unknown
    assert [roi.roi_id for roi in peer.rois] == acq.rois.get_roi_ids()
    for mine, theirs in zip(acq.rois, peer.rois, strict=True):
        assert (mine.name, mine.to_dict()["data"]) == (theirs.name, theirs.data)
    assert {analysis.key for analysis in peer.analyses} == {a.key for a in acq.analysis_set}
    for analysis in acq.analysis_set:
        theirs_of_it = peer[analysis.key]
        assert theirs_of_it.params == analysis.detection_params
        if "provenance" in analysis.result.summary:
            assert theirs_of_it.summary == analysis.result.summary
            assert_same_numbers(analysis, theirs_of_it.table)
    if generation == "aug2026":
        calibration = acq.calibration
        steps = peer.header["physical_unit_y"], peer.header["physical_unit_x"]
        assert steps == pytest.approx((calibration.dt_s, calibration.dx_um))
    values = acq.experiment_metadata.get_values()
    assert peer.experiment == {key: values[key] for key in peer.experiment}
    return peer


# ---- what CloudScope wrote


@each_fixture
def test_files_of_cloudscope_have_the_numbers_they_were_made_with(
    image: Path, name: str, truth: Documents
) -> None:
    acq = AcqImage(image)
    dt_s, dx_um = acq.calibration.dt_s, acq.calibration.dx_um
    assert (dt_s, dx_um) == (truth.get("dt_s", 1.0), truth.get("dx_um", 1.0))
    for record in document_of(image)["analysis"]:
        key = (record["analysis_name"], record["channel"], record["roi_id"])
        analysis = acq.analysis_set[key]
        assert dict(analysis.detection_params) == record["detection_params"]
        table = table_of(image, key[0])
        if not table.exists():
            assert analysis.result.summary == record["summary"]
            continue
        frame = pd.read_csv(table)
        rows = frame[(frame["channel"] == key[1]) & (frame["roi_id"] == key[2])]
        rows = rows.drop(columns=["channel", "roi_id"]).reset_index(drop=True)
        if key[0] == VELOCITY:
            slope = np.tan(np.deg2rad(rows["theta_deg"]))
            rows["velocity"] = dx_um / dt_s * slope
        assert_same_numbers(analysis, rows)
    if name == "k01_velocity":
        table = acq.analysis_set[FIRST].result.table
        assert table is not None
        halves = table["time_index"] < 150, table["time_index"] > 230
        found = [table.loc[half, "velocity"].median() for half in halves]
        assert found == pytest.approx(truth["true_velocity_um_per_s"], rel=0.03)
    elif name == "k05_pulsatile":
        mean = acq.analysis_set[FIRST].result.summary["velocity_mean"]
        assert mean == pytest.approx(1.6 * dx_um / dt_s, rel=0.03)
        if ("heart_rate", 0, 1) in acq.analysis_set:
            rate = acq.analysis_set[("heart_rate", 0, 1)].result.summary["lomb"]["bpm"]
            assert rate == pytest.approx(truth["heart_bpm"], rel=0.01)
    elif name == "k02_diameter_bright":
        table = acq.analysis_set[("diameter", 0, 1)].result.table
        assert table is not None
        sway = 2 * np.sin(2 * np.pi * table["center_row"] / 80)
        for edge, expected in (("left_edge_px", 20 + sway), ("right_edge_px", 44 - sway)):
            assert (table[edge] - expected).abs().median() < 1
    elif name == "k04_sum_intensity":
        events = acq.analysis_set[("sum_intensity", 0, 1)].result.summary["peak_events"]
        onsets = [event["onset"]["time_sec"] for event in events]
        assert onsets == pytest.approx(truth["onset_times_s"], abs=0.05)


@each_fixture
def test_a_save_without_an_edit_touches_no_file(image: Path, generation: Generation) -> None:
    before = files_of(image)
    acq = AcqImage(image)
    acq.save()
    acq.save_sidecar_json()
    assert files_of(image) == before


def edit_note(acq: AcqImage) -> None:
    acq.experiment_metadata.note = "edited"


def reject(acq: AcqImage) -> None:
    acq.accepted = False


def rename(acq: AcqImage) -> None:
    acq.rois.rename(1, "edited")


def calibrate(acq: AcqImage) -> None:
    acq.set_calibration(0.004, 0.75)


@each_fixture
@pytest.mark.parametrize("edit", [edit_note, reject, rename, calibrate])
def test_one_edit_changes_one_thing_of_cloudscopes_files(
    image: Path, generation: Generation, edit: Callable[[AcqImage], None]
) -> None:
    expected = as_we_may_write(document_of(image))
    if edit is edit_note:
        expected["experiment_metadata"]["note"] = "edited"
    elif edit is reject:
        expected["accepted"] = False
    elif edit is rename:
        expected["rois"][0]["name"] = "edited"
    else:
        expected["image_header_metadata"] |= {
            "physical_unit_y": 0.004,
            "physical_unit_x": 0.75,
            "physical_label_y": "seconds",
            "physical_label_x": "um",
        }
    private = image.with_name(f"{image.name}.bloodflow.json")
    untouched = {
        file: signs for file, signs in files_of(image).items() if file != f"{image.name}.json"
    }
    acq = AcqImage(image)
    edit(acq)
    acq.save()
    assert document_of(image) == expected
    now = files_of(image)
    now.pop(f"{image.name}.json")
    assert (now.pop(private.name, None) is not None) == (edit is calibrate)
    assert now == untouched
    assert_peer_reads(image, generation)


@each_generation
def test_running_one_roi_again_changes_its_record_and_its_rows_only(
    image: Path, generation: Generation
) -> None:
    expected = as_we_may_write(document_of(image))
    before = pd.read_csv(table_of(image))
    acq = AcqImage(image)
    acq.analysis_set.run_analysis(SECOND)
    acq.save()
    found = document_of(image)
    place = [record["roi_id"] for record in expected["analysis"]].index(2)
    assert "provenance" in found["analysis"][place]["summary"]
    for part in ("summary", "detection_params"):
        found["analysis"][place][part] = expected["analysis"][place][part]
    assert found == expected
    after = pd.read_csv(table_of(image))
    assert list(after.columns) == [*before.columns, *OWN_COLUMNS]
    pd.testing.assert_frame_equal(
        after.loc[after["roi_id"] == 1, list(before.columns)], before[before["roi_id"] == 1]
    )
    assert_peer_reads(image, generation)


# ---- what we wrote


@each_generation
def test_cloudscope_reads_our_files_whole(measured: Path, generation: Generation) -> None:
    peer = assert_peer_reads(measured, generation)
    assert [analysis.key for analysis in peer.analyses] == [FIRST, SECOND]
    assert not peer.is_dirty


def test_a_save_of_our_own_files_without_an_edit_touches_none(measured: Path) -> None:
    before = files_of(measured)
    acq = AcqImage(measured)
    acq.ensure_image_contrast(0)  # seeding is no edit
    acq.save()
    assert files_of(measured) == before
    acq.accepted = False
    acq.accepted = True
    acq.save()
    assert files_of(measured) == before


def test_a_save_without_an_edit_still_tells_that_a_file_is_gone(measured: Path) -> None:
    acq = AcqImage(measured)
    table_of(measured).unlink()
    with pytest.raises(OSError, match=r"radon_velocity\.csv: is gone since it was read"):
        acq.save()


@each_generation
def test_our_provenance_survives_cloudscope(measured: Path, generation: Generation) -> None:
    before = AcqImage(measured)
    peer = CloudScopeLike(measured, generation)
    peer.edit_experiment(species="mouse", depth=120.0)
    peer.rename_roi(2, "renamed there")
    peer.add_roi()
    peer.save()
    after = AcqImage(measured)
    assert after.experiment_metadata.species == "mouse"
    assert after.experiment_metadata.depth == 120.0
    assert [roi.name for roi in after.rois] == ["whole", "renamed there", ""]
    for key in (FIRST, SECOND):
        mine, again = before.analysis_set[key], after.analysis_set[key]
        assert again.result.summary == mine.result.summary
        assert dict(again.detection_params) == dict(mine.detection_params)
        pd.testing.assert_frame_equal(again.result.table, mine.result.table, rtol=1e-12)
        assert "the calibration changed" in mine.stale_reasons  # it was, after the run
    if generation == "aug2026":
        assert after.problems == ()
        assert after.calibration == before.calibration
    else:
        (problem,) = after.problems
        assert "entered by hand is gone" in problem.what
        assert "that of ImageJ is used" in problem.action
        assert after.calibration.source == "ImageJ"


@each_generation
def test_what_cloudscope_measured_is_shown_right_beside_ours(
    measured: Path, generation: Generation
) -> None:
    AcqImage(measured).save(strict_tables=True)
    before = AcqImage(measured)
    theta_deg = [60.0, 62.5, 65.0]
    peer = CloudScopeLike(measured, generation)
    peer.run_velocity(0, 1, theta_deg)
    peer.save()
    after = AcqImage(measured)
    theirs = after.analysis_set[FIRST].result
    assert theirs.table is not None
    calibration = after.calibration
    expected = calibration.dx_um / calibration.dt_s * np.tan(np.deg2rad(theta_deg))
    np.testing.assert_allclose(theirs.table["velocity"], expected)
    assert "reciprocal" in after.problems[-1].what
    assert "provenance" not in theirs.summary
    mine = after.analysis_set[SECOND].result
    assert mine.summary == before.analysis_set[SECOND].result.summary
    pd.testing.assert_frame_equal(mine.table, before.analysis_set[SECOND].result.table)


def test_cloudscope_and_we_save_in_turns(measured: Path) -> None:
    for turn in range(3):
        acq = AcqImage(measured)
        acq.strict_tables = True
        acq.experiment_metadata.note = f"ours {turn}"
        acq.analysis_set.run_analysis(SECOND)
        acq.save()
        peer = assert_peer_reads(measured)
        assert peer.experiment["note"] == f"ours {turn}"
        peer.edit_experiment(note=f"theirs {turn}")
        peer.run_velocity(0, 1, [50.0 + turn, 55.0], through_gui=True)
        peer.save()
        assert AcqImage(measured).experiment_metadata.note == f"theirs {turn}"
        table = AcqImage(measured).analysis_set[FIRST].result.table
        assert table is not None
        assert table["theta_deg"].tolist() == [50.0 + turn, 55.0]
    assert AcqImage(measured).strict_tables


def test_a_record_that_cloudscope_put_before_its_parent_is_read_and_put_right(
    measured: Path,
) -> None:
    peer = CloudScopeLike(measured)
    params = {"pre_post_win_sec": 1.0}
    summary = {"version": 2, "parent_analysis_name": VELOCITY, "events": []}
    document = document_of(measured)
    record = {"analysis_name": "event", "channel": 0, "roi_id": 1}
    document["analysis"].insert(0, {**record, "detection_params": params, "summary": summary})
    peer.sidecar.write_text(json.dumps(document))
    assert "before its parent" in CloudScopeLike(measured).warnings[0]
    acq = AcqImage(measured)
    assert ("event", 0, 1) in acq.analysis_set
    acq.experiment_metadata.note = "edited"
    acq.save()
    assert len(assert_peer_reads(measured).analyses) == 3


@pytest.mark.parametrize("generation", ["aug2026"])
def test_a_record_without_its_parent_is_told_of_and_costs_cloudscope_no_other_record(
    image: Path,
) -> None:
    before = {analysis.key for analysis in AcqImage(image).analysis_set}
    document = document_of(image)
    document["analysis"] = [
        record
        for record in document["analysis"]
        if (record["analysis_name"], record["channel"], record["roi_id"]) != FIRST
    ]
    image.with_name(f"{image.name}.json").write_text(json.dumps(document), "utf-8")
    acq = AcqImage(image)
    acq.apply_metadata_patch("experiment_metadata", {"note": "an orphan"})
    acq.save()
    again = AcqImage(image)
    assert {analysis.key for analysis in again.analysis_set} == before - {FIRST}
    assert "no radon_velocity that it was made from" in again.problems[0].what
    peer = CloudScopeLike(image)
    assert "before its parent" in peer.warnings[0]
    assert {analysis.key for analysis in peer.analyses} == before - {FIRST, ("event", 0, 1)}


texts = st.text(st.characters(exclude_categories=("Cs", "Cc")), max_size=12).map(str.strip)


@settings(max_examples=25, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    texts=st.fixed_dictionaries(
        {}, optional=dict.fromkeys(("species", "age", "note", "treatment2"), texts)
    ),
    depth=st.none() | st.floats(0, 1e6),
    order=st.none() | st.integers(-5, 50),
    bounds=st.tuples(*[st.integers(0, 511)] * 2, *[st.integers(0, 63)] * 2),
    name=texts,
    accepted=st.booleans(),
    steps=st.tuples(*[st.floats(1e-6, 1e3)] * 2),
)
def test_whatever_we_write_cloudscope_reads_the_same(
    measured: Path,
    texts: dict[str, str],
    depth: float | None,
    order: int | None,
    bounds: tuple[int, int, int, int],
    name: str,
    accepted: bool,
    steps: tuple[float, float],
) -> None:
    acq = AcqImage(measured)
    acq.experiment_metadata.update_values({**texts, "depth": depth, "branch_order": order})
    row, other_row, column, other_column = bounds
    rows, columns = sorted((row, other_row)), sorted((column, other_column))
    acq.rois.edit(2, RectRoiBounds(rows[0], rows[1] + 1, columns[0], columns[1] + 1))
    acq.rois.rename(2, name)
    acq.accepted = accepted
    acq.set_calibration(*steps)
    acq.save()
    assert assert_peer_reads(measured).accepted == accepted


def test_no_number_is_lost_where_there_was_none(copy_fixture: Callable[[str], Path]) -> None:
    image = copy_fixture("cloudscope/aug2026") / "k07_stationary.tif"
    acq = AcqImage(image)
    acq.accepted = False
    acq.save()
    (record,) = document_of(image)["analysis"]
    assert record["summary"]["velocity_mean"] is None
    peer = CloudScopeLike(image)
    assert peer.warnings == []
    table = peer.analyses[0].table
    assert table is not None
    assert all(map(math.isnan, table["velocity"]))
