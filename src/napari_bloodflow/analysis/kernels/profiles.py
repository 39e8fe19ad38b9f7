"""Profiles of a kymograph: the mean or the median of some rows around every row, in chunks."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Iterator

    from numpy.typing import NDArray

__all__ = ["CHUNK_PIXELS", "check_profiles", "iter_centers", "window_sums"]

CHUNK_PIXELS = 2**18
"""Pixels per chunk: few enough that the arrays of a chunk stay in the processor's cache, and that
the caller gets a turn every few milliseconds."""

# Beyond this sums over a window could overflow; such pixels count as missing.
_TOO_LARGE = 1e30


def check_profiles(image: NDArray[Any], window_rows: int, stride: int) -> None:
    """Refuse an image or a window that no profile can be made of.

    Raises
    ------
    ValueError
        If the image is not 2-D and numeric or has no rows or fewer than two columns, if the window
        is not an odd number of rows, or if the stride is below 1.
    """
    if image.ndim != 2 or image.dtype.kind not in "biuf":
        raise ValueError(
            "a kymograph is 2-D, (time, position), with integer or floating pixels;"
            f" this array has the shape {image.shape} and the type {image.dtype}"
        )
    if image.shape[0] < 1 or image.shape[1] < 2:
        raise ValueError(
            "a diameter needs at least 1 line and 2 pixels along the line;"
            f" there are {image.shape[0]} and {image.shape[1]}"
        )
    if window_rows < 1 or window_rows % 2 == 0:
        raise ValueError(f"the window must be an odd number of rows, not {window_rows}")
    if stride < 1:
        raise ValueError(f"the stride must be at least 1; it is {stride}")


def iter_centers(
    shape: tuple[int, ...], window_rows: int, stride: int, use_median: bool = False
) -> Iterator[NDArray[np.int64]]:
    """Give the centre rows ``0, stride, 2 * stride...`` in chunks of bounded memory.

    Parameters
    ----------
    shape : tuple of int
        Rows and columns of the image.
    window_rows, stride : int
        Rows per profile and from one profile to the next.
    use_median : bool, optional
        The rows of a window are kept apart, which takes more memory.
    """
    num_rows, num_columns = shape
    per_profile = max(stride, window_rows if use_median else 1)
    step = max(1, CHUNK_PIXELS // (num_columns * per_profile)) * stride
    for start in range(0, num_rows, step):
        yield np.arange(start, min(start + step, num_rows), stride)


def window_sums(
    image: NDArray[Any], centers: NDArray[np.int64], window_rows: int, use_median: bool = False
) -> tuple[NDArray[Any], NDArray[Any]]:
    """Add up the rows of each window.

    Parameters
    ----------
    image : ndarray, shape (time, position)
        Kymograph. NaN, infinite and absurd (beyond 1e30) pixels count as missing.
    centers : ndarray of int64, shape (n,)
        Centre rows, evenly spaced.
    window_rows : int
        Rows per window, odd; windows are cut off at the ends of the image.
    use_median : bool, optional
        Medians instead of sums.

    Returns
    -------
    sums : ndarray, shape (n, position)
        Sums of small integers are int32: exact, and faster to sort. The others are float64, added
        from the first row to the last, which fixes their last bit; NaN where all are missing.
    count : ndarray, shape (n,)
        What the sums are to be divided by; 1 for medians, and where pixels are missing.
    """
    half = window_rows // 2
    stride = int(centers[1] - centers[0]) if centers.size > 1 else 1
    num_rows = image.shape[0]
    top = max(0, int(centers[0]) - half)
    block = image[top : min(num_rows, int(centers[-1]) + half + 1)]
    is_small = image.dtype.kind in "biu" and image.dtype.itemsize <= 2
    is_small = is_small and window_rows < 2**15
    block = block.astype(np.int32 if is_small else np.float64)
    first = np.maximum(centers - half, 0) - top
    last = np.minimum(centers + half, num_rows - 1) - top
    count = last - first + 1
    if not is_small:
        with np.errstate(invalid="ignore"):
            block[~(np.abs(block) < _TOO_LARGE)] = np.nan
    if use_median:
        return _window_medians(block, first, last), np.ones(centers.size)
    has_missing = not is_small and bool(np.isnan(block).any())
    known = np.isfinite(block).astype(np.float64) if has_missing else None
    if known is not None:
        block[known == 0] = 0.0
    sums = _sum_windows(block, first, last, stride)
    if known is None:
        return sums, count
    seen = _sum_windows(known, first, last, stride)
    with np.errstate(invalid="ignore"):
        return sums / seen, np.ones(centers.size)


def _sum_windows(
    block: NDArray[Any], first: NDArray[np.int64], last: NDArray[np.int64], stride: int
) -> NDArray[Any]:
    """Add up the rows of windows that start `stride` rows apart, but for those cut off."""
    sums = np.empty((first.size, block.shape[1]), block.dtype)
    width = int((last - first).max()) + 1
    # Windows cut off are at the ends of the image, so that the whole ones are consecutive.
    whole = np.flatnonzero(np.diff(first, append=first[-1] + stride) == stride)
    whole = whole[last[whole] - first[whole] + 1 == width]
    start, stop = (int(whole[0]), int(whole[-1]) + 1) if whole.size else (0, 0)
    if whole.size:
        inner = sums[start:stop]
        top, end = int(first[start]), int(first[stop - 1]) + 1
        inner[:] = block[top:end:stride]
        for offset in range(1, width):
            inner += block[top + offset : end + offset : stride]
    for i in (*range(start), *range(stop, first.size)):
        sums[i] = np.add.reduce(block[first[i] : last[i] + 1], axis=0)
    return sums


def _window_medians(
    block: NDArray[Any], first: NDArray[np.int64], last: NDArray[np.int64]
) -> NDArray[np.float64]:
    width = int((last - first).max()) + 1
    offsets = np.arange(width)[:, np.newaxis]
    rows = first + offsets
    stack = block.astype(np.float64)[np.minimum(rows, last)]
    stack[rows > last] = np.nan
    stack.sort(axis=0)
    num = np.count_nonzero(np.isfinite(stack), axis=0)[np.newaxis]
    lower = np.take_along_axis(stack, np.maximum(num - 1, 0) // 2, axis=0)[0]
    upper = np.take_along_axis(stack, np.minimum(num // 2, width - 1), axis=0)[0]
    return np.asarray((lower + upper) / 2.0)
