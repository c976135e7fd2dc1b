"""What makes a clip unfit to learn from."""

from pathlib import Path

import cv2
import numpy as np
import pytest

from stages.landmarks import track
from styleheat.face.landmarks import MediaPipe
from styleheat.face.quality import fault, has_other, sharpness
from styleheat.media.video import VideoWriter, read_frames
from styleheat.params import Landmarks, Quality

ANY = Quality(face_rate=None, sharpness=None, other_faces=None, likeness=None, occlusion=None, audio_offset=None)


def wanted(**limits: float) -> Quality:
    return ANY.model_copy(update=limits)


@pytest.fixture(scope="module")
def points(astronaut: np.ndarray, finder: MediaPipe) -> np.ndarray:
    found = finder.landmarks(astronaut)
    assert found is not None
    return found


def test_nothing_is_looked_at_unless_wanted(points: np.ndarray, finder: MediaPipe) -> None:
    frames = (frame for frame in [pytest.fail])  # would not pass for an image
    assert fault(frames, points[None], finder, ANY) is None


def test_a_face_that_is_seldom_seen(points: np.ndarray, finder: MediaPipe) -> None:
    landmarks = np.stack([points, np.full_like(points, -1), points])
    assert fault([], landmarks, finder, wanted(face_rate=0.7)) == "face seldom seen"
    assert fault([], landmarks, finder, wanted(face_rate=0.6)) is None


def test_a_blurred_face(astronaut: np.ndarray, points: np.ndarray, finder: MediaPipe) -> None:
    blurred = cv2.GaussianBlur(astronaut, (0, 0), 3)
    assert sharpness(astronaut, points) > 20 * sharpness(blurred, points)
    limit = sharpness(astronaut, points) / 5
    small = cv2.resize(astronaut, (256, 256), interpolation=cv2.INTER_AREA)
    assert sharpness(small, points / 2) > limit  # whatever the size
    for frame, reason in ((astronaut, None), (blurred, "blurred")):
        assert fault([frame] * 3, np.repeat(points[None], 3, 0), finder, wanted(sharpness=limit)) == reason


def test_another_face(astronaut: np.ndarray, points: np.ndarray, finder: MediaPipe) -> None:
    both = np.concatenate([astronaut, astronaut[:, ::-1]], axis=1)
    far = np.concatenate([astronaut, np.full_like(astronaut, 200)], axis=1)
    far[100:200, 700:800] = cv2.resize(astronaut, (100, 100))
    assert has_other(both, points, finder) and not has_other(astronaut, points, finder)
    assert not has_other(far, points, finder)
    frames, landmarks = [both, *[astronaut] * 12], np.repeat(points[None], 13, 0)
    assert fault(frames, landmarks, finder, wanted(other_faces=0.4)) == "several faces"
    assert fault(frames, landmarks, finder, wanted(other_faces=0.5)) is None


def test_another_person(astronaut: np.ndarray, points: np.ndarray, carphone: Path, finder: MediaPipe) -> None:
    other = next(read_frames(carphone, fps=None))
    theirs = finder.landmarks(other)
    assert theirs is not None
    frames, landmarks = [astronaut] * 37, np.repeat(points[None], 37, 0)
    assert fault(frames, landmarks, finder, wanted(likeness=0.9)) is None
    frames[36], landmarks[36] = other, theirs
    assert fault(frames, landmarks, finder, wanted(likeness=0.9)) == "another person within it"


def test_a_hidden_face(astronaut: np.ndarray, points: np.ndarray, finder: MediaPipe) -> None:
    """By a hand, in one of four frames that are looked at; light that changes is no hand."""
    centre = tuple(points[54].astype(int).tolist())
    hand = cv2.ellipse(astronaut.copy(), centre, (25, 20), 20, 0, 360, (150, 100, 80), -1)
    darker = (astronaut * 0.8).astype(np.uint8)
    looked_at = [astronaut, darker, astronaut, hand]
    frames, landmarks = [looked_at[k // 12] for k in range(48)], np.repeat(points[None], 48, 0)
    assert fault(frames, landmarks, finder, wanted(occlusion=0.05)) == "face hidden"
    assert fault(frames, landmarks, finder, wanted(occlusion=0.5)) is None
    assert fault(frames[:36], landmarks[:36], finder, wanted(occlusion=0.02)) is None


def test_such_a_clip_is_lost_for_that_reason(tmp_path: Path, astronaut: np.ndarray) -> None:
    with VideoWriter(tmp_path / "clip.mp4", (512, 512)) as writer:
        for _ in range(3):
            writer.write(cv2.GaussianBlur(astronaut, (0, 0), 3))
    for limit, reason in ((1.0, None), (500.0, "blurred")):
        settings = Landmarks(backend="mediapipe", smooth=1.0, quality=wanted(sharpness=limit), scores="models/none")
        assert track("clip", tmp_path / "clip.mp4", tmp_path / "out", settings, "cpu").reason == reason
