"""Three-way merge of sidecar contents, as laws."""

from __future__ import annotations

import json
from copy import deepcopy
from typing import Any

import numpy as np
import pandas as pd
from hypothesis import given, settings
from hypothesis import strategies as st

from napari_bloodflow.acquisition.sidecar_merge import SidecarContent, merge_sidecars
from napari_bloodflow.analysis.base import AnalysisKey

NAMES = st.sampled_from(["", "vein", "artery"])
SMALL = st.integers(0, 3)


def roi_record(roi_id: int, name: str, row_start: int) -> dict[str, Any]:
    data = {"row_start": row_start, "row_stop": 50, "col_start": 0, "col_stop": 10}
    return {
        "roi_id": roi_id,
        "roi_type": "rectroi",
        "name": name,
        "note": "",
        "version": "1.0",
        "data": data,
    }


@st.composite
def contents(draw: st.DrawFn) -> SidecarContent:
    ids = draw(st.lists(st.integers(1, 4), unique=True, max_size=4))
    rois = [roi_record(roi_id, draw(NAMES), draw(SMALL)) for roi_id in ids]
    analyses, blocks = [], {}
    for roi_id in ids:
        for name in draw(st.sets(st.sampled_from(["radon_velocity", "sum_intensity"]))):
            key = AnalysisKey(name, 0, roi_id)
            analyses.append({**key._asdict(), "detection_params": {"p": draw(SMALL)}})
            if draw(st.booleans()):
                values = draw(st.lists(st.sampled_from([1.0, np.nan]), min_size=1, max_size=2))
                blocks[key] = pd.DataFrame({"time_s": range(len(values)), "velocity": values})
    document: dict[str, Any] = {"version": 2, "rois": rois, "analysis": analyses}
    for key in ("accepted", "lab"):
        if draw(st.booleans()):
            document[key] = draw(st.sampled_from([True, False, None, float("nan"), {"a": [1]}]))
    section = st.dictionaries(st.sampled_from(["species", "sex"]), NAMES)
    document["experiment_metadata"] = draw(section)
    private = draw(st.dictionaries(st.sampled_from(["calibration_source", "x"]), NAMES))
    return SidecarContent(document, blocks, {}, private)


def plain(content: SidecarContent) -> Any:
    """Return everything in a comparable form, without regard to order."""
    document = dict(content.document)
    rois = {str(record["roi_id"]): record for record in document.pop("rois")}
    records = {
        f"{record['analysis_name']} {record['roi_id']}": record
        for record in document.pop("analysis")
    }
    blocks = {str(key): block.to_csv() for key, block in content.blocks.items()}
    parts = [document, rois, records, blocks, content.private]
    return json.dumps(parts, sort_keys=True).replace("NaN", "null")


@given(contents(), contents())
def test_changes_of_one_side_only_are_taken(base: SidecarContent, other: SidecarContent) -> None:
    of_theirs = merge_sidecars(base, base, other)
    of_mine = merge_sidecars(base, other, base)
    of_both = merge_sidecars(base, other, deepcopy(other))
    for merged in (of_theirs, of_mine, of_both):
        assert merged.conflicts == ()
        assert merged.renumbered == {}
        assert plain(merged.content) == plain(other)
    assert of_mine.taken == ()


@given(contents(), contents(), contents())
@settings(max_examples=300)
def test_no_roi_and_no_value_of_either_side_is_lost(
    base: SidecarContent, mine: SidecarContent, theirs: SidecarContent
) -> None:
    before = [plain(side) for side in (base, mine, theirs)]
    merged = merge_sidecars(base, mine, theirs)
    both = merge_sidecars(base, mine, theirs, "both")
    kept = merge_sidecars(base, mine, theirs, "mine")
    assert [plain(side) for side in (base, mine, theirs)] == before
    assert merged.conflicts == both.conflicts == kept.conflicts
    in_conflict = {conflict.where for conflict in merged.conflicts}
    places = {"base": base, "mine": mine, "theirs": theirs}
    found = {side: rois_of(content) for side, content in places.items()}
    for roi_id in {*found["mine"], *found["theirs"]}:
        was, here, there = (found[side].get(roi_id) for side in places)
        if f"ROI {roi_id}" in in_conflict:
            assert here is None or here in rois_of(both.content).values()
            assert there is None or there in rois_of(both.content).values()
            assert rois_of(kept.content).get(roi_id) == here
        elif was is None and here is not None and there is not None:
            assert rois_of(merged.content)[roi_id] == there
            assert here in rois_of(merged.content).values()
        elif here == was:
            assert rois_of(merged.content).get(roi_id) == there
        elif there == was:
            assert rois_of(merged.content).get(roi_id) == here
    for content in (both.content, kept.content):
        ids = [record["roi_id"] for record in content.document["rois"]]
        assert len(ids) == len(set(ids))
        keys = [tuple(r[k] for k in AnalysisKey._fields) for r in content.document["analysis"]]
        assert len(keys) == len(set(keys))


def rois_of(content: SidecarContent) -> dict[int, Any]:
    """Return each ROI with what was measured on it, without its number."""
    rois = {}
    for record in content.document["rois"]:
        roi_id = record["roi_id"]
        analyses = {
            r["analysis_name"]: r["detection_params"]
            for r in content.document["analysis"]
            if r["roi_id"] == roi_id
        }
        blocks = {
            key.analysis_name: block.to_csv()
            for key, block in content.blocks.items()
            if key.roi_id == roi_id
        }
        rois[roi_id] = ({**record, "roi_id": 0}, analyses, blocks)
    return rois
