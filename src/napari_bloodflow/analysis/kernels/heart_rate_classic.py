"""Heart rate as CloudScope computes it, so that its studies can be continued with equal numbers.

A Lomb-Scargle periodogram on a fixed grid, and Welch's spectrum of the band-passed samples with
gaps cut out. The latter's bins are as wide as ``60 / nperseg_sec`` bpm, and with the usual
parameters the two agree when they differ by one bin. See
:mod:`~napari_bloodflow.analysis.kernels.heart_rate` for a better estimate.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
from scipy import signal

from napari_bloodflow.analysis.kernels.spectrum import lomb_power, welch_power

if TYPE_CHECKING:
    from collections.abc import Mapping

    from numpy.typing import NDArray

__all__ = ["classic_heart_rate", "clip_outliers"]

_MIN_SAMPLES = 256
_NPERSEG_LIMITS = (128, 8192)
_COUNTS = ("n_samples", "n_valid", "t_start", "t_end")


class _Peak(NamedTuple):
    """Status, and what was found if it is "ok"."""

    status: str
    reason: str | None = None
    frequency_hz: float = float("nan")
    snr: float = float("nan")
    band_concentration: float = float("nan")


def clip_outliers(values: NDArray[np.float64], outlier_mads: float) -> NDArray[np.float64]:
    """Limit values to the median and so many robust standard deviations to either side.

    Parameters
    ----------
    values : ndarray, shape (samples,)
        NaN where there is none.
    outlier_mads : float
        Number of robust standard deviations, 1.4826 times the median absolute deviation. If that
        is 0, nothing is limited.
    """
    valid = values[np.isfinite(values)]
    if not valid.size:
        return values
    middle = np.median(valid)
    limit = outlier_mads * 1.4826 * np.median(np.abs(valid - middle))
    return np.clip(values, middle - limit, middle + limit) if limit > 0 else values


def classic_heart_rate(
    time_s: NDArray[np.float64], velocity: NDArray[np.float64], params: Mapping[str, Any]
) -> dict[str, Any]:
    """Estimate the heart rate by both methods.

    Parameters
    ----------
    time_s, velocity : ndarray, shape (samples,)
        Times in s and velocities; NaN where there is none.
    params : mapping
        The parameters of CloudScope's ``heart_rate``, all of them.

    Returns
    -------
    dict
        The summary that CloudScope stores: ``version, n_total, n_valid, valid_frac, t_min, t_max,
        lomb, welch, agreement, status, status_note`` and, on request, ``segments_summary``.
    """
    valid = np.isfinite(time_s) & np.isfinite(velocity)
    times = time_s[valid]
    count, total = int(valid.sum()), int(velocity.size)
    lomb, welch = _estimate(time_s, velocity, params)
    span = (float(times[0]), float(times[-1])) if count else (None, None)
    blocks = {
        name: _block(peak, method, params, (total, count), span)
        for name, method, peak in (("lomb", "lombscargle", lomb), ("welch", "welch", welch))
    }
    agreement = _agreement(lomb, welch, params["agree_tol_bpm"])
    summary: dict[str, Any] = {
        "version": 1,
        "n_total": total,
        "n_valid": count,
        "valid_frac": count / total if total else 0.0,
        "t_min": span[0],
        "t_max": span[1],
        **blocks,
        "agreement": agreement,
        "status": _overall(lomb, welch, agreement),
        "status_note": "",
    }
    if params["do_segments"]:
        summary["segments_summary"] = _segments(time_s, velocity, params)
    return summary


def _estimate(
    time_s: NDArray[np.float64], velocity: NDArray[np.float64], params: Mapping[str, Any]
) -> tuple[_Peak, _Peak]:
    """Return the peaks by Lomb-Scargle and by Welch."""
    values = np.abs(velocity) if params["use_abs"] else velocity
    values = clip_outliers(values, params["outlier_k_mad"])
    valid = np.isfinite(values)
    if np.count_nonzero(valid) < _MIN_SAMPLES:
        few = _Peak("insufficient_valid", f"fewer than {_MIN_SAMPLES} valid samples")
        return few, few
    values = values - np.mean(values[valid])
    return _lomb(time_s, values, params), _welch(time_s, values, params)


def _lomb(
    time_s: NDArray[np.float64], values: NDArray[np.float64], params: Mapping[str, Any]
) -> _Peak:
    low, high, num = params["bpm_min"] / 60, params["bpm_max"] / 60, int(params["lomb_n_freq"])
    power = lomb_power(time_s, values, low, high, num)
    return _peak(np.linspace(low, high, num), power, params, "no_peak_lomb")


def _welch(
    time_s: NDArray[np.float64], values: NDArray[np.float64], params: Mapping[str, Any]
) -> _Peak:
    low, high = params["bpm_min"] / 60, params["bpm_max"] / 60
    joined = _without_gaps(time_s, values, params["interp_max_gap_sec"])
    steps = np.diff(time_s)
    rate = 1.0 / float(np.median(steps[steps > 0]))
    try:
        numerator, denominator = signal.butter(
            int(params["bandpass_order"]), [low, high], btype="bandpass", fs=rate
        )
        passed = signal.filtfilt(numerator, denominator, joined)
        size = int(np.clip(round(rate * params["nperseg_sec"]), *_NPERSEG_LIMITS))
        spectrum = welch_power(passed, rate, min(size, passed.size))
    except ValueError as error:
        return _Peak("other_error", f"welch_failed: {error}")
    inside = (spectrum.frequency_hz >= low) & (spectrum.frequency_hz <= high)
    return _peak(spectrum.frequency_hz[inside], spectrum.power[inside], params, "no_peak_welch")


def _without_gaps(
    time_s: NDArray[np.float64], values: NDArray[np.float64], max_gap_s: float
) -> NDArray[np.float64]:
    """Interpolate short gaps; cut long ones and those at the ends out, joining what is left."""
    valid = np.isfinite(values)
    edges = np.flatnonzero(np.diff(~valid, prepend=False, append=False))
    filled = values.copy()
    for start, stop in edges.reshape(-1, 2):
        if start > 0 and stop < values.size and time_s[stop - 1] - time_s[start] <= max_gap_s:
            filled[start:stop] = np.interp(time_s[start:stop], time_s[valid], values[valid])
    return np.asarray(filled[np.isfinite(filled)])


def _peak(
    frequency: NDArray[np.float64],
    power: NDArray[np.float64],
    params: Mapping[str, Any],
    absent: str,
) -> _Peak:
    if not power.size or not np.isfinite(power).any() or np.nanmax(power) <= 0:
        return _Peak(absent, "there is no power in the band")
    best = int(np.nanargmax(power))
    median = float(np.median(power))
    near = np.abs(frequency - frequency[best]) <= params["peak_half_width_hz"]
    return _Peak(
        "ok",
        None,
        float(frequency[best]),
        float(power[best]) / median if median > 0 else float("inf"),
        float(power[near].sum() / power.sum()),
    )


def _block(
    peak: _Peak,
    method: str,
    params: Mapping[str, Any],
    counts: tuple[int, int],
    span: tuple[float | None, float | None],
) -> dict[str, Any]:
    block: dict[str, Any] = dict.fromkeys(
        ("bpm", "f_hz", "snr", "edge_flag", "edge_hz_distance", "band_concentration", *_COUNTS)
    )
    if peak.status == "ok":
        low, high = params["bpm_min"] / 60, params["bpm_max"] / 60
        margin = params["edge_margin_hz"]
        if margin < 0:
            margin = max(0.2, 0.05 * (high - low))
        found = peak.frequency_hz
        block |= {
            "bpm": 60 * found,
            "f_hz": found,
            "snr": peak.snr if np.isfinite(peak.snr) else None,
            "edge_flag": bool(found <= low + margin or found >= high - margin),
            "edge_hz_distance": min(found - low, high - found),
            "band_concentration": peak.band_concentration,
            **dict(zip(_COUNTS, counts + span, strict=True)),
        }
    status = {"status": peak.status, "status_note": "", "reason": peak.reason}
    return {"method": method, **block, **status}


def _agreement(lomb: _Peak, welch: _Peak, tolerance_bpm: float) -> dict[str, Any] | None:
    if lomb.status != "ok" or welch.status != "ok":
        return None
    delta_bpm = 60 * welch.frequency_hz - 60 * lomb.frequency_hz
    return {
        "delta_bpm": delta_bpm,
        "abs_delta_bpm": abs(delta_bpm),
        "delta_hz": welch.frequency_hz - lomb.frequency_hz,
        "agree_ok": abs(delta_bpm) <= tolerance_bpm,
        "agree_tol_bpm": tolerance_bpm,
    }


def _overall(lomb: _Peak, welch: _Peak, agreement: dict[str, Any] | None) -> str:
    if agreement is not None:
        return "ok" if agreement["agree_ok"] else "method_disagree"
    if "ok" in (lomb.status, welch.status):
        return "ok"
    known = ("insufficient_valid", "no_peak_lomb", "no_peak_welch")
    return next((s for s in known if s in (lomb.status, welch.status)), "other_error")


def _segments(
    time_s: NDArray[np.float64], velocity: NDArray[np.float64], params: Mapping[str, Any]
) -> dict[str, Any]:
    times = time_s[np.isfinite(time_s) & np.isfinite(velocity)]
    width, step = params["seg_win_sec"], params["seg_step_sec"]
    rates = []
    if times.size:
        num = int(np.floor((times[-1] - times[0] - width) / step + 1e-9)) + 1
        for left in times[0] + step * np.arange(max(0, num)):
            start, stop = np.searchsorted(time_s, (left, left + width))
            window = velocity[start:stop]
            enough = params["seg_min_valid_frac"] * window.size
            peak = _Peak("insufficient_valid")
            if window.size and np.count_nonzero(np.isfinite(window)) >= enough:
                peak = _estimate(time_s[start:stop], window, params)[1]
            rates.append(60 * peak.frequency_hz)
    found = np.array(rates)[np.isfinite(rates)]
    return {
        "method": "welch",
        "n_windows": len(rates),
        "n_valid_windows": int(found.size),
        "median_bpm": float(np.median(found)) if found.size else None,
        "iqr_bpm": float(np.subtract(*np.percentile(found, (75, 25)))) if found.size else None,
    }
