"""The four recipes on tiny networks: each trains what it should and nothing else, by losses that mean something."""

import dataclasses

import pytest
import torch
from torch import nn

from styleheat.constants import DESCRIPTOR, EXPRESSION, WINDOW
from styleheat.errors import InputError
from styleheat.networks.audio2motion import Audio2Motion
from styleheat.networks.config import NETWORKS
from styleheat.networks.inversion import Inverter
from styleheat.networks.stylegan2 import Discriminator
from styleheat.networks.styleheat import StyleHEAT
from styleheat.params import AudioLosses, PriorLosses, StyleHeatLosses, Train, TrainAudio, TrainPrior, TrainWarper
from styleheat.training import losses, run
from styleheat.training.audio import FRAMES, AudioRecipe
from styleheat.training.prior import PriorRecipe, random_motion
from styleheat.training.styleheat import StyleHEATRecipe
from styleheat.training.warper import WarperRecipe

TINY = dataclasses.replace(
    NETWORKS["embedded"],
    image_size=32,
    input_size=32,
    feature_size=8,
    channels=(8, 8, 8, 8),
    warper_base=4,
    warper_max=16,
    warper_down=3,
    calibrator_width=8,
    critic_size=32,
    critic_channels=(8, 8, 8, 8),
)
COMMON = {
    "init": "models/scratch",
    "steps": 1,
    "batch": 4,
    "lr": 0.001,
    "equalised": 1.0,
    "lr_every": 1000,
    "sample_every": 10,
    "save_every": 10,
}
IMAGES = COMMON | {"perceptual": "gradient", "perceptual_weights": "models/none"}
PRIOR = TrainPrior(**IMAGES, losses=PriorLosses(l1=1.0, perceptual=1.0, adversarial=0.1, r1=10.0))
TRAIN = Train(
    **IMAGES,
    tune_prior=False,
    aligned_source=False,
    mask_outside=[(0, 0.2), (2, 0.05)],
    losses=StyleHeatLosses(
        warped=0.02, masked=0.2, style=250.0, outside=0.01, adversarial=0.1, local=2.0, landmarks=0.0, r1=10.0
    ),
)
AUDIO = TrainAudio(
    **COMMON,
    losses=AudioLosses(expression=1.0, velocity=1.0, lips=1.0, reconstruction=1.0, divergence=1.0, motion=0.7),
)


@pytest.fixture(autouse=True)
def seed():
    torch.manual_seed(0)


def pairs(count: int = 4) -> dict:
    """Two frames of a moving blob each, with landmarks that make sense of the boxes."""
    at = torch.linspace(-1, 1, 32)

    def blob(x: torch.Tensor) -> torch.Tensor:
        bump = torch.exp(-((at[None, None, :] - x[:, None, None]) ** 2 + at[None, :, None] ** 2) / 0.1)
        return (2 * bump - 1)[:, None].expand(-1, 3, -1, -1).contiguous()

    source, target = torch.rand(count) - 0.5, torch.rand(count) - 0.5
    window = torch.zeros(count, DESCRIPTOR, WINDOW)
    return {
        "source": blob(source),
        "target": blob(target),
        "source_align": blob(torch.zeros(count)),
        "source_window": window + source[:, None, None],
        "target_window": window + target[:, None, None],
        "source_landmarks": 8 + 16 * torch.rand(count, 68, 2),
        "target_landmarks": 8 + 16 * torch.rand(count, 68, 2),
        "clip": ["clip"] * count,
    }


def speech(count: int = 4) -> dict:
    return {
        "mel": torch.randn(count, FRAMES, 1, 80, 16),
        "descriptors": torch.randn(count, FRAMES, DESCRIPTOR),
        "blink": torch.rand(count, FRAMES),
        "person": torch.arange(count),
        "clip": ["clip"] * count,
    }


def play(recipe, batch: dict, lr: float = 0.01) -> dict[str, float]:
    """One step of every player, as the loop makes it."""
    recipe.model.train()
    told, seen = {}, {}
    for player in recipe.players.values():
        optimizer = torch.optim.SGD([p for p in player.parameters() if p.requires_grad], lr)
        parts, seen = player(batch, seen)
        torch.stack(list(parts.values())).sum().backward()
        optimizer.step()
        optimizer.zero_grad()
        told |= {key: float(value.detach()) for key, value in parts.items()}
    return told


def changed(before: dict[str, torch.Tensor], module: nn.Module) -> set[str]:
    """First two parts of the names of parameters that are no longer what they were."""
    now = dict(module.named_parameters())
    return {name.split(".")[0] for name in before if not torch.equal(before[name], now[name])}


def copied(module: nn.Module) -> dict[str, torch.Tensor]:
    return {name: parameter.detach().clone() for name, parameter in module.named_parameters()}


