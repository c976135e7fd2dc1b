"""What the training stages share, beside the loop."""

import dataclasses
import types
from pathlib import Path

import pytest
import torch

from styleheat import checkpoints
from styleheat.errors import InputError
from styleheat.networks.audio2motion import Audio2Motion
from styleheat.networks.config import NETWORKS
from styleheat.params import TrainAudio
from styleheat.training import run
from tests.training.tiny import AUDIO


@dataclasses.dataclass
class Context:
    """A stage that remembers its metrics."""

    name: str = "train_audio"
    params: types.SimpleNamespace = dataclasses.field(default_factory=lambda: types.SimpleNamespace(network="embedded"))
    metrics: dict = dataclasses.field(default_factory=dict)

    def write_metrics(self, metrics: dict) -> None:
        self.metrics = metrics


def settings(init: Path) -> TrainAudio:
    return AUDIO.model_copy(update={"init": str(init)})


@pytest.fixture(autouse=True)
def in_a_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


def test_kept_weights_are_those_of_init_and_all_results_are_there(capsys: pytest.CaptureFixture) -> None:
    config = NETWORKS["embedded"]
    first = Audio2Motion(config)
    checkpoints.save_model("init", first, config, {})
    context, out = Context(), Path("models/audio")
    run.keep_init(context, settings(Path("init")), Audio2Motion(config), "audio2motion", "no clip has audio", out=out)  # type: ignore[arg-type]

    kept = checkpoints.open_model(out, Audio2Motion)
    assert all(torch.equal(a, b) for a, b in zip(first.state_dict().values(), kept.state_dict().values(), strict=True))
    assert context.metrics == {"steps": 0}
    assert Path("metrics/train_audio/curves.csv").read_text() == "step\n"
    assert Path("metrics/train_audio/samples.jpg").exists()
    assert "no clip has audio: the weights of init are kept" in capsys.readouterr().out


def test_nothing_to_keep_is_one_clear_line() -> None:
    Path("scratch").mkdir()
    model, out = Audio2Motion(NETWORKS["embedded"]), Path("models/audio")
    with pytest.raises(InputError, match=r"no clip has audio, and train_audio\.init .*no weights to keep: scratch"):
        run.keep_init(Context(), settings(Path("scratch")), model, "audio2motion", "no clip has audio", out=out)  # type: ignore[arg-type]
    assert not out.exists()
