"""What stands still in a record: the background that is taken away before lines are correlated."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    Sums = tuple[NDArray[np.float64], NDArray[np.float64], NDArray[np.float64], NDArray[np.float64]]
    """What `record_sums` writes for a part of a record."""

__all__ = [
    "RecordStatistics",
    "excess_noise",
    "record_statistics",
    "running_background",
    "smoothing_weights",
]

_FEWEST_PARTS = 4

# Variance of the lines' brightness, relative to that of the moving pattern, that is leveled out.
# Less does not hurt, and leveling takes a little of the pattern with it.
_FLICKER = 0.2

_MOST_SMOOTHING = 1.45


@dataclass(frozen=True, slots=True, eq=False)
class RecordStatistics:
    """Background of a whole record.

    Attributes
    ----------
    background : ndarray of float64, shape (columns,)
        What stands still in each column.
    mean : float
        Mean of the record.
    scale : float
        Standard deviation of what remains, in the image's unit.
    noise : ndarray of float64, shape (columns,)
        Variance of the noise in each column, in units of the square of the scale.
    is_still : bool
        True if nothing but noise would remain without the background: nothing moves in this
        record, and its pattern is not background but the subject.
    has_flicker : bool
        True if the brightness of whole lines changes much from one to the next.
    smoothing_factor : float
        By how much to widen the smoothing for the noise of this record, 1 to 1.45.
    """

    background: NDArray[np.float64]
    mean: float
    scale: float
    noise: NDArray[np.float64]
    is_still: bool = False
    has_flicker: bool = False
    smoothing_factor: float = 1.0


def record_statistics(parts: Sequence[Sums]) -> RecordStatistics:
    """Combine sums over consecutive parts of a record, in their order.

    Parameters
    ----------
    parts : sequence of tuple
        ``column, deviation, squares, total`` of each part, as written by `record_sums`.

    Returns
    -------
    RecordStatistics
        Of the record.

    Notes
    -----
    Cells are wider than two pixels, noise is not. So the covariance of pixels two apart, each minus
    the mean of its column and of its line, is that of what moves.

    The mean of a column holds a trace of the cells that happened to pass. Unlike the true
    background it differs between the parts of the record, so the covariance of the parts tells the
    two apart, and the mean is shrunk by the part of its variance that stands still.
    """
    count, near, far, weight, means, pairs, changes = np.sum([part[3] for part in parts], axis=0)
    num_columns = parts[0][0].size
    zero = np.zeros(num_columns)
    if count < 1:
        return RecordStatistics(zero, 0.0, 1.0, zero)
    pattern = np.sum([part[1] for part in parts], axis=0) / count
    varying_at = np.sum([part[2] for part in parts], axis=0) / count - pattern**2
    standing = float(np.mean(pattern**2))
    varying = max(float(np.mean(varying_at)), 0.0)
    near = float(near / (count * (num_columns - 1)) - np.mean(pattern[1:] * pattern[:-1]))
    far = float(far / (count * (num_columns - 2)) - np.mean(pattern[2:] * pattern[:-2]))
    noise_level = 4 * varying / math.sqrt(count * num_columns)
    is_still = far <= noise_level + 1e-4 * standing and standing > 10 * varying / count
    mean_column = np.sum([part[0] for part in parts], axis=0) / weight
    mean = float(means / count)
    # Covariances one and two pixels apart, on a parabola, tell the variance without noise.
    moving = standing if is_still else min(max((4 * near - far) / 3, 0.0), varying)
    noise = varying if is_still else varying - moving
    variance = moving + noise
    if variance <= 0:
        return RecordStatistics(zero + mean, mean, 1.0, zero)
    # Only what is common to distant parts of a line changes both of them at once.
    flicker = float(changes / max(pairs, 1.0)) / 2
    noise_ratio = noise / max(moving, 1e-9 * variance)
    return RecordStatistics(
        background=mean + _standing_part(parts) * (mean_column - mean_column.mean()),
        mean=mean,
        scale=math.sqrt(variance),
        # Where nothing moves the noise is known pixel by pixel.
        noise=np.maximum(varying_at if is_still else zero + noise, 0.0) / variance,
        is_still=bool(is_still),
        has_flicker=flicker > _FLICKER * moving,
        smoothing_factor=float(np.clip(1.2 * noise_ratio**0.15, 1.0, _MOST_SMOOTHING)),
    )


def _standing_part(parts: Sequence[Sums]) -> float:
    """Part of the column means' variance that all parts of the record have in common."""
    usable = [part for part in parts if part[3][3] > 0]
    if len(usable) < _FEWEST_PARTS:
        return 1.0
    weight = np.array([part[3][3] for part in usable])
    column = np.array([part[0] for part in usable]) / weight[:, np.newaxis]
    column -= column.mean(axis=1, keepdims=True)
    weight /= weight.sum()
    own = float(np.sum(weight[:, np.newaxis] ** 2 * column**2))
    total = float(np.sum((weight @ column) ** 2))
    if total <= 0:
        return 1.0
    # Products of different parts only: their expectation is the standing variance.
    common = (total - own) / (1.0 - float(np.sum(weight**2)))
    return min(max(common / total, 0.0), 1.0)


