"""npe2 writers: ROIs and results of a kymograph as sidecar files, or all of it as SciTiff."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

from napari_bloodflow._napari.layers import MARK_KEY, LayerMark
from napari_bloodflow.errors import SaveError

if TYPE_CHECKING:
    from napari_bloodflow.acquisition.acq_image import AcqImage

__all__ = ["write_scitiff", "write_sidecars"]


def write_sidecars(path: str, layers: list[tuple[Any, dict[str, Any], str]]) -> list[str]:
    """Save the sidecar files of the acquisition that the layers show.

    Parameters
    ----------
    path : str
        The sidecar of the acquisition, or another file for a copy.
    layers : list of tuple
        Layer data of the image and its ROIs.

    Returns
    -------
    list of str
        The files that hold the acquisition's state now.

    Raises
    ------
    SaveError
        If the layers are not of one acquisition of this plugin, or a file cannot be written.
    """
    acq = _acquisition_of(path, layers)
    target = Path(path).expanduser().resolve()
    if target == Path(acq.get_sidecar_json_path()):
        acq.save()
        return [str(file) for file in acq.get_sidecar_paths()]
    return [str(file) for file in acq.save_copy(target)]


def write_scitiff(path: str, layers: list[tuple[Any, dict[str, Any], str]]) -> list[str]:
    """Save the acquisition that the layers show as a SciTiff file.

    What could not be written as it is, is told in a warning.

    Parameters
    ----------
    path : str
        The file; an earlier export of that name is replaced, any other image is not.
    layers : list of tuple
        Layer data of the image and its ROIs.

    Returns
    -------
    list of str
        The file.

    Raises
    ------
    SaveError
        If the layers are not of one acquisition of this plugin, or the file cannot be written.
    """
    from napari.utils.notifications import show_warning

    acq = _acquisition_of(path, layers)
    losses = acq.export_scitiff(path, overwrite=True)
    if losses:
        show_warning(f"{Path(path).name} was written, but {'; '.join(losses)}")
    return [path]


def _acquisition_of(path: str, layers: list[tuple[Any, dict[str, Any], str]]) -> AcqImage:
    marks = [arguments.get("metadata", {}).get(MARK_KEY) for _, arguments, _ in layers]
    acquisitions = {mark.acq for mark in marks if isinstance(mark, LayerMark)}
    if len(acquisitions) != 1:
        raise SaveError(
            path,
            "select the image and the ROI layer of one image that was opened by napari-bloodflow",
        )
    return acquisitions.pop()
