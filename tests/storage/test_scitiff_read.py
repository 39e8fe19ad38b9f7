"""SciTiff files: the examples of all releases, coordinate by coordinate, and damaged ones."""

from __future__ import annotations

import json
from importlib.util import find_spec
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
import tifffile

from napari_bloodflow.errors import ImageReadError
from napari_bloodflow.storage.scitiff_model import InvalidSciTiff, parse_document
from napari_bloodflow.storage.tiff import TiffPixels, read_tiff_header
from tests.scitiff_files import EXPECTED, FOLDER, document, named, sha256, variable, write

if TYPE_CHECKING:
    from pathlib import Path

    from napari_bloodflow.storage.scitiff_read import SciTiff

# Codes of the manifest that are told to nobody: a coordinate of one pixel is as it should be.
_SILENT = ("single:",)
# Notes of ours beyond the manifest's: a part of a wrong type is kept as it is, and that is said.
_BEYOND = {"m19_daq_wrong_type.tiff": ["daq"], "m20_schema_version_int.tiff": ["schema_version"]}


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "image.tiff"


def scitiff_of(path: Path) -> SciTiff:
    found = read_tiff_header(path).scitiff
    assert found is not None
    return found


def made(path: Path, shape: tuple[int, ...], **image: Any) -> SciTiff:
    pixels = np.arange(np.prod(shape), dtype=np.float32).reshape(shape)
    return scitiff_of(write(path, document(shape, **image), pixels))


def codes(scitiff: SciTiff) -> list[str]:
    return [f"{note.code}:{note.where}" for note in scitiff.notes]


# ---- the examples


@pytest.mark.parametrize("name", named("scitiff"))
def test_the_metadata_of_the_examples(name: str) -> None:
    expected, scitiff = EXPECTED[name], scitiff_of(FOLDER / name)
    document = scitiff.document
    assert list(document.shape) == expected["shape5"]
    assert document.unit == expected["unit"]
    assert document.schema_version == expected["schema_version"]
    for kind, found in (("coords", document.coords), ("masks", document.masks)):
        assert found.keys() == expected[kind].keys()
        for key, wanted in expected[kind].items():
            variable = found[key]
            assert list(variable.dims) == wanted["dims"]
            assert list(variable.values.shape) == wanted["shape"]
            assert (variable.unit, variable.dtype) == (wanted["unit"], wanted["dtype"])
            assert list(variable.edges) == wanted["edges"]
            first, last = variable.values.flat[0], variable.values.flat[-1]
            if variable.is_numeric or variable.dtype == "bool":
                assert (first, last) == (wanted["first"], wanted["last"])
            else:
                texts = [wanted["first"], wanted["last"]]
                if variable.dtype == "datetime64":
                    texts = [text.replace(" ", "T") for text in texts]
                assert [str(first), str(last)] == texts
    channels = [{"index": c.index, "name": c.name, "role": c.role} for c in scitiff.channels]
    assert channels == expected["channels"]


@pytest.mark.parametrize("name", named("scitiff"))
def test_the_notes_of_the_examples(name: str) -> None:
    expected = [w for w in EXPECTED[name]["warnings"] if not w.startswith(_SILENT)]
    notes = scitiff_of(FOLDER / name).notes
    told = {note.code + ":" + note.where.removeprefix("coords.") for note in notes}
    told |= {note.code + ":" + note.where for note in notes} | {note.code for note in notes}
    assert set(expected) <= told
    assert len(notes) == len(expected) + len(_BEYOND.get(name, []))
    assert set(_BEYOND.get(name, [])) <= {note.where for note in notes}


@pytest.mark.parametrize("name", named("invalid-metadata"))
def test_invalid_metadata_leave_a_plain_tiff(name: str) -> None:
    expected, header = EXPECTED[name], read_tiff_header(FOLDER / name)
    assert header.scitiff is None
    assert header.scitiff_fault
    assert header.axes == "TYX"
    pixels = TiffPixels(header).volume()
    assert pixels.dtype == expected["dtype"]
    assert sha256(pixels) == expected["sha256_pixels"]


