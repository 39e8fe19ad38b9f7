"""The Metadata dock: forms, checks in place, pick-lists, several files, calibration, undo."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
import tifffile
from napari.components import ViewerModel
from qtpy.QtCore import Qt
from qtpy.QtTest import QTest
from qtpy.QtWidgets import (
    QApplication,
    QComboBox,
    QDoubleSpinBox,
    QLabel,
    QLineEdit,
    QPlainTextEdit,
    QPushButton,
    QToolButton,
    QWidget,
)

from napari_bloodflow import AcqImage, AcqImageList, RectRoiBounds
from napari_bloodflow._napari.session import get_session
from napari_bloodflow._napari.widgets.metadata_dock import MetadataDock

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from pytestqt.qtbot import QtBot

pytestmark = pytest.mark.gui
LEFT = Qt.MouseButton.LeftButton
EXPERIMENT = "experiment_metadata"


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Three images; the first two are of KO mice, the first is measured."""
    rng = np.random.default_rng(1)
    for number in (1, 2, 3):
        path = tmp_path / f"v{number}.tif"
        tifffile.imwrite(path, rng.integers(0, 255, (96, 24), dtype=np.uint8))
        acq = AcqImage(path)
        acq.set_calibration(0.001, 0.5)
        if number < 3:
            acq.apply_metadata_patch(EXPERIMENT, {"genotype": "KO", "depth": 10 * number})
        if number == 1:
            acq.rois.create(RectRoiBounds(0, 64, 0, 20))
            acq.analysis_set.run_analysis(("radon_velocity", 0, 1), {"window_width": 16})
        acq.save()
    return tmp_path


class Bench:
    """The dock as a window of its own, on a list of which the first file is shown."""

    def __init__(self, folder: Path, qtbot: QtBot) -> None:
        self.qtbot = qtbot
        self.viewer = ViewerModel()
        self.session = get_session(self.viewer)
        self.dock = MetadataDock(self.viewer)
        qtbot.addWidget(self.dock)
        self.dock.resize(400, 900)
        self.dock.show()
        self.workspace = self.session.workspace
        self.workspace.take(AcqImageList.load_safe(folder))
        self.show(0)

    def show(self, number: int) -> None:
        self.workspace.show(self.workspace.files[number])
        self.pump()

    def pump(self) -> None:
        for _ in range(3):
            QApplication.processEvents()

    @property
    def acq(self) -> AcqImage:
        assert self.session.acq is not None
        return self.session.acq

    def select(self, *numbers: int) -> None:
        self.workspace.select([self.workspace.files[number] for number in numbers])
        self.pump()

    def wait(self, condition: Callable[[], bool]) -> None:
        self.qtbot.waitUntil(condition, timeout=5000)

    def find(self, name: str, kind: type[Any]) -> Any:
        widget = self.dock.findChild(kind, name)
        assert widget is not None, name
        return widget

    def text(self, name: str) -> str:
        return str(self.find(name, QLabel).text())

    def is_seen(self, name: str) -> bool:
        return bool(self.find(name, QWidget).isVisibleTo(self.dock))

    def click(self, name: str) -> None:
        button = self.find(name, QPushButton)
        self.wait(button.isEnabled)
        QTest.mouseClick(button, LEFT)
        self.pump()

    def line(self, name: str) -> QLineEdit:
        editor = self.find(f"metadata_{name}", QWidget)
        line = editor.lineEdit() if isinstance(editor, QComboBox) else editor
        assert isinstance(line, QLineEdit)
        return line

    def type(self, name: str, text: str, *, is_done: bool = True) -> None:
        line = self.line(name)
        line.setFocus()
        line.selectAll()
        QTest.keyClick(line, Qt.Key.Key_Delete)
        QTest.keyClicks(line, text)
        if is_done:
            QTest.keyClick(line, Qt.Key.Key_Return)
        self.pump()

    def experiment(self, number: int) -> Any:
        return self.workspace.open(self.workspace.files[number]).experiment_metadata


