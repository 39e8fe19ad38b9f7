"""The units that an axis may have, by a fixed table.

The text of a unit comes from a file and may be anything, also a formula that takes for ever to
evaluate. It is only ever looked up here, never handed to a program that understands units.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

__all__ = ["PIXEL", "AxisUnit", "axis_unit", "is_no_unit", "is_writable_unit"]


@dataclass(frozen=True, slots=True)
class AxisUnit:
    """A unit of an axis.

    Parameters
    ----------
    name : str
        What napari calls it: ``"um"``, ``"s"``, ``"pixel"``.
    kind : {"length", "time", "other", "none"}
        What it measures; ``"none"`` counts pixels.
    multiplier, divisor : float
        ``value * multiplier / divisor`` is in micrometres (lengths) or seconds (times).
    """

    name: str
    kind: Literal["length", "time", "other", "none"]
    multiplier: float = 1.0
    divisor: float = 1.0

    def to_base(self, value: float) -> float:
        """Return a value in micrometres or seconds."""
        return value * self.multiplier / self.divisor


PIXEL = AxisUnit("pixel", "none")
"""The unit of an axis about which nothing is known."""

_UNITS: dict[str, AxisUnit] = {
    **dict.fromkeys(("µm", "\u03bcm", "um", "micron"), AxisUnit("um", "length")),
    **dict.fromkeys(("Å", "\u212b", "angstrom"), AxisUnit("angstrom", "length", divisor=1e4)),
    "pm": AxisUnit("pm", "length", divisor=1e6),
    "nm": AxisUnit("nm", "length", divisor=1e3),
    "mm": AxisUnit("mm", "length", 1e3),
    "cm": AxisUnit("cm", "length", 1e4),
    "m": AxisUnit("m", "length", 1e6),
    **dict.fromkeys(("s", "second"), AxisUnit("s", "time")),
    "ms": AxisUnit("ms", "time", divisor=1e3),
    **dict.fromkeys(("µs", "\u03bcs", "us"), AxisUnit("us", "time", divisor=1e6)),
    "ns": AxisUnit("ns", "time", divisor=1e9),
    "ps": AxisUnit("ps", "time", divisor=1e12),
    "min": AxisUnit("minute", "time", 60),
    **dict.fromkeys(("h", "hour"), AxisUnit("hour", "time", 3600)),
    **dict.fromkeys(("D", "day"), AxisUnit("day", "time", 86400)),
    "deg": AxisUnit("deg", "other"),
    "rad": AxisUnit("rad", "other"),
    "Hz": AxisUnit("Hz", "other"),
    "K": AxisUnit("K", "other"),
    **dict.fromkeys(("counts", "count"), AxisUnit("count", "other")),
}

_NO_UNIT = frozenset(("", "dimensionless", "one", "pixel"))

# Units that SciTiff files have and scipp reads, though no axis is shown in them.
_ALSO_WRITABLE = frozenset(
    ("dimensionless", "one", "1/Å", "meV", "eV", "counts/s", "Pa", "V", "mV", "A", "W", "kg", "g")
)


def axis_unit(text: str | None) -> AxisUnit | None:
    """Look a unit up.

    Parameters
    ----------
    text : str or None
        As a file has it, in upper and lower case as given: ``"µm"``, ``"ms"``, ``"D"``.

    Returns
    -------
    AxisUnit or None
        `PIXEL` for no unit; None if the text is not in the table.
    """
    return PIXEL if is_no_unit(text) else _UNITS.get(text or "")


def is_no_unit(text: str | None) -> bool:
    """Tell whether a text stands for no unit."""
    return text is None or text in _NO_UNIT


def is_writable_unit(text: str | None) -> bool:
    """Tell whether scipp, and so every SciTiff reader, is known to read a unit."""
    return text is None or text in _UNITS or text in _ALSO_WRITABLE
