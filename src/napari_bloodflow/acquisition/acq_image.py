"""One acquisition file with everything kept beside it."""

from __future__ import annotations

import re
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any
from uuid import uuid4

from psygnal import Signal

from napari_bloodflow.acquisition.acq_files import AcqFiles
from napari_bloodflow.acquisition.acq_measuring import AcqMeasuring
from napari_bloodflow.acquisition.acq_models import AcqModels
from napari_bloodflow.acquisition.acq_saving import AcqSaving
from napari_bloodflow.acquisition.calibration_choice import calibration_patch
from napari_bloodflow.acquisition.contrast import default_color_lut
from napari_bloodflow.acquisition.history import EditHistory, EditState
from napari_bloodflow.acquisition.images import AcqImages
from napari_bloodflow.acquisition.list_rows import FILE_LIST_SCHEMA, schema_row, tree_rows
from napari_bloodflow.acquisition.metadata import (
    AcqImageHeader,
    ExperimentMetadata,
    MetadataSection,
)
from napari_bloodflow.acquisition.paths import can_be_opened, unsupported_reason
from napari_bloodflow.acquisition.scitiff_layers import scitiff_problems
from napari_bloodflow.analysis.analysis_set import AnalysisSet
from napari_bloodflow.errors import UnsupportedFileError
from napari_bloodflow.storage.array_pixels import ArrayPixels, ArrayPlane
from napari_bloodflow.storage.calibration import CalibrationReading

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from numpy.typing import NDArray

    from napari_bloodflow.acquisition.contrast import ImageContrast
    from napari_bloodflow.acquisition.pending_save import PendingCopy
    from napari_bloodflow.acquisition.roi_set import RoiSet, RoiSetChange
    from napari_bloodflow.calibration import Calibration
    from napari_bloodflow.problems import Problem
    from napari_bloodflow.schema import Schema

__all__ = ["AcqImage"]


