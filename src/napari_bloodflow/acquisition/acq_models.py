"""The parts of an acquisition that are edited, and how they come from and go to its files."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from napari_bloodflow.acquisition.acq_calibration import AcqCalibration
from napari_bloodflow.acquisition.array_image import array_record
from napari_bloodflow.acquisition.contrast_table import ContrastTable
from napari_bloodflow.acquisition.history import EditState
from napari_bloodflow.acquisition.images import plane_fingerprint
from napari_bloodflow.acquisition.metadata import ExperimentMetadata, swapped_field
from napari_bloodflow.acquisition.roi_set import RoiSet
from napari_bloodflow.acquisition.sidecar_state import AXES_KEY
from napari_bloodflow.acquisition.table_columns import own_columns
from napari_bloodflow.acquisition.velocity_check import VelocityCheck
from napari_bloodflow.errors import AxesError
from napari_bloodflow.problems import Problem
from napari_bloodflow.storage.tables import table_path

if TYPE_CHECKING:
    from napari_bloodflow.acquisition.images import AcqImages
    from napari_bloodflow.acquisition.metadata import AcqImageHeader, MetadataSection
    from napari_bloodflow.acquisition.roi import Roi
    from napari_bloodflow.acquisition.sidecar_state import SidecarState
    from napari_bloodflow.acquisition.sidecar_values import RenderedSidecar
    from napari_bloodflow.analysis.analysis_set import AnalysisSet
    from napari_bloodflow.analysis.base import AnalysisSource

__all__ = ["AcqModels"]


class AcqModels:
    """ROIs, metadata, calibration, contrast, mark and analyses of one image.

    Parameters
    ----------
    images : AcqImages
        The image, with its header.
    analysis_set : AnalysisSet
        Its analyses.

    Attributes
    ----------
    rois : RoiSet
        ROIs.
    experiment : ExperimentMetadata
        What was imaged.
    contrast : ContrastTable
        How channels are displayed.
    velocity_check : VelocityCheck
        Which stored velocities are the reciprocal of the speed.
    calibration : AcqCalibration
        Which calibration is used, and who says so.
    accepted : bool
        The curator's mark.
    is_behind : bool
        Whether a save wrote something else than what is here, so that this is unsaved.
    """

    def __init__(self, images: AcqImages, analysis_set: AnalysisSet) -> None:
        self.images = images
        self.analysis_set = analysis_set
        self.rois = RoiSet(images.bounds)
        self.experiment = ExperimentMetadata()
        self.contrast = ContrastTable()
        self.velocity_check = VelocityCheck(analysis_set)
        self.calibration = AcqCalibration(images)
        self.accepted = self._saved_accepted = True
        self._saved_axes_swapped = False
        self.is_behind = False

    @property
    def header(self) -> AcqImageHeader:
        """Shape and calibration."""
        return self.images.header

    @property
    def sections(self) -> tuple[MetadataSection, ...]:
        """The experiment section and the header section."""
        return (self.experiment, self.header)

    def own_columns(self) -> tuple[str, ...]:
        """Return the columns of the present results that other programs do not know."""
        found = {
            column: None
            for analysis in self.analysis_set
            if (table := analysis.result.table) is not None
            for column in own_columns(analysis.key.analysis_name, analysis.result.summary, table)
        }
        return tuple(found)

    @property
    def is_dirty(self) -> bool:
        """True if anything differs from the last load or save."""
        return (
            self.is_behind
            or self.rois.is_dirty
            or self.analysis_set.is_dirty
            or self.accepted != self._saved_accepted
            or self.calibration.is_dirty
            or self.images.axes_swapped != self._saved_axes_swapped
            or self.contrast.is_dirty
            or any(section.is_dirty() for section in self.sections)
        )

    # ---- axes

    def swap_axes(self) -> None:
        """Take the other axis of the file for time; ROIs keep their pixels.

        Raises
        ------
        AxesError
            (a ValueError) if the axes of the image cannot be swapped; nothing is changed then.
        """
        self.images.swap_axes()
        self.rois.transpose()
        self.calibration.follow_axes()

    def _other_axes(self, roi: Roi) -> Roi:
        """Return a ROI of the file as one of the image, or the other way round."""
        return roi.with_geometry(roi.geometry.transposed) if self.images.axes_swapped else roi

    # ---- from the files

    def load(self, state: SidecarState, source: AnalysisSource) -> None:
        """Read the files of a state, item by item; what is wrong is noted in it.

        Parameters
        ----------
        state : SidecarState
            Not read yet.
        source : AnalysisSource
            The acquisition, for its analyses.
        """
        state.read()
        self.is_behind = False
        self._load_axes(state)
        self._load_accepted(state)
        self.rois.restore(map(self._other_axes, state.load_rois(self.images.bounds_in_file)))
        self.rois.set_clean()
        self.experiment.update_values(ExperimentMetadata().get_values())
        state.section_values("experiment_metadata", self.experiment)
        self.experiment.set_clean()
        self.calibration.load(state)
        self._load_contrast(state)
        self.analysis_set.replace_all(state.load_analyses(source))
        # A new ROI must not inherit what is kept of one that is gone or could not be read.
        self.rois.reserve_ids(state.greatest_roi_id())
        for analysis in self.analysis_set:
            analysis.remember_state()
        self._check_velocities(state)
        state.remember_results(self.analysis_set)
        self.analysis_set.set_clean()

    def _load_axes(self, state: SidecarState) -> None:
        wanted = state.private.get(AXES_KEY, False)
        if not isinstance(wanted, bool):
            state.note_private(AXES_KEY, f"is {wanted!r}, not true or false", "taken as false")
            wanted = False
        if wanted != self.images.axes_swapped:
            try:
                self.images.swap_axes()
                self.rois.transpose()
            except AxesError as error:
                state.note_private(AXES_KEY, str(error), "the axes are those of the file")
        self._saved_axes_swapped = self.images.axes_swapped

    def _load_accepted(self, state: SidecarState) -> None:
        accepted = state.document.get("accepted", True)
        if not isinstance(accepted, bool):
            understood = str(accepted).strip().lower() not in {"false", "0", "no", "none", ""}
            state.note_misshapen("accepted", "true or false", f"taken as {understood}")
            accepted = understood
        self.accepted = self._saved_accepted = accepted

    def _load_contrast(self, state: SidecarState) -> None:
        entries = state.document.get("image_contrast", {})
        if not isinstance(entries, dict):
            state.note_misshapen("image_contrast", "an object", "contrast is chosen anew")
            entries = {}
        for key, reason in self.contrast.load(entries, self.images.num_channels):
            state.note(f"image_contrast.{key}", reason, "contrast is chosen anew")
            state.needs_backup.add(state.path)

    def _check_velocities(self, state: SidecarState) -> None:
        for key, what, action in self.velocity_check.correct(self.calibration.current):
            name = table_path(state.image_path, key.analysis_name).name
            where = f"channel {key.channel}, ROI {key.roi_id}"
            state.problems.append(Problem(name, where, what, action))

    # ---- to the files

    def render(self, state: SidecarState) -> RenderedSidecar:
        """Return the JSON document with the present state in it."""
        return state.render(
            accepted=self.accepted,
            rois=[self._other_axes(roi) for roi in self.rois],
            sections=self._edited_sections(),
            contrast=self.contrast.to_dict(),
            analyses=self.analysis_set.as_list(),
        )

    def set_clean(self) -> None:
        """Take the present state as saved."""
        self.is_behind = False
        self.rois.set_clean()
        self.analysis_set.set_clean()
        for section in self.sections:
            section.set_clean()
        self.contrast.set_clean()
        self._saved_accepted = self.accepted
        self._saved_axes_swapped = self.images.axes_swapped
        self.calibration.set_clean()

    def edits(self) -> dict[str, Any]:
        """Return what the user edited, ROIs and analyses apart, as entries of the document."""
        edits: dict[str, Any] = {}
        if self.accepted != self._saved_accepted:
            edits["accepted"] = self.accepted
        for key, (section, edited) in self._edited_sections().items():
            values = section.to_dict()
            edits[key] = {name: values[name] for name in edited}
        edits["image_contrast"] = self.contrast.edits()
        return {key: value for key, value in edits.items() if value != {}}

    def _edited_sections(self) -> dict[str, tuple[MetadataSection, set[str]]]:
        """Return the sections by their key in the document, with their edited fields."""
        header, edited = self.header, self.calibration.edited_fields()
        if self.images.axes_swapped:  # other programs know the axes of the file only
            header, edited = header.with_axes_swapped(), {swapped_field(name) for name in edited}
        return {
            "experiment_metadata": (self.experiment, self.experiment.changed_fields()),
            "image_header_metadata": (header, edited),
        }

    def private_state(self, state: SidecarState) -> dict[str, Any]:
        """Return what goes into our own file."""
        private: dict[str, Any] = {}
        if self.calibration.source == "user":
            private["calibration_source"] = "user"
        if self.images.axes_swapped:
            private[AXES_KEY] = True
        if (array := self.images.array) is not None:
            fingerprint = plane_fingerprint(array.plane())
            private["array"] = array_record(array.array_shape, array.array_plane, fingerprint)
        if state.strict_tables or "strict_tables" in state.private:
            private["strict_tables"] = state.strict_tables
        return private

    # ---- undo and redo

    def capture(self) -> EditState:
        """Return what edits change, as values that later edits do not touch."""
        return EditState(
            self.rois.snapshot(),
            self.experiment.get_values(),
            self.header.get_values(),
            self.calibration.source,
            self.accepted,
            self.images.axes_swapped,
            {a.key: a.result for a in self.analysis_set if a.keeps_decisions and a.has_results},
            self.rois.free_shapes,
        )
