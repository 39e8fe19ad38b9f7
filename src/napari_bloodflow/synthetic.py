"""Line-scan kymographs whose velocity, diameter or intensity is known.

Used as sample data, by the tests, the benchmarks and the accuracy report. All are made from a seed
and are the same every time. Rows are time, columns are position along the scanned line.
"""

from __future__ import annotations

import dataclasses
import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

import numpy as np

if TYPE_CHECKING:
    from pathlib import Path

    from numpy.typing import ArrayLike, NDArray

__all__ = [
    "SyntheticKymograph",
    "intensity_transients",
    "moving_streaks",
    "noise_only",
    "pulsatile_flow",
    "stationary_pattern",
    "vessel_with_diameter_changes",
    "write_tiff",
]

# Brightness of undisturbed plasma, in counts: well inside 16 bits, with room for bright noise.
_PLASMA_COUNTS = 2000.0

# The cells sit on a ring of samples this much finer than a pixel. The ring comes round again only
# after a length that no window of an analysis can hold.
_PER_PIXEL = 16
_LONGEST_RING_PX = 2**16

_BLOCK_ROWS = 4096


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
    _check_positive(
        num_rows=num_rows,
        num_columns=num_columns,
        dt_s=dt_s,
        dx_um=dx_um,
        cell_width_um=cell_width_um,
        snr=snr,
    )
    if not cell_width_um < cell_spacing_um:
        raise ValueError(f"cells {cell_width_um} um wide cannot be {cell_spacing_um} um apart")
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
    photons = _photons_for_snr(snr, float(ring.std()), float(ring.mean()))

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
        image[rows] = _count_photons(bright * gain, photons, rng)
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
    _check_positive(num_rows=num_rows, dt_s=dt_s, heart_rate_hz=heart_rate_hz)
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
    _check_positive(
        num_rows=num_rows, num_columns=num_columns, dt_s=dt_s, dx_um=dx_um, photons=photons
    )
    bright = np.ones((num_rows, num_columns), np.float32)
    return SyntheticKymograph(
        _count_photons(bright, photons, np.random.default_rng(seed)),
        dt_s,
        dx_um,
        "noise_only",
        "Photon noise without any cell.",
        velocity_um_per_s=np.full(num_rows, np.nan),
    )


def vessel_with_diameter_changes(
    num_rows: int = 6000,
    num_columns: int = 96,
    *,
    dt_s: float = 0.01,
    dx_um: float = 0.5,
    diameter_um: float = 20.0,
    vasomotion_hz: float = 0.1,
    vasomotion: float = 0.08,
    dilation: float = 0.2,
    edge_blur_um: float = 0.8,
    snr: float = 10.0,
    seed: int = 0,
) -> SyntheticKymograph:
    """Draw a bright vessel across the line that slowly widens and narrows, and once dilates.

    Parameters
    ----------
    num_rows, num_columns, dt_s, dx_um, seed : optional
        As in `moving_streaks`.
    diameter_um : float, optional
        Resting diameter.
    vasomotion_hz, vasomotion : float, optional
        Rate and relative amplitude of the slow sinusoidal change.
    dilation : float, optional
        Relative widening that begins at a third of the recording and ends at two thirds, each time
        within about a second.
    edge_blur_um : float, optional
        Standard deviation of the Gaussian blur of the edges; 0 for sharp ones.
    snr : float, optional
        Brightness of the vessel over the background, relative to the noise inside the vessel;
        infinite for no noise. The noise is that of counted photons.

    Returns
    -------
    SyntheticKymograph
        With ``diameter_um``, ``left_edge_px`` and ``right_edge_px``.

    Raises
    ------
    ValueError
        If a size or a length is not positive, or the vessel leaves the line.

    Notes
    -----
    ``brightness(x) = b + (1 - b) * (Phi((x - left) / s) - Phi((x - right) / s))`` with the normal
    distribution function ``Phi`` and a background ``b`` of a tenth. The edges are where it is half
    way. They move unequally: a third of a change is at the left edge, two thirds at the right.
    """
    from scipy.special import ndtr

    _check_positive(
        num_rows=num_rows,
        num_columns=num_columns,
        dt_s=dt_s,
        dx_um=dx_um,
        diameter_um=diameter_um,
        snr=snr,
    )
    rng = np.random.default_rng(seed)
    time_s = np.arange(num_rows) * dt_s
    end_s = num_rows * dt_s
    dilated = ndtr((time_s - end_s / 3) / 0.4) - ndtr((time_s - end_s * 2 / 3) / 0.4)
    slow = np.sin(2 * np.pi * vasomotion_hz * time_s)
    change_px = (vasomotion * slow + dilation * dilated) * (diameter_um / dx_um)
    left = (num_columns - 1 - diameter_um / dx_um) / 2 - change_px / 3
    right = (num_columns - 1 + diameter_um / dx_um) / 2 + change_px * 2 / 3
    if left.min() < 0 or right.max() > num_columns - 1 or (right <= left).any():
        raise ValueError(
            f"a vessel of {diameter_um} um with these changes does not fit {num_columns} pixels of "
            f"{dx_um} um"
        )
    background = 0.1
    photons = _photons_for_snr(snr, 1.0 - background, 1.0)
    # A tiny blur stands for none, so that no division by zero needs its own case.
    blur_px = max(edge_blur_um / dx_um, 1e-6)
    x = np.arange(num_columns)
    image = np.empty((num_rows, num_columns), np.uint16)
    for top in range(0, num_rows, _BLOCK_ROWS):
        rows = slice(top, min(top + _BLOCK_ROWS, num_rows))
        inside = ndtr((x - left[rows, np.newaxis]) / blur_px)
        inside -= ndtr((x - right[rows, np.newaxis]) / blur_px)
        bright = background + (1 - background) * inside
        image[rows] = _count_photons(bright.astype(np.float32), photons, rng)
    return SyntheticKymograph(
        image,
        dt_s,
        dx_um,
        "vessel_with_diameter_changes",
        f"A bright vessel of {diameter_um:g} um with vasomotion at {vasomotion_hz:g} Hz and a "
        f"dilation of {dilation:.0%}.",
        diameter_um=(right - left) * dx_um,
        left_edge_px=left,
        right_edge_px=right,
    )


