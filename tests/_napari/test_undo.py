"""Undo and redo with the keys, in a real viewer."""

from __future__ import annotations

import gc
import weakref
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from napari.components import ViewerModel
from napari.layers import Labels, Shapes
from qtpy.QtCore import Qt
from qtpy.QtTest import QTest
from qtpy.QtWidgets import QApplication

from napari_bloodflow import AcqImage, RectRoiBounds
from napari_bloodflow._napari.session import get_session
from napari_bloodflow._napari.undo import redo_edit, undo_last, undo_text
from napari_bloodflow.synthetic import pulsatile_flow, write_tiff
from tests._napari.mouse import NO_KEY, Mouse

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from pytestqt.qtbot import QtBot

    from napari_bloodflow._napari.session import ViewerSession

pytestmark = pytest.mark.gui
PLUGIN = "napari-bloodflow"
CTRL = Qt.KeyboardModifier.ControlModifier
CTRL_SHIFT = CTRL | Qt.KeyboardModifier.ShiftModifier
A = RectRoiBounds(100, 300, 2, 30)


class Hands:
    """A user with a mouse and a keyboard."""

    def __init__(self, viewer: Any, qtbot: QtBot) -> None:
        self.viewer = viewer
        self.mouse = Mouse(self.session, viewer.window._qt_window, qtbot)

    @property
    def session(self) -> ViewerSession:
        return get_session(self.viewer)

    @property
    def roi_layer(self) -> Shapes:
        assert self.session.roi_layer is not None
        return self.session.roi_layer

    def open(self, path: Path) -> AcqImage:
        self.viewer.open(str(path), plugin=PLUGIN)
        QApplication.processEvents()
        self.session.fit_view()
        QApplication.processEvents()
        assert self.session.acq is not None
        return self.session.acq

    def pick(self, layer: Any) -> None:
        self.viewer.layers.selection = {layer}
        QApplication.processEvents()

    def draw(self, *corners: float) -> None:
        self.pick(self.roi_layer)
        self.roi_layer.mode = "add_rectangle"
        self.mouse.drag(corners[:2], corners[2:])
        self.roi_layer.mode = "select"

    def key(self, key: Qt.Key, modifiers: Qt.KeyboardModifier = NO_KEY) -> str:
        QTest.keyClick(self.mouse.canvas, key, modifiers)
        QApplication.processEvents()
        return str(self.viewer.status)

    def undo(self) -> str:
        return self.key(Qt.Key.Key_Z, CTRL)

    def redo(self) -> str:
        return self.key(Qt.Key.Key_Z, CTRL_SHIFT)


@pytest.fixture
def hands(make_napari_viewer: Callable[..., Any], qtbot: QtBot) -> Hands:
    viewer = make_napari_viewer(show=True)
    viewer.window.resize(1400, 900)
    QApplication.processEvents()
    return Hands(viewer, qtbot)


@pytest.fixture
def paths(tmp_path: Path) -> list[Path]:
    paths = [tmp_path / name for name in ("first.tif", "second.tif")]
    for path in paths:
        write_tiff(pulsatile_flow(num_rows=1024), path)
    return paths


def test_draw_move_and_delete_are_undone_and_done_again(hands: Hands, paths: list[Path]) -> None:
    acq = hands.open(paths[0])
    seen = [acq.rois.snapshot()]
    hands.draw(200, 10, 500, 40)
    seen.append(acq.rois.snapshot())
    hands.roi_layer.selected_data = {0}
    hands.mouse.drag((350, 25), (450, 30))
    seen.append(acq.rois.snapshot())
    hands.key(Qt.Key.Key_Delete)
    seen.append(acq.rois.snapshot())
    assert [len(rois) for rois in seen] == [0, 1, 1, 0]
    assert seen[1] != seen[2]

    texts = ("delete ROI 1", "move ROI 1", "add ROI 1")
    for text, before in zip(texts, reversed(seen[:-1]), strict=True):
        assert hands.undo() == f"Undone: {text}."
        assert acq.rois.snapshot() == before
        assert hands.roi_layer.nshapes == len(before)
    assert not acq.is_dirty
    assert hands.undo() == "There is nothing to undo."
    for text, after in zip(reversed(texts), seen[1:], strict=True):
        assert hands.redo() == f"Redone: {text}."
        assert acq.rois.snapshot() == after
        assert hands.roi_layer.nshapes == len(after)
    assert hands.redo() == "There is nothing to redo."
    assert acq.rois.snapshot() == ()


def test_a_drag_of_many_moves_is_one_step(hands: Hands, paths: list[Path]) -> None:
    acq = hands.open(paths[0])
    acq.rois.create(RectRoiBounds(200, 500, 10, 40))
    hands.pick(hands.roi_layer)
    hands.roi_layer.mode = "direct"
    hands.roi_layer.selected_data = {0}
    hands.mouse.drag((199.5, 9.5), (300, 20))
    assert acq.rois[1].geometry != RectRoiBounds(200, 500, 10, 40)
    assert hands.undo() == "Undone: resize ROI 1."
    assert acq.rois[1].geometry == RectRoiBounds(200, 500, 10, 40)
    assert acq.history.undo_text == "add ROI 1"


