"""The Heart rate dock."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar

from qtpy.QtCore import Qt
from qtpy.QtWidgets import QSplitter, QWidget

from napari_bloodflow._napari.plots.heart_rate_traces import rate_plot_model, spectrum_plot_model
from napari_bloodflow._napari.plots.plot_model import PlotModel
from napari_bloodflow._napari.plots.trace_plot import TracePlot
from napari_bloodflow._napari.widgets.analysis_dock import AnalysisDock
from napari_bloodflow._napari.widgets.dock_spec import DockSpec
from napari_bloodflow._napari.widgets.summary_columns import (
    HEART_RATE_COLUMNS,
    heart_rate_details,
)
from napari_bloodflow.analysis.heart_rate import HeartRateAnalysis

if TYPE_CHECKING:
    from napari_bloodflow.acquisition.acq_image import AcqImage
    from napari_bloodflow.analysis.base import Analysis

__all__ = ["HeartRateDock"]

_NO_COURSE = "Too short to follow the rate over time, in windows of 4 s"


class HeartRateDock(AnalysisDock):
    """Finds the heart rate in a velocity; plots it over time, and the spectrum.

    See :class:`AnalysisDock`.
    """

    spec: ClassVar[DockSpec] = DockSpec(
        analysis_type=HeartRateAnalysis,
        name="heart_rate",
        noun="heart rate",
        basic=("bpm_min", "bpm_max"),
        columns=HEART_RATE_COLUMNS,
        details=heart_rate_details,
        plot_model=rate_plot_model,
        uncalibrated="Not calibrated: the heart rate needs the line period.",
    )

    def _make_plot_area(self, plot: TracePlot) -> QWidget:
        self._spectrum = TracePlot("heart_rate_spectrum", self)
        self._area = QSplitter(Qt.Orientation.Vertical, self)
        self._area.setChildrenCollapsible(False)
        self._area.addWidget(self._spectrum)
        self._area.addWidget(plot)
        return self._area

    def _on_direction(self, *, is_wide: bool) -> None:
        orientations = Qt.Orientation
        self._area.setOrientation(orientations.Horizontal if is_wide else orientations.Vertical)

    def _on_theme(self) -> None:
        super()._on_theme()
        self._spectrum.set_theme(self._session.viewer.theme)

    def _show_plots(self, acq: AcqImage | None, shown: list[Analysis]) -> None:
        super()._show_plots(acq, shown)
        if shown and self._plot.is_empty:
            self._plot.set_model(PlotModel(), _NO_COURSE)
        model = spectrum_plot_model(acq, shown) if acq is not None else PlotModel()
        self._spectrum.set_model(model, "")
        self._spectrum.setVisible(bool(model.traces))
