"""What the loop asks of a recipe: phases to compute in turn, scores, samples."""

from dataclasses import dataclass, field
from typing import Protocol

import numpy as np
from torch import Tensor, nn


@dataclass
class Computed:
    """What a phase makes of a batch.

    losses: scalars whose sum its parameters minimise, each a mean over the batch. outputs: tensors for the phases after
    it (the generator's images for the discriminator). monitors: scalars to log.
    """

    losses: dict[str, Tensor]
    outputs: dict[str, Tensor] = field(default_factory=dict)
    monitors: dict[str, Tensor] = field(default_factory=dict)


class Recipe(Protocol):
    """What is trained, by which losses, and how it is looked at.

    model: the module that is saved in the end; its trainable parameters have a moving average, and each of them belongs
    to a phase.
    phases: modules that are computed in turn on each batch, `phase(batch, outputs) -> Computed`. Each has an optimiser
    of its own for its trainable parameters. Parameters that a phase must not train are no parameters of it, or have
    `requires_grad` off. A step's phases all see the weights from before the step.
    rates: for each phase, learning rates that differ from `lr`, by prefixes of parameter names.
    fan_in: see `PhaseOptimizer`.
    items: images or sequences that the networks compute for one sample (2 for a pair in both directions).
    unit: samples that a pass must hold a multiple of, see `batches.divide`.
    higher: the validation scores of which more is better; of the others less is.
    """

    @property
    def model(self) -> nn.Module: ...
    @property
    def phases(self) -> dict[str, nn.Module]: ...
    @property
    def rates(self) -> dict[str, dict[str, float]]: ...
    @property
    def fan_in(self) -> int | None: ...
    @property
    def items(self) -> int: ...
    @property
    def unit(self) -> int: ...
    @property
    def higher(self) -> set[str]: ...

    def start_step(self, step: int) -> None:
        """Called before each step with its number from 0: for weights that change with time."""

    def validate(self) -> dict[str, float]:
        """Scores on held-out people, of `model` as it is when called."""
        ...

    def sample(self) -> np.ndarray:
        """An image to look at, uint8 (H, W, 3)."""
        ...
