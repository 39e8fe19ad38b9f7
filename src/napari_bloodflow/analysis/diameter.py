"""Diameter of a vessel from its edges on a line across it."""

from __future__ import annotations

from datetime import datetime
from typing import TYPE_CHECKING, Annotated, Any, ClassVar, Literal

import numpy as np
import pandas as pd
from pydantic import BeforeValidator

from napari_bloodflow.analysis.base import (
    Analysis,
    AnalysisInputs,
    AnalysisResult,
    DetectionParams,
    Progress,
    finite_or_none,
)
from napari_bloodflow.analysis.kernels import edge_quality, edges_exact, edges_guided
from napari_bloodflow.analysis.provenance import PROVENANCE_KEY, make_provenance
from napari_bloodflow.errors import AnalysisError
from napari_bloodflow.schema import field

if TYPE_CHECKING:
    from collections.abc import Generator, Mapping

    from numpy.typing import NDArray

    from napari_bloodflow.calibration import Calibration

__all__ = ["ACCEPTED_COLUMN", "STATUS_COLUMN", "Diameter", "DiameterParams"]

STATUS_COLUMN = "status"
"""Column with the reason why a row is not accepted, ``ok`` if it is; of `guided_half_max` only."""
ACCEPTED_COLUMN = "accepted"
"""Column that says which rows the summary is made of; of `guided_half_max` only."""

Method = Literal["guided_half_max", "threshold_width", "gradient_edges"]
_GUIDED = "guided_half_max"
_THRESHOLD, _GRADIENT = "threshold_width", "gradient_edges"
_WHOLE_PIXELS: tuple[str, ...] = (_THRESHOLD, _GRADIENT)

# Wider than this many blurs, a flat vessel is as wide as it looks.
_WIDE_SIGMAS = 8.0


def _odd(value: Any) -> int:
    if isinstance(value, bool) or int(value) != float(value):
        raise ValueError("must be a whole number of rows")
    if int(value) < 1 or int(value) % 2 == 0:
        raise ValueError("must be odd and at least 1")
    return int(value)


def _odd_from_3(value: Any) -> int:
    if _odd(value) < 3:
        raise ValueError("must be odd and at least 3")
    return int(value)


