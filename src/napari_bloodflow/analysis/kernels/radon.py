"""Streak angle in windows of a line-scan kymograph, by the variance of its Radon projections.

This is the "classic" estimator: the one CloudScope calls ``radon_velocity`` and, for its angles,
the one of kymflow. Each window, minus its mean, is projected at 0, 1, ..., 179 degrees with the
geometry of scikit-image's ``radon(circle=False)``; streaks are parallel to the projection that
varies most. A second search, plus or minus 2 degrees in steps of 0.25, refines that angle.

The projections are the same numbers as scikit-image's but are computed differently: a projection at
a given angle is one fixed sparse matrix, bins x pixels, so it is built once and applied to many
windows at a time.

An angle is measured from the time axis: 0 is stationary, 90 infinitely fast, and up to 90 the
motion is towards larger column. Velocity is ``(dx / dt) * tan(theta)``.

Known limits of this estimator: 0.25 degree steps (2 % of the speed at 10 pixels per line); a
preference for 0 and 90 degrees in windows that hold only noise; a static pattern across the line is
read as zero speed.

References
----------
.. [1] Drew PJ, Blinder P, Cauwenberghs G, Shih AY, Kleinfeld D. Rapid determination of particle
velocity from
   space-time images using the Radon transform. J Comput Neurosci 29, 5-11 (2010).
"""

from __future__ import annotations

import math
import threading
from collections import deque
from concurrent.futures import Future, ThreadPoolExecutor, wait
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from napari_bloodflow.analysis.kernels.theta import (
    reciprocal_velocity_from_theta,
    velocity_from_theta,
)
from napari_bloodflow.analysis.kernels.windows import (
    num_windows,
    window_center_index,
    window_rows,
    window_step,
)

if TYPE_CHECKING:
    from collections.abc import Generator, Iterator

    from numpy.typing import NDArray

    from napari_bloodflow.analysis.kernels._radon_numba import Projections

__all__ = [
    "REASON_FLAT",
    "REASON_NAN_PIXELS",
    "REASON_OK",
    "RadonChunk",
    "RadonWindows",
    "iter_radon_windows",
    "num_windows",
    "radon_angles",
    "reciprocal_velocity_from_theta",
    "velocity_from_theta",
]

REASON_OK = ""
REASON_FLAT = "flat"
REASON_NAN_PIXELS = "nan_pixels"
_REASONS = np.array([REASON_OK, REASON_FLAT, REASON_NAN_PIXELS])

_COARSE_DEG = 180
_FINE_DEG = 2
_PER_DEG = 4  # angles are counted in quarter degrees, as by Projections
_FINE_STEPS = np.arange(-_FINE_DEG * _PER_DEG, _FINE_DEG * _PER_DEG + 1)

# Bounds on a chunk: the memory of its windows, and its multiply-adds (a present-day core does about
# 1e10 per second here); the multiply-adds after which the caller gets a turn; and what a call from
# Python costs, in the same measure.
_LANES_BYTES = 2**24
_WORK_PER_TURN = 3e8
_WORK_PER_CHUNK = 2e9
_WORK_OF_A_CALL = 4e4
_WEIGHTS_PER_PIXEL = 2.3
_WAIT_S = 0.05


@dataclass(frozen=True, slots=True, eq=False)
class RadonChunk:
    """Angles of consecutive windows, as far as they are known.

    A chunk may be empty: it then only says that work goes on and gives the caller the turn.

    Attributes
    ----------
    start : int
        Number of the first window in this chunk. Chunks come in order and without gaps.
    theta_deg : ndarray of float64, shape (n,)
        Angle in degrees, -2 to 181 in steps of 0.25, not wrapped; NaN where there is a reason.
    reason : ndarray of str, shape (n,)
        Empty where the angle was measured, else ``"flat"`` (all pixels equal) or ``"nan_pixels"``
        (a pixel that is not finite, or is beyond 1e30).
    """

    start: int
    theta_deg: NDArray[np.float64]
    reason: NDArray[np.str_]

    @property
    def stop(self) -> int:
        """Number of the window after the last one in this chunk."""
        return self.start + self.theta_deg.size


@dataclass(frozen=True, slots=True, eq=False)
class RadonWindows:
    """Angles of all windows of an image.

    Attributes
    ----------
    theta_deg : ndarray of float64, shape (windows,)
        Angle in degrees, -2 to 181 in steps of 0.25, not wrapped; NaN where there is a reason.
    reason : ndarray of str, shape (windows,)
        Empty where the angle was measured, else ``"flat"`` or ``"nan_pixels"``, see `RadonChunk`.
    time_index : ndarray of float64, shape (windows,)
        Row index that stands for the window, in lines; times the line time it is the time.
    """

    theta_deg: NDArray[np.float64]
    reason: NDArray[np.str_]
    time_index: NDArray[np.float64]


