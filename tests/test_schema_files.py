"""The published JSON Schemas describe what we write."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from jsonschema import Draft202012Validator, ValidationError
from scripts.make_schema import texts

from napari_bloodflow import AcqImage, LineEndpoints

if TYPE_CHECKING:
    from collections.abc import Callable

FOLDER = Path(__file__).parent.parent / "docs" / "schema"


def validator(name: str) -> Draft202012Validator:
    schema = json.loads((FOLDER / name).read_text("utf-8"))
    Draft202012Validator.check_schema(schema)
    return Draft202012Validator(schema)


def check(image: Path) -> None:
    document = json.loads(image.with_name(f"{image.name}.json").read_text("utf-8"))
    validator("sidecar-v2.schema.json").validate(document)
    private = image.with_name(f"{image.name}.bloodflow.json")
    if private.exists():
        validator("bloodflow-v1.schema.json").validate(json.loads(private.read_text("utf-8")))


def test_the_files_are_those_of_the_models() -> None:
    assert {path.name: path.read_text("utf-8") for path in FOLDER.iterdir()} == texts()


def test_what_we_measure_is_described(tmp_path: Path) -> None:
    from napari_bloodflow.synthetic import pulsatile_flow, write_tiff

    image = tmp_path / "vessel.tif"
    write_tiff(pulsatile_flow(num_rows=256), image)
    acq = AcqImage(image)
    acq.save()
    check(image)
    acq.rois.create(name="vein")
    acq.rois.create(LineEndpoints(0, 1, 20, 8))
    acq.analysis_set.run_analysis(("radon_velocity", 0, 1))
    acq.apply_metadata_patch("experiment_metadata", {"depth": 120.5, "branch_order": 3})
    acq.ensure_image_contrast(0)
    acq.set_calibration(0.001, 0.5)
    acq.accepted = False
    acq.save(strict_tables=True)
    assert image.with_name("vessel.tif.bloodflow.json").exists()
    check(image)


@pytest.mark.parametrize("generation", ["may2026", "aug2026"])
def test_what_we_make_of_cloudscopes_files_is_described(
    copy_fixture: Callable[[str], Path], generation: str
) -> None:
    folder = copy_fixture(f"cloudscope/{generation}")
    images = sorted(folder.glob("*.tif"))
    assert images
    for image in images:
        acq = AcqImage(image)
        acq.apply_metadata_patch("experiment_metadata", {"note": "seen"})
        acq.save()
        check(image)


def _set(path: str, value: Any) -> Callable[[Any], None]:
    def edit(document: Any) -> None:
        *parents, last = (int(k) if k.isdigit() else k for k in path.split("."))
        for key in parents:
            document = document[key]
        document[last] = value

    return edit


@pytest.mark.parametrize(
    "edit",
    [
        _set("version", 3),
        _set("accepted", "false"),
        _set("rois.0.roi_id", 0),
        _set("rois.0.data.row_start", 1.5),
        _set("rois.0.roi_type", "ellipse"),
        _set("image_header_metadata.physical_unit_y", 0),
        _set("experiment_metadata.note", None),
        _set("analysis.0.channel", None),
        _set("analysis.0.summary", []),
    ],
)
def test_other_documents_are_refused(
    copy_fixture: Callable[[str], Path], edit: Callable[[Any], None]
) -> None:
    image = copy_fixture("cloudscope/aug2026") / "k05_pulsatile.tif"
    acq = AcqImage(image)
    acq.accepted = not acq.accepted
    acq.save()
    document = json.loads(image.with_name(f"{image.name}.json").read_text("utf-8"))
    edit(document)
    with pytest.raises(ValidationError):
        validator("sidecar-v2.schema.json").validate(document)
