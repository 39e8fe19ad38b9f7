"""Units of axes are looked up, never worked out."""

from __future__ import annotations

import pytest

from napari_bloodflow.storage.units import PIXEL, axis_unit, is_writable_unit


@pytest.mark.parametrize(
    ("text", "kind", "base"),
    [
        ("µm", "length", 1.0),
        ("nm", "length", 1e-3),
        ("Å", "length", 1e-4),
        ("mm", "length", 1e3),
        ("m", "length", 1e6),
        ("s", "time", 1.0),
        ("ms", "time", 1e-3),
        ("µs", "time", 1e-6),
        ("min", "time", 60.0),
        ("h", "time", 3600.0),
        ("D", "time", 86400.0),
    ],
)
def test_lengths_and_times(text: str, kind: str, base: float) -> None:
    unit = axis_unit(text)
    assert unit is not None
    assert unit.kind == kind
    assert unit.to_base(1.0) == base


@pytest.mark.parametrize("text", [None, "", "dimensionless", "one", "pixel"])
def test_no_unit_means_pixels(text: str | None) -> None:
    assert axis_unit(text) == PIXEL


@pytest.mark.parametrize("text", ["9**9**9**9", "2 um", "um*um", "S", "M", "None", "none", "()"])
def test_any_other_text_is_unknown(text: str) -> None:
    assert axis_unit(text) is None
    assert not is_writable_unit(text)
