"""Regions of interest of one acquisition, in whole pixels, shared by all its channels."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, ClassVar, Literal, TypeAlias

if TYPE_CHECKING:
    from collections.abc import Mapping

__all__ = [
    "ROI_VERSION",
    "ImageBounds",
    "LineEndpoints",
    "LineROI",
    "RectROI",
    "RectRoiBounds",
    "Roi",
    "RoiGeometry",
    "roi_from_dict",
]

ROI_VERSION = "1.0"


@dataclass(frozen=True, slots=True)
class ImageBounds:
    """Size of the plane that ROIs live on.

    Parameters
    ----------
    num_rows, num_columns : int
        Lines (time) and pixels along the line (position), each at least 1.
    """

    num_rows: int
    num_columns: int

    def __post_init__(self) -> None:
        if self.num_rows < 1 or self.num_columns < 1:
            raise ValueError(
                f"an image needs at least 1 x 1 pixels, not {self.num_rows} x {self.num_columns}"
            )

    @property
    def transposed(self) -> ImageBounds:
        """The same with rows for columns."""
        return ImageBounds(self.num_columns, self.num_rows)

    @property
    def whole(self) -> RectRoiBounds:
        """Rectangle that covers the plane."""
        return RectRoiBounds(0, self.num_rows, 0, self.num_columns)


@dataclass(frozen=True, slots=True)
class RectRoiBounds:
    """Half-open rectangle: rows ``row_start..row_stop-1``, columns likewise, as NumPy slices.

    Parameters
    ----------
    row_start, row_stop : int
        First line and the line after the last one.
    col_start, col_stop : int
        First pixel of the line and the pixel after the last one.
    """

    row_start: int
    row_stop: int
    col_start: int
    col_stop: int

    @property
    def num_rows(self) -> int:
        """Number of lines."""
        return self.row_stop - self.row_start

    @property
    def num_columns(self) -> int:
        """Number of pixels along the line."""
        return self.col_stop - self.col_start

    @property
    def transposed(self) -> RectRoiBounds:
        """The same pixels in the image with rows for columns."""
        return RectRoiBounds(self.col_start, self.col_stop, self.row_start, self.row_stop)

    def clamped(self, bounds: ImageBounds) -> RectRoiBounds:
        """Put starts before stops and cut to the image.

        Raises
        ------
        ValueError
            If nothing of the rectangle is inside the image.
        """
        row_start, row_stop = _ordered_span(self.row_start, self.row_stop, bounds.num_rows)
        col_start, col_stop = _ordered_span(self.col_start, self.col_stop, bounds.num_columns)
        if row_start == row_stop or col_start == col_stop:
            raise ValueError(
                f"rows {self.row_start}..{self.row_stop}, columns {self.col_start}..{self.col_stop}"
                f" hold no pixel of the {bounds.num_rows} x {bounds.num_columns} image"
            )
        return RectRoiBounds(row_start, row_stop, col_start, col_stop)


@dataclass(frozen=True, slots=True)
class LineEndpoints:
    """Segment between two pixels, both included.

    Parameters
    ----------
    row0, col0, row1, col1 : int
        Line number and pixel of either end.
    """

    row0: int
    col0: int
    row1: int
    col1: int

    @property
    def transposed(self) -> LineEndpoints:
        """The same pixels in the image with rows for columns."""
        return LineEndpoints(self.col0, self.row0, self.col1, self.row1)

    def clamped(self, bounds: ImageBounds) -> LineEndpoints:
        """Move ends that are outside onto the nearest pixel of the image."""
        last_row, last_col = bounds.num_rows - 1, bounds.num_columns - 1
        return LineEndpoints(
            _clip(self.row0, last_row),
            _clip(self.col0, last_col),
            _clip(self.row1, last_row),
            _clip(self.col1, last_col),
        )


RoiGeometry: TypeAlias = RectRoiBounds | LineEndpoints


@dataclass(frozen=True, slots=True)
class RectROI:
    """A rectangle that analyses can run on.

    Parameters
    ----------
    roi_id : int
        Identity within the file; never changes and is never given to another ROI in a session.
    bounds : RectRoiBounds
        Where it is.
    name, note : str
        For people.
    """

    roi_id: int
    bounds: RectRoiBounds
    name: str = ""
    note: str = ""
    roi_type: ClassVar[Literal["rectroi"]] = "rectroi"

    @property
    def geometry(self) -> RectRoiBounds:
        """The bounds, under the name shared by all kinds of ROI."""
        return self.bounds

    @property
    def label(self) -> str:
        """Text for people: the id, and the name if there is one."""
        return _label(self.roi_id, self.name)

    def with_geometry(self, geometry: RoiGeometry) -> RectROI:
        """Return the same ROI somewhere else.

        Raises
        ------
        TypeError
            If `geometry` is not a rectangle.
        """
        if not isinstance(geometry, RectRoiBounds):
            raise TypeError(f"ROI {self.roi_id} is a rectangle and needs RectRoiBounds")
        return replace(self, bounds=geometry)

    def to_dict(self) -> dict[str, Any]:
        """Return the record of this ROI as the sidecar stores it."""
        return _to_dict(self)


@dataclass(frozen=True, slots=True)
class LineROI:
    """A segment, kept as an annotation; analyses need a rectangle.

    Parameters
    ----------
    roi_id : int
        Identity within the file.
    endpoints : LineEndpoints
        Where it is.
    name, note : str
        For people.
    """

    roi_id: int
    endpoints: LineEndpoints
    name: str = ""
    note: str = ""
    roi_type: ClassVar[Literal["linesegmentroi"]] = "linesegmentroi"

    @property
    def geometry(self) -> LineEndpoints:
        """The end points, under the name shared by all kinds of ROI."""
        return self.endpoints

    @property
    def label(self) -> str:
        """Text for people: the id, and the name if there is one."""
        return _label(self.roi_id, self.name)

    def with_geometry(self, geometry: RoiGeometry) -> LineROI:
        """Return the same ROI somewhere else.

        Raises
        ------
        TypeError
            If `geometry` is not a segment.
        """
        if not isinstance(geometry, LineEndpoints):
            raise TypeError(f"ROI {self.roi_id} is a line and needs LineEndpoints")
        return replace(self, endpoints=geometry)

    def to_dict(self) -> dict[str, Any]:
        """Return the record of this ROI as the sidecar stores it."""
        return _to_dict(self)


Roi: TypeAlias = RectROI | LineROI


def roi_from_dict(record: Mapping[str, Any]) -> Roi:
    """Read one ROI record of a sidecar.

    Parameters
    ----------
    record : mapping
        ``roi_id, roi_type, version, name, note, data``. Further keys are ignored here (and kept
        by the sidecar), missing names and notes are empty.

    Returns
    -------
    RectROI or LineROI
        Not yet cut to any image.

    Raises
    ------
    ValueError
        If the id, type, version or a coordinate is missing or unusable; the text says which.
    """
    if not isinstance(record, dict):
        raise ValueError("is not an object")
    version = str(record.get("version", ROI_VERSION))
    if version != ROI_VERSION:
        raise ValueError(f"version {version!r} is not known")
    roi_id = _whole_number(record, "roi_id")
    data = record.get("data")
    if not isinstance(data, dict):
        raise ValueError("data is missing or not an object")
    name, note = (_text(record.get(key)) for key in ("name", "note"))
    roi_type = str(record.get("roi_type")).lower()
    if roi_type == RectROI.roi_type:
        keys = ("row_start", "row_stop", "col_start", "col_stop")
        bounds = RectRoiBounds(*(_whole_number(data, key) for key in keys))
        return RectROI(roi_id, bounds, name, note)
    if roi_type == LineROI.roi_type:
        keys = ("row0", "col0", "row1", "col1")
        return LineROI(
            roi_id, LineEndpoints(*(_whole_number(data, key) for key in keys)), name, note
        )
    raise ValueError(f"roi_type {record.get('roi_type')!r} is not known")


def _to_dict(roi: Roi) -> dict[str, Any]:
    geometry = roi.geometry
    return {
        "roi_id": roi.roi_id,
        "roi_type": roi.roi_type,
        "version": ROI_VERSION,
        "name": roi.name,
        "note": roi.note,
        "data": {key: getattr(geometry, key) for key in geometry.__slots__},
    }


def _label(roi_id: int, name: str) -> str:
    return f"{roi_id} {name}" if name else str(roi_id)


def _text(value: Any) -> str:
    is_nothing = value is None or (isinstance(value, float) and not math.isfinite(value))
    return "" if is_nothing else str(value)


def _whole_number(record: Mapping[str, Any], key: str) -> int:
    value = record.get(key)
    if isinstance(value, bool) or not isinstance(value, (int, float, str)):
        raise ValueError(f"{key} is {'missing' if value is None else 'not a number'}")
    try:
        return int(value)
    except (ValueError, OverflowError):
        raise ValueError(f"{key} is {value!r}, not a whole number") from None


def _clip(value: int, last: int) -> int:
    return min(max(value, 0), last)


def _ordered_span(start: int, stop: int, size: int) -> tuple[int, int]:
    return _clip(min(start, stop), size), _clip(max(start, stop), size)
