"""EditHistory: what is a step, taking steps back and making them again, dirty or clean."""

from __future__ import annotations

import json
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from napari_bloodflow import AcqImage, ImageContrast, LineEndpoints, RectRoiBounds
from napari_bloodflow.acquisition.history import MAX_STEPS
from napari_bloodflow.synthetic import pulsatile_flow, write_tiff

if TYPE_CHECKING:
    from collections.abc import Callable

    from napari_bloodflow.acquisition.roi import Roi
    from napari_bloodflow.analysis.base import Analysis

VELOCITY = "radon_velocity"
A = RectRoiBounds(10, 60, 2, 12)
B = RectRoiBounds(100, 180, 4, 20)


@pytest.fixture
def path(tmp_path: Path) -> Path:
    path = tmp_path / "vessel.tif"
    write_tiff(pulsatile_flow(num_rows=256), path)
    return path


@pytest.fixture
def acq(path: Path) -> AcqImage:
    return AcqImage(path)


def undo_all(acq: AcqImage) -> list[str]:
    texts = []
    while acq.history.can_undo:
        texts.append(acq.history.undo())
    return texts


def redo_all(acq: AcqImage) -> list[str]:
    texts = []
    while acq.history.can_redo:
        texts.append(acq.history.redo())
    return texts


# ---- steps


def test_a_new_file_has_nothing_to_undo(acq: AcqImage) -> None:
    history = acq.history
    assert (history.can_undo, history.can_redo) == (False, False)
    assert (history.undo_text, history.redo_text) == ("", "")
    assert (history.undo(), history.redo()) == ("", "")


@pytest.mark.parametrize(
    ("edit", "text"),
    [
        (lambda acq: acq.rois.create(A), "add ROI 3"),
        (lambda acq: acq.rois.delete(2), "delete ROI 2"),
        (lambda acq: acq.rois.clear(), "delete ROIs 1, 2"),
        (lambda acq: acq.rois.edit(1, RectRoiBounds(20, 70, 2, 12)), "move ROI 1"),
        (lambda acq: acq.rois.edit(1, RectRoiBounds(20, 90, 2, 12)), "resize ROI 1"),
        (lambda acq: acq.rois.edit(2, LineEndpoints(6, 6, 26, 16)), "move ROI 2"),
        (lambda acq: acq.rois.edit(2, LineEndpoints(5, 5, 26, 16)), "resize ROI 2"),
        (lambda acq: acq.rois.rename(2, "wall"), "rename ROI 2"),
        (lambda acq: acq.rois.set_note(2, "dim"), "edit the note of ROI 2"),
        (lambda acq: setattr(acq, "accepted", False), "reject the file"),
        (lambda acq: setattr(acq.experiment_metadata, "depth", 80.0), "edit Depth"),
        (
            lambda acq: acq.experiment_metadata.update_values({"sex": "f", "species": "rat"}),
            "edit Species, Sex",
        ),
        (lambda acq: acq.set_calibration(0.5, 0.25), "set the calibration"),
        (lambda acq: setattr(acq.header, "physical_unit_x", 7.0), "set the calibration"),
    ],
)
def test_every_edit_is_one_step_with_a_name(
    acq: AcqImage, edit: Callable[[AcqImage], Any], text: str
) -> None:
    acq.rois.create(A)
    acq.rois.create(LineEndpoints(5, 5, 25, 15))
    acq.save()
    acq.history.clear()
    before = observe(acq)
    edit(acq)
    after = observe(acq)
    assert after != before
    assert (acq.history.undo_text, acq.history.redo_text) == (text, "")
    assert acq.is_dirty
    assert undo_all(acq) == [text]
    assert observe(acq) == before
    assert not acq.is_dirty
    assert (acq.history.undo_text, acq.history.redo_text) == ("", text)
    assert redo_all(acq) == [text]
    assert observe(acq) == after
    assert acq.is_dirty


def test_a_batch_is_one_step(acq: AcqImage) -> None:
    acq.rois.create(A)
    acq.rois.create(B)
    before = acq.rois.snapshot()
    with acq.rois.batch():
        acq.rois.rename(1, "first")
        acq.rois.edit(1, B)
        acq.rois.delete(2)
        for _ in range(6):
            acq.rois.create(A)
    assert acq.history.undo() == "edit ROI 1, add 6 ROIs, delete ROI 2"
    assert acq.rois.snapshot() == before


