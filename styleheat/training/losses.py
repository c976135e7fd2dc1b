"""Losses that more than one recipe uses."""

import contextlib
from collections.abc import Iterator

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from styleheat import checkpoints
from styleheat.errors import InputError
from styleheat.networks.layers import resize
from styleheat.networks.perceptual import GradientLoss, PerceptualLoss, Vgg19, eager
from styleheat.networks.precision import float32
from styleheat.networks.stylegan2 import Discriminator
from styleheat.params import ImageTraining
from styleheat.training.recipe import Computed

R1_EVERY = 16
"""Steps between gradient penalties, each that many times as strong (StyleGAN2's lazy regularisation)."""


def perceptual_loss(params: ImageTraining, style: float = 0.0) -> nn.Module:
    """The loss between images that params.yaml names: `vgg19` (with `style` times its style term) or `gradient`.

    Raises InputError when VGG19's weights are not in the folder `perceptual_weights`.
    """
    if params.perceptual == "gradient":
        return GradientLoss()
    vgg = Vgg19()
    checkpoints.load_model(params.perceptual_weights, vgg)
    return PerceptualLoss(vgg.eval(), style)


@contextlib.contextmanager
def frozen(module: nn.Module) -> Iterator[None]:
    """Freeze the module within the block: gradients pass through it without being accumulated."""
    module.requires_grad_(False)
    try:
        yield
    finally:
        module.requires_grad_(True)


def generator_loss(discriminator: Discriminator, size: int, fake: Tensor) -> Tensor:
    """Non-saturating generator loss of images (B,3,H,H), a scalar: softplus(-logit), where the reference has the wrong
    sign."""

    def loss(image: Tensor) -> Tensor:
        return F.softplus(-discriminator(resize(image, size)).float()).mean()

    with frozen(discriminator):
        return eager(loss, fake)


class DiscriminatorPhase(nn.Module):
    """The discriminator's side: logistic loss on the images (B,3,H,H) `real` and `fake` of the generator's phase, and
    R1 on the real ones, in float32, every `R1_EVERY` steps. part: begins the names of its images, losses and
    monitors."""

    def __init__(self, discriminator: Discriminator, size: int, r1: float, part: str = "") -> None:
        super().__init__()
        self.discriminator, self.size, self.r1, self.step, self.part = discriminator, size, r1, 0, part

    def forward(self, batch: dict, outputs: dict[str, Tensor]) -> Computed:
        part = self.part
        real, fake = resize(outputs[f"{part}real"], self.size), resize(outputs[f"{part}fake"], self.size)
        on_real, on_fake = self.discriminator(real).float(), self.discriminator(fake).float()
        losses = {f"{part}discriminator": F.softplus(-on_real).mean() + F.softplus(on_fake).mean()}
        if self.r1 and self.step % R1_EVERY == 0:
            losses[f"{part}r1"] = self.r1 / 2 * R1_EVERY * self.penalty(real)
        return Computed(losses, monitors={f"logit/{part}real": on_real.mean(), f"logit/{part}fake": on_fake.mean()})

    @float32
    def penalty(self, real: Tensor) -> Tensor:
        """Mean over images of the squared norm of the logit's gradient (arXiv 1801.04406)."""
        real = real.detach().requires_grad_()
        (gradient,) = torch.autograd.grad(self.discriminator(real).sum(), real, create_graph=True)
        return gradient.square().sum((1, 2, 3)).mean()


def check_discriminator_batch(name: str, adversarial: float, batch: int, items: int) -> None:
    """Raise InputError when the discriminator would see a batch that is no multiple of four.

    items: images for each of the `batch` samples of a step.
    """
    if adversarial and batch * items > Discriminator.GROUP and batch * items % Discriminator.GROUP:
        raise InputError(
            f"params.yaml: {name}.batch: {batch} is not a multiple of {Discriminator.GROUP // items}, which the "
            f"discriminator needs; or set {name}.losses.adversarial: 0"
        )
