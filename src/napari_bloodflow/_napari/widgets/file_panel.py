"""Which file a dock is about: its name, size and dirty mark, and how to open one."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from napari.utils.notifications import show_error
from qtpy.QtCore import Qt
from qtpy.QtWidgets import QComboBox, QFileDialog, QHBoxLayout, QLabel, QVBoxLayout, QWidget
from superqt import QElidingLabel

from napari_bloodflow._napari.widgets.parts import ALERT_COLOR, Notice, push_button, text_label

if TYPE_CHECKING:
    from napari_bloodflow._napari.blinding import Blinding
    from napari_bloodflow._napari.session import ShownAcquisition, ViewerSession
    from napari_bloodflow.acquisition.acq_image import AcqImage

__all__ = ["EmptyPanel", "FilePanel", "describe_size"]

_SAMPLE = "pulsatile_flow"


def describe_size(acq: AcqImage) -> str:
    """Return the size of an acquisition in words, ``"2400 lines x 20 px, 1 channel, uint16"``."""
    plane, count = acq.images.bounds, acq.images.num_channels
    channels = "1 channel" if count == 1 else f"{count} channels"
    if not acq.images.is_kymograph:
        sizes = " × ".join(f"{axis.lower()} {n}" for axis, n in acq.images.sizes.items())
        return f"{sizes} px, {channels}, {acq.images.dtype}; not a kymograph"
    return f"{plane.num_rows} lines × {plane.num_columns} px, {channels}, {acq.images.dtype}"


class EmptyPanel(QWidget):
    """What a dock says while no acquisition is open, with ways to open one.

    Parameters
    ----------
    session : ViewerSession
        Where to open.
    parent : QWidget, optional
        Its parent.
    """

    def __init__(self, session: ViewerSession, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.setObjectName("empty_panel")
        self._session = session
        text = text_label("empty_text", self, wraps=True)
        text.setText("No kymograph is open.\n\nDrop a TIFF kymograph on the viewer, or:")
        text.setAlignment(Qt.AlignmentFlag.AlignCenter)
        buttons = QHBoxLayout()
        buttons.addStretch(1)
        buttons.addWidget(
            push_button(
                "Open file…", "open_file", "Choose a TIFF file to open", self._on_open, self
            )
        )
        buttons.addWidget(
            push_button(
                "Open sample",
                "open_sample",
                "Open a made-up kymograph of pulsatile flow, to try things out",
                self._on_open_sample,
                self,
            )
        )
        buttons.addStretch(1)
        layout = QVBoxLayout(self)
        layout.addStretch(1)
        layout.addWidget(text)
        layout.addLayout(buttons)
        layout.addStretch(3)

    def _on_open(self) -> None:
        path, _ = QFileDialog.getOpenFileName(
            self, "Open kymograph", "", "Kymographs (*.tif *.tiff *.TIF *.TIFF *.czi *.nd2 *.xml)"
        )
        if not path:
            return
        try:
            self._session.open(path)
        except (OSError, ValueError) as error:
            show_error(str(error))

    def _on_open_sample(self) -> None:
        self._session.viewer.open_sample("napari-bloodflow", _SAMPLE)


class FilePanel(QWidget):
    """Name, size and dirty mark of the active acquisition, and a way to another open one.

    Parameters
    ----------
    session : ViewerSession
        What the viewer shows.
    parent : QWidget, optional
        Its parent.
    """

    def __init__(self, session: ViewerSession, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.setObjectName("file_panel")
        self._session = session
        self._choices: tuple[ShownAcquisition, ...] = ()
        self._choice = QComboBox(self)
        self._choice.setObjectName("acquisition_choice")
        self._choice.setToolTip("Kymographs that are open in this viewer")
        self._choice.setMinimumContentsLength(12)
        self._choice.setSizeAdjustPolicy(
            QComboBox.SizeAdjustPolicy.AdjustToMinimumContentsLengthWithIcon
        )
        self._choice.activated.connect(self._on_chosen)
        self._name = QElidingLabel(self)
        self._name.setObjectName("file_name")
        self._name.setElideMode(Qt.TextElideMode.ElideMiddle)
        font = self._name.font()
        font.setBold(True)
        self._name.setFont(font)
        self._size = text_label("file_size", self, wraps=True)
        self._dirty = QLabel(self)
        self._dirty.setObjectName("dirty_mark")
        self._dirty.setText(f'<span style="color:{ALERT_COLOR}">●</span> unsaved')
        self._dirty.setToolTip("There are changes that are not saved yet")
        self._missing = Notice("missing_layers", "alert", self)
        self._missing.add_button(
            push_button(
                "Show layers",
                "show_layers",
                "Add the deleted layers to the viewer again",
                self._on_show_layers,
                self,
            )
        )
        top = QHBoxLayout()
        top.addWidget(self._name, 1)
        top.addWidget(self._choice, 1)
        top.addWidget(self._dirty)
        layout = QVBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.setSpacing(2)
        layout.addLayout(top)
        layout.addWidget(self._size)
        layout.addWidget(self._missing)

    def refresh(self) -> None:
        """Show the present state of the session."""
        active = self._session.active
        if active is None:
            self._choices = ()
            return
        acq = active.acq
        self._refresh_choices(active)
        blinding = self._session.blinding
        label = blinding.label_of(acq)
        if self._name.text() != label:
            self._name.setText(label)
        self._name.setToolTip("" if blinding.is_on else acq.path)
        self._size.setText(describe_size(acq))
        self._dirty.setVisible(acq.is_dirty)
        self._missing.say(_describe_missing(active))

    def _refresh_choices(self, active: ShownAcquisition) -> None:
        shown = self._session.shown
        has_choice = len(shown) > 1 or active not in shown
        self._name.setVisible(not has_choice)
        self._choice.setVisible(has_choice)
        blinding = self._session.blinding
        if shown != self._choices:
            self._choices = shown
            self._choice.clear()
            self._choice.addItems([""] * len(shown))
        for index, label in enumerate(_distinct_names(shown, blinding)):
            tip = "" if blinding.is_on else shown[index].acq.path
            self._choice.setItemData(index, tip, Qt.ItemDataRole.ToolTipRole)
            is_marked = shown[index] is not active and shown[index].acq.is_dirty
            mark = " ●" if is_marked else ""
            if self._choice.itemText(index) != label + mark:
                self._choice.setItemText(index, label + mark)
        if active in shown:
            self._choice.setCurrentIndex(shown.index(active))

    def _on_chosen(self, index: int) -> None:
        shown = self._choices[index]
        self._session.activate(shown)
        if shown.layers:
            self._session.viewer.layers.selection.active = shown.layers[0]

    def _on_show_layers(self) -> None:
        if self._session.active is not None:
            self._session.show_layers(self._session.active)


def _describe_missing(shown: ShownAcquisition) -> str:
    has_rois = shown.roi_layer is not None
    images = shown.acq.images
    missing = images.num_channels - len(images.mask_channels) - len(shown.image_layers)
    if missing <= 0 and has_rois:
        return ""
    if missing <= 0:
        return "The ROI layer was deleted. The ROIs are still here."
    what = "The image layer was" if missing == 1 else f"{missing} image layers were"
    return f"{what} deleted." if has_rois else "Its layers were deleted. Nothing is lost."


def _distinct_names(shown: tuple[ShownAcquisition, ...], blinding: Blinding) -> list[str]:
    """Name each file, with its folder where two have the same name."""
    names = [blinding.label_of(item.acq) for item in shown]
    return [
        f"{name} ({Path(item.acq.path).parent.name})" if names.count(name) > 1 else name
        for name, item in zip(names, shown, strict=True)
    ]
