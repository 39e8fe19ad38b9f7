"""One acquisition file with everything kept beside it."""

from __future__ import annotations

from collections import deque
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from psygnal import Signal

from napari_bloodflow.acquisition.acq_models import AcqModels
from napari_bloodflow.acquisition.calibration_choice import (
    calibration_patch,
    uneven_steps,
)
from napari_bloodflow.acquisition.contrast import default_color_lut
from napari_bloodflow.acquisition.history import EditHistory, EditState
from napari_bloodflow.acquisition.images import AcqImages
from napari_bloodflow.acquisition.list_rows import FILE_LIST_SCHEMA, schema_row, tree_rows
from napari_bloodflow.acquisition.merged_save import save_merged
from napari_bloodflow.acquisition.metadata import (
    AcqImageHeader,
    ExperimentMetadata,
    MetadataSection,
)
from napari_bloodflow.acquisition.paths import can_be_opened, unsupported_reason
from napari_bloodflow.acquisition.roi import LineROI, RectROI
from napari_bloodflow.acquisition.scitiff_export import export_scitiff
from napari_bloodflow.acquisition.scitiff_layers import scitiff_problems
from napari_bloodflow.acquisition.sidecar_state import RenderedSidecar, SidecarState
from napari_bloodflow.analysis.analysis_set import AnalysisSet
from napari_bloodflow.analysis.base import AnalysisInputs, AnalysisState
from napari_bloodflow.errors import (
    FilesChangedError,
    RoiKindError,
    SaveError,
    UnknownPlaneError,
    UnknownRoiError,
    UnsupportedFileError,
)
from napari_bloodflow.storage.atomic import back_up, read_if_there
from napari_bloodflow.storage.sidecar import image_path_of_sidecar, sidecar_path
from napari_bloodflow.storage.tables import table_path
from napari_bloodflow.storage.transaction import write_transaction

if TYPE_CHECKING:
    from collections.abc import Iterator

    from numpy.typing import NDArray

    from napari_bloodflow.acquisition.contrast import ImageContrast
    from napari_bloodflow.acquisition.roi_set import RoiSet, RoiSetChange
    from napari_bloodflow.acquisition.sidecar_merge import SidecarContent
    from napari_bloodflow.analysis.base import AnalysisKey
    from napari_bloodflow.calibration import Calibration
    from napari_bloodflow.problems import Problem
    from napari_bloodflow.schema import Schema

__all__ = ["AcqImage"]

_REMEMBERED_SAVES = 20
"""Earlier contents that are told from new ones when another program brings them back."""

_READING_ATTEMPTS = 5
"""Readings after which files that another program is saving are taken as they are."""


