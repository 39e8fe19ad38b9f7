"""TIFF files: header without pixels, planes, calibration, and files that are no kymograph."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
import tifffile

from napari_bloodflow.errors import ImageReadError, UnknownPlaneError
from napari_bloodflow.storage.tiff import TiffPixels, read_tiff_header

if TYPE_CHECKING:
    from pathlib import Path

RNG = np.random.default_rng(0)


def pixels(*shape: int, dtype: str = "uint16") -> np.ndarray[Any, Any]:
    return RNG.integers(0, 200, shape).astype(dtype)


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "image.tif"


@pytest.mark.parametrize(
    ("options", "is_mapped"),
    [
        ({}, True),
        ({"byteorder": ">"}, True),
        ({"bigtiff": True}, True),
        ({"compression": "zlib"}, False),
        ({"tile": (16, 16)}, False),
        ({"imagej": True}, True),
        ({"ome": True}, True),
    ],
)
def test_every_layout_gives_the_same_pixels_read_only(
    path: Path, options: dict[str, Any], is_mapped: bool
) -> None:
    data = pixels(64, 32)
    tifffile.imwrite(path, data, **options)
    header = read_tiff_header(path)
    assert (header.axes, header.shape, header.dtype) == ("YX", (64, 32), np.dtype("uint16"))
    plane = TiffPixels(header).plane()
    np.testing.assert_array_equal(plane, data)
    assert isinstance(plane, np.memmap) == is_mapped
    assert not plane.flags.writeable


@pytest.mark.parametrize("dtype", ["uint8", "int16", "uint16", "uint32", "float32", "float64"])
def test_plain_number_types_are_read(path: Path, dtype: str) -> None:
    data = pixels(20, 10, dtype=dtype)
    tifffile.imwrite(path, data)
    plane = TiffPixels(read_tiff_header(path)).plane()
    assert plane.dtype == data.dtype
    np.testing.assert_array_equal(plane, data)


def test_planes_are_found_by_channel_z_and_t(path: Path) -> None:
    data = pixels(2, 3, 4, 20, 10)
    tifffile.imwrite(path, data, imagej=True, metadata={"axes": "TZCYX"})
    header = read_tiff_header(path)
    assert header.axes == "TZCYX"
    assert header.sizes == {"T": 2, "Z": 3, "C": 4, "Y": 20, "X": 10}
    opened = TiffPixels(header)
    assert opened.num_channels == 4
    assert opened.plane_shape == (20, 10)
    np.testing.assert_array_equal(opened.plane(channel=3, z=1, t=1), data[1, 1, 3])


@pytest.mark.parametrize("wanted", [{"channel": 2}, {"channel": -1}, {"z": 1}, {"t": 5}])
def test_planes_that_do_not_exist_are_named(path: Path, wanted: dict[str, int]) -> None:
    tifffile.imwrite(path, pixels(2, 20, 10), imagej=True, metadata={"axes": "CYX"})
    with pytest.raises(UnknownPlaneError, match=rf"there is no {next(iter(wanted))}"):
        TiffPixels(read_tiff_header(path)).plane(**wanted)


@pytest.mark.parametrize(("shape", "axes"), [((3, 20, 10), "ZYX"), ((2, 3, 20, 10), "CZYX")])
def test_axes_without_names_follow_the_rank(path: Path, shape: tuple[int, ...], axes: str) -> None:
    tifffile.imwrite(path, pixels(*shape), photometric="minisblack", metadata=None)
    assert read_tiff_header(path).axes in {axes, axes[-3:]}


def test_closing_lets_the_file_be_opened_again(path: Path) -> None:
    data = pixels(20, 10)
    tifffile.imwrite(path, data)
    opened = TiffPixels(read_tiff_header(path))
    opened.plane()
    opened.close()
    np.testing.assert_array_equal(opened.plane(), data)


# ---- calibration


def test_imagej_calibration(path: Path) -> None:
    tifffile.imwrite(
        path,
        pixels(50, 20),
        imagej=True,
        resolution=(1 / 0.25, 1 / 0.25),
        metadata={"unit": "um", "finterval": 0.002},
    )
    (reading,) = read_tiff_header(path).readings
    assert reading.source == "ImageJ"
    assert (reading.dt_s, reading.dx_um) == pytest.approx((0.002, 0.25))


def test_ome_calibration_with_time_on_the_rows(path: Path) -> None:
    metadata = {
        "PhysicalSizeX": 250.0,
        "PhysicalSizeXUnit": "nm",
        "PhysicalSizeY": 2.0,
        "PhysicalSizeYUnit": "ms",
    }
    tifffile.imwrite(path, pixels(50, 20), ome=True, metadata=metadata)
    readings = read_tiff_header(path).readings
    assert [r.source for r in readings] == ["OME"]
    assert (readings[0].dt_s, readings[0].dx_um) == pytest.approx((0.002, 0.25))


def test_plain_resolution_tags_are_not_trusted(path: Path) -> None:
    tifffile.imwrite(path, pixels(50, 20), resolution=(10000, 10000), resolutionunit="CENTIMETER")
    assert read_tiff_header(path).readings == ()


def test_an_olympus_text_file_beside_the_image(path: Path) -> None:
    tifffile.imwrite(path, pixels(1000, 20))
    path.with_suffix(".txt").write_text(
        '"X Dimension"\t"20, 0.0 - 5.000 [um], 0.250 [um/pixel]"\n'
        '"T Dimension"\t"1, 0.000 - 2.000 [s], Interval FreeRun"\n'
        '"Image Size"\t"20 * 1000 [pixel]"\n'
    )
    (reading,) = read_tiff_header(path).readings
    assert reading.source == "Olympus txt"
    assert (reading.dt_s, reading.dx_um) == pytest.approx((0.002, 0.25))


# ---- no kymograph


def test_a_missing_file_is_not_found(path: Path) -> None:
    with pytest.raises(FileNotFoundError, match=r"image\.tif"):
        read_tiff_header(path)


def write_truncated(path: Path) -> None:
    tifffile.imwrite(path, pixels(200, 50))
    path.write_bytes(path.read_bytes()[:5000])


def write_cut_in_the_tags(path: Path) -> None:
    tifffile.imwrite(path, pixels(200, 50))
    path.write_bytes(path.read_bytes()[:40])


@pytest.mark.parametrize(
    ("write", "cause"),
    [
        (lambda p: p.touch(), "is empty"),
        (lambda p: p.mkdir(), "is a folder"),
        (lambda p: p.write_text("plain text, no picture"), "not a readable TIFF"),
        (lambda p: tifffile.imwrite(p, pixels(50)), "at least two lines|axes"),
        (
            lambda p: tifffile.imwrite(p, pixels(9, 9, 3, dtype="uint8"), photometric="rgb"),
            "colour",
        ),
        (lambda p: tifffile.imwrite(p, np.ones((9, 9), "complex64")), "complex64"),
        (write_truncated, "truncated"),
        (write_cut_in_the_tags, ""),
    ],
)
def test_what_is_no_kymograph_is_named_with_the_cause(path: Path, write: Any, cause: str) -> None:
    write(path)
    with pytest.raises(ImageReadError, match=rf"image\.tif: .*({cause})"):
        read_tiff_header(path)
