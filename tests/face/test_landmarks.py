import math
from pathlib import Path
from types import SimpleNamespace
from typing import Any
from urllib.error import URLError

import cv2
import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from styleheat.constants import NO_FACE
from styleheat.errors import InputError
from styleheat.face.detect import data_file
from styleheat.face.landmarks import (
    FaceAlignment,
    MediaPipe,
    landmarker,
    mesh_landmarks,
    smooth,
    stack,
)
from styleheat.face.mesh import LEFT_EYE_CORNER, MESH_MIRRORED, MESH_POINTS, MESH_TO_68, RIGHT_EYE_CORNER
from styleheat.media.video import read_frames
from styleheat.morphable.coefficients import has_face

# fmt: off
MIRRORED = (
    *range(16, -1, -1), *range(26, 16, -1), *range(27, 31), *range(35, 30, -1),
    45, 44, 43, 42, 47, 46, 39, 38, 37, 36, 41, 40,
    *range(54, 47, -1), *range(59, 54, -1), *range(64, 59, -1), *range(67, 64, -1),
)
# fmt: on
"""Which of the 68 points each one is in a mirror."""


@pytest.fixture(scope="module")
def track(carphone: Path, finder: MediaPipe) -> np.ndarray:
    return stack(finder.track(read_frames(carphone, fps=None)))


def eye_distance(points: np.ndarray) -> float:
    return float(np.linalg.norm(points[..., 36, :] - points[..., 45, :], axis=-1).mean())


def error(a: np.ndarray, b: np.ndarray) -> float:
    """Mean distance of points as a share of the distance between the outer eye corners."""
    return float(np.linalg.norm(a - b, axis=-1).mean() / eye_distance(b))


def mouth(points: np.ndarray) -> np.ndarray:
    gap = points[:, 61:64].mean(axis=1) - points[:, 65:68].mean(axis=1)
    return np.linalg.norm(gap, axis=-1) / eye_distance(points)


def test_points_agree_with_dlib(astronaut: np.ndarray, carphone: Path, finder: MediaPipe) -> None:
    import dlib

    model = data_file("face_recognition_models", "models/shape_predictor_68_face_landmarks.dat", "")
    detect, predict = dlib.get_frontal_face_detector(), dlib.shape_predictor(str(model))
    frame = next(read_frames(carphone))
    for image in (astronaut, cv2.resize(frame, None, fx=3, fy=3, interpolation=cv2.INTER_CUBIC)):
        shape = predict(image, detect(image)[0])
        theirs = np.array([(shape.part(k).x, shape.part(k).y) for k in range(68)], float)
        ours = finder.landmarks(image)
        assert ours is not None
        off = np.linalg.norm(ours - theirs, axis=1) / eye_distance(theirs)
        assert off[27:].mean() < 0.035  # nose, eyes, lips
        assert off[17:27].mean() < 0.08  # brows
        assert off[:17].mean() < 0.11  # jaw


def test_a_mirror_swaps_left_and_right_of_the_mesh(astronaut: np.ndarray, finder: MediaPipe) -> None:
    (mesh,) = finder.track_meshes([astronaut])
    (mirrored,) = finder.track_meshes([np.ascontiguousarray(astronaut[:, ::-1])])
    assert mesh is not None and mirrored is not None and mesh.shape == (MESH_POINTS, 3)
    there = mirrored[list(MESH_MIRRORED)] * (-1, 1, 1)
    there[:, 0] += astronaut.shape[1] - 1
    eyes = np.linalg.norm(mesh[LEFT_EYE_CORNER] - mesh[RIGHT_EYE_CORNER])
    assert np.linalg.norm(there - mesh, axis=1).max() < 0.1 * eyes
    assert mesh[1, 2] < mesh[[127, 356], 2].min() - 0.3 * eyes  # the nose is nearer to the camera than the temples


def test_the_mesh_is_the_same_in_a_larger_image(astronaut: np.ndarray, finder: MediaPipe) -> None:
    (mesh,) = finder.track_meshes([astronaut])
    large = cv2.resize(astronaut, None, fx=5, fy=5, interpolation=cv2.INTER_CUBIC)
    (larger,) = finder.track_meshes([large])
    assert mesh is not None and larger is not None
    eyes = np.linalg.norm(mesh[LEFT_EYE_CORNER] - mesh[RIGHT_EYE_CORNER])
    assert np.abs(larger / 5 - mesh).max() < 0.1 * eyes


