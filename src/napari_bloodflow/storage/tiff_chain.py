"""The chain of pages of a TIFF file, checked before the file is parsed.

A file of a few kilobytes can keep a TIFF parser busy for ever (a ring of pages), or make it ask
for all memory there is (tables of billions of entries). What is read here is only the chain of
pages and the sizes of its tags, never a tag's value but the description of the first page.
"""

from __future__ import annotations

import math
import re
import struct
from dataclasses import dataclass
from itertools import chain
from typing import IO, TYPE_CHECKING, Any

import numpy as np

from napari_bloodflow.errors import ImageReadError
from napari_bloodflow.storage.read_limits import ReadLimits

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from numpy.typing import NDArray

__all__ = ["PageChain", "read_chain"]

_MAX_TAGS = 4096
"""Tags of a page; tifffile reads no more either."""
_DESCRIPTION = 270
_STRIP_PLACES, _STRIP_SIZES = frozenset((273, 324)), frozenset((279, 325))
_GEOMETRY = frozenset((256, 257, 258, 259, 262, 266, 277, 278, 284, 317, 322, 323, 338, 339))
_PARTS = frozenset((330, 32997, 32998))
"""Pages below this one, and tiles with a depth."""
_SHORT = 3
_BYTES_BY_TYPE = {1: 1, 2: 1, 3: 2, 4: 4, 5: 8, 6: 1, 7: 1, 8: 2, 9: 4, 10: 8, 11: 4, 12: 8}
_BYTES_BY_TYPE |= {13: 4, 16: 8, 17: 8, 18: 8}
_TYPE_SIZES = np.array([_BYTES_BY_TYPE.get(kind, 1) for kind in range(256)], np.int64)
_IS_TEXT = np.isin(np.arange(256), (1, 2, 6, 7))
_LEAST_READ, _MOST_READ = 1 << 12, 1 << 20
_BLOCK = 4 << 20
"""Bytes of tags that are compared at once."""
_MAX_MISSES = 16
"""Times that pages are tried for equal distances in vain."""
_OME_PIXELS = re.compile(rb"<(?:\w+:)?Pixels\b[^>]*>")
_OME_SIZE = re.compile(rb"\bSize[TCZ]\s*=\s*[\"']\s*(\d+)")


@dataclass(frozen=True, slots=True)
class PageChain:
    """Where the pages of a TIFF file are.

    Parameters
    ----------
    is_big : bool
        Whether it is a BigTIFF.
    offsets : ndarray of int64, shape (pages,)
        Place of each page in the file.
    is_uniform : bool
        Whether all pages have pixels of the same size, type and compression, in as many strips.
    strips : ndarray of int64, shape (pages, 2), or None
        Place and number of bytes of the pixels of each page, where uniform pages have one strip.
    """

    is_big: bool
    offsets: NDArray[np.int64]
    is_uniform: bool
    strips: NDArray[np.int64] | None


@dataclass(frozen=True, slots=True)
class _Form:
    """How numbers of a file are packed."""

    is_big: bool
    order: str
    offset: struct.Struct
    num_tags: struct.Struct
    tag: np.dtype[Any]
    offset_type: np.dtype[Any]
    num_tags_type: np.dtype[Any]
    inline: int

    @classmethod
    def of(cls, order: str, *, is_big: bool) -> _Form:
        offset, num_tags = ("Q", "Q") if is_big else ("I", "H")
        word = f"{order}u{8 if is_big else 4}"
        tag = np.dtype(
            [("code", f"{order}u2"), ("kind", f"{order}u2"), ("count", word), ("value", word)]
        )
        return cls(
            is_big,
            order,
            struct.Struct(order + offset),
            struct.Struct(order + num_tags),
            tag,
            np.dtype(word),
            np.dtype(order + ("u8" if is_big else "u2")),
            8 if is_big else 4,
        )


