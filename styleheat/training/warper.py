"""Recipe of the video warper (StyleHEAT stage one): a frame, warped by its flow, to another frame of the clip."""

import numpy as np
import torch
from torch import Tensor, nn

from styleheat.networks.config import NetworkConfig
from styleheat.networks.layers import resize
from styleheat.networks.warper import VideoWarper
from styleheat.params import TrainWarper
from styleheat.training.losses import perceptual_loss
from styleheat.training.pictures import grid, middle, psnr


class WarperRecipe:
    """Trains a `VideoWarper` on pairs of frames. heldout: a batch of pairs of people that are not trained on."""

    def __init__(self, config: NetworkConfig, params: TrainWarper, warper: VideoWarper, heldout: dict) -> None:
        self.model, self.config, self.heldout = warper, config, heldout
        self.players: dict[str, nn.Module] = {"warper": WarperPlayer(warper, params, config)}

    def begin_step(self, step: int) -> None:
        pass

    def validate(self) -> dict[str, float]:
        source, target, moved = self._move()
        return {"psnr": psnr(moved, target), "psnr_repeated_source": psnr(source, target)}

    def sample(self) -> np.ndarray:
        """Rows: source, target, source moved."""
        return grid(*(row[:8] for row in self._move()))

    def _move(self) -> tuple[Tensor, Tensor, Tensor]:
        device = next(self.model.parameters()).device
        source, target = (resize(self.heldout[key].to(device), self.config.input_size) for key in ("source", "target"))
        windows = [self.heldout[key].to(device) for key in ("target_window", "source_window")]
        motion = self.model(source, self.model.told(windows[0], middle(windows[1])))
        return source, target, self.model.move(source, motion)


class WarperPlayer(nn.Module):
    """Batch of pairs -> losses of moving each frame of a pair to the other, as the reference does."""

    def __init__(self, warper: VideoWarper, params: TrainWarper, config: NetworkConfig) -> None:
        super().__init__()
        self.warper, self.size = warper, config.input_size
        self._judge = [perceptual_loss(params)]

    def forward(self, batch: dict, seen: dict) -> tuple[dict[str, Tensor], dict[str, Tensor]]:
        frames = [resize(batch[key], self.size) for key in ("source", "target")]
        source, target = torch.cat(frames), torch.cat(frames[::-1])
        there, here = batch["target_window"], batch["source_window"]
        window = self.warper.told(torch.cat([there, here]), torch.cat([middle(here), middle(there)]))
        moved = self.warper.move(source, self.warper(source, window))
        return {"perceptual": self._judge[0].to(moved.device)(moved, target)}, {}
