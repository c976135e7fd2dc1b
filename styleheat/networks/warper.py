"""The video warper: a window of motion coefficients and an image -> the flow that moves the image.

PIRenderer's mapping and warping networks (arXiv 2109.08379), without its editing network.
"""

import dataclasses

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from styleheat.constants import DESCRIPTOR, WINDOW_RADIUS
from styleheat.networks import flow as flows
from styleheat.networks.config import NetworkConfig
from styleheat.networks.layers import AdaIN, LayerNorm2d, init_normal, resize
from styleheat.networks.precision import float32

SLOPE = 0.1
"""Negative slope of the warper's and calibrator's plain leaky ReLU."""


GAIN = 0.3
"""Of the norms' scales and shifts, as a relative warper begins."""


def activation(x: Tensor) -> Tensor:
    """Leaky ReLU of (...,) values."""
    return F.leaky_relu(x, SLOPE)


@dataclasses.dataclass
class Warp:
    """The motion of an image."""

    flow: Tensor
    """(B,2,feature_size,feature_size): for each pixel of F, how many pixels right and down its source is."""
    positions: Tensor
    """The same as positions to sample at, (B,feature_size,feature_size,2)."""
    displacement: Tensor
    """The same in shares of the image's width (B,2,h,h), as fine as it is known; see `flow`."""
    descriptor: Tensor
    """What the window was summed up as, (B,descriptor)."""


class MappingNet(nn.Module):
    """Window (B,73,27) of motion coefficients -> descriptor (B,D): dilated convolutions, no padding, a mean.

    What the middle frame says by itself is added, unless the network is the released one. The window of a network that
    sees the source is (B,146,27), see `VideoWarper.conditioned`.
    """

    LAYERS = 3

    mean: Tensor
    deviation: Tensor

    def __init__(self, config: NetworkConfig) -> None:
        super().__init__()
        width, inputs = config.descriptor, config.motions
        self.standardised = not config.released
        if self.standardised:
            # Expression is of order 1, positions of the crop are of order 100: as they come, the latter drown the
            # former, which the released network had to learn its way around.
            self.register_buffer("mean", torch.zeros(inputs, 1))
            self.register_buffer("deviation", torch.ones(inputs, 1))
        self.first = nn.Sequential(nn.Conv1d(inputs, width, kernel_size=7))
        self.repeats = inputs // DESCRIPTOR
        for layer in range(self.LAYERS):
            convolution = nn.Conv1d(width, width, kernel_size=3, dilation=3)
            self.add_module(f"encoder{layer}", nn.Sequential(nn.LeakyReLU(SLOPE), convolution))
        if self.standardised:
            # The convolutions and the mean blur over time what lips do in two frames.
            self.now = nn.Sequential(nn.Linear(inputs, width), nn.LeakyReLU(SLOPE), nn.Linear(width, width))

    @torch.no_grad()
    def standardise(self, mean: Tensor, deviation: Tensor) -> None:
        """Start from windows less `mean` (73,), over `deviation` (73,): those of training data.

        The released network has no place to keep them. There they go into the first convolution, which has no padding:
        it computes what it would compute from standardised windows.
        """
        mean, deviation = mean.repeat(self.repeats)[:, None], deviation.repeat(self.repeats)[:, None]
        if self.standardised:
            self.mean.copy_(mean)
            self.deviation.copy_(deviation)
            return
        weight, bias = self.first[0].get_parameter("weight"), self.first[0].get_parameter("bias")
        weight.div_(deviation)
        bias.sub_((weight * mean).sum((1, 2)))

    @float32  # crop offsets are of order 100, expressions of order 0.1
    def forward(self, window: Tensor) -> Tensor:
        if self.standardised:
            window = (window - self.mean) / self.deviation
        x = self.first(window)  # (B,D,21), then 15, 9, 3
        for layer in range(self.LAYERS):
            x = self.get_submodule(f"encoder{layer}")(x) + x[:, :, 3:-3]
        x = x.mean(dim=2)
        return x + self.now(window[:, :, WINDOW_RADIUS]) if self.standardised else x


class EncoderBlock(nn.Module):
    """Halves the resolution under the descriptor's control: (B,C,s,s) -> (B,C',s/2,s/2)."""

    def __init__(self, inputs: int, outputs: int, config: NetworkConfig) -> None:
        super().__init__()
        self.conv_0 = nn.Conv2d(inputs, outputs, 4, stride=2, padding=1)
        self.conv_1 = nn.Conv2d(outputs, outputs, 3, padding=1)
        self.norm_0 = AdaIN(inputs, config.descriptor, config.adain_hidden)
        self.norm_1 = AdaIN(outputs, config.descriptor, config.adain_hidden)

    def forward(self, x: Tensor, descriptor: Tensor) -> Tensor:
        x = self.conv_0(activation(self.norm_0(x, descriptor)))
        return self.conv_1(activation(self.norm_1(x, descriptor)))


