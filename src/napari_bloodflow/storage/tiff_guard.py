"""Cheap checks of compressed pixels before they grow: strips can inflate a thousandfold."""

from __future__ import annotations

import lzma
import math
import zlib
from typing import TYPE_CHECKING, Any

from napari_bloodflow.errors import ImageReadError
from napari_bloodflow.storage.read_limits import ReadLimits

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path

    from tifffile import TiffFile, TiffPage

__all__ = ["check_decoded_size", "checked_segments"]

_FREE_BYTES = 128 << 20
"""Pixels up to this size are decoded at any ratio."""
_DEFLATE = frozenset((8, 32946, 50013))
_LZMA = frozenset((34925,))
_CHUNK = 1 << 20


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
            f"has compressed planes of {num_bytes / 1e9:.3g} GB, more than are decoded;"
            f" {limits.raised('max_gb')}",
        )
    if num_bytes > _FREE_BYTES and num_bytes > limits.max_ratio * file_size:
        raise ImageReadError(
            path,
            f"would grow {num_bytes / file_size:.0f} times when it is decoded, which no real image"
            f" does; {limits.raised('max_ratio')}",
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
