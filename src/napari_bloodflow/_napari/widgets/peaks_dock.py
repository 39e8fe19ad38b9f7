"""The Peaks dock: brightness over time, its transients, and what is decided about them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, ClassVar

from qtpy.QtWidgets import QComboBox

from napari_bloodflow._napari.overlays import peak_lines
from napari_bloodflow._napari.plots.event_plot import Band
from napari_bloodflow._napari.plots.result_traces import first_line_s, intensity_plot_model
from napari_bloodflow._napari.widgets.dock_spec import DockSpec
from napari_bloodflow._napari.widgets.review_dock import ReviewDock, id_of
from napari_bloodflow._napari.widgets.review_table import ReviewRow
from napari_bloodflow._napari.widgets.summary_columns import PEAK_COLUMNS, peak_details
from napari_bloodflow.analysis.sum_intensity import SumIntensity
from napari_bloodflow.analysis.sum_intensity_params import PRESETS, preset

if TYPE_CHECKING:
    from collections.abc import Callable

    from napari_bloodflow._napari.plots.trace_plot import TracePlot
    from napari_bloodflow.acquisition.acq_image import AcqImage
    from napari_bloodflow.analysis.base import Analysis
    from napari_bloodflow.analysis.peak_records import Peak

__all__ = ["PeaksDock"]

_HEADERS = (
    ("Peak", "Number; the band in the plot is from the onset to the peak"),
    ("Onset", "Onset in s, from the first line of the file"),
    ("Height", "Height over the level at the onset, in ΔF/F"),
    ("Rise", "From 10 to 90 % of the height, ms"),
    ("Decay", "From 90 to 10 % of the height, ms"),
    ("State", "By whom it was made, or what was decided about it"),
)
_PRESET_NAMES = {
    "noise": "In units of noise",
    "cloudscope": "CloudScope's defaults",
    "fast": "CloudScope: fast",
    "medium": "CloudScope: medium",
    "slow": "CloudScope: slow",
}


class PeaksDock(ReviewDock):
    """Brightness of a ROI over time and its transients; these can be reviewed, drawn and moved.

    See :class:`AnalysisDock`. Decisions are kept over runs, and can be undone with the other edits
    of the file.
    """

    headers = _HEADERS
    item = "peak"
    spec: ClassVar[DockSpec] = DockSpec(
        analysis_type=SumIntensity,
        name="peaks",
        noun="intensity",
        basic=("detection_method", "polarity"),
        columns=PEAK_COLUMNS,
        details=peak_details,
        plot_model=intensity_plot_model,
        method_field="detection_method",
        uncalibrated="Not calibrated: the sum intensity needs the line period.",
        overlay_lines=peak_lines,
    )

    def _make_plot(self) -> TracePlot:
        self._presets = QComboBox(self)
        self._presets.setObjectName("peaks_preset")
        self._presets.setToolTip("Settings for a purpose; each can be changed afterwards")
        for name in PRESETS:
            self._presets.addItem(_PRESET_NAMES.get(name, name), name)
        self._presets.activated.connect(self._on_preset)
        self._choice.add_row("Preset", self._presets)
        return super()._make_plot()

    def _on_preset(self) -> None:
        self._choice.set_params(preset(self._presets.currentData()))

    # ---- what is shown

    @property
    def _analysis(self) -> SumIntensity | None:
        acq, key = self._session.acq, self._choice.key
        analysis = acq.analysis_set.get(key) if acq is not None and key is not None else None
        return analysis if isinstance(analysis, SumIntensity) and analysis.has_results else None

    @property
    def _offset_s(self) -> float:
        """Time of the first line of the ROI: peaks count from there, the plot from the file's."""
        acq, analysis = self._session.acq, self._analysis
        return first_line_s(acq, analysis) if acq is not None and analysis is not None else 0.0

    def _show_plots(self, acq: AcqImage | None, shown: list[Analysis]) -> None:
        super()._show_plots(acq, shown)
        (analysis, offset_s) = (self._analysis, self._offset_s)
        rows: list[ReviewRow] = []
        bands: list[Band] = []
        if analysis is not None and analysis in shown:
            dt_s = acq.calibration.dt_s if acq is not None else 1.0
            both = [(p, False) for p in analysis.peaks]
            both += [(p, True) for p in analysis.rejected_peaks]
            for peak, is_rejected in sorted(both, key=lambda pair: pair[0].onset):
                rows.append(_row(peak, is_rejected, offset_s, dt_s))
                if not is_rejected:
                    bands.append(_band(peak, offset_s, dt_s))
        self._show_review(rows, bands, is_usable=analysis is not None)

    # ---- what the user did

    def _on_drawn(self, start: float, stop: float) -> None:
        self._table.stop_drawing()
        first, last = sorted((start - self._offset_s, stop - self._offset_s))
        self._change(lambda analysis: analysis.add(first, last))

    def _on_moved(self, name: str, start: float, stop: float) -> None:
        peak_id, offset_s = id_of(name, self.item), self._offset_s
        if peak_id is not None:
            onset_s, peak_s = start - offset_s, stop - offset_s
            self._change(lambda analysis: analysis.move(peak_id, onset_s=onset_s, peak_s=peak_s))

    def _on_accepted(self, name: str) -> None:
        peak_id = id_of(name, self.item)
        if peak_id is not None:
            self._change(lambda analysis: analysis.accept(peak_id))
            return
        analysis = self._analysis
        found = [p for p in analysis.rejected_peaks if _name(p, True) == name] if analysis else []
        if found:
            self._change(lambda analysis: analysis.restore(found[0]))

    def _on_rejected(self, name: str) -> None:
        peak_id = id_of(name, self.item)
        if peak_id is not None:
            self._change(lambda analysis: analysis.reject(peak_id))

    def _on_deleted(self, name: str) -> None:
        self._on_rejected(name)

    def _change(self, change: Callable[[SumIntensity], object]) -> None:
        analysis = self._analysis
        if analysis is not None:
            self._edit(lambda: change(analysis))


def _name(peak: Peak, is_rejected: bool) -> str:
    return f"rejected {peak.onset} {peak.peak}" if is_rejected else f"peak {peak.peak_id}"


def _row(peak: Peak, is_rejected: bool, offset_s: float, dt_s: float) -> ReviewRow:
    if is_rejected:
        state = "rejected"
    elif peak.decision == "accepted" and peak.origin == "detected":
        state = "accepted"
    else:
        state = peak.origin
    times: list[Any] = ["–", "–", "–"]
    if not is_rejected:
        times[0] = f"{peak.amplitude:.3g}" if peak.amplitude is not None else "–"
        for place, feature in enumerate(("rise_10_90_sec", "decay_90_10_sec"), start=1):
            value = peak.feature(feature)
            times[place] = f"{1e3 * value:.3g}" if value is not None else "–"
    number = "" if is_rejected else str(peak.peak_id)
    return ReviewRow(
        _name(peak, is_rejected),
        "fall" if is_rejected else _color_of(peak),
        (number, f"{peak.onset * dt_s + offset_s:.3f}", *times, state),
        is_decided=not is_rejected and peak.decision == "accepted",
        is_rejected=is_rejected,
    )


def _band(peak: Peak, offset_s: float, dt_s: float) -> Band:
    stop = max(peak.peak, peak.onset + 1)
    name = _name(peak, False)
    return Band(name, peak.onset * dt_s + offset_s, stop * dt_s + offset_s, _color_of(peak))


def _color_of(peak: Peak) -> str:
    return "rise" if peak.decision == "accepted" else "user"
