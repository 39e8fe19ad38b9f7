"""Many acquisitions: the images of a folder, a list of paths or a CSV manifest."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, overload

from napari_bloodflow.acquisition.file_search import DEFAULT_DEPTH, find_files
from napari_bloodflow.acquisition.list_rows import FILE_LIST_SCHEMA, TREE_COLUMNS
from napari_bloodflow.acquisition.listed_file import ListedFile
from napari_bloodflow.acquisition.metadata import ExperimentMetadata
from napari_bloodflow.analysis.base import Progress
from napari_bloodflow.errors import SaveError, UnsupportedFileError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Sequence
    from pathlib import Path
    from typing import Self

    import pandas as pd

    from napari_bloodflow.acquisition.acq_image import AcqImage
    from napari_bloodflow.acquisition.file_search import FoundFile, ListWarning
    from napari_bloodflow.schema import Schema

__all__ = ["OWN_COLUMNS", "AcqImageList", "SaveReport", "save_acquisitions"]

OWN_COLUMNS = ("num_stale", "num_problems", "warning")
"""Columns of :meth:`AcqImageList.to_table` beside those of the schema."""


@dataclass(frozen=True, slots=True)
class SaveReport:
    """What became of files that were to be saved.

    Parameters
    ----------
    saved : tuple of pathlib.Path
        The images whose sidecar files were written.
    failed : tuple of SaveError
        Why the others were not; their changes are still there.
    not_reached : tuple of pathlib.Path
        Those that were left when it was cancelled.
    """

    saved: tuple[Path, ...] = ()
    failed: tuple[tuple[Path, SaveError], ...] = ()
    not_reached: tuple[Path, ...] = ()


class AcqImageList:
    """The acquisitions of a folder, of a list of paths, or of a CSV manifest.

    Making the list opens no file. Indexing and iterating open one after the other, and raise
    where one cannot be opened; :meth:`load_safe` makes a list without those. A file that is open
    stays so until its :meth:`ListedFile.close`.

    Parameters
    ----------
    source : path-like or iterable of path-like
        A folder; a ``.csv`` file with a column ``_rel_path``; an image or a file beside one; or
        several of these. See :func:`~napari_bloodflow.acquisition.file_search.find_files`.
    folder_depth : int
        Levels of folders to search; 1 is the folder itself.

    Raises
    ------
    FileNotFoundError
        If the source, or an image that it names, does not exist.
    UnsupportedFileError
        (a ValueError) if it names a file of another kind.
    ValueError
        If a manifest cannot be understood; the text names its line.
    """

    def __init__(
        self, source: str | Path | Iterable[str | Path], *, folder_depth: int = DEFAULT_DEPTH
    ) -> None:
        found, warnings = find_files(source, folder_depth)
        self._fill(found, warnings)
        for warning in self.warnings:
            if warning.error_type == "missing_file":
                raise FileNotFoundError(2, warning.message, warning.resolved_path or warning.path)
            if warning.error_type == "unsupported_file_type":
                raise UnsupportedFileError(warning.path, warning.message)
            if warning.error_type == "csv_error":
                raise ValueError(str(warning))

    def _fill(self, found: Sequence[FoundFile], warnings: Sequence[ListWarning]) -> None:
        self._files = tuple(ListedFile(file.path, file.warning) for file in found)
        self._warnings = tuple(warnings)

    @classmethod
    def load_safe(
        cls,
        source: str | Path | Iterable[str | Path],
        *,
        folder_depth: int = DEFAULT_DEPTH,
        open_files: bool = True,
        progress: Callable[[Progress], object] | None = None,
        is_cancelled: Callable[[], bool] | None = None,
    ) -> Self:
        """Make a list in which what cannot be used is a warning, and the rest works.

        Parameters
        ----------
        source, folder_depth
            As for the list itself.
        open_files : bool
            Look into every file now, so that all warnings are known; the files are not kept open.
            False leaves it to who needs them.
        progress : callable, optional
            Called with a :class:`~napari_bloodflow.analysis.base.Progress` before each file.
        is_cancelled : callable, optional
            Asked between files; returning True ends it with the files that were found so far.

        Raises
        ------
        FileNotFoundError
            If there is no such source.
        """
        self = cls.__new__(cls)
        self._fill(*find_files(source, folder_depth, is_cancelled))
        if open_files:
            for number, file in enumerate(self._files):
                if is_cancelled is not None and is_cancelled():
                    self._files = self._files[:number]
                    break
                if progress is not None:
                    progress(Progress(number, len(self._files), file.path.name))
                file.look()
        return self

    def __repr__(self) -> str:
        bad = len(self._files) - len(self)
        more = f", {bad} cannot be used" if bad else ""
        return f"AcqImageList({len(self)} files{more})"

    # ---- acquisitions

    @property
    def files(self) -> tuple[ListedFile, ...]:
        """All entries in order, those that cannot be used too."""
        return self._files

    def shuffled(self, seed: int) -> tuple[ListedFile, ...]:
        """Return all entries in an order that only chance decides, for unbiased scoring.

        The same seed gives the same order tomorrow and on another computer: it depends on the
        names of files and their folders, not on where these are. Files that are added later take
        places between the others and leave their order alone.

        Parameters
        ----------
        seed : int
            Which of the possible orders.
        """
        return tuple(sorted(self._files, key=lambda file: _drawn_lot(file.path, seed)))

    @property
    def warnings(self) -> tuple[ListWarning, ...]:
        """What cannot be used, as far as is known: of files, then of rows and folders."""
        of_files = (file.warning for file in self._files if file.warning is not None)
        return (*of_files, *self._warnings)

    @property
    def _usable(self) -> list[ListedFile]:
        return [file for file in self._files if file.warning is None]

    def __len__(self) -> int:
        return len(self._usable)

    @overload
    def __getitem__(self, index: int) -> AcqImage: ...
    @overload
    def __getitem__(self, index: slice) -> list[AcqImage]: ...
    def __getitem__(self, index: int | slice) -> AcqImage | list[AcqImage]:
        if isinstance(index, slice):
            return [file.open() for file in self._usable[index]]
        return self._usable[index].open()

    def __iter__(self) -> Iterator[AcqImage]:
        for file in self._usable:
            yield file.open()

    def find(self, file_id: str | Path) -> ListedFile | None:
        """Return the entry of a file by its id (its path), or None."""
        wanted = str(file_id)
        return next((file for file in self._files if file.file_id == wanted), None)

    def get_by_id(self, file_id: str | Path) -> AcqImage:
        """Return an acquisition by its id, opening it.

        Raises
        ------
        KeyError
            If the list has no such file.
        """
        file = self.find(file_id)
        if file is None:
            raise KeyError(f"{file_id} is not in this list of {len(self._files)} files")
        return file.open()

    # ---- tables

    @staticmethod
    def get_schema() -> Schema:
        """Return the columns of the file list."""
        return FILE_LIST_SCHEMA

    def get_schema_rows(self) -> list[dict[str, Any]]:
        """Return one row per file, by column name, looking into files that were not yet."""
        for file in self._files:
            file.look()
        return [file.get_schema_row() for file in self._files]

    def get_tree_rows(self) -> list[dict[str, Any]]:
        """Return for each file its row and one per analysis, looking into files."""
        for file in self._files:
            file.look()
        return [row for file in self._files for row in file.get_tree_rows()]

    def to_table(self) -> pd.DataFrame:
        """Return the file list as a table, looking into files that were not yet.

        Returns
        -------
        DataFrame
            The columns of :meth:`get_schema`, then `OWN_COLUMNS`: stale results, problems, and
            why a file cannot be opened (empty if it can; its other columns are then missing).
        """
        import pandas as pd

        rows = self.get_schema_rows()
        for row, file in zip(rows, self._files, strict=True):
            facts = file.facts
            row["num_stale"] = len(facts.stale) if facts else None
            row["num_problems"] = len(facts.problems) if facts else None
            row["warning"] = file.warning.message if file.warning else ""
        table = pd.DataFrame(rows, columns=[*FILE_LIST_SCHEMA.names, *OWN_COLUMNS])
        whole = ["num_channels", "num_rois", "num_stale", "num_problems"]
        return table.astype(dict.fromkeys(whole, "Int64") | {"accept": "boolean"})

    def to_tree_table(self) -> pd.DataFrame:
        """Return :meth:`get_tree_rows` as a table."""
        import pandas as pd

        table = pd.DataFrame(self.get_tree_rows(), columns=[*TREE_COLUMNS, *FILE_LIST_SCHEMA.names])
        whole = ["channel", "roi_id", "num_channels", "num_rois"]
        return table.astype(dict.fromkeys(whole, "Int64") | {"accept": "boolean"})

    def get_field_values(self, field_name: str) -> list[str]:
        """Return the values that an experiment field has in this list, for pick-lists.

        Only files that were opened or looked into count.

        Parameters
        ----------
        field_name : str
            A field of :class:`~napari_bloodflow.acquisition.metadata.ExperimentMetadata`.

        Returns
        -------
        list of str
            Sorted, without duplicates and blanks.

        Raises
        ------
        KeyError
            If there is no such field.
        """
        ExperimentMetadata.get_schema()[field_name]
        values = {file.experiment.get(field_name) for file in self._files}
        return sorted((str(v) for v in values if v not in ("", None)), key=str.casefold)

    # ---- saving

    @property
    def dirty_files(self) -> tuple[ListedFile, ...]:
        """Files that are open with unsaved changes."""
        return tuple(file for file in self._files if file.is_dirty)

    def save_selected(
        self,
        files: Iterable[ListedFile],
        *,
        progress: Callable[[Progress], object] | None = None,
        is_cancelled: Callable[[], bool] | None = None,
    ) -> SaveReport:
        """Save those of some files that have unsaved changes; one that fails stops no other.

        Parameters
        ----------
        files : iterable of ListedFile
            Which.
        progress : callable, optional
            Called with a :class:`~napari_bloodflow.analysis.base.Progress` before each file.
        is_cancelled : callable, optional
            Asked between files; returning True leaves the rest unsaved.
        """
        open_ones = [file.acq for file in files if file.acq is not None]
        return save_acquisitions(open_ones, progress=progress, is_cancelled=is_cancelled)

    def save_all(
        self,
        *,
        progress: Callable[[Progress], object] | None = None,
        is_cancelled: Callable[[], bool] | None = None,
    ) -> SaveReport:
        """Save every file that has unsaved changes, see :meth:`save_selected`."""
        return self.save_selected(self._files, progress=progress, is_cancelled=is_cancelled)


def _drawn_lot(path: Path, seed: int) -> bytes:
    name = f"{seed}/{'/'.join(path.parts[-2:])}"
    return hashlib.sha256(name.encode("utf-8", "surrogateescape")).digest()


def save_acquisitions(
    acqs: Iterable[AcqImage],
    *,
    progress: Callable[[Progress], object] | None = None,
    is_cancelled: Callable[[], bool] | None = None,
) -> SaveReport:
    """Save those of some acquisitions that have unsaved changes; one that fails stops no other.

    Parameters are those of :meth:`AcqImageList.save_selected`.
    """
    report = SaveReport()
    dirty = [acq for acq in acqs if acq.is_dirty]
    for number, acq in enumerate(dirty):
        if is_cancelled is not None and is_cancelled():
            return replace(report, not_reached=tuple(a.image_path for a in dirty[number:]))
        if progress is not None:
            progress(Progress(number, len(dirty), acq.name))
        try:
            acq.save()
        except SaveError as error:
            report = replace(report, failed=(*report.failed, (acq.image_path, error)))
        else:
            report = replace(report, saved=(*report.saved, acq.image_path))
    return report
