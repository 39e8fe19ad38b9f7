"""A menu of new ROIs, and of copies of ROIs to other files."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from qtpy.QtCore import Signal
from qtpy.QtWidgets import QMenu, QWidget

from napari_bloodflow._napari.layers import mark_of
from napari_bloodflow._napari.roi_copy import copy_rois
from napari_bloodflow.acquisition.history import name_rois
from napari_bloodflow.acquisition.roi import LineEndpoints, RectRoiBounds
from napari_bloodflow.analysis.vessel_place import find_vessel

if TYPE_CHECKING:
    from collections.abc import Sequence

    from qtpy.QtGui import QAction

    from napari_bloodflow._napari.roi_copy import CopiedRois
    from napari_bloodflow._napari.session import ShownAcquisition, ViewerSession
    from napari_bloodflow.acquisition.roi import Roi

__all__ = ["RoiMenu"]


class RoiMenu(QMenu):
    """What can be done with the selected ROIs beside what has a button.

    Parameters
    ----------
    session : ViewerSession
        What the viewer shows.
    parent : QWidget, optional
        Its parent.

    Attributes
    ----------
    created : Signal
        Emitted with the id of a new ROI of the active acquisition.
    line_asked : Signal
        Emitted when the user wants to draw a line.
    said : Signal
        Emitted with a sentence about what was done.
    """

    created = Signal(int)
    line_asked = Signal()
    said = Signal(str)

    def __init__(self, session: ViewerSession, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.setObjectName("roi_menu")
        self.setToolTipsVisible(True)
        self._session = session
        self._chosen: tuple[int, ...] = ()
        self._add("new_whole", "New: whole &image", self._on_whole)
        self._height = self._add("new_full_height", "New: full &height", self._on_full_height)
        self._width = self._add("new_full_width", "New: full &width", self._on_full_width)
        self._add("new_with_edges", "New: vessel with its &edges", self._on_edges).setToolTip(
            "From image, and a quarter of the width more on either side: for a diameter"
        )
        self._add("new_line", "New: &line", self.line_asked.emit).setToolTip(
            "Drag a line on the kymograph; lines are annotations"
        )
        self.addSeparator()
        self._copies = QMenu("&Copy to", self)
        self._copies.setObjectName("copy_rois_menu")
        self._copies.setToolTipsVisible(True)
        self.addMenu(self._copies)
        self._copies.triggered.connect(self._on_copy)

    def _add(self, name: str, text: str, slot: Any) -> QAction:
        action = self.addAction(text)
        assert action is not None
        action.setObjectName(name)
        action.triggered.connect(slot)
        return action

    def offer(self, chosen: Sequence[int]) -> None:
        """Make the menu fit the ROIs that are selected."""
        self._chosen = tuple(chosen)
        is_one = len(chosen) == 1
        self._height.setEnabled(is_one)
        self._height.setToolTip(
            "All positions, in the time of the selected ROI" if is_one else "Select one ROI first"
        )
        self._width.setEnabled(is_one)
        self._width.setToolTip(
            "All times, at the position of the selected ROI" if is_one else "Select one ROI first"
        )
        others = self._others()
        self._copies.clear()
        self._copies.setTitle(f"&Copy {name_rois(chosen)} to" if chosen else "&Copy to")
        self._copies.setEnabled(bool(chosen and others))
        if len(others) > 1:
            self._offer_copy(f"All {len(others)} other open files", others)
        for other in others:
            label = self._session.blinding.label_of(other.acq)
            self._offer_copy(label.replace("&", "&&"), [other])

    def _offer_copy(self, text: str, targets: list[ShownAcquisition]) -> None:
        action = self._copies.addAction(text)
        assert action is not None
        action.setData([target.acq.path for target in targets])
        action.setToolTip("To the same lines and pixels, cut to the image there")

    def _others(self) -> list[ShownAcquisition]:
        return [shown for shown in self._session.shown if shown is not self._session.active]

    # ---- new ROIs

    def _on_whole(self) -> None:
        active = self._session.active
        if active is not None:
            self.created.emit(active.acq.rois.create().roi_id)

    def from_image(self) -> None:
        """Add a ROI of full height on the vessel that is seen in the active channel."""
        self._add_vessel(with_edges=False)

    def _on_edges(self) -> None:
        self._add_vessel(with_edges=True)

    def _add_vessel(self, *, with_edges: bool) -> None:
        active = self._session.active
        if active is None:
            return
        rois, plane = active.acq.rois, active.acq.images.get_slice(self._channel(active))
        try:
            vessel = find_vessel(plane)
        except ValueError as error:
            self.said.emit(f"No vessel is seen: {error}. New adds a ROI of the whole image.")
            return
        start, stop = vessel.start, vessel.stop
        if with_edges:
            start, stop = vessel.with_edges(plane.shape[1])
        roi = rois.create(RectRoiBounds(0, plane.shape[0], start, stop))
        self.created.emit(roi.roi_id)
        self.said.emit(
            f"ROI {roi.roi_id} is on the {'dark' if vessel.is_dark else 'bright'} vessel at pixels"
            f" {vessel.start} to {vessel.stop - 1}{', with its edges' if with_edges else ''}."
        )

    def _channel(self, active: ShownAcquisition) -> int:
        """Return the channel of the active layer, or else the first one that is seen."""
        chosen = self._session.viewer.layers.selection.active
        seen = [layer for layer in active.image_layers if layer is chosen or layer.visible]
        marks = [mark_of(layer) for layer in sorted(seen, key=lambda layer: layer is not chosen)]
        return next((m.channel for m in marks if m), active.acq.get_default_channel())

    def _on_full_height(self) -> None:
        self._widen(all_rows=False)

    def _on_full_width(self) -> None:
        self._widen(all_rows=True)

    def _widen(self, *, all_rows: bool) -> None:
        """Add a ROI with the rows, or the columns, of the selected one and all of the others."""
        active = self._session.active
        roi = None if active is None else active.acq.rois.get(self._chosen[0])
        if active is None or roi is None:
            return
        whole, box = active.acq.rois.image_bounds.whole, _box(roi)
        self.created.emit(
            active.acq.rois.create(
                RectRoiBounds(whole.row_start, whole.row_stop, box.col_start, box.col_stop)
                if all_rows
                else RectRoiBounds(box.row_start, box.row_stop, whole.col_start, whole.col_stop)
            ).roi_id
        )

    # ---- copies

    def _on_copy(self, action: QAction) -> None:
        active, wanted = self._session.active, action.data()
        if active is None:
            return
        rois = [roi for roi_id in self._chosen if (roi := active.acq.rois.get(roi_id)) is not None]
        words = []
        for other in self._others():
            if other.acq.path in wanted:
                label = self._session.blinding.label_of(other.acq)
                words.append(_describe(copy_rois(rois, other.acq.rois), label))
        self.said.emit(" ".join(words))


def _box(roi: Roi) -> RectRoiBounds:
    """Return the bounds of a rectangle, or those around a line."""
    ends = roi.geometry
    if isinstance(ends, LineEndpoints):
        rows, columns = sorted((ends.row0, ends.row1)), sorted((ends.col0, ends.col1))
        return RectRoiBounds(rows[0], rows[1] + 1, columns[0], columns[1] + 1)
    return ends


def _describe(outcome: CopiedRois, label: str) -> str:
    words = []
    if outcome.copied:
        words.append(f"Copied {name_rois(outcome.copied)} to {label}.")
    if outcome.cut:
        were = "was" if len(outcome.cut) == 1 else "were"
        words.append(f"{name_rois(outcome.cut)} {were} cut to its image.")
    if outcome.left_out:
        lie = "lies" if len(outcome.left_out) == 1 else "lie"
        words.append(f"{name_rois(outcome.left_out)} {lie} outside of {label}.")
    return " ".join(words)
