"""Reads mutated TIFF files, and prints as JSON what became of them. Started by test_tiff_fuzz.

Usage: ``fuzz_child.py FOLDER SEED COUNT``. A program of its own, so that a crash of it, or too much
memory, harms no other test.
"""

from __future__ import annotations

import io
import json
import logging
import random
import resource
import signal
import struct
import sys
from collections import Counter
from pathlib import Path
from typing import Any

import numpy as np
import tifffile

from napari_bloodflow.errors import ImageReadError
from napari_bloodflow.storage.tiff import TiffPixels, read_tiff_header

HANG_S = 2.0
ROOM = 2 << 30
WORDS = (0, 1, 2, 3, 7, 0x7FFF, 0xFFFF, 10**6, 2**24, 2**31 - 1, 2**31, 2**32 - 1)
OME = {"axes": "ZYX", "PhysicalSizeX": 0.25, "PhysicalSizeXUnit": "um", "TimeIncrement": 0.1}


class HangError(BaseException):
    """A file took longer than HANG_S; no handler of errors may catch it."""


def on_alarm(*_: Any) -> None:
    raise HangError


def seeds() -> list[bytes]:
    """Return small files of many kinds."""
    data = np.arange(24 * 16, dtype=np.uint16).reshape(24, 16)
    stack = np.stack([data, data + 1, data + 2])
    many = np.arange(12 * 4 * 8, dtype=np.uint16).reshape(12, 4, 8)
    kinds: list[tuple[Any, dict[str, Any]]] = [
        (data, {}),
        (data, {"byteorder": ">"}),
        (data, {"bigtiff": True}),
        (data, {"compression": "zlib", "rowsperstrip": 5}),
        (data, {"compression": "lzma"}),
        (data, {"compression": "zlib", "predictor": 2}),
        (data, {"tile": (16, 16)}),
        (stack, {"imagej": True, "metadata": {"axes": "ZYX", "unit": "um", "finterval": 0.1}}),
        (stack, {"imagej": True, "compression": "zlib", "metadata": {"Labels": ["a", "b", "c"]}}),
        (stack, {"ome": True, "metadata": OME}),
        (stack, {"metadata": None}),
        (stack.astype(np.float32), {"metadata": {"axes": "TYX"}}),
        (data.astype(np.uint8), {"software": "SI.x = 1\nSI.hRoiManager.linePeriod = 0.001"}),
        (many, {"metadata": None}),
        (many, {"metadata": None, "bigtiff": True, "byteorder": ">"}),
        (many, {"compression": "zlib", "metadata": {"axes": "TYX"}}),
        (many, {"ome": True, "metadata": {"axes": "ZYX"}, "contiguous": False}),
    ]
    files = []
    for array, options in kinds:
        stream = io.BytesIO()
        tifffile.imwrite(stream, array, photometric="minisblack", **options)
        files.append(stream.getvalue())
    return files


def mutated(rng: random.Random, seed: bytes) -> bytes:
    """Return a copy with one to four things wrong, most of them where the structure is."""
    data = bytearray(seed)
    for _ in range(rng.randint(1, 4)):
        kind = rng.random()
        # tags come first, or last: pixels in between tell little
        place = (
            rng.randrange(min(len(data), 700)) if rng.random() < 0.8 else rng.randrange(len(data))
        )
        if kind < 0.4:
            data[place] = rng.randrange(256)
        elif kind < 0.8:
            code = rng.choice(("<I", ">I", "<H", ">H", "<Q"))
            word = rng.choice((*WORDS, rng.randrange(len(data)), rng.randrange(400)))
            packed = struct.pack(code, word & (256 ** struct.calcsize(code) - 1))
            data[place : place + len(packed)] = packed
        elif kind < 0.9:
            other = rng.randrange(len(data))
            data[place : place + 12] = data[other : other + 12]
        else:
            del data[rng.randrange(8, len(data)) :]
        if len(data) < 8:
            break
    return bytes(data)


def main(folder: Path, seed: int, count: int) -> None:
    logging.disable(logging.CRITICAL)
    signal.signal(signal.SIGALRM, on_alarm)
    path = folder / "fuzz.tif"
    (folder / "other.tif").write_bytes(seeds()[0])
    opened: set[str] = set()
    files = seeds()
    for one in files:  # imports what reading needs, before opened files are recorded
        path.write_bytes(one)
        TiffPixels(read_tiff_header(path)).plane()
    sys.addaudithook(lambda event, args: opened.add(str(args[0])) if event == "open" else None)
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    used = int(Path("/proc/self/statm").read_text().split()[0]) * resource.getpagesize()
    resource.setrlimit(resource.RLIMIT_AS, (used + ROOM, used + ROOM))
    opened.clear()
    outcomes: Counter[str] = Counter()
    failures: list[str] = []
    for number in range(count):
        rng = random.Random(f"{seed} {number}")
        path.write_bytes(mutated(rng, rng.choice(files)))
        signal.setitimer(signal.ITIMER_REAL, HANG_S)
        try:
            np.asarray(TiffPixels(read_tiff_header(path)).plane()).sum()
            outcomes["read"] += 1
        except ImageReadError:
            outcomes["refused"] += 1
        except HangError:
            failures.append(f"{seed} {number}: hangs")
        except BaseException as error:  # noqa: BLE001 - whatever it is, it is the finding
            failures.append(f"{seed} {number}: {type(error).__name__}: {error}")
        finally:
            signal.setitimer(signal.ITIMER_REAL, 0)
    grown = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before
    python = (sys.prefix, sys.base_prefix, "/proc/")  # modules that are imported when needed
    foreign = sorted(name for name in opened if name != str(path) and not name.startswith(python))
    print(json.dumps([outcomes, failures[:20], foreign[:20], grown / 1000]))


if __name__ == "__main__":
    main(Path(sys.argv[1]), int(sys.argv[2]), int(sys.argv[3]))
