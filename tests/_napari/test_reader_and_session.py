"""Opening acquisitions: layers, sessions, layout, bad input. Mostly without a window."""

from __future__ import annotations

import gc
import weakref
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
import tifffile
from napari.components import ViewerModel
from napari.layers import Image, Shapes

from napari_bloodflow import AcqImage, RectRoiBounds, open_in_viewer
from napari_bloodflow._napari.layers import fit_stretch
from napari_bloodflow._napari.reader import get_reader
from napari_bloodflow._napari.session import get_session
from napari_bloodflow.errors import ImageReadError
from napari_bloodflow.synthetic import moving_streaks, write_tiff

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

pytestmark = pytest.mark.gui
PLUGIN = "napari-bloodflow"


@pytest.fixture
def k05(copy_fixture: Callable[[str], Path]) -> Path:
    return copy_fixture("cloudscope/may2026") / "k05_pulsatile.tif"


@pytest.fixture
def viewer() -> ViewerModel:
    return ViewerModel()


def on_screen(viewer: ViewerModel) -> np.ndarray[Any, Any]:
    """Return height and width of everything on the canvas, in world units."""
    low, high = viewer.layers.extent.world
    return (high - low)[list(viewer.dims.order)]


# ---- opening


def test_the_reader_gives_image_and_rois_and_a_live_session(viewer: ViewerModel, k05: Path) -> None:
    viewer.open(str(k05), plugin=PLUGIN)
    image, rois = viewer.layers
    assert isinstance(image, Image)
    assert isinstance(rois, Shapes)
    assert image.source.reader_plugin == PLUGIN
    session = get_session(viewer)
    assert session.viewer is viewer
    assert session.image_layers == [image]
    assert session.roi_layer is rois
    assert session.acq is not None
    assert session.acq.path == str(k05)
    rois.add(np.array([[9.5, 1.5], [9.5, 11.5], [99.5, 11.5], [99.5, 1.5]]))
    assert session.acq.rois[2].geometry == RectRoiBounds(10, 100, 2, 12)
    session.acq.rois.edit(2, RectRoiBounds(10, 50, 2, 12))
    assert rois.data[1][:, 0].max() == 49.5


def test_a_sidecar_opens_its_image(viewer: ViewerModel, k05: Path) -> None:
    viewer.open(f"{k05}.json", plugin=PLUGIN)
    assert get_session(viewer).acq.path == str(k05)  # type: ignore[union-attr]


@pytest.mark.parametrize("name", ["a.png", "a.json", "a.tif.csv", ""])
def test_other_files_are_left_to_other_readers(name: str) -> None:
    assert get_reader(name) is None


@pytest.mark.parametrize("opened", [(1,), (0, 1), (1, 0)])
def test_channels_in_files_of_their_own_open_once_as_channels_of_one_image(
    viewer: ViewerModel, tmp_path: Path, opened: tuple[int, ...]
) -> None:
    files = [tmp_path / f"scan_C00{n}.tif" for n in (1, 2)]
    for number, file in enumerate(files):
        tifffile.imwrite(file, np.full((60, 20), number + 1, np.uint16))
    viewer.open([str(files[i]) for i in opened], plugin=PLUGIN)
    (shown,) = get_session(viewer).shown
    assert shown.acq.image_path == files[0]
    images = [layer for layer in viewer.layers if isinstance(layer, Image)]
    assert sorted(int(np.max(layer.data)) for layer in images) == [1, 2]
    get_session(viewer).open(files[1])
    assert len(viewer.layers) == 3


def test_another_xml_than_that_of_prairie_is_declined_in_words(
    viewer: ViewerModel, tmp_path: Path
) -> None:
    xml = tmp_path / "a.xml"
    xml.write_text("<note/>")
    with pytest.raises(ImageReadError, match="is not an XML file of Prairie View"):
        viewer.open(str(xml), plugin=PLUGIN)
    assert len(viewer.layers) == 0


def test_several_files_open_together(viewer: ViewerModel, k05: Path) -> None:
    other = k05.with_name("k01_velocity.tif")
    viewer.open([str(k05), str(other)], plugin=PLUGIN)
    assert [s.acq.name for s in get_session(viewer).shown] == [k05.name, other.name]
    assert len(viewer.layers) == 4


