"""Which calibration an acquisition uses, and from where."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

from napari_bloodflow.analysis.uneven import UnevenSteps
from napari_bloodflow.calibration import UNKNOWN_CALIBRATION, Calibration
from napari_bloodflow.storage.calibration import length_to_um, time_to_s

if TYPE_CHECKING:
    from collections.abc import Iterable

    from napari_bloodflow.acquisition.metadata import AcqImageHeader
    from napari_bloodflow.storage.calibration import CalibrationReading
    from napari_bloodflow.storage.scitiff_read import SciTiff

__all__ = [
    "calibration_of_header",
    "calibration_patch",
    "combine_readings",
    "disagreement",
    "doubts",
    "steps_of_header",
    "uneven_steps",
]

_TOLERANCE = 1e-3
_DX_UM_RANGE = (0.005, 10.0)
_DT_S_RANGE = (1e-5, 1.0)
_FRAME_SIZES = tuple(2**power for power in range(5, 13))


def combine_readings(
    readings: Iterable[CalibrationReading],
) -> tuple[float | None, float | None, str]:
    """Combine what an image file says; the first source of each step wins.

    Parameters
    ----------
    readings : iterable of CalibrationReading
        Best source first.

    Returns
    -------
    dt_s, dx_um : float or None
        Seconds per line and micrometres per pixel.
    source : str
        Who said so, ``"none"`` if nobody did.
    """
    dt_s = dx_um = None
    sources: list[str] = []
    for reading in readings:
        if dt_s is None and reading.dt_s is not None:
            dt_s = reading.dt_s
            sources.append(reading.source)
        if dx_um is None and reading.dx_um is not None:
            dx_um = reading.dx_um
            sources.append(reading.source)
    return dt_s, dx_um, " + ".join(dict.fromkeys(sources)) or "none"


def calibration_patch(dt_s: float | None, dx_um: float | None) -> dict[str, Any]:
    """Return the header fields for steps in seconds and micrometres; None is not known."""
    known_y, known_x = dt_s is not None, dx_um is not None
    return {
        "physical_unit_y": dt_s if known_y else 1.0,
        "physical_label_y": "seconds" if known_y else "Pixels",
        "physical_unit_x": dx_um if known_x else 1.0,
        "physical_label_x": "um" if known_x else "Pixels",
    }


def calibration_of_header(header: AcqImageHeader, source: str) -> Calibration:
    """Read the calibration fields of a header section.

    Parameters
    ----------
    header : AcqImageHeader
        Steps with their unit labels (``seconds``, ``ms``, ``um``, ``nm``...).
    source : str
        Who filled them in.

    Returns
    -------
    Calibration
        Unknown if a label is not a unit of time (rows) or length (columns).
    """
    dt_s, dx_um = steps_of_header(header)
    if dt_s is None or dx_um is None:
        return UNKNOWN_CALIBRATION
    return Calibration(dt_s, dx_um, source, is_known=True)


def steps_of_header(header: AcqImageHeader) -> tuple[float | None, float | None]:
    """Return seconds per line and micrometres per pixel, each None if it is not known.

    Parameters
    ----------
    header : AcqImageHeader
        Steps with their unit labels.
    """
    return (
        time_to_s(header.physical_unit_y, header.physical_label_y),
        length_to_um(header.physical_unit_x, header.physical_label_x),
    )


def uneven_steps(scitiff: SciTiff | None, calibration: Calibration) -> UnevenSteps:
    """Return the true places of all lines and pixels, where the calibration is their mean step.

    Parameters
    ----------
    scitiff : SciTiff or None
        Metadata of the image; None if it is no SciTiff.
    calibration : Calibration
        The calibration in use; where it was changed by hand, it is taken as it is.
    """
    reading = None if scitiff is None else scitiff.reading
    if scitiff is None or scitiff.time is None or reading is None or not calibration.is_known:
        return UnevenSteps()
    is_stated = (reading.dt_s == calibration.dt_s, reading.dx_um == calibration.dx_um)
    return UnevenSteps(
        scitiff.time.uneven_places if is_stated[0] else None,
        scitiff.position.uneven_places if is_stated[1] else None,
    )


def disagreement(first: Calibration, second: Calibration) -> str:
    """Say in words how two known calibrations differ; empty within 0.1 %."""
    clauses = []
    for name, unit, a, b in (
        ("line period", "s", first.dt_s, second.dt_s),
        ("pixel size", "um", first.dx_um, second.dx_um),
    ):
        if not math.isclose(a, b, rel_tol=_TOLERANCE):
            clauses.append(
                f"{name} {a:g} {unit} ({first.source}) or {b:g} {unit} ({second.source})"
            )
    return "; ".join(clauses)


def doubts(calibration: Calibration, num_columns: int) -> tuple[str, ...]:
    """Say in words what is hard to believe in a calibration.

    Parameters
    ----------
    calibration : Calibration
        Of a known calibration the steps are checked against what microscopes do.
    num_columns : int
        Pixels of the scanned line.

    Returns
    -------
    tuple of str
        Empty if there is no doubt.
    """
    if not calibration.is_known:
        return ()
    found = []
    dt_s, dx_um = calibration.dt_s, calibration.dx_um
    low, high = _DX_UM_RANGE
    if not low <= dx_um <= high:
        found.append(f"a pixel of {dx_um:g} um is outside {low:g} to {high:g} um")
    low, high = _DT_S_RANGE
    if not low <= dt_s <= high:
        found.append(f"a line of {dt_s:g} s is outside {low:g} to {high:g} s")
    # A reader that takes the size of a pixel for the period of a line divides the same length by
    # the width and by the height of a frame.
    ratio = dx_um * num_columns / dt_s
    if any(math.isclose(ratio, size, rel_tol=1e-6) for size in _FRAME_SIZES):
        found.append(
            f"line length over line period is exactly {ratio:.0f}, the size of a frame in pixels:"
            " the line period is probably a length"
        )
    return tuple(found)
