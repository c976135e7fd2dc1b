"""On a GPU: networks, back ends and training give what they give on the CPU. Skipped on machines without one."""

import json
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from joblib import Parallel, delayed
from torch import nn
from torch._dynamo.utils import counters

from styleheat import launch
from styleheat.errors import InputError
from styleheat.face.landmarks import FaceAlignment, stack
from styleheat.inference.engine import Engine
from styleheat.morphable.deep3d import open_deep3d, regress
from styleheat.networks import flow as flows
from styleheat.params import Params, TrainAudio, load_params
from styleheat.pipeline import Stage
from styleheat.training.distributed import World, joined
from styleheat.training.loop import Outcome, fit
from tests.face.test_landmarks import FakeNetworks, red_face
from tests.inference.test_engine import TINY as TINY_FULL
from tests.inference.test_engine import untrained
from tests.morphable.test_deep3d import face_points
from tests.parity.released import deep3d_folder
from tests.training.tiny import AUDIO, PRIOR, TRAIN, WARPER, Log, Pairs, Speech, build

pytestmark = pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a GPU")

NEAR = 5e-3
"""By default, GPUs multiply float32 with the first ten bits of each number (TF32)."""


@pytest.fixture(autouse=True)
def _tf32_as_before() -> Iterator[None]:
    """A training sets these for its process."""
    before = torch.backends.cudnn.allow_tf32, torch.backends.cuda.matmul.allow_tf32
    yield
    torch.backends.cudnn.allow_tf32, torch.backends.cuda.matmul.allow_tf32 = before


@pytest.mark.parametrize(("precision", "near"), [(torch.float32, NEAR), (None, 5e-2)])
def test_the_engine(precision: torch.dtype | None, near: float) -> None:
    model = untrained(TINY_FULL)
    image = torch.rand(1, 3, 64, 64, generator=torch.Generator().manual_seed(2)) * 2 - 1
    windows = torch.randn(3, 73, 27, generator=torch.Generator().manual_seed(1))
    wanted = model(image, windows, model.generator.invert(image).expand(3)).image
    model.cuda()
    engine = Engine(model, model.generator.invert(image.cuda()), precision)
    assert engine.precision == (precision or torch.float16)
    torch.testing.assert_close(engine.paint(windows.cuda())[0].cpu(), wanted, rtol=0, atol=near)


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


# --- training

RECIPES = {
    "prior": PRIOR,
    "warper": WARPER,
    "styleheat": TRAIN,
    "styleheat tunes": TRAIN.model_copy(update={"tune_prior": True}),
    "audio": AUDIO,
}


def train(
    device: str, folder: Path, settings: Any, world: World | None = None, **changes: Any
) -> tuple[Any, Outcome, Log]:
    """A training on tiny networks; on a GPU a process of its own reads the samples, into pinned memory."""
    folder.mkdir(exist_ok=True)
    settings = settings.model_copy(update={"save_every": 1} | changes)
    recipe, log = build(settings), Log()
    outcome = fit(
        recipe,
        Speech() if isinstance(settings, TrainAudio) else Pairs(),
        settings,
        world or World(0, 1, torch.device(device)),
        seed=0,
        scratch=folder / "scratch",
        curves=folder / "curves.csv",
        samples=folder / "samples.jpg",
        log=log,
        name="toy",
        loader_workers=0 if device == "cpu" else 1,
    )
    return recipe, outcome, log


@pytest.mark.parametrize("name", RECIPES)
def test_training(name: str, tmp_path: Path) -> None:
    """One step and two resumed ones: the first losses are the CPU's, and the weights end up on the GPU."""
    settings = RECIPES[name]
    _, on_cpu, _ = train("cpu", tmp_path / "cpu", settings)
    recipe, on_gpu, log = train("cuda:0", tmp_path / "gpu", settings)
    assert {p.device for p in recipe.model.parameters()} == {torch.device("cuda:0")}
    assert on_gpu.losses == pytest.approx(on_cpu.losses, rel=1e-2, abs=1e-4)
    assert 0 < log.metrics[0][1]["speed/memory_gb"] < 8
    _, resumed, _ = train("cuda:0", tmp_path / "gpu", settings, steps=3)
    assert resumed.resumed_at == 1
    _, uninterrupted, _ = train("cuda:0", tmp_path / "complete", settings, steps=3)
    assert resumed.scores == pytest.approx(uninterrupted.scores, rel=0.02, abs=0.05)


