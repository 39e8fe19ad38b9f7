"""Which analyses exist, by the name that files and scripts use."""

from __future__ import annotations

from typing import TYPE_CHECKING

from napari_bloodflow.analysis.radon_velocity import RadonVelocity
from napari_bloodflow.analysis.stored import StoredAnalysis

if TYPE_CHECKING:
    from napari_bloodflow.analysis.base import Analysis

__all__ = ["RECORD_ORDER", "analysis_class", "runnable_names"]

_CLASSES: dict[str, type[Analysis]] = {RadonVelocity.analysis_name: RadonVelocity}

RECORD_ORDER = ("radon_velocity", "diameter", "event", "sum_intensity", "heart_rate")
"""Order of records in a sidecar: what every reader knows first, parents before dependants."""


def analysis_class(analysis_name: str) -> type[Analysis]:
    """Return the class that runs an analysis, or :class:`StoredAnalysis` for a foreign one."""
    return _CLASSES.get(analysis_name, StoredAnalysis)


def runnable_names() -> tuple[str, ...]:
    """Return the names of the analyses that can be run."""
    return tuple(_CLASSES)
