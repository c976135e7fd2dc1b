"""The loop on a toy recipe: it learns, goes on to the same numbers, keeps the best, and says what went wrong."""

import csv
import os
import signal
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import nn
from torch.utils.data import Dataset

from styleheat import interrupts
from styleheat.errors import InputError
from styleheat.networks.layers import EqualLinear
from styleheat.params import Training
from styleheat.training.average import MovingAverage
from styleheat.training.loop import Outcome, fit
from styleheat.training.recipe import Computed
from tests.training.tiny import ALONE, COMMON, Log

SETTINGS = Training(
    **COMMON
    | {
        "steps": 60,
        "batch": 8,
        "lr": 0.05,
        "lr_every": 40,
        "save_every": 10,
        "sample_every": 25,
        "validate_every": 20,
        "score": "error",
    }
)


class Lines(Dataset):
    """y = 3x − 1 with noise that depends on the index alone."""

    def __getitem__(self, index: int) -> dict[str, Any]:
        rng = np.random.default_rng(index)
        x = rng.normal(size=2).astype(np.float32)
        return {"x": torch.from_numpy(x), "y": torch.from_numpy(3 * x - 1), "clip": f"clip {index}"}

    def __len__(self) -> int:
        return 10**9


class Line(nn.Module):
    """fail_at: the call in which `failure` is raised or sent."""

    def __init__(self, model: nn.Module, fail_at: int | None, failure: Any) -> None:
        super().__init__()
        self.model, self.fail_at, self.failure, self.calls = model, fail_at, failure, 0

    def forward(self, batch: dict, outputs: dict) -> Computed:
        self.calls += 1
        if self.calls == self.fail_at:
            if isinstance(self.failure, signal.Signals):
                os.kill(os.getpid(), self.failure)
            else:
                raise self.failure
        noise = 0.01 * torch.randn_like(batch["x"])  # global generator: the loop must seed it by the step
        guess = self.model(batch["x"] + noise)
        return Computed({"fit": (guess - batch["y"]).square().mean()}, {"guess": guess.detach()})


class Mean(nn.Module):
    """A second phase, which takes what the first one made."""

    def __init__(self) -> None:
        super().__init__()
        self.mean = nn.Parameter(torch.zeros(2))

    def forward(self, batch: dict, outputs: dict) -> Computed:
        loss = (outputs["guess"].mean(0) - self.mean).square().mean()
        return Computed({"mean": loss}, monitors={"logit/mean": self.mean.mean()})


class Toy:
    items, unit, higher, fan_in = 1, 1, set[str](), None

    def __init__(self, fail_at: int | None = None, failure: Any = KeyboardInterrupt) -> None:
        torch.manual_seed(1)
        self.model: nn.Module = nn.Linear(2, 2)
        self.phases: dict[str, nn.Module] = {"line": Line(self.model, fail_at, failure), "mean": Mean()}
        self.rates: dict[str, dict[str, float]] = {}
        self.steps: list[int] = []

    def start_step(self, step: int) -> None:
        self.steps.append(step)

    def validate(self) -> dict[str, float]:
        return {"error": float((self.model.bias + 1).abs().mean()), "weight": float(self.model.weight.mean())}

    def sample(self) -> np.ndarray:
        return np.zeros((4, 4, 3), np.uint8)


def run(folder: Path, toy: Toy, log: Log | None = None, dataset: Dataset | None = None, **changes: Any) -> Outcome:
    return fit(
        toy,
        dataset or Lines(),
        SETTINGS.model_copy(update=changes),
        ALONE,
        seed=0,
        scratch=folder / "scratch",
        curves=folder / "curves.csv",
        samples=folder / "samples.jpg",
        log=log or Log(),
        name="toy",
    )


def last_checkpoint(folder: Path) -> dict[str, Any]:
    return torch.load(sorted((folder / "scratch").glob("step-*.pt"))[-1])


