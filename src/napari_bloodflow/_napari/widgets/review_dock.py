"""What docks share in which something that was found is accepted, rejected, drawn and moved."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar

from napari_bloodflow._napari.plots.event_plot import Band, EventPlot
from napari_bloodflow._napari.widgets.analysis_dock import AnalysisDock
from napari_bloodflow._napari.widgets.review_table import ReviewRow, ReviewTable
from napari_bloodflow.errors import BloodflowError

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from qtpy.QtWidgets import QWidget

    from napari_bloodflow._napari.plots.trace_plot import TracePlot

__all__ = ["ReviewDock", "id_of"]


class ReviewDock(AnalysisDock):
    """A dock with a table of what was found, and bands in the plot that are in step with it.

    Subclasses set `headers`, `types`, `editable` and `item`, and implement what the user can do.
    """

    headers: ClassVar[tuple[tuple[str, str], ...]]
    types: ClassVar[tuple[str, ...]] = ()
    editable: ClassVar[tuple[int, ...]] = ()
    item: ClassVar[str]

    def _make_plot(self) -> TracePlot:
        self._event_plot = EventPlot(f"{self.spec.name}_plot", self)
        self._event_plot.drawn.connect(self._on_drawn)
        self._event_plot.moved.connect(self._on_moved)
        self._event_plot.chosen.connect(self._on_band_chosen)
        return self._event_plot

    def _make_extra(self) -> QWidget:
        self._table = ReviewTable(
            self.spec.name, self.item, self.headers, self.types, self.editable, self
        )
        self._table.chosen.connect(self._on_row_chosen)
        self._table.accepted.connect(self._on_accepted)
        self._table.rejected.connect(self._on_rejected)
        self._table.deleted.connect(self._on_deleted)
        self._table.retyped.connect(self._on_retyped)
        self._table.new_asked.connect(self._on_new)
        self._table.entered.connect(self._on_entered)
        self._table.drawing_toggled.connect(self._event_plot.set_drawing)
        return self._table

    # ---- for subclasses

    def _on_drawn(self, start: float, stop: float) -> None:
        """Add what the user drew, both ends in the order of the drag."""
        raise NotImplementedError

    def _on_moved(self, name: str, start: float, stop: float) -> None:
        """Move what is shown as a band."""
        raise NotImplementedError

    def _on_accepted(self, name: str) -> None:
        """Accept a row."""
        raise NotImplementedError

    def _on_rejected(self, name: str) -> None:
        """Reject a row."""
        raise NotImplementedError

    def _on_deleted(self, name: str) -> None:
        """Delete a row."""
        raise NotImplementedError

    def _on_retyped(self, name: str, event_type: str) -> None:
        """Give a row another type."""

    def _on_new(self) -> None:
        """Add what is then edited by its numbers."""

    def _on_entered(self, name: str, column: int, text: str) -> None:
        """Take a number that was entered in a row."""

    # ---- what is common

    def _show_review(
        self, rows: Sequence[ReviewRow], bands: Sequence[Band], *, is_usable: bool
    ) -> None:
        """Show rows and bands; nothing can be decided while measuring."""
        self._table.setEnabled(is_usable and not self._runner.is_running)
        self._table.show_rows(rows)
        self._event_plot.set_bands(tuple(bands), self._table.name)

    def _on_row_chosen(self, name: str) -> None:
        self._event_plot.set_bands(self._event_plot.bands, name)
        for band in self._event_plot.bands:
            if band.name == name:
                self._event_plot.show_band(band)

    def _on_band_chosen(self, name: str) -> None:
        self._table.choose(name)
        self._event_plot.set_bands(self._event_plot.bands, name)

    def _edit(self, change: Callable[[], object]) -> None:
        """Change the result, and say what went wrong if it cannot be."""
        self._error.say("")
        try:
            change()
        except (BloodflowError, ValueError) as error:
            self._tell("", str(error))
        self._refresh()


def id_of(name: str, item: str) -> int | None:
    """Return the number in a row's name such as ``"peak 3"``; None if it is of another kind."""
    kind, _, number = name.partition(" ")
    return int(number) if kind == item else None
