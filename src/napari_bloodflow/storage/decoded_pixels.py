"""Pixels of files that are decoded plane by plane."""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from napari_bloodflow.storage.image_header import ImageHeader

__all__ = ["DecodedPixels"]

_MAX_PLANES = 8
"""Decoded planes that are kept, enough for all channels of one z and t."""


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
