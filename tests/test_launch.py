"""A training as several processes: how many there are, what they get, and how all of them end."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import psutil
import pytest

from styleheat import launch
from styleheat.errors import InputError
from styleheat.params import load_params
from styleheat.pipeline import Stage
from styleheat.tracking import connect

ROOT = Path(__file__).parent.parent

PROBE = '''
"""A stage that does as its argument says, in two processes."""

import os
import sys
import time
from pathlib import Path

from styleheat import interrupts, launch, pipeline
from styleheat.errors import InputError
from styleheat.pipeline import Stage, main
from styleheat.tracking import Tracker

RANK = os.environ.get("RANK", "alone")
DOES = os.environ["DOES"]


def meet():
    import torch.distributed as dist

    dist.init_process_group("gloo")
    return dist


def probe(stage: Stage) -> None:
    if DOES == "sums":
        import torch

        dist = meet()
        total = torch.tensor([float(RANK)])
        dist.all_reduce(total)
        Path(f"{RANK}.txt").write_text(f"{total.item():.0f} {torch.get_num_threads()}")
        dist.destroy_process_group()
        stage.tracker.log_metrics({"total": total.item()})
        print("noise", file=sys.stderr) if RANK != "0" else None
    elif DOES == "wrong":
        raise InputError("params.yaml: probe.lr: too much; 0.1 would do")
    elif DOES == "crashes":
        import torch

        dist = meet()
        if RANK == "1":
            raise ZeroDivisionError("of process 2")
        dist.all_reduce(torch.ones(1))
    elif DOES == "dies":
        if RANK == "1":
            print("last words", file=sys.stderr, flush=True)
            os.kill(os.getpid(), 9)
        time.sleep(60)
    elif DOES == "saves":
        with interrupts.deferred() as pending:
            Path(f"{RANK}.began").touch()
            while not pending.signal:
                time.sleep(0.02)
            time.sleep(1.0 + float(RANK))  # the step in hand; the first process ends before the second
            Path(f"{RANK}.saved").touch()
            raise interrupts.Interrupted(pending.signal)
    elif DOES == "hangs":
        with interrupts.deferred():
            Path(f"{RANK}.began").touch()
            while True:
                time.sleep(0.1)


if __name__ == "__main__":
    if DOES != "sums":
        pipeline.MlflowTracker = lambda *_: Tracker()
    launch.GRACE_S = float(os.environ.get("GRACE_S", launch.GRACE_S))
    launch.LOST_S = 1.0
    main(probe, processes=True)
'''


@pytest.fixture
def project(tmp_path: Path) -> Path:
    text = (ROOT / "params.yaml").read_text()
    assert "device: auto" in text and "processes: auto" in text
    text = text.replace("device: auto ", "device: cpu ").replace("processes: auto ", "processes: 2 ")
    (tmp_path / "params.yaml").write_text(text)
    (tmp_path / "probe.py").write_text(PROBE)
    return tmp_path


def environment(does: str, **others: str) -> dict[str, str]:
    left_out = ("DVC_", "MLFLOW_", "OMP_", "RANK")
    inherited = {key: value for key, value in os.environ.items() if not key.startswith(left_out)}
    return inherited | {"PYTHONPATH": str(ROOT), "DOES": does} | others


def start(project: Path, does: str, **others: str) -> subprocess.Popen:
    return subprocess.Popen(
        [sys.executable, "-m", "probe"],
        cwd=project,
        env=environment(does, **others),
        stderr=subprocess.PIPE,
        text=True,
    )


def wait_for(*paths: Path) -> None:
    until = time.monotonic() + 120
    while not all(path.exists() for path in paths):
        assert time.monotonic() < until
        time.sleep(0.05)


@pytest.mark.parametrize(
    ("processes", "device", "gpus", "result"),
    [
        ("auto", "auto", 0, 1),
        ("auto", "auto", 4, 4),
        ("auto", "cuda", 4, 4),
        ("auto", "cuda:1", 4, 1),
        ("auto", "cpu", 4, 1),
        ("auto", "mps", 0, 1),
        (2, "auto", 4, 2),
        (3, "cpu", 0, 3),
        (3, "auto", 0, 3),
        (1, "cuda:1", 4, 1),
        (8, "auto", 4, "more than the GPUs here, 4"),
        (8, "cuda", 4, "more than the GPUs here, 4"),
        (2, "cuda", 0, "runtime.device is cuda;"),
        (2, "cuda:1", 4, "runtime.device is cuda:1;"),
        (2, "mps", 0, "runtime.device is mps;"),
    ],
)
def test_how_many_processes(
    monkeypatch: pytest.MonkeyPatch, processes: str | int, device: str, gpus: int, result: int | str
):
    monkeypatch.delenv("RANK", raising=False)
    monkeypatch.setattr("torch.cuda.is_available", lambda: gpus > 0)
    monkeypatch.setattr("torch.cuda.device_count", lambda: gpus)
    runtime = load_params(ROOT / "params.yaml").runtime.model_copy(update={"processes": processes, "device": device})
    if isinstance(result, str):
        with pytest.raises(InputError, match=result) as error:
            launch.processes(runtime)
        assert str(error.value).startswith(f"params.yaml: runtime.processes: {processes}, ")
        return
    assert launch.processes(runtime) == result
    monkeypatch.setenv("RANK", "0")
    assert launch.processes(runtime) == 1


@pytest.mark.parametrize(("device", "expected"), [("auto", "cuda:3"), ("cuda", "cuda:3"), ("cuda:1", "cuda:1")])
def test_each_process_has_a_gpu_of_its_own(monkeypatch: pytest.MonkeyPatch, device: str, expected: str):
    monkeypatch.setattr("torch.cuda.is_available", lambda: True)
    monkeypatch.setattr("torch.cuda.device_count", lambda: 4)
    monkeypatch.setenv("LOCAL_RANK", "3")
    params = load_params(ROOT / "params.yaml")
    stage = Stage("train", params.model_copy(update={"runtime": params.runtime.model_copy(update={"device": device})}))
    assert stage.device() == expected


def test_two_processes_meet_and_the_first_keeps_the_records(project: Path):
    """Started as DVC starts a stage: by a shell, with `DVC_STAGE`."""
    dvc = (
        "import os, subprocess, sys; sys.exit(subprocess.run(['sh', '-c', sys.executable + ' -m probe'], "
        "env={**os.environ, 'DVC_STAGE': 'probe'}).returncode)"
    )
    done = subprocess.run(
        [sys.executable, "-c", dvc], cwd=project, env=environment("sums"), capture_output=True, text=True
    )
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")
    threads = max(1, len(os.sched_getaffinity(0)) // 2) if hasattr(os, "sched_getaffinity") else 1
    for rank in (0, 1):
        total, count = (project / f"{rank}.txt").read_text().split()
        assert (total, int(count)) == ("1", threads)
    client, experiment = connect(project)
    runs = {run.data.tags.get("stage", ""): run for run in client.search_runs([experiment])}
    assert set(runs) == {"", "probe"}
    assert runs[""].info.run_name.startswith("repro ")
    assert {run.info.status for run in runs.values()} == {"FINISHED"}
    sent = {key: value for key, value in runs["probe"].data.metrics.items() if not key.startswith("system/")}
    assert sent == {"total": 1.0}


def test_what_the_user_can_fix_is_said_once(project: Path):
    process = start(project, "wrong")
    _, said = process.communicate(timeout=300)
    assert (process.returncode, said) == (1, "probe: params.yaml: probe.lr: too much; 0.1 would do\n")


def test_the_process_that_failed_first_is_the_one_that_is_reported(project: Path):
    process = start(project, "crashes")
    _, said = process.communicate(timeout=300)
    assert process.returncode == 1
    assert said.count("Traceback") == 1 and said.endswith("ZeroDivisionError: of process 2\n")


def test_a_process_that_dies_takes_the_others_along(project: Path):
    process = start(project, "dies")
    _, said = process.communicate(timeout=300)
    assert (process.returncode, said) == (1, "last words\nprobe: process 2 of 2 was ended by SIGKILL\n")


@pytest.mark.parametrize(("number", "status"), [(signal.SIGTERM, 143), (signal.SIGINT, 130)])
def test_a_signal_lets_all_processes_save(project: Path, number: int, status: int):
    process = start(project, "saves")
    wait_for(project / "0.began", project / "1.began")
    children = psutil.Process(process.pid).children()
    for one in (process, *children):  # as Slurm does
        one.send_signal(number)
    _, said = process.communicate(timeout=300)
    assert (process.returncode, said) == (status, "probe: interrupted; run again to go on\n")
    assert (project / "0.saved").exists() and (project / "1.saved").exists()


def test_processes_that_do_not_end_are_killed(project: Path):
    process = start(project, "hangs", GRACE_S="2")
    wait_for(project / "0.began", project / "1.began")
    process.send_signal(signal.SIGTERM)
    _, said = process.communicate(timeout=300)
    assert (process.returncode, said) == (143, "probe: process 1 of 2 did not end in time and was killed\n")


def test_a_second_signal_ends_at_once(project: Path):
    process = start(project, "hangs")
    wait_for(project / "0.began", project / "1.began")
    process.send_signal(signal.SIGINT)
    time.sleep(1.5)
    process.send_signal(signal.SIGINT)
    _, said = process.communicate(timeout=60)
    assert (process.returncode, said) == (130, "probe: interrupted; run again to go on\n")


def test_no_process_outlives_the_one_that_launched_it(project: Path):
    process = start(project, "saves")
    wait_for(project / "0.began", project / "1.began")
    children = psutil.Process(process.pid).children()
    assert len(children) == 2
    process.kill()
    assert psutil.wait_procs(children, timeout=60)[1] == []
    assert (project / "0.saved").exists() and (project / "1.saved").exists()
    process.communicate()


def test_a_stage_of_dvc_ends_with_it(project: Path):
    """DVC is killed by SIGTERM; its stage must not go on, unseen, in the folder that the next one works in."""
    dvc = (
        "import os, subprocess, sys; subprocess.run(['sh', '-c', sys.executable + ' -m probe'], "
        "env={**os.environ, 'DVC_STAGE': 'probe'})"
    )
    process = subprocess.Popen(
        [sys.executable, "-c", dvc], cwd=project, env=environment("saves"), stderr=subprocess.DEVNULL
    )
    wait_for(project / "0.began", project / "1.began")
    stages = psutil.Process(process.pid).children(recursive=True)
    process.terminate()
    process.wait()
    assert psutil.wait_procs(stages, timeout=60)[1] == []
    assert (project / "0.saved").exists() and (project / "1.saved").exists()
