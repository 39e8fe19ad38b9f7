"""Which columns of a table are the format's, which are ours, and which are somebody else's."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from napari_bloodflow.analysis.provenance import PROVENANCE_KEY
from napari_bloodflow.analysis.registry import analysis_class
from napari_bloodflow.analysis.velocity_formula import AS_FOUND_KEY

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    import pandas as pd

    from napari_bloodflow.analysis.base import Analysis

__all__ = ["foreign_columns", "is_ours", "own_columns", "strict_rows"]


def is_ours(summary: Mapping[str, Any]) -> bool:
    """Tell from its summary whether a result was measured, or repaired, by this package."""
    return PROVENANCE_KEY in summary or AS_FOUND_KEY in summary


def own_columns(
    analysis_name: str, summary: Mapping[str, Any] | None, rows: pd.DataFrame
) -> list[str]:
    """Return the columns of rows that a strict table does not have.

    Parameters
    ----------
    analysis_name : str
        What the rows are of.
    summary : mapping or None
        Summary of their result; None if they belong to none.
    rows : DataFrame
        Rows of a table. In those of other programs only an empty column is ours.
    """
    kind = analysis_class(analysis_name)
    mine = summary is not None and is_ours(summary)
    present = (name for name in kind.own_columns if name in rows.columns)
    return [name for name in present if mine or rows[name].isna().all()]


def strict_rows(
    analysis_name: str, summary: Mapping[str, Any] | None, rows: pd.DataFrame
) -> pd.DataFrame:
    """Return rows without our own columns; those of others stay. See :func:`own_columns`."""
    left_out = own_columns(analysis_name, summary, rows)
    return rows.drop(columns=left_out) if left_out else rows


def foreign_columns(
    found: Iterable[str], analyses: Iterable[Analysis], rest: pd.DataFrame
) -> tuple[str, ...]:
    """Return the columns of a table file that are neither the format's nor ours.

    Parameters
    ----------
    found : iterable of str
        Columns of the file, without ``channel`` and ``roi_id``.
    analyses : iterable of Analysis
        The analyses, of one kind, whose tables the file holds; empty columns left out.
    rest : DataFrame
        Rows of the file that belong to none of them.
    """
    analyses = list(analyses)
    if not analyses or not analyses[0].standard_columns:
        return ()
    kind = type(analyses[0])
    others = [a.result.table for a in analyses if not is_ours(a.result.summary)]

    def is_foreign(name: str) -> bool:
        if name not in kind.own_columns:
            return name not in kind.standard_columns
        return bool(rest[name].notna().any()) or any(
            table is not None and name in table.columns for table in others
        )

    return tuple(filter(is_foreign, found))
