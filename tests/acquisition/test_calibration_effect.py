"""What another calibration would make stale, before it is set."""

from __future__ import annotations

from typing import TYPE_CHECKING

from napari_bloodflow import AcqImage
from napari_bloodflow.acquisition.calibration_effect import results_made_stale

if TYPE_CHECKING:
    from pathlib import Path


def test_it_foresees_what_setting_the_calibration_does(measured: Path) -> None:
    acq = AcqImage(measured)
    # Measured before the calibration was set by hand.
    assert results_made_stale(acq, 0.004, 0.25) == []
    for analysis in list(acq.analysis_set):
        acq.analysis_set.run_analysis(analysis.key, {"window_width": 64})
    foreseen = results_made_stale(acq, 0.004, 0.25)
    assert len(foreseen) == 2
    assert results_made_stale(acq, 0.002, 0.25) == []
    acq.set_calibration(0.004, 0.25)
    assert [a.key for a in acq.analysis_set if a.is_stale] == foreseen
