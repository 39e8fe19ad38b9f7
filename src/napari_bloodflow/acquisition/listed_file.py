"""One file of a list: opened when asked for, and let go of again."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from napari_bloodflow.acquisition.acq_image import AcqImage
from napari_bloodflow.acquisition.file_search import ListWarning
from napari_bloodflow.acquisition.list_rows import TREE_COLUMNS, path_row
from napari_bloodflow.errors import UnsupportedFileError

if TYPE_CHECKING:
    from collections.abc import Mapping

    from napari_bloodflow.analysis.base import Analysis, AnalysisKey
    from napari_bloodflow.calibration import Calibration

__all__ = ["FileFacts", "ListedFile", "ResultFacts", "RoiFacts", "facts_of", "read_facts"]

ResultState = Literal["current", "stale", "problem", "none"]
"""Whether a result fits its ROI and calibration; ``none`` where there are parameters only."""


@dataclass(frozen=True, slots=True)
class ResultFacts:
    """What is known of one analysis of a file.

    Parameters
    ----------
    key : AnalysisKey
        Which.
    state : {"current", "stale", "problem", "none"}
        Whether its result can be used as it is.
    reason : str
        Why it is stale, or what is wrong; empty otherwise.
    """

    key: AnalysisKey
    state: ResultState
    reason: str = ""


@dataclass(frozen=True, slots=True)
class RoiFacts:
    """What is known of one ROI of a file.

    Parameters
    ----------
    roi_id : int
        Which.
    label : str
        Its number, and its name if it has one.
    results : tuple of ResultFacts
        Its analyses in order of creation.
    """

    roi_id: int
    label: str
    results: tuple[ResultFacts, ...] = ()


@dataclass(frozen=True, slots=True)
class FileFacts:
    """What is known of a file that was looked into, without keeping it open.

    Parameters
    ----------
    row : mapping
        Its row of the file list, by column name.
    tree : tuple of mapping
        Its rows of the tree.
    experiment : mapping
        Experiment metadata by field name.
    calibration : Calibration
        Its calibration.
    problems : tuple of str
        What is wrong with the files beside it.
    stale : tuple of str
        Analyses whose result no longer fits, each with the reason.
    is_dirty : bool
        Whether something is not saved.
    rois : tuple of RoiFacts
        Its ROIs with their analyses.
    """

    row: Mapping[str, Any]
    tree: tuple[Mapping[str, Any], ...]
    experiment: Mapping[str, Any]
    calibration: Calibration
    problems: tuple[str, ...] = ()
    stale: tuple[str, ...] = ()
    is_dirty: bool = False
    rois: tuple[RoiFacts, ...] = ()


def facts_of(acq: AcqImage) -> FileFacts:
    """Return what is to be known of an open acquisition, as values that do not change."""
    results = [_result_facts(analysis) for analysis in acq.analysis_set]
    stale = tuple(f"{fact.key}: {fact.reason}" for fact in results if fact.state == "stale")
    rois = tuple(
        RoiFacts(roi.roi_id, roi.label, tuple(r for r in results if r.key.roi_id == roi.roi_id))
        for roi in acq.rois
    )
    return FileFacts(
        acq.get_schema_row(),
        tuple(acq.get_tree_rows()),
        acq.experiment_metadata.get_values(),
        acq.calibration,
        tuple(map(str, acq.problems)),
        stale,
        acq.is_dirty,
        rois,
    )


def _result_facts(analysis: Analysis) -> ResultFacts:
    if reasons := analysis.stale_reasons:
        return ResultFacts(analysis.key, "stale", "; ".join(reasons))
    if problems := analysis.stored_problems:
        return ResultFacts(analysis.key, "problem", "; ".join(what for _, what, _ in problems))
    return ResultFacts(analysis.key, "current" if analysis.has_results else "none")


def read_facts(path: str | Path) -> FileFacts | ListWarning:
    """Look into a file and let go of it again; safe in any thread.

    Parameters
    ----------
    path : path-like
        An image.

    Returns
    -------
    FileFacts or ListWarning
        What is in it, or why it cannot be opened.
    """
    try:
        acq = AcqImage(path)
        facts = facts_of(acq)
        acq.images.close()
    except (OSError, ValueError) as error:
        return _warning_of(Path(path), error)
    not_kept = {"loaded": "", "saved": True}
    tree = tuple({**row, **(not_kept if row is facts.tree[0] else {})} for row in facts.tree)
    return replace(facts, row={**facts.row, **not_kept}, tree=tree)


def _warning_of(path: Path, error: OSError | ValueError) -> ListWarning:
    if isinstance(error, UnsupportedFileError):
        return ListWarning(error.reason, str(path), "loader_error", resolved_path=str(path))
    if isinstance(error, FileNotFoundError):
        text = "there is no such file"
        return ListWarning(text, str(path), "missing_file", resolved_path=str(path))
    text = (error.strerror if isinstance(error, OSError) else None) or str(error)
    return ListWarning(text, str(path), "loader_error", resolved_path=str(path))


class ListedFile:
    """One entry of a list: an image that is opened when asked for.

    Parameters
    ----------
    path : pathlib.Path
        Resolved absolute path.
    warning : ListWarning, optional
        Why it cannot be used, if that is known already.
    """

    def __init__(self, path: Path, warning: ListWarning | None = None) -> None:
        self.path = path
        self._warning = warning
        self._acq: AcqImage | None = None
        self._facts: FileFacts | None = None

    def __repr__(self) -> str:
        state = "unusable" if self._warning else "open" if self._acq is not None else "not open"
        return f"ListedFile({self.path.name!r}, {state})"

    @property
    def file_id(self) -> str:
        """Stable id of the file: its path."""
        return str(self.path)

    @property
    def warning(self) -> ListWarning | None:
        """Why it cannot be opened, as far as is known."""
        return self._warning

    @property
    def acq(self) -> AcqImage | None:
        """The acquisition while it is open."""
        return self._acq

    @property
    def facts(self) -> FileFacts | None:
        """What is in it: now if it is open, else when it was last looked into."""
        return self._facts if self._acq is None else facts_of(self._acq)

    @property
    def experiment(self) -> Mapping[str, Any]:
        """Experiment metadata by field name, as far as is known. Opens nothing."""
        if self._acq is not None:
            return self._acq.experiment_metadata.get_values()
        return self._facts.experiment if self._facts is not None else {}

    @property
    def calibration(self) -> Calibration | None:
        """Its calibration, None if that is not known yet. Opens nothing."""
        if self._acq is not None:
            return self._acq.calibration
        return self._facts.calibration if self._facts is not None else None

    @property
    def is_dirty(self) -> bool:
        """True if it is open with unsaved changes."""
        return self._acq is not None and self._acq.is_dirty

    def open(self) -> AcqImage:
        """Return the acquisition, opening it if it is not; it stays open until :meth:`close`.

        Raises
        ------
        UnsupportedFileError, FileNotFoundError
            If it cannot be opened; `warning` says so from then on.
        """
        if self._acq is None:
            try:
                self._acq = AcqImage(self.path)
            except (OSError, ValueError) as error:
                self._warning = _warning_of(self.path, error)
                raise
            self._warning = None
        return self._acq

    def adopt(self, acq: AcqImage) -> None:
        """Take an acquisition of this file that was opened elsewhere for the one of this list.

        Raises
        ------
        ValueError
            If it is of another file, or another one is open with unsaved changes.
        """
        if acq.path != self.file_id:
            raise ValueError(f"{acq.path} is not {self.path}")
        if self._acq is not acq and self.is_dirty:
            raise ValueError(f"{self.path.name} is open with unsaved changes already")
        self._acq, self._warning = acq, None

    def close(self) -> bool:
        """Let go of the acquisition; one with unsaved changes stays open.

        Returns
        -------
        bool
            Whether it is closed now.
        """
        if self._acq is not None:
            if self._acq.is_dirty:
                return False
            facts = facts_of(self._acq)
            self._facts = replace(facts, row={**facts.row, "loaded": ""})
            self._acq = None
        return True

    def note(self, found: FileFacts | ListWarning) -> None:
        """Take what :func:`read_facts` found, unless the file is open and so knows better."""
        if self._acq is not None:
            return
        if isinstance(found, ListWarning):
            self._warning, self._facts = found, None
        else:
            self._warning, self._facts = None, found

    def look(self) -> FileFacts | None:
        """Look into the file unless that was done; None if it cannot be opened."""
        if self._acq is None and self._facts is None and self._warning is None:
            self.note(read_facts(self.path))
        return self.facts

    def get_schema_row(self) -> dict[str, Any]:
        """Return its row of the file list; what is not known is None. Opens nothing."""
        facts = self.facts
        return dict(facts.row) if facts is not None else path_row(self.path)

    def get_tree_rows(self) -> list[dict[str, Any]]:
        """Return its rows of the tree; what is not known is None. Opens nothing."""
        facts = self.facts
        if facts is not None:
            return [dict(row) for row in facts.tree]
        ids = {"tree_row_id": self.file_id, "hierarchy_path": [self.file_id]}
        row = {**dict.fromkeys(TREE_COLUMNS), **ids, "tree_row_type": "file"}
        return [row | path_row(self.path)]
