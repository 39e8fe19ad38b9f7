"""The Events dock in a viewer: draw, move, retype, accept, reject, delete, undo."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from qtpy.QtCore import QPoint, QPointF, Qt
from qtpy.QtWidgets import QComboBox, QLabel, QLineEdit, QPushButton, QTableWidget, QWidget

from napari_bloodflow import open_in_viewer
from napari_bloodflow._napari.plots.event_plot import EventPlot
from napari_bloodflow._napari.time_link import visible_rows
from napari_bloodflow.analysis.velocity_events import VelocityEvents
from napari_bloodflow.synthetic import moving_streaks, write_tiff

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from pytestqt.qtbot import QtBot

    from napari_bloodflow import AcqImage

pytestmark = pytest.mark.gui
KEY = ("event", 0, 1)
LEFT = Qt.MouseButton.LeftButton


class Screen:
    """The dock as its user sees it, over a record with a drop at 5 s and a rise at 10 s."""

    def __init__(self, viewer: Any, path: Path, qtbot: QtBot) -> None:
        self.session = open_in_viewer(path, viewer)
        assert self.session.acq is not None
        self.acq: AcqImage = self.session.acq
        self.qtbot = qtbot
        self.acq.rois.create()
        self.acq.analysis_set.run_analysis(("radon_velocity", 0, 1), {"window_width": 64})
        _, self.dock = viewer.window.add_plugin_dock_widget("napari-bloodflow", "Events")
        self.plot: EventPlot = self.part(EventPlot, "event_plot")
        qtbot.waitUntil(lambda: not self.plot.is_empty)

    def part(self, kind: type[Any], name: str) -> Any:
        found = self.dock.findChild(kind, name)
        assert found is not None, name
        return found

    @property
    def analysis(self) -> VelocityEvents:
        analysis = self.acq.analysis_set[KEY]
        assert isinstance(analysis, VelocityEvents)
        return analysis

    def click(self, name: str) -> None:
        self.qtbot.mouseClick(self.part(QPushButton, name), LEFT)

    def detect(self) -> None:
        self.click("event_run")
        self.qtbot.waitUntil(lambda: KEY in self.acq.analysis_set, timeout=60_000)
        self.qtbot.waitUntil(lambda: len(self.rows()) > 0)

    def rows(self) -> list[list[str]]:
        table = self.part(QTableWidget, "event_rows")
        return [[table.item(r, c).text() for c in range(5)] for r in range(table.rowCount())]

    def choose(self, row: int) -> None:
        self.part(QTableWidget, "event_rows").selectRow(row)

    def press(self, key: Qt.Key) -> None:
        table = self.part(QTableWidget, "event_rows")
        table.window().activateWindow()
        table.setFocus()
        self.qtbot.waitUntil(table.hasFocus)
        self.qtbot.keyClick(table, key)

    def spot(self, time_s: float) -> QPoint:
        """Where a time is in the plot, in pixels of its viewport."""
        view = self.plot.canvas.getPlotItem().getViewBox()
        middle = float(np.mean(view.viewRange()[1]))
        scene = view.mapViewToScene(QPointF(time_s, middle))
        return self.plot.canvas.mapFromScene(scene)

    def is_settled(self) -> bool:
        """Whether the plot has taken the time range of the canvas."""
        rows, dt_s = visible_rows(self.session), self.acq.calibration.dt_s
        assert rows is not None
        return self.plot.x_range == pytest.approx((rows[0] * dt_s, rows[1] * dt_s), abs=1e-6)

    def drag(self, start_s: float, stop_s: float) -> None:
        self.qtbot.waitUntil(self.is_settled)
        viewport = self.plot.canvas.viewport()
        places = [self.spot(t) for t in np.linspace(start_s, stop_s, 6)]
        self.qtbot.mousePress(viewport, LEFT, pos=places[0])
        for place in places[1:]:
            self.qtbot.mouseMove(viewport, place)
            self.qtbot.wait(15)
        self.qtbot.mouseRelease(viewport, LEFT, pos=places[-1])


@pytest.fixture
def screen(make_napari_viewer_proxy: Callable[..., Any], tmp_path: Path, qtbot: QtBot) -> Screen:
    velocity = np.full(15_000, 800.0)
    velocity[5000:6500] *= 0.35
    velocity[10_000:11_000] *= 1.8
    path = tmp_path / "events.tif"
    write_tiff(moving_streaks(15_000, 64, velocity_um_per_s=velocity), path)
    return Screen(make_napari_viewer_proxy(show=True), path, qtbot)


def test_detected_events_are_reviewed_with_keys(screen: Screen) -> None:
    screen.detect()
    assert [(row[0], row[4]) for row in screen.rows()] == [
        ("drop", "to decide"),
        ("rise", "to decide"),
    ]
    assert all(band.is_candidate for band in screen.plot.bands)
    screen.choose(0)
    screen.press(Qt.Key.Key_A)
    screen.qtbot.waitUntil(lambda: len(screen.analysis.events) == 1)
    (event,) = screen.analysis.events
    assert event.start_s == pytest.approx(5.0, abs=0.1)
    assert event.duration_s == pytest.approx(1.5, abs=0.15)
    screen.qtbot.waitUntil(lambda: screen.rows()[0][4] == "detected")
    assert screen.rows()[0][3] in {"-64 %", "-65 %", "-66 %"}
    screen.choose(1)
    screen.press(Qt.Key.Key_R)
    screen.qtbot.waitUntil(lambda: len(screen.rows()) == 1)
    assert [c.decision for c in screen.analysis.candidates] == ["accepted", "rejected"]
    screen.part(QWidget, "event_show_rejected").click()
    assert [row[4] for row in screen.rows()] == ["detected", "rejected"]


@pytest.mark.parametrize(("start_s", "stop_s"), [(2.0, 3.0), (3.0, 2.0)])
def test_an_event_is_drawn_in_either_direction(
    screen: Screen, start_s: float, stop_s: float
) -> None:
    kind = screen.part(QComboBox, "event_type")
    kind.setCurrentIndex(kind.findData("transient"))
    kind.activated.emit(kind.currentIndex())
    screen.click("event_draw")
    before = screen.plot.x_range
    screen.drag(start_s, stop_s)
    screen.qtbot.waitUntil(lambda: KEY in screen.acq.analysis_set)
    (event,) = screen.analysis.events
    assert event.event_type == "transient"
    assert (event.start_s, event.stop_s) == pytest.approx((2.0, 3.0), abs=0.1)
    assert event.stats["pre_win_stats"]["n"] > 0
    assert screen.plot.x_range == before
    assert not screen.plot.is_drawing
    screen.drag(7.0, 6.0)
    assert screen.plot.x_range != before  # moves the plot again
    assert len(screen.analysis.events) == 1


def test_a_band_is_moved_retyped_deleted_and_all_is_undone(screen: Screen) -> None:
    acq = screen.acq
    analysis = acq.analysis_set.get_or_create(KEY)
    assert isinstance(analysis, VelocityEvents)
    analysis.add(2.0, 3.0)
    screen.qtbot.waitUntil(lambda: len(screen.plot.bands) == 1)
    screen.drag(2.5, 4.5)
    screen.qtbot.waitUntil(lambda: analysis.events[0].start_s > 3)
    moved = analysis.events[0]
    assert moved.start_s == pytest.approx(4.0, abs=0.15)
    assert moved.duration_s == pytest.approx(1.0, abs=1e-6)
    screen.choose(0)
    kind = screen.part(QComboBox, "event_type")
    kind.setCurrentIndex(kind.findData("fall"))
    kind.activated.emit(kind.currentIndex())
    screen.qtbot.waitUntil(lambda: analysis.events[0].event_type == "fall")
    screen.click("event_delete")
    assert analysis.events == ()
    screen.qtbot.waitUntil(lambda: screen.rows() == [])
    acq.history.undo()
    acq.history.undo()
    assert [(e.start_s, e.event_type) for e in analysis.events] == [(moved.start_s, "user")]
    screen.qtbot.waitUntil(lambda: len(screen.rows()) == 1)


def test_a_clicked_band_is_chosen_in_the_table(screen: Screen) -> None:
    analysis = screen.acq.analysis_set.get_or_create(KEY)
    assert isinstance(analysis, VelocityEvents)
    analysis.add(2.0, 3.0)
    analysis.add(8.0, 9.0)
    screen.qtbot.waitUntil(lambda: len(screen.rows()) == 2)
    screen.qtbot.mouseClick(screen.plot.canvas.viewport(), LEFT, pos=screen.spot(8.5))
    table = screen.part(QTableWidget, "event_rows")
    screen.qtbot.waitUntil(lambda: table.currentRow() == 1 and bool(table.selectedItems()))


def type_number(screen: Screen, text: str) -> None:
    """Open the editor of the current cell with Return, type, and press Return."""
    screen.press(Qt.Key.Key_Return)
    table = screen.part(QTableWidget, "event_rows")
    screen.qtbot.waitUntil(lambda: table.viewport().findChild(QLineEdit) is not None)
    editor = table.viewport().findChild(QLineEdit)
    screen.qtbot.keyClicks(editor, text)
    screen.qtbot.keyClick(editor, Qt.Key.Key_Return)
    screen.qtbot.waitUntil(lambda: table.viewport().findChild(QLineEdit) is None)


def test_an_event_is_made_and_placed_with_keys_alone(screen: Screen) -> None:
    screen.qtbot.waitUntil(screen.is_settled)
    screen.press(Qt.Key.Key_N)
    screen.qtbot.waitUntil(lambda: len(screen.rows()) == 1)
    (event,) = screen.analysis.events
    assert event.event_type == "user"
    assert (event.start_s, event.stop_s) == pytest.approx((5.0, 10.0), abs=0.1)
    table = screen.part(QTableWidget, "event_rows")
    type_number(screen, "2.125")
    screen.qtbot.waitUntil(lambda: screen.rows()[0][1] == "2.125")
    assert screen.analysis.events[0].duration_s == pytest.approx(event.duration_s)
    screen.press(Qt.Key.Key_Right)
    assert (table.currentRow(), table.currentColumn()) == (0, 2)
    type_number(screen, "1.5")
    screen.qtbot.waitUntil(lambda: screen.rows()[0][2] == "1.500")
    (event,) = screen.analysis.events
    assert (event.start_s, event.stop_s) == pytest.approx((2.125, 3.625), abs=1e-9)
    assert event.origin == "manual"
    screen.acq.history.undo()
    screen.acq.history.undo()
    screen.qtbot.waitUntil(lambda: screen.rows()[0][1:3] != ["2.125", "1.500"])
    assert screen.analysis.events[0].start_s == pytest.approx(5.0, abs=0.1)
    screen.acq.history.undo()
    screen.qtbot.waitUntil(lambda: screen.rows() == [])


@pytest.mark.parametrize(
    ("column", "text", "message"),
    [
        (1, "1,25", "From is a number of seconds, such as 1.25, not '1,25'"),
        (1, "99", "outside the velocity, which is from"),
        (1, "nan", "such as 1.25, not 'nan'"),
        (2, "0", "Length is above 0 s, not 0"),
        (2, "inf", "such as 1.25, not 'inf'"),
    ],
)
def test_numbers_that_cannot_be_are_told_and_not_taken(
    screen: Screen, column: int, text: str, message: str
) -> None:
    analysis = screen.acq.analysis_set.get_or_create(KEY)
    assert isinstance(analysis, VelocityEvents)
    analysis.add(2.0, 3.0)
    screen.qtbot.waitUntil(lambda: len(screen.rows()) == 1)
    before = analysis.events
    screen.choose(0)
    screen.part(QTableWidget, "event_rows").setCurrentCell(0, column)
    type_number(screen, text)
    told = screen.part(QLabel, "event_error_text")
    screen.qtbot.waitUntil(lambda: message in told.text())
    assert analysis.events == before
    assert screen.rows()[0][1:3] == ["2.000", "1.000"]


def test_an_event_that_changes_places_stays_chosen_and_tab_goes_on(screen: Screen) -> None:
    analysis = screen.acq.analysis_set.get_or_create(KEY)
    assert isinstance(analysis, VelocityEvents)
    analysis.add(2.0, 3.0)
    analysis.add(6.0, 6.5)
    screen.qtbot.waitUntil(lambda: len(screen.rows()) == 2)
    screen.choose(0)
    screen.press(Qt.Key.Key_Return)
    table = screen.part(QTableWidget, "event_rows")
    for key, text in ((Qt.Key.Key_Tab, "8.5"), (Qt.Key.Key_Return, "0.75")):
        screen.qtbot.waitUntil(lambda: table.viewport().findChild(QLineEdit) is not None)
        editor = table.viewport().findChild(QLineEdit)
        screen.qtbot.keyClicks(editor, text)
        with screen.qtbot.waitSignal(editor.destroyed):
            screen.qtbot.keyClick(editor, key)
    cells = [row[1:3] for row in screen.rows()]
    assert cells == [["6.000", "0.500"], ["8.500", "0.750"]]
    assert [(e.start_s, e.stop_s) for e in analysis.events] == [(8.5, 9.25), (6.0, 6.5)]
    assert (table.currentRow(), table.currentColumn()) == (1, 2)
    assert table.hasFocus()


def test_a_new_event_has_the_chosen_type_and_lies_in_what_is_shown(screen: Screen) -> None:
    kind = screen.part(QComboBox, "event_type")
    kind.setCurrentIndex(kind.findData("fall"))
    kind.activated.emit(kind.currentIndex())
    screen.qtbot.waitUntil(screen.is_settled)
    screen.plot.set_linked(False)
    screen.plot.set_x_range(100.0, 120.0)
    screen.click("event_new")
    told = screen.part(QLabel, "event_error_text")
    screen.qtbot.waitUntil(lambda: "no velocity" in told.text())
    assert KEY not in screen.acq.analysis_set
    screen.plot.set_x_range(3.0, 9.0)
    screen.click("event_new")
    screen.qtbot.waitUntil(lambda: len(screen.rows()) == 1)
    (event,) = screen.analysis.events
    assert event.event_type == "fall"
    assert (event.start_s, event.stop_s) == pytest.approx((5.0, 7.0))


def test_what_is_not_decided_has_no_numbers_to_edit(screen: Screen) -> None:
    screen.detect()
    screen.choose(0)
    screen.press(Qt.Key.Key_Return)
    table = screen.part(QTableWidget, "event_rows")
    assert table.viewport().findChild(QLineEdit) is None
    assert [row[4] for row in screen.rows()] == ["to decide", "to decide"]


def test_what_is_typed_does_not_go_to_another_event(screen: Screen) -> None:
    analysis = screen.acq.analysis_set.get_or_create(KEY)
    assert isinstance(analysis, VelocityEvents)
    analysis.add(8.0, 9.0)
    screen.qtbot.waitUntil(lambda: len(screen.rows()) == 1)
    screen.choose(0)
    screen.press(Qt.Key.Key_Return)
    viewport = screen.part(QTableWidget, "event_rows").viewport()
    screen.qtbot.waitUntil(lambda: viewport.findChild(QLineEdit) is not None)
    screen.qtbot.keyClicks(viewport.findChild(QLineEdit), "7")
    analysis.add(2.0, 3.0)
    screen.qtbot.waitUntil(lambda: len(screen.rows()) == 2)
    screen.qtbot.waitUntil(lambda: viewport.findChild(QLineEdit) is None)
    assert [row[1] for row in screen.rows()] == ["2.000", "8.000"]


def test_times_are_those_of_the_file_though_events_count_from_the_roi(screen: Screen) -> None:
    from napari_bloodflow import RectRoiBounds

    screen.acq.rois.edit(1, RectRoiBounds(1000, 14_000, 0, 64))
    screen.acq.analysis_set.run_analysis(("radon_velocity", 0, 1))
    screen.qtbot.waitUntil(lambda: screen.plot.model.traces[0].x[0] > 1)
    screen.click("event_draw")
    screen.drag(2.0, 3.0)
    screen.qtbot.waitUntil(lambda: KEY in screen.acq.analysis_set)
    (event,) = screen.analysis.events
    assert event.start_s == pytest.approx(1.0, abs=0.1)
    assert float(screen.rows()[0][1]) == pytest.approx(2.0, abs=0.1)
    screen.choose(0)
    screen.part(QTableWidget, "event_rows").setCurrentCell(0, 1)
    type_number(screen, "3.25")
    screen.qtbot.waitUntil(lambda: screen.rows()[0][1] == "3.250")
    assert screen.analysis.events[0].start_s == pytest.approx(2.25, abs=1e-9)
