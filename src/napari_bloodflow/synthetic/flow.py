"""Red cells that move along the scanned line, stand still, or are not there."""

from __future__ import annotations

import dataclasses
import math
from typing import TYPE_CHECKING, Literal

import numpy as np

from napari_bloodflow.synthetic.record import (
    SyntheticKymograph,
    check_positive,
    count_photons,
    photons_for_snr,
)

if TYPE_CHECKING:
    from numpy.typing import ArrayLike, NDArray

__all__ = ["moving_streaks", "noise_only", "pulsatile_flow", "stationary_pattern"]

# The cells sit on a ring of samples this much finer than a pixel. The ring comes round again only
# after a length that no window of an analysis can hold.
_PER_PIXEL = 16
_LONGEST_RING_PX = 2**16

_BLOCK_ROWS = 4096


def moving_streaks(
    num_rows: int,
    num_columns: int,
    *,
    dt_s: float = 0.001,
    dx_um: float = 0.5,
    velocity_um_per_s: ArrayLike = 500.0,
    cell_spacing_um: float = 10.0,
    cell_width_um: float = 4.0,
    snr: float = 3.0,
    static_bands: float = 0.0,
    pixel_dwell_s: float = 0.0,
    scan_direction: Literal["positive", "negative", "bidirectional"] = "positive",
    seed: int = 0,
) -> SyntheticKymograph:
    """Draw dark red blood cells that move as one train through bright plasma.

    Parameters
    ----------
    num_rows, num_columns : int
        Size of the image: lines and pixels per line.
    dt_s : float, optional
        Time from one line to the next, seconds.
    dx_um : float, optional
        Distance from one pixel to the next, micrometres.
    velocity_um_per_s : float or array_like, shape (num_rows,), optional
        Velocity from each row to the next, um/s, positive towards larger column.
    cell_spacing_um : float, optional
        Mean distance between cell centres. Distances are random: the width of a cell plus an
        exponential part.
    cell_width_um : float, optional
        Width of a cell's shadow, before the blur of the optics (a quarter of it).
    snr : float, optional
        Standard deviation of the moving pattern over that of the noise in one pixel; infinite for
        none. The noise is that of counted photons, so it grows with brightness.
    static_bands : float, optional
        Standard deviation of a brightness pattern that stands still, such as dirt or uneven
        staining, relative to that of the moving pattern.
    pixel_dwell_s : float, optional
        Time from one pixel of a line to the next, seconds; 0 for lines recorded at once.
    scan_direction : {"positive", "negative", "bidirectional"}, optional
        Direction in which the pixels of a line follow one another; positive is towards larger
        column. In bidirectional scans even lines are positive and odd ones negative.
    seed : int, optional
        Everything random follows from it.

    Returns
    -------
    SyntheticKymograph
        With ``velocity_um_per_s``.

    Raises
    ------
    ValueError
        If a size or a length is not positive, a cell is wider than the spacing, or there is not one
        velocity or one per row, all finite.

    Notes
    -----
    ``image[t, x] = noise(bands(x) * p(x - s[t]))`` with ``s[t] = sum(v[:t]) * dt / dx``, in pixels.
    ``p`` has no detail finer than a pixel, and is sampled finely enough to interpolate linearly.
    With a dwell time ``tau``, ``s`` of the pixel that is the i-th to be recorded grows by
    ``v[t] * i * tau / dx``.
    """
    check_positive(
        num_rows=num_rows,
        num_columns=num_columns,
        dt_s=dt_s,
        dx_um=dx_um,
        cell_width_um=cell_width_um,
        snr=snr,
    )
    if not cell_width_um < cell_spacing_um:
        raise ValueError(f"cells {cell_width_um} µm wide cannot be {cell_spacing_um} µm apart")
    velocity = np.array(velocity_um_per_s, np.float64)
    if velocity.shape not in ((), (num_rows,)) or not np.isfinite(velocity).all():
        raise ValueError(
            f"the velocity must be one finite number or {num_rows}, one per row; "
            f"it has the shape {velocity.shape}"
        )
    velocity = np.broadcast_to(velocity, num_rows).copy()
    rng = np.random.default_rng(seed)
    shift_px = np.concatenate([[0.0], np.cumsum(velocity[:-1])]) * (dt_s / dx_um)
    # Never so few cells that their spread of brightness would be a matter of chance.
    needed_px = max(num_columns + np.ptp(shift_px) + 2, 64 * cell_spacing_um / dx_um)
    length_px = math.ceil(min(needed_px, _LONGEST_RING_PX))
    cells, ring = _cell_ring(length_px, cell_spacing_um / dx_um, cell_width_um / dx_um, rng)
    contrast = float(ring.std() / ring.mean())
    gain = _column_pattern(num_columns, static_bands * contrast, rng)
    photons = photons_for_snr(snr, float(ring.std()), float(ring.mean()))

    image = np.empty((num_rows, num_columns), np.uint16)
    columns = np.arange(num_columns) * _PER_PIXEL
    for top in range(0, num_rows, _BLOCK_ROWS):
        rows = slice(top, min(top + _BLOCK_ROWS, num_rows))
        moved = shift_px[rows, np.newaxis]
        if pixel_dwell_s:
            order = _scan_order(np.arange(rows.start, rows.stop), num_columns, scan_direction)
            moved = moved + velocity[rows, np.newaxis] * (pixel_dwell_s / dx_um) * order
        whole, part = np.divmod(-moved * _PER_PIXEL, 1.0)
        index = (whole.astype(np.int64) + columns) % ring.size
        part = part.astype(np.float32)
        bright = ring[index] * (1 - part) + ring[(index + 1) % ring.size] * part
        image[rows] = count_photons(bright * gain, photons, rng)
    return SyntheticKymograph(
        image,
        dt_s,
        dx_um,
        "moving_streaks",
        f"Dark cells moving through bright plasma, mean velocity {velocity.mean():.4g} um/s.",
        velocity_um_per_s=velocity,
        cell_px=cells,
        train_px=float(length_px),
    )


