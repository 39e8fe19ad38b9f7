"""How a kymograph is cut into overlapping windows of lines.

A window is ``window_width`` consecutive rows and all columns; the next window starts a quarter of
that further on, so every row away from the ends is seen by four windows. The layout, and the time
given to a window, are those of CloudScope's ``radon_velocity`` tables, so that results can be
compared row by row.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

__all__ = [
    "check_window_width",
    "num_windows",
    "window_center_index",
    "window_rows",
    "window_step",
]

_MIN_WINDOW_WIDTH = 8
_WINDOWS_PER_ROW = 4


def check_window_width(window_width: int) -> None:
    """Refuse a window width that the layout cannot hold.

    Parameters
    ----------
    window_width : int
        Rows (lines) per window.

    Raises
    ------
    ValueError
        If it is not a whole number, is below 8, or is not a multiple of 4 (a quarter of it is the
        step).
    """
    value: object = window_width  # callers without a type checker pass floats and text
    whole = isinstance(value, (int, np.integer))
    if not whole or window_width < _MIN_WINDOW_WIDTH or window_width % _WINDOWS_PER_ROW:
        raise ValueError(
            f"the window width must be a whole number of lines, a multiple of {_WINDOWS_PER_ROW} "
            f"and at least {_MIN_WINDOW_WIDTH}; it is {window_width!r}"
        )


def window_step(window_width: int) -> int:
    """Rows from the start of one window to the start of the next: ``window_width / 4``.

    Parameters
    ----------
    window_width : int
        Rows per window, a multiple of 4 and at least 8.

    Returns
    -------
    int
        The step in rows.

    Raises
    ------
    ValueError
        If the window width is not allowed, see `check_window_width`.
    """
    check_window_width(window_width)
    return int(window_width) // _WINDOWS_PER_ROW


def num_windows(num_rows: int, window_width: int) -> int:
    """How many whole windows fit: ``floor(num_rows / step) - 3``, and 0 when not even one does.

    Parameters
    ----------
    num_rows : int
        Rows (lines) of the kymograph.
    window_width : int
        Rows per window, a multiple of 4 and at least 8.

    Returns
    -------
    int
        Number of windows.

    Raises
    ------
    ValueError
        If the window width is not allowed, see `check_window_width`.
    """
    return max(0, num_rows // window_step(window_width) - (_WINDOWS_PER_ROW - 1))


def window_rows(start: int, stop: int, window_width: int) -> slice:
    """Rows covered by the windows ``start .. stop - 1`` together.

    Cutting these rows out and measuring them alone gives exactly those windows, so a long recording
    can be shared between workers.

    Parameters
    ----------
    start, stop : int
        First window and the one after the last; ``start < stop``.
    window_width : int
        Rows per window, a multiple of 4 and at least 8.

    Returns
    -------
    slice
        Half-open range of rows.

    Raises
    ------
    ValueError
        If the range is empty or negative, or the window width is not allowed.
    """
    step = window_step(window_width)
    if not 0 <= start < stop:
        raise ValueError(f"there are no windows from {start} up to {stop}")
    return slice(start * step, (stop - 1) * step + int(window_width))


def window_center_index(num: int, window_width: int) -> NDArray[np.float64]:
    """Row index that stands for each window: ``k * step + window_width / 2``.

    The mean row index of window k is half a row earlier, ``k * step + (window_width - 1) / 2``; the
    value here is the one in CloudScope's ``time_index`` column. Multiply by the line time for
    seconds.

    Parameters
    ----------
    num : int
        Number of windows.
    window_width : int
        Rows per window, a multiple of 4 and at least 8.

    Returns
    -------
    ndarray of float64, shape (num,)
        Row index, in lines.

    Raises
    ------
    ValueError
        If the window width is not allowed, see `check_window_width`.
    """
    return np.arange(num, dtype=np.float64) * window_step(window_width) + window_width / 2
