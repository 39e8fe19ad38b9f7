"""Calibration that Olympus software leaves in a text file beside the image."""

from __future__ import annotations

import re
from datetime import datetime
from typing import TYPE_CHECKING

from napari_bloodflow.storage.calibration.readings import (
    CalibrationFindings,
    SourceReader,
    day_and_time,
    positive_number,
    read_text,
)

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path

__all__ = ["read_olympus_text"]

_SPLIT_CHANNEL = re.compile(r"_C\d{3}")
_OLYMPUS_DATES = tuple(
    f"{day} {time}"
    for day in ("%m/%d/%Y", "%Y/%m/%d", "%Y-%m-%d")
    for time in ("%I:%M:%S.%f %p", "%I:%M:%S %p", "%H:%M:%S.%f", "%H:%M:%S")
)


def read_olympus_text(image_path: Path, num_rows: int, num_columns: int) -> CalibrationFindings:
    """Take dx from "X Dimension", dt from the end of "T Dimension" and the number of lines."""
    text_path = _olympus_text_path(image_path)
    if text_path is None:
        return CalibrationFindings()
    try:
        text = read_text(text_path)
    except OSError as error:
        return CalibrationFindings(
            notes=(f"{text_path.name} cannot be read: {error.strerror or error}",)
        )
    fields = _olympus_fields(text)
    if not {"X Dimension", "T Dimension"} & fields.keys():
        return CalibrationFindings()
    reader = SourceReader("Olympus txt", prefix=f"{text_path.name}: ")

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
    duration = positive_number(t[3]) if len(t) > 3 else None
    if duration is not None and lines > 0:
        # a line scan is one frame or, in some versions, as many "frames" as lines
        if t[0] in {"1", str(lines)}:
            reader.take_dt(duration / lines, t[4] if len(t) > 4 else "s", '"T Dimension"')
        else:
            reader.notes.append(
                f"{text_path.name}: {t[0]} frames took {duration:g}; that is not the time of a line"
            )
    return reader.findings(*_olympus_date(fields.get("Date", []), reader.notes))


def _olympus_text_path(image_path: Path) -> Path | None:
    stems = [image_path.stem]
    split = _SPLIT_CHANNEL.search(image_path.stem)
    if split:
        stems.append(image_path.stem[: split.start()])
    candidates = (
        image_path.with_name(stem + suffix) for stem in stems for suffix in (".txt", ".TXT") if stem
    )
    return next((path for path in candidates if path.is_file()), None)


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