class DiameterParams(DetectionParams):
    """Parameters of `diameter`; the first fifteen are those of CloudScope."""

    window_rows_odd: Annotated[int, BeforeValidator(_odd)] = field(
        5, "Window", unit="lines", description="Lines averaged for a profile; odd.", ge=1, step=2
    )
    stride: int = field(1, "Stride", unit="lines", description="Lines to the next profile.", ge=1)
    binning_method: Literal["mean", "median"] = field(
        "mean", "Average", description="How the lines of a window are averaged."
    )
    polarity: Literal["bright_on_dark", "dark_on_bright"] = field(
        "bright_on_dark", "Polarity", description="Whether the vessel is bright or dark."
    )
    diameter_method: Method = field(
        _GUIDED,
        "Method",
        choice_labels={
            _GUIDED: "Half maximum, guided",
            _THRESHOLD: "Threshold width (classic)",
            _GRADIENT: "Gradient edges (classic)",
        },
        description="Half way between outside and inside, near a guide, between pixels;"
        " or one of CloudScope's whole-pixel methods.",
    )
    post_filter_kernel_size: Annotated[int, BeforeValidator(_odd_from_3)] = field(
        3,
        "Median filter",
        unit="rows",
        description="Running median of the whole-pixel methods; odd.",
        group="whole pixels",
        only_for=_WHOLE_PIXELS,
        ge=3,
        step=2,
    )
    threshold_mode: Literal["half_max", "absolute"] = field(
        "half_max", "Threshold", group=_THRESHOLD, only_for=(_THRESHOLD,)
    )
    threshold_value: float = field(
        0.0, "Absolute threshold", group=_THRESHOLD, only_for=(_THRESHOLD,)
    )
    gradient_sigma: float = field(
        1.5,
        "Gradient smoothing",
        unit="px",
        group=_GRADIENT,
        only_for=(_GRADIENT,),
        ge=0,
        allow_inf_nan=False,
    )
    gradient_kernel: Literal["central_diff"] = field(
        "central_diff", "Gradient", group=_GRADIENT, only_for=(_GRADIENT,)
    )
    gradient_min_edge_strength: float = field(
        0.02,
        "Least edge strength",
        unit="intensity/px",
        group=_GRADIENT,
        only_for=(_GRADIENT,),
        ge=0,
        allow_inf_nan=False,
    )
    enable_motion_gating: bool = field(
        True, "Motion gating", group=_GRADIENT, only_for=(_GRADIENT,)
    )
    max_edge_shift_um: float = field(
        2.0, "Largest edge shift", unit="um", group=_GRADIENT, only_for=(_GRADIENT,), ge=0
    )
    max_diameter_change_um: float = field(
        2.0, "Largest diameter change", unit="um", group=_GRADIENT, only_for=(_GRADIENT,), ge=0
    )
    max_center_shift_um: float = field(
        2.0, "Largest centre shift", unit="um", group=_GRADIENT, only_for=(_GRADIENT,), ge=0
    )
    label: Literal["lumen", "wall"] = field(
        "lumen",
        "Label",
        description="What is bright (or dark).",
        group=_GUIDED,
        only_for=(_GUIDED,),
    )
    edge_blur_px: float = field(
        1.6,
        "Edge blur",
        unit="px",
        description="Standard deviation of the optical blur along the line.",
        group=_GUIDED,
        only_for=(_GUIDED,),
        ge=0,
        le=50,
    )
    threshold_sides: Literal["common", "per_side"] = field(
        "common",
        "Half way",
        description="From all surroundings, or for each edge from its own (sloping background).",
        group=_GUIDED,
        only_for=(_GUIDED,),
    )
    refinement: Literal["none", "erf"] = field(
        "none",
        "Refinement",
        description="Least-squares fit of a blurred box; better for narrow vessels.",
        group=_GUIDED,
        only_for=(_GUIDED,),
    )
    optical_model: Literal["flat", "section", "cylinder"] = field(
        "flat",
        "Optical model",
        description="Depth of focus: thin, fading over the section depth, or the whole vessel.",
        group=_GUIDED,
        only_for=(_GUIDED,),
    )
    section_depth_um: float = field(
        2.0,
        "Section depth",
        unit="um",
        group=_GUIDED,
        only_for=(_GUIDED,),
        gt=0,
        allow_inf_nan=False,
    )
    hampel_rows_odd: Annotated[int, BeforeValidator(_odd_from_3)] = field(
        51,
        "Jump filter",
        unit="rows",
        description="Rows whose running median replaces a jump; odd.",
        ge=3,
        step=2,
        group=_GUIDED,
        only_for=(_GUIDED,),
    )


