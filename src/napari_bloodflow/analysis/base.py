"""What every analysis is: a key, validated parameters, a generator that measures, a result."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, ClassVar, NamedTuple, Protocol

from pydantic import BaseModel, ConfigDict, ValidationError

from napari_bloodflow.analysis.provenance import (
    PROVENANCE_KEY,
    changes_of_parent,
    changes_of_state,
    stale_reasons,
)
from napari_bloodflow.analysis.uneven import UnevenSteps, place_at
from napari_bloodflow.errors import AnalysisCancelled, ParameterError
from napari_bloodflow.schema import Schema, plain_validation_message, schema_of

if TYPE_CHECKING:
    from collections.abc import Callable, Generator, Mapping

    import numpy as np
    import pandas as pd
    from numpy.typing import NDArray

    from napari_bloodflow.analysis.analysis_set import AnalysisSet
    from napari_bloodflow.calibration import Calibration

__all__ = [
    "Analysis",
    "AnalysisInputs",
    "AnalysisKey",
    "AnalysisResult",
    "AnalysisSource",
    "AnalysisState",
    "DetectionParams",
    "ParentInputs",
    "Progress",
    "RunContext",
    "finite_or_none",
]


class AnalysisKey(NamedTuple):
    """Identity of an analysis within one file.

    Parameters
    ----------
    analysis_name : str
        Kind of analysis, ``"radon_velocity"``.
    channel : int
        Channel, from 0.
    roi_id : int
        ROI it is measured on.
    """

    analysis_name: str
    channel: int
    roi_id: int

    def __str__(self) -> str:
        return f"{self.analysis_name}, channel {self.channel}, ROI {self.roi_id}"


class DetectionParams(BaseModel):
    """Parameters that define the science of an analysis; stored with its result."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    @classmethod
    def get_schema(cls, analysis_name: str) -> Schema:
        """Describe the parameters for forms."""
        return schema_of(cls, analysis_name, 1)


@dataclass(frozen=True, slots=True)
class Progress:
    """How far a running analysis is.

    Parameters
    ----------
    done, total : int
        Units of work.
    text : str
        What is being done.
    """

    done: int
    total: int
    text: str = ""

    @property
    def fraction(self) -> float:
        """Part done, 0 to 1."""
        return self.done / self.total if self.total else 1.0


@dataclass(frozen=True, slots=True)
class RunContext:
    """How a run is carried out; never stored.

    Parameters
    ----------
    progress : callable, optional
        Called with a :class:`Progress` several times a second.
    is_cancelled : callable, optional
        Asked between chunks of work; returning True stops the run with
        :class:`~napari_bloodflow.errors.AnalysisCancelled` and leaves the earlier result.
        ``threading.Event().is_set`` fits.
    """

    progress: Callable[[Progress], object] | None = None
    is_cancelled: Callable[[], bool] | None = None

    def drain(self, steps: Generator[Progress, None, AnalysisResult]) -> AnalysisResult:
        """Run a measuring generator to its end.

        Raises
        ------
        AnalysisCancelled
            If `is_cancelled` returned True.
        """
        while True:
            if self.is_cancelled is not None and self.is_cancelled():
                steps.close()
                raise AnalysisCancelled("the analysis was cancelled; the earlier result is kept")
            try:
                step = next(steps)
            except StopIteration as stop:
                result: AnalysisResult = stop.value
                return result
            if self.progress is not None:
                self.progress(step)


@dataclass(frozen=True, slots=True)
class AnalysisState:
    """What a measurement depends on beside the pixels and the parameters.

    Parameters
    ----------
    calibration : Calibration
        Step of a row and of a column.
    roi_bounds : tuple of int
        ``(row_start, row_stop, col_start, col_stop)`` in the image.
    image_shape : tuple of int
        Rows and columns of the whole plane.
    image_fingerprint : str
        Tells planes with other pixels apart; empty if it was not taken.
    axes_swapped : bool
        Whether time runs along the columns of the file; all else is of the turned image.
    """

    calibration: Calibration
    roi_bounds: tuple[int, int, int, int]
    image_shape: tuple[int, int]
    image_fingerprint: str = ""
    axes_swapped: bool = False


@dataclass(frozen=True, slots=True, eq=False)
class ParentInputs:
    """The analysis of the same (channel, ROI) that another one is derived from.

    Parameters
    ----------
    analysis_name : str
        Its kind.
    detection_params : mapping
        Its parameters.
    result : AnalysisResult
        Its result, with a table.
    """

    analysis_name: str
    detection_params: Mapping[str, Any]
    result: AnalysisResult


