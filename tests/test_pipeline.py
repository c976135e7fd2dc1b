"""What stages share: errors a user can read, metrics, scratch folders."""

import errno
import json
import os
import shutil
import signal
import sys
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from styleheat import files, interrupts, pipeline
from styleheat.errors import InputError
from styleheat.params import load_params
from styleheat.pipeline import Stage, flatten
from styleheat.tracking import Tracker

ROOT = Path(__file__).parent.parent


class Recorder(Tracker):
    """Records the calls."""

    def __init__(self, *_: Any) -> None:
        self.metrics: dict[str, float] = {}
        self.closed: list[str] = []
        Recorder.last = self

    last: "Recorder"

    def log_metrics(self, metrics: Any, step: int | None = None) -> None:
        self.metrics |= metrics

    def close(self, status: str) -> None:  # type: ignore[override]
        self.closed.append(status)


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A working directory with the committed parameters, and a recorder instead of MLflow."""
    shutil.copy(ROOT / "params.yaml", tmp_path)
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("DVC_ROOT", raising=False)
    monkeypatch.setattr(pipeline, "MlflowTracker", Recorder)
    monkeypatch.setattr(pipeline, "_module_name", lambda body: "crop")
    return tmp_path


def run(body: Callable[[Stage], None], *arguments: str, sets: bool = False) -> None:
    pipeline.main(body, sets=sets, arguments=list(arguments))


def test_metrics_go_to_the_set_and_to_the_tracker(folder: Path):
    run(lambda stage: stage.write_metrics({"clips": 3, "lost": {"no face": 1}}), "--set", "vox", sets=True)
    assert json.loads((folder / "metrics/vox/crop.json").read_text()) == {"clips": 3, "lost": {"no face": 1}}
    assert Recorder.last.metrics == {"clips": 3, "lost.no face": 1}
    assert Recorder.last.closed == ["FINISHED"]


def test_an_input_error_is_one_line_and_status_1(folder: Path, capsys: pytest.CaptureFixture[str]):
    def body(stage: Stage) -> None:
        raise InputError("portrait.png: no face in it; an image of one face would do")

    with pytest.raises(SystemExit) as left:
        run(body, "--set", "hdtf", sets=True)
    assert left.value.code == 1
    assert capsys.readouterr().err == "crop@hdtf: portrait.png: no face in it; an image of one face would do\n"
    assert Recorder.last.closed == ["FAILED"]


def test_wrong_parameters_stop_before_the_work(folder: Path, capsys: pytest.CaptureFixture[str]):
    (folder / "params.yaml").write_text((folder / "params.yaml").read_text().replace("seed: 0", "sede: 0"))
    with pytest.raises(SystemExit) as left:
        run(lambda stage: pytest.fail("worked"))
    assert left.value.code == 1
    assert capsys.readouterr().err.startswith("crop: params.yaml: ")


def test_other_errors_keep_their_traceback(folder: Path):
    with pytest.raises(ZeroDivisionError):
        run(lambda stage: print(1 / 0))
    assert Recorder.last.closed == ["FAILED"]


@pytest.mark.parametrize(("number", "status"), [(signal.SIGTERM, 143), (signal.SIGINT, 130)])
def test_a_signal_ends_the_run_as_killed(folder: Path, capsys: pytest.CaptureFixture[str], number: int, status: int):
    handlers = [signal.getsignal(one) for one in interrupts.SIGNALS]
    with pytest.raises(SystemExit) as left:
        run(lambda stage: signal.raise_signal(number))
    assert left.value.code == status
    assert capsys.readouterr().err == "crop: interrupted; run again to go on\n"
    assert Recorder.last.closed == ["KILLED"]
    assert [signal.getsignal(one) for one in interrupts.SIGNALS] == handlers


def test_a_full_disk_is_one_line(folder: Path, capsys: pytest.CaptureFixture[str]):
    def body(stage: Stage) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    with pytest.raises(SystemExit) as left:
        run(body)
    assert left.value.code == 1
    assert capsys.readouterr().err.startswith("crop: the disk is full;")
    assert Recorder.last.closed == ["FAILED"]


def test_a_signal_while_the_records_are_sent_does_not_lose_them(folder: Path, monkeypatch: pytest.MonkeyPatch):
    closed = []

    def close(self: Recorder, status: str) -> None:
        signal.raise_signal(signal.SIGTERM)
        closed.append(status)

    monkeypatch.setattr(Recorder, "close", close)
    run(lambda stage: None)
    assert closed == ["FINISHED"]


def test_a_deferred_signal_is_noted_and_a_second_one_raised(monkeypatch: pytest.MonkeyPatch):
    now = 100.0
    monkeypatch.setattr("styleheat.interrupts.time.monotonic", lambda: now)
    with interrupts.raised():
        with pytest.raises(interrupts.Interrupted) as raised, interrupts.deferred() as pending:
            assert pending.signal is None
            signal.raise_signal(signal.SIGTERM)
            assert pending.signal == signal.SIGTERM
            signal.raise_signal(signal.SIGTERM)  # the same request: Slurm signals each process, the launcher too
            now += interrupts.REPEAT_S + 0.1
            signal.raise_signal(signal.SIGINT)
        assert raised.value.signum == signal.SIGINT and isinstance(raised.value, KeyboardInterrupt)
        with pytest.raises(interrupts.Interrupted):  # what was before is back
            signal.raise_signal(signal.SIGTERM)


def test_an_ignored_signal_stays_ignored(monkeypatch: pytest.MonkeyPatch):
    before = signal.signal(signal.SIGINT, signal.SIG_IGN)
    try:
        with interrupts.raised(), interrupts.deferred() as pending:
            signal.raise_signal(signal.SIGINT)
            assert pending.signal is None
        assert signal.getsignal(signal.SIGINT) is signal.SIG_IGN
    finally:
        signal.signal(signal.SIGINT, before)


def test_outside_of_the_main_thread_signals_are_left_alone():
    found = []

    def work() -> None:
        with interrupts.raised(), interrupts.deferred() as pending:
            found.append((pending.signal, signal.getsignal(signal.SIGTERM)))

    thread = threading.Thread(target=work)
    thread.start()
    thread.join()
    assert found == [(None, signal.getsignal(signal.SIGTERM))]


def test_a_set_must_be_one_of_two(folder: Path, capsys: pytest.CaptureFixture[str]):
    with pytest.raises(SystemExit):
        run(lambda stage: None, "--set", "ffhq", sets=True)
    assert "invalid choice: 'ffhq'" in capsys.readouterr().err


def test_scratch_follows_fingerprint_and_code(folder: Path, monkeypatch: pytest.MonkeyPatch):
    stage = Stage("train", load_params())
    first = stage.scratch("a")
    assert first == stage.scratch("a") and first.is_dir()
    assert first.parent == Path(".work/train")
    assert stage.scratch("b") != first

    module = folder / "changed.py"
    module.write_text("x = 1\n")
    loaded = type(sys)("styleheat.training.changed")
    loaded.__file__ = str(module)
    monkeypatch.setitem(sys.modules, "styleheat.training.changed", loaded)
    before = stage.scratch("a")
    module.write_text("x = 2\n")
    assert before != first and stage.scratch("a") != before


def test_scratch_lies_in_the_repository_an_experiment_came_from(folder: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("DVC_ROOT", str(folder / "main"))
    assert Stage("train", load_params()).scratch("a").is_relative_to(folder / "main")


def test_a_device_that_is_not_there(folder: Path):
    params = load_params()
    absent = params.model_copy(update={"runtime": params.runtime.model_copy(update={"device": "cuda:99"})})
    with pytest.raises(InputError, match=r"^params.yaml: runtime.device: no cuda:99 here"):
        Stage("train", absent).device()


def test_the_device_seeds_torch(folder: Path):
    import torch

    stage = Stage("train", load_params())
    stage.device()
    first = torch.rand(3)
    stage.device()
    assert torch.equal(first, torch.rand(3))


def test_own_parameters_of_each_stage():
    params = load_params(ROOT / "params.yaml")
    assert pipeline._own_params(params, "download", "vox")["people"] == params.sets.vox.source.people
    assert pipeline._own_params(params, "crop", "hdtf")["size"] == params.sets.hdtf.crop.size
    assert pipeline._own_params(params, "train", None)["losses.local"] == params.train.losses.local
    assert {"models", "driver", "seed"} <= set(pipeline._own_params(params, "infer_audio", None))


def test_flatten():
    assert flatten({"a": {"b": 1, "c": {"d": 2}}, "e": [3]}) == {"a.b": 1, "a.c.d": 2, "e": [3]}


@pytest.mark.skipif(sys.platform != "linux", reason="names of open files are read from /proc")
@pytest.mark.parametrize("folder", [False, True])
def test_what_is_written_reaches_the_disk_before_its_name(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, folder: bool
):
    done: list[str] = []
    replace = Path.replace
    monkeypatch.setattr(os, "fsync", lambda number: done.append(Path(f"/proc/self/fd/{number}").readlink().name))
    monkeypatch.setattr(Path, "replace", lambda self, target: (done.append("renamed"), replace(self, target))[1])
    with files.atomic(tmp_path / "state") as temporary:
        if folder:
            temporary.mkdir()
            (temporary / "a").write_text("a")
        else:
            temporary.write_text("a")
    assert done == [*(["a"] if folder else []), temporary.name, "renamed", tmp_path.name]
