"""The loop of every training: read a batch, compute each phase, update the weights, log, validate, save.

A recipe is the part that differs (see `Recipe`). A step's losses, gradients and weights are the same for any number of
processes and passes, and for a run that was interrupted.
"""

import contextlib
import csv
import math
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Protocol

import torch
from torch import Tensor, nn
from torch.utils.data import Dataset
from tqdm import tqdm

from styleheat import files, interrupts
from styleheat.errors import InputError
from styleheat.networks.layers import channels_last
from styleheat.params import Training
from styleheat.training import batches, checkpoint, memory
from styleheat.training.average import MovingAverage
from styleheat.training.batches import Batch
from styleheat.training.distributed import World
from styleheat.training.images import write_samples
from styleheat.training.meter import Meter, Row, mean_rows
from styleheat.training.norm import group_batch_norms
from styleheat.training.optimizer import PhaseOptimizer
from styleheat.training.recipe import Recipe
from styleheat.training.removed import freeze_removed_biases

LOG_EVERY = 10
"""Steps between the points that are logged, each the mean of as many; fewer where a run has too few for a curve."""

RECENT = 50
"""Number of last steps whose mean loss is reported."""

CURVE_ROWS = 1000
"""Rows of a curve at most, each the mean of as many steps as it stands for: git and plots stay light."""

AUTOCAST = {"bf16": torch.bfloat16, "fp16": torch.float16}


class Log(Protocol):
    """Where a training logs."""

    def log_metrics(self, metrics: Mapping[str, float], step: int | None = None) -> None: ...
    def log_image(self, key: str, path: Path, step: int = 0) -> None: ...


@dataclass
class Outcome:
    """What a finished run leaves: scores of the exported model, and the last losses averaged over `RECENT` steps.

    best: the best validation score and its step. resumed_at: the step that the run went on from, not compared.
    """

    steps: int
    losses: dict[str, float]
    scores: dict[str, float]
    best: dict[str, float]
    resumed_at: int = field(compare=False, default=0)

    def metrics(self) -> dict[str, Any]:
        """The fields that are equal in two runs with one seed."""
        return {"steps": self.steps, "loss": self.losses, "heldout": self.scores, "best": self.best}


