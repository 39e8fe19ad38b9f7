"""Files made to harm: each ends in one clear error, soon and without much memory."""

from __future__ import annotations

import json
import struct
import tracemalloc
from typing import TYPE_CHECKING

import numpy as np
import pytest
import tifffile

from napari_bloodflow.errors import ImageReadError
from napari_bloodflow.storage.tiff import TiffPixels, read_tiff_header
from tests.hostile_tiffs import HOSTILE, ifd, image_tags, tiff, with_description

if TYPE_CHECKING:
    from pathlib import Path


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
