"""Time for memory, and start-up or memory for speed.

A block is a residual block or a styled convolution: what repeats in a network. Checkpointing and compiling work on a
module's `forward` in place and change no name of a parameter.
"""

import contextlib
import ctypes
import functools
import platform
from collections.abc import Callable, Iterator
from typing import Any

import torch
from torch import Tensor, nn
from torch.utils.checkpoint import checkpoint

from styleheat.networks.audio2motion import ResidualConv
from styleheat.networks.audio_encoder import AudioConv, ContextBlock
from styleheat.networks.calibrator import Injection, UpBlock
from styleheat.networks.encoder import Bottleneck, StyleHead
from styleheat.networks.layers import ResBlock
from styleheat.networks.stylegan2 import StyledConv, ToRGB
from styleheat.networks.warper import DecoderBlock, EncoderBlock
from styleheat.training.norm import NotRecording

BLOCKS = (
    AudioConv,
    Bottleneck,
    ContextBlock,
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

M_TRIM_THRESHOLD, M_MMAP_MAX = -1, -4
"""Options of glibc's mallopt (malloc.h)."""


def keep_freed_memory() -> None:
    """Let this process keep the memory that it frees for its next tensors, where glibc allocates.

    By default large blocks go back to the system at once, which clears them again for the next tensor. On two CPU
    cores at 1024 pixels that took a quarter of the time of VGG19's loss and half of that of the prior, both with
    their gradients.
    """
    if platform.libc_ver()[0] == "glibc":
        libc = ctypes.CDLL(None)
        libc.mallopt(M_MMAP_MAX, 0)
        libc.mallopt(M_TRIM_THRESHOLD, -1)  # never


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
