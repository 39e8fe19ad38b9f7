"""What is known of an image file of any format before its pixels are read."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from napari_bloodflow.errors import UnknownPlaneError

if TYPE_CHECKING:
    from pathlib import Path

    import numpy as np

    from napari_bloodflow.storage.calibration import CalibrationReading
    from napari_bloodflow.storage.scitiff_read import SciTiff

__all__ = ["ImageHeader"]


@dataclass(frozen=True, slots=True)
class ImageHeader:
    """What is known of an image without reading its pixels.

    Parameters
    ----------
    path : pathlib.Path
        The file.
    axes : str
        Axes of the array in the file, in its order, of ``TCZYX``, each at most once.
    shape : tuple of int
        Length of each axis.
    dtype : numpy.dtype
        Type of a pixel.
    date, time : str
        ``YYYYMMDD`` and ``HH:MM:SS`` of the acquisition, or empty.
    readings : tuple of CalibrationReading
        What the file says about its calibration, best source first.
    notes : tuple of str
        Sentences about values that were ignored.
    scitiff : SciTiff or None
        Metadata of a SciTiff file; `axes` and `shape` are then theirs, with the lines along Y.
    scitiff_fault : str
        Why SciTiff metadata that are there cannot be used, as a clause; or empty.
    stored : tuple
        Shape and axes as the library that reads the format sees them.
    columns_in_time : bool
        Whether the file gives the step of the columns in a unit of time.
    swapped_readings : tuple of CalibrationReading
        What the file says about its calibration if time runs along its columns.
    """

    path: Path
    axes: str
    shape: tuple[int, ...]
    dtype: np.dtype[Any]
    date: str = ""
    time: str = ""
    readings: tuple[CalibrationReading, ...] = ()
    notes: tuple[str, ...] = ()
    scitiff: SciTiff | None = None
    scitiff_fault: str = ""
    stored: tuple[tuple[int, ...], str] = ((), "")
    columns_in_time: bool = False
    swapped_readings: tuple[CalibrationReading, ...] = ()

    @property
    def sizes(self) -> dict[str, int]:
        """Length by axis."""
        return dict(zip(self.axes, self.shape, strict=True))

    @property
    def rows_are_frames(self) -> bool:
        """Whether each frame of the file is one line, as in line scans of LSM and FluoView."""
        return "T" in self.stored[1] and "T" not in self.axes

    def check_plane(self, channel: int, z: int, t: int) -> None:
        """Raise UnknownPlaneError if the file has no such plane."""
        for axis, word, position in (("C", "channel", channel), ("Z", "z", z), ("T", "t", t)):
            count = self.sizes.get(axis, 1)
            if not 0 <= position < count:
                have = "0 only" if count == 1 else f"0 to {count - 1}"
                raise UnknownPlaneError(
                    f"{self.path.name}: there is no {word} {position}; it has {word} {have}"
                )
