"""Calibration as each program writes it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
import tifffile

from napari_bloodflow.storage.tiff import TiffPixels, read_tiff_header

if TYPE_CHECKING:
    from pathlib import Path

SCANIMAGE = """SI.VERSION_MAJOR = 2020
SI.hRoiManager.imagingFovUm = [-64 -64;64 -64;64 64;-64 64]
SI.hRoiManager.linePeriod = 6.31e-05
SI.hRoiManager.pixelsPerLine = 20
SI.hRoiManager.scanFramePeriod = 0.033"""
DEGREES = """SI.VERSION_MAJOR = 2016
SI.objectiveResolution = 15
SI.hRoiManager.imagingFovDeg = [-1 -1;1 -1;1 1;-1 1]
SI.hRoiManager.imagingFovUm = []
SI.hRoiManager.pixelsPerLine = 20"""


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "image.tif"


def write(path: Path, shape: tuple[int, ...] = (50, 20), **options: Any) -> None:
    tifffile.imwrite(path, np.ones(shape, np.uint16), **{"metadata": None, **options})


def steps(path: Path) -> list[tuple[str, float | None, float | None]]:
    return [(r.source, r.dt_s, r.dx_um) for r in read_tiff_header(path).readings]


@pytest.mark.parametrize(
    ("options", "dt_s", "dx_um"),
    [
        ({"software": SCANIMAGE}, 6.31e-5, 6.4),
        ({"software": DEGREES}, None, 1.5),
        ({"description": "state.acq.msPerLine=2\nstate.acq.linescan=1"}, 0.002, None),
    ],
)
def test_scanimage(
    path: Path, options: dict[str, Any], dt_s: float | None, dx_um: float | None
) -> None:
    write(path, **options)
    assert steps(path) == [("ScanImage", pytest.approx(dt_s), pytest.approx(dx_um))]


@pytest.mark.parametrize("unit", ["ms", "ns", "us", "s", "min"])
def test_columns_in_a_unit_of_time_are_no_length(path: Path, unit: str) -> None:
    write(path, imagej=True, metadata={"unit": unit}, resolution=(2, 2))
    header = read_tiff_header(path)
    assert header.readings == ()
    assert header.columns_in_time
    assert any("time seems to run along the columns" in note for note in header.notes)


@pytest.mark.parametrize(
    ("options", "dt_s", "dx_um"),
    [
        ({"metadata": {"unit": "ms", "yunit": "um"}, "resolution": (2, 4)}, 0.0005, 0.25),
        ({"metadata": {"unit": "um"}, "resolution": (2, 4)}, None, 0.25),
        ({"metadata": {"unit": "um", "yunit": "ms"}, "resolution": (2, 4)}, None, None),
        ({"metadata": {"unit": "ms"}, "resolution": (2, 4)}, 0.0005, None),
    ],
)
def test_what_imagej_says_if_time_runs_along_the_columns(
    path: Path, options: dict[str, Any], dt_s: float | None, dx_um: float | None
) -> None:
    write(path, imagej=True, **options)
    found = read_tiff_header(path).swapped_readings
    steps = [(reading.dt_s, reading.dx_um) for reading in found]
    assert steps == ([] if dt_s is dx_um is None else [pytest.approx((dt_s, dx_um))])


def test_what_ome_says_if_time_runs_along_the_columns(path: Path) -> None:
    units = {"PhysicalSizeX": 2.0, "PhysicalSizeXUnit": "ms"}
    units |= {"PhysicalSizeY": 250.0, "PhysicalSizeYUnit": "nm"}
    write(path, ome=True, metadata={"axes": "YX", **units})
    (reading,) = read_tiff_header(path).swapped_readings
    assert (reading.dt_s, reading.dx_um, reading.source) == (0.002, 0.25, "OME")


def test_a_line_of_another_length_than_scanimage_says_is_noted(path: Path) -> None:
    write(path, (50, 10), software=SCANIMAGE)
    assert any("lines of 20 pixels" in note for note in read_tiff_header(path).notes)


BRUKER = """<?xml version="1.0" encoding="utf-8"?>
<PVScan version="5.4"><PVStateShard>
<PVStateValue key="micronsPerPixel"><IndexedValue index="XAxis" value="1.1"/>
<IndexedValue index="YAxis" value="1.2"/></PVStateValue>
<PVStateValue key="scanLinePeriod" value="0.0005"/></PVStateShard>
<Sequence type="Linescan" cycle="1"><Frame>
<File channel="1" filename="Line-001_Cycle00001_Ch1_000001.ome.tif"/>
<PVStateShard><PVStateValue key="micronsPerPixel"><IndexedValue index="XAxis" value="0.2"/>
</PVStateValue><PVStateValue key="scanLinePeriod" value="0.0008"/></PVStateShard>
</Frame></Sequence></PVScan>"""
OLD_BRUKER = """<?xml version="1.0"?><PVScan><Sequence><Frame>
<PVStateShard><Key key="scanlinePeriod" value="0.002"/>
<Key key="micronsPerPixel_XAxis" value="0.4"/></PVStateShard></Frame></Sequence></PVScan>"""


@pytest.mark.parametrize(
    ("image", "xml", "text", "expected"),
    [
        ("Line-001_Cycle00001_Ch1_000001.ome.tif", "Line-001.xml", BRUKER, (0.0008, 0.2)),
        ("a.tif", "a.xml", OLD_BRUKER, (0.002, 0.4)),
        ("a.tif", "scan.xml", OLD_BRUKER, (0.002, 0.4)),
    ],
)
def test_bruker_xml_beside_the_image(
    tmp_path: Path, image: str, xml: str, text: str, expected: tuple[float, float]
) -> None:
    folder = tmp_path / "scan"
    folder.mkdir()
    write(folder / image)
    (folder / xml).write_text(text)
    assert steps(folder / image) == [("Bruker xml", *expected)]


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("<PVScan><broken", "cannot be read"),
        ("<!DOCTYPE x [<!ENTITY a 'b'>]><PVScan/>", "entities"),
        (OLD_BRUKER.replace("0.002", "9**9**9"), "not a finite number"),
    ],
)
def test_bruker_xml_that_cannot_be_used_is_noted(path: Path, text: str, words: str) -> None:
    write(path)
    path.with_suffix(".xml").write_text(text)
    assert any(words in note for note in read_tiff_header(path).notes)


def test_another_xml_is_left_alone(path: Path) -> None:
    write(path)
    path.with_suffix(".xml").write_text("<html/>")
    header = read_tiff_header(path)
    assert (header.readings, header.notes) == ((), ())


@pytest.mark.parametrize(
    ("resolution", "unit", "dx_um"),
    [
        ((40_000, 40_000), "CENTIMETER", 0.25),
        ((10_000, 10_000), "CENTIMETER", None),
        ((72, 72), "CENTIMETER", None),
        ((72, 72), "INCH", None),
        ((300, 300), "INCH", None),
        ((1200, 1200), "INCH", None),
        ((50_800, 50_800), "INCH", 0.5),
        ((1, 1), "NONE", None),
    ],
)
def test_resolution_tags_count_only_if_they_are_measured(
    path: Path, resolution: tuple[int, int], unit: str, dx_um: float | None
) -> None:
    write(path, resolution=resolution, resolutionunit=unit)
    expected = [] if dx_um is None else [("TIFF resolution", None, pytest.approx(dx_um))]
    assert steps(path) == expected


def test_a_line_scan_with_a_frame_for_each_line(path: Path) -> None:
    data = np.arange(50 * 20, dtype=np.uint16).reshape(50, 1, 20)
    metadata = {
        "axes": "TYX",
        "TimeIncrement": 2.0,
        "TimeIncrementUnit": "ms",
        "PhysicalSizeX": 0.25,
        "PhysicalSizeXUnit": "um",
    }
    tifffile.imwrite(path, data, ome=True, metadata=metadata)
    header = read_tiff_header(path)
    assert header.sizes == {"Y": 50, "X": 20}
    np.testing.assert_array_equal(TiffPixels(header).plane(), data[:, 0])
    assert steps(path) == [("OME", pytest.approx(0.002), pytest.approx(0.25))]


def test_line_times_of_ome_planes(path: Path) -> None:
    metadata = {
        "axes": "TYX",
        "Plane": {"DeltaT": [0.002 * i for i in range(50)], "DeltaTUnit": ["s"] * 50},
    }
    tifffile.imwrite(path, np.ones((50, 1, 20), np.uint16), ome=True, metadata=metadata)
    assert steps(path) == [("OME", pytest.approx(0.002), None)]


@pytest.mark.parametrize("unit", ["9**9**9**9", "2 um", "__import__('os')", "D"])
def test_units_are_known_words_and_never_evaluated(path: Path, unit: str) -> None:
    write(path, imagej=True, metadata={"unit": unit}, resolution=(4, 4))
    header = read_tiff_header(path)
    assert header.readings == ()
    assert any("is not a known unit" in note for note in header.notes)


def test_time_along_the_columns_is_noted(path: Path) -> None:
    write(path, imagej=True, metadata={"unit": "sec", "yunit": "um"}, resolution=(500, 4))
    header = read_tiff_header(path)
    assert header.readings == ()
    assert any("time seems to run along the columns" in note for note in header.notes)
