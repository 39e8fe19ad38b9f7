"""The parts of an acquisition that are edited, and how they come from and go to its files."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from napari_bloodflow.acquisition.calibration_choice import (
    calibration_of_header,
    calibration_patch,
    combine_readings,
    disagreement,
    doubts,
    explain_readings,
    readings_disagree,
)
from napari_bloodflow.acquisition.contrast_table import ContrastTable
from napari_bloodflow.acquisition.history import EditState
from napari_bloodflow.acquisition.metadata import AcqImageHeader, ExperimentMetadata
from napari_bloodflow.acquisition.roi_set import RoiSet
from napari_bloodflow.acquisition.table_columns import own_columns
from napari_bloodflow.acquisition.velocity_check import VelocityCheck
from napari_bloodflow.problems import Problem
from napari_bloodflow.storage.tables import table_path

if TYPE_CHECKING:
    from napari_bloodflow.acquisition.images import AcqImages
    from napari_bloodflow.acquisition.metadata import MetadataSection
    from napari_bloodflow.acquisition.sidecar_state import RenderedSidecar, SidecarState
    from napari_bloodflow.analysis.analysis_set import AnalysisSet
    from napari_bloodflow.analysis.base import AnalysisSource
    from napari_bloodflow.calibration import Calibration

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
    accepted : bool
        The curator's mark.
    calibration_source : str
        Who filled in the calibration of the header.
    """

    def __init__(self, images: AcqImages, analysis_set: AnalysisSet) -> None:
        self.images = images
        self.analysis_set = analysis_set
        self.rois = RoiSet(images.bounds)
        self.experiment = ExperimentMetadata()
        self.contrast = ContrastTable()
        self.velocity_check = VelocityCheck(analysis_set)
        self.accepted = self._saved_accepted = True
        self.calibration_source = self._saved_source = "none"
        self._calibration_choices: tuple[Calibration, ...] = ()

    @property
    def header(self) -> AcqImageHeader:
        """Shape and calibration."""
        return self.images.header

    @property
    def sections(self) -> tuple[MetadataSection, ...]:
        """The experiment section and the header section."""
        return (self.experiment, self.header)

    @property
    def calibration(self) -> Calibration:
        """Seconds per line and micrometres per pixel, with their source."""
        return calibration_of_header(self.header, self.calibration_source)

    @property
    def calibration_choices(self) -> tuple[Calibration, ...]:
        """The calibrations of image and sidecar while they disagree and the user has not chosen."""
        return () if self.calibration_source == "user" else self._calibration_choices

    @property
    def calibration_doubts(self) -> tuple[str, ...]:
        """What is hard to believe in the calibration, in words."""
        return doubts(self.calibration, self.images.bounds.num_columns)

    @property
    def calibration_report(self) -> tuple[str, ...]:
        """Every calibration that was found, and what became of it, one line each."""
        images = self.images
        return explain_readings(images.calibration_readings, images.notes, self.calibration_source)

    def doubtful_calibration(self) -> list[Problem]:
        """Return these doubts as problems, unless the user set the calibration by hand."""
        if self.calibration_source == "user":
            return []
        name, action = self.images.name, f"{self.calibration} is used; check and correct it"
        found = list(self.calibration_doubts)
        if difference := readings_disagree(self.images.calibration_readings):
            found.append(f"sources of the image disagree: {difference}")
        return [Problem(name, "calibration", doubt, action) for doubt in found]

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
            self.rois.is_dirty
            or self.analysis_set.is_dirty
            or self.accepted != self._saved_accepted
            or self.calibration_source != self._saved_source
            or self.contrast.is_dirty
            or any(section.is_dirty() for section in self.sections)
        )

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
        self._load_accepted(state)
        self.rois.restore(state.load_rois(self.images.bounds))
        self.rois.set_clean()
        self.experiment.update_values(ExperimentMetadata().get_values())
        state.section_values("experiment_metadata", self.experiment)
        self.experiment.set_clean()
        self._load_calibration(state)
        self._load_contrast(state)
        self.analysis_set.replace_all(state.load_analyses(source))
        # A new ROI must not inherit what is kept of one that is gone or could not be read.
        self.rois.reserve_ids(state.greatest_roi_id())
        for analysis in self.analysis_set:
            analysis.remember_state()
        self._check_velocities(state)
        state.remember_results(self.analysis_set)
        self.analysis_set.set_clean()

    def _load_accepted(self, state: SidecarState) -> None:
        accepted = state.document.get("accepted", True)
        if not isinstance(accepted, bool):
            understood = str(accepted).strip().lower() not in {"false", "0", "no", "none", ""}
            state.note_misshapen("accepted", "true or false", f"taken as {understood}")
            accepted = understood
        self.accepted = self._saved_accepted = accepted

    def _load_calibration(self, state: SidecarState) -> None:
        dt_s, dx_um, source = combine_readings(self.images.calibration_readings)
        self.header.update_values(calibration_patch(dt_s, dx_um))
        self.calibration_source = source
        self._calibration_choices = ()
        of_file = self.calibration
        stored = AcqImageHeader()
        state.section_values("image_header_metadata", stored)
        chosen_by_user = state.private.get("calibration_source") == "user"
        of_sidecar = calibration_of_header(stored, "user" if chosen_by_user else "sidecar")
        if of_sidecar.is_known and (chosen_by_user or not of_file.is_known):
            self.images.replace_header(stored)
            self.calibration_source = of_sidecar.source
        elif chosen_by_user:
            state.note(
                "image_header_metadata",
                "the calibration that was entered by hand is gone; some programs reset it",
                f"{'that of ' + of_file.source if of_file.is_known else 'none'} is used; enter it"
                " again if it is wrong",
            )
        elif of_sidecar.is_known and (difference := disagreement(of_file, of_sidecar)):
            self._calibration_choices = (of_file, of_sidecar)
            state.note(
                "image_header_metadata",
                f"the image and the sidecar disagree: {difference}",
                f"{of_file.source} is used; set the calibration by hand if the sidecar is right",
            )
        self._saved_source = self.calibration_source
        self.header.set_clean()

    def _load_contrast(self, state: SidecarState) -> None:
        entries = state.document.get("image_contrast", {})
        if not isinstance(entries, dict):
            state.note_misshapen("image_contrast", "an object", "contrast is chosen anew")
            entries = {}
        for key, reason in self.contrast.load(entries, self.images.num_channels):
            state.note(f"image_contrast.{key}", reason, "contrast is chosen anew")
            state.needs_backup.add(state.path)

    def _check_velocities(self, state: SidecarState) -> None:
        for key, what, action in self.velocity_check.correct(self.calibration):
            name = table_path(state.image_path, key.analysis_name).name
            where = f"channel {key.channel}, ROI {key.roi_id}"
            state.problems.append(Problem(name, where, what, action))

    # ---- to the files

    def render(self, state: SidecarState) -> RenderedSidecar:
        """Return the JSON document with the present state in it."""
        return state.render(
            accepted=self.accepted,
            rois=self.rois.snapshot(),
            sections=self._edited_sections(),
            contrast=self.contrast.to_dict(),
            analyses=self.analysis_set.as_list(),
        )

    def set_clean(self) -> None:
        """Take the present state as saved."""
        self.rois.set_clean()
        self.analysis_set.set_clean()
        for section in self.sections:
            section.set_clean()
        self.contrast.set_clean()
        self._saved_accepted = self.accepted
        self._saved_source = self.calibration_source

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
        edited = self.header.changed_fields()
        if self.calibration_source != self._saved_source:
            edited |= calibration_patch(None, None).keys()
        for axis in "yx":
            pair = {f"physical_unit_{axis}", f"physical_label_{axis}"}
            edited |= pair if pair & edited else set()
        return {
            "experiment_metadata": (self.experiment, self.experiment.changed_fields()),
            "image_header_metadata": (self.header, edited),
        }

    def private_state(self, state: SidecarState) -> dict[str, Any]:
        """Return what goes into our own file."""
        private: dict[str, Any] = {}
        if self.calibration_source == "user":
            private["calibration_source"] = "user"
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
            self.calibration_source,
            self.accepted,
            {a.key: a.result for a in self.analysis_set if a.keeps_decisions and a.has_results},
        )
