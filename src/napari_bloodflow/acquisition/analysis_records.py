"""Records of analyses in a sidecar: their key, their order, the analysis they stand for."""

from __future__ import annotations

import json
import re
from typing import TYPE_CHECKING, Any

from napari_bloodflow.analysis.base import Analysis, AnalysisKey, AnalysisResult
from napari_bloodflow.analysis.registry import RECORD_ORDER, analysis_class, parent_name

if TYPE_CHECKING:
    from collections.abc import Container

    from napari_bloodflow.analysis.base import AnalysisSource

_TABLE_NAME = re.compile(r"[\w][\w .+-]{0,99}")
_GREATEST_ID = 2**53

__all__ = ["analysis_from_record", "record_key", "record_rank"]


def record_key(record: Any) -> AnalysisKey:
    """Return what a record is about.

    Raises
    ------
    ValueError
        If it is not an object, or a part of the key is missing or of another kind.
    """
    if not isinstance(record, dict):
        raise ValueError("is not an object")
    name, channel, roi_id = (record.get(k) for k in ("analysis_name", "channel", "roi_id"))
    if not isinstance(name, str) or not name:
        raise ValueError("analysis_name is missing")
    if not _TABLE_NAME.fullmatch(name):
        raise ValueError("analysis_name is no name that the file of a table could have")
    numbers = []
    for label, value in (("channel", channel), ("roi_id", roi_id)):
        if isinstance(value, float) and value.is_integer():
            value = int(value)
        if isinstance(value, bool) or not isinstance(value, int):
            raise ValueError(f"{label} is {json.dumps(value)}, not a whole number")
        if abs(value) > _GREATEST_ID:
            raise ValueError(f"{label} is out of range")
        numbers.append(value)
    return AnalysisKey(name, *numbers)


def analysis_from_record(record: Any, source: AnalysisSource) -> Analysis:
    """Make the analysis of a record, with its parameters and summary but without its table.

    Raises
    ------
    ValueError
        If the record cannot be used; the text says why.
    """
    key = record_key(record)
    params = record.get("detection_params", {})
    summary = record.get("summary", {})
    for name, value in (("detection_params", params), ("summary", summary)):
        if not isinstance(value, dict):
            raise ValueError(f"{name} is not an object")
    analysis = analysis_class(key.analysis_name)(key, None, source)
    analysis.adopt_stored_params(params)
    if summary:
        analysis.set_result(AnalysisResult(summary))
    return analysis


def record_rank(key: AnalysisKey, present: Container[AnalysisKey]) -> tuple[bool, int]:
    """Return the place of a record among the others: CloudScope wants parents first.

    It stops at a record whose parent is not there, so these come last.

    Parameters
    ----------
    key : AnalysisKey
        What the record is about.
    present : container of AnalysisKey
        What all records are about.
    """
    name, parent = key.analysis_name, parent_name(key.analysis_name)
    is_orphan = parent is not None and key._replace(analysis_name=parent) not in present
    return is_orphan, RECORD_ORDER.index(name) if name in RECORD_ORDER else len(RECORD_ORDER)
