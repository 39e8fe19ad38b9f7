"""What to do when another program changed the same thing in the sidecar files."""

from __future__ import annotations

from typing import TYPE_CHECKING

from qtpy.QtCore import Signal
from qtpy.QtWidgets import QHBoxLayout, QVBoxLayout, QWidget

from napari_bloodflow._napari.widgets.parts import Notice, push_button

if TYPE_CHECKING:
    from napari_bloodflow.errors import SidecarConflict

__all__ = ["ConflictPanel"]

_MAX_SHOWN = 6


class ConflictPanel(QWidget):
    """Both sides of a conflict, and the three ways out of it; hidden while there is none.

    Parameters
    ----------
    parent : QWidget, optional
        Its parent.

    Attributes
    ----------
    decided : Signal
        Emitted with ``"reload"``, ``"mine"`` or ``"both"`` when the user has chosen.
    """

    decided = Signal(str)

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.setObjectName("conflict_panel")
        self._notice = Notice("conflict_message", "alert", self)
        buttons = QHBoxLayout()
        buttons.setSpacing(4)
        for text, name, tip, slot in (
            (
                "Reload from disk",
                "conflict_reload",
                "Show what the other program saved. What you changed since is dropped.",
                self._on_reload,
            ),
            (
                "Keep mine",
                "conflict_mine",
                "Save your version where both changed the same thing.\n"
                "The files of the other program are kept beside it as a backup.",
                self._on_mine,
            ),
            (
                "Keep both",
                "conflict_both",
                "Leave what the other program saved, and add your ROIs with their results as new"
                " ROIs.\nOther values of yours are kept in a copy beside the file.",
                self._on_both,
            ),
        ):
            buttons.addWidget(push_button(text, name, tip, slot, self))
        column = QVBoxLayout(self)
        column.setContentsMargins(0, 0, 0, 0)
        column.addWidget(self._notice)
        column.addLayout(buttons)
        self.hide()

    def show_conflict(self, conflict: SidecarConflict) -> None:
        """Show what both sides changed."""
        lines = [f"• {item}" for item in conflict.conflicts[:_MAX_SHOWN]]
        if len(conflict.conflicts) > _MAX_SHOWN:
            lines.append(f"... and {len(conflict.conflicts) - _MAX_SHOWN} more")
        head = (
            "Not saved: another program has changed the same thing."
            if lines
            else f"Not saved: {conflict.path} {conflict.reason}."
        )
        self._notice.say("\n".join([head, *lines]))
        self.show()

    def clear(self) -> None:
        """Hide, as there is nothing to decide any more."""
        self._notice.say("")
        self.hide()

    def _on_reload(self) -> None:
        self.decided.emit("reload")

    def _on_mine(self) -> None:
        self.decided.emit("mine")

    def _on_both(self) -> None:
        self.decided.emit("both")
