"""The ROIs of the active acquisition: table, numbers, new, draw, delete; undo and redo."""

from __future__ import annotations

from typing import TYPE_CHECKING

from qtpy.QtCore import Qt, Signal
from qtpy.QtWidgets import QHBoxLayout, QMessageBox, QWidget

from napari_bloodflow._napari.roi_boxes import use_bounding_boxes
from napari_bloodflow._napari.roi_nudge import nudge_selected
from napari_bloodflow._napari.undo import redo_edit, undo_last, undo_text
from napari_bloodflow._napari.widgets.parts import Notice, Section, push_button
from napari_bloodflow._napari.widgets.roi_form import RoiForm
from napari_bloodflow._napari.widgets.roi_menu import RoiMenu
from napari_bloodflow._napari.widgets.roi_rows import roi_rows
from napari_bloodflow._napari.widgets.roi_table import RoiTableModel, RoiTableView
from napari_bloodflow.acquisition.history import name_rois
from napari_bloodflow.calibration import pretty_unit

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from napari_bloodflow._napari.roi_nudge import Nudge
    from napari_bloodflow._napari.session import ShownAcquisition, ViewerSession
    from napari_bloodflow.acquisition.acq_image import AcqImage

__all__ = ["RoiPanel"]

_GLYPH_WIDTH = 30


