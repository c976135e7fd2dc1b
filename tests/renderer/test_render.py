"""The software renderer and the head's surface."""

import math

import numpy as np
import pytest

from styleheat.renderer.controls import CONTROLS, INDEX
from styleheat.renderer.grid import COLUMNS, MOUTH_LOWER, MOUTH_UPPER, SKIN_FACES
from styleheat.renderer.head import Head
from styleheat.renderer.identity import Identity
from styleheat.renderer.landmarks import rotation
from styleheat.renderer.raster import develop, draw_hairs, draw_mesh, vertex_normals


def canvas(size: int = 8) -> tuple[np.ndarray, np.ndarray]:
    return np.zeros((size, size, 3), np.float32), np.full((size, size), 1e9, np.float32)


def square(depth: float, colour: float, image: np.ndarray, buffer: np.ndarray, turned: bool = False) -> None:
    """Draw a square over pixels 2 .. 5."""
    screen = np.array([[2, 2, depth], [6, 2, depth], [6, 6, depth], [2, 6, depth]], np.float32)
    faces = np.array([[0, 2, 1], [0, 3, 2]], np.int32)
    texture = np.full((2, 2, 3), colour, np.float32)
    light, zero = np.ones((4, 3), np.float32), np.zeros((4, 3), np.float32)
    draw_mesh(screen, faces[:, ::-1].copy() if turned else faces, zero[:, :2], light, zero, texture, image, buffer)


def test_mesh_covers_complete_pixels_once_and_nearest_wins() -> None:
    image, depth = canvas()
    square(2.0, 0.5, image, depth)
    assert (image[2:6, 2:6] == 0.5).all() and image.sum() == pytest.approx(0.5 * 16 * 3)
    square(3.0, 1.0, image, depth)  # behind
    assert (image[2:6, 2:6] == 0.5).all()
    square(1.0, 0.25, image, depth, turned=True)  # faces away
    assert (image[2:6, 2:6] == 0.5).all()
    square(1.0, 0.25, image, depth)
    assert (image[2:6, 2:6] == 0.25).all() and (depth[2:6, 2:6] == 1.0).all()


def test_hairs_hide_behind_what_is_nearer() -> None:
    image, depth = canvas()
    square(2.0, 0.5, image, depth)
    hair = np.array([[[4.0, 0.5, 3.0], [4.0, 7.5, 3.0]]], np.float32)
    white = np.ones((1, 2, 3), np.float32)
    draw_hairs(hair, np.full((1, 2), 1.0, np.float32), white, 1.0, image, depth)
    assert (image[2:6, 2:6] == 0.5).all() and image[1, 3:5].min() > 0.9 and image[6, 3:5].min() > 0.9
    assert image[:, :2].max() == 0


def test_developing_averages_samples_and_never_overflows() -> None:
    image = np.zeros((4, 4, 3), np.float32)
    image[:2, :2] = 50.0
    image[2:, 2:] = 0.25
    out = develop(image, 2)
    assert out.shape == (2, 2, 3) and out.dtype == np.uint8
    assert out[0, 0, 0] == 255 and out[0, 1, 0] == 0 and out[1, 1, 0] == 128


@pytest.mark.parametrize(("angles", "axis", "sign"), [((0.3, 0, 0), 0, 1), ((0, 0.3, 0), 1, 1)])
def test_rotation_turns_the_nose_where_it_says(angles: tuple[float, float, float], axis: int, sign: int) -> None:
    matrix = rotation(*angles)
    assert np.allclose(matrix @ matrix.T, np.eye(3), atol=1e-6) and np.linalg.det(matrix) == pytest.approx(1, abs=1e-5)
    nose = matrix @ np.array([0, 0, 1.0])
    assert nose[axis] * sign == pytest.approx(math.sin(0.3), abs=1e-5)


def test_any_head_is_a_clean_surface() -> None:
    rng = np.random.default_rng(0)
    for _ in range(4):
        head = Head(Identity.random(rng, male=float(rng.uniform(-1, 1)), age=float(rng.random())))
        for controls in (np.zeros(len(CONTROLS)), rng.random(len(CONTROLS))):
            vertices = head.deform(controls)
            assert np.isfinite(vertices).all()
            normals = vertex_normals(vertices, SKIN_FACES).reshape(-1, COLUMNS, 3)
            # the face looks towards the camera
            assert (normals[20:-40, COLUMNS // 2 - 5 : COLUMNS // 2 + 6, 2] > 0).mean() > 0.8


def test_sealed_lips_touch_whatever_the_jaw_does() -> None:
    head = Head(Identity.random(np.random.default_rng(2), male=0.5, age=0.3))
    controls = np.zeros(len(CONTROLS), np.float32)
    controls[INDEX["close"]], controls[INDEX["jaw"]] = 1.0, 0.6
    skin = head.deform(controls).reshape(-1, COLUMNS, 3)
    assert np.abs(skin[MOUTH_UPPER] - skin[MOUTH_LOWER])[:, 1].max() < 0.01
    controls[INDEX["close"]] = 0
    skin = head.deform(controls).reshape(-1, COLUMNS, 3)
    assert (skin[MOUTH_UPPER] - skin[MOUTH_LOWER])[:, 1].max() > 0.08
