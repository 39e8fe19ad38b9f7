"""Sum intensity in sidecars and tables: read, run, edited, saved, and read by CloudScope."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pandas as pd
import pytest

from napari_bloodflow import AcqImage, RectRoiBounds
from napari_bloodflow.analysis.sum_intensity import SumIntensity
from napari_bloodflow.analysis.sum_intensity_params import preset
from tests.storage.cloudscope_like import CloudScopeLike

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

FIRST, SECOND = ("sum_intensity", 0, 1), ("sum_intensity", 0, 2)


def intensity_of(acq: AcqImage, key: tuple[str, int, int] = FIRST) -> SumIntensity:
    analysis = acq.analysis_set[key]
    assert isinstance(analysis, SumIntensity)
    return analysis


def record_of(image: Path, roi_id: int = 1) -> dict[str, Any]:
    document = json.loads(image.with_name(f"{image.name}.json").read_text())
    return next(r for r in document["analysis"] if r["roi_id"] == roi_id)


def table_of(image: Path) -> Path:
    return image.with_name(f"{image.name}.sum_intensity.csv")


@pytest.fixture
def image(copy_fixture: Callable[[str], Path]) -> Path:
    return copy_fixture("cloudscope/aug2026") / "k04_sum_intensity.tif"


def test_cloudscopes_results_are_read_and_stay_as_they_are(image: Path) -> None:
    before, table = record_of(image), pd.read_csv(table_of(image))
    acq = AcqImage(image)
    assert acq.problems == ()
    assert [p.peak_id for p in intensity_of(acq).peaks] == [1, 2, 3, 4, 5]
    assert (
        intensity_of(acq).peaks[0].amplitude
        == before["summary"]["peak_events"][0]["peak"]["amplitude"]
    )
    acq.accepted = False
    acq.save()
    assert record_of(image) == before
    pd.testing.assert_frame_equal(pd.read_csv(table_of(image)), table)


def test_cloudscopes_peaks_are_edited_with_its_own_numbers(image: Path) -> None:
    before = record_of(image)["summary"]["peak_events"]
    acq = AcqImage(image)
    measured = intensity_of(acq)
    measured.accept(2)
    measured.reject(4)
    assert "provenance" not in measured.result.summary
    acq.save()
    after = record_of(image)["summary"]["peak_events"]
    assert [event["peak_id"] for event in after] == [1, 2, 3, 5]
    for old, new in zip([*before[:3], before[4]], after, strict=True):
        assert new["peak"] == old["peak"]
        for name, feature in old["features"].items():
            assert new["features"][name]["value"] == pytest.approx(feature["value"]), name
        assert new["decision"] == ("accepted" if new["peak_id"] == 2 else "open")
    again = AcqImage(image)
    assert intensity_of(again).peaks == measured.peaks
    assert intensity_of(again).rejected_peaks == measured.rejected_peaks
    assert again.problems == ()
    header = pd.read_csv(table_of(image)).columns
    assert tuple(header[2:]) == SumIntensity.standard_columns


def test_a_stored_record_keeps_its_method_when_it_is_run_again(image: Path) -> None:
    acq = AcqImage(image)
    before = intensity_of(acq).result
    acq.analysis_set.run_analysis(FIRST)
    after = intensity_of(acq).result
    assert before.table is not None
    assert after.table is not None
    pd.testing.assert_frame_equal(
        after.table, before.table, rtol=1e-12, atol=1e-12, check_dtype=False
    )
    assert after.summary["detection_method"] == "derivative_threshold"


def test_results_and_decisions_are_saved_and_read_back(image: Path) -> None:
    acq = AcqImage(image)
    measured = intensity_of(acq)
    acq.analysis_set.run_analysis(FIRST, preset("noise"))
    measured.reject(3)
    measured.add(4.0, 4.1)
    measured.move(1, onset_s=0.59)
    acq.save()
    again = AcqImage(image)
    found = intensity_of(again)
    assert again.problems == ()
    assert found.peaks == measured.peaks
    assert found.rejected_peaks == measured.rejected_peaks
    assert found.stale_reasons == ()
    assert found.result.table is not None
    assert measured.result.table is not None
    pd.testing.assert_frame_equal(
        found.result.table, measured.result.table, rtol=1e-12, check_dtype=False
    )
    assert not again.is_dirty
    # The rows of the others have none of our columns.
    assert tuple(intensity_of(again, SECOND).result.table.columns) == SumIntensity.standard_columns
    again.analysis_set.run_analysis(FIRST)
    assert [(p.onset, p.origin) for p in found.peaks] == [
        (p.onset, p.origin) for p in measured.peaks
    ]


def test_cloudscope_reads_and_saves_what_we_measured(image: Path) -> None:
    acq = AcqImage(image)
    acq.analysis_set.run_analysis(FIRST, preset("noise"))
    intensity_of(acq).reject(1)
    acq.save()
    peer = CloudScopeLike(image, "aug2026")
    assert peer.warnings == []
    assert peer[FIRST].summary["peak_events"] == record_of(image)["summary"]["peak_events"]
    peer.rename_roi(1, "renamed")
    peer.save()
    again = AcqImage(image)
    assert again.problems == ()
    assert intensity_of(again).peaks == intensity_of(acq).peaks
    assert intensity_of(again).rejected_peaks == intensity_of(acq).rejected_peaks
    assert intensity_of(again).stale_reasons == ()


def test_strict_tables_leave_our_columns_out_and_edits_need_a_run_then(image: Path) -> None:
    acq = AcqImage(image)
    acq.analysis_set.run_analysis(FIRST, preset("noise"))
    acq.save(strict_tables=True)
    assert acq.columns_left_out == SumIntensity.own_columns
    header = pd.read_csv(table_of(image)).columns
    assert tuple(header) == ("channel", "roi_id", *SumIntensity.standard_columns)
    again = AcqImage(image)
    measured = intensity_of(again)
    assert len(measured.peaks) == 5
    assert measured.stale_reasons == ()
    with pytest.raises(ValueError, match=r"no column df_f_smooth.*run it again"):
        measured.reject(1)
    again.analysis_set.run_analysis(FIRST)
    measured.reject(1)
    assert len(measured.peaks) == 4


def test_edits_of_peaks_are_undone_and_made_again(image: Path) -> None:
    acq = AcqImage(image)
    measured = intensity_of(acq)
    before = measured.result
    measured.reject(2)
    assert acq.history.undo_text == "edit the peaks of ROI 1"
    measured.add(1.0, 1.1)
    edited = measured.peaks
    acq.history.undo()
    acq.history.undo()
    assert measured.result is before
    assert not acq.is_dirty
    acq.history.redo()
    acq.history.redo()
    assert measured.peaks == edited


def test_a_run_is_no_edit_that_could_be_undone(image: Path) -> None:
    acq = AcqImage(image)
    acq.analysis_set.run_analysis(FIRST)
    acq.analysis_set.run_analysis(FIRST, preset("noise"))
    assert not acq.history.can_undo
    intensity_of(acq).reject(1)
    acq.analysis_set.run_analysis(FIRST)
    assert acq.history.undo() == "edit the peaks of ROI 1"
    assert intensity_of(acq).rejected_peaks == ()
    assert not acq.history.can_undo


def test_decisions_about_cloudscopes_peaks_stand_when_the_roi_is_resized(image: Path) -> None:
    acq = AcqImage(image)
    measured = intensity_of(acq)
    gone = measured.peaks[2]
    measured.reject(3)
    acq.save()
    again = AcqImage(image)
    again.rois.edit(1, RectRoiBounds(100, 1500, 0, 24))
    again.analysis_set.run_analysis(FIRST)
    assert [p.onset for p in intensity_of(again).rejected_peaks] == [gone.onset - 100]
    assert len(intensity_of(again).peaks) == 4


def test_a_bad_peak_is_reported_and_goes_back_unchanged(image: Path) -> None:
    sidecar = image.with_name(f"{image.name}.json")
    document = json.loads(sidecar.read_text())
    bad = document["analysis"][0]["summary"]["peak_events"][1]
    bad["onset"]["index"] = "early"
    sidecar.write_text(json.dumps(document))
    acq = AcqImage(image)
    (problem,) = acq.problems
    assert problem.where == "analysis[0].summary.peak_events[1]"
    assert [p.peak_id for p in intensity_of(acq).peaks] == [1, 3, 4, 5]
    intensity_of(acq).accept(1)
    acq.save()
    assert bad in record_of(image)["summary"]["peak_events"]
