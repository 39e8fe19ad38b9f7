"""One session per viewer: which acquisitions it shows, in which layers."""

from __future__ import annotations

import weakref
from functools import partial
from typing import TYPE_CHECKING, Any
from weakref import WeakKeyDictionary

from napari.layers import Layer
from napari.utils.notifications import show_warning
from psygnal import Signal
from qtpy.QtCore import QTimer
from qtpy.QtWidgets import QApplication

from napari_bloodflow._napari.blinding import Blinding
from napari_bloodflow._napari.layers import (
    MARK_KEY,
    TimeDirection,
    fit_planes,
    fit_stretch,
    layer_data,
    layer_name,
    mark_of,
    native_plane,
)
from napari_bloodflow._napari.preferences import default_time_direction
from napari_bloodflow._napari.roi_nudge import bind_nudge_keys, unbind_nudge_keys
from napari_bloodflow._napari.session_script import SessionScript
from napari_bloodflow._napari.shown_layers import (
    LostRois,
    ShownAcquisition,
    can_hand_over,
    drop_layer,
    hand_over,
    missing_layers,
    name_layers,
    position_text,
    set_scale,
    show_stored_contrast,
    take_layer,
)
from napari_bloodflow._napari.undo import (
    bind_undo_keys,
    unbind_undo_keys,
)
from napari_bloodflow._napari.workspace import Workspace
from napari_bloodflow.acquisition.acq_image import AcqImage

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from napari.components import ViewerModel
    from napari.layers import Image, Shapes

__all__ = ["ShownAcquisition", "ViewerSession", "get_session", "open_in_viewer"]

# Outlines are drawn anew when the zoom has stood still for as long as this.
_ZOOM_SETTLED_MS = 150


