"""The portrait's detail in painted frames, on CPUs: what `StyleHEAT.forward` composes, in one pass, much faster.

For each pixel of the frame: the portrait, bicubic where the displacement says; what is painted, bilinear; the mask
between them. The weights are those of torch's `grid_sample` and `interpolate`, so that both compute the same.
"""

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import cv2
import numba
import numpy as np
from llvmlite import ir
from numba.core import types
from numba.extending import intrinsic

CUBIC = np.float32(-0.75)
"""Of the cubic convolution kernel (Keys 1981), as torch has it."""

TAPS = 4
"""Pixels of the portrait, in each direction, that make one of the frame."""

MARGIN = 3
"""Pixels that the portrait's border is repeated, for the taps of places at its edge."""

CHANNELS = 4
"""Of a pixel of the portrait: red, green, blue and nothing, so that the taps of a row fill a vector register."""


class DetailComposer:
    """Composes the frames of one portrait."""

    def __init__(self, photo: np.ndarray, threads: int, around: int = 0) -> None:
        """photo: (W,W,3) float32 in [-1,1], the portrait with `around` pixels more on each side than frames have."""
        padded = np.pad(photo, ((MARGIN, MARGIN), (MARGIN, MARGIN), (0, 0)), mode="edge")
        self.photo = np.pad(padded, ((0, 0), (0, 0), (0, CHANNELS - 3))).ravel()
        self.size, self.around, self.threads = len(photo) - 2 * around, around, threads
        self._pool = ThreadPoolExecutor(threads)

    def __call__(self, painted: np.ndarray, displacement: np.ndarray) -> np.ndarray:
        """What is painted (h,h,4), colours and the mask, and the displacement (2,g,g) in shares of the width;
        float32. The frame (S,S,3) uint8."""
        size = self.size
        frame = np.empty((size, size, CHANNELS), np.uint8)
        painted, right, down = (
            field if len(field) == size else cv2.resize(field, (size, size), interpolation=cv2.INTER_LINEAR)
            for field in (painted, *displacement)
        )
        rows = np.linspace(0, size, self.threads + 1).astype(int)

        def part(number: int) -> None:
            first, last = rows[number], rows[number + 1]
            _compose(painted.ravel(), right, down, self.photo, self.around, first, last, frame.ravel())

        list(self._pool.map(part, range(self.threads)))
        return cv2.cvtColor(frame, cv2.COLOR_RGBA2RGB)


_fast = numba.njit(cache=True, nogil=True, fastmath=True, error_model="numpy")


@_fast
def _taps(places: np.ndarray, side: int, shares: np.ndarray, first: np.ndarray, weights: np.ndarray) -> None:
    """Of places (S,) in a portrait of side pixels: the first tap in the padded portrait (S,), and the weights of the
    taps (TAPS,S) (Keys 1981), multiplied by shares (S,)."""
    one, two, three = np.float32(1), np.float32(2), np.float32(3)
    size = np.float32(side)
    for x in range(len(places)):
        # Beyond the border all taps see its last pixel.
        place = min(max(places[x], -one), size) + np.float32(MARGIN)
        cell = np.int32(place)
        t = place - np.float32(cell)
        u, share = one - t, shares[x]
        first[x] = cell - 1
        weights[0, x] = CUBIC * t * u * u * share
        weights[1, x] = (((CUBIC + two) * t - (CUBIC + three)) * t * t + one) * share
        weights[2, x] = (((CUBIC + two) * u - (CUBIC + three)) * u * u + one) * share
        weights[3, x] = CUBIC * u * t * t * share


_NUMBER, _INDEX = ir.FloatType(), ir.IntType(32)


