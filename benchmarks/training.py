"""What a step of each training costs: `python -m benchmarks.training`, on the device that training would take.

Sizes, batches and losses are those of params.yaml, or with `--network full` of profiles/full.yaml. Weights are drawn
from a seed, VGG19's too, and so is one batch, which is seen in every step: what reading the LMDB costs is not measured.
Printed are seconds a step (the median), samples a second, the hours that the profile's steps would take, and on GPUs
the most memory that was allocated: while training, then in validation. The discriminator's penalty comes every 16
steps. `--set` changes parameters of the training, as `--set precision=bf16 checkpointing=true micro_batch=4`.
"""

import argparse
import itertools
import json
import resource
import shutil
import statistics
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch
import yaml
from torch.utils.data import Dataset, default_collate

from stages import profile
from styleheat import checkpoints
from styleheat.morphable.geometry import CHANNELS, GRID
from styleheat.morphable.model import face_model
from styleheat.networks.audio2motion import Audio2Motion
from styleheat.networks.config import NETWORKS, NetworkConfig
from styleheat.networks.inversion import Inverter
from styleheat.networks.perceptual import Vgg19
from styleheat.networks.stylegan2 import Discriminator
from styleheat.networks.styleheat import StyleHEAT
from styleheat.networks.warper import VideoWarper
from styleheat.params import PARAMS_FILE, Params, check_params, read_yaml
from styleheat.pipeline import Stage
from styleheat.training.audio import FRAMES, AudioRecipe
from styleheat.training.distributed import joined
from styleheat.training.landmark_basis import LandmarkBasis
from styleheat.training.loop import fit
from styleheat.training.prior import PriorRecipe
from styleheat.training.styleheat import StyleHEATRecipe
from styleheat.training.warper import WarperRecipe

ROOT = Path(__file__).parent.parent
SEED = 0
RECIPES = ("train_prior", "train_warper", "train", "train_audio")


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.training", description=__doc__.partition("\n")[0])
    parser.add_argument("--network", choices=list(NETWORKS), default="embedded")
    parser.add_argument("--only", choices=RECIPES, help="one training")
    parser.add_argument("--steps", type=int, default=34, help="that are measured, after two more")
    parser.add_argument("--set", nargs="*", default=[], metavar="KEY=VALUE", help="parameters of the trainings")
    parser.add_argument("--json", action="store_true", help="print one JSON object instead of a table")
    args = parser.parse_args()
    if args.steps < 1:
        parser.error("--steps must be 1 or more")
    report = {}
    with tempfile.TemporaryDirectory() as folder:
        params = parameters(args.network, Path(folder), args.set)
        for name in [args.only] if args.only else RECIPES:
            report[name] = measure(name, params, args.steps, Path(folder, name))
    print(json.dumps(report, indent=2) if args.json else table(report))


def parameters(network: str, folder: Path, changes: list[str]) -> Params:
    """Those of params.yaml, or of profiles/full.yaml over it, with weights for VGG19 where they are asked for."""
    path = Path(shutil.copy(ROOT / PARAMS_FILE, folder))
    if network == "full":
        profile.overlay(ROOT / "profiles" / "full.yaml", path)
    tree = read_yaml(path)
    torch.manual_seed(SEED)
    checkpoints.save_model(folder / "vgg19", Vgg19(), NETWORKS[network], {})
    for name in RECIPES:
        tree[name] |= {key: yaml.safe_load(value) for key, value in (change.split("=", 1) for change in changes)}
        if name != "train_audio":
            tree[name]["perceptual_weights"] = str(folder / "vgg19")
    return check_params(tree | {"network": network})


class Silent:
    """Takes what a training logs."""

    def log_metrics(self, metrics: Any, step: int | None = None) -> None: ...
    def log_image(self, key: str, path: Path, step: int = 0) -> None: ...


class Drawn(Dataset):
    """As many samples as a batch has, over and over."""

    def __init__(self, draw: Callable[[], dict[str, Any]], count: int) -> None:
        self.samples = [draw() for _ in range(count)]

    def __getitem__(self, index: int) -> dict[str, Any]:
        return self.samples[index % len(self.samples)]

    def __len__(self) -> int:
        return 10**9


