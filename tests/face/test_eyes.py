"""Lids: found shut and open, on rendered people and on a real blink."""

from pathlib import Path

import numpy as np
import pytest

from styleheat.face.landmarks import MediaPipe, stack
from styleheat.media.video import read_frames
from styleheat.morphable.measures import eye_opening

DRIVER = Path(__file__).parents[2] / "data" / "examples" / "driver.mp4"


@pytest.mark.parametrize("kind", ["real", "rendered"])
def test_a_blink_is_seen(kind: str, carphone: Path, finder: MediaPipe) -> None:
    points = stack(finder.track(read_frames(carphone if kind == "real" else DRIVER, fps=None)))
    opening = eye_opening(points).mean(1)
    usual = np.median(opening)
    assert usual > 0.25
    assert opening.min() < 0.1 * usual  # shut
    assert np.percentile(opening, 10) > 0.7 * usual  # most of the time they are open
    left, right = eye_opening(points).T
    assert np.corrcoef(left, right)[0, 1] > 0.8


def test_lids_alone_are_refined_and_a_tiny_eye_is_left_alone(finder: MediaPipe, astronaut: np.ndarray) -> None:
    points = finder.landmarks(astronaut)
    assert points is not None
    again = finder._eyes.refine(astronaut, points)
    moved = np.flatnonzero((again != points).any(1))
    assert set(moved) <= {37, 38, 40, 41, 43, 44, 46, 47}
    assert np.abs(again - points).max() < 1.5
    tiny = points * np.float32(0.01)
    np.testing.assert_array_equal(finder._eyes.refine(astronaut, tiny), tiny)


def test_upper_lids_are_above_lower_ones(finder: MediaPipe, astronaut: np.ndarray) -> None:
    points = finder.landmarks(astronaut)
    assert points is not None
    for upper, lower in ((37, 41), (38, 40), (43, 47), (44, 46)):
        assert points[lower, 1] - points[upper, 1] > 2
        assert abs(points[lower, 0] - points[upper, 0]) < 3