def pulsatile_flow(
    num_rows: int = 8000,
    num_columns: int = 64,
    *,
    dt_s: float = 0.001,
    dx_um: float = 0.5,
    mean_um_per_s: float = 800.0,
    pulsatility: float = 0.3,
    heart_rate_hz: float = 8.0,
    snr: float = 3.0,
    seed: int = 0,
) -> SyntheticKymograph:
    """Draw flow that follows the heartbeat, by default as in a small cortical vessel of a mouse.

    Parameters
    ----------
    num_rows, num_columns, dt_s, dx_um, snr, seed : optional
        As in `moving_streaks`.
    mean_um_per_s : float, optional
        Mean velocity, um/s, positive towards larger column.
    pulsatility : float, optional
        Largest departure from the mean, as a part of it.
    heart_rate_hz : float, optional
        Beats per second.

    Returns
    -------
    SyntheticKymograph
        With ``velocity_um_per_s``.

    Raises
    ------
    ValueError
        If a size, a length or the heart rate is not positive.

    Notes
    -----
    ``v = mean * (1 + pulsatility * w(phase))``, where ``w`` is a sine with a quarter of its second
    harmonic, which makes the rise steeper than the fall, scaled to a largest value of 1.
    """
    check_positive(num_rows=num_rows, dt_s=dt_s, heart_rate_hz=heart_rate_hz)
    beat = _beat(np.arange(num_rows, dtype=np.float64) * (heart_rate_hz * dt_s))
    velocity = mean_um_per_s * (1 + pulsatility * beat)
    streaks = moving_streaks(
        num_rows,
        num_columns,
        dt_s=dt_s,
        dx_um=dx_um,
        velocity_um_per_s=velocity,
        cell_spacing_um=6.0,
        cell_width_um=3.0,
        snr=snr,
        seed=seed,
    )
    return dataclasses.replace(
        streaks,
        name="pulsatile_flow",
        description=f"Red blood cells at {mean_um_per_s:g} um/s, {pulsatility:.0%} up and down "
        f"with a heartbeat of {heart_rate_hz:g} Hz.",
    )


def stationary_pattern(
    num_rows: int = 2000,
    num_columns: int = 64,
    *,
    dt_s: float = 0.001,
    dx_um: float = 0.5,
    snr: float = 3.0,
    seed: int = 0,
) -> SyntheticKymograph:
    """Draw cells that stand still: the velocity is 0, which is a value and not a missing one.

    Parameters
    ----------
    num_rows, num_columns, dt_s, dx_um, snr, seed : optional
        As in `moving_streaks`.

    Returns
    -------
    SyntheticKymograph
        With ``velocity_um_per_s``, all 0.

    Raises
    ------
    ValueError
        If a size or a length is not positive.
    """
    streaks = moving_streaks(
        num_rows, num_columns, dt_s=dt_s, dx_um=dx_um, velocity_um_per_s=0.0, snr=snr, seed=seed
    )
    return dataclasses.replace(
        streaks, name="stationary_pattern", description="Cells that do not move."
    )


