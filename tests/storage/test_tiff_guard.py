"""Files made to harm: each ends in one clear error, soon and without much memory."""

from __future__ import annotations

import json
import struct
import tracemalloc
from importlib.util import find_spec
from typing import TYPE_CHECKING

import numpy as np
import pytest
import tifffile

from napari_bloodflow.errors import ImageReadError
from napari_bloodflow.storage.tiff import TiffPixels, read_tiff_header
from napari_bloodflow.storage.tiff_chain import read_chain
from tests.hostile_tiffs import HOSTILE, OME, ifd, image_tags, tiff, with_description

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


def sparse(path: Path, *tags: tuple[int, int, int, int], pages: int = 1) -> Path:
    """Write pages with some tags more, in a file with room for all that they claim."""
    size = len(ifd(*image_tags(), *tags))
    starts = [8 + i * size for i in range(pages)]
    all_pages = [ifd(*image_tags(at=90_000), *tags, following=n) for n in [*starts[1:], 0]]
    path.write_bytes(b"II*\0" + struct.pack("<I", 8) + b"".join(all_pages))
    with path.open("r+b") as stream:
        stream.truncate(60_000_000)  # a hole: takes no room on the disk
    return path


@pytest.mark.parametrize(
    ("tags", "pages", "limit", "enough"),
    [
        ([(305, 2, 17_000_000, 100_000)], 1, "MAX_TAG_MB", "17"),
        ([(305, 2, 9_000_000, 100_000)], 50, "MAX_TAG_MB", "18"),
        ([(65000, 3, 5_000_000, 100_000)], 1, "MAX_TAG_NUMBERS", "5e6"),
        ([(65000, 3, 2_000_000, 100_000)], 6, "MAX_TAG_NUMBERS", "5e6"),
    ],
)
def test_every_limit_of_tags_is_named_and_can_be_raised(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    tags: list[tuple[int, int, int, int]],
    pages: int,
    limit: str,
    enough: str,
) -> None:
    path = sparse(tmp_path / "tags.tif", *tags, pages=pages)
    size = path.stat().st_size
    with pytest.raises(ImageReadError, match=f"NAPARI_BLOODFLOW_{limit} allows more"):
        read_chain(path, size)
    monkeypatch.setenv(f"NAPARI_BLOODFLOW_{limit}", enough)
    assert len(read_chain(path, size).offsets) == pages
    monkeypatch.setenv(f"NAPARI_BLOODFLOW_{limit}", "none")
    with pytest.raises(ImageReadError, match=limit):
        read_chain(path, size)


def test_the_number_of_pages_is_a_limit_that_can_be_raised(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "stack.tif"
    tifffile.imwrite(path, np.zeros((20, 6, 5), np.uint16), metadata=None)
    monkeypatch.setenv("NAPARI_BLOODFLOW_MAX_PAGES", "19")
    with pytest.raises(ImageReadError, match=r"more than 19 pages.*NAPARI_BLOODFLOW_MAX_PAGES"):
        read_tiff_header(path)
    monkeypatch.setenv("NAPARI_BLOODFLOW_MAX_PAGES", "20")
    assert read_tiff_header(path).shape == (20, 6, 5)


def test_planes_that_only_the_description_claims_are_a_limit_too(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "claims.tif"
    path.write_bytes(with_description(OME))
    with pytest.raises(ImageReadError, match=r"1000000000 planes.*NAPARI_BLOODFLOW_MAX_PAGES"):
        read_chain(path, path.stat().st_size)
    monkeypatch.setenv("NAPARI_BLOODFLOW_MAX_PAGES", "5e8")
    assert len(read_chain(path, path.stat().st_size).offsets) == 1


@pytest.mark.parametrize(("compression", "signature"), [("zlib", b"\x78"), ("lzma", b"\xfd7zXZ")])
def test_pixels_that_are_damaged_cannot_be_decoded(
    tmp_path: Path, compression: str, signature: bytes
) -> None:
    path = tmp_path / "damaged.tif"
    data = np.random.default_rng(0).integers(0, 9, (200, 50)).astype(np.uint16)
    tifffile.imwrite(path, data, compression=compression, metadata=None)
    with tifffile.TiffFile(path) as tif:
        (start,) = tif.pages.first.dataoffsets
    whole = bytearray(path.read_bytes())
    assert whole[start:].startswith(signature)
    whole[start + 20 : start + 200] = bytes(180)
    path.write_bytes(whole)
    with pytest.raises(ImageReadError, match=r"damaged\.tif: has pixels that cannot be decoded"):
        open_and_read(path)


@pytest.mark.skipif(find_spec("imagecodecs") is not None, reason="imagecodecs is installed")
def test_a_predictor_that_needs_an_extra_names_it(tmp_path: Path) -> None:
    path = tmp_path / "float.tif"
    data = np.ones((20, 10), np.uint16)
    tifffile.imwrite(path, data, compression="zlib", predictor=2, metadata=None)
    with tifffile.TiffFile(path, mode="r+") as tif:
        tif.pages.first.tags["Predictor"].overwrite(3)
    with pytest.raises(ImageReadError, match=r"extra 'codecs'"):
        read_tiff_header(path)


@pytest.mark.parametrize(
    "text",
    [
        "ImageJ=1.11a\nimages=1000000000\nframes=1000000000\nhyperstack=true\n",
        "ImageJ=1.11a\nimages=many\nframes=many\nhyperstack=true\n",
        "ImageJ=1.11a\nimages=2.5\nframes=2.5\nslices=nan\n",
        "ImageJ=1.11a\nimages=-3\nchannels=-3\n",
        "<!DOCTYPE x [<!ENTITY a 'aaaaaaaaaa'>"
        + "".join(f"<!ENTITY a{n} '{f'&a{n - 1};' * 10}'>" for n in range(1, 12)).replace("a0", "a")
        + "]><OME><Image><Pixels>&a11;</Pixels></Image></OME>",
        "<OME><Image><Pixels SizeT='x' DimensionOrder='XYCZT'/></Image></OME>",
    ],
)
def test_descriptions_made_to_harm_cost_nothing(tmp_path: Path, text: str) -> None:
    path = tmp_path / "described.tif"
    path.write_bytes(with_description(text))
    tracemalloc.start()
    try:
        open_and_read(path)
    except ImageReadError as error:
        assert "described.tif" in str(error)
    else:
        assert read_tiff_header(path).shape == (16, 8)
    finally:
        peak = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
    assert peak < 100e6


@pytest.mark.parametrize(
    ("tag", "cause"),
    [
        ((258, 3, 1, 7), "type|decoded|damaged"),  # 7 bits per pixel
        ((273, 4, 1, 0), "byte 0"),  # pixels where the file begins
        ((65001, 4, 2**32 - 1, 1000), ""),  # of more entries than the file has bytes
    ],
)
def test_tags_that_cannot_be_true(tmp_path: Path, tag: tuple[int, ...], cause: str) -> None:
    tags = {code: (code, *rest) for code, *rest in image_tags()}
    tags[tag[0]] = tag  # type: ignore[assignment]
    path = tmp_path / "tags.tif"
    path.write_bytes(tiff(ifd(*tags.values())))  # type: ignore[arg-type]
    if cause:
        with pytest.raises(ImageReadError, match=cause):
            open_and_read(path)
    else:
        assert TiffPixels(read_tiff_header(path)).plane().shape == (16, 8)


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
    assert header.sizes == {"Z": 1000, "Y": 16, "X": 8}
    assert TiffPixels(header).plane(z=999).tolist() == np.full((16, 8), 999).tolist()
