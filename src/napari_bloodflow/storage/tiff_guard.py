"""Cheap checks of a TIFF file before it is parsed, and of its compressed pixels before they grow.

A file of a few kilobytes can keep a TIFF parser busy for ever (a ring of pages), or make it ask
for all memory there is (tables of billions of entries, strips that inflate a thousandfold). What is
read here is only the chain of pages and the sizes of its tags, never a tag's value.
"""

from __future__ import annotations

import lzma
import math
import os
import re
import struct
import zlib
from dataclasses import dataclass
from typing import IO, TYPE_CHECKING, Any

from napari_bloodflow.errors import ImageReadError

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path

    from tifffile import TiffFile, TiffPage

__all__ = ["ReadLimits", "check_decoded_size", "check_structure", "checked_segments"]

_MAX_PAGES = 1_000_000
_MAX_TAGS = 4096
_MAX_TEXT_BYTES = 16 << 20
"""Text and other bytes in the tags of a page. ScanImage repeats 20 kB of it in every page."""
_MAX_NUMBERS = 4_000_000
"""Entries of the number tags of a page: tables of strips, above all."""
_MAX_TEXT_BYTES_OF_ALL = 400_000_000
_MAX_NUMBERS_OF_ALL = 10_000_000
_MAX_CLAIMED_PLANES = 2_000_000
_FREE_BYTES = 128 << 20
"""Pixels up to this size are decoded at any ratio."""
_DEFLATE = frozenset((8, 32946, 50013))
_LZMA = frozenset((34925,))
_CHUNK = 1 << 20

_TYPE_SIZES = {1: 1, 2: 1, 3: 2, 4: 4, 5: 8, 6: 1, 7: 1, 8: 2, 9: 4, 10: 8, 11: 4, 12: 8, 13: 4}
_TYPE_SIZES |= {16: 8, 17: 8, 18: 8}
_BYTE_TYPES = frozenset((1, 2, 6, 7))
_IMAGE_DESCRIPTION = 270
_OME_PIXELS = re.compile(rb"<(?:\w+:)?Pixels\b[^>]*>")
_OME_SIZE = re.compile(rb"\bSize[TCZ]\s*=\s*[\"']\s*(\d+)")


@dataclass(frozen=True, slots=True)
class ReadLimits:
    """How much a compressed image may grow when it is read.

    Parameters
    ----------
    max_gb : float
        Decoded size of one plane, in units of 10^9 bytes. A file that is decoded only as a whole
        counts as one plane.
    max_ratio : float
        Decoded size over the size of the file. Small images, up to 128 MB, are free of it.
    """

    max_gb: float = 8.0
    max_ratio: float = 100.0

    @classmethod
    def of_environment(cls) -> ReadLimits:
        """Return the limits that the user set.

        ``NAPARI_BLOODFLOW_MAX_GB`` and ``NAPARI_BLOODFLOW_MAX_RATIO`` are environment variables;
        what is not a number above zero counts as not set.
        """
        default = cls()
        return cls(
            _positive("NAPARI_BLOODFLOW_MAX_GB", default.max_gb),
            _positive("NAPARI_BLOODFLOW_MAX_RATIO", default.max_ratio),
        )


def _positive(name: str, default: float) -> float:
    try:
        value = float(os.environ[name])
    except (KeyError, ValueError):
        return default
    return value if value > 0 else default


# ---- before the file is parsed


@dataclass(frozen=True, slots=True)
class _Form:
    """How numbers of a file are packed."""

    offset: str
    num_tags: str
    tag: str
    inline: int


def check_structure(path: Path, file_size: int) -> None:
    """Walk the chain of pages and raise if a parser could not survive it.

    Parameters
    ----------
    path : pathlib.Path
        The file.
    file_size : int
        Its size in bytes.

    Raises
    ------
    ImageReadError
        If it has no TIFF signature; if a page lies outside the file, or leads back to an earlier
        one; if there are too many pages or tags, or tags too large to be true.
    """
    with path.open("rb") as stream:
        head = stream.read(16)
        form, first = _form(path, head)
        description = _walk(stream, form, first, path, file_size)
    planes = max(map(_planes_claimed, _OME_PIXELS.findall(description)), default=0)
    if planes > _MAX_CLAIMED_PLANES:
        raise ImageReadError(path, f"is damaged: its OME-XML claims {planes} planes")


def _form(path: Path, head: bytes) -> tuple[_Form, int]:
    order = {b"II": "<", b"MM": ">"}.get(head[:2], "")
    if order and len(head) >= 8:
        (version,) = struct.unpack(order + "H", head[2:4])
        if version == 42:
            return _Form(order + "I", order + "H", order + "HHII", 4), struct.unpack(
                order + "I", head[4:8]
            )[0]
        if version == 43 and len(head) == 16:
            return _Form(order + "Q", order + "Q", order + "HHQQ", 8), struct.unpack(
                order + "Q", head[8:16]
            )[0]
    raise ImageReadError(path, "is not a readable TIFF file (it has no TIFF signature)")