def test_it_learns_logs_and_leaves_curves_and_samples(tmp_path: Path) -> None:
    log = Log()
    outcome = run(tmp_path, Toy(), log, steps=400, lr_every=1000)
    rows = list(csv.DictReader((tmp_path / "curves.csv").open()))
    assert [int(row["step"]) for row in rows] == list(range(10, 401, 10))
    assert float(rows[0]["fit"]) > 10 * float(rows[-1]["fit"])
    assert outcome.losses["fit"] < 0.1
    points = [(step, values) for step, values in log.metrics if "loss/fit" in values]
    assert [step for step, _ in points] == list(range(10, 401, 10))
    wanted = {"loss/fit", "loss/mean", "logit/mean"}
    wanted |= {f"optimizer/{what}/{phase}" for what in ("grad_norm", "lr") for phase in ("line", "mean")}
    assert points[0][1].keys() == wanted | {
        f"speed/{what}" for what in ("samples_per_second", "waiting_share", "memory_gb")
    }
    validations = [step for step, values in log.metrics if "validation/error" in values]
    assert validations == list(range(20, 401, 20))
    assert log.images == [("samples", step) for step in range(25, 401, 25)]
    assert (tmp_path / "samples.jpg").exists()


@pytest.mark.parametrize("fail_at", [38, 40])
def test_a_killed_run_ends_like_an_undisturbed_one(tmp_path: Path, fail_at: int) -> None:
    complete, cut = Toy(), Toy(fail_at)
    expected = run(tmp_path / "complete", complete)
    with pytest.raises(KeyboardInterrupt):
        run(tmp_path / "cut", cut)
    again = Toy()
    outcome = run(tmp_path / "cut", again)
    assert again.steps[0] == outcome.resumed_at == 30
    same(outcome, expected, again, complete, tmp_path)


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_ends_the_run_after_the_step_in_hand(tmp_path: Path, number: signal.Signals) -> None:
    complete, cut = Toy(), Toy(37, number)
    expected = run(tmp_path / "complete", complete)
    handler = signal.getsignal(number)
    with pytest.raises(interrupts.Interrupted) as ended:
        run(tmp_path / "cut", cut)
    assert ended.value.signum == number and signal.getsignal(number) is handler
    again = Toy()
    outcome = run(tmp_path / "cut", again)
    assert again.steps[0] == outcome.resumed_at == 37
    same(outcome, expected, again, complete, tmp_path)


def same(outcome: Outcome, expected: Outcome, again: Toy, complete: Toy, folder: Path) -> None:
    assert outcome.metrics() == expected.metrics()
    assert torch.equal(again.model.weight, complete.model.weight)
    assert (folder / "cut/curves.csv").read_bytes() == (folder / "complete/curves.csv").read_bytes()


def test_more_steps_go_on_from_a_finished_run(tmp_path: Path) -> None:
    run(tmp_path / "a", Toy(), steps=30)
    longer = run(tmp_path / "a", Toy())
    assert longer.resumed_at == 30
    heldout = run(tmp_path / "b", Toy()).scores
    assert longer.scores == heldout


def test_fewer_steps_begin_anew(tmp_path: Path) -> None:
    run(tmp_path / "a", Toy())
    shorter = run(tmp_path / "a", Toy(), steps=30)
    assert shorter.resumed_at == 0
    assert shorter.metrics() == run(tmp_path / "b", Toy(), steps=30).metrics()


def test_two_checkpoints_are_kept_and_a_damaged_one_is_passed_over(tmp_path: Path, capsys: Any) -> None:
    expected = run(tmp_path / "complete", Toy())
    run(tmp_path / "cut", Toy(), steps=40)
    kept = sorted(path.name for path in (tmp_path / "cut/scratch").glob("step-*"))
    assert kept == ["step-000000030.pt", "step-000000040.pt"]
    damaged = tmp_path / "cut/scratch" / kept[-1]
    damaged.write_bytes(damaged.read_bytes()[:500])
    outcome = run(tmp_path / "cut", Toy())
    assert outcome.resumed_at == 30 and outcome.scores == expected.scores
    assert f"{damaged}: damaged checkpoint" in capsys.readouterr().out
    for path in (tmp_path / "cut/scratch").glob("step-*"):
        path.write_bytes(b"")
    with pytest.raises(InputError, match=r"scratch: every checkpoint is damaged; remove this folder to train anew"):
        run(tmp_path / "cut", Toy())


