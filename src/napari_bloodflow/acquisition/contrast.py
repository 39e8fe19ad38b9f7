"""How a channel is shown: colour map and intensity window."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np

from napari_bloodflow.schema import to_float

if TYPE_CHECKING:
    from collections.abc import Mapping

    from numpy.typing import NDArray

__all__ = ["DEFAULT_COLOR_LUTS", "ImageContrast", "default_color_lut"]

DEFAULT_COLOR_LUTS = ("Green", "Red", "Blue")
"""Colour maps of the first channels of a multi-channel image; further ones are Gray."""


def default_color_lut(channel: int, num_channels: int) -> str:
    """Return the colour map of a channel that has none yet; a single channel is Gray."""
    if num_channels > 1 and channel < len(DEFAULT_COLOR_LUTS):
        return DEFAULT_COLOR_LUTS[channel]
    return "Gray"


@dataclass
class ImageContrast:
    """Display state of one channel.

    Parameters
    ----------
    color_lut : str
        Name of the colour map, any text.
    value_min, value_max : float
        Intensities shown as the first and the last colour.
    img_min, img_max : float
        Least and greatest intensity of the plane it was seeded from.
    """

    color_lut: str
    value_min: float
    value_max: float
    img_min: float
    img_max: float

    def copy(self) -> ImageContrast:
        """Return an independent copy."""
        return replace(self)

    @classmethod
    def from_plane(
        cls,
        plane: NDArray[Any],
        *,
        color_lut: str = "Gray",
        percentile_low: float = 1.0,
        percentile_high: float = 99.5,
    ) -> ImageContrast:
        """Choose a window that leaves out the darkest and brightest pixels.

        Parameters
        ----------
        plane : ndarray, shape (time, position)
            Pixels of one channel.
        color_lut : str
            Colour map.
        percentile_low, percentile_high : float
            Per cent of pixels below the window's ends, cut to 0..100.

        Raises
        ------
        ValueError
            If the plane has no finite pixel.
        """
        values = plane[np.isfinite(plane)] if plane.dtype.kind == "f" else plane.reshape(-1)
        if values.size == 0:
            raise ValueError("the plane has no pixel to choose a contrast from")
        # Half a million pixels give the percentiles of a large plane in a fraction of the time;
        # the odd step keeps the sample from falling on the same columns of every line.
        sample = values[:: (values.size // 500_000) | 1]
        low, high = sorted(float(np.clip(p, 0, 100)) for p in (percentile_low, percentile_high))
        value_min, value_max = (float(v) for v in np.percentile(sample, (low, high)))
        img_min, img_max = float(values.min()), float(values.max())
        if plane.dtype.kind in "iub":
            value_min, value_max = float(int(value_min)), float(int(value_max))
        return cls(color_lut, value_min, value_max, img_min, img_max)

    def to_dict(self) -> dict[str, Any]:
        """Return the entry as the sidecar stores it; whole numbers are written as such."""
        return {
            "color_lut": self.color_lut,
            "value_min": _integer_if_whole(self.value_min),
            "value_max": _integer_if_whole(self.value_max),
            "img_min": _integer_if_whole(self.img_min),
            "img_max": _integer_if_whole(self.img_max),
        }

    @classmethod
    def from_dict(cls, entry: Mapping[str, Any]) -> ImageContrast:
        """Read an entry of a sidecar.

        Raises
        ------
        ValueError
            If a value is missing or is not a number; the text says which.
        """
        if not isinstance(entry, dict):
            raise ValueError("is not an object")
        numbers = []
        for name in ("value_min", "value_max", "img_min", "img_max"):
            value = entry.get(name)
            if isinstance(value, bool) or not isinstance(value, (int, float)):
                raise ValueError(f"{name} is {value!r}, not a number")
            try:
                numbers.append(to_float(value))
            except ValueError as error:
                raise ValueError(f"{name} {error}") from None
        return cls(str(entry.get("color_lut", "Gray")), *numbers)


def _integer_if_whole(value: float) -> int | float:
    return int(value) if value == int(value) else value
