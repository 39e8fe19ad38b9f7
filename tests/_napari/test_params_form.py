"""Forms made from the parameters of an analysis: values, relevance, odd input."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
from qtpy.QtCore import Qt
from qtpy.QtWidgets import QAbstractSpinBox, QComboBox, QToolButton, QWidget

from napari_bloodflow._napari.widgets.params_form import ParamsForm
from napari_bloodflow.analysis.diameter import Diameter, DiameterParams
from napari_bloodflow.analysis.heart_rate import HeartRateParams
from napari_bloodflow.analysis.radon_velocity import RadonVelocityParams

if TYPE_CHECKING:
    from pytestqt.qtbot import QtBot

pytestmark = pytest.mark.gui


@pytest.fixture
def form(qtbot: QtBot) -> ParamsForm:
    widget = ParamsForm(
        DiameterParams.get_schema("diameter"),
        "form",
        basic=("diameter_method", "polarity"),
        method_field="diameter_method",
    )
    qtbot.addWidget(widget)
    widget.show()
    qtbot.waitExposed(widget)
    return widget


def part(form: ParamsForm, name: str) -> Any:
    found = form.findChild(QWidget, f"form_{name}")
    assert found is not None, name
    return found


def choose(form: ParamsForm, method: str) -> None:
    combo = part(form, "diameter_method")
    assert isinstance(combo, QComboBox)
    combo.setCurrentIndex(combo.findData(method))


def test_it_starts_with_the_defaults(form: ParamsForm) -> None:
    assert form.values == DiameterParams().model_dump()


@pytest.mark.parametrize("model", [DiameterParams, HeartRateParams, RadonVelocityParams])
def test_every_parameter_of_every_analysis_has_an_editor_with_help(
    qtbot: QtBot, model: type[Any]
) -> None:
    schema = model.get_schema("x")
    form = ParamsForm(schema, "form")
    qtbot.addWidget(form)
    for entry in schema.fields:
        assert entry.name in part(form, entry.name).toolTip()


def test_only_what_matters_to_the_method_is_shown(form: ParamsForm, qtbot: QtBot) -> None:
    toggle = form.findChild(QToolButton, "form_more_toggle")
    assert toggle is not None
    qtbot.mouseClick(toggle, Qt.MouseButton.LeftButton)
    assert part(form, "edge_blur_px").isVisible()
    assert not part(form, "gradient_sigma").isVisible()
    choose(form, "gradient_edges")
    assert part(form, "gradient_sigma").isVisible()
    assert not part(form, "edge_blur_px").isVisible()
    assert not part(form, "threshold_value").isVisible()
    assert part(form, "stride").isVisible()


def test_an_edit_is_told_and_changes_one_value(form: ParamsForm, qtbot: QtBot) -> None:
    with qtbot.waitSignal(form.edited) as told:
        choose(form, "threshold_width")
    assert told.args == ["diameter_method"]
    assert form.values == {**DiameterParams().model_dump(), "diameter_method": "threshold_width"}


def test_values_set_from_outside_keep_all_digits_and_are_no_edit(
    form: ParamsForm, qtbot: QtBot
) -> None:
    with qtbot.assertNotEmitted(form.edited):
        form.set_values({"edge_blur_px": 1.23456789, "window_rows_odd": 21})
    assert form.values["edge_blur_px"] == 1.23456789
    choose(form, "threshold_width")
    assert form.values["edge_blur_px"] == 1.23456789
    assert form.values["window_rows_odd"] == 21


def test_what_no_widget_can_show_is_left_out(form: ParamsForm) -> None:
    form.set_values({"stride": "many", "polarity": "purple", "edge_blur_px": 2.0, "unknown": 1})
    assert form.values["stride"] == 1
    assert form.values["polarity"] == "bright_on_dark"
    assert form.values["edge_blur_px"] == 2.0
    assert "unknown" not in form.values


def test_steps_stay_with_what_is_allowed(form: ParamsForm) -> None:
    width = part(form, "window_rows_odd")
    assert isinstance(width, QAbstractSpinBox)
    for _ in range(4):
        width.stepUp()
    assert form.values["window_rows_odd"] == 13
    for _ in range(40):
        width.stepDown()
    assert form.values["window_rows_odd"] == 1
    Diameter.check_params(form.values)
