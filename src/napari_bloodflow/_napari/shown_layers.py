"""An acquisition in the viewer: its layers, and how they come, go and are used again."""

from __future__ import annotations

from contextlib import ExitStack
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, NamedTuple

from napari.layers import Image, Labels, Layer, Shapes

from napari_bloodflow._napari.layers import (
    MARK_KEY,
    LayerMark,
    layer_data,
    layer_name,
    mark_of,
    native_plane,
    plain_mark,
    show_contrast,
    shown_contrast,
)
from napari_bloodflow._napari.roi_sync import RoiSync
from napari_bloodflow._napari.shape_edits import told_once
from napari_bloodflow.calibration import pretty_unit

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from napari_bloodflow._napari.roi_nudge import LastNudge
    from napari_bloodflow.acquisition.acq_image import AcqImage

__all__ = [
    "LostRois",
    "ShownAcquisition",
    "can_hand_over",
    "drop_layer",
    "hand_over",
    "missing_layers",
    "name_layers",
    "position_text",
    "set_scale",
    "show_stored_contrast",
    "take_layer",
]


class LostRois(NamedTuple):
    """A ROI layer that was deleted.

    Parameters
    ----------
    last_step : object
        ``acq.history.last_step`` at that time.
    bring_back : callable
        Shows the ROIs again.
    """

    last_step: object
    bring_back: Callable[[], None]


@dataclass(eq=False)
class ShownAcquisition:
    """An acquisition and the layers that show it.

    Parameters
    ----------
    acq : AcqImage
        The acquisition.
    image_layers : list of Image
        One per channel.
    roi_layer : Shapes or None
        Its ROIs; None while their layer is deleted.
    sync : RoiSync or None
        Keeps `roi_layer` and ``acq.rois`` in step.
    overlays : set of Layer
        Layers of results; they come and go with what draws them.
    stretch : float or None
        Display width of a column in widths of a row; None fills the canvas.
    camera : tuple of float or None
        Centre and zoom of the canvas when another acquisition was brought forward.
    mask_layers : list of Labels
        Masks that its file has.
    lost_rois : LostRois or None
        How to undo that `roi_layer` was deleted.
    last_nudge : LastNudge or None
        What was moved with the arrow keys last.
    """

    acq: AcqImage
    image_layers: list[Image] = field(default_factory=list)
    roi_layer: Shapes | None = None
    sync: RoiSync | None = None
    overlays: set[Layer] = field(default_factory=set)
    stretch: float | None = None
    camera: tuple[float, ...] | None = None
    mask_layers: list[Labels] = field(default_factory=list)
    lost_rois: LostRois | None = None
    last_nudge: LastNudge | None = None

    @property
    def layers(self) -> list[Layer]:
        """The layers of the acquisition itself."""
        rois = [self.roi_layer] if self.roi_layer is not None else []
        return [*self.image_layers, *self.mask_layers, *rois]

    @property
    def all_layers(self) -> list[Layer]:
        """All layers that show something of this acquisition."""
        return [*self.layers, *self.overlays]


def missing_layers(
    shown: ShownAcquisition, present: Iterable[Layer], stretch: float
) -> list[Layer]:
    """Make the layers of an acquisition that are not among those of the viewer.

    Parameters
    ----------
    shown : ShownAcquisition
        What to show.
    present : iterable of Layer
        What the viewer has.
    stretch : float
        Display width of a column in widths of a row.

    Returns
    -------
    list of Layer
        In the order in which they are to be added.
    """
    marks = [mark_of(layer) for layer in present]
    there = {(mark.role, mark.channel) for mark in marks if mark and mark.acq is shown.acq}
    missing = []
    for data, arguments, kind in layer_data(shown.acq, stretch):
        mark = arguments["metadata"][MARK_KEY]
        if (mark.role, mark.channel) not in there:
            missing.append(Layer.create(data, arguments, kind))
    return missing


def take_layer(shown: ShownAcquisition, layer: Layer, notice: Callable[[str], None]) -> bool:
    """Follow a layer that has come into the viewer.

    Parameters
    ----------
    shown : ShownAcquisition
        Whose layer it is by its mark.
    layer : Layer
        The layer.
    notice : callable
        Called with what there is to tell of its ROIs.

    Returns
    -------
    bool
        False if it is known, or one more layer of the same ROIs.
    """
    mark = mark_of(layer)
    assert mark is not None
    if mark.role == "image" and isinstance(layer, Image):
        if layer in shown.image_layers:
            return False
        shown.image_layers.append(layer)
        layer.events.contrast_limits.connect(_store_contrast)
        layer.events.colormap.connect(_store_contrast)
        return True
    if mark.role == "mask" and isinstance(layer, Labels):
        if layer in shown.mask_layers:
            return False
        shown.mask_layers.append(layer)
        return True
    if not isinstance(layer, Shapes) or shown.roi_layer is not None:
        return False
    _bind(shown, layer, notice)
    return True


def drop_layer(shown: ShownAcquisition, layer: Layer) -> None:
    """Stop following a layer that has left the viewer."""
    if layer in shown.mask_layers:
        shown.mask_layers.remove(layer)
    elif layer in shown.image_layers:
        shown.image_layers.remove(layer)
        layer.events.contrast_limits.disconnect(_store_contrast)
        layer.events.colormap.disconnect(_store_contrast)
    elif layer is shown.roi_layer:
        if shown.sync is not None:
            shown.sync.unbind()
        shown.roi_layer = shown.sync = None


def can_hand_over(shown: ShownAcquisition, acq: AcqImage) -> bool:
    """Tell whether the layers of an acquisition can show another one."""
    return (
        shown.roi_layer is not None
        and len(shown.image_layers) == acq.images.num_channels
        and shown.acq.images.scitiff is acq.images.scitiff is None
    )


