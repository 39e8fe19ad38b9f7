"""One measurement by lag correlation: its options, its chunks, its reasons."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

import numpy as np

from napari_bloodflow.analysis.kernels._lag_background import (
    excess_noise,
    record_statistics,
    running_background,
    smoothing_weights,
)
from napari_bloodflow.analysis.kernels._lag_plan import FLOOR, LagPlan, RawPeaks, make_plan
from napari_bloodflow.analysis.kernels.windows import check_window_width

if TYPE_CHECKING:
    from types import ModuleType

    from numpy.typing import NDArray

    from napari_bloodflow.analysis.kernels._lag_background import Sums

__all__ = [
    "NARROWEST_PX",
    "Background",
    "Engine",
    "LagChunk",
    "LagOptions",
    "LagWindows",
    "Measurement",
]

Background = Literal["record", "running", "none"]
Engine = Literal["numba", "numpy"]

NARROWEST_PX = 12
"""ROIs with fewer columns are measured with the reason ``too_narrow``."""

_LARGEST_SMOOTHING_PX = 50

# A window too slow for its length moves by less than this from its first line to its last; one
# that moves by less than the second number stands still.
_SLOW_PX = 3.0
_STILL_PX = 1.5

_RUNNING_WINDOWS = 16

# Part of the step to the least squares of the pattern as a whole that is taken: noise is part of
# the pattern too, so the full step is too long. The most, as displacement over the usable lines.
_STEP = 0.75
_MOST_STEP_PX = 1.0

# Parts of the pattern are about as long as a cell, which is some times what lines are smoothed by.
_PART_SMOOTHINGS = 8
_LEAST_PART_PX = 8

# A record is added up in at least so many parts, if it is long enough, of at most so many lines.
_RECORD_PARTS = 8
_PART_LINES = 2048

# Bounds of a batch, which an engine measures at once: memory of one of its tables of correlations,
# number of windows, and the number that engines like to measure together.
_TABLE_BYTES = 2**21
_MOST_WINDOWS = 256
_GROUP = 16

# Compiled batches are so short that what numpy does per call counts: this many numbers in the
# tables of several of them, some 40 ms, are finished together.
_FINISHED_TOGETHER = 2**22


@dataclass(frozen=True, slots=True, eq=False)
class LagWindows:
    """What was measured in consecutive windows; all arrays have the shape ``(windows,)``.

    Attributes
    ----------
    displacement_px : ndarray of float64
        Speed in pixels per line, positive towards larger column; NaN where there is none.
    correlation : ndarray of float64
        Coefficient ``R`` at that speed, up to 1.
    second_correlation : ndarray of float64
        Largest coefficient at speeds whose displacement differs by a fifth of the ROI or more.
    curvature : ndarray of float64
        Second derivative of ``R`` by the speed at the peak, (lines/px)**2; negative.
    sigma_rel : ndarray of float64
        ``sqrt((1 - R) / -R'') / (|v| sqrt(W X / 8))``: relative uncertainty, up to a constant.
    z : ndarray of float64
        ``R`` in units that make allowance for the number of pixels compared at this speed.
    decay : ndarray of float64
        Coefficient at the short third of the usable lags, less that at the long third: large where
        cells differ in speed or the speed changes.
    snr : ndarray of float64
        Standard deviation of the Radon projection along the peak over its mean over all slopes,
        from the correlations.
    faster_px : ndarray of float64
        By how much the pattern is faster by least squares than the peak, px/line. Most of it is
        part of the speed.
    deviation_px : ndarray of float64
        Standard deviation of the speed from how far parts of the pattern disagree, px/line. Unlike
        `sigma_rel` it grows where cells differ in speed.
    parts : ndarray of float64
        Effective number of these parts.
    leveled : ndarray of float64
        1 where the mean of each line was taken away, because the brightness of whole lines changes
        much; else 0.
    reason : ndarray of str
        ``"ok"``, ``"flat"``, ``"too_few_lines"``, ``"too_narrow"``, ``"aliased"``,
        ``"too_slow_for_window"``, ``"nan_pixels"`` or ``"out_of_limits"``.
    """

    displacement_px: NDArray[np.float64]
    correlation: NDArray[np.float64]
    second_correlation: NDArray[np.float64]
    curvature: NDArray[np.float64]
    sigma_rel: NDArray[np.float64]
    z: NDArray[np.float64]
    decay: NDArray[np.float64]
    snr: NDArray[np.float64]
    faster_px: NDArray[np.float64]
    deviation_px: NDArray[np.float64]
    parts: NDArray[np.float64]
    leveled: NDArray[np.float64]
    reason: NDArray[np.str_]


@dataclass(frozen=True, slots=True, eq=False)
class LagChunk:
    """Results of consecutive windows, as far as they are known.

    A chunk may be empty: it then only says that work goes on and gives the caller the turn.

    Attributes
    ----------
    start : int
        Number of the first window in this chunk. Chunks come in order and without gaps.
    windows : LagWindows
        Results.
    """

    start: int
    windows: LagWindows

    @property
    def stop(self) -> int:
        """Number of the window after the last one in this chunk."""
        return self.start + self.windows.displacement_px.size


@dataclass(frozen=True, slots=True, eq=False)
class LagOptions:
    """How windows are measured.

    Attributes
    ----------
    window_width : int
        Rows (lines) per window, a multiple of 4 and at least 8.
    step_fraction : float
        Part of a window from one to the next: 0.25, 0.5 or 1.
    background : {"record", "running", "none"}
        What is taken away from each column: its mean over the record; its mean over the 16 windows
        around; nothing. A record in which nothing moves keeps its pattern, so its speed is 0.
    smoothing_px : float
        Standard deviation of the Gaussian that smooths along the line, in pixels.
    min_overlap_px : int, optional
        Pixels two lines must share to be compared; an eighth of the line, at least 3, by default.
    speed_limits_px : tuple of float
        Smallest and largest speed to consider, in px/line, without sign.
    direction : {1, -1}, optional
        Sign of the speed, if known: 1 is towards larger column.
    """

    window_width: int
    step_fraction: float = 0.25
    background: Background = "record"
    smoothing_px: float = 2.0
    min_overlap_px: int | None = None
    speed_limits_px: tuple[float, float] = (0.0, math.inf)
    direction: Literal[1, -1] | None = None

    def __post_init__(self) -> None:
        check_window_width(self.window_width)
        if self.step_fraction not in (0.25, 0.5, 1.0):
            raise ValueError(f"the step fraction is 0.25, 0.5 or 1; it is {self.step_fraction!r}")
        if self.background not in ("record", "running", "none"):
            raise ValueError(
                f'the background is "record", "running" or "none"; it is {self.background!r}'
            )
        if not 0 <= self.smoothing_px <= _LARGEST_SMOOTHING_PX:
            raise ValueError(
                f"the smoothing is 0 to {_LARGEST_SMOOTHING_PX} pixels; it is {self.smoothing_px!r}"
            )
        low, high = self.speed_limits_px
        if not 0 <= low < high:
            raise ValueError(
                f"the speed limits are two numbers from 0, the smaller first; they are {low!r} "
                f"and {high!r}"
            )
        if self.direction not in (1, -1, None):
            raise ValueError(f"the direction is 1, -1 or None; it is {self.direction!r}")

    @property
    def stride(self) -> int:
        """Quarters of a window from one to the next."""
        return round(4 * self.step_fraction)


class Measurement:
    """One measurement: what all its chunks share. Chunks are measured in any thread."""

    def __init__(self, image: NDArray[Any], options: LagOptions, engine: Engine) -> None:
        self._image = image
        self._options = options
        self._engine = _engine(engine)
        self._plan = make_plan(options.window_width, image.shape[1], options.min_overlap_px)
        self._allowed = _allowed_nodes(self._plan.speed, options)
        self._part_px = max(_LEAST_PART_PX, round(_PART_SMOOTHINGS * options.smoothing_px))
        table = self._plan.num_lags * self._plan.fft_size
        table_bytes = table * np.dtype(np.float32).itemsize
        groups = max(1, min(_MOST_WINDOWS, _TABLE_BYTES // table_bytes) // _GROUP)
        self._batch = _GROUP * groups
        batches = min(_MOST_WINDOWS, _FINISHED_TOGETHER // table) // self._batch
        self.most_windows = self._batch * (max(1, batches) if engine == "numba" else 1)
        parts = max(1, min(_RECORD_PARTS, image.shape[0] // (2 * options.window_width)))
        parts = max(parts, image.shape[0] // _PART_LINES)
        self._part_lines = math.ceil(image.shape[0] / parts)
        self.num_parts = math.ceil(image.shape[0] / self._part_lines)

    def _lines(self, start: int, stop: int) -> NDArray[np.float32]:
        with np.errstate(over="ignore"):
            return np.ascontiguousarray(self._image[start:stop], dtype=np.float32)

    def sum_part(self, part: int) -> Sums:
        """Add up one part of the record."""
        lines = self._lines(part * self._part_lines, (part + 1) * self._part_lines)
        num_columns = lines.shape[1]
        sums = (*np.empty((3, num_columns)), np.empty(7))
        self._engine.record_sums(lines, self._plan.width, *sums)
        return sums

    def set_statistics(self, parts: list[Sums]) -> None:
        """Take the sums of all parts; needed before any window."""
        self._statistics = record_statistics(parts)
        sigma = self._options.smoothing_px * self._statistics.smoothing_factor
        self._kernel = smoothing_weights(self._image.shape[1], sigma)
        self._excess = excess_noise(self._kernel, self._statistics.noise)

    def measure(self, start: int, stop: int) -> LagChunk:
        """Measure the windows from start up to stop."""
        stride, step = self._options.stride, self._plan.step
        quarters = (stop - 1 - start) * stride + 1
        first = start * stride
        lines = self._lines(first * step, (first + quarters + 3) * step)
        background = self._background(first, quarters + 3)
        parts: list[RawPeaks] = []
        for low in range(0, quarters, self._batch):
            num = min(self._batch, quarters - low)
            own = slice(low, low + num + 3) if background.shape[0] > 1 else slice(None)
            raw = self._engine.measure_batch(
                lines[low * step : (low + num + 3) * step],
                num,
                self._plan,
                background[own],
                self._statistics.scale,
                self._statistics.has_flicker,
                self._kernel,
                self._excess,
                self._allowed,
                self._part_px,
            )
            # The last three blocks of a batch are the first of the next one.
            shared = 0 if low + num == quarters else 3 * step
            parts.append(raw._replace(line_state=raw.line_state[: raw.line_state.size - shared]))
        joined = RawPeaks(*(np.concatenate(column) for column in zip(*parts, strict=True)))
        return LagChunk(start, self._windows(joined, quarters))

    def _background(self, first: int, blocks: int) -> NDArray[np.float32]:
        """Background of some blocks; one row if it is the same for all."""
        mean = self._statistics.background
        if self._options.background == "none" or self._statistics.is_still:
            return np.full((1, mean.size), self._statistics.mean, np.float32)
        if self._options.background == "record":
            return np.asarray(mean[np.newaxis], np.float32)
        step = self._plan.step
        span = 4 * _RUNNING_WINDOWS
        low = max(0, min(first, self._image.shape[0] // step - span) - span)
        high = min(self._image.shape[0] // step, first + blocks + span)
        column = np.empty((high - low, mean.size))
        count = np.empty(high - low)
        self._engine.block_sums(self._lines(low * step, high * step), step, column, count)
        return running_background(column, count, first - low, first - low + blocks, span, mean)

    def _windows(self, raw: RawPeaks, quarters: int) -> LagWindows:
        plan, options = self._plan, self._options
        # The largest step is one that does not leave the peak.
        usable = np.minimum(plan.num_lags, plan.reach / np.maximum(np.abs(raw.speed), 1e-9))
        step = np.clip(_STEP * np.nan_to_num(raw.faster) * usable, -_MOST_STEP_PX, _MOST_STEP_PX)
        constant = _per_window(raw.line_state == 1, plan, quarters)
        broken = _per_window(raw.line_state == 2, plan, quarters)
        speed = raw.speed + step / usable
        size = np.abs(speed)
        low, high = options.speed_limits_px
        # Cells that stand still may seem to move a little in either direction.
        sign_is_wrong = speed * (options.direction or 0) < -_STILL_PX / plan.width
        slow = (size < _SLOW_PX / plan.width) & (size > _STILL_PX / plan.width)
        reason = np.select(
            [
                broken > 0,
                constant == plan.width,
                constant > plan.width / 2,
                raw.energy <= 100 * FLOOR,
                np.isnan(speed),
                (size < low) | (size > high) | sign_is_wrong,
                np.full(quarters, plan.num_columns < NARROWEST_PX),
                slow,
            ],
            [
                "nan_pixels",
                "flat",
                "too_few_lines",
                "flat",
                "aliased",
                "out_of_limits",
                "too_narrow",
                "too_slow_for_window",
            ],
            "ok",
        )
        known = ~np.isin(reason, ("nan_pixels", "flat", "too_few_lines", "aliased"))
        r = np.where(known, raw.correlation, np.nan)
        speed = np.where(known, speed, np.nan)
        curvature = np.where(known & (raw.curvature < 0), raw.curvature, np.nan)
        pixels = plan.width * plan.num_columns
        with np.errstate(divide="ignore", invalid="ignore"):
            sigma = np.sqrt(np.maximum(1 - r, 1e-6) / -curvature / (pixels / 8))
            sigma_rel = sigma / np.abs(speed)
        shared = _overlap_pixels(np.nan_to_num(np.abs(speed)), plan)
        z = r * np.sqrt(shared / _overlap_pixels(np.zeros(1), plan))
        every = slice(None, None, options.stride)
        return LagWindows(
            displacement_px=speed[every],
            correlation=r[every],
            second_correlation=np.where(known, raw.second, np.nan)[every],
            curvature=curvature[every],
            sigma_rel=sigma_rel[every],
            z=z[every],
            decay=np.where(known, raw.decay, np.nan)[every],
            snr=np.where(known, raw.snr, np.nan)[every],
            faster_px=np.where(known, raw.faster, np.nan)[every],
            deviation_px=np.where(known, raw.deviation, np.nan)[every],
            parts=np.where(known, raw.parts, np.nan)[every],
            leveled=np.where(known, float(self._statistics.has_flicker), np.nan)[every],
            reason=reason[every],
        )


def _engine(name: Engine) -> ModuleType:
    # Imported here because numba takes half a second to import, and may be missing.
    if name == "numpy":
        from napari_bloodflow.analysis.kernels import _lag_correlation_numpy

        return _lag_correlation_numpy
    from napari_bloodflow.analysis.kernels import _lag_correlation_numba

    return _lag_correlation_numba


def _allowed_nodes(speed: NDArray[np.float64], options: LagOptions) -> NDArray[np.bool_]:
    """Nodes within the limits, and one more on each side so that a peak at a limit has two."""
    low, high = options.speed_limits_px
    inside = (np.abs(speed) >= low) & (np.abs(speed) <= high)
    if options.direction is not None:
        inside &= speed * options.direction >= 0
    wide = inside.copy()
    wide[1:] |= inside[:-1]
    wide[:-1] |= inside[1:]
    return wide


def _per_window(flag: NDArray[np.bool_], plan: LagPlan, quarters: int) -> NDArray[np.int64]:
    """How many lines of each window have a flag."""
    running = np.concatenate([[0], np.cumsum(flag)])
    top = np.arange(quarters) * plan.step
    return np.asarray(running[top + plan.width] - running[top], np.int64)


def _overlap_pixels(speed: NDArray[np.float64], plan: LagPlan) -> NDArray[np.float64]:
    """Pixels that are compared at a speed, over all lags."""
    lag = np.arange(1, plan.width)
    shared = np.maximum(0.0, plan.num_columns - speed[:, np.newaxis] * lag)
    return np.asarray(((plan.width - lag) * shared).sum(axis=1), np.float64)
