"""Images that are several files: channels of Olympus and Prairie View, and its XML."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pytest
import tifffile

from napari_bloodflow import AcqImage, AcqImageList
from napari_bloodflow.acquisition.check import check_paths
from napari_bloodflow.errors import ImageReadError, UnsupportedFileError

if TYPE_CHECKING:
    from pathlib import Path

FRAME = """<Frame>{files}<PVStateShard><PVStateValue key="scanLinePeriod" value="0.0008"/>
<PVStateValue key="micronsPerPixel"><IndexedValue index="XAxis" value="0.2"/></PVStateValue>
</PVStateShard></Frame>"""


def write(path: Path, value: int = 0, rows: int = 60) -> Path:
    tifffile.imwrite(path, np.full((rows, 20), value, np.uint16))
    return path


def prairie_xml(*frames: tuple[str, ...], rest: str = "") -> str:
    texts = (
        FRAME.format(files="".join(f'<File channel="1" filename="{name}"/>' for name in names))
        for names in frames
    )
    sequence = f'<Sequence type="Linescan">{"".join(texts)}</Sequence>'
    return f'<?xml version="1.0"?>{rest}<PVScan version="5.4">{sequence}</PVScan>'


@pytest.fixture
def scan(tmp_path: Path) -> list[Path]:
    return [write(tmp_path / f"scan_C00{n}.tif", value=n) for n in (1, 2)]


def test_any_channel_opens_all_of_them_as_one_image(scan: list[Path]) -> None:
    for path in scan:
        acq = AcqImage(path)
        assert acq.image_path == scan[0]
        assert acq.images.sizes == {"C": 2, "Y": 60, "X": 20}
        assert [int(acq.images.get_slice(channel).max()) for channel in (0, 1)] == [1, 2]
        assert any("scan_C001.tif, scan_C002.tif" in line for line in acq.calibration_report)


def test_sidecar_files_lie_beside_the_first_channel(scan: list[Path]) -> None:
    acq = AcqImage(scan[1])
    acq.set_calibration(0.001, 0.5)
    roi = acq.rois.create()
    acq.analysis_set.run_analysis(("sum_intensity", 1, roi.roi_id))
    acq.save()
    names = sorted(path.name for path in scan[0].parent.iterdir())
    assert all(n.startswith("scan_C001.tif") for n in names if n != "scan_C002.tif")
    again = AcqImage(scan[1])
    assert again.problems == ()
    assert [analysis.key.channel for analysis in again.analysis_set] == [1]
    assert not again.is_dirty


def test_a_sidecar_of_the_first_channel_alone_is_used_for_all(tmp_path: Path) -> None:
    first = write(tmp_path / "scan_C001.tif", value=1)
    acq = AcqImage(first)
    roi = acq.rois.create()
    acq.set_calibration(0.001, 0.5)
    acq.analysis_set.run_analysis(("sum_intensity", 0, roi.roi_id))
    acq.save()
    write(tmp_path / "scan_C002.tif", value=2)
    both = AcqImage(first)
    assert both.images.num_channels == 2
    assert both.problems == ()
    assert both.calibration.dt_s == 0.001
    assert [analysis.is_stale for analysis in both.analysis_set] == [False]


def test_sidecars_beside_another_channel_keep_all_apart_and_say_so(scan: list[Path]) -> None:
    hidden = scan[0].rename(scan[0].with_name("away.tif"))
    acq = AcqImage(scan[1])
    acq.rois.create()
    acq.save()
    hidden.rename(scan[0])
    for path in scan:
        apart = AcqImage(path)
        assert apart.image_path == path
        assert apart.images.num_channels == 1
        assert any("scan_C002.tif.json" in line for line in apart.calibration_report)
    assert AcqImage(scan[1]).rois.num_rois == 1
    assert AcqImage(scan[0]).rois.num_rois == 0
    assert len(AcqImageList(scan[0].parent)) == 2


def test_a_list_shows_one_row_per_set(scan: list[Path]) -> None:
    folder = scan[0].parent
    other = write(folder / "scan_C003.tif", rows=70)
    single = write(folder / "z.tif")
    wanted = [scan[0], other, single]
    assert [file.path for file in AcqImageList(folder).files] == wanted
    assert [file.path for file in AcqImageList([scan[1], scan[0]]).files] == scan[:1]
    manifest = folder / "list.csv"
    manifest.write_text("_rel_path\nscan_C002.tif\nscan_C001.tif\nz.tif\n")
    files = AcqImageList(manifest)
    assert [file.path for file in files.files] == [scan[0], single]
    assert files.warnings == ()
    assert [acq.images.num_channels for acq in files] == [2, 1]
    manifest.write_text("_rel_path\nscan_C002.tif\nscan_C002.tif\n")
    (warning,) = AcqImageList.load_safe(manifest).warnings
    assert "same image as an earlier row" in warning.message


def test_a_check_reports_a_set_once(scan: list[Path]) -> None:
    sidecar = scan[0].with_name("scan_C001.tif.json")
    sidecar.write_text("not JSON")
    reports = {report.path.name: report.problems for report in check_paths([scan[0].parent])}
    assert [p.file for p in reports["scan_C001.tif"]] == [sidecar.name]
    assert reports["scan_C002.tif"] == ()


# ---- the XML of Prairie View

CHANNELS = ("a_Cycle00001_Ch1_000001.ome.tif", "a_Cycle00001_Ch2_000001.ome.tif")
SECOND = ("a_Cycle00002_Ch1_000001.ome.tif",)


def test_the_xml_of_prairie_opens_its_channels_with_its_calibration(tmp_path: Path) -> None:
    images = [write(tmp_path / name, value=n) for n, name in enumerate(CHANNELS)]
    xml = tmp_path / "a.xml"
    xml.write_text(prairie_xml(CHANNELS))
    for path in (xml, *images):
        acq = AcqImage(path)
        assert acq.image_path == images[0]
        assert [int(acq.images.get_slice(channel).max()) for channel in (0, 1)] == [0, 1]
        assert (acq.calibration.dt_s, acq.calibration.dx_um) == (0.0008, 0.2)
        assert acq.calibration.source == "Bruker xml"
    assert [file.path for file in AcqImageList(xml).files] == images[:1]
    assert [file.path for file in AcqImageList(tmp_path).files] == images[:1]


def test_further_frames_of_an_xml_are_named_and_listed(tmp_path: Path) -> None:
    images = [write(tmp_path / name) for name in (*CHANNELS, *SECOND)]
    xml = tmp_path / "a.xml"
    xml.write_text(prairie_xml(CHANNELS, SECOND))
    acq = AcqImage(xml)
    assert acq.image_path == images[0]
    assert any(SECOND[0] in line for line in acq.calibration_report)
    assert [file.path for file in AcqImageList(xml).files] == [images[0], images[2]]
    assert [report.path for report in check_paths([xml])] == [images[0], images[2]]


def test_a_channel_that_is_missing_leaves_the_others(tmp_path: Path) -> None:
    image = write(tmp_path / CHANNELS[1])
    (tmp_path / "a.xml").write_text(prairie_xml(CHANNELS))
    acq = AcqImage(tmp_path / "a.xml")
    assert acq.image_path == image
    assert acq.images.num_channels == 1


@pytest.mark.parametrize(
    ("name", "text", "words"),
    [
        ("a.xml", "<OME/>", r"a\.xml: is not an XML file of Prairie View"),
        ("a.xml", "", "is not an XML file of Prairie View"),
        ("a.xml", "<PVScan><broken", "cannot be read"),
        ("a.xml", "<PVScan/>", "names no TIFF image"),
        ("a.xml", prairie_xml(("../secret.tif",)), "not a file beside it"),
        ("a.xml", prairie_xml(("C:secret.tif",)), "not a file beside it"),
        ("a.xml", prairie_xml(("..\\secret.tif",)), "not a file beside it"),
        ("a.xml", prairie_xml(("/etc/secret.tif",)), "not a file beside it"),
        ("a.xml", prairie_xml((CHANNELS[0], "sub/secret.tif")), "not a file beside it"),
        ("a.xml", prairie_xml(CHANNELS, rest="<!DOCTYPE x [<!ENTITY a 'b'>]>"), "entities"),
        ("renamed.xml", prairie_xml(CHANNELS), r"call it a\.xml"),
    ],
)
def test_other_xml_is_declined_in_words(tmp_path: Path, name: str, text: str, words: str) -> None:
    folder = tmp_path / "scan"
    folder.mkdir()
    for secret in (tmp_path / "secret.tif", folder / "C:secret.tif", folder / CHANNELS[0]):
        write(secret)
    xml = folder / name
    xml.write_text(text)
    with pytest.raises(ImageReadError, match=words):
        AcqImage(xml)
    (warning,) = AcqImageList.load_safe(xml).warnings
    assert warning.error_type == "unsupported_file_type"
    with pytest.raises(UnsupportedFileError, match=words):
        AcqImageList(xml)


def test_an_xml_without_its_images_says_which_is_missing(tmp_path: Path) -> None:
    xml = tmp_path / "a.xml"
    xml.write_text(prairie_xml(CHANNELS))
    with pytest.raises(FileNotFoundError):
        AcqImage(tmp_path / "none.xml")
    with pytest.raises(ImageReadError, match=f"{CHANNELS[0]}, which is not there"):
        AcqImage(xml)
