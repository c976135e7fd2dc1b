import os
from pathlib import Path

import cv2
import numpy as np
import pytest
from PIL import Image

from styleheat.face.align import ffhq_align, ffhq_alignment, ffhq_box, ffhq_quad

PARITY = Path(os.environ.get("STYLEHEAT_PARITY", "tests/parity"))
CASES = ("normal", "big", "shrink")


@pytest.fixture(scope="module")
def golden() -> dict[str, np.ndarray]:
    with np.load(PARITY / "golden" / "ffhq_align.npz") as arrays:
        return {name: arrays[name] for name in arrays.files}


def picture(golden: dict[str, np.ndarray], case: str) -> np.ndarray:
    image = golden["image"]
    if case == "shrink":
        image = np.asarray(Image.fromarray(image).resize((1600, 1600), Image.Resampling.LANCZOS))
    return image


@pytest.mark.parametrize("case", CASES)
@pytest.mark.parametrize("size", [1024, 256, 128, 64])
def test_the_fast_way_is_near_the_exact_one(golden: dict[str, np.ndarray], case: str, size: int) -> None:
    image = picture(golden, case)
    plan = ffhq_alignment(golden[f"{case}.landmarks"], image.shape[1], image.shape[0], size)
    exact, fast = plan.apply(image).astype(float), plan.apply_fast(image).astype(float)
    inside = (exact.sum(axis=2) > 0) & (fast.sum(axis=2) > 0)
    (x, y), _ = cv2.phaseCorrelate(exact.mean(axis=2), fast.mean(axis=2))
    if plan.shrunk is None:
        assert np.abs(exact - fast)[inside].mean() < 2
        assert max(abs(x), abs(y)) < 0.03
    else:  # FFHQ's shrinking forgets that pixels have a size, and moves the picture a little
        assert max(abs(x), abs(y)) < 0.25


def test_one_plan_serves_a_whole_video(golden: dict[str, np.ndarray]) -> None:
    """Where the reference's cropper for videos takes the corners of a cropped frame for those of the whole one."""
    image, landmarks = golden["image"], golden["normal.landmarks"]
    plan = ffhq_alignment(landmarks, 512, 512, 256)
    brighter = (image // 2 + 100).astype(np.uint8)
    assert np.array_equal(plan.apply(image), ffhq_align(image, landmarks, 256))
    assert np.array_equal(plan.apply(brighter), ffhq_align(brighter, landmarks, 256))


def test_results_find_their_way_back(golden: dict[str, np.ndarray]) -> None:
    landmarks = golden["normal.landmarks"].astype(float)
    plan = ffhq_alignment(landmarks, 512, 512, 256)
    corners = np.array([[-0.5, -0.5], [-0.5, 255.5], [255.5, 255.5], [255.5, -0.5]])
    assert np.allclose(corners @ plan.to_image[:, :2].T + plan.to_image[:, 2], ffhq_quad(landmarks))


def test_box_is_the_square_without_its_turn() -> None:
    rng = np.random.default_rng(0)
    face = rng.normal(0, 1, (68, 2))
    face[36:42], face[42:48] = [-30, -20], [30, -20]
    face[48], face[54] = [-20, 30], [20, 30]
    x0, y0, x1, y1 = ffhq_box(face + 100)
    assert (x1 - x0, y1 - y0) == pytest.approx((240, 240))  # four eye distances
    assert np.allclose(ffhq_quad(face + 100)[[0, 2]].reshape(4), (x0, y0, x1, y1))
    turn = np.array([[0.8, 0.6], [-0.6, 0.8]])  # the square keeps its side, its centre turns with the face
    middle = ffhq_box(face).reshape(2, 2).mean(axis=0)
    assert ffhq_box(face @ turn) == pytest.approx([*(middle @ turn - 120), *(middle @ turn + 120)])
