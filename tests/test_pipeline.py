"""What stages share: errors a user can read, metrics, scratch folders."""

import json
import shutil
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from styleheat import pipeline
from styleheat.errors import InputError
from styleheat.params import load_params
from styleheat.pipeline import Stage, flatten
from styleheat.tracking import Tracker

ROOT = Path(__file__).parent.parent


class Recorder(Tracker):
    """Keeps what it is told."""

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
        raise InputError("portrait.png: no face in it; a picture of one face would do")

    with pytest.raises(SystemExit) as left:
        run(body, "--set", "hdtf", sets=True)
    assert left.value.code == "crop@hdtf: portrait.png: no face in it; a picture of one face would do"
    assert Recorder.last.closed == ["FAILED"]


def test_wrong_parameters_stop_before_the_work(folder: Path):
    (folder / "params.yaml").write_text((folder / "params.yaml").read_text().replace("seed: 0", "sede: 0"))
    with pytest.raises(SystemExit) as left:
        run(lambda stage: pytest.fail("worked"))
    assert str(left.value.code).startswith("crop: params.yaml: ")


def test_other_errors_keep_their_traceback(folder: Path):
    with pytest.raises(ZeroDivisionError):
        run(lambda stage: print(1 / 0))
    assert Recorder.last.closed == ["FAILED"]


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
