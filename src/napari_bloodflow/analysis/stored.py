"""Analyses that a sidecar holds and this version cannot run: kept whole, shown, saved as found."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, ClassVar

from napari_bloodflow.analysis.base import Analysis, AnalysisKey, DetectionParams

if TYPE_CHECKING:
    from collections.abc import Mapping

    from napari_bloodflow.analysis.base import AnalysisSource

__all__ = ["StoredAnalysis"]


class StoredAnalysis(Analysis):
    """A record of a kind that is not run here.

    Parameters
    ----------
    key : AnalysisKey
        Identity within the file; its name may be any.
    detection_params : mapping, optional
        As the file has them.
    source : AnalysisSource, optional
        The file it belongs to.
    """

    analysis_name: ClassVar[str] = "stored"
    display_name: ClassVar[str] = "Stored result"
    params_model: ClassVar[type[DetectionParams]] = DetectionParams
    can_run: ClassVar[bool] = False

    def __init__(
        self,
        key: AnalysisKey,
        detection_params: Mapping[str, Any] | None = None,
        source: AnalysisSource | None = None,
    ) -> None:
        super().__init__(key, None, source)
        self.adopt_stored_params(detection_params or {})
