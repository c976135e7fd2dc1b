"""The profile `full`, at full size, through DVC: rendered people in the place of VoxCeleb and HDTF, and files filled by
the fixtures' rule in the place of the released ones.

Changed by `-S`: where videos come from and how many there are, how long they are and how large; steps, batches and
held-out samples; the landmarks' back end, as face_alignment's weights come from the network.
"""

import json
import os
import resource
import time
from pathlib import Path

import numpy as np
import pytest

from styleheat import checkpoints, releases
from styleheat.constants import SAMPLE_RATE
from styleheat.media.audio import write_wav
from styleheat.media.video import probe
from styleheat.networks.config import NETWORKS
from tests.dvc.repository import clone
from tests.parity import fill
from tests.parity.released import SEED, write

pytestmark = [pytest.mark.slow, pytest.mark.timeout(3600)]

FRAMES = 3
CHANGES = [
    *(
        f"sets.{name}.source.{key}"
        for name in ("vox", "hdtf")
        for key in ("kind=synthetic", "people=1", "test_people=1")
    ),
    *(f"sets.{name}.source.{key}" for name in ("vox", "hdtf") for key in ("clips=1", "seconds=2.6")),
    "sets.vox.source.size=480",
    "sets.hdtf.source.size=640",
    *(f"{name}.landmarks.backend=mediapipe" for name in ("sets.vox", "sets.hdtf")),
    "infer.landmarks=mediapipe",
    *(f"{name}.steps=2" for name in ("train_prior", "train_warper", "train", "train_audio")),
    *(f"{name}.validate_samples=2" for name in ("train_prior", "train_warper", "train", "train_audio")),
    "train_prior.batch=1",
    "train_warper.batch=2",
    "train.batch=1",
    "train_audio.batch=4",
    "evaluate.seconds=0.2",
]
TRAINED = ("train_prior", "train_warper", "train", "train_audio")


def test_full_trains_evaluates_and_animates(tmp_path: Path) -> None:
    released = tmp_path / "released"
    names = ("prior", "vgg19", "deep3d", "discriminator")
    write(released, {file for name in names for file in releases.released_files(name, released)}, fill, SEED)
    repository = clone(tmp_path / "project")
    repository.environment["OMP_NUM_THREADS"] = str(os.cpu_count())
    repository.run("python", "-m", "stages.profile", "full")
    audio = np.sin(np.arange(SAMPLE_RATE * FRAMES // 25) / 10).astype(np.float32) / 2
    write_wav(repository.path / "data/examples/speech.wav", audio)
    repository.commit()

    options = [option for change in [*CHANGES, f"weights.source={released}"] for option in ("-S", change)]
    began = time.perf_counter()
    said = repository.run("dvc", "exp", "run", "--name", "stand-ins", *options, *TRAINED, "evaluate", "infer_audio")
    minutes = (time.perf_counter() - began) / 60
    memory = resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss * 1024 / 1e9
    print(f"{minutes:.1f} minutes, at most {memory:.1f} GB")

    assert "Error" not in said and "Traceback" not in said, said
    for name in TRAINED:
        metrics = json.loads((repository.path / f"metrics/{name}.json").read_text())
        assert metrics["steps"] == 2 and metrics["heldout"], name
        assert (repository.path / f"metrics/{name}/samples.jpg").stat().st_size <= 300_000
    assert checkpoints.read_config(repository.path / "models/styleheat")[0] == NETWORKS["full"]
    scores = json.loads((repository.path / "metrics/evaluate.json").read_text())
    assert {"same_identity", "speech"} <= scores.keys()
    info = probe(repository.path / "data/infer/audio.mp4")
    assert (info.width, info.height, info.frames) == (1024, 1024, FRAMES)
    assert memory < 20
