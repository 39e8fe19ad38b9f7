"""The Velocity dock in a viewer: choose, run, cancel, errors, stale results, life cycle."""

from __future__ import annotations

import gc
import threading
import weakref
from typing import TYPE_CHECKING, Any, TypeVar

import numpy as np
import pytest
from napari.settings import get_plugin_settings
from qtpy.QtCore import Qt
from qtpy.QtWidgets import (
    QCheckBox,
    QComboBox,
    QLabel,
    QProgressBar,
    QPushButton,
    QSpinBox,
    QTableWidget,
    QWidget,
)

from napari_bloodflow import AcqImage, LineEndpoints, RectRoiBounds, open_in_viewer
from napari_bloodflow._napari.plots.trace_plot import TracePlot
from napari_bloodflow.analysis.base import Progress
from napari_bloodflow.analysis.radon_velocity import RadonVelocity
from napari_bloodflow.synthetic import moving_streaks, write_tiff

if TYPE_CHECKING:
    from collections.abc import Callable, Generator
    from pathlib import Path

    from pytestqt.qtbot import QtBot

    from napari_bloodflow._napari.session import ViewerSession

pytestmark = pytest.mark.gui
PLUGIN = "napari-bloodflow"
KEY = ("radon_velocity", 0, 1)
Child = TypeVar("Child", bound=QWidget)


class DockOnScreen:
    """The dock as its user sees it."""

    def __init__(self, viewer: Any, qtbot: QtBot) -> None:
        self.viewer = viewer
        self.qtbot = qtbot
        self.dock, self.widget = viewer.window.add_plugin_dock_widget(PLUGIN, "Velocity")
        qtbot.waitUntil(self.widget.isVisible)

    def part(self, kind: type[Child], name: str) -> Child:
        child = self.widget.findChild(kind, name)
        assert child is not None, name
        return child

    @property
    def run_button(self) -> QPushButton:
        return self.part(QPushButton, "velocity_run")

    @property
    def roi(self) -> QComboBox:
        return self.part(QComboBox, "velocity_roi")

    @property
    def width(self) -> QSpinBox:
        return self.part(QSpinBox, "velocity_window_width")

    @property
    def plot(self) -> TracePlot:
        return self.part(TracePlot, "velocity_plot")

    @property
    def summary(self) -> QTableWidget:
        return self.part(QTableWidget, "velocity_summary")

    @property
    def is_running(self) -> bool:
        return self.run_button.text() == "Cancel"

    def text(self, name: str) -> str:
        label = self.part(QLabel, name)
        return label.text() if label.isVisible() else ""

    def rows(self) -> list[list[str]]:
        table = self.summary
        if not table.isVisible():
            return []
        return [
            [item.text() if (item := table.item(row, column)) else "" for column in range(5)]
            for row in range(table.rowCount())
        ]

    def click(self, button: QWidget) -> None:
        self.qtbot.mouseClick(button, Qt.MouseButton.LeftButton)

    def run(self) -> None:
        self.click(self.run_button)
        assert self.is_running
        self.qtbot.waitUntil(lambda: not self.is_running, timeout=60_000)

    def wait(self, condition: Callable[[], bool]) -> None:
        self.qtbot.waitUntil(condition, timeout=5_000)

    def close(self) -> None:
        self.viewer.window.remove_dock_widget(self.dock)


@pytest.fixture
def viewer(make_napari_viewer_proxy: Callable[..., Any]) -> Any:
    return make_napari_viewer_proxy(show=True)


@pytest.fixture
def k05(copy_fixture: Callable[[str], Path]) -> Path:
    return copy_fixture("cloudscope/may2026") / "k05_pulsatile.tif"


@pytest.fixture
def session(viewer: Any, k05: Path) -> ViewerSession:
    return open_in_viewer(k05, viewer)


@pytest.fixture
def acq(session: ViewerSession) -> AcqImage:
    assert session.acq is not None
    return session.acq


@pytest.fixture
def dock(viewer: Any, session: ViewerSession, qtbot: QtBot) -> DockOnScreen:
    shown = DockOnScreen(viewer, qtbot)
    shown.wait(lambda: shown.roi.count() == 1)
    return shown


@pytest.fixture
def endless(monkeypatch: pytest.MonkeyPatch) -> threading.Event:
    """A measurement that ends when it is cancelled; the event is set when it has."""
    has_ended = threading.Event()

    def measure(cls: type, inputs: Any, params: Any) -> Generator[Progress, None, Any]:
        try:
            for step in range(100_000):
                threading.Event().wait(0.01)
                yield Progress(1 + step % 99, 100, f"window {1 + step % 99} of 100")
        finally:
            has_ended.set()

    monkeypatch.setattr(RadonVelocity, "measure", classmethod(measure))
    return has_ended


