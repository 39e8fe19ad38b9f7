"""All docks at once, arranged: files and ROIs to the right, measurements below the image."""

from __future__ import annotations

from typing import TYPE_CHECKING

from napari.utils.notifications import show_error
from napari.viewer import Viewer
from qtpy.QtCore import Qt
from qtpy.QtWidgets import QDockWidget, QMainWindow, QWidget

from napari_bloodflow._napari.widgets.session_dock import SessionDock

if TYPE_CHECKING:
    from napari.components import ViewerModel

__all__ = ["open_workbench", "show_dock_of"]

_PLUGIN = "napari-bloodflow"
_RIGHT = ("Acquisition", "Acquisitions", "Metadata")
_BELOW = ("Velocity", "Diameter", "Peaks", "Events", "Heart rate")
_OF_ANALYSES = {
    "radon_velocity": "Velocity",
    "diameter": "Diameter",
    "sum_intensity": "Peaks",
    "event": "Events",
    "heart_rate": "Heart rate",
}
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


def show_dock_of(viewer: ViewerModel, analysis_name: str) -> None:
    """Bring the dock of a kind of analysis forward, opening it below the image if it is not open.

    Parameters
    ----------
    viewer : napari.components.ViewerModel
        Where; without a window nothing happens.
    analysis_name : str
        Such as ``"radon_velocity"``. Of kinds that have no dock none is shown.
    """
    name = _OF_ANALYSES.get(analysis_name)
    if name is None or not isinstance(viewer, Viewer):
        return
    inner = viewer.window.dock_widgets.values()
    others = [_dock_around(widget) for widget in inner if isinstance(widget, SessionDock)]
    dock, _ = viewer.window.add_plugin_dock_widget(_PLUGIN, name)
    window, area = dock.window(), Qt.DockWidgetArea.BottomDockWidgetArea
    if dock not in others and isinstance(window, QMainWindow):
        dock.setWindowTitle(name)
        window.addDockWidget(area, dock)
        below = [other for other in others if other and window.dockWidgetArea(other) == area]
        if below:
            window.tabifyDockWidget(below[0], dock)
    dock.show()
    dock.raise_()


def _dock_around(widget: QWidget | None) -> QDockWidget | None:
    while widget is not None and not isinstance(widget, QDockWidget):
        widget = widget.parentWidget()
    return widget


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
