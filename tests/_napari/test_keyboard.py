"""Everything in the docks can be reached without a mouse, and has a name; keys are written down."""

from __future__ import annotations

import re
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from napari.components import ViewerModel
from qtpy.QtCore import Qt
from qtpy.QtGui import QShortcut
from qtpy.QtTest import QTest
from qtpy.QtWidgets import (
    QAbstractButton,
    QAbstractItemView,
    QAbstractSlider,
    QAbstractSpinBox,
    QApplication,
    QComboBox,
    QHeaderView,
    QLabel,
    QLineEdit,
    QPlainTextEdit,
    QScrollBar,
    QWidget,
)

from napari_bloodflow import RectRoiBounds
from napari_bloodflow._napari.session import get_session
from napari_bloodflow._napari.widgets.acquisition_dock import AcquisitionDock
from napari_bloodflow._napari.widgets.acquisitions_dock import AcquisitionsDock
from napari_bloodflow._napari.widgets.diameter_dock import DiameterDock
from napari_bloodflow._napari.widgets.events_dock import EventsDock
from napari_bloodflow._napari.widgets.heart_rate_dock import HeartRateDock
from napari_bloodflow._napari.widgets.metadata_dock import MetadataDock
from napari_bloodflow._napari.widgets.peaks_dock import PeaksDock
from napari_bloodflow._napari.widgets.velocity_dock import VelocityDock
from napari_bloodflow.synthetic import moving_streaks, write_tiff

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from pytestqt.qtbot import QtBot

pytestmark = pytest.mark.gui
PAGE = Path(__file__).parents[2] / "docs" / "workbench.md"
DOCKS = (
    AcquisitionDock,
    AcquisitionsDock,
    DiameterDock,
    EventsDock,
    HeartRateDock,
    MetadataDock,
    PeaksDock,
    VelocityDock,
)
KINDS = (
    QAbstractButton,
    QAbstractItemView,
    QAbstractSlider,
    QAbstractSpinBox,
    QComboBox,
    QLineEdit,
    QPlainTextEdit,
)
# Qt makes controls of parts, which are not reached on their own.
WHOLES = (QAbstractSpinBox, QComboBox, QAbstractItemView, QLineEdit)


@pytest.fixture
def viewer(tmp_path: Path) -> ViewerModel:
    path = tmp_path / "streaks.tif"
    write_tiff(moving_streaks(600, 40), path)
    viewer = ViewerModel()
    get_session(viewer).open(path).acq.rois.create(RectRoiBounds(0, 500, 2, 38), name="vein")
    return viewer


def controls(dock: QWidget) -> Iterator[QWidget]:
    for widget in dock.findChildren(QWidget):
        is_part = isinstance(widget.parentWidget(), WHOLES)
        is_passive = isinstance(widget, (QHeaderView, QScrollBar)) or not widget.isEnabled()
        if isinstance(widget, KINDS) and not (is_part or is_passive) and widget.isVisibleTo(dock):
            yield widget


def name_of(widget: QWidget, dock: QWidget) -> str:
    """Return what a screen reader calls it."""
    labels = [label.text() for label in dock.findChildren(QLabel) if label.buddy() is widget]
    text = widget.text() if isinstance(widget, QAbstractButton) else ""
    return widget.accessibleName() or text or "".join(labels)


@pytest.mark.parametrize("kind", DOCKS)
def test_tab_reaches_every_control_and_each_has_a_name(
    viewer: ViewerModel, qtbot: QtBot, kind: Callable[..., QWidget]
) -> None:
    dock = kind(viewer)
    qtbot.addWidget(dock)
    dock.show()
    QApplication.processEvents()
    wanted = list(controls(dock))
    assert wanted
    nameless = [widget.objectName() for widget in wanted if len(name_of(widget, dock)) < 2]
    assert nameless == []
    chain: list[QWidget | None] = [dock]
    while (following := chain[-1].nextInFocusChain()) is not dock:  # type: ignore[union-attr]
        chain.append(following)
    reached = [w for w in chain if w is not None and w.focusPolicy() & Qt.FocusPolicy.TabFocus]
    # What one of a group of switches stands for is reached with the arrow keys.
    assert {w.objectName() for w in wanted} <= {w.objectName() for w in reached}


@pytest.mark.parametrize("kind", DOCKS)
def test_keys_are_in_a_tool_tip_and_in_the_guide(
    viewer: ViewerModel, qtbot: QtBot, kind: Callable[..., QWidget]
) -> None:
    dock = kind(viewer)
    qtbot.addWidget(dock)
    tips = [widget.toolTip() for widget in dock.findChildren(QWidget)]
    keys = {shortcut.key().toString() for shortcut in dock.findChildren(QShortcut)}
    keys.discard("Ctrl+Enter")  # the same key in another place
    assert [key for key in keys if not any(f"({key})" in tip for tip in tips)] == []
    guide = PAGE.read_text(encoding="utf-8").split("## Keyboard")[1].split("\n## ")[0]
    assert keys <= set(re.findall(r"\*([\w+]+)\*", guide))


def test_the_keys_run_a_measurement(viewer: ViewerModel, qtbot: QtBot) -> None:
    dock = DiameterDock(viewer)
    qtbot.addWidget(dock)
    dock.show()
    button = dock.findChild(QAbstractButton, "diameter_run")
    qtbot.waitUntil(button.isEnabled)
    dock.activateWindow()
    choice = next(w for w in controls(dock) if isinstance(w, QComboBox))
    choice.setFocus()
    qtbot.waitUntil(choice.hasFocus)
    QTest.keyClick(choice, Qt.Key.Key_Return, Qt.KeyboardModifier.ControlModifier)
    acq = get_session(viewer).acq
    assert acq is not None
    qtbot.waitUntil(lambda: ("diameter", 0, 1) in acq.analysis_set, timeout=60_000)
