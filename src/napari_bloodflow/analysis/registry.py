"""Which analyses exist, by the name that files and scripts use."""

from __future__ import annotations

from typing import TYPE_CHECKING

from napari_bloodflow.analysis.base import AnalysisKey
from napari_bloodflow.analysis.diameter import Diameter
from napari_bloodflow.analysis.heart_rate import HeartRateAnalysis
from napari_bloodflow.analysis.radon_velocity import RadonVelocity
from napari_bloodflow.analysis.stored import StoredAnalysis
from napari_bloodflow.analysis.sum_intensity import SumIntensity
from napari_bloodflow.analysis.velocity_events import VelocityEvents

if TYPE_CHECKING:
    from napari_bloodflow.analysis.base import Analysis

__all__ = [
    "RECORD_ORDER",
    "analysis_class",
    "exclusive_group",
    "parent_name",
    "runnable_names",
]

_CLASSES: dict[str, type[Analysis]] = {
    kind.analysis_name: kind
    for kind in (RadonVelocity, Diameter, VelocityEvents, SumIntensity, HeartRateAnalysis)
}

RECORD_ORDER = ("radon_velocity", "diameter", "event", "sum_intensity", "heart_rate")
"""Order of records in a sidecar: what every reader knows first, parents before dependants."""


def analysis_class(analysis_name: str) -> type[Analysis]:
    """Return the class that runs an analysis, or :class:`StoredAnalysis` for a foreign one."""
    return _CLASSES.get(analysis_name, StoredAnalysis)


def runnable_names() -> tuple[str, ...]:
    """Return the names of the analyses that can be run."""
    return tuple(_CLASSES)


def exclusive_group(analysis_name: str) -> str | None:
    """Return the group of which a (channel, ROI) can hold one analysis only, or None."""
    return analysis_class(analysis_name)(AnalysisKey(analysis_name, 0, 0)).exclusive_group


def parent_name(analysis_name: str) -> str | None:
    """Return the analysis of the same (channel, ROI) that this one is derived from, or None."""
    return analysis_class(analysis_name).parent_name
