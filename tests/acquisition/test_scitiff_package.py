"""The package scitiff reads what we write, with its metadata, and we read what it writes."""

from __future__ import annotations

import tempfile
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tifffile
from hypothesis import given, settings
from hypothesis import strategies as st

from napari_bloodflow import AcqImage
from napari_bloodflow.acquisition.scitiff_layers import scitiff_layers
from tests.scitiff_files import FOLDER, named

sc = pytest.importorskip("scipp", reason="there is no scipp for this system")
scitiff_io = pytest.importorskip("scitiff.io", reason="there is no scitiff for this system")

DIMS = "tzcyx"
UNITS = ["s", "ms", "us", "ns", "h", "um", "mm", "nm", "angstrom", "one", "K", "deg", None]
# What the package can read back of its own; it writes others that it cannot.
DATE_UNITS = ["D", "s", "us"]
NAMES = st.text(st.characters(codec="utf-8", exclude_categories=["Cs", "Cc"]), max_size=8)
NUMBERS = st.floats(-1e6, 1e6)
PIXELS = st.floats(width=32)


def load(path: Path, **options: Any) -> Any:
    """Load with the package; any warning, and so any lost metadata, is an error."""
    return scitiff_io.load_scitiff(path, squeeze=False, resolve_channels=False, **options)


@st.composite
def coords(draw: st.DrawFn, sizes: dict[str, int]) -> dict[str, Any]:
    found: dict[str, Any] = {}
    for dim, size in sizes.items():
        if dim == "c" and draw(st.booleans()):
            names = draw(st.lists(NAMES, min_size=size, max_size=size))
            if not set(names) <= {"intensities", "stdevs", "mask"}:
                found["c"] = sc.array(dims=["c"], values=names, unit=None)
        elif draw(st.booleans()):
            length = size + draw(st.booleans())
            values = draw(st.lists(NUMBERS, min_size=length, max_size=length))
            kind = draw(st.sampled_from(["float64", "float32", "int64", "int32"]))
            unit = draw(st.sampled_from(UNITS))
            found[dim] = sc.array(dims=[dim], values=values, unit=unit, dtype="float64").to(
                dtype=kind
            )
    if draw(st.booleans()):
        unit = draw(st.sampled_from(UNITS))
        found["scalar"] = sc.scalar(draw(NUMBERS), unit=unit)
    if draw(st.booleans()):
        found["label"] = sc.scalar(draw(NAMES))
    if draw(st.booleans()):
        dims = draw(st.permutations(sorted(sizes)))[:2]
        shape = [sizes[dim] for dim in dims]
        values = np.arange(np.prod(shape)).reshape(shape)
        found["table"] = sc.array(dims=dims, values=values * 0.5, unit="m")
    if "t" in sizes and draw(st.booleans()):
        unit = draw(st.sampled_from(DATE_UNITS))
        counts = np.arange(sizes["t"]) + 20_000
        found["clock"] = sc.array(dims=["t"], values=counts.astype(f"datetime64[{unit}]"))
    return found


@st.composite
def images(draw: st.DrawFn) -> Any:
    dims = draw(st.sets(st.sampled_from(DIMS), min_size=1))
    sizes = {dim: draw(st.integers(1, 4)) for dim in DIMS if dim in dims}
    number = int(np.prod(list(sizes.values())))
    pixels = draw(st.lists(PIXELS, min_size=number, max_size=number))
    values = np.array(pixels, np.float32).reshape(list(sizes.values()))
    data = sc.array(dims=list(sizes), values=values, unit=draw(st.sampled_from(["counts", None])))
    image = sc.DataArray(data, coords=draw(coords(sizes)))
    if "c" in sizes:
        return image  # the package has no masks of images with channels
    if draw(st.booleans()):
        image.variances = np.abs(np.nan_to_num(values, posinf=0, neginf=0)) ** 0.5
    # one mask at most: the package takes the wrong one of several
    masked = draw(st.sampled_from([(), image.dims, *((dim,) for dim in image.dims)]))
    if masked:
        values = np.arange(np.prod([sizes[dim] for dim in masked])) % 2 == 0
        values = values.reshape([sizes[dim] for dim in masked])
        image.masks["odd"] = sc.array(dims=masked, values=values)
    return image


