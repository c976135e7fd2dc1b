"""Recipes on networks and samples so small that a step takes a fraction of a second on a CPU."""

import dataclasses
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import nn
from torch.utils.data import Dataset, default_collate

from styleheat.constants import DESCRIPTOR, EXPRESSION, WINDOW
from styleheat.morphable.model import face_model
from styleheat.networks.audio2motion import Audio2Motion
from styleheat.networks.config import NETWORKS
from styleheat.networks.inversion import Inverter
from styleheat.networks.stylegan2 import Discriminator
from styleheat.networks.styleheat import StyleHEAT
from styleheat.networks.warper import VideoWarper
from styleheat.params import (
    AudioLosses,
    Optimizer,
    PriorLosses,
    StyleHeatLosses,
    Train,
    TrainAudio,
    TrainPrior,
    TrainWarper,
)
from styleheat.training.audio import FRAMES, AudioRecipe
from styleheat.training.batches import to_device
from styleheat.training.distributed import World
from styleheat.training.landmark_basis import LandmarkBasis
from styleheat.training.loop import Outcome, fit
from styleheat.training.prior import PriorRecipe
from styleheat.training.styleheat import StyleHEATRecipe
from styleheat.training.warper import WarperRecipe

SIZE = 32
TINY = dataclasses.replace(
    NETWORKS["embedded"],
    image_size=SIZE,
    input_size=SIZE,
    feature_size=8,
    channels=(8, 8, 8, 8),
    warper_base=4,
    warper_max=16,
    warper_down=3,
    calibrator_width=8,
    discriminator_size=SIZE,
    discriminator_channels=(8, 8, 8, 8),
    audio_widths=(4, 4, 8, 8, 16),
    audio_blocks=0,
    pose_latent=4,
    pose_hidden=8,
    pose_widths=(4, 4, 8, 8),
    pose_discriminator=(8, 8, 8),
    geometry=False,
    detail=False,
)
TINY_DETAIL = dataclasses.replace(TINY, geometry=True, detail=True)
"""Starts from the face model's flow, and takes detail from the portrait."""
TINY_RELEASED = dataclasses.replace(TINY, released=True, sees_source=False)

COMMON: dict[str, Any] = {
    "init": "models/scratch",
    "steps": 1,
    "batch": 4,
    "micro_batch": None,
    "lr": 0.001,
    "equalised": 1.0,
    "lr_every": 1000,
    "optimizer": Optimizer(beta1=0.5, beta2=0.999, eps=1e-8, lr_gamma=0.2, ema_decay=0.99, max_grad_norm=5.0),
    "precision": "float32",
    "checkpointing": False,
    "compile": False,
    "validate_every": 10,
    "validate_samples": 4,
    "score": "psnr",
    "export": "last",
    "sample_every": 10,
    "save_every": 10,
}
IMAGES = COMMON | {"perceptual": "gradient", "perceptual_weights": "models/none"}
PRIOR = TrainPrior(
    **IMAGES, discriminator="models/none", losses=PriorLosses(l1=1.0, perceptual=1.0, adversarial=0.1, r1=10.0)
)
WARPER = TrainWarper(**IMAGES, mirrored=0.0, lr_fan_in=None)
TRAIN = Train(
    **IMAGES,
    lr_warper=0.0005,
    discriminator="models/none",
    tune_prior=False,
    aligned_source=False,
    mask_outside=[(0, 0.2), (2, 0.05)],
    losses=StyleHeatLosses(
        warped=0.02,
        masked=0.2,
        style=250.0,
        outside=0.01,
        adversarial=0.1,
        mouth=0.0,
        local=2.0,
        landmarks=0.0,
        painted=0.0,
        mask=0.0,
        r1=10.0,
    ),
)
TRAIN_DETAIL = TRAIN.model_copy(
    update={"losses": TRAIN.losses.model_copy(update={"painted": 0.3, "mask": 0.1, "warped": 0.0, "outside": 0.0})}
)
AUDIO = TrainAudio(
    **COMMON | {"score": "expression_l1"},
    augment=False,
    losses=AudioLosses(
        expression=1.0, velocity=1.0, lips=1.0, closure=1.0, reconstruction=1.0, divergence=1.0, motion=0.7
    ),
)
ALONE = World(0, 1, torch.device("cpu"))
OWN_BASIS = LandmarkBasis(face_model().mean, face_model().expression)


class Pairs(Dataset):
    """Two frames of a moving blob each, as `FramePairs` gives them, with landmarks that make sense of the boxes."""

    def __getitem__(self, index: int) -> dict[str, Any]:
        rng = np.random.default_rng(index)
        source, target, aligned = (*rng.random(2).tolist(), 0.5)
        window = torch.zeros(DESCRIPTOR, WINDOW)
        return {
            "source": blob(source - 0.5, rng),
            "target": blob(target - 0.5, rng),
            "source_align": blob(aligned - 0.5, rng),
            "target_align": blob(aligned - 0.5, rng),
            "source_window": window + source - 0.5,
            "target_window": window + target - 0.5,
            "source_geometry": shift(target - source),
            "target_geometry": shift(source - target),
            "source_landmarks": torch.from_numpy(8 + 16 * rng.random((68, 2), np.float32)),
            "target_landmarks": torch.from_numpy(8 + 16 * rng.random((68, 2), np.float32)),
            "clip": f"clip {index}",
            "draw": int(rng.integers(2**62)),
        }

    def __len__(self) -> int:
        return 10**9


