from pathlib import Path

import numpy as np
import pytest
from scipy.io import savemat

from styleheat.errors import InputError
from styleheat.inference import drive
from styleheat.inference.reader import FaceReader
from styleheat.media.image import write_image
from styleheat.media.track import AudioTrack
from styleheat.media.video import VideoWriter
from styleheat.morphable.coefficients import write_mat

START = np.zeros(73, np.float32)
START[70:] = (0.9, 128, 128)


def test_a_video_gives_one_descriptor_a_frame_at_its_own_rate(driver: Path, reader: FaceReader) -> None:
    opened = drive.from_video(driver, reader)
    motion = opened.motion(START)
    assert opened.frames is not None
    assert motion.descriptors.shape == (14, 73) and motion.descriptors.dtype == np.float32
    assert motion.fps == pytest.approx(30000 / 1001)
    assert motion.audio == AudioTrack(driver)


def test_the_driver_gets_the_portraits_scale(driver: Path, reader: FaceReader) -> None:
    opened = drive.from_video(driver, reader)
    ratios = opened.motion(START).descriptors[:, 70]
    larger = START.copy()
    larger[70] *= 1.5
    assert opened.motion(larger).descriptors[:, 70] == pytest.approx(1.5 * ratios)
    assert ratios == pytest.approx(0.9, rel=0.1)


def test_an_image_is_eased_into_and_out_of(astronaut: Path, reader: FaceReader) -> None:
    motion = drive.from_image(astronaut, reader, seconds=2.0).motion(START)
    assert motion.descriptors.shape == (50, 73) and motion.audio is None
    assert motion.descriptors[[0, -1]] == pytest.approx(np.stack([START, START]))
    middle = motion.descriptors[25]
    assert np.abs(middle[:64]).max() > 0.5  # a broad smile
    assert motion.descriptors[18:32] == pytest.approx(np.tile(middle, (14, 1)))
    steps = np.abs(np.diff(motion.descriptors, axis=0)).max(1)
    assert steps.max() < 0.2 * np.abs(middle - START).max()


def coefficients(frames: int) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(0)
    crop = np.tile([256.0, 256.0, 0.6, 128.0, 130.0], (frames, 1)) + rng.uniform(0, 0.1, (frames, 5))
    return rng.standard_normal((frames, 257)), crop


def test_a_file_of_coefficients_drives_as_the_video_it_is_of(tmp_path: Path) -> None:
    numbers, crop = coefficients(9)
    write_mat(tmp_path / "a.mat", numbers, crop)
    opened = drive.from_coefficients(tmp_path / "a.mat")
    motion = opened.motion(START)
    assert motion.descriptors.shape == (9, 73) and motion.fps == 25 and motion.audio is None and opened.frames is None
    assert motion.descriptors[:, :64] == pytest.approx(numbers[:, 80:144], abs=1e-5)
    assert motion.descriptors[:, 64:70] == pytest.approx(numbers[:, [224, 225, 226, 254, 255, 256]], abs=1e-5)
    assert motion.descriptors[:, 71:] == pytest.approx(crop[:, 3:], abs=1e-4)
    assert motion.descriptors[:, 70] == pytest.approx(crop[:, 2] * 0.9 / 0.65, rel=0.1)  # the portrait's scale


def test_files_that_hold_no_coefficients_are_one_clear_line(tmp_path: Path) -> None:
    numbers, crop = coefficients(3)
    (tmp_path / "empty.mat").touch()
    (tmp_path / "text.mat").write_text("not coefficients")
    savemat(tmp_path / "other.mat", {"lm": np.zeros((5, 3))})
    write_mat(tmp_path / "none.mat", numbers[:0], crop[:0])
    savemat(tmp_path / "narrow.mat", {"coeff": numbers[:, :200], "transform_params": crop})
    savemat(tmp_path / "unlike.mat", {"coeff": numbers, "transform_params": crop[:2]})
    write_mat(tmp_path / "nan.mat", numbers * np.nan, crop)
    write_mat(tmp_path / "zero.mat", numbers, 0 * crop)
    cases = {
        "missing": "no such file",
        "empty": "no coefficients in it",
        "text": "no coefficients in it",
        "other": "no coefficients in it",
        "none": "no face in",
        "narrow": r"shapes \(3, 200\) and \(3, 5\); expected \(T, 257\) and \(T, 5\)",
        "unlike": r"shapes \(3, 257\) and \(2, 5\)",
        "nan": "finite",
        "zero": "above 0",
    }
    for name, fault in cases.items():
        with pytest.raises(InputError, match=fault) as error:
            drive.from_coefficients(tmp_path / f"{name}.mat")
        assert str(tmp_path / f"{name}.mat") in str(error.value) and "\n" not in str(error.value)


def test_drivers_that_cannot_be_used_are_one_clear_line(reader: FaceReader, tmp_path: Path) -> None:
    wall, video = tmp_path / "wall.png", tmp_path / "walls.mp4"
    write_image(wall, np.full((200, 200, 3), 90, np.uint8))
    with VideoWriter(video, (200, 200)) as writer:
        for _ in range(3):
            writer.write(np.full((200, 200, 3), 90, np.uint8))
    text = tmp_path / "text.mp4"
    text.write_text("not a video")
    cases = [
        (lambda: drive.from_video(video, reader), f"{video}: no face"),
        (lambda: drive.from_video(text, reader), f"{text}: "),
        (lambda: drive.from_video(tmp_path / "missing.mp4", reader), "missing.mp4: no such file"),
        (lambda: drive.from_image(wall, reader, 2.0), f"{wall}: no face"),
    ]
    for case, fault in cases:
        with pytest.raises(InputError) as error:
            case()
        assert fault in str(error.value) and "\n" not in str(error.value)
