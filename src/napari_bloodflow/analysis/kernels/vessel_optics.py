"""What a vessel of a given diameter looks like, and the diameter that a measured width stands for.

A line across a vessel shows the fluorescence along the depth of focus. If that is thin, the profile
is flat and its half width is the diameter; if it is deep, as in a projection, the profile is that
of a cylinder and the half width is 14 to 18 % too small. Measuring model profiles with the same
procedure tells by how much.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Literal

import numpy as np

from napari_bloodflow.analysis.kernels.edges_guided import (
    GuidedSettings,
    edge_sigma_px,
    iter_guided_edges,
)

if TYPE_CHECKING:
    from numpy.typing import NDArray

__all__ = ["OpticalModel", "diameter_calibration", "vessel_profile"]

OpticalModel = Literal["flat", "section", "cylinder"]

_MARGIN_SIGMAS = 20.0
_NUM_DIAMETERS = 48
_NUM_NODES = 48


def vessel_profile(
    x_px: NDArray[np.float64],
    diameter_px: float,
    sigma_px: float,
    model: OpticalModel = "flat",
    section_px: float = 1.0,
) -> NDArray[np.float64]:
    """Draw the profile of a vessel centred at 0.

    Parameters
    ----------
    x_px : ndarray of float64, shape (n,)
        Places.
    diameter_px : float
        Diameter.
    sigma_px : float
        Blur of an edge.
    model : {"flat", "section", "cylinder"}, optional
        A thin focus; one that fades over `section_px`; or one deeper than the vessel.
    section_px : float, optional
        Depth over which the signal fades, in pixels along the line.

    Returns
    -------
    ndarray of float64, shape (n,)
        Brightness, 1 in the middle of a wide vessel.

    Notes
    -----
    ``p(x) = integral g(x - r) w(r) dr`` over the vessel with the Gaussian ``g``. For the radius R
    and ``h = sqrt(R**2 - r**2)`` the weight w is 1, ``(1 - exp(-h / l)) / (1 - exp(-R / l))`` or
    ``h / R``.
    """
    from scipy.special import ndtr

    radius = diameter_px / 2
    if model == "flat":
        return np.asarray(ndtr((x_px + radius) / sigma_px) - ndtr((x_px - radius) / sigma_px))
    # r = R sin(angle) takes the infinite slope at the ends away
    nodes, weights = np.polynomial.legendre.leggauss(_NUM_NODES * (1 + int(radius / sigma_px / 8)))
    angle = nodes * math.pi / 2
    place, half_chord = radius * np.sin(angle), radius * np.cos(angle)
    height = half_chord / radius
    if model == "section":
        height = np.expm1(-half_chord / section_px) / math.expm1(-radius / section_px)
    height = height * half_chord * weights * (math.pi / 2)
    blur = np.exp(-0.5 * ((x_px[:, np.newaxis] - place) / sigma_px) ** 2)
    return np.asarray(blur @ height / (math.sqrt(2 * math.pi) * sigma_px))


def diameter_calibration(
    settings: GuidedSettings, widest_px: float, model: OpticalModel, section_px: float = 1.0
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Measure model vessels of known diameters.

    Parameters
    ----------
    settings : GuidedSettings
        How the widths are measured.
    widest_px : float
        Largest width of interest.
    model, section_px
        As in `vessel_profile`.

    Returns
    -------
    width_px, diameter_px : ndarray of float64, shape (n,)
        Measured widths, ascending, and the diameters that they stand for.
    """
    sigma = edge_sigma_px(settings.blur_px)
    half = math.ceil(0.65 * widest_px + _MARGIN_SIGMAS * sigma)
    x = np.arange(-half, half + 1, dtype=np.float64)
    # not centred on a pixel, as few vessels are
    offset = 0.25
    diameters = np.geomspace(2.5 * sigma, 1.25 * max(widest_px, 4 * sigma), _NUM_DIAMETERS)
    plain = GuidedSettings(1, 1, blur_px=settings.blur_px, refine=settings.refine)
    widths = np.empty(diameters.size)
    for i, diameter in enumerate(diameters):
        profile = vessel_profile(x - offset, float(diameter), sigma, model, section_px)
        rows = [rows for rows in iter_guided_edges(profile[np.newaxis], plain) if rows.left.size]
        widths[i] = rows[0].right[0] - rows[0].left[0]
    known = np.isfinite(widths)
    widths, diameters = widths[known], diameters[known]
    rising = np.concatenate([[True], np.diff(np.maximum.accumulate(widths)) > 0])
    return widths[rising], diameters[rising]
