"""Edges of a vessel where a passing cell darkens the lumen beside them, compiled.

Imported only when a measurement starts: importing numba takes half a second. All loops release the
GIL.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import numpy as np
from scipy.special import ndtr

from napari_bloodflow.analysis.kernels._compile import compiled_exactly

if TYPE_CHECKING:
    from numpy.typing import NDArray

__all__ = ["EDGE_REACH", "measure_in_shadow", "rise", "steepness"]

EDGE_REACH = 6.0
"""Beyond so many sigmas an edge is flat."""

_PER_SIGMA = 64
_RISE = ndtr(np.arange(-EDGE_REACH, EDGE_REACH + 0.5 / _PER_SIGMA, 1.0 / _PER_SIGMA))
_OUTSIDE_PX = 7.0
_INSIDE_PX = 6.0
_STEP_PX = 0.25
_NUM_PLACES = 41
# Of the contrast: what the light left may be and how it may change along the line, before anything
# is known; how far a straight line is from how it does change; what is too little to see an edge.
_LIGHT = 0.5
_LIGHT_SLOPE = 0.1
_ROUGH = 0.05
_LEAST_LIGHT = 0.08


@compiled_exactly
def rise(u: float) -> float:
    """Interpolate the normal distribution function in a table: exact to 1e-5, and fast."""
    place = (u + EDGE_REACH) * _PER_SIGMA
    if place <= 0.0:
        return 0.0
    if place >= _RISE.size - 1:
        return 1.0
    i = int(place)
    return float(_RISE[i] + (place - i) * (_RISE[i + 1] - _RISE[i]))


@compiled_exactly
def steepness(u: float) -> float:
    """Look up the density of the normal distribution, in some unit."""
    place = (u + EDGE_REACH) * _PER_SIGMA
    if not 0.0 <= place < _RISE.size - 1:
        return 0.0
    i = int(place)
    return float(_RISE[i + 1] - _RISE[i])


@compiled_exactly
def measure_in_shadow(
    values: NDArray[np.float64],
    guess: float,
    spread: float,
    crossing: float,
    inward: int,
    middle: float,
    low: float,
    size: float,
    sigma: float,
    variance: float,
    found: NDArray[np.float64],
) -> bool:
    """Find an edge beside which the lumen is darkened by an unknown, sloping amount.

    The profile is ``low + (a + c u) Phi(u / s)`` with the distance u inwards from the edge. a and c
    are fitted at every place that the edge may have; the edge is the mean of these places, weighted
    by how well each fits and how near it is to where the guide has it.

    Parameters
    ----------
    values : ndarray of float64, shape (position,)
        Profile.
    guess, spread : float
        Where the guide has the edge, and the mean square of how far ordinary rows depart from it.
    crossing : float
        Where the profile is half way, NaN if it never is.
    inward : int
        1 for the left, -1 for the right edge.
    middle : float
        Middle of the vessel.
    low, size : float
        Intensity outside, and contrast without a cell.
    sigma : float
        Blur of an edge, pixels.
    variance : float
        Of a pixel of the profile.
    found : ndarray of float64, shape (3,)
        Written: the edge, its variance, and the mean square departure from the fit.

    Returns
    -------
    bool
        The fit is good, and better than a whole edge at the crossing and than no edge at all.
    """
    near = guess - inward * _OUTSIDE_PX
    far = guess + inward * min(_INSIDE_PX, abs(middle - guess))
    start = max(0, math.ceil(min(near, far)))
    stop = min(values.size - 1, math.floor(max(near, far)))
    num = stop - start + 1
    if num < 8:
        return False
    cost = np.empty(_NUM_PLACES)
    rough = variance + (_ROUGH * size) ** 2
    prior_a = rough / (_LIGHT * size) ** 2
    prior_c = rough / (_LIGHT_SLOPE * size) ** 2
    lightest = prior_a * _LIGHT * size
    best, least, light = np.inf, np.inf, 0.0
    for k in range(_NUM_PLACES):
        place = guess + (k - _NUM_PLACES // 2) * _STEP_PX
        s00, s01, s11 = prior_a, 0.0, prior_c
        t0, t1, rest = lightest, 0.0, lightest * _LIGHT * size
        for x in range(start, stop + 1):
            u = (x - place) * inward
            part = rise(u / sigma)
            sloping = u * part
            y = values[x] - low
            s00 += part * part
            s01 += part * sloping
            s11 += sloping * sloping
            t0 += part * y
            t1 += sloping * y
            rest += y * y
        determinant = s00 * s11 - s01 * s01
        a = (s11 * t0 - s01 * t1) / determinant
        c = (s00 * t1 - s01 * t0) / determinant
        cost[k] = rest - a * t0 - c * t1
        best = min(best, cost[k])
        unlikely = cost[k] + rough * (place - guess) ** 2 / spread
        if unlikely < least:
            least, light = unlikely, a
    whole = empty = 0.0
    for x in range(start, stop + 1):
        y = values[x] - low
        empty += y * y
        if not math.isnan(crossing):
            whole += (y - size * rise((x - crossing) * inward / sigma)) ** 2
    if math.isnan(crossing):
        whole = empty
    found[2] = best / (num - 3)
    is_good = found[2] < max(4.0 * variance, (2.0 * _ROUGH * size) ** 2)
    if not is_good or light < _LEAST_LIGHT * size or best + 12.0 * variance > min(whole, empty):
        return False
    rough = max(variance, found[2]) + (_ROUGH * size) ** 2
    total = first = second = 0.0
    for k in range(_NUM_PLACES):
        d = (k - _NUM_PLACES // 2) * _STEP_PX
        weight = math.exp(-0.5 * ((cost[k] - best) / rough + d * d / spread))
        total += weight
        first += weight * d
        second += weight * d * d
    found[0] = guess + first / total
    found[1] = second / total - (first / total) ** 2
    return True
