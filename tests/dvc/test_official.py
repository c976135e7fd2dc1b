"""Profiles with released weights, at full size: files filled by the fixtures' rule stand in for the real ones."""

import functools
import http.server
import json
import resource
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import nn

from styleheat import checkpoints
from styleheat.constants import SAMPLE_RATE
from styleheat.media.audio import write_wav
from styleheat.media.image import read_image
from styleheat.media.video import VideoWriter, probe
from styleheat.networks.config import NETWORKS
from styleheat.networks.stylegan2 import Discriminator
from styleheat.networks.styleheat import StyleHEAT
from styleheat.networks.warper import VideoWarper
from styleheat.params import Train, TrainWarper, check_params, read_yaml
from styleheat.training import run
from styleheat.training.styleheat import StyleHEATRecipe
from styleheat.training.warper import WarperRecipe
from tests.dvc.repository import ROOT, Repository, clone
from tests.dvc.test_graph import INFER, edit
from tests.parity import fill
from tests.parity.released import SEED, write

pytestmark = [pytest.mark.slow, pytest.mark.timeout(3600)]

FULL = NETWORKS["full"]
FRAMES = 3


class Handler(http.server.SimpleHTTPRequestHandler):
    asked: list[str] = []  # noqa: RUF012  of all requests

    def do_GET(self) -> None:
        self.asked.append(self.path)
        super().do_GET()

    def log_message(self, *args: object) -> None:
        pass


