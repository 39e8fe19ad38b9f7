"""SciTiff files as every release of the scitiff package reads them with their metadata."""

from __future__ import annotations

import json
import math
import os
import warnings
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, cast

import numpy as np
import tifffile

from napari_bloodflow.errors import BloodflowError, SaveError
from napari_bloodflow.storage.atomic import (
    Patience,
    may_exist,
    naming,
    remove,
    staged_name,
    sync_folder,
)
from napari_bloodflow.storage.scitiff_axes import kept_axes
from napari_bloodflow.storage.scitiff_model import DIMS, parse_document
from napari_bloodflow.storage.scitiff_read import METADATA_KEY
from napari_bloodflow.storage.tiff import TiffPixels, read_tiff_header
from napari_bloodflow.storage.units import is_writable_unit

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

    from numpy.typing import NDArray

    from napari_bloodflow.storage.scitiff_axes import SciTiffAxis
    from napari_bloodflow.storage.scitiff_model import Variable

__all__ = ["NewSciTiff", "coordinate", "extra_entry", "rewritten", "write_scitiff"]

_SCHEMA_VERSION = "26.7.0"
_CLASSIC_LIMIT = 2**32 - 2**25  # bytes of pixels; room for the tags
_DX_UM_RANGE = (1e-6, 1e6)  # what fits a fraction of two 32-bit numbers, with digits left


@dataclass(frozen=True, slots=True)
class NewSciTiff:
    """What to write.

    Parameters
    ----------
    pixels : ndarray, shape (t, z, c, y, x)
        Pixels, of type float32.
    unit : str or None
        Unit of the pixels.
    coords, masks : dict
        JSON objects by name, see :func:`coordinate` and :func:`rewritten`.
    name : str
        Name of the image, or empty.
    extra : dict
        Texts, numbers and booleans by name, see :func:`extra_entry`.
    daq, process : dict, optional
        Written if not None. Most releases read fewer forms of them than the latest one.
    """

    pixels: NDArray[np.float32]
    unit: str | None = None
    coords: Mapping[str, Any] = field(default_factory=dict)
    masks: Mapping[str, Any] = field(default_factory=dict)
    name: str = ""
    extra: Mapping[str, Any] = field(default_factory=dict)
    daq: Mapping[str, Any] | None = None
    process: Mapping[str, Any] | None = None


def coordinate(dim: str, size: int, step: float, unit: str) -> dict[str, Any]:
    """Return a uniform coordinate that starts at zero, as a JSON object.

    Parameters
    ----------
    dim : str
        Its dimension.
    size : int
        Pixels along it.
    step : float
        From pixel to pixel.
    unit : str
        As scipp spells it: ``"s"``, ``"µm"``.
    """
    return _object([dim], [size], unit, "float64", (np.arange(size) * step).tolist())


def rewritten(variable: Variable, names: Mapping[str, str]) -> tuple[dict[str, Any] | None, str]:
    """Return a coordinate or mask as it can be written, and what is lost.

    Parameters
    ----------
    variable : Variable
        As it was read.
    names : mapping of str to str
        New names of dimensions that are renamed.

    Returns
    -------
    entry : dict or None
        The JSON object; None if no release could read it.
    loss : str
        What is not written, as a clause; empty if all is.
    """
    values, unit, loss = variable.values, variable.unit, ""
    kind = values.dtype.kind
    if kind in "UM" and values.ndim == 2:
        return None, "a table of texts cannot be written"
    if kind == "f" and not np.isfinite(values).all():
        return None, "values that are not finite cannot be written"
    if not is_writable_unit(unit) and kind != "M":
        unit, loss = None, f"the unit {unit!s:.40} is not known and was left out"
    plain: Any = values.astype(np.float64) if kind in "ib" else values
    if kind == "M":
        # With all digits of its unit; the package cannot read back all that it writes itself.
        plain = np.asarray(np.datetime_as_string(values))
    dtype = {"f": "float64", "i": "int64", "b": "bool", "U": "string", "M": "datetime64"}[kind]
    if variable.dtype in ("float32", "int32") and variable.dtype[:1] == dtype[:1]:
        dtype = variable.dtype
    dims = [names.get(dim, dim) for dim in variable.dims]
    return _object(dims, list(values.shape), unit, dtype, plain.tolist()), loss


def extra_entry(value: Any) -> str | int | float | bool | dict[str, Any]:
    """Return a value as it may stand in ``extra``: structures become JSON text.

    Parameters
    ----------
    value : object
        Anything that JSON can hold.
    """
    if isinstance(value, str | bool) or _is_finite(value):
        return cast("str | int | float | bool", value)
    if isinstance(value, dict) and _is_scalar_variable(value):
        return value
    return json.dumps(value)