def test_a_checkpoint_of_a_gpu_goes_on_on_the_cpu(tmp_path: Path) -> None:
    train("cuda:0", tmp_path, WARPER)
    recipe, outcome, _ = train("cpu", tmp_path, WARPER, steps=2)
    assert outcome.resumed_at == 1 and not next(recipe.model.parameters()).is_cuda


@pytest.mark.parametrize("precision", ["float32", "tf32", "bf16", "fp16"])
def test_precision(precision: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """StyleHEAT with its discriminator and R1: the losses of one step, and resumed ones."""
    kinds: set[torch.dtype] = set()
    convolve = nn.Conv2d.forward

    def spy(self: nn.Conv2d, inputs: torch.Tensor) -> torch.Tensor:
        found = convolve(self, inputs)
        kinds.add(found.dtype)
        return found

    monkeypatch.setattr(nn.Conv2d, "forward", spy)
    _, on_cpu, _ = train("cpu", tmp_path / "cpu", TRAIN)
    kinds.clear()
    _, outcome, _ = train("cuda:0", tmp_path / "gpu", TRAIN, precision=precision)
    assert torch.backends.cudnn.allow_tf32 == (precision != "float32")
    assert torch.backends.cuda.matmul.allow_tf32 == (precision == "tf32")
    half = {"bf16": torch.bfloat16, "fp16": torch.float16}.get(precision)
    assert kinds == {torch.float32} | ({half} if half else set())  # float32: validation
    near = {"rel": 1e-2, "abs": 1e-4} if precision == "float32" else {"rel": 0.1, "abs": 0.02}
    assert outcome.losses == pytest.approx(on_cpu.losses, **near)

    recipe, resumed, log = train("cuda:0", tmp_path / "gpu", TRAIN, precision=precision, steps=4)
    assert resumed.resumed_at == 1 and np.isfinite(list(resumed.losses.values())).all()
    assert {p.dtype for p in recipe.model.parameters()} == {torch.float32}
    assert all(p.isfinite().all() for p in recipe.model.parameters())
    logged = {"logit/real", "optimizer/lr/styleheat/video_warper"}
    if precision != "fp16":  # whose first steps overflow until the scale is found
        logged.add("optimizer/grad_norm/styleheat")
    assert logged <= log.metrics[0][1].keys()


def test_fp16_keeps_its_scale_in_checkpoints(tmp_path: Path) -> None:
    train("cuda:0", tmp_path, WARPER, precision="fp16", steps=2)
    (path, _) = sorted((tmp_path / "scratch").glob("step-*.pt"), reverse=True)
    scaler = torch.load(path, weights_only=True)["optimizers"]["warper"]["scaler"]
    assert scaler["scale"] > 0


@pytest.mark.parametrize("precision", [torch.bfloat16, torch.float16])
def test_a_zero_flow_is_the_identity(precision: torch.dtype) -> None:
    image = torch.rand(1, 3, 64, 64, device="cuda")
    with torch.autocast("cuda", precision):
        positions = flows.deformation(torch.zeros(1, 2, 64, 64, dtype=precision, device="cuda"))
        moved = flows.warp(image, positions)
    assert positions.dtype == moved.dtype == torch.float32
    torch.testing.assert_close(moved, image, rtol=0, atol=1e-5)


def test_compile(tmp_path: Path) -> None:
    """The blocks are compiled, once each, and the losses are those without."""
    _, plain, _ = train("cuda:0", tmp_path / "plain", WARPER, steps=2)
    torch._dynamo.reset()
    counters.clear()
    _, compiled, _ = train("cuda:0", tmp_path / "compiled", WARPER, steps=2, compile=True)
    frames = counters["frames"]
    assert frames["ok"] == frames["total"] > 0
    assert compiled.losses == pytest.approx(plain.losses, rel=1e-2)


def test_checkpointing(tmp_path: Path) -> None:
    found = [train("cuda:0", tmp_path / str(on), PRIOR, checkpointing=on)[1].losses for on in (False, True)]
    assert found[1] == pytest.approx(found[0], rel=1e-3, abs=1e-4)


# --- which GPU


def runtime(**changes: Any) -> Params:
    params = load_params(Path(__file__).parent.parent / "params.yaml")
    return params.model_copy(update={"runtime": params.runtime.model_copy(update=changes)})


@pytest.mark.parametrize("device", ["auto", "cuda", "cuda:0"])
def test_the_first_gpu(device: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("LOCAL_RANK", raising=False)
    monkeypatch.delenv("RANK", raising=False)
    found = Stage("train", runtime(device=device)).device()
    with joined(found) as world:
        assert (world.rank, world.size, world.device) == (0, 1, torch.device("cuda:0"))
        assert torch.cuda.current_device() == 0


def test_a_gpu_that_is_not_here_is_one_clear_line(monkeypatch: pytest.MonkeyPatch) -> None:
    count = torch.cuda.device_count()
    with pytest.raises(InputError, match=rf"runtime\.device: no cuda:{count} here"):
        Stage("train", runtime(device=f"cuda:{count}")).device()
    monkeypatch.setenv("LOCAL_RANK", str(count))  # more processes than GPUs, by torchrun
    with pytest.raises(InputError, match=rf"runtime\.device: no cuda:{count} here"):
        Stage("train", runtime(device="auto")).device()


def test_one_process_for_each_gpu(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("RANK", raising=False)
    count = torch.cuda.device_count()
    assert launch.processes(runtime().runtime) == count
    assert launch.processes(runtime(device="cuda:0").runtime) == 1
    assert launch.processes(runtime(device="cpu").runtime) == 1
    with pytest.raises(InputError, match=rf"runtime\.processes: {count + 1}, more than the GPUs here, {count}"):
        launch.processes(runtime(processes=count + 1).runtime)


@pytest.mark.skipif(torch.cuda.device_count() < 2, reason="needs two GPUs")
def test_the_second_gpu_alone(tmp_path: Path) -> None:
    before = torch.cuda.memory_allocated(0)
    with joined(Stage("train", runtime(device="cuda:1")).device()):
        recipe, _, log = train("cuda:1", tmp_path, WARPER)
    torch.cuda.set_device(0)
    assert {p.device for p in recipe.model.parameters()} == {torch.device("cuda:1")}
    assert torch.cuda.memory_allocated(0) <= before and log.metrics[0][1]["speed/memory_gb"] > 0


@pytest.mark.skipif(torch.cuda.device_count() < 2, reason="needs two GPUs")
def test_two_gpus_compute_what_one_does(tmp_path: Path) -> None:
    """Over NCCL, started by torchrun."""
    _, one, _ = train("cuda:0", tmp_path / "one", TRAIN, steps=3)
    command = [sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc-per-node=2", "-m"]
    done = subprocess.run([*command, __spec__.name, str(tmp_path / "two")], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    two = json.loads((tmp_path / "two" / "losses.json").read_text())
    assert two == pytest.approx(one.losses, rel=1e-2, abs=1e-4)


if __name__ == "__main__":  # one of two processes
    with joined(Stage("train", runtime()).device()) as joint:
        _, result, _ = train(str(joint.device), Path(sys.argv[1]), TRAIN, joint, steps=3)
        if joint.first:
            Path(sys.argv[1], "losses.json").write_text(json.dumps(result.losses))
