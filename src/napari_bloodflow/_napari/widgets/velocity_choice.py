"""Form of the Velocity dock: channel, ROI, method, window width."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from qtpy.QtCore import QSignalBlocker, Signal
from qtpy.QtWidgets import QComboBox, QFormLayout, QSizePolicy, QVBoxLayout, QWidget

from napari_bloodflow._napari.widgets.parts import push_button, text_label
from napari_bloodflow._napari.widgets.velocity_summary import color_icon
from napari_bloodflow._napari.widgets.window_width import WindowWidthBox, default_window_width
from napari_bloodflow.acquisition.roi import LineROI, RectROI
from napari_bloodflow.analysis.base import AnalysisKey
from napari_bloodflow.analysis.radon_velocity import RadonVelocity
from napari_bloodflow.analysis.radon_velocity_params import RadonVelocityParams

if TYPE_CHECKING:
    from napari_bloodflow.acquisition.acq_image import AcqImage
    from napari_bloodflow.analysis.base import AnalysisResult

__all__ = ["VelocityChoice"]

_METHODS = {"normalized": "Normalized, with error bars", "classic": "Classic Radon"}


class VelocityChoice(QWidget):
    """What to measure: channel and rectangular ROI of an acquisition, method and window width.

    Method and width are those of the stored result where it has them. Elsewhere they are those
    that the user set last, at first the default and the width of napari's preferences.

    Parameters
    ----------
    parent : QWidget, optional
        Its parent.

    Attributes
    ----------
    changed : Signal
        Emitted after the user chose something else.
    roi_chosen : Signal
        Emitted with the id of a ROI that the user chose here.
    new_roi_wanted : Signal
        Emitted when the user asks for a ROI of the whole image.
    """

    changed = Signal()
    roi_chosen = Signal(int)
    new_roi_wanted = Signal()

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._acq: AcqImage | None = None
        self._wanted_roi: int | None = None
        self._selected_line = ""
        self._own_width = default_window_width()
        self._shown_result: tuple[AnalysisKey | None, AnalysisResult | None] = (None, None)
        self._channel = _combo("velocity_channel", "Channel to measure", self)
        self._roi = _combo(
            "velocity_roi", "Rectangular ROI to measure; follows the selection in the viewer", self
        )
        schema = RadonVelocityParams.get_schema(RadonVelocity.analysis_name)["method"]
        self._own_method = str(schema.default_value)
        self._method = _combo("velocity_method", schema.description.replace(". ", ".\n"), self)
        for method in schema.choices:
            self._method.addItem(_METHODS.get(method, method), method)
        self._width = WindowWidthBox(self)
        self._width.set_value(self._own_width)
        self._hint = text_label("velocity_hint", self, wraps=True)
        self._hint.setToolTip("What is missing, or left out")
        self._new_roi = push_button(
            "New ROI: whole image",
            "velocity_new_roi",
            "Add a rectangular ROI that covers the whole image",
            self.new_roi_wanted.emit,
            self,
        )
        form = QFormLayout()
        form.setContentsMargins(0, 0, 0, 0)
        form.setVerticalSpacing(4)
        form.setFieldGrowthPolicy(QFormLayout.FieldGrowthPolicy.AllNonFixedFieldsGrow)
        form.addRow("Channel", self._channel)
        form.addRow("ROI", self._roi)
        form.addRow("Method", self._method)
        form.addRow("Window", self._width)
        layout = QVBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.setSpacing(4)
        layout.addLayout(form)
        layout.addWidget(self._hint)
        layout.addWidget(self._new_roi)
        self._channel.currentIndexChanged.connect(self._on_channel)
        self._roi.currentIndexChanged.connect(self._on_roi)
        self._method.currentIndexChanged.connect(self._on_method)
        self._width.edited.connect(self._on_width)

    # ---- what is chosen

    @property
    def key(self) -> AnalysisKey | None:
        """What is chosen; None if there is nothing to measure."""
        channel, roi_id = self._channel.currentData(), self._roi.currentData()
        if channel is None or roi_id is None:
            return None
        return AnalysisKey(RadonVelocity.analysis_name, int(channel), int(roi_id))

    @property
    def params(self) -> dict[str, Any]:
        """Detection parameters that are chosen here."""
        return {"window_width": self._width.value, "method": self._method.currentData()}

    def prefer_roi(self, *roi_ids: int) -> None:
        """Choose the first rectangle of these at the next :meth:`refresh`."""
        rois = self._acq.rois if self._acq is not None else ()
        chosen = {roi.roi_id: roi for roi in rois if roi.roi_id in roi_ids}
        rectangles = [i for i in roi_ids if isinstance(chosen.get(i), RectROI)]
        lines = [roi.label for roi in chosen.values() if isinstance(roi, LineROI)]
        self._selected_line = lines[0] if lines and not rectangles else ""
        if rectangles:
            self._wanted_roi = rectangles[0]

    # ---- showing the model

    def refresh(self, acq: AcqImage | None, is_running: bool) -> None:
        """Show channels, ROIs and the width of an acquisition, the inputs disabled during a run."""
        if acq is not self._acq:
            self._acq = acq
            self._wanted_roi = None
            self._selected_line = ""
        rois = [roi for roi in acq.rois if isinstance(roi, RectROI)] if acq is not None else []
        channels = range(acq.images.num_channels) if acq is not None else range(0)
        _fill(self._channel, [(f"Channel {c}", c, None) for c in channels], None)
        entries = [(f"ROI {roi.label}", roi.roi_id, color_icon(roi.roi_id)) for roi in rois]
        _fill(self._roi, entries, self._wanted_roi)
        self._wanted_roi = self._roi.currentData()
        self._show_params()
        hint = self._hint_text(bool(rois))
        self._hint.setText(hint)
        self._hint.setVisible(bool(hint))
        self._new_roi.setVisible(acq is not None and not rois)
        for control, is_usable in (
            (self._channel, len(channels) > 1),
            (self._roi, bool(rois)),
            (self._method, acq is not None),
            (self._width, acq is not None),
        ):
            control.setEnabled(is_usable and not is_running)

    def _show_params(self) -> None:
        acq, key = self._acq, self.key
        self._width.set_calibration(acq.calibration if acq is not None else None)
        analysis = acq.analysis_set.get(key) if acq is not None and key is not None else None
        result = analysis.result if analysis is not None and analysis.has_results else None
        if (key, result) == self._shown_result:
            return
        self._shown_result = (key, result)
        # A stored record may hold anything.
        params: Any = analysis.detection_params if analysis is not None else {}
        method = self._method.findData(params.get("method", self._own_method))
        with QSignalBlocker(self._method):
            self._method.setCurrentIndex(max(0, method))
        stored = params.get("window_width")
        is_width = isinstance(stored, int) and not isinstance(stored, bool)
        self._width.set_value(int(stored) if is_width else self._own_width)

    def _hint_text(self, has_rectangles: bool) -> str:
        if self._acq is None:
            return "Open a kymograph, or choose a layer of one."
        lines = [roi for roi in self._acq.rois if isinstance(roi, LineROI)]
        if self._selected_line:
            return f"ROI {self._selected_line} is a line: velocity needs a rectangle."
        if not has_rectangles:
            return "Draw a rectangle in the ROI layer, or measure the whole image."
        if lines:
            labels = ", ".join(roi.label for roi in lines)
            return f"Not listed: {labels} (line; velocity needs a rectangle)."
        return ""

    # ---- what the user did

    def _on_channel(self) -> None:
        self._show_params()
        self.changed.emit()

    def _on_roi(self) -> None:
        self._selected_line = ""
        self._wanted_roi = self._roi.currentData()
        self._show_params()
        self.changed.emit()
        if self._wanted_roi is not None:
            self.roi_chosen.emit(self._wanted_roi)

    def _on_method(self) -> None:
        self._own_method = self._method.currentData()
        self.changed.emit()

    def _on_width(self, width: int) -> None:
        self._own_width = width
        self.changed.emit()


def _combo(name: str, tip: str, parent: QWidget) -> QComboBox:
    combo = QComboBox(parent)
    combo.setObjectName(name)
    combo.setToolTip(tip)
    # A long name must not make the dock wide.
    combo.setSizeAdjustPolicy(QComboBox.SizeAdjustPolicy.AdjustToMinimumContentsLengthWithIcon)
    combo.setMinimumContentsLength(8)
    combo.setSizePolicy(QSizePolicy.Policy.Expanding, QSizePolicy.Policy.Fixed)
    return combo


def _fill(combo: QComboBox, entries: list[tuple[str, int, Any]], wanted: int | None) -> None:
    """Show entries and choose the wanted one, else the one chosen before, else the first."""
    shown = [(combo.itemText(i), combo.itemData(i)) for i in range(combo.count())]
    before = combo.currentData()
    with QSignalBlocker(combo):
        if shown != [(text, value) for text, value, _ in entries]:
            combo.clear()
            for text, value, icon in entries:
                combo.addItem(text, value)
                if icon is not None:
                    combo.setItemIcon(combo.count() - 1, icon)
        values = [value for _, value, _ in entries]
        for candidate in (wanted, before):
            if candidate in values:
                combo.setCurrentIndex(values.index(candidate))
                return
        combo.setCurrentIndex(0 if values else -1)