class DecoderBlock(nn.Module):
    """Residual block that doubles the resolution under the descriptor's control: (B,C,s,s) -> (B,C',2s,2s)."""

    def __init__(self, inputs: int, outputs: int, config: NetworkConfig) -> None:
        super().__init__()
        self.conv_0 = nn.Conv2d(inputs, outputs, 3, padding=1)
        self.conv_1 = nn.ConvTranspose2d(outputs, outputs, 3, stride=2, padding=1, output_padding=1)
        self.conv_s = nn.ConvTranspose2d(inputs, outputs, 3, stride=2, padding=1, output_padding=1)
        self.norm_0 = AdaIN(inputs, config.descriptor, config.adain_hidden)
        self.norm_1 = AdaIN(outputs, config.descriptor, config.adain_hidden)
        self.norm_s = AdaIN(inputs, config.descriptor, config.adain_hidden)

    def forward(self, x: Tensor, descriptor: Tensor) -> Tensor:
        shortcut = self.conv_s(activation(self.norm_s(x, descriptor)))
        x = self.conv_0(activation(self.norm_0(x, descriptor)))
        return shortcut + self.conv_1(activation(self.norm_1(x, descriptor)))


class HourglassEncoder(nn.Module):
    """Image (B,3,H,H), or (B,6,H,H) with geometry -> maps at H, H/2, H/4 ..."""

    def __init__(self, config: NetworkConfig) -> None:
        super().__init__()
        self.layers = config.warper_down
        self.input_layer = nn.Conv2d(6 if config.geometry else 3, config.warper_base, 7, padding=3)
        for layer in range(self.layers):
            block = EncoderBlock(_width(config, layer), _width(config, layer + 1), config)
            self.add_module(f"encoder{layer}", block)

    def forward(self, image: Tensor, descriptor: Tensor) -> list[Tensor]:
        maps = [self.input_layer(image)]
        for layer in range(self.layers):
            maps.append(self.get_submodule(f"encoder{layer}")(maps[-1], descriptor))
        return maps


class HourglassDecoder(nn.Module):
    """The encoder's maps (B,C,s,s) -> one of F's size; its last channels are the encoder's own there."""

    def __init__(self, config: NetworkConfig) -> None:
        super().__init__()
        down, up = config.warper_down, config.warper_up
        self.levels = range(down - 1, down - 1 - up, -1)
        for level in self.levels:
            inputs = _width(config, level + 1) * (1 if level == down - 1 else 2)
            self.add_module(f"decoder{level}", DecoderBlock(inputs, _width(config, level), config))
        self.outputs = 2 * _width(config, self.levels[-1])

    def forward(self, maps: list[Tensor], descriptor: Tensor) -> Tensor:
        x = maps[-1]
        for level in self.levels:
            x = self.get_submodule(f"decoder{level}")(x, descriptor)
            x = torch.cat([x, maps[level]], dim=1)
        return x


class Hourglass(nn.Module):
    """U-net with skip connections, image (B,3,H,H) -> map (B,C,f,f); its norms follow the descriptor (B,D)."""

    def __init__(self, config: NetworkConfig) -> None:
        super().__init__()
        self.encoder = HourglassEncoder(config)
        self.decoder = HourglassDecoder(config)

    def forward(self, image: Tensor, descriptor: Tensor) -> Tensor:
        return self.decoder(self.encoder(image, descriptor), descriptor)


class WarpingNet(nn.Module):
    """Image and descriptor -> flow (B,2,feature_size,feature_size). Starts from no motion."""

    def __init__(self, config: NetworkConfig) -> None:
        super().__init__()
        self.hourglass = Hourglass(config)
        outputs = self.hourglass.decoder.outputs
        last = nn.Conv2d(outputs, 2, 7, padding=3)
        self.flow_out = nn.Sequential(LayerNorm2d(outputs), nn.LeakyReLU(SLOPE), last)
        init_normal(self)
        nn.init.zeros_(last.weight)

    def forward(self, image: Tensor, descriptor: Tensor) -> Tensor:
        return self._flow(self.hourglass(image, descriptor))

    @float32
    def _flow(self, x: Tensor) -> Tensor:
        return self.flow_out(x)


