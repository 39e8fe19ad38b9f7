"""The list of files of a viewer: which are listed, selected, open and unsaved."""

from __future__ import annotations

from typing import TYPE_CHECKING

from psygnal import Signal

if TYPE_CHECKING:
    from collections.abc import Sequence

    from napari_bloodflow._napari.blinding import Blinding
    from napari_bloodflow._napari.session import ViewerSession
    from napari_bloodflow.acquisition.acq_image import AcqImage
    from napari_bloodflow.acquisition.acq_image_list import AcqImageList
    from napari_bloodflow.acquisition.listed_file import ListedFile
    from napari_bloodflow.analysis.base import AnalysisKey

__all__ = ["Workspace"]


class Workspace:
    """The files that the docks of a viewer work on.

    Parameters
    ----------
    session : ViewerSession
        What the viewer shows.

    Attributes
    ----------
    files_changed : psygnal.Signal
        Emitted after another list was taken.
    opened : psygnal.Signal
        Emitted after a listed file was opened or let go of.
    selection_changed : psygnal.Signal
        Emitted after other files were selected.
    result_wanted : psygnal.Signal
        Emitted when the user asks to see an analysis of the active file; see `take_wanted`.
    """

    files_changed = Signal()
    opened = Signal()
    selection_changed = Signal()
    result_wanted = Signal()

    def __init__(self, session: ViewerSession) -> None:
        self._session = session
        self._acqs: AcqImageList | None = None
        self._by_id: dict[str, ListedFile] = {}
        self._selected: tuple[ListedFile, ...] = ()
        self._pinned: list[AcqImage] = []
        self._wanted: AnalysisKey | None = None

    @property
    def blinding(self) -> Blinding:
        """What files are called on the screen."""
        return self._session.blinding

    @property
    def acqs(self) -> AcqImageList | None:
        """The list, None before there is one."""
        return self._acqs

    @property
    def files(self) -> tuple[ListedFile, ...]:
        """The listed files."""
        return () if self._acqs is None else self._acqs.files

    def take(self, acqs: AcqImageList) -> None:
        """Work on another list. What is open in the viewer is the same object in both."""
        self._acqs = acqs
        self._by_id = {file.file_id: file for file in acqs.files}
        self._selected = ()
        self.blinding.number_files(file.path for file in acqs.files)
        self._adopt_shown()
        self.files_changed.emit()
        self.selection_changed.emit()

    def find(self, acq: AcqImage) -> ListedFile | None:
        """Return the entry of an acquisition, None if it is not listed."""
        return self._by_id.get(acq.file_id)

    def _adopt_shown(self) -> None:
        for shown in self._session.shown:
            file = self.find(shown.acq)
            if file is not None and file.acq is not shown.acq and not file.is_dirty:
                file.adopt(shown.acq)

    # ---- selection

    @property
    def selected(self) -> tuple[ListedFile, ...]:
        """The files that are selected in the list."""
        return self._selected

    def select(self, files: Sequence[ListedFile]) -> None:
        """Select these files."""
        if tuple(files) != self._selected:
            self._selected = tuple(files)
            self.selection_changed.emit()

    @property
    def targets(self) -> tuple[ListedFile, ...]:
        """The selected files if the active one is among several, else none.

        An edit of metadata concerns these, or else the active acquisition.
        """
        active = self._session.acq
        usable = tuple(file for file in self._selected if file.warning is None)
        is_among = active is not None and any(file.acq is active for file in usable)
        return usable if is_among and len(usable) > 1 else ()

    def values_in_use(self, field_name: str) -> list[str]:
        """Return the values that an experiment field has in the list and in the active file."""
        values = set() if self._acqs is None else set(self._acqs.get_field_values(field_name))
        if self._session.acq is not None:
            values.add(str(self._session.acq.experiment_metadata.get_values()[field_name]))
        return sorted(values - {"", "None"}, key=str.casefold)

    def want_result(self, key: AnalysisKey) -> None:
        """Ask for an analysis of the active file to be shown, by its dock if that is there."""
        self._wanted = key
        self.result_wanted.emit()

    def take_wanted(self, analysis_name: str) -> AnalysisKey | None:
        """Return the analysis that is to be shown if it is of this kind; the wish is then met."""
        if self._wanted is None or self._wanted.analysis_name != analysis_name:
            return None
        key, self._wanted = self._wanted, None
        return key

    # ---- opening and saving

    def open(self, file: ListedFile) -> AcqImage:
        """Open a listed file, without showing it; one that the viewer shows is taken from there.

        Raises
        ------
        OSError, ValueError
            If it cannot be opened.
        """
        if file.acq is None:
            shown = self._session.find(file.file_id)
            if shown is not None:
                file.adopt(shown.acq)
            else:
                file.open()
            self.opened.emit()
        assert file.acq is not None
        return file.acq

    def is_open(self, file: ListedFile) -> bool:
        """Tell whether a file is open in the list or in the viewer."""
        return file.acq is not None or self._session.find(file.file_id) is not None

    def take_opened(self, file: ListedFile, acq: AcqImage) -> None:
        """Take an acquisition that was opened in a thread, unless the file was opened meanwhile."""
        if not self.is_open(file):
            file.adopt(acq)

    def show(self, file: ListedFile) -> None:
        """Show a file in place of the active one, and let go of files that nobody needs.

        Raises
        ------
        OSError, ValueError
            If it cannot be opened; the other one stays then.
        """
        self._session.show_instead(self.open(file))
        self.tidy()

    def tidy(self) -> None:
        """Let go of files that are neither shown nor have unsaved changes."""
        self._session.close_unseen()
        self._adopt_shown()
        shown = {id(item.acq) for item in self._session.shown}
        for file in self.files:
            is_needed = id(file.acq) in shown or file.acq in self._pinned
            if file.acq is not None and not is_needed:
                file.close()
        self.opened.emit()

    def pin(self, acq: AcqImage) -> None:
        """Keep a listed file open until :meth:`unpin`, because it is being measured."""
        self._pinned.append(acq)

    def unpin(self, acq: AcqImage) -> None:
        """Let a file be closed again."""
        if acq in self._pinned:
            self._pinned.remove(acq)

    def holds(self, acq: AcqImage) -> bool:
        """Tell whether an acquisition is shown, or open in the list, and so can be saved."""
        return any(item.acq is acq for item in self._session.shown) or any(
            file.acq is acq for file in self.files
        )

    @property
    def unsaved(self) -> list[AcqImage]:
        """Acquisitions with unsaved changes, listed and shown."""
        listed = [file.acq for file in self.files if file.acq is not None]
        shown = [item.acq for item in self._session.shown]
        return [acq for acq in dict.fromkeys((*listed, *shown)) if acq.is_dirty]

    def discard(self, acqs: Sequence[AcqImage]) -> None:
        """Read acquisitions from disk again, which drops what was not saved."""
        for acq in acqs:
            acq.load_sidecar_json()
        self.tidy()
