"""Adam for one phase of a step: parameter groups with rates of their own, clipping, scaled gradients of fp16."""

from typing import Any

import torch
from torch import Tensor, nn

from styleheat.networks.layers import EqualConv2d, EqualLinear
from styleheat.networks.stylegan2 import ModulatedConv2d
from styleheat.params import Training
from styleheat.training.distributed import World

EQUALISED = (EqualConv2d, EqualLinear, ModulatedConv2d)
"""Layers whose weights have unit variance and are scaled down on use: a step of Adam changes what they do by less than
that of a plain layer."""


class PhaseOptimizer:
    """Updates the trainable parameters of a phase.

    rates: learning rates of the parameters whose names begin with a key; the others have `settings.lr`. Equalised
    layers have `settings.equalised` times theirs. fan_in: plain weights of n inputs have at most fan_in/n times theirs.
    """

    def __init__(
        self,
        phase: nn.Module,
        settings: Training,
        rates: dict[str, float],
        world: World,
        fan_in: int | None = None,
    ) -> None:
        self.settings, self.world = settings, world
        self.parameters = [p for p in phase.parameters() if p.requires_grad]
        constants = settings.optimizer
        self.adam = torch.optim.Adam(
            _groups(phase, settings, rates, fan_in), betas=(constants.beta1, constants.beta2), eps=constants.eps
        )
        self.scaler = torch.amp.GradScaler(world.device.type, enabled=settings.precision == "fp16")

    def backward(self, loss: Tensor) -> None:
        """Add the gradients of a part of the step's loss, a scalar."""
        self.scaler.scale(loss).backward()

    def step(self, step: int) -> Tensor:
        """Update the weights in step number `step`, from 0, and forget the gradients; returns their norm, a scalar,
        before clipping, that of the full batch."""
        settings = self.settings
        decay = settings.optimizer.lr_gamma ** (step // settings.lr_every)
        for group in self.adam.param_groups:
            group["lr"] = group["rate"] * decay
        self.world.average_gradients(self.parameters)
        self.scaler.unscale_(self.adam)
        limit = settings.optimizer.max_grad_norm
        norm = nn.utils.clip_grad_norm_(self.parameters, float("inf") if limit is None else limit)
        self.scaler.step(self.adam)
        self.scaler.update()
        self.adam.zero_grad(set_to_none=True)
        return norm

    def learning_rates(self) -> dict[str, float]:
        """The present rates by the names of the groups, equalised layers left out where their rate is the same."""
        return {group["name"]: group["lr"] for group in self.adam.param_groups}

    def state_dict(self) -> dict[str, Any]:
        return {"adam": self.adam.state_dict(), "scaler": self.scaler.state_dict()}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        self.adam.load_state_dict(state["adam"])
        if state["scaler"]:
            self.scaler.load_state_dict(state["scaler"])


def _groups(phase: nn.Module, settings: Training, rates: dict[str, float], fan_in: int | None) -> list[dict[str, Any]]:
    """Parameters of one learning rate together, named by their prefix in `rates` and by what multiplies the rate."""
    multiples: dict[nn.Parameter, tuple[str, float]] = {}
    for layer in phase.modules():
        if isinstance(layer, EQUALISED):
            multiples |= dict.fromkeys(layer.parameters(recurse=False), ("equalised", settings.equalised))
        elif fan_in and isinstance(layer, nn.Linear | nn.Conv1d | nn.Conv2d | nn.ConvTranspose2d):
            inputs = layer.weight.numel() // _outputs(layer)
            if inputs > fan_in:
                multiples[layer.get_parameter("weight")] = (f"fan_in {inputs}", fan_in / inputs)
    groups: dict[tuple[str, str], dict[str, Any]] = {}
    for name, parameter in phase.named_parameters():
        if parameter.requires_grad:
            prefix = next((prefix for prefix in rates if name.startswith(f"{prefix}.")), "")
            label, multiple = multiples.get(parameter, ("", 1.0))
            rate = rates.get(prefix, settings.lr) * multiple
            group = {"params": [], "name": "/".join(filter(None, [prefix, label])), "rate": rate}
            groups.setdefault((prefix, label), group)["params"].append(parameter)
    return [groups[key] for key in sorted(groups)]


def _outputs(layer: nn.Module) -> int:
    """Outputs of a layer; a transposed convolution of stride 2 gives each output a quarter of its weights."""
    if isinstance(layer, nn.ConvTranspose2d):
        return layer.out_channels * layer.stride[0] * layer.stride[1]
    assert isinstance(layer, nn.Linear | nn.Conv1d | nn.Conv2d)
    return layer.weight.shape[0]
