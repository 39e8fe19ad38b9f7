"""Live mode: results follow a ROI that is dragged, and settings that are changed."""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from qtpy.QtWidgets import QApplication, QCheckBox, QPushButton, QSpinBox, QWidget

from napari_bloodflow import AcqImage, RectRoiBounds, open_in_viewer
from napari_bloodflow._napari.plots.trace_plot import TracePlot
from napari_bloodflow.analysis.radon_velocity import RadonVelocity
from napari_bloodflow.synthetic import moving_streaks, write_tiff
from tests._napari.mouse import Mouse

if TYPE_CHECKING:
    from collections.abc import Callable, Generator
    from pathlib import Path

    from pytestqt.qtbot import QtBot

    from napari_bloodflow._napari.session import ViewerSession

pytestmark = pytest.mark.gui
KEY = ("radon_velocity", 0, 1)


class Screen:
    """A kymograph that is slow in its first half and fast in its second, with the Velocity dock."""

    def __init__(self, viewer: Any, path: Path, qtbot: QtBot) -> None:
        self.session: ViewerSession = open_in_viewer(path, viewer)
        self.viewer, self.qtbot = viewer, qtbot
        assert self.session.acq is not None
        self.acq: AcqImage = self.session.acq
        viewer.window.resize(1200, 800)
        self.acq.rois.create(RectRoiBounds(200, 1200, 10, 50))
        _, dock = viewer.window.add_plugin_dock_widget("napari-bloodflow", "Velocity")
        self.dock: QWidget = dock
        self.plot: TracePlot = dock.findChild(TracePlot, "velocity_plot")
        self.live: QCheckBox = dock.findChild(QCheckBox, "velocity_live")
        qtbot.waitUntil(self.live.isVisible)
        self.live.click()
        qtbot.waitUntil(lambda: not self.plot.is_empty, timeout=60_000)
        QApplication.processEvents()
        self.session.fit_view()
        QApplication.processEvents()

    @property
    def mean(self) -> float:
        return self.plot.model.traces[0].mean


@pytest.fixture
def screen(make_napari_viewer_proxy: Callable[..., Any], tmp_path: Path, qtbot: QtBot) -> Screen:
    velocity = np.repeat([400.0, 900.0], 2000)
    path = tmp_path / "halves.tif"
    write_tiff(moving_streaks(4000, 64, velocity_um_per_s=velocity), path)
    return Screen(make_napari_viewer_proxy(show=True), path, qtbot)


def test_switching_it_on_measures(screen: Screen) -> None:
    assert KEY in screen.acq.analysis_set
    assert screen.mean == pytest.approx(400, rel=0.03)


def test_the_plot_follows_a_dragged_roi_and_the_model_waits_for_the_release(
    screen: Screen,
) -> None:
    qtbot, layer = screen.qtbot, screen.session.roi_layer
    assert layer is not None
    layer.mode = "select"
    layer.selected_data = {0}
    before = screen.acq.analysis_set[KEY].result
    mouse = Mouse(screen.session, screen.dock, qtbot)
    mouse.pull((700, 30), (3000, 30))
    qtbot.waitUntil(lambda: screen.plot.model.traces[0].x[0] > 2.0, timeout=20_000)
    assert screen.mean > 800
    assert screen.acq.rois[1].bounds == RectRoiBounds(200, 1200, 10, 50)  # type: ignore[union-attr]
    assert screen.acq.analysis_set[KEY].result is before
    mouse.release((3000, 30))
    qtbot.waitUntil(lambda: screen.acq.analysis_set[KEY].result is not before, timeout=20_000)
    summary = screen.acq.analysis_set[KEY].result.summary
    assert summary["velocity_mean"] == pytest.approx(900, rel=0.03)
    assert not screen.acq.analysis_set[KEY].is_stale


def test_an_edit_is_measured_once_and_its_result_is_plotted_once(screen: Screen) -> None:
    shown: list[bool] = []
    results: list[object] = []
    screen.plot.model_changed.connect(lambda: shown.append(screen.plot.model.traces[0].is_stale))
    screen.acq.analysis_set.updated.connect(results.append)
    screen.acq.rois.edit(1, RectRoiBounds(400, 1400, 10, 50))
    screen.qtbot.waitUntil(lambda: bool(results), timeout=20_000)
    QApplication.processEvents()
    assert results == [KEY]
    # The earlier result is shown as out of date only if the measurement takes long.
    assert shown.count(False) == 1
    assert not screen.acq.analysis_set[KEY].is_stale


