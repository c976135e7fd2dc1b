"""StyleGAN2 (arXiv 1912.04958): the generator, split at StyleHEAT's feature map, and the discriminator.

The generator paints from 4 pixels up. Each resolution has two modulated convolutions and adds to an image that is
doubled each time. F is the feature map after the first convolution at `feature_size` pixels: everything below it
depends on the W+ code alone (`below`), everything above is painted from F (`above`).
"""

import dataclasses
import itertools
import math

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from styleheat.networks.config import NetworkConfig
from styleheat.networks.flow import warp
from styleheat.networks.layers import (
    SLOPE,
    BiasedLeakyReLU,
    Blur,
    ConvLayer,
    EqualLinear,
    ResBlock,
    Upsample,
    condition,
)

EPSILON = 1e-8

MASK_LOGIT = 2.0
"""Of a fresh network's mask: nine tenths of the portrait."""


class ModulatedConv2d(nn.Module):
    """Convolution whose weights are scaled by a style, input channel by input channel; (B,I,H,W), (B,S) -> (B,O,H,W).

    With `demodulate`, the weights of each output channel are then brought back to unit length. With `up`, the
    resolution is doubled: (B,O,2H,2W).
    """

    def __init__(
        self, inputs: int, outputs: int, kernel: int, style_dim: int, demodulate: bool = True, up: bool = False
    ) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.randn(1, outputs, inputs, kernel, kernel))
        self.modulation = EqualLinear(style_dim, inputs, bias=1.0)
        self.scale = 1 / math.sqrt(inputs * kernel**2)
        self.padding, self.demodulate = kernel // 2, demodulate
        self.blur = Blur(padding=1, gain=4.0) if up else None

    def forward(self, x: Tensor, style: Tensor) -> Tensor:
        x, length = self.convolve(x, style)
        return x if length is None else x * length[:, :, None, None]

    def convolve(self, x: Tensor, style: Tensor) -> tuple[Tensor, Tensor | None]:
        """The convolution before demodulation, and the factors (B,O) that demodulate it.

        StyleGAN2 convolves each sample with weights of its own. But scaling weights by a style is scaling the input,
        and unit length is a scale of the output. So all samples share one ordinary convolution.
        """
        style = self.modulation(style)
        weight = self.weight[0] * self.scale
        if weight.shape[2:] == (1, 1):
            # A matrix product for each sample, which spares the scaled copy of a large input.
            samples = (weight[:, :, 0, 0] * style[:, None]) @ x.flatten(2)
            return samples.unflatten(2, x.shape[2:]), self._unit_length(weight, style)
        x = x * style[:, :, None, None]
        if self.blur is not None:
            x = self.blur(F.conv_transpose2d(x, weight.transpose(0, 1), stride=2))
        else:
            x = F.conv2d(x, weight, padding=self.padding)
        return x, self._unit_length(weight, style)

    def _unit_length(self, weight: Tensor, style: Tensor) -> Tensor | None:
        if not self.demodulate:
            return None
        return torch.rsqrt(style.square() @ weight.square().sum(dim=(2, 3)).T + EPSILON)


class NoNoise(nn.Module):
    """Keeps the noise weight of a released checkpoint; StyleHEAT switches noise off in both training and inference."""

    def __init__(self) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.zeros(1), requires_grad=False)


class StyledConv(nn.Module):
    """Modulated 3x3 convolution, bias and activation, (B,C,s,s) -> (B,C',s,s), or of twice the size."""

    def __init__(self, inputs: int, outputs: int, style_dim: int, up: bool = False, released: bool = False) -> None:
        super().__init__()
        self.conv = ModulatedConv2d(inputs, outputs, 3, style_dim, up=up)
        if released:
            self.noise = NoNoise()
        self.activate = BiasedLeakyReLU(outputs)

    def forward(self, x: Tensor, style: Tensor) -> Tensor:
        # `activate` of the demodulated convolution, with its √2 and the demodulation in one pass over the map:
        # a leaky ReLU commutes with positive factors.
        x, length = self.conv.convolve(x, style)
        assert length is not None
        gain = math.sqrt(2)
        bias = (self.activate.bias * gain)[None, :, None, None]
        return F.leaky_relu(torch.addcmul(bias, x, (length * gain)[:, :, None, None]), SLOPE, inplace=True)


