"""The benchmarks compare ways that do the same, and say all that they promise."""

import json
import subprocess
import sys
from pathlib import Path

import pytest
import torch

from benchmarks import data, inference, reference, training
from styleheat.networks.config import NETWORKS
from styleheat.networks.layers import Blur, Upsample
from styleheat.networks.stylegan2 import ModulatedConv2d

ROOT = Path(__file__).parent.parent


@pytest.mark.parametrize("layer", [Blur(padding=1, gain=4.0), Blur(padding=2), Blur(padding=1, stride=2), Upsample()])
def test_resampling_by_zero_insertion(layer: torch.nn.Module) -> None:
    x = torch.randn(2, 3, 8, 8)
    torch.testing.assert_close(reference.SLOW[type(layer)](layer, x), layer(x), rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("up", [False, True])
def test_modulation_by_groups(up: bool) -> None:
    layer, x, style = ModulatedConv2d(5, 7, 3, 6, up=up), torch.randn(3, 5, 8, 8), torch.randn(3, 6)
    torch.testing.assert_close(reference._modulated(layer, x, style), layer(x, style), rtol=1e-4, atol=1e-5)


def test_one_run_prints_all_paths() -> None:
    command = [sys.executable, "-m", "benchmarks.inference", "--network", "embedded", "--frames", "2", "--json"]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True)
    report = json.loads(done.stdout)
    results = report["networks"]["embedded"]
    assert list(results) == list(inference.PATHS) and report["peak_gflops"] > 0
    assert all(number >= 0 for result in results.values() for number in result.values())
    assert results["reference"]["ratio"] == 1 and results["reference"]["difference"] == 0
    assert max(result["difference"] for result in results.values()) <= 1e-3
    assert results["engine"]["gflop_computed"] < results["plain"]["gflop_computed"]
    assert results["plain"]["gflop_computed"] < results["reference"]["gflop_computed"]
    lines = inference.table(report).splitlines()
    assert len(lines) == 6 and f"{NETWORKS['embedded'].image_size} px" in lines[2]


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


def of_data(*options: str) -> dict:
    command = [sys.executable, "-m", "benchmarks.data", "--json", *options]
    return json.loads(subprocess.run(command, cwd=ROOT, stdout=subprocess.PIPE, text=True, check=True).stdout)


def test_an_index_is_planned_listed_and_resumed() -> None:
    report = of_data("--only", "index", "--indexed", "50")["index"]
    assert list(report) == ["download", "crop", "landmarks", "coefficients", "pack", "account"]
    assert all(seconds >= 0 for row in report.values() for seconds in row.values())
    assert "resume" in data.table("index", report).splitlines()[0]


@pytest.mark.slow
def test_every_part_of_the_data_benchmark_runs() -> None:
    report = of_data("--frames", "30", "--clips", "4", "--seconds", "20", "--indexed", "50")
    assert list(report) == list(data.PARTS)
    assert report["crop"]["ratio to imageio"] > 1 and report["pack"]["ratio to Pillow"] > 1
    assert report["memory"]["whole"]["frames"] == 480 and report["memory"]["a tenth"]["frames"] == 48
    assert set(report["one"]) == {"download", "crop", "landmarks", "coefficients", "pack", "account"}
    assert all(data.table(name, rows) for name, rows in report.items())