def intensity_transients(
    num_rows: int = 5000,
    num_columns: int = 32,
    *,
    dt_s: float = 0.002,
    dx_um: float = 0.5,
    amplitude: tuple[float, float] = (0.5, 0.5),
    interval_s: float = 1.3,
    rise_s: float = 0.015,
    decay_s: tuple[float, float] = (0.15, 0.3),
    bleaching: float = 0.3,
    line_noise: float = 0.05,
    seed: int = 0,
) -> SyntheticKymograph:
    """Draw even brightness with transients, as of calcium in a cell, on a bleaching background.

    Parameters
    ----------
    num_rows, num_columns, dt_s, dx_um, seed : optional
        As in `moving_streaks`.
    amplitude : tuple of float, optional
        Least and greatest height, relative to the brightness at rest; negative for dimming.
    interval_s : float, optional
        Mean time between onsets, of which a quarter is the least time.
    rise_s, decay_s : float and tuple of float, optional
        Time constants of the rise, and the least and greatest of the decay.
    bleaching : float, optional
        Part of the brightness at the end that bleaches, most of it in the first third.
    line_noise : float, optional
        Standard deviation of the sum of a line relative to its value at rest at the end; that of
        counted photons.

    Returns
    -------
    SyntheticKymograph
        With ``df_f``, ``onset_s`` and ``peak_s``.

    Raises
    ------
    ValueError
        If a size, a length or a time is not positive.
    """
    _check_positive(num_rows=num_rows, num_columns=num_columns, dt_s=dt_s, dx_um=dx_um)
    _check_positive(interval_s=interval_s, rise_s=rise_s, decay_s=min(decay_s), noise=line_noise)
    rng = np.random.default_rng(seed)
    time_s = np.arange(num_rows) * dt_s
    end_s = num_rows * dt_s
    gaps = interval_s * (0.25 + rng.exponential(0.75, int(4 * end_s / interval_s) + 8))
    onsets = np.cumsum(gaps)
    onsets = onsets[onsets < end_s - max(decay_s)]
    decays, heights = (rng.uniform(*ends, onsets.size) for ends in (decay_s, amplitude))
    to_peak = rise_s * np.log1p(decays / rise_s)
    change = np.zeros(num_rows)
    for onset, decay, height, delay in zip(onsets, decays, heights, to_peak, strict=True):
        since = np.append(np.clip(time_s - onset, 0, None), delay)
        shape = (1 - np.exp(-since / rise_s)) * np.exp(-since / decay)
        change += height * shape[:-1] / shape[-1]
    rest = 1 + bleaching * np.exp(-4 * time_s / end_s)
    bright = np.repeat((rest * (1 + change))[:, np.newaxis], num_columns, axis=1)
    photons = 1 / (line_noise**2 * num_columns)
    return SyntheticKymograph(
        _count_photons(np.clip(bright, 0, None).astype(np.float32), photons, rng),
        dt_s,
        dx_um,
        "intensity_transients",
        f"{onsets.size} transients on a background that bleaches by {bleaching:.0%}.",
        df_f=change,
        onset_s=onsets,
        peak_s=onsets + to_peak,
    )


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


def _check_positive(**values: float) -> None:
    for name, value in values.items():
        if not value > 0:
            raise ValueError(f"{name} must be positive; it is {value!r}")


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


def _photons_for_snr(snr: float, signal: float, mean: float) -> float:
    """Photons at brightness 1 for which ``signal`` is ``snr`` times the noise at ``mean``."""
    return snr**2 * mean / signal**2 if signal > 0 else 1.0


def _count_photons(
    bright: NDArray[np.float32], photons: float, rng: np.random.Generator
) -> NDArray[np.uint16]:
    counts: NDArray[Any] = bright * np.float32(_PLASMA_COUNTS)
    # So many photons that their noise is far below one count; the generator refuses such numbers.
    if photons < 1e9:
        counts = rng.poisson(bright * photons) * (_PLASMA_COUNTS / photons)
    image: NDArray[np.uint16] = np.clip(np.rint(counts), 0, 2**16 - 1).astype(np.uint16)
    return image
