"""The sidecar files of one acquisition: read, saved, put right and copied."""

from __future__ import annotations

from collections import deque
from pathlib import Path
from typing import TYPE_CHECKING

from napari_bloodflow.acquisition.merged_save import save_merged
from napari_bloodflow.acquisition.pending_save import PendingCopy, PendingSave
from napari_bloodflow.acquisition.sidecar_state import PRESENT_KEYS, SidecarState
from napari_bloodflow.acquisition.sidecar_values import RenderedSidecar, with_rois_as_shown
from napari_bloodflow.errors import FilesChangedError, SaveError
from napari_bloodflow.storage.array_pixels import write_plane
from napari_bloodflow.storage.atomic import back_up, may_exist, read_if_there
from napari_bloodflow.storage.sidecar import image_path_of_sidecar
from napari_bloodflow.storage.tiff import TIFF_EXTENSIONS

if TYPE_CHECKING:
    from collections.abc import Callable

    from napari_bloodflow.acquisition.acq_models import AcqModels
    from napari_bloodflow.acquisition.sidecar_merge import Keep, SidecarContent
    from napari_bloodflow.analysis.base import AnalysisSource

__all__ = ["AcqFiles"]

_REMEMBERED_SAVES = 20
"""Earlier contents that are told from new ones when another program brings them back."""

_READING_ATTEMPTS = 5
"""Readings after which files that another program is saving are taken as they are."""


