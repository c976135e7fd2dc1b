"""Lids meet where the driver's do, and stay as they are where coefficients are right."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from styleheat.morphable import coefficients as layout
from styleheat.morphable.geometry import GRID, Geometry
from styleheat.morphable.lids import EYES, SHUT, TRUE, Lids, blinking, openness
from styleheat.morphable.model import face_model
from styleheat.morphable.surface import face_surface
from tests.morphable.test_geometry import SIZE, landmarks, packed

BLINK = [layout.EXPRESSION.start + face_model().expression_names.index(f"blink_{side}") for side in ("left", "right")]


def of_model(coefficients: np.ndarray) -> np.ndarray:
    """How open coefficients (260,) have each eye (2,)."""
    surface = face_surface()
    skin = surface.neutral(coefficients[layout.IDENTITY]) + surface.moved(coefficients[layout.EXPRESSION])
    return openness(skin[surface.landmarks, :2] * (1, -1))


def awake(seed: int) -> np.ndarray:
    """Coefficients of some face with open eyes."""
    source = packed(np.random.default_rng(seed))
    source[layout.EXPRESSION] = 0
    return source


@settings(max_examples=10, deadline=None)
@given(st.integers(0, 2**32 - 1), st.floats(-0.1, 0.1))
def test_lids_close_steadily_and_meet(seed: int, wider: float) -> None:
    """Also those of eyes that are wider or narrower in the portrait than its coefficients have them."""
    source = awake(seed)
    found = landmarks(source)
    for eye in EYES:
        width = np.linalg.norm(found[eye[3]] - found[eye[0]])
        found[eye[1:3], 1] -= wider * width / 2
        found[eye[4:6], 1] += wider * width / 2
    geometry = Geometry(source, found, SIZE)
    frames = np.repeat(source[None], 41, axis=0)
    frames[:, BLINK] += np.linspace(0, 8, 41)[:, None]
    views = [geometry.view(descriptor) for descriptor in layout.descriptor(frames)]
    coefficients = np.stack([of_model(frame) for frame in frames])
    shown = np.stack([openness(view.landmarks) for view in views])
    assert views[0].shut.max() == 0 and shown[0] == pytest.approx(openness(found), abs=2e-3)
    open_yet = coefficients[1:] > SHUT
    assert (np.diff(shown, axis=0)[open_yet] < 0).all()
    assert np.abs(np.diff(shown, axis=0)).max() < 3 * np.abs(np.diff(coefficients, axis=0)).max()
    closed = coefficients < SHUT
    assert closed.any()
    assert np.abs(shown[closed]).max() < 0.01
    assert all(view.shut[eye] == 1 for view, row in zip(views, closed, strict=True) for eye in np.flatnonzero(row))


def test_where_coefficients_are_right_nothing_is_closed() -> None:
    points = landmarks(awake(0)).astype(float)
    none = np.zeros_like(points)
    lids = Lids(own=np.array([0.3, 0.12]))
    assert np.abs(lids.closing(points, none, np.array([TRUE, 0.12]))[0]).max() < 1e-12
    field, shut = lids.closing(points, none, np.array([0.1, 0.2]))
    assert shut[0] > 0 == shut[1]
    assert field[EYES[0]].any() and not field[EYES[1]].any() and not field[:36].any() and not field[48:].any()


def test_eyes_that_are_closed_in_the_portrait_stay_as_they_are() -> None:
    points = landmarks(awake(0)).astype(float)
    field, shut = Lids(own=np.full(2, SHUT)).closing(points, np.zeros_like(points), np.full(2, SHUT / 2))
    assert not field.any() and not shut.any()


@settings(max_examples=20, deadline=None)
@given(st.integers(0, 2**32 - 1))
def test_blinks_close_the_eyes_and_change_nothing_else(seed: int) -> None:
    rng = np.random.default_rng(seed)
    own = rng.normal(0, 0.3, 64).astype(np.float32)
    expression = own + rng.normal(0, 0.3, (6, 64)).astype(np.float32)
    blinks = np.array([0, 0.3, 0.6, 1, 1, 0], np.float32)[:, None]
    closed = blinking(expression, blinks, own)
    assert closed.dtype == np.float32 and np.array_equal(closed[[0, 5]], expression[[0, 5]])
    of_lids = np.array(BLINK) - layout.EXPRESSION.start
    assert np.array_equal(np.delete(closed, of_lids, 1), np.delete(expression, of_lids, 1))
    frames = np.zeros((8, 260), np.float32)
    frames[:, layout.EXPRESSION] = [own, *closed, expression[1]]
    start, *shown, before = (of_model(frame) for frame in frames)
    assert np.max(shown[3:5]) < 0.02
    assert (shown[1] <= np.maximum(0.7 * start, 0) + 0.02).all() and (shown[1] <= before + 1e-6).all()


@pytest.mark.parametrize("amount", [0.0, 1.0, 4.0])
def test_the_portrait_shows_its_eyes_and_lids(amount: float) -> None:
    source = awake(3)
    geometry = Geometry(source, landmarks(source), SIZE)
    frame = source.copy()
    frame[BLINK] += amount
    view = geometry.view(layout.descriptor(frame[None])[0])
    shown = geometry.freed(view)[1][3]
    for eye in view.landmarks[EYES] * GRID:
        x, y = np.rint(eye.mean(0)).astype(int)
        assert shown[y - 8 : y - 5, x - 3 : x + 4].min() > 0.8  # the upper lid
        if amount == 0:
            assert shown[y, x] > 0.9
    x, y = np.rint(view.landmarks[30] * GRID).astype(int)
    assert shown[y - 5 : y + 6, x - 5 : x + 6].max() == 0  # the nose
