"""How each command of the pages is run in a copy of the project, and what must come of it (test_readme.py)."""

import itertools
import json
import os
import re
import shutil
import signal
import socket
import subprocess
import time
import urllib.request
from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from PIL import Image

from benchmarks import inference
from benchmarks import photographs as measures
from styleheat.clips.writer import write_lmdb
from styleheat.inference.operations import fast_precision
from styleheat.media.video import VideoWriter, probe, read_frames
from styleheat.networks.config import NETWORKS
from styleheat.params import read_yaml
from tests.clips.samples import SIZE, make_shard
from tests.dvc.repository import ROOT, Repository, ran, shell
from tests.dvc.stand_ins import EVERY, INFER, OFFICIAL


def fenced(page: Path, language: str) -> list[str]:
    return re.findall(rf"^```{language}\n(.*?)^```", page.read_text(), re.MULTILINE | re.DOTALL)


def real(project: Repository, *stages: str) -> None:
    """Put real stages back in the place of their stand-ins."""
    for stage in stages:
        shutil.copy(ROOT / "stages" / f"{stage}.py", project.path / "stages" / f"{stage}.py")


# --- how each command is run: functions of the copy and the command

Check = Callable[[Repository, str], None]


def says(*words: str) -> Check:
    """The command runs as it stands, and says these words."""

    def check(project: Repository, command: str) -> None:
        said = shell(project, command)
        assert all(word in said for word in words), said

    return check


def runs(*stages: str) -> Check:
    """The command runs as it stands, and runs exactly these stages."""

    def check(project: Repository, command: str) -> None:
        assert set(ran(shell(project, command))) == set(stages)

    return check


def of_sets(*names: str) -> set[str]:
    return {f"{name}@{key}" for name in names for key in ("vox", "hdtf")}


def make_test(project: Repository, command: str) -> None:
    """One file of them, in one process."""
    project.environment |= {"PYTEST_ADDOPTS": "tests/test_params.py", "PYTEST_XDIST_AUTO_NUM_WORKERS": "1"}
    assert " passed" in shell(project, command)


def activate(project: Repository, command: str) -> None:
    assert shell(project, f"{command} && command -v dvc").strip().endswith("bin/dvc")


def plots_show(project: Repository, command: str) -> None:
    shell(project, command)
    page = (project.path / "dvc_plots" / "index.html").read_text()
    curves = [plot for entry in read_yaml(project.path / "dvc.yaml")["plots"] for plot in entry.values()]
    assert len(curves) == 6 and all(plot["title"] in page for plot in curves)
    for name in ("train_samples.jpg", "train_prior_samples.jpg", "train_warper_samples.jpg", "evaluate_strip.jpg"):
        assert f"metrics_{name}" in page


def make_ui(project: Repository, command: str) -> None:
    """The server that `make ui` starts, on a free port."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]
    started = shell(project, f"{command} --dry-run")
    assert "--host 127.0.0.1 --port 5000" in started
    script = started[started.index("mkdir") :].replace("--port 5000", f"--port {port}")
    server = subprocess.Popen(
        ["bash", "-euo", "pipefail", "-c", script],
        cwd=project.path,
        env=project.environment,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        start_new_session=True,
    )
    try:
        deadline = time.monotonic() + 300
        while True:
            try:
                with urllib.request.urlopen(f"http://127.0.0.1:{port}/", timeout=5) as answer:
                    assert b"MLflow" in answer.read()
                    return
            except OSError:
                assert server.poll() is None and time.monotonic() < deadline
                time.sleep(0.5)
    finally:
        os.killpg(server.pid, signal.SIGKILL)
        server.wait()


def own_inputs(project: Repository, command: str) -> None:
    """With the page's params.yaml, and files of the names in it."""
    (content,) = [block for block in fenced(ROOT / "README.md", "yaml") if "infer_audio" in block]
    profile = project.path / "profiles" / "own.yaml"
    profile.write_text(content)
    shell(project, "python -m stages.profile own")
    for group in read_yaml(profile).values():
        for name in group.values():
            shutil.copy(project.path / "data" / "examples" / "portrait.png", project.path / name)
    runs("infer_audio", "infer_video")(project, command)


