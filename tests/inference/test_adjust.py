"""Options of a driver, on descriptors alone."""

import dataclasses
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from styleheat.errors import InputError
from styleheat.inference.adjust import PITCH_LIMIT, POSITION_LIMIT, adjust, part_of, relative
from styleheat.inference.drive import Motion
from styleheat.media.track import AudioTrack
from styleheat.morphable.camera import rotation
from styleheat.morphable.coefficients import DESCRIPTOR_ANGLE, DESCRIPTOR_CROP, DESCRIPTOR_EXPRESSION
from styleheat.morphable.model import face_model
from styleheat.params import Drive, load_params

AS_IT_IS = load_params(Path(__file__).parents[2] / "params.yaml").infer.drive.model_dump()


def wanted(**changed: Any) -> Drive:
    return Drive.model_validate(AS_IT_IS | changed)


def motion(frames: int = 20, fps: float = 25.0, seed: int = 0) -> Motion:
    rng = np.random.default_rng(seed)
    descriptors = 0.2 * rng.standard_normal((frames, 73)).cumsum(0).astype(np.float32)
    descriptors[:, DESCRIPTOR_ANGLE] = 0.3 * np.sin(rng.standard_normal((frames, 3)))
    descriptors[:, DESCRIPTOR_CROP] = (1.2, 128, 130)
    return Motion(descriptors, fps, AudioTrack(Path("driver.mp4")))


START = motion(1, seed=1).descriptors[0]


def test_the_committed_parameters_change_nothing() -> None:
    driver = motion()
    same = adjust(driver, START, wanted())
    assert np.array_equal(same.descriptors, driver.descriptors)
    assert (same.fps, same.audio is driver.audio) == (driver.fps, True)


def test_a_part_of_the_time_keeps_its_audio() -> None:
    driver = motion(50)
    part = adjust(driver, START, wanted(seconds=[0.4, 1.2]))
    assert np.array_equal(part.descriptors, driver.descriptors[10:30])
    assert part.audio == AudioTrack(Path("driver.mp4"), pytest.approx(0.4), pytest.approx(1.2))
    assert len(adjust(driver, START, wanted(seconds=[1.0, 9.0])).descriptors) == 25


@pytest.mark.parametrize("seconds", [[3.0, 4.0], [0.0, 0.001]])
def test_no_frame_in_the_part_of_the_time_is_one_line(seconds: list[float]) -> None:
    with pytest.raises(InputError, match=r"infer\.drive\.seconds: the driver has no frame from .*; it lasts 2 s"):
        adjust(motion(50), START, wanted(seconds=seconds))


def test_another_rate_keeps_the_length_and_the_course() -> None:
    times = (np.arange(60) + 0.5) / 30
    ramp = Motion(np.tile(times[:, None], 73).astype(np.float32), 30.0)
    slower = adjust(ramp, START, wanted(fps=12.5))
    assert (len(slower.descriptors), slower.fps) == (25, 12.5)
    assert slower.descriptors[:, 0] == pytest.approx((np.arange(25) + 0.5) / 12.5, abs=1e-5)


@settings(deadline=None)
@given(st.integers(0, 2**16))
def test_relative_motion_starts_from_the_portrait(seed: int) -> None:
    driver = motion(5, seed=seed).descriptors
    moved = relative(driver, START)
    assert moved[0] == pytest.approx(START, abs=1e-4)
    turn = rotation(driver[3, DESCRIPTOR_ANGLE]) @ rotation(driver[0, DESCRIPTOR_ANGLE]).T
    ours = rotation(moved[3, DESCRIPTOR_ANGLE]) @ rotation(START[DESCRIPTOR_ANGLE]).T
    assert ours == pytest.approx(turn, abs=1e-4)
    expression = moved[:, DESCRIPTOR_EXPRESSION] - START[DESCRIPTOR_EXPRESSION]
    assert expression == pytest.approx(driver[:, DESCRIPTOR_EXPRESSION] - driver[0, DESCRIPTOR_EXPRESSION], abs=1e-4)


@settings(deadline=None, max_examples=20)
@given(st.integers(0, 2**16))
def test_a_centred_head_moves_around_the_portraits_own_pose(seed: int) -> None:
    driver = dataclasses.replace(motion(seed=seed), of_another=True)
    driver.descriptors[:, DESCRIPTOR_CROP.start] += 0.1 * np.random.default_rng(seed).random(20)
    centred = adjust(driver, START, wanted(relative="centred")).descriptors
    kept, pitch = part_of("expression"), DESCRIPTOR_ANGLE.start
    assert np.array_equal(centred[:, kept], driver.descriptors[:, kept])
    around = ~kept
    around[pitch] = False
    assert centred.mean(0)[around] == pytest.approx(START[around], rel=1e-3, abs=1e-3)
    size = DESCRIPTOR_CROP.start
    ratio = centred[:, size] / driver.descriptors[:, size]
    assert ratio == pytest.approx(np.full(20, ratio[0]), rel=1e-5)
    others = ~kept
    others[size] = False
    ours, theirs = (np.diff(one[:, others], axis=0) for one in (centred, driver.descriptors))
    assert ours == pytest.approx(theirs, abs=1e-4)


