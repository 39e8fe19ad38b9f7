"""The Acquisition dock, used with mouse and keys in a real viewer."""

from __future__ import annotations

import gc
import weakref
from typing import TYPE_CHECKING, Any

import pytest
from napari import Viewer
from napari.components import ViewerModel
from napari.utils.notifications import notification_manager
from qtpy.QtCore import QModelIndex, Qt
from qtpy.QtTest import QTest
from qtpy.QtWidgets import (
    QCheckBox,
    QComboBox,
    QDoubleSpinBox,
    QFileDialog,
    QLabel,
    QLineEdit,
    QMessageBox,
    QPushButton,
    QSlider,
    QTableView,
    QToolButton,
    QWidget,
)

from napari_bloodflow import LineEndpoints, RectRoiBounds
from napari_bloodflow._napari.session import get_session
from napari_bloodflow._napari.widgets.acquisition_dock import AcquisitionDock
from napari_bloodflow.synthetic import moving_streaks, write_tiff

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from pytestqt.qtbot import QtBot

    from napari_bloodflow import AcqImage
    from napari_bloodflow._napari.session import ViewerSession

pytestmark = pytest.mark.gui
PLUGIN = "napari-bloodflow"
VELOCITY = "radon_velocity"
LEFT = Qt.MouseButton.LeftButton
ID, NAME, KIND, TIME, POSITION, RESULTS = range(6)


class Bench:
    """A viewer with the dock in it, and hands to use them.

    A ViewerModel has no window; the dock is then a window of its own.
    """

    def __init__(self, viewer: Any, qtbot: QtBot) -> None:
        self.viewer = viewer
        self.qtbot = qtbot
        if isinstance(viewer, Viewer):
            _, self.dock = viewer.window.add_plugin_dock_widget(PLUGIN, "Acquisition")
        else:
            self.dock = AcquisitionDock(viewer)
            qtbot.addWidget(self.dock)
            self.dock.show()

    @property
    def session(self) -> ViewerSession:
        return get_session(self.viewer)

    @property
    def acq(self) -> AcqImage:
        assert self.session.acq is not None
        return self.session.acq

    def open(self, path: Path) -> AcqImage:
        self.viewer.open(str(path), plugin=PLUGIN)
        self.wait(lambda: self.session.acq is not None and self.session.acq.path == str(path))
        return self.acq

    def find(self, name: str, kind: type[Any] = QPushButton) -> Any:
        widget = self.dock.findChild(kind, name)
        assert widget is not None, name
        return widget

    def text(self, name: str) -> str:
        return str(self.find(name, QLabel).text())

    def is_seen(self, name: str) -> bool:
        return bool(self.find(name, QWidget).isVisibleTo(self.dock))

    def wait(self, condition: Callable[[], bool]) -> None:
        self.qtbot.waitUntil(condition, timeout=5000)

    def click(self, name: str, kind: type[Any] = QPushButton) -> None:
        button = self.find(name, kind)
        self.wait(button.isEnabled)
        QTest.mouseClick(button, LEFT)

    # ---- the table

    @property
    def table(self) -> QTableView:
        return self.find("roi_table", QTableView)  # type: ignore[no-any-return]

    @property
    def num_rows(self) -> int:
        return self.model.rowCount(QModelIndex())

    @property
    def model(self) -> Any:
        return self.table.model()

    def cell(
        self, row: int, column: int, role: Qt.ItemDataRole = Qt.ItemDataRole.DisplayRole
    ) -> str:
        return str(self.model.index(row, column).data(role))

    def tip(self, row: int, column: int) -> str:
        return self.cell(row, column, Qt.ItemDataRole.ToolTipRole)

    def heading(self, column: int) -> str:
        return str(self.model.headerData(column, Qt.Orientation.Horizontal))

    def pick(
        self, row: int, modifier: Qt.KeyboardModifier = Qt.KeyboardModifier.NoModifier
    ) -> None:
        self.wait(lambda: self.num_rows > row)
        place = self.table.visualRect(self.model.index(row, NAME)).center()
        QTest.mouseClick(self.table.viewport(), LEFT, modifier, place)

    def edit_name(self, row: int) -> QLineEdit:
        place = self.table.visualRect(self.model.index(row, NAME)).center()
        QTest.mouseClick(self.table.viewport(), LEFT, pos=place)
        QTest.mouseDClick(self.table.viewport(), LEFT, pos=place)
        editor = self.table.findChild(QLineEdit)
        assert editor is not None
        return editor

    @property
    def selected_rows(self) -> list[int]:
        selection = self.table.selectionModel()
        assert selection is not None
        return sorted(index.row() for index in selection.selectedRows())

    # ---- the question before results are deleted

    @property
    def question(self) -> QMessageBox | None:
        boxes = self.dock.findChildren(QMessageBox, "confirm_delete")
        return next((box for box in boxes if box.isVisible()), None)

    def answer(self, text: str) -> None:
        self.wait(lambda: self.question is not None)
        assert self.question is not None
        button = next(b for b in self.question.buttons() if b.text().replace("&", "") == text)
        QTest.mouseClick(button, LEFT)
        self.wait(lambda: self.question is None)


