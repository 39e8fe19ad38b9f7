"""Write the JSON Schemas of what we save into docs/schema, from the models themselves.

Run `make schema` after a change of a model; a test holds the files to the models.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from napari_bloodflow.acquisition.metadata import AcqImageHeader, ExperimentMetadata
from napari_bloodflow.storage.sidecar import REQUIRED_KEYS, SIDECAR_VERSION

FOLDER = Path(__file__).parent.parent / "docs" / "schema"
DIALECT = "https://json-schema.org/draft/2020-12/schema"
TYPES = {"str": "string", "int": "integer", "float": "number", "bool": "boolean"}

Json = dict[str, Any]


def section(model: type[ExperimentMetadata | AcqImageHeader], description: str) -> Json:
    """Describe a metadata section; unknown fields of other programs are allowed and kept."""
    properties = {}
    for entry in model.get_schema().fields:
        kind: Any = TYPES[entry.value_type]
        if entry.default_value is None:
            kind = [kind, "null"]
        unit = f" Unit: {entry.unit}." if entry.unit else ""
        properties[entry.name] = {
            "type": kind,
            "description": f"{entry.description or entry.display_name}{unit}",
        }
        if entry.name.startswith("physical_unit"):
            properties[entry.name]["exclusiveMinimum"] = 0
    return {"type": "object", "description": description, "properties": properties}


def whole(description: str, minimum: int | None = None) -> Json:
    """Describe a whole number."""
    limit = {} if minimum is None else {"minimum": minimum}
    return {"type": "integer", "description": description, **limit}


def roi(roi_type: str, names: dict[str, str]) -> Json:
    """Describe a ROI of one type."""
    return {
        "properties": {
            "roi_type": {"const": roi_type},
            "data": {
                "type": "object",
                "required": list(names),
                "properties": {name: whole(words, 0) for name, words in names.items()},
            },
        }
    }


ROI: Json = {
    "type": "object",
    "required": ["roi_id", "roi_type", "version", "name", "note", "data"],
    "properties": {
        "roi_id": whole("Number of the ROI, unique in the file.", 1),
        "roi_type": {"enum": ["rectroi", "linesegmentroi"]},
        "version": {"const": "1.0"},
        "name": {"type": "string"},
        "note": {"type": "string"},
    },
    "oneOf": [
        roi(
            "rectroi",
            {
                "row_start": "First line.",
                "row_stop": "Line after the last.",
                "col_start": "First pixel of the line.",
                "col_stop": "Pixel after the last.",
            },
        ),
        roi(
            "linesegmentroi",
            {
                "row0": "Line of the first end.",
                "col0": "Pixel of the first end.",
                "row1": "Line of the second end.",
                "col1": "Pixel of the second end.",
            },
        ),
    ],
}

STEP: Json = {"type": ["number", "null"], "exclusiveMinimum": 0}

PROVENANCE: Json = {
    "type": "object",
    "description": "What a result was made from. It is stale when one of these is no longer so.",
    "required": ["software", "algorithm", "algorithm_version", "created_utc", "detection_params"],
    "properties": {
        "software": {"type": "string", "description": "Program and version."},
        "algorithm": {"type": "string", "description": "Name of the method."},
        "algorithm_version": whole("Raised whenever the method's numbers change.", 1),
        "created_utc": {"type": "string", "description": "ISO 8601 time with zone."},
        "detection_params": {"type": "object", "description": "Parameters of the run."},
        "roi_bounds": {
            "type": "array",
            "description": "row_start, row_stop, col_start, col_stop.",
            "items": {"type": "integer"},
            "minItems": 4,
            "maxItems": 4,
        },
        "image_shape": {
            "type": "array",
            "description": "Lines and pixels of the plane.",
            "items": {"type": "integer"},
            "minItems": 2,
            "maxItems": 2,
        },
        "image_fingerprint": {"type": "string", "description": "Hash of 16 lines of the plane."},
        "dt_s": {**STEP, "description": "Seconds per line; null without calibration."},
        "dx_um": {**STEP, "description": "Micrometres per pixel; null without calibration."},
        "calibration_source": {"type": "string"},
        "table_checksums": {
            "type": "object",
            "description": "By column: number of values, their sum, their sum weighted by"
            " 1 + row modulo 7.",
            "additionalProperties": {
                "type": "array",
                "items": {"type": "number"},
                "minItems": 3,
                "maxItems": 3,
            },
        },
    },
}

ANALYSIS: Json = {
    "type": "object",
    "required": ["analysis_name", "channel", "roi_id", "detection_params", "summary"],
    "properties": {
        "analysis_name": {"type": "string", "minLength": 1},
        "channel": whole("Channel, from 0.", 0),
        "roi_id": whole("The ROI it was measured on."),
        "detection_params": {"type": "object", "description": "Parameters, by name."},
        "summary": {
            "type": "object",
            "description": "Small results. Those of the table are in <image>.<analysis_name>.csv.",
            "properties": {"provenance": PROVENANCE},
        },
    },
}

CONTRAST: Json = {
    "type": "object",
    "required": ["color_lut", "value_min", "value_max", "img_min", "img_max"],
    "properties": {
        "color_lut": {"type": "string", "description": "Name of the colour map."},
        "value_min": {"type": "number", "description": "Intensity shown as the first colour."},
        "value_max": {"type": "number", "description": "Intensity shown as the last colour."},
        "img_min": {"type": "number", "description": "Least intensity of the plane."},
        "img_max": {"type": "number", "description": "Greatest intensity of the plane."},
    },
}


def sidecar() -> Json:
    """Describe ``<image>.json``."""
    return {
        "$schema": DIALECT,
        "title": "Sidecar of a kymograph, <image>.json",
        "description": "As napari-bloodflow writes it. Keys that are not listed are kept.",
        "type": "object",
        "required": [*REQUIRED_KEYS, "image_contrast"],
        "properties": {
            "version": {"const": SIDECAR_VERSION},
            "accepted": {"type": "boolean", "description": "The curator's mark."},
            "rois": {"type": "array", "items": ROI},
            "experiment_metadata": section(ExperimentMetadata, "What was imaged."),
            "image_header_metadata": section(AcqImageHeader, "The image and its calibration."),
            "image_contrast": {
                "type": "object",
                "description": "Display by channel.",
                "patternProperties": {"^[0-9]+$": CONTRAST},
            },
            "analysis": {
                "type": "array",
                "description": "Results; those that others are derived from come first.",
                "items": ANALYSIS,
            },
        },
    }


def private() -> Json:
    """Describe ``<image>.bloodflow.json``."""
    return {
        "$schema": DIALECT,
        "title": "Our own state of a kymograph, <image>.bloodflow.json",
        "description": "What the sidecar has no place for. Keys that are not listed are kept.",
        "type": "object",
        "required": ["version"],
        "properties": {
            "version": {"const": 1},
            "calibration_source": {
                "const": "user",
                "description": "The calibration in the sidecar was entered by hand.",
            },
            "strict_tables": {
                "type": "boolean",
                "description": "Tables are written without columns of ours.",
            },
        },
    }


def texts() -> dict[str, str]:
    """Return the schemas as texts, by file name."""
    schemas = {"sidecar-v2.schema.json": sidecar(), "bloodflow-v1.schema.json": private()}
    return {name: json.dumps(schema, indent=2) + "\n" for name, schema in schemas.items()}


if __name__ == "__main__":
    FOLDER.mkdir(exist_ok=True)
    for name, text in texts().items():
        (FOLDER / name).write_text(text, encoding="utf-8")
