"""The encoders of an inversion: e4e (arXiv 2102.02766) for the W+ code, HFGI (arXiv 2109.06590) for what that misses.

Parameter names are those of the released Encoder_e4e.pth and hfgi.pth.
"""

import math

import torch
from torch import Tensor, nn

from styleheat.networks.config import NetworkConfig
from styleheat.networks.layers import EqualConv2d, EqualLinear, ScaledLeakyReLU, resize

COARSE, MIDDLE = 3, 7
"""First rows of the W+ code that are read from the middle and from the fine feature map."""

MOMENTUM = 0.01
"""Share of a batch in the running statistics. Batches of training are small: torch's 0.1 would leave what a dozen of
them happened to be."""


class SqueezeExcitation(nn.Module):
    """Channels of (B,C,H,W) weighted by a small network that sees their means (arXiv 1709.01507)."""

    def __init__(self, channels: int, reduction: int) -> None:
        super().__init__()
        self.fc1 = nn.Conv2d(channels, channels // reduction, 1, bias=False)
        self.fc2 = nn.Conv2d(channels // reduction, channels, 1, bias=False)

    def forward(self, x: Tensor) -> Tensor:
        mean = x.mean(dim=(2, 3), keepdim=True)
        return x * torch.sigmoid(self.fc2(torch.relu(self.fc1(mean))))


class Bottleneck(nn.Module):
    """ArcFace's improved residual block, (B,C,H,W) -> (B,C',H/stride,W/stride); the second convolution has the stride.
    `squeeze` 0: no channel weighting."""

    def __init__(self, inputs: int, outputs: int, stride: int = 1, squeeze: int = 0) -> None:
        super().__init__()
        self.stride = stride
        if inputs == outputs:
            self.shortcut_layer: nn.Module = nn.Identity()
        else:
            self.shortcut_layer = nn.Sequential(
                nn.Conv2d(inputs, outputs, 1, bias=False), nn.BatchNorm2d(outputs, momentum=MOMENTUM)
            )
        layers = [
            nn.BatchNorm2d(inputs, momentum=MOMENTUM),
            nn.Conv2d(inputs, outputs, 3, 1, 1, bias=False),
            nn.PReLU(outputs),
            nn.Conv2d(outputs, outputs, 3, stride, 1, bias=False),
            nn.BatchNorm2d(outputs, momentum=MOMENTUM),
        ]
        if squeeze:
            layers.append(SqueezeExcitation(outputs, squeeze))
        self.res_layer = nn.Sequential(*layers)

    def forward(self, x: Tensor) -> Tensor:
        # Pixels are skipped before the 1x1 convolution rather than by its stride: the same numbers, and torch 2.14's
        # strided 1x1 convolution corrupts memory in its backward pass on CPUs (channels_last, 8 channels).
        return self.res_layer(x) + self.shortcut_layer(x[:, :, :: self.stride, :: self.stride])


def _stem(inputs: int, outputs: int) -> nn.Sequential:
    return nn.Sequential(
        nn.Conv2d(inputs, outputs, 3, 1, 1, bias=False), nn.BatchNorm2d(outputs, momentum=MOMENTUM), nn.PReLU(outputs)
    )


class StyleHead(nn.Module):
    """One row of the W+ code from a feature map: halve to one pixel, then a linear layer; (B,C,s,s) -> (B,D)."""

    def __init__(self, inputs: int, outputs: int, size: int) -> None:
        super().__init__()
        layers: list[nn.Module] = []
        for level in range(int(math.log2(size))):
            layers += [nn.Conv2d(outputs if level else inputs, outputs, 3, 2, 1), nn.LeakyReLU()]
        self.convs = nn.Sequential(*layers)
        self.linear = EqualLinear(outputs, outputs)

    def forward(self, x: Tensor) -> Tensor:
        return self.linear(self.convs(x).flatten(1))


class PyramidEncoder(nn.Module):
    """Image (B,3,input_size,input_size) -> W+ code less its mean, (B,codes,D).

    Row 0 is what all rows share; the others add their difference from it, read from maps at 1/16, 1/8 and 1/4.
    """

    def __init__(self, config: NetworkConfig) -> None:
        super().__init__()
        widths, blocks = config.encoder_widths, config.encoder_blocks
        self.input_layer = _stem(3, widths[0])
        body: list[nn.Module] = []
        for inputs, outputs, count in zip((widths[0], *widths), widths, blocks, strict=False):
            body.append(Bottleneck(inputs, outputs, stride=2, squeeze=config.squeeze))
            body.extend(Bottleneck(outputs, outputs, squeeze=config.squeeze) for _ in range(count - 1))
        self.body = nn.Sequential(*body)
        self.stage_ends = [sum(blocks[: stage + 1]) for stage in range(len(blocks))]

        coarse = config.input_size // 16
        sizes = [coarse if row < COARSE else 2 * coarse if row < MIDDLE else 4 * coarse for row in range(config.codes)]
        self.styles = nn.ModuleList(StyleHead(widths[3], config.style_dim, size) for size in sizes)
        self.latlayer1 = nn.Conv2d(widths[2], widths[3], 1)
        self.latlayer2 = nn.Conv2d(widths[1], widths[3], 1)

    def forward(self, image: Tensor) -> Tensor:
        x = self.input_layer(image)
        stages = []
        for start, end in zip([0, *self.stage_ends], self.stage_ends, strict=False):
            x = self.body[start:end](x)
            stages.append(x)
        coarse = stages[3]
        middle = resize(coarse, stages[2].shape[-1]) + self.latlayer1(stages[2])
        fine = resize(middle, stages[1].shape[-1]) + self.latlayer2(stages[1])
        shared = self.styles[0](coarse)
        rows = [shared]
        for row, style in enumerate(self.styles):
            if row:
                rows.append(shared + style(coarse if row < COARSE else middle if row < MIDDLE else fine))
        return torch.stack(rows, dim=1)


class E4eEncoder(nn.Module):
    """Image (B,3,input_size,input_size) in [-1,1] -> W+ code (B,codes,D).

    `latent_avg` (codes,D) is the mean code that the encoder's output is relative to. Official state dicts of the full
    model lack it: it stands beside the encoder in Encoder_e4e.pth.
    """

    def __init__(self, config: NetworkConfig) -> None:
        super().__init__()
        self.encoder = PyramidEncoder(config)
        self.register_buffer("latent_avg", torch.zeros(config.codes, config.style_dim))

    def forward(self, image: Tensor) -> Tensor:
        return self.encoder(image) + self.latent_avg


class ResidualAligner(nn.Module):
    """Aligns the residual that the codes miss with the coarse image (HFGI's ADA).

    Residual and coarse image, stacked (B,6,input_size,input_size) -> residual (B,3,input_size,input_size).
    """

    def __init__(self, config: NetworkConfig) -> None:
        super().__init__()
        a, b, c, d = config.aligner_widths
        extra = config.residual_blocks - 1

        def down(inputs: int, outputs: int) -> nn.Sequential:
            return nn.Sequential(
                Bottleneck(inputs, outputs, stride=2), *(Bottleneck(outputs, outputs) for _ in range(extra))
            )

        def up(inputs: int, hidden: int, outputs: int) -> nn.Sequential:
            return nn.Sequential(
                Bottleneck(inputs, hidden),
                Bottleneck(hidden, outputs),
                *(Bottleneck(outputs, outputs) for _ in range(extra - 1)),
            )

        self.conv_layer1 = _stem(6, a)
        self.conv_layer2, self.conv_layer3, self.conv_layer4 = down(a, b), down(b, c), down(c, d)
        self.dconv_layer1, self.dconv_layer2, self.dconv_layer3 = up(d + c, d, b), up(2 * b, b, a), up(2 * a, a, 3)

    def forward(self, residual_and_image: Tensor) -> Tensor:
        full = self.conv_layer1(residual_and_image)
        half = self.conv_layer2(full)
        quarter = self.conv_layer3(half)
        x = self.conv_layer4(quarter)
        for layer, skip in (
            (self.dconv_layer1, quarter),
            (self.dconv_layer2, half),
            (self.dconv_layer3, full),
        ):
            x = layer(torch.cat([resize(x, skip.shape[-1]), skip], dim=1))
        return x


class ResidualEncoder(nn.Module):
    """Aligned residual (B,3,input_size,input_size) -> scale and shift of F, each (B,C,feature_size,feature_size)."""

    def __init__(self, config: NetworkConfig) -> None:
        super().__init__()
        a, b, c = config.residual_widths
        extra = config.residual_blocks - 1
        self.feature_size = config.feature_size
        self.conv_layer1 = _stem(3, a)
        self.conv_layer2 = nn.Sequential(Bottleneck(a, b, 2), *(Bottleneck(b, b) for _ in range(extra)))
        stride = config.halvings  # 2 at full size; 1 where F has half the input's pixels
        self.conv_layer3 = nn.Sequential(Bottleneck(b, c, stride), *(Bottleneck(c, c) for _ in range(extra)))

        def head() -> tuple[nn.Sequential, EqualConv2d]:
            last = EqualConv2d(config.residual_hidden, config.feature_channels, 3, padding=1)
            return nn.Sequential(EqualConv2d(c, config.residual_hidden, 3, padding=1), ScaledLeakyReLU(), last), last

        self.condition_scale3, scale = head()
        self.condition_shift3, _ = head()
        nn.init.zeros_(scale.weight)  # starts as a pure shift

    def forward(self, residual: Tensor) -> tuple[Tensor, Tensor]:
        x = self.conv_layer3(self.conv_layer2(self.conv_layer1(residual)))
        return resize(self.condition_scale3(x), self.feature_size), resize(self.condition_shift3(x), self.feature_size)
