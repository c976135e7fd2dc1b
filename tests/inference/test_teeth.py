"""Teeth drawn into portraits whose mouth is closed."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from styleheat.inference.teeth import MIDDLE, SHOWN, Teeth
from styleheat.morphable import coefficients as layout
from styleheat.morphable.geometry import Geometry, View
from styleheat.morphable.model import face_model

SIZE = 512
SKIN = (205, 160, 130)


def coefficients(jaw: float = 0.0, yaw: float = 0.0, roll: float = 0.0) -> np.ndarray:
    """(260,), of the mean face in the middle of an image, the jaw open by so much."""
    found = np.zeros(260, np.float32)
    found[layout.EXPRESSION.start + face_model().expression_names.index("jaw_open")] = jaw
    found[layout.ANGLE] = np.radians([0, yaw, roll])
    found[layout.CROP] = 1.3, 128, 124
    return found


def geometry(jaw: float = 0.0) -> Geometry:
    own = coefficients(jaw)
    params = np.concatenate([[256, 256], own[layout.CROP]])[None]
    return Geometry(own, layout.from_crop(face_model().landmarks(own[None]), params)[0], SIZE)


def view(face: Geometry, **wanted: float) -> View:
    return face.view(layout.descriptor(coefficients(**wanted)[None])[0])


def skin(size: int = SIZE) -> np.ndarray:
    return np.full((size, size, 3), SKIN, np.uint8)


def seen(frame: np.ndarray) -> np.ndarray:
    """(S,S) bool: what is not skin."""
    return np.asarray((frame != np.array(SKIN)).any(-1))


def bright(frame: np.ndarray) -> np.ndarray:
    """(S,S) bool: teeth, paler than skin and lighter than the tongue."""
    values = frame.astype(int)
    return np.asarray((values.min(-1) > 90) & (values.max(-1) - values.min(-1) < 65))


def test_only_a_mouth_that_is_open_shows_teeth_of_its_own() -> None:
    assert not geometry().opens
    assert geometry(jaw=2.5).opens


@settings(max_examples=15, deadline=None)
@given(yaw=st.floats(-25, 25), roll=st.floats(-20, 20))
def test_a_mouth_that_stays_closed_is_left_as_it_is(yaw: float, roll: float) -> None:
    face = geometry()
    draw = Teeth(skin(), face.own, 1.0)
    frame = skin()
    assert draw(frame, face.own) is frame
    np.testing.assert_array_equal(draw(frame, view(face, yaw=yaw, roll=roll)), frame)


@settings(max_examples=15, deadline=None)
@given(jaw=st.floats(1.0, 3.0), yaw=st.floats(-25, 25), roll=st.floats(-20, 20))
def test_teeth_are_between_the_lips_alone(jaw: float, yaw: float, roll: float) -> None:
    face = geometry()
    target = view(face, jaw=jaw, yaw=yaw, roll=roll)
    frame = skin()
    drawn = Teeth(frame, face.own, 1.0)(frame, target)
    assert (frame == np.array(SKIN)).all()  # what was given is not changed
    edges = np.concatenate(target.lips) * SIZE
    rows, columns = np.nonzero(seen(drawn))
    assert len(rows) > 50
    assert (columns > edges[:, 0].min() - 5).all() and (columns < edges[:, 0].max() + 5).all()
    assert (rows > edges[:, 1].min() - 5).all() and (rows < edges[:, 1].max() + 5).all()


def test_the_upper_row_stays_and_the_lower_one_goes_with_the_jaw() -> None:
    face = geometry()
    little, wide = view(face, jaw=1.0), view(face, jaw=2.5)
    moved = (wide.lower_teeth - little.lower_teeth) * SIZE
    assert np.abs((wide.teeth - little.teeth) * SIZE).max() < 1.5
    assert (moved[:, 1] > 6).all() and np.abs(moved[:, 0]).max() < 1.5
    middle = round(float(wide.teeth[:, 0].mean() * SIZE))
    column = bright(Teeth(skin(), face.own, 1.0)(skin(), wide))[:, middle - 6 : middle - 2].all(1)
    rows = np.flatnonzero(column)
    upper_lip = wide.lips[0, :, 1].min() * SIZE
    assert len(rows) and rows[0] - upper_lip < 15  # under the upper lip


@pytest.mark.parametrize("level", [0.3, 0.6, 0.9])
def test_teeth_are_as_light_as_the_face(level: float) -> None:
    face = geometry()
    lit = np.rint(skin() * level).astype(np.uint8)
    drawn = Teeth(lit, face.own, 1.0)(lit, view(face, jaw=2.5)).astype(int)
    brightest = drawn[seen(drawn) & (drawn != lit).any(-1)].max(0)
    full = Teeth(skin(), face.own, 1.0)(skin(), view(face, jaw=2.5)).astype(int)
    changed = full[(full != skin()).any(-1)].max(0)
    assert (brightest < changed + 1).all()
    np.testing.assert_allclose(brightest / changed, level**0.7, atol=0.12)


def test_a_coarse_photograph_gets_soft_teeth() -> None:
    face = geometry()
    target = view(face, jaw=2.5)
    sharp, soft = (Teeth(skin(), face.own, pitch)(skin(), target).astype(float) for pitch in (1.0, 0.25))
    assert np.abs(np.diff(soft, axis=1)).max() < 0.6 * np.abs(np.diff(sharp, axis=1)).max()


def test_a_mouth_beyond_the_image_draws_nothing() -> None:
    face = geometry()
    away = layout.descriptor(coefficients(jaw=2.5)[None])[0]
    away[layout.DESCRIPTOR_CROP] = 1.3, 128, -400
    frame = skin()
    np.testing.assert_array_equal(Teeth(frame, face.own, 1.0)(frame, face.view(away)), frame)


def test_rows_stand_where_the_portraits_own_lips_meet() -> None:
    """Although its face model has them elsewhere."""
    own = coefficients()
    params = np.concatenate([[256, 256], own[layout.CROP]])[None]
    found = layout.from_crop(face_model().landmarks(own[None]), params)[0]
    lower = found.copy()
    lower[48:] += (0, 4)  # the mouth alone
    faces = [Geometry(own, each, SIZE) for each in (found, lower)]
    edges = []
    for face in faces:
        target = view(face, jaw=2.5)
        rows, _ = np.nonzero(bright(Teeth(skin(), face.own, 1.0)(skin(), target)))
        edges.append(rows.min() - target.lips[0, :, 1].min() * SIZE)
    assert edges[0] == pytest.approx(edges[1], abs=1.5)


def test_the_lower_lip_hides_most_of_the_lower_row() -> None:
    face, dropped = geometry(), coefficients(jaw=1.0)
    dropped[layout.EXPRESSION.start + face_model().expression_names.index("lower_lip_drop")] = 4.0
    target = face.view(layout.descriptor(dropped[None])[0])
    x, lip = target.lips[1, MIDDLE] * SIZE
    _, _, bottom, top = target.lower_teeth * SIZE
    unit = (bottom - top)[1] / 2
    assert lip - (bottom + top)[1] / 2 > 2 * SHOWN * unit  # the jaw alone would leave more of the row to be seen
    drawn = Teeth(skin(), face.own, 1.0)(skin(), target)
    rows = np.flatnonzero(bright(drawn)[:, round(float(x)) - 4])
    parts = np.split(rows, np.flatnonzero(np.diff(rows) > 1) + 1)
    assert len(parts) == 2  # both rows
    assert lip - parts[1][0] < SHOWN * unit


def test_teeth_are_at_the_same_place_in_a_wider_frame() -> None:
    face, beyond = geometry(), 100
    target, draw = view(face, jaw=2.5), Teeth(skin(), face.own, 1.0)
    wide = draw(skin(SIZE + 2 * beyond), target, beyond)
    np.testing.assert_array_equal(wide[beyond:-beyond, beyond:-beyond], draw(skin(), target))
