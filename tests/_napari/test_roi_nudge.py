"""ROIs moved and resized with the arrow keys."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from napari.components import ViewerModel
from napari.utils.key_bindings import KeymapHandler
from qtpy.QtWidgets import QApplication

from napari_bloodflow import LineEndpoints, RectRoiBounds
from napari_bloodflow._napari.roi_nudge import Nudge, nudge_selected
from napari_bloodflow._napari.session import get_session
from napari_bloodflow.synthetic import pulsatile_flow, write_tiff

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from napari_bloodflow import AcqImage
    from napari_bloodflow._napari.session import ShownAcquisition

pytestmark = pytest.mark.gui
A = RectRoiBounds(100, 300, 2, 30)
B = RectRoiBounds(500, 600, 40, 60)


class Keys:
    """A viewer without a window and its keys."""

    def __init__(self, path: Path) -> None:
        self.viewer = ViewerModel()
        self.session = get_session(self.viewer)
        self.shown: ShownAcquisition = self.session.open(path)
        self.acq: AcqImage = self.shown.acq
        self.acq.rois.create(A)
        self.acq.rois.create(B)
        self.viewer.layers.selection.active = self.shown.roi_layer
        self.handler = KeymapHandler()

    def select(self, *roi_ids: int) -> None:
        assert self.shown.sync is not None
        self.shown.sync.select(roi_ids)

    def press(self, *names: str) -> str:
        assert self.shown.roi_layer is not None
        self.handler.keymap_providers = [self.shown.roi_layer, self.viewer]
        for name in names:
            self.handler.press_key(name)
        return str(self.viewer.status)

    def place(self, roi_id: int) -> object:
        return self.acq.rois[roi_id].geometry


@pytest.fixture
def keys(tmp_path: Path, qapp: QApplication) -> Iterator[Keys]:
    path = tmp_path / "vessel.tif"
    write_tiff(pulsatile_flow(num_rows=1024), path)
    keys = Keys(path)
    yield keys
    keys.viewer.layers.clear()
    QApplication.processEvents()


def test_arrows_go_where_they_point_on_the_screen(keys: Keys) -> None:
    keys.select(1)
    keys.session.set_time_direction("right")
    assert keys.press("Alt-Right", "Alt-Down") == "ROI 1: lines 101 to 300, pixels 3 to 30."
    keys.session.set_time_direction("down")
    keys.press("Alt-Up", "Alt-Left")
    assert keys.place(1) == A
    keys.press("Shift-Down", "Shift-Right")
    assert keys.place(1) == RectRoiBounds(110, 310, 12, 40)
    keys.press("Control-Shift-Down", "Control-Shift-Left")
    assert keys.place(1) == RectRoiBounds(110, 311, 12, 39)
    assert keys.place(2) == B


def test_steps_in_a_row_are_undone_at_once(keys: Keys) -> None:
    keys.select(1)
    keys.press("Alt-Right", "Alt-Right", "Shift-Right", "Alt-Down")
    moved = keys.place(1)
    keys.press("Control-Shift-Right", "Control-Shift-Down")
    keys.select(2)
    keys.press("Alt-Right")
    keys.press("Control-Z")
    assert keys.place(2) == B
    keys.press("Control-Z")
    assert keys.place(1) == moved
    keys.press("Control-Z")
    assert keys.place(1) == A
    assert keys.acq.history.undo_text == "add ROI 2"
    keys.press("Control-Shift-Z")
    assert keys.place(1) == moved


def test_there_and_back_is_no_step_and_another_edit_ends_a_row(keys: Keys) -> None:
    keys.select(1)
    keys.press("Alt-Right", "Alt-Left")
    assert keys.acq.history.undo_text == "add ROI 2"
    keys.press("Alt-Right")
    keys.acq.rois.rename(2, "vein")
    keys.press("Alt-Right")
    keys.acq.history.undo()
    assert keys.acq.history.undo_text == "rename ROI 2"
    keys.press("Alt-Right", "Control-Z")
    assert keys.acq.history.undo_text == "rename ROI 2"


def test_rois_stay_in_the_image_and_keep_their_size(keys: Keys) -> None:
    keys.session.set_time_direction("down")
    keys.acq.rois.create(LineEndpoints(1020, 60, 1000, 50))
    keys.select(1, 2, 3)
    assert keys.press("Shift-Right", "Shift-Right", "Shift-Down") == "Selected: ROIs 1, 2, 3."
    width = keys.acq.rois.image_bounds.num_columns
    assert keys.place(1) == RectRoiBounds(110, 310, 22, 50)
    assert keys.place(2) == RectRoiBounds(510, 610, width - 20, width)
    assert keys.place(3) == LineEndpoints(1023, width - 1, 1003, width - 11)


def test_a_roi_is_not_made_smaller_than_two_pixels(keys: Keys) -> None:
    keys.acq.rois.edit(1, RectRoiBounds(100, 103, 2, 3))
    nudge = Nudge(-5, -5, is_resize=True)
    keys.select(1)
    assert keys.shown.sync is not None
    nudge_selected(nudge, keys.viewer.dims, keys.shown)
    assert keys.place(1) == RectRoiBounds(100, 102, 2, 3)
    before = keys.acq.history.last_step
    nudge_selected(nudge, keys.viewer.dims, keys.shown)
    assert keys.acq.history.last_step is before


def test_without_a_selected_roi_the_keys_say_what_to_do(keys: Keys) -> None:
    keys.select()
    assert "Select a ROI first" in keys.press("Alt-Right")
    assert (keys.place(1), keys.place(2)) == (A, B)
