"""How long the thread of a window is busy at a stretch: for the benchmarks of the viewer.

Wall time tells what a user waits for, and on a shared machine what others do as well. The processor
time of the window's thread is that of napari and of us; what is spent in painting is told apart.
"""

from __future__ import annotations

import os
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable

__all__ = ["GuiMeter", "Stretch", "wait_until", "with_own_settings"]

_BEAT_MS = 1
_WAKE_MS = 20


@dataclass(frozen=True, slots=True)
class Stretch:
    """The longest stretches without an answer, in ms.

    Parameters
    ----------
    wall : float
        By the clock.
    cpu : float
        Of processor time of the window's thread.
    ours : float
        Of that time without what painting took.
    """

    wall: float
    cpu: float
    ours: float


class GuiMeter:
    """A heart that beats in the window's thread, and notes the longest gaps between its beats."""

    def __init__(self) -> None:
        from qtpy.QtCore import QTimer

        self._painted = 0.0
        self._is_painting = False
        _tell_of_painting(self)
        self._timer = QTimer()
        self._timer.setInterval(_BEAT_MS)
        self._timer.timeout.connect(self.beat)
        self.start()

    def start(self) -> None:
        """Begin anew."""
        self._gaps: list[tuple[float, float, float]] = []
        self._last = self.now()
        self._timer.start()

    def beat(self) -> None:
        """Note how long it took since the last beat."""
        now = self.now()
        wall, cpu, painted = (after - before for after, before in zip(now, self._last, strict=True))
        self._gaps.append((wall, cpu, max(0.0, cpu - painted)))
        self._last = now

    def stop(self) -> Stretch:
        """End, and return the longest gaps."""
        self.beat()
        self._timer.stop()
        return Stretch(*(1e3 * max(values) for values in zip(*self._gaps, strict=True)))

    def now(self) -> tuple[float, float, float]:
        """Return seconds by the clock, of processor time, and of that what painting took."""
        return time.perf_counter(), time.thread_time(), self._painted

    def paint(self, paint: Callable[[], Any]) -> Any:
        """Paint, and note how much processor time it took."""
        if self._is_painting:
            return paint()
        start, self._is_painting = time.thread_time(), True
        try:
            return paint()
        finally:
            self._is_painting = False
            self._painted += time.thread_time() - start


def _tell_of_painting(meter: GuiMeter) -> None:
    """Tell a meter of what the canvas of napari and the plots of pyqtgraph paint."""
    import pyqtgraph
    from vispy.app.backends import _qt

    backends = [each for each in vars(_qt).values() if isinstance(each, type)]
    names = ("paintGL", "paintEvent")
    for painter in (*backends, pyqtgraph.GraphicsView):
        for name in names:
            if name in vars(painter):
                setattr(painter, name, _metered(getattr(painter, name), meter))


def _metered(paint: Callable[..., Any], meter: GuiMeter) -> Callable[..., Any]:
    def metered(self: Any, *arguments: Any, **options: Any) -> Any:
        return meter.paint(lambda: paint(self, *arguments, **options))

    return metered


def with_own_settings() -> Path:
    """Let napari use settings of its own in a new folder, and return the folder."""
    folder = Path(tempfile.mkdtemp())
    os.environ.setdefault("NAPARI_CONFIG", str(folder / "settings.yaml"))
    return folder


def wait_until(is_done: Callable[[], bool], least_s: float = 0.0) -> None:
    """Let the window work until something is so, and for a time at least.

    Raises
    ------
    TimeoutError
        If it is not so within a minute.
    """
    from qtpy.QtCore import QEventLoop, QTimer

    loop, waker = QEventLoop(), QTimer()
    waker.start(_WAKE_MS)  # without an event it would sleep for ever
    start = time.monotonic()
    while not is_done() or time.monotonic() - start < least_s:
        loop.processEvents(QEventLoop.ProcessEventsFlag.WaitForMoreEvents)
        if time.monotonic() - start > 60:
            raise TimeoutError
