"""Axes that figures are drawn on, without a display and without pyplot."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pathlib import Path

    from matplotlib.axes import Axes
    from numpy.typing import ArrayLike

__all__ = ["line_at", "new_axes", "save_figure"]


def line_at(ax: Axes, times: ArrayLike, values: ArrayLike, label: str) -> None:
    """Add a thin reference line, such as a known truth."""
    ax.plot(times, values, color="black", linewidth=0.6, alpha=0.6, label=label)
    ax.legend(loc="upper right", frameon=False)


def save_figure(ax: Axes, path: Path, *, dpi: int = 150) -> None:
    """Write the figure of some axes; the extension says the format (png, svg, pdf).

    Parameters
    ----------
    ax : matplotlib.axes.Axes
        Any axes of the figure.
    path : pathlib.Path
        Where to.
    dpi : int
        Dots per inch of a pixel format.
    """
    figure = ax.get_figure(root=True)
    if figure is not None:
        figure.savefig(path, dpi=dpi)


def new_axes(width: float, height: float) -> Axes:
    """Return the axes of a new figure.

    Parameters
    ----------
    width, height : float
        Size in inches.
    """
    # The object interface needs no display and leaves no figure registered with pyplot.
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    figure = Figure(figsize=(width, height), layout="constrained")
    FigureCanvasAgg(figure)
    return figure.add_subplot()
