"""Velocities that other programs stored as the reciprocal of the speed."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd
import pytest

from napari_bloodflow import AcqImage

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

KEY = ("radon_velocity", 0, 1)


@pytest.fixture
def image(copy_fixture: Callable[[str], Path]) -> Path:
    return copy_fixture("cloudscope/may2026") / "k05_pulsatile.tif"


def test_the_file_keeps_its_velocities_until_they_are_repaired(image: Path) -> None:
    table = image.with_name(f"{image.name}.radon_velocity.csv")
    before = table.read_bytes()
    acq = AcqImage(image)
    assert acq.reciprocal_velocities == (KEY,)
    acq.rois.rename(1, "vein")
    acq.save()
    assert table.read_bytes() == before
    assert AcqImage(image).reciprocal_velocities == (KEY,)


def test_repair_writes_the_speed_and_keeps_the_old_values(image: Path) -> None:
    path = image.with_name(f"{image.name}.radon_velocity.csv")
    before, old = path.read_bytes(), pd.read_csv(path)
    old_mean = json.loads(image.with_name(f"{image.name}.json").read_text())["analysis"][0][
        "summary"
    ]["velocity_mean"]
    acq = AcqImage(image)
    shown = acq.analysis_set[KEY].result.table
    assert acq.repair_velocity() == (KEY,)
    assert acq.is_dirty
    assert acq.reciprocal_velocities == acq.repair_velocity() == ()
    acq.save()
    new = pd.read_csv(path)
    assert shown is not None
    np.testing.assert_array_equal(new["velocity"], shown["velocity"])
    np.testing.assert_array_equal(new["velocity_as_found"], old["velocity"])
    np.testing.assert_array_equal(new["theta_deg"], old["theta_deg"])
    assert [p.read_bytes() for p in image.parent.glob(f"{path.name}.backup-*")] == [before]
    again = AcqImage(image)
    assert again.problems == ()
    assert again.reciprocal_velocities == ()
    summary = again.analysis_set[KEY].result.summary
    assert summary["as_found"]["velocity_mean"] == old_mean
    assert summary["velocity_mean"] == pytest.approx(float(new["velocity"].mean()))


def test_a_new_measurement_needs_no_repair(image: Path) -> None:
    acq = AcqImage(image)
    acq.analysis_set.run_analysis(KEY)
    assert acq.reciprocal_velocities == acq.repair_velocity() == ()


def test_a_column_that_follows_from_no_formula_is_told_and_left(image: Path) -> None:
    path = image.with_name(f"{image.name}.radon_velocity.csv")
    table = pd.read_csv(path)
    table.loc[3, "velocity"] = 1.0
    table.to_csv(path, index=False)
    acq = AcqImage(image)
    shown = acq.analysis_set[KEY].result.table
    assert shown is not None
    np.testing.assert_array_equal(shown["velocity"], table["velocity"])
    assert "does not follow from theta_deg" in acq.problems[0].what
    assert acq.reciprocal_velocities == ()
