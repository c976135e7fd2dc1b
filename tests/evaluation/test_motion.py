"""Each measure on meshes and frames whose answer is known."""

import importlib.util

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.spatial.transform import Rotation

from styleheat.evaluation import motion
from styleheat.evaluation.motion import Following
from styleheat.face.mesh import LEFT_EYE_CORNER, MESH_POINTS, RIGHT_EYE_CORNER

DEGREES = st.floats(-40, 40)


@pytest.fixture(scope="module")
def face() -> np.ndarray:
    """A mesh (468,3) of random points, but for lips, lids and brows: eye distance 50, mouth 10 open and 40 wide, eyes 4
    open, brows 12 above the corners of the eyes."""
    mesh = np.random.default_rng(0).normal(0, 30, (MESH_POINTS, 3))
    mesh[motion.FOREHEAD], mesh[motion.CHIN] = (0, -60, 0), (0, 60, 0)
    mesh[list(motion.EYE_CORNERS)] = [(-25, 0, 0), (-8, 0, -4), (8, 0, -4), (25, 0, 0)]
    mesh[13], mesh[14], mesh[61], mesh[291] = (0, 30, -10), (0, 40, -10), (-20, 35, 0), (20, 35, 0)
    for (upper, lower), x in zip(motion.LIDS, (-16, 16), strict=True):
        mesh[upper], mesh[lower] = (x, -2, -4), (x, 2, -4)
    mesh[list(motion.BROWS), 1] = -12
    return mesh


def turned(mesh: np.ndarray, pitch: float, yaw: float, roll: float) -> np.ndarray:
    """The mesh after pitch, then yaw, then roll about the image's axes, larger and elsewhere."""
    rotation = Rotation.from_euler("xyz", (pitch, yaw, roll), degrees=True).as_matrix()
    return 1.7 * mesh @ rotation.T + (90, 70, 5)


def shifted(mesh: np.ndarray, x: float, y: float) -> np.ndarray:
    return mesh + np.array((x, y, 0))


@given(DEGREES, DEGREES, DEGREES)
def test_the_head_is_found_again(face: np.ndarray, pitch: float, yaw: float, roll: float) -> None:
    moved = turned(face, pitch, yaw, roll)[None]
    fit = motion.fit_rigidly(moved, face)
    assert motion.angles(fit.rotation)[0] == pytest.approx((pitch, yaw, roll), abs=1e-6)
    assert fit.scale[0] == pytest.approx(1.7) and fit.translation[0] == pytest.approx((90, 70, 5))
    np.testing.assert_allclose(motion.align(moved, fit)[0], face, atol=1e-9)


@pytest.mark.parametrize(
    ("angle", "point", "goes"),
    [("pitch", (0, 0, -1), (0, 1, 0)), ("yaw", (0, 0, -1), (-1, 0, 0)), ("roll", (0, -1, 0), (1, 0, 0))],
)
def test_positive_is_down_left_and_clockwise(angle: str, point: tuple[int], goes: tuple[int]) -> None:
    """Nose or top of a head that turned by 20 degrees lie further down, left or right in the image."""
    turn = 20.0 * np.eye(3)[motion.ANGLES.index(angle)]
    head = Rotation.from_euler("xyz", turn, degrees=True).as_matrix()
    assert (head @ point - point) @ goes > 0
    assert motion.angles(head[None])[0] == pytest.approx(turn)


def test_a_reflection_is_no_rotation(face: np.ndarray) -> None:
    fit = motion.fit_rigidly((face * (-1, 1, 1))[None], face)
    assert np.linalg.det(fit.rotation[0]) == pytest.approx(1)


def test_expressions_do_not_change_with_the_head(face: np.ndarray) -> None:
    track = np.stack([turned(face, 3 * k, -5 * k, 4 * k) for k in range(5)])
    tracks = motion.movements(track)
    for name, value in {"mouth": 0.2, "width": 0.8, "eyes": 0.08, "brows": 0.24}.items():
        assert tracks[name] == pytest.approx(np.full(5, value)), name
    assert np.ptp(tracks["yaw"]) > 15


