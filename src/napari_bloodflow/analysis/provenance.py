"""What a result was made from, stored with it, and whether that is still so."""

from __future__ import annotations

import math
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from napari_bloodflow._version import __version__

if TYPE_CHECKING:
    from collections.abc import Mapping

    from napari_bloodflow.analysis.base import AnalysisState

__all__ = ["PROVENANCE_KEY", "make_provenance", "stale_reasons"]

PROVENANCE_KEY = "provenance"
"""Key of the block inside a summary; CloudScope keeps it over a load and save."""


def make_provenance(
    state: AnalysisState, params: Mapping[str, Any], algorithm: str, algorithm_version: int
) -> dict[str, Any]:
    """Describe what a result was made from.

    Parameters
    ----------
    state : AnalysisState
        Calibration and geometry used.
    params : mapping
        Detection parameters used.
    algorithm : str
        Name of the method.
    algorithm_version : int
        Raised whenever the method's numbers change.

    Returns
    -------
    dict
        Plain values, fit for JSON.
    """
    calibration = state.calibration
    return {
        "software": f"napari-bloodflow {__version__}",
        "algorithm": algorithm,
        "algorithm_version": algorithm_version,
        "created_utc": datetime.now(UTC).isoformat(timespec="seconds"),
        "detection_params": dict(params),
        "roi_bounds": list(state.roi_bounds),
        "image_shape": list(state.image_shape),
        "dt_s": calibration.dt_s if calibration.is_known else None,
        "dx_um": calibration.dx_um if calibration.is_known else None,
        "calibration_source": calibration.source,
    }


def stale_reasons(
    summary: Mapping[str, Any], state: AnalysisState | None, params: Mapping[str, Any]
) -> tuple[str, ...]:
    """Compare a result's provenance with the present.

    Parameters
    ----------
    summary : mapping
        Summary of the result.
    state : AnalysisState or None
        The present state; None if the ROI is gone.
    params : mapping
        The present detection parameters.

    Returns
    -------
    tuple of str
        Reasons in words, empty if nothing changed or the summary has no provenance.
    """
    made = summary.get(PROVENANCE_KEY)
    if not isinstance(made, dict):
        return ()
    if state is None:
        return ("its ROI is gone",)
    reasons = []
    if made.get("roi_bounds") != list(state.roi_bounds):
        reasons.append("the ROI was moved or resized")
    if made.get("image_shape") != list(state.image_shape):
        reasons.append("the image has another size")
    calibration = state.calibration
    present = (calibration.dt_s, calibration.dx_um) if calibration.is_known else (None, None)
    if not all(map(_same_step, (made.get("dt_s"), made.get("dx_um")), present)):
        reasons.append("the calibration changed")
    if made.get("detection_params") != dict(params):
        reasons.append("the parameters changed")
    return tuple(reasons)


def _same_step(before: Any, now: float | None) -> bool:
    if now is None or not isinstance(before, (int, float)):
        return before is now
    return math.isclose(before, now, rel_tol=1e-9)
