"""Ask which file an image is to be saved as."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from qtpy.QtWidgets import QFileDialog

if TYPE_CHECKING:
    from qtpy.QtWidgets import QWidget

    from napari_bloodflow.acquisition.acq_image import AcqImage

__all__ = ["ask_for_image_file"]


def ask_for_image_file(parent: QWidget, acq: AcqImage) -> Path | None:
    """Ask which TIFF file an image that has none is to be saved as.

    Parameters
    ----------
    parent : QWidget
        Above which window.
    acq : AcqImage
        The image.

    Returns
    -------
    pathlib.Path or None
        With an extension; None if the user cancelled.
    """
    chosen, _ = QFileDialog.getSaveFileName(
        parent, "Save the image with ROIs and results", f"{acq.name}.tif", "TIFF (*.tif *.tiff)"
    )
    if not chosen:
        return None
    target = Path(chosen)
    return target if target.suffix else target.with_name(f"{target.name}.tif")