def blob(x: float, rng: np.random.Generator) -> torch.Tensor:
    """A bright spot in an image (SIZE,SIZE,3) uint8 with some noise."""
    at = np.linspace(-1, 1, SIZE)
    bump = np.exp(-((at[None] - x) ** 2 + at[:, None] ** 2) / 0.1)[..., None]
    return torch.from_numpy((240 * bump + 8 * rng.random((SIZE, SIZE, 3))).astype(np.uint8))


def shift(x: float) -> torch.Tensor:
    """The face model's flow (3,SIZE,SIZE) where a blob comes from x to its right; [-1,1] is the image's width."""
    return torch.tensor([x / 2, 0.0, 1.0])[:, None, None].repeat(1, SIZE, SIZE)


class Speech(Dataset):
    """Stretches of noise, as `SpeechClips` gives them."""

    def __getitem__(self, index: int) -> dict[str, Any]:
        rng = np.random.default_rng(index)
        return {
            "mel": torch.from_numpy(rng.normal(size=(FRAMES, 1, 80, 16)).astype(np.float32)),
            "descriptors": torch.from_numpy(rng.normal(size=(FRAMES, DESCRIPTOR)).astype(np.float32)),
            "reference": torch.from_numpy(rng.normal(size=EXPRESSION).astype(np.float32)),
            "blink": torch.from_numpy(rng.random(FRAMES, np.float32)),
            "person": index % 3,
            "clip": f"clip {index}",
            "draw": int(rng.integers(2**62)),
        }

    def __len__(self) -> int:
        return 10**9


def batch_of(dataset: Dataset, count: int = 4) -> dict[str, Any]:
    return default_collate([dataset[index] for index in range(count)])


def build(settings: Any, config: Any = TINY, seed: int = 0) -> Any:
    """The recipe that a group of parameters belongs to, on fresh networks."""
    torch.manual_seed(seed)
    match settings:
        case TrainPrior():
            return PriorRecipe(config, settings, Inverter(config), Discriminator(config), batch_of(Pairs()))
        case TrainWarper():
            return WarperRecipe(config, settings, VideoWarper(config), batch_of(Pairs()), seed)
        case Train():
            return StyleHEATRecipe(config, settings, StyleHEAT(config), Discriminator(config), batch_of(Pairs()))
        case _:
            return AudioRecipe(settings, Audio2Motion(config), OWN_BASIS, batch_of(Speech()))


class Log:
    """Remembers what was logged."""

    def __init__(self) -> None:
        self.metrics: list[tuple[int, dict[str, float]]] = []
        self.images: list[tuple[str, int]] = []

    def log_metrics(self, metrics: Any, step: int | None = None) -> None:
        self.metrics.append((step or 0, dict(metrics)))

    def log_image(self, key: str, path: Path, step: int = 0) -> None:
        self.images.append((key, step))


def train(
    recipe: Any, settings: Any, folder: Path, world: World = ALONE, dataset: Any = None, log: Any = None
) -> Outcome:
    """`fit` with everything under `folder`."""
    folder.mkdir(parents=True, exist_ok=True)
    return fit(
        recipe,
        dataset or (Speech() if isinstance(settings, TrainAudio) else Pairs()),
        settings,
        world,
        seed=0,
        scratch=folder / "scratch",
        curves=folder / "curves.csv",
        samples=folder / "samples.jpg",
        log=log or Log(),
        name="toy",
    )


def pairs(count: int = 4) -> dict[str, Any]:
    return to_device(batch_of(Pairs(), count), ALONE.device)


def speech(count: int = 4) -> dict[str, Any]:
    return to_device(batch_of(Speech(), count), ALONE.device)


def play(recipe: Any, batch: dict[str, Any], lr: float = 0.01) -> dict[str, float]:
    """One step of every phase."""
    recipe.model.train()
    values, outputs = {}, {}
    for phase in recipe.phases.values():
        optimizer = torch.optim.SGD([p for p in phase.parameters() if p.requires_grad], lr)
        computed = phase(batch, outputs)
        outputs |= computed.outputs
        torch.stack(list(computed.losses.values())).sum().backward()
        optimizer.step()
        optimizer.zero_grad()
        values |= {key: float(value.detach()) for key, value in computed.losses.items()}
    return values


def changed(before: dict[str, torch.Tensor], module: nn.Module) -> set[str]:
    """First parts of the names of parameters that are no longer what they were."""
    now = dict(module.named_parameters())
    return {name.split(".")[0] for name in before if not torch.equal(before[name], now[name])}


def copied(module: nn.Module) -> dict[str, torch.Tensor]:
    return {name: parameter.detach().clone() for name, parameter in module.named_parameters()}
