"""Results as traces over the time of the file."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np

from napari_bloodflow._napari.plots.plot_model import PlotModel, Trace
from napari_bloodflow._napari.roi_style import roi_color
from napari_bloodflow.acquisition.roi import RectROI
from napari_bloodflow.analysis.provenance import PROVENANCE_KEY

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    import pandas as pd
    from numpy.typing import NDArray

    from napari_bloodflow.acquisition.acq_image import AcqImage
    from napari_bloodflow.analysis.base import Analysis

__all__ = [
    "diameter_plot_model",
    "diameter_trace",
    "first_line_s",
    "intensity_plot_model",
    "intensity_trace",
    "velocity_plot_model",
    "velocity_trace",
]

_NORMAL_95 = 1.96


def velocity_trace(acq: AcqImage, analysis: Analysis) -> Trace | None:
    """Make the trace of a velocity result.

    In a table, time 0 is the first line of the ROI. Here it is the first line of the *file*, so
    that the trace lines up with the image and the traces of several ROIs with each other.

    Parameters
    ----------
    acq : AcqImage
        The file.
    analysis : Analysis
        A velocity analysis of it.

    Returns
    -------
    Trace or None
        None if there is no table, or one without the columns of a velocity table.
    """
    table = analysis.result.table
    if table is None or not {"time_s", "velocity"} <= set(table.columns):
        return None
    velocity = _finite(table["velocity"])
    band = rejected = None
    if {"velocity_ci_low", "velocity_ci_high"} <= set(table.columns):
        band = (_finite(table["velocity_ci_low"]), _finite(table["velocity_ci_high"]))
        for end in band:
            end[np.isnan(velocity)] = np.nan
    if "velocity_raw" in table.columns:
        rejected = _finite(table["velocity_raw"])
        rejected[np.isfinite(velocity)] = np.nan
    y_unit = str(analysis.result.summary.get("velocity_unit") or acq.calibration.velocity_unit)
    x_unit = "s" if y_unit.endswith("/s") else "lines"
    return _trace(acq, analysis, (x_unit, y_unit), velocity, band, rejected)


def diameter_trace(acq: AcqImage, analysis: Analysis) -> Trace | None:
    """Make the trace of a diameter result: accepted rows, with the filtered diameter beside it.

    Parameters
    ----------
    acq : AcqImage
        The file.
    analysis : Analysis
        A diameter analysis of it.

    Returns
    -------
    Trace or None
        None if there is no table, or one without the columns of a diameter table.
    """
    table = analysis.result.table
    if table is None or not {"time_s", "diameter_um", "diameter_um_filt"} <= set(table.columns):
        return None
    diameter = _finite(table["diameter_um"])
    band = rejected = None
    if "accepted" in table.columns:
        is_accepted = table["accepted"].astype(str).str.lower().eq("true").to_numpy()
        rejected = np.where(is_accepted, np.nan, diameter)
        diameter[~is_accepted] = np.nan
    if "diameter_um_sd" in table.columns:
        half = _NORMAL_95 * _finite(table["diameter_um_sd"])
        band = (diameter - half, diameter + half)
    y_unit = str(analysis.result.summary.get("diameter_unit") or acq.calibration.position_unit)
    units = ("s" if y_unit == "um" else "lines", y_unit)
    filtered = _finite(table["diameter_um_filt"])
    return _trace(acq, analysis, units, diameter, band, rejected, filtered)


def intensity_trace(acq: AcqImage, analysis: Analysis) -> Trace | None:
    """Make the trace of a sum intensity: the change of brightness over that at rest.

    Parameters
    ----------
    acq : AcqImage
        The file.
    analysis : Analysis
        A sum intensity of it.

    Returns
    -------
    Trace or None
        Smoothed, if the result has that, else as CloudScope computes it. None if there is no table.
    """
    table = analysis.result.table
    if table is None or not {"time_sec", "df_f_signal"} <= set(table.columns):
        return None
    name = "df_f_smooth" if "df_f_smooth" in table.columns else "df_f_signal"
    return _trace(acq, analysis, ("s", ""), _finite(table[name]), None, None, time="time_sec")


def _trace(
    acq: AcqImage,
    analysis: Analysis,
    units: tuple[str, str],
    y: NDArray[np.float64],
    band: tuple[NDArray[np.float64], NDArray[np.float64]] | None,
    rejected: NDArray[np.float64] | None,
    filtered: NDArray[np.float64] | None = None,
    *,
    time: str = "time_s",
) -> Trace | None:
    table, roi = analysis.result.table, acq.rois.get(analysis.key.roi_id)
    if table is None or not len(table) or not isinstance(roi, RectROI):
        return None
    time_s = table[time].to_numpy(dtype=np.float64)
    status = np.full(time_s.size, "", dtype=object)
    if "status" in table.columns:
        status[:] = table["status"].astype(str)
    usable = np.flatnonzero(np.isfinite(time_s))
    order = usable[np.argsort(time_s[usable], kind="stable")]
    return Trace(
        x=time_s[order] + first_line_s(acq, analysis),
        y=y[order],
        status=status[order],
        label=f"ROI {roi.label}",
        color=roi_color(roi.roi_id),
        x_unit=units[0],
        y_unit=units[1],
        is_stale=analysis.is_stale,
        band=None if band is None else (band[0][order], band[1][order]),
        rejected=None if rejected is None else rejected[order],
        filtered=None if filtered is None else filtered[order],
    )


def _finite(column: pd.Series[Any]) -> NDArray[np.float64]:
    """Return a copy of numbers with NaN in place of infinities."""
    values = column.to_numpy(dtype=np.float64, copy=True)
    values[~np.isfinite(values)] = np.nan
    return values


def first_line_s(acq: AcqImage, analysis: Analysis) -> float:
    """Return when the time of a result starts, in its units, from the first line of the file.

    Parameters
    ----------
    acq : AcqImage
        The file.
    analysis : Analysis
        With a result of a ROI that exists.
    """
    return _first_line(acq, analysis) * _line_step(analysis.result.table, acq)


def _first_line(acq: AcqImage, analysis: Analysis) -> int:
    """Return the line that the table's time starts from: where the ROI was when measured."""
    made = analysis.result.summary.get(PROVENANCE_KEY)
    bounds = made.get("roi_bounds") if isinstance(made, dict) else None
    if isinstance(bounds, (list, tuple)) and bounds and isinstance(bounds[0], int):
        return bounds[0]
    roi = acq.rois.get(analysis.key.roi_id)
    return roi.bounds.row_start if isinstance(roi, RectROI) else 0