def test_nothing_is_undone_in_the_middle_of_a_drag(hands: Hands, paths: list[Path]) -> None:
    acq = hands.open(paths[0])
    acq.rois.create(RectRoiBounds(200, 500, 10, 40))
    hands.pick(hands.roi_layer)
    hands.roi_layer.mode = "select"
    hands.roi_layer.selected_data = {0}
    hands.mouse.pull((350, 25), (450, 30))
    assert "finish the shape first" in hands.undo()
    assert "finish the shape first" in hands.redo()
    hands.mouse.release((450, 30))
    QApplication.processEvents()
    assert hands.undo() == "Undone: move ROI 1."
    assert acq.rois[1].geometry == RectRoiBounds(200, 500, 10, 40)


def test_two_acquisitions_in_one_viewer_are_independent(hands: Hands, paths: list[Path]) -> None:
    first = hands.open(paths[0])
    image, rois = hands.session.image_layers[0], hands.roi_layer
    first.rois.create(A, name="first")
    second = hands.open(paths[1])
    second.rois.create(A, name="second")
    second.accepted = False

    hands.pick(image)
    assert hands.undo() == "Undone: add ROI 1."
    assert (len(first.rois), len(second.rois), second.accepted) == (0, 1, False)
    assert hands.undo() == "There is nothing to undo."
    hands.pick(hands.session.shown[1].roi_layer)
    assert hands.undo() == "Undone: reject the file."
    assert (len(first.rois), len(second.rois), second.accepted) == (0, 1, True)
    hands.pick(rois)
    assert hands.key(Qt.Key.Key_Y, CTRL) == "Redone: add ROI 1."
    assert (first.rois[1].name, second.accepted) == ("first", True)
    assert hands.viewer.dims.ndisplay == 2


def test_results_that_go_with_a_roi_are_spoken_of_and_come_back(
    hands: Hands, paths: list[Path]
) -> None:
    acq = hands.open(paths[0])
    acq.rois.create(A)
    analysis = acq.analysis_set.run_analysis(("radon_velocity", 0, 1), {"window_width": 64})
    assert "what was measured there" in hands.undo()
    assert len(acq.analysis_set) == 0
    hands.redo()
    assert list(acq.analysis_set) == [analysis]
    assert not analysis.is_stale


def test_other_layers_keep_the_keys_of_napari(hands: Hands, paths: list[Path]) -> None:
    acq = hands.open(paths[0])
    acq.rois.create(A)
    labels = hands.viewer.add_labels(np.zeros((1024, 64), int))
    labels.paint((5, 5), 3)
    assert labels.data.any()
    hands.undo()
    assert not labels.data.any()
    hands.redo()
    assert labels.data.any()
    hands.pick(hands.viewer.add_points())
    hands.undo()
    hands.key(Qt.Key.Key_Y, CTRL)
    assert hands.viewer.dims.ndisplay == 3
    assert len(acq.rois) == 1


def test_a_deleted_roi_layer_comes_back_in_its_turn(paths: list[Path], qapp: QApplication) -> None:
    viewer = ViewerModel()
    session = get_session(viewer)
    shown = session.open(paths[0])
    acq = shown.acq
    acq.rois.create(A)
    corners = np.array([[99.5, 9.5], [99.5, 49.5], [299.5, 49.5], [299.5, 9.5]])
    assert shown.roi_layer is not None
    shown.roi_layer.add_ellipses(corners)
    viewer.layers.remove(shown.roi_layer)
    acq.accepted = False
    assert undo_text(shown) == "reject the file"
    assert undo_last(shown) == "Undone: reject the file."
    assert shown.roi_layer is None
    assert undo_text(shown) == "delete the ROI layer"
    assert undo_last(shown) == "Undone: delete the ROI layer."
    assert shown.roi_layer is not None
    assert list(shown.roi_layer.shape_type) == ["rectangle", "ellipse"]
    assert np.array_equal(shown.roi_layer.data[1], corners)
    assert undo_last(shown) == "Undone: draw an ellipse."
    assert redo_edit(shown) == "Redone: draw an ellipse."
    assert np.array_equal(shown.roi_layer.data[1], corners)
    assert acq.rois[1].geometry == A
    viewer.layers.clear()
    QApplication.processEvents()


def test_layers_that_were_deleted_are_not_brought_back_with_the_rois(
    paths: list[Path], qapp: QApplication
) -> None:
    viewer = ViewerModel()
    shown = get_session(viewer).open(paths[0])
    shown.acq.rois.create(A)
    for layer in list(shown.layers):
        viewer.layers.remove(layer)
    undo_last(shown)
    assert (len(shown.image_layers), shown.roi_layer is not None) == (0, True)
    viewer.layers.clear()
    QApplication.processEvents()


def test_removed_layers_give_the_keys_back_and_keep_nothing_alive(
    paths: list[Path], qapp: QApplication
) -> None:
    viewer = ViewerModel()
    keys = {kind: dict(kind.class_keymap) for kind in (Shapes, Labels)}
    session = get_session(viewer)
    shown = session.open(paths[0])
    layers = shown.layers
    assert all(layer.keymap for layer in layers)
    assert all(kind.class_keymap == keymap for kind, keymap in keys.items())
    viewer.layers.clear()
    assert not any(layer.keymap for layer in layers)
    QApplication.processEvents()  # what waits for the next turn is kept alive by PySide6
    watch = weakref.ref(session)
    del session, shown, viewer
    gc.collect()
    assert watch() is None