class Diameter(Analysis):
    """Diameter over time, from the edges of a vessel in averaged lines.

    The default method, ``guided_half_max``, finds edges between pixels near a guide made of many
    lines (:mod:`~napari_bloodflow.analysis.kernels.edges_guided`). ``threshold_width`` and
    ``gradient_edges`` are CloudScope's, number by number.

    Positions are measured from the first column of the ROI, times from its first line. Without
    calibration ``_um`` columns are in pixels and times in lines; the summary's ``diameter_unit``
    says so. A row that cannot be measured has NaN; `guided_half_max` says why in ``status``.
    """

    analysis_name: ClassVar[str] = "diameter"
    display_name: ClassVar[str] = "Diameter"
    params_model: ClassVar[type[DetectionParams]] = DiameterParams
    standard_columns: ClassVar[tuple[str, ...]] = (
        "time_s",
        "center_row",
        "left_edge_px",
        "right_edge_px",
        "left_edge_um",
        "right_edge_um",
        "diameter_px",
        "diameter_um",
        "diameter_px_filt",
        "diameter_um_filt",
        "diameter_was_filtered",
        "peak",
        "baseline",
        "sum_intensity",
        "edge_strength_left",
        "edge_strength_right",
        "qc_score",
        "qc_edge_violation",
        "qc_diameter_violation",
        "qc_center_violation",
    )
    own_columns: ClassVar[tuple[str, ...]] = (
        "diameter_um_sd",
        "left_edge_um_filt",
        "right_edge_um_filt",
        "qc_temporal",
        "qc_edge_residual",
        "qc_shadow",
        ACCEPTED_COLUMN,
        STATUS_COLUMN,
    )
    exclusive_group = "primary_kymograph"

    @classmethod
    def measure(
        cls, inputs: AnalysisInputs, params: Mapping[str, Any]
    ) -> Generator[Progress, None, AnalysisResult]:
        """Measure; see :meth:`Analysis.measure`.

        Returns
        -------
        AnalysisResult
            Table with the standard columns, one row per profile, and with our own ones if the
            method is `guided_half_max`.

        Raises
        ------
        AnalysisError
            If the ROI has no lines or fewer than two columns, or a parameter does not fit it.
        """
        method = params["diameter_method"]
        steps = _measure_guided if method == _GUIDED else _measure_exact
        try:
            columns, summary = yield from steps(inputs, params)
        except ValueError as error:
            raise AnalysisError(f"diameter: {error}") from None
        now = datetime.now()
        return AnalysisResult(
            {
                "analysis_date": now.strftime("%y%m%d"),
                "analysis_time": now.strftime("%H:%M:%S.") + f"{now.microsecond // 1000:03d}",
                "analysis_version": cls.analysis_version,
                **summary,
                "diameter_unit": inputs.calibration.position_unit,
                PROVENANCE_KEY: make_provenance(inputs.state, params, str(method), 1),
            },
            # no array is in two columns, so that none needs to be copied
            pd.DataFrame(columns, copy=False),
        )


_Measured = tuple[dict[str, "NDArray[Any]"], dict[str, Any]]


def _measure_exact(
    inputs: AnalysisInputs, params: Mapping[str, Any]
) -> Generator[Progress, None, _Measured]:
    is_absolute = params["threshold_mode"] == "absolute"
    settings = edges_exact.EdgeSettings(
        method=params["diameter_method"],
        window_rows=params["window_rows_odd"],
        stride=params["stride"],
        use_median=params["binning_method"] == "median",
        dark=params["polarity"] == "dark_on_bright",
        level=params["threshold_value"] if is_absolute else None,
        sigma_px=params["gradient_sigma"],
        min_strength=params["gradient_min_edge_strength"],
    )
    chunks = edges_exact.iter_exact_edges(inputs.image, settings)
    rows = yield from _gathered(chunks, edges_exact.EdgeRows, inputs, params)
    dx_um = inputs.calibration.dx_um
    edge_violation = rows.edge_violation
    diameter_violation, center_violation = np.zeros((2, rows.left.size), bool)
    if settings.method == "gradient_edges" and params["enable_motion_gating"]:
        limits_px = (
            params["max_edge_shift_um"] / dx_um,
            params["max_diameter_change_um"] / dx_um,
            params["max_center_shift_um"] / dx_um,
        )
        gated, diameter_violation, center_violation = edges_exact.gate_edges(
            (rows.left, rows.right), limits_px
        )
        edge_violation = edge_violation | gated
    diameter = rows.right - rows.left
    filtered = edges_exact.running_median(diameter, params["post_filter_kernel_size"])
    is_same = np.isclose(diameter, filtered)
    columns = {
        **_edge_columns(rows.left, rows.right, filtered, params["stride"], inputs),
        "diameter_was_filtered": np.isfinite(diameter) & np.isfinite(filtered) & ~is_same,
        "peak": rows.peak,
        "baseline": rows.baseline,
        "sum_intensity": rows.total,
        "edge_strength_left": rows.strength_left,
        "edge_strength_right": rows.strength_right,
        "qc_score": rows.score,
        "qc_edge_violation": edge_violation,
        "qc_diameter_violation": diameter_violation,
        "qc_center_violation": center_violation,
    }
    return columns, _summary(columns, columns["diameter_um_filt"])


