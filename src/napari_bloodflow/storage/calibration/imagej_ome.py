"""Calibration in the two forms that many programs write: ImageJ's and OME-XML; and bare tags."""

from __future__ import annotations

import math
import struct
from datetime import datetime
from typing import TYPE_CHECKING, Any
from xml.etree import ElementTree

from napari_bloodflow.storage.calibration.readings import (
    CalibrationFindings,
    SourceReader,
    between_frames,
    day_and_time,
    length_to_um,
    positive_number,
    time_to_s,
)

if TYPE_CHECKING:
    from collections.abc import Callable

    from tifffile import TiffFile

__all__ = ["read_imagej", "read_ome", "read_resolution_tags"]

_CENTIMETRE = 3
_LARGEST_PIXEL_UM = 20.0
"""Resolutions of prints and screens, 72 to 1200 per inch, are pixels of 21 um and more."""
_NOMINAL = {"cm": (10_000, 1e8), "inch": (25_400, 1_000_000)}
"""Pixels per unit that stand for one micrometre, or for nothing."""


def read_imagej(tif: TiffFile, num_frames: int) -> CalibrationFindings:
    """Take dx from the X resolution in ``unit``, dt from the Y one in time or ``finterval``."""
    try:
        metadata = tif.imagej_metadata or {}
    except (ValueError, LookupError, TypeError, ArithmeticError, struct.error) as error:
        # tifffile parses a block of binary and text here; damage surfaces as any kind of error
        return CalibrationFindings(notes=(f"the ImageJ metadata cannot be read: {error}",))
    if not metadata:
        return CalibrationFindings()
    tags = tif.pages.first.tags
    reader = SourceReader("ImageJ")
    unit = str(metadata.get("unit", ""))
    x_unit = unit
    # ImageJ itself reads files so marked as pixels per centimetre; Micro-Manager writes them
    if int(tags.valueof(296, default=1)) == _CENTIMETRE and length_to_um(1, unit) == 1:
        x_unit = "cm"
    reader.take_dx(_step(tags.valueof(282)), x_unit, "XResolution")

    # Without a unit of its own a row is as long as `unit` says; as a time that would be a guess.
    y_unit = str(metadata.get("yunit", "")) or ("" if time_to_s(1, unit) is not None else x_unit)
    reader.take_rows(_step(tags.valueof(283)), y_unit, "YResolution")
    interval = metadata.get("finterval", 0)
    if reader.dt_s is None and interval != 0:
        if num_frames > 1:
            reader.notes.append(between_frames("finterval"))
        else:
            reader.take_dt(interval, str(metadata.get("tunit", "s")), "finterval")
    return reader.findings()


def read_ome(tif: TiffFile, num_rows: int, num_frames: int) -> CalibrationFindings:
    """Take dx from PhysicalSizeX, dt from a PhysicalSizeY in time or TimeIncrement, of image 0."""
    xml = tif.ome_metadata
    if not xml:
        return CalibrationFindings()
    if "<!DOCTYPE" in xml or "<!ENTITY" in xml:
        return CalibrationFindings(notes=("OME-XML with entities is not read: it may be a trap",))
    try:
        image = ElementTree.fromstring(xml).find("{*}Image")
    except ElementTree.ParseError as error:
        return CalibrationFindings(notes=(f"the OME-XML cannot be read: {error}",))
    pixels = image.find("{*}Pixels") if image is not None else None
    if image is None or pixels is None:
        return CalibrationFindings(notes=("the OME-XML describes no image",))
    get: Callable[..., str] = pixels.attrib.get
    reader = SourceReader("OME")
    reader.take_dx(get("PhysicalSizeX"), get("PhysicalSizeXUnit", "µm"), "PhysicalSizeX")
    reader.take_rows(get("PhysicalSizeY"), get("PhysicalSizeYUnit", "µm"), "PhysicalSizeY")
    increment = get("TimeIncrement")
    if reader.dt_s is None and increment is not None:
        if num_frames > 1:
            reader.notes.append(between_frames("TimeIncrement"))
        else:
            reader.take_dt(increment, get("TimeIncrementUnit", "s"), "TimeIncrement")
    if reader.dt_s is None and num_frames == 1:
        _take_plane_times(reader, pixels, num_rows)
    date, time = "", ""
    acquired = image.findtext("{*}AcquisitionDate")
    if acquired:
        try:
            date, time = day_and_time(datetime.fromisoformat(acquired.strip()))
        except ValueError:
            reader.notes.append(f"the OME AcquisitionDate {acquired!r} is not a date")
    return reader.findings(date, time)


def _take_plane_times(reader: SourceReader, pixels: ElementTree.Element, num_rows: int) -> None:
    """Take dt from DeltaT of the planes, where each line is a plane."""
    planes = {
        plane.get("TheT", ""): plane for plane in pixels.iterfind("{*}Plane") if plane.get("DeltaT")
    }
    if len(planes) != num_rows:
        return
    first, *_, last = planes.values()
    begin = positive_number(first.get("DeltaT")) or 0.0
    end = positive_number(last.get("DeltaT"))
    if end is not None and end > begin:
        step = (end - begin) / (num_rows - 1)
        reader.take_dt(step, first.get("DeltaTUnit", "s"), "mean step of DeltaT")


def read_resolution_tags(tif: TiffFile) -> CalibrationFindings:
    """Take dx from the X resolution, unless it is that of a print or of no measured pixel."""
    tags = tif.pages.first.tags
    unit = {2: "inch", 3: "cm"}.get(int(tags.valueof(296, default=1)), "")
    step = _step(tags.valueof(282))
    if not unit or not isinstance(step, float) or not step > 0:
        return CalibrationFindings()
    um = length_to_um(step, unit)
    if (
        um is None
        or um > _LARGEST_PIXEL_UM
        or any(math.isclose(step * nominal, 1, rel_tol=1e-3) for nominal in _NOMINAL[unit])
    ):
        text = f"its resolution of {1 / step:.6g} pixels per {unit} is no measured size; ignored"
        return CalibrationFindings(notes=(text,))
    reader = SourceReader("TIFF resolution")
    reader.take_dx(step, unit, "XResolution")
    return reader.findings()


def _step(resolution: Any) -> float | str | None:
    """Return units per pixel of a resolution tag, which holds pixels per unit as a fraction."""
    try:
        pixels, units = resolution
        return float(units / pixels)
    except (TypeError, ValueError, ArithmeticError):
        return None if resolution is None else str(resolution)
