"""The processes of one training: who they are, and what they exchange.

Every process holds all weights and computes its share of each batch. Gradients are averaged by `average_gradients` when
the share is done, not by hooks as in DistributedDataParallel: the networks are small (13 to 60 million trained
numbers), and some parameters have no gradient (heads that no image depends on), which hooks would have to search for.
"""

import contextlib
import os
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

import torch
import torch.distributed as dist
from torch import Tensor, nn

TIMEOUT = timedelta(hours=1)
"""How long processes wait for each other: the first validates and saves alone."""


@dataclass(frozen=True)
class World:
    """The processes of a training as one of them sees them.

    rank: its number; the first, 0, validates, saves and logs. size: how many there are. device: where it computes.
    """

    rank: int
    size: int
    device: torch.device

    @property
    def first(self) -> bool:
        return self.rank == 0

    def average_gradients(self, parameters: Iterable[nn.Parameter]) -> None:
        """Replace the gradients of the parameters by their means over the processes. A missing one counts as 0."""
        if self.size == 1:
            return
        parameters = list(parameters)
        for parameter in parameters:
            if parameter.grad is None:
                parameter.grad = torch.zeros_like(parameter)
        gradients = [parameter.grad for parameter in parameters if parameter.grad is not None]
        self._average(gradients)

    def average(self, tensor: Tensor) -> Tensor:
        """The mean of a tensor over the processes; of any shape (...,), which each has."""
        if self.size == 1:
            return tensor
        mean = tensor.clone()
        self._average([mean])
        return mean

    def copy_first(self, module: nn.Module) -> None:
        """Give a module the first process's parameters and buffers."""
        if self.size > 1:
            for tensor in (*module.parameters(), *module.buffers()):
                values = tensor.detach().contiguous()
                dist.broadcast(values, src=0)
                tensor.detach().copy_(values)

    def gather(self, value: Any) -> list[Any]:
        """What each process passes, in the order of their ranks. For small Python objects, on all processes."""
        if self.size == 1:
            return [value]
        gathered: list[Any] = [None] * self.size
        dist.all_gather_object(gathered, value)
        return gathered

    def largest(self, value: int) -> int:
        """The largest of the processes' values."""
        if self.size == 1:
            return value
        tensor = torch.tensor([value])
        dist.all_reduce(tensor, dist.ReduceOp.MAX)  # on the CPU: no wait for what the GPU has to do
        return int(tensor)

    def _average(self, tensors: list[Tensor]) -> None:
        flat = torch.cat([tensor.reshape(-1) for tensor in tensors])
        dist.all_reduce(flat)
        flat /= self.size
        parts = flat.split([tensor.numel() for tensor in tensors])
        for tensor, part in zip(tensors, parts, strict=True):
            tensor.copy_(part.view(tensor.shape))


@contextlib.contextmanager
def joined(device: str) -> Iterator[World]:
    """The world of this process, for the block: that of the launcher's environment (`RANK`, `WORLD_SIZE`,
    `MASTER_ADDR`, `MASTER_PORT`; `torchrun` or `launch.py`), or without one a world of its own.

    device: `cpu`, `mps`, or a GPU of this process, `cuda:0`.
    """
    here = torch.device(device)
    if here.type == "cuda":
        torch.cuda.set_device(here)
    if "RANK" not in os.environ:
        yield World(0, 1, here)
        return
    backend = "cpu:gloo,cuda:nccl" if here.type == "cuda" else "gloo"
    dist.init_process_group(backend, timeout=TIMEOUT)
    yield World(dist.get_rank(), dist.get_world_size(), here)
    dist.destroy_process_group()  # not after an error: the others would report a lost peer before the error
