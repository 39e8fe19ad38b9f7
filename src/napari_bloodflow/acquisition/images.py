"""Pixels of an acquisition, read when asked for, and its header."""

from __future__ import annotations

import hashlib
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np

from napari_bloodflow.acquisition.metadata import AcqImageHeader
from napari_bloodflow.acquisition.paths import described_images
from napari_bloodflow.acquisition.roi import ImageBounds, RectRoiBounds
from napari_bloodflow.errors import AxesError
from napari_bloodflow.storage.calibration import SWAP_ADVICE
from napari_bloodflow.storage.czi import CZI_EXTENSIONS, CziPixels, read_czi_header
from napari_bloodflow.storage.nd2 import ND2_EXTENSIONS, Nd2Pixels, read_nd2_header
from napari_bloodflow.storage.split_channels import ChannelPixels, ChannelSets, stacked_header
from napari_bloodflow.storage.tiff import TiffPixels

if TYPE_CHECKING:
    from pathlib import Path

    from numpy.typing import NDArray

    from napari_bloodflow.storage.array_pixels import ArrayPixels
    from napari_bloodflow.storage.calibration import CalibrationReading
    from napari_bloodflow.storage.scitiff_read import SciTiff

__all__ = ["AcqImages", "plane_fingerprint"]

_FINGERPRINT_ROWS = 16
_MAX_TURNED = 8
"""Turned planes that are kept, enough for all channels of one z and t."""
_OTHER_AXIS = str.maketrans("XY", "YX")