class VideoWarper(nn.Module):
    """Image (B,3,input_size,input_size) and window, as `conditioned` makes it -> how the image moves."""

    def __init__(self, config: NetworkConfig) -> None:
        super().__init__()
        self.reference_flow = config.reference_flow
        self.sees_source, self.relative, self.geometry = config.sees_source, config.relative, config.geometry
        self.mapping_net = MappingNet(config)
        self.warping_net = WarpingNet(config)
        init_normal(self.mapping_net)
        if config.relative:
            self._init_conditioning()

    def forward(self, image: Tensor, window: Tensor, geometry: Tensor | None = None) -> Warp:
        """geometry: (B,3,g,g), see `morphable.geometry`; needed by networks that start from it, of no use to others."""
        descriptor = self.mapping_net(window)
        if not self.geometry:
            flow = self.warping_net(image, descriptor)
            return Warp(flow, flows.deformation(flow), flow / flow.shape[-1], descriptor)
        assert geometry is not None, "this network starts from the face model's flow"
        own = self.warping_net(geometry_input(image, geometry), descriptor)
        return joined(own, geometry, descriptor)

    @torch.no_grad()
    def _init_conditioning(self) -> None:
        """Let the window matter from the first step: N(0, 0.02), layer after layer, leaves a hundredth of it.

        Kaiming's initialisation (arXiv 1502.01852) of all that lies between the window and the norms' scales and
        shifts; residual branches count half, and the norms begin as a modest function of the descriptor.
        """
        norms = [module for module in self.modules() if isinstance(module, AdaIN)]
        if norms[0].mlp_gamma.weight.is_meta:  # as `init_normal`
            return
        for layer in (layer for part in (self.mapping_net, *norms) for layer in part.modules()):
            if isinstance(layer, nn.Conv1d | nn.Linear):
                nn.init.kaiming_normal_(layer.weight, SLOPE if isinstance(layer, nn.Conv1d) else 0.0)
        for norm in norms:
            norm.mlp_gamma.weight *= GAIN
            norm.mlp_beta.weight *= GAIN
        for number in range(MappingNet.LAYERS):
            self.mapping_net.get_submodule(f"encoder{number}.1").get_parameter("weight").mul_(0.5)

    def standardise(self, mean: Tensor, deviation: Tensor) -> None:
        """Start from descriptors of this mean and deviation (73,), those of training data: see `MappingNet`."""
        self.mapping_net.standardise(torch.zeros_like(mean) if self.relative else mean, deviation)

    def conditioned(self, window: Tensor, source: Tensor) -> Tensor:
        """Windows (B,73,27) that drive, and the images' own descriptors (B,73) -> windows as this warper takes them:
        less the own descriptors if it is relative, with them, (B,146,27), if it sees the source, else as they are."""
        if self.relative:
            window = window - source[..., None]
        return torch.cat([window, source[..., None].expand_as(window)], dim=1) if self.sees_source else window

    def move(self, image: Tensor, motion: Warp) -> Tensor:
        """The image (B,3,H,H), of any size, moved."""
        if self.geometry:
            return flows.displaced(image, motion.displacement)
        return flows.warp(image, motion.positions, self.reference_flow)


GEOMETRY_GAIN = 10.0
"""Of displacements as an input: a tenth of the image's width is a large one."""


@float32
def geometry_input(image: Tensor, geometry: Tensor) -> Tensor:
    """What a warper that starts from geometry (B,3,g,g) sees: the image (B,3,H,H) moved by it, and the geometry."""
    geometry = resize(geometry, image.shape[-1])
    moved = flows.displaced(image, geometry[:, :2])
    return torch.cat([moved, geometry[:, :2] * GEOMETRY_GAIN, geometry[:, 2:]], dim=1)


@float32
def joined(own: Tensor, geometry: Tensor, descriptor: Tensor) -> Warp:
    """The warper's own flow (B,2,f,f), smoothed, added to geometry's (B,3,g,g).

    Eight pixels of the portrait share a cell of the flow: as it comes, edges that it moves turn into stairs.
    """
    own, size = flows.smoothed(own), own.shape[-1]
    flow = own + resize(geometry[:, :2], size) * size
    displacement = geometry[:, :2] + resize(own.contiguous() / size, geometry.shape[-1])
    return Warp(flow, flows.deformation(flow), displacement, descriptor)


def _width(config: NetworkConfig, level: int) -> int:
    return min(config.warper_base * 2**level, config.warper_max)
