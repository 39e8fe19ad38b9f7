"""What a Shapes layer of napari needs around edits by code."""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING

from napari.layers.base import ActionType

if TYPE_CHECKING:
    from collections.abc import Iterator

    from napari.layers import Shapes

__all__ = ["make_consistent", "told_once"]


@contextmanager
def told_once(layer: Shapes) -> Iterator[None]:
    """Say of shapes that are taken out and put in again, or all put in, that they changed.

    At each word of it the viewer measures all its layers anew, which takes most of the time.

    Parameters
    ----------
    layer : napari.layers.Shapes
        The layer.
    """
    with layer.events.data.blocker(), layer.block_thumbnail_update():
        yield
    layer.events.data(
        value=layer.data,
        action=ActionType.CHANGED,
        data_indices=tuple(range(layer.nshapes)),
        vertex_indices=((),),
    )


def make_consistent(layer: Shapes) -> None:
    """Let napari build its tables of vertices and colours anew."""
    if layer.nshapes:
        layer.shape_type = list(layer.shape_type)
    else:
        layer.data = []
