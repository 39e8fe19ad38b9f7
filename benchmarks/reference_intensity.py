"""CloudScope's sum intensity, line by line in plain numpy, from its published description.

Slow on purpose: one line and one peak after the other, with numpy's and scipy's own functions. It
is what the analysis is tested against, column by column, and what its speed is stated relative to.

Three things the description leaves open are decided here: a level that is touched but not passed
on the way up counts as crossed; an onset that is its own peak has no rise (its reason is that of a
missing peak); no finite F0 gives no df/f. Missing pixels are not part of it.
"""

from __future__ import annotations

import math
import warnings
from typing import TYPE_CHECKING, Any

import numpy as np
from scipy.ndimage import median_filter
from scipy.optimize import curve_fit

if TYPE_CHECKING:
    from collections.abc import Mapping

    from numpy.typing import NDArray

DEFAULTS: dict[str, Any] = {
    "window_radius_points": 6,
    "filter_method": "median",
    "median_filter_kernel_points": 3,
    "detrend_method": "single_exponential",
    "baseline_method": "percentile",
    "baseline_percentile": 20.0,
    "manual_f0_baseline": 1.0,
    "baseline_window_ms": 100.0,
    "baseline_min_value": 1e-12,
    "detection_method": "derivative_threshold",
    "polarity": "positive",
    "detection_source": "df_f_signal",
    "absolute_threshold": 0.0,
    "derivative_threshold_per_sec": 3.0,
    "refractory_period_ms": 10.0,
    "peak_search_window_ms": 50.0,
    "width_search_window_ms": 750.0,
    "level_fractions": "0.1,0.2,0.5,0.8,0.9",
}


def reference_intensity(
    image: NDArray[Any], params: Mapping[str, Any], dt_s: float
) -> tuple[dict[str, NDArray[Any]], list[dict[str, Any]]]:
    """Measure; the 13 standard columns by name, in order, and the peak events."""
    params = {**DEFAULTS, **params}
    columns = traces(image, params, dt_s)
    events = find_events(columns, params, dt_s)
    num_lines = image.shape[0]
    is_onset, is_peak = np.zeros(num_lines, bool), np.zeros(num_lines, bool)
    onset_index, peak_id = np.full(num_lines, np.nan), np.full(num_lines, np.nan)
    for event in events:
        onset, peak = event["onset"]["index"], event["peak"]["index"]
        is_onset[onset] = is_peak[peak] = True
        for line in (onset, peak):
            onset_index[line], peak_id[line] = onset, event["peak_id"]
    flags = {"is_onset": is_onset, "is_peak": is_peak}
    return columns | flags | {"onset_index": onset_index, "peak_id": peak_id}, events


def traces(
    image: NDArray[Any], params: Mapping[str, Any], dt_s: float
) -> dict[str, NDArray[np.float64]]:
    num_lines, num_columns = image.shape
    time_s = np.arange(num_lines) * dt_s
    sums = image.astype(np.float64).sum(axis=1)
    radius = params["window_radius_points"]
    total = np.array([np.mean(sums[max(0, t - radius) : t + radius + 1]) for t in range(num_lines)])
    mean = total / num_columns
    filtered = mean.copy()
    if params["filter_method"] == "median" and params["median_filter_kernel_points"] > 1:
        size = params["median_filter_kernel_points"]
        filtered = median_filter(mean, size + 1 if size % 2 == 0 else size, mode="nearest")
    detrended = filtered.copy()
    if params["detrend_method"] == "single_exponential":
        detrended = detrend(filtered, time_s)
    f0 = params["manual_f0_baseline"]
    if params["baseline_method"] == "percentile":
        f0 = float(np.percentile(detrended, params["baseline_percentile"]))
    least = params["baseline_min_value"]
    if abs(f0) < least:
        f0 = math.copysign(least, f0) if f0 else least
    change = (detrended - f0) / f0
    return {
        "time_index": np.arange(num_lines),
        "time_sec": time_s,
        "sum_intensity": total,
        "norm_sum_intensity": mean,
        "filtered_norm_sum_intensity": filtered,
        "detrended_norm_sum_intensity": detrended,
        "f0_baseline": np.full(num_lines, f0),
        "df_f_signal": change,
        "d_df_f_signal": np.gradient(change, time_s),
    }


def detrend(trace: NDArray[np.float64], time_s: NDArray[np.float64]) -> NDArray[np.float64]:
    if trace.size < 4 or np.ptp(trace) == 0:
        return trace.copy()

    def curve(t: Any, a: float, b: float, c: float) -> Any:
        return a * np.exp(-b * t) + c

    guess = (trace[0] - trace[-1], 1 / (time_s[-1] - time_s[0]), trace[-1])
    try:
        with warnings.catch_warnings(), np.errstate(all="ignore"):
            warnings.simplefilter("ignore")
            found, _ = curve_fit(curve, time_s, trace, p0=guess, maxfev=10_000)
            fit = curve(time_s, *found)
    except RuntimeError:
        return trace.copy()
    return trace - fit + fit[0] if np.isfinite(fit).all() else trace.copy()


def points(duration_ms: float, dt_s: float) -> int:
    return max(0, int(np.rint(duration_ms / 1000 / dt_s)))


