"""ROIs and analyses below the files of the list, random order, and copies of the table."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
from qtpy.QtCore import QItemSelectionModel, QObject, QPoint, QSettings, Qt, QUrl, Slot
from qtpy.QtGui import QDesktopServices
from qtpy.QtTest import QAbstractItemModelTester, QTest
from qtpy.QtWidgets import (
    QApplication,
    QCheckBox,
    QComboBox,
    QLineEdit,
    QMenu,
    QSpinBox,
    QTreeView,
    QWidget,
)

from napari_bloodflow import AcqImage
from napari_bloodflow._napari.session import get_session
from napari_bloodflow._napari.widgets.acquisitions_dock import AcquisitionsDock
from napari_bloodflow._napari.widgets.file_rows import COLUMNS
from napari_bloodflow.synthetic import moving_streaks, write_tiff

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from napari.components import ViewerModel
    from pytestqt.qtbot import QtBot
    from qtpy.QtCore import QModelIndex

pytestmark = pytest.mark.gui
PLUGIN = "napari-bloodflow"
NAMES = [column.name for column in COLUMNS]
NAME, STATE = NAMES.index("name"), NAMES.index("state")
DISPLAY = Qt.ItemDataRole.DisplayRole


@pytest.fixture(autouse=True)
def no_kept_seed() -> Iterator[None]:
    settings = QSettings("napari-bloodflow", "napari-bloodflow")
    settings.clear()
    yield
    settings.clear()


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Three images: nothing in the first, two ROIs with results in the second."""
    root = tmp_path / "study"
    root.mkdir()
    for number in (1, 2, 3):
        write_tiff(moving_streaks(128, 32), root / f"v{number}.tif")
    acq = AcqImage(root / "v2.tif")
    for name in ("vein", "wall"):
        acq.rois.create(name=name)
    acq.analysis_set.run_analysis(("radon_velocity", 0, 1), {"window_width": 16})
    acq.analysis_set.run_analysis(("diameter", 0, 2))
    acq.save()
    return root


class Bench:
    """The dock, and hands to use it."""

    def __init__(self, viewer: Any, dock: Any, qtbot: QtBot) -> None:
        self.session, self.dock, self.qtbot = get_session(viewer), dock, qtbot
        self.table: QTreeView = dock.findChild(QTreeView, "file_table")
        model = self.table.model()
        assert model is not None
        self.model = model
        # Complains wherever the model breaks a rule of Qt.
        self.tester = QAbstractItemModelTester(
            model.sourceModel(),  # type: ignore[attr-defined]
            QAbstractItemModelTester.FailureReportingMode.Warning,
        )

    def wait(self, condition: Callable[[], bool]) -> None:
        self.qtbot.waitUntil(condition, timeout=20_000)

    def open(self, folder: Path) -> None:
        self.dock.open_sources([folder])
        progress = self.find(QWidget, "list_progress")
        self.wait(lambda: not progress.isVisibleTo(self.dock))
        QApplication.processEvents()

    def find(self, kind: type[Any], name: str) -> Any:
        found = self.dock.findChild(kind, name)
        assert found is not None, name
        return found

    def index(self, *rows: int, column: int = 0) -> QModelIndex:
        """The index of a file, of one of its ROIs, or of an analysis of that."""
        *above, last = rows
        parent = self.table.rootIndex()
        for row in above:
            parent = self.model.index(row, 0, parent)
        return self.model.index(last, column, parent)

    def text(self, *rows: int, column: int = NAME) -> str:
        return str(self.index(*rows, column=column).data())

    @property
    def names(self) -> list[str]:
        return [self.text(row) for row in range(self.model.rowCount())]

    def press(self, key: Qt.Key, modifier: Any = Qt.KeyboardModifier.NoModifier) -> None:
        QTest.keyClick(self.table, key, modifier)
        QApplication.processEvents()

    def choose(self, name: str) -> None:
        """Choose from the menu of a row."""
        self.table.customContextMenuRequested.emit(QPoint(5, 5))
        menu = self.table.findChildren(QMenu, "row_menu")[-1]
        action = next(a for a in menu.actions() if a.text() == name)
        QTest.mouseClick(menu, Qt.MouseButton.LeftButton, pos=menu.actionGeometry(action).center())
        QApplication.processEvents()

    def is_offered(self, name: str) -> bool:
        menu = self.table.make_row_menu()  # type: ignore[attr-defined]
        return bool(next(a for a in menu.actions() if a.text() == name).isEnabled())


