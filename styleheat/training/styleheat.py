"""Recipe of StyleHEAT's stage two: warper and calibrator, through the prior, against the driving frame.

Each pair is trained in both directions. The loss is the reference's with its faults fixed: the adversarial term has the
right sign, and the discriminator learns. Terms of our own: `landmarks` holds the flow to the points of the face, and
`mouth` is the verdict of a discriminator that sees mouths alone, whose inside the other losses leave blurred. The prior
stays as it is, unless `tune_prior` lets its generator and its path to F learn along, for a prior so small that
what it paints well depends on how F was moved; its W+ codes stay.
"""

import dataclasses

import numpy as np
import torch
from torch import Tensor, nn

from styleheat.errors import InputError
from styleheat.networks.config import NetworkConfig
from styleheat.networks.layers import resize
from styleheat.networks.precision import float32
from styleheat.networks.stylegan2 import Discriminator
from styleheat.networks.styleheat import StyleHEAT
from styleheat.networks.warper import Warp
from styleheat.params import Train
from styleheat.training.batches import Batch, split, to_device
from styleheat.training.images import GRID_COLUMNS, gathered, grid, middle
from styleheat.training.losses import DiscriminatorPhase, check_discriminator_batch, generator_loss, perceptual_loss
from styleheat.training.norm import GROUP
from styleheat.training.recipe import Computed
from styleheat.training.regions import PARTS, landmark_loss, local_losses, part_image, soft_mask
from styleheat.training.scores import HIGHER, ImageScores, flow_scores

MOUTH_CHANNELS = (128, 128, 96, 48, 24)
"""Channels of the mouth discriminator at 4, 8, … 64 pixels."""

MOUTH_SIZE = 64
"""Side in pixels of the mouth discriminator's input."""

MOUTH_R1 = 1.0


def reads(config: NetworkConfig, params: Train) -> tuple[str, ...]:
    """What the loss reads of a pair."""
    geometry = ("source_geometry", "target_geometry") if config.geometry else ()
    aligned = ("source_align", "target_align") if params.aligned_source else ()
    pair = ("source", "target", "source_window", "target_window", "source_landmarks", "target_landmarks")
    return (*pair, *geometry, *aligned)


class StyleHEATRecipe:
    """Trains the warper and the calibrator of a `StyleHEAT`; `discriminator` too when losses.adversarial is not 0, and
    a discriminator of mouths, which is not kept, when losses.mouth is not.

    heldout: pairs of people that are not trained on, as the loader collates them. Raises InputError for parameters that
    are impossible together.
    """

    items, higher = 2, HIGHER

    def __init__(
        self, config: NetworkConfig, params: Train, model: StyleHEAT, discriminator: Discriminator, heldout: Batch
    ) -> None:
        adversarial = params.losses.adversarial + params.losses.mouth
        check_discriminator_batch("train", adversarial, params.batch, self.items)
        if params.aligned_source and params.losses.landmarks:
            raise InputError(
                f"params.yaml: train.losses.landmarks: {params.losses.landmarks:g}, but the landmarks of an aligned "
                "source are not known (aligned_source); 0.0"
            )
        if params.aligned_source and (config.geometry or config.detail):
            raise InputError(
                "params.yaml: train.aligned_source: true, but this network moves the source itself, which has to be in "
                "the target's crop; false"
            )
        if not config.detail and (params.losses.painted or params.losses.mask):
            raise InputError(
                "params.yaml: train.losses: painted and mask are of networks that take detail from the portrait; 0.0"
            )
        self.model, self.heldout, self.params = model, heldout, params
        self.batch = 2 * (params.micro_batch or params.batch)
        model.generator.requires_grad_(params.tune_prior)
        model.generator.e4e_encoder.requires_grad_(False)
        model.video_warper.requires_grad_(params.lr_warper > 0)
        self.discriminators: dict[str, DiscriminatorPhase] = {}
        if params.losses.adversarial:
            phase = DiscriminatorPhase(discriminator, config.discriminator_size, params.losses.r1)
            self.discriminators["discriminator"] = phase
        mouths = None
        if params.losses.mouth:
            mouths = Discriminator(
                dataclasses.replace(config, discriminator_size=MOUTH_SIZE, discriminator_channels=MOUTH_CHANNELS)
            )
            self.discriminators["mouth"] = DiscriminatorPhase(mouths, MOUTH_SIZE, MOUTH_R1, "mouth_")
        self.phase = StyleHEATPhase(model, discriminator, mouths, params, config)
        self.phases: dict[str, nn.Module] = {"styleheat": self.phase, **self.discriminators}
        self.fan_in = None
        self._image_scores = ImageScores()
        self.rates = {"styleheat": {"video_warper": params.lr_warper}}
        self.unit = GROUP // self.items if adversarial or params.tune_prior else 1

    def start_step(self, step: int) -> None:
        self.phase.step = step
        for discriminator in self.discriminators.values():
            discriminator.step = step

    def validate(self) -> dict[str, float]:
        driven = self._drive()
        source, target, landmarks = driven["source"], driven["target"], driven["target_landmarks"]
        scores = self._image_scores(driven["made"], source, target, landmarks, self.phase.perceptual)
        motion = Warp(*(driven[field.name] for field in dataclasses.fields(Warp)))
        flow = flow_scores(
            motion, driven["source_landmarks"], landmarks, target.shape[-1], self.model.config.reference_flow
        )
        if self.params.aligned_source:  # whose landmarks are not known
            return scores | {"flow": flow["flow"]}
        return scores | flow

    def sample(self) -> np.ndarray:
        """An image (H,W,3) uint8, rows: inverted source, target, driven source; with detail, also the painted image and
        the mask."""
        driven = self._drive(GRID_COLUMNS)
        return grid(*(driven[key] for key in ("input", "target", "made", "painted", "mask") if key in driven))

    def _drive(self, count: int | None = None) -> dict[str, Tensor]:
        """The first held-out pairs on the device and the outputs for them, computed in parts."""
        device = next(self.model.parameters()).device
        heldout = {key: value[:count] for key, value in self.heldout.items()}
        return gathered(self._drive_part(to_device(part, device)) for part in split(heldout, self.batch))

    def _drive_part(self, pairs: Batch) -> dict[str, Tensor]:
        source, target = pairs["source"], pairs["target"]
        inverted = pairs["source_align"] if self.params.aligned_source else source
        window = self.model.video_warper.conditioned(pairs["target_window"], middle(pairs["source_window"]))
        frame = self.model(inverted, window, size=target.shape[-1], geometry=pairs.get("target_geometry"))
        landmarks = {key: pairs[key] for key in ("source_landmarks", "target_landmarks")}
        made = {"source": source, "target": target, "made": frame.image, "input": resize(inverted, target.shape[-1])}
        if frame.mask is not None:
            made |= {"painted": frame.painted, "mask": frame.mask.expand_as(frame.painted) * 2 - 1}
        return made | vars(frame.motion) | landmarks


