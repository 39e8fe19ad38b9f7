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
    "explain_readings",
    "readings_disagree",
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


def readings_disagree(readings: Iterable[CalibrationReading]) -> str:
    """Say in words where sources of one image differ by more than 0.1 %; empty if nowhere.

    Parameters
    ----------
    readings : iterable of CalibrationReading
        Best source first; each step is compared with that of the first source that states it.

    Returns
    -------
    str
        ``"line period 0.001 s (OME) or 0.002 s (ImageJ)"``.
    """
    clauses = []
    every = list(readings)
    for name, unit, field in (("line period", "s", "dt_s"), ("pixel size", "µm", "dx_um")):
        stated = [(getattr(r, field), r.source) for r in every if getattr(r, field) is not None]
        differing = [
            one for one in stated if not math.isclose(one[0], stated[0][0], rel_tol=_TOLERANCE)
        ]
        if differing:
            texts = [f"{value:g} {unit} ({source})" for value, source in (stated[0], *differing)]
            clauses.append(f"{name} {' or '.join(texts)}")
    return "; ".join(clauses)


def explain_readings(
    readings: Iterable[CalibrationReading], notes: Iterable[str], source: str
) -> tuple[str, ...]:
    """List every calibration that was found, and what became of it.

    Parameters
    ----------
    readings : iterable of CalibrationReading
        What the image and the files beside it say, best source first.
    notes : iterable of str
        Why a value that is present was not used.
    source : str
        Source of the calibration in use, as :attr:`Calibration.source`.

    Returns
    -------
    tuple of str
        One line per source, then the notes. Never empty.
    """
    lines = []
    dt_s: float | None = None
    dx_um: float | None = None
    for reading in readings:
        used = [
            name
            for name, known, stated in (
                ("line period", dt_s, reading.dt_s),
                ("pixel size", dx_um, reading.dx_um),
            )
            if known is None and stated is not None
        ]
        dt_s = reading.dt_s if dt_s is None else dt_s
        dx_um = reading.dx_um if dx_um is None else dx_um
        fate = f"{' and '.join(used)} used" if used else "not used: a source above says it"
        if source in {"user", "sidecar"}:
            fate = f"not used: the calibration comes from the {source}"
        lines.append(f"{reading.source}: {reading.detail} ({fate})")
    missing = [n for n, step in (("line period", dt_s), ("pixel size", dx_um)) if step is None]
    if missing:
        lines.append(f"the image does not say: {' and '.join(missing)}")
    return (*lines, *notes)


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
        ("pixel size", "µm", first.dx_um, second.dx_um),
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
        found.append(f"a pixel of {dx_um:g} µm is outside {low:g} to {high:g} µm")
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
