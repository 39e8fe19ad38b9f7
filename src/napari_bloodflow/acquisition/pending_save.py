"""Saves in steps, so that the slow one can be done in a thread while the user edits on."""

from __future__ import annotations

from threading import Lock
from typing import TYPE_CHECKING

from napari_bloodflow.errors import SaveError
from napari_bloodflow.storage.sidecar import sidecar_path
from napari_bloodflow.storage.transaction import write_transaction

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from pathlib import Path

    from napari_bloodflow.acquisition.acq_models import AcqModels
    from napari_bloodflow.acquisition.sidecar_state import SidecarState

__all__ = ["PendingCopy", "PendingSave"]


class PendingSave:
    """What a save writes, as it was at one moment; later edits are not in it.

    :meth:`AcqImage.begin_save <napari_bloodflow.acquisition.acq_image.AcqImage.begin_save>` makes
    one.

    Parameters
    ----------
    state : SidecarState
        The files as they were read.
    models : AcqModels
        What is saved. Not touched by :meth:`write`.

    Attributes
    ----------
    before : SidecarContent
        What the files held.
    error : SaveError or None
        Why :meth:`write` wrote nothing.
    """

    def __init__(self, state: SidecarState, models: AcqModels) -> None:
        self._state, self._models = state, models
        analyses = models.analysis_set.as_list()
        self.before = state.content()
        self.error: SaveError | None = None
        self._rendered = models.render(state)
        self._private = models.private_state(state)
        self._private_file = state.render_private(self._private)
        self._tables = state.tables_to_write(analyses)
        self._results = state.results_to_save(analyses)
        self._lock = Lock()
        self._is_done = False

    def write(self) -> None:
        """Write the files, all or none, in any thread; a second call waits for the first.

        What stops it is put into `error`.
        """
        with self._lock:
            if self._is_done:
                return
            contents = {path: table.encode() for path, table in self._tables.items()}
            contents[self._state.path] = self._state.encode(self._rendered.document)
            try:
                self._state.write(contents | self._private_file)
            except SaveError as error:
                # With the frames it went through, it would keep what they hold.
                self.error = error.with_traceback(None)
            self._is_done = True

    def take_as_saved(self) -> None:
        """Take what was written for what is on disk; what was edited meanwhile is still unsaved.

        In the thread of the models.
        """
        state, models = self._state, self._models
        state.set_saved(self._rendered, self._results)
        is_same = (
            all(state.is_saved(analysis) for analysis in models.analysis_set)
            and models.private_state(state) == self._private
            and models.render(state).document == self._rendered.document
        )
        if is_same:
            models.set_clean()
        else:
            # An undo meanwhile may have led back to what was saved before.
            models.is_behind = True


class PendingCopy:
    """Files of another name with what an acquisition held at one moment; later edits are not in it.

    :meth:`AcqImage.begin_save_as <napari_bloodflow.acquisition.acq_image.AcqImage.begin_save_as>`
    and :meth:`~napari_bloodflow.acquisition.acq_image.AcqImage.begin_copy` make one.

    Parameters
    ----------
    target : pathlib.Path
        The image that the files belong to.
    state : SidecarState
        The files as they were read.
    models : AcqModels
        What is saved. Not touched by :meth:`write`.
    others : mapping of pathlib.Path to bytes
        What else is written beside the sidecar and the tables.
    write_image : callable, optional
        Writes the image; by default there is one, or none is wanted.
    """

    def __init__(
        self,
        target: Path,
        state: SidecarState,
        models: AcqModels,
        others: Mapping[Path, bytes] | None = None,
        write_image: Callable[[], None] | None = None,
    ) -> None:
        self.target = target
        self._state, self._models = state, models
        self._others, self._write_image = dict(others or {}), write_image
        analyses = models.analysis_set.as_list()
        self._rendered = models.render(state)
        self._tables = state.tables_to_write(analyses, target)
        self._results = [analysis.result for analysis in analyses]
        self._private = models.private_state(state)

    def write(self) -> list[Path]:
        """Write the files, in any thread.

        Returns
        -------
        list of pathlib.Path
            The sidecar files.

        Raises
        ------
        SaveError
            If one of the files exists, or cannot be written.
        """
        contents = {path: table.encode() for path, table in self._tables.items()}
        contents[sidecar_path(self.target)] = self._state.encode(self._rendered.document)
        contents |= self._others
        for path in contents:
            if path.exists():
                raise SaveError(path, "exists already; a copy never replaces a file")
        if self._write_image is not None:
            self._write_image()
        return write_transaction(self.target, contents, expected=dict.fromkeys(contents))

    def is_present(self) -> bool:
        """Tell whether the acquisition holds the same still; in the thread of the models."""
        state, models = self._state, self._models
        results = [analysis.result for analysis in models.analysis_set]
        return (
            len(results) == len(self._results)
            and all(now is then for now, then in zip(results, self._results, strict=True))
            and models.private_state(state) == self._private
            and models.render(state).document == self._rendered.document
        )
