"""The Heart rate dock in a viewer: its velocity, the rate over time, the spectrum."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from qtpy.QtCore import Qt
from qtpy.QtWidgets import QLabel, QPushButton, QTableWidget, QWidget

from napari_bloodflow import open_in_viewer
from napari_bloodflow._napari.plots.heart_rate_traces import rate_plot_model, spectrum_plot_model
from napari_bloodflow._napari.plots.trace_plot import TracePlot
from napari_bloodflow.analysis.base import AnalysisResult
from napari_bloodflow.synthetic import pulsatile_flow, write_tiff

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from pytestqt.qtbot import QtBot

    from napari_bloodflow import AcqImage

pytestmark = pytest.mark.gui
KEY = ("heart_rate", 0, 1)


@pytest.fixture
def acq(make_napari_viewer_proxy: Callable[..., Any], tmp_path: Path) -> AcqImage:
    path = tmp_path / "capillary.tif"
    write_tiff(pulsatile_flow(), path)
    viewer = make_napari_viewer_proxy(show=True)
    session = open_in_viewer(path, viewer)
    assert session.acq is not None
    session.acq.rois.create()
    return session.acq


@pytest.fixture
def dock(acq: AcqImage, qtbot: QtBot) -> QWidget:
    import napari

    viewer = napari.current_viewer()
    assert viewer is not None
    _, widget = viewer.window.add_plugin_dock_widget("napari-bloodflow", "Heart rate")
    assert isinstance(widget, QWidget)
    return widget


def test_the_velocity_it_needs_is_offered_and_the_rate_follows(
    dock: QWidget, acq: AcqImage, qtbot: QtBot
) -> None:
    def button(name: str) -> QPushButton:
        found = dock.findChild(QPushButton, name)
        assert found is not None
        return found

    measure, run = button("heart_rate_measure_parent"), button("heart_rate_run")
    qtbot.waitUntil(measure.isVisible)
    assert not run.isEnabled()
    qtbot.mouseClick(measure, Qt.MouseButton.LeftButton)
    qtbot.waitUntil(lambda: ("radon_velocity", 0, 1) in acq.analysis_set, timeout=60_000)
    qtbot.waitUntil(lambda: run.isEnabled() and run.text() == "Run")
    assert not measure.isVisible()
    qtbot.mouseClick(run, Qt.MouseButton.LeftButton)
    qtbot.waitUntil(lambda: KEY in acq.analysis_set, timeout=60_000)
    rate, spectrum = (
        dock.findChild(TracePlot, name) for name in ("heart_rate_plot", "heart_rate_spectrum")
    )
    assert rate is not None
    assert spectrum is not None
    qtbot.waitUntil(lambda: not rate.is_empty and not spectrum.is_empty)
    estimate = acq.analysis_set[KEY].result.summary["estimate"]
    assert estimate["bpm"] == pytest.approx(480, abs=1)
    (trace,) = spectrum.model.traces
    assert trace.x[np.argmax(trace.y)] == pytest.approx(480, abs=1.5)
    assert [mark.x for mark in spectrum.model.marks] == [estimate["bpm"]]
    assert rate.model.y_label == "Heart rate (bpm)"
    table = dock.findChild(QTableWidget, "heart_rate_summary")
    assert table is not None
    cell = table.item(0, 1)
    assert cell is not None
    assert cell.text().startswith(f"{estimate['bpm']:.1f} ±")


def test_damaged_results_have_no_plot(acq: AcqImage) -> None:
    acq.analysis_set.run_analysis(("radon_velocity", 0, 1), {"window_width": 32})
    analysis = acq.analysis_set.run_analysis(KEY)
    whole = analysis.result.summary
    for over_time in (None, [], {"time_s": [1, 2], "bpm": [3], "bpm_sd": [1], "status": ["ok"]}):
        analysis.set_result(AnalysisResult({**whole, "over_time": over_time}))
        assert rate_plot_model(acq, [analysis]).traces == ()
    odd = {"time_s": [1, 2], "bpm": ["x", 400], "bpm_sd": [None, 1], "status": [1, "ok"]}
    analysis.set_result(AnalysisResult({**whole, "over_time": odd, "estimate": 3}))
    (trace,) = rate_plot_model(acq, [analysis]).traces
    np.testing.assert_array_equal(trace.y, [np.nan, 400])
    assert spectrum_plot_model(acq, [analysis]).marks == ()


def test_an_uncalibrated_file_is_told(
    make_napari_viewer_proxy: Callable[..., Any], tmp_path: Path, qtbot: QtBot
) -> None:
    import tifffile

    path = tmp_path / "plain.tif"
    tifffile.imwrite(path, pulsatile_flow().image[:2000])
    viewer = make_napari_viewer_proxy(show=True)
    open_in_viewer(path, viewer)
    _, dock = viewer.window.add_plugin_dock_widget("napari-bloodflow", "Heart rate")
    label = dock.findChild(QLabel, "heart_rate_uncalibrated_text")
    qtbot.waitUntil(lambda: "line period" in label.text())