@pytest.mark.parametrize("name", named("plain"))
def test_other_tiff_files_are_read_as_before(name: str) -> None:
    expected, header = EXPECTED[name], read_tiff_header(FOLDER / name)
    assert (header.scitiff, header.scitiff_fault) == (None, "")
    assert sha256(TiffPixels(header).volume()) == expected["sha256_pixels"]


@pytest.mark.parametrize("name", named("unreadable"))
def test_what_is_no_tiff_is_refused_in_words(name: str) -> None:
    with pytest.raises(ImageReadError, match=name):
        read_tiff_header(FOLDER / name)


# ---- metadata as a whole


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("{", "not JSON"),
        ("", "not JSON"),
        ("123", "not a text"),
        ("true", "not a text"),
        ('{"image":\n{}}', "not JSON"),
        ("null", "not a JSON object"),
        ("[1]", "not a JSON object"),
        ("{}", "no image"),
        ('{"image": []}', "no image"),
        ("[" * 20_000, "nested"),
    ],
)
def test_text_that_is_no_document(path: Path, text: str, reason: str) -> None:
    write(path, text, np.zeros((3, 1, 1, 4, 5), np.float32))
    header = read_tiff_header(path)
    assert header.scitiff is None
    assert reason in header.scitiff_fault
    assert header.sizes == {"T": 3, "Y": 4, "X": 5}


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        ({"dims": list("tzyxc")}, "dimensions"),
        ({"dims": list("zcyx"), "shape": [1, 1, 4, 5]}, "dimensions"),
        ({"shape": [2, 1, 1, 4, 6]}, "shape"),
        ({"shape": [2, 1, 1, 5, 4]}, "shape"),  # as many pixels: they would be scrambled
        ({"shape": [2, 1, 1, 4, -5]}, "shape"),
        ({"shape": [2, 1, 1, 4, 2.5]}, "shape"),
        ({"shape": [2, 1, 1, 4, 10**13]}, "shape"),
        ({"shape": [2, 1, 1, 4, 1e400]}, "shape"),
        ({"shape": [2, 1, 1, 4, None]}, "shape"),
        ({"shape": 40}, "shape"),
        ({"dtype": None}, "type"),
    ],
)
def test_documents_that_do_not_fit_the_pixels(path: Path, change: Any, reason: str) -> None:
    wrong = document((2, 1, 1, 4, 5))
    wrong["image"]["data"] |= change
    write(path, wrong, np.zeros((2, 1, 1, 4, 5), np.float32))
    header = read_tiff_header(path)
    assert header.scitiff is None
    assert reason in header.scitiff_fault


@pytest.mark.parametrize("shape", [["2", "1", "1", "4", "5"], [2.0, 1.0, 1.0, 4.0, 5.0]])
def test_numbers_of_the_shape_may_be_texts_or_floats(path: Path, shape: list[Any]) -> None:
    right = document((2, 1, 1, 4, 5))
    right["image"]["data"]["shape"] = shape
    write(path, right, np.zeros((2, 1, 1, 4, 5), np.float32))
    assert scitiff_of(path).document.shape == (2, 1, 1, 4, 5)


@pytest.mark.parametrize("version", [None, "99.1.0", "{VERSION_PLACEHOLDER}", "25.5.1.dev5+g58"])
def test_any_schema_version_is_accepted(path: Path, version: str | None) -> None:
    text = {**document((2, 1, 1, 4, 5)), "schema_version": version, "unknown": {"kept": 1}}
    write(path, text, np.zeros((2, 1, 1, 4, 5), np.float32))
    scitiff = scitiff_of(path)
    assert scitiff.document.schema_version == version
    assert scitiff.document.raw["unknown"] == {"kept": 1}
    assert scitiff.notes == ()


def test_the_type_of_the_pixels_is_that_of_the_file(path: Path) -> None:
    write(path, document((2, 1, 1, 4, 5)), np.ones((2, 1, 1, 4, 5), np.uint16))
    header = read_tiff_header(path)
    assert header.dtype == np.uint16
    assert codes(scitiff_of(path)) == ["dtype:data.dtype"]


