"""How much of an image file is read before it is taken for damaged, or made to do harm."""

from __future__ import annotations

import os
from dataclasses import dataclass, fields

__all__ = ["ReadLimits"]


@dataclass(frozen=True, slots=True)
class ReadLimits:
    """Limits that real files keep.

    Each is raised by an environment variable, ``NAPARI_BLOODFLOW_`` and its name in capitals, that
    is looked at whenever a file is opened. What is not a number above zero counts as not set.

    Parameters
    ----------
    max_gb : float
        Decoded size of one compressed plane, in units of 10^9 bytes. A file that is decoded only
        as a whole counts as one plane.
    max_ratio : float
        Decoded size over the size of the file. Small images, up to 128 MB, are free of it.
    max_pages : float
        Pages of a TIFF file; its OME-XML may speak of twice as many.
    max_tag_mb : float
        Text in the tags of a page, in units of 2^20 bytes; all pages together have 25 times as
        much. ScanImage repeats 20 kB in every page.
    max_tag_numbers : float
        Numbers in the tags of a page, above all the tables of its strips; all pages together have
        2.5 times as many.
    """

    max_gb: float = 8.0
    max_ratio: float = 100.0
    max_pages: float = 1e6
    max_tag_mb: float = 16.0
    max_tag_numbers: float = 4e6

    @classmethod
    def of_environment(cls) -> ReadLimits:
        """Return the limits that the user set."""
        values = {field.name: _positive(_variable(field.name)) for field in fields(cls)}
        return cls(**{name: value for name, value in values.items() if value is not None})

    def raised(self, name: str) -> str:
        """Return how a limit is raised, as a clause."""
        return f"the variable {_variable(name)} allows more than {getattr(self, name):g}"


def _variable(name: str) -> str:
    return f"NAPARI_BLOODFLOW_{name.upper()}"


def _positive(name: str) -> float | None:
    try:
        value = float(os.environ[name])
    except (KeyError, ValueError):
        return None
    return value if value > 0 else None