@dataclass(frozen=True, slots=True, eq=False)
class AnalysisInputs:
    """Pixels of a ROI and everything else a measurement depends on.

    Parameters
    ----------
    image : ndarray, shape (time, position)
        Pixels of the ROI.
    state : AnalysisState
        Calibration and geometry.
    parent : ParentInputs, optional
        What the measurement is derived from, for kinds with a `parent_name`.
    earlier : AnalysisResult, optional
        The result that the new one replaces, for kinds that keep what was decided by hand.
    uneven : UnevenSteps
        True places of lines and pixels where the calibration is only the mean step.
    """

    image: NDArray[Any]
    state: AnalysisState
    parent: ParentInputs | None = None
    earlier: AnalysisResult | None = None
    uneven: UnevenSteps = field(default_factory=UnevenSteps)

    @property
    def calibration(self) -> Calibration:
        """Step of a row and of a column."""
        return self.state.calibration

    def time_at(self, row: NDArray[Any]) -> NDArray[np.float64]:
        """Return the times of rows from the first line of the ROI, in ``calibration.time_unit``."""
        return place_at(self.uneven.times_s, self.calibration.dt_s, row)

    def position_at(self, column: NDArray[Any]) -> NDArray[np.float64]:
        """Return the positions of columns from the first, in ``calibration.position_unit``."""
        return place_at(self.uneven.positions_um, self.calibration.dx_um, column)

    def speed_factor(self, row: NDArray[Any], window_width: int) -> NDArray[np.float64] | float:
        """Return true speed over that of the mean steps, for windows around some rows.

        Parameters
        ----------
        row : ndarray
            Centres of the windows.
        window_width : int
            Lines per window.
        """
        uneven, calibration, factor = self.uneven, self.calibration, 1.0
        if uneven.positions_um is not None:
            last = self.image.shape[1] - 1
            factor = float(uneven.positions_um[-1]) / (last * calibration.dx_um)
        if uneven.times_s is None:
            return factor
        half = (window_width - 1) / 2
        took = self.time_at(row + half) - self.time_at(row - half)
        speed: NDArray[np.float64] = factor * 2 * half * calibration.dt_s / took
        return speed


@dataclass(frozen=True, slots=True, eq=False)
class AnalysisResult:
    """What a run measured.

    Parameters
    ----------
    summary : dict
        Small values, kept in the sidecar JSON.
    table : DataFrame or None
        One row per measurement, kept in the CSV; standard columns first.
    """

    summary: dict[str, Any]
    table: pd.DataFrame | None = None


class AnalysisSource(Protocol):
    """The file an analysis belongs to, as far as the analysis needs it."""

    def get_analysis_inputs(self, channel: int, roi_id: int) -> AnalysisInputs:
        """Gather pixels, calibration and geometry of a rectangular ROI."""
        ...

    def get_analysis_state(
        self, channel: int, roi_id: int, *, with_pixels: bool = True
    ) -> AnalysisState | None:
        """Return what a measurement depends on; None if the ROI or the channel is gone."""
        ...