@pytest.fixture(scope="session")
def released(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The released files that both profiles ask for."""
    folder = tmp_path_factory.mktemp("released")
    names = ("prior", "styleheat", "audio", "vgg19", "deep3d")
    write(folder, {file for name in names for file in checkpoints.released_files(name, folder)}, fill, SEED)
    return folder


@pytest.fixture(scope="session")
def address(released: Path) -> Iterator[str]:
    with http.server.ThreadingHTTPServer(
        ("127.0.0.1", 0), functools.partial(Handler, directory=str(released))
    ) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{server.server_port}"
        server.shutdown()


def shorten(repository: Repository) -> None:
    """Drivers of a few frames."""
    examples = repository.path / "data/examples"
    picture = read_image(examples / "expression.png")
    with VideoWriter(examples / "driver.mp4", (picture.shape[1], picture.shape[0]), 25) as writer:
        for _ in range(FRAMES):
            writer.write(picture)
    write_wav(examples / "speech.wav", np.sin(np.arange(SAMPLE_RATE * FRAMES // 25) / 10).astype(np.float32) / 2)
    edit(repository.path / "params.yaml", r"(?<=^  seconds: )2\.0(?=\n\ninfer_audio)", str(FRAMES / 25))


def test_official_fetches_and_animates_without_data(tmp_path: Path, address: str) -> None:
    repository = clone(tmp_path / "project")
    repository.run("python", "-m", "stages.profile", "official")
    edit(repository.path / "params.yaml", r"(?<=^  source: )release", address)
    shorten(repository)

    started = time.perf_counter()
    assert repository.repro("repro", "weights") == ["weights"]
    print(f"fetched and converted in {time.perf_counter() - started:.0f} s")
    for name in INFER:
        started = time.perf_counter()
        assert repository.repro("repro", name) == [name]
        print(f"{name}: {time.perf_counter() - started:.0f} s")

    for name, frames in (("image", FRAMES), ("audio", FRAMES), ("video", FRAMES)):
        info = probe(repository.path / f"data/infer/{name}.mp4")
        assert (info.width, info.height, info.frames) == (1024, 1024, frames)
    assert {p.name for key in ("vox", "hdtf") for p in (repository.path / "data" / key).iterdir()} <= {".gitignore"}
    record = json.loads((repository.path / "data/sources/official/sha256.json").read_text())
    names = ("styleheat", "audio", "deep3d")
    files = [file.name for name in names for file in checkpoints.released_files(name, tmp_path)]
    assert sorted(record) == sorted(files) == sorted(path.lstrip("/") for path in Handler.asked)
    assert repository.repro("repro", *INFER) == []


@pytest.fixture(scope="module")
def converted(released: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("converted")
    for name in ("prior", "warper", "vgg19"):
        checkpoints.convert_released(name, released, folder / name, {})
    return folder


def settings(group: str, converted: Path) -> dict:
    """A group of the full profile's parameters, its weights in `converted`."""
    own = read_yaml(ROOT / "params.yaml")
    merge(own, read_yaml(ROOT / "profiles/full.yaml"))
    check_params(own)
    return {**own[group], "perceptual_weights": str(converted / "vgg19")}


def merge(tree: dict, changes: dict) -> None:
    for key, value in changes.items():
        if isinstance(value, dict):
            merge(tree[key], value)
        else:
            tree[key] = value


def pairs(count: int, size: int) -> dict:
    """Two frames of a clip, and their windows, as the data set gives them."""

    def image(name: str, side: int) -> torch.Tensor:
        return torch.from_numpy(fill.smooth_image(name, (count, 3, side, side), SEED))

    return {
        "source": image("source", size),
        "target": image("target", size),
        "source_align": image("align", 256),
        "source_window": torch.from_numpy(fill.driving_window("source", count, SEED)),
        "target_window": torch.from_numpy(fill.driving_window("target", count, SEED)),
        "target_landmarks": size * (0.25 + 0.5 * torch.rand(count, 68, 2)),
    }


def play(recipe: WarperRecipe | StyleHEATRecipe, batch: dict) -> list[float]:
    """Two steps of every player, as the loop makes them; the first player's loss before each."""
    optimizers = {
        name: torch.optim.Adam([p for p in player.parameters() if p.requires_grad], 1e-4, betas=(0.5, 0.999))
        for name, player in recipe.players.items()
    }
    seen: dict = {}
    told = []
    for step in range(2):
        recipe.begin_step(step)
        for name, player in recipe.players.items():
            parts, seen = player(batch, seen)
            loss = torch.stack(list(parts.values())).sum()
            assert torch.isfinite(loss)
            optimizers[name].zero_grad()
            loss.backward()
            optimizers[name].step()
            if name != "critic":
                told.append(float(loss.detach()))
    return told


def moved(before: dict[str, torch.Tensor], module: nn.Module) -> bool:
    return any(not torch.equal(before[name], tensor) for name, tensor in module.state_dict().items())


def copied(module: nn.Module) -> dict[str, torch.Tensor]:
    return {name: tensor.clone() for name, tensor in module.state_dict().items()}


def told_memory() -> str:
    return f"peak {resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1e6:.1f} GB"


def test_full_trains_the_released_warper(converted: Path) -> None:
    params = TrainWarper(**settings("train_warper", converted))
    warper = VideoWarper(FULL)
    assert run.begin(warper, converted / "warper", part="video_warper")
    before = copied(warper)
    started = time.perf_counter()
    losses = play(WarperRecipe(FULL, params, warper, {}), pairs(1, 256))
    print(f"train_warper: two steps of one pair in {time.perf_counter() - started:.0f} s, {told_memory()}")
    assert losses[1] != losses[0] and moved(before, warper)


def test_full_trains_styleheat_on_the_released_prior(converted: Path) -> None:
    params = Train(**settings("train", converted))
    model, critic = StyleHEAT(FULL), Discriminator(FULL)
    assert run.begin(model.generator, converted / "prior", part="generator")
    assert run.begin(model.video_warper, converted / "warper", part="video_warper")
    warper, calibrator, prior = (copied(m) for m in (model.video_warper, model.calibrator, model.generator.stylegan))
    started = time.perf_counter()
    losses = play(StyleHEATRecipe(FULL, params, model, critic, {}), pairs(1, 512))  # a batch of 4 takes 24 GB
    print(f"train: two steps of one pair in {time.perf_counter() - started:.0f} s, {told_memory()}")
    assert losses[1] != losses[0]
    assert moved(warper, model.video_warper) and moved(calibrator, model.calibrator)
    assert not moved(prior, model.generator.stylegan)
