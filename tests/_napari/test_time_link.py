"""The time axes of canvas and plot are one: range, cursor, going to a place."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
from qtpy.QtCore import QPoint, QPointF, Qt
from qtpy.QtGui import QAction, QWheelEvent
from qtpy.QtWidgets import QApplication, QLabel

from napari_bloodflow import open_in_viewer
from napari_bloodflow._napari.plots.trace_plot import TracePlot
from napari_bloodflow._napari.time_link import visible_rows
from napari_bloodflow.synthetic import pulsatile_flow, write_tiff

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from pytestqt.qtbot import QtBot

    from napari_bloodflow._napari.session import ViewerSession

pytestmark = pytest.mark.gui
NEAR = {"rel": 1e-6, "abs": 1e-6}


@pytest.fixture
def session(make_napari_viewer_proxy: Callable[..., Any], tmp_path: Path) -> ViewerSession:
    path = tmp_path / "capillary.tif"
    write_tiff(pulsatile_flow(), path)
    session = open_in_viewer(path, make_napari_viewer_proxy(show=True))
    assert session.acq is not None
    session.acq.rois.create()
    session.acq.analysis_set.run_analysis(("radon_velocity", 0, 1), {"window_width": 32})
    return session


@pytest.fixture
def plot(session: ViewerSession, qtbot: QtBot) -> TracePlot:
    _, dock = session.viewer.window.add_plugin_dock_widget(  # type: ignore[attr-defined]
        "napari-bloodflow", "Velocity"
    )
    plot = dock.findChild(TracePlot, "velocity_plot")
    assert isinstance(plot, TracePlot)
    qtbot.waitUntil(lambda: not plot.is_empty)
    qtbot.waitUntil(lambda: in_step(session, plot))
    return plot


def in_step(session: ViewerSession, plot: TracePlot) -> bool:
    rows = visible_rows(session)
    assert rows is not None
    assert session.acq is not None
    dt_s = session.acq.calibration.dt_s
    return plot.x_range == pytest.approx((rows[0] * dt_s, rows[1] * dt_s), **NEAR)


@pytest.mark.parametrize("direction", ["right", "down"])
def test_the_plot_follows_the_canvas(
    session: ViewerSession, plot: TracePlot, qtbot: QtBot, direction: Any
) -> None:
    session.set_time_direction(direction)
    camera = session.viewer.scene.camera
    camera.zoom *= 4
    qtbot.waitUntil(lambda: in_step(session, plot))
    assert plot.x_range[1] - plot.x_range[0] < 3
    camera.center = tuple(value + 300 for value in camera.center)
    qtbot.waitUntil(lambda: in_step(session, plot))


def test_the_canvas_follows_the_wheel_over_the_plot(
    session: ViewerSession, plot: TracePlot, qtbot: QtBot
) -> None:
    before = plot.x_range
    viewport = plot.canvas.viewport()
    place = QPointF(viewport.rect().center())
    event = QWheelEvent(
        place,
        QPointF(viewport.mapToGlobal(place.toPoint())),
        QPoint(),
        QPoint(0, 240),
        Qt.MouseButton.NoButton,
        Qt.KeyboardModifier.NoModifier,
        Qt.ScrollPhase.NoScrollPhase,
        False,
    )
    QApplication.sendEvent(viewport, event)
    qtbot.waitUntil(lambda: plot.x_range != before)
    qtbot.waitUntil(lambda: in_step(session, plot))
    assert plot.x_range[1] - plot.x_range[0] < before[1] - before[0]


def test_without_the_link_each_has_its_own_range(
    session: ViewerSession, plot: TracePlot, qtbot: QtBot
) -> None:
    link = plot.findChild(QAction, "velocity_plot_link")
    assert link is not None
    link.trigger()
    before = plot.x_range
    session.viewer.scene.camera.zoom *= 4
    qtbot.wait(50)
    assert plot.x_range == before
    link.trigger()
    qtbot.waitUntil(lambda: in_step(session, plot))


def test_pointing_at_the_image_reads_the_plot(
    session: ViewerSession, plot: TracePlot, qtbot: QtBot
) -> None:
    readout = plot.findChild(QLabel, "velocity_plot_readout")
    assert readout is not None
    session.viewer.cursor.position = (4000.0, 10.0)
    qtbot.waitUntil(lambda: "4.00" in readout.text())
    session.viewer.cursor.position = (-4000.0, 10.0)
    qtbot.waitUntil(lambda: "4.00" not in readout.text())


def test_a_double_click_goes_there(session: ViewerSession, plot: TracePlot, qtbot: QtBot) -> None:
    session.viewer.scene.camera.zoom *= 8
    qtbot.waitUntil(lambda: in_step(session, plot))
    low, high = plot.x_range
    view = plot.canvas.getPlotItem().getViewBox()
    target = low + 0.75 * (high - low)
    spot = plot.canvas.mapFromScene(view.mapViewToScene(QPointF(target, view.viewRange()[1][0])))
    spot.setY(plot.canvas.height() // 2)
    viewport, left = plot.canvas.viewport(), Qt.MouseButton.LeftButton
    qtbot.mouseClick(viewport, left, pos=spot)
    qtbot.mouseDClick(viewport, left, pos=spot)  # of a double click the second press only
    qtbot.mouseRelease(viewport, left, pos=spot)
    qtbot.waitUntil(lambda: sum(plot.x_range) / 2 == pytest.approx(target, abs=0.02))


def test_a_closed_dock_leaves_no_callbacks(
    session: ViewerSession, plot: TracePlot, qtbot: QtBot
) -> None:
    viewer = session.viewer
    events = (
        viewer.scene.camera.events.center,
        viewer.scene.camera.events.zoom,
        viewer.cursor.events.position,
    )
    shown = [len(event.callbacks) for event in events]
    parent = plot.parentWidget()
    while parent is not None and parent.objectName() != "velocity_dock":
        parent = parent.parentWidget()
    assert parent is not None
    parent.hide()
    assert [len(event.callbacks) for event in events] == [count - 1 for count in shown]
