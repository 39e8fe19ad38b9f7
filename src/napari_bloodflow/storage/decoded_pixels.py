"""What formats share whose planes another package decodes: CZI and ND2."""

from __future__ import annotations

from abc import ABC, abstractmethod
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import numpy as np

from napari_bloodflow.errors import ImageReadError

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from numpy.typing import NDArray

    from napari_bloodflow.storage.image_header import ImageHeader

__all__ = ["DecodedPixels", "axes_of_lines", "brief", "read_start", "told_as_unreadable"]

_MAX_PLANES = 8
"""Decoded planes that are kept, enough for all channels of one z and t."""

_MAX_REASON = 120


def read_start(path: Path, num_bytes: int) -> tuple[bytes, int]:
    """Return the first bytes of a file, and its size.

    Raises
    ------
    FileNotFoundError
        If there is no such file.
    ImageReadError
        If it cannot be read.
    """
    try:
        with path.open("rb") as stream:
            start = stream.read(num_bytes)
        return start, path.stat().st_size
    except FileNotFoundError:
        raise FileNotFoundError(2, "no such file", str(path)) from None
    except OSError as error:
        raise ImageReadError(path, f"cannot be read: {error.strerror or error}") from error


def axes_of_lines(path: Path, sizes: dict[str, int]) -> tuple[str, bool]:
    """Return the axes of an image, and whether each of its frames is one line.

    Parameters
    ----------
    path : pathlib.Path
        The file, for the error.
    sizes : dict of str to int
        Length by axis, with all of ``TCZYX``. Frames of one line become rows: T becomes Y.

    Raises
    ------
    ImageReadError
        If there is one line only.
    """
    rows_are_frames = sizes["Y"] == 1 and sizes["T"] > 1
    if rows_are_frames:
        sizes["Y"] = sizes.pop("T")
    if sizes["Y"] < 2:
        raise ImageReadError(path, "has one line of pixels; a kymograph has at least two")
    axes = "".join(axis for axis in "TCZYX" if axis in "YX" or sizes.get(axis, 1) > 1)
    return axes, rows_are_frames


def brief(error: Exception) -> str:
    """Say in a few words what a package failed with; it may list every frame of the file."""
    text = " ".join(str(error).split()) or type(error).__name__
    return text if len(text) <= _MAX_REASON else f"{text[:_MAX_REASON]}…"


@contextmanager
def told_as_unreadable(path: Path, what: str) -> Iterator[None]:
    """Turn whatever a package fails with into an ImageReadError.

    Parameters
    ----------
    path : pathlib.Path
        The file.
    what : str
        What is wrong with it, before the reason in brackets.

    Raises
    ------
    FileNotFoundError
        If there is no such file.
    ImageReadError
        If anything else fails.
    """
    try:
        yield
    except ImageReadError:
        raise
    except FileNotFoundError:
        raise FileNotFoundError(2, "no such file", str(path)) from None
    except Exception as error:
        # Damage can fail anywhere inside the parser.
        raise ImageReadError(path, f"{what} ({brief(error)})") from error


class DecodedPixels(ABC):
    """Pixels of a file, decoded when needed and read-only; a format says how.

    Parameters
    ----------
    header : ImageHeader
        What is known of the file, with T, Z and C before Y and X.
    """

    def __init__(self, header: ImageHeader) -> None:
        self._header = header
        self._planes: dict[tuple[int, int, int], NDArray[Any]] = {}

    def plane(self, channel: int = 0, z: int = 0, t: int = 0) -> NDArray[Any]:
        """Return one plane.

        Parameters
        ----------
        channel, z, t : int
            Which plane, from 0.

        Returns
        -------
        ndarray, shape (time, position)
            Read-only.

        Raises
        ------
        UnknownPlaneError
            (a ValueError) if the file has no such channel, z or t.
        ImageReadError
            If the pixels cannot be decoded.
        """
        self._header.check_plane(channel, z, t)
        key = (channel, z, t)
        if key not in self._planes:
            plane = self._decoded(*key)
            plane.flags.writeable = False
            while len(self._planes) >= _MAX_PLANES:
                self._planes.pop(next(iter(self._planes)), None)
            self._planes[key] = plane
            return plane
        return self._planes[key]

    def volume(self, channel: int = 0) -> NDArray[Any]:
        """Return all planes of a channel, with the axes of the header without C.

        Raises
        ------
        UnknownPlaneError, ImageReadError
            As :meth:`plane`.
        """
        sizes = self._header.sizes
        num_t, num_z = sizes.get("T", 1), sizes.get("Z", 1)
        planes = [self.plane(channel, z, t) for t in range(num_t) for z in range(num_z)]
        shape = [size for axis, size in sizes.items() if axis != "C"]
        return np.reshape(np.stack(planes), shape)

    def close(self) -> None:
        """Let go of the pixels; the next access reads them again."""
        self._planes.clear()

    @abstractmethod
    def _decoded(self, channel: int, z: int, t: int) -> NDArray[Any]:
        """Return one plane, as an array of its own; or raise ImageReadError."""
