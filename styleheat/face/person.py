"""Which pixels of an image are of a person: MediaPipe's selfie segmentation, read from the files of `mediapipe`."""

from functools import cache

import cv2
import numpy as np

from styleheat.errors import InputError
from styleheat.face.detect import TfliteNetwork, data_file

INPUT_SIZE = 256
"""Pixels a side of what the network sees, and of what it finds."""


def person(image: np.ndarray) -> np.ndarray | None:
    """How certain it is that each part of an image (H,W,3) uint8 is of a person: (INPUT_SIZE,INPUT_SIZE) float32, 0 to
    1. None where the package that has the network is not installed."""
    network = _network()
    if network is None:
        return None
    way = cv2.INTER_AREA if min(image.shape[:2]) > INPUT_SIZE else cv2.INTER_LINEAR
    seen = cv2.resize(image, (INPUT_SIZE, INPUT_SIZE), interpolation=way)
    return np.clip(network(seen.astype(np.float32) / 255)[0][..., 0], 0, 1)


@cache
def _network() -> TfliteNetwork | None:
    model = "modules/selfie_segmentation/selfie_segmentation.tflite"
    try:
        return TfliteNetwork(data_file("mediapipe", model, "mediapipe"))
    except InputError:
        return None
