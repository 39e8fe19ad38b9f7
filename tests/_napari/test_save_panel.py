"""Saving from the Acquisition dock when another program writes the same files."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest
from napari.components import ViewerModel
from napari.utils.notifications import notification_manager
from qtpy.QtCore import Qt
from qtpy.QtTest import QTest
from qtpy.QtWidgets import (
    QFileDialog,
    QLabel,
    QMainWindow,
    QMessageBox,
    QPushButton,
    QToolButton,
    QWidget,
)

from napari_bloodflow import AcqImage, ImageContrast, RectRoiBounds
from napari_bloodflow._napari.session import ViewerSession, get_session
from napari_bloodflow._napari.widgets.acquisition_dock import AcquisitionDock
from napari_bloodflow.storage.lock import image_lock
from napari_bloodflow.synthetic import moving_streaks, write_tiff

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from pytestqt.qtbot import QtBot

pytestmark = pytest.mark.gui


class Bench:
    def __init__(self, path: Path, qtbot: QtBot, window: QMainWindow | None = None) -> None:
        self.viewer = ViewerModel()
        self.session: ViewerSession = get_session(self.viewer)
        self.session.open(path)
        self.dock = AcquisitionDock(self.viewer)
        self.qtbot = qtbot
        if window is None:
            qtbot.addWidget(self.dock)
        else:
            window.setCentralWidget(self.dock)
            window.show()
        self.dock.show()

    @property
    def acq(self) -> AcqImage:
        assert self.session.acq is not None
        return self.session.acq

    def find(self, name: str, kind: type[Any] = QPushButton) -> Any:
        widget = self.dock.findChild(kind, name)
        assert widget is not None, name
        return widget

    def is_seen(self, name: str) -> bool:
        return bool(self.find(name, QWidget).isVisibleTo(self.dock))

    def click(self, name: str) -> None:
        button = self.find(name)
        self.qtbot.waitUntil(lambda: button.isEnabled() and self.is_seen(name), timeout=5000)
        QTest.mouseClick(button, Qt.MouseButton.LeftButton)

    def says(self, name: str, text: str) -> None:
        label = self.find(name, QLabel)
        self.qtbot.waitUntil(lambda: text in label.text(), timeout=5000)


@pytest.fixture
def image(tmp_path: Path) -> Path:
    path = tmp_path / "vessel.tif"
    write_tiff(moving_streaks(num_rows=128, num_columns=32), path)
    acq = AcqImage(path)
    acq.rois.create(RectRoiBounds(0, 64, 0, 12))
    acq.save()
    return path


@pytest.fixture
def windowed(image: Path, qtbot: QtBot) -> tuple[Bench, QMainWindow]:
    window = QMainWindow()
    qtbot.addWidget(window)
    return Bench(image, qtbot, window), window


@pytest.fixture
def bench(image: Path, qtbot: QtBot) -> Bench:
    bench = Bench(image, qtbot)
    other = AcqImage(image)
    other.rois.edit(1, RectRoiBounds(0, 100, 0, 20))
    other.set_image_contrast(0, ImageContrast("Gray", 3, 77, 0, 255))
    other.save()
    return bench


def conflict(bench: Bench) -> None:
    bench.acq.rois.edit(1, RectRoiBounds(5, 60, 2, 12))
    bench.click("save")
    bench.says("conflict_message_text", "ROI 1: here moved or resized, on disk moved or resized")
    assert bench.acq.is_dirty


def test_changes_that_do_not_touch_each_other_are_saved_together(bench: Bench) -> None:
    bench.acq.rois.create(RectRoiBounds(0, 50, 3, 20))
    bench.click("save")
    bench.says("dock_message_text", "together with the changes of another program")
    assert not bench.is_seen("conflict_panel")
    assert [roi.geometry for roi in bench.acq.rois] == [
        RectRoiBounds(0, 100, 0, 20),
        RectRoiBounds(0, 50, 3, 20),
    ]
    assert bench.session.roi_layer is not None
    assert len(bench.session.roi_layer.data) == 2
    assert tuple(bench.session.image_layers[0].contrast_limits) == (3, 77)
    assert not bench.acq.is_dirty


def test_reload_shows_what_is_on_disk(bench: Bench) -> None:
    conflict(bench)
    bench.click("conflict_reload")
    bench.says("dock_message_text", "loaded again")
    assert bench.acq.rois[1].geometry == RectRoiBounds(0, 100, 0, 20)
    assert tuple(bench.session.image_layers[0].contrast_limits) == (3, 77)
    assert not bench.acq.is_dirty
    assert not bench.is_seen("conflict_panel")


def test_mine_is_kept(bench: Bench, image: Path) -> None:
    conflict(bench)
    bench.click("conflict_mine")
    bench.says("dock_message_text", "Saved vessel.tif.json")
    assert AcqImage(image).rois[1].geometry == RectRoiBounds(5, 60, 2, 12)
    assert list(image.parent.glob("*.backup-*"))
    assert not bench.is_seen("conflict_panel")


def test_both_are_kept(bench: Bench, image: Path) -> None:
    conflict(bench)
    bench.click("conflict_both")
    bench.says("dock_message_text", "Saved vessel.tif.json")
    assert AcqImage(image).rois[1].geometry == RectRoiBounds(0, 100, 0, 20)
    assert AcqImage(image).rois[2].geometry == RectRoiBounds(5, 60, 2, 12)
    assert len(bench.acq.rois) == 2


def test_an_edit_made_while_the_file_is_written_stays_unsaved(image: Path, qtbot: QtBot) -> None:
    bench = Bench(image, qtbot)
    bench.acq.rois.rename(1, "first")
    save = bench.find("save")
    with image_lock(image):  # as if the drive were slow
        bench.click("save")
        assert (save.text(), save.isEnabled()) == ("Saving…", False)
        bench.acq.rois.rename(1, "second")
        bench.acq.rois.create()
    bench.says("dock_message_text", "Saved vessel.tif.json")
    assert bench.acq.is_dirty
    assert [roi.name for roi in AcqImage(image).rois] == ["first"]
    assert (save.text(), save.isEnabled()) == ("Save", True)
    bench.click("save")
    qtbot.waitUntil(lambda: not bench.acq.is_dirty, timeout=5000)
    assert AcqImage(image).rois.snapshot() == bench.acq.rois.snapshot()
    assert save.text() == "All saved"
    bench.dock.close()


def test_another_file_may_be_shown_meanwhile(bench: Bench, tmp_path: Path) -> None:
    acq = bench.acq
    acq.rois.edit(1, RectRoiBounds(5, 60, 2, 12))
    bench.click("save")
    other = tmp_path / "other.tif"
    write_tiff(moving_streaks(num_rows=64, num_columns=32), other)
    bench.session.open(other)
    bench.qtbot.waitUntil(lambda: bench.find("save").text() == "All saved", timeout=5000)
    assert acq.is_dirty
    assert not bench.is_seen("conflict_panel")
    assert not bench.is_seen("dock_message")
    assert "vessel.tif was not saved" in notification_manager.records[-1].message
    bench.session.activate(bench.session.shown[0])
    bench.click("save")
    bench.says("conflict_message_text", "ROI 1: here moved or resized")


def test_a_window_that_is_closed_waits_for_the_file(
    windowed: tuple[Bench, QMainWindow], image: Path
) -> None:
    bench, window = windowed
    bench.acq.rois.rename(1, "first")
    bench.click("save")
    window.close()  # a question would wait for an answer
    assert not window.isVisible()
    assert not bench.acq.is_dirty
    assert AcqImage(image).rois[1].name == "first"
    bench.says("dock_message_text", "Saved vessel.tif.json")


def test_what_closing_could_not_save_is_not_told_as_saved(
    windowed: tuple[Bench, QMainWindow], image: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    bench, window = windowed
    other = AcqImage(image)
    other.rois.edit(1, RectRoiBounds(0, 100, 0, 20))
    other.save()
    monkeypatch.setattr(QMessageBox, "exec", lambda _: QMessageBox.StandardButton.Cancel)
    bench.acq.rois.edit(1, RectRoiBounds(5, 60, 2, 12))
    bench.click("save")
    window.close()
    assert window.isVisible()
    bench.says("dock_message_text", "Not saved.")
    assert bench.acq.is_dirty
    bench.click("save")
    bench.says("conflict_message_text", "ROI 1: here moved or resized")
    bench.click("conflict_reload")
    assert not bench.acq.is_dirty


def test_a_dock_that_is_gone_leaves_the_file_whole(image: Path, qtbot: QtBot) -> None:
    viewer = ViewerModel()
    acq = get_session(viewer).open(image).acq
    dock = AcquisitionDock(viewer)
    dock.show()
    acq.rois.rename(1, "first")
    save = dock.findChild(QPushButton, "save")
    assert save is not None
    qtbot.waitUntil(save.isEnabled)
    with image_lock(image):
        QTest.mouseClick(save, Qt.MouseButton.LeftButton)
        with qtbot.waitSignal(dock.destroyed):
            dock.close()
            dock.deleteLater()
    acq.save()
    assert not acq.is_dirty
    assert AcqImage(image).rois[1].name == "first"


def test_a_viewer_may_be_closed_meanwhile(
    make_napari_viewer: Callable[..., Any], image: Path, qtbot: QtBot
) -> None:
    viewer = make_napari_viewer(show=True)
    _, dock = viewer.window.add_plugin_dock_widget("napari-bloodflow", "Acquisition")
    acq = get_session(viewer).open(image).acq
    acq.rois.rename(1, "first")
    save = dock.findChild(QPushButton, "save")
    qtbot.waitUntil(save.isEnabled)
    with image_lock(image):
        QTest.mouseClick(save, Qt.MouseButton.LeftButton)
        viewer.close()
    acq.save()
    assert not acq.is_dirty
    assert AcqImage(image).rois[1].name == "first"


def test_files_of_a_newer_program_are_saved_as_a_copy_only(
    image: Path, qtbot: QtBot, monkeypatch: pytest.MonkeyPatch
) -> None:
    sidecar = image.with_name("vessel.tif.json")
    text = json.dumps({**json.loads(sidecar.read_text()), "version": 7})
    sidecar.write_text(text)
    bench = Bench(image, qtbot)
    bench.acq.rois.rename(1, "vein")
    assert bench.find("save").text() == "Save a copy..."
    assert "newer program (version 7" in bench.find("save").toolTip()
    copy = image.with_name("other.tif.json")
    monkeypatch.setattr(QFileDialog, "getSaveFileName", lambda *_: (str(copy), ""))
    bench.click("save")
    bench.says("dock_message_text", "Saved other.tif.json")
    assert json.loads(copy.read_text())["rois"][0]["name"] == "vein"
    assert sidecar.read_text() == text
    bench.dock.close()


def newer(image: Path, qtbot: QtBot) -> Bench:
    """Show a file whose sidecar a newer program wrote, so that a copy of it can be saved only."""
    sidecar = image.with_name("vessel.tif.json")
    sidecar.write_text(json.dumps({**json.loads(sidecar.read_text()), "version": 7}))
    bench = Bench(image, qtbot)
    bench.acq.rois.rename(1, "vein")
    return bench


def test_a_copy_is_written_in_a_thread(
    image: Path, qtbot: QtBot, monkeypatch: pytest.MonkeyPatch
) -> None:
    bench = newer(image, qtbot)
    save, copy = bench.find("save"), image.with_name("other.tif.json")
    monkeypatch.setattr(QFileDialog, "getSaveFileName", lambda *_: (str(copy), ""))
    with image_lock(image.with_name("other.tif")):  # as if the drive were slow
        bench.click("save")
        assert (save.text(), save.isEnabled()) == ("Saving…", False)
        bench.acq.rois.rename(1, "artery")
        assert not copy.exists()
    bench.says("dock_message_text", "Saved other.tif.json")
    assert json.loads(copy.read_text())["rois"][0]["name"] == "vein"
    assert (save.text(), save.isEnabled()) == ("Save a copy...", True)
    bench.dock.close()


def test_a_copy_that_is_not_written_is_told(
    image: Path, qtbot: QtBot, monkeypatch: pytest.MonkeyPatch
) -> None:
    bench = newer(image, qtbot)
    copy = image.with_name("other.tif.json")
    copy.write_text("precious")
    monkeypatch.setattr(QFileDialog, "getSaveFileName", lambda *_: (str(copy), ""))
    bench.click("save")
    bench.says("dock_message_text", "Not saved.")
    assert "already" in bench.find("dock_message_text", QLabel).text()
    assert copy.read_text() == "precious"
    assert bench.find("save").isEnabled()
    bench.dock.close()


@pytest.mark.parametrize("choice", ["image", "sidecar"])
def test_the_user_decides_between_two_calibrations(image: Path, qtbot: QtBot, choice: str) -> None:
    sidecar = image.with_name("vessel.tif.json")
    document = json.loads(sidecar.read_text())
    document["image_header_metadata"]["physical_unit_x"] = 0.125
    sidecar.write_text(json.dumps(document))
    bench = Bench(image, qtbot)
    bench.says("calibration_choice_message_text", "disagree")
    bench.click(f"use_calibration_of_{choice}")
    bench.qtbot.waitUntil(lambda: not bench.is_seen("calibration_choice"), timeout=5000)
    assert (bench.acq.calibration.dx_um == 0.125) == (choice == "sidecar")
    assert bench.acq.calibration.source == "user"
    bench.dock.close()


def test_an_implausible_calibration_is_told(tmp_path: Path, qtbot: QtBot) -> None:
    path = tmp_path / "vessel.tif"
    write_tiff(moving_streaks(num_rows=64, num_columns=32, dx_um=50.0), path)
    bench = Bench(path, qtbot)
    bench.says("calibration_warning_text", "Hard to believe: a pixel of 50 µm")
    bench.dock.close()


def test_reciprocal_velocities_are_repaired_at_a_click(
    copy_fixture: Callable[[str], Path], qtbot: QtBot
) -> None:
    bench = Bench(copy_fixture("cloudscope/may2026") / "k05_pulsatile.tif", qtbot)
    QTest.mouseClick(bench.find("problems_panel_toggle", QToolButton), Qt.MouseButton.LeftButton)
    bench.click("repair_velocity")
    bench.qtbot.waitUntil(lambda: not bench.is_seen("repair_velocity"), timeout=5000)
    assert bench.acq.is_dirty
    bench.click("save")
    bench.qtbot.waitUntil(lambda: not bench.acq.is_dirty, timeout=5000)
    assert AcqImage(bench.acq.path).problems == ()
    bench.dock.close()