def test_prior_trains_all_its_parts_and_the_critic():
    prior, critic = Inverter(TINY), Discriminator(TINY)
    recipe = PriorRecipe(TINY, PRIOR, prior, critic, pairs(8)["source"])
    before, critic_before = copied(prior), copied(critic)
    told = play(recipe, pairs())
    assert set(told) == {"l1", "perceptual", "coarse", "adversarial", "critic"}
    assert changed(before, prior) == {"e4e_encoder", "hfgi_aligner", "hfgi_encoder", "stylegan"}
    assert changed(critic_before, critic)
    with torch.no_grad():
        assert set(recipe.validate()) == {"psnr", "psnr_codes_only"}
        assert recipe.sample().shape == (4 * 32, 8 * 32, 3)


def test_without_an_adversarial_loss_there_is_no_critic():
    params = PRIOR.model_copy(update={"losses": PriorLosses(l1=1.0, perceptual=1.0, adversarial=0.0, r1=10.0)})
    recipe = PriorRecipe(TINY, params, Inverter(TINY), Discriminator(TINY), pairs()["source"])
    assert set(recipe.players) == {"prior"}
    assert "adversarial" not in play(recipe, pairs())


def test_random_motion_is_a_moderate_and_smooth_warp():
    positions = random_motion(64, 16, torch.Generator().manual_seed(0))
    assert positions.shape == (64, 16, 16, 2)
    still = random_motion(64, 16, torch.Generator().manual_seed(0)).mean(0)  # the mean of many is about the identity
    at = torch.linspace(-1, 1, 16)
    assert (still - torch.stack(torch.meshgrid(at, at, indexing="xy"), -1)).abs().max() < 0.15
    assert (positions[:, 1:] - positions[:, :-1]).abs().max() < 0.6


def test_the_warper_learns_to_follow_its_window():
    from styleheat.networks.warper import VideoWarper

    warper = VideoWarper(TINY)
    recipe = WarperRecipe(TINY, TrainWarper(**IMAGES), warper, pairs(24))
    optimizer = torch.optim.Adam(warper.parameters(), 3e-3, betas=(0.5, 0.999))
    with torch.no_grad():
        start = recipe.validate()
    for _ in range(200):
        parts, _ = recipe.players["warper"](pairs(8), {})
        parts["perceptual"].backward()
        optimizer.step()
        optimizer.zero_grad()
    with torch.no_grad():
        end = recipe.validate()
    assert start["psnr"] == pytest.approx(start["psnr_repeated_source"], abs=0.5)  # it starts from no motion
    assert end["psnr"] > start["psnr"] + 3
    assert recipe.sample().shape == (3 * 32, 8 * 32, 3)


def test_styleheat_trains_warper_and_calibrator_and_leaves_the_prior():
    model, critic = StyleHEAT(TINY), Discriminator(TINY)
    recipe = StyleHEATRecipe(TINY, TRAIN, model, critic, pairs(8))
    before, buffers = copied(model), {name: value.clone() for name, value in model.generator.named_buffers()}
    for _ in range(2):  # heads that start at zero pass no gradient on in the first step
        told = play(recipe, pairs())
    assert set(told) == {"masked", "local", "warped", "outside", "adversarial", "critic"}
    assert changed(before, model) == {"video_warper", "calibrator"}
    for name, value in model.generator.named_buffers():  # running statistics of its batch norms
        assert torch.equal(value, buffers[name]), name
    with torch.no_grad():
        assert set(recipe.validate()) == {"psnr", "psnr_repeated_source", "psnr_mouth", "psnr_mouth_repeated_source"}


@pytest.mark.parametrize("part", ["video_warper", "generator.stylegan"])
def test_judging_paints_no_more_at_once_than_a_step(part: str):
    model, seen = StyleHEAT(TINY), []
    recipe = StyleHEATRecipe(TINY, TRAIN, model, Discriminator(TINY), pairs(9))
    prior = PriorRecipe(TINY, PRIOR, model.generator, Discriminator(TINY), pairs(9)["source"])
    model.get_submodule(part).register_forward_pre_hook(lambda _, inputs: seen.append(len(inputs[0])))
    model.eval()
    with torch.no_grad():
        scores = recipe.validate(), prior.validate()
        assert seen and set(seen) == {TRAIN.batch, 9 - 2 * TRAIN.batch}
        recipe.batch = prior.batch = 9  # all at once gives the same
        for once, parts in zip((recipe.validate(), prior.validate()), scores, strict=True):
            assert once == pytest.approx(parts, abs=1e-3)


def test_styleheat_may_tune_the_prior_but_not_its_codes():
    model = StyleHEAT(TINY)
    params = TRAIN.model_copy(update={"tune_prior": True})
    recipe = StyleHEATRecipe(TINY, params, model, Discriminator(TINY), pairs(8))
    before, prior = copied(model), copied(model.generator)
    statistics = {name: value.clone() for name, value in model.generator.named_buffers() if "running" in name}
    for _ in range(2):
        play(recipe, pairs())
    assert changed(before, model) == {"video_warper", "calibrator", "generator"}
    assert changed(prior, model.generator) == {"hfgi_aligner", "hfgi_encoder", "stylegan"}
    now = dict(model.generator.named_buffers())
    followed = {name.split(".")[0] for name, value in statistics.items() if not torch.equal(now[name], value)}
    assert followed == {"hfgi_aligner", "hfgi_encoder"}


