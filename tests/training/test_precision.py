"""Training with less memory or in half precision: what stays equal, and what stays float32."""

from pathlib import Path
from typing import Any

import pytest
import torch
from torch import nn

from styleheat.networks import flow as flows
from styleheat.networks.perceptual import GradientLoss, PerceptualLoss, Vgg19, eager
from styleheat.networks.warper import VideoWarper
from styleheat.training.regions import local_losses
from styleheat.training.removed import removed_biases
from tests.training.tiny import (
    AUDIO,
    PRIOR,
    TINY,
    TINY_RELEASED,
    TRAIN,
    WARPER,
    build,
    pairs,
    speech,
    train,
)

ALL = [PRIOR, WARPER, TRAIN, TRAIN.model_copy(update={"tune_prior": True}), AUDIO]


@pytest.fixture(autouse=True)
def seed() -> None:
    torch.manual_seed(0)


def two_steps(settings: Any, folder: Path, **changes: Any) -> tuple[dict[str, float], dict[str, torch.Tensor]]:
    """Losses and weights after them."""
    chosen = settings.model_copy(update={"steps": 2} | changes)
    recipe = build(chosen)
    return train(recipe, chosen, folder).losses, recipe.model.state_dict()


@pytest.fixture(scope="module", params=ALL, ids=["prior", "warper", "styleheat", "tunes", "audio"])
def plain(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> tuple[Any, Any, Any]:
    """Parameters of a training, and what two steps give as they are: in float32, without checkpointing."""
    return request.param, *two_steps(request.param, tmp_path_factory.mktemp("plain"))


def test_checkpointing_changes_no_number(plain: tuple[Any, Any, Any], tmp_path: Path) -> None:
    settings, losses, weights = plain
    found, others = two_steps(settings, tmp_path, checkpointing=True)
    assert found == pytest.approx(losses, rel=1e-5)
    for name, tensor in weights.items():
        torch.testing.assert_close(others[name], tensor, rtol=1e-4, atol=1e-5, msg=name)


@pytest.mark.parametrize("precision", ["bf16", "fp16"])
def test_every_recipe_trains_in_half_precision(plain: tuple[Any, Any, Any], precision: str, tmp_path: Path) -> None:
    settings, losses, _ = plain
    found, _ = two_steps(settings, tmp_path, precision=precision)
    for key, value in losses.items():
        assert found[key] == pytest.approx(value, rel=0.1, abs=0.02), key


def test_an_eager_loss_has_the_gradient_of_the_plain_one() -> None:
    image = torch.randn(2, 3, 8, 8, requires_grad=True)
    plain = (3 * image.square().mean()).clone()
    (wanted,) = torch.autograd.grad(5 * plain, image)
    value = eager(lambda x: 3 * x.square().mean(), image)
    (found,) = torch.autograd.grad(5 * value, image)
    torch.testing.assert_close(value, plain)
    torch.testing.assert_close(found, wanted)
    assert not eager(lambda x: x.mean(), image.detach()).requires_grad


# --- precision: geometry and losses are float32


def test_a_zero_flow_is_the_identity_in_bf16() -> None:
    image = torch.rand(1, 3, 64, 64)
    with torch.autocast("cpu", torch.bfloat16):
        positions = flows.deformation(torch.zeros(1, 2, 64, 64, dtype=torch.bfloat16))
        moved = flows.warp(image, positions)
    assert positions.dtype == moved.dtype == torch.float32
    torch.testing.assert_close(moved, image, rtol=0, atol=1e-5)  # of float32's own rounding
    assert torch.equal(positions, flows.deformation(torch.zeros(1, 2, 64, 64)))


def test_the_flow_and_all_losses_are_float32_in_bf16() -> None:
    warper = VideoWarper(TINY_RELEASED)
    nn.init.normal_(warper.warping_net.flow_out[2].weight, 0, 0.1)
    batch = pairs()
    with torch.autocast("cpu", torch.bfloat16):
        motion = warper(batch["source"], batch["target_window"])
        moved = warper.move(batch["source"], motion)
        half = torch.rand(2, 3, 32, 32).bfloat16()
        values = [
            GradientLoss()(half, half.float()),
            *local_losses(half, half.float(), batch["source_landmarks"][:2]).values(),
        ]
    assert {motion.flow.dtype, motion.positions.dtype, motion.descriptor.dtype, moved.dtype} == {torch.float32}
    assert {value.dtype for value in values} == {torch.float32}
    steps = motion.flow.flatten()
    assert not torch.equal(steps, steps.bfloat16().float())  # finer than bf16 can say


def test_vgg19_compares_in_float32(monkeypatch: pytest.MonkeyPatch) -> None:
    from styleheat.networks import perceptual

    monkeypatch.setattr(perceptual, "VGG19", tuple(channels // 16 for channels in perceptual.VGG19))
    loss = PerceptualLoss(Vgg19(), style=250.0)
    image, target = torch.rand(1, 3, 128, 128), torch.rand(1, 3, 128, 128)
    plain = loss(image, target)
    with torch.autocast("cpu", torch.bfloat16):
        torch.testing.assert_close(loss(image, target), plain)


# --- what has no effect, and how batches are divided


@pytest.mark.parametrize("settings", ALL, ids=["prior", "warper", "styleheat", "tunes", "audio"])
def test_what_is_not_trained_has_no_effect(settings: Any) -> None:
    """In float64, where rounding can't be taken for a gradient."""
    recipe = build(settings, TINY_RELEASED if settings is TRAIN else TINY)
    with torch.no_grad():
        for parameter in recipe.model.parameters():
            parameter.add_(0.05 * torch.randn_like(parameter))
    for phase in recipe.phases.values():
        phase.double()
    recipe.model.double().train()
    batch = speech(8) if settings is AUDIO else pairs(8)
    batch = {k: v.double() if isinstance(v, torch.Tensor) and v.is_floating_point() else v for k, v in batch.items()}
    torch.set_default_dtype(torch.float64)
    try:
        outputs: dict[str, Any] = {}
        dead: set[int] = set()
        for phase in recipe.phases.values():
            trained = [p for p in phase.parameters() if p.requires_grad]
            computed = phase(batch, outputs)
            outputs |= computed.outputs
            loss = torch.stack(list(computed.losses.values())).sum()
            gradients = torch.autograd.grad(loss, trained, allow_unused=True)
            found = zip(trained, gradients, strict=True)
            dead |= {id(p) for p, gradient in found if gradient is not None and gradient.abs().max() < 1e-11}
    finally:
        torch.set_default_dtype(torch.float32)
    considered = {id(p) for phase in recipe.phases.values() for p in phase.parameters() if p.requires_grad}
    assert dead == {id(p) for p in removed_biases(recipe.model)} & considered
