"""Speed and agreement of the diameter kernels, side by side with the row-by-row reference.

The reference is timed on a part of the rows and stated per row. All take turns, so that a busy
machine slows them alike.

    python benchmarks/diameter_speed.py [--quick]
"""

from __future__ import annotations

import argparse
import statistics
import time
import tracemalloc
from typing import Any

import numpy as np
from reference_diameter import reference_diameter

from napari_bloodflow.analysis.base import AnalysisInputs, AnalysisState, RunContext
from napari_bloodflow.analysis.diameter import Diameter
from napari_bloodflow.analysis.kernels.edges_exact import (
    EdgeRows,
    EdgeSettings,
    gate_edges,
    iter_exact_edges,
    running_median,
)
from napari_bloodflow.calibration import Calibration
from napari_bloodflow.synthetic import vessel_with_diameter_changes

REFERENCE_ROWS = 1500


def exact(image: np.ndarray[Any, Any], method: Any, backend: Any) -> np.ndarray[Any, Any]:
    """Measure all rows by an exact method; the filtered diameter in pixels."""
    chunks = list(iter_exact_edges(image, EdgeSettings(method), backend=backend))
    fields = {
        name: np.concatenate([getattr(chunk, name) for chunk in chunks])
        for name in EdgeRows.__slots__
    }
    if method == "gradient_edges":
        gate_edges((fields["left"], fields["right"]), (8.0, 8.0, 8.0))
    return running_median(fields["right"] - fields["left"], 3)


def guided(image: np.ndarray[Any, Any], refinement: str) -> Any:
    """Measure all rows by the guided method, table and summary included."""
    state = AnalysisState(Calibration(0.001, 0.25, "x", True), (0, 0, 0, 0), (0, 0))
    params = Diameter.check_params({"refinement": refinement})
    return RunContext().drain(Diameter.measure(AnalysisInputs(image, state), params))


def memory(num_rows: int, num_columns: int) -> None:
    """Print the memory that the guided method takes beyond the image."""
    part = vessel_with_diameter_changes(
        5000, num_columns, dt_s=0.001, dx_um=0.25, diameter_um=30.0, edge_blur_um=0.4, snr=8.0
    ).image
    image = np.tile(part, (num_rows // len(part), 1))
    tracemalloc.start()
    table = guided(image, "none").table
    peak = tracemalloc.get_traced_memory()[1] / 1e6
    tracemalloc.stop()
    kept = table.memory_usage(deep=True).sum() / 1e6
    print(
        f"memory beyond the image of {num_rows} x {num_columns}: {peak:.0f} MB, of which the table"
        f" is {kept:.0f} MB; target 64 MB"
    )


def main() -> None:
    """Time everything and print ratios."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--quick", action="store_true", help="one round")
    repeats = 1 if parser.parse_args().quick else 5
    image = vessel_with_diameter_changes(
        30_000, 128, dt_s=0.001, dx_um=0.25, diameter_um=10.0, edge_blur_um=0.4, snr=8.0
    ).image
    runs: dict[str, tuple[str, Any, float]] = {}
    for method, targets in (("threshold_width", (150, 100)), ("gradient_edges", (120, 80))):
        for backend, target in zip(("numba", "numpy"), targets, strict=True):
            runs[f"{method}, {backend}"] = (
                method,
                lambda m=method, b=backend: exact(image, m, b),
                target,
            )
    runs["guided"] = ("threshold_width", lambda: guided(image, "none"), 60)
    runs["guided, erf"] = ("threshold_width", lambda: guided(image, "erf"), 20)
    seconds: dict[str, list[float]] = {name: [] for name in runs}
    for _, run, _ in runs.values():
        run()  # compiled before the clock starts
    for _ in range(repeats):
        for method in ("threshold_width", "gradient_edges"):
            start = time.perf_counter()
            reference_diameter(image[:REFERENCE_ROWS], {"diameter_method": method}, dx_um=0.25)
            spent = (time.perf_counter() - start) * image.shape[0] / REFERENCE_ROWS
            seconds.setdefault(method, []).append(spent)
        for name, (_, run, _) in runs.items():
            start = time.perf_counter()
            run()
            seconds[name].append(time.perf_counter() - start)
    print(f"{'30000 x 128':<26} {'ms':>8} {'ratio':>7} {'target':>7}")
    for name, (method, _, target) in runs.items():
        own, reference = statistics.median(seconds[name]), statistics.median(seconds[method])
        print(f"{name:<26} {own * 1e3:>8.1f} {reference / own:>6.0f}x {target:>6}x")
    for num_rows in (25_000, 100_000):
        memory(num_rows, 512)


if __name__ == "__main__":
    main()