def iter_radon_windows(
    image: NDArray[Any],
    window_width: int,
    *,
    num_threads: int = 1,
    windows_per_chunk: int | None = None,
) -> Generator[RadonChunk, None, None]:
    """Measure the streak angle window by window, giving the caller a turn several times a second.

    Stopping the iteration (or closing the generator) cancels the measurement. The angles do not
    depend on ``num_threads`` or ``windows_per_chunk``, bit for bit. The first call in a fresh
    installation compiles the inner loops, which takes some seconds.

    Parameters
    ----------
    image : ndarray, shape (time, position)
        Kymograph of any integer, boolean or floating type, in any intensity unit. Read piece by
        piece, so a memory map is fine.
    window_width : int
        Rows (lines) per window, a multiple of 4 and at least 8. Windows start every quarter of it.
    num_threads : int, optional
        Threads to share the work.
    windows_per_chunk : int, optional
        Most windows in a chunk. There are never more than fit bounded memory and about a fifth of a
        second of work, or one batch of 64.

    Yields
    ------
    RadonChunk
        Consecutive windows, in order; some chunks are empty. Together they hold
        ``num_windows(image.shape[0], window_width)`` windows.

    Raises
    ------
    ValueError
        At the call, if the image is not 2-D, is not numeric, has fewer rows than a window or fewer
        than 2 columns, or if a parameter is out of range.

    Notes
    -----
    ``theta0 = argmax var(P(theta))`` over 0, 1, ..., 179 degrees, first maximum, and then over
    ``theta0 + d`` with ``d = -2, -1.75, ..., 2``. ``P`` is the Radon projection of the window minus
    its mean, zero-padded to its diagonal; the variance (ddof 0) is over all bins of the projection.
    """
    total = _checked_num_windows(image, window_width)
    for name, value in (("num_threads", num_threads), ("windows_per_chunk", windows_per_chunk)):
        if value is not None and value < 1:
            raise ValueError(f"{name} must be at least 1; it is {value}")
    # Imported here because numba takes half a second to import.
    from napari_bloodflow.analysis.kernels._radon_numba import Projections

    size = _largest_chunk(total, int(window_width), image.shape[1], num_threads)
    size = min(size, windows_per_chunk or size)
    ranges = [(start, min(start + size, total)) for start in range(0, total, size)]
    projections = Projections(int(window_width), image.shape[1])
    if num_threads == 1 or len(ranges) == 1:
        return _iterate(image, ranges, projections)
    return _iterate_threads(image, ranges, projections, num_threads)


def radon_angles(image: NDArray[Any], window_width: int, *, num_threads: int = 1) -> RadonWindows:
    """Measure the streak angle in all windows of an image.

    Parameters
    ----------
    image : ndarray, shape (time, position)
        Kymograph of any integer, boolean or floating type.
    window_width : int
        Rows (lines) per window, a multiple of 4 and at least 8.
    num_threads : int, optional
        Threads to share the work; the result does not depend on it.

    Returns
    -------
    RadonWindows
        Angles in degrees, reasons for the missing ones, and the row index of every window.

    Raises
    ------
    ValueError
        As `iter_radon_windows`, whose notes give the formula.
    """
    chunks = list(iter_radon_windows(image, window_width, num_threads=num_threads))
    theta_deg = np.concatenate([chunk.theta_deg for chunk in chunks])
    reason = np.concatenate([chunk.reason for chunk in chunks])
    return RadonWindows(theta_deg, reason, window_center_index(theta_deg.size, window_width))


def _checked_num_windows(image: NDArray[Any], window_width: int) -> int:
    if image.ndim != 2:
        raise ValueError(
            f"a kymograph is 2-D, (time, position); this array has the shape {image.shape}"
        )
    if image.dtype.kind not in "biuf":
        raise ValueError(
            f"a kymograph has integer or floating pixels; this array's type is {image.dtype}"
        )
    num_rows, num_columns = image.shape
    total = num_windows(num_rows, window_width)
    if not total:
        raise ValueError(
            f"too few lines: a window needs {window_width}, and there are {num_rows};"
            " choose a smaller window width or a longer ROI"
        )
    if num_columns < 2:
        raise ValueError(
            f"too narrow: motion needs at least 2 pixels along the line, and there is {num_columns}"
        )
    return total


def _largest_chunk(total: int, window_width: int, num_columns: int, num_threads: int) -> int:
    from napari_bloodflow.analysis.kernels._radon_numba import LANES

    pixels = window_width * num_columns
    batch_bytes = pixels * LANES * np.dtype(np.float32).itemsize
    call_work = pixels * LANES * _WEIGHTS_PER_PIXEL + _WORK_OF_A_CALL
    batch_work = call_work * (_COARSE_DEG + _FINE_STEPS.size)
    batches = max(1, int(min(_LANES_BYTES / batch_bytes, _WORK_PER_CHUNK / batch_work)))
    return LANES * min(batches, math.ceil(total / (num_threads * LANES)))


