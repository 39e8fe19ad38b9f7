"""Calibration that programs of microscopes write into tags of their own."""

from __future__ import annotations

import re
import struct
from typing import TYPE_CHECKING, Any

from napari_bloodflow.storage.calibration.readings import (
    CalibrationFindings,
    SourceReader,
    positive_number,
)

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tifffile import TiffFile

__all__ = ["read_vendor_tags"]

_NUMBER = r"([-+0-9.eE]+)"
_LSM_LINE_SCANS = frozenset((2, 5, 10))


def read_vendor_tags(
    tif: TiffFile, num_rows: int, num_columns: int, *, rows_are_frames: bool
) -> tuple[CalibrationFindings, ...]:
    """Collect what FluoView, LSM, ScanImage and Micro-Manager say.

    Parameters
    ----------
    tif : tifffile.TiffFile
        The open file.
    num_rows, num_columns : int
        Lines and pixels per line.
    rows_are_frames : bool
        Whether the rows are the time axis of the file.

    Returns
    -------
    tuple of CalibrationFindings
        One per program that wrote something.
    """
    found = []
    for read in (_fluoview, _lsm, _scanimage, _micromanager):
        try:
            found.append(read(tif, num_rows, num_columns, rows_are_frames))
        except (ValueError, LookupError, TypeError, ArithmeticError, struct.error) as error:
            # tifffile parses blocks of binary here; damage surfaces as any kind of error
            name = read.__name__.removeprefix("_")
            found.append(CalibrationFindings(notes=(f"its {name} tags cannot be read: {error}",)))
    return tuple(found)


def _fluoview(
    tif: TiffFile, num_rows: int, num_columns: int, rows_are_frames: bool
) -> CalibrationFindings:
    reader = SourceReader("FluoView")
    metadata = tif.fluoview_metadata if tif.is_fluoview else None
    for name, size, _, step, unit, *_ in (metadata or {}).get("Dimensions", ()):
        if str(name).upper() == "X":
            reader.take_dx(step, str(unit), "Dimensions X")
        elif str(name).upper() == "T" and rows_are_frames and int(size) == num_rows:
            reader.take_dt(step, str(unit), "Dimensions T")
    return reader.findings()


def _lsm(
    tif: TiffFile, num_rows: int, num_columns: int, rows_are_frames: bool
) -> CalibrationFindings:
    metadata: dict[str, Any] = (tif.lsm_metadata if tif.is_lsm else None) or {}
    reader = SourceReader("LSM")
    reader.take_dx(metadata.get("VoxelSizeX"), "m", "VoxelSizeX")
    if rows_are_frames or metadata.get("ScanType") in _LSM_LINE_SCANS:
        stamps = metadata.get("TimeStamps")
        if stamps is not None and len(stamps) == num_rows and stamps[-1] > stamps[0]:
            step = float(stamps[-1] - stamps[0]) / (num_rows - 1)
            reader.take_dt(step, "s", "mean step of TimeStamps")
        else:
            reader.take_dt(metadata.get("TimeIntervall"), "s", "TimeIntervall")
    return reader.findings()


def _scanimage(
    tif: TiffFile, num_rows: int, num_columns: int, rows_are_frames: bool
) -> CalibrationFindings:
    page = tif.pages.first
    if not page.is_scanimage:
        return CalibrationFindings()
    text = f"{page.software}\n{page.description}"
    reader = SourceReader("ScanImage")
    line_period = re.search(rf"SI\.hRoiManager\.linePeriod\s*=\s*{_NUMBER}", text)
    if line_period:
        reader.take_dt(line_period[1], "s", "linePeriod")
    elif old := re.search(rf"state\.acq\.msPerLine\s*=\s*{_NUMBER}", text):
        reader.take_dt(old[1], "ms", "msPerLine")
    pixels = re.search(rf"SI\.hRoiManager\.pixelsPerLine\s*=\s*{_NUMBER}", text)
    count = positive_number(pixels[1]) if pixels else None
    width, field = _field_of_view(text)
    if width is not None and count is not None:
        reader.take_dx(width / count, "um", field)
    if count is not None and count != num_columns:
        reader.notes.append(
            f"ScanImage describes lines of {count:g} pixels, the image has {num_columns}; its steps"
            " hold only if the image was cropped, not resized"
        )
    return reader.findings()


def _field_of_view(text: str) -> tuple[float | None, str]:
    """Return the width of the field in micrometres, and where it was found."""
    in_um = list(_first_column(text, "imagingFovUm"))
    if len(in_um) > 1:
        return max(in_um) - min(in_um), "imagingFovUm"
    in_degrees = list(_first_column(text, "imagingFovDeg"))
    scale = re.search(rf"SI\.objectiveResolution\s*=\s*{_NUMBER}", text)
    um_per_degree = positive_number(scale[1]) if scale else None
    if len(in_degrees) > 1 and um_per_degree is not None:
        width = (max(in_degrees) - min(in_degrees)) * um_per_degree
        return width, "imagingFovDeg and objectiveResolution"
    return None, ""


def _first_column(text: str, name: str) -> Iterator[float]:
    """Return the x of corners, written as ``[x y;x y;...]``."""
    matrix = re.search(rf"SI\.hRoiManager\.{name}\s*=\s*\[([^\]]*)\]", text)
    for row in matrix[1].split(";") if matrix else ():
        words = row.replace(",", " ").split()
        if words:
            yield float(words[0])


def _micromanager(
    tif: TiffFile, num_rows: int, num_columns: int, rows_are_frames: bool
) -> CalibrationFindings:
    if not tif.is_micromanager:
        return CalibrationFindings()
    summary = (tif.micromanager_metadata or {}).get("Summary") or {}
    reader = SourceReader("Micro-Manager")
    if positive_number(summary.get("PixelSize_um")) is not None:  # 0 is its word for unknown
        reader.take_dx(summary["PixelSize_um"], "um", "PixelSize_um")
    if rows_are_frames and positive_number(summary.get("Interval_ms")) is not None:
        reader.take_dt(summary["Interval_ms"], "ms", "Interval_ms")
    return reader.findings()
