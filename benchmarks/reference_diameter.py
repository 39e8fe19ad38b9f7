"""CloudScope's two diameter methods, row by row in plain numpy, from their published description.

Slow on purpose: one row after the other, with numpy's and scipy's own functions. It is what the
kernels are tested against, bit for bit, and what their speed is stated relative to.

Two things the description leaves open are decided here: a profile without any finite value counts
as empty (score 0.35, an edge violation, no other flag), and neighbours of a missing pixel are not
peaks.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

import numpy as np
from scipy.ndimage import gaussian_filter1d

if TYPE_CHECKING:
    from collections.abc import Mapping

    from numpy.typing import NDArray

DEFAULTS: dict[str, Any] = {
    "window_rows_odd": 5,
    "stride": 1,
    "binning_method": "mean",
    "polarity": "bright_on_dark",
    "diameter_method": "threshold_width",
    "post_filter_kernel_size": 3,
    "threshold_mode": "half_max",
    "threshold_value": 0.0,
    "gradient_sigma": 1.5,
    "gradient_kernel": "central_diff",
    "gradient_min_edge_strength": 0.02,
    "enable_motion_gating": True,
    "max_edge_shift_um": 2.0,
    "max_diameter_change_um": 2.0,
    "max_center_shift_um": 2.0,
}


def reference_diameter(
    image: NDArray[Any], params: Mapping[str, Any], dt_s: float = 1.0, dx_um: float = 1.0
) -> dict[str, NDArray[Any]]:
    """Measure all rows; the 20 standard columns by name, in order."""
    params = {**DEFAULTS, **params}
    pixels = np.asarray(image, np.float64)
    rows = [
        measure_row(pixels, center, params)
        for center in range(0, pixels.shape[0], params["stride"])
    ]
    center_row = np.arange(0, pixels.shape[0], params["stride"])
    left, right, peak, baseline, total, strength_left, strength_right, score = (
        np.array([row[i] for row in rows], np.float64) for i in range(8)
    )
    edge_violation = np.array([row[8] for row in rows], bool)
    diameter_violation = np.zeros(len(rows), bool)
    center_violation = np.zeros(len(rows), bool)
    if params["diameter_method"] == "gradient_edges" and params["enable_motion_gating"]:
        limits = [
            params[name] / dx_um
            for name in ("max_edge_shift_um", "max_diameter_change_um", "max_center_shift_um")
        ]
        gate(left, right, limits, edge_violation, diameter_violation, center_violation)
    diameter = right - left
    filtered = running_median(diameter, params["post_filter_kernel_size"])
    both = np.isfinite(diameter) & np.isfinite(filtered)
    was_filtered = both & ~np.isclose(diameter, filtered)
    return {
        "time_s": center_row * dt_s,
        "center_row": center_row,
        "left_edge_px": left,
        "right_edge_px": right,
        "left_edge_um": left * dx_um,
        "right_edge_um": right * dx_um,
        "diameter_px": diameter,
        "diameter_um": diameter * dx_um,
        "diameter_px_filt": filtered,
        "diameter_um_filt": filtered * dx_um,
        "diameter_was_filtered": was_filtered,
        "peak": peak,
        "baseline": baseline,
        "sum_intensity": total,
        "edge_strength_left": strength_left,
        "edge_strength_right": strength_right,
        "qc_score": score,
        "qc_edge_violation": edge_violation,
        "qc_diameter_violation": diameter_violation,
        "qc_center_violation": center_violation,
    }


def measure_row(pixels: NDArray[np.float64], center: int, params: Mapping[str, Any]) -> Any:
    """Edges, levels, strengths, score and edge violation of one centre row."""
    nan = math.nan
    half = params["window_rows_odd"] // 2
    block = pixels[max(0, center - half) : min(pixels.shape[0], center + half + 1)]
    seen = np.isfinite(block).any(axis=0)
    profile = np.full(block.shape[1], nan)
    average = np.nanmean if params["binning_method"] == "mean" else np.nanmedian
    if seen.all():
        profile = average(block, axis=0)
    elif seen.any():
        profile[seen] = average(np.ascontiguousarray(block[:, seen]), axis=0)
    else:
        return nan, nan, nan, nan, nan, nan, nan, 1.0 - 0.55 - 0.1, True
    if params["polarity"] == "dark_on_bright":
        profile = np.nanmax(profile) - profile
    total = np.sum(profile)
    baseline = np.nanpercentile(profile, 10)
    peak = np.nanpercentile(profile, 90)
    contrast = peak - baseline

    left = right = strength_left = strength_right = nan
    missing_left = missing_right = wrong_order = weak = False
    if params["diameter_method"] == "threshold_width":
        level = baseline + 0.5 * (peak - baseline)
        if params["threshold_mode"] == "absolute":
            level = params["threshold_value"]
        above = np.flatnonzero(profile >= level)
        missing_left = not above.size or above[0] == 0
        missing_right = not above.size or above[-1] == profile.size - 1
        left = nan if missing_left else float(above[0])
        right = nan if missing_right else float(above[-1])
    else:
        filled = profile
        if np.isnan(profile).any():
            known = np.flatnonzero(np.isfinite(profile))
            filled = np.interp(np.arange(profile.size), known, profile[known])
        if params["gradient_sigma"] > 0:
            filled = gaussian_filter1d(
                filled, params["gradient_sigma"], mode="nearest", truncate=4.0
            )
        slope = np.gradient(filled)
        first, last = int(np.argmax(slope)), int(np.argmin(slope))
        strength_left = max(0.0, float(slope[first]))
        strength_right = max(0.0, -float(slope[last]))
        weakest = min(strength_left, strength_right)
        weak = weakest < params["gradient_min_edge_strength"] or weakest / (contrast + 1e-12) < 0.2
        wrong_order = first >= last
        if not wrong_order:
            left, right = float(first), float(last)

    score = 1.0
    for flag, loss in (
        (not contrast > 0, 0.55),
        (missing_left, 0.25),
        (missing_right, 0.25),
        (wrong_order, 0.35),
        (weak, 0.2),
        (has_heavy_ends(profile), 0.1),
        (has_double_peak(profile, baseline, contrast), 0.15),
    ):
        if flag:
            score -= loss
    violation = missing_left or missing_right or wrong_order or weak
    score = min(max(score, 0.0), 1.0)
    return left, right, peak, baseline, total, strength_left, strength_right, score, violation


def has_heavy_ends(profile: NDArray[np.float64]) -> bool:
    """Tell whether an end of the values is close to its percentile ("saturation")."""
    low, high = np.nanmin(profile), np.nanmax(profile)
    if high - low == 0:
        return True
    p01, p99 = np.nanpercentile(profile, 1), np.nanpercentile(profile, 99)
    return bool((p01 - low) / (high - low) < 0.01 or (high - p99) / (high - low) < 0.01)


def has_double_peak(profile: NDArray[np.float64], baseline: float, contrast: float) -> bool:
    """Tell whether two or more inner pixels are high local maxima."""
    if profile.size < 3 or not contrast > 0:
        return False
    inner = profile[1:-1]
    peaks = (inner > profile[:-2]) & (inner >= profile[2:]) & (inner >= baseline + 0.8 * contrast)
    return bool(np.count_nonzero(peaks) >= 2)


def gate(
    left: NDArray[np.float64],
    right: NDArray[np.float64],
    limits: list[float],
    edge_violation: NDArray[np.bool_],
    diameter_violation: NDArray[np.bool_],
    center_violation: NDArray[np.bool_],
) -> None:
    """Remove edges that moved too far since the row before, in place."""
    edge_limit, diameter_limit, center_limit = limits
    for i in range(1, left.size):
        for edge in (left, right):
            if abs(edge[i] - edge[i - 1]) > edge_limit:
                edge[i] = math.nan
                edge_violation[i] = True
        change = (right[i] - left[i]) - (right[i - 1] - left[i - 1])
        if abs(change) > diameter_limit:
            left[i] = right[i] = math.nan
            diameter_violation[i] = True
        shift = (left[i] + right[i]) / 2 - (left[i - 1] + right[i - 1]) / 2
        if abs(shift) > center_limit:
            left[i] = right[i] = math.nan
            center_violation[i] = True


def running_median(values: NDArray[np.float64], size: int) -> NDArray[np.float64]:
    """Median of the finite values in a window clipped at the ends; NaN stays NaN."""
    half = size // 2
    filtered = np.full(values.size, math.nan)
    for i in np.flatnonzero(np.isfinite(values)):
        near = values[max(0, i - half) : i + half + 1]
        filtered[i] = np.median(near[np.isfinite(near)])
    return filtered
