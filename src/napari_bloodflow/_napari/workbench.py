"""All docks at once, arranged: files and ROIs to the right, measurements below the image."""

from __future__ import annotations

from typing import TYPE_CHECKING

from napari.utils.notifications import show_error
from napari.viewer import Viewer  # noqa: TC002 - napari looks for it to know what to pass
from qtpy.QtCore import Qt
from qtpy.QtWidgets import QMainWindow

if TYPE_CHECKING:
    from qtpy.QtWidgets import QDockWidget

__all__ = ["open_workbench"]

_PLUGIN = "napari-bloodflow"
_RIGHT = ("Acquisition", "Acquisitions", "Metadata")
_BELOW = ("Velocity", "Diameter", "Peaks", "Events", "Heart rate")
_RIGHT_WIDTH, _BELOW_HEIGHT = 380, 340


def open_workbench(viewer: Viewer) -> None:
    """Open the docks of this plugin and arrange them; those that are open are kept.

    Parameters
    ----------
    viewer : napari.Viewer
        Where.
    """
    areas = Qt.DockWidgetArea
    right = _open(viewer, _RIGHT, areas.RightDockWidgetArea)
    below = _open(viewer, _BELOW, areas.BottomDockWidgetArea)
    window = right[0].window() if right else None
    if isinstance(window, QMainWindow):
        window.resizeDocks(right[:1], [_RIGHT_WIDTH], Qt.Orientation.Horizontal)
        window.resizeDocks(below[:1], [_BELOW_HEIGHT], Qt.Orientation.Vertical)


def _open(viewer: Viewer, names: tuple[str, ...], area: Qt.DockWidgetArea) -> list[QDockWidget]:
    """Open docks as tabs of one area, the first in front."""
    docks: list[QDockWidget] = []
    for name in names:
        try:
            dock, _ = viewer.window.add_plugin_dock_widget(_PLUGIN, name)
        except (KeyError, ValueError) as error:
            show_error(f"The dock {name} was not opened: {error}")
            continue
        # What is on its tab, and in the menu: napari adds the name of the plugin, and then cuts it.
        dock.setWindowTitle(name)
        window = dock.window()
        if isinstance(window, QMainWindow):
            window.addDockWidget(area, dock)
            if docks:
                window.tabifyDockWidget(docks[0], dock)
        docks.append(dock)
    if docks:
        docks[0].show()
        docks[0].raise_()
    return docks
