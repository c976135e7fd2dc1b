"""Recipe of the video warper (StyleHEAT stage one): a frame, warped by its flow, to another frame of the clip."""

import dataclasses

import numpy as np
import torch
from torch import Tensor, nn

from styleheat.errors import InputError
from styleheat.networks.config import NetworkConfig
from styleheat.networks.layers import resize
from styleheat.networks.warper import VideoWarper, Warp
from styleheat.params import TrainWarper
from styleheat.training.batches import Batch, split, to_device
from styleheat.training.images import GRID_COLUMNS, gathered, grid, middle
from styleheat.training.losses import perceptual_loss
from styleheat.training.recipe import Computed
from styleheat.training.scores import HIGHER, ImageScores, flow_scores


def reads(config: NetworkConfig, validation: bool = False) -> tuple[str, ...]:
    """What the loss reads of a pair; validation reads landmarks too."""
    pair = ("source", "target", "source_window", "target_window")
    geometry = ("source_geometry", "target_geometry") if config.geometry else ()
    return (*pair, *geometry, *(("source_landmarks", "target_landmarks") if validation else ()))


class WarperRecipe:
    """Trains a `VideoWarper` on pairs of frames, each in both directions.

    heldout: pairs of people that are not trained on, as the loader collates them. Raises InputError for a share of
    mirrored steps that the network can't take.
    """

    items, unit, higher = 2, 1, HIGHER

    def __init__(self, config: NetworkConfig, params: TrainWarper, warper: VideoWarper, heldout: Batch, seed: int):
        if params.mirrored and (config.sees_source or config.relative or config.geometry):
            raise InputError(
                f"params.yaml: train_warper.mirrored: {params.mirrored:g}, but this network takes the source's "
                "coefficients, and a mirrored source has none; 0.0"
            )
        self.model, self.config, self.heldout = warper, config, heldout
        self.batch = params.micro_batch or params.batch
        self.phase = WarperPhase(warper, params, config, seed)
        self.phases: dict[str, nn.Module] = {"warper": self.phase}
        self.rates: dict[str, dict[str, float]] = {}
        self.fan_in = params.lr_fan_in
        self._image_scores = ImageScores()

    def start_step(self, step: int) -> None:
        self.phase.step = step

    def validate(self) -> dict[str, float]:
        driven = self._drive()
        source, target, landmarks = driven["source"], driven["target"], driven["target_landmarks"]
        scores = self._image_scores(driven["made"], source, target, landmarks, self.phase.perceptual)
        motion = Warp(*(driven[field.name] for field in dataclasses.fields(Warp)))
        size, reference = source.shape[-1], self.config.reference_flow
        return scores | flow_scores(motion, driven["source_landmarks"], landmarks, size, reference)

    def sample(self) -> np.ndarray:
        """An image (H,W,3) uint8, rows: source, target, warped source."""
        driven = self._drive()
        return grid(*(driven[key][:GRID_COLUMNS] for key in ("source", "target", "made")))

    def _drive(self) -> dict[str, Tensor]:
        """The held-out pairs on the device and the outputs for them, computed in parts."""
        device = next(self.model.parameters()).device
        return gathered(self._drive_part(to_device(part, device)) for part in split(self.heldout, self.batch))

    def _drive_part(self, pairs: Batch) -> dict[str, Tensor]:
        source = resize(pairs["source"], self.config.input_size)
        target = resize(pairs["target"], self.config.input_size)
        window = self.model.conditioned(pairs["target_window"], middle(pairs["source_window"]))
        motion = self.model(source, window, pairs.get("target_geometry"))
        landmarks = {key: pairs[key] for key in ("source_landmarks", "target_landmarks")}
        made = {"source": source, "target": target, "made": self.model.move(source, motion)}
        return made | vars(motion) | landmarks


class WarperPhase(nn.Module):
    """Batch of pairs -> loss of moving each frame of a pair to the other.

    In a share of the steps (`mirrored`), chosen by the seed and the same on all processes, the second half of the
    inputs is the source mirrored left to right in place of the target. It is driven as before, by the source's window,
    and has to become the source (StyleHEAT, `video_warper_trainer.py`).
    """

    def __init__(self, warper: VideoWarper, params: TrainWarper, config: NetworkConfig, seed: int) -> None:
        super().__init__()
        self.warper, self.size, self.mirrored = warper, config.input_size, params.mirrored
        self.seed, self.step = seed, 0
        self._perceptual = [perceptual_loss(params)]  # in a list: not this phase's to train

    @property
    def perceptual(self) -> nn.Module:
        """The loss, on the warper's device."""
        return self._perceptual[0].to(next(self.warper.parameters()).device)

    def forward(self, batch: Batch, outputs: dict[str, Tensor]) -> Computed:
        source, target = (resize(batch[key], self.size) for key in ("source", "target"))
        there, here = batch["target_window"], batch["source_window"]
        second = source.flip(3) if self._mirrors() else target
        window = self.warper.conditioned(torch.cat([there, here]), torch.cat([middle(here), middle(there)]))
        inputs = torch.cat([source, second])
        geometry = None
        if self.warper.geometry:
            geometry = torch.cat([batch["target_geometry"], batch["source_geometry"]])
        moved = self.warper.move(inputs, self.warper(inputs, window, geometry))
        return Computed({"perceptual": self.perceptual(moved, torch.cat([target, source]))})

    def _mirrors(self) -> bool:
        return bool(np.random.default_rng([self.seed, self.step]).random() < self.mirrored)
