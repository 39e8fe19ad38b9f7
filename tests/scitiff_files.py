"""SciTiff files for tests: the examples with what is expected of them, and files made by hand."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path
from typing import Any

import numpy as np
import tifffile

FOLDER = Path(__file__).parent / "data" / "scitiff"
EXPECTED: dict[str, dict[str, Any]] = {
    name: entry["expect"]
    for name, entry in json.loads((FOLDER / "manifest.json").read_text())["files"].items()
}


def named(status: str) -> list[str]:
    return [name for name, expected in EXPECTED.items() if expected["status"] == status]


def sha256(data: np.ndarray[Any, Any]) -> str:
    little_endian = np.ascontiguousarray(data).astype(data.dtype.newbyteorder("<"))
    return hashlib.sha256(little_endian.tobytes()).hexdigest()


def variable(dims: str, values: Any, unit: str | None = None, dtype: str = "float64") -> Any:
    """Return a coordinate or mask; its values alone say how long it is."""
    return {"dims": list(dims), "shape": [], "unit": unit, "dtype": dtype, "values": values}


def document(shape: tuple[int, ...], **image: Any) -> dict[str, Any]:
    data = {"dims": list("tzcyx"), "shape": list(shape), "unit": "counts", "dtype": "float32"}
    return {"image": {"data": data, "coords": {}, "masks": {}, **image}}


def write(path: Path, text: Any, pixels: np.ndarray[Any, Any], **options: Any) -> Path:
    """Write 5-D pixels with a document, or with any text in its place."""
    text = text if isinstance(text, str) else json.dumps(text)
    metadata = {"axes": "TZCYX", "scitiffmeta": text}
    tifffile.imwrite(path, pixels, imagej=True, metadata=metadata, **options)
    return path