# ---- showing what is stored


def test_a_stored_result_is_shown_on_open(dock: DockOnScreen, acq: AcqImage) -> None:
    dock.wait(lambda: not dock.plot.is_empty)
    table = acq.analysis_set[KEY].result.table
    assert table is not None
    (trace,) = dock.plot.model.traces
    np.testing.assert_array_equal(trace.y, table["velocity"])
    assert dock.width.value() == 16
    assert dock.text("velocity_window_duration") == "= 24 ms, every 6 ms"
    assert dock.rows() == [["1", "329.0 µm/s", "329.6 µm/s", "21.6 %", "597 of 597"]]
    assert dock.text("velocity_stale_text") == ""
    assert dock.text("velocity_uncalibrated_text") == ""


def test_without_a_file_nothing_can_be_run(viewer: Any, qtbot: QtBot) -> None:
    dock = DockOnScreen(viewer, qtbot)
    assert not dock.run_button.isEnabled()
    assert not dock.roi.isEnabled()
    assert "kymograph" in dock.text("velocity_hint")
    assert "No kymograph" in dock.text("velocity_plot_empty")
    assert dock.width.value() == get_plugin_settings(PLUGIN).velocity.window_width


def test_controls_have_names_tips_and_the_keyboard(dock: DockOnScreen) -> None:
    for name in (
        "velocity_channel",
        "velocity_roi",
        "velocity_method",
        "velocity_window_width",
        "velocity_run",
        "velocity_run_again",
        "velocity_new_roi",
        "velocity_all_rois",
        "velocity_summary",
    ):
        control = dock.part(QWidget, name)
        assert control.toolTip(), name
        assert control.focusPolicy() & Qt.FocusPolicy.TabFocus, name
    dock.run_button.setFocus()
    dock.qtbot.keyClick(dock.run_button, Qt.Key.Key_Space)
    assert dock.is_running
    dock.wait(lambda: not dock.is_running)


# ---- running


def test_a_run_gives_the_trace_and_summary_of_the_library(
    dock: DockOnScreen, acq: AcqImage, k05: Path
) -> None:
    dock.width.setValue(32)
    dock.run()
    dock.wait(lambda: dock.plot.model.traces[0].x.size != 597)
    expected = AcqImage(k05).analysis_set.run_analysis(KEY, {"window_width": 32}).result
    assert expected.table is not None
    result = acq.analysis_set[KEY].result
    assert acq.analysis_set[KEY].detection_params["window_width"] == 32
    (trace,) = dock.plot.model.traces
    np.testing.assert_array_equal(trace.y, expected.table["velocity"])
    np.testing.assert_array_equal(trace.x, expected.table["time_s"])
    assert result.summary["velocity_mean"] == expected.summary["velocity_mean"]
    (row,) = dock.rows()
    summary = expected.summary
    assert row[1] == f"{summary['velocity_mean']:.1f} µm/s"
    assert row[4] == f"{summary['num_valid_windows']} of {summary['num_windows']}"
    assert dock.text("velocity_status").startswith("Done in ")
    assert dock.width.value() == 32
    assert acq.is_dirty


def test_the_method_can_be_chosen_and_is_that_of_the_result(
    dock: DockOnScreen, acq: AcqImage
) -> None:
    method = dock.part(QComboBox, "velocity_method")
    assert method.currentData() == "normalized"
    assert "error bars" in method.toolTip()
    method.setCurrentIndex(method.findData("classic"))
    dock.run()
    dock.wait(lambda: acq.analysis_set[KEY].detection_params.get("method") == "classic")
    acq.analysis_set.run_analysis(KEY, {"method": "normalized"})
    dock.wait(lambda: method.currentData() == "normalized")


def test_progress_is_shown_and_inputs_wait(dock: DockOnScreen, endless: threading.Event) -> None:
    dock.click(dock.run_button)
    bar = dock.part(QProgressBar, "velocity_progress")
    dock.wait(lambda: bar.isVisible() and bar.maximum() == 100 and bar.value() > 5)
    assert dock.text("velocity_status").startswith("Window ")
    assert dock.text("velocity_status").endswith(" s")
    assert not dock.roi.isEnabled()
    assert not dock.width.isEnabled()
    assert dock.run_button.isEnabled()
    dock.click(dock.run_button)
    dock.wait(dock.roi.isEnabled)
    assert not bar.isVisible()