class ToRGB(nn.Module):
    """Features (B,C,s,s) to three colours (B,3,s,s), added to the doubled image of the resolution below; and, if
    `outputs` are 4, to the logit of a mask, which nothing is added to."""

    def __init__(self, inputs: int, style_dim: int, up: bool = True, outputs: int = 3) -> None:
        super().__init__()
        if up:
            self.upsample = Upsample()
        self.conv = ModulatedConv2d(inputs, outputs, 1, style_dim, demodulate=False)
        self.bias = nn.Parameter(torch.zeros(1, outputs, 1, 1))

    def forward(self, x: Tensor, style: Tensor, skip: Tensor | None = None) -> Tensor:
        painted = self.conv(x, style) + self.bias
        if skip is None:
            return painted
        skip = self.upsample(skip)
        return painted + (F.pad(skip, (0, 0, 0, 0, 0, painted.shape[1] - 3)) if painted.shape[1] > 3 else skip)


class PixelNorm(nn.Module):
    """Each latent vector to unit mean square; (B,D)."""

    def forward(self, z: Tensor) -> Tensor:
        return z * torch.rsqrt(z.square().mean(dim=1, keepdim=True) + EPSILON)


class ConstantInput(nn.Module):
    """The learnt 4x4 map, the input of the first convolution for every image."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.input = nn.Parameter(torch.randn(1, channels, 4, 4))


@dataclasses.dataclass
class Painting:
    """What the generator made."""

    image: Tensor
    """(B,3,image_size,image_size), about [-1,1], not clamped."""
    feature: Tensor
    """F after the inversion condition and before anything else, (B,C,feature_size,feature_size)."""
    refined: Tensor
    """F after warping and refinement, as the upper layers took it."""
    base: Tensor
    """The image painted below F, (B,3,feature_size/2,feature_size/2); it depends on the codes alone."""


class Generator(nn.Module):
    """StyleGAN2 with its feature map F open to conditions."""

    def __init__(self, config: NetworkConfig) -> None:
        super().__init__()
        channels, style = config.channels, config.style_dim
        self.reference_flow = config.reference_flow
        self.style_dim, self.codes = style, config.codes
        self.split = 2 * int(math.log2(config.feature_size)) - 5  # code row (7 at 64 pixels) of the layer that makes F

        mapping = [EqualLinear(style, style, rate=0.01, activate=True) for _ in range(config.mapping_layers)]
        self.style = nn.Sequential(PixelNorm(), *mapping)
        self.input = ConstantInput(channels[0])
        self.conv1 = StyledConv(channels[0], channels[0], style, released=config.released)
        self.to_rgb1 = ToRGB(channels[0], style, up=False)
        self.convs, self.to_rgbs = nn.ModuleList(), nn.ModuleList()
        for below, above in itertools.pairwise(channels):
            self.convs.append(StyledConv(below, above, style, up=True, released=config.released))
            self.convs.append(StyledConv(above, above, style, released=config.released))
            self.to_rgbs.append(ToRGB(above, style))
        if config.detail:
            last = ToRGB(channels[-1], style, outputs=4)
            with torch.no_grad():  # begins as one mask for all pixels
                last.conv.weight[:, 3] = 0
                last.bias[:, 3] = MASK_LOGIT
            self.to_rgbs[-1] = last
        if config.released:
            self.noises = nn.Module()
            for layer in range(config.codes - 1):
                size = 2 ** ((layer + 5) // 2)
                self.noises.register_buffer(f"noise_{layer}", torch.zeros(1, 1, size, size))

    def below(self, codes: Tensor) -> tuple[Tensor, Tensor]:
        """W+ codes (B,codes,D) -> F without conditions, and the image below F (`Painting.base`)."""
        x = self.conv1(self.input.input.expand(len(codes), -1, -1, -1), codes[:, 0])
        skip = self.to_rgb1(x, codes[:, 1])
        for row in range(1, self.split, 2):
            x, skip = self._finish(self.convs[row - 1](x, codes[:, row]), skip, codes, row)
        return self.convs[self.split - 1](x, codes[:, self.split]), skip

    def above(self, codes: Tensor, feature: Tensor, base: Tensor) -> Tensor:
        """F as it is to be painted, and the image below it -> image (B,3,image_size,image_size)."""
        return self.above_with_mask(codes, feature, base)[:, :3]

    def above_with_mask(self, codes: Tensor, feature: Tensor, base: Tensor) -> Tensor:
        """As `above`, and in a fourth channel the logit of the mask, if the network paints one (`detail`)."""
        x, skip = self._finish(feature, base, codes, self.split)
        for row in range(self.split + 2, self.codes - 1, 2):
            x, skip = self._finish(self.convs[row - 1](x, codes[:, row]), skip, codes, row)
        return skip

    def _finish(self, x: Tensor, skip: Tensor, codes: Tensor, row: int) -> tuple[Tensor, Tensor]:
        """The second convolution of a resolution, and its colours."""
        x = self.convs[row](x, codes[:, row + 1])
        return x, self.to_rgbs[row // 2](x, codes[:, row + 2], skip)

    def forward(
        self,
        codes: Tensor,
        inversion: tuple[Tensor, Tensor] | None = None,
        feature: Tensor | None = None,
        warps: tuple[Tensor, ...] = (),
        refinement: tuple[Tensor, Tensor] | None = None,
    ) -> Painting:
        """Paint W+ codes (B,codes,D), changing F in this order.

        inversion: scale and shift of F that bring back what the codes miss, each (B,C,f,f).
        feature: an F to take in place of the codes' own, (B,C,f,f).
        warps: deformations to apply one after the other, each (B,h,w,2) (`flow.deformation`).
        refinement: scale and shift that repair the warped F, each (B,C,f,f).
        """
        own, base = self.below(codes)
        own = condition(own, inversion)
        x = own if feature is None else feature
        for positions in warps:
            x = warp(x, positions, self.reference_flow)
        x = condition(x, refinement)
        return Painting(image=self.above(codes, x, base), feature=own, refined=x, base=base)


class Discriminator(nn.Module):
    """StyleGAN2's discriminator: image (B,3,S,S) in [-1,1] -> logits (B,1), high for real.

    S: `discriminator_size`.
    Statistics over groups of four images are one of its inputs: a batch must have fewer than 4 or a multiple of 4.
    """

    GROUP = 4

    def __init__(self, config: NetworkConfig) -> None:
        super().__init__()
        channels = config.discriminator_channels[::-1]
        blocks = [ResBlock(inputs, outputs) for inputs, outputs in itertools.pairwise(channels)]
        self.convs = nn.Sequential(ConvLayer(3, channels[0], 1), *blocks)
        last = channels[-1]
        self.final_conv = ConvLayer(last + 1, last, 3)
        self.final_linear = nn.Sequential(EqualLinear(last * 4 * 4, last, activate=True), EqualLinear(last, 1))

    def forward(self, image: Tensor) -> Tensor:
        return self.judge(self.convs(image))

    def judge(self, x: Tensor) -> Tensor:
        """The trunk's maps (B,C,4,4) -> logits (B,1)."""
        x = torch.cat([x, self._deviation(x)], dim=1)
        return self.final_linear(self.final_conv(x).flatten(1))

    def _deviation(self, x: Tensor) -> Tensor:
        """(B,C,4,4) -> (B,1,4,4): the mean deviation within the group that the image belongs to, as one constant map.

        Groups interleave: with 8 images, the even ones form one group and the odd ones another.
        """
        batch = len(x)
        group = min(batch, self.GROUP)
        assert batch % group == 0, f"a batch of {batch} is no multiple of {group}"
        variance = x.reshape(group, batch // group, *x.shape[1:]).var(dim=0, correction=0)
        deviation = torch.sqrt(variance + EPSILON).mean(dim=(1, 2, 3))  # one for each group
        return deviation.repeat(group)[:, None, None, None].expand(-1, -1, *x.shape[2:])
