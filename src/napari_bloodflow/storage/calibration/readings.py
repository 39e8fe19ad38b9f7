"""Steps as one source states them, and the units they may have."""

from __future__ import annotations

import math
import re
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable
    from datetime import datetime
    from pathlib import Path

__all__ = [
    "MAX_TEXT_BYTES",
    "SWAP_ADVICE",
    "CalibrationFindings",
    "CalibrationReading",
    "SourceReader",
    "between_frames",
    "day_and_time",
    "decoded_text",
    "length_to_um",
    "positive_number",
    "read_text",
    "time_to_s",
]

# A unit is (multiplier, divisor): dividing by 1000 rounds once where multiplying by 0.001, which
# is itself rounded, would turn 1.3 ms into 0.0013000000000000002 s.
_LENGTHS_IN_UM: dict[str, tuple[float, float]] = {
    **dict.fromkeys(("um", "µm", "μm", "micron", "micrometer", "micrometre"), (1, 1)),
    **dict.fromkeys(("nm", "nanometer", "nanometre"), (1, 1e3)),
    **dict.fromkeys(("mm", "millimeter", "millimetre"), (1e3, 1)),
    **dict.fromkeys(("cm", "centimeter", "centimetre"), (1e4, 1)),
    **dict.fromkeys(("m", "meter", "metre"), (1e6, 1)),
    **dict.fromkeys(("in", "inch", "inches"), (25400, 1)),
}
_TIMES_IN_S: dict[str, tuple[float, float]] = {
    **dict.fromkeys(("s", "sec", "second"), (1, 1)),
    **dict.fromkeys(("ms", "msec", "millisecond"), (1, 1e3)),
    **dict.fromkeys(("us", "µs", "μs", "usec", "microsecond"), (1, 1e6)),
    **dict.fromkeys(("ns", "nsec", "nanosecond"), (1, 1e9)),
    **dict.fromkeys(("min", "minute"), (60, 1)),
    **dict.fromkeys(("h", "hr", "hour"), (3600, 1)),
}
_NO_UNITS = frozenset(("", "pixel", "pixels", "px", "line", "lines", "none"))

SWAP_ADVICE = "swap its axes"
"""Part of the notes that are void once the axes are swapped."""

MAX_TEXT_BYTES = 16 << 20
"""Of a text beside an image."""


@dataclass(frozen=True, slots=True)
class CalibrationReading:
    """Steps of a kymograph as one source states them.

    Parameters
    ----------
    dt_s : float or None
        Seconds per line (row), finite and above zero. None if the source does not say.
    dx_um : float or None
        Micrometres per pixel (column), finite and above zero. None if the source does not say.
    source : str
        Who says so: ``"ImageJ"``, ``"OME"``, ``"Olympus txt"``, ``"Bruker xml"``, ``"FluoView"``,
        ``"LSM"``, ``"ScanImage"``, ``"Micro-Manager"`` or ``"TIFF resolution"``.
    detail : str
        The fields it was taken from, to show to a person.
    """

    dt_s: float | None
    dx_um: float | None
    source: str
    detail: str


@dataclass(frozen=True, slots=True)
class CalibrationFindings:
    """All that was found, with what had to be left out.

    Parameters
    ----------
    readings : tuple of CalibrationReading
        The most trusted source first. Empty if nothing is known.
    notes : tuple of str
        Why a value that is present was not used, one sentence each.
    date : str
        Day of the acquisition, ``"YYYYMMDD"``, or empty.
    time : str
        Local time of the acquisition, ``"HH:MM:SS"``, or empty.
    columns_in_time : bool
        Whether a source gives the step of the columns in a unit of time.
    swapped_readings : tuple of CalibrationReading
        The steps if time runs along the columns, of sources that give those of columns in a unit
        of time or those of rows in one of length.
    """

    readings: tuple[CalibrationReading, ...] = ()
    notes: tuple[str, ...] = ()
    date: str = ""
    time: str = ""
    columns_in_time: bool = False
    swapped_readings: tuple[CalibrationReading, ...] = ()


def length_to_um(value: float, unit: str) -> float | None:
    r"""Convert a length to micrometres.

    Parameters
    ----------
    value : float
        The length.
    unit : str
        Its unit, in any case: ``"um"``, ``"µm"``, ``"micron"``, ``"nm"``, ``"mm"``, ``"cm"``,
        ``"m"``, ``"inch"`` and their long names. The text ``\u00B5``, which ImageJ writes for a
        micro sign, is understood.

    Returns
    -------
    float or None
        Micrometres, or None if the unit is not a known length.
    """
    return _converted(value, unit, _LENGTHS_IN_UM)


def time_to_s(value: float, unit: str) -> float | None:
    """Convert a duration to seconds.

    Parameters
    ----------
    value : float
        The duration.
    unit : str
        Its unit, in any case: ``"s"``, ``"ms"``, ``"us"``, ``"ns"``, ``"min"``, ``"h"`` and their
        long names.

    Returns
    -------
    float or None
        Seconds, or None if the unit is not a known time.
    """
    return _converted(value, unit, _TIMES_IN_S)


def day_and_time(moment: datetime) -> tuple[str, str]:
    """Split a moment into the texts ``"YYYYMMDD"`` and ``"HH:MM:SS"``.

    Parameters
    ----------
    moment : datetime.datetime
        The moment, in whatever zone the file states it.

    Returns
    -------
    tuple of str
        Day and time.
    """
    return f"{moment.year:04}{moment:%m%d}", f"{moment:%H:%M:%S}"