def test_a_new_edit_ends_what_could_be_redone(acq: AcqImage) -> None:
    acq.rois.create(A)
    acq.history.undo()
    acq.accepted = False
    assert not acq.history.can_redo
    assert acq.history.undo_text == "reject the file"


def test_contrast_and_runs_are_no_steps_and_stay(acq: AcqImage) -> None:
    acq.rois.create(A)
    contrast = ImageContrast("Green", 5, 90, 0, 255)
    acq.set_image_contrast(0, contrast)
    analysis = acq.analysis_set.create((VELOCITY, 0, 1))
    acq.rois.rename(1, "late")
    assert undo_all(acq) == ["rename ROI 1", "add ROI 1"]
    assert acq.get_image_contrast(0) == contrast
    assert list(acq.analysis_set) == []
    redo_all(acq)
    assert list(acq.analysis_set) == [analysis]


def test_no_more_steps_are_kept_than_promised(acq: AcqImage) -> None:
    acq.rois.create(A)
    for number in range(MAX_STEPS + 5):
        acq.rois.rename(1, f"name {number}")
    assert len(undo_all(acq)) == MAX_STEPS
    assert acq.rois[1].name == "name 4"


def test_changes_are_announced_once_a_step(acq: AcqImage) -> None:
    seen: list[tuple[str, str]] = []
    history = acq.history
    history.changed.connect(lambda: seen.append((history.undo_text, history.redo_text)))
    acq.set_calibration(0.5, 0.25)
    acq.set_calibration(0.5, 0.25)
    history.undo()
    history.redo()
    history.clear()
    assert seen == [
        ("set the calibration", ""),
        ("", "set the calibration"),
        ("set the calibration", ""),
        ("", ""),
    ]


def test_what_a_listener_edits_during_an_undo_is_a_step_of_its_own(acq: AcqImage) -> None:
    acq.rois.create(A)
    acq.rois.delete(1)

    def mark(change: Any) -> None:
        if change.added and not acq.rois[1].note:
            acq.history.undo()  # in the middle of another: nothing
            acq.rois.set_note(1, "came back")

    acq.rois.changed.connect(mark)
    assert acq.history.undo() == "delete ROI 1"
    assert acq.rois[1].note == "came back"
    assert acq.history.undo() == "edit the note of ROI 1"
    assert acq.rois[1].note == ""
    assert acq.history.undo() == "add ROI 1"


# ---- results


def test_undoing_a_deletion_brings_results_back_in_their_place(acq: AcqImage) -> None:
    for bounds in (A, B, A):
        acq.rois.create(bounds)
    keys = [(VELOCITY, 0, roi_id) for roi_id in (2, 1, 3)]
    first, *_ = analyses = [acq.analysis_set.create(key) for key in keys]
    acq.analysis_set.run_analysis(first.key, {"window_width": 16})
    result = first.result
    acq.save()
    with acq.rois.batch():
        acq.rois.delete(2)
        acq.rois.delete(1)
    assert len(acq.analysis_set) == 1
    acq.history.undo()
    assert list(acq.analysis_set) == analyses
    assert first.result is result
    assert not first.is_stale
    assert not acq.is_dirty


def test_undoing_a_move_makes_a_result_fresh_again(acq: AcqImage) -> None:
    acq.rois.create(A)
    analysis = acq.analysis_set.run_analysis((VELOCITY, 0, 1), {"window_width": 16})
    acq.rois.edit(1, B)
    assert analysis.is_stale
    acq.history.undo()
    assert not analysis.is_stale


# ---- calibration


def test_undoing_a_calibration_gives_its_source_back(acq: AcqImage) -> None:
    of_file = acq.calibration
    assert of_file.source == "ImageJ"
    announced: list[Any] = []
    acq.calibration_changed.connect(announced.append)
    acq.set_calibration(0.5, 0.25)
    by_hand = acq.calibration
    assert by_hand.source == "user"
    acq.history.undo()
    assert acq.calibration == of_file
    assert not acq.is_dirty
    acq.history.redo()
    assert acq.calibration == by_hand
    assert announced[-2:] == [of_file, by_hand]


