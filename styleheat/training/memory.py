"""Time for memory, and start-up for speed, block by block of the networks.

A block is a residual block or a styled convolution: what repeats in a network. Both work on a module's `forward` in
place and change no name of a parameter.
"""

import contextlib
import functools
from collections.abc import Callable, Iterator
from typing import Any

import torch
from torch import Tensor, nn
from torch.utils.checkpoint import checkpoint

from styleheat.networks.audio2motion import AudioConv, ResidualConv
from styleheat.networks.calibrator import Injection, UpBlock
from styleheat.networks.encoder import Bottleneck, StyleHead
from styleheat.networks.layers import ResBlock
from styleheat.networks.stylegan2 import StyledConv, ToRGB
from styleheat.networks.warper import DecoderBlock, EncoderBlock
from styleheat.training.norm import NotRecording

BLOCKS = (
    AudioConv,
    Bottleneck,
    DecoderBlock,
    EncoderBlock,
    Injection,
    ResBlock,
    ResidualConv,
    StyleHead,
    StyledConv,
    ToRGB,
    UpBlock,
)

RECOMPILE_LIMIT = 256
"""Blocks of one class differ in their sizes, and each size is compiled for itself."""


def checkpoint_blocks(module: nn.Module) -> None:
    """Keep the inputs of the blocks alone, and compute what lies within them again in the backward pass."""
    for block in _blocks(module):
        block.forward = functools.partial(_checkpointed, block.forward)  # type: ignore[method-assign]


def compile_blocks(module: nn.Module) -> None:
    """torch.compile each block at its first use."""
    torch._dynamo.config.recompile_limit = RECOMPILE_LIMIT
    for block in _blocks(module):
        block.compile(dynamic=False)


def _blocks(module: nn.Module) -> Iterator[nn.Module]:
    """The outermost blocks."""
    found: dict[int, nn.Module] = {}

    def search(parent: nn.Module) -> None:
        for child in parent.children():
            if isinstance(child, BLOCKS):
                found[id(child)] = child  # once, though both the model and a phase hold it
            else:
                search(child)

    search(module)
    yield from found.values()


def _checkpointed(forward: Callable[..., Tensor], *inputs: Any) -> Tensor:
    if not torch.is_grad_enabled():
        return forward(*inputs)
    return checkpoint(forward, *inputs, use_reentrant=False, preserve_rng_state=False, context_fn=_contexts)


def _contexts() -> tuple[contextlib.AbstractContextManager, contextlib.AbstractContextManager]:
    return contextlib.nullcontext(), NotRecording()
