"""Line-scan kymographs whose velocity, diameter or intensity is known.

Used as sample data, by the tests, the benchmarks and the accuracy report. All are made from a seed
and are the same every time. Rows are time, columns are position along the scanned line.
"""

from napari_bloodflow.synthetic.flow import (
    moving_streaks,
    noise_only,
    pulsatile_flow,
    stationary_pattern,
)
from napari_bloodflow.synthetic.record import SyntheticKymograph, write_tiff
from napari_bloodflow.synthetic.vessels import (
    intensity_transients,
    vessel_with_diameter_changes,
)

__all__ = [
    "SyntheticKymograph",
    "intensity_transients",
    "moving_streaks",
    "noise_only",
    "pulsatile_flow",
    "stationary_pattern",
    "vessel_with_diameter_changes",
    "write_tiff",
]