def _empty(start: int) -> RadonChunk:
    return RadonChunk(start, np.empty(0), _REASONS[:0])


def _iterate(
    image: NDArray[Any], ranges: list[tuple[int, int]], projections: Projections
) -> Generator[RadonChunk, None, None]:
    for start, stop in ranges:
        yield from _measure(image, start, stop, projections)


def _iterate_threads(
    image: NDArray[Any], ranges: list[tuple[int, int]], projections: Projections, num_threads: int
) -> Generator[RadonChunk, None, None]:
    cancelled = threading.Event()

    def run(start: int, stop: int) -> RadonChunk:
        chunk = _empty(start)
        for chunk in _measure(image, start, stop, projections):  # noqa: B007 - the last one counts
            if cancelled.is_set():
                break
        return chunk

    pool = ThreadPoolExecutor(num_threads, thread_name_prefix="radon")
    try:
        waiting = iter(ranges)
        running: deque[tuple[int, Future[RadonChunk]]] = deque()
        while True:
            # A few more than there are threads, so that none idles while finished chunks wait for
            # their turn.
            while len(running) < 2 * num_threads and (bounds := next(waiting, None)) is not None:
                running.append((bounds[0], pool.submit(run, *bounds)))
            if not running:
                return
            start, future = running[0]
            if wait([future], timeout=_WAIT_S).done:
                running.popleft()
                yield future.result()
            else:
                yield _empty(start)
    finally:
        cancelled.set()
        pool.shutdown(wait=True, cancel_futures=True)


def _measure(
    image: NDArray[Any], start: int, stop: int, projections: Projections
) -> Iterator[RadonChunk]:
    """Measure the windows from start up to stop: some empty chunks, then one with the result."""
    from napari_bloodflow.analysis.kernels import _radon_numba as compiled

    width = projections.window_width
    step = window_step(width)
    with np.errstate(over="ignore"):
        rows = np.ascontiguousarray(image[window_rows(start, stop, width)], dtype=np.float32)
    mean = np.empty(stop - start)
    state = np.empty(stop - start, np.int8)
    compiled.window_states(rows, width, step, mean, state)
    measurable = np.flatnonzero(state == compiled.MEASURED)
    batches = [
        measurable[i : i + compiled.LANES] for i in range(0, measurable.size, compiled.LANES)
    ]
    lanes = np.empty((len(batches), width * projections.num_columns, compiled.LANES), np.float32)
    work = 0.0

    for i, batch in enumerate(batches):
        compiled.fill_lanes(rows, width, step, batch, mean, lanes[i])
    coarse = np.empty((_COARSE_DEG, len(batches), compiled.LANES))
    for theta0 in range(_COARSE_DEG if batches else 0):
        weights = projections.at(theta0 * _PER_DEG)
        for i in range(len(batches)):
            compiled.projection_variance(*weights, lanes[i], coarse[theta0, i])
            work += weights.pixel.size * compiled.LANES + _WORK_OF_A_CALL
            if work > _WORK_PER_TURN:
                yield _empty(start)
                work = 0.0
    theta0_deg = np.argmax(coarse, axis=0).reshape(-1)[: measurable.size]

    # Windows with similar angles share a batch, so that few angles are evaluated for lanes not in
    # need of them.
    theta_deg = np.full(stop - start, np.nan)
    order = np.argsort(theta0_deg, kind="stable")
    fine = np.empty((_PER_DEG * (_COARSE_DEG + 2 * _FINE_DEG), compiled.LANES))
    for i in range(len(batches)):
        chosen = order[i * compiled.LANES : (i + 1) * compiled.LANES]
        quarters = theta0_deg[chosen] * _PER_DEG + _FINE_STEPS[:, np.newaxis]
        compiled.fill_lanes(rows, width, step, measurable[chosen], mean, lanes[0])
        for quarter in np.unique(quarters).tolist():
            weights = projections.at(quarter)
            # negative quarters, from 0 degrees downwards, index the rows at the end
            compiled.projection_variance(*weights, lanes[0], fine[quarter])
            work += weights.pixel.size * compiled.LANES + _WORK_OF_A_CALL
            if work > _WORK_PER_TURN:
                yield _empty(start)
                work = 0.0
        best = np.argmax(fine[quarters, np.arange(chosen.size)], axis=0)
        theta_deg[measurable[chosen]] = theta0_deg[chosen] + _FINE_STEPS[best] / _PER_DEG
    yield RadonChunk(start, theta_deg, _REASONS[state])
