"""Velocity in windows of a line-scan kymograph, by correlating lines at all lags.

This is the "normalized" estimator. Cells that move at ``v`` pixels per line make a line look like
an earlier one displaced by ``v`` times the lag between them. For every lag the lines of a window
are correlated at all displacements; a speed is then a straight path through these correlations,
and the right speed is the path along which they are highest. By the Fourier slice theorem this is
the energy of the Radon projection along that slope, without its grid of angles, and without lag 0,
in which noise and flicker of single lines are. Each pair of lines is normalised by the mean and the
energy of the part in which they overlap, so neither the window's shape nor its content draws the
peak aside.

Notes
-----
``a`` is the image minus its background, smoothed along the line. For lag ``n`` and displacement
``d``, over the ``N`` pixels that overlap, with sums ``s1, s2`` and sums of squares ``e1, e2`` of
the two parts::

    C(n, d) = sum a(t, x) a(t + n, x + d) - s1 s2 / N
    E(n, d) = (e1 + e2) / 2 - (s1**2 + s2**2) / (2 N)
    R(v) = sum_n w(v n) C(n, v n) / sum_n w(v n) E(n, v n)

Between whole displacements ``C``, ``E`` and ``N`` are sums of cubic B-splines, all with the same
little smoothing. The weight ``w`` is 1 and falls smoothly to 0
where less than the smallest overlap is left. ``R`` is 1 for rigid motion without noise. Its largest
value is sought on a grid of speeds that are evenly spaced in displacement, and then between them by
Newton's method, so speeds are continuous and 0 is one of them.

Lines that are moved back by that speed show the pattern at rest. By how much its brightness still
rises or falls with time tells the rest of the speed, of the pattern as a whole and of its parts;
parts that disagree are cells of different speeds, or noise.
"""

from __future__ import annotations

import math
from collections import deque
from concurrent.futures import Future, ThreadPoolExecutor, wait
from dataclasses import fields
from typing import TYPE_CHECKING, Any

import numpy as np

from napari_bloodflow.analysis.kernels._lag_measurement import (
    NARROWEST_PX,
    Background,
    Engine,
    LagChunk,
    LagOptions,
    LagWindows,
    Measurement,
)
from napari_bloodflow.analysis.kernels.windows import num_windows, window_center_index

if TYPE_CHECKING:
    from collections.abc import Generator

    from numpy.typing import NDArray

    from napari_bloodflow.analysis.kernels._lag_background import Sums

__all__ = [
    "NARROWEST_PX",
    "Background",
    "Engine",
    "LagChunk",
    "LagOptions",
    "LagWindows",
    "iter_lag_windows",
    "lag_center_index",
    "lag_velocity",
    "num_lag_windows",
]

_FEWEST_COLUMNS = 6
_SMALLEST_OVERLAP = 3
_CHUNKS_PER_THREAD = 3
_WAIT_S = 0.05


def num_lag_windows(num_rows: int, options: LagOptions) -> int:
    """How many whole windows fit into ``num_rows`` lines."""
    quarters = num_windows(num_rows, options.window_width)
    return (quarters + options.stride - 1) // options.stride


def lag_center_index(num: int, options: LagOptions) -> NDArray[np.float64]:
    """Row index that stands for each of the first ``num`` windows, in lines."""
    return window_center_index(num * options.stride, options.window_width)[:: options.stride]


def lag_velocity(
    image: NDArray[Any],
    options: LagOptions,
    *,
    num_threads: int = 1,
    engine: Engine = "numba",
) -> LagWindows:
    """Measure all windows of an image; see `iter_lag_windows`."""
    chunks = list(iter_lag_windows(image, options, num_threads=num_threads, engine=engine))
    return _concatenate([chunk.windows for chunk in chunks])