@pytest.mark.parametrize(("nod", "most"), [(0.02, 0.0203), (-0.02, 0.0203), (0.5, PITCH_LIMIT), (-1.0, PITCH_LIMIT)])
def test_a_centred_pitch_is_the_drivers_but_near_the_portraits(nod: float, most: float) -> None:
    pitch = DESCRIPTOR_ANGLE.start
    driver = dataclasses.replace(motion(), of_another=True)
    driver.descriptors[:, pitch] += START[pitch] + nod - driver.descriptors[:, pitch].mean()
    found = adjust(driver, START, wanted(relative="centred")).descriptors[:, pitch]
    away = (found.mean() - START[pitch]) * np.sign(nod)
    assert 0.97 * min(abs(nod), PITCH_LIMIT) < away < most + 1e-4
    assert np.diff(found) == pytest.approx(np.diff(driver.descriptors[:, pitch]), abs=1e-5)


@pytest.mark.parametrize(("far", "goes"), [(2.0, 2.0), (40.0, POSITION_LIMIT)])
def test_a_centred_head_stays_near_its_place(far: float, goes: float) -> None:
    place = slice(DESCRIPTOR_CROP.start + 1, DESCRIPTOR_CROP.stop)
    driver = dataclasses.replace(motion(), of_another=True)
    driver.descriptors[::2, place] += far
    driver.descriptors[1::2, place] -= far
    found = adjust(driver, START, wanted(relative="centred")).descriptors[:, place]
    assert np.abs(found - START[place]) == pytest.approx(np.full((20, 2), goes), rel=0.05)


def test_speech_and_images_start_from_the_portraits_pose_anyway() -> None:
    driver = motion()
    assert np.array_equal(adjust(driver, START, wanted(relative="centred")).descriptors, driver.descriptors)


@pytest.mark.parametrize("part", ["expression", "pose", "lips", "eyes"])
def test_one_part_moves_and_the_rest_is_the_portraits(part: str) -> None:
    driver, taken = motion(), part_of(part)
    descriptors = adjust(driver, START, wanted(part=part)).descriptors
    assert np.array_equal(descriptors[:, taken], driver.descriptors[:, taken])
    assert (descriptors[:, ~taken] == START[~taken]).all()


def test_parts_cover_the_descriptor_without_overlap() -> None:
    assert (part_of("pose") ^ part_of("expression")).all()
    assert np.array_equal(part_of("lips") ^ part_of("eyes"), part_of("expression"))
    names = face_model().expression_names
    assert part_of("lips")[names.index("jaw_open")] and part_of("eyes")[names.index("blink_left")]


def test_expression_scale_and_smoothing() -> None:
    driver = motion()
    assert not adjust(driver, START, wanted(expression_scale=0.0)).descriptors[:, DESCRIPTOR_EXPRESSION].any()
    doubled = adjust(driver, START, wanted(expression_scale=2.0)).descriptors
    assert np.array_equal(doubled[:, DESCRIPTOR_EXPRESSION], 2 * driver.descriptors[:, DESCRIPTOR_EXPRESSION])
    assert np.array_equal(doubled[:, DESCRIPTOR_ANGLE], driver.descriptors[:, DESCRIPTOR_ANGLE])
    steadied = adjust(driver, START, wanted(smooth=2.0)).descriptors
    assert np.abs(np.diff(steadied, axis=0)).mean() < np.abs(np.diff(driver.descriptors, axis=0)).mean() / 2


def test_key_frames_take_the_place_of_an_angle() -> None:
    descriptors = adjust(motion(21), START, wanted(yaw=[0, 20, -20])).descriptors
    yaw = np.degrees(descriptors[:, DESCRIPTOR_ANGLE.start + 1])
    assert yaw[[0, 5, 10, 15, 20]] == pytest.approx([0, 10, 20, 0, -20], abs=1e-4)
    assert np.array_equal(descriptors[:, DESCRIPTOR_ANGLE.start], motion(21).descriptors[:, DESCRIPTOR_ANGLE.start])


def test_expression_and_pose_may_each_be_relative() -> None:
    driver = np.random.default_rng(5).normal(size=(6, 73)).astype(np.float32)
    driver[:, 70] = 1 + 0.1 * np.abs(driver[:, 70])
    changed = relative(driver, START)
    for part, other in (("expression", "pose"), ("pose", "expression")):
        made = adjust(Motion(driver, 25.0), START, wanted(relative=part)).descriptors
        taken, left = part_of(part), part_of(other)
        np.testing.assert_allclose(made[:, taken], changed[:, taken], atol=1e-6)
        np.testing.assert_array_equal(made[:, left], driver[:, left])
    every = adjust(Motion(driver, 25.0), START, wanted(relative="all")).descriptors
    np.testing.assert_allclose(every, changed, atol=1e-6)
