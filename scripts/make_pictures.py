"""Makes the pictures of the documentation in a real viewer.

Run as ``xvfb-run -a -s "-screen 0 1400x900x24" python scripts/make_pictures.py [--out FOLDER]``.
"""

from __future__ import annotations

import argparse
import tempfile
import time
from pathlib import Path

import napari
from napari.qt import get_qapp
from qtpy.QtCore import Qt
from qtpy.QtTest import QTest
from qtpy.QtWidgets import QPushButton, QTableView

from napari_bloodflow import AcqImage, RectRoiBounds, open_in_viewer, synthetic
from napari_bloodflow._napari.session import get_session

DOCS = Path(__file__).parents[1] / "docs" / "images"


def let_it_draw(seconds: float = 0.5) -> None:
    """Let the window show what has changed."""
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        get_qapp().processEvents()


def make_workbench(out: Path, sample: Path, theme: str) -> None:
    """Two ROIs, one measured in the Velocity dock, at 1400 x 900."""
    viewer = napari.Viewer(title="napari-bloodflow")
    viewer.theme = theme
    viewer.window.resize(1400, 900)
    docks = {}
    session = open_in_viewer(sample, viewer)
    for name in ("Acquisition", "Velocity"):
        _, docks[name] = viewer.window.add_plugin_dock_widget("napari-bloodflow", name)
    let_it_draw()
    session.fit_view()
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
    run = docks["Velocity"].findChild(QPushButton, "velocity_run")
    run.click()
    let_it_draw(3)
    viewer.screenshot(str(out / f"workbench_{theme}.png"), canvas_only=False, flash=False)
    acq.save()
    viewer.close()


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
    table = docks["Acquisitions"].findChild(QTableView, "file_table")
    for key in (Qt.Key.Key_Down, Qt.Key.Key_Down, Qt.Key.Key_Space, Qt.Key.Key_Down):
        QTest.keyClick(table, key)
        let_it_draw(0.2)
    for _ in range(3):
        QTest.keyClick(table, Qt.Key.Key_Down, Qt.KeyboardModifier.ShiftModifier)
        let_it_draw(0.2)
    session.fit_view()
    let_it_draw(1)
    viewer.screenshot(str(out / f"acquisitions_{theme}.png"), canvas_only=False, flash=False)
    viewer.close()


def main() -> None:
    """Make all pictures."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--out", type=Path, default=DOCS)
    out = parser.parse_args().out
    out.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory() as folder:
        sample = Path(folder) / "capillary.tif"
        synthetic.write_tiff(synthetic.pulsatile_flow(), sample)
        for theme in ("dark", "light"):
            make_workbench(out, sample, theme)
        make_acquisitions(out, Path(folder), "dark")


if __name__ == "__main__":
    main()
