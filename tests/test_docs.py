"""Every command and code block of the README and the docs works."""

from __future__ import annotations

import re
import shlex
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from click.testing import CliRunner

from napari_bloodflow import AcqImage, synthetic
from napari_bloodflow.cli import main

ROOT = Path(__file__).parents[1]
PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md"))]


def blocks(language: str) -> list[str]:
    text = "\n".join(page.read_text(encoding="utf-8") for page in PAGES)
    return re.findall(rf"^```{language}\n(.*?)^```", text, flags=re.DOTALL | re.MULTILINE)


def shell_lines(program: str) -> list[str]:
    lines = [line for block in blocks("bash") for line in block.splitlines()]
    return [line for line in lines if line.split()[0] == program]


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder with vessel.tif, as the examples expect it."""
    synthetic.write_tiff(synthetic.pulsatile_flow(num_rows=1024), tmp_path / "vessel.tif")
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.mark.gui
def test_python_blocks_run_in_order(folder: Path, make_napari_viewer, monkeypatch) -> None:  # type: ignore[no-untyped-def]
    viewer = make_napari_viewer()
    monkeypatch.setattr("napari.Viewer", lambda: viewer)
    found = blocks("python")
    assert len(found) == 6
    for block in found:
        exec(compile(block, "<README>", "exec"), {})
    assert (folder / "vessel.tif.radon_velocity.csv").exists()


@pytest.mark.parametrize("line", shell_lines("napari-bloodflow"))
def test_command_lines_run(line: str, folder: Path) -> None:
    acq = AcqImage(folder / "vessel.tif")
    acq.rois.create()
    acq.save()
    result = CliRunner().invoke(main, shlex.split(line)[1:])
    assert result.exit_code == 0, result.output


@pytest.mark.skipif(shutil.which("make") is None, reason="no make on this machine")
@pytest.mark.parametrize("line", shell_lines("make"))
def test_make_targets_exist(line: str) -> None:
    done = subprocess.run(
        [*shlex.split(line), "--dry-run"], cwd=ROOT, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr


def test_every_shell_line_is_checked() -> None:
    lines = [line for block in blocks("bash") for line in block.splitlines()]
    checked = [*shell_lines("napari-bloodflow"), *shell_lines("make"), *shell_lines("pip")]
    assert sorted(lines) == sorted(checked)


def test_the_extras_that_pip_is_told_to_install_exist() -> None:
    text = "\n".join([*shell_lines("pip"), *blocks("powershell")])
    declared = (ROOT / "pyproject.toml").read_text(encoding="utf-8")
    extras = set(re.findall(r"napari-bloodflow\[(\w+)\]", text))
    assert extras == {"all"}
    assert all(re.search(rf"^{extra} = \[", declared, flags=re.MULTILINE) for extra in extras)


def test_links_lead_somewhere() -> None:
    for page in PAGES:
        for target in re.findall(r"\]\(([^)#]+)\)", page.read_text(encoding="utf-8")):
            if not target.startswith("http"):
                assert (page.parent / target).exists(), f"{page.name}: {target}"


def test_the_module_runs_as_a_program() -> None:
    done = subprocess.run(
        [sys.executable, "-m", "napari_bloodflow", "--version"],
        capture_output=True,
        text=True,
        check=True,
    )
    assert "version" in done.stdout
