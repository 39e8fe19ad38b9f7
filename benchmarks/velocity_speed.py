"""Speed and agreement of the Radon kernel, side by side with scikit-image in one run.

The reference is CloudScope's procedure, as published: for each window, scikit-image's ``radon`` at
180 whole degrees and then at 17 quarter degrees around the best. It is timed on a subset of the
windows and stated per window. The two take turns, so that a busy machine slows both.

    python benchmarks/velocity_speed.py [--quick]
"""

from __future__ import annotations

import argparse
import statistics
import time
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
from skimage.transform import radon

from napari_bloodflow.analysis.kernels.radon import num_windows, radon_angles
from napari_bloodflow.synthetic import moving_streaks

if TYPE_CHECKING:
    from numpy.typing import NDArray


class Case(NamedTuple):
    name: str
    num_rows: int
    num_columns: int
    window_width: int
    reference_windows: int


CASES = (
    Case("capillary", 5_000, 50, 16, 100),
    Case("small vessel", 10_000, 48, 64, 40),
    Case("vessel", 30_000, 128, 64, 16),
    Case("long line", 10_000, 512, 64, 2),
    Case("long window", 30_000, 256, 128, 4),
)


def reference_theta(image: NDArray[Any], window_width: int, num: int) -> NDArray[np.float64]:
    """Angles of the first windows, in degrees, by scikit-image."""
    step = int(0.25 * window_width)
    theta = np.empty(num)
    coarse = np.arange(180, dtype=np.float32)
    offsets = np.arange(-2.0, 2.01, 0.25, dtype=np.float32)
    for k in range(num):
        window = image[k * step : k * step + window_width].astype(np.float32)
        window -= float(np.mean(window))
        spread = radon(window, coarse, circle=False).var(axis=0)  # type: ignore[no-untyped-call]
        fine = coarse[np.argmax(spread)] + offsets
        spread = radon(window, fine, circle=False).var(axis=0)  # type: ignore[no-untyped-call]
        theta[k] = fine[np.argmax(spread)]
    return theta


def measure(case: Case, repeats: int) -> None:
    """Time one case and print its line of the table."""
    image = moving_streaks(
        case.num_rows, case.num_columns, velocity_um_per_s=800.0, snr=1.0, seed=1
    ).image
    total = num_windows(case.num_rows, case.window_width)
    radon_angles(image[: case.window_width], case.window_width)  # compiled before the clock starts
    seconds: dict[str, list[float]] = {"reference": [], "1 thread": [], "2 threads": []}
    theta = expected = np.empty(0)
    for _ in range(repeats):
        start = time.perf_counter()
        expected = reference_theta(image, case.window_width, case.reference_windows)
        seconds["reference"].append((time.perf_counter() - start) / case.reference_windows)
        for threads, name in ((1, "1 thread"), (2, "2 threads")):
            start = time.perf_counter()
            theta = radon_angles(image, case.window_width, num_threads=threads).theta_deg
            seconds[name].append((time.perf_counter() - start) / total)
    reference, one, two = (1000 * statistics.median(values) for values in seconds.values())
    same = int(np.count_nonzero(theta[: expected.size] == expected))
    print(
        f"{case.name:<13} {case.num_rows:>6} x {case.num_columns:<4} {case.window_width:>4} "
        f"{total:>6} {reference:>13.2f} {one:>9.3f} {two:>9.3f} {reference / one:>7.0f}x "
        f"{same:>5}/{expected.size}"
    )


def main() -> None:
    """Run all cases."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--quick", action="store_true", help="one round of the three fastest cases")
    quick = parser.parse_args().quick
    print("milliseconds per window (medians); the ratio is 1 thread to scikit-image on 1 thread")
    print(
        f"{'case':<13} {'rows x cols':>13} {'W':>4} {'n':>6} {'scikit-image':>13} {'1 thread':>9} "
        f"{'2 threads':>9} {'ratio':>8} {'same angle':>9}"
    )
    for case in CASES[:3] if quick else CASES:
        measure(case, 1 if quick else 3)


if __name__ == "__main__":
    main()
