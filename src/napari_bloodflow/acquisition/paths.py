"""Which files can be opened, by their names."""

from __future__ import annotations

from pathlib import Path

from napari_bloodflow.storage.czi import CZI_EXTENSIONS
from napari_bloodflow.storage.sidecar import image_path_of_sidecar
from napari_bloodflow.storage.tiff import TIFF_EXTENSIONS

__all__ = ["SUPPORTED_EXTENSIONS", "image_path_of", "is_supported"]

SUPPORTED_EXTENSIONS = (*TIFF_EXTENSIONS, *CZI_EXTENSIONS)
"""Extensions of images, lower case."""


def image_path_of(path: str | Path) -> Path:
    """Return the image to open for a path: that of a sidecar, or the path itself."""
    return image_path_of_sidecar(path)


def is_supported(path: str | Path) -> bool:
    """Tell whether the extension of an image is supported, in upper or lower case."""
    return Path(path).suffix.lower() in SUPPORTED_EXTENSIONS
