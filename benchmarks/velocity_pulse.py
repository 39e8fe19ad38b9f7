"""How much of a heartbeat's amplitude is left in the velocity, by window width.

Flow of 2 mm/s that pulses at 10 Hz, lines of 0.5 ms: the window that `suggest_window` proposes must
give the amplitude within 3 %, the mean within 1 %. Wider windows show how fast it is lost; an
average over the window would leave ``sinc(rate * duration)``.

    python benchmarks/velocity_pulse.py [--records 3]
"""

from __future__ import annotations

import argparse
import math
import sys

import numpy as np

from napari_bloodflow import Calibration, RunContext, suggest_window
from napari_bloodflow.analysis.base import AnalysisInputs, AnalysisState
from napari_bloodflow.analysis.radon_velocity import RadonVelocity
from napari_bloodflow.synthetic import SyntheticKymograph, moving_streaks

MEAN_UM_PER_S, RATE_HZ = 2000.0, 10.0
DT_S, DX_UM, NUM_COLUMNS, NUM_ROWS = 0.0005, 0.25, 128, 16_000
WIDTHS = (16, 24, 32, 40, 64, 100)
MOST_AMPLITUDE_ERROR, MOST_MEAN_ERROR = 0.03, 0.01


def pulse(amplitude: float, snr: float, seed: int) -> SyntheticKymograph:
    """Draw a sinusoidal pulse."""
    # Velocity from one row to the next, so its time is half a row later.
    phase = 2 * np.pi * RATE_HZ * (np.arange(NUM_ROWS) + 0.5) * DT_S
    return moving_streaks(
        NUM_ROWS,
        NUM_COLUMNS,
        dt_s=DT_S,
        dx_um=DX_UM,
        velocity_um_per_s=MEAN_UM_PER_S * (1 + amplitude * np.sin(phase)),
        snr=snr,
        seed=seed,
    )


def measured(record: SyntheticKymograph, width: int) -> tuple[float, float, float]:
    """Return amplitude and mean relative to the mean flow, and the accepted part."""
    shape = record.image.shape
    calibration = Calibration(DT_S, DX_UM, "user", is_known=True)
    inputs = AnalysisInputs(record.image, AnalysisState(calibration, (0, shape[0], 0, 1), shape))
    params = RadonVelocity.check_params({"window_width": width})
    table = RunContext().drain(RadonVelocity.measure(inputs, params)).table
    assert table is not None
    kept = table.dropna(subset="velocity")
    phase = 2 * np.pi * RATE_HZ * kept["time_s"].to_numpy()
    waves = np.column_stack([np.ones_like(phase), np.sin(phase), np.cos(phase)])
    mean, sine, cosine = np.linalg.lstsq(waves, kept["velocity"].to_numpy(), rcond=None)[0]
    return math.hypot(sine, cosine) / MEAN_UM_PER_S, mean / MEAN_UM_PER_S, len(kept) / len(table)


def main() -> int:
    """Print the table; 1 if a target is missed."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--records", type=int, default=3)
    records = parser.parse_args().records
    missed = False
    print(f"{'pulse':>6} {'SNR':>5} {'lines':>6} {'ms':>6} {'amplitude':>10} {'mean':>7}", end="")
    print(f" {'accepted':>9} {'sinc':>6}")
    for amplitude in (0.2, 0.5):
        for snr in (math.inf, 1.0, 0.5):
            drawn = [pulse(amplitude, snr, seed) for seed in range(records)]
            proposed = suggest_window(drawn[0].image, DT_S, DX_UM, pulse_hz=RATE_HZ).window_width
            for width in sorted({*WIDTHS, proposed}):
                found = np.mean([measured(record, width) for record in drawn], axis=0)
                kept, mean, accepted = found[0] / amplitude, found[1], found[2]
                note = ""
                if width == proposed:
                    good = abs(kept - 1) <= MOST_AMPLITUDE_ERROR
                    good &= abs(mean - 1) <= MOST_MEAN_ERROR
                    missed |= not good
                    note = "  proposed" if good else "  proposed, MISSED"
                duration_s = width * DT_S
                print(
                    f"{amplitude:>6.0%} {snr:>5g} {width:>6} {duration_s * 1e3:>6g} {kept:>10.4f} "
                    f"{mean:>7.4f} {accepted:>9.3f} {np.sinc(RATE_HZ * duration_s):>6.3f}{note}"
                )
    return int(missed)


if __name__ == "__main__":
    sys.exit(main())
