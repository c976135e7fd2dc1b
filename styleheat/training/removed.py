"""Parameters that have no effect while training: constants that the norm after them subtracts again.

Their true gradient is 0, and what is computed in its place is rounding, which differs between divisions of a batch and
between machines. Adam divides a gradient by its own size, so that it would make steps of full length out of it. So they
are not trained.
"""

from collections.abc import Iterator

from torch import nn

from styleheat.networks.audio2motion import PoseUnet, ResidualConv
from styleheat.networks.audio_encoder import AudioConv
from styleheat.networks.calibrator import Injection
from styleheat.networks.encoder import Bottleneck, ResidualAligner, ResidualEncoder
from styleheat.networks.warper import DecoderBlock, EncoderBlock, Hourglass

BEFORE_NORMS = {
    AudioConv: ("conv_block.0.bias",),
    ResidualConv: ("conv_block.2.bias", "conv_skip.0.bias"),
    PoseUnet: ("input_layer.0.bias",),
    EncoderBlock: ("conv_0.bias",),
    DecoderBlock: ("conv_0.bias",),
    Injection: ("conv1.bias", "conv2.bias"),
}
"""Biases of convolutions whose output goes into a norm and nowhere else."""


def freeze_removed_biases(network: nn.Module) -> None:
    """Switch off the gradient of every parameter of a network that has no effect in training mode."""
    for parameter in removed_biases(network):
        parameter.requires_grad_(False)


def removed_biases(network: nn.Module) -> Iterator[nn.Parameter]:
    """These parameters."""
    for module in network.modules():
        for name in BEFORE_NORMS.get(type(module), ()):
            yield module.get_parameter(name)
        match module:
            case Hourglass():
                yield from _of_hourglass(module)
            case ResidualAligner():
                blocks = [module.conv_layer2, module.conv_layer3, module.conv_layer4]
                # The other blocks of the last layer add to its output.
                blocks += [module.dconv_layer1, module.dconv_layer2, module.dconv_layer3[:1]]
                for layer in blocks:
                    yield from _of_bottlenecks(layer)
            case ResidualEncoder():
                yield from _of_bottlenecks(module.conv_layer2)


def _of_hourglass(hourglass: Hourglass) -> Iterator[nn.Parameter]:
    """Biases of the encoder's maps: every block begins with norms, and only the last map that the decoder takes is also
    a part of its output."""
    shown = hourglass.decoder.levels[-1]
    encoder = hourglass.encoder
    maps = [encoder.input_layer, *(encoder.get_submodule(f"encoder{layer}.conv_1") for layer in range(encoder.layers))]
    for level, convolution in enumerate(maps):
        if level != shown:
            yield convolution.get_parameter("bias")


def _of_bottlenecks(layer: nn.Module) -> Iterator[nn.Parameter]:
    """Biases of the last batch norms of blocks that only blocks follow, which begin with batch norms themselves."""
    for block in layer.modules():
        if isinstance(block, Bottleneck):
            yield block.get_parameter("res_layer.4.bias")
            if isinstance(block.shortcut_layer, nn.Sequential):
                yield block.get_parameter("shortcut_layer.1.bias")
