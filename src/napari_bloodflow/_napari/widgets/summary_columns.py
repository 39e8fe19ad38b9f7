"""What the tables of results show of each kind of analysis, and what is said below them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, TypeGuard

from napari_bloodflow._napari.plots.plot_model import format_value
from napari_bloodflow._napari.widgets.result_summary import SummaryColumn
from napari_bloodflow.calibration import pretty_unit

if TYPE_CHECKING:
    from collections.abc import Callable

    from napari_bloodflow.acquisition.acq_image import AcqImage
    from napari_bloodflow.analysis.base import Analysis

__all__ = [
    "DIAMETER_COLUMNS",
    "EVENT_COLUMNS",
    "HEART_RATE_COLUMNS",
    "PEAK_COLUMNS",
    "VELOCITY_COLUMNS",
    "diameter_details",
    "event_details",
    "heart_rate_details",
    "peak_details",
    "velocity_details",
    "warnings_of",
]

_DIRECTIONS = {
    "positive": "flow towards larger positions",
    "negative": "flow towards smaller positions",
    "both": "flow in both directions",
}


def _velocity_unit(acq: AcqImage, analysis: Analysis) -> str:
    unit = analysis.result.summary.get("velocity_unit") or acq.calibration.velocity_unit
    return pretty_unit(str(unit))


def _diameter_unit(acq: AcqImage, analysis: Analysis) -> str:
    unit = analysis.result.summary.get("diameter_unit") or acq.calibration.position_unit
    return pretty_unit(str(unit))


def _quantity(
    key: str, unit: Callable[[AcqImage, Analysis], str]
) -> Callable[[AcqImage, Analysis], str]:
    def text(acq: AcqImage, analysis: Analysis) -> str:
        value = analysis.result.summary.get(key)
        return f"{format_value(value)} {unit(acq, analysis)}" if _is_number(value) else "–"

    return text


def _percent(key: str) -> Callable[[AcqImage, Analysis], str]:
    def text(acq: AcqImage, analysis: Analysis) -> str:
        value = analysis.result.summary.get(key)
        return f"{100 * value:.1f} %" if _is_number(value) else "–"

    return text


def _count(key: str, total_key: str) -> Callable[[AcqImage, Analysis], str]:
    def text(acq: AcqImage, analysis: Analysis) -> str:
        found, total = (analysis.result.summary.get(k) for k in (key, total_key))
        return f"{'?' if found is None else found} of {'?' if total is None else total}"

    return text


VELOCITY_COLUMNS = (
    SummaryColumn(
        "Mean",
        "Mean velocity of all windows that were measured",
        _quantity("velocity_mean", _velocity_unit),
    ),
    SummaryColumn(
        "Median",
        "Median velocity of all windows that were measured",
        _quantity("velocity_median", _velocity_unit),
    ),
    SummaryColumn(
        "CV",
        "Coefficient of variation: standard deviation over the magnitude of the mean",
        _percent("velocity_cv"),
    ),
    SummaryColumn(
        "Measured",
        "Windows with a value, of all windows",
        _count("num_valid_windows", "num_windows"),
    ),
)
DIAMETER_COLUMNS = (
    SummaryColumn("Mean", "Mean diameter", _quantity("diameter_um_mean", _diameter_unit)),
    SummaryColumn("Median", "Median diameter", _quantity("diameter_um_median", _diameter_unit)),
    SummaryColumn(
        "CV", "Coefficient of variation: standard deviation over mean", _percent("diameter_um_cv")
    ),
    SummaryColumn(
        "Accepted",
        "Rows that the summary is made of, of all rows; whole-pixel methods do not judge rows",
        _count("num_accepted_rows", "num_rows"),
    ),
)


def _estimate(analysis: Analysis) -> dict[str, Any]:
    estimate = analysis.result.summary.get("estimate")
    return estimate if isinstance(estimate, dict) else {}


def _rate(acq: AcqImage, analysis: Analysis) -> str:
    estimate = _estimate(analysis)
    bpm, sd = estimate.get("bpm"), estimate.get("bpm_sd")
    if not _is_number(bpm):
        return "–"
    return f"{bpm:.1f} ± {sd:.2g} bpm" if _is_number(sd) else f"{bpm:.1f} bpm"


def _classic_rate(method: str) -> Callable[[AcqImage, Analysis], str]:
    def text(acq: AcqImage, analysis: Analysis) -> str:
        block = analysis.result.summary.get(method)
        bpm = block.get("bpm") if isinstance(block, dict) else None
        return f"{bpm:.1f} bpm" if _is_number(bpm) else "–"

    return text


HEART_RATE_COLUMNS = (
    SummaryColumn("Rate", "Heart rate with its standard error", _rate),
    SummaryColumn("Lomb", "Peak of the Lomb-Scargle spectrum", _classic_rate("lomb")),
    SummaryColumn("Welch", "Peak of the Welch spectrum", _classic_rate("welch")),
)


def _num_records(key: str, decision: str = "") -> Callable[[AcqImage, Analysis], str]:
    def text(acq: AcqImage, analysis: Analysis) -> str:
        records = analysis.result.summary.get(key)
        found = [r for r in records if isinstance(r, dict)] if isinstance(records, list) else []
        return str(sum(not decision or r.get("decision") == decision for r in found))

    return text


def _plain(key: str) -> Callable[[AcqImage, Analysis], str]:
    def text(acq: AcqImage, analysis: Analysis) -> str:
        value = analysis.result.summary.get(key)
        return str(value) if _is_number(value) else "–"

    return text


def _num_decisions(decision: str) -> Callable[[AcqImage, Analysis], str]:
    return _num_records("peak_decisions", decision)


EVENT_COLUMNS = (
    SummaryColumn("Events", "Drawn by hand, or accepted", _num_records("events")),
    SummaryColumn("To decide", "Detected, not decided yet", _num_records("candidates", "open")),
    SummaryColumn("Rejected", "Detected, and rejected", _num_records("candidates", "rejected")),
)


PEAK_COLUMNS = (
    SummaryColumn("Peaks", "Transients that were found or added", _plain("num_peaks")),
    SummaryColumn("Accepted", "Peaks that stay in later runs", _num_decisions("accepted")),
    SummaryColumn("Rejected", "Places where no peak is wanted", _num_decisions("rejected")),
)


def peak_details(acq: AcqImage, analysis: Analysis) -> str:
    """Return what else is known of a sum intensity."""
    summary = analysis.result.summary
    parts = []
    quality = summary.get("quality")
    if isinstance(quality, dict):
        noise = quality.get("df_f_smooth_sd")
        if _is_number(noise):
            parts.append(f"noise of ΔF/F {100 * noise:.2g} %")
        parts += [
            f"{count} lines {word.removeprefix('num_').replace('_', ' ')}"
            for word, count in quality.items()
            if word.startswith("num_") and _is_number(count) and count
        ]
    return _sentence(parts)


def event_details(acq: AcqImage, analysis: Analysis) -> str:
    """Return how the detection of events went, where it did not work."""
    detection = analysis.result.summary.get("detection")
    status = detection.get("status") if isinstance(detection, dict) else "ok"
    return "" if status == "ok" else f"Nothing was detected: {str(status).replace('_', ' ')}."


def velocity_details(acq: AcqImage, analysis: Analysis) -> str:
    """Return what else is known of a velocity result, in one or two sentences."""
    summary, unit = analysis.result.summary, _velocity_unit(acq, analysis)
    parts = []
    direction = summary.get("direction")
    if direction in _DIRECTIONS:
        parts.append(_DIRECTIONS[direction])
    if _is_number(summary.get("pulsatility")):
        parts.append(f"pulsatility {summary['pulsatility']:.2f}")
    text = _sentence(parts)
    slowest, fastest = summary.get("v_min"), summary.get("v_max")
    if _is_number(slowest) and _is_number(fastest):
        span = f"{format_value(slowest)} to {format_value(fastest)} {unit}"
        text += f" These windows can measure {span}."
    return text.strip()


def diameter_details(acq: AcqImage, analysis: Analysis) -> str:
    """Return what else is known of a diameter result, in one or two sentences."""
    summary = analysis.result.summary
    parts = []
    if _is_number(summary.get("pulsatility_iqr")):
        spread = f"{100 * summary['pulsatility_iqr']:.1f} %"
        parts.append(f"pulsatility {spread} (interquartile range over median)")
    counts = summary.get("num_rows_by_status")
    if isinstance(counts, dict):
        others = {word: count for word, count in counts.items() if word != "ok"}
        words = ", ".join(f"{count} {word.replace('_', ' ')}" for word, count in others.items())
        parts += [f"rows not accepted: {words}"] if words else []
    return _sentence(parts)


def heart_rate_details(acq: AcqImage, analysis: Analysis) -> str:
    """Return what else is known of a heart rate, in one or two sentences."""
    estimate = _estimate(analysis)
    status, rejected = estimate.get("status"), estimate.get("rejected_bpm")
    parts = []
    if status is not None and status != "ok":
        parts.append(f"no rate: {str(status).replace('_', ' ')}")
        if _is_number(rejected):
            parts.append(f"the best guess was {rejected:.0f} bpm")
    over_time = analysis.result.summary.get("over_time")
    if isinstance(over_time, dict) and _is_number(over_time.get("median_bpm")):
        parts.append(f"over time: median {over_time['median_bpm']:.1f} bpm")
    return _sentence(parts)


def warnings_of(analysis: Analysis) -> str:
    """Return the warnings of a result as sentences; empty without any."""
    found = analysis.result.summary.get("warnings")
    words = [str(word) for word in found] if isinstance(found, list) else []
    return " ".join(f"{word[:1].upper()}{word[1:]}." for word in words)


def _sentence(parts: list[str]) -> str:
    text = ", ".join(parts)
    return f"{text[:1].upper()}{text[1:]}." if text else ""


def _is_number(value: Any) -> TypeGuard[float]:
    return isinstance(value, (int, float)) and not isinstance(value, bool)
