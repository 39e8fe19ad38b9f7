"""What an image file, or the text file beside it, says about the size of a row and a column.

Every program that writes kymographs keeps the step in time and the step along the line in another
place. All of them are reported, the most trusted first; which one to use is for the caller.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from napari_bloodflow.storage.calibration.bruker import read_bruker_xml
from napari_bloodflow.storage.calibration.imagej_ome import (
    read_imagej,
    read_ome,
    read_resolution_tags,
)
from napari_bloodflow.storage.calibration.olympus import read_olympus_text
from napari_bloodflow.storage.calibration.readings import (
    SWAP_ADVICE,
    CalibrationFindings,
    CalibrationReading,
    day_and_time,
    length_to_um,
    time_to_s,
)
from napari_bloodflow.storage.calibration.vendors import read_vendor_tags

if TYPE_CHECKING:
    from pathlib import Path

    from tifffile import TiffFile

__all__ = [
    "SWAP_ADVICE",
    "CalibrationFindings",
    "CalibrationReading",
    "day_and_time",
    "length_to_um",
    "read_calibration",
    "time_to_s",
]


def read_calibration(
    tif: TiffFile,
    image_path: Path,
    *,
    num_rows: int,
    num_columns: int,
    num_frames: int = 1,
    rows_are_frames: bool = False,
) -> CalibrationFindings:
    """Collect what every known source says about one TIFF file.

    Parameters
    ----------
    tif : tifffile.TiffFile
        The open file.
    image_path : pathlib.Path
        Where it is, to find text files beside it.
    num_rows, num_columns : int
        Lines and pixels per line of one plane.
    num_frames : int
        Length of the time axis beside the rows. With more than one frame, an interval between
        frames is not the time of a line.
    rows_are_frames : bool
        Whether the rows are the time axis of the file, as in line scans of LSM and FluoView.
        Intervals between its frames are then those between lines.

    Returns
    -------
    CalibrationFindings
        What the microscope wrote, in a file beside the image or in tags of its own, before OME
        before ImageJ: those are written by whichever program saved the file last. Bare resolution
        tags come last, and only if they are not those of a print.
    """
    found = (
        read_olympus_text(image_path, num_rows, num_columns),
        read_bruker_xml(image_path, num_columns),
        *read_vendor_tags(tif, num_rows, num_columns, rows_are_frames=rows_are_frames),
        read_ome(tif, num_rows, num_frames),
        read_imagej(tif, num_frames),
    )
    if not any(one.readings for one in found):
        found = (*found, read_resolution_tags(tif))
    dated = next((one for one in found if one.date), CalibrationFindings())
    return CalibrationFindings(
        readings=tuple(reading for one in found for reading in one.readings),
        notes=tuple(note for one in found for note in one.notes),
        date=dated.date,
        time=dated.time,
        columns_in_time=any(one.columns_in_time for one in found),
        swapped_readings=tuple(reading for one in found for reading in one.swapped_readings),
    )
