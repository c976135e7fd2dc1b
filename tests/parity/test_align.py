"""FFHQ's alignment and the croppers made of it give the reference's images and places."""

from collections.abc import Callable

import numpy as np
import pytest
from PIL import Image

from styleheat.face.align import ffhq_alignment

from .conftest import REACHED, Golden

CASES = pytest.mark.parametrize("case", ["normal", "big", "shrink"])
PLACE, LEVELS = 1e-6, 0.5
"""Tolerances: pixels, and the mean difference of 255 of images that went through PIL."""


@pytest.fixture(scope="module")
def fixture(golden: Callable[[str], Golden]) -> Golden:
    return golden("ffhq_align")


def golden_image(fixture: Golden, case: str) -> np.ndarray:
    image = fixture["image"]
    return (
        np.asarray(Image.fromarray(image).resize((1600, 1600), Image.Resampling.LANCZOS)) if case == "shrink" else image
    )


def same_image(fixture: Golden, key: str, image: np.ndarray) -> None:
    """Means over a 64th of each side, (3, 64, 64)."""
    step = len(image) // 64
    pooled = image.astype(float).reshape(64, step, 64, step, 3).mean(axis=(1, 3)).transpose(2, 0, 1)
    error = float(np.abs(pooled - fixture[key]).mean())
    REACHED["ffhq_align"] = max(REACHED.get("ffhq_align", (0.0, 0.0)), (error, LEVELS))
    assert error <= LEVELS, key


@CASES
@pytest.mark.parametrize("size", [1024, 256])
def test_images(fixture: Golden, case: str, size: int) -> None:
    image, landmarks = golden_image(fixture, case), fixture[f"{case}.landmarks"]
    plan = ffhq_alignment(landmarks, image.shape[1], image.shape[0], size)
    assert np.abs(plan.quad - fixture[f"{case}.single{size}.quad_flat"]).max() <= PLACE
    x0, y0, x1, y1 = plan.crop
    assert [x1 - x0, y1 - y0] == fixture[f"{case}.single{size}.transform_input_size"].tolist()
    same_image(fixture, f"{case}.single{size}.image_0_255", plan.apply(image))


@CASES
def test_videos(fixture: Golden, case: str) -> None:
    """The reference's cropper of videos applies the plan of a shrunk and cropped frame to the complete one."""
    image = golden_image(fixture, case)
    plan = ffhq_alignment(fixture[f"{case}.landmarks"], image.shape[1], image.shape[0], 256)
    assert np.abs(plan.quad - fixture[f"{case}.video_croper.quad_flat"]).max() <= PLACE
    assert list(image.shape[1::-1]) == fixture[f"{case}.video_croper.transform_input_size"].tolist()
    same_image(fixture, f"{case}.video_croper.image_0_255", plan.apply(image, released=True))


@CASES
@pytest.mark.parametrize("size", [1024, 512])
def test_boxes(fixture: Golden, case: str, size: int) -> None:
    image = golden_image(fixture, case)
    plan = ffhq_alignment(fixture[f"{case}.landmarks"], image.shape[1], image.shape[0], size)
    assert list(plan.crop) == fixture[f"{case}.box_croper{size}.crop"].tolist()
    assert np.abs(plan.box - fixture[f"{case}.box_croper{size}.quad"]).max() <= PLACE
