"""Saving when another program changed the sidecar files since they were read."""

from __future__ import annotations

import math
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from napari_bloodflow.acquisition.analysis_records import record_key, record_rank
from napari_bloodflow.acquisition.sidecar_merge import Keep, Merged, SidecarContent, merge_sidecars
from napari_bloodflow.acquisition.sidecar_state import SidecarState
from napari_bloodflow.acquisition.sidecar_values import table_columns
from napari_bloodflow.acquisition.table_columns import strict_rows
from napari_bloodflow.errors import FilesChangedError, SaveError, SidecarConflict
from napari_bloodflow.problems import Problem
from napari_bloodflow.storage.sidecar import encode_sidecar
from napari_bloodflow.storage.tables import encode_table, table_path
from napari_bloodflow.storage.transaction import write_transaction

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path
    from typing import Any

    import pandas as pd

    from napari_bloodflow.analysis.base import AnalysisKey, AnalysisSource

__all__ = ["save_merged"]

_ATTEMPTS = 5


def save_merged(
    state: SidecarState,
    mine: SidecarContent | None,
    rendered: dict[str, Any],
    whole: dict[Path, bytes],
    source: AnalysisSource,
    keep: Keep | None,
    past: Sequence[SidecarContent],
) -> list[Problem]:
    """Write what was changed here into the files as they are now.

    Parameters
    ----------
    state : SidecarState
        The files as they were read.
    mine : SidecarContent or None
        The same with the changes made here, and nothing else. None if there are none: nothing is
        written then, unless a file was spoilt.
    rendered : dict
        The whole document as it would be written had nobody else changed it.
    whole : dict of pathlib.Path to bytes
        All files, likewise.
    source : AnalysisSource
        The acquisition.
    keep : {"mine", "both"} or None
        What to do with conflicts; None raises.
    past : sequence of SidecarContent
        What was read or saved before the files were read last.

    Returns
    -------
    list of Problem
        What was taken over and what was decided, to be shown.

    Raises
    ------
    SidecarConflict
        If both sides changed the same thing and `keep` is None, or the files on disk cannot be
        compared. Nothing is written.
    SaveError
        If a file cannot be written.
    """
    base, is_edited = state.content(), mine is not None
    mine = mine or base
    for _ in range(_ATTEMPTS):
        theirs = _read_again(state, mine, source)
        if theirs.read_only_reason:
            raise SaveError(state.path, theirs.read_only_reason)
        spoilt = _spoilt_files(base, mine, state, theirs)
        if spoilt and keep is None:
            raise SidecarConflict(list(spoilt), (), next(iter(spoilt.values())))
        merged = merge_sidecars(base, mine, theirs.content(), keep, past)
        if merged.conflicts and keep is None:
            raise SidecarConflict([state.path], merged.conflicts)
        if not (is_edited or spoilt or merged.conflicts):
            return _report(state.path, merged, keep, spoilt, None, "its changes were loaded")
        contents = whole if spoilt else _encode(merged, theirs, rendered)
        backups = set(contents) if keep == "mine" or spoilt else theirs.needs_backup
        kept_apart = [c for c in merged.conflicts if c.is_value] if keep == "both" else []
        if kept_apart:
            contents = {_mine_path(state.path): whole[state.path], **contents}
        try:
            write_transaction(state.image_path, contents, expected=theirs.on_disk, backups=backups)
        except FilesChangedError:
            continue
        return _report(
            state.path, merged, keep, spoilt, next(iter(contents)) if kept_apart else None
        )
    raise SaveError(state.path, "is being changed by another program all the time; try again")


def _read_again(state: SidecarState, mine: SidecarContent, source: AnalysisSource) -> SidecarState:
    theirs = SidecarState(state.image_path)
    theirs.read()
    theirs.load_analyses(source)
    theirs.load_other_tables({key.analysis_name for key in mine.blocks})
    return theirs