def running_background(
    column: NDArray[np.float64],
    count: NDArray[np.float64],
    first: int,
    last: int,
    blocks: int,
    record_mean: NDArray[np.float64],
) -> NDArray[np.float32]:
    """Mean of each column over the blocks around each block.

    Parameters
    ----------
    column : ndarray of float64, shape (n, columns)
        Sums of consecutive blocks.
    count : ndarray of float64, shape (n,)
        Their numbers of good lines.
    first, last : int
        Blocks to give, of those above.
    blocks : int
        Blocks in a mean; near the ends they lie to one side.
    record_mean : ndarray of float64, shape (columns,)
        Used where all these blocks are bad.

    Returns
    -------
    ndarray of float32, shape (last - first, columns)
        Background of each block.
    """
    result = np.empty((last - first, column.shape[1]), np.float32)
    for i, block in enumerate(range(first, last)):
        low = max(0, min(block - blocks // 2, count.size - blocks))
        lines = count[low : low + blocks].sum()
        total = column[low : low + blocks].sum(axis=0)
        result[i] = total / lines if lines else record_mean
    return result


def smoothing_weights(num_columns: int, sigma_px: float) -> NDArray[np.float32]:
    """Weights of local linear regression with a Gaussian, cut at four standard deviations.

    Inside a line this is plain Gaussian smoothing. At the ends it keeps edges where they are, which
    repeating or mirroring the last pixels does not; that would bias the speed.

    Parameters
    ----------
    num_columns : int
        Pixels per line.
    sigma_px : float
        Standard deviation in pixels; 0 for no smoothing.

    Returns
    -------
    ndarray of float32, shape (2 * radius + 1, columns)
        ``smooth[x] = sum_i weights[i, x] * line[x + i - radius]``, 0 beyond the ends.
    """
    if sigma_px == 0:
        return np.ones((1, num_columns), np.float32)
    radius = math.ceil(4 * sigma_px)
    u = np.arange(-radius, radius + 1)[:, np.newaxis]
    at = np.arange(num_columns) + u
    gauss = np.exp(-0.5 * (u / sigma_px) ** 2) * ((at >= 0) & (at < num_columns))
    s0, s1, s2 = (np.sum(gauss * u**power, axis=0) for power in range(3))
    weights = gauss * (s2 - s1 * u) / (s0 * s2 - s1**2)
    return np.asarray(weights, np.float32)


def excess_noise(weights: NDArray[np.float32], noise: NDArray[np.float64]) -> NDArray[np.float32]:
    """Energy of the noise in smoothed lines, beyond that where it is least.

    At the ends the smoothing has fewer pixels to average. An overlap that leaves them out would
    seem to fit better, and draw the peak away from 0.

    Parameters
    ----------
    weights : ndarray of float32, shape (odd, columns)
        From `smoothing_weights`.
    noise : ndarray of float64, shape (columns,)
        Variance of the noise in each pixel before smoothing.

    Returns
    -------
    ndarray of float32, shape (columns,)
        Variance after smoothing, beyond the least of the line.
    """
    wide = np.pad(noise, weights.shape[0] // 2)
    energy = np.zeros(noise.size)
    for i, weight in enumerate(weights):
        energy += np.square(weight, dtype=np.float64) * wide[i : i + noise.size]
    return np.asarray(energy - energy.min(), np.float32)
