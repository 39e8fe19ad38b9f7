"""What the sidecar files of one acquisition hold, and what is to be written back.

Everything found in the files is remembered as found. What the models know replaces its own place
in it on save; the rest goes back unchanged.
"""

from __future__ import annotations

import json
from copy import deepcopy
from typing import TYPE_CHECKING, Any

from napari_bloodflow.acquisition.analysis_records import analysis_from_record, record_rank
from napari_bloodflow.acquisition.roi import roi_from_dict
from napari_bloodflow.acquisition.sidecar_merge import SidecarContent
from napari_bloodflow.acquisition.sidecar_values import (
    RenderedSidecar,
    RoiRecord,
    SavedResults,
    TableToWrite,
    present_results,
    roi_record,
    same_columns,
    table_columns,
)
from napari_bloodflow.acquisition.stored_tables import StoredTables
from napari_bloodflow.acquisition.table_columns import is_ours, strict_rows
from napari_bloodflow.analysis.registry import parent_name
from napari_bloodflow.errors import SaveError
from napari_bloodflow.problems import Problem
from napari_bloodflow.storage.atomic import file_signature, read_if_there, sha256_of
from napari_bloodflow.storage.recovery import is_being_saved, recover
from napari_bloodflow.storage.sidecar import (
    SIDECAR_VERSION,
    encode_sidecar,
    read_json_object,
    read_sidecar,
    sidecar_path,
)
from napari_bloodflow.storage.tables import read_table, table_path
from napari_bloodflow.storage.transaction import write_transaction

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence
    from pathlib import Path

    import pandas as pd

    from napari_bloodflow.acquisition.metadata import MetadataSection
    from napari_bloodflow.acquisition.roi import ImageBounds, Roi
    from napari_bloodflow.analysis.base import Analysis, AnalysisKey, AnalysisSource

__all__ = [
    "AXES_KEY",
    "PRESENT_KEYS",
    "SidecarState",
]

AXES_KEY = "axes_swapped"
PRESENT_KEYS = frozenset({"calibration_source", AXES_KEY})
"""Keys of our own file that are there only while they hold."""


