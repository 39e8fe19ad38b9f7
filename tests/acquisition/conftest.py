"""What several tests of acquisitions need."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pytest
import tifffile

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


@pytest.fixture
def two_rois(tmp_path: Path) -> Path:
    """A small image with two ROIs, of which the first is measured."""
    path = tmp_path / "vessel.tif"
    rng = np.random.default_rng(5)
    tifffile.imwrite(path, rng.integers(0, 255, (96, 24), dtype=np.uint8))
    acq = AcqImage(path)
    acq.rois.create(RectRoiBounds(0, 64, 0, 12))
    acq.rois.create(RectRoiBounds(0, 64, 12, 24))
    acq.apply_metadata_patch("experiment_metadata", {"species": "mouse"})
    acq.analysis_set.run_analysis(("radon_velocity", 0, 1), {"window_width": 16})
    acq.save()
    return path
