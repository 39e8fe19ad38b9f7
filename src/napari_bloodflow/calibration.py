"""Physical size of one row and one column of a kymograph, and who says so."""

from __future__ import annotations

from dataclasses import dataclass

__all__ = ["UNKNOWN_CALIBRATION", "Calibration", "pretty_unit"]


@dataclass(frozen=True, slots=True)
class Calibration:
    """Steps of a kymograph along time (rows) and along the scanned line (columns).

    Parameters
    ----------
    dt_s : float
        Seconds per line. 1.0 when unknown.
    dx_um : float
        Micrometres per pixel. 1.0 when unknown.
    source : str
        Where the numbers come from: ``"user"``, ``"SciTiff"``, ``"ImageJ"``, ``"OME"``,
        ``"Olympus txt"``, ``"Bruker xml"``, ``"ScanImage"``, ``"FluoView"``, ``"LSM"``,
        ``"Micro-Manager"``, ``"TIFF resolution"``, ``"layer"``, ``"array"``, ``"sidecar"``,
        ``"none"``.
    is_known : bool
        False when either step is unknown; results are then in pixels and lines.

    Raises
    ------
    ValueError
        If a step is not a finite number above zero.
    """

    dt_s: float = 1.0
    dx_um: float = 1.0
    source: str = "none"
    is_known: bool = False

    def __post_init__(self) -> None:
        for name, step in (("dt_s", self.dt_s), ("dx_um", self.dx_um)):
            if not 0 < step < float("inf"):
                raise ValueError(f"{name} must be a finite number above zero, not {step!r}")

    @property
    def time_unit(self) -> str:
        """Unit of times: ``"s"``, or ``"lines"`` when the calibration is unknown."""
        return "s" if self.is_known else "lines"

    @property
    def position_unit(self) -> str:
        """Unit of positions: ``"um"``, or ``"px"`` when the calibration is unknown."""
        return "um" if self.is_known else "px"

    @property
    def velocity_unit(self) -> str:
        """Unit of velocities: ``"um/s"``, or ``"px/line"`` when the calibration is unknown."""
        return f"{self.position_unit}/{'s' if self.is_known else 'line'}"

    def __str__(self) -> str:
        if not self.is_known:
            return "not calibrated: results are in pixels and lines"
        return f"{self.dt_s * 1e3:.6g} ms/line, {self.dx_um:.6g} µm/px (from {self.source})"


UNKNOWN_CALIBRATION = Calibration()
"""One line and one pixel as units."""


def pretty_unit(unit: str) -> str:
    """Return a unit as people write it, ``"µm/s"`` for ``"um/s"``."""
    return unit.replace("um", "µm")
