"""The notebooks run from top to bottom, and are kept without outputs."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import matplotlib.pyplot as plt
import numpy as np
import pytest

EXAMPLES = Path(__file__).parents[1] / "examples"
NOTEBOOKS = sorted(EXAMPLES.glob("*.ipynb"))


def code_cells(notebook: Path) -> list[dict[str, Any]]:
    cells = json.loads(notebook.read_text(encoding="utf-8"))["cells"]
    return [cell for cell in cells if cell["cell_type"] == "code"]


def run(name: str) -> dict[str, Any]:
    """Run the cells in order and return the names they made."""
    names: dict[str, Any] = {}
    for number, cell in enumerate(code_cells(EXAMPLES / name)):
        exec(compile("".join(cell["source"]), f"{name}, cell {number}", "exec"), names)
    return names


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Any:
    monkeypatch.chdir(tmp_path)
    yield tmp_path / "example-data"
    plt.close("all")


def test_there_are_examples() -> None:
    assert [path.name for path in NOTEBOOKS] == [
        "in_the_viewer.ipynb",
        "velocity_of_one_file.ipynb",
    ]


@pytest.mark.parametrize("notebook", NOTEBOOKS, ids=lambda path: path.name)
def test_no_outputs_are_stored(notebook: Path) -> None:
    assert all(not c["outputs"] and c["execution_count"] is None for c in code_cells(notebook))


def test_velocity_of_one_file(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    names = run("velocity_of_one_file.ipynb")
    mean = names["velocity"].result.summary["velocity_mean"]
    assert mean == pytest.approx(np.mean(names["flow"].velocity_um_per_s), rel=0.02)
    truth = np.median(names["vessel"].diameter_um)
    assert names["diameter"].result.summary["diameter_um_median"] == pytest.approx(truth, rel=0.02)
    assert {path.name for path in folder.iterdir()} >= {
        "capillary.tif.json",
        "capillary.tif.radon_velocity.csv",
        "arteriole.tif.diameter.csv",
        "velocity.svg",
        "diameter.svg",
    }
    assert capsys.readouterr().out.rstrip().endswith("fits")


@pytest.mark.gui
def test_in_the_viewer(
    folder: Path,
    make_napari_viewer: Any,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    viewer = make_napari_viewer(show=True)
    monkeypatch.setattr("napari.Viewer", lambda: viewer)
    names = run("in_the_viewer.ipynb")
    assert "480 beats per minute" in capsys.readouterr().out
    assert names["above"].get_ylabel() == "Velocity (µm/s)"
    assert names["below"].get_ylabel() == "Heart rate (bpm)"
    assert names["picture"].ndim == 3
    assert {"window.png", "capillary.tif.json"} <= {path.name for path in folder.iterdir()}
