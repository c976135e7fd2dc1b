"""What the four training stages share: where weights start from, what a run is known by, what it leaves."""

import os
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
from styleheat.clips.store import ClipStore, packed_sources
from styleheat.errors import InputError
from styleheat.media.image import write_image
from styleheat.networks.config import NETWORKS, NetworkConfig
from styleheat.networks.layers import channels_last
from styleheat.params import Params, Training
from styleheat.training.loop import Recipe, fit

HELDOUT = 32
"""Samples of held-out people that a recipe is judged on."""

PACE = {"steps", "sample_every", "save_every"}
"""Parameters that don't change what a step does: a run goes on when only they have changed."""


class Host(Protocol):
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


def begin(module: nn.Module, folder: str | Path, part: str) -> bool:
    """Fill a module from a model folder: a whole model's `part` ("generator"), or that part alone.

    Returns False, leaving the module as it is, for a folder without weights: training starts from scratch. Raises
    InputError when the weights do not fit.
    """
    path = Path(folder) / checkpoints.WEIGHTS
    if not path.exists():
        return False
    with safetensors.safe_open(path, "pt") as opened:
        whole = any(name.startswith(f"{part}.") for name in opened.keys())  # noqa: SIM118  not a dict
    checkpoints.load_model(folder, module, prefix=f"{part}." if whole else "")
    return True


def heldout(dataset: Dataset, count: int = HELDOUT) -> dict[str, Any]:
    """The first samples of a dataset as one batch."""
    return default_collate([dataset[i] for i in range(count)])


def run(
    host: Host,
    settings: Training,
    build: Callable[[], Recipe],
    dataset: Dataset,
    stores: list[ClipStore],
    *,
    starts: list[str],
    out: Path,
) -> None:
    """Train, and leave `out` (model.safetensors, config.json), the stage's metrics, curves and sample picture.

    build: makes the recipe; called once the seeds are set. stores: what `dataset` reads.
    starts: folders of weights that training starts from.
    """
    params = host.params
    device = host.device()
    facts = {
        "stage": host.name,
        "seed": params.seed,
        "settings": settings.model_dump(mode="json", exclude=PACE),
        "data": [files.fingerprint(packed_sources(store.folder, store.size)) for store in stores],
        "starts": [files.digest(folder) for folder in starts],
    }
    recipe = build()
    for module in recipe.players.values():
        channels_last(module)
    outcome = fit(
        recipe,
        dataset,
        settings,
        seed=params.seed,
        scratch=host.scratch(files.fingerprint(facts, params.network)),
        curves=Path("metrics", host.name, "curves.csv"),
        samples=Path("metrics", host.name, "samples.png"),
        device=device,
        log=host.tracker.log_metrics,
        name=host.name,
        loader_workers=params.runtime.workers if device.startswith("cuda") else 0,
    )
    if os.environ.get("RANK", "0") != "0":
        return  # of several processes, the first writes
    shutil.rmtree(out, ignore_errors=True)
    checkpoints.save_model(out, recipe.model, architecture(params), facts | {"steps": outcome.steps})
    host.write_metrics(outcome.metrics())
    host.tracker.log_image("samples", Path("metrics", host.name, "samples.png"), outcome.steps)


def keep(host: Host, settings: Training, module: nn.Module, part: str, reason: str, *, out: Path) -> None:
    """Leave the weights of `settings.init` as `out`, untrained for a `reason` that is told, and the declared results.

    Raises InputError when there are none to keep.
    """
    if not begin(module, settings.init, part):
        raise InputError(f"{reason}, and {host.name}.init in params.yaml has no weights to keep: {settings.init}")
    tqdm.write(f"{host.name}: {reason}: the weights of {settings.init} are kept as they are")
    shutil.rmtree(out, ignore_errors=True)
    facts = {"stage": host.name, "kept": reason, "starts": [files.digest(settings.init)]}
    checkpoints.save_model(out, module, architecture(host.params), facts)
    results = Path("metrics", host.name)
    results.mkdir(parents=True, exist_ok=True)
    with files.atomic(results / "curves.csv") as temporary:
        temporary.write_text("step\n")
    write_image(results / "samples.png", np.full((64, 64, 3), 255, np.uint8))  # blank: nothing was trained
    host.write_metrics({"steps": 0})
