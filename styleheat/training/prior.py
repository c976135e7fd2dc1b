"""Recipe of the prior: a frame to itself, through W+ codes and the residual feature path, and through a moved F.

The released prior was trained on FFHQ by others (StyleGAN2, e4e, HFGI). This recipe trains one from nothing, for the
embedded profile or a domain of the user's own. It adds one idea: half of the images are painted from an F that was
moved by a random smooth flow, against the frame moved alike. So the layers above F learn to follow it, and what is
painted below F, which no warp reaches, learns not to depend on where the face is.
"""

import numpy as np
import torch
from torch import Tensor, nn

from styleheat.networks import flow as flows
from styleheat.networks.config import NetworkConfig
from styleheat.networks.inversion import Inverter
from styleheat.networks.layers import resize
from styleheat.networks.precision import float32
from styleheat.networks.stylegan2 import Discriminator
from styleheat.params import TrainPrior
from styleheat.training.batches import Batch, split, to_device
from styleheat.training.images import GRID_COLUMNS, gathered, grid, psnr, sample_noise, ssim
from styleheat.training.losses import DiscriminatorPhase, check_discriminator_batch, generator_loss, perceptual_loss
from styleheat.training.norm import GROUP
from styleheat.training.recipe import Computed

READS = ("source",)
"""Items that are read for a pair."""

COARSE = 0.5
"""Weight of the image generated from the codes alone; the full inversion's weight is 1."""


class PriorRecipe:
    """Trains an `Inverter` on frames; `discriminator` is trained with it when losses.adversarial is not zero.

    heldout: frames of people that are not trained on, as the loader collates them.
    """

    items, unit, higher = 1, GROUP, {"psnr", "psnr_codes_only", "ssim"}

    def __init__(
        self, config: NetworkConfig, params: TrainPrior, prior: Inverter, discriminator: Discriminator, heldout: Batch
    ) -> None:
        check_discriminator_batch("train_prior", params.losses.adversarial, params.batch, self.items)
        self.model, self.heldout, self.batch = prior, heldout, params.micro_batch or params.batch
        self.phases: dict[str, nn.Module] = {"prior": PriorPhase(prior, discriminator, params, config)}
        self.discriminator = DiscriminatorPhase(discriminator, config.discriminator_size, params.losses.r1)
        if params.losses.adversarial:
            self.phases["discriminator"] = self.discriminator
        self.rates: dict[str, dict[str, float]] = {}
        self.fan_in = None

    def start_step(self, step: int) -> None:
        self.discriminator.step = step

    def validate(self) -> dict[str, float]:
        device = next(self.model.parameters()).device
        made = gathered(
            self._reconstruct(to_device(part, device)["source"]) for part in split(self.heldout, self.batch)
        )
        frames = made["frames"]
        return {
            "psnr": psnr(made["image"], frames),
            "psnr_codes_only": psnr(made["coarse"], frames),
            "ssim": ssim(made["image"], frames),
        }

    def _reconstruct(self, frames: Tensor) -> dict[str, Tensor]:
        made = self.model.reconstruct(frames)
        size = frames.shape[-1]
        return {"frames": frames, "image": resize(made.image, size), "coarse": resize(made.coarse, size)}

    def sample(self) -> np.ndarray:
        """An image (H,W,3) uint8, rows: held-out frame, image from its codes alone, its inversion, the inversion with a
        warped F."""
        device = next(self.model.parameters()).device
        shown = {"source": self.heldout["source"][:GRID_COLUMNS]}
        rows = gathered(self._rows(to_device(part, device)["source"]) for part in split(shown, self.batch))
        return grid(*rows.values())

    def _rows(self, frames: Tensor) -> dict[str, Tensor]:
        codes, coarse, residual = self.model.encode(frames)
        _, feature, base = self.model.restore(codes, coarse, residual)
        positions = random_motion(torch.arange(len(frames)), feature.shape[-1]).to(feature)
        still, moved = (
            self.model.stylegan.above(codes, each, base) for each in (feature, flows.warp(feature, positions))
        )
        images = {"frames": frames, "coarse": coarse, "still": still, "moved": moved}
        return {key: resize(image, frames.shape[-1]) for key, image in images.items()}


class PriorPhase(nn.Module):
    """Batch {"source": (B, 3, H, H), "draw": (B,)} -> losses; half of the samples, by their draws, are moved."""

    def __init__(
        self, prior: Inverter, discriminator: Discriminator, params: TrainPrior, config: NetworkConfig
    ) -> None:
        super().__init__()
        self.prior = prior
        self.losses, self.config = params.losses, config
        self._others = discriminator, perceptual_loss(params)  # in a tuple: not this phase's to train

    def forward(self, batch: Batch, outputs: dict[str, Tensor]) -> Computed:
        discriminator, perceptual = self._others
        frames, draws = batch["source"], batch["draw"].cpu()
        perceptual.to(frames.device)
        target = resize(frames, self.config.image_size)
        codes, coarse, residual = self.prior.encode(frames)
        _, feature, base = self.prior.restore(codes, coarse, residual)
        moves = (draws % 2 == 0).to(frames.device)[:, None, None, None]
        positions = random_motion(draws, self.config.feature_size).to(frames.device)
        feature = torch.where(moves, flows.warp(feature, positions), feature)
        painted = self.prior.stylegan.above(codes, feature, base)
        expected = torch.where(moves, flows.warp(target, positions), target)

        weights = self.losses
        coarse_loss = weights.l1 * _l1(coarse, target) + weights.perceptual * perceptual(coarse, target)
        losses = {
            "l1": weights.l1 * _l1(painted, expected),
            "perceptual": weights.perceptual * perceptual(painted, expected),
            "coarse": COARSE * coarse_loss,
        }
        if weights.adversarial:
            losses["adversarial"] = weights.adversarial * generator_loss(
                discriminator, self.config.discriminator_size, painted
            )
        return Computed(losses, {"real": expected, "fake": painted.detach()})


@float32
def _l1(image: Tensor, target: Tensor) -> Tensor:
    return (image - target).abs().mean()


def random_motion(draws: Tensor, size: int) -> Tensor:
    """Positions (B, size, size, 2) of random turns, shifts and zooms with smooth local motion on top; see `flow.warp`.

    draws: random numbers (B,) int64, each of which decides one motion. Deviations: 6 degrees, 6 % of the image, 8 %,
    and locally 3 % of the image.
    """
    angle, zoom, shift, local = sample_noise(draws, 36).split([1, 1, 2, 32], dim=1)
    angle, zoom = 0.1 * angle[:, 0], torch.exp(0.08 * zoom[:, 0])
    cosine, sine = zoom * torch.cos(angle), zoom * torch.sin(angle)
    affine = torch.cat([torch.stack([cosine, -sine, sine, cosine], 1).view(-1, 2, 2), 0.12 * shift[..., None]], dim=2)
    local = 0.06 * local.view(-1, 2, 4, 4)
    local = nn.functional.interpolate(local, (size, size), mode="bicubic", align_corners=True)
    grid = nn.functional.affine_grid(affine, [len(draws), 1, size, size], align_corners=True)
    return grid + local.permute(0, 2, 3, 1)
