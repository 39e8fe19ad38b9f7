"""How a kymograph lies on the canvas: where time runs, and how far it is stretched."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from qtpy.QtCore import Qt
from qtpy.QtWidgets import (
    QButtonGroup,
    QGridLayout,
    QHBoxLayout,
    QLabel,
    QPushButton,
    QSlider,
    QWidget,
)

from napari_bloodflow._napari.layers import fit_stretch
from napari_bloodflow._napari.widgets.parts import Section, push_button, text_label

if TYPE_CHECKING:
    from qtpy.QtGui import QWheelEvent

    from napari_bloodflow._napari.layers import TimeDirection
    from napari_bloodflow._napari.session import ShownAcquisition, ViewerSession

__all__ = ["DisplayPanel"]

_STEPS_PER_OCTAVE = 20
_OCTAVES = 5
_DIRECTIONS: tuple[tuple[TimeDirection, str], ...] = (("right", "→ right"), ("down", "↓ down"))


class _StretchSlider(QSlider):
    """A slider that leaves the mouse wheel to the scroll area around it."""

    def wheelEvent(self, event: QWheelEvent | None) -> None:
        if event is not None:
            event.ignore()


class DisplayPanel(Section):
    """Controls of the layout, which is the session's.

    Parameters
    ----------
    session : ViewerSession
        What the viewer shows, and how.
    parent : QWidget, optional
        Its parent.
    """

    def __init__(self, session: ViewerSession, parent: QWidget | None = None) -> None:
        super().__init__("Display", "display_panel", parent)
        self._session = session
        group = QButtonGroup(self)
        self._directions: dict[TimeDirection, QPushButton] = {}
        segments = QHBoxLayout()
        segments.setSpacing(1)
        for index, (direction, text) in enumerate(_DIRECTIONS):
            button = QPushButton(text, self)
            button.setObjectName(f"time_runs_{direction}")
            button.setCheckable(True)
            button.setToolTip(f"Let time run {text.split()[1]} on the canvas")
            group.addButton(button, index)
            self._directions[direction] = button
            segments.addWidget(button, 1)
        group.idClicked.connect(self._on_direction)
        self._slider = _StretchSlider(Qt.Orientation.Horizontal, self)
        self._slider.setObjectName("stretch")
        self._slider.setAccessibleName("Stretch")
        self._slider.setRange(-_OCTAVES * _STEPS_PER_OCTAVE, _OCTAVES * _STEPS_PER_OCTAVE)
        self._slider.setPageStep(_STEPS_PER_OCTAVE)
        self._slider.setToolTip("Width across the line; × 1 fills the canvas")
        self._slider.valueChanged.connect(self._on_slider)
        self._factor = text_label("stretch_factor", self)
        self._factor.setMinimumWidth(self._factor.fontMetrics().horizontalAdvance("× 0.0000"))
        self._fit = push_button(
            "Fit", "fit_view", "Let the whole kymograph fill the canvas", self._on_fit, self
        )
        stretch = QHBoxLayout()
        stretch.addWidget(self._slider, 1)
        stretch.addWidget(self._factor)
        stretch.addWidget(self._fit)
        grid = QGridLayout()
        grid.setColumnStretch(1, 1)
        grid.addWidget(QLabel("Time runs", self), 0, 0)
        grid.addLayout(segments, 0, 1)
        grid.addWidget(QLabel("Stretch", self), 1, 0)
        grid.addLayout(stretch, 1, 1)
        self.body.addLayout(grid)

    def refresh(self) -> None:
        """Show the present layout."""
        active = self._session.active
        self._directions[self._session.time_direction].setChecked(True)
        if active is None:
            return
        factor = self._session.stretch / self._fitted(active)
        self._factor.setText(f"× {factor:.3g}")
        if not self._slider.isSliderDown():
            self._slider.blockSignals(True)
            self._slider.setValue(round(_STEPS_PER_OCTAVE * math.log2(factor)))
            self._slider.blockSignals(False)

    def _fitted(self, shown: ShownAcquisition) -> float:
        plane = shown.acq.images.bounds
        return fit_stretch(
            plane.num_rows,
            plane.num_columns,
            self._session.viewer.canvas.size,
            self._session.time_direction,
        )

    def _on_direction(self, index: int) -> None:
        self._session.set_time_direction(_DIRECTIONS[index][0])

    def _on_slider(self, position: int) -> None:
        active = self._session.active
        if active is not None:
            self._session.set_stretch(self._fitted(active) * 2 ** (position / _STEPS_PER_OCTAVE))

    def _on_fit(self) -> None:
        self._session.fit_view()
