"""The stand-in for CloudScope does what CloudScope's own files and its description say."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pandas as pd
import pytest

from tests.storage.cloudscope_like import CloudScopeLike, Generation

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

GENERATIONS: tuple[Generation, ...] = ("may2026", "aug2026")
Documents = dict[str, Any]


@pytest.fixture
def base(copy_fixture: Callable[[str], Path]) -> Path:
    """An image with velocity and an event on ROI 1, diameter on ROI 2."""
    folder = copy_fixture("cloudscope/behaviour")
    (folder / "base.good.json").rename(folder / "base.tif.json")
    return folder / "base.tif"


def edit_sidecar(image: Path, edit: Callable[[Documents], object]) -> None:
    sidecar = image.with_name(f"{image.name}.json")
    document = json.loads(sidecar.read_text("utf-8"))
    edit(document)
    sidecar.write_text(json.dumps(document), "utf-8")


@pytest.mark.parametrize("generation", GENERATIONS)
def test_it_writes_cloudscopes_own_files_as_cloudscope_did(
    copy_fixture: Callable[[str], Path], generation: Generation
) -> None:
    images = sorted(copy_fixture(f"cloudscope/{generation}").glob("*.tif"))
    assert images
    for image in images:
        sidecar = image.with_name(f"{image.name}.json")
        before = json.loads(sidecar.read_text("utf-8"))
        tables = {path: pd.read_csv(path) for path in image.parent.glob(f"{image.name}.*.csv")}
        peer = CloudScopeLike(image, generation)
        assert peer.warnings == []
        peer.save()
        after = json.loads(sidecar.read_text("utf-8"))
        if generation == "may2026":
            # May does not read the calibration back, and keeps its own flag in the metadata
            before["image_header_metadata"] |= {
                "physical_unit_x": 1.0,
                "physical_unit_y": 1.0,
                "physical_label_x": "Pixels",
                "physical_label_y": "Pixels",
            }
            before["experiment_metadata"]["_is_dirty"] = False
        for record in before["analysis"]:
            if record["analysis_name"] == "event":
                record["summary"] = {
                    key: record["summary"][key]
                    for key in ("version", "parent_analysis_name", "events")
                }
        assert json.dumps(after, sort_keys=True) == json.dumps(before, sort_keys=True)
        for path, table in tables.items():
            pd.testing.assert_frame_equal(pd.read_csv(path), table, rtol=1e-12)


def at(*path: Any, value: Any) -> Callable[[Documents], None]:
    def edit(document: Documents) -> None:
        place: Any = document
        for step in path[:-1]:
            place = place[step]
        place[path[-1]] = value

    return edit


def without(key: str) -> Callable[[Documents], object]:
    return lambda document: document.pop(key)


def event_first(document: Documents) -> None:
    document["analysis"].insert(0, document["analysis"].pop())


def second_primary(document: Documents) -> None:
    document["analysis"][1]["roi_id"] = 1


ALL, ROIS, NOTHING = "all", "ROIs only", "nothing"


@pytest.mark.parametrize(
    ("edit", "may", "aug"),
    [
        (lambda _: None, ALL, ALL),
        (without("accepted"), NOTHING, NOTHING),
        (at("version", value="2"), NOTHING, NOTHING),
        (at("version", value=3), NOTHING, NOTHING),
        (at("version", value=2.0), ALL, ALL),
        (at("plugin", value={}), ALL, ALL),
        (at("rois", 1, "color", value="red"), "ROI 1 only", "ROI 1 only"),
        (at("rois", 0, "roi_id", value="1"), ALL, ALL),
        (at("experiment_metadata", "rig", value="B"), ALL, ALL),
        (at("experiment_metadata", "depth", value="deep"), ALL, ROIS),
        (at("image_header_metadata", value={}), ALL, ALL),
        (at("image_header_metadata", value=None), ALL, ROIS),
        (at("image_header_metadata", "physical_unit_x", value=None), ALL, ROIS),
        (at("image_header_metadata", "physical_unit_x", value=-1), ALL, ALL),
        (at("analysis", 0, "extra", value=1), ALL, ALL),
        (at("analysis", 0, "detection_params", "window_width", value=32), ALL, ALL),
        (at("analysis", 0, "analysis_name", value="new"), ROIS, ROIS),
        (at("analysis", 2, "summary", "version", value=1), "no table", "no table"),
        (at("analysis", 2, "detection_params", "x", value=1), "no table", "no table"),
        (second_primary, "first record, no table", "first record, no table"),
        (event_first, ROIS, ROIS),
    ],
)
def test_a_sidecar_that_is_not_as_expected_is_read_up_to_a_point(
    base: Path, edit: Callable[[Documents], object], may: str, aug: str
) -> None:
    edit_sidecar(base, edit)
    for generation, expected in zip(GENERATIONS, (may, aug), strict=True):
        peer = CloudScopeLike(base, generation)
        have = len(peer.rois), len(peer.analyses), sum(a.table is not None for a in peer.analyses)
        assert (
            have
            == {
                ALL: (2, 3, 2),
                "no table": (2, 2, 0),
                "first record, no table": (2, 1, 0),
                ROIS: (2, 0, 0),
                "ROI 1 only": (1, 0, 0),
                NOTHING: (0, 0, 0),
            }[expected]
        )
        assert peer.warnings or expected == ALL


@pytest.mark.parametrize("content", ["", "a,b\n1,2\n"])
def test_one_bad_table_costs_all_tables(base: Path, content: str) -> None:
    base.with_name("base.tif.diameter.csv").write_text(content)
    peer = CloudScopeLike(base)
    assert len(peer.analyses) == 3
    assert all(analysis.table is None for analysis in peer.analyses)
    assert not peer.is_dirty


def test_a_byte_order_mark_is_an_error(base: Path) -> None:
    sidecar = base.with_name("base.tif.json")
    sidecar.write_bytes(b"\xef\xbb\xbf" + sidecar.read_bytes())
    peer = CloudScopeLike(base)
    assert len(peer.warnings) == 1
    assert peer.rois == []


@pytest.mark.parametrize("generation", GENERATIONS)
def test_saving_loses_what_it_does_not_know(base: Path, generation: Generation) -> None:
    for edit in (
        at("plugin", value={}),
        at("experiment_metadata", "rig", value="B"),
        at("analysis", 0, "extra", value=1),
        at("analysis", 0, "summary", "mine", value={"a": 1}),
        at("analysis", 0, "detection_params", "mine", value=2),
        at("analysis", 2, "summary", "mine", value=3),
        at("analysis", 2, "summary", "events", 0, "mine", value=4),
    ):
        edit_sidecar(base, edit)
    notes = base.with_name("base.tif.notes.csv")
    notes.write_text("mine")
    private = base.with_name("base.tif.bloodflow.json")
    private.write_text("{}")
    CloudScopeLike(base, generation).save()
    document = json.loads(base.with_name("base.tif.json").read_text("utf-8"))
    assert "plugin" not in document
    assert "rig" not in document["experiment_metadata"]
    velocity, _, event = document["analysis"]
    assert "extra" not in velocity
    assert velocity["summary"]["mine"] == {"a": 1}
    assert velocity["detection_params"]["mine"] == 2
    assert "mine" not in event["summary"]
    assert "mine" not in event["summary"]["events"][0]
    assert not notes.exists()
    assert private.exists()


def test_running_a_parent_in_the_gui_puts_it_after_its_dependant(base: Path) -> None:
    peer = CloudScopeLike(base)
    peer.run_velocity(0, 1, [40.0, 41.0], 16, through_gui=True)
    peer.save()
    again = CloudScopeLike(base)
    assert [analysis.name for analysis in again.analyses] == ["diameter"]
    assert again.is_dirty
    assert "before its parent" in again.warnings[0]


def test_velocity_is_the_reciprocal_of_the_speed(base: Path) -> None:
    peer = CloudScopeLike(base)
    peer.set_calibration(0.5, 2.0)
    table = peer.run_velocity(0, 1, [45.0, 63.43494882292201, 0.0], 16).table
    assert table is not None
    assert table["velocity"].tolist() == pytest.approx([4.0, 2.0, float("nan")], nan_ok=True)
    assert table["time_s"].tolist() == [4.0, 6.0, 8.0]


def test_a_roi_and_its_results_go_together(base: Path) -> None:
    peer = CloudScopeLike(base)
    peer.delete_roi(1)
    assert [analysis.name for analysis in peer.analyses] == ["diameter"]
    assert peer.add_roi().roi_id == 3
    peer.save()
    assert not base.with_name("base.tif.radon_velocity.csv").exists()
