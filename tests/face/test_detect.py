import cv2
import numpy as np

from styleheat.face.detect import overlap
from styleheat.face.landmarks import MediaPipe


def test_a_face_is_found_where_it_is(astronaut: np.ndarray, finder: MediaPipe) -> None:
    (face,) = finder.detect_all(astronaut)
    assert face.score > 0.8
    assert overlap(face.box, np.array([172, 74, 278, 180])) > 0.85
    left_eye, right_eye = face.keypoints[:2]
    assert left_eye[0] < right_eye[0] and abs(left_eye[1] - right_eye[1]) < 10


def test_size_and_shape_of_the_image_do_not_matter(astronaut: np.ndarray, finder: MediaPipe) -> None:
    (face,) = finder.detect_all(astronaut)
    (small,) = finder.detect_all(cv2.resize(astronaut, (200, 200), interpolation=cv2.INTER_AREA))
    assert overlap(small.box * 512 / 200, face.box) > 0.9
    wide = np.zeros((512, 1100, 3), np.uint8)
    wide[:, 500:1012] = astronaut
    (moved,) = finder.detect_all(wide)
    assert overlap(moved.box - (500, 0, 500, 0), face.box) > 0.75


def test_several_faces_are_distinguished(astronaut: np.ndarray, finder: MediaPipe) -> None:
    head = astronaut[:300, 80:380]
    faces = finder.detect_all(np.hstack([head, head[:, ::-1]]))
    assert len(faces) == 2
    assert sorted(int(face.box[0] > 300) for face in faces) == [0, 1]


def test_no_face_in_emptiness_and_noise(finder: MediaPipe) -> None:
    assert finder.detect_all(np.zeros((100, 150, 3), np.uint8)) == []
    noise = np.random.default_rng(0).integers(0, 256, (200, 200, 3), dtype=np.uint8)
    assert finder.detect_all(noise) == []


def test_overlap() -> None:
    box = np.array([0.0, 0, 2, 2])
    assert overlap(box, box) == 1
    assert overlap(box, box + 1) == 1 / 7
    assert overlap(box, box + 5) == 0
    assert overlap(box * 0, box * 0) == 0
