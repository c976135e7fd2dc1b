"""Frames of one portrait, several times faster than `StyleHEAT.forward`, which they equal but for rounding.

`StyleHEAT.forward` is the model as it is to be read, and for any batch of portraits. An engine knows its portrait, and
so computes once what the frames have in common: the generator's lower layers, F and the image below it; the weights
of the upper layers, modulated, demodulated and with their constant factors in them; the warper's first map. And it
computes only what acts: of the calibrator's heads those at F's own resolution.
"""

import copy
import math
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from styleheat.inference.operations import (
    FAST,
    Convolution,
    DoublingConvolution,
    WideConvolution,
    fast_precision,
    keep_memory,
)
from styleheat.networks import flow as flows
from styleheat.networks.calibrator import Calibrator, Injection, UpBlock
from styleheat.networks.inversion import Inversion
from styleheat.networks.layers import SLOPE, AdaIN, BiasedLeakyReLU, ConvLayer, EqualConv2d, ResBlock, resize
from styleheat.networks.stylegan2 import EPSILON, Generator, ModulatedConv2d, StyledConv, ToRGB
from styleheat.networks.styleheat import StyleHEAT, compose, detail_mask
from styleheat.networks.warper import SLOPE as WARPER_SLOPE
from styleheat.networks.warper import VideoWarper, Warp, geometry_input, joined

GAIN = math.sqrt(2)
"""Gain of `scaled_leaky_relu`. It is multiplied into the weights, as a leaky ReLU commutes with positive factors."""

INJECTION_SLOPE = 0.01

EPSILON_OF_NORMS = 1e-5
"""Of `group_norm`, added to the variance."""

Condition = tuple[Tensor, Tensor]
"""Scales and shifts of an `AdaIN`'s maps, (B,C) each, float32."""


class Engine:
    """Generates frames of one portrait for any motion."""

    def __init__(self, model: StyleHEAT, inversion: Inversion, precision: torch.dtype | None = None) -> None:
        """Bind a model, whose weights are not changed, to a portrait.

        inversion: of batch 1, as in `Portrait.inversion`. precision: that calibrator and generator compute in, and on
        CPUs the warper too; None: the device's `fast_precision`. In half precision pixels are off by about 1e-2 on
        [-1,1].
        """
        device = inversion.feature.device
        if device.type == "cpu":
            keep_memory()
        if precision is None:
            precision = fast_precision(device)
        stylegan, codes = model.generator.stylegan, inversion.codes
        with torch.inference_mode():
            base = stylegan.below(codes)[1] if inversion.base is None else inversion.base
            self.feature = inversion.feature.contiguous(memory_format=FAST)
            self.reference_flow, self.precision = model.config.reference_flow, precision
            self.move = _Warper(model.video_warper, inversion.image, precision)
            self.detail = model.config.detail
            self.repair = _Calibrator(model.calibrator, model.config.feature_size, precision)
            self.draw = _Generator(stylegan, codes, base, precision)
        self.rest: Tensor | None = None

    @torch.inference_mode()
    def settle(self, window: Tensor, geometry: Tensor | None = None) -> None:
        """Let the portrait's detail stay where it is for a window (1,73,27), its own descriptor, and geometry: what the
        warper moves there is taken away from all that `paint` gives, as `StyleHEAT.forward` does by `rest`."""
        self.rest = self.move(window, geometry).displacement

    @torch.inference_mode()
    def paint(self, windows: Tensor, geometry: Tensor | None = None) -> tuple[Tensor, Tensor]:
        """Windows of motion coefficients (B,73,27) -> frames (B,3,S,S), about [-1,1], not clamped, channels_last; and
        the displacement (B,2,h,h) of its detail. For networks that take it from the portrait, the mask is a fourth
        channel.

        geometry: (B,3,g,g), for networks that start from it.
        """
        motion = self.move(windows, geometry)
        feature = flows.warp(self.feature.expand(len(windows), -1, -1, -1), motion.positions, self.reference_flow)
        painted = self.draw(self.repair(feature, motion.descriptor, geometry))
        if self.detail:
            painted[:, 3:] = detail_mask(painted[:, 3:], geometry, firm=True)
        displacement = motion.displacement if self.rest is None else motion.displacement - self.rest
        return painted, displacement


def composed(painted: Tensor, displacement: Tensor, photo: Tensor, around: int = 0) -> Tensor:
    """What `Engine.paint` made, with the detail of the portrait (1,3,W,W), which has `around` pixels more on each side:
    frames (B,3,S,S). `DetailComposer` does the same on CPUs, faster."""
    painted = resize(painted, photo.shape[-1] - 2 * around)
    moved = flows.displaced(photo.expand(len(painted), -1, -1, -1), displacement, around)
    return compose(painted[:, :3], moved, painted[:, 3:])


