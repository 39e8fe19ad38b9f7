"""CSV tables: one file per kind of analysis, a block of rows per (channel, ROI)."""

from __future__ import annotations

import hashlib
import io
import re
import stat
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from napari_bloodflow.problems import Problem

if TYPE_CHECKING:
    from collections.abc import Sequence

__all__ = ["KEY_COLUMNS", "TableRead", "block", "encode_table", "read_table", "table_path"]

KEY_COLUMNS = ("channel", "roi_id")

# The default parser of pandas before 3.1 is off by some 1e-15; later ones give every bit back, and
# warn if they are asked to.
_EXACT_FLOATS: Any = (
    {}
    if tuple(map(int, pd.__version__.split(".")[:2])) >= (3, 1)
    else {"float_precision": "round_trip"}
)


# Only an empty cell is "no value" here. pandas would also drop texts such as "None" and "NA".
_MISSING = ("", "nan", "NaN")
_WHOLE_NUMBER = re.compile(r"\s*([+-]?\d{1,9})(?:\.0*)?\s*")


@dataclass(frozen=True, slots=True, eq=False)
class TableRead:
    """What a table file holds.

    Parameters
    ----------
    frame : DataFrame or None
        All rows whose ``channel`` and ``roi_id`` are whole numbers, with these two columns as
        int64; None if the file cannot be used.
    problems : tuple of Problem
        What was wrong with it.
    sha256 : str or None
        Hash of the bytes; None if the file does not exist.
    foreign : DataFrame or None
        Rows with another channel or ROI id, these two as text. Hand them to
        :func:`encode_table`, or they are lost when the file is replaced.
    """

    frame: pd.DataFrame | None
    problems: tuple[Problem, ...] = ()
    sha256: str | None = None
    foreign: pd.DataFrame | None = None


def table_path(image_path: str | Path, analysis_name: str) -> Path:
    """Return ``<image>.<analysis>.csv``."""
    path = Path(image_path)
    return path.with_name(f"{path.name}.{analysis_name}.csv")


def read_table(path: Path) -> TableRead:
    """Read a table; never raises for what is in it.

    Parameters
    ----------
    path : pathlib.Path
        ``<image>.<analysis>.csv``; need not exist.
    """
    try:
        if not stat.S_ISREG(path.stat().st_mode):
            # opening a pipe would wait for a writer for ever
            return _unusable(path, "is not a file", "")
        data = path.read_bytes()
    except FileNotFoundError:
        return TableRead(None)
    except OSError as error:
        return _unusable(path, f"cannot be read: {error.strerror or error}", "")
    sha256 = hashlib.sha256(data).hexdigest()
    try:
        frame = pd.read_csv(
            io.BytesIO(data),
            encoding="utf-8-sig",
            dtype=dict.fromkeys(KEY_COLUMNS, str),
            keep_default_na=False,
            na_values=list(_MISSING),
            low_memory=False,
            **_EXACT_FLOATS,
        )
    except (ValueError, UnicodeDecodeError) as error:
        what = "is empty" if not data.strip() else f"is not a table: {str(error).strip()}"
        return _unusable(path, what, sha256)
    missing = [name for name in KEY_COLUMNS if name not in frame.columns]
    if missing:
        return _unusable(path, f"has no column {' and no '.join(missing)}", sha256)
    if len(frame) and not isinstance(frame.index, pd.RangeIndex):
        # pandas makes an index of the surplus, which puts values under their neighbours' names
        return _unusable(path, "has rows with more cells than its header", sha256)
    return _with_whole_keys(path, frame, sha256)


def block(frame: pd.DataFrame, channel: int, roi_id: int) -> pd.DataFrame | None:
    """Return the rows of one (channel, ROI) without these two columns, or None.

    Parameters
    ----------
    frame : DataFrame
        As :func:`read_table` returns.
    channel, roi_id : int
        Which rows.
    """
    rows = frame[(frame["channel"] == channel) & (frame["roi_id"] == roi_id)]
    if rows.empty:
        return None
    # truth values that are missing in other blocks come as objects, for which ~ means another thing
    return rows.drop(columns=list(KEY_COLUMNS)).reset_index(drop=True).infer_objects()


def encode_table(
    blocks: Sequence[tuple[int, int, pd.DataFrame]],
    standard_columns: Sequence[str],
    *,
    foreign: pd.DataFrame | None = None,
) -> bytes:
    """Return the bytes of a table.

    Parameters
    ----------
    blocks : sequence of tuple
        ``(channel, roi_id, rows)`` in order.
    standard_columns : sequence of str
        Columns that come first, in this order; further ones follow.
    foreign : DataFrame, optional
        Rows of :attr:`TableRead.foreign`, written last as they are.

    Returns
    -------
    bytes
        UTF-8, comma, line feeds; floats as the shortest text that gives the same number back.
    """
    extra = dict.fromkeys(name for _, _, rows in blocks for name in rows.columns)
    if foreign is not None:
        extra |= dict.fromkeys(foreign.columns)
    known = {*KEY_COLUMNS, *standard_columns}
    columns = [*standard_columns, *(name for name in extra if name not in known)]
    # Each block is written by itself: joined, whole numbers beside missing ones become floats.
    parts = [",".join([*KEY_COLUMNS, *columns]) + "\n"]
    for channel, roi_id, rows in blocks:
        out = rows.reindex(columns=columns)
        out.insert(0, "channel", channel)
        out.insert(1, "roi_id", roi_id)
        parts.append(out.to_csv(index=False, header=False, lineterminator="\n"))
    if foreign is not None:
        out = foreign.reindex(columns=[*KEY_COLUMNS, *columns])
        parts.append(out.to_csv(index=False, header=False, lineterminator="\n"))
    return "".join(parts).encode("utf-8")


def _with_whole_keys(path: Path, frame: pd.DataFrame, sha256: str) -> TableRead:
    texts = {name: frame[name].fillna("").astype(str) for name in KEY_COLUMNS}
    found = {name: [_WHOLE_NUMBER.fullmatch(text) for text in texts[name]] for name in KEY_COLUMNS}
    is_whole = np.array([None not in both for both in zip(*found.values(), strict=True)], bool)
    frame = frame.assign(**texts)
    good = frame[is_whole].reset_index(drop=True)
    for name in KEY_COLUMNS:
        numbers = [
            int(match[1])
            for match, keep in zip(found[name], is_whole, strict=True)
            if keep and match
        ]
        good[name] = np.array(numbers, np.int64)
    if is_whole.all():
        return TableRead(good, (), sha256)
    foreign = frame[~is_whole].reset_index(drop=True)
    first = int(np.argmin(is_whole)) + 2
    what = (
        f"{len(foreign)} rows have no whole number as channel or roi_id, the first in row {first}"
    )
    problem = Problem(path.name, "", what, "they are used for nothing; the other rows are read")
    return TableRead(good.infer_objects(), (problem,), sha256, foreign)


def _unusable(path: Path, what: str, sha256: str) -> TableRead:
    action = "no result is read from it; a copy is made before it is replaced"
    return TableRead(None, (Problem(path.name, "", what, action),), sha256)
