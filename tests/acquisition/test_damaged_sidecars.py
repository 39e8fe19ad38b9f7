"""Sidecars and tables damaged in every way: nothing raises, nothing else is lost."""

from __future__ import annotations

import copy
import json
import random
import shutil
from pathlib import Path
from typing import Any

import pytest

from napari_bloodflow import AcqImage

DATA = Path(__file__).parent.parent / "data" / "cloudscope"
SOURCES = [
    path
    for generation in ("may2026", "aug2026")
    for path in sorted((DATA / generation).glob("*.tif"))
    if path.with_name(f"{path.name}.json").exists()
]
ODD_VALUES: list[Any] = [
    None, True, False, 0, -1, 1.5, 10**400, -(10**30), 1e308, float("nan"), float("inf"), "",
    "x", "NaN", "\ud800", "\x00", "a/b", "../x", "x" * 5000, [], {}, [[]], {"": 0}, [1, 2],
    {"a": {"b": []}}, "false", "1", "1.0", 2**63, -(2**63) - 1,
]  # fmt: skip


def nodes(value: Any, path: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:
    """Return the paths of all nodes below the root."""
    found = []
    items: Any = ()
    if isinstance(value, dict):
        items = value.items()
    elif isinstance(value, list):
        items = enumerate(value)
    for key, item in items:
        found += [(*path, key), *nodes(item, (*path, key))]
    return found


def mutate_json(document: Any, rng: random.Random) -> set[str]:
    """Damage one node; return the items that it belongs to."""
    path = rng.choice(nodes(document))
    parent = document
    for key in path[:-1]:
        parent = parent[key]
    key = path[-1]
    kind = rng.choice(["replace", "replace", "replace", "delete", "unknown", "duplicate", "deep"])
    touched = {item_of(path)}
    if kind == "replace":
        parent[key] = copy.deepcopy(rng.choice(ODD_VALUES))
    elif kind == "delete":
        del parent[key]
    elif kind == "unknown" and isinstance(parent, dict):
        parent[f"unknown {rng.randrange(9)}"] = copy.deepcopy(rng.choice(ODD_VALUES))
    elif kind == "duplicate" and isinstance(parent, list):
        parent.insert(rng.randrange(len(parent) + 1), copy.deepcopy(parent[key]))
    else:
        deep: Any = 0
        for _ in range(rng.choice([5, 200])):
            deep = [deep]
        parent[key] = deep
        if len(path) == 1 or _depth(document) > 90:
            touched.add("everything")
    return touched


def _depth(value: Any) -> int:
    children = value.values() if isinstance(value, dict) else value
    if not isinstance(value, (dict, list)):
        return 0
    return 1 + max(map(_depth, children), default=0)


def item_of(path: tuple[Any, ...]) -> str:
    """Return the item that a node belongs to, in the words of `items`."""
    return ".".join(map(str, path[:2]))


def mutate_bytes(data: bytes, rng: random.Random) -> bytes:
    at = rng.randrange(len(data) + 1)
    kind = rng.choice(["cut", "flip", "insert", "bom", "utf-16", "empty", "twice"])
    if kind == "cut":
        return data[:at]
    if kind == "flip":
        return data[:at] + bytes([rng.randrange(256)]) + data[at + 1 :]
    if kind == "insert":
        junk = rng.choice([b"\x00", b'"', b"\n", b",", b"{", b"]", b"\xff", b"nan", b"'", b"\r"])
        return data[:at] + junk + data[at:]
    if kind == "bom":
        return b"\xef\xbb\xbf" + data
    if kind == "utf-16":
        return data.decode("utf-8").encode("utf-16")
    return data * 2 if kind == "twice" else b""


def mutate_table(data: bytes, rng: random.Random) -> bytes:
    rows = [line.split(",") for line in data.decode("utf-8").splitlines()]
    row = rng.randrange(min(len(rows), 40))
    column = rng.randrange(len(rows[row]))
    kind = rng.choice(["cell", "cell", "header", "drop", "double", "ragged", "short", "column"])
    odd = rng.choice(["", "x", "nan", "1e999", "-0", '"', '"a,b"', "99999999999999999999", "1;2"])
    if kind == "cell":
        rows[row][column] = odd
    elif kind == "header":
        rows[0][column % len(rows[0])] = odd
    elif kind == "drop":
        del rows[row]
    elif kind == "double":
        rows.insert(row, list(rows[row]))
    elif kind == "ragged":
        rows[row] += [odd, odd]
    elif kind == "short":
        del rows[row][column:]
    else:
        for line in rows:
            del line[column : column + 1]
    return "\n".join(",".join(line) for line in rows).encode() + b"\n"


def items(acq: AcqImage) -> dict[str, Any]:
    """Return every item of a sidecar that a person sees, by its place in the file."""
    found: dict[str, Any] = {"accepted": acq.accepted}
    for name, value in acq.experiment_metadata.get_values().items():
        found[f"experiment_metadata.{name}"] = value
    for roi in acq.rois:
        found[f"ROI {roi.roi_id}"] = roi
    for analysis in acq.analysis_set:
        found[str(analysis.key)] = _strict(
            [dict(analysis.detection_params), analysis.result.summary]
        )
    contrast = acq.get_image_contrast(0)
    if contrast is not None:
        found["image_contrast.0"] = contrast
    return found


def _strict(value: Any) -> Any:
    """Return plain values as strict JSON keeps them."""
    if isinstance(value, dict):
        return {key: _strict(item) for key, item in value.items()}
    if isinstance(value, list):
        return [_strict(item) for item in value]
    return None if isinstance(value, float) and not abs(value) < float("inf") else value


def places(document: Any) -> dict[str, str]:
    """Return where each of the `items` stands in a document."""
    found = {}
    for index, record in enumerate(document.get("rois", [])):
        found[f"ROI {record['roi_id']}"] = f"rois.{index}"
    for index, record in enumerate(document.get("analysis", [])):
        name, channel, roi_id = (record[k] for k in ("analysis_name", "channel", "roi_id"))
        found[f"{name}, channel {channel}, ROI {roi_id}"] = f"analysis.{index}"
    return found


def test_all_kinds_of_files_are_damaged() -> None:
    assert len(SOURCES) == 9


def run(image: Path, tmp_path: Path, seeds: range) -> None:
    sidecar = image.with_name(f"{image.name}.json")
    text = sidecar.read_text("utf-8")
    reference = items(AcqImage(_copied(image, tmp_path / "reference")))
    for seed in seeds:
        rng = random.Random(f"{image.name} {seed}")
        copied = _copied(image, tmp_path / str(seed))
        target = copied.with_name(sidecar.name)
        tables = sorted(copied.parent.glob(f"{copied.name}.*.csv"))
        kind = rng.choice(["json", "json", "json", "bytes", "table", "table bytes"])
        touched = None
        if kind == "json":
            document = json.loads(text)
            where = places(document)
            touched = mutate_json(document, rng)
            target.write_text(json.dumps(document), "utf-8")
        elif kind == "bytes":
            target.write_bytes(mutate_bytes(target.read_bytes(), rng))
        elif tables:
            target = rng.choice(tables)
            mutate = mutate_table if kind == "table" else mutate_bytes
            target.write_bytes(mutate(target.read_bytes(), rng))
        damaged = {path: path.read_bytes() for path in copied.parent.iterdir()}
        acq = AcqImage(copied)
        assert all(str(problem) for problem in acq.problems)
        before = items(acq)
        if touched is not None and "everything" not in touched:
            for name, value in reference.items():
                place = where.get(name, name)
                section = place.split(".")[0]
                if place in touched or section in touched:
                    continue
                if section == "analysis" and any(t.startswith("image_header") for t in touched):
                    continue  # speeds follow from the calibration
                assert before.get(name) == value, (seed, name, touched)
        acq.apply_metadata_patch("experiment_metadata", {"note": f"seed {seed}"})
        acq.save()
        again = items(AcqImage(copied))
        before["experiment_metadata.note"] = f"seed {seed}"
        assert {k: (v, again.get(k)) for k, v in before.items() if again.get(k) != v} == {}, seed
        assert again.keys() == before.keys(), seed
        _nothing_is_lost(copied, damaged, seed)
        shutil.rmtree(copied.parent)


def _nothing_is_lost(image: Path, damaged: dict[Path, bytes], seed: int) -> None:
    """What was replaced is in a backup, or every value of it is still in the file."""
    for path, data in damaged.items():
        if path.read_bytes() == data:
            continue
        backups = [p.read_bytes() for p in path.parent.glob(f"{path.name}.backup-*")]
        if data in backups:
            continue
        assert path.name == f"{image.name}.json", (seed, path.name)
        old, new = json.loads(data), json.loads(path.read_bytes())
        old["experiment_metadata"] = old.get("experiment_metadata", {}) | {"note": f"seed {seed}"}
        lost = _missing(old, new)
        assert not lost, (seed, lost[:3])


def _missing(old: Any, new: Any, path: str = "") -> list[str]:
    """Return the places whose values are not in the new document; lists may be in other order."""
    if isinstance(old, dict) and isinstance(new, dict):
        return [
            lost
            for key, value in old.items()
            for lost in (
                _missing(value, new[key], f"{path}.{key}") if key in new else [f"{path}.{key}"]
            )
        ]
    if isinstance(old, list) and isinstance(new, list):
        rest = list(new)
        lost = []
        for index, value in enumerate(old):
            match = next((i for i, item in enumerate(rest) if not _missing(value, item)), None)
            if match is None:
                lost.append(f"{path}[{index}]")
            else:
                del rest[match]
        return lost
    if old is None or (isinstance(old, float) and not abs(old) < float("inf")):
        return []  # strict JSON has no such number, and a field without value may get one
    return [] if old == new and isinstance(old, bool) == isinstance(new, bool) else [path]


def _copied(image: Path, folder: Path) -> Path:
    folder.mkdir()
    for path in image.parent.glob(f"{image.name}*"):
        shutil.copy(path, folder / path.name)
    return folder / image.name


@pytest.mark.parametrize("image", SOURCES, ids=lambda path: f"{path.parent.name}-{path.stem}")
def test_damage_costs_what_it_hits_and_nothing_else(image: Path, tmp_path: Path) -> None:
    run(image, tmp_path, range(15))


@pytest.mark.slow
@pytest.mark.parametrize("image", SOURCES, ids=lambda path: f"{path.parent.name}-{path.stem}")
def test_much_damage_costs_what_it_hits_and_nothing_else(image: Path, tmp_path: Path) -> None:
    run(image, tmp_path, range(15, 15 + 5000 // len(SOURCES) + 1))
