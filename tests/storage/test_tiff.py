"""TIFF files: header without pixels, planes, calibration, and files that are no kymograph."""

from __future__ import annotations

import tracemalloc
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


@pytest.mark.parametrize("axes", ["YXC", "YXZ", "CXY", "XY"])
def test_rows_and_columns_are_found_by_name(path: Path, axes: str) -> None:
    data = np.arange(2 * 30 * 7, dtype=np.uint16).reshape(2, 30, 7)
    order = {"C": 0, "Z": 0, "Y": 1, "X": 2}
    stored = (data if len(axes) == 3 else data[0]).transpose(
        [order[a] if len(axes) == 3 else order[a] - 1 for a in axes]
    )
    tifffile.imwrite(path, stored, metadata={"axes": axes}, photometric="minisblack")
    opened = TiffPixels(read_tiff_header(path))
    assert opened.plane_shape == (30, 7)
    last = {"C": "channel", "Z": "z"}.get(axes.strip("XY"))
    np.testing.assert_array_equal(
        opened.plane(**({last: 1} if last else {})), data[int(bool(last))]
    )


@pytest.mark.parametrize("imagej", [True, False])
def test_a_stack_without_its_last_pages_is_truncated(path: Path, imagej: bool) -> None:
    tifffile.imwrite(path, np.zeros((5, 100, 50), np.uint16), imagej=imagej, compression="zlib")
    whole = path.read_bytes()
    for kept in range(len(whole) // 3, len(whole) - 1, len(whole) // 7):
        path.write_bytes(whole[:kept])
        with pytest.raises(ImageReadError):
            read_tiff_header(path)


def test_no_file_outside_the_folder_is_opened(tmp_path: Path) -> None:
    secret, folder = tmp_path / "secret.tif", tmp_path / "images"
    folder.mkdir()
    tifffile.imwrite(secret, np.full((100, 50), 77, np.uint16), metadata=None)
    part = (
        '<TiffData IFD="0" FirstC="{}" PlaneCount="1"><UUID FileName="{}">urn:{}</UUID></TiffData>'
    )
    xml = (
        '<?xml version="1.0"?><OME xmlns="http://www.openmicroscopy.org/Schemas/OME/2016-06"'
        ' UUID="urn:1"><Image ID="I"><Pixels ID="P" DimensionOrder="XYCZT" Type="uint16"'
        ' SizeX="50" SizeY="100" SizeC="2" SizeZ="1" SizeT="1"><Channel ID="C0"/>'
        '<Channel ID="C1"/>'
        + part.format(0, "a.ome.tif", 1)
        + part.format(1, "../secret.tif", 2)
        + "</Pixels></Image></OME>"
    )
    path = folder / "a.ome.tif"
    tifffile.imwrite(path, np.zeros((100, 50), np.uint16), description=xml, metadata=None)
    path.write_bytes(path.read_bytes() + bytes(20_000))  # room for the plane that is elsewhere
    header = read_tiff_header(path)
    assert header.axes == "YX"
    assert TiffPixels(header).plane().max() == 0
    assert any("other files" in note for note in header.notes)


def test_one_plane_of_a_compressed_stack_is_decoded_alone(path: Path) -> None:
    data = np.zeros((50, 400, 500), np.uint16)
    data[7] = 7
    tifffile.imwrite(path, data, compression="zlib", metadata={"axes": "ZYX"})
    opened = TiffPixels(read_tiff_header(path))
    tracemalloc.start()
    try:
        plane = opened.plane(z=7)
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert plane.min() == plane.max() == 7
    assert not plane.flags.writeable
    assert peak < data.nbytes / 5


def test_a_file_that_changed_after_its_header_was_read_is_refused(path: Path) -> None:
    tifffile.imwrite(path, np.zeros((10, 6), np.uint16))
    opened = TiffPixels(read_tiff_header(path))
    tifffile.imwrite(path, np.zeros((6, 10), np.uint16))
    with pytest.raises(ImageReadError, match="has changed"):
        opened.plane()


# ---- big files


@pytest.mark.parametrize("byteorder", ["<", ">"])
def test_a_part_of_a_big_file_is_read_without_the_rest(path: Path, byteorder: str) -> None:
    # a hole of 4.3 GB: takes no room on the disk, but would in memory
    shape = (4_200_000, 512)
    tifffile.imwrite(path, shape=shape, dtype=f"{byteorder}u2", bigtiff=True, byteorder=byteorder)
    tracemalloc.start()
    try:
        header = read_tiff_header(path)
        plane = TiffPixels(header).plane()
        part = plane[4_000_000:4_001_000, 100:200]
        assert part.sum() == 0
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert header.shape == shape
    assert isinstance(plane, np.memmap)
    assert not plane.flags.writeable
    assert peak < 10e6