def test_cancel_ends_the_run_and_keeps_the_earlier_result(
    dock: DockOnScreen, acq: AcqImage, endless: threading.Event
) -> None:
    earlier = acq.analysis_set[KEY].result
    dock.click(dock.run_button)
    bar = dock.part(QProgressBar, "velocity_progress")
    dock.wait(lambda: bar.value() > 1)
    dock.click(dock.run_button)
    assert endless.wait(5)
    assert not dock.is_running
    assert dock.text("velocity_status") == "Cancelled; the earlier result is kept"
    assert acq.analysis_set[KEY].result is earlier
    assert not acq.is_dirty
    assert dock.plot.model.traces[0].x.size == 597


def test_a_roi_that_is_too_short_is_explained(dock: DockOnScreen, acq: AcqImage) -> None:
    earlier = acq.analysis_set[KEY].result
    acq.rois.edit(1, RectRoiBounds(0, 10, 0, 20))
    dock.run()
    dock.wait(lambda: dock.text("velocity_error_text") != "")
    assert "10" in dock.text("velocity_error_text")
    assert "too few lines" in dock.text("velocity_error_text").lower()
    assert acq.analysis_set[KEY].result is earlier
    acq.rois.create(RectRoiBounds(0, 500, 0, 20))
    dock.wait(lambda: dock.text("velocity_error_text") == "")


def test_a_roi_deleted_during_the_run_is_explained(
    dock: DockOnScreen, acq: AcqImage, monkeypatch: pytest.MonkeyPatch
) -> None:
    go_on = threading.Event()
    measure = RadonVelocity.measure

    def wait_and_measure(cls: type, inputs: Any, params: Any) -> Generator[Progress, None, Any]:
        go_on.wait(20)
        return (yield from measure(inputs, params))

    monkeypatch.setattr(RadonVelocity, "measure", classmethod(wait_and_measure))
    dock.click(dock.run_button)
    acq.rois.delete(1)
    go_on.set()
    dock.wait(lambda: "deleted" in dock.text("velocity_error_text"))
    assert not dock.is_running
    assert len(acq.analysis_set) == 0


@pytest.mark.parametrize("bug", [RuntimeError("broken"), ZeroDivisionError("broken")])
def test_a_bug_surfaces_and_the_dock_goes_on(
    dock: DockOnScreen, monkeypatch: pytest.MonkeyPatch, bug: Exception
) -> None:
    def measure(cls: type, inputs: Any, params: Any) -> Generator[Progress, None, Any]:
        yield Progress(0, 10)
        raise bug

    monkeypatch.setattr(RadonVelocity, "measure", classmethod(measure))
    with dock.qtbot.capture_exceptions() as raised:
        dock.click(dock.run_button)
        dock.wait(lambda: not dock.is_running)
        dock.wait(lambda: bool(raised))
    assert [error for _, error, _ in raised] == [bug]
    assert "broken" in dock.text("velocity_error_text")
    assert dock.run_button.isEnabled()


def test_an_uncalibrated_file_gives_pixels_per_line(
    viewer: Any, qtbot: QtBot, tmp_path: Path
) -> None:
    import tifffile

    path = tmp_path / "plain.tif"
    tifffile.imwrite(path, moving_streaks(400, 32, velocity_um_per_s=500.0).image)
    session = open_in_viewer(path, viewer)
    dock = DockOnScreen(viewer, qtbot)
    dock.wait(lambda: dock.part(QPushButton, "velocity_new_roi").isVisible())
    assert "pixels per line" in dock.text("velocity_uncalibrated_text")
    assert not dock.run_button.isEnabled()
    dock.click(dock.part(QPushButton, "velocity_new_roi"))
    dock.wait(dock.run_button.isEnabled)
    assert session.acq is not None
    assert session.acq.rois[1].geometry == RectRoiBounds(0, 400, 0, 32)
    dock.run()
    dock.wait(lambda: not dock.plot.is_empty)
    assert dock.plot.model.y_label == "Velocity (px/line)"
    assert dock.plot.model.x_label == "Time (lines)"
    assert dock.rows()[0][1].endswith(" px/line")


# ---- ROIs


