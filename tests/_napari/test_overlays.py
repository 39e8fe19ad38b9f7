"""Results over the image: where the lines are, and that the layers come and go with them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
import pytest
from qtpy.QtWidgets import QCheckBox, QWidget

from napari_bloodflow import AcqImage, RectRoiBounds, open_in_viewer
from napari_bloodflow._napari.overlays import (
    Overlay,
    diameter_lines,
    event_lines,
    velocity_lines,
)
from napari_bloodflow.analysis.base import AnalysisResult
from napari_bloodflow.analysis.velocity_events import VelocityEvents
from napari_bloodflow.synthetic import (
    moving_streaks,
    vessel_with_diameter_changes,
    write_tiff,
)

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from pytestqt.qtbot import QtBot

    from napari_bloodflow._napari.session import ViewerSession

pytestmark = pytest.mark.gui


@pytest.fixture
def vessel(tmp_path: Path) -> AcqImage:
    path = tmp_path / "vessel.tif"
    write_tiff(vessel_with_diameter_changes(800), path)
    acq = AcqImage(path)
    acq.rois.create(RectRoiBounds(100, 700, 4, 90))
    return acq


@pytest.fixture
def streaks(tmp_path: Path) -> AcqImage:
    path = tmp_path / "streaks.tif"
    write_tiff(moving_streaks(3000, 64, velocity_um_per_s=700.0), path)
    acq = AcqImage(path)
    acq.rois.create(RectRoiBounds(200, 2900, 8, 60))
    acq.analysis_set.run_analysis(("radon_velocity", 0, 1), {"window_width": 32})
    return acq


def test_edges_lie_in_the_image_where_the_roi_was_measured(vessel: AcqImage) -> None:
    analysis = vessel.analysis_set.run_analysis(("diameter", 0, 1))
    table = analysis.result.table
    assert table is not None
    ((ends, _),) = diameter_lines(vessel, analysis)
    assert ends.shape == (2 * 599, 2, 2)
    np.testing.assert_array_equal(ends[:599, 0, 0], np.arange(100, 699))
    np.testing.assert_allclose(ends[:599, 0, 1], 4 + table["left_edge_px"][:-1])
    vessel.rois.edit(1, RectRoiBounds(0, 700, 0, 90))
    ((moved, _),) = diameter_lines(vessel, analysis)
    np.testing.assert_array_equal(moved, ends)


def test_gaps_of_edges_stay_gaps(vessel: AcqImage) -> None:
    analysis = vessel.analysis_set.run_analysis(("diameter", 0, 1))
    table = analysis.result.table
    assert table is not None
    holes = table["left_edge_px"].where(~table.index.isin(range(50, 60)))
    analysis.set_result(AnalysisResult(analysis.result.summary, table.assign(left_edge_px=holes)))
    ((ends, _),) = diameter_lines(vessel, analysis)
    rows = ends[: len(ends) // 2 - 5, 0, 0]
    assert not set(range(149, 160)) & set(rows)
    assert len(ends) == 2 * 599 - 11


def test_streaks_are_as_steep_as_the_cells_move(streaks: AcqImage) -> None:
    analysis = streaks.analysis_set[("radon_velocity", 0, 1)]
    ((ends, _),) = velocity_lines(streaks, analysis)
    extent = ends[:, 1] - ends[:, 0]
    calibration = streaks.calibration
    expected = 700.0 * calibration.dt_s / calibration.dx_um
    np.testing.assert_allclose(extent[:, 1] / extent[:, 0], expected, rtol=0.05)
    assert ends[..., 0].min() >= 200
    assert ends[..., 0].max() <= 2900
    assert ends[..., 1].min() >= 8
    assert ends[..., 1].max() <= 60


def test_events_are_boxes_around_their_times(streaks: AcqImage) -> None:
    events = streaks.analysis_set.create(("event", 0, 1))
    assert isinstance(events, VelocityEvents)
    events.add(1.0, 0.5, "rise")
    ((ends, color),) = event_lines(streaks, events)
    assert color == "#009E73"
    assert ends.shape == (4, 2, 2)
    dt_s = streaks.calibration.dt_s
    assert ends[..., 0].min() == pytest.approx(200 + 0.5 / dt_s)
    assert ends[..., 0].max() == pytest.approx(200 + 1.0 / dt_s)
    assert (ends[..., 1].min(), ends[..., 1].max()) == (7.5, 59.5)


@pytest.mark.parametrize("table", [None, pd.DataFrame(), pd.DataFrame({"time_s": [1.0]})])
def test_odd_tables_have_no_lines(streaks: AcqImage, table: Any) -> None:
    analysis = streaks.analysis_set[("radon_velocity", 0, 1)]
    analysis.set_result(AnalysisResult({}, table))
    assert velocity_lines(streaks, analysis) == []
    assert diameter_lines(streaks, analysis) == []


# ---- in a viewer


@pytest.fixture
def session(make_napari_viewer_proxy: Callable[..., Any], streaks: AcqImage) -> ViewerSession:
    streaks.save()
    return open_in_viewer(streaks.path, make_napari_viewer_proxy(show=True))


def test_the_layer_is_below_the_rois_and_the_selection_stays(session: ViewerSession) -> None:
    layers = session.viewer.layers
    layers.selection.active = session.roi_layer
    overlay = Overlay(session, "Streaks")
    line = (np.array([[[0.0, 0.0], [100.0, 10.0]]]), "#ff0000")
    overlay.show(session.active, [line])
    assert [layer.name for layer in layers][1] == "Streaks of streaks.tif"
    assert layers.selection.active is session.roi_layer
    assert layers[-1] is session.roi_layer
    vectors = layers[1]
    overlay.refresh_layout()  # a new layer may make the canvas smaller
    np.testing.assert_allclose(
        vectors.data[0], [[0, 0], [100, 10 * session.image_layers[0].scale[1]]]
    )
    session.set_stretch(3.0)
    overlay.refresh_layout()
    np.testing.assert_allclose(vectors.data[0], [[0, 0], [100, 30]])
    thickness = vectors.edge_width
    session.viewer.scene.camera.zoom *= 2
    overlay.refresh_layout()
    assert vectors.edge_width == pytest.approx(thickness / 2)
    overlay.show(session.active, [])
    assert len(layers) == 2
    assert session.active is not None
    assert session.active.overlays == set()


def test_a_layer_that_the_user_deleted_comes_back_with_the_next_lines(
    session: ViewerSession,
) -> None:
    layers = session.viewer.layers
    overlay = Overlay(session, "Streaks")
    line = (np.array([[[0.0, 0.0], [100.0, 10.0]]]), "#ff0000")
    overlay.show(session.active, [line])
    del layers["Streaks of streaks.tif"]
    assert session.active is not None
    assert session.active.overlays == set()
    overlay.refresh_layout()
    overlay.show(session.active, [line, line])
    assert len(layers) == 3
    overlay.remove()
    overlay.remove()
    assert len(layers) == 2


def test_the_switch_in_the_dock_draws_streaks_and_hiding_the_dock_takes_them_away(
    session: ViewerSession, qtbot: QtBot
) -> None:
    window = session.viewer.window  # type: ignore[attr-defined]
    _, dock = window.add_plugin_dock_widget("napari-bloodflow", "Velocity")
    switch = dock.findChild(QCheckBox, "velocity_on_image")
    qtbot.waitUntil(switch.isVisible)
    switch.click()
    qtbot.waitUntil(lambda: len(session.viewer.layers) == 3)
    num_lines = len(session.viewer.layers[1].data)
    assert session.acq is not None
    session.acq.analysis_set.run_analysis(("radon_velocity", 0, 1), {"window_width": 64})
    qtbot.waitUntil(lambda: len(session.viewer.layers[1].data) < num_lines)
    assert isinstance(dock, QWidget)
    dock.hide()
    assert len(session.viewer.layers) == 2
    dock.show()
    qtbot.waitUntil(lambda: len(session.viewer.layers) == 3)
