"""The identity of the person in a clip, as one vector."""

from collections.abc import Iterable

import numpy as np

from styleheat.errors import InputError
from styleheat.face.identity import embed
from styleheat.morphable.coefficients import has_face

FRAMES = 5
"""Frames of a clip that are looked at: the mean of so many differs little from that of all."""


def embed_clip(frames: Iterable[np.ndarray], landmarks: np.ndarray) -> np.ndarray:
    """(128,) float32 of length 1 that stand for the face of a clip: the mean of dlib's embeddings of FRAMES of its
    frames, evenly spread over those with a face.

    frames: (H, W, 3) uint8 RGB each. landmarks: (T, 68, 2) in pixels of the frames; −1 in those without a face.
    Raises InputError when no frame has a face, or dlib is not installed.
    """
    here = np.flatnonzero(has_face(landmarks))
    chosen = set(here[np.linspace(0, len(here) - 1, min(len(here), FRAMES)).round().astype(int)].tolist())
    found = []
    for number, frame in enumerate(frames):
        if number in chosen:
            found.append(embed(frame, landmarks[number]))
            if len(found) == len(chosen):
                break
    known = [face for face in found if face is not None]
    if not known:
        raise InputError("landmarks: no frame of the clip has a face; track it again")
    mean = np.mean([face / np.linalg.norm(face) for face in known], axis=0)
    return (mean / np.linalg.norm(mean)).astype(np.float32)