def pair(size: int, aligned: int) -> dict[str, Any]:
    """A sample as `FramePairs` gives it."""
    image = lambda size: torch.randint(0, 256, (size, size, 3), dtype=torch.uint8)  # noqa: E731
    field = lambda: 0.01 * torch.randn(CHANNELS, GRID, GRID)  # noqa: E731
    points = lambda: size * (0.2 + 0.6 * torch.rand(68, 2))  # noqa: E731
    return {
        "source": image(size),
        "target": image(size),
        "source_align": image(aligned),
        "target_align": image(aligned),
        "source_window": torch.randn(73, 27),
        "target_window": torch.randn(73, 27),
        "source_geometry": field(),
        "target_geometry": field(),
        "source_landmarks": points(),
        "target_landmarks": points(),
        "draw": int(torch.randint(2**62, ())),
    }


def speech() -> dict[str, Any]:
    """A sample as `SpeechClips` gives it."""
    return {
        "mel": torch.randn(FRAMES, 1, 80, 16),
        "descriptors": torch.randn(FRAMES, 73),
        "blink": torch.rand(FRAMES),
        "person": 0,
        "draw": int(torch.randint(2**62, ())),
    }


def recipe_of(name: str, params: Params, config: NetworkConfig, heldout: dict[str, Any]) -> Any:
    match name:
        case "train_prior":
            return PriorRecipe(config, params.train_prior, Inverter(config), Discriminator(config), heldout)
        case "train_warper":
            return WarperRecipe(config, params.train_warper, VideoWarper(config), heldout, SEED)
        case "train":
            return StyleHEATRecipe(config, params.train, StyleHEAT(config), Discriminator(config), heldout)
    basis = LandmarkBasis(face_model().mean, face_model().expression)
    return AudioRecipe(params.train_audio, Audio2Motion(config), basis, heldout)


def measure(name: str, params: Params, steps: int, folder: Path) -> dict[str, float]:
    """Seconds and memory of one training."""
    folder.mkdir()
    config, settings, device = NETWORKS[params.network], getattr(params, name), Stage(name, params).device()
    pack = params.sets.hdtf.pack
    size = {"train_prior": config.image_size, "train_warper": config.input_size}.get(name, pack.size)
    draw = speech if name == "train_audio" else lambda: pair(size, pack.align_size)
    torch.manual_seed(SEED)
    recipe = recipe_of(name, params, config, default_collate([draw() for _ in range(settings.validate_samples)]))
    begun: list[float] = []
    memory: list[float] = []
    start_step, validate = recipe.start_step, recipe.validate

    def clock(step: int) -> None:
        start_step(step)
        begun.append(time.perf_counter())

    def judge() -> dict[str, float]:
        memory.append(peak(device))
        return validate()

    recipe.start_step, recipe.validate = clock, judge
    peak(device)
    seldom = {"save_every": 10**9, "sample_every": 10**9, "validate_every": 10**9}
    with joined(device) as world:
        fit(
            recipe,
            Drawn(draw, settings.batch),
            settings.model_copy(update={"steps": steps + 2, **seldom}),
            world,
            seed=SEED,
            scratch=folder,
            curves=folder / "curves.csv",
            samples=folder / "samples.jpg",
            log=Silent(),
            name=name,
        )
    memory.append(peak(device))
    step = statistics.median(after - before for before, after in itertools.pairwise(begun[1:]))
    return {
        "batch": settings.batch,
        "seconds_per_step": round(step, 4),
        "samples_per_second": round(settings.batch / step, 1),
        "hours": round(settings.steps * step / 3600, 1),
        "training_gb": memory[0],
        "validation_gb": memory[1],
    }


def peak(device: str) -> float:
    """GB allocated on a GPU at most since the last call; on CPUs the most that this process ever had."""
    if not device.startswith("cuda"):
        return round(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024 / 1e9, 2)
    torch.cuda.synchronize(device)
    most = torch.cuda.max_memory_allocated(device) / 1e9
    torch.cuda.reset_peak_memory_stats(device)
    return round(most, 2)


def table(report: dict[str, dict[str, float]]) -> str:
    heads = list(next(iter(report.values())))
    lines = ["".ljust(14) + "".join(head.rjust(20) for head in heads)]
    for name, row in report.items():
        lines.append(name.ljust(14) + "".join(f"{row[head]:g}".rjust(20) for head in heads))
    return "\n".join(lines)


if __name__ == "__main__":
    main()
