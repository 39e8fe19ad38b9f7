"""The path of the first day, in a real viewer with the mouse: open, draw, measure, save, reopen."""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING, Any

import pytest
from qtpy.QtWidgets import QApplication, QPushButton, QSpinBox

from napari_bloodflow import AcqImage, RectROI
from napari_bloodflow._napari.session import ViewerSession, get_session
from napari_bloodflow.synthetic import moving_streaks, write_tiff
from tests._napari.mouse import LEFT, Mouse

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from pytestqt.qtbot import QtBot
    from qtpy.QtWidgets import QWidget

pytestmark = pytest.mark.gui
PLUGIN = "napari-bloodflow"


class Walker:
    """A user at the viewer."""

    def __init__(self, viewer: Any, qtbot: QtBot) -> None:
        self.viewer = viewer
        self.qtbot = qtbot
        viewer.window.resize(1400, 900)
        self.docks: dict[str, QWidget] = {}

    @property
    def session(self) -> ViewerSession:
        return get_session(self.viewer)

    def open(self, path: Path) -> AcqImage:
        self.viewer.open(str(path), plugin=PLUGIN)
        for name in ("Acquisition", "Velocity"):
            _, self.docks[name] = self.viewer.window.add_plugin_dock_widget(PLUGIN, name)
        QApplication.processEvents()
        self.session.fit_view()
        QApplication.processEvents()
        acq = self.session.acq
        assert acq is not None
        return acq

    @property
    def mouse(self) -> Mouse:
        return Mouse(self.session, self.docks["Acquisition"], self.qtbot)

    def find(self, kind: type, name: str) -> Any:
        for dock in self.docks.values():
            found = dock.findChild(kind, name)
            if found is not None:
                return found
        raise AssertionError(f"there is no {name}")

    def click(self, name: str) -> None:
        button = self.find(QPushButton, name)
        self.qtbot.waitUntil(button.isEnabled, timeout=5000)
        self.qtbot.mouseClick(button, LEFT)


@pytest.fixture
def k05(copy_fixture: Callable[[str], Path]) -> Path:
    return copy_fixture("cloudscope/may2026") / "k05_pulsatile.tif"


@pytest.fixture
def long(tmp_path: Path) -> Path:
    path = tmp_path / "long.tif"
    write_tiff(
        moving_streaks(
            30_000, 128, velocity_um_per_s=600.0, cell_spacing_um=6.0, cell_width_um=2.5
        ),
        path,
    )
    return path


def sha256(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()


@pytest.mark.parametrize(("kind", "speed_um_per_s"), [("k05", 320.0), ("long", 600.0)])
def test_open_draw_measure_save_and_reopen(
    kind: str,
    speed_um_per_s: float,
    request: pytest.FixtureRequest,
    make_napari_viewer: Callable[..., Any],
    qtbot: QtBot,
) -> None:
    path: Path = request.getfixturevalue(kind)
    image = sha256(path)
    walker = Walker(make_napari_viewer(show=True), qtbot)
    acq = walker.open(path)
    rows, columns = acq.images.bounds.num_rows, acq.images.bounds.num_columns
    already = acq.rois.num_rois

    layer = walker.session.roi_layer
    assert layer is not None
    walker.viewer.layers.selection.active = layer
    layer.mode = "add_rectangle"
    walker.mouse.drag((rows * 0.2, columns * 0.1), (rows * 0.7, columns * 0.9))
    assert acq.rois.num_rois == already + 1
    drawn = acq.rois[already + 1]
    assert isinstance(drawn, RectROI)
    box = drawn.bounds
    near = {"abs": max(2, rows * 0.005)}
    assert (box.row_start, box.row_stop) == pytest.approx((rows * 0.2, rows * 0.7), **near)
    assert (box.col_start, box.col_stop) == pytest.approx((columns * 0.1, columns * 0.9), abs=2)

    layer.mode = "select"
    layer.selected_data = {already}
    walker.mouse.drag((rows * 0.5, columns * 0.5), (rows * 0.6, columns * 0.5))
    moved = acq.rois[drawn.roi_id]
    assert isinstance(moved, RectROI)
    assert moved.bounds.num_rows == box.num_rows
    assert moved.bounds.row_start - box.row_start == pytest.approx(rows * 0.1, **near)

    walker.click("new_roi")
    whole = acq.rois.get_roi_ids()[-1]
    assert len(layer.data) == already + 2
    layer.selected_data = {already + 1}
    layer.remove_selected()
    assert whole not in acq.rois

    layer.selected_data = {already}
    walker.find(QSpinBox, "velocity_window_width").setValue(32)
    walker.click("velocity_run")
    key = ("radon_velocity", 0, drawn.roi_id)
    qtbot.waitUntil(lambda: key in acq.analysis_set, timeout=60_000)
    result = acq.analysis_set[key].result
    assert result.summary["velocity_median"] == pytest.approx(speed_um_per_s, rel=0.15)

    walker.click("save")
    qtbot.waitUntil(lambda: not acq.is_dirty, timeout=5000)
    assert sha256(path) == image
    assert path.with_name(path.name + ".json").exists()
    assert path.with_name(path.name + ".radon_velocity.csv").exists()
    walker.viewer.close()

    again = Walker(make_napari_viewer(show=True), qtbot)
    reopened = again.open(path)
    assert reopened.rois.snapshot() == acq.rois.snapshot()
    found = reopened.analysis_set[key]
    assert found.result.summary == result.summary
    assert not found.is_stale
    shown = again.session.roi_layer
    assert shown is not None
    assert len(shown.data) == already + 1
