"""One time axis for the canvas and a plot: range, cursor, going to a place."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

from qtpy.QtCore import QObject, QTimer

if TYPE_CHECKING:
    from napari_bloodflow._napari.plots.trace_plot import TracePlot
    from napari_bloodflow._napari.session import ViewerSession

__all__ = ["TimeLink", "center_on_row", "show_rows", "visible_rows"]

_SMALLEST_ROWS = 2.0


def visible_rows(session: ViewerSession) -> tuple[float, float] | None:
    """Return the first and last line that the canvas has room for, or None without an image.

    Parameters
    ----------
    session : ViewerSession
        Of the viewer.
    """
    if not session.image_layers:
        return None
    camera, axis = session.viewer.scene.camera, _time_axis(session)
    if not camera.zoom > 0:
        return None
    length = session.viewer.canvas.size[axis] / camera.zoom
    middle = camera.center[axis]
    scale = _row_scale(session)
    return (middle - 0.5 * length) / scale, (middle + 0.5 * length) / scale


def show_rows(session: ViewerSession, first: float, last: float) -> None:
    """Move and zoom the canvas so that these lines fill it; the position in the middle stays."""
    if not session.image_layers:
        return
    camera, axis = session.viewer.scene.camera, _time_axis(session)
    length = max(last - first, _SMALLEST_ROWS) * _row_scale(session)
    camera.zoom = session.viewer.canvas.size[axis] / length
    center_on_row(session, 0.5 * (first + last))


def center_on_row(session: ViewerSession, row: float) -> None:
    """Move the canvas so that a line is in its middle."""
    if not session.image_layers:
        return
    camera, axis = session.viewer.scene.camera, _time_axis(session)
    center = list(camera.center)
    center[axis] = row * _row_scale(session)
    camera.center = tuple(center)


def _time_axis(session: ViewerSession) -> int:
    """Return the place of time in the camera's centre and the canvas' size."""
    return -1 if session.time_direction == "right" else -2


def _row_scale(session: ViewerSession) -> float:
    return float(session.image_layers[0].scale[-2])


class TimeLink(QObject):
    """Keeps the time axis of a plot in step with the canvas, both ways.

    The plot follows the canvas; the canvas follows what the user does to the plot with the mouse.
    Pointing at one shows a cursor in the plot; a double click there brings the place to the middle
    of the canvas.

    Parameters
    ----------
    session : ViewerSession
        Of the viewer.
    plot : TracePlot
        The plot; also the parent.
    """

    def __init__(self, session: ViewerSession, plot: TracePlot) -> None:
        super().__init__(plot)
        self._session = session
        self._plot = plot
        self._is_bound = False
        self._is_pushing = False
        # The camera tells of centre and zoom one after the other.
        self._timer = QTimer(self)
        self._timer.setSingleShot(True)
        self._timer.setInterval(0)
        self._timer.timeout.connect(self._follow_canvas)

    @property
    def _signals(self) -> tuple[tuple[Any, Any], ...]:
        viewer = self._session.viewer
        return (
            (viewer.scene.camera.events.center, self._on_camera),
            (viewer.scene.camera.events.zoom, self._on_camera),
            (viewer.cursor.events.position, self._on_cursor),
            (self._session.active_changed, self._on_camera),
            (self._plot.time_chosen, self._on_time_chosen),
            (self._plot.moved_by_user, self._on_moved_by_user),
            (self._plot.link_toggled, self._on_camera),
            (self._plot.model_changed, self._follow_canvas),
        )

    def bind(self) -> None:
        """Start."""
        if not self._is_bound:
            self._is_bound = True
            for signal, slot in self._signals:
                signal.connect(slot)
            self._on_camera()

    def unbind(self) -> None:
        """Stop."""
        if self._is_bound:
            self._is_bound = False
            self._timer.stop()
            for signal, slot in self._signals:
                signal.disconnect(slot)

    def _step(self) -> float | None:
        """Return the length of a line in units of the plot; None if nothing is plotted."""
        acq, traces = self._session.acq, self._plot.model.traces
        if acq is None or not traces:
            return None
        return acq.calibration.dt_s if traces[0].x_unit == "s" else 1.0

    def _on_camera(self, *_: Any) -> None:
        if not self._is_pushing and not self._timer.isActive():
            self._timer.start()

    def _follow_canvas(self) -> None:
        step, rows = self._step(), visible_rows(self._session)
        if self._plot.is_linked and step is not None and rows is not None:
            self._plot.set_x_range(rows[0] * step, rows[1] * step)

    def _on_cursor(self, *_: Any) -> None:
        step, acq = self._step(), self._session.acq
        if step is None or acq is None or not self._session.image_layers:
            return
        row = self._session.image_layers[0].world_to_data(self._session.viewer.cursor.position)[-2]
        if math.isfinite(row) and 0 <= row < acq.images.bounds.num_rows:
            self._plot.show_cursor(float(row) * step)
        else:
            self._plot.hide_cursor()

    def _on_moved_by_user(self) -> None:
        step = self._step()
        if self._plot.is_linked and step is not None:
            low, high = self._plot.x_range
            self._is_pushing = True
            try:
                show_rows(self._session, low / step, high / step)
            finally:
                self._is_pushing = False

    def _on_time_chosen(self, time: float) -> None:
        step = self._step()
        if step is not None:
            center_on_row(self._session, time / step)