def hand_over(
    old: ShownAcquisition,
    new: ShownAcquisition,
    label: str,
    scale: tuple[float, float] | None,
    notice: Callable[[str], None],
) -> None:
    """Let the layers of one acquisition show another one, for which :func:`can_hand_over` is true.

    Parameters
    ----------
    old, new : ShownAcquisition
        Which have the layers before and after.
    label : str
        What the new one is called.
    scale : tuple of float, optional
        Of a line and of a column of the new one, if they are not to stay as they are.
    notice : callable
        As of :func:`take_layer`.
    """
    roi_layer, image_layers = old.roi_layer, old.image_layers
    assert roi_layer is not None
    if old.sync is not None:
        old.sync.notice.disconnect(notice)
        old.sync.unbind()
    old.image_layers, old.roi_layer, old.sync = [], None, None
    new.image_layers = image_layers
    roi_layer.mode = "pan_zoom"
    roi_layer.selected_data = set()
    if roi_layer.nshapes:
        # If others take their place, that is told instead.
        with roi_layer.events.data.blocker() if len(new.acq.rois) else told_once(roi_layer):
            roi_layer.data = []
    _mark(roi_layer, LayerMark(new.acq, "rois"), label)
    # At each word of a size or a scale the viewer measures and slices all layers anew. It hears of
    # the images when all is there; of the scale it need not hear besides.
    with ExitStack() as quiet:
        for channel, layer in enumerate(image_layers):
            quiet.enter_context(layer.events.data.blocker())
            _show_plane(layer, new.acq, channel, scale)
            _mark(layer, plain_mark(new.acq, channel), label)
        with roi_layer.events.scale.blocker():
            set_scale(roi_layer, scale)  # while there is nothing in it to be drawn
        _bind(new, roi_layer, notice)
    for layer in image_layers:
        layer.events.data(value=layer.data)


def _show_plane(
    layer: Image, acq: AcqImage, channel: int, scale: tuple[float, float] | None
) -> None:
    """Put a plane into a layer, with its contrast and its scale; the scale is told nobody."""
    contrast, events = acq.ensure_image_contrast(channel), layer.events
    with (
        events.contrast_limits.blocker(_store_contrast),
        events.colormap.blocker(_store_contrast),
    ):
        with events.scale.blocker():
            set_scale(layer, scale)
        layer.data = native_plane(acq.images.get_slice(channel))
        layer.reset_contrast_limits_range()
        show_contrast(layer, contrast)


def _bind(shown: ShownAcquisition, layer: Shapes, notice: Callable[[str], None]) -> None:
    shown.roi_layer, shown.lost_rois = layer, None
    shown.sync = RoiSync(shown.acq.rois, layer)
    shown.sync.notice.connect(notice)


def set_scale(layer: Layer, scale: tuple[float, float] | None) -> None:
    """Set the scale of a layer if it is another one; napari draws the layer anew then."""
    if scale is not None and tuple(layer.scale) != scale:
        layer.scale = scale


def _mark(layer: Layer, mark: LayerMark, label: str) -> None:
    layer.metadata = {**layer.metadata, MARK_KEY: mark}
    layer.name = layer_name(label, mark)


def name_layers(shown: ShownAcquisition, label: str) -> None:
    """Name all layers after what the acquisition is called."""
    for layer in shown.layers:
        if (mark := mark_of(layer)) is not None:
            layer.name = layer_name(label, mark)
    for layer in shown.overlays:
        layer.name = f"{layer.name.partition(' of ')[0]} of {label}"


def show_stored_contrast(shown: ShownAcquisition) -> None:
    """Show the contrast that the acquisition has, which may have come from disk."""
    for layer in shown.image_layers:
        mark = mark_of(layer)
        if mark is None:
            continue
        stored = shown.acq.ensure_image_contrast(mark.channel)
        events = layer.events
        with (
            events.contrast_limits.blocker(_store_contrast),
            events.colormap.blocker(_store_contrast),
        ):
            show_contrast(layer, stored)


def _store_contrast(event: Any) -> None:
    mark = mark_of(event.source)
    if mark is not None:
        stored = mark.acq.ensure_image_contrast(mark.channel)
        contrast = shown_contrast(event.source, stored)
        if contrast != stored:
            mark.acq.set_image_contrast(mark.channel, contrast)


def position_text(shown: ShownAcquisition, world: tuple[float, ...]) -> str:
    """Return time, position and intensity at a point of the canvas, with units.

    Parameters
    ----------
    shown : ShownAcquisition
        What to look at.
    world : tuple of float
        Point in world coordinates.

    Returns
    -------
    str
        Empty if it is outside the kymograph, or the acquisition is none.
    """
    acq = shown.acq
    if not shown.image_layers or not acq.images.is_kymograph:
        return ""
    image = shown.image_layers[0]
    row, column = image.world_to_data(world)[-2:]
    plane, calibration = acq.images.bounds, acq.calibration
    line, pixel = round(row), round(column)
    if not (0 <= line < plane.num_rows and 0 <= pixel < plane.num_columns):
        return ""
    intensity = f"{image.data[line, pixel]:g}"
    if not calibration.is_known:
        return f"line {line}, pixel {pixel} (not calibrated): {intensity}"
    time = f"{line * calibration.dt_s:.6g} {calibration.time_unit}"
    position = f"{pixel * calibration.dx_um:.4g} {pretty_unit(calibration.position_unit)}"
    return f"{time}, {position} (line {line}, pixel {pixel}): {intensity}"