def _line_step(table: pd.DataFrame | None, acq: AcqImage) -> float:
    """Return the time of a line in the units of the table's ``time_s``."""
    for name, time_name in (
        ("time_index", "time_s"),
        ("center_row", "time_s"),
        ("time_index", "time_sec"),
    ):
        if table is not None and {name, time_name} <= set(table.columns):
            index = table[name].to_numpy(dtype=np.float64)
            time = table[time_name].to_numpy(dtype=np.float64)
            usable = np.isfinite(index) & np.isfinite(time) & (index > 0)
            if usable.any():
                return float(np.median(time[usable] / index[usable]))
    return acq.calibration.dt_s


def velocity_plot_model(acq: AcqImage, analyses: Iterable[Analysis]) -> PlotModel:
    """Make the plot of some velocity results of a file.

    Parameters
    ----------
    acq : AcqImage
        The file.
    analyses : iterable of Analysis
        The first one with a trace decides the units; results in others are left out.

    Returns
    -------
    PlotModel
        Empty if no analysis has a result.
    """
    return _plot_model(acq, analyses, velocity_trace, "Velocity", "window")


def diameter_plot_model(acq: AcqImage, analyses: Iterable[Analysis]) -> PlotModel:
    """Make the plot of some diameter results of a file; see :func:`velocity_plot_model`."""
    return _plot_model(acq, analyses, diameter_trace, "Diameter", "row")


def intensity_plot_model(acq: AcqImage, analyses: Iterable[Analysis]) -> PlotModel:
    """Make the plot of some sum intensities of a file; see :func:`velocity_plot_model`."""
    model = _plot_model(acq, analyses, intensity_trace, "ΔF/F", "line")
    return replace(model, shows_means=False)


def _plot_model(
    acq: AcqImage,
    analyses: Iterable[Analysis],
    make: Callable[[AcqImage, Analysis], Trace | None],
    quantity: str,
    noun: str,
) -> PlotModel:
    traces = [trace for a in analyses if (trace := make(acq, a)) is not None]
    alike = [t for t in traces if (t.x_unit, t.y_unit) == (traces[0].x_unit, traces[0].y_unit)]
    left_out = tuple(trace.label for trace in traces if trace not in alike)
    return PlotModel(tuple(alike), left_out, quantity, noun)