def test_what_was_measured_during_a_drag_is_kept_at_its_end(screen: Screen) -> None:
    sync = screen.session.active.sync if screen.session.active is not None else None
    assert sync is not None
    there = RectRoiBounds(2400, 3400, 10, 50)
    sync.dragged.emit(1, there)
    screen.qtbot.waitUntil(lambda: screen.mean > 800, timeout=20_000)
    assert screen.acq.analysis_set[KEY].result.summary["velocity_mean"] < 500
    screen.acq.rois.edit(1, there)
    # At once: nothing is measured anew.
    analysis = screen.acq.analysis_set[KEY]
    assert analysis.result.summary["velocity_mean"] == pytest.approx(900, rel=0.03)
    assert not analysis.is_stale


class Brake:
    """Lets measurements wait for `go`, and notes where they began."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.go = threading.Event()
        self.begun: list[tuple[int, ...]] = []
        measure = RadonVelocity.measure

        def wait(cls: type, inputs: Any, params: Any) -> Generator[Any, None, Any]:
            self.begun.append(inputs.state.roi_bounds)
            self.go.wait(20)
            return (yield from measure(inputs, params))

        monkeypatch.setattr(RadonVelocity, "measure", classmethod(wait))


@pytest.fixture
def brake(screen: Screen, monkeypatch: pytest.MonkeyPatch) -> Brake:
    return Brake(monkeypatch)


@pytest.mark.parametrize("start", [2400, 2500])
def test_a_measurement_under_way_is_kept_if_the_roi_is_released_there(
    screen: Screen, brake: Brake, start: int
) -> None:
    sync = screen.session.active.sync if screen.session.active is not None else None
    assert sync is not None
    sync.dragged.emit(1, RectRoiBounds(2400, 3400, 10, 50))
    screen.qtbot.waitUntil(lambda: bool(brake.begun), timeout=20_000)
    screen.acq.rois.edit(1, RectRoiBounds(start, start + 1000, 10, 50))
    brake.go.set()
    analysis = screen.acq.analysis_set[KEY]
    screen.qtbot.waitUntil(lambda: not analysis.is_stale, timeout=20_000)
    dragged_to, released_at = (2400, 3400, 10, 50), (start, start + 1000, 10, 50)
    expected = [dragged_to] if released_at == dragged_to else [dragged_to, released_at]
    assert brake.begun == expected
    assert analysis.result.summary["provenance"]["roi_bounds"] == list(released_at)
    screen.qtbot.waitUntil(lambda: screen.mean > 800, timeout=20_000)


def test_a_run_that_takes_long_can_be_cancelled(screen: Screen, brake: Brake) -> None:
    run = screen.dock.findChild(QPushButton, "velocity_run")
    assert run is not None
    before = screen.acq.analysis_set[KEY].result
    screen.acq.rois.edit(1, RectRoiBounds(2400, 3400, 10, 50))
    screen.qtbot.waitUntil(lambda: run.text() == "Cancel", timeout=20_000)
    run.click()
    assert run.text() == "Run"
    brake.go.set()
    assert screen.acq.analysis_set[KEY].result is before


def test_of_edits_in_a_row_the_last_is_measured(screen: Screen) -> None:
    for row in range(300, 360, 10):
        screen.acq.rois.edit(1, RectRoiBounds(row, row + 1000, 10, 50))
    analysis = screen.acq.analysis_set[KEY]
    screen.qtbot.waitUntil(lambda: not analysis.is_stale, timeout=20_000)
    assert analysis.result.summary["provenance"]["roi_bounds"] == [350, 1350, 10, 50]


def test_a_setting_that_is_changed_is_measured_with(screen: Screen) -> None:
    width = screen.dock.findChild(QSpinBox, "velocity_window_width")
    assert width is not None
    width.setValue(128)
    analysis = screen.acq.analysis_set[KEY]
    screen.qtbot.waitUntil(lambda: analysis.detection_params["window_width"] == 128)
    assert width.isEnabled()
    screen.live.click()
    width.setValue(64)
    screen.qtbot.wait(200)
    assert analysis.detection_params["window_width"] == 128


def test_what_cannot_be_measured_is_no_error_while_dragging(screen: Screen) -> None:
    sync = screen.session.active.sync if screen.session.active is not None else None
    assert sync is not None
    before = screen.plot.model.traces[0].x.size
    sync.dragged.emit(1, RectRoiBounds(0, 4, 0, 64))
    screen.qtbot.wait(100)
    assert screen.plot.model.traces[0].x.size == before
    sync.dragged.emit(1, RectRoiBounds(0, 2000, 0, 64))
    screen.qtbot.waitUntil(lambda: screen.plot.model.traces[0].x.size > before)
