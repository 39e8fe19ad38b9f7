"""ROIs that were deleted, from wherever, so that they can be put back."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from napari_bloodflow.acquisition.roi import Roi
    from napari_bloodflow.acquisition.roi_set import RoiSet

__all__ = ["DeletedRois"]


class DeletedRois:
    """Watches a RoiSet for deletions by comparing what it held with what it holds.

    Only what is missing is put back, so that edits made since the deletion stay.

    Parameters
    ----------
    rois : RoiSet
        The set as it is now.
    """

    def __init__(self, rois: RoiSet) -> None:
        self._last = rois.snapshot()
        self._undoable: list[tuple[tuple[Roi, ...], tuple[int, ...]]] = []

    def look(self, rois: RoiSet) -> None:
        """Compare with the last look; call it after every change."""
        gone = tuple(roi.roi_id for roi in self._last if roi.roi_id not in rois)
        if gone:
            self._undoable.append((self._last, gone))
        self._last = rois.snapshot()

    def ids(self, rois: RoiSet) -> tuple[int, ...]:
        """Return the ids that :meth:`put_back` would bring back; empty if there are none."""
        while self._undoable:
            _, gone = self._undoable[-1]
            missing = tuple(roi_id for roi_id in gone if roi_id not in rois)
            if missing:
                return missing
            self._undoable.pop()
        return ()

    def put_back(self, rois: RoiSet) -> tuple[int, ...]:
        """Undo the latest deletion and return the ids that came back."""
        missing = self.ids(rois)
        if not missing:
            return ()
        before, _ = self._undoable.pop()
        present = {roi.roi_id: roi for roi in rois}
        merged = [
            present.pop(roi.roi_id, roi)
            for roi in before
            if roi.roi_id in present or roi.roi_id in missing
        ]
        rois.restore([*merged, *present.values()])
        self._last = rois.snapshot()
        return missing
