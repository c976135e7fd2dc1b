"""A background that stands still while the person before it moves."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from styleheat.inference import background
from styleheat.inference.background import BEYOND, FADE, MARGIN, StillBackground, filled, still_background

SIZE = 128


def portrait() -> tuple[np.ndarray, np.ndarray]:
    """An image (SIZE,SIZE,3) with a disc before a pattern, and where the disc is (64,64)."""
    y, x = np.mgrid[:SIZE, :SIZE]
    image = np.stack([x, y, (x * y) % 251], axis=-1).astype(np.uint8)
    image[np.hypot(x - 64, y - 64) < 30] = (220, 40, 40)
    rows, columns = np.mgrid[:64, :64]
    return image, (np.hypot(columns - 32, rows - 32) < 15).astype(np.float32)


def displacement(right: float, down: float) -> np.ndarray:
    return np.stack([np.full((32, 32), right, np.float32), np.full((32, 32), down, np.float32)])


def test_a_frame_like_the_image_is_the_image() -> None:
    image, found = portrait()
    shown, changed = StillBackground(image, found)(image, displacement(0, 0))
    np.testing.assert_array_equal(shown, image)
    assert changed[64, 64] == 1 and changed[:20].max() == 0


@settings(deadline=None, max_examples=25)
@given(right=st.floats(-0.1, 0.1), down=st.floats(-0.1, 0.1), level=st.integers(0, 255))
def test_far_from_the_person_any_frame_shows_the_image(right: float, down: float, level: int) -> None:
    image, found = portrait()
    frame = np.full_like(image, level)
    shown, changed = StillBackground(image, found)(frame, displacement(right, down))
    y, x = np.mgrid[:SIZE, :SIZE]
    centre = 64 - SIZE * right, 64 - SIZE * down
    distance = np.hypot(x - centre[0], y - centre[1]) / SIZE
    outside = distance > 30 / SIZE + MARGIN + FADE + 0.06  # a cell of each grid
    behind = np.hypot(x - 64, y - 64) / SIZE > 30 / SIZE + MARGIN + 0.03
    np.testing.assert_array_equal(shown[outside & behind], image[outside & behind])
    np.testing.assert_array_equal(shown[distance < 24 / SIZE], level)
    np.testing.assert_array_equal(shown[changed == 0], image[changed == 0])
    assert changed[distance < 24 / SIZE].min() == 1


def test_the_square_of_a_wider_image_is_part_of_it() -> None:
    image, found = portrait()
    behind = StillBackground(image, found, around=32)
    frame = np.full((64, 64, 3), 9, np.uint8)
    shown, _ = behind(frame, displacement(0.3, 0))
    all_of_it, _ = behind(np.full_like(image, 9), displacement(0.15, 0))
    np.testing.assert_array_equal(shown, all_of_it[32:96, 32:96])


def test_what_was_behind_the_person_is_like_what_is_around_them() -> None:
    image, found = portrait()
    shown, _ = StillBackground(image, found)(image, displacement(0.3, 0))  # the disc has moved to the left
    assert not (shown[50:78, 75:85] == (220, 40, 40)).all(-1).any()


def test_what_is_far_from_the_edge_of_a_hole_is_the_smoothest() -> None:
    rng = np.random.default_rng(0)
    noisy = rng.integers(0, 256, (300, 300, 3), dtype=np.uint8)
    hole = np.zeros((300, 300), bool)
    hole[60:240, 60:240] = True
    shown = filled(noisy, hole).astype(float)
    edge, middle = shown[62:66, 100:200], shown[130:170, 130:170]
    assert middle.std() < 0.6 * edge.std()
    assert abs(middle.mean() - noisy.mean()) < 10


def test_a_hole_is_filled_from_its_edge() -> None:
    flat = np.full((40, 40, 3), 77, np.uint8)
    hole = np.zeros((40, 40), bool)
    hole[10:30, 10:40] = True
    marked = flat.copy()
    marked[hole] = 255
    np.testing.assert_array_equal(filled(marked, hole), flat)


def test_hair_that_was_not_found_would_stay_behind(monkeypatch: pytest.MonkeyPatch) -> None:
    found = np.zeros((64, 64), np.float32)
    found[20:60, 15:50] = 1  # from the brows down
    landmarks = np.column_stack([np.linspace(0.3, 0.7, 68), np.full(68, 0.5)])
    landmarks[8] = 0.5, 0.8
    landmarks[17:27, 1] = 0.35
    monkeypatch.setattr(background, "person", lambda image: found)
    image, nothing = portrait()[0], np.zeros((SIZE, SIZE), bool)
    assert still_background(image, landmarks, image, nothing) is None
    found[5:20, 15:50] = 1
    assert still_background(image, landmarks, image, nothing) is not None


@pytest.mark.parametrize(
    ("found", "known"),
    [
        (None, False),
        (np.zeros((64, 64), np.float32), False),  # nobody
        (np.ones((64, 64), np.float32), False),  # no background
        (portrait()[1], True),
    ],
)
def test_where_the_person_is_not_known_there_is_none(
    monkeypatch: pytest.MonkeyPatch, found: np.ndarray | None, known: bool
) -> None:
    monkeypatch.setattr(background, "person", lambda image: found)
    landmarks = np.full((68, 2), 0.5)
    image, nothing = portrait()[0], np.zeros((SIZE, SIZE), bool)
    assert (still_background(image, landmarks, image, nothing) is not None) == known


def test_a_head_cut_off_by_the_photograph_goes_on_a_little(monkeypatch: pytest.MonkeyPatch) -> None:
    """And what was made up around the photograph is no background."""
    found = np.zeros((64, 64), np.float32)
    found[:50, 16:48] = 1  # up to the border of the image, which is that of the photograph
    everywhere = np.pad(found, 16)
    everywhere[:16, 10:70] = 1  # and its mirror image
    monkeypatch.setattr(background, "person", lambda image: found if len(image) == SIZE else everywhere)
    wider = np.full((SIZE + 64, SIZE + 64, 3), (250, 0, 250), np.uint8)
    wider[32:-32, 32:-32] = 80
    made_up = np.ones(wider.shape[:2], bool)
    made_up[32:-32, 32:-32] = False
    landmarks = np.full((68, 2), 0.5)
    behind = still_background(wider[32:-32, 32:-32], landmarks, wider, made_up)
    assert behind is not None
    shown, changed = behind(np.full_like(wider, 9), displacement(0, 0))
    rows = (changed == 1).argmax(axis=0)  # the highest pixel of the person
    assert BEYOND * SIZE <= 32 - rows[96] <= (BEYOND + MARGIN) * SIZE + 2
    assert rows[65] >= rows[96] + 2  # it narrows
    shown, _ = behind(np.full_like(wider, 9), displacement(0, -2))  # nothing of the person is left in it
    assert np.abs(shown.astype(int) - 80).max() <= 1
