"""The loop on a toy recipe: it learns, resumes to the same numbers, and stops on a loss that is not finite."""

import csv
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import nn
from torch.utils.data import Dataset

from styleheat.errors import InputError
from styleheat.networks.layers import EqualLinear
from styleheat.params import Training
from styleheat.training.loop import MovingAverage, fit

SCHEDULE = Training(init="none", steps=60, batch=8, lr=0.05, equalised=1.0, lr_every=40, save_every=10, sample_every=25)


class Lines(Dataset):
    """y = 3x − 1 with noise that depends on the index alone."""

    def __getitem__(self, index: int) -> dict[str, torch.Tensor]:
        rng = np.random.default_rng(index)
        x = rng.normal(size=2).astype(np.float32)
        return {"x": torch.from_numpy(x), "y": torch.from_numpy(3 * x - 1)}

    def __len__(self) -> int:
        return 10**9


class Line(nn.Module):
    def __init__(self, model: nn.Module, fail_at: int | None) -> None:
        super().__init__()
        self.model, self.fail_at, self.seen = model, fail_at, 0

    def forward(self, batch: dict, seen: dict) -> tuple[dict, dict]:
        self.seen += 1
        if self.seen == self.fail_at:
            raise KeyboardInterrupt
        noise = 0.01 * torch.randn_like(batch["x"])  # global generator: the loop must seed it by the step
        guess = self.model(batch["x"] + noise)
        return {"fit": (guess - batch["y"]).square().mean()}, {"guess": guess.detach()}


class Critic(nn.Module):
    """A second player that sees what the first made."""

    def __init__(self) -> None:
        super().__init__()
        self.mean = nn.Parameter(torch.zeros(2))

    def forward(self, batch: dict, seen: dict) -> tuple[dict, dict]:
        return {"critic": (seen["guess"].mean(0) - self.mean).square().mean()}, seen


class Toy:
    def __init__(self, fail_at: int | None = None) -> None:
        torch.manual_seed(1)
        self.model = nn.Linear(2, 2)
        self.players: dict[str, nn.Module] = {"line": Line(self.model, fail_at), "critic": Critic()}
        self.steps: list[int] = []

    def begin_step(self, step: int) -> None:
        self.steps.append(step)

    def validate(self) -> dict[str, float]:
        return {"bias": float(self.model.bias.mean())}

    def sample(self) -> np.ndarray:
        return np.zeros((4, 4, 3), np.uint8)


def run(folder: Path, toy: Toy, schedule: Training = SCHEDULE, log=lambda losses, step: None):
    return fit(
        toy,
        Lines(),
        schedule,
        seed=0,
        scratch=folder / "scratch",
        curves=folder / "curves.csv",
        samples=folder / "samples.png",
        device="cpu",
        log=log,
        name="toy",
    )


def test_learns_logs_and_leaves_curves_and_samples(tmp_path):
    logged = []
    outcome = run(
        tmp_path,
        Toy(),
        SCHEDULE.model_copy(update={"steps": 400, "lr_every": 1000}),
        lambda losses, step: logged.append(step),
    )
    rows = list(csv.DictReader((tmp_path / "curves.csv").open()))
    assert [int(row["step"]) for row in rows] == list(range(1, 401))
    assert float(rows[0]["fit"]) > 10 * float(rows[-1]["fit"])
    assert outcome.losses["fit"] < 0.1
    assert logged == list(range(10, 401, 10))
    assert (tmp_path / "samples.png").exists()


def test_an_interrupted_run_ends_like_an_uninterrupted_one(tmp_path):
    whole, cut = Toy(), Toy(fail_at=38)
    expected = run(tmp_path / "whole", whole)
    with pytest.raises(KeyboardInterrupt):
        run(tmp_path / "cut", cut)
    again = Toy()
    outcome = run(tmp_path / "cut", again)
    assert again.steps[0] == outcome.resumed_at == 30
    assert outcome.metrics() == expected.metrics()
    assert torch.equal(again.model.weight, whole.model.weight)
    assert (tmp_path / "cut/curves.csv").read_bytes() == (tmp_path / "whole/curves.csv").read_bytes()


