"""Numbers, notes, new kinds, boxes and copies of ROIs, by mouse and keys in a real viewer."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from qtpy.QtCore import Qt
from qtpy.QtTest import QTest
from qtpy.QtWidgets import (
    QComboBox,
    QDoubleSpinBox,
    QLabel,
    QLineEdit,
    QMenu,
    QPushButton,
    QTableView,
    QWidget,
)

from napari_bloodflow import AcqImage, LineEndpoints, RectRoiBounds, open_in_viewer
from napari_bloodflow.synthetic import moving_streaks, vessel_with_diameter_changes, write_tiff

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from pytestqt.qtbot import QtBot

    from napari_bloodflow._napari.roi_sync import RoiSync

pytestmark = pytest.mark.gui
LEFT = Qt.MouseButton.LeftButton
A = RectRoiBounds(100, 300, 10, 50)
Key = Qt.Key


class Screen:
    """The dock as its user sees it, over 1000 lines of 64 pixels, 2 ms and 0.5 um each."""

    def __init__(self, viewer: Any, folder: Path, qtbot: QtBot) -> None:
        self.folder, self.qtbot, self.viewer = folder, qtbot, viewer
        self.acq = self.open("vessel.tif", 1000, 64)
        _, self.dock = viewer.window.add_plugin_dock_widget("napari-bloodflow", "Acquisition")
        viewer.window.resize(1400, 900)

    def open(self, name: str, num_rows: int, num_columns: int, **more: Any) -> AcqImage:
        path = self.folder / name
        write_tiff(moving_streaks(num_rows, num_columns, dt_s=0.002, **more), path)
        self.session = open_in_viewer(path, self.viewer)
        assert self.session.acq is not None
        return self.session.acq

    @property
    def sync(self) -> RoiSync:
        assert self.session.active is not None
        assert self.session.active.sync is not None
        return self.session.active.sync

    def part(self, kind: type[Any], name: str) -> Any:
        found = self.dock.findChild(kind, name)
        assert found is not None, name
        return found

    def wait(self, condition: Callable[[], bool]) -> None:
        self.qtbot.waitUntil(condition, timeout=5000)

    def click(self, name: str) -> None:
        button = self.part(QPushButton, name)
        self.wait(lambda: bool(button.isVisible() and button.isEnabled()))
        self.qtbot.mouseClick(button, LEFT)

    def add(self, geometry: RectRoiBounds | LineEndpoints) -> int:
        """Add a ROI and select it."""
        roi = self.acq.rois.create(geometry)
        self.sync.select([roi.roi_id])
        form = self.part(QWidget, "roi_form")
        self.wait(lambda: bool(form.isEnabled()) and self.numbers == list(_numbers(geometry)))
        return roi.roi_id

    def box(self, name: str) -> QDoubleSpinBox:
        found = self.part(QDoubleSpinBox, f"roi_{name}")
        assert isinstance(found, QDoubleSpinBox)
        return found

    @property
    def numbers(self) -> list[float]:
        names = ("time_start", "time_stop", "position_start", "position_stop")
        return [self.box(name).value() for name in names]

    def type(self, name: str, text: str) -> None:
        """Type a number and press Return."""
        box = self.box(name)
        box.window().activateWindow()
        box.setFocus()
        self.wait(box.hasFocus)
        box.selectAll()
        QTest.keyClicks(box, text)
        QTest.keyClick(box, Key.Key_Return)

    def choose(self, *keys: Key) -> None:
        """Open the menu with the mouse and go through it with keys."""
        self.click("roi_menu_button")
        menu = self.part(QMenu, "roi_menu")
        self.wait(menu.isVisible)
        for key in keys:
            popup = self.part(QMenu, "copy_rois_menu")
            QTest.keyClick(popup if popup.isVisible() else menu, key)

    @property
    def said(self) -> str:
        return str(self.part(QLabel, "dock_message_text").text())


def _numbers(geometry: RectRoiBounds | LineEndpoints) -> tuple[int, ...]:
    g = geometry
    if isinstance(g, LineEndpoints):
        return g.row0, g.row1, g.col0, g.col1
    return g.row_start, g.row_stop, g.col_start, g.col_stop


@pytest.fixture
def screen(make_napari_viewer_proxy: Callable[..., Any], tmp_path: Path, qtbot: QtBot) -> Screen:
    return Screen(make_napari_viewer_proxy(show=True), tmp_path, qtbot)


# ---- numbers


def test_numbers_are_entered_in_lines_and_pixels_and_undone_one_by_one(screen: Screen) -> None:
    roi_id, rois = screen.add(RectRoiBounds(100, 300, 10, 50)), screen.acq.rois
    screen.type("time_start", "120")
    assert rois[roi_id].geometry == RectRoiBounds(120, 300, 10, 50)
    screen.type("position_stop", "64")
    assert rois[roi_id].geometry == RectRoiBounds(120, 300, 10, 64)
    screen.click("undo")
    assert rois[roi_id].geometry == RectRoiBounds(120, 300, 10, 50)
    screen.wait(lambda: screen.numbers == [120, 300, 10, 50])
    screen.click("undo")
    screen.click("redo")
    assert rois[roi_id].geometry == RectRoiBounds(120, 300, 10, 50)


def test_the_number_of_a_roi_has_room_in_its_column(screen: Screen) -> None:
    screen.add(RectRoiBounds(100, 200, 10, 50))
    table = screen.part(QTableView, "roi_table")
    assert table.columnWidth(0) >= table.sizeHintForColumn(0) > 0


def test_a_key_moves_an_edge_by_a_line(screen: Screen) -> None:
    roi_id = screen.add(RectRoiBounds(100, 300, 10, 50))
    screen.box("time_stop").setFocus()
    QTest.keyClick(screen.box("time_stop"), Key.Key_Up)
    assert screen.acq.rois[roi_id].geometry == RectRoiBounds(100, 301, 10, 50)


def test_numbers_are_entered_in_seconds_and_micrometres(screen: Screen) -> None:
    roi_id, rois = screen.add(RectRoiBounds(100, 300, 10, 50)), screen.acq.rois
    units = screen.part(QComboBox, "roi_units")
    units.setFocus()
    QTest.keyClick(units, Key.Key_Down)
    assert screen.numbers == pytest.approx([0.2, 0.6, 5, 25])
    screen.type("time_stop", "0.8011")  # between two lines
    assert rois[roi_id].geometry == RectRoiBounds(100, 401, 10, 50)
    assert screen.box("time_stop").text() == "0.802"
    screen.type("position_start", "2.5")
    assert rois[roi_id].geometry == RectRoiBounds(100, 401, 5, 50)


def test_without_calibration_there_are_lines_and_pixels_only(
    screen: Screen, tmp_path: Path
) -> None:
    import tifffile

    tifffile.imwrite(tmp_path / "plain.tif", moving_streaks(200, 20).image)
    session = open_in_viewer(tmp_path / "plain.tif", screen.viewer)
    assert session.acq is not None
    screen.acq = session.acq
    screen.add(RectRoiBounds(0, 100, 0, 20))
    assert not screen.part(QComboBox, "roi_units").isEnabled()


def test_an_end_before_the_start_is_refused_in_words(screen: Screen) -> None:
    roi_id = screen.add(RectRoiBounds(100, 300, 10, 50))
    screen.type("time_stop", "50")
    assert screen.acq.rois[roi_id].geometry == RectRoiBounds(100, 300, 10, 50)
    assert screen.numbers == [100, 300, 10, 50]
    assert screen.said == f"ROI {roi_id} stays as it is: it must end after it starts."


def test_numbers_of_a_line_are_its_ends(screen: Screen) -> None:
    roi_id = screen.add(LineEndpoints(300, 10, 100, 50))
    assert screen.box("time_start").maximum() == 999
    screen.type("time_stop", "120")
    assert screen.acq.rois[roi_id].geometry == LineEndpoints(300, 10, 120, 50)


def test_a_change_elsewhere_leaves_what_is_being_typed(screen: Screen) -> None:
    roi_id = screen.add(RectRoiBounds(100, 300, 10, 50))
    box = screen.box("time_start")
    box.window().activateWindow()
    box.setFocus()
    screen.wait(box.hasFocus)
    box.selectAll()
    QTest.keyClicks(box, "15")
    screen.acq.rois.edit(roi_id, RectRoiBounds(100, 400, 10, 50))
    screen.wait(lambda: screen.box("time_stop").value() == 400)
    QTest.keyClicks(box, "0")
    QTest.keyClick(box, Key.Key_Return)
    assert screen.acq.rois[roi_id].geometry == RectRoiBounds(150, 400, 10, 50)


def test_a_number_changes_only_its_own_edge(screen: Screen) -> None:
    roi_id = screen.add(RectRoiBounds(100, 300, 10, 50))
    screen.acq.rois.edit(roi_id, RectRoiBounds(100, 400, 10, 50))  # the form does not know yet
    screen.box("position_start").setValue(20)
    assert screen.acq.rois[roi_id].geometry == RectRoiBounds(100, 400, 20, 50)


def test_only_one_selected_roi_can_be_edited(screen: Screen) -> None:
    first = screen.add(RectRoiBounds(0, 100, 0, 10))
    second = screen.add(RectRoiBounds(200, 300, 0, 10))
    form = screen.part(QWidget, "roi_form")
    screen.sync.select([first, second])
    screen.wait(lambda: not form.isEnabled())
    screen.sync.select([second])
    screen.wait(form.isEnabled)
    assert screen.numbers[0] == 200


def test_a_note_is_kept_with_the_roi_and_undone(screen: Screen) -> None:
    roi_id = screen.add(RectRoiBounds(0, 100, 0, 10))
    note = screen.part(QLineEdit, "roi_note")
    QTest.keyClicks(note, "left branch ")
    QTest.keyClick(note, Key.Key_Return)
    assert screen.acq.rois[roi_id].note == "left branch"
    assert screen.acq.history.undo_text == f"edit the note of ROI {roi_id}"
    screen.click("undo")
    screen.wait(lambda: note.text() == "")


# ---- new ROIs


@pytest.mark.parametrize(
    ("key", "expected"),
    [
        (Key.Key_I, RectRoiBounds(0, 1000, 0, 64)),
        (Key.Key_H, RectRoiBounds(100, 300, 0, 64)),
        (Key.Key_W, RectRoiBounds(0, 1000, 10, 50)),
    ],
)
def test_new_rois_from_the_menu_are_selected(
    screen: Screen, key: Key, expected: RectRoiBounds
) -> None:
    screen.add(RectRoiBounds(100, 300, 10, 50))
    screen.choose(key)
    screen.wait(lambda: len(screen.acq.rois) == 2)
    assert screen.acq.rois[2].geometry == expected
    assert screen.sync.selected_roi_ids == (2,)
    assert screen.numbers == list(_numbers(expected))
    screen.click("undo")
    assert len(screen.acq.rois) == 1


def test_full_height_needs_a_selected_roi(screen: Screen) -> None:
    screen.choose(Key.Key_H)
    menu = screen.part(QMenu, "roi_menu")
    names = {action.objectName(): action.isEnabled() for action in menu.actions()}
    assert not names["new_full_height"]
    assert not names["new_full_width"]
    assert names["new_whole"]
    menu.close()
    assert len(screen.acq.rois) == 0


def test_a_line_is_drawn(screen: Screen) -> None:
    screen.choose(Key.Key_L)
    layer = screen.session.roi_layer
    assert layer is not None
    screen.wait(lambda: layer.mode == "add_line")
    assert screen.said == "Drag a line on the kymograph."


# ---- from the image


def test_a_roi_is_proposed_where_the_vessel_is(screen: Screen) -> None:
    path = screen.folder / "across.tif"
    truth = vessel_with_diameter_changes(800, 96, dilation=0.0)
    write_tiff(truth, path)
    screen.session = open_in_viewer(path, screen.viewer)
    acq = screen.session.acq
    assert acq is not None
    assert truth.left_edge_px is not None
    assert truth.right_edge_px is not None
    screen.click("roi_from_image")
    place = acq.rois[1].geometry
    assert isinstance(place, RectRoiBounds)
    assert (place.row_start, place.row_stop) == (0, 800)
    assert abs(place.col_start - truth.left_edge_px.mean()) < 2
    assert abs(place.col_stop - truth.right_edge_px.mean()) < 2
    assert screen.said == (
        f"ROI 1 is on the bright vessel at pixels {place.col_start} to {place.col_stop - 1}."
    )
    screen.choose(Key.Key_E)
    screen.wait(lambda: len(acq.rois) == 2)
    wider = acq.rois[2].geometry
    assert isinstance(wider, RectRoiBounds)
    assert wider.col_start < place.col_start
    assert wider.col_stop > place.col_stop
    assert "with its edges" in screen.said


def test_where_no_vessel_is_seen_no_roi_is_added(screen: Screen) -> None:
    screen.click("roi_from_image")
    assert len(screen.acq.rois) == 0
    assert "No vessel is seen" in screen.said


# ---- keys


def test_arrow_keys_in_the_table_move_and_resize_the_roi(screen: Screen) -> None:
    roi_id = screen.add(RectRoiBounds(100, 300, 10, 50))
    table = screen.part(QTableView, "roi_table")
    table.selectRow(0)
    QTest.keyClick(table, Qt.Key.Key_Right, Qt.KeyboardModifier.AltModifier)
    both = Qt.KeyboardModifier.ControlModifier | Qt.KeyboardModifier.ShiftModifier
    QTest.keyClick(table, Qt.Key.Key_Down, both)
    assert screen.acq.rois[roi_id].geometry == RectRoiBounds(101, 301, 10, 51)
    assert screen.said == "ROI 1: lines 101 to 300, pixels 10 to 50."
    screen.click("undo")
    assert screen.acq.rois[roi_id].geometry == RectRoiBounds(101, 301, 10, 50)


def test_arrow_keys_that_a_dock_leaves_over_move_no_roi(screen: Screen) -> None:
    roi_id = screen.add(A)
    table = screen.part(QTableView, "roi_table")
    table.selectRow(0)
    for widget in (table, screen.part(QPushButton, "draw_roi")):
        widget.window().activateWindow()
        widget.setFocus()
        screen.wait(widget.hasFocus)
        for key in (Key.Key_Up, Key.Key_Down, Key.Key_Left, Key.Key_Right):
            QTest.keyClick(widget, key, Qt.KeyboardModifier.ShiftModifier)
    assert screen.acq.rois[roi_id].geometry == A


# ---- grey shapes


def test_a_grey_shape_becomes_its_box_with_one_click(screen: Screen) -> None:
    layer = screen.session.roi_layer
    assert layer is not None
    layer.add_ellipses(np.array([[99.5, 9.5], [99.5, 49.5], [299.5, 49.5], [299.5, 9.5]]))
    assert len(screen.acq.rois) == 0
    screen.click("use_bounding_boxes")
    assert screen.acq.rois[1].geometry == RectRoiBounds(100, 300, 10, 50)
    assert list(layer.shape_type) == ["rectangle"]
    assert list(layer.features["reason"]) == [""]
    screen.wait(lambda: not screen.part(QWidget, "unusable_shapes").isVisible())
    assert screen.said == "ROI 1 is a rectangle now."
    screen.click("undo")
    assert len(screen.acq.rois) == 0
    assert list(layer.shape_type) == ["ellipse"]
    assert screen.part(QWidget, "unusable_shapes").isVisible()


def test_a_roi_that_went_grey_keeps_its_id_and_is_undone(screen: Screen) -> None:
    roi_id = screen.add(RectRoiBounds(100, 300, 10, 50))
    layer = screen.session.roi_layer
    assert layer is not None
    layer.data = [np.array([[99.5, 9.5], [199.5, 59.5], [399.5, 49.5], [299.5, 9.5]])]
    assert screen.sync.unusable_roi_ids == (roi_id,)
    screen.click("use_bounding_boxes")
    assert screen.acq.rois[roi_id].geometry == RectRoiBounds(100, 400, 10, 60)
    assert screen.sync.unusable_roi_ids == ()
    screen.click("undo")
    assert screen.acq.rois[roi_id].geometry == RectRoiBounds(100, 300, 10, 50)
    assert screen.sync.unusable_roi_ids == (roi_id,)
    assert layer.data[0].max() == 399.5
    screen.click("undo")
    assert screen.sync.unusable_roi_ids == ()
    assert list(layer.shape_type) == ["rectangle"]
    assert layer.data[0].max() == 299.5


def test_a_shape_outside_of_the_image_stays_grey(screen: Screen) -> None:
    layer = screen.session.roi_layer
    assert layer is not None
    layer.add_ellipses(np.array([[2000, 5], [2000, 50], [3000, 50], [3000, 5]]))
    screen.click("use_bounding_boxes")
    assert len(screen.acq.rois) == 0
    assert layer.nshapes == 1
    assert "too little inside the image" in screen.said


# ---- copies


def test_rois_are_copied_to_another_open_file_and_undone_there(screen: Screen) -> None:
    source = screen.acq
    other = screen.open("short.tif", 200, 32)
    screen.session.activate(screen.session.shown[0])
    screen.acq = source
    screen.add(RectRoiBounds(100, 300, 10, 50))
    screen.choose(Key.Key_C, Key.Key_Return)
    screen.wait(lambda: len(other.rois) == 1)
    assert other.rois[1].geometry == RectRoiBounds(100, 200, 10, 32)
    screen.wait(lambda: screen.said == "Copied ROI 1 to short.tif. ROI 1 was cut to its image.")
    assert len(source.rois) == 1
    assert other.history.undo_text == "add ROI 1"
    other.history.undo()
    assert len(other.rois) == 0


def test_rois_are_copied_to_all_open_files_under_their_blind_names(screen: Screen) -> None:
    source = screen.acq
    others = [screen.open(name, 200, 32) for name in ("b.tif", "c.tif")]
    screen.session.activate(screen.session.shown[0])
    screen.acq = source
    screen.session.blinding.is_on = True
    screen.add(RectRoiBounds(300, 400, 10, 50))
    screen.choose(Key.Key_C)
    names = [action.text() for action in screen.part(QMenu, "copy_rois_menu").actions()]
    assert names[0] == "All 2 other open files"
    assert not {"b.tif", "c.tif"} & set(names)
    screen.part(QMenu, "roi_menu").close()
    screen.choose(Key.Key_C, Key.Key_Return)
    screen.wait(lambda: "lies outside of" in screen.said)
    assert "b.tif" not in screen.said
    assert not any(len(other.rois) for other in others)
