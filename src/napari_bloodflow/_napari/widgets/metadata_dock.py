"""The Metadata dock: what was imaged, in one file or in several selected ones."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from qtpy.QtCore import QSize, Qt
from qtpy.QtGui import QKeySequence
from qtpy.QtWidgets import (
    QFormLayout,
    QFrame,
    QHBoxLayout,
    QScrollArea,
    QSizePolicy,
    QVBoxLayout,
    QWidget,
)
from superqt import QElidingLabel

from napari_bloodflow._napari.undo import redo_edit, undo_edit
from napari_bloodflow._napari.widgets.calibration_form import CalibrationForm
from napari_bloodflow._napari.widgets.metadata_form import MIXED, MetadataForm
from napari_bloodflow._napari.widgets.parts import Fold, Notice, push_button, text_label
from napari_bloodflow._napari.widgets.session_dock import SessionDock
from napari_bloodflow.acquisition.metadata import AcqImageHeader, ExperimentMetadata

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from napari.components import ViewerModel
    from qtpy.QtGui import QKeyEvent

    from napari_bloodflow._napari.widgets.session_dock import Slots
    from napari_bloodflow.acquisition.acq_image import AcqImage
    from napari_bloodflow.acquisition.listed_file import ListedFile

__all__ = ["MetadataDock"]

_EXPERIMENT = ExperimentMetadata.metadata_section_id


class MetadataDock(SessionDock):
    """Edits metadata and calibration of the active acquisition, or of all selected files.

    Parameters
    ----------
    napari_viewer : napari.Viewer
        The viewer, or the proxy of it that napari hands out.
    """

    def __init__(self, napari_viewer: ViewerModel) -> None:
        super().__init__(napari_viewer)
        self.setObjectName("metadata_dock")
        self.setSizePolicy(QSizePolicy.Policy.Preferred, QSizePolicy.Policy.Preferred)
        self._workspace = self._session.workspace
        self._acq: AcqImage | None = None
        self._targets: tuple[ListedFile, ...] = ()
        self._title = QElidingLabel(self)
        self._title.setObjectName("metadata_title")
        font = self._title.font()
        font.setBold(True)
        self._title.setFont(font)
        self._undo = push_button("Undo", "metadata_undo", "", self.undo, self)
        self._redo = push_button("Redo", "metadata_redo", "", self.redo, self)
        self._message = Notice("metadata_message", "alert", self)
        self._form = MetadataForm(ExperimentMetadata, self)
        self._form.edited.connect(self._on_edited)
        self._calibration = CalibrationForm(self)
        self._calibration.applied.connect(self._on_calibration)
        self._header = Fold("image_header", self)
        self._header.set_title("Image header")
        self._header_values = self._make_header()
        self._arrange()

    def _make_header(self) -> dict[str, Any]:
        rows = QFormLayout()
        labels = {}
        for field in AcqImageHeader.get_schema().fields:
            if field.group == "Header" and field.visible:
                label = labels[field.name] = text_label(f"header_{field.name}", self, wraps=True)
                label.setTextInteractionFlags(Qt.TextInteractionFlag.TextSelectableByMouse)
                rows.addRow(field.display_name, label)
        self._header.body.addLayout(rows)
        return labels

    def _arrange(self) -> None:
        top = QHBoxLayout()
        top.addWidget(self._title, 1)
        top.addWidget(self._undo)
        top.addWidget(self._redo)
        self._content = QWidget()
        column = QVBoxLayout(self._content)
        column.setContentsMargins(0, 0, 6, 0)
        column.setSpacing(12)
        for part in (self._form, self._calibration, self._header):
            column.addWidget(part)
        column.addStretch(1)
        area = QScrollArea(self)
        area.setFrameShape(QFrame.Shape.NoFrame)
        area.setHorizontalScrollBarPolicy(Qt.ScrollBarPolicy.ScrollBarAlwaysOff)
        area.setWidgetResizable(True)
        area.setWidget(self._content)
        layout = QVBoxLayout(self)
        layout.setContentsMargins(6, 6, 6, 6)
        layout.setSpacing(6)
        layout.addLayout(top)
        layout.addWidget(self._message)
        layout.addWidget(area, 1)

    def sizeHint(self) -> QSize:
        """Return a size that leaves room for the canvas in a window of 1400 x 900."""
        return QSize(380, 430)

    def minimumSizeHint(self) -> QSize:
        """Return a size in which a group of fields is seen, the rest by scrolling."""
        return QSize(330, 200)

    def keyPressEvent(self, event: QKeyEvent | None) -> None:
        """Take the keys of undo and redo that no part takes; text being typed has its own."""
        if event is not None and event.matches(QKeySequence.StandardKey.Undo):
            self.undo()
        elif event is not None and event.matches(QKeySequence.StandardKey.Redo):
            self.redo()
        else:
            super().keyPressEvent(event)

    # ---- following

    def _session_slots(self) -> Slots:
        workspace = self._workspace
        return (
            *super()._session_slots(),
            (workspace.selection_changed, self._on_layers_changed),
            (workspace.opened, self._on_layers_changed),
            (self._session.blinding.changed, self._schedule),
        )

    def _wanted_slots(self) -> Slots:
        return tuple(
            (signal, self._schedule)
            for acq in self._open_acqs(self._workspace.targets, self._session.acq)
            for signal in (acq.changed, acq.history.changed)
        )

    @staticmethod
    def _open_acqs(targets: Sequence[ListedFile], active: AcqImage | None) -> list[AcqImage]:
        opened = (file.acq for file in targets if file.acq is not None)
        return list(dict.fromkeys([*([] if active is None else [active]), *opened]))

    # ---- refreshing

    def _refresh(self) -> None:
        acq, targets = self._session.acq, self._workspace.targets
        is_other = acq is not self._acq or targets != self._targets
        self._acq, self._targets = acq, targets
        is_blinded = self._session.blinding.is_on
        self._content.setVisible(acq is not None and not is_blinded)
        self._title.setVisible(acq is not None)
        if is_blinded:
            self._message.say("Metadata is hidden while files are blinded.", "alert")
        elif acq is None:
            self._message.say("No kymograph is open.", "alert")
        elif is_other or self._message.text.endswith(("blinded.", "open.")):
            self._message.say("")
        self._show_undo(acq, is_blinded)
        if acq is None:
            return
        label = self._session.blinding.label_of(acq)
        self._title.setText(f"{len(targets)} selected files" if targets else label)
        if is_blinded:
            return
        experiments = [file.experiment for file in targets] or [
            acq.experiment_metadata.get_values()
        ]
        names = self._form.field_names
        self._form.show_values(
            {name: _common(values.get(name) for values in experiments) for name in names},
            is_other=is_other,
        )
        self._form.offer({name: self._workspace.values_in_use(name) for name in names})
        self._calibration.show_files(acq, targets, is_other=is_other)
        self._header.setVisible(not targets)
        for name, value in acq.header.get_values().items():
            if name in self._header_values:
                self._header_values[name].setText(str(value) if value != "" else "-")

    def _show_undo(self, acq: AcqImage | None, is_blinded: bool) -> None:
        history = None if acq is None or is_blinded else acq.history
        undo = history.undo_text if history is not None else ""
        redo = history.redo_text if history is not None else ""
        for button, word, text in ((self._undo, "Undo", undo), (self._redo, "Redo", redo)):
            button.setEnabled(bool(text))
            button.setToolTip(f"{word}: {text}" if text else f"Nothing to {word.lower()}")

    # ---- editing

    def _edited_acqs(self) -> list[AcqImage]:
        """Open what an edit concerns: the files that the form shows."""
        if self._targets:
            return [self._workspace.open(file) for file in self._targets]
        return [] if self._acq is None else [self._acq]

    def _on_edited(self, name: str, text: str) -> None:
        try:
            acqs = self._edited_acqs()
        except (OSError, ValueError) as error:
            self._message.say(f"Nothing was changed. {error}", "error")
            return
        for acq in acqs:
            acq.apply_metadata_patch(_EXPERIMENT, {name: text})
        field = ExperimentMetadata.get_schema()[name].display_name
        if len(acqs) > 1:
            self._message.say(f"{field} was set in {len(acqs)} files.", "done")
        self._workspace.tidy()

    def _on_calibration(self, dt_s: float, dx_um: float) -> None:
        try:
            acqs = self._edited_acqs()
        except (OSError, ValueError) as error:
            self._message.say(f"Nothing was changed. {error}", "error")
            return
        for acq in acqs:
            acq.set_calibration(dt_s, dx_um)
        if len(acqs) > 1:
            self._message.say(f"The calibration was set in {len(acqs)} files.", "done")
        self._workspace.tidy()

    def undo(self) -> None:
        """Take back the last edit, in all selected files if it was made in all of them."""
        active = self._session.active
        if active is None or self._session.blinding.is_on:
            return
        text = active.acq.history.undo_text
        others = self._open_acqs(self._targets, None)
        said = undo_edit(active)
        for acq in others:
            if acq is not active.acq and text and acq.history.undo_text == text:
                acq.history.undo()
        self._tell(said)

    def redo(self) -> None:
        """Make the edit again that was taken back last, in all selected files likewise."""
        active = self._session.active
        if active is None or self._session.blinding.is_on:
            return
        text = active.acq.history.redo_text
        others = self._open_acqs(self._targets, None)
        said = redo_edit(active)
        for acq in others:
            if acq is not active.acq and text and acq.history.redo_text == text:
                acq.history.redo()
        self._tell(said)

    def _tell(self, text: str) -> None:
        self._message.say(text, "done")
        self._session.viewer.status = text


def _common(values: Iterable[Any]) -> Any:
    """Return the value that all have, or `MIXED`."""
    found = list(dict.fromkeys("" if value is None else value for value in values))
    return found[0] if len(found) == 1 else MIXED
