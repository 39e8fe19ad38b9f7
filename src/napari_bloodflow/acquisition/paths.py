"""Which files can be opened, by their names."""

from __future__ import annotations

from pathlib import Path

from napari_bloodflow.storage.calibration.bruker import PRAIRIE_EXTENSION, prairie_images
from napari_bloodflow.storage.czi import CZI_EXTENSIONS
from napari_bloodflow.storage.nd2 import ND2_EXTENSIONS
from napari_bloodflow.storage.sidecar import image_path_of_sidecar
from napari_bloodflow.storage.tiff import TIFF_EXTENSIONS

__all__ = [
    "SUPPORTED_EXTENSIONS",
    "can_be_opened",
    "described_images",
    "image_path_of",
    "is_supported",
    "unsupported_reason",
]

SUPPORTED_EXTENSIONS = (*TIFF_EXTENSIONS, *CZI_EXTENSIONS, *ND2_EXTENSIONS)
"""Extensions of images, lower case."""

_OTHER_FORMATS = {
    ".oir": "Olympus OIR",
    ".oib": "Olympus OIB",
    ".oif": "Olympus OIF",
    ".lif": "Leica LIF",
}


def image_path_of(path: str | Path) -> Path:
    """Return the image to open for a path: that of a sidecar, or the path itself."""
    return image_path_of_sidecar(path)


def is_supported(path: str | Path) -> bool:
    """Tell whether the extension of an image is supported, in upper or lower case."""
    return Path(path).suffix.lower() in SUPPORTED_EXTENSIONS


def can_be_opened(path: str | Path) -> bool:
    """Tell whether a name is that of an image, or of an XML that may lead to one."""
    return is_supported(path) or Path(path).suffix.lower() == PRAIRIE_EXTENSION


def described_images(path: Path) -> tuple[Path, ...]:
    """Return the images that an XML of Prairie View describes; of any other path itself.

    Raises
    ------
    UnsupportedFileError, FileNotFoundError
        If it is another XML, or its images are not beside it.
    """
    if path.suffix.lower() != PRAIRIE_EXTENSION:
        return (path,)
    return tuple(image.resolve() for image in prairie_images(path))


def unsupported_reason(path: str | Path) -> str:
    """Return why a file of another extension is not opened, and what to do, as a clause."""
    suffix = Path(path).suffix
    if name := _OTHER_FORMATS.get(suffix.lower()):
        return (
            f"is a file of {name}, which is not read here; export it as OME-TIFF with the software"
            " of the microscope, or open it in napari with a plugin that reads it and choose"
            " 'Use this layer'"
        )
    supported = ", ".join(SUPPORTED_EXTENSIONS)
    return f"the extension {suffix!r} is not supported; supported are {supported}"
