"""The npe2 manifest: valid, and everything it names can be used."""

from __future__ import annotations

from importlib.resources import files

import pytest
from npe2 import PluginManifest

pytestmark = pytest.mark.gui


@pytest.fixture(scope="module")
def manifest() -> PluginManifest:
    return PluginManifest.from_file(str(files("napari_bloodflow") / "napari.yaml"))


def test_the_manifest_is_valid_with_imports(manifest: PluginManifest) -> None:
    manifest.validate_imports()


def test_it_is_found_by_the_name_of_the_distribution() -> None:
    found = PluginManifest.from_distribution("napari-bloodflow")
    assert found.name == "napari-bloodflow"
    assert found.display_name == "Blood flow"


def test_it_has_what_users_look_for(manifest: PluginManifest) -> None:
    parts = manifest.contributions
    (reader,) = parts.readers or ()
    assert {"*.tif", "*.tiff", "*.xml", "*.tif.json", "*.tiff.json"} <= set(
        reader.filename_patterns
    )
    docks = {w.display_name for w in parts.widgets or ()}
    assert {"Acquisitions", "Acquisition", "Metadata", "Velocity", "Diameter"} <= docks
    assert len(parts.sample_data or ()) == 2
    sidecar, scitiff = parts.writers or ()
    assert set(sidecar.layer_types) == {"image+", "shapes"}
    # one that takes images alone would be offered for those of others
    assert set(scitiff.layer_types) == {"image+", "shapes", "labels*"}
    menu = parts.menus["napari/layers/measure"]  # type: ignore[index]
    assert len(menu) == len(docks) + 2
    defaults = {
        name: prop.default
        for section in (parts.configurations or {}).values()
        for name, prop in section.properties.items()
    }
    assert defaults == {"window_width": 64, "time_direction": "right"}
