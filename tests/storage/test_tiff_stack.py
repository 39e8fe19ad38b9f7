"""Stacks of many pages: as tifffile describes them, without an object for every page."""

from __future__ import annotations

import struct
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
import tifffile

from napari_bloodflow.errors import ImageReadError
from napari_bloodflow.storage.tiff import TiffPixels, read_tiff_header
from tests.hostile_tiffs import ifd, image_tags

if TYPE_CHECKING:
    from pathlib import Path

    from numpy.typing import NDArray


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "stack.tif"


def numbers(*shape: int) -> NDArray[np.uint16]:
    return np.arange(np.prod(shape), dtype=np.uint16).reshape(shape)


def write_pages(path: Path, pages: NDArray[Any], **options: Any) -> None:
    """Write one page after the other, each with its tags before its pixels."""
    file = {name: options.pop(name) for name in ("bigtiff", "byteorder") if name in options}
    with tifffile.TiffWriter(path, **file) as writer:
        for number, page in enumerate(pages):
            text = {"software": options["software"]} if "software" in options else {}
            own = {name: value[number] for name, value in options.items() if name == "description"}
            writer.write(page, metadata=None, contiguous=False, **text, **own)


OME = {"axes": "TZCYX", "PhysicalSizeX": 0.25, "PhysicalSizeXUnit": "um"}


@pytest.mark.parametrize(
    ("shape", "options"),
    [
        ((12, 20, 10), {}),
        ((12, 20, 10), {"metadata": None}),
        ((12, 20, 10), {"metadata": None, "bigtiff": True, "byteorder": ">"}),
        ((12, 20, 10), {"metadata": None, "byteorder": ">", "compression": "zlib"}),
        ((12, 20, 10), {"compression": "zlib", "metadata": {"axes": "TYX"}}),
        ((3, 4, 20, 10), {"metadata": {"axes": "TCYX"}}),
        ((3, 1, 4, 20, 10), {"metadata": {"axes": "TZCYX"}}),
        ((3, 4, 20, 10), {"compression": "zlib", "rowsperstrip": 5}),
        ((12, 20, 10), {"ome": True}),
        ((12, 20, 10), {"ome": True, "compression": "zlib", "metadata": {"axes": "ZYX"}}),
        ((3, 1, 4, 20, 10), {"ome": True, "metadata": OME}),
        ((12, 20, 10), {"imagej": True, "metadata": {"axes": "TYX"}}),
        ((12, 32, 16), {"tile": (16, 16)}),
    ],
)
def test_stacks_are_what_tifffile_says(
    path: Path, shape: tuple[int, ...], options: dict[str, Any]
) -> None:
    data = numbers(*shape)
    tifffile.imwrite(path, data, photometric="minisblack", **options)
    with tifffile.TiffFile(path) as tif:
        series = tif.series[0]
        assert len(tif.pages) == 12
    header = read_tiff_header(path)
    assert header.stored == (series.shape, series.axes)
    assert header.shape == series.shape
    opened = TiffPixels(header)
    leading = [(axis, size) for axis, size in header.sizes.items() if axis not in "YX"]
    for place in np.ndindex(*(size for _, size in leading)):
        names = {"C": "channel", "Z": "z", "T": "t"}
        plane = opened.plane(
            **{names[axis]: i for (axis, _), i in zip(leading, place, strict=True)}
        )
        np.testing.assert_array_equal(plane, data.reshape(header.shape)[place])
    if "C" not in header.axes:
        np.testing.assert_array_equal(opened.volume(), data.reshape(header.shape))


@pytest.mark.parametrize("bigtiff", [False, True])
@pytest.mark.parametrize("software", ["", "SI.VERSION_MAJOR = 5\nSI.hRoiManager.linePeriod = 1e-3"])
def test_pages_between_pixels_are_all_there(path: Path, bigtiff: bool, software: str) -> None:
    # of such a file of ScanImage, without BigTIFF, tifffile leaves out the last page
    data = numbers(20, 6, 5)
    write_pages(path, data, bigtiff=bigtiff, **({"software": software} if software else {}))
    header = read_tiff_header(path)
    assert header.shape == (20, 6, 5)
    np.testing.assert_array_equal(TiffPixels(header).plane(z=19), data[19])
    np.testing.assert_array_equal(TiffPixels(header).volume(), data)
    if software and not bigtiff:
        assert [r.dt_s for r in header.readings] == [0.001]


def test_pages_of_scanimage_need_not_have_equal_distances(path: Path) -> None:
    data = numbers(20, 6, 5)
    texts = [f"state.acq.linescan=1\r{'x' * (n**2)}" for n in range(20)]
    write_pages(path, data, description=texts)
    np.testing.assert_array_equal(TiffPixels(read_tiff_header(path)).volume(), data)


