"""Replacing files: old or new, nothing in between, no litter."""

from __future__ import annotations

import os
import stat
import sys
from typing import TYPE_CHECKING, Any

import pytest

from napari_bloodflow.errors import SaveError
from napari_bloodflow.storage.atomic import back_up, replace_files

if TYPE_CHECKING:
    from pathlib import Path

posix = pytest.mark.skipif(sys.platform == "win32", reason="POSIX file modes and links")


def contents(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in folder.iterdir()}


def test_files_are_written_in_order(tmp_path: Path) -> None:
    first, second = tmp_path / "b", tmp_path / "a"
    assert replace_files({first: b"1", second: b"2"}) == [first, second]
    assert contents(tmp_path) == {"a": b"2", "b": b"1"}


def test_equal_content_is_not_touched(tmp_path: Path) -> None:
    path = tmp_path / "a"
    path.write_bytes(b"same")
    os.utime(path, (1, 1))
    assert replace_files({path: b"same"}) == []
    assert path.stat().st_mtime == 1


@posix
def test_mode_and_links_are_kept(tmp_path: Path) -> None:
    target, link = tmp_path / "target", tmp_path / "link"
    target.write_bytes(b"old")
    target.chmod(0o640)
    link.symlink_to(target)
    replace_files({link: b"new"})
    assert link.is_symlink()
    assert target.read_bytes() == b"new"
    assert stat.S_IMODE(target.stat().st_mode) == 0o640


@pytest.mark.parametrize("call", ["os.replace", "os.fsync", "tempfile.mkstemp"])
def test_a_failure_keeps_the_old_files_and_leaves_no_litter(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, call: str
) -> None:
    first, second = tmp_path / "a.json", tmp_path / "b.csv"
    first.write_bytes(b"old a")
    second.write_bytes(b"old b")

    def full(*_: Any, **__: Any) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(call, full)
    with pytest.raises(SaveError, match=r"a\.json: cannot be written: No space left"):
        replace_files({first: b"new a", second: b"new b"})
    assert contents(tmp_path) == {"a.json": b"old a", "b.csv": b"old b"}


def test_all_contents_are_on_disk_before_the_first_file_changes(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    first, second = tmp_path / "a", tmp_path / "gone" / "b"
    first.write_bytes(b"old")
    with pytest.raises(SaveError, match="b: cannot be written: No such file"):
        replace_files({first: b"new", second: b"new"})
    assert contents(tmp_path) == {"a": b"old"}


def test_temporary_files_never_look_like_data(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    seen: list[str] = []
    replace = os.replace

    def watch(source: Any, target: Any) -> None:
        seen.extend(path.name for path in tmp_path.iterdir())
        replace(source, target)

    monkeypatch.setattr("os.replace", watch)
    replace_files({tmp_path / "a.tif.x.csv": b"1", tmp_path / "a.tif.json": b"2"})
    assert seen
    temporary = [name for name in seen if name not in ("a.tif.x.csv", "a.tif.json")]
    assert all(name.startswith(".") and name.endswith(".tmp") for name in temporary)


def test_a_backup_is_made_once_for_the_same_content(tmp_path: Path) -> None:
    path = tmp_path / "a[1].tif.json"
    path.write_bytes(b"odd")
    first = back_up(path)
    assert first.read_bytes() == b"odd"
    assert first.name.startswith("a[1].tif.json.backup-")
    assert back_up(path) == first
    path.write_bytes(b"other")
    assert back_up(path) != first
    assert len(list(tmp_path.iterdir())) == 3


def test_a_name_as_long_as_the_system_allows_is_written(tmp_path: Path) -> None:
    path = tmp_path / ("n" * 250 + ".json")
    replace_files({path: b"1"})
    assert path.read_bytes() == b"1"


@posix
def test_a_loop_of_links_is_a_save_error(tmp_path: Path) -> None:
    one, two = tmp_path / "one", tmp_path / "two"
    one.symlink_to(two)
    two.symlink_to(one)
    with pytest.raises(SaveError):
        replace_files({one: b"1"})


@posix
def test_a_new_file_has_the_usual_mode(tmp_path: Path) -> None:
    usual, path = tmp_path / "usual", tmp_path / "a.json"
    usual.touch()
    replace_files({path: b"1"})
    assert stat.S_IMODE(path.stat().st_mode) == stat.S_IMODE(usual.stat().st_mode)