def _spoilt_files(
    base: SidecarContent, mine: SidecarContent, state: SidecarState, theirs: SidecarState
) -> dict[Path, str]:
    """Return the files that are gone, or can no longer be read, with the reason."""
    spoilt = {}
    exists = theirs.on_disk.get(theirs.path, "") is not None
    if not theirs.document and (base.document or exists):
        what = "can no longer be read" if exists else "is gone"
        spoilt[theirs.path] = f"{what} since it was read"
    for name in {key.analysis_name for key in (*base.blocks, *mine.blocks)}:
        path = table_path(state.image_path, name)
        was_there = state.on_disk.get(path) is not None
        sha256 = theirs.on_disk.get(path, "")
        if sha256 is None and was_there:
            spoilt[path] = "is gone since it was read"
        elif sha256 is not None and path in theirs.needs_backup:
            spoilt[path] = "can no longer be read"
    return spoilt


def _encode(merged: Merged, theirs: SidecarState, rendered: dict[str, Any]) -> dict[Path, bytes]:
    """Return the files of a merged content, tables first; tables without a change are left out."""
    content, before = merged.content, theirs.content().blocks
    is_strict = content.private.get("strict_tables") is True
    records = {key: r for r in content.document["analysis"] if (key := _key(r)) is not None}

    def written(key: AnalysisKey, rows: pd.DataFrame) -> pd.DataFrame:
        summary = records.get(key, {}).get("summary")
        known = summary if isinstance(summary, dict) else None
        return strict_rows(key.analysis_name, known, rows) if is_strict else rows

    contents: dict[Path, bytes] = {}
    for name in {key.analysis_name: None for key in (*content.blocks, *before)}:
        blocks = {k: written(k, b) for k, b in content.blocks.items() if k.analysis_name == name}
        present = {k: block for k, block in before.items() if k.analysis_name == name}
        if list(blocks) == list(present) and all(blocks[k] is present[k] for k in blocks):
            continue
        contents[table_path(theirs.image_path, name)] = encode_table(
            [(*key[1:], block) for key, block in blocks.items()],
            table_columns(name, blocks.values()),
            foreign=content.loose_rows.get(name),
        )
    document = {**rendered, **content.document}
    document["analysis"] = sorted(
        document["analysis"],
        key=lambda r: (True, math.inf) if (key := _key(r)) is None else record_rank(key, records),
    )
    contents[theirs.path] = encode_sidecar(document)
    return contents | theirs.render_private(content.private)


def _key(record: Any) -> AnalysisKey | None:
    try:
        return record_key(record)
    except ValueError:
        return None


def _mine_path(sidecar: Path) -> Path:
    stamp = datetime.now(UTC).strftime("%Y%m%dT%H%M%S.%fZ")
    return sidecar.with_name(f"{sidecar.name}.mine-{stamp}")


def _report(
    path: Path,
    merged: Merged,
    keep: Keep | None,
    spoilt: dict[Path, str],
    mine: Path | None,
    taken_how: str = "its changes and yours are saved together",
) -> list[Problem]:
    report = [
        Problem(file.name, "", reason, "it was written again, a copy of what was there is kept")
        for file, reason in spoilt.items()
    ]
    if merged.taken and not spoilt:
        report.append(
            Problem(
                path.name,
                "",
                f"another program changed it meanwhile: {'; '.join(merged.taken)}",
                taken_how,
            )
        )
    for conflict in merged.conflicts if not spoilt else ():
        if keep == "mine":
            action = "yours was saved, the file of the other program is kept as a backup"
        elif conflict.is_value:
            assert mine is not None
            action = f"that of the disk was kept, yours is in {mine.name}"
        else:
            action = "both were kept"
        report.append(
            Problem(path.name, conflict.where, _both(conflict.mine, conflict.theirs), action)
        )
    for old, new in merged.renumbered.items():
        report.append(
            Problem(
                path.name,
                f"ROI {old}",
                "another program has a ROI of this number",
                f"yours is now ROI {new}",
            )
        )
    return report


def _both(mine: str, theirs: str) -> str:
    return f"was changed here ({mine}) and by another program ({theirs})"