def fit(
    recipe: Recipe,
    dataset: Dataset,
    settings: Training,
    world: World,
    *,
    seed: int,
    scratch: Path,
    curves: Path,
    samples: Path,
    log: Log,
    name: str,
    loader_workers: int = 0,
) -> Outcome:
    """Train `recipe` on `dataset` and leave the exported weights in `recipe.model` of the first process.

    dataset: maps any index >= 0 to a sample, always the same one; step s takes the indices s*batch to (s+1)*batch - 1.
    scratch: folder of the checkpoints; a run that finds one goes on from it and ends as if never interrupted, unless it
        has more steps than are wanted now.
    curves: CSV of the losses. samples: JPEG that is renewed as training goes on. name: of the params group.

    Raises InputError when a loss is not finite, when the batch can't be divided, or for damaged checkpoints, and
    `interrupts.Interrupted` after SIGINT or SIGTERM, once the step in hand is done and saved.
    """
    run = _Run(recipe, settings, world, seed, scratch, name)
    steps = range(run.start, settings.steps)
    progress = tqdm(
        steps, initial=run.start, total=settings.steps, desc=name, unit="step", disable=not world.first, mininterval=1.0
    )
    log_every = min(LOG_EVERY, max(1, settings.steps // 10))
    reading = batches.load(dataset, run.division, world, steps, loader_workers)
    with interrupts.deferred() as pending:
        for step in progress:
            run.step(step, reading)
            done, last = step + 1, step + 1 == settings.steps
            signal = world.largest(pending.signal or 0)
            if done % log_every == 0 or last:
                losses, others = run.point()
                if world.first:
                    points = {f"loss/{key}": value for key, value in losses.items()} | others | run.learning_rates()
                    log.log_metrics({key: value for key, value in points.items() if math.isfinite(value)}, done)
                progress.set_postfix({key: f"{value:.3f}" for key, value in losses.items()}, refresh=False)
            began = time.perf_counter()
            if done % settings.validate_every == 0 or last:
                scores = run.validate(done)
                if world.first:
                    log.log_metrics({f"validation/{key}": value for key, value in scores.items()}, done)
            if done % settings.sample_every == 0 or last:
                run.show(samples)
                if world.first:
                    log.log_image("samples", samples, done)
            if done % settings.save_every == 0 or last or signal:
                run.save(done)
            run.meter.paused(time.perf_counter() - began)
            if signal:
                raise interrupts.Interrupted(signal)
    return run.finish(curves, samples)


class _Run:
    """The state of a training: networks, optimisers, moving average, curves, and the best score so far."""

    def __init__(self, recipe: Recipe, settings: Training, world: World, seed: int, scratch: Path, name: str) -> None:
        self.recipe, self.settings, self.world = recipe, settings, world
        self.seed, self.scratch, self.name = seed, scratch, name
        self.division = batches.divide(name, settings.batch, settings.micro_batch, world.size, recipe.unit)
        self.phases = recipe.phases
        self.rows: list[dict[str, float]] = []
        self.best: dict[str, float] = {}
        self.scores: dict[str, float] = {}
        self.loss_names: set[str] = set()
        _set_precision(settings.precision)
        on_cpu = world.device.type == "cpu"
        if on_cpu:
            memory.keep_freed_memory()
        recipe.model.to(world.device)
        for phase in self.phases.values():
            phase.to(world.device)
            if not on_cpu:  # on CPUs, its backward pass is a fifth slower than in the contiguous layout
                channels_last(phase)
            world.copy_first(phase)
        networks = nn.ModuleList([recipe.model, *self.phases.values()])
        freeze_removed_biases(networks)
        self.norms = group_batch_norms(networks)
        if settings.checkpointing:
            memory.checkpoint_blocks(networks)
        if settings.compile:
            memory.compile_blocks(networks)
        self.optimizers = {
            key: PhaseOptimizer(phase, settings, recipe.rates.get(key, {}), world, recipe.fan_in)
            for key, phase in self.phases.items()
        }
        self.average = MovingAverage(recipe.model, settings.optimizer.ema_decay)
        self.meter = Meter(world, name, [])
        self.start = self._resume()

    def step(self, step: int, reading: Iterator[Batch]) -> None:
        """Compute step number `step`, from 0, and update the weights."""
        torch.manual_seed(int(files.fingerprint(self.seed, step, self.world.rank), 16) % 2**63)
        self.recipe.start_step(step)
        self.recipe.model.train()
        passes = self.division.passes
        totals: dict[str, Tensor] = {}
        clips: list[str] = []
        for _ in range(passes):
            began = time.perf_counter()
            batch = next(reading)
            self.meter.waited(time.perf_counter() - began)
            clips += batch.get("clip", [])
            for key, value in self._compute(batches.to_device(batch, self.world.device)).items():
                totals[key] = totals.get(key, 0) + value / passes
        for norm in self.norms:
            norm.update(self.world)
        for key, optimizer in self.optimizers.items():
            totals[f"optimizer/grad_norm/{key}"] = optimizer.step(step)
        self.average.update(step)
        self.meter.add(step + 1, totals, clips)

    def _compute(self, batch: Batch) -> dict[str, Tensor]:
        """Losses and monitors of one pass, its gradients added to those of the step."""
        samples, unit = self.division.samples, self.recipe.unit
        for norm in self.norms:
            norm.groups = 1 if samples % unit else samples // unit
        outputs: dict[str, Tensor] = {}
        values: dict[str, Tensor] = {}
        precision = AUTOCAST.get(self.settings.precision)
        for key, phase in self.phases.items():
            with torch.autocast(self.world.device.type, precision, enabled=precision is not None):
                computed = phase(batch, outputs)
            outputs |= computed.outputs
            loss = torch.stack([value.float() for value in computed.losses.values()]).sum()
            self.optimizers[key].backward(loss / self.division.passes)
            self.loss_names |= set(computed.losses)
            values |= {part: value.detach() for part, value in (computed.losses | computed.monitors).items()}
        return values

    def learning_rates(self) -> dict[str, float]:
        """By `optimizer/lr/<phase>/<group>`."""
        return {
            "/".join(filter(None, ["optimizer/lr", key, group])): rate
            for key, optimizer in self.optimizers.items()
            for group, rate in optimizer.learning_rates().items()
        }

    def point(self) -> tuple[Row, Row]:
        """The next point of the curves: losses, and other records."""
        losses, others = self.meter.point(self.loss_names, self.settings.batch)
        self.rows.append(losses)
        return {key: value for key, value in losses.items() if key not in ("step", "steps")}, others

    def validate(self, done: int) -> dict[str, float]:
        """Scores of the averaged weights after `done` steps; the best state so far is kept. On the first process."""
        self.meter.read(self.loss_names)
        if not self.world.first:
            return {}
        with self._averaged():
            scores = self.recipe.validate()
            score, key = self._score(scores), self.settings.score
            if not self.best or (score > self.best[key] if key in self.recipe.higher else score < self.best[key]):
                self.best = {key: score, "step": done}
                checkpoint.save_best(self.scratch, self._shown())
        self.scores = scores
        return scores

    def show(self, samples: Path) -> None:
        """Write the sample grid of the averaged weights. On the first process."""
        if self.world.first:
            with self._averaged():
                write_samples(samples, self.recipe.sample())

    def save(self, done: int) -> None:
        """Write a checkpoint after `done` steps. On the first process."""
        self.meter.read(self.loss_names)
        if self.world.first:
            state = {
                "rows": self.rows,
                "interval": self.meter.rows,
                "losses": sorted(self.loss_names),
                "best": self.best,
                "average": self.average.average,
                "phases": {key: phase.state_dict() for key, phase in self.phases.items()},
                "optimizers": {key: optimizer.state_dict() for key, optimizer in self.optimizers.items()},
            }
            checkpoint.save(self.scratch, done, state)

    def finish(self, curves: Path, samples: Path) -> Outcome:
        """Leave the exported weights in the recipe's model and write the curves. On the first process."""
        settings = self.settings
        if not self.world.first:
            return Outcome(settings.steps, {}, {}, {}, self.start)
        self.average.swap()
        self.recipe.model.eval()
        if settings.export == "best" and self.best:
            self.recipe.model.load_state_dict(checkpoint.load_best(self.scratch), strict=False)
            self.scores = {}
        if not self.scores:  # those of the last step are those of the last weights, and so are its samples
            with torch.no_grad():
                self.scores = self.recipe.validate()
                write_samples(samples, self.recipe.sample())
        write_curves(curves, self.rows)
        recent, steps = [], 0.0
        for row in reversed(self.rows):
            if steps < RECENT:
                recent.append(row)
                steps += row["steps"]
        return Outcome(settings.steps, mean_rows(recent), self.scores, self.best, self.start)

    def _resume(self) -> int:
        """The step to resume from; 0 without a checkpoint."""
        state = checkpoint.load_last(self.scratch, self.settings.steps)
        if state is None:
            return 0
        for key, phase in self.phases.items():
            phase.load_state_dict(state["phases"][key])
            self.optimizers[key].load_state_dict(state["optimizers"][key])
        for name, value in state["average"].items():
            self.average.average[name].copy_(value)
        self.rows, self.best, self.loss_names = state["rows"], state["best"], set(state["losses"])
        self.meter.rows = state["interval"]
        if self.world.first:
            tqdm.write(f"going on from step {state['step']} ({self.scratch})")
        return state["step"]

    def _shown(self) -> dict[str, Tensor]:
        """The model's weights that training changes, as they are now, and its buffers."""
        model = self.recipe.model
        parameters = {name: p for name, p in model.named_parameters() if name in self.average.average}
        kept = model.state_dict().keys()
        return {name: t.detach() for name, t in (*parameters.items(), *model.named_buffers()) if name in kept}

    def _score(self, scores: dict[str, float]) -> float:
        if self.settings.score not in scores:
            known = ", ".join(key for key in scores if not key.endswith("_repeated_source"))
            raise InputError(f"params.yaml: {self.name}.score: no {self.settings.score} among the scores: {known}")
        return scores[self.settings.score]

    @contextlib.contextmanager
    def _averaged(self) -> Iterator[None]:
        """The model with its averaged weights, in eval mode and without gradients."""
        self.average.swap()
        self.recipe.model.eval()
        try:
            with torch.no_grad():
                yield
        finally:
            self.average.swap()


def write_curves(path: Path, rows: list[Row]) -> None:
    """At most `CURVE_ROWS` rows; one without steps has the head alone."""
    stride = max(1, math.ceil(len(rows) / CURVE_ROWS))
    groups = [rows[i : i + stride] for i in range(0, len(rows), stride)]
    with files.atomic(path) as temporary, temporary.open("w", newline="") as stream:
        writer = csv.DictWriter(stream, ["step", *mean_rows(rows)], lineterminator="\n")
        writer.writeheader()
        for group in groups:
            means = {key: f"{value:.6g}" for key, value in mean_rows(group).items()}
            writer.writerow({"step": int(group[-1]["step"]), **means})


def _set_precision(precision: str) -> None:
    """Whether GPUs round the inputs of float32 products to TF32. Under bf16 and fp16 convolutions do, as those that
    stay in float32 are the losses' (VGG19), and matrix products don't."""
    torch.backends.cudnn.allow_tf32 = precision != "float32"
    torch.backends.cuda.matmul.allow_tf32 = precision == "tf32"
