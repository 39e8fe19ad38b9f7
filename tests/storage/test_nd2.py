"""ND2 files, written by the tests; and what is said where the reader is not installed."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from napari_bloodflow import AcqImage
from napari_bloodflow.errors import ImageReadError, UnknownPlaneError
from napari_bloodflow.storage.nd2 import Nd2Pixels, read_nd2_header
from tests.storage.nd2_writer import time_loop, write_nd2, z_loop

if TYPE_CHECKING:
    from pathlib import Path

    from numpy.typing import NDArray

needs_nd2 = pytest.mark.usefixtures("nd2_package")


@pytest.fixture
def nd2_package() -> None:
    """Skip where ND2 files cannot be read."""
    pytest.importorskip("nd2")


def numbered(*shape: int, dtype: str = "uint16") -> NDArray[Any]:
    """Return frames with the axes frame, y, x, channel."""
    return (np.arange(np.prod(shape)) % 251).astype(dtype).reshape(shape)


def line_scan(path: Path, **options: Any) -> Path:
    """Write 4 lines of 8 pixels."""
    loop = options.pop("loop", time_loop(4, 1.5))
    return write_nd2(path / "scan.nd2", numbered(4, 1, 8, 1), [loop], **options)


@needs_nd2
@pytest.mark.parametrize("dtype", ["uint8", "uint16", "float32"])
@pytest.mark.parametrize("compression", [0, 2])
def test_a_line_scan_is_one_plane_with_its_calibration(
    tmp_path: Path, dtype: str, compression: int
) -> None:
    data = numbered(30, 1, 8, 2, dtype=dtype)
    path = write_nd2(
        tmp_path / "scan.ND2",
        data,
        [time_loop(30, 1.5)],
        compression=compression,
        date="9/28/2021  9:41:27 PM",
    )
    acq = AcqImage(path)
    assert acq.images.sizes == {"C": 2, "Y": 30, "X": 8}
    assert acq.images.dtype == dtype
    for channel in range(2):
        np.testing.assert_array_equal(acq.images.get_slice(channel), data[:, 0, :, channel])
        assert not acq.images.get_slice(channel).flags.writeable
    np.testing.assert_array_equal(acq.images.get_volume(1), data[:, 0, :, 1])
    assert (acq.calibration.dt_s, acq.calibration.dx_um) == pytest.approx((0.0015, 0.25))
    assert acq.calibration.source == "ND2"
    assert (acq.header.date, acq.header.time) == ("20210928", "21:41:27")
    assert acq.images.axes_in_words == "rows are time (from ND2)"
    assert acq.problems == ()


@needs_nd2
@pytest.mark.parametrize("z_is_outside", [False, True])
def test_frames_keep_their_axes_and_their_interval_is_not_that_of_lines(
    tmp_path: Path, z_is_outside: bool
) -> None:
    data = numbered(6, 7, 5, 2)
    experiment = [time_loop(2, 500.0), z_loop(3)]
    if z_is_outside:
        experiment.reverse()
    header = read_nd2_header(write_nd2(tmp_path / "frames.nd2", data, experiment))
    assert header.sizes == {"T": 2, "C": 2, "Z": 3, "Y": 7, "X": 5}
    ((dt_s, dx_um),) = [(r.dt_s, r.dx_um) for r in header.readings]
    assert (dt_s, dx_um) == (None, pytest.approx(0.25))
    assert any("between frames" in note for note in header.notes)
    opened = Nd2Pixels(header)
    frame = 2 * 2 + 1 if z_is_outside else 3 * 1 + 2
    np.testing.assert_array_equal(opened.plane(channel=1, z=2, t=1), data[frame, ..., 1])
    by_axis = data[..., 1].reshape((3, 2, 7, 5) if z_is_outside else (2, 3, 7, 5))
    wanted = by_axis.swapaxes(0, 1) if z_is_outside else by_axis
    np.testing.assert_array_equal(opened.volume(1), wanted)
    opened.close()
    np.testing.assert_array_equal(opened.plane(), data[0, ..., 0])
    with pytest.raises(UnknownPlaneError, match="there is no z 3"):
        opened.plane(z=3)


@needs_nd2
def test_a_line_scan_at_several_depths_has_a_plane_for_each(tmp_path: Path) -> None:
    data = numbered(12, 1, 5, 1)
    path = write_nd2(tmp_path / "scan.nd2", data, [time_loop(4, 2.0), z_loop(3)])
    images = AcqImage(path).images
    assert images.sizes == {"Z": 3, "Y": 4, "X": 5}
    np.testing.assert_array_equal(images.get_slice(z=2), data[2::3, 0, :, 0])


@needs_nd2
def test_a_frame_of_lines_does_not_say_what_its_rows_are(tmp_path: Path) -> None:
    data = numbered(1, 6, 5, 1)
    images = AcqImage(write_nd2(tmp_path / "frame.nd2", data, [])).images
    assert images.dims == "YX"
    np.testing.assert_array_equal(images.get_slice(), data[0, ..., 0])
    assert images.axes_in_words == "rows are taken as time; the file does not say"


@needs_nd2
def test_two_components_of_one_channel_are_two_channels(tmp_path: Path) -> None:
    data = numbered(1, 6, 5, 4)
    images = AcqImage(write_nd2(tmp_path / "frame.nd2", data, [], components=2)).images
    assert images.sizes == {"C": 4, "Y": 6, "X": 5}
    for channel in range(4):
        np.testing.assert_array_equal(images.get_slice(channel), data[0, ..., channel])


@needs_nd2
@pytest.mark.parametrize(
    ("period", "measured", "dt_s"), [(0.0, 1.6, 0.0016), (1.5, 1.6, 0.0016), (0.0, 0.0, None)]
)
def test_the_measured_period_comes_first(
    tmp_path: Path, period: float, measured: float, dt_s: float | None
) -> None:
    header = read_nd2_header(line_scan(tmp_path, loop=time_loop(4, period, measured)))
    assert header.readings[0].dt_s == (None if dt_s is None else pytest.approx(dt_s))


@needs_nd2
@pytest.mark.parametrize("num_phases", [1, 2])
def test_the_period_of_one_phase_is_used_and_of_several_is_not(
    tmp_path: Path, num_phases: int
) -> None:
    names = [f"i{i:010}" for i in range(num_phases)]
    phases = {
        "pPeriod": {name: time_loop(4 // num_phases, 2.0)[1] for name in names},
        "pPeriodValid": dict.fromkeys(names, True),
    }
    header = read_nd2_header(line_scan(tmp_path, loop=(8, phases)))
    assert header.sizes == {"Y": 4, "X": 8}
    if num_phases == 1:
        assert header.readings[0].dt_s == pytest.approx(0.002)
    else:
        assert header.readings[0].dt_s is None
        assert any("several phases" in note for note in header.notes)


@needs_nd2
@pytest.mark.parametrize(
    "picture",
    [{"bCalibrated": False}, {"dCalibration": 0.0}, {"dCalibration": 1.0}],
    ids=["uncalibrated", "zero", "one"],
)
def test_a_pixel_size_that_is_not_calibrated_is_unknown(
    tmp_path: Path, picture: dict[str, Any]
) -> None:
    header = read_nd2_header(line_scan(tmp_path, **picture))
    ((dt_s, dx_um),) = [(r.dt_s, r.dx_um) for r in header.readings]
    assert (dt_s, dx_um) == (pytest.approx(0.0015), None)
    assert any("no calibrated pixel size" in note for note in header.notes)


@needs_nd2
def test_axes_that_are_times_are_told(tmp_path: Path) -> None:
    data = numbered(1, 6, 5, 1)
    acq = AcqImage(write_nd2(tmp_path / "rows.nd2", data, [], ePictureYAxis=2))
    assert acq.images.calibration_readings[0].dx_um == pytest.approx(0.25)
    assert any("not how long a line takes" in line for line in acq.calibration_report)
    acq = AcqImage(write_nd2(tmp_path / "columns.nd2", data, [], ePictureXAxis=2))
    assert not acq.calibration.is_known
    assert "the file gives the columns in a unit of time" in acq.images.axes_in_words


@needs_nd2
@pytest.mark.parametrize(
    ("date", "wanted", "why"),
    [
        ("28.9.2021 21:41:27", "20210928", ""),
        ("2021-03-04 01:02:03", "20210304", ""),
        ("5/5/2021 1:02:03 AM", "20210505", ""),
        ("3/4/2021 1:02:03 AM", "", "may be of two days"),
        ("yesterday", "", "is not a date"),
    ],
)
def test_a_date_is_used_where_it_has_one_meaning(
    tmp_path: Path, date: str, wanted: str, why: str
) -> None:
    header = read_nd2_header(line_scan(tmp_path, date=date))
    assert header.date == wanted
    assert [note for note in header.notes if date in note and why in note] == (
        list(header.notes) if why else []
    )


@needs_nd2
def test_pixels_are_there_where_the_metadata_are_odd(tmp_path: Path) -> None:
    acq = AcqImage(line_scan(tmp_path, dCalibration="wide"))
    assert acq.images.calibration_readings[0].dt_s == pytest.approx(0.0015)
    assert any("ND2 metadata cannot be read" in line for line in acq.calibration_report)
    assert acq.images.get_slice().shape == (4, 8)


@needs_nd2
def test_the_image_is_not_written_and_results_lie_beside_it(tmp_path: Path) -> None:
    path = line_scan(tmp_path)
    before = path.read_bytes()
    acq = AcqImage(path)
    acq.rois.create()
    acq.save()
    acq.export_scitiff(tmp_path / "export.tiff")
    assert path.read_bytes() == before
    assert AcqImage(path).rois.num_rois == 1
    assert AcqImage(tmp_path / "export.tiff").calibration.dt_s == pytest.approx(0.0015)


@needs_nd2
def test_damaged_files_are_refused(tmp_path: Path) -> None:
    path = line_scan(tmp_path)
    whole = path.read_bytes()
    for size in (11, 500, len(whole) // 2, len(whole) - 1):
        path.write_bytes(whole[:size])
        with pytest.raises(ImageReadError, match=r"scan\.nd2: is a damaged"):
            read_nd2_header(path)


@needs_nd2
@example(where=93, byte=12, compression=0)  # a width below zero
@given(where=st.integers(0, 60_000), byte=st.integers(0, 255), compression=st.sampled_from([0, 2]))
def test_one_wrong_byte_ends_in_one_short_error_or_in_none(
    tmp_path_factory: pytest.TempPathFactory, where: int, byte: int, compression: int
) -> None:
    path = line_scan(tmp_path_factory.mktemp("damaged"), compression=compression)
    content = bytearray(path.read_bytes())
    used = [at for at, old in enumerate(content) if old]
    content[used[where % len(used)]] = byte
    path.write_bytes(content)
    try:
        header = read_nd2_header(path)
        assert min(header.shape) > 0
        assert Nd2Pixels(header).volume().shape == tuple(
            size for axis, size in header.sizes.items() if axis != "C"
        )
    except ImageReadError as error:
        assert len(str(error)) < len(str(path)) + 250


@needs_nd2
def test_missing_frames_are_not_taken_for_dark_ones(tmp_path: Path) -> None:
    path = line_scan(tmp_path, num_stored=3)
    with pytest.raises(ImageReadError, match="claims 4 frames, but has 3 of them"):
        read_nd2_header(path)
    header = read_nd2_header(line_scan(tmp_path))
    whole = path.read_bytes()
    at = whole.rindex(b"ImageDataSeq|2!") + len(b"ImageDataSeq|2!")
    path.write_bytes(whole[:at] + b"\0\0\0\x7f\0\0\0\0" + whole[at + 8 :])
    with pytest.raises(ImageReadError, match="claims 4 frames, but has 3 of them"):
        read_nd2_header(path)
    path.write_bytes(whole[:500])
    with pytest.raises(ImageReadError, match="pixels that cannot be decoded"):
        Nd2Pixels(header).plane()
    path.unlink()
    with pytest.raises(FileNotFoundError):
        Nd2Pixels(header).plane()


@needs_nd2
def test_frames_without_a_loop_are_told(tmp_path: Path) -> None:
    header = read_nd2_header(line_scan(tmp_path, loop=time_loop(3, 1.5)))
    assert header.sizes == {"Y": 3, "X": 8}
    assert header.notes == ("ND2 has 4 frames, but loops for 3; others are left out",)


@needs_nd2
def test_what_is_no_kymograph_is_refused_in_words(tmp_path: Path) -> None:
    positions = {"Points": {f"i{i:010}": {"dPosX": float(i), "dPosY": 0.0} for i in range(2)}}
    path = tmp_path / "image.nd2"
    for frames, experiment, options, why in (
        (numbered(1, 6, 5, 3), [], {"components": 3}, "colour picture"),
        (numbered(1, 1, 5, 1), [], {}, "one line of pixels"),
        (numbered(2, 6, 5, 1), [(2, positions)], {}, "several positions"),
        (numbered(4, 6, 5, 1), [time_loop(2, 1.0), time_loop(2, 1.0)], {}, "TimeLoop, TimeLoop"),
        (numbered(1, 6, 5, 1), [], {"compression": 1}, "compressed with losses"),
    ):
        write_nd2(path, frames, experiment, **options)
        with pytest.raises(ImageReadError, match=why):
            read_nd2_header(path)


def test_other_files_are_no_nd2(tmp_path: Path) -> None:
    path = tmp_path / "scan.nd2"
    with pytest.raises(FileNotFoundError):
        AcqImage(path)
    path.write_bytes(b"no image")
    with pytest.raises(ImageReadError, match="is not an ND2 file"):
        AcqImage(path)
    path.write_bytes(b"\0\0\0\x0cjP  \r\n\x87\n")
    with pytest.raises(ImageReadError, match="old ND2 file of JPEG 2000"):
        AcqImage(path)


def test_the_extra_is_named_where_it_is_missing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "nd2", None)  # as if it were not installed
    path = line_scan(tmp_path)
    with pytest.raises(ImageReadError, match=r'pip install "napari-bloodflow\[nd2\]"'):
        AcqImage(path)