def test_colours_by_accident_are_gray(path: Path) -> None:
    pixels = np.arange(4 * 5 * 3, dtype=np.uint8).reshape(4, 1, 1, 5, 3)
    tifffile.imwrite(
        path, pixels, imagej=True, metadata={"scitiffmeta": json.dumps(document(pixels.shape))}
    )
    header = read_tiff_header(path)
    assert header.sizes == {"T": 4, "Y": 5, "X": 3}
    np.testing.assert_array_equal(TiffPixels(header).volume(), pixels[:, 0, 0])


def test_a_truncated_file_is_refused(path: Path) -> None:
    write(path, document((20, 1, 1, 40, 50)), np.zeros((20, 1, 1, 40, 50), np.float32))
    path.write_bytes(path.read_bytes()[:60_000])
    with pytest.raises(ImageReadError, match="truncated"):
        read_tiff_header(path)


@pytest.mark.parametrize(
    "options",
    [{}, {"byteorder": ">"}, {"compression": "zlib"}, {"tile": (16, 16)}],
)
def test_every_layout_gives_the_same_pixels(path: Path, options: dict[str, Any]) -> None:
    pixels = np.arange(6 * 2 * 3 * 20 * 24, dtype=np.float32).reshape(6, 2, 3, 20, 24)
    write(path, document(pixels.shape), pixels, **options)
    opened = TiffPixels(read_tiff_header(path))
    for channel in range(3):
        np.testing.assert_array_equal(opened.volume(channel), pixels[:, :, channel])
    np.testing.assert_array_equal(opened.plane(channel=2, z=1, t=4), pixels[4, 1, 2])


def test_a_stack_with_one_directory_is_read_whole(path: Path) -> None:
    pixels = np.arange(6 * 20 * 24, dtype=np.float32).reshape(6, 1, 1, 20, 24)
    write(path, document(pixels.shape), pixels)
    with tifffile.TiffFile(path) as tif:
        first = tif.pages.first
        link = first.offset + 2 + 12 * len(first.tags)
    data = bytearray(path.read_bytes())
    data[link : link + 4] = bytes(4)  # as tifffile writes stacks of more than 4 GiB
    path.write_bytes(data)
    header = read_tiff_header(path)
    assert header.scitiff is not None
    np.testing.assert_array_equal(TiffPixels(header).volume(), pixels[:, 0, 0])


@pytest.mark.skipif(find_spec("imagecodecs") is not None, reason="imagecodecs is installed")
@pytest.mark.parametrize("code", [5, 7, 34712])  # LZW, JPEG, JPEG 2000
def test_a_codec_that_is_not_installed_is_named(path: Path, code: int) -> None:
    pixels = np.arange(6 * 20 * 24, dtype=np.float32).reshape(6, 1, 1, 20, 24)
    write(path, document(pixels.shape), pixels, compression="zlib")
    with tifffile.TiffFile(path, mode="r+") as tif:
        for page in tif.pages:
            page.tags["Compression"].overwrite(code)
    with pytest.raises(ImageReadError, match="codecs"):
        read_tiff_header(path)


@pytest.mark.parametrize("dtype", ["int8", "int16", "float16", "float64"])
def test_types_of_pixels_that_no_hyperstack_has(path: Path, dtype: str) -> None:
    pixels = np.arange(20).reshape(4, 5).astype(dtype)
    tifffile.imwrite(path, pixels)
    header = read_tiff_header(path)
    assert (header.scitiff, header.dtype) == (None, np.dtype(dtype))
    np.testing.assert_array_equal(TiffPixels(header).plane(), pixels)


def test_other_keys_of_imagej_are_no_scitiff(path: Path) -> None:
    metadata = {"axes": "TYX", "scitiff": "{}", "unit": "um"}
    tifffile.imwrite(path, np.zeros((2, 4, 5), np.float32), imagej=True, metadata=metadata)
    header = read_tiff_header(path)
    assert (header.scitiff, header.scitiff_fault) == (None, "")


def test_a_text_that_is_too_long_is_not_parsed() -> None:
    with pytest.raises(InvalidSciTiff, match="longer than 64,000,000 characters"):
        parse_document(" " * 64_000_001)


# ---- coordinates


