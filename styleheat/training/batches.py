"""How a batch is divided between processes and passes, and how samples reach the device.

A batch of B samples is computed in `parts` = processes x passes. Part k takes the samples k, k + parts, k + 2·parts ...
of the batch. So the groups of samples that share statistics (`norm.GROUP`, the discriminator's minibatch standard
deviation) are the same for every division, as long as each part is a multiple of the group.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor
from torch.utils.data import DataLoader, Dataset, Sampler

from styleheat import interrupts
from styleheat.errors import InputError
from styleheat.training.distributed import World

PREFETCH = 4
"""Passes that each loader process reads ahead."""

Batch = dict[str, Any]


@dataclass(frozen=True)
class Division:
    """batch: samples of a step. processes: that share it. passes: of each process."""

    batch: int
    processes: int
    passes: int

    @property
    def parts(self) -> int:
        return self.processes * self.passes

    @property
    def samples(self) -> int:
        """Samples of one pass of one process."""
        return self.batch // self.parts

    def indices(self, step: int, process: int, number: int) -> range:
        """The samples of a step's pass `number` of a process."""
        first = step * self.batch
        return range(first + number * self.processes + process, first + self.batch, self.parts)


def divide(name: str, batch: int, micro_batch: int | None, processes: int, unit: int) -> Division:
    """The division with the fewest passes of at most `micro_batch` samples.

    name: of the params group, for errors. unit: samples that must stay together if the batch is divided at all.
    Raises InputError when there is none.
    """
    if batch % processes:
        raise InputError(
            f"params.yaml: {name}.batch: {batch} is not a multiple of the {processes} processes (runtime.processes)"
        )
    share = batch // processes
    limit = min(micro_batch or share, share)
    for passes in range(1, share + 1):
        samples = share // passes
        even = samples % unit == 0 or passes * processes == 1
        if share % passes == 0 and samples <= limit and even:
            return Division(batch, processes, passes)
    raise InputError(
        f"params.yaml: {name}.micro_batch: {limit} of a batch of {batch} on {processes} processes: a pass must hold a "
        f"multiple of {unit} samples, whose batch statistics are taken together; {unit * processes} samples for each "
        "step and more"
    )


class _Order(Sampler[list[int]]):
    """The samples of each pass of a process, from a step on."""

    def __init__(self, division: Division, process: int, steps: range) -> None:
        self.division, self.process, self.steps = division, process, steps

    def __len__(self) -> int:
        return len(self.steps) * self.division.passes

    def __iter__(self) -> Iterator[list[int]]:
        for step in self.steps:
            for number in range(self.division.passes):
                yield list(self.division.indices(step, self.process, number))


def load(dataset: Dataset, division: Division, world: World, steps: range, workers: int) -> Iterator[Batch]:
    """The passes of this process, one after the other, as the data set's samples collated: on the CPU, in pinned memory
    when the device is a GPU. workers: processes that read; 0 reads in this one."""
    loader: DataLoader = DataLoader(
        dataset,
        batch_sampler=_Order(division, world.rank, steps),
        num_workers=workers,
        pin_memory=world.device.type == "cuda",
        prefetch_factor=PREFETCH if workers else None,
        worker_init_fn=interrupts.ignore,  # a signal to all processes of a job must not end them within a step
    )
    return iter(loader)


def to_device(batch: Batch, device: torch.device) -> Batch:
    """A batch on the device: uint8 images (B,H,W,3) become float32 (B,3,H,W) in [-1,1]; what is no tensor stays."""
    return {key: _move(value, device) if isinstance(value, Tensor) else value for key, value in batch.items()}


def split(batch: Batch, size: int) -> Iterator[Batch]:
    """A collated batch in parts of at most `size` samples."""
    count = next(len(value) for value in batch.values() if isinstance(value, Tensor))
    for first in range(0, count, size):
        yield {key: value[first : first + size] for key, value in batch.items()}


def _move(value: Tensor, device: torch.device) -> Tensor:
    value = value.to(device, non_blocking=True)
    if value.dtype != torch.uint8:
        return value
    return (value.permute(0, 3, 1, 2).float() / 127.5 - 1).contiguous()
