"""The command line, run as a user runs it."""

from __future__ import annotations

import dataclasses
import hashlib
import io
import json
import subprocess
import sys
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd
import pytest
import tifffile
from click.testing import CliRunner

from napari_bloodflow import AcqImage, LineEndpoints, RectRoiBounds
from napari_bloodflow.cli import main
from napari_bloodflow.synthetic import (
    noise_only,
    pulsatile_flow,
    vessel_with_diameter_changes,
    write_tiff,
)

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path


@pytest.fixture
def k05(copy_fixture: Callable[[str], Path]) -> Path:
    return copy_fixture("cloudscope/may2026") / "k05_pulsatile.tif"


def run(*arguments: object) -> tuple[int, str, str]:
    result = CliRunner().invoke(main, [str(a) for a in arguments])
    return result.exit_code, result.stdout, result.stderr


def test_info_shows_calibration_rois_results_and_problems(k05: Path) -> None:
    code, out, _ = run("info", k05)
    assert code == 0
    assert "1.5 ms/line, 0.3 µm/px (from sidecar)" in out
    assert "rows are taken as time; the file does not say" in out
    assert "the image does not say: line period and pixel size" in out
    assert "rectroi: row_start 0, row_stop 2400" in out
    assert "radon_velocity, channel 0, ROI 1" in out
    assert "the reciprocal of the speed" in out


def test_info_of_a_folder_is_a_line_per_image(k05: Path) -> None:
    (k05.parent / "bad.tif").write_bytes(b"no image")
    code, out, _ = run("info", k05.parent)
    assert code == 0
    assert [line.split()[:3] for line in out.splitlines() if k05.name in line] == [
        [k05.name, "may2026", "Y:2400"]
    ]
    assert "bad.tif: is not a readable TIFF" in out
    assert out.splitlines()[-1].endswith("1 that cannot be used")


def test_velocity_prints_the_physical_speed_and_writes_nothing_unless_asked(k05: Path) -> None:
    before = {path: path.read_bytes() for path in k05.parent.iterdir()}
    code, out, _ = run("velocity", k05, "--window", 16)
    assert code == 0
    assert "597 windows" in out
    assert {path: path.read_bytes() for path in k05.parent.iterdir()} == before


def test_velocity_takes_the_proposed_window_and_says_why(k05: Path) -> None:
    code, out, err = run("velocity", k05, "--window", "auto")
    assert code == 0
    width = int(err.partition("window of ")[2].split()[0])
    assert f"window {width} lines" in out
    assert "px per line" in err


@pytest.mark.parametrize("window", ["wide", "1.5"])
def test_a_window_is_lines_or_auto(k05: Path, window: str) -> None:
    code, _, err = run("velocity", k05, "--window", window)
    assert code == 2
    assert "not a valid integer" in err


def test_accuracy_is_that_of_the_calibration_and_width_of_a_file(k05: Path) -> None:
    code, out, _ = run("accuracy", k05, "--window", 16, "--snr", 3)
    assert code == 0
    assert out.startswith("at your settings 0.")
    table = pd.read_csv(io.StringIO(out.partition("\n")[2]), sep=r"\s+")
    assert (table["speed_mm_per_s"] / table["shift_px"]).to_numpy() == pytest.approx(0.2, rel=0.01)
    assert run("accuracy", k05, "--window", "auto")[2].startswith("window of ")


def test_accuracy_names_what_does_not_fit(k05: Path, tmp_path: Path) -> None:
    code, _, err = run("accuracy", k05, "--window", 30)
    assert code == 2
    assert "multiple of 4" in err
    bare = tmp_path / "bare.tif"
    tifffile.imwrite(bare, np.zeros((64, 32), np.uint16))
    code, _, err = run("accuracy", bare)
    assert code == 2
    assert "are not known" in err


def test_export_scitiff_writes_a_new_file_only(k05: Path, tmp_path: Path) -> None:
    target = tmp_path / "export.tiff"
    code, out, _ = run("export-scitiff", k05, target)
    assert (code, out) == (0, f"wrote {target}\n")
    assert AcqImage(target).calibration.source == "SciTiff"
    code, _, err = run("export-scitiff", k05, target)
    assert code == 1
    assert "exists already" in err
    assert run("export-scitiff", k05, target, "--overwrite")[0] == 0
    assert run("export-scitiff", k05, k05, "--overwrite")[0] == 1


def test_velocity_as_csv_is_the_table(k05: Path) -> None:
    code, out, _ = run("velocity", k05, "--window", 16, "--csv")
    table = pd.read_csv(io.StringIO(out))
    assert code == 0
    assert list(table.columns[:4]) == ["time_s", "time_index", "theta_deg", "velocity"]
    # 1.6 px/line on average, 0.3 um/px, 1.5 ms/line
    assert table["velocity"].mean() == pytest.approx(1.6 * 0.3 / 0.0015, rel=0.05)