def test_the_68_points_are_of_the_mesh(astronaut: np.ndarray, finder: MediaPipe) -> None:
    (mesh,) = finder.track_meshes([astronaut])
    assert mesh is not None
    points, lids = finder.landmarks(astronaut), [37, 38, 40, 41, 43, 44, 46, 47]
    assert points is not None
    np.testing.assert_array_equal(np.delete(mesh_landmarks(mesh), lids, 0), np.delete(points, lids, 0))
    assert [MESH_MIRRORED[point] for point in MESH_TO_68] == [MESH_TO_68[point] for point in MIRRORED]


def test_a_mirror_swaps_left_and_right(astronaut: np.ndarray, finder: MediaPipe) -> None:
    points = finder.landmarks(astronaut)
    mirrored = finder.landmarks(np.ascontiguousarray(astronaut[:, ::-1]))
    assert points is not None and mirrored is not None
    mirrored = mirrored[list(MIRRORED)]
    mirrored[:, 0] = 511 - mirrored[:, 0]
    assert error(mirrored, points) < 0.03


@pytest.mark.parametrize(("angle", "scale"), [(25, 1.0), (-25, 1.0), (0, 0.35), (10, 2.5), (0, 7.0)])
def test_points_turn_and_grow_with_the_image(
    astronaut: np.ndarray, finder: MediaPipe, angle: float, scale: float
) -> None:
    """The smallest face is 36 pixels wide, the largest 730."""
    points = finder.landmarks(astronaut)
    side = round(300 * scale)
    move = cv2.getRotationMatrix2D((225, 128), angle, scale)
    move[:, 2] += side / 2 - np.array([225, 128])
    flags = cv2.INTER_AREA if scale < 1 else cv2.INTER_CUBIC
    moved = finder.landmarks(cv2.warpAffine(astronaut, move, (side, side), flags=flags, borderMode=cv2.BORDER_REFLECT))
    assert points is not None and moved is not None
    assert error(moved, points @ move[:, :2].T + move[:, 2]) < 0.035


def test_a_mirror_of_a_mirror_is_the_face() -> None:
    swap = np.array(MIRRORED)
    assert np.array_equal(swap[swap], np.arange(68))


def test_tracking_finds_every_frame_of_a_real_video(track: np.ndarray, carphone: Path, finder: MediaPipe) -> None:
    assert has_face(track).all() and len(track) == 120
    alone = [finder.landmarks(frame) for frame in list(read_frames(carphone, fps=None))[::20]]
    assert error(stack(alone), track[::20]) < 0.03


def test_tracking_follows_one_of_two_and_ends_with_it(astronaut: np.ndarray, finder: MediaPipe) -> None:
    head = astronaut[:300, 80:380]
    other = cv2.resize(head[:, ::-1], (260, 260))
    both, left, empty = (np.zeros((300, 600, 3), np.uint8) for _ in range(3))
    both[:, :300], both[20:280, 320:580], left[:, :300] = head, other, head
    points = list(finder.track([left, both, both, empty, empty, left]))
    assert [point is None for point in points] == [False, False, False, True, True, False]
    for point in points:
        if point is not None:
            assert point[:, 0].max() < 300
    smaller = list(finder.track([left, both, both, empty], which=1))
    assert [point is None for point in smaller] == [True, False, False, True]
    assert all(point[:, 0].min() > 300 for point in smaller if point is not None)


def test_no_face_no_points(finder: MediaPipe) -> None:
    assert finder.landmarks(np.zeros((128, 128, 3), np.uint8)) is None
    points = stack([None, np.ones((68, 2)), None])
    assert points.dtype == np.float32 and (points[0] == NO_FACE).all()
    assert has_face(points).tolist() == [False, True, False]
    assert stack([]).shape == (0, 68, 2)


def test_smoothing_steadies_the_head_and_leaves_the_mouth(track: np.ndarray) -> None:
    def tremble(points: np.ndarray) -> float:
        return float(np.median(np.abs(np.diff(points, 2, axis=0))))

    steady = smooth(track, 1.0)
    assert tremble(steady) < 0.55 * tremble(track)
    assert mouth(steady).std() > 0.97 * mouth(track).std()
    assert np.ptp(mouth(steady)) > 0.97 * np.ptp(mouth(track))
    assert np.corrcoef(mouth(steady), mouth(track))[0, 1] > 0.998
    assert error(steady, track) < 0.02


def test_smoothing_has_no_delay(track: np.ndarray) -> None:
    backwards = smooth(track[::-1], 1.0)[::-1]
    assert np.allclose(backwards, smooth(track, 1.0), atol=1e-3)


def test_smoothing_stops_where_the_face_is_away(track: np.ndarray) -> None:
    points = track[:40].copy()
    points[10:13] = NO_FACE
    steady = smooth(points, 2.0)
    assert (steady[10:13] == NO_FACE).all()
    assert np.allclose(steady[:10], smooth(track[:10], 2.0)) and np.allclose(steady[13:], smooth(track[13:40], 2.0))
    assert np.array_equal(smooth(track, 0), track)


