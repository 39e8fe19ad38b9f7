"""Figures of results for papers and reports, by matplotlib (the ``plot`` extra)."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from pathlib import Path

    from matplotlib.axes import Axes
    from numpy.typing import ArrayLike

    from napari_bloodflow.acquisition.acq_image import AcqImage
    from napari_bloodflow.analysis.accuracy_atlas import AccuracyAtlas
    from napari_bloodflow.analysis.base import Analysis

__all__ = ["line_at", "plot_accuracy", "plot_kymograph", "plot_velocity", "save_figure"]


def plot_velocity(
    analysis: Analysis,
    ax: Axes | None = None,
    *,
    color: str = "#0072b2",
    show_rejected: bool = False,
) -> Axes:
    """Plot a velocity trace; windows that were not measured are gaps.

    Results with error bars have the 95 % interval of the accepted windows as a band.

    Parameters
    ----------
    analysis : Analysis
        A `radon_velocity` analysis with a result.
    ax : matplotlib.axes.Axes, optional
        Where; a new figure by default.
    color : str
        Colour of the trace and its band.
    show_rejected : bool
        Mark the estimates of rejected windows in grey, where the result has them. The velocity
        axis follows the accepted windows, so marks far from them are outside.

    Returns
    -------
    matplotlib.axes.Axes
        With time and velocity in the units of the result.

    Raises
    ------
    ValueError
        If the analysis has no table.
    """
    table = analysis.result.table
    if table is None:
        raise ValueError(f"{analysis.key} has no result to plot")
    ax = ax or _new_axes(8, 3)
    velocity_unit = analysis.result.summary.get("velocity_unit", "um/s")
    time_unit = "s" if velocity_unit.endswith("/s") else "lines"
    ax.plot(table["time_s"], table["velocity"], color=color, linewidth=0.8)
    time = table["time_s"].to_numpy(np.float64)
    accepted = np.isfinite(table["velocity"].to_numpy(np.float64))
    if {"velocity_ci_low", "velocity_ci_high"} <= set(table.columns):
        low = table["velocity_ci_low"].to_numpy(np.float64)
        high = table["velocity_ci_high"].to_numpy(np.float64)
        held = accepted & np.isfinite(low) & np.isfinite(high)
        if held.any():
            ax.fill_between(time, low, high, where=held, color=color, alpha=0.25, linewidth=0)
    if show_rejected and "velocity_raw" in table.columns:
        raw = table["velocity_raw"].to_numpy(np.float64)
        rejected = ~accepted & np.isfinite(raw)
        if accepted.any():
            # Outliers would leave the trace a thin line.
            ax.set_ylim(ax.get_ylim())
        if rejected.any():
            ax.plot(time[rejected], raw[rejected], ".", color="0.6", markersize=3, zorder=1)
    ax.set_xlabel(f"Time ({time_unit})")
    ax.set_ylabel(f"Velocity ({velocity_unit})")
    ax.margins(x=0)
    return ax


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

    ax = ax or _new_axes(8, 2.5)
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
    ax.set_ylabel(f"Position ({calibration.position_unit})")
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
    ax = ax or _new_axes(6, 3.5)
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
        f"{atlas.dx_um:g} um/px, {atlas.dt_s * 1e3:g} ms/line, {atlas.n_px} px, "
        f"{atlas.window} lines, SNR {atlas.snr:g}",
        fontsize="medium",
    )
    ax.legend(frameon=False)
    return ax


def line_at(ax: Axes, times: ArrayLike, values: ArrayLike, label: str) -> None:
    """Add a thin reference line, such as a known truth."""
    ax.plot(times, values, color="black", linewidth=0.6, alpha=0.6, label=label)
    ax.legend(loc="upper right", frameon=False)


def save_figure(ax: Axes, path: Path, *, dpi: int = 150) -> None:
    """Write the figure of some axes; the extension says the format (png, svg, pdf).

    Parameters
    ----------
    ax : matplotlib.axes.Axes
        Any axes of the figure.
    path : pathlib.Path
        Where to.
    dpi : int
        Dots per inch of a pixel format.
    """
    figure = ax.get_figure(root=True)
    if figure is not None:
        figure.savefig(path, dpi=dpi)


def _new_axes(width: float, height: float) -> Axes:
    # The object interface needs no display and leaves no figure registered with pyplot.
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    figure = Figure(figsize=(width, height), layout="constrained")
    FigureCanvasAgg(figure)
    return figure.add_subplot()
