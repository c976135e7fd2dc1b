"""Shared by the four training stages: initial weights, the identity of a run, and its outputs."""

import shutil
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, Protocol

import numpy as np
import safetensors
from torch import nn
from torch.utils.data import Dataset, default_collate
from tqdm import tqdm

from styleheat import checkpoints, files
from styleheat.clips.store import ClipStore
from styleheat.clips.writer import packed_sources
from styleheat.errors import InputError
from styleheat.networks.config import NETWORKS, NetworkConfig
from styleheat.networks.stylegan2 import Discriminator
from styleheat.params import Params, Training
from styleheat.training import distributed
from styleheat.training.images import write_samples
from styleheat.training.loop import fit
from styleheat.training.recipe import Recipe

PACE = {
    "steps",
    "micro_batch",
    "checkpointing",
    "compile",
    "validate_every",
    "validate_samples",
    "score",
    "export",
    "sample_every",
    "save_every",
}
"""Parameters that don't affect what a step computes: a run resumes when only these have changed."""


class StageContext(Protocol):
    """The stage that trains (`pipeline.Stage`)."""

    @property
    def name(self) -> str: ...
    @property
    def params(self) -> Params: ...
    @property
    def tracker(self) -> Any: ...
    def device(self) -> str: ...
    def scratch(self, fingerprint: str) -> Path: ...
    def write_metrics(self, metrics: Mapping[str, Any]) -> None: ...


def architecture(params: Params) -> NetworkConfig:
    """The networks' sizes that `network` names."""
    return NETWORKS[params.network]


def check_geometry(config: NetworkConfig, name: str, backend: str) -> None:
    """Raise InputError for a set whose coefficients are not of the face model that the networks start from.

    name: of the set; backend: of its coefficients.
    """
    if config.geometry and backend != "fit":
        raise InputError(
            f"params.yaml: sets.{name}.coefficients.backend: {backend}, but this network starts from the geometry of "
            "this project's own face model; fit"
        )


def load_init(module: nn.Module, folder: str | Path, part: str) -> bool:
    """Fill a module from a model folder: a full model's `part` ("generator"), or that part alone.

    Returns False, leaving the module as it is, for a folder without weights: training starts from scratch. Raises
    InputError when the weights do not fit.
    """
    path = Path(folder) / checkpoints.WEIGHTS
    if not path.exists():
        return False
    with safetensors.safe_open(path, "pt") as opened:
        full = any(name.startswith(f"{part}.") for name in opened.keys())  # noqa: SIM118  not a dict
    checkpoints.load_model(folder, module, prefix=f"{part}." if full else "")
    return True


def discriminator(config: NetworkConfig, folder: str | Path) -> Discriminator:
    """A discriminator with a model folder's weights, or fresh for a folder without."""
    network = Discriminator(config)
    load_init(network, folder, part="discriminator")
    return network


def heldout(dataset: Dataset, count: int) -> dict[str, Any]:
    """The first samples of a dataset as one batch."""
    return default_collate([dataset[i] for i in range(count)])


def run(
    stage: StageContext,
    settings: Training,
    build: Callable[[], Recipe],
    dataset: Dataset,
    stores: list[ClipStore],
    *,
    starts: list[str],
    out: Path,
) -> None:
    """Train, and leave `out` (model.safetensors, config.json), the stage's metrics, curves and sample image.

    build: makes the recipe; called once the seeds are set, in each process. stores: what `dataset` reads.
    starts: folders of weights that training starts from.
    """
    params, runtime = stage.params, stage.params.runtime
    device = stage.device()
    facts = {
        "stage": stage.name,
        "seed": params.seed,
        "settings": settings.model_dump(mode="json", exclude=PACE),
        "data": [files.fingerprint(packed_sources(store.folder, store.size)) for store in stores],
        "starts": [files.digest(folder) for folder in starts],
    }
    workers = runtime.loader_workers
    if workers == "auto":
        workers = runtime.workers if device.startswith("cuda") else 0
    for store in {store.folder: store for store in stores}.values():
        stage.tracker.log_dataset(store.folder, "training")
    with distributed.joined(device) as world:
        recipe = build()
        outcome = fit(
            recipe,
            dataset,
            settings,
            world,
            seed=params.seed,
            scratch=stage.scratch(files.fingerprint(facts, params.network)),
            curves=Path("metrics", stage.name, "curves.csv"),
            samples=Path("metrics", stage.name, "samples.jpg"),
            log=stage.tracker,
            name=stage.name,
            loader_workers=workers,
        )
        if world.first:
            shutil.rmtree(out, ignore_errors=True)
            checkpoints.save_model(out, recipe.model, architecture(params), facts | {"steps": outcome.steps})
            stage.write_metrics(outcome.metrics())
            stage.tracker.log_model(out, outcome.scores)


def keep_init(stage: StageContext, settings: Training, module: nn.Module, part: str, reason: str, *, out: Path) -> None:
    """Leave the weights of `settings.init` as `out`, untrained for a `reason` that is printed, and all results.

    Raises InputError when there are none to keep.
    """
    if not load_init(module, settings.init, part):
        raise InputError(f"{reason}, and {stage.name}.init in params.yaml has no weights to keep: {settings.init}")
    tqdm.write(f"{stage.name}: {reason}: the weights of {settings.init} are kept as they are")
    shutil.rmtree(out, ignore_errors=True)
    facts = {"stage": stage.name, "kept": reason, "starts": [files.digest(settings.init)]}
    checkpoints.save_model(out, module, architecture(stage.params), facts)
    results = Path("metrics", stage.name)
    results.mkdir(parents=True, exist_ok=True)
    with files.atomic(results / "curves.csv") as temporary:
        temporary.write_text("step\n")
    write_samples(results / "samples.jpg", np.full((64, 64, 3), 255, np.uint8))  # blank: nothing was trained
    stage.write_metrics({"steps": 0})
