"""Projections of the Radon kernel, compiled.

Imported only when a measurement starts: importing numba takes half a second that a program which
merely lists files should not pay. All loops release the GIL and none starts threads of its own.

Windows are processed `LANES` at a time, laid out ``(pixel, lane)``. The lane count is a
compile-time constant so that every lane goes through the same vector instructions in the same
order; a window's result then does not depend, to the last bit, on which other windows it shares a
batch with.
"""

from __future__ import annotations

import math
import threading
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from napari_bloodflow.analysis.kernels._compile import compiled

if TYPE_CHECKING:
    from numpy.typing import NDArray

__all__ = [
    "FLAT",
    "LANES",
    "MEASURED",
    "NAN_PIXELS",
    "Projections",
    "Weights",
    "fill_lanes",
    "projection_variance",
    "projection_weights",
    "window_states",
]

LANES = 64
_UNROLL = 8

# Weights that are zero but for the rounding of sin and cos, far below what float32 sums can see.
_NEGLIGIBLE = 1e-7

# Memory for matrices that are kept.
_WEIGHTS_BYTES = 24 * 2**20

# Beyond this a sum over a window could leave the range of float32.
_TOO_LARGE = 1e30

MEASURED = 0
FLAT = 1
NAN_PIXELS = 2


@compiled
def projection_weights(
    num_rows: int,
    num_columns: int,
    side: int,
    theta_deg: float,
    bin_start: NDArray[np.int32],
    pixel: NDArray[np.int32],
    weight: NDArray[np.float32],
    seen: NDArray[np.int32],
) -> int:
    """Write a projection at one angle as a sparse matrix, bins x pixels.

    The geometry is that of a rotation about the centre of the zero-padded square followed by a sum
    down each column, every sample bilinear. The (up to four) weights a bin gives to one pixel are
    merged. Each bin's list is filled up with zero weights to a multiple of the unrolling of
    `projection_variance`.

    Parameters
    ----------
    num_rows, num_columns : int
        Window size.
    side : int
        Side of the padded square, ``ceil(sqrt(2) * max(num_rows, num_columns))``; also the number
        of bins.
    theta_deg : float
        Angle, degrees from the time axis.
    bin_start : ndarray of int32, shape (side + 1,)
        Written: where each bin's list begins and, last, the total length.
    pixel, weight : ndarray of int32 and of float32
        Written: pixel number (row-major) and its weight. They must be long enough.
    seen : ndarray of int32, shape (num_rows * num_columns,)
        Scratch; its content does not matter.

    Returns
    -------
    int
        Total length of the lists.
    """
    cos_a = math.cos(math.radians(theta_deg))
    sin_a = math.sin(math.radians(theta_deg))
    center = side // 2
    pad_row = side // 2 - num_rows // 2
    pad_column = side // 2 - num_columns // 2
    seen[:] = -1
    length = 0
    for x in range(side):
        first = length
        bin_start[x] = first
        column_0 = cos_a * (x - center) + center - pad_column
        row_0 = -sin_a * (x - center) + center - pad_row
        # The part of this line of samples that can touch the window, so that the cost follows the
        # window's area and not the padded square's. One sample of slack at each end absorbs
        # rounding.
        low, high = -float(center), float(side - 1 - center)
        if abs(sin_a) > 1e-9:
            a, b = (-1.0 - column_0) / sin_a, (num_columns - column_0) / sin_a
            low, high = max(low, min(a, b) - 1.0), min(high, max(a, b) + 1.0)
        if abs(cos_a) > 1e-9:
            a, b = (-1.0 - row_0) / cos_a, (num_rows - row_0) / cos_a
            low, high = max(low, min(a, b) - 1.0), min(high, max(a, b) + 1.0)
        for y in range(math.ceil(low), math.floor(high) + 1):
            column = sin_a * y + column_0
            row = cos_a * y + row_0
            if row <= -1.0 or column <= -1.0:
                continue
            # Truncation of a positive number is a floor, and cheaper.
            c0 = int(column + 1.0) - 1
            r0 = int(row + 1.0) - 1
            right = column - c0
            lower = row - r0
            for corner in range(4):
                r = r0 + (corner >> 1)
                c = c0 + (corner & 1)
                w = (lower if corner >> 1 else 1.0 - lower) * (right if corner & 1 else 1.0 - right)
                if r < 0 or r >= num_rows or c < 0 or c >= num_columns or w < _NEGLIGIBLE:
                    continue
                p = r * num_columns + c
                if seen[p] >= first:
                    weight[seen[p]] += np.float32(w)
                else:
                    seen[p] = length
                    pixel[length] = p
                    weight[length] = w
                    length += 1
        while (length - first) % _UNROLL:
            pixel[length] = 0
            weight[length] = 0.0
            length += 1
    bin_start[side] = length
    return length