def _walk(stream: IO[bytes], form: _Form, offset: int, path: Path, file_size: int) -> bytes:
    """Follow the chain of pages; return the description of the first one."""
    count_size, tag_size = struct.calcsize(form.num_tags), struct.calcsize(form.tag)
    offset_size = struct.calcsize(form.offset)
    visited: set[int] = set()
    all_numbers = all_texts = 0
    description = b""
    while offset:
        if offset in visited:
            raise ImageReadError(
                path, f"is damaged: after {len(visited)} pages the chain of pages runs in a circle"
            )
        if offset + count_size > file_size:
            raise ImageReadError(
                path,
                f"is truncated or damaged: page {len(visited)} is said to be at byte {offset},"
                f" but the file has {file_size} bytes",
            )
        visited.add(offset)
        if len(visited) > _MAX_PAGES:
            raise ImageReadError(path, f"has more than {_MAX_PAGES} pages")
        stream.seek(offset)
        (num_tags,) = struct.unpack(form.num_tags, stream.read(count_size))
        if not 0 < num_tags <= _MAX_TAGS:
            raise ImageReadError(path, f"is damaged: page {len(visited) - 1} has {num_tags} tags")
        body = stream.read(num_tags * tag_size + offset_size)
        if len(body) < num_tags * tag_size + offset_size:
            raise ImageReadError(
                path, f"is truncated: it ends inside the tags of page {len(visited) - 1}"
            )
        tags = struct.iter_unpack(form.tag, body[: num_tags * tag_size])
        numbers = texts = 0
        for code, kind, count, place in tags:
            size = _TYPE_SIZES.get(kind, 1) * count
            if size <= form.inline or size > file_size:  # the parser drops the latter
                continue
            if kind in _BYTE_TYPES:
                texts += count
            else:
                numbers += count
            if code == _IMAGE_DESCRIPTION and len(visited) == 1 and size <= _MAX_TEXT_BYTES:
                stream.seek(place)
                description = stream.read(size)
        all_numbers, all_texts = all_numbers + numbers, all_texts + texts
        if numbers > _MAX_NUMBERS or texts > _MAX_TEXT_BYTES:
            raise ImageReadError(
                path,
                f"has a page with tags of {texts} bytes and {numbers} numbers; at most"
                f" {_MAX_TEXT_BYTES} bytes and {_MAX_NUMBERS} numbers can be read",
            )
        if all_numbers > _MAX_NUMBERS_OF_ALL or all_texts > _MAX_TEXT_BYTES_OF_ALL:
            raise ImageReadError(
                path,
                f"has pages with more than {_MAX_TEXT_BYTES_OF_ALL} bytes or"
                f" {_MAX_NUMBERS_OF_ALL} numbers in their tags; save it as one plane",
            )
        (offset,) = struct.unpack(form.offset, body[num_tags * tag_size :])
    if not visited:
        raise ImageReadError(path, "is not a readable TIFF file (it has no pages)")
    return description


def _planes_claimed(element: bytes) -> int:
    return math.prod(int(n[:20]) for n in _OME_SIZE.findall(element))


# ---- before pixels are decoded


def check_decoded_size(path: Path, num_bytes: int, file_size: int) -> None:
    """Raise if pixels would grow beyond the limits when they are decoded.

    Parameters
    ----------
    path : pathlib.Path
        The file.
    num_bytes : int
        Decoded size of what is decoded at once.
    file_size : int
        Bytes that it is made from, at most.

    Raises
    ------
    ImageReadError
        The message names the environment variable that raises the limit.
    """
    limits = ReadLimits.of_environment()
    if num_bytes > limits.max_gb * 1e9:
        raise ImageReadError(
            path,
            f"has compressed planes of {num_bytes / 1e9:.3g} GB; at most {limits.max_gb:g} GB are"
            " decoded. Set NAPARI_BLOODFLOW_MAX_GB to allow more",
        )
    if num_bytes > _FREE_BYTES and num_bytes > limits.max_ratio * file_size:
        raise ImageReadError(
            path,
            f"would grow {num_bytes / file_size:.0f} times when it is decoded, which no real image"
            " does. Set NAPARI_BLOODFLOW_MAX_RATIO to allow more than"
            f" {limits.max_ratio:g}",
        )


def checked_segments(tif: TiffFile, pages: Iterable[TiffPage | Any], path: Path) -> None:
    """Raise if a strip or tile would inflate to more than its share of the image.

    Parameters
    ----------
    tif : tifffile.TiffFile
        The open file.
    pages : iterable of tifffile.TiffPage
        What will be decoded.
    path : pathlib.Path
        The file, for the message.

    Raises
    ------
    ImageReadError
        If a strip of deflate or LZMA is a bomb.
    """
    for page in pages:
        if page is None or page.compression not in _DEFLATE | _LZMA:
            continue
        expected = _segment_bytes(page.keyframe)
        for offset, count in zip(page.dataoffsets, page.databytecounts, strict=False):
            # deflate grows at most 1032 times: most strips need not be looked at
            if page.compression in _DEFLATE and count * 1032 <= max(expected, _CHUNK):
                continue
            tif.filehandle.seek(offset)
            if _inflates_beyond(tif.filehandle.read(count), expected + _CHUNK, page.compression):
                raise ImageReadError(
                    path,
                    f"is damaged: a strip of {count} bytes grows to more than the {expected} bytes"
                    " of pixels that it stands for",
                )


def _segment_bytes(page: Any) -> int:
    chunk = math.prod(page.chunks) if page.chunks else 0
    return int(chunk) * max(1, -(-int(page.bitspersample) // 8))


def _inflates_beyond(data: bytes, most: int, compression: int) -> bool:
    inflater: Any = lzma.LZMADecompressor() if compression in _LZMA else zlib.decompressobj()
    total = 0
    try:
        if compression in _LZMA:
            while not inflater.eof and (data or not inflater.needs_input):
                total += len(inflater.decompress(data, max_length=_CHUNK))
                data = b""
                if total > most:
                    return True
                if inflater.needs_input:
                    break
            return False
        while data:
            piece = inflater.decompress(data, _CHUNK)
            total += len(piece)
            if total > most:
                return True
            data = inflater.unconsumed_tail
            if not piece:
                break
    except (zlib.error, lzma.LZMAError):
        return False  # the decoder will say so
    return False
