"""SciTiff: an ImageJ hyperstack whose description holds the meaning of its axes as JSON."""

from __future__ import annotations

import struct
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

from napari_bloodflow.storage.calibration import CalibrationReading
from napari_bloodflow.storage.scitiff_axes import kept_axes, time_axis
from napari_bloodflow.storage.scitiff_model import DIMS, InvalidSciTiff, Note, parse_document
from napari_bloodflow.storage.units import is_no_unit

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tifffile import TiffFile, TiffPageSeries

    from napari_bloodflow.storage.scitiff_axes import SciTiffAxis
    from napari_bloodflow.storage.scitiff_model import SciTiffDocument, Variable
    from napari_bloodflow.storage.tiff_stack import PageStack

__all__ = ["METADATA_KEY", "SciTiff", "SciTiffChannel", "find_scitiff"]

METADATA_KEY = "scitiffmeta"
"""Name of the JSON text in the ImageJ description."""

Role = Literal["intensities", "stdevs", "mask", "channel"]

# Releases 25.4.0 and 25.5.0 wrote one of them with a slip of the pen.
_ROLES: dict[str, Role] = {
    "intensities": "intensities",
    "stdevs": "stdevs",
    "stedvs": "stdevs",
    "mask": "mask",
}


@dataclass(frozen=True, slots=True)
class SciTiffChannel:
    """What one channel holds.

    Parameters
    ----------
    index : int
        Place along c.
    name : str
        Name to show, or empty.
    role : {"intensities", "stdevs", "mask", "channel"}
        Values, their standard deviations or a mask of one image; or a channel of its own.
    """

    index: int
    name: str
    role: Role


@dataclass(frozen=True, slots=True)
class SciTiff:
    """The usable metadata of a SciTiff file.

    Parameters
    ----------
    document : SciTiffDocument
        What the metadata say.
    axes : tuple of SciTiffAxis
        The axes that are shown, in the order t, z, y, x.
    channels : tuple of SciTiffChannel
        One per entry along c.
    time : SciTiffAxis or None
        The axis of the lines; None if the image is no kymograph.
    notes : tuple of Note
        What was not used as it stands.
    """

    document: SciTiffDocument
    axes: tuple[SciTiffAxis, ...]
    channels: tuple[SciTiffChannel, ...]
    time: SciTiffAxis | None
    notes: tuple[Note, ...]

    @property
    def is_kymograph(self) -> bool:
        """True if one of two axes is the time of the lines."""
        return self.time is not None

    @property
    def rows(self) -> SciTiffAxis:
        """The axis across the lines: the time of a kymograph, or else the last but one."""
        return self.time or self.axes[-2]

    @property
    def position(self) -> SciTiffAxis:
        """The axis along the columns: that which is not the time, or else the last one."""
        return self.axes[0] if self.time is self.axes[1] else self.axes[-1]

    @property
    def plane_axes(self) -> str:
        """Axes of the pixels without those of length 1, of ``TCZYX``.

        The rows are called Y and the columns X, whatever their names in the file.
        """
        letters = {axis.dim: axis.dim.upper() for axis in self.axes}
        letters |= {"c": "C", self.rows.dim: "Y", self.position.dim: "X"}
        return "".join(letters[dim] for dim in self._plane_dims())

    @property
    def plane_shape(self) -> tuple[int, ...]:
        """Length of every one of `plane_axes`."""
        return tuple(self.document.sizes[dim] for dim in self._plane_dims())

    @property
    def reading(self) -> CalibrationReading | None:
        """Time from row to row and length from column to column, as far as they are known."""
        dt_s, dx_um = self.rows.stated_step("time"), self.position.stated_step("length")
        details = [
            f"{axis.dim} {abs(axis.scale):.6g} {axis.unit.name}"
            for axis, step in ((self.rows, dt_s), (self.position, dx_um))
            if step is not None
        ]
        if not details:
            return None
        return CalibrationReading(dt_s, dx_um, "SciTiff", ", ".join(details))

    def _plane_dims(self) -> list[str]:
        kept = {axis.dim for axis in self.axes}
        return [d for d in DIMS if d in kept or (d == "c" and len(self.channels) > 1)]


def find_scitiff(tif: TiffFile, series: TiffPageSeries | PageStack) -> SciTiff | None:
    """Read the SciTiff metadata of an open file; no pixels are read.

    Parameters
    ----------
    tif : tifffile.TiffFile
        The open file.
    series : tifffile.TiffPageSeries or PageStack
        Its first image.

    Returns
    -------
    SciTiff or None
        None if the file has no such metadata.

    Raises
    ------
    InvalidSciTiff
        If it has, but they cannot be used.
    """
    try:
        description = tif.imagej_metadata or {}
    except (ValueError, LookupError, TypeError, ArithmeticError, struct.error):
        return None  # told by the reader of ImageJ's own calibration
    if METADATA_KEY not in description:
        return None
    document = parse_document(description[METADATA_KEY])
    _check_shape(document, series.shape)
    axes, axis_notes = kept_axes(document)
    channel_notes: list[Note] = []
    channels = tuple(_channels(document, channel_notes))
    dtype = series.dtype.name
    if document.dtype != dtype:
        what = f"it is {document.dtype!s:.20}, the pixels are {dtype}"
        channel_notes.append(Note("dtype", "data.dtype", what, "the pixels are right"))
    notes = (*document.notes, *axis_notes, *channel_notes)
    return SciTiff(document, axes, channels, time_axis(axes), notes)


def _check_shape(document: SciTiffDocument, stored: tuple[int, ...]) -> None:
    """Accept what differs by axes of length 1 only; more would scramble the pixels."""
    if [n for n in document.shape if n > 1] != [n for n in stored if n > 1]:
        reason = f"have the shape {document.shape}, the pixels have {tuple(map(int, stored))}"
        raise InvalidSciTiff("shape-mismatch", reason)


def _channels(document: SciTiffDocument, notes: list[Note]) -> Iterator[SciTiffChannel]:
    count = document.sizes["c"]
    names = _channel_names(document.coords.get("c"), count)
    roles = [_ROLES.get(name) for name in names]
    is_one_image = count > 1 or roles == ["intensities"]
    if is_one_image and None not in roles:
        if roles.count("intensities") == 1 and len(set(roles)) == count:
            for index, (name, role) in enumerate(zip(names, roles, strict=True)):
                assert role is not None
                yield SciTiffChannel(index, name, role)
            return
        what = "they name the parts of one image, but not each once"
        notes.append(Note("roles-unresolved", "coords.c", what, "they are shown as channels"))
    for index, name in enumerate(names):
        yield SciTiffChannel(index, name, "channel")


def _channel_names(coord: Variable | None, count: int) -> list[str]:
    if coord is not None and coord.dims in ((), ("c",)):
        values: Any = coord.values.reshape(-1)
        if values.size == count + 1 and coord.is_numeric:
            values = (values[:-1] + values[1:]) / 2
        if values.size == count and coord.values.dtype.kind == "U":
            return [str(value) for value in values]
        if values.size == count and coord.is_numeric:
            unit = "" if is_no_unit(coord.unit) else f" {coord.unit}"
            return [f"{value:g}{unit}" for value in values]
    return [""] if count == 1 else [f"c{index}" for index in range(count)]