@pytest.fixture
def bench(viewer: ViewerModel, qtbot: QtBot, qtlog: Any) -> Iterator[Bench]:
    dock = AcquisitionsDock(viewer)
    qtbot.addWidget(dock)
    dock.show()
    bench = Bench(viewer, dock, qtbot)
    yield bench
    dock.close()
    assert [record.message for record in qtlog.records if "FAIL" in record.message] == []


@pytest.fixture
def viewer() -> ViewerModel:
    from napari.components import ViewerModel

    return ViewerModel()


# ---- the tree


def test_rois_are_below_files_and_analyses_below_rois(bench: Bench, folder: Path) -> None:
    bench.open(folder)
    assert [bench.model.rowCount(bench.index(file)) for file in range(3)] == [0, 2, 0]
    assert [bench.text(1, roi) for roi in range(2)] == ["ROI 1 vein", "ROI 2 wall"]
    assert (bench.text(1, 0, 0), bench.text(1, 1, 0)) == ("velocity", "diameter")
    assert (bench.text(1, 0, 0, column=STATE), bench.text(1, 0, column=STATE)) == ("✓", "None")
    assert bench.text(1, 0, 0, column=NAMES.index("results")) == "current"


def test_states_of_results_are_told(bench: Bench, folder: Path) -> None:
    sidecar = folder / "v2.tif.json"
    assert '"roi_id": 2' in sidecar.read_text(encoding="utf-8")
    bench.open(folder)
    acq = bench.session.workspace.open(bench.session.workspace.files[1])
    acq.set_calibration(dt_s=0.5, dx_um=1.0)
    bench.wait(lambda: bench.text(1, 0, 0, column=STATE) == "◐")
    assert bench.text(1, 0, column=STATE) == "◐"
    tip = bench.index(1, 0, 0).data(Qt.ItemDataRole.ToolTipRole)
    assert tip.startswith("velocity: stale, ")
    acq.history.undo()
    bench.wait(lambda: bench.text(1, 0, 0, column=STATE) == "✓")


def test_the_tree_follows_what_is_measured_and_deleted(bench: Bench, folder: Path) -> None:
    bench.open(folder)
    bench.table.expand(bench.index(1))
    assert bench.table.isExpanded(bench.index(1, 0))
    acq = bench.session.workspace.open(bench.session.workspace.files[1])
    acq.rois.create(name="new")
    bench.wait(lambda: bench.model.rowCount(bench.index(1)) == 3)
    acq.analysis_set.run_analysis(("sum_intensity", 0, 3))
    bench.wait(lambda: bench.text(1, 2, 0) == "sum intensity")
    acq.rois.rename(3, "renamed")
    bench.wait(lambda: bench.text(1, 2) == "ROI 3 renamed")
    acq.rois.delete(1)
    bench.wait(lambda: [bench.text(1, r) for r in range(2)] == ["ROI 2 wall", "ROI 3 renamed"])
    assert bench.table.isExpanded(bench.index(1))


def test_the_user_stays_in_a_file_whose_branches_change(bench: Bench, folder: Path) -> None:
    bench.open(folder)
    bench.table.setCurrentIndex(bench.index(1))
    bench.table.expand(bench.index(1))
    bench.table.setCurrentIndex(bench.index(1, 1, 0))
    bench.wait(lambda: bench.session.acq is not None and bench.session.acq.name == "v2.tif")
    acq = bench.session.acq
    assert acq is not None
    acq.analysis_set.run_analysis(("sum_intensity", 0, 2))
    bench.wait(lambda: bench.model.rowCount(bench.index(1, 1)) == 2)
    acq.rois.delete(2)
    bench.wait(lambda: bench.model.rowCount(bench.index(1)) == 1)
    QApplication.processEvents()
    assert bench.session.acq is acq
    assert bench.table.currentIndex().row() == 1
    assert [file.path.name for file in bench.session.workspace.selected] == ["v2.tif"]