@pytest.mark.parametrize("odd", [0, 7, 19])
def test_pages_that_differ_are_no_stack(path: Path, odd: int) -> None:
    pages = [np.zeros((6, 5) if number != odd else (7, 5), np.uint16) for number in range(20)]
    with tifffile.TiffWriter(path) as writer:
        for page in pages:
            writer.write(page, metadata=None, contiguous=False)
    with tifffile.TiffFile(path) as tif:
        assert read_tiff_header(path).shape == tif.series[0].shape
    assert read_tiff_header(path).shape == ((7, 5) if odd == 0 else (19, 6, 5))


@pytest.mark.parametrize("claimed", [[5, 6, 5], [20, 30], [40, 6, 5], ["x"], 3])
def test_a_shape_that_is_not_that_of_the_pages_is_left_to_tifffile(
    path: Path, claimed: object
) -> None:
    data = numbers(20, 6, 5)
    tifffile.imwrite(path, data, compression="zlib", metadata={"axes": "TYX"})
    right = b'"shape": [20, 6, 5]'
    wrong = f'"shape": {claimed}'.replace("'", '"').encode().ljust(len(right))
    path.write_bytes(path.read_bytes().replace(right, wrong))
    try:
        header = read_tiff_header(path)
    except ImageReadError as error:
        assert "stack.tif" in str(error)
    else:
        assert header.shape[-2:] in {(6, 5), (20, 30)}
        assert TiffPixels(header).plane().size in {30, 600}


@pytest.mark.parametrize("changed", ['IFD="0" PlaneCount="5"', 'IFD="1" PlaneCount="20"'])
def test_ome_of_other_pages_is_left_to_tifffile(path: Path, changed: str) -> None:
    tifffile.imwrite(path, numbers(20, 6, 5), ome=True, compression="zlib")
    data = path.read_bytes()
    assert data.count(b'IFD="0" PlaneCount="20"') == 1
    wrong = changed.encode().ljust(len(b'IFD="0" PlaneCount="20"'))
    path.write_bytes(data.replace(b'IFD="0" PlaneCount="20"', wrong))
    with tifffile.TiffFile(path) as tif:
        assert read_tiff_header(path).stored == (tif.series[0].shape, tif.series[0].axes)


def raw_stack(places: list[int], extra: int = 0) -> bytes:
    """Return a file of pages at some places, all with the same pixels."""
    file = bytearray(max(places) + 2000)
    file[:8] = b"II*\0" + struct.pack("<I", places[0])
    for place, following in zip(places, [*places[1:], 0], strict=True):
        page = ifd(*image_tags(at=max(places) + 1000), following=following)
        file[place : place + len(page)] = page
    return bytes(file)


@pytest.mark.parametrize(
    "places",
    [
        [8 + 200 * n for n in range(40)],
        [8 + 200 * (39 - n) for n in range(40)],
        [8 + 200 * n + 60 * (n % 7 == 3) for n in range(40)],
        [8 + 200 * (n * 7 % 40) for n in range(40)],
        [8 + 9000 * n for n in range(40)],
        [8 + 200 * n for n in range(20)] + [900_000 - 3 * 200 * n for n in range(20)],
    ],
)
def test_pages_may_lie_anywhere(path: Path, places: list[int]) -> None:
    path.write_bytes(raw_stack(places))
    assert read_tiff_header(path).shape == (40, 16, 8)


@pytest.mark.parametrize("back_to", [0, 1, 70, 299])
def test_a_circle_is_found_wherever_it_closes(path: Path, back_to: int) -> None:
    places = [8 + 200 * n for n in range(300)]
    data = bytearray(raw_stack(places))
    end = places[-1] + len(ifd(*image_tags())) - 4
    data[end : end + 4] = struct.pack("<I", places[back_to])
    path.write_bytes(data)
    with pytest.raises(ImageReadError, match="after 300 pages the chain of pages runs in a circle"):
        read_tiff_header(path)


def test_pages_that_lie_over_each_other_are_refused(path: Path) -> None:
    # each page of 100 tags begins 20 bytes after the one before: a small file with much to read
    num_tags, places = 100, range(8, 8 + 20 * 4000, 20)
    file = bytearray(places[-1] + 3000)
    file[:8] = b"II*\0" + struct.pack("<I", places[0])
    for place in places:
        file[place : place + 2] = struct.pack("<H", num_tags)
        end = place + 2 + 12 * num_tags
        following = place + 20 if place != places[-1] else 0
        file[end : end + 4] = struct.pack("<I", following)
    path.write_bytes(file)
    with pytest.raises(ImageReadError, match="lie over each other"):
        read_tiff_header(path)
