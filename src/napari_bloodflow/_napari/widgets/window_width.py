"""Choice of a window width in lines, and what that is in milliseconds."""

from __future__ import annotations

from typing import TYPE_CHECKING

from napari.settings import get_plugin_settings
from qtpy.QtCore import Signal
from qtpy.QtWidgets import QHBoxLayout, QSpinBox, QWidget

from napari_bloodflow._napari.widgets.parts import text_label
from napari_bloodflow.analysis.radon_velocity import RadonVelocityParams

if TYPE_CHECKING:
    from napari_bloodflow.calibration import Calibration

__all__ = ["WindowWidthBox", "default_window_width", "format_duration"]

PLUGIN = "napari-bloodflow"
_STEP = 4
_SMALLEST, _LARGEST = 8, 2**16


class WindowWidthBox(QWidget):
    """Spin box of lines in steps of four, with the duration beside it.

    A number that is typed is rounded to a multiple of four.

    Parameters
    ----------
    parent : QWidget, optional
        Its parent.

    Attributes
    ----------
    edited : Signal
        Emitted with the width after the user changed it.
    """

    edited = Signal(int)

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._calibration: Calibration | None = None
        self.spin = QSpinBox(self)
        self.spin.setObjectName("velocity_window_width")
        self.spin.setAccessibleName("Window (lines)")
        self.spin.setRange(_SMALLEST, _LARGEST)
        self.spin.setSingleStep(_STEP)
        # napari's style leaves no room for the buttons in the size that Qt works out.
        self.spin.setMinimumWidth(self.spin.fontMetrics().horizontalAdvance("88888") + 64)
        # Otherwise 128 would be rounded while its first digits are typed.
        self.spin.setKeyboardTracking(False)
        self.spin.setToolTip(
            "Lines per window, a multiple of 4. Long windows are precise, short ones follow fast"
            " changes. Windows overlap by three quarters: there is one value every quarter of it."
        )
        self._duration = text_label("velocity_window_duration", self)
        self._duration.setToolTip("Length of a window, and time from one value to the next")
        layout = QHBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.addWidget(self.spin)
        layout.addWidget(self._duration, 1)
        self.setFocusProxy(self.spin)
        self._is_quiet = True
        self.set_value(_SMALLEST)
        self.spin.valueChanged.connect(self._on_value_changed)

    @property
    def value(self) -> int:
        """Lines per window."""
        return self.spin.value()

    def set_value(self, width: int) -> None:
        """Show a width; this is no edit."""
        self._is_quiet = True
        try:
            self.spin.setValue(width)
        finally:
            self._is_quiet = False
        self._show_duration()

    def set_calibration(self, calibration: Calibration | None) -> None:
        """Show durations with this calibration; none without."""
        self._calibration = calibration
        self._show_duration()

    def _on_value_changed(self, value: int) -> None:
        rounded = max(_SMALLEST, round(value / _STEP) * _STEP)
        if rounded != value:
            self.spin.setValue(rounded)
            return
        self._show_duration()
        if not self._is_quiet:
            self.edited.emit(value)

    def _show_duration(self) -> None:
        text = ""
        if self._calibration is not None and self._calibration.is_known:
            window_s = self.value * self._calibration.dt_s
            text = f"= {format_duration(window_s)}, every {format_duration(window_s / 4)}"
        self._duration.setText(text)


def format_duration(seconds: float) -> str:
    """Return a duration in the unit that suits it, with up to four digits."""
    for factor, unit in ((1.0, "s"), (1e-3, "ms")):
        if seconds >= factor:
            return f"{seconds / factor:.4g} {unit}"
    return f"{seconds * 1e6:.4g} µs"


def default_window_width() -> int:
    """Return the window width from napari's preferences, or that of the analysis.

    Where the plugin is not installed but imported, napari knows no preferences of it.
    """
    fallback = int(RadonVelocityParams().window_width)
    try:
        width = get_plugin_settings(PLUGIN).velocity.window_width
    except (KeyError, AttributeError):
        return fallback
    return max(_SMALLEST, int(width) // _STEP * _STEP)
