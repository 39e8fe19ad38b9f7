"""Runs the benchmarks and writes the report page of the documentation from what they print.

Run as ``python scripts/make_report.py [--only NAME ...] [--page FILE]`` on an otherwise idle
machine. A benchmark that is left out keeps its part of the page.
"""

from __future__ import annotations

import argparse
import os
import platform
import re
import subprocess
import sys
import time
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path

ROOT = Path(__file__).parents[1]
PAGE = ROOT / "docs" / "accuracy_and_speed.md"

# Script, arguments, heading, what it compares.
PARTS = (
    ("velocity_accuracy", (), "Velocity: accuracy", "Synthetic records, fixed and drawn seeds."),
    ("velocity_pulse", (), "Velocity: pulses", "What a window leaves of a 10 Hz pulse."),
    (
        "velocity_directions",
        (),
        "Velocity: lines scanned in both directions",
        "Beside lines that are all scanned in one.",
    ),
    (
        "velocity_speed",
        ("--repeats", "5"),
        "Velocity: speed",
        "Beside scikit-image's `radon`, one window after the other, in the same run.",
    ),
    ("red_cell_flux", (), "Red cells", "Counts in simulated trains of known cells."),
    ("diameter_accuracy", (), "Diameter: accuracy", "Synthetic vessels of known edges."),
    (
        "diameter_speed",
        ("--quick",),
        "Diameter: speed",
        "Beside a row-by-row transcription of the published rules.",
    ),
    ("peaks_accuracy", (), "Intensity transients", "Synthetic transients of known onset."),
    ("heart_rate_accuracy", (), "Heart rate", "Synthetic pulses of known rate."),
    ("velocity_events_accuracy", (), "Velocity events", "Synthetic drops, rises and stalls."),
    ("save_cost", (), "Saving", "Beside `json.dumps`, `to_csv` and fsync of the same data."),
    ("start_and_open", (), "Starting and opening", "Import, command line, reader."),
    ("live_mode", (), "Viewer: live mode", "From a ROI elsewhere to the plot that shows it."),
    ("next_file", (), "Viewer: next file", "From the arrow key to the painted canvas."),
    (
        "roi_edit_cost",
        ("--counts", "10", "100", "300", "--repeats", "5"),
        "Viewer: edits of ROIs",
        "What napari takes (unbound), and we beside it.",
    ),
    ("gui_stalls", (), "Viewer: stalls", "While a file of 30,000 x 128 is worked on."),
)
_WITH_WINDOW = {"live_mode", "next_file", "roi_edit_cost", "gui_stalls"}
_PACKAGES = ("numpy", "scipy", "numba", "scikit-image", "pandas")


def main() -> None:
    """Run what is asked for and write the page."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--only", nargs="*", choices=[part[0] for part in PARTS])
    parser.add_argument("--page", type=Path, default=PAGE)
    arguments = parser.parse_args()
    kept = _sections(arguments.page)
    for name, options, heading, text in PARTS:
        if arguments.only is None or name in arguments.only:
            kept[name] = _run(name, options, heading, text)
    arguments.page.write_text(_page(kept), encoding="utf-8")


def _run(name: str, options: tuple[str, ...], heading: str, text: str) -> str:
    print(f"{name} ...", flush=True)
    start = time.monotonic()
    command = [sys.executable, str(ROOT / "benchmarks" / f"{name}.py"), *options]
    if name in _WITH_WINDOW and "DISPLAY" not in os.environ:
        command = ["xvfb-run", "-a", *command]
    load = os.getloadavg()[0]
    done = subprocess.run(command, capture_output=True, text=True, check=False, cwd=ROOT)
    # 1 also stands for a target that was missed.
    if done.returncode not in (0, 1) or "Traceback" in done.stderr:
        raise SystemExit(f"{name} failed:\n{done.stderr}")
    took = time.monotonic() - start
    day = datetime.now(UTC).strftime("%Y-%m-%d")
    shown = " ".join(["python", f"benchmarks/{name}.py", *options])
    indented = "\n".join(f"    {line}".rstrip() for line in done.stdout.strip().splitlines())
    how = f"`{shown}`, {day}, {took:.0f} s, on {_machine()}."
    if name in _WITH_WINDOW:
        how += f" Painted by software; load of the machine before: {load:.1f}."
    return f"## {heading}\n<!-- {name} -->\n{text} {how}\n\n{indented}\n"


def _machine() -> str:
    versions = ", ".join(f"{package} {version(package)}" for package in _PACKAGES)
    return (
        f"{os.cpu_count()} cores, {platform.machine()} {platform.system()},"
        f" Python {platform.python_version()}, {versions}"
    )


def _sections(page: Path) -> dict[str, str]:
    """Return the parts of an earlier page by the names of their benchmarks."""
    if not page.exists():
        return {}
    parts = re.split(r"(?m)^(?=## )", page.read_text(encoding="utf-8"))[1:]
    found = {}
    for part in parts:
        name = re.search(r"<!-- (\w+) -->", part)
        if name is not None:
            found[name.group(1)] = part.rstrip() + "\n"
    return found


def _page(sections: dict[str, str]) -> str:
    head = (
        "# Accuracy and speed\n\n"
        "Written by `scripts/make_report.py` from what the benchmarks print. Every number comes"
        " from one run, with the reference beside ours where there is one.\n"
    )
    order = [sections[name] for name, *_ in PARTS if name in sections]
    return "\n".join([head, *order])


if __name__ == "__main__":
    main()
