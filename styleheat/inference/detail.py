"""The portrait's detail in painted frames, on CPUs: what `StyleHEAT.forward` composes, in one pass, much faster.

For each pixel of the frame: the portrait, bicubic where the displacement says; what is painted, bilinear; the mask
between them. The weights are those of torch's `grid_sample` and `interpolate`, so that both compute the same.
"""

from concurrent.futures import ThreadPoolExecutor

import cv2
import numba
import numpy as np

CUBIC = np.float32(-0.75)
"""Of the cubic convolution kernel (Keys 1981), as torch has it."""

TAPS = 4
"""Pixels of the portrait, in each direction, that make one of the frame."""

MARGIN = 3
"""Pixels that the portrait's border is repeated, for the taps of places at its edge."""

CHANNELS = 4
"""Of a pixel of the portrait: red, green, blue and nothing, so that the taps of a row fill vector registers."""


class DetailComposer:
    """Composes the frames of one portrait."""

    def __init__(self, photo: np.ndarray, threads: int) -> None:
        """photo: (S,S,3) float32 in [-1,1]."""
        padded = np.pad(photo, ((MARGIN, MARGIN), (MARGIN, MARGIN), (0, 0)), mode="edge")
        self.photo = np.pad(padded, ((0, 0), (0, 0), (0, CHANNELS - 3))).ravel()
        self.size, self.threads = len(photo), threads
        self._pool = ThreadPoolExecutor(threads)

    def __call__(self, painted: np.ndarray, displacement: np.ndarray) -> np.ndarray:
        """What is painted (h,h,4), colours and the mask, and the displacement (2,g,g) in shares of the width;
        float32. The frame (S,S,3) uint8."""
        size = self.size
        frame = np.empty((size, 3 * size), np.uint8)
        painted, right, down = (
            cv2.resize(field, (size, size), interpolation=cv2.INTER_LINEAR) for field in (painted, *displacement)
        )
        rows = np.linspace(0, size, self.threads + 1).astype(int)

        def part(number: int) -> None:
            _compose(
                painted, right, down, self.photo, rows[number], rows[number + 1], frame, np.uint64(CHANNELS * TAPS)
            )

        list(self._pool.map(part, range(self.threads)))
        return frame.reshape(size, size, 3)


_fast = numba.njit(cache=True, nogil=True, fastmath=True, error_model="numpy")


@_fast
def _taps(places: np.ndarray, shares: np.ndarray, first: np.ndarray, weights: np.ndarray) -> None:
    """Of places in the portrait (S,), in pixels: the first tap in the padded portrait (S,), and the weights of the taps
    (TAPS,S) (Keys 1981), multiplied by shares (S,)."""
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
def _compose(
    painted: np.ndarray,
    right: np.ndarray,
    down: np.ndarray,
    photo: np.ndarray,
    first: int,
    last: int,
    frame: np.ndarray,
    lanes: np.uint64,
) -> None:
    """Rows first to last of a frame (S,3·S), of painted (S,S,4) and displacements (S,S). photo: padded, as one row.

    lanes: CHANNELS·TAPS, as an argument, because LLVM unrolls a loop of known length and then does not vectorise it;
    and all indices unsigned, because those that may be negative are wrapped first.
    """
    size = len(frame)
    one, low, high = np.float32(1), np.float32(0), np.float32(255)
    half, middle = np.float32(127.5), np.float32(128)
    stride = np.uint64(CHANNELS) * np.uint64(size + 2 * MARGIN)
    mask, all_of_it, places = np.empty(size, np.float32), np.ones(size, np.float32), np.empty(size, np.float32)
    column, row = np.empty(size, np.int32), np.empty(size, np.int32)
    a, b = np.empty((TAPS, size), np.float32), np.empty((TAPS, size), np.float32)
    a0, a1, a2, a3 = a[0], a[1], a[2], a[3]
    b0, b1, b2, b3 = b[0], b[1], b[2], b[3]
    sums = np.empty(CHANNELS * TAPS, np.float32)
    for y in range(first, last):
        for x in range(size):
            mask[x] = painted[y, x, 3]
            places[x] = np.float32(x) + np.float32(size) * right[y, x]
        _taps(places, all_of_it, column, a)
        for x in range(size):
            places[x] = np.float32(y) + np.float32(size) * down[y, x]
        _taps(places, mask, row, b)
        for x in range(np.uint64(size)):
            i = np.uint64(row[x]) * stride + np.uint64(CHANNELS) * np.uint64(column[x])
            j = i + stride
            k = j + stride
            m = k + stride
            p, q, r, s = b0[x], b1[x], b2[x], b3[x]
            for lane in range(lanes):
                sums[lane] = p * photo[i + lane] + q * photo[j + lane] + r * photo[k + lane] + s * photo[m + lane]
            rest = one - mask[x]
            p, q, r, s = a0[x], a1[x], a2[x], a3[x]
            for c in range(3):
                colour = rest * min(max(painted[y, x, c], -one), one)
                colour += p * sums[c] + q * sums[4 + c] + r * sums[8 + c] + s * sums[12 + c]
                frame[y, 3 * x + c] = np.uint8(min(max(colour * half + middle, low), high))
