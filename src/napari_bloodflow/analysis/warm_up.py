"""Compile the kernels ahead of the first measurement."""

from __future__ import annotations

import threading

import numpy as np

__all__ = ["warm_up", "warm_up_in_background"]

_started = threading.Lock()


def warm_up() -> None:
    """Compile the kernels, or load them from the cache if they were compiled before.

    The first measurement on a machine otherwise waits for it: some 15 s the first time, about one
    in every later process.
    """
    from napari_bloodflow.analysis.kernels.edges_guided import GuidedSettings, iter_guided_edges
    from napari_bloodflow.analysis.kernels.lag_correlation import LagOptions, lag_velocity
    from napari_bloodflow.analysis.kernels.radon import iter_radon_windows
    from napari_bloodflow.analysis.kernels.red_cells import count_red_cells

    image = np.random.default_rng(0).integers(0, 100, (160, 32)).astype(np.uint16)
    found = lag_velocity(image, LagOptions(64))
    count_red_cells(image, np.zeros_like(found.displacement_px), 64)
    for _ in iter_radon_windows(image, 64):
        pass
    for _ in iter_guided_edges(image, GuidedSettings()):
        pass


def warm_up_in_background() -> None:
    """Do it in a thread, once in a process; a program that ends does not wait for it."""
    if _started.acquire(blocking=False):
        threading.Thread(target=warm_up, name="bloodflow-warm-up", daemon=True).start()
