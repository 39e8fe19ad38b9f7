"""What the docks of all analyses share: choose, run, see the trace and its summary."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, ClassVar

from napari.utils.notifications import show_error, show_info
from qtpy.QtCore import QEvent, QSize, Qt
from qtpy.QtWidgets import (
    QBoxLayout,
    QCheckBox,
    QFrame,
    QHBoxLayout,
    QScrollArea,
    QVBoxLayout,
    QWidget,
)

from napari_bloodflow._napari.overlays import Overlay
from napari_bloodflow._napari.plots.plot_model import PlotModel
from napari_bloodflow._napari.plots.trace_plot import EMPTY_TEXT, TracePlot
from napari_bloodflow._napari.time_link import TimeLink
from napari_bloodflow._napari.widgets.analysis_choice import AnalysisChoice
from napari_bloodflow._napari.widgets.analysis_runner import EXPECTED_ERRORS, AnalysisRunner
from napari_bloodflow._napari.widgets.live_mode import PATIENCE_MS, LiveMode
from napari_bloodflow._napari.widgets.parts import (
    ControlsArea,
    Notice,
    push_button,
    text_label,
)
from napari_bloodflow._napari.widgets.result_summary import ResultSummary
from napari_bloodflow._napari.widgets.run_bar import RunBar
from napari_bloodflow._napari.widgets.session_dock import SessionDock
from napari_bloodflow._napari.widgets.summary_columns import warnings_of
from napari_bloodflow.analysis.registry import analysis_class
from napari_bloodflow.analysis.warm_up import warm_up_in_background

if TYPE_CHECKING:
    from collections.abc import Mapping

    from napari.components import ViewerModel
    from qtpy.QtGui import QResizeEvent

    from napari_bloodflow._napari.session import ShownAcquisition
    from napari_bloodflow._napari.widgets.dock_spec import DockSpec
    from napari_bloodflow._napari.widgets.session_dock import Slots
    from napari_bloodflow.acquisition.acq_image import AcqImage
    from napari_bloodflow.acquisition.roi import RectRoiBounds
    from napari_bloodflow.acquisition.roi_set import RoiSetChange
    from napari_bloodflow.analysis.base import Analysis, AnalysisKey

__all__ = ["AnalysisDock"]

_SIDE_BY_SIDE_WIDTH = 700
_CONTROLS_WIDTH = 400
_LEAST_PLOT_HEIGHT = 260
_UNLIMITED = 16_777_215  # Qt's own value


class AnalysisDock(SessionDock):
    """Measures in a rectangular ROI of the active acquisition, and plots the result.

    A run goes on while the dock is hidden, and ends with the dock or with its acquisition.
    Subclasses set `spec`.

    Parameters
    ----------
    napari_viewer : napari.Viewer
        The viewer, or the proxy of it that napari hands out.
    """

    spec: ClassVar[DockSpec]

    def __init__(self, napari_viewer: ViewerModel) -> None:
        super().__init__(napari_viewer)
        self.setObjectName(f"{self.spec.name}_dock")
        self._told_of: tuple[AcqImage | None, AnalysisKey | None] = (None, None)
        self._run_acq: AcqImage | None = None
        self._runner = AnalysisRunner(self)
        self._runner.started.connect(self._on_started)
        self._runner.ended.connect(self._on_ended)
        self._make_inputs()
        self._make_notices()
        self._make_switches()
        self._summary = ResultSummary(f"{self.spec.name}_summary", self.spec.columns, self)
        self._details = text_label(f"{self.spec.name}_details", self, wraps=True)
        self._details.setToolTip("More about the result of the chosen ROI")
        self._overlay = Overlay(self._session, self.spec.analysis_type.display_name)
        self._plot = self._make_plot()
        self._plot_area = self._make_plot_area(self._plot)
        self._plot.set_linked(True)
        self._link = TimeLink(self._session, self._plot)
        self._arrange()

    def _make_inputs(self) -> None:
        spec, name = self.spec, self.spec.name
        self._choice = AnalysisChoice(
            spec.analysis_type,
            name,
            spec.noun,
            basic=spec.basic,
            method_field=spec.method_field,
            editors=self._make_editors(),
            defaults=self._first_values(),
            parent=self,
        )
        self._bar = RunBar(self._runner, name, spec.noun, self)
        self._live = LiveMode(name, self._runner, self)
        # What is derived from another result does not follow a ROI by itself.
        self._live.switch.setVisible(spec.analysis_type.parent_name is None)
        self._choice.changed.connect(self._schedule)
        self._choice.params_edited.connect(self._live.note_edit)
        self._choice.roi_chosen.connect(self._on_roi_chosen)
        self._choice.new_roi_wanted.connect(self._on_new_roi)
        self._runner.progressed.connect(self._bar.show_progress)
        self._bar.run_pressed.connect(self._on_run)
        self._bar.cancel_pressed.connect(self._on_cancel)
        self._live.run_wanted.connect(self._run_live)
        self._live.previewed.connect(self._on_previewed)
        self._live.patience_ended.connect(self._schedule)

    def _make_notices(self) -> None:
        name = self.spec.name
        self._uncalibrated = Notice(f"{name}_uncalibrated", "alert", self)
        self._error = Notice(f"{name}_error", "error", self)
        self._warning = Notice(f"{name}_warning", "alert", self)
        self._stale = Notice(f"{name}_stale", "alert", self)
        self._stale.add_button(
            push_button(
                "Run again",
                f"{name}_run_again",
                "Measure again with the present ROI, calibration and settings",
                self._on_run,
                self,
            )
        )
        self._needs_parent = Notice(f"{name}_needs_parent", "alert", self)
        self._needs_parent.add_button(
            push_button(
                "Measure it",
                f"{name}_measure_parent",
                "Measure it with the settings it was last measured with, or the defaults",
                self._on_measure_parent,
                self,
            )
        )

    def _make_switches(self) -> None:
        name = self.spec.name
        self._all_rois = QCheckBox("All ROIs", self)
        self._all_rois.setObjectName(f"{name}_all_rois")
        self._all_rois.setToolTip("Show the results of all ROIs of this channel")
        self._on_image = QCheckBox("On the image", self)
        self._on_image.setObjectName(f"{name}_on_image")
        self._on_image.setToolTip("Draw the results over the image as well")
        self._on_image.setVisible(self.spec.overlay_lines is not None)
        for switch in (self._all_rois, self._on_image):
            switch.toggled.connect(self._schedule)

    # ---- for subclasses

    def _make_editors(self) -> Mapping[str, QWidget]:
        """Return widgets of parameters that need one of their own."""
        return {}

    def _first_values(self) -> Mapping[str, Any]:
        """Return values of parameters that are offered first where they are not the defaults."""
        return {}

    def _make_plot(self) -> TracePlot:
        """Return the plot."""
        return TracePlot(f"{self.spec.name}_plot", self)

    def _on_direction(self, *, is_wide: bool) -> None:
        """Follow the layout: the plot is beside the controls in a wide dock, below in others."""

    def _make_extra(self) -> QWidget | None:
        """Return what stands below the summary; None if nothing does."""
        return None

    def _make_plot_area(self, plot: TracePlot) -> QWidget:
        """Return what stands in the place of the plot, with the plot in it."""
        return plot

    # ---- layout

    def _arrange(self) -> None:
        self._controls = QWidget(self)
        column = QVBoxLayout(self._controls)
        column.setContentsMargins(0, 0, 0, 0)
        column.setSpacing(6)
        for part in (
            self._choice,
            self._uncalibrated,
            self._needs_parent,
            self._bar,
            self._error,
            self._stale,
            self._warning,
            self._summary,
            self._details,
        ):
            column.addWidget(part)
        switches = QHBoxLayout()
        switches.addWidget(self._live.switch)
        switches.addWidget(self._on_image)
        switches.addWidget(self._all_rois)
        switches.addStretch(1)
        column.addLayout(switches)
        if (extra := self._make_extra()) is not None:
            column.addWidget(extra)
        column.addStretch(1)
        self._controls_area = ControlsArea(self._controls, self)
        content = QWidget()
        self._layout = QBoxLayout(QBoxLayout.Direction.TopToBottom, content)
        self._layout.setContentsMargins(6, 6, 6, 6)
        self._layout.setSpacing(8)
        self._layout.addWidget(self._controls_area)
        # Room that the plot does not take stays free.
        self._layout.addWidget(self._plot_area, 1000)
        self._layout.addStretch(1)
        # Docks share the height of the window.
        area = QScrollArea(self)
        area.setFrameShape(QFrame.Shape.NoFrame)
        area.setHorizontalScrollBarPolicy(Qt.ScrollBarPolicy.ScrollBarAlwaysOff)
        area.setWidgetResizable(True)
        area.setWidget(content)
        outer = QVBoxLayout(self)
        outer.setContentsMargins(0, 0, 0, 0)
        outer.addWidget(area)

    def sizeHint(self) -> QSize:
        """Return a size that leaves room for the canvas in a window of 1400 x 900."""
        return QSize(380, 600)

    def minimumSizeHint(self) -> QSize:
        """Return a small size: what does not fit is reached by scrolling."""
        return QSize(330, 240)

    def resizeEvent(self, event: QResizeEvent | None) -> None:
        """Put the plot below the controls in a narrow dock, beside them in a wide one."""
        super().resizeEvent(event)
        is_wide = self.width() >= _SIDE_BY_SIDE_WIDTH and self.width() > 1.3 * self.height()
        directions = QBoxLayout.Direction
        wanted = directions.LeftToRight if is_wide else directions.TopToBottom
        if self._layout.direction() != wanted:
            self._layout.setDirection(wanted)
            self._controls_area.setMaximumWidth(_CONTROLS_WIDTH if is_wide else _UNLIMITED)
            self._controls_area.set_scrolling(is_wide)
            self._on_direction(is_wide=is_wide)
            self.updateGeometry()
        # A trace that is higher than wide is hard to read.
        height = _UNLIMITED if is_wide else max(_LEAST_PLOT_HEIGHT, self.width())
        self._plot_area.setMaximumHeight(height)

    # ---- life cycle

    def _on_hidden(self) -> None:
        self._link.unbind()
        self._live.stop()
        self._overlay.remove()
        super()._on_hidden()

    def event(self, event: QEvent | None) -> bool:
        """End the run when napari takes the widget out of its closed dock."""
        if event is not None and event.type() == QEvent.Type.ParentChange and not self.parent():
            self._runner.cancel()
        return super().event(event)

    def _session_slots(self) -> Slots:
        return (
            *super()._session_slots(),
            (self._session.viewer.events.theme, self._on_theme),
            (self._session.zoom_settled, self._overlay.refresh_layout),
            (self._session.layout_changed, self._overlay.refresh_layout),
            (self._session.workspace.result_wanted, self._on_result_wanted),
        )

    def _slots_of(self, shown: ShownAcquisition) -> Slots:
        slots: list[tuple[Any, Any]] = [
            *super()._slots_of(shown),
            (shown.acq.rois.changed, self._on_rois_changed),
        ]
        if shown.sync is not None:
            slots.append((shown.sync.selection_changed, self._on_selection))
            slots.append((shown.sync.dragged, self._on_roi_dragged))
        return tuple(slots)

    def _on_shown(self) -> None:
        warm_up_in_background()
        self._on_theme()
        super()._on_shown()
        self._link.bind()
        self._on_result_wanted()

    # ---- what others did

    def _on_result_wanted(self) -> None:
        key = self._session.workspace.take_wanted(self.spec.analysis_type.analysis_name)
        if key is not None:
            self._choice.refresh(self._session.acq, self._runner.is_running)
            self._choice.choose(key)
            self._refresh_now()

    def _on_theme(self) -> None:
        self._plot.set_theme(self._session.viewer.theme)

    def _on_layers_changed(self) -> None:
        super()._on_layers_changed()
        running = self._runner.acq
        if running is not None and not self._session.workspace.holds(running):
            label = self._session.blinding.label_of(running)
            self._runner.cancel()
            show_info(f"{label} was closed; the measurement was ended")

    def _on_rois_changed(self, change: RoiSetChange) -> None:
        if len(change.added) == 1:
            self._choice.prefer_roi(change.added[0])
        key = self._choice.key
        if change.added or (key is not None and key.roi_id in change.updated):
            self._live.note_edit()
        self._schedule()

    def _on_selection(self, roi_ids: tuple[int, ...]) -> None:
        self._choice.prefer_roi(*roi_ids)
        self._schedule()

    # ---- what the user did here

    def _on_roi_chosen(self, roi_id: int) -> None:
        active = self._session.active
        if active is not None and active.sync is not None:
            active.sync.select([roi_id])

    def _on_new_roi(self) -> None:
        if self._session.acq is not None:
            self._session.acq.rois.create()

    def _on_run(self) -> None:
        if self._choice.key is not None:
            self._start(self._choice.key, self._choice.params)

    def _on_measure_parent(self) -> None:
        key, parent_name = self._choice.key, self.spec.analysis_type.parent_name
        if key is not None and parent_name is not None:
            self._start(key._replace(analysis_name=parent_name), {})

    def _start(self, key: AnalysisKey, params: Mapping[str, Any]) -> None:
        acq = self._session.acq
        if acq is None or self._runner.is_running:
            return
        self._error.say("")
        try:
            self._runner.start(acq, key, params)
        except EXPECTED_ERRORS as error:
            self._tell("", str(error))

    def _on_cancel(self) -> None:
        acq, key = self._runner.acq, self._runner.key
        self._runner.cancel()
        analysis = acq.analysis_set.get(key) if acq is not None and key is not None else None
        has_earlier = analysis is not None and analysis.has_results
        self._bar.say("Cancelled; the earlier result is kept" if has_earlier else "Cancelled")

    # ---- live

    def _run_live(self) -> None:
        """Measure with what is chosen now; a run of what was chosen before is dropped."""
        self._choice.refresh(self._session.acq, is_running=False)
        if self._choice.key is None or self._choice.problem:
            return
        if self._runner.is_running:
            self._runner.cancel()
        acq, key = self._session.acq, self._choice.key
        try:
            is_known = acq is not None and self._live.take_preview(acq, key, self._choice.params)
        except EXPECTED_ERRORS:
            is_known = False  # the run says why
        if is_known:
            self._error.say("")
        else:
            self._on_run()

    def _on_roi_dragged(self, roi_id: int, bounds: RectRoiBounds) -> None:
        acq, key = self._session.acq, self._choice.key
        if acq is not None and key is not None and key.roi_id == roi_id:
            self._live.follow(acq, key, self._choice.params, bounds)

    def _on_previewed(self, analysis: Analysis) -> None:
        acq = self._session.acq
        if acq is not None and self._live.is_on and analysis.key == self._choice.key:
            self._summary.show_results(acq, [analysis])
            self._show_plots(acq, [analysis])
            self._show_overlay(acq, [analysis])

    # ---- the run

    def _on_started(self) -> None:
        self._run_acq = self._runner.acq
        if self._run_acq is not None:
            self._session.workspace.pin(self._run_acq)
        self._bar.start(PATIENCE_MS if self._live.is_on else 0)
        self._schedule()

    def _on_ended(self, error: str) -> None:
        self._bar.finish()
        # First, because it takes away what was said about an earlier choice.
        self._refresh_now()
        acq, self._run_acq = self._run_acq, None
        if acq is not None:
            self._session.workspace.unpin(acq)
        is_other = acq is not None and acq is not self._session.acq
        where = f"{self._session.blinding.label_of(acq)}: " if acq is not None and is_other else ""
        if error:
            self._bar.say("")
            self._tell(where, error)
        else:
            self._bar.say(f"{where}Done in {self._runner.elapsed_s:.1f} s")

    def _tell(self, where: str, error: str) -> None:
        text = f"{where}{error[:1].upper()}{error[1:]}"
        self._error.say(text)
        show_error(text)

    # ---- refreshing

    def _refresh(self) -> None:
        acq, is_running = self._session.acq, self._runner.is_running
        self._choice.refresh(acq, is_running and not self._live.is_on)
        key = self._choice.key
        missing = self._missing_parent(acq, key)
        self._needs_parent.say(missing if not is_running else "")
        can_run = key is not None and not self._choice.problem and not missing
        self._bar.set_can_run(can_run)
        if self._told_of != (acq, key):
            # What was said is about something else.
            self._told_of = (acq, key)
            self._error.say("")
            if not is_running:
                self._bar.say("")
        running, running_key = self._runner.acq, self._runner.key
        is_elsewhere = running is not None and (running is not acq or running_key != key)
        self._bar.set_prefix(
            f"{self._session.blinding.label_of(running)}, ROI {running_key.roi_id}"
            if is_elsewhere and running is not None and running_key is not None
            else ""
        )
        is_uncalibrated = acq is not None and not acq.calibration.is_known
        self._uncalibrated.say(self.spec.uncalibrated if is_uncalibrated else "")
        if self._live.awaits(acq, key):
            self._stale.say("")
            return
        analysis = acq.analysis_set.get(key) if acq is not None and key is not None else None
        reasons = analysis.stale_reasons if analysis is not None else ()
        self._stale.say(_sentence(reasons) if not is_running else "")
        self._show_results(acq, analysis)

    def _missing_parent(self, acq: AcqImage | None, key: AnalysisKey | None) -> str:
        """Say what has to be measured first; empty if nothing has."""
        parent_name = self.spec.analysis_type.parent_name
        if acq is None or key is None or parent_name is None:
            return ""
        parent = acq.analysis_set.get(key._replace(analysis_name=parent_name))
        if parent is not None and parent.has_results:
            return ""
        noun = analysis_class(parent_name).display_name.lower()
        return f"The {self.spec.noun} comes from the {noun} of this ROI, which is not measured yet."

    def _show_results(self, acq: AcqImage | None, analysis: Analysis | None) -> None:
        chosen = self._choice.key
        alike = [
            other
            for other in (acq.analysis_set.as_list() if acq is not None else [])
            if chosen is not None and other.key[:2] == chosen[:2] and other.has_results
        ]
        self._all_rois.setVisible(len(alike) > 1)
        if self._all_rois.isChecked() and len(alike) > 1:
            shown = sorted(alike, key=_roi_id_of)
        else:
            shown = [analysis] if analysis is not None and analysis.has_results else []
        self._summary.show_results(acq, shown)
        details = warnings = ""
        if acq is not None and analysis is not None and analysis.has_results:
            details, warnings = self.spec.details(acq, analysis), warnings_of(analysis)
        self._details.setText(details)
        self._details.setVisible(bool(details))
        self._warning.say(warnings)
        self._show_plots(acq, shown)
        self._show_overlay(acq, shown)

    def _show_overlay(self, acq: AcqImage | None, shown: list[Analysis]) -> None:
        make = self.spec.overlay_lines
        if acq is None or make is None or not self._on_image.isChecked():
            self._overlay.show(None, ())
        else:
            lines = [line for analysis in shown for line in make(acq, analysis)]
            self._overlay.show(self._session.active, lines)

    def _show_plots(self, acq: AcqImage | None, shown: list[Analysis]) -> None:
        """Plot some results, or say why there is no plot."""
        if acq is None:
            self._plot.set_model(PlotModel(), "No kymograph is open")
        else:
            has_roi = self._choice.key is not None
            text = EMPTY_TEXT if has_roi else "Choose or draw a ROI to measure in"
            self._plot.set_model(self.spec.plot_model(acq, shown), text)


def _sentence(reasons: tuple[str, ...]) -> str:
    if not reasons:
        return ""
    text = " and ".join(reasons)
    return f"{text[:1].upper()}{text[1:]} since this was measured."


def _roi_id_of(analysis: Analysis) -> int:
    return analysis.key.roi_id
