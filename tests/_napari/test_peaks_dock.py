"""The Peaks dock in a viewer: run, presets, accept, reject, restore, draw, move."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from qtpy.QtCore import QPointF, Qt
from qtpy.QtWidgets import QCheckBox, QComboBox, QPushButton, QTableWidget

from napari_bloodflow import AcqImage, open_in_viewer
from napari_bloodflow._napari.plots.event_plot import EventPlot
from napari_bloodflow._napari.time_link import visible_rows
from napari_bloodflow.analysis.sum_intensity import SumIntensity
from napari_bloodflow.synthetic import intensity_transients, write_tiff

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from pytestqt.qtbot import QtBot

pytestmark = pytest.mark.gui
KEY = ("sum_intensity", 0, 1)
LEFT = Qt.MouseButton.LeftButton


class Screen:
    """The dock as its user sees it, after a run."""

    def __init__(self, viewer: Any, path: Path, qtbot: QtBot) -> None:
        self.session = open_in_viewer(path, viewer)
        assert self.session.acq is not None
        self.acq: AcqImage = self.session.acq
        self.qtbot = qtbot
        self.acq.rois.create()
        _, self.dock = viewer.window.add_plugin_dock_widget("napari-bloodflow", "Peaks")
        self.plot: EventPlot = self.part(EventPlot, "peaks_plot")
        qtbot.waitUntil(self.part(QPushButton, "peaks_run").isEnabled)
        self.click("peaks_run")
        qtbot.waitUntil(lambda: KEY in self.acq.analysis_set, timeout=60_000)
        qtbot.waitUntil(lambda: len(self.rows()) > 0)

    def part(self, kind: type[Any], name: str) -> Any:
        found = self.dock.findChild(kind, name)
        assert found is not None, name
        return found

    @property
    def analysis(self) -> SumIntensity:
        analysis = self.acq.analysis_set[KEY]
        assert isinstance(analysis, SumIntensity)
        return analysis

    def click(self, name: str) -> None:
        self.qtbot.mouseClick(self.part(QPushButton, name), LEFT)

    def rows(self) -> list[list[str]]:
        table = self.part(QTableWidget, "peaks_rows")
        return [[table.item(r, c).text() for c in range(6)] for r in range(table.rowCount())]

    def choose(self, row: int) -> None:
        self.part(QTableWidget, "peaks_rows").selectRow(row)

    def drag(self, start_s: float, stop_s: float) -> None:
        rows, dt_s = visible_rows(self.session), self.acq.calibration.dt_s
        assert rows is not None
        wanted = (rows[0] * dt_s, rows[1] * dt_s)
        self.qtbot.waitUntil(lambda: self.plot.x_range == pytest.approx(wanted, abs=1e-6))
        view = self.plot.canvas.getPlotItem().getViewBox()
        middle = float(np.mean(view.viewRange()[1]))
        viewport = self.plot.canvas.viewport()
        places = [
            self.plot.canvas.mapFromScene(view.mapViewToScene(QPointF(t, middle)))
            for t in np.linspace(start_s, stop_s, 6)
        ]
        self.qtbot.mousePress(viewport, LEFT, pos=places[0])
        for place in places[1:]:
            self.qtbot.mouseMove(viewport, place)
            self.qtbot.wait(15)
        self.qtbot.mouseRelease(viewport, LEFT, pos=places[-1])


@pytest.fixture
def screen(make_napari_viewer_proxy: Callable[..., Any], tmp_path: Path, qtbot: QtBot) -> Screen:
    path = tmp_path / "calcium.tif"
    write_tiff(intensity_transients(), path)
    return Screen(make_napari_viewer_proxy(show=True), path, qtbot)


def test_a_run_shows_the_trace_and_its_peaks(screen: Screen) -> None:
    table = screen.analysis.result.table
    assert table is not None
    (trace,) = screen.plot.model.traces
    np.testing.assert_array_equal(trace.y, table["df_f_smooth"])
    peaks = screen.analysis.peaks
    assert [row[0] for row in screen.rows()] == [str(peak.peak_id) for peak in peaks]
    assert [band.start for band in screen.plot.bands] == pytest.approx([p.onset_s for p in peaks])


def test_peaks_are_accepted_rejected_and_restored(screen: Screen) -> None:
    num = len(screen.analysis.peaks)
    screen.choose(0)
    screen.click("peaks_accept")
    screen.qtbot.waitUntil(lambda: screen.rows()[0][5] == "accepted")
    screen.choose(1)
    screen.click("peaks_reject")
    screen.qtbot.waitUntil(lambda: len(screen.rows()) == num - 1)
    screen.click("peaks_run")
    screen.qtbot.waitUntil(screen.part(QPushButton, "peaks_draw").isEnabled)
    assert [p.decision for p in screen.analysis.peaks].count("accepted") == 1
    assert len(screen.analysis.rejected_peaks) == 1
    screen.part(QCheckBox, "peaks_show_rejected").click()
    screen.qtbot.waitUntil(lambda: screen.rows()[1][5] == "rejected")
    screen.choose(1)
    screen.click("peaks_accept")
    screen.qtbot.waitUntil(lambda: screen.analysis.rejected_peaks == ())
    screen.acq.history.undo()
    screen.qtbot.waitUntil(lambda: len(screen.analysis.rejected_peaks) == 1)


def test_a_peak_is_drawn_in_either_direction(screen: Screen) -> None:
    num = len(screen.analysis.peaks)
    screen.click("peaks_draw")
    screen.drag(9.5, 9.0)
    screen.qtbot.waitUntil(lambda: len(screen.analysis.peaks) == num + 1)
    added = screen.analysis.peaks[-1]
    assert added.origin == "manual"
    assert added.onset_s == pytest.approx(9.0, abs=0.1)
    assert added.peak_s == pytest.approx(9.5, abs=0.1)
    screen.qtbot.waitUntil(lambda: screen.rows()[-1][5] == "manual")


def test_a_preset_fills_the_form(screen: Screen) -> None:
    presets = screen.part(QComboBox, "peaks_preset")
    presets.setCurrentIndex(presets.findData("slow"))
    presets.activated.emit(presets.currentIndex())
    method = screen.part(QComboBox, "peaks_detection_method")
    assert method.currentData() == "derivative_threshold"
    screen.click("peaks_run")
    screen.qtbot.waitUntil(
        lambda: screen.analysis.detection_params["refractory_period_ms"] == 500.0
    )
