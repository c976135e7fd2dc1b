"""SyncNet's distances of lips and audio; the network has random weights."""

from pathlib import Path

import numpy as np
import pytest
import safetensors.torch
import torch
from skimage import data

from stages import landmarks as stage
from styleheat.errors import InputError
from styleheat.face import sync
from styleheat.face.sync import LipSync
from styleheat.media.cepstra import cepstra
from styleheat.media.video import VideoWriter
from styleheat.morphable.model import face_model
from styleheat.networks.syncnet import SyncNet
from styleheat.params import Landmarks, Quality

SIZE, FRAMES = 96, 24


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """As `weights.models: [scores]` makes it, but for the other networks."""
    torch.manual_seed(0)
    folder = tmp_path_factory.mktemp("scores")
    state = {f"{sync.PREFIX}{name}": tensor for name, tensor in SyncNet().state_dict().items()}
    safetensors.torch.save_file({**state, "other": torch.zeros(3)}, folder / "model.safetensors")
    return folder


@pytest.fixture(scope="module")
def network(folder: Path) -> LipSync:
    return LipSync.open(folder, "cpu")


@pytest.fixture(scope="module")
def frames() -> np.ndarray:
    """A face that moves to the left."""
    return np.stack([data.astronaut()[20:212:2, 130 + 3 * k : 322 + 3 * k : 2] for k in range(FRAMES)])


@pytest.fixture(scope="module")
def points() -> np.ndarray:
    return np.repeat(face_model().landmarks(np.zeros((1, 257)))[:1] * (SIZE / 256), FRAMES, axis=0)


def noise(frames: int) -> np.ndarray:
    return np.random.default_rng(0).normal(size=frames * 640).astype(np.float32) * 0.1


@torch.inference_mode()
def test_distances_are_those_of_windows_one_by_one(network: LipSync, frames: np.ndarray, points: np.ndarray) -> None:
    found = network.distances(iter(frames), SIZE, points, noise(FRAMES))
    steps = cepstra(np.round(noise(FRAMES) * 32767))
    squares = sync._squares(points, SIZE)
    assert found is not None and squares is not None
    crops = np.stack([sync._crop(frame, square) for frame, square in zip(frames, squares, strict=True)])
    lips, audio = [], []
    for k in range(FRAMES - 5):
        lips.append(network.network.lips(torch.from_numpy(crops[k : k + 5])[None].permute(0, 4, 1, 2, 3).float()))
        audio.append(network.network.audio(torch.from_numpy(steps[4 * k : 4 * k + 20].T[None, None].copy())))
    expected = sync.shifted_distances(torch.cat(lips), torch.cat(audio))
    assert found == pytest.approx(expected, rel=1e-4) and np.ptp(found) > 1e-3


def test_what_is_no_syncnet(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="no SyncNet in it"):
        LipSync.open(tmp_path, "cpu")
    safetensors.torch.save_file({"other": torch.zeros(3)}, tmp_path / "model.safetensors")
    with pytest.raises(InputError, match="no SyncNet in it"):
        LipSync.open(tmp_path, "cpu")


class Late(LipSync):
    """Audio that is three frames late."""

    def distances(self, *_: object) -> np.ndarray:
        return np.abs(np.arange(-15, 16) - 3.0)


@pytest.mark.parametrize(("limit", "audio", "lost"), [(2, True, True), (3, True, False), (2, False, False)])
def test_clips_whose_audio_is_late_are_lost(
    tmp_path: Path, network: LipSync, monkeypatch: pytest.MonkeyPatch, limit: int, audio: bool, lost: bool
) -> None:
    path = tmp_path / "clip.mp4"
    with VideoWriter(path, (512, 512), samples=noise(6) if audio else None) as writer:
        for _ in range(6):
            writer.write(data.astronaut())
    monkeypatch.setattr(stage, "lip_sync", lambda *_: Late(network.network, "cpu"))
    others = dict.fromkeys(("face_rate", "sharpness", "other_faces", "likeness", "occlusion"))
    quality = Quality(**others, audio_offset=limit)
    settings = Landmarks(backend="mediapipe", smooth=1.0, quality=quality, scores="models/official/scores")
    outcome = stage.track("clip", path, tmp_path / "out", settings, "cpu")
    assert outcome.reason == ("audio out of step" if lost else None)
