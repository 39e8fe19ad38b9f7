"""Channels that lie beside each other as one file each."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pytest
import tifffile

from napari_bloodflow import AcqImage
from napari_bloodflow.storage.split_channels import other_channel_files
from napari_bloodflow.storage.tiff import read_tiff_header

if TYPE_CHECKING:
    from pathlib import Path


def write(path: Path, rows: int = 20) -> Path:
    tifffile.imwrite(path, np.zeros((rows, 10), np.uint16))
    return path


def test_channels_of_the_same_scan_and_shape_are_found(tmp_path: Path) -> None:
    first = write(tmp_path / "scan [1]_C001.tif")
    second, third = write(tmp_path / "scan [1]_C002.tif"), write(tmp_path / "scan [1]_C003.tif")
    write(tmp_path / "scan [1]_C004.tif", rows=30)
    write(tmp_path / "scan 1_C002.tif")
    (tmp_path / "scan [1]_C005.tif").write_bytes(b"damaged")
    assert other_channel_files(read_tiff_header(first)) == (second, third)
    assert other_channel_files(read_tiff_header(third)) == (first, second)
    (note,) = (line for line in AcqImage(first).calibration_report if "channels" in line)
    assert "scan [1]_C002.tif, scan [1]_C003.tif" in note


@pytest.mark.parametrize("name", ["scan.tif", "scan_C1.tif", "scan_C001_2.tif"])
def test_other_names_have_no_other_channels(tmp_path: Path, name: str) -> None:
    write(tmp_path / "scan_C002.tif")
    path = write(tmp_path / name)
    assert other_channel_files(read_tiff_header(path)) == ()
    assert not any("channels" in line for line in AcqImage(path).calibration_report)
