"""What a plot shows, as a figure for papers and as a table of values."""

from __future__ import annotations

from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd
from napari.utils.notifications import show_error, show_info
from qtpy.QtGui import QGuiApplication, QImage
from qtpy.QtWidgets import QFileDialog

if TYPE_CHECKING:
    from collections.abc import Mapping

    from qtpy.QtWidgets import QWidget

    from napari_bloodflow._napari.plots.plot_model import PlotModel

__all__ = [
    "copy_figure",
    "copy_values",
    "export_figure",
    "export_values",
    "figure_of",
    "values_of",
]

_FIGURE_FILTER = "Vector graphics (*.svg *.pdf);;Picture (*.png)"
_TABLE_FILTER = "Table (*.csv)"
_NO_MATPLOTLIB = (
    "Figures need matplotlib, which is not installed: pip install napari-bloodflow[plot]"
)


def values_of(model: PlotModel, x_range: tuple[float, float]) -> pd.DataFrame:
    """Return the points of a plot within a range, at full resolution.

    Parameters
    ----------
    model : PlotModel
        What is plotted.
    x_range : tuple of float
        First and last time, in the units of the traces.

    Returns
    -------
    DataFrame
        One row a point: ``roi``, the time and the value, both with their units in the column's
        name, ``status``, and where there are any ``low``, ``high``, ``rejected``, ``filtered``.
    """
    parts = []
    for trace in model.traces:
        first, last = x_range
        view = slice(np.searchsorted(trace.x, first), np.searchsorted(trace.x, last, "right"))
        columns = {
            "roi": trace.label,
            f"time ({trace.x_unit})": trace.x[view],
            f"{model.quantity.lower()} ({trace.y_unit})": trace.y[view],
            "status": trace.status[view],
        }
        if trace.band is not None:
            columns["low"], columns["high"] = (end[view] for end in trace.band)
        for name in ("rejected", "filtered"):
            values = getattr(trace, name)
            if values is not None:
                columns[name] = values[view]
        parts.append(pd.DataFrame(columns))
    return pd.concat(parts, ignore_index=True) if parts else pd.DataFrame()


def figure_of(
    model: PlotModel, x_range: tuple[float, float], shown: Mapping[str, bool], path: Path
) -> None:
    """Write a figure of a plot; the file's extension says the format.

    Parameters
    ----------
    model : PlotModel
        What is plotted.
    x_range : tuple of float
        First and last time, in the units of the traces.
    shown : mapping of str to bool
        Which of ``band``, ``rejected`` and ``filtered`` to draw.
    path : pathlib.Path
        Where to: png, svg or pdf.

    Raises
    ------
    ImportError
        If matplotlib is not installed.
    """
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    figure = Figure(figsize=(8, 3), layout="constrained")
    FigureCanvasAgg(figure)
    axes = figure.add_subplot()
    for trace in model.traces:
        axes.plot(trace.x, trace.y, color=trace.color, linewidth=0.8, label=trace.label)
        if shown["band"] and trace.band is not None:
            axes.fill_between(trace.x, *trace.band, color=trace.color, alpha=0.25, linewidth=0)
        if shown["filtered"] and trace.filtered is not None:
            axes.plot(trace.x, trace.filtered, color="black", linewidth=0.6)
    low, high = axes.get_ylim()
    for trace in model.traces:
        if shown["rejected"] and trace.rejected is not None:
            axes.plot(trace.x, trace.rejected, "o", color="0.6", markersize=2, fillstyle="none")
    # Rejected estimates may be far off.
    axes.set_ylim(low, high)
    axes.set_xlim(*x_range)
    axes.set_xlabel(model.x_label)
    axes.set_ylabel(model.y_label)
    if len(model.traces) > 1:
        axes.legend(loc="upper right", frameon=False)
    figure.savefig(path, dpi=300)


def export_figure(
    parent: QWidget, model: PlotModel, x_range: tuple[float, float], shown: Mapping[str, bool]
) -> None:
    """Ask for a file and write a figure of what is shown."""
    path = _chosen_path(parent, "Export figure", _FIGURE_FILTER, ".svg")
    if path is None:
        return
    try:
        figure_of(model, x_range, shown, path)
    except ImportError:
        show_error(_NO_MATPLOTLIB)
    except (OSError, ValueError) as error:
        show_error(f"{path.name} was not written: {error}")
    else:
        show_info(f"Figure written to {path}")


def export_values(parent: QWidget, model: PlotModel, x_range: tuple[float, float]) -> None:
    """Ask for a file and write a table of what is shown."""
    path = _chosen_path(parent, "Export values", _TABLE_FILTER, ".csv")
    if path is None:
        return
    try:
        values_of(model, x_range).to_csv(path, index=False)
    except OSError as error:
        show_error(f"{path.name} was not written: {error}")
    else:
        show_info(f"Values written to {path}")


def copy_figure(model: PlotModel, x_range: tuple[float, float], shown: Mapping[str, bool]) -> None:
    """Put a picture of what is shown on the clipboard, the figure that is exported too."""
    with TemporaryDirectory() as folder:
        path = Path(folder) / "figure.png"
        try:
            figure_of(model, x_range, shown, path)
        except ImportError:
            show_error(_NO_MATPLOTLIB)
            return
        picture = QImage(str(path))
    if (clipboard := QGuiApplication.clipboard()) is not None:
        clipboard.setImage(picture)
        show_info("Figure copied")


def copy_values(model: PlotModel, x_range: tuple[float, float]) -> None:
    """Put the values that are shown on the clipboard, for a spreadsheet."""
    if (clipboard := QGuiApplication.clipboard()) is not None:
        clipboard.setText(values_of(model, x_range).to_csv(sep="\t", index=False))
        show_info("Values copied")


def _chosen_path(parent: QWidget, title: str, kinds: str, suffix: str) -> Path | None:
    name, _ = QFileDialog.getSaveFileName(parent, title, "", kinds)
    if not name:
        return None
    path = Path(name)
    return path if path.suffix else path.with_suffix(suffix)