def each_by_each(project: Repository, command: str) -> None:
    """With the embedded models and a moment of each driver."""
    examples, params = project.path / "data" / "examples", project.path / "params.yaml"
    for name, example in {"me.jpg": "portrait.png", "you.png": "portrait.png", "somebody.mp4": "driver.mp4"}.items():
        shutil.copy(examples / example, project.path / name)
    shutil.copy(examples / "speech.wav", project.path)
    content = params.read_text().replace("models/styleheat", "models/embedded/styleheat")
    content = content.replace("audio_models: models/audio", "audio_models: models/embedded/audio")
    params.write_text(content.replace("seconds: null ", "seconds: [0, 0.2] "))
    assert "videos: 4 made, 0 there already, 0 failed" in shell(project, command)
    made = sorted(path.name for path in (project.path / "videos").iterdir())
    assert made == [f"{face}--{driver}.mp4" for face in ("me", "you") for driver in ("somebody", "speech")]
    assert "videos: 0 made, 4 there already, 0 failed" in shell(project, command)


def copy_videos(project: Repository, command: str) -> None:
    home = project.path.parent / "home"
    (home / "videos").mkdir(parents=True)
    for person in ("anna", "bert"):
        shutil.copy(ROOT / "data" / "examples" / "driver.mp4", home / "videos" / f"{person}.mp4")
    project.environment["HOME"] = str(home)
    shell(project, command)


def repro(project: Repository, command: str) -> None:
    """On the user's own videos: the graph, and the real first stage."""
    assert of_sets("download", "pack") | {"train", "evaluate", *INFER} <= set(ran(shell(project, command)))
    real(project, "download")
    shutil.rmtree(project.path / "data" / "vox" / "videos")
    shell(project, "python -m stages.download --set vox")
    videos = sorted(path.stem for path in (project.path / "data" / "vox" / "videos").glob("*/*.mp4"))
    assert videos == ["anna", "bert"]


def with_released_weights(project: Repository, command: str) -> None:
    """The graph; tests/dvc/test_official.py runs the stages themselves, which takes minutes."""
    with (project.path / "stages" / "weights.py").open("a") as stage:
        stage.write(OFFICIAL)
    runs("weights", "infer_audio")(project, command)


def on_dask(project: Repository, command: str) -> None:
    """Another back end changes no result, so nothing runs again."""
    params = project.path / "params.yaml"
    params.write_text(params.read_text().replace("backend: loky", "backend: dask"))
    says("up to date")(project, command)


def torchrun(project: Repository, command: str) -> None:
    """Two processes on one CPU in the place of sixteen on two hosts, two steps, a tiny set."""
    stage = command.split("stages.")[-1]
    real(project, stage)
    params = (project.path / "params.yaml").read_text()
    for key, value in {"steps": "2", "batch": "4", "validate_samples": "2", "device": "cpu"}.items():
        params = re.sub(rf"\b{key}: (\d+|auto)", f"{key}: {value}", params)
    params = re.sub(
        r"(?<=    pack:\n)      size: \d+\n      align_size: \d+[^\n]*",
        f"      size: {SIZE}\n      align_size: {SIZE}",
        params,
    )
    (project.path / "params.yaml").write_text(re.sub(r"models/embedded/\w+", "models/scratch", params))
    shards = {f"{name}#a": make_shard(project.path.parent / f"{name}.zip", f"{name}#a", 30) for name in ("ann", "bob")}
    for key in ("vox", "hdtf"):
        folder = project.path / "data" / key / "lmdb"
        shutil.rmtree(folder)
        write_lmdb(folder, SIZE, {"ann#a": "train", "bob#a": "test"}, shards)
    here = command.replace("--nnodes 2 --nproc-per-node 8", "--nnodes 1 --nproc-per-node 2")
    here = here.replace("HOST:29500", "localhost:0")
    assert "--nnodes 1" in here and "HOST" not in here
    shell(project, here)
    assert json.loads((project.path / "metrics" / f"{stage}.json").read_text())["steps"] == 2


def commit(project: Repository, command: str) -> None:
    """DVC takes what lies there for the stage's result."""
    stage = command.split()[-1]
    says()(project, command)
    assert ran(project.run("dvc", "repro", "--single-item", stage)) == []


def remote(project: Repository, command: str) -> None:
    shell(project, command.replace("/mnt/shared", str(project.path.parent)))


def push(project: Repository, command: str) -> None:
    says("pushed")(project, command)
    assert any((project.path.parent / "styleheat").iterdir())


def pull(project: Repository, command: str) -> None:
    shutil.rmtree(project.path / ".dvc" / "cache")
    shutil.rmtree(project.path / "models" / "styleheat")
    shell(project, command)
    assert (project.path / "models" / "styleheat").is_dir()


