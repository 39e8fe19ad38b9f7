"""One command opens all docks, arranged, in a window of 1400 x 900."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
from qtpy.QtCore import Qt, QTimer
from qtpy.QtWidgets import QApplication, QDockWidget, QMainWindow, QPushButton, QWidget

from napari_bloodflow import AcqImage, open_in_viewer
from napari_bloodflow._napari.session import get_session
from napari_bloodflow._napari.workbench import open_workbench
from napari_bloodflow.synthetic import pulsatile_flow, write_tiff

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from pytestqt.qtbot import QtBot

    from napari_bloodflow._napari.session import ViewerSession

pytestmark = pytest.mark.gui


def area_of(window: QMainWindow, name: str) -> Qt.DockWidgetArea:
    widget = window.findChild(QWidget, name)
    assert widget is not None, name
    dock: Any = widget
    while not isinstance(dock, QDockWidget):
        dock = dock.parentWidget()
    return window.dockWidgetArea(dock)


def test_files_are_right_measurements_below_and_all_fits(
    make_napari_viewer_proxy: Callable[..., Any], tmp_path: Path
) -> None:
    path = tmp_path / "capillary.tif"
    write_tiff(pulsatile_flow(), path)
    viewer = make_napari_viewer_proxy(show=True)
    viewer.window.resize(1400, 900)
    open_in_viewer(path, viewer)
    for _ in range(2):  # what is open is kept
        open_workbench(viewer)
        QApplication.processEvents()
    (window,) = (w for w in QApplication.topLevelWidgets() if isinstance(w, QMainWindow))
    right, below = Qt.DockWidgetArea.RightDockWidgetArea, Qt.DockWidgetArea.BottomDockWidgetArea
    assert area_of(window, "acquisition_dock") == right
    for name in ("velocity_dock", "diameter_dock", "peaks_dock", "event_dock", "heart_rate_dock"):
        assert area_of(window, name) == below
    assert len(window.findChildren(QWidget, "velocity_dock")) == 1
    titles = {dock.windowTitle() for dock in window.findChildren(QDockWidget)}
    assert {"Acquisition", "Acquisitions", "Metadata", "Velocity", "Heart rate"} <= titles
    velocity = window.findChild(QWidget, "velocity_dock")
    assert velocity is not None
    assert velocity.isVisible()
    assert (window.width(), window.height()) == (1400, 900)
    height, _ = viewer.canvas.size
    assert height > 350


def callback_counts(session: ViewerSession) -> list[int]:
    viewer, acq = session.viewer, session.acq
    assert acq is not None
    events = (
        viewer.layers.events.inserted,
        viewer.layers.events.removed,
        viewer.layers.selection.events.active,
        viewer.scene.camera.events.center,
        viewer.scene.camera.events.zoom,
        viewer.cursor.events.position,
        viewer.canvas.events.size,
        viewer.events.theme,
        viewer.events.status,
        *(layer.events.data for layer in viewer.layers),
    )
    signals = (
        session.active_changed,
        session.layers_changed,
        session.layout_changed,
        session.zoom_settled,
        session.workspace.files_changed,
        session.workspace.opened,
        session.blinding.changed,
        acq.changed,
        acq.reloaded,
        acq.rois.changed,
    )
    return [*(len(event.callbacks) for event in events), *(len(signal) for signal in signals)]


def test_docks_opened_and_closed_three_times_leave_no_callback(
    make_napari_viewer_proxy: Callable[..., Any], tmp_path: Path
) -> None:
    path = tmp_path / "capillary.tif"
    write_tiff(pulsatile_flow(), path)
    viewer = make_napari_viewer_proxy(show=True)
    session = open_in_viewer(path, viewer)
    QApplication.processEvents()
    before = callback_counts(session)
    for _ in range(3):
        open_workbench(viewer)
        QApplication.processEvents()
        assert callback_counts(session) != before
        viewer.window.remove_dock_widget("all")
        QApplication.processEvents()
        assert callback_counts(session) == before


def test_a_dock_that_was_taken_out_has_no_timer_running(
    make_napari_viewer: Callable[..., Any], qtbot: QtBot, tmp_path: Path
) -> None:
    path = tmp_path / "capillary.tif"
    write_tiff(pulsatile_flow(), path)
    viewer = make_napari_viewer(show=True)
    acq = open_in_viewer(path, viewer).acq
    assert acq is not None
    _, dock = viewer.window.add_plugin_dock_widget("napari-bloodflow", "Acquisition")
    acq.rois.create()
    save = dock.findChild(QPushButton, "save")
    qtbot.waitUntil(save.isEnabled, timeout=20_000)
    save.click()
    message = dock.findChild(QWidget, "dock_message")
    qtbot.waitUntil(lambda: message.isVisibleTo(dock), timeout=20_000)
    # What it says goes away after some seconds.
    running = [timer.isActive for timer in dock.findChildren(QTimer)]
    qtbot.waitUntil(lambda: any(is_active() for is_active in running), timeout=20_000)
    viewer.window.remove_dock_widget(dock)
    assert not any(is_active() for is_active in running)


def test_viewers_opened_and_closed_three_times_leave_no_callback(
    make_napari_viewer: Callable[..., Any], tmp_path: Path
) -> None:
    path = tmp_path / "capillary.tif"
    write_tiff(pulsatile_flow(), path)
    acq = AcqImage(path)
    signals = (acq.changed, acq.reloaded, acq.rois.changed, acq.analysis_set.updated)
    before = [len(signal) for signal in signals]
    for _ in range(3):
        viewer = make_napari_viewer(show=True)
        get_session(viewer).show(acq)
        open_workbench(viewer)
        QApplication.processEvents()
        assert [len(signal) for signal in signals] != before
        viewer.close()
        QApplication.processEvents()
        assert [len(signal) for signal in signals] == before