@settings(max_examples=20, deadline=None)
@given(angle=st.floats(-3, 3), scale=st.floats(0.2, 5), sigma=st.floats(0.2, 3))
def test_smoothing_does_not_depend_on_the_camera(angle: float, scale: float, sigma: float) -> None:
    points = np.random.default_rng(0).normal(0, 1, (12, 68, 2)) + np.linspace(0, 40, 68)[:, None]
    turn = scale * np.array([[math.cos(angle), -math.sin(angle)], [math.sin(angle), math.cos(angle)]])
    assert np.allclose(smooth(points @ turn + 7, sigma), smooth(points, sigma) @ turn + 7, atol=1e-6 * scale)


class FakeNetworks:
    """In place of face_alignment's networks, whose weights are not ours to ship: finds coloured squares.

    A face is a red square; its 68 points are all at the brightest green pixel of what the point network sees.
    """

    def __init__(self) -> None:
        self.face_detector = SimpleNamespace(reference_scale=195, detect_from_batch=self._detect)
        self.batches: list[int] = []

    def _detect(self, batch: torch.Tensor) -> list[list[np.ndarray]]:
        found = []
        for image in batch.numpy():
            count, labels = cv2.connectedComponents((image[0] > 128).astype(np.uint8))
            rows = []
            for label in range(1, count):
                y, x = np.nonzero(labels == label)
                rows.append(np.array([x.min(), y.min(), x.max() + 1, y.max() + 1, 0.9]))
            found.append(rows)
        return found

    def face_alignment_net(self, inputs: torch.Tensor) -> torch.Tensor:
        assert inputs.shape[1:] == (3, 256, 256) and inputs.max() <= 1
        self.batches.append(len(inputs))
        green = torch.nn.functional.avg_pool2d(inputs[:, 1:2], 4)
        return green.expand(-1, 68, -1, -1)


def red_face(x: int, y: int, side: int, image: np.ndarray | None = None) -> np.ndarray:
    image = np.zeros((240, 320, 3), np.uint8) if image is None else image
    image[y : y + side, x : x + side, 0] = 255
    rows, columns = np.ogrid[:240, :320]
    middle_x, middle_y = x + side // 4 - 0.5, y + side // 2 - 0.5
    spot = np.exp(-((columns - middle_x) ** 2 + (rows - middle_y) ** 2) / 20)
    image[..., 1] = np.maximum(image[..., 1], 255 * spot)
    return image


def test_face_alignment_in_batches() -> None:
    networks = FakeNetworks()
    back_end = FaceAlignment("cpu", networks)
    frames = [red_face(60 + k, 40, 100) for k in range(20)]
    frames[5] = np.zeros_like(frames[5])
    points = list(back_end.track(frames))
    assert networks.batches == [15, 4]
    for k, point in enumerate(points):
        if k == 5:
            assert point is None
            continue
        assert point is not None and point.shape == (68, 2)
        assert np.abs(point - (60 + k + 24.5, 89.5)).max() < 0.6


def test_face_alignment_stays_with_one_face() -> None:
    back_end = FaceAlignment("cpu", FakeNetworks())
    first = red_face(20, 40, 90, red_face(180, 40, 80))
    second = red_face(20, 40, 80, red_face(180, 40, 110))
    points = stack(back_end.track([first, second]))
    assert (points[:, :, 0] < 110).all()
    assert len(back_end.detect_all(first)) == 2
    largest = back_end.landmarks(second)
    assert largest is not None and largest[0, 0] > 180
    smaller = back_end.landmarks(second, 1)
    assert smaller is not None and smaller[0, 0] < 110
    assert back_end.landmarks(second, 2) is None
    alone = red_face(20, 40, 90)
    others = list(back_end.track([alone, first, second], which=1))
    assert others[0] is None and all(point is not None and (point[:, 0] > 180).all() for point in others[1:])


def test_face_alignment_without_weights_is_one_clear_line(monkeypatch: pytest.MonkeyPatch) -> None:
    import face_alignment

    def unreachable(*_: Any, **__: Any) -> None:
        raise URLError("Name or service not known")

    monkeypatch.setattr(face_alignment, "FaceAlignment", unreachable)
    with pytest.raises(InputError, match=r"weights of face_alignment can't be downloaded.*mediapipe"):
        landmarker("face_alignment", "cpu")
    with pytest.raises(InputError, match="'dlib' is unknown"):
        landmarker("dlib")
