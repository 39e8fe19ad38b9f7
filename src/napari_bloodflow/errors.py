"""Errors that a person can act on: which file, which field, what was wrong."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from napari_bloodflow.problems import Conflict

__all__ = [
    "AnalysisCancelled",
    "AnalysisError",
    "AxesError",
    "BloodflowError",
    "FilesChangedError",
    "ImageReadError",
    "NoVesselError",
    "ParameterError",
    "RoiKindError",
    "SaveError",
    "SidecarConflict",
    "UnknownPlaneError",
    "UnknownRoiError",
    "UnsupportedFileError",
]


class BloodflowError(Exception):
    """Base of every error raised on purpose by this package."""


class UnsupportedFileError(BloodflowError, ValueError):
    """The path is of a kind that no reader here handles.

    Parameters
    ----------
    path : path-like
        The file that was asked for.
    reason : str
        What is wrong with it, as a clause: ``"the extension '.png' is not supported"``.
    """

    def __init__(self, path: str | Path, reason: str) -> None:
        super().__init__(f"{path}: {reason}")
        self.path = str(path)
        self.reason = reason


class ImageReadError(UnsupportedFileError):
    """The file has a supported extension but holds no kymograph that can be read."""


class SaveError(BloodflowError, OSError):
    """Sidecar files could not be written; what was on disk before is still there.

    Parameters
    ----------
    path : path-like
        The file that could not be written.
    reason : str
        Why, in words.
    """

    def __init__(self, path: str | Path, reason: str) -> None:
        super().__init__(f"{path}: {reason}")
        self.path = str(path)
        self.reason = reason


class FilesChangedError(SaveError):
    """Sidecar files are no longer as they were read; nothing was written.

    Parameters
    ----------
    paths : sequence of path-like
        The files that changed, appeared or are gone; at least one.
    """

    def __init__(self, paths: Sequence[str | Path]) -> None:
        super().__init__(
            paths[0],
            "was changed by another program since it was read; nothing was written. Load the image"
            " again, or save a copy under another name",
        )
        self.paths = tuple(map(str, paths))


class SidecarConflict(FilesChangedError):
    """Another program changed what was changed here too; nothing was written.

    Parameters
    ----------
    paths : sequence of path-like
        The files that changed; at least one.
    conflicts : sequence of Conflict
        What both changed, with both values. Empty if the files cannot be compared.
    reason : str
        Why they cannot be compared, as a clause.
    """

    def __init__(
        self, paths: Sequence[str | Path], conflicts: Sequence[Conflict], reason: str = ""
    ) -> None:
        super().__init__(paths)
        self.conflicts = tuple(conflicts)
        self.reason = reason or (
            f"was changed by another program in the same place: {'; '.join(map(str, conflicts))}"
        )
        self.args = (
            f"{self.path}: {self.reason}. Nothing was written: load the image again, or save and"
            " keep your version, or both",
        )


class UnknownRoiError(BloodflowError, ValueError):
    """No ROI has the id that was asked for.

    Parameters
    ----------
    roi_id : int
        The id asked for.
    known : sequence of int
        The ids that exist.
    file_name : str
        The file that was asked, if known.
    """

    def __init__(self, roi_id: int, known: list[int], file_name: str = "") -> None:
        have = f"it has ROI {', '.join(map(str, known))}" if known else "it has no ROI yet"
        where = f"{file_name}: " if file_name else ""
        super().__init__(f"{where}there is no ROI {roi_id}; {have}")
        self.roi_id = roi_id


class RoiKindError(BloodflowError, TypeError):
    """The ROI exists but is of a kind that cannot be measured, such as a line."""


class UnknownPlaneError(BloodflowError, ValueError):
    """The image has no such channel, z or t."""


class NoVesselError(BloodflowError, ValueError):
    """No part of the line stands out as a vessel; the text says why."""


class AxesError(BloodflowError, ValueError):
    """The axes of an image cannot be those that were asked for; the text says why."""


class ParameterError(BloodflowError, ValueError):
    """A parameter is unknown or its value does not fit; the text names it."""


class AnalysisError(BloodflowError, ValueError):
    """An analysis cannot run on this input, for a reason the user can change."""


class AnalysisCancelled(BloodflowError):
    """The user cancelled a running analysis; the earlier result is untouched."""
