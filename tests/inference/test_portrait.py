from pathlib import Path

import numpy as np
import pytest

from styleheat.errors import InputError
from styleheat.face.align import ffhq_framing, ffhq_quad
from styleheat.inference.portrait import frame_face, frame_size, read_portrait
from styleheat.inference.reader import FaceReader
from styleheat.media.image import read_image, write_image
from styleheat.morphable.model import face_model
from styleheat.networks.config import NETWORKS
from styleheat.networks.styleheat import StyleHEAT

SIZE = 256
"""Pixels of the frames."""


def test_a_photo_is_aligned_and_inverted(astronaut: Path, model: StyleHEAT, reader: FaceReader) -> None:
    portrait = read_portrait(astronaut, model, reader, largest=SIZE)
    assert portrait.image.shape == (SIZE, SIZE, 3) and portrait.image.dtype == np.uint8
    landmarks = reader.landmarker.landmarks(portrait.image)
    assert landmarks is not None
    corners = np.array([(0, 0), (0, SIZE), (SIZE, SIZE), (SIZE, 0)])
    assert np.abs(ffhq_quad(landmarks) - corners).max() < 16
    assert portrait.descriptor.shape == (73,) and np.isfinite(portrait.descriptor).all()
    assert np.abs(portrait.descriptor[66]) < 0.1  # upright now: no roll
    config = model.config
    shape = (1, config.feature_channels, config.feature_size, config.feature_size)
    assert portrait.inversion.feature.shape == shape


def test_a_photo_cropped_to_the_face_is_filled_unless_the_networks_are_the_released_ones(
    astronaut: Path, model: StyleHEAT, reader: FaceReader, tmp_path: Path
) -> None:
    image = read_image(astronaut)
    landmarks = reader.find(image, astronaut)
    (x0, y0), (x1, y1) = landmarks.min(axis=0).astype(int) - 10, landmarks.max(axis=0).astype(int) + 10
    path = tmp_path / "face.png"
    write_image(path, np.ascontiguousarray(image[y0:y1, x0:x1]))
    portrait = read_portrait(path, model, reader, largest=SIZE)
    face = read_image(path)
    found = reader.find(face, path)
    filled, black = (frame_face(face, found, SIZE, released)[0] for released in (False, True))
    assert np.array_equal(portrait.image, filled)
    assert (black.max(axis=2) == 0).mean() > 0.4 and filled[0].min() > 30


def test_an_aligned_image_is_left_as_it_is(
    astronaut: Path, model: StyleHEAT, reader: FaceReader, tmp_path: Path
) -> None:
    first = read_portrait(astronaut, model, reader, largest=SIZE)
    write_image(tmp_path / "aligned.png", first.image)
    assert np.array_equal(read_portrait(tmp_path / "aligned.png", model, reader, largest=SIZE).image, first.image)


def test_of_two_faces_the_larger_is_taken(
    astronaut: Path, model: StyleHEAT, reader: FaceReader, tmp_path: Path
) -> None:
    image = read_image(astronaut)
    both = np.full((512, 1024, 3), 127, np.uint8)
    both[:, 512:] = image
    both[128:384, 128:384] = image[::2, ::-2]
    write_image(tmp_path / "both.png", both)
    alone, one = (read_portrait(path, model, reader, largest=SIZE).image for path in (astronaut, tmp_path / "both.png"))
    inner = slice(64, 224)  # without the background
    assert np.abs(alone[inner, inner].astype(float) - one[inner, inner]).mean() < 10


def test_images_that_cannot_be_used_are_one_clear_line(model: StyleHEAT, reader: FaceReader, tmp_path: Path) -> None:
    write_image(tmp_path / "wall.png", np.full((200, 200, 3), 90, np.uint8))
    (tmp_path / "empty.png").touch()
    for name, fault in (("wall.png", "no face"), ("empty.png", "empty"), ("missing.png", "no such file")):
        with pytest.raises(InputError, match=fault) as error:
            read_portrait(tmp_path / name, model, reader)
        assert str(tmp_path / name) in str(error.value) and "\n" not in str(error.value)


def test_frames_have_the_photographs_own_pixels_within_bounds() -> None:
    landmarks = face_model().landmarks(np.zeros((1, 257)))[0]
    side = ffhq_framing(landmarks).side
    config = NETWORKS["embedded"]
    assert frame_size(config, landmarks * (700 / side), 1024) == 700
    assert frame_size(config, landmarks * (700 / side), 512) == 512
    assert frame_size(config, landmarks * (150 / side), 1024) == 512  # twice what the generator paints
    assert frame_size(config, landmarks * (150 / side), 256) == 256
    assert frame_size(NETWORKS["full"], landmarks, 512) == 1024
