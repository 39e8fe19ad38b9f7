"""npe2 reader: an image, or a file beside it, as layers kept in step with its AcqImage."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Any

from napari_bloodflow.acquisition.paths import can_be_opened, image_path_of

if TYPE_CHECKING:
    from collections.abc import Callable
    from types import FrameType

    from napari.components import ViewerModel

__all__ = ["get_reader", "read_acquisition", "viewer_of_caller"]


def get_reader(path: str | list[str]) -> Callable[[str | list[str]], list[Any]] | None:
    """Return the reading function if the path may be an acquisition or a sidecar of one.

    Parameters
    ----------
    path : str or list of str
        What was dropped or opened.
    """
    paths = [path] if isinstance(path, str) else list(path)
    if paths and all(can_be_opened(image_path_of(p)) for p in paths):
        return read_acquisition
    return None


def read_acquisition(path: str | list[str]) -> list[Any]:
    """Read acquisitions as layer tuples and make the viewer's session.

    Parameters
    ----------
    path : str or list of str
        Images, sidecars (their images are opened) or XML files of Prairie View. Channels that are
        files of one scan are one image.

    Returns
    -------
    list of tuple
        Image layers and a Shapes layer per file; ``[(None,)]`` if all are open already.

    Raises
    ------
    UnsupportedFileError, FileNotFoundError
        If a file cannot be read; the message names it.
    """
    from napari.utils.notifications import show_info

    from napari_bloodflow._napari.layers import fit_stretch, layer_data
    from napari_bloodflow._napari.session import get_session
    from napari_bloodflow.acquisition.acq_image import AcqImage

    viewer = viewer_of_caller()
    session = get_session(viewer) if viewer is not None else None
    layers: list[Any] = []
    read: set[str] = set()
    for item in [path] if isinstance(path, str) else path:
        acq = AcqImage(image_path_of(item))
        if acq.path in read:
            continue
        read.add(acq.path)
        shown = session.find(acq.path) if session is not None else None
        if session is not None and shown is not None:
            session.show_layers(shown)
            session.activate(shown)
            show_info(f"{session.blinding.label_of(acq)} is open already")
            continue
        bounds = acq.images.bounds
        canvas = viewer.canvas.size if viewer is not None else (600, 800)
        layers.extend(layer_data(acq, fit_stretch(bounds.num_rows, bounds.num_columns, canvas)))
    return layers or [(None,)]


def viewer_of_caller() -> ViewerModel | None:
    """Return the viewer that is opening a file right now, or None outside a viewer.

    napari tells a reader the path only, not the viewer, and the *current* viewer may be another
    one. The viewer whose method is calling is on the stack.
    """
    from napari.components import ViewerModel

    frame: FrameType | None = sys._getframe(1)
    while frame is not None:
        owner = frame.f_locals.get("self")
        if isinstance(owner, ViewerModel):
            return owner
        frame = frame.f_back
    return None
