"""What another calibration would do to the results that there are."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from napari_bloodflow.analysis.provenance import changes_of_state
from napari_bloodflow.calibration import Calibration

if TYPE_CHECKING:
    from napari_bloodflow.acquisition.acq_image import AcqImage
    from napari_bloodflow.analysis.base import AnalysisKey

__all__ = ["results_made_stale"]


def results_made_stale(acq: AcqImage, dt_s: float, dx_um: float) -> list[AnalysisKey]:
    """Return the analyses whose results would become stale with another calibration.

    Parameters
    ----------
    acq : AcqImage
        The acquisition; it is not changed.
    dt_s : float
        Seconds per line.
    dx_um : float
        Micrometres per pixel.
    """
    calibration = Calibration(dt_s, dx_um, "user", is_known=True)
    found = []
    for analysis in acq.analysis_set:
        state = acq.get_analysis_state(analysis.key.channel, analysis.key.roi_id, with_pixels=False)
        if state is None or not analysis.has_results or analysis.is_stale:
            continue
        if changes_of_state(state, replace(state, calibration=calibration)):
            found.append(analysis.key)
    return found
