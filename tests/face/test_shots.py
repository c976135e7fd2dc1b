"""Cuts are found in the image, and count where the face has moved."""

import numpy as np

from styleheat.face.cuts import CutFinder
from styleheat.face.landmarks import NO_FACE
from styleheat.face.shots import shots, watched


def scene(seed: int, size: int = 96) -> np.ndarray:
    rng = np.random.default_rng(seed)
    small = rng.integers(0, 255, (6, 6, 3)).astype(np.uint8)
    return np.kron(small, np.ones((size // 6, size // 6, 1), np.uint8))


def face(x: float, y: float, size: float) -> np.ndarray:
    grid = np.stack(np.meshgrid(np.linspace(0, 1, 17), np.linspace(0, 1, 4)), -1).reshape(68, 2)
    return grid * size + (x, y)


def test_a_cut_is_where_the_image_changes_at_once() -> None:
    cuts: list[int] = []
    frames = [np.roll(scene(0), number, axis=1) for number in range(20)] + [scene(1)] * 10
    assert len(list(watched(frames, cuts))) == 30
    assert cuts == [20]


def test_neither_a_flash_nor_a_pan_nor_noise_is_a_cut() -> None:
    rng = np.random.default_rng(0)
    quiet = [scene(0).astype(int) // 2 + 20 + rng.integers(-6, 7, (96, 96, 3)) for _ in range(20)]
    quiet[9] = quiet[9] + 70
    panned = [np.roll(scene(0), 2 * number, axis=1) for number in range(20)]
    for frames in (quiet, panned):
        finder = CutFinder()
        assert not any(finder.begins(np.clip(frame, 0, 255).astype(np.uint8)) for frame in frames)


def test_a_cut_counts_where_the_face_is_elsewhere_behind_it() -> None:
    far, near = face(40, 40, 30), face(20, 20, 80)
    landmarks = np.stack([far] * 10 + [near] * 10)
    assert shots(landmarks, [10]) == [slice(0, 10), slice(10, 20)]
    assert shots(landmarks, [5]) == [slice(0, 20)]  # only what is behind the head has changed
    assert shots(landmarks, []) == [slice(0, 20)]


def test_every_shot_has_a_face() -> None:
    far, near, none = face(40, 40, 30), face(20, 20, 80), np.full((68, 2), NO_FACE)
    landmarks = np.stack([none] * 5 + [far] * 5 + [none] * 5 + [near] * 5 + [none] * 5)
    assert shots(landmarks, [5, 10, 15, 20]) == [slice(0, 10), slice(10, 25)]
