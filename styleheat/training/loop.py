"""One loop for every recipe: draw a batch, let each player step, log, sample, save; go on where a killed run stopped.

A recipe is the part that differs (see `Recipe`). The loop owns optimisers, the moving average, the learning-rate steps,
checkpoints and curves. Runs on one CPU, or on many GPUs under `accelerate launch`, which also sets mixed precision and
gradient accumulation.
"""

import csv
import math
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Protocol

import numpy as np
import torch
from accelerate import Accelerator, DistributedDataParallelKwargs
from torch import Tensor, nn
from torch.utils.data import DataLoader, Dataset
from tqdm import tqdm

from styleheat import files
from styleheat.errors import InputError
from styleheat.networks.layers import EqualConv2d, EqualLinear
from styleheat.networks.stylegan2 import ModulatedConv2d
from styleheat.params import Training

BETAS = (0.5, 0.999)
"""Adam's moments in every recipe of the reference."""

EMA_DECAY = 0.5 ** (32 / 10_000)
"""Half the moving average's memory fades in 10,000 images seen 32 at a time, as in the reference's trainer."""

EQUALISED = (EqualConv2d, EqualLinear, ModulatedConv2d)
"""Layers whose weights have unit variance and are scaled down on use: a step of Adam changes what they do by less than
that of a plain layer."""

LONGEST = 5.0
"""Length of a player's gradient, which is shortened to it: one bad batch must not undo hours of training."""

LOG_EVERY = 10
"""Steps between the points that are logged, each the mean of as many; fewer where a run has too few for a curve."""

Batch = dict[str, Any]
Losses = dict[str, Tensor]


class Recipe(Protocol):
    """What is trained, by which losses, and how it is looked at.

    model: the module that is saved in the end; its trainable parameters have a moving average, and each of them belongs
    to a player.
    players: modules that step in turn on each batch. `player(batch, seen) -> (losses, seen)`: a dict of scalar losses,
    whose sum is minimised by the player's trainable parameters, and a dict of tensors for the players after it (the
    generator's images for the discriminator). Parameters that a player must not train are no parameters of it, or
    have `requires_grad` off.
    """

    @property
    def model(self) -> nn.Module: ...

    @property
    def players(self) -> dict[str, nn.Module]: ...

    def begin_step(self, step: int) -> None:
        """Called before each step with its number from 0: for weights that change with time."""

    def validate(self) -> dict[str, float]:
        """Scores on held-out clips, of `model` as it is when called."""
        ...

    def sample(self) -> np.ndarray:
        """A picture to look at, uint8 (H, W, 3)."""
        ...


DECAY = 0.2
"""What the learning rate is multiplied by every `lr_every` steps."""


@dataclass
class Outcome:
    """What a finished run leaves: scores of the averaged model, and the last losses averaged over up to 50 steps."""

    steps: int
    losses: dict[str, float]
    scores: dict[str, float]
    resumed_at: int = field(compare=False, default=0)

    def metrics(self) -> dict[str, Any]:
        """The part that two runs with one seed have in common."""
        return {"steps": self.steps, "loss": self.losses, "heldout": self.scores}


class MovingAverage:
    """Exponential moving average of a module's trainable parameters; buffers are taken as they are."""

    def __init__(self, module: nn.Module, decay: float = EMA_DECAY):
        self.module, self.decay = module, decay
        self.average = {name: p.detach().clone() for name, p in module.named_parameters() if p.requires_grad}

    @torch.no_grad()
    def update(self, step: int) -> None:
        """Take in the parameters after step number `step`, from 0. The first hundreds of steps fade faster, or the
        average would long hold what training began with."""
        decay = min(self.decay, (1 + step) / (10 + step))
        current = dict(self.module.named_parameters())
        torch._foreach_lerp_(list(self.average.values()), [current[name] for name in self.average], weight=1 - decay)

    @torch.no_grad()
    def swap(self) -> None:
        """Exchange the module's parameters and their averages."""
        current = dict(self.module.named_parameters())
        for name, average in self.average.items():
            kept = average.clone()
            average.copy_(current[name])
            current[name].copy_(kept)


