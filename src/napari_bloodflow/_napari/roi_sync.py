"""Keep a RoiSet and the Shapes layer that shows it in step, both ways."""

from __future__ import annotations

from contextlib import contextmanager, nullcontext
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
from psygnal import Signal

from napari_bloodflow._napari.held_shapes import (
    HeldShape,
    draw,
    free_shape,
    plan_redraw,
    updated_free_shapes,
)
from napari_bloodflow._napari.roi_geometry import (
    Unusable,
    drag_corner,
    geometry_from_shape,
    match_shapes,
    parse_roi_id,
    reaches_outside,
    shape_key,
)
from napari_bloodflow._napari.roi_style import (
    FEATURE_COLUMNS,
    MAX_LABELS,
    aligned_features,
    feature_table,
    hidden_labels,
    make_roi_layer,
    paint_shapes,
    place_labels,
    prepare_drawing,
    roi_layer_data,
    text_style,
    write_features,
)
from napari_bloodflow._napari.shape_edits import make_consistent, told_once
from napari_bloodflow.acquisition.roi import LineEndpoints, LineROI, RectROI, RectRoiBounds

if TYPE_CHECKING:
    from collections.abc import Generator, Iterable, Iterator

    from napari.layers import Shapes
    from numpy.typing import NDArray

    from napari_bloodflow._napari.held_shapes import Redraw
    from napari_bloodflow._napari.roi_geometry import ShapeKey
    from napari_bloodflow.acquisition.roi import Roi
    from napari_bloodflow.acquisition.roi_set import RoiSet

__all__ = ["RoiSync", "make_roi_layer", "roi_layer_data"]

_CLICK_PIXELS = 3.0  # screen pixels; a pointer that moved less did not draw anything
_DRAGGED_MODES = frozenset({"add_rectangle", "add_ellipse", "add_line"})
_CLICKED_MODES = frozenset({"add_path", "add_polyline", "add_polygon", "add_polygon_lasso"})


