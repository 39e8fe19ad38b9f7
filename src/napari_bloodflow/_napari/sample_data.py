"""Sample kymographs with known truth, in a folder where saving works."""

from __future__ import annotations

import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Any

from napari_bloodflow import synthetic

if TYPE_CHECKING:
    from napari_bloodflow.synthetic import SyntheticKymograph

__all__ = ["pulsatile_flow", "vessel_diameter"]


def pulsatile_flow() -> list[Any]:
    """Return the layers of a capillary whose flow follows the heart beat."""
    return _layers_of(synthetic.pulsatile_flow())


def vessel_diameter() -> list[Any]:
    """Return the layers of a vessel that dilates and constricts."""
    return _layers_of(synthetic.vessel_with_diameter_changes())


def _layers_of(kymograph: SyntheticKymograph) -> list[Any]:
    from napari_bloodflow._napari.reader import read_acquisition

    # A new folder every time: sidecars saved beside an earlier copy stay as they are.
    folder = Path(tempfile.mkdtemp(prefix="napari-bloodflow-sample-"))
    path = folder / f"{kymograph.name}.tif"
    synthetic.write_tiff(kymograph, path)
    return read_acquisition(str(path))
