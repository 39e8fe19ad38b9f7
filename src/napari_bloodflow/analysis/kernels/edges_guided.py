"""Vessel edges between pixels: half way between outside and inside, where a guide says they are.

The guide comes from averages over many rows, in which cells and short jumps vanish: the largest
connected part above half way. In each profile an edge is then sought near the guide only, from the
outside inwards, and interpolated between two pixels, so that a neighbouring vessel or a red cell in
the lumen is not taken for it. Where the guide's edge leaves the line there is none.

Where a cell darkens the lumen beside an edge there is no half way. There the edge is fitted with
the light that is left, and weighed with the guide: the less light, the more the guide counts.

An optional least-squares fit of a blurred box refines both edges; it does better for vessels a few
blurs wide.
"""

from __future__ import annotations

import functools
import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from napari_bloodflow.analysis.kernels.profiles import (
    CHUNK_PIXELS,
    check_profiles,
    iter_centers,
    window_sums,
)

if TYPE_CHECKING:
    from collections.abc import Iterator

    from numpy.typing import NDArray

__all__ = ["GuidedRows", "GuidedSettings", "edge_sigma_px", "iter_guided_edges"]

_BLOCK_ROWS = 16
_BLOCKS = 5  # of which the median is taken
_SMOOTH_PX = 1.0
_SMOOTH_WALL_PX = 1.2
_MAX_BLUR_PX = 50.0

# A pixel counts as clipped if it has the extreme value of the image, which then is common.
_COMMON = 1e-3
_FEWEST = 16
_CLIPPED_PART = 0.02
# From row to row noise changes most pixels, a vessel that moves only those at its edges.
_CHANGED_PART = 0.5
_BITS = (8, 10, 12, 14, 16)  # of detectors

# Standard deviation of the diameter over that of an ideal fit in even noise: photon noise is
# uneven, and the noise shifts half way itself. By simulation, see benchmarks/diameter_accuracy.py.
_EXCESS = 1.12


@dataclass(frozen=True, slots=True)
class GuidedSettings:
    """How edges are sought.

    Attributes
    ----------
    window_rows : int
        Rows averaged for a profile, odd; fewer at the ends of the image.
    stride : int
        Rows from one profile to the next.
    use_median : bool
        Median over the rows instead of the mean.
    dark : bool
        The vessel is darker than its surroundings.
    wall : bool
        The wall is bright, not the lumen: edges are the brightest places on either side.
    blur_px : float
        Standard deviation of the optical blur along the line, pixels.
    per_side : bool
        Half way is taken for each edge from its own surroundings.
    refine : bool
        Fit a blurred box.
    """

    window_rows: int = 5
    stride: int = 1
    use_median: bool = False
    dark: bool = False
    wall: bool = False
    blur_px: float = 1.6
    per_side: bool = False
    refine: bool = False


@dataclass(frozen=True, slots=True, eq=False)
class GuidedRows:
    """Edges in consecutive profiles; a chunk may be empty and then only gives the caller a turn.

    Attributes
    ----------
    left, right : ndarray of float64, shape (n,)
        Edges in pixels; NaN where there is none.
    sd : ndarray of float64, shape (n,)
        Standard deviation of ``right - left`` by the noise near the edges, pixels; in shadows by
        the spread of the places where the edge fits.
    low, high : ndarray of float64, shape (n,)
        Intensity outside and inside the vessel.
    total : ndarray of float64, shape (n,)
        Sum of the profile.
    strength_left, strength_right : ndarray of float64, shape (n,)
        Gradient at the edges, intensity per pixel.
    residual : ndarray of float64, shape (n,)
        Root mean square departure from a blurred box near the edges, over the contrast.
    is_dim, is_clipped, is_missing, is_shadowed : ndarray of bool, shape (n,)
        The contrast is less than half of that around; part of the lumen has the extreme value of
        the image; pixels are missing, or the profile is flat; a cell darkens the lumen beside an
        edge.
    """

    left: NDArray[np.float64]
    right: NDArray[np.float64]
    sd: NDArray[np.float64]
    low: NDArray[np.float64]
    high: NDArray[np.float64]
    total: NDArray[np.float64]
    strength_left: NDArray[np.float64]
    strength_right: NDArray[np.float64]
    residual: NDArray[np.float64]
    is_dim: NDArray[np.bool_]
    is_clipped: NDArray[np.bool_]
    is_missing: NDArray[np.bool_]
    is_shadowed: NDArray[np.bool_]


def edge_sigma_px(blur_px: float) -> float:
    """Blur of an edge in pixels: that of the optics and that of the pixels themselves."""
    return math.sqrt(blur_px**2 + 1 / 12)


