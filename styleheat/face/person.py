"""Which pixels of an image are of a person: MediaPipe's selfie segmentation, read from the files of `mediapipe`."""

import importlib.util
import sys
from functools import cache

import cv2
import numpy as np
from tqdm import tqdm

from styleheat.errors import InputError
from styleheat.face.detect import TfliteNetwork, data_file

INPUT_SIZE = 256
"""Pixels a side of what the network sees, and of what it finds."""


def person(image: np.ndarray) -> np.ndarray | None:
    """How certain it is that each part of an image (H,W,3) uint8 is of a person: (INPUT_SIZE,INPUT_SIZE) float32, 0 to
    1. None where a package that this needs is not installed, which is printed once per process."""
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
    except InputError as error:
        # Of an extra of its own, which the error, of files for faces, does not know.
        absent = importlib.util.find_spec("mediapipe") is None
        missing = "install styleheat[background], which needs Python 3.11 or 3.12 and, on Linux, x86-64"
        tqdm.write(f"the background moves with the head; {missing if absent else error}", file=sys.stderr)
        return None
