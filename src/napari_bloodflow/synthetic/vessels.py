"""Vessels whose diameter changes, and brightness that rises and falls."""

from __future__ import annotations

import numpy as np

from napari_bloodflow.synthetic.record import (
    SyntheticKymograph,
    check_positive,
    count_photons,
    photons_for_snr,
)

__all__ = ["intensity_transients", "vessel_with_diameter_changes"]

_BLOCK_ROWS = 4096


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

    check_positive(
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
            f"a vessel of {diameter_um} µm with these changes does not fit {num_columns} pixels of "
            f"{dx_um} µm"
        )
    background = 0.1
    photons = photons_for_snr(snr, 1.0 - background, 1.0)
    # A tiny blur stands for none, so that no division by zero needs its own case.
    blur_px = max(edge_blur_um / dx_um, 1e-6)
    x = np.arange(num_columns)
    image = np.empty((num_rows, num_columns), np.uint16)
    for top in range(0, num_rows, _BLOCK_ROWS):
        rows = slice(top, min(top + _BLOCK_ROWS, num_rows))
        inside = ndtr((x - left[rows, np.newaxis]) / blur_px)
        inside -= ndtr((x - right[rows, np.newaxis]) / blur_px)
        bright = background + (1 - background) * inside
        image[rows] = count_photons(bright.astype(np.float32), photons, rng)
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
    check_positive(num_rows=num_rows, num_columns=num_columns, dt_s=dt_s, dx_um=dx_um)
    check_positive(interval_s=interval_s, rise_s=rise_s, decay_s=min(decay_s), noise=line_noise)
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
        count_photons(np.clip(bright, 0, None).astype(np.float32), photons, rng),
        dt_s,
        dx_um,
        "intensity_transients",
        f"{onsets.size} transients on a background that bleaches by {bleaching:.0%}.",
        df_f=change,
        onset_s=onsets,
        peak_s=onsets + to_peak,
    )
