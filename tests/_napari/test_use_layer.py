"""Layers of other readers and of the console, measured like our own; and swapped axes."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import dask.array as da
import numpy as np
import pytest
from napari.layers import Image, Labels
from napari.utils.notifications import notification_manager
from qtpy.QtCore import Qt
from qtpy.QtTest import QTest
from qtpy.QtWidgets import (
    QComboBox,
    QDialog,
    QFileDialog,
    QLabel,
    QMessageBox,
    QPushButton,
    QSpinBox,
)

from napari_bloodflow import AcqImage, RectRoiBounds, use_layer
from napari_bloodflow._napari.close_guard import settle_unsaved
from napari_bloodflow._napari.roi_copy import copy_rois
from napari_bloodflow._napari.session import get_session
from napari_bloodflow._napari.use_layer import refusal, use_active_layer
from napari_bloodflow._napari.widgets.calibration_panel import StepBox
from napari_bloodflow.errors import AxesError
from napari_bloodflow.storage.lock import image_lock
from napari_bloodflow.synthetic import pulsatile_flow, write_tiff

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from pytestqt.qtbot import QtBot

    from napari_bloodflow._napari.session import ViewerSession

pytestmark = pytest.mark.gui
PLUGIN = "napari-bloodflow"
LEFT = Qt.MouseButton.LeftButton
SAMPLE = pulsatile_flow(num_rows=256)
STACK = np.stack([SAMPLE.image, SAMPLE.image[::-1]])


class Bench:
    """A viewer with the Acquisition dock."""

    def __init__(self, viewer: Any, qtbot: QtBot) -> None:
        self.viewer, self.qtbot = viewer, qtbot
        _, self.dock = viewer.window.add_plugin_dock_widget(PLUGIN, "Acquisition")

    @property
    def session(self) -> ViewerSession:
        return get_session(self.viewer)

    @property
    def acq(self) -> AcqImage:
        assert self.session.acq is not None
        return self.session.acq

    def wait(self, condition: Callable[[], bool]) -> None:
        self.qtbot.waitUntil(condition, timeout=5000)

    def find(self, name: str, kind: type[Any] = QPushButton) -> Any:
        widget = self.dock.findChild(kind, name)
        assert widget is not None, name
        return widget

    def press(self, name: str) -> None:
        button = self.find(name)
        self.wait(lambda: button.isVisibleTo(self.dock) and button.isEnabled())
        QTest.mouseClick(button, LEFT)

    @property
    def dialog(self) -> QDialog | None:
        found = self.dock.window().findChildren(QDialog, "layer_dialog")
        return next((dialog for dialog in found if dialog.isVisible()), None)

    def wait_for_dialog(self) -> QDialog:
        self.wait(lambda: self.dialog is not None)
        assert self.dialog is not None
        return self.dialog


@pytest.fixture
def bench(make_napari_viewer_proxy: Callable[..., Any], qtbot: QtBot) -> Bench:
    return Bench(make_napari_viewer_proxy(show=True), qtbot)


def part(dialog: QDialog, kind: type[Any], name: str) -> Any:
    found = dialog.findChild(kind, name)
    assert found is not None, name
    return found


def test_asked_once_with_mouse_and_keys(bench: Bench) -> None:
    layer = bench.viewer.add_image(STACK, name="scan")
    bench.press("use_layer")
    dialog = bench.wait_for_dialog()
    time, position = (part(dialog, QComboBox, f"layer_{n}_axis") for n in ("time", "position"))
    assert (time.currentText(), position.currentText()) == (
        "Axis 1: 256 pixels",
        f"Axis 2: {SAMPLE.image.shape[1]} pixels",
    )
    place = part(dialog, QSpinBox, "layer_place_0")
    assert place.isVisibleTo(dialog)
    assert not part(dialog, QSpinBox, "layer_place_1").isVisibleTo(dialog)
    place.setFocus()
    place.selectAll()
    QTest.keyClicks(place, "1")
    use = part(dialog, QPushButton, "use_layer_accept")
    QTest.keyClick(time, Qt.Key.Key_Down)
    assert not use.isEnabled()
    QTest.keyClick(time, Qt.Key.Key_Up)
    for name, text in (("layer_dt_ms", "1.3"), ("layer_dx_um", "0.25")):
        box = part(dialog, StepBox, name)
        box.setFocus()
        box.selectAll()
        QTest.keyClicks(box, text)
    assert "in memory" in part(dialog, QLabel, "layer_files").text()
    QTest.mouseClick(use, LEFT)
    bench.wait(lambda: bench.dialog is None and bench.session.acq is not None)
    assert np.array_equal(bench.acq.images.get_slice(), STACK[1])
    assert (bench.acq.calibration.dt_s, bench.acq.calibration.dx_um) == (0.0013, 0.25)
    assert bench.acq.calibration.source == "user"
    assert not layer.visible
    bench.viewer.layers.selection.active = layer
    bench.wait(lambda: bench.find("use_layer").text() == "Show it")
    bench.press("use_layer")
    assert bench.dialog is None
    assert len(bench.session.shown) == 1


def test_cancel_changes_nothing(bench: Bench) -> None:
    layer = bench.viewer.add_image(SAMPLE.image, name="scan")
    bench.press("use_layer")
    QTest.keyClick(bench.wait_for_dialog(), Qt.Key.Key_Escape)
    bench.wait(lambda: bench.dialog is None)
    assert bench.session.shown == ()
    assert layer.visible
    assert list(bench.viewer.layers) == [layer]


def test_the_layer_itself_is_left_alone_and_may_go(bench: Bench) -> None:
    data = da.from_array(STACK, chunks=(1, 64, 64))
    layer = bench.viewer.add_image(
        data, name="lazy", scale=(1, 0.001, 0.3), units=("pixel", "s", "um"), metadata={"a": 1}
    )
    shown = use_layer(layer, bench.viewer, index=(1,))
    assert layer.data is data
    assert (layer.metadata, layer.name) == ({"a": 1}, "lazy")
    assert tuple(layer.scale) == (1, 0.001, 0.3)
    acq = shown.acq
    assert (acq.calibration.dt_s, acq.calibration.dx_um) == pytest.approx((0.001, 0.3))
    assert acq.calibration.source == "layer"
    assert not acq.is_dirty
    layer.name = "renamed"
    assert use_layer(layer, bench.viewer) is shown
    acq.rois.create(RectRoiBounds(0, 128, 0, 20))
    bench.viewer.layers.remove(layer)
    assert bench.session.acq is acq
    assert shown.roi_layer is not None
    assert shown.roi_layer.nshapes == 1
    run = acq.analysis_set.run_analysis(("radon_velocity", 0, 1), {"window_width": 64})
    assert run.has_results


def test_of_several_resolutions_the_full_one_is_measured(bench: Bench) -> None:
    layer = bench.viewer.add_image([SAMPLE.image, SAMPLE.image[::2, ::2]], multiscale=True)
    acq = use_layer(layer, bench.viewer).acq
    assert np.array_equal(acq.images.get_slice(), SAMPLE.image)


def test_another_plane_of_a_file_has_files_of_its_own(bench: Bench, tmp_path: Path) -> None:
    np.save(tmp_path / "scan.npy", STACK)
    for place in (0, 1):
        (layer,) = bench.viewer.open(str(tmp_path / "scan.npy"), plugin="napari")
        acq = use_layer(layer, bench.viewer, index=(place,)).acq
        assert acq.name == f"scan.npy.layer{place + 1}"
        acq.rois.create()
        acq.save()
    assert len(bench.session.shown) == 2


def test_time_runs_to_the_right_as_in_our_own_files(bench: Bench) -> None:
    layer = bench.viewer.add_image(STACK, name="scan")
    use_layer(layer, bench.viewer)
    assert tuple(bench.viewer.dims.order) == (0, 2, 1)
    # The layer beside it is larger and hidden: the view is that of the kymograph.
    bench.acq.axes_swapped = True
    assert bench.session.active is not None
    (image,) = bench.session.image_layers
    low, high = image.extent.world
    camera, (height, width) = bench.viewer.scene.camera, bench.viewer.canvas.size
    assert camera.center[1:] == pytest.approx(tuple((0.5 * (low + high))[::-1]))
    assert np.all((high - low)[::-1] * camera.zoom <= (height, width))
    bench.acq.axes_swapped = False
    bench.session.set_time_direction("down")
    assert tuple(bench.viewer.dims.order) == (0, 1, 2)
    bench.session.set_time_direction("right")
    bench.viewer.layers.remove(layer)
    assert tuple(bench.viewer.dims.order) == (1, 0)


@pytest.mark.parametrize(
    ("layer", "said"),
    [
        (Image(np.zeros((20, 10, 3), np.uint8), rgb=True, name="photo"), "colour"),
        (Labels(np.zeros((20, 10), np.uint8), name="cells"), "no image layer"),
        (Image(np.zeros((1, 10)), name="line"), "no two axes"),
        (None, "No layer is selected"),
    ],
)
def test_what_cannot_be_measured_is_refused_in_words(layer: Any, said: str) -> None:
    assert said in refusal(layer)


def test_a_colour_picture_is_told_in_the_dock_and_refused(bench: Bench) -> None:
    layer = bench.viewer.add_image(np.zeros((20, 10, 3), np.uint8), rgb=True, name="photo")
    bench.wait(lambda: "colour" in bench.find("layer_notice_text", QLabel).text())
    assert not bench.find("use_layer").isVisibleTo(bench.dock)
    with pytest.raises(AxesError, match="colour"):
        use_layer(layer, bench.viewer)
    notification_manager.records.clear()
    use_active_layer(bench.viewer)
    assert "colour" in notification_manager.records[-1].message
    with pytest.raises(TypeError, match="no image layer"):
        use_layer(bench.viewer.add_labels(np.zeros((20, 10), np.uint8)), bench.viewer)


def test_two_channel_layers_of_one_file_are_apart_and_share_rois_by_a_copy(
    bench: Bench, tmp_path: Path
) -> None:
    path = tmp_path / "scan.npy"
    np.save(path, STACK)
    layers = bench.viewer.open(str(path), plugin="napari", channel_axis=0)
    assert len(layers) == 2
    bench.viewer.layers.selection = set(layers)
    notification_manager.records.clear()
    use_active_layer(bench.viewer)
    assert "select one" in notification_manager.records[-1].message
    assert bench.session.shown == ()
    first, second = (use_layer(layer, bench.viewer).acq for layer in layers)
    assert [acq.name for acq in (first, second)] == ["scan.npy.layer1", "scan.npy.layer2"]
    first.rois.create(RectRoiBounds(0, 100, 2, 20), name="vein")
    assert len(second.rois) == 0
    assert copy_rois(first.rois, second.rois).copied == (1,)
    first.save()
    second.save()
    for acq, plane in zip((first, second), STACK, strict=True):
        again = AcqImage.from_array(plane, path=acq.path)
        assert [roi.name for roi in again.rois] == ["vein"]
        assert not again.problems


def test_saved_beside_its_file_it_is_not_asked_again(
    make_napari_viewer_proxy: Callable[..., Any], qtbot: QtBot, tmp_path: Path
) -> None:
    path = tmp_path / "scan.npy"
    np.save(path, np.moveaxis(STACK, 0, 2))
    bench = Bench(make_napari_viewer_proxy(show=True), qtbot)
    (layer,) = bench.viewer.open(str(path), plugin="napari")
    shown = use_layer(
        layer, bench.viewer, time_axis=0, position_axis=1, index=(1,), dt_s=0.002, dx_um=0.5
    )
    shown.acq.rois.create(name="kept")
    bench.press("save")
    bench.wait(lambda: not shown.acq.is_dirty)
    assert sorted(p.name for p in tmp_path.glob("scan.npy.*")) == [
        "scan.npy.layer1.bloodflow.json",
        "scan.npy.layer1.json",
    ]
    for each in list(bench.viewer.layers):
        bench.viewer.layers.remove(each)
    assert bench.session.shown == ()
    (again,) = bench.viewer.open(str(path), plugin="napari")
    again.name = "by another name"
    bench.press("use_layer")
    bench.wait(lambda: bench.session.acq is not None)
    assert bench.dialog is None
    assert bench.acq.rois[1].name == "kept"
    assert np.array_equal(bench.acq.images.get_slice(), STACK[1])
    assert (bench.acq.calibration.dt_s, bench.acq.calibration.source) == (0.002, "user")


def test_a_file_that_we_read_ourselves_is_offered(bench: Bench, tmp_path: Path) -> None:
    path = tmp_path / "vessel.tif"
    write_tiff(SAMPLE, path)
    (layer,) = bench.viewer.open(str(path), plugin="napari")
    bench.press("use_layer")
    QTest.mouseClick(part(bench.wait_for_dialog(), QPushButton, "layer_open"), LEFT)
    bench.wait(lambda: bench.session.acq is not None)
    assert bench.acq.path == str(path)
    assert bench.acq.calibration.source == "ImageJ"
    assert not layer.visible


def test_what_is_in_memory_is_saved_as_an_image_and_goes_on_as_that(
    bench: Bench, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    layer = bench.viewer.add_image(SAMPLE.image, name="made")
    shown = use_layer(layer, bench.viewer, dt_s=0.001, dx_um=0.25)
    shown.acq.rois.create(name="a")
    shown.acq.analysis_set.run_analysis(("radon_velocity", 0, 1), {"window_width": 64})
    target = tmp_path / "made.tif"
    monkeypatch.setattr(
        QFileDialog, "getSaveFileName", lambda *_: (str(target.with_suffix("")), "")
    )
    bench.wait(lambda: bench.find("save").text() == "Save image…")
    bench.press("save")
    bench.wait(lambda: bench.acq.path == str(target))
    assert bench.session.shown == (bench.session.active,)
    assert bench.acq.rois[1].name == "a"
    assert not bench.acq.analysis_set[("radon_velocity", 0, 1)].is_stale
    assert "made.tif.json" in bench.find("dock_message_text", QLabel).text()
    assert use_layer(layer, bench.viewer).acq is bench.acq
    assert bench.session.workspace.unsaved == []
    bench.wait(lambda: bench.find("save").text() == "All saved")


@pytest.fixture
def made(bench: Bench, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Show an image that is in memory only, with a ROI; the path is where it will be saved."""
    use_layer(bench.viewer.add_image(SAMPLE.image, name="made"), bench.viewer)
    bench.acq.rois.create(name="a")
    target = tmp_path / "made.tif"
    monkeypatch.setattr(QFileDialog, "getSaveFileName", lambda *_: (str(target), ""))
    bench.wait(lambda: bench.find("save").text() == "Save image…")
    return target


