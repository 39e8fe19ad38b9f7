"""Time and memory to open big kymographs, beside two other readers.

Run as ``python benchmarks/big_files.py [GB] [PAGES]``. The first file is one page of 4.3 GB; it is
sparse and takes no room on disk. The others have 30,000 pages, one per line or frame: what ImageJ,
SciTiff and OME-TIFF make of a long scan, and ScanImage of a film. Each way runs in a process of its
own; stacks are opened twice, and the second time counts. The CPU time depends less on what else the
machine does. ``tifffile.imread`` and napari's built-in reader read everything; they are skipped
where the machine has too little memory. The builtin row needs napari.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
from pathlib import Path

import numpy as np
import tifffile

HEADER = """
from napari_bloodflow.acquisition.images import AcqImages
AcqImages(Path(sys.argv[1]))
start()
AcqImages(Path(sys.argv[1]))
"""
PLANE = """
from napari_bloodflow.acquisition.images import AcqImages
AcqImages(Path(sys.argv[1])).get_slice()
start()
AcqImages(Path(sys.argv[1])).get_slice().sum()
"""
SERIES = """
import tifffile
def describe():
    with tifffile.TiffFile(sys.argv[1]) as tif:
        return tif.series[0].shape
describe()
start()
describe()
"""
ALL = """
import tifffile
tifffile.imread(sys.argv[1])
start()
tifffile.imread(sys.argv[1])
"""
NAPARI_ALL = """
from napari_builtins.io import napari_get_reader
napari_get_reader(sys.argv[1])(sys.argv[1])
start()
napari_get_reader(sys.argv[1])(sys.argv[1])
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
    global began, cpu, before
    cpu = time.process_time()
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    began = time.perf_counter()
{code}
wall, cpu = time.perf_counter() - began, time.process_time() - cpu
print(wall, cpu, resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before)
"""


def sparse_kymograph(path: Path, num_bytes: int, num_columns: int = 512) -> None:
    """Write a kymograph of zeros that takes no room."""
    shape = (num_bytes // (2 * num_columns), num_columns)
    tifffile.imwrite(path, shape=shape, dtype="uint16", bigtiff=True)


def stacks(folder: Path, num_pages: int) -> dict[str, Path]:
    """Write stacks of many pages, each in another way."""
    frames = np.zeros((num_pages, 8, 26), np.uint16)
    lines = np.zeros((num_pages, 1, 1, 1, 26), np.float32)
    times = [round(n * 0.0011, 6) for n in range(num_pages)]
    time = {"dims": ["t"], "shape": [num_pages], "unit": "s", "dtype": "float64", "values": times}
    data = {"dims": list("tzcyx"), "shape": lines.shape, "unit": None, "dtype": "float32"}
    document = json.dumps({"image": {"data": data, "coords": {"t": time}, "masks": {}}})
    files = {
        name: folder / f"{name}.tif"
        for name in ("ImageJ", "SciTiff", "tifffile", "OME", "deflate", "ScanImage")
    }
    tifffile.imwrite(files["ImageJ"], lines[:, :, 0, 0], imagej=True, metadata={"axes": "TYX"})
    metadata = {"axes": "TZCYX", "scitiffmeta": document}
    tifffile.imwrite(files["SciTiff"], lines, imagej=True, metadata=metadata)
    tifffile.imwrite(files["tifffile"], frames)
    tifffile.imwrite(files["OME"], frames, ome=True, metadata={"axes": "TYX"})
    tifffile.imwrite(files["deflate"], frames, compression="zlib")
    with tifffile.TiffWriter(files["ScanImage"]) as writer:
        text = "SI.VERSION_MAJOR = 5\n" + "SI.x = 1\n" * 50
        for frame in frames:
            writer.write(frame, software=text, contiguous=False, metadata=None)
    return files


def measure(ways: dict[str, str], path: Path) -> None:
    """Print a line per way."""
    for name, code in ways.items():
        done = subprocess.run(
            [sys.executable, "-c", AROUND.format(code=code), str(path)],
            capture_output=True,
            text=True,
            check=False,
        )
        if done.returncode:
            print(f"  {name:<36}{'not measured':>22}: {done.stderr.splitlines()[-1:]}")
            continue
        wall, cpu, kilobytes = map(float, done.stdout.split())
        print(f"  {name:<36}{wall * 1e3:>10.1f}{cpu * 1e3:>10.1f}{kilobytes / 1e3:>12.1f}")


def main(num_gb: float, num_pages: int) -> None:
    """Measure and print tables."""
    free = os.sysconf("SC_AVPHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
    print(f"  {'what':<36}{'ms':>10}{'CPU ms':>10}{'MB more':>12}")
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "big.tif"
        sparse_kymograph(path, int(num_gb * 1e9))
        ways = {"header again": HEADER, "AcqImage and a ROI": ROI}
        if free > 1.5e9 * num_gb:
            ways |= {"tifffile.imread and a ROI": IMREAD, "napari's builtin and a ROI": NAPARI}
        print(f"one page of {num_gb:g} GB")
        measure(ways, path)
        path.unlink()
        ways = {
            "header": HEADER,
            "header and a plane": PLANE,
            "tifffile, shape of the series": SERIES,
            "tifffile.imread": ALL,
            "napari's builtin": NAPARI_ALL,
        }
        for name, path in stacks(Path(folder), num_pages).items():
            print(f"{num_pages} pages, {name}: {path.stat().st_size / 1e6:.1f} MB")
            measure(ways, path)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("num_gb", nargs="?", type=float, default=4.3)
    parser.add_argument("num_pages", nargs="?", type=int, default=30_000)
    arguments = parser.parse_args()
    main(arguments.num_gb, arguments.num_pages)
