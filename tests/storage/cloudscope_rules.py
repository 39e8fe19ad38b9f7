"""What CloudScope knows and insists on, from the description of its formats.

Numbers in brackets are sections of the description.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Literal

import tifffile

if TYPE_CHECKING:
    from pathlib import Path

Generation = Literal["may2026", "aug2026"]

# [1.2] all six must be there
REQUIRED = {
    "version",
    "accepted",
    "rois",
    "experiment_metadata",
    "image_header_metadata",
    "analysis",
}
# [2.1] exactly these keys, in the record and in its data
ROI_KEYS = {"roi_id", "roi_type", "version", "name", "note", "data"}
ROI_DATA = {
    "rectroi": ("row_start", "row_stop", "col_start", "col_stop"),
    "linesegmentroi": ("row0", "col0", "row1", "col1"),
}
# [3.1] `age` came after May
TEXT_FIELDS = (
    *("species", "sex", "genotype", "age", "region", "cell_type", "direction", "condition"),
    *("condition2", "treatment", "treatment2", "date", "note"),
)
NUMBER_FIELDS = ("depth", "branch_order")
# [6.1] what each generation knows
KNOWN = {
    "may2026": {"radon_velocity", "diameter", "event"},
    "aug2026": {"radon_velocity", "diameter", "event", "sum_intensity", "heart_rate"},
}
PRIMARY_KYMOGRAPH = {"radon_velocity", "diameter"}
NEEDS_VELOCITY = {"event", "heart_rate"}
WITH_TABLE = {"radon_velocity", "diameter", "sum_intensity"}
VELOCITY_COLUMNS = ["time_s", "time_index", "theta_deg", "velocity"]  # [6.2]
# [6.4] and [6.6]: validated on load, defaults filled in
CHECKED_PARAMS: dict[str, dict[str, Any]] = {
    "event": {"pre_post_win_sec": 1.0},
    "heart_rate": {
        "bpm_min": 240.0,
        "bpm_max": 600.0,
        "use_abs": True,
        "outlier_k_mad": 4.0,
        "lomb_n_freq": 512,
        "interp_max_gap_sec": 0.05,
        "bandpass_order": 3,
        "nperseg_sec": 2.0,
        "edge_margin_hz": -1.0,
        "peak_half_width_hz": 0.5,
        "agree_tol_bpm": 30.0,
        "do_segments": False,
        "seg_win_sec": 6.0,
        "seg_step_sec": 1.0,
        "seg_min_valid_frac": 0.5,
    },
}
EVENT_TYPES = {"user", "rise", "fall", "transient"}
STATS = ("event_stats", "pre_win_stats", "post_win_stats")
STAT_KEYS = ("n", "mean", "min", "max", "std", "se", "cv")
CALIBRATION = ("physical_unit_y", "physical_unit_x", "physical_label_y", "physical_label_x")


def header_of(image: Path, generation: Generation) -> dict[str, Any]:
    """[3.2] no calibration but that of an Olympus text file, which tests have none of."""
    with tifffile.TiffFile(image) as tiff:
        series = tiff.series[0]
        shape, axes, dtype = series.shape, series.axes.replace("S", "C"), str(series.dtype)
    if generation == "may2026" or not set(axes) <= set("TCZYX"):
        axes = {2: "YX", 3: "ZYX", 4: "CZYX", 5: "TCZYX"}[len(shape)]
    sizes = dict(zip(axes, shape, strict=True))
    return {
        "shape": str(tuple(shape)),
        "dims": str(tuple(axes)),
        "sizes": str(sizes),
        "dtype": dtype,
        "num_channels": sizes.get("C", 1),
        "num_scenes": 1,
        "date": "",
        "time": "",
        "physical_unit_y": 1.0,
        "physical_unit_x": 1.0,
        "physical_label_y": "Pixels",
        "physical_label_x": "Pixels",
    }


def plane_sizes(image: Path) -> dict[str, int]:
    """Lines and columns of the plane that ROIs lie in."""
    with tifffile.TiffFile(image) as tiff:
        num_rows, num_columns = tiff.series[0].shape[-2:]
    return {"Y": num_rows, "X": num_columns}


def number(name: str, value: Any) -> float | int | None:
    """[3.1] `depth` and `branch_order` as August takes them."""
    if value is None or (isinstance(value, str) and not value.strip()):
        return None
    found = float(value)
    if name == "depth":
        return found
    if not found.is_integer():
        raise ValueError(f"{name} is {value!r}, not a whole number")
    return int(found)


def checked_params(name: str, values: dict[str, Any]) -> dict[str, Any]:
    """[6.1] an unknown name is a KeyError, another type a TypeError; defaults are filled in."""
    defaults = CHECKED_PARAMS[name]
    for key, value in values.items():
        kind = type(defaults[key])
        fits = isinstance(value, (int, float) if kind is float else kind)
        if not fits or (isinstance(value, bool) and kind is not bool):
            raise TypeError(f"{name}.{key} is {value!r}, not {kind.__name__}")
    return {**defaults, **values}


def read_events(summary: dict[str, Any]) -> dict[str, Any]:
    """[6.4] built anew from the events: run keys, and keys of others, are lost."""
    if summary["version"] != 2:
        raise ValueError(f"event summary version {summary['version']!r}")
    events = {}
    for event in summary["events"]:
        event_id, x0, x1 = int(event["id"]), float(event["x0"]), float(event["x1"])
        if x0 == x1 or event_id in events or event["event_type"] not in EVENT_TYPES:
            raise ValueError(f"event {event_id} cannot be used")
        stats = {name: {key: event[name][key] for key in STAT_KEYS} for name in STATS}
        kind, length = event["event_type"], abs(x1 - x0)
        ends = {"id": event_id, "x0": x0, "x1": x1}
        events[event_id] = {**ends, "event_type": kind, "duration": length, **stats}
    parent = summary["parent_analysis_name"]
    ordered = [events[event_id] for event_id in sorted(events)]
    return {"version": 2, "parent_analysis_name": parent, "events": ordered}
