"""The face model: its conventions, its directions, and mirror images."""

import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.spatial.transform import Rotation

from styleheat.morphable import coefficients as layout
from styleheat.morphable.camera import angles, rotation
from styleheat.morphable.measures import blink_track, eye_opening, interocular_distance, mirror_landmarks, mouth_opening
from styleheat.morphable.model import face_model
from styleheat.morphable.points import MEAN, MIRROR, STANDARD_POINTS

MODEL = face_model()


def coefficients(seed: int, frames: int = 3) -> np.ndarray:
    rng = np.random.default_rng(seed)
    values = np.zeros((frames, 257))
    values[:, layout.IDENTITY] = rng.normal(size=(frames, 80))
    values[:, layout.EXPRESSION] = rng.normal(size=(frames, 64))
    values[:, layout.ANGLE] = rng.normal(size=(frames, 3)) * 0.3
    values[:, layout.TRANSLATION] = rng.normal(size=(frames, 3)) * 0.1
    return values


def only(name: str, value: float) -> np.ndarray:
    values = np.zeros((1, 257))
    values[0, layout.EXPRESSION.start + MODEL.expression_names.index(name)] = value
    return values


def test_rotation_is_the_reference_s() -> None:
    """Deep3DFaceRecon's `compute_rotation` gives the transpose, for row vectors."""
    expected = [
        [0.73301625, -0.29211602, -0.61429256],
        [-0.02259466, 0.89213616, -0.45120117],
        [0.67983574, 0.34461755, 0.6473501],
    ]
    np.testing.assert_allclose(rotation(np.array([-0.6087078, 0.6614891, -0.37922323])).T, expected, atol=1e-6)


@given(st.lists(st.floats(-1.5, 1.5), min_size=3, max_size=3))
def test_angles_invert_rotation(xyz: list[float]) -> None:
    matrix = rotation(np.array(xyz))
    np.testing.assert_allclose(matrix, Rotation.from_euler("xyz", xyz).as_matrix(), atol=1e-9)
    np.testing.assert_allclose(angles(matrix), xyz, atol=1e-7)


def test_the_mean_face_fills_its_crop() -> None:
    points = MODEL.landmarks(np.zeros((1, 257)))[0]
    assert points.min() > 30 and points.max() < 224 - 20
    np.testing.assert_allclose(points[[36, 39]].mean(0), [112 - 31.5 * 1.015, 223 - (112 + 27)], atol=3)
    assert points[8, 1] > points[30, 1] > points[27, 1]  # y down: chin, nose tip, bridge
    assert MEAN[30, 2] == MEAN[:, 2].max()  # the nose points to the viewer
    np.testing.assert_allclose(layout.five_points(MEAN), STANDARD_POINTS)


def test_there_are_80_and_64_different_directions() -> None:
    for directions, names in ((MODEL.identity, MODEL.identity_names), (MODEL.expression, MODEL.expression_names)):
        assert len(directions) == len(names) == len(set(names))
        flat = directions.reshape(len(directions), -1)
        assert np.linalg.matrix_rank(flat, tol=1e-6) == len(directions)
        size = np.sqrt((flat**2).mean(1))
        assert size.min() > 0.0005 and size.max() < 0.03, "units: a direction moves points by up to some hundredths"
    assert (len(MODEL.identity), len(MODEL.expression)) == (80, 64)


@pytest.mark.parametrize("processor", ["Haswell", "Prescott"])
def test_directions_are_the_same_on_every_processor(processor: str, tmp_path: Path) -> None:
    """Weights know the directions that they were trained with; linear algebra has other code for other processors."""
    script = "import sys, numpy as np; from styleheat.morphable.model import face_model as m; "
    script += "np.savez(sys.argv[1], identity=m().identity, expression=m().expression)"
    environment = {**os.environ, "OPENBLAS_CORETYPE": processor}
    subprocess.run([sys.executable, "-c", script, str(tmp_path / "made.npz")], env=environment, check=True)
    made = np.load(tmp_path / "made.npz")
    np.testing.assert_allclose(made["identity"], MODEL.identity, atol=1e-9)
    np.testing.assert_allclose(made["expression"], MODEL.expression, atol=1e-9)