class _Lanes:
    """Operations on vectors of LLVM's, which a builder writes."""

    def __init__(self, builder: Any) -> None:
        self._builder = builder

    def filled(self, kind: Any, value: float) -> Any:
        """A vector that is constant."""
        return ir.Constant(kind, [value] * kind.count)

    def ordered(self, source: Any, lanes: list[int]) -> Any:
        """These lanes of a vector."""
        return self._builder.shuffle_vector(source, source, ir.Constant(ir.VectorType(_INDEX, len(lanes)), lanes))

    def joined(self, scalars: list[Any], each: int) -> Any:
        """Scalars, each of them so many times."""
        packed = ir.Constant(ir.VectorType(_NUMBER, len(scalars)), ir.Undefined)
        for lane, scalar in enumerate(scalars):
            packed = self._builder.insert_element(packed, scalar, ir.Constant(_INDEX, lane))
        return self.ordered(packed, [lane // each for lane in range(each * len(scalars))])

    def times(self, a: Any, b: Any) -> Any:
        return self._builder.fmul(a, b, flags=("contract",))

    def plus(self, a: Any, b: Any) -> Any:
        return self._builder.fadd(a, b, flags=("contract",))

    def limited(self, value: Any, low: float, high: float) -> Any:
        """A vector with its lanes between two numbers."""
        least, most = self.filled(value.type, low), self.filled(value.type, high)
        value = self._builder.select(self._builder.fcmp_ordered("<", value, least), least, value)
        return self._builder.select(self._builder.fcmp_ordered(">", value, most), most, value)


@intrinsic
def _pixel(
    context: Any,
    photo: Any,
    corner: Any,
    stride: Any,
    along: Any,
    across: Any,
    painted: Any,
    at: Any,
    opacity: Any,
    frame: Any,
) -> tuple[Any, Callable[..., Any]]:
    """One pixel, frame[at : at + 4] = 127.5·(taps + opacity·painted[at : at + 4]) + 128, in vector instructions, which
    LLVM makes of no loop that numba can write.

    The taps begin at photo[corner], rows of them are `stride` apart; along, across: their weights, 4 of the rows and 4
    of the columns. photo, painted: (N,) float32 in [-1,1], frame: (N,) uint8; nothing checks their bounds.
    """
    signature = types.void(photo, types.intp, types.intp, along, across, painted, types.intp, opacity, frame)

    def generate(target: Any, builder: Any, signature: Any, values: Any) -> Any:
        photo, corner, stride, along, across, painted, at, opacity, frame = values
        lanes = _Lanes(builder)
        pixel, row = ir.VectorType(_NUMBER, CHANNELS), ir.VectorType(_NUMBER, CHANNELS * TAPS)

        def address(argument: int, array: Any, offset: Any, kind: Any) -> Any:
            data = target.make_array(signature.args[argument])(target, builder, array).data
            return builder.bitcast(builder.gep(data, [offset]), kind.as_pointer())

        def loaded(argument: int, array: Any, offset: Any, kind: Any) -> Any:
            value = builder.load(address(argument, array, offset, kind))
            value.align = 4
            return value

        columns = lanes.filled(row, 0.0)
        for tap in range(TAPS):
            weight = lanes.joined([builder.extract_value(along, tap)], CHANNELS * TAPS)
            columns = lanes.plus(lanes.times(loaded(0, photo, corner, row), weight), columns)
            corner = builder.add(corner, stride)
        weights = lanes.joined([builder.extract_value(across, tap) for tap in range(TAPS)], CHANNELS)
        columns = lanes.times(columns, weights)
        colour = lanes.times(lanes.limited(loaded(5, painted, at, pixel), -1.0, 1.0), lanes.joined([opacity], CHANNELS))
        for tap in range(TAPS):
            part = lanes.ordered(columns, [CHANNELS * tap + channel for channel in range(CHANNELS)])
            colour = lanes.plus(part, colour)
        colour = lanes.plus(lanes.times(colour, lanes.filled(pixel, 127.5)), lanes.filled(pixel, 128.0))
        levels = builder.fptosi(lanes.limited(colour, 0.0, 255.0), ir.VectorType(_INDEX, CHANNELS))
        levels = builder.trunc(levels, ir.VectorType(ir.IntType(8), CHANNELS))
        builder.store(levels, address(8, frame, at, levels.type)).align = 1
        return target.get_dummy_value()

    return signature, generate


@_fast
def _compose(
    painted: np.ndarray,
    right: np.ndarray,
    down: np.ndarray,
    photo: np.ndarray,
    around: int,
    first: int,
    last: int,
    frame: np.ndarray,
) -> None:
    """Rows first to last of a frame (S·S·4,), of painted (S·S·4,), displacements (S,S) and the padded photo (N,)."""
    size = len(right)
    side, start = size + 2 * around, np.float32(around)
    stride = CHANNELS * (side + 2 * MARGIN)
    mask, all_of_it, places = np.empty(size, np.float32), np.ones(size, np.float32), np.empty(size, np.float32)
    column, row = np.empty(size, np.int32), np.empty(size, np.int32)
    a, b = np.empty((TAPS, size), np.float32), np.empty((TAPS, size), np.float32)
    a0, a1, a2, a3 = a[0], a[1], a[2], a[3]
    b0, b1, b2, b3 = b[0], b[1], b[2], b[3]
    for y in range(first, last):
        for x in range(size):
            mask[x] = painted[CHANNELS * (y * size + x) + 3]
            places[x] = np.float32(x) + start + np.float32(size) * right[y, x]
        _taps(places, side, all_of_it, column, a)
        for x in range(size):
            places[x] = np.float32(y) + start + np.float32(size) * down[y, x]
        _taps(places, side, mask, row, b)
        for x in range(size):
            corner, at = row[x] * stride + CHANNELS * column[x], CHANNELS * (y * size + x)
            across, along = (a0[x], a1[x], a2[x], a3[x]), (b0[x], b1[x], b2[x], b3[x])
            opacity = np.float32(1) - mask[x]
            _pixel(photo, corner, stride, along, across, painted, at, opacity, frame)  # type: ignore[call-arg]
