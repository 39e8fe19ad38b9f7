"""What all docks share: they follow the session of their viewer while they are visible."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from qtpy.QtCore import QEvent, QTimer
from qtpy.QtWidgets import QWidget

from napari_bloodflow._napari.close_guard import guard_window
from napari_bloodflow._napari.session import get_session

if TYPE_CHECKING:
    from napari.components import ViewerModel
    from qtpy.QtGui import QHideEvent, QShowEvent

    from napari_bloodflow._napari.session import ShownAcquisition

__all__ = ["SessionDock", "Slots"]

Slots = tuple[tuple[Any, Any], ...]
"""Pairs of a signal and the bound method that listens to it."""


class SessionDock(QWidget):
    """A dock widget that shows the active acquisition.

    It listens while it is visible only: napari hides a closed dock and keeps it. Refreshing is
    put off until the present event is done, so that many changes cost one refresh.

    Subclasses implement :meth:`_refresh` and say what else they listen to.

    Parameters
    ----------
    napari_viewer : napari.Viewer
        The viewer, or the proxy of it that napari hands out.
    """

    def __init__(self, napari_viewer: ViewerModel) -> None:
        super().__init__()
        self._session = get_session(napari_viewer)
        self._followed: Slots = ()
        self._is_listening = False
        self._refreshing = QTimer(self)
        self._refreshing.setSingleShot(True)
        self._refreshing.setInterval(0)
        self._refreshing.timeout.connect(self._refresh)

    # ---- for subclasses

    def _refresh(self) -> None:
        """Show the present state."""
        raise NotImplementedError

    def _session_slots(self) -> Slots:
        """Return what to listen to while the dock is visible."""
        session = self._session
        return (
            (session.active_changed, self._on_layers_changed),
            (session.layers_changed, self._on_layers_changed),
        )

    def _slots_of(self, shown: ShownAcquisition) -> Slots:
        """Return what to listen to of the active acquisition."""
        return ((shown.acq.changed, self._schedule),)

    def _wanted_slots(self) -> Slots:
        """Return what to listen to of acquisitions: of the active one only, unless overridden."""
        active = self._session.active
        return () if active is None else self._slots_of(active)

    def _on_shown(self) -> None:
        """Catch up with what was missed while the dock was hidden."""
        self._on_layers_changed()
        self._refresh()

    def _on_hidden(self) -> None:
        """Stop listening."""
        self._refreshing.stop()
        self._unfollow()
        for signal, slot in self._session_slots():
            signal.disconnect(slot)

    def _on_layers_changed(self) -> None:
        self._follow()
        self._schedule()

    # ---- life cycle

    def event(self, event: QEvent | None) -> bool:
        """Stop all timers when napari takes the widget out of its closed dock."""
        if event is not None and event.type() == QEvent.Type.ParentChange and not self.parent():
            # Nobody may hold it from now on. PySide6 then deletes it in whatever thread collects
            # rubbish, where Qt cannot stop a timer that is running, and crashes when it goes off.
            for timer in self.findChildren(QTimer):
                timer.stop()
        return super().event(event)

    def showEvent(self, event: QShowEvent | None) -> None:
        """Start listening."""
        super().showEvent(event)
        if not self._is_listening:
            self._is_listening = True
            guard_window(self, self._session)
            for signal, slot in self._session_slots():
                signal.connect(slot)
            self._on_shown()

    def hideEvent(self, event: QHideEvent | None) -> None:
        """Stop listening: nothing of a dock that is not seen may keep running."""
        super().hideEvent(event)
        is_spontaneous = event is not None and event.spontaneous()
        if self._is_listening and not is_spontaneous:
            self._is_listening = False
            self._on_hidden()

    def _follow(self) -> None:
        wanted = self._wanted_slots()
        if wanted != self._followed:
            self._unfollow()
            for signal, slot in wanted:
                signal.connect(slot)
            self._followed = wanted

    def _unfollow(self) -> None:
        for signal, slot in self._followed:
            signal.disconnect(slot)
        self._followed = ()

    def _schedule(self) -> None:
        if not self._refreshing.isActive():
            self._refreshing.start()

    def _refresh_now(self) -> None:
        """Refresh, and not once more for what happened before."""
        self._refreshing.stop()
        self._refresh()
