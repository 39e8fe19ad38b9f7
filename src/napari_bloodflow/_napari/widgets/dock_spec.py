"""What makes the dock of one kind of analysis."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from napari_bloodflow._napari.overlays import Lines
    from napari_bloodflow._napari.plots.plot_model import PlotModel
    from napari_bloodflow._napari.widgets.result_summary import SummaryColumn
    from napari_bloodflow.acquisition.acq_image import AcqImage
    from napari_bloodflow.analysis.base import Analysis

__all__ = ["DockSpec"]


@dataclass(frozen=True, slots=True)
class DockSpec:
    """What makes the dock of one kind of analysis.

    Parameters
    ----------
    analysis_type : type of Analysis
        What is measured.
    name : str
        Object names of the parts begin with it.
    noun : str
        What is measured, in a sentence.
    basic : tuple of str
        Parameters that are always in view.
    columns : tuple of SummaryColumn
        What the table of results shows.
    details : callable
        Makes a sentence about the chosen result.
    plot_model : callable
        Makes the plot of some results of a file.
    method_field : str
        The parameter that decides which others matter; empty if there is none.
    uncalibrated : str
        What is said of a file without calibration.
    overlay_lines : callable, optional
        Makes the lines of a result that are drawn over the image.
    """

    analysis_type: type[Analysis]
    name: str
    noun: str
    basic: tuple[str, ...]
    columns: tuple[SummaryColumn, ...]
    details: Callable[[AcqImage, Analysis], str]
    plot_model: Callable[[AcqImage, Iterable[Analysis]], PlotModel]
    method_field: str = ""
    uncalibrated: str = ""
    overlay_lines: Callable[[AcqImage, Analysis], list[Lines]] | None = None