def experiment(project: Repository, command: str) -> None:
    runs("train", "evaluate", *INFER)(project, command)


def animation(project: Repository, command: str) -> None:
    """Of one second of the example driver: as long as the shorter video."""
    infer = project.path / "data" / "infer"
    for name in ("video.mp4", "audio.mp4"):
        (infer / name).unlink()
    shutil.copy(ROOT / "data" / "examples" / "driver.mp4", infer / "video.mp4")
    with VideoWriter(infer / "audio.mp4", (160, 160)) as writer:
        for frame in itertools.islice(read_frames(infer / "video.mp4", size=(160, 160)), 24):
            writer.write(frame)
    shell(project, command)
    with Image.open(project.path / "docs" / "talking.webp") as animation:
        assert animation.n_frames == 12  # 12.5 a second


def benchmark(project: Repository, command: str) -> None:
    """At the small size: all paths do the same, with less and less computation."""
    options = f"--network embedded --frames 2 --json >{project.path.parent}/report.json"
    shell(project, f"{command} {options}")
    report = json.loads((project.path.parent / "report.json").read_text())
    results = report["networks"]["embedded"]
    assert list(results) == list(inference.PATHS) and report["peak_gflops"] > 0
    assert all(number >= 0 for result in results.values() for number in result.values())
    assert results["reference"]["ratio"] == 1 and results["reference"]["difference"] == 0
    half = fast_precision(torch.device("cpu")) != torch.float32
    assert results["plain"]["difference"] <= 1e-3 and results["engine"]["difference"] <= (5e-2 if half else 1e-3)
    assert results["engine"]["gflop_computed"] < results["plain"]["gflop_computed"]
    assert results["plain"]["gflop_computed"] < results["reference"]["gflop_computed"]
    lines = inference.table(report).splitlines()
    assert len(lines) == 6 and f"{NETWORKS['embedded'].image_size} px" in lines[2]


def memory(project: Repository, command: str) -> None:
    """At one second."""
    assert "difference" in shell(project, f"{command} --seconds 1")


def data_benchmark(project: Repository, command: str) -> None:
    """One part of it, on a small set, with the real stages."""
    shutil.copytree(ROOT / "stages", project.path / "stages", dirs_exist_ok=True)
    assert "landmarks" in shell(project, f"{command} --only index --indexed 20")


def speech_benchmark(project: Repository, command: str) -> None:
    """One voice, with the embedded weights."""
    pytest.importorskip("espeakng_loader")
    assert "en-us+m4" in shell(project, f"{command} --models models/embedded/audio --voices en-us+m4")


def photographs(project: Repository, command: str) -> None:
    """One portrait and half a second, with the embedded weights."""
    with VideoWriter(project.path / "nod.mp4", (160, 160)) as writer:
        for frame in itertools.islice(read_frames(ROOT / "data" / "examples" / "driver.mp4", size=(160, 160)), 12):
            writer.write(frame)
    options = "--models models/embedded/styleheat --portraits data/examples/portrait.png --drivers nod.mp4"
    said = shell(project, f"{command} {options} --json report.json --keep videos")
    report = json.loads((project.path / "report.json").read_text())
    (pair,) = report["pairs"]
    assert (pair["portrait"], pair["driver"], pair["frames"], pair["side"]) == ("portrait", "nod", 12, 512)
    assert probe(project.path / "videos" / "portrait--nod.mp4").frames == 12
    assert pair["faces"] == 1 and pair["fps"] > 0 and pair["tracking_seconds"] > 0 and pair["jitter"] > 0
    assert 0.9 < pair["likeness"] <= 1
    names = (*measures.EXPRESSIONS, *measures.ANGLES)
    moving = [name for name in names if pair[name] is not None]
    assert moving and all(-1 <= pair[name]["correlation"] <= 1 for name in moving)
    assert {name: report["mean"][name] for name in names} == {name: pair[name] for name in names}
    (copy,) = report["ceiling"].values()
    assert all(copy[name] is None or copy[name]["correlation"] > 0.5 for name in names)
    assert all(f"\n{row}  " in said for row in ("portrait x nod", "mean", "ceiling: nod"))


def shown(project: Repository, command: str) -> None:
    """The experiments that the commands before it ran, with their learning rates."""
    said = shell(project, command)
    assert ("bolder" in said and "0.0005" in said) or ("1e-05" in said and "3e-05" in said), said