def test_arrow_keys_go_to_files_rois_and_results(bench: Bench, folder: Path) -> None:
    bench.open(folder)
    bench.wait(lambda: bench.session.acq is not None)
    bench.table.setCurrentIndex(bench.index(0))
    bench.press(Qt.Key.Key_Down)
    bench.wait(lambda: bench.session.acq is not None and bench.session.acq.name == "v2.tif")
    bench.press(Qt.Key.Key_Right)
    for roi_id, count in ((1, 1), (2, 2)):
        for _ in range(count):
            bench.press(Qt.Key.Key_Down)
        active = bench.session.active
        assert active is not None
        sync = active.sync
        assert sync is not None
        bench.wait(lambda sync=sync, wanted=roi_id: sync.selected_roi_ids == (wanted,))  # type: ignore[misc]
    bench.press(Qt.Key.Key_Down)
    bench.press(Qt.Key.Key_Down)
    bench.wait(lambda: bench.session.acq is not None and bench.session.acq.name == "v3.tif")
    assert [file.path.name for file in bench.session.workspace.selected] == ["v3.tif"]


def test_what_is_below_a_file_is_sorted_and_filtered_with_it(bench: Bench, folder: Path) -> None:
    bench.open(folder)
    bench.table.sortByColumn(NAME, Qt.SortOrder.DescendingOrder)
    assert bench.names == ["v3.tif", "v2.tif", "v1.tif"]
    assert [bench.text(1, roi) for roi in range(2)] == ["ROI 1 vein", "ROI 2 wall"]
    QTest.keyClicks(bench.find(QLineEdit, "file_filter"), "wall")
    assert bench.names == ["v2.tif"]
    assert bench.model.rowCount(bench.index(0)) == 2
    bench.find(QLineEdit, "file_filter").clear()
    bench.find(QComboBox, "file_kind").setCurrentText("Without results")
    assert bench.names == ["v3.tif", "v1.tif"]


def test_rows_below_a_file_stand_for_it(bench: Bench, folder: Path) -> None:
    bench.open(folder)
    bench.table.expandAll()
    flags = QItemSelectionModel.SelectionFlag
    selection = bench.table.selectionModel()
    assert selection is not None
    for index in (bench.index(1, 0), bench.index(1, 1, 0)):
        selection.select(index, flags.Select | flags.Rows)
    bench.wait(lambda: "v2.tif" in [f.path.name for f in bench.session.workspace.selected])
    bench.press(Qt.Key.Key_Space)
    assert AcqImage(folder / "v2.tif").accepted
    file = bench.session.workspace.files[1]
    assert file.acq is not None
    assert not file.acq.accepted


def test_a_result_brings_its_dock_forward(
    make_napari_viewer: Callable[..., Any], qtbot: QtBot, folder: Path
) -> None:
    viewer = make_napari_viewer(show=True)
    _, dock = viewer.window.add_plugin_dock_widget(PLUGIN, "Acquisitions")
    bench = Bench(viewer, dock, qtbot)
    bench.open(folder)
    window = dock.window()
    for roi, name in ((0, "velocity"), (1, "diameter"), (0, "velocity")):
        bench.table.setCurrentIndex(bench.index(1, roi, 0))
        bench.wait(
            lambda n=f"{name}_dock": (  # type: ignore[misc]
                (found := window.findChild(QWidget, n)) is not None
                and not found.visibleRegion().isEmpty()
            )
        )
        choice = window.findChild(QComboBox, f"{name}_roi")
        bench.wait(lambda c=choice, wanted=roi + 1: c.currentData() == wanted)  # type: ignore[misc]


# ---- random order


