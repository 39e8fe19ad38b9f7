"""An acquisition as napari layers: one image per channel and one Shapes layer of ROIs."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

import numpy as np

from napari_bloodflow._napari.roi_sync import roi_layer_data
from napari_bloodflow.acquisition.scitiff_layers import (
    mask_of,
    scitiff_layers,
    scitiff_metadata,
)

if TYPE_CHECKING:
    from collections.abc import Sequence

    from napari.components import ViewerModel
    from napari.layers import Image, Layer
    from numpy.typing import NDArray

    from napari_bloodflow.acquisition.acq_image import AcqImage
    from napari_bloodflow.acquisition.contrast import ImageContrast
    from napari_bloodflow.acquisition.scitiff_layers import SciTiffLayer

__all__ = [
    "AXIS_LABELS",
    "LayerMark",
    "TimeDirection",
    "colormap_name",
    "fit_planes",
    "fit_stretch",
    "layer_data",
    "layer_name",
    "mark_of",
    "native_plane",
    "plain_mark",
    "show_contrast",
    "shown_contrast",
]

MARK_KEY = "napari-bloodflow"
SCITIFF_KEY = "scitiff"
AXIS_LABELS = ("time", "position")
UNITS = ("pixel", "pixel")

_MAX_NAME = 80
_FILLED = 0.95
"""Part of the canvas that a fitted image fills, as napari does it."""

TimeDirection = Literal["right", "down"]
"""Where time runs on the screen: left to right, or top to bottom."""

# napari's name of each colour map of the sidecar format.
_COLORMAPS = {
    "Gray": "gray",
    "inverted_grays": "gray_r",
    "Viridis": "viridis",
    "Plasma": "plasma",
    "Hot": "hot",
    "Jet": "jet",
    "Cool": "cool",
    "Rainbow": "hsv",
    "Red": "red",
    "Green": "green",
    "Blue": "blue",
    "Yellow": "yellow",
    "Magenta": "magenta",
}


@dataclass(frozen=True, slots=True, eq=False)
class LayerMark:
    """Says of a layer which acquisition it shows; kept in ``layer.metadata``.

    Parameters
    ----------
    acq : AcqImage
        The acquisition.
    role : {"image", "mask", "rois"}
        What the layer shows of it.
    channel : int
        Channel of an image layer or a mask.
    starts_hidden : bool
        Whether the layer would hide another one of its acquisition.
    title : str
        What it is called beside the acquisition; empty if it shows all there is.
    """

    acq: AcqImage
    role: Literal["image", "mask", "rois"]
    channel: int = 0
    starts_hidden: bool = False
    title: str = ""

    def __deepcopy__(self, memo: dict[int, Any]) -> LayerMark:
        # Duplicating a layer copies its metadata; the copy shows the same acquisition.
        return self


def mark_of(layer: Layer) -> LayerMark | None:
    """Return the mark of a layer, or None if it shows no acquisition of ours."""
    mark = layer.metadata.get(MARK_KEY)
    return mark if isinstance(mark, LayerMark) else None


def fit_stretch(
    num_rows: int,
    num_columns: int,
    canvas_size: tuple[int, int],
    direction: TimeDirection = "right",
) -> float:
    """Return the display width of a column, in widths of a row, that fills the canvas.

    The camera shows both axes at one zoom, so a kymograph of 30,000 lines and 25 pixels would be
    a hair line. Its layers are therefore stretched along the position axis.

    Parameters
    ----------
    num_rows, num_columns : int
        Size of the kymograph.
    canvas_size : tuple of int
        Height and width of the canvas.
    direction : {"right", "down"}
        Where time runs.

    Returns
    -------
    float
        Scale of the position axis; that of the time axis is 1.
    """
    height, width = (max(1, int(side)) for side in canvas_size)
    along, across = (width, height) if direction == "right" else (height, width)
    return (num_rows * across) / (num_columns * along)


def fit_planes(viewer: ViewerModel, layers: Sequence[Layer]) -> None:
    """Show all of some layers, of two dimensions each, in a viewer that has more.

    Parameters
    ----------
    viewer : ViewerModel
        The viewer.
    layers : sequence of Layer
        Those without anything in them are passed over.
    """
    extents = [layer.extent.world for layer in layers]
    filled = np.array([extent for extent in extents if np.isfinite(extent).all()])
    if not len(filled):
        return
    low, high = filled[:, 0].min(axis=0), filled[:, 1].max(axis=0)
    order = [axis - (viewer.dims.ndim - 2) for axis in viewer.dims.order[-2:]]
    size = np.maximum(high - low, 1e-9)[order]
    camera = viewer.scene.camera
    camera.center = (0.0, *(0.5 * (low + high)[order]))
    camera.zoom = float(np.min(_FILLED * np.asarray(viewer.canvas.size) / size))


def layer_name(label: str, mark: LayerMark) -> str:
    """Return the name of the layer with a mark, for an acquisition that is called `label`."""
    if mark.role == "rois":
        return f"ROIs of {label}"
    title = " ".join(mark.title.split())[:_MAX_NAME]  # it may be any text
    return f"{label} [{title}]" if title else label


def plain_mark(acq: AcqImage, channel: int) -> LayerMark:
    """Return the mark of the image layer of a channel, of a file that names no parts."""
    is_only = acq.images.num_channels == 1
    return LayerMark(acq, "image", channel, title="" if is_only else f"channel {channel}")


def layer_data(acq: AcqImage, stretch: float) -> list[tuple[Any, dict[str, Any], str]]:
    """Return layer tuples of an acquisition: its channels, then its ROIs.

    A kymograph is shown in pixels, stretched to fill the canvas. A SciTiff image that is none is
    shown whole and at its physical size.

    Parameters
    ----------
    acq : AcqImage
        What to show.
    stretch : float
        Display width of a column, see :func:`fit_stretch`.

    Returns
    -------
    list of tuple
        ``(data, keyword arguments, layer type)``, as npe2 readers return.
    """
    images = acq.images
    stretched: dict[str, Any] = {
        "scale": (1.0, stretch),
        "units": UNITS,
        "axis_labels": AXIS_LABELS,
    }
    layers: list[tuple[Any, dict[str, Any], str]] = []
    rows_and_columns = stretched
    if images.scitiff is None:
        for channel in range(images.num_channels):
            layers.append(_image(plain_mark(acq, channel), images.get_slice(channel), stretched))
    for part in scitiff_layers(images):
        data, placed = part.data, stretched
        if images.is_kymograph:
            plane = images.get_slice(part.channel)
            data = mask_of(plane) if part.kind == "labels" else plane
        else:
            placed = _placed(part)
            rows_and_columns = {name: values[-2:] for name, values in placed.items()}
        if part.kind == "labels":
            layers.append(_labels(acq, part, data, placed))
        else:
            mark = LayerMark(acq, "image", part.channel, not part.is_visible, part.name)
            layers.append(_image(mark, data, placed))
        layers[-1][1]["metadata"][SCITIFF_KEY] = scitiff_metadata(images, part)
    mark = LayerMark(acq, "rois")
    name = layer_name(acq.name, mark)
    rois, arguments, kind = roi_layer_data(acq.rois, name=name, **rows_and_columns)
    arguments["metadata"] = {MARK_KEY: mark}
    layers.append((rois, arguments, kind))
    return layers


def _placed(part: SciTiffLayer) -> dict[str, Any]:
    return {
        "scale": part.scale,
        "translate": part.translate,
        "units": part.units,
        "axis_labels": part.axis_labels,
    }


def _image(
    mark: LayerMark, data: NDArray[Any], placed: dict[str, Any]
) -> tuple[Any, dict[str, Any], str]:
    acq, channel = mark.acq, mark.channel
    contrast = acq.ensure_image_contrast(channel)
    arguments = {
        **placed,
        "name": layer_name(acq.name, mark),
        "contrast_limits": _increasing(contrast.value_min, contrast.value_max),
        "colormap": colormap_name(contrast.color_lut),
        "blending": "translucent_no_depth" if channel == 0 else "additive",
        "interpolation2d": "nearest",
        "visible": not mark.starts_hidden,
        "metadata": {MARK_KEY: mark},
    }
    return native_plane(data), arguments, "image"


def _labels(
    acq: AcqImage, part: SciTiffLayer, data: NDArray[Any], placed: dict[str, Any]
) -> tuple[Any, dict[str, Any], str]:
    mark = LayerMark(acq, "mask", part.channel, title=part.name)
    arguments = {
        **placed,
        "name": layer_name(acq.name, mark),
        "metadata": {MARK_KEY: mark},
    }
    return data, arguments, "labels"


def colormap_name(color_lut: str) -> str:
    """Return napari's colour map for a stored name; gray for one it does not have."""
    from napari.utils.colormaps import AVAILABLE_COLORMAPS

    by_name = {stored.lower(): name for stored, name in _COLORMAPS.items()}
    known = by_name.get(color_lut.lower(), color_lut)
    return known if known in AVAILABLE_COLORMAPS else "gray"


