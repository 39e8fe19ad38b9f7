"""The ROIs of one acquisition: stable ids, order, clamping, and word of every change."""

from __future__ import annotations

from contextlib import contextmanager
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from psygnal import Signal

from napari_bloodflow.acquisition.free_shape import FreeShape, live_shapes
from napari_bloodflow.acquisition.roi import (
    ImageBounds,
    LineEndpoints,
    LineROI,
    RectROI,
    Roi,
    RoiGeometry,
    roi_from_dict,
)
from napari_bloodflow.errors import UnknownRoiError

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

__all__ = ["RoiSet", "RoiSetChange"]


@dataclass(frozen=True, slots=True)
class RoiSetChange:
    """What one edit, or one batch of edits, did.

    Parameters
    ----------
    added, updated, removed : tuple of int
        ROI ids. An id is in one of them at most.
    has_other_shapes : bool
        Whether :attr:`RoiSet.free_shapes` changed.
    """

    added: tuple[int, ...] = ()
    updated: tuple[int, ...] = ()
    removed: tuple[int, ...] = ()
    has_other_shapes: bool = False

    def __bool__(self) -> bool:
        return bool(self.added or self.updated or self.removed or self.has_other_shapes)


class RoiSet:
    """Ordered ROIs of one image, keyed by id.

    ROIs are frozen values; every edit replaces one and emits `changed`. Ids are 1, 2, 3, ... in
    order of creation and are not used again after a deletion.

    Parameters
    ----------
    image_bounds : ImageBounds
        Size of the plane; geometry is cut to it.

    Attributes
    ----------
    changed : psygnal.Signal
        Emitted with a :class:`RoiSetChange` after every edit.
    """

    changed = Signal(RoiSetChange)

    def __init__(self, image_bounds: ImageBounds) -> None:
        self._image_bounds = image_bounds
        self._rois: dict[int, Roi] = {}
        self._next_id = 1
        self._clean: tuple[Roi, ...] = ()
        self._free_shapes: tuple[FreeShape, ...] = ()
        self._batch_start: tuple[dict[int, Roi], tuple[FreeShape, ...]] | None = None

    # ---- reading

    @property
    def image_bounds(self) -> ImageBounds:
        """Size of the plane that the ROIs are cut to."""
        return self._image_bounds

    @property
    def num_rois(self) -> int:
        """Number of ROIs."""
        return len(self._rois)

    def __len__(self) -> int:
        return len(self._rois)

    def __iter__(self) -> Iterator[Roi]:
        return iter(tuple(self._rois.values()))

    def __contains__(self, roi_id: object) -> bool:
        return roi_id in self._rois

    def __getitem__(self, roi_id: int) -> Roi:
        try:
            return self._rois[roi_id]
        except KeyError:
            raise UnknownRoiError(roi_id, self.get_roi_ids()) from None

    def __repr__(self) -> str:
        return f"RoiSet({', '.join(roi.label for roi in self) or 'empty'})"

    def get(self, roi_id: int) -> Roi | None:
        """Return the ROI, or None if there is none with this id."""
        return self._rois.get(roi_id)

    def get_roi_ids(self) -> list[int]:
        """Return the ids in order of creation."""
        return list(self._rois)

    def snapshot(self) -> tuple[Roi, ...]:
        """Return the present ROIs in order, as values that later edits do not touch."""
        return tuple(self._rois.values())

    @property
    def free_shapes(self) -> tuple[FreeShape, ...]:
        """Shapes that were drawn but are no ROI, sorted; they are in no file."""
        return self._free_shapes

    @property
    def is_dirty(self) -> bool:
        """True if the ROIs differ from those of the last load or save."""
        return self.snapshot() != self._clean

    def set_clean(self) -> None:
        """Take the present ROIs as saved."""
        self._clean = self.snapshot()

    # ---- editing

    def create(
        self,
        geometry: RoiGeometry | None = None,
        *,
        name: str = "",
        note: str = "",
    ) -> Roi:
        """Add a ROI with the next free id.

        Parameters
        ----------
        geometry : RectRoiBounds or LineEndpoints, optional
            Where; the whole image by default. Cut to the image.
        name, note : str
            For people.

        Returns
        -------
        RectROI or LineROI
            What was added, as cut to the image.

        Raises
        ------
        ValueError
            If a rectangle holds no pixel of the image.
        """
        cut = (geometry or self._image_bounds.whole).clamped(self._image_bounds)
        roi: Roi
        if isinstance(cut, LineEndpoints):
            roi = LineROI(self._next_id, cut, name, note)
        else:
            roi = RectROI(self._next_id, cut, name, note)
        with self.batch():
            self._rois[roi.roi_id] = roi
            self._next_id += 1
        return roi

    def edit(self, roi_id: int, geometry: RoiGeometry) -> Roi:
        """Move or resize a ROI; results that were measured on it become stale.

        Raises
        ------
        UnknownRoiError
            If there is no such ROI.
        TypeError
            If the geometry is of another kind than the ROI.
        ValueError
            If a rectangle holds no pixel of the image.
        """
        return self._replace(self[roi_id].with_geometry(geometry.clamped(self._image_bounds)))

    def rename(self, roi_id: int, name: str) -> Roi:
        """Change the name of a ROI.

        Raises
        ------
        UnknownRoiError
            If there is no such ROI.
        """
        return self._replace(replace(self[roi_id], name=name))

    def set_note(self, roi_id: int, note: str) -> Roi:
        """Change the note of a ROI.

        Raises
        ------
        UnknownRoiError
            If there is no such ROI.
        """
        return self._replace(replace(self[roi_id], note=note))

    def delete(self, roi_id: int) -> Roi:
        """Remove a ROI and return it, so that :meth:`restore` can bring it back.

        Raises
        ------
        UnknownRoiError
            If there is no such ROI.
        """
        roi = self[roi_id]
        with self.batch():
            del self._rois[roi_id]
        return roi

    def clear(self) -> None:
        """Remove all ROIs."""
        with self.batch():
            self._rois.clear()

    def set_free_shapes(self, shapes: Iterable[FreeShape]) -> None:
        """Replace the shapes that are no ROI.

        Parameters
        ----------
        shapes : iterable of FreeShape
            That of a ROI is dropped once its ROI is deleted or has another geometry.
        """
        with self.batch():
            self._free_shapes = tuple(shapes)

    def restore(self, rois: Iterable[Roi], free_shapes: Iterable[FreeShape] | None = None) -> None:
        """Make the set exactly these ROIs, in this order, keeping their ids.

        Parameters
        ----------
        rois : iterable of RectROI or LineROI
            For instance an earlier :meth:`snapshot`.
        free_shapes : iterable of FreeShape, optional
            For instance earlier :attr:`free_shapes`; by default those that still hold stay.

        Raises
        ------
        ValueError
            If two have the same id, or one holds no pixel of the image; nothing is changed then.
        """
        fresh: dict[int, Roi] = {}
        for roi in rois:
            if roi.roi_id in fresh:
                raise ValueError(f"two ROIs have the id {roi.roi_id}")
            fresh[roi.roi_id] = roi.with_geometry(roi.geometry.clamped(self._image_bounds))
        with self.batch():
            self._rois = fresh
            if free_shapes is not None:
                self._free_shapes = tuple(free_shapes)
            self._next_id = max([self._next_id - 1, *fresh]) + 1

    def transpose(self) -> None:
        """Take rows for columns: the image is turned, and all ROIs keep their pixels."""
        self._image_bounds = self._image_bounds.transposed
        self.restore(
            [roi.with_geometry(roi.geometry.transposed) for roi in self],
            [shape.transposed for shape in self._free_shapes],
        )

    def reserve_ids(self, last: int) -> None:
        """Give new ROIs ids above this one; something of theirs is kept elsewhere.

        Parameters
        ----------
        last : int
            The greatest id in use.
        """
        self._next_id = max(self._next_id, last + 1)

    @contextmanager
    def batch(self) -> Iterator[None]:
        """Announce all edits made inside as one change, at the end."""
        if self._batch_start is not None:
            yield
            return
        self._batch_start = (dict(self._rois), self._free_shapes)
        try:
            yield
        finally:
            (before, shapes), self._batch_start = self._batch_start, None
            self._free_shapes = live_shapes(self._free_shapes, self._rois)
            change = _difference(before, self._rois, self._free_shapes != shapes)
            if change:
                self.changed.emit(change)

    def _replace(self, roi: Roi) -> Roi:
        with self.batch():
            self._rois[roi.roi_id] = roi
        return roi

    # ---- files

    def to_list(self) -> list[dict[str, Any]]:
        """Return the records of all ROIs, in order, as the sidecar stores them."""
        return [roi.to_dict() for roi in self]

    @classmethod
    def from_list(cls, records: Iterable[Mapping[str, Any]], image_bounds: ImageBounds) -> RoiSet:
        """Make a clean set from sidecar records.

        Parameters
        ----------
        records : iterable of mapping
            As :meth:`to_list` returns.
        image_bounds : ImageBounds
            Size of the plane.

        Returns
        -------
        RoiSet
            Geometry cut to the image.

        Raises
        ------
        ValueError
            If a record cannot be used, an id comes twice, or a rectangle is outside the image.
        """
        rois = cls(image_bounds)
        rois.restore([roi_from_dict(record) for record in records])
        rois.set_clean()
        return rois


def _difference(
    before: Mapping[int, Roi], after: Mapping[int, Roi], has_other_shapes: bool
) -> RoiSetChange:
    return RoiSetChange(
        added=tuple(key for key in after if key not in before),
        updated=tuple(key for key, roi in after.items() if key in before and before[key] != roi),
        removed=tuple(key for key in before if key not in after),
        has_other_shapes=has_other_shapes,
    )