class AcqImage:
    """One acquisition: image, ROIs, metadata, contrast, analyses.

    The constructor reads the image header and then the sidecar files beside the image, item by
    item: what cannot be used is listed in `problems` and kept in the files. It reads no pixels
    and runs no analysis. Planes are ``(Y, X)`` = (line number, position along the line).

    Parameters
    ----------
    path : path-like
        A ``.tif``, ``.tiff`` or ``.czi`` file, or the ``.xml`` that Prairie View wrote beside TIFF
        files. It is opened read-only and never written. Where each channel of a scan is a file of
        its own (``scan_C001.tif``, ``scan_C002.tif``), any of them opens all of them as channels
        of the first.

    Attributes
    ----------
    changed : psygnal.Signal
        Emitted after any change of the model, and after a save.
    calibration_changed : psygnal.Signal
        Emitted with the new :class:`~napari_bloodflow.calibration.Calibration`.
    reloaded : psygnal.Signal
        Emitted after everything was read from disk again, before `changed`.

    Raises
    ------
    UnsupportedFileError
        (a ValueError) if the extension is not supported or the file holds no kymograph.
    FileNotFoundError
        If there is no such file.
    """

    changed = Signal()
    calibration_changed = Signal(object)
    reloaded = Signal()

    def __init__(self, path: str | Path) -> None:
        file = Path(path).expanduser().resolve()
        if not can_be_opened(file):
            raise UnsupportedFileError(file, unsupported_reason(file))
        self._models = AcqModels(AcqImages(file), AnalysisSet(self))
        self._images = self._models.images
        self._path = self._images.path
        self._rois = self._models.rois
        self._analysis_set = self._models.analysis_set
        self._past: deque[SidecarContent] = deque(maxlen=_REMEMBERED_SAVES)
        self._is_loading = False
        self._connect()
        self._history = EditHistory(self._models.capture, self._restore_edits)
        self.changed.connect(self._history.record)
        self.load_sidecar_json()

    def __repr__(self) -> str:
        return (
            f"AcqImage({self.name!r}, {self._images.dims} {self._images.shape}, "
            f"{self._rois.num_rois} ROIs, {len(self._analysis_set)} analyses)"
        )

    # ---- identity and state

    @property
    def path(self) -> str:
        """Resolved absolute path of the image; of a file per channel that of the first."""
        return str(self._path)

    @property
    def image_path(self) -> Path:
        """The same as a :class:`pathlib.Path`."""
        return self._path

    @property
    def file_id(self) -> str:
        """Stable id of the file: its path."""
        return self.path

    @property
    def name(self) -> str:
        """File name for display."""
        return self._path.name

    @property
    def images(self) -> AcqImages:
        """Pixels and header."""
        return self._images

    @property
    def rois(self) -> RoiSet:
        """ROIs, shared by all channels."""
        return self._rois

    @property
    def analysis_set(self) -> AnalysisSet:
        """Analyses of this file."""
        return self._analysis_set

    @property
    def experiment_metadata(self) -> ExperimentMetadata:
        """What was imaged."""
        return self._models.experiment

    @property
    def header(self) -> AcqImageHeader:
        """Shape and calibration."""
        return self._images.header

    @property
    def history(self) -> EditHistory:
        """Undo and redo of edits of ROIs, metadata, calibration and the mark, since the load."""
        return self._history

    @property
    def problems(self) -> tuple[Problem, ...]:
        """What was wrong with the image's metadata and the files beside it, and what was done."""
        return (
            *scitiff_problems(self._images),
            *self._state.problems,
            *self._state.strict_problems(),
            *self._models.doubtful_calibration(),
        )

    @property
    def accepted(self) -> bool:
        """The curator's mark."""
        return self._models.accepted

    @accepted.setter
    def accepted(self, value: bool) -> None:
        if bool(value) != self._models.accepted:
            self._models.accepted = bool(value)
            self.changed.emit()

    @property
    def is_dirty(self) -> bool:
        """True if anything differs from what is on disk."""
        return self._models.is_dirty or self._state.is_dirty

    # ---- calibration

    @property
    def calibration(self) -> Calibration:
        """Seconds per line and micrometres per pixel, with their source."""
        return self._models.calibration

    def get_image_physical_units(self) -> tuple[float, float]:
        """Return ``(step_y, step_x)``: time of a line and pixel size, in the header's units.

        ``calibration`` gives the same in seconds and micrometres, with the source.
        """
        return self._images.get_image_physical_units()

    @property
    def calibration_doubts(self) -> tuple[str, ...]:
        """What is hard to believe in the calibration, in words; empty if nothing is."""
        return self._models.calibration_doubts

    @property
    def calibration_report(self) -> tuple[str, ...]:
        """Every calibration that was found, and what became of it, one line each."""
        return self._models.calibration_report

    @property
    def calibration_choices(self) -> tuple[Calibration, ...]:
        """The calibrations of the image and of the sidecar while they disagree, else empty.

        That of the image is used until :meth:`set_calibration` decides.
        """
        return self._models.calibration_choices

    def set_calibration(self, dt_s: float, dx_um: float) -> None:
        """Set the calibration by hand.

        Parameters
        ----------
        dt_s : float
            Seconds per line.
        dx_um : float
            Micrometres per pixel.

        Raises
        ------
        ValueError
            If a step is not a finite number above zero.
        """
        self.apply_metadata_patch(
            AcqImageHeader.metadata_section_id, calibration_patch(dt_s, dx_um)
        )
        if self._models.calibration_source != "user":
            self._on_header_changed()

    # ---- contrast

    def get_image_contrast(self, channel: int) -> ImageContrast | None:
        """Return the display state of a channel, or None if it has none yet."""
        return self._models.contrast.get(channel)

    def set_image_contrast(self, channel: int, contrast: ImageContrast) -> None:
        """Keep a copy of a display state for a channel.

        Raises
        ------
        ValueError
            If the channel does not exist.
        """
        self._check_channel(channel)
        if self._models.contrast.set(channel, contrast):
            self.changed.emit()

    def ensure_image_contrast_from_plane(
        self,
        channel: int,
        plane: NDArray[Any],
        *,
        default_color_lut: str = "Gray",
        percentile_low: float = 1.0,
        percentile_high: float = 99.5,
    ) -> ImageContrast:
        """Return the display state of a channel, seeding it from a plane if it has none.

        Seeding is not a change to be saved.

        Parameters
        ----------
        channel : int
            Channel, from 0.
        plane : ndarray, shape (time, position)
            Pixels to seed from.
        default_color_lut : str
            Colour map if it is seeded.
        percentile_low, percentile_high : float
            Ends of the seeded window, per cent of pixels.

        Raises
        ------
        ValueError
            If the channel does not exist or the plane is empty.
        """
        self._check_channel(channel)
        return self._models.contrast.seed(
            channel,
            plane,
            color_lut=default_color_lut,
            percentile_low=percentile_low,
            percentile_high=percentile_high,
        )

    def ensure_image_contrast(self, channel: int) -> ImageContrast:
        """Return the display state of a channel, seeding it from its first plane."""
        existing = self.get_image_contrast(channel)
        if existing is not None:
            return existing
        lut = default_color_lut(channel, self._images.num_colours)
        plane = self._images.get_slice(channel)
        return self.ensure_image_contrast_from_plane(channel, plane, default_color_lut=lut)

    # ---- metadata

    def get_metadata_sections(self) -> tuple[MetadataSection, ...]:
        """Return the experiment section and the header section."""
        return self._models.sections

    def get_metadata_section(self, section_id: str) -> MetadataSection:
        """Return a section by its id.

        Raises
        ------
        ValueError
            If there is no such section.
        """
        for section in self.get_metadata_sections():
            if section.metadata_section_id == section_id:
                return section
        known = ", ".join(s.metadata_section_id for s in self.get_metadata_sections())
        raise ValueError(f"there is no metadata section {section_id!r}; there are {known}")

    def apply_metadata_patch(self, section_id: str, patch: dict[str, Any]) -> None:
        """Edit fields of a section, all or none.

        Raises
        ------
        KeyError
            If a field does not exist.
        ValueError
            If the section does not exist, a field is read-only or a value does not fit.
        """
        self.get_metadata_section(section_id).update_values(patch)

    # ---- lists

    @staticmethod
    def get_schema() -> Schema:
        """Return the columns of the file list."""
        return FILE_LIST_SCHEMA

    def get_schema_row(self) -> dict[str, Any]:
        """Return this file's row of the file list, by column name."""
        return schema_row(self)

    def get_tree_rows(self) -> list[dict[str, Any]]:
        """Return one row for the file, then one per analysis in order of creation."""
        return tree_rows(self)

    def get_default_channel(self) -> int:
        """Return the first channel."""
        return self._images.default_channel

    def get_default_roi(self) -> int | None:
        """Return the id of the first ROI, or None."""
        return next(iter(self._rois.get_roi_ids()), None)

    # ---- pixels

    def get_roi_image(self, channel: int, roi_id: int, z: int = 0, t: int = 0) -> NDArray[Any]:
        """Return the pixels of a rectangular ROI at full resolution.

        Parameters
        ----------
        channel : int
            Channel, from 0.
        roi_id : int
            A rectangle.
        z, t : int
            Plane, the first by default.

        Returns
        -------
        ndarray, shape (time, position)
            Read-only.

        Raises
        ------
        UnknownRoiError
            (a ValueError) if there is no such ROI.
        UnknownPlaneError
            (a ValueError) if the channel, z or t does not exist.
        RoiKindError
            (a TypeError) if the ROI is a line.
        """
        return self._images.get_roi_rect_image(channel, self._rectangle(roi_id).bounds, z, t)

    def get_analysis_inputs(self, channel: int, roi_id: int) -> AnalysisInputs:
        """Gather pixels, calibration and geometry for a measurement.

        Raises
        ------
        UnknownRoiError, UnknownPlaneError, RoiKindError
            As :meth:`get_roi_image`.
        """
        self._check_channel(channel)
        image = self.get_roi_image(channel, roi_id)
        state = self._analysis_state(self._rectangle(roi_id), channel)
        row_start, row_stop, col_start, col_stop = state.roi_bounds
        uneven = uneven_steps(self._images.scitiff, self.calibration).cut(
            slice(row_start, row_stop), slice(col_start, col_stop)
        )
        return AnalysisInputs(image, state, uneven=uneven)

    def get_analysis_state(
        self, channel: int, roi_id: int, *, with_pixels: bool = True
    ) -> AnalysisState | None:
        """Return what a measurement depends on; None if its ROI is gone.

        Parameters
        ----------
        channel, roi_id : int
            What is measured.
        with_pixels : bool
            Whether to look at the pixels, for their fingerprint.
        """
        roi = self._rois.get(roi_id)
        if not isinstance(roi, RectROI) or not 0 <= channel < self._images.num_channels:
            return None
        return self._analysis_state(roi, channel if with_pixels else None)

    def _analysis_state(self, roi: RectROI, channel: int | None) -> AnalysisState:
        box, plane = roi.bounds, self._images.bounds
        return AnalysisState(
            self.calibration,
            (box.row_start, box.row_stop, box.col_start, box.col_stop),
            (plane.num_rows, plane.num_columns),
            "" if channel is None else self._images.fingerprint(channel),
        )

    def _rectangle(self, roi_id: int) -> RectROI:
        roi = self._rois.get(roi_id)
        if roi is None:
            raise UnknownRoiError(roi_id, self._rois.get_roi_ids(), self.name)
        if isinstance(roi, LineROI):
            raise RoiKindError(
                f"{self.name}: ROI {roi_id} is a line; an analysis needs a rectangle"
            )
        return roi

    def _check_channel(self, channel: int) -> None:
        count = self._images.num_channels
        if not 0 <= channel < count:
            have = "channel 0 only" if count == 1 else f"channels 0 to {count - 1}"
            raise UnknownPlaneError(f"{self.name}: there is no channel {channel}; it has {have}")

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
            self._state.needs_backup |= {
                self._state.path,
                table_path(self._path, key.analysis_name),
            }
        return keys

    # ---- files

    def get_sidecar_json_path(self) -> str:
        """Return the path of the sidecar, ``<path>.json``, whether it exists or not."""
        return str(self._state.path)

    def get_sidecar_paths(self) -> list[Path]:
        """Return the sidecar files that exist: the JSON, then the tables."""
        return [path for path in self._state.all_paths() if path.exists()]

    def load_sidecar_json(self) -> None:
        """Read the sidecar and its tables again, dropping what was not saved.

        A bad file leaves a working object and entries in `problems`; so does a save that was
        interrupted, which is completed or undone first.
        """
        self._past.clear()
        self._reload()

    def _reload(self) -> None:
        with self._quietly():
            for _ in range(_READING_ATTEMPTS):
                self._state = SidecarState(self._path)
                self._models.load(self._state, self)
                if not self._state.is_torn():
                    break
        self._history.clear()
        self.reloaded.emit()
        self.calibration_changed.emit(self.calibration)
        self.changed.emit()

    @contextmanager
    def _quietly(self) -> Iterator[None]:
        """Load without taking the loaded values for edits."""
        self._is_loading = True
        try:
            yield
        finally:
            self._is_loading = False

    def save_sidecar_json(self) -> None:
        """Write the sidecar alone, without the tables.

        Raises
        ------
        FilesChangedError
            (a SaveError) if another program changed a file since it was read.
        SaveError
            If it cannot be written; the old one is then still there.
        """
        if not self.is_dirty and self._state.is_on_disk():
            return
        contents = self._contents(self._models.render(self._state))
        self._state.write(contents)
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
        is_edited = self.is_dirty
        if not is_edited and self._state.is_on_disk():
            return
        analyses = self._analysis_set.as_list()
        rendered = self._models.render(self._state)
        contents = {**self._state.render_tables(analyses), **self._contents(rendered)}
        before = self._state.content()
        try:
            self._state.write(contents)
        except FilesChangedError:
            mine = None
            if is_edited:
                mine = self._state.edited_content(rendered, self._models.edits(), analyses)
                mine.private.pop("calibration_source", None)
                mine.private |= self._models.private_state(self._state)
            whole = self._state.render_tables(analyses, self._path) | contents
            report = save_merged(
                self._state, mine, rendered.document, whole, self, keep, self._past
            )
            self._reload()
            self._state.problems.extend(report)
        else:
            self._state.set_saved(rendered, analyses)
            self._models.set_clean()
        self._past.append(before)
        self.changed.emit()

    @property
    def needs_rewrite(self) -> bool:
        """True if a file is not as its format says, and :meth:`rewrite` puts that right."""
        return self._state.can_be_put_right

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
        if self.read_only_reason:
            raise SaveError(self._state.path, self.read_only_reason)
        analyses = self._analysis_set.as_list()
        rendered = self._state.with_rois_as_shown(self._models.render(self._state))
        contents = {**self._state.render_tables(analyses), **self._contents(rendered)}
        before = self._state.content()
        copies = {
            path: back_up(self._path, path)
            for path, data in contents.items()
            if read_if_there(path) not in (None, data)
        }
        self._state.write(contents)
        self._state.set_saved(rendered, analyses)
        self._models.set_clean()
        self._past.append(before)
        self.changed.emit()
        return copies

    @property
    def strict_tables(self) -> bool:
        """Whether tables are written without our own columns, for folders shared with CloudScope.

        CloudScope cannot save after one of several ROIs was run again if a table has further
        columns than its own. What is left out (`columns_left_out`) stays in memory until the
        image is loaded again. Kept in ``<path>.bloodflow.json`` by the next save.
        """
        return self._state.strict_tables

    @strict_tables.setter
    def strict_tables(self, value: bool) -> None:
        if bool(value) != self._state.strict_tables:
            self._state.strict_tables = bool(value)
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
        return self._state.read_only_reason

    def _contents(self, rendered: RenderedSidecar) -> dict[Path, bytes]:
        contents = {self._state.path: self._state.encode(rendered.document)}
        return contents | self._state.render_private(self._models.private_state(self._state))

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
        analyses = self._analysis_set.as_list()
        target = image_path_of_sidecar(Path(sidecar).expanduser().resolve())
        contents = self._state.render_tables(analyses, target)
        contents[sidecar_path(target)] = self._state.encode(
            self._models.render(self._state).document
        )
        for path in contents:
            if path.exists():
                raise SaveError(path, "exists already; a copy never replaces a file")
        return write_transaction(target, contents, expected=dict.fromkeys(contents))

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
        document = self._models.render(self._state).document
        return export_scitiff(self._images, document, Path(path), overwrite=overwrite)

    # ---- reacting to the models

    def _connect(self) -> None:
        self._rois.changed.connect(self._on_rois_changed)
        analyses = self._analysis_set
        for signal in (analyses.added, analyses.removed, analyses.updated):
            signal.connect(self._on_changed)
        # One by one: to connect a whole group is not safe while other threads open files.
        for name in ExperimentMetadata.get_schema().names:
            self._models.experiment.events[name].connect(self._on_changed)
        for name in AcqImageHeader.get_schema().names:
            self.header.events[name].connect(self._on_header_changed)

    def _on_changed(self) -> None:
        if not self._is_loading:
            self.changed.emit()

    def _on_header_changed(self) -> None:
        if self._is_loading:
            return
        self._models.calibration_source = "user"
        self.calibration_changed.emit(self.calibration)
        self.changed.emit()

    def _on_rois_changed(self, change: RoiSetChange) -> None:
        if self._is_loading:
            return
        for roi_id in change.removed:
            self._analysis_set.set_aside(roi_id)
        for roi_id in change.added:
            self._analysis_set.bring_back(roi_id)
        self.changed.emit()

    # ---- undo and redo

    def _restore_edits(self, state: EditState) -> None:
        self._rois.restore(state.rois)
        self._models.experiment.update_values(state.experiment)
        self.accepted = state.accepted
        for key, result in state.decisions.items():
            analysis = self._analysis_set.get(key)
            if analysis is not None and analysis.result is not result:
                analysis.set_result(result)
                self._analysis_set.updated.emit(key)
        present = self.header.get_values()
        patch = {name: value for name, value in state.header.items() if value != present[name]}
        if patch or state.calibration_source != self._models.calibration_source:
            self._models.calibration_source = state.calibration_source
            with self._quietly():  # an edit would make the user the source
                self.header.update_values(patch)
            self.calibration_changed.emit(self.calibration)
            self.changed.emit()