def test_more_steps_go_on_from_a_finished_run(tmp_path):
    run(tmp_path / "a", Toy(), SCHEDULE.model_copy(update={"steps": 30}))
    longer = run(tmp_path / "a", Toy())
    assert longer.resumed_at == 30
    assert longer.metrics() == run(tmp_path / "b", Toy()).metrics()


def test_fewer_steps_begin_anew(tmp_path):
    run(tmp_path / "a", Toy())
    shorter = run(tmp_path / "a", Toy(), SCHEDULE.model_copy(update={"steps": 30}))
    assert shorter.resumed_at == 0
    assert shorter.metrics() == run(tmp_path / "b", Toy(), SCHEDULE.model_copy(update={"steps": 30})).metrics()


@pytest.mark.timeout(600)
def test_two_processes_go_on_where_they_stopped(tmp_path):
    command = [sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc-per-node=2", __file__]
    for folder, steps in (("cut", 30), ("cut", 60), ("whole", 60)):
        subprocess.run([*command, str(tmp_path / folder), str(steps)], check=True, capture_output=True)
    cut, whole = ((tmp_path / name / "curves.csv").read_bytes() for name in ("cut", "whole"))
    assert cut == whole and len(cut.splitlines()) == 61


def test_a_loss_that_is_not_finite_is_one_clear_line(tmp_path):
    with pytest.raises(InputError, match=r"toy\.lr: a loss is not finite at step \d+; try a smaller lr"):
        run(tmp_path, Toy(), SCHEDULE.model_copy(update={"lr": 1e30}))


def test_the_learning_rate_falls_to_a_fifth(tmp_path):
    steady, decayed = Toy(), Toy()
    run(tmp_path / "steady", steady, SCHEDULE.model_copy(update={"steps": 41, "lr_every": 100}))
    run(tmp_path / "decayed", decayed, SCHEDULE.model_copy(update={"steps": 41}))
    rate = {
        name: torch.load(tmp_path / name / "scratch/last.pt")["optimizers"]["line"]["param_groups"][0]["lr"]
        for name in ("steady", "decayed")
    }
    assert rate == {"steady": pytest.approx(0.05), "decayed": pytest.approx(0.01)}


def test_moving_average_follows_and_swaps():
    module = nn.Linear(1, 1, bias=False)
    nn.init.zeros_(module.weight)
    average = MovingAverage(module, decay=0.9)
    with torch.no_grad():
        module.weight.fill_(1.0)
    average.update(step=1000)
    average.swap()
    assert module.weight.item() == pytest.approx(0.1)
    average.swap()
    assert module.weight.item() == 1.0
    average.update(step=0)  # the first steps fade faster: 0.1 of what was, 0.9 of what is
    average.swap()
    assert module.weight.item() == pytest.approx(0.91)


def test_equalised_layers_may_learn_faster(tmp_path: Path) -> None:
    rates = []
    for multiple in (1.0, 4.0):
        toy = Toy()
        toy.model = nn.Sequential(nn.Linear(2, 2), EqualLinear(2, 2))
        toy.players["line"] = Line(toy.model, None)
        toy.validate = dict
        run(tmp_path / str(multiple), toy, SCHEDULE.model_copy(update={"steps": 1, "equalised": multiple}))
        groups = torch.load(tmp_path / str(multiple) / "scratch/last.pt")["optimizers"]["line"]["param_groups"]
        rates.append([group["lr"] for group in groups])
    assert rates == [[0.05, 0.05], [0.05, pytest.approx(0.2)]]


@pytest.mark.parametrize("scale", [1e3, 1e6])
def test_a_gradient_beyond_all_bounds_counts_no_more_than_a_long_one(tmp_path: Path, scale: float) -> None:
    def trained(factor: float) -> torch.Tensor:
        toy = Toy()
        line = toy.players["line"]
        gentle = line.forward
        line.forward = lambda batch, seen: ({"fit": factor * gentle(batch, seen)[0]["fit"]}, gentle(batch, seen)[1])
        run(tmp_path / str(factor), toy, SCHEDULE.model_copy(update={"steps": 5}))
        return toy.model.weight.detach()

    assert trained(scale) == pytest.approx(trained(100.0), abs=1e-5)


if __name__ == "__main__":  # one of the processes that test_two_processes_go_on_where_they_stopped starts
    run(Path(sys.argv[1]), Toy(), SCHEDULE.model_copy(update={"steps": int(sys.argv[2])}))
