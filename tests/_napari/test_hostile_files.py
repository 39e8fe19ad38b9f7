"""napari stays alive with files made to harm: one clear error each, and nothing left behind."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

import pytest
from napari.components import ViewerModel
from napari.utils.notifications import NotificationSeverity, notification_manager
from qtpy.QtCore import Qt
from qtpy.QtTest import QTest
from qtpy.QtWidgets import QFileDialog, QPushButton

from napari_bloodflow._napari.session import get_session
from napari_bloodflow._napari.widgets.acquisition_dock import AcquisitionDock
from napari_bloodflow.synthetic import moving_streaks, write_tiff
from tests.hostile_tiffs import HOSTILE

if TYPE_CHECKING:
    from pathlib import Path

    from pytestqt.qtbot import QtBot

pytestmark = pytest.mark.gui
PLUGIN = "napari-bloodflow"


def written(folder: Path, name: str) -> Path:
    path = folder / f"{name.replace(' ', '_')}.tif"
    path.write_bytes(HOSTILE[name][0]())
    return path


@pytest.fixture
def viewer() -> ViewerModel:
    return ViewerModel()


@pytest.fixture
def streaks(tmp_path: Path) -> Path:
    path = tmp_path / "streaks.tif"
    write_tiff(moving_streaks(200, 30), path)
    return path


def test_hostile_files_chosen_in_the_dock_end_in_one_notification_each(
    viewer: ViewerModel,
    qtbot: QtBot,
    tmp_path: Path,
    streaks: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    dock = AcquisitionDock(viewer)
    qtbot.addWidget(dock)
    dock.show()
    button = dock.findChild(QPushButton, "open_file")
    records = notification_manager.records

    def choose(path: Path) -> None:
        monkeypatch.setattr(QFileDialog, "getOpenFileName", lambda *_: (str(path), ""))
        QTest.mouseClick(button, Qt.MouseButton.LeftButton)

    for name in HOSTILE:
        path, count = written(tmp_path, name), len(records)
        choose(path)
        (said,) = records[count:]
        assert said.severity == NotificationSeverity.ERROR
        assert re.search(rf"{re.escape(path.name)}: .*{HOSTILE[name][1]}", said.message)
        assert len(viewer.layers) == 0
    choose(streaks)
    qtbot.waitUntil(lambda: len(get_session(viewer).shown) == 1)
    assert len(viewer.layers) == 2


@pytest.mark.parametrize("name", HOSTILE)
def test_the_session_and_the_reader_refuse_hostile_files_with_their_name_and_cause(
    viewer: ViewerModel, tmp_path: Path, name: str
) -> None:
    path, cause = written(tmp_path, name), HOSTILE[name][1]
    message = rf"{re.escape(path.name)}: .*{cause}"
    with pytest.raises(ValueError, match=message):
        viewer.open(str(path), plugin=PLUGIN)
    with pytest.raises(ValueError, match=message):
        get_session(viewer).open(path)
    assert len(viewer.layers) == 0
    assert get_session(viewer).shown == ()
