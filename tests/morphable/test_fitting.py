"""Fitting finds what the landmarks were made of, whatever befalls them."""

import time

import numpy as np
import pytest

from styleheat.errors import InputError
from styleheat.morphable import coefficients as layout
from styleheat.morphable.fitting import fill_in, fit
from styleheat.morphable.measures import mirror_landmarks, mouth_opening
from styleheat.morphable.model import face_model

MODEL = face_model()
SIZE = 128


def talking(frames: int = 80, seed: int = 0) -> np.ndarray:
    """Coefficients (T, 257) of one person who turns the head and moves lips, lids and brows."""
    rng = np.random.default_rng(seed)
    time_s = np.arange(frames)[:, None] / 25
    truth = np.zeros((frames, 257))
    truth[:, layout.IDENTITY] = rng.normal(size=80) * 0.6
    moving = {"jaw_open": 1.0, "lips_round": 0.8, "smile_left": 0.5, "blink_left": 0.7, "brow_inner_raise_right": 0.5}
    for name, amount in moving.items():
        wave = np.sin(2 * np.pi * (rng.uniform(0.8, 3) * time_s[:, 0] + rng.uniform()))
        truth[:, layout.EXPRESSION.start + MODEL.expression_names.index(name)] = amount * (1 + wave)
    turns = np.sin(2 * np.pi * (rng.uniform(0.2, 0.6, 3) * time_s + rng.uniform(size=3)))
    truth[:, layout.ANGLE] = turns * np.radians([12, 25, 10])
    return truth


def seen(truth: np.ndarray, noise: float = 0.0, seed: int = 0) -> np.ndarray:
    """Landmarks in pixels of a 128-pixel frame, where the face wanders and is 40 pixels wide between the eyes."""
    frames = len(truth)
    params = np.tile([256.0, 256.0, 1.1, 0, 0], (frames, 1))
    params[:, 3] = 128 + 10 * np.sin(np.arange(frames) / 15)
    params[:, 4] = 120 + 6 * np.cos(np.arange(frames) / 11)
    landmarks = layout.from_crop(MODEL.landmarks(truth), params) * (SIZE / 256)
    return landmarks + np.random.default_rng(seed).normal(size=landmarks.shape) * noise


def back(coefficients: np.ndarray, params: np.ndarray) -> np.ndarray:
    return layout.from_crop(MODEL.landmarks(coefficients), params) * (SIZE / 256)


def correlation(a: np.ndarray, b: np.ndarray) -> float:
    return float(np.corrcoef(a, b)[0, 1])


def without_pose(coefficients: np.ndarray) -> np.ndarray:
    return np.where(np.isin(np.arange(257), np.r_[layout.ANGLE, layout.TRANSLATION]), 0, coefficients)


def test_pose_and_expression_are_recovered_from_noisy_landmarks() -> None:
    truth = talking()
    coefficients, params, error = fit(seen(truth, noise=0.3), SIZE)
    assert coefficients.dtype == params.dtype == np.float32
    assert coefficients.shape == (80, 257) and params.shape == (80, 5) and error.max() < 0.015
    for axis in range(3):
        found, true = coefficients[:, 224 + axis], truth[:, 224 + axis]
        assert correlation(found, true) > 0.98
        assert np.degrees(np.abs(found - true).mean()) < 2
    opening = [mouth_opening(MODEL.landmarks(without_pose(c))) for c in (coefficients, truth)]
    assert correlation(*opening) > 0.99
    for name, least in (("jaw_open", 0.95), ("lips_round", 0.9), ("blink_left", 0.85), ("smile_left", 0.7)):
        assert correlation(*(MODEL.named(c[:, layout.EXPRESSION], name) for c in (coefficients, truth))) > least, name
    assert np.ptp(coefficients[:, layout.IDENTITY], axis=0).max() == 0
    assert not coefficients[:, layout.TEXTURE].any() and not coefficients[:, layout.GAMMA].any()


def test_the_fitted_face_lies_over_the_seen_one() -> None:
    landmarks = seen(talking(seed=3))
    coefficients, params, error = fit(landmarks, SIZE)
    distance = np.linalg.norm(back(coefficients, params) - landmarks, axis=-1).mean()
    assert distance < 0.3 and error.mean() < 0.008


def test_scale_of_the_frames_does_not_matter() -> None:
    landmarks = seen(talking(20))
    small, large = fit(landmarks, SIZE), fit(landmarks * 4, SIZE * 4)
    for a, b in zip(small, large, strict=True):
        np.testing.assert_allclose(a, b, atol=1e-4)


def test_frames_without_a_face_are_filled_from_their_neighbours() -> None:
    landmarks = seen(talking(30))
    landmarks[[0, 1, 10, 11, 29]] = -1
    coefficients, params, error = fit(landmarks, SIZE)
    np.testing.assert_array_equal(np.flatnonzero(np.isnan(error)), [0, 1, 10, 11, 29])
    np.testing.assert_array_equal(coefficients[0], coefficients[2])
    np.testing.assert_array_equal(params[29], params[28])
    np.testing.assert_allclose(coefficients[10], (2 * coefficients[9] + coefficients[12]) / 3, atol=1e-5)
    filled = fill_in(landmarks)
    np.testing.assert_array_equal(filled[2:10], landmarks[2:10].astype(np.float32))
    np.testing.assert_allclose(filled[11], (landmarks[9] + 2 * landmarks[12]) / 3, atol=1e-3)


def test_without_any_face_there_is_a_reason() -> None:
    nothing = np.full((5, 68, 2), -1.0)
    for function in (lambda: fit(nothing, SIZE), lambda: fill_in(nothing)):
        with pytest.raises(InputError, match="no face in any of 5 frames"):
            function()


def test_one_image_is_enough() -> None:
    coefficients, _, error = fit(seen(talking(1)), SIZE)
    assert coefficients.shape == (1, 257) and error[0] < 0.02


def test_a_stray_point_bends_little() -> None:
    landmarks = seen(talking(20))
    stray = landmarks.copy()
    stray[:, 8] += 12  # the chin, a third of the interocular distance away
    plain, bent = fit(landmarks, SIZE)[0], fit(stray, SIZE)[0]
    assert np.degrees(np.abs(plain - bent)[:, layout.ANGLE].max()) < 3


def test_a_mirrored_clip_has_mirrored_coefficients() -> None:
    """So pairs of frames may be turned over in training, descriptors too."""
    landmarks = seen(talking(20), noise=0.2)
    coefficients, params, _ = fit(landmarks, SIZE)
    turned, turned_params, _ = fit(mirror_landmarks(landmarks, SIZE), SIZE)
    np.testing.assert_allclose(turned, MODEL.mirror(coefficients), atol=2e-4)
    expected = MODEL.mirror_descriptor(layout.descriptor(layout.pack_coefficients(coefficients, params)), SIZE)
    np.testing.assert_allclose(layout.descriptor(layout.pack_coefficients(turned, turned_params)), expected, atol=2e-4)


def test_a_hundred_frames_take_well_under_a_second() -> None:
    landmarks = seen(talking(100))
    fit(landmarks, SIZE)
    start = time.process_time()
    fit(landmarks, SIZE)
    assert time.process_time() - start < 1.5  # of processor time: 0.25 s on a quiet core


def test_long_clips_are_fitted_in_parts() -> None:
    landmarks = seen(talking(300))
    coefficients, _, error = fit(landmarks, SIZE)
    assert len(coefficients) == 300 and error.max() < 0.02
