"""On a GPU: networks, back ends and training come to what they come to on the CPU. Skipped on machines without one."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from accelerate.state import AcceleratorState
from joblib import Parallel, delayed
from torch.utils.data import Dataset, default_collate

from styleheat.face.landmarks import FaceAlignment, stack
from styleheat.inference.engine import Engine
from styleheat.morphable.deep3d import open_deep3d, regress
from styleheat.networks.audio2motion import Audio2Motion
from styleheat.networks.config import NETWORKS
from styleheat.networks.inversion import Inverter
from styleheat.networks.stylegan2 import Discriminator
from styleheat.networks.styleheat import StyleHEAT
from styleheat.networks.warper import VideoWarper
from styleheat.params import TrainWarper
from styleheat.training.audio import AudioRecipe
from styleheat.training.loop import Outcome, fit
from styleheat.training.prior import PriorRecipe
from styleheat.training.styleheat import StyleHEATRecipe
from styleheat.training.warper import WarperRecipe
from tests.face.test_landmarks import FakeNetworks, red_face
from tests.inference.test_engine import TINY as TINY_FULL
from tests.inference.test_engine import untrained
from tests.morphable.test_deep3d import face_points
from tests.parity.released import deep3d_folder
from tests.training.test_recipes import AUDIO, IMAGES, PRIOR, TINY, TRAIN, pairs, speech

pytestmark = pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a GPU")

NEAR = 5e-3
"""GPUs multiply float32 with the first ten bits of each number (TF32), unless told otherwise."""


@pytest.mark.parametrize(("precision", "near"), [(torch.float32, NEAR), (None, 5e-2)])
def test_the_engine(precision: torch.dtype | None, near: float) -> None:
    model = untrained(TINY_FULL)
    image = torch.rand(1, 3, 64, 64, generator=torch.Generator().manual_seed(2)) * 2 - 1
    windows = torch.randn(3, 73, 27, generator=torch.Generator().manual_seed(1))
    wanted = model(image, windows, model.generator.invert(image).expand(3)).image
    model.cuda()
    engine = Engine(model, model.generator.invert(image.cuda()), precision)
    assert engine.precision == (precision or torch.float16)
    torch.testing.assert_close(engine.paint(windows.cuda()).cpu(), wanted, rtol=0, atol=near)


class NetworksOnGpu(FakeNetworks):
    """Accept what is on the GPU only, as networks there do."""

    def _detect(self, batch: torch.Tensor) -> list[list[np.ndarray]]:
        assert batch.is_cuda
        return super()._detect(batch.cpu())

    def face_alignment_net(self, inputs: torch.Tensor) -> torch.Tensor:
        assert inputs.is_cuda
        return super().face_alignment_net(inputs)


def test_face_alignment() -> None:
    frames = [red_face(60 + k, 40, 100) for k in range(20)]
    frames[5] = np.zeros_like(frames[5])
    on_cpu = stack(FaceAlignment("cpu", FakeNetworks()).track(frames))
    np.testing.assert_allclose(stack(FaceAlignment("auto", NetworksOnGpu()).track(frames)), on_cpu, atol=1e-3)


def _regress(folder: Path, device: str) -> tuple[np.ndarray, int, int]:
    """Coefficients of ten frames; how often this process read the weights; GPU memory that it holds afterwards."""
    frames = np.random.default_rng(0).integers(0, 256, (10, 64, 64, 3), np.uint8)
    points = np.stack([face_points(64) + k for k in range(10)])
    found, _ = regress(open_deep3d(folder, device), frames, points, 64)
    return found, open_deep3d.cache_info().misses, torch.cuda.memory_allocated()


def test_deep3d_in_workers(tmp_path: Path) -> None:
    """Each worker has the weights on the GPU once, whatever the number of its clips."""
    folder = deep3d_folder(tmp_path)
    on_cpu, _, _ = _regress(folder, "cpu")
    for found, reads, memory in Parallel(2)(delayed(_regress)(folder, "cuda:0") for _ in range(8)):
        assert reads == 1 and memory > 0
        np.testing.assert_allclose(found, on_cpu, atol=2e-2 * np.abs(on_cpu).max())


class Repeated(Dataset):
    """The samples of one batch, over and over."""

    def __init__(self, batch: dict[str, Any]) -> None:
        self.batch = batch

    def __getitem__(self, index: int) -> dict[str, Any]:
        return {key: values[index % len(values)] for key, values in self.batch.items()}

    def __len__(self) -> int:
        return 10**6


def _prior(heldout: dict) -> PriorRecipe:
    return PriorRecipe(TINY, PRIOR, Inverter(TINY), Discriminator(TINY), heldout["source"])


def _warper(heldout: dict) -> WarperRecipe:
    return WarperRecipe(TINY, TrainWarper(**IMAGES), VideoWarper(TINY), heldout)


def _styleheat(heldout: dict) -> StyleHEATRecipe:
    return StyleHEATRecipe(TINY, TRAIN, StyleHEAT(TINY), Discriminator(TINY), heldout)


def _audio(heldout: dict) -> AudioRecipe:
    return AudioRecipe(AUDIO, Audio2Motion(NETWORKS["embedded"]), heldout)


@pytest.mark.parametrize("build", [_prior, _warper, _styleheat, _audio])
def test_training(build: Any, tmp_path: Path) -> None:
    """One step and two resumed ones: the first losses are the CPU's, and the weights end up on the GPU."""

    def train(device: str, folder: Path, steps: int) -> tuple[Any, Outcome, list[dict[str, float]]]:
        AcceleratorState._reset_state(reset_partial_state=True)  # a process has one device otherwise
        torch.manual_seed(0)
        batch = speech() if build is _audio else pairs()
        recipe = build(default_collate([Repeated(batch)[k] for k in range(4)]))
        schedule = TRAIN.model_copy(update={"steps": steps, "save_every": 1})
        logged: list[dict[str, float]] = []
        outcome = fit(
            recipe,
            Repeated(batch),
            schedule,
            seed=0,
            scratch=folder,
            curves=folder / "curves.csv",
            samples=folder / "samples.png",
            device=device,
            log=lambda losses, step: logged.append(dict(losses)),
            name="test",
            loader_workers=1 if device != "cpu" else 0,
        )
        return recipe, outcome, logged

    for name in ("cpu", "gpu", "whole"):
        (tmp_path / name).mkdir()
    _, _, on_cpu = train("cpu", tmp_path / "cpu", 1)
    recipe, _, on_gpu = train("cuda:0", tmp_path / "gpu", 1)
    assert next(recipe.model.parameters()).is_cuda
    for key, value in on_cpu[0].items():  # noise is drawn by each device for itself
        assert on_gpu[0][key] == pytest.approx(value, rel=0.1 if key in ("pose", "divergence", "motion") else 0.02), key
    _, resumed, _ = train("cuda:0", tmp_path / "gpu", 3)
    assert resumed.resumed_at == 1
    _, whole, _ = train("cuda:0", tmp_path / "whole", 3)
    assert resumed.scores == pytest.approx(whole.scores, rel=0.02)