class StyleHEATPhase(nn.Module):
    """Batch of pairs (B,3,H,H) -> losses of warper and calibrator, and of the prior if it learns along."""

    def __init__(
        self,
        model: StyleHEAT,
        discriminator: Discriminator,
        mouths: Discriminator | None,
        params: Train,
        config: NetworkConfig,
    ) -> None:
        super().__init__()
        self.video_warper, self.calibrator = model.video_warper, model.calibrator  # what this phase trains
        if params.tune_prior:
            self.generator = model.generator
        self.params, self.config, self.step = params, config, 0
        # In tuples, so that they are not registered as this phase's parameters.
        self._networks = model, discriminator, mouths
        self._losses = perceptual_loss(params), perceptual_loss(params, params.losses.style)

    @property
    def perceptual(self) -> nn.Module:
        """The loss without its style term, on the model's device."""
        return self._losses[0].to(next(self.calibrator.parameters()).device)

    @property
    def perceptual_with_style(self) -> nn.Module:
        return self._losses[1].to(next(self.calibrator.parameters()).device)

    def forward(self, batch: Batch, outputs: dict[str, Tensor]) -> Computed:
        (model, discriminator, mouths), params, weights = self._networks, self.params, self.params.losses
        perceptual, with_style = self.perceptual, self.perceptual_with_style
        # Update running statistics only while the path to F is trained, so that they match the prior's weights.
        model.generator.train(params.tune_prior)
        model.generator.e4e_encoder.eval()

        def both(first: str, second: str) -> Tensor:
            return torch.cat([batch[first], batch[second]])

        source = both("source_align", "target_align") if params.aligned_source else both("source", "target")
        window = self.video_warper.conditioned(
            both("target_window", "source_window"), middle(both("source_window", "target_window"))
        )
        target, landmarks = both("target", "source"), both("target_landmarks", "source_landmarks")
        size = target.shape[-1]
        inversion = model.generator.invert_to_learn(source) if params.tune_prior else None
        paints_warped = weights.warped > 0 or weights.outside > 0
        geometry = both("target_geometry", "source_geometry") if self.config.geometry else None
        frame = model(source, window, inversion, size=size, warped_image=paints_warped, geometry=geometry)
        painted, warped = frame.image, frame.warped_image

        mask = soft_mask(landmarks, size, self._outside())
        local = torch.stack(list(local_losses(painted, target, landmarks).values())).sum()
        losses = {
            "masked": weights.masked * with_style(painted, target, mask),
            "local": weights.local * local,
        }
        monitors: dict[str, Tensor] = {"flow": frame.motion.flow.detach().norm(dim=1).mean()}
        if weights.painted:
            losses["painted"] = weights.painted * perceptual(frame.painted, target)
        if frame.mask is not None:
            monitors["mask"] = frame.mask.detach().mean()
        if weights.mask and frame.mask is not None:
            losses["mask"] = weights.mask * hidden(frame.mask, geometry)
        if weights.landmarks:
            own = both("source_landmarks", "target_landmarks")
            missed = landmark_loss(frame.motion, own, landmarks, size, self.config.reference_flow)
            losses["landmarks"] = weights.landmarks * missed
        if weights.warped:
            losses["warped"] = weights.warped * perceptual(warped, target)
        if weights.outside:
            losses["outside"] = weights.outside * with_style(painted, warped.detach(), 1 - mask)
        if weights.adversarial:
            loss = generator_loss(discriminator, self.config.discriminator_size, painted)
            losses["adversarial"] = weights.adversarial * loss
        images = {"real": target, "fake": painted.detach()}
        if mouths is not None:
            mouth = part_image(painted, landmarks, PARTS["mouth"])
            losses["mouth"] = weights.mouth * generator_loss(mouths, MOUTH_SIZE, mouth)
            images |= {"mouth_real": part_image(target, landmarks, PARTS["mouth"]), "mouth_fake": mouth.detach()}
        return Computed(losses, images, monitors)

    def _outside(self) -> float:
        """The soft mask's value outside the boxes at this step."""
        return [floor for since, floor in self.params.mask_outside if since <= self.step][-1]


@float32
def hidden(mask: Tensor, geometry: Tensor | None) -> Tensor:
    """Mean of 1 − mask (B,1,H,H) where, by geometry (B,3,g,g), the portrait shows the surface."""
    shown = 1 - mask
    return shown.mean() if geometry is None else (shown * resize(geometry[:, 2:], mask.shape[-1])).mean()
