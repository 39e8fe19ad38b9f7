"""Plot of traces over time, with a cursor that reads them."""

from __future__ import annotations

import html
from typing import Any

# Before pyqtgraph, which takes the Qt binding that is there.
from qtpy.QtCore import QPointF, Qt, QTimer, Signal
from qtpy.QtGui import QAction, QColor
from qtpy.QtWidgets import (
    QHBoxLayout,
    QLabel,
    QMenu,
    QSizePolicy,
    QStackedWidget,
    QToolButton,
    QToolTip,
    QVBoxLayout,
    QWidget,
)

# isort: split
import pyqtgraph as pg
from napari.utils.theme import get_theme

from napari_bloodflow._napari.plots.plot_export import (
    copy_figure,
    copy_values,
    export_figure,
    export_values,
)
from napari_bloodflow._napari.plots.plot_model import (
    Mark,
    PlotModel,
    Trace,
    format_time,
    format_value,
)
from napari_bloodflow._napari.plots.trace_item import PlotCanvas, TraceItem, make_canvas
from napari_bloodflow.calibration import pretty_unit

__all__ = ["EMPTY_TEXT", "TracePlot", "readable_color"]

EMPTY_TEXT = "Press Run to measure"
_MIN_CONTRAST = 2.2
_MAX_NAMED = 6  # traces that are named one by one
_PARTS = {
    "band": ("95 % interval", "The range that holds the true value in 95 of 100 cases"),
    "rejected": ("Rejected estimates", "What was measured but not accepted, as rings"),
    "filtered": ("Filtered", "The trace after its filter; the raw one is fainter"),
}


