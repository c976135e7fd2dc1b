"""Batch norm whose statistics do not depend on how a batch is divided.

A batch of a training is shared by processes and computed in several passes (`batches.Division`). The statistics of
`nn.BatchNorm2d` would be those of whatever a pass holds. Here they are those of fixed groups of `GROUP` samples (ghost
batch normalisation, arXiv 1705.08741), which every division keeps together: sample i of n groups belongs to group
i mod n, as in the minibatch standard deviation of StyleGAN2's discriminator. Running statistics are updated once a
step, by the means over all groups of the batch.
"""

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.nn.modules.batchnorm import _BatchNorm

from styleheat.training.distributed import World

GROUP = 4
"""Samples whose statistics are taken together. As many as StyleGAN2's discriminator takes."""


class GroupedBatchNorm(nn.Module):
    """Stands in for a batch norm, whose parameters, buffers and names it keeps. Groups matter in training mode only."""

    running_mean: Tensor
    running_var: Tensor
    num_batches_tracked: Tensor

    def __init__(self, norm: _BatchNorm) -> None:
        super().__init__()
        assert norm.running_mean is not None and norm.running_var is not None and norm.momentum is not None
        assert norm.num_batches_tracked is not None
        self.weight, self.bias = norm.weight, norm.bias
        for name in ("running_mean", "running_var", "num_batches_tracked"):
            self.register_buffer(name, getattr(norm, name))
        self.eps, self.momentum = norm.eps, norm.momentum
        self.groups = 1
        self._means: list[Tensor] = []
        self._variances: list[Tensor] = []

    def forward(self, x: Tensor) -> Tensor:
        """(N,C,...), N a multiple of the number of groups -> the same shape."""
        if not self.training:
            return F.batch_norm(x, self.running_mean, self.running_var, self.weight, self.bias, False, 0.0, self.eps)
        groups, channels = self.groups, x.shape[1]
        mean, variance = self.running_mean.new_zeros((2, groups * channels))
        folded = x.reshape(len(x) // groups, groups * channels, *x.shape[2:])  # row i·n + j: group j
        weight, bias = self.weight.repeat(groups), self.bias.repeat(groups)
        y = F.batch_norm(folded, mean, variance, weight, bias, True, 1.0, self.eps)
        if _recording:
            self._means.append(mean.view(groups, channels).mean(0))
            self._variances.append(variance.view(groups, channels).mean(0))
        return y.reshape(x.shape)

    @torch.no_grad()
    def update(self, world: World) -> None:
        """Move the running statistics towards the means of what was seen since the last call."""
        if not self._means:
            return
        mean, variance = torch.stack(self._means).mean(0), torch.stack(self._variances).mean(0)
        mean, variance = world.average(torch.stack([mean, variance]))
        self.running_mean.lerp_(mean, self.momentum)
        self.running_var.lerp_(variance, self.momentum)
        self.num_batches_tracked += 1
        self._means, self._variances = [], []


_recording = True


class NotRecording:
    """Context: activations computed again within it (checkpointing) do not count in the running statistics."""

    def __enter__(self) -> None:
        global _recording
        _recording = False

    def __exit__(self, *_: object) -> None:
        global _recording
        _recording = True


def group_batch_norms(module: nn.Module) -> list[GroupedBatchNorm]:
    """Put a `GroupedBatchNorm` in the place of each batch norm within a module; returns them."""
    for parent in list(module.modules()):
        for name, child in parent.named_children():
            if isinstance(child, _BatchNorm):
                setattr(parent, name, GroupedBatchNorm(child))
    return [layer for layer in module.modules() if isinstance(layer, GroupedBatchNorm)]