class ViewerSession(SessionScript):
    """What a viewer shows of ours. It lives as long as its viewer.

    Parameters
    ----------
    viewer : napari.components.ViewerModel
        The viewer itself, not a proxy of it.

    Attributes
    ----------
    blinding : Blinding
        What files are called on the screen.
    workspace : Workspace
        The list of files.
    used_layers : WeakKeyDictionary of Layer to str
        Layers of others that acquisitions were made of, with the paths of these.
    active_changed : psygnal.Signal
        Emitted with the :class:`ShownAcquisition` that docks should show, or None.
    layout_changed : psygnal.Signal
        Emitted after the stretch or the time direction changed.
    layers_changed : psygnal.Signal
        Emitted after layers of an acquisition came or went.
    zoom_settled : psygnal.Signal
        Emitted when the zoom has stood still for a moment after it changed.
    """

    active_changed = Signal(object)
    layout_changed = Signal()
    layers_changed = Signal()
    zoom_settled = Signal()

    def __init__(self, viewer: ViewerModel) -> None:
        # The session is a value in a dictionary that is weak in its keys, the viewers.
        self._viewer = weakref.ref(viewer)
        self._shown: list[ShownAcquisition] = []
        self._active: ShownAcquisition | None = None
        self._direction: TimeDirection = default_time_direction()
        self._fitted_camera: tuple[Any, ...] | None = None
        self._is_writing_status = False
        self._is_replacing = False
        self._num_zooms = 0
        self.used_layers: WeakKeyDictionary[Layer, str] = WeakKeyDictionary()
        self.blinding = Blinding()
        self.blinding.changed.connect(self._on_blinding)
        self.workspace = Workspace(self)
        viewer.layers.events.inserted.connect(self._on_layer_inserted)
        viewer.layers.events.removed.connect(self._on_layer_removed)
        viewer.layers.selection.events.active.connect(self._on_active_layer)
        viewer.canvas.events.size.connect(self._on_canvas_resized)
        viewer.events.status.connect(self._on_status)
        viewer.scene.camera.events.zoom.connect(self._on_zoom)
        for layer in list(viewer.layers):
            self._adopt(layer)

    # ---- what is shown

    @property
    def viewer(self) -> ViewerModel:
        """The viewer.

        Raises
        ------
        RuntimeError
            If it was closed and is gone.
        """
        viewer = self._viewer()
        if viewer is None:
            raise RuntimeError("the viewer of this session is gone")
        return viewer

    @property
    def shown(self) -> tuple[ShownAcquisition, ...]:
        """All acquisitions of this viewer in order of opening."""
        return tuple(self._shown)

    @property
    def active(self) -> ShownAcquisition | None:
        """The one whose layer is selected, or else the one opened last."""
        return self._active

    @property
    def acq(self) -> AcqImage | None:
        """The active acquisition."""
        return self._active.acq if self._active else None

    @property
    def image_layers(self) -> list[Image]:
        """Image layers of the active acquisition, one per channel."""
        return list(self._active.image_layers) if self._active else []

    @property
    def roi_layer(self) -> Shapes | None:
        """ROI layer of the active acquisition."""
        return self._active.roi_layer if self._active else None

    def find(self, path: str | Path) -> ShownAcquisition | None:
        """Return the acquisition of a path if this viewer shows it."""
        for shown in self._shown:
            if shown.acq.path == str(path):
                return shown
        return None

    def open(self, path: str | Path) -> ShownAcquisition:
        """Open a file in this viewer, or bring it forward if it is open.

        Raises
        ------
        UnsupportedFileError, FileNotFoundError
            If it cannot be read; nothing is added then.
        """
        return self.show(AcqImage(path))

    def show(self, acq: AcqImage) -> ShownAcquisition:
        """Add the layers of an acquisition, or bring the one of that file forward if it is open."""
        shown = self.find(acq.path)
        if shown is None:
            for data, arguments, kind in layer_data(acq, self.stretch_of(acq)):
                self.viewer.add_layer(Layer.create(data, arguments, kind))
            shown = self.find(acq.path)
            assert shown is not None
        elif not shown.layers:
            self.show_layers(shown)
        self.activate(shown)
        return shown

    def show_instead(self, acq: AcqImage) -> ShownAcquisition:
        """Show an acquisition in place of the active one, in its layers if they fit.

        The other one is closed; if it has unsaved changes it stays open, without layers. Layers
        are used again because napari takes a third of a second to remove one.

        Parameters
        ----------
        acq : AcqImage
            What to show. If the file is open already, its layers are brought forward.
        """
        old, known = self._active, self.find(acq.path)
        if known is not None and known.layers:
            self.activate(known)
            self.viewer.layers.selection.active = known.layers[0]
            return known
        if old is None or not can_hand_over(old, acq):
            shown = self.show(acq)
            self._is_replacing = True
            try:
                for layer in old.layers if old is not None else ():
                    self.viewer.layers.remove(layer)
            finally:
                self._is_replacing = False
            return shown
        shown = known or ShownAcquisition(acq)
        label, scale = self.blinding.label_of(acq), self._scale_of(shown)
        hand_over(old, shown, label, scale, self._on_notice)
        if known is None:
            self._take_in(shown)
        if not old.acq.is_dirty:
            self._forget(old)
        self._active = shown
        self.lay_out(shown)
        # What it says of the point under the mouse is about the other file.
        self.viewer.status = "Ready"
        self.layers_changed.emit()
        self.active_changed.emit(shown)
        return shown

    def close_unseen(self) -> None:
        """Let go of acquisitions that have neither layers nor unsaved changes any more."""
        for shown in self.shown:
            if not shown.layers and not shown.acq.is_dirty:
                self._forget(shown)

    def activate(self, shown: ShownAcquisition) -> None:
        """Make an acquisition the one that docks show."""
        if self._active is not shown:
            if self._active is not None:
                self._active.camera = self._camera_state()
            self._active = shown
            self._bring_to_front(shown)
            if shown.camera is not None:
                self._set_camera_state(shown.camera)
            self.active_changed.emit(shown)

    def _bring_to_front(self, shown: ShownAcquisition) -> None:
        """Hide the other kymographs, which fill the canvas too."""
        self._orient(shown)
        for other in self._shown:
            for layer in other.all_layers:
                if other is not shown:
                    layer.visible = False
        if not any(layer.visible for layer in shown.layers):
            for layer in shown.all_layers:
                mark = mark_of(layer)
                layer.visible = mark is None or not mark.starts_hidden

    def show_layers(self, shown: ShownAcquisition, *, only_rois: bool = False) -> None:
        """Add the layers of an acquisition that were deleted from the viewer."""
        stretch = self.stretch_of(shown.acq)
        for layer in missing_layers(shown, self.viewer.layers, stretch):
            if layer.metadata[MARK_KEY].role == "rois" or not only_rois:
                self.viewer.add_layer(layer)

    # ---- layers come and go

    def _on_layer_inserted(self, event: Any) -> None:
        self._adopt(event.value)

    def _adopt(self, layer: Layer) -> None:
        mark = mark_of(layer)
        if mark is None:
            return
        shown = self.find(mark.acq.path)
        if shown is None:
            shown = ShownAcquisition(mark.acq)
            self._take_in(shown)
        if self.blinding.is_on:
            layer.name = layer_name(self.blinding.label_of(mark.acq), mark)
        is_new = take_layer(shown, layer, self._on_notice)
        self.layers_changed.emit()
        self.activate(shown)
        if is_new:
            if mark.role != "mask":  # painting has an undo of its own
                bind_undo_keys(layer, self._on_key)
            if mark.role == "rois":
                bind_nudge_keys(layer, self._on_key, self.viewer.dims)
            self.lay_out(shown)

    def _take_in(self, shown: ShownAcquisition) -> None:
        self._shown.append(shown)
        shown.acq.reloaded.connect(self._on_reloaded)
        shown.acq.axes_changed.connect(self._on_axes_changed)
        if shown.acq.problems:
            show_warning(self.blinding.clean(_summary_of_problems(shown.acq), shown.acq))

    def _forget(self, shown: ShownAcquisition) -> None:
        self._shown.remove(shown)
        shown.acq.reloaded.disconnect(self._on_reloaded)
        shown.acq.axes_changed.disconnect(self._on_axes_changed)
        if self._active is shown:
            self._active = self._shown[-1] if self._shown else None
            self.active_changed.emit(self._active)

    def _on_blinding(self) -> None:
        self.viewer.status = "Ready"
        for shown in self._shown:
            name_layers(shown, self.blinding.label_of(shown.acq))

    def _on_layer_removed(self, event: Any) -> None:
        layer = event.value
        for other in self._shown:
            other.overlays.discard(layer)
        mark = mark_of(layer)
        shown = self.find(mark.acq.path) if mark else None
        if shown is None:
            return
        if layer in shown.layers and layer not in shown.mask_layers:
            unbind_undo_keys(layer)
        if layer is shown.roi_layer:
            unbind_nudge_keys(layer)
        if layer is shown.roi_layer and QApplication.instance() is not None:
            # When a viewer is closed all its layers go, one by one; wait for the others.
            QTimer.singleShot(0, self._tell_of_missing_rois)
            bring_back = partial(self.show_layers, shown, only_rois=True)
            shown.lost_rois = LostRois(shown.acq.history.last_step, bring_back)
        drop_layer(shown, layer)
        if not shown.layers:
            self._close(shown)
        self.layers_changed.emit()

    def _tell_of_missing_rois(self) -> None:
        for shown in self._shown:
            if shown.image_layers and shown.roi_layer is None and len(shown.acq.rois):
                show_warning(
                    f"{self.blinding.label_of(shown.acq)}: the ROI layer is gone, its"
                    f" {len(shown.acq.rois)} ROIs are kept. Undo, or 'Show layers' in the"
                    " Acquisition dock, brings it back."
                )

    def _close(self, shown: ShownAcquisition) -> None:
        if shown.acq.is_dirty and self._is_replacing:
            return
        if shown.acq.is_dirty:
            show_warning(
                f"{self.blinding.label_of(shown.acq)} was removed with unsaved changes. As long as"
                " this viewer is open, the Acquisition dock can save them or show its layers again."
            )
            return
        self._forget(shown)

    def _on_active_layer(self, event: Any) -> None:
        layer = event.value
        mark = mark_of(layer) if layer is not None else None
        shown = self.find(mark.acq.path) if mark else None
        if shown is not None:
            self.activate(shown)

    def _on_reloaded(self) -> None:
        """Show the contrast that came from disk; ROIs follow by themselves."""
        for shown in self._shown:
            show_stored_contrast(shown)

    def _on_axes_changed(self) -> None:
        """Show the image turned; ROIs follow by themselves."""
        turned = Signal.sender()
        for shown in self._shown:
            if shown.acq is not turned:
                continue
            for layer in shown.image_layers:
                if (mark := mark_of(layer)) is not None:
                    layer.data = native_plane(shown.acq.images.get_slice(mark.channel))
            shown.stretch = shown.camera = None
            self._apply_stretch(shown)
            if shown is self._active:
                self._reset_view()

    def _on_notice(self, text: str) -> None:
        self.viewer.status = text

    def _on_key(self, step: Callable[[ShownAcquisition], str], layer: Layer) -> None:
        for shown in self._shown:
            if layer in shown.layers:
                self._on_notice(step(shown))

    # ---- layout on the canvas

    @property
    def time_direction(self) -> TimeDirection:
        """Where time runs on the screen."""
        return self._direction

    def set_time_direction(self, direction: TimeDirection) -> None:
        """Let time run to the right or down, and fit the kymographs again."""
        self._direction = direction
        self._apply_direction(self._active)
        for shown in self._shown:
            shown.stretch = None
            self._apply_stretch(shown)
        self._reset_view()

    @property
    def stretch(self) -> float:
        """Display width of a column of the active acquisition, in widths of a row."""
        return self.stretch_of(self._active.acq) if self._active is not None else 1.0

    def set_stretch(self, stretch: float) -> None:
        """Set the display width of a column of the active acquisition, in widths of a row.

        Raises
        ------
        ValueError
            If it is not above zero.
        """
        if not 0 < stretch < float("inf"):
            raise ValueError(f"the stretch must be a number above zero, not {stretch}")
        if self._active is not None:
            factor = stretch / self.stretch
            self._active.stretch = float(stretch)
            self._apply_stretch(self._active)
            # Layers stretch from their origin; keep in the middle what is in the middle.
            camera = self.viewer.scene.camera
            center = list(camera.center)
            center[-2 if self._direction == "right" else -1] *= factor
            camera.center = tuple(center)
            self.layout_changed.emit()

    def stretch_of(self, acq: AcqImage) -> float:
        """Return the stretch set for an acquisition, or the one that fills the canvas."""
        shown = self.find(acq.path)
        if shown is not None and shown.stretch is not None:
            return shown.stretch
        plane = acq.images.bounds
        return fit_stretch(
            plane.num_rows, plane.num_columns, self.viewer.canvas.size, self._direction
        )

    def fit_view(self) -> None:
        """Make the active kymograph fill the canvas and show all of it."""
        if self._active is not None:
            self._active.stretch = None
            self._apply_stretch(self._active)
            self._reset_view()

    def lay_out(self, shown: ShownAcquisition) -> None:
        """Lay out an acquisition whose layers have just come, or those in their way gone."""
        self._orient(shown)
        self._apply_stretch(shown)
        self._reset_view()

    def _orient(self, shown: ShownAcquisition) -> None:
        """Let the time of a kymograph run as chosen, where no other layers would turn with it."""
        if all(mark_of(layer) is not None or not layer.visible for layer in self.viewer.layers):
            self._apply_direction(shown)

    def _apply_direction(self, shown: ShownAcquisition | None) -> None:
        is_turned = self._direction == "right" and (shown is None or shown.acq.images.is_kymograph)
        last = self.viewer.dims.ndim - 1
        rows_and_columns = (last, last - 1) if is_turned else (last - 1, last)
        if last == 1 or self.used_layers:
            self.viewer.dims.order = (*range(last - 1), *rows_and_columns)

    def _apply_stretch(self, shown: ShownAcquisition) -> None:
        scale = self._scale_of(shown)
        for layer in shown.layers:
            set_scale(layer, scale)

    def _scale_of(self, shown: ShownAcquisition) -> tuple[float, float] | None:
        """Return the scale of the layers; None if it is given by the file."""
        return (1.0, self.stretch_of(shown.acq)) if shown.acq.images.is_kymograph else None

    def _reset_view(self) -> None:
        layers = self._active.layers if self._active is not None else []
        # napari cannot fit to layers that all have fewer dimensions than the viewer
        if layers and all(layer.ndim == 2 < self.viewer.dims.ndim for layer in layers):
            fit_planes(self.viewer, layers)
        else:
            is_whole = any(layer.ndim == self.viewer.dims.ndim for layer in layers)
            # To fit to some layers it makes another list of them, which takes long.
            is_all = set(layers) == set(self.viewer.layers)
            self.viewer.reset_view(layers=layers if is_whole and not is_all else None)
        self._fitted_camera = self._camera_state()
        self.layout_changed.emit()

    def _camera_state(self) -> tuple[float, ...]:
        camera = self.viewer.scene.camera
        return (*camera.center, camera.zoom)

    def _set_camera_state(self, state: tuple[float, ...]) -> None:
        camera = self.viewer.scene.camera
        camera.center, camera.zoom = state[:-1], state[-1]

    def _on_canvas_resized(self) -> None:
        # Once the user has zoomed or panned, the view is theirs.
        untouched = self._fitted_camera == self._camera_state()
        if untouched and self._active is not None and self._active.stretch is None:
            self.fit_view()

    def _on_zoom(self) -> None:
        if QApplication.instance() is None:
            return
        self._num_zooms += 1
        # No timer of our own: the session goes with its viewer, maybe while a thread collects
        # rubbish. Qt cannot stop a timer from there, which then goes off for what is gone.
        settle = weakref.WeakMethod(self._on_zoom_settled)
        number = self._num_zooms
        QTimer.singleShot(_ZOOM_SETTLED_MS, lambda: (call := settle()) and call(number))

    def _on_zoom_settled(self, number: int) -> None:
        if number != self._num_zooms:
            return
        for shown in self._shown:
            if shown.sync is not None:
                shown.sync.refresh_line_widths()
        self.zoom_settled.emit()

    # ---- status line

    def _on_status(self) -> None:
        if self._is_writing_status or not isinstance(self.viewer.status, dict):
            return
        text = self.describe_position(self.viewer.cursor.position)
        if not text:
            return
        self._is_writing_status = True
        try:
            self.viewer.status = {**self.viewer.status, "coordinates": text}
        finally:
            self._is_writing_status = False

    def describe_position(self, world: tuple[float, ...]) -> str:
        """Return time, position and intensity at a point of the canvas, with units.

        Parameters
        ----------
        world : tuple of float
            Point in world coordinates.

        Returns
        -------
        str
            Empty if it is outside the active kymograph.
        """
        return position_text(self._active, world) if self._active is not None else ""