def test_directions_are_those_of_the_shipped_weights() -> None:
    """Fails when a direction changes: train models/embedded anew, then write down what this prints."""
    look = np.random.default_rng(0).normal(size=(68, 3))
    seen = np.concatenate([MODEL.identity, MODEL.expression]).reshape(144, -1) @ look.ravel()
    path = Path(__file__).parent / "directions.txt"
    np.testing.assert_allclose(seen, np.loadtxt(path), atol=1e-6, err_msg="\n".join(f"{value:.7f}" for value in seen))


def test_expressions_leave_the_still_points_alone() -> None:
    """The head's pose must not change with the mouth: bridge of the nose and corners of the eyes stay."""
    still = [27, 28, 29, 36, 39, 42, 45]
    assert np.abs(MODEL.expression[:, still]).max() < 0.004


@given(st.integers(0, 2**32 - 1))
def test_mirrored_coefficients_make_the_mirror_image(seed: int) -> None:
    original = coefficients(seed)
    mirrored = MODEL.landmarks(MODEL.mirror(original))
    expected = MODEL.landmarks(original)[:, MIRROR]
    expected[..., 0] = 2 * 112 - expected[..., 0]
    np.testing.assert_allclose(mirrored, expected, atol=1e-8)
    np.testing.assert_allclose(MODEL.mirror(MODEL.mirror(original)), original, atol=1e-12)


@pytest.mark.parametrize("size", [128, 256])
def test_mirrored_descriptors_make_the_mirrored_frame(size: int) -> None:
    """Through the crop back to pixels of the frame, whose column k becomes column size − 1 − k."""
    original, params = coefficients(0), np.tile([256.0, 256, 2.2, 100, 140], (3, 1))
    original[:, layout.IDENTITY] = 0
    packed = np.concatenate([original, params[:, 2:]], axis=1)
    turned = MODEL.mirror_descriptor(layout.descriptor(packed), size)

    mirrored, mirrored_params = np.zeros((3, 257)), params.copy()
    mirrored[:, layout.EXPRESSION] = turned[:, layout.DESCRIPTOR_EXPRESSION]
    mirrored[:, layout.ANGLE] = turned[:, layout.DESCRIPTOR_ANGLE]
    mirrored[:, layout.TRANSLATION] = turned[:, layout.DESCRIPTOR_TRANSLATION]
    mirrored_params[:, 2:] = turned[:, layout.DESCRIPTOR_CROP]

    scale = size / 256
    before = layout.from_crop(MODEL.landmarks(original), params) * scale
    after = layout.from_crop(MODEL.landmarks(mirrored), mirrored_params) * scale
    np.testing.assert_allclose(after, mirror_landmarks(before, size), atol=1e-8)


def test_named_directions_do_what_they_say() -> None:
    neutral = MODEL.landmarks(np.zeros((1, 257)))
    assert mouth_opening(neutral)[0] < 0.02
    assert mouth_opening(MODEL.landmarks(only("jaw_open", 3.0)))[0] > 0.15
    left, right = eye_opening(MODEL.landmarks(only("blink_left", 2.0)))[0] / eye_opening(neutral)[0]
    assert left < 0.5 and right == pytest.approx(1)

    def width(points: np.ndarray) -> float:
        return float(np.linalg.norm(points[0, 48] - points[0, 54]))

    assert width(MODEL.landmarks(only("lips_round", 2.0))) < 0.8 * width(neutral) < width(neutral)
    smile = MODEL.landmarks(only("smile_right", 2.0))[0] - neutral[0]
    assert smile[54, 1] < -3 and smile[54, 0] > 2 and np.abs(smile[48]).max() < 1e-9  # up, out; left corner still
    assert MODEL.named(only("jaw_open", 3.0)[:, layout.EXPRESSION], "jaw_open")[0] == 3.0


def test_openings_need_no_scale_and_blinks_are_found() -> None:
    shut = only("blink_left", 2.7) + only("blink_right", 2.7)
    shut = np.concatenate([shut if frame == 4 else 0 * shut for frame in range(12)])
    points = MODEL.landmarks(shut)
    np.testing.assert_allclose(mouth_opening(points * 3), mouth_opening(points))
    np.testing.assert_allclose(interocular_distance(points * 3), 3 * interocular_distance(points))
    blinks = blink_track(points)
    assert blinks[4] == 1 and blinks[[0, 11]].max() == 0