class _Warper:
    """The warper of one image: windows (B,73,27), and geometry (B,3,g,g) if it starts from that -> `Warp`.

    If it starts from that, what it adds is small, and all but its last layer compute in `precision` on CPUs; else in
    float32, as an error of 1 % of a large motion is seen.
    """

    def __init__(self, warper: VideoWarper, image: Tensor, precision: torch.dtype) -> None:
        if not warper.geometry or image.device.type != "cpu":
            precision = torch.float32
        self.describe, net, self.precision = warper.mapping_net, warper.warping_net, precision
        encoder, decoder = net.hourglass.encoder, net.hourglass.decoder
        halvings: list[Any] = [encoder.get_submodule(f"encoder{layer}") for layer in range(encoder.layers)]
        doublings: list[Any] = [decoder.get_submodule(f"decoder{level}") for level in decoder.levels]
        self.levels = decoder.levels
        self.halve = [_cast([block.conv_0, block.conv_1], precision) for block in halvings]
        self.double = [_cast([block.conv_s, block.conv_0, block.conv_1], precision) for block in doublings]
        norms = [norm for block in halvings for norm in (block.norm_0, block.norm_1)]
        norms += [norm for block in doublings for norm in (block.norm_s, block.norm_0, block.norm_1)]
        self.conditions = _Conditions(norms)
        last: Any = net.flow_out[-1]
        self.finish, self.flow_out = net.flow_out[:-1], WideConvolution(last.weight, last.bias)
        self.image, self.geometry = image, warper.geometry
        (self.first,) = _cast([encoder.input_layer], precision)
        if not self.geometry:
            self.full_size = self.first(image.to(precision, memory_format=FAST))

    def __call__(self, windows: Tensor, geometry: Tensor | None = None) -> Warp:
        descriptor = self.describe(windows)
        conditions = iter(self.conditions(descriptor))
        if self.geometry:
            assert geometry is not None
            image = self.image.expand(len(windows), -1, -1, -1)
            maps = [self.first(geometry_input(image, geometry).to(self.precision, memory_format=FAST))]
        else:
            maps = [self.full_size.expand(len(windows), -1, -1, -1)]
        for conv_0, conv_1 in self.halve:
            x = conv_0(_activated(maps[-1], *next(conditions)))
            maps.append(conv_1(_activated(x, *next(conditions))))
        x = maps[-1]
        for level, (conv_s, conv_0, conv_1) in zip(self.levels, self.double, strict=True):
            shortcut = conv_s(_activated(x, *next(conditions)))
            x = conv_0(_activated(x, *next(conditions)))
            x = conv_1(_activated(x, *next(conditions))).add_(shortcut)
            x = torch.cat([x, maps[level]], dim=1)
        flow = self.flow_out(self.finish(x.float()))
        if self.geometry:
            assert geometry is not None
            return joined(flow, geometry, descriptor)
        return Warp(flow, flows.deformation(flow), flow / flow.shape[-1], descriptor)