def test_velocity_saves_beside_the_image_which_does_not_change(k05: Path) -> None:
    image = hashlib.sha256(k05.read_bytes()).hexdigest()
    code, out, _ = run("velocity", k05, "--window", 16, "--save")
    assert code == 0
    assert "saved k05_pulsatile.tif.json" in out
    assert hashlib.sha256(k05.read_bytes()).hexdigest() == image
    again = AcqImage(k05)
    assert again.analysis_set[("radon_velocity", 0, 1)].result.summary["velocity_mean"] > 300
    assert again.problems == ()


def test_velocity_leaves_our_columns_out_of_strict_tables(k05: Path) -> None:
    table = k05.with_name(f"{k05.name}.radon_velocity.csv")
    code, out, _ = run("velocity", k05, "--window", 16, "--save", "--strict-tables")
    assert code == 0
    assert "left out of the tables: velocity_ci_low" in out
    assert "status" not in table.read_text("utf-8")
    run("velocity", k05, "--save")
    assert "status" not in table.read_text("utf-8")
    run("velocity", k05, "--save", "--own-columns")
    assert "status" in table.read_text("utf-8")


def test_strict_tables_without_save_are_refused(k05: Path) -> None:
    code, _, err = run("velocity", k05, "--strict-tables")
    assert code == 2
    assert "are for --save" in err


def test_a_file_without_rois_is_measured_whole(tmp_path: Path) -> None:
    path = tmp_path / "plain.tif"
    tifffile.imwrite(path, np.random.default_rng(0).integers(0, 99, (64, 20)).astype("uint8"))
    code, out, err = run("velocity", path, "--window", 16)
    assert code == 0
    assert "ROI 1 is the whole image" in err
    assert "not calibrated" in out
    assert list(tmp_path.iterdir()) == [path]


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("--roi", 9), "there is no ROI 9; it has ROI 1"),
        (("--channel", 3), "there is no channel 3; it has channel 0 only"),
        (("--window", 13), "must be a multiple of 4"),
        (("--window", 9600), "9600"),
    ],
)
def test_wrong_input_is_one_line_and_exit_code_2(
    k05: Path, arguments: tuple[object, ...], message: str
) -> None:
    code, out, err = run("velocity", k05, *arguments)
    assert code == 2
    assert out == ""
    lines = [line for line in err.splitlines() if line.startswith("napari-bloodflow:")]
    assert len(lines) == 1
    assert message in lines[0]


def test_a_line_roi_is_refused(k05: Path) -> None:
    acq = AcqImage(k05)
    acq.rois.create(LineEndpoints(0, 0, 100, 10))
    acq.save()
    code, _, err = run("velocity", k05, "--roi", 2)
    assert code == 2
    assert "ROI 2 is a line; an analysis needs a rectangle" in err