def noise_only(
    num_rows: int = 2000,
    num_columns: int = 64,
    *,
    dt_s: float = 0.001,
    dx_um: float = 0.5,
    photons: float = 20.0,
    seed: int = 0,
) -> SyntheticKymograph:
    """Draw even brightness with photon noise, in which there is nothing to measure.

    Parameters
    ----------
    num_rows, num_columns, dt_s, dx_um, seed : optional
        As in `moving_streaks`.
    photons : float, optional
        Mean number of photons in a pixel.

    Returns
    -------
    SyntheticKymograph
        With ``velocity_um_per_s``, all NaN.

    Raises
    ------
    ValueError
        If a size or a length is not positive.
    """
    check_positive(
        num_rows=num_rows, num_columns=num_columns, dt_s=dt_s, dx_um=dx_um, photons=photons
    )
    bright = np.ones((num_rows, num_columns), np.float32)
    return SyntheticKymograph(
        count_photons(bright, photons, np.random.default_rng(seed)),
        dt_s,
        dx_um,
        "noise_only",
        "Photon noise without any cell.",
        velocity_um_per_s=np.full(num_rows, np.nan),
    )


def _scan_order(
    rows: NDArray[np.int64], num_columns: int, scan_direction: str
) -> NDArray[np.int64]:
    """Return the number of each pixel in the order of recording, by row and column."""
    forward = np.arange(num_columns)
    is_back = np.full(rows.size, scan_direction == "negative")
    if scan_direction == "bidirectional":
        is_back = rows % 2 == 1
    return np.where(is_back[:, np.newaxis], forward[::-1], forward)


def _beat(beats: NDArray[np.float64]) -> NDArray[np.float64]:
    def wave(beats: NDArray[np.float64]) -> NDArray[np.float64]:
        phase = 2 * np.pi * beats
        return np.asarray(np.sin(phase) + 0.25 * np.sin(2 * phase), np.float64)

    return wave(beats) / float(wave(np.linspace(0, 1, 4096)).max())


def _cell_ring(
    length_px: int, spacing_px: float, width_px: float, rng: np.random.Generator
) -> tuple[NDArray[np.float64], NDArray[np.float32]]:
    """Place cells on a ring; return where they are, and the brightness of plasma (1) with them.

    The brightness has `_PER_PIXEL` samples per pixel.
    """
    size = length_px * _PER_PIXEL
    gaps = rng.exponential(spacing_px - width_px, 2 * math.ceil(length_px / spacing_px) + 32)
    centers = np.cumsum(gaps + width_px)
    centers = centers[centers < length_px - width_px]
    shadow = np.zeros(size)
    shadow[(centers * _PER_PIXEL).astype(np.int64)] = rng.uniform(0.5, 0.9, centers.size)
    # Each impulse becomes a box of the cell's width, blurred by the optics and by the area of a
    # pixel. Products of transforms do it for all cells at once, and round the ring.
    cycles_per_px = np.fft.rfftfreq(size, 1 / _PER_PIXEL)
    transfer = np.sinc(cycles_per_px * width_px) * np.sinc(cycles_per_px)
    transfer *= np.exp(-2 * (np.pi * cycles_per_px * width_px / 4) ** 2)
    blurred = np.fft.irfft(np.fft.rfft(shadow) * transfer, size) * (width_px * _PER_PIXEL)
    return centers, np.clip(1.0 - blurred, 0.05, 1.0).astype(np.float32)


def _column_pattern(
    num_columns: int, relative_std: float, rng: np.random.Generator
) -> NDArray[np.float32]:
    smooth = np.convolve(rng.normal(size=num_columns + 4), [1.0, 3.0, 4.0, 3.0, 1.0], "valid")
    spread = smooth.std()
    pattern = (smooth - smooth.mean()) / spread if spread > 0 else np.zeros(num_columns)
    return np.clip(1.0 + relative_std * pattern, 0.05, None).astype(np.float32)
