"""Velocities of lines that are scanned pixel after pixel, and not at once.

Pixel ``x`` of line ``n`` is recorded at the time ``n dt + x tau``, where ``tau`` is the pixel dwell
time, if lines are scanned towards larger column. A cell at ``v t`` is then seen at::

    x dx = v (n dt + x tau)
    x = n (v dt / dx) / (1 - v tau / dx)

so its streak has the slope of the apparent velocity ``u = v / (1 - v tau / dx)``: a cell that moves
along with the scan is met again later and seems faster. Solved for the true velocity::

    v = u / (1 + u tau / dx) = s dx / (dt (1 + s tau / dt))

with the slope ``s = u dt / dx`` in pixels per line. Lines that are scanned towards smaller column
have the opposite sign of ``tau``.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import ArrayLike, NDArray

__all__ = ["apparent_velocity", "true_velocity"]


def true_velocity(apparent: ArrayLike, scan_s_per_um: float) -> NDArray[np.float64]:
    """Velocity of cells whose streaks have an apparent one.

    Parameters
    ----------
    apparent : array_like of float, any shape
        Velocity from the slope of the streaks, um/s, positive towards larger column.
    scan_s_per_um : float
        Time that the scan takes per micrometre, ``tau / dx``; positive if it goes towards larger
        column, 0 if all pixels of a line are recorded at once.

    Returns
    -------
    ndarray of float64, the same shape
        In um/s; NaN where the streaks are those of cells that outrun the scan.
    """
    seen = np.asarray(apparent, np.float64)
    factor = 1.0 + seen * scan_s_per_um
    return np.asarray(seen / np.where(factor > 0, factor, np.nan), np.float64)


def apparent_velocity(true: ArrayLike, scan_s_per_um: float) -> NDArray[np.float64]:
    """Velocity that the streaks of cells seem to have; the inverse of `true_velocity`.

    Parameters
    ----------
    true : array_like of float, any shape
        Velocity of the cells, um/s, positive towards larger column.
    scan_s_per_um : float
        See `true_velocity`.

    Returns
    -------
    ndarray of float64, the same shape
        In um/s; infinite for cells that keep up with the scan or outrun it.
    """
    moving = np.asarray(true, np.float64)
    factor = 1.0 - moving * scan_s_per_um
    with np.errstate(divide="ignore"):
        return np.asarray(moving / np.maximum(factor, 0.0), np.float64)