def iter_lag_windows(
    image: NDArray[Any],
    options: LagOptions,
    *,
    num_threads: int = 1,
    windows_per_chunk: int | None = None,
    engine: Engine = "numba",
) -> Generator[LagChunk, None, None]:
    """Measure the speed window by window, giving the caller a turn several times a second.

    Stopping the iteration (or closing the generator) cancels the measurement. The results do not
    depend on ``num_threads`` or ``windows_per_chunk``, bit for bit. The image is read piece by
    piece, twice, so a memory map is fine. The first call in a fresh installation compiles the inner
    loops, which takes some seconds.

    Parameters
    ----------
    image : ndarray, shape (time, position)
        Kymograph of any integer, boolean or floating type, in any intensity unit.
    options : LagOptions
        Window width and everything else that the result depends on.
    num_threads : int, optional
        Threads to share the work.
    windows_per_chunk : int, optional
        Most windows in a chunk; never more than fit bounded memory.
    engine : {"numba", "numpy"}, optional
        Compiled loops, or array operations for machines that cannot compile. The results agree to
        about 1e-4 of a speed.

    Yields
    ------
    LagChunk
        Consecutive windows, in order; some chunks are empty.

    Raises
    ------
    ValueError
        At the call, if the image is not 2-D, is not numeric, has fewer rows than a window or fewer
        than 2 columns, or if an option is out of range.
    """
    total = _checked_num_windows(image, options)
    for name, value in (("num_threads", num_threads), ("windows_per_chunk", windows_per_chunk)):
        if value is not None and value < 1:
            raise ValueError(f"{name} must be at least 1; it is {value}")
    if image.shape[1] < _FEWEST_COLUMNS:
        return _iterate_too_narrow(total)
    measure = Measurement(image, options, engine)
    size = max(1, measure.most_windows // options.stride)
    # Each thread gets several chunks, or one would wait for the other at the end.
    size = min(
        size, math.ceil(total / (_CHUNKS_PER_THREAD * num_threads)), windows_per_chunk or size
    )
    return _iterate(measure, total, size, num_threads)


def _checked_num_windows(image: NDArray[Any], options: LagOptions) -> int:
    if image.ndim != 2:
        raise ValueError(
            f"a kymograph is 2-D, (time, position); this array has the shape {image.shape}"
        )
    if image.dtype.kind not in "biuf":
        raise ValueError(
            f"a kymograph has integer or floating pixels; this array's type is {image.dtype}"
        )
    num_rows, num_columns = image.shape
    total = num_lag_windows(num_rows, options)
    if not total:
        raise ValueError(
            f"too few lines: a window needs {options.window_width}, and there are {num_rows};"
            " choose a smaller window width or a longer ROI"
        )
    if num_columns < 2:
        raise ValueError(
            f"too narrow: motion needs at least 2 pixels along the line, and there is {num_columns}"
        )
    overlap = options.min_overlap_px
    if overlap is not None and not _SMALLEST_OVERLAP <= overlap <= num_columns // 2:
        raise ValueError(
            f"the minimum overlap is {_SMALLEST_OVERLAP} to {num_columns // 2} pixels, half the "
            f"line; it is {overlap!r}"
        )
    return total


def _concatenate(parts: list[LagWindows]) -> LagWindows:
    columns: dict[str, Any] = {
        f.name: np.concatenate([getattr(part, f.name) for part in parts])
        for f in fields(LagWindows)
    }
    return LagWindows(**columns)


def _unmeasured(start: int, num: int, reason: str) -> LagChunk:
    columns: dict[str, Any] = {f.name: np.full(num, np.nan) for f in fields(LagWindows)}
    return LagChunk(start, LagWindows(**{**columns, "reason": np.full(num, reason)}))


def _iterate_too_narrow(total: int) -> Generator[LagChunk, None, None]:
    yield _unmeasured(0, total, "too_narrow")


def _iterate(
    measurement: Measurement, total: int, size: int, num_threads: int
) -> Generator[LagChunk, None, None]:
    pool = ThreadPoolExecutor(num_threads, thread_name_prefix="lag-correlation")
    running: deque[Future[Any]] = deque()
    try:
        # The background first: it needs the whole record.
        parts: list[Sums] = []
        jobs = iter(range(measurement.num_parts))
        while True:
            # A few more than there are threads, so that none idles.
            while len(running) < 2 * num_threads and (part := next(jobs, None)) is not None:
                running.append(pool.submit(measurement.sum_part, part))
            if not running:
                break
            if wait([running[0]], timeout=_WAIT_S).done:
                parts.append(running.popleft().result())
            else:
                yield _unmeasured(0, 0, "")
        measurement.set_statistics(parts)
        starts = iter(range(0, total, size))
        done = 0
        while True:
            while len(running) < 2 * num_threads and (start := next(starts, None)) is not None:
                running.append(pool.submit(measurement.measure, start, min(start + size, total)))
            if not running:
                return
            if wait([running[0]], timeout=_WAIT_S).done:
                chunk: LagChunk = running.popleft().result()
                done = chunk.stop
                yield chunk
            else:
                yield _unmeasured(done, 0, "")
    finally:
        pool.shutdown(wait=True, cancel_futures=True)