@pytest.fixture
def bench(folder: Path, qtbot: QtBot) -> Iterator[Bench]:
    bench = Bench(folder, qtbot)
    yield bench
    bench.dock.close()


def test_fields_are_grouped_and_filled(bench: Bench) -> None:
    groups = ("animal", "sample", "experiment", "notes")
    assert all(bench.is_seen(f"metadata_group_{group}") for group in groups)
    assert bench.line("genotype").text() == "KO"
    assert bench.line("depth").text() == "10.0"
    assert bench.text("metadata_depth_unit") == "µm"
    assert bench.text("metadata_title") == "v1.tif"
    assert "1 ms/line,  0.5 µm/px  (set by hand)" in bench.text("metadata_calibration")
    QTest.mouseClick(bench.find("image_header_toggle", QToolButton), LEFT)
    assert bench.text("header_shape") == "(96, 24)"


def test_nothing_open(qtbot: QtBot) -> None:
    dock = MetadataDock(ViewerModel())
    qtbot.addWidget(dock)
    dock.show()
    message = dock.findChild(QLabel, "metadata_message_text")
    assert message is not None
    assert message.text() == "No kymograph is open."
    dock.close()


def test_an_edit_is_taken_and_undone(bench: Bench) -> None:
    bench.type("species", "rat")
    assert bench.acq.experiment_metadata.species == "rat"
    bench.dock.activateWindow()
    note = bench.find("metadata_note", QPlainTextEdit)
    note.setFocus()
    bench.wait(note.hasFocus)
    QTest.keyClicks(note, "two lines")
    QTest.keyClick(note, Qt.Key.Key_Tab)
    bench.pump()
    assert bench.acq.experiment_metadata.note == "two lines"
    bench.click("metadata_undo")
    assert bench.acq.experiment_metadata.note == ""
    bench.wait(lambda: bench.find("metadata_note", QPlainTextEdit).toPlainText() == "")
    bench.click("metadata_undo")
    bench.wait(lambda: bench.line("species").text() == "")
    assert not bench.acq.is_dirty
    bench.click("metadata_redo")
    assert bench.acq.experiment_metadata.species == "rat"


@pytest.mark.parametrize(
    ("name", "text", "reason"),
    [("depth", "deep", "Must be a number."), ("branch_order", "2.5", "Must be a whole number.")],
)
def test_what_does_not_fit_is_told_below_the_field(
    bench: Bench, name: str, text: str, reason: str
) -> None:
    before = bench.acq.experiment_metadata.get_values()
    bench.type(name, text, is_done=False)
    assert bench.text(f"metadata_{name}_error_text") == reason
    bench.type(name, text)
    assert bench.acq.experiment_metadata.get_values() == before
    assert bench.line(name).text() == text
    bench.type(name, "3")
    assert not bench.is_seen(f"metadata_{name}_error")
    assert bench.acq.experiment_metadata.get_values()[name] == 3


def test_a_change_elsewhere_is_shown_and_leaves_what_is_being_typed(bench: Bench) -> None:
    bench.type("species", "ra", is_done=False)
    bench.acq.apply_metadata_patch(EXPERIMENT, {"sex": "f"})
    bench.wait(lambda: bench.line("sex").text() == "f")
    assert bench.line("species").text() == "ra"
    bench.show(1)
    bench.wait(lambda: bench.line("species").text() == "")


def test_values_of_other_files_can_be_picked(bench: Bench) -> None:
    bench.show(2)
    box = bench.find("metadata_genotype", QComboBox)
    bench.wait(lambda: box.count() == 1)
    box.setFocus()
    QTest.keyClick(box, Qt.Key.Key_Down)
    QTest.keyClick(bench.line("genotype"), Qt.Key.Key_Return)
    bench.pump()
    assert bench.acq.experiment_metadata.genotype == "KO"


