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

    return add_one, add_four


_add_one_narrow, _add_four_narrow = _products(_NARROW)
_add_one_wide, _add_four_wide = _products(_WIDE)


@compiled
def _add_one(
    lines: NDArray[np.float32], size: int, t: int, lag: int, total: NDArray[np.float32]
) -> None:
    """Add the cross spectrum of a line with the one `lag` later."""
    early, late = lines[t * size : (t + 1) * size], lines[(t + lag) * size : (t + lag + 1) * size]
    if size == 2 * _NARROW:
        _add_one_narrow(early, late, total)
    else:
        _add_one_wide(early, late, total)


@compiled
def _add_pairs(
    lines: NDArray[np.float32],
    size: int,
    first: int,
    last: int,
    lag: int,
    total: NDArray[np.float32],
) -> None:
    """Add the cross spectra of lines ``first .. last - 1`` with those `lag` and `lag` + 1 later."""
    t = first
    while t + 1 < last:
        early = lines[t * size : (t + 2) * size]
        late = lines[(t + lag) * size : (t + lag + 3) * size]
        if size == 2 * _NARROW:
            _add_four_narrow(early, late, total)
        else:
            _add_four_wide(early, late, total)
        t += 2
    if t < last:
        _add_one(lines, size, t, lag, total[:size])
        _add_one(lines, size, t, lag + 1, total[size:])


@compiled
def _add_block(
    lines: NDArray[np.float32],
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
                    _add_one(lines, size, t, lag, near)
                if goes_on:
                    whole = parts[1, (lag - 1) * size : lag * size]
                    whole[:] = near
                    for t in range(first, stop):
                        _add_one(lines, size, t, lag, whole)
            else:
                # At the greater of two lags one line less ends in the same block.
                near = parts[0, (lag - 1) * size : (lag + 1) * size]
                near[:] = 0.0
                _add_pairs(lines, size, start, first - 1, lag, near)
                _add_one(lines, size, first - 1, lag, near[:size])
                if goes_on:
                    whole = parts[1, (lag - 1) * size : (lag + 1) * size]
                    whole[:] = near
                    _add_one(lines, size, first - 1, lag + 1, whole[size:])
                    _add_pairs(lines, size, first, stop, lag, whole)
            lag += 2


@compiled
def _add_up(
    first: NDArray[np.float32],
    second: NDArray[np.float32],
    third: NDArray[np.float32],
    fourth: NDArray[np.float32],
    total: NDArray[np.float32],
) -> None:
    for k in range(total.size):
        total[k] = first[k] + second[k] + third[k] + fourth[k]


@compiled
def _shift(
    real: NDArray[np.float32],
    imag: NDArray[np.float32],
    transfer_real: NDArray[np.float32],
    transfer_imag: NDArray[np.float32],
    spectrum: NDArray[np.complex64],
) -> None:
    for k in range(spectrum.size):
        spectrum[k] = complex(
            real[k] * transfer_real[k] - imag[k] * transfer_imag[k],
            real[k] * transfer_imag[k] + imag[k] * transfer_real[k],
        )


@compiled
def correlation_spectra(
    transform: NDArray[np.complex64],
    step: int,
    transfer: NDArray[np.complex64],
    spectra: NDArray[np.complex64],
) -> None:
    """Add up, per window and lag, the cross spectra of all pairs of its lines.

    Windows are four blocks of ``step`` lines, one block apart. Every pair of lines is multiplied
    once, however many windows hold it.

    Parameters
    ----------
    transform : ndarray of complex64, shape (lines, frequencies)
        Transforms of the lines; a whole number of blocks.
    step : int
        Lines per block.
    transfer : ndarray of complex64, shape (frequencies,)
        Factor of each frequency.
    spectra : ndarray of complex64, shape (windows, 4 * step - 1, frequencies)
        Written.
    """
    num_windows = spectra.shape[0]
    num_lags = 4 * step - 1
    num_lines = (num_windows + 3) * step
    num_k = transform.shape[1]
    # Frequencies are independent: so many at a time as stay in fast memory.
    tile = _NARROW if num_k <= _NARROW else _WIDE
    size = 2 * tile
    # Of the last four blocks: the pairs that begin in the block and end `apart` blocks on, and
    # those together with the ones that end in the block after that.
    parts = np.empty((4, 2, num_lags * size), np.float32)
    nothing = np.zeros(size, np.float32)
    total = np.empty(size, np.float32)
    factor = np.zeros((2, tile), np.float32)
    lines = np.zeros((num_lines, 2, tile), np.float32)
    flat = lines.reshape(num_lines * size)
    for low in range(0, num_k, tile):
        num = min(tile, num_k - low)
        lines[:, 0, :num] = transform[:num_lines, low : low + num].real
        lines[:, 1, :num] = transform[:num_lines, low : low + num].imag
        factor[0, :num] = transfer[low : low + num].real
        factor[1, :num] = transfer[low : low + num].imag
        for block in range(num_windows + 3):
            _add_block(flat, size, block, num_windows + 3, step, parts[block % 4])
            window = block - 3
            if window < 0:
                continue
            for lag in range(1, num_lags + 1):
                apart = lag // step
                here = slice((lag - 1) * size, lag * size)
                _add_up(
                    parts[(window + 3 - apart) % 4, 0, here],
                    parts[window % 4, 1, here] if apart < 3 else nothing,
                    parts[(window + 1) % 4, 1, here] if apart < 2 else nothing,
                    parts[(window + 2) % 4, 1, here] if apart < 1 else nothing,
                    total,
                )
                _shift(
                    total[:num],
                    total[tile : tile + num],
                    factor[0],
                    factor[1],
                    spectra[window, lag - 1, low : low + num],
                )