def test_rois_and_selection_are_followed(
    dock: DockOnScreen, acq: AcqImage, session: ViewerSession
) -> None:
    acq.rois.create(RectRoiBounds(0, 900, 0, 20), name="vein")
    dock.wait(lambda: dock.roi.count() == 2)
    assert dock.roi.currentText() == "ROI 2 vein"
    line = acq.rois.create(LineEndpoints(1, 1, 50, 9))
    dock.wait(lambda: "line" in dock.text("velocity_hint"))
    assert dock.roi.count() == 2
    assert session.active is not None
    sync = session.active.sync
    assert sync is not None
    sync.select([1])
    dock.wait(lambda: dock.roi.currentText() == "ROI 1")
    sync.select([line.roi_id])
    dock.wait(lambda: dock.text("velocity_hint").startswith("ROI 3 is a line"))
    assert dock.roi.currentText() == "ROI 1"
    dock.roi.setCurrentIndex(1)
    dock.wait(lambda: sync.selected_roi_ids == (2,))
    acq.rois.delete(2)
    dock.wait(lambda: dock.roi.count() == 1)
    assert dock.roi.currentText() == "ROI 1"
    acq.rois.rename(1, "artery")
    dock.wait(lambda: dock.roi.currentText() == "ROI 1 artery")


def test_a_moved_roi_makes_the_result_stale_until_run_again(
    dock: DockOnScreen, acq: AcqImage
) -> None:
    dock.run()
    assert not dock.plot.model.traces[0].is_stale
    acq.rois.edit(1, RectRoiBounds(200, 2400, 0, 20))
    dock.wait(lambda: dock.text("velocity_stale_text") != "")
    expected = "The ROI was moved or resized since this was measured."
    assert dock.text("velocity_stale_text") == expected
    assert dock.plot.model.traces[0].is_stale
    dock.click(dock.part(QPushButton, "velocity_run_again"))
    dock.wait(lambda: not dock.is_running and dock.text("velocity_stale_text") == "")
    (trace,) = dock.plot.model.traces
    assert not trace.is_stale
    assert trace.x[0] == pytest.approx((200 + 8) * 0.0015)


def test_all_rois_overlays_the_results(dock: DockOnScreen, acq: AcqImage) -> None:
    box = dock.part(QCheckBox, "velocity_all_rois")
    assert not box.isVisible()
    acq.rois.create(RectRoiBounds(300, 900, 0, 20))
    acq.analysis_set.run_analysis(("radon_velocity", 0, 2), {"window_width": 32})
    dock.wait(box.isVisible)
    assert len(dock.plot.model.traces) == 1
    box.setChecked(True)
    dock.wait(lambda: len(dock.plot.model.traces) == 2)
    assert [row[0] for row in dock.rows()] == ["1", "2"]
    first, second = dock.plot.model.traces
    assert first.color != second.color
    assert second.x[0] == pytest.approx((300 + 16) * 0.0015)
    acq.rois.delete(2)
    dock.wait(lambda: len(dock.plot.model.traces) == 1)


def test_the_width_is_a_multiple_of_four_and_stays_for_new_rois(
    dock: DockOnScreen, acq: AcqImage
) -> None:
    dock.width.setValue(45)
    assert dock.width.value() == 44
    acq.rois.create(RectRoiBounds(0, 900, 0, 20))
    dock.wait(lambda: dock.roi.currentText() == "ROI 2")
    assert dock.width.value() == 44
    dock.roi.setCurrentIndex(0)
    assert dock.width.value() == 16  # that of the stored result


# ---- several files, life cycle


