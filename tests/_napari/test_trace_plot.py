"""The velocity plot: units, gaps, cursor, themes, speed; and the values behind it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
import pytest

from napari_bloodflow import AcqImage, RectRoiBounds
from napari_bloodflow._napari.plots.plot_export import figure_of, values_of
from napari_bloodflow._napari.plots.plot_model import (
    PlotModel,
    Trace,
    format_value,
    visible_part,
)
from napari_bloodflow._napari.plots.result_traces import velocity_plot_model, velocity_trace
from napari_bloodflow._napari.plots.trace_plot import EMPTY_TEXT, TracePlot, readable_color
from napari_bloodflow._napari.roi_style import roi_color
from napari_bloodflow.analysis.base import AnalysisResult

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from pytestqt.qtbot import QtBot

pytestmark = pytest.mark.gui
KEY = ("radon_velocity", 0, 1)


def make_trace(y: Any, **changes: Any) -> Trace:
    y = np.asarray(y, dtype=np.float64)
    values: dict[str, Any] = {
        "x": np.arange(y.size) * 0.01,
        "y": y,
        "status": np.where(np.isfinite(y), "ok", "flat").astype(object),
        "label": "ROI 1",
        "color": "#E69F00",
        "x_unit": "s",
        "y_unit": "um/s",
    }
    return Trace(**{**values, **changes})


@pytest.fixture
def k05(copy_fixture: Callable[[str], Path]) -> AcqImage:
    return AcqImage(copy_fixture("cloudscope/may2026") / "k05_pulsatile.tif")


@pytest.fixture
def plot(qtbot: QtBot) -> TracePlot:
    widget = TracePlot("velocity_plot")
    qtbot.addWidget(widget)
    widget.resize(400, 300)
    widget.show()
    qtbot.waitExposed(widget)
    return widget


def text_of(plot: TracePlot, name: str) -> str:
    from qtpy.QtGui import QTextDocument
    from qtpy.QtWidgets import QLabel

    label = plot.findChild(QLabel, name)
    assert label is not None
    document = QTextDocument()
    document.setHtml(label.text())
    return document.toPlainText().replace("\xa0", " ").strip()


# ---- values


def test_a_trace_holds_the_table_and_starts_where_the_roi_does(k05: AcqImage) -> None:
    k05.rois.edit(1, RectRoiBounds(400, 2000, 0, 20))
    analysis = k05.analysis_set.run_analysis(KEY, {"window_width": 32})
    table = analysis.result.table
    assert table is not None
    trace = velocity_trace(k05, analysis)
    assert trace is not None
    np.testing.assert_allclose(trace.x, table["time_s"] + 400 * 0.0015)
    np.testing.assert_array_equal(trace.y, table["velocity"])
    assert (trace.x_unit, trace.y_unit) == ("s", "um/s")
    assert trace.color == roi_color(1)
    assert not trace.is_stale
    k05.rois.edit(1, RectRoiBounds(800, 2000, 0, 20))
    moved = velocity_trace(k05, analysis)
    assert moved is not None
    assert moved.is_stale
    np.testing.assert_array_equal(moved.x, trace.x)  # it stays where it was measured


def test_a_stored_table_without_status_has_gaps_without_a_reason(k05: AcqImage) -> None:
    analysis = k05.analysis_set[KEY]
    table = analysis.result.table
    assert table is not None
    assert "status" not in table.columns
    analysis.set_result(
        AnalysisResult(
            analysis.result.summary, table.assign(velocity=[*table["velocity"][:-1], np.inf])
        )
    )
    trace = velocity_trace(k05, analysis)
    assert trace is not None
    assert trace.num_missing == 1
    gap = trace.gap_at(trace.x.size - 1)
    assert gap is not None
    assert gap.reason == "no value"
    assert trace.gap_at(0) is None


@pytest.mark.parametrize(
    "table", [None, pd.DataFrame(), pd.DataFrame({"time_s": [1.0], "something": [2.0]})]
)
def test_no_trace_of_a_result_without_velocities(k05: AcqImage, table: Any) -> None:
    analysis = k05.analysis_set[KEY]
    analysis.set_result(AnalysisResult({}, table))
    assert velocity_trace(k05, analysis) is None
    assert velocity_plot_model(k05, [analysis]).traces == ()


def test_results_in_other_units_are_left_out_and_named(k05: AcqImage) -> None:
    first = k05.analysis_set[KEY]
    k05.rois.create(RectRoiBounds(0, 500, 0, 20), name="vein")
    other = k05.analysis_set.run_analysis(("radon_velocity", 0, 2), {"window_width": 32})
    other.result.summary["velocity_unit"] = "px/line"
    model = velocity_plot_model(k05, [first, other])
    assert [trace.label for trace in model.traces] == ["ROI 1"]
    assert model.left_out == ("ROI 2 vein",)
    assert velocity_plot_model(k05, [other]).y_label == "Velocity (px/line)"
    assert velocity_plot_model(k05, [other]).x_label == "Time (lines)"


def test_a_trace_without_values_has_no_mean() -> None:
    assert np.isnan(make_trace([np.nan, np.nan]).mean)
    assert make_trace([1, np.nan, 3]).mean == 2


def test_nearest_point() -> None:
    trace = make_trace([1, 2, 3, 4])
    assert [trace.nearest(x) for x in (-0.004, 0.004, 0.006, 0.031)] == [0, 0, 1, 3]
    assert trace.nearest(-0.02) is None
    assert trace.nearest(0.05) is None
    assert make_trace([5]).nearest(0.0) == 0
    assert make_trace([]).nearest(0.0) is None


def test_few_points_are_shown_as_they_are() -> None:
    trace = make_trace([1, 2, np.nan, 4, np.nan, 6])
    shown = visible_part(trace, -1, 1, 100)
    np.testing.assert_array_equal(shown.y, trace.y)
    np.testing.assert_array_equal(shown.lone_y, [4, 6])


def test_only_the_part_in_view_is_shown_with_a_point_more_at_both_ends() -> None:
    shown = visible_part(make_trace(np.arange(100.0)), 0.205, 0.305, 100)
    np.testing.assert_array_equal(shown.y, np.arange(20, 32))


def test_many_points_keep_their_extremes_and_gaps_do_not_spread() -> None:
    y = np.sin(np.arange(100_000) / 500)
    y[::7] = np.nan  # every pixel column holds a gap
    y[40_000:60_000] = np.nan
    y[12_345], y[77_777] = 9.0, -9.0
    shown = visible_part(make_trace(y), 0, 1000, 500)
    assert shown.y.size <= 1000
    assert np.nanmax(shown.y) == 9.0
    assert np.nanmin(shown.y) == -9.0
    missing = np.isnan(shown.y)
    assert missing.mean() == pytest.approx(0.2, abs=0.01)  # the long gap, and no other
    assert shown.x[missing].min() >= 399
    assert shown.x[missing].max() <= 601


@pytest.mark.parametrize(
    ("value", "text"),
    [(329.03, "329.0"), (12345.6, "12346"), (-0.51234, "-0.5123"), (0, "0.000"), (1e-5, "1e-05")],
)
def test_numbers_have_four_digits(value: float, text: str) -> None:
    assert format_value(value) == text


# ---- the widget


def test_an_empty_plot_says_what_to_do(plot: TracePlot) -> None:
    assert plot.is_empty
    assert text_of(plot, "velocity_plot_empty") == EMPTY_TEXT
    plot.set_model(PlotModel(), "Something else")
    assert text_of(plot, "velocity_plot_empty") == "Something else"
    plot.set_model(PlotModel((make_trace([1, 2]),)))
    assert not plot.is_empty
    assert plot.canvas.isVisible()


def test_axes_have_units(plot: TracePlot) -> None:
    plot.set_model(PlotModel((make_trace([1, 2, 3]),)))
    assert plot.canvas.getPlotItem().getAxis("bottom").labelText == "Time (s)"
    assert plot.canvas.getPlotItem().getAxis("left").labelText == "Velocity (µm/s)"
    plot.set_model(PlotModel((make_trace([1, 2], x_unit="lines", y_unit="px/line"),)))
    assert plot.canvas.getPlotItem().getAxis("bottom").labelText == "Time (lines)"
    assert plot.canvas.getPlotItem().getAxis("left").labelText == "Velocity (px/line)"


def test_the_caption_counts_windows(plot: TracePlot) -> None:
    traces = (
        make_trace([1, np.nan, 3]),
        make_trace([2.0], label="ROI 2 <b>", is_stale=True),
    )
    plot.set_model(PlotModel(traces, ("ROI 3",)))
    caption = text_of(plot, "velocity_plot_caption")
    assert "ROI 1: 3 windows, 1 not measured" in caption
    assert "ROI 2 <b>: 1 window, out of date" in caption
    assert "ROI 3 not shown" in caption


def test_many_traces_are_counted_together(plot: TracePlot) -> None:
    traces = tuple(make_trace([1, np.nan], label=f"ROI {i}") for i in range(30))
    plot.set_model(PlotModel(traces))
    assert text_of(plot, "velocity_plot_caption") == "30 ROIs: 60 windows, 30 not measured"
    assert len(plot.show_cursor(0.0)) == 30
    assert text_of(plot, "velocity_plot_readout").endswith("…")


def test_the_cursor_reads_values_and_reasons(plot: TracePlot) -> None:
    plot.set_model(PlotModel((make_trace([1, np.nan, 3]), make_trace([7, 8], label="ROI 2"))))
    assert plot.show_cursor(0.0) == ("ROI 1 at 0.00 s: 1.000 µm/s", "ROI 2 at 0.00 s: 7.000 µm/s")
    assert plot.show_cursor(0.011)[0] == "ROI 1 at 0.01 s: not measured (all pixels are equal)"
    assert "not measured" in text_of(plot, "velocity_plot_readout")
    assert plot.show_cursor(5.0) == ()
    plot.hide_cursor()
    assert text_of(plot, "velocity_plot_readout") == ""


def test_pointing_with_the_mouse_reads_the_trace(plot: TracePlot, qtbot: QtBot) -> None:
    plot.set_model(PlotModel((make_trace(np.full(100, 250.0)),)))
    view = plot.canvas.getPlotItem().getViewBox()
    spot = plot.canvas.mapFromScene(view.sceneBoundingRect().center())
    qtbot.mouseMove(plot.canvas.viewport(), spot)
    qtbot.waitUntil(lambda: "250.0 µm/s" in text_of(plot, "velocity_plot_readout"))


def test_the_whole_trace_is_in_view_until_the_user_zooms(plot: TracePlot, qtbot: QtBot) -> None:
    view = plot.canvas.getPlotItem().getViewBox()
    plot.set_model(PlotModel((make_trace(np.sin(np.arange(50_000.0))),)))

    def shows_all() -> bool:
        (x_min, x_max), (y_min, y_max) = view.viewRange()
        return bool(x_min <= 0 and 500 <= x_max < 520 and y_min <= -1 and 1 <= y_max < 1.5)

    qtbot.waitUntil(shows_all)
    view.setXRange(100, 110, padding=0)
    plot.set_model(PlotModel((make_trace(np.cos(np.arange(50_000.0))),)))  # run again
    assert view.viewRange()[0] == pytest.approx([100, 110])
    plot.canvas.getPlotItem().enableAutoRange()
    qtbot.waitUntil(shows_all)
    view.setXRange(100, 110, padding=0)
    plot.set_model(PlotModel((make_trace(np.ones(100)),)))  # something else
    qtbot.waitUntil(lambda: view.viewRange()[0][1] < 2)


def test_the_theme_colors_the_plot_and_lines_stay_visible(plot: TracePlot) -> None:
    from napari.utils.theme import get_theme
    from qtpy.QtGui import QColor

    plot.set_model(PlotModel((make_trace([1, 2], color="#F0E442"),)))
    for theme in ("light", "dark"):
        plot.set_theme(theme)
        background = QColor(get_theme(theme).background.as_hex())
        assert plot.canvas.backgroundBrush().color() == background
        color = readable_color(QColor("#F0E442"), background)
        assert color.name() in plot.findChild(object, "velocity_plot_caption").text()
    yellow = QColor("#F0E442")
    assert readable_color(yellow, QColor("#23242b")) == yellow
    assert readable_color(yellow, QColor("white")).lightness() < yellow.lightness()


# ---- intervals, rejected estimates, filtered values


def make_full_trace(num: int, **changes: Any) -> Trace:
    y = np.sin(np.arange(num) / 50) * 100 + 300
    y[::10] = np.nan
    rejected = np.full(num, np.nan)
    rejected[::10] = 1000.0
    band = (y - 5, y + 7)
    return make_trace(y, band=band, rejected=rejected, filtered=np.full(num, 300.0), **changes)


def test_the_table_gives_the_interval_and_the_rejected_estimates(k05: AcqImage) -> None:
    analysis = k05.analysis_set.run_analysis(KEY, {"window_width": 16, "min_confidence": 0.99})
    table = analysis.result.table
    assert table is not None
    trace = velocity_trace(k05, analysis)
    assert trace is not None
    assert trace.band is not None
    assert trace.rejected is not None
    is_accepted = (table["status"] == "ok").to_numpy()
    assert 0 < is_accepted.sum() < is_accepted.size
    low, high = trace.band
    np.testing.assert_array_equal(low[is_accepted], table["velocity_ci_low"][is_accepted])
    np.testing.assert_array_equal(high[is_accepted], table["velocity_ci_high"][is_accepted])
    assert np.isnan(low[~is_accepted]).all()
    np.testing.assert_array_equal(trace.rejected[~is_accepted], table["velocity_raw"][~is_accepted])
    assert np.isnan(trace.rejected[is_accepted]).all()


@pytest.mark.parametrize("num", [300, 50_000])
def test_what_goes_with_a_trace_is_reduced_like_it(num: int) -> None:
    shown = visible_part(make_full_trace(num), 0, num * 0.01, 400)
    for values in (shown.band_x, shown.rejected_x, shown.filtered_x):
        assert 0 < values.size <= 1600
    assert set(shown.rejected_y) == {1000.0}
    assert set(shown.filtered_y) == {300.0}
    held = np.isfinite(shown.band_low)
    assert (shown.band_high[held] - shown.band_low[held] >= 12 - 1e-9).all()


def test_far_rejected_estimates_do_not_change_the_view(plot: TracePlot) -> None:
    plot.set_model(PlotModel((make_full_trace(300),)))
    (_, _), (low, high) = plot.canvas.getPlotItem().getViewBox().viewRange()
    assert 150 < low < 210
    assert 390 < high < 450


def test_a_long_band_is_filled_without_gaps_and_seams(plot: TracePlot) -> None:
    from qtpy.QtCore import QPointF

    y = np.full(500, 300.0)
    plot.resize(700, 300)
    plot.set_model(PlotModel((make_trace(y, band=(y - 50, y + 50)),)))
    view = plot.canvas.getPlotItem().getViewBox()
    view.setYRange(200, 400)
    image = plot.canvas.grab().toImage()

    def colors(value: float) -> set[int]:
        times = np.linspace(0.02, 4.97, 2000)
        places = [plot.canvas.mapFromScene(view.mapViewToScene(QPointF(t, value))) for t in times]
        return {image.pixel(place) for place in places}

    assert len(colors(325)) == len(colors(275)) == 1
    assert colors(325) == colors(275) != colors(352)


def test_switches_are_offered_for_what_there_is(plot: TracePlot) -> None:
    from qtpy.QtGui import QAction

    def switch(part: str) -> QAction:
        action = plot.findChild(QAction, f"velocity_plot_{part}")
        assert action is not None
        return action

    plot.set_model(PlotModel((make_trace([1, 2, 3]),)))
    assert not any(switch(part).isVisible() for part in ("band", "rejected", "filtered"))
    plot.set_model(PlotModel((make_full_trace(100),)))
    assert all(switch(part).isVisible() for part in ("band", "rejected", "filtered"))
    before = plot.canvas.grab().toImage()
    switch("band").trigger()
    switch("filtered").trigger()
    assert plot.canvas.grab().toImage() != before


# ---- export


def test_values_are_exported_at_full_resolution_within_the_view() -> None:
    model = PlotModel((make_full_trace(50_000), make_trace([1, 2], label="ROI 2")))
    table = values_of(model, (1.0, 3.0))
    first = table[table["roi"] == "ROI 1"]
    assert len(first) == 201
    assert first["time (s)"].iloc[0] == 1.0
    np.testing.assert_allclose(first["high"].dropna() - first["low"].dropna(), 12)
    assert list(first["rejected"].dropna().unique()) == [1000.0]
    assert "velocity (um/s)" in table.columns
    assert values_of(PlotModel(), (0, 1)).empty


@pytest.mark.parametrize(("suffix", "start"), [("png", b"\x89PNG"), ("svg", b"<?xml")])
def test_a_figure_of_what_is_shown_is_written(tmp_path: Path, suffix: str, start: bytes) -> None:
    path = tmp_path / f"figure.{suffix}"
    shown = {"band": True, "rejected": True, "filtered": True}
    figure_of(PlotModel((make_full_trace(300),)), (0, 2), shown, path)
    assert path.read_bytes().startswith(start)


def test_the_export_menu_writes_the_file_that_was_chosen(
    plot: TracePlot, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from qtpy.QtGui import QAction
    from qtpy.QtWidgets import QFileDialog

    path = tmp_path / "shown"
    monkeypatch.setattr(QFileDialog, "getSaveFileName", lambda *_: (str(path), ""))
    plot.set_model(PlotModel((make_full_trace(300),)))
    for name in ("export_values", "export_figure"):
        action = plot.findChild(QAction, f"velocity_plot_{name}")
        assert action is not None
        action.trigger()
    assert len(pd.read_csv(path.with_suffix(".csv"))) == 300
    assert path.with_suffix(".svg").exists()


def test_figure_and_values_are_copied(plot: TracePlot) -> None:
    from qtpy.QtGui import QAction
    from qtpy.QtWidgets import QApplication

    clipboard = QApplication.clipboard()
    assert clipboard is not None
    plot.set_model(PlotModel((make_full_trace(300),)))

    def copy(name: str) -> None:
        action = plot.findChild(QAction, f"velocity_plot_{name}")
        assert action is not None
        action.trigger()

    copy("copy_values")
    lines = clipboard.text().splitlines()
    assert len(lines) == 301
    assert "\t" in lines[0]
    copy("copy_figure")
    assert clipboard.image().width() > 1000
