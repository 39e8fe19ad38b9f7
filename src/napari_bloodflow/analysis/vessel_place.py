"""Where along the scanned line a vessel is, from the brightness averaged over time."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from napari_bloodflow.analysis.kernels.profiles import check_profiles
from napari_bloodflow.errors import NoVesselError

if TYPE_CHECKING:
    from numpy.typing import NDArray

__all__ = ["VesselColumns", "find_vessel"]

_MAX_LINES = 8192
_SMOOTH_PX = 1.0
_EDGE_PX = 3  # on either side of an edge; the slope of the edge tells nothing of unevenness
_FEWEST_COLUMNS = 3
# Of the step at the edges: more unevenness than this, inside or outside, may be all there is.
_GREATEST_UNEVENNESS = 0.25
_SMALLEST_STEP_SD = 6.0  # of the noise that is left in the average


@dataclass(frozen=True, slots=True)
class VesselColumns:
    """The columns of a vessel.

    Parameters
    ----------
    start, stop : int
        First column whose centre is in the vessel, and the column after the last one.
    left_px, right_px : float
        Edges, half way between the brightness outside and inside; NaN where the vessel goes on
        beyond the image.
    is_dark : bool
        Whether the vessel is darker than its surroundings.
    """

    start: int
    stop: int
    left_px: float
    right_px: float
    is_dark: bool

    def with_edges(self, num_columns: int) -> tuple[int, int]:
        """Return start and stop with a quarter of the width more on either side.

        A diameter needs both edges and some of what is beside them.

        Parameters
        ----------
        num_columns : int
            Those of the image, to which it is cut.
        """
        more = max(_EDGE_PX, math.ceil((self.stop - self.start) / 4))
        return max(0, self.start - more), min(num_columns, self.stop + more)


def find_vessel(image: NDArray[Any]) -> VesselColumns:
    """Find the columns of the vessel that stands out most in the mean over time.

    A bright one with both edges in the image is preferred, then a dark one with both, then a
    bright one that one end of the line is in.

    Parameters
    ----------
    image : ndarray, shape (time, position)
        Kymograph. Of a long one 8192 lines, evenly spread, are looked at; pixels that are not
        finite are left out.

    Returns
    -------
    VesselColumns
        Where it is.

    Raises
    ------
    NoVesselError
        (a ValueError) if no part of the line stands out, as where the whole line is in the vessel.
    ValueError
        If the image is not 2-D and numeric or has fewer than 2 columns.

    Notes
    -----
    Edges are those of the guide that the diameter is measured with, here of one profile of all
    lines. A vessel that moves along the line meanwhile looks wider, its edges less steep.
    """
    check_profiles(image, 1, 1)
    profile, noise = _profile(image)
    found = [_seen(profile, noise, is_dark=is_dark) for is_dark in (False, True)]
    whole = [v for v in found if v is not None and not math.isnan(v.left_px + v.right_px)]
    for vessel in (*whole, found[0]):
        if vessel is not None:
            return vessel
    raise NoVesselError(
        "in the average of all lines no part is clearly brighter or darker than the rest, as where"
        " the whole line is in one vessel"
    )


def _profile(image: NDArray[Any]) -> tuple[NDArray[np.float64], float]:
    """Return the smooth mean over time, and the standard deviation of the noise left in it."""
    from scipy.ndimage import gaussian_filter1d

    step = -(-image.shape[0] // _MAX_LINES)
    lines = np.array(image[::step], dtype=np.float64)
    lines[~np.isfinite(lines)] = np.nan
    count = np.isfinite(lines).sum(axis=0)
    if not count.all():
        raise NoVesselError("some columns have no pixel that is a number")
    mean = np.nanmean(lines, axis=0)
    noise = float(np.median(np.nanstd(lines, axis=0) / np.sqrt(count)))
    return gaussian_filter1d(mean, _SMOOTH_PX, mode="nearest"), noise


def _seen(profile: NDArray[np.float64], noise: float, *, is_dark: bool) -> VesselColumns | None:
    from napari_bloodflow.analysis.kernels import _vessel_guide_numba as guiding

    smooth = -profile if is_dark else profile
    num_columns = len(smooth)
    darkest = np.sort(smooth)[: max(1, num_columns // 4)].mean()
    guide = np.empty((1, 6))
    guiding.find_guide(smooth[np.newaxis], np.array([darkest]), _SMOOTH_PX, guide)
    left, right, low, high = guide[0, :4]
    if math.isnan(left) and math.isnan(right):
        return None
    start = 0 if math.isnan(left) else math.ceil(left)
    stop = num_columns if math.isnan(right) else math.floor(right) + 1
    step = high - low
    columns = np.arange(num_columns)
    inside = (columns >= start + _EDGE_PX) & (columns < stop - _EDGE_PX)
    outside = (columns < start - _EDGE_PX) | (columns >= stop + _EDGE_PX)
    uneven = max((_unevenness(smooth[part]) for part in (inside, outside)), default=0.0)
    is_clear = step > _SMALLEST_STEP_SD * noise and uneven < _GREATEST_UNEVENNESS * step
    if not is_clear or stop - start < _FEWEST_COLUMNS:
        return None
    return VesselColumns(start, stop, float(left), float(right), is_dark)


def _unevenness(values: NDArray[np.float64]) -> float:
    """Return the standard deviation, robust against a neighbouring vessel."""
    if values.size < 2:
        return 0.0
    return 1.4826 * float(np.median(np.abs(values - np.median(values))))
