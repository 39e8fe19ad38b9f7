"""Counts of red cells against trains whose cells are known; what counting costs.

Every case is measured as `radon_velocity` does by default, from fixed seeds. Printed are the cells
per window, the bias of the count, its spread, its stated uncertainty, the ratio of error to
uncertainty (root mean square, 1 if the uncertainty is right) and the part of windows with a count.

    python benchmarks/red_cell_flux.py [--records 3]
"""

from __future__ import annotations

import argparse
import statistics
import sys
import time

import numpy as np

from napari_bloodflow import Calibration, RunContext
from napari_bloodflow.analysis.base import AnalysisInputs, AnalysisState
from napari_bloodflow.analysis.kernels.lag_correlation import LagOptions, lag_velocity
from napari_bloodflow.analysis.kernels.red_cells import count_red_cells
from napari_bloodflow.analysis.radon_velocity import RadonVelocity
from napari_bloodflow.synthetic import SyntheticKymograph, moving_streaks

DT_S, DX_UM, NUM_COLUMNS, NUM_ROWS, WIDTH = 0.001, 0.25, 128, 8192, 64

# Where cells cover two fifths of the line or less; the flux may be off by so much.
SPACINGS_UM, CELL_UM = (6.0, 10.0, 15.0, 27.0), 4.0
SPARSE_FROM_UM, MOST_BIAS = 10.0, 0.12
MOST_COST = 0.20


def measured(record: SyntheticKymograph, shift_px: float, image: np.ndarray) -> np.ndarray:
    """Return count, uncertainty and true count of each window."""
    calibration = Calibration(DT_S, DX_UM, "user", is_known=True)
    state = AnalysisState(calibration, (0, NUM_ROWS, 0, NUM_COLUMNS), image.shape)
    params = RadonVelocity.check_params({"window_width": WIDTH, "step_fraction": 1.0})
    table = RunContext().drain(RadonVelocity.measure(AnalysisInputs(image, state), params)).table
    assert table is not None
    assert record.cell_px is not None
    assert record.train_px is not None
    count, density = (table[f"rbc_{name}"].to_numpy() for name in ("count", "density_per_mm"))
    with np.errstate(divide="ignore", invalid="ignore"):
        length = count / density * 1000.0 / DX_UM
    middle = (NUM_COLUMNS - 1) / 2 - (np.arange(count.size) * WIDTH + (WIDTH - 1) / 2) * shift_px
    at = (record.cell_px - (middle - length / 2)[:, np.newaxis]) % record.train_px
    true = np.where(np.isfinite(length), (at < length[:, np.newaxis]).sum(axis=1), np.nan)
    return np.stack([count, table["rbc_count_sd"].to_numpy(), true])


def accuracy(records: int) -> bool:
    """Print the table; True if a sparse train is counted with too much bias."""
    missed = False
    print("spacing  SNR px/line  cells per window  bias %   spread     sd  ratio  counted")
    for spacing in SPACINGS_UM:
        for snr in (10.0, 1.0, 0.5, 0.25):
            for shift_px, polarity in ((0.5, 1), (2.0, 1), (2.0, -1), (8.0, 1), (30.0, 1)):
                parts = []
                for seed in range(records):
                    record = moving_streaks(
                        NUM_ROWS,
                        NUM_COLUMNS,
                        dt_s=DT_S,
                        dx_um=DX_UM,
                        velocity_um_per_s=shift_px * DX_UM / DT_S,
                        cell_spacing_um=spacing,
                        cell_width_um=CELL_UM,
                        snr=snr,
                        seed=seed,
                    )
                    image = record.image if polarity > 0 else np.uint16(10_000) - record.image
                    parts.append(measured(record, shift_px, image))
                count, sd, true = np.concatenate(parts, axis=1)
                known = np.isfinite(count) & np.isfinite(true)
                kind = "dark" if polarity > 0 else "bright"
                head = f"{spacing:>4g} um {snr:>4g} {shift_px:>7g} {kind:>6}"
                if not known.any():
                    print(f"{head}   not counted: noise")
                    continue
                error = (count - true)[known]
                bias = error.mean() / true[known].mean()
                note = ""
                if spacing >= SPARSE_FROM_UM and abs(bias) > MOST_BIAS:
                    missed, note = True, "  MISSED"
                print(
                    f"{head} {true[known].mean():>10.2f} {100 * bias:>7.1f} {error.std():>8.2f} "
                    f"{np.sqrt(np.mean(sd[known] ** 2)):>6.2f} "
                    f"{np.sqrt(np.mean((error / sd[known]) ** 2)):>6.2f} {known.mean():>8.2f}{note}"
                )
    return missed


def cost() -> bool:
    """Print the processor time of counting against that of the velocity; True if it is too much."""
    missed = False
    for shift_px, snr in ((1.0, 1.0), (5.0, 1.0), (20.0, 3.0)):
        image = moving_streaks(
            30_000,
            NUM_COLUMNS,
            dt_s=DT_S,
            dx_um=DX_UM,
            velocity_um_per_s=shift_px * DX_UM / DT_S,
            snr=snr,
        ).image
        options = LagOptions(WIDTH)
        slope = lag_velocity(image, options).displacement_px
        count_red_cells(image, slope, WIDTH)
        spent: dict[str, list[float]] = {"velocity": [], "cells": []}
        for _ in range(5):
            start = time.process_time()
            lag_velocity(image, options)
            middle = time.process_time()
            count_red_cells(image, slope, WIDTH)
            spent["velocity"].append(middle - start)
            spent["cells"].append(time.process_time() - middle)
        velocity, cells = (statistics.median(values) for values in spent.values())
        missed |= cells > MOST_COST * velocity
        print(
            f"30000 x 128, window 64, {shift_px:g} px/line, SNR {snr:g}: velocity "
            f"{velocity * 1e3:.0f} ms, cells {cells * 1e3:.0f} ms, {cells / velocity:.0%} more"
        )
    return missed


def main() -> int:
    """Print both; 1 if a target is missed."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--records", type=int, default=3)
    missed = accuracy(parser.parse_args().records)
    missed |= cost()
    return int(missed)


if __name__ == "__main__":
    sys.exit(main())