def read_chain(path: Path, file_size: int) -> PageChain:
    """Walk the chain of pages and raise if a parser could not survive it.

    Parameters
    ----------
    path : pathlib.Path
        The file.
    file_size : int
        Its size in bytes.

    Returns
    -------
    PageChain
        Of at least one page.

    Raises
    ------
    ImageReadError
        If it has no TIFF signature; if a page lies outside the file, or leads back to an earlier
        one; if there are too many pages or tags, or tags too large to be true.
    """
    limits = ReadLimits.of_environment()
    with path.open("rb", buffering=0) as stream:
        form, first = _form(path, stream.read(16))
        tags = _TagCheck(form, path, file_size, limits)
        for run in _walk(stream, form, first, path, file_size, limits):
            tags.add(run)
        tags.check_pending()
        if not tags.offsets:
            raise ImageReadError(path, "is not a readable TIFF file (it has no pages)")
        description = tags.description(stream)
    planes = max(map(_planes_claimed, _OME_PIXELS.findall(description)), default=0)
    if planes > 2 * limits.max_pages:
        raise ImageReadError(
            path,
            f"is damaged: its OME-XML claims {planes} planes; {limits.raised('max_pages')}",
        )
    return tags.chain()


def _form(path: Path, head: bytes) -> tuple[_Form, int]:
    order = {b"II": "<", b"MM": ">"}.get(head[:2], "")
    if order and len(head) >= 8:
        (version,) = struct.unpack(order + "H", head[2:4])
        if version == 42:
            return _Form.of(order, is_big=False), struct.unpack(order + "I", head[4:8])[0]
        if version == 43 and len(head) == 16:
            return _Form.of(order, is_big=True), struct.unpack(order + "Q", head[8:16])[0]
    raise ImageReadError(path, "is not a readable TIFF file (it has no TIFF signature)")


class _Window:
    """A part of a file that moves along with what is read."""

    def __init__(self, stream: IO[bytes]) -> None:
        self._stream = stream
        self._length = _LEAST_READ
        self.data = b""
        self.start = 0

    def show(self, offset: int, size: int) -> bool:
        """Move so that some bytes are inside; False if the file has fewer."""
        stop = self.start + len(self.data)
        if self.start <= offset and offset + size <= stop:
            return True
        # pages that follow each other closely are read many at a time, others one by one
        is_near = self.start <= offset < stop + self._length
        self._length = min(2 * self._length, _MOST_READ) if is_near else _LEAST_READ
        self._stream.seek(offset)
        self.data = self._stream.read(max(size, self._length))
        self.start = offset
        return len(self.data) >= size


@dataclass(frozen=True, slots=True)
class _Run:
    """Pages at equal distances, and their tags as they are in the file, one page after another."""

    offsets: range
    num_tags: int
    tags: bytes


def _walk(
    stream: IO[bytes], form: _Form, offset: int, path: Path, file_size: int, limits: ReadLimits
) -> Iterator[_Run]:
    """Follow the chain of pages."""
    window = _Window(stream)
    seen: list[range] = []
    number, next_check, room = 0, 64, file_size
    distance, misses = 0, 0
    while offset:
        if offset + form.num_tags.size > file_size:
            raise ImageReadError(
                path,
                f"is truncated or damaged: page {number} is said to be at byte {offset},"
                f" but the file has {file_size} bytes",
            )
        window.show(offset, form.num_tags.size)
        (num_tags,) = form.num_tags.unpack_from(window.data, offset - window.start)
        if not 0 < num_tags <= _MAX_TAGS:
            raise ImageReadError(path, f"is damaged: page {number} has {num_tags} tags")
        length = num_tags * form.tag.itemsize
        size = form.num_tags.size + length + form.offset.size
        if not window.show(offset, size):
            raise ImageReadError(path, f"is truncated: it ends inside the tags of page {number}")
        at = offset - window.start
        (following,) = form.offset.unpack_from(window.data, at + size - form.offset.size)
        before, distance = distance, following - offset
        count = 1
        if distance == before > 0 and misses < _MAX_MISSES:
            count = _num_alike(window.data, form, at, num_tags, distance)
            misses = 0 if count > 4 else misses + 1
        body = at + form.num_tags.size
        if count > 1:
            following = offset + count * distance
            rows = np.ndarray((count, length), np.uint8, window.data, body, (distance, 1))
            run = _Run(range(offset, following, distance), num_tags, rows.tobytes())
        else:
            run = _Run(range(offset, offset + 1), num_tags, window.data[body : body + length])
        seen.append(run.offsets)
        number, room = number + count, room - count * size
        if number > limits.max_pages:
            raise ImageReadError(
                path,
                f"has more than {limits.max_pages:.0f} pages; {limits.raised('max_pages')}",
            )
        if number >= next_check or room < 0:
            next_check = 4 * number
            num_different = len(set(chain.from_iterable(seen)))
            if num_different < number:
                raise ImageReadError(
                    path,
                    f"is damaged: after {num_different} pages the chain of pages runs in a circle",
                )
        if room < 0:
            raise ImageReadError(path, "is damaged: its pages lie over each other")
        yield run
        offset = following


