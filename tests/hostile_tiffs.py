"""TIFF files made to harm, for tests of storage and of the viewer."""

from __future__ import annotations

import struct
import zlib
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable

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
