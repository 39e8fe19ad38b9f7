"""The part of an acquisition that analyses measure: pixels, calibration and geometry."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from napari_bloodflow.acquisition.calibration_choice import uneven_steps
from napari_bloodflow.acquisition.roi import LineROI, RectROI
from napari_bloodflow.analysis.base import AnalysisInputs, AnalysisState
from napari_bloodflow.errors import RoiKindError, UnknownPlaneError, UnknownRoiError

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from napari_bloodflow.acquisition.acq_models import AcqModels

__all__ = ["AcqMeasuring"]


class AcqMeasuring:
    """Gathers what a measurement needs; :class:`AcqImage` is the whole of it."""

    _models: AcqModels

    def get_roi_image(self, channel: int, roi_id: int, z: int = 0, t: int = 0) -> NDArray[Any]:
        """Return the pixels of a rectangular ROI at full resolution.

        Parameters
        ----------
        channel : int
            Channel, from 0.
        roi_id : int
            A rectangle.
        z, t : int
            Plane, the first by default.

        Returns
        -------
        ndarray, shape (time, position)
            Read-only.

        Raises
        ------
        UnknownRoiError
            (a ValueError) if there is no such ROI.
        UnknownPlaneError
            (a ValueError) if the channel, z or t does not exist.
        RoiKindError
            (a TypeError) if the ROI is a line.
        """
        return self._models.images.get_roi_rect_image(channel, self._rectangle(roi_id).bounds, z, t)

    def get_analysis_inputs(self, channel: int, roi_id: int) -> AnalysisInputs:
        """Gather pixels, calibration and geometry for a measurement.

        Raises
        ------
        UnknownRoiError, UnknownPlaneError, RoiKindError
            As :meth:`get_roi_image`.
        """
        self._check_channel(channel)
        image = self.get_roi_image(channel, roi_id)
        state = self._analysis_state(self._rectangle(roi_id), channel)
        row_start, row_stop, col_start, col_stop = state.roi_bounds
        uneven = uneven_steps(self._models.images.scitiff, self._models.calibration.current).cut(
            slice(row_start, row_stop), slice(col_start, col_stop)
        )
        return AnalysisInputs(image, state, uneven=uneven)

    def get_analysis_state(
        self, channel: int, roi_id: int, *, with_pixels: bool = True
    ) -> AnalysisState | None:
        """Return what a measurement depends on; None if its ROI is gone.

        Parameters
        ----------
        channel, roi_id : int
            What is measured.
        with_pixels : bool
            Whether to look at the pixels, for their fingerprint.
        """
        roi = self._models.rois.get(roi_id)
        if not isinstance(roi, RectROI) or not 0 <= channel < self._models.images.num_channels:
            return None
        return self._analysis_state(roi, channel if with_pixels else None)

    def _analysis_state(self, roi: RectROI, channel: int | None) -> AnalysisState:
        box, plane = roi.bounds, self._models.images.bounds
        return AnalysisState(
            self._models.calibration.current,
            (box.row_start, box.row_stop, box.col_start, box.col_stop),
            (plane.num_rows, plane.num_columns),
            "" if channel is None else self._models.images.fingerprint(channel),
            self._models.images.axes_swapped,
        )

    def _rectangle(self, roi_id: int) -> RectROI:
        roi = self._models.rois.get(roi_id)
        if roi is None:
            raise UnknownRoiError(roi_id, self._models.rois.get_roi_ids(), self._models.images.name)
        if isinstance(roi, LineROI):
            raise RoiKindError(
                f"{self._models.images.name}: ROI {roi_id} is a line; an analysis needs a rectangle"
            )
        return roi

    def _check_channel(self, channel: int) -> None:
        count = self._models.images.num_channels
        if not 0 <= channel < count:
            have = "channel 0 only" if count == 1 else f"channels 0 to {count - 1}"
            raise UnknownPlaneError(
                f"{self._models.images.name}: there is no channel {channel}; it has {have}"
            )