@compiled
def projection_variance(
    bin_start: NDArray[np.int32],
    pixel: NDArray[np.int32],
    weight: NDArray[np.float32],
    lanes: NDArray[np.float32],
    variance: NDArray[np.float64],
) -> None:
    """Project a batch of windows at one angle and give the variance over all bins.

    Parameters
    ----------
    bin_start, pixel, weight : ndarray
        The sparse matrix from `projection_weights`.
    lanes : ndarray of float32, shape (pixels, LANES)
        Mean-free windows, see `fill_lanes`.
    variance : ndarray of float64, shape (LANES,)
        Written: population variance (ddof 0) of each window's projection, empty bins included.
    """
    num_bins = bin_start.size - 1
    total = np.zeros(LANES, np.float64)
    squares = np.zeros(LANES, np.float64)
    acc = np.empty(LANES, np.float32)
    for x in range(num_bins):
        for lane in range(LANES):
            acc[lane] = np.float32(0.0)
        for j in range(bin_start[x], bin_start[x + 1], _UNROLL):
            p0, p1, p2, p3 = pixel[j], pixel[j + 1], pixel[j + 2], pixel[j + 3]
            p4, p5, p6, p7 = pixel[j + 4], pixel[j + 5], pixel[j + 6], pixel[j + 7]
            w0, w1, w2, w3 = weight[j], weight[j + 1], weight[j + 2], weight[j + 3]
            w4, w5, w6, w7 = weight[j + 4], weight[j + 5], weight[j + 6], weight[j + 7]
            for lane in range(LANES):
                # Two short chains instead of one long one: the sums can then overlap in the
                # processor.
                left = (
                    w0 * lanes[p0, lane]
                    + w1 * lanes[p1, lane]
                    + w2 * lanes[p2, lane]
                    + w3 * lanes[p3, lane]
                )
                right = (
                    w4 * lanes[p4, lane]
                    + w5 * lanes[p5, lane]
                    + w6 * lanes[p6, lane]
                    + w7 * lanes[p7, lane]
                )
                acc[lane] += left + right
        for lane in range(LANES):
            value = np.float64(acc[lane])
            total[lane] += value
            squares[lane] += value * value
    for lane in range(LANES):
        mean = total[lane] / num_bins
        variance[lane] = squares[lane] / num_bins - mean * mean


@compiled
def window_states(
    rows: NDArray[np.float32],
    window_width: int,
    step: int,
    mean: NDArray[np.float64],
    state: NDArray[np.int8],
) -> None:
    """Mean of every window, and whether it can be measured.

    Parameters
    ----------
    rows : ndarray of float32, shape (rows, columns)
        The rows of these windows.
    window_width, step : int
        Rows per window and from one window to the next.
    mean : ndarray of float64, shape (windows,)
        Written: mean intensity; not meaningful where the state is `NAN_PIXELS`.
    state : ndarray of int8, shape (windows,)
        Written: `MEASURED`, `FLAT` (all pixels equal) or `NAN_PIXELS` (at least one that is not
        finite, or is beyond 1e30).
    """
    num_columns = rows.shape[1]
    for k in range(state.size):
        top = k * step
        low = high = rows[top, 0]
        total = 0.0
        finite = True
        for r in range(top, top + window_width):
            for c in range(num_columns):
                value = rows[r, c]
                finite = finite and abs(value) < _TOO_LARGE
                low = min(low, value)
                high = max(high, value)
                total += value
        mean[k] = total / (window_width * num_columns)
        if not finite:
            state[k] = NAN_PIXELS
        else:
            state[k] = FLAT if low == high else MEASURED


