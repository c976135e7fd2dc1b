"""The four recipes on tiny networks: each trains what it should and nothing else, by losses that mean something."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import nn

from styleheat.constants import EXPRESSION
from styleheat.errors import InputError
from styleheat.morphable.model import face_model
from styleheat.networks.stylegan2 import Discriminator
from styleheat.training import losses
from styleheat.training.batches import to_device
from styleheat.training.prior import random_motion
from styleheat.training.regions import PARTS, part_image
from styleheat.training.styleheat import MOUTH_SIZE
from tests.training.tiny import (
    ALONE,
    AUDIO,
    PRIOR,
    SIZE,
    TINY,
    TINY_DETAIL,
    TINY_RELEASED,
    TRAIN,
    TRAIN_DETAIL,
    WARPER,
    Pairs,
    batch_of,
    build,
    changed,
    copied,
    pairs,
    play,
    speech,
    train,
)


@pytest.fixture(autouse=True)
def seed() -> None:
    torch.manual_seed(0)


def test_prior_trains_all_its_parts_and_the_discriminator() -> None:
    recipe = build(PRIOR)
    prior, discriminator = recipe.model, recipe.discriminator.discriminator
    before, discriminator_before = copied(prior), copied(discriminator)
    assert set(play(recipe, pairs())) == {"l1", "perceptual", "coarse", "adversarial", "discriminator", "r1"}
    assert changed(before, prior) == {"e4e_encoder", "hfgi_aligner", "hfgi_encoder", "stylegan"}
    assert changed(discriminator_before, discriminator)
    with torch.no_grad():
        assert set(recipe.validate()) == {"psnr", "psnr_codes_only", "ssim"}
        assert recipe.sample().shape == (4 * SIZE, 4 * SIZE, 3)


def test_without_an_adversarial_loss_there_is_no_discriminator() -> None:
    recipe = build(PRIOR.model_copy(update={"losses": PRIOR.losses.model_copy(update={"adversarial": 0.0})}))
    assert set(recipe.phases) == {"prior"}
    assert "adversarial" not in play(recipe, pairs())


def test_random_motion_is_a_moderate_and_smooth_warp_of_each_draw() -> None:
    draws = torch.arange(64)
    positions = random_motion(draws, 16)
    assert positions.shape == (64, 16, 16, 2)
    at = torch.linspace(-1, 1, 16)  # the mean of many is about the identity
    assert (positions.mean(0) - torch.stack(torch.meshgrid(at, at, indexing="xy"), -1)).abs().max() < 0.15
    assert (positions[:, 1:] - positions[:, :-1]).abs().max() < 0.6
    torch.testing.assert_close(random_motion(draws[10:12], 16), positions[10:12])


def test_the_warper_learns_to_follow_its_window() -> None:
    recipe = build(WARPER)
    optimizer = torch.optim.Adam(recipe.model.parameters(), 3e-3, betas=(0.5, 0.999))
    with torch.no_grad():
        start = recipe.validate()
    for step in range(200):
        batch = to_device(torch.utils.data.default_collate([Pairs()[8 * step + k] for k in range(8)]), ALONE.device)
        recipe.phase(batch, {}).losses["perceptual"].backward()
        optimizer.step()
        optimizer.zero_grad()
    with torch.no_grad():
        end = recipe.validate()
    assert start["psnr"] == pytest.approx(start["psnr_repeated_source"], abs=0.5)  # it starts from no motion
    assert end["psnr"] > start["psnr"] + 3
    assert end["flow"] > start["flow"] and end["perceptual"] < start["perceptual"]
    assert recipe.sample().shape == (3 * SIZE, 4 * SIZE, 3)


def test_a_mirrored_source_takes_the_targets_place_in_a_share_of_the_steps() -> None:
    recipe = build(WARPER.model_copy(update={"mirrored": 0.5}), TINY_RELEASED)
    seen: list[torch.Tensor] = []
    recipe.model.register_forward_pre_hook(lambda _, inputs: seen.append(inputs[0]))
    batch, mirrored = pairs(), 0
    for step in range(40):
        recipe.start_step(step)
        recipe.phase(batch, {})
        second = seen[-1][4:]
        assert torch.equal(seen[-1][:4], batch["source"])
        mirrored += torch.equal(second, batch["source"].flip(3))
        assert torch.equal(second, batch["target"]) or torch.equal(second, batch["source"].flip(3))
    assert 10 < mirrored < 30
    with pytest.raises(InputError, match=r"train_warper\.mirrored: 0\.5, but this network takes the source's"):
        build(WARPER.model_copy(update={"mirrored": 0.5}), TINY)


def test_styleheat_trains_warper_and_calibrator_and_leaves_the_prior() -> None:
    recipe = build(TRAIN)
    model = recipe.model
    before, buffers = copied(model), {name: value.clone() for name, value in model.generator.named_buffers()}
    for _ in range(2):  # heads that start at zero pass no gradient on in the first step
        values = play(recipe, pairs())
    assert set(values) == {"masked", "local", "warped", "outside", "adversarial", "discriminator", "r1"}
    assert changed(before, model) == {"video_warper", "calibrator"}
    for name, value in model.generator.named_buffers():  # running statistics of its batch norms
        assert torch.equal(value, buffers[name]), name
    with torch.no_grad():
        scores = recipe.validate()
    names = {"psnr", "psnr_face", "psnr_mouth", "ssim", "perceptual", "landmarks"}
    assert set(scores) == names | {f"{name}_repeated_source" for name in names} | {"flow"}


def test_a_discriminator_of_mouths_learns_beside_the_rest(tmp_path: Path) -> None:
    options = {"mouth": 0.5, "adversarial": 0.0}
    params = TRAIN.model_copy(update={"losses": TRAIN.losses.model_copy(update=options)})
    recipe = build(params)
    before = copied(recipe.phases["mouth"])
    computed = recipe.phase(batch := pairs(2), {})
    assert computed.outputs["mouth_real"].shape == computed.outputs["mouth_fake"].shape
    mouths = part_image(torch.cat([batch["target"], batch["source"]]), both_landmarks(batch), PARTS["mouth"])
    torch.testing.assert_close(computed.outputs["mouth_real"], mouths)
    for _ in range(2):
        values = play(recipe, pairs())
    assert {"mouth", "mouth_discriminator", "mouth_r1"} <= set(values) and "adversarial" not in values
    assert changed(before, recipe.phases["mouth"])
    painted = computed.outputs["mouth_fake"].clone().requires_grad_()
    losses.generator_loss(recipe.phases["mouth"].discriminator, MOUTH_SIZE, painted).backward()
    assert painted.grad is not None and painted.grad.abs().sum() > 0
    outcome = train(build(params), params.model_copy(update={"steps": 2}), tmp_path)
    assert {"mouth", "mouth_discriminator"} <= set(outcome.losses)
    with pytest.raises(InputError, match=r"train\.batch: 7 is not a multiple of 2"):
        build(params.model_copy(update={"batch": 7}))


def both_landmarks(batch: dict) -> torch.Tensor:
    return torch.cat([batch["target_landmarks"], batch["source_landmarks"]])


def test_both_directions_of_a_pair_are_trained() -> None:
    recipe = build(TRAIN)
    batch = pairs(2)
    turned = {
        key: batch[key.replace("source", "x").replace("target", "source").replace("x", "target")] for key in batch
    }
    with torch.no_grad():
        here, there = (recipe.phase(each, {}).losses for each in (batch, turned))
    for key in here:
        torch.testing.assert_close(here[key], there[key], msg=key)
    assert len(recipe.phase(batch, {}).outputs["fake"]) == 4


def test_the_warper_may_be_left_as_it_is() -> None:
    recipe = build(TRAIN.model_copy(update={"lr_warper": 0.0}))
    before = copied(recipe.model)
    for _ in range(2):
        play(recipe, pairs())
    assert changed(before, recipe.model) == {"calibrator"}


def test_an_aligned_source_is_inverted_in_training_validation_and_samples() -> None:
    recipe = build(TRAIN.model_copy(update={"aligned_source": True}))
    seen: list[torch.Tensor] = []
    recipe.model.generator.invert = spy(recipe.model.generator.invert, seen)
    batch = pairs()
    recipe.phase(batch, {})
    assert torch.equal(seen[0], torch.cat([batch["source_align"], batch["target_align"]]))
    with torch.no_grad():
        scores = recipe.validate()
        recipe.sample()
    assert all(torch.equal(images, batch["source_align"]) for images in seen[1:]) and len(seen) == 3
    assert "landmarks" not in scores and "flow" in scores


def spy(function: Any, seen: list[torch.Tensor]) -> Any:
    def call(image: torch.Tensor) -> Any:
        seen.append(image)
        return function(image)

    return call


@pytest.mark.parametrize("part", ["video_warper", "generator.stylegan"])
def test_validation_paints_no_more_at_once_than_a_step(part: str) -> None:
    recipe, prior = build(TRAIN), build(PRIOR)
    recipe.heldout = prior.heldout = batch_of(Pairs(), 9)
    seen: list[int] = []
    for model in (recipe.model, nn.ModuleDict({"generator": prior.model})):
        if part.split(".")[0] in dict(model.named_children()):
            model.get_submodule(part).register_forward_pre_hook(lambda _, inputs: seen.append(len(inputs[0])))
    recipe.model.eval(), prior.model.eval()
    with torch.no_grad():
        scores = recipe.validate(), prior.validate()
        assert seen and max(seen) <= 2 * TRAIN.batch
        recipe.batch = prior.batch = 9  # all at once gives the same
        for once, parts in zip((recipe.validate(), prior.validate()), scores, strict=True):
            assert once == pytest.approx(parts, abs=1e-3)


def test_styleheat_may_tune_the_prior_but_not_its_codes() -> None:
    recipe = build(TRAIN.model_copy(update={"tune_prior": True}))
    model = recipe.model
    before, prior = copied(model), copied(model.generator)
    statistics = {name: value.clone() for name, value in model.generator.named_buffers() if "running" in name}
    for _ in range(2):
        play(recipe, pairs())
    assert changed(before, model) == {"video_warper", "calibrator", "generator"}
    assert changed(prior, model.generator) == {"hfgi_aligner", "hfgi_encoder", "stylegan"}
    now = dict(model.generator.named_buffers())
    followed = {name.split(".")[0] for name, value in statistics.items() if not torch.equal(now[name], value)}
    assert followed == {"hfgi_aligner", "hfgi_encoder"}


def test_landmarks_teach_the_flow_alone() -> None:
    weights = TRAIN.losses.model_copy(update={"landmarks": 20.0})
    recipe = build(TRAIN.model_copy(update={"losses": weights}))
    recipe.phase(pairs(), {}).losses["landmarks"].backward()
    taught = {name.split(".")[0] for name, p in recipe.model.named_parameters() if p.grad is not None and p.grad.any()}
    assert taught == {"video_warper"}
    with pytest.raises(InputError, match=r"train\.losses\.landmarks: 20, but the landmarks of an aligned source"):
        build(TRAIN.model_copy(update={"losses": weights, "aligned_source": True}))


def test_the_soft_mask_falls_with_the_steps() -> None:
    recipe = build(TRAIN)
    floors = []
    for step in range(4):
        recipe.start_step(step)
        floors.append(recipe.phase._outside())
    assert floors == [0.2, 0.2, 0.05, 0.05]


def test_a_discriminator_needs_complete_groups() -> None:
    with pytest.raises(InputError, match=r"train\.batch: 7 is not a multiple of 2"):
        build(TRAIN.model_copy(update={"batch": 7}))
    with pytest.raises(InputError, match=r"train_prior\.batch: 6 is not a multiple of 4"):
        build(PRIOR.model_copy(update={"batch": 6}))


def test_generator_and_discriminator_pull_against_each_other() -> None:
    """The discriminator's loss falls when it separates real from fake; the generator's when fake passes for real."""
    discriminator = Discriminator(TINY)
    real = pairs(8)["source"]
    fake = -real
    phase = losses.DiscriminatorPhase(discriminator, TINY.discriminator_size, r1=1.0)
    optimizer = torch.optim.Adam(discriminator.parameters(), 2e-3)
    first = fooled = None
    for step in range(40):
        phase.step = step
        found = phase({}, {"real": real, "fake": fake}).losses
        first = first or float(found["discriminator"].detach())
        fooled = fooled or float(losses.generator_loss(discriminator, TINY.discriminator_size, fake))
        torch.stack(list(found.values())).sum().backward()
        optimizer.step()
        optimizer.zero_grad()
    phase.step = 1  # a step without the penalty
    computed = phase({}, {"real": real, "fake": fake})
    assert set(computed.losses) == {"discriminator"} and float(computed.losses["discriminator"].detach()) < 0.5 * first
    assert computed.monitors["logit/real"] > computed.monitors["logit/fake"]
    assert float(losses.generator_loss(discriminator, TINY.discriminator_size, fake)) > 2 * fooled
    moved = fake.clone().requires_grad_()
    losses.generator_loss(discriminator, TINY.discriminator_size, moved).backward()
    assert all(p.grad is None for p in discriminator.parameters())  # nothing gathers in the discriminator
    closer = (moved - 0.5 * moved.grad / moved.grad.abs().max()).detach()
    assert discriminator(closer).mean() > discriminator(fake).mean()


def test_audio_phases_train_their_own_parts() -> None:
    recipe = build(AUDIO)
    before = copied(recipe.model.audio2pose)
    values = play(recipe, speech())
    wanted = {"expression", "velocity", "lips", "closure", "pose", "divergence", "motion", "motion_discriminator"}
    assert set(values) == wanted
    assert changed(before, recipe.model.audio2pose) == {"audio_encoder", "netG", "netD_motion"}
    with torch.no_grad():
        assert set(recipe.validate()) == {
            "expression_l1", "expression_l1_repeated_reference", "mouth_correlation", "mouth_range",
        }  # fmt: skip
        assert recipe.sample().shape[2] == 3


def test_the_lips_loss_sees_lips_alone() -> None:
    phase = build(AUDIO).phases["expression"]
    names = face_model().expression_names
    jaw, brow = (
        torch.eye(EXPRESSION)[names.index(name)] for name in ("jaw_open", next(n for n in names if "brow" in n))
    )
    assert (jaw @ phase.lips).abs().sum() > 20 * (brow @ phase.lips).abs().sum()


def test_a_warper_starts_from_geometry() -> None:
    """Which moves the blobs to where they are, before anything is learnt."""
    scores = build(WARPER, TINY_DETAIL).validate()
    assert scores["psnr"] > scores["psnr_repeated_source"] + 3
    assert build(WARPER).validate()["psnr"] == pytest.approx(scores["psnr_repeated_source"], abs=1e-3)


def test_detail_is_trained_through_what_is_composed(tmp_path: Path) -> None:
    recipe = build(TRAIN_DETAIL, TINY_DETAIL)
    computed = recipe.phase(to_device(batch_of(Pairs()), torch.device("cpu")), {})
    assert {"masked", "local", "painted", "mask", "adversarial"} <= set(computed.losses)
    shown = 1 - float(computed.monitors["mask"])
    assert float(computed.losses["mask"]) == pytest.approx(0.1 * shown, rel=1e-3)  # geometry is sure everywhere
    sum(computed.losses.values()).backward()
    bias = recipe.model.generator.stylegan.to_rgbs[-1].bias
    assert bias.grad is None  # the prior does not learn along
    assert recipe.model.video_warper.warping_net.flow_out[-1].weight.grad.abs().sum() > 0
    rows = recipe.sample()
    assert rows.shape[0] == 5 * SIZE  # input, target, driven, painted, mask
    outcome = train(build(TRAIN_DETAIL, TINY_DETAIL), TRAIN_DETAIL.model_copy(update={"steps": 2}), tmp_path)
    assert np.isfinite([number for number in outcome.metrics().values() if isinstance(number, float)]).all()


@pytest.mark.parametrize("key", ["painted", "mask"])
def test_losses_of_detail_need_a_network_with_it(key: str) -> None:
    losses = TRAIN.losses.model_copy(update={key: 0.1})
    with pytest.raises(InputError, match=r"painted and mask are of networks that take detail"):
        build(TRAIN.model_copy(update={"losses": losses}))
    with pytest.raises(InputError, match=r"aligned_source: true, but this network moves the source itself"):
        build(TRAIN.model_copy(update={"aligned_source": True}), TINY_DETAIL)
