"""Switch a random order of files on, with its seed."""

from __future__ import annotations

from qtpy.QtCore import QSettings, QSignalBlocker, Signal
from qtpy.QtWidgets import QCheckBox, QHBoxLayout, QSpinBox, QWidget

__all__ = ["ShuffleSwitch"]

_SEED_KEY = "shuffle_seed"
_MAX_SEED = 9999


class ShuffleSwitch(QWidget):
    """A switch, and beside it the seed of the order while it is on. The seed is kept.

    Parameters
    ----------
    parent : QWidget, optional
        Its parent.

    Attributes
    ----------
    changed : Signal
        Emitted after the user switched it, or chose another seed.
    """

    changed = Signal()

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.setObjectName("shuffle_switch")
        self._switch = QCheckBox("Shuffle", self)
        self._switch.setObjectName("shuffle")
        self._switch.setToolTip(
            "Show the files in a random order, so that it says nothing about them.\n"
            "The same seed gives the same order tomorrow and on another computer."
        )
        self._seed = QSpinBox(self)
        self._seed.setObjectName("shuffle_seed")
        self._seed.setAccessibleName("Seed of the order")
        self._seed.setToolTip("Seed: which of the random orders. Note it, it is part of the method")
        self._seed.setRange(1, _MAX_SEED)
        self._seed.setValue(_kept_seed())
        self._seed.setKeyboardTracking(False)
        self._seed.hide()
        self._switch.toggled.connect(self._on_switched)
        self._seed.valueChanged.connect(self._on_seed)
        layout = QHBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.setSpacing(4)
        layout.addWidget(self._switch)
        layout.addWidget(self._seed)

    @property
    def is_on(self) -> bool:
        """Whether files are shuffled."""
        return self._switch.isChecked()

    @property
    def seed(self) -> int:
        """Which of the orders."""
        return self._seed.value()

    def switch_off(self) -> None:
        """Switch it off, without a signal."""
        with QSignalBlocker(self._switch):
            self._switch.setChecked(False)
        self._seed.hide()

    def _on_switched(self, is_on: bool) -> None:
        self._seed.setVisible(is_on)
        self.changed.emit()

    def _on_seed(self, seed: int) -> None:
        _settings().setValue(_SEED_KEY, seed)
        self.changed.emit()


def _settings() -> QSettings:
    return QSettings("napari-bloodflow", "napari-bloodflow")


def _kept_seed() -> int:
    stored = str(_settings().value(_SEED_KEY, 1))
    return int(stored) if stored.isdecimal() else 1