def find_events(
    columns: Mapping[str, NDArray[Any]], params: Mapping[str, Any], dt_s: float
) -> list[dict[str, Any]]:
    source, time_s = columns[params["detection_source"]], columns["time_sec"]
    slope = np.gradient(source, time_s)
    is_negative = params["polarity"] == "negative"
    if params["detection_method"] == "derivative_threshold":
        signal, threshold = slope, params["derivative_threshold_per_sec"]
    else:
        signal, threshold = source, params["absolute_threshold"]
    onsets: list[int] = []
    was_active = False
    for line, value in enumerate(signal):
        is_active = value <= -abs(threshold) if is_negative else value >= threshold
        if is_active and not was_active:
            refractory = points(params["refractory_period_ms"], dt_s)
            if not onsets or line > onsets[-1] + refractory:
                onsets.append(line)
        was_active = bool(is_active)
    events = []
    for number, onset in enumerate(onsets):
        next_onset = onsets[number + 1] if number + 1 < len(onsets) else None
        place = (onset, next_onset)
        events.append(
            describe(source, slope, time_s, place, params, dt_s) | {"peak_id": number + 1}
        )
    for number, event in enumerate(events):
        for name in ("onset", "peak"):
            since = None
            if number:
                since = event[name]["time_sec"] - events[number - 1][name]["time_sec"]
            event["intervals"][f"{name}_to_{name}_interval_sec"] = since
    return events


def describe(
    source: NDArray[np.float64],
    slope: NDArray[np.float64],
    time_s: NDArray[np.float64],
    place: tuple[int, int | None],
    params: Mapping[str, Any],
    dt_s: float,
) -> dict[str, Any]:
    onset, next_onset = place
    flip = -1.0 if params["polarity"] == "negative" else 1.0
    search = max(1, points(params["peak_search_window_ms"], dt_s))
    peak = onset + int(np.argmax(flip * source[onset : onset + search + 1]))
    amplitude = float(flip * (source[peak] - source[onset]))
    last = peak + max(1, points(params["width_search_window_ms"], dt_s))
    last = min(last, source.size - 1, next_onset if next_onset is not None else source.size)
    levels = [
        crossing(source, flip, float(fraction), onset, peak, last, dt_s)
        for fraction in params["level_fractions"].split(",")
    ]
    both = {level["fraction"]: level for level in levels if level["status"] == "ok"}
    before = source[max(0, onset - points(params["baseline_window_ms"], dt_s)) : onset]
    features: dict[str, tuple[float | None, str]] = {
        "baseline_mean": (None, "insufficient_baseline_samples"),
        "baseline_std": (None, "insufficient_baseline_samples"),
        "prominence": (None, "baseline_mean_unavailable"),
        "rise_10_90_sec": (None, "left_10_or_left_90_unavailable"),
        "decay_90_10_sec": (None, "right_90_or_right_10_unavailable"),
        "max_rise_slope": (None, "peak_index_unavailable"),
        "max_decay_slope": (None, "right_10_crossing_unavailable"),
        "auc": (None, "left_10_or_right_10_unavailable"),
    }
    if before.size:
        features["baseline_mean"] = (float(before.mean()), "")
        features["prominence"] = (float(flip * (source[peak] - before.mean())), "")
    if before.size > 1:
        features["baseline_std"] = (float(before.std(ddof=1)), "")
    lines = np.arange(source.size)
    if 0.1 in both and 0.9 in both:
        low, high = both[0.1], both[0.9]
        at = [
            float(np.interp(index, lines, time_s))
            for index in (
                low["left_index"],
                high["left_index"],
                high["right_index"],
                low["right_index"],
            )
        ]
        features["rise_10_90_sec"] = (at[1] - at[0], "")
        features["decay_90_10_sec"] = (at[3] - at[2], "")
    features["decay_time_sec"] = features["decay_90_10_sec"]
    if peak > onset:
        features["max_rise_slope"] = (float(flip * np.max(flip * slope[onset : peak + 1])), "")
    if 0.1 in both:
        left, right = both[0.1]["left_index"], both[0.1]["right_index"]
        falling = flip * slope[peak : math.ceil(right) + 1]
        features["max_decay_slope"] = (float(flip * np.min(falling)), "")
        index = np.array([left, *(line for line in lines if left < line < right), right])
        values = np.maximum(flip * (np.interp(index, lines, source) - source[onset]), 0)
        area = float(np.trapezoid(values, np.interp(index, lines, time_s)))
        features["auc"] = (area, "")
    return {
        "status": "ok" if amplitude > 0 else "non_positive_amplitude",
        "onset": {
            "index": onset,
            "time_sec": float(time_s[onset]),
            "value": float(source[onset]),
        },
        "peak": {
            "index": peak,
            "time_sec": float(time_s[peak]),
            "value": float(source[peak]),
            "amplitude": amplitude,
        },
        "features": {
            name: {"value": value, "reason": reason, "status": "failed" if reason else "ok"}
            for name, (value, reason) in features.items()
        },
        "level_crossings": levels,
        "intervals": {},
    }


def crossing(
    source: NDArray[np.float64],
    flip: float,
    fraction: float,
    onset: int,
    peak: int,
    last: int,
    dt_s: float,
) -> dict[str, Any]:
    level = float(source[onset] + fraction * (source[peak] - source[onset]))
    left = right = None
    for line in range(onset, peak):
        before, after = source[line], source[line + 1]
        if left is None and flip * before < flip * level <= flip * after:
            left = float(line + (level - before) / (after - before))
    for line in range(peak, last):
        before, after = source[line], source[line + 1]
        if right is None and flip * before > flip * level >= flip * after:
            right = float(line + (level - before) / (after - before))
    status = "ok"
    if left is None or right is None:
        status = {
            (True, False): "left_not_found",
            (False, True): "right_not_found_within_width_search_window",
            (True, True): "both_not_found",
        }[left is None, right is None]
    width = None if left is None or right is None else right - left
    return {
        "fraction": fraction,
        "value": level,
        "left_index": left,
        "right_index": right,
        "width": width,
        "width_sec": None if width is None else width * dt_s,
        "status": status,
    }
