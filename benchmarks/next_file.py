"""Time from an arrow key in the list of files to the next kymograph on the screen.

Run it under a display: ``xvfb-run -a python benchmarks/next_file.py``. A folder of files is gone
through with the arrow key, with the Acquisitions dock and the Velocity dock open; every second file
has a ROI with a result. Time runs until the layers show the file and the canvas is painted. The
second column is processor time of the window's thread until then, the third that without painting.
"""

from __future__ import annotations

import argparse
from typing import TYPE_CHECKING, Any

from gui_meter import GuiMeter, wait_until, with_own_settings

if TYPE_CHECKING:
    from pathlib import Path

TARGET_MS = 150.0
NUM_FILES = 8


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--repeats", type=int, default=3, help="how often to go through the list")
    arguments = parser.parse_args()
    print("next file, median ms      clock  processor  without painting  longest by the clock")
    for rows, columns in ((4_000, 64), (30_000, 128)):
        bench = Bench(with_own_settings() / f"{rows}", rows, columns)
        times = [bench.step() for _ in range(arguments.repeats * (NUM_FILES - 1))]
        wall, cpu, ours = (sorted(values) for values in zip(*times, strict=True))
        middle = len(times) // 2
        state = "met" if wall[middle] < TARGET_MS else "MISSED"
        print(
            f"{rows:6d} x {columns:3d} {wall[middle]:18.1f} {cpu[middle]:10.1f}"
            f" {ours[middle]:17.1f} {wall[-1]:21.1f}   {TARGET_MS:.0f} ms: {state}",
            flush=True,
        )
        bench.viewer.close()


class Bench:
    """A viewer with a list of files."""

    def __init__(self, folder: Path, rows: int, columns: int) -> None:
        import napari
        from qtpy.QtWidgets import QTreeView

        from napari_bloodflow import AcqImage
        from napari_bloodflow._napari.session import get_session
        from napari_bloodflow.synthetic import moving_streaks, write_tiff

        folder.mkdir(parents=True)
        for number in range(NUM_FILES):
            path = folder / f"file_{number}.tif"
            write_tiff(moving_streaks(rows, columns, seed=number), path)
            if number % 2:
                acq = AcqImage(path)
                acq.rois.create()
                acq.analysis_set.run_analysis(("radon_velocity", 0, 1))
                acq.save()
        self.viewer: Any = napari.Viewer()
        self.meter = GuiMeter()
        self.meter.stop()
        self.session = get_session(self.viewer)
        _, files = self.viewer.window.add_plugin_dock_widget("napari-bloodflow", "Acquisitions")
        self.viewer.window.add_plugin_dock_widget("napari-bloodflow", "Velocity")
        self.table: Any = files.findChild(QTreeView)
        files.open_sources([folder])
        wait_until(lambda: self.session.acq is not None, 2.0)
        self.is_going_down = True

    def step(self) -> tuple[float, float, float]:
        """Go to the next file, turning at the ends; return ms by the three clocks."""
        from qtpy.QtCore import Qt
        from qtpy.QtTest import QTest
        from qtpy.QtWidgets import QApplication

        before = self.session.acq
        assert before is not None
        row = self.table.currentIndex().row()
        self.is_going_down = (self.is_going_down or row == 0) and row < NUM_FILES - 1
        self.table.setFocus()
        start = self.meter.now()
        QTest.keyClick(self.table, Qt.Key.Key_Down if self.is_going_down else Qt.Key.Key_Up)
        wait_until(lambda: self.session.acq is not before)
        painted = self.meter.now()[2]
        wait_until(lambda: self.meter.now()[2] > painted)
        QApplication.processEvents()
        wall, cpu, drawn = (b - a for a, b in zip(start, self.meter.now(), strict=True))
        wait_until(lambda: True, 0.3)
        return 1e3 * wall, 1e3 * cpu, 1e3 * (cpu - drawn)


if __name__ == "__main__":
    main()
