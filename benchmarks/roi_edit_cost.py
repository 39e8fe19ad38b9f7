"""What one edit of a ROI costs when many are shown: our code, and napari's inside of it.

Run it under a display (``xvfb-run -a python benchmarks/roi_edit_cost.py``): a rectangle is drawn
with the mouse in a real viewer, and what happens at the release of the button is timed, before
anything is repainted, with the layer bound to a RoiSet and without. The difference is ours. With
``--model`` there is no window, and the rectangle is added by ``layer.add``.
"""

from __future__ import annotations

import argparse
import os
import statistics
import tempfile
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Callable

TARGET_MS = 50.0  # for one ROI drawn among 100
BOUNDS = (10_000, 100)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--counts", type=int, nargs="+", default=[10, 100, 300, 1000])
    parser.add_argument("--repeats", type=int, default=9)
    parser.add_argument("--model", action="store_true", help="without a window")
    arguments = parser.parse_args()
    os.environ.setdefault("NAPARI_CONFIG", str(Path(tempfile.mkdtemp()) / "settings.yaml"))
    bench = ModelBench() if arguments.model else ViewerBench()
    print("median ms       draw one with the mouse        edit one by code")
    print(f"{'ROIs':>5}  {'unbound':>9} {'bound':>9} {'ours':>9}   {'ours':>9}")
    missed = False
    for count in arguments.counts:
        unbound, bound, by_code = measure(bench, count, arguments.repeats)
        ours = bound - unbound
        missed |= count == 100 and ours > TARGET_MS
        print(f"{count:5d}  {unbound:9.1f} {bound:9.1f} {ours:9.1f}   {by_code:9.1f}", flush=True)
    print(f"target: under {TARGET_MS:.0f} ms with 100 ROIs: {'MISSED' if missed else 'met'}")
    bench.close()


class ModelBench:
    """A viewer model; drawing is adding a shape that is not on whole pixels."""

    def __init__(self) -> None:
        from napari.components import ViewerModel

        self.viewer: Any = ViewerModel()

    def settle(self) -> None:
        pass

    def draw(self, layer: Any) -> float:
        corners = [[20.2, 10.3], [20.2, 30.6], [700.7, 30.6], [700.7, 10.3]]
        return _time(lambda: layer.add(corners, shape_type="rectangle"))

    def close(self) -> None:
        pass


class ViewerBench(ModelBench):
    """A real viewer; drawing is pressing, moving and releasing the button of a mouse."""

    def __init__(self) -> None:
        import napari
        from qtpy.QtWidgets import QApplication, QWidget

        self.viewer = napari.Viewer(show=True)
        self.settle()
        self.canvas = next(
            widget
            for window in QApplication.topLevelWidgets()
            for widget in window.findChildren(QWidget)
            if type(widget).__name__ == "CanvasBackendDesktop"
        )

    def settle(self) -> None:
        from qtpy.QtTest import QTest

        QTest.qWait(20)  # more than napari's throttling of mouse moves

    def draw(self, layer: Any) -> float:
        from qtpy.QtCore import QEvent

        layer.mode = "add_rectangle"
        self.viewer.layers.selection.active = layer
        self._send(QEvent.Type.MouseMove, 0.4)
        self._send(QEvent.Type.MouseButtonPress, 0.4)
        for fraction in (0.5, 0.6):
            self._send(QEvent.Type.MouseMove, fraction)
            self.settle()
        return _time(lambda: self._send(QEvent.Type.MouseButtonRelease, 0.6))

    def _send(self, kind: Any, fraction: float) -> None:
        """Send a mouse event to the canvas at once, without the repainting that follows."""
        from qtpy.QtCore import QPointF, Qt
        from qtpy.QtGui import QMouseEvent
        from qtpy.QtWidgets import QApplication

        size, left = self.canvas.size(), Qt.MouseButton.LeftButton
        place = QPointF(size.width() * fraction, size.height() * fraction)
        everywhere = self.canvas.mapToGlobal(place)
        no_key = Qt.KeyboardModifier.NoModifier
        event = QMouseEvent(kind, place, everywhere, left, left, no_key)
        QApplication.sendEvent(self.canvas, event)

    def close(self) -> None:
        self.viewer.close()
        self.settle()


def measure(bench: ModelBench, count: int, repeats: int) -> tuple[float, float, float]:
    """Return median ms of drawing in an unbound layer, in a bound one, and of an edit by code."""
    from napari_bloodflow._napari.roi_sync import RoiSync, make_roi_layer
    from napari_bloodflow.acquisition.roi import ImageBounds, RectRoiBounds
    from napari_bloodflow.acquisition.roi_set import RoiSet

    viewer = bench.viewer
    viewer.layers.clear()
    image = viewer.add_image(np.zeros(BOUNDS, np.uint16), scale=(1.0, 80.0))
    viewer.dims.order = (1, 0)
    viewer.reset_view()
    random = np.random.default_rng(0)
    rois = RoiSet(ImageBounds(*BOUNDS))
    for row, column in zip(
        random.integers(0, 9000, count), random.integers(0, 70, count), strict=True
    ):
        rois.create(RectRoiBounds(int(row), int(row) + 600, int(column), int(column) + 20))

    plain = make_roi_layer(rois, image)
    viewer.add_layer(plain)
    unbound = _median(
        bench, repeats, lambda: bench.draw(plain), lambda: plain.remove([plain.nshapes - 1])
    )
    viewer.layers.remove(plain)

    layer = make_roi_layer(rois, image)
    viewer.add_layer(layer)
    sync = RoiSync(rois, layer)
    bound = _median(
        bench, repeats, lambda: bench.draw(layer), lambda: rois.delete(rois.get_roi_ids()[-1])
    )
    if len(rois) != count:
        raise RuntimeError("nothing was drawn")
    last_id, rows = rois.get_roi_ids()[-1], iter(range(1, 10_000))

    def edit() -> float:
        row = next(rows)
        return _time(lambda: rois.edit(last_id, RectRoiBounds(row, row + 500, 3, 40)))

    by_code = _median(bench, repeats, edit, bench.settle)
    sync.unbind()
    return unbound, bound, by_code


def _time(action: Callable[[], Any]) -> float:
    start = time.perf_counter()
    action()
    return time.perf_counter() - start


def _median(
    bench: ModelBench, repeats: int, action: Callable[[], float], undo: Callable[[], Any]
) -> float:
    times = []
    for _ in range(repeats):
        bench.settle()
        times.append(action())
        bench.settle()
        undo()
    return 1e3 * statistics.median(times)


if __name__ == "__main__":
    main()
