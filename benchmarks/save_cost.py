"""What a safe save costs: our transaction beside plain writing and syncing of the same data.

An image with many ROIs and large tables is saved with everything changed. "plain" is the least
that puts the same data on the disk: ``json.dumps`` and ``DataFrame.to_csv`` straight into the
files and an fsync of each, which loses them all if it is interrupted. Both run in turn.
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import tempfile
import time
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from napari_bloodflow import AcqImage, RectRoiBounds
from napari_bloodflow.analysis.base import AnalysisResult
from napari_bloodflow.synthetic import pulsatile_flow, write_tiff

if TYPE_CHECKING:
    from collections.abc import Callable

TARGET = 3.0  # times plain writing
COLUMNS = ("time_s", "time_index", "theta_deg", "velocity", "status")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rois", type=int, default=1000)
    parser.add_argument("--rows", type=int, default=30_000, help="of each table")
    parser.add_argument("--tables", type=int, default=1, help="kinds of analysis")
    parser.add_argument("--repeats", type=int, default=7)
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        acq = make(Path(folder), arguments.rois, arguments.rows, arguments.tables)
        (plain_folder := Path(folder) / "plain").mkdir()
        ours, plain, idle = [], [], []
        for number in range(arguments.repeats + 1):
            change(acq, number)
            ours.append(seconds(acq.save))
            plain.append(seconds(lambda: write_plainly(acq, plain_folder)))
            before = stamps(acq)
            idle.append(seconds(acq.save))
            touched = [path for path, stamp in stamps(acq).items() if stamp != before[path]]
            if touched:
                raise SystemExit(f"a save with nothing changed touched {touched}")
        size = sum(path.stat().st_size for path in acq.get_sidecar_paths())
    # The first of each pays for imports and new files.
    medians = [1e3 * statistics.median(times[1:]) for times in (plain, ours, idle)]
    ratio = medians[1] / medians[0]
    print(f"{arguments.rois} ROIs, {arguments.tables} x {arguments.rows} rows, {size / 1e6:.1f} MB")
    print(f"plain json.dumps + to_csv + fsync  {medians[0]:8.1f} ms")
    print(f"save(), everything changed         {medians[1]:8.1f} ms   {ratio:.2f} x plain")
    print(f"save(), nothing changed            {medians[2]:8.1f} ms   no file touched")
    print(f"target: within {TARGET:g} x: {'met' if ratio <= TARGET else 'MISSED'}")


def make(folder: Path, rois: int, rows: int, tables: int) -> AcqImage:
    """Return an image with ROIs, and results on the first of them."""
    path = folder / "vessel.tif"
    write_tiff(pulsatile_flow(num_rows=2048), path)
    acq = AcqImage(path)
    rng = np.random.default_rng(0)
    for row, column in zip(rng.integers(0, 1000, rois), rng.integers(0, 30, rois), strict=True):
        acq.rois.create(RectRoiBounds(int(row), int(row) + 900, int(column), int(column) + 20))
    acq.save()
    names = ["radon_velocity", *(f"other_{number}" for number in range(1, tables))]
    records = [
        {"analysis_name": name, "channel": 0, "roi_id": 1, "detection_params": {}, "summary": {}}
        for name in names
    ]
    sidecar = Path(acq.get_sidecar_json_path())
    document = json.loads(sidecar.read_text())
    sidecar.write_text(json.dumps({**document, "analysis": records}))
    acq.load_sidecar_json()
    for analysis in acq.analysis_set:
        values = rng.normal(size=(rows, 3))
        table = pd.DataFrame(values, columns=["time_s", "theta_deg", "velocity"])
        table.insert(1, "time_index", np.arange(rows))
        table["status"] = "ok"
        analysis.set_result(AnalysisResult({"num_windows": rows}, table))
    return acq


def change(acq: AcqImage, number: int) -> None:
    """Edit every ROI and every table."""
    for roi_id in acq.rois.get_roi_ids():
        acq.rois.rename(roi_id, f"vessel {number}")
    for analysis in acq.analysis_set:
        result = analysis.result
        if result.table is not None:
            table = result.table.assign(velocity=result.table["velocity"] + 1)
            analysis.set_result(AnalysisResult(result.summary, table))


def write_plainly(acq: AcqImage, folder: Path) -> None:
    """Write what `acq` holds as a program does that does not care."""
    document = {
        "version": 2,
        "accepted": acq.accepted,
        "rois": [roi.to_dict() for roi in acq.rois.snapshot()],
        "experiment_metadata": acq.experiment_metadata.to_dict(),
        "image_header_metadata": acq.header.to_dict(),
        "analysis": [
            {
                **analysis.key._asdict(),
                "detection_params": dict(analysis.detection_params),
                "summary": analysis.result.summary,
            }
            for analysis in acq.analysis_set
        ],
    }
    with (folder / "vessel.tif.json").open("w") as file:
        file.write(json.dumps(document, sort_keys=True, indent=2))
        file.flush()
        os.fsync(file.fileno())
    for analysis in acq.analysis_set:
        table = analysis.result.table
        if table is None:
            continue
        keyed = table.assign(channel=0, roi_id=1)
        with (folder / f"vessel.tif.{analysis.key.analysis_name}.csv").open("w") as file:
            keyed.to_csv(file, index=False)
            file.flush()
            os.fsync(file.fileno())


def stamps(acq: AcqImage) -> dict[Path, tuple[int, int]]:
    """Return what changes when a file is written or replaced."""
    paths = acq.get_sidecar_paths()
    return {path: (path.stat().st_ino, path.stat().st_mtime_ns) for path in paths}


def seconds(action: Callable[[], object]) -> float:
    start = time.perf_counter()
    action()
    return time.perf_counter() - start


if __name__ == "__main__":
    main()
