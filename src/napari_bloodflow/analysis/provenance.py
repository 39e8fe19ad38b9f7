"""What a result was made from, stored with it, and whether that is still so."""

from __future__ import annotations

import math
from dataclasses import replace
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

import numpy as np
from pandas.api.types import is_bool_dtype, is_numeric_dtype

from napari_bloodflow._version import __version__

if TYPE_CHECKING:
    from collections.abc import Mapping

    import pandas as pd

    from napari_bloodflow.analysis.base import AnalysisResult, AnalysisState, ParentInputs

__all__ = [
    "PROVENANCE_KEY",
    "changes_of_parent",
    "changes_of_state",
    "is_of_axes",
    "make_provenance",
    "run_stamp",
    "sealed",
    "stale_reasons",
]

PROVENANCE_KEY = "provenance"
"""Key of the block inside a summary; CloudScope keeps it over a load and save."""
_TABLE_KEY = "table_checksums"
_PARENT_KEY = "parent"
_SWAPPED_KEY = "axes_swapped"
_PERIOD = 7
_ROI_IS_GONE = "its ROI is gone"


def make_provenance(
    state: AnalysisState,
    params: Mapping[str, Any],
    algorithm: str,
    algorithm_version: int,
    parent: ParentInputs | None = None,
) -> dict[str, Any]:
    """Describe what a result was made from.

    Parameters
    ----------
    state : AnalysisState
        Calibration and geometry used.
    params : mapping
        Detection parameters used.
    algorithm : str
        Name of the method.
    algorithm_version : int
        Raised whenever the method's numbers change.
    parent : ParentInputs, optional
        What the result was derived from.

    Returns
    -------
    dict
        Plain values, fit for JSON.
    """
    made = {
        "software": f"napari-bloodflow {__version__}",
        "algorithm": algorithm,
        "algorithm_version": algorithm_version,
        "created_utc": datetime.now(UTC).isoformat(timespec="seconds"),
        "detection_params": dict(params),
        **_described(state),
    }
    if parent is not None:
        made[_PARENT_KEY] = _described_parent(parent.analysis_name, parent.result)
    return made


def run_stamp(analysis_version: int) -> dict[str, Any]:
    """Return the summary keys by which CloudScope dates a run, in local time."""
    now = datetime.now()
    return {
        "analysis_date": now.strftime("%y%m%d"),
        "analysis_time": now.strftime("%H:%M:%S.") + f"{now.microsecond // 1000:03d}",
        "analysis_version": analysis_version,
    }


def sealed(result: AnalysisResult) -> AnalysisResult:
    """Return a result whose provenance tells what its table held.

    Parameters
    ----------
    result : AnalysisResult
        As measured. Without provenance or table it is returned as it is.
    """
    made = result.summary.get(PROVENANCE_KEY)
    if not isinstance(made, dict) or result.table is None:
        return result
    seal = {**made, _TABLE_KEY: _checksums(result.table)}
    return replace(result, summary={**result.summary, PROVENANCE_KEY: seal})


def stale_reasons(
    result: AnalysisResult, state: AnalysisState | None, params: Mapping[str, Any]
) -> tuple[str, ...]:
    """Compare a result's provenance with the present.

    Parameters
    ----------
    result : AnalysisResult
        The result.
    state : AnalysisState or None
        The present state; None if the ROI is gone.
    params : mapping
        The present detection parameters.

    Returns
    -------
    tuple of str
        Reasons in words, empty if nothing changed or the summary has no provenance.
    """
    made = result.summary.get(PROVENANCE_KEY)
    if not isinstance(made, dict):
        return ()
    if state is None:
        return (_ROI_IS_GONE,)
    reasons = _differences(made, state)
    if made.get("detection_params") != dict(params):
        reasons.append("the parameters changed")
    if isinstance(sums := made.get(_TABLE_KEY), dict) and not _has_checksums(result.table, sums):
        reasons.append("its table was edited, or is gone")
    return tuple(reasons)


def changes_of_parent(
    result: AnalysisResult, parent_name: str, parent: AnalysisResult
) -> tuple[str, ...]:
    """Say in words how the result that another one was derived from changed since.

    Parameters
    ----------
    result : AnalysisResult
        The derived result, with provenance.
    parent_name : str
        Kind of the analysis it was derived from.
    parent : AnalysisResult
        The present result of that analysis.

    Returns
    -------
    tuple of str
        Reasons in words, empty if nothing changed.
    """
    made = result.summary.get(PROVENANCE_KEY)
    used = made.get(_PARENT_KEY) if isinstance(made, dict) else None
    if not isinstance(used, dict):
        return ()
    if used.get("created_utc") != _created(parent):
        return (f"its {parent_name} was measured again",)
    sums = used.get(_TABLE_KEY)
    if isinstance(sums, dict) and not _has_checksums(parent.table, sums):
        return (f"its {parent_name} has other values now",)
    return ()


