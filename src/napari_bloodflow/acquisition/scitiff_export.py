"""An acquisition as a SciTiff file, with its calibration, ROIs and results."""

from __future__ import annotations

import json
import math
from typing import TYPE_CHECKING, Any

import numpy as np

from napari_bloodflow._version import __version__
from napari_bloodflow.acquisition.calibration_choice import steps_of_header
from napari_bloodflow.errors import SaveError, UnsupportedFileError
from napari_bloodflow.storage.atomic import may_exist, real_path
from napari_bloodflow.storage.scitiff_write import (
    NewSciTiff,
    coordinate,
    extra_entry,
    rewritten,
    write_scitiff,
)
from napari_bloodflow.storage.sidecar import encode_sidecar, sidecar_path
from napari_bloodflow.storage.tiff import TIFF_EXTENSIONS, read_tiff_header
from napari_bloodflow.storage.units import is_writable_unit

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from numpy.typing import NDArray

    from napari_bloodflow.acquisition.images import AcqImages
    from napari_bloodflow.storage.scitiff_read import SciTiff

__all__ = ["export_scitiff"]

_VERSION_KEY = "napari_bloodflow_version"
_ROIS_KEY = "napari_bloodflow_rois"
_RESULTS_KEY = "napari_bloodflow_results"


def export_scitiff(
    images: AcqImages, document: Mapping[str, Any], path: Path, *, overwrite: bool
) -> tuple[str, ...]:
    """Write an image with its ROIs and results; see :meth:`AcqImage.export_scitiff`.

    Parameters
    ----------
    images : AcqImages
        The image.
    document : mapping
        Its sidecar, with ``rois`` and ``analysis``.
    path : pathlib.Path
        The file.
    overwrite : bool
        Whether an earlier export is replaced.

    Returns
    -------
    tuple of str
        What could not be written as it is.

    Raises
    ------
    SaveError
        If the path is not free for an export, or the file cannot be written.
    """
    path = real_path(path.expanduser())
    _check_target(path, images.path, overwrite=overwrite)
    losses: list[str] = []
    scitiff = images.scitiff
    own = {
        _VERSION_KEY: __version__,
        _ROIS_KEY: json.dumps(_strict(document.get("rois", []))),
        _RESULTS_KEY: json.dumps(_strict(document.get("analysis", []))),
    }
    if scitiff is None:
        new = _from_plain(images, own, losses)
    else:
        try:
            new = _from_scitiff(images, scitiff, own, losses)
        except RecursionError:
            raise SaveError(path, "the metadata of the image are nested too deep") from None
    write_scitiff(path, new, overwrite=overwrite)
    return tuple(losses)


def _check_target(path: Path, source: Path, *, overwrite: bool) -> None:
    if path.suffix.lower() not in TIFF_EXTENSIONS:
        raise SaveError(path, f"is not a name of a TIFF file ({', '.join(TIFF_EXTENSIONS)})")
    if path == real_path(source):
        raise SaveError(path, "is the image itself, which is never written; choose another name")
    if not may_exist(path):
        return
    if not overwrite:
        raise SaveError(path, "exists already; choose another name")
    if may_exist(sidecar_path(path)) or not _is_export(path):
        reason = "is an image of its own, not an earlier export; choose another name"
        raise SaveError(path, reason)


def _is_export(path: Path) -> bool:
    try:
        found = read_tiff_header(path).scitiff
    except (UnsupportedFileError, OSError):
        return False
    return found is not None and _VERSION_KEY in _dict_of(found.document.extra)


def _from_plain(images: AcqImages, own: dict[str, Any], losses: list[str]) -> NewSciTiff:
    """Put the lines on t, or on y where the image has frames as well."""
    sizes, dims = images.sizes, images.dims.replace("C", "")
    channels = []
    for channel in range(images.num_channels):
        volume = images.get_volume(channel)
        order = [dims.index(axis) for axis in "TZYX" if axis in dims]
        shape = [sizes.get(axis, 1) for axis in "TZYX"]
        channels.append(volume.transpose(order).reshape(shape))
    pixels = np.stack(channels, axis=2)
    rows = "y"
    if pixels.shape[0] == 1:
        pixels, rows = pixels.swapaxes(0, 3), "t"
    coords = _own_coords(images, rows, "x")
    return NewSciTiff(_as_float32(pixels, losses), coords=coords, name=images.path.stem, extra=own)


