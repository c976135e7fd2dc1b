"""The benchmarks compare ways that do the same, and say all that they promise."""

import json
import math
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import torch

from benchmarks import photographs, reference, speech, training
from benchmarks.data.__main__ import PARTS
from benchmarks.data.common import table
from styleheat.networks.audio2motion import Audio2Motion
from styleheat.networks.config import NETWORKS
from styleheat.networks.layers import Blur, Upsample
from styleheat.networks.stylegan2 import ModulatedConv2d
from styleheat.voices import PAUSE, Phoneme

ROOT = Path(__file__).parent.parent


@pytest.mark.parametrize("layer", [Blur(padding=1, gain=4.0), Blur(padding=2), Blur(padding=1, stride=2), Upsample()])
def test_resampling_by_zero_insertion(layer: torch.nn.Module) -> None:
    x = torch.randn(2, 3, 8, 8)
    torch.testing.assert_close(reference.SLOW[type(layer)](layer, x), layer(x), rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("up", [False, True])
def test_modulation_by_groups(up: bool) -> None:
    layer, x, style = ModulatedConv2d(5, 7, 3, 6, up=up), torch.randn(3, 5, 8, 8), torch.randn(3, 6)
    torch.testing.assert_close(reference._modulated(layer, x, style), layer(x, style), rtol=1e-4, atol=1e-5)


def test_trainings_are_measured_as_the_profile_has_them(tmp_path: Path) -> None:
    full = training.parameters("full", tmp_path, [])
    assert (full.network, full.train.batch, full.train.micro_batch, full.train.perceptual) == ("full", 16, 4, "vgg19")
    embedded = training.parameters("embedded", tmp_path, [])
    assert (embedded.network, embedded.train.perceptual) == ("embedded", "gradient")
    changed = training.parameters("embedded", tmp_path, ["batch=2", "validate_samples=2", "checkpointing=true"])
    assert changed.train_audio.validate_samples == 2 and changed.train_prior.checkpointing
    row = training.measure("train", changed, 1, tmp_path / "run")
    assert row["batch"] == 2 and row["seconds_per_step"] > 0
    assert row["samples_per_second"] == pytest.approx(row["batch"] / row["seconds_per_step"], rel=0.05, abs=0.05)
    assert "seconds_per_step" in training.table({"train": row})


def test_the_mean_leaves_out_what_could_not_be_measured() -> None:
    moved = {name: {"correlation": 0.5, "slope": 1.0} for name in (*photographs.EXPRESSIONS, *photographs.ANGLES)}
    numbers = dict.fromkeys(photographs.NUMBERS, 1.0)
    rest = dict.fromkeys(moved) | dict.fromkeys(numbers, 3.0) | {"sharpness": math.nan}
    mean = photographs.mean([moved | numbers, rest | {"mouth": {"correlation": 0.1, "slope": 0.0}}])
    assert mean["yaw"] == {"correlation": 0.5, "slope": 1.0} and mean["mouth"] == pytest.approx(
        {"correlation": 0.3, "slope": 0.5}
    )
    assert mean["sharpness"] == 1 and mean["likeness"] == 2
    assert photographs.mean([rest])["yaw"] is None and math.isnan(photographs.mean([rest])["sharpness"])
    assert list(photographs.cells(photographs.mean([rest])))[:8] == ["-"] * 7 + ["3.000"]


@pytest.mark.parametrize(
    ("portraits", "says"),
    [(["a/x.png", "b/x.png"], "b/x.png: another portrait has this name"), (["nothing.png"], "nothing.png: no such")],
)
def test_photographs_says_in_one_line_what_is_wrong(
    portraits: list[str], says: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    options = ["photographs", "--models", "models/embedded/styleheat", "--portraits", *portraits]
    monkeypatch.chdir(ROOT)
    monkeypatch.setattr(sys, "argv", options)
    with pytest.raises(SystemExit) as stop:
        photographs.main()
    assert str(stop.value).startswith(f"photographs: {says}") and "\n" not in str(stop.value)


def of_data(*options: str) -> dict:
    command = [sys.executable, "-m", "benchmarks.data", "--json", *options]
    return json.loads(subprocess.run(command, cwd=ROOT, stdout=subprocess.PIPE, text=True, check=True).stdout)


def test_an_index_is_planned_listed_and_resumed() -> None:
    report = of_data("--only", "index", "--indexed", "50")["index"]
    assert list(report) == ["download", "crop", "landmarks", "coefficients", "pack", "account"]
    assert all(seconds >= 0 for row in report.values() for seconds in row.values())
    assert "resume" in table("index", report).splitlines()[0]


@pytest.mark.slow
def test_every_part_of_the_data_benchmark_runs() -> None:
    report = of_data("--frames", "30", "--clips", "4", "--seconds", "20", "--indexed", "50")
    assert list(report) == list(PARTS)
    assert report["crop"]["ratio to imageio"] > 1 and report["pack"]["ratio to Pillow"] > 1
    assert report["memory"]["complete"]["frames"] == 480 and report["memory"]["a tenth"]["frames"] == 48
    assert set(report["one"]) == {"download", "crop", "landmarks", "coefficients", "pack", "account"}
    assert all(table(name, rows) for name, rows in report.items())


def test_lips_are_judged_by_the_phonemes_that_were_spoken() -> None:
    phonemes = tuple(
        Phoneme(name, start, start + 0.2)
        for name, start in (("a", 0.0), ("m", 0.2), ("a", 0.4), ("b", 0.6), ("a", 0.8), (PAUSE, 1.0), ("a", 2.0))
    )
    opening = np.full(55, 0.2)
    opening[7] = 0.0  # at m, and not at b
    opening[30:45] = 0.02
    assert speech.closed(opening, phonemes) == 0.5
    assert speech.pauses(opening, phonemes) == pytest.approx(0.27, abs=0.03)
    assert math.isnan(speech.pauses(opening[:25], phonemes[:5]))


def test_a_voice_as_it_may_be_recorded(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    rng = np.random.default_rng(0)
    voice = (0.2 * np.sin(np.arange(32_000) / 5) * rng.uniform(0, 1, 32).repeat(1000)).astype(np.float32)
    monkeypatch.setattr(speech, "spoken", lambda voice_name: (voice, ()))
    torch.manual_seed(0)
    rows = dict(speech.recordings(Audio2Motion(NETWORKS["embedded"]).eval(), "somebody", tmp_path))
    assert {"-12 dB", "left only", "inverted", "telephone", "noise, 10 dB"} <= set(rows)
    for kind in ("-20 dB", "left only", "right only", "inverted"):
        assert rows[kind]["spread"] == pytest.approx(1, abs=0.05) and rows[kind]["alike"] > 0.98, kind
    assert "| -12 dB | 1.0" in speech.table(rows)
