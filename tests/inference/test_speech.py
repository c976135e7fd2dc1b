"""Speech as a driver: frames, seeds, and head and eyes taken from elsewhere."""

from pathlib import Path

import numpy as np
import pytest

from styleheat.constants import SAMPLE_RATE
from styleheat.errors import InputError
from styleheat.inference import speech as module
from styleheat.inference.adjust import POSE
from styleheat.inference.reader import FaceReader
from styleheat.inference.speech import SpeechOptions, blinks_of, forth_and_back, from_audio, poses_of, read_aloud
from styleheat.media.audio import read_audio, write_wav
from styleheat.media.track import AudioTrack
from styleheat.media.video import VideoWriter
from styleheat.morphable.model import face_model
from styleheat.networks import audio_encoder
from styleheat.networks.audio2motion import Audio2Motion

START = np.zeros(73, np.float32)
START[64:67] = (0.1, -0.2, 0.05)
START[70:] = (0.9, 128, 128)

ONE, OTHER = SpeechOptions(pose_style=3, seed=1), SpeechOptions(pose_style=3, seed=2)


@pytest.fixture(scope="module")
def words(speech: Path, folder: Path) -> Path:
    """The first 2 s of the speech: 50 frames."""
    write_wav(folder / "words.wav", read_audio(speech, end=2.0))
    return folder / "words.wav"


def said(path: Path, model: Audio2Motion, options: SpeechOptions) -> np.ndarray:
    return from_audio(path, model, options).motion(START).descriptors


def test_ten_seconds_of_speech_are_250_frames(speech: Path, audio_model: Audio2Motion) -> None:
    driver = from_audio(speech, audio_model, ONE)
    motion = driver.motion(START)
    assert motion.descriptors.shape == (250, 73) and motion.fps == 25
    assert (motion.descriptors[:, 70:] == START[70:]).all()  # the crop is the portrait's
    assert motion.audio == AudioTrack(speech) and driver.frames is None


def test_the_seed_decides(words: Path, audio_model: Audio2Motion) -> None:
    descriptors = said(words, audio_model, ONE)
    assert np.array_equal(descriptors, said(words, audio_model, ONE))
    assert not np.array_equal(descriptors, said(words, audio_model, OTHER))


@pytest.mark.parametrize(("seconds", "frames"), [(0.04, 1), (0.1, 2), (1.33, 33)])
def test_short_and_silent_tracks_work(seconds: float, frames: int, audio_model: Audio2Motion, tmp_path: Path) -> None:
    write_wav(tmp_path / "silence.wav", np.zeros(round(seconds * SAMPLE_RATE)))
    descriptors = said(tmp_path / "silence.wav", audio_model, ONE)
    assert descriptors.shape == (frames, 73) and np.isfinite(descriptors).all()


def test_long_speech_is_encoded_a_few_windows_at_a_time(
    words: Path, audio_model: Audio2Motion, monkeypatch: pytest.MonkeyPatch
) -> None:
    complete = said(words, audio_model, ONE)
    monkeypatch.setattr(audio_encoder, "WINDOWS_AT_ONCE", 7)
    assert said(words, audio_model, ONE) == pytest.approx(complete, abs=1e-5)


def test_a_still_head_speaks_all_the_same(words: Path, audio_model: Audio2Motion) -> None:
    moved, still = said(words, audio_model, ONE), said(words, audio_model, SpeechOptions(3, 1, still=True))
    assert (still[:, POSE] == START[POSE]).all()
    assert np.array_equal(still[:, : POSE.start], moved[:, : POSE.start])
    assert np.ptp(moved[:, POSE], axis=0).max() > 0


def test_the_head_may_move_as_another_does(words: Path, audio_model: Audio2Motion) -> None:
    """From its own pose, by what the other changes since its first frame; back again when that ends."""
    other = np.zeros((21, 73), np.float32)
    other[:, 64] = 0.3 + np.linspace(0, 0.2, 21)
    other[:, 70] = np.linspace(2, 3, 21)
    other[:, 71] = 50 + np.arange(21)
    descriptors = said(words, audio_model, SpeechOptions(3, 1, poses=other))
    assert descriptors[0, POSE] == pytest.approx(START[POSE])
    assert descriptors[20, POSE] == pytest.approx(START[POSE] + [0.2, 0, 0, 0, 0, 0, 0.45, 20, 0], abs=1e-5)
    assert descriptors[40, POSE] == pytest.approx(START[POSE], abs=1e-5)
    assert np.abs(np.diff(descriptors[:, 71])).max() == pytest.approx(1)
    moved = said(words, audio_model, ONE)
    assert np.array_equal(descriptors[:, : POSE.start], moved[:, : POSE.start])