def test_an_open_file_is_brought_forward_and_not_opened_twice(
    viewer: ViewerModel, k05: Path
) -> None:
    viewer.open([str(k05), str(k05.with_name("k01_velocity.tif"))], plugin=PLUGIN)
    session = get_session(viewer)
    acq = session.shown[0].acq
    viewer.open(str(k05), plugin=PLUGIN)
    assert len(viewer.layers) == 4
    assert session.acq is acq


def test_viewers_are_independent(k05: Path) -> None:
    first, second = ViewerModel(), ViewerModel()
    first.open(str(k05), plugin=PLUGIN)
    second.open(str(k05), plugin=PLUGIN)
    one, two = get_session(first), get_session(second)
    assert one is not two
    assert one.acq is not None
    assert two.acq is not None
    one.acq.rois.create()
    assert (len(one.acq.rois), len(two.acq.rois)) == (2, 1)


def test_the_session_of_a_viewer_that_is_not_current_is_made_too(
    make_napari_viewer: Callable[[], Any], k05: Path
) -> None:
    first = make_napari_viewer()
    make_napari_viewer()
    first.open(str(k05), plugin=PLUGIN)
    layer = first.layers[-1]
    layer.add(np.array([[0, 0], [0, 10], [50, 10], [50, 0]]))
    assert get_session(first).acq.rois.num_rois == 2  # type: ignore[union-attr]


def test_channels_become_layers_with_their_own_contrast(
    viewer: ViewerModel, tmp_path: Path
) -> None:
    path = tmp_path / "two.tif"
    pixels = np.random.default_rng(0).integers(0, 99, (2, 60, 16)).astype("uint16")
    pixels[1] *= 10
    tifffile.imwrite(path, pixels, imagej=True, metadata={"axes": "CYX"})
    session = open_in_viewer(path, viewer)
    green, red = session.image_layers
    np.testing.assert_array_equal(red.data, pixels[1])
    assert (green.colormap.name, red.colormap.name) == ("green", "red")
    assert red.contrast_limits[1] > 3 * green.contrast_limits[1]


def test_contrast_and_metadata_come_back(viewer: ViewerModel, tmp_path: Path) -> None:
    path = tmp_path / "streaks.tif"
    write_tiff(moving_streaks(200, 30), path)
    acq = AcqImage(path)
    contrast = acq.ensure_image_contrast(0)
    contrast.value_min, contrast.value_max, contrast.color_lut = 11, 77, "Magenta"
    acq.set_image_contrast(0, contrast)
    acq.save()
    (image,) = open_in_viewer(path, viewer).image_layers
    assert image.contrast_limits == [11, 77]
    assert image.colormap.name == "magenta"


def test_a_contrast_changed_in_the_viewer_is_kept(viewer: ViewerModel, k05: Path) -> None:
    session = open_in_viewer(k05, viewer)
    acq, (image,) = session.acq, session.image_layers
    assert acq is not None
    assert not acq.is_dirty
    image.contrast_limits = (20, 90)
    image.colormap = "magenta"
    assert acq.is_dirty
    acq.save()
    again = AcqImage(k05).get_image_contrast(0)
    assert again is not None
    assert (again.value_min, again.value_max, again.color_lut) == (20, 90, "Magenta")


# ---- layout


@pytest.mark.parametrize("shape", [(30_000, 25), (500, 1_000), (2, 5_000), (20_000, 1)])
@pytest.mark.parametrize("direction", ["right", "down"])
def test_any_kymograph_fills_the_canvas(
    viewer: ViewerModel, tmp_path: Path, shape: tuple[int, int], direction: str
) -> None:
    path = tmp_path / "shape.tif"
    tifffile.imwrite(path, np.ones(shape, dtype="uint8"))
    session = open_in_viewer(path, viewer)
    session.set_time_direction(direction)  # type: ignore[arg-type]
    height, width = viewer.canvas.size
    rows, columns = shape
    scale = session.image_layers[0].scale
    world = np.array(shape) * scale
    on_canvas = world[::-1] if direction == "right" else world
    assert on_canvas[0] / on_canvas[1] == pytest.approx(height / width)
    assert tuple(viewer.dims.order) == ((1, 0) if direction == "right" else (0, 1))
    assert scale[1] == fit_stretch(rows, columns, viewer.canvas.size, direction)  # type: ignore[arg-type]


