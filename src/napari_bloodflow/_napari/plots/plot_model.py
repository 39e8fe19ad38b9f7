"""What plots show, as plain values: traces over time with units, gaps and their reasons."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from napari_bloodflow._napari.roi_style import roi_color
from napari_bloodflow.acquisition.roi import RectROI
from napari_bloodflow.analysis.provenance import PROVENANCE_KEY

if TYPE_CHECKING:
    from collections.abc import Iterable

    import pandas as pd
    from numpy.typing import NDArray

    from napari_bloodflow.acquisition.acq_image import AcqImage
    from napari_bloodflow.analysis.base import Analysis

__all__ = [
    "Gap",
    "PlotModel",
    "Trace",
    "VisibleTrace",
    "format_time",
    "format_value",
    "pretty_unit",
    "velocity_plot_model",
    "velocity_trace",
    "visible_part",
]

_REASONS = {
    "flat": "all pixels are equal",
    "nan_pixels": "a pixel is not a number",
    "infinite_speed": "streaks along the line: the speed has no value",
    "low_confidence": "the estimate is not sure enough",
    "too_slow_for_window": "moves too little within a window; a longer one may see it",
    "aliased": "too fast for the length of this line",
    "out_of_limits": "outside the limits that were set",
    "too_few_lines": "more than half of the lines are empty",
    "too_narrow": "the ROI has fewer than 12 columns",
}
_NO_REASON = "no value"


@dataclass(frozen=True, slots=True)
class Gap:
    """A point of a trace that has no value.

    Parameters
    ----------
    x : float
        Where it is.
    reason : str
        Why, in words.
    """

    x: float
    reason: str


@dataclass(frozen=True, slots=True, eq=False)
class Trace:
    """One line of a plot, at full resolution.

    Parameters
    ----------
    x : ndarray of float64, shape (n,)
        Ascending, finite.
    y : ndarray of float64, shape (n,)
        NaN where there is no value; a gap in the line.
    status : ndarray of object, shape (n,)
        ``"ok"`` or a short word that says why there is no value.
    label : str
        Name for people.
    color : str
        ``#RRGGBB``.
    x_unit, y_unit : str
        Units as results have them, ``"um/s"``.
    is_stale : bool
        True if the line no longer fits the file it was measured on.
    """

    x: NDArray[np.float64]
    y: NDArray[np.float64]
    status: NDArray[np.object_]
    label: str
    color: str
    x_unit: str
    y_unit: str
    is_stale: bool = False

    @property
    def num_missing(self) -> int:
        """Number of points without a value."""
        return int(np.count_nonzero(~np.isfinite(self.y)))

    @property
    def mean(self) -> float:
        """Mean of the values, NaN if there are none."""
        values = self.y[np.isfinite(self.y)]
        return float(values.mean()) if values.size else math.nan

    def nearest(self, x: float) -> int | None:
        """Return the index of the point nearest to a place, None if it is outside the trace."""
        if not self.x.size:
            return None
        step = (self.x[-1] - self.x[0]) / max(1, self.x.size - 1)
        if not self.x[0] - step <= x <= self.x[-1] + step:
            return None
        right = int(np.searchsorted(self.x, x).clip(1, self.x.size - 1)) if self.x.size > 1 else 0
        left = max(0, right - 1)
        return left if x - self.x[left] <= self.x[right] - x else right

    def gap_at(self, index: int) -> Gap | None:
        """Return why a point has no value, or None if it has one."""
        if np.isfinite(self.y[index]):
            return None
        word = str(self.status[index])
        reason = _NO_REASON if word in ("", "ok") else _REASONS.get(word, word)
        return Gap(float(self.x[index]), reason)


@dataclass(frozen=True, slots=True, eq=False)
class PlotModel:
    """Everything a plot shows.

    Parameters
    ----------
    traces : tuple of Trace
        All in the same units.
    left_out : tuple of str
        Labels of traces that are not shown because their units are others.
    """

    traces: tuple[Trace, ...] = ()
    left_out: tuple[str, ...] = ()

    @property
    def x_label(self) -> str:
        """Text of the time axis."""
        return f"Time ({pretty_unit(self.traces[0].x_unit)})" if self.traces else "Time"

    @property
    def y_label(self) -> str:
        """Text of the velocity axis."""
        return f"Velocity ({pretty_unit(self.traces[0].y_unit)})" if self.traces else "Velocity"

    @property
    def extent(self) -> tuple[Any, ...]:
        """What stays the same as long as a zoom made earlier still makes sense."""
        ends = [(t.label, t.y_unit, float(t.x[0]), float(t.x[-1])) for t in self.traces]
        return tuple(ends)


@dataclass(frozen=True, slots=True, eq=False)
class VisibleTrace:
    """The part of a trace in view, with no more points than the screen can show.

    Parameters
    ----------
    x, y : ndarray of float64
        Line; NaN are gaps.
    lone_x, lone_y : ndarray of float64
        Values with a gap on both sides, which a line cannot show.
    """

    x: NDArray[np.float64]
    y: NDArray[np.float64]
    lone_x: NDArray[np.float64]
    lone_y: NDArray[np.float64]


def visible_part(trace: Trace, x_min: float, x_max: float, num_pixels: int) -> VisibleTrace:
    """Reduce a trace to what can be seen of it.

    Every pixel column gets the smallest and the largest of its values. Missing values do not
    swallow their neighbours, as they do in the plot library's own down-sampling.

    Parameters
    ----------
    trace : Trace
        At full resolution.
    x_min, x_max : float
        Range in view.
    num_pixels : int
        Its width on the screen.

    Returns
    -------
    VisibleTrace
        The same points if they are few.
    """
    # One point more at both ends, for the lines that leave the view.
    start = max(0, int(np.searchsorted(trace.x, x_min)) - 1)
    stop = min(trace.x.size, int(np.searchsorted(trace.x, x_max, side="right")) + 1)
    x, y = trace.x[start:stop], trace.y[start:stop]
    bins = max(1, num_pixels)
    if x.size <= 4 * bins:
        lone = _lone(np.isfinite(y))
        return VisibleTrace(x, y, x[lone], y[lone])
    starts = np.linspace(0, x.size, bins, endpoint=False).astype(np.intp)
    low, high = np.fmin.reduceat(y, starts), np.fmax.reduceat(y, starts)
    column = x[starts]
    lone = _lone(np.isfinite(low))
    pairs = np.column_stack((low, high)).reshape(-1)
    return VisibleTrace(np.repeat(column, 2), pairs, column[lone], low[lone])


def _lone(finite: NDArray[np.bool_]) -> NDArray[np.bool_]:
    padded = np.concatenate(([False], finite, [False]))
    return finite & ~padded[:-2] & ~padded[2:]


def velocity_trace(acq: AcqImage, analysis: Analysis) -> Trace | None:
    """Make the trace of a velocity result.

    In a table, time 0 is the first line of the ROI. Here it is the first line of the *file*, so
    that the trace lines up with the image and the traces of several ROIs with each other.

    Parameters
    ----------
    acq : AcqImage
        The file.
    analysis : Analysis
        A velocity analysis of it.

    Returns
    -------
    Trace or None
        None if there is no table, or one without the columns of a velocity table.
    """
    table, roi = analysis.result.table, acq.rois.get(analysis.key.roi_id)
    if table is None or not len(table) or not isinstance(roi, RectROI):
        return None
    if not {"time_s", "velocity"} <= set(table.columns):
        return None
    time = table["time_s"].to_numpy(dtype=np.float64)
    velocity = table["velocity"].to_numpy(dtype=np.float64, copy=True)
    velocity[~np.isfinite(velocity)] = np.nan
    status = np.full(time.size, "", dtype=object)
    if "status" in table.columns:
        status[:] = table["status"].astype(str)
    usable = np.isfinite(time)
    order = np.argsort(time[usable], kind="stable")
    y_unit = str(analysis.result.summary.get("velocity_unit") or acq.calibration.velocity_unit)
    offset = _first_line(analysis, roi) * _line_step(table, acq)
    return Trace(
        x=time[usable][order] + offset,
        y=velocity[usable][order],
        status=status[usable][order],
        label=f"ROI {roi.label}",
        color=roi_color(roi.roi_id),
        x_unit="s" if y_unit.endswith("/s") else "lines",
        y_unit=y_unit,
        is_stale=analysis.is_stale,
    )


def _first_line(analysis: Analysis, roi: RectROI) -> int:
    """Return the line that the table's time starts from: where the ROI was when measured."""
    made = analysis.result.summary.get(PROVENANCE_KEY)
    bounds = made.get("roi_bounds") if isinstance(made, dict) else None
    if isinstance(bounds, (list, tuple)) and bounds and isinstance(bounds[0], int):
        return bounds[0]
    return roi.bounds.row_start


