"""Results drawn over the image: edges of a vessel, streaks of the measured speed, events.

An overlay is a layer of vectors in units of the canvas, not of pixels: in a layer that is stretched
with the image, lines would be hair lines one way and bars the other way.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
from napari.layers import Vectors
from qtpy.QtGui import QColor

from napari_bloodflow._napari.layers import AXIS_LABELS, UNITS
from napari_bloodflow._napari.plots.event_plot import EVENT_COLORS
from napari_bloodflow._napari.roi_style import roi_color
from napari_bloodflow.acquisition.roi import RectROI
from napari_bloodflow.analysis.provenance import PROVENANCE_KEY, is_of_axes
from napari_bloodflow.analysis.sum_intensity import SumIntensity
from napari_bloodflow.analysis.velocity_events import VelocityEvents

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from napari_bloodflow._napari.session import ShownAcquisition, ViewerSession
    from napari_bloodflow.acquisition.acq_image import AcqImage
    from napari_bloodflow.analysis.base import Analysis

    Lines = tuple[NDArray[np.float64], str]
    """Segments, shape (n, 2 ends, 2 of row and column), and their colour."""

__all__ = ["Overlay", "diameter_lines", "event_lines", "peak_lines", "velocity_lines"]

_THICKNESS_PX = 2.0
_STREAK_PART = 0.4


class Overlay:
    """One overlay layer of an acquisition; it comes and goes with its lines.

    Parameters
    ----------
    session : ViewerSession
        Of the viewer.
    name : str
        What is shown, the layer's name.
    """

    def __init__(self, session: ViewerSession, name: str) -> None:
        self._session = session
        self._name = name
        self._shown: ShownAcquisition | None = None
        self._layer: Vectors | None = None
        self._lines: tuple[Lines, ...] = ()

    def show(self, shown: ShownAcquisition | None, lines: Sequence[Lines]) -> None:
        """Show lines over an acquisition; without any the layer goes."""
        if shown is not self._shown:
            if not self._hand_over(shown):
                self.remove()
            self._shown = shown
        self._lines = tuple(line for line in lines if len(line[0]))
        if shown is None or not self._lines or not shown.image_layers:
            self.remove()
            return
        if self._layer is None or self._layer not in self._session.viewer.layers:
            self._add(shown)
        else:
            self._layer.data = self._vectors()
            self._layer.edge_color = self._colors()
            self._layer.edge_width = self._thickness()

    def _hand_over(self, shown: ShownAcquisition | None) -> bool:
        """Keep the layer for another acquisition if it lies between image and ROIs there.

        napari takes a third of a second to remove a layer.
        """
        layer, layers = self._layer, self._session.viewer.layers
        if layer is None or shown is None or self._shown is None or layer not in layers:
            return False
        place = layers.index(layer)
        below = shown.image_layers
        above = [] if shown.roi_layer is None else [shown.roi_layer]
        fits = bool(below) and all(layers.index(other) < place for other in below)
        if not fits or any(layers.index(other) < place for other in above):
            return False
        self._shown.overlays.discard(layer)
        shown.overlays.add(layer)
        layer.name = self._title(shown)
        layer.visible = True
        return True

    def _title(self, shown: ShownAcquisition) -> str:
        return f"{self._name} of {self._session.blinding.label_of(shown.acq)}"

    def remove(self) -> None:
        """Take the layer away."""
        layer, self._layer = self._layer, None
        if layer is not None and self._shown is not None:
            self._shown.overlays.discard(layer)
            if layer in self._session.viewer.layers:
                self._session.viewer.layers.remove(layer)

    def refresh_layout(self) -> None:
        """Make lines fit the present zoom and stretch."""
        # Its image may just have been handed over to another acquisition.
        has_image = self._shown is not None and bool(self._shown.image_layers)
        if self._layer is not None and has_image and self._layer in self._session.viewer.layers:
            self._layer.data = self._vectors()
            self._layer.edge_width = self._thickness()

    def _add(self, shown: ShownAcquisition) -> None:
        layers = self._session.viewer.layers
        selected, active = set(layers.selection), layers.selection.active
        self._layer = Vectors(
            self._vectors(),
            edge_color=self._colors(),
            edge_width=self._thickness(),
            vector_style="line",
            name=self._title(shown),
            units=UNITS,
            axis_labels=AXIS_LABELS,
        )
        shown.overlays.add(self._layer)
        # Below the ROIs, which are edited with the mouse.
        place = len(layers) if shown.roi_layer is None else layers.index(shown.roi_layer)
        layers.insert(place, self._layer)
        layers.selection.clear()
        layers.selection.update(selected)
        layers.selection.active = active

    def _vectors(self) -> NDArray[np.float64]:
        """Return start and extent of all lines, in units of the canvas."""
        assert self._shown is not None
        ends = np.concatenate([line for line, _ in self._lines]) * self._shown.image_layers[0].scale
        return np.stack((ends[:, 0], ends[:, 1] - ends[:, 0]), axis=1)

    def _colors(self) -> NDArray[np.float64]:
        return np.concatenate(
            [np.tile(QColor(color).getRgbF(), (len(line), 1)) for line, color in self._lines]
        )

    def _thickness(self) -> float:
        return _THICKNESS_PX / max(self._session.viewer.scene.camera.zoom, 1e-9)


# ---- lines of results


def diameter_lines(acq: AcqImage, analysis: Analysis) -> list[Lines]:
    """Return both edges of a vessel; rows without an edge are gaps.

    Parameters
    ----------
    acq : AcqImage
        The file.
    analysis : Analysis
        A diameter analysis of it.
    """
    table, bounds = analysis.result.table, _measured_bounds(acq, analysis)
    names = {"center_row", "left_edge_px", "right_edge_px"}
    if table is None or bounds is None or not names <= set(table.columns):
        return []
    rows = table["center_row"].to_numpy(np.float64) + bounds[0]
    lines = []
    for name in ("left_edge_px", "right_edge_px"):
        edge = table[name].to_numpy(np.float64) + bounds[2]
        points = np.column_stack((rows, edge))
        segments = np.stack((points[:-1], points[1:]), axis=1)
        lines.append(segments[np.isfinite(segments).all(axis=(1, 2))])
    return [(np.concatenate(lines), roi_color(analysis.key.roi_id))]


def velocity_lines(acq: AcqImage, analysis: Analysis) -> list[Lines]:
    """Return a short line for every fourth window, as steep as the cells' streaks should be.

    Parameters
    ----------
    acq : AcqImage
        The file.
    analysis : Analysis
        A velocity analysis of it.
    """
    table, bounds = analysis.result.table, _measured_bounds(acq, analysis)
    names = {"time_index", "theta_deg", "velocity"}
    if table is None or bounds is None or not names <= set(table.columns):
        return []
    table = table[np.isfinite(table["velocity"].to_numpy(np.float64))].iloc[::4]
    slope = np.tan(np.deg2rad(table["theta_deg"].to_numpy(np.float64)))
    rows = table["time_index"].to_numpy(np.float64) + bounds[0]
    width: Any = analysis.detection_params.get("window_width")
    window = float(width) if isinstance(width, (int, float)) else 64.0
    num_columns = bounds[3] - bounds[2]
    with np.errstate(divide="ignore"):
        half = np.minimum(_STREAK_PART * window, _STREAK_PART * num_columns / np.abs(slope))
    middle = 0.5 * (bounds[2] + bounds[3] - 1)
    start = np.column_stack((rows - half, middle - half * slope))
    stop = np.column_stack((rows + half, middle + half * slope))
    segments = np.stack((start, stop), axis=1)
    return [(segments[np.isfinite(segments).all(axis=(1, 2))], "#00E5FF")]


def event_lines(acq: AcqImage, analysis: Analysis) -> list[Lines]:
    """Return a box around each event, in the colour of its type.

    Parameters
    ----------
    acq : AcqImage
        The file.
    analysis : Analysis
        Velocity events of it.
    """
    parent = analysis.parent
    bounds = _measured_bounds(acq, parent) if parent is not None else None
    if bounds is None or not isinstance(analysis, VelocityEvents):
        return []
    lines = []
    dt_s = acq.calibration.dt_s
    low, high = bounds[2] - 0.5, bounds[3] - 0.5
    for event in analysis.events:
        start, stop = (bounds[0] + t / dt_s for t in (event.start_s, event.stop_s))
        corners = np.array([(start, low), (stop, low), (stop, high), (start, high), (start, low)])
        box = np.stack((corners[:-1], corners[1:]), axis=1)
        lines.append((box, EVENT_COLORS[event.event_type]))
    return lines


def peak_lines(acq: AcqImage, analysis: Analysis) -> list[Lines]:
    """Return a line across the ROI at the top of each transient.

    Parameters
    ----------
    acq : AcqImage
        The file.
    analysis : Analysis
        A sum intensity of it.
    """
    bounds = _measured_bounds(acq, analysis)
    if bounds is None or not isinstance(analysis, SumIntensity):
        return []
    rows = np.array([bounds[0] + p.peak for p in analysis.peaks if p.peak >= 0], dtype=np.float64)
    low, high = np.full(rows.size, bounds[2] - 0.5), np.full(rows.size, bounds[3] - 0.5)
    ends = np.stack((np.column_stack((rows, low)), np.column_stack((rows, high))), axis=1)
    return [(ends, EVENT_COLORS["rise"])]


def _measured_bounds(acq: AcqImage, analysis: Analysis) -> tuple[int, int, int, int] | None:
    """Return where the ROI was when it was measured: first and last row, first and last column.

    None if it is gone, or the image was turned since.
    """
    if not is_of_axes(analysis.result, axes_swapped=acq.axes_swapped):
        return None
    made = analysis.result.summary.get(PROVENANCE_KEY)
    stored = made.get("roi_bounds") if isinstance(made, dict) else None
    if isinstance(stored, (list, tuple)) and [isinstance(v, int) for v in stored] == [True] * 4:
        first_row, last_row, first_column, last_column = stored
        return first_row, last_row, first_column, last_column
    roi = acq.rois.get(analysis.key.roi_id)
    if not isinstance(roi, RectROI):
        return None
    box = roi.bounds
    return box.row_start, box.row_stop, box.col_start, box.col_stop
