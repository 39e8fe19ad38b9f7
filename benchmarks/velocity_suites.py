"""Kymographs of known velocity, in suites that each have one difficulty.

Every record is cut into segments of two windows with a velocity of their own, drawn so that all
magnitudes are equally frequent and both signs occur. Only windows inside one segment are scored.
"""

from __future__ import annotations

import dataclasses
import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from napari_bloodflow.synthetic import moving_streaks

if TYPE_CHECKING:
    from numpy.typing import NDArray


@dataclass(frozen=True)
class Suite:
    """What the records of a suite are like.

    Attributes
    ----------
    name : str
        Short name.
    window, num_columns : int
        Lines per window, pixels per line.
    dx_um, dt_s : float
        Steps of a pixel and a line.
    slowest, fastest : float
        Range of velocities, px/line.
    snr : float
        Standard deviation of the moving pattern over that of the noise in one pixel.
    noise : str
        ``"gauss"``, or ``"poisson"`` for that of counted photons.
    bands, gradient, flicker : float
        Standard deviation of a standing pattern, of a ramp across the line, of the brightness of
        whole lines; in units of the moving pattern's.
    lost : float
        Part of the lines that are black.
    spread : float
        Standard deviation of the cells' velocities, relative.
    spacing_um, cell_um : float
        Distance between cells and their width.
    stalled : float
        Part of the segments in which the cells stand still.
    moving : bool
        False for noise without any cell.
    """

    name: str
    window: int = 64
    num_columns: int = 128
    dx_um: float = 0.25
    dt_s: float = 0.001
    slowest: float = 0.05
    fastest: float = 35.0
    snr: float = math.inf
    noise: str = "gauss"
    bands: float = 0.0
    gradient: float = 0.0
    flicker: float = 0.0
    lost: float = 0.0
    spread: float = 0.0
    spacing_um: float = 10.0
    cell_um: float = 4.0
    stalled: float = 0.0
    moving: bool = True


G1 = Suite("G1 clean")
G2 = Suite("G2 clean", 16, 38, 0.284, 0.00117, 0.2, 12.0)
G3 = Suite("G3 clean", 128, 256, 0.2, 0.0005, 0.03, 60.0)


def _variant(base: Suite, name: str, **changes: object) -> Suite:
    return dataclasses.replace(base, name=f"{base.name[:2]} {name}", **changes)  # type: ignore[arg-type]


SUITES = (
    G1,
    _variant(G1, "SNR 4", snr=4.0),
    _variant(G1, "SNR 2", snr=2.0),
    _variant(G1, "SNR 1", snr=1.0),
    _variant(G1, "SNR 0.5", snr=0.5),
    _variant(G1, "SNR 0.25", snr=0.25),
    _variant(G1, "bands", snr=1.0, bands=1.0),
    _variant(G1, "gradient", snr=1.0, gradient=1.0),
    _variant(G1, "flicker", snr=1.0, flicker=1.0),
    _variant(G1, "lost lines", snr=1.0, lost=0.03),
    _variant(G1, "Poisson", snr=1.0, noise="poisson"),
    _variant(G1, "spread 5 %", snr=1.0, spread=0.05),
    _variant(G1, "dense", snr=1.0, spacing_um=6.7),
    _variant(G1, "sparse", snr=1.0, spacing_um=26.7),
    G2,
    _variant(G2, "SNR 1", snr=1.0),
    _variant(G2, "SNR 0.25", snr=0.25),
    G3,
    _variant(G3, "SNR 1", snr=1.0),
    _variant(G3, "SNR 0.25", snr=0.25),
)
NOISE = (
    _variant(G1, "noise only", moving=False, snr=1.0),
    _variant(G2, "noise only", moving=False, snr=1.0),
)

_SEGMENTS = 32


@dataclass(frozen=True, eq=False)
class Record:
    """A record and the truth of its scored windows.

    Attributes
    ----------
    image : ndarray of uint16, shape (time, position)
        Brightness.
    window : ndarray of int64, shape (n,)
        Numbers of the windows inside one segment.
    truth : ndarray of float64, shape (n,)
        Their velocities, px/line; NaN without cells.
    """

    image: NDArray[np.uint16]
    window: NDArray[np.int64]
    truth: NDArray[np.float64]


def make_record(suite: Suite, seed: int) -> Record:
    """Draw one record; everything random follows from the seed."""
    rng = np.random.default_rng([seed, *suite.name.encode()])
    length = 2 * suite.window
    num_rows = _SEGMENTS * length
    # Evenly over the logarithm, so that the median of a suite does not depend on the draw.
    part = (rng.permutation(_SEGMENTS) + rng.random(_SEGMENTS)) / _SEGMENTS
    size = suite.slowest * (suite.fastest / suite.slowest) ** part
    truth = size * rng.choice([-1.0, 1.0], _SEGMENTS)
    if suite.stalled:
        truth[rng.random(_SEGMENTS) < suite.stalled] = 0.0
    bright = _pattern(suite, np.repeat(truth, length), rng)
    std = float(bright.std())
    if not suite.moving:
        bright = np.full_like(bright, bright.mean())
    x = np.arange(suite.num_columns)
    ramp = (x - x.mean()) / x.std()
    standing = np.convolve(rng.normal(size=suite.num_columns + 4), [1, 3, 4, 3, 1], "valid")
    standing = (standing - standing.mean()) / standing.std()
    bright = bright + std * (suite.bands * standing + suite.gradient * ramp)
    bright += std * suite.flicker * rng.normal(size=(num_rows, 1))
    if suite.noise == "gauss" and math.isfinite(suite.snr):
        bright += rng.normal(scale=std / suite.snr, size=bright.shape)
    # Room below zero, so that no noise is cut off.
    image = np.clip(np.rint(20_000 + bright), 1, 2**16 - 1).astype(np.uint16)
    image[rng.random(num_rows) < suite.lost] = 0
    quarters = np.arange(_SEGMENTS * 8 - 3)
    inside = quarters % 8 <= 4
    scored = truth[quarters // 8] if suite.moving else np.full(quarters.size, np.nan)
    return Record(image, quarters[inside], scored[inside])


def _pattern(
    suite: Suite, px_per_line: NDArray[np.float64], rng: np.random.Generator
) -> NDArray[np.float64]:
    """Brightness of the moving pattern, in counts."""
    populations = 5 if suite.spread else 1
    result = np.ones((px_per_line.size, suite.num_columns))
    for i in range(populations):
        # Normal quantiles, so that the spread is what it says with few populations.
        offset = 0.0 if populations == 1 else (-1.35, -0.6, 0.0, 0.6, 1.35)[i]
        streaks = moving_streaks(
            px_per_line.size,
            suite.num_columns,
            dt_s=suite.dt_s,
            dx_um=suite.dx_um,
            velocity_um_per_s=px_per_line * (1 + suite.spread * offset) * suite.dx_um / suite.dt_s,
            cell_spacing_um=suite.spacing_um * populations,
            cell_width_um=suite.cell_um,
            snr=suite.snr if suite.noise == "poisson" else math.inf,
            seed=int(rng.integers(2**31)),
        )
        result *= streaks.image / 2000.0
    return np.asarray(2000.0 * result)
