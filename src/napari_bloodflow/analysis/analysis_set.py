"""All analyses of one file, keyed by (analysis name, channel, ROI id)."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, TypeAlias

from psygnal import Signal

from napari_bloodflow.analysis.base import Analysis, AnalysisKey, ParentInputs, RunContext
from napari_bloodflow.analysis.provenance import sealed
from napari_bloodflow.analysis.registry import analysis_class, runnable_names
from napari_bloodflow.errors import AnalysisError

if TYPE_CHECKING:
    from collections.abc import Generator, Iterable, Iterator, Mapping

    from napari_bloodflow.analysis.base import (
        AnalysisInputs,
        AnalysisResult,
        AnalysisSource,
        Progress,
    )

__all__ = ["AnalysisSet", "PreparedRun"]

KeyLike: TypeAlias = AnalysisKey | tuple[str, int, int]


@dataclass(frozen=True, slots=True, eq=False)
class PreparedRun:
    """A run with all its inputs gathered; independent of later edits, fit for any thread.

    Parameters
    ----------
    key : AnalysisKey
        What is measured.
    analysis_type : type of Analysis
        How.
    params : mapping
        Complete detection parameters.
    inputs : AnalysisInputs
        Pixels, calibration, geometry.
    """

    key: AnalysisKey
    analysis_type: type[Analysis]
    params: Mapping[str, Any]
    inputs: AnalysisInputs

    def steps(self) -> Generator[Progress, None, AnalysisResult]:
        """Measure, yielding progress and returning the result; changes no analysis."""
        return self.analysis_type.measure(self.inputs, self.params)


class AnalysisSet:
    """Analyses of one file in order of creation.

    Parameters
    ----------
    source : AnalysisSource
        The file that provides pixels and calibration.

    Attributes
    ----------
    added, removed, updated : psygnal.Signal
        Emitted with the key after an analysis was added, removed, or got another result.
    """

    added = Signal(AnalysisKey)
    removed = Signal(AnalysisKey)
    updated = Signal(AnalysisKey)

    def __init__(self, source: AnalysisSource) -> None:
        self._source = source
        self._analyses: dict[AnalysisKey, Analysis] = {}
        self._ranks: dict[AnalysisKey, int] = {}  # kept while an analysis is aside
        self._num_created = 0
        self._aside: dict[int, list[Analysis]] = {}
        self._clean: list[tuple[Any, ...]] = []

    # ---- reading

    def __len__(self) -> int:
        return len(self._analyses)

    def __iter__(self) -> Iterator[Analysis]:
        return iter(self.as_list())

    def __contains__(self, key: object) -> bool:
        return key in self._analyses

    def __getitem__(self, key: KeyLike) -> Analysis:
        try:
            return self._analyses[AnalysisKey(*key)]
        except KeyError:
            raise KeyError(f"there is no analysis {AnalysisKey(*key)}") from None

    def __repr__(self) -> str:
        return f"AnalysisSet({'; '.join(str(key) for key in self._analyses) or 'empty'})"

    def get(self, key: KeyLike) -> Analysis | None:
        """Return the analysis, or None if there is none with this key."""
        return self._analyses.get(AnalysisKey(*key))

    def as_list(self) -> list[Analysis]:
        """Return all analyses in order of creation."""
        return list(self._analyses.values())

    def for_roi(self, roi_id: int) -> list[Analysis]:
        """Return the analyses of one ROI, of all channels."""
        return [analysis for analysis in self if analysis.key.roi_id == roi_id]

    @property
    def is_dirty(self) -> bool:
        """True if analyses, parameters or results differ from the last load or save."""
        present = self._present()
        return len(present) != len(self._clean) or any(
            now[:-1] != then[:-1] or now[-1] is not then[-1]
            for now, then in zip(present, self._clean, strict=True)
        )

    def set_clean(self) -> None:
        """Take the present analyses as saved."""
        self._clean = self._present()

    def _present(self) -> list[tuple[Any, ...]]:
        return [
            (a.key, dict(a.detection_params), a.result if a.has_results else None) for a in self
        ]

    # ---- editing

    def create(self, key: KeyLike, detection_params: Mapping[str, Any] | None = None) -> Analysis:
        """Add an analysis that has not been run.

        Parameters
        ----------
        key : AnalysisKey or tuple
            ``(analysis_name, channel, roi_id)``.
        detection_params : mapping, optional
            Parameters that differ from the defaults.

        Raises
        ------
        ValueError
            If a parameter does not fit.
        AnalysisError
            If the kind is unknown, the analysis exists, or another of its exclusive group does.
        """
        key = AnalysisKey(*key)
        self._check_new(key)
        analysis = analysis_class(key.analysis_name)(key, detection_params, self._source)
        self.adopt(analysis)
        return analysis

    def get_or_create(
        self, key: KeyLike, detection_params: Mapping[str, Any] | None = None
    ) -> Analysis:
        """Return the analysis, adding it if it is new; given parameters are applied.

        Raises
        ------
        ValueError, AnalysisError
            As :meth:`create`.
        """
        analysis = self.get(key)
        if analysis is None:
            return self.create(key, detection_params)
        if detection_params:
            analysis.update_detection_params(detection_params)
        return analysis

    def adopt(self, analysis: Analysis) -> None:
        """Add an analysis made elsewhere, such as one read from a sidecar.

        Raises
        ------
        AnalysisError
            If there is one with this key.
        """
        if analysis.key in self._analyses:
            raise AnalysisError(f"there is already an analysis {analysis.key}")
        self._analyses[analysis.key] = analysis
        analysis.join(self)
        self._num_created += 1
        self._ranks[analysis.key] = self._num_created
        self.added.emit(analysis.key)

    def replace_all(self, analyses: Iterable[Analysis]) -> None:
        """Make the set exactly these analyses, in this order."""
        for key in list(self._analyses):
            self._take_out(key)
        self._aside.clear()
        self._ranks.clear()
        for analysis in analyses:
            self.adopt(analysis)

    def remove(self, key: KeyLike) -> Analysis:
        """Remove an analysis and return it.

        Raises
        ------
        KeyError
            If there is none with this key.
        AnalysisError
            If others are derived from it; without it CloudScope could not read them.
        """
        key = AnalysisKey(*key)
        if derived := [a for a in self if a.parent is not None and a.parent.key == key]:
            names = " and ".join(a.key.analysis_name for a in derived)
            raise AnalysisError(
                f"{names} of ROI {key.roi_id}, channel {key.channel}, is derived from"
                f" {key.analysis_name}: remove it first"
            )
        return self._take_out(key)

    def _take_out(self, key: KeyLike) -> Analysis:
        analysis = self[key]
        del self._analyses[analysis.key]
        self.removed.emit(analysis.key)
        return analysis

    def set_aside(self, roi_id: int) -> None:
        """Take the analyses of a deleted ROI out, until :meth:`bring_back`."""
        for analysis in self.for_roi(roi_id):
            self._aside.setdefault(roi_id, []).append(self._take_out(analysis.key))

    def bring_back(self, roi_id: int) -> None:
        """Put back the analyses of a ROI whose deletion was undone, where they were."""
        back = {analysis.key: analysis for analysis in self._aside.pop(roi_id, [])}
        everything = {**self._analyses, **back}
        order = sorted(everything, key=self._ranks.__getitem__)
        self._analyses = {key: everything[key] for key in order}
        for key in back:
            self.added.emit(key)

    def _check_new(self, key: AnalysisKey) -> None:
        kind = analysis_class(key.analysis_name)
        if not kind.can_run:
            raise AnalysisError(
                f"{key.analysis_name!r} is not an analysis of this version;"
                f" it has {', '.join(runnable_names())}"
            )
        if key in self._analyses:
            raise AnalysisError(f"there is already an analysis {key}")
        self._check_parent(key, kind)
        for other in self._analyses.values():
            if other.key[1:] == key[1:] and other.exclusive_group == kind.exclusive_group:
                if kind.exclusive_group is None:
                    continue
                raise AnalysisError(
                    f"ROI {key.roi_id} already has {other.key.analysis_name} on channel"
                    f" {key.channel}, and the file format holds only one of the two per ROI:"
                    " make a second ROI in the same place"
                )

    def _check_parent(self, key: AnalysisKey, kind: type[Analysis]) -> None:
        if kind.parent_name is None or key._replace(analysis_name=kind.parent_name) in self:
            return
        raise AnalysisError(_no_parent(key, kind))

    # ---- running

    def prepare(
        self, key: KeyLike, detection_params: Mapping[str, Any] | None = None
    ) -> PreparedRun:
        """Gather everything for a run, without running or changing anything.

        Parameters
        ----------
        key : AnalysisKey or tuple
            What to measure; need not exist yet.
        detection_params : mapping, optional
            Parameters that differ from those of the existing analysis, or from the defaults.

        Raises
        ------
        ValueError
            If a parameter does not fit, or the channel or ROI does not exist.
        TypeError
            If the ROI is a line.
        AnalysisError
            If the analysis cannot be run here, another excludes it, or the one that it is derived
            from was not measured.
        """
        key = AnalysisKey(*key)
        existing = self.get(key)
        if existing is None:
            self._check_new(key)
            kind, present = analysis_class(key.analysis_name), {}
        else:
            kind, present = type(existing), dict(existing.detection_params)
        if not kind.can_run:
            raise AnalysisError(f"{key.analysis_name!r} cannot be run by this version")
        known = kind.params_model.model_fields
        kept = {name: value for name, value in present.items() if name in known}
        params = kind.check_params({**kept, **(detection_params or {})})
        parent = self._parent_inputs(key, kind)
        earlier = _decided(existing)
        inputs = self._source.get_analysis_inputs(key.channel, key.roi_id)
        return PreparedRun(key, kind, params, replace(inputs, parent=parent, earlier=earlier))

    def _parent_inputs(self, key: AnalysisKey, kind: type[Analysis]) -> ParentInputs | None:
        if kind.parent_name is None:
            return None
        parent = self.get(key._replace(analysis_name=kind.parent_name))
        if parent is None or parent.result.table is None:
            raise AnalysisError(_no_parent(key, kind))
        return ParentInputs(kind.parent_name, dict(parent.detection_params), parent.result)

    def commit(self, run: PreparedRun, result: AnalysisResult) -> Analysis:
        """Take the result of a finished run, creating the analysis if it is new.

        Raises
        ------
        AnalysisError
            If the ROI was deleted, another analysis that excludes this one was added, the one that
            it is derived from was removed, or decisions were taken, while the run was under way.
        """
        key, result = run.key, sealed(result)
        if self._source.get_analysis_state(key.channel, key.roi_id) is None:
            raise AnalysisError(f"ROI {key.roi_id} was deleted while it was being measured")
        analysis = self.get(key)
        if analysis is None:
            self._check_new(key)
            analysis = run.analysis_type(key, run.params, self._source)
            analysis.set_result(result)
            self.adopt(analysis)
        else:
            self._check_parent(key, run.analysis_type)
            if _decided(analysis) is not run.inputs.earlier:
                raise AnalysisError(f"{key} was edited while it was being measured: run it again")
            # Checked by `prepare`; what only another program knows was no part of this run.
            analysis.adopt_stored_params(run.params)
            analysis.set_result(result)
        self.updated.emit(key)
        return analysis

    def run_analysis(
        self,
        key: KeyLike,
        detection_params: Mapping[str, Any] | None = None,
        context: RunContext | None = None,
    ) -> Analysis:
        """Measure and keep the result; a run that fails or is cancelled changes nothing.

        Parameters
        ----------
        key : AnalysisKey or tuple
            ``(analysis_name, channel, roi_id)``; the analysis is created if it is new.
        detection_params : mapping, optional
            Parameters that differ from those of the existing analysis, or from the defaults.
        context : RunContext, optional
            Progress and cancellation.

        Returns
        -------
        Analysis
            With its new result.

        Raises
        ------
        ValueError, TypeError, AnalysisError
            As :meth:`prepare`, and if the pixels cannot be measured.
        AnalysisCancelled
            If the context said so.
        """
        run = self.prepare(key, detection_params)
        return self.commit(run, (context or RunContext()).drain(run.steps()))


def _decided(analysis: Analysis | None) -> AnalysisResult | None:
    """Return the result of an analysis if it holds decisions that a new run has to keep."""
    if analysis is None or not analysis.keeps_decisions or not analysis.has_results:
        return None
    return analysis.result


def _no_parent(key: AnalysisKey, kind: type[Analysis]) -> str:
    assert kind.parent_name is not None
    parent = analysis_class(kind.parent_name).display_name.lower()
    return (
        f"{kind.display_name}: measure the {parent} of ROI {key.roi_id}"
        f" on channel {key.channel} first"
    )