def check_read(theirs: Any, acq: AcqImage) -> None:
    """Compare what the package and we read of one file."""
    scitiff = acq.images.scitiff
    assert scitiff is not None
    document = scitiff.document
    assert document.sizes == dict(theirs.sizes)
    assert document.coords.keys() == set(theirs.coords)
    assert document.masks.keys() == set(theirs.masks)
    for kind, variables in ((document.coords, theirs.coords), (document.masks, theirs.masks)):
        for name, expected in variables.items():
            found = kind[name]
            values = np.asarray(expected.value if expected.ndim == 0 else expected.values)
            assert found.dims == expected.dims
            assert found.unit == (None if expected.unit is None else str(expected.unit))
            np.testing.assert_array_equal(found.values, values.astype(found.values.dtype))
    for channel in range(document.sizes["c"]):
        shape = tuple(document.sizes[dim] for dim in "tzyx")
        np.testing.assert_array_equal(
            acq.images.get_volume(channel).reshape(shape), theirs["c", channel].values
        )


@settings(max_examples=150)
@given(images())
def test_what_the_package_writes(image: Any) -> None:
    with tempfile.TemporaryDirectory() as folder:
        path, target = Path(folder) / "theirs.tiff", Path(folder) / "ours.tiff"
        scitiff_io.save_scitiff(image, path)
        theirs = load(path)["image"]
        acq = AcqImage(path)
        check_read(theirs, acq)
        assert len(scitiff_layers(acq.images)) == theirs.sizes["c"]

        assert acq.export_scitiff(target) == ()
        written = load(target)["image"]
        again = AcqImage(target)
        check_read(written, again)
        time = acq.images.scitiff.time  # type: ignore[union-attr]
        if time is None or time.dim != "y":
            assert sc.identical(written.data, theirs.data, equal_nan=True)
            assert written.coords.keys() == theirs.coords.keys()
            for name, coord in written.coords.items():
                assert sc.identical(coord, theirs.coords[name])
        assert again.images.is_kymograph == acq.images.is_kymograph
        assert again.calibration == acq.calibration


@settings(max_examples=60)
@given(
    axes=st.sampled_from(["YX", "ZYX", "CYX", "CZYX", "TCZYX", "TYX"]),
    dtype=st.sampled_from(["uint8", "uint16", "int16", "int32", "uint32", "float32", "float64"]),
    size=st.integers(2, 5),
    steps=st.none() | st.tuples(st.floats(1e-5, 10), st.floats(1e-3, 100)),
)
def test_what_we_write_of_other_files(
    axes: str, dtype: str, size: int, steps: tuple[float, float] | None
) -> None:
    shape = [size + index for index in range(len(axes))]
    pixels = np.arange(np.prod(shape)).reshape(shape).astype(dtype)
    with tempfile.TemporaryDirectory() as folder:
        path, target = Path(folder) / "image.tif", Path(folder) / "ours.tiff"
        tifffile.imwrite(path, pixels, photometric="minisblack", metadata={"axes": axes})
        acq = AcqImage(path)
        if steps is not None:
            acq.set_calibration(*steps)
        acq.rois.create(name="whole")
        assert acq.export_scitiff(target) == ()
        found = load(target)
        image = found["image"]
        assert image.dtype == "float32"
        assert float(image.data.sum().value) == pytest.approx(float(pixels.sum()))
        rows = "t" if "T" not in axes else "y"
        assert set(image.coords) == ({rows, "x"} if steps else set())
        if steps is not None:
            dt_s, dx_um = steps
            assert str(image.coords[rows].unit) == "s"
            assert str(image.coords["x"].unit) == "µm"
            np.testing.assert_array_equal(
                image.coords[rows].values, np.arange(image.sizes[rows]) * dt_s
            )
            np.testing.assert_array_equal(
                image.coords["x"].values, np.arange(image.sizes["x"]) * dx_um
            )
        assert "napari_bloodflow_rois" in found["extra"]
        check_read(image, AcqImage(target))


@pytest.mark.parametrize("name", named("scitiff"))
@pytest.mark.filterwarnings("ignore:.*ORCID.*")
def test_exports_of_the_examples(name: str, tmp_path: Path) -> None:
    target = tmp_path / "ours.tiff"
    acq = AcqImage(FOLDER / name)
    acq.export_scitiff(target)
    check_read(load(target)["image"], AcqImage(target))
    scitiff_io.load_scitiff(target)  # and with roles resolved


def test_metadata_match_the_published_schema(tmp_path: Path) -> None:
    import json

    from scitiff.validator import validate_scitiff_metadata_container

    target = tmp_path / "ours.tiff"
    acq = AcqImage(FOLDER / "s07_group_daq_process_extra_datetime.tiff")
    acq.rois.create()
    acq.export_scitiff(target)
    with tifffile.TiffFile(target) as tif:
        text = tif.imagej_metadata["scitiffmeta"]  # type: ignore[index]
    validate_scitiff_metadata_container({"scitiffmeta": json.loads(text)})
    broken = {"scitiffmeta": {"schema_version": "26.7.0"}}
    with pytest.raises(Exception, match="image"):
        validate_scitiff_metadata_container(broken)
