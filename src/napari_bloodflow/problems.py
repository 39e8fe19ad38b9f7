"""What was wrong with a file and what was done about it, as data to show."""

from __future__ import annotations

from dataclasses import dataclass

__all__ = ["Conflict", "Problem"]


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


@dataclass(frozen=True, slots=True)
class Conflict:
    """One thing that was changed here and, since it was read, by another program on disk.

    Parameters
    ----------
    where : str
        Place inside the sidecar, ``"experiment_metadata.species"``, or ``"ROI 2"`` for a ROI
        with everything measured on it.
    mine, theirs : str
        The value, or for a ROI what was done to it, here and on disk.
    is_value : bool
        True if `mine` and `theirs` are values.
    """

    where: str
    mine: str
    theirs: str
    is_value: bool = False

    def __str__(self) -> str:
        return f"{self.where}: here {self.mine}, on disk {self.theirs}"