def test_image_and_rois_always_share_scale_units_and_axes(viewer: ViewerModel, k05: Path) -> None:
    session = open_in_viewer(k05, viewer)
    session.set_stretch(7.5)
    image, rois = viewer.layers
    for name in ("scale", "translate", "units", "axis_labels"):
        np.testing.assert_array_equal(getattr(image, name), getattr(rois, name))
    assert tuple(image.scale) == (1.0, 7.5)
    assert session.stretch == 7.5
    session.fit_view()
    assert tuple(image.scale) == tuple(rois.scale) != (1.0, 7.5)


def test_the_kymograph_fits_a_resized_canvas_until_the_user_moves_the_view(
    viewer: ViewerModel, k05: Path
) -> None:
    session = open_in_viewer(k05, viewer)
    viewer.canvas.size = (300, 1200)
    fitted = session.stretch
    assert session.image_layers[0].scale[1] == fitted == fit_stretch(2400, 20, (300, 1200))
    viewer.scene.camera.zoom *= 2
    viewer.canvas.size = (900, 900)
    assert session.image_layers[0].scale[1] == fitted


@pytest.mark.parametrize("direction", ["right", "down"])
def test_stretching_keeps_the_middle_in_the_middle(
    viewer: ViewerModel, k05: Path, direction: str
) -> None:
    session = open_in_viewer(k05, viewer)
    session.set_time_direction(direction)  # type: ignore[arg-type]
    image = session.image_layers[0]

    def middle() -> np.ndarray[Any, Any]:
        world = np.array(viewer.scene.camera.center)[-2:][list(viewer.dims.order)]
        return np.array(image.world_to_data(world))

    before = middle()
    session.set_stretch(3 * session.stretch)
    np.testing.assert_allclose(middle(), before)


def test_only_the_active_kymograph_is_visible(viewer: ViewerModel, k05: Path) -> None:
    session = open_in_viewer(k05, viewer)
    session.open(k05.with_name("k01_velocity.tif"))
    first, second = session.shown
    assert [layer.visible for layer in first.layers] == [False, False]
    assert [layer.visible for layer in second.layers] == [True, True]
    second.layers[0].visible = False
    session.activate(first)
    session.activate(second)
    assert [layer.visible for layer in first.layers] == [False, False]
    assert all(layer.visible for layer in second.layers)


def test_a_stretch_is_above_zero(viewer: ViewerModel, k05: Path) -> None:
    session = open_in_viewer(k05, viewer)
    with pytest.raises(ValueError, match="above zero"):
        session.set_stretch(0)


def test_positions_are_told_in_seconds_and_micrometres(
    viewer: ViewerModel, k05: Path, tmp_path: Path
) -> None:
    session = open_in_viewer(k05, viewer)
    image = session.image_layers[0]
    intensity = f"{image.data[1000, 10]}"
    world = image.data_to_world((1000, 10))
    assert session.describe_position(world) == (f"1.5 s, 3 µm (line 1000, pixel 10): {intensity}")
    assert session.describe_position((-5.0, 0.0)) == ""
    plain = tmp_path / "plain.tif"
    tifffile.imwrite(plain, np.ones((50, 20), dtype="uint8"))
    session.open(plain)
    world = session.image_layers[0].data_to_world((7, 5))
    assert session.describe_position(world) == "line 7, pixel 5 (not calibrated): 1"


# ---- layers go


def test_a_deleted_roi_layer_keeps_the_rois_and_comes_back(viewer: ViewerModel, k05: Path) -> None:
    session = open_in_viewer(k05, viewer)
    assert session.acq is not None
    session.acq.rois.create()
    before = session.acq.rois.snapshot()
    viewer.layers.remove(session.roi_layer)
    assert session.roi_layer is None
    assert session.acq.rois.snapshot() == before
    session.show_layers(session.shown[0])
    assert session.roi_layer is not None
    assert len(session.roi_layer.data) == 2
    assert session.acq.rois.snapshot() == before


def test_a_saved_acquisition_is_let_go_with_its_layers(viewer: ViewerModel, k05: Path) -> None:
    session = open_in_viewer(k05, viewer)
    viewer.layers.clear()
    assert session.shown == ()
    assert session.acq is None