def _measure_guided(
    inputs: AnalysisInputs, params: Mapping[str, Any]
) -> Generator[Progress, None, _Measured]:
    calibration = inputs.calibration
    is_wall = params["label"] == "wall"
    settings = edges_guided.GuidedSettings(
        window_rows=params["window_rows_odd"],
        stride=params["stride"],
        use_median=params["binning_method"] == "median",
        dark=params["polarity"] == "dark_on_bright",
        wall=is_wall,
        blur_px=params["edge_blur_px"],
        per_side=params["threshold_sides"] == "per_side",
        refine=params["refinement"] == "erf",
    )
    chunks = edges_guided.iter_guided_edges(inputs.image, settings)
    rows = yield from _gathered(chunks, edges_guided.GuidedRows, inputs, params)
    left, right, sd = rows.left, rows.right, rows.sd
    if not is_wall:
        yield Progress(left.size, left.size, "comparing with model vessels")
        left, right, sd = _true_size(left, right, sd, settings, params, calibration)
    quality = edge_quality.judge_edges(
        left,
        right,
        rows.residual,
        rows.is_missing,
        rows.is_clipped,
        params["hampel_rows_odd"],
    )
    is_accepted = quality.reason == edge_quality.REASONS.index("ok")
    columns = {
        **_edge_columns(left, right, quality.right - quality.left, params["stride"], inputs),
        "diameter_was_filtered": quality.is_replaced,
        "peak": rows.high,
        "baseline": rows.low,
        "sum_intensity": rows.total,
        "edge_strength_left": rows.strength_left,
        "edge_strength_right": rows.strength_right,
        "qc_score": quality.score,
        "qc_edge_violation": np.isnan(left) | np.isnan(right) | (quality.shape > 1),
        "qc_diameter_violation": quality.temporal > 1,
        "qc_center_violation": np.zeros(left.size, bool),
        "diameter_um_sd": sd * calibration.dx_um,
        "left_edge_um_filt": inputs.position_at(quality.left),
        "right_edge_um_filt": inputs.position_at(quality.right),
        "qc_temporal": quality.temporal,
        "qc_edge_residual": quality.shape,
        "qc_shadow": rows.is_shadowed,
        ACCEPTED_COLUMN: is_accepted,
        STATUS_COLUMN: np.array(edge_quality.REASONS)[quality.reason],
    }
    accepted = columns["diameter_um"][is_accepted]
    low, high = np.percentile(accepted, [25, 75]) if accepted.size else (np.nan, np.nan)
    counts = np.bincount(quality.reason, minlength=len(edge_quality.REASONS))
    summary = {
        **_summary(columns, accepted),
        "num_accepted_rows": int(accepted.size),
        "num_shadowed_rows": int(np.count_nonzero(rows.is_shadowed)),
        "diameter_um_iqr": finite_or_none(high - low),
        "pulsatility_iqr": finite_or_none((high - low) / np.median(accepted))
        if accepted.size
        else None,
        "num_rows_by_status": {
            reason: int(count)
            for reason, count in zip(edge_quality.REASONS, counts, strict=True)
            if count
        },
    }
    return columns, summary


