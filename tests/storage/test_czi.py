"""CZI files, written by Zeiss' own library; and what is said where the reader is not installed."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

import numpy as np
import pytest

from napari_bloodflow import AcqImage
from napari_bloodflow.errors import ImageReadError, UnknownPlaneError
from napari_bloodflow.storage.czi import CziPixels, read_czi_header

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from numpy.typing import NDArray


@pytest.fixture
def czi(copy_fixture: Callable[[str], Path]) -> Path:
    """Return a folder with copies of the CZI files; skip where they cannot be read."""
    pytest.importorskip("czifile")
    return copy_fixture("czi")


def numbered(*shape: int, dtype: str = "uint16") -> NDArray[np.generic]:
    """Return the pixels that the files were made with, with the axes T, C, Z, Y, X."""
    return (np.arange(np.prod(shape)) % 251).astype(dtype).reshape(shape)


@pytest.mark.parametrize("dtype", ["uint8", "uint16", "float32"])
def test_a_line_scan_is_one_plane_with_its_calibration(czi: Path, dtype: str) -> None:
    data = numbered(30, 2, 1, 1, 8, dtype=dtype)
    acq = AcqImage(czi / f"lines_{dtype}.czi")
    assert acq.images.sizes == {"C": 2, "Y": 30, "X": 8}
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


def test_frames_keep_their_axes_and_their_interval_is_not_that_of_lines(czi: Path) -> None:
    data = numbered(2, 2, 3, 6, 5)
    header = read_czi_header(czi / "frames.czi")
    assert header.sizes == {"T": 2, "C": 2, "Z": 3, "Y": 6, "X": 5}
    ((dt_s, dx_um),) = [(r.dt_s, r.dx_um) for r in header.readings]
    assert (dt_s, dx_um) == (None, pytest.approx(0.25))
    assert any("between frames" in note for note in header.notes)
    opened = CziPixels(header)
    np.testing.assert_array_equal(opened.plane(channel=1, z=2, t=1), data[1, 1, 2])
    np.testing.assert_array_equal(opened.volume(1), data[:, 1])
    with pytest.raises(UnknownPlaneError, match="there is no z 3"):
        opened.plane(z=3)


def test_a_frame_of_lines_does_not_say_what_its_rows_are(czi: Path) -> None:
    images = AcqImage(czi / "frame.czi").images
    assert images.dims == "YX"
    np.testing.assert_array_equal(images.get_slice(), numbered(6, 5))
    assert images.axes_in_words == "rows are taken as time; the file does not say"


def test_what_the_file_does_not_say_stays_unknown(czi: Path) -> None:
    acq = AcqImage(czi / "lines_fast.czi")
    assert not acq.calibration.is_known
    assert any("'fast'" in line for line in acq.calibration_report)


def test_the_image_is_not_written_and_results_lie_beside_it(czi: Path) -> None:
    path = czi / "lines_uint16.czi"
    before = path.read_bytes()
    acq = AcqImage(path)
    acq.rois.create()
    acq.save()
    acq.export_scitiff(czi / "export.tiff")
    assert path.read_bytes() == before
    assert AcqImage(path).rois.num_rois == 1
    assert AcqImage(czi / "export.tiff").calibration.dt_s == pytest.approx(0.0015)


def test_damaged_files_and_single_lines_are_refused(czi: Path) -> None:
    path = czi / "lines_uint8.czi"
    whole = path.read_bytes()
    for size in (11, 500, len(whole) // 2):
        path.write_bytes(whole[:size])
        with pytest.raises(ImageReadError, match=r"lines_uint8\.czi: is (a )?damaged"):
            read_czi_header(path)
    with pytest.raises(ImageReadError, match="one line of pixels"):
        read_czi_header(czi / "one_line.czi")


def test_other_files_are_no_czi(tmp_path: Path) -> None:
    path = tmp_path / "scan.czi"
    with pytest.raises(FileNotFoundError):
        AcqImage(path)
    path.write_bytes(b"no image")
    with pytest.raises(ImageReadError, match="is not a CZI file"):
        AcqImage(path)


def test_the_extra_is_named_where_it_is_missing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "czifile", None)  # as if it were not installed
    path = tmp_path / "scan.czi"
    path.write_bytes(b"ZISRAWFILE" + bytes(600))
    with pytest.raises(ImageReadError, match=r'pip install "napari-bloodflow\[czi\]"'):
        AcqImage(path)