def test_the_best_state_can_be_exported(tmp_path: Path) -> None:
    class Worsening(Toy):
        def validate(self) -> dict[str, float]:
            return {"error": self.steps[-1] + float(self.model.weight.sum()) * 0 if self.steps else 0.0}

    last, best = (Worsening() for _ in range(2))
    assert run(tmp_path / "last", last).best == {"error": 19.0, "step": 20}
    run(tmp_path / "best", best, export="best")
    early = Toy()
    run(tmp_path / "early", early, steps=20)
    assert torch.equal(best.model.weight, early.model.weight)
    assert not torch.equal(last.model.weight, early.model.weight)
    assert (tmp_path / "last/scratch/best.pt").exists()


def test_an_unknown_score_names_the_known(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"toy\.score: no psnr among the scores: error, weight"):
        run(tmp_path, Toy(), score="psnr")


def test_a_loss_that_is_not_finite_names_step_term_and_clips(tmp_path: Path) -> None:
    class Broken(Lines):
        def __getitem__(self, index: int) -> dict[str, Any]:
            sample = super().__getitem__(index)
            return sample | {"y": sample["y"] / 0} if index == 8 * 12 + 3 else sample

    message = r"not finite at step 13: fit is (inf|nan) on the clips clip 96, .*clip 103; try a smaller toy\.lr"
    with pytest.raises(InputError, match=message):
        run(tmp_path, Toy(), dataset=Broken())
    assert [path.name for path in (tmp_path / "scratch").glob("step-*")] == ["step-000000010.pt"]


def test_the_learning_rate_falls(tmp_path: Path) -> None:
    rates = {}
    for name, lr_every in (("steady", 100), ("decayed", 40)):
        run(tmp_path / name, Toy(), steps=41, lr_every=lr_every)
        rates[name] = last_checkpoint(tmp_path / name)["optimizers"]["line"]["adam"]["param_groups"][0]["lr"]
    assert rates == {"steady": pytest.approx(0.05), "decayed": pytest.approx(0.01)}


def test_passes_count_as_one_step(tmp_path: Path) -> None:
    """Schedules, the moving average, checkpoints and curves count updates of the weights."""
    log = Log()
    toy = Toy()
    run(tmp_path, toy, log, steps=40, micro_batch=2)
    assert toy.steps == list(range(40))
    assert [step for step, values in log.metrics if "loss/fit" in values] == list(range(4, 41, 4))
    assert last_checkpoint(tmp_path)["step"] == 40
    assert last_checkpoint(tmp_path)["optimizers"]["line"]["adam"]["state"][0]["step"] == 40


@pytest.mark.parametrize("precision", ["bf16", "fp16", "tf32"])
def test_other_precisions_learn_too(tmp_path: Path, precision: str) -> None:
    outcome = run(tmp_path, Toy(), steps=400, lr_every=1000, precision=precision)
    assert outcome.losses["fit"] < 0.1
    scaler = last_checkpoint(tmp_path)["optimizers"]["line"]["scaler"]
    assert bool(scaler) == (precision == "fp16")


def test_moving_average_follows_and_swaps() -> None:
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


def test_parameters_may_have_rates_of_their_own(tmp_path: Path) -> None:
    toy = Toy()
    toy.model = nn.Sequential(nn.Linear(2, 2), EqualLinear(2, 2))
    toy.phases["line"] = Line(toy.model, None, None)
    toy.validate = lambda: {"error": 0.0}  # type: ignore[method-assign]
    toy.rates = {"line": {"model.0": 0.01}}
    run(tmp_path, toy, steps=1, equalised=4.0)
    groups = last_checkpoint(tmp_path)["optimizers"]["line"]["adam"]["param_groups"]
    assert {group["name"]: group["lr"] for group in groups} == {"equalised": 0.2, "model.0": 0.01}


@pytest.mark.parametrize("scale", [1e3, 1e6])
def test_a_gradient_beyond_all_bounds_counts_no_more_than_a_long_one(tmp_path: Path, scale: float) -> None:
    def trained(factor: float) -> torch.Tensor:
        toy = Toy()
        line = toy.phases["line"]
        gentle = line.forward

        def steep(batch: dict, outputs: dict) -> Computed:
            computed = gentle(batch, outputs)
            return Computed({"fit": factor * computed.losses["fit"]}, computed.outputs)

        line.forward = steep  # type: ignore[method-assign]
        run(tmp_path / str(factor), toy, steps=5)
        return toy.model.weight.detach()

    assert trained(scale) == pytest.approx(trained(100.0), abs=1e-5)