class AcqImages:
    """Loader of one image file: header at once, pixels on demand, never written.

    Parameters
    ----------
    path : pathlib.Path
        A TIFF, CZI or ND2 file, or the XML that Prairie View wrote beside TIFF files. Of a scan
        with one file per channel any file will do, see
        :class:`~napari_bloodflow.storage.split_channels.ChannelSets`.
    array : ArrayPixels, optional
        Pixels that were read elsewhere; then no file is opened.

    Raises
    ------
    FileNotFoundError
        If there is no such file.
    ImageReadError
        If it holds no image that can be read.
    """

    def __init__(self, path: Path, array: ArrayPixels | None = None) -> None:
        self._pixels: TiffPixels | ChannelPixels | CziPixels | Nd2Pixels | ArrayPixels
        self._array = array
        if array is not None:
            self._file_header, self._pixels = array.header, array
        elif path.suffix.lower() in CZI_EXTENSIONS:
            self._file_header = read_czi_header(path)
            self._pixels = CziPixels(self._file_header)
        elif path.suffix.lower() in ND2_EXTENSIONS:
            self._file_header = read_nd2_header(path)
            self._pixels = Nd2Pixels(self._file_header)
        else:
            channels, notes = ChannelSets().headers(described_images(path)[0])
            self._file_header = stacked_header(channels, notes)
            self._pixels = (
                ChannelPixels(self._file_header, channels)
                if len(channels) > 1
                else TiffPixels(self._file_header)
            )
        self._as_read = self._file_header
        self._fingerprints: dict[tuple[int, int, int], str] = {}
        self._turned: dict[tuple[int, int, int], NDArray[Any]] = {}
        sizes = self._file_header.sizes
        self._header = AcqImageHeader(
            shape=str(tuple(self._file_header.shape)),
            dims=str(tuple(self._file_header.axes)),
            sizes=str(dict(sizes)),
            dtype=str(self._file_header.dtype.name),
            num_channels=self.num_channels,
            num_scenes=1,
            date=self._file_header.date,
            time=self._file_header.time,
        )

    @property
    def name(self) -> str:
        """Name of the file."""
        return self._file_header.path.name

    @property
    def path(self) -> Path:
        """The file; of channels in files of their own the first, which sidecar files belong to."""
        return self._file_header.path

    @property
    def header(self) -> AcqImageHeader:
        """Shape, type and calibration, as a metadata section."""
        return self._header

    def replace_header(self, header: AcqImageHeader) -> None:
        """Use another header section, for instance one with a corrected calibration."""
        self._header.update_values(
            {
                name: value
                for name, value in header.get_values().items()
                if header.get_schema()[name].editable
            }
        )

    # ---- axes

    @property
    def axes_swapped(self) -> bool:
        """Whether time runs along the columns of the file; planes are then turned."""
        return self._file_header is not self._as_read

    def swap_axes(self) -> None:
        """Take the columns of the file for time and its rows for position, or the other way round.

        What the file says about its calibration is of its own rows and columns, and goes with them.

        Raises
        ------
        AxesError
            (a ValueError) if it is a SciTiff file.
        """
        header = self._as_read
        if header.scitiff is not None:
            raise AxesError(
                f"{self.name}: the axes of a SciTiff file are those of its coordinates, and cannot"
                " be swapped here; all else works"
            )
        self._file_header = (
            header
            if self.axes_swapped
            else replace(
                header,
                axes=header.axes.translate(_OTHER_AXIS),
                readings=header.swapped_readings,
                swapped_readings=header.readings,
            )
        )
        self._fingerprints.clear()
        self._turned.clear()

    @property
    def bounds_in_file(self) -> ImageBounds:
        """Rows and columns of a plane as the file has them."""
        return self.bounds.transposed if self.axes_swapped else self.bounds

    @property
    def plane_in_file(self) -> NDArray[Any]:
        """The first plane as the file has it, whether the axes are swapped or not."""
        return self._pixels.plane()

    @property
    def array(self) -> ArrayPixels | None:
        """Where the pixels come from if they were read elsewhere."""
        return self._array

    @property
    def sizes(self) -> dict[str, int]:
        """Length of every axis of the file, ``{"C": 2, "Y": 4000, "X": 128}``.

        Y is time and X is position: both letters are exchanged if the axes are swapped.
        """
        return dict(self._file_header.sizes)

    @property
    def shape(self) -> tuple[int, ...]:
        """Shape of the array in the file."""
        return tuple(self._file_header.shape)

    @property
    def dims(self) -> str:
        """Axes of the array in the file, such as ``"CYX"``."""
        return self._file_header.axes

    @property
    def dtype(self) -> str:
        """Type of a pixel, such as ``"uint16"``."""
        return str(self._file_header.dtype.name)

    @property
    def bounds(self) -> ImageBounds:
        """Rows and columns of a plane."""
        sizes = self._file_header.sizes
        return ImageBounds(sizes["Y"], sizes["X"])

    @property
    def num_channels(self) -> int:
        """Number of channels."""
        return self._file_header.sizes.get("C", 1)

    @property
    def default_channel(self) -> int:
        """The first channel."""
        return 0

    @property
    def calibration_readings(self) -> tuple[CalibrationReading, ...]:
        """What the file itself says about its calibration, best source first.

        If the axes are swapped, only steps that are given for that: in a unit of time for the
        columns, or of length for the rows.
        """
        return self._file_header.readings

    @property
    def readings_in_file(self) -> tuple[CalibrationReading, ...]:
        """The same for the axes as the file has them."""
        return self._as_read.readings

    @property
    def scitiff(self) -> SciTiff | None:
        """Metadata of a SciTiff file; None for any other."""
        return self._file_header.scitiff

    @property
    def scitiff_fault(self) -> str:
        """Why SciTiff metadata that are there cannot be used, as a clause; or empty."""
        return self._file_header.scitiff_fault

    @property
    def is_kymograph(self) -> bool:
        """False if the metadata say that rows are no time; True if they do not say so."""
        return self.scitiff is None or self.scitiff.is_kymograph

    @property
    def axes_in_words(self) -> str:
        """What rows and columns are, and who says so: ``"rows are time (from ImageJ)"``."""
        header = self._file_header
        if self.axes_swapped:
            return "columns are time (swapped by hand)"
        if self._array is not None:
            return f"rows are time (axis {self._array.array_plane.time_axis} of the array)"
        if not self.is_kymograph:
            return "rows are not time (from SciTiff)"
        source = next((r.source for r in header.readings if r.dt_s is not None), "")
        if source:
            return f"rows are time (from {source})"
        if header.rows_are_frames:
            return "rows are time: each frame of the file is one line"
        if header.columns_in_time:
            return "rows are taken as time, but the file gives the columns in a unit of time"
        return "rows are taken as time; the file does not say"

    @property
    def mask_channels(self) -> tuple[int, ...]:
        """Channels that hold a mask of another channel, to be shown as labels."""
        channels = () if self.scitiff is None else self.scitiff.channels
        return tuple(channel.index for channel in channels if channel.role == "mask")

    @property
    def num_colours(self) -> int:
        """Channels that are told apart by colour; values and their deviations are not."""
        channels = () if self.scitiff is None else self.scitiff.channels
        is_one_image = any(channel.role == "intensities" for channel in channels)
        return 1 if is_one_image else self.num_channels

    def get_volume(self, channel: int = 0) -> NDArray[Any]:
        """Return all planes of a channel.

        Parameters
        ----------
        channel : int
            Which channel, from 0.

        Returns
        -------
        ndarray
            Read-only, with the axes `dims` without C.

        Raises
        ------
        ValueError
            If the channel does not exist.
        """
        return self._pixels.volume(channel)

    @property
    def notes(self) -> tuple[str, ...]:
        """Sentences about values of the file that were ignored, and about files beside it."""
        notes = self._file_header.notes
        if self.axes_swapped:
            notes = tuple(note for note in notes if SWAP_ADVICE not in note)
        return notes

    def get_slice(self, channel: int = 0, z: int = 0, t: int = 0) -> NDArray[Any]:
        """Return one plane.

        Parameters
        ----------
        channel, z, t : int
            Which plane, from 0.

        Returns
        -------
        ndarray, shape (time, position)
            Read-only; a memory map where the file allows it.

        Raises
        ------
        ValueError
            If the channel, z or t does not exist.
        """
        if not self.axes_swapped:
            return self._pixels.plane(channel=channel, z=z, t=t)
        key = (channel, z, t)
        if key not in self._turned:
            # Lines have to lie together in memory: each of them is read again and again.
            plane = np.ascontiguousarray(self._pixels.plane(channel=channel, z=z, t=t).T)
            plane.flags.writeable = False
            while len(self._turned) >= _MAX_TURNED:
                self._turned.pop(next(iter(self._turned)), None)
            self._turned[key] = plane
            return plane
        return self._turned[key]

    def get_roi_rect_image(
        self, channel: int, bounds: RectRoiBounds, z: int = 0, t: int = 0
    ) -> NDArray[Any]:
        """Return the pixels of a rectangle, cut to the image.

        Returns
        -------
        ndarray, shape (time, position)
            Read-only.

        Raises
        ------
        ValueError
            If the channel, z or t does not exist, or the rectangle is outside the image.
        """
        cut = bounds.clamped(self.bounds)
        return self.get_slice(channel, z, t)[
            cut.row_start : cut.row_stop, cut.col_start : cut.col_stop
        ]

    def fingerprint(self, channel: int = 0, z: int = 0, t: int = 0) -> str:
        """Return a short text that planes with other pixels have differently.

        Made of type, size and 16 lines spread over the plane, so that it costs little.

        Raises
        ------
        ValueError
            If the channel, z or t does not exist.
        """
        key = (channel, z, t)
        if key not in self._fingerprints:
            self._fingerprints[key] = plane_fingerprint(self.get_slice(*key))
        return self._fingerprints[key]

    def get_image_physical_units(self) -> tuple[float, float]:
        """Return ``(step_y, step_x)`` as the header has them."""
        return self._header.physical_unit_y, self._header.physical_unit_x

    def close(self) -> None:
        """Let go of the file; the next access opens it again."""
        self._turned.clear()
        self._pixels.close()


def plane_fingerprint(plane: NDArray[Any]) -> str:
    """Return a short text that planes with other pixels have differently.

    Parameters
    ----------
    plane : ndarray, shape (time, position)
        Type, size and 16 lines spread over it are looked at.
    """
    rows = np.unique(np.linspace(0, len(plane) - 1, _FINGERPRINT_ROWS).astype(int))
    little_endian = plane[rows].astype(plane.dtype.newbyteorder("<"))
    digest = hashlib.sha256(f"{plane.dtype.name} {plane.shape}".encode())
    digest.update(little_endian.tobytes())
    return digest.hexdigest()[:16]
