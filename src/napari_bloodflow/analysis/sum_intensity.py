"""Intensity of a ROI over time, and the transients in it."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np
import pandas as pd

from napari_bloodflow.analysis.base import (
    Analysis,
    AnalysisInputs,
    AnalysisResult,
    DetectionParams,
    Progress,
)
from napari_bloodflow.analysis.intensity_traces import (
    SMOOTH_COLUMN,
    STATUS_COLUMN,
    detect_peaks,
    iter_traces,
    smoothing_points,
)
from napari_bloodflow.analysis.peak_measurement import (
    DECISIONS_KEY,
    EVENTS_KEY,
    FIRST_LINE_KEY,
    describe_peaks,
    flag_columns,
    peaks_summary,
)
from napari_bloodflow.analysis.peak_records import (
    Peak,
    merged_peaks,
    read_decided,
    read_peaks,
    shifted,
)
from napari_bloodflow.analysis.provenance import (
    PROVENANCE_KEY,
    make_provenance,
    run_stamp,
    sealed,
)
from napari_bloodflow.analysis.sum_intensity_params import SumIntensityParams
from napari_bloodflow.errors import AnalysisError

if TYPE_CHECKING:
    from collections.abc import Generator, Iterable, Mapping

__all__ = ["SumIntensity"]

_SAME_PEAK_S = 0.01
_PEAKS_PER_STEP = 200


class SumIntensity(Analysis):
    """Sum of every line over time, its relative change, and the transients in it.

    The default method finds transients in units of noise
    (:mod:`~napari_bloodflow.analysis.kernels.transients`). ``derivative_threshold`` and
    ``absolute_threshold`` are CloudScope's, number by number.

    Peaks can be accepted, rejected, added and moved by hand; what was decided is kept over runs.
    All times are in s from the first line of the ROI. What cannot be measured is NaN or None, with
    a reason.
    """

    analysis_name: ClassVar[str] = "sum_intensity"
    display_name: ClassVar[str] = "Sum intensity"
    params_model: ClassVar[type[DetectionParams]] = SumIntensityParams
    standard_columns: ClassVar[tuple[str, ...]] = (
        "time_index",
        "time_sec",
        "sum_intensity",
        "norm_sum_intensity",
        "filtered_norm_sum_intensity",
        "detrended_norm_sum_intensity",
        "f0_baseline",
        "df_f_signal",
        "d_df_f_signal",
        "is_onset",
        "is_peak",
        "onset_index",
        "peak_id",
    )
    own_columns: ClassVar[tuple[str, ...]] = ("f0_rolling", SMOOTH_COLUMN, STATUS_COLUMN)
    keeps_decisions: ClassVar[bool] = True
    decisions_name: ClassVar[str] = "peaks"

    # ---- reading

    @property
    def peaks(self) -> tuple[Peak, ...]:
        """The peaks by their onsets, without those rejected."""
        return read_peaks(self.result.summary.get(EVENTS_KEY))[0]

    @property
    def rejected_peaks(self) -> tuple[Peak, ...]:
        """Where the user rejected peaks, by their onsets."""
        rejected = [peak for peak in self._decided if peak.decision == "rejected"]
        return tuple(sorted(rejected, key=lambda peak: peak.onset))

    @property
    def _decided(self) -> tuple[Peak, ...]:
        return read_decided(self.result.summary.get(DECISIONS_KEY))

    def get_peak(self, peak_id: int) -> Peak:
        """Return a peak.

        Raises
        ------
        AnalysisError
            If there is none with this number.
        """
        for peak in self.peaks:
            if peak.peak_id == peak_id:
                return peak
        have = ", ".join(str(peak.peak_id) for peak in self.peaks[:20]) or "none"
        raise AnalysisError(f"{self.key}: there is no peak {peak_id}; there is {have}")

    @property
    def stored_problems(self) -> tuple[tuple[str, str, str], ...]:
        """What is wrong in a stored result; see :attr:`Analysis.stored_problems`."""
        _, aside = read_peaks(self.result.summary.get(EVENTS_KEY))
        return tuple(
            (f"summary.{EVENTS_KEY}[{place}]", fault, "this peak is not shown, its record is kept")
            for place, _, fault in aside
        )

    @classmethod
    def is_edit(cls, before: AnalysisResult, after: AnalysisResult) -> bool:
        """Tell whether the user decided something; a run alone is no edit."""
        decisions = (result.summary.get(DECISIONS_KEY) or [] for result in (before, after))
        return next(decisions) != next(decisions)

    # ---- editing

    def accept(self, peak_id: int) -> Peak:
        """Accept a peak: it stays where it is, whatever later runs find there.

        Raises
        ------
        AnalysisError
            If there is no such peak, it has no amplitude, or the result is out of date.
        """
        peak = self.get_peak(peak_id)
        if peak.peak <= peak.onset:
            raise AnalysisError(f"{self.key}: peak {peak_id} does not rise, it cannot be accepted")
        return self._replace_peak(peak, replace(peak, decision="accepted"))

    def reject(self, peak_id: int) -> None:
        """Remove a peak; later runs do not bring it back. One added by hand is gone for good.

        Raises
        ------
        AnalysisError
            If there is no such peak, or the result is out of date.
        """
        peak = self.get_peak(peak_id)
        decided = self._without(peak)
        if peak.origin != "manual":
            onset, top = peak.found or (peak.onset, peak.peak)
            rejected = Peak(onset, top, decision="rejected", strength=peak.strength)
            decided = (*decided, rejected)
        self._edit((p for p in self.peaks if p.peak_id != peak_id), decided)

    def restore(self, peak: Peak) -> Peak:
        """Take back the rejection of a peak, which counts as accepted then.

        Parameters
        ----------
        peak : Peak
            One of `rejected_peaks`.

        Raises
        ------
        AnalysisError
            If it is none of them, lies outside the ROI, or the result is out of date.
        """
        if peak not in self.rejected_peaks:
            raise AnalysisError(f"{self.key}: {peak} is none of its rejected peaks")
        self._check_place(peak.onset, peak.peak)
        decided = [other for other in self._decided if other != peak]
        back = replace(peak, decision="accepted", peak_id=self._next_id())
        self._edit((*self.peaks, back), (*decided, back))
        return self.get_peak(back.peak_id)

    def add(self, onset_s: float, peak_s: float) -> Peak:
        """Add a peak by hand.

        Parameters
        ----------
        onset_s, peak_s : float
            Its times, s from the first line of the ROI; the nearest lines are taken.

        Raises
        ------
        AnalysisError
            If the onset is not before the peak, one is outside the ROI, there is a peak with this
            onset, or the result is out of date.
        """
        onset, peak = self._line_at(onset_s), self._line_at(peak_s)
        self._check_place(onset, peak)
        added = Peak(onset, peak, "manual", "accepted", peak_id=self._next_id())
        self._edit((*self.peaks, added), (*self._decided, added))
        return self.get_peak(added.peak_id)

    def move(
        self, peak_id: int, *, onset_s: float | None = None, peak_s: float | None = None
    ) -> Peak:
        """Move the onset or the peak by hand; what is not given stays.

        Raises
        ------
        AnalysisError
            As :meth:`add`, and if there is no such peak.
        """
        peak = self.get_peak(peak_id)
        onset = peak.onset if onset_s is None else self._line_at(onset_s)
        top = peak.peak if peak_s is None else self._line_at(peak_s)
        self._check_place(onset, top, but=peak)
        if peak.origin == "detected":
            peak_found = replace(peak, origin="edited", found=(peak.onset, peak.peak))
        else:
            peak_found = peak
        return self._replace_peak(
            peak, replace(peak_found, onset=onset, peak=top, decision="accepted")
        )

    def _replace_peak(self, old: Peak, new: Peak) -> Peak:
        peaks = (new if peak.peak_id == old.peak_id else peak for peak in self.peaks)
        self._edit(peaks, (*self._without(old), new))
        return self.get_peak(new.peak_id)

    def _without(self, peak: Peak) -> tuple[Peak, ...]:
        """Return the decisions without that about a peak."""
        place = (peak.onset, peak.peak)
        return tuple(
            other
            for other in self._decided
            if other.decision == "rejected" or (other.onset, other.peak) != place
        )

    def _next_id(self) -> int:
        peaks, aside = read_peaks(self.result.summary.get(EVENTS_KEY))
        taken = [peak.peak_id for peak in peaks]
        taken += [
            record["peak_id"]
            for _, record, _ in aside
            if isinstance(record, dict) and isinstance(record.get("peak_id"), int)
        ]
        return max(0, *taken, 0) + 1

    def _line_at(self, time_s: float) -> int:
        time = self._column("time_sec")
        if not np.isfinite(time_s) or not time[0] <= time_s <= time[-1]:
            raise AnalysisError(
                f"{self.key}: {time_s:g} s is outside the ROI, which is {time[-1]:g} s long"
            )
        return int(np.argmin(np.abs(time - time_s)))

    def _check_place(self, onset: int, peak: int, but: Peak | None = None) -> None:
        if not 0 <= onset < peak < self._column("time_sec").size:
            raise AnalysisError(
                f"{self.key}: the onset, line {onset}, must be before the peak, line {peak}, and"
                " both inside the ROI"
            )
        for other in self.peaks:
            if other.onset == onset and (but is None or other.peak_id != but.peak_id):
                raise AnalysisError(f"{self.key}: peak {other.peak_id} has this onset already")

    def _column(self, name: str) -> Any:
        table = self.result.table
        if table is None or len(table) < 2:
            raise AnalysisError(f"{self.key}: there is no table; run it first")
        try:
            return np.asarray(table[name], dtype=np.float64)
        except (KeyError, ValueError):
            raise AnalysisError(
                f"{self.key}: its table has no column {name} of numbers (strict tables leave ours"
                " out): run it again"
            ) from None

    def _edit(self, peaks: Iterable[Peak], decided: Iterable[Peak]) -> None:
        """Make these the peaks and decisions, measured in the present table."""
        if reasons := self.stale_reasons:
            raise AnalysisError(
                f"{self.key} is out of date ({'; '.join(reasons)}): run it again first"
            )
        earlier = self.result
        known = self.params_model.model_fields
        params = self.check_params({k: v for k, v in self.detection_params.items() if k in known})
        source = earlier.summary.get("detection_source", params["detection_source"])
        trace, table = self._column(str(source)), earlier.table
        assert table is not None
        time_s = self._column("time_sec")
        sigma = 0.0
        if source == SMOOTH_COLUMN:
            sigma = smoothing_points(params, float(time_s[1] - time_s[0]))
        described = tuple(
            describe_peaks(sorted(peaks, key=_by_onset), time_s, trace, params, sigma_points=sigma)
        )
        _, aside = read_peaks(earlier.summary.get(EVENTS_KEY))
        summary = {
            **earlier.summary,
            **peaks_summary(earlier.summary, described, decided),
        }
        summary[EVENTS_KEY] = summary[EVENTS_KEY] + [record for _, record, _ in aside]
        if self._source is not None:
            state = self._source.get_analysis_state(
                self.key.channel, self.key.roi_id, with_pixels=False
            )
            assert state is not None  # the result is not out of date
            summary[FIRST_LINE_KEY] = state.roi_bounds[0]
        edited = table.copy(deep=False)
        for name, values in flag_columns(len(table), described).items():
            edited[name] = values
        self.set_result(sealed(AnalysisResult(summary, edited)))
        if self._set is not None:
            self._set.updated.emit(self.key)

    # ---- running

    @classmethod
    def measure(
        cls, inputs: AnalysisInputs, params: Mapping[str, Any]
    ) -> Generator[Progress, None, AnalysisResult]:
        """Measure; see :meth:`Analysis.measure`.

        Returns
        -------
        AnalysisResult
            Table with the standard columns, one row per line, and with our own ones if the method
            is ``noise_scaled``.

        Raises
        ------
        AnalysisError
            If the line period is not known, the ROI has fewer than two lines or no column, or no
            line without a missing pixel.
        """
        if not inputs.calibration.is_known:
            raise AnalysisError("sum intensity: the line period is not known, set the calibration")
        dt_s = inputs.calibration.dt_s
        try:
            traces = yield from iter_traces(inputs.image, dt_s, params)
            detected = detect_peaks(traces, params)
        except ValueError as error:
            raise AnalysisError(f"sum intensity: {error}") from None
        num_lines = traces.time_s.size
        earlier = inputs.earlier or AnalysisResult({})
        first_line = inputs.state.roi_bounds[0]
        counted_from = earlier.summary.get(FIRST_LINE_KEY, first_line)
        moved_by = counted_from - first_line if isinstance(counted_from, int) else 0
        decided = shifted(read_decided(earlier.summary.get(DECISIONS_KEY)), moved_by)
        tolerance = max(1, round(_SAME_PEAK_S / dt_s))
        peaks = merged_peaks(detected, decided, num_lines, tolerance)
        described: list[Peak] = []
        for peak in describe_peaks(
            peaks, traces.time_s, traces.source, params, sigma_points=traces.sigma_points
        ):
            if len(described) % _PEAKS_PER_STEP == 0:
                text = f"peak {peak.peak_id} of {len(peaks)}"
                yield Progress(num_lines, num_lines, text)
            described.append(peak)
        table = pd.DataFrame({**traces.columns, **flag_columns(num_lines, described)})
        order = [*cls.standard_columns, *cls.own_columns]
        table = table[[name for name in order if name in table.columns]]
        head = {
            **run_stamp(cls.analysis_version),
            "status": "ok",
            "num_timepoints": num_lines,
            "num_peaks": len(described),
            "num_space_pixels": int(inputs.image.shape[1]),
            "seconds_per_line": dt_s,
            **traces.summary,
        }
        summary = {
            **head,
            **peaks_summary(head, described, decided),
            FIRST_LINE_KEY: first_line,
            PROVENANCE_KEY: make_provenance(
                inputs.state, params, str(params["detection_method"]), 1
            ),
        }
        return AnalysisResult(summary, table)


def _by_onset(peak: Peak) -> tuple[int, int]:
    return peak.onset, peak.peak
