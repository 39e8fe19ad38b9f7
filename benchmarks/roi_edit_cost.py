"""What one edit of a ROI costs when many are shown: our code, and napari's inside of it.

Run it under a display (``xvfb-run -a python benchmarks/roi_edit_cost.py``) for the real viewer;
with ``--model`` it needs none and leaves out drawing on the screen. "with" is the time of the
edit with the layer bound to a RoiSet, "without" the same edit of an unbound layer; the difference
is what the user waits for our sake.
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

    from napari.layers import Shapes

TARGET_MS = 50.0  # for one ROI drawn among 100
BOUNDS = (10_000, 100)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--counts", type=int, nargs="+", default=[10, 100, 300, 1000])
    parser.add_argument("--repeats", type=int, default=7)
    parser.add_argument("--model", action="store_true", help="without a window")
    arguments = parser.parse_args()
    os.environ.setdefault("NAPARI_CONFIG", str(Path(tempfile.mkdtemp()) / "settings.yaml"))
    print("median ms                 draw one                 edit one by code")
    print(f"{'ROIs':>5}  {'without':>9} {'with':>9} {'ours':>9}   {'ours':>9}")
    missed = False
    for count in arguments.counts:
        without, with_us, by_code = measure(count, arguments.repeats, arguments.model)
        ours = with_us - without
        missed |= count == 100 and ours > TARGET_MS
        print(f"{count:5d}  {without:9.1f} {with_us:9.1f} {ours:9.1f}   {by_code:9.1f}", flush=True)
    print(f"target: under {TARGET_MS:.0f} ms with 100 ROIs: {'MISSED' if missed else 'met'}")


def measure(count: int, repeats: int, is_model_only: bool) -> tuple[float, float, float]:
    """Return median ms of drawing one without us, with us, and of editing one by code."""
    from napari.components import ViewerModel

    from napari_bloodflow._napari.roi_sync import RoiSync, make_roi_layer
    from napari_bloodflow.acquisition.roi import ImageBounds, RectRoiBounds
    from napari_bloodflow.acquisition.roi_set import RoiSet

    viewer: Any
    if is_model_only:
        viewer, settle = ViewerModel(), _nothing
    else:
        import napari
        from qtpy.QtWidgets import QApplication

        viewer, settle = napari.Viewer(show=True), QApplication.processEvents
    image = viewer.add_image(np.zeros(BOUNDS, np.uint16), scale=(1.0, 80.0))
    viewer.dims.order = (1, 0)
    random = np.random.default_rng(0)
    rois = RoiSet(ImageBounds(*BOUNDS))
    for row, column in zip(
        random.integers(0, 9000, count), random.integers(0, 70, count), strict=True
    ):
        rois.create(RectRoiBounds(int(row), int(row) + 600, int(column), int(column) + 20))

    plain = make_roi_layer(rois, image)
    viewer.add_layer(plain)
    without = _median(
        lambda: _draw(plain), lambda: plain.remove([plain.nshapes - 1]), settle, repeats
    )
    viewer.layers.remove(plain)

    layer = make_roi_layer(rois, image)
    viewer.add_layer(layer)
    sync = RoiSync(rois, layer)
    last_id = rois.get_roi_ids()[-1]
    with_us = _median(
        lambda: _draw(layer), lambda: rois.delete(rois.get_roi_ids()[-1]), settle, repeats
    )
    rows = iter(range(1, 10_000))
    by_code = _median(
        lambda: rois.edit(last_id, RectRoiBounds((row := next(rows)), row + 500, 3, 40)),
        _nothing,
        settle,
        repeats,
    )
    sync.unbind()
    if not is_model_only:
        viewer.close()
        settle()
    return without, with_us, by_code


def _draw(layer: Shapes) -> None:
    """Add a shape that is not on whole pixels, so that it has to be drawn again."""
    layer.add([[20.2, 10.3], [20.2, 30.6], [700.7, 30.6], [700.7, 10.3]], shape_type="rectangle")


def _median(
    action: Callable[[], Any], undo: Callable[[], Any], settle: Callable[[], Any], repeats: int
) -> float:
    times = []
    for _ in range(repeats):
        settle()
        start = time.perf_counter()
        action()
        times.append(time.perf_counter() - start)
        settle()
        undo()
    return 1e3 * statistics.median(times)


def _nothing() -> None:
    pass


if __name__ == "__main__":
    main()
