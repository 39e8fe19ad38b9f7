"""SciTiff files in the viewer: the expected layers, and the metadata in the dock."""

from __future__ import annotations

from typing import Any

import numpy as np
import pint
import pytest
from napari.components import ViewerModel
from napari.layers import Labels
from qtpy.QtWidgets import QLabel, QWidget

from napari_bloodflow import open_in_viewer
from napari_bloodflow._napari.layers import SCITIFF_KEY
from napari_bloodflow._napari.session import get_session
from napari_bloodflow._napari.widgets.acquisition_dock import AcquisitionDock
from tests.scitiff_files import EXPECTED, FOLDER, named, sha256

pytestmark = pytest.mark.gui
PLUGIN = "napari-bloodflow"
KYMOGRAPH = FOLDER / "s01_kymo_tx.tiff"
PICTURE = FOLDER / "o25.3.0_rgb.tiff"
WITH_MASK = FOLDER / "s04_intensities_stdevs_mask.tiff"


@pytest.fixture
def viewer() -> ViewerModel:
    return ViewerModel()


def as_expected(layer: Any) -> dict[str, Any]:
    metadata = layer.metadata[SCITIFF_KEY]
    return {
        "type": "labels" if isinstance(layer, Labels) else "image",
        "role": metadata["role"],
        "name": metadata["channel"],
        "shape": list(layer.data.shape),
        "dtype": layer.data.dtype.name,
        "axis_labels": list(layer.axis_labels),
        "scale": list(layer.scale),
        "translate": list(layer.translate),
        "units": list(layer.units),
        "sha256": sha256(np.asarray(layer.data)),
    }


def normal(entry: dict[str, Any]) -> dict[str, Any]:
    """Spell units as napari does, once it has taken them."""
    registry = pint.get_application_registry()
    return {**entry, "units": [registry.Unit(unit) for unit in entry["units"]]}


@pytest.mark.parametrize("name", named("scitiff"))
def test_the_examples_give_the_expected_layers(name: str) -> None:
    viewer = ViewerModel()
    viewer.open(FOLDER / name, plugin=PLUGIN)
    session = get_session(viewer)
    *images, rois = viewer.layers
    assert rois is session.roi_layer
    found = [as_expected(layer) for layer in images]
    expected = [normal(entry) for entry in EXPECTED[name]["layers"]]
    assert session.acq is not None
    if session.acq.images.is_kymograph:
        # in pixels and stretched; where the steps are, the calibration is
        for entry in (*found, *expected):
            for key in ("axis_labels", "scale", "translate", "units"):
                del entry[key]
        assert all(tuple(layer.scale) == (1.0, session.stretch) for layer in images)
    assert found == expected


def test_a_picture_is_shown_whole_and_upright_at_its_size() -> None:
    viewer = ViewerModel()
    open_in_viewer(PICTURE, viewer)
    session = open_in_viewer(FOLDER / "v13_seed_doc_example.tiff", viewer)
    assert viewer.dims.ndim == 3
    assert session.describe_position((0.0, 0.0, 0.0)) == ""
    shown = session.shown[0]
    scale = tuple(shown.image_layers[0].scale)
    session.activate(shown)
    session.set_stretch(3.0)
    session.set_time_direction("down")
    assert tuple(shown.image_layers[0].scale) == scale
    assert tuple(viewer.dims.order) == (0, 1, 2)
    assert tuple(shown.roi_layer.scale) == scale[-2:]  # type: ignore[union-attr]


def test_kymographs_turn_and_pictures_do_not() -> None:
    viewer = ViewerModel()
    session = open_in_viewer(KYMOGRAPH, viewer)
    assert tuple(viewer.dims.order) == (1, 0)
    session.open(FOLDER / "v13_seed_doc_example.tiff")
    assert tuple(viewer.dims.order) == (0, 1)
    session.activate(session.shown[0])
    assert tuple(viewer.dims.order) == (1, 0)


def test_standard_deviations_stay_hidden_and_masks_can_be_brought_back() -> None:
    viewer = ViewerModel()
    session = open_in_viewer(WITH_MASK, viewer)
    shown = session.shown[0]
    values, stdevs, mask, rois = viewer.layers
    assert [layer.colormap.name for layer in (values, stdevs)] == ["gray", "gray"]
    assert [layer.visible for layer in viewer.layers] == [True, False, True, True]
    session.open(KYMOGRAPH)
    assert not any(layer.visible for layer in (values, stdevs, mask, rois))
    session.activate(shown)
    assert [layer.visible for layer in (values, stdevs, mask, rois)] == [True, False, True, True]
    viewer.layers.remove(mask)
    assert shown.mask_layers == []
    session.show_layers(shown)
    assert [layer.name for layer in shown.mask_layers] == [mask.name]
    assert len(shown.image_layers) == 2


def test_a_roi_on_a_picture_is_in_its_pixels() -> None:
    session = open_in_viewer(PICTURE, ViewerModel())
    rows = [[0.0, 0.0], [0.0, 3.0], [2.0, 3.0], [2.0, 0.0]]
    session.roi_layer.add_rectangles(np.array(rows))  # type: ignore[union-attr]
    assert session.acq.rois.num_rois == 1  # type: ignore[union-attr]


@pytest.mark.parametrize(
    ("path", "has_panel"),
    [(KYMOGRAPH, True), (PICTURE, True), (FOLDER / "p01_plain_2d.tiff", False)],
)
def test_the_dock_shows_the_metadata(
    viewer: ViewerModel, qtbot: Any, path: Any, has_panel: bool
) -> None:
    open_in_viewer(path, viewer)
    dock = AcquisitionDock(viewer)
    qtbot.addWidget(dock)
    dock.show()
    panel = dock.findChild(QWidget, "scitiff_panel")
    qtbot.waitUntil(lambda: panel.isVisibleTo(dock) == has_panel)
    text = dock.findChild(QLabel, "scitiff_text")
    assert ("coordinate t" in text.text()) == has_panel
    for name in ("display_panel", "calibration_panel"):
        part = dock.findChild(QWidget, name)
        qtbot.waitUntil(lambda part=part: part.isVisibleTo(dock) == (path != PICTURE))
