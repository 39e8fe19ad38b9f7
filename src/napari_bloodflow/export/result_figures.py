"""Figures of velocities, diameters, heart rates, velocity events and intensity transients."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from napari_bloodflow.analysis.heart_rate import velocity_spectrum
from napari_bloodflow.analysis.sum_intensity import SumIntensity
from napari_bloodflow.analysis.velocity_events import VelocityEvents
from napari_bloodflow.calibration import pretty_unit
from napari_bloodflow.export.axes import new_axes

if TYPE_CHECKING:
    import pandas as pd
    from matplotlib.axes import Axes
    from numpy.typing import NDArray

    from napari_bloodflow.analysis.base import Analysis

__all__ = [
    "plot_diameter",
    "plot_events",
    "plot_heart_rate",
    "plot_heart_rate_spectrum",
    "plot_intensity",
    "plot_velocity",
]

_NORMAL_95 = 1.96
_GREY = "0.6"
_EVENT_COLORS = {
    "user": "#56b4e9",
    "rise": "#009e73",
    "fall": "#d55e00",
    "transient": "#cc79a7",
}


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
    ax = ax or new_axes(8, 3)
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
    ax.set_ylabel(f"Velocity ({pretty_unit(velocity_unit)})")
    ax.margins(x=0)
    return ax


def plot_diameter(
    analysis: Analysis,
    ax: Axes | None = None,
    *,
    color: str = "#0072b2",
    show_filtered: bool = True,
    show_rejected: bool = False,
) -> Axes:
    """Plot a diameter: accepted rows, their 95 % interval as a band, the filtered diameter.

    Results of the classic methods have neither rejected rows nor a band.

    Parameters
    ----------
    analysis : Analysis
        A `diameter` analysis with a result.
    ax : matplotlib.axes.Axes, optional
        Where; a new figure by default.
    color : str
        Colour of the diameter and its band.
    show_filtered : bool
        Draw the filtered diameter, in black.
    show_rejected : bool
        Mark rejected rows in grey. The diameter axis follows the accepted rows, so marks far from
        them are outside.

    Returns
    -------
    matplotlib.axes.Axes
        With time and diameter in the units of the result.

    Raises
    ------
    ValueError
        If the analysis has no table of diameters.
    """
    table = _table(analysis, "time_s", "diameter_um", "diameter_um_filt")
    ax = ax or new_axes(8, 3)
    unit = str(analysis.result.summary.get("diameter_unit") or "um")
    time, diameter = _numbers(table["time_s"]), _numbers(table["diameter_um"])
    is_accepted = np.isfinite(diameter)
    if "accepted" in table.columns:
        is_accepted &= table["accepted"].astype(str).str.lower().eq("true").to_numpy()
    accepted = np.where(is_accepted, diameter, np.nan)
    ax.plot(time, accepted, color=color, linewidth=0.8, label="accepted")
    if "diameter_um_sd" in table.columns:
        half = _NORMAL_95 * _numbers(table["diameter_um_sd"])
        held = is_accepted & np.isfinite(half)
        if held.any():
            low, high = diameter - half, diameter + half
            ax.fill_between(time, low, high, where=held, color=color, alpha=0.25, linewidth=0)
    if show_filtered:
        filtered = _numbers(table["diameter_um_filt"])
        ax.plot(time, filtered, color="black", linewidth=0.8, label="filtered")
    rejected = np.isfinite(diameter) & ~is_accepted
    if show_rejected and rejected.any():
        if is_accepted.any():
            # Outliers would leave the trace a thin line.
            ax.set_ylim(ax.get_ylim())
        ax.plot(
            time[rejected],
            diameter[rejected],
            ".",
            color=_GREY,
            markersize=3,
            zorder=1,
            label="rejected",
        )
    ax.set_xlabel(f"Time ({'s' if unit == 'um' else 'lines'})")
    ax.set_ylabel(f"Diameter ({pretty_unit(unit)})")
    ax.margins(x=0)
    if len(ax.lines) > 1:
        _legend(ax)
    return ax


def plot_heart_rate(analysis: Analysis, ax: Axes | None = None, *, color: str = "#0072b2") -> Axes:
    """Plot a heart rate over time, with its 95 % interval and the rate of the whole record.

    Windows without a rate are gaps.

    Parameters
    ----------
    analysis : Analysis
        A `heart_rate` analysis with a result.
    ax : matplotlib.axes.Axes, optional
        Where; a new figure by default.
    color : str
        Colour of the rate and its band.

    Returns
    -------
    matplotlib.axes.Axes
        With time in s from the first line of the ROI, and the rate in beats per minute.

    Raises
    ------
    ValueError
        If the result has no course over time, as that of a record shorter than 4 s.
    """
    over_time = analysis.result.summary.get("over_time")
    course = over_time if isinstance(over_time, dict) else {}
    time, bpm, sd = (_listed(course.get(name)) for name in ("time_s", "bpm", "bpm_sd"))
    if not time.size or not time.size == bpm.size == sd.size:
        raise ValueError(
            f"{analysis.key} has no heart rate over time to plot; the record may be too short for"
            " it. The spectrum of the velocity can be plotted"
        )
    ax = ax or new_axes(8, 3)
    # A window between two gaps has no line.
    ax.plot(time, bpm, ".-", color=color, linewidth=0.8, markersize=3)
    held = np.isfinite(bpm) & np.isfinite(sd)
    if held.any():
        low, high = bpm - _NORMAL_95 * sd, bpm + _NORMAL_95 * sd
        ax.fill_between(time, low, high, where=held, color=color, alpha=0.25, linewidth=0)
    if (rate := _estimated_bpm(analysis)) is not None:
        ax.axhline(rate, color=_GREY, linewidth=0.8, zorder=1, label=f"{rate:.1f} bpm")
        _legend(ax)
    ax.set_xlabel("Time (s)")
    ax.set_ylabel("Heart rate (bpm)")
    ax.margins(x=0)
    return ax


def plot_heart_rate_spectrum(
    analysis: Analysis, ax: Axes | None = None, *, color: str = "#0072b2"
) -> Axes:
    """Plot the spectrum in which a heart rate was sought, with the band and the rate found.

    Parameters
    ----------
    analysis : Analysis
        A `heart_rate` analysis with a result, of a file with the velocity.
    ax : matplotlib.axes.Axes, optional
        Where; a new figure by default.
    color : str
        Colour of the spectrum.

    Returns
    -------
    matplotlib.axes.Axes
        With the rate in beats per minute, and the part of the variance of the velocity that a sine
        of this rate explains, 0 to 1.

    Raises
    ------
    ValueError
        If there is no result, or no velocity to take the spectrum of.
    """
    spectrum = velocity_spectrum(analysis) if analysis.has_results else None
    if spectrum is None:
        raise ValueError(f"{analysis.key} has no velocity, or no result, to plot the spectrum of")
    ax = ax or new_axes(6, 3)
    ax.plot(spectrum.bpm, spectrum.power, color=color, linewidth=0.8)
    band = [float(analysis.detection_params[name]) for name in ("bpm_min", "bpm_max")]
    ax.axvspan(*band, color=_GREY, alpha=0.12, linewidth=0, label="band")
    if (rate := _estimated_bpm(analysis)) is not None:
        ax.axvline(rate, color="#d55e00", linewidth=0.8, linestyle="--", label=f"{rate:.1f} bpm")
    ax.set_xlabel("Rate (bpm)")
    ax.set_ylabel("Explained variance (ratio)")
    ax.set_ylim(bottom=0)
    ax.margins(x=0)
    _legend(ax)
    return ax


def plot_events(
    analysis: Analysis,
    ax: Axes | None = None,
    *,
    color: str = "#0072b2",
    show_candidates: bool = False,
) -> Axes:
    """Plot the events of a velocity as bands on it, in a colour for each type.

    Parameters
    ----------
    analysis : VelocityEvents
        An `event` analysis with a result, of a file with the velocity.
    ax : matplotlib.axes.Axes, optional
        Where; a new figure by default.
    color : str
        Colour of the velocity.
    show_candidates : bool
        Show detected candidates that nobody decided about, in grey.

    Returns
    -------
    matplotlib.axes.Axes
        With time in s from the first line of the ROI, and velocity in the units of the result.

    Raises
    ------
    ValueError
        If it is another kind of analysis, has no result, or its velocity is gone.
    """
    parent = analysis.parent
    if not isinstance(analysis, VelocityEvents) or not analysis.has_results or parent is None:
        raise ValueError(f"{analysis.key} has no events, or no velocity, to plot")
    ax = plot_velocity(parent, ax, color=color)
    labels: set[str] = set()
    if show_candidates:
        for candidate in analysis.candidates:
            if candidate.decision == "open":
                _span(ax, candidate.onset_s, candidate.offset_s, _GREY, 0.25, "candidate", labels)
    for event in analysis.events:
        shade = _EVENT_COLORS[event.event_type]
        _span(ax, event.start_s, event.stop_s, shade, 0.35, event.event_type, labels)
    if labels:
        _legend(ax)
    return ax


def plot_intensity(
    analysis: Analysis,
    ax: Axes | None = None,
    *,
    color: str = "#0072b2",
    show_peaks: bool = True,
) -> Axes:
    """Plot the change of an intensity over that at rest, with the onsets and peaks found in it.

    Parameters
    ----------
    analysis : SumIntensity
        A `sum_intensity` analysis with a result.
    ax : matplotlib.axes.Axes, optional
        Where; a new figure by default.
    color : str
        Colour of the trace.
    show_peaks : bool
        Mark onsets and peaks; rejected ones are left out.

    Returns
    -------
    matplotlib.axes.Axes
        With time in s from the first line of the ROI, and dF/F, a ratio. It is the smoothed one in
        which peaks are found, where the result has that.

    Raises
    ------
    ValueError
        If it is another kind of analysis, or has no table of intensities.
    """
    table = _table(analysis, "time_sec", "df_f_signal")
    if not isinstance(analysis, SumIntensity):
        raise ValueError(f"{analysis.key} is no sum intensity")
    ax = ax or new_axes(8, 3)
    name = "df_f_smooth" if "df_f_smooth" in table.columns else "df_f_signal"
    time, signal = _numbers(table["time_sec"]), _numbers(table[name])
    ax.plot(time, signal, color=color, linewidth=0.8)
    if show_peaks and (peaks := analysis.peaks):
        marks: list[tuple[str, str, str, list[float]]] = [
            ("onset", "^", "#009e73", [peak.onset_s for peak in peaks]),
            ("peak", "v", "#d55e00", [t for peak in peaks if (t := peak.peak_s) is not None]),
        ]
        for label, marker, shade, times in marks:
            heights = [signal[int(np.argmin(np.abs(time - when)))] for when in times]
            ax.plot(times, heights, marker, color=shade, markersize=4, label=label)
        _legend(ax)
    ax.set_xlabel("Time (s)")
    ax.set_ylabel("dF/F (ratio)")
    ax.margins(x=0)
    return ax


def _legend(ax: Axes) -> None:
    """Put the legend above the axes, where it hides nothing."""
    ax.legend(loc="lower right", bbox_to_anchor=(1, 1), ncols=4, frameon=False, borderaxespad=0.2)


def _table(analysis: Analysis, *columns: str) -> pd.DataFrame:
    table = analysis.result.table
    if table is None or not set(columns) <= set(table.columns):
        raise ValueError(f"{analysis.key} has no result to plot")
    return table


def _numbers(column: pd.Series[Any]) -> NDArray[np.float64]:
    return column.to_numpy(dtype=np.float64)


def _listed(values: Any) -> NDArray[np.float64]:
    """Return numbers of a summary, NaN for what is none."""
    if not isinstance(values, list):
        return np.empty(0)
    return np.array([v if isinstance(v, (int, float)) else np.nan for v in values], np.float64)


def _estimated_bpm(analysis: Analysis) -> float | None:
    estimate = analysis.result.summary.get("estimate")
    bpm = estimate.get("bpm") if isinstance(estimate, dict) else None
    return float(bpm) if isinstance(bpm, (int, float)) else None


def _span(
    ax: Axes, start: float, stop: float, color: str, alpha: float, label: str, labels: set[str]
) -> None:
    """Shade an interval; the first one of a label is in the legend."""
    ax.axvspan(
        start,
        stop,
        color=color,
        alpha=alpha,
        linewidth=0,
        label=None if label in labels else label,
    )
    labels.add(label)