class AcqImage(AcqSaving, AcqMeasuring):
    """One acquisition: image, ROIs, metadata, contrast, analyses.

    The constructor reads the image header and then the sidecar files beside the image, item by
    item: what cannot be used is listed in `problems` and kept in the files. It reads no pixels
    and runs no analysis. Planes are ``(Y, X)`` = (line number, position along the line).

    Parameters
    ----------
    path : path-like
        A ``.tif``, ``.tiff``, ``.czi`` or ``.nd2`` file, or the ``.xml`` that Prairie View wrote
        beside TIFF files. It is opened read-only and never written. Where each channel of a scan
        is a file of its own (``scan_C001.tif``, ``scan_C002.tif``), any of them opens all of them
        as channels of the first.

    Attributes
    ----------
    changed : psygnal.Signal
        Emitted after any change of the model, and after a save.
    calibration_changed : psygnal.Signal
        Emitted with the new :class:`~napari_bloodflow.calibration.Calibration`.
    axes_changed : psygnal.Signal
        Emitted after the axes were swapped, before `calibration_changed`: the image, its size and
        the places of all ROIs are others.
    reloaded : psygnal.Signal
        Emitted after everything was read from disk again, before `changed`.

    Raises
    ------
    UnsupportedFileError
        (a ValueError) if the extension is not supported or the file holds no kymograph.
    FileNotFoundError
        If there is no such file.
    """

    axes_changed = Signal()
    calibration_changed = Signal(object)
    reloaded = Signal()

    def __init__(self, path: str | Path) -> None:
        path = Path(path).expanduser().resolve()
        if not can_be_opened(path):
            raise UnsupportedFileError(path, unsupported_reason(path))
        self._set_up(AcqImages(path))

    def _set_up(self, images: AcqImages, *, is_in_memory: bool = False) -> None:
        self._models = AcqModels(images, AnalysisSet(self))
        self._images = self._models.images
        self._path = self._images.path
        self._rois = self._models.rois
        self._analysis_set = self._models.analysis_set
        self._files = AcqFiles(self._path, self._models, self, is_in_memory=is_in_memory)
        self._is_loading = False
        self._connect()
        self._history = EditHistory(self._models.capture, self._restore_edits)
        self.changed.connect(self._history.record)
        self.load_sidecar_json()

    @classmethod
    def from_array(
        cls,
        data: Any,
        *,
        name: str = "array",
        time_axis: int = -2,
        position_axis: int = -1,
        index: Sequence[int] = (),
        dt_s: float | None = None,
        dx_um: float | None = None,
        source: str = "array",
        path: str | Path | None = None,
    ) -> AcqImage:
        """Take one plane of an array that was read or made elsewhere.

        Parameters
        ----------
        data : array-like
            Of NumPy, Dask, Zarr...; only the plane is read, when it is first needed, and copied.
        name : str
            What it is called.
        time_axis, position_axis : int
            Its axes of time and of position along the scanned line.
        index : sequence of int
            Place along each of its other axes; the first of each by default.
        dt_s, dx_um : float, optional
            Seconds per line and micrometres per pixel, where they are known.
        source : str
            Who says so.
        path : path-like, optional
            Sidecar files are read and saved as ``<path>.json`` and so on. By default there are
            none, and nothing can be saved before :meth:`save_as`.

        Returns
        -------
        AcqImage
            Like that of a file.

        Raises
        ------
        AxesError
            (a ValueError) if the array has no such plane.
        ImageReadError
            (a ValueError) if its pixels are not plain numbers.
        """
        plane = ArrayPlane.checked(data.shape, time_axis, position_axis, index)
        readings: tuple[CalibrationReading, ...] = ()
        if dt_s is not None or dx_um is not None:
            found = (("line period", dt_s, "s"), ("pixel size", dx_um, "µm"))
            detail = ", ".join(f"{what} {v:.6g} {u}" for what, v, u in found if v is not None)
            readings = (CalibrationReading(dt_s, dx_um, source, detail),)
        acq = cls.__new__(cls)
        # No folder is called so twice; it is only there to tell images of one name apart.
        plain_name = re.sub(r"[/\\\0]", "_", name).strip(". ") or "array"
        memory = Path("in memory", uuid4().hex[:8], plain_name)
        acq._path = memory if path is None else Path(path).expanduser().resolve()
        array = ArrayPixels(acq._path, data, plane, readings)
        acq._set_up(AcqImages(acq._path, array), is_in_memory=path is None)
        return acq

    def save_as(self, path: str | Path) -> AcqImage:
        """Write an image of one plane as a TIFF file, with its sidecar files beside it.

        Parameters
        ----------
        path : path-like
            A ``.tif`` or ``.tiff`` file that does not exist.

        Returns
        -------
        AcqImage
            That of the new file; results are as fresh as they were. This one stays as it is.

        Raises
        ------
        SaveError
            If one of the files exists or cannot be written, or the image has several planes.
        """
        pending = self.begin_save_as(path)
        pending.write()
        return type(self)(pending.target)

    def begin_save_as(self, path: str | Path) -> PendingCopy:
        """Take what :meth:`save_as` would write now; its `write` may be called in any thread.

        Parameters are those of :meth:`save_as`.

        Raises
        ------
        SaveError
            If there is such a file, the name is none of a TIFF file, or the image has several
            planes.
        """
        return self._files.begin_save_as(Path(path).expanduser().resolve())

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
            *self._files.state.problems,
            *self._files.state.strict_problems(),
            *self._models.calibration.problems(),
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

    # ---- axes and calibration

    @property
    def axes_swapped(self) -> bool:
        """Whether time runs along the columns of the file, set by hand; the image is then turned.

        ROIs keep their pixels. Results become stale. A calibration that was set by hand is kept;
        any other is that of the rows and columns of the file, where it gives one. Kept in
        ``<path>.bloodflow.json`` by the next save; ROIs are in ``<path>.json`` as other programs
        need them, in rows and columns of the file. Can be undone.

        Raises
        ------
        AxesError
            (a ValueError) if a SciTiff file is to be swapped: its coordinates name its axes.
        """
        return self._images.axes_swapped

    @axes_swapped.setter
    def axes_swapped(self, value: bool) -> None:
        if bool(value) != self._images.axes_swapped:
            with self._quietly():
                self._models.swap_axes()
            self.axes_changed.emit()
            self.calibration_changed.emit(self.calibration)
            self.changed.emit()

    @property
    def calibration(self) -> Calibration:
        """Seconds per line and micrometres per pixel, with their source."""
        return self._models.calibration.current

    def get_image_physical_units(self) -> tuple[float, float]:
        """Return ``(step_y, step_x)``: time of a line and pixel size, in the header's units.

        ``calibration`` gives the same in seconds and micrometres, with the source.
        """
        return self._images.get_image_physical_units()

    @property
    def calibration_doubts(self) -> tuple[str, ...]:
        """What is hard to believe in the calibration, in words; empty if nothing is."""
        return self._models.calibration.doubts

    @property
    def calibration_report(self) -> tuple[str, ...]:
        """Every calibration that was found, and what became of it, one line each."""
        return self._models.calibration.report

    @property
    def calibration_choices(self) -> tuple[Calibration, ...]:
        """The calibrations of the image and of the sidecar while they disagree, else empty.

        That of the image is used until :meth:`set_calibration` decides.
        """
        return self._models.calibration.choices

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
        if self._models.calibration.source != "user":
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

    # ---- files

    def load_sidecar_json(self) -> None:
        """Read the sidecar and its tables again, dropping what was not saved.

        A bad file leaves a working object and entries in `problems`; so does a save that was
        interrupted, which is completed or undone first.
        """
        self._files.settle()
        self._files.forget_past()
        self._reload()

    def _reload(self) -> None:
        axes_swapped = self.axes_swapped
        with self._quietly():
            self._files.read()
        self._history.clear()
        if axes_swapped != self.axes_swapped:
            self.axes_changed.emit()
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
        self._models.calibration.source = "user"
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
        is_turned = state.axes_swapped != self.axes_swapped
        if is_turned:
            with self._quietly():
                self._models.swap_axes()
            self.axes_changed.emit()
        self._rois.restore(state.rois, state.free_shapes)
        self._models.experiment.update_values(state.experiment)
        self.accepted = state.accepted
        for key, result in state.decisions.items():
            analysis = self._analysis_set.get(key)
            if analysis is not None and analysis.result is not result:
                analysis.set_result(result)
                self._analysis_set.updated.emit(key)
        present = self.header.get_values()
        patch = {name: value for name, value in state.header.items() if value != present[name]}
        if is_turned or patch or state.calibration_source != self._models.calibration.source:
            self._models.calibration.source = state.calibration_source
            with self._quietly():  # an edit would make the user the source
                self.header.update_values(patch)
            self.calibration_changed.emit(self.calibration)
            self.changed.emit()
