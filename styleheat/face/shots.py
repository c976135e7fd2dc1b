"""The shots of a video: where the camera, or the scene, changes from one frame to the next."""

import itertools
from collections.abc import Iterable, Iterator

import numpy as np

from styleheat.face.cuts import CutFinder
from styleheat.face.detect import overlap
from styleheat.morphable.coefficients import has_face

SAME_PLACE = 0.7
"""Overlap of the face's boxes before and after a change of the image, above which it is no cut: the light changes,
or something moves behind the head."""


def watched(frames: Iterable[np.ndarray], cuts: list[int]) -> Iterator[np.ndarray]:
    """The same frames (H,W,3) uint8; the number of each one that begins a shot is added to `cuts`."""
    finder = CutFinder()
    for number, frame in enumerate(frames):
        if finder.begins(frame):
            cuts.append(number)
        yield frame


def shots(landmarks: np.ndarray, cuts: Iterable[int]) -> list[slice]:
    """The stretches of a video between its cuts, each with a face, by the landmarks (T,68,2) of its face, which has to
    be seen once at least. A cut counts where the face is in another place, or of another size, behind it."""
    seen = np.flatnonzero(has_face(landmarks))
    marks = [0]
    for cut in cuts:
        before, after = seen[(seen >= marks[-1]) & (seen < cut)], seen[seen >= cut]
        if len(before) and len(after) and overlap(_box(landmarks[before[-1]]), _box(landmarks[after[0]])) < SAME_PLACE:
            marks.append(cut)
    return [slice(begin, end) for begin, end in itertools.pairwise([*marks, len(landmarks)])]


def _box(points: np.ndarray) -> np.ndarray:
    return np.concatenate([points.min(axis=0), points.max(axis=0)])
