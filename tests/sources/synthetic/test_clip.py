"""People, their clips and the ground truth beside them."""

import functools
from dataclasses import replace

import numpy as np
import pytest

from styleheat.constants import FPS, LANDMARKS, SAMPLE_RATE
from styleheat.renderer.controls import CONTROLS, INDEX
from styleheat.renderer.landmarks import landmark_track
from styleheat.renderer.render import Renderer
from styleheat.sources.synthetic.clip import conversation, frames, person, render_clip, renderer

pytest.importorskip("espeakng_loader")
SIZE = 96


def still(**controls: float) -> np.ndarray:
    """One frame's controls."""
    out = np.zeros(len(CONTROLS), np.float32)
    for name, value in controls.items():
        out[INDEX[name]] = value
    return out


@functools.cache
def someone(k: int = 0) -> Renderer:
    """A person of the test split, built once."""
    return renderer(person("vox", "test", k), 0, SIZE)


def inner_lips(landmarks: np.ndarray) -> float:
    """Opening between the inner lips as a share of the distance between the eyes' outer corners."""
    gap = np.linalg.norm(landmarks[[61, 62, 63]] - landmarks[[67, 66, 65]], axis=1).mean()
    return float(gap / np.linalg.norm(landmarks[36] - landmarks[45]))


def test_person_depends_on_set_split_and_number_alone() -> None:
    first, again = person("vox", "train", 3), person("vox", "train", 3)
    assert first.identity == again.identity
    assert (first.name, first.voice, first.style) == (again.name, again.voice, again.style)
    others = [person("vox", "test", 3), person("hdtf", "train", 3), person("vox", "train", 4)]
    assert all(first.identity != other.identity for other in others)


def test_images_repeat_exactly_and_people_differ() -> None:
    motion = np.stack([still(jaw=0.5), still(yaw=0.3, blink=1.0)])
    first = [frame.image for frame in someone().frames(motion)]
    again = list(frames(person("vox", "test", 0), motion, SIZE))
    assert all(np.array_equal(a, b) for a, b in zip(first, again, strict=True))
    other = someone(1).draw(motion[0]).image
    assert first[0].shape == (SIZE, SIZE, 3) and first[0].dtype == np.uint8
    assert np.abs(first[0].astype(int) - other).mean() > 10


def test_landmarks_without_images_are_those_of_the_images() -> None:
    motion = np.stack([still(jaw=0.7, yaw=0.3, x=0.1), still(blink=1.0, pitch=-0.2, roll=0.1, close=1.0)])
    drawn = np.stack([frame.landmarks for frame in someone().frames(motion)])
    computed = landmark_track(someone().figure.head.identity, motion, SIZE)

    def centred(points: np.ndarray) -> np.ndarray:  # a camera that is held moves a little
        return points - points.mean(1, keepdims=True)

    np.testing.assert_allclose(centred(computed), centred(drawn), atol=1e-3)


def test_seed_changes_the_scene_but_not_the_head() -> None:
    one, two = someone().draw(still()), renderer(person("vox", "test", 0), 1, SIZE).draw(still())
    assert np.allclose(one.landmarks, two.landmarks)
    assert np.abs(one.image[:8].astype(int) - two.image[:8]).mean() > 3


def test_clip_has_its_frames_its_audio_and_its_truth(tmp_path) -> None:
    from styleheat.media.audio import read_audio
    from styleheat.media.video import probe, read_frames

    path, truth_path = tmp_path / "clip.mp4", tmp_path / "truth.npz"
    render_clip(person("hdtf", "test", 0), 5, 1.5, SIZE, path, truth_path)
    expected = round(1.5 * FPS)
    info = probe(path)
    assert (info.width, info.height, info.frames, info.has_audio) == (SIZE, SIZE, expected, True)
    audio = read_audio(path)
    assert abs(len(audio) / SAMPLE_RATE - 1.5) < 0.1 and np.abs(audio).max() > 0.3
    with np.load(truth_path) as truth:
        landmarks, motion = truth["landmarks"], truth["motion"]
        assert list(truth["controls"]) == list(CONTROLS)
    assert landmarks.shape == (expected, LANDMARKS, 2) and motion.shape == (expected, len(CONTROLS))
    assert (landmarks > 0).all() and (landmarks < SIZE).all()
    height = np.ptp(landmarks[..., 1], axis=1)
    assert (height > 0.25 * SIZE).all() and (height < 0.55 * SIZE).all()
    # the truth belongs to these very images
    again = renderer(person("hdtf", "test", 0), 5, SIZE).draw(motion[10], 10)
    written = list(read_frames(path))[10]
    assert np.abs(again.image.astype(int) - written).mean() < 6


