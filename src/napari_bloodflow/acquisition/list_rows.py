"""Rows of the file list and of the file-and-analysis tree, as CloudScope lays them out."""

from __future__ import annotations

from contextlib import suppress
from typing import TYPE_CHECKING, Any

from napari_bloodflow.schema import FieldSchema, Schema

if TYPE_CHECKING:
    from pathlib import Path

    from napari_bloodflow.acquisition.acq_image import AcqImage

__all__ = ["FILE_LIST_SCHEMA", "TREE_COLUMNS", "path_row", "schema_row", "tree_rows"]

FILE_LIST_SCHEMA = Schema(
    "acq_file_list",
    1,
    (
        FieldSchema("name", "Name", "str", editable=False),
        FieldSchema("saved", "Saved", "bool", editable=False),
        FieldSchema("path", "Path", "str", editable=False, visible=False),
        FieldSchema("loaded", "Loaded", "str", editable=False),
        FieldSchema("reference_image", "Reference image", "str", editable=False),
        FieldSchema("file_size", "File size", "str", editable=False),
        FieldSchema("parent", "Parent", "str", editable=False),
        FieldSchema("grandparent", "Grandparent", "str", editable=False),
        FieldSchema("condition", "Condition", "str", editable=False, visible=False),
        FieldSchema("genotype", "Genotype", "str", editable=False, visible=False),
        FieldSchema("num_channels", "Channels", "int", editable=False),
        FieldSchema("dims", "Dims", "str", editable=False),
        FieldSchema("num_rois", "ROIs", "int", editable=False),
        FieldSchema("accept", "Accept", "bool"),
    ),
)

TREE_COLUMNS = (
    "tree_row_id",
    "hierarchy_path",
    "tree_row_type",
    "analysis_name",
    "channel",
    "roi_id",
)
"""What rows of the tree have beside the columns of the file list."""

_CHECK_MARK = "\u2705"


def path_row(path: Path) -> dict[str, Any]:
    """Return the file-list row of a file that was not opened; what is not known is None."""
    size = None
    with suppress(OSError):
        size = _file_size(path.stat().st_size)
    return {
        **dict.fromkeys(FILE_LIST_SCHEMA.names),
        "name": path.name,
        "saved": True,
        "path": str(path),
        "loaded": "",
        "reference_image": "",
        "file_size": size,
        "parent": path.parent.name,
        "grandparent": path.parent.parent.name,
    }


def schema_row(acq: AcqImage) -> dict[str, Any]:
    """Return the file-list row of an acquisition, by field name."""
    experiment = acq.experiment_metadata
    return {
        **path_row(acq.image_path),
        "saved": not acq.is_dirty,
        "loaded": _CHECK_MARK,
        "condition": experiment.condition,
        "genotype": experiment.genotype,
        "num_channels": acq.images.num_channels,
        "dims": " ".join(f"{axis}:{size}" for axis, size in acq.images.sizes.items()),
        "num_rois": acq.rois.num_rois,
        "accept": acq.accepted,
    }


def tree_rows(acq: AcqImage) -> list[dict[str, Any]]:
    """Return a row for the file, then one per analysis in order of creation."""
    rows = [
        {
            "tree_row_id": acq.file_id,
            "hierarchy_path": [acq.file_id],
            "tree_row_type": "file",
            "analysis_name": None,
            "channel": None,
            "roi_id": None,
            **schema_row(acq),
        }
    ]
    for analysis in acq.analysis_set:
        name, channel, roi_id = analysis.key
        row_id = f"{acq.file_id}::analysis::{name}::ch_{channel}::roi_{roi_id}"
        rows.append(
            {
                "tree_row_id": row_id,
                "hierarchy_path": [acq.file_id, row_id],
                "tree_row_type": "analysis",
                "analysis_name": name,
                "channel": channel,
                "roi_id": roi_id,
                **dict.fromkeys(FILE_LIST_SCHEMA.names),
                "name": name,
                "num_channels": channel,
                "num_rois": roi_id,
            }
        )
    return rows


def _file_size(num_bytes: int) -> str:
    if num_bytes < 1000:
        return f"{num_bytes} bytes"
    exponent = min((len(str(num_bytes)) - 1) // 3, 3)
    size = num_bytes / 1000**exponent
    unit = ("KB", "MB", "GB")[exponent - 1]
    return f"{size:.1f} {unit}" if size < 10 else f"{size:.0f} {unit}"
