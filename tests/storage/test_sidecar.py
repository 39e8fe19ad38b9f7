"""The sidecar JSON: anything is survived on reading, only strict JSON is written."""

from __future__ import annotations

import json
import math
import os
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from napari_bloodflow.storage.sidecar import (
    encode_sidecar,
    image_path_of_sidecar,
    read_sidecar,
    sidecar_path,
)

if TYPE_CHECKING:
    from pathlib import Path

GOOD = {
    "version": 2,
    "accepted": True,
    "rois": [],
    "experiment_metadata": {},
    "image_header_metadata": {},
    "analysis": [],
}

json_values = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(), inner, max_size=4),
    max_leaves=20,
)


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "a.tif.json"


def test_names(tmp_path: Path) -> None:
    image = tmp_path / "a.b.tif"
    assert sidecar_path(image).name == "a.b.tif.json"
    assert image_path_of_sidecar(sidecar_path(image)) == image
    assert image_path_of_sidecar(image) == image


def test_no_file_is_no_problem(path: Path) -> None:
    found = read_sidecar(path)
    assert (found.document, found.problems, found.sha256, found.understood) == (
        None,
        (),
        None,
        True,
    )


def test_a_good_file_is_read_whole_with_unknown_keys(path: Path) -> None:
    document = {**GOOD, "mine": [1, {"x": None}]}
    path.write_text(json.dumps(document))
    found = read_sidecar(path)
    assert found.document == document
    assert found.problems == ()
    assert found.understood


@pytest.mark.parametrize("version", [2, 2.0])
def test_both_spellings_of_the_version_are_read(path: Path, version: float) -> None:
    path.write_text(json.dumps({**GOOD, "version": version}))
    assert read_sidecar(path).understood


@pytest.mark.parametrize("version", [1, 3, "2", None, True])
def test_other_versions_are_read_as_far_as_possible(path: Path, version: object) -> None:
    path.write_text(json.dumps({**GOOD, "version": version}))
    found = read_sidecar(path)
    assert found.document is not None
    assert not found.understood
    assert [p.where for p in found.problems] == ["version"]


def test_peers_liberties_are_accepted(path: Path) -> None:
    text = json.dumps({**GOOD, "summary": [math.nan, math.inf]})
    path.write_bytes(b"\xef\xbb\xbf" + text.encode())
    found = read_sidecar(path)
    assert found.understood
    assert found.document is not None
    assert math.isnan(found.document["summary"][0])


@pytest.mark.parametrize(
    ("content", "cause"),
    [
        (b"", "is empty"),
        (b"{", "is not JSON"),
        (b"[]", "not an object"),
        (b"\xff\xfe\x00", "not UTF-8"),
        (b'{"a": ' + b"[" * 200 + b"]" * 200 + b"}", "levels"),
        (b"[" * 100_000, "levels"),
        (b'{"a": ' + b"9" * 6000 + b"}", "cannot be parsed"),
    ],
)
def test_unreadable_content_is_one_problem(path: Path, content: bytes, cause: str) -> None:
    path.write_bytes(content)
    found = read_sidecar(path)
    assert found.document is None
    assert not found.understood
    (problem,) = found.problems
    assert cause in problem.what
    assert path.read_bytes() == content


def test_a_missing_key_and_a_repeated_key_are_named(path: Path) -> None:
    text = json.dumps({k: v for k, v in GOOD.items() if k != "rois"})
    path.write_text(text[:-1] + ', "accepted": false}')
    found = read_sidecar(path)
    assert {p.where for p in found.problems} == {"rois", "accepted"}
    assert found.document is not None
    assert found.document["accepted"] is False
    assert not found.understood


@given(st.binary(max_size=300))
def test_reading_never_raises(tmp_path_factory: pytest.TempPathFactory, content: bytes) -> None:
    path = tmp_path_factory.mktemp("fuzz") / "x.tif.json"
    path.write_bytes(content)
    found = read_sidecar(path)
    assert found.understood == (not found.problems)


@given(st.dictionaries(st.text(), json_values, max_size=5))
def test_what_is_written_is_read_back(document: dict[str, Any]) -> None:
    data = encode_sidecar(document)
    assert json.loads(data) == document
    assert encode_sidecar(json.loads(data)) == data


def test_only_strict_json_is_written() -> None:
    data = encode_sidecar({"b": math.nan, "a": [np.float32(1.5), np.int64(3), -math.inf, "µ"]})
    assert data == (
        b'{\n  "a": [\n    1.5,\n    3,\n    null,\n    "\\u00b5"\n  ],\n  "b": null\n}'
    )


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="no named pipes here")
def test_a_pipe_is_not_waited_for(path: Path) -> None:
    os.mkfifo(path)
    assert "not a file" in read_sidecar(path).problems[0].what


def test_problems_can_be_printed_whatever_the_keys_are(path: Path) -> None:
    path.write_bytes(b'{"\\ud800": 1, "\\ud800": 2}')
    problems = read_sidecar(path).problems
    assert problems
    for problem in problems:
        assert str(problem).encode("utf-8")


def test_many_keys_take_time_in_proportion(path: Path) -> None:
    keys = ",".join(f'"k{i}":1' for i in range(200_000))
    path.write_text("{" + keys + ',"k0":2}')  # comparing each with each would take minutes
    assert read_sidecar(path).problems[0].where == "k0"