def _summary_of_problems(acq: AcqImage) -> str:
    first, *others = acq.problems
    more = f"; {len(others)} more in the Acquisition dock" if others else ""
    return f"{first}{more}"


_sessions: WeakKeyDictionary[ViewerModel, ViewerSession] = WeakKeyDictionary()


def get_session(viewer: ViewerModel) -> ViewerSession:
    """Return the session of a viewer, making it if there is none.

    Parameters
    ----------
    viewer : napari.Viewer or ViewerModel
        The viewer, or the proxy of it that a dock widget receives.
    """
    # Keyed by a proxy, the session would die with that temporary proxy.
    viewer = getattr(viewer, "__wrapped__", viewer)
    session = _sessions.get(viewer)
    if session is None:
        session = _sessions[viewer] = ViewerSession(viewer)
    return session


def open_in_viewer(path: str | Path, viewer: ViewerModel | None = None) -> ViewerSession:
    """Open an acquisition in napari.

    Parameters
    ----------
    path : path-like
        A TIFF file.
    viewer : napari.Viewer, optional
        Where; a new viewer by default.

    Returns
    -------
    ViewerSession
        With ``.acq``, ``.viewer``, ``.image_layers`` and ``.roi_layer`` of the file, and
        ``.run()``, ``.plot()`` and ``.screenshot()`` for scripts and notebooks.

    Raises
    ------
    UnsupportedFileError, FileNotFoundError
        If the file cannot be read; no viewer is made then.
    """
    if viewer is None:
        AcqImage(path)
        import napari

        viewer = napari.Viewer()
    session = get_session(viewer)
    session.open(path)
    return session
