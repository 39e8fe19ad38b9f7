"""A save in steps, so that the slow one can be done in a thread while the user edits on."""

from __future__ import annotations

from threading import Lock
from typing import TYPE_CHECKING

from napari_bloodflow.errors import SaveError

if TYPE_CHECKING:
    from napari_bloodflow.acquisition.acq_models import AcqModels
    from napari_bloodflow.acquisition.sidecar_state import SidecarState

__all__ = ["PendingSave"]


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