def test_landmarks_teach_the_flow_alone():
    losses = TRAIN.losses.model_copy(update={"landmarks": 20.0})
    model = StyleHEAT(TINY)
    recipe = StyleHEATRecipe(TINY, TRAIN.model_copy(update={"losses": losses}), model, Discriminator(TINY), pairs(8))
    parts, _ = recipe.players["styleheat"](pairs(), {})
    parts["landmarks"].backward()
    taught = {name.split(".")[0] for name, p in model.named_parameters() if p.grad is not None and p.grad.any()}
    assert taught == {"video_warper"}


def test_the_soft_mask_falls_with_the_steps():
    recipe = StyleHEATRecipe(TINY, TRAIN, StyleHEAT(TINY), Discriminator(TINY), pairs(8))
    floors = []
    for step in range(4):
        recipe.begin_step(step)
        floors.append(recipe.player._outside())
    assert floors == [0.2, 0.2, 0.05, 0.05]


def test_a_discriminator_needs_whole_groups():
    params = TRAIN.model_copy(update={"batch": 6})
    with pytest.raises(InputError, match=r"train\.batch: 6 is not a multiple of 4"):
        StyleHEATRecipe(TINY, params, StyleHEAT(TINY), Discriminator(TINY), pairs(8))


def test_fooling_and_criticising_pull_against_each_other():
    """The critic's loss falls as it tells real from fake; the generator's falls as the critic takes fake for real."""
    critic = Discriminator(TINY)
    real, fake = pairs(8)["source"], -pairs(8)["source"]
    player = losses.CriticPlayer(critic, TINY.critic_size, r1=1.0)
    optimizer = torch.optim.Adam(critic.parameters(), 2e-3)
    first = fooled = None
    for step in range(40):
        player.step = step
        parts, _ = player({}, {"real": real, "fake": fake})
        first = first or float(parts["critic"].detach())
        fooled = fooled or float(losses.fooling_loss(critic, TINY.critic_size, fake))
        parts["critic"].backward()
        optimizer.step()
        optimizer.zero_grad()
    player.step = 1  # a step without the penalty
    assert float(player({}, {"real": real, "fake": fake})[0]["critic"].detach()) < 0.5 * first
    assert float(losses.fooling_loss(critic, TINY.critic_size, fake)) > 2 * fooled
    moved = fake.clone().requires_grad_()
    losses.fooling_loss(critic, TINY.critic_size, moved).backward()
    assert all(p.grad is None for p in critic.parameters())  # nothing gathers in the critic
    closer = (moved - 0.5 * moved.grad / moved.grad.abs().max()).detach()
    assert critic(closer).mean() > critic(fake).mean()


def test_audio_players_train_their_own_parts():
    model = Audio2Motion(NETWORKS["embedded"])
    recipe = AudioRecipe(AUDIO, model, speech(4))
    before = copied(model.audio2pose)
    told = play(recipe, speech())
    assert set(told) == {"expression", "velocity", "lips", "pose", "divergence", "motion", "motion_critic"}
    assert changed(before, model.audio2pose) == {"audio_encoder", "netG", "netD_motion"}
    with torch.no_grad():
        assert set(recipe.validate()) == {"expression_l1", "expression_l1_first_frame", "mouth_correlation"}
        assert recipe.sample().shape[2] == 3


def test_the_lips_loss_sees_lips_alone():
    from styleheat.morphable.model import face_model

    model = Audio2Motion(NETWORKS["embedded"])
    player = AudioRecipe(AUDIO, model, speech(2)).players["expression"]
    names = face_model().expression_names
    jaw, brow = (
        torch.eye(EXPRESSION)[names.index(name)] for name in ("jaw_open", next(n for n in names if "brow" in n))
    )
    assert (jaw @ player.lips).abs().sum() > 20 * (brow @ player.lips).abs().sum()


def test_training_begins_from_a_whole_model_a_part_or_nothing(tmp_path):
    from styleheat import checkpoints

    model = StyleHEAT(TINY)
    checkpoints.save_model(tmp_path / "whole", model, TINY, {})
    checkpoints.save_model(tmp_path / "part", model.generator, TINY, {})
    (tmp_path / "nothing").mkdir()
    for folder in ("whole", "part"):
        fresh = Inverter(TINY)
        assert run.begin(fresh, tmp_path / folder, part="generator")
        assert changed(copied(model.generator), fresh) == set()
    fresh = Inverter(TINY)
    before = copied(fresh)
    assert not run.begin(fresh, tmp_path / "nothing", part="generator")
    assert changed(before, fresh) == set()
    with pytest.raises(InputError, match="does not fit"):
        run.begin(Discriminator(TINY), tmp_path / "part", part="generator")
