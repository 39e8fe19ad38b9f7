"""Volume flow from the velocity and the diameter of two ROIs."""

from __future__ import annotations

import dataclasses
import math
import shutil
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
import pytest
import tifffile

from napari_bloodflow import AcqImage, RectRoiBounds
from napari_bloodflow.analysis.base import Analysis, AnalysisResult
from napari_bloodflow.analysis.flow import PROFILES, volume_flow
from napari_bloodflow.errors import AnalysisError, ParameterError
from napari_bloodflow.synthetic import moving_streaks, vessel_with_diameter_changes, write_tiff

if TYPE_CHECKING:
    from pathlib import Path

VELOCITY, DIAMETER = ("radon_velocity", 0, 1), ("diameter", 0, 2)
ROWS, DT_S = 2000, 0.002


def scan(path: Path, first_line: int = 0) -> AcqImage:
    """Draw one scan along and one across a vessel, side by side, and measure both."""
    along = moving_streaks(ROWS, 64, dt_s=DT_S, velocity_um_per_s=400.0, seed=2)
    across = vessel_with_diameter_changes(ROWS, 96, dt_s=DT_S, seed=2)
    image = np.hstack([along.image, across.image])
    write_tiff(dataclasses.replace(along, image=image), path)
    acq = AcqImage(path)
    acq.rois.create(RectRoiBounds(first_line, ROWS, 0, 64))
    acq.rois.create(RectRoiBounds(0, ROWS, 64, 160))
    acq.analysis_set.run_analysis(VELOCITY)
    acq.analysis_set.run_analysis(DIAMETER)
    return acq