@pytest.mark.parametrize(
    "bad",
    [
        variable("x", [0.0, 1.0]),
        variable("q", [0.0] * 5),
        variable("x", [0.0, None, 2.0, 3.0, 4.0]),
        variable("x", [0.0, "1", 2.0, 3.0, 4.0]),
        variable("x", [[0.0] * 5]),
        variable("yx", [[0.0] * 5, [0.0] * 4]),
        variable("yx", [[0.0] * 6] * 5),  # edges along both
        variable("xx", [[0.0] * 5] * 5),
        variable("tyx", [[[0.0] * 5] * 4] * 2),
        variable("x", [10**400, 1, 2, 3, 4]),
        variable("x", []),
        variable("x", {"0": 1}),
        {**variable("x", [0.0] * 5), "dims": "x"},
        {**variable("x", [0.0] * 5), "unit": 5},
        {**variable("x", [0.0] * 5), "dtype": None},
        {**variable("x", [0.0] * 5), "dims": [["x"]]},
        "no object",
        variable("x", ["now"] * 5, "s", "datetime64"),
        variable("x", ["2026-01-01"] * 5, "µm", "datetime64"),
    ],
)
def test_a_bad_coordinate_costs_only_itself(path: Path, bad: Any) -> None:
    good = variable("t", [0.0, 0.25], "s")
    scitiff = made(path, (2, 1, 1, 4, 5), coords={"t": good, "x": bad})
    assert codes(scitiff) == ["dropped:coords.x"]
    assert scitiff.document.coords.keys() == {"t"}
    assert [axis.scale for axis in scitiff.axes] == [0.25, 1.0, 1.0]
    assert [axis.unit.name for axis in scitiff.axes] == ["s", "pixel", "pixel"]


@pytest.mark.parametrize(
    ("values", "scale", "translate", "unit", "code"),
    [
        ([0.0, 0.5, 1.0, 1.5], 0.5, 0.0, "um", ""),
        ([5.0, 5.5, 6.0, 6.5], 0.5, 5.0, "um", ""),
        ([3.0, 2.0, 1.0, 0.0], -1.0, 3.0, "um", ""),
        ([0.0, 0.5, 1.0, 1.5, 2.0], 0.5, 0.25, "um", ""),  # edges
        ([2.0, 1.5, 1.0, 0.5, 0.0], -0.5, 1.75, "um", ""),
        ([0.0, 1.0, 2.0, 6.0], 2.0, 0.0, "um", "nonuniform"),
        ([1.0, 1.0, 1.0, 1.0], 1.0, 0.0, "pixel", "zero-step"),
        ([0.0, float("nan"), 2.0, 3.0], 1.0, 0.0, "pixel", "nonfinite"),
        ([0.0, 1.0, 2.0, float("inf")], 1.0, 0.0, "pixel", "nonfinite"),
        ([-1.7e308, 0.0, 0.0, 1.7e308], 1.0, 0.0, "pixel", "nonfinite"),
    ],
)
def test_steps_of_points_and_edges(
    path: Path, values: list[float], scale: float, translate: float, unit: str, code: str
) -> None:
    scitiff = made(path, (3, 1, 1, 4, 5), coords={"y": variable("y", values, "µm")})
    axis = scitiff.axes[1]
    assert (axis.scale, axis.translate, axis.unit.name) == (scale, translate, unit)
    assert codes(scitiff) == ([f"{code}:coords.y"] if code else [])
    assert axis.is_uniform == (code != "nonuniform")
    if unit == "um":
        assert axis.centers is not None
        assert axis.centers.shape == (4,)
        assert axis.centers[0] == pytest.approx(translate)


def test_rounded_steps_are_uniform(path: Path) -> None:
    times = [round(n * 0.0011701, 6) for n in range(4)]
    single = np.float32(1e6) + np.arange(5, dtype=np.float32) * np.float32(0.25)
    coords = {
        "y": variable("y", times, "s"),
        "x": variable("x", [float(v) for v in single], "µm", "float32"),
    }
    scitiff = made(path, (1, 1, 1, 4, 5), coords=coords)
    assert codes(scitiff) == []
    assert scitiff.is_kymograph


