"""Start-up time of the package and the command line, and time to open a long kymograph.

Run as ``python benchmarks/start_and_open.py``. Medians of repeats, each in a process of its own.
The last rows need napari.
"""

from __future__ import annotations

import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from napari_bloodflow.synthetic import moving_streaks, write_tiff

REPEATS = 7
READER = """
import sys, time
from napari_bloodflow._napari.reader import get_reader
import napari.components.viewer_model  # there in any viewer
import napari_bloodflow._napari.session, napari_bloodflow.acquisition.acq_image
start = time.perf_counter()
layers = get_reader(sys.argv[1])(sys.argv[1])
print(time.perf_counter() - start)
"""
OPEN = """
import sys, time
from napari_bloodflow.acquisition.acq_image import AcqImage
start = time.perf_counter()
AcqImage(sys.argv[1])
print(time.perf_counter() - start)
"""


def seconds_of(arguments: list[str]) -> float:
    """Return the wall time of a command."""
    start = time.perf_counter()
    subprocess.run(arguments, check=True, capture_output=True)
    return time.perf_counter() - start


def printed_seconds(code: str, path: Path) -> float:
    """Return what a program prints about itself."""
    done = subprocess.run(
        [sys.executable, "-c", code, str(path)], check=True, capture_output=True, text=True
    )
    return float(done.stdout.splitlines()[-1])


def main() -> None:
    """Measure and print a table."""
    python = sys.executable
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "long.tif"
        write_tiff(moving_streaks(30_000, 128), path)
        bare = [seconds_of([python, "-c", "pass"]) for _ in range(REPEATS)]
        rows = {
            "python itself": bare,
            "import napari_bloodflow": [
                seconds_of([python, "-c", "import napari_bloodflow"]) for _ in range(REPEATS)
            ],
            "napari-bloodflow --help": [
                seconds_of([python, "-m", "napari_bloodflow", "--help"]) for _ in range(REPEATS)
            ],
            "AcqImage, 30,000 x 128, imported": [
                printed_seconds(OPEN, path) for _ in range(REPEATS)
            ],
        }
        try:
            rows["reader, 30,000 x 128, imported"] = [
                printed_seconds(READER, path) for _ in range(REPEATS)
            ]
        except subprocess.CalledProcessError as error:
            print("reader not measured:", error.stderr.decode().splitlines()[-1])
    print(f"{'what':<36}{'median ms':>10}{'slowest ms':>12}")
    for name, values in rows.items():
        print(f"{name:<36}{statistics.median(values) * 1e3:>10.1f}{max(values) * 1e3:>12.1f}")


if __name__ == "__main__":
    main()
