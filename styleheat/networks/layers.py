"""Building blocks shared by the networks: equalised layers, FIR resampling, adaptive instance norm.

Equalised layers (StyleGAN, arXiv 1710.10196 section 4.1) keep weights of unit variance and scale them on use by
He's constant, so that one learning rate fits every layer. Names of parameters are those of the released checkpoints.
"""

import math

import torch
import torch.nn.functional as F
from torch import Tensor, nn

FIR = (1.0, 3.0, 3.0, 1.0)
"""Taps of StyleGAN2's low-pass filter, before normalisation."""

SLOPE = 0.2
"""Negative slope of StyleGAN2's leaky ReLU."""


def scaled_leaky_relu(x: Tensor) -> Tensor:
    """Leaky ReLU of (...,) values, times √2, which keeps the variance of a normal input roughly at one."""
    return F.leaky_relu(x, SLOPE) * math.sqrt(2)


class ScaledLeakyReLU(nn.Module):
    """As `scaled_leaky_relu`, a layer."""

    def forward(self, x: Tensor) -> Tensor:
        return scaled_leaky_relu(x)


class BiasedLeakyReLU(nn.Module):
    """Adds a bias to each channel of (B,C,...), then `scaled_leaky_relu` (what the reference fuses into one CUDA
    kernel)."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.bias = nn.Parameter(torch.zeros(channels))

    def forward(self, x: Tensor) -> Tensor:
        return scaled_leaky_relu(x + self.bias.view(1, -1, *[1] * (x.ndim - 2)))


class EqualConv2d(nn.Module):
    """Convolution with an equalised learning rate, (B,C,H,W) -> (B,C',H',W')."""

    def __init__(
        self, inputs: int, outputs: int, kernel: int, stride: int = 1, padding: int = 0, bias: bool = True
    ) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.randn(outputs, inputs, kernel, kernel))
        self.bias = nn.Parameter(torch.zeros(outputs)) if bias else None
        self.scale = 1 / math.sqrt(inputs * kernel**2)
        self.stride, self.padding = stride, padding

    def forward(self, x: Tensor) -> Tensor:
        return F.conv2d(x, self.weight * self.scale, self.bias, self.stride, self.padding)


class EqualLinear(nn.Module):
    """Fully connected layer, (B,C) -> (B,C'), with an equalised learning rate, further scaled by `rate`.

    With `activate`, `scaled_leaky_relu` follows.
    """

    def __init__(self, inputs: int, outputs: int, bias: float = 0.0, rate: float = 1.0, activate: bool = False) -> None:
        super().__init__()
        weight = torch.randn(outputs, inputs)
        self.weight = nn.Parameter(weight if weight.is_meta else weight / rate)  # see `init_normal`
        self.bias = nn.Parameter(torch.full((outputs,), bias))
        self.scale, self.rate, self.activate = rate / math.sqrt(inputs), rate, activate

    def forward(self, x: Tensor) -> Tensor:
        x = F.linear(x, self.weight * self.scale, self.bias * self.rate)
        return scaled_leaky_relu(x) if self.activate else x


class Blur(nn.Module):
    """The separable FIR low-pass filter with `padding` zeros on each side; (B,C,H,W) -> (B,C,H+2p-3,W+2p-3).

    Of the result, every `stride`th pixel is made. The taps sum to `gain`: 4 after an upsampling by zero insertion,
    which leaves three of four pixels empty.
    """

    kernel: Tensor

    def __init__(self, padding: int, gain: float = 1.0, stride: int = 1) -> None:
        super().__init__()
        self.padding, self.stride = padding, stride
        self.register_buffer("kernel", fir_kernel(gain))

    def forward(self, x: Tensor) -> Tensor:
        return F.conv2d(x, _depthwise(self.kernel, x), None, self.stride, self.padding, groups=x.shape[1])


class Upsample(nn.Module):
    """Doubles the resolution: zero insertion, then the FIR filter; (B,C,H,W) -> (B,C,2H,2W)."""

    kernel: Tensor

    def __init__(self) -> None:
        super().__init__()
        self.register_buffer("kernel", fir_kernel(gain=4.0))

    def forward(self, x: Tensor) -> Tensor:
        return F.conv_transpose2d(x, _depthwise(self.kernel, x), stride=2, padding=1, groups=x.shape[1])


def fir_kernel(gain: float) -> Tensor:
    """(4,4) outer product of `FIR` with itself, summing to `gain`."""
    share = gain / sum(FIR) ** 2
    return torch.tensor([[share * a * b for a in FIR] for b in FIR])


def _depthwise(kernel: Tensor, x: Tensor) -> Tensor:
    # Symmetric, so convolution and correlation are the same and no flip is needed.
    return kernel.expand(x.shape[1], 1, *kernel.shape)


