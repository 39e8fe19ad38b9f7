"""The scripts that make pictures work."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]


def run(script: str, *arguments: object) -> None:
    done = subprocess.run(
        [sys.executable, str(ROOT / "scripts" / script), *map(str, arguments)],
        capture_output=True,
        text=True,
        timeout=600,
        check=False,
    )
    assert done.returncode == 0, done.stderr


@pytest.mark.gui
def test_the_pictures_of_the_docs_can_be_made(tmp_path: Path) -> None:
    run("make_pictures.py", "--out", tmp_path, "--themes", "dark")
    made = {path.name for path in tmp_path.glob("*.png")}
    assert made == {path.name for path in (ROOT / "docs" / "images").glob("*_dark.png")}


@pytest.mark.gui
def test_the_demo_can_be_shown(tmp_path: Path) -> None:
    subprocess.run(
        [sys.executable, "-m", "napari_bloodflow", "demo", "--out", str(tmp_path)],
        check=True,
        capture_output=True,
    )
    run("demo_viewer.py", tmp_path, "--screenshot", tmp_path / "viewer.png")
    assert (tmp_path / "viewer.png").stat().st_size > 10_000


def test_the_report_is_written_and_keeps_what_was_not_run_again(tmp_path: Path) -> None:
    page = tmp_path / "report.md"
    page.write_text("# Old\n\n## Heart rate\n<!-- heart_rate_accuracy -->\nkept\n")
    run("make_report.py", "--only", "start_and_open", "--page", page)
    text = page.read_text()
    assert text.startswith("# Accuracy and speed")
    assert text.index("## Heart rate") < text.index("## Starting and opening")
    assert "kept" in text
    assert " ms" in text
