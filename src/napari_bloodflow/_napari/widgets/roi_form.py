"""The exact numbers and the note of one ROI, to be edited."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from qtpy.QtCore import QLocale, Qt, Signal
from qtpy.QtWidgets import (
    QComboBox,
    QDoubleSpinBox,
    QGridLayout,
    QHBoxLayout,
    QLabel,
    QLineEdit,
    QSizePolicy,
    QWidget,
)

from napari_bloodflow.acquisition.roi import LineEndpoints, LineROI, RectRoiBounds

if TYPE_CHECKING:
    from qtpy.QtGui import QWheelEvent

    from napari_bloodflow.acquisition.acq_image import AcqImage
    from napari_bloodflow.acquisition.roi import Roi, RoiGeometry

__all__ = ["RoiForm"]

_SHORTEST = -128  # QLocale.FloatingPointShortest, which PyQt and PySide spell differently
_MAX_DECIMALS = 9
_PIXELS, _UNITS = 0, 1


class _NumberBox(QDoubleSpinBox):
    """A number that is taken when it is complete, not with each key."""

    def __init__(self, name: str, parent: QWidget) -> None:
        super().__init__(parent)
        self.setObjectName(name)
        self.setKeyboardTracking(False)
        self.setAccelerated(True)
        self.setFocusPolicy(Qt.FocusPolicy.StrongFocus)
        self.setSizePolicy(QSizePolicy.Policy.Ignored, QSizePolicy.Policy.Fixed)
        self.setMinimumWidth(self.fontMetrics().horizontalAdvance("0000000") + 30)

    def textFromValue(self, value: float) -> str:
        """Return the shortest text for a number, ``"1.5"`` and not ``"1.500"``."""
        locale = self.locale()
        locale.setNumberOptions(QLocale.NumberOption.OmitGroupSeparator)
        return str(locale.toString(float(value), "f", _SHORTEST))

    def wheelEvent(self, event: QWheelEvent | None) -> None:
        """Leave the wheel to the scroll area around, unless the number is being edited."""
        if event is None or self.hasFocus():
            super().wheelEvent(event)
        else:
            event.ignore()

    @property
    def is_typing(self) -> bool:
        """True while what was typed has not been taken."""
        line = self.lineEdit()
        return self.hasFocus() and line is not None and line.isModified()


class RoiForm(QWidget):
    """Where one ROI is, in lines and pixels or in units of the calibration, and its note.

    Parameters
    ----------
    parent : QWidget, optional
        Its parent.

    Attributes
    ----------
    said : Signal
        Emitted with a sentence about a number that was not taken.
    """

    said = Signal(str)

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.setObjectName("roi_form")
        self._acq: AcqImage | None = None
        self._roi: Roi | None = None
        self._shown = [0, 0, 0, 0]  # lines and pixels, as last written to the boxes
        self._is_showing = False
        self._in = QComboBox(self)
        self._in.setObjectName("roi_units")
        self._in.setAccessibleName("Units of the numbers")
        self._in.setToolTip("Enter lines and pixels, or the units of the calibration")
        self._in.addItems(["lines, px", "s, µm"])
        self._boxes = tuple(
            _NumberBox(f"roi_{name}", self)
            for name in ("time_start", "time_stop", "position_start", "position_stop")
        )
        self._note = QLineEdit(self)
        self._note.setObjectName("roi_note")
        self._note.setAccessibleName("Note")
        self._note.setPlaceholderText("Note")
        self._note.setToolTip("Anything worth knowing about this ROI; it is saved with it")
        grid = QGridLayout(self)
        grid.setContentsMargins(0, 0, 0, 0)
        grid.setHorizontalSpacing(6)
        grid.setVerticalSpacing(4)
        grid.setColumnStretch(1, 1)
        grid.setColumnStretch(3, 1)
        for row, title in enumerate(("Time", "Position")):
            grid.addWidget(QLabel(title, self), row, 0)
            grid.addWidget(self._boxes[2 * row], row, 1)
            grid.addWidget(QLabel("to", self), row, 2)
            grid.addWidget(self._boxes[2 * row + 1], row, 3)
            self._boxes[2 * row].setAccessibleName(f"{title} from")
            self._boxes[2 * row + 1].setAccessibleName(f"{title} to")
        last = QHBoxLayout()
        last.addWidget(self._note, 1)
        last.addWidget(self._in)
        grid.addWidget(QLabel("Note", self), 2, 0)
        grid.addLayout(last, 2, 1, 1, 3)
        for box in self._boxes:
            box.valueChanged.connect(self._on_number)
        self._in.currentIndexChanged.connect(self._on_units)
        self._note.editingFinished.connect(self._on_note)

    def show_roi(self, acq: AcqImage | None, roi_id: int | None) -> None:
        """Show a ROI, or nothing; what is being typed for the same ROI stays.

        Parameters
        ----------
        acq : AcqImage or None
            Its acquisition.
        roi_id : int or None
            The ROI.
        """
        roi = None if acq is None or roi_id is None else acq.rois.get(roi_id)
        before = None if self._roi is None else self._roi.roi_id
        is_other = acq is not self._acq or roi is None or roi.roi_id != before
        self._acq, self._roi = acq, roi
        self.setEnabled(roi is not None)
        self._show(is_other)

    def _show(self, is_other: bool) -> None:
        """Write the present values; those of another ROI over anything that is being typed."""
        acq, roi = self._acq, self._roi
        self._is_showing = True
        try:
            is_known = acq is not None and acq.calibration.is_known
            self._in.setEnabled(is_known)
            if acq is not None and not is_known:
                self._in.setCurrentIndex(_PIXELS)
            numbers = (0, 0, 0, 0) if roi is None else _numbers(roi.geometry)
            for place, (box, number, step) in enumerate(
                zip(self._boxes, numbers, self._steps(), strict=True)
            ):
                if box.is_typing and not is_other:
                    continue
                box.setToolTip(_tip(place, roi))
                box.setDecimals(_decimals(step))
                box.setSingleStep(step)
                box.setRange(0, self._size(place) * step)
                box.setValue(number * step)
                self._shown[place] = number
            if is_other or not (self._note.hasFocus() and self._note.isModified()):
                self._note.setText("" if roi is None else roi.note)
        finally:
            self._is_showing = False

    def _steps(self) -> tuple[float, ...]:
        """Return what a line and a pixel are in the units shown, for each box."""
        if self._acq is None or self._in.currentIndex() == _PIXELS:
            return (1.0, 1.0, 1.0, 1.0)
        dt_s, dx_um = self._acq.calibration.dt_s, self._acq.calibration.dx_um
        return (dt_s, dt_s, dx_um, dx_um)

    def _size(self, place: int) -> int:
        """Return the greatest number of lines or pixels of a box."""
        if self._acq is None:
            return 0
        plane = self._acq.rois.image_bounds
        size = plane.num_rows if place < 2 else plane.num_columns
        return size - 1 if isinstance(self._roi, LineROI) else size

    def _on_units(self) -> None:
        if not self._is_showing:
            self._show(is_other=True)

    def _on_number(self) -> None:
        acq = self._acq
        roi = None if acq is None or self._roi is None else acq.rois.get(self._roi.roi_id)
        if self._is_showing or acq is None or roi is None:
            return
        numbers = list(_numbers(roi.geometry))
        for place, (box, step) in enumerate(zip(self._boxes, self._steps(), strict=True)):
            # The others may have been changed elsewhere since they were shown.
            if (number := round(box.value() / step)) != self._shown[place]:
                numbers[place] = number
        try:
            acq.rois.edit(roi.roi_id, _geometry(roi, numbers))
        except ValueError as error:
            self.said.emit(f"ROI {roi.roi_id} stays as it is: {error}.")
        self._roi = acq.rois.get(roi.roi_id)
        # Times between two lines go to the nearest one.
        self._show(is_other=True)

    def _on_note(self) -> None:
        acq, roi, note = self._acq, self._roi, self._note.text().strip()
        if acq is not None and roi is not None and roi.roi_id in acq.rois and note != roi.note:
            self._roi = acq.rois.set_note(roi.roi_id, note)


def _numbers(geometry: RoiGeometry) -> tuple[int, int, int, int]:
    """Return where a ROI starts and stops in time, then in position."""
    if isinstance(geometry, LineEndpoints):
        return geometry.row0, geometry.row1, geometry.col0, geometry.col1
    return geometry.row_start, geometry.row_stop, geometry.col_start, geometry.col_stop


def _geometry(roi: Roi, numbers: list[int]) -> RoiGeometry:
    """Return a geometry of the kind of a ROI.

    Raises
    ------
    ValueError
        If a rectangle does not end after it starts, or a line is a point.
    """
    row0, row1, col0, col1 = numbers
    if isinstance(roi, LineROI):
        if (row0, col0) == (row1, col1):
            raise ValueError("a line needs two ends")
        return LineEndpoints(row0, col0, row1, col1)
    if not (row0 < row1 and col0 < col1):
        raise ValueError("it must end after it starts")
    return RectRoiBounds(row0, row1, col0, col1)


def _decimals(step: float) -> int:
    """Return the decimals that tell one line or pixel from the next."""
    if step == 1:
        return 0
    return min(_MAX_DECIMALS, max(3, 2 - math.floor(math.log10(step))))


def _tip(place: int, roi: Roi | None) -> str:
    if roi is None:
        return "Select one ROI to edit its numbers"
    what = "line" if place < 2 else "pixel"
    if isinstance(roi, LineROI):
        return f"The {what} of {'the first' if place % 2 == 0 else 'the other'} end"
    if place % 2 == 0:
        return f"The first {what} of the ROI, from 0"
    return f"The end of its last {what}: the number of the first one after it"
