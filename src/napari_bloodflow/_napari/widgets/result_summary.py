"""Table of the summaries of results: one row a ROI."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from qtpy.QtCore import Qt
from qtpy.QtGui import QColor, QIcon, QPixmap
from qtpy.QtWidgets import QAbstractItemView, QHeaderView, QTableWidget, QTableWidgetItem, QWidget

from napari_bloodflow._napari.roi_style import roi_color

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

    from qtpy.QtGui import QResizeEvent

    from napari_bloodflow.acquisition.acq_image import AcqImage
    from napari_bloodflow.analysis.base import Analysis

__all__ = ["ResultSummary", "SummaryColumn", "color_icon"]

_MAX_ROWS_IN_VIEW = 4
_ROI_TIP = "The ROI, in the colour of its line in the plot"


class SummaryColumn(NamedTuple):
    """One number of a summary.

    Parameters
    ----------
    title : str
        Heading.
    tip : str
        What the number is.
    text : callable
        Makes the text of a cell from the file and an analysis with a result.
    """

    title: str
    tip: str
    text: Callable[[AcqImage, Analysis], str]


class ResultSummary(QTableWidget):
    """Numbers of results, one row a ROI.

    Parameters
    ----------
    name : str
        Object name.
    columns : sequence of SummaryColumn
        What is shown beside the ROI.
    parent : QWidget, optional
        Its parent.
    """

    def __init__(
        self, name: str, columns: Sequence[SummaryColumn], parent: QWidget | None = None
    ) -> None:
        super().__init__(0, 1 + len(columns), parent)
        self.setObjectName(name)
        self._summary_columns = tuple(columns)
        self.setToolTip("Results of the measurement")
        self.setEditTriggers(QAbstractItemView.EditTrigger.NoEditTriggers)
        self.setSelectionBehavior(QAbstractItemView.SelectionBehavior.SelectRows)
        self.setTabKeyNavigation(False)
        self.setHorizontalScrollBarPolicy(Qt.ScrollBarPolicy.ScrollBarAsNeeded)
        self.setShowGrid(False)
        self.setWordWrap(False)
        rows, header = self.verticalHeader(), self.horizontalHeader()
        assert rows is not None
        assert header is not None
        self._header = header
        rows.hide()
        rows.setSectionResizeMode(QHeaderView.ResizeMode.ResizeToContents)
        header.setSectionResizeMode(QHeaderView.ResizeMode.ResizeToContents)
        # The name of the ROI gives way where there is little room.
        header.setMinimumSectionSize(36)
        header.setSectionResizeMode(0, QHeaderView.ResizeMode.Stretch)
        header.setHighlightSections(False)
        headings = [("ROI", _ROI_TIP), *((c.title, c.tip) for c in columns)]
        for column, (title, tip) in enumerate(headings):
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
            roi = acq.rois.get(analysis.key.roi_id)
            label = roi.label if roi is not None else str(analysis.key.roi_id)
            cells = [label, *(c.text(acq, analysis) for c in self._summary_columns)]
            for column, text in enumerate(cells):
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
        height = self._header.sizeHint().height() + rows + 2 * self.frameWidth() + 2
        bar, viewport = self.horizontalScrollBar(), self.viewport()
        if bar is not None and viewport is not None and self._header.length() > viewport.width():
            height += bar.sizeHint().height()
        if height != self.height():
            self.setFixedHeight(height)


def color_icon(roi_id: int) -> QIcon:
    """Return a small square in the colour of a ROI."""
    pixmap = QPixmap(12, 12)
    pixmap.fill(QColor(roi_color(roi_id)))
    return QIcon(pixmap)
