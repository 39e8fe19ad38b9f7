"""Cross spectra of all pairs of lines of windows, compiled."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from napari_bloodflow.analysis.kernels._compile import compiled

if TYPE_CHECKING:
    from numpy.typing import NDArray

__all__ = ["correlation_spectra"]

_NARROW, _WIDE = 64, 128


def _products(tile: int) -> Any:
    """Compile products of lines of ``tile`` frequencies: the real parts, then the imaginary ones.

    To the compiler the number is a constant. So it knows that parts of an array do not overlap, and
    makes vectors of loops over many of them.
    """

    @compiled
    def add_one(early: NDArray[np.float32], late: NDArray[np.float32], total: Any) -> None:
        """Add the cross spectrum of two lines."""
        for k in range(tile):
            r, i = early[k], early[tile + k]
            s, j = late[k], late[tile + k]
            total[k] += r * s + i * j
            total[tile + k] += r * j - i * s

    @compiled
    def add_four(early: NDArray[np.float32], late: NDArray[np.float32], total: Any) -> None:
        """Add the cross spectra of two lines with two, and with the two that are one line later.

        Each number is read once for several products; reading takes longer than multiplying.
        """
        for k in range(tile):
            r0, i0 = early[k], early[tile + k]
            r1, i1 = early[2 * tile + k], early[3 * tile + k]
            s0, j0 = late[k], late[tile + k]
            s1, j1 = late[2 * tile + k], late[3 * tile + k]
            s2, j2 = late[4 * tile + k], late[5 * tile + k]
            total[k] += r0 * s0 + i0 * j0 + r1 * s1 + i1 * j1
            total[tile + k] += r0 * j0 - i0 * s0 + r1 * j1 - i1 * s1
            total[2 * tile + k] += r0 * s1 + i0 * j1 + r1 * s2 + i1 * j2
            total[3 * tile + k] += r0 * j1 - i0 * s1 + r1 * j2 - i1 * s2

    @compiled
    def write_sum(a: Any, b: Any, c: Any, d: Any, spectrum: NDArray[np.float32]) -> None:
        """Add four sums up, real and imaginary parts in turn."""
        for k in range(spectrum.size // 2):
            spectrum[2 * k] = a[k] + b[k] + c[k] + d[k]
            spectrum[2 * k + 1] = a[tile + k] + b[tile + k] + c[tile + k] + d[tile + k]

    return add_one, add_four, write_sum


_add_one_narrow, _add_four_narrow, _write_sum_narrow = _products(_NARROW)
_add_one_wide, _add_four_wide, _write_sum_wide = _products(_WIDE)


@compiled
def _add_one(
    early: NDArray[np.float32],
    late: NDArray[np.float32],
    size: int,
    t: int,
    lag: int,
    total: NDArray[np.float32],
) -> None:
    """Add the cross spectrum of a line with the one `lag` later."""
    u = t + lag
    if size == 2 * _NARROW:
        _add_one_narrow(early[t * size : (t + 1) * size], late[u * size : (u + 1) * size], total)
    else:
        _add_one_wide(early[t * size : (t + 1) * size], late[u * size : (u + 1) * size], total)


@compiled
def _add_pairs(
    early: NDArray[np.float32],
    late: NDArray[np.float32],
    size: int,
    first: int,
    last: int,
    lag: int,
    total: NDArray[np.float32],
) -> None:
    """Add the cross spectra of lines ``first .. last - 1`` with those `lag` and `lag` + 1 later."""
    t = first
    while t + 1 < last:
        u = t + lag
        two, three = early[t * size : (t + 2) * size], late[u * size : (u + 3) * size]
        if size == 2 * _NARROW:
            _add_four_narrow(two, three, total)
        else:
            _add_four_wide(two, three, total)
        t += 2
    if t < last:
        _add_one(early, late, size, t, lag, total[:size])
        _add_one(early, late, size, t, lag + 1, total[size:])


@compiled
def _add_block(
    early: NDArray[np.float32],
    late: NDArray[np.float32],
    size: int,
    block: int,
    num_blocks: int,
    step: int,
    parts: NDArray[np.float32],
) -> None:
    """Write the parts of one block for all lags; see `correlation_spectra`."""
    start, stop = block * step, (block + 1) * step
    for apart in range(min(4, num_blocks - block)):
        goes_on = apart < 3 and block + apart + 1 < num_blocks
        lag = max(1, apart * step)
        while lag < (apart + 1) * step:
            first = stop - (lag - apart * step)
            if lag + 1 == (apart + 1) * step:
                near = parts[0, (lag - 1) * size : lag * size]
                near[:] = 0.0
                for t in range(start, first):
                    _add_one(early, late, size, t, lag, near)
                if goes_on:
                    whole = parts[1, (lag - 1) * size : lag * size]
                    whole[:] = near
                    for t in range(first, stop):
                        _add_one(early, late, size, t, lag, whole)
            else:
                # At the greater of two lags one line less ends in the same block.
                near = parts[0, (lag - 1) * size : (lag + 1) * size]
                near[:] = 0.0
                _add_pairs(early, late, size, start, first - 1, lag, near)
                _add_one(early, late, size, first - 1, lag, near[:size])
                if goes_on:
                    whole = parts[1, (lag - 1) * size : (lag + 1) * size]
                    whole[:] = near
                    _add_one(early, late, size, first - 1, lag + 1, whole[size:])
                    _add_pairs(early, late, size, first, stop, lag, whole)
            lag += 2


@compiled
def _write_window(
    parts: NDArray[np.float32],
    nothing: NDArray[np.float32],
    window: int,
    step: int,
    low: int,
    high: int,
    spectra: NDArray[np.float32],
) -> None:
    """Add up what the blocks of a window contribute to each lag; see `correlation_spectra`."""
    size = nothing.size
    for lag in range(1, 4 * step):
        apart = lag // step
        here = slice((lag - 1) * size, lag * size)
        a = parts[(window + 3 - apart) % 4, 0, here]
        b = parts[window % 4, 1, here] if apart < 3 else nothing
        c = parts[(window + 1) % 4, 1, here] if apart < 2 else nothing
        d = parts[(window + 2) % 4, 1, here] if apart < 1 else nothing
        if size == 2 * _NARROW:
            _write_sum_narrow(a, b, c, d, spectra[window, lag - 1, 2 * low : 2 * high])
        else:
            _write_sum_wide(a, b, c, d, spectra[window, lag - 1, 2 * low : 2 * high])


@compiled
def correlation_spectra(
    early: NDArray[np.complex64],
    late: NDArray[np.complex64],
    step: int,
    spectra: NDArray[np.float32],
) -> None:
    """Add up, per window and lag, the cross spectra of all pairs of its lines.

    Windows are four blocks of ``step`` lines, one block apart. Every pair of lines is multiplied
    once, however many windows hold it.

    Parameters
    ----------
    early, late : ndarray of complex64, shape (lines, frequencies)
        Transforms of the lines, as the first and as the second of a pair; whole blocks.
    step : int
        Lines per block.
    spectra : ndarray of float32, shape (windows, 4 * step - 1, 2 * frequencies)
        Written: real and imaginary parts in turn.
    """
    num_windows = spectra.shape[0]
    num_blocks = num_windows + 3
    num_lines, num_k = num_blocks * step, early.shape[1]
    # Frequencies are independent: so many at a time as stay in fast memory.
    tile = _NARROW if num_k <= _NARROW else _WIDE
    size = 2 * tile
    # Of the last four blocks: the pairs that begin in the block and end `apart` blocks on, and
    # those together with the ones that end in the block after that.
    parts = np.empty((4, 2, (4 * step - 1) * size), np.float32)
    nothing = np.zeros(size, np.float32)
    first = np.zeros((num_lines, 2, tile), np.float32)
    second = np.zeros((num_lines, 2, tile), np.float32)
    for low in range(0, num_k, tile):
        high = min(low + tile, num_k)
        first[:, 0, : high - low] = early[:num_lines, low:high].real
        first[:, 1, : high - low] = early[:num_lines, low:high].imag
        second[:, 0, : high - low] = late[:num_lines, low:high].real
        second[:, 1, : high - low] = late[:num_lines, low:high].imag
        for block in range(num_blocks):
            _add_block(
                first.reshape(num_lines * size),
                second.reshape(num_lines * size),
                size,
                block,
                num_blocks,
                step,
                parts[block % 4],
            )
            if block >= 3:
                _write_window(parts, nothing, block - 3, step, low, high, spectra)