def test_files_are_shuffled_by_a_seed_that_is_kept(
    bench: Bench, folder: Path, viewer: ViewerModel, qtbot: QtBot
) -> None:
    for number in range(4, 10):
        write_tiff(moving_streaks(64, 32), folder / f"v{number}.tif")
    bench.open(folder)
    listed = bench.names
    bench.find(QCheckBox, "shuffle").click()
    seed = bench.find(QSpinBox, "shuffle_seed")
    assert seed.isVisibleTo(bench.dock)
    first = bench.names
    acqs = bench.session.workspace.acqs
    assert acqs is not None
    assert first == [file.path.name for file in acqs.shuffled(seed.value())] != listed
    assert [bench.text(n, column=NAMES.index("order")) for n in range(9)] == list("123456789")
    seed.setValue(7)
    assert sorted(bench.names) == sorted(first)
    assert bench.names != first
    again = AcquisitionsDock(viewer)
    qtbot.addWidget(again)
    assert again.findChild(QSpinBox, "shuffle_seed").value() == 7
    bench.find(QCheckBox, "shuffle").click()
    assert bench.names == listed
    assert bench.table.isColumnHidden(NAMES.index("order"))


def test_sorting_by_a_heading_ends_the_random_order(bench: Bench, folder: Path) -> None:
    bench.open(folder)
    bench.find(QCheckBox, "shuffle").click()
    bench.table.sortByColumn(NAME, Qt.SortOrder.DescendingOrder)
    assert bench.names == ["v3.tif", "v2.tif", "v1.tif"]
    assert not bench.find(QCheckBox, "shuffle").isChecked()


def test_a_blind_list_keeps_its_random_order(bench: Bench, folder: Path) -> None:
    bench.open(folder)
    bench.find(QCheckBox, "shuffle").click()
    acqs = bench.session.workspace.acqs
    assert acqs is not None
    order = acqs.shuffled(1)
    bench.find(QCheckBox, "blind").click()
    QApplication.processEvents()
    assert bench.names == [bench.session.blinding.label(file.path) for file in order]
    bench.find(QCheckBox, "shuffle").click()
    assert bench.names == ["File 1", "File 2", "File 3"]


# ---- copies and the file manager


def test_rows_are_copied_as_they_are_shown(bench: Bench, folder: Path) -> None:
    bench.open(folder)
    clipboard = QApplication.clipboard()
    assert clipboard is not None
    heading = "Name\tAccept\tROIs\tStale\tParent\n"
    bench.table.setCurrentIndex(bench.index(1))
    bench.press(Qt.Key.Key_C, Qt.KeyboardModifier.ControlModifier)
    assert clipboard.text() == f"{heading}v2.tif\tyes\t2\t\tstudy\n"
    bench.choose("Copy path")
    assert clipboard.text() == str(folder / "v2.tif")
    bench.choose("Copy table")
    rows = "v1.tif\tyes\t\t\tstudy\nv2.tif\tyes\t2\t\tstudy\nv3.tif\tyes\t\t\tstudy\n"
    assert clipboard.text() == heading + rows
    bench.find(QCheckBox, "blind").click()
    bench.choose("Copy table")
    assert not any(secret in clipboard.text() for secret in ("v1", "v2", "v3", "study"))
    assert not bench.is_offered("Copy path")
    assert not bench.is_offered("Show in file manager")


class Desktop(QObject):
    """Is asked to open addresses in place of the desktop."""

    def __init__(self) -> None:
        super().__init__()
        self.opened: list[str] = []

    @Slot(QUrl)
    def open(self, url: QUrl) -> None:
        self.opened.append(url.toLocalFile())


def test_a_file_is_shown_in_the_file_manager(bench: Bench, folder: Path) -> None:
    bench.open(folder)
    desktop = Desktop()
    QDesktopServices.setUrlHandler("file", desktop, "open")  # type: ignore[call-overload]
    try:
        bench.table.setCurrentIndex(bench.index(1))
        bench.choose("Show in file manager")
        assert desktop.opened == [str(folder)]
    finally:
        QDesktopServices.unsetUrlHandler("file")
