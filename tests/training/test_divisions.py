"""However a batch is divided between processes and passes, a training computes the same."""

import csv
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
import safetensors.torch
import torch
from torch.utils.data import default_collate

from styleheat import checkpoints
from styleheat.media.image import read_image
from styleheat.networks.config import NETWORKS
from styleheat.networks.inversion import Inverter
from styleheat.training.distributed import World, joined
from tests.training.tiny import ALONE, AUDIO, PRIOR, TINY_RELEASED, TRAIN, WARPER, Pairs, build, shift, train

ROOT = Path(__file__).parent.parent.parent
NEAR = 3e-5
STEPS, CUT = 2, 1
EPS = 1e-5
"""Above the rounding of gradients, of which Adam with its usual 1e-8 makes steps of full length: in some 20 of 774,000
weights of the fourth recipe."""
CHANGES: dict[str, Any] = {
    "steps": STEPS,
    "batch": 8,
    "lr": 1e-4,
    "optimizer": PRIOR.optimizer.model_copy(update={"eps": EPS}),
    "save_every": CUT,
    "validate_every": STEPS,
}
RATES = {"lr_warper": 1e-4}
RECIPES = {
    "prior": (PRIOR.model_copy(update=CHANGES), {"config": NETWORKS["embedded"]}),
    "warper": (WARPER.model_copy(update=CHANGES | {"mirrored": 0.5}), {"config": TINY_RELEASED}),
    "styleheat": (TRAIN.model_copy(update=CHANGES | RATES), {"config": TINY_RELEASED}),
    "styleheat tunes": (
        TRAIN.model_copy(update=CHANGES | RATES | {"tune_prior": True, "batch": 4}),
        {"config": NETWORKS["embedded"]},
    ),
    "audio": (AUDIO.model_copy(update=CHANGES), {}),
}
"""Each with its discriminator, R1 (in the first step), and batch norms in training mode where it has any. Where those
lie deep the weights are the embedded ones: fresh, they enlarge rounding of 1e-7 to 1e-3 of the gradient."""


class Faces(Pairs):
    """A face that slides."""

    def __init__(self) -> None:
        face = read_image(ROOT / "data/examples/portrait.png")
        self.face = cv2.resize(face, (128, 128), interpolation=cv2.INTER_AREA)

    def __getitem__(self, index: int) -> dict[str, Any]:
        sample, rng = super().__getitem__(index), np.random.default_rng(index)
        shifts = rng.integers(-9, 9, 2).tolist()
        for key, own, other in zip(("source", "target"), shifts, shifts[::-1], strict=True):
            noise = rng.integers(0, 20, self.face.shape, np.uint8)
            sample[key] = torch.from_numpy(np.roll(self.face, own, axis=1) // 2 + noise)
            sample[f"{key}_landmarks"] *= 4
            sample[f"{key}_geometry"] = shift(2 * (other - own) / 128)
        return sample


def run(name: str, folder: Path, world: World, **changes: Any) -> None:
    settings, options = RECIPES[name]
    settings = settings.model_copy(update=changes)
    recipe = build(settings, **options)
    dataset = None
    if options.get("config") == NETWORKS["embedded"]:
        prefix = "generator." if isinstance(recipe.model, Inverter) else ""
        checkpoints.load_model(ROOT / "models/embedded/styleheat", recipe.model, prefix)
        dataset = Faces()
        recipe.heldout = default_collate([dataset[index] for index in range(2)])
    train(recipe, settings, folder, world, dataset)
    if world.first:
        safetensors.torch.save_file({n: t.contiguous() for n, t in recipe.model.state_dict().items()}, folder / "model")


@pytest.fixture(scope="module")
def two_processes(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Every recipe on two processes: cut after CUT steps, then resumed to its end."""
    folder = tmp_path_factory.mktemp("two")
    command = [sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc-per-node=2", "-m"]
    done = subprocess.run([*command, __spec__.name if __spec__ else "", str(folder)], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    return folder


@pytest.fixture(scope="module")
def one_process(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("one")
    for name in RECIPES:
        run(name, folder / name / "complete", ALONE)
    return folder


def same(one: Path, other: Path) -> None:
    rows = [list(csv.DictReader((folder / "curves.csv").open())) for folder in (one, other)]
    assert len(rows[0]) == len(rows[1]) == STEPS
    for a, b in zip(*rows, strict=True):
        for key in (key for key in a if a[key] or b[key]):  # R1 is not in every step
            assert float(a[key]) == pytest.approx(float(b[key]), rel=NEAR, abs=NEAR), key
    states = [safetensors.torch.load_file(folder / "model") for folder in (one, other)]
    for name, tensor in states[0].items():
        difference = float((tensor.double() - states[1][name].double()).abs().max()) if tensor.numel() else 0.0
        assert difference <= NEAR, f"{name}: {difference}"


@pytest.mark.parametrize("name", RECIPES)
def test_two_processes_compute_what_one_does(name: str, one_process: Path, two_processes: Path) -> None:
    same(one_process / name / "complete", two_processes / name / "complete")


@pytest.mark.parametrize("name", RECIPES)
def test_two_passes_compute_what_one_does(name: str, one_process: Path, tmp_path: Path) -> None:
    run(name, tmp_path, ALONE, micro_batch=RECIPES[name][0].batch // 2)
    same(one_process / name / "complete", tmp_path)


@pytest.mark.parametrize("name", RECIPES)
def test_a_run_goes_on_with_another_number_of_processes(name: str, one_process: Path, two_processes: Path) -> None:
    run(name, two_processes / name / "cut", ALONE)
    same(one_process / name / "complete", two_processes / name / "cut")


if __name__ == "__main__":  # one of two processes
    with joined("cpu") as world:
        for recipe in RECIPES:
            cut, complete = (Path(sys.argv[1], recipe, name) for name in ("cut", "complete"))
            run(recipe, cut, world, steps=CUT)
            if world.first:
                shutil.copytree(cut, complete)
            world.gather(None)  # until the copy is there
            run(recipe, complete, world)
