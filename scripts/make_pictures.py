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
from qtpy.QtWidgets import QPushButton

from napari_bloodflow import RectRoiBounds, open_in_viewer, synthetic

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


if __name__ == "__main__":
    main()
