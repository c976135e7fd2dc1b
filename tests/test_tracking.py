"""MLflow behind the tracker, with a real store."""

import os
import shutil
import socket
import subprocess
import sys
import textwrap
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from PIL import Image

from styleheat.tracking import EXPERIMENT, MlflowTracker, connect, shown_uri

ROOT = Path(__file__).parent.parent


@pytest.fixture
def store(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    for name in list(os.environ):
        if name.startswith(("DVC_", "MLFLOW_")):
            monkeypatch.delenv(name)
    monkeypatch.chdir(tmp_path)
    yield tmp_path


def runs(store: Path) -> dict[str, Any]:
    """All runs by the stage they are of; the parent's stage is ''."""
    client, experiment = connect(store)
    found = client.search_runs([experiment])
    named = {run.data.tags.get("stage", ""): run for run in found}
    assert len(named) == len(found)
    return named


def runs_of(store: Path, stage: str) -> Any:
    """The last run of a stage."""
    client, experiment = connect(store)
    return client.search_runs([experiment], f"tags.stage = '{stage}'")[0]


def finish(tracker: MlflowTracker, status: Any = "FINISHED") -> None:
    tracker.close(status)


def test_an_experiment_is_a_parent_with_a_child_for_each_stage(store: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("DVC_EXP_NAME", "muggy-nave")
    Image.new("RGB", (8, 8), "red").save(store / "samples.png")
    (store / "audio.mp4").write_bytes(b"video")
    (store / "dvc.lock").write_text("schema: '2.0'\n")
    train = MlflowTracker(store, "train", {"lr": 0.1}, {"seed": 0, "train.lr": 0.1})
    for step in (10, 20):
        train.log_metrics({"loss": 1 / step}, step)
    train.log_image("samples", store / "samples.png", 20)
    finish(train)
    crop = MlflowTracker(store, "crop@vox", {}, {"seed": 0, "train.lr": 0.1})
    crop.log_metrics({"clips": 3})
    crop.log_artifact(store / "audio.mp4")
    finish(crop)

    named = runs(store)
    assert set(named) == {"", "train", "crop@vox"}
    parent = named[""]
    assert parent.info.run_name == "muggy-nave"
    assert parent.info.status == "FINISHED"
    assert parent.data.params == {"seed": "0", "train.lr": "0.1"}
    assert parent.data.metrics == {"train/loss": 0.05, "crop/vox/clips": 3}
    child = named["train"]
    assert child.data.tags["mlflow.parentRunId"] == parent.info.run_id
    assert child.data.tags["dvc.exp_name"] == "muggy-nave"
    assert len(child.data.tags["dvc.lock"]) == 64
    assert child.data.params == {"lr": "0.1"}
    client, _ = connect(store)
    assert [(m.step, m.value) for m in client.get_metric_history(child.info.run_id, "loss")] == [(10, 0.1), (20, 0.05)]
    assert any("samples" in item.path for item in client.list_artifacts(child.info.run_id, "images"))
    assert [item.path for item in client.list_artifacts(named["crop@vox"].info.run_id)] == ["audio.mp4"]
    assert (store / "mlruns/artifacts").is_dir()


def test_a_run_says_who_made_it_from_what_and_how_to_repeat_it(store: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr("getpass.getuser", lambda: "ann")
    subprocess.run(["git", "init", "-q"], check=True)
    subprocess.run(
        ["git", "-c", "user.name=a", "-c", "user.email=a@b", "commit", "-qm", "x", "--allow-empty"], check=True
    )
    revision = subprocess.run(["git", "rev-parse", "HEAD"], check=True, capture_output=True, text=True).stdout.strip()
    lock = (
        "schema: '2.0'\nstages:\n  pack@vox:\n    cmd: x\n    outs:\n    - path: data/vox/lmdb\n      md5: 0123.dir\n"
    )
    (store / "dvc.lock").write_text(lock)
    monkeypatch.setenv("DVC_STAGE", "train_warper")
    tracker = MlflowTracker(store, "train_warper", {}, {})
    tracker.log_dataset(Path("data/vox/lmdb"), "training")
    finish(tracker)

    named = runs(store)
    child, parent = named["train_warper"], named[""]
    for run in (child, parent):
        tags = run.data.tags
        assert (tags["mlflow.user"], tags["mlflow.source.git.commit"]) == ("ann", revision)
        assert (tags["mlflow.source.name"], tags["mlflow.source.type"]) == ("dvc repro", "LOCAL")
        assert f"git checkout {revision}\ndvc repro" in tags["mlflow.note.content"]
        assert "not committed" in tags["mlflow.note.content"]  # dvc.lock
    assert "dvc repro train_warper\n" in child.data.tags["mlflow.note.content"]
    (given,) = child.inputs.dataset_inputs
    assert (given.dataset.name, given.dataset.digest) == ("data/vox/lmdb", "0123.dir")
    assert [(tag.key, tag.value) for tag in given.tags] == [("mlflow.data.context", "training")]
    assert child.data.metrics["system/wall_s"] > 0 and child.data.metrics["system/peak_memory_mb"] > 10

    monkeypatch.setenv("DVC_EXP_NAME", "bolder")
    tracker = MlflowTracker(store, "crop@vox", {}, {})
    tracker.log_metrics({"clips": 3})
    finish(tracker)
    assert "dvc exp apply bolder\ndvc repro crop@vox" in runs_of(store, "crop@vox").data.tags["mlflow.note.content"]


def test_a_killed_run_is_gone_on_with_and_a_finished_one_is_not(store: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("DVC_EXP_NAME", "first")
    note = store / "run.json"
    killed = MlflowTracker(store, "train", {"lr": 0.1}, {})
    killed.reuse(note)
    killed.log_metrics({"loss": 2.0}, 10)
    finish(killed, "KILLED")
    left = runs(store)["train"].info.run_id

    monkeypatch.setenv("DVC_EXP_NAME", "second")
    resumed = MlflowTracker(store, "train", {"lr": 0.1}, {})
    resumed.reuse(note)
    resumed.log_metrics({"loss": 1.0}, 20)
    finish(resumed)
    client, experiment = connect(store)
    child = client.get_run(left)
    assert child.info.status == "FINISHED"
    assert [m.step for m in client.get_metric_history(left, "loss")] == [10, 20]
    assert client.get_run(child.data.tags["mlflow.parentRunId"]).info.run_name == "second"

    again = MlflowTracker(store, "train", {"lr": 0.1}, {})
    again.reuse(note)
    finish(again)
    trained = [run for run in client.search_runs([experiment]) if run.data.tags.get("stage") == "train"]
    assert len(trained) == 2


TRAINING = """
import os, signal, sys, threading, time
from pathlib import Path
from PIL import Image
from styleheat import interrupts, pipeline
from styleheat.pipeline import Stage, main

ACTION = os.environ.get("ACTION")

def train(stage: Stage) -> None:
    stage.scratch("facts")
    start = int(Path("checkpoint").read_text()) if Path("checkpoint").exists() else 0
    for step in range(start + 1, 61):
        stage.tracker.log_metrics({"loss": 1 / step, "lr/styleheat": 0.1, "images_per_second": 3.0}, step)
        if step % 7 == 0:
            stage.tracker.log_metrics({"validation/psnr": step / 2}, step)
            Image.new("RGB", (8, 8), "red").save("samples.jpg")
            stage.tracker.log_image("samples", Path("samples.jpg"), step)
        if step % 10 == 0:
            Path("checkpoint").write_text(str(step))
        if step == 26 and ACTION:
            sent = threading.Event()
            stage.tracker._put(sent.set)  # after all before it
            sent.wait(60)
            os.kill(os.getpid(), getattr(signal, ACTION))
            time.sleep(60)
    stage.write_metrics({"psnr": 30.0})

if __name__ == "__main__":
    main(train)
"""


def histories(store: Path, run: str) -> dict[str, list[int]]:
    """The steps of each metric in the order in which they were sent, but for those of the machine, and those of the
    images."""
    client, _ = connect(store)
    keys = [key for key in client.get_run(run).data.metrics if not key.startswith("system/")]
    sent = {key: client.get_metric_history(run, key) for key in keys}
    steps = {key: [point.step for point in sorted(points, key=lambda p: p.timestamp)] for key, points in sent.items()}
    images = [item.path for item in client.list_artifacts(run, "images") if item.path.endswith(".png")]
    return steps | {"images": sorted(int(path.split("+step+")[1].split("+")[0]) for path in images)}


@pytest.mark.parametrize(
    ("action", "status", "ended"), [("SIGKILL", -9, "RUNNING"), ("SIGTERM", 143, "KILLED"), ("SIGINT", 130, "KILLED")]
)
def test_a_training_that_goes_on_sends_no_point_twice(store: Path, action: str, status: int, ended: str):
    (store / "training.py").write_text(TRAINING)
    shutil.copy(ROOT / "params.yaml", store)
    process = python("-m", "training", ACTION=action)
    _, said = process.communicate(timeout=300)
    assert process.returncode == status, said
    assert said == ("" if status < 0 else "training: interrupted; run again to go on\n")
    left = runs(store)
    assert {run.info.status for run in left.values()} == {ended}

    process = python("-m", "training", ACTION="")
    _, said = process.communicate(timeout=300)
    assert (process.returncode, said) == (0, "")
    client, experiment = connect(store)
    child = client.get_run(left["training"].info.run_id)
    assert child.info.status == "FINISHED"
    steps = histories(store, child.info.run_id)
    every, some = list(range(1, 61)), list(range(7, 61, 7))
    assert steps == {
        "loss": every,
        "lr/styleheat": every,
        "images_per_second": every,
        "validation/psnr": some,
        "psnr": [0],
        "images": some,
    }
    parent = child.data.tags["mlflow.parentRunId"]
    assert parent != left[""].info.run_id and client.get_run(parent).info.status == "FINISHED"
    assert histories(store, parent)["training/loss"] == list(range(27, 61))
    assert histories(store, parent)["images"] == [step for step in some if step > 26]
    assert client.get_run(left[""].info.run_id).info.status == "KILLED"
    assert len(client.search_runs([experiment])) == 3


STAGE = """
import sys
from pathlib import Path
from styleheat.tracking import MlflowTracker
tracker = MlflowTracker(Path(sys.argv[1]), sys.argv[2], {}, {})
tracker.log_metrics({"done": 1})
tracker.close("FINISHED")
"""


def python(*arguments: str, **environment: str) -> subprocess.Popen:
    inherited = {key: value for key, value in os.environ.items() if not key.startswith(("DVC_", "MLFLOW_"))}
    return subprocess.Popen(
        [sys.executable, *arguments],
        env=inherited | {"PYTHONPATH": str(ROOT)} | environment,
        stderr=subprocess.PIPE,
        text=True,
    )


def test_two_processes_may_make_the_store_at_once(store: Path):
    both = [python("-c", STAGE, str(store), stage) for stage in ("crop@vox", "crop@hdtf")]
    for process in both:
        _, said = process.communicate(timeout=300)
        assert process.returncode == 0 and said == ""
    client, experiment = connect(store)
    assert len(client.search_runs([experiment])) == 4  # by hand: each has a parent of its own
    assert [found.name for found in client.search_experiments(filter_string=f"name = '{EXPERIMENT}'")] == [EXPERIMENT]


def test_stages_of_one_dvc_process_share_their_parent(store: Path):
    """DVC starts a shell for each stage, with DVC_STAGE in its environment."""
    (store / "stage.py").write_text(STAGE)
    dvc = textwrap.dedent(
        f"""
        import os, subprocess, sys
        for stage in ("crop", "train"):
            command = f"{{sys.executable}} stage.py {store} {{stage}}; true"
            subprocess.run(["sh", "-c", command], env={{**os.environ, "DVC_STAGE": stage}}, check=True)
        """
    )
    for _ in range(2):
        process = python("-c", dvc)
        _, said = process.communicate(timeout=300)
        assert process.returncode == 0 and said == ""
    client, experiment = connect(store)
    found = client.search_runs([experiment])
    parents = [run for run in found if "stage" not in run.data.tags]
    assert len(parents) == 2 and len(found) == 6
    assert all(run.info.run_name.startswith("repro ") for run in parents)


def test_without_a_server_the_work_goes_on_and_says_so_once(
    store: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
):
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        address = f"http://127.0.0.1:{free.getsockname()[1]}"
    monkeypatch.setenv("MLFLOW_TRACKING_URI", address)
    monkeypatch.setenv("MLFLOW_HTTP_REQUEST_MAX_RETRIES", "0")
    started = time.monotonic()
    tracker = MlflowTracker(store, "train", {}, {})
    for step in range(100):
        tracker.log_metrics({"loss": 1.0}, step)
    logged = time.monotonic() - started
    finish(tracker)
    said = capsys.readouterr().err
    assert said.count("tracking: MLflow at") == 1 and "going on without it" in said and address in said
    assert said.count("\n") == 1
    assert logged < 10


def test_a_deleted_experiment_is_restored(store: Path, capsys: pytest.CaptureFixture[str]):
    client, experiment = connect(store)
    client.delete_experiment(experiment)
    tracker = MlflowTracker(store, "train", {}, {})
    tracker.log_metrics({"loss": 1.0})
    finish(tracker)
    assert set(runs(store)) == {"", "train"}
    assert capsys.readouterr().err == "tracking: MLflow's experiment styleheat had been deleted; it is restored\n"


def test_where_a_deleted_experiment_may_not_be_restored_there_is_another(
    store: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
):
    from mlflow import MlflowClient
    from mlflow.exceptions import MlflowException

    def refused(*_: object) -> None:
        raise MlflowException("no")

    client, experiment = connect(store)
    client.delete_experiment(experiment)
    monkeypatch.setattr(MlflowClient, "restore_experiment", refused)
    client, other = connect(store)
    assert other != experiment and client.get_experiment(other).name.startswith(f"{EXPERIMENT} 2")
    assert "has been deleted; runs go to" in capsys.readouterr().err


@pytest.mark.parametrize("password", ["hush", "h%40sh"])
def test_a_password_is_neither_said_nor_kept(
    password: str, store: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
):
    monkeypatch.setenv("MLFLOW_TRACKING_URI", f"http://me:{password}@127.0.0.1:9")
    monkeypatch.setenv("MLFLOW_HTTP_REQUEST_MAX_RETRIES", "0")
    tracker = MlflowTracker(store, "train", {}, {})
    tracker.reuse(store / "note.json")
    finish(tracker)
    said = "".join(capfd.readouterr())
    assert "me:***@127.0.0.1:9" in said and password not in said and "h@sh" not in said
    assert shown_uri(store) == "http://me:***@127.0.0.1:9"


def test_a_hanging_server_costs_no_more_than_the_closing_time(
    store: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
):
    monkeypatch.setattr("styleheat.tracking.tracker.CLOSING_S", 1.0)
    with socket.socket() as silent:  # accepts, never answers
        silent.bind(("127.0.0.1", 0))
        silent.listen()
        monkeypatch.setenv("MLFLOW_TRACKING_URI", f"http://127.0.0.1:{silent.getsockname()[1]}")
        tracker = MlflowTracker(store, "train", {}, {})
        tracker.log_metrics({"loss": 1.0}, 0)
        started = time.monotonic()
        finish(tracker)
        assert time.monotonic() - started < 5
    assert "slow" in capsys.readouterr().err
