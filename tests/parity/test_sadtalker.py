"""SadTalker's audio front end and networks give the reference's numbers."""

import numpy as np
import pytest
import torch

from styleheat.media.mel import mel_filters, mel_spectrogram, mel_windows
from styleheat.morphable.coefficients import windows
from styleheat.networks.audio2motion import Audio2Motion, follow_poses, smooth_poses
from styleheat.networks.config import NETWORKS

from .conftest import Golden

FULL = NETWORKS["full"]


@pytest.fixture(scope="module")
def fixture(golden) -> Golden:
    return golden("sadtalker")


@pytest.fixture(scope="module")
def model(fixture: Golden) -> Audio2Motion:
    with torch.device("meta"):
        model = Audio2Motion(FULL)
    model.audio2exp.load_state_dict(fixture.weights("auido2exp_00300-model.pth", "model/"), assign=True)
    model.audio2pose.load_state_dict(fixture.weights("auido2pose_00140-model.pth", "model/"), assign=True)
    return model.eval().requires_grad_(False)


@pytest.fixture(scope="module")
def samples(fixture: Golden) -> np.ndarray:
    return fixture.fill.chirp_wav(fixture.seed)


@pytest.fixture(scope="module")
def mels(fixture: Golden, samples: np.ndarray) -> torch.Tensor:
    return torch.from_numpy(mel_windows(mel_spectrogram(samples), int(fixture["num_frames"])))[None]


@pytest.fixture(scope="module")
def coefficients(fixture: Golden, model: Audio2Motion, mels: torch.Tensor) -> torch.Tensor:
    blinks = torch.from_numpy(fixture["blink_ratio_used"]).float()[..., None]
    return model(mels, reference(fixture), blinks, style(fixture), latents(fixture, 3))


def reference(fixture: Golden) -> torch.Tensor:
    return torch.from_numpy(fixture["ref"][:, :70]).float()


def style(fixture: Golden) -> torch.Tensor:
    return torch.tensor([int(fixture["pose_style"])])


def latents(fixture: Golden, chunks: int) -> torch.Tensor:
    return torch.stack([fixture.normal(f"st.z{chunk}", 1, 64) for chunk in range(chunks)])


def test_mel(fixture: Golden, samples: np.ndarray, mels: torch.Tensor) -> None:
    fixture.close("mel_basis", mel_filters()[:, ::5])
    fixture.close("mel", mel_spectrogram(samples))
    fixture.close("indiv_mels", mels[:, ::6])


def test_coefficients(fixture: Golden, model: Audio2Motion, coefficients: torch.Tensor) -> None:
    assert model.audio2pose.chunks(coefficients.shape[1]) == int(fixture["num_z"])
    fixture.close("exp", coefficients[..., :64])
    fixture.close("pose_raw", coefficients[..., 64:])
    smooth = smooth_poses(coefficients[0, :, 64:].numpy())
    fixture.close("pose_savgol", smooth[None])
    expression = coefficients[0, :, :64].numpy()
    driven = np.concatenate([expression, smooth], axis=1)
    fixture.close("coeffs70", driven[None])
    other = fixture.normal("st.refpose", 31, 73, std=0.2)[:, 64:70].numpy()
    fixture.close("refpose.coeffs70", np.concatenate([expression, follow_poses(smooth, other)], axis=1))
    crop = np.broadcast_to(fixture["ref"][:, 70:73], (len(driven), 3))
    fixture.close("windows73", windows(np.concatenate([driven, crop], axis=1))[[0, 37, 74]])


@pytest.mark.parametrize("frames", [20, 10])
def test_less_than_a_chunk(fixture: Golden, model: Audio2Motion, mels: torch.Tensor, frames: int) -> None:
    poses = model.audio2pose.generate(mels[:, :frames], reference(fixture)[:, 64:], style(fixture), latents(fixture, 1))
    fixture.close(f"short{frames}.pose_raw", poses)
    fixture.close(f"short{frames}.pose_savgol", smooth_poses(poses[0].numpy())[None])