class SourceReader:
    """Gather the two steps from one source, keeping the reason for everything left out.

    Parameters
    ----------
    source : str
        Name of the source, to show.
    prefix : str
        Begins each note; the source if empty.
    """

    def __init__(self, source: str, prefix: str = "") -> None:
        self.source = source
        self.prefix = prefix or f"{source} "
        self.dt_s: float | None = None
        self.dx_um: float | None = None
        self.details: list[str] = []
        self.notes: list[str] = []
        self.columns_in_time = False
        self._swapped_dt_s: float | None = None
        self._swapped_dx_um: float | None = None
        self._swapped_details: list[str] = []

    def take_rows(self, value: object, unit: str, field: str) -> None:
        """Take the step of a row in whichever unit it is.

        One of time is the time of a line; one of length counts if time runs along the columns.
        """
        if time_to_s(1, unit) is not None:
            self.take_dt(value, unit, field)
            return
        number = positive_number(value)
        step = None if number is None else length_to_um(number, unit)
        if step is not None and 0 < step < math.inf:
            self._swapped_dx_um = step
            self._swapped_details.append(f"{field} {number:.6g} {_readable_unit(unit)}")

    def take_dx(self, value: object, unit: str, field: str) -> None:
        """Take the size of a pixel, if there is one with a unit."""
        if value is not None and _clean_unit(unit) not in _NO_UNITS:
            self.dx_um = self._checked(value, unit, field, length_to_um, "length")

    def take_dt(self, value: object, unit: str, field: str) -> None:
        """Take the time of a line, if there is one with a unit."""
        if value is not None and _clean_unit(unit) not in _NO_UNITS:
            self.dt_s = self._checked(value, unit, field, time_to_s, "time")

    def _checked(
        self,
        value: object,
        unit: str,
        field: str,
        convert: Callable[[float, str], float | None],
        quantity: str,
    ) -> float | None:
        number = positive_number(value)
        if number is None:
            self.notes.append(
                f"{self.prefix}{field} is {value!r}, not a finite number above zero; ignored"
            )
            return None
        step = convert(number, unit)
        if step is None and quantity == "length" and time_to_s(1, unit) is not None:
            self.columns_in_time = True
            duration = time_to_s(number, unit)
            if duration is not None and 0 < duration < math.inf:
                self._swapped_dt_s = duration
                self._swapped_details.append(f"{field} {number:.6g} {_readable_unit(unit)}")
            self.notes.append(
                f"{self.prefix}{field} is in {unit}: time seems to run along the columns of this"
                f" image, where rows are lines; {SWAP_ADVICE}, or set the calibration by hand"
            )
        elif step is None:
            self.notes.append(f"{self.prefix}{field}: {unit!r} is not a known unit of {quantity}")
        elif not 0 < step < math.inf:
            self.notes.append(f"{self.prefix}{field}: {number!r} {unit} is out of range; ignored")
            step = None
        else:
            self.details.append(f"{field} {number:.6g} {_readable_unit(unit)}")
        return step

    def findings(self, date: str = "", time: str = "") -> CalibrationFindings:
        """Return what was taken, and why not more."""
        readings: tuple[CalibrationReading, ...] = ()
        if self.dt_s is not None or self.dx_um is not None:
            detail = ", ".join(self.details)
            readings = (CalibrationReading(self.dt_s, self.dx_um, self.source, detail),)
        swapped: tuple[CalibrationReading, ...] = ()
        steps = self._swapped_dt_s, self._swapped_dx_um
        if steps != (None, None):
            swapped = (CalibrationReading(*steps, self.source, ", ".join(self._swapped_details)),)
        return CalibrationFindings(
            readings,
            tuple(self.notes),
            date,
            time,
            columns_in_time=self.columns_in_time,
            swapped_readings=swapped,
        )


def between_frames(field: str) -> str:
    """Return the note about an interval that is not the time of a line."""
    return f"{field} is the time between frames of this file, not between lines; ignored"


def read_text(path: Path) -> str:
    """Return the text of a small file; of a large one the first 16 MB.

    Raises
    ------
    OSError
        If it cannot be read.
    """
    with path.open("rb") as stream:
        return decoded_text(stream.read(MAX_TEXT_BYTES))


def decoded_text(data: bytes) -> str:
    """Return the text of a file in whichever of the usual encodings it has."""
    if data.startswith((b"\xff\xfe", b"\xfe\xff")):
        return data.decode("utf-16", errors="replace")
    try:
        return data.decode("utf-8-sig")
    except UnicodeDecodeError:
        return data.decode("latin-1")


def _readable_unit(unit: str) -> str:
    return re.sub(r"\\u([0-9a-fA-F]{4})", lambda m: chr(int(m[1], 16)), unit).strip()


def _clean_unit(unit: str) -> str:
    return _readable_unit(unit).lower()


def _converted(value: float, unit: str, table: dict[str, tuple[float, float]]) -> float | None:
    name = _clean_unit(unit)
    # Only words have a plural: "ms" is not many metres.
    factor = table.get(name) or (table.get(name.removesuffix("s")) if len(name) > 2 else None)
    return None if factor is None else value * factor[0] / factor[1]


def positive_number(value: object) -> float | None:
    """Return the value as a float if it is finite and above zero, else None."""
    try:
        number = float(value)  # type: ignore[arg-type]
    except (TypeError, ValueError, OverflowError):
        return None
    return number if 0 < number < math.inf else None
