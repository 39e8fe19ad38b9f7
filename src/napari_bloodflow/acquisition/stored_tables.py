"""Rows of the tables beside an image, as found: of its results, of others, and of nobody."""

from __future__ import annotations

from typing import TYPE_CHECKING

from napari_bloodflow.acquisition.table_columns import foreign_columns, is_ours, strict_rows
from napari_bloodflow.analysis.base import AnalysisKey, AnalysisResult
from napari_bloodflow.analysis.registry import analysis_class
from napari_bloodflow.storage.tables import block

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    import pandas as pd

    from napari_bloodflow.analysis.base import Analysis

__all__ = ["StoredTables"]


class StoredTables:
    """The tables of one image as they are on disk, sorted by whom their rows belong to.

    Attributes
    ----------
    foreign_columns : dict of str to tuple of str
        By table: columns that are neither CloudScope's nor ours, where it holds several results.
    unkeyed_rows : dict of str to DataFrame
        By table: rows that name no channel or ROI.
    """

    def __init__(self) -> None:
        self.foreign_columns: dict[str, tuple[str, ...]] = {}
        self.unkeyed_rows: dict[str, pd.DataFrame] = {}
        self._rows: dict[str, dict[AnalysisKey, pd.DataFrame]] = {}
        self._foreign_rows: dict[str, pd.DataFrame] = {}
        # Of results that were deleted and saved so, for when that is undone.
        self._gone_rows: dict[AnalysisKey, pd.DataFrame] = {}

    @property
    def names(self) -> tuple[str, ...]:
        """Names of the tables that were read or written."""
        return tuple(self._rows)

    def take(self, name: str, frame: pd.DataFrame, analyses: Sequence[Analysis]) -> int:
        """Give the rows of a table to its analyses and keep the others.

        Parameters
        ----------
        name : str
            Of the analyses.
        frame : pandas.DataFrame
            All rows that name a channel and a ROI.
        analyses : sequence of Analysis
            Those of the sidecar; each gets its rows as its result.

        Returns
        -------
        int
            How many rows belong to none of them.
        """
        rows_of: dict[AnalysisKey, pd.DataFrame] = {}
        rest = frame
        for analysis in analyses:
            key = analysis.key
            rows = block(frame, key.channel, key.roi_id)
            if rows is None:
                continue
            kind = analysis_class(name)
            # columns of ours that are empty here come from another method in the same file
            own = rows.columns.intersection(list(kind.own_columns))
            has_own = is_ours(analysis.result.summary) and rows[own].notna().any(axis=None)
            known = {*kind.standard_columns, *(own if has_own else ())}
            unused = [c for c in rows.columns if c not in known and rows[c].isna().all()]
            rows_of[key] = rows.drop(columns=unused) if kind.standard_columns else rows
            analysis.set_result(AnalysisResult(analysis.result.summary, rows_of[key]))
            rest = rest[~((rest["channel"] == key.channel) & (rest["roi_id"] == key.roi_id))]
        self._rows[name] = rows_of
        if len(rows_of) > 1:
            columns = rest.columns.drop(["channel", "roi_id"])
            self.foreign_columns[name] = foreign_columns(columns, analyses, rest)
        if len(rest):
            self._foreign_rows[name] = rest
        return len(rest)

    def all_rows(self) -> dict[AnalysisKey, pd.DataFrame]:
        """Return the rows of all results."""
        return {key: rows for table in self._rows.values() for key, rows in table.items()}

    def rows_in(self, name: str) -> Mapping[AnalysisKey, pd.DataFrame]:
        """Return the rows of the results in one table."""
        return self._rows.get(name, {})

    def rows(self, key: AnalysisKey) -> pd.DataFrame | None:
        """Return the rows of a result as they are on disk, or were before they were deleted."""
        return self.rows_in(key.analysis_name).get(key, self._gone_rows.get(key))

    def unkeyed(self, name: str, *, is_strict: bool) -> pd.DataFrame | None:
        """Return the rows of a table that name no channel or ROI, as they are to be written.

        Parameters
        ----------
        name : str
            Of the analyses.
        is_strict : bool
            Whether columns of ours are left out.
        """
        return _as_written(name, self.unkeyed_rows, is_strict=is_strict)

    def foreign(self, name: str, *, is_strict: bool) -> list[tuple[int, int, pd.DataFrame]]:
        """Return channel, ROI and rows of results that the sidecar lacks; see :meth:`unkeyed`."""
        rows = _as_written(name, self._foreign_rows, is_strict=is_strict)
        if rows is None:
            return []
        keys = rows[["channel", "roi_id"]].drop_duplicates().itertuples(index=False, name=None)
        return [
            (channel, roi_id, found)
            for channel, roi_id in keys
            if (found := block(rows, channel, roi_id)) is not None
        ]

    def all_foreign(self, *, is_strict: bool) -> dict[AnalysisKey, pd.DataFrame]:
        """Return the same of all tables."""
        return {
            AnalysisKey(name, channel, roi_id): rows
            for name in self._foreign_rows
            for channel, roi_id, rows in self.foreign(name, is_strict=is_strict)
        }

    def set_saved(self, saved: Mapping[AnalysisKey, pd.DataFrame | None]) -> None:
        """Take the rows that were just written as those on disk."""
        for key, rows in saved.items():
            if rows is not None:
                self._rows.setdefault(key.analysis_name, {})[key] = rows
            else:
                self._rows.get(key.analysis_name, {}).pop(key, None)
        for rows_of in self._rows.values():
            for key in rows_of.keys() - saved.keys():
                self._gone_rows[key] = rows_of.pop(key)


def _as_written(
    name: str, by_name: Mapping[str, pd.DataFrame], *, is_strict: bool
) -> pd.DataFrame | None:
    rows = by_name.get(name)
    return strict_rows(name, None, rows) if is_strict and rows is not None else rows
