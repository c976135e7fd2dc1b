"""The portrait's detail in painted frames, on CPUs: what `StyleHEAT.forward` composes, in one pass, much faster.

For each pixel of the frame: the portrait, bicubic where the displacement says; what is painted, bilinear; the mask
between them. The weights are those of torch's `grid_sample` and `interpolate`, so that both compute the same.
"""

import math
from concurrent.futures import ThreadPoolExecutor

import numba
import numpy as np

CUBIC = np.float32(-0.75)
"""Of the cubic convolution kernel (Keys 1981), as torch has it."""

NOTHING = np.float32(1 / 1024)
"""Masks less than this from 0 or 1 are that: half of one of the 255 shades takes twice as much."""

MARGIN = 3
"""Pixels that the portrait's border is repeated, for the taps of places at its edge."""


class DetailComposer:
    """Composes the frames of one portrait."""

    def __init__(self, photo: np.ndarray, threads: int) -> None:
        """photo: (S,S,3) float32 in [-1,1]."""
        self.photo = np.pad(photo, ((MARGIN, MARGIN), (MARGIN, MARGIN), (0, 0)), mode="edge")
        self.size, self.threads = len(photo), threads
        self._pool = ThreadPoolExecutor(threads)

    def __call__(self, painted: np.ndarray, displacement: np.ndarray) -> np.ndarray:
        """What is painted (h,h,4), colours in [-1,1] and the mask, and the displacement (g,g,2) in shares of the width;
        float32. The frame (S,S,3) uint8."""
        frame = np.empty((self.size, self.size, 3), np.uint8)
        rows = np.linspace(0, self.size, self.threads + 1).astype(int)
        columns = _cells(self.size, painted.shape[1]), _cells(self.size, displacement.shape[1])

        def part(number: int) -> None:
            _compose(painted, displacement, self.photo, *columns, rows[number], rows[number + 1], frame)

        list(self._pool.map(part, range(self.threads)))
        return frame


Cells = tuple[np.ndarray, np.ndarray, np.ndarray]


def _cells(size: int, cells: int) -> Cells:
    """For each of `size` pixels the two cells around its middle, and the weight of the second, as `interpolate` has
    them."""
    at = np.maximum((np.arange(size) + 0.5) * (cells / size) - 0.5, 0)
    low = at.astype(np.int64)
    return low, np.minimum(low + 1, cells - 1), (at - low).astype(np.float32)


@numba.njit(cache=True, nogil=True, fastmath=True)
def _cubic(t: np.float32) -> tuple[np.floating, np.floating, np.floating, np.floating]:
    """Weights of the four samples around a place that is t beyond the second."""
    one, two, three = np.float32(1), np.float32(2), np.float32(3)
    five, eight, four = np.float32(5) * CUBIC, np.float32(8) * CUBIC, np.float32(4) * CUBIC
    before, after, last = t + one, one - t, two - t
    return (
        ((CUBIC * before - five) * before + eight) * before - four,
        ((CUBIC + two) * t - (CUBIC + three)) * t * t + one,
        ((CUBIC + two) * after - (CUBIC + three)) * after * after + one,
        ((CUBIC * last - five) * last + eight) * last - four,
    )


@numba.njit(cache=True, nogil=True, fastmath=True)
def _along(
    photo: np.ndarray, row: int, column: int, k: int, a: np.floating, b: np.floating, c: np.floating, d: np.floating
) -> np.floating:
    """Four samples of a row, weighted."""
    return (
        a * photo[row, column, k]
        + b * photo[row, column + 1, k]
        + c * photo[row, column + 2, k]
        + d * photo[row, column + 3, k]
    )


@numba.njit(cache=True, nogil=True, fastmath=True)
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
    """Rows first to last of a frame."""
    one, size = np.float32(1), frame.shape[0]
    width, edge = np.float32(size), np.float32(size - 1)
    for y in range(first, last):
        top, bottom, py = painted_cells[0][y], painted_cells[1][y], painted_cells[2][y]
        above, below, gy = displacement_cells[0][y], displacement_cells[1][y], displacement_cells[2][y]
        for x in range(size):
            i, j, px = painted_cells[0][x], painted_cells[1][x], painted_cells[2][x]
            p, q, r, s = (one - py) * (one - px), (one - py) * px, py * (one - px), py * px
            mask = (
                p * painted[top, i, 3] + q * painted[top, j, 3] + r * painted[bottom, i, 3] + s * painted[bottom, j, 3]
            )
            red = green = blue = np.float32(0)
            if mask < one - NOTHING:
                rest = one - mask
                p, q, r, s = p * rest, q * rest, r * rest, s * rest
                for k in range(3):
                    value = p * painted[top, i, k] + q * painted[top, j, k]
                    value += r * painted[bottom, i, k] + s * painted[bottom, j, k]
                    if k == 0:
                        red = value
                    elif k == 1:
                        green = value
                    else:
                        blue = value
            else:
                mask = one
            if mask > NOTHING:
                i, j, gx = displacement_cells[0][x], displacement_cells[1][x], displacement_cells[2][x]
                p, q, r, s = (one - gy) * (one - gx), (one - gy) * gx, gy * (one - gx), gy * gx
                at_x = p * displacement[above, i, 0] + q * displacement[above, j, 0]
                at_x = np.float32(x) + width * (at_x + r * displacement[below, i, 0] + s * displacement[below, j, 0])
                at_y = p * displacement[above, i, 1] + q * displacement[above, j, 1]
                at_y = np.float32(y) + width * (at_y + r * displacement[below, i, 1] + s * displacement[below, j, 1])
                # Beyond the border all taps see its last pixel.
                at_x, at_y = min(max(at_x, -one), edge + one), min(max(at_y, -one), edge + one)
                column, row = math.floor(at_x), math.floor(at_y)
                row, column = int(row) + MARGIN - 1, int(column) + MARGIN - 1
                a, b, c, d = _cubic(at_x - np.float32(math.floor(at_x)))
                e, f, g, h = _cubic(at_y - np.float32(math.floor(at_y)))
                e, f, g, h = mask * e, mask * f, mask * g, mask * h
                for k in range(3):
                    value = e * _along(photo, row, column, k, a, b, c, d)
                    value += f * _along(photo, row + 1, column, k, a, b, c, d)
                    value += g * _along(photo, row + 2, column, k, a, b, c, d)
                    value += h * _along(photo, row + 3, column, k, a, b, c, d)
                    if k == 0:
                        red += value
                    elif k == 1:
                        green += value
                    else:
                        blue += value
            half = np.float32(127.5)
            frame[y, x, 0] = np.uint8(min(max(red * half + half + np.float32(0.5), np.float32(0)), np.float32(255)))
            frame[y, x, 1] = np.uint8(min(max(green * half + half + np.float32(0.5), np.float32(0)), np.float32(255)))
            frame[y, x, 2] = np.uint8(min(max(blue * half + half + np.float32(0.5), np.float32(0)), np.float32(255)))