def _num_alike(data: bytes, form: _Form, at: int, num_tags: int, distance: int) -> int:
    """Return how many pages from `at` on are alike, each of which leads to the next."""
    to_next = form.num_tags.size + num_tags * form.tag.itemsize
    most = (len(data) - at - to_next - form.offset.size) // distance + 1
    counts: NDArray[Any] = np.ndarray(most, form.num_tags_type, data, at, (distance,))
    following: NDArray[Any] = np.ndarray(most, form.offset_type, data, at + to_next, (distance,))
    steps = np.diff(following.astype(np.int64))
    is_other = (counts[1:] != num_tags) | (steps != distance)
    return 1 + int(is_other.argmax()) if is_other.any() else most


class _TagCheck:
    """Checks how much a parser would read of the tags, and compares the pages."""

    def __init__(self, form: _Form, path: Path, file_size: int, limits: ReadLimits) -> None:
        self.offsets: list[int] = []
        self._form, self._path = form, path
        self._file_size, self._limits = file_size, limits
        self._pending: list[_Run] = []
        self._pending_bytes = 0
        self._first: NDArray[Any] | None = None
        self._all_texts = self._all_numbers = 0
        self._layouts: set[_Layout | None] = set()
        self._strips: list[NDArray[np.int64]] = []

    def add(self, run: _Run) -> None:
        """Take some more pages."""
        self.offsets.extend(run.offsets)
        self._pending.append(run)
        self._pending_bytes += len(run.tags)
        if self._pending_bytes > _BLOCK:
            self.check_pending()

    def check_pending(self) -> None:
        """Check the pages that were taken."""
        runs, self._pending, self._pending_bytes = self._pending, [], 0
        counts = [len(run.offsets) for run in runs]
        num_tags = np.repeat([run.num_tags for run in runs], counts)
        strips = np.zeros((len(num_tags), 2), np.int64)
        for number in {run.num_tags: None for run in runs}:
            data = b"".join(run.tags for run in runs if run.num_tags == number)
            tags = np.frombuffer(data, self._form.tag).reshape(-1, number)
            self._first = tags[0] if self._first is None else self._first
            is_alike = _is_same(tags, ("code", "kind", "count"))
            self._check_sizes(*((tags[:1], len(tags)) if is_alike else (tags, 1)))
            layout = self._layout(tags) if is_alike or _is_same(tags, ("code",)) else None
            self._layouts.add(layout)
            if layout is not None and layout.has_one_strip:
                strips[num_tags == number] = self._one_strip(tags)
        self._strips.append(strips)

    def chain(self) -> PageChain:
        """Return what was found."""
        layout = next(iter(self._layouts)) if len(self._layouts) == 1 else None
        has_strips = layout is not None and layout.has_one_strip
        return PageChain(
            self._form.is_big,
            np.array(self.offsets),
            layout is not None,
            np.concatenate(self._strips) if has_strips else None,
        )

    def description(self, stream: IO[bytes]) -> bytes:
        """Return the description of the first page; empty if it is short or absent."""
        tags = self._first if self._first is not None else ()
        for tag in tags:
            size = int(self._sizes(tag)) if tag["code"] == _DESCRIPTION else 0
            if self._form.inline < size <= self._file_size:
                stream.seek(int(tag["value"]))
                return stream.read(size)
        return b""

    def _sizes(self, tags: NDArray[Any]) -> NDArray[np.int64]:
        counts = np.minimum(tags["count"], self._file_size + 1).astype(np.int64)
        sizes: NDArray[np.int64] = _TYPE_SIZES[np.minimum(tags["kind"], 255)] * counts
        return sizes

    def _check_sizes(self, tags: NDArray[Any], times: int) -> None:
        """Check the tags of some pages, each of which stands for several."""
        sizes = self._sizes(tags)
        sizes[(sizes <= self._form.inline) | (sizes > self._file_size)] = 0  # the latter is dropped
        kinds = np.minimum(tags["kind"], 255)
        texts = np.where(_IS_TEXT[kinds], sizes, 0).sum(1)
        numbers = np.where(_IS_TEXT[kinds], 0, sizes // _TYPE_SIZES[kinds]).sum(1)
        self._all_texts += int(texts.sum()) * times
        self._all_numbers += int(numbers.sum()) * times
        limits = self._limits
        most_bytes, most_numbers = limits.max_tag_mb * 2**20, limits.max_tag_numbers
        self._check(int(texts.max()), most_bytes, "a page", "bytes", "max_tag_mb")
        self._check(int(numbers.max()), most_numbers, "a page", "numbers", "max_tag_numbers")
        self._check(self._all_texts, 25 * most_bytes, "pages", "bytes", "max_tag_mb")
        self._check(self._all_numbers, 2.5 * most_numbers, "pages", "numbers", "max_tag_numbers")

    def _check(self, found: int, most: float, where: str, unit: str, limit: str) -> None:
        if found > most:
            raise ImageReadError(
                self._path,
                f"has {where} with tags of {found} {unit}, more than {most:.0f};"
                f" {self._limits.raised(limit)}",
            )

    def _layout(self, tags: NDArray[Any]) -> _Layout | None:
        """Return how the pixels of pages with the same tags are stored; None if differently."""
        first = tags[0]
        codes = first["code"].tolist()
        fixed = [i for i, code in enumerate(codes) if code in _GEOMETRY]
        tables = [i for i, code in enumerate(codes) if code in _STRIP_PLACES | _STRIP_SIZES]
        if (
            not _PARTS.isdisjoint(codes)
            or not all(_is_same(tags[:, i], ("kind", "count", "value")) for i in fixed)
            or not all(_is_same(tags[:, i], ("kind", "count")) for i in tables)
        ):
            return None
        return _Layout(
            tuple(first[i].item() for i in fixed),
            tuple(first[i].item()[:3] for i in tables),
        )

    def _one_strip(self, tags: NDArray[Any]) -> NDArray[np.int64]:
        """Return place and size of the only strip of each page."""
        codes, columns = tags[0]["code"].tolist(), []
        for wanted in (_STRIP_PLACES, _STRIP_SIZES):
            tag = tags[:, next(i for i, code in enumerate(codes) if code in wanted)]
            unused = 8 * (self._form.inline - int(_TYPE_SIZES[min(tag[0]["kind"], 255)]))
            value = tag["value"].astype(np.uint64)
            if self._form.order == "<":
                value &= np.uint64(2 ** (8 * self._form.inline - unused) - 1)
            else:
                value >>= np.uint64(unused)
            columns.append(np.minimum(value, 2**62).astype(np.int64))
        return np.stack(columns, axis=1)


@dataclass(frozen=True, slots=True)
class _Layout:
    """How the pixels of a page are stored: tags of the geometry, and of the tables of strips."""

    geometry: tuple[Any, ...]
    tables: tuple[Any, ...]

    @property
    def has_one_strip(self) -> bool:
        return [count for _, _, count in self.tables] == [1, 1]


def _is_same(tags: NDArray[Any], fields: tuple[str, ...]) -> bool:
    return all(bool((tags[name] == tags[name][:1]).all()) for name in fields)


def _planes_claimed(element: bytes) -> int:
    return math.prod(int(n[:20]) for n in _OME_SIZE.findall(element))
