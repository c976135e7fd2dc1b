"""The exponential moving average of a network's weights, which a training saves."""

import torch
from torch import nn


class MovingAverage:
    """Exponential moving average of a module's trainable parameters; buffers are taken as they are."""

    def __init__(self, module: nn.Module, decay: float):
        self.module, self.decay = module, decay
        self.average = {name: p.detach().clone() for name, p in module.named_parameters() if p.requires_grad}

    @torch.no_grad()
    def update(self, step: int) -> None:
        """Take in the parameters after step number `step`, from 0. The first hundreds of steps fade faster, or the
        average would long hold what training began with (the reference's does)."""
        decay = min(self.decay, (1 + step) / (10 + step))
        current = dict(self.module.named_parameters())
        torch._foreach_lerp_(list(self.average.values()), [current[name] for name in self.average], weight=1 - decay)

    @torch.no_grad()
    def swap(self) -> None:
        """Exchange the module's parameters and their averages."""
        current = dict(self.module.named_parameters())
        for name, average in self.average.items():
            kept = average.clone()
            average.copy_(current[name])
            current[name].copy_(kept)
