"""What all tests share: a home of their own, and the example files."""

from __future__ import annotations

import atexit
import os
import shutil
import sys
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from hypothesis import settings

if TYPE_CHECKING:
    from collections.abc import Callable

DATA = Path(__file__).parent / "data"


def _isolate() -> None:
    """Keep tests, and the programs that they start, away from the user's home and settings.

    napari and others read these when they are first imported, so a fixture would be too late.
    """
    home = Path(tempfile.mkdtemp(prefix="napari-bloodflow-tests-"))
    atexit.register(shutil.rmtree, home, ignore_errors=True)
    folders = {
        "HOME": home,
        "USERPROFILE": home,
        "XDG_CACHE_HOME": home / ".cache",
        "XDG_CONFIG_HOME": home / ".config",
        "XDG_DATA_HOME": home / ".local" / "share",
        "XDG_STATE_HOME": home / ".local" / "state",
        "MPLCONFIGDIR": home / ".config" / "matplotlib",
    }
    for name, folder in folders.items():
        folder.mkdir(parents=True, exist_ok=True)
        os.environ[name] = str(folder)
    os.environ["NAPARI_CONFIG"] = str(home / ".config" / "napari-settings.yaml")
    os.environ["NAPARI_STRICT_QT"] = "1"  # a window that outlives its test fails it
    os.environ["QT_API"] = os.environ.get("PYTEST_QT_API", "pyqt6")
    os.environ["MPLBACKEND"] = "Agg"
    if sys.platform.startswith("linux"):
        # Xvfb is an X server. In a Wayland session Qt and PyOpenGL would look past it, and abort.
        os.environ["QT_QPA_PLATFORM"] = "xcb"
        os.environ["XDG_SESSION_TYPE"] = "x11"
        os.environ.pop("WAYLAND_DISPLAY", None)


_isolate()

settings.register_profile("dev", deadline=None)
settings.register_profile("ci", deadline=None, derandomize=True, print_blob=True)
settings.load_profile("ci" if os.environ.get("CI") else "dev")


@pytest.fixture
def cloudscope_data() -> Path:
    """The folder of files as CloudScope wrote them; read only, see ``copy_fixture``."""
    return DATA / "cloudscope"


@pytest.fixture
def copy_fixture(tmp_path: Path) -> Callable[[str], Path]:
    """A function that copies ``tests/data/<name>`` to a folder of the test's own.

    ``copy_fixture("cloudscope/may2026")`` gives the path of a copy called ``may2026``.
    """

    def copy(name: str) -> Path:
        source = DATA / name
        target = tmp_path / source.name
        if source.is_dir():
            shutil.copytree(source, target, copy_function=shutil.copyfile)
        else:
            shutil.copyfile(source, target)
        return target

    return copy
