"""Form of an analysis dock: channel, ROI, parameters."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from qtpy.QtCore import QSignalBlocker, Signal
from qtpy.QtWidgets import QComboBox, QSizePolicy, QVBoxLayout, QWidget

from napari_bloodflow._napari.widgets.params_form import ParamsForm
from napari_bloodflow._napari.widgets.parts import push_button, text_label
from napari_bloodflow._napari.widgets.result_summary import color_icon
from napari_bloodflow.acquisition.roi import LineROI, RectROI
from napari_bloodflow.analysis.base import AnalysisKey

if TYPE_CHECKING:
    from collections.abc import Mapping

    from napari_bloodflow.acquisition.acq_image import AcqImage
    from napari_bloodflow.analysis.base import Analysis, AnalysisResult

__all__ = ["AnalysisChoice"]


class AnalysisChoice(QWidget):
    """What to measure: channel and rectangular ROI of an acquisition, and the parameters.

    Parameters are those of the stored result where it has them. Elsewhere they are those that the
    user set last, at first the defaults.

    Parameters
    ----------
    analysis_type : type of Analysis
        What is measured.
    name : str
        Object names of the parts begin with it.
    noun : str
        What is measured, in a sentence.
    basic : tuple of str
        Parameters that are always in view.
    method_field : str
        The parameter that decides which others matter; empty if there is none.
    editors : mapping of str to QWidget, optional
        Widgets of parameters that need one of their own.
    defaults : mapping, optional
        First values of parameters where they are not the defaults.
    parent : QWidget, optional
        Its parent.

    Attributes
    ----------
    changed : Signal
        Emitted after the user chose something else.
    roi_chosen : Signal
        Emitted with the id of a ROI that the user chose here.
    params_edited : Signal
        Emitted after the user changed a parameter.
    new_roi_wanted : Signal
        Emitted when the user asks for a ROI of the whole image.
    """

    changed = Signal()
    roi_chosen = Signal(int)
    params_edited = Signal()
    new_roi_wanted = Signal()

    def __init__(
        self,
        analysis_type: type[Analysis],
        name: str,
        noun: str,
        *,
        basic: tuple[str, ...] = (),
        method_field: str = "",
        editors: Mapping[str, QWidget] | None = None,
        defaults: Mapping[str, Any] | None = None,
        parent: QWidget | None = None,
    ) -> None:
        super().__init__(parent)
        self._type = analysis_type
        self._noun = noun
        self._acq: AcqImage | None = None
        self._wanted_roi: int | None = None
        self._selected_line = ""
        self._shown_result: tuple[AnalysisKey | None, AnalysisResult | None] = (None, None)
        self._channel = _combo(f"{name}_channel", "Channel to measure", self)
        self._roi = _combo(
            f"{name}_roi", "Rectangular ROI to measure; follows the selection in the viewer", self
        )
        self._form = ParamsForm(
            analysis_type.params_model.get_schema(analysis_type.analysis_name),
            name,
            basic=basic,
            method_field=method_field,
            editors=editors,
            parent=self,
        )
        self._form.set_values(defaults or {})
        self._own = self._form.values
        self._hint = text_label(f"{name}_hint", self, wraps=True)
        self._hint.setToolTip("What is missing, or left out")
        self._new_roi = push_button(
            "New ROI: whole image",
            f"{name}_new_roi",
            "Add a rectangular ROI that covers the whole image",
            self.new_roi_wanted.emit,
            self,
        )
        self._form.form.insertRow(0, "Channel", self._channel)
        self._form.form.insertRow(1, "ROI", self._roi)
        layout = QVBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.setSpacing(4)
        layout.addWidget(self._form)
        layout.addWidget(self._hint)
        layout.addWidget(self._new_roi)
        self._channel.currentIndexChanged.connect(self._on_channel)
        self._roi.currentIndexChanged.connect(self._on_roi)
        self._form.edited.connect(self._on_edited)

    # ---- what is chosen

    @property
    def key(self) -> AnalysisKey | None:
        """What is chosen; None if there is nothing to measure."""
        channel, roi_id = self._channel.currentData(), self._roi.currentData()
        if channel is None or roi_id is None:
            return None
        return AnalysisKey(self._type.analysis_name, int(channel), int(roi_id))

    @property
    def params(self) -> dict[str, Any]:
        """Detection parameters that are chosen here."""
        return self._form.values

    @property
    def problem(self) -> str:
        """What is wrong with the parameters; empty if they can be used."""
        try:
            self._type.check_params(self._form.values)
        except ValueError as error:
            return str(error)
        return ""

    def add_row(self, label: str, widget: QWidget, *, is_last: bool = False) -> None:
        """Put a control of the dock before the parameters in view, or after them."""
        form = self._form.form
        form.insertRow(form.rowCount() if is_last else 2, label, widget)

    def set_params(self, values: Mapping[str, Any]) -> None:
        """Choose parameters, as if the user had."""
        self._form.set_values(values)
        self._own.update(values)
        self._form.show_problem(self.problem)
        self.changed.emit()
        self.params_edited.emit()

    def prefer_roi(self, *roi_ids: int) -> None:
        """Choose the first rectangle of these at the next :meth:`refresh`."""
        rois = self._acq.rois if self._acq is not None else ()
        chosen = {roi.roi_id: roi for roi in rois if roi.roi_id in roi_ids}
        rectangles = [i for i in roi_ids if isinstance(chosen.get(i), RectROI)]
        lines = [roi.label for roi in chosen.values() if isinstance(roi, LineROI)]
        self._selected_line = lines[0] if lines and not rectangles else ""
        if rectangles:
            self._wanted_roi = rectangles[0]

    def choose(self, key: AnalysisKey) -> None:
        """Choose a channel and a ROI of the acquisition that is shown, without a signal."""
        for combo, value in ((self._channel, key.channel), (self._roi, key.roi_id)):
            with QSignalBlocker(combo):
                if (index := combo.findData(value)) >= 0:
                    combo.setCurrentIndex(index)
        self._wanted_roi = self._roi.currentData()

    # ---- showing the model

    def refresh(self, acq: AcqImage | None, is_running: bool) -> None:
        """Show channels, ROIs and parameters of an acquisition, the inputs disabled in a run."""
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
        self._channel.setEnabled(len(channels) > 1 and not is_running)
        self._roi.setEnabled(bool(rois) and not is_running)
        self._form.set_enabled(acq is not None and not is_running)
        self._form.show_problem(self.problem)

    def _show_params(self) -> None:
        acq, key = self._acq, self.key
        analysis = acq.analysis_set.get(key) if acq is not None and key is not None else None
        result = analysis.result if analysis is not None and analysis.has_results else None
        if (key, result) == self._shown_result:
            return
        self._shown_result = (key, result)
        stored = analysis.detection_params if analysis is not None else {}
        self._form.set_values({**self._own, **_usable(self._type, stored)})

    def _hint_text(self, has_rectangles: bool) -> str:
        if self._acq is None:
            return "Open a kymograph, or choose a layer of one."
        lines = [roi for roi in self._acq.rois if isinstance(roi, LineROI)]
        if self._selected_line:
            return f"ROI {self._selected_line} is a line: {self._noun} needs a rectangle."
        if not has_rectangles:
            return "Draw a rectangle in the ROI layer, or measure the whole image."
        if lines:
            labels = ", ".join(roi.label for roi in lines)
            return f"Not listed: {labels} (line; {self._noun} needs a rectangle)."
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

    def _on_edited(self, name: str) -> None:
        self._own[name] = self._form.values[name]
        self._form.show_problem(self.problem)
        self.changed.emit()
        self.params_edited.emit()


def _usable(analysis_type: type[Analysis], stored: Mapping[str, Any]) -> dict[str, Any]:
    """Return the parameters of a record that this version knows; a record may hold anything."""
    known = {k: v for k, v in stored.items() if k in analysis_type.params_model.model_fields}
    try:
        return analysis_type.check_params(known) if known else {}
    except ValueError:
        return {}


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