def is_of_axes(result: AnalysisResult, *, axes_swapped: bool) -> bool:
    """Tell whether a result was measured with the axes as they are now."""
    made = result.summary.get(PROVENANCE_KEY)
    was_swapped = isinstance(made, dict) and made.get(_SWAPPED_KEY) is True
    return was_swapped == axes_swapped


def changes_of_state(before: AnalysisState, now: AnalysisState | None) -> tuple[str, ...]:
    """Say in words what changed between two states; None if the ROI is gone."""
    return (_ROI_IS_GONE,) if now is None else tuple(_differences(_described(before), now))


def _described_parent(name: str, parent: AnalysisResult) -> dict[str, Any]:
    sums = {} if parent.table is None else _checksums(parent.table)
    return {"analysis_name": name, "created_utc": _created(parent), _TABLE_KEY: sums}


def _created(result: AnalysisResult) -> Any:
    made = result.summary.get(PROVENANCE_KEY)
    return made.get("created_utc") if isinstance(made, dict) else None


def _described(state: AnalysisState) -> dict[str, Any]:
    calibration = state.calibration
    return {
        "roi_bounds": list(state.roi_bounds),
        "image_shape": list(state.image_shape),
        "image_fingerprint": state.image_fingerprint,
        "dt_s": calibration.dt_s if calibration.is_known else None,
        "dx_um": calibration.dx_um if calibration.is_known else None,
        "calibration_source": calibration.source,
        **({_SWAPPED_KEY: True} if state.axes_swapped else {}),
    }


def _differences(made: Mapping[str, Any], state: AnalysisState) -> list[str]:
    if (made.get(_SWAPPED_KEY) is True) != state.axes_swapped:
        return ["the axes were swapped"]
    reasons = []
    if made.get("roi_bounds") != list(state.roi_bounds):
        reasons.append("the ROI was moved or resized")
    if made.get("image_shape") != list(state.image_shape):
        reasons.append("the image has another size")
    elif made.get("image_fingerprint", state.image_fingerprint) != state.image_fingerprint:
        reasons.append("the image has other pixels")
    calibration = state.calibration
    present = (calibration.dt_s, calibration.dx_um) if calibration.is_known else (None, None)
    if not all(map(_same_step, (made.get("dt_s"), made.get("dx_um")), present)):
        reasons.append("the calibration changed")
    return reasons


def _checksums(table: pd.DataFrame) -> dict[str, list[float]]:
    """Return the number of values, their sum, and a sum that depends on their order, by column.

    CSV readers differ in the last bit of a number, so that a hash of the bytes would not survive
    a load and save by another program; sums are compared with a tolerance.
    """
    return {name: list(sums) for name, (sums, _) in _summed(table).items()}


def _has_checksums(table: pd.DataFrame | None, sums: dict[str, Any]) -> bool:
    if table is None:
        return False
    present = _summed(table)
    # Columns of ours may have been left out on purpose, for other programs.
    names = [name for name in present if name in sums]
    if not names:
        return not sums
    then = np.array([sums[name] for name in names], dtype=float)
    now = np.array([present[name][0] for name in names])
    sizes = np.array([[present[name][1]] for name in names])
    return bool((np.abs(then - now) <= 1e-9 * _PERIOD * sizes + 1e-12).all())


def _summed(table: pd.DataFrame) -> dict[str, tuple[tuple[float, float, float], float]]:
    """Return the checksums of each column of numbers, and the sum of their magnitudes."""
    weights = 1.0 + np.arange(len(table)) % _PERIOD
    found = {}
    for name, column in table.items():
        if not is_numeric_dtype(column) or is_bool_dtype(column):
            continue
        values = column.to_numpy(float)
        is_finite = np.isfinite(values)
        size = float(np.nansum(np.abs(values)))
        values = np.where(is_finite, values, 0.0)
        count = float(np.count_nonzero(is_finite))
        found[str(name)] = (count, float(values.sum()), float(values @ weights)), size
    return found


def _same_step(before: Any, now: float | None) -> bool:
    if now is None or not isinstance(before, (int, float)):
        return before is now
    return math.isclose(before, now, rel_tol=1e-9)