@pytest.fixture(scope="module")
def saved(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("flow") / "vessel.tif"
    scan(path).save()
    return path


@pytest.fixture
def acq(saved: Path, tmp_path: Path) -> AcqImage:
    for path in saved.parent.iterdir():
        shutil.copyfile(path, tmp_path / path.name)
    return AcqImage(tmp_path / saved.name)


def both(acq: AcqImage) -> tuple[Analysis, Analysis]:
    return acq.analysis_set[VELOCITY], acq.analysis_set[DIAMETER]


def give(analysis: Analysis, **columns: Any) -> None:
    """Replace columns of a table, as another program could; without provenance."""
    assert analysis.result.table is not None
    summary = {k: v for k, v in analysis.result.summary.items() if k != "provenance"}
    analysis.set_result(AnalysisResult(summary, analysis.result.table.assign(**columns)))


@pytest.mark.parametrize("first_line", [0, 501])
def test_the_flow_is_that_of_the_drawn_vessel(tmp_path: Path, first_line: int) -> None:
    acq = scan(tmp_path / "vessel.tif", first_line)
    table = volume_flow(*both(acq))
    truth = vessel_with_diameter_changes(ROWS, 96, dt_s=DT_S, seed=2).diameter_um
    assert truth is not None
    lines = np.rint(table["time_s"] / DT_S).astype(int) + first_line
    expected = 0.5 * 400.0 * math.pi / 4 * truth[lines] ** 2 * 60e-6
    found = table["flow_nl_per_min"]
    assert table["status"].eq("ok").mean() > 0.9
    np.testing.assert_allclose(found.dropna(), expected[found.notna()], rtol=0.12)
    error = (found - expected) / table["flow_sd_nl_per_min"]
    assert 0.3 < error.std() < 2.0
    velocity = acq.analysis_set[VELOCITY].result.table
    assert velocity is not None
    assert table["time_s"].tolist() == velocity["time_s"].tolist()


def test_the_error_is_that_of_velocity_and_diameter(acq: AcqImage) -> None:
    velocity, diameter = both(acq)
    give(
        velocity, velocity=300.0, velocity_ci_low=300 - 1.96 * 15, velocity_ci_high=300 + 1.96 * 15
    )
    give(diameter, diameter_um=20.0, diameter_um_sd=0.4, accepted=True)
    table = volume_flow(velocity, diameter, profile="plug")
    flow = 300 * math.pi * 100 * 60e-6
    assert table["flow_nl_per_min"].tolist() == pytest.approx([flow] * len(table))
    relative = math.hypot(0.05, 2 * 0.02)
    assert table["flow_sd_nl_per_min"].tolist() == pytest.approx([flow * relative] * len(table))


def test_the_profile_is_a_stated_assumption(acq: AcqImage) -> None:
    tables = {name: volume_flow(*both(acq), profile=name) for name in PROFILES}
    plug = tables["plug"]["flow_nl_per_min"]
    for name, ratio in {"parabolic": 0.5, "blunted": 0.625, "plug": 1.0}.items():
        np.testing.assert_allclose(tables[name]["flow_nl_per_min"], plug * ratio)
        assert set(tables[name]["velocity_ratio"]) == {ratio}
    custom = volume_flow(*both(acq), profile=0.7)
    np.testing.assert_allclose(
        custom["mean_velocity_um_per_s"],
        plug * 0 + custom["velocity_ratio"] * tables["plug"]["mean_velocity_um_per_s"],
    )


@pytest.mark.parametrize("profile", ["round", 0, -0.5, 1.5, math.nan, True])
def test_other_profiles_are_refused(acq: AcqImage, profile: Any) -> None:
    with pytest.raises(ParameterError, match="profile is"):
        volume_flow(*both(acq), profile=profile)


def test_gaps_stay_gaps(acq: AcqImage) -> None:
    velocity, diameter = both(acq)
    table = diameter.result.table
    assert table is not None
    accepted = table["accepted"].to_numpy() & ~table["time_s"].between(1.0, 1.5).to_numpy()
    give(diameter, accepted=accepted)
    speed = velocity.result.table
    assert speed is not None
    give(velocity, velocity=speed["velocity"].where(speed["time_s"] > 0.5))
    found = volume_flow(velocity, diameter)
    in_gap = found["time_s"].between(1.0, 1.5)
    assert set(found.loc[in_gap, "status"]) == {"no_diameter"}
    assert set(found.loc[found["time_s"] <= 0.5, "status"]) == {"no_velocity"}
    is_ok = found["status"] == "ok"
    assert 0 < is_ok.sum() < len(found)
    for name in ("flow_nl_per_min", "flow_sd_nl_per_min"):
        assert (found[name].notna() == is_ok).all()


def test_there_is_no_flow_next_to_a_gap_or_outside_the_diameters(acq: AcqImage) -> None:
    velocity, diameter = both(acq)
    time_s = [0.0, 0.001, 0.002, 0.003, 0.005, 9.0]
    empty = pd.Series([100.0] * len(time_s))
    velocity.set_result(AnalysisResult({}, pd.DataFrame({"time_s": time_s, "velocity": empty})))
    width = pd.DataFrame({"time_s": [0.0, 0.002, 0.004, 0.006]})
    width["diameter_um_filt"] = [10.0, 20.0, math.nan, 20.0]
    diameter.set_result(AnalysisResult({}, width))
    found = volume_flow(velocity, diameter)
    assert found["diameter_um"].tolist()[:3] == pytest.approx([10.0, 15.0, 20.0])
    assert found["status"].tolist() == ["ok"] * 3 + ["no_diameter"] * 3
    assert found["flow_sd_nl_per_min"].isna().all()


def test_the_sign_is_that_of_the_velocity(acq: AcqImage) -> None:
    velocity, diameter = both(acq)
    forward = volume_flow(velocity, diameter)["flow_nl_per_min"]
    speed = velocity.result.table
    assert speed is not None
    low, high = -speed["velocity_ci_high"], -speed["velocity_ci_low"]
    give(velocity, velocity=-speed["velocity"], velocity_ci_low=low, velocity_ci_high=high)
    back = volume_flow(velocity, diameter)
    np.testing.assert_allclose(back["flow_nl_per_min"], -forward)
    assert (back["flow_sd_nl_per_min"].dropna() > 0).all()


def test_what_does_not_fit_is_refused(acq: AcqImage, saved: Path) -> None:
    velocity, diameter = both(acq)
    other = AcqImage(saved)
    with pytest.raises(AnalysisError, match="needs a radon_velocity and got diameter"):
        volume_flow(diameter, velocity)
    with pytest.raises(AnalysisError, match="different files"):
        volume_flow(velocity, both(other)[1])
    other.set_calibration(0.001, 0.5)
    with pytest.raises(AnalysisError, match=r"out of date.*calibration changed"):
        volume_flow(*both(other))
    diameter.set_result(None)
    with pytest.raises(AnalysisError, match="has no table; run it first"):
        volume_flow(velocity, diameter)
    diameter.set_result(AnalysisResult({}, pd.DataFrame({"time_s": [0.0]})))
    with pytest.raises(AnalysisError, match="no column diameter_um_filt"):
        volume_flow(velocity, diameter)


def test_without_calibration_there_is_no_flow(saved: Path, tmp_path: Path) -> None:
    tifffile.imwrite(tmp_path / "bare.tif", tifffile.imread(saved)[:400])
    acq = AcqImage(tmp_path / "bare.tif")
    acq.rois.create(RectRoiBounds(0, 400, 0, 64))
    acq.rois.create(RectRoiBounds(0, 400, 64, 160))
    for key in (VELOCITY, DIAMETER):
        acq.analysis_set.run_analysis(key)
    with pytest.raises(AnalysisError, match="not calibrated"):
        volume_flow(*both(acq))
