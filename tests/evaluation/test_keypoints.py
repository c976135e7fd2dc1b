"""The average keypoint distance, by an estimator that finds known points, against plain sums."""

from collections.abc import Iterable, Iterator
from pathlib import Path

import numpy as np
import pytest
import torch

from styleheat.evaluation import keypoints, learned, metrics
from styleheat.evaluation.measure import EMBED_EVERY, Measurements, measure
from styleheat.evaluation.protocols import Result, against_target, compare
from styleheat.evaluation.summary import summary
from styleheat.face.detect import Face
from styleheat.face.landmarks import Landmarker, MediaPipe
from styleheat.inference.reader import FaceReader, by_fitting

FRAMES = 2 * EMBED_EVERY + 3
CHOSEN = (0, EMBED_EVERY, 2 * EMBED_EVERY)


class StandIn(Landmarker):
    """In place of networks whose weights can't be shipped: 68 points, as far apart as the image is bright."""

    def __init__(self) -> None:
        self.sizes: list[tuple[int, ...]] = []

    def detect_all(self, image: np.ndarray) -> list[Face]:
        raise NotImplementedError

    def landmarks(self, image: np.ndarray, which: int = 0) -> np.ndarray | None:
        self.sizes.append(image.shape)
        return None if image.mean() < 20 else points_of(float(image.mean()))

    def track(self, frames: Iterable[np.ndarray], which: int = 0) -> Iterator[np.ndarray | None]:
        raise NotImplementedError


def points_of(brightness: float) -> np.ndarray:
    return np.stack([np.arange(68), 2 * np.arange(68)], axis=1).astype(np.float32) * brightness / 100


def video(size: int, shades: dict[int, int]) -> np.ndarray:
    """Plain frames of one shade, but for some."""
    frames = np.full((FRAMES, size, size, 3), 50, np.uint8)
    for number, shade in shades.items():
        frames[number] = shade
    return frames


@pytest.mark.parametrize("size", [96, 256, 320])
def test_distances_are_those_of_plain_sums(size: int) -> None:
    target = video(size, {CHOSEN[0]: 60, CHOSEN[1]: 80, CHOSEN[2]: 100})
    generated = video(size, {CHOSEN[1]: 90, CHOSEN[2]: 140})
    reader, other = FaceReader(MediaPipe(), by_fitting), StandIn()
    theirs, ours = (measure(frames, reader, other) for frames in (target, generated))
    assert other.sizes == [(keypoints.SIZE, keypoints.SIZE, 3)] * 6
    assert theirs.keypoints.shape == (3, 68, 2) and np.allclose(theirs.keypoints[2], points_of(100))
    result = compare("a", "a", theirs, target[0], theirs, target, ours, generated, against_target)

    def wanted(pairs: list[tuple[float, float]]) -> float:
        total = sum(abs(x - y) for one, two in pairs for x, y in zip(points(one), points(two), strict=True))
        return total / len(pairs) / 136

    def points(brightness: float) -> list[float]:
        return points_of(brightness).flatten().tolist()

    assert result.scores["akd"] == pytest.approx(wanted([(90, 80), (140, 100)]), rel=1e-5)  # the first is the source
    assert result.trivial["akd"] == pytest.approx(wanted([(60, 80), (60, 100)]), rel=1e-5)
    assert result.scores["mkr"] == result.trivial["mkr"] == 0


def test_faces_that_are_missed() -> None:
    here, none = points_of(100), np.full((68, 2), -1, np.float32)
    target = np.stack([here, here, here, none])
    generated = np.stack([here + 2, none, here - (0, 4), here])
    assert metrics.keypoint_distance(generated, target) == pytest.approx(2)
    assert metrics.missing_rate(generated, target) == pytest.approx(1 / 3)
    assert np.isnan(metrics.keypoint_distance(generated, np.stack([none] * 4)))
    assert np.isnan(metrics.missing_rate(generated, np.stack([none] * 4)))
    dark = keypoints.found(video(64, {0: 0, 1: 70}), (0, 1), StandIn())
    assert (dark[0] == -1).all() and np.allclose(dark[1], points_of(70))


def test_without_another_estimator_there_is_no_distance() -> None:
    frames = video(64, {})
    found = measure(frames, FaceReader(MediaPipe(), by_fitting))
    assert not keypoints.sought(found.keypoints)
    result = compare("a", "a", found, frames[0], found, frames, found, frames, against_target)
    assert "akd" not in result.scores and "mkr" not in result.trivial
    assert not keypoints.sought(Measurements(*[np.zeros((2, 1))] * 6).first_repeated(5).keypoints)


def test_what_is_left_out_is_said() -> None:
    def numbers(scores: dict[str, float | None]) -> dict[str, object]:
        return summary({"a": {"same_identity": Result("a", "a", None, scores, scores, {}, [None] * 11, None)}})

    assert numbers({"psnr": 1.0})["left_out"] == f"{learned.LEFT_OUT}; {keypoints.LEFT_OUT}"
    assert numbers({"psnr": 1.0, "akd": None})["left_out"] == learned.LEFT_OUT  # no face was found


def test_the_estimator_is_not_the_one_that_drives(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    api = pytest.importorskip("face_alignment.api")
    detector = pytest.importorskip("face_alignment.detection.sfd.sfd_detector")
    monkeypatch.setattr(torch.hub, "get_dir", lambda: str(tmp_path))
    assert keypoints.backend("face_alignment") == "mediapipe"
    assert isinstance(keypoints.opened("mediapipe", "cpu"), MediaPipe)
    assert keypoints.backend("mediapipe") is None and keypoints.opened(None, "cpu") is None
    (tmp_path / "checkpoints").mkdir()
    for address in (detector.models_urls["s3fd"], api.models_urls["2DFAN-4"]):
        assert keypoints.backend("mediapipe") is None
        (tmp_path / "checkpoints" / address.rpartition("/")[2]).touch()
    assert keypoints.backend("mediapipe") == "face_alignment"


def test_frames_are_scaled_by_averaging() -> None:
    board = np.repeat((np.indices((512, 512)).sum(0) % 2)[..., None] * 200, 3, axis=2).astype(np.uint8)
    assert keypoints._scaled(board).shape == (256, 256, 3) and (keypoints._scaled(board) == 100).all()