@pytest.fixture
def bench(make_napari_viewer_proxy: Callable[..., Any], qtbot: QtBot) -> Bench:
    return Bench(make_napari_viewer_proxy(show=True), qtbot)


@pytest.fixture
def windowless(qtbot: QtBot) -> Bench:
    """A bench without a canvas: Mesa 22.3 crashes when an image outlives the layers above it."""
    return Bench(ViewerModel(), qtbot)


@pytest.fixture
def k05(copy_fixture: Callable[[str], Path]) -> Path:
    return copy_fixture("cloudscope/may2026") / "k05_pulsatile.tif"


@pytest.fixture
def uncalibrated(tmp_path: Path) -> Path:
    import tifffile

    path = tmp_path / "plain.tif"
    tifffile.imwrite(path, moving_streaks(300, 32).image)
    return path


# ---- nothing open, something open


def test_without_a_file_the_dock_says_what_to_do(bench: Bench) -> None:
    assert bench.is_seen("empty_panel")
    assert "Drop a TIFF kymograph" in bench.text("empty_text")
    assert not bench.is_seen("save")


def test_a_file_can_be_chosen_and_a_bad_one_is_explained(
    bench: Bench, k05: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    bad = tmp_path / "bad.tif"
    bad.write_bytes(b"no image")
    chosen = iter([("", ""), (str(bad), ""), (str(k05), "")])
    monkeypatch.setattr(QFileDialog, "getOpenFileName", lambda *_: next(chosen))
    bench.click("open_file")
    bench.click("open_file")
    assert "bad.tif" in notification_manager.records[-1].message
    assert bench.is_seen("empty_panel")
    bench.click("open_file")
    bench.wait(lambda: bench.is_seen("file_panel"))
    assert bench.text("file_name") == k05.name
    assert bench.text("file_size") == "2400 lines × 20 px, 1 channel, uint16"


def test_the_sample_can_be_opened(bench: Bench) -> None:
    bench.click("open_sample")
    bench.wait(lambda: bench.is_seen("file_panel"))
    assert bench.acq.calibration.is_known


def test_the_dock_shows_what_was_open_before_it(
    make_napari_viewer_proxy: Callable[..., Any], qtbot: QtBot, k05: Path
) -> None:
    viewer = make_napari_viewer_proxy(show=True)
    viewer.open(str(k05), plugin=PLUGIN)
    bench = Bench(viewer, qtbot)
    bench.wait(lambda: bench.is_seen("file_panel"))
    assert bench.num_rows == 1
    assert bench.cell(0, RESULTS) == "velocity"


def test_closing_all_layers_of_a_saved_file_brings_the_welcome_back(
    windowless: Bench, k05: Path
) -> None:
    bench = windowless
    bench.open(k05)
    bench.wait(lambda: bench.is_seen("file_panel"))
    bench.viewer.layers.clear()
    bench.wait(lambda: bench.is_seen("empty_panel"))


# ---- ROIs


def test_new_covers_the_image_and_is_selected_everywhere(bench: Bench, k05: Path) -> None:
    acq = bench.open(k05)
    bench.click("new_roi")
    bench.wait(lambda: bench.num_rows == 2)
    assert acq.rois[2].geometry == RectRoiBounds(0, 2400, 0, 20)
    assert bench.selected_rows == [1]
    assert bench.session.active is not None
    assert bench.session.active.sync is not None
    assert bench.session.active.sync.selected_roi_ids == (2,)
    assert (bench.cell(1, ID), bench.heading(TIME), bench.cell(1, TIME)) == (
        "2",
        "Time (s)",
        "0–3.6",
    )
    assert (bench.heading(POSITION), bench.cell(1, POSITION)) == ("Pos. (µm)", "0–6")
    bench.wait(lambda: bench.is_seen("dirty_mark"))


def test_draw_arms_the_rectangle_tool(bench: Bench, k05: Path) -> None:
    bench.open(k05)
    bench.viewer.layers.selection.active = bench.viewer.layers[0]
    bench.click("draw_roi")
    assert bench.viewer.layers.selection.active == bench.session.roi_layer
    assert bench.session.roi_layer is not None
    assert bench.session.roi_layer.mode == "add_rectangle"


def test_a_roi_drawn_or_changed_elsewhere_appears(bench: Bench, k05: Path) -> None:
    acq = bench.open(k05)
    acq.rois.create(LineEndpoints(0, 0, 200, 10), name="streak")
    bench.wait(lambda: bench.num_rows == 2)
    assert bench.cell(1, KIND) == "╱"
    assert "need a rectangle" in bench.tip(1, KIND)
    acq.rois.rename(2, "a streak")
    acq.rois.edit(2, LineEndpoints(100, 0, 200, 10))
    bench.wait(lambda: bench.cell(1, NAME) == "a streak")
    assert bench.cell(1, TIME) == "0.15–0.3"


def test_a_name_is_edited_in_the_table(bench: Bench, k05: Path) -> None:
    acq = bench.open(k05)
    bench.wait(lambda: bench.num_rows == 1)
    editor = bench.edit_name(0)
    editor.selectAll()
    QTest.keyClicks(editor, "artery  ")
    QTest.keyClick(editor, Qt.Key.Key_Return)
    bench.wait(lambda: acq.rois[1].name == "artery")
    bench.wait(lambda: bench.cell(0, NAME) == "artery")


def test_changes_elsewhere_do_not_disturb_a_name_being_typed(bench: Bench, k05: Path) -> None:
    acq = bench.open(k05)
    bench.wait(lambda: bench.num_rows == 1)
    editor = bench.edit_name(0)
    editor.selectAll()
    QTest.keyClicks(editor, "ar")
    acq.rois.create(RectRoiBounds(0, 100, 0, 10))
    acq.rois.edit(1, RectRoiBounds(0, 200, 0, 10))
    bench.wait(lambda: bench.text("roi_panel_heading") == "<b>ROIs (2)</b>")
    assert bench.num_rows == 1
    QTest.keyClicks(editor, "tery")
    assert editor.text() == "artery"
    QTest.keyClick(editor, Qt.Key.Key_Return)
    bench.wait(lambda: bench.num_rows == 2)
    assert acq.rois[1].name == "artery"
    assert (bench.cell(0, NAME), bench.cell(0, TIME)) == ("artery", "0–0.3")


def test_renaming_a_roi_that_vanished_meanwhile_does_nothing(bench: Bench, k05: Path) -> None:
    acq = bench.open(k05)
    bench.wait(lambda: bench.num_rows == 1)
    editor = bench.edit_name(0)
    QTest.keyClicks(editor, "artery")
    acq.rois.delete(1)
    QTest.keyClick(editor, Qt.Key.Key_Return)
    bench.wait(lambda: bench.num_rows == 0)
    assert len(acq.rois) == 0


def test_selection_is_one_in_table_and_viewer(bench: Bench, k05: Path) -> None:
    acq = bench.open(k05)
    for start in (0, 500, 1000):
        acq.rois.create(RectRoiBounds(start, start + 400, 0, 10))
    bench.wait(lambda: bench.num_rows == 4)
    shown = bench.session.active
    assert shown is not None
    assert shown.sync is not None
    assert shown.roi_layer is not None
    bench.viewer.layers.selection.active = shown.image_layers[0]
    bench.pick(1)
    assert shown.sync.selected_roi_ids == (2,)
    assert bench.viewer.layers.selection.active == shown.roi_layer
    bench.pick(3, Qt.KeyboardModifier.ShiftModifier)
    assert shown.sync.selected_roi_ids == (2, 3, 4)
    assert bench.selected_rows == [1, 2, 3]
    shown.roi_layer.selected_data = {0}
    assert bench.selected_rows == [0]
    shown.roi_layer.selected_data = set()
    assert bench.selected_rows == []
    assert not bench.find("delete_roi").isEnabled()
    # A change of other rows keeps the selection.
    bench.pick(3)
    acq.rois.delete(2)
    bench.wait(lambda: bench.num_rows == 3)
    assert bench.selected_rows == [2]
    assert shown.sync.selected_roi_ids == (4,)


def test_results_that_no_longer_fit_are_marked_stale(bench: Bench, k05: Path) -> None:
    acq = bench.open(k05)
    acq.analysis_set.run_analysis((VELOCITY, 0, 1))
    bench.wait(lambda: bench.num_rows == 1 and bench.cell(0, RESULTS) == "velocity")
    acq.rois.edit(1, RectRoiBounds(0, 2000, 2, 18))
    bench.wait(lambda: bench.cell(0, RESULTS) == "stale: velocity")
    assert "the ROI was moved or resized" in bench.tip(0, RESULTS)


def test_shapes_that_are_no_roi_are_explained(bench: Bench, k05: Path) -> None:
    bench.open(k05)
    assert bench.session.roi_layer is not None
    bench.session.roi_layer.add_ellipses([[100, 5], [100, 15], [500, 15], [500, 5]])
    bench.wait(lambda: bench.is_seen("unusable_shapes"))
    assert "ellipse" in bench.text("unusable_shapes_text")


# ---- deleting and undoing


def test_a_roi_without_results_is_deleted_at_once_and_comes_back(bench: Bench, k05: Path) -> None:
    acq = bench.open(k05)
    acq.rois.create(RectRoiBounds(100, 200, 2, 12), name="short")
    acq.rois.create(RectRoiBounds(300, 400, 2, 12))
    bench.pick(1)
    bench.click("delete_roi")
    bench.wait(lambda: bench.num_rows == 2)
    assert acq.rois.get_roi_ids() == [1, 3]
    acq.rois.rename(3, "later")
    bench.click("undo")
    assert [roi.name for roi in acq.rois] == ["", ""]
    bench.click("undo")
    bench.wait(lambda: bench.num_rows == 3)
    assert [roi.name for roi in acq.rois] == ["", "short", ""]
    assert bench.selected_rows == [1]
    bench.click("redo")
    bench.click("redo")
    bench.wait(lambda: not bench.find("redo").isEnabled())
    assert [roi.name for roi in acq.rois] == ["", "later"]
    assert bench.selected_rows == [1]


def test_deleting_results_is_asked_for_and_undone(bench: Bench, k05: Path) -> None:
    acq = bench.open(k05)
    table = acq.analysis_set[VELOCITY, 0, 1].result.table
    bench.pick(0)
    QTest.keyClick(bench.table, Qt.Key.Key_Delete)
    bench.wait(lambda: bench.question is not None)
    assert bench.question is not None
    assert VELOCITY in bench.question.informativeText()
    bench.answer("Cancel")
    assert acq.rois.get_roi_ids() == [1]
    assert not bench.find("undo").isEnabled()

    bench.click("delete_roi")
    bench.answer("Delete")
    bench.wait(lambda: bench.num_rows == 0)
    assert len(acq.rois) == len(acq.analysis_set) == 0
    assert bench.session.roi_layer is not None
    assert bench.session.roi_layer.nshapes == 0

    bench.table.setFocus()
    QTest.keyClick(bench.table, Qt.Key.Key_Z, Qt.KeyboardModifier.ControlModifier)
    bench.wait(lambda: bench.num_rows == 1)
    assert acq.analysis_set[VELOCITY, 0, 1].result.table is table
    assert bench.session.roi_layer.nshapes == 1
    assert not acq.is_dirty
    assert "Undone: delete ROI 1" in bench.text("dock_message_text")

    redo = Qt.KeyboardModifier.ControlModifier | Qt.KeyboardModifier.ShiftModifier
    QTest.keyClick(bench.table, Qt.Key.Key_Z, redo)
    bench.wait(lambda: bench.num_rows == 0)
    assert "Redone: delete ROI 1" in bench.text("dock_message_text")


def test_what_was_deleted_in_the_viewer_or_behind_the_dock_comes_back(
    bench: Bench, k05: Path
) -> None:
    acq = bench.open(k05)
    acq.rois.create(RectRoiBounds(100, 200, 2, 12), name="second")
    bench.wait(lambda: bench.num_rows == 2)
    before = acq.rois.snapshot()
    assert bench.session.roi_layer is not None
    bench.session.roi_layer.selected_data = {0}
    bench.session.roi_layer.remove_selected()
    bench.wait(lambda: bench.num_rows == 1)
    bench.dock.parent().hide()
    acq.rois.delete(2)
    bench.dock.parent().show()
    bench.wait(lambda: bench.num_rows == 0)
    bench.click("undo")
    bench.wait(lambda: bench.num_rows == 1)
    assert acq.rois.snapshot() == before[1:]
    bench.click("undo")
    bench.wait(lambda: bench.num_rows == 2)
    assert acq.rois.snapshot() == before
    assert (VELOCITY, 0, 1) in acq.analysis_set


def test_undo_and_redo_say_what_they_would_do_while_it_changes(bench: Bench, k05: Path) -> None:
    acq = bench.open(k05)
    undo, redo = bench.find("undo"), bench.find("redo")
    bench.wait(lambda: undo.toolTip() == "Nothing to undo")
    assert not (undo.isEnabled() or redo.isEnabled())
    acq.set_calibration(0.001, 0.5)
    bench.wait(lambda: undo.toolTip() == "Undo: set the calibration (Ctrl+Z)")
    assert (undo.isEnabled(), redo.isEnabled()) == (True, False)
    bench.click("undo")
    bench.wait(lambda: redo.toolTip() == "Redo: set the calibration (Ctrl+Shift+Z)")
    assert (undo.isEnabled(), redo.isEnabled()) == (False, True)
    assert acq.calibration.source == "sidecar"
    bench.wait(lambda: "from the sidecar file" in bench.text("calibration_text"))
    acq.load_sidecar_json()
    bench.wait(lambda: redo.toolTip() == "Nothing to redo")
    assert not (undo.isEnabled() or redo.isEnabled())


# ---- calibration


def test_the_calibration_and_its_source_are_shown_and_edited(bench: Bench, k05: Path) -> None:
    acq = bench.open(k05)
    bench.wait(lambda: "1.5 ms/line" in bench.text("calibration_text"))
    assert "0.3 µm/px" in bench.text("calibration_text")
    assert "sidecar" in bench.text("calibration_text")
    assert not bench.is_seen("calibration_warning")
    assert not bench.is_seen("calibration_form")
    bench.click("edit_calibration")
    dt_ms = bench.find("dt_ms", QDoubleSpinBox)
    assert dt_ms.value() == 1.5
    assert dt_ms.text() == "1.5 ms/line"
    dt_ms.selectAll()
    QTest.keyClicks(dt_ms, "-2")
    assert dt_ms.value() >= 0
    dt_ms.selectAll()
    QTest.keyClicks(dt_ms, "0")
    assert not bench.find("apply_calibration").isEnabled()
    assert "line period must be above zero" in bench.text("calibration_hint")
    dt_ms.selectAll()
    QTest.keyClicks(dt_ms, "2.25")
    bench.click("apply_calibration")
    bench.wait(lambda: "2.25 ms/line" in bench.text("calibration_text"))
    assert acq.calibration.dt_s == pytest.approx(0.00225, rel=1e-12)
    assert acq.calibration.dx_um == 0.3
    assert "set by hand" in bench.text("calibration_text")
    assert not bench.is_seen("calibration_form")
    bench.wait(lambda: bench.cell(0, TIME) == "0–5.4")


def test_where_the_calibration_comes_from_can_be_read(bench: Bench, k05: Path) -> None:
    bench.open(k05)
    bench.wait(lambda: "Rows are taken as time" in bench.text("calibration_axes"))
    assert not bench.is_seen("calibration_report")
    bench.click("calibration_sources_toggle", QToolButton)
    assert bench.is_seen("calibration_report")
    assert "does not say: line period and pixel size" in bench.text("calibration_report")
    streaks = k05.with_name("streaks.tif")
    write_tiff(moving_streaks(200, 30), streaks)
    bench.open(streaks)
    bench.wait(lambda: "Rows are time (from " in bench.text("calibration_axes"))
    assert "line period and pixel size used" in bench.text("calibration_report")
    bench.session.blinding.is_on = True  # notes name files
    bench.wait(lambda: not bench.is_seen("calibration_sources"))


def test_cancel_keeps_the_calibration(bench: Bench, k05: Path) -> None:
    acq = bench.open(k05)
    before = acq.calibration
    bench.click("edit_calibration")
    bench.find("dx_um", QDoubleSpinBox).setValue(5)
    bench.click("cancel_calibration")
    assert acq.calibration == before
    assert not bench.is_seen("calibration_form")


def test_an_unknown_calibration_is_loud_until_it_is_given(bench: Bench, uncalibrated: Path) -> None:
    acq = bench.open(uncalibrated)
    acq.rois.create()
    bench.wait(lambda: bench.num_rows == 1)
    assert bench.is_seen("calibration_warning")
    assert "Not calibrated" in bench.text("calibration_warning_text")
    assert (bench.heading(TIME), bench.cell(0, TIME)) == ("Lines", "0–300")
    assert (bench.heading(POSITION), bench.cell(0, POSITION)) == ("Pixels", "0–32")
    bench.click("edit_calibration")
    assert not bench.find("apply_calibration").isEnabled()
    for name, value in (("dt_ms", "1"), ("dx_um", "0.25")):
        box = bench.find(name, QDoubleSpinBox)
        box.selectAll()
        QTest.keyClicks(box, value)
    bench.click("apply_calibration")
    bench.wait(lambda: not bench.is_seen("calibration_warning"))
    assert (acq.calibration.dt_s, acq.calibration.dx_um) == (0.001, 0.25)
    assert bench.heading(TIME) == "Time (s)"


# ---- display


def test_direction_and_stretch_are_those_of_the_session(bench: Bench, k05: Path) -> None:
    bench.open(k05)
    session = bench.session
    bench.wait(lambda: bench.find("time_runs_right").isChecked())
    bench.click("time_runs_down")
    assert session.time_direction == "down"
    session.set_time_direction("right")
    bench.wait(lambda: bench.find("time_runs_right").isChecked())
    slider = bench.find("stretch", QSlider)
    fitted = session.stretch
    QTest.keyClick(slider, Qt.Key.Key_PageUp)
    assert session.stretch == pytest.approx(2 * fitted)
    bench.wait(lambda: bench.text("stretch_factor") == "× 2")
    session.set_stretch(fitted / 4)
    bench.wait(lambda: bench.text("stretch_factor") == "× 0.25")
    assert slider.value() < 0
    bench.click("fit_view")
    bench.wait(lambda: bench.text("stretch_factor") == "× 1")
    assert slider.value() == 0


# ---- problems, deleted layers


def test_problems_are_counted_and_listed(bench: Bench, k05: Path) -> None:
    acq = bench.open(k05)
    bench.wait(lambda: bench.is_seen("problems_panel"))
    toggle = bench.find("problems_panel_toggle", QToolButton)
    assert f"{len(acq.problems)} problem" in toggle.text()
    assert not bench.is_seen("problem_0")
    QTest.mouseClick(toggle, LEFT)
    assert bench.is_seen("problem_0")
    assert acq.problems[0].what in bench.text("problem_0_text")


def test_without_problems_there_is_no_list(bench: Bench, uncalibrated: Path) -> None:
    bench.open(uncalibrated)
    bench.wait(lambda: bench.is_seen("file_panel"))
    assert not bench.is_seen("problems_panel")


def test_deleted_layers_can_be_shown_again(windowless: Bench, k05: Path) -> None:
    bench = windowless
    bench.open(k05)
    bench.wait(lambda: bench.is_seen("file_panel"))
    assert not bench.is_seen("show_layers")
    bench.viewer.layers.remove(bench.session.roi_layer)
    bench.wait(lambda: bench.is_seen("show_layers"))
    bench.click("new_roi")
    bench.wait(lambda: bench.num_rows == 2)
    bench.click("show_layers")
    bench.wait(lambda: not bench.is_seen("show_layers"))
    assert bench.session.roi_layer is not None
    assert bench.session.roi_layer.nshapes == 2
    bench.pick(0)
    assert bench.session.roi_layer.selected_data == {0}


# ---- saving


def test_save_is_for_changes_and_says_what_it_wrote(bench: Bench, k05: Path) -> None:
    acq = bench.open(k05)
    bench.wait(lambda: bench.is_seen("file_panel"))
    pixels = k05.read_bytes()
    save = bench.find("save")
    assert not save.isEnabled()
    assert not bench.is_seen("dirty_mark")
    acq.rois.rename(1, "artery")
    bench.wait(save.isEnabled)
    assert bench.is_seen("dirty_mark")
    assert f"{k05.name}.json" in save.toolTip()
    bench.click("save")
    bench.wait(lambda: not bench.is_seen("dirty_mark"))
    assert not acq.is_dirty
    assert not save.isEnabled()
    assert f"Saved {k05.name}.json" in bench.text("dock_message_text")
    assert "artery" in k05.with_name(f"{k05.name}.json").read_text("utf-8")
    assert k05.read_bytes() == pixels


def test_strict_tables_are_chosen_beside_save(bench: Bench, k05: Path) -> None:
    acq = bench.open(k05)
    box = bench.find("strict_tables", QCheckBox)
    assert "CloudScope" in box.toolTip()
    assert not box.isChecked()
    acq.analysis_set.run_analysis((VELOCITY, 0, 1), {"window_width": 64})
    bench.click("strict_tables", QCheckBox)
    assert acq.strict_tables
    bench.click("save")
    bench.wait(lambda: not acq.is_dirty)
    assert bench.text("dock_message_text").endswith(", without 12 columns of ours")
    table = k05.with_name(f"{k05.name}.{VELOCITY}.csv")
    assert "status" not in table.read_text("utf-8")
    acq.strict_tables = False
    bench.wait(lambda: not box.isChecked())
    bench.wait(bench.find("save").isEnabled)


def test_a_failed_save_is_explained_and_stays_unsaved(bench: Bench, uncalibrated: Path) -> None:
    acq = bench.open(uncalibrated)
    acq.rois.create()
    in_the_way = uncalibrated.with_name(f"{uncalibrated.name}.json")
    in_the_way.mkdir()
    bench.click("save")
    bench.wait(lambda: bench.text("dock_message_text").startswith("Not saved."))
    assert acq.is_dirty
    bench.wait(lambda: bench.is_seen("dirty_mark"))
    assert "was not saved" in notification_manager.records[-1].message
    in_the_way.rmdir()
    bench.click("save")
    bench.wait(lambda: not acq.is_dirty)
    assert in_the_way.is_file()


# ---- several acquisitions


def test_one_can_switch_between_open_acquisitions(bench: Bench, k05: Path) -> None:
    first = bench.open(k05)
    bench.wait(lambda: bench.is_seen("file_name"))
    assert not bench.is_seen("acquisition_choice")
    bench.pick(0)
    second = bench.open(k05.with_name("k01_velocity.tif"))
    choice = bench.find("acquisition_choice", QComboBox)
    bench.wait(lambda: bench.is_seen("acquisition_choice"))
    assert choice.currentText() == second.name
    second.rois.create()
    bench.wait(lambda: bench.is_seen("dirty_mark"))
    choice.setFocus()
    QTest.keyClick(choice, Qt.Key.Key_Up)
    bench.wait(lambda: not bench.is_seen("dirty_mark"))
    assert bench.session.acq is first
    assert bench.num_rows == len(first.rois)
    assert choice.itemText(1) == f"{second.name} ●"
    bench.viewer.layers.selection.active = bench.session.shown[1].image_layers[0]
    bench.wait(lambda: choice.currentIndex() == 1)
    bench.wait(lambda: bench.num_rows == len(second.rois))


def test_files_of_the_same_name_are_told_apart(bench: Bench, tmp_path: Path) -> None:
    kymograph = moving_streaks(100, 16)
    for folder in ("monday", "tuesday"):
        (tmp_path / folder).mkdir()
        path = tmp_path / folder / "vessel.tif"
        write_tiff(kymograph, path)
        bench.open(path)
    choice = bench.find("acquisition_choice", QComboBox)
    bench.wait(lambda: choice.count() == 2)
    bench.wait(lambda: choice.currentText() == "vessel.tif (tuesday)")
    assert choice.itemText(0) == "vessel.tif (monday)"


# ---- life cycle


def test_nothing_listens_once_the_dock_is_closed(bench: Bench, k05: Path) -> None:
    acq = bench.open(k05)
    session = bench.session
    shown = session.active
    assert shown is not None
    assert shown.sync is not None
    assert shown.roi_layer is not None
    signals = (
        acq.changed,
        acq.calibration_changed,
        acq.rois.changed,
        shown.sync.selection_changed,
        session.active_changed,
        session.layers_changed,
        session.layout_changed,
    )
    emitters = (bench.viewer.layers.events.inserted, shown.roi_layer.events.features)

    def count() -> list[int]:
        return [*map(len, signals), *(len(emitter.callbacks) for emitter in emitters)]

    listening = count()
    wrapper = bench.dock.parent()
    wrapper.hide()
    silent = count()
    assert sum(silent) < sum(listening)
    for _ in range(3):
        wrapper.show()
        assert count() == listening
        wrapper.hide()
        assert count() == silent
    for _ in range(3):
        bench.viewer.window.remove_dock_widget(bench.dock)
        bench.dock.deleteLater()
        assert count() == silent
        _, bench.dock = bench.viewer.window.add_plugin_dock_widget(PLUGIN, "Acquisition")
        bench.wait(lambda: count() == listening)


def test_a_closed_dock_is_gone(
    make_napari_viewer_proxy: Callable[..., Any], qtbot: QtBot, k05: Path
) -> None:
    viewer = make_napari_viewer_proxy(show=True)
    viewer.open(str(k05), plugin=PLUGIN)
    wrapper, dock = viewer.window.add_plugin_dock_widget(PLUGIN, "Acquisition")
    gone = weakref.ref(dock)
    close = next(b for b in wrapper.findChildren(QPushButton) if "close" in b.toolTip().lower())
    del dock, wrapper
    QTest.mouseClick(close, LEFT)
    del close

    def is_gone() -> bool:
        gc.collect()
        return gone() is None

    qtbot.waitUntil(is_gone, timeout=5000)


def test_a_dock_shown_again_shows_the_present(bench: Bench, k05: Path) -> None:
    acq = bench.open(k05)
    bench.dock.parent().hide()
    acq.rois.create()
    bench.dock.parent().show()
    bench.wait(lambda: bench.num_rows == 2)


def test_a_hundred_rois_are_few_refreshes(bench: Bench, uncalibrated: Path) -> None:
    acq = bench.open(uncalibrated)
    inserted: list[int] = []

    def note(parent: QModelIndex, first: int, last: int) -> None:
        inserted.append(first)

    bench.wait(lambda: bench.is_seen("file_panel"))
    bench.model.rowsInserted.connect(note)
    for start in range(100):
        acq.rois.create(RectRoiBounds(start, start + 20, 0, 10))
    assert inserted == []
    bench.wait(lambda: bench.num_rows == 100)
    changed: list[int] = []

    def note_change(first: QModelIndex, last: QModelIndex) -> None:
        changed.extend(range(first.row(), last.row() + 1))

    bench.model.dataChanged.connect(note_change)
    for width in range(5, 15):
        acq.rois.edit(7, RectRoiBounds(0, 50, 0, width))
    bench.wait(lambda: changed == [6])
    assert bench.cell(6, POSITION) == "0–14"
