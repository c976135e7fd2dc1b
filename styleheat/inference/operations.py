"""The engine's operations: fast convolutions with constant weights.

All of it computes in the channels_last layout, and gives what the plain layers of `networks` give, but for rounding.
"""

import ctypes
import functools

import torch
import torch.nn.functional as F
from torch import Tensor

from styleheat.networks.layers import fir_kernel

FAST = torch.channels_last

WIDE = 128
"""Channels from which Winograd's convolution pays on CPUs (measured; below, moving numbers takes what it saves)."""

LARGE = 16
"""Pixels of a map's side from which it pays: the weights of smaller ones take longer to read than to multiply."""

KEPT_BYTES = 2**30
MMAP_THRESHOLD, TRIM_THRESHOLD, ARENA_MAX = -3, -1, -8
"""Numbers of glibc's malloc.h."""


@functools.cache
def keep_memory() -> None:
    """Let this process keep the memory that a frame gave back, for the next frame; once, and only where glibc is.

    By default each large tensor is mapped anew, and the system clears it page by page: at 1024 pixels a third of a
    frame's time. What is kept is returned when the process ends.
    """
    try:
        mallopt = ctypes.CDLL(None).mallopt
    except (AttributeError, OSError, TypeError):
        return
    mallopt(MMAP_THRESHOLD, KEPT_BYTES)
    mallopt(TRIM_THRESHOLD, KEPT_BYTES)
    mallopt(ARENA_MAX, 1)  # threads have arenas of their own, which keep nothing


@functools.cache
def fast_precision(device: torch.device) -> torch.dtype:
    """What a device computes convolutions in fastest, precise enough for pixels: float16 on GPUs; bfloat16 on CPUs with
    matrix units for it (Intel's AMX), 2 to 14 times as fast as float32 there; float32 elsewhere."""
    if device.type == "cuda":
        return torch.float16
    return torch.bfloat16 if torch.cpu.get_capabilities().get("amx_bf16") else torch.float32


class Convolution:
    """Convolution, bias and leaky ReLU (none if `slope` is None); (B,I,H,W) -> (B,O,H/stride,W/stride).

    weight (O,I,k,k), bias (O,) or None. size: H = W of the maps to come, by which the way to compute is chosen.
    """

    def __init__(
        self,
        weight: Tensor,
        bias: Tensor | None,
        size: int,
        slope: float | None = None,
        stride: int = 1,
        padding: int | None = None,
    ) -> None:
        kernel = weight.shape[2]
        wide = min(weight.shape[:2]) >= WIDE and size >= LARGE and size % TILE == 0
        plain = weight.device.type == "cpu" and weight.dtype == torch.float32
        self.winograd = plain and wide and kernel == 3 and stride == 1
        self.pointwise = plain and kernel == 1 and stride == 1  # torch would copy the map first
        self.weight = winograd_weight(weight) if self.winograd else weight.contiguous(memory_format=FAST)
        self.bias, self.slope, self.stride = bias, slope, stride
        self.padding = kernel // 2 if padding is None else padding

    def __call__(self, x: Tensor) -> Tensor:
        if self.winograd:
            x = winograd(x, self.weight)
            if self.bias is not None:
                x += self.bias[:, None, None]
        elif self.pointwise:
            x = F.linear(x.permute(0, 2, 3, 1), self.weight[:, :, 0, 0], self.bias).permute(0, 3, 1, 2)
        else:
            x = F.conv2d(x, self.weight, self.bias, self.stride, self.padding)
        return x if self.slope is None else F.leaky_relu_(x, self.slope)


class DoublingConvolution:
    """StyleGAN2's upsampling: transposed convolution, FIR filter, bias, leaky ReLU; (B,I,H,W) -> (B,O,2H,2W).

    weight (O,I,3,3), bias (O,). The four pixels that each one becomes are four small convolutions, which together
    multiply as often as the transposed one and run two to three times faster.
    """

    def __init__(self, weight: Tensor, bias: Tensor, slope: float) -> None:
        self.phases = {
            (y, x): weight[:, :, y::2, x::2].flip(2, 3).contiguous(memory_format=FAST) for y in (0, 1) for x in (0, 1)
        }
        self.bias, self.slope = bias, slope
        kernel = fir_kernel(gain=4.0).to(weight).expand(len(weight), 1, 4, 4)
        self.kernel = kernel.contiguous(memory_format=FAST)

    def __call__(self, x: Tensor) -> Tensor:
        batch, _, height, width = x.shape
        sharp = x.new_empty(batch, len(self.bias), 2 * height + 1, 2 * width + 1).contiguous(memory_format=FAST)
        for (down, right), weight in self.phases.items():
            padding = (weight.shape[2] - 1, weight.shape[3] - 1)
            sharp[:, :, down::2, right::2] = F.conv2d(x, weight, None, 1, padding)
        x = F.conv2d(sharp, self.kernel, self.bias, padding=1, groups=len(self.bias))
        return F.leaky_relu_(x, self.slope)


