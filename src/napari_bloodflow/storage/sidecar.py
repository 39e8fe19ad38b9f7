"""The sidecar JSON: read whatever is there, write strict JSON with stable bytes."""

from __future__ import annotations

import hashlib
import json
import math
import stat
from collections import Counter
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from napari_bloodflow.problems import Problem

if TYPE_CHECKING:
    from collections.abc import Mapping

__all__ = [
    "REQUIRED_KEYS",
    "SIDECAR_VERSION",
    "SidecarRead",
    "encode_sidecar",
    "image_path_of_sidecar",
    "read_json_object",
    "read_sidecar",
    "sidecar_path",
]

SIDECAR_VERSION = 2
REQUIRED_KEYS = (
    "version",
    "accepted",
    "rois",
    "experiment_metadata",
    "image_header_metadata",
    "analysis",
)

_MAX_BYTES = 64 * 2**20
_MAX_DEPTH = 100
_KEPT = "it is ignored and kept; a copy is made before it is replaced"


@dataclass(frozen=True, slots=True)
class SidecarRead:
    """What a JSON file holds.

    Parameters
    ----------
    document : dict or None
        The whole object, unknown keys included; None if there is none.
    problems : tuple of Problem
        What was wrong with it.
    sha256 : str or None
        Hash of the bytes; None if the file does not exist.
    understood : bool
        False if it must be copied before it is replaced.
    read_only_reason : str
        Why it must not be replaced at all, as a clause; empty if it may.
    """

    document: dict[str, Any] | None
    problems: tuple[Problem, ...] = ()
    sha256: str | None = None
    understood: bool = True
    read_only_reason: str = ""


def sidecar_path(image_path: str | Path) -> Path:
    """Return ``<image>.json``."""
    path = Path(image_path)
    return path.with_name(f"{path.name}.json")


def image_path_of_sidecar(path: str | Path) -> Path:
    """Return the image a sidecar belongs to: its name without ``.json``."""
    path = Path(path)
    return path.with_name(path.name[: -len(".json")]) if path.suffix.lower() == ".json" else path


def read_sidecar(path: Path) -> SidecarRead:
    """Read a sidecar; never raises for what is in it.

    Parameters
    ----------
    path : pathlib.Path
        ``<image>.json``; need not exist.
    """
    found = read_json_object(path)
    if found.document is None:
        return found
    problems, understood = list(found.problems), found.understood
    missing = [key for key in REQUIRED_KEYS if key not in found.document]
    problems += [Problem(path.name, key, "is missing", "its default is used") for key in missing]
    version = found.document.get("version", SIDECAR_VERSION)
    reason = ""
    if isinstance(version, bool) or version != SIDECAR_VERSION:
        what = f"is {version!r}, not {SIDECAR_VERSION}: another program version wrote it"
        action = "it is read as far as possible"
        if isinstance(version, (int, float)) and version > SIDECAR_VERSION:
            reason = (
                f"was written by a newer program (version {version}; this one knows"
                f" {SIDECAR_VERSION}) and is not overwritten; save a copy under another name"
            )
            action += ", and never overwritten; save a copy under another name to keep changes"
        problems.append(Problem(path.name, "version", what, action))
        understood = False
    return SidecarRead(
        found.document, tuple(problems), found.sha256, understood and not missing, reason
    )


def read_json_object(path: Path) -> SidecarRead:
    """Read any JSON file whose root is an object.

    Accepts a byte-order mark and the literals NaN and Infinity. Refuses more than 64 MiB or 100
    levels.

    Parameters
    ----------
    path : pathlib.Path
        Need not exist.
    """
    try:
        status = path.stat()
        if not stat.S_ISREG(status.st_mode):
            # opening a pipe would wait for a writer for ever
            return _unreadable(path, "is not a file", "")
        if status.st_size > _MAX_BYTES:
            return _unreadable(path, f"is {status.st_size} bytes, more than {_MAX_BYTES}", "")
        data = path.read_bytes()
    except FileNotFoundError:
        return SidecarRead(None)
    except OSError as error:
        return _unreadable(path, f"cannot be read: {error.strerror or error}", "")
    sha256 = hashlib.sha256(data).hexdigest()
    repeated: list[str] = []

    def unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
        result = dict(pairs)
        if len(result) < len(pairs):
            counts = Counter(name for name, _ in pairs)
            repeated.extend(sorted(name for name, count in counts.items() if count > 1))
        return result

    try:
        document = json.loads(data.decode("utf-8-sig"), object_pairs_hook=unique)
        _check_depth(document)
    except UnicodeDecodeError:
        return _unreadable(path, "is not UTF-8 text", sha256)
    except json.JSONDecodeError as error:
        what = f"is not JSON: {error.msg} in line {error.lineno}, column {error.colno}"
        return _unreadable(path, "is empty" if not data.strip() else what, sha256)
    except (RecursionError, ValueError) as error:
        text = str(error) if isinstance(error, _TooDeepError) else "cannot be parsed"
        text = text if not isinstance(error, RecursionError) else f"has over {_MAX_DEPTH} levels"
        return _unreadable(path, text, sha256)
    if not isinstance(document, dict):
        return _unreadable(path, "is JSON, but not an object", sha256)
    problems = tuple(
        Problem(path.name, _printable(name), "is there twice", "the last one is used")
        for name in repeated
    )
    return SidecarRead(document, problems, sha256, understood=not problems)


def encode_sidecar(document: Mapping[str, Any]) -> bytes:
    """Return strict JSON: keys sorted, two spaces, ASCII, no final line end.

    Parameters
    ----------
    document : mapping
        Plain values and NumPy scalars; NaN and infinities become null.
    """
    return json.dumps(
        _strict(document), sort_keys=True, indent=2, ensure_ascii=True, allow_nan=False
    ).encode("ascii")


class _TooDeepError(ValueError):
    pass


def _check_depth(value: Any) -> None:
    level = [value]
    for _ in range(_MAX_DEPTH + 1):
        level = [
            item
            for parent in level
            if isinstance(parent, (dict, list))
            for item in (parent.values() if isinstance(parent, dict) else parent)
        ]
        if not level:
            return
    raise _TooDeepError(f"has over {_MAX_DEPTH} levels")


def _strict(value: Any) -> Any:
    if isinstance(value, dict):
        return {str(key): _strict(item) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [_strict(item) for item in value]
    if isinstance(value, np.generic):
        value = value.item()
    if isinstance(value, float) and not math.isfinite(value):
        return None
    return value


def _printable(text: str) -> str:
    # half a surrogate pair is legal in JSON, but no terminal or log can encode it
    return text.encode("utf-8", "backslashreplace").decode("utf-8")


def _unreadable(path: Path, what: str, sha256: str) -> SidecarRead:
    return SidecarRead(None, (Problem(path.name, "", what, _KEPT),), sha256, understood=False)
