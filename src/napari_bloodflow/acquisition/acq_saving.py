"""The part of an acquisition that deals with its sidecar files and with exports."""

from __future__ import annotations

from abc import ABC, abstractmethod
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from psygnal import Signal

from napari_bloodflow.acquisition.scitiff_export import export_scitiff
from napari_bloodflow.storage.tables import table_path

if TYPE_CHECKING:
    from napari_bloodflow.acquisition.acq_files import AcqFiles
    from napari_bloodflow.acquisition.acq_models import AcqModels
    from napari_bloodflow.acquisition.pending_save import PendingCopy, PendingSave
    from napari_bloodflow.analysis.base import AnalysisKey

__all__ = ["AcqSaving"]


class AcqSaving(ABC):
    """Saves an acquisition; :class:`AcqImage` is the whole of it.

    Attributes
    ----------
    changed : psygnal.Signal
        Emitted after any change of the model, and after a save.
    """

    changed = Signal()

    _models: AcqModels
    _files: AcqFiles

    @property
    def is_in_memory(self) -> bool:
        """True if the image has no file: sidecar files cannot be saved before :meth:`save_as`."""
        return self._files.is_in_memory

    @abstractmethod
    def _reload(self) -> None:
        """Read the files again, keeping what is known of earlier saves."""

    @property
    def is_dirty(self) -> bool:
        """True if anything differs from what is on disk."""
        return self._files.is_dirty

    # ---- velocities of other programs

    @property
    def reciprocal_velocities(self) -> tuple[AnalysisKey, ...]:
        """The analyses whose stored velocities are the reciprocal of the speed.

        They are shown as the speed; the files keep them until :meth:`repair_velocity`.
        """
        return self._models.velocity_check.reciprocal

    def repair_velocity(self) -> tuple[AnalysisKey, ...]:
        """Have the next save write the speed in place of its reciprocal.

        The old values stay in a column ``velocity_as_found`` and under ``as_found`` in the
        summary, and the files are copied before they are replaced.

        Returns
        -------
        tuple of AnalysisKey
            What was repaired, see `reciprocal_velocities`.
        """
        keys = self._models.velocity_check.repair()
        for key in keys:
            self._files.state.needs_backup |= {
                self._files.state.path,
                table_path(self._models.images.path, key.analysis_name),
            }
        return keys

    # ---- files

    def get_sidecar_json_path(self) -> str:
        """Return the path of the sidecar, ``<path>.json``, whether it exists or not."""
        return str(self._files.state.path)

    def get_sidecar_paths(self) -> list[Path]:
        """Return the sidecar files that exist: the JSON, then the tables."""
        return [path for path in self._files.state.all_paths() if path.exists()]

    def save_sidecar_json(self) -> None:
        """Write the sidecar alone, without the tables.

        Raises
        ------
        FilesChangedError
            (a SaveError) if another program changed a file since it was read.
        SaveError
            If it cannot be written; the old one is then still there.
        """
        if self._files.save_json():
            self.changed.emit()

    def save(
        self,
        *,
        keep: Literal["mine", "both"] | None = None,
        strict_tables: bool | None = None,
    ) -> None:
        """Write the sidecar and all tables that changed; the image is not touched.

        All files change together or, whatever happens, none does. One that holds what is to be
        saved already is not touched, and none is if nothing was edited. What another program
        changed in the files since they were read is kept: its changes and those made here are
        saved together and loaded, and `problems` tells.

        Parameters
        ----------
        keep : {"mine", "both"}, optional
            What to do where both changed the same thing. ``"mine"`` saves what was changed here
            and keeps a backup of the files. ``"both"`` leaves what is on disk and adds a ROI of
            mine with its results as a new ROI; other values of mine go into a copy of the
            sidecar, ``<file>.json.mine-<UTC time>``. By default nothing is decided.
        strict_tables : bool, optional
            Set `strict_tables` first. By default it stays as it is.

        Raises
        ------
        SidecarConflict
            (a SaveError) if another program changed the same thing and `keep` is not given.
        SaveError
            If a file cannot be written, or was written by a newer program; everything is still
            unsaved then.
        """
        if strict_tables is not None:
            self.strict_tables = strict_tables
        if self._files.save(keep, self._reload):
            self.changed.emit()

    def begin_save(self) -> PendingSave | None:
        """Take what :meth:`save` would write now; None if there is nothing to write.

        Its `write` is the slow part and may be called in any thread, while the acquisition is
        edited in its own. :meth:`finish_save` then takes it as saved; until then everything is
        unsaved. Another save, or loading again, waits for it.
        """
        return self._files.begin_save()

    def finish_save(self, *, keep: Literal["mine", "both"] | None = None) -> bool:
        """End what :meth:`begin_save` began, writing it if that was not done.

        What was edited since then is still unsaved, unless another program changed the files: then
        all edits are saved together with its changes. Parameters and errors are those of
        :meth:`save`.

        Returns
        -------
        bool
            False if no save was begun, or another one has ended it; nothing is done then.
        """
        is_ended = self._files.finish_save(keep, self._reload)
        if is_ended:
            self.changed.emit()
        return is_ended

    @property
    def needs_rewrite(self) -> bool:
        """True if a file is not as its format says, and :meth:`rewrite` puts that right."""
        return self._files.state.can_be_put_right

    def rewrite(self) -> dict[Path, Path]:
        """Write the files again from what was understood, and what was edited.

        What is missing gets its default, what is of a wrong kind is replaced, and ROIs are cut to
        the image. What could not be used is kept as it is. Load again to see which problems stay.

        Returns
        -------
        dict of pathlib.Path to pathlib.Path
            The files that were replaced, each with the copy of what it held.

        Raises
        ------
        FilesChangedError
            (a SaveError) if another program changed a file since it was read.
        SaveError
            If a file cannot be written, or was written by a newer program.
        """
        copies = self._files.rewrite()
        self.changed.emit()
        return copies

    @property
    def strict_tables(self) -> bool:
        """Whether tables are written without our own columns, for folders shared with CloudScope.

        CloudScope cannot save after one of several ROIs was run again if a table has further
        columns than its own. What is left out (`columns_left_out`) stays in memory until the
        image is loaded again. Kept in ``<path>.bloodflow.json`` by the next save.
        """
        return self._files.state.strict_tables

    @strict_tables.setter
    def strict_tables(self, value: bool) -> None:
        if bool(value) != self._files.state.strict_tables:
            self._files.state.strict_tables = bool(value)
            self.changed.emit()

    @property
    def columns_left_out(self) -> tuple[str, ...]:
        """Columns of the present results that strict tables leave out, empty if not strict."""
        return self._models.own_columns() if self.strict_tables else ()

    @property
    def read_only_reason(self) -> str:
        """Why the sidecar files cannot be saved (a newer program wrote them); empty if they can.

        :meth:`save_copy` works all the same.
        """
        return self._files.state.read_only_reason

    def save_copy(self, sidecar: str | Path) -> list[Path]:
        """Write the present state as the sidecar files of another name; nothing becomes clean.

        Parameters
        ----------
        sidecar : path-like
            ``<name>.json``; the tables become ``<name>.<analysis>.csv`` beside it.

        Returns
        -------
        list of pathlib.Path
            What was written.

        Raises
        ------
        SaveError
            If one of the files exists, or cannot be written.
        """
        return self.begin_copy(sidecar).write()

    def begin_copy(self, sidecar: str | Path) -> PendingCopy:
        """Take what :meth:`save_copy` would write now; its `write` may be called in any thread.

        Parameters are those of :meth:`save_copy`.
        """
        return self._files.begin_copy(sidecar)

    def export_scitiff(self, path: str | Path, *, overwrite: bool = False) -> tuple[str, ...]:
        """Write the image as SciTiff, with calibration, ROIs and summaries of the results.

        The lines of a kymograph go along ``t``. Every release of the package ``scitiff`` reads the
        file with its metadata, and ImageJ with its calibration; only what a SciTiff image had
        itself may ask for a later release. ROIs and results are JSON texts in ``extra``. The image
        itself, and any other that is no export, is never replaced.

        Parameters
        ----------
        path : path-like
            A ``.tif`` or ``.tiff`` file.
        overwrite : bool
            Whether an earlier export of that name is replaced.

        Returns
        -------
        tuple of str
            What could not be written as it is, such as a coordinate; empty if all was.

        Raises
        ------
        SaveError
            If the path is taken, or the file cannot be written or does not read back the same;
            what was there before is still there.
        ImageReadError
            If the pixels cannot be decoded.
        """
        document = self._models.render(self._files.state).document
        return export_scitiff(self._models.images, document, Path(path), overwrite=overwrite)
