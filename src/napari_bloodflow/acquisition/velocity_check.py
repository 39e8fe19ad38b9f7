"""Velocities of other programs: which of them are the reciprocal of the speed."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from napari_bloodflow.analysis.radon_velocity import FORMULA_KEY, RadonVelocity
from napari_bloodflow.analysis.velocity_formula import (
    corrected_result,
    repaired_result,
    velocity_formula,
)

if TYPE_CHECKING:
    from napari_bloodflow.analysis.analysis_set import AnalysisSet
    from napari_bloodflow.analysis.base import AnalysisKey, AnalysisResult
    from napari_bloodflow.calibration import Calibration

__all__ = ["VelocityCheck"]


class VelocityCheck:
    """Shows the speed where a table holds its reciprocal, and remembers what it held.

    Parameters
    ----------
    analysis_set : AnalysisSet
        Analyses as they were loaded.
    """

    def __init__(self, analysis_set: AnalysisSet) -> None:
        self._analysis_set = analysis_set
        self._reciprocal: dict[AnalysisKey, tuple[AnalysisResult, AnalysisResult]] = {}

    def correct(self, calibration: Calibration) -> list[tuple[AnalysisKey, str, str]]:
        """Check what was loaded, and put speeds in place of their reciprocals.

        Parameters
        ----------
        calibration : Calibration
            Of the image.

        Returns
        -------
        list of tuple
            Key, what is wrong with its table, and what was done about it.
        """
        self._reciprocal.clear()
        report = []
        for analysis in self._analysis_set:
            found = analysis.result
            table = found.table
            if (
                analysis.key.analysis_name != RadonVelocity.analysis_name
                or FORMULA_KEY in found.summary
                or table is None
                or not {"theta_deg", "velocity"} <= set(table.columns)
            ):
                continue
            theta_deg, velocity = (
                pd.to_numeric(table[c], errors="coerce").to_numpy(dtype=float, copy=True)
                for c in ("theta_deg", "velocity")
            )
            theta_deg[~np.isfinite(theta_deg)] = np.nan
            formula = velocity_formula(theta_deg, velocity, calibration)
            if formula == "reciprocal":
                table = table.assign(theta_deg=theta_deg, velocity=velocity)
                corrected = corrected_result(found.summary, table, calibration)
                self._reciprocal[analysis.key] = (found, corrected)
                analysis.set_result(corrected)
                what = "velocity was written as (dx/dt)/tan(theta), the reciprocal of the speed"
                action = (
                    "it is shown as (dx/dt)*tan(theta); the file is unchanged until it is repaired"
                    " or measured again"
                )
                report.append((analysis.key, what, action))
            elif formula == "neither":
                what = "velocity does not follow from theta_deg, the column may have been edited"
                action = "it is shown as it is in the file; measure again to be sure"
                report.append((analysis.key, what, action))
        return report

    @property
    def reciprocal(self) -> tuple[AnalysisKey, ...]:
        """Analyses that are shown corrected while their files are not."""
        return tuple(
            key
            for key, (_, corrected) in self._reciprocal.items()
            if (analysis := self._analysis_set.get(key)) is not None
            and analysis.result is corrected
        )

    def repair(self) -> tuple[AnalysisKey, ...]:
        """Make the corrected results new ones, which the next save writes; return their keys."""
        keys = self.reciprocal
        for key in keys:
            self._analysis_set[key].set_result(repaired_result(*self._reciprocal.pop(key)))
            self._analysis_set.updated.emit(key)
        return keys
