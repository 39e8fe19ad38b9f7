"""Where lines and pixels of a kymograph really are, where their steps are not all the same."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

__all__ = ["UnevenSteps", "place_at"]


@dataclass(frozen=True, slots=True, eq=False)
class UnevenSteps:
    """True places of the lines and pixels of a ROI.

    Parameters
    ----------
    times_s : ndarray, shape (rows,), optional
        Times of the lines from the first one, rising. None if every line takes the same time.
    positions_um : ndarray, shape (columns,), optional
        Distances of the pixels from the first one, rising. None if all pixels are of one size.
    """

    times_s: NDArray[np.float64] | None = None
    positions_um: NDArray[np.float64] | None = None

    def cut(self, rows: slice, columns: slice) -> UnevenSteps:
        """Return those of a part, counted from its own first line and pixel."""
        return UnevenSteps(_from_first(self.times_s, rows), _from_first(self.positions_um, columns))


def place_at(
    places: NDArray[np.float64] | None, step: float, index: NDArray[Any]
) -> NDArray[np.float64]:
    """Return the places of fractional indices.

    Parameters
    ----------
    places : ndarray, shape (n,), or None
        Place of each whole index; None if it is ``step`` times the index.
    step : float
        Mean step.
    index : ndarray
        Indices. Beyond the ends the first or last step goes on; NaN stays NaN.
    """
    if places is None or places.size < 2:
        return np.asarray(index * step, np.float64)
    known = np.where(np.isfinite(index), index, 0.0)
    below = np.clip(np.floor(known).astype(int), 0, places.size - 2)
    steps = np.diff(places)
    return np.where(np.isfinite(index), places[below] + (known - below) * steps[below], np.nan)


def _from_first(places: NDArray[np.float64] | None, part: slice) -> NDArray[np.float64] | None:
    return None if places is None else places[part] - places[part][0]
