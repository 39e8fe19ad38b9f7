"""A stand-in for CloudScope, made from the description of its formats alone.

It reads and writes sidecars and tables as CloudScope does, faults included, so that tests can put
it between two of our programs. Numbers in brackets are sections of the format description. There
are two generations: May 2026 and August 2026.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from tests.storage.cloudscope_rules import (
    CALIBRATION,
    CHECKED_PARAMS,
    KNOWN,
    NEEDS_VELOCITY,
    NUMBER_FIELDS,
    PRIMARY_KYMOGRAPH,
    REQUIRED,
    ROI_DATA,
    ROI_KEYS,
    TEXT_FIELDS,
    VELOCITY_COLUMNS,
    WITH_TABLE,
    Generation,
    checked_params,
    header_of,
    number,
    plane_sizes,
    read_events,
)

if TYPE_CHECKING:
    from collections.abc import Sequence

__all__ = ["CloudScopeLike", "PeerAnalysis", "PeerRoi"]


@dataclass
class PeerRoi:
    """A ROI; bounds are already cut to the image."""

    roi_id: int
    roi_type: str
    name: str
    note: str
    data: dict[str, int]


@dataclass
class PeerAnalysis:
    """A record and its rows."""

    name: str
    channel: int
    roi_id: int
    params: dict[str, Any]
    summary: dict[str, Any]
    table: pd.DataFrame | None = None

    @property
    def key(self) -> tuple[str, int, int]:
        return self.name, self.channel, self.roi_id


class CloudScopeLike:
    """One acquisition in CloudScope: loaded when made, saved by `save`.

    `warnings` has what CloudScope would only have logged. Empty means that all was understood.
    """

    def __init__(self, image: str | Path, generation: Generation = "aug2026") -> None:
        self.image = Path(image)
        self.generation = generation
        self.sidecar = self.image.with_name(f"{self.image.name}.json")
        self.accepted = True
        self.rois: list[PeerRoi] = []
        self.experiment: dict[str, Any] = {
            name: "" for name in TEXT_FIELDS if name != "age" or not self._is_may
        } | dict.fromkeys(NUMBER_FIELDS)
        self.header = header_of(self.image, generation)
        self._sizes = plane_sizes(self.image)
        self.analyses: list[PeerAnalysis] = []
        self.contrast: dict[int, dict[str, Any]] = {}
        self.warnings: list[str] = []
        self.is_dirty = False
        self._tables_loaded = False
        if self.sidecar.exists():
            # [1.4] whatever is raised is logged, and what was applied before it stays
            try:
                self._load()
            except Exception as error:  # noqa: BLE001
                self.warnings.append(f"{type(error).__name__}: {error}")

    def __getitem__(self, key: tuple[str, int, int]) -> PeerAnalysis:
        return next(analysis for analysis in self.analyses if analysis.key == key)

    @property
    def _is_may(self) -> bool:
        return self.generation == "may2026"

    # ---- loading [1.4]

    def _load(self) -> None:
        document = json.loads(self.sidecar.read_bytes().decode("utf-8"))  # a BOM is an error
        if not isinstance(document, dict):
            raise ValueError("sidecar is not an object")
        if missing := REQUIRED - document.keys():
            raise ValueError(f"sidecar lacks {sorted(missing)}")
        known = REQUIRED if self._is_may else REQUIRED | {"image_contrast"}
        if unknown := document.keys() - known - {"reference_image_metadata"}:
            self.warnings.append(f"unknown keys {sorted(unknown)} are ignored")
        if document["version"] != 2:  # not "2"; 2.0 passes
            raise ValueError(f"sidecar version {document['version']!r}")
        rois, experiment = document["rois"], document["experiment_metadata"]
        if not isinstance(rois, list) or not all(isinstance(roi, dict) for roi in rois):
            raise ValueError("rois is not an array of objects")
        if experiment is not None and not isinstance(experiment, dict):
            raise ValueError("experiment_metadata is not an object")
        self.accepted = bool(document["accepted"])  # "false" is true
        for record in rois:
            self._load_roi(record)
        self._load_experiment(experiment or {})
        if not self._is_may:  # [1.3] May never reads the calibration back
            self._load_calibration(document["image_header_metadata"])
        self._load_records(document["analysis"])
        self._load_tables()
        if not self._is_may:
            self._load_contrast(document.get("image_contrast", {}))

    def _load_roi(self, record: dict[str, Any]) -> None:
        if record.keys() != ROI_KEYS:
            raise ValueError(f"ROI keys are {sorted(record)}")
        roi_type = str(record["roi_type"]).lower()
        keys = ROI_DATA[roi_type]
        if str(record["version"]) != "1.0":
            raise ValueError(f"ROI version {record['version']!r}")
        if set(record["data"]) != set(keys):
            raise ValueError(f"ROI data are {sorted(record['data'])}")
        roi_id = int(record["roi_id"])
        if any(roi.roi_id == roi_id for roi in self.rois):
            raise ValueError(f"ROI {roi_id} is there twice")
        # [2.2] rectangles are half-open and put in order, lines are inclusive and are not
        is_line = roi_type == "linesegmentroi"
        data = {}
        for key in keys:
            last = self._sizes["Y" if "row" in key else "X"] - is_line
            data[key] = min(max(int(record["data"][key]), 0), last)
        if not is_line:
            for axis in ("row", "col"):
                ends = sorted((data[f"{axis}_start"], data[f"{axis}_stop"]))
                data[f"{axis}_start"], data[f"{axis}_stop"] = ends
        self.rois.append(PeerRoi(roi_id, roi_type, str(record["name"]), str(record["note"]), data))

    def _load_experiment(self, values: dict[str, Any]) -> None:
        for name in self.experiment:
            if name not in values:  # what it does not know is lost on save
                continue
            value = values[name]
            if name in NUMBER_FIELDS:
                # [3.1] May takes anything; Aug coerces, and stops at what it cannot coerce
                self.experiment[name] = value if self._is_may else number(name, value)
            else:
                text = "" if value is None else str(value)
                self.experiment[name] = text if self._is_may else text.strip()

    def _load_calibration(self, values: Any) -> None:
        found = {name: values[name] for name in CALIBRATION if name in values}
        try:
            for name in CALIBRATION[:2]:
                # [1.4] a TypeError for null ends the load, 0 or -1 only skips the calibration
                if name in found and float(found[name]) <= 0:
                    raise ValueError(f"{name} is {found[name]}")
        except ValueError as error:
            self.warnings.append(f"calibration ignored: {error}")
            return
        for name, value in found.items():
            is_unit = name.startswith("physical_unit")
            self.header[name] = float(value) if is_unit else "" if value is None else str(value)

    def _load_records(self, records: Any) -> None:
        try:
            for record in records:
                self._add(self._read_record(record))
        except Exception:
            # [1.4] dirty only if some record was taken before the bad one
            self.is_dirty = bool(self.analyses)
            raise

    def _read_record(self, record: dict[str, Any]) -> PeerAnalysis:
        name, channel, roi_id = record["analysis_name"], record["channel"], record["roi_id"]
        if name not in KNOWN[self.generation]:
            raise ValueError(f"unknown analysis {name!r}")
        params, summary = record.get("detection_params", {}), record.get("summary", {})
        if name in CHECKED_PARAMS:
            params = checked_params(name, params)
        if name == "event":
            summary = read_events(record["summary"])
        return PeerAnalysis(name, int(channel), int(roi_id), params, summary)

    def _add(self, analysis: PeerAnalysis) -> None:
        """[6.1] no key twice, one primary per place, no dependant before its parent."""
        here = {a.name for a in self.analyses if a.key[1:] == analysis.key[1:]}
        if analysis.name in here:
            raise ValueError(f"{analysis.key} is there twice")
        if analysis.name in PRIMARY_KYMOGRAPH and here & PRIMARY_KYMOGRAPH:
            raise ValueError(f"{analysis.key} is excluded by {here & PRIMARY_KYMOGRAPH}")
        if analysis.name in NEEDS_VELOCITY and "radon_velocity" not in here:
            raise ValueError(f"{analysis.key} comes before its parent")
        self.analyses.append(analysis)

    def _load_tables(self) -> None:
        """[7] a table that cannot be used costs all tables; extra columns are not noticed."""
        found = []
        for name in dict.fromkeys(a.name for a in self.analyses if a.name in WITH_TABLE):
            path = self._table_path(name)
            if not path.exists():
                continue
            frame = pd.read_csv(path)
            for analysis in self.analyses:
                if analysis.name != name:
                    continue
                is_here = (frame["channel"] == analysis.channel) & (
                    frame["roi_id"] == analysis.roi_id
                )
                if is_here.any():
                    rows = frame[is_here].drop(columns=["channel", "roi_id"])
                    found.append((analysis, rows.reset_index(drop=True)))
        for analysis, rows in found:
            analysis.table = rows
        self._tables_loaded = True

    def _load_contrast(self, entries: Any) -> None:
        if not isinstance(entries, dict):
            self.warnings.append("image_contrast is not an object")
            return
        for key, entry in entries.items():
            try:
                limits = ("value_min", "value_max", "img_min", "img_max")
                numbers = {name: int(entry[name]) for name in limits}  # [5] floats are cut off
                self.contrast[int(key)] = {"color_lut": str(entry["color_lut"]), **numbers}
            except (TypeError, ValueError, KeyError) as error:
                self.warnings.append(f"contrast of channel {key} ignored: {error!r}")

    # ---- editing

    def edit_experiment(self, **values: Any) -> None:
        self._load_experiment(values)
        self.is_dirty = True

    def set_calibration(self, dt_s: float, dx_um: float) -> None:
        """[3.2] marks nothing stale and recomputes nothing."""
        self.header |= dict(zip(CALIBRATION, (dt_s, dx_um, "seconds", "um"), strict=True))
        self.is_dirty = True

    def rename_roi(self, roi_id: int, name: str) -> None:
        next(roi for roi in self.rois if roi.roi_id == roi_id).name = name
        self.is_dirty = True

    def add_roi(self) -> PeerRoi:
        """[2.3] the whole plane; after a load, ids go on from the largest one present."""
        roi_id = max((roi.roi_id for roi in self.rois), default=0) + 1
        sizes = (0, self._sizes["Y"], 0, self._sizes["X"])
        data = dict(zip(ROI_DATA["rectroi"], sizes, strict=True))
        self.rois.append(PeerRoi(max(roi_id, 1), "rectroi", "", "", data))
        self.is_dirty = True
        return self.rois[-1]

    def delete_roi(self, roi_id: int) -> None:
        """[2.5] its analyses go first; a change of geometry does the same."""
        self.analyses = [a for a in self.analyses if a.roi_id != roi_id]
        self.rois = [roi for roi in self.rois if roi.roi_id != roi_id]
        self.is_dirty = True

    def run_velocity(
        self,
        channel: int,
        roi_id: int,
        theta_deg: Sequence[float],
        window_width: int = 64,
        *,
        through_gui: bool = False,
    ) -> PeerAnalysis:
        """[6.2] take angles as measured and write what CloudScope makes of them.

        The GUI and a batch remove the old record and append the new one, so that a dependant then
        comes before its parent [10.2 D2]. A script runs the record where it is.
        """
        angles = np.asarray(theta_deg, np.float32).astype(float)
        index = (np.arange(len(angles)) * int(0.25 * window_width) + window_width / 2).astype(float)
        dt_s, dx_um = self.header["physical_unit_y"], self.header["physical_unit_x"]
        with np.errstate(divide="ignore"):
            velocity = (dx_um / dt_s) / np.tan(np.deg2rad(angles))  # [10.1 N1] the reciprocal
        velocity[~np.isfinite(velocity)] = np.nan
        values = (index * dt_s, index, angles, velocity)
        table = pd.DataFrame(dict(zip(VELOCITY_COLUMNS, values, strict=True)))
        summary: dict[str, Any] = {
            "num_windows": len(angles),
            "velocity_mean": float(table["velocity"].mean()),
            "velocity_median": float(table["velocity"].median()),
            "velocity_cv": float(table["velocity"].std(ddof=0) / table["velocity"].mean()),
        }
        if not self._is_may:  # [6.1] local time without zone
            now = datetime.now()
            time = now.strftime("%H:%M:%S.") + f"{now.microsecond // 1000:03d}"
            date = {"analysis_date": now.strftime("%y%m%d"), "analysis_time": time}
            summary = {**date, "analysis_version": 1, **summary}
        # [6.1] a run replaces the summary and the table: nothing of ours survives it
        key = ("radon_velocity", channel, roi_id)
        fresh = PeerAnalysis(*key, {"window_width": window_width}, summary, table)
        places = [i for i, analysis in enumerate(self.analyses) if analysis.key == key]
        if places and not through_gui:
            self.analyses[places[0]] = fresh
        else:
            self.analyses = [a for a in self.analyses if a.key != key]
            self._add(fresh)
        self.is_dirty = True
        return fresh

    # ---- saving [8]

    def save(self) -> None:
        """Write the JSON whole, then the tables; not at once, not safely, never compared."""
        text = json.dumps(self._document(), indent=2, sort_keys=True)
        self.sidecar.write_bytes(text.encode("ascii"))
        self._save_tables()
        self.is_dirty = False

    def _document(self) -> dict[str, Any]:
        """[1.2] what is not understood is not in it."""
        stray = {"_is_dirty": self.is_dirty} if self._is_may else {}  # [1.3]
        document: dict[str, Any] = {
            "version": 2,
            "accepted": self.accepted,
            "rois": [
                {
                    "roi_id": roi.roi_id,
                    "roi_type": roi.roi_type,
                    "version": "1.0",
                    "name": roi.name,
                    "note": roi.note,
                    "data": roi.data,
                }
                for roi in self.rois
            ],
            "experiment_metadata": {**self.experiment, **stray},
            "image_header_metadata": self.header,
            "analysis": [
                {
                    "analysis_name": analysis.name,
                    "channel": analysis.channel,
                    "roi_id": analysis.roi_id,
                    "detection_params": analysis.params,
                    "summary": analysis.summary,
                }
                for analysis in self.analyses
            ],
        }
        if not self._is_may:
            document["image_contrast"] = {str(c): entry for c, entry in self.contrast.items()}
        return document

    def _save_tables(self) -> None:
        """[7] every table whole; then `<name>.*.csv` of whatever else is deleted."""
        with_rows = [a for a in self.analyses if a.table is not None]
        for name in dict.fromkeys(analysis.name for analysis in with_rows):
            blocks: list[pd.DataFrame] = []
            for analysis in with_rows:
                if analysis.name != name or analysis.table is None:
                    continue
                rows = analysis.table.copy()
                if blocks and list(rows.columns) != list(blocks[0].columns[2:]):
                    # [7] the JSON is written by now
                    raise ValueError(f"tables of {name} differ in their columns")
                rows.insert(0, "channel", analysis.channel)
                rows.insert(1, "roi_id", analysis.roi_id)
                blocks.append(rows)
            texts = [rows.to_csv(index=False, header=rows is blocks[0]) for rows in blocks]
            self._table_path(name).write_text("".join(texts), encoding="utf-8", newline="")
        has_gap = any(a.table is None for a in self.analyses if a.name in WITH_TABLE)
        if not self._is_may and not self._tables_loaded and has_gap:
            return
        kept = {self._table_path(analysis.name) for analysis in with_rows}
        for path in self.image.parent.glob(f"{self.image.name}.*.csv"):  # [10.2 D5]
            if path not in kept:
                path.unlink()

    def _table_path(self, name: str) -> Path:
        return self.image.with_name(f"{self.image.name}.{name}.csv")