# ---- files


def test_undoing_past_a_save_is_a_change_to_be_saved(path: Path, acq: AcqImage) -> None:
    acq.rois.create(A, name="vessel")
    analysis = acq.analysis_set.run_analysis((VELOCITY, 0, 1), {"window_width": 16})
    acq.set_calibration(0.5, 0.25)
    acq.save()
    acq.rois.delete(1)
    acq.save()
    assert acq.history.can_undo
    assert not acq.is_dirty
    acq.history.undo()
    assert acq.is_dirty
    acq.history.redo()
    assert not acq.is_dirty
    acq.history.undo()
    acq.history.undo()
    acq.save()
    again = AcqImage(path)
    assert again.rois.snapshot() == acq.rois.snapshot()
    assert again.calibration == acq.calibration
    (loaded,) = again.analysis_set
    assert loaded.result.summary == analysis.result.summary
    assert loaded.result.table is not None
    assert loaded.result.table.equals(analysis.result.table)


def test_rois_that_come_back_are_saved_in_their_order(path: Path, acq: AcqImage) -> None:
    for bounds in (A, B):
        acq.rois.create(bounds)
    acq.save()
    sidecar = Path(acq.get_sidecar_json_path())
    document = json.loads(sidecar.read_text())
    unusable = {"roi_id": "?"}
    document["rois"].insert(1, unusable)
    sidecar.write_text(json.dumps(document))
    acq.load_sidecar_json()
    acq.rois.delete(1)
    acq.save()
    acq.history.undo()
    acq.save()
    assert AcqImage(path).rois.get_roi_ids() == [1, 2]
    records = json.loads(sidecar.read_text())["rois"]
    assert [record["roi_id"] for record in records] == ["?", 1, 2]


def test_an_undone_calibration_is_merged_with_what_another_program_saved(
    path: Path, acq: AcqImage
) -> None:
    of_file = acq.calibration
    acq.set_calibration(0.5, 0.25)
    acq.save()
    other = AcqImage(path)
    other.experiment_metadata.species = "rat"
    other.save()
    acq.history.undo()
    acq.save()
    assert acq.calibration == AcqImage(path).calibration == of_file
    assert acq.experiment_metadata.species == "rat"
    assert not acq.history.can_undo


def test_loading_again_forgets_the_steps(acq: AcqImage) -> None:
    acq.rois.create(A)
    acq.save()
    acq.rois.rename(1, "unsaved")
    acq.history.undo()
    acq.load_sidecar_json()
    assert (acq.history.can_undo, acq.history.can_redo) == (False, False)
    acq.rois.rename(1, "new")
    assert undo_all(acq) == ["rename ROI 1"]


# ---- anything, in any order


@dataclass(frozen=True)
class Observed:
    rois: tuple[Roi, ...]
    experiment: dict[str, Any]
    header: dict[str, Any]
    calibration: Any
    accepted: bool


def observe(acq: AcqImage) -> Observed:
    return Observed(
        acq.rois.snapshot(),
        acq.experiment_metadata.get_values(),
        acq.header.get_values(),
        acq.calibration,
        acq.accepted,
    )


rows, columns = st.integers(0, 200), st.integers(0, 15)
rectangles = st.builds(
    lambda row, column, height, width: RectRoiBounds(row, row + height, column, column + width),
    *(rows, columns, st.integers(1, 50), st.integers(1, 4)),
)
segments = st.builds(LineEndpoints, rows, columns, rows, columns)
texts = st.sampled_from(["", "a", "b"])
picks = st.integers(0, 1000)


