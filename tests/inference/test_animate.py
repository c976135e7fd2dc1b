from pathlib import Path

import numpy as np
import pytest
import torch

from styleheat.errors import InputError
from styleheat.face.landmarks import MediaPipe
from styleheat.inference.animate import animate, inspect, load_styleheat, open_portrait, write_film
from styleheat.inference.drive import SOUND_RATE, Motion
from styleheat.inference.portrait import Portrait, read_portrait
from styleheat.inference.reader import FaceReader
from styleheat.media.audio import read_audio
from styleheat.media.video import probe
from styleheat.networks.styleheat import StyleHEAT
from styleheat.params import load_params

ROOT = Path(__file__).parents[2]


@pytest.fixture(scope="module")
def portrait(astronaut: Path, model: StyleHEAT, reader: FaceReader) -> Portrait:
    return read_portrait(astronaut, model, reader)


@pytest.fixture(scope="module")
def descriptors(portrait: Portrait) -> np.ndarray:
    """Seven frames, more than one batch and no whole number of them."""
    noise = np.random.default_rng(0).normal(size=(7, 73)).astype(np.float32)
    return portrait.descriptor + 0.3 * noise


def test_the_portrait_that_parameters_name(
    astronaut: Path, model: StyleHEAT, portrait: Portrait, reader: FaceReader, folder: Path
) -> None:
    infer = load_params(ROOT / "params.yaml").infer.model_copy(update={"models": str(folder / "styleheat")})
    opened = open_portrait(astronaut, infer, reader, "cpu")
    assert np.array_equal(opened.image, portrait.image)
    assert torch.equal(opened.inversion.feature, portrait.inversion.feature)


def test_one_frame_for_each_descriptor(model: StyleHEAT, portrait: Portrait, descriptors: np.ndarray) -> None:
    frames = np.stack(list(animate(model, portrait, descriptors)))
    assert frames.shape == (7, 128, 128, 3) and frames.dtype == np.uint8
    assert np.abs(np.diff(frames.astype(int), axis=0)).mean(axis=(1, 2, 3)).min() > 0  # the window moves the face
    small = np.stack(list(animate(model, portrait, descriptors, size=64)))
    assert small.shape == (7, 64, 64, 3)


def test_frames_come_as_they_are_asked_for(model: StyleHEAT, portrait: Portrait) -> None:
    stream = animate(model, portrait, np.zeros((10**6, 73), np.float32))
    assert next(stream).shape == (128, 128, 3)


def test_a_film_has_the_drivers_frames_rate_and_sound(
    model: StyleHEAT, portrait: Portrait, descriptors: np.ndarray, tmp_path: Path
) -> None:
    sound = 0.5 * np.sin(np.arange(round(7 / 30 * SOUND_RATE)) / 30).astype(np.float32)
    write_film(tmp_path / "film.mp4", model, portrait, Motion(descriptors, 30.0, sound))
    info = probe(tmp_path / "film.mp4")
    assert (info.frames, info.width, info.height, info.fps, info.has_audio) == (7, 128, 128, 30.0, True)
    assert np.abs(read_audio(tmp_path / "film.mp4")).max() > 0.3


def test_inspect_counts_frames_and_faces(
    model: StyleHEAT, portrait: Portrait, driver: Path, finder: MediaPipe, tmp_path: Path
) -> None:
    assert inspect(driver, finder) == {"frames": 14, "seconds": 0.467, "sound": 1, "faces": 1.0}
    write_film(tmp_path / "still.mp4", model, portrait, Motion(portrait.descriptor[None].repeat(5, axis=0), 25.0))
    facts = inspect(tmp_path / "still.mp4", finder)
    assert facts["frames"] == 5 and facts["sound"] == 0 and facts["seconds"] == 0.2


def test_a_folder_without_a_model_is_one_clear_line(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"config\.json: missing"):
        load_styleheat(tmp_path, "cpu")