def test_a_result_that_cannot_be_saved_is_a_failure_with_exit_code_1(
    k05: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def no_space(*_: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("os.replace", no_space)
    code, out, err = run("velocity", k05, "--window", 32, "--save")
    assert code == 1
    assert "mean" in out
    assert "No space left on device" in err
    assert len(list(k05.parent.glob("k05*"))) == 3


def bad_inputs(folder: Path) -> dict[str, Path]:
    rng = np.random.default_rng(0)
    paths = {name: folder / f"{name}.tif" for name in ("empty", "text", "rgb", "one_d", "missing")}
    paths["empty"].write_bytes(b"")
    paths["text"].write_text("not a picture")
    tifffile.imwrite(paths["rgb"], rng.integers(0, 255, (20, 20, 3)).astype("uint8"))
    tifffile.imwrite(paths["one_d"], rng.integers(0, 255, (50,)).astype("uint8"))
    paths["folder"] = folder / "folder.tif"
    paths["folder"].mkdir()
    paths["extension"] = folder / "picture.png"
    paths["extension"].write_bytes(b"x")
    return paths


@pytest.mark.parametrize(
    "kind", ["empty", "text", "rgb", "one_d", "missing", "folder", "extension"]
)
@pytest.mark.parametrize("command", ["info", "velocity"])
def test_bad_files_are_named_with_the_cause_and_nothing_is_written(
    tmp_path: Path, kind: str, command: str
) -> None:
    path = bad_inputs(tmp_path)[kind]
    before = sorted(tmp_path.rglob("*"))
    code, out, err = run(command, path)
    assert (code, out) == (2, "")
    assert err.count("\n") == 1
    assert path.name in err
    assert sorted(tmp_path.rglob("*")) == before


def test_an_unreadable_sidecar_is_reported_and_the_image_still_opens(k05: Path) -> None:
    sidecar = k05.with_name(k05.name + ".json")
    sidecar.write_text("{ not json")
    code, out, _ = run("info", k05)
    assert code == 0
    assert "problem" in out
    assert "k05_pulsatile.tif.json" in out
    assert sidecar.read_text() == "{ not json"


def test_check_lists_problems_and_repairs_them(k05: Path) -> None:
    before = {path: path.read_bytes() for path in k05.parent.iterdir()}
    code, out, err = run("check", k05)
    assert (code, err) == (1, "")
    assert "problem" in out
    assert out.endswith("1 file, 1 with problems\n")
    assert {path: path.read_bytes() for path in k05.parent.iterdir()} == before
    code, out, _ = run("check", k05, "--repair", "--repair-velocity")
    assert code == 0
    assert "done         k05_pulsatile.tif.json was written again" in out
    assert run("check", k05) == (0, "1 file, 0 with problems\n", "")


def test_check_as_json_is_one_object(k05: Path) -> None:
    code, out, _ = run("check", k05.parent, "--json")
    found = json.loads(out)
    assert code == 1
    assert found["num_files"] == len(found["files"])
    assert found["num_with_problems"] == sum(bool(item["problems"]) for item in found["files"])
    (entry,) = [item for item in found["files"] if item["path"] == str(k05)]
    assert entry["problems"][0]["where"] == "channel 0, ROI 1"
    assert entry["done"] == []


def test_check_refuses_a_path_that_does_not_exist(tmp_path: Path) -> None:
    code, out, err = run("check", tmp_path, tmp_path / "gone")
    assert (code, out) == (2, "")
    assert "gone: no such file" in err


def test_the_demo_leaves_sample_sidecars_and_figure(tmp_path: Path) -> None:
    code, out, _ = run("demo", "--out", tmp_path)
    assert code == 0
    assert "true mean velocity" in out
    suffixes = {path.name.split(".", 1)[1] for path in tmp_path.iterdir()}
    assert suffixes == {"tif", "tif.json", "tif.radon_velocity.csv", "png"}


def test_info_counts_peaks(copy_fixture: Callable[[str], Path]) -> None:
    code, out, _ = run("info", copy_fixture("cloudscope/aug2026") / "k04_sum_intensity.tif")
    assert code == 0
    assert "sum_intensity, channel 0, ROI 1: 5 peaks, mean amplitude 0.28827, ok" in out


def test_flow_prints_a_table_of_two_stored_results(tmp_path: Path) -> None:
    across = vessel_with_diameter_changes(600, 96, dt_s=0.001)
    along = pulsatile_flow(600, 64)
    path = tmp_path / "vessel.tif"
    image = np.hstack([along.image, across.image])
    write_tiff(dataclasses.replace(along, image=image), path)
    acq = AcqImage(path)
    for number, columns in ((1, (0, 64)), (2, (64, 160))):
        assert acq.rois.create(RectRoiBounds(0, 600, *columns)).roi_id == number
    acq.analysis_set.run_analysis(("radon_velocity", 0, 1))
    acq.analysis_set.run_analysis(("diameter", 0, 2))
    acq.save()
    given = ("flow", path, "--velocity-roi", 1, "--diameter-roi", 2)
    code, out, _ = run(*given, "--profile", "plug")
    table = pd.read_csv(io.StringIO(out))
    assert code == 0
    assert set(table["velocity_ratio"]) == {1.0}
    assert 10 < table["flow_nl_per_min"].median() < 20
    code, out, err = run("flow", path, "--velocity-roi", 2, "--diameter-roi", 1)
    assert (code, out) == (2, "")
    assert "ROI 2 has no radon_velocity" in err


def test_the_command_is_installed() -> None:
    done = subprocess.run(
        [sys.executable, "-m", "napari_bloodflow", "--help"],
        capture_output=True,
        text=True,
        check=True,
    )
    assert "velocity" in done.stdout


def test_velocity_by_the_classic_method(k05: Path) -> None:
    code, out, _ = run("velocity", k05, "--window", 16, "--method", "classic")
    assert code == 0
    assert "radon_velocity, channel 0, ROI 1, classic, window 16 lines" in out
    code, out, _ = run("velocity", k05, "--window", 16)
    assert "ROI 1, normalized, window 16 lines" in out
    code, _, err = run("velocity", k05, "--method", "guess")
    assert code == 2
    assert "normalized" in err


def test_velocity_says_which_windows_have_none(tmp_path: Path) -> None:
    path = tmp_path / "noise.tif"
    write_tiff(noise_only(num_rows=512), path)
    code, out, _ = run("velocity", path)
    assert code == 0
    assert "without velocity: " in out
    assert "low_confidence" in out


def test_velocity_of_an_image_whose_columns_are_time(tmp_path: Path) -> None:
    path = tmp_path / "turned.tif"
    tifffile.imwrite(path, pulsatile_flow(num_rows=256).image.T.copy())
    assert "rows are taken as time" in run("info", path)[1]
    code, _, errors = run("velocity", path, "--swap-axes", "--save")
    assert code == 0, errors
    shown = run("info", path)[1]
    assert "256 lines" in shown
    assert "columns are time (swapped by hand)" in shown
    assert run("velocity", path, "--file-axes", "--window", "8", "--save")[0] == 0
    assert "rows are taken as time" in run("info", path)[1]
