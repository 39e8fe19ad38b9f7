"""The Diameter dock."""

from __future__ import annotations

from typing import ClassVar

from napari_bloodflow._napari.overlays import diameter_lines
from napari_bloodflow._napari.plots.result_traces import diameter_plot_model
from napari_bloodflow._napari.widgets.analysis_dock import AnalysisDock
from napari_bloodflow._napari.widgets.dock_spec import DockSpec
from napari_bloodflow._napari.widgets.summary_columns import DIAMETER_COLUMNS, diameter_details
from napari_bloodflow.analysis.diameter import Diameter

__all__ = ["DiameterDock"]


class DiameterDock(AnalysisDock):
    """Measures diameter; see :class:`AnalysisDock`."""

    spec: ClassVar[DockSpec] = DockSpec(
        analysis_type=Diameter,
        name="diameter",
        noun="diameter",
        basic=("diameter_method", "polarity", "window_rows_odd"),
        columns=DIAMETER_COLUMNS,
        details=diameter_details,
        plot_model=diameter_plot_model,
        method_field="diameter_method",
        uncalibrated="Not calibrated: diameters are in pixels.",
        overlay_lines=diameter_lines,
    )
