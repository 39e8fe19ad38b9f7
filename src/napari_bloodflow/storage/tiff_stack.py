"""Stacks of many like pages, described from their first page alone.

tifffile makes an object of every page before it tells the shape of a stack. With tens of thousands
of pages that takes seconds; which pages there are, and that they are alike, is known already.
"""

from __future__ import annotations

import json
import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any
from xml.etree import ElementTree

import numpy as np
import tifffile

if TYPE_CHECKING:
    from collections.abc import Iterator

    from numpy.typing import NDArray

    from napari_bloodflow.storage.tiff_chain import PageChain

__all__ = ["PageStack", "find_stack", "read_page"]

_MIN_PAGES = 8
"""Fewer pages cost nothing, and tifffile may group them in other ways."""
_KNOWN_FLAGS = frozenset(("multipage", "ome", "scanimage", "shaped"))
_WHOLE_FILE = frozenset(("IFD", "PlaneCount", "FirstC", "FirstZ", "FirstT"))


@dataclass(frozen=True, slots=True)
class PageStack:
    """A stack with one plane per page, as far as needed in place of tifffile's series.

    Parameters
    ----------
    tif : tifffile.TiffFile
        The open file.
    chain : PageChain
        Its pages.
    kind : {"shaped", "ome", "uniform"}
        Who says how the pages are ordered.
    shape : tuple of int
        Length of each axis.
    axes : str
        Axes as tifffile names them.
    """

    tif: tifffile.TiffFile
    chain: PageChain
    kind: str
    shape: tuple[int, ...]
    axes: str

    transform = None

    @property
    def keyframe(self) -> tifffile.TiffPage:
        """The first page, which all others are like."""
        return self.tif.pages.first

    @property
    def dtype(self) -> np.dtype[Any]:
        """Type of a pixel."""
        return np.dtype(self.keyframe.dtype)

    @property
    def dataoffset(self) -> int | None:
        """Place of the pixels in the file, if they lie there in one piece."""
        strips, page = self.chain.strips, self.keyframe
        if strips is None or not page.is_final or (np.diff(strips[:, 0]) != page.nbytes).any():
            return None
        return int(strips[0, 0])

    def __len__(self) -> int:
        return len(self.chain.offsets)

    def __iter__(self) -> Iterator[tifffile.TiffPage]:
        return (self[number] for number in range(len(self)))

    def __getitem__(self, number: int) -> tifffile.TiffPage:
        return read_page(self.tif, self.chain, number)

    def asarray(self) -> NDArray[Any]:
        """Return the pixels of all pages."""
        pixels = np.empty((len(self), *self.keyframe.shape), self.dtype)
        for plane, page in zip(pixels, self, strict=True):
            plane[...] = page.asarray()
        return pixels.reshape(self.shape)


def read_page(tif: tifffile.TiffFile, chain: PageChain, number: int) -> tifffile.TiffPage:
    """Read one page without those before it.

    Parameters
    ----------
    tif : tifffile.TiffFile
        The open file.
    chain : PageChain
        Its pages.
    number : int
        Which page, from 0; negative from the end.
    """
    number = range(len(chain.offsets))[number]
    if number == 0:
        return tif.pages.first
    tif.filehandle.seek(int(chain.offsets[number]))
    return tifffile.TiffPage(tif, number)


def find_stack(tif: tifffile.TiffFile, chain: PageChain) -> PageStack | None:
    """Describe a file of like pages, each of which is one plane.

    Parameters
    ----------
    tif : tifffile.TiffFile
        The open file.
    chain : PageChain
        Its pages.

    Returns
    -------
    PageStack or None
        None if it is anything but a plain stack, or an OME or tifffile image of all its pages.
    """
    page = tif.pages.first
    if (
        len(chain.offsets) < _MIN_PAGES
        or not chain.is_uniform
        or page.axes != "YX"
        or not page.flags <= _KNOWN_FLAGS
    ):
        return None
    if page.is_shaped:
        kind, found = "shaped", _shaped(page)
    elif page.is_ome:
        kind, found = "ome", _ome(page, len(chain.offsets))
    elif page.is_scanimage and tif.is_scanimage:  # its own axes are in the head of the file
        return None
    else:
        kind, found = "uniform", ((len(chain.offsets),), "I")
    if found is None or math.prod(found[0]) != len(chain.offsets):
        return None
    return PageStack(tif, chain, kind, (*found[0], *page.shape), found[1] + "YX")


def _shaped(page: tifffile.TiffPage) -> tuple[tuple[int, ...], str] | None:
    """Return the axes before rows and columns, as tifffile wrote them as JSON."""
    try:
        written = json.loads(page.shaped_description or "")
        shape = tuple(written["shape"])
        axes = written.get("axes", "QYX" if len(shape) == 3 else "")
    except (ValueError, LookupError, TypeError, AttributeError):
        return None
    if (
        written.get("truncated")
        or shape[-2:] != page.shape
        or not isinstance(axes, str)
        or len(axes) != len(shape)
        or axes[-2:] != "YX"
    ):
        return None
    return shape[:-2], axes[:-2]


def _ome(page: tifffile.TiffPage, num_pages: int) -> tuple[tuple[int, ...], str] | None:
    """Return the axes before rows and columns, if one image of one file has all pages in order."""
    text = page.description
    if "<!DOCTYPE" in text or "<!ENTITY" in text or "odulo" in text:
        return None
    try:
        root = ElementTree.fromstring(text)
        (image,) = root.iterfind("{*}Image")
        (pixels,) = image.iterfind("{*}Pixels")
        (data,) = pixels.iterfind("{*}TiffData")
        axes = pixels.attrib["DimensionOrder"][::-1]
        sizes = {axis: int(pixels.attrib[f"Size{axis}"]) for axis in axes}
        first = {data.get(name, "0") for name in _WHOLE_FILE - {"PlaneCount"}}
    except (ElementTree.ParseError, ValueError, LookupError):
        return None
    if (
        sorted(axes) != sorted("TZCYX")
        or axes[-2:] != "YX"
        or (sizes["Y"], sizes["X"]) != page.shape
        or not data.attrib.keys() <= _WHOLE_FILE
        or first != {"0"}
        or data.get("PlaneCount", "") != str(num_pages)
        or len(data)
        or any(c.get("SamplesPerPixel", "1") != "1" for c in pixels.iterfind("{*}Channel"))
    ):
        return None
    leading = [axis for axis in axes[:-2] if sizes[axis] > 1]
    return tuple(sizes[axis] for axis in leading), "".join(leading)