@pytest.mark.parametrize(
    ("text", "unit", "code"),
    [
        ("µm", "um", ""),
        ("\u03bcm", "um", ""),
        ("Å", "angstrom", ""),
        ("µs", "us", ""),
        ("D", "day", ""),
        ("h", "hour", ""),
        ("min", "minute", ""),
        ("deg", "deg", ""),
        ("counts", "count", ""),
        (None, "pixel", ""),
        ("dimensionless", "pixel", ""),
        ("9**9**9**9", "pixel", "unknown-unit"),
        ("2 um", "pixel", "unknown-unit"),
        ("M", "pixel", "unknown-unit"),
        ("None", "pixel", "unknown-unit"),
        ("()", "pixel", "unknown-unit"),
    ],
)
def test_units_are_looked_up(path: Path, text: str | None, unit: str, code: str) -> None:
    coords = {"y": variable("y", [0.0, 0.5, 1.0, 1.5], text)}
    scitiff = made(path, (3, 1, 1, 4, 5), coords=coords)
    assert (scitiff.axes[1].unit.name, scitiff.axes[1].scale) == (unit, 0.5)
    assert codes(scitiff) == ([f"{code}:coords.y"] if code else [])
    assert scitiff.document.coords["y"].unit == text


def test_two_dimensional_coordinates_are_kept_in_their_order(path: Path) -> None:
    values = np.arange(20.0).reshape(5, 4)
    scitiff = made(path, (2, 1, 1, 4, 5), coords={"L": variable("xy", values.tolist(), "m")})
    kept = scitiff.document.coords["L"]
    assert kept.dims == ("x", "y")
    np.testing.assert_array_equal(kept.values, values)


@pytest.mark.parametrize("alias", ["int", "float", "double", "uint8", "str"])
def test_names_of_types_that_the_package_cannot_read(path: Path, alias: str) -> None:
    coords = {"y": variable("y", [0, 2, 4, 6], "µm", alias)}
    assert made(path, (3, 1, 1, 4, 5), coords=coords).axes[1].scale == 2.0


@pytest.mark.parametrize(
    ("texts", "unit", "expected"),
    [
        (["2026-01-29 14:56:52", "2026-01-29 14:56:53"], "s", "2026-01-29T14:56:53"),
        (["2026-01-29 14:56:52.5", "2026-01-29 14:56:53.25"], "µs", "2026-01-29T14:56:53.250000"),
        (["1769698612000000000", "1769698613000000000"], "ns", "2026-01-29T14:56:53.000000000"),
        (["2026-01-29", "2026-01-30"], "D", "2026-01-30"),
        (["2026-01-29T14", "2026-01-29T15"], "h", "2026-01-29T15"),
        (["2069", "2070"], "Y", "2070"),
    ],
)
def test_dates_in_every_form(path: Path, texts: list[str], unit: str, expected: str) -> None:
    coords = {"clock": variable("t", texts, unit, "datetime64")}
    clock = made(path, (2, 1, 1, 4, 5), coords=coords).document.coords["clock"]
    assert str(clock.values[1]) == expected


@pytest.mark.parametrize("part", ["daq", "process", "extra"])
def test_parts_of_a_wrong_type_are_kept(path: Path, part: str) -> None:
    text = {**document((2, 1, 1, 4, 5)), part: "not an object"}
    write(path, text, np.zeros((2, 1, 1, 4, 5), np.float32))
    scitiff = scitiff_of(path)
    assert getattr(scitiff.document, part) == "not an object"
    assert codes(scitiff) == [f"kept-raw:{part}"]


RANGE = {"dims": [], "shape": [], "unit": "angstrom", "dtype": "float64", "values": 1.0}


@pytest.mark.parametrize(
    "daq",
    [
        {"facility": "Unknown", "source_type": "Unknown", "simulated": None},
        {"source": {"neutron_type": "continuous", "wavelength_range": variable("w", [1.0, 2.0])}},
        {"source": {"neutron_type": "continuous", "wavelength_range": [RANGE, RANGE]}},
        {"facility": [], "source_type": None, "detector": None, "team": [{"name": "A"}]},
        {"source": {"anything": "else"}},
    ],
)
def test_how_it_was_recorded_is_kept_as_each_release_writes_it(path: Path, daq: Any) -> None:
    text = document((2, 1, 1, 4, 5)) | {"daq": daq}
    write(path, text, np.zeros((2, 1, 1, 4, 5), np.float32))
    scitiff = scitiff_of(path)
    assert scitiff.document.daq == daq
    assert scitiff.notes == ()


