"""What was wrong with the files beside an image, and what was done about it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from napari_bloodflow._napari.widgets.parts import Fold, Notice, push_button

if TYPE_CHECKING:
    from qtpy.QtWidgets import QWidget

    from napari_bloodflow._napari.session import ViewerSession
    from napari_bloodflow.problems import Problem

__all__ = ["ProblemsPanel"]

_MAX_SHOWN = 20


class ProblemsPanel(Fold):
    """The problems of the active acquisition, closed at first, hidden when there are none.

    Parameters
    ----------
    session : ViewerSession
        What the viewer shows.
    parent : QWidget, optional
        Its parent.
    """

    def __init__(self, session: ViewerSession, parent: QWidget | None = None) -> None:
        super().__init__("problems_panel", parent)
        self._session = session
        self._problems: tuple[Problem, ...] = ()
        self._repair = push_button(
            "Write the speed in place of its reciprocal",
            "repair_velocity",
            "Correct the velocities of this file at the next save.\n"
            "The old values stay in a column of their own, and in a backup.",
            self._on_repair,
            self.content,
        )
        self.body.addWidget(self._repair)
        self.hide()

    def refresh(self) -> None:
        """Show the present problems."""
        acq = self._session.acq
        # Their texts tell the names of files.
        is_told = acq is not None and not self._session.blinding.is_on
        problems = acq.problems if acq is not None and is_told else ()
        if problems != self._problems:
            self._problems = problems
            self._fill()
        self._repair.setVisible(acq is not None and bool(acq.reciprocal_velocities))
        self.setVisible(bool(problems))

    def _on_repair(self) -> None:
        if self._session.acq is not None:
            self._session.acq.repair_velocity()

    def _fill(self) -> None:
        self.body.removeWidget(self._repair)
        while (item := self.body.takeAt(0)) is not None:
            widget = item.widget()
            if widget is not None:
                widget.hide()
                widget.deleteLater()
        count = len(self._problems)
        self.set_title(f"⚠ {count} {'problem' if count == 1 else 'problems'} with the files")
        for number, problem in enumerate(self._problems[:_MAX_SHOWN]):
            place = f", {problem.where}" if problem.where else ""
            self._add(
                f"problem_{number}",
                f"{problem.file}{place}:\n{problem.what}.\n→ {problem.action}.",
                str(problem),
            )
        if count > _MAX_SHOWN:
            self._add("more_problems", f"... and {count - _MAX_SHOWN} more.", "")
        self.body.addWidget(self._repair)

    def _add(self, name: str, text: str, tip: str) -> None:
        notice = Notice(name, "alert", self.content)
        notice.setToolTip(tip)
        self.body.addWidget(notice)
        notice.say(text)