class AcqFiles:
    """Brings the models of an acquisition into its sidecar files and back.

    Parameters
    ----------
    path : pathlib.Path
        The image.
    models : AcqModels
        What is kept in the files.
    source : AnalysisSource
        The acquisition, for its analyses.
    is_in_memory : bool
        Whether the image has no file, and so no place for sidecar files.
    """

    def __init__(
        self, path: Path, models: AcqModels, source: AnalysisSource, *, is_in_memory: bool = False
    ) -> None:
        self._path = path
        self.is_in_memory = is_in_memory
        self._models = models
        self._source = source
        self._past: deque[SidecarContent] = deque(maxlen=_REMEMBERED_SAVES)
        self._pending: PendingSave | None = None
        self.state = SidecarState(path, is_in_memory=is_in_memory)

    @property
    def is_dirty(self) -> bool:
        """True if anything differs from what is on disk."""
        return self._models.is_dirty or self.state.is_dirty

    def forget_past(self) -> None:
        """Forget what was saved earlier."""
        self._past.clear()

    def read(self) -> None:
        """Read the files into the models, again if another program is saving them meanwhile."""
        for _ in range(_READING_ATTEMPTS):
            self.state = SidecarState(self._path, is_in_memory=self.is_in_memory)
            self._models.load(self.state, self._source)
            if not self.state.is_torn():
                break

    def save_json(self) -> bool:
        """Write the JSON alone; return whether there was something to write."""
        self.settle()
        if not self.is_dirty and self.state.is_on_disk():
            return False
        self.state.write(self._contents(self._models.render(self.state)))
        return True

    def save(self, keep: Keep | None, reload: Callable[[], None]) -> bool:
        """Write what changed; see :meth:`AcqImage.save`.

        Parameters
        ----------
        keep : {"mine", "both"} or None
            What to do where another program changed the same thing.
        reload : callable
            Called when both sides' changes were merged, to read them.

        Returns
        -------
        bool
            Whether there was something to save.
        """
        pending = self.begin_save()
        if pending is None:
            return False
        pending.write()
        return self.finish_save(keep, reload)

    def begin_save(self) -> PendingSave | None:
        """Take what is to be written; see :meth:`AcqImage.begin_save`."""
        self.settle()
        if not self.is_dirty and self.state.is_on_disk():
            return None
        self._pending = PendingSave(self.state, self._models)
        return self._pending

    def finish_save(self, keep: Keep | None, reload: Callable[[], None]) -> bool:
        """End what was begun; see :meth:`AcqImage.finish_save`. Parameters are those of `save`.

        Returns
        -------
        bool
            Whether something was begun.
        """
        pending, self._pending = self._pending, None
        if pending is None:
            return False
        pending.write()
        if isinstance(pending.error, FilesChangedError):
            self._save_merged(keep, reload)
        elif pending.error is not None:
            raise pending.error
        else:
            pending.take_as_saved()
        self._past.append(pending.before)
        return True

    def settle(self) -> None:
        """End a save that was begun; what it could not write is still unsaved."""
        pending, self._pending = self._pending, None
        if pending is not None:
            pending.write()
            if pending.error is None:
                pending.take_as_saved()
                self._past.append(pending.before)

    def _save_merged(self, keep: Keep | None, reload: Callable[[], None]) -> None:
        """Save the edits together with what another program changed in the files."""
        analyses = self._models.analysis_set.as_list()
        rendered = self._models.render(self.state)
        contents = {**self.state.render_tables(analyses), **self._contents(rendered)}
        mine = None
        if self.is_dirty:
            mine = self.state.edited_content(rendered, self._models.edits(), analyses)
            for key in PRESENT_KEYS:
                mine.private.pop(key, None)
            mine.private |= self._models.private_state(self.state)
        whole = self.state.render_tables(analyses, self._path) | contents
        report = save_merged(
            self.state, mine, rendered.document, whole, self._source, keep, self._past
        )
        reload()
        self.state.problems.extend(report)

    def rewrite(self) -> dict[Path, Path]:
        """Write all files again from what was understood; see :meth:`AcqImage.rewrite`."""
        if self.state.read_only_reason:
            raise SaveError(self.state.path, self.state.read_only_reason)
        self.settle()
        analyses = self._models.analysis_set.as_list()
        rendered = with_rois_as_shown(self._models.render(self.state))
        contents = {**self.state.render_tables(analyses), **self._contents(rendered)}
        before = self.state.content()
        copies = {
            path: back_up(self._path, path)
            for path, data in contents.items()
            if read_if_there(path) not in (None, data)
        }
        self.state.write(contents)
        self.state.set_saved(rendered, self.state.results_to_save(analyses))
        self._models.set_clean()
        self._past.append(before)
        return copies

    def begin_copy(self, sidecar: str | Path) -> PendingCopy:
        """Take what is written under another name; see :meth:`AcqImage.begin_copy`."""
        target = image_path_of_sidecar(Path(sidecar).expanduser().resolve())
        return PendingCopy(target, self.state, self._models)

    def begin_save_as(self, target: Path) -> PendingCopy:
        """Take the image and what belongs to it; see :meth:`AcqImage.begin_save_as`.

        The calibration is kept as one that was set by hand: a TIFF file holds it rounded.
        """
        images, calibration = self._models.images, self._models.calibration.current
        if images.sizes.keys() - {"Y", "X"} or images.scitiff is not None:
            raise SaveError(target, "only an image of one plane can be saved so; export it instead")
        if target.suffix.lower() not in TIFF_EXTENSIONS:
            raise SaveError(target, f"is not a name of a TIFF file ({', '.join(TIFF_EXTENSIONS)})")
        if may_exist(target):
            raise SaveError(target, "exists already; choose another name")
        private = self._models.private_state(self.state)
        private.pop("array", None)
        steps: tuple[float | None, float | None] = (None, None)
        if calibration.is_known:
            private["calibration_source"] = "user"
            if not images.axes_swapped:
                steps = calibration.dt_s, calibration.dx_um
        return PendingCopy(
            target,
            self.state,
            self._models,
            SidecarState(target).render_private(private),
            lambda: write_plane(target, images.plane_in_file, *steps),
        )

    def _contents(self, rendered: RenderedSidecar) -> dict[Path, bytes]:
        contents = {self.state.path: self.state.encode(rendered.document)}
        return contents | self.state.render_private(self._models.private_state(self.state))
