"""Time and memory to open a 4 GB kymograph and read a ROI of it, beside two other readers.

Run as ``python benchmarks/big_files.py [GB]``. The file is sparse: it takes no room on disk. Each
way runs in a process of its own. ``tifffile.imread`` and napari's built-in reader read everything;
they are skipped where the machine has too little memory. The builtin row needs napari.
"""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
from pathlib import Path

import tifffile

HEADER = """
from napari_bloodflow.acquisition.images import AcqImages
AcqImages(Path(sys.argv[1]))
start()
AcqImages(Path(sys.argv[1]))
"""
ROI = """
from napari_bloodflow.acquisition.acq_image import AcqImage
from napari_bloodflow.acquisition.roi import RectRoiBounds
start()
acq = AcqImage(sys.argv[1])
acq.images.get_roi_rect_image(0, RectRoiBounds(1000, 3000, 100, 200)).sum()
"""
IMREAD = """
import tifffile
start()
tifffile.imread(sys.argv[1])[1000:3000, 100:200].sum()
"""
NAPARI = """
from napari_builtins.io import napari_get_reader
start()
napari_get_reader(sys.argv[1])(sys.argv[1])[0][0][1000:3000, 100:200].sum()
"""
AROUND = """
import resource, sys, time
from pathlib import Path
def start():
    global began, before
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    began = time.perf_counter()
{code}
print(time.perf_counter() - began, resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before)
"""


def sparse_kymograph(path: Path, num_bytes: int, num_columns: int = 512) -> None:
    """Write a kymograph of zeros that takes no room."""
    shape = (num_bytes // (2 * num_columns), num_columns)
    tifffile.imwrite(path, shape=shape, dtype="uint16", bigtiff=True)


def main(num_gb: float) -> None:
    """Measure and print a table."""
    free = os.sysconf("SC_AVPHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
    print(f"{'what':<36}{'ms':>10}{'MB more':>12}")
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "big.tif"
        sparse_kymograph(path, int(num_gb * 1e9))
        ways = {"header again": HEADER, "AcqImage and a ROI": ROI}
        if free > 1.5e9 * num_gb:
            ways |= {"tifffile.imread and a ROI": IMREAD, "napari's builtin and a ROI": NAPARI}
        for name, code in ways.items():
            done = subprocess.run(
                [sys.executable, "-c", AROUND.format(code=code), str(path)],
                capture_output=True,
                text=True,
                check=False,
            )
            if done.returncode:
                print(f"{name:<36}{'not measured':>22}: {done.stderr.splitlines()[-1:]}")
                continue
            seconds, kilobytes = map(float, done.stdout.split())
            print(f"{name:<36}{seconds * 1e3:>10.1f}{kilobytes / 1e3:>12.1f}")


if __name__ == "__main__":
    main(float(sys.argv[1]) if len(sys.argv) > 1 else 4.3)