class _Calibrator:
    """The calibrator up to what acts: warped F (B,C,f,f) and descriptors (B,D) -> F repaired, in `precision`."""

    def __init__(self, net: Calibrator, size: int, precision: torch.dtype) -> None:
        self.precision, self.describe, self.geometry = precision, net.linear_3dmm, net.geometry
        self.first = _of_layer(net.conv_body_first, size, precision)
        sizes = [size >> level for level in range(len(net.conv_body_down))]
        halvings: list[Any] = list(net.conv_body_down)
        doublings: list[Any] = list(zip(net.conv_body_up, net.inject_3dmm, strict=True))
        self.down = [_Halving(block, at, precision) for at, block in zip(sizes, halvings, strict=True)]
        self.lowest = _of_layer(net.final_conv, sizes[-1] // 2, precision)
        self.up = [
            (_Doubling(block, at, precision), _Injecting(injection, at, precision))
            for at, (block, injection) in zip(reversed(sizes), doublings, strict=True)
        ]
        self.conditions = _Conditions([norm for _, block in doublings for norm in (block.norm1, block.norm2)])
        # The heads of scale and shift see the same map: their first convolutions are one.
        scale: Any = net.condition_scale[-1]
        shift: Any = net.condition_shift[-1]
        weight = torch.cat([scale[0].weight * scale[0].scale, shift[0].weight * shift[0].scale])
        bias = torch.cat([scale[0].bias, shift[0].bias])
        self.heads = _convolution(weight * GAIN, bias * GAIN, size, precision, SLOPE)
        self.scale = _convolution(scale[2].weight * scale[2].scale, scale[2].bias + 1, size, precision)
        self.shift = _convolution(shift[2].weight * shift[2].scale, shift[2].bias, size, precision)

    def __call__(self, warped: Tensor, descriptor: Tensor, geometry: Tensor | None = None) -> Tensor:
        warped = warped.to(self.precision, memory_format=FAST)
        if self.geometry:
            assert geometry is not None
            seen = resize(geometry[:, 2:], warped.shape[-1]).to(self.precision)
            x = self.first(torch.cat([warped, seen], dim=1).contiguous(memory_format=FAST))
        else:
            x = self.first(warped)
        skips = []
        for halve in self.down:
            x = halve(x)
            skips.append(x)
        x, conditions = self.lowest(x), iter(self.conditions(self.describe(descriptor)))
        for double, inject in self.up:
            x = inject(double(x.add_(skips.pop())), next(conditions), next(conditions))
        scale, shift = self.heads(x).chunk(2, dim=1)
        return torch.addcmul(self.shift(shift), self.scale(scale), warped)


class _Halving:
    """`ResBlock`."""

    def __init__(self, block: ResBlock, size: int, precision: torch.dtype) -> None:
        self.same = _of_layer(block.conv1, size, precision)
        blur, strided, activation = block.conv2
        blur_skip, skip = block.skip
        self.blurs = [copy.deepcopy(one).to(precision) for one in (blur, blur_skip)]
        assert isinstance(strided, EqualConv2d) and isinstance(skip, EqualConv2d)
        assert isinstance(activation, BiasedLeakyReLU)
        weight, bias = strided.weight * strided.scale, activation.bias  # √2 of the activation, 1/√2 of the sum
        self.down = _convolution(weight, bias, size, precision, SLOPE, stride=2, padding=0)
        self.skip = _convolution(skip.weight * skip.scale / GAIN, None, size // 2, precision)

    def __call__(self, x: Tensor) -> Tensor:
        blur, blur_skip = self.blurs
        return self.down(blur(self.same(x))).add_(self.skip(blur_skip(x)))


class _Doubling:
    """`UpBlock`. Its 1×1 convolution comes before the doubling, which it commutes with, on a quarter of the pixels."""

    def __init__(self, block: UpBlock, size: int, precision: torch.dtype) -> None:
        self.same = _of_layer(block.conv1, size // 2, precision)
        weight, bias = block.conv2.weight * block.conv2.scale, block.conv2.activation.bias
        self.up = _convolution(weight, bias, size, precision, SLOPE)  # √2 of the activation, 1/√2 of the sum
        self.skip = _convolution(block.skip.weight * block.skip.scale / GAIN, None, size // 2, precision)

    def __call__(self, x: Tensor) -> Tensor:
        skip = _doubled(self.skip(x))
        return self.up(_doubled(self.same(x))).add_(skip)


class _Injecting:
    """`Injection`. The norms remove what the biases of the convolutions before them add."""

    def __init__(self, block: Injection, size: int, precision: torch.dtype) -> None:
        self.convolutions = [_convolution(conv.weight, None, size, precision) for conv in (block.conv1, block.conv2)]

    def __call__(self, x: Tensor, condition: Condition, condition2: Condition) -> Tensor:
        first, second = self.convolutions
        x = F.leaky_relu_(_normed(first(x), *condition), INJECTION_SLOPE)
        return _normed(second(x), *condition2).add_(x)


class _Generator:
    """The generator above F for one portrait's codes: F as it is to be painted -> frames, float32, and, for a network
    that paints one, in a fourth channel the mask's logit."""

    def __init__(self, net: Generator, codes: Tensor, base: Tensor, precision: torch.dtype) -> None:
        self.base = base.contiguous(memory_format=FAST)
        size, self.layers = base.shape[-1], []
        convs: list[Any] = list(net.convs)
        to_rgbs: list[Any] = list(net.to_rgbs)
        for row in range(net.split, net.codes - 1, 2):
            size *= 2
            first = None if row == net.split else _doubling(convs[row - 1], codes[:, row], precision)
            second = _styled(convs[row], codes[:, row + 1], size, precision)
            self.layers.append((first, second, _to_rgb(to_rgbs[row // 2], codes[:, row + 2], size, precision)))

    def __call__(self, x: Tensor) -> Tensor:
        image = self.base.expand(len(x), -1, -1, -1)
        for first, second, colours in self.layers:
            x = second(x if first is None else first(x))
            painted = colours(x).float()
            painted[:, :3].add_(_upsampled(image))
            image = painted
        return image


def _convolution(
    weight: Tensor,
    bias: Tensor | None,
    size: int,
    precision: torch.dtype,
    slope: float | None = None,
    stride: int = 1,
    padding: int | None = None,
) -> Convolution:
    bias = None if bias is None else bias.to(precision)
    return Convolution(weight.to(precision), bias, size, slope, stride, padding)


def _of_layer(layer: ConvLayer, size: int, precision: torch.dtype) -> Convolution:
    """A `ConvLayer` that neither halves nor lacks its activation."""
    convolution, activation = layer
    assert isinstance(convolution, EqualConv2d) and isinstance(activation, BiasedLeakyReLU)
    weight = convolution.weight * (convolution.scale * GAIN)
    return _convolution(weight, activation.bias * GAIN, size, precision, SLOPE)


def _modulated(conv: ModulatedConv2d, style: Tensor) -> Tensor:
    """The weights (O,I,k,k) of one style (1,D)."""
    weight = conv.scale * conv.weight[0] * conv.modulation(style)[0, :, None, None]
    if conv.demodulate:
        weight = weight * torch.rsqrt(weight.square().sum(dim=(1, 2, 3), keepdim=True) + EPSILON)
    return weight


def _styled(layer: StyledConv, style: Tensor, size: int, precision: torch.dtype) -> Convolution:
    return _convolution(_modulated(layer.conv, style) * GAIN, layer.activate.bias * GAIN, size, precision, SLOPE)


def _doubling(layer: StyledConv, style: Tensor, precision: torch.dtype) -> DoublingConvolution:
    weight, bias = _modulated(layer.conv, style) * GAIN, layer.activate.bias * GAIN
    return DoublingConvolution(weight.to(precision), bias.to(precision), SLOPE)


def _to_rgb(layer: ToRGB, style: Tensor, size: int, precision: torch.dtype) -> Convolution:
    return _convolution(_modulated(layer.conv, style), layer.bias.flatten(), size, precision)


def _upsampled(x: Tensor) -> Tensor:
    """`Upsample` by bilinear interpolation, whose weights are those of its filter; beyond the border are zeros. On CPUs
    the transposed convolution that defines it is slower."""
    return _doubled(F.pad(x, (1, 1, 1, 1)))[:, :, 2:-2, 2:-2]


def _doubled(x: Tensor) -> Tensor:
    return F.interpolate(x, scale_factor=2, mode="bilinear", align_corners=False)


class _Conditions:
    """Descriptors (B,D) -> the `Condition` of each of some `AdaIN`, in fewer and larger operations than these."""

    def __init__(self, norms: list[AdaIN]) -> None:
        shared: list[Any] = [norm.mlp_shared[0] for norm in norms]
        self.shared = torch.cat([layer.weight for layer in shared]), torch.cat([layer.bias for layer in shared])
        self.layers = [
            (
                torch.cat([norm.mlp_gamma.weight, norm.mlp_beta.weight]),
                torch.cat([norm.mlp_gamma.bias + 1, norm.mlp_beta.bias]),
            )
            for norm in norms
        ]

    def __call__(self, descriptor: Tensor) -> list[Condition]:
        hidden = F.relu_(F.linear(descriptor, *self.shared)).chunk(len(self.layers), dim=1)
        outputs = (F.linear(x, *layer).chunk(2, dim=1) for x, layer in zip(hidden, self.layers, strict=True))
        return [(scale, shift) for scale, shift in outputs]


def _cast(layers: list[nn.Module], precision: torch.dtype) -> list[nn.Module]:
    """Copies of layers that compute in a precision."""
    return [copy.deepcopy(layer).to(precision) for layer in layers]


def _activated(x: Tensor, scale: Tensor, shift: Tensor) -> Tensor:
    """`warper.activation` of an `AdaIN`."""
    return F.leaky_relu_(_normed(x, scale, shift), WARPER_SLOPE)


def _normed(x: Tensor, scale: Tensor, shift: Tensor) -> Tensor:
    """`AdaIN.forward` for a `Condition`, in fewer passes; on CPUs its group norm takes up to ten times as long as the
    sums it needs."""
    if x.device.type != "cpu":
        return torch.addcmul(shift[..., None, None].to(x), F.group_norm(x, x.shape[1]), scale[..., None, None].to(x))
    if x.dtype != torch.float32:  # sums in half precision are slow; those of a batch norm are float32
        items = zip(x.split(1), scale, shift, strict=True)
        return torch.cat([F.batch_norm(item, None, None, a, b, training=True) for item, a, b in items])
    pixels = x.permute(0, 2, 3, 1).flatten(1, 2)  # (B,H·W,C)
    mean = pixels.mean(dim=1)
    variance = (pixels - mean[:, None]).square_().mean(dim=1)
    scale = scale * torch.rsqrt(variance + EPSILON_OF_NORMS)
    return torch.addcmul((shift - mean * scale)[..., None, None], x, scale[..., None, None])
