"""The single steps of a save: backups, names, patience."""

from __future__ import annotations

import itertools
import os
import stat
import sys
from typing import TYPE_CHECKING, Any

import pytest

from napari_bloodflow.errors import SaveError
from napari_bloodflow.storage.atomic import Patience, back_up, fitted, write_new

if TYPE_CHECKING:
    from pathlib import Path

posix = pytest.mark.skipif(sys.platform == "win32", reason="POSIX file modes")


class SharingViolation(PermissionError):
    """As Windows raises it; elsewhere OSError has no winerror."""

    def __init__(self, winerror: int = 32) -> None:
        super().__init__(13, "The process cannot access the file")
        self.winerror = winerror


def test_a_backup_is_made_once_for_the_same_content(tmp_path: Path) -> None:
    image = tmp_path / "a[1].tif"
    path = tmp_path / "a[1].tif.json"
    path.write_bytes(b"odd")
    first = back_up(image, path)
    assert first.read_bytes() == b"odd"
    assert first.name.startswith("a[1].tif.json.backup-")
    assert back_up(image, path) == first
    path.write_bytes(b"other")
    assert back_up(image, path) != first
    assert len(list(tmp_path.iterdir())) == 3


def test_a_backup_that_fails_leaves_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "a.tif.json"
    path.write_bytes(b"odd")

    def refuse(*_: Any) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("os.replace", refuse)
    with pytest.raises(SaveError, match=r"a\.tif\.json: cannot be copied .*: No space left"):
        back_up(tmp_path / "a.tif", path)
    assert [p.name for p in tmp_path.iterdir()] == ["a.tif.json"]
    with pytest.raises(SaveError, match="it does not exist"):
        back_up(tmp_path / "a.tif", tmp_path / "a.tif.x.csv")


@posix
def test_a_private_file_is_private_from_the_start(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    like, path = tmp_path / "like", tmp_path / "new"
    like.touch()
    like.chmod(0o600)
    modes: list[int] = []
    write = os.write

    def watch(handle: int, data: Any) -> int:
        modes.append(stat.S_IMODE(path.stat().st_mode))
        return write(handle, data)

    monkeypatch.setattr("os.write", watch)
    write_new(path, b"secret", like=like)
    assert modes == [0o600]


def test_names_fit_a_file_system_and_stay_apart() -> None:
    assert fitted("a.tif", ".tmp") == "a.tif.tmp"
    one, other = (fitted("ä" * 126 + end, ".tmp") for end in ("x", "y"))
    assert one != other
    for name in (one, other):
        assert name.startswith("ää")
        assert name.endswith(".tmp")
        assert len(name.encode()) <= 255


@pytest.mark.parametrize("winerror", [5, 32, 33])
def test_a_sharing_violation_is_waited_for(monkeypatch: pytest.MonkeyPatch, winerror: int) -> None:
    waits: list[float] = []
    monkeypatch.setattr("time.sleep", waits.append)
    answers = iter([SharingViolation(winerror)] * 5)

    def action(value: str) -> str:
        for error in answers:
            raise error
        return value

    assert Patience()(action, "done") == "done"
    assert len(waits) == 5
    assert all(later > earlier for earlier, later in itertools.pairwise(waits))


@pytest.mark.parametrize(
    ("error", "most"), [(SharingViolation(), 3.0), (PermissionError(13, "denied"), 0.0)]
)
def test_a_real_denial_is_raised_in_the_end(
    monkeypatch: pytest.MonkeyPatch, error: PermissionError, most: float
) -> None:
    waits: list[float] = []
    monkeypatch.setattr("time.sleep", waits.append)

    def action() -> None:
        raise error

    patience = Patience()
    for _ in range(3):
        with pytest.raises(PermissionError):
            patience(action)
    assert sum(waits) <= most