def _gathered(
    chunks: Any, kind: type[Any], inputs: AnalysisInputs, params: Mapping[str, Any]
) -> Generator[Progress, None, Any]:
    """Join chunks, with progress."""
    total = -(-inputs.image.shape[0] // params["stride"])
    kept = []
    done = 0
    yield Progress(0, total, "measuring diameter")
    for chunk in chunks:
        kept.append(chunk)
        done += chunk.left.size
        yield Progress(done, total, f"row {done} of {total}")
    fields = kind.__slots__
    return kind(*(np.concatenate([getattr(chunk, name) for chunk in kept]) for name in fields))


def _edge_columns(
    left: NDArray[np.float64],
    right: NDArray[np.float64],
    filtered: NDArray[np.float64],
    stride: int,
    inputs: AnalysisInputs,
) -> dict[str, NDArray[Any]]:
    center_row = np.arange(left.size) * stride
    left_um, right_um = inputs.position_at(left), inputs.position_at(right)
    um_per_px: NDArray[np.float64] | float = inputs.calibration.dx_um
    if inputs.uneven.positions_um is not None:
        with np.errstate(divide="ignore", invalid="ignore"):
            um_per_px = (right_um - left_um) / (right - left)
    return {
        "time_s": inputs.time_at(center_row),
        "center_row": center_row,
        "left_edge_px": left,
        "right_edge_px": right,
        "left_edge_um": left_um,
        "right_edge_um": right_um,
        "diameter_px": right - left,
        "diameter_um": (right - left) * um_per_px,
        "diameter_px_filt": filtered,
        "diameter_um_filt": filtered * um_per_px,
    }


def _true_size(
    left: NDArray[np.float64],
    right: NDArray[np.float64],
    sd: NDArray[np.float64],
    settings: edges_guided.GuidedSettings,
    params: Mapping[str, Any],
    calibration: Calibration,
) -> tuple[NDArray[np.float64], NDArray[np.float64], NDArray[np.float64]]:
    """Move the edges apart so that their distance is the diameter that the width stands for."""
    from napari_bloodflow.analysis.kernels.vessel_optics import diameter_calibration

    width = right - left
    known = width[np.isfinite(width)]
    model = params["optical_model"]
    sigma = edges_guided.edge_sigma_px(settings.blur_px)
    is_as_wide_as_it_looks = model == "flat" and (
        settings.refine or known.size == 0 or float(known.min()) > _WIDE_SIGMAS * sigma
    )
    if not known.size or is_as_wide_as_it_looks:
        return left, right, sd
    section_px = params["section_depth_um"] / calibration.dx_um
    widths, diameters = diameter_calibration(settings, float(known.max()), model, section_px)
    # A vessel too narrow for the optics is not measured: all such look alike.
    diameter = np.interp(width, widths, diameters, left=np.nan)
    slope = np.interp(width, widths, np.gradient(diameters, widths))
    center = 0.5 * (left + right)
    is_known = np.isfinite(width)
    return (
        np.where(is_known, center - 0.5 * diameter, left),
        np.where(is_known, center + 0.5 * diameter, right),
        sd * slope,
    )


def _summary(
    columns: Mapping[str, NDArray[Any]], diameter_um: NDArray[np.float64]
) -> dict[str, Any]:
    finite = diameter_um[np.isfinite(diameter_um)]
    mean = float(np.mean(finite)) if finite.size else float("nan")
    num_rows = columns["qc_score"].size
    return {
        "num_rows": int(num_rows),
        "diameter_um_mean": finite_or_none(mean),
        "diameter_um_median": finite_or_none(np.median(finite)) if finite.size else None,
        "diameter_um_cv": finite_or_none(np.std(finite) / mean) if finite.size and mean else None,
        "qc_score_mean": finite_or_none(np.mean(columns["qc_score"])) if num_rows else None,
        "num_qc_edge_violations": int(np.count_nonzero(columns["qc_edge_violation"])),
        "num_qc_diameter_violations": int(np.count_nonzero(columns["qc_diameter_violation"])),
        "num_qc_center_violations": int(np.count_nonzero(columns["qc_center_violation"])),
    }
