"""After warming up, a measurement compiles nothing."""

from __future__ import annotations

import numpy as np
from numba.core import event

from napari_bloodflow.analysis.kernels.edges_guided import GuidedSettings, iter_guided_edges
from napari_bloodflow.analysis.kernels.lag_correlation import LagOptions, lag_velocity
from napari_bloodflow.analysis.kernels.radon import iter_radon_windows
from napari_bloodflow.analysis.warm_up import warm_up


def test_measuring_compiles_nothing_more() -> None:
    warm_up()
    image = np.random.default_rng(0).normal(100, 10, (400, 50)).astype(np.float32)
    with event.install_recorder("numba:compile") as recorder:
        found = lag_velocity(image, LagOptions(32))
        classic = list(iter_radon_windows(image, 32))
        edges = list(iter_guided_edges(image, GuidedSettings(window_rows=3)))
    assert found.displacement_px.size > 0
    assert classic
    assert edges
    assert recorder.buffer == []
