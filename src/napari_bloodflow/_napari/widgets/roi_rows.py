"""What a table of ROIs says of each ROI, as plain text."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from napari_bloodflow.acquisition.roi import LineROI

if TYPE_CHECKING:
    from napari_bloodflow.acquisition.acq_image import AcqImage
    from napari_bloodflow.acquisition.roi import Roi
    from napari_bloodflow.analysis.base import Analysis

__all__ = ["RoiRow", "roi_rows", "short_name"]

_SHORT_NAMES = {"radon_velocity": "velocity"}


@dataclass(frozen=True, slots=True)
class RoiRow:
    """One ROI in words.

    Parameters
    ----------
    roi_id : int
        Identity.
    name : str
        Its name.
    kind : str
        ``"rectangle"`` or ``"line"``.
    time, position : str
        Where it is, in the units of the calibration.
    place : str
        The same in lines and pixels, for a tool tip.
    results : str
        Analyses that have a result.
    results_tip : str
        The same, one a line, with what makes them stale.
    is_stale : bool
        True if one of the results no longer fits.
    """

    roi_id: int
    name: str
    kind: str
    time: str
    position: str
    place: str
    results: str
    results_tip: str
    is_stale: bool


def roi_rows(acq: AcqImage) -> list[RoiRow]:
    """Describe all ROIs of an acquisition, in their order."""
    measured: dict[int, list[Analysis]] = {}
    for analysis in acq.analysis_set:
        if analysis.has_results:
            measured.setdefault(analysis.key.roi_id, []).append(analysis)
    has_channels = acq.images.num_channels > 1
    calibration = acq.calibration
    return [
        _row(roi, measured.get(roi.roi_id, []), calibration.dt_s, calibration.dx_um, has_channels)
        for roi in acq.rois
    ]


def _row(
    roi: Roi, analyses: list[Analysis], dt_s: float, dx_um: float, has_channels: bool
) -> RoiRow:
    if isinstance(roi, LineROI):
        ends = roi.endpoints
        kind = "line"
        rows, columns = (ends.row0, ends.row1), (ends.col0, ends.col1)
        place = (
            f"From line {ends.row0}, pixel {ends.col0} to line {ends.row1}, pixel {ends.col1}."
            " Analyses need a rectangle."
        )
    else:
        box = roi.bounds
        kind = "rectangle"
        rows, columns = (box.row_start, box.row_stop), (box.col_start, box.col_stop)
        place = (
            f"Lines {box.row_start} to {box.row_stop - 1} ({box.num_rows}),"
            f" pixels {box.col_start} to {box.col_stop - 1} ({box.num_columns})"
        )
    reasons = {analysis.key: analysis.stale_reasons for analysis in analyses}
    names: dict[str, list[str]] = {}
    for analysis in analyses:
        names.setdefault(short_name(analysis.key.analysis_name), []).append(
            str(analysis.key.channel)
        )
    texts = [
        f"{title} (channel {', '.join(channels)})" if has_channels else title
        for title, channels in names.items()
    ]
    is_stale = any(reasons.values())
    return RoiRow(
        roi_id=roi.roi_id,
        name=roi.name,
        kind=kind,
        time=_span(*rows, dt_s),
        position=_span(*columns, dx_um),
        place=place,
        results=("stale: " if is_stale else "") + ", ".join(texts),
        results_tip="\n".join(
            f"{analysis.key.analysis_name}, channel {analysis.key.channel}"
            + (f": stale, {' and '.join(why)}" if (why := reasons[analysis.key]) else "")
            for analysis in analyses
        ),
        is_stale=is_stale,
    )


def short_name(analysis_name: str) -> str:
    """Return what tables call an analysis: ``"velocity"`` for ``"radon_velocity"``."""
    return _SHORT_NAMES.get(analysis_name, analysis_name.replace("_", " "))


def _span(first: int, last: int, step: float) -> str:
    return f"{first * step:.5g}–{last * step:.5g}"
