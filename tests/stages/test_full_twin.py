"""Every training stage, and evaluation, as the profile `full` runs them, on networks that have every trait of the
released ones but their size: no standardisation, an aligned source, sets of other sizes, VGG19, a discriminator.

`tests/dvc/test_full.py` does the same through DVC at full size.
"""

import dataclasses
import json
import shutil
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
import torch

from stages import profile, train, train_audio, train_prior, train_warper
from styleheat import checkpoints
from styleheat.clips.writer import ClipWriter, write_lmdb
from styleheat.media.image import read_image
from styleheat.morphable.coefficients import FRAME_SIZE
from styleheat.networks import perceptual
from styleheat.networks.config import NETWORKS
from styleheat.networks.inversion import Inverter
from styleheat.networks.perceptual import Vgg19
from styleheat.networks.stylegan2 import Discriminator
from styleheat.params import Params, check_params, read_yaml
from styleheat.pipeline import Stage
from tests.dvc.repository import merge
from tests.parity.released import deep3d_folder

ROOT = Path(__file__).parent.parent.parent
FRAMES = 34
SIZES = {"vox": 128, "hdtf": 192}
TWIN = dataclasses.replace(
    NETWORKS["full"],
    image_size=256,
    input_size=128,
    feature_size=32,
    style_dim=16,
    mapping_layers=2,
    channels=(8, 8, 8, 8, 8, 4, 4),
    encoder_widths=(4, 4, 8, 8),
    encoder_blocks=(1, 1, 1, 1),
    squeeze=4,
    aligner_widths=(4, 4, 8, 8),
    residual_widths=(4, 8, 8),
    residual_hidden=8,
    residual_blocks=2,
    descriptor=16,
    adain_hidden=8,
    warper_base=4,
    warper_max=16,
    warper_down=5,
    calibrator_width=8,
    calibrator_heads=2,
    audio_widths=(4, 4, 8, 8, 16),
    pose_latent=4,
    pose_hidden=8,
    pose_widths=(4, 4, 8, 8),
    pose_discriminator=(8, 8, 8),
    discriminator_size=64,
    discriminator_channels=(8, 8, 8, 8, 8),
)
THIN_VGG19 = tuple(channels // 16 for channels in perceptual.VGG19)
SMALL: dict[str, dict[str, Any]] = {
    "train_prior": {"steps": 2, "batch": 4, "micro_batch": None, "validate_samples": 2},
    "train_warper": {"steps": 2, "batch": 4, "micro_batch": 2, "validate_samples": 2},
    "train": {"steps": 2, "batch": 4, "micro_batch": 2, "validate_samples": 2},
    "train_audio": {"steps": 2, "batch": 4, "micro_batch": None, "validate_samples": 2},
}


@pytest.fixture(scope="module")
def project(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with both sets packed and the released weights of a twin, as `weights` would leave them."""
    folder = tmp_path_factory.mktemp("twin")
    for name, size in SIZES.items():
        pack(folder / "data" / name / "lmdb", size)
    write_lmdb(folder / "data" / "speech" / "lmdb", FRAME_SIZE, {}, {})
    official = folder / "models/official"
    torch.manual_seed(0)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(perceptual, "VGG19", THIN_VGG19)
        for part, network in (("prior", Inverter(TWIN)), ("vgg19", Vgg19()), ("discriminator", Discriminator(TWIN))):
            checkpoints.save_model(official / part, network, TWIN, {})
    shutil.move(deep3d_folder(folder / "stand-ins"), official / "deep3d")
    for empty in ("none", "scratch"):
        (folder / "models" / empty).mkdir()
    return folder


def pack(folder: Path, size: int) -> None:
    """A face that slides, of two people to train on and one held out, as `pack` leaves it."""
    face = cv2.resize(read_image(ROOT / "data/examples/portrait.png"), (size, size), interpolation=cv2.INTER_AREA)
    shards = {}
    rng = np.random.default_rng(0)
    for clip in ("ann#a", "bob#a", "cy#a"):
        shards[clip] = folder.parent / f"{clip}.shard"
        folder.parent.mkdir(parents=True, exist_ok=True)
        with ClipWriter(shards[clip], clip) as shard:
            for frame in range(FRAMES):
                moved = np.roll(face, frame % 5, axis=1)
                shard.add_frame(moved, np.roll(moved, 2, axis=0))
            coefficients = 0.1 * rng.normal(size=(FRAMES, 260))
            coefficients[:, -3:] = (0.9, 128, 128)
            points = 64 + 128 * rng.random((68, 2)) + rng.normal(size=(FRAMES, 68, 2))
            audio = 0.1 * rng.normal(size=FRAMES * 640)
            shard.finish(coefficients, points, audio, person=clip.partition("#")[0], source=clip)
    write_lmdb(folder, size, {"ann#a": "train", "bob#a": "train", "cy#a": "test"}, shards, shards=2)


@pytest.fixture(scope="module")
def params() -> Params:
    tree = read_yaml(ROOT / "params.yaml")
    merge(tree, read_yaml(profile.PROFILES / "full.yaml"))
    for name, size in SIZES.items():
        tree["sets"][name]["crop"]["size"] = size
        tree["sets"][name]["pack"] |= {"size": size, "align_size": size, "shards": 2}
    for name, changes in SMALL.items():
        tree[name] |= changes
    return check_params(tree)


@pytest.fixture(autouse=True)
def _small(project: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(project)
    monkeypatch.setitem(NETWORKS, "full", TWIN)
    monkeypatch.setattr(perceptual, "VGG19", THIN_VGG19)


BODIES = {
    "train_prior": (train_prior.train_prior, "models/prior"),
    "train_warper": (train_warper.train_warper, "models/warper"),
    "train": (train.train, "models/styleheat"),
    "train_audio": (train_audio.train_audio, "models/audio"),
}


def test_every_training_stage(params: Params) -> None:
    for name, (body, out) in BODIES.items():
        body(Stage(name, params))
        config, facts = checkpoints.read_config(out)
        assert config == TWIN and facts["steps"] == 2, name
        metrics = json.loads(Path("metrics", f"{name}.json").read_text())
        assert metrics["steps"] == 2 and metrics["heldout"], name
        assert Path("metrics", name, "samples.jpg").stat().st_size <= 300_000
    assert checkpoints.aligned_source("models/styleheat")
    assert json.loads(Path("metrics/train.json").read_text())["loss"].keys() >= {"adversarial", "outside", "warped"}


def test_the_released_prior_is_passed_on(params: Params) -> None:
    """With the profile's own number of steps, 0."""
    settings = params.train_prior.model_copy(update={"steps": 0})
    train_prior.train_prior(Stage("train_prior", params.model_copy(update={"train_prior": settings})))
    given = checkpoints.open_model("models/official/prior", Inverter)
    kept = checkpoints.open_model("models/prior", Inverter)
    assert all(torch.equal(a, b) for a, b in zip(given.state_dict().values(), kept.state_dict().values(), strict=True))
    assert Path("metrics/train_prior/curves.csv").read_text() == "step\n"
