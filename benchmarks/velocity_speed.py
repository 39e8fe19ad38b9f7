"""Speed of both velocity methods, side by side with scikit-image in one run; memory.

The reference is CloudScope's procedure, as published: for each window, scikit-image's ``radon`` at
180 whole degrees and then at 17 quarter degrees around the best. It is timed on a subset of the
windows, in one process and in two at once, and stated per window. All take turns, so that a busy
machine slows all.

    python benchmarks/velocity_speed.py [--quick] [--repeats 3]
"""

from __future__ import annotations

import argparse
import multiprocessing
import resource
import statistics
import subprocess
import sys
import time
from concurrent.futures import ProcessPoolExecutor
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
from skimage.transform import radon

from napari_bloodflow.analysis.kernels.lag_correlation import (
    LagOptions,
    lag_velocity,
    num_lag_windows,
)
from napari_bloodflow.analysis.kernels.radon import num_windows, radon_angles
from napari_bloodflow.synthetic import moving_streaks

if TYPE_CHECKING:
    from collections.abc import Callable

    from numpy.typing import NDArray


class Case(NamedTuple):
    """A size, the reference windows to time, and the least ratios of 2 threads to 2 processes.

    Of `normalized` and of `classic`, which is not timed without one.
    """

    name: str
    num_rows: int
    num_columns: int
    window_width: int
    reference_windows: int
    target: int
    classic_target: int | None


CASES = (
    Case("vessel", 30_000, 128, 64, 8, 300, 100),
    Case("capillary", 5_000, 50, 16, 60, 500, 120),
    Case("long window", 100_000, 256, 128, 2, 400, 60),
    Case("long line", 30_000, 512, 64, 1, 1300, None),
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


def _timed(work: Callable[[], Any]) -> tuple[float, Any]:
    start = time.perf_counter()
    result = work()
    return time.perf_counter() - start, result


def measure(case: Case, repeats: int) -> None:
    """Time one case and print its lines of the table."""
    image = moving_streaks(
        case.num_rows, case.num_columns, dx_um=0.25, velocity_um_per_s=1250.0, snr=1.0, seed=1
    ).image
    width, num = case.window_width, case.reference_windows
    options = LagOptions(width)
    total = num_windows(case.num_rows, width)
    work: dict[str, tuple[int, Callable[[], Any]]] = {
        "normalized, 1 thread": (total, lambda: lag_velocity(image, options)),
        "normalized, 2 threads": (total, lambda: lag_velocity(image, options, num_threads=2)),
    }
    plain = image[: 4096 + width]
    plain_total = num_lag_windows(plain.shape[0], options)
    work["normalized, numpy, 1 thread"] = (
        plain_total,
        lambda: lag_velocity(plain, options, engine="numpy"),
    )
    if case.classic_target is not None:
        work["classic, 1 thread"] = (total, lambda: radon_angles(image, width))
        work["classic, 2 threads"] = (total, lambda: radon_angles(image, width, num_threads=2))
    start = image[: 2 * width]
    lag_velocity(start, options)  # compiled before the clock starts
    radon_angles(start, width)
    seconds: dict[str, list[float]] = {"one": [], "two": [], **{name: [] for name in work}}
    context = multiprocessing.get_context("spawn")
    with ProcessPoolExecutor(2, mp_context=context) as pool:
        list(pool.map(reference_theta, [start, start], [width] * 2, [1, 1]))
        for _ in range(repeats):
            spent, _theta = _timed(lambda: reference_theta(image, width, num))
            seconds["one"].append(spent / num)
            cut = image[: (num + 3) * width // 4]
            spent, _theta = _timed(
                lambda cut=cut: list(pool.map(reference_theta, [cut] * 2, [width] * 2, [num] * 2))
            )
            seconds["two"].append(spent / (2 * num))
            for name, (windows, job) in work.items():
                spent, _found = _timed(job)
                seconds[name].append(spent / windows)
    medians = {name: 1000 * statistics.median(values) for name, values in seconds.items()}
    print(
        f"{case.name}: {case.num_rows} x {case.num_columns}, window {width}, {total} windows; "
        f"scikit-image {medians['one']:.1f} ms/window in one process, {medians['two']:.1f} in two"
    )
    aims = {"normalized, 2 threads": case.target, "classic, 2 threads": case.classic_target}
    for name in work:
        to_one, to_two = medians["one"] / medians[name], medians["two"] / medians[name]
        aim = f" (at least {aims[name]}x)" if name in aims else ""
        print(
            f"  {name:<28} {medians[name]:8.4f} ms/window {to_one:7.0f}x one process "
            f"{to_two:7.0f}x two processes{aim}"
        )


def memory(num_rows: int) -> None:
    """Print the memory that a measurement takes beyond the image, in this process."""
    image = np.random.default_rng(0).integers(0, 4000, (num_rows, 128), dtype=np.uint16)
    lag_velocity(image[:512], LagOptions(64), num_threads=2)
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    lag_velocity(image, LagOptions(64), num_threads=2)
    after = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    print(f"memory beyond the image, {num_rows} x 128, 2 threads: {(after - before) / 1024:.1f} MB")


def main() -> None:
    """Run all cases."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--quick", action="store_true", help="the two fastest cases")
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--memory", type=int, help="only the memory for so many lines")
    arguments = parser.parse_args()
    if arguments.memory:
        memory(arguments.memory)
        return
    for num_rows in (30_000, 300_000):
        # A process of its own, because a peak never comes down again.
        subprocess.run([sys.executable, __file__, "--memory", str(num_rows)], check=True)
    for case in CASES[:2] if arguments.quick else CASES:
        measure(case, arguments.repeats)


if __name__ == "__main__":
    main()
