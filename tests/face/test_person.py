"""What of an image is a person."""

import importlib.util

import numpy as np
import pytest
import skimage.data

from styleheat.errors import InputError
from styleheat.face import person as module
from styleheat.face.person import INPUT_SIZE, person

pytest.importorskip("ai_edge_litert")


@pytest.mark.skipif(importlib.util.find_spec("mediapipe") is None, reason="no wheel for this Python or processor")
@pytest.mark.parametrize("side", [512, 200])
def test_a_photograph(side: int) -> None:
    import cv2

    image = cv2.resize(skimage.data.astronaut(), (side, side), interpolation=cv2.INTER_AREA)
    found = person(image)
    assert found is not None
    assert found.shape == (INPUT_SIZE, INPUT_SIZE)
    assert found.min() >= 0
    assert found.max() <= 1
    assert found[40:80, 100:125].mean() > 0.95  # the face
    assert found[:60, 200:].mean() < 0.3  # the shuttle behind her
    assert np.isfinite(found).all()


@pytest.mark.parametrize(
    ("installed", "line"),
    [
        (False, "install styleheat[background], which needs Python 3.11 or 3.12 and, on Linux, x86-64\n"),
        (True, "selfie.tflite: not there\n"),
    ],
)
def test_without_its_package_nothing_is_found_and_that_is_printed_once(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], installed: bool, line: str
) -> None:
    def absent(*_: str) -> None:
        raise InputError("selfie.tflite: not there")

    monkeypatch.setattr(module, "data_file", absent)
    monkeypatch.setattr(module.importlib.util, "find_spec", lambda name: object() if installed else None)
    module._network.cache_clear()
    for _ in range(2):
        assert person(np.zeros((64, 64, 3), np.uint8)) is None
    module._network.cache_clear()
    assert capsys.readouterr().err == f"the background moves with the head; {line}"