def _from_scitiff(
    images: AcqImages, scitiff: SciTiff, own: dict[str, Any], losses: list[str]
) -> NewSciTiff:
    """Write what was there, with the lines on t and the calibration of now."""
    document = scitiff.document
    sizes = document.sizes
    shape = [sizes[dim] for dim in "tzyx"]
    channels = [images.get_volume(channel).reshape(shape) for channel in range(sizes["c"])]
    pixels = np.stack(channels, axis=2)
    described = [("coords", *item) for item in document.coords.items()]
    described += [("masks", *item) for item in document.masks.items()]
    is_t_free = sizes["t"] == 1 and not any(
        name == "t" or "t" in variable.dims for _, name, variable in described
    )
    names = {}
    if scitiff.time is not None and scitiff.time.dim == "y" and is_t_free:
        pixels, names = pixels.swapaxes(0, 3), {"y": "t"}
    parts: dict[str, dict[str, Any]] = {"coords": {}, "masks": {}}
    for kind, name, variable in described:
        entry, loss = rewritten(variable, names)
        if entry is not None:
            parts[kind][names.get(name, name)] = entry
        if loss:
            losses.append(f"{kind}.{name}: {loss}")
    _write_roles(scitiff, parts["coords"], losses)
    if scitiff.time is not None:
        rows = names.get(scitiff.time.dim, scitiff.time.dim)
        _recalibrate(images, scitiff, rows, parts["coords"])
    unit = document.unit
    if not is_writable_unit(unit):
        losses.append(f"the unit of the pixels, {unit!s:.40}, is not known and was left out")
        unit = None
    for part in ("daq", "process", "extra"):
        if not isinstance(getattr(document, part), dict | None):
            losses.append(f"{part}: it is not an object")
    extra = _dict_of(document.extra) | own
    return NewSciTiff(
        _as_float32(pixels, losses),
        unit,
        parts["coords"],
        parts["masks"],
        document.name or images.path.stem,
        {key: extra_entry(value) for key, value in extra.items()},
        _filled(document.daq),
        _filled(document.process),
    )


def _write_roles(scitiff: SciTiff, coords: dict[str, Any], losses: list[str]) -> None:
    """Spell the roles of channels as the latest release does; it stops at ones given twice."""
    roles = [channel.role for channel in scitiff.channels]
    if "channel" not in roles and "values" in coords.get("c", {}):
        coords["c"]["values"] = roles if coords["c"]["dims"] else roles[0]
    elif any(note.code == "roles-unresolved" for note in scitiff.notes):
        del coords["c"]
        losses.append("coords.c: names that stand for parts of one image, but not each once")


def _recalibrate(images: AcqImages, scitiff: SciTiff, rows: str, coords: dict[str, Any]) -> None:
    """Replace the coordinates that are not those of the calibration in use."""
    reading = scitiff.reading
    stated = (None, None) if reading is None else (reading.dt_s, reading.dx_um)
    columns = scitiff.position.dim
    own = _own_coords(images, rows, columns)
    for dim, step, said in zip(
        (rows, columns), steps_of_header(images.header), stated, strict=True
    ):
        if step is not None and not (said and math.isclose(step, said, rel_tol=1e-9)):
            coords[dim] = own[dim]


def _own_coords(images: AcqImages, rows: str, columns: str) -> dict[str, Any]:
    """Return the coordinates that follow from the calibration in use, as far as it is known."""
    dt_s, dx_um = steps_of_header(images.header)
    coords = {}
    if dt_s is not None:
        coords[rows] = coordinate(rows, images.bounds.num_rows, dt_s, "s")
    if dx_um is not None:
        coords[columns] = coordinate(columns, images.bounds.num_columns, dx_um, "µm")
    return coords


def _as_float32(pixels: NDArray[Any], losses: list[str]) -> NDArray[np.float32]:
    with np.errstate(over="ignore"):
        converted = pixels.astype(np.float32)
    if not np.can_cast(pixels.dtype, np.float32) and not np.array_equal(
        converted, pixels, equal_nan=pixels.dtype.kind == "f"
    ):
        losses.append(f"pixels of type {pixels.dtype} were rounded: the format has float32 only")
    return converted


def _dict_of(value: Any) -> dict[str, Any]:
    return dict(value) if isinstance(value, dict) else {}


def _filled(value: Any) -> dict[str, Any] | None:
    """Leave out what is empty: older releases stop at an empty list where they have a text."""
    filled = {key: item for key, item in _dict_of(value).items() if item not in (None, "", [], {})}
    return _strict(filled) or None


def _strict(value: Any) -> Any:
    """Return a value as strict JSON has it, with null for what is not finite."""
    return json.loads(encode_sidecar({"value": value}))["value"]
