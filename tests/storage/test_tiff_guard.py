"""Files made to harm: each ends in one clear error, soon and without much memory."""

from __future__ import annotations

import json
import struct
import tracemalloc
import zlib
from typing import TYPE_CHECKING

import numpy as np
import pytest
import tifffile

from napari_bloodflow.errors import ImageReadError
from napari_bloodflow.storage.tiff import TiffPixels, read_tiff_header

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

Tag = tuple[int, int, int, int]
SHORT, LONG = 3, 4


def ifd(*tags: Tag, following: int = 0) -> bytes:
    """Return a page: entries (code, type, count, value) and the address of the next page."""
    body = b"".join(struct.pack("<HHII", *tag) for tag in sorted(tags))
    return struct.pack("<H", len(tags)) + body + struct.pack("<I", following)


def image_tags(
    width: int = 8, length: int = 16, at: int = 1000, size: int = 128, compression: int = 1
) -> list[Tag]:
    return [
        (256, LONG, 1, width),
        (257, LONG, 1, length),
        (258, SHORT, 1, 8),
        (259, SHORT, 1, compression),
        (262, SHORT, 1, 1),
        (273, LONG, 1, at),
        (277, SHORT, 1, 1),
        (278, LONG, 1, length),
        (279, LONG, 1, size),
    ]


def tiff(page: bytes, *, rest: bytes = b"", size: int = 2000) -> bytes:
    """Return a file of one page at byte 8, with `rest` at byte 1000."""
    head = b"II*\0" + struct.pack("<I", 8) + page
    return (head.ljust(1000, b"\0") + rest).ljust(size, b"\1")


def ring(num_pages: int) -> bytes:
    size = len(ifd(*image_tags()))
    starts = [8 + i * size for i in range(num_pages)]
    pages = [ifd(*image_tags(), following=after) for after in [*starts[1:], starts[0]]]
    return b"II*\0" + struct.pack("<I", 8) + b"".join(pages) + bytes(2000)


def deflate_bomb() -> bytes:
    strip = zlib.compress(bytes(200_000_000), 9)
    return tiff(ifd(*image_tags(compression=8, size=len(strip))), rest=strip)


def with_description(text: str) -> bytes:
    at = 3000
    page = ifd(*image_tags(), (270, 2, len(text) + 1, at))
    return tiff(page, size=at) + text.encode() + b"\0"


OME = (
    '<?xml version="1.0"?><OME xmlns="http://www.openmicroscopy.org/Schemas/OME/2016-06">'
    '<Image ID="I"><Pixels ID="P" DimensionOrder="XYCZT" Type="uint8" SizeX="8" SizeY="16"'
    ' SizeC="1" SizeZ="1" SizeT="1000000000"><TiffData/></Pixels></Image></OME>'
)

HOSTILE: dict[str, tuple[Callable[[], bytes], str]] = {
    "a short ring": (lambda: ring(3), "in a circle"),
    "a long ring": (lambda: ring(500), "in a circle"),
    "the next page outside": (lambda: tiff(ifd(*image_tags(), following=10**9)), "byte 1000000000"),
    "the first page outside": (lambda: b"II*\0\xff\xff\xff\x7f" + bytes(100), "truncated"),
    "no page": (lambda: b"II*\0" + bytes(100), "no pages"),
    "only a signature": (lambda: b"II", "no TIFF signature"),
    "65535 tags": (lambda: tiff(b"\xff\xff" + bytes(900)), "65535 tags"),
    "no tags": (lambda: tiff(bytes(900)), "0 tags"),
    "2^31 pixels each way": (lambda: tiff(ifd(*image_tags(2**31 - 1, 2**31 - 1))), ""),
    "60000 pixels each way": (lambda: tiff(ifd(*image_tags(60000, 60000))), "truncated"),
    "strips outside": (lambda: tiff(ifd(*image_tags(at=2**31))), ""),
    "strips of no bytes": (lambda: tiff(ifd(*image_tags(size=0))), "no bytes"),
    "large and compressed": (
        lambda: tiff(ifd(*image_tags(60000, 60000, compression=8))),
        "NAPARI_BLOODFLOW_MAX_RATIO",
    ),
    "huge and compressed": (
        lambda: tiff(ifd(*image_tags(2**20, 2**20, compression=8))),
        "NAPARI_BLOODFLOW_MAX_GB",
    ),
    "strips that are missing": (
        lambda: tiff(
            ifd(*image_tags(8, 2**23, compression=8)[:-2], (278, LONG, 1, 5), (279, 4, 1, 9))
        ),
        "1 of 1677722 strips",
    ),
    "a deflate bomb": (deflate_bomb, "grows to more than"),
    "LZW": (lambda: tiff(ifd(*image_tags(compression=5))), "codecs"),
    "an unknown compression": (lambda: tiff(ifd(*image_tags(compression=4242))), "unknown"),
    "OME of 10^9 frames": (lambda: with_description(OME), "1000000000 planes"),
    "deep JSON": (lambda: with_description('{"shape": ' + "[" * 100_000 + "}"), ""),
}


