"""Ask before unsaved changes are lost: when a window is closed, or a list replaced."""

from __future__ import annotations

from contextlib import suppress
from typing import TYPE_CHECKING, Literal

from napari.utils.notifications import show_error
from qtpy.QtCore import QEvent, QObject, Qt
from qtpy.QtWidgets import QMainWindow, QMessageBox, QWidget

from napari_bloodflow._napari.image_file import ask_for_image_file
from napari_bloodflow._napari.use_layer import keep_using
from napari_bloodflow.acquisition.acq_image_list import save_acquisitions
from napari_bloodflow.errors import SaveError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from napari_bloodflow._napari.session import ViewerSession
    from napari_bloodflow.acquisition.acq_image import AcqImage

__all__ = ["ask_about_unsaved", "guard_window", "settle_unsaved"]

_MAX_NAMED = 8
Answer = Literal["save", "discard", "cancel"]


def ask_about_unsaved(parent: QWidget, names: Sequence[str], what: str) -> Answer:
    """Ask what to do with unsaved changes.

    Parameters
    ----------
    parent : QWidget
        Above which window.
    names : sequence of str
        The files.
    what : str
        What is about to happen: ``"closing the window"``.
    """
    box = QMessageBox(parent)
    box.setObjectName("unsaved_question")
    box.setIcon(QMessageBox.Icon.Question)
    box.setWindowTitle("Unsaved changes")
    count = "1 file has" if len(names) == 1 else f"{len(names)} files have"
    box.setText(f"{count} unsaved changes. Save them before {what}?")
    more = [f"and {len(names) - _MAX_NAMED} more"] if len(names) > _MAX_NAMED else []
    box.setInformativeText("\n".join([*names[:_MAX_NAMED], *more]))
    kinds = QMessageBox.StandardButton
    box.setStandardButtons(kinds.Save | kinds.Discard | kinds.Cancel)
    box.setDefaultButton(kinds.Save)
    try:
        answer = box.exec()
    finally:
        box.deleteLater()
    if answer == kinds.Save:
        return "save"
    return "discard" if answer == kinds.Discard else "cancel"


def settle_unsaved(
    session: ViewerSession, parent: QWidget, acqs: Sequence[AcqImage], what: str
) -> bool:
    """Save or drop unsaved changes as the user decides; a save under way ends first.

    Parameters
    ----------
    session : ViewerSession
        Whose files they are.
    parent : QWidget
        Above which window to ask.
    acqs : sequence of AcqImage
        Those with unsaved changes.
    what : str
        What is about to happen.

    Returns
    -------
    bool
        Whether to go on: False if the user cancelled, also where an image that has no file is to
        be saved, or a file could not be saved.
    """
    acqs = [acq for acq in acqs if _is_unsaved(acq)]
    if not acqs:
        return True
    blinding = session.blinding
    answer = ask_about_unsaved(parent, [blinding.label_of(acq) for acq in acqs], what)
    if answer == "cancel":
        return False
    if answer == "discard":
        session.workspace.discard(acqs)
        return True
    acqs = [acq for acq in acqs if _is_unsaved(acq)]  # some may have been saved meanwhile
    in_memory = [acq for acq in acqs if acq.is_in_memory]
    if not all(_save_image(session, parent, acq) for acq in in_memory):
        return False
    report = save_acquisitions([acq for acq in acqs if acq not in in_memory])
    for path, error in report.failed:
        acq = next(acq for acq in acqs if acq.image_path == path)
        text = f"{blinding.label_of(acq)} was not saved. {error}"
        show_error(blinding.clean(text, acq))
    return not report.failed


def _save_image(session: ViewerSession, parent: QWidget, acq: AcqImage) -> bool:
    """Save an image that has no file as one; False if the user cancelled or it failed."""
    target = ask_for_image_file(parent, acq)
    if target is None:
        return False
    try:
        saved = acq.save_as(target)
    except (OSError, ValueError) as error:
        show_error(f"{session.blinding.label_of(acq)} was not saved. {error}")
        return False
    keep_using(session, acq, saved)
    return True


def _is_unsaved(acq: AcqImage) -> bool:
    """Tell whether there is something to ask about, after a save that was begun has ended."""
    with suppress(SaveError):
        acq.finish_save()
    return acq.is_dirty


class _CloseGuard(QObject):
    """Looks at the close events of a window before the window does."""

    def __init__(self, window: QMainWindow, session: ViewerSession) -> None:
        super().__init__(window)
        self._session = session
        self._is_asking = False
        window.installEventFilter(self)

    def eventFilter(self, watched: QObject | None, event: QEvent | None) -> bool:
        """Swallow the close event of a window that is to stay."""
        if (
            event is None
            or event.type() != QEvent.Type.Close
            or not isinstance(watched, QMainWindow)
            or _is_torn_down(watched)
        ):
            return False
        unsaved = self._session.workspace.unsaved
        if not unsaved:
            return False
        if not self._is_asking:
            self._is_asking = True
            try:
                if settle_unsaved(self._session, watched, unsaved, "closing the window"):
                    return False
            finally:
                self._is_asking = False
        event.ignore()
        return True


def _is_torn_down(window: QMainWindow) -> bool:
    """Tell whether a program closes the viewer, which no answer could stop any more."""
    center = window.centralWidget()
    options = Qt.FindChildOption.FindDirectChildrenOnly
    parts = [] if center is None else center.findChildren(QWidget, options=options)
    return all(part.isHidden() for part in parts)


def guard_window(widget: QWidget, session: ViewerSession) -> None:
    """Have the main window of a widget ask about unsaved changes before it closes.

    Parameters
    ----------
    widget : QWidget
        Something in the window, or floating above it. Outside a main window nothing happens.
    session : ViewerSession
        What its viewer shows.
    """
    above: QWidget | None = widget
    while above is not None and not isinstance(above, QMainWindow):
        above = above.parentWidget()
    if above is not None and above.findChild(_CloseGuard) is None:
        _CloseGuard(above, session)
