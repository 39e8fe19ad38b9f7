"""Peaks measured in a trace, as the records, columns and summary values that CloudScope has."""

from __future__ import annotations

import math
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np

from napari_bloodflow.analysis.base import finite_or_none
from napari_bloodflow.analysis.kernels.peak_features import (
    NO_PEAK,
    Crossing,
    Feature,
    PeakTraces,
    level_crossings,
    peak_features,
)
from napari_bloodflow.analysis.kernels.peaks import points_in
from napari_bloodflow.analysis.sum_intensity_params import level_fractions

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence

    from numpy.typing import NDArray

    from napari_bloodflow.analysis.peak_records import Peak

__all__ = [
    "DECISIONS_KEY",
    "EVENTS_KEY",
    "FIRST_LINE_KEY",
    "describe_peaks",
    "flag_columns",
    "peaks_summary",
]

EVENTS_KEY, DECISIONS_KEY = "peak_events", "peak_decisions"
FIRST_LINE_KEY = "peak_decisions_first_line"
"""Key of the first line of the ROI that the decisions count from."""
_BAD_LINES = "missing_or_saturated_lines"
# A Gaussian moves 0.6 % of a step further ahead than this, and takes this long from 10 to 90 %.
_FOOT_SIGMAS, _RISE_SIGMAS = 2.5, 2.563
_MIN_RISE_TO_BLUR = 1.25


def describe_peaks(
    peaks: Sequence[Peak],
    time_s: NDArray[np.float64],
    source: NDArray[np.float64],
    params: Mapping[str, Any],
    *,
    sigma_points: float = 0.0,
) -> Iterator[Peak]:
    """Measure peaks, one after the other.

    Parameters
    ----------
    peaks : sequence of Peak
        By onset.
    time_s, source : ndarray of float64, shape (n_lines,)
        Times, and the trace that peaks are measured in. A peak with missing values has no numbers.
    params : mapping
        Detection parameters.
    sigma_points : float, optional
        By how many lines a Gaussian smoothed the trace. It begins to rise so much before the onset
        and takes longer, which is allowed for.

    Yields
    ------
    Peak
        With its record.
    """
    negative = params["polarity"] == "negative"
    traces = PeakTraces(source, np.gradient(source, time_s), time_s, negative)
    dt_s = float(time_s[1] - time_s[0])
    fractions = level_fractions(params["level_fractions"])
    baseline = points_in(params["baseline_window_ms"], dt_s)
    width = max(1, points_in(params["width_search_window_ms"], dt_s))
    end = time_s.size - 1
    before: Mapping[str, Any] | None = None
    feet = _feet(peaks, math.ceil(_FOOT_SIGMAS * sigma_points))
    for peak, foot, next_foot in zip(peaks, feet, [*feet[1:], end], strict=False):
        is_bad = not np.isfinite(source[foot : peak.peak + 1]).all()
        measured = NO_PEAK if is_bad else peak.peak
        last = min(measured + width, next_foot, end)
        crossings = level_crossings(traces, foot, measured, fractions, last=last)
        features = peak_features(traces, foot, measured, crossings, baseline)
        _sharpen(features, _RISE_SIGMAS * sigma_points * dt_s)
        record = {
            **_record(peak, traces, float(source[foot])),
            "detection_method": params["detection_method"],
            "features": {name: _feature_record(value) for name, value in features.items()},
            "level_crossings": [_crossing_record(crossing, dt_s) for crossing in crossings],
        }
        record["intervals"] = {
            f"{name}_to_{name}_interval_sec": _since(before, record, name)
            for name in ("onset", "peak")
        }
        before = record
        if is_bad:
            record |= {"status": _BAD_LINES, "warnings": ["lines of it are missing or saturated"]}
            record["onset"]["value"] = record["peak"]["value"] = None
            record["peak"]["amplitude"] = None
        yield replace(peak, record=record)


def _feet(peaks: Sequence[Peak], num_before: int) -> list[int]:
    """Return the last line before every onset that smoothing does not raise."""
    tops = [0, *(max(peak.onset, peak.peak) for peak in peaks[:-1])]
    return [
        min(peak.onset, max(peak.onset - num_before, top))
        for peak, top in zip(peaks, tops, strict=False)
    ]


