"""What is written to the sidecar files of an acquisition, before it is bytes."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from napari_bloodflow.analysis.registry import analysis_class
from napari_bloodflow.storage.tables import encode_table

if TYPE_CHECKING:
    from collections.abc import Iterable

    import pandas as pd

    from napari_bloodflow.acquisition.roi import Roi
    from napari_bloodflow.analysis.base import Analysis, AnalysisKey, AnalysisResult

__all__ = [
    "RenderedSidecar",
    "RoiRecord",
    "SavedResults",
    "TableToWrite",
    "present_results",
    "roi_record",
    "same_columns",
    "table_columns",
    "with_rois_as_shown",
]


@dataclass(frozen=True, slots=True)
class RoiRecord:
    """A ROI record of the file and the ROI made of it; None for one that cannot be used."""

    record: Any
    roi: Roi | None


@dataclass(frozen=True, slots=True)
class RenderedSidecar:
    """A document ready to be written, and what each of its records stands for.

    Parameters
    ----------
    document : dict
        The whole JSON document.
    roi_records : list
        Its ROI records in order.
    analysis_records : dict
        Its analysis records by key, without those that could not be read.
    """

    document: dict[str, Any]
    roi_records: list[RoiRecord]
    analysis_records: dict[AnalysisKey, Any]


@dataclass(frozen=True, slots=True)
class TableToWrite:
    """A table that is to be written whole.

    Parameters
    ----------
    blocks : list of tuple
        Channel, ROI and rows of each result.
    columns : tuple of str
        Columns that come first.
    unkeyed : DataFrame or None
        Rows of nobody.
    """

    blocks: list[tuple[int, int, pd.DataFrame]]
    columns: tuple[str, ...]
    unkeyed: pd.DataFrame | None

    def encode(self) -> bytes:
        """Return its bytes; the slow part of a save, and safe in any thread."""
        return encode_table(self.blocks, self.columns, foreign=self.unkeyed)


@dataclass(frozen=True, slots=True)
class SavedResults:
    """The results of a save.

    Parameters
    ----------
    rows : mapping of AnalysisKey to DataFrame or None
        Rows of the tables.
    results : mapping of AnalysisKey to tuple
        Parameters, and the result or None.
    strict_tables : bool
        Whether columns of ours were left out.
    """

    rows: dict[AnalysisKey, pd.DataFrame | None]
    results: dict[AnalysisKey, tuple[dict[str, Any], AnalysisResult | None]]
    strict_tables: bool


def with_rois_as_shown(rendered: RenderedSidecar) -> RenderedSidecar:
    """Return the document with every usable ROI as it is shown, cut to the image."""
    records = [
        item if item.roi is None else _fresh_record(item.roi, item.record)
        for item in rendered.roi_records
    ]
    document = {**rendered.document, "rois": [item.record for item in records]}
    return RenderedSidecar(document, records, rendered.analysis_records)


def roi_record(roi: Roi, stored: RoiRecord | None) -> RoiRecord:
    """Return the record of a ROI: as it is in the file, with what was edited."""
    if stored is None:
        return RoiRecord(roi.to_dict(), roi)
    return stored if stored.roi == roi else _fresh_record(roi, stored.record)


def _fresh_record(roi: Roi, record: dict[str, Any]) -> RoiRecord:
    fresh = roi.to_dict()
    data = {**record["data"], **fresh["data"]}
    return RoiRecord({**record, **fresh, "data": data}, roi)


def present_results(
    analyses: Iterable[Analysis],
) -> dict[AnalysisKey, tuple[dict[str, Any], AnalysisResult | None]]:
    """Return the parameters of analyses, and their results or None."""
    return {
        analysis.key: (
            dict(analysis.detection_params),
            analysis.result if analysis.has_results else None,
        )
        for analysis in analyses
    }


def same_columns(rows: pd.DataFrame | None, stored: pd.DataFrame | None) -> bool:
    """Whether rows have the columns that the file has."""
    if rows is None or stored is None:
        return rows is stored
    return list(rows.columns) == list(stored.columns)


def table_columns(analysis_name: str, frames: Iterable[pd.DataFrame]) -> tuple[str, ...]:
    """Return the columns that come first in a table: the format's and then ours, or as found."""
    found = tuple(dict.fromkeys(column for frame in frames for column in frame.columns))
    kind = analysis_class(analysis_name)
    if not kind.standard_columns:
        return found
    return kind.standard_columns + tuple(name for name in kind.own_columns if name in found)