class WideConvolution:
    """A convolution to few channels, many at once: (B,I,H,W) -> (B,O,H,W), H and W multiples of SQUARE.

    weight (O,I,k,k), bias (O,). CPUs compute sixteen channels of a pixel as fast as one; so the channels of SQUARE²
    pixels are made those of one, by a kernel that is larger by SQUARE - 1 and mostly has room for it.
    """

    SQUARE = 4

    def __init__(self, weight: Tensor, bias: Tensor) -> None:
        outputs, inputs, kernel, _ = weight.shape
        side, square = kernel + self.SQUARE - 1, self.SQUARE
        spread = weight.new_zeros(outputs, square, square, inputs, side, side)
        for y in range(square):
            for x in range(square):
                spread[:, y, x, :, y : y + kernel, x : x + kernel] = weight
        self.weight = spread.flatten(0, 2).contiguous(memory_format=FAST)
        self.bias, self.padding = bias.repeat_interleave(square**2), kernel // 2

    def __call__(self, x: Tensor) -> Tensor:
        return F.pixel_shuffle(F.conv2d(x, self.weight, self.bias, self.SQUARE, self.padding), self.SQUARE)


# --- Winograd's minimal filtering, F(4×4, 3×3): 36 products where the definition takes 144 (arXiv 1509.09308)

TILE = 4
"""Side of the square of results that is computed at once."""

INPUT = torch.tensor(
    [
        [4.0, 0, -5, 0, 1, 0],
        [0, -4, -4, 1, 1, 0],
        [0, 4, -4, -1, 1, 0],
        [0, -2, -1, 2, 1, 0],
        [0, 2, -1, -2, 1, 0],
        [0, 4, 0, -5, 0, 1],
    ]
)
WEIGHT = torch.tensor([[6.0, 0, 0], [-4, -4, -4], [-4, 4, -4], [1, 2, 4], [1, -2, 4], [0, 0, 24]]) / 24
OUTPUT = torch.tensor([[1.0, 1, 1, 1, 1, 0], [0, 1, -1, 2, -2, 0], [0, 1, 1, 4, 4, 0], [0, 1, -1, 8, -8, 1]])
"""Transforms of one dimension: six inputs and three weights to six each, six products to four results."""

INPUT_2D, OUTPUT_2D = torch.kron(INPUT, INPUT), torch.kron(OUTPUT, OUTPUT)


def winograd_weight(weight: Tensor) -> Tensor:
    """Weights (O,I,3,3) as `winograd` takes them, (36,I,O). They are four times as many."""
    transform = WEIGHT.to(weight)
    return torch.einsum("yi,xj,ocij->yxco", transform, transform, weight).reshape(36, *weight.shape[1::-1]).contiguous()


def winograd(x: Tensor, weight: Tensor) -> Tensor:
    """3×3 convolution with padding 1; (B,I,H,W), `winograd_weight` -> (B,O,H,W), H and W multiples of TILE.

    Float32 loses about two of its seven digits, against one in the plain sum.
    """
    (batch, inputs, height, width), outputs = x.shape, weight.shape[2]
    across, down = width // TILE, height // TILE
    padded = F.pad(x.permute(0, 2, 3, 1), (0, 0, 1, 1, 1, 1))
    image, row, pixel, _ = padded.stride()
    tiles = padded.as_strided(  # overlapping 6×6 squares, gathered below
        (6, 6, batch, down, across, inputs), (row, pixel, image, TILE * row, TILE * pixel, 1)
    )
    tiles = INPUT_2D @ tiles.reshape(36, -1)
    products = torch.bmm(tiles.view(36, -1, inputs), weight)
    results = (OUTPUT_2D @ products.view(36, -1)).view(TILE, TILE, batch, down, across, outputs)
    return results.permute(2, 3, 0, 4, 1, 5).reshape(batch, height, width, outputs).permute(0, 3, 1, 2)
