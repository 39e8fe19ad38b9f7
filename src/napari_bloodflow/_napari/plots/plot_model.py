"""What plots show, as plain values: traces over time with units, gaps and their reasons."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from napari_bloodflow.calibration import pretty_unit

if TYPE_CHECKING:
    from numpy.typing import NDArray

__all__ = [
    "Gap",
    "Mark",
    "PlotModel",
    "Trace",
    "VisibleTrace",
    "format_time",
    "format_value",
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
    "no_vessel": "no vessel stands out from its surroundings",
    "left_edge_missing": "the first edge is not in the ROI",
    "right_edge_missing": "the second edge is not in the ROI",
    "edges_missing": "no edge is in the ROI",
    "noise": "the edges are lost in noise",
    "clipped": "pixels are saturated",
    "no_pulse": "no pulse stands out from the noise",
    "ambiguous": "another rate fits as well",
    "at_band_edge": "the rate may be outside the band",
    "jump": "differs from the rows around it more than a vessel can",
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


@dataclass(frozen=True, slots=True)
class Mark:
    """A place on the x axis that is pointed out.

    Parameters
    ----------
    x : float
        Where.
    text : str
        What it is.
    color : str
        ``#RRGGBB``.
    """

    x: float
    text: str
    color: str


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
    band : tuple of two ndarray of float64, shape (n,), optional
        Lower and upper end of the 95 % interval; NaN where there is none.
    rejected : ndarray of float64, shape (n,), optional
        Estimates that were not accepted; NaN elsewhere.
    filtered : ndarray of float64, shape (n,), optional
        The same quantity after a filter.
    """

    x: NDArray[np.float64]
    y: NDArray[np.float64]
    status: NDArray[np.object_]
    label: str
    color: str
    x_unit: str
    y_unit: str
    is_stale: bool = False
    band: tuple[NDArray[np.float64], NDArray[np.float64]] | None = None
    rejected: NDArray[np.float64] | None = None
    filtered: NDArray[np.float64] | None = None

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
    quantity : str
        What is plotted.
    noun : str
        What a point is, in the singular.
    x_quantity : str
        What is plotted to the right.
    marks : tuple of Mark
        Places on the x axis that are pointed out.
    shows_means : bool
        Whether the mean of a trace says anything.
    """

    traces: tuple[Trace, ...] = ()
    left_out: tuple[str, ...] = ()
    quantity: str = "Velocity"
    noun: str = "window"
    x_quantity: str = "Time"
    marks: tuple[Mark, ...] = ()
    shows_means: bool = True

    @property
    def x_label(self) -> str:
        """Text of the x axis, usually time."""
        return _axis_label(self.x_quantity, self.traces[0].x_unit if self.traces else "")

    @property
    def y_label(self) -> str:
        """Text of the axis of values."""
        return _axis_label(self.quantity, self.traces[0].y_unit if self.traces else "")

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
    band_x, band_low, band_high : ndarray of float64
        95 % interval; empty without one.
    rejected_x, rejected_y : ndarray of float64
        Estimates that were not accepted, one a pixel at most.
    filtered_x, filtered_y : ndarray of float64
        Line of the filtered values; empty without them.
    """

    x: NDArray[np.float64]
    y: NDArray[np.float64]
    lone_x: NDArray[np.float64]
    lone_y: NDArray[np.float64]
    band_x: NDArray[np.float64]
    band_low: NDArray[np.float64]
    band_high: NDArray[np.float64]
    rejected_x: NDArray[np.float64]
    rejected_y: NDArray[np.float64]
    filtered_x: NDArray[np.float64]
    filtered_y: NDArray[np.float64]


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
    view = slice(start, stop)
    x, y = trace.x[view], trace.y[view]
    reduce = _Reduction(x, max(1, num_pixels))
    line_x, line_y = reduce.line(y)
    dots_x, dots_y = (x, y) if reduce.starts is None else (reduce.columns, reduce.smallest(y))
    lone = _lone(np.isfinite(dots_y))
    none = np.empty(0)
    band_x = band_low = band_high = rejected_x = rejected_y = filtered_x = filtered_y = none
    if trace.band is not None:
        low, high = trace.band
        band_x = reduce.columns
        band_low, band_high = reduce.smallest(low[view]), reduce.largest(high[view])
    if trace.rejected is not None:
        candidates = reduce.smallest(trace.rejected[view])
        is_shown = np.isfinite(candidates)
        rejected_x, rejected_y = reduce.columns[is_shown], candidates[is_shown]
    if trace.filtered is not None:
        filtered_x, filtered_y = reduce.line(trace.filtered[view])
    return VisibleTrace(
        line_x,
        line_y,
        dots_x[lone],
        dots_y[lone],
        band_x,
        band_low,
        band_high,
        rejected_x,
        rejected_y,
        filtered_x,
        filtered_y,
    )


class _Reduction:
    """Smallest and largest values of the pixel columns of a view; all values if they are few."""

    def __init__(self, x: NDArray[np.float64], num_pixels: int) -> None:
        is_small = x.size <= 4 * num_pixels
        edges = np.linspace(0, x.size, num_pixels, endpoint=False).astype(np.intp)
        self.starts = None if is_small else edges
        self.columns = x if is_small else x[edges]

    def smallest(self, y: NDArray[np.float64]) -> NDArray[np.float64]:
        return y if self.starts is None else np.fmin.reduceat(y, self.starts)

    def largest(self, y: NDArray[np.float64]) -> NDArray[np.float64]:
        return y if self.starts is None else np.fmax.reduceat(y, self.starts)

    def line(self, y: NDArray[np.float64]) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        if self.starts is None:
            return self.columns, y
        pairs = np.column_stack((self.smallest(y), self.largest(y))).reshape(-1)
        return np.repeat(self.columns, 2), pairs


def _lone(finite: NDArray[np.bool_]) -> NDArray[np.bool_]:
    padded = np.concatenate(([False], finite, [False]))
    return finite & ~padded[:-2] & ~padded[2:]


def _axis_label(quantity: str, unit: str) -> str:
    return f"{quantity} ({pretty_unit(unit)})" if unit else quantity


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