class RoiSync:
    """Binds a RoiSet to a Shapes layer: edits of either appear in the other.

    The layer is a view. After every finished edit its shapes are compared with what it held
    before, differences go into the RoiSet, and what the RoiSet made of them (whole pixels, cut to
    the image) is drawn, so that what is seen is what is analysed. A ROI is known by its id, which
    its shape carries in the features; where napari mixed up the features, geometry tells shapes
    apart. When binding, the RoiSet wins, and shapes without a ROI become new ROIs.

    A shape that cannot be a ROI (an ellipse, a free polygon, a rotated rectangle) stays in the
    layer, grey, with a reason in its features, and goes into the free shapes of the RoiSet, so
    that edits of it can be undone. If it was ROI 3, then ROI 3 keeps its id and its last good
    geometry, the one that analyses use, and follows the shape again once it is a rectangle again.
    A rectangle of which one corner is dragged in direct mode stays a rectangle.

    Nothing is written to the layer while the user draws or drags; it waits for the release.

    Parameters
    ----------
    rois : RoiSet
        The model.
    layer : napari.layers.Shapes
        Its view. The layer keeps the binder alive until :meth:`unbind`.

    Attributes
    ----------
    selection_changed : psygnal.Signal
        Emitted with :attr:`selected_roi_ids` when they changed.
    notice : psygnal.Signal
        Emitted with a sentence for the user, for instance that a ROI was cut to the image.
    dragged : psygnal.Signal
        Emitted with the id and the bounds that a rectangular ROI would have if the mouse that drags
        its shape were released now.
    """

    selection_changed = Signal(tuple)
    dragged = Signal(int, RectRoiBounds)
    notice = Signal(str)

    def __init__(self, rois: RoiSet, layer: Shapes) -> None:
        self._rois = rois
        self._layer = layer
        self._held: list[HeldShape] = []
        self._names: dict[int, str] = {}  # as last written to the layer
        self._retired: set[int] = set()  # ids of deleted ROIs
        self._selected: tuple[int, ...] = ()
        self._words: list[str] = []
        self._is_bound = True
        self._is_busy = False
        self._is_pending = False  # the layer does not show the model yet
        self._is_pressed = False  # a mouse button is down on the layer
        self._has_dragged = False
        self._is_changing = False
        self._has_stale_vertices = False
        self._count_before_adding: int | None = None
        self._labels_are_off = False
        with told_once(layer) if len(rois) and not layer.nshapes else nullcontext():
            self._settle()
        self._show_labels()
        for emitter, slot in self._slots():
            emitter.connect(slot)
        # Drawing takes long; whoever measures anew can begin before it.
        rois.changed.connect(self._on_rois_changed, priority=-1)
        layer.mouse_drag_callbacks.append(self._on_mouse_drag)

    def _show_labels(self) -> None:
        style = text_style(self._layer.nshapes)
        if getattr(self._layer.text.string, "format", None) == style["string"]:
            self._layer.text.visible = style["visible"]
        else:
            self._layer.text = style
        place_labels(self._layer)

    def unbind(self) -> None:
        """Stop following; the layer and the RoiSet stay as they are."""
        if not self._is_bound:
            return
        self._is_bound = False
        for emitter, slot in self._slots():
            emitter.disconnect(slot)
        self._rois.changed.disconnect(self._on_rois_changed)
        if self._on_mouse_drag in self._layer.mouse_drag_callbacks:
            self._layer.mouse_drag_callbacks.remove(self._on_mouse_drag)

    def _slots(self) -> tuple[tuple[Any, Any], ...]:
        events = self._layer.events
        return (
            (events.data, self._on_data),
            (events.features, self._on_features),
            (events.set_data, self._on_set_data),
            (events.mode, self._on_mode),
            (events.scale, self.refresh_line_widths),
            (self._layer.selected_data.events.items_changed, self._on_items_changed),
        )

    @property
    def rois(self) -> RoiSet:
        """The model."""
        return self._rois

    @property
    def layer(self) -> Shapes:
        """The view."""
        return self._layer

    @property
    def selected_roi_ids(self) -> tuple[int, ...]:
        """Ids of the ROIs that are selected in the layer, ascending."""
        indices = (int(index) for index in self._layer.selected_data)
        ids = (self._held[index].roi_id for index in indices if index < len(self._held))
        return tuple(sorted(roi_id for roi_id in ids if roi_id is not None))

    def select(self, roi_ids: Iterable[int]) -> None:
        """Select these ROIs in the layer and nothing else; unknown ids are passed over."""
        wanted = set(roi_ids)
        self._layer.selected_data = {
            index for index, held in enumerate(self._held) if held.roi_id in wanted
        }

    @property
    def unusable_roi_ids(self) -> tuple[int, ...]:
        """Ids of the ROIs whose shape is unusable, so that they keep their last geometry."""
        return tuple(
            sorted(held.roi_id for held in self._held if held.reason and held.roi_id is not None)
        )

    @property
    def is_drawing(self) -> bool:
        """True while the user draws a shape or drags one."""
        return self._is_pressed or self._is_adding

    def refresh_line_widths(self) -> None:
        """Draw lines as thick, and labels as far inside, as the present zoom asks for."""
        if self._can_write and self._has_expected_count:
            with self._occupied():
                paint_shapes(self._layer, self._painted_ids())
                place_labels(self._layer)

    # ---- what happens

    def _on_data(self, event: Any) -> None:
        if self._is_busy:
            return
        if event.action == "adding":
            self._count_before_adding = self._layer.nshapes
        elif event.action in ("changing", "removing"):
            self._is_changing = True
        else:
            self._count_before_adding = None
            self._is_changing = False
            mode = self._layer.mode
            # While napari finishes a polygon it trips over shapes that are removed; it emits
            # set_data when it is done.
            is_finishing = event.action == "added" and mode in _CLICKED_MODES
            # A shape that lost a vertex has it still where napari looks for the pointer, and
            # dragging it raises.
            self._has_stale_vertices |= is_finishing or mode == "vertex_remove"
            self._settle(is_safe=not is_finishing)

    def _on_features(self) -> None:
        is_finishing = self._is_pending and self._layer.mode in _CLICKED_MODES
        if self._is_pressed:
            self._is_pending = True
        elif not (self._is_changing or is_finishing):
            self._settle()

    def _on_set_data(self) -> None:
        # Emitted for every mouse move of a drag, hence no look at the shapes.
        if not (self._is_pressed or self._is_changing) and (
            self._is_pending or not self._has_expected_count
        ):
            self._settle()

    def _on_mouse_drag(self, layer: Shapes, event: Any) -> Generator[None, None, None]:
        start = np.array(event.pos, dtype=float)
        self._is_pressed, self._has_dragged = True, False
        try:
            yield
            while event.type == "mouse_move":
                if np.abs(event.pos - start).max() > _CLICK_PIXELS:
                    self._has_dragged = True
                if self._is_changing:
                    self._tell_of_drag()
                yield
        finally:
            self._is_pressed = self._is_changing = False
        if self._is_pending:
            self._settle()

    def _tell_of_drag(self) -> None:
        """Tell where the ROI of the one shape that is dragged is, if anybody listens."""
        chosen = self._layer.selected_data
        if len(self.dragged) == 0 or len(chosen) != 1 or not self._has_expected_count:
            return
        place = next(iter(chosen))
        roi_id = self._held[place].roi_id if place < len(self._held) else None
        shape_type, vertices = self._layer.shape_type[place], self._layer.data[place]
        found = geometry_from_shape(shape_type, vertices, self._rois.image_bounds)
        if roi_id is not None and isinstance(found, RectRoiBounds):
            self.dragged.emit(roi_id, found)

    def _on_mode(self) -> None:
        # napari appends the callback of the new mode. Ours must come after it, so that at the
        # release napari is done with the shape.
        callbacks = self._layer.mouse_drag_callbacks
        if self._on_mouse_drag in callbacks:
            callbacks.remove(self._on_mouse_drag)
        callbacks.append(self._on_mouse_drag)
        prepare_drawing(self._layer)

    def _on_items_changed(self) -> None:
        if not (self._is_busy or self._is_adding) and self._has_expected_count:
            self._announce()

    def _on_rois_changed(self) -> None:
        if self._is_busy:
            return
        if not self._can_write:
            self._is_pending = True
        elif not self._has_expected_count:
            self._settle()
        else:
            with self._occupied():
                self._push(is_safe=True)
            self._announce()

    @property
    def _is_adding(self) -> bool:
        # An add() that fails says "adding" and nothing more, hence the second question.
        before = self._count_before_adding
        return before is not None and self._layer.nshapes > before

    @property
    def _can_write(self) -> bool:
        return not (self._is_busy or self.is_drawing)

    @property
    def _has_expected_count(self) -> bool:
        count = len(self._held)
        return self._layer.nshapes == count and len(self._layer.features) == count

    @contextmanager
    def _occupied(self) -> Iterator[None]:
        self._is_busy = True
        try:
            yield
        finally:
            self._is_busy = False

    def _settle(self, *, is_safe: bool = True) -> None:
        """Take over what the user did, then draw what the model made of it."""
        if self._is_busy or not self._is_bound:
            return
        self._is_pending = True
        if self._is_adding:
            return
        with self._occupied():
            self._pull()
            if not self._is_pressed:
                self._push(is_safe)
        self._announce()

    def _announce(self) -> None:
        words, self._words = self._words, []
        for text in words:
            self.notice.emit(text)
        selected = self.selected_roi_ids
        if selected != self._selected:
            self._selected = selected
            self.selection_changed.emit(selected)

    # ---- layer to model

    def _pull(self) -> None:
        rois = self._rois
        shapes = list(zip(self._layer.shape_type, self._layer.data, strict=True))
        keys = [shape_key(shape_type, vertices) for shape_type, vertices in shapes]
        row_ids, row_names = self._read_rows(len(shapes))
        before = {held.roi_id: held for held in self._held if held.roi_id is not None}
        ignored: dict[ShapeKey, list[HeldShape]] = {}
        for held in self._held:
            if held.roi_id is None:
                ignored.setdefault(held.key, []).append(held)
        known = {roi_id: held.key for roi_id, held in before.items()}
        ids = match_shapes(keys, row_ids, known, rois.get_roi_ids(), self._retired)
        after: list[HeldShape] = []
        with rois.batch():
            for (shape_type, vertices), key, roi_id, row_id, name in zip(
                shapes, keys, ids, row_ids, row_names, strict=True
            ):
                if roi_id in before and key == before[roi_id].key:
                    held = before[roi_id]
                elif roi_id in before and roi_id in rois:
                    held = self._follow(before[roi_id], key, shape_type, vertices)
                elif roi_id in before or roi_id in rois:
                    held = HeldShape(roi_id, key)
                elif ignored.get(key):
                    held = ignored[key].pop()
                else:
                    held = self._adopt(roi_id, key, shape_type, vertices, name)
                after.append(held)
                # Features of another ROI may have been shifted here, and its name with them.
                if roi_id is not None and roi_id == row_id:
                    self._take_name(roi_id, name)
            for roi_id in before.keys() - set(ids):
                if roi_id in rois:
                    rois.delete(roi_id)
            rois.set_free_shapes(updated_free_shapes(rois.free_shapes, self._held, after))
            # Listeners hear of the batch at its end and may ask.
            self._held = after

    def _follow(
        self, before: HeldShape, key: ShapeKey, shape_type: str, vertices: NDArray[Any]
    ) -> HeldShape:
        """Move a ROI to where its shape went, if it can be there."""
        assert before.roi_id is not None
        roi, drawn = self._rois[before.roi_id], (shape_type, vertices)
        if isinstance(roi, RectROI) and shape_type == "polygon":
            corners = drag_corner(roi.bounds, vertices)
            if corners is not None:
                shape_type, vertices = "rectangle", corners
        found = geometry_from_shape(shape_type, vertices, self._rois.image_bounds)
        if not isinstance(found, Unusable) and type(found) is not type(roi.geometry):
            found = Unusable("a line" if isinstance(found, LineEndpoints) else "a rectangle")
        if isinstance(found, Unusable):
            if found.reason != before.reason:
                self._words.append(
                    f"ROI {roi.roi_id} keeps its last outline: the shape is {found.reason}."
                )
            return HeldShape(roi.roi_id, key, free_shape(*drawn, found.reason, roi))
        if found != roi.geometry:
            self._rois.edit(roi.roi_id, found)
        self._tell_if_cut(roi.roi_id, shape_type, vertices)
        return HeldShape(roi.roi_id, key)

    def _adopt(
        self,
        roi_id: int | None,
        key: ShapeKey,
        shape_type: str,
        vertices: NDArray[Any],
        name: str,
    ) -> HeldShape:
        """Make a ROI of a shape that has none, if it can be one."""
        if self._is_pressed and not self._has_dragged and self._layer.mode in _DRAGGED_MODES:
            return HeldShape(None, key, is_noise=True)
        found = geometry_from_shape(shape_type, vertices, self._rois.image_bounds)
        if isinstance(found, Unusable):
            self._words.append(f"The shape is no ROI: it is {found.reason}.")
            if found.is_noise:
                return HeldShape(None, key, is_noise=True)
            return HeldShape(None, key, free_shape(shape_type, vertices, found.reason))
        if roi_id is None:
            roi_id = self._rois.create(found, name=name).roi_id
        else:
            fresh: Roi = (
                LineROI(roi_id, found, name)
                if isinstance(found, LineEndpoints)
                else RectROI(roi_id, found, name)
            )
            self._rois.restore([*self._rois, fresh])
        self._tell_if_cut(roi_id, shape_type, vertices)
        return HeldShape(roi_id, key)

    def _tell_if_cut(self, roi_id: int, shape_type: str, vertices: NDArray[Any]) -> None:
        if reaches_outside(shape_type, vertices, self._rois.image_bounds):
            self._words.append(f"ROI {roi_id} was cut to the image.")

    def _take_name(self, roi_id: int, name: str) -> None:
        if roi_id in self._rois and name != self._names.get(roi_id, name):
            self._rois.rename(roi_id, name)

    def _read_rows(self, count: int) -> tuple[list[int | None], list[str]]:
        """Return id and name of as many rows as there are shapes; missing ones are empty."""
        features = self._layer.features
        id_texts, names, _ = (
            [*features.get(column, ()), *[""] * count][:count] for column in FEATURE_COLUMNS
        )
        return (
            [parse_roi_id(text) for text in id_texts],
            ["" if pd.isna(name) else str(name) for name in names],
        )

    # ---- model to layer

    def _push(self, is_safe: bool) -> None:
        """Make the layer show the model, and touch no shape that does already."""
        layer = self._layer
        plan = plan_redraw(self._held, self._rois)
        # A shape that napari drops by itself leaves its colours behind, for others to take.
        is_stale = self._has_stale_vertices or len(layer.face_color) != layer.nshapes
        must_rebuild = any(plan)
        self._is_pending = not is_safe and (must_rebuild or is_stale)
        rows = aligned_features(layer, [held.roi_id for held in self._held])
        with hidden_labels(layer) if is_safe and must_rebuild else nullcontext():
            if is_safe and is_stale:
                self._has_stale_vertices = False
                make_consistent(layer)
            if is_safe and must_rebuild:
                rows = self._rebuild(plan, rows)
            self._write_features(rows)
            paint_shapes(layer, self._painted_ids())
        if (layer.nshapes > MAX_LABELS) != self._labels_are_off:
            self._labels_are_off = not self._labels_are_off
            layer.text.visible = not self._labels_are_off
        prepare_drawing(layer)
        self._retired.update(self._names.keys() - set(self._rois.get_roi_ids()))
        self._names = {roi.roi_id: roi.name for roi in self._rois}

    def _rebuild(self, plan: Redraw, rows: pd.DataFrame) -> pd.DataFrame:
        """Remove and add only the shapes concerned; return the features in the new order."""
        layer = self._layer
        gone, redrawn, missing = plan
        out = {*gone, *redrawn}
        kept = [index for index in range(len(self._held)) if index not in out]
        place = {old: new for new, old in enumerate([*kept, *redrawn])}
        selection = {place[int(index)] for index in layer.selected_data if int(index) in place}
        heights = layer.z_index
        top = max(heights, default=-1) + 1
        z_index = [*(heights[index] for index in redrawn), *range(top, top + len(missing))]
        # Of a layer with more dimensions than the image: where along those the shape is.
        starts = [layer.data[index][0, :-2] for index in redrawn]
        starts += [np.zeros(layer.ndim - 2)] * len(missing)
        if len(layer.features) != layer.nshapes:
            layer.features = rows  # napari removes rows by the index of the shape
        with told_once(layer) if redrawn and not (gone or missing) else nullcontext():
            if out:
                layer.remove(sorted(out))
            self._held = [self._held[index] for index in kept]
            if redrawn or missing:
                self._held += draw(layer, [*redrawn.values(), *missing], starts, z_index)
        if set(layer.selected_data) != selection:
            layer.selected_data = selection
        return rows.reindex([*kept, *redrawn, *[-1] * len(missing)]).reset_index(drop=True)

    def _write_features(self, rows: pd.DataFrame) -> None:
        rois = [self._roi_of(held) for held in self._held]
        ours = feature_table(
            [None if roi is None else roi.roi_id for roi in rois],
            ["" if roi is None else roi.name for roi in rois],
            [held.reason for held in self._held],
        )
        write_features(self._layer, ours, rows)

    def _roi_of(self, held: HeldShape) -> Roi | None:
        return None if held.roi_id is None else self._rois.get(held.roi_id)

    def _painted_ids(self) -> list[int | None]:
        return [None if held.reason else held.roi_id for held in self._held]