def test_letters_keep_their_case_beside_a_listed_value(bench: Bench) -> None:
    bench.show(2)
    bench.type("genotype", "ko")
    assert bench.acq.experiment_metadata.genotype == "ko"


def test_several_files_are_edited_and_undone_at_once(bench: Bench) -> None:
    bench.select(0, 1, 2)
    assert bench.text("metadata_title") == "3 selected files"
    assert (bench.line("genotype").text(), bench.line("genotype").placeholderText()) == (
        "",
        "(several values)",
    )
    assert bench.line("depth").placeholderText() == "(several values)"
    bench.type("genotype", "wt")
    assert [bench.experiment(number).genotype for number in range(3)] == ["wt"] * 3
    assert bench.text("metadata_message_text") == "Genotype was set in 3 files."
    assert len(bench.workspace.unsaved) == 3
    bench.click("metadata_undo")
    assert [bench.experiment(number).genotype for number in range(3)] == ["KO", "KO", ""]
    bench.click("metadata_redo")
    assert [bench.experiment(number).genotype for number in range(3)] == ["wt"] * 3
    # Untouched fields keep their own values.
    assert [bench.experiment(number).depth for number in range(3)] == [10, 20, None]


def test_files_that_were_selected_without_the_shown_one_are_left_alone(bench: Bench) -> None:
    bench.select(1, 2)
    bench.type("genotype", "wt")
    assert [bench.experiment(number).genotype for number in range(3)] == ["wt", "KO", ""]


def test_calibration_tells_its_effect_before_it_is_set(bench: Bench) -> None:
    bench.find("metadata_dt_ms", QDoubleSpinBox).setValue(2.0)
    bench.wait(lambda: bench.is_seen("calibration_effect"))
    assert bench.text("calibration_effect_text") == "1 result becomes stale."
    assert not bench.acq.is_dirty
    bench.click("metadata_revert_calibration")
    assert bench.find("metadata_dt_ms", QDoubleSpinBox).value() == 1.0
    bench.find("metadata_dt_ms", QDoubleSpinBox).setValue(2.0)
    bench.click("metadata_apply_calibration")
    assert bench.acq.calibration.dt_s == 0.002
    assert bench.acq.analysis_set["radon_velocity", 0, 1].is_stale
    assert "2 ms/line" in bench.text("metadata_calibration")
    bench.click("metadata_undo")
    assert bench.acq.calibration.dt_s == 0.001
    bench.wait(lambda: bench.find("metadata_dt_ms", QDoubleSpinBox).value() == 1.0)


def test_a_step_of_zero_is_refused_in_place(bench: Bench) -> None:
    bench.find("metadata_dx_um", QDoubleSpinBox).setValue(0.0)
    assert bench.text("calibration_effect_text") == "The pixel size must be above zero."
    assert not bench.find("metadata_apply_calibration", QPushButton).isEnabled()


def test_calibration_of_several_files(bench: Bench) -> None:
    bench.select(0, 1)
    bench.find("metadata_dx_um", QDoubleSpinBox).setValue(0.25)
    bench.click("metadata_apply_calibration")
    found = [bench.workspace.open(file).calibration.dx_um for file in bench.workspace.files]
    assert found == [0.25, 0.25, 0.5]


def test_metadata_is_hidden_while_blinded(bench: Bench) -> None:
    bench.session.blinding.is_on = True
    bench.wait(lambda: not bench.is_seen("metadata_form"))
    assert "hidden" in bench.text("metadata_message_text")
    assert bench.text("metadata_title").startswith("File ")
    bench.session.blinding.is_on = False
    bench.wait(lambda: bench.is_seen("metadata_form"))
    assert not bench.is_seen("metadata_message")


def test_a_hidden_dock_listens_to_nothing(bench: Bench) -> None:
    before = len(bench.acq.changed)
    bench.dock.hide()
    assert len(bench.acq.changed) < before
    bench.acq.apply_metadata_patch(EXPERIMENT, {"sex": "m"})
    bench.dock.show()
    assert bench.line("sex").text() == "m"
