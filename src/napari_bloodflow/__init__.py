"""Blood flow from line-scan kymographs, in napari, notebooks and the command line.

Rows of a kymograph are time, columns are position along the scanned line. Names are imported on
first use; napari and Qt are imported by :func:`open_in_viewer` and :func:`use_layer` only.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from napari_bloodflow._napari.session import open_in_viewer
    from napari_bloodflow._napari.use_layer import use_layer
    from napari_bloodflow._version import __version__
    from napari_bloodflow.acquisition.acq_image import AcqImage
    from napari_bloodflow.acquisition.acq_image_list import AcqImageList
    from napari_bloodflow.acquisition.contrast import ImageContrast
    from napari_bloodflow.acquisition.roi import (
        ImageBounds,
        LineEndpoints,
        LineROI,
        RectROI,
        RectRoiBounds,
    )
    from napari_bloodflow.acquisition.roi_set import RoiSet
    from napari_bloodflow.analysis.accuracy_atlas import accuracy_atlas
    from napari_bloodflow.analysis.base import AnalysisKey, RunContext
    from napari_bloodflow.analysis.velocity_window import suggest_window
    from napari_bloodflow.analysis.vessel_place import find_vessel
    from napari_bloodflow.calibration import Calibration

_HOMES = {
    "AcqImage": "acquisition.acq_image",
    "AcqImageList": "acquisition.acq_image_list",
    "AnalysisKey": "analysis.base",
    "Calibration": "calibration",
    "ImageBounds": "acquisition.roi",
    "ImageContrast": "acquisition.contrast",
    "LineEndpoints": "acquisition.roi",
    "LineROI": "acquisition.roi",
    "RectROI": "acquisition.roi",
    "RectRoiBounds": "acquisition.roi",
    "RoiSet": "acquisition.roi_set",
    "RunContext": "analysis.base",
    "__version__": "_version",
    "accuracy_atlas": "analysis.accuracy_atlas",
    "find_vessel": "analysis.vessel_place",
    "open_in_viewer": "_napari.session",
    "suggest_window": "analysis.velocity_window",
    "use_layer": "_napari.use_layer",
}

__all__ = [
    "AcqImage",
    "AcqImageList",
    "AnalysisKey",
    "Calibration",
    "ImageBounds",
    "ImageContrast",
    "LineEndpoints",
    "LineROI",
    "RectROI",
    "RectRoiBounds",
    "RoiSet",
    "RunContext",
    "__version__",
    "accuracy_atlas",
    "find_vessel",
    "open_in_viewer",
    "suggest_window",
    "use_layer",
]


def __getattr__(name: str) -> Any:
    try:
        home = _HOMES[name]
    except KeyError:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}") from None
    return getattr(import_module(f"{__name__}.{home}"), name)


def __dir__() -> list[str]:
    return __all__
