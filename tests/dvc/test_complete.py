"""The complete pipeline for real, with DVC and MLflow, as small as it goes."""

import json
import os
import re
import shutil
import signal
import subprocess
import time
from pathlib import Path

import numpy as np
import pytest

from styleheat.constants import FPS, SAMPLE_RATE
from styleheat.media.audio import write_wav
from styleheat.media.video import probe
from styleheat.pipeline import flatten
from styleheat.tracking import connect
from styleheat.training.images import GRID_BYTES
from tests.dvc.repository import Repository, clone
from tests.dvc.stand_ins import EVERY, TRAINED
from tests.dvc.test_graph import edit

pytestmark = [pytest.mark.slow, pytest.mark.timeout(3600)]

SECONDS = 1.6  # the audio driver learns from chunks of 33 frames
TINY = {
    r"(?<=^  steps: )\d+": "4",
    r"(?<=^  batch: )\d+": "2",
    r"(?<=^  save_every: )\d+": "2",
    r"(?<=^  sample_every: )\d+": "4",
    r"(?<=^  validate_every: )\d+": "4",
    r"(?<=^  validate_samples: )\d+": "4",
    r"(?<= people: )\d+": "1",
    r"(?<=test_people: )\d+": "1",
    r"(?<= clips: )\d+": "1",
    r"(?<= seconds: )[\d.]+": str(SECONDS),
    r"(?<=people: 0\n  seconds: )[\d.]+": "2.0",  # of `speech`, which has no people
}


@pytest.fixture(scope="session")
def tiny(tmp_path_factory: pytest.TempPathFactory) -> Repository:
    """The project with tiny parameters and a short speech, not yet reproduced."""
    repository = clone(tmp_path_factory.mktemp("complete") / "project")
    for pattern, value in TINY.items():
        edit(repository.path / "params.yaml", pattern, value, count=0)
    speak(repository, SECONDS)
    repository.commit()
    return repository


@pytest.fixture(scope="session")
def complete(tiny: Repository, tmp_path_factory: pytest.TempPathFactory) -> Repository:
    """The tiny project reproduced and committed; each test leaves it reproduced."""
    repository = tiny.copy(tmp_path_factory.mktemp("complete") / "project")
    assert set(repository.repro()) == EVERY
    repository.commit()
    return repository


def speak(repository: Repository, seconds: float) -> None:
    """Replace the audio of the example speech."""
    times = np.arange(round(seconds * SAMPLE_RATE)) / SAMPLE_RATE
    audio = np.sin(2 * np.pi * 140 * times) * (0.5 + 0.5 * np.sin(2 * np.pi * 4 * times))
    path = repository.path / "data/examples/speech.wav"
    path.unlink()
    write_wav(path, (0.5 * audio).astype(np.float32))


def metrics(repository: Repository) -> dict[str, str]:
    folder = repository.path / "metrics"
    return {str(path.relative_to(folder)): path.read_text() for path in folder.rglob("*.json")}


def test_it_ends_in_talking_videos(complete: Repository):
    audio, video, image = (probe(complete.path / f"data/infer/{name}.mp4") for name in ("audio", "video", "image"))
    assert audio.frames == round(SECONDS * FPS) and audio.has_audio
    assert video.frames == probe(complete.path / "data/examples/driver.mp4").frames and video.has_audio
    assert image.frames == round(SECONDS * FPS) and not image.has_audio
    for name in TRAINED:
        assert 0 < (complete.path / "metrics" / name / "samples.jpg").stat().st_size <= GRID_BYTES
    for name in ("prior", "warper", "styleheat", "audio"):
        assert (complete.path / "models" / name / "model.safetensors").stat().st_size > 1000
    assert "failed" not in complete.run("dvc", "metrics", "show")


def test_mlflow_has_a_run_for_each_stage(complete: Repository):
    client, experiment = connect(complete.path)
    runs = {run.data.tags.get("stage", ""): run for run in client.search_runs([experiment])}
    assert set(runs) == EVERY | {""}
    assert {run.info.status for run in runs.values()} == {"FINISHED"}
    train = runs["train"]
    assert train.data.tags["mlflow.parentRunId"] == runs[""].info.run_id
    assert len(client.get_metric_history(train.info.run_id, "local")) >= 1
    assert client.list_artifacts(runs["infer_audio"].info.run_id)[0].path == "audio.mp4"


def test_nothing_to_do(complete: Repository):
    assert complete.repro() == []
    assert complete.run("git", "status", "--porcelain") == ""


def test_other_speech_costs_one_stage(complete: Repository):
    speak(complete, 2.0)
    assert complete.repro() == ["infer_audio"]
    assert probe(complete.path / "data/infer/audio.mp4").frames == 50


def test_one_more_person_costs_one_clip(complete: Repository):
    folders = [complete.path / "data/vox" / name for name in ("videos", "clips", "landmarks", "coefficients")]
    before = {path: path.stat().st_mtime_ns for folder in folders for path in folder.rglob("*#*")}
    edit(complete.path / "params.yaml", r"(?<= people: )1", "2")
    said = complete.run("dvc", "repro", "pack@vox")
    assert re.findall(r"Running stage '(\w+)@vox'", said) == ["download", "crop", "landmarks", "coefficients", "pack"]
    assert len(before) == 2 * len(folders)
    assert {path: path.stat().st_mtime_ns for path in before} == before
    assert all(len(list(folder.rglob("*#*"))) == 3 for folder in folders)


def test_two_runs_of_one_seed_have_the_same_metrics(tiny: Repository, complete: Repository, tmp_path: Path):
    again = tiny.copy(tmp_path / "project")
    again.repro()
    committed = {name: complete.run("git", "show", f"HEAD:metrics/{name}") for name in metrics(again)}
    assert metrics(again) == committed


def test_a_killed_training_goes_on_and_ends_the_same(complete: Repository, tmp_path: Path):
    killed = complete.copy(tmp_path / "killed")
    shutil.rmtree(killed.path / ".work")
    edit(killed.path / "params.yaml", r"(^train_warper:\n  init: [^\n]*\n  steps: )4", r"\g<1>12")
    unbroken = killed.copy(tmp_path / "unbroken")
    process = subprocess.Popen(
        ["dvc", "repro", "train_warper"], cwd=killed.path, env=killed.environment, start_new_session=True
    )
    while not (found := list(killed.path.glob(".work/train_warper/*/step-*.pt"))):
        assert process.poll() is None
        time.sleep(0.05)
    os.killpg(process.pid, signal.SIGKILL)
    process.wait()
    assert found and not (killed.path / "models/warper").exists()

    said = killed.run("dvc", "repro", "train_warper")
    assert "going on from step" in said
    unbroken.repro("repro", "train_warper")
    results = [json.loads((it.path / "metrics/train_warper.json").read_text()) for it in (killed, unbroken)]
    assert results[0] == results[1] and results[0]["steps"] == 12


def test_two_processes_train_the_same_as_one(complete: Repository, tmp_path: Path):
    """As on a machine with two GPUs: DVC starts the stage, which starts the processes."""
    project = complete.copy(tmp_path / "project")
    results = []
    for processes in ("auto", "2"):
        shutil.rmtree(project.path / ".work", ignore_errors=True)
        edit(project.path / "params.yaml", r"(?<=^  processes: )auto", processes)
        assert project.repro("repro", "--force", "--single-item", "train_warper") == ["train_warper"]
        results.append(flatten(json.loads((project.path / "metrics/train_warper.json").read_text())))
        assert project.repro("repro", "--single-item", "train_warper") == []  # dvc.lock has what was run
    assert results[1] == pytest.approx(results[0], rel=1e-4)
