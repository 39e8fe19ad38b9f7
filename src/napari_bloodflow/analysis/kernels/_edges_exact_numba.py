"""Inner loops of the exact edge kernel, compiled.

Imported only when a measurement starts: importing numba takes half a second. All loops release the
GIL. Their sums and comparisons are made in numpy's and scipy's own order, without contraction, so
that every number is the same to the last bit.
"""

from __future__ import annotations

import functools
from typing import TYPE_CHECKING

import numpy as np

from napari_bloodflow.analysis.kernels._compile import compiled_exactly
from napari_bloodflow.analysis.kernels.edges_exact import Extent, Scans

if TYPE_CHECKING:
    from numpy.typing import NDArray

__all__ = ["SCANS"]

# numpy adds so many numbers in eight interleaved sums before it halves a longer list.
_BLOCK = 128


@functools.lru_cache(maxsize=16)
def _addition_plan(size: int) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """How numpy adds `size` numbers pairwise.

    Blocks end where the first array says. After a block is added up, its sum is put on a pile, and
    the two topmost sums of the pile are added as often as the second array says.
    """
    ends: list[int] = []
    merges: list[int] = []

    def split(start: int, stop: int) -> None:
        if stop - start <= _BLOCK:
            ends.append(stop)
            merges.append(0)
            return
        half = (stop - start) // 2
        half -= half % 8
        split(start, start + half)
        split(start + half, stop)
        merges[-1] += 1

    split(0, size)
    return np.array(ends), np.array(merges)


@compiled_exactly
def _totals(
    profile: NDArray[np.float64],
    ends: NDArray[np.int64],
    merges: NDArray[np.int64],
    total: NDArray[np.float64],
) -> None:
    pile = np.empty(64)
    for i in range(profile.shape[0]):
        values = profile[i]
        start = 0
        height = 0
        for k in range(ends.size):
            part = values[start : ends[k]]
            num = part.size
            if num < 8:
                added = 0.0
                for j in range(num):
                    added += part[j]
            else:
                r0, r1, r2, r3 = part[0], part[1], part[2], part[3]
                r4, r5, r6, r7 = part[4], part[5], part[6], part[7]
                whole = num - num % 8
                for j in range(8, whole, 8):
                    r0 += part[j]
                    r1 += part[j + 1]
                    r2 += part[j + 2]
                    r3 += part[j + 3]
                    r4 += part[j + 4]
                    r5 += part[j + 5]
                    r6 += part[j + 6]
                    r7 += part[j + 7]
                added = ((r0 + r1) + (r2 + r3)) + ((r4 + r5) + (r6 + r7))
                for j in range(whole, num):
                    added += part[j]
            start = ends[k]
            pile[height] = added
            height += 1
            for _ in range(merges[k]):
                height -= 1
                pile[height - 1] += pile[height]
        total[i] = pile[0]


@compiled_exactly
def _above(
    profile: NDArray[np.float64],
    level: NDArray[np.float64],
    first: NDArray[np.int64],
    last: NDArray[np.int64],
) -> None:
    num_columns = profile.shape[1]
    for i in range(profile.shape[0]):
        values = profile[i]
        j = 0
        while j < num_columns and not values[j] >= level[i]:
            j += 1
        if j == num_columns:
            first[i] = last[i] = -1
            continue
        first[i] = j
        j = num_columns - 1
        while not values[j] >= level[i]:
            j -= 1
        last[i] = j


@compiled_exactly
def _steepest(
    profile: NDArray[np.float64],
    weights: NDArray[np.float64],
    first: NDArray[np.int64],
    last: NDArray[np.int64],
    strength_first: NDArray[np.float64],
    strength_last: NDArray[np.float64],
) -> None:
    num_columns = profile.shape[1]
    radius = weights.size - 1
    padded = np.empty(num_columns + 2 * radius)
    smooth = np.empty(num_columns)
    slope = np.empty(num_columns)
    for i in range(profile.shape[0]):
        values = profile[i]
        padded[:radius] = values[0]
        padded[radius : radius + num_columns] = values
        padded[radius + num_columns :] = values[num_columns - 1]
        for j in range(num_columns):
            smooth[j] = values[j] * weights[0]
        # from the outermost weight inwards, as scipy adds them
        for k in range(radius, 0, -1):
            before = padded[radius - k : radius - k + num_columns]
            after = padded[radius + k : radius + k + num_columns]
            weight = weights[k]
            for j in range(num_columns):
                smooth[j] += (before[j] + after[j]) * weight
        left, right = smooth[:-2], smooth[2:]
        inner = slope[1:-1]
        for j in range(inner.size):
            inner[j] = (right[j] - left[j]) / 2.0
        slope[0] = smooth[1] - smooth[0]
        slope[num_columns - 1] = smooth[num_columns - 1] - smooth[num_columns - 2]
        high = low = 0
        for j in range(1, num_columns):
            if slope[j] > slope[high]:
                high = j
            if slope[j] < slope[low]:
                low = j
        first[i] = high
        last[i] = low
        strength_first[i] = max(0.0, slope[high])
        strength_last[i] = max(0.0, -slope[low])


@compiled_exactly
def _has_peaks(
    profile: NDArray[np.float64], level: NDArray[np.float64], found: NDArray[np.bool_]
) -> None:
    for i in range(profile.shape[0]):
        values = profile[i]
        left, inner, right = values[:-2], values[1:-1], values[2:]
        num = 0
        for j in range(inner.size):
            num += (inner[j] > left[j]) & (inner[j] >= right[j]) & (inner[j] >= level[i])
        found[i] = num >= 2


def _call_totals(profile: NDArray[np.float64]) -> NDArray[np.float64]:
    total = np.empty(profile.shape[0])
    _totals(profile, *_addition_plan(profile.shape[1]), total)
    return total


def _call_above(profile: NDArray[np.float64], level: NDArray[np.float64]) -> Extent:
    first, last = np.empty((2, level.size), np.int64)
    _above(profile, level, first, last)
    nothing = np.full(level.size, np.nan)
    return Extent(first, last, nothing, nothing)


def _call_steepest(profile: NDArray[np.float64], weights: NDArray[np.float64]) -> Extent:
    first, last = np.empty((2, profile.shape[0]), np.int64)
    strengths = np.empty((2, profile.shape[0]))
    _steepest(profile, weights, first, last, strengths[0], strengths[1])
    return Extent(first, last, strengths[0], strengths[1])


def _call_has_peaks(profile: NDArray[np.float64], level: NDArray[np.float64]) -> NDArray[np.bool_]:
    found = np.zeros(level.size, bool)
    if profile.shape[1] > 2:
        _has_peaks(profile, level, found)
    return found


SCANS = Scans(_call_totals, _call_above, _call_steepest, _call_has_peaks)
