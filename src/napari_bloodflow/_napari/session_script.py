"""What scripts and notebooks do with a session: measure, plot, take pictures."""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import TYPE_CHECKING, Any

import numpy as np
from qtpy.QtWidgets import QApplication

from napari_bloodflow.acquisition.roi import RectROI
from napari_bloodflow.analysis.base import Analysis, AnalysisKey

if TYPE_CHECKING:
    from pathlib import Path

    from matplotlib.axes import Axes
    from napari.components import ViewerModel
    from numpy.typing import NDArray

    from napari_bloodflow._napari.session import ShownAcquisition
    from napari_bloodflow.acquisition.acq_image import AcqImage

__all__ = ["SessionScript"]


class SessionScript(ABC):
    """The part of a session that is for scripts; it works on the active acquisition."""

    @property
    @abstractmethod
    def viewer(self) -> ViewerModel:
        """The viewer."""

    @property
    @abstractmethod
    def active(self) -> ShownAcquisition | None:
        """The acquisition that docks show."""

    def run(
        self, analysis_name: str, roi_id: int | None = None, channel: int = 0, **params: Any
    ) -> Analysis:
        """Measure in the active acquisition and keep the result; the docks show it.

        It returns when it is done; the window stands still meanwhile.

        Parameters
        ----------
        analysis_name : str
            Kind of analysis, such as ``"radon_velocity"``.
        roi_id : int, optional
            Where; by default the ROI that is selected, or the only rectangle there is.
        channel : int
            Channel, from 0.
        **params
            Detection parameters that differ from those of the last run, or from the defaults.

        Returns
        -------
        Analysis
            With its new result.

        Raises
        ------
        RuntimeError
            If nothing is open.
        ValueError
            If the ROI is not given and not clear, or a parameter does not fit.
        TypeError
            If the ROI is a line.
        AnalysisError
            If it cannot be measured; the text says why. The earlier result is kept.
        """
        acq = self._active_acq()
        if roi_id is None:
            rectangles = [roi.roi_id for roi in acq.rois if isinstance(roi, RectROI)]
            roi_id = self._clear_choice(rectangles, "rectangular ROI")
        return acq.analysis_set.run_analysis((analysis_name, channel, roi_id), params)

    def plot(
        self,
        analysis: str | Analysis,
        roi_id: int | None = None,
        channel: int = 0,
        *,
        ax: Axes | None = None,
        **options: Any,
    ) -> Axes:
        """Plot a result of the active acquisition by matplotlib.

        Parameters
        ----------
        analysis : str or Analysis
            Kind of analysis, or what :meth:`run` returned; then `roi_id` and `channel` are not
            needed.
        roi_id : int, optional
            ROI; by default the selected one, or the only one with such a result.
        channel : int
            Channel, from 0.
        ax : matplotlib.axes.Axes, optional
            Where; a new figure by default.
        **options
            Of the figure, such as ``show_rejected=True``; see
            :mod:`napari_bloodflow.export.figures`.

        Returns
        -------
        matplotlib.axes.Axes
            With units; ``ax.figure`` is the figure.

        Raises
        ------
        RuntimeError
            If nothing is open.
        KeyError
            If there is no such analysis.
        ValueError
            If the ROI is not given and not clear, or there is nothing to plot.
        """
        from napari_bloodflow.export.figures import plot_result

        if isinstance(analysis, Analysis):
            return plot_result(analysis, ax, **options)
        analyses = self._active_acq().analysis_set
        if roi_id is None:
            measured = [
                each.key.roi_id
                for each in analyses
                if each.has_results and each.key[:2] == (analysis, channel)
            ]
            roi_id = self._clear_choice(measured, f"ROI with a result of {analysis}")
        return plot_result(analyses[AnalysisKey(analysis, channel, roi_id)], ax, **options)

    def screenshot(
        self, path: str | Path | None = None, *, canvas_only: bool = False
    ) -> NDArray[np.uint8]:
        """Take a picture of the window.

        Parameters
        ----------
        path : path-like, optional
            Where to write it to as well, such as ``"window.png"``.
        canvas_only : bool
            Only the image and what is drawn on it, without docks.

        Returns
        -------
        ndarray, shape (height, width, 4)
            Red, green, blue, opacity.

        Raises
        ------
        RuntimeError
            If the viewer has no window.
        """
        take = getattr(self.viewer, "screenshot", None)
        if take is None:
            raise RuntimeError("a viewer without a window cannot be photographed")
        # Docks follow the models a moment later.
        QApplication.processEvents()
        file = None if path is None else str(path)
        return np.asarray(take(file, canvas_only=canvas_only, flash=False))

    def _active_acq(self) -> AcqImage:
        if self.active is None:
            raise RuntimeError("nothing is open in this viewer; session.open(path) opens a file")
        return self.active.acq

    def _clear_choice(self, roi_ids: list[int], what: str) -> int:
        """Return the one of these ROIs that is meant: the selected one, or the only one."""
        sync = None if self.active is None else self.active.sync
        selected = [] if sync is None else [i for i in sync.selected_roi_ids if i in roi_ids]
        for chosen in (selected, roi_ids):
            if len(chosen) == 1:
                return chosen[0]
        have = ", ".join(map(str, roi_ids)) or "none"
        raise ValueError(f"say which roi_id: there is not one {what} only, there is {have}")
