"""Each number against an answer known by hand."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from styleheat.evaluation import metrics
from styleheat.evaluation.similarity import similarities, ssim
from styleheat.face.boxes import eye_boxes, face_boxes, mouth_boxes


def _clip(seed: int = 0, frames: int = 3, size: int = 32) -> np.ndarray:
    return np.random.default_rng(seed).integers(0, 200, (frames, size, size, 3), dtype=np.uint8)


def _face(frames: int = 4) -> np.ndarray:
    """Landmarks whose outer eye corners are 40 px apart and whose mouth is 20 wide and 8 tall around (32, 48)."""
    points = np.full((frames, 68, 2), 32.0)
    points[:, 36], points[:, 45] = (12, 24), (52, 24)
    points[:, 48:68] = (32, 48)
    points[:, 48], points[:, 54], points[:, 51], points[:, 57] = (22, 48), (42, 48), (32, 44), (32, 52)
    return points


def test_equal_clips_are_perfect() -> None:
    clip = _clip()
    assert metrics.l1(clip, clip).tolist() == [0, 0, 0]
    assert metrics.psnr(clip, clip) == pytest.approx([58.92] * 3, abs=0.01)  # the cap: rounding to 8 bits
    maps, multi_scale = similarities(clip, clip)
    assert ssim(maps) == pytest.approx([1] * 3)
    assert np.isnan(multi_scale).all()  # too small for five scales
    large = _clip(frames=1, size=176)
    assert similarities(large, large)[1] == pytest.approx([1])


def test_l1_and_psnr_of_a_constant_offset() -> None:
    clip = _clip()
    assert metrics.l1(clip + np.uint8(51), clip) == pytest.approx([0.2] * 3)
    assert metrics.psnr(clip + np.uint8(51), clip) == pytest.approx([20 * np.log10(5)] * 3)


def test_each_frame_has_its_own_decibels() -> None:
    clip = np.zeros((2, 8, 8, 3), np.uint8)
    other = clip.copy()
    other[0] += 51
    other[1] += 5
    assert metrics.psnr(other, clip) == pytest.approx([20 * np.log10(255 / 51), 20 * np.log10(255 / 5)])
    boxes = np.array([[0, 0, 0, 0], [2, 2, 4, 4]])
    assert metrics.psnr(other, clip, boxes) == pytest.approx([np.nan, 20 * np.log10(255 / 5)], nan_ok=True)


def test_boxes_see_only_what_is_inside() -> None:
    clip, boxes = _clip(size=64), mouth_boxes(_face(3), 64)
    damaged = clip.copy()
    damaged[:, :20] = 255
    assert metrics.psnr(damaged, clip).max() < 15
    assert metrics.psnr(damaged, clip, boxes) == pytest.approx([58.92] * 3, abs=0.01)
    assert ssim(similarities(damaged, clip)[0], boxes) == pytest.approx([1] * 3, abs=1e-5)


def test_ssim_falls_with_noise_as_scikit_image_says() -> None:
    from skimage.metrics import structural_similarity

    clean, noisy = _clip(1, frames=1), _clip(2, frames=1)
    blend = (0.7 * clean + 0.3 * noisy).astype(np.uint8)
    options = {"gaussian_weights": True, "sigma": 1.5, "use_sample_covariance": False, "data_range": 255}
    _, expected = structural_similarity(clean[0], blend[0], channel_axis=-1, full=True, **options)
    assert similarities(blend, clean)[0][0, 8:-8, 8:-8] == pytest.approx(expected.mean(-1)[8:-8, 8:-8], abs=1e-3)


@pytest.mark.parametrize("size", [176, 201])
def test_structural_similarity_is_that_of_torchmetrics(size: int) -> None:
    import torch
    from skimage import data
    from torchmetrics.functional.image import (
        multiscale_structural_similarity_index_measure,
        structural_similarity_index_measure,
    )

    target = data.astronaut()[None, :size, 100 : 100 + size]
    noise = np.random.default_rng(0).normal(0, 20, target.shape)
    for other in (np.clip(target + noise, 0, 255).astype(np.uint8), np.roll(target, 3, axis=2), 255 - target):
        tensors = [
            torch.from_numpy(np.ascontiguousarray(f)).permute(0, 3, 1, 2).double() / 255 for f in (other, target)
        ]
        _, expected = structural_similarity_index_measure(*tensors, data_range=1.0, return_full_image=True)
        maps, multi_scale = similarities(other, target)
        assert np.abs(maps - expected.mean(1).numpy()).max() < 3e-4
        assert ssim(maps) == pytest.approx([expected.mean().item()], rel=1e-4)
        wanted = multiscale_structural_similarity_index_measure(*tensors, data_range=1.0)
        assert multi_scale == pytest.approx([wanted.item()], rel=1e-4)


def test_mouth_boxes_are_square_and_clipped() -> None:
    assert mouth_boxes(_face(1), 64).tolist() == [[15, 31, 49, 64]]
    assert mouth_boxes(_face(1), 128).tolist() == [[15, 31, 49, 65]]
    assert mouth_boxes(np.full((1, 68, 2), -1.0), 64).tolist() == [[0, 0, 0, 0]]


def test_face_boxes_hold_every_point_and_the_forehead() -> None:
    points = _face(1)
    x0, y0, x1, y1 = face_boxes(points, 256)[0]
    assert (x0, x1, y1) == (np.floor(points[..., 0].min()), points[..., 0].max(), points[..., 1].max())
    height = points[..., 1].max() - points[..., 1].min()
    assert y0 == max(0, np.floor(points[..., 1].min() - 0.35 * height))
    assert face_boxes(np.full((1, 68, 2), -1.0), 64).tolist() == [[0, 0, 0, 0]]


def test_eye_boxes_hold_both_eyes() -> None:
    points = _face(2)
    points[0, 36:48, 1], points[1] = np.linspace(22, 26, 12), -1
    assert eye_boxes(points, 64).tolist() == [[6, 16, 58, 32], [0, 0, 0, 0]]


def test_landmark_distance_is_a_share_of_the_interocular_distance() -> None:
    target, moved = _face(), _face() + np.array([0.0, 4.0])
    assert metrics.landmark_distance(moved, target) == pytest.approx(0.1)
    moved[0] = -1
    assert metrics.landmark_distance(moved, target) == pytest.approx(0.1)
    assert np.isnan(metrics.landmark_distance(np.full_like(target, -1), target))


def test_coefficient_distance_leaves_lost_frames_out() -> None:
    target = np.zeros((3, 64))
    generated = np.full((3, 64), 0.25)
    generated[1] = np.nan
    assert metrics.coefficient_distance(generated, target) == pytest.approx(0.25)


def test_identity_similarity_is_the_cosine() -> None:
    source = np.eye(128)[0]
    faces = np.stack([source * 3, np.eye(128)[0] + np.eye(128)[1], np.full(128, np.nan)])
    assert metrics.identity_similarity(faces, source) == pytest.approx((1 + 2**-0.5) / 2)
    assert np.isnan(metrics.identity_similarity(faces, faces[2]))
    assert np.isnan(metrics.identity_similarity(faces[2:], source))


def test_correlation_of_a_constant_is_zero() -> None:
    track = np.sin(np.arange(50) / 3)
    assert metrics.correlation(2 * track + 1, track) == pytest.approx(1)
    assert metrics.correlation(-track, track) == pytest.approx(-1)
    assert metrics.correlation(np.ones(50), track) == 0


@settings(max_examples=30, deadline=None)
@given(delay=st.integers(-5, 5), seed=st.integers(0, 1000))
def test_best_lag_finds_a_known_delay(delay: int, seed: int) -> None:
    track = np.random.default_rng(seed).standard_normal(80)
    reference, measured = track[10:70], track[10 - delay : 70 - delay]  # measured[t] = reference[t − delay]
    curve = metrics.lag_correlations(measured, reference)
    assert metrics.best_lag(curve) == delay
    assert curve.max() == pytest.approx(1)


def test_best_lag_skips_lost_frames() -> None:
    reference = np.random.default_rng(3).standard_normal(60)
    measured = np.roll(reference, 2)
    measured[[0, 1, 10, 30]] = np.nan
    assert metrics.best_lag(metrics.lag_correlations(measured, reference)) == 2


def test_lags_longer_than_the_clip_have_no_correlation() -> None:
    curve = metrics.lag_correlations(np.array([0.0, 2.0, 1.0]), np.array([0.0, 1.0, 0.5]))
    assert np.isfinite(curve).tolist() == [False] * 4 + [True] * 3 + [False] * 4
    assert metrics.best_lag(curve) == 0
    assert not np.isfinite(metrics.lag_correlations(np.zeros(0), np.zeros(0))).any()


def test_no_lag_is_best_when_none_is_better() -> None:
    assert metrics.best_lag(np.zeros(11)) == 0
    assert metrics.best_lag(np.full(11, np.nan)) == 0
