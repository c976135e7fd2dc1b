"""Recipe of the prior: a frame to itself, through W+ codes and the residual feature path, and through a moved F.

The released prior was trained on FFHQ by others (StyleGAN2, e4e, HFGI). This recipe trains one from nothing, for the
embedded profile or a domain of the user's own. It adds one idea: half of the pictures are painted from an F that was
moved by a random smooth flow, against the frame moved alike. So the layers above F learn to follow it, and what is
painted below F, which no warp reaches, learns not to depend on where the face is.
"""

from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from styleheat.networks import flow as flows
from styleheat.networks.config import NetworkConfig
from styleheat.networks.inversion import Inverter
from styleheat.networks.layers import resize
from styleheat.networks.stylegan2 import Discriminator
from styleheat.params import TrainPrior
from styleheat.training.losses import CriticPlayer, check_critic_batch, fooling_loss, perceptual_loss
from styleheat.training.pictures import grid, in_parts, psnr

COARSE = 0.5
"""Weight of the picture that the codes paint alone, beside 1 for the whole inversion's."""


class PriorRecipe:
    """Trains an `Inverter` on frames; `critic` is trained with it when losses.adversarial is not zero.

    heldout: frames (N, 3, H, H) of people that are not trained on.
    """

    def __init__(
        self, config: NetworkConfig, params: TrainPrior, prior: Inverter, critic: Discriminator, heldout: Tensor
    ) -> None:
        check_critic_batch("train_prior", params.losses.adversarial, params.batch)
        self.model, self.heldout, self.batch = prior, heldout, params.batch
        self.players: dict[str, nn.Module] = {"prior": PriorPlayer(prior, critic, params, config)}
        self.critic = CriticPlayer(critic, config.critic_size, params.losses.r1)
        if params.losses.adversarial:
            self.players["critic"] = self.critic

    def begin_step(self, step: int) -> None:
        self.critic.step = step

    def validate(self) -> dict[str, float]:
        def reconstruct(frames: Tensor) -> Tensor:
            made = self.model.reconstruct(frames)
            return torch.stack([made.image, made.coarse], dim=1)

        frames = self._heldout()
        image, coarse = in_parts(reconstruct, frames, size=self.batch).unbind(1)
        return {"psnr": psnr(image, frames), "psnr_codes_only": psnr(coarse, frames)}

    def sample(self) -> np.ndarray:
        """Rows: held-out frame, what its codes paint, its inversion, the inversion of a moved F."""
        frames = self._heldout()[:8]
        codes, coarse, residual = self.model.encode(frames)
        _, feature, base = self.model.restore(codes, coarse, residual)
        positions = random_motion(len(frames), feature.shape[-1], torch.Generator().manual_seed(0))
        features = (feature, flows.warp(feature, positions.to(feature)))
        painted = [self.model.stylegan.above(codes, each, base) for each in features]
        return grid(*(resize(picture, frames.shape[-1]) for picture in (frames, coarse, *painted)))

    def _heldout(self) -> Tensor:
        return self.heldout.to(next(self.model.parameters()).device)


class PriorPlayer(nn.Module):
    """Batch {"source": (B, 3, H, H)} -> losses; the first half of the batch is painted moved."""

    def __init__(self, prior: Inverter, critic: Discriminator, params: TrainPrior, config: NetworkConfig) -> None:
        super().__init__()
        self.prior = prior
        self.losses, self.config = params.losses, config
        self._judges: list[Any] = [critic, perceptual_loss(params)]  # in a list: not this player's to train

    def forward(self, batch: dict, seen: dict) -> tuple[dict[str, Tensor], dict[str, Tensor]]:
        critic, perceptual = self._judges
        frames = batch["source"]
        perceptual.to(frames.device)
        target = resize(frames, self.config.image_size)
        codes, coarse, residual = self.prior.encode(frames)
        _, feature, base = self.prior.restore(codes, coarse, residual)
        moved = len(frames) // 2
        positions = random_motion(moved, self.config.feature_size).to(frames)
        feature = torch.cat([flows.warp(feature[:moved], positions), feature[moved:]])
        painted = self.prior.stylegan.above(codes, feature, base)
        whole = torch.cat([flows.warp(target[:moved], positions), target[moved:]])

        weights = self.losses
        alone = weights.l1 * (coarse - target).abs().mean() + weights.perceptual * perceptual(coarse, target)
        losses = {
            "l1": weights.l1 * (painted - whole).abs().mean(),
            "perceptual": weights.perceptual * perceptual(painted, whole),
            "coarse": COARSE * alone,
        }
        if weights.adversarial:
            losses["adversarial"] = weights.adversarial * fooling_loss(critic, self.config.critic_size, painted)
        return losses, {"real": whole, "fake": painted.detach()}


def random_motion(batch: int, size: int, generator: torch.Generator | None = None) -> Tensor:
    """Positions (B, size, size, 2) of random turns, shifts and zooms with smooth local motion on top; see `flow.warp`.

    Deviations: 6 degrees, 6 % of the picture, 8 %, and locally 3 % of the picture.
    """

    def normal(*shape: int) -> Tensor:
        return torch.randn(*shape, generator=generator)

    angle, zoom = 0.1 * normal(batch), torch.exp(0.08 * normal(batch))
    cosine, sine = zoom * torch.cos(angle), zoom * torch.sin(angle)
    shift = 0.12 * normal(batch, 2, 1)
    affine = torch.cat([torch.stack([cosine, -sine, sine, cosine], 1).view(-1, 2, 2), shift], dim=2)
    local = nn.functional.interpolate(0.06 * normal(batch, 2, 4, 4), (size, size), mode="bicubic", align_corners=True)
    grid = nn.functional.affine_grid(affine, [batch, 1, size, size], align_corners=True)
    return grid + local.permute(0, 2, 3, 1)
