"""Lists of acquisitions: folders, paths, manifests; tables; saving many."""

from __future__ import annotations

import os
import sys
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING

import numpy as np
import pytest
import tifffile
from hypothesis import given
from hypothesis import strategies as st

from napari_bloodflow import AcqImage, AcqImageList
from napari_bloodflow.acquisition.file_search import find_files, natural_key
from napari_bloodflow.acquisition.listed_file import FileFacts, read_facts
from napari_bloodflow.acquisition.roi import RectRoiBounds
from napari_bloodflow.errors import UnsupportedFileError
from napari_bloodflow.synthetic import moving_streaks, write_tiff

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from napari_bloodflow.analysis.base import Progress


def image(path: Path) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    tifffile.imwrite(path, np.arange(48, dtype=np.uint8).reshape(8, 6))
    return path


def names(acqs: AcqImageList) -> list[str]:
    return [file.path.name for file in acqs.files]


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Two images, one below, one that cannot be read, and other files."""
    root = tmp_path / "study"
    image(root / "v2.tif")
    image(root / "v10.TIFF")
    image(root / "day1" / "deep.tif")
    (root / "bad.tif").write_bytes(b"no image")
    (root / "v2.tif.json").write_text("{}")
    (root / "notes.txt").write_text("x")
    (root / "._v2.tif").write_bytes(b"left by a Mac")
    return root


# ---- folders


def test_a_folder_is_listed_without_opening_anything(folder: Path) -> None:
    acqs = AcqImageList(folder)
    assert names(acqs) == ["bad.tif", "deep.tif", "v2.tif", "v10.TIFF"]
    assert all(file.acq is None for file in acqs.files)
    assert acqs.warnings == ()


@pytest.mark.parametrize(("depth", "count"), [(1, 3), (2, 4), (9, 4)])
def test_depth_one_is_the_folder_itself(folder: Path, depth: int, count: int) -> None:
    assert len(AcqImageList(folder, folder_depth=depth)) == count


def test_a_depth_of_zero_is_refused(folder: Path) -> None:
    with pytest.raises(ValueError, match="at least 1"):
        AcqImageList(folder, folder_depth=0)


def test_thousands_of_files_are_listed_once_each(tmp_path: Path) -> None:
    for number in range(3000):
        (tmp_path / f"f{number}.tif").touch()
    acqs = AcqImageList(tmp_path)
    assert names(acqs) == [f"f{number}.tif" for number in range(3000)]


@pytest.mark.skipif(sys.platform == "win32", reason="links need rights on Windows")
def test_links_neither_loop_nor_list_twice(folder: Path) -> None:
    (folder / "day1" / "up").symlink_to(folder, target_is_directory=True)
    (folder / "alias.tif").symlink_to(folder / "v2.tif")
    (folder / "lost.tif").symlink_to(folder / "nowhere.tif")
    acqs = AcqImageList.load_safe(folder, folder_depth=50)
    assert sorted(names(acqs)) == ["bad.tif", "deep.tif", "nowhere.tif", "v10.TIFF", "v2.tif"]
    lost = acqs.find(folder / "nowhere.tif")
    assert lost is not None
    assert lost.warning is not None
    assert lost.warning.error_type == "missing_file"


@pytest.mark.skipif(
    sys.platform == "win32" or os.geteuid() == 0, reason="the administrator may read everything"
)
def test_a_folder_that_cannot_be_read_is_a_warning(folder: Path) -> None:
    (folder / "day1").chmod(0)
    try:
        acqs = AcqImageList.load_safe(folder)
    finally:
        (folder / "day1").chmod(0o700)
    assert "deep.tif" not in names(acqs)
    assert any("cannot be read" in str(warning) for warning in acqs.warnings)


def test_no_such_source(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError):
        AcqImageList(tmp_path / "nothing")
    with pytest.raises(FileNotFoundError):
        AcqImageList.load_safe(tmp_path / "nothing")


# ---- paths


def test_paths_and_sidecars_of_one_image_are_one_entry(folder: Path) -> None:
    acqs = AcqImageList([folder / "v2.tif", str(folder / "v2.tif.json"), folder / "day1"])
    assert names(acqs) == ["v2.tif", "deep.tif"]


def test_other_files_are_refused_or_told(folder: Path) -> None:
    with pytest.raises(UnsupportedFileError, match=r"'\.txt' is not supported"):
        AcqImageList([folder / "v2.tif", folder / "notes.txt"])
    acqs = AcqImageList.load_safe([folder / "v2.tif", folder / "notes.txt"])
    assert [acq.name for acq in acqs] == ["v2.tif"]
    assert [warning.error_type for warning in acqs.warnings] == ["unsupported_file_type"]


def test_one_of_several_that_is_gone_is_told(folder: Path) -> None:
    paths = [folder / "v2.tif", folder / "gone.tif", folder / "gone"]
    acqs = AcqImageList.load_safe(paths)
    assert [acq.name for acq in acqs] == ["v2.tif"]
    assert [w.error_type for w in acqs.warnings] == ["missing_file", "unsupported_file_type"]
    with pytest.raises(FileNotFoundError):
        AcqImageList(paths)


# ---- manifests


def manifest(folder: Path, *rows: str) -> Path:
    path = folder / "list.csv"
    lines = ["_group,_rel_path", *(f'a,"{row}"' for row in rows)]
    path.write_text("\n".join(lines) + "\n", encoding="utf-8-sig")
    return path


def test_a_manifest_names_files_in_its_order(folder: Path) -> None:
    acqs = AcqImageList(manifest(folder, "v10.TIFF", "day1/deep.tif", "v2.tif"))
    assert [acq.name for acq in acqs] == ["v10.TIFF", "deep.tif", "v2.tif"]


def test_each_bad_row_is_a_warning_with_its_line(folder: Path) -> None:
    rows = ("v2.tif", "", "/etc/x.tif", "C:/x.tif", "../v2.tif", "gone.tif", "notes.txt", "v2.tif")
    path = manifest(folder, *rows)
    acqs = AcqImageList.load_safe(path)
    assert [acq.name for acq in acqs] == ["v2.tif"]
    kinds = {warning.row_index: warning.error_type for warning in acqs.warnings}
    csv = "csv_error"
    assert kinds == {
        3: csv,
        4: csv,
        5: csv,
        6: csv,
        7: "missing_file",
        8: "unsupported_file_type",
        9: csv,
    }
    assert {warning.path for warning in acqs.warnings} == {str(path)}
    with pytest.raises((ValueError, OSError)):
        AcqImageList(path)


@pytest.mark.parametrize("data", [b"", b"name\nv2.tif\n", b"_rel_path\n\xff\xfe\n"])
def test_a_csv_that_is_no_manifest_is_explained(folder: Path, data: bytes) -> None:
    path = folder / "list.csv"
    path.write_bytes(data)
    acqs = AcqImageList.load_safe(path)
    assert len(acqs) == 0
    assert [warning.error_type for warning in acqs.warnings] == ["csv_error"]
    with pytest.raises(ValueError, match=r"list\.csv"):
        AcqImageList(path)


@given(rows=st.lists(st.text(max_size=20), max_size=8))
def test_whatever_a_manifest_says_stays_in_its_folder(
    rows: list[str], tmp_path_factory: pytest.TempPathFactory
) -> None:
    import csv

    root = tmp_path_factory.mktemp("m")
    path = root / "list.csv"
    with path.open("w", encoding="utf-8", newline="") as file:
        writer = csv.writer(file)
        writer.writerows([["_rel_path"], *([row] for row in rows)])
    acqs = AcqImageList.load_safe(path, open_files=False)
    assert all(file.path.is_relative_to(root.resolve()) for file in acqs.files)
    assert len(acqs) == 0


@given(st.permutations([f"a{i}" for i in range(12)]))
def test_natural_order_counts(shuffled: list[str]) -> None:
    assert sorted(shuffled, key=natural_key) == [f"a{i}" for i in range(12)]


# ---- acquisitions


def test_strict_access_raises_and_safe_access_leaves_out(folder: Path) -> None:
    strict = AcqImageList(folder)
    with pytest.raises(UnsupportedFileError, match=r"bad\.tif"):
        list(strict)
    safe = AcqImageList.load_safe(folder)
    assert [acq.name for acq in safe] == ["deep.tif", "v2.tif", "v10.TIFF"]
    assert safe[-1] is safe.get_by_id(folder / "v10.TIFF")
    assert [acq.name for acq in safe[:2]] == ["deep.tif", "v2.tif"]
    with pytest.raises(KeyError, match="not in this list"):
        safe.get_by_id(folder / "v3.tif")


def test_an_acquisition_stays_the_same_until_it_is_closed(folder: Path) -> None:
    acqs = AcqImageList(folder / "v2.tif")
    (file,) = acqs.files
    acq = file.open()
    assert file.open() is acq is acqs[0]
    acq.rois.create()
    assert not file.close()
    acq.save()
    assert file.close()
    assert file.acq is None
    assert file.get_schema_row()["num_rois"] == 1


def test_one_opened_elsewhere_is_adopted_unless_that_loses_edits(folder: Path) -> None:
    (file,) = AcqImageList(folder / "v2.tif").files
    other = AcqImage(folder / "v2.tif")
    file.adopt(other)
    assert file.acq is other
    other.rois.create()
    with pytest.raises(ValueError, match="unsaved"):
        file.adopt(AcqImage(folder / "v2.tif"))
    with pytest.raises(ValueError, match="is not"):
        file.adopt(AcqImage(folder / "v10.TIFF"))


def test_loading_tells_its_progress_and_can_be_cancelled(folder: Path) -> None:
    told: list[Progress] = []
    acqs = AcqImageList.load_safe(folder, progress=told.append, is_cancelled=lambda: len(told) == 2)
    assert [(step.done, step.total) for step in told] == [(0, 4), (1, 4)]
    assert names(acqs) == ["bad.tif", "deep.tif"]


def test_files_are_opened_in_several_threads_at_once(folder: Path) -> None:
    # What a thread cannot open because of another one is a warning here, and warnings are errors.
    path = folder / "v2.tif"
    with ThreadPoolExecutor(4) as pool:
        found = list(pool.map(read_facts, [path] * 80))
    assert all(isinstance(facts, FileFacts) for facts in found)


# ---- tables


def test_the_table_has_the_columns_of_the_format_and_rows_for_bad_files(folder: Path) -> None:
    acqs = AcqImageList(folder)
    acqs.find(folder / "v2.tif").open().rois.create()  # type: ignore[union-attr]
    table = acqs.to_table()
    assert list(table.columns[:14]) == list(acqs.get_schema().names)
    assert list(table["name"]) == ["bad.tif", "deep.tif", "v2.tif", "v10.TIFF"]
    assert list(table["saved"]) == [True, True, False, True]
    assert list(table["loaded"] != "") == [False, False, True, False]
    assert table["num_rois"].isna().tolist() == [True, False, False, False]
    assert table["dims"].tolist()[1:] == ["Y:8 X:6"] * 3
    assert table["parent"].tolist() == ["study", "day1", "study", "study"]
    assert "readable TIFF" in table.loc[0, "warning"]
    assert (table["warning"][1:] == "").all()


def test_a_table_of_nothing(tmp_path: Path) -> None:
    acqs = AcqImageList(tmp_path)
    assert acqs.to_table().empty
    assert acqs.to_tree_table().empty


def test_the_tree_has_a_row_per_analysis(two_rois: Path) -> None:
    acqs = AcqImageList(two_rois)
    tree = acqs.to_tree_table()
    assert list(tree["tree_row_type"]) == ["file", "analysis"]
    assert tree.loc[1, "tree_row_id"] == f"{two_rois}::analysis::radon_velocity::ch_0::roi_1"
    assert acqs.files[0].acq is None
    # Closed and open say the same.
    assert acqs[0].get_tree_rows()[1] == acqs.get_tree_rows()[1]


def test_stale_results_are_counted(two_rois: Path) -> None:
    acqs = AcqImageList(two_rois)
    assert acqs.to_table()["num_stale"].tolist() == [0]
    acqs[0].set_calibration(0.5, 0.5)
    assert acqs.to_table()["num_stale"].tolist() == [1]
    assert "calibration" in acqs.files[0].facts.stale[0]  # type: ignore[union-attr]


def test_values_in_use_are_offered_once(folder: Path) -> None:
    acqs = AcqImageList.load_safe(folder)
    for acq, genotype in zip(acqs, ("wt", "KO", "wt"), strict=True):
        acq.apply_metadata_patch("experiment_metadata", {"genotype": genotype})
    assert acqs.get_field_values("genotype") == ["KO", "wt"]
    assert acqs.get_field_values("depth") == []
    with pytest.raises(KeyError):
        acqs.get_field_values("colour")


# ---- saving


def test_only_what_changed_is_saved(folder: Path) -> None:
    acqs = AcqImageList.load_safe(folder)
    first, second, _ = acqs
    first.accepted = second.accepted = False
    told: list[Progress] = []
    report = acqs.save_all(progress=told.append)
    assert report.saved == (first.image_path, second.image_path)
    assert [step.text for step in told] == ["deep.tif", "v2.tif"]
    assert not acqs.dirty_files
    assert not AcqImage(first.path).accepted
    assert acqs.save_all().saved == ()


def test_only_the_selected_are_saved(folder: Path) -> None:
    acqs = AcqImageList.load_safe(folder)
    for acq in acqs:
        acq.accepted = False
    report = acqs.save_selected(acqs.files[:2])
    assert [path.name for path in report.saved] == ["deep.tif"]
    assert [file.path.name for file in acqs.dirty_files] == ["v2.tif", "v10.TIFF"]


def test_one_that_cannot_be_saved_stops_no_other(folder: Path) -> None:
    (folder / "v2.tif.json").write_text('{"version": 9}')
    acqs = AcqImageList.load_safe(folder)
    for acq in acqs:
        acq.accepted = False
    report = acqs.save_all()
    assert [path.name for path in report.saved] == ["deep.tif", "v10.TIFF"]
    ((failed, error),) = report.failed
    assert failed.name == "v2.tif"
    assert "newer program" in str(error)
    assert [file.path.name for file in acqs.dirty_files] == ["v2.tif"]


def test_saving_is_cancelled_between_files(folder: Path) -> None:
    acqs = AcqImageList.load_safe(folder)
    for acq in acqs:
        acq.accepted = False
    told: list[Progress] = []
    report = acqs.save_all(progress=told.append, is_cancelled=lambda: len(told) == 1)
    assert [path.name for path in report.saved] == ["deep.tif"]
    assert [path.name for path in report.not_reached] == ["v2.tif", "v10.TIFF"]


def test_the_search_can_be_cancelled(folder: Path) -> None:
    seen: Callable[[], bool] = iter([False, True, True]).__next__
    files, _ = find_files(folder, 4, seen)
    assert "deep.tif" not in [file.path.name for file in files]


# ---- random order


def test_a_seed_gives_the_same_order_wherever_the_files_are(tmp_path: Path) -> None:
    orders = []
    for place in ("here", "there"):
        root = tmp_path / place / "study"
        for number in range(12):
            image(root / f"v{number}.tif")
        orders.append([file.path.name for file in AcqImageList(root).shuffled(5)])
    assert orders[0] == orders[1]
    assert sorted(orders[0]) == sorted(names(AcqImageList(tmp_path / "here")))
    acqs = AcqImageList(tmp_path / "here")
    assert len({tuple(file.path.name for file in acqs.shuffled(seed)) for seed in range(9)}) == 9


def test_a_file_that_is_added_leaves_the_order_of_the_others(folder: Path) -> None:
    before = AcqImageList(folder).shuffled(1)
    image(folder / "later.tif")
    after = AcqImageList(folder).shuffled(1)
    assert [f.path for f in after if f.path.name != "later.tif"] == [f.path for f in before]


# ---- what is known of ROIs


def test_states_of_results_are_known_without_opening_a_file(tmp_path: Path) -> None:
    path = tmp_path / "v.tif"
    write_tiff(moving_streaks(128, 32), path)
    acq = AcqImage(path)
    for name in ("vein", "", "wall"):
        acq.rois.create(name=name)
    for roi_id in (1, 2):
        acq.analysis_set.run_analysis(("radon_velocity", 0, roi_id), {"window_width": 16})
    acq.analysis_set.create(("diameter", 0, 3))
    acq.rois.edit(2, RectRoiBounds(0, 100, 0, 30))
    acq.save()
    facts = read_facts(path)
    assert isinstance(facts, FileFacts)
    assert [roi.label for roi in facts.rois] == ["1 vein", "2", "3 wall"]
    states = [[(r.key.analysis_name, r.state) for r in roi.results] for roi in facts.rois]
    assert states[:2] == [[("radon_velocity", "current")], [("radon_velocity", "stale")]]
    assert states[2] in ([("diameter", "none")], [])
    assert "ROI" in facts.rois[1].results[0].reason
