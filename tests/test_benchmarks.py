"""The benchmark compares paths that paint the same, and says all that it promises."""

import json
import subprocess
import sys
from pathlib import Path

import pytest
import torch

from benchmarks import inference, reference
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
