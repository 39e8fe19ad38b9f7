"""Calibrations that disagree, or are hard to believe."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pytest
import tifffile

from napari_bloodflow import AcqImage, Calibration
from napari_bloodflow.acquisition.calibration_choice import doubts
from napari_bloodflow.synthetic import moving_streaks, write_tiff

if TYPE_CHECKING:
    from pathlib import Path


@pytest.mark.parametrize(
    ("dt_s", "dx_um", "num_columns", "words"),
    [
        (0.001, 0.25, 128, ""),
        (0.001, 0.5, 64, ""),
        (1e-5, 0.005, 100, ""),
        (0.9e-5, 0.25, 100, "a line of 9e-06 s is outside 1e-05 to 1 s"),
        (1.5, 0.25, 100, "a line of 1.5 s is outside"),
        (0.001, 0.004, 100, "a pixel of 0.004 µm is outside 0.005 to 10 µm"),
        (0.001, 250.0, 100, "a pixel of 250 µm is outside"),
        (0.158845 / 512, 0.158845 / 22, 22, "exactly 512, the size of a frame"),
        (0.273931 / 512, 0.273931 / 31, 31, "exactly 512, the size of a frame"),
    ],
)
def test_what_no_microscope_does_is_doubted(
    dt_s: float, dx_um: float, num_columns: int, words: str
) -> None:
    found = doubts(Calibration(dt_s, dx_um, "OME", is_known=True), num_columns)
    assert len(found) == bool(words)
    assert words in "".join(found)


def test_an_unknown_calibration_is_no_doubtful_one() -> None:
    assert doubts(Calibration(), 512) == ()


def test_doubts_are_problems_until_the_user_decides(tmp_path: Path) -> None:
    path = tmp_path / "vessel.tif"
    write_tiff(moving_streaks(num_rows=64, num_columns=32, dx_um=50.0), path)
    acq = AcqImage(path)
    assert [problem.where for problem in acq.problems] == ["calibration"]
    assert acq.calibration_doubts
    acq.set_calibration(acq.calibration.dt_s, acq.calibration.dx_um)
    assert acq.calibration_doubts
    assert acq.problems == ()
    assert acq.calibration.source == "user"
    acq.save()
    assert AcqImage(path).problems == ()


@pytest.mark.parametrize("choice", [0, 1])
def test_image_and_sidecar_disagree_until_the_user_decides(tmp_path: Path, choice: int) -> None:
    path = tmp_path / "vessel.tif"
    write_tiff(moving_streaks(num_rows=64, num_columns=32, dt_s=0.001, dx_um=0.5), path)
    acq = AcqImage(path)
    acq.rois.create()
    acq.save()
    other = tmp_path / "other.tif"
    write_tiff(moving_streaks(num_rows=64, num_columns=32, dt_s=0.002, dx_um=0.25), other)
    other.replace(path)
    acq = AcqImage(path)
    of_image, of_sidecar = acq.calibration_choices
    assert (of_image.dt_s, of_image.dx_um) == pytest.approx((0.002, 0.25))
    assert (of_sidecar.dt_s, of_sidecar.dx_um) == pytest.approx((0.001, 0.5))
    assert acq.calibration == of_image
    assert len(acq.problems) == 1
    chosen = acq.calibration_choices[choice]
    acq.set_calibration(chosen.dt_s, chosen.dx_um)
    assert acq.calibration_choices == ()
    acq.save()
    again = AcqImage(path)
    assert again.problems == ()
    assert (again.calibration.dt_s, again.calibration.dx_um) == (chosen.dt_s, chosen.dx_um)
    assert again.calibration.source == "user"


def test_sources_of_one_image_that_disagree_are_shown(tmp_path: Path) -> None:
    path = tmp_path / "vessel.tif"
    write_tiff(moving_streaks(num_rows=64, num_columns=32, dt_s=0.001, dx_um=0.5), path)
    (written,) = AcqImage(path).calibration_report
    assert written.endswith("(line period and pixel size used)")
    (tmp_path / "vessel.xml").write_text(
        '<PVScan><PVStateShard><PVStateValue key="micronsPerPixel">'
        '<IndexedValue index="XAxis" value="0.25"/></PVStateValue></PVStateShard></PVScan>'
    )
    acq = AcqImage(path)
    assert (acq.calibration.dt_s, acq.calibration.dx_um) == pytest.approx((0.001, 0.25))
    assert len(acq.calibration_report) == 2
    assert acq.calibration_report[0].startswith("Bruker xml: ")
    (problem,) = acq.problems
    assert "pixel size 0.25 µm (Bruker xml) or 0.5 µm" in problem.what
    acq.set_calibration(0.001, 0.25)
    assert acq.problems == ()
    assert all("not used" in line for line in acq.calibration_report)


@pytest.mark.parametrize(
    ("written", "said"),
    [
        ({"imagej": True, "metadata": {"yunit": "ms"}, "resolution": (2, 0.5)}, "time (from Im"),
        (
            {"imagej": True, "metadata": {"unit": "ms"}, "resolution": (2, 2)},
            "gives the columns",
        ),
        ({}, "the file does not say"),
    ],
)
def test_what_rows_are_and_who_says_so(
    tmp_path: Path, written: dict[str, object], said: str
) -> None:
    path = tmp_path / "vessel.tif"
    tifffile.imwrite(path, np.zeros((20, 10), np.uint16), **written)  # type: ignore[arg-type]
    words = AcqImage(path).images.axes_in_words
    assert words.startswith("rows are ")
    assert said in words


def test_frames_that_are_lines_are_rows_of_time(tmp_path: Path) -> None:
    path = tmp_path / "vessel.ome.tif"
    tifffile.imwrite(path, np.zeros((20, 1, 10), np.uint16), metadata={"axes": "TYX"}, ome=True)
    assert AcqImage(path).images.axes_in_words.endswith("each frame of the file is one line")


def test_what_no_source_says_is_in_the_report(tmp_path: Path) -> None:
    path = tmp_path / "plain.tif"
    tifffile.imwrite(path, np.zeros((20, 10), np.uint16), resolution=(72, 72), resolutionunit=2)
    acq = AcqImage(path)
    assert not acq.calibration.is_known
    unknown, note = acq.calibration_report
    assert unknown == "the image does not say: line period and pixel size"
    assert "72 pixels per inch" in note