class Editing(RuleBasedStateMachine):
    """An acquisition beside a plain list of the states that it went through."""

    def __init__(self) -> None:
        super().__init__()
        self.folder = tempfile.TemporaryDirectory()
        path = Path(self.folder.name) / "vessel.tif"
        write_tiff(pulsatile_flow(num_rows=256), path)
        self.acq = AcqImage(path)
        self.analyses: list[Analysis] = []
        self.states = [observe(self.acq)]
        self.at = 0
        self.saved = self.present

    def teardown(self) -> None:
        """Whatever happened, the first and the last state can be reached, exactly, and saved."""
        with self.folder:
            for travel, state in ((undo_all, self.states[0]), (redo_all, self.states[-1])):
                travel(self.acq)
                assert observe(self.acq) == state
                self.acq.save()
                assert not self.acq.is_dirty
                assert observe(AcqImage(self.acq.path)) == state

    @property
    def present(self) -> tuple[Observed, list[Analysis]]:
        """What should be there: the analyses in order of creation, those whose ROI is there."""
        state = self.states[self.at]
        ids = {roi.roi_id for roi in state.rois}
        return state, [a for a in self.analyses if a.key.roi_id in ids]

    def look(self) -> None:
        state = observe(self.acq)
        if state != self.states[self.at]:
            self.states[self.at + 1 :] = [state]
            self.at += 1

    def pick(self, number: int) -> Roi | None:
        rois = self.acq.rois.snapshot()
        return rois[number % len(rois)] if rois else None

    @rule(geometry=st.one_of(rectangles, segments), name=texts)
    def create(self, geometry: RectRoiBounds | LineEndpoints, name: str) -> None:
        self.acq.rois.create(geometry, name=name)
        self.look()

    @rule(number=picks)
    def delete(self, number: int) -> None:
        if roi := self.pick(number):
            self.acq.rois.delete(roi.roi_id)
            self.look()

    @rule(number=picks, rectangle=rectangles, segment=segments)
    def edit(self, number: int, rectangle: RectRoiBounds, segment: LineEndpoints) -> None:
        if roi := self.pick(number):
            is_line = isinstance(roi.geometry, LineEndpoints)
            self.acq.rois.edit(roi.roi_id, segment if is_line else rectangle)
            self.look()

    @rule(number=picks, name=texts, note=texts)
    def describe(self, number: int, name: str, note: str) -> None:
        if roi := self.pick(number):
            with self.acq.rois.batch():
                self.acq.rois.rename(roi.roi_id, name)
                self.acq.rois.set_note(roi.roi_id, note)
            self.look()

    @rule(geometry=rectangles)
    def exchange_all(self, geometry: RectRoiBounds) -> None:
        with self.acq.rois.batch():
            self.acq.rois.clear()
            self.acq.rois.create(geometry)
        self.look()

    @rule(number=picks)
    def analyse(self, number: int) -> None:
        roi = self.pick(number)
        if roi and not self.acq.analysis_set.for_roi(roi.roi_id):
            self.analyses.append(self.acq.analysis_set.create((VELOCITY, 0, roi.roi_id)))

    @rule(species=texts, depth=st.sampled_from([None, 10.0, 20.0]))
    def edit_experiment(self, species: str, depth: float | None) -> None:
        patch = {"species": species, "depth": depth}
        self.acq.apply_metadata_patch("experiment_metadata", patch)
        self.look()

    @rule(dt_s=st.sampled_from([0.001, 0.002]), dx_um=st.sampled_from([0.5, 1.5]))
    def calibrate(self, dt_s: float, dx_um: float) -> None:
        self.acq.set_calibration(dt_s, dx_um)
        self.look()

    @rule(accepted=st.booleans())
    def accept(self, accepted: bool) -> None:
        self.acq.accepted = accepted
        self.look()

    @rule()
    def save(self) -> None:
        self.acq.save()
        self.saved = self.present

    @precondition(lambda self: self.at > 0)
    @rule()
    def undo(self) -> None:
        assert self.acq.history.undo()
        self.at -= 1

    @precondition(lambda self: self.at < len(self.states) - 1)
    @rule()
    def redo(self) -> None:
        assert self.acq.history.redo()
        self.at += 1

    @invariant()
    def the_acquisition_is_as_the_list_says(self) -> None:
        state, analyses = self.present
        assert observe(self.acq) == state
        assert list(self.acq.analysis_set) == analyses
        assert self.acq.is_dirty == (self.present != self.saved)
        assert self.acq.history.can_undo == (self.at > 0)
        assert self.acq.history.can_redo == (self.at < len(self.states) - 1)


TestEditing = Editing.TestCase
TestEditing.settings = settings(max_examples=60, stateful_step_count=30, deadline=None)
