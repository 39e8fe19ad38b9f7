"""Saving through napari's own menu, and the sample data."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pytest
from napari.components import ViewerModel

from napari_bloodflow import AcqImage, open_in_viewer
from napari_bloodflow._napari.session import get_session

if TYPE_CHECKING:
    from collections.abc import Callable

pytestmark = pytest.mark.gui
PLUGIN = "napari-bloodflow"


@pytest.fixture
def k05(copy_fixture: Callable[[str], Path]) -> Path:
    return copy_fixture("cloudscope/may2026") / "k05_pulsatile.tif"


def test_saving_the_layers_saves_the_sidecars(k05: Path) -> None:
    viewer = ViewerModel()
    session = open_in_viewer(k05, viewer)
    image = k05.read_bytes()
    session.acq.rois.create(name="added")  # type: ignore[union-attr]
    written = viewer.layers.save(f"{k05}.json", plugin=PLUGIN)
    assert f"{k05}.json" in written
    assert AcqImage(k05).rois[2].name == "added"
    assert k05.read_bytes() == image
    assert not session.acq.is_dirty  # type: ignore[union-attr]


def test_saving_elsewhere_writes_a_copy(k05: Path, tmp_path: Path) -> None:
    viewer = ViewerModel()
    session = open_in_viewer(k05, viewer)
    session.acq.rois.create()  # type: ignore[union-attr]
    before = Path(f"{k05}.json").read_bytes()
    target = tmp_path / "copy.tif.json"
    written = viewer.layers.save(str(target), plugin=PLUGIN)
    assert sorted(Path(path).name for path in written) == [
        "copy.tif.json",
        "copy.tif.radon_velocity.csv",
    ]
    assert Path(f"{k05}.json").read_bytes() == before


def test_other_layers_are_refused_in_words(tmp_path: Path) -> None:
    viewer = ViewerModel()
    viewer.add_image(np.ones((4, 4)))
    viewer.add_shapes(ndim=2)
    with pytest.raises(OSError, match="opened by napari-bloodflow"):
        viewer.layers.save(str(tmp_path / "x.json"), plugin=PLUGIN)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("key", ["pulsatile_flow", "vessel_diameter"])
def test_samples_open_calibrated_and_can_be_saved(key: str) -> None:
    viewer = ViewerModel()
    viewer.open_sample(PLUGIN, key)
    acq = get_session(viewer).acq
    assert acq is not None
    assert acq.calibration.is_known
    acq.rois.create()
    acq.save()
    assert AcqImage(acq.path).rois.num_rois == 1
