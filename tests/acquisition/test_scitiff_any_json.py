"""Whatever the metadata of a SciTiff file hold: the image opens, shows and can be exported."""

from __future__ import annotations

import json
import tempfile
from pathlib import Path
from typing import Any

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from napari_bloodflow import AcqImage
from napari_bloodflow.acquisition.scitiff_layers import (
    scitiff_layers,
    scitiff_metadata,
    scitiff_rows,
)
from tests.scitiff_files import document, write

SHAPE = (3, 1, 2, 4, 5)
TEXTS = st.text(max_size=8) | st.sampled_from([*"tzcyx", "s", "µm", "float64", "datetime64"])
SCALARS = st.none() | st.booleans() | st.integers() | st.floats() | TEXTS
JSON = st.recursive(
    SCALARS,
    lambda inner: st.lists(inner, max_size=5) | st.dictionaries(TEXTS, inner, max_size=4),
    max_leaves=8,
)
VARIABLES = JSON | st.fixed_dictionaries(
    {
        "dims": JSON | st.lists(st.sampled_from("tzcyxq"), max_size=3),
        "unit": SCALARS,
        "dtype": SCALARS | st.sampled_from(["float64", "int64", "bool", "string", "datetime64"]),
        "values": JSON
        | st.lists(st.floats() | st.integers(), min_size=2, max_size=6)
        | st.lists(TEXTS | st.sampled_from(["2026-01-29", "10"]), min_size=2, max_size=6)
        | st.lists(st.lists(SCALARS, min_size=4, max_size=6), min_size=4, max_size=6),
    }
)
NAMED = st.dictionaries(TEXTS, VARIABLES, max_size=4)
PARTS = st.fixed_dictionaries({}, optional=dict.fromkeys(("daq", "process", "extra"), JSON))


def check(text: str) -> None:
    pixels = np.arange(np.prod(SHAPE), dtype=np.float32).reshape(SHAPE)
    with tempfile.TemporaryDirectory() as folder:
        path, target = Path(folder) / "a.tiff", Path(folder) / "b.tiff"
        write(path, text, pixels)
        images = AcqImage(path).images
        layers = scitiff_layers(images)
        assert len(layers) == (0 if images.scitiff_fault else 2)
        for layer in layers:
            assert all(np.isfinite(layer.scale)) and all(layer.scale)
            assert all(np.isfinite(layer.translate))
            json.dumps(scitiff_metadata(images, layer))
        if images.scitiff is not None:
            assert all(len(value) <= 300 for row in scitiff_rows(images.scitiff) for value in row)
        AcqImage(path).export_scitiff(target)
        again = AcqImage(target).images
        assert again.scitiff is not None
        for channel in range(2):
            np.testing.assert_array_equal(
                again.get_slice(channel, t=2), images.get_slice(channel, t=2)
            )


@settings(max_examples=200)
@given(NAMED, NAMED, PARTS, JSON)
def test_any_coordinates_and_parts(coords: Any, masks: Any, parts: Any, name: Any) -> None:
    check(json.dumps(document(SHAPE, coords=coords, masks=masks, name=name) | parts))


@settings(max_examples=100)
@given(JSON, st.sampled_from(["root", "image", "data", "coords", "shape", "dims", "dtype", "unit"]))
def test_any_value_in_any_place(value: Any, place: str) -> None:
    text = document(SHAPE)
    image = text["image"]
    where = {"root": text, "image": text, "data": image, "coords": image}.get(place, image["data"])
    if place == "root":
        text = value
    else:
        where[place] = value
    check(json.dumps(text))
