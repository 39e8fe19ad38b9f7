"""Table of velocity summaries: one row a ROI."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, TypeGuard

from qtpy.QtCore import Qt
from qtpy.QtGui import QColor, QIcon, QPixmap
from qtpy.QtWidgets import QAbstractItemView, QHeaderView, QTableWidget, QTableWidgetItem, QWidget

from napari_bloodflow._napari.plots.plot_model import format_value, pretty_unit
from napari_bloodflow._napari.roi_style import roi_color

if TYPE_CHECKING:
    from collections.abc import Iterable

    from qtpy.QtGui import QResizeEvent

    from napari_bloodflow.acquisition.acq_image import AcqImage
    from napari_bloodflow.analysis.base import Analysis

__all__ = ["VelocitySummary", "color_icon"]

_MAX_ROWS_IN_VIEW = 4
_HEADERS = (
    ("ROI", "The ROI, in the colour of its line in the plot"),
    ("Mean", "Mean velocity of all windows that were measured"),
    ("Median", "Median velocity of all windows that were measured"),
    ("CV", "Coefficient of variation: standard deviation over the magnitude of the mean"),
    ("Measured", "Windows with a value, of all windows"),
)


class VelocitySummary(QTableWidget):
    """Mean, median, variation and number of windows of velocity results.

    Parameters
    ----------
    parent : QWidget, optional
        Its parent.
    """

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(0, len(_HEADERS), parent)
        self.setObjectName("velocity_summary")
        self.setToolTip("Results of the measurement")
        self.setEditTriggers(QAbstractItemView.EditTrigger.NoEditTriggers)
        self.setSelectionBehavior(QAbstractItemView.SelectionBehavior.SelectRows)
        self.setTabKeyNavigation(False)
        self.setHorizontalScrollBarPolicy(Qt.ScrollBarPolicy.ScrollBarAsNeeded)
        self.setShowGrid(False)
        self.setWordWrap(False)
        rows, columns = self.verticalHeader(), self.horizontalHeader()
        assert rows is not None
        assert columns is not None
        self._columns = columns
        rows.hide()
        rows.setSectionResizeMode(QHeaderView.ResizeMode.ResizeToContents)
        columns.setSectionResizeMode(QHeaderView.ResizeMode.ResizeToContents)
        # The name of the ROI gives way where there is little room.
        columns.setMinimumSectionSize(36)
        columns.setSectionResizeMode(0, QHeaderView.ResizeMode.Stretch)
        columns.setHighlightSections(False)
        for column, (title, tip) in enumerate(_HEADERS):
            item = QTableWidgetItem(title)
            item.setToolTip(tip)
            item.setTextAlignment(Qt.AlignmentFlag.AlignLeft | Qt.AlignmentFlag.AlignVCenter)
            self.setHorizontalHeaderItem(column, item)
        self.hide()

    def show_results(self, acq: AcqImage | None, analyses: Iterable[Analysis] = ()) -> None:
        """Show one row for each analysis that has a result; hide if there is none."""
        shown = [a for a in analyses if a.has_results] if acq is not None else []
        self.setRowCount(len(shown))
        for row, analysis in enumerate(shown):
            assert acq is not None
            for column, text in enumerate(_cells(acq, analysis)):
                item = QTableWidgetItem(text)
                if column == 0:
                    item.setIcon(color_icon(analysis.key.roi_id))
                    item.setToolTip(f"ROI {text}")
                self.setItem(row, column, item)
        self.setVisible(bool(shown))
        self._fit_height()

    def resizeEvent(self, event: QResizeEvent | None) -> None:
        """Leave room for the scroll bar where the columns do not fit."""
        super().resizeEvent(event)
        self._fit_height()

    def _fit_height(self) -> None:
        rows = sum(self.rowHeight(row) for row in range(min(self.rowCount(), _MAX_ROWS_IN_VIEW)))
        header = self._columns.sizeHint().height()
        height = header + rows + 2 * self.frameWidth() + 2
        bar, viewport = self.horizontalScrollBar(), self.viewport()
        if bar is not None and viewport is not None and self._columns.length() > viewport.width():
            height += bar.sizeHint().height()
        if height != self.height():
            self.setFixedHeight(height)


def _cells(acq: AcqImage, analysis: Analysis) -> tuple[str, ...]:
    summary: dict[str, Any] = analysis.result.summary
    unit = pretty_unit(str(summary.get("velocity_unit") or acq.calibration.velocity_unit))
    roi = acq.rois.get(analysis.key.roi_id)
    cv = summary.get("velocity_cv")
    total, valid = summary.get("num_windows"), summary.get("num_valid_windows")
    return (
        roi.label if roi is not None else str(analysis.key.roi_id),
        _velocity(summary.get("velocity_mean"), unit),
        _velocity(summary.get("velocity_median"), unit),
        f"{100 * cv:.1f} %" if _is_number(cv) else "–",
        f"{'?' if valid is None else valid} of {'?' if total is None else total}",
    )


def _velocity(value: Any, unit: str) -> str:
    return f"{format_value(value)} {unit}" if _is_number(value) else "–"


def _is_number(value: Any) -> TypeGuard[float]:
    return isinstance(value, (int, float)) and not isinstance(value, bool)


def color_icon(roi_id: int) -> QIcon:
    """Return a small square in the colour of a ROI."""
    pixmap = QPixmap(12, 12)
    pixmap.fill(QColor(roi_color(roi_id)))
    return QIcon(pixmap)