def test_what_is_edited_while_an_image_is_saved_stays_in_memory(bench: Bench, made: Path) -> None:
    acq = bench.acq
    with image_lock(made):  # as if the drive were slow
        bench.press("save")
        assert bench.find("save").text() == "Saving…"
        acq.rois.rename(1, "b")
    bench.wait(lambda: "still unsaved" in bench.find("dock_message_text", QLabel).text())
    assert bench.acq is acq
    assert acq.rois[1].name == "b"
    assert AcqImage(made).rois[1].name == "a"


def test_another_file_that_is_shown_meanwhile_stays_in_front(
    bench: Bench, made: Path, tmp_path: Path
) -> None:
    other = tmp_path / "other.tif"
    write_tiff(SAMPLE, other)
    with image_lock(made):
        bench.press("save")
        bench.session.open(other)
    bench.wait(lambda: bench.session.find(made) is not None)
    assert bench.acq.path == str(other)
    assert {shown.acq.path for shown in bench.session.shown} == {str(made), str(other)}
    assert not bench.session.workspace.unsaved


def test_an_image_that_cannot_be_saved_is_told_and_kept(bench: Bench, made: Path) -> None:
    made.write_bytes(b"precious")
    acq = bench.acq
    bench.press("save")
    bench.wait(lambda: "exists already" in bench.find("dock_message_text", QLabel).text())
    assert bench.acq is acq
    assert acq.rois[1].name == "a"
    assert made.read_bytes() == b"precious"


