import os
from pathlib import Path

import cv2
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from styleheat.face.align import (
    ffhq_alignment,
    ffhq_box,
    ffhq_quad,
    outline,
    places,
    rescaled,
    surrounded,
    widened,
)

PARITY = Path(os.environ.get("STYLEHEAT_PARITY", "tests/parity"))
CASES = ("normal", "big", "shrink")


@pytest.fixture(scope="module")
def golden() -> dict[str, np.ndarray]:
    with np.load(PARITY / "golden" / "ffhq_align.npz") as arrays:
        return {name: arrays[name] for name in arrays.files}


def golden_image(golden: dict[str, np.ndarray], case: str) -> np.ndarray:
    image = golden["image"]
    if case == "shrink":
        image = np.asarray(Image.fromarray(image).resize((1600, 1600), Image.Resampling.LANCZOS))
    return image


@pytest.mark.parametrize("case", CASES)
@pytest.mark.parametrize("size", [1024, 256, 128, 64])
def test_the_fast_way_is_near_the_exact_one(golden: dict[str, np.ndarray], case: str, size: int) -> None:
    image = golden_image(golden, case)
    plan = ffhq_alignment(golden[f"{case}.landmarks"], image.shape[1], image.shape[0], size)
    exact, fast = plan.apply(image).astype(float), plan.apply_fast(image).astype(float)
    inside = (exact.sum(axis=2) > 0) & (fast.sum(axis=2) > 0)
    (x, y), _ = cv2.phaseCorrelate(exact.mean(axis=2), fast.mean(axis=2))
    if plan.shrunk is None:
        assert np.abs(exact - fast)[inside].mean() < 2
        assert max(abs(x), abs(y)) < 0.03
    else:  # FFHQ's shrinking forgets that pixels have a size, and moves the image a little
        assert max(abs(x), abs(y)) < 0.25


