"""Scores of networks, held to other implementations of them; the networks have random weights."""

import dataclasses
from pathlib import Path

import numpy as np
import pytest
import safetensors.torch
import torch
from scipy.linalg import sqrtm
from scipy.spatial.distance import cdist
from skimage import data
from torchmetrics.functional.image.lpips import _LPIPS

from styleheat.errors import InputError
from styleheat.evaluation import learned
from styleheat.evaluation.learned import Learned
from styleheat.evaluation.measure import Measurements
from styleheat.evaluation.summary import distances as set_distances
from styleheat.face import sync
from styleheat.media.cepstra import cepstra
from styleheat.morphable.model import face_model
from tests.evaluation.networks import scores_folder


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return scores_folder(tmp_path_factory.mktemp("models") / "scores")


@pytest.fixture(scope="module")
def networks(folder: Path) -> Learned:
    networks = learned.opened(folder, "cpu")
    assert networks is not None
    return networks


@pytest.fixture(scope="module")
def frames() -> np.ndarray:
    """(11,96,96,3): a face that moves to the left."""
    return np.stack([data.astronaut()[20:212:2, 130 + 3 * k : 322 + 3 * k : 2] for k in range(11)])


def test_without_networks_nothing_is_scored(tmp_path: Path) -> None:
    assert learned.opened(tmp_path, "cpu") is None and not learned.available(tmp_path)
    assert learned.extended(len, None, True, None) is len
    (tmp_path / "model.safetensors").write_bytes(b"")
    with pytest.raises(InputError, match=r"model\.safetensors: not"):
        learned.opened(tmp_path, "cpu")


def test_lpips_is_that_of_torchmetrics(networks: Learned, folder: Path, frames: np.ndarray) -> None:
    reference = _LPIPS(pnet_rand=True, net="alex")
    content = safetensors.torch.load_file(folder / "model.safetensors")
    state = {n: content[f"alexnet.{n.partition('.')[2]}"] for n in reference.net.state_dict()}
    reference.net.load_state_dict(state)
    other = np.ascontiguousarray(frames[:, ::-1])
    images = [torch.from_numpy(part[1:]).permute(0, 3, 1, 2) / 127.5 - 1 for part in (frames, other)]
    assert networks.lpips(frames, other) == pytest.approx(reference(*images).mean().item(), rel=1e-4)
    assert networks.lpips(frames, frames) == 0


def test_fid_and_kid_by_their_formulas() -> None:
    rng = np.random.default_rng(0)
    ours, real = rng.normal(size=(90, 12)).astype(np.float32), rng.normal(0.3, 1.2, (90, 12)).astype(np.float32)
    a, b = ours.astype(np.float64), real.astype(np.float64)
    root = sqrtm(np.cov(a.T) @ np.cov(b.T)).real
    difference = np.square(a.mean(0) - b.mean(0)).sum()
    fid = difference + np.trace(np.cov(a.T) + np.cov(b.T) - 2 * root)
    assert learned.frechet(ours, real) == pytest.approx(fid, rel=1e-6)

    def mean(x: np.ndarray, y: np.ndarray, same: bool) -> float:
        similar = (x @ y.T / x.shape[1] + 1) ** 3
        return similar[~np.eye(len(x), dtype=bool)].mean() if same else similar.mean()

    kid = mean(a, a, True) + mean(b, b, True) - 2 * mean(a, b, False)
    assert learned.kernel(ours, real) == pytest.approx(kid, rel=1e-6)  # each subset is all
    assert set_distances(ours, real) == {"fid": round(fid, 4), "kid": round(kid, 4), "images": 90, "real_images": 90}


def test_features_are_of_frames_resized_cleanly(networks: Learned, frames: np.ndarray) -> None:
    features = networks.features(frames)
    assert features.shape == (11, 2048) and features.dtype == np.float32
    assert np.allclose(features[8:9], networks.features(frames[8:9]), atol=1e-4)
    stripes = np.tile(np.array([0, 255], np.uint8)[:, None, None], (598, 1196, 3)).reshape(1196, 1196, 3)
    assert np.ptp(learned._resized(stripes)[20:-20]) <= 2  # without a filter, stripes of another width