def test_expressions_are_found_while_the_head_turns(face: np.ndarray) -> None:
    opening = np.array([0, 5, 10, 2, 0.0])
    track = []
    for k, gap in enumerate(opening):
        mesh = face.copy()
        mesh[14] = mesh[13] + (0, gap, 0)
        track.append(turned(mesh, 3 * k, -5 * k, 4 * k))
    assert motion.movements(np.stack(track))["mouth"] == pytest.approx(opening / 50)


def test_frames_without_a_face_are_nan_and_change_no_other(face: np.ndarray) -> None:
    track = np.stack([turned(face, 0, 5 * k, 0) for k in range(4)])
    track[2] = np.nan
    complete, gap = motion.movements(track[[0, 1, 3]]), motion.movements(track)
    for name, values in gap.items():
        assert np.isnan(values[2]) and values[[0, 1, 3]] == pytest.approx(complete[name], abs=1e-9)
    assert all(np.isnan(values).all() for values in motion.movements(np.full((3, MESH_POINTS, 3), np.nan)).values())


@given(st.floats(-3, 3), st.floats(-10, 10), st.integers(0, 99))
def test_a_scaled_copy_has_that_slope(slope: float, offset: float, seed: int) -> None:
    driver = np.random.default_rng(seed).normal(0, 1, 50)
    found = motion.following(slope * driver + offset, driver, noise=0.1)
    assert found is not None and found.slope == pytest.approx(slope, abs=1e-9)
    if abs(slope) > 1e-3:
        assert found.correlation == pytest.approx(np.sign(slope))


def test_noise_in_the_result_lowers_the_correlation_and_not_the_slope() -> None:
    random = np.random.default_rng(0)
    driver, noise = random.normal(0, 1, 5000), random.normal(0, 1, 5000)
    found = motion.following(driver + noise, driver, noise=0.0)
    assert found is not None
    assert found.correlation == pytest.approx(2**-0.5, abs=0.03) and found.slope == pytest.approx(1, abs=0.05)


def test_a_driver_at_rest_says_nothing() -> None:
    random = np.random.default_rng(0)
    rest, again = random.normal(0, 0.01, 300), random.normal(0, 0.01, 300)
    noise = motion.tracking_noise(again, rest)
    assert noise == pytest.approx(0.01 * 2**0.5, rel=0.1)
    assert motion.following(again, rest, noise) is None
    assert motion.following(np.ones(9), np.ones(9), 0.0) is None


def test_a_result_at_rest_does_not_follow() -> None:
    assert motion.following(np.ones(9), np.arange(9.0), 0.1) == Following(0.0, 0.0)


def test_following_ignores_missing_frames() -> None:
    driver = np.arange(9.0)
    result = 2 * driver
    result[3] = driver[5] = np.nan
    assert motion.following(result, driver, 0.1) == pytest.approx((1, 2))
    none = motion.following(np.full(9, np.nan), driver, 0.1)
    assert none is not None and np.isnan(none).all()
    assert np.isnan(motion.tracking_noise(np.full(9, np.nan), driver))


def test_near_pose_looks_at_all_angles(face: np.ndarray) -> None:
    poses = [(0, 0, 0), (9, -9, 9), (11, 0, 0), (0, -11, 0), (0, 0, 11)]
    track = np.stack([*(turned(face, *pose) for pose in poses), np.full_like(face, np.nan)])
    assert motion.near_pose(track, face).tolist() == [True, True, False, False, False, False]


def test_sharpness_looks_at_the_face_alone_and_falls_with_blur(face: np.ndarray) -> None:
    import cv2

    image = np.random.default_rng(0).integers(0, 256, (300, 300, 3), dtype=np.uint8)
    mesh = shifted(face, 150, 150)
    sharp = motion.sharpness(image, mesh)
    assert motion.sharpness(cv2.GaussianBlur(image, (5, 5), 1), mesh) < 0.2 * sharp
    low, high = np.floor(mesh[:, :2].min(0)).astype(int), np.ceil(mesh[:, :2].max(0)).astype(int)
    elsewhere = np.zeros_like(image)
    elsewhere[low[1] : high[1], low[0] : high[0]] = image[low[1] : high[1], low[0] : high[0]]
    assert motion.sharpness(elsewhere, mesh) == sharp
    assert np.isnan(motion.sharpness(image, shifted(mesh, 900, 0))) and np.isnan(motion.sharpness(image, mesh - 900))


