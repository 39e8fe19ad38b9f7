"""The Acquisitions dock: files in, browsing, marks, saving many, blinding, and the guard."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
import tifffile
from napari.components import ViewerModel
from napari.utils.notifications import notification_manager
from qtpy.QtCore import QEvent, QMimeData, QObject, QPoint, QPointF, QSettings, Qt, QTimer, QUrl
from qtpy.QtGui import QDragEnterEvent, QDropEvent
from qtpy.QtTest import QTest
from qtpy.QtWidgets import (
    QApplication,
    QCheckBox,
    QComboBox,
    QFileDialog,
    QLabel,
    QLineEdit,
    QMenu,
    QMessageBox,
    QPushButton,
    QSpinBox,
    QTreeView,
    QWidget,
)

from napari_bloodflow import AcqImage
from napari_bloodflow._napari.session import get_session
from napari_bloodflow._napari.widgets.acquisition_dock import AcquisitionDock
from napari_bloodflow._napari.widgets.acquisitions_dock import AcquisitionsDock
from napari_bloodflow._napari.widgets.file_rows import COLUMNS
from napari_bloodflow._napari.widgets.velocity_dock import VelocityDock
from napari_bloodflow.storage.lock import image_lock
from napari_bloodflow.synthetic import moving_streaks, write_tiff

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from pytestqt.qtbot import QtBot

    from napari_bloodflow._napari.session import ViewerSession

pytestmark = pytest.mark.gui
PLUGIN = "napari-bloodflow"
LEFT = Qt.MouseButton.LeftButton
NAMES = [column.name for column in COLUMNS]


def image(path: Path, seed: int = 0, channels: int = 1) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    rng = np.random.default_rng(seed)
    shape = (96, 24) if channels == 1 else (channels, 96, 24)
    axes = "YX" if channels == 1 else "CYX"
    pixels = rng.integers(0, 255, shape, dtype=np.uint8)
    tifffile.imwrite(path, pixels, photometric="minisblack", metadata={"axes": axes})
    return path


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Three images, of which the second has a ROI, and one that cannot be read."""
    root = tmp_path / "study"
    for number in (1, 2, 10):
        image(root / "control" / f"v{number}.tif", number)
    acq = AcqImage(root / "control" / "v2.tif")
    acq.rois.create(name="vein")
    acq.apply_metadata_patch("experiment_metadata", {"genotype": "KO", "condition": "drug"})
    acq.save()
    (root / "control" / "zz.tif").write_bytes(b"no image")
    return root


class Bench:
    """A viewer with the dock, and hands to use it."""

    def __init__(self, viewer: Any, qtbot: QtBot) -> None:
        self.viewer, self.qtbot = viewer, qtbot
        if isinstance(viewer, ViewerModel) and not hasattr(viewer, "window"):
            self.dock: Any = AcquisitionsDock(viewer)
            qtbot.addWidget(self.dock)
            self.dock.show()
        else:
            _, self.dock = viewer.window.add_plugin_dock_widget(PLUGIN, "Acquisitions")

    @property
    def session(self) -> ViewerSession:
        return get_session(self.viewer)

    @property
    def name(self) -> str:
        assert self.session.acq is not None
        return self.session.acq.name

    def wait(self, condition: Callable[[], bool]) -> None:
        self.qtbot.waitUntil(condition, timeout=20_000)

    def find(self, name: str, kind: type[Any] = QPushButton) -> Any:
        widget = self.dock.findChild(kind, name)
        assert widget is not None, name
        return widget

    def is_seen(self, name: str) -> bool:
        return bool(self.find(name, QWidget).isVisibleTo(self.dock))

    def text(self, name: str) -> str:
        return str(self.find(name, QLabel).text())

    def click(self, name: str, kind: type[Any] = QPushButton) -> None:
        button = self.find(name, kind)
        self.wait(button.isEnabled)
        QTest.mouseClick(button, LEFT)

    def open(self, *paths: Path) -> None:
        self.dock.open_sources(list(paths))
        self.settle()

    def settle(self) -> None:
        self.wait(lambda: not self.is_seen("list_progress"))
        QApplication.processEvents()

    @property
    def table(self) -> QTreeView:
        return self.find("file_table", QTreeView)  # type: ignore[no-any-return]

    def column(self, name: str, role: Qt.ItemDataRole = Qt.ItemDataRole.DisplayRole) -> list[Any]:
        model = self.table.model()
        assert model is not None
        column = NAMES.index(name)
        return [model.index(row, column).data(role) for row in range(model.rowCount())]

    @property
    def accepted(self) -> list[bool | None]:
        checked = Qt.ItemDataRole.CheckStateRole
        marks = self.column("accept", checked)
        return [None if m is None else Qt.CheckState(m) == Qt.CheckState.Checked for m in marks]

    def place(self, row: int, column: str) -> Any:
        model = self.table.model()
        assert model is not None
        return self.table.visualRect(model.index(row, NAMES.index(column))).center()

    def pick(self, row: int, modifier: Any = Qt.KeyboardModifier.NoModifier) -> None:
        QTest.mouseClick(self.table.viewport(), LEFT, modifier, self.place(row, "name"))
        QApplication.processEvents()

    def key(self, key: Qt.Key, modifier: Any = Qt.KeyboardModifier.NoModifier) -> None:
        QTest.keyClick(self.table, key, modifier)
        QApplication.processEvents()


