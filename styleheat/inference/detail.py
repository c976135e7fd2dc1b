"""The portrait's detail in painted frames, on CPUs: what `StyleHEAT.forward` composes, in one pass, much faster.

For each pixel of the frame: the portrait, bicubic where the displacement says; what is painted, bilinear; the mask
between them. The weights are those of torch's `grid_sample` and `interpolate`, so that both compute the same.
"""

from concurrent.futures import ThreadPoolExecutor

import numba
import numpy as np

CUBIC = np.float32(-0.75)
"""Of the cubic convolution kernel (Keys 1981), as torch has it."""

TAPS = 4
"""Pixels of the portrait, in each direction, that make one of the frame."""

MARGIN = 3
"""Pixels that the portrait's border is repeated, for the taps of places at its edge."""


class DetailComposer:
    """Composes the frames of one portrait."""

    def __init__(self, photo: np.ndarray, threads: int) -> None:
        """photo: (S,S,3) float32 in [-1,1]."""
        # A fourth channel, so that the taps of a row are a full vector register.
        padded = np.pad(photo, ((MARGIN, MARGIN), (MARGIN, MARGIN), (0, 0)), mode="edge")
        self.photo = np.pad(padded, ((0, 0), (0, 0), (0, 1))).reshape(len(padded), -1)
        self.size, self.threads = len(photo), threads
        self._pool = ThreadPoolExecutor(threads)

    def __call__(self, painted: np.ndarray, displacement: np.ndarray) -> np.ndarray:
        """What is painted (h,h,4), colours in [-1,1] and the mask, and the displacement (2,g,g) in shares of the width;
        float32. The frame (S,S,3) uint8."""
        frame = np.empty((self.size, self.size * 3), np.uint8)
        rows = np.linspace(0, self.size, self.threads + 1).astype(int)
        cells = _cells(self.size, len(painted)), _cells(self.size, displacement.shape[1])

        def part(number: int) -> None:
            _compose(painted, displacement, self.photo, *cells, rows[number], rows[number + 1], frame)

        list(self._pool.map(part, range(self.threads)))
        return frame.reshape(self.size, self.size, 3)


Cells = tuple[np.ndarray, np.ndarray, np.ndarray]


def _cells(size: int, cells: int) -> Cells:
    """For each of `size` pixels the two cells around its middle, and the weight of the second, as `interpolate` has
    them."""
    at = np.maximum((np.arange(size) + 0.5) * (cells / size) - 0.5, 0)
    low = at.astype(np.int32)
    return low, np.minimum(low + 1, cells - 1).astype(np.int32), (at - low).astype(np.float32)


_fast = numba.njit(cache=True, nogil=True, fastmath=True, error_model="numpy")


@_fast
def _between(line: np.ndarray, cells: Cells, values: np.ndarray) -> None:
    """A line (g,) of cells, interpolated at each pixel."""
    low, high, weight = cells
    for x in range(len(values)):
        values[x] = line[low[x]] + weight[x] * (line[high[x]] - line[low[x]])


@_fast
def _taps(places: np.ndarray, shares: np.ndarray, first: np.ndarray, weights: np.ndarray) -> None:
    """Of places in the portrait (S,), in pixels: the first tap in the padded portrait (S,), and the weights of TAPS of
    them (TAPS,S) (Keys 1981), multiplied by shares (S,)."""
    one, two, three = np.float32(1), np.float32(2), np.float32(3)
    size = np.float32(len(places))
    for x in range(len(places)):
        # Beyond the border all taps see its last pixel.
        place = min(max(places[x], -one), size) + np.float32(MARGIN)
        whole = np.int32(place)
        t = place - np.float32(whole)
        u, share = one - t, shares[x]
        first[x] = whole - 1
        weights[0, x] = CUBIC * t * u * u * share
        weights[1, x] = (((CUBIC + two) * t - (CUBIC + three)) * t * t + one) * share
        weights[2, x] = (((CUBIC + two) * u - (CUBIC + three)) * u * u + one) * share
        weights[3, x] = CUBIC * u * t * t * share


@_fast
def _add_taps(
    photo: np.ndarray,
    column: np.ndarray,
    row: np.ndarray,
    a: np.ndarray,
    b: np.ndarray,
    mask: np.ndarray,
    colours: np.ndarray,
) -> None:
    """Leave 1 - mask of the colours (S,4), and add the portrait's taps, weighted by a across and b down (TAPS,S)."""
    a0, a1, a2, a3 = a[0], a[1], a[2], a[3]
    b0, b1, b2, b3 = b[0], b[1], b[2], b[3]
    sums = np.empty(4 * TAPS, np.float32)
    for x in range(len(mask)):
        c, r = 4 * column[x], row[x]
        first, second, third, fourth = photo[r], photo[r + 1], photo[r + 2], photo[r + 3]
        b0x, b1x, b2x, b3x = b0[x], b1[x], b2[x], b3[x]
        for k in range(4 * TAPS):  # in one or two registers
            sums[k] = b0x * first[c + k] + b1x * second[c + k] + b2x * third[c + k] + b3x * fourth[c + k]
        rest = np.float32(1) - mask[x]
        for k in range(4):
            colours[x, k] = (
                rest * colours[x, k]
                + a0[x] * sums[k]
                + a1[x] * sums[4 + k]
                + a2[x] * sums[8 + k]
                + a3[x] * sums[12 + k]
            )


@_fast
def _compose(
    painted: np.ndarray,
    displacement: np.ndarray,
    photo: np.ndarray,
    painted_cells: Cells,
    displacement_cells: Cells,
    first: int,
    last: int,
    frame: np.ndarray,
) -> None:
    """Rows first to last of a frame (S,3·S). photo: padded, (S+2·MARGIN, 4·(S+2·MARGIN))."""
    size, cells = len(frame), displacement.shape[1]
    one, half, width = np.float32(1), np.float32(127.5), np.float32(size)
    painted_line, line = np.empty((painted.shape[1], 4), np.float32), np.empty(cells, np.float32)
    colours, mask, all_of_it = np.empty((size, 4), np.float32), np.empty(size, np.float32), np.ones(size, np.float32)
    across, down = np.empty(size, np.float32), np.empty(size, np.float32)
    column, row = np.empty(size, np.int32), np.empty(size, np.int32)
    a, b = np.empty((TAPS, size), np.float32), np.empty((TAPS, size), np.float32)
    low, high, weight = painted_cells
    above, below, share = displacement_cells
    for y in range(first, last):
        for i in range(len(painted_line)):
            for k in range(4):
                value = painted[low[y], i, k]
                painted_line[i, k] = value + weight[y] * (painted[high[y], i, k] - value)
        for x in range(size):
            for k in range(4):  # the mask's range is the colours', or less
                value = painted_line[low[x], k]
                value += weight[x] * (painted_line[high[x], k] - value)
                colours[x, k] = min(max(value, -one), one)
            mask[x] = colours[x, 3]

        for axis, places in ((0, across), (1, down)):
            for i in range(cells):
                value = displacement[axis, above[y], i]
                line[i] = value + share[y] * (displacement[axis, below[y], i] - value)
            _between(line, displacement_cells, places)
        for x in range(size):
            across[x] = np.float32(x) + width * across[x]
            down[x] = np.float32(y) + width * down[x]
        _taps(across, all_of_it, column, a)
        _taps(down, mask, row, b)

        _add_taps(photo, column, row, a, b, mask, colours)
        for x in range(size):
            for k in range(3):
                shade = colours[x, k] * half + np.float32(128)
                frame[y, 3 * x + k] = np.uint8(min(max(shade, np.float32(0)), np.float32(255)))
