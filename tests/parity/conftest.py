"""Fixtures of the reference implementation: weights and inputs from a seed, and the outputs it computed with them.

The folder is this one, or another of the same form named by the environment variable STYLEHEAT_PARITY. `fill.py` and
the README of the fixtures say how weights and inputs follow from a seed; `golden/<fixture>.npz` holds the seed.
"""

import importlib.util
import os
import sys
from collections.abc import Callable
from pathlib import Path
from types import ModuleType

import numpy as np
import pytest
import torch
from torch import Tensor

FOLDER = Path(os.environ.get("STYLEHEAT_PARITY", Path(__file__).parent))

REACHED: dict[str, tuple[float, float]] = {}
"""Worst error and tolerance of each fixture, printed at the end of a run."""


@pytest.fixture(scope="session")
def fill() -> ModuleType:
    spec = importlib.util.spec_from_file_location("parity_fill", FOLDER / "fill.py")
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules["parity_fill"] = module
    spec.loader.exec_module(module)
    module.self_check()
    return module


class Golden:
    """One fixture: its seed, its arrays, and inputs drawn as `fill.py` draws them."""

    def __init__(self, name: str, fill: ModuleType) -> None:
        self.name, self.fill = name, fill
        self.arrays = np.load(FOLDER / "golden" / f"{name}.npz")
        self.seed = int(self.arrays["seed"])

    def __getitem__(self, key: str) -> np.ndarray:
        return self.arrays[key]

    def image(self, name: str, *shape: int) -> Tensor:
        return torch.from_numpy(self.fill.smooth_image(name, shape, self.seed))

    def normal(self, name: str, *shape: int, std: float = 1.0) -> Tensor:
        return torch.from_numpy(self.fill.normal(name, shape, self.seed, std))

    def window(self, name: str, batch: int) -> Tensor:
        return torch.from_numpy(self.fill.driving_window(name, batch, self.seed))

    def weights(self, manifest: str, prefix: str) -> dict[str, Tensor]:
        """The tensors of a checkpoint file whose entry names start with `prefix`, without it."""
        entries = self.fill.fill_state_dict(self.fill.load_manifest(str(manifest_path(manifest))), self.seed, prefix)
        return {name.removeprefix(prefix): torch.from_numpy(array) for name, array in entries.items()}

    def close(self, key: str, actual: Tensor | np.ndarray, tolerance: float = 1e-4) -> None:
        """max |difference| <= tolerance · max(1, max |golden|), and remember how close it came."""
        actual = actual.detach().numpy() if isinstance(actual, Tensor) else np.asarray(actual)
        wanted = self.arrays[key]
        assert actual.shape == wanted.shape, f"{self.name} {key}: {actual.shape}, not {wanted.shape}"
        error = float(np.abs(actual.astype(np.float64) - wanted).max() / max(1.0, float(np.abs(wanted).max())))
        worst = REACHED.get(self.name, (0.0, tolerance))
        REACHED[self.name] = max(worst, (error, tolerance))
        assert error <= tolerance, f"{self.name} {key}: off by {error:.2e}, tolerance {tolerance:.0e}"


@pytest.fixture(scope="session")
def golden(fill: ModuleType) -> Callable[[str], Golden]:
    return lambda name: Golden(name, fill)


def manifest_path(name: str) -> Path:
    """A checkpoint file's manifest, which may be compressed."""
    path = FOLDER / "manifests" / f"{name}.json"
    return path if path.is_file() else path.with_name(path.name + ".gz")


def pool(x: Tensor, size: int) -> Tensor:
    """Means over size x size pixels of the last two axes."""
    return torch.nn.functional.avg_pool2d(x, size) if size > 1 else x


def centre(x: Tensor, size: int = 64) -> Tensor:
    """The central size x size pixels."""
    top, left = (x.shape[-2] - size) // 2, (x.shape[-1] - size) // 2
    return x[..., top : top + size, left : left + size]


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    for name, (error, tolerance) in sorted(REACHED.items()):
        terminalreporter.write_line(f"parity {name:28s} largest error {error:.1e}  tolerance {tolerance:.0e}")