class RoiPanel(Section):
    """Table of ROIs, in step with the selection in the ROI layer, and what to do with them.

    Parameters
    ----------
    session : ViewerSession
        What the viewer shows.
    parent : QWidget, optional
        Its parent.

    Attributes
    ----------
    said : Signal
        Emitted with a sentence about what was done.
    """

    said = Signal(str)

    def __init__(self, session: ViewerSession, parent: QWidget | None = None) -> None:
        super().__init__("ROIs", "roi_panel", parent)
        self._session = session
        self._shown_acq: AcqImage | None = None
        self._is_behind = False
        self._is_picking = False
        self._to_delete: tuple[AcqImage, tuple[int, ...]] | None = None
        self._model = RoiTableModel(self)
        self._table = RoiTableView(self._model, self)
        self._form = RoiForm(self)
        self._unusable = Notice("unusable_shapes", "alert", self)
        self._unusable.add_button(
            push_button(
                "Use their boxes",
                "use_bounding_boxes",
                "Turn the grey shapes into rectangles around them",
                self._on_boxes,
                self,
            )
        )
        new = push_button(
            "New", "new_roi", "Add a ROI that covers the whole image", self._on_new, self
        )
        self._menu = RoiMenu(session, self)
        self._more = push_button(
            "▾", "roi_menu_button", "Other new ROIs; copy ROIs to other files", self._on_more, self
        )
        draw = push_button(
            "Draw",
            "draw_roi",
            "Drag a rectangle on the kymograph to add a ROI",
            self._on_draw,
            self,
        )
        image = push_button(
            "From image",
            "roi_from_image",
            "Add a ROI of full height on the vessel that stands out in the average of all lines",
            self._menu.from_image,
            self,
        )
        self._delete = push_button(
            "Delete", "delete_roi", "Delete the selected ROIs (Del)", self._on_delete, self
        )
        self._undo = push_button("↶", "undo", "", self.undo, self)
        self._redo = push_button("↷", "redo", "", self.redo, self)
        buttons = QHBoxLayout()
        buttons.setSpacing(4)
        for button in (new, self._more, draw, image, self._delete, self._undo, self._redo):
            is_glyph = button in (self._more, self._undo, self._redo)
            if is_glyph:
                button.setFixedWidth(_GLYPH_WIDTH)
            buttons.addWidget(button, 0 if is_glyph else 1)
        self._undo.setAccessibleName("Undo")
        self._redo.setAccessibleName("Redo")
        self._more.setAccessibleName("More")
        # Above the table, so that they are in sight however long it is.
        self.body.addLayout(buttons)
        self.body.addWidget(self._unusable)
        self.body.addWidget(self._table, 1)
        self.body.addWidget(self._form)
        self._table.picked.connect(self._on_picked)
        self._table.delete_asked.connect(self._on_delete)
        self._table.nudged.connect(self._on_nudged)
        self._table.edit_ended.connect(self._on_edit_ended)
        self._model.renamed.connect(self._on_renamed)
        self._form.said.connect(self.said)
        self._menu.said.connect(self.said)
        self._menu.created.connect(self._on_created)
        self._menu.line_asked.connect(self._on_draw_line)

    # ---- showing

    def refresh(self) -> None:
        """Show the present ROIs, unless a cell is being edited: then when it no longer is."""
        active = self._session.active
        if active is None:
            self._shown_acq = None
            self._table.show_rows([], is_other=True)
            self._form.show_roi(None, None)
            return
        acq = active.acq
        is_other = acq is not self._shown_acq
        self._is_behind = self._table.is_editing and not is_other
        if not self._is_behind:
            self._shown_acq = acq
            calibration = acq.calibration
            self._model.set_units(calibration.time_unit, pretty_unit(calibration.position_unit))
            self._table.show_rows(roi_rows(acq), is_other=is_other)
            if active.sync is not None:
                self._table.follow(active.sync.selected_roi_ids)
        self.set_title(f"ROIs ({len(acq.rois)})" if len(acq.rois) else "ROIs")
        self._unusable.say(_describe_unusable(acq))
        self._refresh_buttons()

    def _refresh_buttons(self) -> None:
        active, acq = self._session.active, self._session.acq
        chosen = self._table.selected_roi_ids
        self._delete.setEnabled(bool(chosen))
        self._form.show_roi(acq, chosen[0] if len(chosen) == 1 else None)
        undo = "" if active is None else undo_text(active)
        redo = "" if acq is None else acq.history.redo_text
        self._undo.setEnabled(bool(undo))
        self._redo.setEnabled(bool(redo))
        self._undo.setToolTip(f"Undo: {undo} (Ctrl+Z)" if undo else "Nothing to undo")
        self._redo.setToolTip(f"Redo: {redo} (Ctrl+Shift+Z)" if redo else "Nothing to redo")

    def follow_selection(self, roi_ids: Sequence[int]) -> None:
        """Select in the table what was selected in the viewer."""
        if not (self._table.is_editing or self._is_picking):
            self._table.follow(roi_ids)
            self._refresh_buttons()

    def _on_edit_ended(self) -> None:
        if self._is_behind:
            self.refresh()

    # ---- doing

    def _on_picked(self) -> None:
        active = self._session.active
        if active is not None:
            self._select_in_layer(active, self._table.selected_roi_ids)
        self._refresh_buttons()

    def _select_in_layer(self, active: ShownAcquisition, roi_ids: Sequence[int]) -> None:
        """Select ROIs in their layer, in a mode that shows their handles."""
        if active.sync is None or active.roi_layer is None:
            return
        self._is_picking = True
        try:
            if roi_ids:
                self._session.viewer.layers.selection.active = active.roi_layer
                active.roi_layer.mode = "select"
            active.sync.select(roi_ids)
        finally:
            self._is_picking = False

    def _on_renamed(self, roi_id: int, name: str) -> None:
        acq = self._shown_acq
        if acq is not None and roi_id in acq.rois:
            acq.rois.rename(roi_id, name)

    def _on_new(self) -> None:
        active = self._session.active
        if active is None:
            return
        roi = active.acq.rois.create()
        self._on_created(roi.roi_id)
        self.said.emit(f"ROI {roi.roi_id} covers the whole image; drag its corners to resize it.")

    def _on_created(self, roi_id: int) -> None:
        """Select a ROI that was just made."""
        active = self._session.active
        if active is not None:
            self._select_in_layer(active, (roi_id,))
            self.refresh()
            self._table.follow((roi_id,))
            self._refresh_buttons()

    def _on_more(self) -> None:
        self._menu.offer(self._table.selected_roi_ids)
        self._menu.popup(self._more.mapToGlobal(self._more.rect().bottomLeft()))

    def _on_boxes(self) -> None:
        active = self._session.active
        if active is None:
            return
        boxed = use_bounding_boxes(active.acq.rois)
        self._select_in_layer(active, boxed)
        self.refresh()
        self.said.emit(
            f"{name_rois(boxed)} {'is a rectangle' if len(boxed) == 1 else 'are rectangles'} now."
            if boxed
            else "Lines, and shapes with too little inside the image, cannot be rectangles."
        )

    def _on_draw(self) -> None:
        self._arm("add_rectangle", "Drag a rectangle on the kymograph.")

    def _on_draw_line(self) -> None:
        self._arm("add_line", "Drag a line on the kymograph.")

    def _arm(self, mode: str, sentence: str) -> None:
        """Take up a drawing tool of the ROI layer."""
        active = self._session.active
        if active is None:
            return
        if active.roi_layer is None:
            self._session.show_layers(active)
        if active.roi_layer is not None:
            self._session.viewer.layers.selection.active = active.roi_layer
            active.roi_layer.mode = mode
            self.said.emit(sentence)

    def _on_delete(self) -> None:
        acq, roi_ids = self._session.acq, self._table.selected_roi_ids
        if acq is None or not roi_ids:
            return
        results = [
            str(a.key) for i in roi_ids for a in acq.analysis_set.for_roi(i) if a.has_results
        ]
        self._to_delete = (acq, roi_ids)
        if not results:
            self._delete_now()
            return
        box = QMessageBox(self)
        box.setObjectName("confirm_delete")
        box.setAttribute(Qt.WidgetAttribute.WA_DeleteOnClose)
        box.setIcon(QMessageBox.Icon.Question)
        box.setWindowTitle("Delete ROI")
        box.setText(f"Delete {name_rois(roi_ids)} and what was measured there?")
        box.setInformativeText(
            "\n".join([*results, "", "It can be undone until the file is closed."])
        )
        delete = box.addButton("Delete", QMessageBox.ButtonRole.AcceptRole)
        if delete is not None:
            delete.setObjectName("confirm_delete_yes")
        box.setDefaultButton(box.addButton(QMessageBox.StandardButton.Cancel))
        box.accepted.connect(self._delete_now)
        box.finished.connect(self._on_answered)
        box.open()

    def _on_answered(self) -> None:
        self._to_delete = None

    def _delete_now(self) -> None:
        if self._to_delete is None:
            return
        acq, roi_ids = self._to_delete
        self._to_delete = None
        present = [roi_id for roi_id in roi_ids if roi_id in acq.rois]
        with acq.rois.batch():
            for roi_id in present:
                acq.rois.delete(roi_id)
        if present:
            self.said.emit(f"Deleted {name_rois(present)}.")

    def _on_nudged(self, nudge: Nudge) -> None:
        active = self._session.active
        if active is not None:
            self.said.emit(nudge_selected(nudge, self._session.viewer.dims, active))

    # ---- undoing

    def undo(self) -> None:
        """Take back the last edit of the active acquisition."""
        self._travel(undo_last)

    def redo(self) -> None:
        """Make the edit again that was taken back last."""
        self._travel(redo_edit)

    def _travel(self, step: Callable[[ShownAcquisition], str]) -> None:
        active = self._session.active
        if active is None:
            return
        before = set(active.acq.rois)
        sentence = step(active)
        self.refresh()
        touched = [roi.roi_id for roi in active.acq.rois if roi not in before]
        if touched:
            self._select_in_layer(active, touched)
            self._table.follow(touched)
            self._refresh_buttons()
        self.said.emit(sentence)


def _describe_unusable(acq: AcqImage) -> str:
    """Say which shapes are no ROI, and why."""
    reasons = [shape.reason for shape in acq.rois.free_shapes]
    if not reasons:
        return ""
    count = "1 grey shape is" if len(reasons) == 1 else f"{len(reasons)} grey shapes are"
    return f"{count} not used: {'; '.join(dict.fromkeys(reasons))}"
