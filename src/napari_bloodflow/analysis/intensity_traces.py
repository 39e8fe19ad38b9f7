"""The traces of a sum intensity, from the sum of every line to its relative change."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor, wait
from dataclasses import dataclass
from threading import Event
from typing import TYPE_CHECKING, Any

import numpy as np

from napari_bloodflow.analysis.base import Progress, finite_or_none
from napari_bloodflow.analysis.kernels import intensity
from napari_bloodflow.analysis.kernels.peaks import find_onsets, find_peaks_after, points_in
from napari_bloodflow.analysis.kernels.transients import (
    find_transients,
    line_noise,
    noise_left,
    rolling_baseline,
    smoothed,
)
from napari_bloodflow.analysis.peak_records import Peak
from napari_bloodflow.analysis.sum_intensity_params import NOISE_SCALED

if TYPE_CHECKING:
    from collections.abc import Generator, Mapping

    from numpy.typing import NDArray

__all__ = [
    "SMOOTH_COLUMN",
    "STATUS_COLUMN",
    "IntensityTraces",
    "detect_peaks",
    "iter_traces",
    "smoothing_points",
]

SMOOTH_COLUMN = "df_f_smooth"
"""Column in which peaks are measured that were detected in units of noise."""
STATUS_COLUMN = "status"
"""Column that says why a line has no `SMOOTH_COLUMN`; ``ok`` if it has."""

_MAX_SIGMA_POINTS = 2000
_PROGRESS_S = 0.05


@dataclass(frozen=True, slots=True, eq=False)
class IntensityTraces:
    """Traces of a ROI.

    Parameters
    ----------
    time_s : ndarray of float64, shape (n_lines,)
        Times of the lines.
    columns : dict of str to ndarray
        Columns of the table, but those that mark peaks.
    source : ndarray of float64, shape (n_lines,)
        The trace that peaks are measured in.
    unsmoothed : ndarray of float64, shape (n_lines,), or None
        What `source` was before smoothing, without gaps, for the detection in units of noise.
    sigma_points : float
        By how many lines `source` is smoothed.
    summary : dict
        Values of the summary.
    """

    time_s: NDArray[np.float64]
    columns: dict[str, NDArray[Any]]
    source: NDArray[np.float64]
    unsmoothed: NDArray[np.float64] | None
    sigma_points: float
    summary: dict[str, Any]


def iter_traces(
    image: NDArray[Any], dt_s: float, params: Mapping[str, Any]
) -> Generator[Progress, None, IntensityTraces]:
    """Compute the traces, yielding progress.

    Parameters
    ----------
    image : ndarray, shape (n_lines, n_columns)
        Pixels of the ROI.
    dt_s : float
        Line period.
    params : mapping
        Detection parameters.

    Raises
    ------
    ValueError
        If there are fewer than two lines or no columns, or no line without missing pixels.
    """
    chunks = []
    for chunk in intensity.iter_line_sums(image):
        chunks.append(chunk)
        done = sum(part.size for part in chunks)
        yield Progress(done, image.shape[0], f"line {done} of {image.shape[0]}")
    sums = np.concatenate(chunks)
    if sums.size < 2:
        raise ValueError("the ROI has one line; two or more are needed")
    if not np.isfinite(sums).any():
        raise ValueError("every line of the ROI has missing pixels (NaN or infinite)")
    is_saturated, limit = intensity.saturated_lines(image)
    time_s = np.arange(sums.size, dtype=np.float64) * dt_s
    columns, summary = yield from _standard_columns(sums, image.shape[1], time_s, params)
    quality: dict[str, Any] = {
        "num_missing_lines": int(np.count_nonzero(~np.isfinite(sums))),
        "num_saturated_lines": int(np.count_nonzero(is_saturated)),
        "saturation_level": limit,
        "is_constant": bool(np.nanmax(sums) == np.nanmin(sums)),
    }
    unsmoothed = None
    sigma = 0.0
    source_name = params["detection_source"]
    if params["detection_method"] == NOISE_SCALED:
        yield Progress(sums.size, sums.size, "smoothing")
        source_name, sigma = SMOOTH_COLUMN, smoothing_points(params, dt_s)
        own, unsmoothed, noise = _own_columns(
            sums / image.shape[1], is_saturated, dt_s, params, sigma
        )
        columns |= own
        quality["num_lines_without_baseline"] = int(
            np.count_nonzero(own[STATUS_COLUMN] == "no_baseline")
        )
        quality["df_f_smooth_sd"] = finite_or_none(noise)
    summary |= {"detection_source": source_name, "quality": quality}
    source = columns[source_name]
    return IntensityTraces(time_s, columns, source, unsmoothed, sigma, summary)


def _standard_columns(
    sums: NDArray[np.float64],
    num_columns: int,
    time_s: NDArray[np.float64],
    params: Mapping[str, Any],
) -> Generator[Progress, None, tuple[dict[str, NDArray[Any]], dict[str, Any]]]:
    """Compute CloudScope's traces, in its order of steps."""
    warnings: list[str] = []
    errors: list[str] = []
    total = intensity.mean_of_neighbours(sums, params["window_radius_points"])
    mean = total / num_columns
    size = params["median_filter_kernel_points"] if params["filter_method"] == "median" else 1
    if size > 1 and size % 2 == 0:
        warnings.append(f"median_filter_kernel_points was even; using {size + 1} points instead")
    filtered = detrended = intensity.running_median(mean, size)
    if params["detrend_method"] == "single_exponential":
        detrended, problem, is_failure = yield from _detrended(filtered, time_s)
        if problem:
            (errors if is_failure else warnings).append(problem)
    f0 = params["manual_f0_baseline"]
    if params["baseline_method"] == "percentile":
        f0 = intensity.baseline_f0(detrended, params["baseline_percentile"])
    least = params["baseline_min_value"]
    if abs(f0) < least:
        f0 = -least if f0 < 0 else least
        warnings.append(f"F0 was nearer to 0 than baseline_min_value; using {f0:g} instead")
    if np.isfinite(f0):
        change = intensity.relative_change(detrended, f0)
    else:
        change = np.full(sums.size, np.nan)
        errors.append("F0 is not defined: every average has missing lines")
    columns: dict[str, NDArray[Any]] = {
        "time_index": np.arange(sums.size),
        "time_sec": time_s,
        "sum_intensity": total,
        "norm_sum_intensity": mean,
        "filtered_norm_sum_intensity": filtered,
        "detrended_norm_sum_intensity": detrended,
        "f0_baseline": np.full(sums.size, f0),
        "df_f_signal": change,
        "d_df_f_signal": np.gradient(change, time_s),
    }
    summary = {
        "f0_baseline": finite_or_none(f0),
        "warnings": warnings,
        "errors": errors,
        **{
            name: params[name]
            for name in (
                "baseline_method",
                "baseline_percentile",
                "manual_f0_baseline",
                "detrend_method",
                "detection_method",
                "peak_search_window_ms",
                "width_search_window_ms",
                "baseline_window_ms",
            )
        },
    }
    return columns, summary