def test_distances_of_lips_and_audio() -> None:
    """Audio that is three frames late matches best at that shift, with a high confidence."""
    rng = np.random.default_rng(0)
    seen = rng.normal(size=(60, 1024)).astype(np.float32)
    audio = np.roll(seen, 3, axis=0) + 0.1 * rng.normal(size=seen.shape).astype(np.float32)
    padded = np.concatenate([np.zeros((15, 1024)), audio, np.zeros((15, 1024))])
    reference = np.array([np.diag(cdist(seen, padded[shift : shift + 60])).mean() for shift in range(31)])
    distances = sync.shifted_distances(torch.from_numpy(seen), torch.from_numpy(audio))
    found = sync.scores(distances)
    assert reference.argmin() == 18 and sync.offset(distances) == 3
    assert found["lse_d"] == pytest.approx(reference.min(), rel=1e-4)
    assert found["lse_c"] == pytest.approx(np.median(reference) - reference.min(), rel=1e-4) and found["lse_c"] > 10


def test_lips_without_a_face_or_audio_have_no_score(networks: Learned, frames: np.ndarray) -> None:
    landmarks = np.repeat(face_model().landmarks(np.zeros((1, 257)))[:1] * (96 / 256), 11, axis=0)
    audio = np.random.default_rng(0).normal(size=11 * 640).astype(np.float32) * 0.1
    found = networks.lip_sync(frames, landmarks, audio)
    assert np.isfinite(list(found.values())).all() and found["lse_c"] >= 0
    landmarks[4] = -1  # a frame without a face is cut where the one before was
    assert networks.lip_sync(frames, landmarks, audio) == pytest.approx(found)
    for few in (
        networks.lip_sync(frames, np.full_like(landmarks, -1), audio),
        networks.lip_sync(frames, landmarks, None),
        networks.lip_sync(frames[:5], landmarks[:5], audio),
    ):
        assert np.isnan(list(few.values())).all()


def test_a_score_with_networks(networks: Learned, frames: np.ndarray) -> None:
    landmarks = np.repeat(face_model().landmarks(np.zeros((1, 257)))[:1] * (96 / 256), 11, axis=0)
    nothing = np.zeros((11, 1))
    measured = Measurements(landmarks, nothing, nothing, nothing, nothing, nothing).after_first()

    def score(*given: object) -> dict[str, float]:
        return {"psnr": 1.0}

    total = learned.extended(score, networks, True, np.zeros(10 * 640, np.float32))
    assert total(measured, measured, nothing, frames, frames).keys() == {"psnr", "lpips", "lse_d", "lse_c"}
    total = learned.extended(score, dataclasses.replace(networks), False, None)
    assert total(measured, measured, nothing, frames, frames).keys() == {"psnr", "lse_d", "lse_c"}


def test_cepstra_are_those_of_python_speech_features() -> None:
    """Of two tones; the numbers are the package's, version 0.6."""
    times = np.arange(2000) / 16_000
    tones = np.round(8000 * np.sin(2 * np.pi * 220 * times) + 1000 * np.sin(2 * np.pi * 3100 * times))
    found = cepstra(tones)
    assert found.shape == (11, 13)
    first = [18.996, 3.528, 9.721, 37.654, -25.34, -13.14, 20.525, -44.135, -25.684, 1.576, -47.05, -18.962, -0.358]
    sixth = [19.003, 6.51, 2.8, 40.514, -21.407, -13.689, 20.076, -43.007, -24.111, 1.567, -47.475, -17.913, -0.638]
    assert np.allclose(found[[0, 5]], [first, sixth], atol=6e-4)
    assert cepstra(np.zeros(100)).shape == (1, 13) and np.isfinite(cepstra(np.zeros(1000))).all()
