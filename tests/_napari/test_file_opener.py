"""The file that the user goes to is opened in a thread."""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING

import pytest
from napari.components import ViewerModel
from napari.qt.threading import create_worker
from qtpy.QtCore import QObject, QThreadPool

from napari_bloodflow._napari.session import get_session
from napari_bloodflow._napari.widgets.file_opener import FileOpener
from napari_bloodflow.acquisition.acq_image_list import AcqImageList
from napari_bloodflow.synthetic import moving_streaks, write_tiff

if TYPE_CHECKING:
    from pathlib import Path

    from pytestqt.qtbot import QtBot

    from napari_bloodflow._napari.workspace import Workspace
    from napari_bloodflow.acquisition.listed_file import ListedFile

pytestmark = pytest.mark.gui


class Opening:
    """A list of three files, the last of which is none, and what was made ready."""

    def __init__(self, folder: Path) -> None:
        for name in "ab":
            write_tiff(moving_streaks(200, 16), folder / f"{name}.tif")
        (folder / "c.tif").write_bytes(b"no image")
        self.viewer = ViewerModel()
        self.workspace: Workspace = get_session(self.viewer).workspace
        self.workspace.take(AcqImageList.load_safe(folder, open_files=False))
        self.files = self.workspace.files
        self.parent = QObject()
        self.opener = FileOpener(self.workspace, self.parent)
        self.ready: list[ListedFile] = []
        self.opener.ready.connect(self.ready.append)


@pytest.fixture
def opening(tmp_path: Path, qtbot: QtBot) -> Opening:
    return Opening(tmp_path)


def test_a_file_is_open_when_it_is_ready(opening: Opening, qtbot: QtBot) -> None:
    first = opening.files[0]
    opening.opener.open(first)
    assert first.acq is None
    qtbot.waitUntil(lambda: bool(opening.ready))
    assert opening.ready == [first]
    assert first.acq is not None
    assert first.acq.get_image_contrast(0) is not None
    assert not first.is_dirty
    opening.opener.open(first)  # at once
    assert opening.ready == [first, first]


def test_other_work_does_not_hold_it_up(opening: Opening, qtbot: QtBot) -> None:
    pool = QThreadPool.globalInstance()
    assert pool is not None
    enough = threading.Event()
    for _ in range(pool.maxThreadCount()):
        create_worker(enough.wait).start()
    qtbot.waitUntil(lambda: pool.activeThreadCount() == pool.maxThreadCount())
    try:
        opening.opener.open(opening.files[0])
        qtbot.waitUntil(lambda: bool(opening.ready), timeout=20_000)
    finally:
        enough.set()
    qtbot.waitUntil(lambda: pool.activeThreadCount() == 0, timeout=20_000)


def test_of_several_files_the_last_is_wanted(opening: Opening, qtbot: QtBot) -> None:
    first, second, _ = opening.files
    for file in (first, second, first, second):
        opening.opener.open(file)
    qtbot.waitUntil(lambda: bool(opening.ready))
    assert opening.ready == [second]
    assert first.acq is None


def test_a_file_that_was_opened_meanwhile_stays_as_it_is(opening: Opening, qtbot: QtBot) -> None:
    first = opening.files[0]
    opening.opener.open(first)
    acq = first.open()
    acq.rois.create()
    qtbot.waitUntil(lambda: bool(opening.ready))
    assert first.acq is acq
    assert first.is_dirty


def test_a_file_that_cannot_be_opened_says_why_when_it_is_shown(
    opening: Opening, qtbot: QtBot
) -> None:
    bad = opening.files[2]
    opening.opener.open(bad)
    qtbot.waitUntil(lambda: bool(opening.ready))
    assert bad.acq is None
    with pytest.raises(ValueError, match=r"c\.tif"):
        opening.workspace.show(bad)
    assert bad.warning is not None


def test_nothing_is_made_ready_after_cancel(opening: Opening, qtbot: QtBot) -> None:
    first, second, _ = opening.files
    opening.opener.open(first)
    opening.opener.cancel()
    opening.opener.open(second)
    qtbot.waitUntil(lambda: bool(opening.ready))
    assert opening.ready == [second]
