"""Saving through napari's own menu, and the sample data."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pytest
from napari.components import ViewerModel
from napari.utils.notifications import notification_manager

from napari_bloodflow import AcqImage, open_in_viewer
from napari_bloodflow._napari.session import get_session
from tests.scitiff_files import FOLDER as SCITIFF

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


def test_the_image_can_be_saved_as_scitiff_and_opened_again(k05: Path, tmp_path: Path) -> None:
    viewer = ViewerModel()
    session = open_in_viewer(k05, viewer)
    target = tmp_path / "export.tiff"
    assert viewer.layers.save(str(target), plugin=PLUGIN) == [str(target)]
    again = open_in_viewer(target, ViewerModel())
    np.testing.assert_array_equal(again.image_layers[0].data, session.image_layers[0].data)
    assert again.acq.calibration.source == "SciTiff"  # type: ignore[union-attr]
    with pytest.raises(OSError, match="an image of its own"):
        viewer.layers.save(str(k05.with_name("k01_velocity.tif")), plugin=PLUGIN)


def test_masks_are_saved_with_their_image(tmp_path: Path) -> None:
    viewer = ViewerModel()
    open_in_viewer(SCITIFF / "s04_intensities_stdevs_mask.tiff", viewer)
    target = tmp_path / "export.tiff"
    viewer.layers.save(str(target), plugin=PLUGIN)
    again = ViewerModel()
    open_in_viewer(target, again)
    assert [type(layer).__name__ for layer in again.layers] == [
        "Image",
        "Image",
        "Labels",
        "Shapes",
    ]


def test_what_cannot_be_written_is_told(tmp_path: Path) -> None:
    viewer = ViewerModel()
    open_in_viewer(SCITIFF / "m11_bad_unit.tiff", viewer)
    notification_manager.records.clear()
    viewer.layers.save(str(tmp_path / "export.tiff"), plugin=PLUGIN)
    (told,) = notification_manager.records
    assert "the unit bogounit is not known" in told.message


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
