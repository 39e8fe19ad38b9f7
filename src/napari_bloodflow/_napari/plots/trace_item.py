"""Parts of a plot: a canvas that suits a dock, and a line that is reduced to what is in view."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

# Before pyqtgraph, which takes the Qt binding that is there.
from qtpy.QtCore import QSize, Qt, Signal
from qtpy.QtGui import QColor

# isort: split
import numpy as np
import pyqtgraph as pg

from napari_bloodflow._napari.plots.plot_model import Trace, visible_part

if TYPE_CHECKING:
    from collections.abc import Callable

    from numpy.typing import NDArray
    from qtpy.QtCore import QEvent
    from qtpy.QtGui import QPainter

    from napari_bloodflow._napari.plots.plot_model import VisibleTrace

__all__ = ["PlotCanvas", "TraceItem", "make_canvas"]

_RUG_PIXELS = 6
_STALE_ALPHA = 110
_BAND_ALPHA = 80
_BAND_PIECE = 16
_NOTHING = Trace(np.empty(0), np.empty(0), np.empty(0, object), "", "#000000", "", "")


class PlotCanvas(pg.PlotWidget):
    """A pyqtgraph plot that tells of the pointer.

    Attributes
    ----------
    pointer_left : Signal
        Emitted when the pointer has left.
    dragged : Signal
        Emitted with where a drag along the time axis began, where it is, and whether it is over;
        only after :meth:`set_dragging`.
    """

    pointer_left = Signal()
    dragged = Signal(float, float, bool)

    def __init__(self) -> None:
        self._view = _View()
        super().__init__(viewBox=self._view)
        self._view.told_of_drag = self.dragged.emit

    def set_dragging(self, is_dragging: bool) -> None:
        """Let a drag with the left button be told, or move the plot."""
        self._view.is_dragging = is_dragging

    def sizeHint(self) -> QSize:
        """Return a small size; layouts give what they have beyond it."""
        return QSize(280, 140)

    def leaveEvent(self, event: QEvent) -> None:
        """Say that the pointer has left."""
        super().leaveEvent(event)
        self.pointer_left.emit()


class _View(pg.ViewBox):
    """A view that shows all of the time axis without margins, and room for the rug below."""

    def __init__(self) -> None:
        super().__init__()
        self.is_dragging = False
        self.told_of_drag: Callable[[float, float, bool], None] | None = None

    def mouseDragEvent(self, ev: Any, axis: int | None = None) -> None:
        """Tell of the drag, or move the plot."""
        is_left = ev.button() == Qt.MouseButton.LeftButton
        if not self.is_dragging or self.told_of_drag is None or not is_left:
            super().mouseDragEvent(ev, axis)
            return
        ev.accept()
        start = self.mapSceneToView(ev.buttonDownScenePos()).x()
        self.told_of_drag(start, self.mapSceneToView(ev.scenePos()).x(), ev.isFinish())

    def suggestPadding(self, axis: int) -> float:
        """Return the margin along an axis, as a part of it."""
        return 0.01 if axis == pg.ViewBox.XAxis else 0.07


class _Band(pg.FillBetweenItem):
    """A band that is filled piece by piece: Qt takes ten times as long for a long outline."""

    def paint(self, p: QPainter, *_: Any) -> None:
        """Fill each part of the path by itself."""
        p.setPen(Qt.PenStyle.NoPen)
        p.setBrush(self.brush())
        for piece in self.path().toSubpathPolygons():
            p.drawPolygon(piece)


class TraceItem(pg.PlotCurveItem):
    """The line of a trace, reduced to what is in view, and what goes with it.

    Its bounds are those of the whole trace, so that *View all* shows all. What is in view is drawn
    by :meth:`follow_view`.

    Attributes
    ----------
    trace : Trace
        What to draw.
    companions : tuple
        Items that belong to the line and follow it; none of them changes the bounds.
    """

    def __init__(self) -> None:
        super().__init__(connect="finite", antialias=False)
        self.trace = _NOTHING
        self._color = QColor()
        self._is_faint = False
        self._dots = pg.ScatterPlotItem(size=3, pen=None, pxMode=True)
        self._rejected = pg.ScatterPlotItem(size=4, brush=None, pxMode=True)
        self._rug = pg.PlotCurveItem(connect="pairs", antialias=False)
        self._filtered = pg.PlotCurveItem(connect="finite", antialias=False)
        self._low = pg.PlotCurveItem(connect="finite", pen=None)
        self._high = pg.PlotCurveItem(connect="finite", pen=None)
        self._band = _Band(self._low, self._high)
        self._band.setZValue(-10)
        self._mean_line = pg.InfiniteLine(angle=0, movable=False)
        self._missing_x = self.trace.x
        self.companions = (
            self._band,
            self._rejected,
            self._dots,
            self._rug,
            self._filtered,
            self._mean_line,
        )

    def set_trace(self, trace: Trace, *, shows_mean: bool = True) -> None:
        """Draw another trace from the next :meth:`follow_view` on.

        Parameters
        ----------
        trace : Trace
            What to draw.
        shows_mean : bool
            Whether to draw its mean.
        """
        self.trace = trace
        self._missing_x = trace.x[~np.isfinite(trace.y)]
        mean = trace.mean
        has_mean = math.isfinite(mean) and not trace.is_stale and shows_mean
        if has_mean:
            self._mean_line.setPos(mean)
        self._mean_line.setVisible(has_mean)

    def show_parts(self, *, band: bool, rejected: bool, filtered: bool) -> None:
        """Choose what is shown beside the line."""
        self._band.setVisible(band and self.trace.band is not None)
        self._rejected.setVisible(rejected and self.trace.rejected is not None)
        self._filtered.setVisible(filtered and self.trace.filtered is not None)
        self._is_faint = filtered and self.trace.filtered is not None
        self._draw_pens()

    def dataBounds(
        self, ax: int, frac: float = 1.0, orthoRange: tuple[float, float] | None = None
    ) -> tuple[float | None, float | None]:
        """Return the bounds of the whole trace along an axis, for pyqtgraph."""
        trace = self.trace
        values, other = (trace.x, trace.y) if ax == 0 else (trace.y, trace.x)
        if orthoRange is not None:
            values = values[(other >= orthoRange[0]) & (other <= orthoRange[1])]
        values = values[np.isfinite(values)]
        return (float(values.min()), float(values.max())) if values.size else (None, None)

    def paint_with(self, color: QColor, mean_color: QColor) -> None:
        """Use one colour for what belongs to the trace, and one for its mean."""
        self._color = QColor(color)
        self._mean_line.setPen(pg.mkPen(mean_color, width=1, style=Qt.PenStyle.DashLine))
        self._draw_pens()

    def _draw_pens(self) -> None:
        color = QColor(self._color)
        if self.trace.is_stale:
            color.setAlpha(_STALE_ALPHA)
        faint, tint = QColor(color), QColor(color)
        tint.setAlpha(color.alpha() * _BAND_ALPHA // 255)
        if self._is_faint:
            # The filtered line is to be seen before the raw one.
            faint.setAlpha(color.alpha() * _STALE_ALPHA // 255)
        self.setPen(pg.mkPen(faint, width=1))
        self._dots.setBrush(pg.mkBrush(faint))
        self._filtered.setPen(pg.mkPen(color, width=1))
        self._rejected.setPen(pg.mkPen(color, width=1))
        self._rug.setPen(pg.mkPen(color, width=1))
        self._band.setBrush(pg.mkBrush(tint))

    def follow_view(self, view: Any, level: int) -> None:
        """Draw again what is in view; the rug is `level` rows above the lower edge."""
        (x_min, x_max), (y_min, y_max) = view.viewRange()
        width = max(1, int(view.width()))
        shown = visible_part(self.trace, x_min, x_max, width)
        self.setData(shown.x, shown.y)
        self._dots.setData(shown.lone_x, shown.lone_y)
        self._filtered.setData(shown.filtered_x, shown.filtered_y)
        self._show_band(shown)
        # The others are far outside, and cost as much.
        inside = (shown.rejected_y >= y_min) & (shown.rejected_y <= y_max)
        self._rejected.setData(shown.rejected_x[inside], shown.rejected_y[inside])
        pixel_x, pixel_y = view.viewPixelSize()
        missing = self._missing_x[(self._missing_x >= x_min) & (self._missing_x <= x_max)]
        if missing.size > width:
            missing = missing[np.unique(((missing - x_min) / pixel_x).astype(int), True)[1]]
        low = y_min + (1 + level * (_RUG_PIXELS + 2)) * pixel_y
        ends = np.tile((low, low + _RUG_PIXELS * pixel_y), missing.size)
        self._rug.setData(np.repeat(missing, 2), ends)

    def _show_band(self, shown: VisibleTrace) -> None:
        # A lone window has an interval of no width in time, which is not filled.
        held = np.isfinite(shown.band_low) & np.isfinite(shown.band_high)
        low, high = (np.where(held, end, np.nan) for end in (shown.band_low, shown.band_high))
        x, low, high = _in_pieces(shown.band_x, low, high)
        self._low.setData(x, low)
        self._high.setData(x, high)


def _in_pieces(*curves: NDArray[Any]) -> list[NDArray[Any]]:
    """Return curves interrupted by NaN every few points; pieces share the point between them."""
    count = curves[0].size
    repeats = np.ones(count, dtype=int)
    repeats[_BAND_PIECE : count - 1 : _BAND_PIECE] = 3
    places = np.repeat(np.arange(count), repeats)
    gaps = np.cumsum(repeats)[repeats == 3] - 2
    cut = [curve[places].astype(float) for curve in curves]
    for curve in cut:
        curve[gaps] = np.nan
    return cut


def make_canvas(name: str) -> PlotCanvas:
    """Return an empty canvas with the time axis at its lower edge.

    Parameters
    ----------
    name : str
        Object name.
    """
    canvas = PlotCanvas()
    canvas.setObjectName(name)
    canvas.setToolTip("Wheel and drag zoom and move; the button A shows all again")
    plot = canvas.getPlotItem()
    for name in ("bottom", "left"):
        axis = plot.getAxis(name)
        axis.enableAutoSIPrefix(False)
    plot.getAxis("bottom").setStyle(hideOverlappingLabels=False)
    plot.setContentsMargins(0, 6, 16, 0)  # room for half a label at the ends
    # Logarithms and spectra of the plot's own menu do not know our items, and its export would
    # write the reduced line. What is left is about the axes.
    plot.setMenuEnabled(False, True)
    canvas.scene().contextMenu.clear()
    # These are made without a parent and would outlive the window.
    for menu in (plot.ctrlMenu, plot.getViewBox().menu):
        menu.setParent(canvas, menu.windowFlags())
    return canvas
