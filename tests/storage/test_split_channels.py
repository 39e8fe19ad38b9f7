"""Channels that lie beside each other as one file each."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pytest
import tifffile

from napari_bloodflow.errors import UnknownPlaneError
from napari_bloodflow.storage.split_channels import ChannelPixels, ChannelSets, stacked_header

if TYPE_CHECKING:
    from pathlib import Path


def write(path: Path, value: int = 0, rows: int = 20, dtype: str = "uint16") -> Path:
    tifffile.imwrite(path, np.full((rows, 10), value, dtype))
    return path


def test_channels_of_the_same_scan_and_type_are_one_set(tmp_path: Path) -> None:
    first = write(tmp_path / "scan [1]_C001.tif")
    second, third = write(tmp_path / "scan [1]_C002.tif"), write(tmp_path / "scan [1]_C003.tif")
    taller = write(tmp_path / "scan [1]_C004.tif", rows=30)
    other_type = write(tmp_path / "scan [1]_C005.tif", dtype="uint8")
    (tmp_path / "scan [1]_C006.tif").write_bytes(b"damaged")
    alone = write(tmp_path / "scan 1_C002.tif")
    sets = ChannelSets()
    for path in (first, second, third):
        found = sets.of(path)
        assert found.paths == (first, second, third)
        text = "\n".join(found.notes)
        assert "scan [1]_C001.tif, scan [1]_C002.tif, scan [1]_C003.tif" in text
        for left_out in (taller.name, other_type.name, "scan [1]_C006.tif"):
            assert f"{left_out} beside it is not of the same size and type" in text
    assert sets.of(taller).paths == (taller,)
    assert sets.of(other_type).paths == (other_type,)
    assert sets.of(alone).paths == (alone,)


@pytest.mark.parametrize(
    ("first", "second"),
    [
        ("s_C001.tif", "s_C002.tif"),
        ("s_C001.TIF", "s_C010.TIF"),
        ("s_Cycle00001_Ch1_000001.ome.tif", "s_Cycle00001_Ch2_000001.ome.tif"),
        ("s_Cycle00001_Ch9_000001.tif", "s_Cycle00001_Ch10_000001.tif"),
    ],
)
def test_names_of_channels(tmp_path: Path, first: str, second: str) -> None:
    paths = write(tmp_path / first), write(tmp_path / second)
    assert ChannelSets().of(paths[1]).paths == paths


@pytest.mark.parametrize(
    ("name", "beside"),
    [
        ("scan.tif", "scan_C002.tif"),
        ("scan_C1.tif", "scan_C002.tif"),
        ("scan_C001_2.tif", "scan_C002.tif"),
        ("scan_C001.tiff", "scan_C002.tif"),
        ("s_Cycle00001_Ch1_000001.ome.tif", "s_Cycle00001_Ch2_000002.ome.tif"),
        ("s_Cycle00001_Ch1_000001.ome.tif", "s_Cycle00002_Ch2_000001.ome.tif"),
    ],
)
def test_other_names_are_alone(tmp_path: Path, name: str, beside: str) -> None:
    write(tmp_path / beside)
    path = write(tmp_path / name)
    found = ChannelSets().of(path)
    assert found.paths == (path,)
    assert found.notes == ()


@pytest.mark.parametrize(
    "beside",
    ["s_C002.tif.json", "s_C002.tif.radon_velocity.csv", ".s_C002.tif.bloodflow-journal"],
)
def test_files_beside_another_channel_than_the_first_keep_them_apart(
    tmp_path: Path, beside: str
) -> None:
    paths = [write(tmp_path / f"s_C00{n}.tif") for n in (1, 2, 3)]
    (tmp_path / "s_C001.tif.json").write_text("{}")
    assert ChannelSets().of(paths[2]).paths == tuple(paths)
    (tmp_path / beside).write_text("{}")
    for path in paths:
        found = ChannelSets().of(path)
        assert found.paths == (path,)
        assert any(beside in note and "opened by itself" in note for note in found.notes)


def test_links_and_hidden_files_are_alone(tmp_path: Path) -> None:
    second, third = write(tmp_path / "s_C002.tif"), write(tmp_path / "s_C003.tif")
    link = tmp_path / "s_C001.tif"
    link.symlink_to(write(tmp_path / "elsewhere.tif"))
    hidden = write(tmp_path / ".s_C004.tif")
    assert ChannelSets().of(second).paths == (second, third)
    assert ChannelSets().of(link).paths == (link,)
    assert ChannelSets().of(hidden).paths == (hidden,)


def test_numbers_written_in_two_ways_lose_no_file(tmp_path: Path) -> None:
    paths = tuple(write(tmp_path / f"s_Ch{n}_000001.tif") for n in ("01", "1", "2"))
    assert [ChannelSets().of(path).paths for path in paths] == [paths] * 3


def test_files_with_several_channels_each_are_not_stacked(tmp_path: Path) -> None:
    paths = [tmp_path / f"s_C00{n}.tif" for n in (1, 2)]
    for path in paths:
        data = np.zeros((2, 20, 10), np.uint16)
        tifffile.imwrite(path, data, imagej=True, metadata={"axes": "CYX"})
    assert ChannelSets().of(paths[0]).paths == (paths[0],)
    assert ChannelSets().of(paths[0]).notes == ()


def test_pixels_of_each_channel_come_from_its_file_when_asked_for(tmp_path: Path) -> None:
    paths = [write(tmp_path / f"s_C00{n}.tif", value=n) for n in (1, 2)]
    headers, notes = ChannelSets().headers(paths[1])
    header = stacked_header(headers, notes)
    assert (header.path, header.axes, header.shape) == (paths[0], "CYX", (2, 20, 10))
    pixels = ChannelPixels(header, headers)
    paths[0].unlink()
    assert np.unique(pixels.plane(channel=1)).tolist() == [2]
    assert np.unique(pixels.volume(channel=1)).tolist() == [2]
    with pytest.raises(FileNotFoundError, match=r"s_C001\.tif"):
        pixels.plane(channel=0)
    for channel in (-1, 2):
        with pytest.raises(UnknownPlaneError, match="channel"):
            pixels.plane(channel=channel)
        with pytest.raises(UnknownPlaneError, match="channel"):
            pixels.volume(channel=channel)


def test_stacks_of_each_channel_keep_their_planes(tmp_path: Path) -> None:
    paths = [tmp_path / f"s_C00{n}.tif" for n in (1, 2)]
    data = np.arange(2 * 3 * 20 * 10, dtype=np.uint16).reshape(2, 3, 20, 10)
    for path, stack in zip(paths, data, strict=True):
        tifffile.imwrite(path, stack, metadata={"axes": "ZYX"}, photometric="minisblack")
    headers, notes = ChannelSets().headers(paths[0])
    header = stacked_header(headers, notes)
    assert header.sizes == {"C": 2, "Z": 3, "Y": 20, "X": 10}
    pixels = ChannelPixels(header, headers)
    np.testing.assert_array_equal(pixels.plane(channel=1, z=2), data[1, 2])
    np.testing.assert_array_equal(pixels.volume(channel=1), data[1])


def test_calibrations_that_differ_between_channels_are_noted(tmp_path: Path) -> None:
    for number, step in ((1, 0.25), (2, 0.5)):
        tifffile.imwrite(
            tmp_path / f"s_C00{number}.tif",
            np.zeros((20, 10), np.uint16),
            imagej=True,
            resolution=(1 / step, 1 / step),
            metadata={"unit": "um"},
        )
    header = stacked_header(*ChannelSets().headers(tmp_path / "s_C002.tif"))
    assert header.readings[0].dx_um == pytest.approx(0.25)
    assert any("do not state the same calibration" in note for note in header.notes)
