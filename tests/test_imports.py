"""The library and the command line need neither napari nor Qt, and load lazily."""

from __future__ import annotations

import subprocess
import sys

import pytest

import napari_bloodflow

GUI = ("napari", "qtpy", "PyQt6", "PySide6", "magicgui", "superqt", "pyqtgraph", "vispy")

SEVEN_LINES = """
from napari_bloodflow import AcqImage, synthetic
synthetic.write_tiff(synthetic.pulsatile_flow(num_rows=512), PATH)
acq = AcqImage(PATH)
roi = acq.rois.create()
velocity = acq.analysis_set.run_analysis(("radon_velocity", 0, roi.roi_id), {"window_width": 32})
print(velocity.result.table.head())
acq.save()
"""


def loaded_after(code: str) -> set[str]:
    """Run code in a new interpreter in which GUI packages do not exist; return its modules."""
    program = f"""
import sys
for name in {GUI!r}:
    sys.modules[name] = None
{code}
print("\\n".join(name for name, module in sys.modules.items() if module is not None))
"""
    done = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    return set(done.stdout.split())


def test_the_package_itself_loads_nothing_heavy() -> None:
    loaded = loaded_after("import napari_bloodflow")
    assert not loaded & {"numpy", "pandas", "scipy", "numba", "tifffile", "pydantic", "click"}


def test_help_loads_nothing_heavy() -> None:
    loaded = loaded_after(
        "from napari_bloodflow.cli import main\n"
        "try:\n    main(['--help'])\nexcept SystemExit:\n    pass"
    )
    assert "click" in loaded
    assert not loaded & {"numpy", "pandas", "scipy", "numba", "tifffile", "pydantic"}


def test_the_whole_path_works_without_napari_and_qt(tmp_path) -> None:  # type: ignore[no-untyped-def]
    code = SEVEN_LINES.replace("PATH", repr(str(tmp_path / "sample.tif")))
    loaded = loaded_after(code)
    assert "napari_bloodflow.acquisition.acq_image" in loaded
    assert not any(name.startswith("napari_bloodflow._napari") for name in loaded)
    assert (tmp_path / "sample.tif.radon_velocity.csv").exists()


@pytest.mark.parametrize("name", napari_bloodflow.__all__)
def test_every_public_name_is_there(name: str) -> None:
    assert name in dir(napari_bloodflow)
    assert getattr(napari_bloodflow, name) is not None


def test_unknown_names_are_attribute_errors() -> None:
    with pytest.raises(AttributeError, match="no attribute 'nonsense'"):
        _ = napari_bloodflow.nonsense
