"""npe2 writer: the ROIs and results of a kymograph, as sidecar files."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from napari_bloodflow._napari.layers import MARK_KEY, LayerMark
from napari_bloodflow.errors import SaveError

__all__ = ["write_sidecars"]


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
    marks = [arguments.get("metadata", {}).get(MARK_KEY) for _, arguments, _ in layers]
    acquisitions = {mark.acq for mark in marks if isinstance(mark, LayerMark)}
    if len(acquisitions) != 1:
        raise SaveError(
            path,
            "select the image and the ROI layer of one kymograph that was opened by"
            " napari-bloodflow",
        )
    acq = acquisitions.pop()
    target = Path(path).expanduser().resolve()
    if target == Path(acq.get_sidecar_json_path()):
        acq.save()
        return [str(file) for file in acq.get_sidecar_paths()]
    return [str(file) for file in acq.save_copy(target)]
