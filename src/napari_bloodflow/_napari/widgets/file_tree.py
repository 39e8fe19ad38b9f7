"""The Qt model of the files of a list, with their ROIs and analyses below them."""

from __future__ import annotations

from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING, Any, NamedTuple

from qtpy.QtCore import QAbstractItemModel, QModelIndex, QObject, Qt, Signal

from napari_bloodflow._napari.widgets.file_rows import COLUMNS, FileRow, file_row, sort_key
from napari_bloodflow._napari.widgets.result_summary import color_icon

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping, Sequence

    from napari_bloodflow._napari.blinding import Blinding
    from napari_bloodflow._napari.widgets.file_rows import Branch
    from napari_bloodflow.acquisition.listed_file import ListedFile

__all__ = ["ALERT_ROLE", "SORT_ROLE", "FileTreeModel"]

_NAMES = [column.name for column in COLUMNS]
_ACCEPT = _NAMES.index("accept")
_GLYPHS = {"unread": "…", "bad": "✕", "unsaved": "●", "stale": "◐", "problem": "⚠", "fine": ""}
_BRANCH_GLYPHS = {"current": "✓", "stale": "◐", "problem": "⚠", "none": ""}
_STATES = list(_GLYPHS)
_NUMBERS = frozenset({"order", "num_rois", "num_stale", "num_problems", "num_channels"})
_SHIFT = 32
_Role = Qt.ItemDataRole
_ROOT = QModelIndex()

SORT_ROLE = int(_Role.UserRole) + 1
ALERT_ROLE = int(_Role.UserRole) + 2


class _Place(NamedTuple):
    """Where an index is: numbers of file, ROI and analysis, each among those beside it."""

    file: int
    roi: int | None = None
    result: int | None = None


def _place(index: QModelIndex) -> _Place:
    # The id of an index names what it is below: 0 for files, else 1 + file, and 1 + ROI above that.
    above = int(index.internalId())
    if not above:
        return _Place(index.row())
    file, roi = (above & ((1 << _SHIFT) - 1)) - 1, (above >> _SHIFT) - 1
    return _Place(file, index.row()) if roi < 0 else _Place(file, roi, index.row())


