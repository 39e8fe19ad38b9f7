"""Time to zoom, move the cursor and redraw a velocity plot with gaps.

Run it under a display: ``xvfb-run -a python benchmarks/plot_redraw.py``.
"""

from __future__ import annotations

import statistics
import time

import numpy as np
from napari.qt import get_qapp

from napari_bloodflow._napari.plots.plot_model import PlotModel, Trace
from napari_bloodflow._napari.plots.trace_plot import TracePlot

REPEATS = 15


def redraw_ms(num_points: int) -> float:
    """Return the median time of a zoom with a redraw, in milliseconds."""
    velocity = np.random.default_rng(1).normal(300, 50, num_points)
    velocity[::11] = np.nan
    time_s = np.arange(num_points) / 100
    plot = TracePlot("velocity_plot")
    plot.resize(800, 300)
    plot.show()
    status = np.where(np.isnan(velocity), "flat", "ok").astype(object)
    trace = Trace(
        x=time_s,
        y=velocity,
        status=status,
        label="ROI 1",
        color="#E69F00",
        x_unit="s",
        y_unit="um/s",
    )
    plot.set_model(PlotModel((trace,)))
    view = plot.canvas.getPlotItem().getViewBox()
    plot.canvas.grab()
    times = []
    for step in range(REPEATS):
        start = time.perf_counter()
        view.setXRange(step, 0.9 * time_s[-1] + step, padding=0)
        plot.show_cursor(0.1 * time_s[-1] + step)
        plot.canvas.grab()
        times.append(time.perf_counter() - start)
    plot.close()
    return 1e3 * statistics.median(times)


def main() -> None:
    """Measure and print a table."""
    get_qapp()
    for num_points in (1_000, 10_000, 100_000, 1_000_000):
        print(f"{num_points:>9} points  {redraw_ms(num_points):6.1f} ms")


if __name__ == "__main__":
    main()