def shown_contrast(layer: Image, stored: ImageContrast) -> ImageContrast:
    """Return a stored contrast with the window and colour map that a layer shows now."""
    contrast = stored.copy()
    low, high = layer.contrast_limits
    if _increasing(stored.value_min, stored.value_max) != (low, high):
        contrast.value_min, contrast.value_max = float(low), float(high)
    name = layer.colormap.name
    if colormap_name(stored.color_lut) != name:
        stored_names = {napari_name: stored for stored, napari_name in _COLORMAPS.items()}
        contrast.color_lut = stored_names.get(name, name)
    return contrast


def show_contrast(layer: Image, stored: ImageContrast) -> None:
    """Give a layer the window and colour map of a stored contrast, where they differ."""
    limits, name = _increasing(stored.value_min, stored.value_max), colormap_name(stored.color_lut)
    if tuple(layer.contrast_limits) != limits:
        layer.contrast_limits = limits
    # Once it is set, even to the one that it is, the canvas compiles anew how it draws the image.
    if layer.colormap.name != name:
        layer.colormap = name


def _increasing(low: float, high: float) -> tuple[float, float]:
    return (low, high) if high > low else (low, low + 1.0)


def native_plane(plane: NDArray[Any]) -> NDArray[Any]:
    """Return pixels in the byte order of this machine, which the canvas wants."""
    return plane if plane.dtype.isnative else plane.astype(plane.dtype.newbyteorder("="))
