"""Checks, on two frames a second, whether a clip can be trained on: sharp, one person, the face always visible and not
hidden."""

from collections.abc import Iterable

import cv2
import numpy as np

from styleheat.face.detect import overlap
from styleheat.face.identity import embed, similarity
from styleheat.face.landmarks import Landmarker
from styleheat.face.occlusion import frontal_face, hidden
from styleheat.morphable.coefficients import has_face
from styleheat.params import Quality

EVERY = 12
"""Frames from one that is looked at to the next."""

SIDE = 128
"""Pixels that a face is brought to before its sharpness is taken."""

SMALL = 0.4
"""Side of another face, in sides of the clip's own, below which it is background."""

SAME = 0.3
"""Overlap with the box around the clip's landmarks from which a face found is the clip's own."""


def fault(frames: Iterable[np.ndarray], landmarks: np.ndarray, finder: Landmarker, wanted: Quality) -> str | None:
    """Why a clip is not wanted, as a short category to count by; None when it is. frames: of it, (H,W,3) uint8, read
    only if need be. landmarks: (T,68,2). Raises InputError when dlib is wanted and not installed."""
    here = has_face(landmarks)
    if wanted.face_rate is not None and here.mean() < wanted.face_rate:
        return "face seldom seen"
    if wanted.sharpness is wanted.other_faces is wanted.likeness is wanted.occlusion is None:
        return None
    sharp, others, embeddings, faces = [], [], [], []
    for number, frame in enumerate(frames):
        if number % EVERY or not here[number]:
            continue
        points = landmarks[number]
        if wanted.sharpness is not None:
            sharp.append(sharpness(frame, points))
        if wanted.other_faces is not None:
            others.append(has_other(frame, points, finder))
        if wanted.likeness is not None:
            embeddings.append(embed(frame, points))
        if wanted.occlusion is not None:
            faces.append(frontal_face(frame, points))
    if wanted.sharpness is not None and sharp and np.median(sharp) < wanted.sharpness:
        return "blurred"
    if wanted.other_faces is not None and others and np.mean(others) > wanted.other_faces:
        return "several faces"
    if wanted.likeness is not None and embeddings:
        known = np.stack([found for found in embeddings if found is not None])
        if similarity(known, np.median(known, axis=0)).min() < wanted.likeness:
            return "another person within it"
    if wanted.occlusion is not None and faces and hidden(np.stack(faces)).max() > wanted.occlusion:
        return "face hidden"
    return None


def sharpness(frame: np.ndarray, points: np.ndarray) -> float:
    """Variance of the Laplacian of a face's grey levels, the face brought to SIDE pixels; points: (68,2)."""
    low, high = np.floor(points.min(axis=0)).astype(int), np.ceil(points.max(axis=0)).astype(int)
    part = frame[max(low[1], 0) : high[1], max(low[0], 0) : high[0]]
    if not part.size:
        return 0.0
    grey = cv2.cvtColor(cv2.resize(part, (SIDE, SIDE), interpolation=cv2.INTER_AREA), cv2.COLOR_RGB2GRAY)
    return float(cv2.Laplacian(grey, cv2.CV_64F).var())


def has_other(frame: np.ndarray, points: np.ndarray, finder: Landmarker) -> bool:
    """Whether a frame shows a face beside the one with these landmarks (68,2)."""
    own = np.concatenate([points.min(axis=0), points.max(axis=0)])
    side = float(np.sqrt(np.prod(own[2:] - own[:2])))
    return any(face.size > SMALL * side and overlap(face.box, own) < SAME for face in finder.detect_all(frame))
