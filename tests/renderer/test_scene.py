"""Lights, backgrounds and cameras: what differs from clip to clip."""

import numpy as np
import pytest

from styleheat.renderer.background import KINDS, background
from styleheat.renderer.camera import Camera, ImageProcessor
from styleheat.renderer.scene import Scene

SIZE = 64
NO_GAIN = np.ones(3)


def sample_image(seed: int = 0) -> np.ndarray:
    """Soft blobs of all colours, uint8."""
    rng = np.random.default_rng(seed)
    return np.kron(rng.integers(40, 215, (SIZE // 8, SIZE // 8, 3)), np.ones((8, 8, 1))).astype(np.uint8)


@pytest.mark.parametrize("kind", KINDS)
def test_backgrounds_repeat_and_are_the_same_image_at_every_size(kind: str) -> None:
    tint = np.array([0.5, 0.4, 0.6])
    small, again, large = (background(kind, 7, tint, 0.8, size) for size in (48, 48, 96))
    assert np.array_equal(small, again) and small.dtype == np.float32 and np.isfinite(small).all()
    halved = large.reshape(48, 2, 48, 2, 3).mean((1, 3))
    assert np.abs(halved - small).mean() < 0.01
    assert np.abs(background(kind, 8, tint, 0.8, 48) - small).mean() > 0.01
    assert small.std() > 0.005


def test_lights_come_from_everywhere_and_expose_the_face_alike() -> None:
    scenes = [Scene.random(np.random.default_rng(k)) for k in range(300)]
    key = np.stack([scene.key for scene in scenes])
    assert np.allclose(np.linalg.norm(key, axis=1), 1)
    share = {"left": key[:, 0] < -0.6, "right": key[:, 0] > 0.6, "top": key[:, 1] > 0.75, "below": key[:, 1] < -0.25}
    share["behind"] = key[:, 2] < -0.2
    assert all(0.02 < where.mean() < 0.5 for where in share.values()), share
    coloured = np.stack([scene.key_colour / scene.key_colour.mean() for scene in scenes])
    assert 0.05 < (np.ptp(coloured, axis=1) > 0.35).mean() < 0.3
    light = np.array([(s.key_colour * max(s.key[2], 0) * 0.65 + 0.8 * s.sky).mean() for s in scenes])
    assert np.percentile(light, 90) / np.percentile(light, 25) < 2


def test_a_camera_without_faults_changes_nothing() -> None:
    image = sample_image()
    assert np.array_equal(ImageProcessor(Camera(NO_GAIN), SIZE).develop(image, 3), image)


def test_noise_is_new_in_each_frame_and_repeats_with_its_seed() -> None:
    processor = ImageProcessor(Camera(NO_GAIN, noise=6.0, seed=4), SIZE)
    first, second = processor.develop(sample_image(), 0), processor.develop(sample_image(), 1)
    assert np.array_equal(first, ImageProcessor(Camera(NO_GAIN, noise=6.0, seed=4), SIZE).develop(sample_image(), 0))
    assert 7 < (first.astype(float) - second).std() < 10  # of two independent noises of 6
    assert abs(first.astype(float).mean() - sample_image().mean()) < 1


@pytest.mark.parametrize(
    ("camera", "darker_corners", "softer", "greyer"),
    [
        (Camera(NO_GAIN, vignette=0.5), True, False, False),
        (Camera(NO_GAIN, blur=8.0), False, True, False),
        (Camera(NO_GAIN, saturation=0.0), False, False, True),
        (Camera(NO_GAIN, quality=20), False, False, False),
    ],
)
def test_each_fault_does_what_its_name_says(camera: Camera, darker_corners: bool, softer: bool, greyer: bool) -> None:
    before = sample_image().astype(float)
    after = ImageProcessor(camera, SIZE).develop(sample_image(), 0).astype(float)
    assert not np.array_equal(before, after)
    corner, edges, colour = (slice(0, 8), slice(0, 8)), np.abs(np.diff(before, axis=1)).max(), np.ptp(before, axis=2)
    assert (after[corner].mean() < 0.8 * before[corner].mean()) == darker_corners
    assert (np.abs(np.diff(after, axis=1)).max() < 0.5 * edges) == softer
    assert (np.ptp(after, axis=2).mean() < 0.1 * colour.mean()) == greyer


def test_few_cameras_shake_and_some_are_clean() -> None:
    cameras = [Camera.random(np.random.default_rng(k), np.full(3, 0.6)) for k in range(300)]
    shaken = [camera for camera in cameras if camera.shake]
    clean = [c for c in cameras if not (c.noise or c.blur or c.sharpen or c.vignette or c.quality or c.shake)]
    assert 0.04 < len(shaken) / 300 < 0.2 and 0.15 < len(clean) / 300 < 0.4
    track = np.array([shaken[0].shift(index) for index in range(60)])
    assert 0 < np.abs(track).max() <= shaken[0].shake and np.abs(np.diff(track, axis=0)).max() < 0.5 * shaken[0].shake