class SidecarState:
    """The sidecar JSON and the tables of one image, as they are on disk.

    Parameters
    ----------
    image_path : pathlib.Path
        The image they lie beside.
    is_in_memory : bool
        Whether there is no place for them: nothing is read, and nothing can be written.

    Attributes
    ----------
    problems : list of Problem
        What was wrong with them.
    read_only_reason : str
        Why the files must not be written, in words; empty if they may.
    on_disk : dict of pathlib.Path to str or None
        SHA-256 of the files as they were last read or written; None for one that was not there.
    strict_tables : bool
        Whether tables are to be written without our own columns.
    """

    def __init__(self, image_path: Path, *, is_in_memory: bool = False) -> None:
        self.image_path = image_path
        self._is_in_memory = is_in_memory
        self.path = sidecar_path(image_path)
        self.problems: list[Problem] = []
        self.document: dict[str, Any] = {}
        self.needs_backup: set[Path] = set()
        self._is_json_unreadable = self._has_cut_rois = False
        self.read_only_reason = ""
        self.on_disk: dict[Path, str | None] = {}
        self._before_reading: dict[Path, tuple[int, ...] | None] = {}
        self.strict_tables = self._saved_strict_tables = False
        self._private: dict[str, Any] = {}
        self._tables = StoredTables()
        self._saved_results: dict[AnalysisKey, tuple[dict[str, Any], Any]] = {}
        self._roi_records: list[RoiRecord] = []
        # Of ROIs and results that were deleted and saved so, for when that is undone.
        self._gone_rois: dict[int, RoiRecord] = {}
        self._gone_results: dict[AnalysisKey, tuple[dict[str, Any], Any]] = {}
        self._analysis_records: dict[AnalysisKey, Any] = {}
        self._foreign_records: list[Any] = []

    def read(self) -> None:
        """Read the JSON, once a save that was interrupted is settled; never raises for either."""
        if self._is_in_memory:
            self.read_only_reason = "has no file to lie beside: save the image first"
            return
        self.problems.extend(recover(self.image_path))
        for path in (self._private_path, self.path):
            self._before_reading[path] = file_signature(path)
        private = read_json_object(self._private_path)
        self.problems.extend(private.problems)
        self._private = private.document or {}
        strict_tables = self._private.get("strict_tables", False)
        self.strict_tables = self._saved_strict_tables = strict_tables is True
        if not isinstance(strict_tables, bool):
            what = f"is {strict_tables!r}, not true or false"
            self.note_private("strict_tables", what, "taken as false")
        if not private.understood:
            self.needs_backup.add(self._private_path)
        found = read_sidecar(self.path)
        self._remember_hash(self._private_path, private.sha256)
        self._remember_hash(self.path, found.sha256)
        self.problems.extend(found.problems)
        if found.document is not None:
            self.document = found.document
        self._is_json_unreadable = found.document is None and found.sha256 is not None
        self.read_only_reason = found.read_only_reason
        if found.sha256 is not None and not found.understood:
            self.needs_backup.add(self.path)

    def _remember_hash(self, path: Path, sha256: str | None) -> None:
        if sha256 != "":  # that of a file that could not be read
            self.on_disk[path] = sha256

    def is_torn(self) -> bool:
        """Tell whether files were replaced while they were being read."""
        if self._is_in_memory:
            return False
        return is_being_saved(self.image_path) or any(
            file_signature(path) != before for path, before in self._before_reading.items()
        )

    def note(self, where: str, what: str, action: str) -> None:
        """Record a problem of the JSON."""
        self.problems.append(Problem(self.path.name, where, what, action))

    def note_private(self, key: str, what: str, action: str) -> None:
        """Record that an entry of our own file cannot be used; it will be replaced."""
        self.problems.append(Problem(self._private_path.name, key, what, action))
        self.needs_backup.add(self._private_path)

    def note_misshapen(self, key: str, expected: str, action: str) -> None:
        """Record that an entry is of another kind than the format says; it will be replaced."""
        self.note(key, f"is not {expected}", f"{action}; the file is copied before it is replaced")
        self.needs_backup.add(self.path)

    @property
    def can_be_put_right(self) -> bool:
        """Tell whether a file is not as the format says, and would be once it is written again."""
        if self._is_json_unreadable or self.read_only_reason:
            return False
        return self._has_cut_rois or not self.needs_backup.isdisjoint(
            {self.path, self._private_path}
        )

    # ---- into the models

    def section_values(self, key: str, section: MetadataSection) -> None:
        """Put the stored values of a section into it, field by field."""
        stored = self.document.get(key)
        if stored is None:
            return
        if not isinstance(stored, dict):
            self.note_misshapen(key, "an object", "defaults are used")
            return
        editable = {entry.name for entry in section.get_schema().fields if entry.editable}
        for name in editable & stored.keys():
            try:
                section.update_values({name: stored[name]})
            except ValueError as error:
                self.note(f"{key}.{name}", str(error), "the default is used, the value is kept")

    def load_rois(self, bounds: ImageBounds) -> list[Roi]:
        """Return the ROIs that can be used, cut to the image; the others are kept aside."""
        records = self.document.get("rois", [])
        if not isinstance(records, list):
            self.note_misshapen("rois", "a list", "no ROI is loaded")
            return []
        good: dict[int, Roi] = {}
        for index, record in enumerate(records):
            where = f"rois[{index}]"
            try:
                found = roi_from_dict(record)
                if found.roi_id in good:
                    raise ValueError(f"the id {found.roi_id} is already taken")
                roi = found.with_geometry(found.geometry.clamped(bounds))
            except ValueError as error:
                self.note(where, str(error), "this ROI is not shown, its record is kept")
                self._roi_records.append(RoiRecord(record, None))
                continue
            if roi != found:
                self.note(where, f"ROI {roi.roi_id} reaches outside the image", "it was cut to it")
                self._has_cut_rois = True
            good[roi.roi_id] = roi
            self._roi_records.append(RoiRecord(record, roi))
        return list(good.values())

    def greatest_roi_id(self) -> int:
        """Return the greatest ROI id that occurs anywhere in what was read, 0 if none does."""
        ids = [key.roi_id for key in self.content().blocks]
        ids += [key.roi_id for key in self._analysis_records]
        for item in self._roi_records:
            roi_id = item.record.get("roi_id") if isinstance(item.record, dict) else None
            if isinstance(roi_id, int):
                ids.append(roi_id)
        return max(ids, default=0)

    def load_analyses(self, source: AnalysisSource) -> list[Analysis]:
        """Return every analysis record that can be read, with its table."""
        records = self.document.get("analysis", [])
        if not isinstance(records, list):
            self.note_misshapen("analysis", "a list", "no result is loaded")
            return []
        analyses: dict[AnalysisKey, Analysis] = {}
        for index, record in enumerate(records):
            where = f"analysis[{index}]"
            try:
                analysis = analysis_from_record(record, source)
                if analysis.key in analyses:
                    raise ValueError(f"{analysis.key} is there twice")
            except ValueError as error:
                self.note(where, str(error), "this result is not shown, its record is kept")
                self._foreign_records.append(record)
                continue
            analyses[analysis.key] = analysis
            self._analysis_records[analysis.key] = record
            for place, what, action in analysis.stored_problems:
                self.note(f"{where}.{place}", what, action)
        for key in analyses:
            parent = parent_name(key.analysis_name)
            if parent is not None and key._replace(analysis_name=parent) not in analyses:
                self.note(
                    f"analysis: {key}",
                    f"there is no {parent} that it was made from",
                    "it is kept; CloudScope reads neither what follows it nor any table",
                )
        for name in dict.fromkeys(key.analysis_name for key in analyses):
            self._load_table(name, [a for a in analyses.values() if a.key.analysis_name == name])
        return list(analyses.values())

    def _load_table(self, name: str, analyses: Sequence[Analysis]) -> None:
        path = table_path(self.image_path, name)
        self._before_reading[path] = file_signature(path)
        found = read_table(path)
        self._remember_hash(path, found.sha256)
        self.problems.extend(found.problems)
        if found.frame is None:
            if found.sha256 is not None:
                self.needs_backup.add(path)
            return
        if found.foreign is not None:
            self._tables.unkeyed_rows[name] = found.foreign
        num_foreign = self._tables.take(name, found.frame, analyses)
        if num_foreign:
            self.problems.append(
                Problem(
                    path.name,
                    "",
                    f"{num_foreign} rows belong to no analysis of the sidecar",
                    "they are kept in the file",
                )
            )

    def load_other_tables(self, names: Iterable[str]) -> None:
        """Read tables that no record of the document asks for; their rows belong to nothing."""
        for name in names:
            if table_path(self.image_path, name) not in self.on_disk:
                self._load_table(name, [])

    def content(self) -> SidecarContent:
        """Return what the files hold, as it was read or written last."""
        return self._content(self.document, self._tables.all_rows())

    def edited_content(
        self, rendered: RenderedSidecar, edits: dict[str, Any], analyses: Sequence[Analysis]
    ) -> SidecarContent:
        """Return what the files would hold with the user's edits and nothing else.

        Parameters
        ----------
        rendered : RenderedSidecar
            The whole document as it would be written.
        edits : dict
            Other entries of the document that were edited; those of an object go into it.
        analyses : sequence of Analysis
            All analyses of the file.
        """
        document = dict(self.document)
        for name, value in edits.items():
            found = document.get(name)
            if isinstance(value, dict) and isinstance(found, dict):
                value = {**found, **value}
            document[name] = value
        for name in ("rois", "analysis"):
            document[name] = rendered.document[name]
        blocks: dict[AnalysisKey, pd.DataFrame] = {}
        for analysis in analyses:
            key = analysis.key
            stored = self._tables.rows(key)
            table = stored if self._is_as_stored(analysis) else analysis.result.table
            if table is not None:
                blocks[key] = table
        return self._content(document, blocks)

    def _content(
        self, document: dict[str, Any], rows: dict[AnalysisKey, pd.DataFrame]
    ) -> SidecarContent:
        tables = self._tables
        foreign = tables.all_foreign(is_strict=self.strict_tables)
        return SidecarContent(document, rows | foreign, dict(tables.unkeyed_rows), self.private)

    def remember_results(self, analyses: Iterable[Analysis]) -> None:
        """Take the present parameters and results as those on disk."""
        self._saved_results = present_results(analyses)

    def is_saved(self, analysis: Analysis) -> bool:
        """Tell whether parameters and result are those on disk."""
        return _is_unchanged(analysis, self._saved_results.get(analysis.key))

    def _is_as_stored(self, analysis: Analysis) -> bool:
        """Tell the same, also of one that is no longer there because its deletion was saved."""
        key = analysis.key
        return self.is_saved(analysis) or _is_unchanged(analysis, self._gone_results.get(key))

    # ---- out of the models

    def render(
        self,
        *,
        accepted: bool,
        rois: Sequence[Roi],
        sections: dict[str, tuple[MetadataSection, set[str]]],
        contrast: dict[str, Any],
        analyses: Sequence[Analysis],
    ) -> RenderedSidecar:
        """Return the JSON document: what was found, with what changed put in its place.

        Sections come with the names of their edited fields.
        """
        document = deepcopy(self.document)
        document["version"] = SIDECAR_VERSION
        document["accepted"] = accepted
        for key, (section, edited) in sections.items():
            found = document.get(key)
            stored = found if isinstance(found, dict) else {}
            # The fields that were edited, and those the file lacks, go into what it has.
            kept = {k: v for k, v in stored.items() if k not in edited and v is not None}
            document[key] = {**stored, **section.to_dict(), **kept}
        found = document.get("image_contrast")
        document["image_contrast"] = {**(found if isinstance(found, dict) else {}), **contrast}
        roi_records = self._render_rois(rois)
        document["rois"] = [item.record for item in roi_records]
        present = {analysis.key for analysis in analyses}
        records = {
            analysis.key: self._render_analysis(analysis)
            for analysis in sorted(analyses, key=lambda a: record_rank(a.key, present))
        }
        document["analysis"] = [*records.values(), *self._foreign_records]
        return RenderedSidecar(document, roi_records, records)

    def _render_rois(self, rois: Sequence[Roi]) -> list[RoiRecord]:
        """Return the records in the order of the ROIs; unusable ones keep their place."""
        stored = self._gone_rois | self._usable_roi_records()
        fresh = [roi_record(roi, stored.get(roi.roi_id)) for roi in rois]
        present = {roi.roi_id for roi in rois}
        rendered = []
        for item in self._roi_records:
            if item.roi is None:
                rendered.append(item)
            elif item.roi.roi_id in present:
                rendered.append(fresh.pop(0))
        return rendered + fresh

    def _usable_roi_records(self) -> dict[int, RoiRecord]:
        return {item.roi.roi_id: item for item in self._roi_records if item.roi is not None}

    def _render_analysis(self, analysis: Analysis) -> Any:
        stored = self._analysis_records.get(analysis.key, {})
        if self._is_as_stored(analysis):
            return stored
        return {
            **stored,
            **analysis.key._asdict(),
            "detection_params": dict(analysis.detection_params),
            "summary": analysis.result.summary,
        }

    def render_tables(
        self, analyses: Sequence[Analysis], target: Path | None = None
    ) -> dict[Path, bytes]:
        """Return the bytes of :meth:`tables_to_write`."""
        tables = self.tables_to_write(analyses, target)
        return {path: table.encode() for path, table in tables.items()}

    def tables_to_write(
        self, analyses: Sequence[Analysis], target: Path | None = None
    ) -> dict[Path, TableToWrite]:
        """Return whole tables: those that differ from the disk, or all for another image.

        Parameters
        ----------
        analyses : sequence of Analysis
            All analyses of the file.
        target : pathlib.Path, optional
            Image whose tables are wanted, for a copy.
        """
        tables: dict[Path, TableToWrite] = {}
        by_name: dict[str, list[Analysis]] = {}
        for analysis in analyses:
            by_name.setdefault(analysis.key.analysis_name, []).append(analysis)
        strict = self.strict_tables
        for name in dict.fromkeys([*by_name, *self._tables.names]):
            present = by_name.get(name, [])
            stored = self._tables.rows_in(name)
            rows = {a.key: self._rows_to_write(a) for a in present}
            blocks = [(*key[1:], table) for key, table in rows.items() if table is not None]
            unchanged = stored.keys() <= rows.keys() and all(
                self.is_saved(a) and same_columns(rows[a.key], stored.get(a.key)) for a in present
            )
            if (unchanged and target is None) or not (blocks or stored):
                continue
            columns = table_columns(name, [rows for *_, rows in blocks] or stored.values())
            path = table_path(target or self.image_path, name)
            tables[path] = TableToWrite(
                blocks + self._tables.foreign(name, is_strict=strict),
                columns,
                self._tables.unkeyed(name, is_strict=strict),
            )
        return tables

    def _rows_to_write(self, analysis: Analysis) -> pd.DataFrame | None:
        name, result = analysis.key.analysis_name, analysis.result
        if self._is_as_stored(analysis) and not is_ours(result.summary):
            # As found: what is shown may be corrected.
            return self._tables.rows(analysis.key)
        if self.strict_tables and result.table is not None:
            return strict_rows(name, result.summary, result.table)
        return result.table

    def results_to_save(self, analyses: Sequence[Analysis]) -> SavedResults:
        """Return what a save of these analyses leaves on disk, for :meth:`set_saved`."""
        return SavedResults(
            {analysis.key: self._rows_to_write(analysis) for analysis in analyses},
            present_results(analyses),
            self.strict_tables,
        )

    def set_saved(self, rendered: RenderedSidecar, saved: SavedResults) -> None:
        """Take what was just written as what is on disk."""
        self._tables.set_saved(saved.rows)
        self._gone_results |= self._saved_results
        self._saved_results = saved.results
        self._saved_strict_tables = saved.strict_tables
        self.document = rendered.document
        self._gone_rois |= self._usable_roi_records()
        self._roi_records = rendered.roi_records
        self._analysis_records |= rendered.analysis_records
        self.needs_backup.clear()

    def write(self, contents: dict[Path, bytes]) -> None:
        """Write files, all or none, unless they changed since they were read or written.

        Raises
        ------
        FilesChangedError
            If one of them, or one that was read with them, changed. Nothing is written.
        SaveError
            If a file cannot be written.
        """
        if self.read_only_reason:
            raise SaveError(self.path, self.read_only_reason)
        # A file that was never read is not known to be ours.
        unread = contents.keys() - self.on_disk.keys()
        write_transaction(
            self.image_path,
            contents,
            expected=self.on_disk,
            backups=self.needs_backup | unread,
            report=self.problems.append,
        )
        self.on_disk |= {path: sha256_of(data) for path, data in contents.items()}
        if self._private_path in contents:
            self._private = json.loads(contents[self._private_path])

    @staticmethod
    def encode(document: dict[str, Any]) -> bytes:
        """Return the bytes of a document, as they are written."""
        return encode_sidecar(document)

    def all_paths(self) -> list[Path]:
        """Return the paths of the JSON, the tables and the private file, existing or not."""
        if self._is_in_memory:
            return []
        tables = [table_path(self.image_path, name) for name in self._tables.names]
        return [self.path, *tables, self._private_path]

    # ---- what the shared format has no place for

    @property
    def _private_path(self) -> Path:
        return self.image_path.with_name(f"{self.image_path.name}.bloodflow.json")

    @property
    def private(self) -> dict[str, Any]:
        """State of ours that the shared format has no place for."""
        return dict(self._private)

    def render_private(self, state: dict[str, Any]) -> dict[Path, bytes]:
        """Return our own file, if there is anything to keep in it or it exists."""
        if not state and not self._private:
            return {}
        kept = {k: v for k, v in self._private.items() if k not in PRESENT_KEYS}
        return {self._private_path: encode_sidecar({**kept, "version": 1, **state})}

    @property
    def is_dirty(self) -> bool:
        """True if `strict_tables` was changed since the tables were read or written."""
        return self.strict_tables != self._saved_strict_tables

    def is_on_disk(self) -> bool:
        """Tell whether there is a sidecar, and the files are as they were read or written."""
        if self.on_disk.get(self.path) is None:
            return False
        try:
            return all(sha256_of(read_if_there(p)) == found for p, found in self.on_disk.items())
        except OSError:
            return False

    def strict_problems(self) -> list[Problem]:
        """Return which tables are not fit for CloudScope although they are to be strict."""
        if not self.strict_tables:
            return []
        return [
            Problem(
                table_path(self.image_path, name).name,
                "",
                f"has columns that are neither CloudScope's nor ours: {', '.join(columns)}",
                "they are kept; CloudScope cannot save this file once it has run one of its"
                " several ROIs again",
            )
            for name, columns in self._tables.foreign_columns.items()
            if columns
        ]


def _is_unchanged(analysis: Analysis, saved: tuple[dict[str, Any], Any] | None) -> bool:
    result = analysis.result if analysis.has_results else None
    return saved is not None and saved[0] == dict(analysis.detection_params) and saved[1] is result
