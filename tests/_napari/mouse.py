"""A mouse on napari's canvas."""

from __future__ import annotations

from itertools import cycle
from typing import TYPE_CHECKING

import numpy as np
from qtpy.QtCore import QPoint, Qt
from qtpy.QtTest import QTest
from qtpy.QtWidgets import QApplication, QOpenGLWidget

if TYPE_CHECKING:
    from pytestqt.qtbot import QtBot
    from qtpy.QtWidgets import QWidget

    from napari_bloodflow._napari.session import ViewerSession

LEFT, NO_KEY = Qt.MouseButton.LeftButton, Qt.KeyboardModifier.NoModifier
STEPS = 5

Pixel = tuple[float, float]


class Mouse:
    """A mouse on the canvas of a viewer; places are pixels (row, column) of its first image.

    The canvas drops moves that follow another within 10 ms, and Qt those to where the mouse is. So
    the mouse trembles until the viewer has heard of its move; otherwise a button may be released
    where the mouse was before.

    Parameters
    ----------
    session
        The session of the viewer.
    widget
        Any widget of the viewer's window.
    qtbot
        The robot of pytest-qt.
    """

    def __init__(self, session: ViewerSession, widget: QWidget, qtbot: QtBot) -> None:
        self._session = session
        self._qtbot = qtbot
        (self.canvas,) = widget.window().findChildren(QOpenGLWidget)
        self._window = widget.window().windowHandle()

    def move(self, pixel: Pixel) -> None:
        """Move to a pixel, or to the point of the screen beside it."""
        viewer = self._session.viewer
        wanted = self._world(pixel)
        within = 2 / viewer.scene.camera.zoom
        sideways = cycle((0, 1))

        def arrives() -> bool:
            QTest.mouseMove(self._window, self._place(pixel) + QPoint(next(sideways), 0))
            return bool(np.allclose(viewer.cursor.position, wanted, rtol=0, atol=within))

        self._qtbot.waitUntil(arrives, timeout=20_000)

    def pull(self, start: Pixel, stop: Pixel) -> None:
        """Press the left button at one pixel and move to another, without a release."""
        self.move(start)
        QTest.mousePress(self._window, LEFT, NO_KEY, self._place(start))
        for pixel in np.linspace(start, stop, STEPS + 1)[1:]:
            self.move(tuple(pixel))

    def release(self, pixel: Pixel) -> None:
        """Release the left button."""
        QTest.mouseRelease(self._window, LEFT, NO_KEY, self._place(pixel))
        QApplication.processEvents()

    def drag(self, start: Pixel, stop: Pixel) -> None:
        """Drag from one pixel to another."""
        self.pull(start, stop)
        self.release(stop)

    def _world(self, pixel: Pixel) -> np.ndarray:
        return np.array(self._session.image_layers[0].data_to_world(pixel))

    def _place(self, pixel: Pixel) -> QPoint:
        viewer = self._session.viewer
        world = self._world(pixel)[list(viewer.dims.displayed)]
        camera, size = viewer.scene.camera, np.array(viewer.canvas.size)
        y, x = (world - np.array(camera.center)[-2:]) * camera.zoom + size / 2
        return self.canvas.mapTo(self.canvas.window(), QPoint(round(x), round(y)))
