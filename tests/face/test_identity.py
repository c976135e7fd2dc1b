from pathlib import Path

import cv2
import numpy as np

from styleheat.face.identity import embed, similarity
from styleheat.face.landmarks import MediaPipe
from styleheat.media.video import read_frames


def test_a_person_is_like_themselves_and_unlike_another(astronaut: np.ndarray, carphone: Path) -> None:
    frames = list(read_frames(carphone, fps=None))
    images = [astronaut, astronaut[:, ::-1], cv2.GaussianBlur(astronaut, (0, 0), 2), frames[0], frames[100]]
    people = np.stack([embed(image) for image in images])
    likeness = similarity(people[:, None], people[None])
    distance = np.linalg.norm(people[:, None] - people[None], axis=-1)
    same = np.array([0, 0, 0, 1, 1])
    same = same[:, None] == same
    assert likeness[same].min() > 0.92 > 0.88 > likeness[~same].max()
    assert distance[same].max() < 0.6 < distance[~same].min()


def test_known_landmarks_save_the_search(astronaut: np.ndarray, finder: MediaPipe) -> None:
    found = embed(astronaut)
    given = embed(astronaut, finder.landmarks(astronaut))
    assert found is not None and given is not None
    assert np.array_equal(found, given) and found.shape == (128,)


def test_no_face_no_identity() -> None:
    empty = np.zeros((64, 64, 3), np.uint8)
    assert embed(empty) is None
    assert np.isnan(similarity(np.full(128, np.nan), np.ones(128)))
