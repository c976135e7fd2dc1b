"""The cost of the released StyleHEAT code on a CPU, on our networks: the reference that `inference.py` compares with.

`StyleHEAT.forward` is the plain composition, but not that slow: it shares convolutions among samples, filters without
inserting zeros, and paints once. Here each operation is what the released code does where it has no CUDA kernels:

- convolutions modulated by sample: weights multiplied by the style, demodulated, and one group for each sample;
- resampling by inserting zeros, padding, convolving every channel as an image of its own, and dropping pixels;
- bias, leaky ReLU and √2 one after the other;
- noise, whose weight is zero, added all the same;
- both paintings, the final one and that of the warping alone, from 4 pixels up; all heads of the calibrator.
"""

import math
from types import MethodType

import torch
import torch.nn.functional as F
from torch import Tensor

from styleheat.networks import flow as flows
from styleheat.networks.inversion import Inversion
from styleheat.networks.layers import SLOPE, BiasedLeakyReLU, Blur, Upsample
from styleheat.networks.stylegan2 import EPSILON, ModulatedConv2d, StyledConv, ToRGB
from styleheat.networks.styleheat import StyleHEAT


def paint(model: StyleHEAT, inversion: Inversion, window: Tensor) -> Tensor:
    """Frames (B,3,S,S) of a model that `as_released` was called on; inversion by the encoder, windows (B,73,27)."""
    motion = model.video_warper(inversion.image, window)
    warped = flows.warp(inversion.feature, motion.positions, model.config.released)
    pairs = model.calibrator(warped, motion.descriptor)
    paints, codes, moved = model.generator.stylegan, inversion.codes, (motion.positions,)
    paints(codes, inversion=inversion.condition, warps=moved)  # the image of the warping alone
    return paints(codes, inversion=inversion.condition, warps=moved, refinement=pairs[-1]).image


def as_released(model: StyleHEAT) -> None:
    """Let the model's layers compute as the released code does, in place."""
    for module in model.modules():
        if type(module) in SLOW:
            module.forward = MethodType(SLOW[type(module)], module)


def resample(x: Tensor, kernel: Tensor, up: int, down: int, before: int, after: int) -> Tensor:
    """Zeros between the pixels, zeros around them, a convolution, every `down`th pixel of it."""
    batch, channels, height, width = x.shape
    x = x.reshape(-1, height, 1, width, 1)
    x = F.pad(x, (0, up - 1, 0, 0, 0, up - 1)).reshape(-1, 1, height * up, width * up)
    x = F.conv2d(F.pad(x, (before, after, before, after)), kernel.flip(0, 1)[None, None])[:, :, ::down, ::down]
    return x.reshape(batch, channels, *x.shape[2:])


def _blur(self: Blur, x: Tensor) -> Tensor:
    return resample(x, self.kernel, 1, self.stride, self.padding, self.padding)


def _upsample(self: Upsample, x: Tensor) -> Tensor:
    return resample(x, self.kernel, 2, 1, 2, 1)


def _modulated(self: ModulatedConv2d, x: Tensor, style: Tensor) -> Tensor:
    (batch, inputs, height, width), (_, outputs, _, kernel, _) = x.shape, self.weight.shape
    weight = self.scale * self.weight * self.modulation(style).view(batch, 1, inputs, 1, 1)
    if self.demodulate:
        weight = weight * torch.rsqrt(weight.pow(2).sum([2, 3, 4]) + EPSILON).view(batch, outputs, 1, 1, 1)
    x = x.reshape(1, batch * inputs, height, width)
    if self.blur is not None:
        weight = weight.transpose(1, 2).reshape(batch * inputs, outputs, kernel, kernel)
        x = F.conv_transpose2d(x, weight, stride=2, groups=batch)
        return self.blur(x.view(batch, outputs, *x.shape[2:]))
    x = F.conv2d(x, weight.view(batch * outputs, inputs, kernel, kernel), padding=self.padding, groups=batch)
    return x.view(batch, outputs, *x.shape[2:])


def _styled(self: StyledConv, x: Tensor, style: Tensor) -> Tensor:
    x = self.conv(x, style)
    noise = x.new_zeros(1, 1, *x.shape[2:])
    return self.activate(x + x.new_zeros(1) * noise)


def _to_rgb(self: ToRGB, x: Tensor, style: Tensor, skip: Tensor | None = None) -> Tensor:
    rgb = self.conv(x, style) + self.bias
    return rgb if skip is None else rgb + self.upsample(skip)


def _activate(self: BiasedLeakyReLU, x: Tensor) -> Tensor:
    return F.leaky_relu(x + self.bias.view(1, -1, *[1] * (x.ndim - 2)), SLOPE) * math.sqrt(2)


SLOW = {
    Blur: _blur,
    Upsample: _upsample,
    ModulatedConv2d: _modulated,
    StyledConv: _styled,
    ToRGB: _to_rgb,
    BiasedLeakyReLU: _activate,
}
"""The layers that are replaced; the other ones do already what the released code does."""
