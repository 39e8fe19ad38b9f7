"""What an image file, or the text file beside it, says about the size of a row and a column.

Every program that writes kymographs keeps the step in time and the step along the line in another
place. All of them are reported, the most trusted first; which one to use is for the caller.
Resolution tags of a plain TIFF are not read: most writers fill them with print resolutions.
"""

from __future__ import annotations

import math
import re
import struct
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING, Any
from xml.etree import ElementTree

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable
    from pathlib import Path

    from tifffile import TiffFile

__all__ = [
    "CalibrationFindings",
    "CalibrationReading",
    "day_and_time",
    "length_to_um",
    "read_calibration",
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

_CENTIMETRE = 3
_MAX_TEXT_BYTES = 1 << 20
_SPLIT_CHANNEL = re.compile(r"_C\d{3}")
_OLYMPUS_DATES = tuple(
    f"{day} {time}"
    for day in ("%m/%d/%Y", "%Y/%m/%d", "%Y-%m-%d")
    for time in ("%I:%M:%S.%f %p", "%I:%M:%S %p", "%H:%M:%S.%f", "%H:%M:%S")
)


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
        Who says so: ``"ImageJ"``, ``"OME"`` or ``"Olympus txt"``.
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
    """

    readings: tuple[CalibrationReading, ...] = ()
    notes: tuple[str, ...] = ()
    date: str = ""
    time: str = ""


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


def read_calibration(
    tif: TiffFile, image_path: Path, *, num_rows: int, num_columns: int, num_frames: int = 1
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

    Returns
    -------
    CalibrationFindings
        Olympus text before OME before ImageJ: the text is written by the microscope, the other two
        by whichever program saved the file last.
    """
    found = (
        _read_olympus_text(image_path, num_rows, num_columns),
        _read_ome(tif, num_frames),
        _read_imagej(tif, num_frames),
    )
    dated = next((one for one in found if one.date), CalibrationFindings())
    return CalibrationFindings(
        readings=tuple(reading for one in found for reading in one.readings),
        notes=tuple(note for one in found for note in one.notes),
        date=dated.date,
        time=dated.time,
    )


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


def _read_imagej(tif: TiffFile, num_frames: int) -> CalibrationFindings:
    """Take dx from the X resolution in ``unit``, dt from the Y one in time or ``finterval``."""
    try:
        metadata = tif.imagej_metadata or {}
    except (ValueError, LookupError, TypeError, ArithmeticError, struct.error) as error:
        # tifffile parses a block of binary and text here; damage surfaces as any kind of error
        return CalibrationFindings(notes=(f"the ImageJ metadata cannot be read: {error}",))
    if not metadata:
        return CalibrationFindings()
    tags = tif.pages.first.tags
    reader = _Reader("ImageJ")
    unit = str(metadata.get("unit", ""))
    x_unit = unit
    # ImageJ itself reads files so marked as pixels per centimetre; Micro-Manager writes them
    if int(tags.valueof(296, default=1)) == _CENTIMETRE and length_to_um(1, unit) == 1:
        x_unit = "cm"
    reader.take_dx(_step(tags.valueof(282)), x_unit, "XResolution")

    y_unit = str(metadata.get("yunit", ""))
    if time_to_s(1, y_unit) is not None:
        reader.take_dt(_step(tags.valueof(283)), y_unit, "YResolution")
    interval = metadata.get("finterval", 0)
    if reader.dt_s is None and interval != 0:
        if num_frames > 1:
            reader.notes.append(_between_frames("finterval"))
        else:
            reader.take_dt(interval, str(metadata.get("tunit", "s")), "finterval")
    return reader.findings()


def _read_ome(tif: TiffFile, num_frames: int) -> CalibrationFindings:
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
    reader = _Reader("OME")
    reader.take_dx(get("PhysicalSizeX"), get("PhysicalSizeXUnit", "µm"), "PhysicalSizeX")
    y_unit = get("PhysicalSizeYUnit", "µm")
    if time_to_s(1, y_unit) is not None:
        reader.take_dt(get("PhysicalSizeY"), y_unit, "PhysicalSizeY")
    increment = get("TimeIncrement")
    if reader.dt_s is None and increment is not None:
        if num_frames > 1:
            reader.notes.append(_between_frames("TimeIncrement"))
        else:
            reader.take_dt(increment, get("TimeIncrementUnit", "s"), "TimeIncrement")
    date, time = "", ""
    acquired = image.findtext("{*}AcquisitionDate")
    if acquired:
        try:
            date, time = day_and_time(datetime.fromisoformat(acquired.strip()))
        except ValueError:
            reader.notes.append(f"the OME AcquisitionDate {acquired!r} is not a date")
    return reader.findings(date, time)


def _read_olympus_text(image_path: Path, num_rows: int, num_columns: int) -> CalibrationFindings:
    """Take dx from "X Dimension", dt from the end of "T Dimension" and the number of lines."""
    text_path = _olympus_text_path(image_path)
    if text_path is None:
        return CalibrationFindings()
    try:
        with text_path.open("rb") as stream:
            text = _decoded(stream.read(_MAX_TEXT_BYTES))
    except OSError as error:
        return CalibrationFindings(
            notes=(f"{text_path.name} cannot be read: {error.strerror or error}",)
        )
    fields = _olympus_fields(text)
    if not {"X Dimension", "T Dimension"} & fields.keys():
        return CalibrationFindings()
    reader = _Reader("Olympus txt", prefix=f"{text_path.name}: ")

    x = fields.get("X Dimension", [])
    if len(x) > 5:
        unit = x[6].removesuffix("/pixel") if len(x) > 6 else "um"
        reader.take_dx(x[5], unit, '"X Dimension"')

    columns, lines = num_columns, num_rows
    size = fields.get("Image Size", [])
    if len(size) > 2 and size[0].isdecimal() and size[2].isdecimal():
        columns, lines = int(size[0]), int(size[2])
    if (columns, lines) != (num_columns, num_rows):
        reader.notes.append(
            f"{text_path.name} describes {lines} lines of {columns} pixels, the image has "
            f"{num_rows} of {num_columns}; its steps hold only if the image was cropped, "
            "not resized"
        )
    t = fields.get("T Dimension", [])
    duration = _number(t[3]) if len(t) > 3 else None
    if duration is not None and lines > 0:
        # a line scan is one frame or, in some versions, as many "frames" as lines
        if t[0] in {"1", str(lines)}:
            reader.take_dt(duration / lines, t[4] if len(t) > 4 else "s", '"T Dimension"')
        else:
            reader.notes.append(
                f"{text_path.name}: {t[0]} frames took {duration:g}; that is not the time of a line"
            )
    return reader.findings(*_olympus_date(fields.get("Date", []), reader.notes))


class _Reader:
    """Gather the two steps from one source, keeping the reason for everything left out."""

    def __init__(self, source: str, prefix: str = "") -> None:
        self.source = source
        self.prefix = prefix or f"{source} "
        self.dt_s: float | None = None
        self.dx_um: float | None = None
        self.details: list[str] = []
        self.notes: list[str] = []

    def take_dx(self, value: object, unit: str, field: str) -> None:
        if value is not None and _clean_unit(unit) not in _NO_UNITS:
            self.dx_um = self._checked(value, unit, field, length_to_um, "length")

    def take_dt(self, value: object, unit: str, field: str) -> None:
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
        number = _number(value)
        if number is None:
            self.notes.append(
                f"{self.prefix}{field} is {value!r}, not a finite number above zero; ignored"
            )
            return None
        step = convert(number, unit)
        if step is None:
            self.notes.append(f"{self.prefix}{field}: {unit!r} is not a known unit of {quantity}")
        elif not 0 < step < math.inf:
            self.notes.append(f"{self.prefix}{field}: {number!r} {unit} is out of range; ignored")
            step = None
        else:
            self.details.append(f"{field} {number:.6g} {_readable_unit(unit)}")
        return step

    def findings(self, date: str = "", time: str = "") -> CalibrationFindings:
        readings: tuple[CalibrationReading, ...] = ()
        if self.dt_s is not None or self.dx_um is not None:
            detail = ", ".join(self.details)
            readings = (CalibrationReading(self.dt_s, self.dx_um, self.source, detail),)
        return CalibrationFindings(readings, tuple(self.notes), date, time)


def _between_frames(field: str) -> str:
    return f"{field} is the time between frames of this file, not between lines; ignored"


def _readable_unit(unit: str) -> str:
    return re.sub(r"\\u([0-9a-fA-F]{4})", lambda m: chr(int(m[1], 16)), unit).strip()


def _clean_unit(unit: str) -> str:
    return _readable_unit(unit).lower()


def _converted(value: float, unit: str, table: dict[str, tuple[float, float]]) -> float | None:
    name = _clean_unit(unit)
    factor = table.get(name) or table.get(name.removesuffix("s"))
    return None if factor is None else value * factor[0] / factor[1]


def _number(value: object) -> float | None:
    """Return the value as a float if it is finite and above zero, else None."""
    try:
        number = float(value)  # type: ignore[arg-type]
    except (TypeError, ValueError, OverflowError):
        return None
    return number if 0 < number < math.inf else None


def _step(resolution: Any) -> float | str | None:
    """Return units per pixel of a resolution tag, which holds pixels per unit as a fraction."""
    try:
        pixels, units = resolution
        return float(units / pixels)
    except (TypeError, ValueError, ArithmeticError):
        return None if resolution is None else str(resolution)


def _olympus_text_path(image_path: Path) -> Path | None:
    stems = [image_path.stem]
    split = _SPLIT_CHANNEL.search(image_path.stem)
    if split:
        stems.append(image_path.stem[: split.start()])
    candidates = (
        image_path.with_name(stem + suffix) for stem in stems for suffix in (".txt", ".TXT") if stem
    )
    return next((path for path in candidates if path.is_file()), None)


def _decoded(data: bytes) -> str:
    if data.startswith((b"\xff\xfe", b"\xfe\xff")):
        return data.decode("utf-16", errors="replace")
    try:
        return data.decode("utf-8-sig")
    except UnicodeDecodeError:
        return data.decode("latin-1")


def _olympus_fields(text: str) -> dict[str, list[str]]:
    """Return the words after each known name, without quotes, commas and brackets."""
    names = ("X Dimension", "T Dimension", "Image Size", "Date")
    fields: dict[str, list[str]] = {}
    for line in text.splitlines():
        bare = line.replace('"', " ").strip()
        for name in names:
            rest = bare.removeprefix(name)
            if rest != bare and rest[:1].isspace():
                fields.setdefault(name, [word.strip(",[]") for word in rest.split()])
    return fields


def _olympus_date(words: Iterable[str], notes: list[str]) -> tuple[str, str]:
    text = " ".join(words)
    for pattern in _OLYMPUS_DATES:
        try:
            return day_and_time(datetime.strptime(text, pattern))
        except ValueError:
            continue
    if text:
        notes.append(f"the Olympus date {text!r} is not understood")
    return "", ""
