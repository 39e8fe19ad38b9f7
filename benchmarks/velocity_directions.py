"""Accuracy and error bars where every other line is scanned backwards, beside plain lines.

Lines of 128 pixels of 4 us, windows of 64 lines; bidirectional lines are measured apart, 32 of each
direction, so speeds are told up to half as high.

    python benchmarks/velocity_directions.py [--records 12]
"""

from __future__ import annotations

import argparse
import math
from typing import TYPE_CHECKING

import numpy as np

from napari_bloodflow import Calibration, RunContext
from napari_bloodflow.analysis.base import AnalysisInputs, AnalysisState
from napari_bloodflow.analysis.radon_velocity import RadonVelocity
from napari_bloodflow.synthetic import moving_streaks

if TYPE_CHECKING:
    import pandas as pd
    from numpy.typing import NDArray

DT_S, DX_UM, NUM_COLUMNS, DWELL_US, WINDOW = 0.001, 0.25, 128, 4.0, 64
SEGMENTS = 32
SLOWEST_PX, FASTEST_PX = 0.1, 17.0
COVERAGE = (92.0, 97.0)


def measured(direction: str, snr: float, seed: int) -> tuple[pd.DataFrame, NDArray[np.float64]]:
    """Measure one record; return the windows inside a segment of one speed, and these speeds."""
    rng = np.random.default_rng(seed)
    part = (rng.permutation(SEGMENTS) + rng.random(SEGMENTS)) / SEGMENTS
    size = SLOWEST_PX * (FASTEST_PX / SLOWEST_PX) ** part
    velocity = size * rng.choice([-1.0, 1.0], SEGMENTS) * DX_UM / DT_S
    bright = moving_streaks(
        SEGMENTS * 2 * WINDOW,
        NUM_COLUMNS,
        dt_s=DT_S,
        dx_um=DX_UM,
        velocity_um_per_s=np.repeat(velocity, 2 * WINDOW),
        snr=math.inf,
        pixel_dwell_s=DWELL_US * 1e-6,
        scan_direction=direction,  # type: ignore[arg-type]
        seed=seed,
    ).image.astype(np.float64)
    bright += 20_000 + rng.normal(scale=bright.std() / snr, size=bright.shape)
    image, shape = np.rint(bright).astype(np.uint16), bright.shape
    calibration = Calibration(DT_S, DX_UM, "user", is_known=True)
    inputs = AnalysisInputs(image, AnalysisState(calibration, (0, shape[0], 0, shape[1]), shape))
    chosen = {
        "window_width": WINDOW,
        "scan_direction": direction,
        "pixel_dwell_us": DWELL_US,
    }
    table = (
        RunContext().drain(RadonVelocity.measure(inputs, RadonVelocity.check_params(chosen))).table
    )
    assert table is not None
    quarters = np.arange(len(table))
    inside = quarters % 8 <= 4
    return table[inside], velocity[quarters[inside] // 8]


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--records", type=int, default=12, help="records of 160 windows per row")
    records = parser.parse_args().records
    print(
        f"{'lines':<14} {'SNR':>5} {'median %':>9} {'accepted %':>11} {'>10% acc %':>11} covered %"
    )
    for snr in (4.0, 1.0, 0.5):
        for direction in ("positive", "bidirectional"):
            drawn = [measured(direction, snr, 300 + seed) for seed in range(records)]
            truth = np.concatenate([speeds for _, speeds in drawn])
            low, high, raw = (
                np.concatenate([table[name] for table, _ in drawn])
                for name in ("velocity_ci_low", "velocity_ci_high", "velocity_raw")
            )
            kept = np.concatenate([table["status"] == "ok" for table, _ in drawn])
            error = np.abs(raw / truth - 1)
            covered = 100 * float(np.mean(((low <= truth) & (truth <= high))[kept]))
            missed = "" if COVERAGE[0] <= covered <= COVERAGE[1] else "  MISSED"
            print(
                f"{direction:<14} {snr:>5g} {100 * np.median(error):>9.3f} "
                f"{100 * kept.mean():>11.1f} "
                f"{100 * np.mean(error[kept] > 0.1):>11.2f} {covered:>9.1f}{missed}",
                flush=True,
            )


if __name__ == "__main__":
    main()
