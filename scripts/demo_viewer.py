"""Opens what ``napari-bloodflow demo`` wrote in napari; with ``--screenshot`` only takes a picture.

Run as ``python scripts/demo_viewer.py FOLDER [--screenshot PNG]``.
"""

from __future__ import annotations

import argparse
from pathlib import Path

import napari
from napari.qt import get_qapp

from napari_bloodflow import open_in_viewer


def main() -> None:
    """Open the sample with both docks."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--screenshot", type=Path)
    arguments = parser.parse_args()
    (sample,) = sorted(arguments.folder.glob("*.tif"))

    viewer = napari.Viewer(title="napari-bloodflow")
    viewer.window.resize(1400, 900)
    session = open_in_viewer(sample, viewer)
    for name in ("Acquisition", "Velocity"):
        viewer.window.add_plugin_dock_widget("napari-bloodflow", name)
    if arguments.screenshot is None:
        napari.run()
        return
    for _ in range(20):
        get_qapp().processEvents()
    session.fit_view()
    for _ in range(20):
        get_qapp().processEvents()
    viewer.screenshot(str(arguments.screenshot), canvas_only=False, flash=False)
    viewer.close()


if __name__ == "__main__":
    main()
