import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from styleheat.face.align import Alignment, ffhq_alignment, outline, places, rescaled
from styleheat.face.landmarks import MediaPipe
from styleheat.face.paste import Paster


@pytest.fixture(scope="module")
def points(astronaut: np.ndarray, finder: MediaPipe) -> np.ndarray:
    found = finder.landmarks(astronaut)
    assert found is not None
    return found


def plan(photo: np.ndarray, points: np.ndarray, size: int) -> Alignment:
    return ffhq_alignment(points, photo.shape[1], photo.shape[0], size)


def mask_of(paster: Paster) -> np.ndarray:
    complete = np.zeros(paster.photo.shape[:2], np.float32)
    width, height = paster.box
    complete[paster.y0 : paster.y0 + height, paster.x0 : paster.x0 + width] = paster.mask
    return complete


def tight(photo: np.ndarray, points: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """The face alone, a tenth of its landmarks' box left around them."""
    low, high = points.min(axis=0), points.max(axis=0)
    (x0, y0), (x1, y1) = (np.rint(v).astype(int) for v in (1.1 * low - 0.1 * high, 1.1 * high - 0.1 * low))
    return np.ascontiguousarray(photo[y0:y1, x0:x1]), points - (x0, y0)


@pytest.mark.parametrize("size", [180, 256, 512, 1024])
@pytest.mark.parametrize("cropped", [False, True])
def test_an_unchanged_face_comes_back_as_it_was(
    astronaut: np.ndarray, points: np.ndarray, size: int, cropped: bool
) -> None:
    photo, found = tight(astronaut, points) if cropped else (astronaut, points)
    alignment = plan(photo, found, size)
    assert alignment.pitch < 1
    paster = Paster(photo, alignment.to_image, size)
    result = paster(alignment.apply_filled(photo))
    mask = mask_of(paster)
    error = (result.astype(float) - photo) ** 2
    assert 10 * np.log10(255**2 / error[mask > 0].mean()) >= 42
    assert (result[mask == 0] == photo[mask == 0]).all()
    assert (mask == 0).mean() > 0.5 or cropped
    if cropped:
        edge = np.ones(photo.shape[:2], bool)
        edge[2:-2, 2:-2] = False
        assert 10 * np.log10(255**2 / error[edge].mean()) >= 40


@pytest.mark.parametrize("size", [64, 256, 512])
def test_what_a_frame_shows_outside_of_the_photograph_stays_there(
    astronaut: np.ndarray, points: np.ndarray, size: int
) -> None:
    photo, found = tight(astronaut, points)
    to_photo = plan(photo, found, size).to_image
    x, y = places(to_photo, size)
    outside = (x < -0.5) | (x > photo.shape[1] - 0.5) | (y < -0.5) | (y > photo.shape[0] - 0.5)
    assert outside.mean() > 0.4
    frame = np.full((size, size, 3), 100, np.uint8)
    paster = Paster(photo, to_photo, size)
    clean = paster(frame)
    frame[outside] = (255, 0, 255)
    assert (paster(frame) == clean).all()
    assert (frame[outside] == (255, 0, 255)).all()  # the caller's frame is left alone


def test_frames_may_be_finer_than_the_portrait(astronaut: np.ndarray, points: np.ndarray) -> None:
    small, large = plan(astronaut, points, 256), plan(astronaut, points, 512)
    frame = large.apply_filled(astronaut)
    expected = Paster(astronaut, large.to_image, 512)(frame)
    result = Paster(astronaut, rescaled(small.to_image, 2), 512)(frame)
    assert np.abs(result.astype(int) - expected).max() <= 1


def test_a_changed_face_is_seen_complete_and_fades_at_the_edge(astronaut: np.ndarray, points: np.ndarray) -> None:
    paster = Paster(astronaut, plan(astronaut, points, 64).to_image, 64)
    red = np.full((64, 64, 3), (255, 0, 0), np.uint8)
    result, mask = paster(red), mask_of(paster)
    assert (result[mask == 1] == (255, 0, 0)).all()
    between = (mask > 0.2) & (mask < 0.8)
    assert between.any()
    assert (np.abs(result[between].astype(int) - astronaut[between]).max(1) < 255).all()
    assert paster.photo is astronaut
    x, y = outline(plan(astronaut, points, 64).to_image, 64).T
    rows, columns = np.nonzero((result != astronaut).any(axis=2))
    assert x.min() - 1 < columns.min() and columns.max() < x.max() + 1
    assert y.min() - 1 < rows.min() and rows.max() < y.max() + 1


def test_only_what_is_changed_is_pasted(astronaut: np.ndarray, points: np.ndarray) -> None:
    paster = Paster(astronaut, plan(astronaut, points, 128).to_image, 128)
    red = np.full((128, 128, 3), (255, 0, 0), np.uint8)
    everything = np.full((128, 128), 255, np.uint8)
    assert np.array_equal(paster(red, everything), paster(red))
    changed = np.zeros_like(everything)
    assert np.array_equal(paster(red, changed), astronaut)
    changed[:, 64:] = 255
    result = paster(red, changed)
    x, y = (plan(astronaut, points, 128).to_image @ (32, 64, 1)).round().astype(int)
    assert np.array_equal(result[y, x], astronaut[y, x])
    x, y = (plan(astronaut, points, 128).to_image @ (96, 64, 1)).round().astype(int)
    assert np.array_equal(result[y, x], (255, 0, 0))


@settings(max_examples=25, deadline=None)
@given(
    st.integers(20, 200),
    st.integers(20, 200),
    st.floats(-3.2, 3.2),
    st.floats(0.1, 4.0),
    st.floats(0, 1),
    st.floats(0, 1),
)
def test_a_square_may_leave_the_photograph(
    width: int, height: int, angle: float, pitch: float, x: float, y: float
) -> None:
    photo = np.full((height, width, 3), 100, np.uint8)
    turn = pitch * np.array([[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]])
    corner = (x * (width - 1), y * (height - 1)) - turn @ (23.5, 23.5)
    result = Paster(photo, np.column_stack([turn, corner]), 48)(np.full((48, 48, 3), 200, np.uint8))
    assert result.shape == photo.shape
    assert result.min() >= 100 and result.max() <= 200
