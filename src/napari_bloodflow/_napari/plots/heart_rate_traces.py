"""Heart rate over time, and the spectrum it was found in."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from napari_bloodflow._napari.plots.plot_model import Mark, PlotModel, Trace
from napari_bloodflow._napari.plots.result_traces import first_line_s
from napari_bloodflow._napari.roi_style import roi_color
from napari_bloodflow.analysis.heart_rate import velocity_spectrum

if TYPE_CHECKING:
    from collections.abc import Iterable

    from numpy.typing import NDArray

    from napari_bloodflow.acquisition.acq_image import AcqImage
    from napari_bloodflow.analysis.base import Analysis

__all__ = ["rate_plot_model", "spectrum_plot_model"]

_NORMAL_95 = 1.96


def rate_plot_model(acq: AcqImage, analyses: Iterable[Analysis]) -> PlotModel:
    """Make the plot of the heart rate over time.

    Parameters
    ----------
    acq : AcqImage
        The file.
    analyses : iterable of Analysis
        Its heart rates; those without a course over time are left out.
    """
    traces = [trace for a in analyses if (trace := _rate_trace(acq, a)) is not None]
    return PlotModel(tuple(traces), quantity="Heart rate", noun="window")


def _rate_trace(acq: AcqImage, analysis: Analysis) -> Trace | None:
    over_time = analysis.result.summary.get("over_time")
    if not isinstance(over_time, dict):
        return None
    columns = [_numbers(over_time.get(name)) for name in ("time_s", "bpm", "bpm_sd")]
    status = over_time.get("status")
    sizes = {column.size for column in columns}
    if len(sizes) != 1 or not isinstance(status, list) or {len(status)} != sizes or not status:
        return None
    time_s, bpm, sd = columns
    half = _NORMAL_95 * sd
    return Trace(
        x=time_s + first_line_s(acq, analysis),
        y=bpm,
        status=np.array([str(word) for word in status], dtype=object),
        label=_label(acq, analysis),
        color=roi_color(analysis.key.roi_id),
        x_unit="s",
        y_unit="bpm",
        is_stale=analysis.is_stale,
        band=(bpm - half, bpm + half),
    )


def spectrum_plot_model(acq: AcqImage, analyses: Iterable[Analysis]) -> PlotModel:
    """Make the plot of the spectra of velocities, with the heart rates found in them.

    Parameters
    ----------
    acq : AcqImage
        The file.
    analyses : iterable of Analysis
        Its heart rates; those whose velocity is gone are left out.
    """
    traces, marks = [], []
    for analysis in analyses:
        trace = _spectrum(acq, analysis)
        if trace is None:
            continue
        traces.append(trace)
        estimate = analysis.result.summary.get("estimate")
        bpm = estimate.get("bpm") if isinstance(estimate, dict) else None
        if isinstance(bpm, (int, float)):
            marks.append(Mark(float(bpm), f"{bpm:.1f}", trace.color))
    return PlotModel(
        tuple(traces),
        quantity="Explained by a sine",
        noun="point",
        x_quantity="Rate",
        shows_means=False,
        marks=tuple(marks),
    )


def _spectrum(acq: AcqImage, analysis: Analysis) -> Trace | None:
    spectrum = velocity_spectrum(analysis)
    if spectrum is None:
        return None
    return Trace(
        x=spectrum.bpm,
        y=spectrum.power,
        status=np.full(spectrum.bpm.size, "ok", dtype=object),
        label=_label(acq, analysis),
        color=roi_color(analysis.key.roi_id),
        x_unit="bpm",
        y_unit="",
        is_stale=analysis.is_stale,
    )


def _label(acq: AcqImage, analysis: Analysis) -> str:
    roi = acq.rois.get(analysis.key.roi_id)
    return f"ROI {roi.label if roi is not None else analysis.key.roi_id}"


def _numbers(values: Any) -> NDArray[np.float64]:
    if not isinstance(values, list):
        return np.empty(0)
    return np.array(
        [v if isinstance(v, (int, float)) and np.isfinite(v) else np.nan for v in values],
        dtype=np.float64,
    )
