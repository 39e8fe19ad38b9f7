"""Makes the pictures of the documentation in a real viewer.

Run as ``xvfb-run -a -s "-screen 0 1400x900x24" python scripts/make_pictures.py``, with
``--out FOLDER`` for another folder than that of the docs, and ``--themes dark`` for half of them.
"""

from __future__ import annotations

import argparse
import tempfile
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

import napari
import numpy as np
from napari.qt import get_qapp
from PIL import Image
from qtpy.QtCore import Qt
from qtpy.QtTest import QTest
from qtpy.QtWidgets import (
    QApplication,
    QCheckBox,
    QDockWidget,
    QMainWindow,
    QPushButton,
    QTreeView,
    QWidget,
)

from napari_bloodflow import AcqImage, RectRoiBounds, open_in_viewer, synthetic
from napari_bloodflow._napari.session import get_session
from napari_bloodflow._napari.widgets.file_rows import COLUMNS
from napari_bloodflow._napari.workbench import open_workbench

if TYPE_CHECKING:
    from napari_bloodflow._napari.session import ViewerSession

DOCS = Path(__file__).parents[1] / "docs" / "images"
THEMES = ("dark", "light")


def let_it_draw(seconds: float = 0.5) -> None:
    """Let the window show what has changed."""
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        get_qapp().processEvents()


def shoot(viewer: napari.Viewer, path: Path) -> None:
    """Save a picture of the window, with a palette of its own, which is a third of the size."""
    picture = Image.fromarray(viewer.screenshot(canvas_only=False, flash=False))
    picture.convert("RGB").quantize(256).save(path, optimize=True)


class Walk:
    """A viewer of 1400 x 900 with the workbench, and what a user does in it."""

    def __init__(self, out: Path, theme: str) -> None:
        self.out, self.theme = out, theme
        self.viewer = napari.Viewer(title="napari-bloodflow")
        self.viewer.theme = theme
        self.viewer.window.resize(1400, 900)
        open_workbench(self.viewer)
        let_it_draw()

    def find(self, kind: type[Any], name: str) -> Any:
        """Return a part of a dock by its name."""
        for window in QApplication.topLevelWidgets():
            if isinstance(window, QMainWindow) and window.isVisible():
                found = window.findChild(kind, name)
                if found is not None:
                    return found
        raise LookupError(name)

    def open(self, path: Path) -> ViewerSession:
        """Open a file and fit it."""
        session = open_in_viewer(path, self.viewer)
        let_it_draw()
        session.fit_view()
        let_it_draw()
        return session

    def front(self, name: str) -> None:
        """Bring the tab of a dock to the front."""
        widget: QWidget = self.find(QWidget, name)
        while not isinstance(widget, QDockWidget):
            widget = widget.parentWidget()
        widget.show()
        widget.raise_()
        let_it_draw()

    def click(self, name: str, seconds: float = 1.0) -> None:
        """Press a button or a switch."""
        kind = QCheckBox if name.endswith("_on_image") else QPushButton
        self.find(kind, name).click()
        let_it_draw(seconds)

    def shoot(self, name: str) -> None:
        """Save a picture of the window."""
        shoot(self.viewer, self.out / f"{name}_{self.theme}.png")

    def close(self) -> None:
        """Save everything and close."""
        for shown in get_session(self.viewer).shown:
            shown.acq.save()
        self.viewer.close()


def shoot_velocity(walk: Walk, folder: Path) -> None:
    """Two ROIs, one of them measured in the dock, then their events and heart rate."""
    path = folder / "capillary.tif"
    synthetic.write_tiff(synthetic.pulsatile_flow(), path)
    session = walk.open(path)
    acq = session.acq
    assert acq is not None
    acq.rois.restore([])
    for name, rows in (("baseline", (200, 3600)), ("stimulus", (4200, 7800))):
        roi = acq.rois.create(RectRoiBounds(*rows, 6, 58), name=name)
        acq.analysis_set.run_analysis(("radon_velocity", 0, roi.roi_id), {"window_width": 32})
    sync = session.shown[0].sync
    assert sync is not None
    sync.select([acq.rois.get_roi_ids()[0]])
    let_it_draw()
    walk.front("velocity_dock")
    walk.click("velocity_run", 2)
    walk.shoot("workbench")
    whole = acq.rois.create(name="whole")
    acq.analysis_set.run_analysis(("radon_velocity", 0, whole.roi_id), {"window_width": 32})
    sync.select([whole.roi_id])
    walk.front("heart_rate_dock")
    walk.click("heart_rate_run", 1.5)
    walk.shoot("heart_rate")


