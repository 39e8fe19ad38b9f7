"""The velocities that angles of streaks stand for.

An angle is measured from the time axis of a kymograph whose rows are time: 0 is stationary, 90 is
infinitely fast, and up to 90 the motion is towards larger column.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import ArrayLike, NDArray

__all__ = ["reciprocal_velocity_from_theta", "velocity_from_theta"]


def velocity_from_theta(theta_deg: ArrayLike, dt_s: float, dx_um: float) -> NDArray[np.float64]:
    """Physical velocity of streaks at an angle: ``(dx / dt) * tan(theta)``.

    Parameters
    ----------
    theta_deg : array_like of float, any shape
        Angle from the time axis in degrees, any multiple of 180 added.
    dt_s : float
        Time from one line to the next, seconds.
    dx_um : float
        Distance from one pixel to the next along the line, micrometres.

    Returns
    -------
    ndarray of float64, the same shape
        Velocity in um/s, positive towards larger column. Exactly 0 at 0 degrees; NaN at 90 degrees,
        where the speed has no value, and where the angle is NaN.

    Raises
    ------
    ValueError
        If ``dt_s`` or ``dx_um`` is not a positive finite number.
    """
    scale = _um_per_s(dt_s, dx_um)
    theta = np.mod(np.asarray(theta_deg, np.float64), 180.0)
    # tan of 90 degrees in floating point is 1.6e16, which would pass for a number.
    return np.asarray(
        scale * np.tan(np.deg2rad(np.where(theta == 90.0, np.nan, theta))), np.float64
    )


def reciprocal_velocity_from_theta(
    theta_deg: ArrayLike, dt_s: float, dx_um: float
) -> NDArray[np.float64]:
    """Give the number in CloudScope's ``velocity`` column: ``(dx / dt) / tan(theta)``.

    It is the physical velocity only at one pixel per line; use it to recognise such a table, and
    `velocity_from_theta` to measure.

    Parameters
    ----------
    theta_deg : array_like of float, any shape
        Angle from the time axis in degrees, not wrapped, as in the table.
    dt_s : float
        Time from one line to the next, seconds.
    dx_um : float
        Distance from one pixel to the next along the line, micrometres.

    Returns
    -------
    ndarray of float64, the same shape
        The column's value; NaN where it is not finite (a stationary pattern).

    Raises
    ------
    ValueError
        If ``dt_s`` or ``dx_um`` is not a positive finite number.
    """
    scale = _um_per_s(dt_s, dx_um)
    with np.errstate(divide="ignore", invalid="ignore"):
        value = scale / np.tan(np.deg2rad(np.asarray(theta_deg, np.float64)))
    return np.asarray(np.where(np.isfinite(value), value, np.nan), np.float64)


def _um_per_s(dt_s: float, dx_um: float) -> float:
    for name, value in (("dt_s", dt_s), ("dx_um", dx_um)):
        if not (math.isfinite(value) and value > 0):
            raise ValueError(f"{name} must be a positive number; it is {value!r}")
    return dx_um / dt_s
