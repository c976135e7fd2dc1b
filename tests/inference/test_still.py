"""Portraits from videos, and photographs larger than video players show."""

from pathlib import Path

import cv2
import numpy as np
import pytest
from PIL import Image

from styleheat.errors import InputError
from styleheat.inference.compose import composer
from styleheat.inference.portrait import read_portrait
from styleheat.inference.reader import FaceReader
from styleheat.inference.still import read_still
from styleheat.media.image import read_image
from styleheat.media.video import VideoWriter
from styleheat.networks.styleheat import StyleHEAT

SHARP = 9
"""The frame of `moving` that is not blurred."""


@pytest.fixture(scope="module")
def moving(folder: Path, astronaut: Path) -> Path:
    """A face of which one frame is sharp, among blurred ones and some that show nothing."""
    sharp = cv2.resize(read_image(astronaut), (256, 256), interpolation=cv2.INTER_AREA)
    with VideoWriter(folder / "moving.mp4", (256, 256), 10) as writer:
        for number in range(16):
            blurred = cv2.GaussianBlur(sharp, (0, 0), 4)
            writer.write(sharp if number == SHARP else np.zeros_like(sharp) if number < 3 else blurred)
    return folder / "moving.mp4"


def test_of_a_video_the_best_frame_is_the_portrait(moving: Path, astronaut: Path, reader: FaceReader) -> None:
    sharp = cv2.resize(read_image(astronaut), (256, 256), interpolation=cv2.INTER_AREA)
    assert np.abs(read_still(moving, reader, None)[0].astype(int) - sharp).mean() < 5
    assert np.abs(read_still(moving, reader, SHARP / 10)[0].astype(int) - sharp).mean() < 5
    assert read_still(moving, reader, 0.1)[0].max() < 20


def test_an_image_stays_itself_whatever_the_moment(astronaut: Path, reader: FaceReader) -> None:
    assert np.array_equal(read_still(astronaut, reader, 3.0)[0], read_image(astronaut))


def test_an_animation_is_a_portrait_too(tmp_path: Path, astronaut: Path, reader: FaceReader) -> None:
    sharp = cv2.resize(read_image(astronaut), (256, 256), interpolation=cv2.INTER_AREA)
    frames = [Image.fromarray(frame) for frame in (cv2.GaussianBlur(sharp, (0, 0), 4), sharp)]
    frames[0].save(tmp_path / "face.webp", save_all=True, append_images=frames[1:], duration=200, lossless=True)
    assert np.abs(read_still(tmp_path / "face.webp", reader, None)[0].astype(int) - sharp).mean() < 5


def test_what_no_portrait_can_be_made_of(moving: Path, tmp_path: Path, reader: FaceReader) -> None:
    with pytest.raises(InputError, match=r"moving.mp4: ends after 1.60 s; set infer.portrait_time below that"):
        read_still(moving, reader, 2.0)
    with VideoWriter(tmp_path / "wall.mp4", (64, 64), 10) as writer:
        for _ in range(5):
            writer.write(np.full((64, 64, 3), 90, np.uint8))
    with pytest.raises(InputError, match=r"wall.mp4: no face found in 5 frames"):
        read_still(tmp_path / "wall.mp4", reader, None)
    (tmp_path / "notes.txt").write_text("a face")
    with pytest.raises(InputError, match=r"notes.txt: not an image"):
        read_still(tmp_path / "notes.txt", reader, None)


def test_a_large_photograph_is_shown_no_longer_than_wanted(
    astronaut: Path, model: StyleHEAT, reader: FaceReader
) -> None:
    portrait = read_portrait(astronaut, model, reader, largest=256)
    complete, shown = composer("pasted", portrait, longest=None)
    small, shown_small = composer("pasted", portrait, longest=300)
    assert (complete, small) == ((512, 512), (300, 300))
    frame = np.ascontiguousarray(255 - portrait.image)  # no seam hides that it is in the right place
    expected = cv2.resize(shown(frame), (300, 300), interpolation=cv2.INTER_AREA)
    assert np.abs(shown_small(frame).astype(int) - expected).mean() < 5
