"""A session used from a script: run, plot, screenshot."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from napari.components import ViewerModel

from napari_bloodflow import AcqImage, LineEndpoints, RectRoiBounds, open_in_viewer
from napari_bloodflow._napari.session import get_session
from napari_bloodflow.errors import AnalysisError
from napari_bloodflow.synthetic import pulsatile_flow, write_tiff

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from napari_bloodflow._napari.session import ViewerSession

pytestmark = pytest.mark.gui
VELOCITY = "radon_velocity"


@pytest.fixture
def path(tmp_path: Path) -> Path:
    write_tiff(pulsatile_flow(num_rows=512), tmp_path / "vessel.tif")
    return tmp_path / "vessel.tif"


@pytest.fixture
def viewer() -> ViewerModel:
    return ViewerModel()


@pytest.fixture
def session(viewer: ViewerModel, path: Path) -> ViewerSession:
    return open_in_viewer(path, viewer)


@pytest.fixture
def acq(session: ViewerSession) -> AcqImage:
    assert session.acq is not None
    return session.acq


def test_run_measures_the_only_rectangle_and_keeps_the_result(
    session: ViewerSession, acq: AcqImage
) -> None:
    acq.rois.create(LineEndpoints(0, 0, 100, 20))
    roi = acq.rois.create()
    analysis = session.run(VELOCITY, window_width=32)
    assert analysis is acq.analysis_set[VELOCITY, 0, roi.roi_id]
    assert analysis.detection_params["window_width"] == 32
    assert analysis.result.summary["velocity_mean"] == pytest.approx(800, rel=0.1)
    assert session.run(VELOCITY).detection_params["window_width"] == 32


def test_run_measures_the_selected_roi_or_the_one_that_is_named(
    session: ViewerSession, acq: AcqImage
) -> None:
    acq.rois.create()
    acq.rois.create(RectRoiBounds(0, 256, 0, 64))
    assert session.active is not None
    assert session.active.sync is not None
    session.active.sync.select([2])
    assert session.run(VELOCITY).key == (VELOCITY, 0, 2)
    assert session.run(VELOCITY, 1).key == (VELOCITY, 0, 1)


def test_a_choice_that_is_not_clear_is_asked_for(session: ViewerSession, acq: AcqImage) -> None:
    with pytest.raises(ValueError, match="rectangular ROI only, there is none"):
        session.run(VELOCITY)
    acq.rois.create()
    acq.rois.create()
    with pytest.raises(ValueError, match="there is 1, 2"):
        session.run(VELOCITY)
    with pytest.raises(ValueError, match="window_width"):
        session.run(VELOCITY, 1, window_width="wide")
    with pytest.raises(AnalysisError, match="colour"):
        session.run("colour", 1)
    assert not len(acq.analysis_set)


def test_plot_takes_a_name_or_an_analysis(session: ViewerSession, acq: AcqImage) -> None:
    acq.rois.create(RectRoiBounds(0, 256, 0, 64))
    acq.rois.create()
    velocity = session.run(VELOCITY, 2, window_width=32)
    ax = session.plot(VELOCITY)  # the only one with a result
    np.testing.assert_array_equal(ax.lines[0].get_ydata(), velocity.result.table["velocity"])
    assert ax.get_ylabel() == "Velocity (µm/s)"
    assert session.plot(velocity, ax=ax, color="red") is ax
    assert ax.lines[1].get_color() == "red"
    with pytest.raises(KeyError, match="ROI 1"):
        session.plot(VELOCITY, 1)
    with pytest.raises(ValueError, match="result of diameter only, there is none"):
        session.plot("diameter")


def test_without_a_file_or_a_window_it_says_so(viewer: ViewerModel, path: Path) -> None:
    session = get_session(viewer)
    with pytest.raises(RuntimeError, match="nothing is open"):
        session.run(VELOCITY)
    with pytest.raises(RuntimeError, match="nothing is open"):
        session.plot(VELOCITY)
    with pytest.raises(RuntimeError, match="without a window"):
        session.screenshot()


def test_a_screenshot_is_an_array_and_a_file(
    make_napari_viewer: Callable[..., Any], path: Path, tmp_path: Path
) -> None:
    session = open_in_viewer(path, make_napari_viewer(show=True))
    window = session.screenshot(tmp_path / "window.png")
    canvas = session.screenshot(canvas_only=True)
    assert window.dtype == canvas.dtype == np.uint8
    assert window.shape[2] == canvas.shape[2] == 4
    assert window.shape[1] > canvas.shape[1]
    assert len(np.unique(canvas[..., 0])) > 20  # the kymograph
    assert (tmp_path / "window.png").read_bytes().startswith(b"\x89PNG")
