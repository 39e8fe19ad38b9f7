"""The Diameter dock in a viewer: run, summary, plot, problems with parameters."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from qtpy.QtCore import Qt
from qtpy.QtWidgets import QLabel, QPushButton, QTableWidget, QWidget

from napari_bloodflow import open_in_viewer
from napari_bloodflow._napari.plots.trace_plot import TracePlot
from napari_bloodflow.synthetic import vessel_with_diameter_changes, write_tiff

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from pytestqt.qtbot import QtBot

    from napari_bloodflow import AcqImage

pytestmark = pytest.mark.gui
KEY = ("diameter", 0, 1)


@pytest.fixture
def viewer(make_napari_viewer_proxy: Callable[..., Any]) -> Any:
    return make_napari_viewer_proxy(show=True)


@pytest.fixture
def acq(viewer: Any, tmp_path: Path) -> AcqImage:
    path = tmp_path / "vessel.tif"
    write_tiff(vessel_with_diameter_changes(1500), path)
    session = open_in_viewer(path, viewer)
    assert session.acq is not None
    session.acq.rois.create()
    return session.acq


@pytest.fixture
def dock(viewer: Any, acq: AcqImage, qtbot: QtBot) -> QWidget:
    _, widget = viewer.window.add_plugin_dock_widget("napari-bloodflow", "Diameter")
    qtbot.waitUntil(lambda: widget.findChild(QPushButton, "diameter_run").isEnabled())
    assert isinstance(widget, QWidget)
    return widget


def text_of(dock: QWidget, name: str) -> str:
    label = dock.findChild(QLabel, name)
    assert label is not None
    return label.text() if label.isVisible() else ""


def run(dock: QWidget, qtbot: QtBot) -> None:
    button = dock.findChild(QPushButton, "diameter_run")
    assert button is not None
    qtbot.mouseClick(button, Qt.MouseButton.LeftButton)
    qtbot.waitUntil(lambda: button.text() == "Run", timeout=60_000)


def test_a_run_shows_the_diameter_its_filter_and_the_summary(
    dock: QWidget, acq: AcqImage, qtbot: QtBot
) -> None:
    plot = dock.findChild(TracePlot, "diameter_plot")
    assert plot is not None
    run(dock, qtbot)
    qtbot.waitUntil(lambda: not plot.is_empty)
    table = acq.analysis_set[KEY].result.table
    assert table is not None
    (trace,) = plot.model.traces
    is_accepted = table["accepted"].to_numpy(bool)
    expected = np.where(is_accepted, table["diameter_um"], np.nan)
    np.testing.assert_array_equal(trace.y, expected)
    np.testing.assert_array_equal(trace.filtered, table["diameter_um_filt"])
    assert trace.band is not None
    assert np.nanmin(trace.band[1] - trace.band[0]) > 0
    assert plot.model.y_label == "Diameter (µm)"
    summary = dock.findChild(QTableWidget, "diameter_summary")
    assert summary is not None
    cells = [item.text() for c in range(5) if (item := summary.item(0, c)) is not None]
    assert cells[0] == "1"
    assert cells[1].endswith("µm")
    assert cells[4] == f"{is_accepted.sum()} of {len(table)}"
    assert "Pulsatility" in text_of(dock, "diameter_details")


def test_a_stored_result_of_another_method_has_no_band(
    dock: QWidget, acq: AcqImage, qtbot: QtBot
) -> None:
    plot = dock.findChild(TracePlot, "diameter_plot")
    assert plot is not None
    acq.analysis_set.run_analysis(KEY, {"diameter_method": "threshold_width"})
    qtbot.waitUntil(lambda: not plot.is_empty)
    (trace,) = plot.model.traces
    assert trace.band is None
    assert trace.rejected is None
    assert trace.filtered is not None


def test_what_is_wrong_with_a_parameter_is_said_below_the_form(dock: QWidget, qtbot: QtBot) -> None:
    window: Any = dock.findChild(QWidget, "diameter_window_rows_odd")
    window.setValue(6)
    qtbot.waitUntil(lambda: "must be odd" in text_of(dock, "diameter_problem_text"))
    button = dock.findChild(QPushButton, "diameter_run")
    assert button is not None
    qtbot.waitUntil(lambda: not button.isEnabled())
    window.setValue(7)
    qtbot.waitUntil(button.isEnabled)
    assert text_of(dock, "diameter_problem_text") == ""
