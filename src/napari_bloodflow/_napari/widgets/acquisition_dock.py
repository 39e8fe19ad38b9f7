"""The Acquisition dock: the open file, its calibration, layout, ROIs, problems, and saving."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from qtpy.QtCore import QSize, Qt
from qtpy.QtGui import QKeySequence
from qtpy.QtWidgets import QScrollArea, QSizePolicy, QStackedWidget, QVBoxLayout, QWidget

from napari_bloodflow._napari.widgets.calibration_panel import CalibrationPanel
from napari_bloodflow._napari.widgets.display_panel import DisplayPanel
from napari_bloodflow._napari.widgets.file_panel import EmptyPanel, FilePanel
from napari_bloodflow._napari.widgets.layer_panel import LayerPanel
from napari_bloodflow._napari.widgets.problems_panel import ProblemsPanel
from napari_bloodflow._napari.widgets.roi_panel import RoiPanel
from napari_bloodflow._napari.widgets.save_panel import SavePanel
from napari_bloodflow._napari.widgets.scitiff_panel import SciTiffPanel
from napari_bloodflow._napari.widgets.session_dock import SessionDock

if TYPE_CHECKING:
    from napari.components import ViewerModel
    from qtpy.QtGui import QKeyEvent

    from napari_bloodflow._napari.session import ShownAcquisition
    from napari_bloodflow._napari.widgets.session_dock import Slots

__all__ = ["AcquisitionDock"]


class AcquisitionDock(SessionDock):
    """Shows the active acquisition of a viewer and lets its parts be edited and saved.

    Parameters
    ----------
    napari_viewer : napari.Viewer
        The viewer, or the proxy of it that napari hands out.
    """

    def __init__(self, napari_viewer: ViewerModel) -> None:
        super().__init__(napari_viewer)
        self.setObjectName("acquisition_dock")
        session = self._session
        self.setSizePolicy(QSizePolicy.Policy.Preferred, QSizePolicy.Policy.Preferred)
        self._layer = LayerPanel(session)
        self._empty = EmptyPanel(session)
        self._file = FilePanel(session)
        self._rois = RoiPanel(session)
        self._save = SavePanel(session)
        calibration, display = CalibrationPanel(session), DisplayPanel(session)
        self._of_kymographs = (calibration, display)
        self._panels = (
            self._file,
            calibration,
            self._rois,
            ProblemsPanel(session),
            SciTiffPanel(session),
            display,
            self._save,
        )
        self._rois.said.connect(self._save.say)
        self._pages = QStackedWidget(self)
        # napari adds an empty stretch below a dock of which no part asks for the height.
        self._pages.setSizePolicy(QSizePolicy.Policy.Preferred, QSizePolicy.Policy.Expanding)
        self._pages.addWidget(self._empty)
        self._pages.addWidget(self._make_page())
        layout = QVBoxLayout(self)
        layout.setContentsMargins(4, 4, 4, 4)
        layout.addWidget(self._layer)
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

    def keyPressEvent(self, event: QKeyEvent | None) -> None:
        """Take the keys of undo and redo that no part takes; text being typed has its own."""
        if event is not None and event.matches(QKeySequence.StandardKey.Undo):
            self._rois.undo()
        elif event is not None and event.matches(QKeySequence.StandardKey.Redo):
            self._rois.redo()
        else:
            super().keyPressEvent(event)

    # ---- following the session

    def _session_slots(self) -> Slots:
        return (
            *super()._session_slots(),
            (self._session.layout_changed, self._schedule),
            (self._session.blinding.changed, self._schedule),
            (self._session.viewer.layers.selection.events.active, self._on_active_layer),
        )

    def _on_active_layer(self, _event: Any) -> None:
        self._schedule()

    def _slots_of(self, shown: ShownAcquisition) -> Slots:
        slots: list[tuple[Any, Any]] = [
            *super()._slots_of(shown),
            (shown.acq.calibration_changed, self._schedule),
            (shown.acq.history.changed, self._schedule),
        ]
        if shown.sync is not None:
            slots.append((shown.sync.selection_changed, self._rois.follow_selection))
        if shown.roi_layer is not None:
            slots.append((shown.roi_layer.events.features, self._schedule))
        return tuple(slots)

    def _refresh(self) -> None:
        has_file = self._session.active is not None
        self._pages.setCurrentIndex(1 if has_file else 0)
        self._layer.refresh()
        for panel in self._panels:
            panel.refresh()
        # Any other image is shown at its physical size; lines and their time do not apply.
        acq = self._session.acq
        for panel in self._of_kymographs:
            panel.setVisible(acq is None or acq.images.is_kymograph)