def test_unsaved_changes_outlive_the_layers(viewer: ViewerModel, k05: Path) -> None:
    session = open_in_viewer(k05, viewer)
    acq = session.acq
    assert acq is not None
    acq.rois.create()
    viewer.layers.clear()
    assert session.acq is acq
    session.show_layers(session.shown[0])
    assert len(viewer.layers) == 2
    assert len(acq.rois) == 2


def test_a_duplicate_of_the_roi_layer_is_a_picture_only(viewer: ViewerModel, k05: Path) -> None:
    session = open_in_viewer(k05, viewer)
    assert session.acq is not None
    original = session.roi_layer
    assert original is not None
    copy = Shapes.create(*original.as_layer_data_tuple())
    viewer.add_layer(copy)
    copy.data = []
    assert session.roi_layer is original
    assert session.acq.rois.num_rois == 1


@pytest.mark.parametrize("has_rois", [False, True])
def test_layers_that_are_used_again_fit_the_other_file(
    viewer: ViewerModel, tmp_path: Path, has_rois: bool
) -> None:
    acqs = []
    for name, size in (("a", (300, 20)), ("b", (800, 64))):
        write_tiff(moving_streaks(*size), tmp_path / f"{name}.tif")
        acqs.append(AcqImage(tmp_path / f"{name}.tif"))
    acqs[0].rois.create(RectRoiBounds(10, 290, 2, 18))
    if has_rois:
        acqs[1].rois.create(RectRoiBounds(100, 700, 5, 60))
    session = get_session(viewer)
    image, rois = session.show(acqs[0]).layers
    acqs[0].save()
    told: list[Any] = []
    rois.events.data.connect(lambda event: told.append(len(event.value)))
    planes: list[Any] = []
    image.events.data.connect(lambda event: planes.append(event.value.shape))
    image.events.colormap.connect(planes.append)
    shown = session.show_instead(acqs[1])
    assert shown.layers == [image, rois] == list(viewer.layers)
    assert told[-1] == has_rois
    assert planes == [(800, 64)]
    assert len(rois.data) == has_rois
    assert tuple(image.scale) == tuple(rois.scale) == (1.0, session.stretch)
    assert [step.stop for step in viewer.dims.range] == [799.0, 63.0 * session.stretch]


def test_sessions_and_acquisitions_die_with_their_viewer(k05: Path) -> None:
    viewer = ViewerModel()
    session = open_in_viewer(k05, viewer)
    alive = [weakref.ref(session), weakref.ref(session.acq)]
    session.acq.rois.create()  # type: ignore[union-attr]
    del session, viewer
    gc.collect()
    assert [ref() for ref in alive] == [None, None]


# ---- bad input


def bad_files(folder: Path) -> dict[str, Path]:
    paths = {name: folder / f"{name}.tif" for name in ("empty", "text", "rgb", "one_d")}
    paths["empty"].touch()
    paths["text"].write_text("not a picture")
    tifffile.imwrite(paths["rgb"], np.zeros((9, 9, 3), "uint8"), photometric="rgb")
    tifffile.imwrite(paths["one_d"], np.zeros(50, "uint8"))
    return paths


@pytest.mark.parametrize("kind", ["empty", "text", "rgb", "one_d"])
def test_a_bad_file_is_named_with_the_cause_and_adds_nothing(
    viewer: ViewerModel, tmp_path: Path, kind: str
) -> None:
    path = bad_files(tmp_path)[kind]
    before = sorted(tmp_path.iterdir())
    with pytest.raises(ValueError, match=path.name):
        viewer.open(str(path), plugin=PLUGIN)
    with pytest.raises(ValueError, match=path.name):
        open_in_viewer(path, viewer)
    assert len(viewer.layers) == 0
    assert get_session(viewer).shown == ()
    assert sorted(tmp_path.iterdir()) == before


def test_a_missing_file_is_named(viewer: ViewerModel, tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError, match=r"gone\.tif"):
        open_in_viewer(tmp_path / "gone.tif", viewer)


def test_an_unreadable_sidecar_opens_the_image_and_reports(viewer: ViewerModel, k05: Path) -> None:
    sidecar = k05.with_name(k05.name + ".json")
    sidecar.write_text("{")
    session = open_in_viewer(k05, viewer)
    assert len(viewer.layers) == 2
    assert session.acq is not None
    assert "not JSON" in session.acq.problems[0].what
    assert sidecar.read_text() == "{"
