"""How accurate velocities are at given settings: speed by speed, on simulated records."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from napari_bloodflow.analysis.kernels.lag_confidence import certainty
from napari_bloodflow.analysis.kernels.lag_correlation import lag_velocity
from napari_bloodflow.analysis.radon_velocity import RadonVelocity, RadonVelocityParams
from napari_bloodflow.analysis.velocity_normalized import lag_options, num_threads
from napari_bloodflow.calibration import Calibration
from napari_bloodflow.synthetic import moving_streaks

if TYPE_CHECKING:
    from numpy.typing import NDArray

__all__ = ["AccuracyAtlas", "accuracy_atlas"]

# Each speed lasts for two windows; the five windows that overlap by three quarters and lie inside
# are scored.
_SEGMENT_WINDOWS = 2
_QUARTERS, _SCORED = 4, 5

# Slowest speed: displacement over a window. Fastest: part of the line per line, just beyond what
# can be told at all.
_SLOWEST_PX = 1.5
_FASTEST = 0.9

_PER_DECADE = 8

# Simulated at most, so that it takes seconds.
_MOST_PIXELS = 24_000_000

# Speeds of which fewer windows are accepted are outside the range.
_HALF = 0.5


@dataclass(frozen=True, slots=True, eq=False)
class AccuracyAtlas:
    """Expected accuracy over speed at given settings.

    Attributes
    ----------
    dx_um, dt_s : float
        Steps of a pixel (um) and a line (s).
    n_px, window : int
        Pixels per line, lines per window.
    snr : float
        Standard deviation of the moving pattern over that of the noise in one pixel.
    table : DataFrame
        One row per speed, increasing: ``speed_mm_per_s``, ``shift_px`` (px per line),
        ``median_error`` and ``error_95`` (median and 95th percentile of the relative error of the
        accepted windows; NaN if there is none), ``accepted_fraction``, ``num_windows``.
    """

    dx_um: float
    dt_s: float
    n_px: int
    window: int
    snr: float
    table: pd.DataFrame

    def speed_range(self, tolerance: float = 0.02) -> tuple[float, float] | None:
        """Return the widest range of speeds in which results hold.

        Parameters
        ----------
        tolerance : float, optional
            Largest median relative error.

        Returns
        -------
        tuple of float or None
            Slowest and fastest simulated speed, mm/s, between which the median error is at most
            `tolerance` and at least half of the windows are accepted throughout.
        """
        rows = self._rows_within(tolerance)
        if rows is None:
            return None
        speed = self.table["speed_mm_per_s"].iloc[rows]
        return float(speed.iloc[0]), float(speed.iloc[-1])

    def sentence(self, tolerance: float = 0.02) -> str:
        """Say in one sentence what speeds these settings are good for.

        Parameters
        ----------
        tolerance : float, optional
            Largest median relative error.
        """
        rows = self._rows_within(tolerance)
        percent = f"{100 * tolerance:.2g} %"
        if rows is None:
            return f"at your settings no speed within {percent}"
        inside = self.table.iloc[rows]
        low, high = inside["speed_mm_per_s"].iloc[[0, -1]]
        return (
            f"at your settings {low:.2g}-{high:.2g} mm/s within {percent} (median error; 95 % of "
            f"the accepted windows within {100 * inside['error_95'].max():.2g} % throughout; "
            f"{100 * inside['accepted_fraction'].mean():.0f} % accepted)"
        )

    def _rows_within(self, tolerance: float) -> slice | None:
        good = self.table["median_error"].le(tolerance) & self.table["accepted_fraction"].ge(_HALF)
        best = slice(0, 0)
        start = 0
        for row, is_good in enumerate([*good, False]):
            if not is_good:
                if row - start > best.stop - best.start:
                    best = slice(start, row)
                start = row + 1
        return best if best.stop > best.start else None


def accuracy_atlas(
    dx_um: float,
    dt_s: float,
    n_px: int,
    window: int = 64,
    snr: float = 1.0,
    *,
    speeds_mm_per_s: NDArray[np.float64] | None = None,
    windows_per_speed: int = 60,
    cell_spacing_um: float = 10.0,
    cell_width_um: float = 4.0,
    params: dict[str, Any] | None = None,
    seed: int = 0,
) -> AccuracyAtlas:
    """Simulate flow at many speeds and measure it as `radon_velocity` does.

    Parameters
    ----------
    dx_um, dt_s : float
        Steps of a pixel (um) and a line (s).
    n_px : int
        Pixels per line, those of the ROI.
    window : int, optional
        Lines per window, a multiple of 4 and at least 8.
    snr : float, optional
        Standard deviation of the moving pattern over that of the noise in one pixel.
    speeds_mm_per_s : ndarray, shape (speeds,), optional
        Speeds without sign; by default eight per decade, from 1.5 pixels per window to 0.9 lines
        per line.
    windows_per_speed : int, optional
        Windows of each speed, which overlap in groups of five; fewer if that were many pixels.
    cell_spacing_um, cell_width_um : float, optional
        Cells, as in `synthetic.moving_streaks`.
    params : dict, optional
        Other parameters of `radon_velocity`, method ``normalized``.
    seed : int, optional
        Everything random follows from it.

    Returns
    -------
    AccuracyAtlas
        Table, sentence and range.

    Raises
    ------
    ValueError
        If a size, step or speed is not positive, or a parameter does not fit.

    Notes
    -----
    Cells are rigid and all of one speed, and half of the speeds are backward. Speeds alternate
    within one record, so its background is known as well as in a record of minutes. The cells of a
    vessel differ in speed: real errors are larger.
    """
    calibration = Calibration(dt_s, dx_um, "user", is_known=True)
    given = RadonVelocity.check_params({**(params or {}), "window_width": window})
    checked = RadonVelocityParams.model_validate(given)
    if checked.method == "classic" or checked.scan_direction == "bidirectional":
        raise ValueError(
            "the atlas is of method normalized and of lines scanned in one direction; for "
            "bidirectional lines give twice the dt_s and half the window"
        )
    options = lag_options(checked, calibration)
    unit = dx_um / dt_s
    if speeds_mm_per_s is None:
        shift = _speeds_px(window, n_px)
    else:
        shift = np.unique(np.asarray(speeds_mm_per_s, np.float64)) * (1000.0 / unit)
    if not (shift.size and (shift > 0).all() and np.isfinite(shift).all()):
        raise ValueError("speeds_mm_per_s must be positive numbers")
    lines = _SEGMENT_WINDOWS * window
    repeats = math.ceil(windows_per_speed / _SCORED)
    repeats = max(1, min(repeats, _MOST_PIXELS // (shift.size * lines * n_px)))
    rng = np.random.default_rng(seed)
    order = rng.permuted(np.tile(np.arange(shift.size), (repeats, 1)), axis=1).ravel()
    truth = shift[order] * rng.choice([-1.0, 1.0], order.size)
    record = moving_streaks(
        order.size * lines,
        n_px,
        dt_s=dt_s,
        dx_um=dx_um,
        velocity_um_per_s=np.repeat(truth, lines) * unit,
        cell_spacing_um=cell_spacing_um,
        cell_width_um=cell_width_um,
        snr=snr,
        seed=seed,
    )
    found = lag_velocity(record.image, options, num_threads=num_threads())
    sure = certainty(found, window, n_px)
    accepted = (found.reason == "ok") & (sure.confidence >= checked.min_confidence)
    first = np.arange(order.size) * (_QUARTERS * _SEGMENT_WINDOWS) // options.stride
    every = first[:, np.newaxis] + np.arange(0, _SCORED, options.stride) // options.stride
    error = np.abs(found.displacement_px[every] / truth[:, np.newaxis] - 1)
    error[~accepted[every]] = math.nan
    rows = [_row(px, px * unit / 1000.0, error[order == i]) for i, px in enumerate(shift)]
    return AccuracyAtlas(dx_um, dt_s, n_px, window, snr, pd.DataFrame(rows))


def _speeds_px(window: int, n_px: int) -> NDArray[np.float64]:
    slowest, fastest = _SLOWEST_PX / window, _FASTEST * n_px
    number = max(2, round(_PER_DECADE * math.log10(fastest / slowest)))
    return np.asarray(np.geomspace(slowest, fastest, number), np.float64)


def _row(shift_px: float, speed_mm_per_s: float, error: NDArray[np.float64]) -> dict[str, float]:
    kept = error[np.isfinite(error)]
    return {
        "speed_mm_per_s": speed_mm_per_s,
        "shift_px": shift_px,
        "median_error": float(np.median(kept)) if kept.size else math.nan,
        "error_95": float(np.percentile(kept, 95)) if kept.size else math.nan,
        "accepted_fraction": kept.size / error.size,
        "num_windows": error.size,
    }
