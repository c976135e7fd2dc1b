"""Speech to motion: lengths, the given first pose, what each input reaches, and smoothing."""

import dataclasses

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from styleheat.networks.audio2motion import CHUNK, Audio2Motion, PoseNet, blink_track, smooth_poses
from styleheat.networks.audio_encoder import REACH, audio_encoder
from styleheat.networks.config import NETWORKS

CONFIG = NETWORKS["embedded"]


@pytest.fixture(scope="module")
def model() -> Audio2Motion:
    torch.manual_seed(0)
    return Audio2Motion(CONFIG).eval().requires_grad_(False)


@pytest.mark.parametrize("frames", [1, 2, 10, 32, 33, 34, 70])
def test_as_many_frames_as_windows(model: Audio2Motion, frames: int) -> None:
    mels, reference = torch.randn(1, frames, 1, 80, 16), torch.randn(1, 70)
    z = torch.randn(model.audio2pose.chunks(frames), 1, CONFIG.pose_latent)
    made = model(mels, reference, torch.zeros(1, frames, 1), torch.tensor([0]), z)
    assert made.shape == (1, frames, 70)
    assert torch.equal(made[:, 0, 64:], reference[:, 64:])


def test_a_frame_depends_on_its_window_alone_or_on_those_around_it() -> None:
    """A changed window reaches its own frame through Wav2Lip's encoder; through the one with context, `REACH` frames
    for each block to either side."""
    torch.manual_seed(0)
    alone = dataclasses.replace(CONFIG, audio_widths=(4, 4, 8, 8, 16), audio_blocks=0)
    around = dataclasses.replace(CONFIG, audio_widths=(16, 24), audio_blocks=2)
    mels = torch.randn(2, 40, 1, 80, 16)
    changed = mels.clone()
    changed[:, 20] += 1
    for config, reach in ((alone, 0), (around, 2 * REACH)):
        encoder = audio_encoder(config).eval()
        difference = (encoder(changed) - encoder(mels)).abs().amax((0, 2))
        assert difference.nonzero().flatten().tolist() == list(range(20 - reach, 21 + reach))


def test_poses_repeat_for_the_same_latents_and_differ_for_others(model: Audio2Motion) -> None:
    mels, first, z = torch.randn(1, 40, 1, 80, 16), torch.randn(1, 6), torch.randn(2, 1, CONFIG.pose_latent)
    made = model.audio2pose.generate(mels, first, torch.tensor([0]), z)
    assert torch.equal(made, model.audio2pose.generate(mels, first, torch.tensor([0]), z))
    assert not torch.equal(made, model.audio2pose.generate(mels, first, torch.tensor([0]), -z))
    assert not torch.equal(made, model.audio2pose.generate(mels, first, torch.tensor([1]), z))


@pytest.mark.parametrize("overlap", [False, True])
def test_chunks_of_motion(overlap: bool, model: Audio2Motion, monkeypatch: pytest.MonkeyPatch) -> None:
    """Each chunk goes from the first pose evenly away from it. Those that overlap have no jump at their ends."""
    net, rise = model.audio2pose, torch.arange(CHUNK) / CHUNK
    monkeypatch.setattr(net, "overlap", overlap)
    monkeypatch.setattr(
        net.netG.decoder, "forward", lambda z, *_: z[:, :1, None] * rise[None, :, None].expand(1, -1, 6)
    )
    frames = 1 + 5 * CHUNK
    signs = torch.ones(net.chunks(frames), 1, CONFIG.pose_latent)
    made = net.generate(torch.zeros(1, frames, 1, 80, 16), torch.full((1, 6), 0.5), torch.tensor([0]), signs)
    jumps = (made[0, 1:] - made[0, :-1]).abs().max()
    assert made[0, 0].tolist() == [0.5] * 6
    assert (jumps < 0.1) if overlap else (jumps > 0.9)
    assert made.max() <= 0.5 + 2**0.5


def test_training_reaches_every_weight_of_the_pose_network() -> None:
    torch.manual_seed(0)
    net = PoseNet(CONFIG)
    sample = net(
        torch.randn(2, CHUNK, 1, 80, 16),
        torch.randn(2, CHUNK, 6),
        torch.randn(2, 6),
        torch.tensor([0, 1]),
        torch.randn(2, CONFIG.pose_latent),
    )
    loss = sample.motion.square().mean() + sample.mean.square().mean() + sample.log_variance.square().mean()
    (loss + net.netD_motion(sample.motion).mean()).backward()
    assert [name for name, parameter in net.named_parameters() if parameter.grad is None] == []


@settings(max_examples=30, deadline=None)
@given(frames=st.integers(1, 40))
def test_smoothing_leaves_straight_motion_alone(frames: int) -> None:
    line = np.outer(np.arange(frames), np.arange(6)).astype(np.float32)
    assert smooth_poses(line).shape == line.shape
    np.testing.assert_allclose(smooth_poses(line), line, atol=1e-3)


def test_blinks_come_complete_and_in_time() -> None:
    track = blink_track(2000, np.random.default_rng(0))
    assert track.shape == (2000, 1) and track.min() == 0 and track.max() == 1
    closed = np.flatnonzero(track[:, 0] == 1)
    assert len(closed) >= 20 and np.diff(closed).min() >= 15 and np.diff(closed).max() <= 75
    assert np.array_equal(track, blink_track(2000, np.random.default_rng(0)))
    assert blink_track(5, np.random.default_rng(0)).max() == 0
