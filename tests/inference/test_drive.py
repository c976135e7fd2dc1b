from pathlib import Path

import numpy as np
import pytest

from styleheat.constants import SAMPLE_RATE
from styleheat.errors import InputError
from styleheat.inference import drive
from styleheat.inference.reader import FaceReader
from styleheat.media.audio import Sound, write_wav
from styleheat.media.image import write_image
from styleheat.media.video import VideoWriter
from styleheat.networks import audio2motion
from styleheat.networks.audio2motion import Audio2Motion

START = np.zeros(73, np.float32)
START[70:] = (0.9, 128, 128)


def test_a_video_gives_one_descriptor_a_frame_at_its_own_rate(driver: Path, reader: FaceReader) -> None:
    motion = drive.from_video(driver, reader, START)
    assert motion.descriptors.shape == (14, 73) and motion.descriptors.dtype == np.float32
    assert motion.fps == pytest.approx(30000 / 1001)
    assert motion.sound == Sound(driver)


def test_the_driver_gets_the_portraits_scale(driver: Path, reader: FaceReader) -> None:
    ratios = drive.from_video(driver, reader, START).descriptors[:, 70]
    larger = START.copy()
    larger[70] *= 1.5
    assert drive.from_video(driver, reader, larger).descriptors[:, 70] == pytest.approx(1.5 * ratios)
    assert ratios == pytest.approx(0.9, rel=0.1)


def test_a_picture_is_eased_into_and_out_of(astronaut: Path, reader: FaceReader) -> None:
    motion = drive.from_image(astronaut, reader, START, seconds=2.0)
    assert motion.descriptors.shape == (50, 73) and motion.sound is None
    assert motion.descriptors[[0, -1]] == pytest.approx(np.stack([START, START]))
    middle = motion.descriptors[25]
    assert np.abs(middle[:64]).max() > 0.5  # a broad smile
    assert motion.descriptors[18:32] == pytest.approx(np.tile(middle, (14, 1)))
    steps = np.abs(np.diff(motion.descriptors, axis=0)).max(1)
    assert steps.max() < 0.2 * np.abs(middle - START).max()


def test_ten_seconds_of_speech_are_250_frames(speech: Path, audio_model: Audio2Motion) -> None:
    motion = drive.from_audio(speech, audio_model, START, pose_style=3, seed=1)
    assert motion.descriptors.shape == (250, 73) and motion.fps == 25
    assert (motion.descriptors[:, 70:] == START[70:]).all()  # the crop is the portrait's
    assert motion.sound == Sound(speech)
    again = drive.from_audio(speech, audio_model, START, pose_style=3, seed=1)
    other = drive.from_audio(speech, audio_model, START, pose_style=3, seed=2)
    assert np.array_equal(motion.descriptors, again.descriptors)
    assert not np.array_equal(motion.descriptors, other.descriptors)


@pytest.mark.parametrize(("seconds", "frames"), [(0.04, 1), (0.1, 2), (1.33, 33)])
def test_short_and_silent_sounds_work(seconds: float, frames: int, audio_model: Audio2Motion, tmp_path: Path) -> None:
    write_wav(tmp_path / "silence.wav", np.zeros(round(seconds * SAMPLE_RATE)))
    motion = drive.from_audio(tmp_path / "silence.wav", audio_model, START, pose_style=0, seed=0)
    assert motion.descriptors.shape == (frames, 73) and np.isfinite(motion.descriptors).all()


def test_long_speech_is_heard_a_few_windows_at_a_time(
    speech: Path, audio_model: Audio2Motion, monkeypatch: pytest.MonkeyPatch
) -> None:
    whole = drive.from_audio(speech, audio_model, START, pose_style=3, seed=1).descriptors
    monkeypatch.setattr(audio2motion, "WINDOWS_AT_ONCE", 7)
    parts = drive.from_audio(speech, audio_model, START, pose_style=3, seed=1).descriptors
    assert parts == pytest.approx(whole, abs=1e-5)


def test_drivers_that_cannot_be_used_are_one_clear_line(
    driver: Path, speech: Path, audio_model: Audio2Motion, reader: FaceReader, tmp_path: Path
) -> None:
    wall, film = tmp_path / "wall.png", tmp_path / "walls.mp4"
    write_image(wall, np.full((200, 200, 3), 90, np.uint8))
    with VideoWriter(film, (200, 200)) as writer:
        for _ in range(3):
            writer.write(np.full((200, 200, 3), 90, np.uint8))
    (tmp_path / "empty.wav").touch()
    write_wav(tmp_path / "click.wav", np.ones(80))
    text = tmp_path / "text.mp4"
    text.write_text("not a video")

    def hear(path: Path, pose_style: int = 0) -> object:
        return drive.from_audio(path, audio_model, START, pose_style, seed=0)

    cases = [
        (lambda: drive.from_video(film, reader, START), f"{film}: no face"),
        (lambda: drive.from_video(text, reader, START), f"{text}: "),
        (lambda: drive.from_video(tmp_path / "missing.mp4", reader, START), "missing.mp4: no such file"),
        (lambda: drive.from_image(wall, reader, START, 2.0), f"{wall}: no face"),
        (lambda: hear(tmp_path / "empty.wav"), "empty.wav: the file is empty"),
        (lambda: hear(tmp_path / "click.wav"), "click.wav: 0.005 s of sound"),
        (lambda: hear(film), f"{film}: has no sound"),
        (lambda: hear(speech, pose_style=45), "infer_audio.pose_style: 45"),
    ]
    for case, fault in cases:
        with pytest.raises(InputError) as error:
            case()
        assert fault in str(error.value) and "\n" not in str(error.value)
