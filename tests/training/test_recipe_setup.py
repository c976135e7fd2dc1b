"""Initial weights, batches, standardised inputs and learning rates of the recipes."""

import dataclasses
from pathlib import Path

import pytest
import torch

from styleheat.errors import InputError
from styleheat.networks.inversion import Inverter
from styleheat.networks.stylegan2 import Discriminator
from styleheat.networks.styleheat import StyleHEAT
from styleheat.networks.warper import VideoWarper
from styleheat.training import run
from styleheat.training.batches import divide, split, to_device
from styleheat.training.optimizer import PhaseOptimizer
from tests.training.tiny import (
    ALONE,
    SIZE,
    TINY,
    TINY_RELEASED,
    WARPER,
    Pairs,
    batch_of,
    build,
    changed,
    copied,
)


@pytest.fixture(autouse=True)
def seed() -> None:
    torch.manual_seed(0)


def test_training_starts_from_a_complete_model_a_part_or_nothing(tmp_path: Path) -> None:
    from styleheat import checkpoints

    model = StyleHEAT(TINY)
    checkpoints.save_model(tmp_path / "complete", model, TINY, {})
    checkpoints.save_model(tmp_path / "part", model.generator, TINY, {})
    (tmp_path / "nothing").mkdir()
    for folder in ("complete", "part"):
        fresh = Inverter(TINY)
        assert run.load_init(fresh, tmp_path / folder, part="generator")
        assert changed(copied(model.generator), fresh) == set()
    fresh = Inverter(TINY)
    before = copied(fresh)
    assert not run.load_init(fresh, tmp_path / "nothing", part="generator")
    assert changed(before, fresh) == set()
    with pytest.raises(InputError, match="does not fit"):
        run.load_init(Discriminator(TINY), tmp_path / "part", part="generator")


def test_the_discriminator_starts_from_its_folder(tmp_path: Path) -> None:
    from styleheat import checkpoints

    given = Discriminator(TINY)
    checkpoints.save_model(tmp_path, given, TINY, {})
    assert changed(copied(given), run.discriminator(TINY, tmp_path)) == set()


def test_parts_hold_complete_groups_and_cover_the_batch_in_strides() -> None:
    division = divide("train", batch=16, micro_batch=4, processes=2, unit=2)
    assert (division.passes, division.samples, division.parts) == (2, 4, 4)
    parts = [list(division.indices(3, process, number)) for process in range(2) for number in range(2)]
    assert parts[0] == [48, 52, 56, 60] and sorted(index for part in parts for index in part) == list(range(48, 64))
    assert divide("train", batch=6, micro_batch=None, processes=1, unit=4).passes == 1
    assert divide("train", batch=24, micro_batch=5, processes=1, unit=4).samples == 4
    with pytest.raises(InputError, match=r"train\.batch: 16 is not a multiple of the 3 processes"):
        divide("train", batch=16, micro_batch=None, processes=3, unit=1)
    with pytest.raises(InputError, match=r"train\.micro_batch: 2 of a batch of 16 on 1 processes: .* a multiple of 4"):
        divide("train", batch=16, micro_batch=2, processes=1, unit=4)


def test_images_arrive_as_float_planes() -> None:
    batch = batch_of(Pairs(), 3)
    assert batch["source"].dtype == torch.uint8
    moved = to_device(batch, ALONE.device)
    assert moved["source"].shape == (3, 3, SIZE, SIZE) and moved["source"].dtype == torch.float32
    torch.testing.assert_close(moved["source"], batch["source"].permute(0, 3, 1, 2) / 127.5 - 1)
    assert [len(part["clip"]) for part in split(batch, 2)] == [2, 1]


def test_statistics_folded_into_the_first_convolution_standardise_windows() -> None:
    warper = VideoWarper(TINY_RELEASED)
    windows = torch.randn(4, 73, 27)
    wanted = warper.mapping_net(windows)
    mean, deviation = torch.randn(73), torch.rand(73) + 0.1
    warper.standardise(mean, deviation)
    found = warper.mapping_net(windows * deviation[:, None] + mean[:, None])
    torch.testing.assert_close(found, wanted, rtol=1e-4, atol=1e-4)


def test_a_relative_warper_takes_changes_and_stays_where_there_are_none() -> None:
    config = dataclasses.replace(TINY_RELEASED, relative=True)
    warper, source, image = VideoWarper(config), torch.randn(2, 73), torch.rand(2, 3, SIZE, SIZE)
    same = source[..., None].expand(-1, -1, 27)
    assert warper.conditioned(same, source).abs().max() == 0
    moved = warper.move(image, warper(image, warper.conditioned(same, source)))
    torch.testing.assert_close(moved, image, rtol=0, atol=1e-5)  # the last layer is initialised to 0


def test_weights_of_many_inputs_have_smaller_rates() -> None:
    recipe = build(WARPER.model_copy(update={"lr_fan_in": 64}), dataclasses.replace(TINY_RELEASED, relative=True))
    groups = PhaseOptimizer(recipe.phase, WARPER, {}, ALONE, recipe.fan_in).adam.param_groups
    rates = {id(p): group["rate"] for group in groups for p in group["params"]}
    warping = recipe.model.warping_net
    last = warping.flow_out[2].weight
    assert rates[id(last)] == pytest.approx(WARPER.lr * 64 / last[0].numel())
    assert rates[id(warping.flow_out[2].bias)] == WARPER.lr
    assert rates[id(warping.hourglass.encoder.encoder0.norm_0.mlp_gamma.weight)] == WARPER.lr  # of 48 inputs