def test_nobody_is_asked_for_an_address(path: Path) -> None:
    people = [{"name": "A", "email": "no address", "orcid": "none"}]
    parts = {
        "daq": {"principal_investigators": people},
        "process": {"coordinate_descriptions": {"nowhere": "no such coordinate"}},
        "extra": None,
    }
    write(path, document((2, 1, 1, 4, 5)) | parts, np.zeros((2, 1, 1, 4, 5), np.float32))
    scitiff = scitiff_of(path)
    assert scitiff.notes == ()
    assert scitiff.document.daq["principal_investigators"] == people


# ---- which axes are shown, and where time is


@pytest.mark.parametrize(
    ("shape", "kept"),
    [
        ((64, 1, 1, 1, 24), "tx"),
        ((1, 1, 1, 64, 24), "yx"),
        ((6, 1, 1, 5, 1), "ty"),
        ((6, 1, 1, 1, 1), "tx"),
        ((1, 1, 1, 1, 6), "yx"),
        ((1, 1, 1, 1, 1), "yx"),
        ((1, 4, 1, 1, 6), "zx"),
        ((2, 3, 4, 5, 6), "tzyx"),
    ],
)
def test_axes_longer_than_one_pixel_are_kept(path: Path, shape: tuple[int, ...], kept: str) -> None:
    assert "".join(axis.dim for axis in made(path, shape).axes) == kept


@pytest.mark.parametrize(
    ("shape", "units", "time"),
    [
        ((6, 1, 1, 1, 5), {"t": "s", "x": "µm"}, "t"),
        ((1, 1, 1, 6, 5), {"y": "ms", "x": "µm"}, "y"),
        ((1, 1, 1, 6, 5), {"y": "µm", "x": "ms"}, "x"),
        ((6, 1, 1, 5, 1), {"t": "h", "y": "nm"}, "t"),
        ((1, 6, 1, 1, 5), {"z": "s", "x": "µm"}, "z"),
        ((6, 1, 1, 1, 5), {}, "t"),
        ((1, 1, 1, 6, 5), {}, "y"),
        ((1, 1, 1, 6, 5), {"x": "mm"}, "y"),
        ((1, 1, 1, 6, 5), {"y": "µm", "x": "µm"}, None),
        ((6, 1, 1, 1, 5), {"t": "s", "x": "s"}, None),
        ((6, 1, 1, 1, 5), {"t": "Å", "x": "µm"}, None),
        ((1, 6, 1, 1, 5), {}, None),
        ((2, 1, 1, 6, 5), {"t": "s", "y": "µm", "x": "µm"}, None),
    ],
)
def test_units_say_where_time_is(
    path: Path, shape: tuple[int, ...], units: dict[str, str], time: str | None
) -> None:
    sizes = dict(zip("tzcyx", shape, strict=True))
    coords = {
        dim: variable(dim, (2.0 * np.arange(sizes[dim])).tolist(), unit)
        for dim, unit in units.items()
    }
    scitiff = made(path, shape, coords=coords)
    assert (scitiff.time.dim if scitiff.time else None) == time
    header = read_tiff_header(path)
    assert {"Y", "X"} <= set(header.axes)
    if time is not None:
        rows = TiffPixels(header).plane()
        pixels = np.arange(np.prod(shape), dtype=np.float32).reshape(6, 5)
        np.testing.assert_array_equal(rows, pixels.T if time == "x" else pixels)


def test_the_calibration_is_in_seconds_and_micrometres(path: Path) -> None:
    coords = {
        "y": variable("y", [0.0, 2.0, 4.0, 6.0], "ms"),
        "x": variable("x", [4.0, 3.0, 2.0, 1.0, 0.0], "nm"),
    }
    made(path, (1, 1, 2, 4, 5), coords=coords)
    reading = read_tiff_header(path).readings[0]
    assert (reading.dt_s, reading.dx_um) == pytest.approx((0.002, 0.001))
    assert reading.source == "SciTiff"