def _line_step(table: pd.DataFrame, acq: AcqImage) -> float:
    """Return the time of a line in the units of the table's ``time_s``."""
    if "time_index" in table.columns:
        index = table["time_index"].to_numpy(dtype=np.float64)
        time = table["time_s"].to_numpy(dtype=np.float64)
        usable = np.isfinite(index) & np.isfinite(time) & (index > 0)
        if usable.any():
            return float(np.median(time[usable] / index[usable]))
    return acq.calibration.dt_s


def velocity_plot_model(acq: AcqImage, analyses: Iterable[Analysis]) -> PlotModel:
    """Make the plot of some velocity results of a file.

    Parameters
    ----------
    acq : AcqImage
        The file.
    analyses : iterable of Analysis
        The first one with a trace decides the units; results in others are left out.

    Returns
    -------
    PlotModel
        Empty if no analysis has a result.
    """
    traces = [trace for a in analyses if (trace := velocity_trace(acq, a)) is not None]
    alike = [t for t in traces if (t.x_unit, t.y_unit) == (traces[0].x_unit, traces[0].y_unit)]
    left_out = tuple(trace.label for trace in traces if trace not in alike)
    return PlotModel(tuple(alike), left_out)


def pretty_unit(unit: str) -> str:
    """Return a unit with a proper micro sign."""
    return unit.replace("um", "µm")


def format_value(value: float) -> str:
    """Return a number with four digits, all of those before the point, and no power of ten."""
    if abs(value) >= 999.5:
        return f"{value:.0f}"
    return f"{value:#.4g}" if abs(value) >= 1e-3 or value == 0 else f"{value:.2g}"


def format_time(trace: Trace, x: float) -> str:
    """Return a time of a trace with as many decimals as its steps need, and the unit."""
    step = (trace.x[-1] - trace.x[0]) / (trace.x.size - 1) if trace.x.size > 1 else 1e-3
    decimals = min(9, max(0, -math.floor(math.log10(step)))) if step > 0 else 3
    return f"{x:.{decimals}f} {pretty_unit(trace.x_unit)}"
