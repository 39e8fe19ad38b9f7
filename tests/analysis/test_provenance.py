"""Stale results: what a result was made from against what there is now."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pandas as pd
import pytest
import tifffile

from napari_bloodflow import AcqImage, RectRoiBounds
from napari_bloodflow.synthetic import moving_streaks, write_tiff

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

KEY = ("radon_velocity", 0, 1)


@pytest.fixture
def image(tmp_path: Path) -> Path:
    path = tmp_path / "vessel.tif"
    write_tiff(moving_streaks(num_rows=256, num_columns=32), path)
    acq = AcqImage(path)
    acq.rois.create()
    acq.analysis_set.run_analysis(KEY)
    acq.save()
    return path


def reasons(acq: AcqImage) -> tuple[str, ...]:
    return acq.analysis_set[KEY].stale_reasons


def test_a_result_that_fits_is_not_stale(image: Path) -> None:
    assert reasons(AcqImage(image)) == ()


def test_other_pixels_of_the_same_size_make_it_stale(image: Path) -> None:
    with tifffile.TiffFile(image) as tif:
        pixels = tif.asarray()
        metadata = tif.imagej_metadata
    image.unlink()
    write_tiff(moving_streaks(num_rows=256, num_columns=32, seed=9), image)
    assert reasons(AcqImage(image)) == ("the image has other pixels",)
    # the same pixels, written by another program
    tifffile.imwrite(image, pixels, imagej=True, metadata=metadata, compression="zlib")
    assert "the image has other pixels" not in reasons(AcqImage(image))


@pytest.mark.parametrize("edit", ["value", "order", "row", "all rows"])
def test_a_table_edited_by_hand_makes_it_stale(image: Path, edit: str) -> None:
    path = image.with_name(f"{image.name}.radon_velocity.csv")
    table = pd.read_csv(path)
    if edit == "value":
        table.loc[4, "velocity"] *= 1.001
    elif edit == "order":
        table.loc[[4, 5], "theta_deg"] = table.loc[[5, 4], "theta_deg"].to_numpy() + 0.25
    elif edit == "row":
        table = table.drop(index=4)
    else:
        path.unlink()
    if edit != "all rows":
        table.to_csv(path, index=False)
    assert reasons(AcqImage(image)) == ("its table was edited, or is gone",)


def test_another_program_that_rewrites_the_table_does_not(image: Path) -> None:
    path = image.with_name(f"{image.name}.radon_velocity.csv")
    table = pd.read_csv(path)
    table["theta_deg"] *= 1 + 2**-52  # what an inexact CSV reader does
    table[["channel", "roi_id", "time_s", "time_index", "theta_deg", "velocity"]].to_csv(
        path, index=False
    )
    assert reasons(AcqImage(image)) == ()


def test_results_of_other_programs_are_stale_after_an_edit(
    copy_fixture: Callable[[str], Path],
) -> None:
    acq = AcqImage(copy_fixture("cloudscope/may2026") / "k05_pulsatile.tif")
    assert reasons(acq) == ()
    acq.rois.edit(1, RectRoiBounds(0, 2000, 0, 20))
    assert reasons(acq) == ("the ROI was moved or resized",)
    acq.set_calibration(acq.calibration.dt_s * 2, acq.calibration.dx_um)
    assert reasons(acq) == ("the ROI was moved or resized", "the calibration changed")
    acq.analysis_set.run_analysis(KEY)
    assert reasons(acq) == ()


def test_the_fingerprint_is_that_of_the_pixels(image: Path) -> None:
    same, other = (AcqImage(image).images.fingerprint() for _ in range(2))
    assert same == other
    image.unlink()
    write_tiff(moving_streaks(num_rows=256, num_columns=32, seed=9), image)
    assert AcqImage(image).images.fingerprint() != same
