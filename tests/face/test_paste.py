import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from styleheat.face.align import Alignment, ffhq_alignment
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
    whole = np.zeros(paster.photo.shape[:2], np.float32)
    width, height = paster.box
    whole[paster.y0 : paster.y0 + height, paster.x0 : paster.x0 + width] = paster.mask[..., 0]
    return whole


@pytest.mark.parametrize("size", [256, 512, 1024])
def test_an_unchanged_face_comes_back_as_it_was(astronaut: np.ndarray, points: np.ndarray, size: int) -> None:
    alignment = plan(astronaut, points, size)
    paster = Paster(astronaut, alignment.to_image, size)
    result = paster(alignment.apply(astronaut))
    mask = mask_of(paster)
    error = (result.astype(float) - astronaut) ** 2
    assert 10 * np.log10(255**2 / error[mask > 0].mean()) >= 40
    assert (result[mask == 0] == astronaut[mask == 0]).all()
    assert (mask == 0).mean() > 0.5


def test_a_changed_face_is_seen_whole_and_fades_at_the_edge(astronaut: np.ndarray, points: np.ndarray) -> None:
    paster = Paster(astronaut, plan(astronaut, points, 64).to_image, 64)
    red = np.full((64, 64, 3), (255, 0, 0), np.uint8)
    result, mask = paster(red), mask_of(paster)
    assert (result[mask == 1] == (255, 0, 0)).all()
    between = (mask > 0.2) & (mask < 0.8)
    assert between.any()
    assert (np.abs(result[between].astype(int) - astronaut[between]).max(1) < 255).all()
    assert paster.photo is astronaut


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