def test_the_result_goes_to_the_file_that_was_measured(
    dock: DockOnScreen, acq: AcqImage, viewer: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    go_on = threading.Event()
    measure = RadonVelocity.measure

    def wait_and_measure(cls: type, inputs: Any, params: Any) -> Generator[Progress, None, Any]:
        go_on.wait(20)
        return (yield from measure(inputs, params))

    monkeypatch.setattr(RadonVelocity, "measure", classmethod(wait_and_measure))
    earlier = acq.analysis_set[KEY].result
    dock.click(dock.run_button)
    path = tmp_path / "other.tif"
    write_tiff(moving_streaks(400, 32, velocity_um_per_s=500.0), path)
    other = open_in_viewer(path, viewer).acq
    assert other is not None
    dock.wait(lambda: dock.roi.count() == 0)
    dock.wait(lambda: acq.name in dock.text("velocity_status"))
    assert dock.run_button.isEnabled()
    go_on.set()
    dock.wait(lambda: not dock.is_running)
    assert acq.analysis_set[KEY].result is not earlier
    assert dock.text("velocity_status").startswith(f"{acq.name}: Done in ")
    assert len(other.analysis_set) == 0
    dock.wait(lambda: not dock.run_button.isEnabled())
    assert dock.plot.is_empty


def test_closing_the_file_ends_its_run(
    dock: DockOnScreen, acq: AcqImage, viewer: Any, endless: threading.Event
) -> None:
    dock.click(dock.run_button)
    viewer.layers.clear()
    assert endless.wait(5)
    dock.wait(lambda: not dock.is_running and not dock.run_button.isEnabled())
    assert dock.plot.is_empty
    assert dock.rows() == []


def test_a_hidden_dock_measures_on_and_shows_the_result_when_shown_again(
    dock: DockOnScreen, acq: AcqImage
) -> None:
    dock.width.setValue(40)
    dock.click(dock.run_button)
    dock.dock.hide()
    assert not dock.widget.isVisible()
    dock.wait(lambda: acq.analysis_set[KEY].detection_params["window_width"] == 40)
    acq.rois.rename(1, "artery")
    dock.dock.show()
    dock.wait(lambda: dock.roi.currentText() == "ROI 1 artery")
    assert dock.plot.model.traces[0].label == "ROI 1 artery"
    assert dock.width.value() == 40


def test_closing_the_dock_ends_the_run_and_it_can_be_shown_again(
    dock: DockOnScreen, viewer: Any, endless: threading.Event
) -> None:
    dock.click(dock.run_button)
    dock.close()
    assert endless.wait(5)
    viewer.window.add_dock_widget(dock.widget, name="again")
    dock.wait(lambda: not dock.is_running and dock.run_button.isEnabled())


def test_closing_the_viewer_ends_the_run(
    dock: DockOnScreen, viewer: Any, endless: threading.Event
) -> None:
    dock.click(dock.run_button)
    dock.wait(lambda: dock.part(QProgressBar, "velocity_progress").value() > 1)
    viewer.close()
    assert endless.wait(5)


def test_the_theme_is_followed(dock: DockOnScreen, viewer: Any) -> None:
    before = dock.plot.canvas.backgroundBrush().color()
    viewer.theme = "light"
    dock.wait(lambda: dock.plot.canvas.backgroundBrush().color() != before)
    viewer.theme = "dark"
    dock.wait(lambda: dock.plot.canvas.backgroundBrush().color() == before)


def test_opening_and_closing_leaves_no_callbacks(
    viewer: Any, session: ViewerSession, acq: AcqImage, qtbot: QtBot
) -> None:
    def counts() -> list[int]:
        gc.collect()
        assert session.active is not None
        assert session.active.sync is not None
        return [
            len(session.active_changed),
            len(session.layers_changed),
            len(session.layout_changed),
            len(acq.changed),
            len(acq.calibration_changed),
            len(acq.rois.changed),
            len(acq.analysis_set.updated),
            len(session.active.sync.selection_changed),
            len(viewer.events.theme.callbacks),
            len(viewer.layers.events.inserted.callbacks),
            len(viewer.layers.selection.events.active.callbacks),
        ]

    before = counts()
    for _ in range(3):
        dock = DockOnScreen(viewer, qtbot)
        assert counts() != before
        dock.close()
        widget = weakref.ref(dock.widget)
        del dock
        assert counts() == before
        qtbot.waitUntil(lambda ref=widget: _is_gone(ref), timeout=5_000)


def _is_gone(widget: weakref.ref[QWidget]) -> bool:
    gc.collect()
    return widget() is None


# ---- advice


def test_a_window_is_suggested_and_taken(dock: DockOnScreen, acq: AcqImage) -> None:
    suggest = dock.part(QPushButton, "velocity_suggest")
    dock.wait(suggest.isEnabled)
    dock.width.setValue(256)
    dock.click(suggest)
    assert not suggest.isEnabled()
    dock.qtbot.waitUntil(lambda: dock.width.value() != 256, timeout=60_000)
    assert dock.text("velocity_advice_text").startswith(f"{dock.width.value()} lines: ")
    dock.wait(suggest.isEnabled)
    acq.rois.create(RectRoiBounds(0, 500, 0, 20))
    dock.wait(lambda: dock.text("velocity_advice_text") == "")


def test_how_accurate_the_settings_are_is_said(dock: DockOnScreen) -> None:
    ask = dock.part(QPushButton, "velocity_accuracy")
    dock.wait(ask.isEnabled)
    dock.width.setValue(64)
    dock.click(ask)
    dock.qtbot.waitUntil(lambda: "mm/s" in dock.text("velocity_advice_text"), timeout=60_000)
    assert dock.text("velocity_advice_text").startswith("At your settings ")
