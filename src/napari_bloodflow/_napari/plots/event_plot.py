"""A trace with events as bands that can be drawn, moved and pointed at."""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Any

# Before pyqtgraph, which takes the Qt binding that is there.
from qtpy.QtCore import Qt, Signal
from qtpy.QtGui import QColor

# isort: split
import pyqtgraph as pg

from napari_bloodflow._napari.plots.trace_plot import TracePlot

if TYPE_CHECKING:
    from qtpy.QtWidgets import QWidget

__all__ = ["EVENT_COLORS", "Band", "EventPlot"]

EVENT_COLORS = {
    "user": "#56B4E9",
    "rise": "#009E73",
    "fall": "#D55E00",
    "transient": "#CC79A7",
}
"""Colours of the types of events."""
_ALPHA, _CHOSEN_ALPHA, _CANDIDATE_ALPHA = 60, 120, 20


@dataclass(frozen=True, slots=True)
class Band:
    """An interval of the time axis.

    Parameters
    ----------
    name : str
        Tells it from the others; stays the same while it is moved.
    start, stop : float
        Its ends.
    event_type : str
        Decides the colour.
    is_candidate : bool
        Not decided yet: an outline, which cannot be moved.
    """

    name: str
    start: float
    stop: float
    event_type: str
    is_candidate: bool = False


class EventPlot(TracePlot):
    """A trace with bands.

    Parameters
    ----------
    name : str
        Object name.
    parent : QWidget, optional
        Its parent.

    Attributes
    ----------
    drawn : Signal
        Emitted with both ends, as they were dragged, after the user drew a band.
    moved : Signal
        Emitted with name and ends after the user moved a band or one of its ends.
    chosen : Signal
        Emitted with the name of a band that was clicked.
    """

    drawn = Signal(float, float)
    moved = Signal(str, float, float)
    chosen = Signal(str)

    def __init__(self, name: str, parent: QWidget | None = None) -> None:
        super().__init__(name, parent)
        self._bands: dict[str, Band] = {}
        self._regions: dict[str, pg.LinearRegionItem] = {}
        self._chosen = ""
        self._is_drawing = False
        self._draft = pg.LinearRegionItem(movable=False, brush=pg.mkBrush(255, 255, 255, 60))
        self._draft.setZValue(20)
        self._draft.hide()
        self.canvas.addItem(self._draft, ignoreBounds=True)
        self.canvas.dragged.connect(self._on_dragged)

    # ---- bands

    @property
    def bands(self) -> tuple[Band, ...]:
        """What is shown."""
        return tuple(self._bands.values())

    def set_bands(self, bands: tuple[Band, ...], chosen: str = "") -> None:
        """Show bands, one of them as chosen."""
        wanted = {band.name: band for band in bands}
        plot = self.canvas.getPlotItem()
        for name in [n for n, band in self._bands.items() if wanted.get(n) != band]:
            plot.removeItem(self._regions.pop(name))
        for name, band in wanted.items():
            if name not in self._regions:
                self._regions[name] = self._make_region(band)
                plot.addItem(self._regions[name], ignoreBounds=True)
        self._bands, self._chosen = wanted, chosen
        for name, region in self._regions.items():
            self._paint_region(wanted[name], region)

    def _make_region(self, band: Band) -> pg.LinearRegionItem:
        region = pg.LinearRegionItem(
            (band.start, band.stop), movable=not band.is_candidate, swapMode="sort"
        )
        # What is below the view does not get the mouse.
        region.setZValue(10)
        region.setToolTip(f"{band.event_type}, {band.start:.3f} to {band.stop:.3f}")
        region.sigRegionChangeFinished.connect(partial(self._on_region_moved, band.name))
        return region

    def _paint_region(self, band: Band, region: pg.LinearRegionItem) -> None:
        color = QColor(EVENT_COLORS.get(band.event_type, EVENT_COLORS["user"]))
        is_chosen = band.name == self._chosen
        style = Qt.PenStyle.DashLine if band.is_candidate else Qt.PenStyle.SolidLine
        for line in region.lines:
            line.setPen(pg.mkPen(color, width=2 if is_chosen else 1, style=style))
        alpha = _CANDIDATE_ALPHA if band.is_candidate else _ALPHA
        color.setAlpha(_CHOSEN_ALPHA if is_chosen else alpha)
        region.setBrush(pg.mkBrush(color))
        region.update()

    def _on_region_moved(self, name: str, region: pg.LinearRegionItem) -> None:
        start, stop = region.getRegion()
        band = self._bands[name]
        if (start, stop) != (band.start, band.stop):
            self.moved.emit(name, float(start), float(stop))

    def _on_mouse_clicked(self, event: Any) -> None:
        super()._on_mouse_clicked(event)
        if event.double() or event.button() != Qt.MouseButton.LeftButton:
            return
        view = self.canvas.getPlotItem().getViewBox()
        place = view.mapSceneToView(event.scenePos()).x()
        inside = [band for band in self._bands.values() if band.start <= place <= band.stop]
        if inside:
            # The shortest, since a long one may lie below it.
            self.chosen.emit(min(inside, key=lambda band: band.stop - band.start).name)

    def show_band(self, band: Band) -> None:
        """Bring a band into view, with as much on both sides."""
        length = band.stop - band.start
        low, high = self.x_range
        if band.start < low or band.stop > high:
            middle, half = 0.5 * (band.start + band.stop), max(1.5 * length, 0.5 * (high - low))
            view = self.canvas.getPlotItem().getViewBox()
            view.setXRange(middle - half, middle + half, padding=0)

    # ---- drawing

    @property
    def is_drawing(self) -> bool:
        """Whether dragging over the plot draws a band, instead of moving the plot."""
        return self._is_drawing

    def set_drawing(self, is_drawing: bool) -> None:
        """Let dragging draw a band, or move the plot."""
        self._is_drawing = is_drawing
        self.canvas.set_dragging(is_drawing)
        shape = Qt.CursorShape.CrossCursor if is_drawing else Qt.CursorShape.ArrowCursor
        self.canvas.setCursor(shape)

    def _on_dragged(self, start: float, stop: float, is_finished: bool) -> None:
        self._draft.setRegion(sorted((start, stop)))
        self._draft.setVisible(not is_finished)
        if is_finished and start != stop:
            self.drawn.emit(start, stop)
