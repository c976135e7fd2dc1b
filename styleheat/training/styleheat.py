"""Recipe of StyleHEAT's stage two: warper and calibrator, through the prior, against the driving frame.

The loss is the reference's with its faults mended: the adversarial term has the right sign, and the discriminator
learns. A term of our own, `landmarks`, tells the flow where the points of the face are. The prior stays as it is,
unless `tune_prior` lets its generator and its path to F learn along, for a prior so small that what it paints well
depends on how F was moved; its W+ codes stay.
"""

from typing import Any

import numpy as np
from torch import Tensor, nn

from styleheat.networks.config import NetworkConfig
from styleheat.networks.stylegan2 import Discriminator
from styleheat.networks.styleheat import StyleHEAT
from styleheat.params import Train
from styleheat.training.losses import CriticPlayer, check_critic_batch, fooling_loss, perceptual_loss
from styleheat.training.pictures import grid, in_parts, middle, psnr
from styleheat.training.regions import landmark_loss, local_loss, part_images, soft_mask


class StyleHEATRecipe:
    """Trains the warper and the calibrator of a `StyleHEAT`; `critic` with them when losses.adversarial is not zero.

    heldout: a batch of pairs of people that are not trained on.
    """

    def __init__(
        self, config: NetworkConfig, params: Train, model: StyleHEAT, critic: Discriminator, heldout: dict
    ) -> None:
        check_critic_batch("train", params.losses.adversarial, params.batch)
        self.model, self.heldout, self.batch = model, heldout, params.batch
        model.generator.requires_grad_(params.tune_prior)
        model.generator.e4e_encoder.requires_grad_(False)
        self.player = StyleHEATPlayer(model, critic, params, config)
        self.players: dict[str, nn.Module] = {"styleheat": self.player}
        self.critic = CriticPlayer(critic, config.critic_size, params.losses.r1)
        if params.losses.adversarial:
            self.players["critic"] = self.critic

    def begin_step(self, step: int) -> None:
        self.critic.step = self.player.step = step

    def validate(self) -> dict[str, float]:
        source, target, made = self._drive()
        landmarks = self.heldout["target_landmarks"].to(made.device)
        mouth = [part_images(picture, landmarks)[0] for picture in (source, target, made)]
        return {
            "psnr": psnr(made, target),
            "psnr_repeated_source": psnr(source, target),
            "psnr_mouth": psnr(mouth[2], mouth[1]),
            "psnr_mouth_repeated_source": psnr(mouth[0], mouth[1]),
        }

    def sample(self) -> np.ndarray:
        """Rows: source, target, source driven."""
        return grid(*(row[:8] for row in self._drive()))

    def _drive(self) -> tuple[Tensor, Tensor, Tensor]:
        device = next(self.model.parameters()).device
        source, target = self.heldout["source"].to(device), self.heldout["target"].to(device)
        window = told(self.model, {key: self.heldout[key].to(device) for key in ("target_window", "source_window")})

        def drive(source: Tensor, window: Tensor) -> Tensor:
            return self.model(source, window, size=target.shape[-1]).image

        return source, target, in_parts(drive, source, window, size=self.batch)


class StyleHEATPlayer(nn.Module):
    """Batch of pairs -> losses of warper and calibrator, and of the prior if it learns along."""

    def __init__(self, model: StyleHEAT, critic: Discriminator, params: Train, config: NetworkConfig) -> None:
        super().__init__()
        self.video_warper, self.calibrator = model.video_warper, model.calibrator  # what this player trains
        if params.tune_prior:
            self.generator = model.generator
        self.params, self.config, self.step = params, config, 0
        losses = params.losses
        self._judges: list[Any] = [
            model,
            critic,
            perceptual_loss(params),
            perceptual_loss(params, losses.style),
        ]

    def forward(self, batch: dict, seen: dict) -> tuple[dict[str, Tensor], dict[str, Tensor]]:
        model, critic, perceptual, with_style = self._judges
        target, landmarks, weights = batch["target"], batch["target_landmarks"], self.params.losses
        perceptual.to(target.device), with_style.to(target.device)
        # The running statistics follow a path to F that learns, or train_prior would go on from others than it has.
        model.generator.train(self.params.tune_prior)
        model.generator.e4e_encoder.eval()
        both = weights.warped > 0 or weights.outside > 0
        source = batch["source_align" if self.params.aligned_source else "source"]
        inversion = model.generator.invert_to_learn(source) if self.params.tune_prior else None
        frame = model(source, told(model, batch), inversion, size=target.shape[-1], warped_image=both)
        painted, warped = frame.image, frame.warped_image

        mask = soft_mask(landmarks, target.shape[-1], self._outside())
        losses = {
            "masked": weights.masked * with_style(painted, target, mask),
            "local": weights.local * local_loss(painted, target, landmarks),
        }
        if weights.landmarks:
            missed = landmark_loss(
                frame.motion, batch["source_landmarks"], landmarks, target.shape[-1], self.config.released
            )
            losses["landmarks"] = weights.landmarks * missed
        if weights.warped:
            losses["warped"] = weights.warped * perceptual(warped, target)
        if weights.outside:
            losses["outside"] = weights.outside * perceptual(painted, warped.detach(), 1 - mask)
        if weights.adversarial:
            losses["adversarial"] = weights.adversarial * fooling_loss(critic, self.config.critic_size, painted)
        return losses, {"real": target, "fake": painted.detach()}

    def _outside(self) -> float:
        """The soft mask's value outside the boxes at this step."""
        return [floor for since, floor in self.params.mask_outside if since <= self.step][-1]


def told(model: StyleHEAT, batch: dict) -> Tensor:
    """The windows of a batch's targets as the warper takes them."""
    return model.video_warper.told(batch["target_window"], middle(batch["source_window"]))
