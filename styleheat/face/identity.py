"""dlib's face embedding: 128 numbers, close for images of one person and distant for two people.

dlib's own measure is the Euclidean distance, below 0.6 for one person (`dlib_face_recognition_resnet_model_v1`).
"""

import functools
from typing import Any

import numpy as np

from styleheat.errors import InputError
from styleheat.face.detect import data_file
from styleheat.face.landmarks import mediapipe

DIMENSIONS = 128

CHIP_SIZE = 150
"""Side in pixels of the upright face that the network sees."""

CHIP_MARGIN = 0.25
"""Of it around the face, as the network was trained."""


def embed(image: np.ndarray, landmarks: np.ndarray | None = None) -> np.ndarray | None:
    """(128,) float32 that stand for the largest face of an (H, W, 3) uint8 RGB image; None where there is no face.

    landmarks: (68, 2) pixels of that face if known, which saves finding it.
    Raises InputError when the packages for it are not installed.
    """
    if landmarks is None:
        landmarks = mediapipe().landmarks(image)
        if landmarks is None:
            return None
    dlib, network = _network()
    points = dlib.points([dlib.point(*(round(float(v)) for v in point)) for point in landmarks])
    box = dlib.rectangle(0, 0, image.shape[1], image.shape[0])  # the chip is cut by the points alone
    shape = dlib.full_object_detection(box, points)
    chip = dlib.get_face_chip(np.ascontiguousarray(image), shape, size=CHIP_SIZE, padding=CHIP_MARGIN)
    return np.array(network.compute_face_descriptor(chip), np.float32)


def similarity(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    """Cosine similarity over the last axis of embeddings (..., 128): 1 for the same face, about 0.8 for strangers;
    NaN where either is."""
    return (a * b).sum(-1) / (np.linalg.norm(a, axis=-1) * np.linalg.norm(b, axis=-1))


@functools.lru_cache(maxsize=1)
def _network() -> tuple[Any, Any]:
    try:
        import dlib
    except ImportError as error:
        raise InputError("identity similarity needs the package dlib; install styleheat[faces]") from error
    weights = data_file(
        "face_recognition_models", "models/dlib_face_recognition_resnet_model_v1.dat", "face-recognition-models"
    )
    return dlib, dlib.face_recognition_model_v1(str(weights))