@pytest.fixture(autouse=True)
def no_recent() -> Iterator[None]:
    settings = QSettings("napari-bloodflow", "napari-bloodflow")
    settings.clear()
    yield
    settings.clear()


@pytest.fixture
def bench(qtbot: QtBot) -> Iterator[Bench]:
    bench = Bench(ViewerModel(), qtbot)
    yield bench
    bench.dock.close()


def answer(kind: QMessageBox.StandardButton) -> list[str]:
    """Press a button of the question that comes next; the list then holds what it asked."""
    asked: list[str] = []

    def press() -> None:
        boxes = [w for w in QApplication.topLevelWidgets() if isinstance(w, QMessageBox)]
        box = next((b for b in boxes if b.isVisible()), None)
        if box is None:
            QTimer.singleShot(20, press)
            return
        asked.append(box.text() + "\n" + box.informativeText())
        button = box.button(kind)
        assert button is not None
        QTest.mouseClick(button, LEFT)

    QTimer.singleShot(20, press)
    return asked


# ---- files in


def test_a_folder_is_listed_and_its_first_file_shown(bench: Bench, folder: Path) -> None:
    bench.open(folder)
    assert bench.column("name") == ["v1.tif", "v2.tif", "v10.tif", "zz.tif"]
    assert bench.column("num_rois") == ["", "1", "", ""]
    assert bench.column("genotype") == ["", "KO", "", ""]
    assert bench.column("state") == ["", "", "", "✕"]
    assert bench.accepted == [True, True, True, None]
    assert "readable TIFF" in bench.column("name", Qt.ItemDataRole.ToolTipRole)[3]
    bench.wait(lambda: bench.session.acq is not None)
    assert bench.name == "v1.tif"
    bench.wait(lambda: bench.text("file_count") == "4 files, 1 cannot be opened")
    assert bench.viewer.title == "v1.tif - napari"


