"""CSV tables: every bit comes back, the rows of others are kept apart."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from napari_bloodflow.storage.tables import block, encode_table, read_table, table_path

if TYPE_CHECKING:
    from pathlib import Path

COLUMNS = ("time_s", "velocity")


def test_names(tmp_path: Path) -> None:
    assert table_path(tmp_path / "a.tif", "event").name == "a.tif.event.csv"


@pytest.mark.parametrize("peer", ["may2026", "aug2026", "behaviour"])
def test_cloudscope_tables_come_back_byte_for_byte(cloudscope_data: Path, peer: str) -> None:
    tables = sorted((cloudscope_data / peer).glob("*.csv"))
    assert tables
    for path in tables:
        found = read_table(path)
        assert found.frame is not None
        keys = found.frame[["channel", "roi_id"]].drop_duplicates().itertuples(index=False)
        blocks = []
        for channel, roi_id in keys:
            rows = block(found.frame, channel, roi_id)
            assert rows is not None
            blocks.append((channel, roi_id, rows))
        again = encode_table(blocks, list(found.frame.columns[2:]))
        assert again == path.read_bytes().replace(b"\r\n", b"\n")


@given(st.lists(st.floats(width=64), min_size=1, max_size=20))
def test_every_float_survives(
    tmp_path_factory: pytest.TempPathFactory, values: list[float]
) -> None:
    rows = pd.DataFrame({"time_s": np.arange(len(values)) * 0.1, "velocity": values})
    path = tmp_path_factory.mktemp("table") / "a.tif.x.csv"
    path.write_bytes(encode_table([(0, 1, rows)], COLUMNS))
    found = read_table(path)
    assert found.frame is not None
    again = block(found.frame, 0, 1)
    assert again is not None
    np.testing.assert_array_equal(again["velocity"].to_numpy(float), rows["velocity"])


def test_standard_columns_come_first_and_others_after(tmp_path: Path) -> None:
    plain = pd.DataFrame({"velocity": [1.0], "time_s": [0.0]})
    more = pd.DataFrame({"status": ["ok"], "time_s": [0.5], "velocity": [np.nan]})
    text = encode_table([(0, 1, plain), (1, 2, more)], COLUMNS).decode()
    assert text == "channel,roi_id,time_s,velocity,status\n0,1,0.0,1.0,\n1,2,0.5,,ok\n"


def test_whole_numbers_and_truth_values_stay_such(tmp_path: Path) -> None:
    counted = pd.DataFrame({"time_s": [0.0], "velocity": [1.0], "n": [3], "good": [True]})
    uncounted = pd.DataFrame({"time_s": [0.0], "velocity": [1.0]})
    lines = encode_table([(0, 1, counted), (0, 2, uncounted)], COLUMNS).decode().splitlines()
    assert lines[1:] == ["0,1,0.0,1.0,3,True", "0,2,0.0,1.0,,"]


def test_no_rows_is_no_block() -> None:
    frame = pd.DataFrame({"channel": [0], "roi_id": [1], "x": [2.0]})
    assert block(frame, 0, 2) is None


@pytest.mark.parametrize(
    ("content", "cause"),
    [
        (b"", "is empty"),
        (b"a,b\n1,2\n", "has no column channel and no roi_id"),
        (b"channel,roi_id\n\xff\xfe\n", "is not a table"),
        (b"channel,roi_id,x\n0,1,2\n0,1,2,3,4\n", "is not a table"),
    ],
)
def test_bad_tables_are_one_problem(tmp_path: Path, content: bytes, cause: str) -> None:
    path = tmp_path / "a.tif.x.csv"
    path.write_bytes(content)
    found = read_table(path)
    assert found.frame is None
    assert found.sha256 is not None
    (problem,) = found.problems
    assert cause in problem.what


def test_no_file_is_no_problem(tmp_path: Path) -> None:
    found = read_table(tmp_path / "a.tif.x.csv")
    assert (found.frame, found.problems, found.sha256) == (None, (), None)


@pytest.mark.parametrize("key", ["x,1", ",", "0,1.5", "0,", "nan,1"])
def test_a_row_without_a_whole_key_costs_no_other_row_and_is_kept(tmp_path: Path, key: str) -> None:
    path = tmp_path / "a.tif.x.csv"
    path.write_text(f"channel,roi_id,v\n0,1,1.5\n{key},9.75\n1.0,2,2.5\n")
    found = read_table(path)
    assert found.frame is not None
    assert found.foreign is not None
    assert "row 3" in found.problems[0].what
    blocks = [(c, r, block(found.frame, c, r)) for c, r in ((0, 1), (1, 2))]
    assert [rows["v"].tolist() for _, _, rows in blocks if rows is not None] == [[1.5], [2.5]]
    kept = [(c, r, rows) for c, r, rows in blocks if rows is not None]
    path.write_bytes(encode_table(kept, ["v"], foreign=found.foreign))
    lines = path.read_text().splitlines()
    assert lines[:3] == ["channel,roi_id,v", "0,1,1.5", "1,2,2.5"]
    assert len(lines) == 4
    assert lines[3].endswith(",9.75")


def test_rows_longer_than_the_header_are_refused(tmp_path: Path) -> None:
    path = tmp_path / "a.tif.x.csv"
    path.write_text("channel,roi_id,v\n0,1,1.5,\n0,1,2.5,\n")
    found = read_table(path)
    assert found.frame is None
    assert "more cells" in found.problems[0].what


def test_texts_that_look_like_nothing_stay_texts(tmp_path: Path) -> None:
    path = tmp_path / "a.tif.x.csv"
    path.write_text("channel,roi_id,why\n0,1,None\n0,1,NA\n0,1,\n")
    found = read_table(path)
    assert found.frame is not None
    rows = block(found.frame, 0, 1)
    assert rows is not None
    assert rows["why"].fillna("").tolist() == ["None", "NA", ""]
    assert encode_table([(0, 1, rows)], ["why"]) == path.read_bytes()


def test_truth_values_stay_such_beside_a_block_without_them(tmp_path: Path) -> None:
    path = tmp_path / "a.tif.x.csv"
    path.write_text("channel,roi_id,ok\n0,1,True\n0,2,\n")
    found = read_table(path)
    assert found.frame is not None
    rows = block(found.frame, 0, 1)
    assert rows is not None
    assert rows["ok"].dtype == bool
