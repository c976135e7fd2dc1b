"""The dense face surface: where it lies, and that it moves as the landmarks of the face model do."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from styleheat.constants import EXPRESSION, IDENTITY
from styleheat.morphable.model import face_model
from styleheat.morphable.points import MEAN, MIRROR
from styleheat.morphable.surface import BROW_GAIN, Surface, face_surface


@pytest.fixture(scope="module")
def surface() -> Surface:
    return face_surface()


def test_holes_are_the_mouth_and_two_eyes(surface: Surface) -> None:
    assert [len(surface.outline), len(surface.mouth), *map(len, surface.eyes)] == [36, 20, 16, 16]
    left, right = (surface.mean[eye, 0].mean() for eye in surface.eyes)
    assert left < 0 < right
    edges = np.sort(surface.triangles[:, [[0, 1], [1, 2], [2, 0]]].reshape(-1, 2), axis=1)
    unique, counts = np.unique(edges, axis=0, return_counts=True)
    assert counts.max() == 2
    assert (counts == 1).sum() == 36 + 20 + 16 + 16
    # A surface with three holes and a border: V − E + F = 1 − 3.
    assert len(surface.mean) - len(unique) + len(surface.triangles) == -2


def test_lies_at_the_landmarks_and_is_symmetric(surface: Surface) -> None:
    np.testing.assert_allclose(surface.mean[surface.landmarks], MEAN, atol=1e-9)
    gaps = np.linalg.norm(surface.mean[:, None] - surface.mean * (-1, 1, 1), axis=-1).min(1)
    assert gaps.max() < 1e-3  # the mean's own landmarks are rounded


def test_lips_of_the_neutral_face_are_closed(surface: Surface) -> None:
    lips = surface.mean[surface.mouth]
    upper, lower = (lips[part][np.argsort(lips[part][:, 0])] for part in ([0, 1, 2, 3, 4], [10, 9, 8, 7, 6]))
    assert np.abs(upper[:, 1] - lower[:, 1]).max() < 0.02


@settings(max_examples=20, deadline=None)
@given(st.integers(0, 2**32 - 1))
def test_moves_as_the_landmarks_do(seed: int) -> None:
    rng = np.random.default_rng(seed)
    identity, expression = rng.normal(size=IDENTITY), rng.normal(size=EXPRESSION)
    surface, model = face_surface(), face_model()
    brows = [name.startswith("brow_") for name in model.expression_names]
    assert sum(brows) == 5
    dense = surface.neutral(identity) + surface.moved(expression)
    sparse = (
        MEAN
        + np.tensordot(identity, model.identity, 1)
        + np.tensordot(
            np.where([*brows, *[False] * (EXPRESSION - len(brows))], BROW_GAIN, 1) * expression, model.expression, 1
        )
    )
    np.testing.assert_allclose(dense[surface.landmarks], sparse, atol=1e-9)


def test_expressions_leave_the_hairline_where_it_is(surface: Surface) -> None:
    top = surface.outline[surface.mean[surface.outline, 1] > 0.7]
    assert len(top) > 4
    assert np.abs(surface.expression[:, top]).max() < 1e-9


def test_what_landmarks_have_is_spread_smoothly(surface: Surface) -> None:
    np.testing.assert_allclose(surface.spread.sum(1), 1, atol=1e-9)  # a constant stays one
    smile = face_model().named(np.eye(EXPRESSION), "smile_left")
    field = np.linalg.norm(np.tensordot(smile, surface.expression, 1), axis=1)
    assert field.max() < 1.3 * field[surface.landmarks].max()
    assert MIRROR.shape == (68,)
