"""Saving several files: all or none, at whatever call it fails, and what a load makes of it."""

from __future__ import annotations

import errno
import hashlib
import itertools
import json
import os
import stat
import sys
import threading
from collections.abc import Callable
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING, Any

import pandas as pd
import pytest

from napari_bloodflow import AcqImage
from napari_bloodflow.analysis.base import AnalysisResult
from napari_bloodflow.errors import FilesChangedError, SaveError
from napari_bloodflow.storage.journal import journal_path
from napari_bloodflow.storage.lock import image_lock, lock_path
from napari_bloodflow.storage.recovery import recover
from napari_bloodflow.storage.transaction import write_transaction

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

posix = pytest.mark.skipif(sys.platform == "win32", reason="POSIX file modes, links and names")
ENDINGS = (".radon_velocity.csv", ".diameter.csv", ".json", ".bloodflow.json")
CALLS = (
    *("chmod", "close", "fstat", "fsync", "lstat", "open"),
    *("read", "readlink", "replace", "scandir", "stat", "unlink", "write"),
)
Hook = Callable[[int, str], OSError | None]
ERRNOS = (errno.ENOSPC, errno.EIO, errno.EACCES, errno.EINTR)


class Disk:
    """The calls of the system, counted; a hook sees each before it happens and may make it fail."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.log: list[str] = []
        self.args: tuple[Any, ...] = ()
        self.hook: Hook = lambda *_: None
        self._is_on = False
        for name in CALLS:
            monkeypatch.setattr(f"os.{name}", self._wrapped(name, getattr(os, name)))
        if sys.platform != "win32":
            import fcntl

            monkeypatch.setattr("fcntl.flock", self._wrapped("flock", fcntl.flock))

    def _wrapped(self, name: str, real: Any) -> Any:
        def call(*args: Any, **kwargs: Any) -> Any:
            if not self._is_on:
                return real(*args, **kwargs)
            self.log.append(name)
            self.args = args
            self._is_on = False
            try:
                error = self.hook(len(self.log), name)
                if error is None:
                    # The real fsync would only take time.
                    return None if name == "fsync" else real(*args, **kwargs)
                if name == "close":  # the handle is gone even if the system complains
                    real(*args)
                if name == "write":
                    real(args[0], bytes(args[1])[: len(args[1]) // 2])
            finally:
                self._is_on = True
            raise error

        return call

    @contextmanager
    def watched(self, hook: Hook | None = None) -> Iterator[None]:
        """Count, and fail as the hook says."""
        self.log.clear()
        self.hook = hook or (lambda *_: None)
        self._is_on = True
        try:
            yield
        finally:
            self._is_on = False


def failure(code: int) -> OSError:
    return OSError(code, os.strerror(code))


def fail_at(number: int, code: int, *, and_after: bool = False) -> Hook:
    def hook(count: int, _: str) -> OSError | None:
        hit = count >= number if and_after else count == number
        return failure(code) if hit else None

    return hook


def fail_on(name: str, code: int, *, skip: int = 0, times: int = 1) -> Hook:
    seen = itertools.count()

    def hook(_: int, called: str) -> OSError | None:
        return failure(code) if called == name and skip <= next(seen) < skip + times else None

    return hook


@pytest.fixture
def disk(monkeypatch: pytest.MonkeyPatch) -> Disk:
    return Disk(monkeypatch)


@pytest.fixture
def image(tmp_path: Path) -> Path:
    return tmp_path / "a.tif"


def state(image: Path, text: str) -> dict[Path, bytes]:
    return {image.with_name(image.name + e): f"{text}{e}".encode() for e in ENDINGS}


def put(contents: dict[Path, bytes]) -> None:
    for path, data in contents.items():
        path.write_bytes(data)


def on_disk(folder: Path) -> dict[Path, bytes]:
    return {path: path.read_bytes() for path in folder.iterdir() if not path.is_dir()}


def sha256(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()


def hashes(contents: dict[Path, bytes]) -> dict[Path, str | None]:
    return {path: sha256(data) for path, data in contents.items()}


def die_after(replaced: int) -> Hook:
    """Fail for good once so many files are in place."""
    left = replaced + 1  # the journal is the first

    def hook(_: int, name: str) -> OSError | None:
        nonlocal left
        if left == 0:
            return failure(errno.EIO)
        left -= name == "replace"
        return None

    return hook


def die_when_writing(number: int) -> Hook:
    """Fail for good when so many files are being written."""
    left = number

    def hook(_: int, name: str) -> OSError | None:
        nonlocal left
        left -= name == "write"
        return failure(errno.EIO) if left <= 0 else None

    return hook


def interrupt(disk: Disk, image: Path, contents: dict[Path, bytes], replaced: int) -> None:
    """Leave a save as a machine does that dies: decided, with so many of its files in place."""
    with (
        disk.watched(die_after(replaced)),
        pytest.raises(SaveError, match="put right when the image is next opened"),
    ):
        write_transaction(image, contents)
    assert journal_path(image).exists()


# ---- a save that works


def test_all_files_are_written_in_order_and_nothing_is_left(image: Path, disk: Disk) -> None:
    put(state(image, "old"))
    new = state(image, "new")
    with disk.watched():
        assert write_transaction(image, new) == list(new)
    assert on_disk(image.parent) == new
    assert disk.log.count("replace") == len(new) + 1
    assert recover(image) == []


def test_only_what_changes_is_touched(image: Path, disk: Disk) -> None:
    old = state(image, "old")
    put(old)
    for path in old:
        os.utime(path, (1, 1))
    with disk.watched():
        assert write_transaction(image, old, expected=hashes(old)) == []
    assert not {"write", "replace", "unlink", "fsync"} & set(disk.log)
    changed = image.with_name("a.tif.json")
    with disk.watched():
        assert write_transaction(image, {**old, changed: b"new"}) == [changed]
    assert {path: path.stat().st_mtime == 1 for path in old} == {p: p != changed for p in old}
    assert disk.log.count("replace") == 1  # at once, so without a journal


def test_everything_is_on_the_disk_before_it_counts(image: Path, disk: Disk) -> None:
    put(state(image, "old"))
    with disk.watched():
        write_transaction(image, state(image, "new"))
    steps = [name for name in disk.log if name in ("fsync", "replace", "unlink")]
    files = ["fsync"] * len(ENDINGS)
    # files, journal, its name, files in place, their names, journal and lock gone
    replaced = ["replace"] * len(ENDINGS)
    expected = [*files, "fsync", "replace", "fsync", *replaced, "fsync", "unlink"]
    assert steps[: len(expected)] == expected
    assert set(steps[len(expected) :]) == {"unlink"}


@posix
def test_mode_and_links_are_kept_also_into_another_folder(tmp_path: Path, image: Path) -> None:
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    old, new = state(image, "old"), state(image, "new")
    link, private, *_ = old
    put(old)
    target = elsewhere / "real"
    link.rename(target)
    link.symlink_to(target)
    private.chmod(0o640)
    write_transaction(image, new)
    assert link.is_symlink()
    assert target.read_bytes() == new[link]
    assert stat.S_IMODE(private.stat().st_mode) == 0o640
    assert [path.name for path in elsewhere.iterdir()] == ["real"]
    assert on_disk(tmp_path) == new


@posix
@pytest.mark.parametrize(
    "name", ["a\nb.tif", "[x]*?.tif", "ä" * 110 + ".tif", "血流.tif", "-rf.tif", "n" * 236 + ".tif"]
)
def test_odd_names_are_names(tmp_path: Path, disk: Disk, name: str) -> None:
    image = tmp_path / name
    old, new = state(image, "old"), state(image, "new")
    for path in [path for path in old if len(os.fsencode(path.name)) > 255]:
        del old[path], new[path]
    put(old)
    assert len(new) >= 2
    write_transaction(image, new)
    assert on_disk(tmp_path) == new
    interrupt(disk, image, old, 1)
    assert len(recover(image)) == 1
    assert on_disk(tmp_path) == old


def test_a_name_of_255_bytes_is_saved(tmp_path: Path) -> None:
    image = tmp_path / ("n" * 246 + ".tif")
    path = image.with_name(image.name + ".json")
    write_transaction(image, {path: b"1"})
    assert on_disk(tmp_path) == {path: b"1"}


def test_files_of_another_image_are_refused(image: Path) -> None:
    for path in (image.with_name("b.tif.json"), image.parent / "x" / "a.tif.json"):
        with pytest.raises(ValueError, match="is not a file of"):
            write_transaction(image, {path: b""})


def test_temporary_files_never_look_like_data(image: Path, disk: Disk) -> None:
    put(state(image, "old"))
    names: set[str] = set()
    with disk.watched(lambda *_: names.update(path.name for path in image.parent.iterdir())):
        write_transaction(image, state(image, "new"))
    ours = names - {path.name for path in state(image, "")}
    assert len(ours) == len(ENDINGS) + 3  # files, journal before and after, lock
    assert all(name.startswith(".") for name in ours)
    assert not any(name.endswith((".csv", ".json", ".tif")) for name in ours)


# ---- what was expected


def test_files_that_are_not_as_expected_are_not_overwritten(image: Path) -> None:
    old, new = state(image, "old"), state(image, "new")
    put(old)
    first, second, third, _ = old
    for change in (lambda: first.write_bytes(b"theirs"), first.unlink):
        change()
        before = on_disk(image.parent)
        with pytest.raises(FilesChangedError, match=r"radon_velocity\.csv: was changed by another"):
            write_transaction(image, new, expected=hashes(old))
        assert on_disk(image.parent) == before
    put(old)
    with pytest.raises(FilesChangedError) as caught:
        write_transaction(image, new, expected={**hashes(old), second: None, third: sha256(b"x")})
    assert caught.value.paths == (str(second), str(third))
    assert isinstance(caught.value, SaveError)
    # A file that is not to be written counts as well, one that holds the new content does not.
    with pytest.raises(FilesChangedError):
        write_transaction(image, {first: b"1"}, expected={first: hashes(old)[first], second: None})
    third.write_bytes(new[third])
    write_transaction(image, new, expected=hashes(old))
    assert on_disk(image.parent) == new


def test_a_change_while_the_new_files_are_made_is_seen(image: Path, disk: Disk) -> None:
    old = state(image, "old")
    put(old)
    path = image.with_name("a.tif.json")

    def hook(_: int, name: str) -> None:
        if name == "fsync":
            path.write_bytes(b"theirs")

    with disk.watched(hook), pytest.raises(FilesChangedError):
        write_transaction(image, state(image, "new"), expected=hashes(old))
    assert on_disk(image.parent) == {**old, path: b"theirs"}


def test_writers_that_compare_lose_no_edit(image: Path) -> None:
    one, other = (image.with_name(f"a.tif{ending}") for ending in (".json", ".x.csv"))
    put({one: b"0", other: b"0"})
    mixed = []

    def work() -> None:
        done = 0
        while done < 20:
            try:
                recover(image)
                found = {path: path.read_bytes() for path in (one, other)}
                data = str(int(found[one]) + 1).encode()
                write_transaction(image, {one: data, other: data}, expected=hashes(found))
                mixed.append(found[one] != found[other])
                done += 1
            except FilesChangedError:
                pass

    threads = [threading.Thread(target=work) for _ in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert on_disk(image.parent) == {one: b"60", other: b"60"}
    assert not any(mixed)


def test_a_writer_that_does_not_finish_is_named(
    image: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    seconds = itertools.count()
    monkeypatch.setattr("time.monotonic", lambda: next(seconds))
    monkeypatch.setattr("time.sleep", lambda _: None)
    with image_lock(image):
        with pytest.raises(SaveError, match="cannot be written: another program is saving it"):
            write_transaction(image, state(image, "new"))
        (problem,) = recover(image)
    assert "another program is saving it" in problem.what
    assert next(seconds) < 20
    assert on_disk(image.parent) == {}


def test_backups_are_made_of_what_is_replaced_only(image: Path) -> None:
    old, new = state(image, "old"), state(image, "new")
    first, second, *_ = old
    put({first: b"odd", second: new[second]})
    write_transaction(image, new, backups=set(old))
    (backup,) = on_disk(image.parent).keys() - new.keys()
    assert backup.name.startswith("a.tif.radon_velocity.csv.backup-")
    assert backup.read_bytes() == b"odd"


# ---- failures


@pytest.mark.parametrize("start", [{}, {".json": b"old"}, dict.fromkeys(ENDINGS, b"old")])
@pytest.mark.parametrize("code", ERRNOS, ids=errno.errorcode.get)
def test_a_failure_at_any_call_leaves_the_old_files(
    image: Path, disk: Disk, code: int, start: dict[str, bytes]
) -> None:
    old = {image.with_name(image.name + e): data for e, data in start.items()}
    new = state(image, "new")
    refused = 0
    for number in itertools.count(1):
        for path in on_disk(image.parent):
            path.unlink()
        put(old)
        error = None
        try:
            with disk.watched(fail_at(number, code)):
                write_transaction(image, new, expected={p: hashes(old).get(p) for p in new})
        except SaveError as caught:
            error = caught
        if len(disk.log) < number:
            break
        found = on_disk(image.parent)
        visible = {path: data for path, data in found.items() if not path.name.startswith(".")}
        assert visible == (new if error is None else old), (number, disk.log[number - 1])
        if error is not None:
            refused += 1
            assert "cannot be written: " in str(error)
        # What could not be removed is no data, and the next load removes it.
        if disk.log[number - 1] != "unlink":
            assert found == visible
        problems = recover(image)
        assert on_disk(image.parent) == visible
        assert bool(problems) <= (disk.log[number - 1] == "unlink")
    assert number > 60
    assert refused > 40


@pytest.mark.parametrize("code", ERRNOS, ids=errno.errorcode.get)
def test_a_disk_that_fails_from_any_call_on_leaves_old_or_new(
    image: Path, disk: Disk, code: int
) -> None:
    old, new = state(image, "old"), state(image, "new")
    outcomes = []
    for number in itertools.count(1):
        for path in on_disk(image.parent):
            path.unlink()
        put(old)
        has_failed = False
        try:
            with disk.watched(fail_at(number, code, and_after=True)):
                write_transaction(image, new)
        except SaveError:
            has_failed = True
        if len(disk.log) < number:
            break
        recover(image)
        assert on_disk(image.parent) in ((old, new) if has_failed else (new,)), number
        outcomes.append(on_disk(image.parent) == new)
    assert set(outcomes) == {True, False}
    assert outcomes == sorted(outcomes)


def test_a_failure_while_recovering_loses_nothing(image: Path, disk: Disk) -> None:
    old, new = state(image, "old"), state(image, "new")
    for number in itertools.count(1):
        for path in on_disk(image.parent):
            path.unlink()
        put(old)
        interrupt(disk, image, new, 2)
        with disk.watched(fail_at(number, errno.EIO, and_after=True)):
            recover(image)
        if len(disk.log) < number:
            break
        recover(image)
        assert on_disk(image.parent) == new


def test_an_error_that_cannot_be_taken_back_says_so(image: Path, disk: Disk) -> None:
    put(state(image, "old"))
    interrupt(disk, image, state(image, "new"), 1)
    # The next save settles it first.
    reported: list[Any] = []
    later = {path: data + b"!" for path, data in state(image, "new").items()}
    write_transaction(image, later, expected=hashes(state(image, "new")), report=reported.append)
    assert [problem.action for problem in reported] == [
        "the save that was interrupted was completed"
    ]
    assert on_disk(image.parent) == later


def test_an_interrupted_taking_back_is_completed(image: Path, disk: Disk) -> None:
    old = state(image, "old")
    put(old)
    replaced = 0

    # The journal, two files, one that fails; the second journal; then nothing any more.
    def hook(_: int, name: str) -> OSError | None:
        nonlocal replaced
        replaced += name == "replace"
        is_failing = replaced > 5 or (name == "replace" and replaced == 4)
        return failure(errno.EIO) if is_failing else None

    with disk.watched(hook), pytest.raises(SaveError, match="put right"):
        write_transaction(image, state(image, "new"))
    assert [problem.action for problem in recover(image)] == [
        "the save that was interrupted was undone"
    ]
    assert on_disk(image.parent) == old


@pytest.mark.parametrize("code", [errno.EINVAL, errno.ENOTSUP, errno.EACCES, errno.ENOSYS])
def test_a_folder_that_cannot_be_synced_is_fine(image: Path, disk: Disk, code: int) -> None:
    put(state(image, "old"))

    def hook(_: int, name: str) -> OSError | None:
        # Files are synced right after they are written.
        return failure(code) if name == "fsync" and disk.log[-2] != "write" else None

    with disk.watched(hook):
        write_transaction(image, state(image, "new"))
    assert on_disk(image.parent) == state(image, "new")


@pytest.mark.parametrize(
    ("code", "words"), [(errno.EROFS, "the drive is read-only"), (errno.EACCES, "no permission")]
)
def test_a_folder_that_cannot_be_written_is_named_before_anything_changes(
    image: Path, disk: Disk, code: int, words: str
) -> None:
    old = state(image, "old")
    put(old)

    def hook(_: int, name: str) -> OSError | None:
        return failure(code) if name == "open" and disk.args[1] & os.O_CREAT else None

    with (
        disk.watched(hook),
        pytest.raises(SaveError, match=rf"a\.tif\.radon_velocity\.csv: cannot be written: {words}"),
    ):
        write_transaction(image, state(image, "new"))
    assert on_disk(image.parent) == old


@posix
@pytest.mark.parametrize(
    "make", [lambda path: os.mkfifo(path), os.mkdir, lambda path: path.symlink_to(path)]
)
def test_what_is_no_file_is_not_replaced(image: Path, make: Callable[[Path], None]) -> None:
    odd = image.with_name("a.tif.json")
    make(odd)
    with pytest.raises(SaveError, match=r"a\.tif\.json: cannot be written: "):
        write_transaction(image, state(image, "new"))
    assert [path.name for path in image.parent.iterdir()] == [odd.name]


def test_short_writes_are_continued(image: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write = os.write
    monkeypatch.setattr("os.write", lambda handle, data: write(handle, data[:3]))
    write_transaction(image, state(image, "new"))
    assert on_disk(image.parent) == state(image, "new")


# ---- a save that was interrupted


@pytest.mark.parametrize("replaced", range(len(ENDINGS) + 1))
def test_a_decided_save_is_completed_and_announced(image: Path, disk: Disk, replaced: int) -> None:
    put(state(image, "old"))
    interrupt(disk, image, state(image, "new"), replaced)
    (problem,) = recover(image)
    assert (problem.file, problem.what) == ("a.tif.json", "a save was interrupted")
    assert problem.action == "the save that was interrupted was completed"
    assert on_disk(image.parent) == state(image, "new")
    assert recover(image) == []


def test_an_undecided_save_is_undone_and_announced(image: Path, disk: Disk) -> None:
    old = state(image, "old")
    put(old)
    with disk.watched(die_when_writing(3)), pytest.raises(SaveError):
        write_transaction(image, state(image, "new"))
    # Files of others, among them those that an image a.tif.json.tif would be saved under.
    others = dict.fromkeys(
        (
            image.with_name(name)
            for name in (".a.tif.json.tmp", ".a.tif.json.tif.json.0123456789ab-01234567.tmp")
        ),
        b"theirs",
    )
    put(others)
    assert len(on_disk(image.parent)) > len(old) + len(others)
    (problem,) = recover(image)
    assert problem.action == "the save that was interrupted was undone"
    assert on_disk(image.parent) == {**old, **others}


def test_a_file_written_in_between_is_kept_with_what_was_to_be_saved(
    image: Path, disk: Disk
) -> None:
    new = state(image, "new")
    put(state(image, "old"))
    interrupt(disk, image, new, 1)
    theirs = image.with_name("a.tif.json")
    theirs.write_bytes(b"theirs")
    problems = recover(image)
    assert [problem.file for problem in problems] == ["a.tif.json", "a.tif.json"]
    assert "was changed by another program" in problems[1].what
    found = on_disk(image.parent)
    (aside,) = found.keys() - new.keys()
    assert aside.name.startswith("a.tif.json.recovered-")
    assert aside.name in problems[1].action
    assert found == {**new, theirs: b"theirs", aside: new[theirs]}
    assert recover(image) == []


def test_nothing_is_replaced_if_that_would_mix_what_fits_together(image: Path, disk: Disk) -> None:
    old, new = state(image, "old"), state(image, "new")
    put(old)
    interrupt(disk, image, new, 0)
    theirs = image.with_name("a.tif.json")
    theirs.write_bytes(b"theirs")
    problems = recover(image)
    assert len(problems) == len(old)
    found = on_disk(image.parent)
    assert {path: found.pop(path) for path in old} == {**old, theirs: b"theirs"}
    assert sorted(found.values()) == sorted(new.values())
    assert all(".recovered-" in path.name for path in found)


@pytest.mark.parametrize("damage", [None, b"half"])
def test_new_content_that_is_lost_or_damaged_is_not_used(
    image: Path, disk: Disk, damage: bytes | None
) -> None:
    old, new = state(image, "old"), state(image, "new")
    put(old)
    interrupt(disk, image, new, 1)
    (staged,) = (p for p in on_disk(image.parent) if p.name.startswith(".a.tif.diameter"))
    if damage is None:
        staged.unlink()
    else:
        staged.write_bytes(damage)
    problems = recover(image)
    table = image.with_name("a.tif.diameter.csv")
    assert [problem.file for problem in problems] == ["a.tif.json", table.name]
    found = on_disk(image.parent)
    assert {path: found.pop(path) for path in new} == {**new, table: old[table]}
    assert list(found.values()) == ([] if damage is None else [damage])


def test_what_is_in_place_already_is_not_replaced_again(image: Path, disk: Disk) -> None:
    new = state(image, "new")
    put(state(image, "old"))
    interrupt(disk, image, new, 2)
    put(new)
    with disk.watched():
        (problem,) = recover(image)
    assert "replace" not in disk.log
    assert "completed" in problem.action
    assert on_disk(image.parent) == new


def _entry(**changes: Any) -> str:
    entry = {"name": "a.tif.json", "staged": None, "old": sha256(b"{}"), "new": None, **changes}
    document = {"format": "napari-bloodflow save journal", "version": 1, "outcome": "undone"}
    return json.dumps({**document, "files": [entry]})


@pytest.mark.parametrize(
    "text",
    [
        "",
        "{",
        "[" * 100_000,
        "7",
        "[]",
        "{}",
        "\x00\xff",
        _entry().replace('"version": 1', '"version": 2'),
        _entry().replace('"undone"', '"other"'),
        _entry().replace("files", "names"),
        _entry(name="../a.tif.json"),
        _entry(name="a.tif.json/../../x"),
        _entry(name="b.tif.json"),
        _entry(name="a.tif"),
        _entry(name=7),
        _entry(staged="../../.x.0123456789ab-01234567.tmp"),
        _entry(staged="a.tif.json"),
        _entry(old="x"),
        _entry(old=1),
        _entry(new=sha256(b"")),
        _entry(more=1),
        json.dumps({"format": "napari-bloodflow save journal", "pad": "x" * 2**20}),
    ],
)
def test_an_odd_journal_is_set_aside_and_reported(image: Path, disk: Disk, text: str) -> None:
    old, new = state(image, "old"), state(image, "new")
    put(old)
    interrupt(disk, image, new, 0)
    journal_path(image).write_text(text, encoding="latin-1")
    (problem,) = recover(image)
    assert "may not fit together" in problem.action
    found = on_disk(image.parent)
    assert {path: found.pop(path) for path in old} == old
    assert set(new.values()) <= set(found.values())
    assert all(".recovered-" in path.name for path in found)
    assert all(path.name in problem.action for path in found)
    assert recover(image) == []


@pytest.mark.parametrize("replaced", [0, 2, len(ENDINGS)])
def test_a_save_that_cannot_be_completed_is_reported(
    image: Path, disk: Disk, replaced: int
) -> None:
    put(state(image, "old"))
    interrupt(disk, image, state(image, "new"), replaced)
    before = on_disk(image.parent)

    def hook(_: int, name: str) -> OSError | None:
        return failure(errno.EROFS) if name in ("replace", "unlink", "flock") else None

    with disk.watched(hook):
        problems = recover(image)
    assert on_disk(image.parent) == before
    if replaced == len(ENDINGS):
        return
    (problem,) = problems
    assert "the drive is read-only" in problem.what
    words = "are read as they were before" if replaced == 0 else "some files may be of before"
    assert words in problem.action


def test_a_folder_that_is_no_folder_is_no_error(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    assert recover(tmp_path / "gone" / "a.tif") == []
    journal_path(tmp_path / "a.tif").mkdir()
    (problem,) = recover(tmp_path / "a.tif")
    assert "cannot be completed" in problem.what
    recover(tmp_path / "file" / "a.tif")


def test_where_a_drive_cannot_lock_saves_work_and_recent_files_are_left(
    image: Path, disk: Disk
) -> None:
    old = state(image, "old")
    put(old)

    def hook(_: int, name: str) -> OSError | None:
        return failure(errno.ENOTSUP) if name == "flock" else None

    with disk.watched(hook):
        write_transaction(image, state(image, "new"))
    assert on_disk(image.parent) == state(image, "new")
    with disk.watched(die_when_writing(3)), pytest.raises(SaveError):
        write_transaction(image, old)
    left = {path for path in on_disk(image.parent) if path.suffix == ".tmp"}
    assert left
    with disk.watched(hook):
        recover(image)
    assert left <= on_disk(image.parent).keys()
    for path in left:
        os.utime(path, (1, 1))
    lock_path(image).touch()
    with disk.watched(hook):
        assert recover(image)
    assert on_disk(image.parent) == state(image, "new")


@posix
def test_leftovers_behind_a_link_are_removed(tmp_path: Path, image: Path, disk: Disk) -> None:
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    old = state(image, "old")
    put(old)
    link = next(iter(old))
    link.rename(elsewhere / "real")
    link.symlink_to(elsewhere / "real")
    for number in itertools.count(1):
        with disk.watched(fail_at(number, errno.EIO, and_after=True)), suppress(SaveError):
            write_transaction(image, state(image, "new"))
        is_over = len(disk.log) < number
        recover(image)
        assert [path.name for path in elsewhere.iterdir()] == ["real"]
        assert on_disk(tmp_path) in (old, state(image, "new"))
        write_transaction(image, old)
        if is_over:
            break


# ---- through AcqImage


@pytest.fixture
def three_tables(copy_fixture: Callable[[str], Path]) -> Path:
    """An image with three tables."""
    path = copy_fixture("cloudscope/aug2026") / "k01_velocity.tif"
    sidecar = path.with_name(path.name + ".json")
    document = json.loads(sidecar.read_text())
    record = {"analysis_name": "diameter", "channel": 0, "roi_id": 2, "summary": {"a": 1}}
    document["analysis"].append({**record, "detection_params": {}})
    sidecar.write_text(json.dumps(document))
    table = pd.DataFrame({"channel": 0, "roi_id": 2, "time_s": [0.0, 1.0], "diameter_um": 1.0})
    table.to_csv(path.with_name(path.name + ".diameter.csv"), index=False)
    for other in path.parent.glob("k0[2-9]*"):
        other.unlink()
    (path.parent / "TRUTH.json").unlink()
    return path


def edit_all(acq: AcqImage, number: int) -> None:
    """Change the JSON and every table."""
    acq.experiment_metadata.species = f"mouse {number}"
    for analysis in acq.analysis_set:
        table = analysis.result.table
        if table is not None:
            analysis.set_result(
                AnalysisResult(analysis.result.summary, table.assign(extra=float(number)))
            )


def numbers(acq: AcqImage) -> set[float]:
    tables = [a.result.table for a in acq.analysis_set if a.result.table is not None]
    found = {float(acq.experiment_metadata.species.removeprefix("mouse "))}
    return found.union(*(table["extra"].unique() for table in tables))


def test_a_save_that_fails_at_any_call_stays_to_be_saved(three_tables: Path, disk: Disk) -> None:
    acq = AcqImage(three_tables)
    edit_all(acq, 0)
    acq.save()
    old = on_disk(three_tables.parent)
    assert sum(path.suffix == ".csv" for path in old) == 3
    edit_all(acq, 1)
    for number, code in zip(itertools.count(1), itertools.cycle(ERRNOS), strict=False):
        try:
            with disk.watched(fail_at(number, code)):
                acq.save()
        except SaveError as error:
            assert three_tables.name in str(error)
            assert acq.is_dirty
            assert on_disk(three_tables.parent) == old
            continue
        assert not acq.is_dirty
        if len(disk.log) < number:
            break
        again = AcqImage(three_tables)
        assert numbers(again) == {1.0}
        for path in on_disk(three_tables.parent).keys() - old.keys():
            raise AssertionError(path)
        put(old)
        acq = AcqImage(three_tables)
        edit_all(acq, 1)
    assert number > 60
    assert numbers(AcqImage(three_tables)) == {1.0}


def test_a_load_completes_an_interrupted_save_and_lists_it(three_tables: Path, disk: Disk) -> None:
    acq = AcqImage(three_tables)
    edit_all(acq, 1)
    with disk.watched(die_after(1)), pytest.raises(SaveError):
        acq.save()
    assert acq.is_dirty
    again = AcqImage(three_tables)
    assert again.problems[0].action == "the save that was interrupted was completed"
    assert numbers(again) == {1.0}
    assert not again.is_dirty
    again.load_sidecar_json()
    assert all("interrupted" not in problem.what for problem in again.problems)
    # The one that failed has nothing to add.
    acq.save()
    assert not acq.is_dirty


def test_a_sidecar_that_changed_since_it_was_read_is_not_overwritten(three_tables: Path) -> None:
    acq, other = AcqImage(three_tables), AcqImage(three_tables)
    edit_all(acq, 1)
    acq.save()
    edit_all(other, 2)
    with pytest.raises(FilesChangedError):
        other.save()
    assert other.is_dirty
    assert numbers(AcqImage(three_tables)) == {1.0}
    edit_all(acq, 3)
    acq.save()
    assert numbers(AcqImage(three_tables)) == {3.0}


def test_a_save_with_nothing_changed_touches_no_file(three_tables: Path, disk: Disk) -> None:
    acq = AcqImage(three_tables)
    edit_all(acq, 1)
    acq.save()
    with disk.watched():
        acq.save()
        AcqImage(three_tables).save()
    assert not {"write", "replace", "unlink", "fsync"} & set(disk.log)


def test_a_table_of_unknown_origin_is_copied_before_it_is_replaced(three_tables: Path) -> None:
    three_tables.with_name(three_tables.name + ".json").unlink()
    foreign = three_tables.with_name(three_tables.name + ".radon_velocity.csv")
    theirs = foreign.read_bytes()
    acq = AcqImage(three_tables)
    acq.rois.create()
    acq.analysis_set.run_analysis(("radon_velocity", 0, 1), {"window_width": 64})
    acq.save()
    (copy,) = three_tables.parent.glob(f"{foreign.name}.backup-*")
    assert copy.read_bytes() == theirs
    assert foreign.read_bytes() != theirs