class ConvLayer(nn.Sequential):
    """Equalised convolution; after a blur and by half the resolution if `down`; bias and `scaled_leaky_relu` follow.

    Skip connections have `activate` off, and then no bias either.
    """

    def __init__(self, inputs: int, outputs: int, kernel: int, down: bool = False, activate: bool = True) -> None:
        layers: list[nn.Module] = []
        if not down:
            layers.append(EqualConv2d(inputs, outputs, kernel, padding=kernel // 2, bias=False))
        elif kernel == 1:
            # The blur skips the pixels that a strided 1x1 convolution would: see `encoder.Bottleneck` for why.
            layers += [Blur(padding=1, stride=2), EqualConv2d(inputs, outputs, 1, bias=False)]
        else:
            layers += [Blur(padding=(kernel + 1) // 2), EqualConv2d(inputs, outputs, kernel, stride=2, bias=False)]
        if activate:
            layers.append(BiasedLeakyReLU(outputs))
        super().__init__(*layers)


class ResBlock(nn.Module):
    """StyleGAN2's residual block that halves the resolution, (B,C,s,s) -> (B,C',s/2,s/2)."""

    def __init__(self, inputs: int, outputs: int) -> None:
        super().__init__()
        self.conv1 = ConvLayer(inputs, inputs, 3)
        self.conv2 = ConvLayer(inputs, outputs, 3, down=True)
        self.skip = ConvLayer(inputs, outputs, 1, down=True, activate=False)

    def forward(self, x: Tensor) -> Tensor:
        return (self.conv2(self.conv1(x)) + self.skip(x)) / math.sqrt(2)


class AdaIN(nn.Module):
    """Instance norm whose scale and shift come from a descriptor: (B,C,H,W), (B,D) -> (B,C,H,W)."""

    def __init__(self, channels: int, descriptor: int, hidden: int) -> None:
        super().__init__()
        self.mlp_shared = nn.Sequential(nn.Linear(descriptor, hidden), nn.ReLU())
        self.mlp_gamma = nn.Linear(hidden, channels)
        self.mlp_beta = nn.Linear(hidden, channels)

    def forward(self, x: Tensor, descriptor: Tensor) -> Tensor:
        hidden = self.mlp_shared(descriptor)
        gamma, beta = self.mlp_gamma(hidden)[..., None, None], self.mlp_beta(hidden)[..., None, None]
        # One group per channel is instance norm, but keeps the channels_last layout, which instance_norm loses.
        return F.group_norm(x, x.shape[1]) * (1 + gamma) + beta


class LayerNorm2d(nn.Module):
    """Layer norm over channels and pixels together, with a scale and a shift for each channel; (B,C,H,W)."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.ones(channels, 1, 1))
        self.bias = nn.Parameter(torch.zeros(channels, 1, 1))

    def forward(self, x: Tensor) -> Tensor:
        return F.group_norm(x, 1, self.weight.flatten(), self.bias.flatten())


def condition(x: Tensor, scale_shift: tuple[Tensor, Tensor] | None) -> Tensor:
    """x · (1 + scale) + shift, or x itself without a condition (spatial feature transform, arXiv 1804.02815)."""
    return x if scale_shift is None else x * (1 + scale_shift[0]) + scale_shift[1]


def resize(image: Tensor, size: int) -> Tensor:
    """(B,C,H,W) -> (B,C,size,size), bilinear without antialiasing, as the reference does everywhere."""
    if image.shape[-2:] == (size, size):
        return image
    return F.interpolate(image, (size, size), mode="bilinear", align_corners=False)


def init_normal(module: nn.Module) -> None:
    """Plain convolutions and linear layers to normal weights of deviation 0.02 and zero biases (PIRenderer, StyleHEAT).

    Equalised layers keep their unit variance: 0.02 on top of their scaling would silence them. Weights on the device
    meta are left alone: torch takes seconds to import what would draw them.
    """
    for layer in module.modules():
        if isinstance(layer, nn.Conv1d | nn.Conv2d | nn.ConvTranspose2d | nn.Linear) and not layer.weight.is_meta:
            nn.init.normal_(layer.weight, 0.0, 0.02)
            if layer.bias is not None:
                nn.init.zeros_(layer.bias)


def channels_last(module: nn.Module) -> None:
    """Lay out the 4-d weights for channels_last convolutions; in place.

    They are faster forward on CPUs, and on GPUs with half precision or TF32.
    `Module.to(memory_format=...)` refuses modules with 5-d weights, which the modulated convolutions have.
    """
    for parameter in module.parameters():
        if parameter.ndim == 4:
            parameter.data = parameter.data.contiguous(memory_format=torch.channels_last)