def shoot_events(walk: Walk, folder: Path) -> None:
    """Show a slow-down that was accepted, and a rise to decide about."""
    speed = 800 + 120 * np.sin(2 * np.pi * 6 * np.arange(16_000) * 1e-3)
    speed[4000:5500] *= 0.35
    speed[10_000:11_000] *= 1.8
    path = folder / "events.tif"
    synthetic.write_tiff(synthetic.moving_streaks(16_000, 64, velocity_um_per_s=speed), path)
    session = walk.open(path)
    assert session.acq is not None
    session.acq.rois.create()
    walk.front("event_dock")
    walk.click("event_measure_parent", 2)
    walk.click("event_run", 1)
    walk.find(QWidget, "event_rows").selectRow(0)
    walk.click("event_accept")
    walk.click("event_on_image")
    walk.shoot("events")


def shoot_diameter(walk: Walk, folder: Path) -> None:
    """Edges of a vessel over the image."""
    path = folder / "vessel.tif"
    synthetic.write_tiff(synthetic.vessel_with_diameter_changes(), path)
    session = walk.open(path)
    assert session.acq is not None
    session.acq.rois.create()
    walk.front("diameter_dock")
    walk.click("diameter_run", 2)
    walk.click("diameter_on_image")
    walk.shoot("diameter")


def shoot_peaks(walk: Walk, folder: Path) -> None:
    """Transients, one of them accepted."""
    path = folder / "calcium.tif"
    synthetic.write_tiff(synthetic.intensity_transients(), path)
    session = walk.open(path)
    assert session.acq is not None
    session.acq.rois.create()
    walk.front("peaks_dock")
    walk.click("peaks_run", 2)
    walk.find(QWidget, "peaks_rows").selectRow(0)
    walk.click("peaks_accept")
    walk.shoot("peaks")


def make_acquisitions(out: Path, folder: Path, theme: str) -> None:
    """Show a list of files, four of them selected, and their metadata, at 1400 x 900."""
    study = folder / "study"
    for number in range(1, 13):
        path = study / ("control" if number % 2 else "stimulus") / f"vessel{number}.tif"
        path.parent.mkdir(parents=True, exist_ok=True)
        synthetic.write_tiff(synthetic.pulsatile_flow(num_rows=1000, seed=number), path)
        acq = AcqImage(path)
        acq.rois.create(RectRoiBounds(100, 900, 6, 58))
        if number == 5:
            acq.analysis_set.run_analysis(("radon_velocity", 0, 1), {"window_width": 32})
            acq.set_calibration(0.002, 0.3)
        acq.accepted = number != 8
        genotype = "wt" if number % 4 else "KO"
        values = {"species": "mouse", "genotype": genotype, "depth": 80 + number}
        acq.apply_metadata_patch("experiment_metadata", values)
        acq.save()
    (study / "control" / "broken.tif").write_bytes(b"no image")
    viewer = napari.Viewer()
    viewer.theme = theme
    viewer.window.resize(1400, 900)
    docks = {}
    for name in ("Acquisitions", "Metadata"):
        _, docks[name] = viewer.window.add_plugin_dock_widget("napari-bloodflow", name)
    docks["Acquisitions"].open_sources([study])
    session = get_session(viewer)
    end = time.monotonic() + 60
    while session.acq is None and time.monotonic() < end:
        let_it_draw()
    let_it_draw(1)
    table = docks["Acquisitions"].findChild(QTreeView, "file_table")
    for key in (Qt.Key.Key_Down, Qt.Key.Key_Down, Qt.Key.Key_Space, Qt.Key.Key_Down):
        QTest.keyClick(table, key)
        let_it_draw(0.2)
    for _ in range(3):
        QTest.keyClick(table, Qt.Key.Key_Down, Qt.KeyboardModifier.ShiftModifier)
        let_it_draw(0.2)
    name = [column.name for column in COLUMNS].index("name")
    (index,) = table.model().match(table.model().index(0, name), 0, "vessel5.tif")
    table.expand(index.siblingAtColumn(0))
    session.fit_view()
    let_it_draw(1)
    shoot(viewer, out / f"acquisitions_{theme}.png")
    viewer.close()


def main() -> None:
    """Make all pictures."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--out", type=Path, default=DOCS)
    parser.add_argument("--themes", nargs="+", choices=THEMES, default=THEMES)
    arguments = parser.parse_args()
    out: Path = arguments.out
    out.mkdir(parents=True, exist_ok=True)
    for theme in arguments.themes:
        with tempfile.TemporaryDirectory() as folder:
            walk = Walk(out, theme)
            for step in (shoot_velocity, shoot_events, shoot_diameter, shoot_peaks):
                step(walk, Path(folder))
            walk.close()
            make_acquisitions(out, Path(folder), theme)


if __name__ == "__main__":
    main()