def write_scitiff(path: Path, image: NewSciTiff, *, overwrite: bool = False) -> None:
    """Write a file, read it again to compare, and only then give it its name.

    Parameters
    ----------
    path : pathlib.Path
        The file.
    image : NewSciTiff
        What to write.
    overwrite : bool
        Whether a file of that name is replaced.

    Raises
    ------
    SaveError
        If there is a file of that name, or it cannot be written; nothing is left then.
    """
    text = json.dumps(_document(image), ensure_ascii=True, allow_nan=False)
    staged = path.with_name(staged_name(path, path.name))
    try:
        with naming(path):
            with open(staged, "xb") as file:
                _write(file, image.pixels, text)
                file.flush()
                os.fsync(file.fileno())
            _verify(staged, path, image)
            if may_exist(path) and not overwrite:
                raise SaveError(path, "exists already")
            Patience()(os.replace, staged, path)
            sync_folder(path.parent)
    finally:
        remove(staged)


def _object(
    dims: Sequence[str], shape: Sequence[int], unit: str | None, dtype: str, values: Any
) -> dict[str, Any]:
    return {
        "dims": list(dims),
        "shape": list(shape),
        "unit": unit,
        "dtype": dtype,
        "values": values,
    }


def _is_finite(value: Any) -> bool:
    """Tell whether a value is a number that a float can hold."""
    try:
        return isinstance(value, int | float) and math.isfinite(value)
    except OverflowError:
        return False


def _is_scalar_variable(value: Mapping[str, Any]) -> bool:
    plain = value.get("values")
    return (
        value.keys() >= {"unit", "dtype", "values"}
        and not value.get("dims")
        and (_is_finite(plain) or isinstance(plain, str))
        and isinstance(value["dtype"], str)
        and (value["dtype"] == "datetime64" or is_writable_unit(value["unit"]))
    )


def _document(image: NewSciTiff) -> dict[str, Any]:
    data = {
        "dims": list(DIMS),
        "shape": list(image.pixels.shape),
        "unit": image.unit,
        "dtype": "float32",
    }
    described = {
        "data": data,
        "coords": dict(image.coords),
        "masks": dict(image.masks),
        "name": image.name or None,
    }
    document: dict[str, Any] = {"image": described, "schema_version": _SCHEMA_VERSION}
    parts = {"daq": image.daq, "process": image.process, "extra": image.extra or None}
    return document | {key: dict(part) for key, part in parts.items() if part is not None}


def _write(file: Any, pixels: NDArray[np.float32], text: str) -> None:
    calibration, resolution = _imagej_calibration(kept_axes(parse_document(text))[0])
    metadata = {**calibration, METADATA_KEY: text}
    if pixels.shape[-1] > 1 or pixels.shape[2] == 1:
        # or tifffile moves the axes where x is 1; with channels it could then not read its file
        metadata["axes"] = "TZCYX"
    is_large = pixels.nbytes > _CLASSIC_LIMIT
    with warnings.catch_warnings():
        if is_large:  # tifffile warns that ImageJ has no such format; Fiji reads it
            warnings.simplefilter("ignore", UserWarning)
        tifffile.imwrite(
            file, pixels, imagej=True, bigtiff=is_large, resolution=resolution, metadata=metadata
        )


def _imagej_calibration(
    axes: Sequence[SciTiffAxis],
) -> tuple[dict[str, Any], tuple[float, float] | None]:
    """Return the steps as ImageJ reads them: entries of the description, and the resolution."""
    steps_um = {a.dim: step for a in axes if (step := a.stated_step("length")) is not None}
    steps_s = {a.dim: step for a in axes if (step := a.stated_step("time")) is not None}
    low, high = _DX_UM_RANGE
    has_x = any(axis.dim == "x" for axis in axes)
    dx = steps_um.get("x" if has_x else "y")
    metadata: dict[str, Any] = {}
    if "t" in steps_s:
        metadata["finterval"] = steps_s["t"]
    if dx is None or not low <= dx <= high:
        return metadata, None
    metadata["unit"] = "um"
    dy = steps_um.get("y", dx)
    if low <= steps_s.get("y", 0) <= high:
        metadata["yunit"], dy = "s", steps_s["y"]
    if "z" in steps_um:
        metadata["spacing"] = steps_um["z"]
    return metadata, (1 / dx, 1 / (dy if low <= dy <= high else dx))


def _verify(staged: Path, path: Path, image: NewSciTiff) -> None:
    """Raise if the file does not give back what was written."""
    try:
        header = read_tiff_header(staged)
        pixels = TiffPixels(header)
        found = header.scitiff
        wanted = np.moveaxis(image.pixels, 2, 0)
        is_same = (
            found is not None
            and found.document.shape == image.pixels.shape
            and found.document.coords.keys() == image.coords.keys()
            and found.document.masks.keys() == image.masks.keys()
            and all(
                np.array_equal(
                    pixels.volume(channel).reshape(wanted[channel].shape),
                    wanted[channel],
                    equal_nan=True,
                )
                for channel in range(len(wanted))
            )
        )
        pixels.close()
    except BloodflowError as error:
        raise SaveError(path, f"cannot be read back after writing ({error})") from error
    if not is_same:
        raise SaveError(path, "does not read back as it was written; nothing was kept")
