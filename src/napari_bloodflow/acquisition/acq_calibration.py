"""The calibration of one acquisition: which one is used, who says so, and what else was found."""

from __future__ import annotations

from typing import TYPE_CHECKING

from napari_bloodflow.acquisition.calibration_choice import (
    calibration_of_header,
    calibration_patch,
    combine_readings,
    disagreement,
    doubts,
    explain_readings,
    readings_disagree,
)
from napari_bloodflow.acquisition.metadata import AcqImageHeader
from napari_bloodflow.problems import Problem

if TYPE_CHECKING:
    from napari_bloodflow.acquisition.images import AcqImages
    from napari_bloodflow.acquisition.sidecar_state import SidecarState
    from napari_bloodflow.calibration import Calibration

__all__ = ["AcqCalibration"]


class AcqCalibration:
    """Chooses between what the image, its sidecar and the user say.

    The steps themselves are in the header of the image.

    Parameters
    ----------
    images : AcqImages
        The image, with its header.

    Attributes
    ----------
    source : str
        Who filled in the calibration of the header.
    """

    def __init__(self, images: AcqImages) -> None:
        self._images = images
        self.source = self._saved_source = "none"
        self._choices: tuple[Calibration, ...] = ()
        self._stored = AcqImageHeader()
        self._is_stored_by_user = False

    @property
    def current(self) -> Calibration:
        """Seconds per line and micrometres per pixel, with their source."""
        return calibration_of_header(self._images.header, self.source)

    @property
    def choices(self) -> tuple[Calibration, ...]:
        """Those of image and sidecar while they disagree and the user has not chosen."""
        return () if self.source == "user" else self._choices

    @property
    def doubts(self) -> tuple[str, ...]:
        """What is hard to believe in it, in words."""
        return doubts(self.current, self._images.bounds.num_columns)

    @property
    def report(self) -> tuple[str, ...]:
        """Every calibration that was found, and what became of it, one line each."""
        images = self._images
        lines = explain_readings(images.calibration_readings, images.notes, self.source)
        return lines + tuple(
            f"{reading.source}: {reading.detail} (not used: it is of the axes as the file has them)"
            for reading in images.readings_in_file
            if images.axes_swapped
        )

    def problems(self) -> list[Problem]:
        """Return the doubts as problems, unless the user set the calibration by hand."""
        if self.source == "user":
            return []
        name, action = self._images.name, f"{self.current} is used; check and correct it"
        found = list(self.doubts)
        if difference := readings_disagree(self._images.calibration_readings):
            found.append(f"sources of the image disagree: {difference}")
        return [Problem(name, "calibration", doubt, action) for doubt in found]

    # ---- files

    def load(self, state: SidecarState) -> None:
        """Choose a calibration, and note in the sidecar why it is not the one kept there."""
        self._stored = AcqImageHeader()
        state.section_values("image_header_metadata", self._stored)
        self._is_stored_by_user = state.private.get("calibration_source") == "user"
        if (doubt := self._choose()) is not None:
            state.note("image_header_metadata", *doubt)
        self.set_clean()
        self._images.header.set_clean()

    def follow_axes(self) -> None:
        """Choose again after the axes were swapped.

        One that was set by hand is of time and position, and is kept. All others are of the rows
        and columns of the file.
        """
        if self.source != "user":
            self._choose()

    def _choose(self) -> tuple[str, str] | None:
        """Fill in the header; return what is wrong with the sidecar's, and what was done."""
        header = self._images.header
        dt_s, dx_um, source = combine_readings(self._images.calibration_readings)
        header.update_values(calibration_patch(dt_s, dx_um))
        self.source = source
        self._choices = ()
        of_file, chosen_by_user = self.current, self._is_stored_by_user
        is_swapped = self._images.axes_swapped
        stored = self._stored.with_axes_swapped() if is_swapped else self._stored
        of_sidecar = calibration_of_header(stored, "user" if chosen_by_user else "sidecar")
        if of_sidecar.is_known and (chosen_by_user or not of_file.is_known):
            self._images.replace_header(stored)
            self.source = of_sidecar.source
        elif chosen_by_user:
            return (
                "the calibration that was entered by hand is gone; some programs reset it",
                f"{'that of ' + of_file.source if of_file.is_known else 'none'} is used; enter it"
                " again if it is wrong",
            )
        elif of_sidecar.is_known and (difference := disagreement(of_file, of_sidecar)):
            self._choices = (of_file, of_sidecar)
            return (
                f"the image and the sidecar disagree: {difference}",
                f"{of_file.source} is used; set the calibration by hand if the sidecar is right",
            )
        return None

    @property
    def is_dirty(self) -> bool:
        """True if another source is used than at the last load or save."""
        return self.source != self._saved_source

    def set_clean(self) -> None:
        """Take the present source as saved."""
        self._saved_source = self.source

    def edited_fields(self) -> set[str]:
        """Return the fields of the header that are to be written, units with their steps."""
        if "user" not in (self.source, self._saved_source) and not self.current.is_known:
            return set()  # after the axes were swapped: what the sidecar says of its own is kept
        edited = self._images.header.changed_fields()
        if self.is_dirty:
            edited |= calibration_patch(None, None).keys()
        for axis in "yx":
            pair = {f"physical_unit_{axis}", f"physical_label_{axis}"}
            edited |= pair if pair & edited else set()
        return edited
