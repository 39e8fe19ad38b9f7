"""Images that were read elsewhere, or made in a program: adopted, kept, saved as files."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest

from napari_bloodflow import AcqImage, RectRoiBounds
from napari_bloodflow.acquisition.array_image import ArrayAxes, place_beside
from napari_bloodflow.errors import AxesError, ImageReadError, SaveError
from napari_bloodflow.storage.array_pixels import ArrayPlane
from napari_bloodflow.synthetic import pulsatile_flow

if TYPE_CHECKING:
    from pathlib import Path

    from numpy.typing import NDArray

SAMPLE = pulsatile_flow(num_rows=256)
VELOCITY = ("radon_velocity", 0, 1)


class Lazy:
    """An array that counts the pixels that are read of it."""

    def __init__(self, data: NDArray[Any]) -> None:
        self._data = data
        self.shape, self.ndim, self.dtype = data.shape, data.ndim, data.dtype
        self.num_read = 0

    def __getitem__(self, cut: Any) -> NDArray[Any]:
        found: NDArray[Any] = self._data[cut]
        self.num_read += found.size
        return found


def adopted(**options: Any) -> AcqImage:
    options = {"dt_s": SAMPLE.dt_s, "dx_um": SAMPLE.dx_um, "name": "made up", **options}
    return AcqImage.from_array(SAMPLE.image, **options)


def test_only_the_plane_is_read_and_only_when_it_is_needed() -> None:
    stack = np.random.default_rng(3).integers(0, 99, (3, 40, 5, 60), dtype=np.uint16)
    lazy = Lazy(stack)
    acq = AcqImage.from_array(lazy, time_axis=3, position_axis=1, index=(2, 4))
    assert lazy.num_read == 0
    assert acq.images.bounds.num_rows == 60
    assert np.array_equal(acq.images.get_slice(), stack[2, :, 4, :].T)
    assert acq.images.axes_in_words == "rows are time (axis 3 of the array)"
    acq.images.close()
    acq.images.get_slice()
    assert lazy.num_read == 40 * 60


def test_later_changes_of_the_array_are_not_measured() -> None:
    data = SAMPLE.image.copy()
    acq = AcqImage.from_array(data)
    before = acq.images.get_slice().copy()
    data[:] = 0
    assert np.array_equal(acq.images.get_slice(), before)
    assert not acq.images.get_slice().flags.writeable


def test_in_memory_all_works_but_saving() -> None:
    acq = adopted()
    assert acq.is_in_memory
    assert not acq.is_dirty
    assert acq.calibration.source == "array"
    assert acq.problems == ()
    acq.rois.create()
    acq.analysis_set.run_analysis(VELOCITY, {"window_width": 64})
    assert acq.get_sidecar_paths() == []
    for save in (acq.save, acq.save_sidecar_json, acq.rewrite):
        with pytest.raises(SaveError, match="save the image first"):
            save()
    assert acq.is_dirty
    acq.history.undo()
    assert acq.rois.num_rois == 0


def test_two_arrays_of_one_name_are_two_images() -> None:
    assert adopted().path != adopted().path
    assert adopted().name == "made up"
    assert adopted(name="../a\\b").name == "_a_b"


@pytest.mark.parametrize("dtype", [np.uint8, np.uint16, np.int32, np.float32, np.float64])
def test_saved_as_a_file_nothing_changes(tmp_path: Path, dtype: Any) -> None:
    acq = AcqImage.from_array(SAMPLE.image.astype(dtype), dt_s=0.0013, dx_um=0.3)
    acq.rois.create(RectRoiBounds(0, 128, 2, 12), name="a")
    acq.analysis_set.run_analysis(VELOCITY, {"window_width": 64})
    acq.apply_metadata_patch("experiment_metadata", {"species": "mouse"})
    saved = acq.save_as(tmp_path / "saved.tif")
    assert np.array_equal(saved.images.get_slice(), acq.images.get_slice())
    assert saved.images.dtype == np.dtype(dtype).name
    assert not saved.analysis_set[VELOCITY].is_stale
    assert saved.rois[1].label == "1 a"
    assert saved.experiment_metadata.species == "mouse"
    assert (saved.calibration.dt_s, saved.calibration.dx_um) == (0.0013, 0.3)
    assert not saved.is_dirty
    assert saved.problems == ()
    assert acq.is_in_memory


def test_other_programs_find_the_calibration_in_the_saved_file(tmp_path: Path) -> None:
    adopted().save_as(tmp_path / "saved.tif")
    for path in tmp_path.glob("*.json"):
        path.unlink()
    found = AcqImage(tmp_path / "saved.tif").calibration
    assert found.source == "ImageJ"
    assert (found.dt_s, found.dx_um) == pytest.approx((SAMPLE.dt_s, SAMPLE.dx_um), rel=1e-6)


def test_swapped_axes_are_saved_with_the_file(tmp_path: Path) -> None:
    acq = AcqImage.from_array(SAMPLE.image.T)
    acq.axes_swapped = True
    acq.set_calibration(0.001, 0.25)
    acq.rois.create()
    acq.analysis_set.run_analysis(VELOCITY, {"window_width": 64})
    saved = acq.save_as(tmp_path / "saved.tif")
    assert saved.axes_swapped
    assert np.array_equal(saved.images.get_slice(), SAMPLE.image)
    assert not saved.analysis_set[VELOCITY].is_stale
    assert saved.calibration.dt_s == 0.001


@pytest.mark.parametrize("name", ["there.tif", "saved.png", "no folder/saved.tif", "beside.tif"])
def test_a_file_that_cannot_be_written_is_named_and_nothing_is_left(
    tmp_path: Path, name: str
) -> None:
    (tmp_path / "there.tif").write_bytes(b"precious")
    (tmp_path / "beside.tif.json").write_bytes(b"precious")
    before = sorted(tmp_path.iterdir())
    with pytest.raises(SaveError, match=name):
        adopted().save_as(tmp_path / name)
    assert sorted(tmp_path.iterdir()) == before
    assert (tmp_path / "there.tif").read_bytes() == b"precious"


def test_beside_a_file_it_is_known_again_by_its_pixels(tmp_path: Path) -> None:
    file = tmp_path / "scan.oir"
    file.write_bytes(b"")
    stack = np.stack([SAMPLE.image, SAMPLE.image[::-1]])
    place = place_beside(file, stack)
    assert (place.path.name, place.plane) == ("scan.oir.layer1", None)
    acq = AcqImage.from_array(stack, time_axis=1, position_axis=2, index=(1,), path=place.path)
    acq.rois.create(name="kept")
    acq.set_calibration(0.002, 0.5)
    acq.save()
    assert sorted(path.name for path in tmp_path.iterdir()) == [
        "scan.oir",
        "scan.oir.layer1.bloodflow.json",
        "scan.oir.layer1.json",
    ]
    again = place_beside(file, stack)
    assert again.path == place.path
    assert again.plane is not None
    assert (again.plane.time_axis, again.plane.index) == (1, (1,))
    back = AcqImage.from_array(
        stack, time_axis=1, position_axis=2, index=again.plane.index, path=again.path
    )
    assert back.rois[1].name == "kept"
    assert back.calibration.source == "user"
    assert not back.is_in_memory
    assert not back.is_dirty


def test_other_pixels_of_the_same_file_get_files_of_their_own(tmp_path: Path) -> None:
    file = tmp_path / "scan.oir"
    first = place_beside(file, SAMPLE.image).path
    assert place_beside(file, SAMPLE.image, taken={first}).path.name == "scan.oir.layer2"
    acq = AcqImage.from_array(SAMPLE.image, path=first)
    acq.rois.create()
    acq.save()
    other = place_beside(file, SAMPLE.image + 1)
    assert (other.path.name, other.plane) == ("scan.oir.layer2", None)
    assert place_beside(file, SAMPLE.image[:-1]).path.name == "scan.oir.layer2"
    turned = ArrayPlane(1, 0)
    assert place_beside(file, SAMPLE.image, wanted=turned).path.name == "scan.oir.layer2"
    assert place_beside(file, SAMPLE.image, wanted=ArrayPlane(0, 1)).path == first


@pytest.mark.parametrize("record", [None, 3, {}, {"shape": [256, 20], "time_axis": "no"}])
def test_a_record_that_cannot_be_read_is_not_used(tmp_path: Path, record: Any) -> None:
    data = np.zeros((256, 20))
    path = tmp_path / "scan.oir.layer1.bloodflow.json"
    path.write_text(json.dumps({"array": record}))
    assert place_beside(tmp_path / "scan.oir", data).path.name == "scan.oir.layer2"


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"time_axis": 1, "position_axis": 1}, "time and position at once"),
        ({"time_axis": 5}, "there is no axis 5"),
        ({"index": (7,)}, "need 1 places|has 3 places; there is no 7"),
        ({"index": (0, 0)}, "need"),
        ({"time_axis": 0, "position_axis": 1}, "at least two lines"),
    ],
)
def test_planes_that_there_are_not(options: dict[str, Any], said: str) -> None:
    with pytest.raises(AxesError, match=said):
        AcqImage.from_array(np.zeros((1, 3, 4)) if "time_axis" in options else ZEROS, **options)


ZEROS = np.zeros((3, 20, 10))


def test_pixels_that_are_no_numbers_are_refused() -> None:
    with pytest.raises(ImageReadError, match="complex128"):
        AcqImage.from_array(np.zeros((20, 10), complex))
    with pytest.raises(AxesError, match="no two axes"):
        AcqImage.from_array(np.zeros(5))


def test_an_array_that_cannot_be_read_is_named() -> None:
    class Broken(Lazy):
        def __getitem__(self, cut: Any) -> NDArray[Any]:
            raise RuntimeError("the disk is gone")

    acq = AcqImage.from_array(Broken(SAMPLE.image), name="far away")
    with pytest.raises(ImageReadError, match=r"far away.*the disk is gone"):
        acq.images.get_slice()


def axes(shape: tuple[int, ...], units: str = "", labels: str = "") -> ArrayAxes:
    ndim = len(shape)
    names = tuple(labels.split()) or tuple(f"axis {i - ndim}" for i in range(ndim))
    return ArrayAxes(shape, (2.0,) * ndim, tuple(units.split()) or ("pixel",) * ndim, names)


@pytest.mark.parametrize(
    ("known", "time", "position"),
    [
        (axes((500, 20)), 0, 1),
        (axes((20, 500), "um ms"), 1, 0),
        (axes((500, 1, 3, 20), "second um um um"), 0, 3),
        (axes((20, 500), labels="x t"), 1, 0),
        (axes((3, 500, 20), labels="T Y X"), 0, 2),
        (axes((1, 500, 20), labels="T Y X"), 1, 2),
        (axes((500, 3, 20)), 1, 2),
    ],
)
def test_axes_are_guessed_from_units_then_names_then_order(
    known: ArrayAxes, time: int, position: int
) -> None:
    plane = known.guess_plane()
    assert (plane.time_axis, plane.position_axis) == (time, position)


def test_the_plane_that_is_looked_at_is_proposed() -> None:
    assert axes((4, 500, 20)).guess_plane((2, 9, 9)).index == (2,)
    assert axes((4, 500, 20)).guess_plane((20, 9, 9)).index == (3,)
    with pytest.raises(AxesError, match="no two axes of several pixels"):
        axes((1, 500)).guess_plane()


def test_steps_count_where_they_have_a_unit() -> None:
    known = axes((500, 20, 7), "ms um pixel")
    assert (known.dt_s(0), known.dx_um(0)) == (0.002, None)
    assert (known.dt_s(1), known.dx_um(1)) == (None, 2.0)
    assert (known.dt_s(2), known.dx_um(2)) == (None, None)