def queue(project: Repository, command: str) -> None:
    folder = project.path / "data" / "sources" / "own" / "anna"
    folder.mkdir()
    (folder / "mine.mp4").write_bytes(b"git ignores it")
    said = shell(project, command)
    assert said.count("Queued experiment") == 2


def start_queue(project: Repository, command: str) -> None:
    """Both experiments end, in copies that have the user's own videos."""
    shell(project, command)
    deadline = time.monotonic() + 600
    while {"Queued", "Running"} & set((said := shell(project, "dvc queue status")).split()):
        assert time.monotonic() < deadline, said
        time.sleep(5)
    names = re.findall(r"^([0-9a-f]{7})\b", said, re.MULTILINE)
    assert said.split().count("Success") == 2, "".join(shell(project, f"dvc queue logs {name}") for name in names)


def score(project: Repository, command: str) -> None:
    """Of half a second, against itself."""
    for folder in ("generated", "originals"):
        (project.path / folder).mkdir()
        with VideoWriter(project.path / folder / "ann.mp4", (160, 160)) as writer:
            for frame in itertools.islice(read_frames(ROOT / "data" / "examples" / "driver.mp4", size=(160, 160)), 12):
                writer.write(frame)
    assert "| generated | 1 | 58.9" in shell(project, command)


def publish(project: Repository, command: str) -> None:
    """The committed weights in the place of trained ones."""
    for name in ("styleheat", "audio"):
        shutil.rmtree(project.path / "models" / name)
        shutil.copytree(ROOT / "models" / "embedded" / name, project.path / "models" / name)
    assert "published: published" in shell(project, command)
    assert (project.path / "published" / "styleheat" / "model.safetensors").is_file()


CHECKS: dict[str, Check] = {
    "make repro": says("up to date", "data/infer/audio.mp4"),
    "make test": make_test,
    "make ui": make_ui,
    "source .venv/bin/activate": activate,
    "dvc metrics show": says("metrics/evaluate.json", "metrics/vox/crop.json"),
    "dvc plots show": plots_show,
    "dvc repro infer_audio infer_video": own_inputs,
    "python -m stages.animate --portrait me.jpg you.png --driver somebody.mp4 speech.wav --out videos": each_by_each,
    "cp ~/videos/*.mp4 data/sources/own/": copy_videos,
    "python -m stages.profile local": says("keys set as in profiles/local.yaml"),
    "dvc repro": repro,
    "python -m stages.profile full": says("keys set as in profiles/full.yaml"),
    "dvc repro download crop landmarks": runs(*of_sets("download", "crop", "landmarks")),
    "python -m stages.profile official": says("keys set as in profiles/official.yaml"),
    "dvc repro infer_audio": with_released_weights,
    "DASK_SCHEDULER_ADDRESS=tcp://scheduler:8786 dvc repro": on_dask,
    "torchrun --nnodes 2 --nproc-per-node 8 --rdzv-backend c10d --rdzv-endpoint HOST:29500 -m stages.train": torchrun,
    "dvc commit --force train": commit,
    "dvc remote add --default storage /mnt/shared/styleheat": remote,
    "dvc push": push,
    "dvc pull": pull,
    "dvc exp run --name bolder -S train.lr=0.0005": experiment,
    "dvc exp run --queue -S 'train.lr=0.00001,0.00003' --copy-paths data/sources/own/anna": queue,
    "dvc queue start": start_queue,
    "dvc exp show --only-changed": shown,
    "dvc metrics diff HEAD bolder": says("metrics/train.json"),
    "dvc plots diff HEAD bolder": says("index.html"),
    "dvc repro --force --single-item download@vox": runs("download@vox"),
    "python -m stages.profile embedded": says("keys set as in profiles/embedded.yaml"),
    "dvc repro train train_audio evaluate": runs(*EVERY - {"weights", *of_sets("account"), *INFER}),
    "cp models/styleheat/* models/embedded/styleheat/": says(),
    "cp models/audio/* models/embedded/audio/": says(),
    "python -m stages.profile default": says("as committed"),
    "python -m docs.animation": animation,
    "python -m benchmarks.inference": benchmark,
    "python -m benchmarks.memory": memory,
    "python -m benchmarks.photographs": photographs,
    "python -m benchmarks.speech": speech_benchmark,
    "python -m benchmarks.data": data_benchmark,
    "python -m stages.publish --to published": publish,
    "python -m stages.score --videos generated --against originals": score,
}
