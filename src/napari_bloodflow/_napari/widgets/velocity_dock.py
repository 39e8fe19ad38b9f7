"""The Velocity dock."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, ClassVar

from napari_bloodflow._napari.overlays import velocity_lines
from napari_bloodflow._napari.plots.result_traces import velocity_plot_model
from napari_bloodflow._napari.widgets.analysis_dock import AnalysisDock
from napari_bloodflow._napari.widgets.dock_spec import DockSpec
from napari_bloodflow._napari.widgets.summary_columns import VELOCITY_COLUMNS, velocity_details
from napari_bloodflow._napari.widgets.velocity_advice import VelocityAdvice
from napari_bloodflow._napari.widgets.window_width import WindowWidthBox, default_window_width
from napari_bloodflow.analysis.radon_velocity import RadonVelocity

if TYPE_CHECKING:
    from collections.abc import Mapping

    from qtpy.QtWidgets import QWidget

    from napari_bloodflow._napari.plots.trace_plot import TracePlot

__all__ = ["VelocityDock"]


class VelocityDock(AnalysisDock):
    """Measures velocity; see :class:`AnalysisDock`."""

    spec: ClassVar[DockSpec] = DockSpec(
        analysis_type=RadonVelocity,
        name="velocity",
        noun="velocity",
        basic=("window_width", "method"),
        columns=VELOCITY_COLUMNS,
        details=velocity_details,
        plot_model=velocity_plot_model,
        method_field="method",
        uncalibrated="Not calibrated: velocities are in pixels per line.",
        overlay_lines=velocity_lines,
    )

    def _make_editors(self) -> Mapping[str, QWidget]:
        self._width = WindowWidthBox(self)
        return {"window_width": self._width}

    def _make_plot(self) -> TracePlot:
        self._advice = VelocityAdvice(self)
        self._advice.asked.connect(self._on_asked)
        self._advice.width_proposed.connect(self._on_width_proposed)
        self._asked_about: tuple[object, object] = (None, None)
        self._choice.add_row("", self._advice, is_last=True)
        return super()._make_plot()

    def _first_values(self) -> Mapping[str, Any]:
        return {"window_width": default_window_width()}

    def _refresh(self) -> None:
        acq = self._session.acq
        self._width.set_calibration(acq.calibration if acq is not None else None)
        super()._refresh()
        key = self._choice.key
        if self._asked_about != (acq, key):
            self._asked_about = (acq, key)
            self._advice.clear()
        is_known = acq is not None and acq.calibration.is_known
        self._advice.set_usable(is_known and key is not None)

    def _on_asked(self, question: str) -> None:
        acq, key = self._session.acq, self._choice.key
        if acq is None or key is None:
            return
        image = acq.get_roi_image(key.channel, key.roi_id)
        if question == "window":
            self._advice.suggest(image, acq.calibration)
        else:
            self._advice.simulate(image.shape[1], self._width.value, acq.calibration)

    def _on_width_proposed(self, width: int) -> None:
        self._choice.set_params({"window_width": width})