def _detrended(
    trace: NDArray[np.float64], time_s: NDArray[np.float64]
) -> Generator[Progress, None, tuple[NDArray[np.float64], str, bool]]:
    """Take out bleaching in a thread, because a fit cannot be left and entered again."""
    is_left = Event()
    with ThreadPoolExecutor(1) as pool:
        fit = pool.submit(intensity.detrend_exponential, trace, time_s, is_left.is_set)
        try:
            while not fit.done():
                wait((fit,), timeout=_PROGRESS_S)
                yield Progress(trace.size, trace.size, "fitting the bleaching curve")
        finally:
            is_left.set()
        return fit.result()


def _own_columns(
    mean: NDArray[np.float64],
    is_saturated: NDArray[np.bool_],
    dt_s: float,
    params: Mapping[str, Any],
    sigma: float,
) -> tuple[dict[str, NDArray[Any]], NDArray[np.float64], float]:
    """Return our columns, the change before smoothing, and the noise left after it."""
    is_missing = ~np.isfinite(mean)
    index = np.arange(mean.size)
    filled = np.interp(index, index[~is_missing], mean[~is_missing])
    percentile = params["baseline_percentile"]
    if params["polarity"] == "negative":
        percentile = 100.0 - percentile
    f0 = rolling_baseline(filled, dt_s, params["rolling_baseline_s"], percentile)
    has_baseline = f0 > params["baseline_min_value"]
    change = np.where(has_baseline, filled / np.where(has_baseline, f0, 1.0) - 1.0, 0.0)
    status = np.full(mean.size, "ok", dtype=object)
    status[is_saturated] = "saturated"
    status[~has_baseline] = "no_baseline"
    status[is_missing] = "missing"
    smooth = np.where(status == "ok", smoothed(change, sigma), np.nan)
    columns: dict[str, NDArray[Any]] = {
        "f0_rolling": np.where(has_baseline, f0, np.nan),
        SMOOTH_COLUMN: smooth,
        STATUS_COLUMN: status.astype(str),
    }
    return columns, change, line_noise(change) * noise_left(sigma)


def smoothing_points(params: Mapping[str, Any], dt_s: float) -> float:
    """Return the smoothing of `SMOOTH_COLUMN` in lines.

    Raises
    ------
    ValueError
        If these are too many.
    """
    sigma = float(params["smoothing_ms"]) / 1e3 / dt_s
    if sigma > _MAX_SIGMA_POINTS:
        raise ValueError(
            f"smoothing_ms, {params['smoothing_ms']:g} ms, is more than {_MAX_SIGMA_POINTS} lines"
            f" of {dt_s:g} s"
        )
    return sigma


def detect_peaks(traces: IntensityTraces, params: Mapping[str, Any]) -> list[Peak]:
    """Find onsets and peaks by the method of the parameters."""
    negative = params["polarity"] == "negative"
    dt_s = float(traces.time_s[1] - traces.time_s[0])
    if traces.unsmoothed is not None:
        found = find_transients(
            -traces.unsmoothed if negative else traces.unsmoothed,
            dt_s,
            sigma_points=traces.sigma_points,
            min_strength=params["min_strength"],
            min_distance_s=params["min_distance_ms"] / 1e3,
        )
        rows = zip(found.onset.tolist(), found.peak.tolist(), found.strength.tolist(), strict=True)
        return [Peak(onset, peak, strength=strength) for onset, peak, strength in rows]
    signal, threshold = traces.source, params["absolute_threshold"]
    if params["detection_method"] == "derivative_threshold":
        signal = np.gradient(traces.source, traces.time_s)
        threshold = params["derivative_threshold_per_sec"]
    onsets = find_onsets(
        signal,
        threshold,
        negative=negative,
        refractory_points=points_in(params["refractory_period_ms"], dt_s),
    )
    peaks = find_peaks_after(
        traces.source,
        onsets,
        negative=negative,
        search_points=points_in(params["peak_search_window_ms"], dt_s),
    )
    return [Peak(*place) for place in zip(onsets.tolist(), peaks.tolist(), strict=True)]
