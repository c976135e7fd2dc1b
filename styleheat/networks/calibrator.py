"""The calibrator predicts corrections of a warped feature map F (StyleHEAT, arXiv 2203.04036, section 3)."""

import math

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from styleheat.networks.config import NetworkConfig
from styleheat.networks.layers import (
    AdaIN,
    BiasedLeakyReLU,
    ConvLayer,
    EqualConv2d,
    ResBlock,
    ScaledLeakyReLU,
    init_normal,
    resize,
)
from styleheat.networks.warper import SLOPE


class UpConv(EqualConv2d):
    """(B,C,s,s) -> (B,C',2s,2s): bilinear doubling, then an equalised convolution, with bias and activation if
    `activate`."""

    def __init__(self, inputs: int, outputs: int, kernel: int, activate: bool) -> None:
        super().__init__(inputs, outputs, kernel, padding=kernel // 2, bias=False)
        if activate:
            self.activation = BiasedLeakyReLU(outputs)
        self.activate = activate

    def forward(self, x: Tensor) -> Tensor:
        x = super().forward(F.interpolate(x, scale_factor=2, mode="bilinear", align_corners=False))
        return self.activation(x) if self.activate else x


class UpBlock(nn.Module):
    """Residual block that doubles the resolution: (B,C,s,s) -> (B,C',2s,2s)."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.conv1 = ConvLayer(width, width, 3)
        self.conv2 = UpConv(width, width, 3, activate=True)
        self.skip = UpConv(width, width, 1, activate=False)

    def forward(self, x: Tensor) -> Tensor:
        return (self.conv2(self.conv1(x)) + self.skip(x)) / math.sqrt(2)


class Injection(nn.Module):
    """Residual block whose norms follow the motion descriptor (B,D): (B,C,s,s) -> (B,C,s,s)."""

    def __init__(self, width: int, config: NetworkConfig) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(width, width, 3, padding=1)
        self.conv2 = nn.Conv2d(width, width, 3, padding=1)
        self.norm1 = AdaIN(width, config.descriptor, config.adain_hidden)
        self.norm2 = AdaIN(width, config.descriptor, config.adain_hidden)

    def forward(self, x: Tensor, descriptor: Tensor) -> Tensor:
        x = F.leaky_relu(self.norm1(self.conv1(x), descriptor), 0.01)  # not the warper's slope: the released default
        return x + self.norm2(self.conv2(x), descriptor)


class Calibrator(nn.Module):
    """Warped F (B,C,f,f) and motion descriptor (B,D) -> scale and shift of F for each resolution with a head.

    A U-net down to 4 pixels and back. Pairs come from the coarsest resolution to the finest; the last pair is F's own
    and the only one that acts. Fresh heads start by changing nothing. With `geometry`, it also takes how surely the
    portrait shows what belongs in each place (B,1,g,g), the last channel of `morphable.geometry`.
    """

    def __init__(self, config: NetworkConfig) -> None:
        super().__init__()
        width, levels = config.calibrator_width, int(math.log2(config.feature_size)) - 2
        self.first_head = levels - config.calibrator_heads
        self.geometry = config.geometry
        self.conv_body_first = ConvLayer(config.feature_channels + self.geometry, width, 1)
        self.conv_body_down = nn.ModuleList(ResBlock(width, width) for _ in range(levels))
        self.final_conv = ConvLayer(width, width, 3)
        self.conv_body_up = nn.ModuleList(UpBlock(width) for _ in range(levels))
        self.linear_3dmm = nn.Sequential(
            nn.Linear(config.descriptor, config.descriptor),
            nn.LeakyReLU(SLOPE),
            nn.Linear(config.descriptor, config.descriptor),
        )
        self.inject_3dmm = nn.ModuleList(Injection(width, config) for _ in range(levels))
        if config.released:
            # As the reference begins. Five such layers in a row let next to nothing of the motion through, and it takes
            # longer than small networks are trained to grow out of that.
            init_normal(self.linear_3dmm)
            init_normal(self.inject_3dmm)
        heads = range(config.calibrator_heads)
        self.condition_scale = nn.ModuleList(_head(width, config.feature_channels) for _ in heads)
        self.condition_shift = nn.ModuleList(_head(width, config.feature_channels) for _ in heads)

    def forward(self, warped: Tensor, descriptor: Tensor, seen: Tensor | None = None) -> list[tuple[Tensor, Tensor]]:
        if self.geometry:
            assert seen is not None
            warped = torch.cat([warped, resize(seen, warped.shape[-1])], dim=1)
        x = self.conv_body_first(warped)
        skips = []
        for down in self.conv_body_down:
            x = down(x)
            skips.append(x)
        x = self.final_conv(x)
        descriptor = self.linear_3dmm(descriptor)
        pairs = []
        for level, (up, inject) in enumerate(zip(self.conv_body_up, self.inject_3dmm, strict=True)):
            x = inject(up(x + skips.pop()), descriptor)
            if level >= self.first_head:
                head = level - self.first_head
                pairs.append((self.condition_scale[head](x), self.condition_shift[head](x)))
        return pairs


def _head(width: int, outputs: int) -> nn.Sequential:
    last = EqualConv2d(width, outputs, 3, padding=1)
    nn.init.zeros_(last.weight)
    return nn.Sequential(EqualConv2d(width, width, 3, padding=1), ScaledLeakyReLU(), last)