def test_one_plan_serves_a_complete_video(golden: dict[str, np.ndarray]) -> None:
    """Where the reference's cropper for videos takes the corners of a cropped frame for those of the complete one."""
    image, landmarks = golden["image"], golden["normal.landmarks"]
    plan = ffhq_alignment(landmarks, 512, 512, 256)
    brighter = (image // 2 + 100).astype(np.uint8)
    for frame in (image, brighter):
        assert np.array_equal(plan.apply(frame), ffhq_alignment(landmarks, 512, 512, 256).apply(frame))


def test_results_find_their_way_back(golden: dict[str, np.ndarray]) -> None:
    landmarks = golden["normal.landmarks"].astype(float)
    plan = ffhq_alignment(landmarks, 512, 512, 256)
    assert np.allclose(outline(plan.to_image, 256), ffhq_quad(landmarks))
    half = rescaled(plan.to_image, 0.5)
    assert np.allclose(outline(half, 128), ffhq_quad(landmarks))
    complete = places(plan.to_image, 256).reshape(2, 128, 2, 128, 2)
    assert np.allclose(places(half, 128), complete.mean(axis=(2, 4)))  # each pixel amid the four that it replaces


def cropped(golden: dict[str, np.ndarray], margin: float) -> tuple[np.ndarray, np.ndarray]:
    """The astronaut's face alone and its landmarks; margin: shares of the landmarks' box left around them."""
    points = golden["normal.landmarks"].astype(float)
    low, high = points.min(axis=0), points.max(axis=0)
    x0, y0 = np.floor(low - margin * (high - low)).astype(int)
    x1, y1 = np.ceil(high + margin * (high - low)).astype(int)
    return np.ascontiguousarray(golden["image"][y0:y1, x0:x1]), points - (x0, y0)


@pytest.mark.parametrize("margin", [0.0, 0.1, 0.3])
@pytest.mark.parametrize("size", [64, 256, 512])
def test_a_square_that_leaves_the_photograph_is_filled(golden: dict[str, np.ndarray], size: int, margin: float) -> None:
    image, landmarks = cropped(golden, margin)
    plan = ffhq_alignment(landmarks, image.shape[1], image.shape[0], size)
    filled, black = plan.apply_filled(image).astype(float), plan.apply(image).astype(float)
    x, y = places(plan.to_image, size)
    away = 4 * plan.pitch + 4  # where neither interpolation reads across the border
    inside = (x > away) & (x < image.shape[1] - away) & (y > away) & (y < image.shape[0] - away)
    assert np.abs(filled - black)[inside].mean() < 2.5
    on = (x > -0.5) & (x < image.shape[1] - 0.5) & (y > -0.5) & (y < image.shape[0] - 0.5)
    assert on.mean() < 0.8
    # No edge is left at the border: a step across it is no larger than those within the photograph.
    step = np.abs(np.diff(filled.mean(axis=2), axis=1))
    assert step[on[:, 1:] != on[:, :-1]].mean() < 1.5 * step[on[:, 1:] & on[:, :-1]].mean()
    if margin < 0.3:  # far from the border, only the median colour is left, and no mirrored face
        far = filled[0, [0, size // 2, -1]]
        assert np.abs(far - np.median(image, axis=(0, 1))).max() < 25
        assert step[: size // 16].max() < 8 * 64 / size + 2


def test_inside_the_photograph_filling_changes_nothing(golden: dict[str, np.ndarray]) -> None:
    image, landmarks = golden["image"], golden["normal.landmarks"].astype(float)
    plan = ffhq_alignment(landmarks, 512, 512, 256)
    x0, y0 = np.floor(outline(plan.to_image, 256).min(axis=0)).astype(int) + np.array([60, 30])
    part = ffhq_alignment(landmarks - (x0, y0), 512 - x0, 512 - y0, 256)
    complete, cut = plan.apply_filled(image), part.apply_filled(np.ascontiguousarray(image[y0:, x0:]))
    x, y = places(part.to_image, 256)
    inside = (x > 4) & (y > 4)
    assert 0.3 < inside.mean() < 0.9
    assert np.abs(complete[inside].astype(int) - cut[inside]).max() <= 1


@pytest.mark.parametrize(("width", "height"), [(1, 1), (2, 40), (40, 2), (9, 9)])
def test_a_photograph_much_smaller_than_the_square_is_mirrored_repeatedly(width: int, height: int) -> None:
    image = np.full((height, width, 3), (90, 140, 200), np.uint8)
    face = np.zeros((68, 2))
    face[36:42], face[42:48] = [-30, -20], [30, -20]
    face[48], face[54] = [-20, 30], [20, 30]
    filled = ffhq_alignment(face + np.array([width, height]) / 2, width, height, 64).apply_filled(image)
    assert filled.shape == (64, 64, 3) and (filled == (90, 140, 200)).all()


@pytest.mark.parametrize("size", [96, 256, 362])
def test_around_a_square_is_its_photograph(golden: dict[str, np.ndarray], size: int) -> None:
    image, landmarks = golden["image"], golden["normal.landmarks"].astype(float)
    plan = ffhq_alignment(landmarks, 512, 512, size)
    square, around = plan.apply_filled(image), round(size / 4)
    wider = surrounded(square, image, plan.to_image, around)
    inner = slice(around, around + size)
    assert wider.shape == (size + 2 * around, size + 2 * around, 3)
    assert np.array_equal(wider[inner, inner], square)
    to_image = widened(plan.to_image, around)
    assert np.allclose(places(to_image, len(wider))[:, inner, inner], places(plan.to_image, size))
    x, y = places(to_image, len(wider))
    away = 4 * plan.pitch + 4
    on = (x > away) & (x < 511 - away) & (y > away) & (y < 511 - away)
    on[inner, inner] = False
    expected = cv2.remap(image, x.astype(np.float32), y.astype(np.float32), cv2.INTER_CUBIC)
    assert 0.2 < on.mean() < 0.6
    assert np.abs(wider[on].astype(int) - expected[on]).mean() < (4 if plan.pitch > 1 else 1)


@pytest.mark.parametrize("margin", [0.0, 0.3])
def test_no_edge_is_left_around_a_square_that_leaves_the_photograph(
    golden: dict[str, np.ndarray], margin: float
) -> None:
    image, landmarks = cropped(golden, margin)
    plan = ffhq_alignment(landmarks, image.shape[1], image.shape[0], 256)
    square = plan.apply_filled(image)
    wider = surrounded(square, image, plan.to_image, 64).astype(float).mean(axis=2)
    step = np.abs(np.diff(wider, axis=0))[:, 64:320]
    assert step[[63, 319]].mean() < 1.2 * step[[62, 64, 318, 320]].mean() + 0.1


@settings(max_examples=20, deadline=None)
@given(
    st.integers(1, 60), st.integers(1, 60), st.integers(1, 40), st.integers(0, 30), st.floats(-3, 3), st.floats(0.2, 3)
)
def test_a_square_amid_its_surroundings_stays_as_it_is(
    width: int, height: int, size: int, around: int, angle: float, pitch: float
) -> None:
    rng = np.random.default_rng(width)
    image, square = (rng.integers(0, 256, (*shape, 3), np.uint8) for shape in ((height, width), (size, size)))
    turn = pitch * np.array([[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]])
    to_image = np.column_stack([turn, (width / 2, height / 2) - turn @ (size / 2, size / 2)])
    wider = surrounded(square, image, to_image, around)
    assert np.array_equal(wider[around : around + size, around : around + size], square)


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