def _sharpen(features: dict[str, Feature], blur_s: float) -> None:
    """Take the smoothing out of the rise, if enough of the rise is left."""
    rise = features["rise_10_90_sec"]
    if blur_s == 0 or rise.reason:
        return
    if rise.value < _MIN_RISE_TO_BLUR * blur_s:
        for name in ("rise_10_90_sec", "max_rise_slope"):
            features[name] = Feature(math.nan, "not_resolved_after_smoothing")
        return
    features["rise_10_90_sec"] = Feature(math.sqrt(rise.value**2 - blur_s**2))


def _record(peak: Peak, traces: PeakTraces, onset_value: float) -> dict[str, Any]:
    top: dict[str, Any] = {"index": None, "time_sec": None, "value": None, "amplitude": None}
    status, warnings = "peak_not_found", []
    if peak.peak != NO_PEAK:
        value = float(traces.source[peak.peak])
        amplitude = onset_value - value if traces.negative else value - onset_value
        top = {
            "index": peak.peak,
            "time_sec": float(traces.time_s[peak.peak]),
            "value": finite_or_none(value),
            "amplitude": finite_or_none(amplitude),
        }
        status = "ok"
        if not amplitude > 0:
            status, warnings = "non_positive_amplitude", ["the peak is not above the onset"]
    return {
        **peak.record,
        "peak_id": peak.peak_id,
        "status": status,
        "warnings": warnings,
        "onset": {
            "index": peak.onset,
            "time_sec": float(traces.time_s[peak.onset]),
            "value": finite_or_none(onset_value),
        },
        "peak": top,
        "origin": peak.origin,
        "decision": peak.decision,
        "found": list(peak.found) if peak.found else None,
        "strength": peak.strength,
    }


def _feature_record(feature: Feature) -> dict[str, Any]:
    status = "failed" if feature.reason else "ok"
    return {"value": finite_or_none(feature.value), "status": status, "reason": feature.reason}


def _crossing_record(crossing: Crossing, dt_s: float) -> dict[str, Any]:
    width = crossing.right - crossing.left
    return {
        "fraction": crossing.fraction,
        "value": finite_or_none(crossing.value),
        "left_index": finite_or_none(crossing.left),
        "right_index": finite_or_none(crossing.right),
        "width": finite_or_none(width),
        "width_sec": finite_or_none(width * dt_s),
        "status": crossing.status,
    }


def _since(before: Mapping[str, Any] | None, record: Mapping[str, Any], name: str) -> float | None:
    """Return the time since the onset, or the peak, of the transient before."""
    times = (None if before is None else before[name]["time_sec"], record[name]["time_sec"])
    return None if times[0] is None or times[1] is None else times[1] - times[0]


def flag_columns(num_lines: int, peaks: Iterable[Peak]) -> dict[str, NDArray[Any]]:
    """Return the columns that mark onsets and peaks."""
    is_onset, is_peak = np.zeros(num_lines, dtype=bool), np.zeros(num_lines, dtype=bool)
    onset_index, peak_id = np.full(num_lines, np.nan), np.full(num_lines, np.nan)
    for peak in peaks:
        is_onset[peak.onset] = True
        lines = [peak.onset]
        if peak.peak != NO_PEAK:
            is_peak[peak.peak] = True
            lines.append(peak.peak)
        onset_index[lines] = peak.onset
        peak_id[lines] = peak.peak_id
    return {
        "is_onset": is_onset,
        "is_peak": is_peak,
        "onset_index": onset_index,
        "peak_id": peak_id,
    }


def peaks_summary(
    summary: Mapping[str, Any], peaks: Sequence[Peak], decided: Iterable[Peak]
) -> dict[str, Any]:
    """Return the values of a summary that follow from its peaks and the decisions."""
    amplitudes = [peak.amplitude for peak in peaks if peak.amplitude is not None]
    status = "ok"
    if summary.get("errors"):
        status = "ok_with_errors"
    elif summary.get("warnings") or any(peak.status != "ok" for peak in peaks):
        status = "ok_with_warnings"
    mean, median = (
        (float(np.mean(amplitudes)), float(np.median(amplitudes)))
        if amplitudes
        else (math.nan, math.nan)
    )
    return {
        "status": status,
        "num_peaks": len(peaks),
        "peak_amplitude_mean": finite_or_none(mean),
        "peak_amplitude_median": finite_or_none(median),
        EVENTS_KEY: [dict(peak.record) for peak in peaks],
        DECISIONS_KEY: [peak.to_decided_record() for peak in decided],
    }