class Analysis:
    """One analysis of one (channel, ROI), with its parameters and its latest result.

    Subclasses set the class attributes and implement :meth:`measure`. One that is derived from the
    result of another analysis of the same (channel, ROI) names it in `parent_name`. One whose
    result holds decisions of the user sets `keeps_decisions` and finds them in the inputs of the
    next run.

    Parameters
    ----------
    key : AnalysisKey
        Identity within the file.
    detection_params : mapping, optional
        Values that differ from the defaults.
    source : AnalysisSource, optional
        The file, to tell whether the result still fits it.

    Raises
    ------
    ValueError
        If a parameter is unknown or its value does not fit; the text names it.
    """

    analysis_name: ClassVar[str]
    analysis_version: ClassVar[int] = 1
    display_name: ClassVar[str]
    params_model: ClassVar[type[DetectionParams]]
    standard_columns: ClassVar[tuple[str, ...]] = ()
    own_columns: ClassVar[tuple[str, ...]] = ()  # what the shared format does not have
    exclusive_group: str | None = None
    parent_name: ClassVar[str | None] = None
    keeps_decisions: ClassVar[bool] = False
    decisions_name: ClassVar[str] = ""  # what they are about
    can_run: ClassVar[bool] = True

    def __init__(
        self,
        key: AnalysisKey,
        detection_params: Mapping[str, Any] | None = None,
        source: AnalysisSource | None = None,
    ) -> None:
        self.key = key
        self._source = source
        self._params: dict[str, Any] = self.check_params(detection_params or {})
        self._result: AnalysisResult | None = None
        self._state_at_load: AnalysisState | None = None
        self._parent_at_load: AnalysisResult | None = None
        self._set: AnalysisSet | None = None

    def __repr__(self) -> str:
        state = "with result" if self.has_results else "not run"
        return f"{type(self).__name__}({self.key}, {state})"

    @classmethod
    def check_params(cls, values: Mapping[str, Any]) -> dict[str, Any]:
        """Validate parameters and fill in the defaults of those not given.

        Raises
        ------
        ParameterError
            (a ValueError) if a parameter is unknown or its value does not fit; the text names it.
        """
        try:
            return cls.params_model.model_validate(dict(values)).model_dump()
        except ValidationError as error:
            raise ParameterError(
                f"parameters of {cls.analysis_name}: {plain_validation_message(error)}"
            ) from None

    @property
    def detection_params(self) -> Mapping[str, Any]:
        """Parameters by name (read-only; see :meth:`update_detection_params`)."""
        return MappingProxyType(self._params)

    def update_detection_params(self, patch: Mapping[str, Any]) -> None:
        """Change parameters for the next run.

        Raises
        ------
        ParameterError
            If a parameter is unknown or its value does not fit; none is changed then.
        """
        self._params = self.check_params({**self._params, **patch})

    def adopt_stored_params(self, values: Mapping[str, Any]) -> None:
        """Take parameters as a file has them, unknown and odd ones included, without checks.

        A stored record must survive as it is; the values are validated when it is run again.
        """
        self._params = dict(values)

    @property
    def has_results(self) -> bool:
        """True once there is a result, from a run or from the sidecar."""
        return self._result is not None

    @property
    def result(self) -> AnalysisResult:
        """Summary and table of the latest run; empty before the first."""
        return self._result or AnalysisResult({}, None)

    def set_result(self, result: AnalysisResult | None) -> None:
        """Replace the result."""
        self._result = result

    def join(self, analysis_set: AnalysisSet) -> None:
        """Become one of the analyses of a file; called by the set."""
        self._set = analysis_set

    @property
    def parent(self) -> Analysis | None:
        """The analysis this one is derived from, if it is of such a kind and has one."""
        if self.parent_name is None or self._set is None:
            return None
        return self._set.get(self.key._replace(analysis_name=self.parent_name))

    @property
    def stored_problems(self) -> tuple[tuple[str, str, str], ...]:
        """What is wrong in a stored result: where in the record, what, and what was done."""
        return ()

    @property
    def stale_reasons(self) -> tuple[str, ...]:
        """Why the result no longer fits the file, in words; empty if it does.

        Of results without provenance, those of other programs, only what changed since they were
        loaded is known.
        """
        if self._result is None or self._source is None:
            return ()
        channel, roi_id = self.key.channel, self.key.roi_id
        if PROVENANCE_KEY in self._result.summary:
            state = self._source.get_analysis_state(channel, roi_id)
            reasons = stale_reasons(self._result, state, self._params)
        elif self._state_at_load is not None:
            state = self._source.get_analysis_state(channel, roi_id, with_pixels=False)
            reasons = changes_of_state(self._state_at_load, state)
        else:
            reasons = ()
        return tuple(dict.fromkeys(reasons + self._parent_reasons()))

    def _parent_reasons(self) -> tuple[str, ...]:
        if self.parent_name is None or self._set is None or self._result is None:
            return ()
        parent = self.parent
        if parent is None or not parent.has_results:
            return (f"its {self.parent_name} is gone",)
        found = self._parent_at_load
        if PROVENANCE_KEY in self._result.summary:
            changes = changes_of_parent(self._result, self.parent_name, parent.result)
        elif found is not None and found is not parent._result:
            changes = (f"its {self.parent_name} has other values now",)
        else:
            changes = ()
        return changes + parent.stale_reasons

    def remember_state(self) -> None:
        """Take the present ROI and calibration for those of a result without provenance.

        Other programs do not say what a result was made from; what changes from now on is known.
        They take the rows of a file for time, whatever the user says here.
        """
        if self._source is not None and PROVENANCE_KEY not in self.result.summary:
            state = self._source.get_analysis_state(
                self.key.channel, self.key.roi_id, with_pixels=False
            )
            self._state_at_load = None if state is None else replace(state, axes_swapped=False)
            parent = self.parent
            self._parent_at_load = None if parent is None else parent._result

    @property
    def is_stale(self) -> bool:
        """True if what the result was made from, or its table, changed since the run."""
        return bool(self.stale_reasons)

    @classmethod
    def is_edit(cls, before: AnalysisResult, after: AnalysisResult) -> bool:
        """Tell whether a result differs from another one in what the user decided."""
        return before is not after

    @classmethod
    def measure(
        cls, inputs: AnalysisInputs, params: Mapping[str, Any]
    ) -> Generator[Progress, None, AnalysisResult]:
        """Measure, yielding progress at least every 100 ms and returning the result.

        Touches no shared state, so it may run in any thread and be stopped at any yield.

        Parameters
        ----------
        inputs : AnalysisInputs
            Pixels, calibration, geometry.
        params : mapping
            Complete, validated detection parameters.

        Raises
        ------
        AnalysisError
            If the input cannot be measured, for a reason the user can change.
        """
        raise NotImplementedError


def finite_or_none(value: float | np.floating[Any]) -> float | None:
    """Return a plain float, or None for NaN and infinities, which strict JSON cannot hold."""
    number = float(value)
    return number if abs(number) < float("inf") else None
