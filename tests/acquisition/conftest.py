"""What several tests of acquisitions need."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from napari_bloodflow import AcqImage, RectRoiBounds
from napari_bloodflow.synthetic import pulsatile_flow, write_tiff

if TYPE_CHECKING:
    from pathlib import Path


@pytest.fixture
def measured(tmp_path: Path) -> Path:
    """An image with two ROIs that only we have measured."""
    path = tmp_path / "vessel.tif"
    write_tiff(pulsatile_flow(num_rows=512), path)
    acq = AcqImage(path)
    acq.rois.create(name="whole")
    acq.rois.create(RectRoiBounds(0, 256, 0, 64))
    for key in (("radon_velocity", 0, 1), ("radon_velocity", 0, 2)):
        acq.analysis_set.run_analysis(key, {"window_width": 64})
    acq.set_calibration(0.002, 0.25)
    acq.save()
    return path