def test_the_eyes_may_blink_as_others_do(words: Path, audio_model: Audio2Motion) -> None:
    open_, closed = (np.full((7, 1), far) for far in (0.0, 1.0))
    eyes = [said(words, audio_model, SpeechOptions(3, 1, blinks=blinks)) for blinks in (open_, closed)]
    drawn = said(words, audio_model, ONE)
    assert np.array_equal(eyes[0][:, POSE], drawn[:, POSE])  # the head's motion stays that of the seed
    changes = [np.abs(seen[:, : POSE.start] - drawn[:, : POSE.start]).max(1) > 1e-5 for seen in eyes]
    assert changes[0].mean() < 0.5 < 0.9 < changes[1].mean()  # drawn eyes are mostly open


def test_eyes_of_the_own_face_model_close_as_far_as_blinks_say(words: Path, audio_model: Audio2Motion) -> None:
    blinks = np.zeros((50, 1), np.float32)
    blinks[20:23] = 1
    plain, closed = (
        said(words, audio_model, SpeechOptions(3, 1, blinks=blinks, own_face_model=own)) for own in (False, True)
    )
    of_lids = [face_model().expression_names.index(f"blink_{side}") for side in ("left", "right")]
    assert np.array_equal(np.delete(closed, of_lids, 1), np.delete(plain, of_lids, 1))
    assert (closed != plain)[:, of_lids].any(1).nonzero()[0].tolist() == [20, 21, 22]


def test_articulation_scales_what_the_mouth_does(words: Path, audio_model: Audio2Motion) -> None:
    """Away from the expression that goes with silence."""
    still, once, twice = (said(words, audio_model, SpeechOptions(3, 1, articulation=far)) for far in (0.0, 1.0, 2.0))
    expression = slice(None, POSE.start)
    np.testing.assert_allclose(twice - once, once - still, atol=1e-5)
    assert np.abs(once - still)[:, expression].max() > 1e-3
    assert np.array_equal(once[:, POSE], twice[:, POSE])
    silent = module.speak(np.full((80, len(once) * 80 // 25 + 1), -4, np.float32), len(once), audio_model, START, ONE)
    np.testing.assert_allclose(still[:, expression], silent[:, expression], atol=1e-5)


@pytest.mark.parametrize(
    ("content", "line"),
    [(b"", "no word in it"), (b"...\n", "no word in it"), ("Über".encode("latin-1"), "not UTF-8"), (None, "No such")],
)
def test_texts_that_cannot_be_read_aloud(content: bytes | None, line: str, tmp_path: Path) -> None:
    path = tmp_path / "words.txt"
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(InputError, match=f"words.txt: {line}"):
        read_aloud(path, "heart", 1.0)


def test_reference_videos_are_read_at_the_rate_of_speech(driver: Path, reader: FaceReader) -> None:
    """14 frames at 30 a second are 12 at 25."""
    poses, blinks = poses_of(driver, reader), blinks_of(driver, reader)
    assert poses.shape == (12, 73) and np.isfinite(poses).all()
    assert blinks.shape == (12, 1) and blinks.min() >= 0 and blinks.max() <= 1


def test_forth_and_back() -> None:
    assert forth_and_back(3, 7).tolist() == [0, 1, 2, 1, 0, 1, 2]
    assert forth_and_back(5, 3).tolist() == [0, 1, 2]
    assert forth_and_back(1, 3).tolist() == [0, 0, 0]


def test_tracks_that_cannot_be_used_are_one_clear_line(
    speech: Path, audio_model: Audio2Motion, reader: FaceReader, tmp_path: Path
) -> None:
    video = tmp_path / "walls.mp4"
    with VideoWriter(video, (200, 200)) as writer:
        for _ in range(3):
            writer.write(np.full((200, 200, 3), 90, np.uint8))
    (tmp_path / "empty.wav").touch()
    write_wav(tmp_path / "click.wav", np.ones(80))
    cases = [
        (lambda: said(tmp_path / "empty.wav", audio_model, ONE), "empty.wav: the file is empty"),
        (lambda: said(tmp_path / "click.wav", audio_model, ONE), "click.wav: 0.005 s of audio"),
        (lambda: said(video, audio_model, ONE), f"{video}: has no audio"),
        (lambda: said(speech, audio_model, SpeechOptions(45, 0)), "infer_audio.pose_style: 45"),
        (lambda: module.poses_of(video, reader), f"{video}: no face"),
        (lambda: module.blinks_of(video, reader), f"{video}: no face"),
        (lambda: module.poses_of(speech, reader), f"{speech}: "),
    ]
    for case, fault in cases:
        with pytest.raises(InputError) as error:
            case()
        assert fault in str(error.value) and "\n" not in str(error.value)