class TracePlot(QWidget):
    """A quantity over time.

    Time 0 is the first line of the file, not of the ROI, so that the plot lines up with the
    image. Points without a value are gaps in the line, and short strokes on the lower edge of
    the plot; pointing at one tells why. Faint lines are results that are out of date, dashed
    lines are means, bands are 95 % intervals, rings are rejected estimates.

    Parameters
    ----------
    name : str
        Object name; those of its parts begin with it.
    parent : QWidget, optional
        Parent widget.

    Attributes
    ----------
    pointed_at : Signal
        Emitted with the time under the pointer, NaN after it has left.
    time_chosen : Signal
        Emitted with a time that was double-clicked.
    moved_by_user : Signal
        Emitted after the user moved or zoomed the plot.
    model_changed : Signal
        Emitted after something else is shown.
    link_toggled : Signal
        Emitted after the link to the canvas was switched on or off.
    """

    pointed_at = Signal(float)
    time_chosen = Signal(float)
    moved_by_user = Signal()
    model_changed = Signal()
    link_toggled = Signal()

    def __init__(self, name: str, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.setObjectName(name)
        self._model = PlotModel()
        self._items: list[TraceItem] = []
        self._marks: list[pg.InfiniteLine] = []
        self._following = QTimer(self)
        self._following.setSingleShot(True)
        self._following.setInterval(0)
        self._following.timeout.connect(self._follow_view)
        self._foreground = QColor("white")
        self._background = QColor("black")

        self._caption = _label(f"{name}_caption")
        self._caption.setToolTip("Points of each ROI, and how many of them have no value")
        self._menu_button = QToolButton(self)
        self._menu_button.setObjectName(f"{name}_menu")
        self._menu_button.setText("Show")
        # napari's style draws the arrow over the end of the text.
        room = self._menu_button.fontMetrics().horizontalAdvance("Show ▾")
        self._menu_button.setMinimumWidth(room + 24)
        self._menu_button.setToolTip("What is shown beside the trace, and export")
        self._menu_button.setPopupMode(QToolButton.ToolButtonPopupMode.InstantPopup)
        self._menu = QMenu(self._menu_button)
        self._menu.setToolTipsVisible(True)
        self._menu_button.setMenu(self._menu)
        self._switches = {part: self._add_switch(part) for part in _PARTS}
        self._menu.addSeparator()
        self._link = QAction("Same time range as the image", self._menu)
        self._link.setObjectName(f"{name}_link")
        self._link.setCheckable(True)
        self._link.setToolTip("Zooming and moving the one moves the other")
        self._link.toggled.connect(self.link_toggled)
        self._menu.addAction(self._link)
        self._menu.addSeparator()
        self._add_export("Export figure…", "export_figure", self._on_export_figure)
        self._add_export("Export values…", "export_values", self._on_export_values)
        self._add_export("Copy figure", "copy_figure", self._on_copy_figure)
        self._add_export("Copy values", "copy_values", self._on_copy_values)
        self._readout = _label(f"{name}_readout")
        self._readout.setToolTip("Time and value at the pointer")
        self._empty = QLabel(EMPTY_TEXT)
        self._empty.setObjectName(f"{name}_empty")
        self._empty.setAlignment(Qt.AlignmentFlag.AlignHCenter | Qt.AlignmentFlag.AlignVCenter)
        self._empty.setWordWrap(True)
        self._canvas = make_canvas(f"{name}_canvas")
        self._cursor = pg.InfiniteLine(angle=90, movable=False)
        self._zero = pg.InfiniteLine(pos=0, angle=0, movable=False)
        for line in (self._cursor, self._zero):
            self._canvas.addItem(line, ignoreBounds=True)
        self._cursor.hide()
        self._pages = QStackedWidget()
        self._pages.addWidget(self._empty)
        self._pages.addWidget(self._canvas)

        layout = QVBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.setSpacing(2)
        head = QHBoxLayout()
        head.setContentsMargins(0, 0, 0, 0)
        head.addWidget(self._caption, 1)
        head.addWidget(self._menu_button, 0, Qt.AlignmentFlag.AlignTop)
        layout.addLayout(head)
        layout.addWidget(self._pages, 1)
        layout.addWidget(self._readout)
        self.setMinimumHeight(150)
        self.setSizePolicy(QSizePolicy.Policy.Expanding, QSizePolicy.Policy.Expanding)

        view = self._canvas.getPlotItem().getViewBox()
        view.sigRangeChanged.connect(self._on_view_changed)
        view.sigResized.connect(self._on_view_changed)
        view.sigRangeChangedManually.connect(self.moved_by_user)
        self._canvas.scene().sigMouseMoved.connect(self._on_mouse_moved)
        self._canvas.scene().sigMouseClicked.connect(self._on_mouse_clicked)
        self._canvas.pointer_left.connect(self._on_pointer_left)
        self._retext()

    def _add_switch(self, part: str) -> QAction:
        text, tip = _PARTS[part]
        action = QAction(text, self._menu)
        action.setObjectName(f"{self.objectName()}_{part}")
        action.setCheckable(True)
        action.setChecked(True)
        action.setToolTip(tip)
        action.toggled.connect(self._show_parts)
        self._menu.addAction(action)
        return action

    def _add_export(self, text: str, name: str, slot: Any) -> None:
        action = QAction(text, self._menu)
        action.setObjectName(f"{self.objectName()}_{name}")
        action.triggered.connect(slot)
        self._menu.addAction(action)

    def hasHeightForWidth(self) -> bool:
        """Return False: the lines of text take what they need from the plot."""
        return False

    # ---- what is shown

    @property
    def model(self) -> PlotModel:
        """What is shown."""
        return self._model

    @property
    def canvas(self) -> PlotCanvas:
        """The pyqtgraph plot, for instance to link its time axis."""
        return self._canvas

    @property
    def is_empty(self) -> bool:
        """True while a text is shown in place of a plot."""
        return not self._items

    def set_model(self, model: PlotModel, empty_text: str = EMPTY_TEXT) -> None:
        """Show something else.

        A zoom made by the user stays if the traces cover the same time.

        Parameters
        ----------
        model : PlotModel
            Traces.
        empty_text : str
            Shown if there are none.
        """
        keeps_zoom = model.extent == self._model.extent
        plot = self._canvas.getPlotItem()
        for mark in self._marks:
            plot.removeItem(mark)
        self._model = model
        self._marks = [_mark_line(mark) for mark in model.marks]
        for line in self._marks:
            plot.addItem(line, ignoreBounds=True)
        self._fit_items(len(model.traces))
        for item, trace in zip(self._items, model.traces, strict=True):
            item.set_trace(trace, shows_mean=model.shows_means)
        for part, action in self._switches.items():
            action.setVisible(any(getattr(trace, part) is not None for trace in model.traces))
        self._empty.setText(empty_text)
        self._pages.setCurrentWidget(self._empty if self.is_empty else self._canvas)
        plot.setLabel("bottom", model.x_label)
        plot.setLabel("left", model.y_label)
        self._show_parts()
        self._paint_items()
        self._retext()
        self.hide_cursor()
        if not keeps_zoom:
            plot.enableAutoRange()
            # Not only when it is painted next.
            plot.getViewBox().updateAutoRange()
        self.model_changed.emit()
        self._follow_view()

    def _fit_items(self, count: int) -> None:
        """Have as many items as there are traces; to make one takes longer than to fill it."""
        plot = self._canvas.getPlotItem()
        while len(self._items) > count:
            item = self._items.pop()
            for part in (item, *item.companions):
                plot.removeItem(part)
        while len(self._items) < count:
            item = TraceItem()
            self._items.append(item)
            plot.addItem(item)
            for part in item.companions:
                plot.addItem(part, ignoreBounds=True)

    @property
    def _shown_parts(self) -> dict[str, bool]:
        return {part: action.isChecked() for part, action in self._switches.items()}

    def _show_parts(self) -> None:
        for item in self._items:
            item.show_parts(**self._shown_parts)

    def set_theme(self, theme_id: str) -> None:
        """Use the colours of a napari theme."""
        theme = get_theme(theme_id)
        self._background = QColor(theme.background.as_hex())
        self._foreground = QColor(theme.text.as_hex())
        self._paint()

    def _paint(self) -> None:
        self._canvas.setBackground(self._background)
        faint = QColor(self._foreground)
        faint.setAlpha(70)
        self._cursor.setPen(pg.mkPen(self._foreground, width=1))
        self._zero.setPen(pg.mkPen(faint, width=1))
        for name in ("bottom", "left"):
            axis = self._canvas.getPlotItem().getAxis(name)
            axis.setPen(pg.mkPen(faint, width=1))
            axis.setTextPen(pg.mkPen(self._foreground))
        self._paint_items()
        self._retext()

    def _paint_items(self) -> None:
        # A single dense trace would hide its own mean.
        is_alone = len(self._items) == 1
        for item in self._items:
            color = self._color(item.trace)
            item.paint_with(color, self._foreground if is_alone else color)

    def _color(self, trace: Trace) -> QColor:
        return readable_color(QColor(trace.color), self._background)

    def _retext(self) -> None:
        self._caption.setText(" &nbsp; ".join(self._captions()))
        self._caption.setVisible(not self.is_empty)
        self._readout.setVisible(not self.is_empty)
        self._menu_button.setVisible(not self.is_empty)
        # Room for two traces a line, so that the plot keeps its size while it is read.
        lines = 1 + min(len(self._items), _MAX_NAMED) // 2
        self._readout.setMinimumHeight(lines * self._readout.fontMetrics().lineSpacing())

    def _captions(self) -> list[str]:
        lines = []
        traces, noun = self._model.traces, self._model.noun
        if len(traces) > _MAX_NAMED:
            total = sum(trace.x.size for trace in traces)
            missing = sum(trace.num_missing for trace in traces)
            lines.append(f"{len(traces)} ROIs: {total} {noun}s, {missing} not measured")
            traces = ()
        for trace in traces:
            swatch = f'<span style="color:{self._color(trace).name()}">■</span>'
            count = f"{trace.x.size} {noun}{'' if trace.x.size == 1 else 's'}"
            gaps = f", {trace.num_missing} not measured" if trace.num_missing else ""
            stale = ", out of date" if trace.is_stale else ""
            lines.append(f"{swatch}&nbsp;{_unbroken(f'{trace.label}: {count}{gaps}{stale}')}")
        if self._model.left_out:
            labels = html.escape(", ".join(self._model.left_out))
            lines.append(f"{labels} not shown: measured in other units")
        return lines

    # ---- view and cursor

    def _on_view_changed(self) -> None:
        # Told of both axes, one after the other, and again once the heights are known.
        if not self._following.isActive():
            self._following.start()

    def _follow_view(self) -> None:
        """Draw anew what is in view."""
        self._following.stop()
        view = self._canvas.getPlotItem().getViewBox()
        for level, item in enumerate(self._items):
            item.follow_view(view, level)

    def _on_mouse_moved(self, position: QPointF) -> None:
        view = self._canvas.getPlotItem().getViewBox()
        if self.is_empty or not view.sceneBoundingRect().contains(position):
            self._on_pointer_left()
            return
        place = view.mapSceneToView(position).x()
        text = self.show_cursor(place)
        self.pointed_at.emit(place)
        gaps = [line for line in text if "not measured" in line]
        if gaps:
            spot = self._canvas.mapToGlobal(self._canvas.mapFromScene(position))
            QToolTip.showText(spot, "\n".join(gaps), self._canvas)
        else:
            QToolTip.hideText()

    def _on_pointer_left(self) -> None:
        self.hide_cursor()
        self.pointed_at.emit(float("nan"))

    def _on_mouse_clicked(self, event: Any) -> None:
        view = self._canvas.getPlotItem().getViewBox()
        if not self.is_empty and event.double():
            self.time_chosen.emit(view.mapSceneToView(event.scenePos()).x())

    def _on_export_figure(self) -> None:
        export_figure(self, self._model, self.x_range, self._shown_parts)

    def _on_export_values(self) -> None:
        export_values(self, self._model, self.x_range)

    def _on_copy_figure(self) -> None:
        copy_figure(self._model, self.x_range, self._shown_parts)

    def _on_copy_values(self) -> None:
        copy_values(self._model, self.x_range)

    @property
    def is_linked(self) -> bool:
        """Whether the time axis is to be that of the canvas."""
        return self._link.isChecked()

    def set_linked(self, is_linked: bool) -> None:
        """Link the time axis to that of the canvas, or not."""
        self._link.setChecked(is_linked)

    def set_x_range(self, low: float, high: float) -> None:
        """Show a range of time; what is plotted in it fills the height."""
        view = self._canvas.getPlotItem().getViewBox()
        view.setXRange(low, high, padding=0)
        view.setAutoVisible(y=True)
        view.enableAutoRange(axis=view.YAxis)
        # Otherwise when it is painted, and then it is painted once more.
        view.updateAutoRange()

    @property
    def x_range(self) -> tuple[float, float]:
        """First and last time in view."""
        low, high = self._canvas.getPlotItem().getViewBox().viewRange()[0]
        return float(low), float(high)

    def show_cursor(self, x: float) -> tuple[str, ...]:
        """Put the cursor on a time and read the traces there.

        Parameters
        ----------
        x : float
            In the units of the time axis.

        Returns
        -------
        tuple of str
            One line a trace that has a point near that time: its label, time, value or the
            reason why there is none.
        """
        lines, colored = [], []
        for trace in self._model.traces:
            index = trace.nearest(x)
            if index is None:
                continue
            gap = trace.gap_at(index)
            if gap is None:
                value = f"{format_value(trace.y[index])} {pretty_unit(trace.y_unit)}".rstrip()
            else:
                value = f"not measured ({gap.reason})"
            time = format_time(trace, trace.x[index])
            lines.append(f"{trace.label} at {time}: {value}")
            color = self._color(trace).name()
            is_alone = len(self._model.traces) == 1
            words = _unbroken(lines[-1] if is_alone else f"{trace.label}: {value}")
            colored.append(f'<span style="color:{color}">■</span>&nbsp;{words}')
        if lines and len(self._model.traces) > 1:
            colored.insert(0, format_time(self._model.traces[0], x))
        self._cursor.setPos(x)
        self._cursor.setVisible(not self.is_empty)
        if len(colored) > _MAX_NAMED + 1:
            colored[_MAX_NAMED + 1 :] = ["…"]
        self._readout.setText(" &nbsp; ".join(colored) or "&nbsp;")
        return tuple(lines)

    def hide_cursor(self) -> None:
        """Take the cursor away."""
        self._cursor.hide()
        self._readout.setText("&nbsp;")


def _mark_line(mark: Mark) -> pg.InfiniteLine:
    pen = pg.mkPen(mark.color, width=1, style=Qt.PenStyle.DotLine)
    options = {"position": 0.92, "color": mark.color, "anchors": [(0, 0), (0, 0)]}
    return pg.InfiniteLine(mark.x, angle=90, pen=pen, label=mark.text, labelOpts=options)


def readable_color(color: QColor, background: QColor) -> QColor:
    """Return a colour, darkened or lightened until a thin line of it shows on the background.

    Parameters
    ----------
    color, background : QColor
        Opaque colours.

    Returns
    -------
    QColor
        The same hue.
    """
    result = QColor(color)
    for _ in range(12):
        if _contrast(result, background) >= _MIN_CONTRAST:
            break
        result = result.darker(112) if _luminance(background) > 0.4 else result.lighter(112)
    return result


def _luminance(color: QColor) -> float:
    linear = [
        c / 12.92 if c <= 0.04045 else ((c + 0.055) / 1.055) ** 2.4
        for c in (color.redF(), color.greenF(), color.blueF())
    ]
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]


def _contrast(one: QColor, other: QColor) -> float:
    dark, bright = sorted((_luminance(one), _luminance(other)))
    return (bright + 0.05) / (dark + 0.05)


def _unbroken(text: str) -> str:
    """Return text as HTML; short text stays in one line."""
    escaped = html.escape(text)
    return escaped.replace(" ", "&nbsp;") if len(text) < 40 else escaped


def _label(name: str) -> QLabel:
    label = QLabel()
    label.setObjectName(name)
    label.setTextFormat(Qt.TextFormat.RichText)
    label.setWordWrap(True)
    return label
