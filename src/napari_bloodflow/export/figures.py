"""Figures for papers and reports, by matplotlib (the ``plot`` extra).

All functions take the axes to draw on, or make a new figure that needs no display; all axes have
units.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from napari_bloodflow.calibration import pretty_unit
from napari_bloodflow.export.axes import line_at, new_axes, save_figure
from napari_bloodflow.export.result_figures import (
    plot_diameter,
    plot_events,
    plot_heart_rate,
    plot_heart_rate_spectrum,
    plot_intensity,
    plot_velocity,
)

if TYPE_CHECKING:
    from collections.abc import Callable

    from matplotlib.axes import Axes

    from napari_bloodflow.acquisition.acq_image import AcqImage
    from napari_bloodflow.analysis.accuracy_atlas import AccuracyAtlas
    from napari_bloodflow.analysis.base import Analysis

__all__ = [
    "line_at",
    "plot_accuracy",
    "plot_diameter",
    "plot_events",
    "plot_heart_rate",
    "plot_heart_rate_spectrum",
    "plot_intensity",
    "plot_kymograph",
    "plot_result",
    "plot_velocity",
    "save_figure",
]

_FIGURES: dict[str, Callable[..., Axes]] = {
    "radon_velocity": plot_velocity,
    "diameter": plot_diameter,
    "heart_rate": plot_heart_rate,
    "event": plot_events,
    "sum_intensity": plot_intensity,
}


def plot_result(analysis: Analysis, ax: Axes | None = None, **options: Any) -> Axes:
    """Plot the result of an analysis in the way of its kind.

    Parameters
    ----------
    analysis : Analysis
        With a result.
    ax : matplotlib.axes.Axes, optional
        Where; a new figure by default.
    **options
        Of the function for its kind: `plot_velocity`, `plot_diameter`, `plot_heart_rate`,
        `plot_events` or `plot_intensity`.

    Returns
    -------
    matplotlib.axes.Axes
        With the units of the result.

    Raises
    ------
    ValueError
        If the kind has no figure, or there is nothing to plot.
    """
    figure = _FIGURES.get(analysis.key.analysis_name)
    if figure is None:
        raise ValueError(
            f"there is no figure for {analysis.key.analysis_name!r}; there is one for"
            f" {', '.join(_FIGURES)}"
        )
    return figure(analysis, ax, **options)


def plot_kymograph(acq: AcqImage, channel: int = 0, ax: Axes | None = None) -> Axes:
    """Show a kymograph with time to the right, its ROIs outlined.

    Parameters
    ----------
    acq : AcqImage
        The acquisition.
    channel : int
        Channel, from 0.
    ax : matplotlib.axes.Axes, optional
        Where; a new figure by default.

    Returns
    -------
    matplotlib.axes.Axes
        With time and position in the units of the calibration.
    """
    from matplotlib.patches import Rectangle

    ax = ax or new_axes(8, 2.5)
    plane, calibration = acq.images.get_slice(channel), acq.calibration
    # A figure has some thousand dots; more lines than that only cost time.
    step = max(1, plane.shape[0] // 4000)
    contrast = acq.ensure_image_contrast(channel)
    dt, dx = calibration.dt_s, calibration.dx_um
    ax.imshow(
        np.asarray(plane[::step]).T,
        aspect="auto",
        cmap="gray",
        origin="upper",
        vmin=contrast.value_min,
        vmax=contrast.value_max,
        extent=(0, plane.shape[0] * dt, plane.shape[1] * dx, 0),
    )
    for roi in acq.rois:
        box: Any = getattr(roi, "bounds", None)
        if box is not None:
            corner = (box.row_start * dt, box.col_start * dx)
            size = (box.num_rows * dt, box.num_columns * dx)
            ax.add_patch(Rectangle(corner, *size, fill=False, edgecolor="#e69f00", linewidth=1))
    ax.set_xlabel(f"Time ({calibration.time_unit})")
    ax.set_ylabel(f"Position ({pretty_unit(calibration.position_unit)})")
    return ax


def plot_accuracy(atlas: AccuracyAtlas, ax: Axes | None = None, *, tolerance: float = 0.02) -> Axes:
    """Plot the expected error over speed, and shade the speeds that are measured well.

    Parameters
    ----------
    atlas : AccuracyAtlas
        From `accuracy_atlas`.
    ax : matplotlib.axes.Axes, optional
        Where; a new figure by default.
    tolerance : float
        Median relative error up to which a speed is measured well.

    Returns
    -------
    matplotlib.axes.Axes
        With speed in mm/s and errors in per cent of it, both logarithmic.
    """
    ax = ax or new_axes(6, 3.5)
    speed = atlas.table["speed_mm_per_s"].to_numpy(np.float64)
    for name, label, style in (
        ("median_error", "median", "-"),
        ("error_95", "95 % of windows", "--"),
    ):
        error = 100 * atlas.table[name].to_numpy(np.float64)
        ax.plot(speed, error, style, color="#0072b2", linewidth=1.2, label=label)
    ax.axhline(100 * tolerance, color="0.6", linewidth=0.8, zorder=1)
    held = atlas.speed_range(tolerance)
    if held is not None:
        label = f"median within {100 * tolerance:.2g} %"
        ax.axvspan(*held, color="#009e73", alpha=0.12, linewidth=0, label=label)
    ax.set_xscale("log")
    ax.set_yscale("log")
    ax.set_xlim(speed[0], speed[-1])
    ax.set_xlabel("Speed (mm/s)")
    ax.set_ylabel("Error (%)")
    ax.set_title(
        f"{atlas.dx_um:g} µm/px, {atlas.dt_s * 1e3:g} ms/line, {atlas.n_px} px, "
        f"{atlas.window} lines, SNR {atlas.snr:g}",
        fontsize="medium",
    )
    ax.legend(frameon=False)
    return ax