def ask_before_closing(bench: Bench) -> bool:
    parent = bench.dock.window()
    unsaved = bench.session.workspace.unsaved
    return settle_unsaved(bench.session, parent, unsaved, "closing the window")


def test_an_image_in_memory_is_saved_as_a_file_before_closing(
    bench: Bench, made: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(QMessageBox, "exec", lambda _: QMessageBox.StandardButton.Save)
    assert ask_before_closing(bench)
    assert AcqImage(made).rois[1].name == "a"
    assert not bench.session.workspace.unsaved


def test_closing_is_given_up_where_no_file_is_chosen_or_written(
    bench: Bench, made: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(QMessageBox, "exec", lambda _: QMessageBox.StandardButton.Save)
    made.write_bytes(b"precious")
    assert not ask_before_closing(bench)
    assert "exists already" in notification_manager.records[-1].message
    monkeypatch.setattr(QFileDialog, "getSaveFileName", lambda *_: ("", ""))
    assert not ask_before_closing(bench)
    assert bench.acq.is_in_memory
    assert bench.acq.rois[1].name == "a"


# ---- swapped axes


def test_axes_are_swapped_with_a_button_and_back_with_undo(bench: Bench, tmp_path: Path) -> None:
    path = tmp_path / "vessel.tif"
    write_tiff(SAMPLE, path)
    bench.viewer.open(str(path), plugin=PLUGIN)
    bench.acq.rois.create(RectRoiBounds(0, 100, 3, 10))
    (image,), roi_layer = bench.session.image_layers, bench.session.roi_layer
    assert roi_layer is not None
    bench.press("swap_axes")
    assert bench.acq.axes_swapped
    assert np.array_equal(image.data, SAMPLE.image.T)
    corners = np.array(roi_layer.data[0])
    assert np.allclose(corners.max(axis=0) - corners.min(axis=0), (7, 100))
    bench.wait(lambda: "Columns are time" in bench.find("calibration_axes", QLabel).text())
    bench.wait(lambda: "Not calibrated" in bench.find("calibration_warning_text", QLabel).text())
    bench.wait(lambda: "pixel size" not in bench.find("calibration_warning_text", QLabel).text())
    assert bench.find("swap_axes").text() == "Swap back"
    assert "columns" in str(bench.viewer.status)
    bench.press("undo")
    assert not bench.acq.axes_swapped
    assert np.array_equal(image.data, SAMPLE.image)
    corners = np.array(roi_layer.data[0])
    assert np.allclose(corners.max(axis=0) - corners.min(axis=0), (100, 7))


def test_a_scitiff_file_has_no_button_to_swap(bench: Bench, tmp_path: Path) -> None:
    write_tiff(SAMPLE, tmp_path / "vessel.tif")
    AcqImage(tmp_path / "vessel.tif").export_scitiff(tmp_path / "export.tiff")
    bench.viewer.open(str(tmp_path / "export.tiff"), plugin=PLUGIN)
    bench.wait(lambda: "Rows are time" in bench.find("calibration_axes", QLabel).text())
    assert not bench.find("swap_axes").isVisibleTo(bench.dock)