def test_a_folder_and_files_can_be_chosen_and_are_remembered(
    bench: Bench, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(QFileDialog, "getExistingDirectory", lambda *_: str(folder))
    chosen = [str(folder / "control" / "v2.tif")]
    monkeypatch.setattr(QFileDialog, "getOpenFileNames", lambda *_: (chosen, ""))
    bench.click("choose_folder")
    bench.wait(lambda: len(bench.column("name")) == 4)
    bench.settle()
    bench.click("choose_files")
    bench.wait(lambda: bench.column("name") == ["v2.tif"])
    bench.settle()
    bench.click("recent_sources")
    menu = bench.find("recent_menu", QMenu)
    action = menu.actions()[0]
    assert action.text() == str(folder)
    QTest.mouseClick(menu, LEFT, pos=menu.actionGeometry(action).center())
    bench.wait(lambda: len(bench.column("name")) == 4)
    bench.settle()


def test_what_is_dropped_is_listed(bench: Bench, folder: Path) -> None:
    mime = QMimeData()
    mime.setUrls([QUrl.fromLocalFile(str(folder / "control" / f"v{n}.tif")) for n in (10, 1)])
    action, keys = Qt.DropAction.CopyAction, Qt.KeyboardModifier.NoModifier
    enter = QDragEnterEvent(bench.table.pos(), action, mime, LEFT, keys)
    QApplication.sendEvent(bench.dock, enter)
    assert enter.isAccepted()
    QApplication.sendEvent(bench.dock, QDropEvent(QPointF(9, 9), action, mime, LEFT, keys))
    bench.wait(lambda: bench.column("name") == ["v10.tif", "v1.tif"])
    bench.settle()


def test_a_manifest_with_bad_rows_is_listed_with_a_word_about_them(
    bench: Bench, folder: Path
) -> None:
    manifest = folder / "list.csv"
    manifest.write_text("_rel_path\ncontrol/v2.tif\n../x.tif\n", encoding="utf-8")
    bench.open(manifest)
    assert bench.column("name") == ["v2.tif"]
    assert "line 3" in bench.text("list_message_text")


def test_a_source_that_is_gone_is_told_and_the_list_stays(bench: Bench, folder: Path) -> None:
    bench.open(folder)
    bench.open(folder / "nothing")
    assert "no such file or folder" in bench.text("list_message_text")
    assert len(bench.column("name")) == 4


def test_depth_and_reload(bench: Bench, folder: Path) -> None:
    bench.find("folder_depth", QSpinBox).setValue(1)
    bench.open(folder)
    assert bench.column("name") == []
    assert "no kymograph" in bench.text("list_message_text")
    image(folder / "new.tif")
    bench.click("reload_list")
    bench.wait(lambda: bench.column("name") == ["new.tif"])
    bench.settle()


# ---- table


def test_rows_are_sorted_as_people_count(bench: Bench, folder: Path) -> None:
    bench.open(folder)
    bench.table.sortByColumn(NAMES.index("name"), Qt.SortOrder.DescendingOrder)
    assert bench.column("name") == ["zz.tif", "v10.tif", "v2.tif", "v1.tif"]
    bench.table.sortByColumn(NAMES.index("num_rois"), Qt.SortOrder.DescendingOrder)
    assert bench.column("name")[0] == "v2.tif"


def test_rows_are_filtered_by_words_and_kind(bench: Bench, folder: Path) -> None:
    bench.open(folder)
    QTest.keyClicks(bench.find("file_filter", QLineEdit), "ko v")
    assert bench.column("name") == ["v2.tif"]
    bench.wait(lambda: bench.text("file_count").startswith("1 of 4 files"))
    bench.find("file_filter", QLineEdit).clear()
    bench.find("file_kind", QComboBox).setCurrentText("With problems")
    assert bench.column("name") == ["zz.tif"]
    bench.find("file_kind", QComboBox).setCurrentText("Rejected")
    assert bench.column("name") == []


def test_what_was_measured_is_told_and_found(bench: Bench, folder: Path) -> None:
    acq = AcqImage(folder / "control" / "v2.tif")
    acq.rois.create()
    acq.rois.create()
    acq.save()
    bench.open(folder)
    shown = bench.session.workspace.open(bench.session.workspace.files[1])
    for roi_id in (1, 2):
        shown.analysis_set.run_analysis(("radon_velocity", 0, roi_id), {"window_width": 16})
    shown.analysis_set.run_analysis(("diameter", 0, 3))
    bench.pick(1)
    bench.wait(lambda: bench.column("results")[:3] == ["", "velocity 1, 2; diameter 3", ""])
    tip = bench.column("name", Qt.ItemDataRole.ToolTipRole)[1]
    assert "velocity of ROI 1, 2" in tip
    kind = bench.find("file_kind", QComboBox)
    kind.setCurrentText("With results")
    assert bench.column("name") == ["v2.tif"]
    kind.setCurrentText("Without results")
    assert bench.column("name") == ["v1.tif", "v10.tif"]


def test_columns_are_shown_and_hidden(bench: Bench, folder: Path) -> None:
    bench.open(folder)
    assert bench.table.isColumnHidden(NAMES.index("genotype"))
    bench.click("choose_columns")
    menu = bench.find("column_menu", QMenu)
    action = next(a for a in menu.actions() if a.text() == "Genotype")
    QTest.mouseClick(menu, LEFT, pos=menu.actionGeometry(action).center())
    assert not bench.table.isColumnHidden(NAMES.index("genotype"))


# ---- browsing


def test_arrow_keys_show_file_after_file_in_the_same_layers(bench: Bench, folder: Path) -> None:
    bench.open(folder)
    bench.wait(lambda: bench.session.acq is not None)
    bench.pick(0)
    layers = list(bench.viewer.layers)
    bench.key(Qt.Key.Key_Down)
    bench.wait(lambda: bench.name == "v2.tif")
    assert list(bench.viewer.layers) == layers
    assert [layer.name for layer in layers] == ["v2.tif", "ROIs of v2.tif"]
    assert layers[1].nshapes == 1
    acq = bench.session.acq
    assert acq is not None
    np.testing.assert_array_equal(layers[0].data, acq.images.get_slice())
    assert len(bench.session.shown) == 1
    # The layer edits the ROIs of the file that it shows now, and of no other.
    layers[1].add_rectangles([[10, 2], [10, 12], [40, 12], [40, 2]])
    assert acq.rois.num_rois == 2
    bench.key(Qt.Key.Key_Up)
    bench.wait(lambda: bench.name == "v1.tif")
    assert bench.session.acq is not None
    assert bench.session.acq.rois.num_rois == 0
    assert layers[1].nshapes == 0
    assert not bench.session.acq.is_dirty


def test_a_file_with_unsaved_changes_stays_open_and_comes_back(bench: Bench, folder: Path) -> None:
    bench.open(folder)
    bench.wait(lambda: bench.session.acq is not None)
    first = bench.session.acq
    assert first is not None
    first.rois.create()
    bench.pick(2)
    bench.wait(lambda: bench.name == "v10.tif")
    assert bench.column("state")[0] == "●"
    assert len(bench.viewer.layers) == 2
    bench.pick(0)
    bench.wait(lambda: bench.session.acq is first)
    assert first.rois.num_rois == 1
    assert bench.viewer.layers[1].nshapes == 1
    assert first.history.can_undo


def test_results_are_not_lost_with_the_layers_of_their_file(bench: Bench, folder: Path) -> None:
    bench.open(folder)
    bench.wait(lambda: bench.session.acq is not None)
    acq = bench.session.acq
    assert acq is not None
    acq.rois.create()
    acq.analysis_set.run_analysis(("radon_velocity", 0, 1), {"window_width": 16})
    bench.viewer.layers.clear()
    bench.pick(1)
    bench.wait(lambda: bench.name == "v2.tif")
    bench.session.workspace.tidy()
    assert bench.session.workspace.files[0].acq is acq
    assert bench.session.workspace.unsaved == [acq]
    bench.pick(0)
    bench.wait(lambda: bench.session.acq is acq)
    assert acq.analysis_set["radon_velocity", 0, 1].has_results
    bench.click("save_all")
    bench.wait(lambda: not acq.is_dirty)
    bench.pick(1)
    bench.wait(lambda: bench.session.workspace.files[0].acq is None)
    assert ("radon_velocity", 0, 1) in AcqImage(folder / "control" / "v1.tif").analysis_set


def test_files_with_other_channels_get_layers_of_their_own(bench: Bench, folder: Path) -> None:
    image(folder / "control" / "v3.tif", 3, channels=2)
    bench.open(folder)
    bench.wait(lambda: bench.session.acq is not None)
    bench.pick(2)
    bench.wait(lambda: bench.name == "v3.tif")
    names = ["v3.tif [channel 0]", "v3.tif [channel 1]", "ROIs of v3.tif"]
    assert [layer.name for layer in bench.viewer.layers] == names
    bench.pick(0)
    bench.wait(lambda: bench.name == "v1.tif")
    assert [layer.name for layer in bench.viewer.layers] == ["v1.tif", "ROIs of v1.tif"]


def test_a_file_that_cannot_be_opened_leaves_the_other_one_there(
    bench: Bench, folder: Path
) -> None:
    bench.open(folder)
    bench.wait(lambda: bench.session.acq is not None)
    bench.pick(3)
    bench.wait(lambda: bench.is_seen("list_message"))
    assert "zz.tif" in bench.text("list_message_text")
    assert bench.name == "v1.tif"


def test_a_file_that_is_open_already_is_the_same_object(bench: Bench, folder: Path) -> None:
    shown = bench.session.open(folder / "control" / "v2.tif")
    shown.acq.rois.create()
    bench.open(folder)
    assert bench.session.workspace.files[1].acq is shown.acq
    assert bench.column("state")[1] == "●"
    assert [index.row() for index in bench.table.selectionModel().selectedRows()] == [1]  # type: ignore[union-attr]


def test_browsing_in_a_real_window_adds_no_layers(
    windowed: tuple[Bench, Closing], folder: Path
) -> None:
    bench, _ = windowed
    bench.open(folder)
    bench.wait(lambda: bench.session.acq is not None)
    bench.pick(0)
    for name in ("v2.tif", "v10.tif"):
        bench.key(Qt.Key.Key_Down)
        bench.wait(lambda wanted=name: bench.name == wanted)  # type: ignore[misc]
        assert [layer.name for layer in bench.viewer.layers] == [name, f"ROIs of {name}"]
    assert bench.viewer.screenshot(flash=False).any()


def test_a_dirty_file_with_other_channels_is_kept_without_a_popup(
    bench: Bench, folder: Path
) -> None:
    image(folder / "control" / "v3.tif", 3, channels=2)
    bench.open(folder)
    bench.wait(lambda: bench.session.acq is not None)
    acq = bench.session.acq
    assert acq is not None
    acq.rois.create()
    count = len(notification_manager.records)
    bench.pick(2)
    bench.wait(lambda: bench.name == "v3.tif")
    assert len(notification_manager.records) == count
    assert bench.session.workspace.unsaved == [acq]


def test_the_title_is_given_back_when_the_file_is_not_listed(bench: Bench, folder: Path) -> None:
    usual = bench.viewer.title
    bench.open(folder)
    bench.wait(lambda: bench.viewer.title == f"v1.tif - {usual}")
    bench.session.open(image(folder.parent / "other.tif"))
    bench.wait(lambda: bench.viewer.title == usual)


def test_a_measurement_goes_on_while_other_files_are_looked_at(
    bench: Bench, tmp_path: Path, qtbot: QtBot
) -> None:
    folder = tmp_path / "long"
    folder.mkdir()
    for number in (1, 2):
        write_tiff(moving_streaks(6000, 64), folder / f"v{number}.tif")
        acq = AcqImage(folder / f"v{number}.tif")
        acq.rois.create()
        acq.save()
    velocity = VelocityDock(bench.viewer)
    qtbot.addWidget(velocity)
    velocity.show()
    bench.open(folder)
    bench.wait(lambda: bench.session.acq is not None)
    acq = bench.session.acq
    assert acq is not None
    run = velocity.findChild(QPushButton, "velocity_run")
    assert run is not None
    bench.wait(run.isEnabled)
    QTest.mouseClick(run, LEFT)
    bench.pick(1)
    bench.wait(lambda: bench.name == "v2.tif")
    qtbot.waitUntil(lambda: ("radon_velocity", 0, 1) in acq.analysis_set, timeout=60_000)
    bench.wait(lambda: bench.column("state") == ["●", ""])
    assert bench.session.workspace.unsaved == [acq]
    velocity.close()


# ---- life cycle


def test_a_hidden_dock_listens_to_nothing(bench: Bench, folder: Path) -> None:
    bench.open(folder)
    bench.wait(lambda: bench.session.acq is not None)
    session, acq = bench.session, bench.session.acq
    assert acq is not None
    signals = (session.active_changed, session.workspace.opened, session.blinding.changed)
    before = [len(signal) for signal in (*signals, acq.changed)]
    bench.dock.hide()
    assert all(
        len(signal) < count for signal, count in zip((*signals, acq.changed), before, strict=True)
    )
    bench.dock.show()
    assert [len(signal) for signal in (*signals, acq.changed)] == before


# ---- accepting


def test_files_are_accepted_and_rejected_with_mouse_and_space_bar(
    bench: Bench, folder: Path
) -> None:
    bench.open(folder)
    cell = bench.place(1, "accept")
    # The box is at the left of its cell.
    left = bench.table.columnViewportPosition(NAMES.index("accept")) + 10
    QTest.mouseClick(bench.table.viewport(), LEFT, pos=QPoint(left, cell.y()))
    bench.wait(lambda: bench.accepted == [True, False, True, None])
    bench.wait(lambda: bench.column("state")[1] == "●")
    bench.pick(0)
    bench.key(Qt.Key.Key_Down, Qt.KeyboardModifier.ShiftModifier)
    bench.key(Qt.Key.Key_Down, Qt.KeyboardModifier.ShiftModifier)
    bench.wait(lambda: bench.name == "v10.tif")
    bench.key(Qt.Key.Key_Space)
    bench.wait(lambda: bench.accepted == [True, True, True, None])
    bench.key(Qt.Key.Key_Space)
    bench.wait(lambda: bench.accepted == [False, False, False, None])
    acq = bench.session.acq
    assert acq is not None
    acq.history.undo()
    bench.wait(lambda: bench.accepted == [False, False, True, None])


# ---- saving


def test_selected_or_all_unsaved_files_are_saved(bench: Bench, folder: Path) -> None:
    bench.open(folder)
    assert not bench.find("save_all").isEnabled()
    for file in bench.session.workspace.files[:3]:
        bench.session.workspace.open(file).accepted = False
    bench.pick(1)
    bench.wait(lambda: bench.name == "v2.tif")
    bench.click("save_selected")
    bench.wait(lambda: bench.text("list_message_text") == "Saved 1 file.")
    bench.wait(lambda: bench.column("state")[:3] == ["●", "", "●"])
    assert not AcqImage(folder / "control" / "v2.tif").accepted
    bench.click("save_all")
    bench.wait(lambda: bench.text("list_message_text") == "Saved 2 files.")
    bench.wait(lambda: bench.column("state")[:3] == ["", "", ""])
    bench.wait(lambda: not bench.find("save_all").isEnabled())
    # Files that are neither shown nor edited are let go of.
    files = bench.session.workspace.files
    bench.wait(lambda: [file.path.name for file in files if file.acq] == ["v2.tif"])


def test_what_cannot_be_saved_is_told_and_stays(bench: Bench, folder: Path) -> None:
    (folder / "control" / "v1.tif.json").write_text('{"version": 9}')
    bench.open(folder)
    for file in bench.session.workspace.files[:2]:
        bench.session.workspace.open(file).accepted = False
    bench.click("save_all")
    bench.wait(lambda: "Saved 1 file. v1.tif was not saved" in bench.text("list_message_text"))
    bench.wait(lambda: bench.column("state")[:2] == ["●", ""])
    assert (folder / "control" / "v1.tif.json").read_text() == '{"version": 9}'


def test_the_window_works_while_files_are_saved(bench: Bench, folder: Path) -> None:
    bench.open(folder)
    acqs = [bench.session.workspace.open(file) for file in bench.session.workspace.files[:3]]
    for acq in acqs:
        acq.accepted = False
    bench.wait(lambda: bench.find("save_all").isEnabled())
    with image_lock(acqs[0].image_path):  # as if the drive were slow
        QTest.mouseClick(bench.find("save_all"), LEFT)
        assert bench.is_seen("list_progress")
        bench.pick(1)
        bench.wait(lambda: bench.name == "v2.tif")
        assert acqs[0].is_dirty
        acqs[0].rois.create()
    bench.wait(lambda: bench.text("list_message_text") == "Saved 3 files.")
    # What was edited meanwhile is not.
    assert [acq.is_dirty for acq in acqs] == [True, False, False]
    found = AcqImage(acqs[0].path)
    assert not found.accepted
    assert found.rois.num_rois == acqs[0].rois.num_rois - 1


def test_saving_can_be_cancelled_at_once(bench: Bench, folder: Path) -> None:
    bench.open(folder)
    acqs = [bench.session.workspace.open(file) for file in bench.session.workspace.files[:3]]
    for acq in acqs:
        acq.accepted = False
    bench.wait(lambda: bench.find("save_all").isEnabled())
    with image_lock(acqs[0].image_path):
        QTest.mouseClick(bench.find("save_all"), LEFT)
        QTest.mouseClick(bench.find("cancel_list_work"), LEFT)
        bench.wait(lambda: not bench.is_seen("list_progress"))
        assert bench.text("list_message_text") == "Saved 0 files. 3 left unsaved."
        assert all(acq.is_dirty for acq in acqs)
    # The one that was begun is written all the same.
    bench.wait(lambda: not acqs[0].is_dirty)
    assert [acq.is_dirty for acq in acqs[1:]] == [True, True]


# ---- blinding


def test_blinding_hides_names_and_metadata_everywhere(
    bench: Bench, folder: Path, qtbot: QtBot
) -> None:
    acquisition = AcquisitionDock(bench.viewer)
    qtbot.addWidget(acquisition)
    acquisition.show()
    bench.open(folder)
    bench.pick(1)
    bench.wait(lambda: bench.name == "v2.tif")
    bench.click("blind", QCheckBox)
    bench.wait(lambda: bench.column("name") == ["File 1", "File 2", "File 3", "File 4"])
    assert set(bench.column("parent")) == set(bench.column("genotype")) == {"Blinded"}
    label = bench.session.blinding.label_of(bench.session.acq)  # type: ignore[arg-type]
    assert [layer.name for layer in bench.viewer.layers] == [label, f"ROIs of {label}"]
    bench.wait(lambda: bench.viewer.title == f"{label} - napari")
    for row in range(4):
        bench.pick(row)
        QApplication.processEvents()
    acq = bench.session.acq
    assert acq is not None
    acq.rois.create()
    bench.wait(lambda: bench.is_seen("list_message") or acq.is_dirty)
    QApplication.processEvents()
    secrets = ("v1.", "v2.", "v10.", "zz.", "KO", "drug", "control", "study")
    said = [*_texts(bench.dock), *_texts(acquisition), bench.viewer.title]
    said += [layer.name for layer in bench.viewer.layers]
    said += [str(tip) for tip in bench.column("name", Qt.ItemDataRole.ToolTipRole)]
    assert [(secret, text) for secret in secrets for text in said if secret in text] == []
    bench.click("blind", QCheckBox)
    bench.wait(lambda: "v2.tif" in bench.column("name"))
    acquisition.close()


def _texts(top: QWidget) -> list[str]:
    widgets = [top, *top.findChildren(QWidget)]
    texts = [widget.toolTip() for widget in widgets]
    for widget in widgets:
        if isinstance(widget, QComboBox):
            texts += [widget.itemText(index) for index in range(widget.count())]
        elif hasattr(widget, "text") and callable(widget.text):
            texts.append(str(widget.text()))
    return texts


def test_numbers_are_the_same_tomorrow(bench: Bench, folder: Path, qtbot: QtBot) -> None:
    bench.open(folder)
    bench.click("blind", QCheckBox)
    other = Bench(ViewerModel(), qtbot)
    other.open(folder)
    other.click("blind", QCheckBox)

    def numbers(session: ViewerSession) -> list[int]:
        return [session.blinding.number_of(file.path) for file in session.workspace.files]

    assert numbers(bench.session) == numbers(other.session)
    assert sorted(numbers(bench.session)) == [1, 2, 3, 4]
    other.dock.close()


# ---- unsaved changes


@pytest.mark.parametrize("button", ["Save", "Discard", "Cancel"])
def test_replacing_the_list_asks_about_unsaved_changes(
    bench: Bench, folder: Path, tmp_path: Path, button: str
) -> None:
    bench.open(folder)
    workspace = bench.session.workspace
    workspace.open(workspace.files[1]).accepted = False
    asked = answer(getattr(QMessageBox.StandardButton, button))
    other = image(tmp_path / "other" / "w.tif")
    bench.open(other)
    assert asked == ["1 file has unsaved changes. Save them before listing others?\nv2.tif"]
    assert (bench.column("name") == ["w.tif"]) == (button != "Cancel")
    assert AcqImage(folder / "control" / "v2.tif").accepted == (button != "Save")
    assert bool(bench.session.workspace.unsaved) == (button == "Cancel")


class Closing(QObject):
    """Notes that a window would close, and keeps it: the fixture closes it."""

    def __init__(self, window: QWidget) -> None:
        super().__init__(window)
        self.count = 0
        window.installEventFilter(self)

    def eventFilter(self, watched: QObject | None, event: QEvent | None) -> bool:
        if event is None or event.type() != QEvent.Type.Close:
            return False
        self.count += 1
        event.ignore()
        return True


@pytest.fixture
def windowed(
    make_napari_viewer: Callable[..., Any], qtbot: QtBot
) -> Iterator[tuple[Bench, Closing]]:
    viewer = make_napari_viewer(show=True)
    first = QWidget()
    viewer.window.add_dock_widget(first)
    # Filters that were installed later are asked first: those of the dock.
    closing = Closing(first.window())
    yield Bench(viewer, qtbot), closing
    first.window().removeEventFilter(closing)


@pytest.mark.parametrize("button", ["Save", "Discard", "Cancel"])
def test_closing_the_window_asks_about_unsaved_changes(
    windowed: tuple[Bench, Closing], folder: Path, button: str
) -> None:
    bench, closing = windowed
    bench.open(folder)
    bench.wait(lambda: bench.session.acq is not None)
    acq = bench.session.acq
    assert acq is not None
    acq.rois.create()
    asked = answer(getattr(QMessageBox.StandardButton, button))
    bench.dock.window().close()
    assert "v1.tif" in asked[0]
    assert "closing the window" in asked[0]
    assert closing.count == (0 if button == "Cancel" else 1)
    assert acq.is_dirty == (button == "Cancel")
    assert AcqImage(acq.path).rois.num_rois == (1 if button == "Save" else 0)


def test_without_unsaved_changes_the_window_just_closes(
    windowed: tuple[Bench, Closing], folder: Path
) -> None:
    bench, closing = windowed
    bench.open(folder)
    bench.dock.window().close()
    assert closing.count == 1


def test_what_cannot_be_saved_keeps_the_window_open(
    windowed: tuple[Bench, Closing], folder: Path
) -> None:
    bench, closing = windowed
    (folder / "control" / "v1.tif.json").write_text('{"version": 9}')
    bench.open(folder)
    bench.wait(lambda: bench.session.acq is not None)
    acq = bench.session.acq
    assert acq is not None
    acq.rois.create()
    answer(QMessageBox.StandardButton.Save)
    bench.dock.window().close()
    assert closing.count == 0
    assert acq.is_dirty


def test_a_program_closes_the_viewer_without_being_asked(
    make_napari_viewer: Callable[..., Any], qtbot: QtBot, folder: Path
) -> None:
    bench = Bench(make_napari_viewer(show=True), qtbot)
    bench.open(folder)
    bench.wait(lambda: bench.session.acq is not None)
    acq = bench.session.acq
    assert acq is not None
    acq.rois.create()
    bench.viewer.close()
    assert acq.is_dirty
