"""Geometry of the lag correlation: lags, displacements, grid of speeds. Shared by all engines."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from napari_bloodflow.analysis.kernels.windows import window_step

if TYPE_CHECKING:
    from numpy.typing import NDArray

__all__ = [
    "DETECTION_KAPPA",
    "FLOOR",
    "HALO",
    "LEAST_ERROR",
    "NEWTON_STEPS",
    "SAMPLES",
    "TOO_LARGE",
    "LagPlan",
    "RawPeaks",
    "default_min_overlap",
    "make_plan",
]

HALO = 2
"""Displacements kept beyond the largest usable one, for the cubic spline."""

FLOOR = 1e-6
"""Energy per overlapping pixel, in units of the record's variance, that empty overlaps get."""

DETECTION_KAPPA = 0.05
"""Part of the energy at speed 0 that is added while the peak is searched.

Small overlaps can hold little energy, and noise divided by little is large.
"""

TOO_LARGE = 1e30
"""Brightness beyond which a sum over a window could leave the range of float32."""

LEAST_ERROR = 0.02
"""Squared deviation of a stretch of lines, relative to the variance, below which it counts no more
for the background."""

SAMPLES = 4
"""Samples from one node of the grid to the next, around the best one."""

NEWTON_STEPS = 4
"""Most steps of Newton's method after that."""

# The grid of speeds ends where two consecutive lines share a fifth of the ROI.
_LARGEST_SPEED = 0.8

# Steps of the grid, as displacement over the usable lines.
_NODE_PX = 2.0


@dataclass(frozen=True, slots=True, eq=False)
class LagPlan:
    """What the correlation of windows of one size needs to know beforehand.

    Lags are 1, ..., ``width - 1`` lines. Row ``lag - 1`` of a table belongs to a lag; in tables of
    displacements, element ``i`` belongs to ``i - reach - HALO`` pixels.

    Attributes
    ----------
    width, num_columns : int
        Lines per window, pixels per line.
    step : int
        Lines per block, a quarter of a window.
    min_overlap : int
        Pixels that two lines must share to count.
    reach : int
        Largest displacement of a pair of lines, ``num_columns - min_overlap``.
    taper_px : float
        Displacements over which the weight of a pair falls from 1 to 0 at `reach`.
    fft_size : int
        Length of the transforms along the line.
    num_displacements : int
        Length of the tables, ``2 * (reach + HALO) + 1``.
    transfer : ndarray of complex64, shape (fft_size // 2 + 1,)
        The shift that puts displacement ``-reach - HALO`` first.
    speed : ndarray of float64, shape (nodes,)
        Grid of speeds in px/line, increasing, with 0 in the middle.
    node_start, node_stop : ndarray of int64, shape (width - 1,)
        Nodes whose displacement at a lag is within `reach`.
    node_index : ndarray of int32, shape (width - 1, nodes)
        Element of the displacement table below the node's displacement.
    node_weight : ndarray of float32, shape (width - 1, nodes, 2)
        Tapered weights of that element and the next.
    """

    width: int
    num_columns: int
    step: int
    min_overlap: int
    reach: int
    taper_px: float
    fft_size: int
    num_displacements: int
    transfer: NDArray[np.complex64]
    speed: NDArray[np.float64]
    node_start: NDArray[np.int64]
    node_stop: NDArray[np.int64]
    node_index: NDArray[np.int32]
    node_weight: NDArray[np.float32]

    @property
    def num_lags(self) -> int:
        """Number of lags."""
        return self.width - 1

    @property
    def node_apart(self) -> int:
        """Nodes between a peak and what counts as another peak: a fifth of the ROI."""
        return max(2, math.ceil(0.2 * self.num_columns / _NODE_PX))


