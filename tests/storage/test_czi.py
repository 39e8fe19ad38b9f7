"""CZI files, written by Zeiss' own library; and what is said where the reader is not installed.

Most of it needs ``czifile`` and ``pylibCZIrw``, which the pinned environment does not have.
"""

from __future__ import annotations

import importlib.util
from typing import TYPE_CHECKING

import numpy as np
import pytest

from napari_bloodflow import AcqImage
from napari_bloodflow.errors import ImageReadError, UnknownPlaneError
from napari_bloodflow.storage.czi import CziPixels, read_czi_header

if TYPE_CHECKING:
    from pathlib import Path

IS_INSTALLED = importlib.util.find_spec("czifile") is not None
CAN_WRITE = importlib.util.find_spec("pylibCZIrw") is not None
needs_czi = pytest.mark.skipif(
    not (IS_INSTALLED and CAN_WRITE), reason="needs czifile and pylibCZIrw"
)

INTERVAL = "<T><Positions><Interval><Increment>{}</Increment></Interval></Positions></T>"
DATE = "<AcquisitionDateAndTime>2024-05-06T07:08:09.1234567Z</AcquisitionDateAndTime>"


def write(path: Path, pixels: np.ndarray, dt_s: object = None, dx_um: float = 0.25) -> Path:
    """Write pixels with the axes T, C, Z, Y, X."""
    from pylibCZIrw.czi import create_czi, edit_czi

    num_t, num_c, num_z = pixels.shape[:3]
    with create_czi(str(path)) as czi:
        for t, c, z in np.ndindex(num_t, num_c, num_z):
            czi.write(data=pixels[t, c, z][..., None], plane={"T": t, "C": c, "Z": z})
        czi.write_metadata("name", scale_x=dx_um * 1e-6, scale_y=dx_um * 1e-6)
    if dt_s is not None:
        with edit_czi(str(path)) as editor, editor.edit_session() as builder:
            xml = builder.get_xml()
            xml = xml.replace("<Dimensions>", DATE + "<Dimensions>" + INTERVAL.format(dt_s), 1)
            builder.set_xml(xml)
    return path


def pixels(*shape: int, dtype: str = "uint16") -> np.ndarray:
    return np.random.default_rng(0).integers(0, 200, shape).astype(dtype)


@needs_czi
@pytest.mark.parametrize("dtype", ["uint8", "uint16", "float32"])
def test_a_line_scan_is_one_plane_with_its_calibration(tmp_path: Path, dtype: str) -> None:
    data = pixels(300, 2, 1, 1, 40, dtype=dtype)
    path = write(tmp_path / "scan.czi", data, dt_s=0.0015)
    acq = AcqImage(path)
    assert acq.images.sizes == {"C": 2, "Y": 300, "X": 40}
    assert acq.images.dtype == dtype
    for channel in range(2):
        np.testing.assert_array_equal(acq.images.get_slice(channel), data[:, channel, 0, 0])
        assert not acq.images.get_slice(channel).flags.writeable
    np.testing.assert_array_equal(acq.images.get_volume(1), data[:, 1, 0, 0])
    assert (acq.calibration.dt_s, acq.calibration.dx_um) == pytest.approx((0.0015, 0.25))
    assert acq.calibration.source == "CZI"
    assert (acq.header.date, acq.header.time) == ("20240506", "07:08:09")
    assert acq.images.axes_in_words == "rows are time (from CZI)"
    assert acq.problems == ()


@needs_czi
def test_frames_keep_their_axes_and_their_interval_is_not_that_of_lines(tmp_path: Path) -> None:
    data = pixels(3, 2, 4, 20, 10)
    header = read_czi_header(write(tmp_path / "frames.czi", data, dt_s=2))
    assert header.sizes == {"T": 3, "C": 2, "Z": 4, "Y": 20, "X": 10}
    ((dt_s, dx_um),) = [(r.dt_s, r.dx_um) for r in header.readings]
    assert (dt_s, dx_um) == (None, pytest.approx(0.25))
    assert any("between frames" in note for note in header.notes)
    opened = CziPixels(header)
    np.testing.assert_array_equal(opened.plane(channel=1, z=3, t=2), data[2, 1, 3])
    np.testing.assert_array_equal(opened.volume(1), data[:, 1])
    with pytest.raises(UnknownPlaneError, match="there is no z 4"):
        opened.plane(z=4)


@needs_czi
def test_a_frame_of_lines_does_not_say_what_its_rows_are(tmp_path: Path) -> None:
    data = pixels(1, 1, 1, 20, 10)
    images = AcqImage(write(tmp_path / "frame.czi", data)).images
    assert images.dims == "YX"
    np.testing.assert_array_equal(images.get_slice(), data[0, 0, 0])
    assert images.axes_in_words == "rows are taken as time; the file does not say"


@needs_czi
def test_what_the_file_does_not_say_stays_unknown(tmp_path: Path) -> None:
    path = write(tmp_path / "scan.czi", pixels(30, 1, 1, 1, 10), dt_s="fast")
    acq = AcqImage(path)
    assert not acq.calibration.is_known
    assert any("'fast'" in line for line in acq.calibration_report)


@needs_czi
def test_the_image_is_not_written_and_results_lie_beside_it(tmp_path: Path) -> None:
    path = write(tmp_path / "scan.czi", pixels(300, 1, 1, 1, 40), dt_s=0.001)
    before = path.read_bytes()
    acq = AcqImage(path)
    acq.rois.create()
    acq.save()
    acq.export_scitiff(tmp_path / "export.tiff")
    assert path.read_bytes() == before
    assert AcqImage(path).rois.num_rois == 1
    assert AcqImage(tmp_path / "export.tiff").calibration.dt_s == pytest.approx(0.001)


@needs_czi
def test_damaged_files_and_single_lines_are_refused(tmp_path: Path) -> None:
    path = write(tmp_path / "scan.czi", pixels(30, 1, 1, 1, 10))
    whole = path.read_bytes()
    for size in (11, 500, len(whole) // 2):
        path.write_bytes(whole[:size])
        with pytest.raises(ImageReadError, match=r"scan\.czi: is (a )?damaged"):
            read_czi_header(path)
    line = write(tmp_path / "line.czi", pixels(1, 1, 1, 1, 10))
    with pytest.raises(ImageReadError, match="one line of pixels"):
        read_czi_header(line)


def test_other_files_are_no_czi(tmp_path: Path) -> None:
    path = tmp_path / "scan.czi"
    with pytest.raises(FileNotFoundError):
        AcqImage(path)
    path.write_bytes(b"no image")
    with pytest.raises(ImageReadError, match="is not a CZI file"):
        AcqImage(path)


@pytest.mark.skipif(IS_INSTALLED, reason="the extra czi is installed")
def test_the_extra_is_named_where_it_is_missing(tmp_path: Path) -> None:
    path = tmp_path / "scan.czi"
    path.write_bytes(b"ZISRAWFILE" + bytes(600))
    with pytest.raises(ImageReadError, match=r'pip install "napari-bloodflow\[czi\]"'):
        AcqImage(path)