@compiled
def fill_lanes(
    rows: NDArray[np.float32],
    window_width: int,
    step: int,
    windows: NDArray[np.int64],
    mean: NDArray[np.float64],
    lanes: NDArray[np.float32],
) -> None:
    """Copy windows, minus their means, into the lanes of a batch.

    Parameters
    ----------
    rows : ndarray of float32, shape (rows, columns)
        The rows of the chunk.
    window_width, step : int
        Rows per window and from one window to the next.
    windows : ndarray of int64, shape (n,), n <= LANES
        Which windows of the chunk, one per lane.
    mean : ndarray of float64, shape (windows,)
        Mean of every window of the chunk.
    lanes : ndarray of float32, shape (window_width * columns, LANES)
        Written; lanes beyond ``n`` are zero.
    """
    num_columns = rows.shape[1]
    for r in range(window_width):
        for c in range(num_columns):
            p = r * num_columns + c
            for lane in range(windows.size):
                k = windows[lane]
                lanes[p, lane] = rows[k * step + r, c] - np.float32(mean[k])
            for lane in range(windows.size, LANES):
                lanes[p, lane] = 0.0


class Weights(NamedTuple):
    """A projection at one angle as a sparse matrix, see `projection_weights`."""

    bin_start: NDArray[np.int32]
    pixel: NDArray[np.int32]
    weight: NDArray[np.float32]


class Projections:
    """The sparse matrices of one window size, by angle in quarter degrees.

    They are kept until a memory budget is used up and rebuilt on demand beyond it: the large ones
    of a large window would not fit, and there rebuilding costs little beside applying them. Threads
    may share one.

    Parameters
    ----------
    window_width, num_columns : int
        Window size in rows and columns.
    """

    def __init__(self, window_width: int, num_columns: int) -> None:
        self.window_width = window_width
        self.num_columns = num_columns
        self.side = math.ceil(math.sqrt(2.0) * max(window_width, num_columns))
        self._kept: dict[int, Weights] = {}
        self._kept_bytes = 0
        self._lock = threading.Lock()

    def at(self, quarter_deg: int) -> Weights:
        """Give the matrix at an angle.

        Parameters
        ----------
        quarter_deg : int
            Angle from the time axis, in quarter degrees.

        Returns
        -------
        Weights
            Arguments of `projection_variance`; not to be modified.
        """
        kept = self._kept.get(quarter_deg)
        if kept is not None:
            return kept
        weights = self._build(quarter_deg)
        size = weights.bin_start.nbytes + weights.pixel.nbytes + weights.weight.nbytes
        with self._lock:
            if quarter_deg not in self._kept and self._kept_bytes + size <= _WEIGHTS_BYTES:
                self._kept[quarter_deg] = weights
                self._kept_bytes += size
        return weights

    def _build(self, quarter_deg: int) -> Weights:
        # A pixel reaches at most three bins, because samples that see it lie within sqrt(2) of it,
        # and a bin is filled up by less than one unrolling.
        capacity = 3 * self.window_width * self.num_columns + _UNROLL * self.side
        bin_start = np.empty(self.side + 1, np.int32)
        pixel = np.empty(capacity, np.int32)
        weight = np.empty(capacity, np.float32)
        length = projection_weights(
            self.window_width,
            self.num_columns,
            self.side,
            quarter_deg / 4.0,
            bin_start,
            pixel,
            weight,
            np.empty(self.window_width * self.num_columns, np.int32),
        )
        return Weights(bin_start, pixel[:length].copy(), weight[:length].copy())