def test_jitter_is_acceleration(face: np.ndarray) -> None:
    steady = np.stack([shifted(face, 3 * k, -2 * k) for k in range(9)])
    assert motion.jitter(steady) == pytest.approx(0, abs=1e-12)
    shaken = steady.copy()
    shaken[::2, :, 0] += 1  # second differences of 2 in x, none in y
    assert motion.jitter(shaken) == pytest.approx(1 / 50)
    assert motion.jitter(2 * shaken) == pytest.approx(1 / 50)
    assert np.isnan(motion.jitter(shaken[:2]))


def test_background_is_beside_and_above_the_head(face: np.ndarray) -> None:
    mesh = shifted(np.zeros((MESH_POINTS, 3)), 100, 100)
    mesh[LEFT_EYE_CORNER, 0], mesh[RIGHT_EYE_CORNER, 0] = 80, 120
    mesh[motion.FOREHEAD, 1], mesh[motion.CHIN, 1] = 60, 140
    away = motion.background(np.stack([mesh, shifted(mesh, 30, 0)]), 200, 240)
    assert away[30, 100] and not away[50, 100]  # 20 pixels of margin above the forehead
    assert away[100, 50] and not away[100, 70] and not away[100, 165] and away[100, 180]
    assert not away[140:].any() and away[:140, 0].all()
    assert not motion.background(np.full((2, MESH_POINTS, 3), np.nan), 20, 20).any()


def test_what_is_of_a_person_in_any_frame_is_no_background(monkeypatch: pytest.MonkeyPatch) -> None:
    """A segmentation that takes bright pixels for a person: they are left out with a margin of 2 pixels of 100."""
    monkeypatch.setattr(motion, "person", lambda frame: frame[..., 0].astype(np.float32) / 255)
    frames = np.zeros((2, 80, 100, 3), np.uint8)
    frames[0, 20:40, 30:50] = 255
    frames[1, 20:40, 60:70] = 40  # not very certain
    away = np.ones((80, 100), bool)
    away[:10] = False
    found = motion.unoccupied(iter(frames), away)
    for left, right in ((30, 50), (60, 70)):
        assert not found[18:42, left:right].any() and not found[20:40, left - 2 : right + 2].any()
        assert found[10:17, left:right].all() and found[43:, left:right].all()
        assert found[10:, left - 3].all() and found[10:, right + 2].all()
    assert not found[:10].any()
    assert not motion.unoccupied([], away).any()


def test_without_segmentation_no_background_is_known(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(motion, "person", lambda frame: None)
    frames = np.zeros((3, 8, 8, 3), np.uint8)
    assert np.isnan(motion.change(frames, motion.unoccupied(frames, np.ones((8, 8), bool))))


@pytest.mark.skipif(importlib.util.find_spec("mediapipe") is None, reason="no wheel for this Python or processor")
def test_a_background_behind_hair_and_shoulders() -> None:
    """Of the astronaut: hair and suit are hers, the shuttle behind her is not."""
    pytest.importorskip("ai_edge_litert")
    image = pytest.importorskip("skimage.data").astronaut()
    found = motion.unoccupied([image], np.ones(image.shape[:2], bool))
    assert not found[60:130, 170:280].any() and not found[300:500, 150:300].any()
    assert found[:200, 330:].all()


def test_change_is_seen_where_it_is_looked_for() -> None:
    frames = np.zeros((4, 8, 8, 3), np.uint8)
    frames[1::2, :4] = 6
    where = np.zeros((8, 8), bool)
    where[:, 0] = True
    assert motion.change(frames, where) == 3
    assert motion.change(frames[:, ::-1], where[:4].repeat(2, 0)) == 3
    where[:4] = False
    assert motion.change(frames, where) == 0
    assert np.isnan(motion.change(frames, np.zeros((8, 8), bool))) and np.isnan(motion.change(frames[:1], where))