def iter_guided_edges(image: NDArray[Any], settings: GuidedSettings) -> Iterator[GuidedRows]:
    """Find the edges profile by profile, in chunks of some milliseconds.

    Parameters
    ----------
    image : ndarray, shape (time, position)
        Kymograph of any integer, boolean or floating type. Read piece by piece, twice, so a memory
        map is fine. NaN, infinite and absurd (beyond 1e30) pixels count as missing.
    settings : GuidedSettings
        How.

    Yields
    ------
    GuidedRows
        Consecutive profiles, ``ceil(rows / stride)`` in all. Empty ones come first, while the guide
        is made.

    Raises
    ------
    ValueError
        At the call, if the image is not 2-D and numeric, has no rows or fewer than two columns, or
        a setting is out of range.
    """
    check_profiles(image, settings.window_rows, settings.stride)
    if not 0 <= settings.blur_px <= _MAX_BLUR_PX:
        raise ValueError(
            f"the blur must be between 0 and {_MAX_BLUR_PX:g} pixels; it is {settings.blur_px}"
        )
    return _iterate(image, settings)


def _iterate(image: NDArray[Any], settings: GuidedSettings) -> Iterator[GuidedRows]:
    # Imported here because numba takes half a second to import.
    from napari_bloodflow.analysis.kernels import _edges_guided_numba as compiled
    from napari_bloodflow.analysis.kernels import _vessel_guide_numba as guiding

    num_rows, num_columns = image.shape
    sign = -1.0 if settings.dark else 1.0
    sigma = edge_sigma_px(settings.blur_px)
    smoothing = _gaussian(_SMOOTH_WALL_PX if settings.wall else _SMOOTH_PX)
    num_blocks = max(1, num_rows // _BLOCK_ROWS)
    guide = np.empty((num_blocks, 6))
    extreme = _Extreme(sign)
    average = np.zeros(num_columns)
    step = max(8, 2 * CHUNK_PIXELS // (_BLOCK_ROWS * num_columns))
    nothing = _empty_rows()
    for start in range(0, num_blocks, step):
        stop = min(start + step, num_blocks)
        around = slice(max(0, start - _BLOCKS // 2), min(num_blocks, stop + _BLOCKS // 2))
        blocks = sign * _block_means(image, around, num_blocks, extreme)
        medians = np.empty((stop - start, num_columns))
        guiding.combine_blocks(blocks, start - around.start, _BLOCKS // 2, medians)
        average += np.nan_to_num(medians).sum(axis=0)
        smooth = np.empty_like(medians)
        guiding.smooth_rows(medians, _gaussian(_SMOOTH_PX), smooth)
        darkest = np.sort(smooth, axis=1)[:, : max(1, num_columns // 4)].mean(axis=1)
        darkest[np.isnan(smooth).any(axis=1)] = np.nan
        guiding.find_guide(smooth, darkest, sigma, guide[start:stop])
        yield nothing
    gain = _noise_gain(sigma)
    spread = np.ones(2)  # px squared; soon replaced by what is found
    block_centers = np.arange(num_blocks) * _BLOCK_ROWS + (min(_BLOCK_ROWS, num_rows) - 1) / 2
    clip_value = extreme.clip_value(image.size)

    for centers in iter_centers(
        image.shape, settings.window_rows, settings.stride, settings.use_median
    ):
        sums, count = window_sums(image, centers, settings.window_rows, settings.use_median)
        profile = sums * (sign / count)[:, np.newaxis]
        total = sign * profile.sum(axis=1)
        near = np.stack([np.interp(centers, block_centers, column) for column in guide.T], axis=1)
        near[np.isnan(total)] = np.nan
        edges = np.empty((centers.size, 10))
        is_dim = np.zeros(centers.size, bool)
        if settings.wall:
            smooth = np.empty_like(profile)
            guiding.smooth_rows(profile, smoothing, smooth)
            compiled.find_walls(smooth, _center_of(average), edges)
            edges[np.isnan(total)] = np.nan
        else:
            compiled.find_edges(
                profile,
                near,
                smoothing,
                sigma,
                settings.per_side,
                settings.refine,
                spread,
                edges,
                is_dim,
            )
        left, right, low, high, strength_left, strength_right, residual, noise = edges.T[:8]
        variance_in_shadow, num_shadowed = edges.T[8:]
        # both edges together; each has half of the variance
        in_light = _EXCESS * noise * np.interp(right - left, *gain)
        yield GuidedRows(
            left=left,
            right=right,
            sd=np.sqrt(in_light**2 * (1 - 0.5 * num_shadowed) + variance_in_shadow),
            low=sign * low,
            high=sign * high,
            total=total,
            strength_left=strength_left,
            strength_right=strength_right,
            residual=residual,
            is_dim=is_dim,
            is_clipped=_clipped(image[centers], left, right, clip_value),
            is_missing=np.isnan(low),
            is_shadowed=num_shadowed > 0,
        )


class _Extreme:
    """The brightest value of an image (the darkest for a negative sign), and how often it is."""

    def __init__(self, sign: float) -> None:
        self._sign = sign
        self._value = -math.inf
        self._count = 0
        self._num_compared = 0
        self._num_changed = 0
        self._is_whole = False

    def look_at(self, pixels: NDArray[Any]) -> None:
        """Take more pixels into account."""
        best = (
            np.fmax.reduce(pixels, axis=None)
            if self._sign > 0
            else np.fmin.reduce(pixels, axis=None)
        )
        self._is_whole = pixels.dtype.kind == "u"
        value = self._sign * float(best)
        if value > self._value:
            self._value, self._count = value, 0
        if value == self._value:
            self._count += int(np.count_nonzero(pixels == best))
        # one pair of neighbouring rows in every block tells whether there is noise
        earlier, later = pixels[:-1:_BLOCK_ROWS], pixels[1::_BLOCK_ROWS]
        is_compared = (earlier != best) & (later != best)
        self._num_compared += int(np.count_nonzero(is_compared))
        self._num_changed += int(np.count_nonzero(is_compared & (earlier != later)))

    def clip_value(self, num_pixels: int) -> float | None:
        """Return the value if it is so common that the image must be clipped there.

        Without noise the plateau of a vessel has one value, so that its being common tells nothing,
        unless it is the last value that a detector has.
        """
        is_common = self._count > max(_COMMON * num_pixels, _FEWEST)
        has_noise = self._num_changed > _CHANGED_PART * self._num_compared
        value = self._sign * self._value
        is_last = self._is_whole and (value == 0 or math.log2(value + 1) in _BITS)
        return value if is_common and (has_noise or is_last) else None


def _block_means(
    image: NDArray[Any], blocks: slice, num_blocks: int, extreme: _Extreme
) -> NDArray[np.float64]:
    num_rows, num_columns = image.shape
    if num_rows < _BLOCK_ROWS:
        extreme.look_at(image)
        sums, count = window_sums(image, np.array([num_rows // 2]), 2 * num_rows + 1)
        return np.asarray(sums / count[:, np.newaxis])
    # rows behind the last whole block count for none
    rows = image[blocks.start * _BLOCK_ROWS : blocks.stop * _BLOCK_ROWS]
    extreme.look_at(rows)
    if image.dtype.kind != "f":
        stack = rows.reshape(-1, _BLOCK_ROWS, num_columns)
        return np.asarray(stack.mean(axis=1, dtype=np.float64))
    centers = np.arange(_BLOCK_ROWS // 2, rows.shape[0], _BLOCK_ROWS)
    sums, count = window_sums(rows, centers, _BLOCK_ROWS - 1)
    return np.asarray(sums / count[:, np.newaxis])


def _clipped(
    rows: NDArray[Any],
    left: NDArray[np.float64],
    right: NDArray[np.float64],
    clip_value: float | None,
) -> NDArray[np.bool_]:
    if clip_value is None:
        return np.zeros(left.size, bool)
    x = np.arange(rows.shape[1])
    is_inside = (x >= left[:, np.newaxis]) & (x <= right[:, np.newaxis])
    num_clipped = np.count_nonzero(is_inside & (rows == clip_value), axis=1)
    return np.asarray(num_clipped > _CLIPPED_PART * np.count_nonzero(is_inside, axis=1))


def _center_of(average: NDArray[np.float64]) -> float:
    bright = np.maximum(average - np.percentile(average, 25), 0.0)
    weight = float(bright.sum())
    place = np.arange(average.size)
    return float(bright @ place) / weight if weight > 0 else (average.size - 1) / 2


def _gaussian(sigma_px: float) -> NDArray[np.float64]:
    """Half of a Gaussian kernel, from the centre outwards; the whole sums to 1."""
    weight = np.exp(-0.5 * (np.arange(int(4 * sigma_px + 0.5) + 1) / sigma_px) ** 2)
    return np.asarray(weight / (2 * weight.sum() - weight[0]))


@functools.lru_cache(maxsize=8)
def _noise_gain(sigma_px: float) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Error of an ideal fit, in pixels per noise over contrast, and at which diameters.

    The Cramer-Rao bound for even noise, with both edges and both intensities unknown.
    """
    from scipy.special import ndtr

    diameters = sigma_px * np.geomspace(0.5, 30.0, 40)
    gains = np.empty(diameters.size)
    for i, diameter in enumerate(diameters):
        x = np.arange(-math.ceil(diameter / 2 + 6 * sigma_px), diameter / 2 + 6 * sigma_px + 1)
        u, v = (x + diameter / 2) / sigma_px, (x - diameter / 2) / sigma_px
        scale = 1 / (math.sqrt(2 * math.pi) * sigma_px)
        d_left, d_right = -scale * np.exp(-u * u / 2), scale * np.exp(-v * v / 2)
        jacobian = np.stack([d_left, d_right, ndtr(u) - ndtr(v), np.ones(x.size)])
        covariance = np.linalg.inv(jacobian @ jacobian.T)
        gains[i] = math.sqrt(covariance[0, 0] + covariance[1, 1] - 2 * covariance[0, 1])
    return diameters, gains


def _empty_rows() -> GuidedRows:
    numbers, flags = np.empty(0), np.empty(0, bool)
    return GuidedRows(*(numbers,) * 9, *(flags,) * 4)
