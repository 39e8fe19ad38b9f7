"""What was wrong with a file and what was done about it, as data to show."""

from __future__ import annotations

from dataclasses import dataclass

__all__ = ["Problem"]


@dataclass(frozen=True, slots=True)
class Problem:
    """One thing that was not as it should be, found while loading.

    Parameters
    ----------
    file : str
        Name of the file it was found in.
    where : str
        Place inside the file, ``"rois[2].data"``; empty for the file as a whole.
    what : str
        What is wrong.
    action : str
        What was done about it, and what still works.
    """

    file: str
    where: str
    what: str
    action: str

    def __str__(self) -> str:
        place = f"{self.file}: {self.where}" if self.where else self.file
        return f"{place}: {self.what} ({self.action})"