class FileTreeModel(QAbstractItemModel):
    """Files in the order of their list, below each its ROIs, below these their analyses.

    Parameters
    ----------
    blinding : Blinding
        What files are called.
    parent : QObject, optional
        Its parent.

    Attributes
    ----------
    accept_asked : Signal
        Emitted with a file and the mark that the user gave it.
    """

    accept_asked = Signal(object, bool)

    def __init__(self, blinding: Blinding, parent: QObject | None = None) -> None:
        super().__init__(parent)
        self._blinding = blinding
        self._files: tuple[ListedFile, ...] = ()
        self._rows: list[FileRow] = []
        self._order: Mapping[str, int] = {}
        self.is_descending = False

    @property
    def files(self) -> tuple[ListedFile, ...]:
        """The files, row by row."""
        return self._files

    @property
    def rows(self) -> Sequence[FileRow]:
        """What is shown of them."""
        return self._rows

    @property
    def is_blinded(self) -> bool:
        """Whether names are hidden."""
        return self._blinding.is_on

    # ---- what is shown

    def set_files(self, files: Sequence[ListedFile]) -> None:
        """Show another list."""
        self.beginResetModel()
        self._files = tuple(files)
        self._rows = [self._row(file) for file in self._files]
        self.endResetModel()

    def set_order(self, files: Sequence[ListedFile]) -> None:
        """Set the places of the files in another order; without files they have none."""
        self._order = {file.file_id: number for number, file in enumerate(files, start=1)}
        self.refresh_rows(range(len(self._files)))

    def _row(self, file: ListedFile) -> FileRow:
        return file_row(file, self._blinding, self._order.get(file.file_id))

    def refresh_rows(self, numbers: Iterable[int]) -> None:
        """Show the present state of some files; only what differs is announced."""
        for number in numbers:
            row, old = self._row(self._files[number]), self._rows[number]
            if row == old:
                continue
            self._grow(number, row.branches)
            self._rows[number] = row
            file = self.index(number, 0)
            self._announce(file, 1)
            if row.branches != old.branches:
                self._announce(self.index(0, 0, file), len(row.branches))
                for roi, branch in enumerate(row.branches):
                    self._announce(self.index(0, 0, self.index(roi, 0, file)), len(branch.leaves))

    def _announce(self, first: QModelIndex, count: int) -> None:
        if first.isValid() and count:
            last = first.sibling(first.row() + count - 1, len(COLUMNS) - 1)
            self.dataChanged.emit(first, last)

    def _grow(self, number: int, new: tuple[Branch, ...]) -> None:
        """Take away and add what is below a file; what stays keeps its place in the view."""
        file, old = self.index(number, 0), self._rows[number].branches
        if [branch.roi_id for branch in old] != [branch.roi_id for branch in new]:
            self._exchange(file, old, new, partial(self._put, number))
            return
        for roi, (before, after) in enumerate(zip(old, new, strict=True)):
            if [leaf.key for leaf in before.leaves] != [leaf.key for leaf in after.leaves]:
                put = partial(self._put_leaves, number, roi)
                self._exchange(self.index(roi, 0, file), before.leaves, after.leaves, put)

    def _put(self, number: int, branches: tuple[Branch, ...]) -> None:
        self._rows[number] = replace(self._rows[number], branches=branches)

    def _put_leaves(self, number: int, roi: int, leaves: tuple[Branch, ...]) -> None:
        branches = list(self._rows[number].branches)
        branches[roi] = replace(branches[roi], leaves=leaves)
        self._put(number, tuple(branches))

    def _exchange(
        self,
        parent: QModelIndex,
        old: tuple[Branch, ...],
        new: tuple[Branch, ...],
        put: Callable[[tuple[Branch, ...]], None],
    ) -> None:
        if old:
            self.beginRemoveRows(parent, 0, len(old) - 1)
            put(())
            self.endRemoveRows()
        if new:
            self.beginInsertRows(parent, 0, len(new) - 1)
            put(new)
            self.endInsertRows()

    def refresh_loaded(self) -> None:
        """Show which files were opened or let go of."""
        self.refresh_rows(
            number
            for number, (file, row) in enumerate(zip(self._files, self._rows, strict=True))
            if (file.acq is not None) != bool(row.values["loaded"])
        )

    # ---- structure

    def _branches(self, index: QModelIndex) -> tuple[Branch, ...]:
        """Return what is below an index."""
        place = _place(index)
        if index.column() or place.result is not None:
            return ()
        branches = self._rows[place.file].branches
        return branches if place.roi is None else branches[place.roi].leaves

    def branch_at(self, index: QModelIndex) -> Branch | None:
        """Return the ROI or the analysis of an index, None if it is one of a file."""
        place = _place(index)
        if place.roi is None:
            return None
        branch = self._rows[place.file].branches[place.roi]
        return branch if place.result is None else branch.leaves[place.result]

    def file_at(self, index: QModelIndex) -> ListedFile:
        """Return the file that an index is of, or is below."""
        return self._files[_place(index).file]

    def rowCount(self, parent: QModelIndex = _ROOT) -> int:
        """Return the number of files, of ROIs of a file, or of analyses of a ROI."""
        return len(self._branches(parent)) if parent.isValid() else len(self._rows)

    def columnCount(self, _parent: QModelIndex = _ROOT) -> int:
        """Return the number of columns."""
        return len(COLUMNS)

    def index(self, row: int, column: int, parent: QModelIndex = _ROOT) -> QModelIndex:
        """Return the index of a cell."""
        if not (0 <= column < len(COLUMNS) and 0 <= row < self.rowCount(parent)):
            return QModelIndex()
        if not parent.isValid():
            return self.createIndex(row, column, 0)
        place = _place(parent)
        above = place.file + 1 if place.roi is None else (place.roi + 1) << _SHIFT | place.file + 1
        return self.createIndex(row, column, above)

    def parent(self, index: QModelIndex | None = None) -> Any:
        """Return what an index is below; without one, the parent of the model."""
        if index is None:
            return super().parent()
        place = _place(index)
        if not index.isValid() or place.roi is None:
            return QModelIndex()
        if place.result is None:
            return self.createIndex(place.file, 0, 0)
        return self.createIndex(place.roi, 0, place.file + 1)

    # ---- cells

    def data(self, index: QModelIndex, role: int = _Role.DisplayRole) -> Any:
        """Return what a cell shows."""
        if not index.isValid():
            return None
        place, name = _place(index), _NAMES[index.column()]
        if place.roi is not None:
            branch = self.branch_at(index)
            assert branch is not None
            if role == SORT_ROLE:
                # Branches keep their order, whatever files are sorted by.
                return -index.row() if self.is_descending else index.row()
            return _of_branch(branch, name, role)
        row = self._rows[place.file]
        if role == _Role.ToolTipRole:
            return row.tip
        if name == "state":
            if role == SORT_ROLE:
                return _STATES.index(row.state)
            if role == ALERT_ROLE:
                return row.state not in ("fine", "unread")
            if role == _Role.AccessibleTextRole:
                return row.state
            return _GLYPHS[row.state] if role == _Role.DisplayRole else None
        value = row.values[name]
        if role == SORT_ROLE:
            return sort_key(value)
        if name == "accept":
            if role == _Role.CheckStateRole and value is not None:
                return Qt.CheckState.Checked if value else Qt.CheckState.Unchecked
            return None
        if role == ALERT_ROLE:
            return row.state == "bad" or (name in ("num_stale", "num_problems") and bool(value))
        if role == _Role.TextAlignmentRole and name in _NUMBERS:
            return Qt.AlignmentFlag.AlignRight | Qt.AlignmentFlag.AlignVCenter
        if role == _Role.DisplayRole:
            return _shown(value)
        return None

    def headerData(
        self, section: int, orientation: Qt.Orientation, role: int = _Role.DisplayRole
    ) -> Any:
        """Return a heading."""
        if orientation != Qt.Orientation.Horizontal:
            return None
        if role == _Role.DisplayRole:
            return COLUMNS[section].title
        if role == _Role.TextAlignmentRole and _NAMES[section] in _NUMBERS:
            return Qt.AlignmentFlag.AlignRight | Qt.AlignmentFlag.AlignVCenter
        return COLUMNS[section].tip or None if role == _Role.ToolTipRole else None

    def flags(self, index: QModelIndex) -> Qt.ItemFlag:
        """Let the mark be changed."""
        flags = super().flags(index)
        is_mark = index.isValid() and index.column() == _ACCEPT and _place(index).roi is None
        if is_mark and self._rows[index.row()].values["accept"] is not None:
            return flags | Qt.ItemFlag.ItemIsUserCheckable
        return flags

    def setData(self, index: QModelIndex, value: Any, role: int = _Role.EditRole) -> bool:
        """Ask for another mark; the cell shows it once the file has it."""
        is_mark = index.column() == _ACCEPT and _place(index).roi is None
        if role != _Role.CheckStateRole or not is_mark:
            return False
        is_accepted = Qt.CheckState(value) == Qt.CheckState.Checked
        self.accept_asked.emit(self._files[index.row()], is_accepted)
        return True


def _of_branch(branch: Branch, column: str, role: int) -> Any:
    if role == _Role.ToolTipRole:
        return branch.tip
    if role == ALERT_ROLE:
        return branch.state in ("stale", "problem")
    if column == "state":
        if role == _Role.AccessibleTextRole:
            return branch.state
        is_said = branch.key is not None or branch.state != "current"
        return _BRANCH_GLYPHS[branch.state] if is_said and role == _Role.DisplayRole else None
    if column == "name" and role == _Role.DecorationRole and branch.key is None:
        return color_icon(branch.roi_id)
    if role == _Role.TextAlignmentRole and column in _NUMBERS:
        return Qt.AlignmentFlag.AlignRight | Qt.AlignmentFlag.AlignVCenter
    if role != _Role.DisplayRole:
        return None
    texts = {"name": branch.name, "results": branch.results, "num_stale": branch.num_stale}
    return _shown(texts.get(column))


def _shown(value: Any) -> str:
    if isinstance(value, bool):
        return "yes" if value else "no"
    return "" if value is None or value == 0 else str(value)
