"""A synthetic kymograph, the noise of counting its photons, and its file."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from pathlib import Path

    from numpy.typing import NDArray

__all__ = [
    "PLASMA_COUNTS",
    "SyntheticKymograph",
    "check_positive",
    "count_photons",
    "photons_for_snr",
    "write_tiff",
]

PLASMA_COUNTS = 2000.0
"""Brightness of undisturbed plasma, in counts: well inside 16 bits, with room for bright noise."""


@dataclass(frozen=True, slots=True, eq=False)
class SyntheticKymograph:
    """A kymograph and what is true of it.

    Attributes
    ----------
    image : ndarray of uint16, shape (time, position)
        Brightness in counts.
    dt_s : float
        Time from one line to the next, seconds.
    dx_um : float
        Distance from one pixel to the next along the line, micrometres.
    name : str
        Short name, fit for a file or a layer.
    description : str
        One sentence for people.
    velocity_um_per_s : ndarray of float64, shape (time,), or None
        Velocity from this row to the next, um/s, positive towards larger column.
    diameter_um : ndarray of float64, shape (time,), or None
        Distance between the edges, micrometres.
    left_edge_px, right_edge_px : ndarray of float64, shape (time,), or None
        Where the vessel's edges are; the centre of column i is at i.
    df_f : ndarray of float64, shape (time,), or None
        Brightness over that at rest, less 1.
    onset_s, peak_s : ndarray of float64, shape (transients,), or None
        When transients begin, and when they are highest.
    cell_px : ndarray of float64, shape (cells,), or None
        Where the cells are on the train that moves: the one at p has its centre in column
        ``p + sum(velocity_um_per_s[:t]) * dt_s / dx_um``, if all pixels of a line are recorded at
        once, and again every `train_px` before and after.
    train_px : float or None
        Length of the train.
    """

    image: NDArray[np.uint16]
    dt_s: float
    dx_um: float
    name: str
    description: str
    velocity_um_per_s: NDArray[np.float64] | None = None
    diameter_um: NDArray[np.float64] | None = None
    left_edge_px: NDArray[np.float64] | None = None
    right_edge_px: NDArray[np.float64] | None = None
    df_f: NDArray[np.float64] | None = None
    onset_s: NDArray[np.float64] | None = None
    peak_s: NDArray[np.float64] | None = None
    cell_px: NDArray[np.float64] | None = None
    train_px: float | None = None


def write_tiff(kymograph: SyntheticKymograph, path: str | Path) -> None:
    """Write the image as an ImageJ TIFF that carries its calibration.

    The pixel size is in the resolution tags with the unit um, the line time in ``finterval``, in
    seconds. The vertical resolution repeats the pixel size, so that the image opens undistorted; it
    says nothing about time.

    Parameters
    ----------
    kymograph : SyntheticKymograph
        What to write; the truth is not written.
    path : path-like
        New file.

    Raises
    ------
    FileExistsError
        If there is a file of that name; it is left alone.
    """
    from tifffile import imwrite

    metadata: dict[str, Any] = {
        "axes": "YX",
        "unit": "um",
        "finterval": kymograph.dt_s,
        "Info": f"{kymograph.name}: {kymograph.description}",
    }
    per_um = 1.0 / kymograph.dx_um
    with open(path, "xb") as file:
        imwrite(file, kymograph.image, imagej=True, resolution=(per_um, per_um), metadata=metadata)


def check_positive(**values: float) -> None:
    """Refuse values that are not above 0, by name."""
    for name, value in values.items():
        if not value > 0:
            raise ValueError(f"{name} must be positive; it is {value!r}")


def photons_for_snr(snr: float, signal: float, mean: float) -> float:
    """Photons at brightness 1 for which ``signal`` is ``snr`` times the noise at ``mean``."""
    return snr**2 * mean / signal**2 if signal > 0 else 1.0


def count_photons(
    bright: NDArray[np.float32], photons: float, rng: np.random.Generator
) -> NDArray[np.uint16]:
    """Draw counts whose mean is `bright`, as noisy as those of `photons` at full brightness."""
    counts: NDArray[Any] = bright * np.float32(PLASMA_COUNTS)
    # So many photons that their noise is far below one count; the generator refuses such numbers.
    if photons < 1e9:
        counts = rng.poisson(bright * photons) * (PLASMA_COUNTS / photons)
    image: NDArray[np.uint16] = np.clip(np.rint(counts), 0, 2**16 - 1).astype(np.uint16)
    return image
