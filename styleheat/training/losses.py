"""Losses that more than one recipe uses."""

import contextlib
from collections.abc import Iterator

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from styleheat import checkpoints
from styleheat.errors import InputError
from styleheat.networks.layers import resize
from styleheat.networks.perceptual import GradientLoss, PerceptualLoss, Vgg19
from styleheat.networks.stylegan2 import Discriminator
from styleheat.params import ImageTraining

R1_EVERY = 16
"""Steps between gradient penalties, each that many times as strong (StyleGAN2's lazy regularisation)."""


def perceptual_loss(params: ImageTraining, style: float = 0.0) -> nn.Module:
    """The loss between pictures that params.yaml names: `vgg19` (with `style` times its style term) or `gradient`.

    Raises InputError when VGG19's weights are not in the folder `perceptual_weights`.
    """
    if params.perceptual == "gradient":
        return GradientLoss()
    vgg = Vgg19()
    checkpoints.load_model(params.perceptual_weights, vgg)
    return PerceptualLoss(vgg.eval(), style)


@contextlib.contextmanager
def frozen(module: nn.Module) -> Iterator[None]:
    """Gradients pass through the module within the block, and none gather in it."""
    module.requires_grad_(False)
    try:
        yield
    finally:
        module.requires_grad_(True)


def fooling_loss(critic: Discriminator, size: int, fake: Tensor) -> Tensor:
    """Non-saturating generator loss: softplus(−logit), where the reference has the wrong sign."""
    with frozen(critic):
        return F.softplus(-critic(resize(fake, size))).mean()


class CriticPlayer(nn.Module):
    """The discriminator's side: logistic loss on the generator's `seen` real and fake images, with R1 on the real."""

    def __init__(self, critic: Discriminator, size: int, r1: float) -> None:
        super().__init__()
        self.critic, self.size, self.r1, self.step = critic, size, r1, 0

    def forward(self, batch: dict, seen: dict[str, Tensor]) -> tuple[dict[str, Tensor], dict[str, Tensor]]:
        real, fake = resize(seen["real"], self.size), resize(seen["fake"], self.size)
        penalised = bool(self.r1) and self.step % R1_EVERY == 0
        real = real.detach().requires_grad_(penalised)
        logits = self.critic(real)
        loss = F.softplus(-logits).mean() + F.softplus(self.critic(fake)).mean()
        if penalised:
            (gradient,) = torch.autograd.grad(logits.sum(), real, create_graph=True)
            loss = loss + self.r1 / 2 * R1_EVERY * gradient.square().sum((1, 2, 3)).mean()
        return {"critic": loss}, seen


def check_critic_batch(name: str, adversarial: float, batch: int) -> None:
    """Raise InputError when a discriminator is to see a batch that has no whole groups of four."""
    if adversarial and batch % Discriminator.GROUP:
        raise InputError(
            f"params.yaml: {name}.batch: {batch} is not a multiple of {Discriminator.GROUP}, which the discriminator "
            f"needs; or set {name}.losses.adversarial: 0"
        )