def fit(
    recipe: Recipe,
    dataset: Dataset,
    schedule: Training,
    *,
    seed: int,
    scratch: Path,
    curves: Path,
    samples: Path,
    device: str,
    log: Callable[[Mapping[str, float], int], None],
    name: str,
    loader_workers: int = 0,
) -> Outcome:
    """Train `recipe` on `dataset` and leave the averaged weights in `recipe.model`.

    dataset: maps any index >= 0 to a sample, always the same one; step s takes the indices s*batch to (s+1)*batch - 1
    (of all processes together).
    scratch: folder of the checkpoint `last.pt`; a run that finds one goes on from it and ends as if never interrupted,
        unless it has more steps than are wanted now.
    curves: CSV of the losses, a row a step. samples: PNG that is renewed as training goes on.
    log: receives (losses, step) now and then. device: "cpu" forces the CPU, anything else is accelerate's choice.
    Raises InputError when a loss is no longer finite.
    """
    unused = DistributedDataParallelKwargs(find_unused_parameters=True)  # heads that no picture depends on
    accelerator = Accelerator(cpu=device == "cpu", kwargs_handlers=[unused])
    model = recipe.model.to(accelerator.device)
    optimizers = {}
    for key, player in recipe.players.items():
        adam = torch.optim.Adam(_groups(player, schedule.equalised), lr=schedule.lr, betas=BETAS)
        player, optimizer = accelerator.prepare(player, adam)
        recipe.players[key], optimizers[key] = player, optimizer
    average = MovingAverage(model)
    rows: list[dict[str, float]] = []
    checkpoint = scratch / "last.pt"
    start = 0
    if checkpoint.exists():
        start = _resume(checkpoint, schedule.steps, recipe, optimizers, average, rows, accelerator)

    batches = _batches(dataset, schedule, start, accelerator, loader_workers)
    progress = tqdm(
        range(start, schedule.steps),
        initial=start,
        total=schedule.steps,
        desc=name,
        unit="step",
        disable=not accelerator.is_main_process,
        mininterval=1.0,
    )
    log_every = min(LOG_EVERY, max(1, schedule.steps // 10))
    for step in progress:
        batch = next(batches)
        torch.manual_seed(int(files.fingerprint(seed, step, accelerator.process_index), 16) % 2**63)
        recipe.begin_step(step)
        losses = _step(recipe, optimizers, batch, schedule.lr * DECAY ** (step // schedule.lr_every), accelerator)
        average.update(step)
        rows.append({"step": step + 1, **{key: float(value) for key, value in losses.items()}})
        if not all(math.isfinite(value) for value in rows[-1].values()):
            raise InputError(f"params.yaml: {name}.lr: a loss is not finite at step {step + 1}; try a smaller lr")
        if (step + 1) % log_every == 0 or step + 1 == schedule.steps:
            recent = _mean(rows[-log_every:])
            log(recent, step + 1)
            progress.set_postfix({key: f"{value:.3f}" for key, value in recent.items()}, refresh=False)
        if accelerator.is_main_process:
            if (step + 1) % schedule.save_every == 0 or step + 1 == schedule.steps:
                _save(checkpoint, recipe, optimizers, average, rows, step + 1, accelerator)
            if (step + 1) % schedule.sample_every == 0 and step + 1 < schedule.steps:
                average.swap()
                _look(recipe, samples)
                average.swap()
    accelerator.wait_for_everyone()
    average.swap()
    model.eval()
    if accelerator.is_main_process:
        _look(recipe, samples)
        _write_curves(curves, rows)
    with torch.no_grad():
        return Outcome(schedule.steps, _mean(rows[-50:]), recipe.validate(), start)


def _groups(player: nn.Module, equalised: float) -> list[dict[str, Any]]:
    """What a player trains, for its optimiser: `multiple` is that of the learning rate."""
    fast = {p for layer in player.modules() if isinstance(layer, EQUALISED) for p in layer.parameters(recurse=False)}
    trainable = [p for p in player.parameters() if p.requires_grad]
    groups = [
        {"params": [p for p in trainable if p not in fast], "multiple": 1.0},
        {"params": [p for p in trainable if p in fast], "multiple": equalised},
    ]
    return [group for group in groups if group["params"]]


def _step(
    recipe: Recipe, optimizers: dict[str, Any], batch: Batch, learning_rate: float, accelerator: Accelerator
) -> Losses:
    recipe.model.train()
    losses: Losses = {}
    seen: dict[str, Tensor] = {}
    with accelerator.accumulate(*recipe.players.values()):
        for key, player in recipe.players.items():
            for group in optimizers[key].param_groups:
                group["lr"] = learning_rate * group["multiple"]
            parts, seen = player(batch, seen)
            accelerator.backward(torch.stack(list(parts.values())).sum())
            if accelerator.sync_gradients:
                accelerator.clip_grad_norm_(player.parameters(), LONGEST)
            optimizers[key].step()
            optimizers[key].zero_grad(set_to_none=True)
            losses |= {part: value.detach() for part, value in parts.items()}
    return losses


def _batches(
    dataset: Dataset, schedule: Training, start: int, accelerator: Accelerator, workers: int
) -> Iterator[Batch]:
    batch = schedule.batch * accelerator.num_processes
    indices = range(start * batch, schedule.steps * batch)
    loader: DataLoader = DataLoader(dataset, schedule.batch, sampler=indices, num_workers=workers, drop_last=True)
    return iter(accelerator.prepare(loader))


def _save(
    path: Path,
    recipe: Recipe,
    optimizers: dict[str, Any],
    average: MovingAverage,
    rows: list[dict[str, float]],
    step: int,
    accelerator: Accelerator,
) -> None:
    state = {
        "step": step,
        "rows": rows,
        "average": average.average,
        "players": {key: accelerator.unwrap_model(p).state_dict() for key, p in recipe.players.items()},
        "optimizers": {key: optimizer.state_dict() for key, optimizer in optimizers.items()},
    }
    with files.atomic(path) as temporary:
        torch.save(state, temporary)


def _resume(
    path: Path,
    steps: int,
    recipe: Recipe,
    optimizers: dict[str, Any],
    average: MovingAverage,
    rows: list[dict[str, float]],
    accelerator: Accelerator,
) -> int:
    """The step to go on from; 0, with nothing taken over, where the checkpoint is further than `steps`."""
    state = torch.load(path, map_location="cpu", weights_only=True)  # from where all is copied to its device
    if state["step"] > steps:
        return 0
    for key, player in recipe.players.items():
        accelerator.unwrap_model(player).load_state_dict(state["players"][key])
        optimizers[key].load_state_dict(state["optimizers"][key])
    average.average = {name: value.to(accelerator.device) for name, value in state["average"].items()}
    rows.extend(state["rows"])
    tqdm.write(f"going on from step {state['step']} ({path})")
    return state["step"]


@torch.no_grad()
def _look(recipe: Recipe, path: Path) -> None:
    from styleheat.media.image import write_image

    recipe.model.eval()
    write_image(path, recipe.sample())


def _mean(rows: list[dict[str, float]]) -> dict[str, float]:
    keys = [key for key in rows[-1] if key != "step"] if rows else []
    return {key: sum(row.get(key, 0.0) for row in rows) / len(rows) for key in keys}


def _write_curves(path: Path, rows: list[dict[str, float]]) -> None:
    """At most 1,000 rows, each the mean of as many steps as it stands for: git and plots stay light."""
    stride = max(1, math.ceil(len(rows) / 1000))
    groups = [rows[i : i + stride] for i in range(0, len(rows), stride)]
    with files.atomic(path) as temporary, temporary.open("w", newline="") as stream:
        writer = csv.DictWriter(stream, ["step", *_mean(rows)], lineterminator="\n")
        writer.writeheader()
        for group in groups:
            mean = {key: f"{value:.6g}" for key, value in _mean(group).items()}
            writer.writerow({"step": int(group[-1]["step"]), **mean})
