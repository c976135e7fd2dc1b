"""The silhouette of the face, and the continuation of its motion."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from styleheat.morphable.camera import CAMERA_DISTANCE, project, rotation
from styleheat.morphable.coefficients import CROP_SCALE
from styleheat.morphable.surface import face_surface
from styleheat.morphable.surroundings import FOLLOWS, SPLINE_GRID, Skull, continued, followed, free, freed, silhouette


def seen(pitch: float, yaw: float, roll: float) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """The mean face's vertices (V,2) and its silhouette (O,2) in an image, y down, under a rotation in degrees."""
    turn = rotation(np.radians([pitch, yaw, roll]))
    points = project(face_surface().mean @ turn.T)
    return points, silhouette(points, turn, CROP_SCALE), turn


def test_from_the_front_the_outline_is_the_silhouette() -> None:
    points, outline, _ = seen(0, 0, 0)
    away = np.linalg.norm(outline - points[face_surface().outline], axis=1)
    assert away.max() < 0.05 * CROP_SCALE
    assert np.median(away) < 1e-6


@settings(deadline=None, max_examples=30)
@given(yaw=st.floats(-40, 40), roll=st.floats(-30, 30))
def test_the_side_that_turns_away_ends_at_the_cheek(yaw: float, roll: float) -> None:
    surface = face_surface()
    points, outline, turn = seen(0, yaw, roll)
    right = turn[:2, 0] * (1, -1) / np.linalg.norm(turn[:2, 0])
    middle = np.abs(surface.mean[surface.outline, 1] - 0.2) < 0.15  # beside the eyes and the nose
    for side in (-1, 1):
        chosen = middle & (side * surface.mean[surface.outline, 0] > 0.5)
        level = np.abs(surface.mean[:, 1] - 0.2) < 0.1
        reach = (side * points[level] @ right).max()
        assert (side * outline[chosen] @ right).max() == pytest.approx(reach, abs=0.06 * CROP_SCALE)


@settings(deadline=None, max_examples=30)
@given(pose=st.tuples(*[st.floats(-30, 30)] * 3), axis=st.integers(0, 2))
def test_a_small_turn_moves_it_little(pose: tuple[float, float, float], axis: int) -> None:
    turned = list(pose)
    turned[axis] += 0.1
    farthest = np.linalg.norm(face_surface().mean, axis=1).max() * CROP_SCALE
    step = np.linalg.norm(seen(*turned)[1] - seen(*pose)[1], axis=1).max()
    assert step < 6 * np.radians(0.1) * farthest * CAMERA_DISTANCE / (CAMERA_DISTANCE - 1)


def test_the_continuation_agrees_with_its_points_and_ends_at_the_border() -> None:
    rng = np.random.default_rng(0)
    at = rng.uniform(0.3, 0.7, (40, 2))
    field = continued(at, at + np.array([0.05, -0.02]), np.ones(40))
    assert field.shape == (2, SPLINE_GRID, SPLINE_GRID)
    middle = field[:, SPLINE_GRID // 2, SPLINE_GRID // 2]
    assert middle == pytest.approx([0.05, -0.02], abs=0.005)
    assert np.abs(field[:, 0]).max() < 0.02


def test_hidden_points_are_left_out() -> None:
    rng = np.random.default_rng(1)
    at = rng.uniform(0.2, 0.8, (30, 2))
    came = at.copy()
    came[15:] += 0.2
    visible = np.where(np.arange(30) < 15, 1.0, 0.0)
    np.testing.assert_array_equal(continued(at, came, visible), continued(at[:15], came[:15], np.ones(15)))


def skull(x: float = 0.5, y: float = 0.45, degrees: float = 0.0, unit: float = 0.25) -> Skull:
    """A skull whose head tilts counter-clockwise, in shares of the image's width."""
    up = np.array([-np.sin(np.radians(degrees)), -np.cos(np.radians(degrees))])
    return Skull(np.array([x, y]), np.array([x, y]) - 1.3 * unit * up, unit * up)


poses = st.builds(skull, st.floats(0.3, 0.7), st.floats(0.3, 0.6), st.floats(-60, 60), st.floats(0.15, 0.4))
points = st.lists(st.tuples(st.floats(0, 1), st.floats(0, 1)), min_size=1).map(np.array)


@settings(deadline=None, max_examples=30)
@given(pose=poses, places=points)
def test_a_skull_that_stays_moves_nothing(pose: Skull, places: np.ndarray) -> None:
    assert (followed(places, pose, pose) == 0).all()
    assert (freed(places, np.ones(len(places)), pose, pose)[:2] == 0).all()


@settings(deadline=None)
@given(source=poses, target=poses, places=points)
def test_what_is_above_the_chin_follows_the_skull(source: Skull, target: Skull, places: np.ndarray) -> None:
    moves = followed(places, source, target)
    share = free(places, target)
    above = (places - target.chin) @ target.up > 0
    assert (share[~above] == 0).all() and (moves[~above] == 0).all()
    complete = share == 1
    came = (places + moves / FOLLOWS)[complete]
    for axis, there in ((target.up, source.up), (target.up[::-1] * (-1, 1), source.up[::-1] * (-1, 1))):
        seen, expected = (places[complete] - target.centre) @ axis, (came - source.centre) @ there
        np.testing.assert_allclose(expected / (there @ there), seen / (axis @ axis), atol=1e-9)


def test_a_freed_border_moves_nothing_where_the_motion_is_known() -> None:
    rng = np.random.default_rng(2)
    at = rng.uniform(0.35, 0.65, (60, 2))
    changes = freed(at, np.ones(60), skull(), skull(0.6, 0.5, 20))
    assert changes.shape == (3, SPLINE_GRID, SPLINE_GRID)
    inside = slice(int(0.4 * SPLINE_GRID), int(0.6 * SPLINE_GRID))
    assert np.abs(changes[:2, inside, inside]).max() < 0.01
    assert np.linalg.norm(changes[:2, 0], axis=0).min() > 0.04
    below = np.s_[:, -1, SPLINE_GRID // 2 :]  # of a head tilted to the left
    assert np.abs(changes[:2][below]).max() < 0.02
    assert changes[2, 0].min() == 1 and changes[2:][below].max() == 0
