"""What tests of the viewer share."""

from __future__ import annotations

import pytest
from npe2 import PluginManager


@pytest.fixture(scope="session", autouse=True)
def plugins_discovered() -> None:
    """Find this plugin's manifest, as napari does when its first window opens."""
    PluginManager.instance().discover()