def open_and_read(path: Path) -> None:
    TiffPixels(read_tiff_header(path)).plane()


@pytest.mark.parametrize("name", HOSTILE)
def test_hostile_files_end_in_one_error_within_little_memory(tmp_path: Path, name: str) -> None:
    make, cause = HOSTILE[name]
    path = tmp_path / "hostile.tif"
    path.write_bytes(make())
    tracemalloc.start()
    try:
        with pytest.raises(ImageReadError, match=rf"hostile\.tif: .*{cause}"):
            open_and_read(path)
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert peak < 100e6


def test_a_text_tag_of_half_a_gigabyte_is_not_read(tmp_path: Path) -> None:
    path = tmp_path / "sparse.tif"
    path.write_bytes(tiff(ifd(*image_tags(), (270, 2, 500_000_000, 2000))))
    with path.open("r+b") as stream:
        stream.truncate(600_000_000)  # a hole: takes no room on the disk
    with pytest.raises(ImageReadError, match="tags of 500000000 bytes"):
        read_tiff_header(path)


def test_the_limits_can_be_raised(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "dark.tif"
    tifffile.imwrite(path, np.zeros((140_000, 1000), np.uint8), compression="zlib")
    with pytest.raises(ImageReadError, match="NAPARI_BLOODFLOW_MAX_RATIO"):
        read_tiff_header(path)
    monkeypatch.setenv("NAPARI_BLOODFLOW_MAX_RATIO", "2000")
    assert TiffPixels(read_tiff_header(path)).plane().max() == 0
    monkeypatch.setenv("NAPARI_BLOODFLOW_MAX_GB", "0.1")
    with pytest.raises(ImageReadError, match="NAPARI_BLOODFLOW_MAX_GB"):
        read_tiff_header(path)


@pytest.mark.parametrize("compression", ["zlib", "lzma"])
def test_honest_compression_is_read(tmp_path: Path, compression: str) -> None:
    data = np.zeros((4000, 700), np.uint16)
    data[::3] = np.arange(700)
    path = tmp_path / "image.tif"
    tifffile.imwrite(path, data, compression=compression, rowsperstrip=4000)
    np.testing.assert_array_equal(TiffPixels(read_tiff_header(path)).plane(), data)


@pytest.mark.parametrize("shape", [[10**12, 10**12], [10**12, 16, 8]])
def test_a_shape_that_is_claimed_only_is_not_believed(tmp_path: Path, shape: list[int]) -> None:
    path = tmp_path / "image.tif"
    path.write_bytes(with_description(json.dumps({"shape": shape})))
    try:
        header = read_tiff_header(path)
    except ImageReadError as error:
        assert "image.tif" in str(error)
    else:
        assert header.shape == (16, 8)


def test_many_pages_with_the_long_text_of_scanimage_are_read(tmp_path: Path) -> None:
    path = tmp_path / "scanimage.tif"
    text = "SI.VERSION_MAJOR = 5\n" + "SI.filler = 1\n" * 1500
    with tifffile.TiffWriter(path) as writer:
        for number in range(1000):
            page = np.full((16, 8), number, np.uint16)
            writer.write(page, software=text, metadata=None, contiguous=False)
    assert path.stat().st_size > 20e6  # more text than one page may have
    header = read_tiff_header(path)
    assert header.sizes["Y"] == 16
    assert TiffPixels(header).plane().shape == (16, 8)


def test_a_text_shared_by_too_many_pages_is_refused(tmp_path: Path) -> None:
    shared = (305, 2, 9_000_000, 10_000)
    size = len(ifd(*image_tags(at=5000), shared))
    starts = [8 + i * size for i in range(50)]
    pages = [ifd(*image_tags(at=9000), shared, following=n) for n in [*starts[1:], 0]]
    path = tmp_path / "shared.tif"
    path.write_bytes(b"II*\0" + struct.pack("<I", 8) + b"".join(pages))
    with path.open("r+b") as stream:
        stream.truncate(10_000_000)
    with pytest.raises(ImageReadError, match="400000000 bytes"):
        read_tiff_header(path)