def test_a_stack_of_kymographs_is_calibrated_too(path: Path) -> None:
    coords = {
        "y": variable("y", [0.0, 2.0, 4.0, 6.0], "ms"),
        "x": variable("x", [0.0, 0.5, 1.0, 1.5, 2.0], "µm"),
    }
    scitiff = made(path, (1, 3, 1, 4, 5), coords=coords)
    assert not scitiff.is_kymograph
    (reading,) = read_tiff_header(path).readings
    assert (reading.dt_s, reading.dx_um) == pytest.approx((0.002, 0.5))


def test_a_time_of_flight_stands_in_for_t(path: Path) -> None:
    coords = {
        "wavelength": variable("t", [1.0, 2.0], "Å"),
        "tof": variable("t", [0.0, 50.0, 100.0], "µs"),
    }
    scitiff = made(path, (2, 1, 1, 4, 5), coords=coords)
    axis = scitiff.axes[0]
    assert (axis.scale, axis.translate, axis.unit.name) == (50.0, 25.0, "us")
    assert codes(scitiff) == ["time-like:coords.tof"]


def test_imagej_fills_in_what_the_coordinates_do_not_say(path: Path) -> None:
    scitiff = document((50, 1, 1, 1, 20), coords={"x": variable("x", list(range(20)), "µm")})
    tifffile.imwrite(
        path,
        np.zeros((50, 1, 1, 1, 20), np.float32),
        imagej=True,
        metadata={"axes": "TZCYX", "scitiffmeta": json.dumps(scitiff), "finterval": 0.002},
    )
    readings = read_tiff_header(path).readings
    assert [(r.source, r.dt_s, r.dx_um) for r in readings] == [
        ("SciTiff", None, 1.0),
        ("ImageJ", 0.002, None),
    ]


# ---- channels


@pytest.mark.parametrize(
    ("coord", "names", "roles"),
    [
        (None, ["c0", "c1"], ["channel", "channel"]),
        (variable("c", ["R", "G"], dtype="string"), ["R", "G"], ["channel", "channel"]),
        (variable("c", [488, 561], "nm"), ["488 nm", "561 nm"], ["channel", "channel"]),
        (variable("c", [1.0, 3.0, 5.0]), ["2", "4"], ["channel", "channel"]),
        (
            variable("c", ["mask", "intensities"], dtype="string"),
            ["mask", "intensities"],
            ["mask", "intensities"],
        ),
        (
            variable("c", ["stdevs", "intensities"], dtype="string"),
            ["stdevs", "intensities"],
            ["stdevs", "intensities"],
        ),
        (
            variable("c", ["stdevs", "mask"], dtype="string"),
            ["stdevs", "mask"],
            ["channel", "channel"],
        ),
    ],
)
def test_names_and_roles_of_channels(
    path: Path, coord: Any, names: list[str], roles: list[str]
) -> None:
    scitiff = made(path, (1, 1, 2, 4, 5), coords={"c": coord} if coord else {})
    assert [channel.name for channel in scitiff.channels] == names
    assert [channel.role for channel in scitiff.channels] == roles


@pytest.mark.parametrize(
    "order", [("stdevs", "intensities", "mask"), ("mask", "stedvs", "intensities")]
)
def test_parts_of_one_image_come_in_any_order(path: Path, order: tuple[str, ...]) -> None:
    coord = variable("c", list(order), dtype="string")
    scitiff = made(path, (2, 1, 3, 4, 5), coords={"c": coord})
    wanted = ["stdevs" if name == "stedvs" else name for name in order]
    assert [channel.role for channel in scitiff.channels] == wanted
    assert scitiff.notes == ()


@pytest.mark.parametrize("name", ["intensities", "DAPI"])
def test_a_single_channel_is_named_by_a_scalar(path: Path, name: str) -> None:
    scitiff = made(path, (2, 1, 1, 4, 5), coords={"c": variable("", name, dtype="string")})
    assert scitiff.channels[0].name == name
