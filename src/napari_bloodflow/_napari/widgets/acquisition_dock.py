"""The Acquisition dock: the open file, its calibration, layout, ROIs, problems, and saving."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from qtpy.QtCore import QSize, Qt, QTimer
from qtpy.QtWidgets import QScrollArea, QSizePolicy, QStackedWidget, QVBoxLayout, QWidget

from napari_bloodflow._napari.session import get_session
from napari_bloodflow._napari.widgets.calibration_panel import CalibrationPanel
from napari_bloodflow._napari.widgets.display_panel import DisplayPanel
from napari_bloodflow._napari.widgets.file_panel import EmptyPanel, FilePanel
from napari_bloodflow._napari.widgets.problems_panel import ProblemsPanel
from napari_bloodflow._napari.widgets.roi_panel import RoiPanel
from napari_bloodflow._napari.widgets.save_panel import SavePanel

if TYPE_CHECKING:
    from napari.components import ViewerModel
    from qtpy.QtGui import QHideEvent, QShowEvent

    from napari_bloodflow._napari.session import ShownAcquisition

__all__ = ["AcquisitionDock"]


class AcquisitionDock(QWidget):
    """Shows the active acquisition of a viewer and lets its parts be edited and saved.

    It listens while it is visible only: napari hides a closed dock and keeps it.

    Parameters
    ----------
    napari_viewer : napari.Viewer
        The viewer, or the proxy of it that napari hands out.
    """

    def __init__(self, napari_viewer: ViewerModel) -> None:
        super().__init__()
        self.setObjectName("acquisition_dock")
        self._session = session = get_session(napari_viewer)
        self._followed: tuple[tuple[Any, Any], ...] = ()
        self._is_listening = False
        self._refreshing = QTimer(self)
        self._refreshing.setSingleShot(True)
        self._refreshing.setInterval(0)
        self._refreshing.timeout.connect(self._refresh)

        # napari adds an empty stretch below a dock that does not ask for the height.
        self.setSizePolicy(QSizePolicy.Policy.Preferred, QSizePolicy.Policy.Preferred)
        self._empty = EmptyPanel(session)
        self._file = FilePanel(session)
        self._rois = RoiPanel(session)
        self._save = SavePanel(session)
        self._panels = (
            self._file,
            CalibrationPanel(session),
            DisplayPanel(session),
            self._rois,
            ProblemsPanel(session),
            self._save,
        )
        self._rois.said.connect(self._save.say)
        self._pages = QStackedWidget(self)
        self._pages.addWidget(self._empty)
        self._pages.addWidget(self._make_page())
        layout = QVBoxLayout(self)
        layout.setContentsMargins(4, 4, 4, 4)
        layout.addWidget(self._pages)

    def _make_page(self) -> QWidget:
        content = QWidget()
        column = QVBoxLayout(content)
        column.setContentsMargins(2, 2, 2, 2)
        column.setSpacing(12)
        for panel in self._panels[:-1]:
            column.addWidget(panel, 1 if panel is self._rois else 0)
        area = QScrollArea()
        area.setWidgetResizable(True)
        area.setHorizontalScrollBarPolicy(Qt.ScrollBarPolicy.ScrollBarAlwaysOff)
        area.setWidget(content)
        page = QWidget()
        layout = QVBoxLayout(page)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.addWidget(area, 1)
        layout.addWidget(self._save)
        return page

    def sizeHint(self) -> QSize:
        """Return a size that leaves room for canvas and plot in a window of 1400 x 900."""
        return QSize(360, 430)

    # ---- life cycle

    def showEvent(self, event: QShowEvent | None) -> None:
        """Start listening."""
        super().showEvent(event)
        if not self._is_listening:
            self._is_listening = True
            for signal, slot in self._session_slots():
                signal.connect(slot)
            self._follow()
            self._refresh()

    def hideEvent(self, event: QHideEvent | None) -> None:
        """Stop listening: nothing of a dock that is not seen may keep running."""
        super().hideEvent(event)
        is_spontaneous = event is not None and event.spontaneous()
        if self._is_listening and not is_spontaneous:
            self._is_listening = False
            self._refreshing.stop()
            self._unfollow()
            for signal, slot in self._session_slots():
                signal.disconnect(slot)

    def _session_slots(self) -> tuple[tuple[Any, Any], ...]:
        session = self._session
        return (
            (session.active_changed, self._on_layers_changed),
            (session.layers_changed, self._on_layers_changed),
            (session.layout_changed, self._schedule),
        )

    def _follow(self) -> None:
        """Listen to the active acquisition and to the layer of its ROIs."""
        active = self._session.active
        wanted = () if active is None else self._slots_of(active)
        if wanted == self._followed:
            return
        self._unfollow()
        for signal, slot in wanted:
            signal.connect(slot)
        self._followed = wanted
        if active is not None:
            self._rois.watch(active.acq)

    def _unfollow(self) -> None:
        for signal, slot in self._followed:
            signal.disconnect(slot)
        self._followed = ()

    def _slots_of(self, shown: ShownAcquisition) -> tuple[tuple[Any, Any], ...]:
        slots: list[tuple[Any, Any]] = [
            (shown.acq.changed, self._schedule),
            (shown.acq.calibration_changed, self._schedule),
            (shown.acq.rois.changed, self._rois.on_rois_changed),
        ]
        if shown.sync is not None:
            slots.append((shown.sync.selection_changed, self._rois.follow_selection))
        if shown.roi_layer is not None:
            slots.append((shown.roi_layer.events.features, self._schedule))
        return tuple(slots)

    # ---- refreshing

    def _on_layers_changed(self) -> None:
        self._follow()
        self._schedule()

    def _schedule(self) -> None:
        if not self._refreshing.isActive():
            self._refreshing.start()

    def _refresh(self) -> None:
        has_file = self._session.active is not None
        self._pages.setCurrentIndex(1 if has_file else 0)
        for panel in self._panels:
            panel.refresh()
