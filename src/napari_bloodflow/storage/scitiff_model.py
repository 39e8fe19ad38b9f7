"""The JSON document of a SciTiff file, parsed item by item: a bad item costs only itself."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Mapping

    from numpy.typing import NDArray

__all__ = [
    "DIMS",
    "InvalidSciTiff",
    "Note",
    "SciTiffDocument",
    "Variable",
    "parse_document",
]

DIMS = ("t", "z", "c", "y", "x")
"""Dimensions of every SciTiff image, in this order."""

# NumPy's name of the units that dates have in a SciTiff file.
_NUMPY_TIME_UNITS = {
    "ns": "ns",
    "µs": "us",
    "us": "us",
    "ms": "ms",
    "s": "s",
    "min": "m",
    "h": "h",
    "D": "D",
    "M": "M",
    "Y": "Y",
}
_MAX_JSON_CHARACTERS = 64_000_000
_MAX_SHOWN_VALUES = 6


class InvalidSciTiff(ValueError):
    """The metadata cannot be used at all; the image is then read as a plain TIFF.

    Parameters
    ----------
    code : str
        A short fixed word for the cause, ``"shape-mismatch"``.
    reason : str
        The cause as a clause: ``"is not JSON"``.
    """

    def __init__(self, code: str, reason: str) -> None:
        super().__init__(reason)
        self.code = code
        self.reason = reason


class Note(NamedTuple):
    """Something in the metadata that was not used as it stands.

    Parameters
    ----------
    code : str
        A short fixed word, ``"dropped"``.
    where : str
        Place in the document, ``"coords.x"``.
    what : str
        What is wrong.
    action : str
        What was done about it.
    """

    code: str
    where: str
    what: str
    action: str


@dataclass(frozen=True, slots=True)
class Variable:
    """A coordinate or mask.

    Parameters
    ----------
    dims : tuple of str
        Dimensions that it depends on, none to two, in the order of its values.
    unit : str or None
        Its unit, as the file has it.
    dtype : str
        Its type, as the file has it.
    values : ndarray
        Of type ``float64``, ``int64``, ``bool``, ``datetime64`` or text, with ``len(dims)`` axes.
    raw : mapping
        The JSON object that it came from.
    edges : tuple of str
        Dimensions along which it has the edges of the pixels, one more than there are pixels.
    """

    dims: tuple[str, ...]
    unit: str | None
    dtype: str
    values: NDArray[Any]
    raw: Mapping[str, Any]
    edges: tuple[str, ...] = ()

    @property
    def is_numeric(self) -> bool:
        """True for numbers; False for texts, dates and booleans."""
        return self.values.dtype.kind in "fi"

    def __str__(self) -> str:
        form = "{:.6g}" if self.is_numeric else "{}"
        values = [form.format(value) for value in self.values.flat[:_MAX_SHOWN_VALUES]]
        if self.values.size > _MAX_SHOWN_VALUES:
            values[-2:] = ["...", form.format(self.values.flat[-1])]
        has_unit = self.is_numeric and self.unit not in (None, "dimensionless")
        unit = f" {self.unit}" if has_unit else ""
        size = " x ".join(
            f"{dim} {length}{' edges' if dim in self.edges else ''}"
            for dim, length in zip(self.dims, self.values.shape, strict=True)
        )
        return ", ".join(values) + unit + (f" ({size}, {self.dtype})" if size else "")


@dataclass(frozen=True, slots=True)
class SciTiffDocument:
    """What the metadata of a SciTiff file say.

    Parameters
    ----------
    shape : tuple of int
        Length of t, z, c, y and x.
    unit : str or None
        Unit of the pixels.
    dtype : str
        Type of the pixels as the metadata state it; the file itself may have another.
    coords, masks : dict of str to Variable
        The good ones.
    name : str
        Name of the image, or empty.
    daq, process, extra : object
        How it was recorded and processed, and anything else, as the file has it.
    schema_version : object
        Version of the program that wrote it; None if there is none.
    raw : mapping
        The whole JSON object.
    notes : tuple of Note
        What was left out.
    """

    shape: tuple[int, int, int, int, int]
    unit: str | None
    dtype: str
    coords: dict[str, Variable] = field(default_factory=dict)
    masks: dict[str, Variable] = field(default_factory=dict)
    name: str = ""
    daq: Any = None
    process: Any = None
    extra: Any = None
    schema_version: Any = None
    raw: Mapping[str, Any] = field(default_factory=dict)
    notes: tuple[Note, ...] = ()

    @property
    def sizes(self) -> dict[str, int]:
        """Length by dimension."""
        return dict(zip(DIMS, self.shape, strict=True))


def parse_document(text: object) -> SciTiffDocument:
    """Parse the metadata text of a SciTiff file of any release.

    Parameters
    ----------
    text : object
        Value of ``scitiffmeta`` in the ImageJ description, normally a JSON text.

    Returns
    -------
    SciTiffDocument
        With a note for everything that was left out.

    Raises
    ------
    InvalidSciTiff
        If it is no JSON object that describes an image.
    """
    raw = _object_of(text)
    image = raw.get("image")
    if not isinstance(image, dict) or not isinstance(image.get("data"), dict):
        raise InvalidSciTiff("KeyError", "describe no image")
    data = image["data"]
    if data.get("dims") != list(DIMS):
        raise InvalidSciTiff("dims", f"have the dimensions {data.get('dims')!s:.60}, not {DIMS}")
    shape = _shape_of(data.get("shape"))
    sizes = dict(zip(DIMS, shape, strict=True))
    if not isinstance(data.get("dtype"), str):
        raise InvalidSciTiff("dtype", "name no type of the pixels")
    notes: list[Note] = []
    unit = data.get("unit")
    if unit is not None and not isinstance(unit, str):
        notes.append(Note("dropped", "data.unit", "it is not a text", "no unit is shown"))
        unit = None
    found = {kind: _variables(image.get(kind), kind, sizes, notes) for kind in ("coords", "masks")}
    for key in ("daq", "process", "extra"):
        if not isinstance(raw.get(key), dict | None):
            notes.append(Note("kept-raw", key, "it is not an object", "it is shown as it is"))
    version = raw.get("schema_version")
    if not isinstance(version, str | None):
        notes.append(Note("kept-raw", "schema_version", "it is not a text", "it is ignored"))
    name = image.get("name")
    return SciTiffDocument(
        shape,
        unit,
        data["dtype"],
        found["coords"],
        found["masks"],
        name if isinstance(name, str) else "",
        raw.get("daq"),
        raw.get("process"),
        raw.get("extra"),
        version,
        raw,
        tuple(notes),
    )


def _object_of(text: object) -> dict[str, Any]:
    if not isinstance(text, str):
        raise InvalidSciTiff("not-text", "are not a text")
    if len(text) > _MAX_JSON_CHARACTERS:
        raise InvalidSciTiff("too-long", f"are longer than {_MAX_JSON_CHARACTERS:,} characters")
    try:
        raw = json.loads(text)
    except RecursionError:
        raise InvalidSciTiff("RecursionError", "are nested too deep") from None
    except ValueError as error:
        raise InvalidSciTiff(type(error).__name__, f"are not JSON ({error})") from None
    if not isinstance(raw, dict):
        raise InvalidSciTiff("not-object", "are not a JSON object")
    return raw


def _shape_of(value: Any) -> tuple[int, int, int, int, int]:
    try:
        t, z, c, y, x = (_whole(n) for n in value)
    except (TypeError, ValueError, OverflowError):
        raise InvalidSciTiff("shape", f"have the shape {value!s:.60}") from None
    if min(t, z, c, y, x) < 1:
        raise InvalidSciTiff("shape", f"have the shape {value!s:.60}")
    return t, z, c, y, x


def _whole(value: Any) -> int:
    """Return a whole number, which some programs write as text or as ``4.0``."""
    if isinstance(value, bool) or float(value) != int(value):
        raise ValueError
    return int(value)


def _variables(
    entries: Any, kind: str, sizes: Mapping[str, int], notes: list[Note]
) -> dict[str, Variable]:
    if not isinstance(entries, dict | None):
        notes.append(Note("dropped", kind, "they are not an object", "they are ignored"))
    good = {}
    for name, entry in entries.items() if isinstance(entries, dict) else ():
        try:
            good[name] = _variable(entry, sizes, may_have_edges=kind == "coords")
        except (ValueError, TypeError, OverflowError) as error:
            where, what = f"{kind}.{name}"[:80], str(error) or "it cannot be understood"
            notes.append(Note("dropped", where, what, "it is ignored, all others are used"))
    return good


def _variable(entry: Any, sizes: Mapping[str, int], *, may_have_edges: bool) -> Variable:
    if not isinstance(entry, dict):
        raise ValueError("it is not an object")
    dims, unit, dtype = entry.get("dims", []), entry.get("unit"), entry.get("dtype")
    if not isinstance(dims, list) or len(dims) > 2 or not all(dim in sizes for dim in dims):
        raise ValueError(f"its dimensions are {dims!s:.60}, not up to two of {', '.join(sizes)}")
    if len(set(dims)) != len(dims):
        raise ValueError("it has a dimension twice")
    if not isinstance(unit, str | None):
        raise ValueError("its unit is not a text")
    if not isinstance(dtype, str):
        raise ValueError("its type is not a text")
    values = _array(entry.get("values"), len(dims), dtype, unit)
    edges: list[str] = []
    for dim, length in zip(dims, values.shape, strict=True):
        if length == sizes[dim] + 1 and may_have_edges and not edges:
            edges.append(dim)
        elif length != sizes[dim]:
            raise ValueError(f"it has {length} values along {dim}, which has {sizes[dim]} pixels")
    return Variable(tuple(dims), unit, dtype, values, entry, tuple(edges))


def _array(values: Any, ndim: int, dtype: str, unit: str | None) -> NDArray[Any]:
    rows = values if ndim == 2 else [values] if ndim == 1 else [[values]]
    if not isinstance(rows, list) or not all(isinstance(row, list) and row for row in rows):
        raise ValueError(f"its values are not a list with {ndim} level{'s' * (ndim != 1)}")
    if len({len(row) for row in rows}) != 1:
        raise ValueError("its rows differ in length")
    flat = [value for row in rows for value in row]
    if all(isinstance(value, str) for value in flat):
        array = _dates(flat, unit) if dtype == "datetime64" else np.array(flat, dtype=np.str_)
    elif all(isinstance(value, int | float) for value in flat):
        array = _numbers(flat, dtype)
    else:
        raise ValueError("its values are neither all numbers nor all texts")
    return array.reshape((len(rows), len(rows[0]))[2 - ndim :])


def _numbers(flat: list[Any], dtype: str) -> NDArray[Any]:
    array = np.array([float(value) for value in flat], dtype=np.float64)
    if dtype == "bool":
        return np.not_equal(array, 0)
    is_small = bool(np.all(np.abs(array) < 2.0**63))  # False for NaN
    return array.astype(np.int64) if dtype.startswith(("int", "uint")) and is_small else array


def _dates(flat: list[str], unit: str | None) -> NDArray[Any]:
    """Parse dates as any release wrote them: with a blank for the T, or as counts since 1970."""
    code = _NUMPY_TIME_UNITS.get(unit or "")
    if code is None:
        raise ValueError(f"its unit {unit!r} is not one of dates")
    if code not in ("D", "M", "Y") and all(text.lstrip("-").isdecimal() for text in flat):
        counts = np.array([int(text) for text in flat], dtype=np.int64)
        return counts.astype(f"datetime64[{code}]")
    if not all(text[:4].lstrip("+-").isdecimal() for text in flat):
        raise ValueError("its values are not dates")  # NumPy would take "now" for one
    texts = [text.replace(" ", "T").removesuffix("Z") for text in flat]
    return np.array(texts, dtype="datetime64").astype(f"datetime64[{code}]")