def test_clips_repeat_exactly(tmp_path) -> None:
    for name in ("a", "b"):
        render_clip(person("vox", "test", 1), 2, 0.6, SIZE, tmp_path / f"{name}.mp4")
    assert (tmp_path / "a.mp4").read_bytes() == (tmp_path / "b.mp4").read_bytes()


@pytest.mark.parametrize("k", [0, 1, 2])
def test_lips_close_on_closed_and_open_on_open_shapes(k: int) -> None:
    drawn = someone(k)
    shut = inner_lips(drawn.draw(still(jaw=0.3, close=1.0)).landmarks)
    ajar = inner_lips(drawn.draw(still(jaw=0.3)).landmarks)
    wide = inner_lips(drawn.draw(still(jaw=1.0)).landmarks)
    assert shut < 0.012 < 0.03 < ajar < 0.6 * wide and wide < 0.35


def test_eyelids_meet_in_a_blink() -> None:
    drawn = someone()

    def opening(blink: float) -> float:
        eye = drawn.draw(still(blink=blink)).landmarks[36:42]
        return float(np.linalg.norm(eye[1] - eye[5]) / np.linalg.norm(eye[0] - eye[3]))

    assert opening(1.0) < 0.06 < 0.2 < opening(0.0) < 0.5


@pytest.mark.parametrize(("control", "axis"), [("yaw", 0), ("x", 0), ("pitch", 1), ("y", 1)])
def test_head_moves_the_way_its_controls_say(control: str, axis: int) -> None:
    drawn = someone()
    rest, moved = (drawn.draw(still(**{control: value})).landmarks[30] for value in (0.0, 0.2))
    assert (moved - rest)[axis] * (1 if axis == 0 else -1) > 1.5


def test_conversation_stays_within_natural_bounds_and_moves() -> None:
    for k in range(3):
        speech, motion = conversation(person("vox", "train", k), 0, 6.0)
        assert len(speech.samples) == 6 * SAMPLE_RATE and motion.shape == (6 * FPS, len(CONTROLS))
        degrees = np.degrees(motion[:, [INDEX["yaw"], INDEX["pitch"], INDEX["roll"]]])
        assert (np.abs(degrees).max(0) <= [36, 26, 26]).all()
        assert degrees[:, 0].std() > 2
        # no faster than 150 degrees a second
        assert np.abs(np.diff(degrees, axis=0)).max() < 6
        assert motion[:, INDEX["blink"]].max() > 0.9
        assert np.ptp(motion[:, INDEX["jaw"]]) > 0.15 and motion[:, INDEX["jaw"]].max() <= 2.2


def test_short_clips_hold_many_poses_and_expressions() -> None:
    # eSpeak's voices are quick.
    people = [replace(person("vox", "train", k), voice="en-us+f1", language="en") for k in range(48)]
    motions = [conversation(someone, 0, 2.4)[1] for someone in people]

    def spread(control: str) -> np.ndarray:
        """From the 5th to the 95th percentile of each clip."""
        return np.array([np.ptp(np.percentile(motion[:, INDEX[control]], [5, 95])) for motion in motions])

    for control, degrees in (("yaw", 18), ("pitch", 8), ("roll", 8)):
        turned = np.degrees(spread(control))
        assert turned.mean() > degrees and turned.max() > 1.6 * degrees
        assert turned.min() < 0.8 * degrees  # some hold still
    assert spread("jaw").mean() > 0.7 and max(motion[:, INDEX["jaw"]].max() for motion in motions) > 1.5
    for control, amount in (("brow", 0.6), ("smile", 0.4), ("squint", 0.25), ("gaze_x", 0.2), ("gaze_y", 0.1)):
        assert spread(control).mean() > amount, control
    for control in ("close", "round", "press", "frown", "wide", "blink"):
        assert np.mean([motion[:, INDEX[control]].max() > 0.5 for motion in motions]) > 0.05, control
