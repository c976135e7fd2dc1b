"""Measurements in the frames of a video, for later comparison: landmarks, coefficients, mouth, eyes, identity.

Generated and target frames are measured alike, by tracking landmarks in the frames and estimating coefficients from
them. So a perfect result has distance 0, whatever the errors of the back ends.
"""

from collections.abc import Iterator
from dataclasses import dataclass, field, replace

import numpy as np

from styleheat import clock
from styleheat.constants import DESCRIPTOR
from styleheat.evaluation import keypoints
from styleheat.evaluation.frames import Frames
from styleheat.face import identity
from styleheat.face.landmarks import Landmarker, stack
from styleheat.inference.reader import FaceReader
from styleheat.morphable.coefficients import has_face
from styleheat.morphable.measures import eye_opening, mouth_opening, mouth_width

EMBED_EVERY = 12
"""One frame in so many is embedded for identity and searched by another estimator, which cost more than generating
it."""


@dataclass(frozen=True)
class Measurements:
    """Of T frames; NaN (landmarks: −1) where no face was found.

    landmarks (T,68,2) pixels · descriptors (T,73) · mouth (T,) opening · width (T,) of the mouth · eyes (T,) opening ·
    faces (N,128): embeddings of the first frame and of every EMBED_EVERY-th. keypoints (N,68,2): of the same frames, by
    `keypoints.found`, or `keypoints.absent`.
    """

    landmarks: np.ndarray
    descriptors: np.ndarray
    mouth: np.ndarray
    width: np.ndarray
    eyes: np.ndarray
    faces: np.ndarray
    keypoints: np.ndarray = field(default_factory=keypoints.absent)

    def after_first(self) -> "Measurements":
        """The measurements of all frames but the first, which is the source."""
        return replace(self, **{name: value[1:] for name, value in vars(self).items()})

    def first_repeated(self, length: int) -> "Measurements":
        """The measurements of the trivial baseline: the first frame, repeated."""
        counts = dict.fromkeys(vars(self), length) | {"keypoints": len(_embedded(length))}
        counts["faces"] = 2  # equal embeddings need no more
        return replace(self, **{name: np.repeat(value[:1], counts[name], axis=0) for name, value in vars(self).items()})


def measure(frames: Frames, reader: FaceReader, other: Landmarker | None = None) -> Measurements:
    """Measure frames (S,S,3) uint8; they are read more than once. other: the estimator of `Measurements.keypoints`."""
    length, size = len(frames), frames[0].shape[0]
    landmarks = stack(reader.landmarker.track(_watched(frames)))
    found = has_face(landmarks)
    descriptors = np.full((length, DESCRIPTOR), np.nan, np.float32)
    mouth, width, eyes = (np.full(length, np.nan) for _ in range(3))
    if found.any():
        descriptors[found] = reader.clip(_watched(frames), landmarks, size)[found]
        mouth[found], width[found] = mouth_opening(landmarks[found]), mouth_width(landmarks[found])
        eyes[found] = eye_opening(landmarks[found]).mean(1)
    faces = _embeddings(frames, landmarks)
    if other is None:
        return Measurements(landmarks, descriptors, mouth, width, eyes, faces)
    points = keypoints.found(frames, _embedded(length), other)
    return Measurements(landmarks, descriptors, mouth, width, eyes, faces, points)


def _watched(frames: Frames) -> Iterator[np.ndarray]:
    """The frames; each is a sign of progress for the time limit of a clip."""
    for frame in frames:
        clock.progress()
        yield frame


def _embedded(length: int) -> list[int]:
    """The numbers of frames that are embedded: the first, then every EMBED_EVERY-th, and one more at least."""
    return [0, *range(min(EMBED_EVERY, length - 1), length, EMBED_EVERY)] if length > 1 else [0]


def _embeddings(frames: Frames, landmarks: np.ndarray) -> np.ndarray:
    """(N,128) face embeddings of the frames `_embedded`, NaN without a face."""
    numbers = _embedded(len(frames))
    faces = np.full((len(numbers), identity.DIMENSIONS), np.nan, np.float32)
    for row, number in enumerate(numbers):
        if has_face(landmarks[number : number + 1])[0]:
            embedding = identity.embed(frames[number], landmarks[number])
            if embedding is not None:
                faces[row] = embedding
    return faces