class RawPeaks(NamedTuple):
    """What an engine finds in consecutive windows.

    Attributes
    ----------
    speed : ndarray of float64, shape (windows,)
        Displacement in px/line; NaN if there is no maximum inside the grid.
    correlation, curvature, energy : ndarray of float64, shape (windows,)
        Coefficient at the peak, its second derivative by speed, energy of the overlaps.
    decay : ndarray of float64, shape (windows,)
        Coefficient at the short third of the lags, less that at the long third.
    second : ndarray of float64, shape (windows,)
        Largest coefficient away from the peak, on the grid.
    snr : ndarray of float64, shape (windows,)
        Standard deviation of the projection along the peak over its mean over the grid.
    faster, deviation, parts : ndarray of float64, shape (windows,)
        By how much the pattern is faster by least squares, px/line; the standard deviation of that
        from how far its parts disagree; their effective number. NaN where nothing varies.
    line_state : ndarray of int8, shape (lines,)
        0 good, 1 constant, 2 not finite.
    """

    speed: NDArray[np.float64]
    correlation: NDArray[np.float64]
    curvature: NDArray[np.float64]
    energy: NDArray[np.float64]
    decay: NDArray[np.float64]
    second: NDArray[np.float64]
    snr: NDArray[np.float64]
    faster: NDArray[np.float64]
    deviation: NDArray[np.float64]
    parts: NDArray[np.float64]
    line_state: NDArray[np.int8]


def default_min_overlap(num_columns: int) -> int:
    """Pixels that two lines must share: an eighth of the line, at least 3."""
    return max(3, num_columns // 8)


def make_plan(width: int, num_columns: int, min_overlap: int | None = None) -> LagPlan:
    """Work out the geometry for windows of ``width`` lines of ``num_columns`` pixels."""
    from scipy.fft import next_fast_len

    overlap = default_min_overlap(num_columns) if min_overlap is None else int(min_overlap)
    reach = num_columns - overlap
    taper = max(2.0, num_columns / 4)
    size = next_fast_len(2 * num_columns - overlap + 6, real=True)
    size += size % 2
    k = np.arange(size // 2 + 1)
    transfer = np.exp(-2j * np.pi * ((k * (reach + HALO)) % size) / size)
    speed = _speed_grid(width, num_columns, reach)
    lag = np.arange(1, width)[:, np.newaxis]
    displacement = lag * speed
    below = np.floor(displacement)
    part = displacement - below
    weight = taper_weight(np.abs(displacement), reach, taper)
    inside = np.abs(displacement) < reach
    index = np.where(inside, below + reach + HALO, 0).astype(np.int32)
    return LagPlan(
        width=width,
        num_columns=num_columns,
        step=window_step(width),
        min_overlap=overlap,
        reach=reach,
        taper_px=taper,
        fft_size=size,
        num_displacements=2 * (reach + HALO) + 1,
        transfer=transfer.astype(np.complex64),
        speed=speed,
        node_start=np.argmax(inside, axis=1).astype(np.int64),
        node_stop=(speed.size - np.argmax(inside[:, ::-1], axis=1)).astype(np.int64),
        node_index=index,
        node_weight=np.stack([weight * (1 - part), weight * part], axis=-1).astype(np.float32),
    )


def taper_weight(
    distance: NDArray[np.float64], reach: float, taper_px: float
) -> NDArray[np.float64]:
    """Weight of a pair of lines by its displacement: 1, and smoothly to 0 at ``reach``.

    A pair that dropped out at once would draw the peak to the speeds where one does.
    """
    q = np.clip((reach - distance) / taper_px, 0.0, 1.0)
    return np.asarray(q * q * (3.0 - 2.0 * q), np.float64)


def _speed_grid(width: int, num_columns: int, reach: int) -> NDArray[np.float64]:
    """Speeds whose displacements over the usable lines differ by `_NODE_PX`."""
    positive = []
    speed = 0.0
    while True:
        usable = min(width - 1.0, reach / max(speed, 1e-9))
        speed += _NODE_PX / max(usable, 1.0)
        if speed > min(_LARGEST_SPEED * num_columns, reach - 1):
            break
        positive.append(speed)
    values = np.array(positive)
    return np.concatenate([-values[::-1], [0.0], values])
